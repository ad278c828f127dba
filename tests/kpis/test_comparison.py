"""Comparison of two periods: values against plain Python, days, groups and notes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from period_calls import LAST_WEEK, MONDAY, at, call, expected, fill, made
from sinchvoice import InvalidRequest, cdr
from sinchvoice.cdr import comparison, kpis
from sinchvoice.sandbox import cdr_generator

STOCKHOLM = "Europe/Stockholm"
WEEK = [date(2026, 11, 23) + timedelta(days=number) for number in range(7)]
CALLS = made(seed=1)


@pytest.fixture
def records() -> Iterator[Any]:
    with duckdb.connect() as connection:
        yield connection


def run(connection: Any, calls: list[dict[str, Any]]) -> kpis.Run:
    fill(connection, calls)
    return kpis.on_duckdb(connection)


def changes(found: comparison.Comparison) -> dict[Any, comparison.Change]:
    return {(*each.by.values(), each.kpi, each.currency): each for each in found.changes}


# --- Values --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("with_", "first", "days"),
    [
        ("previous", date(2026, 11, 16), 7),
        ("same-weekdays", MONDAY, 28),
        ("2026-10-26..2026-11-01", MONDAY, 7),
        ((MONDAY, date(2026, 11, 1)), MONDAY, 7),
    ],
)
def test_both_values_of_each_kpi_are_those_of_plain_python(
    records: Any, with_: Any, first: date, days: int
):
    found = comparison.compare(run(records, CALLS), LAST_WEEK, with_, by="country")
    reference = [first + timedelta(days=number) for number in range(days)]
    assert (found.period.days, found.reference.days) == (tuple(WEEK), tuple(reference))
    compared = changes(found)
    for country in ("SE", "FR"):
        sides = [
            expected(
                (
                    each
                    for each in CALLS
                    if each["to_country_id"] == country and each["call_time"].date() in of
                ),
                len(of),
            )
            for of in (WEEK, reference)
        ]
        for key in sides[0]:
            change = compared.pop((country, *key))
            for ratio, (numerator, denominator) in zip(
                (change.value, change.reference), (sides[0][key], sides[1][key]), strict=True
            ):
                assert float(ratio.numerator) == pytest.approx(float(numerator), rel=1e-12)
                assert ratio.denominator == pytest.approx(float(denominator), rel=1e-12)
                assert ratio.value == pytest.approx(float(numerator / denominator), rel=1e-12)
            value, before = change.value.value, change.reference.value
            assert value is not None
            assert before is not None
            assert (change.absolute, change.relative) == (value - before, (value - before) / before)
    assert not compared


def test_money_is_exact_and_separate_for_each_currency(records: Any):
    calls = [
        call(at(11, day, 8), amount=Decimal(amount), currency=currency)
        for day in range(16, 30)
        for currency, amount in (("EUR", "0.1"), ("SEK", "1.000000000000000001"), (None, "7"))
    ]
    found = changes(comparison.compare(run(records, calls), LAST_WEEK, kpi="cost"))
    assert list(found) == [("cost", "EUR"), ("cost", "SEK"), ("cost", None)]
    assert found["cost", "EUR"].value.numerator == Decimal("0.7")
    assert found["cost", "SEK"].value.numerator == Decimal("7.000000000000000007")
    assert found["cost", "SEK"].value.formula == "amount / days"


def test_sums_of_days_keep_every_digit(records: Any):
    amount = Decimal("9999999999999.000000000000000001")  # 31 digits
    calls = [call(at(11, day, 8), amount=amount) for day in (23, 24, 25)]
    found = changes(comparison.compare(run(records, calls), LAST_WEEK, kpi="cost"))
    assert found["cost", "EUR"].value.numerator == Decimal("29999999999997.000000000000000003")


def test_groups_of_one_period_only_are_compared_with_nothing(records: Any):
    new = [call(at(11, day, 8), to_country_id="NO") for day in (23, 24)]
    old = [call(at(11, 16, 8), to_country_id="DK")]
    of = comparison.compare(run(records, [*CALLS, *new, *old]), LAST_WEEK, by="country")
    found = changes(of)
    assert found["NO", "attempts", None].value.numerator == 2
    assert found["NO", "attempts", None].reference.value == 0
    assert found["NO", "attempts", None].relative is None
    assert found["NO", "asr", None].reference.value is None
    assert found["NO", "asr", None].reason == "no calls on one side"
    assert found["DK", "attempts", None].relative == -1
    assert found["DK", "attempts", None].is_more_than_chance is None
    assert found["DK", "attempts", None].reason == "too few calls"


@pytest.mark.parametrize("by", [(), "country"])
def test_empty_periods_have_no_values_and_are_noted(records: Any, by: Any):
    found = comparison.compare(run(records, CALLS), "2026-01-05..2026-01-06", by=by)
    assert all(each.p_value is None and each.absolute is None for each in found.changes)
    assert len(found.changes) == (0 if by else len(comparison.COMPARED) - 2)  # no currencies
    assert found.notes[:2] == (
        "no records at all on 2026-01-05, 2026-01-06: left out",
        "no records at all on 2026-01-03, 2026-01-04: left out",
    )


def test_too_few_attempts_leave_ratios_without_a_value(records: Any):
    calls = run(records, CALLS)
    found = changes(comparison.compare(calls, LAST_WEEK, by="country", min_attempts=10_000))
    assert found["SE", "asr", None].value.value is None
    assert found["SE", "asr", None].reason == "too few attempts"
    assert found["SE", "attempts", None].value.value is not None


# --- Chance --------------------------------------------------------------------------------------


def test_planted_changes_are_found_and_nothing_else(records: Any):
    planted = {("FR", day): {"asr": 0.6} for day in WEEK} | {
        ("NO", day): {"calls": 1.8} for day in WEEK
    }
    calls = made(seed=2, calls=80, countries=("SE", "FR", "NO", "DK"), planted=planted)
    found = comparison.compare(
        run(records, calls),
        LAST_WEEK,
        "same-weekdays",
        by="country",
        kpi=("attempts", "asr", "acd"),
    )
    real = {(each.by["country"], each.kpi) for each in found.changes if each.is_more_than_chance}
    assert real == {("FR", "asr"), ("NO", "attempts")}


def test_hardly_any_comparison_of_equal_weeks_finds_a_change(records: Any):
    false = 0
    for seed in range(10):
        found = comparison.compare(
            run(records, made(seed=seed, calls=12)), LAST_WEEK, "same-weekdays", by="country"
        )
        assert sum(each.p_value is not None for each in found.changes) > 15
        false += any(each.is_more_than_chance for each in found.changes)
    assert false <= 1


# --- Days ----------------------------------------------------------------------------------------


def test_days_are_local_also_when_clocks_change(records: Any):
    calls = [
        call(at(10, 24, 21, 59)),  # 23:59 on the 24th in Stockholm
        call(at(10, 24, 22)),  # 00:00 on the 25th, which has 25 hours
        call(at(10, 25, 22, 59)),
        call(at(10, 25, 23)),  # 00:00 on the 26th
    ]
    of = run(records, calls)
    found = comparison.compare(of, "2026-10-25", tz=STOCKHOLM, kpi="attempts")
    (change,) = found.changes
    assert (change.attempts, change.reference_attempts) == (2, 1)
    assert f"2026-10-25 has 25 hours in {STOCKHOLM}" in found.notes
    (change,) = comparison.compare(of, "2026-10-25", kpi="attempts").changes
    assert (change.attempts, change.reference_attempts) == (2, 2)


def test_a_missing_day_is_left_out_and_noted(records: Any):
    calls = [each for each in CALLS if each["call_time"].date() != date(2026, 11, 25)]
    found = comparison.compare(run(records, calls), LAST_WEEK, "same-weekdays", kpi="attempts")
    (change,) = found.changes
    assert change.value.denominator == 6
    assert change.is_more_than_chance is False
    assert found.notes == (
        "no records at all on 2026-11-25: left out",
        "the periods have different weekdays: a weekly rhythm can look like a change, or hide one",
    )


def test_a_missing_layout_and_unequal_weekdays_are_noted(records: Any):
    sip = [call(at(11, day, 8), layout="sip-terminated") for day in range(16, 29)]
    of = run(records, [*CALLS, *sip])
    assert comparison.compare(of, LAST_WEEK).notes == ("no sip-terminated records on 2026-11-29",)
    assert comparison.compare(of, LAST_WEEK, where={"layout": "phone-terminated"}).notes == ()
    notes = comparison.compare(of, "2026-11-22..2026-11-29", "2026-11-08..2026-11-14").notes
    assert any("unequal shares" in note for note in notes)
    notes = comparison.compare(of, "2026-11-28", "2026-11-27").notes
    assert any("different weekdays" in note for note in notes)


def test_a_weekday_counts_its_own_days(records: Any):
    of = run(records, CALLS)
    found = comparison.compare(of, LAST_WEEK, "same-weekdays", by="weekday", kpi="attempts")
    assert [each.by["weekday"] for each in found.changes] == list(kpis.WEEKDAYS)
    assert {each.value.denominator for each in found.changes} == {1}
    assert {each.reference.denominator for each in found.changes} == {4}
    (change,) = comparison.compare(
        of, LAST_WEEK, where={"weekday": "Monday"}, kpi="attempts"
    ).changes
    assert (change.value.denominator, change.reference.denominator) == (1, 1)


def test_the_reference_is_of_the_wanted_days():
    period = comparison.Period.of("2026-11-24..2026-11-25")
    assert str(comparison.reference_of(period, "previous", 4)) == "2026-11-22..2026-11-23"
    weekdays = comparison.reference_of(period, "same-weekdays", 2)
    assert [day.isoformat() for day in weekdays.days] == [
        "2026-11-10",
        "2026-11-11",
        "2026-11-17",
        "2026-11-18",
    ]
    assert str(weekdays) == "2026-11-10..2026-11-18 (Tue, Wed)"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("2026-11-31",), "period is '2026-11-31': give a day like 2026-11-23"),
        (("20261123",), "period is '20261123'"),
        (("2026-11-29..2026-11-23",), "give the first day first"),
        (("1999-12-31..2026-11-23",), "give days from 2000-01-01"),
        ((at(11, 1),), "period is datetime"),
        ((7,), "period is 7"),
        ((LAST_WEEK, "last"), "with is 'last': give 'previous', 'same-weekdays' or days"),
        ((LAST_WEEK, "2026-11-29..2026-12-01"), "both have 2026-11-29"),
        ((LAST_WEEK, {"weeks": 0}), "weeks is 0: give a number from 1 to 52"),
        ((LAST_WEEK, {"alpha": 1}), "alpha is 1: give a number between 0 and 1"),
        ((LAST_WEEK, {"kpi": "pdd"}), "kpi is 'pdd': give one of attempts, answered"),
        ((LAST_WEEK, {"kpi": ()}), "give at least one"),
        ((LAST_WEEK, {"by": "day"}), "by has 'day'"),
        ((LAST_WEEK, {"by": "planet"}), "by has 'planet', which is unknown"),
        ((LAST_WEEK, {"where": {"start": None}}), "where has 'start'"),
        ((LAST_WEEK, {"tz": "Mars"}), "tz is 'Mars'"),
        ((LAST_WEEK, {"min_attempts": 0}), "min_attempts is 0"),
    ],
)
def test_a_wrong_argument_is_refused_with_its_name_value_and_remedy(arguments: Any, message: str):
    names = arguments[-1] if isinstance(arguments[-1], dict) else {}
    with pytest.raises(InvalidRequest, match=message):
        comparison.compare(lambda *_: (), *(a for a in arguments if a is not names), **names)


# --- Archive and scan ----------------------------------------------------------------------------


def test_archive_and_scan_compare_as_the_function_does(tmp_path: Path):
    cdr_generator.cdr_files(
        tmp_path / "cdr", days=14, records=8, layouts=("app-to-app", "sip-terminated")
    )
    period = "2026-11-09..2026-11-15"
    with (
        cdr.Archive(tmp_path / "calls.duckdb") as archive,
        cdr.scan(str(tmp_path / "cdr")) as scan,
    ):
        archive.load(str(tmp_path / "cdr"))
        found = archive.compare(period, by="layout")
        assert found.changes == scan.compare(period, by="layout").changes
        run = kpis.on_duckdb(archive._connection)
        assert found.changes == comparison.compare(run, period, by="layout").changes
        assert found.notes == (
            "late records may be missing: no file of a day after 2026-11-15 (UTC) is loaded",
        )
        assert archive.compare("2026-11-09", "2026-11-02").notes == ()


def test_unreadable_records_of_the_days_are_noted(tmp_path: Path):
    planted = cdr_generator.Planted(rejects={"time": 1})  # type: ignore[dict-item]
    cdr_generator.cdr_files(tmp_path / "cdr", days=3, records=4, planted=planted)
    with cdr.Archive(tmp_path / "calls.duckdb") as archive:
        archive.load(str(tmp_path / "cdr"))
        (rejected,) = archive.rejects()
        day = rejected.file[-14:-4]
        notes = archive.compare(day, "2026-10-01").notes
        assert f"1 unreadable record in files of {day}..{day} (UTC)" in notes
