"""Alarms by rules: each bound at its edge, groups without a verdict, and mistakes in a file."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from period_calls import LAST_WEEK, MONDAY, at, call, fill, made
from sinchvoice import InvalidRequest, cdr
from sinchvoice.cdr import alerts, kpis, prefixes
from sinchvoice.cdr.alerts import AlertRule
from sinchvoice.sandbox import cdr_generator

DAY = "2026-11-24"


@pytest.fixture
def records() -> Iterator[Any]:
    with duckdb.connect() as connection:
        yield connection


def report(
    connection: Any, calls: list[dict[str, Any]], period: str, *rules: AlertRule, tz: str = "UTC"
) -> alerts.AlertReport:
    fill(connection, calls)
    return alerts.evaluate(kpis.on_duckdb(connection), period, rules, tz=tz)


def raised(found: alerts.AlertReport) -> list[tuple[Any, ...]]:
    return [(alarm.rule.name, *alarm.by.values(), alarm.bound) for alarm in found.alarms]


def rule(kpi: alerts.AlertKpi, **fields: Any) -> AlertRule:
    return AlertRule(name="r", kpi=kpi, **fields)


# --- Bounds --------------------------------------------------------------------------------------

TEN = [  # on one day: 6 answered of 2 minutes, one of these short; 2 busy, 2 network failures
    *(call(at(11, 24, 8, number), duration=143) for number in range(5)),
    call(at(11, 24, 9), duration=5),
    *(call(at(11, 24, 10, n), result="BUSY", reason="N/A", amount=None) for n in range(2)),
    *(
        call(at(11, 24, 11, n), result="FAILED", reason="GENERALERROR", amount=None)
        for n in range(2)
    ),
]


@pytest.mark.parametrize(
    ("kpi", "value"),
    [
        ("attempts", "10"),
        ("answered", "6"),
        ("minutes_of_use", "12"),
        ("asr", "0.6"),
        ("ner", "0.8"),
        ("acd", "120"),
        ("setup_time", "4"),
        ("cost", "0.12"),
        ("cost_per_talk_minute", "0.01"),
    ],
)
def test_a_bound_is_broken_beyond_its_value_only(records: Any, kpi: Any, value: str):
    exact, step = Decimal(value), Decimal("0.000001")
    for fields, broken in (
        ({"above": exact, "below": exact}, []),
        ({"above": exact - step}, [("r", "above")]),
        ({"below": exact + step}, [("r", "below")]),
    ):
        found = report(records, TEN, DAY, rule(kpi, **fields))
        assert raised(found) == broken
        assert found.results[0].judged == 1
    (alarm,) = found.alarms
    assert alarm.value.value == pytest.approx(float(exact), rel=1e-12)
    assert (alarm.limit, alarm.attempts) == (exact + step, 10)


def test_a_share_of_short_calls_is_judged(records: Any):
    found = report(records, TEN, DAY, rule("short_calls", above=Decimal("0.16")))
    assert raised(found) == [("r", "above")]
    assert (found.alarms[0].value.numerator, found.alarms[0].value.denominator) == (1, 6)


def test_groups_and_currencies_are_judged_one_by_one(records: Any):
    calls = [
        *TEN,
        call(at(11, 24, 8), to_country_id="FR", currency="USD", amount=Decimal(3)),
        call(at(11, 24, 8), to_country_id="FR", currency="SEK", amount=Decimal(3)),
    ]
    found = report(records, calls, DAY, rule("cost", by=("country",), above=1))
    assert [(alarm.by["country"], alarm.currency) for alarm in found.alarms] == [
        ("FR", "SEK"),
        ("FR", "USD"),
    ]
    found = report(records, calls, DAY, rule("cost", by=("country",), currency="USD", above=1))
    assert [alarm.currency for alarm in found.alarms] == ["USD"]
    found = report(records, calls, DAY, rule("asr", where={"country": "FR"}, below=1))
    assert (found.alarms, found.results[0].judged) == ((), 1)


def test_totals_are_per_day(records: Any):
    calls = [call(at(11, day, hour)) for day in (23, 24) for hour in range(day - 20)]
    found = report(records, calls, "2026-11-23..2026-11-24", rule("attempts", above=3))
    assert (found.alarms[0].value.numerator, found.alarms[0].value.denominator) == (7, 2)


def test_no_calls_of_a_filter_are_a_volume_of_zero(records: Any):
    found = report(records, TEN, DAY, rule("attempts", where={"country": "NO"}, below=1))
    assert raised(found) == [("r", "below")]


def test_days_are_local(records: Any):
    calls = [call(at(11, 23, 23, 30))]  # 00:30 on the 24th in Stockholm
    of = rule("attempts", above=0)
    assert raised(report(records, calls, DAY, of, tz="Europe/Stockholm")) == [("r", "above")]
    assert report(records, calls, DAY, of).absent == (date(2026, 11, 24),)


# --- Changes -------------------------------------------------------------------------------------


def test_only_a_planted_fall_is_an_alarm(records: Any):
    last_week = [date(2026, 11, day) for day in range(23, 30)]
    planted = {("FR", day): {"asr": 0.5, "calls": 2.0} for day in last_week}
    calls = made(seed=4, calls=60, planted=planted)
    found = report(
        records,
        calls,
        LAST_WEEK,
        AlertRule(name="asr", kpi="asr", by=("country",), falls_by=Decimal("0.2")),
        AlertRule(name="volume", kpi="attempts", by=("country",), rises_by=Decimal("0.5")),
        AlertRule(name="falls", kpi="attempts", by=("country",), falls_by=Decimal("0.5")),
    )
    assert raised(found) == [("asr", "FR", "falls_by"), ("volume", "FR", "rises_by")]
    change = found.alarms[0].change
    assert change is not None
    assert (change.relative or 0) == pytest.approx(-0.5, abs=0.1)
    assert (change.p_value or 1) < 0.01
    assert [result.judged for result in found.results] == [2, 2, 2]


def test_a_large_change_by_chance_is_an_alarm_on_request_only(records: Any):
    days = [(16, 30), (17, 5), (18, 40), (19, 8), (23, 40), (24, 45), (25, 6), (26, 42)]
    calls = [call(at(11, day, 8, minute)) for day, number in days for minute in range(number)]
    fields: dict[str, Any] = {"rises_by": Decimal("0.3"), "with_": "same-weekdays", "weeks": 1}
    period = "2026-11-23..2026-11-26"
    assert raised(report(records, calls, period, rule("attempts", **fields))) == []
    found = report(records, calls, period, rule("attempts", alpha=None, **fields))
    assert raised(found) == [("r", "rises_by")]


def test_a_cost_in_a_currency_without_amounts_is_not_judged(records: Any):
    calls = [call(at(11, 24, 8), currency="EUR", amount=Decimal(2))]
    for bounds in ({"above": 1}, {"rises_by": 1}):
        found = report(records, calls, DAY, rule("cost", currency="eur", **bounds))
        assert [result.unjudged for result in found.unjudged] == [{"no amounts in eur": 1}]
    found = report(records, calls, DAY, rule("cost", currency="eur", below=1))
    assert [alarm.value.value for alarm in found.alarms] == [0]


@pytest.mark.parametrize(
    ("before", "now", "falls", "rises"),
    [
        ("1.0", "1.1", "0.05", "0.1"),  # in binary, 1.1 - 1.0 is more than 0.1
        ("1.0", "0.7", "0.3", "0.05"),
        ("-1.0", "-0.9", "0.05", "0.1"),  # a smaller credit is a rise
        ("-1.0", "-1.1", "0.1", "0.05"),
    ],
)
def test_a_change_is_an_alarm_beyond_its_limit_only(
    records: Any, before: str, now: str, falls: str, rises: str
):
    calls = [
        call(at(11, day, 8), amount=Decimal(amount), currency="EUR")
        for day, amount in ((23, before), (24, now))
    ]
    fields: dict[str, Any] = {"with_": "previous", "alpha": None}
    limits = {"falls_by": Decimal(falls), "rises_by": Decimal(rises)}
    assert raised(report(records, calls, DAY, rule("cost", **limits, **fields))) == []
    closer = {name: limit - Decimal("0.01") for name, limit in limits.items()}
    (alarm,) = report(records, calls, DAY, rule("cost", **closer, **fields)).alarms
    assert alarm.bound == ("rises_by" if Decimal(now) > Decimal(before) else "falls_by")
    assert alarm.change is not None
    assert ((alarm.change.relative or 0) > 0) is (alarm.bound == "rises_by")


def test_new_destinations_have_no_calls_in_the_weeks_before(records: Any):
    calls = [
        call(at(11, 24), to_country_id="SE"),
        call(at(11, 24), to_country_id="NO"),
        call(at(11, 24), to_country_id="DK"),
        call(at(11, 24), to_country_id=None),
        call(at(11, 23), to_country_id="SE"),
        call(at(11, 10), to_country_id="DK"),
    ]
    found = report(
        records,
        calls,
        DAY,
        AlertRule(name="1", kpi="new_destinations", by=("country",), weeks=1),
        AlertRule(name="4", kpi="new_destinations", by=("country",)),
        AlertRule(name="2 calls", kpi="new_destinations", by=("country",), min_attempts=2),
    )
    assert raised(found) == [("1", "DK", "new"), ("1", "NO", "new"), ("4", "NO", "new")]
    assert found.unjudged == (found.results[2],)
    assert found.results[2].unjudged == {"fewer than 2 attempts": 3}
    found = report(records, calls[:4], DAY, rule("new_destinations", by=("country",)))
    assert found.results[0].unjudged == {"no records at all in 2026-10-27..2026-11-23": 1}


def test_groups_can_be_those_of_a_table_of_prefixes(records: Any):
    calls = [
        *(call(at(11, 24, 8, number), to_="+4670123", result="BUSY") for number in range(3)),
        call(at(11, 24, 9), to_="+4611111"),
        call(at(11, 24, 10), to_="004711111"),
        call(at(11, 17), to_="+4611111"),
        call(at(11, 17), to_="+4671111"),
    ]
    table = {"46": "Sweden", "467": "mobile", "47": "Norway"}
    found = report(
        records,
        calls,
        DAY,
        AlertRule(name="asr", kpi="asr", by=("prefix",), prefixes=table, below=Decimal("0.5")),
        AlertRule(
            name="all", kpi="asr", where={"prefix": "mobile"}, prefixes=table, below=Decimal("0.5")
        ),
        AlertRule(name="new", kpi="new_destinations", by=("prefix",), prefixes=table),
        AlertRule(
            name="fall",
            kpi="asr",
            by=("prefix",),
            prefixes=table,
            falls_by=Decimal("0.5"),
            weeks=1,
            alpha=None,
        ),
    )
    assert raised(found) == [
        ("asr", "mobile", "below"),
        ("all", "below"),
        ("new", "Norway", "new"),
        ("fall", "mobile", "falls_by"),
    ]


# --- Not judged ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("of", "reason"),
    [
        (rule("asr", below=1, min_attempts=11), "fewer than 11 attempts"),
        (rule("asr", below=1, where={"country": "NO"}), "no calls"),
        (rule("acd", below=1, where={"result": "BUSY"}), "no answered calls"),
        (rule("cost", above=1, where={"result": "BUSY"}), "no amounts"),
        (rule("asr", by=("user", "country"), below=1, where={"country": "NO"}), "no calls"),
        (rule("asr", falls_by=Decimal("0.1")), "no calls on one side"),
        (rule("attempts", rises_by=1), "no calls on one side"),
        (rule("attempts", rises_by=1, min_attempts=5), "fewer than 5 attempts"),
    ],
)
def test_an_unjudged_rule_has_a_reason(records: Any, of: AlertRule, reason: str):
    found = report(records, TEN, DAY, of)
    assert found.alarms == ()
    assert found.unjudged == found.results
    assert found.results[0].unjudged == {reason: 1}


def test_days_without_records_are_named(records: Any):
    found = report(records, TEN, "2026-11-23..2026-11-24", rule("attempts", above=9))
    assert found.absent == (date(2026, 11, 23),)
    assert found.alarms[0].value.denominator == 1  # of the day with records
    found = report(records, TEN, "2026-12-01", rule("attempts", below=9))
    assert found.unjudged[0].unjudged == {"no records at all on 2026-12-01": 1}


# --- Rules ---------------------------------------------------------------------------------------


def test_a_file_of_rules_is_read(tmp_path: Path):
    file = tmp_path / "rules.toml"
    file.write_text(
        """
        [[rule]]
        name = "ASR"
        kpi = "asr"
        by = ["country", "layout"]
        where = { layout = "phone-terminated", user = ["", "alice"], hour = [8, 9] }
        min_attempts = 100
        below = 0.4
        falls_by = 0.2
        with = "previous"
        weeks = 2
        alpha = 0.01

        [[rule]]
        kpi = "cost"
        by = "country"
        currency = "EUR"
        above = 0.1
        alpha = false
        """,
        encoding="utf-8",
    )
    assert alerts.read_rules(file) == (
        AlertRule(
            name="ASR",
            kpi="asr",
            by=("country", "layout"),
            where={"layout": "phone-terminated", "user": [None, "alice"], "hour": [8, 9]},
            min_attempts=100,
            below=Decimal("0.4"),
            falls_by=Decimal("0.2"),
            with_="previous",
            weeks=2,
            alpha=0.01,
        ),
        AlertRule(
            name="rule 2: cost",
            kpi="cost",
            by=("country",),
            currency="EUR",
            above=Decimal("0.1"),
            alpha=None,
        ),
    )


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ('"destinations.csv"', {"46": "Sweden"}),
        ('{ 46 = "Sweden" }', {"46": "Sweden"}),
        ('["46", "47"]', {"46": "46", "47": "47"}),
    ],
    ids=["a file", "a table", "a list"],
)
def test_a_rule_has_prefixes_in_a_file_beside_it_or_in_itself(
    tmp_path: Path, value: str, expected: dict[str, str]
):
    (tmp_path / "destinations.csv").write_text("46;Sweden\n", "utf-8")
    file = tmp_path / "rules.toml"
    file.write_text(f'{ASR}by = "prefix"\nbelow = 0.4\nprefixes = {value}\n', "utf-8")
    (found,) = alerts.read_rules(file)
    assert found.prefixes is not None
    known = prefixes.read(found.prefixes)
    assert {each: known.names[group - 1] for each, group in known.groups.items()} == expected


ASR = '[[rule]]\nkpi = "asr"\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "rules.toml has no rules: begin each rule with a line"),
        ("rule = 3", "has no rules"),
        ("rule = [3]", "rule 1 is not a table"),
        ("[[rule]", "cannot be read as TOML: .*line 1"),
        ("[rules]", "has 'rules' outside a rule: write it below a line"),
        ("[[rule]]\nbelow = 1", "rule 1: kpi is missing: give one of attempts"),
        (f"{ASR}belov = 1", "rule 1: the key 'belov' is unknown: use name, kpi"),
        (f'{ASR}name = "low"', r"rule 1 \(low\): asr has no bound: give above"),
        (f'{ASR}name = ""', "name is '': give a text"),
        ('[[rule]]\nkpi = "pdd"', "kpi is 'pdd': give one of attempts"),
        (f'{ASR}below = "x"', "below is 'x': give a number"),
        (f"{ASR}below = true", "below is True: give a number"),
        (f"{ASR}below = nan", "below is 'NaN': give a finite number"),
        (f"{ASR}below = 40", "below is 40: give a share from 0 to 1, because asr is a share"),
        (f"{ASR}falls_by = 30", "falls_by is 30: give a share below 1, such as 0.5"),
        (f"{ASR}rises_by = 0", "rises_by is 0: give a share above 0"),
        (f"{ASR}below = 0.1\nweeks = 99", "weeks is 99: give a whole number from 1 to 52"),
        (f"{ASR}below = 0.1\nmin_attempts = 0.5", "min_attempts is '0.5': give a whole number"),
        (f"{ASR}below = 0.1\nalpha = 1", "alpha is 1: give a number between 0 and 1, or false"),
        (f'{ASR}below = 0.1\nwith = "x"', "with is 'x': give one of previous, same-weekdays"),
        (f'{ASR}below = 0.1\ncurrency = "EUR"', "currency does not apply to asr: remove it"),
        (f'{ASR}below = 0.1\nby = "planet"', "by has 'planet', which is unknown: use one of"),
        (f"{ASR}below = 0.1\nby = 3", "by is 3: give a dimension or a list"),
        (f'{ASR}below = 0.1\nby = "day"', "by has 'day': the periods choose the days"),
        (f"{ASR}below = 0.1\nwhere = 3", "where is 3: give a table"),
        (f"{ASR}below = 0.1\nwhere = {{ hour = 24 }}", r"where\['hour'\] has 24: give an hour"),
        (f'{ASR}below = 0.1\nby = "prefix"', "by has 'prefix' without a table: give prefixes"),
        (f'{ASR}below = 0.1\nprefixes = ["46"]', "prefixes has no effect without the dimension"),
        (f'{ASR}below = 0.1\nby = "prefix"\nprefixes = "x.csv"', "x.csv' of prefixes cannot be"),
        (f'{ASR}below = 0.1\nby = "prefix"\nprefixes = ""', "prefixes is '': give the path"),
        (f'{ASR}below = 0.1\nby = "prefix"\nprefixes = ["SE"]', "the prefix 'SE': give 1 to 15"),
        ('[[rule]]\nkpi = "new_destinations"', "by is missing: give what must be new"),
        (
            '[[rule]]\nkpi = "new_destinations"\nby = "country"\nabove = 1',
            "above does not apply to new_destinations",
        ),
        (f'{ASR}name = "a"\nbelow = 1\n{ASR}name = "a"\nbelow = 1', "another rule has this name"),
    ],
)
def test_a_mistake_is_named_with_file_rule_key_value_and_remedy(
    tmp_path: Path, text: str, message: str
):
    file = tmp_path / "rules.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(InvalidRequest, match=message) as caught:
        alerts.read_rules(file)
    assert str(caught.value).startswith(str(file))


def test_an_unreadable_file_is_named(tmp_path: Path):
    with pytest.raises(InvalidRequest, match="none.toml cannot be read: No such file"):
        alerts.read_rules(tmp_path / "none.toml")
    (tmp_path / "latin").write_bytes(b"# \xe5")
    with pytest.raises(InvalidRequest, match="latin is not UTF-8"):
        alerts.read_rules(tmp_path / "latin")


# --- Archive and scan ----------------------------------------------------------------------------


def test_archive_and_scan_raise_the_same_alarms(tmp_path: Path):
    cdr_generator.cdr_files(tmp_path / "cdr", days=2, records=20, first_day=MONDAY)
    rules = (rule("asr", by=("layout",), below=1),)
    with (
        cdr.Archive(tmp_path / "calls.duckdb") as archive,
        cdr.scan(str(tmp_path / "cdr")) as scan,
    ):
        archive.load(str(tmp_path / "cdr"))
        found = archive.alert("2026-10-27", rules)
        assert len(found.alarms) == 4
        assert found.alarms == scan.alert("2026-10-27", rules).alarms
        assert "late records may be missing" in found.notes[0]
