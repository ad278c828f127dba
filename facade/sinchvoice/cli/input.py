"""The input of a run: files, and standard input."""

from __future__ import annotations

import sys
from pathlib import Path

from ..errors import InvalidRequest

__all__ = ["read_bytes"]


def read_bytes(file: str) -> bytes:
    """Read a file, or standard input for `-`.

    Raises:
        InvalidRequest: It cannot be read.
    """
    try:
        return sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except (OSError, ValueError) as error:  # a name with a NUL is a ValueError
        reason = getattr(error, "strerror", None) or error
        raise InvalidRequest(f"{file!r} cannot be read: {reason}") from error
