"""Comparison of the KPIs of two periods: each change with its counts, and whether it is chance.

    from sinchvoice.cdr import comparison, kpis

    found = comparison.compare(
        kpis.on_spark(session), "2026-11-23..2026-11-29", "same-weekdays", by="country"
    )
    for change in found.changes:
        if change.is_more_than_chance:
            print(change.by["country"], change.kpi, change.reference.value, change.value.value)

`Archive.compare` and `Scan.compare` do the same. docs/how-to/compare-and-alert.md has the method.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, Literal, NamedTuple, TypeAlias, cast, get_args
from zoneinfo import ZoneInfo

import attrs

from ..errors import InvalidRequest
from . import kpis
from .amounts import exact_sum
from .kpis import WEEKDAYS, Dimension, KpiCost, KpiFilter, KpiRow, Ratio, Run
from .layouts import LAYOUTS
from .periods import query_time, span
from .prefixes import PrefixTable
from .significance import Kind, Sample, p_value, which_are_real
from .zones import local_time

__all__ = [
    "COMPARED",
    "Change",
    "ComparedKpi",
    "Comparison",
    "Period",
    "PeriodLike",
    "With",
    "compare",
]

ComparedKpi: TypeAlias = Literal[
    "attempts",
    "answered",
    "minutes_of_use",
    "asr",
    "ner",
    "acd",
    "setup_time",
    "short_calls",
    "cost",
    "cost_per_talk_minute",
]
COMPARED: tuple[ComparedKpi, ...] = get_args(ComparedKpi)
"""KPIs to compare; `attempts`, `answered`, `minutes_of_use` and `cost` are per day."""

TOTALS: frozenset[ComparedKpi] = frozenset(("attempts", "answered", "minutes_of_use", "cost"))
"""KPIs per day; the others are ratios of two totals."""

MONEY: frozenset[ComparedKpi] = frozenset(("cost", "cost_per_talk_minute"))
"""KPIs of each currency."""

PeriodLike: TypeAlias = "Period | str | date | tuple[date, date]"
"""A period: `2026-11-23..2026-11-29` with both days, a day, or the first and the last day."""

With: TypeAlias = "Literal['previous', 'same-weekdays'] | PeriodLike"
"""What to compare with; see `compare`."""

_DAY = timedelta(days=1)
_FIRST, _LAST = date(2000, 1, 1), date(2069, 12, 31)


# --- Periods -------------------------------------------------------------------------------------


@attrs.frozen
class Period:
    """A set of days.

    Attributes:
        days: The days in ascending order; local to the time zone of the comparison.
    """

    days: tuple[date, ...]

    @classmethod
    def of(cls, given: PeriodLike, name: str = "period") -> Period:
        """Return a period.

        Args:
            given: Days as text, `2026-11-23..2026-11-29` or `2026-11-23`, as one date, or as first
                and last date. Both ends are included.
            name: Name of the argument, for errors.

        Raises:
            InvalidRequest: It is not a period, ends before it starts, or is out of range.
        """
        if isinstance(given, Period):
            return given
        first, last = _ends(given, name)
        if last < first:
            raise InvalidRequest(
                parameter=name, value=f"{first}..{last}", remedy="give the first day first"
            )
        if first < _FIRST or last > _LAST:
            raise InvalidRequest(
                parameter=name,
                value=f"{first}..{last}",
                remedy=f"give days from {_FIRST} to {_LAST}",
            )
        return cls(tuple(_range(first, last + _DAY)))

    @property
    def first(self) -> date:
        """The first day."""
        return self.days[0]

    @property
    def last(self) -> date:
        """The last day."""
        return self.days[-1]

    def utc_days(self, tz: str | ZoneInfo) -> tuple[date, date]:
        """Return the first and the last UTC day that a period in a time zone touches."""
        start, until = span(self.first, self.last, tz)
        return start.date(), (until - timedelta(microseconds=1)).date()

    def __str__(self) -> str:
        """Return the days as text, such as `2026-11-23..2026-11-29`."""
        weekdays = sorted({day.weekday() for day in self.days})
        text = f"{self.first}..{self.last}" if len(self.days) > 1 else str(self.first)
        if len(self.days) == (self.last - self.first).days + 1:
            return text
        return f"{text} ({', '.join(WEEKDAYS[number][:3] for number in weekdays)})"


def _ends(given: object, name: str) -> tuple[date, date]:
    ends: tuple[object, ...] | None
    if isinstance(given, str):
        start, dots, end = given.partition("..")
        try:
            ends = _day(start), _day(end if dots else start)
        except ValueError:
            ends = None
    elif isinstance(given, tuple) and len(given) == 2:
        ends = given
    else:
        ends = (given, given)
    if ends is None or not all(
        isinstance(each, date) and not isinstance(each, datetime) for each in ends
    ):
        raise InvalidRequest(
            parameter=name,
            value=given,
            remedy="give a day like 2026-11-23, or the first and the last day like "
            "2026-11-23..2026-11-29",
        )
    return cast("tuple[date, date]", ends)


def _day(text: str) -> date:
    if not re.fullmatch(r"\d{4}-\d\d-\d\d", text, re.ASCII):
        raise ValueError(text)
    return date.fromisoformat(text)


def _range(first: date, until: date) -> Iterable[date]:
    return (first + number * _DAY for number in range((until - first).days))


def reference_of(period: Period, with_: With, weeks: int) -> Period:
    """Return the period to compare with."""
    if isinstance(weeks, bool) or not isinstance(weeks, int) or not 1 <= weeks <= 52:
        raise InvalidRequest(parameter="weeks", value=weeks, remedy="give a number from 1 to 52")
    if with_ == "previous":
        length = period.last - period.first + _DAY
        return Period(tuple(day - length for day in period.days))
    if with_ == "same-weekdays":
        weekdays = {day.weekday() for day in period.days}
        before = _range(period.first - weeks * 7 * _DAY, period.first)
        return Period(tuple(day for day in before if day.weekday() in weekdays))
    try:
        reference = Period.of(with_, "with")
    except InvalidRequest as error:
        if isinstance(with_, str) and ".." not in with_:
            raise InvalidRequest(
                parameter="with",
                value=with_,
                remedy="give 'previous', 'same-weekdays' or days like 2026-10-01..2026-10-07",
            ) from None
        raise error
    if both := sorted(set(period.days) & set(reference.days)):
        raise InvalidRequest(
            parameter="with",
            value=str(reference),
            remedy=f"give other days than those of the period: both have {both[0]}",
        )
    return reference


# --- Results -------------------------------------------------------------------------------------


@attrs.frozen(kw_only=True)
class Change:
    """The change of one KPI of one group.

    Attributes:
        by: Value of each requested dimension; None if the calls have none.
        kpi: The KPI.
        currency: Currency of a cost; otherwise None.
        value: The KPI in the period, with numerator and denominator. Attempts, answered calls,
            minutes and costs are per day.
        reference: The KPI in the reference period.
        attempts: All calls of the group in the period.
        reference_attempts: All calls of the group in the reference period.
        absolute: Value minus reference; None if one is missing.
        relative: Absolute change divided by the reference without its sign; None without one, or
            if it is 0.
        p_value: Probability of a change at least this large by chance; None if unknown.
        is_more_than_chance: Whether the change is more than chance, among all changes of the
            comparison; None if unknown.
        reason: Why `p_value` is unknown; otherwise None.
    """

    by: Mapping[Dimension, date | int | str | None] = attrs.field(hash=False)
    kpi: ComparedKpi
    currency: str | None
    value: Ratio
    reference: Ratio
    attempts: int
    reference_attempts: int
    absolute: float | None
    relative: float | None
    p_value: float | None
    is_more_than_chance: bool | None
    reason: str | None


@attrs.frozen(kw_only=True)
class Comparison:
    """The changes between two periods.

    Attributes:
        period: The compared days.
        reference: The days they are compared with.
        tz: Time zone of the days.
        changes: A change for each group, KPI and currency; groups with calls in either period.
        notes: Remarks that limit the comparison: missing days, different weekdays, days with more
            or fewer than 24 hours, calls that may still come.
    """

    period: Period
    reference: Period
    tz: str
    changes: tuple[Change, ...]
    notes: tuple[str, ...]

    def with_notes(self, notes: Iterable[str]) -> Comparison:
        """Return the comparison with more notes, each once."""
        return attrs.evolve(self, notes=tuple(dict.fromkeys((*self.notes, *notes))))


# --- Comparing -----------------------------------------------------------------------------------


def compare(
    run: Run,
    period: PeriodLike,
    with_: With = "previous",
    *,
    by: Dimension | Sequence[Dimension] = (),
    where: KpiFilter | None = None,
    kpi: ComparedKpi | Sequence[ComparedKpi] | None = None,
    min_attempts: int = 1,
    tz: str | ZoneInfo = "UTC",
    weeks: int = 4,
    alpha: float = 0.05,
    prefixes: PrefixTable | None = None,
) -> Comparison:
    """Compare the KPIs of two periods, for each group.

    Days without any record are left out, and noted.

    Args:
        run: Access to the records, as for `kpis.compute`.
        period: Days to compare.
        with_: Days to compare with: `previous` for as many days immediately before the period,
            `same-weekdays` for the days with the same weekdays in the weeks before it, or a period.
        by: One or more of `kpis.DIMENSIONS` except `day` to group by.
        where: Filter of the counted calls, without `day`, `start` and `until`.
        kpi: One or more of `COMPARED`; None for all.
        min_attempts: Groups with fewer attempts in a period have no ratios for it; 1 or more.
        tz: Time zone of the days, as for `kpis.compute`.
        weeks: Weeks of `same-weekdays`, 1 to 52.
        alpha: Share of false alarms among the changes that are called more than chance; between 0
            and 1.
        prefixes: Table for the dimension `prefix`, as for `kpis.compute`.

    Returns:
        The changes, in the order of groups and then of `COMPARED`.

    Raises:
        InvalidRequest: An argument is wrong.
    """
    zone = kpis.zone(tz)
    wanted = _wanted(kpi)
    dimensions, counted = checked(by, where, zone, min_attempts, prefixes)
    if isinstance(alpha, bool) or not isinstance(alpha, int | float) or not 0 < alpha < 1:
        raise InvalidRequest(parameter="alpha", value=alpha, remedy="give a number between 0 and 1")
    this = Period.of(period)
    other = reference_of(this, with_, weeks)
    sides = [Side.of(run, each, counted, zone, dimensions, prefixes) for each in (this, other)]
    changes = _changes(sides, dimensions, wanted, min_attempts)
    real = which_are_real((change.p_value for change in changes), alpha)
    return Comparison(
        period=this,
        reference=other,
        tz=zone.key,
        changes=tuple(
            attrs.evolve(change, is_more_than_chance=each)
            for change, each in zip(changes, real, strict=True)
        ),
        notes=(*_notes_on_days(sides, counted, zone), *_notes_on_weekdays(sides)),
    )


def _wanted(kpi: ComparedKpi | Sequence[ComparedKpi] | None) -> tuple[ComparedKpi, ...]:
    if kpi is None:
        return COMPARED
    names: tuple[ComparedKpi, ...] = (kpi,) if isinstance(kpi, str) else tuple(kpi)
    for name in names:
        if name not in COMPARED:
            raise InvalidRequest(
                parameter="kpi", value=name, remedy=f"give one of {', '.join(COMPARED)}"
            )
    if not names:
        raise InvalidRequest(parameter="kpi", value=kpi, remedy="give at least one")
    return tuple(name for name in COMPARED if name in names)


def checked(
    by: Dimension | Sequence[Dimension],
    where: KpiFilter | None,
    zone: ZoneInfo,
    min_attempts: int = 1,
    prefixes: PrefixTable | None = None,
) -> tuple[tuple[Dimension, ...], KpiFilter]:
    """Return dimensions and filter, which leave the days to the periods.

    Raises:
        InvalidRequest: A dimension or a value is wrong, or chooses days.
    """
    counted: KpiFilter = {} if where is None else where
    kpis.compute(lambda *_: (), by, counted, min_attempts=min_attempts, tz=zone, prefixes=prefixes)
    dimensions: tuple[Dimension, ...] = (by,) if isinstance(by, str) else tuple(by)
    if "day" in dimensions:
        raise InvalidRequest("by has 'day': the periods choose the days, so group by others")
    for name in ("day", "start", "until"):
        if name in counted:
            raise InvalidRequest(f"where has {name!r}: the periods choose the days, so remove it")
    return dimensions, counted


@attrs.frozen
class Side:
    """The KPIs of one period by group and day.

    Attributes:
        period: The days.
        days: Days with any records that the filter's weekdays allow.
        absent: Days without any record.
        layouts: Days of each layout.
        groups: Rows of each group by day.
    """

    period: Period
    days: tuple[date, ...]
    absent: tuple[date, ...]
    layouts: Mapping[str, Collection[date]]
    groups: Mapping[tuple[Any, ...], Mapping[date, KpiRow]]

    @classmethod
    def of(
        cls,
        run: Run,
        period: Period,
        where: KpiFilter,
        zone: ZoneInfo,
        dimensions: tuple[Dimension, ...],
        prefixes: PrefixTable | None = None,
    ) -> Side:
        """Compute the KPIs of a period."""
        within = within_period(period, zone)
        layouts = days_of_layouts(run, period, zone)
        present = set[date]().union(*layouts.values())
        days = tuple(day for day in period.days if WEEKDAYS[day.weekday()] in _weekdays(where))
        groups: dict[tuple[Any, ...], dict[date, KpiRow]] = {}
        of_days = cast("KpiFilter", {**where, **within})
        days_by = (*dimensions, "day")
        for row in kpis.compute(run, days_by, of_days, tz=zone, prefixes=prefixes):
            *group, day = row.by.values()
            groups.setdefault(tuple(group), {})[cast("date", day)] = row
        return cls(
            period,
            tuple(day for day in days if day in present),
            tuple(day for day in days if day not in present),
            layouts,
            groups,
        )

    def days_of(self, by: Mapping[Dimension, Any]) -> list[date]:
        """Return the days that a group can have."""
        weekday = by.get("weekday")
        return [day for day in self.days if weekday in (None, WEEKDAYS[day.weekday()])]


def within_period(period: Period, zone: ZoneInfo) -> KpiFilter:
    """Return a filter for the calls of a period."""
    start, until = span(period.first, period.last, zone)
    found: KpiFilter = {"start": start, "until": until}
    if len(period.days) <= (period.last - period.first).days:
        found["day"] = period.days
    return found


def _weekdays(where: KpiFilter) -> Collection[str]:
    wanted = where.get("weekday", WEEKDAYS)
    return (wanted,) if isinstance(wanted, str) else wanted


def days_of_layouts(run: Run, period: Period, zone: ZoneInfo) -> dict[str, set[date]]:
    """Return the days of a period with records of each layout."""
    query = _DAYS.format(day=f"CAST({local_time('call_time', zone.key)} AS DATE)")
    start, until = map(query_time, span(period.first, period.last, zone))
    days = frozenset(period.days)
    found: dict[str, set[date]] = defaultdict(set)
    for layout, day in run(query, {"start": start, "until": until}):
        if day in days:
            found[layout].add(day)
    return found


_DAYS = """
SELECT DISTINCT layout, {day} AS day FROM records
WHERE call_time >= CAST(:start AS TIMESTAMP WITHOUT TIME ZONE)
    AND call_time < CAST(:until AS TIMESTAMP WITHOUT TIME ZONE)
"""


# --- KPIs of days --------------------------------------------------------------------------------


class Parts(NamedTuple):
    """A KPI as a quotient: its numerator, its denominator, and the calls behind the numerator."""

    numerator: int | Decimal
    denominator: int | float
    calls: int


class Measure(NamedTuple):
    """How a KPI is made of the rows of days: `parts`, summed over them.

    The denominator of a total is the number of days, times `unit`.
    """

    kind: Kind
    formula: str
    parts: Callable[[KpiRow, KpiCost], Parts]
    unit: int = 1


def _of_ratio(row: Ratio, calls: int) -> Parts:
    return Parts(row.numerator, row.denominator, calls)


_FORMULAS = {each.field: each.formula for each in kpis.DEFINITIONS}
MEASURES: Mapping[ComparedKpi, Measure] = {
    "attempts": Measure(
        "count", "attempts / days", lambda row, _: Parts(row.attempts, 1, row.attempts)
    ),
    "answered": Measure(
        "count", "answered / days", lambda row, _: Parts(row.answered, 1, row.answered)
    ),
    "minutes_of_use": Measure(
        "sum",
        "talk_seconds / (60 * days)",
        lambda row, _: Parts(row.talk_seconds, 1, row.timed),
        60,
    ),
    "asr": Measure("share", _FORMULAS["asr"], lambda row, _: _of_ratio(row.asr, row.attempts)),
    "ner": Measure(
        "share", _FORMULAS["ner"], lambda row, _: _of_ratio(row.ner, int(row.ner.denominator))
    ),
    "acd": Measure("sum", _FORMULAS["acd"], lambda row, _: _of_ratio(row.acd, row.timed)),
    "setup_time": Measure(
        "sum", _FORMULAS["setup_time"], lambda row, _: _of_ratio(row.setup_time, row.connected)
    ),
    "short_calls": Measure(
        "share", _FORMULAS["short_calls"], lambda row, _: _of_ratio(row.short_calls, row.timed)
    ),
    "cost": Measure("sum", "amount / days", lambda _, cost: Parts(cost.amount, 1, cost.priced)),
    "cost_per_talk_minute": Measure(
        "sum",
        _FORMULAS["costs.per_talk_minute"],
        lambda _, cost: Parts(cost.amount, cost.priced_seconds, cost.priced),
        60,
    ),
}


def cost_in(row: KpiRow, currency: str | None) -> KpiCost | None:
    """Return the cost in a currency, if there are calls with one."""
    return next((cost for cost in row.costs if cost.currency == currency), None)


def ratio_of(
    kpi: ComparedKpi, rows: Iterable[KpiRow], currency: str | None, days: int, *, enough: bool
) -> Ratio:
    """Return a KPI over rows of different days.

    Args:
        kpi: The KPI.
        rows: The rows.
        currency: Currency of a cost.
        days: Number of days, also those without a row.
        enough: False for a ratio without a value.
    """
    measure = MEASURES[kpi]
    parts = [each for row in rows if (each := _parts(kpi, row, currency)) is not None]
    numerator: int | Decimal
    if kpi in MONEY:
        numerator = exact_sum(Decimal(each.numerator) for each in parts)
    else:
        numerator = sum(each.numerator for each in parts)
    denominator: int | float = sum(each.denominator for each in parts)
    if kpi in TOTALS:
        denominator = days * measure.unit
    elif measure.unit != 1:
        denominator /= measure.unit
    value = float(numerator) / denominator if denominator and enough else None
    return Ratio(numerator, denominator, value, measure.formula)


_NO_COST = cast("KpiCost", None)


def _parts(kpi: ComparedKpi, row: KpiRow, currency: str | None) -> Parts | None:
    measure = MEASURES[kpi]
    if kpi not in MONEY:
        return measure.parts(row, _NO_COST)
    cost = cost_in(row, currency)
    return None if cost is None else measure.parts(row, cost)


def _changes(
    sides: Sequence[Side],
    dimensions: tuple[Dimension, ...],
    wanted: Sequence[ComparedKpi],
    min_attempts: int,
) -> list[Change]:
    groups = set[tuple[Any, ...]]().union(*(side.groups for side in sides))
    if not dimensions:
        groups.add(())
    found = []
    for group in sorted(groups, key=lambda group: [_place(value) for value in group]):
        by = dict(zip(dimensions, group, strict=True))
        rows = [side.groups.get(group, {}) for side in sides]
        days = [side.days_of(by) for side in sides]
        attempts = [sum(row.attempts for row in each.values()) for each in rows]
        currencies = {cost.currency for each in rows for row in each.values() for cost in row.costs}
        for kpi in wanted:
            mine: Iterable[str | None] = (None,)
            if kpi in MONEY:
                mine = sorted(currencies, key=_place)
            for currency in mine:
                ratios = [
                    ratio_of(
                        kpi,
                        each.values(),
                        currency,
                        len(of),
                        enough=kpi in TOTALS or number >= min_attempts,
                    )
                    for each, of, number in zip(rows, days, attempts, strict=True)
                ]
                samples = [
                    [_sample(kpi, each.get(day), day, currency) for day in of]
                    for each, of in zip(rows, days, strict=True)
                ]
                found.append(_change(by, kpi, currency, ratios, attempts, samples))
    return found


def _sample(kpi: ComparedKpi, row: KpiRow | None, day: date, currency: str | None) -> Sample:
    parts = None if row is None else _parts(kpi, row, currency)
    if parts is None:
        return Sample(day.weekday(), 0.0, 1.0 if kpi in TOTALS else 0.0, 0)
    return Sample(day.weekday(), float(parts.numerator), float(parts.denominator), parts.calls)


def _change(
    by: Mapping[Dimension, Any],
    kpi: ComparedKpi,
    currency: str | None,
    ratios: Sequence[Ratio],
    attempts: Sequence[int],
    samples: Sequence[Sequence[Sample]],
) -> Change:
    value, reference = ratios
    absolute = relative = p = None
    reason: str | None = "too few attempts" if all(attempts) else "no calls on one side"
    if value.value is not None and reference.value is not None:
        absolute = value.value - reference.value
        relative = absolute / abs(reference.value) if reference.value else None
        p, reason = p_value(samples[0], samples[1], MEASURES[kpi].kind)
    return Change(
        by=by,
        kpi=kpi,
        currency=currency,
        value=value,
        reference=reference,
        attempts=attempts[0],
        reference_attempts=attempts[1],
        absolute=absolute,
        relative=relative,
        p_value=p,
        is_more_than_chance=None,
        reason=reason,
    )


def _place(value: Any) -> tuple[bool, Any]:
    """Return a sort key that puts None last, and weekdays in their order."""
    if value in WEEKDAYS:
        value = f"{WEEKDAYS.index(value)}{value}"
    return (value is None, "" if value is None else value)


# --- Notes ---------------------------------------------------------------------------------------


def _notes_on_days(sides: Sequence[Side], where: KpiFilter, zone: ZoneInfo) -> Iterable[str]:
    layouts = where.get("layout", tuple(LAYOUTS))
    wanted = (layouts,) if isinstance(layouts, str) else layouts
    for side in sides:
        if side.absent:
            yield f"no records at all on {listed(side.absent)}: left out"
    known = {layout for side in sides for layout in side.layouts if layout in wanted}
    for layout in sorted(known):
        lacking = [
            day for side in sides for day in side.days if day not in side.layouts.get(layout, ())
        ]
        if lacking:
            yield f"no {layout} records on {listed(sorted(lacking))}"
    for day in sorted(day for side in sides for day in side.days):
        start, until = span(day, day, zone)
        if (hours := (until - start) / timedelta(hours=1)) != 24:
            yield f"{day} has {hours:g} hours in {zone.key}"


def _notes_on_weekdays(sides: Sequence[Side]) -> Iterable[str]:
    mixes = [Counter(day.weekday() for day in side.days) for side in sides]
    if not all(mixes):
        return
    if set(mixes[0]) != set(mixes[1]):
        yield (
            "the periods have different weekdays: a weekly rhythm can look like a change, "
            "or hide one"
        )
    elif len({mixes[0][day] / mixes[1][day] for day in mixes[0]}) > 1:
        yield (
            "the periods have unequal shares of some weekdays: the values show it, "
            "the test allows for it"
        )


def listed(days: Sequence[date], most: int = 3) -> str:
    """Return days as text; many are shortened."""
    shown = ", ".join(map(str, days[:most]))
    return shown if len(days) <= most else f"{shown} and {len(days) - most} more days"
