"""Reconciliation with invoices and reports: equal to plain Python, with every difference found."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import attrs
import pytest
from sinchvoice import InvalidRequest, MxpEndpoint, PstnEndpoint, cdr
from sinchvoice.cdr import reconciliation
from sinchvoice.reports import ReportWindow, UserCallReport

FIRST = datetime(2026, 10, 24, tzinfo=UTC)
CURRENCIES = ("EUR", "USD", "SEK", "GBP", "JPY")
STOCKHOLM = ZoneInfo("Europe/Stockholm")  # clocks go back on 2026-10-25


@attrs.frozen
class Call:
    """A record: its cells by column, and its values for the tests."""

    layout: str
    cells: dict[str, str]

    @property
    def time(self) -> datetime:
        return datetime.fromisoformat(self.cells["CallTime"])

    @property
    def amount(self) -> Decimal | None:
        return Decimal(self.cells["Amount"]) if self.cells.get("Amount") else None

    @property
    def currency(self) -> str | None:
        return self.cells.get("Currency") or None

    @property
    def is_answered(self) -> bool:
        return self.cells["Result"] == "ANSWERED"

    @property
    def seconds(self) -> int:
        return int(self.cells["Duration"] or 0) if self.is_answered else 0


def made(count: int, seed: int) -> list[Call]:
    """Return calls of ten days in five currencies, many at midnight."""
    dice = random.Random(seed)
    calls = []
    for number in range(count):
        layout = dice.choice(("phone-terminated", "phone-originated", "app-to-app"))
        moment = FIRST + timedelta(
            days=dice.randrange(10), seconds=dice.choice((0, 79_200, dice.randrange(86_400)))
        )
        data = layout == "app-to-app"
        calls.append(
            Call(
                layout,
                {
                    "CallId": f"{number:05}",
                    "CallTime": moment.isoformat().replace("+00:00", "Z"),
                    "Result": dice.choice(("ANSWERED", "ANSWERED", "BUSY")),
                    "Duration": dice.choice(("", "0", "1", "59", "60", "61", "600")),
                    "From": dice.choice(("+46730170101", "46730170101", "+12125550101")),
                    "To": dice.choice(("+46730170102", "46730170101", "+12125550102")),
                    "FromUserId": dice.choice(("alice", "bob")),
                    "ToUserId": dice.choice(("carol", "alice")),
                    "UserId": dice.choice(("alice", "bob", "")),
                    "Amount": "" if data else dice.choice(("", "0.0123456789", "0.5", "12")),
                    "Currency": "" if data else dice.choice((*CURRENCIES, "")),
                },
            )
        )
    return calls


def file(calls: list[Call]) -> bytes:
    lines = []
    for layout in ("phone-terminated", "phone-originated", "app-to-app"):
        names = [column.name for column in cdr.LAYOUTS[layout].columns]  # type: ignore[index]
        lines.append(";".join(names))
        lines += [
            ";".join(call.cells.get(name, "") for name in names)
            for call in calls
            if call.layout == layout
        ]
    return "\n".join([*lines, ""]).encode()


CALLS = made(1500, seed=16)


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[cdr.Archive]:
    with cdr.Archive(tmp_path_factory.mktemp("invoice") / "calls.duckdb") as archive:
        assert archive.load(file(CALLS)).loaded == len(CALLS)
        yield archive


def billed(
    zone: Any, minutes: str, length: int = 10
) -> dict[tuple[str, str | None], tuple[Decimal, Decimal, int]]:
    """Return amount, minutes and calls by period and currency, in plain Python."""
    found: dict[Any, list[Call]] = defaultdict(list)
    for call in CALLS:
        if call.amount is not None:
            found[call.time.astimezone(zone).date().isoformat()[:length], call.currency].append(
                call
            )
    sums = {}
    for key, calls in found.items():
        amount = sum((call.amount or Decimal(0) for call in calls), Decimal(0))
        if minutes == "started":
            total = Decimal(sum(-(-call.seconds // 60) for call in calls))
        else:
            total = round(Decimal(sum(call.seconds for call in calls)) / 60, 6)
        sums[key] = (amount, total, len(calls))
    return sums


def lines_of(sums: Any) -> list[reconciliation.InvoiceLine]:
    return [
        reconciliation.InvoiceLine(
            day=date.fromisoformat(f"{period}-01"[:10]),
            is_month=len(period) == 7,
            currency=currency,
            amount=amount,
            minutes=minutes,
        )
        for (period, currency), (amount, minutes, _) in sums.items()
        if currency
    ]


# --- Invoices ------------------------------------------------------------------------------------


@pytest.mark.parametrize("zone", ["UTC", "Europe/Stockholm", "America/New_York"])
@pytest.mark.parametrize("minutes", ["started", "talk"])
@pytest.mark.parametrize("length", [7, 10], ids=["months", "days"])
def test_a_right_invoice_is_equal(archive: Any, zone: str, minutes: Any, length: int):
    sums = billed(ZoneInfo(zone), minutes, length)
    found = archive.reconcile_invoice(
        lines_of(sums), minutes=minutes, tz=zone, amount_tolerance=0, minutes_tolerance=0
    )
    shown = {
        (row.period, row.currency): (row.record_amount, row.record_minutes, row.calls)
        for row in found.rows
    }
    assert shown == sums
    # An invoice has no lines without a currency.
    assert {row.currency for row in found.differences} == {None}
    assert {row.state for row in found.differences} == {"only in the records"}


def test_every_planted_difference_is_found_with_its_records(archive: Any):
    sums = billed(UTC, "started")
    right = {(line.period, line.currency): line for line in lines_of(sums)}
    day, other, lost, extra, near = (
        "2026-10-26",
        "2026-10-27",
        "2026-10-28",
        "2026-10-29",
        "2026-10-30",
    )
    right[day, "EUR"] = attrs.evolve(
        right[day, "EUR"], amount=right[day, "EUR"].amount + Decimal("0.011")
    )
    right[other, "SEK"] = attrs.evolve(
        right[other, "SEK"], minutes=(right[other, "SEK"].minutes or 0) - Decimal("1.1")
    )
    del right[lost, "JPY"]
    right[extra, "NOK"] = attrs.evolve(right[extra, "EUR"], currency="NOK")
    right[near, "USD"] = attrs.evolve(
        right[near, "USD"], amount=right[near, "USD"].amount - Decimal("0.01")
    )
    found = archive.reconcile_invoice(right.values())
    states = {(row.period, row.currency): row.state for row in found.differences if row.currency}
    assert states == {
        (day, "EUR"): "different",
        (other, "SEK"): "different",
        (lost, "JPY"): "only in the records",
        (extra, "NOK"): "only in the invoice",
    }
    rows = {(row.period, row.currency): row for row in found.rows}
    assert rows[day, "EUR"].amount_difference == Decimal("0.011")
    assert rows[other, "SEK"].minutes_difference == Decimal("-1.1")
    assert rows[extra, "NOK"].record_amount is None
    for row in found.differences:
        calls = archive.invoice_calls(row)
        assert [call.call_id for call in calls] == sorted(
            (
                call.cells["CallId"]
                for call in CALLS
                if call.amount is not None
                and call.currency == row.currency
                and row.start <= call.time < row.until
            ),
            key=lambda call_id: (CALLS[int(call_id)].time, call_id),
        )
        assert sum((call.amount for call in calls), Decimal(0)) == (row.record_amount or 0)
    first = archive.invoice_calls(rows[day, "EUR"], most=1)
    assert [call.to_dict()["call_time"][:10] for call in first] == [day]


def test_days_of_one_side_are_differences_within_the_compared_period(archive: Any):
    lines = [line for line in lines_of(billed(UTC, "started")) if line.day.day != 27]
    found = archive.reconcile_invoice(lines)
    assert {row.period for row in found.differences if row.currency} == {"2026-10-27"}
    found = archive.reconcile_invoice(lines, "2026-10-28..2026-10-30")
    assert {row.period for row in found.rows} == {"2026-10-28", "2026-10-29", "2026-10-30"}
    assert not [row for row in found.differences if row.currency]


def test_lines_of_one_day_and_currency_are_added(archive: Any):
    (line, *_) = lines_of(billed(UTC, "started"))
    half = attrs.evolve(line, amount=line.amount / 2, minutes=line.minutes / 2)  # type: ignore[operator]
    found = archive.reconcile_invoice([half, half])
    (row,) = (row for row in found.rows if row.currency == line.currency)
    assert (row.state, row.invoice_amount) == ("equal", line.amount)


def test_sums_keep_every_digit(archive: Any):
    line = reconciliation.InvoiceLine(
        day=date(2026, 10, 24), currency="CHF", amount=Decimal("1e20")
    )
    small = attrs.evolve(line, amount=Decimal("0.000000000000000001"))
    found = archive.reconcile_invoice([line, small])
    (row,) = (row for row in found.rows if row.currency == "CHF")
    assert str(row.amount_difference) == "100000000000000000000.000000000000000001"
    assert row.minutes_difference is None


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ('Day,Currency,Minutes,Amount\n2026-11-01,EUR,12,"1,234.50"\n', {}),
        ("\ufeffdate;currency;amount;minutes\r\n2026-11-01;EUR;1234.50;12\r\n;;;\r\n", {}),
        (
            "Datum;Betrag;Min.\n01.11.2026;1.234,50;12,0\n",
            {
                "day": "Datum",
                "amount": "Betrag",
                "minutes": "min.",
                "only_currency": "EUR",
                "date_format": "%d.%m.%Y",
                "decimal_comma": True,
            },
        ),
        (
            "day|currency|minutes|amount\n2026-11-01|eur|12|1\u00a0234.50\n",
            {"delimiter": "|"},
        ),
    ],
    ids=["commas", "semicolons", "German", "pipes"],
)
def test_invoices_are_read_in_many_forms(text: str, options: Any):
    (line,) = reconciliation.read_invoice(text.encode(), **options)
    assert (line.period, line.currency) == ("2026-11-01", "EUR")
    assert (line.amount, line.minutes) == (Decimal("1234.50"), Decimal(12))


def test_lines_can_be_about_months(tmp_path: Path):
    path = tmp_path / "invoice.csv"
    path.write_text("month,currency,cost\n2026-11,EUR,-3\n")
    (line,) = reconciliation.read_invoice(path)
    assert (line.period, line.is_month, line.amount) == ("2026-11", True, Decimal(-3))
    path.write_text("month,currency,cost\n11/2026,EUR,3\n")
    (line,) = reconciliation.read_invoice(path, date_format="%m/%Y")
    assert (line.period, line.is_month, line.minutes) == ("2026-11", True, None)


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("", {}, "the invoice has no single column 'day' or 'date' or 'month' or 'period'"),
        ("date,currency\n", {}, "'currency': give the column of the amount with amount="),
        ("day,amount\n", {}, "currency=, or the currency of all lines with only_currency="),
        ("day,currency,amount\n", {}, "has no lines below its header"),
        ("day,day,currency,amount\n", {"day": "day"}, "has no single column 'day'"),
        ("day,currency,amount\n2026-11-01,EUR\n", {}, "line 2 has 2 cells, not 3"),
        ("day,currency,amount\nTotal,EUR,1\n", {}, "line 2: 'Total' is not a day like"),
        ("day,currency,amount\n2026-11-31,EUR,1\n", {}, "'2026-11-31' is not a day"),
        ("day,currency,amount\n2026-11-01,,1\n", {}, "line 2 has no currency"),
        ("day;currency;amount\n2026-11-01;EUR;1,5\n", {}, "amount '1,5' is not a number like"),
        ("day;currency;amount\n2026-11-01;EUR;1.5\n", {"decimal_comma": True}, "amount '1.5'"),
        ("day,currency,amount\n2026-11-01,EUR,1e5\n", {}, "amount '1e5' is not a number"),
        ("day,currency,amount\n2026-11-01,EUR,€5\n", {}, "is not a number like 1,234.56"),
        ('day,currency,amount\n"2026-11-01,EUR,5\n', {}, "unexpected end of data"),
        ("day,currency,amount\n", {"delimiter": "||"}, "delimiter is '||'"),
    ],
)
def test_mistakes_in_an_invoice_are_named(text: str, options: Any, message: str):
    with pytest.raises(InvalidRequest) as error:
        reconciliation.read_invoice(text.encode(), **options)
    assert message in str(error.value)


def test_an_unreadable_invoice_is_named(tmp_path: Path):
    with pytest.raises(InvalidRequest, match="none.csv' cannot be read: No such file"):
        reconciliation.read_invoice(tmp_path / "none.csv")
    with pytest.raises(InvalidRequest, match=r"the invoice is not UTF-8 \(byte 0\)"):
        reconciliation.read_invoice(b"\xff")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lines": []}, "lines is empty"),
        ({"minutes": "hours"}, "minutes is 'hours': give 'started' or 'talk'"),
        ({"amount_tolerance": 0.01}, "amount_tolerance is 0.01: give a Decimal"),
        ({"minutes_tolerance": "-1"}, "minutes_tolerance is '-1'"),
        ({"period": "2026-11-02..2026-11-30"}, "give whole months"),
    ],
)
def test_wrong_options_are_named(archive: Any, options: Any, message: str):
    month = reconciliation.InvoiceLine(
        day=date(2026, 11, 1), is_month=True, currency="EUR", amount=Decimal(1)
    )
    with pytest.raises(InvalidRequest) as error:
        archive.reconcile_invoice(**{"lines": [month], **options})
    assert message in str(error.value)


def test_days_and_months_are_not_mixed(archive: Any):
    line = reconciliation.InvoiceLine(day=date(2026, 11, 1), currency="EUR", amount=Decimal(1))
    with pytest.raises(InvalidRequest, match="line 0 is about 2026-11, the first about 2026-11-01"):
        archive.reconcile_invoice([line, attrs.evolve(line, is_month=True)])


@pytest.mark.parametrize("day", [date.min, date.max])
def test_impossible_days_are_named(archive: Any, day: date):
    line = reconciliation.InvoiceLine(day=day, currency="EUR", amount=Decimal(1), line=7)
    with pytest.raises(InvalidRequest, match="line 7 is about .*: give days from 2000 to 2069"):
        archive.reconcile_invoice([line], tz="Europe/Stockholm")


# --- Reports -------------------------------------------------------------------------------------


def of_user(user: Any, domain: str, direction: str) -> list[Call]:
    """Return the calls of a user, in plain Python."""
    if isinstance(user, PstnEndpoint):
        layout = "phone-originated" if domain == "data" else "phone-terminated"
        columns = ("From", "To")
    else:
        layout = "app-to-app" if domain == "data" else "phone-terminated"
        columns = ("FromUserId", "ToUserId") if domain == "data" else ("UserId", "UserId")
    wanted = {"both": columns, "made": columns[:1], "received": columns[1:]}[direction]
    name = user.number[1:] if isinstance(user, PstnEndpoint) else user.username
    return [
        call
        for call in CALLS
        if call.layout == layout
        and name in (call.cells[column].removeprefix("+") for column in wanted)
    ]


def reported(
    calls: list[Call], starts: list[Any], stops: list[Any], *, inclusive: bool
) -> list[ReportWindow]:
    """Return a server's reports on these calls."""

    def moment(value: Any) -> datetime:
        if isinstance(value, datetime):
            return value
        return datetime(value.year, value.month, value.day, tzinfo=UTC)

    windows = []
    for start, stop in zip(starts, stops, strict=True):
        end = moment(stop)
        if inclusive:
            end += timedelta(seconds=1) if isinstance(stop, datetime) else timedelta(days=1)
        own = [call for call in calls if moment(start) <= call.time < end]
        report = UserCallReport(
            success=sum(call.is_answered for call in own),
            failed=sum(not call.is_answered for call in own),
            duration=sum(call.seconds for call in own),
        )
        windows.append(ReportWindow(start=start, stop=stop, report=report))
    return windows


DAYS = [date(2026, 10, 24) + timedelta(days=number) for number in range(9)]
HOURS = [FIRST + timedelta(hours=2 * number) for number in range(60)]


@pytest.mark.parametrize("inclusive", [False, True])
@pytest.mark.parametrize("edges", [DAYS, HOURS], ids=["days", "hours"])
@pytest.mark.parametrize("domain", ["data", "pstn"])
@pytest.mark.parametrize("direction", ["both", "made"])
@pytest.mark.parametrize("name", ["alice", "+46730170101"])
def test_right_reports_are_equal(
    archive: Any, name: str, direction: Any, domain: Any, edges: Any, inclusive: bool
):
    user = PstnEndpoint(name) if name.startswith("+") else MxpEndpoint(name)
    windows = reported(of_user(user, domain, direction), edges[:-1], edges[1:], inclusive=inclusive)
    found = archive.reconcile_reports(name, iter(windows), domain=domain, direction=direction)
    assert (found.user, found.domain, found.stop_is_inclusive) == (user, domain, inclusive)
    assert found.differences == ()
    assert sum(row.record_success for row in found.rows) > 50
    assert sum(row.border_calls for row in found.rows) > 0


def test_a_window_with_another_report_is_a_difference_with_its_records(archive: Any):
    calls = of_user(MxpEndpoint("alice"), "pstn", "both")
    windows = reported(calls, DAYS[:-1], DAYS[1:], inclusive=False)
    for place, change in ((1, {"success": 2}), (3, {"duration": 5}), (5, {"failed": 1})):
        report = windows[place].report
        changed = {name: getattr(report, name) + by for name, by in change.items()}
        windows[place] = attrs.evolve(windows[place], report=attrs.evolve(report, **changed))
    found = archive.reconcile_reports("alice", windows, domain="pstn")
    assert [row.start.day for row in found.differences] == [25, 27, 29]
    for row in found.differences:
        own = [call for call in calls if row.start <= call.time < row.until]
        assert {call.call_id for call in archive.report_calls(found, row)} == {
            call.cells["CallId"] for call in own
        }
        assert row.to_dict()["start"] == f"2026-10-{row.start.day}T00:00:00Z"
    found = archive.reconcile_reports(
        "alice", windows, domain="pstn", call_tolerance=1, second_tolerance=5
    )
    assert [row.start.day for row in found.differences] == [25]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"user": "sip:alice@example.com"}, "user is 'sip:alice@example.com': give a phone number"),
        ({"domain": "sip"}, "domain is 'sip': give 'data' or 'pstn'"),
        ({"direction": "in"}, "direction is 'in': give 'both', 'made' or 'received'"),
        ({"direction": "received", "domain": "pstn"}, "an app user receives no phone-terminated"),
        ({"call_tolerance": -1}, "call_tolerance is -1"),
        ({"windows": []}, "windows is empty"),
    ],
)
def test_wrong_arguments_are_named(archive: Any, options: Any, message: str):
    windows = reported([], DAYS[:1], DAYS[1:2], inclusive=False)
    with pytest.raises(InvalidRequest) as error:
        archive.reconcile_reports(**{"user": "alice", "windows": windows, **options})
    assert message in str(error.value)


def test_names_are_data_for_the_database(archive: Any):
    windows = reported([], DAYS[:1], DAYS[1:2], inclusive=False)
    found = archive.reconcile_reports("x' OR '1'='1", windows, domain="pstn")
    assert found.differences == ()


def test_a_scan_reconciles_as_an_archive_does(archive: Any):
    lines = lines_of(billed(STOCKHOLM, "started"))
    with cdr.scan(file(CALLS)) as calls:
        found = calls.reconcile_invoice(lines, tz=STOCKHOLM)
        assert found == archive.reconcile_invoice(lines, tz=STOCKHOLM)
        assert calls.invoice_calls(found.rows[0]) == archive.invoice_calls(found.rows[0])
