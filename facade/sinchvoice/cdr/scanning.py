"""Queries on files of call detail records without an archive.

    with cdr.scan("cdr/2026-11-*.csv") as calls:
        for row in calls.kpis(by="country"):
            print(row)

Scanning needs the extra: `pip install 'sinchvoice[cdr]'`.
"""

from __future__ import annotations

import io
import os
import re
import tempfile
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import attrs

from ..errors import CdrError, InvalidRequest
from . import lake, layouts, masking
from .fast_path import COLUMNS, FastRows, fast_lines, has_returns, literal
from .kpis import Dimension, KpiFilter, KpiRows
from .lake import Lake
from .layouts import Layout, LayoutName
from .loading import FileContent, Mismatch, find, find_exactly, spool
from .masked_copy import MaskedCopy
from .masked_views import masked_query, masked_views
from .masking import Mask
from .prefixes import PrefixTable
from .queries import (
    ArrowStream,
    Database,
    Parameters,
    QueryResult,
    import_duckdb,
    interruptible,
    lock,
    settings,
)
from .slow_path import REJECT_COLUMNS, SmallFiles
from .sources import ByteStream, LeftOut, Source, streams, watched

if TYPE_CHECKING:
    from .comparison import PeriodLike
    from .signals import SignalKind, SignalReport, Thresholds

__all__ = ["Scan", "scan"]

_FEW = 64
_SMALL = 1 << 17
"""Maximum bytes of a small file; after the first `_FEW` files, small ones are read in Python,
because DuckDB needs milliseconds for each file."""

_CALLS = "FROM temp.calls"
_SLOW_ROWS = ", ".join(f"{name} {kind}" for name, kind in COLUMNS.items())
_REJECTS = ", ".join(
    f'"{name}" {"BLOB" if name == "raw" else kind}' for name, kind in REJECT_COLUMNS.items()
)
_RECORD_COLUMNS = tuple(name for name in COLUMNS if name not in ("record", "line"))
_MASKED = {
    "records": ("unmasked_records", _RECORD_COLUMNS),
    "rejects": ("unmasked_rejects", ("file_id", *REJECT_COLUMNS)),
}
_TABLES = f"""
CREATE TABLE files (file_id INTEGER, name VARCHAR);
CREATE TABLE rejects (file_id INTEGER, {_REJECTS});
CREATE TABLE slow_rows ({_SLOW_ROWS});
"""


def scan(
    *sources: Source,
    layout: LayoutName | Layout | None = None,
    memory_limit: str | None = None,
    threads: int | None = None,
    recursive: bool = False,
    mask: Mask | None = None,
) -> Scan:
    """Query files of call detail records in place.

    Nothing is stored or deduplicated: a record that is in the files twice counts twice. To count
    each record once, load the files into an `Archive`.

    A lake, the folder of an export, is read as well. The table `files` then has the files that were
    loaded into its archive. Rejects are not in a lake but in its archive.

    Args:
        sources: As in `cdr.read`, or the path or URL of a lake.
        layout: Layout of records before the first header row; required if there is none.
        memory_limit: Memory limit of DuckDB, such as `512MB`; None for four fifths of the machine's
            memory.
        threads: Threads of DuckDB; None for one per core.
        recursive: Whether subfolders are read.
        mask: Masking of numbers and users: a `Masking`, or `shorten` or `hash`; None for none.

    Raises:
        CdrError: A file cannot be read or is refused.
        InvalidRequest: The layout or the masking does not exist.
        ImportError: The extra is not installed.
    """
    return Scan(
        sources,
        layout,
        memory_limit=memory_limit,
        threads=threads,
        recursive=recursive,
        mask=mask,
    )


class Scan(Database):
    """Files of call detail records as the view `records`; made by `scan`.

    Its columns are those of an archive without `record` and `line`. `files` has the names of the
    files by `file_id`, and `rejects` the unreadable records with their causes.

    Each query reads an uncompressed local file in place if all its lines are on the fast path; the
    query fails if the file has changed. The fast lines of other files are copied to a temporary
    folder, and their slow lines are stored in a table.

    Attributes:
        records: Records in all files, rejects included.
        rejected: Number of rejected records.
        left_out: Files in folders and archives, or found by globs, that were not read.
    """

    _tables = ("records", "rejects", "files")

    def __init__(
        self,
        sources: Sequence[Source],
        layout: LayoutName | Layout | None,
        *,
        memory_limit: str | None,
        threads: int | None,
        recursive: bool = False,
        mask: Mask | None = None,
    ) -> None:
        super().__init__()
        self._masking = masking.find(mask)
        self._mask_method = None if self._masking is None else self._masking.method
        self._limits = memory_limit, threads
        self.records = 0
        self.rejected = 0
        self.left_out: list[LeftOut] = []
        self._every = ""
        self._duckdb = import_duckdb()
        self._in_place: list[tuple[ByteStream, Path]] = []
        self._temporary = _temporary_folder()  # removed with the scan if that is not closed
        self._workspace = Path(self._temporary.name)
        try:
            self._connection = self._duckdb.connect(
                config=settings(self._workspace, memory_limit, threads)
            )
            lakes, files = self._find_lakes(sources)
            self._check_masks(lakes)
            opened = streams(files, recursive=recursive, leave_out=self.left_out.append)
            self._open(opened, lakes, None if layout is None else layouts.find(layout))
        except BaseException as error:
            self._temporary.cleanup()
            mask_by = self._masking
            if isinstance(error, self._duckdb.Error):
                if mask_by is not None:  # the text may be of a record
                    kind = type(error).__name__
                    raise CdrError(f"the files cannot be scanned: {kind}") from None
                raise CdrError(f"the files cannot be scanned: {error}") from error
            if mask_by is not None and isinstance(error, CdrError):
                raise mask_by._error(error) from None
            raise

    def _check_masks(self, lakes: Iterable[lake.Lake]) -> None:
        for each in lakes:
            if each.mask and self._masking is not None:
                raise InvalidRequest(
                    f"the records in {each.shown} are masked already: read them without mask"
                )
            if each.mask:
                self._mask_method = each.mask.partition(" ")[0]

    def __repr__(self) -> str:
        return f"<Scan: {self.records} records, {self.rejected} of them rejected>"

    def close(self) -> None:
        """Remove the temporary copies; queries are no longer possible."""
        self._keep_kpis()
        if self._masked_copy is not None:
            self._masked_copy.close()
        self._connection.close()
        self._temporary.cleanup()

    def kpis(
        self,
        by: Dimension | Sequence[Dimension] = (),
        where: KpiFilter | None = None,
        *,
        min_attempts: int = 1,
        tz: str | ZoneInfo = "UTC",
        prefixes: PrefixTable | None = None,
        top: int | None = None,
        percentiles: float | Sequence[float] = (),
    ) -> KpiRows:
        """Compute KPIs as `Archive.kpis` does.

        Raises:
            CdrError: A file has changed.
            InvalidRequest: An argument is not possible.
        """
        rows = super().kpis(
            by,
            where,
            min_attempts=min_attempts,
            tz=tz,
            prefixes=prefixes,
            top=top,
            percentiles=percentiles,
        )
        self._check_unchanged()
        return rows

    def signals(
        self,
        period: PeriodLike,
        *,
        thresholds: Thresholds | None = None,
        kinds: Collection[SignalKind] | None = None,
        min_score: float = 0,
        tz: str | ZoneInfo = "UTC",
    ) -> SignalReport:
        """Find signals of fraud as `Archive.signals` does, in a copy of the columns that it needs.

        Raises:
            InvalidRequest: The period, a kind, the score or the time zone is not valid, or masks
                hide what a kind needs.
            CdrError: A file has changed.
        """
        from . import signals

        past, _, until = signals.reach(period, thresholds or signals.Thresholds(), tz)
        between = [moment.replace(tzinfo=None) for moment in (past, until)]
        with self._failing():
            self._do(
                f"CREATE OR REPLACE TEMP TABLE calls AS SELECT {', '.join(signals.COLUMNS)} "  # noqa: S608
                "FROM records WHERE call_time >= ? AND call_time < ?",
                *between,
            )
        try:
            return self._signals(
                lambda query, given: self._run(
                    query.replace("FROM records", "FROM temp.calls"), given
                ),
                period,
                thresholds=thresholds,
                kinds=kinds,
                min_score=min_score,
                tz=tz,
            )
        finally:
            self._do("DROP TABLE temp.calls")

    def _run(self, query: str, parameters: dict[str, Any]) -> Iterable[Sequence[Any]]:
        rows = super()._run(query, parameters)
        self._check_unchanged()
        return rows

    def sql(self, query: str, parameters: Parameters = ()) -> QueryResult:
        """Run a read-only SQL query as `Archive.sql` does.

        Raises:
            CdrError: The query fails or is not read-only, or a file has changed.
        """
        result = super().sql(query, parameters)
        self._check_unchanged()
        return result

    def to_arrow(self, query: str | None = None, parameters: Parameters = ()) -> ArrowStream:
        """Return an Arrow stream as `Archive.to_arrow` does; it fails if a file changes meanwhile.

        Args:
            query: As in `sql`; None for all records in the columns of `read_arrow`.
            parameters: As in `sql`.

        Raises:
            CdrError: The query is not read-only, or a file has changed.
        """
        statement = self._every if query is None else query
        with self._failing(asked=True), closing(self._connection.cursor()) as cursor:
            self._question(cursor, statement)
        self._check_unchanged()
        return _ScanStream(self, statement, parameters, is_asked=query is not None)

    def _new_masked_copy(self) -> MaskedCopy:
        folder = self._workspace / "masked"
        folder.mkdir()
        return MaskedCopy(self._connection, self._tables, folder, *self._limits)

    # --- Content of the files --------------------------------------------------------------------

    def _find_lakes(self, sources: Sequence[Source]) -> tuple[list[Lake], list[Source]]:
        """Separate lakes from other sources."""
        lakes: list[Lake] = []
        files: list[Source] = []
        for source in sources:
            if isinstance(source, list | tuple):
                more = self._find_lakes(source)
                lakes += more[0]
                files += more[1]
            elif (found := lake.find(source, self._workspace)) is not None:
                lakes.append(found)
            else:
                files.append(source)
        return lakes, files

    def _open(
        self, opened: Iterable[ByteStream], lakes: Sequence[Lake], layout: Layout | None
    ) -> None:
        names: list[str] = []
        fast: dict[FastRows, list[tuple[int, FastRows]]] = {}
        self._connection.execute(_TABLES)
        with closing(SmallFiles(self._workspace)) as small:
            for file_id, stream in enumerate(opened, 1):
                names.append(stream.name)
                try:
                    if file_id > _FEW and (content := _small(stream)) is not None:
                        in_memory = ByteStream(stream.name, io.BytesIO(content).read)
                        self.records += small.add(file_id, in_memory, layout)
                        continue
                    self._add(file_id, stream, layout, fast)
                except OSError as error:
                    raise CdrError(
                        f"{self._workspace} cannot be written: {error.strerror or error}",
                        stream.name,
                    ) from error
            if len(names) > _FEW:
                rows, rejects = small.select()
                self._do(f"INSERT INTO slow_rows {rows}")
                self._do(f"INSERT INTO rejects {rejects}")
        if not names and not lakes:
            raise InvalidRequest("there are no files to scan: give at least one file")
        self._do("INSERT INTO files SELECT generate_subscripts($1, 1), unnest($1)", names)
        in_lakes = [self._add_lake(each) for each in lakes]
        selects = [rows.select_all(files) for rows, files in fast.items()] + in_lakes
        if not selects or self._one("SELECT count(*) FROM slow_rows"):
            selects.append("FROM slow_rows")
        columns = ", ".join(_RECORD_COLUMNS)
        every = " UNION ALL ".join(f"SELECT {columns} FROM ({select})" for select in selects)  # noqa: S608
        self._every = _in_public_columns(fast, in_lakes)
        if self._masking is None:
            self._do(f"CREATE VIEW records AS {every}")
        else:
            self._do(f"CREATE VIEW unmasked_records AS {every}")
            self._do("ALTER TABLE rejects RENAME TO unmasked_rejects")
            self._connection.execute(masked_views(self._masking, _MASKED))
            self._every = masked_query(self._masking, self._every)
        self.rejected = self._one("SELECT count(*) FROM rejects")
        lock(self._connection, self._workspace, *(path for _, path in self._in_place))

    def _add_lake(self, lake: Lake) -> str:
        """Add the files of a lake, and return SQL for its records."""
        paths = list(lake.paths.values())
        if not lake.is_copied:
            for name, path in lake.paths.items():
                self._in_place.append((watched(name, path), path))
        source = f"read_parquet([{', '.join(map(literal, paths))}], hive_partitioning = false)"
        before = self._one("SELECT coalesce(max(file_id), 0) FROM files")
        columns = [name for name in COLUMNS if name != "file_id"]
        counted = self._rows(f"SELECT file_id, count(*) FROM {source} GROUP BY ALL")  # noqa: S608
        self.records += sum(number for _, number in counted)
        self._do(
            "INSERT INTO files SELECT unnest($1), unnest($2)",
            [before + file_id for file_id, _ in counted],
            [lake.names.get(file_id, lake.shown) for file_id, _ in counted],
        )
        kept = ", ".join([*columns[:-2], f"file_id + {before} AS file_id", *columns[-2:]])
        return f"(SELECT {kept} FROM {source})"  # noqa: S608

    def _add(
        self,
        file_id: int,
        stream: ByteStream,
        layout: Layout | None,
        fast: dict[FastRows, list[tuple[int, FastRows]]],
    ) -> None:
        """Find the content of a file; copy or store records that cannot be read in place."""
        folder = self._workspace / str(file_id)
        folder.mkdir()
        found = self._find_in_place(stream, layout)
        if found is None:
            found = self._find_in_copy(stream, layout, folder)
        self.records += found.records
        for rows in found.rows:
            if isinstance(rows, FastRows):
                fast.setdefault(rows, []).append((file_id, rows))
            else:
                self._do(f"INSERT INTO slow_rows {rows.select(file_id)}")
        if found.rejects is not None:
            self._do(f"INSERT INTO rejects SELECT ?, * FROM ({found.rejects})", file_id)  # noqa: S608
        kept = {path for rows in found.rows if isinstance(rows, FastRows) for path in rows.paths}
        for each in folder.iterdir():
            if each not in kept:
                each.unlink()

    def _find_in_place(self, stream: ByteStream, layout: Layout | None) -> FileContent | None:
        """Return the content of a file to read in place; None if it must be copied first."""
        path = stream.path
        # DuckDB takes these characters for a pattern and finds no file whose name is not UTF-8.
        if path is None or re.search(r"[*?\[\]\udc80-\udcff]", str(path.absolute())):
            return None
        path = path.absolute()
        lines = fast_lines(stream.name, path, layout)
        if lines is None:
            return None
        with ThreadPoolExecutor(1) as aside, suppress(self._duckdb.Error):
            returns = aside.submit(has_returns, path)
            ((read, good, capitals, size),) = self._rows(lines.count(path, numbered=False))
            stream.check_unchanged()
            if (
                read - good == lines.header_lines
                and size == _size_of_lines(path)
                and not returns.result()
            ):
                self._in_place.append((stream, path))
                lines = attrs.evolve(lines, capitals=capitals == good)
                return FileContent.fast(lines, path, good)
        return None

    def _find_in_copy(self, stream: ByteStream, layout: Layout | None, folder: Path) -> FileContent:
        spooled = spool(stream, folder / "copy", lambda size: None)
        where = (spooled.name, spooled.path, layout, folder, lambda stage, size: None)
        try:
            return find(self._connection, *where)
        except (self._duckdb.Error, Mismatch):
            return find_exactly(*where)

    @contextmanager
    def _failing(self, *, asked: bool = False) -> Iterator[None]:
        try:
            with super()._failing(asked=asked):
                yield
        except CdrError as error:
            if isinstance(error.__cause__ or error.__context__, self._duckdb.Error):
                self._check_unchanged()  # which may be the cause
            raise

    def _check_unchanged(self) -> None:
        for stream, _ in self._in_place:
            stream.check_unchanged()


class _ScanStream(ArrowStream):
    """Rows of files as an Arrow C stream; each request of the stream reads the files again."""

    def __arrow_c_stream__(self, requested_schema: object = None) -> Any:
        """Return the stream in a capsule, according to the Arrow PyCapsule interface.

        Raises:
            CdrError: The query fails, or a file has changed.
        """
        scan = self._database
        assert isinstance(scan, Scan)  # noqa: S101 - only Scan makes these streams
        scan._check_unchanged()
        try:
            pa = import_module("pyarrow")
        except ImportError:  # without it, keep the rows in memory to check the files afterwards
            with scan._failing(asked=self._is_asked), closing(self._cursor()) as cursor:
                statement = scan._question(cursor, self._query)
                found = cursor.sql(statement, params=self._parameters or None).materialize()
                stream = found.__arrow_c_stream__(requested_schema)
            scan._check_unchanged()
            return stream
        with scan._failing(asked=self._is_asked):
            cursor = self._cursor()
            statement = scan._question(cursor, self._query)
            relation = cursor.sql(statement, params=self._parameters or None)
            reader = interruptible(cursor, relation.to_arrow_reader)

        def checked() -> Iterator[Any]:
            with scan._failing(asked=self._is_asked), closing(cursor):
                while (batch := interruptible(cursor, lambda: next(reader, None))) is not None:
                    yield batch
            scan._check_unchanged()

        batches = pa.RecordBatchReader.from_batches(reader.schema, checked())
        return batches.__arrow_c_stream__(requested_schema)


def _in_public_columns(
    fast: Mapping[FastRows, Sequence[tuple[int, FastRows]]], in_lakes: Sequence[str]
) -> str:
    """Return SQL for all records in the columns of `read_arrow`."""
    content = ", ".join(name for name in COLUMNS if name not in ("file_id", "record", "line"))
    selects = ["SELECT * EXCLUDE (record, line), record, line FROM slow_rows"]
    for rows, files in fast.items():
        if rows.numbers:
            selects.append(rows.select_all(files))
            continue
        for file_id, own in files:  # a file read in place is read in order
            selects.append(
                f"SELECT * REPLACE (row_number() OVER () AS record, "  # noqa: S608
                f"row_number() OVER () + {rows.skip} AS line) FROM ({own.select(file_id)})"
            )
    selects += [f"SELECT * EXCLUDE (record, line), record, line FROM {each}" for each in in_lakes]  # noqa: S608
    every = " UNION ALL ".join(f"FROM ({select})" for select in selects)
    return (
        f"SELECT {content}, name AS file, record, line "  # noqa: S608
        f"FROM ({every}) JOIN files USING (file_id)"
    )


def _small(stream: ByteStream) -> bytes | None:
    """Return the content of a small file; None for a larger one."""
    if stream.size is not None and stream.size > _SMALL:
        return None
    content = stream.read(_SMALL + 1)
    if len(content) <= _SMALL:
        return content
    stream.unread(content)
    return None


def _temporary_folder() -> tempfile.TemporaryDirectory[str]:
    try:
        return tempfile.TemporaryDirectory(prefix="sinchvoice-scan-", ignore_cleanup_errors=True)
    except OSError as error:
        raise CdrError(
            "no folder for temporary files is writable: set TMPDIR to one that is "
            f"({error.strerror or error})"
        ) from error


def _size_of_lines(path: Path) -> int:
    """Return the size of a file in bytes, as if the last line had a line end."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - 1))
        return size + (file.read(1) != b"\n")
