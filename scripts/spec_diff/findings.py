"""Collect the findings of a comparison and turn them into changes."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, TypeAlias

import attrs

from .documents import Document, Node
from .keywords import canonical
from .kinds import KINDS
from .model import Change
from .operations import Operation, inside

# The note on a name or value with a new spelling.
RESPELT = "the spelling has changed"

# The followed references in order, as pairs of old and new.
Trail: TypeAlias = tuple[tuple[Node, Node], ...]


class Finding(NamedTuple):
    """A difference in one place, shared by all operations that use it.

    Attributes:
        kind: A key of `KINDS`.
        old: The node in the old document, present or absent.
        new: The node in the new document, present or absent.
        before: The old value.
        after: The new value.
        path: The path within a body, such as `.price.amount`.
        via: The references that lead to the schemas, and the schemas' own nodes, in both documents.
        note: An additional remark for the message.
    """

    kind: str
    old: Node
    new: Node
    before: object = None
    after: object = None
    path: str = ""
    via: Trail = ()
    note: str = ""


@attrs.define
class Traced:
    """A change and the places that lead to it.

    Attributes:
        change: The change, without facade functions and overlay actions.
        ids: The operationIds of its operations.
        old_pointers: In the old document, its pointer and those of references to it.
        new_pointers: The same in the new document.
    """

    change: Change
    ids: set[str]
    old_pointers: set[str]
    new_pointers: set[str]


@attrs.define
class _Gathered:
    """A finding and all the places that lead to it."""

    finding: Finding
    places: list[str] = attrs.field(factory=list)
    names: list[str] = attrs.field(factory=list)
    ids: set[str] = attrs.field(factory=set)
    vias: set[tuple[Node, Node]] = attrs.field(factory=set)


class Report:
    """Collector of findings: equal ones become one change of several operations.

    Args:
        old: The old document.
        new: The new document.
    """

    def __init__(self, old: Document, new: Document) -> None:
        self._old = old
        self._new = new
        self._found = dict[tuple[Any, ...], _Gathered]()

    def add(self, finding: Finding, place: str = "", at: Sequence[Operation] = ()) -> None:
        """Add a finding.

        Args:
            finding: The finding.
            place: The place in the operation, in words.
            at: The operation in both documents, the old one first.
        """
        values = canonical(finding.before), canonical(finding.after)
        key = finding.kind, finding.old, finding.new, *values
        found = self._found.setdefault(key, _Gathered(finding))
        if place and printable(place) not in found.places:
            found.places.append(printable(place))
        if at and printable(at[0].name) not in found.names:
            found.names.append(printable(at[0].name))
        found.ids.update(operation.id for operation in at if operation.id)
        found.vias.update(finding.via)

    def changes(self) -> list[Traced]:
        """Return a change for each finding, most important first."""
        traced = [self._trace(found) for found in self._found.values()]
        return sorted(traced, key=lambda one: _rank(one.change))

    def _trace(self, found: _Gathered) -> Traced:
        finding, kind = found.finding, KINDS[found.finding.kind]
        old, new = finding.old.existing(), finding.new.existing()
        change = Change(
            id=kind.id,
            level=kind.level,
            message=_message(found.places, kind.meaning, finding.note),
            operations=tuple(found.names),
            old_pointer=_pointer(old, self._old),
            new_pointer=_pointer(new, self._new),
            old_line=old.line,
            new_line=new.line,
            old=finding.before,
            new=finding.after,
        )
        olds = {old, *(via[0] for via in found.vias)}
        news = {new, *(via[1] for via in found.vias)}
        return Traced(
            change,
            found.ids,
            {node.pointer for node in olds if node.document is self._old},
            {node.pointer for node in news if node.document is self._new},
        )


@attrs.frozen
class Spot:
    """The place of findings.

    Attributes:
        report: The collector.
        operations: The operation in both documents, the old one first; empty outside operations.
        place: The place in the operation, in words.
    """

    report: Report
    operations: tuple[Operation, ...] = ()
    place: str = ""

    def at(self, place: str) -> "Spot":
        """Return another place of the same operation."""
        return attrs.evolve(self, place=place)

    def note(
        self,
        kind: str,
        old: Node,
        new: Node,
        before: object = None,
        after: object = None,
        note: str = "",
    ) -> None:
        """Add a difference between two nodes."""
        found = Finding(kind, old, new, before, after, note=note)
        self.report.add(found, self.place, self.operations)

    def flag(self, keyword: str, old: Node, new: Node, on: str, off: str) -> None:
        """Add a difference if a keyword is true in only one of two nodes."""
        before, after = (node.value.get(keyword) is True for node in (old, new))
        if before != after:
            self.note(
                on if after else off, inside(old, keyword), inside(new, keyword), before, after
            )


def respellings(gone: Iterable[str], fresh: Iterable[str]) -> dict[str, str]:
    """Return the new spelling of each name or value whose spelling has changed.

    Spellings differ in case, hyphens, underscores and spaces, such as `callId` and `call_id`.
    """
    olds, news = list(gone), list(fresh)
    counts = Counter(map(_spoken, olds)), Counter(map(_spoken, news))
    where = {_spoken(name): name for name in news}
    return {
        name: where[spoken]
        for name in olds
        if (spoken := _spoken(name)) in where
        and counts[0][spoken] == counts[1][spoken] == 1
        and any(map(str.isalpha, spoken))
    }


def _spoken(name: str) -> str:
    return "".join(one for one in name.casefold() if one not in "-_ ")


def quoted(name: str) -> str:
    """Return a name in backticks."""
    return f"`{name.replace('`', chr(39))}`"


def printable(text: str) -> str:
    """Return a text of the document without line ends and commands for terminals or runners.

    GitHub's runners obey `##[...]` anywhere in a line.
    """
    plain = "".join(character if character.isprintable() else "?" for character in text)
    return plain.replace("##[", "## [")


def _pointer(node: Node, document: Document) -> str:
    return node.pointer if node.document is document else node.name


def _rank(change: Change) -> tuple[Any, ...]:
    lines = change.old_line or 0, change.new_line or 0
    pointers = change.old_pointer or "", change.new_pointer or ""
    values = canonical(change.old), canonical(change.new)
    return -change.level, *lines, *pointers, change.id, change.message, *values


def _message(places: list[str], meaning: str, note: str) -> str:
    told = f"{meaning}: {note}" if note else meaning
    if not places:
        return told
    more = len(places) - 1
    others = f" and {more} more place{'s' if more > 1 else ''}" if more else ""
    return f"{places[0]}{others}: {told}"
