"""The commands of `sinchvoice report`: one user or many, counters and services."""

from __future__ import annotations

import csv
import io
import json
import os
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import date, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.live import Live
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from .. import ReportDomain, VoiceClient, endpoints
from ..errors import (
    ApiConnectionError,
    ConfigurationError,
    InvalidRequest,
    RateLimitError,
    ServerError,
)
from ..reports import FleetProgress, ReportOutcome, User, format_day, parse_day
from .charts import sparkline
from .input import read_bytes
from .options import ClientOptions, command, expanded, logged
from .output import NoReports, Output, Record, ReportsMissing, write, write_csv_row

__all__ = ["add"]

_COLUMNS = ("endpoint", "start", "stop", "success", "failed", "duration", "error")
_LONGEST = timedelta(days=30)
_UNITS = {"d": "days", "h": "hours", "m": "minutes"}


class _By(StrEnum):
    DAY = "day"
    WEEK = "week"
    MONTH = "month"


_Domain = Annotated[ReportDomain, typer.Option("--domain", help="Where the calls ended.")]
_Start = Annotated[
    str | None, typer.Option("--start", metavar="TIME", help="Begin on this day or at this time.")
]
_Stop = Annotated[
    str | None, typer.Option("--stop", metavar="TIME", help="End on this day or at this time.")
]
_Step = Annotated[
    str | None,
    typer.Option("--step", metavar="LENGTH", help="Report on windows of this length: 7d, 6h, 30m."),
]


def add(group: typer.Typer) -> None:
    """Add help and commands to the group."""
    group.callback()(expanded(about))
    command(group, user)
    command(group, users)
    command(group, counter)
    command(group, service)


def about(options: ClientOptions) -> None:
    """Report on calls, counters and services."""


def user(
    options: ClientOptions,
    endpoint: Annotated[
        str,
        typer.Argument(
            metavar="ENDPOINT",
            help="Number with its plus, or an app user; number:… and username:… are explicit.",
        ),
    ],
    domain: _Domain = ReportDomain.DATA,
    start: _Start = None,
    stop: _Stop = None,
    by_day: Annotated[bool, typer.Option("--by-day", help="Report on each day.")] = False,
    step: _Step = None,
) -> None:
    """Report on the calls of an app user or a number.

    Times are days in UTC, like 2026-11-01, or times with a zone, like 2026-11-01T09:00Z. With
    --by-day or --step, the whole period may be longer than 30 days.
    """
    asked: dict[str, Any] = {
        "endpoint": endpoints.parse(endpoint).to_dict(),
        "domain": domain.value,
    }
    begin, end = _period(start, stop)
    length = _length(step, by_day=by_day)
    if length is None:
        with logged(options), options.client() as voice:
            report = voice.reports.user_calls(endpoint, domain=domain, start=begin, stop=end)
        asked["start"] = None if begin is None else format_day(begin)
        asked["stop"] = None if end is None else format_day(end)
        options.output.record({**asked, **report.to_dict()})
        return
    if begin is None or end is None:
        raise InvalidRequest(
            "--by-day and --step need a beginning and an end: give --start and --stop"
        )
    if not isinstance(begin, datetime) and length % timedelta(days=1):
        raise InvalidRequest(
            f"--step is {step!r} between days: give times, like --start {start}T00:00Z"
        )
    with logged(options), options.client() as voice:
        windows = voice.reports.user_calls_by_window(endpoint, begin, end, length, domain=domain)
        options.output.rows(
            ({**asked, **window.to_dict()} for window in windows),
            ("start", "stop", "success", "failed", "duration"),
        )


def users(
    options: ClientOptions,
    endpoint: Annotated[
        list[str] | None,
        typer.Argument(metavar="[ENDPOINT]...", help="Numbers with their plus, or app users."),
    ] = None,
    file: Annotated[
        str | None,
        typer.Option(
            "--file", metavar="FILE", help="File with one endpoint per line; - for standard input."
        ),
    ] = None,
    column: Annotated[
        str | None,
        typer.Option("--column", metavar="NAME", help="Column of the endpoints in a CSV file."),
    ] = None,
    domain: _Domain = ReportDomain.DATA,
    start: _Start = None,
    stop: _Stop = None,
    by: Annotated[
        _By | None, typer.Option("--by", help="Report on each day, week or month, in UTC.")
    ] = None,
    step: _Step = None,
    concurrency: Annotated[
        int,
        typer.Option("--concurrency", metavar="N", min=1, max=1000, help="Requests at once."),
    ] = 16,
    resume: Annotated[
        str | None,
        typer.Option(
            "--resume",
            metavar="FILE",
            help="Journal of the run, from which an interrupted run continues.",
        ),
    ] = None,
    as_csv: Annotated[
        bool, typer.Option("--csv", help="Print CSV that is safe to open in a spreadsheet.")
    ] = False,
    parquet: Annotated[
        Path | None,
        typer.Option("--parquet", metavar="FILE", help="Write the reports to a Parquet file."),
    ] = None,
) -> None:
    """Report on the calls of many app users and numbers.

    No window is longer than 30 days. Exit code: 0 if there is a report on every user and window,
    12 if some are missing, 13 if all are.
    """
    if sum((as_csv, options.as_json, parquet is not None)) > 1:
        raise InvalidRequest("--csv, --json and --parquet are three formats: give one of them")
    if by is not None and step is not None:
        raise InvalidRequest("--by and --step both cut the period: give one of them")
    wanted = _users(endpoint or [], file, column)
    begin, end = _period(start, stop)
    cut: Any = _length(step) if by is None else by.value
    if (begin is None or end is None) and (begin is not end or cut is not None):
        raise InvalidRequest(
            "a period, --by and --step need a beginning and an end: give --start and --stop"
        )
    counts = {"reports": 0, "failed": 0}
    first: list[Exception] = []

    def counted(outcomes: Iterator[ReportOutcome]) -> Iterator[Record]:
        for outcome in outcomes:
            counts["reports" if outcome.error is None else "failed"] += 1
            if outcome.error is not None and not first:
                first.append(outcome.error)
            record = {**outcome.to_dict(), "domain": domain.value}
            if outcome.error is not None and not options.as_json:
                record["error"] = str(outcome.error)
            yield record

    with logged(options), options.client() as voice, _bar() as told:
        outcomes = voice.reports.user_calls_many(
            wanted,
            begin,
            end,
            step=cut,
            domain=domain,
            concurrency=concurrency,
            resume=resume,
            progress=told,
        )
        try:
            with closing(outcomes):  # type: ignore[type-var]
                records = counted(outcomes)
                if parquet is not None:
                    _write_parquet(records, parquet)
                elif as_csv:
                    _write_csv(records)
                else:
                    options.output.rows(records, _COLUMNS)
        except KeyboardInterrupt:
            write(
                "interrupted: the reports so far are lost; --resume FILE keeps them"
                if resume is None
                else f"interrupted: the same command with --resume {resume} continues",
                sys.stderr,
            )
            raise
    if parquet is not None:
        options.output.record({"file": str(parquet), **counts})
    if counts["failed"]:
        total = sum(counts.values())
        kind = ReportsMissing if counts["reports"] else NoReports
        raise kind(f"{counts['failed']:,} of {total:,} reports are missing; the first: {first[0]}")


def _period(start: str | None, stop: str | None) -> tuple[date | None, date | None]:
    """Read the ends of a period, two days or two times."""
    begin, end = parse_day(start, "--start"), parse_day(stop, "--stop")
    if begin and end and isinstance(begin, datetime) is not isinstance(end, datetime):
        raise InvalidRequest(f"--start is {start!r}, --stop {stop!r}: give two days or two times")
    return begin, end


def _length(step: str | None, *, by_day: bool = False) -> timedelta | None:
    """Read the length of a window."""
    if step is None:
        return timedelta(days=1) if by_day else None
    if by_day:
        raise InvalidRequest(f"--step is {step!r}: give a length, or --by-day, not both")
    number, unit = step[:-1], step[-1:]
    if not (number.isascii() and number.isdigit() and len(number) <= 6 and unit in _UNITS):
        raise InvalidRequest(f"--step is {step!r}: give a length like 7d, 6h or 30m")
    found = timedelta(**{_UNITS[unit]: int(number)})
    if not timedelta(0) < found <= _LONGEST:
        raise InvalidRequest(f"--step is {step!r}: give more than nothing, and at most 30d")
    return found


# --- Counters and services -----------------------------------------------------------------------


def counter(
    options: ClientOptions,
    counter_id: Annotated[
        str, typer.Argument(metavar="COUNTER", help="Name of the counter, like currentcalls.")
    ],
    watch: Annotated[
        bool, typer.Option("--watch", help="Read the counter every two minutes, until Ctrl-C.")
    ] = False,
) -> None:
    """Read a counter of the platform, refreshed every two minutes."""
    with logged(options), options.client() as voice:
        if watch:
            _watch(options.output, voice, counter_id)
        found = voice.reports.counter(counter_id)
    options.output.record({"counter": counter_id, **found.to_dict()})


def service(
    options: ClientOptions,
    service_id: Annotated[
        str, typer.Argument(metavar="SERVICE", help="Name of the service, like rtpproxy.")
    ],
) -> None:
    """Show whether a service is up. The exit code is 0 in both cases."""
    with logged(options), options.client() as voice:
        found = voice.reports.service_status(service_id)
    options.output.record({"service": service_id, **found.to_dict()})


REFRESH = 120.0  # seconds
_KEPT = 90  # readings: three hours


def _watch(output: Output, voice: VoiceClient, counter_id: str) -> NoReturn:
    """Read a counter at every refresh, until Ctrl-C.

    A terminal shows one line, with a graph of the last three hours; other output gets each reading.
    A temporary failure gives a warning.
    """
    kept: deque[float] = deque(maxlen=_KEPT)

    def readings() -> Iterator[Record]:
        while True:
            began = time.monotonic()
            try:
                found = voice.reports.counter(counter_id)
            except (ApiConnectionError, RateLimitError, ServerError) as error:
                write(f"warning: {error}", sys.stderr)
            else:
                kept.append(float(found.value))
                yield {"counter": counter_id, **found.to_dict()}
            time.sleep(max(0.0, began + REFRESH - time.monotonic()))

    if output.as_json or not sys.stdout.isatty():
        output.rows(readings(), ("counter", "value", "modified"))
    else:
        with Live(console=output.console(), auto_refresh=False) as live:
            for reading in readings():
                least, most = min(kept), max(kept)
                text = f"{reading['counter']} {reading['value']}  {sparkline(kept)}"
                live.update(Text(f"{text}  {least:g} to {most:g}"), refresh=True)
    raise AssertionError("a watch has no end")


# --- Users ---------------------------------------------------------------------------------------


def _users(given: list[str], file: str | None, column: str | None) -> list[User]:
    if column is not None and file is None:
        raise InvalidRequest(f"--column is {column!r} without a file: give --file as well")
    named = [("", text) for text in given]
    if file is not None:
        name = "standard input" if file == "-" else file
        lines = _lines(name, read_bytes(file), column)
        named += [(f"{name}, line {number}: ", text) for number, text in lines]
    if not named:
        raise InvalidRequest("there are no users: give endpoints, or --file with one per line")
    return [_user(where, text) for where, text in named]


def _user(where: str, text: str) -> User:
    try:
        user = endpoints.parse(text)
    except InvalidRequest as error:
        error.message = f"{where}{error.message}"
        raise
    if isinstance(user, endpoints.SipEndpoint):
        raise InvalidRequest(
            f"{where}there are no reports on SIP addresses, and {text!r} is one: give a phone "
            "number or an app user"
        )
    return user


def _lines(name: str, content: bytes, column: str | None) -> Iterator[tuple[int, str]]:
    """Yield line number and text of each user; empty lines and comments are skipped."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidRequest(f"{name} is not UTF-8 (byte {error.start}): convert it") from None
    if column is None:
        for number, line in enumerate(text.splitlines(), 1):
            if line.strip() and not line.lstrip().startswith("#"):
                yield number, line.strip()
        return
    header = text.partition("\n")[0]
    separator = max(",;\t", key=header.count)
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=separator)
    if column not in (reader.fieldnames or ()):
        there = ", ".join(map(repr, reader.fieldnames or ())) or "none"
        raise InvalidRequest(f"{name} has no column {column!r}: it has {there}")
    try:
        for row in reader:
            if value := (row[column] or "").strip():
                yield reader.line_num, value
    except csv.Error as error:
        raise InvalidRequest(f"{name}, line {reader.line_num}: {error}: correct the file") from None


# --- Output --------------------------------------------------------------------------------------


def _flat(record: Record) -> Record:
    """Return the record with the endpoint in two columns."""
    return {
        **record,
        "type": record["endpoint"]["type"],
        "endpoint": record["endpoint"]["endpoint"],
    }


def _write_csv(records: Iterator[Record]) -> None:
    names = ("type", *_COLUMNS[:-1], "first_call", "domain", "error")
    write_csv_row(names)
    for record in records:
        write_csv_row(_flat(record)[name] for name in names)


def _write_parquet(records: Iterator[Record], path: Path) -> None:
    """Write the whole file, or nothing."""
    try:
        import duckdb
    except ImportError as error:
        raise ConfigurationError("--parquet needs DuckDB: pip install 'sinchvoice[cdr]'") from error
    if not path.absolute().parent.is_dir():
        raise InvalidRequest(f"--parquet is {str(path)!r}: there is no folder {path.parent}")
    with tempfile.TemporaryDirectory(dir=path.absolute().parent, prefix=".sinchvoice-") as folder:
        lines, made = Path(folder, "reports.jsonl"), Path(folder, "reports.parquet")
        with lines.open("w", encoding="utf-8") as file:
            for record in records:
                file.write(json.dumps(_flat(record)) + "\n")
        with duckdb.connect() as connection:
            connection.execute(
                "COPY (SELECT * REPLACE ("
                "try_cast(start AS TIMESTAMP) AS start, try_cast(stop AS TIMESTAMP) AS stop, "
                "try_cast(first_call AS TIMESTAMP) AS first_call"
                ") FROM read_json($lines, format = 'newline_delimited', columns = {"
                "type: 'VARCHAR', endpoint: 'VARCHAR', domain: 'VARCHAR', start: 'VARCHAR', "
                "stop: 'VARCHAR', success: 'BIGINT', failed: 'BIGINT', duration: 'BIGINT', "
                "first_call: 'VARCHAR', error: 'VARCHAR'})) TO $made (FORMAT parquet)",
                {"lines": str(lines), "made": str(made)},
            )
        os.replace(made, path)  # noqa: PTH105 - atomic


@contextmanager
def _bar() -> Iterator[Any]:
    """Yield a callback that shows progress on a terminal; None elsewhere."""
    if not sys.stderr.isatty():
        yield None
        return
    columns = (BarColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        bar = bars.add_task("", total=None)

        def told(progress: FleetProgress) -> None:
            parts = [f"{progress.done:,} of {progress.total:,}"]
            if progress.failed:
                parts.append(f"{progress.failed:,} failed")
            if progress.rate is not None and progress.remaining is not None:
                parts += [f"{progress.rate:.0f}/s", f"{progress.remaining:.0f} s left"]
            bars.update(
                bar,
                total=progress.total,
                completed=progress.done,
                description=", ".join(parts),
            )

        yield told
