"""The query for one question about KPIs, made from `kpis.sql`.

`kpis.sql` groups and filters by any dimension, as its parameters say. The query made here names
only the dimensions of the question, which is a third faster, and adds what `kpis.sql` does not
have: prefixes, the largest groups with the rest, and percentiles.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import cache
from importlib.resources import files
from typing import NamedTuple

from . import prefixes
from .zones import local_time

__all__ = [
    "COUNTS",
    "RATIOS",
    "SCALE",
    "VALUES",
    "Question",
    "column",
    "columns",
    "for_duckdb",
    "generic",
    "made",
    "percentile_column",
    "percentile_columns",
]

SCALE = 1000
"""Percentiles are whole numbers of this part of one per cent."""


class Question(NamedTuple):
    """A question, whose names have been checked.

    Attributes:
        by: Dimensions of the groups.
        filtered: Dimensions of the filter.
        tz: Name of the time zone.
        prefixes: Table for the dimension `prefix`.
        top: Number of largest groups to keep; None for all.
        percentiles: Percentiles in thousandths of one per cent.
    """

    by: tuple[str, ...]
    filtered: tuple[str, ...] = ()
    tz: str = "UTC"
    prefixes: prefixes.Prefixes | None = None
    top: int | None = None
    percentiles: tuple[int, ...] = ()


COUNTS = (
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
"""Columns with a count of the group, in the order of the query."""

RATIOS = ("asr", "ner", "acd", "setup_time", "short_calls")
"""Columns with a ratio of the group, in the order of the query."""

VALUES = (
    *COUNTS,
    "setup_seconds",
    "minutes_of_use",
    *RATIOS,
    "currency",
    "priced",
    "cost",
    "priced_seconds",
    "started_seconds",
    "cost_per_talk_minute",
    "cost_per_started_minute",
)
"""Columns after those of the dimensions, in the order of the query."""

_COLUMNS = {"day": "call_day", "hour": "call_hour", "weekday": "call_weekday", "user": "app_user"}
"""Columns of dimensions in `calls`, if they have another name."""


def column(dimension: str) -> str:
    """Return the column of a dimension in the result."""
    return f"by_{dimension.replace(':', '_')}"


def columns(question: Question) -> tuple[str, ...]:
    """Return the names of the columns of a question's query."""
    places = _PLACES if question.top else ()
    return (*map(column, question.by), *places, *VALUES, *percentile_columns(question))


def percentile_column(name: str, rank: int) -> str:
    """Return the column of a percentile."""
    return f"{name}_p{rank / SCALE:g}".replace(".", "_")


def percentile_columns(question: Question) -> dict[str, tuple[str, int]]:
    """Return the columns of percentiles, such as `duration_p99_9`, with value and rank of each."""
    return {
        percentile_column(name, rank): (value, rank)
        for name, value in (("duration", "talk_seconds"), ("setup_time", "setup_time"))
        for rank in question.percentiles
    }


@cache
def generic(tz: str) -> str:
    """Return `kpis.sql` with the local times of a zone."""
    text = files("sinchvoice.cdr").joinpath("kpis.sql").read_text("utf-8")
    return text.replace(_LOCAL, f"{local_time('call_time', tz)} AS local_time")


def made(question: Question) -> str:
    """Return the query of a question.

    Its parameters are `:start`, `:until` and, if the question has a filter, `:wanted`.
    """
    text = re.sub(r"^ *--.*\n| +--.*", "", generic(question.tz), flags=re.MULTILINE)
    calls, rest = text.strip().split(_BY_CURRENCY)
    by_currency, rest = rest.split(_BY_GROUP)
    by_group, _ = rest.split(_RESULT)
    calls = _filtered(_with_prefixes(calls, question), question)
    calls, by_currency = _grouped(calls, question.by), _grouped(by_currency, question.by)
    groups = [column(name) for name in question.by]
    tables, join = "", ""
    if question.top:
        tables = _largest(groups, question.top)
        by_group = by_group.replace("FROM by_currency", "FROM kept")
    by_group = _grouped(by_group, question.by, _PLACES if question.top else ())
    if question.percentiles:
        # DuckDB would keep a table that is used twice in memory, with every call.
        again = re.sub(r"\b(calls|chosen)\b", r"\1_again", calls).removeprefix("WITH ")
        key = ["place"] if question.top else groups
        tables += again + _percentiles(groups, question)
        join = f"\nLEFT JOIN percentiles ON {_same((name, f'of_{name}') for name in key)}"
    values = ",\n    ".join([by_group.rstrip(), *percentile_columns(question)])
    return f"{calls}{_BY_CURRENCY}{by_currency}{tables}{_BY_GROUP}{values}\n{_RESULT}{join}\n"


def for_duckdb(query: str) -> str:
    """Return a query for DuckDB that subtracts times without text, and computes sums once.

    The subtraction in `kpis.sql` is a third of the work of a question. For the sums over windows,
    DuckDB would join the sums by currency with themselves, and read the calls for each side.
    """
    query = query.replace(_BY_CURRENCY, _BY_CURRENCY.replace(" AS ", " AS MATERIALIZED "))
    query = query.replace("EXPLODE(", "UNNEST(")
    return _SECONDS_IN_TEXT.sub(_SECONDS_OF_DUCKDB, query)


_SECONDS_IN_TEXT = re.compile(
    r"\bCAST\(\s+CAST\(\s+CAST\(CAST\(answer_time AS DATE\)(?:.|\n)*?\)"
    r"(?=\s+END AS setup_seconds\b)"
)
_MICROSECONDS = "(epoch_us(answer_time) - epoch_us(call_time))"
_SECONDS_OF_DUCKDB = f"""CAST(
                CAST({_MICROSECONDS} // 1000000 AS DECIMAL(18, 6))
                + CAST({_MICROSECONDS} % 1000000 AS DECIMAL(6, 0)) * 0.000001
                AS DECIMAL(18, 6)
            )"""


_PLACES = ("place", "all_groups")
_LOCAL = "call_time AS local_time"
_BY_CURRENCY = "by_currency AS ("
_BY_GROUP = "by_group AS ("
_RESULT = "FROM by_group"


# --- Dimensions ----------------------------------------------------------------------------------


def _dimension(name: str) -> str:
    """Return the column of a dimension in `calls`."""
    return _COLUMNS.get(name, name.replace(":", "_"))


def _with_prefixes(text: str, question: Question) -> str:
    """Add the columns of the used prefix dimensions to `calls`."""
    used = [name for name in dict.fromkeys((*question.by, *question.filtered)) if "prefix" in name]
    if not used:
        return text
    joined, group = "", ""
    if question.prefixes is not None:
        joined, group = prefixes.joins(question.prefixes)
    for name in used:
        _, _, count = name.partition(":")
        value = prefixes.leading(int(count)) if count else group
        text = text.replace(_OUTCOME, f"{value} AS {_dimension(name)},\n        {_OUTCOME}")
    text = text.replace("AS local_time", f"AS local_time,\n        {prefixes.CALLED} AS called")
    return text.replace(") AS records\n", f") AS records{joined}\n")


_OUTCOME = "CASE\n            WHEN result = 'ANSWERED' THEN 'answered'"


def _filtered(text: str, question: Question) -> str:
    """Keep the conditions of the filter only."""
    known = dict(_CONDITION.findall(text))
    for name in question.filtered:
        if "prefix" in name:
            value = f"CAST({_dimension(name)} AS STRING)"
            known[name] = f"ARRAY_CONTAINS(:wanted, CONCAT('{name}=', COALESCE({value}, '')))"
    conditions = "\n        AND ".join(known[name] for name in question.filtered)
    where = f"    WHERE\n        {conditions}\n" if conditions else ""
    return _WHERE.sub(lambda _: f"{where}),\n", text)


_CONDITION = re.compile(
    r"\(NOT ARRAY_CONTAINS\(:filtered, '(\w+)'\)\s+OR (ARRAY_CONTAINS\(:wanted, .*\))\)\n"
)
_WHERE = re.compile(r" +WHERE\s+\(NOT ARRAY_CONTAINS\(:filtered(?:.|\n)*?\n\),\n")


def _grouped(text: str, by: Sequence[str], more: Iterable[str] = ()) -> str:
    """Keep the dimensions of the groups only in each list of all dimensions."""

    def kept(found: re.Match[str]) -> str:
        block, indent = found[0], found[1]
        if " AS " in block:
            lines = [f"{_dimension(name)} AS {column(name)}" for name in by]
        else:
            lines = [*map(column, by), *more]
        end = ",\n" if block.endswith(",\n") else "\n"
        return f",\n{indent}".join([indent + lines[0], *lines[1:]]) + end if lines else ""

    return re.sub(r"PARTITION BY\s+\)", ")", _LIST.sub(kept, text))


_LIST = re.compile(r"(?:^( +)(?:CASE WHEN ARRAY_CONTAINS\(:by, .* AS )?by_\w+,?\n)+", re.MULTILINE)


# --- Largest groups, and percentiles -------------------------------------------------------------


def _largest(groups: Sequence[str], top: int) -> str:
    """Return the tables `largest`, the groups with the most calls, and `kept`.

    `kept` is `by_currency` with the other groups as one.
    """
    names = ", ".join(groups)
    order = ", ".join(f"{name} NULLS LAST" for name in groups)
    sums = ",\n        ".join(
        f"CAST(SUM({name}) AS BIGINT) AS {name}" if name in _INTEGERS else f"SUM({name}) AS {name}"
        for name in _SUMS
    )
    return f"""largest AS (
    SELECT {", ".join(f"{name} AS largest_{name}" for name in groups)}, place, all_groups
    FROM (
        SELECT
            *,
            ROW_NUMBER() OVER (ORDER BY group_calls DESC, {order}) AS place,
            COUNT(*) OVER () AS all_groups
        FROM (SELECT {names}, SUM(attempts) AS group_calls FROM by_currency GROUP BY {names})
            AS sized
    ) AS placed
    WHERE place <= {top}
),

kept AS (
    SELECT
        {", ".join(f"largest_{name} AS {name}" for name in groups)},
        COALESCE(place, {top + 1}) AS place,
        all_groups,
        currency,
        {sums}
    FROM by_currency
    LEFT JOIN largest ON {_same((name, f"largest_{name}") for name in groups)}
    GROUP BY {", ".join(f"largest_{name}" for name in groups)}, place, all_groups, currency
),

"""  # noqa: S608 - of checked names and numbers


_INTEGERS = (*(name for name in COUNTS if name not in ("delivered", "talk_seconds")), "priced")
_SUMS = (*_INTEGERS, "talk_seconds", "setup_seconds", "cost", "priced_seconds", "started_seconds")


def _percentiles(groups: Sequence[str], question: Question) -> str:
    """Return the table `percentiles`: the nearest rank in the distribution of each group.

    Calls are counted for each length, so memory grows with the number of lengths and not of calls.
    """
    table, key = "chosen_again", list(groups)
    if question.top:
        same = _same((name, f"largest_{name}") for name in groups)
        table, key = f"{table}\n                LEFT JOIN largest ON {same}", ["place"]
    keys = "".join(f"{name}, " for name in key)
    place = f"COALESCE(place, {question.top + 1}) AS place, " if question.top else keys
    ranks = ",\n        ".join(
        f"MIN(CASE WHEN running * {100 * SCALE} >= total * {rank} THEN {value} END) AS {name}"
        for name, (value, rank) in percentile_columns(question).items()
    )
    same = f"PARTITION BY {keys}talk_seconds IS NULL"
    return f"""percentiles AS (
    SELECT
        {"".join(f"{name} AS of_{name}, " for name in key)}
        {ranks}
    FROM (
        SELECT
            *,
            CAST(SUM(calls) OVER ({same}) AS BIGINT) AS total,
            CAST(
                SUM(calls) OVER ({same} ORDER BY talk_seconds, setup_time) AS BIGINT
            ) AS running
        FROM (
            SELECT {keys}talk_seconds, setup_time, COUNT(*) AS calls
            FROM (
                SELECT
                    {place}
                    CAST(talk_seconds AS BIGINT) AS talk_seconds,
                    CAST(setup_seconds AS DECIMAL(18, 3)) AS setup_time
                FROM {table}
            ) AS lengths
            GROUP BY GROUPING SETS (({keys}talk_seconds), ({keys}setup_time))
        ) AS counted
        WHERE talk_seconds IS NOT NULL OR setup_time IS NOT NULL
    ) AS ranked
    {f"GROUP BY {', '.join(key)}" if key else ""}
),

"""  # noqa: S608 - of checked names and numbers


def _same(pairs: Iterable[tuple[str, str]]) -> str:
    """Return a condition that joins equal columns, NULL being equal to NULL."""
    return " AND ".join(f"{one} IS NOT DISTINCT FROM {other}" for one, other in pairs) or "TRUE"
