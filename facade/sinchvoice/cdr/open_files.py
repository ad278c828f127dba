"""The files that this process has open as databases.

A process loses its lock on a file when it closes any descriptor of that file. Nothing else in this
package therefore opens a registered file, not even to inspect it.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import TypeAlias

__all__ = ["NO_FILE", "Identity", "add", "discard", "identity", "is_open"]

Identity: TypeAlias = "tuple[int, int]"
"""Device and inode of a file, which can have several names."""

NO_FILE: Identity = (0, 0)

_open: set[Identity] = set()
_guard = threading.Lock()


def identity(path: str | os.PathLike[str]) -> Identity:
    """Return the identity of a file; `NO_FILE` if it does not exist.

    Raises:
        OSError: The identity cannot be determined.
    """
    try:
        found = Path(path).stat()
    except FileNotFoundError:
        return NO_FILE
    return found.st_dev, found.st_ino


def is_open(path: str | os.PathLike[str]) -> bool:
    """Tell whether this process has a file open as a database."""
    try:
        return identity(path) in _open
    except (OSError, ValueError):
        return False  # opening it reports the reason


def add(file: Identity) -> bool:
    """Register a file before opening it; return False if it is already open."""
    with _guard:
        if file in _open:
            return False
        _open.add(file)
        return True


def discard(file: Identity) -> None:
    """Unregister a closed file."""
    _open.discard(file)
