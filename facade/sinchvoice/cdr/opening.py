"""The file of an archive: who may open it, what lies beside it, and the connection to it."""

from __future__ import annotations

import os
import re
import stat
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import ArchiveInUse, CdrError
from . import open_files, tables
from .queries import import_duckdb, is_damage, lock, reason, settings
from .workspace import Workspace, remove_abandoned

if TYPE_CHECKING:
    import duckdb

__all__ = ["ArchiveFile", "is_database", "put_new"]

_BESIDE = (".wal", ".wal.checkpoint", ".wal.recovery")
"""What DuckDB writes beside a file."""
_ASK_AGAIN = 0.1
"""Seconds between attempts to open a file that another process has open."""
_PURPOSE = "work"


class ArchiveFile:
    """An archive that is open, and a workspace beside it.

    Args:
        path: Where it is. It is made if it is not there, for its owner alone.
        read_only: True to ask it only; then other processes can ask it too.
        wait: Seconds to wait for other processes to close it.
        memory_limit: Of DuckDB; None for its default.
        threads: Of DuckDB; None for one per core.

    Attributes:
        path: Where it is, links resolved.
        connection: To DuckDB, which can open nothing but the archive and the workspace.
        workspace: For what is written while it is open.
        is_new: Whether it was made for this.

    Raises:
        ArchiveInUse: Another process has it open, still after `wait` seconds.
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
    ) -> None:
        self._duckdb = import_duckdb()
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
            raise CdrError("there is no archive: load something into it first", str(self.path))
        self.workspace = self._make_workspace()
        try:
            self._open(time.monotonic() + wait)
        except BaseException:
            self.workspace.close()
            raise

    def close(self, *, remove: bool = False) -> None:
        """Let others use the file.

        Args:
            remove: True to remove the archive as well.

        Raises:
            CdrError: What was loaded last cannot be written where it belongs. It is safe in the
                write-ahead log.
        """
        try:
            if not self._read_only and not self._is_stuck:
                self.keep_wal_private()
                self._checkpoint()
            if remove:  # while it is locked, so that nobody has it open
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
        """Put another database, closed and in the workspace, into the place of this one.

        Raises:
            CdrError: It cannot be done; the archive is as before, or closed.
        """
        self._checkpoint()
        self._wal.unlink(missing_ok=True)
        new.chmod(stat.S_IMODE(self.path.stat().st_mode))
        with _Locked(new):  # so that nobody else has it open before the old one is closed
            new.rename(self.path)
            self.connection.close()
            self._unregister()
        self._open(time.monotonic())

    def keep_wal_private(self) -> None:
        """Make the write-ahead log: DuckDB makes it for everybody to read, unless it is there."""
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
                # The process that had it open may have replaced the file.
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
            time.sleep(_ASK_AGAIN)

    def _open_here(self) -> CdrError:
        return CdrError(
            "this process has the archive open already: use that one, or close it", str(self.path)
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
        config = settings(self.workspace.path, self._memory_limit, self._threads)
        try:
            connection: duckdb.DuckDBPyConnection = self._duckdb.connect(
                str(self.path), read_only=self._read_only, config=config
            )
        except (self._duckdb.Error, OSError) as error:
            raise self._unusable(error) from error
        return connection

    def _set_up(self, connection: duckdb.DuckDBPyConnection) -> None:
        try:
            # In order, rows make groups of uneven size, which closing would write once more.
            # Questions have cursors, where rows keep their order.
            connection.execute("SET SESSION preserve_insertion_order = false")
            lock(connection, self.workspace.path)
            tables.check(connection, str(self.path), read_only=self._read_only)
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
        """Make an archive in the workspace, and put it into its place when it is whole."""
        try:
            new = self.workspace.folder("new") / "archive"
            with self._duckdb.connect(str(new)) as connection:
                tables.create(connection)
            new.chmod(0o600)
            try:
                put_new(new, self.path)
            except FileExistsError:
                return  # another process made one meanwhile
            self.is_new = True
        except (OSError, self._duckdb.Error) as error:
            raise CdrError(
                f"the archive cannot be made: {reason(error)}", str(self.path)
            ) from error

    def _checkpoint(self) -> None:
        try:
            self.connection.execute("CHECKPOINT")
        except self._duckdb.TransactionException:
            pass  # somebody still reads; closing does it
        except self._duckdb.Error as error:
            self._is_stuck = True  # which is told once
            if is_damage(error):
                raise CdrError(reason(error), str(self.path)) from error
            raise CdrError(
                f"what was loaded last cannot be moved from {self._wal.name} into the archive: "
                f"make room, keep both files, and open the archive again ({reason(error)})",
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
            problem = "the archive cannot be made"
            if self.path.exists():
                problem = "the folder of the archive cannot be written"
            raise CdrError(f"{problem}: {error.strerror}", str(self.path)) from error

    def _check_beside(self) -> None:
        """Refuse files that DuckDB would write to, and that are not the archive's own."""
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
                    "this is a link, or not a file, where the archive has its write-ahead log, and "
                    "another file would be written to: move it away",
                    str(path),
                )

    def _unusable(self, error: Exception) -> CdrError:
        kind: type[CdrError] = CdrError
        problem = "the archive cannot be opened"
        if "replaying WAL" in str(error):
            problem = (
                f"{self._wal.name} is damaged, which has what was loaded last: put back a backup, "
                "or move that file away and load the same files again"
            )
        elif "Could not set lock" in str(error):
            kind = ArchiveInUse
            problem = "another process has the archive open: close it there, or wait"
        elif "different configuration" in str(error):
            problem = "this process has the archive open already: use that one, or close it"
        elif not self._read_only and not os.access(self.path, os.W_OK):
            problem = "the archive cannot be written: open it with read_only=True to ask it"
        return kind(f"{problem} ({reason(error)})", str(self.path))


def put_new(path: Path, target: Path) -> None:
    """Move a file to where nothing is yet.

    Raises:
        FileExistsError: Something is.
    """
    try:
        os.link(path, target)
    except FileExistsError:
        raise
    except OSError:  # a file system without links
        os.close(os.open(target, os.O_CREAT | os.O_EXCL, 0o600))
        path.replace(target)
    else:
        path.unlink()


class _Locked:
    """A file that nobody can open as a database for a while, this process included."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDWR)
        try:
            import fcntl

            fcntl.lockf(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except ImportError:
            pass  # where there are no locks of this kind, an open file cannot be replaced

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
            "DuckDB takes no `?` in a path, and nothing that is not UTF-8: choose another",
            str(path),
        )
    # DuckDB names the database after the file, up to its first point, and finds both under a name.
    if path.name.lstrip(".").partition(".")[0].lower() == "kept":
        raise CdrError(
            "an archive cannot be called `kept`, as a schema in it is: choose another name",
            str(path),
        )


def _check_is_database(path: Path) -> None:
    """Refuse what DuckDB would take, and write beside, only to find that it is something else."""
    try:
        if is_database(path):
            return
    except FileNotFoundError:
        return
    except OSError as error:
        raise CdrError(f"cannot be read: {error.strerror}", str(path)) from error
    raise CdrError(
        "this is not an archive: give the file that loading made, or a name that is free",
        str(path),
    )


def is_database(path: Path) -> bool:
    """Tell whether this is a file of DuckDB's, such as an archive.

    Raises:
        OSError: It cannot be read.
    """
    with path.open("rb") as file:
        head = file.read(20)  # a checksum, a magic word and a small number
    return head[8:12] == b"DUCK" and head[16:] == bytes(4)
