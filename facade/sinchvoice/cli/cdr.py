"""The commands of `sinchvoice cdr`: call detail records, in files and in an archive."""

from __future__ import annotations

import os
import shlex
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, cast

import attrs
import typer
from rich import filesize
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress, ProgressColumn, Task, TaskID, TimeElapsedColumn
from rich.text import Text

from .. import cdr
from ..cdr import kpis
from ..cdr.kpis import Dimension, KpiRow, Ratio
from ..cdr.sources import streams
from ..errors import (
    CdrError,
    InvalidRequest,
    Reject,
    RejectCause,
    printable,
)
from .analysis import alert, compare
from .auditing import find_signals, reconcile
from .cdr_options import (
    ARCHIVE,
    WAIT,
    ArchivePath,
    AsCsv,
    By,
    Files,
    FilesOrArchive,
    Layout,
    Memory,
    MinAttempts,
    PrefixFile,
    RecordOptions,
    Recursive,
    SourceOptions,
    Threads,
    Tz,
    Wait,
    Where,
    Xlsx,
    cell,
    check_formats,
    check_no_archives,
    day_of,
    known_layout,
    kpi_filter,
    load_record,
    needs_extra,
    opened_archive,
    report_left_out,
    utc,
    write_spreadsheet,
)
from .cdr_spark import spark
from .charts import print_kpi_chart
from .options import OutputOptions, command, expanded
from .output import Record, RejectsFound, show_error, write, write_csv_row
from .report_page import report

__all__ = ["add"]


def add(group: typer.Typer) -> None:
    """Add help and commands to the group."""
    group.callback()(expanded(about))
    command(group, check)
    command(group, load)
    command(group, stats)
    command(group, report)
    command(group, completeness)
    command(group, rejects)
    command(group, export)
    command(group, sql)
    command(group, remove)
    command(group, erase)
    command(group, compact)
    command(group, backup)
    command(group, spark)
    command(group, compare)
    command(group, alert)
    command(group, find_signals, "signals")
    command(group, reconcile)


def about(options: OutputOptions) -> None:
    """Check, archive and analyze call detail records."""


def check(
    options: RecordOptions,
    files: Files,
    layout: Layout = None,
    recursive: Recursive = False,
) -> None:
    """Check files of call detail records, and report each unreadable record with the reason."""
    wanted, mask = known_layout(layout), options.masking()
    failures: list[CdrError] = []
    left_out: list[cdr.LeftOut] = []
    rejected = 0

    def checked(stream: Any) -> Record:
        nonlocal rejected
        record = _read(stream, wanted, mask, as_json=options.as_json)
        rejected += record["rejected"]
        if not record["records"] and not options.as_json:
            _warn_of_no_records(stream.name)
        return record

    options.output.rows(
        _each(files, checked, failures, left_out, options, recursive=recursive),
        ("file", "layout", "records", "rejected"),
    )
    report_left_out(left_out, options)
    _fail(failures, as_json=options.as_json)
    if rejected:
        raise RejectsFound(
            f"{rejected} record{'s' * (rejected > 1)} cannot be read: correct them and check again"
        )


def _each(
    files: list[str],
    work: Callable[[Any], Record],
    failures: list[CdrError],
    left_out: list[cdr.LeftOut],
    options: OutputOptions,
    *,
    recursive: bool,
) -> Iterator[Record]:
    """Yield the result of each file; collect errors and continue with the next file."""
    check_no_archives(files)
    for source in files:
        opened = streams(source, recursive=recursive, leave_out=left_out.append)
        while True:
            try:
                stream = next(opened, None)
                if stream is None:
                    break
                record = work(stream)
                yield {**record, "left_out": len(left_out)} if options.as_json else record
            except CdrError as error:
                failures.append(error)


def _fail(failures: list[CdrError], *, as_json: bool) -> None:
    """Show all errors but the last, and raise that."""
    for failure in failures[:-1]:
        show_error(failure, as_json=as_json)
    if failures:
        raise failures[-1]


def _warn_of_no_records(name: str) -> None:
    write(f"warning: {name} has no records", sys.stderr)


def _read(stream: Any, layout: Any, mask: cdr.Masking | None, *, as_json: bool) -> Record:
    """Read a file; write its rejects to stderr immediately, or put them into its JSON."""
    rejects: list[Record] = []

    def tell(reject: Reject) -> None:
        layouts[reject.layout] += 1
        if as_json:
            rejects.append({**_reject_record(reject), "text": reject.text})
        else:
            write(f"reject: {reject}", sys.stderr)

    layouts: Counter[str] = Counter()
    with cdr.read(stream, layout, on_reject=tell, mask=mask) as reader:
        layouts.update(record.layout for record in reader)
    found: dict[str, Any] = {
        "file": stream.name,
        "layout": ", ".join(layouts) or None,
        "records": reader.records,
        "rejected": reader.rejected,
        "blank_lines": reader.blank_lines,
        "header_rows": reader.header_rows,
    }
    return {**found, "rejects": rejects} if as_json else found


def _reject_record(reject: Any) -> Record:
    return {
        "line": reject.line,
        "offset": reject.offset,
        "record": reject.record,
        "column": reject.column,
        "value": reject.value,
        "cause": reject.cause,
        "message": reject.message,
    }


# --- Archive -------------------------------------------------------------------------------------


def load(
    options: OutputOptions,
    files: Files,
    archive: ArchivePath = ARCHIVE,
    layout: Layout = None,
    recursive: Recursive = False,
    memory_limit: Memory = None,
    threads: Threads = None,
    wait: Wait = WAIT,
) -> None:
    """Load files into an archive: each record once, and unreadable ones as rejects."""
    wanted = known_layout(layout)
    failures: list[CdrError] = []
    reports: list[cdr.FileReport] = []
    left_out: list[cdr.LeftOut] = []

    def failed(error: CdrError) -> None:
        failures.append(error)
        if bars:
            bars.give_up()

    def loaded() -> Iterator[Record]:
        for file in opened.load_each(
            *files,
            layout=wanted,
            progress=bars.read if bars else None,
            failed=failed,
            recursive=recursive,
            leave_out=left_out.append,
        ):
            if bars:
                bars.count(file)
            reports.append(file)
            record = load_record(file)
            yield {**record, "left_out": len(left_out)} if options.as_json else record

    check_no_archives(files)
    with (
        opened_archive(
            archive, wait, must_exist=False, memory_limit=memory_limit, threads=threads
        ) as opened,
        _progress() as bars,
    ):
        options.output.rows(
            loaded(),
            ("file", "records", "loaded", "duplicates", "conflicts", "rejected", "skipped"),
        )
        still_open = opened.sql("SELECT count(*) FROM rejects WHERE resolved_by IS NULL").rows[0][0]
    if not options.as_json:
        _warn_of(reports, archive, still_open=still_open)
    report_left_out(left_out, options)
    _fail(failures, as_json=options.as_json)


def _warn_of(reports: list[cdr.FileReport], archive: Path, *, still_open: int) -> None:
    """Warn of empty files, rejects and conflicts in loaded files."""
    for file in reports:
        if not file.records and not file.skipped:
            _warn_of_no_records(file.name)
    rejected = sum(file.rejected for file in reports)
    conflicts = sum(file.conflicts for file in reports)
    completed = sum(file.completed for file in reports)
    if completed:
        write(
            f"note: {completed} cut short before, now complete: see the incomplete ones in "
            "conflicts",
            sys.stderr,
        )
    where = "" if archive == ARCHIVE else f" --archive {shlex.quote(str(archive))}"
    if rejected and still_open:
        write(f"warning: {rejected} rejected: see sinchvoice cdr rejects{where}", sys.stderr)
    if conflicts:
        write(
            f"warning: {conflicts} in conflict with earlier records: "
            f"see sinchvoice cdr sql 'FROM conflicts'{where}",
            sys.stderr,
        )


def stats(
    options: SourceOptions,
    files: FilesOrArchive = None,
    by: By = None,
    where: Where = None,
    min_attempts: MinAttempts = 1,
    tz: Tz = "UTC",
    prefixes: PrefixFile = None,
    top: Annotated[
        int | None,
        typer.Option(
            "--top",
            metavar="N",
            help="Only the N groups with most attempts, and a row of the rest.",
        ),
    ] = None,
    percentiles: Annotated[
        str | None,
        typer.Option(
            "--percentiles",
            metavar="P,...",
            help="Percentiles of duration and setup time; for example 50,90,95.",
        ),
    ] = None,
    as_csv: AsCsv = False,
    xlsx: Xlsx = None,
    chart: Annotated[
        bool, typer.Option("--chart", help="Print bars, and lines for days, hours and weekdays.")
    ] = False,
) -> None:
    """Print the KPIs of an archive, or of files: attempts, ASR, NER, ACD, minutes, cost per
    currency.
    """
    check_formats(options, as_csv=as_csv, xlsx=xlsx)
    groups = cast("list[Dimension]", by or [])
    if chart:
        _check_chart(options, groups, as_csv=as_csv, xlsx=xlsx, percentiles=percentiles)
    ranks = _numbers("--percentiles", percentiles)
    given: dict[str, Any] = {
        "by": groups,
        "where": kpi_filter(where or [], tz),
        "min_attempts": min_attempts,
        "tz": tz,
        "prefixes": prefixes,
        "top": top,
        "percentiles": ranks,
    }
    # This checks the arguments before any file is read.
    kpis.compute(lambda *_: (), **given)
    with options.opened(files) as opened:
        found = opened.kpis(**given)
    if chart:
        print_kpi_chart(found, groups)
        if not found:
            write("note: no calls, so nothing to draw", sys.stderr)
        return
    if xlsx is not None:
        rest = [] if top is None else ["rest_groups"]
        shown = [*groups, *rest, *_COUNTS]
        write_spreadsheet(xlsx, found, options, columns=shown)
        return
    records = [_kpi_record(row, top=top) for row in found]
    durations, setups = (
        [f"{name}_{_rank(each)}" for each in ranks] for name in ("duration", "setup_time")
    )
    if as_csv:
        rest = [] if top is None else ["rest_groups"]
        _write_csv(records, [*groups, *rest, *_COUNTS, *durations, *setups])
        return
    shown = ["attempts", "answered", "asr", "ner", "acd", "minutes_of_use", "cost"]
    if ranks:
        shown = ["attempts", "asr", "acd", *durations, "setup_time", *setups]
    options.output.rows(records, (*groups, *shown), rounded=True)


def _check_chart(
    options: SourceOptions,
    groups: Sequence[str],
    *,
    as_csv: bool,
    xlsx: Path | None,
    percentiles: str | None,
) -> None:
    """Refuse a chart without groups or with an option that it would ignore."""
    if not groups:
        raise InvalidRequest("--chart has no groups to draw: give --by as well, like --by day")
    given = {
        "--json": options.as_json,
        "--csv": as_csv,
        "--xlsx": xlsx is not None,
        "--percentiles": percentiles is not None,
    }
    for option in (name for name, is_given in given.items() if is_given):
        raise InvalidRequest(f"--chart does not show {option}: give one of them")


def _numbers(option: str, text: str | None) -> list[float]:
    """Return numbers separated by commas."""
    try:
        found = [] if text is None else [float(each) for each in text.split(",")]
    except ValueError:
        raise InvalidRequest(
            f"{option} is {text!r}: give numbers above 0 and up to 100, like 50,90,95"
        ) from None
    return [int(each) if each.is_integer() else each for each in found]


def _rank(percentile: float) -> str:
    return f"p{percentile:g}".replace(".", "_")


def completeness(
    options: RecordOptions,
    archive: ArchivePath = ARCHIVE,
    xlsx: Xlsx = None,
    wait: Wait = WAIT,
) -> None:
    """Print the content of an archive for each day and layout, and the missing days."""
    with opened_archive(archive, wait, read_only=True, mask=options.masking()) as opened:
        days = opened.completeness()
    if xlsx is not None:
        names = [field.name for field in attrs.fields(cdr.DayCompleteness)]
        write_spreadsheet(xlsx, days, options, columns=names)
        return
    options.output.rows(
        (
            {
                "day": cell(day.day),
                "layout": day.layout,
                "files": day.files,
                "records": day.records,
                "first_call": utc(day.first_call),
                "last_call": utc(day.last_call),
                "late": day.late,
                "rejects": day.rejects,
                "is_gap": day.is_gap,
                "last_day": cell(day.last_day),
                "is_implausible": day.is_implausible,
            }
            for day in days
        ),
        ("day", "last_day", "layout", "files", "records", "late", "rejects"),
    )


def rejects(
    options: RecordOptions,
    archive: ArchivePath = ARCHIVE,
    resolved: Annotated[
        bool, typer.Option("--resolved", help="Include rejects of calls that were loaded since.")
    ] = False,
    raw: Annotated[
        bool,
        typer.Option("--raw", help="Print the raw text, to correct and load again."),
    ] = False,
    wait: Wait = WAIT,
) -> None:
    """Print the unreadable records of an archive."""
    if raw and options.as_json:
        raise InvalidRequest("--raw and --json are two formats: give one of them")
    if raw and options.mask_numbers is not None:
        raise InvalidRequest(
            "--raw prints the text to correct, and --mask-numbers hides it: give one of them"
        )
    with opened_archive(archive, wait, read_only=True, mask=options.masking()) as opened:
        found = opened.rejects(resolved=resolved)
    if raw:
        header = None
        cut = 0
        for reject in found:
            if len(reject.raw) < reject.size:  # part of a record could be read as a complete one
                cut += 1
                continue
            if reject.cause == RejectCause.HEADER:
                header = None  # this is the header row to correct, or follows it
            elif reject.header != header:
                header = reject.header
                _write_line(header.encode())
            _write_line(reject.raw)
        if cut:
            write(
                f"warning: {cut} left out, too large for the archive: take them from their files",
                sys.stderr,
            )
        return
    options.output.rows(
        (
            {
                "file": reject.file,
                **_reject_record(reject),
                "text": reject.raw.decode("utf-8", "backslashreplace"),
                "call_id": reject.call_id,
                "is_resolved": reject.resolved_by is not None,
            }
            for reject in found
        ),
        ("file", "line", "column", "cause", "message"),
    )


def _write_line(line: bytes) -> None:
    """Write a line unchanged; on a terminal, with control characters escaped."""
    if sys.stdout.isatty():
        write(printable(line.decode("utf-8", "backslashreplace"), len(line)))
    else:
        sys.stdout.buffer.write(line + b"\n")
        sys.stdout.buffer.flush()


def export(
    options: RecordOptions,
    folder: Annotated[
        str,
        typer.Argument(
            metavar="FOLDER",
            help="Folder for the files; with --incremental or --delta also a URL, such as "
            "s3://bucket/lake.",
        ),
    ],
    archive: ArchivePath = ARCHIVE,
    incremental: Annotated[
        bool,
        typer.Option(
            "--incremental", help="Write only the days that changed since the last export."
        ),
    ] = False,
    delta: Annotated[
        bool,
        typer.Option("--delta", help="Write only the days that changed, to a Delta Lake table."),
    ] = False,
    memory_limit: Memory = None,
    threads: Threads = None,
    wait: Wait = WAIT,
) -> None:
    """Write the records of an archive as Parquet files, a folder for each UTC day."""
    if incremental and delta:
        raise InvalidRequest("--delta is incremental already: omit --incremental")
    with opened_archive(
        archive,
        wait,
        read_only=True,
        memory_limit=memory_limit or "400MB",
        threads=threads,
        mask=options.masking(),
    ) as opened:
        if not incremental and not delta:
            files = opened.to_parquet(folder)
            options.output.rows(({"file": str(file)} for file in files), ("file",))
            return
        with needs_extra():
            if delta:
                report = opened.to_delta(folder)
            else:
                report = opened.to_parquet(folder, incremental=True)
    changes = [
        *({"day": str(day), "change": "written"} for day in report.written),
        *({"day": str(day), "change": "removed"} for day in report.removed),
    ]
    options.output.rows(changes, ("day", "change"))
    if not options.as_json:
        plural = "s" * (report.unchanged != 1)
        write(f"note: {report.unchanged} day{plural} of {report.lake} unchanged", sys.stderr)


def sql(
    options: SourceOptions,
    query: Annotated[str, typer.Argument(metavar="QUERY", help="One SELECT.")],
    files: FilesOrArchive = None,
) -> None:
    """Run a read-only SQL query on an archive or on files."""
    if files and os.path.isfile(query):  # noqa: PTH113 - not every query is a valid Path
        raise InvalidRequest(f"QUERY {query!r} is a file: give the query first")
    with options.opened(files) as opened:
        found = opened.sql(query)
    columns = _distinct(found.columns)
    options.output.rows(
        (
            {name: cell(value) for name, value in zip(columns, row, strict=True)}
            for row in found.rows
        ),
        columns,
        labelled=False,
    )


def remove(
    options: OutputOptions,
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE", help="Name as loaded, SHA-256, or number in the table files."
        ),
    ],
    archive: ArchivePath = ARCHIVE,
    wait: Wait = WAIT,
) -> None:
    """Remove files loaded by mistake from an archive, as if they had never been loaded."""
    with opened_archive(archive, wait) as opened:
        options.output.rows(
            (attrs.asdict(opened.remove(int(f) if f.isdecimal() else f)) for f in files),
            ("name", "records", "loaded", "restored", "reopened"),
        )


def erase(
    options: OutputOptions,
    before: Annotated[
        str | None,
        typer.Option(
            "--before", metavar="DAY", help="Calls before this day, in UTC; also in later loads."
        ),
    ] = None,
    numbers: Annotated[
        list[str] | None,
        typer.Option("--number", metavar="NUMBER", help="Calls from or to a number; repeatable."),
    ] = None,
    users: Annotated[
        list[str] | None,
        typer.Option("--user", metavar="USER", help="Calls from or to an app user; repeatable."),
    ] = None,
    archive: ArchivePath = ARCHIVE,
    wait: Wait = WAIT,
) -> None:
    """Erase calls from an archive permanently, with their conflicts and rejects."""
    day = day_of(before, "--before")
    if day is None and not numbers and not users:
        raise InvalidRequest("nothing to erase: give --before, --number or --user")
    with opened_archive(archive, wait) as opened:
        report = opened.erase(before=day, numbers=numbers or (), users=users or ())
    options.output.record(attrs.asdict(report))


def compact(options: OutputOptions, archive: ArchivePath = ARCHIVE, wait: Wait = WAIT) -> None:
    """Rewrite an archive without free space."""
    before = archive.stat().st_size if archive.exists() else 0
    with opened_archive(archive, wait) as opened:
        opened.compact()
    options.output.record(
        {"archive": str(archive), "before": before, "after": archive.stat().st_size}
    )


def backup(
    options: OutputOptions,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Path of the copy; must be new.")],
    archive: ArchivePath = ARCHIVE,
    wait: Wait = WAIT,
) -> None:
    """Copy the current state of an archive."""
    with opened_archive(archive, wait, read_only=True) as opened:
        copy = opened.backup(file)
    options.output.record({"file": str(copy)})


def _distinct(names: Sequence[str]) -> list[str]:
    """Return unique column names; a join can have a name twice."""
    found: list[str] = []
    for name in names:
        free = (name, *(f"{name}_{number}" for number in range(1, len(names))))
        found.append(next(each for each in free if each not in found))
    return found


class _Bars:
    """The progress of loading: a line for all files and one for the current file."""

    def __init__(self, bars: Progress) -> None:
        self._bars = bars
        self._begin = time.monotonic()
        self._files = self._rows = self._bytes = 0
        self._all = bars.add_task("", total=None, seconds=None)
        self._file: TaskID | None = None
        self._largest = (0, 0.0)  # bytes and seconds of the largest file so far
        self._stage, self._begun = "", 0.0  # stage of the current file and its start
        self._update_total()

    def read(self, progress: cdr.LoadProgress) -> None:
        if self._file is None:
            self._file = self._bars.add_task("", total=None, seconds=self._expected(progress.size))
            self._stage, self._begun = "", 0.0
        if progress.stage == "done":
            self._bytes += progress.bytes
            self.give_up()
            return
        if self._expected(progress.size) is None:
            self._project(self._file, progress)
        size = "" if progress.size in (None, progress.bytes) else f" of {_size(progress.size)}"
        self._bars.update(
            self._file,
            description=f"{escape(printable(Path(progress.file).name, 60))}, {progress.stage} "
            f"{_size(progress.bytes)}{size}",
        )

    def give_up(self) -> None:
        """Remove the line of the current file."""
        if self._file is not None:
            self._bars.remove_task(self._file)
            self._file = None

    def count(self, file: cdr.FileReport) -> None:
        self._files += 1
        self._rows += file.records
        if not file.skipped:
            self._largest = max(self._largest, (file.size, file.seconds))
        self._update_total()

    def _expected(self, size: int | None) -> float | None:
        """Estimate the seconds for a file from an earlier file that was not much smaller, if any.

        The speed of reading is not a measure, because reading is a small part of loading.
        """
        known, seconds = self._largest
        return None if size is None or size > 10 * known else size * seconds / max(known, 1)

    def _project(self, file: TaskID, progress: cdr.LoadProgress) -> None:
        """Estimate the seconds for a file from the speed of its current stage."""
        elapsed = self._bars.tasks[self._bars.task_ids.index(file)].elapsed or 0.0
        if progress.stage != self._stage:
            self._stage, self._begun = progress.stage, elapsed
        if progress.stage in _SHARES and progress.size and progress.bytes:
            stage = (elapsed - self._begun) * progress.size / progress.bytes
            self._bars.update(file, seconds=self._begun + stage / _SHARES[progress.stage])

    def _update_total(self) -> None:
        rate = self._rows / max(time.monotonic() - self._begin, 1e-3)
        self._bars.update(
            self._all,
            description=f"{self._files:,} file{'s' * (self._files != 1)}, {_size(self._bytes)}, "
            f"{self._rows:,} rows, {rate:,.0f} rows/s",
        )


_SHARES = {"checking": 0.45, "sifting": 0.9}
"""Measured share of each stage in the time from its start to the end of loading."""


class _TimeLeft(ProgressColumn):
    """The estimated time left for a file, if known."""

    max_refresh = 0.5

    def render(self, task: Task) -> Text:
        seconds = task.fields["seconds"]
        if seconds is None:
            return Text()
        return Text(f"{max(1, round(seconds - (task.elapsed or 0)))} s left")


def _size(size: int | None) -> str:
    return filesize.decimal(size or 0)


@contextmanager
def _progress() -> Iterator[_Bars | None]:
    """Show progress bars on a terminal only."""
    if not sys.stderr.isatty():
        yield None
        return
    columns = ("{task.description}", TimeElapsedColumn(), _TimeLeft())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        yield _Bars(bars)


_NOT_COUNTS = ("by", "costs", "duration_percentiles", "setup_time_percentiles", "rest_groups")
_COUNTS = [field.name for field in attrs.fields(KpiRow) if field.name not in _NOT_COUNTS]


def _kpi_record(row: Any, *, top: int | None) -> Record:
    counts = {name: getattr(row, name) for name in _COUNTS}
    return {
        **{name: cell(value) for name, value in row.by.items()},
        **({} if top is None else {"rest_groups": row.rest_groups}),
        **{
            name: value.value if isinstance(value, Ratio) else cell(value)
            for name, value in counts.items()
        },
        **{f"duration_{_rank(p)}": value for p, value in row.duration_percentiles.items()},
        **{
            f"setup_time_{_rank(p)}": cell(value) for p, value in row.setup_time_percentiles.items()
        },
        "cost": [
            {
                "currency": cost.currency,
                "amount": f"{cost.amount:f}",
                "per_talk_minute": cost.per_talk_minute.value,
                "per_started_minute": cost.per_started_minute.value,
            }
            for cost in row.costs
        ],
    }


def _write_csv(records: list[Record], names: list[str]) -> None:
    currencies = list(
        dict.fromkeys(cost["currency"] for record in records for cost in record["cost"])
    )
    shown = {"amount": "cost", **{name: name for name in ("per_talk_minute", "per_started_minute")}}
    write_csv_row(
        [*names, *(f"{name} {currency}" for currency in currencies for name in shown.values())]
    )
    for record in records:
        costs = {cost["currency"]: cost for cost in record["cost"]}
        cells = [record[name] for name in names]
        for currency in currencies:
            cost = costs.get(currency, {})
            amount = cost.get("amount")
            cells.append(None if amount is None else Decimal(amount))
            cells += [cost.get(key) for key in ("per_talk_minute", "per_started_minute")]
        write_csv_row(cells)
