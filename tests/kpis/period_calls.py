"""Made-up calls of several weeks, and a plain computation of their KPIs by period."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import kpi_oracle as oracle

MONDAY = date(2026, 10, 26)
LAST_WEEK = "2026-11-23..2026-11-29"
CURRENCIES = ("EUR", "USD", "SEK", "GBP", "NOK")
COLUMNS = (
    "layout",
    "call_id",
    "user_space_id",
    "call_time",
    "result",
    "reason",
    "duration",
    "answer_time",
    "from_",
    "to_",
    "amount",
    "currency",
    "custom",
    "application_key",
    "user_id",
    "to_country_id",
)


def at(month: int, day: int, hour: int = 0, minute: int = 0) -> datetime:
    """Return a time in UTC in 2026, without a zone."""
    return datetime(2026, month, day, hour, minute, tzinfo=UTC).replace(tzinfo=None)


def call(time: datetime, **cells: Any) -> dict[str, Any]:
    """Return an answered call, with the given changes."""
    usual = {
        "layout": "phone-terminated",
        "call_id": str(time),
        "call_time": time,
        "result": "ANSWERED",
        "reason": "CALLEEHANGUP",
        "duration": 60,
        "answer_time": time + timedelta(seconds=4),
        "amount": Decimal("0.02"),
        "currency": "EUR",
        "to_country_id": "SE",
    }
    return {**dict.fromkeys(COLUMNS), **usual, **cells}


def made(
    seed: int,
    days: int = 35,
    calls: int = 20,
    countries: Iterable[str] = ("SE", "FR"),
    planted: Mapping[tuple[str, date], Mapping[str, float]] | None = None,
) -> list[dict[str, Any]]:
    """Return calls of each day and country.

    Args:
        seed: The same seed gives the same calls.
        days: Days from `MONDAY`.
        calls: Calls of a weekday in a country; half of it at weekends.
        countries: Countries of the calls.
        planted: Factors of `calls` and `asr` by country and first day.
    """
    dice = random.Random(seed)
    found = []
    for number in range(days):
        day = MONDAY + timedelta(days=number)
        for country in countries:
            factors = (planted or {}).get((country, day), {})
            weekday = 0.5 if day.weekday() > 4 else 1.0
            number_of_calls = calls * weekday * factors.get("calls", 1) * dice.uniform(0.9, 1.1)
            for _ in range(round(number_of_calls)):
                answered = dice.random() < 0.6 * factors.get("asr", 1)
                time = at(day.month, day.day) + timedelta(seconds=dice.randrange(86_400))
                cells: dict[str, Any] = {
                    "to_country_id": country,
                    "currency": dice.choice(CURRENCIES[:2]),
                    "amount": Decimal(dice.randrange(1, 400)) / 10_000,
                    "duration": dice.choice((3, 20, 60, 95, 300)),
                }
                if not answered:
                    failed = dice.random() < 0.2
                    cells |= {
                        "result": "FAILED" if failed else "BUSY",
                        "reason": "GENERALERROR" if failed else "N/A",
                        "duration": 0,
                        "answer_time": None,
                        "amount": None,
                    }
                found.append(call(time, **cells))
    return found


def fill(connection: Any, calls: Iterable[Mapping[str, Any]]) -> None:
    """Create the table `records` with these calls."""
    connection.execute(oracle.TABLE)
    rows = list(calls)
    columns = [[row[name] for row in rows] for name in COLUMNS]
    chosen = ", ".join(["unnest(?)"] * len(COLUMNS))
    connection.execute(f"INSERT INTO records SELECT {chosen}", columns)


def expected(calls: Iterable[Mapping[str, Any]], days: int) -> dict[Any, tuple[Any, Any]]:
    """Return numerator and denominator of each compared KPI, by KPI and currency."""
    calls = list(calls)
    answered = [each for each in calls if each["result"] == "ANSWERED"]
    delivered = [each for each in calls if each["reason"] != "GENERALERROR"]
    talked = sum(each["duration"] for each in answered)
    setup = [each["answer_time"] - each["call_time"] for each in answered]
    found: dict[Any, tuple[Any, Any]] = {
        ("attempts", None): (len(calls), days),
        ("answered", None): (len(answered), days),
        ("minutes_of_use", None): (talked, 60 * days),
        ("asr", None): (len(answered), len(calls)),
        ("ner", None): (len(delivered), len(calls)),
        ("acd", None): (talked, len(answered)),
        ("setup_time", None): (sum(setup, timedelta()) / timedelta(seconds=1), len(answered)),
        ("short_calls", None): (sum(each["duration"] <= 6 for each in answered), len(answered)),
    }
    for currency in sorted({each["currency"] for each in answered}):
        mine = [each for each in answered if each["currency"] == currency]
        amount = sum(Fraction(each["amount"]) for each in mine)
        found["cost", currency] = amount, days
        seconds = sum(each["duration"] for each in mine)
        found["cost_per_talk_minute", currency] = amount, Fraction(seconds, 60)
    return found
