"""The command that writes a report of calls as a page, a document or images."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated, Any, cast

import attrs
import typer

from .. import cdr
from ..cdr import kpis
from ..cdr.kpis import DIMENSIONS, Dimension
from ..cdr.workspace import replacing
from ..errors import ConfigurationError, InvalidRequest
from .cdr_options import (
    FilesOrArchive,
    SourceOptions,
    Tz,
    Where,
    day_of,
    kpi_filter,
)
from .output import write

__all__ = ["report"]

_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_FIRST, _LAST = date(2000, 1, 1), date(2069, 12, 31)  # the days that `cdr.report` takes
_PATIENCE = 120  # seconds for a browser to print


_Layout = Annotated[
    str | None,
    typer.Option(
        "--layout",
        metavar="LAYOUT",
        autocompletion=lambda: list(cdr.LAYOUTS),
        help="Only calls of this layout, as which files without a header row are read: "
        f"{', '.join(cdr.LAYOUTS)}.",
    ),
]


@attrs.frozen(kw_only=True, slots=False)
class ReportOptions(SourceOptions):
    """Options for queries, where the layout is a filter."""

    layout: _Layout = None

    def opened(self, files: list[str] | None) -> cdr.Archive | cdr.Scan:
        """Open the files or the archive; only files are read by the layout."""
        layout = None if self.archive_of(files) is not None else self.layout
        return SourceOptions.opened(attrs.evolve(self, layout=layout), files)


def report(
    options: ReportOptions,
    files: FilesOrArchive = None,
    given: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="File to write; a folder for png. If unset, report.html, report.pdf or report.",
        ),
    ] = None,
    first: Annotated[
        str | None,
        typer.Option(
            "--from", metavar="DAY", help="First day; if unset, the first day with a call."
        ),
    ] = None,
    last: Annotated[
        str | None,
        typer.Option(
            "--to", metavar="DAY", help="Last day, included; if unset, the last day with a call."
        ),
    ] = None,
    tz: Tz = "UTC",
    by: Annotated[
        list[str] | None,
        typer.Option(
            "--by",
            metavar="DIMENSION",
            autocompletion=lambda: list(DIMENSIONS),
            help="Dimension of the section about destinations; if unset, country.",
        ),
    ] = None,
    country: Annotated[
        list[str] | None,
        typer.Option("--country", metavar="CODE", help="Only calls to this country; repeatable."),
    ] = None,
    application: Annotated[
        list[str] | None,
        typer.Option(
            "--application", metavar="KEY", help="Only calls of this application; repeatable."
        ),
    ] = None,
    where: Where = None,
    title: Annotated[
        str, typer.Option("--title", metavar="TEXT", help="Heading of the page.")
    ] = "Call report",
    form: Annotated[
        str,
        typer.Option(
            "--format", metavar="html|pdf|png", help="pdf needs Chromium; png is a file per chart."
        ),
    ] = "html",
) -> None:
    """Write a report of calls as one HTML page: completeness, KPIs, charts and tables."""
    if form not in ("html", "pdf", "png"):
        raise InvalidRequest(f"--format is {form!r}: give html, pdf or png")
    if by is not None and len(by) > 1:
        raise InvalidRequest(f"--by is {' and '.join(map(repr, by))}: give one dimension")
    output = Path("report" if form == "png" else f"report.{form}") if given is None else given
    if not output.absolute().parent.is_dir():
        raise InvalidRequest(
            f"--output is in {str(output.parent)!r}, which does not exist: create the folder, or "
            "give another path"
        )
    layout = options.layout
    if layout is not None and layout not in cdr.LAYOUTS:
        raise InvalidRequest(f"--layout is {layout!r}: give one of {', '.join(cdr.LAYOUTS)}")
    if layout is not None and any(each.startswith("layout=") for each in where or ()):
        raise InvalidRequest("--layout and --where layout exclude each other: give one of them")
    browser = _browser() if form == "pdf" else ""
    conditions = [
        *(where or ()),
        *(f"country={each}" for each in country or ()),
        *(f"application={each}" for each in application or ()),
    ]
    chosen = [*conditions, *([f"layout={layout}"] if layout else [])]
    filtered = kpi_filter(chosen, tz)
    for name in {"start", "until"} & (filtered or {}).keys():
        raise InvalidRequest(f"--where has {name!r}: give the period with --from and --to")
    wanted: Any = {
        "first": _day(first, "--from"),
        "last": _day(last, "--to"),
        "tz": tz,
        "where": filtered,
        "by": cast("Dimension", by[0] if by else "country"),
    }
    with options.opened(files) as opened:
        try:
            if form == "png":
                made = _write_images(output, cdr.report_charts(opened, **wanted))
            else:
                page = cdr.report(opened, title=title, **wanted)
                made = [output]
                _write(output, _printed(browser, page) if browser else page.encode())
        except ImportError as error:
            raise ConfigurationError(str(error)) from None
        period = wanted["first"], wanted["last"]
        calls, others = _count(opened, chosen, *period, tz), 0
        if layout is not None and options.archive_of(files) is None:
            others = _count(opened, conditions, *period, tz) - calls
    options.output.rows(({"file": str(file)} for file in made), ("file",))
    if others:
        write(f"note: {others} calls of other layouts are left out", sys.stderr)
    if not calls:
        result = f"{output} has no calls" if made else f"no calls, so no images in {output}"
        write(f"note: {result}", sys.stderr)


def _count(
    opened: cdr.Archive | cdr.Scan,
    conditions: list[str],
    first: date | None,
    last: date | None,
    tz: str,
) -> int:
    """Return the number of calls of a report: those of its period on plausible days."""
    ends = [f"start={first or _FIRST}", f"until={(last or _LAST) + timedelta(days=1)}"]
    where = kpi_filter([*conditions, *ends], tz)
    query, parameters = kpis.over_calls("SELECT count(*) FROM chosen", where, tz)
    ((number,),) = opened.sql(query, parameters).rows
    return int(number)


def _is_plausible(day: date) -> bool:
    return _FIRST <= day <= _LAST


def _day(text: str | None, name: str) -> date | None:
    day = day_of(text, name)
    if day is not None and not _is_plausible(day):
        raise InvalidRequest(f"{name} is {text!r}: give a day from {_FIRST} to {_LAST}")
    return day


def _write(path: Path, content: bytes) -> None:
    """Write a file, whole or not at all."""
    try:
        with replacing(path) as new:
            new.write_bytes(content)
    except OSError as error:
        raise InvalidRequest(
            f"{str(path)!r} cannot be written ({error.strerror or error}): give another path"
        ) from error


def _write_images(folder: Path, images: Mapping[str, bytes]) -> list[Path]:
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise InvalidRequest(
            f"{str(folder)!r} is not a folder ({error.strerror}): give a folder with --output"
        ) from error
    made = []
    for number, (caption, content) in enumerate(images.items(), 1):
        words = re.sub("[^a-z0-9]+", "-", caption.lower())[:40].strip("-")
        path = folder / f"{number:02}-{words}.png"
        _write(path, content)
        made.append(path)
    return made


def _browser() -> str:
    """Return the path of a browser for printing pages."""
    names: tuple[str | None, ...] = (os.environ.get("CHROMIUM"), *map(shutil.which, _BROWSERS))
    for name in names:
        if name:
            return name
    raise ConfigurationError(
        "a PDF needs Chromium, which is not installed: install it, set CHROMIUM to its path, or "
        "print the HTML page from a browser"
    )


def _not_printed(browser: str, reason: object) -> str:
    return (
        f"{browser!r} cannot print the page ({reason}): set CHROMIUM to the path of Chromium, or "
        "print the HTML page from a browser"
    )


def _printed(browser: str, page: str) -> bytes:
    """Return a page as a PDF document."""
    with tempfile.TemporaryDirectory(prefix="sinchvoice-report-") as name:
        source, printed = Path(name, "page.html"), Path(name, "page.pdf")
        source.write_text(page, "utf-8")
        options = ["--headless", "--disable-gpu", "--no-first-run", "--no-pdf-header-footer"]
        if hasattr(os, "geteuid") and os.geteuid() == 0:
            options.append("--no-sandbox")  # root has no other way; the page has no script
        command = [browser, *options, f"--user-data-dir={name}/profile"]
        command += [f"--print-to-pdf={printed}", source.as_uri()]
        try:
            done = subprocess.run(  # noqa: S603
                command, capture_output=True, timeout=_PATIENCE, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            reason = getattr(error, "strerror", None) or error
            raise ConfigurationError(_not_printed(browser, reason)) from error
        if not printed.is_file():
            last = done.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2]
            raise ConfigurationError(
                _not_printed(browser, last or f"exit code {done.returncode}, and no document")
            )
        return printed.read_bytes()
