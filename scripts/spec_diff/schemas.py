"""Compare schemas pair by pair.

Each pair is compared once, even if several operations use it or it contains itself: its findings
are kept with the pair, together with the pairs below it.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import attrs

from .alternatives import (
    Matched,
    are_grouped_alike,
    joined,
    label,
    mapping,
    match,
    tag,
    tell,
    tell_all,
)
from .covering import Covering, item
from .documents import ELSEWHERE, Document, Node
from .findings import RESPELT, Finding, Trail, respellings
from .keywords import (
    canonical,
    is_stricter,
    is_wider_format,
    is_within,
    sunset,
    sunset_facet,
)
from .kinds import LIMITS, SENT
from .model import SpecDiffError
from .reading import escape
from .sameness import Sameness
from .shapes import Branch, Schema, Shape, Shapes, Union

# Each field of an allOf can double the number; large documents with inlined references have some
# ten thousand pairs.
MAX_PAIRS = 200_000


class Pair(NamedTuple):
    """Two schemas in one role.

    Attributes:
        old: A schema of the old document.
        new: A schema of the new document.
        role: Their role, such as `response-property`.
        is_member: Whether they are alternatives, so that null belongs to the union.
    """

    old: Schema
    new: Schema
    role: str
    is_member: bool = False


@attrs.define
class _Compared:
    """The findings of a pair, and the pairs below it."""

    findings: list[Finding] = attrs.field(factory=list)
    below: list[tuple[str, Pair, tuple[Node, Node]]] = attrs.field(factory=list)


class SchemaComparison:
    """Comparison of the schemas of two documents.

    Args:
        old: The old document.
        new: The new document.

    Attributes:
        old: The shapes of the old document.
        new: The shapes of the new document.
        widened: Test whether a new schema accepts everything that an old one describes.
        narrowed: Test whether an old schema accepts everything that a new one describes.
        same: Test whether two schemas are written alike.
    """

    def __init__(self, old: Document, new: Document) -> None:
        self.old = Shapes(old)
        self.new = Shapes(new)
        self.widened = Covering(self.new, self.old)
        self.narrowed = Covering(self.old, self.new)
        self.same = Sameness(old, new)
        self._pairs = dict[Pair, _Compared]()

    def findings(self, start: Pair) -> Iterator[Finding]:
        """Yield the differences of two schemas and everything in them, each with its path."""
        if self.are_same(start.old, start.new):
            return
        via: Trail = ((start.old[0], start.new[0]),)
        start = start._replace(old=self.old.entry(start.old), new=self.new.entry(start.new))
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

    def are_same(self, old: Schema, new: Schema) -> bool:
        """Tell whether two schemas are written alike."""
        return len(old) == len(new) and all(map(self.same, old, new))

    def _compare(self, pair: Pair) -> _Compared:
        if pair not in self._pairs:
            if len(self._pairs) == MAX_PAIRS:
                raise SpecDiffError(
                    f"{pair.old[0].name}: more than {MAX_PAIRS} schemas, with every combination "
                    "of allOf: check whether this is the right document"
                )
            result = self._pairs[pair] = _Compared()
            schemas = pair.old, pair.new
            one = _One(self, pair.role, schemas, result, is_member=pair.is_member)
            one.run(self.old.of(pair.old), self.new.of(pair.new))
        return self._pairs[pair]


class _One:
    """Comparison of a single pair, which also collects the pairs below it.

    Args:
        comparison: The comparison of the documents.
        role: The role of the schemas.
        schemas: The schemas; () for anything.
        result: The result to extend.
        is_member: Whether null belongs to the surrounding union.
        path: The path of an alternative or branch within the compared pair.
        above: The alternatives and branches around it.
    """

    def __init__(
        self,
        comparison: SchemaComparison,
        role: str,
        schemas: tuple[Schema, Schema],
        result: _Compared,
        *,
        is_member: bool = False,
        path: str = "",
        above: frozenset[tuple[Schema, Schema]] = frozenset(),
    ) -> None:
        self._comparison = comparison
        self._olds = comparison.old
        self._news = comparison.new
        self._role = role
        self._schemas = schemas
        self._result = result
        self._is_member = is_member
        self._path = path
        self._above = above
        self._sent = role in SENT
        self._inner = role.replace("-body", "-property")

    def run(self, old: Shape, new: Shape) -> None:
        urls = old.other.get(ELSEWHERE), new.other.get(ELSEWHERE)
        if urls[0] != urls[1]:  # further differences are unknown
            places = old.where(ELSEWHERE), new.where(ELSEWHERE)
            self._note("reference-changed", *places, *urls, "")
        elif self._is_set_free(old, new):
            self._nullable(old, new)
            self._keyword("type-generalized", "type", old, new, _told(old), _told(new))
        elif bool(old.unions) != bool(new.unions) and (old.is_union or new.is_union):
            self._nullable(old, new)
            self._unions(old, new)  # one alternative became several, or vice versa
        elif self._types(old, new):
            self._nullable(old, new)
            self._values(old, new)
            self._fields(old, new)
            self._items(old, new)
            self._rules(old, new)
            self._branches(old, new)
            self._unions(old, new)
        self._notes(old, new)

    def _is_set_free(self, old: Shape, new: Shape) -> bool:
        """Tell whether a described value to send was replaced by a free one."""
        described = old.properties or old.patterned or old.unions or old.branches
        is_wider = new.is_free and is_within(old.types, new.types)
        return bool(self._sent and not self._above and described and is_wider)

    # --- Findings --------------------------------------------------------------------------------

    def _add(
        self,
        facet: str,
        old: Node,
        new: Node,
        before: Any = None,
        after: Any = None,
        note: str = "",
    ) -> None:
        self._note(f"{self._role}-{facet}", old, new, before, after, "", note)

    def _note(
        self, kind: str, old: Node, new: Node, before: Any, after: Any, path: str, note: str = ""
    ) -> None:
        found = Finding(kind, old, new, before, after, self._path + path, note=note)
        self._result.findings.append(found)

    def _keyword(
        self, facet: str, keyword: str, old: Shape, new: Shape, before: Any, after: Any
    ) -> None:
        self._add(facet, old.where(keyword), new.where(keyword), before, after)

    def _descend(
        self, step: str, old: Schema, new: Schema, role: str, *, is_member: bool = False
    ) -> None:
        if not self._comparison.are_same(old, new):
            entries = self._olds.entry(old), self._news.entry(new)
            pair = Pair(*entries, role, is_member)
            self._result.below.append((self._path + step, pair, (old[0], new[0])))

    def _within(self, step: str, olds: tuple[Shape, Schema], news: tuple[Shape, Schema]) -> None:
        """Compare two shapes, each combined with an alternative or a branch."""
        key = olds[1], news[1]
        if key in self._above:
            return
        before = self._olds.of(olds[1]) if olds[1] else None
        after = self._news.of(news[1]) if news[1] else None
        names = dict.fromkeys(
            name
            for shape in (before, after)
            if shape is not None
            for name in (*shape.properties, *sorted(shape.required))
        )
        inner = _One(
            self._comparison,
            self._role,
            key,
            self._result,
            is_member=True,
            path=self._path + step,
            above=self._above | {key},
        )
        inner.run(olds[0].among(before, names), news[0].among(after, names))

    # --- Keywords --------------------------------------------------------------------------------

    def _types(self, old: Shape, new: Shape) -> bool:
        """Compare types; return whether they have enough in common to compare further."""
        before, after = old.types, new.types
        if old.is_union and new.is_union:
            before = after  # each alternative is compared separately
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
        """Compare nullability if both schemas are restricted, or if null is permitted now."""
        says = [
            (shape.types is not None and (not shape.are_implied or new.nullable))
            or bool(shape.unions)
            for shape in (old, new)
        ]
        if all(says) and old.nullable != new.nullable and not self._is_member:
            facet = "became-nullable" if new.nullable else "became-not-nullable"
            self._keyword(facet, "type", old, new, old.nullable, new.nullable)

    def _values(self, old: Shape, new: Shape) -> None:
        self._enums(old, new)
        if old.format != new.format:
            what = "added" if old.format is None else "changed" if new.format else "removed"
            if what == "changed" and self._sent and is_wider_format(new.format, old.format):
                what = "generalized"
            if what == "changed" and not self._sent and is_wider_format(old.format, new.format):
                what = "specialized"
            self._keyword(f"format-{what}", "format", old, new, old.format, new.format)
        if old.patterns != new.patterns:
            patterns, now = set(old.patterns), set(new.patterns)
            what = "changed"
            if patterns < now or patterns > now:
                what = "added" if patterns < now else "removed"
            told = _and(old.patterns), _and(new.patterns)
            self._keyword(f"pattern-{what}", "pattern", old, new, *told)
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
        if old.multiples != new.multiples:
            some, others = old.multiples, new.multiples
            tighter = all(any(one % of == 0 for one in others) for of in some)
            looser = all(any(one % of == 0 for one in some) for of in others)
            facet = _constraint(tighter, looser)
            self._keyword(facet, "multipleOf", old, new, _and(some), _and(others))
        if old.unique != new.unique:
            facet = _constraint(new.unique, old.unique)
            self._keyword(facet, "uniqueItems", old, new, old.unique, new.unique)
        for keyword in sorted(old.other.keys() | new.other.keys()):
            rules = old.other.get(keyword), new.other.get(keyword)
            if rules[0] != rules[1]:
                self._keyword("constraint-changed", keyword, old, new, *rules)

    def _enums(self, old: Shape, new: Shape) -> None:
        if old.enum is None or new.enum is None:
            if old.enum != new.enum:
                facet = "became-enum" if old.enum is None else "became-not-enum"
                before, after = old.enum and [*old.enum.values()], new.enum and [*new.enum.values()]
                self._keyword(facet, "enum", old, new, before, after)
            return
        gone = {text: value for text, value in old.enum.items() if text not in new.enum}
        fresh = {text: value for text, value in new.enum.items() if text not in old.enum}
        respelt = respellings(gone, fresh)
        for text, value in gone.items():
            other = fresh.get(respelt.get(text, ""))
            if self._sent or other is None:
                self._respelt("enum-value-removed", old, new, value, other)
        back = {fresh_text: gone[text] for text, fresh_text in respelt.items()}
        for text, value in fresh.items():
            if not self._sent or text not in back:
                self._respelt("enum-value-added", old, new, back.get(text), value)

    def _respelt(self, facet: str, old: Shape, new: Shape, before: Any, after: Any) -> None:
        note = RESPELT if None not in (before, after) else ""
        self._add(facet, old.where("enum"), new.where("enum"), before, after, note)

    def _notes(self, old: Shape, new: Shape) -> None:
        before, after = old.find("default"), new.find("default")
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
        ends = sunset(old.find("x-sunset")), sunset(new.find("x-sunset"))
        changed = sunset_facet(*ends)
        if changed and old.deprecated == new.deprecated:
            self._keyword(changed, "x-sunset", old, new, *ends)

    # --- Fields ----------------------------------------------------------------------------------

    def _fields(self, old: Shape, new: Shape) -> None:
        before = dict.fromkeys((*old.properties, *sorted(old.required)))
        after = dict.fromkeys((*new.properties, *sorted(new.required)))
        respelt = respellings(
            (name for name in old.properties if name not in after and not new.member(name)),
            (name for name in new.properties if name not in before and not old.member(name)),
        )
        taken = set(respelt.values())
        must = _required(self._olds, old), _required(self._news, new)
        for name in before | after:
            if name not in taken:
                self._field(name, respelt.get(name, name), old, new, must)
        self._patterned(old, new)
        self._additional(old, new)

    def _field(
        self, name: str, other: str, old: Shape, new: Shape, must: tuple[set[str], set[str]]
    ) -> None:
        """Compare a field, which may have another spelling in the new schema."""
        before, after, path = old.member(name), new.member(other), f".{name}"
        if before and after:  # a field that matches no value is treated as absent
            before, after = (
                None if shapes.of(one).is_nothing else one
                for shapes, one in ((self._olds, before), (self._news, after))
            )
        had, has = self._travels(self._olds, before), self._travels(self._news, after)
        required = name in must[0], other in must[1]
        if before and after:
            if had and has:
                if name != other:
                    self._gone(name, before[0], new, path, is_required=required[0], respelt=other)
                else:
                    self._requirement(path, before[0], after[0], required, after)
                self._descend(path, before, after, self._inner)
            elif had or has:
                self._visibility(path, before, after, must=required[1 if has else 0])
        elif before and had:
            if other in new.required:
                rest = _any(new, f"properties/{escape(name)}")
                self._requirement(path, before[0], rest[0], required, rest)
                self._descend(path, before, rest, self._inner)
            elif not _is_in_alternatives(self._news, new, name):
                self._gone(name, before[0], new, path, is_required=required[0])
        elif after and has:
            if name in old.required or _is_in_alternatives(self._olds, old, name):
                self._requirement(path, old.where("required"), after[0], required, after)
            else:
                self._fresh(name, old, after, path, is_required=required[1])
        elif not (before or after) and required[0] != required[1]:
            self._demand(name, old, new, required)

    def _demand(self, name: str, old: Shape, new: Shape, required: tuple[bool, bool]) -> None:
        """Compare a field that is required but not described."""
        path, rest = f".{name}", _any(new, f"properties/{escape(name)}")
        if required[1] and not _is_in_alternatives(self._olds, old, name):
            self._fresh(name, old, rest, path, is_required=True)
        elif required[0] and new.additional is None:
            self._gone(name, old.where("required"), new, path, is_required=True)
        else:
            places = old.where("required"), new.where("required")
            self._requirement(path, *places, required, rest)

    def _gone(
        self,
        name: str,
        node: Node,
        new: Shape,
        path: str,
        *,
        is_required: bool,
        respelt: str | None = None,
    ) -> None:
        kind = f"response-{'required' if is_required else 'optional'}-property-removed"
        kind = "request-property-removed" if self._sent else kind
        note = RESPELT if respelt else ""
        self._note(kind, node, new.where("properties"), name, respelt, path, note)

    def _fresh(self, name: str, old: Shape, after: Schema, path: str, *, is_required: bool) -> None:
        optional = "required" if is_required else "optional"
        kind = f"response-{optional}-property-added"
        if self._sent:
            kind = f"new-{optional}-request-property"
            has_default = self._news.of(after).find("default") is not None
            kind += "-with-default" if is_required and has_default else ""
        self._note(kind, old.where("properties"), after[0], None, name, path)

    def _requirement(
        self, path: str, old: Node, new: Node, required: tuple[bool, bool], after: Schema
    ) -> None:
        before, now = required
        if before == now:
            return
        kind = f"{'request' if self._sent else 'response'}-property-became-"
        kind += "required" if now else "optional"
        if self._sent and now and self._news.of(after).find("default") is not None:
            kind += "-with-default"
        self._note(kind, old, new, before, now, path)

    def _visibility(self, path: str, before: Schema, after: Schema, *, must: bool) -> None:
        was, now = self._olds.of(before), self._news.of(after)
        required = "required" if must else "optional"
        keyword = "readOnly" if self._sent else "writeOnly"
        side, mode = ("request", "read-only") if self._sent else ("response", "write-only")
        gone = not self._travels(self._news, after)
        kind = f"{side}-{required}-property-became-{'' if gone else 'not-'}{mode}"
        self._note(kind, was.where(keyword), now.where(keyword), not gone, gone, path)

    def _travels(self, shapes: Shapes, schema: Schema | None) -> bool:
        """Tell whether a field exists and is used in this direction."""
        if schema is None:
            return False
        shape = shapes.of(schema)
        return not (shape.read_only if self._sent else shape.write_only)

    def _patterned(self, old: Shape, new: Shape) -> None:
        """Compare fields described by patterns of names."""
        for pattern, before in old.patterned.items():
            path, after = f"./{pattern}/", new.patterned.get(pattern)
            after = after or new.additional
            if after is None:
                self._gone(pattern, before[0], new, path, is_required=False)
            else:
                after = after or _any(new, f"patternProperties/{escape(pattern)}")
                self._descend(path, before, after, self._inner)
        for pattern, after in new.patterned.items():
            if pattern in old.patterned:
                continue
            path, rest = f"./{pattern}/", old.additional
            if rest is None or (rest == () and (old.properties or old.patterned)):
                self._fresh(pattern, old, after, path, is_required=False)
            else:
                rest = rest or _any(old, f"patternProperties/{escape(pattern)}")
                self._descend(path, rest, after, self._inner)

    def _additional(self, old: Shape, new: Shape) -> None:
        """Compare additional fields."""
        before, after = old.additional, new.additional
        if before is None and after is None:
            return
        if before and after is None:
            self._gone("*", before[0], new, ".*", is_required=False)
        elif after and before is None:
            self._fresh("*", old, after, ".*", is_required=False)
        elif before is None or after is None:
            closed = after is None
            facet = "became-closed" if closed else "became-open"
            self._keyword(facet, "additionalProperties", old, new, not closed, closed)
        elif (before or after) and not (old.is_blank or new.is_blank):
            before = before or _any(old, "additionalProperties")
            after = after or _any(new, "additionalProperties")
            self._descend(".*", before, after, self._inner)

    # --- Items and rules -------------------------------------------------------------------------

    def _items(self, old: Shape, new: Shape) -> None:
        if old.is_blank or new.is_blank:  # anything has no describable items
            return
        for index in range(max(len(old.prefix), len(new.prefix))):
            before, after, step = item(old, index), item(new, index), f"[{index}]"
            is_fresh = index >= len(old.prefix) and not before and (old.prefix or before is None)
            is_gone = index >= len(new.prefix) and not after and (new.prefix or after is None)
            if is_fresh and is_gone:
                continue
            if is_fresh:
                places = old.where("prefixItems"), new.prefix[index][0]
                self._note(f"{self._role}-item-added", *places, None, index + 1, step)
            elif is_gone:
                places = old.prefix[index][0], new.where("prefixItems")
                self._note(f"{self._role}-item-removed", *places, index + 1, None, step)
            else:
                before = before or _any(old, f"prefixItems/{index}")
                after = after or _any(new, f"prefixItems/{index}")
                self._descend(step, before, after, self._inner)
        if old.items is None or new.items is None:
            if old.items != new.items:
                facet = _constraint(new.items is None, old.items is None)
                self._keyword(facet, "items", old, new, old.items is None, new.items is None)
        elif old.items or new.items:
            before, after = old.items or _any(old, "items"), new.items or _any(new, "items")
            self._descend("[]", before, after, self._inner)

    def _rules(self, old: Shape, new: Shape) -> None:
        """Compare the rules for names, single items, contents, and forbidden values."""
        if old.names or new.names:
            before, after = old.names or _text(old), new.names or _text(new)
            self._descend("(name)", before, after, self._inner)
        if old.contains and new.contains:
            self._descend("(one item)", old.contains, new.contains, self._inner)
        if old.content and new.content:
            self._descend("(content)", old.content, new.content, self._inner)
        if not (old.forbidden or new.forbidden):
            return
        olds = {self._olds.fingerprint(one): one for one in old.forbidden}
        news = {self._news.fingerprint(one): one for one in new.forbidden}
        gone = [one for text, one in olds.items() if text not in news]
        fresh = [one for text, one in news.items() if text not in olds]
        for before, after in zip(gone, fresh, strict=False):
            tighter = self._comparison.widened.covers(after, before)
            looser = self._comparison.narrowed.covers(before, after)
            if tighter and looser:
                continue
            facet = _constraint(tighter, looser)
            if not looser and self._refuses_values(old, after):
                facet = "values-forbidden"
            self._add(facet, before[0], after[0])
        for before in gone[len(fresh) :]:
            self._add("constraint-relaxed", before[0], new.where("not"))
        for after in fresh[len(gone) :]:
            if not self._is_apart(old, after):
                refuses = self._refuses_values(old, after)
                facet = "values-forbidden" if refuses else "constraint-tightened"
                self._add(facet, old.where("not"), after[0])

    def _refuses_values(self, old: Shape, forbidden: Schema) -> bool:
        """Tell whether a forbidden schema has its own types, fields or values."""
        shape = self._news.of(forbidden)
        typed = shape.types is not None and not shape.are_implied and shape.types != old.types
        return typed or bool(shape.enum or shape.properties or shape.required or shape.is_blank)

    def _is_apart(self, old: Shape, rule: Schema) -> bool:
        """Tell whether no value of an old schema matches a rule of the new document."""
        shape = self._news.of(rule)
        if old.enum is not None and shape.enum is not None and not old.enum.keys() & shape.enum:
            return True
        described = bool(old.properties) and old.additional is not None
        if described and any(old.member(name) is None for name in shape.required):
            return True
        for name, schema in shape.properties.items():
            values, known = self._news.of(schema).enum, old.member(name)
            before = self._olds.of(known).enum if known else None
            if values is not None and before is not None and not values.keys() & before.keys():
                return name in old.required or name in shape.required
        return False

    # --- Branches --------------------------------------------------------------------------------

    def _branches(self, old: Shape, new: Shape) -> None:
        """Compare conditional rules."""
        olds, news = list(old.branches), list(new.branches)
        for is_same in (self._is_same_case, self._may_be_same_case):
            for before in list(olds):
                after = next((one for one in news if is_same(before, one)), None)
                if after is not None:
                    olds.remove(before)
                    news.remove(after)
                    self._branch(old, new, before, after)
        for before in olds:
            if before.trigger is None or new.member(before.trigger) or not new.properties:
                self._branch(old, new, before, None)
        for after in news:
            is_known = after.trigger is None or old.member(after.trigger) or not old.properties
            if is_known and not (after.condition and self._is_apart(old, after.condition)):
                self._branch(old, new, None, after)

    def _is_same_case(self, old: Branch, new: Branch) -> bool:
        if old.trigger is not None or new.trigger is not None:
            return old.trigger == new.trigger
        olds, news = self._olds.fingerprint, self._news.fingerprint
        return olds(old.condition) == news(new.condition)

    def _may_be_same_case(self, old: Branch, new: Branch) -> bool:
        return old.trigger is None and new.trigger is None

    def _branch(self, old: Shape, new: Shape, before: Branch | None, after: Branch | None) -> None:
        found = self._count
        wider = narrower = True
        if before and after and not self._is_same_case(before, after):
            wider = self._comparison.widened.covers(after.condition, before.condition)
            narrower = self._comparison.narrowed.covers(before.condition, after.condition)
        one = before or after
        name = one.trigger if one else None
        for word, step, holds_less, holds_more in (
            ("then", "(then)", not wider, not narrower),
            ("otherwise", "(else)", not narrower, not wider),
        ):
            place = step if name is None else f"(with {name})"
            some: Schema = getattr(before, word) if before else ()
            others: Schema = getattr(after, word) if after else ()
            if some or others:
                self._within(place, (old, some), (new, others))
            if holds_less and some and others:
                self._within(place, (old, some), (new, ()))
            if holds_more and some and others:
                self._within(place, (old, ()), (new, others))
        if before and after and found == self._count and not (wider and narrower):
            self._add("constraint-changed", before.node, after.node)

    @property
    def _count(self) -> int:
        return len(self._result.findings) + len(self._result.below)

    # --- Alternatives ----------------------------------------------------------------------------

    def _unions(self, old: Shape, new: Shape) -> None:
        if not (old.unions or new.unions):
            return
        # A schema without a union can match an alternative of the other one.
        alone = self._schemas
        before = joined(old, alone[0] if new.is_union else None)
        after = joined(new, alone[1] if old.is_union else None)
        if not (before.members and after.members):
            self._choice(old, new, before, after)
            return
        names = mapping(self._olds, old, before), mapping(self._news, new, after)
        found = match((self._olds, self._news), (before, after), names)
        if not found.pairs and self._replaced(old, new, before, after):
            return
        if old.unions and new.unions:
            if before.keyword != after.keyword:
                words = before.keyword, after.keyword
                self._add("union-keyword-changed", before.node, after.node, *words)
            if not are_grouped_alike(old, new, found.pairs):
                values = tell_all(old), tell_all(new)
                self._add("constraint-changed", before.node, after.node, *values)
        pure = (old.is_union or not old.unions) and (new.is_union or not new.unions)
        for i, j in found.pairs:
            step = f"({label(before.members[i], i, names[0])})"
            step = step if old.unions and new.unions else ""
            one, other = before.members[i], after.members[j]
            if pure or before.are_heirs or after.are_heirs:
                self._descend(step, one, other, self._role, is_member=True)
            else:
                self._within(step, (old, one), (new, other))
        self._unmatched((before, after), found, names)
        if old.discriminator or new.discriminator:
            self._discriminators(old, new, (before, after), found, names)

    def _replaced(self, old: Shape, new: Shape, before: Union, after: Union) -> bool:
        """Report that no alternative matches; return False if each is better reported alone."""
        values = _told(old), _told(new)
        places = before.node, after.node
        if self._sent:
            if all(self._accepting(after, member) for member in before.members):
                self._add("type-generalized", *places, *values)
            elif old.unions and new.unions:
                return False
            else:
                self._add("type-changed", *places, *values)
        elif all(self._expecting(before, member) for member in after.members):
            self._add("type-specialized", *places, *values)
        else:
            self._add("type-changed", *places, *values)
        return True

    def _accepting(self, union: Union, old: Schema) -> Schema | None:
        """Return the new alternative that accepts everything of an old one."""
        covers = self._comparison.widened.covers
        return next((one for one in union.members if covers(one, old)), None)

    def _expecting(self, union: Union, new: Schema) -> Schema | None:
        """Return the old alternative that can read a new one."""
        covers = self._comparison.narrowed.covers
        return next((one for one in union.members if covers(one, new)), None)

    def _unmatched(
        self,
        unions: tuple[Union, Union],
        found: Matched,
        names: tuple[dict[str, int], dict[str, int]],
    ) -> None:
        """Report the alternatives of only one union."""
        before, after = unions
        facet = "one-of" if (after.keyword or before.keyword) == "oneOf" else "any-of"
        for i in found.gone:
            member, name = before.members[i], label(before.members[i], i, names[0])
            if self._sent and (other := self._accepting(after, member)):
                called = label(other, after.members.index(other), names[1])
                self._add("type-generalized", member[0], other[0], name, called)
            else:
                self._add(f"{facet}-removed", member[0], after.node, name, None)
        for j in found.fresh:
            member, name = after.members[j], label(after.members[j], j, names[1])
            if not self._sent and (other := self._expecting(before, member)):
                called = label(other, before.members.index(other), names[0])
                self._add("type-specialized", other[0], member[0], called, name)
            else:
                self._add(f"{facet}-added", before.node, member[0], None, name)

    def _choice(self, old: Shape, new: Shape, before: Union, after: Union) -> None:
        """Compare added or removed alternatives of a schema with common fields."""
        found, covers = self._count, self._comparison.widened.shape_covers
        if self._sent and covers(new, old):
            self._add("type-generalized", before.node, after.node, tell(before), tell(after))
            return
        for i, member in enumerate(before.members):
            self._within(f"({label(member, i, {})})", (old, member), (new, ()))
        for j, member in enumerate(after.members):
            self._within(f"({label(member, j, {})})", (old, ()), (new, member))
        if found == self._count:
            facet = _constraint(bool(after.members), bool(before.members))
            self._add(facet, before.node, after.node, tell(before), tell(after))

    def _discriminators(
        self,
        old: Shape,
        new: Shape,
        unions: tuple[Union, Union],
        found: Matched,
        names: tuple[dict[str, int], dict[str, int]],
    ) -> None:
        before, after = old.discriminator, new.discriminator
        if before is None or after is None:
            facet = "discriminator-added" if before is None else "discriminator-removed"
            values = before and tag(before), after and tag(after)
            self._keyword(facet, "discriminator", old, new, *values)
            return
        if tag(before) != tag(after):
            facet = "discriminator-property-name-changed"
            self._keyword(facet, "discriminator", old, new, tag(before), tag(after))
        here, there = names
        same, matched = dict(found.pairs), {j for _, j in found.pairs}
        for name, i in here.items():
            member = label(unions[0].members[i], i, {})
            if name not in there:
                if i in same:  # otherwise the member itself was removed
                    self._add("discriminator-mapping-deleted", before, after, name, None)
            elif i in same and same[i] != there[name]:
                other = label(unions[1].members[there[name]], there[name], {})
                values = f"{name}: {member}", f"{name}: {other}"
                self._add("discriminator-mapping-changed", before, after, *values)
        for name, j in there.items():
            if name not in here and j in matched:
                self._add("discriminator-mapping-added", before, after, None, name)


def _refers(node: Node) -> bool:
    return isinstance(node.value, dict) and "$ref" in node.value


def _any(shape: Shape, step: str) -> Schema:
    """Return the schema for anything, at the pointer of a missing description."""
    return (Node(shape.node.document, f"{shape.node.pointer}/{step}", {}),)


def _text(shape: Shape) -> Schema:
    """Return the schema of unrestricted names, which are text."""
    pointer = f"{shape.node.pointer}/propertyNames/type"
    return (Node(shape.node.document, pointer, {"type": "string"}),)


def _required(shapes: Shapes, shape: Shape) -> set[str]:
    """Return the fields required by the schema or by each of its alternatives."""
    found = set(shape.required)
    for union in shape.unions:
        if not union.are_heirs:
            found |= set.intersection(*(shapes.of(member).required for member in union.members))
    return found


def _is_in_alternatives(shapes: Shapes, shape: Shape, name: str) -> bool:
    """Tell whether each alternative of a union in a schema describes a field."""
    return any(
        all(shapes.of(member).member(name) for member in union.members)
        for union in shape.unions
        if not union.are_heirs
    )


def _told(shape: Shape) -> str:
    return tell_all(shape) if shape.unions else _names(shape)


def _names(shape: Shape) -> str:
    if shape.types is None:
        return shape.unions[0].keyword if shape.unions else "any"
    return " | ".join(sorted(shape.types)) or "none"


def _constraint(tighter: bool, looser: bool) -> str:
    """Return the facet for a changed rule: tightened, relaxed, or changed if uncertain."""
    if tighter is looser:
        return "constraint-changed"
    return "constraint-tightened" if tighter else "constraint-relaxed"


def _and(some: Sequence[float | str]) -> str | None:
    return " and ".join(map(str, some)) or None


def _limit(keyword: str, limit: tuple[float, bool] | None) -> float | str | None:
    if limit is None or not limit[1]:
        return limit and limit[0]
    return f"{'less' if keyword.startswith('max') else 'more'} than {limit[0]:g}"
