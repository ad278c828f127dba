"""The KPIs on Spark, over Parquet files of DuckDB and of an archive; run by `nox -s spark`.

The session's time zone is New York, so that UTC times treated as local ones are noticed.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import attrs
import duckdb
import fraud_oracle
import kpi_oracle as oracle
import pytest
from period_calls import LAST_WEEK, fill, made
from pyspark.sql import SparkSession
from sinchvoice import cdr
from sinchvoice.cdr import comparison, kpis, reconciliation, signals
from sinchvoice.reports import ReportWindow, UserCallReport
from test_signals import LOW, assert_same

MANY = oracle.generated(2000, seed=2026)


@pytest.fixture(scope="module")
def duck() -> Iterator[Any]:
    with duckdb.connect() as connection:
        oracle.fill(connection, MANY)
        yield connection


@pytest.fixture(scope="module")
def spark(duck: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    folder = tmp_path_factory.mktemp("parquet")
    duck.execute(f"COPY records TO '{folder}/records.parquet' (FORMAT parquet)")
    settings = {
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.extraJavaOptions": "-XX:+UseSerialGC -XX:TieredStopAtLevel=1",
        "spark.driver.host": "127.0.0.1",
        "spark.sql.adaptive.enabled": "false",
        "spark.sql.codegen.wholeStage": "false",  # few rows are not worth a compilation
        "spark.sql.codegen.factoryMode": "NO_CODEGEN",
        "spark.sql.session.timeZone": "America/New_York",
        "spark.sql.shuffle.partitions": "1",
        "spark.sql.warehouse.dir": str(folder / "warehouse"),
        "spark.ui.enabled": "false",
    }
    session = SparkSession.Builder().master("local[2]").config(map=settings).getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    table = session.read.parquet(f"{folder}/records.parquet").coalesce(1).cache()
    table.createOrReplaceTempView("records")
    yield session
    session.stop()


@pytest.fixture(scope="module")
def exported(spark: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """An archive, a Spark session with its export as `records`, and the records."""
    dice = random.Random(2027)
    rows = [
        (layout, {**cells, "CallId": f"call-{n}"})
        for n, (layout, cells) in enumerate(oracle.chosen(dice.choice) for _ in range(1000))
    ]
    folder = tmp_path_factory.mktemp("archive")
    with cdr.Archive(folder / "calls.duckdb") as archive:
        assert archive.load(oracle.file(rows)).loaded == len(rows)
        archive.to_parquet(folder / "export")
        session = spark.newSession()
        session.read.parquet(str(folder / "export")).createOrReplaceTempView("records")
        yield archive, session, oracle.read(rows)


def test_times_have_no_zone_on_spark(spark: Any):
    types = dict(spark.table("records").dtypes)
    assert (types["call_time"], types["answer_time"]) == ("timestamp_ntz", "timestamp_ntz")
    assert spark.conf.get("spark.sql.session.timeZone") == "America/New_York"


@pytest.mark.parametrize(
    "by",
    [
        (),
        ("day", "hour", "weekday"),
        ("currency", "country", "layout"),
        ("user", "result", "reason"),
        kpis.DIMENSIONS,
    ],
    ids=lambda by: " ".join(by) or "all",
)
def test_spark_duckdb_and_plain_python_agree(spark: Any, duck: Any, by: Any):
    wanted = oracle.expected(MANY, by)
    oracle.assert_same(kpis.compute(kpis.on_spark(spark), by), wanted)
    oracle.assert_same(kpis.compute(kpis.on_duckdb(duck), by), wanted)


@pytest.mark.parametrize(
    "where",
    [
        {"day": [date(2026, 11, 1), date(1, 1, 1)], "hour": [0, 5, 6, 23]},
        {"weekday": "Sunday", "country": ["SE", None]},
        {"layout": "app-to-app", "user": ["Åsa", None], "application": oracle.KEYS[0]},
        {"result": ["ANSWERED", None], "reason": ["408 = wanted", "CANCEL"], "currency": "EUR"},
        {
            "start": datetime(2026, 11, 1, 5, 59, 59, 999999, UTC),
            "until": datetime(2026, 11, 2, tzinfo=UTC),
        },
        {"reason": "'; DROP TABLE records; --"},
        {"country": []},
    ],
    ids=" ".join,
)
def test_spark_filters_like_plain_python(spark: Any, where: Any):
    wanted = oracle.expected(MANY, ("day",), where)
    oracle.assert_same(kpis.compute(kpis.on_spark(spark), "day", where), wanted)


@pytest.mark.parametrize("name", ["America/New_York", "Australia/Lord_Howe"])
def test_spark_and_duckdb_agree_on_local_days_and_hours(spark: Any, duck: Any, name: str):
    by: Any = ("day", "hour", "weekday")
    found = kpis.compute(kpis.on_spark(spark), by, tz=name)
    assert found == kpis.compute(kpis.on_duckdb(duck), by, tz=name)
    local = ZoneInfo(name)
    wanted = Counter(
        each.call_time.astimezone(local).strftime("%F %-H %A")
        for each in MANY
        if 2000 < each.call_time.year < 2070
    )
    shown = {
        f"{row.by['day']} {row.by['hour']} {row.by['weekday']}": row.attempts
        for row in found
        if "2000" < str(row.by["day"]) < "2070"
    }
    assert shown == wanted
    day: Any = {"day": date(2026, 11, 1), "hour": [0, 1]}
    (row,) = kpis.compute(kpis.on_spark(spark), where=day, tz=name)
    assert row == kpis.compute(kpis.on_duckdb(duck), where=day, tz=name)[0]
    assert row.attempts == sum(wanted[f"2026-11-01 {hour} Sunday"] for hour in (0, 1))


QUESTIONS: dict[str, tuple[Any, dict[str, Any]]] = {
    "digits": (("prefix:4", "layout"), {}),
    "table": (("prefix", "prefix:2"), {"prefixes": oracle.PREFIXES}),
    "top": (("reason", "weekday"), {"top": 5}),
    "top currency": (("currency",), {"top": 2}),
    "percentiles": ((), {"percentiles": (50, 99.9)}),
    "percentiles by group": (("country", "weekday"), {"percentiles": (50, 90, 95)}),
    "everything": (
        ("prefix", "currency"),
        {"prefixes": oracle.PREFIXES, "top": 4, "percentiles": (25, 100), "min_attempts": 3},
    ),
}


@pytest.mark.parametrize("name", QUESTIONS)
def test_spark_answers_every_question_like_plain_python(spark: Any, name: str):
    by, arguments = QUESTIONS[name]
    wanted = oracle.expected(MANY, by, **arguments)
    oracle.assert_same(kpis.compute(kpis.on_spark(spark), by, **arguments), wanted)


def test_spark_filters_by_prefixes_like_plain_python(spark: Any):
    where: Any = {"prefix": ["O'Hara's \\ range", "mobile", None], "prefix:1": ["4", None]}
    found = kpis.compute(kpis.on_spark(spark), "layout", where, prefixes=oracle.PREFIXES)
    wanted = oracle.expected(MANY, ("layout",), where, prefixes=oracle.PREFIXES)
    oracle.assert_same(found, wanted)


def test_spark_takes_thousands_of_prefixes(spark: Any, duck: Any):
    dice = random.Random(6)
    many = sorted({str(dice.randrange(1, 10 ** dice.randrange(2, 8))) for _ in range(3000)})
    found = kpis.compute(kpis.on_spark(spark), "prefix", prefixes=many)
    assert found == kpis.compute(kpis.on_duckdb(duck), "prefix", prefixes=many)


def test_without_calls_there_is_one_row_of_zeros(spark: Any):
    until = datetime(1, 1, 1, tzinfo=UTC)
    (row,) = kpis.compute(kpis.on_spark(spark), where={"until": until})
    assert (row.attempts, row.asr.value, row.costs) == (0, None, ())


@pytest.mark.parametrize("by", [("day",), kpis.DIMENSIONS], ids=str)
def test_spark_reads_the_export_of_an_archive(exported: Any, by: Any):
    archive, session, records = exported
    wanted = oracle.expected(records, by)
    oracle.assert_same(archive.kpis(by), wanted)
    oracle.assert_same(kpis.compute(kpis.on_spark(session), by), wanted)


def test_spark_knows_the_days_of_an_export(exported: Any):
    _, session, records = exported
    table = session.table("records")
    types = dict(table.dtypes)
    assert (types["day"], types["call_time"]) == ("date", "timestamp_ntz")
    for row in table.select("day", "call_time").collect():
        assert row.day == row.call_time.date()
    day = date(2026, 11, 1)
    of_day = table.where(f"day = DATE '{day}'")
    assert of_day.count() == sum(record.call_time.date() == day for record in records)


def test_a_comparison_is_the_same_on_duckdb_and_on_spark(spark: Any, tmp_path: Path):
    file = tmp_path / "weeks.parquet"
    session = spark.newSession()
    with duckdb.connect() as connection:
        fill(connection, made(seed=3))
        connection.execute(f"COPY records TO '{file}' (FORMAT parquet)")
        session.read.parquet(str(file)).createOrReplaceTempView("records")
        on_duckdb, on_spark = (
            comparison.compare(run, LAST_WEEK, "same-weekdays", by="country", tz="Europe/Stockholm")
            for run in (kpis.on_duckdb(connection), kpis.on_spark(session))
        )
    assert on_spark == on_duckdb
    assert len(on_spark.changes) == 24


# --- Signals and reconciliation ------------------------------------------------------------------


@pytest.fixture(scope="module")
def noise(spark: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Calls, an archive and a Spark session with them."""
    calls = fraud_oracle.noise(3000, seed=7)
    folder = tmp_path_factory.mktemp("noise")
    with cdr.Archive(folder / "calls.duckdb") as archive:
        archive.load(fraud_oracle.file(calls))
        session = spark.newSession()
        archive.to_parquet(folder / "export")
        table = session.read.parquet(str(folder / "export")).coalesce(1).cache()
        table.createOrReplaceTempView("records")
        yield calls, archive, session


def test_spark_finds_the_signals_of_plain_python(noise: Any):
    calls, _, session = noise
    found = signals.compute(kpis.on_spark(session), fraud_oracle.PERIOD, thresholds=LOW)
    for kind in signals.KINDS:
        of_kind = tuple(each for each in found.signals if each.kind == kind)
        expected = fraud_oracle.expected(kind, calls, LOW)
        assert_same(attrs.evolve(found, signals=of_kind), expected)


def test_spark_reconciles_as_an_archive_does(noise: Any):
    _, archive, session = noise
    run = kpis.on_spark(session)
    lines = [
        reconciliation.InvoiceLine(day=date(2026, 11, day), currency="EUR", amount=Decimal(1))
        for day in (20, 24, 29)
    ]
    found = reconciliation.reconcile_invoice(run, lines, minutes="talk")
    assert found == archive.reconcile_invoice(lines, minutes="talk")
    row = found.differences[0]
    assert reconciliation.invoice_calls(run, row) == archive.invoice_calls(row)
    report = UserCallReport(success=1, failed=1, duration=1)
    days = [date(2026, 11, day) for day in range(20, 30)]
    windows = [
        ReportWindow(start=start, stop=stop, report=report) for start, stop in pairwise(days)
    ]
    for user in ("alice", "+46730170001"):
        asked = reconciliation.reconcile_reports(run, user, windows, domain="pstn")
        assert asked == archive.reconcile_reports(user, windows, domain="pstn")
        assert reconciliation.report_calls(run, asked, asked.rows[0]) == archive.report_calls(
            asked, asked.rows[0]
        )
