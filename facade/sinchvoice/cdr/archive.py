"""The archive: an embedded DuckDB file that has every record once, and accounts for every other.

    with cdr.Archive("calls.duckdb") as archive:
        report = archive.load("cdr/2026-11-*.csv.gz")
        print(report)
        print(archive.sql("SELECT result, count(*) FROM records GROUP BY ALL").rows)

It needs the extra: `pip install 'sinchvoice[cdr]'`.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from datetime import date, datetime
from functools import partial
from pathlib import Path
from typing import Literal

import attrs

from ..errors import CdrError, InvalidRequest
from . import deduplication, erasing, exporting, layouts, resolving
from .batches import Loader, update_file_counts
from .erasing import EraseReport
from .exporting import MANIFEST
from .fast_path import literal
from .layouts import Layout, LayoutName
from .load_reports import FileReport, LoadProgress, LoadReport, RemoveReport
from .opening import ArchiveFile, put_new
from .queries import Database, import_duckdb, interruptible, reason
from .sources import ByteStream, LeftOut, Source, streams
from .workspace import Workspace

__all__ = [
    "Archive",
    "ArchivedReject",
    "DayCompleteness",
    "FileReport",
    "LoadProgress",
    "LoadReport",
]

_MEMORY = "400MB"
"""For DuckDB while it can load, unless something else is asked for."""


@attrs.frozen(kw_only=True)
class ArchivedReject:
    """A reject as the archive keeps it; see `Reject` for what it has in common.

    Attributes:
        reject_id: its number in the archive.
        file_id: of its file, in the table `files`.
        file: the name of that.
        header: the names of the columns, as a row that can be put before the raw text.
        call_id: the call that its raw text names; None if it cannot be told.
        resolved_by: file_id of the file that has this call's record, or, since, another reject of
            it; None if there is none.
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
    """What the archive has of one UTC day and layout, or several days that are missing.

    Attributes:
        day: on which the calls were made, in UTC; of a gap, the first that is missing. None for
            rejects in files none of whose records could be read: the days of these are not known.
        layout: of the records.
        files: that have records of this day, or only rejects and others of the day.
        records: of this day; 0 is a gap, as there are records of days before and after it.
        first_call: when the first was made, in UTC.
        last_call: when the last was made, in UTC.
        late: records that came in a file of a later day. The day of a file is the one that most of
            its records have.
        rejects: unresolved ones in files of this day.
        last_day: of a gap, the last that is missing; otherwise the day.
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
        """Whether days are missing between others."""
        return self.day is not None and self.records == 0

    @property
    def is_implausible(self) -> bool:
        """Whether the day is before the year 2000 or after 2099, as empty dates and slips are.

        Between such a day and another one no day is missing.
        """
        return self.day is not None and not 2000 <= self.day.year < 2100


class Archive(Database):
    """Call detail records in a DuckDB file: each once, and every other one accounted for.

    One process at a time has it open to load; with `read_only`, several can ask it together. One
    thread at a time uses it.

    Args:
        path: Of the file; it is made if it is not there, for its owner alone.
        read_only: True to ask it only.
        wait: Seconds to wait for another process that has it open.
        memory_limit: Of DuckDB, such as `512MB`; None for 400 MB, and with `read_only` for four
            fifths of what the machine has.
        threads: Of DuckDB; None for one per core.

    Attributes:
        path: Of the file.

    Raises:
        ArchiveInUse: Another process has the file open; a CdrError.
        CdrError: It is not an archive, is damaged, or cannot be written.
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
    ) -> None:
        self.path = Path(path).absolute()
        super().__init__(str(self.path))
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
        )
        self._connection = self._file.connection

    def __repr__(self) -> str:
        return f"Archive({str(self.path)!r})"

    def close(self) -> None:
        """Let others use the file; nothing can be asked any more.

        If the file was made for a first load, and nothing was loaded, it is removed.

        Raises:
            CdrError: What was loaded last cannot be written into the archive itself. Nothing is
                lost: it is in the file beside it, and the next opening finds it there.
        """
        if not self._closed:
            self._closed = True
            self._keep_kpis()
            self._file.close(remove=self._file.is_new and self._tried and self._is_empty())

    def _is_empty(self) -> bool:
        with suppress(self._duckdb.Error):
            return not self._one("SELECT count(*) FROM files")
        return False

    # --- loading ---

    def load(
        self,
        *sources: Source,
        layout: LayoutName | Layout | None = None,
        progress: Callable[[LoadProgress], object] | None = None,
        failed: Literal["collect"] | Callable[[CdrError], object] | None = None,
        recursive: bool = False,
    ) -> LoadReport:
        """Load files, some of them in each transaction, and each as a whole or not at all.

        A file with bytes that were loaded before is skipped. A record whose layout and call id are
        known is a duplicate if it says the same, or else a conflict, which is kept aside: what is
        in `records` is not changed. There is one exception: a record that stood on the last line of
        its file, without a line end, may have been cut short. The first later record that is the
        same up to there, and goes on, takes its place. Rejects are resolved once a record of their
        call is there. Of a call that is rejected again, only the new reject is open.

        Args:
            sources: As in `cdr.read`.
            layout: Of the records before the first header row; needed if there is none.
            progress: Is called as the work goes on; it may not use the archive. What it raises ends
                the loading. A file is kept from the end of its transaction on, which `done` tells.
            failed: What becomes of the error of a file that cannot be loaded, while the loading
                goes on: a function that is called with it, or `collect` for `failures` of the
                report. None to raise it, after the files before it were loaded.
            recursive: Whether folders in folders are read as well.

        Raises:
            CdrError: A file cannot be read, is refused or changed meanwhile, or its bytes are here
                as records of another layout; nothing of it is in the archive, while the files
                before it are.
            InvalidRequest: There is no such layout.
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
        """As `load`, and tell of each file when its transaction has ended.

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
            # An error would keep the file open.
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
                "the archive is open with read_only=True: open it without, to change it"
            )

    # --- upkeep ---

    def remove(self, file: int | str | os.PathLike[str]) -> RemoveReport:
        """Take out a file that was loaded by mistake, as if it had never come.

        What it had made duplicates and conflicts is what it would be without it: another record of
        a call takes the place of its own. Rejects that it had resolved are open again.

        Args:
            file: Its name as loaded, the SHA-256 of its bytes, or its number in the table `files`.

        Raises:
            CdrError: It cannot be taken out.
            InvalidRequest: There is no such file, or several.
        """
        self._check_writable()
        with self._changing("removed"), self._transaction("removed", str(file)):
            file_id, name, records = self._find_file(file)
            self._check_duplicates_known()
            loaded = self._one("SELECT loaded FROM files WHERE file_id = ?", file_id)
            changed = deduplication.remove_file(self._rows, file_id)
            self._do("DELETE FROM files WHERE file_id = ?", file_id)
            update_file_counts(self._rows, changed)
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
            problem = f"is file {numbers}: give one of the numbers" if found else "is not loaded"
            raise InvalidRequest(f"{given!r} {problem}; the table files has all of them")
        file_id, name, records = found[0]
        return file_id, name, records

    def _check_duplicates_known(self) -> None:
        """Refuse to remove from an archive that was made when duplicates were only counted."""
        counted = "SELECT coalesce(sum(duplicates), 0) FROM files"
        if self._one("SELECT count(*) FROM kept.duplicates") != self._one(counted):
            raise CdrError(
                "an earlier version loaded duplicates into this archive, and kept no note of "
                "which: load all files but this one into a new archive",
                str(self.path),
            )

    def erase(
        self,
        *,
        before: date | None = None,
        numbers: Sequence[str] = (),
        users: Sequence[str] = (),
    ) -> EraseReport:
        """Erase calls for good: their records, conflicts and rejects.

        They stay erased when their files are loaded again. What is left of a call is a hash of its
        id. The archive is written anew, so that its file has nothing of them, which needs room for
        two more beside it. Exports, backups and the files that were loaded are not touched.

        Args:
            before: Calls made on an earlier day, in UTC. Such calls are not loaded any more.
            numbers: Calls from or to these phone numbers, however they are written.
            users: Calls from or to these app users.

        Raises:
            CdrError: It cannot be done; nothing was erased.
            InvalidRequest: Nothing is given.
        """
        self._check_writable()
        for name, texts in (("numbers", numbers), ("users", users)):
            if isinstance(texts, str) or not all(texts):
                raise InvalidRequest(f"{name} is {texts!r}: give a list of texts")
        if before is None and not numbers and not users:
            raise InvalidRequest("nothing is given to erase: give before, numbers or users")
        if isinstance(before, datetime):
            raise InvalidRequest(f"before is {before!r}: give a day")
        with self._changing("erased"), self._folder("erase") as folder:
            # In a copy, and that once more into another: nothing is left in the room between rows.
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
        """Write the archive anew, without the room that was left by what is gone.

        It needs room for another one beside it.

        Raises:
            CdrError: It cannot be written; it is as it was.
        """
        self._check_writable()
        with self._changing("compacted"), self._folder("compact") as folder:
            with self._copy(self._name(), "whole_copy", folder / "archive"):
                pass
            self._replace(folder / "archive")

    def backup(self, path: str | os.PathLike[str]) -> Path:
        """Copy the archive, as it is at this moment, to another one for its owner alone.

        Args:
            path: Of the copy; nothing may be there.

        Raises:
            CdrError: It is there, or cannot be written.
        """
        target = Path(path).absolute()
        with self._changing("copied"), self._folder("backup") as folder:
            if os.path.lexists(target):
                raise CdrError("this is there already: give a new name", str(target))
            with self._copy(self._name(), "whole_copy", folder / "archive"):
                pass
            with Workspace(target, "backup") as near:
                shutil.move(folder / "archive", near.path / "archive")
                (near.path / "archive").chmod(0o600)
                put_new(near.path / "archive", target)
        return target

    def _name(self) -> str:
        """The name of the database in SQL, which is of the file's."""
        return '"{}"'.format(str(self._one("SELECT current_database()")).replace('"', '""'))

    @contextmanager
    def _copy(self, database: str, name: str, path: Path) -> Iterator[None]:
        """Copy a database to a new file in the workspace; it can be used by its name meanwhile."""
        self._do(f"ATTACH {literal(path)} AS {name} (READ_WRITE)")
        try:
            self._do(f"COPY FROM DATABASE {database} TO {name}")
            yield
            self._do(f"CHECKPOINT {name}")
        finally:
            with suppress(self._duckdb.Error):  # what went wrong before says why
                self._do(f"DETACH {name}")

    @contextmanager
    def _folder(self, name: str) -> Iterator[Path]:
        """A folder in the workspace for a while."""
        folder = self._file.workspace.folder(name)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _replace(self, new: Path) -> None:
        """Go on with another database in the place of this one."""
        self._keep_kpis()
        self._file.replace(new)
        self._connection = self._file.connection

    @contextmanager
    def _changing(self, done: str) -> Iterator[None]:
        """While the archive is changed or copied: what goes wrong is a CdrError."""
        try:
            yield
        except (OSError, self._duckdb.Error) as error:
            raise CdrError(f"nothing was {done}: {reason(error)}", str(self.path)) from error

    # --- questions ---

    def rejects(self, *, resolved: bool = False) -> list[ArchivedReject]:
        """Records that could not be read, in the order in which they came.

        Args:
            resolved: True for those too whose call is in `records` by now.
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
        """What there is of each UTC day and layout, and which days between others are missing.

        Days in a row that are missing are one gap.
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

    def to_parquet(self, folder: str | os.PathLike[str]) -> list[Path]:
        """Write `records` as Parquet files, a folder `day=…` for each UTC day.

        All of it is written aside and then renamed: at any time there is all of the old or all of
        the new export, or, for a moment, none. A manifest says what was written, so that another
        export can replace that, and nothing else. Only the owner can read the files.

        Args:
            folder: Where to. A folder that is there has to be empty, or an export that nobody
                changed since.

        Returns:
            The files, by name.

        Raises:
            CdrError: The folder has anything else, or cannot be written.
            InvalidRequest: It is a URL.
        """
        if "://" in str(folder):
            raise InvalidRequest(f"folder is {str(folder)!r}: give a local one, and copy that")
        target = Path(os.path.realpath(folder))
        try:
            exporting.recover(target)
            exporting.check_replaceable(target)
            aside = self._file.workspace.folder("export")
            try:
                with closing(self._connection.cursor()) as cursor:
                    cursor.execute("BEGIN TRANSACTION READ ONLY")  # all days of the same moment
                    exporting.write(
                        lambda query: interruptible(
                            cursor, lambda: cursor.execute(query).fetchall()
                        ),
                        aside,
                    )
                exporting.put_in_place(aside, target)
            finally:
                shutil.rmtree(aside, ignore_errors=True)
        except (OSError, self._duckdb.Error) as error:
            raise CdrError(f"cannot be written: {reason(error)}", str(target)) from error
        return [path for path in sorted(target.rglob("*.parquet")) if path.name != MANIFEST]

    # --- transactions ---

    @contextmanager
    def _transaction(self, done: str, name: str = "") -> Iterator[None]:
        """All of it or nothing; `done` is what nothing is if it fails."""
        self._do("BEGIN TRANSACTION")
        try:
            yield
            self._file.keep_wal_private()
            try:
                self._do("COMMIT")
            except self._duckdb.Error as error:
                raise CdrError(f"nothing was {done}: {reason(error)}", name) from error
        except BaseException:
            with suppress(self._duckdb.Error):  # it may be undone already
                self._do("ROLLBACK")
            raise


def _opened(
    sources: Sequence[Source],
    failed: Callable[[CdrError], object] | None,
    *,
    recursive: bool,
    leave_out: Callable[[LeftOut], object],
) -> Generator[ByteStream, None, None]:
    """The files of all sources; a source that has none ends it, or is told."""
    for source in sources:
        try:
            with closing(streams(source, recursive=recursive, leave_out=leave_out)) as opened:
                yield from opened
        except CdrError as error:
            if failed is None:
                raise
            failed(error)
