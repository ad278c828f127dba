"""Report the differences between the published document and the vendored specifications.

The direction is always from ours to theirs. The same difference in several places becomes one fact
that lists the places.
"""

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import attrs
from spec_diff import Change, Level, Note, worst
from spec_diff.findings import quoted
from spec_diff.keywords import canonical
from spec_diff.report import row, told, touched, values

_DIRECTION = (
    "The direction is from ours to theirs: what was removed is only in our file, what is new or "
    "newly required is only in theirs."
)
# An issue on GitHub has at most 65536 characters.
_MOST_FACTS = 80
_MOST_NAMES = 20
_MOST_PLACES = 5
_LONGEST = 300


@attrs.frozen
class Findings:
    """The differences between the published document and the vendored specifications.

    Attributes:
        source: The file or URL of the published document.
        version: Its `info.version`.
        changes: The differences by our file (`openapi/calling.yaml`), most important first.
        accepted: The number of further differences that the overrides file accepts.
        overrides: The overrides file, such as `openapi/upstream.yaml`.
        unused: The lines of overrides that match no difference.
        aside: Operations and webhooks that we do not vendor.
        notes: Notes on the document.
    """

    source: str
    version: str
    changes: Mapping[str, Sequence[Change]]
    accepted: int
    overrides: str
    unused: Sequence[int]
    aside: Sequence[str]
    notes: Sequence[Note] = ()

    @property
    def worst(self) -> Level | None:
        """The highest level of a difference, at least WARN for an unused override; or None."""
        found = worst(change for changes in self.changes.values() for change in changes)
        return max(found or Level.WARN, Level.WARN) if self.unused else found


@attrs.frozen
class Fact:
    """One difference.

    Attributes:
        change: The difference, with the operations and functions of all its places.
        places: Its places in our document and in theirs.
    """

    change: Change
    places: Sequence[str]


def report(findings: Findings, fail_on: Level, form: str = "text") -> str:
    """Return a report on findings; equal findings give equal reports.

    Args:
        findings: The findings.
        fail_on: The lowest level that needs attention.
        form: `text` or `markdown`.
    """
    found = {name: facts(map(_shown, changes)) for name, changes in findings.changes.items()}
    levels = [fact.change.level for some in found.values() for fact in some]
    levels += [Level.WARN] if findings.unused else []
    count = sum(level >= fail_on for level in levels)
    verdict = "Nothing needs attention."
    if count:
        verdict = (
            f"{count} difference{'s' * (count != 1)} to review ({fail_on.name} or above): "
            "openapi/README.md explains how to update a specification."
        )
    compared = f"{quoted(findings.source)}, version {quoted(printable(findings.version))}"
    parts = [
        verdict,
        f"Compared: {compared}. {_DIRECTION}",
        f"Accepted: {findings.accepted} differences, in {findings.overrides}.{_unused(findings)}",
        f"Ignored, because we do not vendor it: {_listed(findings.aside)}.",
    ]
    if findings.notes:
        noted = [quoted(printable(told(note))) for note in findings.notes]
        parts.append("Notes on the document:\n\n- " + "\n- ".join(_shortened(noted)))
    write = {"text": _text, "markdown": _markdown}[form]
    for name, some in found.items():
        parts += write(name, some[:_MOST_FACTS])
        if (left_out := len(some) - _MOST_FACTS) > 0:
            parts.append(f"... and {left_out} more of the same level or lower.")
    return "\n\n".join(parts)


def facts(changes: Any) -> list[Fact]:
    """Group equal differences in several places."""
    gathered = dict[tuple[Any, ...], list[Change]]()
    for change in changes:
        values_of_it = canonical(change.old), canonical(change.new)
        key = change.id, change.level, *values_of_it, _field(change), _meaning(change)
        gathered.setdefault(key, []).append(change)
    return [_fact(some) for some in gathered.values()]


def printable(text: str, longest: int = _LONGEST) -> str:
    """Return text from a foreign document in a form fit for a report: short and on one line."""
    short = text if len(text) <= longest else f"{text[:longest]}…"
    return "".join(one if one.isprintable() else repr(one)[1:-1] for one in short)


def _fact(some: list[Change]) -> Fact:
    first, *others = some
    more = f" (and in {len(others)} more place{'s' * (len(others) != 1)})" if others else ""
    whole = attrs.evolve(
        first,
        message=first.message + more,
        operations=_all(one.operations for one in some),
        facade=_all(one.facade for one in some),
        overlays=_all(one.overlays for one in some),
    )
    return Fact(whole, [place for one in some for place in _places(one)])


def _all(some: Any) -> tuple[Any, ...]:
    return tuple(dict.fromkeys(one for part in some for one in part))


def _field(change: Change) -> str:
    """Return the field of a change, or the last step of its pointer."""
    pointer = change.old_pointer or change.new_pointer or ""
    names = re.findall(r"/properties/([^/]*)", pointer)
    return names[-1] if names else pointer.rpartition("/")[2]


def _meaning(change: Change) -> str:
    """Return the message without the place."""
    return change.message.rpartition("`")[2]


def _places(change: Change) -> list[str]:
    sides = (
        ("ours", change.old_pointer, change.old_line),
        ("theirs", change.new_pointer, change.new_line),
    )
    return [
        f"{whose}{f' line {line}' if line else ''}: {quoted(pointer or '(the document)')}"
        for whose, pointer, line in sides
        if pointer is not None
    ]


def _unused(findings: Findings) -> str:
    lines = ", ".join(map(str, findings.unused))
    if not lines:
        return ""
    if len(findings.unused) == 1:
        return f" One entry there no longer matches anything, line {lines}: remove it."
    count = len(findings.unused)
    return f" {count} entries there no longer match anything, lines {lines}: remove them."


def _listed(names: Sequence[str]) -> str:
    shown = [quoted(printable(name)) for name in names]
    more = f", and {len(shown) - _MOST_NAMES} more" if len(shown) > _MOST_NAMES else ""
    return f"{', '.join(shown[:_MOST_NAMES]) or 'nothing'}{more}"


def _shortened(places: Sequence[str]) -> list[str]:
    more = len(places) - 2 * _MOST_PLACES
    shown = list(places) if more <= 0 else list(places[: 2 * _MOST_PLACES])
    return [*shown, f"and {more} more"] if more > 0 else shown


def _summary(some: Sequence[Fact]) -> str:
    counts = Counter(fact.change.level for fact in some)
    listed = ", ".join(f"{counts[one]} {one.name}" for one in sorted(counts, reverse=True))
    return listed or "no difference"


def _text(name: str, some: Sequence[Fact]) -> list[str]:
    blocks = [f"{name}: {_summary(some)}"]
    for fact in some:
        change = fact.change
        lines = [f"{change.level.name:<5} {change.id}", f"      {change.message}"]
        if value := values(change):
            lines.append(f"      value {value}")  # a leading `::` would be a workflow command
        lines += [f"      {one}" for one in (*change.operations, *_shortened(fact.places))]
        if reached := touched(change):
            lines.append(f"      touches {', '.join(reached)}")
        blocks.append("\n".join(lines))
    return blocks


def _markdown(name: str, some: Sequence[Fact]) -> list[str]:
    lines = [f"## {name}", "", f"**{_summary(some)}**"]
    for level in sorted({fact.change.level for fact in some}, reverse=True):
        lines += ["", f"### {level.name}", "", "| change | where | touches |", "|---|---|---|"]
        for fact in some:
            if fact.change.level is level:
                change = fact.change
                value = [quoted(value)] if (value := values(change)) else []
                what = [change.message, f"`{change.id}`", *value]
                where = [*map(quoted, change.operations), *_shortened(fact.places)]
                lines.append(row(what, where, [quoted(one) for one in touched(change)]))
    return ["\n".join(lines)]


def _shown(change: Change) -> Change:
    """Return a change whose foreign text is fit for a report: short and on one line."""

    def value(given: Any) -> Any:
        if isinstance(given, str):
            return printable(given)
        written = json.dumps(given, ensure_ascii=False)
        return given if len(written) <= _LONGEST else printable(written)

    return attrs.evolve(
        change,
        message=printable(change.message),
        operations=tuple(map(printable, change.operations)),
        old_pointer=_pointer(change.old_pointer),
        new_pointer=_pointer(change.new_pointer),
        old=value(change.old),
        new=value(change.new),
    )


def _pointer(pointer: str | None) -> str | None:
    return None if pointer is None else printable(pointer).replace("`", "'")
