"""Alarms on the KPIs of a period: rules from a TOML file, and what breaks them.

    from sinchvoice import cdr
    from sinchvoice.cdr import alerts

    with cdr.Archive("calls.duckdb", read_only=True) as archive:
        report = archive.alert("2026-11-27", alerts.read_rules("rules.toml"))
    for alarm in report.alarms:
        print(alarm.rule.name, alarm.by, alarm.value.value)

A rule is a bound, a change against earlier days, or a search for new destinations.
docs/how-to/compare-and-alert.md has a file of rules.
"""

from __future__ import annotations

import os
import tomllib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal, TypeAlias, cast
from zoneinfo import ZoneInfo

import attrs

from ..errors import InvalidRequest, printable
from . import kpis
from .comparison import (
    COMPARED,
    MEASURES,
    MONEY,
    TOTALS,
    Change,
    ComparedKpi,
    Period,
    PeriodLike,
    Side,
    checked,
    compare,
    cost_in,
    days_of_layouts,
    listed,
    ratio_of,
    reference_of,
    within_period,
)
from .kpis import Dimension, KpiFilter, KpiRow, PrefixTable, Ratio, Run

__all__ = [
    "Alarm",
    "AlertKpi",
    "AlertReport",
    "AlertRule",
    "Bound",
    "RuleResult",
    "evaluate",
    "read_rules",
]

AlertKpi: TypeAlias = Literal[ComparedKpi, "new_destinations"]
_KPIS: tuple[AlertKpi, ...] = (*COMPARED, "new_destinations")

Bound: TypeAlias = Literal["above", "below", "rises_by", "falls_by", "new"]
"""Which bound is broken; `new` for a new destination."""

_ABSOLUTE: tuple[Bound, ...] = ("above", "below")
_RELATIVE: tuple[Bound, ...] = ("rises_by", "falls_by")
_REFERENCES = ("previous", "same-weekdays")
_LARGEST = 1 << 20


@attrs.frozen(kw_only=True)
class AlertRule:
    """A rule for the KPI of a period, or of each group in it.

    Attributes:
        name: Name of the rule in alarms.
        kpi: The KPI, or `new_destinations`. Attempts, answered calls, minutes and cost are per day.
        by: Dimensions to group by, except `day`; for new destinations, what must be new.
        where: Filter of the counted calls, without `day`, `start` and `until`.
        prefixes: Table for the dimension `prefix`, as for `kpis.compute`.
        currency: Currency of a cost; None for each currency by itself.
        min_attempts: Groups with fewer attempts are not judged: for a change, in either period, or
            in the reference if the KPI is per day.
        above: Alarm if the KPI is larger.
        below: Alarm if the KPI is smaller.
        rises_by: Alarm if the KPI rises by a larger share of its reference, and by more than
            chance; 0.5 is 50 %.
        falls_by: The same for a fall.
        with_: What a change is compared with; see `comparison.compare`.
        weeks: Weeks before the period: of `same-weekdays`, and in which a destination is known.
        alpha: As for `comparison.compare`; None to raise alarms also for changes that may be
            chance.
    """

    name: str
    kpi: AlertKpi
    by: tuple[Dimension, ...] = ()
    where: KpiFilter | None = attrs.field(default=None, hash=False)
    prefixes: PrefixTable | None = attrs.field(default=None, hash=False)
    currency: str | None = None
    min_attempts: int = 0
    above: Decimal | int | None = None
    below: Decimal | int | None = None
    rises_by: Decimal | int | None = None
    falls_by: Decimal | int | None = None
    with_: Literal["previous", "same-weekdays"] = "same-weekdays"
    weeks: int = 4
    alpha: float | None = 0.05

    def __attrs_post_init__(self) -> None:
        if problem := _problem(self):
            key, message, remedy = problem
            raise InvalidRequest(f"{key} {message}", remedy=remedy)


@attrs.frozen(kw_only=True)
class Alarm:
    """A broken rule, with its evidence.

    Attributes:
        rule: The rule.
        by: Value of each dimension of the group.
        currency: Currency of a cost; otherwise None.
        bound: The broken bound.
        limit: Value of the bound; None for a new destination.
        value: The KPI, with numerator and denominator; for a new destination, attempts per day.
        attempts: All calls of the group in the period.
        change: The change, for `rises_by` and `falls_by`; otherwise None.
    """

    rule: AlertRule
    by: Mapping[Dimension, date | int | str | None] = attrs.field(hash=False)
    currency: str | None
    bound: Bound
    limit: Decimal | int | None
    value: Ratio
    attempts: int
    change: Change | None


@attrs.frozen(kw_only=True)
class RuleResult:
    """The result of one rule.

    Attributes:
        rule: The rule.
        alarms: What breaks it.
        judged: Number of judged groups; those of each currency count.
        unjudged: Number of other groups by reason.
    """

    rule: AlertRule
    alarms: tuple[Alarm, ...]
    judged: int
    unjudged: Mapping[str, int] = attrs.field(hash=False)


@attrs.frozen(kw_only=True)
class AlertReport:
    """The results of all rules.

    Attributes:
        period: The judged days.
        tz: Time zone of the days.
        absent: Days of the period without any record; they are not judged.
        results: The result of each rule, in the order of the rules.
        notes: Remarks that limit the results, such as missing days.
    """

    period: Period
    tz: str
    absent: tuple[date, ...]
    results: tuple[RuleResult, ...]
    notes: tuple[str, ...]

    @property
    def alarms(self) -> tuple[Alarm, ...]:
        """The alarms of all rules."""
        return tuple(alarm for result in self.results for alarm in result.alarms)

    @property
    def unjudged(self) -> tuple[RuleResult, ...]:
        """The rules without any judged group."""
        return tuple(result for result in self.results if not result.judged)

    def with_notes(self, notes: Iterable[str]) -> AlertReport:
        """Return the report with more notes, each once."""
        return attrs.evolve(self, notes=tuple(dict.fromkeys((*self.notes, *notes))))


# --- Evaluating ----------------------------------------------------------------------------------


def evaluate(
    run: Run,
    period: PeriodLike,
    rules: Iterable[AlertRule],
    *,
    tz: str | ZoneInfo = "UTC",
) -> AlertReport:
    """Judge a period by rules.

    Args:
        run: Access to the records, as for `kpis.compute`.
        period: Days to judge, as for `comparison.compare`.
        rules: The rules, as from `read_rules`.
        tz: Time zone of the days, as for `kpis.compute`.

    Raises:
        InvalidRequest: An argument is wrong.
    """
    zone = kpis.zone(tz)
    days = Period.of(period)
    known = _remembering(run)
    layouts = days_of_layouts(known, days, zone)
    present = set[date]().union(*layouts.values())
    results, notes = [], list[str]()
    for rule in rules:
        judge = _Judge(rule)
        if not present:
            judge.skip(f"no records at all on {listed(days.days)}")
        elif rule.kpi == "new_destinations":
            _find_new(judge, known, days, zone)
        else:
            if rule.above is not None or rule.below is not None:
                _judge_values(judge, known, days, zone)
            if rule.rises_by is not None or rule.falls_by is not None:
                notes += _judge_changes(judge, known, days, zone)
        results.append(judge.result())
    return AlertReport(
        period=days,
        tz=zone.key,
        absent=tuple(day for day in days.days if day not in present),
        results=tuple(results),
        notes=tuple(dict.fromkeys(notes)),
    )


def _remembering(run: Run) -> Run:
    """Return a function that runs equal queries once."""
    results: dict[str, list[Sequence[Any]]] = {}

    def remembered(query: str, parameters: dict[str, Any]) -> Iterable[Sequence[Any]]:
        key = repr((query, sorted(parameters.items())))
        if key not in results:
            results[key] = list(run(query, parameters))
        return results[key]

    return remembered


class _Judge:
    """Collects the result of a rule."""

    def __init__(self, rule: AlertRule) -> None:
        self.rule = rule
        self._alarms: list[Alarm] = []
        self._judged = 0
        self._unjudged = Counter[str]()

    def skip(self, reason: str) -> None:
        """Count a group that cannot be judged."""
        self._unjudged[reason] += 1

    def judge(
        self,
        broken: Iterable[Bound],
        by: Mapping[Dimension, Any],
        value: Ratio,
        attempts: int,
        currency: str | None = None,
        change: Change | None = None,
    ) -> None:
        """Count a judged group, with the bounds that it breaks."""
        self._judged += 1
        for bound in broken:
            self._alarms.append(
                Alarm(
                    rule=self.rule,
                    by=by,
                    currency=currency,
                    bound=bound,
                    limit=getattr(self.rule, bound, None),
                    value=value,
                    attempts=attempts,
                    change=change,
                )
            )

    def result(self) -> RuleResult:
        if not self._judged and not self._unjudged:
            self.skip("no calls")
        return RuleResult(
            rule=self.rule,
            alarms=tuple(self._alarms),
            judged=self._judged,
            unjudged=dict(self._unjudged),
        )


def _judge_values(judge: _Judge, run: Run, period: Period, zone: ZoneInfo) -> None:
    rule = judge.rule
    kpi = cast("ComparedKpi", rule.kpi)
    side = Side.of(run, period, rule.where or {}, zone, rule.by, rule.prefixes)
    groups = side.groups or ({} if rule.by else {(): {}})
    for group, rows in groups.items():
        by = dict(zip(rule.by, group, strict=True))
        attempts = sum(row.attempts for row in rows.values())
        if attempts < rule.min_attempts:
            judge.skip(f"fewer than {rule.min_attempts} attempts")
            continue
        for currency in _currencies(rule, rows.values()):
            days = len(side.days_of(by))
            value = ratio_of(kpi, rows.values(), currency, days, enough=True)
            if kpi == "cost" and rule.below is None and not _is_priced(rows.values(), currency):
                judge.skip(f"no amounts in {currency}")
                continue
            if not value.denominator:
                judge.skip(_MISSING.get(kpi, "no calls"))
                continue
            broken: list[Bound] = [bound for bound in _ABSOLUTE if _breaks(rule, bound, value)]
            judge.judge(
                broken,
                by,
                value,
                attempts,
                currency,
            )
        if kpi in MONEY and not _currencies(rule, rows.values()):
            judge.skip("no amounts")


_MISSING: Mapping[ComparedKpi, str] = {
    "ner": "no calls offered to a network",
    "acd": "no answered calls",
    "short_calls": "no answered calls",
    "setup_time": "no calls with a setup time",
    "cost_per_talk_minute": "no talk time with an amount",
}


def _currencies(rule: AlertRule, rows: Iterable[KpiRow]) -> list[str | None]:
    if rule.kpi not in MONEY:
        return [None]
    if rule.currency is not None:
        return [rule.currency]
    found = {cost.currency for row in rows for cost in row.costs}
    return sorted(found, key=lambda name: (name is None, name or ""))


def _is_priced(rows: Iterable[KpiRow], currency: str | None) -> bool:
    return any(cost_in(row, currency) is not None for row in rows)


def _breaks(rule: AlertRule, bound: Bound, value: Ratio) -> bool:
    limit = getattr(rule, bound)
    if limit is None:
        return False
    # Exact: a cost equal to its limit does not break it.
    difference = Fraction(value.numerator) - Fraction(limit) * Fraction(value.denominator)
    return difference > 0 if bound == "above" else difference < 0


def _judge_changes(judge: _Judge, run: Run, period: Period, zone: ZoneInfo) -> tuple[str, ...]:
    rule = judge.rule
    kpi = cast("ComparedKpi", rule.kpi)
    found = compare(
        run,
        period,
        rule.with_,
        by=rule.by,
        where=rule.where,
        kpi=kpi,
        tz=zone,
        weeks=rule.weeks,
        alpha=rule.alpha or 0.05,
        prefixes=rule.prefixes,
    )
    changes = found.changes
    if rule.currency is not None:
        changes = tuple(each for each in changes if each.currency == rule.currency)
        if found.changes and not changes:
            judge.skip(f"no amounts in {rule.currency}")
    for change in changes:
        attempts = change.reference_attempts
        if kpi not in TOTALS:
            attempts = min(attempts, change.attempts)
        if attempts < rule.min_attempts:
            judge.skip(f"fewer than {rule.min_attempts} attempts")
            continue
        if change.absolute is None:
            judge.skip(change.reason or "no calls")
            continue
        broken: list[Bound] = [bound for bound in _RELATIVE if _changes_by(rule, bound, change)]
        if broken and rule.alpha is not None:
            if change.is_more_than_chance is None:
                judge.skip(change.reason or "no calls")
                continue
            if not change.is_more_than_chance:
                broken = []
        judge.judge(broken, change.by, change.value, change.attempts, change.currency, change)
    return found.notes


def _changes_by(rule: AlertRule, bound: Bound, change: Change) -> bool:
    limit = getattr(rule, bound)
    if limit is None or change.absolute is None:
        return False
    # Exact: a change equal to its limit does not break it.
    value, reference = map(_fraction, (change.value, change.reference))
    difference = value - reference if bound == "rises_by" else reference - value
    return difference > Fraction(limit) * abs(reference)


def _fraction(ratio: Ratio) -> Fraction:
    return Fraction(ratio.numerator) / Fraction(ratio.denominator)


def _find_new(judge: _Judge, run: Run, period: Period, zone: ZoneInfo) -> None:
    rule = judge.rule
    before = reference_of(period, "same-weekdays", rule.weeks)
    every = Period.of((before.first, period.first - timedelta(days=1)))
    if not days_of_layouts(run, every, zone):
        judge.skip(f"no records at all in {every}")
        return

    def found(days: Period) -> list[KpiRow]:
        where = cast("KpiFilter", {**(rule.where or {}), **within_period(days, zone)})
        return kpis.compute(run, rule.by, where, tz=zone, prefixes=rule.prefixes)

    known = {tuple(row.by.values()) for row in found(every)}
    for row in found(period):
        group = tuple(row.by.values())
        if None in group:
            continue
        if row.attempts < rule.min_attempts:
            judge.skip(f"fewer than {rule.min_attempts} attempts")
            continue
        value = ratio_of("attempts", [row], None, len(period.days), enough=True)
        judge.judge(() if group in known else ("new",), row.by, value, row.attempts)


# --- Rules ---------------------------------------------------------------------------------------

_KEYS = (
    "name",
    "kpi",
    "by",
    "where",
    "prefixes",
    "currency",
    "min_attempts",
    *_ABSOLUTE,
    *_RELATIVE,
    "with",
    "weeks",
    "alpha",
)
_Problem: TypeAlias = tuple[str, str, str]


def read_rules(file: str | os.PathLike[str]) -> tuple[AlertRule, ...]:
    """Read rules from a TOML file: a table `[[rule]]` for each, with the fields of `AlertRule`.

    `prefixes` is a file beside it, a table from prefixes to names, or a list. The key of `with_` is
    `with`. In `where`, an empty text selects calls without a value. `alpha = false` is None.

    Raises:
        InvalidRequest: The file cannot be read, or a rule is wrong; the text names the rule, the
            key, the value and the remedy.
    """
    name = printable(os.fspath(file), 300)
    tables = _tables(Path(file), name)
    found: list[AlertRule] = []
    for number, table in enumerate(tables, 1):
        place = f"{name}, rule {number}"
        if isinstance(table, dict) and isinstance(table.get("name"), str):
            place += f" ({printable(table['name'], 60)})"
        found.append(_rule(place, number, table, Path(file).parent))
        if found[-1].name in {rule.name for rule in found[:-1]}:
            raise InvalidRequest(
                f"{place}: another rule has this name", remedy="give each rule its own name"
            )
    return tuple(found)


def _tables(file: Path, name: str) -> list[Any]:
    try:
        with file.open("rb") as opened:
            content = opened.read(_LARGEST + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InvalidRequest(f"{name} cannot be read: {reason}") from None
    if len(content) > _LARGEST:
        raise InvalidRequest(
            f"{name} has more than {_LARGEST} bytes", remedy="give a file of rules"
        )
    try:
        table = tomllib.loads(content.decode("utf-8-sig"), parse_float=Decimal)
    except UnicodeDecodeError:
        raise InvalidRequest(f"{name} is not UTF-8", remedy="save it as UTF-8") from None
    except (ValueError, RecursionError) as error:
        raise InvalidRequest(
            f"{name} cannot be read as TOML: {printable(str(error), 200)}", remedy="correct it"
        ) from None
    rules = table.get("rule")
    if unknown := sorted(table.keys() - {"rule"}):
        raise InvalidRequest(
            f"{name} has {unknown[0]!r} outside a rule", remedy="write it below a line [[rule]]"
        )
    if not isinstance(rules, list) or not rules:
        raise InvalidRequest(f"{name} has no rules", remedy="begin each rule with a line [[rule]]")
    return rules


def _rule(place: str, number: int, table: object, folder: Path) -> AlertRule:
    if not isinstance(table, dict):
        raise InvalidRequest(f"{place} is not a table", remedy="begin it with a line [[rule]]")
    if unknown := sorted(table.keys() - set(_KEYS)):
        raise InvalidRequest(
            f"{place}: the key {printable(unknown[0], 60)!r} is unknown",
            remedy=f"use {', '.join(_KEYS)}",
        )
    if "kpi" not in table:
        raise InvalidRequest(f"{place}: kpi is missing", remedy=f"give one of {', '.join(_KPIS)}")
    given = dict(table)
    given.setdefault("name", f"rule {number}: {given['kpi']}")
    given["with_"] = given.pop("with", "same-weekdays")
    by = given.get("by", ())
    given["by"] = (by,) if isinstance(by, str) else tuple(by) if isinstance(by, list) else by
    if isinstance(where := given.get("where"), dict):
        given["where"] = {key: _wanted(value) for key, value in where.items()}
    if (prefixes := given.get("prefixes")) and isinstance(prefixes, str):
        given["prefixes"] = folder / prefixes
    alpha = given.get("alpha")
    if alpha is False:
        given["alpha"] = None
    elif isinstance(alpha, Decimal):
        given["alpha"] = float(alpha)
    try:
        return AlertRule(**given)
    except InvalidRequest as error:
        raise InvalidRequest(f"{place}: {error.message}", remedy=error.remedy) from None


def _wanted(value: Any) -> Any:
    if isinstance(value, list):
        return [None if each == "" else each for each in value]
    return None if value == "" else value


def _problem(rule: AlertRule) -> _Problem | None:
    """Return key, problem and remedy of the first mistake in a rule."""
    for check in _CHECKS:
        if problem := check(rule):
            return problem
    return None


def _is(value: object) -> str:
    return f"is {printable(repr(str(value) if isinstance(value, Decimal) else value), 60)}"


def _check_names(rule: AlertRule) -> _Problem | None:
    if not isinstance(rule.name, str) or not rule.name:
        return "name", _is(rule.name), "give a text"
    if rule.kpi not in _KPIS:
        return "kpi", _is(rule.kpi), f"give one of {', '.join(_KPIS)}"
    if rule.with_ not in _REFERENCES:
        return "with", _is(rule.with_), f"give one of {', '.join(_REFERENCES)}"
    if rule.currency is not None and (not isinstance(rule.currency, str) or not rule.currency):
        return "currency", _is(rule.currency), "give a text, such as 'EUR'"
    if rule.currency is not None and rule.kpi not in MONEY:
        return "currency", f"does not apply to {rule.kpi}", "remove it"
    return None


def _check_numbers(rule: AlertRule) -> _Problem | None:
    for key, least, most in (("min_attempts", 0, 10**12), ("weeks", 1, 52)):
        value = getattr(rule, key)
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            return key, _is(value), f"give a whole number from {least} to {most}"
    alpha = rule.alpha
    if alpha is not None and (
        isinstance(alpha, bool) or not isinstance(alpha, int | float) or not 0 < alpha < 1
    ):
        return "alpha", _is(alpha), "give a number between 0 and 1, or false"
    for key in (*_ABSOLUTE, *_RELATIVE):
        value = getattr(rule, key)
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int | Decimal):
            return key, _is(value), "give a number"
        if not Decimal(value).is_finite():
            return key, _is(value), "give a finite number"
        if key in _RELATIVE and value <= 0:
            return key, _is(value), "give a share above 0, such as 0.5 for 50 %"
        if key == "falls_by" and value >= 1:
            return key, _is(value), "give a share below 1, such as 0.5 for 50 %"
        if (
            key in _ABSOLUTE
            and rule.kpi in COMPARED
            and MEASURES[rule.kpi].kind == "share"
            and not 0 <= value <= 1
        ):
            return key, _is(value), f"give a share from 0 to 1, because {rule.kpi} is a share"
    return None


def _check_bounds(rule: AlertRule) -> _Problem | None:
    given = [key for key in (*_ABSOLUTE, *_RELATIVE) if getattr(rule, key) is not None]
    if rule.kpi == "new_destinations":
        if given:
            return given[0], "does not apply to new_destinations", "remove it"
        if not rule.by:
            return "by", "is missing", "give what must be new, such as by = 'country'"
        return None
    if not given:
        return rule.kpi, "has no bound", "give above, below, rises_by or falls_by"
    return None


def _check_groups(rule: AlertRule) -> _Problem | None:
    by: object = rule.by
    where: object = rule.where
    if not isinstance(by, tuple):
        return "by", _is(by), "give a dimension or a list of them"
    if where is not None and not isinstance(where, Mapping):
        return "where", _is(where), "give a table, such as { country = 'SE' }"
    try:
        checked(rule.by, rule.where, kpis.zone("UTC"), prefixes=rule.prefixes)
    except InvalidRequest as error:
        message, remedy = error.message, error.remedy
        if remedy is None:
            message, _, remedy = message.rpartition(": ")
        key, _, rest = message.partition(" ")
        return key, rest, remedy
    return None


_CHECKS: tuple[Callable[[AlertRule], _Problem | None], ...] = (
    _check_names,
    _check_numbers,
    _check_groups,
    _check_bounds,
)
