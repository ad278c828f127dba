"""The numbers of a report: everything that is read from the records."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import attrs

from ...errors import printable
from .. import comparison, kpis
from ..comparison import ComparedKpi
from ..kpis import Dimension, KpiFilter, KpiRow, summed
from ..periods import span
from ..queries import Database
from ..signals import SignalReport, Thresholds

__all__ = ["FIRST", "LAST", "Content", "Distribution", "collect", "collect_signals"]

FIRST, LAST = date(2000, 1, 1), date(2069, 12, 31)
"""Days of a report; earlier and later ones are default dates and typing errors."""

_MOST_DAYS = 400
"""Number of days from which the course is by weeks: more days are neither legible nor small."""
_TOP = 15
"""Number of values of a dimension that are shown."""
_DURATIONS = (0, 6, 15, 30, 60, 120, 300, 600, 1800, 3600)
_TILES: tuple[ComparedKpi, ...] = tuple(
    name for name in comparison.COMPARED if name != "cost_per_talk_minute"
)
_EVIDENCE = 5
"""Most call ids of a signal."""
_SETUP_TIMES = (0, 1, 2, 3, 5, 8, 13, 20, 30, 60)


@attrs.frozen
class Distribution:
    """How many calls have a value from one edge to the next, in seconds.

    Attributes:
        edges: Lower edges; the last interval has no end.
        calls: Calls in each interval.
    """

    edges: Sequence[int]
    calls: Sequence[int]


@attrs.frozen(kw_only=True)
class Content:
    """The numbers of a report.

    Attributes:
        first: First day of the period; None without calls.
        last: Last day.
        tz: Name of the time zone.
        filters: The filter, as pairs of dimension and values.
        total: The KPIs of the period.
        before: The KPIs of as many days before it; None if there are no calls.
        days_before: Number of days before it that have calls.
        more_than_chance: Whether the change of a KPI, of a currency if it is a cost, is more than
            chance; without those that cannot be judged.
        is_weekly: Whether the course is by weeks, because the period is long.
        course: The KPIs of each day, or of each week by its Monday; without those that have no
            calls.
        missing: Days of the period without calls, as first and last day of each gap.
        hours: The KPIs of each hour of the day.
        week: The KPIs of each weekday and hour.
        results: The KPIs by result.
        reasons: The KPIs by reason.
        by: Name of the dimension of `destinations`.
        destinations: The KPIs by that dimension, most calls first.
        applications: The KPIs by application, most calls first.
        users: The KPIs by app user, most calls first; users without a name are left out.
        left_out: Number of values left out of the last three, by dimension.
        unnamed: Calls without a value that are left out of the last two, by dimension.
        durations: Distribution of the durations of answered calls.
        setup_times: Distribution of the setup times.
        late: Records loaded with a file of a later day, of all days; None for a scan.
        rejects: Unreadable records by cause, of all days.
    """

    first: date | None
    last: date | None
    tz: str
    filters: Sequence[tuple[str, str]]
    total: KpiRow
    before: KpiRow | None
    days_before: int
    more_than_chance: Mapping[tuple[ComparedKpi, str | None], bool]
    is_weekly: bool
    course: Sequence[KpiRow]
    missing: Sequence[tuple[date, date]]
    hours: Sequence[KpiRow]
    week: Sequence[KpiRow]
    results: Sequence[KpiRow]
    reasons: Sequence[KpiRow]
    by: Dimension
    destinations: Sequence[KpiRow]
    applications: Sequence[KpiRow]
    users: Sequence[KpiRow]
    left_out: Mapping[str, int]
    unnamed: Mapping[str, int]
    durations: Distribution
    setup_times: Distribution
    late: int | None
    rejects: Sequence[tuple[str, int]]


def collect(
    calls: Database,
    first: date | None,
    last: date | None,
    tz: ZoneInfo,
    where: KpiFilter,
    by: Dimension,
) -> Content:
    """Read the numbers; the arguments are those of `report`."""
    first, last, days = _period(calls, first, last, tz, where)
    chosen = where if first is None or last is None else _between(where, first, last, tz)

    def ask(*dimensions: Dimension, where: KpiFilter = chosen) -> list[KpiRow]:
        return list(calls.kpis(dimensions, where, tz=tz))

    left_out: dict[str, int] = {}
    unnamed: dict[str, int] = {}

    def largest(dimension: Dimension) -> list[KpiRow]:
        rows = sorted(ask(dimension), key=lambda row: -row.attempts)
        if dimension != by:
            unnamed[dimension] = sum(row.attempts for row in rows if row.by[dimension] is None)
            rows = [row for row in rows if row.by[dimension] is not None]
        left_out[dimension] = max(0, len(rows) - _TOP)
        return rows[:_TOP]

    week, endings = ask("weekday", "hour"), ask("result", "reason")
    (total,) = summed(week)
    before, days_before = None, 0
    more_than_chance: dict[tuple[ComparedKpi, str | None], bool] = {}
    if first is not None and last is not None:
        length = last - first + timedelta(days=1)
        reference = ask("day", where=_between(where, first - length, first - timedelta(days=1), tz))
        days_before = len(reference)
        (before,) = summed(reference)
        if before.attempts and first - length >= FIRST:
            found = calls.compare((first, last), where=where, kpi=_TILES, tz=tz)
            more_than_chance = {
                (change.kpi, change.currency): change.is_more_than_chance
                for change in found.changes
                if change.is_more_than_chance is not None
            }
    missing = _gaps(first, last, {row.by["day"] for row in days})
    is_weekly = first is not None and last is not None and (last - first).days >= _MOST_DAYS
    return Content(
        first=first,
        last=last,
        tz=tz.key,
        filters=[(name, _listed(value)) for name, value in where.items()],
        total=total,
        before=before if before is not None and before.attempts else None,
        days_before=days_before,
        more_than_chance=more_than_chance,
        is_weekly=is_weekly,
        course=summed(map(_of_week, days), ("day",)) if is_weekly else days,
        missing=missing,
        hours=summed(week, ("hour",)),
        week=week,
        results=summed(endings, ("result",)),
        reasons=sorted(summed(endings, ("reason",)), key=lambda row: -row.attempts),
        by=by,
        destinations=largest(by),
        applications=largest("application"),
        users=largest("user"),
        left_out=left_out,
        unnamed=unnamed,
        durations=_distribution(calls, "talk_seconds", _DURATIONS, chosen, tz),
        setup_times=_distribution(calls, "setup_seconds", _SETUP_TIMES, chosen, tz),
        late=_late(calls),
        rejects=_rejects(calls),
    )


def collect_signals(
    calls: Database, content: Content, tz: ZoneInfo, where: KpiFilter
) -> SignalReport | None:
    """Return the signals of fraud; None if the calls are filtered, or there are none."""
    if where or content.first is None or content.last is None:
        return None
    limits = Thresholds(evidence=_EVIDENCE)
    return calls.signals((content.first, content.last), thresholds=limits, tz=tz)


def _period(
    calls: Database, first: date | None, last: date | None, tz: ZoneInfo, where: KpiFilter
) -> tuple[date | None, date | None, list[KpiRow]]:
    """Return the period, and the KPIs of its days.

    By default the period is from the first to the last day with a plausible call; it is one day if
    a given end is beyond them.
    """
    if first is not None and last is not None:
        return first, last, list(calls.kpis("day", _between(where, first, last, tz), tz=tz))
    found = {row.by["day"]: row for row in calls.kpis("day", where, tz=tz)}
    days = sorted(day for day in found if isinstance(day, date) and FIRST <= day <= LAST)
    if not days:
        return first or last, last or first, []
    if first is None:
        last = days[-1] if last is None else last
        first = min(days[0], last)
    else:
        last = max(days[-1], first)
    return first, last, [found[day] for day in days if first <= day <= last]


def _of_week(row: KpiRow) -> KpiRow:
    """Return the KPIs of a day under the Monday of its week."""
    day = row.by["day"]
    assert isinstance(day, date)  # noqa: S101 - `_period` leaves the others out
    return attrs.evolve(row, by={"day": day - timedelta(days=day.weekday())})


def _between(where: KpiFilter, first: date, last: date, tz: ZoneInfo) -> KpiFilter:
    found = where.copy()
    found["start"], found["until"] = span(first, last, tz)
    return found


def _gaps(first: date | None, last: date | None, there: set[Any]) -> list[tuple[date, date]]:
    gaps: list[tuple[date, date]] = []
    if first is None or last is None:
        return gaps
    one = timedelta(days=1)
    present = sorted(day for day in there if isinstance(day, date) and first <= day <= last)
    for before, after in zip([first - one, *present], [*present, last + one], strict=True):
        if after - before > one:
            gaps.append((before + one, after - one))
    return gaps


def _distribution(
    calls: Database, value: str, edges: Sequence[int], where: KpiFilter, tz: ZoneInfo
) -> Distribution:
    number = " ".join(
        f"WHEN {value} >= {edge} THEN {place}" for place, edge in reversed([*enumerate(edges)])
    )
    query, parameters = kpis.over_calls(
        f"SELECT CASE {number} END AS place, count(*) FROM chosen "  # noqa: S608 - constants
        f"WHERE {value} IS NOT NULL GROUP BY place",
        where,
        tz,
    )
    found = dict(calls.sql(query, parameters).rows)
    return Distribution(edges, [found.get(place, 0) for place in range(len(edges))])


def _late(calls: Database) -> int | None:
    completeness: Callable[[], Sequence[Any]] | None = getattr(calls, "completeness", None)
    return None if completeness is None else sum(day.late for day in completeness())


def _rejects(calls: Database) -> list[tuple[str, int]]:
    resolved = " WHERE resolved_by IS NULL" if hasattr(calls, "completeness") else ""
    query = f"SELECT cause, count(*) FROM rejects{resolved} GROUP BY cause ORDER BY 2 DESC, 1"  # noqa: S608
    return [(str(cause), number) for cause, number in calls.sql(query).rows]


def _listed(value: Any) -> str:
    values = [value] if isinstance(value, str) or not hasattr(value, "__iter__") else list(value)
    return printable(", ".join("none" if each is None else str(each) for each in values), 200)
