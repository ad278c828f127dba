"""Reconciliation of call detail records with an invoice, and with the reports on a user.

    from sinchvoice import cdr
    from sinchvoice.cdr import reconciliation

    lines = reconciliation.read_invoice("november.csv", decimal_comma=True)
    with cdr.Archive("calls.duckdb") as archive:
        for row in archive.reconcile_invoice(lines).differences:
            print(row.period, row.currency, row.state, row.amount_difference)

Amounts are decimals, and are never added across currencies. Nothing here uses HTTP: the reports on
a user are given as data.
"""

from __future__ import annotations

import csv
import io
import os
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, Protocol, TypeAlias
from zoneinfo import ZoneInfo

import attrs

from .. import endpoints
from ..data import format_day
from ..endpoints import MxpEndpoint, PstnEndpoint
from ..errors import InvalidRequest, Remedy, printable
from ..vocabulary import Domain, ReportDomain
from . import kpis
from .amounts import exact_sum, without_zeros
from .comparison import Period, PeriodLike
from .kpis import Run
from .periods import day_start, query_time, span

__all__ = [
    "Direction",
    "InvoiceLine",
    "InvoiceReconciliation",
    "InvoiceRow",
    "Minutes",
    "ReconciledCall",
    "ReportReconciliation",
    "ReportRow",
    "ReportedTotals",
    "ReportedWindow",
    "State",
    "invoice_calls",
    "read_invoice",
    "reconcile_invoice",
    "reconcile_reports",
    "report_calls",
]

Minutes: TypeAlias = Literal["started", "talk"]
Direction: TypeAlias = Literal["both", "made", "received"]
State: TypeAlias = Literal["equal", "different", "only in the invoice", "only in the records"]

_ONE_DAY = timedelta(days=1)
_COLUMNS = {
    "day": ("day", "date", "month", "period"),
    "currency": ("currency",),
    "minutes": ("minutes",),
    "amount": ("amount", "cost"),
}


# --- Invoices ------------------------------------------------------------------------------------


@attrs.frozen(kw_only=True)
class InvoiceLine:
    """A line of an invoice.

    Attributes:
        day: The day, or the first day of the month.
        is_month: Whether the line is about the whole month.
        currency: Currency of the amount.
        amount: The amount.
        minutes: The minutes; None if the invoice has none.
        line: Line in the file; 0 if it is from elsewhere.
    """

    day: date
    is_month: bool = False
    currency: str
    amount: Decimal
    minutes: Decimal | None = None
    line: int = 0

    @property
    def period(self) -> str:
        """The day, or the month, such as `2026-11-23` or `2026-11`."""
        return self.day.isoformat()[: 7 if self.is_month else 10]


def read_invoice(
    source: str | os.PathLike[str] | bytes,
    *,
    day: str | None = None,
    currency: str | None = None,
    minutes: str | None = None,
    amount: str | None = None,
    only_currency: str | None = None,
    date_format: str | None = None,
    delimiter: str | None = None,
    decimal_comma: bool = False,
    name: str | None = None,
) -> list[InvoiceLine]:
    """Read an invoice from a CSV file in UTF-8 with a header row.

    Args:
        source: Path of the file, or its content as bytes.
        day: Column of the day or month; None for `day`, `date`, `month` or `period`.
        currency: Column of the currency; None for `currency`.
        minutes: Column of the minutes; None for `minutes`, which may be missing.
        amount: Column of the amount; None for `amount` or `cost`.
        only_currency: Currency of all lines, if the file has no column of it.
        date_format: Format of the day as for `datetime.strptime`, such as `%d.%m.%Y`; without a
            day, like `%m/%Y`, lines are about months. None for `2026-11-23` or `2026-11`.
        delimiter: Separator of the columns; None for the most frequent of `,`, `;` and tab in the
            header row.
        decimal_comma: Whether numbers are written like `1.234,56`, not `1,234.56`.
        name: Name of the file in errors; None for its path.

    Returns:
        The lines. Empty ones are skipped.

    Raises:
        InvalidRequest: The file cannot be read, lacks a column, or has a wrong cell.
    """
    content, shown = _content(source)
    shown = shown if name is None else name
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidRequest(f"{shown} is not UTF-8 (byte {error.start}): convert it") from None
    header = text.partition("\n")[0]
    separator = max(",;\t", key=header.count) if delimiter is None else delimiter
    if len(separator) != 1 or separator in '"\r\n':
        raise InvalidRequest(
            parameter="delimiter", value=separator, remedy="give one character, such as ';'"
        )
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    lines: list[InvoiceLine] = []
    try:
        names = [each.strip() for each in next(rows, [])]
        given = {"day": day, "currency": currency, "minutes": minutes, "amount": amount}
        places = {
            key: _place(shown, names, key, value, needed=key != "minutes")
            for key, value in given.items()
            if key != "currency" or only_currency is None
        }
        for row in rows:
            if not any(each.strip() for each in row):
                continue
            where = f"{shown}, line {rows.line_num}"
            if len(row) != len(names):
                raise InvalidRequest(
                    f"{where} has {len(row)} cells, not {len(names)} as the header",
                    remedy=Remedy("correct the line, or give {delimiter}", delimiter="delimiter="),
                )
            cells = {
                key: None if place is None else row[place].strip() for key, place in places.items()
            }
            found, is_month = _day(where, cells["day"] or "", date_format)
            lines.append(
                InvoiceLine(
                    day=found,
                    is_month=is_month,
                    currency=_currency(where, only_currency or cells["currency"] or ""),
                    amount=_decimal(where, "amount", cells["amount"] or "", decimal_comma),
                    minutes=None
                    if cells["minutes"] is None
                    else _decimal(where, "minutes", cells["minutes"], decimal_comma),
                    line=rows.line_num,
                )
            )
    except csv.Error as error:
        raise InvalidRequest(f"{shown}, line {rows.line_num}: {error}: correct the file") from None
    if not lines:
        raise InvalidRequest(f"{shown} has no lines below its header: give an invoice with some")
    return lines


def _content(source: str | os.PathLike[str] | bytes) -> tuple[bytes, str]:
    if isinstance(source, bytes):
        return source, "the invoice"
    try:
        return Path(source).read_bytes(), os.fspath(source)
    except (OSError, ValueError) as error:  # a name with a NUL is a ValueError
        reason = getattr(error, "strerror", None) or error
        raise InvalidRequest(f"{os.fspath(source)!r} cannot be read: {reason}") from error


def _place(
    shown: str, names: list[str], key: str, given: str | None, *, needed: bool
) -> int | None:
    """Return the place of a column."""
    wanted = _COLUMNS[key] if given is None else (given,)
    folded = [name.casefold() for name in names]
    for name in wanted:
        if folded.count(name.casefold()) == 1:
            return folded.index(name.casefold())
    if given is None and not needed:
        return None
    there = ", ".join(map(repr, names)) or "none"
    name = repr(given) if given is not None else " or ".join(map(repr, wanted))
    remedy = f"give the column of the {key} with {{{key}_column}}"
    if key == "currency":
        remedy += ", or the currency of all lines with {only_currency}"
    raise InvalidRequest(
        f"{printable(shown, 300)} has no single column {printable(name, 60)}; its columns are "
        f"{printable(there, 300)}",
        remedy=Remedy(
            remedy,
            day_column="day=",
            currency_column="currency=",
            minutes_column="minutes=",
            amount_column="amount=",
            only_currency="only_currency=",
        ),
    )


def _day(where: str, text: str, date_format: str | None) -> tuple[date, bool]:
    """Return a day, or the first day of a month and True."""
    try:
        if date_format is not None:
            found = datetime.strptime(text, date_format).date()  # noqa: DTZ007 - a day has no zone
            is_month = not re.search("%[dDjcxF]", date_format)
            return (found.replace(day=1) if is_month else found), is_month
        if re.fullmatch(r"\d{4}-\d\d", text):
            return date.fromisoformat(f"{text}-01"), True
        if re.fullmatch(r"\d{4}-\d\d-\d\d", text):
            return date.fromisoformat(text), False
    except ValueError:
        pass
    wanted = "YYYY-MM-DD or YYYY-MM" if date_format is None else date_format
    raise InvalidRequest(
        f"{where}: {printable(repr(text), 60)} is not a day like {wanted}",
        remedy=Remedy(
            "give the format with {date_format}, or remove the line if it is a total",
            date_format="date_format=",
        ),
    )


def _currency(where: str, text: str) -> str:
    if not text:
        raise InvalidRequest(f"{where} has no currency: correct the line")
    return text.upper() if _CODE.fullmatch(text) else text


_CODE = re.compile("[a-z]{3}", re.IGNORECASE | re.ASCII)


_NUMBER = re.compile(r"[+-]?(?:\d+|\d{1,3}(?:,\d{3})+)(?:\.\d+)?", re.ASCII)


def _decimal(where: str, key: str, text: str, decimal_comma: bool) -> Decimal:
    """Return a number; thousands may be separated by points or commas, spaces or apostrophes."""
    plain = re.sub(r"(?<=\d)[ \u00a0\u202f'\u2019](?=\d{3})", "", text).replace("\u2212", "-")
    if decimal_comma:
        plain = plain.translate(str.maketrans(",.", ".,"))
    if not _NUMBER.fullmatch(plain) or len(plain) > 40:
        example = "1.234,56" if decimal_comma else "1,234.56"
        other = "omit" if decimal_comma else "give"
        raise InvalidRequest(
            f"{where}: {key} {printable(repr(text), 60)} is not a number like {example}",
            remedy=Remedy(
                f"correct it, or {other} {{decimal_comma}}", decimal_comma="decimal_comma=True"
            ),
        )
    return Decimal(plain.replace(",", ""))


@attrs.frozen(kw_only=True)
class InvoiceRow:
    """The invoice and the records of a day or month in one currency.

    Attributes:
        period: The day or month, such as `2026-11-23` or `2026-11`.
        currency: The currency; None for records with an amount without one.
        state: `equal` within the tolerances, `different`, or on one side only.
        invoice_amount: Sum of the lines of the invoice; None without a line.
        record_amount: Sum of the amounts of the records; None without a record.
        amount_difference: Amount of the invoice less that of the records.
        invoice_minutes: Minutes of the invoice; None if it has none.
        record_minutes: Minutes of the records, as started or as talked.
        minutes_difference: Minutes of the invoice less those of the records; None if one is
            unknown.
        calls: Records with an amount.
        start: Start of the day or month, in UTC.
        until: Time after its end, in UTC.
    """

    period: str
    currency: str | None
    state: State
    invoice_amount: Decimal | None
    record_amount: Decimal | None
    amount_difference: Decimal
    invoice_minutes: Decimal | None
    record_minutes: Decimal | None
    minutes_difference: Decimal | None
    calls: int
    start: datetime
    until: datetime

    def to_dict(self) -> dict[str, Any]:
        """Return the row in JSON types; amounts and minutes are text with all their digits."""
        return _as_data(self)


@attrs.frozen(kw_only=True)
class InvoiceReconciliation:
    """An invoice against records.

    Attributes:
        start: Start of the period, in UTC.
        until: Time after its end, in UTC.
        minutes: How the minutes of the records are counted.
        amount_tolerance: Largest difference of amounts in a row that counts as equal.
        minutes_tolerance: Largest difference of minutes in a row that counts as equal.
        rows: A row for each day or month and currency of either side, in order.
        left_out: Number of lines of the invoice outside the period.
    """

    start: datetime
    until: datetime
    minutes: Minutes
    amount_tolerance: Decimal
    minutes_tolerance: Decimal
    rows: tuple[InvoiceRow, ...]
    left_out: int = 0

    @property
    def differences(self) -> tuple[InvoiceRow, ...]:
        """The rows that are not equal."""
        return tuple(row for row in self.rows if row.state != "equal")


def reconcile_invoice(
    run: Run,
    lines: Iterable[InvoiceLine],
    period: PeriodLike | None = None,
    *,
    minutes: Minutes = "started",
    amount_tolerance: Decimal | str | int = Decimal("0.01"),
    minutes_tolerance: Decimal | str | int = Decimal(1),
    tz: str | ZoneInfo = "UTC",
) -> InvoiceReconciliation:
    """Compare an invoice with the records in the table or view `records`.

    Records count by the local day of the call and only if they have an amount. Lines of the same
    day or month and currency are added.

    Args:
        run: Access to the records: `kpis.on_duckdb(connection)`, `kpis.on_spark(session)`, or
            another function of this type.
        lines: Lines of the invoice, all about days or all about months.
        period: The compared days; None for those from the first to the last line. A month is
            whole, or not in it.
        minutes: `started` to round each call up to whole minutes, `talk` for exact talk time.
        amount_tolerance: Largest difference in a row that counts as equal, in its currency. The
            default is the rounding of a sum to hundredths.
        minutes_tolerance: The same for minutes.
        tz: Time zone of the invoice's days.

    Returns:
        A row for each day or month and currency of either side.

    Raises:
        InvalidRequest: There are no lines, they mix days and months, or an argument is not valid.
    """
    every = list(lines)
    if not every:
        raise InvalidRequest("lines is empty: give at least one line of an invoice")
    by_month = every[0].is_month
    for each in every:
        if not 2000 <= each.day.year < 2070:
            raise InvalidRequest(
                f"line {each.line} is about {each.period}: give days from 2000 to 2069"
            )
        if each.is_month is not by_month:
            raise InvalidRequest(
                f"line {each.line} is about {each.period}, the first about {every[0].period}: give "
                "only days or only months"
            )
    if minutes not in ("started", "talk"):
        raise InvalidRequest(parameter="minutes", value=minutes, remedy="give 'started' or 'talk'")
    most_amount = _tolerance("amount_tolerance", amount_tolerance)
    most_minutes = _tolerance("minutes_tolerance", minutes_tolerance)
    start, until = _compared(every, period, tz, by_month=by_month)

    invoiced: dict[tuple[str, str | None], list[InvoiceLine]] = defaultdict(list)
    days: dict[str, date] = {}
    for each in every:
        begin, end = span(each.day, each.day, tz, by_month=by_month)
        if start <= begin and end <= until:
            invoiced[each.period, each.currency].append(each)
            days[each.period] = each.day
    recorded: dict[tuple[str, str | None], list[kpis.KpiCost]] = defaultdict(list)
    for row in kpis.compute(run, "day", {"start": start, "until": until}, tz=tz):
        day = row.by["day"]
        assert isinstance(day, date)  # noqa: S101 - every record has a time
        key = day.isoformat()[: 7 if by_month else 10]
        days[key] = day.replace(day=1) if by_month else day
        for cost in row.costs:
            recorded[key, cost.currency].append(cost)

    def compared(key: tuple[str, str | None]) -> InvoiceRow:
        own, costs = invoiced.get(key, []), recorded.get(key, [])
        invoice_amount = exact_sum(each.amount for each in own) if own else None
        record_amount = exact_sum(each.amount for each in costs) if costs else None
        invoice_minutes = None
        if own and all(each.minutes is not None for each in own):
            invoice_minutes = exact_sum(each.minutes or Decimal(0) for each in own)
        record_minutes = _minutes(costs, minutes) if costs else None
        amount_difference = _difference(invoice_amount, record_amount)
        minutes_difference = None
        if invoice_minutes is not None or (record_minutes is not None and not own):
            minutes_difference = _difference(invoice_minutes, record_minutes)
        is_equal = abs(amount_difference) <= most_amount and (
            minutes_difference is None or abs(minutes_difference) <= most_minutes
        )
        state: State = "equal" if is_equal else "different"
        if not is_equal and not own:
            state = "only in the records"
        elif not is_equal and not costs:
            state = "only in the invoice"
        begin, end = span(days[key[0]], days[key[0]], tz, by_month=by_month)
        return InvoiceRow(
            period=key[0],
            currency=key[1],
            state=state,
            invoice_amount=invoice_amount,
            record_amount=record_amount,
            amount_difference=amount_difference,
            invoice_minutes=invoice_minutes,
            record_minutes=record_minutes,
            minutes_difference=minutes_difference,
            calls=sum(each.priced for each in costs),
            start=begin,
            until=end,
        )

    invoiced_lines = tuple(invoiced.values())
    keys = sorted({*invoiced, *recorded}, key=lambda key: (key[0], key[1] is None, key[1] or ""))
    return InvoiceReconciliation(
        start=start,
        until=until,
        minutes=minutes,
        amount_tolerance=most_amount,
        minutes_tolerance=most_minutes,
        rows=tuple(map(compared, keys)),
        left_out=len(every) - sum(map(len, invoiced_lines)),
    )


def _difference(invoice: Decimal | None, records: Decimal | None) -> Decimal:
    return exact_sum((invoice or Decimal(0), (records or Decimal(0)).copy_negate()))


def _minutes(costs: Iterable[kpis.KpiCost], minutes: Minutes) -> Decimal:
    if minutes == "started":
        return Decimal(sum(each.started_minutes for each in costs))
    return round(Decimal(sum(each.priced_seconds for each in costs)) / 60, 6)


def _tolerance(name: str, value: Decimal | str | int) -> Decimal:
    number = re.fullmatch(r"\d{1,15}(\.\d{1,15})?", str(value), re.ASCII)
    if isinstance(value, bool | float) or number is None:
        raise InvalidRequest(
            parameter=name, value=value, remedy="give a Decimal or text like '0.01', of 0 or more"
        )
    return Decimal(number[0])


def _compared(
    lines: Sequence[InvoiceLine], period: PeriodLike | None, tz: str | ZoneInfo, *, by_month: bool
) -> tuple[datetime, datetime]:
    """Return start and end of the comparison; whole months for an invoice of months."""
    if period is None:
        days = [each.day for each in lines]
        return span(min(days), max(days), tz, by_month=by_month)
    given = Period.of(period)
    whole = given.first.day == 1 and (given.last + _ONE_DAY).day == 1
    if by_month and not whole:
        raise InvalidRequest(
            parameter="period",
            value=str(given),
            remedy="give whole months, as the invoice is about months",
        )
    return span(given.first, given.last, tz)


# --- Reports on a user ---------------------------------------------------------------------------


class ReportedTotals(Protocol):
    """The totals of a report, as in `sinchvoice.UserCallReport`."""

    @property
    def success(self) -> int: ...
    @property
    def failed(self) -> int: ...
    @property
    def duration(self) -> int: ...


class ReportedWindow(Protocol):
    """A window and its report, as `voice.reports.user_calls_by_window` yields them."""

    @property
    def start(self) -> date | datetime: ...
    @property
    def stop(self) -> date | datetime: ...
    @property
    def report(self) -> ReportedTotals: ...


@attrs.frozen(kw_only=True)
class ReportRow:
    """The report on a user and the records of a window.

    Attributes:
        start: Start of the window, in UTC.
        until: Time after its end, in UTC, as `stop_is_inclusive` says.
        is_equal: Whether both sides are equal within the tolerances.
        report_success: Successful calls of the report.
        record_success: Answered calls of the records.
        report_failed: Failed calls of the report.
        record_failed: All other calls of the records.
        report_duration: Seconds of the report.
        record_duration: Talk time of the records, in seconds.
        border_calls: Records at the end of the window, which count here, and again in the next
            window, only if the end is inclusive.
    """

    start: datetime
    until: datetime
    is_equal: bool
    report_success: int
    record_success: int
    report_failed: int
    record_failed: int
    report_duration: int
    record_duration: int
    border_calls: int

    def to_dict(self) -> dict[str, Any]:
        """Return the row in JSON types."""
        return _as_data(self)


@attrs.frozen(kw_only=True)
class ReportReconciliation:
    """The reports on a user against records.

    Attributes:
        user: The user.
        domain: Where the calls ended.
        direction: The compared calls of the user.
        stop_is_inclusive: Whether the reports fit the records better if a window includes its end.
            The documentation does not say whether it does.
        call_tolerance: Largest difference of successful, and of failed calls that counts as equal.
        second_tolerance: Largest difference of durations that counts as equal, in seconds.
        rows: A row for each window.
    """

    user: MxpEndpoint | PstnEndpoint
    domain: ReportDomain
    direction: Direction
    stop_is_inclusive: bool
    call_tolerance: int
    second_tolerance: int
    rows: tuple[ReportRow, ...]

    @property
    def differences(self) -> tuple[ReportRow, ...]:
        """The rows that are not equal."""
        return tuple(row for row in self.rows if not row.is_equal)


def reconcile_reports(
    run: Run,
    user: MxpEndpoint | PstnEndpoint | str,
    windows: Iterable[ReportedWindow],
    *,
    domain: Domain = ReportDomain.DATA,
    direction: Direction = "both",
    call_tolerance: int = 0,
    second_tolerance: int = 0,
) -> ReportReconciliation:
    """Compare the reports on a user with the records in the table or view `records`.

    The documentation does not say whether a window includes its end. Both readings are tried on all
    windows together, and the one with fewer differences is used; `stop_is_inclusive` says which.

    Args:
        run: As for `reconcile_invoice`.
        user: A phone number or an app user; as text, see `endpoints.parse`.
        windows: Windows with their reports, from `voice.reports.user_calls_by_window`. Days are in
            UTC.
        domain: The domain of the reports. For `pstn`, phone-terminated calls are compared. For
            `data`, phone-originated ones, and with an app user also app-to-app calls; but a
            phone-originated record names the called number, seldom the user who answered.
        direction: `made` or `received` for one of the two; the documentation does not say which the
            reports count.
        call_tolerance: Largest difference of calls that counts as equal.
        second_tolerance: Largest difference of durations that counts as equal, in seconds.

    Returns:
        A row for each window.

    Raises:
        InvalidRequest: An argument is not valid, or there are no windows.
    """
    found = _user(user)
    ended = _domain(domain)
    condition, parameters = _of_user(found, ended, direction)
    for name, value in (
        ("call_tolerance", call_tolerance),
        ("second_tolerance", second_tolerance),
    ):
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise InvalidRequest(
                parameter=name, value=value, remedy="give a whole number of at least 0"
            )
    every = list(windows)
    if not every:
        raise InvalidRequest("windows is empty: give at least one window with its report")
    spans = [_ends(each) for each in every]
    values = ", ".join(
        "({}, {})".format(number, ", ".join(map(_timestamp, span)))
        for number, span in enumerate(spans)
    )
    query = _sections()["user_calls"].format(condition=condition, windows=values)
    counted = {int(number): list(map(int, rest)) for number, *rest in run(query, parameters)}

    def rows(*, inclusive: bool) -> list[ReportRow]:
        return [
            _report_row(
                each,
                spans[number],
                counted.get(number, [0] * 6),
                (call_tolerance, second_tolerance),
                inclusive=inclusive,
            )
            for number, each in enumerate(every)
        ]

    exclusive, with_end = rows(inclusive=False), rows(inclusive=True)
    inclusive = sum(row.is_equal for row in with_end) > sum(row.is_equal for row in exclusive)
    return ReportReconciliation(
        user=found,
        domain=ended,
        direction=direction,
        stop_is_inclusive=inclusive,
        call_tolerance=call_tolerance,
        second_tolerance=second_tolerance,
        rows=tuple(with_end if inclusive else exclusive),
    )


def _report_row(
    window: ReportedWindow,
    span: tuple[datetime, datetime, datetime],
    counts: Sequence[int],
    tolerances: tuple[int, int],
    *,
    inclusive: bool,
) -> ReportRow:
    success, failed, seconds = counts[3:] if inclusive else counts[:3]
    report, (calls, duration) = window.report, tolerances
    return ReportRow(
        start=span[0],
        until=span[2] if inclusive else span[1],
        is_equal=abs(report.success - success) <= calls
        and abs(report.failed - failed) <= calls
        and abs(report.duration - seconds) <= duration,
        report_success=report.success,
        record_success=success,
        report_failed=report.failed,
        record_failed=failed,
        report_duration=report.duration,
        record_duration=seconds,
        border_calls=sum(counts[3:5]) - sum(counts[:2]),
    )


def _user(user: MxpEndpoint | PstnEndpoint | str) -> MxpEndpoint | PstnEndpoint:
    found = endpoints.parse(user) if isinstance(user, str) else user
    if not isinstance(found, MxpEndpoint | PstnEndpoint):
        raise InvalidRequest(
            parameter="user", value=str(user), remedy="give a phone number or an app user"
        )
    return found


def _domain(domain: ReportDomain | str) -> ReportDomain:
    try:
        return ReportDomain(domain)
    except ValueError:
        raise InvalidRequest(
            parameter="domain", value=domain, remedy="give 'data' or 'pstn'"
        ) from None


def _of_user(
    user: MxpEndpoint | PstnEndpoint, domain: ReportDomain, direction: Direction
) -> tuple[str, dict[str, Any]]:
    """Return the SQL condition for the records of a user, and its parameters."""
    if direction not in ("both", "made", "received"):
        raise InvalidRequest(
            parameter="direction", value=direction, remedy="give 'both', 'made' or 'received'"
        )
    if isinstance(user, PstnEndpoint):
        digits = user.number.removeprefix("+")
        parameters = {"name": digits, "other_name": f"+{digits}"}
        layouts = ["phone-originated" if domain == ReportDomain.DATA else "phone-terminated"]
        made, received = (f"{column} IN (:name, :other_name)" for column in ("from_", "to_"))
    elif domain == ReportDomain.DATA:
        parameters, layouts = {"name": user.username}, ["app-to-app", "phone-originated"]
        made, received = "from_ = :name", "to_ = :name"
    else:
        parameters, layouts = {"name": user.username}, ["phone-terminated"]
        made, received = "user_id = :name", ""
        if direction == "received":
            raise InvalidRequest(
                parameter="direction",
                value=direction,
                remedy="give 'both' or the domain 'data': an app user receives no phone-terminated "
                "calls",
            )
    chosen = {"both": (made, received), "made": (made,), "received": (received,)}[direction]
    listed = ", ".join(f"'{layout}'" for layout in layouts)
    return f"layout IN ({listed}) AND ({' OR '.join(filter(None, chosen))})", parameters


def _ends(window: ReportedWindow) -> tuple[datetime, datetime, datetime]:
    """Return the start, the end, and the time after the end if that is included."""
    start, stop = window.start, window.stop
    if isinstance(start, datetime) and isinstance(stop, datetime):
        if start.tzinfo is None or stop.tzinfo is None:
            raise InvalidRequest(
                f"the window from {start} to {stop} has no zone: give times with one"
            )
        begin, end, step = start.astimezone(UTC), stop.astimezone(UTC), timedelta(seconds=1)
    elif isinstance(start, datetime) or isinstance(stop, datetime):
        raise InvalidRequest(f"the window {start} to {stop} is of two kinds: give two days")
    else:
        begin, end, step = day_start(start), day_start(stop), _ONE_DAY
    return begin, end, end + step


# --- Records -------------------------------------------------------------------------------------


@attrs.frozen(kw_only=True)
class ReconciledCall:
    """A record behind a difference.

    Attributes:
        call_id: Id of the call.
        layout: Layout of the record.
        call_time: Time of the call, in UTC.
        from_: The caller.
        to: The callee.
        result: Result of the call.
        duration: Duration in seconds.
        amount: Cost.
        currency: Currency of the cost.
    """

    call_id: str
    layout: str
    call_time: datetime
    from_: str | None
    to: str | None
    result: str | None
    duration: int | None
    amount: Decimal | None
    currency: str | None

    def to_dict(self) -> dict[str, Any]:
        """Return the record in JSON types; the amount is text with all its digits."""
        return _as_data(self)


_MOST = 10_000
"""Default of the most records of a difference."""


def invoice_calls(run: Run, row: InvoiceRow, *, most: int = _MOST) -> list[ReconciledCall]:
    """Return the records of a row: those of its day or month with an amount in its currency.

    Args:
        run: As for `reconcile_invoice`.
        row: The row.
        most: Most records to return, the earliest first; 1 to 1,000,000.

    Raises:
        InvalidRequest: `most` is out of range.
    """
    condition = "amount IS NOT NULL AND COALESCE(currency, '') = :currency"
    return _calls(run, condition, {"currency": row.currency or ""}, row.start, row.until, most)


def report_calls(
    run: Run, reconciliation: ReportReconciliation, row: ReportRow, *, most: int = _MOST
) -> list[ReconciledCall]:
    """Return the records of a row: those of the user in its window.

    Args:
        run: As for `reconcile_reports`.
        reconciliation: The reconciliation with the row.
        row: The row.
        most: Most records to return, the earliest first; 1 to 1,000,000.

    Raises:
        InvalidRequest: `most` is out of range.
    """
    condition, parameters = _of_user(
        reconciliation.user, reconciliation.domain, reconciliation.direction
    )
    return _calls(run, condition, parameters, row.start, row.until, most)


def _calls(
    run: Run,
    condition: str,
    parameters: dict[str, Any],
    start: datetime,
    until: datetime,
    most: int,
) -> list[ReconciledCall]:
    if isinstance(most, bool) or not isinstance(most, int) or not 1 <= most <= 1_000_000:
        raise InvalidRequest(
            parameter="most", value=most, remedy="give a whole number from 1 to 1000000"
        )
    query = _sections()["calls"].format(condition=condition, most=most)
    times = {"start": query_time(start), "until": query_time(until)}
    return [
        ReconciledCall(
            call_id=call_id,
            layout=layout,
            call_time=call_time.replace(tzinfo=UTC),
            from_=from_,
            to=to,
            result=result,
            duration=duration,
            amount=None if amount is None else without_zeros(amount),
            currency=currency,
        )
        for call_id, layout, call_time, from_, to, result, duration, amount, currency in run(
            query, {**parameters, **times}
        )
    ]


def _timestamp(moment: datetime) -> str:
    return f"CAST('{query_time(moment)}' AS TIMESTAMP WITHOUT TIME ZONE)"


def _as_data(value: Any) -> dict[str, Any]:
    def written(each: Any) -> Any:
        if isinstance(each, Decimal):
            return f"{each:f}"
        return format_day(each) if isinstance(each, datetime) else each

    return {
        name.rstrip("_"): written(each) for name, each in attrs.asdict(value, recurse=False).items()
    }


@cache
def _sections() -> dict[str, str]:
    """Return the queries of `reconciliation.sql` by name."""
    text = files("sinchvoice.cdr").joinpath("reconciliation.sql").read_text("utf-8")
    _, *parts = re.split(r"^-- # (\w+)\n", text, flags=re.MULTILINE)
    return dict(zip(parts[::2], parts[1::2], strict=True))
