"""Signals of fraud in call detail records: unusual calls, a score, and the evidence.

    from sinchvoice import cdr

    with cdr.Archive("calls.duckdb") as archive:
        for signal in archive.signals("2026-11-23..2026-11-29").signals:
            print(round(signal.score), signal.kind, signal.subject, signal.reason)

A signal is a reason to look, not a verdict. Each compares a count with a threshold, and most
thresholds grow with what the same caller, prefix or range did in the days before the period. The
queries are in `signals.sql` and run on an archive, on DuckDB and on Spark.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from importlib.resources import files
from typing import Any, Literal, TypeAlias, get_args
from zoneinfo import ZoneInfo

import attrs

from ..data import format_day
from ..errors import InvalidRequest
from .comparison import Period, PeriodLike
from .kpis import Run
from .periods import query_time, span

__all__ = [
    "COUNTS",
    "KINDS",
    "Signal",
    "SignalKind",
    "SignalReport",
    "Thresholds",
    "compute",
]

SignalKind: TypeAlias = Literal[
    "short_calls",
    "new_destination",
    "caller_rate",
    "prefix_rate",
    "called_range",
    "calling_range",
]
KINDS: tuple[SignalKind, ...] = get_args(SignalKind)

COLUMNS = (
    "layout",
    "call_id",
    "call_time",
    "result",
    "duration",
    "from_",
    "to_",
    "amount",
    "currency",
    "user_id",
)
"""Columns of the records that the queries read."""

_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)


def _whole(default: int, low: int, high: int, unit: str, meaning: str, why: str) -> Any:
    """Declare a threshold: a whole number with its range, unit, meaning and reason."""

    def check(_: object, attribute: attrs.Attribute[int], value: object) -> None:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise InvalidRequest(
                parameter=attribute.name,
                value=value,
                remedy=f"give a whole number from {low} to {high}",
            )

    facts = {"unit": unit, "meaning": meaning, "why": why}
    return attrs.field(default=default, validator=check, metadata=facts)


@attrs.frozen(kw_only=True)
class Thresholds:
    """The thresholds of the signals, all whole numbers; docs/how-to/fraud-and-invoices.md says why.

    Attributes:
        past_days: Days before the period with which it is compared.
        short_seconds: Longest duration of a short call, in seconds.
        burst_minutes: Length of the window of a burst, in minutes.
        burst_calls: Short calls within the window.
        burst_share: Share of short calls among all calls in the window, in percent.
        burst_numbers: Different numbers called in the burst.
        prefix_digits: Digits of a prefix of the called number, without the plus.
        destination_calls: Calls to a destination.
        destination_minutes: Started minutes to a destination.
        destination_factor: Price of a minute, as a multiple of the usual one.
        rate_calls: Calls within an hour.
        rate_factor: Calls within an hour, as a multiple of the busiest hour of the past.
        range_digits: Last digits in which the numbers of a range differ.
        range_numbers: Numbers of a range within a day.
        range_factor: Numbers within a day, as a multiple of the most on a day of the past.
        evidence: Most call ids of a signal.
    """

    past_days: int = _whole(
        28, 1, 366, "days", "the past that a period is compared with", "four of each weekday"
    )
    short_seconds: int = _whole(6, 0, 3600, "s", "longest short call", "as for the KPI")
    burst_minutes: int = _whole(
        10, 1, 1440, "min", "length of the window", "a person does not redial that often"
    )
    burst_calls: int = _whole(
        20, 2, 1_000_000, "calls", "short calls in the window", "one every half minute"
    )
    burst_share: int = _whole(
        50,
        0,
        100,
        "%",
        "share of short calls among all in the window",
        "a campaign has voice mails, but talks more often",
    )
    burst_numbers: int = _whole(
        5, 1, 1_000_000, "numbers", "different numbers called", "a fax retries one number"
    )
    prefix_digits: int = _whole(
        5, 1, 15, "digits", "length of a prefix", "country and network, or area, in most countries"
    )
    destination_calls: int = _whole(
        3, 1, 1_000_000, "calls", "calls to the destination", "one call can be a wrong number"
    )
    destination_minutes: int = _whole(
        10, 1, 1_000_000, "min", "started minutes to the destination", "less costs little"
    )
    destination_factor: int = _whole(
        5,
        1,
        1000,
        "times",
        "price of a started minute against the mean of the past, in the same currency",
        "prices of usual destinations differ by less",
    )
    rate_calls: int = _whole(
        30, 2, 1_000_000, "calls", "calls within an hour", "few callers do that by hand"
    )
    rate_factor: int = _whole(
        3,
        1,
        1000,
        "times",
        "calls within an hour against the busiest hour of the past",
        "a peak that comes every week is in the past, too",
    )
    range_digits: int = _whole(
        3,
        1,
        9,
        "digits",
        "last digits that differ within a range",
        "ranges are rented by the thousand",
    )
    range_numbers: int = _whole(
        20, 2, 1_000_000, "numbers", "numbers of the range in a UTC day", "customers are spread"
    )
    range_factor: int = _whole(
        3,
        1,
        1000,
        "times",
        "numbers in a day against the most on a day of the past",
        "a company with such a range is called every week",
    )
    evidence: int = _whole(20, 1, 1000, "calls", "most call ids of a signal", "enough to look at")


@attrs.frozen(kw_only=True)
class Signal:
    """An unusual count of calls, with its evidence. It is a reason to look, not a verdict.

    Attributes:
        kind: Kind of the signal.
        subject: The caller, prefix or range; of numbers, digits without the plus.
        currency: Currency of the prices; None unless the kind is `new_destination`.
        start: Time of the first call, in UTC.
        last: Time of the last call, in UTC.
        score: 0 to 100: 100 * measured / (measured + threshold). 50 at the threshold, 75 at three
            times the threshold.
        measured: The measured value.
        threshold: The value from which this is a signal.
        reason: The comparison as a sentence.
        counts: The counts behind it, by name; see docs/how-to/fraud-and-invoices.md.
        call_ids: Ids of the calls, earliest first; at most `Thresholds.evidence`.
    """

    kind: SignalKind
    subject: str
    currency: str | None
    start: datetime
    last: datetime
    score: float
    measured: float
    threshold: float
    reason: str
    counts: Mapping[str, int | float | Decimal] = attrs.field(hash=False)
    call_ids: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the signal in JSON types; amounts are text with all their digits."""
        counts = {
            name: f"{value:f}" if isinstance(value, Decimal) else value
            for name, value in self.counts.items()
        }
        return {
            "kind": self.kind,
            "subject": self.subject,
            "currency": self.currency,
            "start": format_day(self.start),
            "last": format_day(self.last),
            "score": round(self.score, 1),
            "measured": self.measured,
            "threshold": self.threshold,
            "reason": self.reason,
            "counts": counts,
            "call_ids": list(self.call_ids),
        }


@attrs.frozen(kw_only=True)
class SignalReport:
    """The signals of a period.

    Attributes:
        start: Start of the period, in UTC.
        until: Time after its end, in UTC.
        calls: Calls in the period.
        past_days: Days before the period with calls. With none, nothing has a past: all rates and
            ranges look new, and no destination can be called expensive.
        signals: The signals, highest score first.
        notes: Remarks that limit the result, such as kinds that masks hide.
    """

    start: datetime
    until: datetime
    calls: int
    past_days: int
    signals: tuple[Signal, ...]
    notes: tuple[str, ...] = ()


def compute(
    run: Run,
    period: PeriodLike,
    *,
    thresholds: Thresholds | None = None,
    kinds: Collection[SignalKind] | None = None,
    min_score: float = 0,
    tz: str | ZoneInfo = "UTC",
) -> SignalReport:
    """Find signals of fraud among the calls of a period in the table or view `records`.

    Args:
        run: Access to the records: `kpis.on_duckdb(connection)`, `kpis.on_spark(session)`, or
            another function of this type.
        period: The days to judge, such as `2026-11-23..2026-11-29`; both are included.
        thresholds: Thresholds; None for the defaults.
        kinds: Kinds of signals to look for; None for all.
        min_score: Lowest score to return, 0 to 100. A signal has at least 50.
        tz: Time zone of the period's days.

    Returns:
        The signals, highest score first.

    Raises:
        InvalidRequest: The period, a kind, the score or the time zone is not valid.
    """
    limits = Thresholds() if thresholds is None else thresholds
    past, start, until = reach(period, limits, tz)
    wanted = _kinds(KINDS if kinds is None else kinds)
    if isinstance(min_score, bool) or not 0 <= min_score <= 100:
        raise InvalidRequest(
            parameter="min_score", value=min_score, remedy="give a number from 0 to 100"
        )
    common = {
        "past": query_time(past),
        "start": query_time(start),
        "until": query_time(until),
        "short_seconds": limits.short_seconds,
        "evidence": limits.evidence,
    }
    totals = list(_run(run, "totals", common))
    calls, past_days = totals[0] if totals else (0, 0)
    found = [
        signal
        for kind in wanted
        for signal in _signals(kind, run, {**common, **_PARAMETERS[kind](limits)}, limits)
        if signal.score >= min_score
    ]
    found.sort(key=lambda each: (-each.score, each.kind, each.subject, each.start))
    return SignalReport(
        start=start, until=until, calls=int(calls), past_days=int(past_days), signals=tuple(found)
    )


_SEEN: Mapping[str, tuple[SignalKind, ...]] = {
    # Shortened numbers of a range are one number, and shortened users one caller.
    "shorten": ("new_destination", "prefix_rate"),
    # Hashes have no digits.
    "hash": ("short_calls", "caller_rate"),
}


def seen_with_masks(
    method: str, kinds: Collection[SignalKind] | None
) -> tuple[tuple[SignalKind, ...], tuple[str, ...]]:
    """Return the kinds that can be judged on masked records, and a note on the others.

    Args:
        method: Method of the masking.
        kinds: The requested kinds; None for all that can be judged.

    Raises:
        InvalidRequest: A requested kind cannot be judged, or does not exist.
    """
    seen = _SEEN[method]
    verb = "shortened" if method == "shorten" else "hashed"
    hidden = ", ".join(kind for kind in KINDS if kind not in seen)
    if kinds is None:
        return seen, (f"numbers are {verb}, so these kinds are not judged: {hidden}",)
    for kind in _kinds(kinds):
        if kind not in seen:
            raise InvalidRequest(
                parameter="kinds",
                value=kind,
                remedy=f"numbers are {verb}, which leaves {' and '.join(seen)}",
            )
    return tuple(_kinds(kinds)), ()


def reach(
    period: PeriodLike, limits: Thresholds, tz: str | ZoneInfo = "UTC"
) -> tuple[datetime, datetime, datetime]:
    """Return the start of the past, and start and end of the period, in UTC."""
    days = Period.of(period)
    start, until = span(days.first, days.last, tz)
    return start - timedelta(days=limits.past_days), start, until


def _kinds(kinds: Collection[SignalKind]) -> list[SignalKind]:
    given = {kinds} if isinstance(kinds, str) else set(kinds)
    for kind in given:
        if kind not in KINDS:
            raise InvalidRequest(
                parameter="kinds", value=kind, remedy=f"give some of {', '.join(KINDS)}"
            )
    return [kind for kind in KINDS if kind in given]


# --- Queries -------------------------------------------------------------------------------------

_PARAMETERS: Mapping[SignalKind, Callable[[Thresholds], dict[str, int]]] = {
    "short_calls": lambda limits: {
        "window": limits.burst_minutes * 60,
        "window_before": limits.burst_minutes * 60 - 1,
        "min_calls": limits.burst_calls,
        "min_share": limits.burst_share,
        "min_numbers": limits.burst_numbers,
    },
    "new_destination": lambda limits: {
        "digits": limits.prefix_digits,
        "min_calls": limits.destination_calls,
        "min_minutes": limits.destination_minutes,
        "factor": limits.destination_factor,
    },
    "caller_rate": lambda limits: {
        "digits": 0,
        "min_calls": limits.rate_calls,
        "factor": limits.rate_factor,
    },
    "prefix_rate": lambda limits: {
        "digits": limits.prefix_digits,
        "min_calls": limits.rate_calls,
        "factor": limits.rate_factor,
    },
    "called_range": lambda limits: {
        "calling": 0,
        "digits": limits.range_digits,
        "min_numbers": limits.range_numbers,
        "factor": limits.range_factor,
    },
    "calling_range": lambda limits: {
        "calling": 1,
        "digits": limits.range_digits,
        "min_numbers": limits.range_numbers,
        "factor": limits.range_factor,
    },
}
_RATE = ("attempts", "answered", "numbers", "callers", "talk_seconds", "past_calls", "past_most")
_RANGE = ("attempts", "answered", "numbers", "sequential")
_QUERIES: Mapping[SignalKind, tuple[str, tuple[str, ...]]] = {
    "short_calls": ("short_calls", ("attempts", "answered", "short", "numbers")),
    "new_destination": (
        "new_destination",
        ("attempts", "answered", "callers", "started_minutes", "cost", "price", "usual_price"),
    ),
    "caller_rate": ("caller_rate", _RATE),
    "prefix_rate": ("prefix_rate", _RATE),
    "called_range": (
        "number_range",
        (*_RANGE, "callers", "talk_seconds", "past_calls", "past_most"),
    ),
    "calling_range": (
        "number_range",
        (*_RANGE, "called", "talk_seconds", "past_calls", "past_most"),
    ),
}
"""The query of each kind, and the names of its counts."""

COUNTS: tuple[str, ...] = tuple(dict.fromkeys(n for _, names in _QUERIES.values() for n in names))
"""Names of the counts of all kinds."""


def _signals(
    kind: SignalKind, run: Run, parameters: dict[str, Any], limits: Thresholds
) -> list[Signal]:
    query, names = _QUERIES[kind]
    call_ids: dict[tuple[Any, ...], list[str]] = {}
    for subject, currency, begins, ends, measured, threshold, call_id, *counts in _run(
        run, query, parameters
    ):
        key = (subject, currency, begins, ends, measured, threshold, tuple(counts))
        call_ids.setdefault(key, []).append(call_id)
    return [_signal(kind, key, names, ids, limits) for key, ids in call_ids.items()]


def _signal(
    kind: SignalKind,
    key: tuple[Any, ...],
    names: Sequence[str],
    call_ids: list[str],
    limits: Thresholds,
) -> Signal:
    subject, currency, begins, ends, measured, threshold, counted = key
    counts = {name: _number(value) for name, value in zip(names, counted, strict=True)}
    return Signal(
        kind=kind,
        subject=subject,
        currency=currency,
        start=_EPOCH + timedelta(seconds=int(begins)),
        last=_EPOCH + timedelta(seconds=int(ends)),
        score=100 * measured / (measured + threshold),
        measured=measured,
        threshold=threshold,
        reason=_REASONS[kind](
            {**counts, "measured": measured, "subject": subject, "currency": currency}, limits
        ),
        counts=counts,
        call_ids=tuple(call_ids),
    )


def _number(value: Any) -> int | float | Decimal:
    if isinstance(value, Decimal):
        text = f"{value:f}"
        return Decimal(text.rstrip("0").rstrip(".") if "." in text else text)
    return value if isinstance(value, float) else int(value)


def _several(number: int, thing: str) -> str:
    """Return a number with its noun, in the singular for 1."""
    return f"{number} {thing}{'s' * (number != 1)}"


_REASONS: Mapping[SignalKind, Callable[[Mapping[str, Any], Thresholds], str]] = {
    "short_calls": lambda found, limits: (
        f"{found['measured']:.0f} calls of at most {limits.short_seconds} s within "
        f"{limits.burst_minutes} minutes; {found['short']} of {found['attempts']} calls in all, "
        f"to {_several(found['numbers'], 'number')}"
    ),
    "new_destination": lambda found, limits: (
        f"first calls to {found['subject']}… in {limits.past_days} days: "
        f"{_several(found['attempts'], 'call')} at {found['price']:.4g} {found['currency']} a "
        f"started minute, {found['measured']:.1f} times the usual {found['usual_price']:.4g}"
    ),
    "caller_rate": lambda found, limits: (
        f"{found['measured']:.0f} calls in an hour, {found['attempts']} in all to "
        f"{_several(found['numbers'], 'number')}; at most {found['past_most']} an hour in the "
        f"{limits.past_days} days before"
    ),
    "prefix_rate": lambda found, limits: (
        f"{found['measured']:.0f} calls in an hour, {found['attempts']} in all by "
        f"{_several(found['callers'], 'caller')}; at most {found['past_most']} an hour in the "
        f"{limits.past_days} days before"
    ),
    "called_range": lambda found, limits: (
        f"{found['numbers']} numbers of one range called in a day, {found['sequential']} next to "
        f"another; at most {found['past_most']} a day in the {limits.past_days} days before"
    ),
    "calling_range": lambda found, limits: (
        f"short or unanswered calls from {found['numbers']} numbers of one range in a day, "
        f"{found['sequential']} next to another; at most {found['past_most']} a day in the "
        f"{limits.past_days} days before"
    ),
}


@cache
def _sections() -> dict[str, str]:
    """Return the queries of `signals.sql` by name, with subqueries in place of `{name}`."""
    text = files("sinchvoice.cdr").joinpath("signals.sql").read_text("utf-8")
    _, *parts = re.split(r"^-- # (\w+)\n", text, flags=re.MULTILINE)
    found: dict[str, str] = {}
    for name, section in zip(parts[::2], parts[1::2], strict=True):
        code = re.sub(r" *--.*", "", section).strip()
        found[name] = _filled(code, found)
    for subject in ("caller", "prefix"):
        halves = {"halves": found[f"{subject}_halves"]}
        found[f"{subject}_rate"] = _filled(found["rate"], halves)
    return found


def _filled(query: str, parts: Mapping[str, str]) -> str:
    """Return a query with these subqueries in place of `{name}`."""
    return re.sub(
        r"\{(\w+)\}", lambda place: f"({parts[place[1]]})" if place[1] in parts else place[0], query
    )


def _run(run: Run, name: str, parameters: Mapping[str, Any]) -> Iterable[Sequence[Any]]:
    """Run a query with the parameters that it has."""
    query = _sections()[name]
    used = set(re.findall(r":(\w+)", query))
    given = {key: value for key, value in parameters.items() if key in used}
    return run(query, given)
