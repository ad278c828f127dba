"""Call detail records on Apache Spark: the tables of an archive, from files on many machines.

    from sinchvoice.cdr import kpis, spark

    with spark.read(session, "/mnt/cdr/2026-11") as tables:
        print(tables.report)
        tables.create_views()
        for row in kpis.compute(kpis.on_spark(session), by="day"):
            print(row.by["day"], row.asr.value)

After `register(session)`, `session.read.format("sinch-cdr")` reads files without comparing records.

Needs Spark 4.0 or later and the extra on all machines: `pip install 'sinchvoice[spark]'`. Workers
start the Python of the environment variable PYSPARK_PYTHON.
"""

from __future__ import annotations

import os
import re
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from importlib import import_module
from itertools import groupby
from types import TracebackType
from typing import Any, Literal, Self, TypeAlias
from weakref import WeakSet

import attrs

from ..errors import CdrError, InvalidRequest
from . import layouts
from .deduplication import Occurrence, UnendedRecord, kept_record
from .fast_path import COLUMNS
from .layouts import Layout, LayoutName
from .load_reports import FileReport, LoadReport
from .sources import LeftOut, locate

__all__ = ["SparkTables", "read", "register"]

DataFrame: TypeAlias = Any
SparkSession: TypeAlias = Any

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]+(?:::[A-Za-z0-9+.:\-]+)?://")
_BROADCAST = 1_000_000
"""Number of keys up to which each worker gets all of them."""
_COMPRESSED = "spark.sql.inMemoryColumnarStorage.compressed"
_CALL = ["layout", "call_id"]
_CONTENT = [name for name in COLUMNS if name not in ("file_id", "record", "line")]
_REJECT = (
    *("line", "offset", "record", "layout", "column_name", "value", "cause", "message", "raw"),
    *("size", "header", "call_id"),
)
_FILES = (
    "file_id INT, sha256 STRING, layout STRING, name STRING, size BIGINT, layouts ARRAY<STRING>, "
    "loaded_at TIMESTAMP_NTZ, day DATE, read_by STRING, records BIGINT, loaded BIGINT, "
    "duplicates BIGINT, conflicts BIGINT, rejected BIGINT, erased BIGINT"
)
_sessions: WeakSet[Any] = WeakSet()


def register(session: SparkSession) -> None:
    """Register the format `sinch-cdr` with a session.

    Options are `table` (`records`, `rejects` or `files`), `layout`, `recursive`, `partitionBytes`
    and `memoryLimit`.

    Args:
        session: Session of Spark 4.0 or later.

    Raises:
        InvalidRequest: Spark is too old.
        ImportError: pyspark or pyarrow is not installed.
    """
    _check_version(session)
    if session not in _sessions:
        session.dataSource.register(_source().SinchCdr)
        _sessions.add(session)


def read(
    session: SparkSession,
    *paths: str | os.PathLike[str],
    layout: LayoutName | Layout | None = None,
    recursive: bool = False,
    lake: str | None = None,
    across_days: bool = True,
    failed: Literal["collect"] | Callable[[CdrError], object] | None = None,
    partition_bytes: int = 1 << 26,
) -> SparkTables:
    """Read files into the tables of an archive, with one record of each call in `records`.

    The files are read at once, and what was read stays on the disks of the workers until the tables
    are closed. If a worker is lost, its files are read again.

    Args:
        session: Session of Spark 4.0 or later.
        paths: Paths, globs, folders and URLs, as in `cdr.read`, in the order of arrival. All
            machines must see the same files.
        layout: Layout of records before the first header row.
        recursive: Whether subfolders are read.
        lake: Folder or URL of Parquet files with a folder `day=…` for each UTC day, as made by
            `SparkTables.to_lake` and `Archive.to_parquet`, or that does not exist yet. Its records
            count as earlier ones: `records` has new calls only.
        across_days: Whether a call is looked for on all days of the lake, which reads two of its
            columns; False reads only the days of the new records.
        failed: Treatment of a file that cannot be read. None stops with its error, `collect` keeps
            it in `report.failures`, and a function is called with it.
        partition_bytes: Size of the files that a worker reads in one task, in bytes; packed files
            count six times.

    Returns:
        The tables, to be closed.

    Raises:
        InvalidRequest: An argument is not valid, Spark is too old, or its workers do not have this
            package.
        CdrError: A file or the lake cannot be read.
        ImportError: pyspark or pyarrow is not installed.
    """
    begin = time.monotonic()
    register(session)
    if not paths:
        raise InvalidRequest("no path is given: give at least one path, glob, folder or URL")
    if failed is not None and failed != "collect" and not callable(failed):
        raise InvalidRequest(f"failed is {failed!r}: give None, 'collect' or a function")
    number = partition_bytes
    if isinstance(number, bool) or not isinstance(number, int) or number < 1:
        raise InvalidRequest(f"partition_bytes is {number!r}: give a number of bytes, 1 or more")
    name = None if layout is None else layouts.find(layout).name
    places = [_absolute(path) for path in paths]
    left_out: list[LeftOut] = []
    for place in places:  # for errors that Spark would bury in its own
        for _ in locate(place, recursive=recursive, leave_out=left_out.append):
            pass
    source = _source()
    reader = session.read.format(source.FORMAT).option("table", source.CONTENTS)
    reader = reader.option("recursive", str(recursive)).option("partitionBytes", str(number))
    if name is not None:
        reader = reader.option("layout", name)
    with _spark_errors():
        contents = reader.load(places)
    earlier = None if lake is None else _Lake.open(session, _absolute(lake))
    job = _Job(session, contents, name, earlier, across_days)
    try:
        return job.run(begin, left_out, failed)
    except BaseException:
        job.close()
        raise


@attrs.frozen(eq=False)
class SparkTables:
    """The tables of an archive as data frames of Spark; made by `read`.

    For each file, `records == loaded + duplicates + conflicts + rejected`. Numbers of files begin
    after the highest in the lake, or with 1.

    Attributes:
        records: One record of each call, in the columns of an archive's `records`.
        duplicates: Records with the same content as an earlier one: `layout`, `call_id`, `file_id`,
            `record`, `line`, and the original's `of_file` and `of_record`.
        conflicts: Other records of calls in `records`, in the same columns.
        rejects: Records that could not be read, in the columns of an archive's `rejects`.
        files: The files, in the columns of an archive's `files`. A file with the same bytes as an
            earlier one is not in it.
        report: The counts of each file, and files that were left out or could not be read.
    """

    records: DataFrame
    duplicates: DataFrame
    conflicts: DataFrame
    rejects: DataFrame
    files: DataFrame
    report: LoadReport
    _job: _Job = attrs.field(alias="job")

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
        """Remove what was read from the disks of the workers; the tables cannot be used then."""
        self._job.close()

    def create_views(self) -> None:
        """Make the tables temporary views of the session, under their names in this class.

        `kpis.on_spark` reads the view `records`.
        """
        for name in ("records", "duplicates", "conflicts", "rejects", "files"):
            getattr(self, name).createOrReplaceTempView(name)

    def to_lake(self, folder: str | None = None) -> None:
        """Add `records` to a lake: Parquet files with a folder `day=…` for each UTC day.

        Spark writes the files, so URLs are those of Hadoop, such as `s3a://`. Only one process may
        write at a time. If it fails, read the files again with the lake, and repeat: what was
        written is then known.

        Args:
            folder: Folder or URL; None for the `lake` of `read`. Without a `lake`, it must not
                exist.

        Raises:
            InvalidRequest: The folder is not the `lake` of `read`, it exists, or an archive writes
                it.
            CdrError: The lake changed since it was read.
        """
        self._job.write(self.records, None if folder is None else _absolute(folder))


@attrs.frozen
class _Lake:
    """A lake of earlier records.

    Attributes:
        folder: Folder or URL.
        records: The records, with their `day`; None if it does not exist yet.
        files: The Parquet files.
        last_file: Highest file_id; 0 if it is empty.
    """

    folder: str
    records: DataFrame | None = None
    files: frozenset[str] = frozenset()
    last_file: int = 0

    @classmethod
    def open(cls, session: SparkSession, folder: str) -> _Lake:
        """Open a lake.

        Raises:
            CdrError: It is not a lake.
        """
        records = _parquet(session, folder)
        if records is None:
            return cls(folder)
        missing = [name for name in [*COLUMNS, "day"] if name not in records.columns]
        if missing:
            raise CdrError(f"this is not a lake of records: it has no {missing[0]}", folder)
        last = records.agg({"file_id": "max"}).first()[0]
        return cls(folder, records, frozenset(records.inputFiles()), last or 0)


class _Job:
    """Reads, numbers and compares.

    The records stay where they are: only the keys of calls are shuffled, and then the records of
    the calls that have several.
    """

    def __init__(
        self,
        session: SparkSession,
        contents: DataFrame,
        layout: str | None,
        lake: _Lake | None,
        across_days: bool,
    ) -> None:
        self._functions: Any = import_module("pyspark.sql.functions")
        self._window: Any = import_module("pyspark.sql.window").Window
        self._session = session
        self._layout = layout
        self._lake = lake
        self._earlier = None if lake is None else lake.records
        self._across_days = across_days
        self._kept: list[DataFrame] = []
        self._contents = self._keep(contents)

    def close(self) -> None:
        gone = import_module("py4j.protocol").Py4JError  # the session has ended
        while self._kept:
            with suppress(gone):
                self._kept.pop().unpersist()

    def run(
        self,
        begin: float,
        left_out: list[LeftOut],
        failed: Literal["collect"] | Callable[[CdrError], object] | None,
    ) -> SparkTables:
        """Make the tables.

        Raises:
            CdrError: A file cannot be read, or a record is not accounted for.
        """
        now = datetime.now(UTC).replace(tzinfo=None)
        # Looking for the best encoding of each column takes longer than reading the files.
        with _spark_errors(), self._setting(_COMPRESSED, "false"):
            rows = self._contents.where("file IS NOT NULL").select("place", "file.*").collect()
        failures: list[CdrError] = []
        found, skipped = self._numbered(sorted(rows, key=_by_place), left_out, failures)
        for failure in failures:
            if failed is None:
                raise failure
            if callable(failed):
                failed(failure)
        self._number(found)
        records = self._records(found)
        plain, several = self._compare(records)
        several = self._keep(self._decide(several, found))
        kept = several.where("fate = 'records'").select(*COLUMNS)
        tables = {
            "records": plain.select(*COLUMNS).unionByName(kept),
            "conflicts": several.where("fate = 'conflicts'").select(*COLUMNS),
            "duplicates": several.where("fate = 'duplicates'").select(
                *_CALL, "file_id", "record", "line", "of_file", "of_record"
            ),
        }
        resolved, rejects = self._rejects(found, tables["records"])
        counts = self._counts(plain, several)
        reports = [
            self._report(number, each, counts, resolved) for number, each in enumerate(found)
        ]
        reports += [(row.place, _file_report(row, skipped=True)) for row in skipped]
        details = tuple(report for _, report in sorted(reports, key=lambda each: each[0]))
        known = () if failed is None else tuple(failures) if failed == "collect" else ()
        return SparkTables(
            **tables,
            rejects=rejects,
            files=self._files(found, reports, now),
            report=LoadReport(details, time.monotonic() - begin, tuple(left_out), known),
            job=self,
        )

    def write(self, records: DataFrame, folder: str | None) -> None:
        """Add records to the lake; see `SparkTables.to_lake`."""
        lake = self._lake
        target = lake.folder if folder is None and lake is not None else folder
        if target is None:
            raise InvalidRequest("no lake is given: give a folder, or lake= when you read")
        if lake is not None and target != lake.folder:
            raise InvalidRequest(
                f"the files were read with the lake {lake.folder!r}, not {target!r}: give that one"
            )
        found = _parquet(self._session, target)
        files = frozenset[str]() if found is None else frozenset(found.inputFiles())
        if lake is None and files:
            raise InvalidRequest(
                f"the lake {target!r} exists, and would have calls twice: read the files with "
                "lake= to add new calls, or give another folder"
            )
        if lake is not None and files != lake.files:
            raise CdrError("the lake changed since it was read: read the files again", target)
        if any("/part-" not in file for file in files):
            raise InvalidRequest(
                f"the lake {target!r} belongs to an archive, whose next export would refuse the "
                "files of Spark: write tables.records elsewhere"
            )
        days = records.withColumn("day", self._functions.col("call_time").cast("date"))
        days.hint("rebalance", "day").write.mode("append").partitionBy("day").parquet(target)

    # --- Files -----------------------------------------------------------------------------------

    def _numbered(
        self, rows: Iterable[Any], left_out: list[LeftOut], failures: list[CdrError]
    ) -> tuple[list[Any], list[Any]]:
        """Return the files in order, and those with the bytes of an earlier one."""
        found: list[Any] = []
        skipped: list[Any] = []
        known: set[str] = set()
        for row in rows:
            if row.left_out is not None:
                pairs = zip(row.left_out[::2], row.left_out[1::2], strict=True)
                left_out.extend(LeftOut(*pair) for pair in pairs)
            elif row.failure is not None:
                failures.append(CdrError(row.failure, row.name, row.failed_line))
            elif row.sha256 in known:
                skipped.append(row)
            else:
                known.add(row.sha256)
                found.append(row)
        return found, skipped

    def _number(self, found: Sequence[Any]) -> None:
        """Give the files their numbers."""
        self._first = 1 if self._lake is None else self._lake.last_file + 1
        rows, before = [], 0
        for number, row in enumerate(found, self._first):
            rows.append((row.place, number, before))
            before += row.rejected
        numbers = self._session.createDataFrame(rows, "place BIGINT, file_id INT, before BIGINT")
        self._numbers = self._functions.broadcast(numbers)

    def _report(
        self,
        index: int,
        row: Any,
        counts: Mapping[str, Counter[int]],
        resolved: Counter[int],
    ) -> tuple[int, FileReport]:
        number = index + self._first
        report = _file_report(
            row,
            records=row.records,
            loaded=counts["records"][number],
            duplicates=counts["duplicates"][number],
            conflicts=counts["conflicts"][number],
            rejected=counts["rejects"][number],
            completed=counts["completed"][number],
            resolved=resolved[number],
        )
        counted = report.loaded + report.duplicates + report.conflicts + report.rejected
        if report.records != counted or report.rejected != row.rejected:
            raise CdrError(
                f"{report.records} records are not the sum of {report.loaded} loaded, "
                f"{report.duplicates} duplicates, {report.conflicts} conflicts and "
                f"{report.rejected} rejected: report this",
                row.name,
            )
        return row.place, report

    def _files(
        self, found: Sequence[Any], reports: Iterable[tuple[int, FileReport]], now: datetime
    ) -> DataFrame:
        by_place = dict(reports)
        rows = []
        for number, row in enumerate(found, self._first):
            report = by_place[row.place]
            about = (row.sha256, self._layout, row.name, row.size, row.layouts, now, row.day)
            counts = (report.records, report.loaded, report.duplicates, report.conflicts)
            rows.append((number, *about, row.read_by, *counts, report.rejected, 0))
        return self._session.createDataFrame(rows, _FILES)

    # --- Records ---------------------------------------------------------------------------------

    def _records(self, found: Sequence[Any]) -> DataFrame:
        """Return the readable records with their files' numbers and the key of their calls."""
        col, key = self._functions.col, self._functions.xxhash64(*_CALL)
        types = {"file_id": "int"}
        return (
            self._contents.where("call_id IS NOT NULL")
            .join(self._numbers, "place")
            .select(*(col(name).cast(types[name]) if name in types else name for name in COLUMNS))
            .withColumn("key", key)
        )

    def _compare(self, records: DataFrame) -> tuple[DataFrame, DataFrame]:
        """Return the records of calls that have one, and all records of the others."""
        count = self._functions.count
        numbers = records.groupBy("key").agg(count("*").alias("number"))
        if self._earlier is None:
            repeated = self._keep(numbers.where("number > 1").select("key"))
            earlier = None
        else:
            numbers = self._keep(numbers)
            hits, earlier = self._in_lake(self._earlier, records, numbers.select("key"))
            again = numbers.where("number > 1").select("key")
            repeated = self._keep(again.union(hits.select("key")).distinct())
        number = self._number_of(repeated)
        if not number:
            return records, records.where("false")
        repeated = self._small(repeated, number)
        plain = records.join(repeated, "key", "left_anti")
        several = records.join(repeated, "key", "left_semi")
        if earlier is not None:
            several = several.unionByName(earlier)
        return plain, several

    def _in_lake(
        self, lake: DataFrame, records: DataFrame, keys: DataFrame
    ) -> tuple[DataFrame, DataFrame]:
        """Return the keys of calls in the lake, and the lake's records of these calls."""
        col = self._functions.col
        known = lake.withColumn("key", self._functions.xxhash64(*_CALL))
        if not self._across_days:
            rows = records.select(col("call_time").cast("date").alias("day")).distinct().collect()
            known = known.where(col("day").isin([row.day for row in rows]))
        places = known.select("key", "day").join(self._small(keys), "key", "left_semi")
        places = self._keep(places.distinct())
        days = [row.day for row in places.select("day").distinct().collect()]
        hits = places.select("key").distinct()
        types = {"file_id": "int"}
        earlier = known.where(col("day").isin(days)).join(self._small(hits), "key", "left_semi")
        columns = (col(name).cast(types[name]) if name in types else name for name in COLUMNS)
        return hits, earlier.select(*columns, "key")

    def _decide(self, several: DataFrame, found: Sequence[Any]) -> DataFrame:
        """Return the new records with their fate and, for duplicates, their original."""
        col, window = self._functions.col, self._window
        source = self._functions.struct("file_id", "record")
        in_order = window.partitionBy(*_CALL).orderBy("file_id", "record")
        same = window.partitionBy(*_CONTENT)
        ranked = several.withColumn("rank", self._functions.row_number().over(in_order))
        ranked = ranked.withColumn("first", self._functions.min(source).over(same))
        ranked = self._keep(ranked)
        completing = self._completing(ranked, found)
        kept = col("rank") == 1
        if completing:
            names = "layout STRING, call_id STRING, kept_file INT, kept_record BIGINT"
            others = self._functions.broadcast(self._session.createDataFrame(completing, names))
            ranked = ranked.join(others, _CALL, "left")
            is_other = (col("file_id") == col("kept_file")) & (col("record") == col("kept_record"))
            kept = self._functions.when(col("kept_file").isNull(), kept).otherwise(is_other)
        else:
            ranked = ranked.withColumn("kept_file", self._functions.lit(None).cast("int"))
        when = self._functions.when
        is_first = (col("first.file_id") == col("file_id")) & (col("first.record") == col("record"))
        fate = when(kept, "records").when(is_first, "conflicts").otherwise("duplicates")
        ranked = ranked.withColumn("fate", fate).where(col("file_id") >= self._first)
        completed = (col("fate") == "records") & col("kept_file").isNotNull()
        return ranked.select(
            *COLUMNS,
            "fate",
            completed.alias("completed"),
            col("first.file_id").alias("of_file"),
            col("first.record").alias("of_record"),
        )

    def _completing(self, ranked: DataFrame, found: Sequence[Any]) -> list[tuple[Any, ...]]:
        """Return the calls whose first record is cut short and completed by another one.

        A file has at most one record that may be cut short, so few calls come to the driver.
        """
        if not any(row.unended_record is not None for row in found) or ranked.isEmpty():
            return []
        files = self._contents.where("file.unended_record IS NOT NULL").join(self._numbers, "place")
        ends = files.selectExpr(
            "file_id",
            "file.unended_record AS record",
            "file.unended_fields AS fields",
            "file.unended_text AS text",
        )
        place = ["file_id", "record"]
        calls = ranked.where("rank = 1").join(ends, place, "left_semi").select(*_CALL)
        rows = ranked.join(self._small(self._keep(calls)), _CALL, "left_semi")
        rows = rows.join(ends, place, "left").orderBy(*_CALL, *place)
        completing = []
        for call, every in groupby(rows.toLocalIterator(), lambda row: (row.layout, row.call_id)):
            records, unended = [], {}
            for row in every:
                content = tuple(row[name] for name in _CONTENT)
                where = (row.file_id, row.record)
                records.append(Occurrence("", 0, *where, row.line, 0, content, ("", 0)))
                if row.fields is not None:
                    unended[where] = UnendedRecord(row.fields, row.text)
            kept = kept_record(records, unended)
            if kept is not records[0]:
                completing.append((*call, *kept.source))
        return completing

    def _counts(self, plain: DataFrame, several: DataFrame) -> Mapping[str, Counter[int]]:
        """Return the numbers of each file's records, by table."""
        lit = self._functions.lit
        rejects = self._contents.where("reject IS NOT NULL").join(self._numbers, "place")
        every = several.select("file_id", "fate", "completed")
        for table, rows in (("records", plain), ("rejects", rejects)):
            fate, completed = lit(table).alias("fate"), lit(False).alias("completed")
            every = every.union(rows.select("file_id", fate, completed))
        counts: dict[str, Counter[int]] = defaultdict(Counter)
        for row in every.groupBy("file_id", "fate", "completed").count().collect():
            counts[row.fate][row.file_id] += row["count"]
            if row.completed:
                counts["completed"][row.file_id] += row["count"]
        return counts

    # --- Rejects ---------------------------------------------------------------------------------

    def _rejects(self, found: Sequence[Any], records: DataFrame) -> tuple[Counter[int], DataFrame]:
        """Return the rejects, and how many of them each file resolved; see `resolving.py`."""
        col, functions = self._functions.col, self._functions
        of_files = self._contents.where("reject IS NOT NULL").join(self._numbers, "place")
        in_file = self._window.partitionBy("file_id").orderBy("record")
        rejects = of_files.select("file_id", "before", "reject.*").withColumn(
            "reject_id", col("before") + functions.row_number().over(in_file)
        )
        resolved: Counter[int] = Counter()
        columns = ["reject_id", "file_id", *_REJECT]
        if not any(row.rejected for row in found):
            nobody = functions.lit(None).cast("int").alias("resolved_by")
            return resolved, rejects.select(*columns, nobody)
        calls = records.select(*_CALL, col("file_id").alias("call_file"))
        if self._earlier is not None:
            earlier = self._earlier.select(*_CALL, col("file_id").cast("int"))
            calls = calls.union(earlier)
        named = of_files.where("reject.call_id IS NOT NULL").select(
            "file_id", col("reject.record").alias("record"), "reject.layout", "reject.call_id"
        )
        named = self._keep(named)
        wanted = self._small(self._keep(named.select(*_CALL).distinct()))
        calls = calls.join(wanted, _CALL, "left_semi")
        calls = calls.groupBy(*_CALL).agg(functions.max("call_file").alias("call_file"))
        again = named.select(*_CALL, col("file_id").alias("again_file"))
        pairs = named.join(again, _CALL).where("again_file > file_id")
        nexts = pairs.groupBy("file_id", "record").agg(functions.min("again_file").alias("again"))
        fates = named.join(calls, _CALL, "left").join(nexts, ["file_id", "record"], "left")
        fates = fates.withColumn("when_called", functions.greatest("file_id", "call_file"))
        by_call = "call_file IS NOT NULL AND (again IS NULL OR when_called <= again)"
        fates = self._keep(
            fates.selectExpr(
                "file_id",
                "record",
                f"IF({by_call}, call_file, again) AS resolved_by",
                f"IF({by_call}, when_called, NULL) AS when_called",
            )
        )
        for row in fates.where("when_called IS NOT NULL").groupBy("when_called").count().collect():
            resolved[row.when_called] += row["count"]
        rejects = rejects.join(fates.drop("when_called"), ["file_id", "record"], "left")
        return resolved, rejects.select(*columns, "resolved_by")

    # --- Data frames -----------------------------------------------------------------------------

    def _keep(self, frame: DataFrame) -> DataFrame:
        """Keep the rows on the disks of the workers, once they are known."""
        storage = import_module("pyspark").StorageLevel.DISK_ONLY
        self._kept.append(frame)
        return frame.persist(storage)

    @contextmanager
    def _setting(self, name: str, value: str) -> Iterator[None]:
        """Change a setting of the session until the end of the `with` block."""
        before = self._session.conf.get(name)
        self._session.conf.set(name, value)
        try:
            yield
        finally:
            self._session.conf.set(name, before)

    def _number_of(self, keys: DataFrame) -> int:
        """Return the number of keys, as far as it matters."""
        number: int = keys.limit(_BROADCAST + 1).count()
        return number

    def _small(self, keys: DataFrame, number: int | None = None) -> DataFrame:
        """Send keys to all workers if they are not too many."""
        few = (self._number_of(keys) if number is None else number) <= _BROADCAST
        return self._functions.broadcast(keys) if few else keys


# --- Spark ---------------------------------------------------------------------------------------


def _source() -> Any:
    try:
        import_module("pyarrow")
        return import_module(f"{__package__}.spark_source")
    except ImportError as error:
        raise ImportError(
            f"{error.name or 'a package'} is missing for Spark: pip install 'sinchvoice[spark]'",
            name=error.name,
        ) from error


def _check_version(session: SparkSession) -> None:
    version = str(getattr(session, "version", ""))
    major = version.partition(".")[0]
    if not major.isdigit():
        raise InvalidRequest(
            f"session is {type(session).__name__}: give a SparkSession of Spark 4.0 or later"
        )
    if int(major) < 4:
        raise InvalidRequest(f"Spark is {version}: use Spark 4.0 or later, which has data sources")


@contextmanager
def _spark_errors() -> Iterator[None]:
    """Explain an error of Spark that this package can explain."""
    try:
        yield
    except import_module("pyspark.errors").PySparkException as error:
        if "No module named 'sinchvoice'" in str(error):
            raise InvalidRequest(
                "the Python of Spark's workers does not have this package: install "
                "'sinchvoice[spark]' there and set PYSPARK_PYTHON to it before the session starts"
            ) from None
        raise


def _parquet(session: SparkSession, folder: str) -> DataFrame | None:
    """Return the rows of a folder of Parquet files; None if it does not exist or has none."""
    errors = import_module("pyspark.errors")
    try:
        found = session.read.option("basePath", folder).parquet(folder)
    except errors.AnalysisException as error:
        condition = error.getCondition() or ""
        if condition.startswith(("PATH_NOT_FOUND", "UNABLE_TO_INFER_SCHEMA")):
            return None
        raise CdrError(f"cannot be read: {condition or error}", folder) from error
    return found


def _absolute(path: str | os.PathLike[str]) -> str:
    if not isinstance(path, str | os.PathLike):
        raise InvalidRequest(f"path is {type(path).__name__}: give a path, a glob or a URL")
    text = os.fspath(path)
    if not isinstance(text, str):
        raise InvalidRequest(f"path {text!r} is not text: give a path, a glob or a URL")
    if not text or text == "-" or (isinstance(path, str) and _URL.match(text)):
        return text
    # Workers have other current folders.
    return os.path.abspath(text)  # noqa: PTH100 - Path.resolve() would follow links


def _by_place(row: Any) -> int:
    place: int = row.place
    return place


def _file_report(row: Any, **counts: Any) -> FileReport:
    return FileReport(
        name=row.name, sha256=row.sha256, size=row.size, read_by=row.read_by, **counts
    )
