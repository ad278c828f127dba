"""Commands that check call detail records for fraud, and against invoices and reports."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Any, TypeAlias

import attrs
import typer

from .. import ReportDomain, cdr
from ..cdr import comparison, reconciliation, signals
from ..errors import InvalidRequest
from ..reports import ReportWindow, UserCallReport
from .cdr_options import (
    AsCsv,
    ClientSourceOptions,
    DaysTz,
    FilesOrArchive,
    Period,
    RecordOptions,
    SourceOptions,
    check_formats,
)
from .input import read_bytes
from .options import logged
from .output import DifferencesFound, Record, write, write_csv_row

__all__ = ["find_signals", "reconcile"]

Opened: TypeAlias = "cdr.Archive | cdr.Scan"

_LIMITS = {field.name: field for field in attrs.fields(signals.Thresholds)}


# --- Signals -------------------------------------------------------------------------------------


def find_signals(
    options: SourceOptions,
    period: Period,
    files: FilesOrArchive = None,
    kind: Annotated[
        list[str] | None,
        typer.Option(
            "--kind",
            metavar="KIND",
            autocompletion=lambda: list(signals.KINDS),
            help=f"Look only for {', '.join(signals.KINDS)}; repeatable.",
        ),
    ] = None,
    min_score: Annotated[
        float,
        typer.Option(
            "--min-score", metavar="SCORE", help="Lowest score, up to 100; a signal has 50 or more."
        ),
    ] = 0,
    threshold: Annotated[
        list[str] | None,
        typer.Option(
            "--threshold",
            metavar="NAME=N",
            autocompletion=lambda: [f"{name}=" for name in _LIMITS],
            help="Change a threshold, such as burst_calls=30; repeatable.",
        ),
    ] = None,
    tz: DaysTz = "UTC",
    as_csv: AsCsv = False,
) -> None:
    """Find signals of fraud: unusual calls in a period, with a score and the evidence.

    A signal is a reason to look, not a verdict. The period is compared with the days before it:
    have these in the archive, or among the files.
    """
    check_formats(options, as_csv=as_csv)
    limits = _thresholds(threshold or [])
    given: dict[str, Any] = {
        "thresholds": limits,
        "kinds": kind or None,
        "min_score": min_score,
        "tz": tz,
    }
    # This checks the arguments before any file is read.
    signals.compute(lambda *_: (), period, **given)
    with options.opened(files) as opened:
        report = opened.signals(period, **given)
    found = [signal.to_dict() for signal in report.signals]
    if as_csv:
        write_csv_row([*_SIGNAL, *signals.COUNTS, "call_ids"])
        for record in found:
            cells = [record[name] for name in _SIGNAL]
            cells += [record["counts"].get(name) for name in signals.COUNTS]
            write_csv_row([*cells, " ".join(record["call_ids"])])
    else:
        shown = [_briefly(record) for record in found] if _is_on_terminal(options) else found
        options.output.rows(shown, ("score", "kind", "subject", "start", "reason"))
    _tell(report, limits)


_SIGNAL = (
    "kind",
    "subject",
    "currency",
    "start",
    "last",
    "score",
    "measured",
    "threshold",
    "reason",
)


def _thresholds(changes: list[str]) -> signals.Thresholds:
    found: dict[str, int] = {}
    for change in changes:
        name, equals, text = change.partition("=")
        if not equals or name not in _LIMITS:
            raise InvalidRequest(
                f"--threshold is {change!r}: give NAME=N, with one of {', '.join(_LIMITS)}"
            )
        try:
            found[name] = int(text)
        except ValueError:
            raise InvalidRequest(
                f"--threshold is {change!r}: {text!r} is not a whole number"
            ) from None
    return signals.Thresholds(**found)


def _tell(report: signals.SignalReport, limits: signals.Thresholds) -> None:
    """Report missing calls, a missing past, and the notes."""
    if not report.calls:
        write("note: there are no calls in the period", sys.stderr)
    elif not report.signals:
        write(f"note: no signals in {report.calls:,} calls", sys.stderr)
    if report.calls and not report.past_days:
        write(
            f"warning: there are no calls in the {limits.past_days} days before the period: every "
            "rate and range is new, and no destination can be rated as expensive",
            sys.stderr,
        )
    for note in report.notes:
        write(f"warning: {note}", sys.stderr)


# --- Reconciliation ------------------------------------------------------------------------------


def reconcile(
    options: ClientSourceOptions,
    files: FilesOrArchive = None,
    invoice: Annotated[
        str | None,
        typer.Option(
            "--invoice", metavar="FILE", help="CSV file of an invoice; - for standard input."
        ),
    ] = None,
    user: Annotated[
        str | None,
        typer.Option(
            "--user",
            metavar="ENDPOINT",
            help="Number with its plus, or app user: compare with the reports for --period.",
        ),
    ] = None,
    period: Annotated[
        str | None,
        typer.Option(
            "--period",
            metavar="DAYS",
            help="Days to compare, first and last included: 2026-11-01..2026-11-30, or one day; if "
            "unset, the days of the invoice.",
        ),
    ] = None,
    day_column: Annotated[
        str | None,
        typer.Option("--day-column", metavar="NAME", help="Invoice: column of the day or month."),
    ] = None,
    currency_column: Annotated[
        str | None,
        typer.Option("--currency-column", metavar="NAME", help="Invoice: column of the currency."),
    ] = None,
    minutes_column: Annotated[
        str | None,
        typer.Option("--minutes-column", metavar="NAME", help="Invoice: column of the minutes."),
    ] = None,
    amount_column: Annotated[
        str | None,
        typer.Option("--amount-column", metavar="NAME", help="Invoice: column of the amount."),
    ] = None,
    currency: Annotated[
        str | None,
        typer.Option(
            "--currency", metavar="CURRENCY", help="Invoice: currency of all lines, such as EUR."
        ),
    ] = None,
    date_format: Annotated[
        str | None,
        typer.Option(
            "--date-format",
            metavar="FORMAT",
            help="Invoice: format of the day, such as %d.%m.%Y, or of the month, such as %m/%Y.",
        ),
    ] = None,
    delimiter: Annotated[
        str | None,
        typer.Option(
            "--delimiter",
            metavar="CHARACTER",
            help="Invoice: separator of columns; by default comma, semicolon or tab, as in the "
            "header.",
        ),
    ] = None,
    decimal_comma: Annotated[
        bool, typer.Option("--decimal-comma", help="Invoice: numbers are like 1.234,56.")
    ] = False,
    minutes: Annotated[
        str,
        typer.Option(
            "--minutes",
            metavar="started|talk",
            autocompletion=lambda: ["started", "talk"],
            help="Invoice: round each call up to whole minutes, or count its exact talk time.",
        ),
    ] = "started",
    amount_tolerance: Annotated[
        str,
        typer.Option(
            "--amount-tolerance", metavar="AMOUNT", help="Invoice: allowed difference of amounts."
        ),
    ] = "0.01",
    minutes_tolerance: Annotated[
        str,
        typer.Option(
            "--minutes-tolerance", metavar="N", help="Invoice: allowed difference of minutes."
        ),
    ] = "1",
    tz: Annotated[
        str,
        typer.Option(
            "--tz", metavar="ZONE", help="Invoice: time zone of its days, like Europe/Stockholm."
        ),
    ] = "UTC",
    domain: Annotated[
        ReportDomain, typer.Option("--domain", help="User: where the calls ended.")
    ] = ReportDomain.DATA,
    direction: Annotated[
        str,
        typer.Option(
            "--direction",
            metavar="both|made|received",
            autocompletion=lambda: ["both", "made", "received"],
            help="User: compare calls made, received, or both.",
        ),
    ] = "both",
    call_tolerance: Annotated[
        int,
        typer.Option("--call-tolerance", metavar="N", help="User: allowed difference in calls."),
    ] = 0,
    second_tolerance: Annotated[
        int,
        typer.Option(
            "--second-tolerance", metavar="N", help="User: allowed difference in seconds."
        ),
    ] = 0,
    differences: Annotated[
        bool, typer.Option("--differences", help="Print only rows with a difference.")
    ] = False,
    records: Annotated[
        bool, typer.Option("--records", help="Print the records of these rows instead.")
    ] = False,
    as_csv: AsCsv = False,
) -> None:
    """Compare records with an invoice, or with the reports on a user.

    Each line of an invoice has a day or month, a currency, an amount, and optionally minutes. Exit
    code: 0 if all rows are equal within the tolerances, 16 if there are differences.
    """
    check_formats(options, as_csv=as_csv)
    if (invoice is None) is (user is None):
        raise InvalidRequest(
            "reconcile compares records with an invoice or with reports: give --invoice or --user"
        )
    if invoice == "-" and "-" in (files or ()):
        raise InvalidRequest("--invoice and FILE are both standard input: give a file for one")
    _check_unused(
        "--invoice" if user is None else "--user",
        {
            "--domain": domain != "data",
            "--direction": direction != "both",
            "--call-tolerance": call_tolerance != 0,
            "--second-tolerance": second_tolerance != 0,
        }
        if user is None
        else {
            "--day-column": day_column,
            "--currency-column": currency_column,
            "--minutes-column": minutes_column,
            "--amount-column": amount_column,
            "--currency": currency,
            "--date-format": date_format,
            "--delimiter": delimiter,
            "--decimal-comma": decimal_comma,
            "--minutes": minutes != "started",
            "--amount-tolerance": amount_tolerance != "0.01",
            "--minutes-tolerance": minutes_tolerance != "1",
            "--tz": tz != "UTC",
        },
    )
    compared: _Compared
    if invoice is not None:
        lines = reconciliation.read_invoice(
            read_bytes(invoice),
            day=day_column,
            currency=currency_column,
            minutes=minutes_column,
            amount=amount_column,
            only_currency=currency,
            date_format=date_format,
            delimiter=delimiter,
            decimal_comma=decimal_comma,
            name="standard input" if invoice == "-" else invoice,
        )
        compared = _Invoice(
            lines,
            period,
            {
                "minutes": minutes,
                "amount_tolerance": amount_tolerance,
                "minutes_tolerance": minutes_tolerance,
                "tz": tz,
            },
        )
    else:
        assert user is not None  # noqa: S101 - one of both is set
        compared = _Reports(
            options,
            user,
            _days(period),
            {
                "domain": domain,
                "direction": direction,
                "call_tolerance": call_tolerance,
                "second_tolerance": second_tolerance,
            },
        )
    if user is not None and options.mask_numbers is not None:
        raise InvalidRequest("--mask-numbers hides the user that --user names: give one of them")
    compared.check()  # before any file is read
    with options.opened(files) as opened:
        found = compared.compare(opened)
        shown: list[Record] = []
        if records:
            shown = list(compared.calls(opened))
        else:
            rows = found.differences if differences else found.rows
            shown = [row.to_dict() for row in rows]
    if as_csv:
        names = [compared.period, *_CALL] if records else compared.names
        write_csv_row(names)
        for record in shown:
            write_csv_row(_number(name, record[name]) for name in names)
    else:
        columns = ["call_id", "call_time", "to", "duration", "amount", "currency"]
        if not records:
            columns = compared.columns(shown)
        if _is_on_terminal(options):
            shown = [_briefly(record) for record in shown]
        options.output.rows(shown, columns)
    for note in compared.notes():
        write(f"note: {note}", sys.stderr)
    if found.differences:
        raise DifferencesFound(
            f"{len(found.differences)} of {len(found.rows)} rows are different"
            + ": --records prints their records" * (not records)
        )


def _check_unused(chosen: str, others: dict[str, object]) -> None:
    for name, is_given in others.items():
        if is_given:
            raise InvalidRequest(f"{name} has no effect with {chosen}: remove it")


_CALL = [field.name.rstrip("_") for field in attrs.fields(reconciliation.ReconciledCall)]


def _number(name: str, value: Any) -> Any:
    """Return a cell for CSV, amounts and minutes as numbers."""
    is_number = re.search("amount|minutes", name) and isinstance(value, str)
    return Decimal(value) if is_number else value


def _is_on_terminal(options: RecordOptions) -> bool:
    return sys.stdout.isatty() and not options.as_json


def _briefly(record: Record) -> dict[str, Any]:
    """Return a record for a terminal, with times to the minute; midnight is a day."""
    return {
        name: value[:16].replace("T", " ").removesuffix(" 00:00")
        if name in ("start", "call_time")
        else value
        for name, value in record.items()
    }


def _days(period: str | None) -> comparison.Period:
    if period is None:
        raise InvalidRequest("--period is missing: give the days of the reports")
    return comparison.Period.of(period)


_MOST = 10_000
"""Largest number of records to list for a row."""


class _Invoice:
    """The comparison with an invoice."""

    period = "period"
    names = tuple(field.name for field in attrs.fields(reconciliation.InvoiceRow))

    def __init__(
        self, lines: list[reconciliation.InvoiceLine], period: str | None, given: dict[str, Any]
    ) -> None:
        self._lines, self._period, self._given = lines, period, given
        self._found: reconciliation.InvoiceReconciliation

    def check(self) -> None:
        reconciliation.reconcile_invoice(lambda *_: (), self._lines, self._period, **self._given)

    def compare(self, opened: Opened) -> reconciliation.InvoiceReconciliation:
        self._found = opened.reconcile_invoice(self._lines, self._period, **self._given)
        return self._found

    def calls(self, opened: Opened) -> Iterator[Record]:
        for row in self._found.differences:
            for call in _listed(row.period, opened.invoice_calls(row, most=_MOST)):
                yield {"period": row.period, **call}

    def columns(self, shown: list[Record]) -> list[str]:
        names = ["period", "currency", "state", "invoice_amount", "record_amount"]
        if any(record["invoice_minutes"] is not None for record in shown):
            names += ["invoice_minutes", "record_minutes"]
        return names

    def notes(self) -> Iterator[str]:
        found = self._found
        yield (
            f"equal means within {found.amount_tolerance} of an amount, and within "
            f"{found.minutes_tolerance} of the {found.minutes} minutes"
        )
        if number := found.left_out:
            lines = "1 line" if number == 1 else f"{number:,} lines"
            yield f"{lines} of the invoice left out: outside the period"


class _Reports:
    """The comparison with the reports on a user."""

    period = "start"
    names = tuple(field.name for field in attrs.fields(reconciliation.ReportRow))

    def __init__(
        self,
        options: ClientSourceOptions,
        user: str,
        period: comparison.Period,
        given: dict[str, Any],
    ) -> None:
        self._options, self._user, self._period, self._given = options, user, period, given
        self._found: reconciliation.ReportReconciliation

    def check(self) -> None:
        first = self._period.first
        nothing = UserCallReport(success=0, failed=0, duration=0)
        window = ReportWindow(start=first, stop=first, report=nothing)
        reconciliation.reconcile_reports(lambda *_: (), self._user, [window], **self._given)

    def compare(self, opened: Opened) -> reconciliation.ReportReconciliation:
        with logged(self._options), self._options.client() as voice:
            windows = list(
                voice.reports.user_calls_by_window(
                    self._user,
                    self._period.first,
                    self._period.last + timedelta(days=1),
                    domain=self._given["domain"],
                )
            )
        self._found = opened.reconcile_reports(self._user, windows, **self._given)
        return self._found

    def calls(self, opened: Opened) -> Iterator[Record]:
        for row in self._found.differences:
            start = row.start.date().isoformat()
            for call in _listed(start, opened.report_calls(self._found, row, most=_MOST)):
                yield {"start": start, **call}

    def columns(self, shown: list[Record]) -> list[str]:
        sides = ("report", "record")
        counts = [f"{side}_{name}" for name in ("success", "failed", "duration") for side in sides]
        return ["start", "is_equal", *counts]

    def notes(self) -> Iterator[str]:
        found = self._found
        yield f"equal means within {found.call_tolerance} calls and {found.second_tolerance} s"
        if any(row.border_calls for row in found.rows):
            fits = "better if it does" if found.stop_is_inclusive else "as well or better if not"
            yield (
                "the documentation does not say whether the report on a day includes the next one; "
                f"the records fit {fits}"
            )


_Compared: TypeAlias = _Invoice | _Reports


def _listed(of: str, calls: list[reconciliation.ReconciledCall]) -> Iterator[Record]:
    for call in calls:
        yield call.to_dict()
    if len(calls) == _MOST:
        write(f"warning: only the first {_MOST:,} records of {of} are listed", sys.stderr)
