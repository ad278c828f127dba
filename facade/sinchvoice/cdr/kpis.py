"""KPIs of call detail records, in the field's terms, each defined once in `kpis.sql`.

    from sinchvoice.cdr import kpis

    for row in kpis.compute(kpis.on_spark(session), by=("day", "country"), min_attempts=30):
        print(row.by["country"], row.asr.value, row.asr.numerator, row.asr.denominator)

The same SQL runs on an archive (`Archive.kpis`), on DuckDB and on Spark.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from typing import Any, Literal, Protocol, TypeAlias, TypedDict, get_args, overload
from zoneinfo import ZoneInfo

import attrs

from .. import decoding
from ..errors import InvalidRequest, Remedy, printable
from ..vocabulary import CallReason, CallResult
from . import kpi_query, prefixes
from .amounts import exact_sum, without_zeros
from .layouts import LAYOUTS, LayoutName
from .periods import query_time
from .prefixes import PrefixTable
from .zones import zone

__all__ = [
    "DEFINITIONS",
    "DIMENSIONS",
    "REST",
    "WEEKDAYS",
    "Definition",
    "Dimension",
    "KpiCost",
    "KpiFilter",
    "KpiRow",
    "KpiRows",
    "KpiStream",
    "PrefixDimension",
    "PrefixTable",
    "Ratio",
    "Run",
    "Weekday",
    "compute",
    "on_duckdb",
    "on_spark",
    "sql",
    "zone",
]

_ColumnDimension: TypeAlias = Literal[
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
PrefixDimension: TypeAlias = Literal[
    "prefix",
    "prefix:1",
    "prefix:2",
    "prefix:3",
    "prefix:4",
    "prefix:5",
    "prefix:6",
    "prefix:7",
    "prefix:8",
    "prefix:9",
    "prefix:10",
    "prefix:11",
    "prefix:12",
    "prefix:13",
    "prefix:14",
    "prefix:15",
]
"""First digits of the called number, or its group in a table of prefixes."""
Dimension: TypeAlias = Literal[_ColumnDimension, PrefixDimension]
DIMENSIONS: tuple[Dimension, ...] = get_args(_ColumnDimension)
"""The dimensions without those of prefixes, which are `prefix:1` to `prefix:15` and `prefix`."""

REST = "(rest)"
"""Value of every dimension in the row of all groups after the largest."""

Weekday: TypeAlias = Literal[
    "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"
]
WEEKDAYS: tuple[Weekday, ...] = get_args(Weekday)

Run: TypeAlias = Callable[[str, dict[str, Any]], Iterable[Sequence[Any]]]
"""Runs a query with named parameters and returns its rows; made by `on_duckdb` and `on_spark`."""


_Prefix: TypeAlias = "str | Collection[str | None] | None"
_PrefixFilter = TypedDict(
    "_PrefixFilter",
    {
        "prefix": _Prefix,
        "prefix:1": _Prefix,
        "prefix:2": _Prefix,
        "prefix:3": _Prefix,
        "prefix:4": _Prefix,
        "prefix:5": _Prefix,
        "prefix:6": _Prefix,
        "prefix:7": _Prefix,
        "prefix:8": _Prefix,
        "prefix:9": _Prefix,
        "prefix:10": _Prefix,
        "prefix:11": _Prefix,
        "prefix:12": _Prefix,
        "prefix:13": _Prefix,
        "prefix:14": _Prefix,
        "prefix:15": _Prefix,
    },
    total=False,
)


class KpiFilter(_PrefixFilter, total=False):
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
        prefix: Group of the called number in the table `prefixes`.
        prefix:4: First digits of the called number, here 4; `prefix:1` to `prefix:15`.
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
    Definition(
        "duration_percentiles",
        "Percentiles of the duration",
        "nearest rank of Duration over timed",
        "Duration that the given percentage of answered calls does not exceed; on request.",
        "s",
    ),
    Definition(
        "setup_time_percentiles",
        "Percentiles of the setup time",
        "nearest rank of AnswerTime - CallTime over connected, rounded to 0.001",
        "Setup time that the given percentage of these calls does not exceed; on request.",
        "s",
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
"""All KPIs; docs/reference/kpis.md has the same table."""

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
        by: Value of each requested dimension; None if the calls have none, `REST` for all groups
            after the largest.
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
        duration_percentiles: Requested percentiles of the duration in seconds; None as for ratios.
        setup_time_percentiles: Requested percentiles of the setup time in seconds, to the
            millisecond; None as for ratios.
        rest_groups: Number of groups added in this row; 0 for a group of its own.
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
    duration_percentiles: Mapping[float, int | None] = attrs.field(factory=dict, hash=False)
    setup_time_percentiles: Mapping[float, Decimal | None] = attrs.field(factory=dict, hash=False)
    rest_groups: int = 0


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
    prefixes: PrefixTable | None = None,
    top: int | None = None,
    percentiles: float | Sequence[float] = (),
) -> list[KpiRow]:
    """Compute the KPIs of the calls in the table or view `records`, for each group.

    Values are bound as parameters, never inserted into the SQL.

    Args:
        run: Access to the records: `on_duckdb(connection)`, `on_spark(session)` or another function
            of this type.
        by: One or more of `DIMENSIONS`, `prefix:1` to `prefix:15` and `prefix` to group by; empty
            for one row over all calls, even if there are none. `prefix:4` is the first 4 digits of
            the called number, all of a shorter one.
        where: Filter of the counted calls; None for all.
        min_attempts: Groups with fewer attempts have ratios and percentiles without a value; 1 or
            more.
        tz: Time zone of `day`, `hour` and `weekday`, in groups and filters: a name of the IANA
            database, like `Europe/Stockholm`, or a ZoneInfo. Offsets are known from 2000 to 2070.
        prefixes: Table for the dimension `prefix`, whose longest match counts: a mapping from
            prefixes to names, prefixes alone, or the path of a CSV file with both. Prefixes with
            the same name are one group; one without a name is its own.
        top: Number of groups to keep, those with the most attempts; among equals, the first in
            their order. One more row, `REST`, adds the others. None for all groups.
        percentiles: Percentiles of duration and setup time, above 0 and up to 100, with at most 3
            decimals. Each is a value that occurs: the smallest that at least this percentage of
            the calls does not exceed.

    Returns:
        A row for each group with calls, sorted by the dimensions in the given order; calls without
        a value come last. With `top`, the largest group comes first and the rest last.

    Raises:
        InvalidRequest: A dimension, a value, the time zone, a prefix or a percentile does not
            exist, or min_attempts or top is out of range.
    """
    asked = _Asked(by, where, min_attempts, tz, prefixes, top, percentiles)
    return asked.rows(run(kpi_query.made(asked.question), asked.parameters))


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
        *,
        prefixes: PrefixTable | None = None,
        top: int | None = None,
        percentiles: float | Sequence[float] = (),
    ) -> None:
        self._asked = _Asked(by, where, min_attempts, tz, prefixes, top, percentiles)
        query = _for_duckdb(kpi_query.made(self._asked.question))
        self._found: Any = connection.sql(query, params=self._asked.parameters).materialize()
        self._made: list[KpiRow] | None = None

    def to_arrow(self) -> KpiStream:
        """Return the KPIs as an Arrow C stream, usable until the database is closed.

        The stream has a row for each group and currency: the dimensions, the counts, ratios and
        percentiles of the group, then `currency` and the cost in it. Without calls there is no
        row. With `top`, the last column is `rest_groups`; above 0, its row is the rest, without
        dimensions.

        Raises:
            InvalidRequest: The database is closed.
        """
        if self._found is None:
            raise InvalidRequest("the database is closed: request the stream before closing it")
        asked = self._asked
        enough = f"CASE WHEN attempts >= {asked.min_attempts} THEN {{0}} END AS {{0}}"
        columns = [asked.arrow_dimension(name) for name in asked.question.by]
        columns += [f"CAST({name} AS BIGINT) AS {name}" for name in kpi_query.COUNTS]
        columns += ["CAST(setup_seconds AS DECIMAL(38, 6)) AS setup_seconds", "minutes_of_use"]
        columns += [
            enough.format(name)
            for name in (*kpi_query.RATIOS, *kpi_query.percentile_columns(asked.question))
        ]
        if "currency" not in asked.question.by:  # otherwise the dimension has it
            columns.append("currency")
        columns += [
            "priced",
            "CAST(cost AS DECIMAL(38, 18)) AS cost",
            "CAST(priced_seconds AS BIGINT) AS priced_seconds",
            "CAST(started_seconds // 60 AS BIGINT) AS started_minutes",
            enough.format("cost_per_talk_minute"),
            enough.format("cost_per_started_minute"),
        ]
        names = [*map(kpi_query.column, asked.question.by), "currency"]
        if top := asked.question.top:
            columns.append(
                f"CASE WHEN place > {top} THEN MAX(all_groups) OVER () - {top} ELSE 0 END "
                "AS rest_groups"
            )
            names = ["place", "currency"]
        order = ", ".join(f"{name} NULLS LAST" for name in names)
        return KpiStream(self._found.order(order).project(", ".join(columns)))

    def keep(self) -> None:
        """Make the rows before the database is closed; streams are then no longer possible."""
        len(self)
        self._found = None

    def _all(self) -> list[KpiRow]:
        if self._made is None:
            self._made = self._asked.rows(self._found.fetchall())
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


class _Asked:
    """The checked arguments of a computation, and its rows."""

    def __init__(
        self,
        by: Dimension | Sequence[Dimension],
        where: KpiFilter | None,
        min_attempts: int,
        tz: str | ZoneInfo,
        table: PrefixTable | None,
        top: int | None,
        percentiles: float | Sequence[float],
    ) -> None:
        self.min_attempts = _count("min_attempts", min_attempts)
        dimensions = self._by = _dimensions(by)
        if top is not None:
            _count("top", top)
            if not dimensions:
                raise InvalidRequest(
                    f"top is {top} without groups",
                    parameter="top",
                    value=top,
                    remedy=Remedy("give {by} as well", by="by"),
                )
        self._percentiles = _percentiles(percentiles)
        known = None if table is None else prefixes.read(table)
        self.parameters = _parameters({} if where is None else where, known)
        filtered = tuple(self.parameters.pop("filtered"))
        if not filtered:
            del self.parameters["wanted"]
        _check_prefixes(dimensions, filtered, known)
        self.question = kpi_query.Question(
            by=dimensions,
            filtered=filtered,
            tz=zone(tz).key,
            prefixes=known,
            top=top,
            percentiles=tuple(self._percentiles),
        )

    def rows(self, found: Iterable[Sequence[Any]]) -> list[KpiRow]:
        """Return the rows of the query's result, which has one for each group and currency."""
        columns = kpi_query.columns(self.question)
        keys = ["place"] if self.question.top else [*map(kpi_query.column, self.question.by)]
        groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
        for row in found:
            values = dict(zip(columns, row, strict=True))
            groups.setdefault(tuple(values[key] for key in keys), []).append(values)
        if not groups and not keys:
            groups[()] = [
                dict.fromkeys(columns, 0)
                | dict.fromkeys(kpi_query.percentile_columns(self.question))
            ]
        ordered = sorted(groups, key=lambda group: [_place(value) for value in group])
        rest = 0
        if self.question.top and len(ordered) > self.question.top:
            rest = int(groups[ordered[0]][0]["all_groups"]) - self.question.top
        last = len(ordered) - 1
        return [
            self._row(groups[key], rest if number == last else 0)
            for number, key in enumerate(ordered)
        ]

    def _row(self, by_currency: list[dict[str, Any]], rest: int) -> KpiRow:
        values = by_currency[0]
        counts = {name: int(values[name]) for name in kpi_query.COUNTS}
        enough = counts["attempts"] >= self.min_attempts
        return _built(
            {name: REST if rest else self._value(name, values) for name in self._by},
            counts,
            without_zeros(values["setup_seconds"]),
            (
                _cost(
                    each["currency"],
                    int(each["priced"]),
                    without_zeros(each["cost"]),
                    int(each["priced_seconds"]),
                    int(each["started_seconds"]) // 60,
                    enough,
                )
                for each in by_currency
                if each["priced"]
            ),
            enough,
            duration_percentiles={
                rank: values[name] if enough else None for rank, name in self._ranks("duration")
            },
            setup_time_percentiles={
                rank: without_zeros(values[name]) if enough and values[name] is not None else None
                for rank, name in self._ranks("setup_time")
            },
            rest_groups=rest,
        )

    def _ranks(self, field: str) -> Iterator[tuple[float, str]]:
        """Yield each percentile with its column."""
        for rank, given in self._percentiles.items():
            yield given, kpi_query.percentile_column(field, rank)

    def _value(self, name: str, values: dict[str, Any]) -> Any:
        """Return the value of a dimension in a row of the result."""
        value = values[kpi_query.column(name)]
        if value is None:
            return None
        if name == "weekday":
            return WEEKDAYS[value - 1]
        if name == "prefix":
            assert self.question.prefixes is not None  # noqa: S101 - checked
            return self.question.prefixes.names[value - 1]
        return value

    def arrow_dimension(self, name: str) -> str:
        """Return a dimension as a column of the Arrow stream."""
        column = kpi_query.column(name)
        if name == "weekday":
            column = f"{_list(WEEKDAYS)}[{column}]"
        elif name == "prefix" and self.question.prefixes is not None:
            column = f"{_list(self.question.prefixes.names)}[{column}]"
        elif name == "currency":  # of the amounts, in the rest as well
            column = name
        return f'{column} AS "{name}"'


def _list(names: Iterable[str]) -> str:
    """Return a list of strings in SQL."""
    return "[{}]".format(", ".join("'{}'".format(name.replace("'", "''")) for name in names))


def on_duckdb(connection: DuckDBConnection) -> Run:
    """Return a function that runs queries on a DuckDB connection with the table `records`.

    Needs DuckDB 2.0 or later.
    """

    def run(query: str, parameters: dict[str, Any]) -> Iterable[Sequence[Any]]:
        names = "|".join(parameters)
        query = kpi_query.for_duckdb(query)
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
    """Return the query for all questions without prefixes, with parameters as `:name`.

    `compute` runs a shorter one, with only the dimensions of its question.

    Args:
        tz: Time zone of days, hours and weekdays. For UTC the query is `kpis.sql` unchanged.

    Raises:
        InvalidRequest: The time zone does not exist.
    """
    return kpi_query.generic(zone(tz).key)


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
    parameters = {"by": [], **_parameters(KpiFilter() if where is None else where, None)}
    return _for_duckdb(f"{calls}\n{query}"), parameters


_ALL_CALLS = "-- One pass over the calls"


def _for_duckdb(query: str) -> str:
    """Return a query for DuckDB, with parameters as `$name`."""
    return _PARAMETER.sub(r"$\1", kpi_query.for_duckdb(query))


_PARAMETER = re.compile(r":(by|filtered|wanted|start|until)\b")


def summed(rows: Iterable[KpiRow], by: Sequence[Dimension] = ()) -> list[KpiRow]:
    """Add up the KPIs of groups: the rows that `compute` returns for some of their dimensions.

    Args:
        rows: Rows of groups without percentiles, computed for more dimensions.
        by: Dimensions to keep.
    """
    groups: dict[tuple[Any, ...], list[KpiRow]] = {} if by else {(): []}
    for row in rows:
        groups.setdefault(tuple(row.by[name] for name in by), []).append(row)
    return [
        _sum(dict(zip(by, key, strict=True)), groups[key])
        for key in sorted(groups, key=lambda key: [_place(value) for value in key])
    ]


def _sum(by: Mapping[Dimension, Any], rows: Sequence[KpiRow]) -> KpiRow:
    counts = {name: sum(getattr(row, name) for row in rows) for name in kpi_query.COUNTS}
    costs: dict[str | None, list[KpiCost]] = {}
    for row in rows:
        for cost in row.costs:
            costs.setdefault(cost.currency, []).append(cost)
    return _built(
        by,
        counts,
        without_zeros(exact_sum(row.setup_seconds for row in rows)),
        (
            _cost(
                currency,
                sum(each.priced for each in some),
                without_zeros(exact_sum(each.amount for each in some)),
                sum(each.priced_seconds for each in some),
                sum(each.started_minutes for each in some),
                enough=True,
            )
            for currency, some in costs.items()
        ),
        enough=True,
    )


def _built(
    by: Mapping[Dimension, Any],
    counts: Mapping[str, Any],
    setup_seconds: Decimal,
    costs: Iterable[KpiCost],
    enough: bool,
    **more: Any,
) -> KpiRow:
    """Return the row of a group; its ratios have values if there are enough attempts."""

    def ratio(field: str, numerator: int | Decimal, denominator: int) -> Ratio:
        return _ratio(field, numerator, denominator, enough)

    return KpiRow(
        by=by,
        minutes_of_use=counts["talk_seconds"] / 60,
        setup_seconds=setup_seconds,
        asr=ratio("asr", counts["answered"], counts["attempts"]),
        ner=ratio("ner", counts["delivered"], counts["delivered"] + counts["network_failures"]),
        acd=ratio("acd", counts["talk_seconds"], counts["timed"]),
        setup_time=ratio("setup_time", setup_seconds, counts["connected"]),
        short_calls=ratio("short_calls", counts["short"], counts["timed"]),
        costs=tuple(sorted(costs, key=lambda cost: _place(cost.currency))),
        **counts,
        **more,
    )


def _cost(
    currency: str | None, priced: int, amount: Decimal, seconds: int, minutes: int, enough: bool
) -> KpiCost:
    return KpiCost(
        currency=currency,
        priced=priced,
        amount=amount,
        priced_seconds=seconds,
        started_minutes=minutes,
        per_talk_minute=_ratio("costs.per_talk_minute", amount, seconds / 60, enough),
        per_started_minute=_ratio("costs.per_started_minute", amount, minutes, enough),
    )


def _ratio(field: str, numerator: int | Decimal, denominator: int | float, enough: bool) -> Ratio:
    value = float(numerator) / denominator if enough and denominator else None
    return Ratio(numerator, denominator, value, _FORMULAS[field])


def _place(value: Any) -> tuple[bool, Any]:
    """Return a sort key that puts None last."""
    return (value is None, "" if value is None else value)


# --- Arguments -----------------------------------------------------------------------------------


def _dimensions(by: Dimension | Sequence[Dimension]) -> tuple[Dimension, ...]:
    dimensions: tuple[Dimension, ...] = (by,) if isinstance(by, str) else tuple(by)
    for place, name in enumerate(dimensions):
        if name not in _ALL:
            raise _unknown("by", name, _NAMES)
        if name in dimensions[:place]:
            raise InvalidRequest(f"by lists {name!r} twice: give each dimension once")
    return dimensions


_ALL = frozenset(get_args(Dimension))
_NAMES = (*DIMENSIONS, "prefix:1 to prefix:15", "prefix")


def _check_prefixes(
    by: Sequence[str], filtered: Sequence[str], table: prefixes.Prefixes | None
) -> None:
    """Check that the dimension `prefix` and its table are given together."""
    if table is not None and "prefix" not in (*by, *filtered):
        raise InvalidRequest(
            "prefixes has no effect without the dimension 'prefix'",
            parameter="prefixes",
            remedy=Remedy("add it to {by}", by="by"),
        )
    if table is None and "prefix" in by:
        raise InvalidRequest(
            "by has 'prefix' without a table",
            parameter="by",
            value="prefix",
            remedy=Remedy(
                "give {prefixes}, or 'prefix:4' for the first 4 digits", prefixes="prefixes"
            ),
        )


def _count(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise InvalidRequest(
            f"{name} is {_shown(value)}",
            parameter=name,
            value=value,
            remedy="give a whole number of at least 1",
        )
    return value


def _percentiles(given: Any) -> dict[int, float]:
    """Return the percentiles by their thousandths."""
    found: dict[int, float] = {}
    values: list[Any] = [given]
    if isinstance(given, Iterable) and not isinstance(given, str | bytes):
        values = list(given)
    for each in values:
        known = isinstance(each, int | float) and not isinstance(each, bool) and 0 < each <= 100
        rank = round(each * kpi_query.SCALE) if known else 0
        if not known or rank / kpi_query.SCALE != each:
            raise InvalidRequest(
                f"percentiles has {_shown(each)}",
                parameter="percentiles",
                value=each,
                remedy="give numbers above 0 and up to 100, with at most 3 decimals",
            )
        if rank in found:
            raise InvalidRequest(
                f"percentiles has {each} twice",
                parameter="percentiles",
                value=each,
                remedy="give it once",
            )
        found[rank] = each
    return found


def _parameters(where: KpiFilter, table: prefixes.Prefixes | None) -> dict[str, Any]:
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
        elif name in _ALL:
            filtered.append(name)
            wanted.extend(f"{name}={_prefix(name, each, table)}" for each in _several(value))
        else:
            raise _unknown("where", name, ("start", "until", *_NAMES))
    start, until = where.get("start"), where.get("until")
    if start is not None and until is not None and start > until:
        raise InvalidRequest(
            f"where['start'] is {start.isoformat()}, after 'until', {until.isoformat()}: give the "
            "earlier time as start"
        )
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
        return query_time(value)
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


def _prefix(name: str, value: Any, table: prefixes.Prefixes | None) -> str:
    """Return the text of a prefix in the query: digits, or the number of its group."""
    text = _text(name, value)
    _, _, count = name.partition(":")
    if not count:
        if table is None:
            raise InvalidRequest(
                f"where[{name!r}] needs a table",
                parameter="where",
                remedy=Remedy("give {prefixes}", prefixes="prefixes"),
            )
        if text and text not in table.names:
            raise InvalidRequest(
                f"where[{name!r}] has {_shown(value)}, which is not in prefixes: give a name of "
                "this table, or a prefix without one"
            )
        return str(table.names.index(text) + 1) if text else ""
    found = prefixes.digits(text)
    if text and (found is None or len(found) > int(count)):
        raise InvalidRequest(
            f"where[{name!r}] has {_shown(value)}: give the first {count} digits of a number"
        )
    return found or ""


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
    return InvalidRequest(
        f"{what} has {_shown(value)}, which is unknown",
        parameter=what.partition("[")[0],
        value=value,
        remedy=f"use one of {names}",
    )


def _shown(value: Any) -> str:
    return printable(repr(value), 60)
