"""The KPIs in plain Python over `cdr.read`, for comparison with the SQL.

It does not use `sinchvoice.cdr.kpis`. Sums are exact, ratios are fractions.
"""

from __future__ import annotations

import random
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

from sinchvoice import PstnEndpoint, cdr

# --- Records -------------------------------------------------------------------------------------

LAYOUTS = ("phone-terminated", "phone-originated", "app-to-app", "sip-terminated")
RESULTS = ("ANSWERED", "ANSWERED", "BUSY", "NOANSWER", "FAILED", "failed", "N/A", "", "LOST")
REASONS = (
    "N/A TIMEOUT CALLERHANGUP CALLEEHANGUP MANAGERHANGUP HANGUP CANCEL BLOCKED NOCREDITPARTNER"
    " GENERALERROR INVALIDSVAMLACTION"
).split() + ["", "408 = wanted"]
DURATIONS = ("", "0", "1", "6", "7", "59", "60", "61", "3600", "-5", "999999999999999999")
TIMES = (
    "0001-01-01T00:00:00Z",
    "1969-12-31T23:59:59.999999Z",
    "2024-02-29T12:00:00.5Z",
    "2026-03-08T07:00:00Z",  # clocks go forward in New York, and in Paris three weeks later
    "2026-03-29T01:00:00Z",
    "2026-11-01T05:59:59.999999Z",  # and back
    "2026-11-01T06:00:00.000001Z",
    "2026-11-01T23:59:59.9999999Z",
    "2026-11-02T00:00:00Z",
    "2026-11-02T00:30:00+02:00",
    "2026-11-02T08:15:30.1234567Z",
    "9999-12-31T23:59:59Z",
)
AMOUNTS = ("", "0", "0.1", "0.0230", "12.345678901234567891", "-1.50", "1000000")
CURRENCIES = ("EUR", "USD", "SEK", "GBP", "PLN", "")
COUNTRIES = ("SE", "US", "")
NUMBERS = (
    "+46730170101",
    "+46730170102",
    "+46730990101",
    "+46 73-017 01 03",
    "0046730170104",
    "00 46 (73) 017 01 05",
    "000",
    "+46201234567",
    "+1 (212) 555.0101",
    "12125550102",
    "+4670123456789012345",  # longer than any number
    "112",
    "4",
    "+1/2",
    "+46+730170101",
    "(046) 73",
    "4６730170101",
    "+",
    "anonymous",
    "sip:+46730170101@example.com",
    "46730170101@example.com",
    "",
)
PREFIXES: dict[str, str | None] = {
    "4": "zone 4",
    "46": None,
    "4673": "mobile",
    "4670": "mobile",
    "46730170": "O'Hara's \\ range",
    "46730170101": "one number",
    "1": "zone 4",
    "1212": None,
    "11": "short",
    "999999999999999": "nobody",
}
NAMES = ("alice", "bob", "Åsa", "")
KEYS = ("5F5C418A0F914BBC8234A9BF5EDDAD97", "669E367E-6BBA-48AB-AF15-266871C28135", "")

TABLE = """
    CREATE OR REPLACE TABLE records (
        layout VARCHAR, call_id VARCHAR, user_space_id BIGINT, call_time TIMESTAMP, result VARCHAR,
        reason VARCHAR, duration BIGINT, answer_time TIMESTAMP, from_ VARCHAR, to_ VARCHAR,
        amount DECIMAL(38, 18), currency VARCHAR, custom VARCHAR, application_key VARCHAR,
        user_id VARCHAR, to_country_id VARCHAR
    )
"""
INSERT = "INSERT INTO records VALUES "
ROW = "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"


def chosen(pick: Any) -> tuple[str, dict[str, str]]:
    """Return a layout, and the cells of a record by column; `pick` chooses from a sequence."""
    made = pick(TIMES)
    return pick(LAYOUTS), {
        "CallId": "4398599d1ba84ef3bde0a82dfb61abed",
        "UserSpaceId": "1137",
        "CallTime": made,
        "Result": pick(RESULTS),
        "Reason": pick(REASONS),
        "Duration": pick(DURATIONS),
        "AnswerTime": pick(("", made, later(made, pick), pick(TIMES))),
        "From": "+12125550101",
        "To": pick(NUMBERS),
        "FromUserId": pick(NAMES),
        "ToUserId": pick(("carol", "46730170101")),
        "Amount": pick(AMOUNTS),
        "Currency": pick(CURRENCIES),
        "Custom": "",
        "ApplicationKey": pick(KEYS),
        "UserId": pick(NAMES),
        "ToCountryId": pick(COUNTRIES),
    }


def later(made: str, pick: Any) -> str:
    """Return a time up to two hours later."""
    try:
        time = datetime.fromisoformat(made) + timedelta(
            microseconds=pick((1, 999_999, 7_200_000_001))
        )
    except OverflowError:
        return ""
    return time.isoformat()


def file(rows: Iterable[tuple[str, dict[str, str]]]) -> bytes:
    """Return a file with these rows, each below the header row of its layout."""
    lines = []
    for layout, cells in rows:
        names = [column.name for column in cdr.LAYOUTS[layout].columns]  # type: ignore[index]
        lines += [";".join(names), ";".join(cells[name] for name in names)]
    return "\n".join(lines).encode()


def read(rows: Iterable[tuple[str, dict[str, str]]]) -> list[Any]:
    """Return the records of a file with these rows."""
    return list(cdr.read(file(rows), "phone-terminated"))


def generated(count: int, seed: int) -> list[Any]:
    """Return records of every kind; the same seed gives the same records."""
    dice = random.Random(seed)
    return read(chosen(dice.choice) for _ in range(count))


def fill(connection: Any, records: Sequence[Any]) -> None:
    """Create the table `records` with these records."""
    connection.execute(TABLE)
    for first in range(0, len(records), 100):  # one by one, it takes five times as long
        some = [in_table(record) for record in records[first : first + 100]]
        values = [value for row in some for value in row]
        connection.execute(INSERT + ", ".join([ROW] * len(some)), values)


def in_table(record: Any) -> tuple[Any, ...]:
    def text(endpoint: Any) -> str | None:
        for name in ("number", "username", "address", "endpoint"):
            if hasattr(endpoint, name):
                return str(getattr(endpoint, name))
        return None

    def time(moment: datetime | None) -> datetime | None:
        return None if moment is None else moment.replace(tzinfo=None)

    return (
        record.layout,
        record.call_id,
        record.user_space_id,
        time(record.call_time),
        record.result,
        record.reason,
        record.duration,
        time(getattr(record, "answer_time", None)),
        text(record.from_),
        text(record.to),
        getattr(record, "amount", None),
        getattr(record, "currency", None),
        record.custom,
        record.application_key,
        getattr(record, "user_id", None),
        getattr(record, "to_country_id", None),
    )


# --- KPIs ----------------------------------------------------------------------------------------


def values(record: Any, prefixes: Any = None) -> dict[str, Any]:
    """Return the dimensions of a call."""
    number = None
    if isinstance(record.to, PstnEndpoint):
        number = re.sub("[^0-9]", "", record.to.number)
        number = number.removeprefix("00" if record.to.number.startswith("0") else "") or None
    if record.layout == "app-to-app":
        user = None if record.from_ is None else record.from_.username
    else:
        user = getattr(record, "user_id", None)
    return {
        "day": record.call_time.date(),
        "hour": record.call_time.hour,
        "weekday": record.call_time.strftime("%A"),
        "country": getattr(record, "to_country_id", None),
        "layout": record.layout,
        "application": record.application_key,
        "user": user,
        "result": record.result,
        "reason": record.reason,
        "currency": getattr(record, "currency", None),
        "prefix": longest_match(number, prefixes or {}),
        **{f"prefix:{count}": number and number[:count] for count in range(1, 16)},
    }


def longest_match(number: str | None, prefixes: dict[str, str | None]) -> str | None:
    """Return the name of the longest prefix of a number, or the prefix if it has no name."""
    matches = [prefix for prefix in prefixes if number is not None and number.startswith(prefix)]
    best = max(matches, key=len, default=None)
    return best and (prefixes[best] or best)


def outcome(record: Any) -> str:
    """Return the outcome of a call."""
    result, reason = record.result, record.reason
    if result == "ANSWERED":
        return "answered"
    ended = {"BLOCKED": "blocked", "NOCREDITPARTNER": "no_credit", "CANCEL": "abandoned"}
    if reason in ended:
        return ended[reason]
    if result in ("BUSY", "NOANSWER"):
        return {"BUSY": "busy", "NOANSWER": "no_answer"}[result]
    if result != "FAILED" or reason == "INVALIDSVAMLACTION":
        return "undecided"
    return "hung_up" if reason is not None and reason.endswith("HANGUP") else "network_failures"


def microseconds(span: timedelta) -> int:
    return span // timedelta(microseconds=1)


def expected(
    records: Iterable[Any],
    by: Sequence[str] = (),
    where: Any = None,
    min_attempts: int = 1,
    *,
    prefixes: Any = None,
    top: int | None = None,
    percentiles: Sequence[float] = (),
) -> list[dict[str, Any]]:
    """Return the expected rows."""
    groups: dict[tuple[Any, ...], list[Any]] = defaultdict(list)
    for record in records:
        of = values(record, prefixes)
        if all(passes(record, of, *item) for item in (where or {}).items()):
            groups[tuple(of[name] for name in by)].append(record)
    if not by:
        groups[()]
    ordered = sorted(groups, key=lambda group: order(by, group))
    rest: list[tuple[Any, ...]] = []
    if top is not None:
        ordered.sort(key=lambda group: -len(groups[group]))  # keeps the order of equals
        ordered, rest = ordered[:top], ordered[top:]
    rows = [(group, groups[group], 0) for group in ordered]
    if rest:
        calls = [call for group in rest for call in groups[group]]
        rows.append((("(rest)",) * len(by), calls, len(rest)))
    return [
        {
            "by": dict(zip(by, group, strict=True)),
            "rest_groups": number,
            **counted(calls, min_attempts),
            **ranked(calls, min_attempts, percentiles),
        }
        for group, calls, number in rows
    ]


def order(by: Sequence[str], group: tuple[Any, ...]) -> list[Any]:
    days = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
    known = [
        days.index(value) if name == "weekday" else value
        for name, value in zip(by, group, strict=True)
    ]
    return [(1, "") if value is None else (0, value) for value in known]


def passes(record: Any, of: dict[str, Any], name: str, wanted: Any) -> bool:
    if name == "start":
        return bool(wanted is None or record.call_time >= wanted)
    if name == "until":
        return bool(wanted is None or record.call_time < wanted)
    return of[name] in (wanted if isinstance(wanted, list | tuple | set) else [wanted])


def counted(calls: list[Any], min_attempts: int) -> dict[str, Any]:
    names = (
        "answered busy no_answer abandoned hung_up blocked no_credit network_failures undecided"
    ).split()
    kpis: dict[str, Any] = dict.fromkeys(names, 0)
    for call in calls:
        kpis[outcome(call)] += 1
    kpis["attempts"] = len(calls)
    kpis["delivered"] = sum(kpis[name] for name in names[:5])
    kpis["timed"] = len(lengths(calls))
    kpis["short"] = sum(length <= 6 for length in lengths(calls))
    kpis["talk_seconds"] = sum(lengths(calls))
    kpis["minutes_of_use"] = Fraction(kpis["talk_seconds"], 60)
    setups = setup_times(calls)
    kpis["connected"] = len(setups)
    kpis["setup_seconds"] = Fraction(sum(setups), 10**6)
    enough = len(calls) >= min_attempts

    def ratio(above: Any, below: Any) -> tuple[Any, Any, Any]:
        value = Fraction(above) / Fraction(below) if enough and below else None
        return Fraction(above), Fraction(below), value

    kpis["asr"] = ratio(kpis["answered"], kpis["attempts"])
    kpis["ner"] = ratio(kpis["delivered"], kpis["delivered"] + kpis["network_failures"])
    kpis["acd"] = ratio(kpis["talk_seconds"], kpis["timed"])
    kpis["setup_time"] = ratio(kpis["setup_seconds"], kpis["connected"])
    kpis["short_calls"] = ratio(kpis["short"], kpis["timed"])
    kpis["costs"] = []
    priced = [call for call in calls if getattr(call, "amount", None) is not None]
    for currency in sorted({call.currency for call in priced}, key=lambda name: (not name, name)):
        mine = [call for call in priced if call.currency == currency]
        amount = sum(Fraction(call.amount) for call in mine)
        seconds = sum(lengths(mine))
        minutes = sum(-(-length // 60) for length in lengths(mine))
        kpis["costs"].append(
            {
                "currency": currency,
                "priced": len(mine),
                "amount": amount,
                "priced_seconds": seconds,
                "started_minutes": minutes,
                "per_talk_minute": ratio(amount, Fraction(seconds, 60)),
                "per_started_minute": ratio(amount, minutes),
            }
        )
    return kpis


def ranked(calls: list[Any], min_attempts: int, percentiles: Sequence[float]) -> dict[str, Any]:
    """Return the percentiles: by nearest rank, setup times rounded to the millisecond."""
    setups = [Fraction((each + 500) // 1000, 1000) for each in setup_times(calls)]
    enough = len(calls) >= min_attempts
    return {
        field: {each: nearest_rank(found, each) if enough else None for each in percentiles}
        for field, found in (
            ("duration_percentiles", lengths(calls)),
            ("setup_time_percentiles", setups),
        )
    }


def nearest_rank(found: list[Any], percentile: float) -> Any:
    """Return the smallest value that this percentage of the values does not exceed."""
    wanted = Fraction(str(percentile)) / 100 * len(found)
    for number, value in enumerate(sorted(found), 1):
        if number >= wanted:
            return value
    return None


def setup_times(calls: list[Any]) -> list[int]:
    """Return the setup times in microseconds."""
    return [
        microseconds(call.answer_time - call.call_time)
        for call in calls
        if getattr(call, "answer_time", None) and call.answer_time >= call.call_time
    ]


def lengths(calls: list[Any]) -> list[int]:
    return [
        call.duration
        for call in calls
        if call.result == "ANSWERED" and call.duration is not None and call.duration >= 0
    ]


# --- Comparison ----------------------------------------------------------------------------------


def assert_same(found: Sequence[Any], wanted: list[dict[str, Any]]) -> None:
    """Check that counts and amounts are equal, and floats within 1e-12 of the exact fraction."""
    assert [row.by for row in found] == [each["by"] for each in wanted]
    for row, each in zip(found, wanted, strict=True):
        assert_fields(row, each)


def assert_fields(found: Any, wanted: dict[str, Any]) -> None:
    for name, value in wanted.items():
        have = getattr(found, name)
        if name == "costs":
            assert len(have) == len(value)
            for cost, each in zip(have, value, strict=True):
                assert_fields(cost, each)
        elif isinstance(value, tuple):
            for part, exact in zip(
                (have.numerator, have.denominator, have.value), value, strict=True
            ):
                assert_number(name, part, exact)
        else:
            assert_number(name, have, value)


def assert_number(name: str, found: Any, wanted: Any) -> None:
    if isinstance(found, float):
        assert wanted is not None, name
        assert abs(Fraction(found) - wanted) <= abs(wanted) / 10**12, (name, found, float(wanted))
    elif isinstance(found, Decimal):
        assert Fraction(found) == wanted, (name, found, wanted)
    else:
        assert found == wanted, (name, found, wanted)
