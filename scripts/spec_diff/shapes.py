"""What a schema means, whatever way it is written.

A schema is a conjunction: a tuple of nodes that all apply. `Shapes.of` follows references, merges
`allOf`, and brings to one form what can be spelt in several: `nullable`, `type: [string, 'null']`
and a union with null; `const` and `enum`; a union of one member, of plain types, of single values;
the exclusive limits of 3.0 and of 3.1. Fields and items stay schemas, so that one may contain
itself.
"""

import itertools
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeGuard

from .documents import Document, Node
from .kinds import LIMITS
from .model import SpecDiffError
from .reading import escape

Schema: TypeAlias = tuple[Node, ...]
Limit: TypeAlias = tuple[float, bool]

# Without meaning for what is on the wire.
_PROSE = frozenset(
    "title description summary example examples externalDocs xml $comment $id $schema $anchor $defs"
    " definitions".split()
)
# What has a field in Shape. Any other keyword is compared as it stands.
_UNDERSTOOD = frozenset(
    "$ref type nullable enum const format pattern properties required items additionalProperties"
    " allOf oneOf anyOf discriminator readOnly writeOnly deprecated default exclusiveMinimum"
    " exclusiveMaximum".split()
)
_UNDERSTOOD |= LIMITS.keys()
_IMPLIED = {"properties": "object", "additionalProperties": "object", "items": "array"}
_UNIONS = ("oneOf", "anyOf")
_MAX_EXPANDED = 100_000
_TYPES = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array"}
_TYPES |= {dict: "object", type(None): "null"}


@dataclass(slots=True)
class Union:
    """Alternatives, without null.

    Attributes:
        keyword: `oneOf` or `anyOf`.
        node: Where the list of them stands.
        members: The alternatives.
    """

    keyword: str
    node: Node
    members: list[Schema]


@dataclass(slots=True)
class Shape:
    """A schema in its one form.

    Attributes:
        node: Where it stands.
        at: Where each of its keywords stands.
        types: Its JSON types, null not among them; None for any. Those of its alternatives if it
            names none.
        nullable: Whether it may be null, if types or unions say what it may be.
        enum: The values that it may have, by their canonical text, without null; None for any.
        format: What kind of text or number it is.
        patterns: All that it has to match.
        limits: Each limit, and whether the limit itself is excluded.
        properties: The schemas of its fields.
        required: The fields that have to be there.
        additional: The schema of other fields, () for anything; None if there may be none.
        items: The schema of items; () for anything.
        unions: Alternatives, one of which has to hold for each union.
        is_union: Whether it says nothing that is not in its alternatives.
        discriminator: What tells alternatives apart.
        read_only: Whether only responses have it.
        write_only: Whether only requests have it.
        deprecated: Whether it should not be used any more.
        other: Canonical text of all keywords that are not understood here.
    """

    node: Node
    at: dict[str, Node] = field(default_factory=dict)
    types: frozenset[str] | None = None
    nullable: bool = False
    enum: dict[str, Any] | None = None
    format: str | None = None
    patterns: tuple[str, ...] = ()
    limits: dict[str, Limit] = field(default_factory=dict)
    properties: dict[str, Schema] = field(default_factory=dict)
    required: set[str] = field(default_factory=set)
    additional: Schema | None = ()
    items: Schema = ()
    unions: list[Union] = field(default_factory=list)
    is_union: bool = False
    discriminator: Node | None = None
    read_only: bool = False
    write_only: bool = False
    deprecated: bool = False
    other: dict[str, str] = field(default_factory=dict)

    def where(self, keyword: str) -> Node:
        """Return where a keyword stands, or else the schema."""
        return self.at.get(keyword, self.node)

    @property
    def is_blank(self) -> bool:
        """Whether it says nothing about what it may be."""
        said = self.other, self.properties, self.required, self.unions
        return self.types is None and self.enum is None and not any(said)


class Shapes:
    """The shapes of a document's schemas, each made once.

    Args:
        document: The document; its version decides what a schema means.
    """

    def __init__(self, document: Document) -> None:
        self._is_3_0 = str(document.data.get("openapi", "")).startswith("3.0")
        self._shapes = dict[Schema, Shape]()
        self._prints = dict[tuple[Schema, int], str]()

    def of(self, schema: Schema) -> Shape:
        """Return the shape of a schema of at least one node.

        Raises:
            SpecDiffError: If a reference cannot be followed, or a keyword has a value that no
                schema can have.
        """
        if schema not in self._shapes:
            shape = self._shapes[schema] = Shape(self._target(schema[0]))
            self._fill(shape, schema)
        return self._shapes[schema]

    def entry(self, schema: Schema) -> Schema:
        """Return what a schema that only refers to another one refers to."""
        return tuple(dict.fromkeys(map(self._target, schema)))

    def fingerprint(self, schema: Schema, depth: int = 4) -> str:
        """Return a text that schemas have in common if they mean the same, down to a depth."""
        key = schema, depth
        if key not in self._prints:
            self._prints[key] = self._fingerprint(schema, depth)
        return self._prints[key]

    def features(self, schema: Schema) -> set[str]:
        """Return what a schema is known by: its types, its fields, and fixed values of both."""
        shape = self.of(schema)
        found = {f"type {name}" for name in shape.types or ()} | set(shape.enum or ())
        for name, member in shape.properties.items():
            found.add(f"field {name}")
            found.update(f"field {name} {value}" for value in self.of(member).enum or ())
        return found

    def _fill(self, shape: Shape, schema: Schema) -> None:
        typed, seen = list[frozenset[str]](), set[Node]()
        for node in schema:
            for part in self._parts(node, seen):
                self._merge(shape, part)
                if (names := _types(part)) is not None:
                    typed.append(names)
        _merge_types(shape, typed)
        self._fold(shape)
        if shape.enum is not None:
            shape.enum.pop("null", None)
        if not shape.unions and (heirs := self._heirs(shape)):
            shape.unions.append(heirs)
        if shape.unions:
            members = [member for union in shape.unions for member in union.members]
            names = _any_of(self.of(member).types for member in members)
            shape.types = shape.types or names
            said = shape.enum, shape.other, shape.properties, shape.required
            shape.is_union = shape.types == names and not any(said)

    def _heirs(self, shape: Shape) -> Union | None:
        """Return what a discriminator names where there is no union: schemas that extend this."""
        mapping = shape.discriminator.get("mapping") if shape.discriminator else None
        if shape.discriminator is None or mapping is None or not mapping.value:
            return None
        members: list[Schema] = [
            (self.named(shape.discriminator, name),) for name in mapping.value.values()
        ]
        return Union("anyOf", shape.discriminator, members)

    def named(self, discriminator: Node, name: object) -> Node:
        """Return the schema that a mapping of a discriminator names."""
        reference = str(name)
        if not {"#", "/"} & set(reference):
            reference = f"#/components/schemas/{escape(reference)}"
        return self._target(discriminator.document.resolve(reference))

    def _parts(self, node: Node, seen: set[Node]) -> Iterator[Node]:
        """Yield all the objects that have to hold at once."""
        node = _object_of(node)
        if node in seen:
            return
        seen.add(node)
        if isinstance(reference := node.value.get("$ref"), str):
            yield from self._parts(node.document.resolve(reference), seen)
            if self._is_3_0:  # nothing beside a reference counts
                return
        yield node
        for part in _list(node, "allOf"):
            yield from self._parts(part, seen)
        for keyword in _UNIONS:
            members = [member for member in _list(node, keyword) if not _is_null(member)]
            if len(members) == 1:
                yield from self._parts(members[0], seen)

    def _merge(self, shape: Shape, part: Node) -> None:
        """Add what an object says to a shape, but for its types."""
        value = part.value
        for keyword in value.keys() - _PROSE:
            shape.at.setdefault(keyword, part.child(keyword))
        for name in _dict(part, "properties"):
            member = part.child("properties").child(name)
            shape.properties[name] = (*shape.properties.get(name, ()), member)
        shape.required.update(str(name.value) for name in _list(part, "required"))
        if value.get("items") not in (None, True, {}):
            shape.items = (*shape.items, part.child("items"))
        if (additional := value.get("additionalProperties", True)) is False:
            shape.additional = None
        elif additional not in (True, {}) and shape.additional is not None:
            shape.additional = (*shape.additional, part.child("additionalProperties"))
        for keyword in _UNIONS:
            members = _list(part, keyword)
            rest: list[Schema] = [(member,) for member in members if not _is_null(member)]
            shape.nullable |= len(rest) < len(members)
            if len(rest) > 1:
                shape.unions.append(Union(keyword, part.child(keyword), rest))
        shape.nullable |= self._is_3_0 and value.get("nullable") is True
        self._merge_values(shape, part)

    def _merge_values(self, shape: Shape, part: Node) -> None:
        value = part.value
        keyword = "const" if "const" in value else "enum"
        if keyword in value:
            items = _list(part, keyword) if keyword == "enum" else [part.child(keyword)]
            texts = {canonical(item.value): item.value for item in items}
            known = texts if shape.enum is None else shape.enum
            shape.enum = {text: item for text, item in texts.items() if text in known}
            shape.at["enum"] = part.child(keyword)
        if isinstance(value.get("format"), str):
            shape.format = value["format"]
        if isinstance(value.get("pattern"), str):
            shape.patterns = tuple(sorted({*shape.patterns, value["pattern"]}))
        for keyword, (limit, stands) in _limits(value).items():
            if keyword not in shape.limits or is_stricter(keyword, limit, shape.limits[keyword]):
                shape.limits[keyword] = limit
                shape.at[keyword] = part.child(stands)
        if isinstance(value.get("discriminator"), dict):
            shape.discriminator = part.child("discriminator")
        shape.read_only |= value.get("readOnly") is True
        shape.write_only |= value.get("writeOnly") is True
        shape.deprecated |= value.get("deprecated") is True
        for keyword in sorted(value.keys() - _UNDERSTOOD - _PROSE):
            if keyword.startswith("x-") or (keyword == "uniqueItems" and value[keyword] is False):
                continue
            text = expanded(part.child(keyword))
            if shape.other.setdefault(keyword, text) != text:
                shape.other[keyword] = f"{shape.other[keyword]} and {text}"

    def _fold(self, shape: Shape) -> None:
        """Turn unions of plain types into types, and unions of single values into an enum."""
        for union in list(shape.unions):
            bare = [self._target(member[0]) for member in union.members]
            if shape.types is None and all(one.value.keys() - _PROSE == {"type"} for one in bare):
                names = frozenset[str]().union(*(_types(one) or () for one in bare))
                shape.nullable |= "null" in names
                shape.types = _plain(names)
                shape.at["type"] = union.node
            elif shape.enum is None and all(_is_const(one.value) for one in bare):
                shape.enum = {canonical(one.value["const"]): one.value["const"] for one in bare}
                shape.at["enum"] = union.node
                if shape.types is None:
                    shape.types = _plain(_type(value) for value in shape.enum.values())
            else:
                continue
            shape.unions.remove(union)

    def _target(self, node: Node) -> Node:
        """Follow references that stand alone."""
        seen = set[Node]()
        while node not in seen and isinstance(node.value, dict) and "$ref" in node.value:
            alone = self._is_3_0 or not node.value.keys() - _PROSE - {"$ref"}
            if not alone or not isinstance(node.value["$ref"], str):
                break
            seen.add(node)
            node = node.document.resolve(node.value["$ref"])
        return _object_of(node)

    def _fingerprint(self, schema: Schema, depth: int) -> str:
        shape = self.of(schema)
        said = [
            sorted(shape.types or ()),
            shape.nullable,
            None if shape.enum is None else sorted(shape.enum),
            [shape.format, shape.patterns, sorted(shape.limits.items()), sorted(shape.required)],
            [shape.read_only, shape.write_only, shape.additional is None, shape.deprecated],
            sorted(shape.other.items()),
            sorted(shape.properties),
        ]
        if depth:
            deeper = [*shape.properties.items(), ("[]", shape.items), ("*", shape.additional or ())]
            said += [
                sorted((name, self.fingerprint(one, depth - 1)) for name, one in deeper if one),
                sorted(
                    sorted(self.fingerprint(member, depth - 1) for member in union.members)
                    for union in shape.unions
                ),
            ]
        return str(hash(json.dumps(said, sort_keys=True)))


def canonical(value: Any) -> str:
    """Write a JSON value so that equal values have equal texts: 1.0 is 1, and true is not."""
    return json.dumps(_plain_numbers(value), sort_keys=True, ensure_ascii=False)


def expanded(node: Node) -> str:
    """Write a value canonically, without prose, references replaced by what they name."""
    return canonical(_expanded(node, frozenset(), itertools.count(), names=False))


def is_stricter(keyword: str, limit: Limit, than: Limit) -> bool:
    """Tell whether a limit lets fewer values through than another one of the same keyword."""
    if keyword.startswith("max"):
        return (limit[0], not limit[1]) < (than[0], not than[1])
    return limit > than


def is_within(types: frozenset[str] | None, others: frozenset[str] | None) -> bool:
    """Tell whether every value of some types is of some other types; None is any type."""
    if types is None or others is None:
        return others is None
    return types <= (others | {"integer"} if "number" in others else others)


def _merge_types(shape: Shape, typed: list[frozenset[str]]) -> None:
    """Settle which types are left when all of several sets have to hold."""
    if typed:
        names = typed[0]
        for more in typed[1:]:
            both = names & more
            if {"integer", "number"} <= names | more:
                both |= {"integer"}
            names = both
        shape.nullable |= "null" in names
        shape.types = _plain(names)
    elif shape.enum:
        shape.types = _plain(_type(value) for value in shape.enum.values())
        shape.nullable |= "null" in shape.enum
    else:
        implied = {name for keyword, name in _IMPLIED.items() if keyword in shape.at}
        shape.types = frozenset(implied) if len(implied) == 1 else None


def _any_of(alternatives: Iterable[frozenset[str] | None]) -> frozenset[str] | None:
    names = frozenset[str]()
    for types in alternatives:
        if types is None:
            return None
        names |= types
    return _plain(names)


def _plain(names: Iterable[str]) -> frozenset[str]:
    """Types without null, and without what another type includes."""
    found = frozenset(names) - {"null"}
    return found - {"integer"} if "number" in found else found


def _types(part: Node) -> frozenset[str] | None:
    names = part.value.get("type")
    names = [names] if isinstance(names, str) else names
    if names is None:
        return None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise SpecDiffError(f"{part.name}: type is a name or a list of names, not {names!r}")
    return frozenset(names)


def _type(value: Any) -> str:
    return _TYPES[type(value)]


def _limits(value: dict[str, Any]) -> dict[str, tuple[Limit, str]]:
    """Return each limit of a schema object, and the keyword that says it."""
    found = dict[str, tuple[Limit, str]]()
    for keyword in LIMITS:
        limit = value.get(keyword)
        if _is_number(limit) and (limit > 0 or keyword.endswith("imum") or "max" in keyword):
            found[keyword] = (limit, False), keyword
    for keyword, exclusive in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        limit = value.get(exclusive)
        if limit is True and keyword in found:  # 3.0
            found[keyword] = (value[keyword], True), keyword
        elif _is_number(limit):  # 3.1
            stricter = keyword in found and is_stricter(keyword, found[keyword][0], (limit, True))
            if not stricter:
                found[keyword] = (limit, True), exclusive
    return found


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_null(member: Node) -> bool:
    value = member.value
    if not isinstance(value, dict):
        return False
    said = {key: value[key] for key in value.keys() - _PROSE}
    return said in ({"type": "null"}, {"const": None}, {"enum": [None]}, {"type": ["null"]})


def _is_const(value: dict[str, Any]) -> bool:
    return "const" in value and not value.keys() - _PROSE - {"type", "const"}


def _object_of(node: Node) -> Node:
    """Return a schema as an object: true and false are schemas as well."""
    if isinstance(node.value, bool):
        return Node(node.document, node.pointer, {} if node.value else {"type": []})
    if not isinstance(node.value, dict):
        raise SpecDiffError(f"{node.name}: a schema is expected, not {node.value!r}")
    return node


def _list(node: Node, keyword: str) -> list[Node]:
    if keyword not in node.value:
        return []
    inner = node.child(keyword)
    if not isinstance(inner.value, list):
        raise SpecDiffError(f"{inner.name}: an array is expected, not {inner.value!r}")
    return [inner.child(index) for index in range(len(inner.value))]


def _dict(node: Node, keyword: str) -> dict[str, Any]:
    found = node.value.get(keyword, {})
    if not isinstance(found, dict):
        raise SpecDiffError(f"{node.name}/{keyword}: an object is expected, not {found!r}")
    return found


def _plain_numbers(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [_plain_numbers(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain_numbers(member) for key, member in value.items()}
    return value


def _expanded(node: Node, above: frozenset[Node], count: Iterator[int], *, names: bool) -> Any:
    """Return a value without prose and references; `names` says that its keys are of its own."""
    if node in above:
        return "..."  # it contains itself
    if next(count) > _MAX_EXPANDED:
        raise SpecDiffError(f"{node.name}: more than {_MAX_EXPANDED} values, references followed")
    value, inside = node.value, above | {node}
    if isinstance(value, list):
        items = (node.child(index) for index in range(len(value)))
        return [_expanded(item, inside, count, names=False) for item in items]
    if not isinstance(value, dict):
        return value
    if isinstance(value.get("$ref"), str) and not names:
        return _expanded(node.document.resolve(value["$ref"]), inside, count, names=False)
    return {
        key: _expanded(node.child(key), inside, count, names=key.lower().endswith("properties"))
        for key in value
        if names or not (key in _PROSE or key.startswith("x-"))
    }
