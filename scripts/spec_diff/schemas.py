"""Compares schemas pair by pair.

Each pair is compared once, however many operations it is reached from and whether or not it
contains itself: what was found stays with the pair, beside the pairs below it.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from .documents import Document, Node
from .findings import Finding, Trail
from .kinds import LIMITS, SENT
from .model import SpecDiffError
from .reading import escape
from .shapes import Schema, Shape, Shapes, Union, canonical, is_stricter, is_within

# Members of unions that have less than this share of their features in common are not the same.
_ALIKE = 0.5
# Each field of an allOf can double them; the published document has some hundred.
MAX_PAIRS = 10_000


class Pair(NamedTuple):
    """Two schemas in one role, as `response-property`."""

    old: Schema
    new: Schema
    role: str


@dataclass(slots=True)
class _Compared:
    """What a pair has given, and the pairs below it."""

    findings: list[Finding] = field(default_factory=list)
    below: list[tuple[str, Pair, tuple[Node, Node]]] = field(default_factory=list)


class SchemaComparison:
    """Compares the schemas of two documents.

    Args:
        old: One document.
        new: The other one.
    """

    def __init__(self, old: Document, new: Document) -> None:
        self._old = Shapes(old)
        self._new = Shapes(new)
        self._pairs = dict[Pair, _Compared]()

    def findings(self, start: Pair) -> Iterator[Finding]:
        """Yield what differs between two schemas and all that they contain, each with its path."""
        via: Trail = ((start.old[0], start.new[0]),)
        start = start._replace(old=self._old.entry(start.old), new=self._new.entry(start.new))
        seen, queue = {start}, deque[tuple[str, Pair, Trail]]([("", start, via)])
        while queue:
            path, pair, via = queue.popleft()
            references = tuple(nodes for nodes in via if any(map(_refers, nodes)))
            compared = self._compare(pair)
            for finding in compared.findings:
                own = finding.path == ""
                yield finding._replace(path=path + finding.path, via=via if own else references)
            for step, below, nodes in compared.below:
                if below not in seen:
                    seen.add(below)
                    queue.append((path + step, below, (*references, nodes)))

    def are_scalar(self, old: Schema, new: Schema) -> bool:
        """Tell whether two schemas have single values only, neither arrays nor objects."""
        types = self._old.of(old).types, self._new.of(new).types
        return all(names is not None and not names & {"array", "object"} for names in types)

    def _compare(self, pair: Pair) -> _Compared:
        if pair not in self._pairs:
            if len(self._pairs) == MAX_PAIRS:
                raise SpecDiffError(
                    f"{pair.old[0].name}: more than {MAX_PAIRS} schemas, with all that allOf makes "
                    "of them: is the document made to be compared?"
                )
            self._pairs[pair] = _Compared()
            old, new = self._old.of(pair.old), self._new.of(pair.new)
            _One(self._old, self._new, pair, self._pairs[pair]).run(old, new)
        return self._pairs[pair]


class _One:
    """Compares a single pair and notes the pairs below it."""

    def __init__(self, olds: Shapes, news: Shapes, pair: Pair, result: _Compared) -> None:
        self._olds = olds
        self._news = news
        self._pair = pair
        self._result = result
        self._sent = pair.role in SENT
        self._inner = pair.role.replace("-body", "-property")

    def run(self, old: Shape, new: Shape) -> None:
        if bool(old.unions) != bool(new.unions) and (old.is_union or new.is_union):
            self._nullable(old, new)
            self._unions(old, new)  # one alternative became several, or the other way round
        elif self._types(old, new):
            self._nullable(old, new)
            self._values(old, new)
            self._fields(old, new)
            self._unions(old, new)
        self._notes(old, new)

    def _add(
        self,
        facet: str,
        old: Node,
        new: Node,
        before: Any = None,
        after: Any = None,
        path: str = "",
    ) -> None:
        kind = f"{self._pair.role}-{facet}"
        self._result.findings.append(Finding(kind, old, new, before, after, path))

    def _keyword(
        self, facet: str, keyword: str, old: Shape, new: Shape, before: Any, after: Any
    ) -> None:
        self._add(facet, old.where(keyword), new.where(keyword), before, after)

    def _descend(self, step: str, old: Schema, new: Schema, role: str) -> None:
        pair = Pair(self._olds.entry(old), self._news.entry(new), role)
        self._result.below.append((step, pair, (old[0], new[0])))

    def _types(self, old: Shape, new: Shape) -> bool:
        """Compare types; return whether there is anything in common to compare further."""
        before, after = old.types, new.types
        if old.is_union and new.is_union:
            before = after  # each alternative is compared by itself
        if before != after or (old.is_blank != new.is_blank and (old.unions or new.unions)):
            facet = "type-changed"
            if self._sent and (new.is_blank or (not old.is_blank and is_within(before, after))):
                facet = "type-generalized"
            if not self._sent and (old.is_blank or (not new.is_blank and is_within(after, before))):
                facet = "type-specialized"
            self._keyword(facet, "type", old, new, _names(old), _names(new))
            if old.is_blank or new.is_blank:
                return False
        if before is None or after is None:
            return True
        return bool(before & after) or is_within(before, after) or is_within(after, before)

    def _nullable(self, old: Shape, new: Shape) -> None:
        """Compare whether null is good, if both say what is."""
        says = [shape.types is not None or bool(shape.unions) for shape in (old, new)]
        if all(says) and old.nullable != new.nullable:
            facet = "became-nullable" if new.nullable else "became-not-nullable"
            self._keyword(facet, "type", old, new, old.nullable, new.nullable)

    def _values(self, old: Shape, new: Shape) -> None:
        self._enums(old, new)
        if old.format != new.format:
            self._keyword("format-changed", "format", old, new, old.format, new.format)
        if old.patterns != new.patterns:
            what = _verb(old.patterns, new.patterns)
            before, after = _and(old.patterns), _and(new.patterns)
            self._keyword(f"pattern-{what}", "pattern", old, new, before, after)
        for keyword, name in LIMITS.items():
            limit, other = old.limits.get(keyword), new.limits.get(keyword)
            if limit == other:
                continue
            if limit is None or other is None:
                what = "set" if limit is None else "unset"
            else:
                up = is_stricter(keyword, other, limit) is keyword.startswith("min")
                what = "increased" if up else "decreased"
            texts = _limit(keyword, limit), _limit(keyword, other)
            self._keyword(f"{name}-{what}", keyword, old, new, *texts)
        for keyword in sorted(old.other.keys() | new.other.keys()):
            before, after = old.other.get(keyword), new.other.get(keyword)
            if before != after:
                self._keyword("constraint-changed", keyword, old, new, before, after)

    def _enums(self, old: Shape, new: Shape) -> None:
        if old.enum is None or new.enum is None:
            if old.enum != new.enum:
                facet = "became-enum" if old.enum is None else "became-not-enum"
                before, after = old.enum and [*old.enum.values()], new.enum and [*new.enum.values()]
                self._keyword(facet, "enum", old, new, before, after)
            return
        for text, value in old.enum.items():
            if text not in new.enum:
                self._keyword("enum-value-removed", "enum", old, new, value, None)
        for text, value in new.enum.items():
            if text not in old.enum:
                self._keyword("enum-value-added", "enum", old, new, None, value)

    def _notes(self, old: Shape, new: Shape) -> None:
        before, after = old.at.get("default"), new.at.get("default")
        values = before and before.value, after and after.value
        if before is None or after is None:
            if before is not after:
                what = "added" if before is None else "removed"
                self._keyword(f"default-value-{what}", "default", old, new, *values)
        elif canonical(before.value) != canonical(after.value):
            self._keyword("default-value-changed", "default", old, new, *values)
        if old.deprecated != new.deprecated:
            facet = "deprecated" if new.deprecated else "reactivated"
            self._keyword(facet, "deprecated", old, new, old.deprecated, new.deprecated)

    def _fields(self, old: Shape, new: Shape) -> None:
        olds = {name: _any(old, f"properties/{escape(name)}") for name in sorted(old.required)}
        news = {name: _any(new, f"properties/{escape(name)}") for name in sorted(new.required)}
        olds, news = olds | old.properties, news | new.properties
        for name in (*olds, *(name for name in news if name not in olds)):
            self._field(name, old, new, olds.get(name), news.get(name))
        blank = old.is_blank or new.is_blank  # there is no end to what may be in anything
        if (old.items or new.items) and not blank:
            before, after = old.items or _any(old, "items"), new.items or _any(new, "items")
            self._descend("[]", before, after, self._inner)
        if old.additional is None or new.additional is None:
            if old.additional != new.additional:
                closed = new.additional is None
                facet = "became-closed" if closed else "became-open"
                self._keyword(facet, "additionalProperties", old, new, not closed, closed)
        elif (old.additional or new.additional) and not blank:
            before = old.additional or _any(old, "additionalProperties")
            after = new.additional or _any(new, "additionalProperties")
            self._descend(".*", before, after, self._inner)

    def _field(
        self, name: str, old: Shape, new: Shape, before: Schema | None, after: Schema | None
    ) -> None:
        was = self._olds.of(before) if before else None
        now = self._news.of(after) if after else None
        had, has = self._travels(was), self._travels(now)
        if not (had or has):
            return
        path, must = f".{name}", name in new.required
        if before and after and was and now:
            if had and has:
                self._requirement(path, before[0], after[0], name in old.required, must, now)
                self._descend(path, before, after, self._inner)
            else:
                must = name in (new if has else old).required
                self._visibility(path, was, now, must=must)
        elif after and now:
            optional = "required" if must else "optional"
            kind = f"response-{optional}-property-added"
            if self._sent:
                kind = f"new-{optional}-request-property"
                kind += "-with-default" if must and "default" in now.at else ""
            self._note(kind, old.where("properties"), after[0], None, name, path)
        elif before:
            optional = "required" if name in old.required else "optional"
            kind = f"response-{optional}-property-removed"
            kind = "request-property-removed" if self._sent else kind
            self._note(kind, before[0], new.where("properties"), name, None, path)

    def _requirement(
        self, path: str, old: Node, new: Node, before: bool, after: bool, now: Shape
    ) -> None:
        if before == after:
            return
        kind = f"{'request' if self._sent else 'response'}-property-became-"
        kind += "required" if after else "optional"
        if self._sent and after and "default" in now.at:
            kind += "-with-default"
        self._note(kind, old, new, before, after, path)

    def _visibility(self, path: str, was: Shape, now: Shape, *, must: bool) -> None:
        required = "required" if must else "optional"
        keyword = "readOnly" if self._sent else "writeOnly"
        side, mode = ("request", "read-only") if self._sent else ("response", "write-only")
        gone = not self._travels(now)
        kind = f"{side}-{required}-property-became-{'' if gone else 'not-'}{mode}"
        self._note(kind, was.where(keyword), now.where(keyword), not gone, gone, path)

    def _note(self, kind: str, old: Node, new: Node, before: Any, after: Any, path: str) -> None:
        self._result.findings.append(Finding(kind, old, new, before, after, path))

    def _travels(self, shape: Shape | None) -> bool:
        """Tell whether a field is there and goes in this direction."""
        return shape is not None and not (shape.read_only if self._sent else shape.write_only)

    def _unions(self, old: Shape, new: Shape) -> None:
        if not (old.unions or new.unions):
            return
        before = _union(old, self._pair.old) if new.is_union else _union(old)
        after = _union(new, self._pair.new) if old.is_union else _union(new)
        if not (before.members and after.members):
            self._add("constraint-changed", before.node, after.node, _tell(before), _tell(after))
            return
        word = after.keyword if new.unions else before.keyword
        if old.unions and new.unions and before.keyword != after.keyword:
            self._add(
                "union-keyword-changed", before.node, after.node, before.keyword, after.keyword
            )
        names = _mapping(self._olds, old, before), _mapping(self._news, new, after)
        pairs, gone, fresh = self._match(before, after, *names)
        if old.unions and new.unions and not _is_grouped_alike(old, new, pairs):
            values = _group(old), _group(new)
            self._add("constraint-changed", before.node, after.node, *values)
        for i, j in pairs:
            step = f"({_label(before.members[i], i, names[0])})"
            step = step if old.unions and new.unions else ""
            self._descend(step, before.members[i], after.members[j], self._pair.role)
        facet = "one-of" if word == "oneOf" else "any-of"
        for i in gone:
            name = _label(before.members[i], i, names[0])
            self._add(f"{facet}-removed", before.members[i][0], after.node, name, None)
        for j in fresh:
            name = _label(after.members[j], j, names[1])
            self._add(f"{facet}-added", before.node, after.members[j][0], None, name)
        if old.discriminator or new.discriminator:
            self._discriminators(old, new, (before, after), pairs, names)

    def _match(
        self, old: Union, new: Union, old_names: dict[str, int], new_names: dict[str, int]
    ) -> tuple[list[tuple[int, int]], list[int], list[int]]:
        """Find which members are the same: by meaning, by name, or by what they have in common."""
        pairs = list[tuple[int, int]]()
        left, right = list(range(len(old.members))), list(range(len(new.members)))

        def settle(keys: list[Any], others: list[Any]) -> None:
            for i in list(left):
                for j in right:
                    if keys[i] == others[j]:
                        pairs.append((i, j))
                        left.remove(i)
                        right.remove(j)
                        break

        settle(
            [self._olds.fingerprint(member) for member in old.members],
            [self._news.fingerprint(member) for member in new.members],
        )
        settle(
            [_name(member) or ("old", i) for i, member in enumerate(old.members)],
            [_name(member) or ("new", j) for j, member in enumerate(new.members)],
        )
        features = [self._olds.features(m) | _keys(i, old_names) for i, m in enumerate(old.members)]
        others = [self._news.features(m) | _keys(j, new_names) for j, m in enumerate(new.members)]
        scores = [(_share(features[i], others[j]), i, j) for i in left for j in right]
        for score, i, j in sorted(scores, key=lambda one: (-one[0], one[1:])):
            if score >= _ALIKE and i in left and j in right:
                pairs.append((i, j))
                left.remove(i)
                right.remove(j)
        return sorted(pairs), left, right

    def _discriminators(
        self,
        old: Shape,
        new: Shape,
        unions: tuple[Union, Union],
        pairs: list[tuple[int, int]],
        names: tuple[dict[str, int], dict[str, int]],
    ) -> None:
        before, after = old.discriminator, new.discriminator
        if before is None or after is None:
            facet = "discriminator-added" if before is None else "discriminator-removed"
            values = before and _tag(before), after and _tag(after)
            self._keyword(facet, "discriminator", old, new, *values)
            return
        if _tag(before) != _tag(after):
            facet = "discriminator-property-name-changed"
            self._keyword(facet, "discriminator", old, new, _tag(before), _tag(after))
        here, there = names
        same, matched = dict(pairs), {j for _, j in pairs}
        for name, i in here.items():
            member = _label(unions[0].members[i], i, {})
            if name not in there:
                if i in same:  # or else the member itself is gone
                    self._add("discriminator-mapping-deleted", before, after, name, None)
            elif i in same and same[i] != there[name]:
                other = _label(unions[1].members[there[name]], there[name], {})
                values = f"{name}: {member}", f"{name}: {other}"
                self._add("discriminator-mapping-changed", before, after, *values)
        for name, j in there.items():
            if name not in here and j in matched:
                self._add("discriminator-mapping-added", before, after, None, name)


def _refers(node: Node) -> bool:
    return isinstance(node.value, dict) and "$ref" in node.value


def _any(shape: Shape, step: str) -> Schema:
    """Return the schema of what is not described; it stands where a description would."""
    return (Node(shape.node.document, f"{shape.node.pointer}/{step}", {}),)


def _union(shape: Shape, alone: Schema | None = None) -> Union:
    """Return all alternatives of a schema; one that has none is its own, or has no alternative."""
    if not shape.unions:
        return Union("", shape.node, [alone] if alone else [])
    first = shape.unions[0]
    members = [member for union in shape.unions for member in union.members]
    return Union(first.keyword, first.node, members)


def _is_grouped_alike(old: Shape, new: Shape, pairs: list[tuple[int, int]]) -> bool:
    """Tell whether alternatives to each other still are, and no others: one of each union holds."""
    here, there = _groups(old), _groups(new)
    met = {(here[i], there[j]) for i, j in pairs}
    return len(met) == len({i for i, _ in met}) == len({j for _, j in met})


def _groups(shape: Shape) -> list[int]:
    """Return which union each member is of."""
    return [index for index, union in enumerate(shape.unions) for _ in union.members]


def _group(shape: Shape) -> str:
    return " and ".join(_tell(union) or "" for union in shape.unions)


def _tell(union: Union) -> str | None:
    names = (_label(member, i, {}) for i, member in enumerate(union.members))
    return f"{union.keyword} of {', '.join(names)}" if union.members else None


def _mapping(shapes: Shapes, shape: Shape, union: Union) -> dict[str, int]:
    """Return which member each value of the discriminator stands for, said or implied."""
    if shape.discriminator is None:
        return {}
    said = shape.discriminator.value.get("mapping")
    members = [shapes.entry(member) for member in union.members]
    prints = [shapes.fingerprint(member) for member in members]
    found = dict[str, int]()
    for name, value in (said if isinstance(said, dict) else {}).items():
        target = (shapes.named(shape.discriminator, value),)
        if target in members:
            found[name] = members.index(target)
        elif (meaning := shapes.fingerprint(target)) in prints:
            found[name] = prints.index(meaning)
    for index, member in enumerate(union.members):
        reference_of_it = _reference(member)
        if reference_of_it and index not in found.values():
            found.setdefault(reference_of_it, index)
    return found


def _reference(member: Schema) -> str | None:
    value = member[0].value
    reference = value.get("$ref") if isinstance(value, dict) else None
    return reference.rpartition("/")[2] if isinstance(reference, str) else None


def _name(member: Schema) -> str | None:
    value = member[0].value
    title = value.get("title") if isinstance(value, dict) else None
    return _reference(member) or (title if isinstance(title, str) else None)


def _label(member: Schema, index: int, names: dict[str, int]) -> str:
    called = next((name for name, i in names.items() if i == index), None)
    if called or (called := _name(member)):
        return called
    return f"alternative {index + 1}"


def _keys(index: int, names: dict[str, int]) -> set[str]:
    return {f"called {name}" for name, i in names.items() if i == index}


def _share(one: set[str], other: set[str]) -> float:
    return len(one & other) / len(one | other) if one or other else 0.0


def _tag(discriminator: Node) -> str:
    return str(discriminator.value.get("propertyName"))


def _names(shape: Shape) -> str:
    if shape.types is None:
        return shape.unions[0].keyword if shape.unions else "any"
    return " | ".join(sorted(shape.types)) or "none"


def _verb(before: object, after: object) -> str:
    if not before:
        return "added"
    return "changed" if after else "removed"


def _and(texts: tuple[str, ...]) -> str | None:
    return " and ".join(texts) or None


def _limit(keyword: str, limit: tuple[float, bool] | None) -> float | str | None:
    if limit is None or not limit[1]:
        return limit and limit[0]
    return f"{'less' if keyword.startswith('max') else 'more'} than {limit[0]:g}"
