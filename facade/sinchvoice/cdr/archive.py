"""The archive: an embedded DuckDB file that has every record once, and accounts for every other.

    with cdr.Archive("calls.duckdb") as archive:
        report = archive.load("cdr/2026-11-*.csv.gz")
        print(report)
        print(archive.sql("SELECT result, count(*) FROM records GROUP BY ALL").rows)

It needs the extra: `pip install 'sinchvoice[cdr]'`.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from datetime import date, datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Literal, Self

import attrs

from ..errors import CdrError, InvalidRequest
from . import layouts, loading
from .layouts import Layout, LayoutName
from .loading import Doubt, Found, ReadBy, Spooled
from .plain import COLUMNS, literal
from .queries import Database, import_duckdb, interruptible, lock, settings
from .sources import ByteStream, LeftOut, Source, streams

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

VERSION = 1
"""Of the tables."""

_COMPARED = [name for name in COLUMNS if name not in ("file_id", "record", "line")]
_RECORDS = ", ".join(f"{name} {kind}" for name, kind in COLUMNS.items())
_TABLES = f"""
CREATE TABLE sinchvoice_archive (version INTEGER);
INSERT INTO sinchvoice_archive VALUES ({VERSION});
CREATE TABLE files (
    file_id INTEGER, sha256 VARCHAR, layout VARCHAR, name VARCHAR, size BIGINT, layouts VARCHAR[],
    loaded_at TIMESTAMP, day DATE, read_by VARCHAR, records BIGINT, loaded BIGINT,
    duplicates BIGINT, conflicts BIGINT, rejected BIGINT
);
CREATE TABLE records ({_RECORDS});
CREATE TABLE conflicts ({_RECORDS});
CREATE TABLE rejects (
    reject_id BIGINT, file_id INTEGER, line BIGINT, "offset" BIGINT, record BIGINT, layout VARCHAR,
    column_name VARCHAR, value VARCHAR, cause VARCHAR, message VARCHAR, raw BLOB, size BIGINT,
    header VARCHAR, call_id VARCHAR, resolved_by INTEGER
);
"""  # noqa: S608 - constants of this module


@attrs.frozen(kw_only=True)
class FileReport:
    """What became of one file: `records == loaded + duplicates + conflicts + rejected`.

    Attributes:
        name: of the file; a member of an archive is `archive.zip!member`.
        sha256: of its bytes, unpacked.
        size: how many there are.
        records: in the file; 0 if it was skipped.
        loaded: that are in the table `records` now, and were not before.
        duplicates: that were known, with the same content.
        conflicts: with a call id that was known, and other content; they are in `conflicts`.
        rejected: that could not be read; they are in `rejects`.
        resolved: rejects of any file that are resolved now, as their call is in `records`.
        skipped: whether the same bytes had been loaded before, so that there was nothing to do.
        read_by: `fast` if DuckDB read it, `exact` if it was the exact reader, `mixed` if that read
            only the lines that were not plainly good.
        fallback: why the file was read a second time, exactly: what DuckDB had read did not add up,
            and was undone. None if there was nothing of that kind.
        seconds: that it took.
    """

    name: str
    sha256: str
    size: int
    records: int = 0
    loaded: int = 0
    duplicates: int = 0
    conflicts: int = 0
    rejected: int = 0
    resolved: int = 0
    skipped: bool = False
    read_by: ReadBy | None = None
    fallback: str | None = None
    seconds: float = 0.0


@attrs.frozen
class LoadReport:
    """What became of several files; the numbers are sums over those that were not skipped.

    Attributes:
        details: file by file.
        seconds: that all took.
        left_out: files in folders and archives, or found by globs, that are not read.
    """

    details: tuple[FileReport, ...]
    seconds: float
    left_out: tuple[LeftOut, ...] = ()

    @property
    def files(self) -> int:
        """Files that were looked at."""
        return len(self.details)

    @property
    def skipped(self) -> int:
        """Files whose bytes had been loaded before."""
        return sum(each.skipped for each in self.details)

    @property
    def records(self) -> int:
        """Records: always loaded + duplicates + conflicts + rejected."""
        return sum(each.records for each in self.details)

    @property
    def loaded(self) -> int:
        """Records that are new in the archive."""
        return sum(each.loaded for each in self.details)

    @property
    def duplicates(self) -> int:
        """Records that were known, with the same content."""
        return sum(each.duplicates for each in self.details)

    @property
    def conflicts(self) -> int:
        """Records with a known call id and other content."""
        return sum(each.conflicts for each in self.details)

    @property
    def rejected(self) -> int:
        """Records that could not be read."""
        return sum(each.rejected for each in self.details)

    @property
    def resolved(self) -> int:
        """Rejects whose call is in the archive now."""
        return sum(each.resolved for each in self.details)

    def __str__(self) -> str:
        notes = [f"{self.skipped} known already"] if self.skipped else []
        if self.left_out:
            notes.append(f"{len(self.left_out)} more left out")
        skipped = f" ({', '.join(notes)})" if notes else ""
        return (
            f"{self.files} files{skipped}: {self.records} records = {self.loaded} loaded "
            f"+ {self.duplicates} duplicates + {self.conflicts} conflicts "
            f"+ {self.rejected} rejected, in {self.seconds:.1f} s"
        )


@attrs.frozen
class LoadProgress:
    """How far loading is.

    Attributes:
        file: which one.
        stage: `reading` while its bytes are read, `checking` while DuckDB looks at each line,
            `sifting` while the exact reader reads what it has to, and `loading` while the records
            go to their table; then `done`. The stages in the middle are left out as the file needs.
        bytes: of this file that are behind in this stage, unpacked.
        size: how many there are; None if that is not known before the end.
    """

    file: str
    stage: Literal["reading", "checking", "sifting", "loading", "done"]
    bytes: int
    size: int | None


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

    One process at a time has it open, and one thread at a time uses it.

    Args:
        path: of the file; it is made if it is not there, for its owner alone.
        memory_limit: of DuckDB, such as `512MB`; None for four fifths of what the machine has.
        threads: of DuckDB; None for one per core.

    Raises:
        CdrError: the file is in use by another process, is no archive, or cannot be written.
        ImportError: the extra is not installed.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        memory_limit: str | None = None,
        threads: int | None = None,
    ) -> None:
        super().__init__()
        self._duckdb = import_duckdb()
        self.path = Path(path).absolute()
        if re.search(r"[?\udc80-\udcff]", str(self.path)):
            raise CdrError(
                "DuckDB takes no `?` in a path, and nothing that is no UTF-8: choose another",
                str(self.path),
            )
        _check_is_database(self.path)
        self._wal = self.path.with_name(self.path.name + ".wal")
        self._closed = False
        self._workspace = _workspace(self.path)
        try:
            self._connection = self._connect(memory_limit, threads)
        except BaseException:
            shutil.rmtree(self._workspace, ignore_errors=True)
            raise

    def __repr__(self) -> str:
        return f"Archive({str(self.path)!r})"

    def close(self) -> None:
        """Let others use the file; nothing can be asked any more."""
        if not self._closed:
            self._closed = True
            self._keep_kpis()
            self._private_wal()
            self._connection.close()
            if self._wal.exists() and not self._wal.stat().st_size:
                self._wal.unlink()
            shutil.rmtree(self._workspace, ignore_errors=True)

    # --- loading ---

    def load(
        self,
        *sources: Source,
        layout: LayoutName | Layout | None = None,
        progress: Callable[[LoadProgress], object] | None = None,
        recursive: bool = False,
    ) -> LoadReport:
        """Load files, each in a transaction of its own.

        A file with bytes that were loaded before is skipped. A record whose layout and call id are
        known is a duplicate if it says the same, or else a conflict, which is kept aside: what is
        in `records` is never changed. Rejects are resolved once a record of their call is there. Of
        a call that is rejected again, only the new reject is open.

        Args:
            sources: as in `cdr.read`.
            layout: of the records before the first header row; needed if there is none.
            progress: is called as the work goes on; it may not use the archive. What it raises
                ends the loading, and before `done` nothing of the file is kept.
            recursive: whether folders in folders are read as well.

        Raises:
            CdrError: a file cannot be read, is refused or changed meanwhile, or its bytes are here
                as records of another layout; nothing of it is in the archive, while the files
                before it are.
            InvalidRequest: there is no such layout.
        """
        begin = time.monotonic()
        left_out: list[LeftOut] = []
        details = tuple(
            self.load_each(
                *sources,
                layout=layout,
                progress=progress,
                recursive=recursive,
                leave_out=left_out.append,
            )
        )
        return LoadReport(details, time.monotonic() - begin, tuple(left_out))

    def load_each(
        self,
        *sources: Source,
        layout: LayoutName | Layout | None = None,
        progress: Callable[[LoadProgress], object] | None = None,
        recursive: bool = False,
        leave_out: Callable[[LeftOut], object] = lambda _: None,
    ) -> Iterator[FileReport]:
        """As `load`, file by file: each is loaded when it is asked for, and told at once.

        `leave_out` is called with each file that is not read.
        """
        known = None if layout is None else layouts.find(layout)
        # An error would keep the file open.
        chosen = streams(list(sources), recursive=recursive, leave_out=leave_out)
        with closing(chosen) as opened:
            for stream in opened:
                try:
                    report = self._load(stream, known, _Told(progress))
                except _ProgressFailed as failed:
                    raise failed.error from None
                yield report

    def _load(
        self,
        stream: ByteStream,
        layout: Layout | None,
        tell: _Told,
    ) -> FileReport:
        begin = time.monotonic()
        asked = None if layout is None else layout.name
        same = "SELECT count(*) FROM files WHERE sha256 = ? AND layout IS NOT DISTINCT FROM ?"

        def reading(size: int) -> None:
            tell(LoadProgress(stream.name, "reading", size, stream.size))

        def finding(stage: loading.Stage, size: int) -> None:
            tell(LoadProgress(stream.name, stage, size, spooled.size))

        try:
            with self._writing(stream.name):
                spooled = loading.spool(stream, self._workspace / "copy", reading)
                report = FileReport(name=stream.name, sha256=spooled.sha256, size=spooled.size)
                if self._one(same, spooled.sha256, asked):
                    report = attrs.evolve(report, skipped=True)
                else:
                    with _Unchanged(stream, spooled.sha256) as original:
                        report = self._load_new(spooled, layout, finding, original, report)
        finally:
            with suppress(FileNotFoundError):  # it is gone once the archive is closed
                for each in self._workspace.iterdir():
                    if each.is_file():
                        each.unlink()
        tell(LoadProgress(stream.name, "done", spooled.size, spooled.size))
        return attrs.evolve(report, seconds=time.monotonic() - begin)

    def _load_new(
        self,
        spooled: Spooled,
        layout: Layout | None,
        progress: loading.Progress,
        original: _Unchanged,
        report: FileReport,
    ) -> FileReport:
        where = (spooled.name, spooled.path, layout, self._workspace, progress)
        try:
            found = loading.find(self._connection, *where)
            progress("loading", spooled.size)
            return self._insert(found, layout, original, report)
        except (self._duckdb.Error, Doubt) as error:
            report = attrs.evolve(report, fallback=str(error).partition("\n")[0])
        found = loading.find_exactly(*where)
        progress("loading", spooled.size)
        try:
            return self._insert(found, layout, original, report)
        except (self._duckdb.Error, Doubt) as error:
            raise CdrError(f"nothing was loaded: {error}", spooled.name) from error

    def _insert(
        self, found: Found, layout: Layout | None, original: _Unchanged, report: FileReport
    ) -> FileReport:
        """Load what is in a file, if every record of it is accounted for."""
        asked = None if layout is None else layout.name
        with self._transaction(report.name):
            file_id = self._next("file_id", "files")
            self._check_layouts(report, asked, found.layouts)
            for rows in found.rows:
                self._do(f"INSERT INTO records {rows.select(file_id)}")
            if found.rejects is not None:
                self._do(
                    "INSERT INTO rejects "  # noqa: S608
                    "SELECT row_number() OVER (ORDER BY record) + ?, ?, *, NULL "
                    f"FROM ({found.rejects})",
                    self._next("reject_id", "rejects") - 1,
                    file_id,
                )
            report = attrs.evolve(report, records=found.records, read_by=found.read_by)
            return self._settle(report, file_id, asked, found.layouts, original)

    def _settle(
        self,
        report: FileReport,
        file_id: int,
        asked: str | None,
        kinds: Sequence[str],
        original: _Unchanged,
    ) -> FileReport:
        """Take out what was known, and put the file on record, if every record is accounted for."""
        day = self._one(
            "SELECT mode(CAST(call_time AS DATE) ORDER BY call_time) FROM records "
            "WHERE file_id = ?",
            file_id,
        )
        came = self._one("SELECT count(*) FROM records WHERE file_id = ?", file_id)
        duplicates = self._take_out_known(file_id)
        count = "SELECT count(*) FROM {} WHERE file_id = ?"
        loaded, conflicts, rejected = (
            self._one(count.format(table), file_id) for table in ("records", "conflicts", "rejects")
        )
        report = attrs.evolve(
            report,
            loaded=loaded,
            duplicates=duplicates,
            conflicts=conflicts,
            rejected=rejected,
            resolved=self._resolve(file_id, report.sha256),
        )
        if (
            report.records != came + rejected
            or report.records != loaded + duplicates + conflicts + rejected
        ):
            raise Doubt(
                f"{report.records} records are not {loaded} loaded + {duplicates} duplicates "
                f"+ {conflicts} conflicts + {rejected} rejected, of {came} that came"
            )
        self._do(
            "INSERT INTO files "
            "VALUES (?, ?, ?, ?, ?, ?, CAST(now() AS TIMESTAMP), ?, ?, ?, ?, ?, ?, ?)",
            file_id,
            report.sha256,
            asked,
            report.name,
            report.size,
            list(kinds),
            day,
            report.read_by,
            report.records,
            loaded,
            duplicates,
            conflicts,
            rejected,
        )
        original.check()
        return report

    def _check_layouts(self, report: FileReport, asked: str | None, kinds: Sequence[str]) -> None:
        """Refuse bytes whose records are here already, but as those of another layout."""
        earlier = self._rows(
            "SELECT layouts FROM files WHERE sha256 = ? AND records > rejected", report.sha256
        )
        for (layouts_then,) in earlier:
            if sorted(layouts_then) != sorted(kinds):
                now = asked or ", ".join(kinds) or "no layout"
                raise CdrError(
                    f"the archive has the same bytes as {', '.join(layouts_then)}, and would have "
                    f"them twice as {now}: if that is right, load all files into a new archive",
                    report.name,
                )

    def _take_out_known(self, file_id: int) -> int:
        """Remove the file's rows whose call is known; conflicts are kept. Returns duplicates."""
        # Hashes find what may be known; whether it is, is decided by the texts.
        self._do(
            "CREATE OR REPLACE TEMP TABLE suspects AS "
            "SELECT h FROM (SELECT hash(layout, call_id) AS h FROM records WHERE file_id = $1) "
            "GROUP BY h HAVING count(*) > 1",
            file_id,
        )
        if self._one("SELECT count(*) FROM files"):
            self._do(
                "INSERT INTO suspects SELECT DISTINCT hash(layout, call_id) FROM records "
                "WHERE file_id <> $1 AND hash(layout, call_id) IN "
                "(SELECT hash(layout, call_id) FROM records WHERE file_id = $1)",
                file_id,
            )
        if not self._one("SELECT count(*) FROM suspects"):
            return 0
        columns = ", ".join(_COMPARED)
        wide = ", ".join(COLUMNS)
        suspected = "hash(layout, call_id) IN (FROM suspects)"
        self._do(
            f"""
            CREATE OR REPLACE TEMP TABLE known AS
            SELECT record, nth_content > 1 AS duplicate FROM (
                SELECT source, record,
                    row_number() OVER (PARTITION BY layout, call_id ORDER BY source, record)
                        AS nth_call,
                    row_number() OVER (PARTITION BY {columns} ORDER BY source, record)
                        AS nth_content
                FROM (
                    SELECT 0 AS source, {wide} FROM records WHERE file_id <> $1 AND {suspected}
                    UNION ALL
                    SELECT 1, {wide} FROM conflicts WHERE {suspected}
                    UNION ALL
                    SELECT 2, {wide} FROM records WHERE file_id = $1 AND {suspected}
                )
            ) WHERE source = 2 AND nth_call > 1
            """,  # noqa: S608
            file_id,
        )
        self._do(
            f"INSERT INTO conflicts SELECT {wide} FROM records WHERE file_id = $1 "  # noqa: S608
            "AND record IN (SELECT record FROM known WHERE NOT duplicate)",
            file_id,
        )
        self._do(
            "DELETE FROM records WHERE file_id = $1 AND record IN (SELECT record FROM known)",
            file_id,
        )
        duplicates: int = self._one("SELECT count(*) FROM known WHERE duplicate")
        return duplicates

    def _resolve(self, file_id: int, sha256: str) -> int:
        """Mark rejects whose call is in `records`: this file's, or any with this file's records.

        What was rejected before, and is in this file again, is also no longer open: the new reject
        is. So whoever corrects some rejects, and loads all, has only the others left.
        """
        is_open = "resolved_by IS NULL AND rejects.call_id IS NOT NULL"
        if not self._one("SELECT count(*) FROM rejects WHERE resolved_by IS NULL"):
            return 0
        self._do(
            "UPDATE rejects SET resolved_by = $1 WHERE resolved_by IS NULL AND file_id IN ("
            "SELECT file_id FROM files WHERE sha256 = $2)",
            file_id,
            sha256,
        )
        done: int = self._one(
            "UPDATE rejects SET resolved_by = found.file_id FROM records AS found "  # noqa: S608
            f"WHERE {is_open} AND (rejects.file_id = $1 OR found.file_id = $1) "
            "AND found.call_id = rejects.call_id AND found.layout = rejects.layout",
            file_id,
        )
        self._do(
            f"UPDATE rejects SET resolved_by = $1 WHERE {is_open} AND file_id <> $1 "  # noqa: S608
            "AND (layout, call_id) IN (SELECT (layout, call_id) FROM rejects WHERE file_id = $1)",
            file_id,
        )
        return done

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
        the new export, or, for a moment, none.

        Args:
            folder: where to; one that is there is replaced, if it is empty or such an export.

        Returns:
            The files, by name.

        Raises:
            CdrError: the folder is there and has something else, or cannot be written.
            InvalidRequest: it is a URL.
        """
        if "://" in str(folder):
            raise InvalidRequest(f"folder is {str(folder)!r}: give a local one, and copy that")
        target = Path(folder).absolute()
        if target.exists() and not _is_export(target):
            raise CdrError("this is there and no export: give a new folder", str(target))
        aside = Path(tempfile.mkdtemp(prefix="export-", dir=self._workspace))
        try:
            written = aside / "new"
            written.mkdir()
            copy = (
                "COPY (SELECT *, CAST(call_time AS DATE) AS day FROM records ORDER BY call_time) "  # noqa: S608
                f"TO {literal(written)} (FORMAT parquet, COMPRESSION zstd, PARTITION_BY (day))"
            )
            with closing(self._connection.cursor()) as cursor:
                interruptible(cursor, lambda: cursor.execute(copy))
            target.parent.mkdir(parents=True, exist_ok=True)
            near = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
            try:
                shutil.move(written, near / "new")
                if target.exists():
                    target.rename(near / "old")
                (near / "new").rename(target)
            finally:
                shutil.rmtree(near, ignore_errors=True)
        except (OSError, self._duckdb.Error) as error:
            raise CdrError(f"cannot be written: {error}", str(target)) from error
        finally:
            shutil.rmtree(aside, ignore_errors=True)
        return sorted(target.rglob("*.parquet"))

    # --- the connection ---

    def _connect(self, memory_limit: str | None, threads: int | None) -> duckdb.DuckDBPyConnection:
        if not self.path.exists():
            self._create()
        self._private_wal()
        config = settings(self._workspace, memory_limit, threads)
        try:
            connection: duckdb.DuckDBPyConnection = self._duckdb.connect(
                str(self.path), config=config
            )
        except self._duckdb.Error as error:
            raise self._unusable(error) from error
        try:
            self._workspace.mkdir(mode=0o700, exist_ok=True)
            for other in self.path.parent.iterdir():
                if other.name.startswith(_prefix(self.path)) and other != self._workspace:
                    # Of a process that was killed: the lock is ours.
                    shutil.rmtree(other, ignore_errors=True)
            # In order, rows make groups of uneven size, which closing would write once more.
            # Whoever asks has a cursor, where rows keep their order.
            connection.execute("SET SESSION preserve_insertion_order = false")
            lock(connection, self._workspace)
            version = connection.execute("SELECT version FROM sinchvoice_archive").fetchall()
        except self._duckdb.Error as error:
            connection.close()
            raise CdrError(
                f"this is no archive of call detail records: {error}", str(self.path)
            ) from error
        if version != [(VERSION,)]:
            connection.close()
            raise CdrError(
                f"the archive has version {version[0][0]}, not {VERSION}: use the sinchvoice that "
                "made it",
                str(self.path),
            )
        return connection

    def _create(self) -> None:
        """Make an archive in a folder of our own, and put it into its place when it is whole."""
        new = self._workspace / "new"
        with self._duckdb.connect(str(new)) as connection:
            connection.execute(_TABLES)
        new.chmod(0o600)
        try:
            os.link(new, self.path)
        except FileExistsError:
            pass  # another process made one meanwhile
        except OSError:
            new.rename(self.path)  # a file system without links

    def _unusable(self, error: Exception) -> CdrError:
        problem = "cannot be opened"
        if not os.access(self.path, os.W_OK):
            problem = "cannot be written, which is needed even to ask it: copy it to ask the copy"
        elif "Could not set lock" in str(error):
            problem = "another process has the archive open: close it there, or wait"
        elif "different configuration" in str(error):
            problem = "this process has the archive open already: use that one, or close it"
        return CdrError(f"{problem} ({error})", str(self.path))

    def _private_wal(self) -> None:
        """DuckDB makes this file for everybody to read, unless it is there."""
        with suppress(FileExistsError):
            os.close(os.open(self._wal, os.O_CREAT | os.O_EXCL, 0o600))

    @contextmanager
    def _writing(self, name: str) -> Iterator[None]:
        """While copies are made: what goes wrong with them names the file that is loaded."""
        try:
            yield
        except OSError as error:
            raise CdrError(
                f"nothing of it was loaded, as {self._workspace.parent} cannot be written: "
                f"{error.strerror or error}",
                name,
            ) from error

    @contextmanager
    def _transaction(self, name: str) -> Iterator[None]:
        self._do("BEGIN TRANSACTION")
        try:
            yield
            self._private_wal()
            try:
                self._do("COMMIT")
            except self._duckdb.Error as error:
                raise CdrError(f"nothing was loaded: {error}", name) from error
        except BaseException:
            with suppress(self._duckdb.Error):  # it may be undone already
                self._do("ROLLBACK")
            raise

    def _next(self, column: str, table: str) -> int:
        number: int = self._one(f"SELECT coalesce(max({column}), 0) + 1 FROM {table}")  # noqa: S608
        return number


class _ProgressFailed(BaseException):
    """What a caller's function raised, on its way out past whoever handles errors of our own."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(error)
        self.error = error


class _Told:
    """A caller's function that is told how far loading is, if there is one."""

    def __init__(self, progress: Callable[[LoadProgress], object] | None) -> None:
        self._progress = progress

    def __call__(self, progress: LoadProgress) -> None:
        if self._progress is not None:
            try:
                self._progress(progress)
            except BaseException as error:
                raise _ProgressFailed(error) from error


class _Unchanged:
    """Whether a file is still what it was when it was copied; it is read again meanwhile."""

    def __init__(self, stream: ByteStream, sha256: str) -> None:
        self._stream = stream
        self._sha256 = sha256
        self._aside = ThreadPoolExecutor(1)
        self._digest = None if stream.path is None else self._aside.submit(_sha256, stream.path)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._aside.shutdown()

    def check(self) -> None:
        """Refuse the file if it is not what it was.

        Raises:
            CdrError: it has changed, or it cannot be told.
        """
        self._stream.check_unchanged()
        if self._digest is not None and self._digest.result() != self._sha256:
            raise CdrError(
                "the file changed while it was read: load it again when it is complete",
                self._stream.name,
            )


def _sha256(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None


def _prefix(path: Path) -> str:
    return f".{path.name}-work-"


def _workspace(path: Path) -> Path:
    """A folder for its owner alone, on the file system of the archive."""
    try:
        return Path(tempfile.mkdtemp(prefix=_prefix(path), dir=path.parent))
    except OSError as error:
        problem = "cannot be made"
        if path.exists():
            problem = "its folder cannot be written, which is needed even to ask it"
        raise CdrError(f"{problem}: {error.strerror}", str(path)) from error


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
        "this is no archive: give the file that loading has made, or a name that is free",
        str(path),
    )


def is_database(path: Path) -> bool:
    """Whether this is a file of DuckDB's, such as an archive.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        head = file.read(20)  # a checksum, a magic word and a small number
    return head[8:12] == b"DUCK" and head[16:] == bytes(4)


def _is_export(folder: Path) -> bool:
    return folder.is_dir() and all(each.name.startswith("day=") for each in folder.iterdir())
