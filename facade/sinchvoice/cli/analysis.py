"""Commands that compare periods of call detail records and raise alarms."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, cast

import typer

from ..cdr import alerts, comparison, kpis
from ..cdr.kpis import Dimension, Ratio
from ..errors import InvalidRequest
from .cdr_options import (
    AsCsv,
    By,
    DaysTz,
    FilesOrArchive,
    MinAttempts,
    Period,
    PrefixFile,
    RecordOptions,
    SourceOptions,
    Tz,
    Where,
    Xlsx,
    cell,
    check_formats,
    kpi_filter,
    write_spreadsheet,
)
from .output import AlarmsRaised, Record, RulesUnjudged, write, write_csv_row

__all__ = ["alert", "compare"]


# --- Comparison ----------------------------------------------------------------------------------

_WEEKS = 4


def compare(
    options: SourceOptions,
    period: Period,
    files: FilesOrArchive = None,
    with_: Annotated[
        str,
        typer.Option(
            "--with",
            metavar="DAYS",
            autocompletion=lambda: ["previous", "same-weekdays"],
            help="Days to compare with: previous (the same number of days before), same-weekdays "
            "(of the weeks before), or days as for --period.",
        ),
    ] = "previous",
    weeks: Annotated[
        int, typer.Option("--weeks", metavar="N", help="Number of weeks for same-weekdays.")
    ] = _WEEKS,
    by: By = None,
    where: Where = None,
    kpi: Annotated[
        list[str] | None,
        typer.Option(
            "--kpi",
            metavar="KPI",
            autocompletion=lambda: list(comparison.COMPARED),
            help=f"Compare only {', '.join(comparison.COMPARED)}; repeatable.",
        ),
    ] = None,
    changed: Annotated[
        bool, typer.Option("--changed", help="Print only changes that are more than chance.")
    ] = False,
    alpha: Annotated[
        float,
        typer.Option(
            "--alpha",
            metavar="SHARE",
            help="Share of false alarms among the changes that are more than chance.",
        ),
    ] = 0.05,
    min_attempts: MinAttempts = 1,
    tz: Tz = "UTC",
    prefixes: PrefixFile = None,
    as_csv: AsCsv = False,
    xlsx: Xlsx = None,
) -> None:
    """Compare the KPIs of two periods, and show which changes are more than chance."""
    check_formats(options, as_csv=as_csv, xlsx=xlsx)
    groups = cast("list[Dimension]", by or [])
    given: dict[str, Any] = {
        "by": groups,
        "where": kpi_filter(where or [], tz),
        "kpi": kpi or None,
        "min_attempts": min_attempts,
        "tz": tz,
        "weeks": weeks,
        "alpha": alpha,
        "prefixes": prefixes,
    }
    # This checks the arguments before any file is read.
    comparison.compare(lambda *_: (), period, cast("comparison.With", with_), **given)
    if weeks != _WEEKS and with_ != "same-weekdays":
        raise InvalidRequest("--weeks has no effect without --with same-weekdays")
    with options.opened(files) as opened:
        found = opened.compare(period, cast("comparison.With", with_), **given)
    shown = [change for change in found.changes if change.is_more_than_chance or not changed]
    days = {"period": str(found.period), "reference": str(found.reference)}
    if xlsx is not None:
        exact = [{**_change_record(change, lambda value: value), **days} for change in shown]
        write_spreadsheet(xlsx, exact, options, columns=[*groups, *_CHANGE])
        _write_notes(found.notes)
        return
    records = [{**_change_record(change), **days} for change in shown]
    if as_csv:
        write_csv_row([*groups, *_CHANGE])
        for record in records:
            write_csv_row(record.values())
    else:
        columns = ["kpi", "value", "reference_value", "relative", "p_value", "is_more_than_chance"]
        if any(change.currency for change in shown):
            columns.insert(1, "currency")
        _rows(options, records, [*groups, *columns])
    _write_notes(found.notes)
    if changed and not shown and not options.as_json:
        write("note: no change is more than chance", sys.stderr)


_CHANGE = (
    "kpi",
    "currency",
    "value",
    "numerator",
    "denominator",
    "attempts",
    "reference_value",
    "reference_numerator",
    "reference_denominator",
    "reference_attempts",
    "absolute",
    "relative",
    "p_value",
    "is_more_than_chance",
    "reason",
    "period",
    "reference",
)


def _change_record(
    change: comparison.Change, shown: Callable[[object], object] = cell
) -> dict[str, Any]:
    """Return the record of a change; `shown` is for dates and exact numbers."""
    return {
        **{name: shown(value) for name, value in change.by.items()},
        "kpi": change.kpi,
        "currency": change.currency,
        **_ratio(change.value, shown=shown),
        "attempts": change.attempts,
        **_ratio(change.reference, "reference_", shown=shown),
        "reference_attempts": change.reference_attempts,
        "absolute": change.absolute,
        "relative": change.relative,
        "p_value": change.p_value,
        "is_more_than_chance": change.is_more_than_chance,
        "reason": change.reason,
    }


def _group(by: Mapping[Any, Any]) -> dict[str, Any]:
    return {name: cell(value) for name, value in by.items()}


def _ratio(
    ratio: Ratio, prefix: str = "", *, shown: Callable[[object], object] = cell
) -> dict[str, Any]:
    return {
        f"{prefix}value": ratio.value,
        f"{prefix}numerator": shown(ratio.numerator),
        f"{prefix}denominator": ratio.denominator,
    }


def _rows(options: RecordOptions, records: list[dict[str, Any]], columns: list[str]) -> None:
    """Print records; on a terminal, relative changes are in per cent."""
    shown: list[Record] = list(records)
    if sys.stdout.isatty() and not options.as_json:
        shown = [
            {
                **record,
                "relative": None
                if record["relative"] is None
                else f"{100 * record['relative']:+.1f} %",
                "p_value": None if record["p_value"] is None else f"{record['p_value']:.2g}",
            }
            for record in records
        ]
    options.output.rows(shown, columns, rounded=True)


def _write_notes(notes: tuple[str, ...]) -> None:
    for note in notes:
        write(f"note: {note}", sys.stderr)


# --- Alarms --------------------------------------------------------------------------------------


def alert(
    options: SourceOptions,
    rules: Annotated[
        Path, typer.Option("--rules", metavar="RULES", help="TOML file with the rules.")
    ],
    files: FilesOrArchive = None,
    period: Annotated[
        str | None,
        typer.Option(
            "--period",
            metavar="DAYS",
            help="Days to judge, first and last included: 2026-11-23..2026-11-29, or one day.",
        ),
    ] = None,
    day: Annotated[
        str | None,
        typer.Option(
            "--day", metavar="DAY", help="Day to judge, or yesterday.", show_default="yesterday"
        ),
    ] = None,
    tz: DaysTz = "UTC",
    xlsx: Xlsx = None,
) -> None:
    """Judge a period by rules; print alarms, and rules that cannot be judged.

    Without these, nothing is printed, except with -v.
    """
    if period is not None and day is not None:
        raise InvalidRequest("--period and --day are two periods: give one of them")
    wanted = alerts.read_rules(rules)
    name = "day" if period is None else "period"
    judged = comparison.Period.of(_days(period, day, tz), name)
    with options.opened(files) as opened:
        report = opened.alert(judged, wanted, tz=tz)
    records = [_alarm_record(alarm, options) for alarm in report.alarms]
    records += [_unjudged_record(result) for result in report.unjudged]
    for record in records:
        record["period"] = str(report.period)
    if xlsx is not None:
        cells = [{**record, "group": _named(record["group"])} for record in records]
        write_spreadsheet(xlsx, cells, options, columns=[*_ALARM, "period"])
    else:
        columns = ["rule", "group", "bound", "limit", "value", "reference_value", "attempts"]
        if report.unjudged:
            columns[-1] = "reason"
        _rows(options, records, columns)
    if report.absent:
        days = ", ".join(map(str, report.absent))
        write(f"warning: no records at all on {days}", sys.stderr)
    if options.verbose:
        for result in report.results:
            write(f"note: {_summary(result)}", sys.stderr)
    if options.verbose or records:
        _write_notes(report.notes)
    if report.alarms:
        number = len(report.alarms)
        raise AlarmsRaised(f"{number} alarm{'s' * (number > 1)} for {report.period}")
    if report.unjudged:
        number = len(report.unjudged)
        raise RulesUnjudged(f"{number} rule{'s' * (number > 1)} cannot be judged")
    if report.absent:
        raise RulesUnjudged("some days cannot be judged: load their records")


def _days(period: str | None, day: str | None, tz: str) -> str:
    if period is not None:
        return period
    if day is None or day == "yesterday":
        return str(datetime.now(kpis.zone(tz)).date() - timedelta(days=1))
    if ".." in day:
        raise InvalidRequest(f"--day is {day!r}: give one day, or use --period")
    return day


_ALARM = (
    "state",
    "rule",
    "group",
    "kpi",
    "currency",
    "bound",
    "limit",
    "value",
    "numerator",
    "denominator",
    "attempts",
    "reference_value",
    "reference_numerator",
    "reference_denominator",
    "reference_attempts",
    "relative",
    "p_value",
    "reason",
)


def _alarm_record(alarm: alerts.Alarm, options: RecordOptions) -> dict[str, Any]:
    group = _group(alarm.by)
    change = {} if alarm.change is None else _change_record(alarm.change)
    return {
        **dict.fromkeys(_ALARM),
        **{name: value for name, value in change.items() if name in _ALARM},
        "state": "alarm",
        "rule": alarm.rule.name,
        "group": group if options.as_json else _named(group),
        "kpi": alarm.rule.kpi,
        "currency": alarm.currency,
        "bound": alarm.bound,
        "limit": cell(alarm.limit),
        **_ratio(alarm.value),
        "attempts": alarm.attempts,
    }


def _named(group: Any) -> Any:
    """Return a group as text."""
    if not isinstance(group, dict):
        return group
    return ", ".join(f"{name}={'' if value is None else value}" for name, value in group.items())


def _unjudged_record(result: alerts.RuleResult) -> dict[str, Any]:
    return {
        **dict.fromkeys(_ALARM),
        "state": "not judged",
        "rule": result.rule.name,
        "kpi": result.rule.kpi,
        "currency": result.rule.currency,
        "reason": _reasons(result),
    }


def _reasons(result: alerts.RuleResult) -> str:
    return "; ".join(
        reason if number == 1 else f"{reason} ({number} groups)"
        for reason, number in sorted(result.unjudged.items())
    )


def _summary(result: alerts.RuleResult) -> str:
    reasons = _reasons(result)
    return (
        f"{result.rule.name}: {result.judged} judged, alarms: {len(result.alarms)}"
        + f"; not judged: {reasons}" * bool(reasons)
    )
