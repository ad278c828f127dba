"""KPIs by local day, hour and weekday, in particular in nights with a clock change."""

from __future__ import annotations

import random
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import kpi_oracle as oracle
import pytest
from sinchvoice import InvalidRequest, cdr
from sinchvoice.cdr import kpis
from sinchvoice.cdr.zones import local_time, offsets

ZONES = [
    "Europe/Stockholm",
    "America/New_York",
    "America/Sao_Paulo",  # clocks changed at midnight, until 2019
    "Africa/Casablanca",  # four changes a year
    "Africa/Cairo",
    "Asia/Kathmandu",
    "Asia/Gaza",
    "Australia/Lord_Howe",  # by half an hour
    "Pacific/Apia",  # lost a day in 2011
    "Etc/GMT+12",
    "UTC",
]


@pytest.mark.parametrize("name", ZONES)
def test_local_time_in_sql_agrees_with_zoneinfo(name: str):
    dice, begin = random.Random(name), datetime(2000, 1, 1)  # noqa: DTZ001 - in UTC
    moments = [begin + timedelta(seconds=dice.randrange(69 * 365 * 86400)) for _ in range(2000)]
    moments += [
        change + timedelta(seconds=seconds)
        for change, _ in offsets(name)[1:]
        for seconds in (-3600, -1, 0, 1, 3600)
    ]
    with duckdb.connect() as connection:
        found = connection.execute(
            f"SELECT t, {local_time('t', name)} FROM (SELECT unnest($1::TIMESTAMP[]) AS t)",  # noqa: S608
            [moments],
        ).fetchall()
    local = ZoneInfo(name)
    assert len(found) == len(moments)
    for moment, shown in found:
        assert shown == moment.replace(tzinfo=UTC).astimezone(local).replace(tzinfo=None)


def calls_around(*nights: datetime) -> list[Any]:
    """Return a call every ten minutes from six hours before each time to six hours after it."""
    cells = dict.fromkeys((c.name for c in cdr.LAYOUTS["phone-terminated"].columns), "")
    rows = []
    for night in nights:
        for number in range(-36, 37):
            moment = (night + timedelta(minutes=10 * number)).isoformat() + "Z"
            call = {"CallId": f"{night}{number}", "CallTime": moment, "Result": "ANSWERED"}
            rows.append(("phone-terminated", {**cells, **call, "Duration": "60"}))
    return oracle.read(rows)


@pytest.mark.parametrize("name", ZONES)
def test_groups_agree_with_plain_python_in_nights_with_a_clock_change(name: str):
    changes = [change for change, _ in offsets(name)[1:] if 2021 < change.year < 2028]
    records = calls_around(*changes, datetime(2026, 1, 1))  # noqa: DTZ001 - in UTC
    local = ZoneInfo(name)
    moments = [record.call_time.astimezone(local) for record in records]
    expected: dict[Any, Counter[Any]] = {
        "day": Counter(moment.date() for moment in moments),
        "hour": Counter(moment.hour for moment in moments),
        "weekday": Counter(moment.strftime("%A") for moment in moments),
    }
    with duckdb.connect() as connection:
        oracle.fill(connection, records)
        run = kpis.on_duckdb(connection)
        for dimension, wanted in expected.items():
            rows = kpis.compute(run, [dimension], tz=name)
            assert {row.by[dimension]: row.attempts for row in rows} == wanted
            for value in list(wanted)[:3]:
                where: Any = {dimension: value}
                (row,) = kpis.compute(run, where=where, tz=ZoneInfo(name))
                assert row.attempts == wanted[value]


def test_a_day_of_25_hours_has_the_calls_of_all_hours():
    records = calls_around(datetime(2026, 10, 25, 1))  # noqa: DTZ001 - in UTC
    with duckdb.connect() as connection:
        oracle.fill(connection, records)
        run = kpis.on_duckdb(connection)
        rows = kpis.compute(run, "hour", {"day": date(2026, 10, 25)}, tz="Europe/Stockholm")
    assert {row.by["hour"]: row.attempts for row in rows}[2] == 12


@pytest.mark.parametrize("name", ["Pacific/Kiritimati", "America/New_York"])
def test_the_ends_of_the_calendar_are_days_that_python_knows(name: str):
    records = calls_around(datetime(1, 1, 1, 6), datetime(9999, 12, 31, 17, 59))  # noqa: DTZ001
    with duckdb.connect() as connection:
        oracle.fill(connection, records)
        rows = kpis.compute(kpis.on_duckdb(connection), "day", tz=name)
    assert [row.by["day"] for row in rows] == [date(1, 1, 1), date(9999, 12, 31)]


@pytest.mark.parametrize("wrong", ["", "Mars/Olympus", "../etc/passwd", "/etc/passwd", 5, None])
def test_a_zone_that_does_not_exist_is_refused(wrong: Any):
    with pytest.raises(InvalidRequest, match=r"^tz .*IANA database"):
        kpis.compute(lambda *_: (), tz=wrong)


def test_in_utc_the_query_is_the_file():
    assert kpis.sql() == kpis.sql("UTC") == kpis.sql(ZoneInfo("UTC"))
    assert "INTERVAL" not in kpis.sql()
    assert "INTERVAL" in kpis.sql("Asia/Kathmandu")
