"""KPIs by prefixes of the called number, of the largest groups, and percentiles."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import kpi_oracle as oracle
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sinchvoice import InvalidRequest, cdr
from sinchvoice.cdr import kpis, prefixes

MANY = oracle.generated(600, seed=16)
NOTHING: Any = {"until": datetime(1, 1, 1, tzinfo=UTC)}


@pytest.fixture(scope="module")
def run() -> Iterator[kpis.Run]:
    """Access to many records of every kind."""
    with duckdb.connect() as connection:
        oracle.fill(connection, MANY)
        yield kpis.on_duckdb(connection)


@pytest.fixture(scope="module")
def scratch() -> Iterator[Any]:
    with duckdb.connect() as connection:
        yield connection


def table(connection: Any, *calls: dict[str, str]) -> kpis.Run:
    """Make a table of answered phone-terminated calls with the given cells."""
    usual = {"CallTime": "2026-11-02T08:15:30Z", "Result": "ANSWERED", "Currency": "EUR"}
    cells = dict.fromkeys((c.name for c in cdr.LAYOUTS["phone-terminated"].columns), "")
    rows = [
        ("phone-terminated", {**cells, **usual, "CallId": f"{number}", **call})
        for number, call in enumerate(calls)
    ]
    oracle.fill(connection, oracle.read(rows))
    return kpis.on_duckdb(connection)


def to(*numbers: str) -> list[dict[str, str]]:
    """Return the cells of a call to each number."""
    return [{"To": number} for number in numbers]


# --- Prefixes ------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 2, 4, 11, 15])
def test_groups_of_first_digits_agree_with_plain_python(run: kpis.Run, count: int):
    by: Any = (f"prefix:{count}", "layout")
    oracle.assert_same(kpis.compute(run, by), oracle.expected(MANY, by))


@pytest.mark.parametrize("by", [("prefix",), ("country", "prefix"), ("prefix", "prefix:2")])
def test_groups_of_a_table_agree_with_plain_python(run: kpis.Run, by: Any):
    rows = kpis.compute(run, by, prefixes=oracle.PREFIXES)
    oracle.assert_same(rows, oracle.expected(MANY, by, prefixes=oracle.PREFIXES))


@pytest.mark.parametrize(
    "where",
    [
        {"prefix:2": "46"},
        {"prefix:2": ["+46", None], "country": "SE"},
        {"prefix:4": ["112", "4"]},
        {"prefix": ["mobile", "46", None], "prefix:1": "4"},
        {"prefix": ["O'Hara's \\ range", "one number"]},
        {"prefix": "nobody"},
    ],
)
def test_filters_of_prefixes_agree_with_plain_python(run: kpis.Run, where: Any):
    used = oracle.PREFIXES if "prefix" in where else None
    plain = {
        name: [each and each.removeprefix("+") for each in ([v] if isinstance(v, str) else v)]
        for name, v in where.items()
    }
    rows = kpis.compute(run, "prefix:4", where, prefixes=used)
    oracle.assert_same(rows, oracle.expected(MANY, ("prefix:4",), plain, prefixes=oracle.PREFIXES))


@pytest.mark.parametrize(
    ("lengths", "joined"),
    [
        ({7: 3000, 6: 900, 5: 90, 4: 10}, [7, 5]),
        ({8: 2000, 6: 900, 5: 90, 4: 10}, [8, 6]),
        ({15: 1, 1: 9}, [15, 1]),
        ({3: 900, 2: 90, 1: 9}, [3]),
    ],
)
def test_there_are_few_joins(lengths: dict[int, int], joined: list[int]):
    known = [str(10 ** (n - 1) + each) for n, many in lengths.items() for each in range(many)]
    text, longest = prefixes.joins(prefixes.read(known))
    assert longest == f"COALESCE({', '.join(f'group_{n}' for n in joined)})"
    assert text.count("LEFT JOIN") == len(joined)
    assert len(text) < 400_000


def test_the_longest_prefix_counts(scratch: Any):
    run = table(scratch, *to("+46701", "004670", "00 46-7", "46", "+4", "+47", "", "00"))
    rows = kpis.compute(run, "prefix", prefixes={"46": "Sweden", "4670": "mobile", "4": None})
    assert {row.by["prefix"]: row.attempts for row in rows} == {
        "4": 2,
        "Sweden": 2,
        "mobile": 2,
        None: 2,
    }
    assert [row.by["prefix"] for row in rows] == ["4", "Sweden", "mobile", None]


@pytest.mark.parametrize("most", [0, 100, 1000, 20_000])
def test_random_prefixes_agree_with_plain_python(
    scratch: Any, monkeypatch: pytest.MonkeyPatch, most: int
):
    monkeypatch.setattr(prefixes, "_MOST_TEXTS", most)  # more or fewer joins
    dice = random.Random(3)
    digits = ["".join(dice.choices("012", k=dice.randrange(1, 9))) for _ in range(400)]
    numbers = [f"+{each}" for each in digits]
    masked = [each + "*" * dice.choice((0, 0, 1, 2, 5)) for each in numbers]
    known = {each[: dice.randrange(1, 8)] for each in dice.sample(digits, 150)}
    run = table(scratch, *to(*masked))
    named: dict[str, str | None] = {each: dice.choice((None, "a", "b")) for each in sorted(known)}
    rows = kpis.compute(run, ("prefix",), prefixes=named)
    records = oracle.read([("phone-originated", {**row, "CallId": "1"}) for row in made(numbers)])
    wanted = oracle.expected(records, ("prefix",), prefixes=named)
    assert [(row.by, row.attempts) for row in rows] == [
        (each["by"], each["attempts"]) for each in wanted
    ]


def made(numbers: list[str]) -> Iterator[dict[str, str]]:
    cells = dict.fromkeys((c.name for c in cdr.LAYOUTS["phone-originated"].columns), "")
    for number in numbers:
        yield {**cells, "CallTime": "2026-11-02T08:15:30Z", "Result": "ANSWERED", "To": number}


def test_only_phone_numbers_have_a_prefix(scratch: Any):
    row = {"CallTime": "2026-11-02T08:15:30Z", "CallId": "1", "Result": "ANSWERED"}
    for layout, cells in [
        ("app-to-app", {"FromUserId": "4611", "ToUserId": "4612"}),
        ("sip-terminated", {"From": "4611", "To": "sip:4612@example.com"}),
        ("phone-terminated", {"From": "4611", "To": "anonymous"}),
    ]:
        names = dict.fromkeys((c.name for c in cdr.LAYOUTS[layout].columns), "")  # type: ignore[index]
        oracle.fill(scratch, oracle.read([(layout, {**names, **row, **cells})]))
        (found,) = kpis.compute(kpis.on_duckdb(scratch), "prefix:2")
        assert found.by == {"prefix:2": None}


@pytest.mark.parametrize(
    "text",
    [
        "46,Sweden\n4670,mobile\n",
        "prefix,name\n46,Sweden\n4670,mobile\n",
        "\ufeffPrefix;Rate;Name\r\n+46;0.1;Sweden\r\n\r\n+4670;0.2;mobile",
        'Name\tPrefix\n"Sweden"\t46\nmobile\t 4670 \n',
    ],
)
def test_a_file_of_prefixes_may_have_a_header_and_any_usual_separator(
    run: kpis.Run, tmp_path: Path, text: str
):
    path = tmp_path / "prefixes.csv"
    path.write_text(text, "utf-8", newline="")
    named: dict[str, str | None] = {"46": "Sweden", "4670": "mobile"}
    wanted = oracle.expected(MANY, ("prefix",), prefixes=named)
    oracle.assert_same(kpis.compute(run, "prefix", prefixes=path), wanted)
    oracle.assert_same(kpis.compute(run, "prefix", prefixes=str(path)), wanted)


def test_a_file_of_prefixes_without_names_has_the_groups_of_a_list(run: kpis.Run, tmp_path: Path):
    path = tmp_path / "prefixes.csv"
    path.write_text("46\n4673\n\n1\n", "utf-8")
    rows = kpis.compute(run, "prefix", prefixes=path)
    assert rows == kpis.compute(run, "prefix", prefixes=["46", "4673", "1"])
    assert [row.by["prefix"] for row in rows] == ["1", "46", "4673", None]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"46,Sweden\nabc,Mars\n", r"prefixes.csv, line 2, has the prefix 'abc': give 1 to 15"),
        (b"rate,name\n1,2\n", r"line 1, has the prefix 'rate': give"),
        (b"46\n+46\n", r"line 2, has the prefix '46' twice: give it once"),
        (b"1234567890123456\n", "give 1 to 15 digits"),
        (b"prefix,name\n", r"the file '.*prefixes.csv' is empty: give at least one prefix"),
        (b"46,\xe5\n", r"is not UTF-8 \(byte 3\): convert it"),
        (b'46,"a\n' + b"x" * 200_000, r"is not CSV, line \d: .*limit"),
    ],
)
def test_an_error_in_a_file_of_prefixes_names_its_place(
    tmp_path: Path, content: bytes, message: str
):
    path = tmp_path / "prefixes.csv"
    path.write_bytes(content)
    with pytest.raises(InvalidRequest, match=message):
        prefixes.read(path)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("missing.csv", "the file 'missing.csv' of prefixes cannot be read: No such file"),
        (".", "cannot be read: Is a directory"),
        ([], "prefixes is empty"),
        ({}, "prefixes is empty"),
        (["46", "+46"], "prefixes has the prefix '46' twice"),
        ([46], "prefixes has the prefix 46: give 1 to 15 digits"),
        (["４６"], "give 1 to 15 digits"),
        ({"46": 1}, "prefixes has 1 as the name of '46': give a string"),
        (46, "prefixes is 46: give the path of a CSV file, a mapping"),
        ("", "prefixes is '': give the path of a CSV file, a mapping"),
        (b"46", "prefixes has the prefix 52: give 1 to 15 digits"),
    ],
)
def test_an_impossible_table_of_prefixes_is_refused(run: kpis.Run, table: Any, message: str):
    with pytest.raises(InvalidRequest, match=message):
        kpis.compute(run, "prefix", prefixes=table)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"by": "prefix"}, "by has 'prefix' without a table: give prefixes, or 'prefix:4'"),
        ({"where": {"prefix": "46"}}, r"where\['prefix'\] needs a table: give prefixes"),
        ({"by": "prefix:2", "prefixes": ["46"]}, "prefixes has no effect without .*: add it to by"),
        (
            {"by": "prefix:0"},
            "by has 'prefix:0', which is unknown: use one of .*'prefix:1 to prefix:15'",
        ),
        ({"by": "prefix:16"}, "by has 'prefix:16', which is unknown"),
        ({"by": ("prefix:2", "prefix:2")}, "by lists 'prefix:2' twice"),
        ({"where": {"prefix:2": "467"}}, "has '467': give the first 2 digits of a number"),
        ({"where": {"prefix:2": "SE"}}, "has 'SE': give the first 2 digits of a number"),
        (
            {"where": {"prefix": "Mars"}, "prefixes": {"46": "Sweden"}},
            "has 'Mars', which is not in prefixes: give a name",
        ),
    ],
)
def test_an_impossible_prefix_is_refused(run: kpis.Run, arguments: Any, message: str):
    with pytest.raises(InvalidRequest, match=message):
        kpis.compute(run, **arguments)


# --- Largest groups ------------------------------------------------------------------------------


@pytest.mark.parametrize("top", [1, 2, 5, 1000])
@pytest.mark.parametrize(
    "by", [("country",), ("currency",), ("reason", "weekday"), ("currency", "prefix:2")]
)
def test_the_largest_groups_and_the_rest_agree_with_plain_python(run: kpis.Run, by: Any, top: int):
    rows = kpis.compute(run, by, top=top, min_attempts=3)
    oracle.assert_same(rows, oracle.expected(MANY, by, min_attempts=3, top=top))
    assert sum(row.attempts for row in rows) == len(MANY)


def test_the_rest_adds_up_and_is_not_the_group_of_calls_without_a_value(scratch: Any):
    calls = [
        {"ToCountryId": name, "Amount": "1"} for name in ("SE", "SE", "SE", "", "", "US", "DE")
    ]
    run = table(scratch, *calls)
    first, second, rest = kpis.compute(run, "country", top=2)
    assert (first.by, first.attempts, first.rest_groups) == ({"country": "SE"}, 3, 0)
    assert (second.by, second.attempts, second.rest_groups) == ({"country": None}, 2, 0)
    assert (rest.by, rest.attempts, rest.rest_groups) == ({"country": kpis.REST}, 2, 2)
    assert rest.costs[0].amount == 2


def test_among_equal_groups_the_first_in_their_order_are_kept(scratch: Any):
    run = table(scratch, *({"ToCountryId": name} for name in ("", "US", "SE", "DE", "FR")))
    rows = kpis.compute(run, "country", top=3)
    assert [row.by["country"] for row in rows] == ["DE", "FR", "SE", kpis.REST]


def test_a_rest_of_several_currencies_has_each_of_them(scratch: Any):
    names = ("EUR", "EUR", "SEK", "USD", "GBP", "PLN")
    run = table(scratch, *({"Currency": name, "Amount": "0.5"} for name in names))
    first, rest = kpis.compute(run, "currency", top=1)
    assert (first.by["currency"], rest.by["currency"]) == ("EUR", kpis.REST)
    assert [cost.currency for cost in rest.costs] == ["GBP", "PLN", "SEK", "USD"]
    assert rest.rest_groups == 4


def test_without_calls_there_are_no_largest_groups(run: kpis.Run):
    assert kpis.compute(run, "country", NOTHING, top=2) == []


@pytest.mark.parametrize("top", [0, -1, True, 1.5, "2"])
def test_the_number_of_groups_must_be_positive(run: kpis.Run, top: Any):
    with pytest.raises(InvalidRequest, match="top is .*: give a whole number of at least 1"):
        kpis.compute(run, "country", top=top)


def test_the_largest_groups_need_groups(run: kpis.Run):
    with pytest.raises(InvalidRequest, match="top is 3 without groups: give by as well"):
        kpis.compute(run, top=3)


# --- Percentiles ---------------------------------------------------------------------------------


@pytest.mark.parametrize("by", [(), ("country",), ("weekday", "currency"), ("prefix:4",)])
def test_percentiles_agree_with_plain_python(run: kpis.Run, by: Any):
    ranks = (50, 90, 95, 99.9, 0.001, 100)
    rows = kpis.compute(run, by, percentiles=ranks, min_attempts=2)
    oracle.assert_same(rows, oracle.expected(MANY, by, min_attempts=2, percentiles=ranks))


@pytest.mark.parametrize("by", [("layout",), ("currency", "country")])
def test_percentiles_of_the_rest_agree_with_plain_python(run: kpis.Run, by: Any):
    ranks = (25, 50, 99)
    rows = kpis.compute(run, by, top=2, percentiles=ranks)
    oracle.assert_same(rows, oracle.expected(MANY, by, top=2, percentiles=ranks))


@pytest.mark.parametrize(
    ("durations", "percentile", "wanted"),
    [
        ("5", 1, 5),
        ("5", 100, 5),
        ("10 20 30 40", 25, 10),
        ("10 20 30 40", 25.001, 20),
        ("10 20 30 40", 50, 20),
        ("10 20 30 40", 75, 30),
        ("10 20 30 40", 100, 40),
        ("7 7 7 7 9", 50, 7),
        ("7 7 7 7 9", 80, 7),
        ("7 7 7 7 9", 80.001, 9),
        ("0 0 0", 50, 0),
        ("", 50, None),
    ],
)
def test_a_percentile_is_the_value_of_the_nearest_rank(
    scratch: Any, durations: str, percentile: float, wanted: int | None
):
    unknown = [{"Duration": "-5"}, {"Duration": "3", "Result": "BUSY"}, {"Duration": ""}]
    run = table(scratch, *({"Duration": each} for each in durations.split()), *unknown)
    (row,) = kpis.compute(run, percentiles=percentile)
    assert row.duration_percentiles == {percentile: wanted}
    assert row.setup_time_percentiles == {percentile: None}


@pytest.mark.parametrize(
    ("answer", "wanted"),
    [
        ("30", "0"),
        ("30.000499", "0"),
        ("30.0005", "0.001"),
        ("32.9994999", "2.999"),
        ("32.9995", "3"),
    ],
)
def test_setup_times_are_rounded_to_the_millisecond(scratch: Any, answer: str, wanted: str):
    run = table(scratch, {"AnswerTime": f"2026-11-02T08:15:{answer}Z"})
    (row,) = kpis.compute(run, percentiles=50)
    assert row.setup_time_percentiles == {50: Decimal(wanted)}
    assert str(row.setup_time_percentiles[50]) == wanted


def test_too_few_attempts_give_no_percentiles(scratch: Any):
    run = table(scratch, {"Duration": "5"})
    (row,) = kpis.compute(run, percentiles=(50, 90), min_attempts=2)
    assert row.duration_percentiles == {50: None, 90: None}


def test_without_calls_there_is_one_row_with_empty_percentiles(run: kpis.Run):
    (row,) = kpis.compute(run, where=NOTHING, percentiles=(50,))
    assert row.attempts == 0
    assert (row.duration_percentiles, row.setup_time_percentiles) == ({50: None}, {50: None})
    assert kpis.compute(run, "day", NOTHING, percentiles=(50,)) == []


def test_percentiles_are_computed_only_on_request(run: kpis.Run):
    queries: list[str] = []

    def watched(query: str, parameters: dict[str, Any]) -> Any:
        queries.append(query)
        return run(query, parameters)

    (row,) = kpis.compute(watched)
    assert (row.duration_percentiles, row.setup_time_percentiles) == ({}, {})
    assert "percentiles" not in queries[0]


@pytest.mark.parametrize(
    "wrong", [0, -1, 100.001, True, "50", None, float("nan"), 50.0001, [50, "x"]]
)
def test_an_impossible_percentile_is_refused(run: kpis.Run, wrong: Any):
    with pytest.raises(
        InvalidRequest, match="percentiles has .*: give numbers above 0 and up to 100"
    ):
        kpis.compute(run, percentiles=wrong)


def test_a_percentile_twice_is_refused(run: kpis.Run):
    with pytest.raises(InvalidRequest, match=r"percentiles has 50\.0 twice"):
        kpis.compute(run, percentiles=(50, 50.0))


# --- Everything together -------------------------------------------------------------------------


@settings(max_examples=60)
@given(
    st.randoms(use_true_random=False),
    st.lists(
        st.sampled_from([*kpis.DIMENSIONS, "prefix", "prefix:1", "prefix:4"]),
        unique=True,
        min_size=1,
        max_size=3,
    ),
    st.none() | st.integers(1, 4),
    st.lists(st.integers(1, 100_000), unique=True, max_size=2),
)
def test_any_question_agrees_with_plain_python(
    scratch: Any, dice: random.Random, by: Any, top: int | None, ranks: list[int]
):
    records = oracle.read(oracle.chosen(dice.choice) for _ in range(12))
    oracle.fill(scratch, records)
    percentiles = [rank / 1000 for rank in ranks]
    used = oracle.PREFIXES if "prefix" in by else None
    found = kpis.compute(
        kpis.on_duckdb(scratch), by, prefixes=used, top=top, percentiles=percentiles
    )
    wanted = oracle.expected(records, by, prefixes=used, top=top, percentiles=percentiles)
    oracle.assert_same(found, wanted)


def test_an_arrow_stream_has_prefixes_percentiles_and_the_rest(tmp_path: Path):
    dice = random.Random(4)
    rows = [
        (layout, {**cells, "CallId": f"call-{number}"})
        for number, (layout, cells) in enumerate(oracle.chosen(dice.choice) for _ in range(200))
    ]
    with cdr.Archive(tmp_path / "calls.duckdb") as archive:
        archive.load(oracle.file(rows))
        by: Any = ("prefix", "currency", "prefix:1")
        found = archive.kpis(
            by, prefixes=oracle.PREFIXES, top=4, percentiles=(50, 99.9), min_attempts=10
        )
        with duckdb.connect() as other:
            stream = found.to_arrow()  # noqa: F841 - read below
            columns = other.sql("SELECT * FROM stream").fetchall()
            names = [name for name, *_ in other.sql("DESCRIBE FROM stream").fetchall()]
        wanted = oracle.expected(
            oracle.read(rows), by, None, 10, prefixes=oracle.PREFIXES, top=4, percentiles=(50, 99.9)
        )
        oracle.assert_same(found, wanted)
    assert names[:3] == list(by)
    assert names[-1] == "rest_groups"
    named = [dict(zip(names, row, strict=True)) for row in columns]
    for each in wanted:
        groups = each["rest_groups"]
        same = [
            row
            for row in named
            if row["rest_groups"] == groups
            and (groups or all(row[name] == value for name, value in each["by"].items()))
        ]
        assert {row["attempts"] for row in same} == {each["attempts"]}
        assert {row["duration_p99_9"] for row in same} == {each["duration_percentiles"][99.9]}
        assert {row["setup_time_p50"] for row in same} == {each["setup_time_percentiles"][50]}
        costs = {cost["currency"]: cost["amount"] for cost in each["costs"]}
        assert {row["currency"]: row["cost"] for row in same if row["priced"]} == costs
    assert [row["rest_groups"] for row in named] == sorted(row["rest_groups"] for row in named)
    assert named[-1]["prefix"] is None


def test_a_scan_answers_the_same_questions(tmp_path: Path):
    dice = random.Random(5)
    rows = [oracle.chosen(dice.choice) for _ in range(100)]
    (tmp_path / "a.csv").write_bytes(oracle.file(rows))
    with cdr.scan(tmp_path / "a.csv") as calls:
        found = calls.kpis("prefix", prefixes=oracle.PREFIXES, top=2, percentiles=(50,))
    wanted = oracle.expected(
        oracle.read(rows), ("prefix",), prefixes=oracle.PREFIXES, top=2, percentiles=(50,)
    )
    oracle.assert_same(found, wanted)
