"""The results of a comparison: changes, their levels, and the overlay actions they affect."""

from collections.abc import Iterable
from enum import IntEnum
from typing import Any

import attrs


class SpecDiffError(Exception):
    """The documents cannot be compared; the message says which one, why, and what to do."""


class Level(IntEnum):
    """The importance of a change to a caller of the API, not to its operator."""

    INFO = 1
    WARN = 2
    ERROR = 3


@attrs.frozen
class OverlayAction:
    """An action of an overlay.

    Attributes:
        file: The overlay, such as `openapi/overlays/calling.yaml`.
        line: The first line of the action; None if unknown.
        target: Its JSONPath.
    """

    file: str
    line: int | None
    target: str


@attrs.frozen(kw_only=True)
class Change:
    """One difference in meaning, reported once for all affected operations.

    Attributes:
        id: The kind of change: a key of `kinds.KINDS`.
        level: The importance.
        message: The place in the operation and the meaning, in words.
        operations: `METHOD /path` of all affected operations, spelt as in the old document if they
            exist there. Empty for a change outside operations.
        old_pointer: JSON pointer in the old document, of the changed value or its nearest existing
            parent; in another file, `name#pointer`. None if there is nothing to point at.
        new_pointer: The same in the new document.
        old_line: Line of the old pointer, from 1; None if unknown.
        new_line: Line of the new pointer, from 1; None if unknown.
        old: The old JSON value; None if there was none.
        new: The new JSON value; None if there is none.
        facade: The functions that call these operations, such as `voice.calls.get`.
        overlays: The overlay actions that select or change the same part.
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
