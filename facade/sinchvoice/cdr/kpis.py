"""KPIs of call detail records, in the field's terms, each defined once in `kpis.sql`.

    from sinchvoice.cdr import kpis

    for row in kpis.compute(kpis.on_spark(session), by=("day", "country"), min_attempts=30):
        print(row.by["country"], row.asr.value, row.asr.numerator, row.asr.denominator)

The same SQL runs on an archive (`Archive.kpis`), on DuckDB and on Spark.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cache
from importlib.resources import files
from typing import Any, Literal, Protocol, TypeAlias, TypedDict, get_args, overload
from zoneinfo import ZoneInfo

import attrs

from .. import decoding
from ..errors import InvalidRequest, printable
from ..vocabulary import CallReason, CallResult
from .layouts import LAYOUTS, LayoutName
from .zones import local_time, zone

__all__ = [
    "DEFINITIONS",
    "DIMENSIONS",
    "WEEKDAYS",
    "Definition",
    "Dimension",
    "KpiCost",
    "KpiFilter",
    "KpiRow",
    "KpiRows",
    "KpiStream",
    "Ratio",
    "Run",
    "Weekday",
    "compute",
    "on_duckdb",
    "on_spark",
    "sql",
    "zone",
]

Dimension: TypeAlias = Literal[
    "day",
    "hour",
    "weekday",
    "country",
    "layout",
    "application",
    "user",
    "result",
    "reason",
    "currency",
]
DIMENSIONS: tuple[Dimension, ...] = get_args(Dimension)

Weekday: TypeAlias = Literal[
    "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"
]
WEEKDAYS: tuple[Weekday, ...] = get_args(Weekday)

Run: TypeAlias = Callable[[str, dict[str, Any]], Iterable[Sequence[Any]]]
"""Runs a query with named parameters and returns its rows; made by `on_duckdb` and `on_spark`."""


class KpiFilter(TypedDict, total=False):
    """The counted calls: those with one of the given values in every given dimension.

    A string is one value; None selects calls without a value; an empty collection selects no call.
    Days, hours and weekdays are local to the time zone, UTC by default.

    Keys:
        start: Calls made at this time or later; with a time zone.
        until: Calls made before this time; with a time zone.
        day: Day of the call.
        hour: Hour of the day, 0 to 23.
        weekday: Day of the week, `Monday` to `Sunday`.
        country: Country of the called number.
        layout: Layout of the record.
        application: Application key.
        user: App user who made the call.
        result: Result of the call.
        reason: Reason for the end of the call.
        currency: Currency of the amount.
    """

    start: datetime | None
    until: datetime | None
    day: date | Collection[date]
    hour: int | Collection[int]
    weekday: Weekday | Collection[Weekday]
    country: str | Collection[str | None] | None
    layout: LayoutName | Collection[LayoutName]
    application: str | Collection[str | None] | None
    user: str | Collection[str | None] | None
    result: str | Collection[str | None] | None
    reason: str | Collection[str | None] | None
    currency: str | Collection[str | None] | None


@attrs.frozen
class Definition:
    """The definition of a KPI.

    Attributes:
        field: Attribute of `KpiRow`, or with the prefix `costs.` of `KpiCost`.
        name: Name in the field's terms.
        formula: Formula over other fields; for a count, the condition on calls.
        meaning: One sentence of explanation.
        unit: Unit of its values.
    """

    field: str
    name: str
    formula: str
    meaning: str
    unit: str = "calls"


DEFINITIONS: tuple[Definition, ...] = (
    Definition("attempts", "Attempts", "all", "All calls, whatever their result."),
    Definition("answered", "Answered", "Result is ANSWERED", "Answered calls."),
    Definition(
        "blocked",
        "Blocked",
        "not answered, Reason is BLOCKED",
        "Refused by the platform, without trying a network.",
    ),
    Definition(
        "no_credit",
        "No credit",
        "not answered, Reason is NOCREDITPARTNER",
        "Refused for lack of credit, without trying a network.",
    ),
    Definition(
        "abandoned",
        "Abandoned",
        "none of these, Reason is CANCEL",
        "The caller gave up before an answer.",
    ),
    Definition("busy", "Busy", "none of these, Result is BUSY", "The callee was busy."),
    Definition(
        "no_answer", "No answer", "none of these, Result is NOANSWER", "Nobody answered in time."
    ),
    Definition(
        "hung_up",
        "Hung up before answer",
        "none of these, Result is FAILED, "
        "Reason is CALLERHANGUP, CALLEEHANGUP, HANGUP or MANAGERHANGUP",
        "The call was ended or declined before an answer; the network did not fail.",
    ),
    Definition(
        "network_failures",
        "Network failures",
        "none of these, Result is FAILED, Reason is not INVALIDSVAMLACTION",
        "The call did not get through.",
    ),
    Definition(
        "undecided",
        "Undecided",
        "none of these",
        "No result, an unknown result, or an application error.",
    ),
    Definition(
        "delivered",
        "Delivered",
        "answered + busy + no_answer + abandoned + hung_up",
        "Calls that the network delivered, whatever the parties then did.",
    ),
    Definition(
        "timed",
        "Timed",
        "answered, Duration is 0 or more",
        "Answered calls with a known duration.",
    ),
    Definition(
        "short", "Short", "timed, Duration is at most 6", "Often voice mail, or a wrong number."
    ),
    Definition("talk_seconds", "Talk time", "sum of Duration over timed", "Total talk time.", "s"),
    Definition(
        "minutes_of_use", "Minutes of use", "talk_seconds / 60", "Talk time in minutes.", "min"
    ),
    Definition(
        "connected",
        "Connected",
        "AnswerTime is not before CallTime",
        "Calls with a known setup time: answered phone-terminated calls.",
    ),
    Definition(
        "setup_seconds",
        "Time to answer",
        "sum of AnswerTime - CallTime over connected",
        "Setup and ringing together.",
        "s",
    ),
    Definition(
        "asr",
        "ASR, answer-seizure ratio",
        "answered / attempts",
        "Share of answered attempts.",
        "share",
    ),
    Definition(
        "ner",
        "NER, network effectiveness ratio",
        "delivered / (delivered + network_failures)",
        "Share of calls delivered, of those offered to the network; an approximation.",
        "share",
    ),
    Definition(
        "acd",
        "ACD, average call duration",
        "talk_seconds / timed",
        "Mean duration of an answered call.",
        "s",
    ),
    Definition(
        "setup_time",
        "Setup time",
        "setup_seconds / connected",
        "Mean time from the call to the answer.",
        "s",
    ),
    Definition(
        "short_calls",
        "Short calls",
        "short / timed",
        "Share of answered calls of at most 6 s.",
        "share",
    ),
    Definition("costs.priced", "Priced", "Amount is not empty", "Calls with an amount."),
    Definition(
        "costs.amount",
        "Cost",
        "sum of Amount over priced",
        "Cost of the calls; never added across currencies.",
        "currency",
    ),
    Definition(
        "costs.priced_seconds",
        "Priced talk time",
        "sum of Duration over timed and priced",
        "Talk time of the calls with an amount.",
        "s",
    ),
    Definition(
        "costs.started_minutes",
        "Started minutes",
        "sum of Duration / 60 over timed and priced, each rounded up",
        "Minutes as counted by many price lists.",
        "min",
    ),
    Definition(
        "costs.per_talk_minute",
        "Cost per talk minute",
        "amount / (priced_seconds / 60)",
        "Price of a minute of talk time.",
        "currency/min",
    ),
    Definition(
        "costs.per_started_minute",
        "Cost per started minute",
        "amount / started_minutes",
        "Price of a started minute.",
        "currency/min",
    ),
)
"""All KPIs; docs/cdr.md has the same table."""

_FORMULAS = {each.field: each.formula for each in DEFINITIONS}


@attrs.frozen
class Ratio:
    """A ratio with its numerator and denominator.

    Attributes:
        numerator: Exact numerator.
        denominator: Denominator.
        value: Quotient; None with fewer attempts than `min_attempts` or a denominator of 0.
        formula: Formula over fields of the same object.
    """

    numerator: int | Decimal
    denominator: int | float
    value: float | None
    formula: str


@attrs.frozen
class KpiCost:
    """The cost of calls in one currency.

    Attributes:
        currency: Currency in the records; None if these have an amount but no currency.
        priced: Calls with an amount.
        amount: Exact sum of the amounts.
        priced_seconds: Talk time of these calls, in seconds.
        started_minutes: Talk time in minutes, rounded up for each call.
        per_talk_minute: Amount per minute of talk time.
        per_started_minute: Amount per started minute.
    """

    currency: str | None
    priced: int
    amount: Decimal
    priced_seconds: int
    started_minutes: int
    per_talk_minute: Ratio
    per_started_minute: Ratio


@attrs.frozen
class KpiRow:
    """The KPIs of one group of calls; `DEFINITIONS` has the definition of each.

    Every attempt is exactly one of answered, busy, no_answer, abandoned, hung_up, blocked,
    no_credit, network_failures and undecided.

    Attributes:
        by: Value of each requested dimension; None if the calls have none.
        attempts: All calls.
        answered: Answered calls.
        busy: Calls to a busy callee.
        no_answer: Calls not answered in time.
        abandoned: Calls that the caller ended before an answer (CANCEL).
        hung_up: Calls ended or declined before an answer.
        blocked: Calls refused by the platform (BLOCKED).
        no_credit: Calls refused for lack of credit (NOCREDITPARTNER).
        network_failures: All other failed calls.
        undecided: Calls without a known result, or failed by a mistake of the application.
        delivered: Calls that the network delivered to the other end.
        timed: Answered calls of known duration.
        short: Timed calls of at most 6 s.
        talk_seconds: Talk time in seconds.
        minutes_of_use: Talk time in minutes.
        connected: Calls of known setup time.
        setup_seconds: Sum of their setup times in seconds, exact to the microsecond.
        asr: Answer-seizure ratio.
        ner: Network effectiveness ratio, approximated.
        acd: Average call duration, in seconds.
        setup_time: Mean time from the call to its answer, in seconds.
        short_calls: Share of answered calls of at most 6 s.
        costs: The cost in each currency, sorted by currency.
    """

    by: Mapping[Dimension, date | int | str | None] = attrs.field(hash=False)
    attempts: int
    answered: int
    busy: int
    no_answer: int
    abandoned: int
    hung_up: int
    blocked: int
    no_credit: int
    network_failures: int
    undecided: int
    delivered: int
    timed: int
    short: int
    talk_seconds: int
    minutes_of_use: float
    connected: int
    setup_seconds: Decimal
    asr: Ratio
    ner: Ratio
    acd: Ratio
    setup_time: Ratio
    short_calls: Ratio
    costs: tuple[KpiCost, ...]


class DuckDBConnection(Protocol):
    """The required methods of a DuckDB connection or cursor."""

    def execute(self, query: str, parameters: Any, /) -> Any: ...


class SparkSession(Protocol):
    """The required methods of a Spark session."""

    def sql(self, sqlQuery: str, args: Any = None) -> Any: ...  # noqa: N803 - Spark's name


def compute(
    run: Run,
    by: Dimension | Sequence[Dimension] = (),
    where: KpiFilter | None = None,
    *,
    min_attempts: int = 1,
    tz: str | ZoneInfo = "UTC",
) -> list[KpiRow]:
    """Compute the KPIs of the calls in the table or view `records`, for each group.

    Dimensions and values are bound as parameters, never inserted into the SQL.

    Args:
        run: Access to the records: `on_duckdb(connection)`, `on_spark(session)` or another function
            of this type.
        by: One or more of `DIMENSIONS` to group by; empty for one row over all calls, even if there
            are none.
        where: Filter of the counted calls; None for all.
        min_attempts: Groups with fewer attempts have ratios without a value; 1 or more.
        tz: Time zone of `day`, `hour` and `weekday`, in groups and filters: a name of the IANA
            database, like `Europe/Stockholm`, or a ZoneInfo. Offsets are known from 2000 to 2070.

    Returns:
        A row for each group with calls, sorted by the dimensions in the given order; calls without
        a value come last.

    Raises:
        InvalidRequest: A dimension, a value or the time zone does not exist, or min_attempts is out
            of range.
    """
    dimensions, parameters = _arguments(by, where, min_attempts)
    return _rows(run(sql(tz), parameters), dimensions, min_attempts)


class KpiRows(Sequence[KpiRow]):
    """The KPIs of all groups, as a sequence of rows or as an Arrow stream.

    The query runs at once; the rows are made at the first access.
    """

    def __init__(
        self,
        connection: Any,
        by: Dimension | Sequence[Dimension],
        where: KpiFilter | None,
        min_attempts: int,
        tz: str | ZoneInfo = "UTC",
    ) -> None:
        self._dimensions, parameters = _arguments(by, where, min_attempts)
        self._min_attempts = min_attempts
        query = _PARAMETER.sub(r"$\1", sql(tz))
        self._found: Any = connection.sql(query, params=parameters).materialize()
        self._made: list[KpiRow] | None = None

    def to_arrow(self) -> KpiStream:
        """Return the KPIs as an Arrow C stream, usable until the database is closed.

        The stream has a row for each group and currency: the dimensions, the counts and ratios of
        the group, then `currency` and the cost in it. Without calls there is no row.

        Raises:
            InvalidRequest: The database is closed.
        """
        if self._found is None:
            raise InvalidRequest("the database is closed: request the stream before closing it")
        enough = f"attempts >= {self._min_attempts}"
        columns = [
            _DIMENSION.get(name, "by_{0}").format(name) + f" AS {name}" for name in self._dimensions
        ]
        columns += _COUNTS_AS
        for name in _COLUMNS[len(DIMENSIONS) + len(_COUNTS) + 2 :]:
            if name == "started_seconds":
                columns.append("CAST(started_seconds // 60 AS BIGINT) AS started_minutes")
            elif name in ("priced_seconds", "currency", "priced", "cost"):
                columns.append(_EXACT.get(name, name))
            else:
                columns.append(f"CASE WHEN {enough} THEN {name} END AS {name}")
        order = ", ".join(f"by_{name} NULLS LAST" for name in (*self._dimensions,))
        order = f"{order}, currency NULLS LAST" if order else "currency NULLS LAST"
        if "currency" in self._dimensions:
            columns.remove("currency")  # the dimension has it
        return KpiStream(self._found.order(order).project(", ".join(columns)))

    def keep(self) -> None:
        """Make the rows before the database is closed; streams are then no longer possible."""
        len(self)
        self._found = None

    def _all(self) -> list[KpiRow]:
        if self._made is None:
            self._made = _rows(self._found.fetchall(), self._dimensions, self._min_attempts)
        return self._made

    def __len__(self) -> int:
        return len(self._all())

    @overload
    def __getitem__(self, index: int) -> KpiRow: ...
    @overload
    def __getitem__(self, index: slice) -> list[KpiRow]: ...
    def __getitem__(self, index: int | slice) -> KpiRow | list[KpiRow]:
        return self._all()[index]

    def __iter__(self) -> Iterator[KpiRow]:
        return iter(self._all())

    def __eq__(self, other: object) -> bool:
        if isinstance(other, KpiRows | list):
            return self._all() == list(other)
        return NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return repr(self._all())


@attrs.frozen
class KpiStream:
    """The KPIs as an Arrow C stream, which can be requested repeatedly."""

    _relation: Any

    def __arrow_c_stream__(self, requested_schema: object = None) -> Any:
        """Return the stream in a capsule, according to the Arrow PyCapsule interface."""
        return self._relation.__arrow_c_stream__(requested_schema)


def _arguments(
    by: Dimension | Sequence[Dimension], where: KpiFilter | None, min_attempts: int
) -> tuple[tuple[Dimension, ...], dict[str, Any]]:
    """Return the dimensions and the parameters of the query."""
    if isinstance(min_attempts, bool) or not isinstance(min_attempts, int) or min_attempts < 1:
        raise InvalidRequest(f"min_attempts is {min_attempts!r}: give a whole number of at least 1")
    dimensions = _dimensions(by)
    return dimensions, {"by": list(dimensions), **_parameters({} if where is None else where)}


def _rows(
    found: Iterable[Sequence[Any]], dimensions: tuple[Dimension, ...], min_attempts: int
) -> list[KpiRow]:
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for row in found:
        values = dict(zip(_COLUMNS, row, strict=True))
        groups.setdefault(tuple(values[f"by_{name}"] for name in dimensions), []).append(values)
    if not groups and not dimensions:
        groups[()] = [dict.fromkeys(_COLUMNS, 0)]
    return [
        _row(dict(zip(dimensions, group, strict=True)), groups[group], min_attempts)
        for group in sorted(groups, key=lambda group: [_place(value) for value in group])
    ]


def on_duckdb(connection: DuckDBConnection) -> Run:
    """Return a function that runs queries on a DuckDB connection with the table `records`.

    Needs DuckDB 2.0 or later.
    """

    def run(query: str, parameters: dict[str, Any]) -> Iterable[Sequence[Any]]:
        names = "|".join(parameters)
        text = re.sub(rf":({names})\b", r"$\1", query) if names else query
        rows: Iterable[Sequence[Any]] = connection.execute(text, parameters).fetchall()
        return rows

    return run


def on_spark(session: SparkSession) -> Run:
    """Return a function that runs queries on a Spark session with the table or view `records`.

    The session's time zone has no effect if the times of the records have no zone (TIMESTAMP_NTZ),
    as in the Parquet files of an archive.
    """

    def run(query: str, parameters: dict[str, Any]) -> Iterable[Sequence[Any]]:
        rows: Iterable[Sequence[Any]] = session.sql(query, args=parameters).collect()
        return rows

    return run


@cache
def sql(tz: str | ZoneInfo = "UTC") -> str:
    """Return the query, with parameters as `:name`.

    Args:
        tz: Time zone of days, hours and weekdays. For UTC the query is `kpis.sql` unchanged.

    Raises:
        InvalidRequest: The time zone does not exist.
    """
    query = files("sinchvoice.cdr").joinpath("kpis.sql").read_text("utf-8")
    local = local_time("call_time", zone(tz).key)
    return query.replace(_LOCAL, f"{local} AS local_time")


def over_calls(
    query: str, where: KpiFilter | None = None, tz: str | ZoneInfo = "UTC"
) -> tuple[str, dict[str, Any]]:
    """Return a query of DuckDB over the calls that KPIs count, and its parameters.

    Args:
        query: A query on `chosen`, which has the columns of the CTE of this name in `kpis.sql`.
        where: Filter of the calls.
        tz: Time zone of days, hours and weekdays.

    Raises:
        InvalidRequest: A dimension, a value or the time zone does not exist.
    """
    calls = sql(tz).partition(_ALL_CALLS)[0].rstrip().removesuffix(",")
    _, parameters = _arguments((), where, 1)
    return _PARAMETER.sub(r"$\1", f"{calls}\n{query}"), parameters


_ALL_CALLS = "-- One pass over the calls"
_LOCAL = "call_time AS local_time"
_PARAMETER = re.compile(r":(by|filtered|wanted|start|until)\b")  # DuckDB writes $name

_COUNTS = (
    "attempts",
    "answered",
    "busy",
    "no_answer",
    "abandoned",
    "hung_up",
    "blocked",
    "no_credit",
    "network_failures",
    "undecided",
    "delivered",
    "timed",
    "short",
    "talk_seconds",
    "connected",
)
_COLUMNS = (
    *(f"by_{name}" for name in DIMENSIONS),
    *_COUNTS,
    "setup_seconds",
    "minutes_of_use",
    "asr",
    "ner",
    "acd",
    "setup_time",
    "short_calls",
    "currency",
    "priced",
    "cost",
    "priced_seconds",
    "started_seconds",
    "cost_per_talk_minute",
    "cost_per_started_minute",
)


_EXACT = {
    "priced_seconds": "CAST(priced_seconds AS BIGINT) AS priced_seconds",
    "cost": "CAST(cost AS DECIMAL(38, 18)) AS cost",
}
_COUNTS_AS = (
    *(f"CAST({name} AS BIGINT) AS {name}" for name in _COUNTS),
    "CAST(setup_seconds AS DECIMAL(38, 6)) AS setup_seconds",
    "minutes_of_use",
)
_DIMENSION = {
    "weekday": "[{}][by_{{0}}]".format(", ".join(f"'{name}'" for name in WEEKDAYS)),
}


def _row(
    group: dict[Dimension, Any], by_currency: list[dict[str, Any]], min_attempts: int
) -> KpiRow:
    values = by_currency[0]
    counts = {name: int(values[name]) for name in _COUNTS}
    enough = counts["attempts"] >= min_attempts
    setup_seconds = _exact(values["setup_seconds"])

    def ratio(field: str, numerator: int | Decimal, denominator: int) -> Ratio:
        value = values[field] if enough and denominator else None
        return Ratio(numerator, denominator, value, _FORMULAS[field])

    if group.get("weekday") is not None:
        group["weekday"] = WEEKDAYS[group["weekday"] - 1]
    return KpiRow(
        by=group,
        minutes_of_use=float(values["minutes_of_use"]),
        setup_seconds=setup_seconds,
        asr=ratio("asr", counts["answered"], counts["attempts"]),
        ner=ratio("ner", counts["delivered"], counts["delivered"] + counts["network_failures"]),
        acd=ratio("acd", counts["talk_seconds"], counts["timed"]),
        setup_time=ratio("setup_time", setup_seconds, counts["connected"]),
        short_calls=ratio("short_calls", counts["short"], counts["timed"]),
        costs=tuple(
            _cost(each, enough)
            for each in sorted(by_currency, key=lambda each: _place(each["currency"]))
            if each["priced"]
        ),
        **counts,
    )


def _cost(values: dict[str, Any], enough: bool) -> KpiCost:
    amount = _exact(values["cost"])
    seconds, minutes = int(values["priced_seconds"]), int(values["started_seconds"]) // 60

    def ratio(field: str, denominator: int | float) -> Ratio:
        value = values[f"cost_{field}"] if enough and denominator else None
        return Ratio(amount, denominator, value, _FORMULAS[f"costs.{field}"])

    return KpiCost(
        currency=values["currency"],
        priced=int(values["priced"]),
        amount=amount,
        priced_seconds=seconds,
        started_minutes=minutes,
        per_talk_minute=ratio("per_talk_minute", seconds / 60),
        per_started_minute=ratio("per_started_minute", minutes),
    )


def _exact(value: Decimal | int) -> Decimal:
    """Return a number without the trailing zeros of its column type."""
    text = f"{value:f}"
    return Decimal(text.rstrip("0").rstrip(".") if "." in text else text)


def _place(value: Any) -> tuple[bool, Any]:
    """Return a sort key that puts None last."""
    return (value is None, "" if value is None else value)


# --- Arguments -----------------------------------------------------------------------------------


def _dimensions(by: Dimension | Sequence[Dimension]) -> tuple[Dimension, ...]:
    dimensions: tuple[Dimension, ...] = (by,) if isinstance(by, str) else tuple(by)
    for place, name in enumerate(dimensions):
        if name not in DIMENSIONS:
            raise _unknown("by", name, DIMENSIONS)
        if name in dimensions[:place]:
            raise InvalidRequest(f"by lists {name!r} twice: give each dimension once")
    return dimensions


def _parameters(where: KpiFilter) -> dict[str, Any]:
    """Return the query parameters of a filter."""
    filtered: list[str] = []
    wanted: list[str] = []
    times: dict[str, str | None] = {"start": None, "until": None}
    for name, value in where.items():
        if name in times:
            times[name] = _time(name, value)
        elif name in _READS:
            filtered.append(name)
            for each in _several(value):
                text = _READS[name](name, each)
                wanted.append(f"{name}={text}")
        else:
            raise _unknown("where", name, ("start", "until", *DIMENSIONS))
    return {"filtered": filtered, "wanted": wanted, **times}


def _several(value: Any) -> Iterable[Any]:
    if isinstance(value, Iterable) and not isinstance(value, str):
        return value
    return (value,)


def _time(name: str, value: Any) -> str | None:
    if value is None:
        return None
    if not isinstance(value, datetime) or value.utcoffset() is None:
        raise InvalidRequest(
            f"where[{name!r}] is {_shown(value)}: give a datetime with a time zone"
        )
    try:
        return value.astimezone(UTC).replace(tzinfo=None).isoformat(" ")
    except OverflowError:
        raise InvalidRequest(
            f"where[{name!r}] is {_shown(value)}, out of range in UTC: give another time"
        ) from None


def _day(name: str, value: Any) -> str:
    if not isinstance(value, date) or isinstance(value, datetime):
        raise InvalidRequest(f"where[{name!r}] has {_shown(value)}: give a date")
    return value.isoformat()


def _hour(name: str, value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 23:
        raise InvalidRequest(f"where[{name!r}] has {_shown(value)}: give an hour from 0 to 23")
    return str(value)


def _weekday(name: str, value: Any) -> str:
    if value not in WEEKDAYS:
        raise _unknown(f"where[{name!r}]", value, WEEKDAYS)
    return str(WEEKDAYS.index(value) + 1)


def _layout(name: str, value: Any) -> str:
    if value not in tuple(LAYOUTS):
        raise _unknown(f"where[{name!r}]", value, LAYOUTS)
    return str(value)


def _text(name: str, value: Any) -> str:
    if value is None:
        return ""
    if not isinstance(value, str) or not value:
        raise InvalidRequest(
            f"where[{name!r}] has {_shown(value)}: give a string, or None for calls without one"
        )
    return value


def _result(name: str, value: Any) -> str:
    return decoding.open_enum(CallResult, _text(name, value)) or ""


def _reason(name: str, value: Any) -> str:
    return decoding.open_enum(CallReason, _text(name, value)) or ""


_READS: Mapping[str, Callable[[str, Any], str]] = {
    "day": _day,
    "hour": _hour,
    "weekday": _weekday,
    "country": _text,
    "layout": _layout,
    "application": _text,
    "user": _text,
    "result": _result,
    "reason": _reason,
    "currency": _text,
}


def _unknown(what: str, value: Any, known: Iterable[str]) -> InvalidRequest:
    names = ", ".join(repr(name) for name in known)
    return InvalidRequest(f"{what} has {_shown(value)}, which is unknown: use one of {names}")


def _shown(value: Any) -> str:
    return printable(repr(value), 60)
