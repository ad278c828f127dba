"""Shared parts of the commands for call detail records: options, opened records, filters, cells."""

from __future__ import annotations

import math
import os
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, date, datetime
from datetime import time as time_of_day
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, cast

import attrs
import typer

from .. import cdr
from ..cdr import kpis
from ..cdr.kpis import DIMENSIONS
from ..cdr.opening import is_database
from ..errors import ArchiveInUse, ConfigurationError, InvalidRequest, printable
from ..hidden import Hidden
from ..reports import parse_day
from .options import ClientOptions, OutputOptions
from .output import Record, write

__all__ = [
    "ARCHIVE",
    "WAIT",
    "ArchiveOrFiles",
    "ArchivePath",
    "AsCsv",
    "By",
    "ClientSourceOptions",
    "DaysTz",
    "Files",
    "FilesOrArchive",
    "Layout",
    "Memory",
    "MinAttempts",
    "Period",
    "PrefixFile",
    "RecordOptions",
    "Recursive",
    "SourceOptions",
    "Threads",
    "Tz",
    "Wait",
    "Where",
    "Xlsx",
    "cell",
    "check_formats",
    "check_no_archives",
    "day_of",
    "known_layout",
    "kpi_filter",
    "load_record",
    "needs_extra",
    "opened_archive",
    "report_left_out",
    "utc",
    "write_spreadsheet",
]

Files = Annotated[
    list[str],
    typer.Argument(
        metavar="FILE", help="Files, folders, quoted globs, URLs; - for standard input."
    ),
]
Layout = Annotated[
    str | None,
    typer.Option(
        "--layout",
        metavar="LAYOUT",
        autocompletion=lambda: list(cdr.LAYOUTS),
        help=f"Layout of records without a header row: {', '.join(cdr.LAYOUTS)}.",
    ),
]
Recursive = Annotated[bool, typer.Option("--recursive", help="Read subfolders as well.")]
ARCHIVE = Path("calls.duckdb")
ArchivePath = Annotated[
    Path, typer.Option("--archive", metavar="ARCHIVE", help="DuckDB file of the archive.")
]
ArchiveOrFiles = Annotated[
    Path | None,
    typer.Option(
        "--archive",
        metavar="ARCHIVE",
        help="DuckDB file of the archive.",
        show_default=str(ARCHIVE),
    ),
]
FilesOrArchive = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[FILE]...",
        help="Files, a lake or an archive to query; if none are given, that of --archive.",
    ),
]
Memory = Annotated[
    str | None,
    typer.Option("--memory-limit", metavar="SIZE", help="Memory limit of DuckDB, such as 512MB."),
]
Threads = Annotated[
    int | None,
    typer.Option("--threads", metavar="N", help="Threads of DuckDB; one per core if unset."),
]
Wait = Annotated[
    float,
    typer.Option(
        "--wait", metavar="SECONDS", help="Wait this long for another process to close the archive."
    ),
]
WAIT = 60.0
By = Annotated[
    list[str] | None,
    typer.Option(
        "--by",
        metavar="DIMENSION",
        autocompletion=lambda: [*DIMENSIONS, "prefix"],
        help=f"Group by {', '.join(DIMENSIONS)}, prefix:N (first N digits of the called number) or "
        "prefix; repeatable.",
    ),
]
Where = Annotated[
    list[str] | None,
    typer.Option(
        "--where",
        metavar="DIMENSION=VALUE",
        help="Count only these calls; repeatable for more values or dimensions. start=TIME counts "
        "calls from that time on, until=TIME calls before it.",
    ),
]
MinAttempts = Annotated[
    int,
    typer.Option("--min-attempts", metavar="N", help="No ratios for groups with fewer attempts."),
]
Tz = Annotated[
    str,
    typer.Option(
        "--tz",
        metavar="ZONE",
        help="Time zone of day, hour and weekday, and of days in --where; for example "
        "Europe/Stockholm.",
    ),
]
DaysTz = Annotated[
    str,
    typer.Option(
        "--tz", metavar="ZONE", help="Time zone of the days; for example Europe/Stockholm."
    ),
]
Period = Annotated[
    str,
    typer.Option(
        "--period",
        metavar="DAYS",
        help="Days, first and last included: 2026-11-23..2026-11-29, or one day.",
    ),
]
AsCsv = Annotated[
    bool, typer.Option("--csv", help="Print CSV, safe from formulas in spreadsheets.")
]


def _spreadsheet(path: Path | None) -> Path | None:
    if path is not None and path.suffix.lower() != ".xlsx":
        raise InvalidRequest(f"--xlsx is {str(path)!r}: give a name that ends in .xlsx")
    return path


Xlsx = Annotated[
    Path | None,
    typer.Option(
        "--xlsx",
        metavar="FILE",
        callback=_spreadsheet,
        help="Write a spreadsheet instead of printing.",
    ),
]
_KEY_VARIABLE = "SINCHVOICE_MASK_KEY"


PrefixFile = Annotated[
    Path | None,
    typer.Option(
        "--prefixes",
        metavar="FILE",
        help="CSV file with prefixes and optional names, for --by prefix; the longest match "
        "counts.",
    ),
]


@attrs.frozen(kw_only=True, slots=False)
class RecordOptions(OutputOptions):
    """Options for output with texts from records."""

    mask_numbers: Annotated[
        str | None,
        typer.Option(
            "--mask-numbers",
            metavar="METHOD",
            autocompletion=lambda: ["shorten", "hash"],
            help="Mask phone numbers and users: shorten or hash.",
        ),
    ] = None
    mask_key_file: Annotated[
        Path | None,
        typer.Option(
            "--mask-key-file",
            metavar="FILE",
            help=f"File with the secret key of the hashes; {_KEY_VARIABLE} or a new one if unset.",
        ),
    ] = None

    def masking(self) -> cdr.Masking | None:
        """Return the masking of all records in this run; call it once.

        Raises:
            InvalidRequest: The method does not exist, or the key is not usable.
        """
        method = self.mask_numbers
        if method is None:
            if self.mask_key_file is not None:
                raise InvalidRequest("--mask-key-file has no effect without --mask-numbers hash")
            return None
        if method not in ("shorten", "hash"):
            raise InvalidRequest(f"--mask-numbers is {method!r}: give shorten or hash")
        if method == "shorten":
            if self.mask_key_file is not None:
                raise InvalidRequest(
                    "--mask-key-file has no effect with --mask-numbers shorten: give hash, or omit "
                    "the file"
                )
            return cdr.Masking("shorten")
        if self.mask_key_file is not None:
            return _hashing(f"--mask-key-file {self.mask_key_file}", _content(self.mask_key_file))
        if key := os.environ.get(_KEY_VARIABLE):
            return _hashing(_KEY_VARIABLE, Hidden(key.encode("utf-8", "surrogateescape")))
        write(
            "note: numbers are hashed with a new key, so the next run gives other hashes. To keep "
            f"the hashes, set {_KEY_VARIABLE} or give --mask-key-file",
            sys.stderr,
        )
        return cdr.Masking("hash")


@attrs.frozen(kw_only=True, slots=False)
class SourceOptions(RecordOptions):
    """Options for queries of an archive or of files."""

    archive: ArchiveOrFiles = None
    layout: Layout = None
    recursive: Recursive = False
    memory_limit: Memory = None
    threads: Threads = None
    wait: Wait = WAIT

    def archive_of(self, files: list[str] | None) -> Path | None:
        """Return the path of the archive to query; None to query the files."""
        if self.archive is None and files is not None and len(files) == 1 and _is_database(*files):
            return Path(*files)
        return None if files else self.archive or ARCHIVE

    def opened(self, files: list[str] | None) -> cdr.Archive | cdr.Scan:
        """Open the files or the archive to query; without either, that of --archive."""
        path = self.archive_of(files)
        if path is not None:
            if self.layout is not None:
                raise InvalidRequest("--layout applies to files: give files, or omit it")
            if self.recursive:
                raise InvalidRequest("--recursive applies to folders: give folders, or omit it")
            return opened_archive(
                path,
                self.wait,
                read_only=True,
                memory_limit=self.memory_limit,
                threads=self.threads,
                mask=self.masking(),
            )
        assert files  # noqa: S101 - otherwise there is an archive
        if self.archive is not None:
            raise InvalidRequest(
                f"--archive {self.archive} and files exclude each other: give one of them"
            )
        check_no_archives(files, "query it alone, or give files alone")
        with needs_extra():
            found = cdr.scan(
                *files,
                layout=known_layout(self.layout),
                recursive=self.recursive,
                memory_limit=self.memory_limit,
                threads=self.threads,
                mask=self.masking(),
            )
        report_left_out(found.left_out, attrs.evolve(self, as_json=False))
        if found.rejected:
            write(
                f"warning: {found.rejected} of {found.records} records cannot be read and are left "
                "out: see sinchvoice cdr check",
                sys.stderr,
            )
        return found


@attrs.frozen(kw_only=True, slots=False)
class ClientSourceOptions(ClientOptions, SourceOptions):
    """Options for requests, and for queries of an archive or of files."""


def _content(path: Path) -> Hidden[bytes]:
    try:
        return Hidden(path.read_bytes().strip())
    except OSError as error:
        raise InvalidRequest(
            f"--mask-key-file {path} cannot be read: {error.strerror or error}"
        ) from None


def _hashing(source: str, key: Hidden[bytes]) -> cdr.Masking:
    if not key.reveal():
        raise InvalidRequest(f"{source} has no key: write at least 16 bytes to it")
    try:
        return cdr.Masking("hash", key=key.reveal())
    except InvalidRequest as error:
        raise InvalidRequest(f"{source}: {error.message}") from None


def check_formats(
    options: OutputOptions, *, as_csv: bool = False, xlsx: Path | None = None
) -> None:
    """Refuse CSV together with another format."""
    for option, is_given in (("--json", options.as_json), ("--xlsx", xlsx is not None)):
        if as_csv and is_given:
            raise InvalidRequest(f"--csv and {option} are two formats: give one of them")


def write_spreadsheet(
    path: Path, rows: Sequence[object], options: OutputOptions, *, columns: Sequence[str] = ()
) -> None:
    """Write the rows of a result to a spreadsheet, and report its name and number of rows."""
    with needs_extra():
        cdr.write_xlsx(path, rows, columns=columns)
    options.output.record({"file": str(path), "rows": len(rows)})


def check_no_archives(files: list[str], remedy: str = "give it with --archive") -> None:
    for file in files:
        if _is_database(file):
            raise InvalidRequest(f"{file} is an archive: {remedy}")


def _is_database(file: str) -> bool:
    path = Path(file)
    try:
        return path.is_file() and is_database(path)  # a pipe can be read only once
    except (OSError, ValueError):
        return False  # the reader reports the reason


def opened_archive(
    path: Path,
    wait: float,
    *,
    must_exist: bool = True,
    read_only: bool = False,
    memory_limit: str | None = None,
    threads: int | None = None,
    mask: cdr.Masking | None = None,
) -> cdr.Archive:
    if must_exist and not path.exists():
        error = InvalidRequest(f"the archive {str(path)!r} does not exist")
        error.add_note("give it with --archive, or create it with sinchvoice cdr load")
        raise error

    def open_within(seconds: float) -> cdr.Archive:
        return cdr.Archive(
            path,
            read_only=read_only,
            wait=seconds,
            memory_limit=memory_limit,
            threads=threads,
            mask=mask,
        )

    with needs_extra():
        try:
            return open_within(0)
        except ArchiveInUse as error:
            if wait <= 0:
                raise
            write(f"waiting up to {wait:g} s: {error}", sys.stderr)
        return open_within(wait)


@contextmanager
def needs_extra() -> Iterator[None]:
    try:
        yield
    except ImportError as error:
        raise ConfigurationError(str(error)) from None


def known_layout(layout: str | None) -> cdr.LayoutName | None:
    """Return the name of a layout as its type; its user checks it."""
    return cast("cdr.LayoutName | None", layout)


def report_left_out(files: Sequence[cdr.LeftOut], options: OutputOptions) -> None:
    """Report the number of files left out and the reasons; with -v, the names."""
    if options.verbose:
        for file in files:
            write(f"left out: {printable(file.name, 300)} ({file.reason})", sys.stderr)
    if files and not options.as_json:
        reasons = Counter(file.reason for file in files)
        counts = "; ".join(f"{reason}: {number}" for reason, number in sorted(reasons.items()))
        plural = "s" * (len(files) > 1)
        write(f"note: {len(files)} file{plural} left out ({counts})", sys.stderr)
        hints = [] if options.verbose else ["-v lists them"]
        if reasons["a folder"]:
            hints.append("--recursive reads folders")
        if hints:
            write(f"hint: {'; '.join(hints)}", sys.stderr)


def load_record(file: cdr.FileReport) -> Record:
    """Return the report on a loaded file."""
    return {
        "file": file.name,
        "records": file.records,
        "loaded": file.loaded,
        "duplicates": file.duplicates,
        "conflicts": file.conflicts,
        "rejected": file.rejected,
        "erased": file.erased,
        "completed": file.completed,
        "resolved": file.resolved,
        "skipped": file.skipped,
        "read_by": file.read_by,
        "fallback": file.fallback,
        "seconds": round(file.seconds, 3),
    }


def kpi_filter(conditions: list[str], tz: str) -> Any:
    """Return conditions as a `KpiFilter`; the KPIs check names and values."""
    found: dict[str, Any] = {}
    for condition in conditions:
        name, equals, text = condition.partition("=")
        if not equals:
            raise InvalidRequest(f"--where is {condition!r}: give DIMENSION=VALUE")
        if name in ("start", "until"):
            if name in found:
                raise InvalidRequest(f"--where {name} is given twice: give it once")
            found[name] = _instant(f"--where {name}", text, tz)
            continue
        value: Any = text or None
        try:
            if name == "day":
                value = date.fromisoformat(text)
            elif name == "hour":
                value = int(text)
        except ValueError:
            raise InvalidRequest(
                f"--where is {condition!r}: {text!r} is not a valid {name}: "
                f"give one like {_LIKE[name]}"
            ) from None
        found.setdefault(name, []).append(value)
    return found or None


_LIKE = {"day": "2026-11-01", "hour": "8"}


def day_of(text: str | None, name: str) -> date | None:
    """Return the day in an option, if it is given."""
    if text is None:
        return None
    with suppress(InvalidRequest):
        if not isinstance(day := parse_day(text, name), datetime):
            return day
    raise InvalidRequest(f"{name} is {text!r}: give a day like 2026-11-01")


def _instant(name: str, text: str, tz: str) -> datetime:
    """Return a time, or the start of a day in a time zone."""
    found = parse_day(text, name)
    assert found is not None  # noqa: S101 - only None gives None
    if isinstance(found, datetime):
        return found
    return datetime.combine(found, time_of_day(), kpis.zone(tz)).astimezone(UTC)


def cell(value: object) -> object:
    if isinstance(value, datetime):
        return utc(value)
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)  # JSON has no such numbers
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return f"{value:f}" if isinstance(value, Decimal) else str(value)


def utc(moment: datetime | None) -> str | None:
    return None if moment is None else f"{moment.isoformat()}Z"
