"""The file of an archive: locking, the files beside it, and the connection to DuckDB."""

from __future__ import annotations

import os
import re
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import ArchiveInUse, CdrError
from . import open_files, tables
from .fast_path import literal
from .queries import import_duckdb, is_damage, lock, reason, settings
from .workspace import Workspace, remove_abandoned

if TYPE_CHECKING:
    import duckdb

__all__ = ["ArchiveFile", "is_database", "put_new"]

_BESIDE = (".wal", ".wal.checkpoint", ".wal.recovery")
"""Suffixes of the files that DuckDB writes beside a database."""
_RETRY_AFTER = 0.1
"""Seconds between attempts to open a file that another process has open."""
_PURPOSE = "work"


class ArchiveFile:
    """An open archive and the workspace beside it.

    Args:
        path: Path of the file; a missing file is created, readable by its owner alone.
        read_only: True to query only; other processes can then query it too.
        wait: Seconds to wait for other processes to close it.
        memory_limit: Memory limit of DuckDB; None for its default.
        threads: Threads of DuckDB; None for one per core.
        attached: True to open it as the schema-qualified database `archive` beside an empty one in
            memory, for views that mask it; read-only.

    Attributes:
        path: Path of the file, links resolved.
        connection: Connection to DuckDB, which can open only the archive and the workspace.
        workspace: Folder for temporary files.
        is_new: Whether the file was created by this opening.

    Raises:
        ArchiveInUse: Another process still has it open after `wait` seconds.
        CdrError: It cannot be opened.
    """

    connection: duckdb.DuckDBPyConnection

    def __init__(
        self,
        path: Path,
        *,
        read_only: bool,
        wait: float,
        memory_limit: str | None,
        threads: int | None,
        attached: bool = False,
    ) -> None:
        self._duckdb = import_duckdb()
        self._attached = attached
        self.path = Path(os.path.realpath(path))
        self.is_new = False
        self._is_stuck = False
        self._read_only = read_only
        self._memory_limit, self._threads = memory_limit, threads
        self._wal = self.path.with_name(self.path.name + ".wal")
        self._identity: open_files.Identity | None = None
        _check_name(self.path)
        if open_files.is_open(self.path):
            raise self._open_here()
        _check_is_database(self.path)
        self._check_beside()
        if read_only and not self.path.exists():
            raise CdrError("the archive does not exist: load files first", str(self.path))
        self.workspace = self._make_workspace()
        try:
            self._open(time.monotonic() + wait)
        except BaseException:
            self.workspace.close()
            raise

    def close(self, *, remove: bool = False) -> None:
        """Close the archive, so that other processes can open it.

        Args:
            remove: True to remove the archive as well.

        Raises:
            CdrError: The latest records cannot be moved into the archive. They are safe in the
                write-ahead log.
        """
        try:
            if not self._read_only and not self._is_stuck:
                self.keep_wal_private()
                self._checkpoint()
            if remove:  # while locked, so that no other process has it open
                self._wal.unlink(missing_ok=True)
                self.path.unlink(missing_ok=True)
        finally:
            self.connection.close()
            if not remove and not self._read_only:
                with suppress(OSError):
                    if not self._wal.stat().st_size:
                        self._wal.unlink()
            self._unregister()
            self.workspace.close()

    def replace(self, new: Path) -> None:
        """Replace the archive by another database, which is closed and in the workspace.

        Raises:
            CdrError: The file cannot be replaced; the archive is unchanged, or closed.
        """
        self._checkpoint()
        self._wal.unlink(missing_ok=True)
        new.chmod(stat.S_IMODE(self.path.stat().st_mode))
        with _Locked(new):  # no other process can open it before the old one is closed
            new.rename(self.path)
            self.connection.close()
            self._unregister()
        self._open(time.monotonic())

    def keep_wal_private(self) -> None:
        """Create the write-ahead log for its owner alone; DuckDB would make it world-readable."""
        flags = os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
        with suppress(FileExistsError):
            os.close(os.open(self._wal, flags, 0o600))

    def _open(self, until: float) -> None:
        while True:
            if not self.path.exists():
                self._create()
            identity = _identity(self.path)
            if identity == open_files.NO_FILE:
                continue
            if not open_files.add(identity):
                raise self._open_here()
            try:
                self._check_beside()
                connection = self._connect()
                # The process that had the archive open may have replaced the file.
                if identity == _identity(self.path):
                    self._set_up(connection)
                    self.connection, self._identity = connection, identity
                    return
                connection.close()
            except ArchiveInUse:
                if time.monotonic() >= until:
                    raise
            finally:
                if self._identity is None:
                    open_files.discard(identity)
            time.sleep(_RETRY_AFTER)

    def _open_here(self) -> CdrError:
        return CdrError(
            "this process already has the archive open: use that Archive or close it",
            str(self.path),
        )

    def _unregister(self) -> None:
        identity, self._identity = self._identity, None
        if identity is not None:
            open_files.discard(identity)

    def _connect(self) -> duckdb.DuckDBPyConnection:
        if not self._read_only:
            try:
                self.keep_wal_private()
            except OSError as error:
                raise self._unusable(error) from error
        config = self._settings()
        connection: duckdb.DuckDBPyConnection
        try:
            if self._attached:
                connection = self._duckdb.connect(config=config)
                with _closing_on_error(connection):
                    connection.execute(f"ATTACH {literal(self.path)} AS archive (READ_ONLY)")
                return connection
            connection = self._duckdb.connect(
                str(self.path), read_only=self._read_only, config=config
            )
        except (self._duckdb.Error, OSError) as error:
            raise self._unusable(error) from error
        return connection

    def _settings(self) -> dict[str, str | bool | int | float | list[str]]:
        return settings(self.workspace.path, self._memory_limit, self._threads)

    def _set_up(self, connection: duckdb.DuckDBPyConnection) -> None:
        try:
            # With insertion order, row groups have uneven sizes and closing rewrites them.
            # Queries use cursors, which keep the order of rows.
            connection.execute("SET SESSION preserve_insertion_order = false")
            lock(connection, self.workspace.path)
            if self._attached:
                connection.execute("USE archive")
            tables.check(connection, str(self.path), read_only=self._read_only)
            if self._attached:
                connection.execute("USE memory")
        except self._duckdb.Error as error:
            connection.close()
            problem = f"this is not an archive of call detail records: {error}"
            if is_damage(error):
                problem = reason(error)
            raise CdrError(problem, str(self.path)) from error
        except BaseException:
            connection.close()
            raise

    def _create(self) -> None:
        """Create an archive in the workspace and move it into place when complete."""
        try:
            new = self.workspace.folder("new") / "archive"
            with self._duckdb.connect(str(new), config=self._settings()) as connection:
                tables.create(connection)
            new.chmod(0o600)
            try:
                put_new(new, self.path)
            except FileExistsError:
                return  # another process created one meanwhile
            self.is_new = True
        except (OSError, self._duckdb.Error) as error:
            raise CdrError(
                f"the archive cannot be created: {reason(error)}", str(self.path)
            ) from error

    def _checkpoint(self) -> None:
        try:
            self.connection.execute("CHECKPOINT")
        except self._duckdb.TransactionException:
            pass  # a query is still running; closing the connection writes the checkpoint
        except self._duckdb.Error as error:
            self._is_stuck = True  # reported only once
            if is_damage(error):
                raise CdrError(reason(error), str(self.path)) from error
            raise CdrError(
                f"the latest records cannot be moved from {self._wal.name} into the archive: free "
                f"disk space, keep both files and open the archive again ({reason(error)})",
                str(self.path),
            ) from error

    def _make_workspace(self) -> Workspace:
        remove_abandoned(self.path, _PURPOSE)
        try:
            return Workspace(self.path, _PURPOSE)
        except OSError as error:
            if self._read_only:
                with suppress(OSError):
                    return Workspace(Path(tempfile.gettempdir()) / "sinchvoice", _PURPOSE)
            problem = "the archive cannot be created"
            if self.path.exists():
                problem = "the folder of the archive is not writable"
            raise CdrError(f"{problem}: {error.strerror}", str(self.path)) from error

    def _check_beside(self) -> None:
        """Refuse files beside the archive that DuckDB would write to but that belong elsewhere."""
        for suffix in _BESIDE:
            path = self.path.with_name(self.path.name + suffix)
            try:
                found = path.lstat()
            except FileNotFoundError:
                continue
            except OSError as error:
                raise CdrError(f"cannot be read: {error.strerror}", str(path)) from error
            if not stat.S_ISREG(found.st_mode) or found.st_nlink > 1:
                raise CdrError(
                    "this is a link or not a regular file, in the place of the archive's "
                    "write-ahead log: move it away, because DuckDB would write to it",
                    str(path),
                )

    def _unusable(self, error: Exception) -> CdrError:
        kind: type[CdrError] = CdrError
        problem = "the archive cannot be opened"
        if "replaying WAL" in str(error):
            problem = (
                f"the write-ahead log {self._wal.name} with the latest records is damaged: restore "
                "a backup, or move the log away and load the same files again"
            )
        elif "Could not set lock" in str(error):
            kind = ArchiveInUse
            problem = "another process has the archive open: close it there, or wait"
        elif "different configuration" in str(error):
            problem = "this process already has the archive open: use that Archive or close it"
        elif not self._read_only and not os.access(self.path, os.W_OK):
            problem = "the archive is not writable: open it with read_only=True to query it"
        return kind(f"{problem} ({reason(error)})", str(self.path))


@contextmanager
def _closing_on_error(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    try:
        yield
    except BaseException:
        connection.close()
        raise


def put_new(path: Path, target: Path) -> None:
    """Move a file to a new path.

    Raises:
        FileExistsError: The path exists.
    """
    try:
        os.link(path, target)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links
        os.close(os.open(target, os.O_CREAT | os.O_EXCL, 0o600))
        path.replace(target)
    else:
        path.unlink()


class _Locked:
    """A temporary lock on a file: no process, this one included, can open it as a database."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDWR)
        try:
            import fcntl

            fcntl.lockf(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except ImportError:
            pass  # on systems without such locks an open file cannot be replaced anyway

    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)


def _identity(path: Path) -> open_files.Identity:
    try:
        return open_files.identity(path)
    except OSError as error:
        raise CdrError(f"cannot be read: {error.strerror}", str(path)) from error


def _check_name(path: Path) -> None:
    if re.search(r"[?\udc80-\udcff]", str(path)):
        raise CdrError(
            "the path has a `?` or is not UTF-8, which DuckDB does not support: choose another",
            str(path),
        )
    # DuckDB names the database after the file, up to the first dot; the name of a schema in it is
    # then ambiguous.
    if path.name.lstrip(".").partition(".")[0].lower() == "kept":
        raise CdrError(
            "the name `kept` is reserved for a schema of the archive: choose another name",
            str(path),
        )


def _check_is_database(path: Path) -> None:
    """Refuse a file that is not a database before DuckDB opens it and writes files beside it."""
    try:
        if is_database(path):
            return
    except FileNotFoundError:
        return
    except OSError as error:
        raise CdrError(f"cannot be read: {error.strerror}", str(path)) from error
    raise CdrError(
        "this is not an archive: give the file of an archive, or a new name",
        str(path),
    )


def is_database(path: Path) -> bool:
    """Tell whether a file is a DuckDB database, such as an archive.

    Raises:
        OSError: It cannot be read.
    """
    with path.open("rb") as file:
        head = file.read(20)  # a checksum, a magic word and a small number
    return head[8:12] == b"DUCK" and head[16:] == bytes(4)
