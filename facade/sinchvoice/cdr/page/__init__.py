"""A report of call detail records as one HTML page.

    from sinchvoice import cdr

    with cdr.Archive("calls.duckdb", read_only=True) as archive:
        page = cdr.report(archive, first=date(2026, 11, 1), last=date(2026, 11, 30))
    Path("november.html").write_text(page, "utf-8")

The page needs nothing else: no network, no script, no font. It needs the extra:
`pip install 'sinchvoice[report]'`.
"""

from __future__ import annotations

import base64
import hashlib
import re
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from importlib.resources import files
from types import ModuleType
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from ...errors import InvalidRequest, printable
from ..kpis import Dimension, KpiFilter, zone
from ..queries import Database
from .content import FIRST, LAST, Content, collect, collect_signals

if TYPE_CHECKING:
    from .sections import Section

__all__ = ["report", "report_charts"]


def report(
    calls: Database,
    *,
    first: date | None = None,
    last: date | None = None,
    tz: str | ZoneInfo = "UTC",
    where: KpiFilter | None = None,
    by: Dimension = "country",
    title: str = "Call report",
) -> str:
    """Make a report of the calls in an archive or a scan.

    It has the completeness of the records, the KPIs with formula, numerator and denominator, their
    course over days and hours, results and reasons, destinations, applications and users, the
    distribution of durations and setup times, the change against the period before and whether it
    is more than chance, and signals of fraud. Every chart has a table of its values.

    Args:
        calls: The archive or scan.
        first: First day of the period, in the time zone, from 2000 to 2069; None for the first day
            with a call.
        last: Last day, included; None for the last day with a call.
        tz: Time zone of days, hours and weekdays; see `kpis.compute`.
        where: Filter of the calls, without `start` and `until`; see `kpis.KpiFilter`.
        by: Dimension of the section on destinations, for example `country` or `layout`.
        title: Heading of the page.

    Returns:
        The page: HTML in one text, in UTF-8 when written to a file.

    Raises:
        InvalidRequest: The period ends before it begins or is out of range, or a dimension, a
            value or the time zone does not exist.
        CdrError: The records cannot be read.
        ImportError: The extra is not installed.
    """
    content, found = _read_and_drawn(calls, first, last, tz, where, by)
    import jinja2

    style = _style()
    page = jinja2.Environment(
        loader=jinja2.PackageLoader(__name__, ""),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    ).get_template("page.html")
    return page.render(
        title=printable(title, 200),
        content=content,
        sections=found,
        style=style,
        digest=_digest(style),
        made=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
    )


def report_charts(
    calls: Database,
    *,
    first: date | None = None,
    last: date | None = None,
    tz: str | ZoneInfo = "UTC",
    where: KpiFilter | None = None,
    by: Dimension = "country",
) -> dict[str, bytes]:
    """Draw the charts of a report as PNG images, in the colours of its light theme.

    The arguments and errors are those of `report`.

    Returns:
        The images by caption, in the order of the page.
    """
    _, found = _read_and_drawn(calls, first, last, tz, where, by)
    from .charts import png

    colors = dict(re.findall(r"(--[a-z0-9-]+): (#[0-9a-f]{6})", _style().partition("@media")[0]))
    return {
        figure.caption: png(figure.drawing, colors, figure.series)
        for section in found
        for figure in section.figures
        if figure.drawing is not None
    }


def _read_and_drawn(
    calls: Database,
    first: date | None,
    last: date | None,
    tz: str | ZoneInfo,
    where: KpiFilter | None,
    by: Dimension,
) -> tuple[Content, list[Section]]:
    """Return the numbers of a report, and its sections with the charts."""
    where = KpiFilter() if where is None else where
    for name in ("start", "until"):
        if name in where:
            raise InvalidRequest(f"where has {name!r}: give the period with first and last")
    for name, day in (("first", first), ("last", last)):
        if day is not None and (not isinstance(day, date) or isinstance(day, datetime)):
            raise InvalidRequest(parameter=name, value=day, remedy="give a date")
        if day is not None and not FIRST <= day <= LAST:
            raise InvalidRequest(
                parameter=name, value=day, remedy=f"give a day from {FIRST} to {LAST}"
            )
    if first is not None and last is not None and last < first:
        raise InvalidRequest(
            f"the period from {first} to {last} ends before it begins: give the first day first"
        )
    if by == "prefix":
        raise InvalidRequest(
            parameter="by", value=by, remedy="give 'prefix:4' for the first 4 digits"
        )
    place = zone(tz)
    # The libraries for charts start while queries run, and charts are drawn while signals of fraud
    # are looked for.
    aside = ThreadPoolExecutor(1)
    try:
        starting = aside.submit(_start_drawing)
        content = collect(calls, first, last, place, where, by)
        try:
            module = starting.result()
        except ImportError as error:
            raise ImportError(
                f"reports need {error.name}: pip install 'sinchvoice[report]'"
            ) from error
        drawn = [aside.submit(make, content) for make in module.makers(content)]
        found = collect_signals(calls, content, place, where)
        made: list[Section] = [each.result() for each in drawn]
    finally:
        aside.shutdown(cancel_futures=True)
    if content.total.attempts:
        made.append(module.signals_section(found))
    return content, made


def _start_drawing() -> ModuleType:
    import jinja2  # noqa: F401 - for the page

    from . import charts, sections

    charts.start()
    return sections


def _style() -> str:
    return files(__name__).joinpath("page.css").read_text("utf-8")


def _digest(text: str) -> str:
    """Return a hash for the content security policy."""
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
