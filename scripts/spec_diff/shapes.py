"""Normalize schemas to their meaning, regardless of notation.

A schema is a conjunction: a tuple of nodes that all apply. `Shapes.of` follows references, merges
`allOf`, and reduces equivalent notations to one form: `nullable`, `type: [string, 'null']` and a
union with null; `const` and `enum`; a union in a union, of one member, of plain types, of single
values; `additionalProperties` and `unevaluatedProperties`; the exclusive limits of 3.0 and of 3.1.
Fields and items stay schemas, so that a schema may contain itself.
"""

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any, TypeAlias

import attrs

from .documents import ELSEWHERE, Document, Node
from .keywords import (
    UNIONS,
    Limit,
    as_schema,
    canonical,
    common_types,
    dict_of,
    format_of,
    implied_types,
    is_anything,
    is_null,
    is_number,
    is_stricter,
    limits_of,
    list_of,
    of_integers,
    pattern_of,
    plain_types,
    said,
    schema_reference,
    type_of,
    types_of,
    values_of,
)
from .model import SpecDiffError

Schema: TypeAlias = tuple[Node, ...]

_NUMBERS = frozenset({"integer"}), frozenset({"number"})
# Patterns that match quickly: of fixed length, except for the last part.
_SIMPLE = re.compile(r"\^?(?:[\w\- /]|\\.|\[[\w\-]+\])*(?:\.|\[[\w\-]+\])?[*+]?\$?\Z")


@attrs.define
class Union:
    """Alternatives, without null.

    Attributes:
        keyword: `oneOf` or `anyOf`.
        node: The list of alternatives.
        members: The alternatives.
        are_heirs: Whether the alternatives extend the schema itself.
    """

    keyword: str
    node: Node
    members: list[Schema]
    are_heirs: bool = False


@attrs.define
class Branch:
    """A conditional rule.

    Attributes:
        node: The node of the rule.
        condition: A schema: `then` applies to matching values, `otherwise` to others.
        trigger: Instead of a condition, the field whose presence triggers `then`.
        then: A schema; () for anything.
        otherwise: A schema; () for anything.
    """

    node: Node
    condition: Schema
    trigger: str | None
    then: Schema
    otherwise: Schema


@attrs.define
class Shape:
    """A normalized schema.

    Attributes:
        node: The node of the schema.
        parts: The schema objects merged into it.
        at: The nodes of keywords that are not in the first part with the keyword.
        types: Its JSON types without null; None for any. The types of its alternatives if it names
            none.
        are_implied: Whether the types are only implied by keywords that apply to them alone.
        nullable: Whether it may be null, if types or unions restrict it.
        enum: The permitted values by canonical text, without null; None for any.
        format: The format of text or a number.
        patterns: The patterns, which all apply.
        limits: Each limit, and whether the limit itself is excluded.
        multiples: The numbers of which a value must be a multiple.
        unique: Whether items must be unique.
        properties: The schemas of its fields.
        patterned: The schemas of fields whose names match a pattern.
        required: The required fields.
        additional: The schema of other fields, () for anything; None if there may be none.
        names: The schema of the names of fields; () for any.
        prefix: The schemas of the first items.
        items: The schema of the other items, () for anything; None if there may be none.
        contains: The schema that at least one item must match; () if none.
        content: The schema of the content encoded in the text; () if none.
        forbidden: The schemas that a value must not match.
        branches: The conditional rules.
        unions: The unions; one alternative of each applies.
        is_union: Whether it consists of its alternatives alone.
        discriminator: The discriminator of the alternatives.
        read_only: Whether it occurs only in responses.
        write_only: Whether it occurs only in requests.
        deprecated: Whether it is deprecated.
        other: Canonical text of keywords that are only compared as a whole.
    """

    node: Node
    parts: list[Node] = attrs.field(factory=list)
    at: dict[str, Node] = attrs.field(factory=dict)
    types: frozenset[str] | None = None
    are_implied: bool = False
    nullable: bool = False
    enum: dict[str, Any] | None = None
    format: str | None = None
    patterns: tuple[str, ...] = ()
    limits: dict[str, Limit] = attrs.field(factory=dict)
    multiples: tuple[float, ...] = ()
    unique: bool = False
    properties: dict[str, Schema] = attrs.field(factory=dict)
    patterned: dict[str, Schema] = attrs.field(factory=dict)
    required: set[str] = attrs.field(factory=set)
    additional: Schema | None = ()
    names: Schema = ()
    prefix: list[Schema] = attrs.field(factory=list)
    items: Schema | None = ()
    contains: Schema = ()
    content: Schema = ()
    forbidden: list[Schema] = attrs.field(factory=list)
    branches: list[Branch] = attrs.field(factory=list)
    unions: list[Union] = attrs.field(factory=list)
    is_union: bool = False
    discriminator: Node | None = None
    read_only: bool = False
    write_only: bool = False
    deprecated: bool = False
    other: dict[str, str] = attrs.field(factory=dict)

    def where(self, keyword: str) -> Node:
        """Return the node of a keyword, or else of the schema."""
        return self.find(keyword) or self.node

    def find(self, keyword: str) -> Node | None:
        """Return the node of a keyword; None if absent."""
        if keyword in self.at:
            return self.at[keyword]
        return next((one.child(keyword) for one in self.parts if keyword in one.value), None)

    @property
    def is_nothing(self) -> bool:
        """Whether it matches no value, like the schema `false`."""
        return self.types == frozenset() and not self.nullable

    @property
    def is_blank(self) -> bool:
        """Whether it does not restrict the values."""
        described = self.properties, self.required, self.patterned, self.branches, self.forbidden
        listed = self.enum is not None or ELSEWHERE in self.other
        return self.types is None and not listed and not any((*described, self.unions))

    @property
    def is_free(self) -> bool:
        """Whether it accepts anything, or any object, without describing fields."""
        described = self.patterned, self.branches, self.forbidden, self.unions
        listed = self.find("properties")
        bounds = self.enum, self.required, self.limits, self.names, self.additional is None
        known = ELSEWHERE not in self.other
        kinds = self.types is None or "object" in self.types
        return known and kinds and not self.additional and not any((listed, *described, *bounds))

    def member(self, name: str) -> Schema | None:
        """Return the schema of a field, by its name and the patterns that match it."""
        found = self.properties.get(name, ())
        for pattern, schema in self.patterned.items():
            if matches(pattern, name):
                found += schema
        return found or None

    def among(self, inner: "Shape | None", names: Iterable[str]) -> "Shape":
        """Return this shape combined with an alternative or branch, reduced to some fields.

        Args:
            inner: The shape of the alternative; None for anything.
            names: The fields described by it or by its counterpart.
        """
        own = Shape(self.node) if inner is None else inner
        both = {
            name: (*(self.member(name) or ()), *own.properties.get(name, ()))
            for name in names
            if self.member(name) or name in own.properties
        }
        return attrs.evolve(
            own,
            types=self.types if own.types is None or own.are_implied else own.types,
            nullable=self.nullable,
            properties={name: tuple(dict.fromkeys(schema)) for name, schema in both.items()},
            required={name for name in names if name in self.required or name in own.required},
            additional=self.additional,
            patterned={},
        )


class Shapes:
    """The shapes of the schemas of a document, cached.

    Args:
        document: The document, whose version determines the meaning of schemas.
    """

    def __init__(self, document: Document) -> None:
        self._is_3_0 = document.is_3_0
        self._shapes = dict[Schema, Shape]()
        self._prints = dict[tuple[Schema, int], str]()

    def of(self, schema: Schema) -> Shape:
        """Return the shape of a schema of at least one node.

        Raises:
            SpecDiffError: If a reference cannot be followed, or a keyword has an invalid value.
        """
        if schema not in self._shapes:
            shape = self._shapes[schema] = Shape(self._target(schema[0]))
            self._fill(shape, schema)
        return self._shapes[schema]

    def entry(self, schema: Schema) -> Schema:
        """Return a schema with its plain references replaced by their targets."""
        return tuple(dict.fromkeys(map(self._target, schema)))

    def fingerprint(self, schema: Schema, depth: int = 4) -> str:
        """Return a text that is equal for schemas of the same meaning, down to a depth."""
        key = schema, depth
        if key not in self._prints:
            self._prints[key] = self._fingerprint(schema, depth)
        return self._prints[key]

    def features(self, schema: Schema) -> set[str]:
        """Return the features of a schema: its types, fields, and fixed values of both."""
        shape = self.of(schema)
        found = {f"type {name}" for name in shape.types or ()} | set(shape.enum or ())
        for name, member in shape.properties.items():
            found.add(f"field {name}")
            found.update(f"field {name} {value}" for value in self.of(member).enum or ())
        return found

    def named(self, discriminator: Node, name: object) -> Node | None:
        """Return the schema for a name in a discriminator's mapping; None if there is none."""
        try:
            document = discriminator.document
            found = document.resolve(schema_reference(str(name)), discriminator.pointer)
        except SpecDiffError:
            return None
        return self._target(found) if isinstance(found.value, dict | bool) else None

    def _fill(self, shape: Shape, schema: Schema) -> None:
        typed, seen = list[frozenset[str]](), set[Node]()
        for node in schema:
            for part in self._parts(node, seen):
                self._merge(shape, part)
                if (names := types_of(part)) is not None:
                    typed.append(names)
        self._merge_types(shape, typed)
        self._fold(shape, is_typed=bool(typed))
        if shape.enum is not None:
            shape.enum.pop("null", None)
        if shape.types in _NUMBERS:
            _as_integers(shape)
        if not shape.unions and (heirs := self._heirs(shape)):
            shape.unions.append(heirs)
        if shape.unions:
            members = [member for union in shape.unions for member in union.members]
            if not typed and len(shape.unions) == 1:
                shape.nullable |= any(self.of(member).nullable for member in members)
            names = _any_of(self.of(member).types for member in members)
            if shape.types is None or shape.are_implied:
                shape.types, shape.are_implied = names, False
            words = shape.enum, shape.other, shape.properties, shape.required, shape.branches
            shape.is_union = shape.types == names and not any((*words, shape.forbidden))

    def _heirs(self, shape: Shape) -> Union | None:
        """Return the schemas that extend this one, from a discriminator without a union."""
        mapping = shape.discriminator.get("mapping") if shape.discriminator else None
        if shape.discriminator is None or mapping is None:
            return None
        named = (self.named(shape.discriminator, name) for name in mapping.value.values())
        members: list[Schema] = [(member,) for member in dict.fromkeys(named) if member]
        return Union("anyOf", shape.discriminator, members, are_heirs=True) if members else None

    def _parts(self, node: Node, seen: set[Node]) -> Iterator[Node]:
        """Yield all schema objects that apply together."""
        node = as_schema(node)
        if node in seen:
            return
        seen.add(node)
        if isinstance(node.value.get("$ref"), str):
            yield from self._parts(node.follow(), seen)
            if self._is_3_0:  # siblings of a reference do not count
                return
        if isinstance(dynamic := node.value.get("$dynamicRef"), str):
            yield from self._parts(node.document.resolve(dynamic, node.pointer), seen)
        yield node
        for part in list_of(node, "allOf"):
            yield from self._parts(part, seen)
        for keyword in UNIONS:
            members, _ = self._alternatives(node, keyword)
            if len(members) == 1:
                yield from self._parts(members[0], seen)

    def _alternatives(
        self, part: Node, keyword: str, above: frozenset[Node] = frozenset()
    ) -> tuple[list[Node], bool]:
        """Return the alternatives of a union and its nested unions, and whether null is one."""
        found, nullable = dict[Node, Node](), False
        if keyword not in part.value:
            return [], False
        for member in list_of(part, keyword):
            target = self._target(member)
            words = said(target)
            inner = next((word for word in UNIONS if words.keys() - {"type"} == {word}), None)
            if is_null(target):
                nullable = True
            elif keyword == "anyOf" and is_anything(target):
                return [], False  # the others do not matter
            elif inner and target not in above and target.value.get("type") in (None, "object"):
                more, null = self._alternatives(target, inner, above | {target})
                found |= {self._target(one): one for one in more}
                nullable |= null
            elif words.keys() == {"type"} and isinstance(words["type"], list):
                for name in words["type"]:
                    nullable |= name == "null"
                    if name != "null":
                        pointer = f"{member.pointer}/type/{name}"
                        one = Node(member.document, pointer, {"type": name})
                        found[one] = one
            else:
                found.setdefault(target, member)
        listed = {target: some for target in found if (some := values_of(target)) is not None}
        if len(listed) > 1:  # several lists of values become one
            first = next(iter(listed))
            values = {canonical(one): one for some in listed.values() for one in some}
            nullable |= values.pop("null", self) is None
            pointer = f"{part.pointer}/{keyword}/values"
            found[first] = Node(part.document, pointer, {"enum": list(values.values())})
            found = {target: one for target, one in found.items() if target not in [*listed][1:]}
        return list(found.values()), nullable

    def _merge(self, shape: Shape, part: Node) -> None:
        """Merge a schema object into a shape, except its types."""
        value = part.value
        shape.parts.append(part)
        for fields, keyword in (
            (shape.properties, "properties"),
            (shape.patterned, "patternProperties"),
        ):
            for name, member in dict_of(part, keyword).items():
                fields[name] = (*fields.get(name, ()), member)
        shape.required.update(str(name.value) for name in list_of(part, "required"))
        for keyword in UNIONS:
            members, nullable = self._alternatives(part, keyword)
            shape.nullable |= nullable
            if len(members) > 1:
                schemas: list[Schema] = [(member,) for member in members]
                shape.unions.append(Union(keyword, part.child(keyword), schemas))
        shape.nullable |= self._is_3_0 and value.get("nullable") is True
        self._merge_rest(shape, part)
        self._merge_rules(shape, part)
        self._merge_values(shape, part)

    def _merge_rest(self, shape: Shape, part: Node) -> None:
        """Merge the keywords for additional fields and for items."""
        value = part.value
        for keyword in ("additionalProperties", "unevaluatedProperties"):
            if value.get(keyword, True) is False:
                shape.additional = None
            elif value.get(keyword, True) not in (True, {}) and shape.additional is not None:
                shape.additional = (*shape.additional, part.child(keyword))
            if keyword in value:
                shape.at.setdefault("additionalProperties", part.child(keyword))
        for index, item in enumerate(list_of(part, "prefixItems")):
            before = shape.prefix[index] if index < len(shape.prefix) else ()
            shape.prefix[index : index + 1] = [(*before, item)]
        for keyword in ("items", "unevaluatedItems"):
            if value.get(keyword, True) is False:
                shape.items = None
            elif value.get(keyword, True) not in (True, {}) and shape.items is not None:
                shape.items = (*shape.items, part.child(keyword))
            if keyword in value:
                shape.at.setdefault("items", part.child(keyword))

    def _merge_rules(self, shape: Shape, part: Node) -> None:
        """Merge the rules of keywords that have schemas."""
        value = part.value
        if "propertyNames" in value:
            text = Node(part.document, f"{part.pointer}/propertyNames/type", {"type": "string"})
            shape.names = (*shape.names, part.child("propertyNames"), text)
        if "contains" in value and limits_of(value).keys() & {"minContains", "maxContains"}:
            shape.contains = (*shape.contains, part.child("contains"))
        if "contentSchema" in value:
            shape.content = (*shape.content, part.child("contentSchema"))
        if "not" in value and value["not"] is not False:
            shape.forbidden.append((part.child("not"),))
        if "if" in value and ("then" in value or "else" in value):
            then, otherwise = (_optional(part, word) for word in ("then", "else"))
            condition = part.child("if")
            trigger = None if otherwise else _trigger(condition)
            case: Schema = () if trigger else (condition,)
            shape.branches.append(Branch(condition, case, trigger, then, otherwise))
        for name, schema in dict_of(part, "dependentSchemas").items():
            shape.branches.append(Branch(schema, (), name, (schema,), ()))
        for name, names in dict_of(part, "dependentRequired").items():
            required = Node(part.document, names.pointer, {"required": names.value})
            shape.branches.append(Branch(names, (), name, (required,), ()))

    def _merge_values(self, shape: Shape, part: Node) -> None:
        value = part.value
        keyword = "const" if "const" in value else "enum"
        if keyword in value:
            items = list_of(part, keyword) if keyword == "enum" else [part.child(keyword)]
            texts = {canonical(item.value): item.value for item in items}
            shape.enum = _common_values(shape.enum, texts)
            shape.at["enum"] = part.child(keyword)
        if (form := format_of(value)) is not None:
            shape.format = form
        if (pattern := pattern_of(value)) is not None:
            shape.patterns = tuple(sorted({*shape.patterns, pattern}))
        for keyword, (limit, stands) in limits_of(value).items():
            if keyword not in shape.limits or is_stricter(keyword, limit, shape.limits[keyword]):
                shape.limits[keyword] = limit
                shape.at[keyword] = part.child(stands)
        if is_number(multiple := value.get("multipleOf")) and multiple > 0:
            shape.multiples = tuple(sorted({*shape.multiples, multiple}))
        if isinstance(value.get("discriminator"), dict):
            shape.discriminator = part.child("discriminator")
        shape.unique |= value.get("uniqueItems") is True
        shape.read_only |= value.get("readOnly") is True
        shape.write_only |= value.get("writeOnly") is True
        shape.deprecated |= value.get("deprecated") is True
        for keyword in ("contentEncoding", "contentMediaType"):
            if keyword in value and format_of({keyword: value[keyword]}) is None:
                shape.other[keyword] = canonical(value[keyword])
        if url := part.elsewhere:
            others = shape.other.get(ELSEWHERE, "").split()
            shape.other[ELSEWHERE] = " ".join(sorted({*others, url}))

    def _merge_types(self, shape: Shape, typed: list[frozenset[str]]) -> None:
        """Set the types from several sets that all apply, or from other keywords."""
        if typed:
            names = common_types(typed)
            shape.nullable |= "null" in names
            shape.types = plain_types(names)
        elif shape.enum:
            shape.types = plain_types(type_of(value) for value in shape.enum.values())
            shape.nullable |= "null" in shape.enum
        else:
            shape.types = implied_types(keyword for part in shape.parts for keyword in part.value)
            # In 3.0, a schema is not nullable unless declared.
            shape.are_implied = shape.types is not None and not self._is_3_0

    def _fold(self, shape: Shape, *, is_typed: bool) -> None:
        """Turn unions of plain types into types, and unions of single values into an enum."""
        for union in list(shape.unions):
            bare = [self._target(member[0]) for member in union.members]
            values = [values_of(one) for one in bare]
            if all(said(one).keys() == {"type"} for one in bare):
                names = frozenset[str]().union(*(types_of(one) or () for one in bare))
                shape.nullable |= "null" in names
                known = is_typed and shape.types is not None
                shape.types = plain_types(common_types([shape.types or names, names]))
                shape.types = shape.types if known else plain_types(names)
                shape.at["type"] = union.node
            elif all(some is not None for some in values):
                flat = {canonical(value): value for some in values for value in some or ()}
                shape.enum = _common_values(shape.enum, flat)
                shape.nullable |= "null" in shape.enum
                shape.at["enum"] = union.node
                if shape.types is None or shape.are_implied:
                    shape.types = plain_types(type_of(value) for value in shape.enum.values())
            else:
                continue
            shape.are_implied = False
            shape.unions.remove(union)

    def _target(self, node: Node) -> Node:
        """Follow references without siblings."""
        seen = set[Node]()
        while node not in seen and isinstance(node.value, dict) and "$ref" in node.value:
            alone = self._is_3_0 or said(node).keys() == {"$ref"}
            if not alone or not isinstance(node.value["$ref"], str):
                break
            seen.add(node)
            node = node.follow()
        return as_schema(node)

    def _fingerprint(self, schema: Schema, depth: int) -> str:
        shape = self.of(schema)
        words = [
            sorted(shape.types or ()),
            shape.nullable,
            None if shape.enum is None else sorted(shape.enum),
            [shape.format, shape.patterns, sorted(shape.limits.items()), sorted(shape.required)],
            [shape.read_only, shape.write_only, shape.additional is None, shape.deprecated],
            [shape.multiples, shape.unique, shape.items is None, len(shape.prefix)],
            sorted(shape.other.items()),
            sorted(shape.properties),
            sorted(shape.patterned),
        ]
        if depth:
            deeper = [*shape.properties.items(), *shape.patterned.items()]
            deeper += [(f"[{index}]", item) for index, item in enumerate(shape.prefix)]
            deeper += [("[]", shape.items or ()), ("*", shape.additional or ())]
            deeper += [("name", shape.names), ("has", shape.contains), ("text", shape.content)]
            deeper += [("not", one) for one in shape.forbidden]
            for branch in shape.branches:
                deeper += [("if", branch.condition), (f"then {branch.trigger}", branch.then)]
                deeper += [("else", branch.otherwise)]
            words += [
                sorted((name, self.fingerprint(one, depth - 1)) for name, one in deeper if one),
                sorted(
                    sorted(self.fingerprint(member, depth - 1) for member in union.members)
                    for union in shape.unions
                ),
            ]
        return str(hash(json.dumps(words, sort_keys=True)))


def matches(pattern: str, name: str) -> bool:
    """Tell whether a name matches a pattern; False for a pattern that may be slow."""
    if not _SIMPLE.match(pattern):
        return False
    try:
        return re.search(pattern, name) is not None
    except re.error:
        return False


def _optional(part: Node, keyword: str) -> Schema:
    """Return the schema of a keyword; () if it is absent or accepts anything."""
    if keyword not in part.value or is_anything(part.child(keyword)):
        return ()
    return (part.child(keyword),)


def _trigger(condition: Node) -> str | None:
    """Return the field whose presence is the whole condition; None for other conditions."""
    words = said(condition) if isinstance(condition.value, dict) else {}
    names = words.get("required")
    if words.keys() == {"required"} and isinstance(names, list) and len(names) == 1:
        return str(names[0])
    return None


def _as_integers(shape: Shape) -> None:
    """Treat numbers without fractions as integers, and adapt their limits."""
    whole = [one for one in shape.multiples if float(one).is_integer()]
    if whole or shape.types == _NUMBERS[0]:
        shape.types = _NUMBERS[0]
        shape.multiples = tuple(one for one in shape.multiples if one != 1)
        shape.limits = {key: of_integers(key, limit) for key, limit in shape.limits.items()}


def _common_values(some: dict[str, Any] | None, others: dict[str, Any]) -> dict[str, Any]:
    return others if some is None else {text: one for text, one in some.items() if text in others}


def _any_of(alternatives: Iterable[frozenset[str] | None]) -> frozenset[str] | None:
    names = frozenset[str]()
    for types in alternatives:
        if types is None:
            return None
        names |= types
    return plain_types(names)
