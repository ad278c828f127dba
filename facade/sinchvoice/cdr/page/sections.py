"""The sections of a report: texts, charts and tables, made from its numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import TypeVar

import attrs

from ...errors import printable
from ..comparison import ComparedKpi
from ..kpis import DEFINITIONS, WEEKDAYS, Dimension, KpiRow, Ratio
from ..signals import SignalReport
from . import charts
from .content import Content, Distribution

__all__ = ["Figure", "Section", "Table", "Tile", "makers", "signals_section"]

_MOST_SIGNALS = 30
_FORMULAS = {each.field: each for each in DEFINITIONS}
_OUTCOMES = {
    "answered": ("answered",),
    "busy or no answer": ("busy", "no_answer"),
    "given up or hung up": ("abandoned", "hung_up"),
    "network failures": ("network_failures",),
    "refused": ("blocked", "no_credit"),
    "undecided": ("undecided",),
}


@attrs.frozen
class Table:
    """A table of texts.

    Attributes:
        columns: Headings.
        rows: The cells; the first one of a row is its heading.
        is_prose: Whether cells are texts, to be wrapped, rather than numbers.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    is_prose: bool = False


@attrs.frozen(kw_only=True)
class Figure:
    """A chart and the table of its values.

    Attributes:
        caption: What it shows.
        drawing: SVG; None if there is nothing to draw.
        table: The values.
        series: Names of the series that can be switched off.
    """

    caption: str
    drawing: str | None
    table: Table
    series: Sequence[str] = ()


@attrs.frozen(kw_only=True)
class Tile:
    """A headline KPI.

    Attributes:
        name: Name.
        value: Value with its unit.
        basis: Formula, with numerator and denominator.
        change: Change against the period before; empty without one.
    """

    name: str
    value: str
    basis: str
    change: str = ""


@attrs.frozen(kw_only=True)
class Section:
    """A section of the page.

    Attributes:
        heading: Its heading.
        text: Its paragraphs.
        tiles: Headline KPIs.
        figures: Charts.
        tables: Tables without a chart, each with its caption.
    """

    heading: str
    text: Sequence[str] = ()
    tiles: Sequence[Tile] = ()
    figures: Sequence[Figure] = ()
    tables: Sequence[tuple[str, Table]] = ()


def makers(content: Content) -> list[Callable[[Content], Section]]:
    """Return a function for each section of a report, but for the signals of fraud."""
    functions: list[Callable[[Content], Section]] = [_headline, _records]
    if content.total.attempts:
        functions += [_course, _times, _results, _destinations, _callers, _distributions]
    return functions


# --- Headline ------------------------------------------------------------------------------------


def _headline(content: Content) -> Section:
    total, before = content.total, content.before
    tiles = [
        _count(content, "attempts", "Attempts"),
        _count(content, "answered", "Answered"),
        _ratio_tile(content, "asr", percent),
        _ratio_tile(content, "ner", percent),
        _ratio_tile(content, "acd", seconds),
        Tile(
            name="Minutes of use",
            value=f"{total.minutes_of_use:,.0f}",
            basis=f"talk time of {total.talk_seconds:,} s / 60",
            change=_change(
                content,
                "minutes_of_use",
                total.minutes_of_use,
                None if before is None else before.minutes_of_use,
                lambda value: f"{value:,.0f}",
            ),
        ),
        _ratio_tile(content, "short_calls", percent),
        _ratio_tile(content, "setup_time", seconds),
    ]
    for cost in total.costs:
        was = None
        if before is not None:
            was = next((c.amount for c in before.costs if c.currency == cost.currency), None)
        tiles.append(
            Tile(
                name=f"Cost in {name(cost.currency)}",
                value=f"{money(cost.amount)} {name(cost.currency)}",
                basis=f"{cost.priced:,} calls with an amount, {cost.started_minutes:,} started "
                "minutes",
                change=_change(content, "cost", cost.amount, was, money, cost.currency),
            )
        )
    text = []
    if before is None:
        text.append("There are no calls in the period before to compare with.")
    else:
        with_calls = (
            "1 has calls" if content.days_before == 1 else f"{content.days_before:,} have calls"
        )
        text.append(
            f"Changes are against as many days before the period, of which {with_calls}. More than "
            "chance means: days vary too little to explain the change. It says nothing about the "
            "cause. Changes that cannot be judged say neither."
        )
    return Section(heading="Key figures", text=text, tiles=tiles)


def _count(content: Content, field: ComparedKpi, title: str) -> Tile:
    value = getattr(content.total, field)
    before = None if content.before is None else getattr(content.before, field)
    return Tile(
        name=title,
        value=f"{value:,}",
        basis=_FORMULAS[field].meaning,
        change=_change(content, field, value, before, number),
    )


def _ratio_tile(content: Content, field: ComparedKpi, shown: Callable[[Ratio], str]) -> Tile:
    ratio: Ratio = getattr(content.total, field)
    change = ""
    was: Ratio | None = None if content.before is None else getattr(content.before, field)
    if was is not None and was.value is not None and ratio.value is not None:
        change = f"before {shown(was)}" + _verdict(content, field)
    return Tile(
        name=_FORMULAS[field].name,
        value=shown(ratio),
        basis=f"{ratio.formula}: {number(ratio.numerator)} / {number(ratio.denominator)}",
        change=change,
    )


Amount = TypeVar("Amount", int, float, Decimal)


def _change(
    content: Content,
    kpi: ComparedKpi,
    now: Amount,
    before: Amount | None,
    shown: Callable[[Amount], str],
    currency: str | None = None,
) -> str:
    """Return the change against the period before; empty if that has nothing to compare with."""
    if not before:
        return ""
    share = float((Decimal(now) - Decimal(before)) / Decimal(before))
    return f"{share:+.1%} against {shown(before)}" + _verdict(content, kpi, currency)


def _verdict(content: Content, kpi: ComparedKpi, currency: str | None = None) -> str:
    """Return whether a change is more than chance, if that is known."""
    verdict = content.more_than_chance.get((kpi, currency))
    if verdict is None:
        return ""
    return ": more than chance" if verdict else ": can be chance"


# --- Records -------------------------------------------------------------------------------------


def _records(content: Content) -> Section:
    text, tables = [], []
    if content.first is None or content.last is None:
        text.append(f"The records contain no {'such ' if content.filters else ''}calls.")
    else:
        length = (content.last - content.first).days + 1
        missing = sum((last - first).days + 1 for first, last in content.missing)
        text.append(
            f"{length - missing:,} of {length:,} days have calls. "
            "A day is not complete just because it has calls."
        )
        if content.missing:
            rows = [
                (first.isoformat(), last.isoformat(), f"{(last - first).days + 1:,}")
                for first, last in content.missing
            ]
            tables.append(("Days without calls", Table(("first", "last", "days"), rows)))
    if content.late is not None:
        text.append(
            f"{content.late:,} records of all days came late, with the file of a later day."
        )
    if content.rejects:
        causes = [(cause, f"{calls:,}") for cause, calls in content.rejects]
        caption = "Records that cannot be read, of all days"
        tables.append((caption, Table(("cause", "records"), causes)))
        text.append("No figure on this page counts the records that cannot be read.")
    else:
        text.append("No record is unreadable.")
    return Section(heading="Completeness", text=text, tables=tables)


# --- Time ----------------------------------------------------------------------------------------


def _course(content: Content) -> Section:
    unit = "week" if content.is_weekly else "day"
    by_day = {row.by["day"]: row for row in content.course}
    days = _every_day(content)
    calls = [
        {
            "day": day.isoformat(),
            "series": series,
            "value": None if (row := by_day.get(day)) is None else _sum(row, fields),
            "text": "" if row is None else f"{day}, {series}: {_sum(row, fields):,} calls",
        }
        for series, fields in _OUTCOMES.items()
        for day in days
    ]
    shown = [
        series
        for series, fields in _OUTCOMES.items()
        if any(_sum(row, fields) for row in content.course)
    ]
    table = _kpi_table(unit, content.course, lambda row: str(row.by["day"]))
    figures = [
        Figure(
            caption=f"Calls of each {unit} by outcome",
            drawing=charts.courses(
                [row for row in calls if row["series"] in shown], shown, "calls"
            ),
            table=_outcome_table(unit, content.course, lambda row: str(row.by["day"])),
            series=shown,
        )
    ]
    for field, caption, form, as_text in (
        ("asr", f"ASR of each {unit}; a larger point stands for more calls", "%", percent),
        (
            "acd",
            f"ACD of each {unit}, in seconds; a larger point stands for more calls",
            "d",
            seconds,
        ),
        ("short_calls", f"Share of short calls (at most 6 s) of each {unit}", "%", percent),
    ):
        rows = []
        for day in days:
            found = by_day.get(day)
            ratio: Ratio | None = None if found is None else getattr(found, field)
            rows.append(
                {
                    "day": day.isoformat(),
                    "value": None if ratio is None else ratio.value,
                    "calls": 0 if ratio is None else int(ratio.denominator),
                    "text": ""
                    if ratio is None
                    else f"{day}: {as_text(ratio)} of {number(ratio.denominator)} calls",
                }
            )
        drawing = charts.ratio_course(rows, _FORMULAS[field].unit, form) if rows else None
        figures.append(Figure(caption=caption, drawing=drawing, table=table))
    if not content.is_weekly:
        return Section(heading="Days", figures=figures)
    note = "A week is named by its Monday. The first and the last may have fewer than seven days."
    return Section(heading="Weeks", text=[note], figures=figures)


def _every_day(content: Content) -> list[date]:
    """Return the days of the course: all, or the Mondays."""
    if content.first is None or content.last is None:
        return []
    first, step = content.first, 1
    if content.is_weekly:
        first, step = first - timedelta(days=first.weekday()), 7
    return [
        first + timedelta(days=number) for number in range(0, (content.last - first).days + 1, step)
    ]


def _times(content: Content) -> Section:
    by_hour = {row.by["hour"]: row for row in content.hours}
    hours = [
        {
            "name": f"{hour:02}",
            "value": (calls := by_hour[hour].attempts if hour in by_hour else 0),
            "text": f"{hour:02} to {hour + 1:02}: {calls:,} calls",
        }
        for hour in range(24)
    ]
    week = {(row.by["weekday"], row.by["hour"]): row.attempts for row in content.week}
    cells = [
        {
            "weekday": day,
            "hour": hour,
            "value": (calls := week.get((day, hour), 0)),
            "text": f"{day}, {hour:02} to {hour + 1:02}: {calls:,} calls",
        }
        for day in WEEKDAYS
        for hour in range(24)
    ]
    heat = Table(
        ("weekday", *(f"{hour:02}" for hour in range(24))),
        [(day, *(f"{week.get((day, hour), 0):,}" for hour in range(24))) for day in WEEKDAYS],
    )
    return Section(
        heading="Hours and weekdays",
        figures=[
            Figure(
                caption="Calls by hour of the day",
                drawing=charts.columns(hours, "hour", "calls"),
                table=_kpi_table("hour", content.hours, lambda row: f"{row.by['hour']:02}"),
            ),
            Figure(
                caption="Calls by weekday and hour",
                drawing=charts.heat_map(cells, WEEKDAYS),
                table=heat,
            ),
        ],
    )


# --- Groups --------------------------------------------------------------------------------------


def _results(content: Content) -> Section:
    return Section(
        heading="Results and reasons",
        figures=[
            _group_figure("Calls by result", "result", content.results, content.total),
            _group_figure("Calls by reason", "reason", content.reasons, content.total),
        ],
    )


def _destinations(content: Content) -> Section:
    figure = _group_figure(
        f"Calls by {content.by}", content.by, content.destinations, content.total
    )
    costs = [
        (name(row.by[content.by]), f"{cost.priced:,}", f"{cost.priced_seconds / 60:,.1f}",
         money(cost.amount), name(cost.currency))
        for row in content.destinations
        for cost in row.costs
    ]  # fmt: skip
    table = Table((content.by, "calls with an amount", "their minutes", "cost", "currency"), costs)
    return Section(
        heading="Destinations",
        text=_rest(content, content.by),
        figures=[figure],
        tables=[(f"Cost by {content.by}; never added across currencies", table)] if costs else [],
    )


def _callers(content: Content) -> Section:
    figures, text = [], []
    groups: Sequence[tuple[Dimension, Sequence[KpiRow]]] = (
        ("application", content.applications),
        ("user", content.users),
    )
    for dimension, rows in groups:
        if rows:
            caption = f"Calls by {dimension}"
            figures.append(_group_figure(caption, dimension, rows, content.total))
            text += _rest(content, dimension)
    if not figures:
        text.append("No call names an application or a user.")
    return Section(heading="Applications and users", text=text, figures=figures)


def _rest(content: Content, dimension: Dimension) -> list[str]:
    left_out, unnamed = content.left_out.get(dimension, 0), content.unnamed.get(dimension, 0)
    text = [f"{left_out:,} more by {dimension} are not shown."] if left_out else []
    return [*text, f"{unnamed:,} calls have no {dimension}."] if unnamed else text


def _group_figure(
    caption: str, dimension: Dimension, rows: Sequence[KpiRow], total: KpiRow
) -> Figure:
    names = _distinct([_short(name(row.by[dimension])) for row in rows])
    data = [
        {
            "name": each,
            "value": row.attempts,
            "text": f"{each}: {row.attempts:,} calls, {row.attempts / total.attempts:.1%}",
        }
        for each, row in zip(names, rows, strict=True)
    ]
    table = _kpi_table(dimension, rows, lambda row: name(row.by[dimension]))
    return Figure(caption=caption, drawing=charts.bars(data, "calls"), table=table)


def _distributions(content: Content) -> Section:
    figures = []
    for caption, distribution, end in (
        ("Answered calls by duration, in seconds", content.durations, 1),
        ("Calls by setup time, in seconds; intervals exclude their ends", content.setup_times, 0),
    ):
        intervals = list(_intervals(distribution, end))
        data = [
            {"name": interval, "value": calls, "text": f"{interval} s: {calls:,} calls"}
            for interval, calls in intervals
        ]
        table = Table(("seconds", "calls"), [(each, f"{calls:,}") for each, calls in intervals])
        drawing = charts.columns(data, "seconds", "calls") if any(distribution.calls) else None
        figures.append(Figure(caption=caption, drawing=drawing, table=table))
    return Section(heading="Durations and setup times", figures=figures)


def _intervals(distribution: Distribution, end: int) -> Iterable[tuple[str, int]]:
    """Yield each interval with its calls; whole numbers end 1 before the next interval."""
    edges = distribution.edges
    for place, calls in enumerate(distribution.calls):
        last = place == len(edges) - 1
        yield f"{edges[place]} +" if last else f"{edges[place]} to {edges[place + 1] - end}", calls


# --- Signals -------------------------------------------------------------------------------------


def signals_section(found: SignalReport | None) -> Section:
    """Return the section on signals of fraud, with their evidence."""
    heading = "Signals of fraud"
    if found is None:
        return Section(
            heading=heading,
            text=["Signals need all calls: this page has those of a filter only."],
        )
    text = [
        "A signal is a reason to look, not a verdict.",
        "A score of 50 is at the threshold, and 75 at three times the threshold.",
        f"{found.past_days:,} days before the period have calls to compare with.",
    ]
    text += [printable(note, 500) for note in found.notes]
    if not found.signals:
        text.append("None was found.")
        if not found.notes:
            text.append(
                "The kinds are bursts of short calls, new expensive destinations, rates of callers "
                "and prefixes, and ranges of numbers."
            )
        return Section(heading=heading, text=text)
    if len(found.signals) > _MOST_SIGNALS:
        text.append(f"{len(found.signals) - _MOST_SIGNALS:,} more have a lower score.")
    rows = [
        (
            f"{signal.score:.0f}",
            signal.kind.replace("_", " "),
            name(signal.subject),
            f"{signal.start:%Y-%m-%d %H:%M}",
            f"{signal.last:%Y-%m-%d %H:%M}",
            printable(signal.reason, 500),
            ", ".join(name(call_id) for call_id in signal.call_ids),
        )
        for signal in found.signals[:_MOST_SIGNALS]
    ]
    columns = ("score", "kind", "subject", "from (UTC)", "to (UTC)", "reason", "first calls")
    table = Table(columns, rows, is_prose=True)
    return Section(heading=heading, text=text, tables=[("Signals, highest score first", table)])


# --- Tables --------------------------------------------------------------------------------------


def _kpi_table(heading: str, rows: Sequence[KpiRow], named: Callable[[KpiRow], str]) -> Table:
    columns = (heading, "calls", "answered", "ASR", "NER", "ACD", "minutes of use", "short calls")
    return Table(
        columns,
        [
            (
                named(row),
                f"{row.attempts:,}",
                f"{row.answered:,}",
                percent(row.asr),
                percent(row.ner),
                seconds(row.acd),
                minutes(row),
                percent(row.short_calls),
            )
            for row in rows
        ],
    )


def _outcome_table(heading: str, rows: Sequence[KpiRow], named: Callable[[KpiRow], str]) -> Table:
    return Table(
        (heading, "calls", *_OUTCOMES),
        [
            (
                named(row),
                f"{row.attempts:,}",
                *(f"{_sum(row, fields):,}" for fields in _OUTCOMES.values()),
            )
            for row in rows
        ],
    )


def _sum(row: KpiRow, fields: Iterable[str]) -> int:
    return sum(getattr(row, field) for field in fields)


# --- Texts ---------------------------------------------------------------------------------------


def name(value: object) -> str:
    """Return the name of a group; calls without a value have none."""
    return "none" if value is None else printable(str(value), 200)


def number(value: int | float | Decimal) -> str:
    """Return a number with separators between thousands."""
    return f"{value:,}" if isinstance(value, int) else f"{value:,.2f}".removesuffix(".00")


def money(value: Decimal) -> str:
    """Return an exact amount."""
    return f"{value:,f}"


def minutes(row: KpiRow) -> str:
    """Return the minutes of use."""
    return f"{row.minutes_of_use:,.1f}"


def percent(ratio: Ratio) -> str:
    """Return a share in per cent; `n/a` without calls."""
    return "n/a" if ratio.value is None else f"{ratio.value:.1%}"


def seconds(ratio: Ratio) -> str:
    """Return a mean in seconds; `n/a` without calls."""
    return "n/a" if ratio.value is None else f"{ratio.value:,.1f} s"


def _short(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:39]}…"


def _distinct(names: Sequence[str]) -> list[str]:
    """Number equal names, because a chart has one bar for each name."""
    found: list[str] = []
    for each in names:
        number, distinct = 1, each
        while distinct in found:
            number += 1
            distinct = f"{each} ({number})"
        found.append(distinct)
    return found
