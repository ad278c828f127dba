"""The archive: an embedded DuckDB file with one record of each call and an account of all others.

    with cdr.Archive("calls.duckdb") as archive:
        report = archive.load("cdr/2026-11-*.csv.gz")
        print(report)
        print(archive.sql("SELECT result, count(*) FROM records GROUP BY ALL").rows)

An archive needs the extra: `pip install 'sinchvoice[cdr]'`.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from datetime import date, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

import attrs

from ..errors import CdrError, InvalidRequest, Remedy
from . import (
    deduplication,
    delta,
    erasing,
    exporting,
    known,
    lake,
    layouts,
    masking,
    resolving,
    stores,
)
from .batches import Loader, update_file_counts
from .erasing import EraseReport
from .fast_path import COLUMNS, literal
from .lake import LakeReport
from .layouts import Layout, LayoutName
from .load_reports import FileReport, LoadProgress, LoadReport, RemoveReport
from .masked_copy import MaskedCopy
from .masked_views import masked_views
from .masking import Mask
from .opening import ArchiveFile, put_new
from .queries import Database, import_duckdb, interruptible, reason
from .sources import ByteStream, LeftOut, Source, is_url, streams, without_secrets
from .tables import REJECT_COLUMNS
from .workspace import Workspace

if TYPE_CHECKING:
    import duckdb

__all__ = [
    "Archive",
    "ArchivedReject",
    "DayCompleteness",
    "FileReport",
    "LoadProgress",
    "LoadReport",
]

_MEMORY = "400MB"
"""Default memory limit of DuckDB unless read-only."""
_MASKED = {
    "records": ("archive.kept.records", tuple(COLUMNS)),
    "conflicts": ("archive.kept.conflicts", tuple(COLUMNS)),
    "rejects": ("archive.kept.rejects", REJECT_COLUMNS),
    "files": ("archive.main.files", ("*",)),
    "erasures": ("archive.main.erasures", ("*",)),
}
"""Tables for queries, with the tables and columns that they are made of."""


@attrs.frozen(kw_only=True)
class ArchivedReject:
    """A reject in the archive; see `Reject` for the other attributes.

    Attributes:
        reject_id: Number of the reject in the archive.
        file_id: Number of its file in the table `files`.
        file: Name of this file.
        header: Column names, as a header row for the raw text.
        call_id: Call id in the raw text; None if it cannot be determined.
        resolved_by: file_id of the file with this call's record, or with a later reject of the
            call; None if unresolved.
    """

    reject_id: int
    file_id: int
    file: str
    line: int
    offset: int
    record: int
    layout: LayoutName
    column: str | None
    value: str | None = attrs.field(repr=False)
    cause: str
    message: str
    raw: bytes = attrs.field(repr=False)
    size: int
    header: str = attrs.field(repr=False)
    call_id: str | None
    resolved_by: int | None


@attrs.frozen(kw_only=True)
class DayCompleteness:
    """The content of the archive for one UTC day and layout, or a gap of missing days.

    Attributes:
        day: UTC day of the calls; for a gap, the first missing day. None for rejects in files
            without a readable record, whose days are unknown.
        layout: Layout of the records.
        files: Files with records of this day; if it has none, files of this day with rejects.
        records: Records of this day; 0 in a gap between days with records.
        first_call: Time of the first call, in UTC.
        last_call: Time of the last call, in UTC.
        late: Records loaded with a file of a later day. The day of a file is the day of most of
            its records.
        rejects: Unresolved rejects in files of this day.
        last_day: For a gap, the last missing day; otherwise the day.
    """

    day: date | None
    layout: LayoutName
    files: int
    records: int
    first_call: datetime | None
    last_call: datetime | None
    late: int
    rejects: int
    last_day: date | None

    @property
    def is_gap(self) -> bool:
        """Whether these are missing days between others."""
        return self.day is not None and self.records == 0

    @property
    def is_implausible(self) -> bool:
        """Whether the day is before 2000 or after 2099, as default dates and typing errors are.

        Days between such a day and another one do not count as missing.
        """
        return self.day is not None and not 2000 <= self.day.year < 2100


class Archive(Database):
    """Call detail records in a DuckDB file: one record of each call, all others accounted for.

    Only one process can have the archive open for loading; with `read_only`, several can query it
    at the same time. Use an archive from one thread at a time.

    Args:
        path: Path of the file; a missing file is created, readable by its owner alone.
        read_only: True to query only.
        wait: Seconds to wait for another process to close the archive.
        memory_limit: Memory limit of DuckDB, such as `512MB`; None for 400 MB, with `read_only` for
            four fifths of the machine's memory.
        threads: Threads of DuckDB; None for one per core.
        mask: Masking of numbers and users in all results and exports: a `Masking`, or `shorten` or
            `hash`. Needs `read_only`. None for none.

    Attributes:
        path: Absolute path of the file.

    Raises:
        InvalidRequest: `mask` is not a masking, or the archive is not opened with `read_only`.
        ArchiveInUse: Another process has the file open; a CdrError.
        CdrError: The file is not an archive, is damaged, or cannot be written.
        ImportError: The extra is not installed.
    """

    _tables = ("records", "conflicts", "rejects", "files", "erasures")

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        read_only: bool = False,
        wait: float = 0.0,
        memory_limit: str | None = None,
        threads: int | None = None,
        mask: Mask | None = None,
    ) -> None:
        self.path = Path(path).absolute()
        super().__init__(str(self.path))
        self._masking = masking.find(mask)
        self._mask_method = None if self._masking is None else self._masking.method
        if self._masking is not None and not read_only:
            raise InvalidRequest(
                "mask needs an archive that is open to query only: add read_only=True",
                parameter="mask",
            )
        self._limits = memory_limit, threads
        self._duckdb = import_duckdb()
        self._read_only = read_only
        self._tried = False
        self._closed = False
        self._file = ArchiveFile(
            self.path,
            read_only=read_only,
            wait=wait,
            memory_limit=memory_limit or (None if read_only else _MEMORY),
            threads=threads,
            attached=self._masking is not None,
        )
        self._connection = self._file.connection
        if self._masking is not None:
            self._connection.execute(masked_views(self._masking, _MASKED))

    def __repr__(self) -> str:
        return f"Archive({str(self.path)!r})"

    def close(self) -> None:
        """Close the archive, so that other processes can open it.

        A file created for a first load is removed if nothing was loaded.

        Raises:
            CdrError: The latest records cannot be moved into the archive file. Nothing is lost:
                they are in the write-ahead log beside it, and the next opening finds them there.
        """
        if not self._closed:
            self._closed = True
            self._keep_kpis()
            if self._masked_copy is not None:
                self._masked_copy.close()
            self._file.close(remove=self._file.is_new and self._tried and self._is_empty())

    def _is_empty(self) -> bool:
        with suppress(self._duckdb.Error):
            return not self._one("SELECT count(*) FROM files")
        return False

    def _new_masked_copy(self) -> MaskedCopy:
        folder = self._file.workspace.folder("masked")
        return MaskedCopy(self._connection, self._tables, folder, *self._limits)

    # --- Loading ---------------------------------------------------------------------------------

    def load(
        self,
        *sources: Source,
        layout: LayoutName | Layout | None = None,
        progress: Callable[[LoadProgress], object] | None = None,
        failed: Literal["collect"] | Callable[[CdrError], object] | None = None,
        recursive: bool = False,
    ) -> LoadReport:
        """Load files, several in each transaction, and each as a whole or not at all.

        A file whose bytes were loaded before is skipped. A record with a known layout and call id
        is a duplicate if its content is the same; otherwise it is a conflict and goes to
        `conflicts`, and `records` stays unchanged. The exception is a record on the last line of a
        file without a line end, which may have been cut short: the first later record that begins
        with it and continues it replaces it. A reject is resolved when a record of its call is
        loaded. If a call is rejected again, only the latest reject stays open.

        Args:
            sources: As in `cdr.read`.
            layout: Layout of records before the first header row; required if there is none.
            progress: Called during loading; it must not use the archive. An exception that it
                raises stops the loading. A file is stored when its transaction ends, which `done`
                reports.
            failed: Handling of a file that cannot be loaded, so that loading continues: a function
                that receives the error, or `collect` to put it into `failures` of the report. None
                to raise the error after the earlier files are loaded.
            recursive: Whether subfolders are read.

        Raises:
            CdrError: A file cannot be read, is refused, changed meanwhile, or was loaded before
                under another layout. Nothing of it is in the archive; earlier files are.
            InvalidRequest: The layout does not exist.
        """
        begin = time.monotonic()
        left_out: list[LeftOut] = []
        failures: list[CdrError] = []
        details = tuple(
            self.load_each(
                *sources,
                layout=layout,
                progress=progress,
                failed=failures.append if failed == "collect" else failed,
                recursive=recursive,
                leave_out=left_out.append,
            )
        )
        seconds = time.monotonic() - begin
        return LoadReport(details, seconds, tuple(left_out), tuple(failures))

    def load_each(
        self,
        *sources: Source,
        layout: LayoutName | Layout | None = None,
        progress: Callable[[LoadProgress], object] | None = None,
        failed: Callable[[CdrError], object] | None = None,
        recursive: bool = False,
        leave_out: Callable[[LeftOut], object] | None = None,
    ) -> Iterator[FileReport]:
        """Load files as `load` does and yield the report of each after its transaction.

        `leave_out` is called with each file that is not read.
        """
        self._check_writable()
        known = None if layout is None else layouts.find(layout)
        loader = Loader(
            self._connection,
            self._rows,
            partial(self._transaction, "loaded"),
            self._file.workspace,
            known,
            progress,
        )
        self._tried = True
        try:
            # Otherwise the traceback of an error would keep the source open.
            opened = _opened(
                sources, failed, recursive=recursive, leave_out=leave_out or (lambda _: None)
            )
            with closing(opened):
                yield from loader.load(opened, failed)
        finally:
            loader.close()

    def _check_writable(self) -> None:
        if self._read_only:
            raise InvalidRequest(
                "the archive is open with read_only=True: open it without read_only to change it"
            )

    # --- Maintenance -----------------------------------------------------------------------------

    def remove(self, file: int | str | os.PathLike[str]) -> RemoveReport:
        """Remove a file loaded by mistake, as if it had never been loaded.

        Duplicates and conflicts are determined without it: other records of the same calls replace
        its records. Rejects that it resolved are open again.

        Args:
            file: Name as loaded, SHA-256 of its bytes, or number in the table `files`.

        Raises:
            CdrError: The file cannot be removed.
            InvalidRequest: No file or several files match.
        """
        self._check_writable()
        with self._changing("removed"), self._transaction("removed", str(file)):
            file_id, name, records = self._find_file(file)
            self._check_duplicates_known()
            loaded = self._one("SELECT loaded FROM files WHERE file_id = ?", file_id)
            changed = deduplication.remove_file(self._rows, file_id)
            self._do("DELETE FROM files WHERE file_id = ?", file_id)
            update_file_counts(self._rows, changed)
            known.trim(self._rows)
            reopened = resolving.reopen(self._rows, file_id)
        restored = sum(changes["records"] for changes in changed.by_file.values())
        return RemoveReport(
            name=name, records=records, loaded=loaded, restored=restored, reopened=reopened
        )

    def _find_file(self, file: int | str | os.PathLike[str]) -> tuple[int, str, int]:
        given = file if isinstance(file, int) else os.fspath(file)
        column = "file_id" if isinstance(file, int) else "name"
        query = "SELECT file_id, name, records FROM files WHERE {} = ?"
        found = self._rows(query.format(column), given)
        if not found and not isinstance(file, int):
            found = self._rows(query.format("sha256"), given)
        if len(found) != 1:
            numbers = ", ".join(str(each[0]) for each in found)
            problem = f"matches files {numbers}: give one number" if found else "is not loaded"
            raise InvalidRequest(f"{given!r} {problem}; the table files lists all files")
        file_id, name, records = found[0]
        return file_id, name, records

    def _check_duplicates_known(self) -> None:
        """Refuse to remove from an archive of a version that only counted duplicates."""
        counted = "SELECT coalesce(sum(duplicates), 0) FROM files"
        if self._one("SELECT count(*) FROM kept.duplicates") != self._one(counted):
            raise CdrError(
                "an earlier version loaded duplicates into this archive without recording which: "
                "load all files but this one into a new archive",
                str(self.path),
            )

    def erase(
        self,
        *,
        before: date | None = None,
        numbers: Sequence[str] = (),
        users: Sequence[str] = (),
    ) -> EraseReport:
        """Erase calls permanently: their records, conflicts and rejects.

        They stay erased when their files are loaded again. Only a hash of each call id remains.
        The archive file is rewritten so that it contains nothing else of them, which needs disk
        space for two copies. Exports, backups and the loaded files are not changed.

        Args:
            before: Calls made before this day, in UTC. Such calls are no longer loaded.
            numbers: Calls from or to these phone numbers, in any notation.
            users: Calls from or to these app users.

        Raises:
            CdrError: The calls cannot be erased; nothing was changed.
            InvalidRequest: No condition is given.
        """
        self._check_writable()
        for name, texts in (("numbers", numbers), ("users", users)):
            if isinstance(texts, str) or not all(texts):
                raise InvalidRequest(f"{name} is {texts!r}: give a list of non-empty strings")
        if before is None and not numbers and not users:
            raise InvalidRequest("no calls to erase are given: give before, numbers or users")
        if isinstance(before, datetime):
            raise InvalidRequest(f"before is {before!r}: give a day")
        with self._changing("erased"), self._folder("erase") as folder:
            # Erase in a copy and copy that again, so that no free block keeps erased data.
            own = self._name()
            with self._copy(own, "erased_copy", folder / "erased"):
                self._do("USE erased_copy")
                try:
                    with self._transaction("erased"):
                        report, changed = erasing.erase(self._rows, before, numbers, users)
                        update_file_counts(self._rows, changed)
                finally:
                    self._do(f"USE {own}")
                with self._copy("erased_copy", "whole_copy", folder / "archive"):
                    pass
            self._replace(folder / "archive")
        return report

    def compact(self) -> None:
        """Rewrite the archive without the free space that deleted rows left.

        This needs disk space for one copy.

        Raises:
            CdrError: The copy cannot be written; the archive is unchanged.
        """
        self._check_writable()
        with self._changing("compacted"), self._folder("compact") as folder:
            with self._copy(self._name(), "whole_copy", folder / "archive"):
                pass
            self._replace(folder / "archive")

    def backup(self, path: str | os.PathLike[str]) -> Path:
        """Copy the current state of the archive to a new file, readable by its owner alone.

        Args:
            path: Path of the copy; it must not exist.

        Raises:
            CdrError: The path exists or cannot be written.
            InvalidRequest: The archive is open with `mask`, which a copy would not have.
        """
        if self._masking is not None:
            raise InvalidRequest(
                "the archive is open with mask, which a copy would not have: open it without mask "
                "to copy it"
            )
        target = Path(path).absolute()
        with self._changing("copied"), self._folder("backup") as folder:
            if os.path.lexists(target):
                raise CdrError("this already exists: give a new name", str(target))
            with self._copy(self._name(), "whole_copy", folder / "archive"):
                pass
            with Workspace(target, "backup") as near:
                shutil.move(folder / "archive", near.path / "archive")
                (near.path / "archive").chmod(0o600)
                put_new(near.path / "archive", target)
        return target

    def _name(self) -> str:
        """Return the quoted name of the database, which DuckDB derives from the file name."""
        return '"{}"'.format(str(self._one("SELECT current_database()")).replace('"', '""'))

    @contextmanager
    def _copy(self, database: str, name: str, path: Path) -> Iterator[None]:
        """Copy a database to a new file in the workspace and keep it attached meanwhile."""
        self._do(f"ATTACH {literal(path)} AS {name} (READ_WRITE)")
        try:
            self._do(f"COPY FROM DATABASE {database} TO {name}")
            yield
            self._do(f"CHECKPOINT {name}")
        finally:
            with suppress(self._duckdb.Error):  # the earlier error tells the cause
                self._do(f"DETACH {name}")

    @contextmanager
    def _folder(self, name: str) -> Iterator[Path]:
        """Make a temporary folder in the workspace."""
        folder = self._file.workspace.folder(name)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _replace(self, new: Path) -> None:
        """Replace the database file and reconnect."""
        self._keep_kpis()
        self._file.replace(new)
        self._connection = self._file.connection

    @contextmanager
    def _changing(self, done: str) -> Iterator[None]:
        """Turn errors during a change or copy of the archive into a CdrError."""
        try:
            yield
        except (OSError, self._duckdb.Error) as error:
            raise CdrError(f"nothing was {done}: {reason(error)}", str(self.path)) from error

    # --- Queries ---------------------------------------------------------------------------------

    def rejects(self, *, resolved: bool = False) -> list[ArchivedReject]:
        """Return the rejects in the order of arrival.

        Args:
            resolved: True to include resolved rejects.
        """
        rows = self._ask(
            'SELECT reject_id, r.file_id, name, line, "offset", record, r.layout, column_name, '
            "value, cause, message, raw, r.size, header, call_id, resolved_by "
            "FROM rejects AS r JOIN files AS f ON f.file_id = r.file_id "
            "WHERE ? OR resolved_by IS NULL ORDER BY reject_id",
            resolved,
        )
        names = [field.name for field in attrs.fields(ArchivedReject)]
        return [ArchivedReject(**dict(zip(names, row, strict=True))) for row in rows]

    def completeness(self) -> list[DayCompleteness]:
        """Return the content of each UTC day and layout, and the missing days between others.

        Consecutive missing days are one gap.
        """
        rows = self._ask(
            """
            WITH days AS (
                SELECT CAST(call_time AS DATE) AS day, r.layout, count(DISTINCT r.file_id) AS files,
                    count(*) AS records, min(call_time) AS first_call, max(call_time) AS last_call,
                    count(*) FILTER (CAST(call_time AS DATE) < f.day) AS late
                FROM records AS r JOIN files AS f ON f.file_id = r.file_id GROUP BY 1, 2
            ),
            bad AS (
                SELECT f.day, r.layout, count(*) AS rejects, count(DISTINCT r.file_id) AS files
                FROM rejects AS r JOIN files AS f ON f.file_id = r.file_id
                WHERE resolved_by IS NULL GROUP BY 1, 2
            ),
            known AS (SELECT day, layout FROM days UNION SELECT day, layout FROM bad),
            plausible AS (
                SELECT day, layout, lead(day) OVER (PARTITION BY layout ORDER BY day) AS next_day
                FROM known WHERE year(day) BETWEEN 2000 AND 2099
            ),
            every AS (
                SELECT day, layout, day AS last_day FROM known
                UNION ALL
                SELECT day + 1, layout, next_day - 1 FROM plausible WHERE next_day > day + 1
            )
            SELECT e.day, e.layout, coalesce(d.files, b.files, 0), coalesce(records, 0), first_call,
                last_call, coalesce(late, 0), coalesce(rejects, 0), last_day
            FROM every AS e
            LEFT JOIN days AS d ON d.day = e.day AND d.layout = e.layout
            LEFT JOIN bad AS b ON b.day IS NOT DISTINCT FROM e.day AND b.layout = e.layout
            ORDER BY e.day NULLS LAST, e.layout
            """
        )
        names = [field.name for field in attrs.fields(DayCompleteness)]
        return [DayCompleteness(**dict(zip(names, row, strict=True))) for row in rows]

    def _unfinished(self, first: date, last: date) -> list[str]:
        notes = []
        newest, open_rejects = self._ask(
            """
            SELECT max(day), (
                SELECT count(*) FROM rejects AS r JOIN files AS f ON f.file_id = r.file_id
                WHERE resolved_by IS NULL AND f.day BETWEEN ? AND ?
            ) FROM files
            """,
            first,
            last,
        )[0]
        if newest is not None and newest <= last:
            notes.append(
                f"late records may be missing: no file of a day after {newest} (UTC) is loaded"
            )
        if open_rejects:
            plural = "s" * (open_rejects > 1)
            notes.append(
                f"{open_rejects} unreadable record{plural} in files of {first}..{last} (UTC)"
            )
        return notes

    @overload
    def to_parquet(
        self, folder: str | os.PathLike[str], *, incremental: Literal[False] = False
    ) -> list[Path]: ...
    @overload
    def to_parquet(
        self, folder: str | os.PathLike[str], *, incremental: Literal[True]
    ) -> LakeReport: ...
    def to_parquet(
        self, folder: str | os.PathLike[str], *, incremental: bool = False
    ) -> list[Path] | LakeReport:
        """Write `records` as Parquet files, a folder `day=…` for each UTC day.

        The export is written to a temporary folder and then renamed, so the target holds the
        complete old or the complete new export or, for a moment, does not exist. A manifest lists
        the files, so that another export replaces these files and nothing else. Only the owner can
        read the files.

        An incremental export writes only the days that changed since the last one, and removes days
        without records. Each day is replaced in one step; a reader never finds half a day, nor a
        day twice. One export at a time writes to a folder, the others are refused. An interrupted
        export is completed by the next.

        Args:
            folder: Target folder. An existing folder must be empty or an unchanged export. For an
                incremental export, a URL of an object store too, such as `s3://bucket/lake`.
            incremental: Whether to write changed days only. The folder must then have been written
                from this archive, or from one that it is a copy of.

        Returns:
            The paths of the files, sorted; for an incremental export, the days written and removed.

        Raises:
            CdrError: The folder has other content, belongs to another archive, is being written by
                another export, or cannot be written.
            InvalidRequest: The folder is a URL of an unsupported store, or the export is not
                incremental.
        """
        if incremental:
            return self._update_lake(folder)
        if is_url(folder):
            raise InvalidRequest(
                f"folder is {without_secrets(str(folder))!r}",
                remedy=Remedy(
                    "give a local folder, or export with {incremental}",
                    incremental="incremental=True",
                ),
            )
        target = Path(os.path.realpath(folder))
        with self._exporting(str(target)):
            exporting.recover(target)
            exporting.check_replaceable(target)
            with self._snapshot() as (run, _), self._folder("export") as aside:
                exporting.write(run, aside, self._mask)
                exporting.put_in_place(aside, target)
        return [path for path in sorted(target.rglob("*.parquet")) if path.name[0] != "_"]

    @property
    def _mask(self) -> str:
        return "" if self._masking is None else self._masking.identity

    def _update_lake(self, folder: str | os.PathLike[str]) -> LakeReport:
        location = folder if is_url(folder) else os.fspath(folder)
        target = stores.place(location)
        with (
            self._exporting(target.shown),
            self._snapshot() as (run, _),
            self._folder("export") as aside,
        ):
            return lake.update(run, target, aside, self._mask)

    def to_delta(
        self,
        table: str | os.PathLike[str],
        *,
        storage_options: Mapping[str, str] | None = None,
    ) -> LakeReport:
        """Write `records` to a Delta Lake table, partitioned by `day`, the UTC day of the call.

        Only the days that changed since the last export are written, all in one commit; days
        without records are removed. The table has the columns of `records` and `day`. It needs the
        extra `delta`.

        Args:
            table: Path or URL of the table; a missing one is created. An existing one must have
                been written from this archive, or from one that it is a copy of.
            storage_options: Options of the store for `deltalake`; None for those of the
                environment.

        Returns:
            The days written and removed.

        Raises:
            CdrError: Another program changed the records in the table, or is writing to it; it
                belongs to another archive, or cannot be written.
            ImportError: The extra is not installed.
        """
        location = os.fspath(table)
        with self._exporting(without_secrets(location)), self._snapshot() as (run, cursor):
            return interruptible(
                cursor, lambda: delta.update(run, cursor.sql, location, storage_options, self._mask)
            )

    @contextmanager
    def _exporting(self, target: str) -> Iterator[None]:
        try:
            yield
        except (OSError, self._duckdb.Error) as error:
            raise CdrError(f"the export cannot be written: {reason(error)}", target) from error

    @contextmanager
    def _snapshot(self) -> Iterator[tuple[deduplication.Run, duckdb.DuckDBPyConnection]]:
        """Yield a function that runs SQL on one state of the archive, and its connection."""
        with closing(self._connection.cursor()) as cursor:
            cursor.execute("BEGIN TRANSACTION READ ONLY")

            def run(query: str, *parameters: object) -> list[tuple[Any, ...]]:
                given = list(parameters)
                return interruptible(cursor, lambda: cursor.execute(query, given).fetchall())

            yield run, cursor

    # --- Transactions ----------------------------------------------------------------------------

    @contextmanager
    def _transaction(self, done: str, name: str = "") -> Iterator[None]:
        """Run a transaction; `done` is the participle for the message if the commit fails."""
        self._do("BEGIN TRANSACTION")
        try:
            yield
            self._file.keep_wal_private()
            try:
                self._do("COMMIT")
            except self._duckdb.Error as error:
                raise CdrError(f"nothing was {done}: {reason(error)}", name) from error
        except BaseException:
            with suppress(self._duckdb.Error):  # it may be rolled back already
                self._do("ROLLBACK")
            raise


def _opened(
    sources: Sequence[Source],
    failed: Callable[[CdrError], object] | None,
    *,
    recursive: bool,
    leave_out: Callable[[LeftOut], object],
) -> Generator[ByteStream, None, None]:
    """Yield the files of all sources; a source without files raises, or is passed to `failed`."""
    for source in sources:
        try:
            with closing(streams(source, recursive=recursive, leave_out=leave_out)) as opened:
                yield from opened
        except CdrError as error:
            if failed is None:
                raise
            failed(error)
