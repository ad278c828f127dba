"""What a comparison says: changes, their levels, and what they touch."""

from collections.abc import Iterable
from enum import IntEnum
from typing import Any

import attrs


class SpecDiffError(Exception):
    """Two documents cannot be compared; the message says which one, why, and what to do."""


class Level(IntEnum):
    """How much a change matters to somebody who calls the API, not to who runs it."""

    INFO = 1
    WARN = 2
    ERROR = 3


@attrs.frozen
class OverlayAction:
    """An action of an overlay.

    Attributes:
        file: The overlay, as `openapi/overlays/calling.yaml`.
        line: Where the action begins; None if that is not known.
        target: Its JSONPath.
    """

    file: str
    line: int | None
    target: str


@attrs.frozen(kw_only=True)
class Change:
    """One difference in meaning, reported once, however many operations it reaches.

    Attributes:
        id: What kind of change it is: a key of `kinds.KINDS`.
        level: How much it matters.
        message: Where in the operation it is, and what it means, for people.
        operations: `METHOD /path` of all operations that it reaches, spelt as in the old document
            if they are there. Empty if it belongs to no operation.
        old_pointer: JSON pointer in the old document, of what changed or of the nearest thing
            around it; in another file, `name#pointer`. None if there is nothing to point at.
        new_pointer: The same in the new document.
        old_line: Line of the old pointer, from 1; None if it is not known.
        new_line: Line of the new pointer.
        old: The JSON value before; None if there was none.
        new: The JSON value after; None if there is none.
        facade: The functions that call these operations, as `voice.calls.get`.
        overlays: The actions of overlays that select or change the same part.
    """

    id: str
    level: Level
    message: str
    operations: tuple[str, ...] = ()
    old_pointer: str | None = None
    new_pointer: str | None = None
    old_line: int | None = None
    new_line: int | None = None
    old: Any = None
    new: Any = None
    facade: tuple[str, ...] = ()
    overlays: tuple[OverlayAction, ...] = ()

    @property
    def operation(self) -> str | None:
        """The first of the operations."""
        return self.operations[0] if self.operations else None


def worst(changes: Iterable[Change]) -> Level | None:
    """Return the highest level among changes; None if there are none."""
    return max((change.level for change in changes), default=None)
