"""cli: `cdr signals` and `cdr reconcile`, the latter also against the reports of a sandbox.

The page docs/how-to/fraud-and-invoices.md has this command.
"""

from __future__ import annotations

import csv
import io
import json
import re
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from command_line import Run, isolated, runner
from sinchvoice import cdr
from sinchvoice.cdr import reconciliation, signals
from sinchvoice.sandbox import Sandbox, running
from test_cli import on_a_terminal, unstyled

PERIOD = ("--period", "2026-11-23..2026-11-29")
HEADER = ";".join(column.name for column in cdr.LAYOUTS["phone-terminated"].columns)
INVOICE = "Datum;Betrag;Min\n22.11.2026;0,50;1\n23.11.2026;{};45\n24.11.2026;1,00;5\n"
OPTIONS = (
    *("reconcile", "--invoice", "invoice.csv", "--day-column", "Datum", "--amount-column"),
    *("Betrag", "--minutes-column", "Min", "--currency", "EUR", "--date-format", "%d.%m.%Y"),
    "--decimal-comma",
)


def record(number: int, moment: datetime, seconds: int) -> str:
    cells = {
        "CallId": f"{number:03}",
        "CallTime": f"{moment.isoformat()}Z",
        "Result": "ANSWERED",
        "Duration": str(seconds),
        "From": "+12125550100",
        "To": f"+467301701{number:02}",
        "Amount": "0.5",
        "Currency": "EUR",
        "UserId": "=robot",
    }
    names = [column.name for column in cdr.LAYOUTS["phone-terminated"].columns]
    return ";".join(cells.get(name, "") for name in names)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """The command in a folder with the file of a burst and a call of the day before."""
    start = datetime.fromisoformat("2026-11-23T23:55:00")
    rows = [record(number, start + timedelta(seconds=6 * number), 5) for number in range(45)]
    rows.append(record(99, start - timedelta(days=1), 60))
    (tmp_path / "calls.csv").write_text("\n".join([HEADER, *rows, ""]))
    (tmp_path / "invoice.csv").write_text(INVOICE.format("22,50"))
    monkeypatch.chdir(tmp_path)
    return runner(isolated({}, tmp_path), monkeypatch, capsys)


# --- Signals -------------------------------------------------------------------------------------


def test_signals_of_files_and_of_an_archive_are_lines_of_json(run: Run):
    ran = run("cdr", "signals", "calls.csv", *PERIOD, "--json")
    assert (ran.code, ran.err) == (0, "")
    found = [json.loads(line) for line in ran.out.splitlines()]
    kinds = ["called_range", "short_calls", "caller_rate", "prefix_rate"]
    assert [each["kind"] for each in found] == kinds
    burst = found[1]
    assert burst["subject"] == "=robot"
    assert burst["counts"] == {"attempts": 45, "answered": 45, "short": 45, "numbers": 45}
    assert burst["call_ids"] == [f"{number:03}" for number in range(20)]
    assert burst["score"] == 69.2
    run("cdr", "load", "calls.csv")
    assert run("cdr", "signals", *PERIOD, "--json").out == ran.out


def test_a_reason_has_the_singular_for_one(run: Run, tmp_path: Path):
    file = tmp_path / "calls.csv"
    file.write_text(re.sub(r"\+467301701\d\d", "+46730170101", file.read_text()))
    ran = run("cdr", "signals", "calls.csv", *PERIOD, "--json")
    reasons = {each["kind"]: each["reason"] for each in map(json.loads, ran.out.splitlines())}
    assert "45 in all by 1 caller; " in reasons["prefix_rate"]
    assert "45 in all to 1 number; " in reasons["caller_rate"]


def test_kinds_scores_and_thresholds_choose_the_signals(run: Run):
    ran = run("cdr", "signals", "calls.csv", *PERIOD, "--kind", "short_calls", "--json")
    assert len(ran.out.splitlines()) == 1
    ran = run("cdr", "signals", "calls.csv", *PERIOD, "--min-score", "65")
    assert [line.split("\t")[0] for line in ran.out.splitlines()[1:]] == [
        "called_range",
        "short_calls",
    ]
    limits = ("--threshold", "burst_calls=46", "--threshold", "range_numbers=46")
    ran = run("cdr", "signals", "calls.csv", *PERIOD, *limits, "--threshold", "rate_calls=46")
    assert (ran.code, ran.out, ran.err) == (0, "", "note: no signals in 45 calls\n")


def test_the_csv_of_signals_has_a_column_for_each_count_and_no_formulas(run: Run):
    ran = run("cdr", "signals", "calls.csv", *PERIOD, "--csv")
    rows = list(csv.DictReader(io.StringIO(ran.out)))
    assert {*signals.COUNTS} < rows[0].keys()
    assert rows[1]["subject"] == "'=robot"
    assert rows[1]["short"] == "45"
    assert len(rows[1]["call_ids"].split()) == 20


def test_a_missing_past_is_reported(run: Run):
    ran = run("cdr", "signals", "calls.csv", "--period", "2026-11-22")
    assert "warning: there are no calls in the 28 days before the period" in ran.err
    ran = run("cdr", "signals", "calls.csv", "--period", "2026-10-22")
    assert ran.err == "note: there are no calls in the period\n"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "Missing option '--period'"),
        (("--period", "2026-11-31"), "--period is '2026-11-31': give a day like"),
        ((*PERIOD, "--kind", "x"), "--kind is 'x': give some of short_calls, "),
        ((*PERIOD, "--min-score", "101"), "--min-score is 101.0: give a number from 0 to 100"),
        ((*PERIOD, "--threshold", "x=1"), "--threshold is 'x=1': give NAME=N, with one of past"),
        ((*PERIOD, "--threshold", "evidence=x"), "'x' is not a whole number"),
        ((*PERIOD, "--threshold", "evidence=0"), "evidence is 0: give a whole number from 1"),
        ((*PERIOD, "--tz", "Mars"), "--tz is 'Mars'"),
        ((*PERIOD, "--csv", "--json"), "--csv and --json are two formats"),
    ],
)
def test_wrong_options_of_signals_are_named(run: Run, options: Any, message: str):
    ran = run("cdr", "signals", "missing.csv", *options)
    assert (ran.code, ran.out) == (2, "")
    assert message in ran.err


def test_signals_fit_a_terminal(run: Run, tmp_path: Path):
    shown = unstyled(on_a_terminal({}, tmp_path, "cdr", "signals", "calls.csv", *PERIOD))
    assert "2026-11-23 23:55" in " ".join(shown.split())
    assert max(map(len, shown.splitlines())) <= 80


# --- Invoices ------------------------------------------------------------------------------------


def test_an_equal_invoice_ends_with_0_and_differences_with_16(run: Run):
    ran = run("cdr", *OPTIONS, "calls.csv", "--json")
    rows = [json.loads(line) for line in ran.out.splitlines()]
    assert [row["state"] for row in rows] == ["equal", "equal", "only in the invoice"]
    assert ran.code == 16
    assert ran.error["type"] == "DifferencesFound"
    ran = run("cdr", *OPTIONS, "calls.csv", "--period", "2026-11-22..2026-11-23", "--differences")
    assert (ran.code, ran.out) == (0, "")
    assert ran.err == (
        "note: equal means within 0.01 of an amount, and within 1 of the started minutes\n"
        "note: 1 line of the invoice left out: outside the period\n"
    )


def test_the_records_of_a_difference_are_listed(run: Run, tmp_path: Path):
    run("cdr", "load", "calls.csv")
    (tmp_path / "invoice.csv").write_text(INVOICE.format("1.022,52"))
    ran = run("cdr", *OPTIONS, "--records", "--csv")
    rows = list(csv.DictReader(io.StringIO(ran.out)))
    assert [row["call_id"] for row in rows] == [f"{number:03}" for number in range(45)]
    assert {(row["period"], row["amount"]) for row in rows} == {("2026-11-23", "0.5")}
    assert ran.err.endswith("error: 2 of 3 rows are different\n")
    ran = run("cdr", *OPTIONS, "--differences", "--csv")
    row, lost = csv.DictReader(io.StringIO(ran.out))
    assert (row["period"], row["amount_difference"]) == ("2026-11-23", "1000.02")
    assert (lost["record_amount"], lost["amount_difference"]) == ("", "1.00")
    ran = run("cdr", *OPTIONS, "--amount-tolerance", "1000.02", "--minutes-tolerance", "5")
    assert ran.code == 0


def test_lines_outside_the_period_are_reported(run: Run):
    ran = run("cdr", *OPTIONS, "calls.csv", "--period", "2026-11-23")
    assert "note: 2 lines of the invoice left out: outside the period\n" in ran.err


def test_an_invoice_can_come_from_standard_input(run: Run):
    invoice = b"day,currency,amount\n2026-11-23,EUR,22.5\n"
    ran = run("cdr", "reconcile", "calls.csv", "--invoice", "-", stdin=invoice)
    assert ran.code == 0
    assert "22.5\t22.5" in ran.out
    ran = run("cdr", "reconcile", "calls.csv", "--invoice", "-", stdin=b"day\n")
    assert "standard input has no single column 'currency'" in ran.err


@pytest.mark.parametrize(
    ("invoice", "hint"),
    [
        ("Datum,currency,amount\n", "give the column of the day with --day-column"),
        (
            "day,Betrag\n",
            "with --currency-column, or the currency of all lines with --currency",
        ),
        ("day,currency,Betrag\n", "give the column of the amount with --amount-column"),
        ("day,currency,amount\n2026-11-23,EUR\n", "correct the line, or give --delimiter"),
        ("day,currency,amount\n23.11.2026,EUR,1\n", "give the format with --date-format, or"),
        ("day,currency,amount\n2026-11-23,EUR,x\n", "correct it, or give --decimal-comma"),
    ],
)
def test_an_error_in_an_invoice_names_the_option(run: Run, invoice: str, hint: str):
    ran = run("cdr", "reconcile", "calls.csv", "--invoice", "-", stdin=invoice.encode())
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("error: standard input")
    assert hint in ran.err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("reconcile",), "an invoice or with reports: give --invoice or --user"),
        ((*OPTIONS, "--user", "alice"), "an invoice or with reports: give --invoice or --user"),
        (("reconcile", "--invoice", "no.csv"), "'no.csv' cannot be read"),
        (("reconcile", "--invoice", "-", "-"), "--invoice and FILE are both standard input"),
        ((*OPTIONS[:-1], "missing.csv"), "line 2: amount '0,50' is not a number"),
        ((*OPTIONS, "--minutes", "x"), "--minutes is 'x': give 'started' or 'talk'"),
        ((*OPTIONS, "--amount-tolerance", "-1"), "--amount-tolerance is '-1'"),
        ((*OPTIONS, "--delimiter", "--"), "--delimiter is '--'"),
        ((*OPTIONS, "--json", "--csv"), "--csv and --json are two formats"),
        (("reconcile", "--user", "alice"), "--period is missing: give the days of the reports"),
        (("reconcile", "--user", "sip:a@b", *PERIOD), "--user is 'sip:a@b'"),
        ((*OPTIONS, "--domain", "pstn"), "--domain has no effect with --invoice: remove it"),
        (("reconcile", "--user", "a", *PERIOD, "--tz", "Asia/Tokyo"), "--tz has no effect with"),
        (("reconcile", "--user", "alice", *PERIOD, "--direction", "x"), "--direction is 'x'"),
    ],
)
def test_wrong_options_of_reconcile_are_named(run: Run, options: Any, message: str):
    ran = run("cdr", *options)
    assert (ran.code, ran.out) == (2, "")
    assert message in ran.err


# --- Reports -------------------------------------------------------------------------------------


def test_reports_of_a_sandbox_are_equal_to_its_records(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    with running() as box:
        run = runner(isolated(box.environ, tmp_path), monkeypatch, capsys)
        monkeypatch.chdir(tmp_path)
        days = write_week(box, tmp_path)
        for user in ("myUserName", "abc123def", "+12125550123"):
            for domain in ("data", "pstn"):
                given = ("--user", user, "--domain", domain, "--period", days)
                ran = run("cdr", "reconcile", "cdr", *given, "--json")
                rows = [json.loads(line) for line in ran.out.splitlines()]
                assert (ran.code, len(rows)) == (0, 7), ran.err
                assert sum(row["record_success"] for row in rows) > 5
        given = ("--user", "myUserName", "--period", days)
        ran = run("cdr", "reconcile", "cdr", *given, "--direction", "made", "--records", "--csv")
        assert ran.code == 16
        listed = list(csv.DictReader(io.StringIO(ran.out)))
        assert {row["from"] for row in listed} == {"myUserName"}
        assert next(iter(listed[0])) == "start"


def write_week(box: Sandbox, folder: Path) -> str:
    """Write the records of the sandbox's last days, and return the days of its calls."""
    today = box.clock.now.date()
    for number in range(8):
        box.write_cdr_files(folder / "cdr", today - timedelta(days=number))
    return f"{today - timedelta(days=7)}..{today - timedelta(days=1)}"


def test_a_long_list_of_records_is_cut_with_a_warning(run: Run, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("sinchvoice.cli.auditing._MOST", 10)
    line = "day,currency,amount\n2026-11-23,EUR,1\n"
    ran = run(
        *("cdr", "reconcile", "calls.csv", "--invoice", "-", "--records"), stdin=line.encode()
    )
    assert len(ran.out.splitlines()) == 11
    assert "warning: only the first 10 records of 2026-11-23 are listed" in ran.err


def test_days_of_invoices_are_dates():
    (line,) = reconciliation.read_invoice(b"day,currency,amount\n2026-11-23,EUR,1\n")
    assert line.day == date(2026, 11, 23)
