"""Format changes as text, JSON, Markdown, or annotations of a pull request."""

import json
import os
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import attrs

from .findings import printable, quoted
from .keywords import canonical
from .model import Change, Level
from .reading import Note

Renderer: TypeAlias = Callable[[Sequence[Change], str, str, Sequence[Note]], str]

_COMMANDS = {Level.ERROR: "error", Level.WARN: "warning", Level.INFO: "notice"}


def text(changes: Sequence[Change], old: str, new: str, notes: Sequence[Note] = ()) -> str:
    """Format changes for a terminal.

    Args:
        changes: The changes.
        old: The name of the old document.
        new: The name of the new document.
        notes: Notes on the documents.
    """
    lines = [f"NOTE  {told(note)}" for note in notes]
    lines += [""] if notes else []
    for change in changes:
        lines += [f"{change.level.name:<5} {change.id}", f"      {change.message}"]
        lines += [f"      {operation}" for operation in change.operations]
        if value := values(change):
            lines.append(f"      value {value}")  # a leading `::` would be a workflow command
        for name, pointer, line in (
            (old, change.old_pointer, change.old_line),
            (new, change.new_pointer, change.new_line),
        ):
            if pointer is not None:
                lines.append(f"      {_place(name, pointer, line)}")
        if reached := touched(change):
            lines.append(f"      touches {', '.join(reached)}")
        lines.append("")
    return "\n".join([*lines, summary(changes, old, new)])


def as_json(changes: Sequence[Change], old: str, new: str, notes: Sequence[Note] = ()) -> str:
    """Format changes as JSON; arguments as for `text`."""
    result = {
        "old": old,
        "new": new,
        "summary": _counts(changes),
        "notes": [note._asdict() for note in notes],
        "changes": [attrs.asdict(change) | {"level": change.level.name} for change in changes],
    }
    return json.dumps(result, indent=2, ensure_ascii=False)


def markdown(changes: Sequence[Change], old: str, new: str, notes: Sequence[Note] = ()) -> str:
    """Format changes as Markdown for a page or a comment; arguments as for `text`."""
    lines = [f"**{summary(changes, old, new)}**"]
    lines += ["", *(f"- {quoted(told(note))}" for note in notes)] if notes else []
    for level in sorted({change.level for change in changes}, reverse=True):
        lines += ["", f"### {level.name}", "", "| change | where | touches |", "|---|---|---|"]
        for change in changes:
            if change.level is level:
                value = [quoted(value)] if (value := values(change)) else []
                what = [change.message, f"`{change.id}`", *value]
                where = [*map(quoted, change.operations), *_lines(change)]
                lines.append(row(what, where, [quoted(one) for one in touched(change)]))
    return "\n".join(lines)


def github(changes: Sequence[Change], old: str, new: str, notes: Sequence[Note] = ()) -> str:
    """Format changes as workflow commands, which GitHub shows as annotations of a file.

    Args:
        changes: The changes.
        old: The name of the old document; annotated if the new one is not a file.
        new: The name of the new document; annotated if it is a file.
        notes: Notes on the documents.
    """
    lines = [f"::notice::{_escape(told(note))}" for note in notes]
    for change in changes:
        fields = {"title": f"{change.level.name} {change.id}"}
        places = [
            *((new, change.new_line) for _ in range(change.new_pointer is not None)),
            *((old, change.old_line) for _ in range(change.old_pointer is not None)),
            *((action.file, action.line) for action in change.overlays),
        ]
        for name, line in places:
            if not Path(name).is_absolute() and Path(name).is_file():
                fields = {"file": Path(name).as_posix(), "line": str(line or 1)} | fields
                break
        parts = [change.message, *change.operations, values(change), *touched(change)]
        message = _escape("\n".join(filter(None, parts)))
        listed = ",".join(f"{key}={_escape_field(value)}" for key, value in fields.items())
        lines.append(f"::{_COMMANDS[change.level]} {listed}::{message}")
    return "\n".join([*lines, summary(changes, old, new)])


def summary(changes: Sequence[Change], old: str, new: str) -> str:
    """Return the number of changes in one line."""
    if not changes:
        return f"{old} and {new} mean the same."
    counts = ", ".join(f"{count} {name}" for name, count in _counts(changes).items() if count)
    return f"{old} -> {new}: {len(changes)} change{'s' * (len(changes) != 1)} ({counts})"


FORMATS: dict[str, Renderer] = {
    "text": text,
    "json": as_json,
    "markdown": markdown,
    "github": github,
}


def _counts(changes: Sequence[Change]) -> dict[str, int]:
    counts = Counter(change.level for change in changes)
    return {level.name: counts[level] for level in sorted(Level, reverse=True)}


def show(written: str) -> None:
    """Print a report; a reader such as `head` may stop early."""
    try:
        print(written, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def told(note: Note) -> str:
    """Return a note with its document and line, on one line."""
    return printable(f"{note.document}{f':{note.line}' if note.line else ''}: {note.text}")


def values(change: Change) -> str:
    """Return the old and new value in words; empty without values."""
    if change.old is None and change.new is None:
        return ""
    return f"{_value(change.old)} -> {_value(change.new)}"


def _value(value: Any) -> str:
    if value is None:
        return "(none)"
    return printable(value if isinstance(value, str) else canonical(value))


def _place(name: str, pointer: str, line: int | None) -> str:
    return f"{name}{f':{line}' if line else ''} {printable(pointer) or '(the document)'}"


def _lines(change: Change) -> list[str]:
    found = (
        (name, pointer, line)
        for name, pointer, line in (
            ("old", change.old_pointer, change.old_line),
            ("new", change.new_pointer, change.new_line),
        )
        if pointer is not None
    )
    return [
        f"{name}{f' line {line}' if line else ''}: {quoted(printable(pointer))}"
        for name, pointer, line in found
    ]


def touched(change: Change) -> list[str]:
    """Return the functions and overlay actions that a change touches."""
    actions = [f"{one.file}:{one.line} {one.target}" for one in change.overlays]
    return [*change.facade, *actions]


def row(*cells: list[str]) -> str:
    """Return a table row; each cell is a list of lines."""
    # A bar after a backslash cannot be escaped with another backslash: it would end the cell.
    texts = ("<br>".join(lines).replace(r"\|", r"\¦").replace("|", r"\|") for lines in cells)
    return f"| {' | '.join(texts)} |"


def _escape(message: str) -> str:
    return message.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _escape_field(value: str) -> str:
    return _escape(value).replace(":", "%3A").replace(",", "%2C")
