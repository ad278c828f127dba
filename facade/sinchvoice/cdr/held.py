"""Which files this process has open as databases.

A process loses its lock on a file once it closes any descriptor of it. So nothing else here opens
a file that is held, not even to look at it.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import TypeAlias

__all__ = ["NOT_THERE", "Identity", "hold", "identity", "is_held", "let_go"]

Identity: TypeAlias = "tuple[int, int]"
"""Device and number of a file: it can have several names."""

NOT_THERE: Identity = (0, 0)

_held: set[Identity] = set()
_guard = threading.Lock()


def identity(path: str | os.PathLike[str]) -> Identity:
    """Tell which file has this name; `NOT_THERE` if none has.

    Raises:
        OSError: It cannot be told.
    """
    try:
        found = Path(path).stat()
    except FileNotFoundError:
        return NOT_THERE
    return found.st_dev, found.st_ino


def is_held(path: str | os.PathLike[str]) -> bool:
    """Tell whether this process has a file open as a database."""
    try:
        return identity(path) in _held
    except (OSError, ValueError):
        return False  # and opening it says why


def hold(file: Identity) -> bool:
    """Note that a file is about to be opened; False if it is open already."""
    with _guard:
        if file in _held:
            return False
        _held.add(file)
        return True


def let_go(file: Identity) -> None:
    """Note that a file is closed."""
    _held.discard(file)
