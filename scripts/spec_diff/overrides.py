"""Replace the levels of changes by a maintainer's decisions, each with a reason.

The file is YAML:

    overrides:
      - id: response-success-status-added
        operation: PATCH /calling/v1/calls/id/{callId}   # optional
        pointer: /paths/~1calling~1v1                    # optional; includes everything below
        value: '200'                                     # optional; the old or new value
        level: INFO
        reason: Any 2xx is a success to the facade.
"""

from collections.abc import Sequence
from typing import Any

import attrs

from .documents import load
from .keywords import canonical
from .kinds import KINDS
from .model import Change, Level, SpecDiffError

_FIELDS = {"id", "operation", "pointer", "value", "level", "reason"}


@attrs.frozen
class Override:
    """A decision.

    Attributes:
        file: The file of the override.
        line: Its line in the file.
        id: The kind of change.
        operation: The operation, such as `GET /path`; None for all.
        pointer: The pointer at or above the change, in either document; None for all.
        value: The old or new value; None for all.
        level: The level instead of the default.
        reason: The reason.
    """

    file: str
    line: int | None
    id: str
    operation: str | None
    pointer: str | None
    value: Any
    level: Level
    reason: str

    def fits(self, change: Change) -> bool:
        """Tell whether the override applies to a change."""
        pointers = change.old_pointer, change.new_pointer
        values = canonical(change.old), canonical(change.new)
        return (
            change.id == self.id
            and (self.operation is None or self.operation in change.operations)
            and (self.pointer is None or any(_is_below(one, self.pointer) for one in pointers))
            and (self.value is None or canonical(self.value) in values)
        )


def read_overrides(source: str) -> list[Override]:
    """Read a file of overrides.

    Raises:
        SpecDiffError: If the file cannot be read or is malformed.
    """
    document = load(source)
    entries = document.data.get("overrides")
    if not isinstance(entries, list) or document.data.keys() != {"overrides"}:
        raise SpecDiffError(f"{source}: a list is expected under overrides, and no other key")
    lines = [document.line(f"/overrides/{index}") for index in range(len(entries))]
    return [_override(fields, source, line) for fields, line in zip(entries, lines, strict=True)]


def override(changes: Sequence[Change], overrides: Sequence[Override]) -> list[Change]:
    """Apply overrides to changes; the first matching override counts.

    Returns:
        All changes, and one more for each override without a match, most important first.
    """
    result = [_overridden(change, overrides) for change in changes]
    unused = [one for one in overrides if not any(one.fits(change) for change in changes)]
    kind = KINDS["override-unused"]
    result += [
        Change(
            id=kind.id,
            level=kind.level,
            message=f"{one.file}, line {one.line}, {one.id}: {kind.meaning}",
        )
        for one in unused
    ]
    return sorted(result, key=lambda change: -change.level)


def _overridden(change: Change, overrides: Sequence[Override]) -> Change:
    for one in overrides:
        if one.fits(change):
            usual = KINDS[change.id].level.name
            note = f"{change.message} ({usual} without an override: {one.reason})"
            return attrs.evolve(change, level=one.level, message=note)
    return change


def _override(fields: Any, source: str, line: int | None) -> Override:
    place = f"{source}, line {line}"
    if not isinstance(fields, dict) or fields.keys() - _FIELDS:
        raise SpecDiffError(f"{place}: an override has only {', '.join(sorted(_FIELDS))}")
    if missing := {"id", "level", "reason"} - fields.keys():
        raise SpecDiffError(f"{place}: an override needs {', '.join(sorted(missing))}")
    texts = {key: value for key, value in fields.items() if key != "value" or value is None}
    if wrong := [key for key, value in texts.items() if not isinstance(value, str) or not value]:
        raise SpecDiffError(f"{place}: {', '.join(wrong)} must be text")
    if fields["id"] not in KINDS:
        kinds = "see scripts/spec_diff/kinds.py"
        raise SpecDiffError(f"{place}: {fields['id']} is not a kind of change: {kinds}")
    if fields["level"] not in Level.__members__:
        levels = ", ".join(Level.__members__)
        raise SpecDiffError(f"{place}: {fields['level']} is not a level: use one of {levels}")
    return Override(
        file=source,
        line=line,
        id=fields["id"],
        operation=fields.get("operation"),
        pointer=fields.get("pointer"),
        value=fields.get("value"),
        level=Level[fields["level"]],
        reason=fields["reason"],
    )


def _is_below(pointer: str | None, above: str) -> bool:
    return pointer is not None and f"{pointer}/".startswith(f"{above}/")
