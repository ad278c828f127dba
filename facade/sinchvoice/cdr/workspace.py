"""Temporary files and folders beside the files being written, and their cleanup.

Each folder has a mark: a file that its process keeps locked. A folder whose mark can be locked was
abandoned by a killed process. A folder without a mark is left alone, whatever its name.
"""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

fcntl: Any
try:
    import fcntl
except ImportError:  # without locks no folder has a mark and none is cleaned up
    fcntl = None

__all__ = ["Workspace", "abandoned", "remove_abandoned", "replacing"]

_MARK = ".sinchvoice"


class Workspace:
    """A temporary folder for its owner alone, on the same file system as a file or folder.

    Args:
        beside: The file or folder.
        purpose: Part of the name; cleanup removes folders of the same purpose.

    Attributes:
        path: Path of the temporary folder.

    Raises:
        OSError: The folder cannot be created.
    """

    def __init__(self, beside: Path, purpose: str) -> None:
        self.path = Path(tempfile.mkdtemp(prefix=_prefix(beside, purpose), dir=beside.parent))
        self._mark = -1
        try:
            if fcntl is not None:
                self._mark = _make_mark(self.path)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Remove the folder and its content."""
        shutil.rmtree(self.path, ignore_errors=True)
        mark, self._mark = self._mark, -1
        if mark >= 0:
            os.close(mark)

    def folder(self, name: str) -> Path:
        """Create a subfolder, and the workspace itself if it was removed.

        Raises:
            OSError: The folder cannot be created.
        """
        self.path.mkdir(mode=0o700, exist_ok=True)
        return Path(tempfile.mkdtemp(prefix=f"{name}-", dir=self.path))


@contextmanager
def abandoned(beside: Path, purpose: str) -> Iterator[list[Path]]:
    """Find the workspaces of killed processes and keep them locked meanwhile."""
    prefix = _prefix(beside, purpose)
    descriptors: list[int] = []
    found = []
    try:
        with suppress(OSError):
            for folder in beside.parent.iterdir():
                if folder.name.startswith(prefix) and not folder.is_symlink():
                    descriptor = _take_mark(folder / _MARK)
                    if descriptor is not None:
                        descriptors.append(descriptor)
                        found.append(folder)
        yield found
    finally:
        for descriptor in descriptors:
            os.close(descriptor)


def remove_abandoned(beside: Path, purpose: str) -> None:
    """Remove the workspaces of killed processes."""
    with abandoned(beside, purpose) as folders:
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield the path of a new file for its owner alone, which replaces another at the end.

    A link is followed. If the writing fails, an existing file stays as it is.

    Args:
        path: Path of the file to write.

    Raises:
        OSError: The path is something other than a file, such as a folder or a device, or cannot
            be written.
    """
    target = Path(os.path.realpath(path))
    if target.is_dir():
        raise IsADirectoryError(errno.EISDIR, "this is a folder", str(path))
    if target.exists() and not target.is_file():  # a rename would replace the device itself
        raise OSError(errno.EINVAL, "this is not a regular file", str(path))
    handle, name = tempfile.mkstemp(prefix=".sinchvoice-", dir=target.parent)
    os.close(handle)
    new = Path(name)
    try:
        yield new
        new.replace(target)
    finally:
        new.unlink(missing_ok=True)


def _prefix(beside: Path, purpose: str) -> str:
    return f".{beside.name}-{purpose}-"


def _make_mark(folder: Path) -> int:
    early = folder / f"{_MARK}-new"
    descriptor = os.open(early, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
    with suppress(OSError):  # a file system without locks
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        early.rename(folder / _MARK)  # locked before another process can find it
    return descriptor


def _take_mark(mark: Path) -> int | None:
    """Lock a mark; return None if it does not exist or its process is alive."""
    if fcntl is None:
        return None
    try:
        descriptor = os.open(mark, os.O_RDWR | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor
