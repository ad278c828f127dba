"""KPIs of call detail records: the SQL agrees with a computation in plain Python."""

from __future__ import annotations

import ast
import io
import pickle
import re
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from itertools import permutations
from pathlib import Path
from random import Random
from typing import Any, get_type_hints

import attrs
import duckdb
import kpi_oracle as oracle
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sinchvoice import CallReason, CallResult, InvalidRequest, cdr
from sinchvoice.cdr import kpi_query, kpis
from sinchvoice.sandbox import Planted, cdr_generator

ROOT = Path(__file__).parent.parent.parent
MANY = oracle.generated(600, seed=2026)
ONE_OR_TWO = [(name,) for name in kpis.DIMENSIONS] + list(permutations(kpis.DIMENSIONS, 2))


@pytest.fixture(scope="module")
def many() -> Iterator[Any]:
    """A connection with many records of every kind."""
    with duckdb.connect() as connection:
        oracle.fill(connection, MANY)
        yield connection


@pytest.fixture(scope="module")
def scratch() -> Iterator[Any]:
    with duckdb.connect() as connection:
        yield connection


def table(connection: Any, *calls: dict[str, str]) -> kpis.Run:
    """Make a table of phone-terminated calls: an answered call with the given changes."""
    usual = {
        "CallId": "1",
        "CallTime": "2026-11-02T08:15:30Z",
        "Result": "ANSWERED",
        "Reason": "CALLEEHANGUP",
        "Duration": "90",
        "AnswerTime": "2026-11-02T08:15:32.5Z",
        "From": "+12125550101",
        "To": "+46730170101",
        "Amount": "0.30",
        "Currency": "EUR",
        "UserId": "alice",
        "ToCountryId": "SE",
    }
    cells = dict.fromkeys((c.name for c in cdr.LAYOUTS["phone-terminated"].columns), "")
    rows = [("phone-terminated", {**cells, **usual, **call}) for call in calls]
    oracle.fill(connection, oracle.read(rows))
    return kpis.on_duckdb(connection)


# --- Definitions ---------------------------------------------------------------------------------


def test_the_kpis_of_six_calls_are_right(scratch: Any):
    run = table(
        scratch,
        {},
        {"Duration": "6", "Amount": "0.15", "AnswerTime": "2026-11-02T08:15:34.000001Z"},
        {"Duration": "61", "Amount": "0.50", "Currency": "USD", "AnswerTime": ""},
        {"Result": "BUSY", "Reason": "N/A", "Duration": "0", "AnswerTime": "", "Amount": ""},
        {"Result": "FAILED", "Reason": "GENERALERROR", "AnswerTime": "", "Amount": "0.01"},
        {"Result": "FAILED", "Reason": "BLOCKED", "AnswerTime": "", "Amount": ""},
    )
    (row,) = kpis.compute(run)
    assert row.by == {}
    assert (row.attempts, row.answered, row.busy) == (6, 3, 1)
    assert (row.network_failures, row.blocked) == (1, 1)
    assert row.asr == kpis.Ratio(3, 6, 0.5, "answered / attempts")
    assert row.ner == kpis.Ratio(4, 5, 0.8, "delivered / (delivered + network_failures)")
    assert row.acd == kpis.Ratio(157, 3, 157 / 3, "talk_seconds / timed")
    assert row.minutes_of_use == 157 / 60
    assert row.setup_seconds == Decimal("6.500001")
    assert row.setup_time == kpis.Ratio(
        Decimal("6.500001"), 2, 3.2500005, "setup_seconds / connected"
    )
    assert row.short_calls == kpis.Ratio(1, 3, 1 / 3, "short / timed")
    euros, dollars = row.costs
    assert (euros.currency, euros.priced, euros.amount) == ("EUR", 3, Decimal("0.46"))
    assert (euros.priced_seconds, euros.started_minutes) == (96, 3)
    assert euros.per_talk_minute.value == pytest.approx(0.2875, rel=1e-12)
    assert euros.per_started_minute.value == pytest.approx(0.46 / 3, rel=1e-12)
    assert (dollars.currency, dollars.amount) == ("USD", Decimal("0.5"))
    assert dollars.per_started_minute == kpis.Ratio(
        Decimal("0.5"), 2, 0.25, "amount / started_minutes"
    )


@pytest.mark.parametrize(
    ("result", "reason", "field"),
    [
        ("ANSWERED", "CALLERHANGUP", "answered"),
        ("ANSWERED", "NOCREDITPARTNER", "answered"),
        ("ANSWERED", "", "answered"),
        ("BUSY", "N/A", "busy"),
        ("NOANSWER", "TIMEOUT", "no_answer"),
        ("NOANSWER", "CANCEL", "abandoned"),
        ("FAILED", "CANCEL", "abandoned"),
        ("", "CANCEL", "abandoned"),
        ("FAILED", "BLOCKED", "blocked"),
        ("FAILED", "NOCREDITPARTNER", "no_credit"),
        ("FAILED", "CALLEEHANGUP", "hung_up"),
        ("FAILED", "MANAGERHANGUP", "hung_up"),
        ("FAILED", "GENERALERROR", "network_failures"),
        ("FAILED", "TIMEOUT", "network_failures"),
        ("FAILED", "", "network_failures"),
        ("FAILED", "503", "network_failures"),
        ("FAILED", "INVALIDSVAMLACTION", "undecided"),
        ("N/A", "N/A", "undecided"),
        ("", "", "undecided"),
        ("LOST", "GENERALERROR", "undecided"),
    ],
)
def test_every_attempt_has_exactly_one_outcome(scratch: Any, result: str, reason: str, field: str):
    (row,) = kpis.compute(table(scratch, {"Result": result, "Reason": reason}))
    outcomes = (
        "answered busy no_answer abandoned hung_up blocked no_credit network_failures undecided"
    ).split()
    assert [name for name in outcomes if getattr(row, name)] == [field]
    assert getattr(row, field) == row.attempts == 1


def test_calls_refused_by_the_platform_do_not_count_against_the_network(scratch: Any):
    refused = [{"Result": "FAILED", "Reason": each} for each in ("BLOCKED", "NOCREDITPARTNER")]
    (row,) = kpis.compute(table(scratch, {}, *refused))
    assert row.ner.value == 1
    assert row.asr.value == 1 / 3


@pytest.mark.parametrize(
    ("seconds", "minutes"), [("0", 0), ("1", 1), ("59", 1), ("60", 1), ("61", 2), ("120", 2)]
)
def test_a_minute_counts_as_soon_as_it_is_started(scratch: Any, seconds: str, minutes: int):
    (row,) = kpis.compute(table(scratch, {"Duration": seconds}))
    assert row.costs[0].started_minutes == minutes


@pytest.mark.parametrize(("seconds", "short"), [("0", 1), ("6", 1), ("7", 0), ("", 0), ("-1", 0)])
def test_a_short_call_has_at_most_six_seconds(scratch: Any, seconds: str, short: int):
    (row,) = kpis.compute(table(scratch, {"Duration": seconds}))
    assert row.short == short


@pytest.mark.parametrize("seconds", ["", "-5"])
def test_an_answered_call_without_a_duration_does_not_lower_the_average(scratch: Any, seconds: str):
    (row,) = kpis.compute(table(scratch, {"Duration": seconds}, {"Duration": "100"}))
    assert (row.answered, row.timed, row.acd.value) == (2, 1, 100.0)


@pytest.mark.parametrize("answer", ["", "2026-11-02T08:15:29.999999Z"])
def test_a_setup_time_needs_an_answer_after_the_call(scratch: Any, answer: str):
    (row,) = kpis.compute(table(scratch, {"AnswerTime": answer}))
    assert (row.connected, row.setup_time.value) == (0, None)


def test_setup_times_are_exact_across_midnight_and_the_end_of_a_year(scratch: Any):
    run = table(
        scratch,
        {"CallTime": "2025-12-31T23:59:59.999999Z", "AnswerTime": "2026-01-01T00:00:00Z"},
        {"CallTime": "2026-02-28T23:59:50Z", "AnswerTime": "2026-03-02T00:00:00.25Z"},
    )
    (row,) = kpis.compute(run)
    assert row.setup_seconds == Decimal("86410.250001")


def test_a_call_that_only_cost_money_has_no_price_per_minute(scratch: Any):
    (row,) = kpis.compute(table(scratch, {"Result": "NOANSWER", "Duration": "0"}))
    (cost,) = row.costs
    assert cost.amount == Decimal("0.3")
    assert cost.per_talk_minute.value is None
    assert cost.per_started_minute.value is None


def test_an_amount_without_a_currency_stays_apart_and_comes_last(scratch: Any):
    run = table(scratch, {"Currency": ""}, {"Currency": "USD"}, {"Currency": "EUR"})
    (row,) = kpis.compute(run)
    assert [cost.currency for cost in row.costs] == ["EUR", "USD", None]
    assert [cost.priced for cost in row.costs] == [1, 1, 1]


def test_a_currency_without_an_amount_is_not_a_cost(scratch: Any):
    (row,) = kpis.compute(table(scratch, {"Amount": ""}), by="currency")
    assert row.by == {"currency": "EUR"}
    assert row.costs == ()


def test_amounts_are_added_exactly_and_shown_without_the_zeros_of_the_column(scratch: Any):
    run = table(scratch, *[{"Amount": "0.1"}] * 3, {"Amount": "12345678901.123456789012345678"})
    (row,) = kpis.compute(run)
    assert str(row.costs[0].amount) == "12345678901.423456789012345678"
    for amount, shown in [("10", "10"), ("0.00", "0"), ("-1.50", "-1.5"), ("0.0230", "0.023")]:
        (row,) = kpis.compute(table(scratch, {"Amount": amount}))
        assert str(row.costs[0].amount) == shown


def test_a_huge_duration_does_not_overflow(scratch: Any):
    (row,) = kpis.compute(table(scratch, *[{"Duration": "9" * 18}] * 11))
    assert row.talk_seconds == 11 * (10**18 - 1)
    assert row.costs[0].started_minutes == 11 * (10**18 // 60 + 1)


# --- Comparison with plain Python ----------------------------------------------------------------


@pytest.mark.parametrize("by", [(), *ONE_OR_TWO], ids=lambda by: " ".join(by) or "all")
def test_one_or_two_dimensions_agree_with_plain_python(many: Any, by: Any):
    rows = kpis.compute(kpis.on_duckdb(many), by)
    oracle.assert_same(rows, oracle.expected(MANY, by))
    assert sum(row.attempts for row in rows) == len(MANY)


def test_all_dimensions_at_once_agree_with_plain_python(many: Any):
    rows = kpis.compute(kpis.on_duckdb(many), kpis.DIMENSIONS)
    oracle.assert_same(rows, oracle.expected(MANY, kpis.DIMENSIONS))


WHERE: dict[str, Any] = {
    "day": [date(2026, 11, 1), date(1, 1, 1)],
    "hour": [0, 23],
    "weekday": ["Sunday", "Monday"],
    "country": ["SE", None],
    "layout": ["app-to-app", "phone-terminated"],
    "application": [oracle.KEYS[0], None],
    "user": ["alice", "Åsa"],
    "result": [CallResult.ANSWERED, "LOST", None],
    "reason": [CallReason.CANCEL, "408 = wanted", None],
    "currency": [None, "EUR"],
    "start": datetime(2026, 11, 1, 5, 59, 59, 999999, UTC),
    "until": datetime(2026, 11, 2, 10, 15, 30, 123456, timezone(timedelta(hours=2))),
}


@pytest.mark.parametrize("name", WHERE)
def test_every_filter_agrees_with_plain_python(many: Any, name: str):
    where = {name: WHERE[name]}
    wanted = oracle.expected(MANY, ["layout"], where)
    oracle.assert_same(kpis.compute(kpis.on_duckdb(many), ["layout"], where), wanted)  # type: ignore[arg-type]
    assert 0 < sum(each["attempts"] for each in wanted) < len(MANY)


@settings(max_examples=150)
@given(
    st.data(),
    st.lists(st.sampled_from(kpis.DIMENSIONS), unique=True, max_size=3),
    st.lists(st.sampled_from(sorted(WHERE)), unique=True, max_size=2),
    st.integers(1, 4),
)
def test_any_records_agree_with_plain_python(
    scratch: Any, data: st.DataObject, by: Any, filters: list[str], min_attempts: int
):
    rows = data.draw(
        st.lists(
            st.builds(lambda seed: oracle.chosen(seed.choice), st.randoms(use_true_random=False)),
            max_size=6,
        )
    )
    records = oracle.read(rows)
    where: Any = {name: WHERE[name] for name in filters}
    oracle.fill(scratch, records)
    found = kpis.compute(kpis.on_duckdb(scratch), by, where, min_attempts=min_attempts)
    oracle.assert_same(found, oracle.expected(records, by, where, min_attempts))


@pytest.mark.parametrize("layout", cdr.LAYOUTS)
def test_a_generated_day_has_the_sums_of_its_generator(scratch: Any, layout: Any):
    made = io.BytesIO()
    planted = Planted(rejects={"time": 2, "integer": 1})
    truth = cdr_generator.write(made, 300, layout=layout, planted=planted).counts
    records = list(cdr.read(made.getvalue(), on_reject="collect"))
    oracle.fill(scratch, records)
    rows = kpis.compute(kpis.on_duckdb(scratch), "day")
    oracle.assert_same(rows, oracle.expected(records, ["day"]))
    (row,) = rows
    assert row.by == {"day": date(2026, 11, 2)}
    assert (row.attempts, row.answered) == (truth.loaded, truth.answered) == (297, row.timed)
    assert row.talk_seconds == truth.talk_seconds
    assert sum(cost.amount for cost in row.costs if cost.currency) == truth.cost


def test_the_time_zones_of_the_session_and_the_machine_make_no_difference(
    many: Any, monkeypatch: pytest.MonkeyPatch
):
    by: Any = ("day", "hour")
    wanted = kpis.compute(kpis.on_duckdb(many), by, {"start": WHERE["start"]})
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    try:
        with duckdb.connect() as connection:
            connection.execute("SET TimeZone = 'America/New_York'")
            oracle.fill(connection, MANY)
            found = kpis.compute(kpis.on_duckdb(connection), by, {"start": WHERE["start"]})
    finally:
        monkeypatch.undo()
        time.tzset()
    assert found == wanted


# --- Rows ----------------------------------------------------------------------------------------


def test_weekdays_have_names_and_the_order_of_the_week(many: Any):
    rows = kpis.compute(kpis.on_duckdb(many), "weekday")
    names = [row.by["weekday"] for row in rows]
    assert names == [name for name in kpis.WEEKDAYS if name in names]
    assert len(names) > 3


def test_rows_come_in_the_order_of_the_dimensions_as_given(many: Any):
    rows = kpis.compute(kpis.on_duckdb(many), ("country", "hour"))
    assert [list(row.by) for row in rows] == [["country", "hour"]] * len(rows)
    assert [row.by["country"] for row in rows[:: len(rows) - 1]] == ["SE", None]


def test_too_few_attempts_give_counts_and_no_ratios(scratch: Any):
    run = table(scratch, {}, {}, {"ToCountryId": "US"})
    two, one = kpis.compute(run, "country", min_attempts=2)
    assert two.asr.value == 1
    assert one.attempts == one.answered == 1
    ratios = [value for value in attrs.astuple(one, recurse=False) if isinstance(value, kpis.Ratio)]
    ratios += [one.costs[0].per_talk_minute, one.costs[0].per_started_minute]
    assert len(ratios) == 7
    assert [ratio.value for ratio in ratios] == [None] * 7
    assert one.asr == kpis.Ratio(1, 1, None, "answered / attempts")


def test_without_calls_there_is_one_row_of_zeros_or_no_groups(scratch: Any):
    run = table(scratch)
    (row,) = kpis.compute(run)
    assert (row.attempts, row.minutes_of_use, row.setup_seconds, row.costs) == (0, 0, 0, ())
    assert row.asr.value is None
    assert kpis.compute(run, "country") == []


def test_rows_are_frozen_and_can_be_compared_kept_and_sent(many: Any):
    first, again = (kpis.compute(kpis.on_duckdb(many), "country") for _ in range(2))
    assert first == again
    assert len({*first, *again}) == len(first)
    assert pickle.loads(pickle.dumps(first)) == first
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        first[0].attempts = 5  # type: ignore[misc]


# --- Arguments ------------------------------------------------------------------------------------


@pytest.mark.parametrize("by", ["countries", ("day", "to_country_id"), ("1; DROP TABLE records",)])
def test_an_unknown_dimension_is_refused_and_the_known_ones_are_named(many: Any, by: Any):
    with pytest.raises(
        InvalidRequest,
        match=r"^by has .*: use one of 'day', .*'currency', 'prefix:1 to prefix:15', 'prefix'$",
    ):
        kpis.compute(kpis.on_duckdb(many), by)


def test_a_dimension_twice_is_refused(many: Any):
    with pytest.raises(InvalidRequest, match="by lists 'day' twice"):
        kpis.compute(kpis.on_duckdb(many), ("day", "hour", "day"))


@pytest.mark.parametrize(
    ("where", "message"),
    [
        (
            {"countries": "SE"},
            "where has 'countries', which is unknown: use one of 'start', 'until', 'day'",
        ),
        ({"day": "2026-11-02"}, r"where\['day'\] has '2026-11-02': give a date"),
        ({"day": datetime(2026, 11, 2, tzinfo=UTC)}, "give a date"),
        ({"hour": 24}, "has 24: give an hour from 0 to 23"),
        ({"hour": -1}, "has -1"),
        ({"hour": True}, "has True"),
        ({"hour": "8"}, "has '8'"),
        (
            {"weekday": "monday"},
            r"where\['weekday'\] has 'monday', which is unknown: use one of 'Monday', 'Tuesday'",
        ),
        ({"layout": ["sip"]}, "has 'sip', which is unknown: use one of 'phone-terminated'"),
        ({"layout": None}, "has None, which is unknown: use one of 'phone-terminated'"),
        ({"country": ""}, "has '': give a string, or None for calls without one"),
        ({"country": [b"SE"]}, "has b'SE': give a string"),
        ({"result": 1}, "has 1: give a string"),
        ({"start": datetime(2026, 11, 2)}, "give a datetime with a time zone"),  # noqa: DTZ001
        ({"until": date(2026, 11, 2)}, "give a datetime with a time zone"),
        (
            {
                "start": datetime(2026, 11, 2, tzinfo=UTC),
                "until": datetime(2026, 11, 1, tzinfo=UTC),
            },
            r"where\['start'\] is 2026-11-02T00:00:00\+00:00, after 'until', 2026-11-01T",
        ),
        (
            {"start": datetime.min.replace(tzinfo=timezone(timedelta(hours=1)))},
            "out of range in UTC",
        ),
    ],
)
def test_an_impossible_value_is_refused(many: Any, where: Any, message: str):
    with pytest.raises(InvalidRequest, match=message):
        kpis.compute(kpis.on_duckdb(many), where=where)


@pytest.mark.parametrize("min_attempts", [0, -1, 1.5, True, "2"])
def test_a_minimum_that_is_not_a_positive_integer_is_refused(many: Any, min_attempts: Any):
    with pytest.raises(
        InvalidRequest, match="min_attempts is .*: give a whole number of at least 1"
    ):
        kpis.compute(kpis.on_duckdb(many), min_attempts=min_attempts)


@pytest.mark.parametrize(
    "reason", ["'; DROP TABLE records; --", "x' OR '1'='1", "reason=", "%", "_"]
)
def test_a_value_is_never_sql_or_a_pattern_or_another_filter(many: Any, reason: str):
    (row,) = kpis.compute(kpis.on_duckdb(many), where={"reason": reason})
    assert row.attempts == 0
    (row,) = kpis.compute(kpis.on_duckdb(many))
    assert row.attempts == len(MANY)


def test_a_value_may_look_like_a_filter(many: Any):
    (row,) = kpis.compute(kpis.on_duckdb(many), where={"reason": "408 = wanted"})
    assert row.attempts == sum(record.reason == "408 = wanted" for record in MANY) > 0


def test_results_and_reasons_match_in_any_case_like_the_reader(many: Any):
    found = [
        kpis.compute(kpis.on_duckdb(many), where={"result": result, "reason": reason})
        for result, reason in (("answered", "Cancel"), (CallResult.ANSWERED, CallReason.CANCEL))
    ]
    assert found[0] == found[1]
    assert found[0][0].attempts > 0


def test_an_empty_collection_of_values_matches_no_calls(many: Any):
    assert kpis.compute(kpis.on_duckdb(many), "day", {"country": []}) == []


def test_times_can_be_left_open(many: Any):
    run = kpis.on_duckdb(many)
    assert kpis.compute(run, where={"start": None, "until": None}) == kpis.compute(run)


# --- Query and definitions -----------------------------------------------------------------------


def test_spark_gets_the_query_of_duckdb_and_the_parameters_by_name(many: Any):
    class Session:
        def sql(self, sqlQuery: str, args: Any = None) -> Any:  # noqa: N803
            self.query = sqlQuery
            self.rows = kpis.on_duckdb(many)(sqlQuery, args)
            return self

        def collect(self) -> Any:
            return self.rows

    session = Session()
    assert kpis.compute(kpis.on_spark(session)) == kpis.compute(kpis.on_duckdb(many))
    assert set(re.findall(r":(\w+)", session.query)) == {"start", "until"}
    assert not set("{}$?;") & set(session.query)


def test_the_query_for_all_questions_has_its_parameters_and_no_other_placeholder():
    code = re.sub("--.*", "", kpis.sql())
    assert set(re.findall(r":(\w+)", code)) == {"by", "filtered", "wanted", "start", "until"}
    assert not set("{}$?;") & set(code)


def test_the_query_for_all_questions_gives_the_same_as_that_of_one(many: Any):
    dimensions: Any = ("country", "weekday", "currency")
    where: Any = {"country": ["SE", None], "hour": [5, 6, 23]}
    rows: list[Any] = []

    def run(query: str, parameters: dict[str, Any]) -> Any:
        found = kpis.on_duckdb(many)(query, parameters)
        rows.extend(sorted(found, key=repr))
        return found

    kpis.compute(run, dimensions, where)
    parameters = {
        "by": list(dimensions),
        "filtered": ["country", "hour"],
        "wanted": ["country=SE", "country=", "hour=5", "hour=6", "hour=23"],
        "start": None,
        "until": None,
    }
    found = kpis.on_duckdb(many)(kpis.sql(), parameters)
    names = [f"by_{name}" for name in kpis.DIMENSIONS]
    assert [name for name, *_ in many.description][: len(names)] == names
    places = [kpis.DIMENSIONS.index(name) for name in dimensions]
    cut = [(*(row[place] for place in places), *row[len(names) :]) for row in found]
    assert sorted(cut, key=repr) == rows
    assert len(rows) > 10


@pytest.mark.parametrize(
    "generic", [kpi_query.generic("UTC"), kpi_query.made(kpi_query.Question(()))]
)
def test_setup_times_are_the_same_from_text_and_from_microseconds(generic: str):
    random = Random(7)
    first, last = datetime.min, datetime.max  # noqa: DTZ901 - as in the database
    edges = [first, first + timedelta(microseconds=1), last - timedelta(seconds=1), last]
    whole = (last - first) // timedelta(microseconds=1)
    times = edges + [first + timedelta(microseconds=random.randint(0, whole)) for _ in range(200)]
    times += [time + timedelta(microseconds=random.randint(-9, 9**8)) for time in times[4:]]
    pairs = [(random.choice(times), random.choice(times)) for _ in range(2_000)]
    pairs += [(times[place], times[place + 200]) for place in range(4, 204)]
    connection = duckdb.connect()
    connection.execute("CREATE TABLE records (call_time TIMESTAMP, answer_time TIMESTAMP)")
    connection.executemany("INSERT INTO records VALUES (?, ?)", pairs)
    seconds = re.compile(r"CASE\s+WHEN answer_time >= call_time (?:.|\n)*?AS setup_seconds")

    def found(query: str) -> list[Any]:
        expression = seconds.search(query)
        assert expression is not None
        code = re.sub("--.*", "", expression[0])
        query = f"SELECT typeof(setup_seconds), setup_seconds FROM (SELECT {code} FROM records)"  # noqa: S608
        return connection.execute(query).fetchall()

    one, other = found(generic), found(kpi_query.for_duckdb(generic))
    assert generic != kpi_query.for_duckdb(generic)
    assert one == other
    assert sum(value is not None for _, value in one) > 1_000


@pytest.mark.parametrize(
    "question",
    [
        kpi_query.Question(()),
        kpi_query.Question(("day", "prefix:4")),
        kpi_query.Question(("weekday",), top=2),
        kpi_query.Question(("country",), percentiles=(50_000, 99_900)),
        kpi_query.Question(("currency",), ("country",), top=1, percentiles=(50_000,)),
    ],
)
def test_every_column_of_the_query_is_known_by_its_name(many: Any, question: Any):
    wanted: dict[str, Any] = {"wanted": ["country=SE"]} if question.filtered else {}
    kpis.on_duckdb(many)(kpi_query.made(question), {"start": None, "until": None, **wanted})
    assert [name for name, *_ in many.description] == list(kpi_query.columns(question))


@pytest.mark.parametrize(
    ("question", "reads"),
    [
        (kpi_query.Question(("country",)), 1),
        (kpi_query.Question(("prefix:4",)), 1),
        (kpi_query.Question(("day", "user")), 1),
        (kpi_query.Question(("country",), percentiles=(50_000,)), 2),
    ],
)
def test_a_question_reads_the_calls_no_more_than_needed(many: Any, question: Any, reads: int):
    query = kpi_query.made(question).replace(":start", "NULL").replace(":until", "NULL")
    ((_, plan),) = many.execute(f"EXPLAIN (FORMAT json) {kpi_query.for_duckdb(query)}").fetchall()
    assert str(plan).count("SEQ_SCAN") == reads


def test_every_ratio_follows_its_formula(many: Any):
    checked = 0
    for row in kpis.compute(kpis.on_duckdb(many), ("country", "layout")):
        for thing in (row, *row.costs):
            names = attrs.asdict(thing, recurse=False)
            for ratio in names.values():
                if isinstance(ratio, kpis.Ratio) and ratio.value is not None:
                    assert ratio.value == pytest.approx(evaluated(ratio.formula, names), rel=1e-12)
                    assert ratio.value == pytest.approx(
                        float(ratio.numerator) / ratio.denominator, rel=1e-12
                    )
                    checked += 1
    assert checked > 50


def evaluated(formula: str, names: dict[str, Any]) -> float:
    known = {
        name: float(value) for name, value in names.items() if isinstance(value, int | Decimal)
    }
    code = compile(ast.parse(formula, mode="eval"), formula, "eval")
    return float(eval(code, {}, known))  # noqa: S307 - formulas are constants of the module


NO_KPIS = ("by", "costs", "rest_groups")


def test_every_field_of_the_results_has_one_definition():
    fields = [name for name in get_type_hints(kpis.KpiRow) if name not in NO_KPIS]
    fields += [f"costs.{name}" for name in get_type_hints(kpis.KpiCost) if name != "currency"]
    assert sorted(each.field for each in kpis.DEFINITIONS) == sorted(fields)


@pytest.mark.parametrize(
    "by",
    [(), ("hour",), ("result",), ("reason", "result"), ("currency",), ("user", "hour")],
    ids=lambda by: " ".join(by) or "all",
)
def test_kpis_of_groups_add_up_to_those_of_fewer_dimensions(many: Any, by: Any):
    run = kpis.on_duckdb(many)
    finer = kpis.compute(run, (*by, *({"weekday", "country"} - set(by))))
    assert kpis.summed(finer, by) == kpis.compute(run, by)


def test_kpis_of_no_groups_add_up_to_nothing(many: Any):
    run = kpis.on_duckdb(many)
    none: kpis.KpiFilter = {"user": "nobody of this name"}
    assert kpis.summed([]) == kpis.compute(run, where=none)
    assert kpis.summed([], ("hour",)) == kpis.compute(run, "hour", none)
