"""Questions to a database that has call detail records, which can change nothing."""

from __future__ import annotations

import json
import os
import re
import threading
import weakref
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack, closing, contextmanager
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeAlias, TypeVar
from zoneinfo import ZoneInfo

import attrs

from ..errors import CdrError
from .fast_path import literal
from .kpis import Dimension, KpiFilter, KpiRows

if TYPE_CHECKING:
    import duckdb

__all__ = [
    "ArrowStream",
    "Database",
    "Parameters",
    "QueryResult",
    "import_duckdb",
    "interruptible",
    "is_damage",
    "lock",
    "reason",
    "settings",
]

Parameters: TypeAlias = "Sequence[object] | Mapping[str, object]"
T = TypeVar("T")

_BLANK = r"(?:\s|--[^\n]*(?:\n|$)|/\*.*?\*/)*+"
_OPTION = r"(?:ANALY[SZ]E|FORMAT)(?:\s+\w+)?"
_EXPLAIN = re.compile(
    rf"{_BLANK}EXPLAIN\b{_BLANK}(?:(?P<analyze>ANALY[SZ]E)\b|"
    rf"(?P<options>\(\s*{_OPTION}(?:\s*,\s*{_OPTION})*\s*\)))?",
    re.IGNORECASE | re.DOTALL,
).match
_TREE = "SELECT CAST(json_serialize_sql(CAST(? AS VARCHAR)) AS VARCHAR)"
_NO_TABLE = re.compile(r"Catalog Error: Table with name (.*) does not exist!").match
_FUNCTION_NAMES = re.compile(r'"function_name":"([^"]*)"').findall
_REFUSED = frozenset(
    "add_grammar_extension arrow_scan arrow_scan_dumb checkpoint create_external_resource "
    "deregister_external_resource destroy_external_resource disable_logging disable_profiling "
    "enable_logging enable_profiling force_checkpoint json_execute_serialized_sql pandas_scan "
    "python_arrow_scan python_map_function query register_external_resource "
    "register_external_resource_type remove_grammar_extension truncate_duckdb_logs "
    "write_log".split()
)
"""Functions by which a SELECT does something: writes, sets, or runs what is in a text."""

_LOOK_UP = 0.5
"""Seconds after which a waiting thread looks for signals, at the latest."""


@attrs.frozen
class QueryResult:
    """The answer to a query.

    Attributes:
        columns: their names.
        rows: a tuple for each; times are in UTC, without a zone.
    """

    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]


class Database(ABC):
    """What has a table or view `records`, and answers questions about it."""

    _duckdb: Any
    _connection: duckdb.DuckDBPyConnection
    _tables: tuple[str, ...] = ()
    """That can be asked."""

    def __init__(self, place: str = "") -> None:
        self._place = place
        self._kpis: weakref.WeakValueDictionary[int, KpiRows] = weakref.WeakValueDictionary()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    @abstractmethod
    def close(self) -> None:
        """Let go of what it is in; nothing can be asked any more."""

    def _keep_kpis(self) -> None:
        """Before the connection is closed: let its KPIs do without."""
        for rows in self._kpis.values():
            rows.keep()
        self._kpis.clear()

    def kpis(
        self,
        by: Dimension | Sequence[Dimension] = (),
        where: KpiFilter | None = None,
        *,
        min_attempts: int = 1,
        tz: str | ZoneInfo = "UTC",
    ) -> KpiRows:
        """Attempts, ASR, NER, ACD, minutes of use, cost per currency, …; see `cdr.kpis`.

        Args:
            by: what to group by: one of `kpis.DIMENSIONS`, or several.
            where: which calls are counted.
            min_attempts: a group with fewer has no ratios.
            tz: Time zone of days, hours and weekdays; see `cdr.kpis.compute`.

        Raises:
            InvalidRequest: there is no such dimension, no such value of it, or no such time zone.
            CdrError: they cannot be computed.
        """
        connection = self._connection
        with self._failing():
            rows = interruptible(
                connection, lambda: KpiRows(connection, by, where, min_attempts, tz)
            )
        self._kpis[id(rows)] = rows
        return rows

    def sql(self, query: str, parameters: Parameters = ()) -> QueryResult:
        """Ask in SQL, and change nothing.

        One SELECT is taken, or an EXPLAIN of one, in a read-only transaction, by a connection that
        can open no other file and whose settings are locked. PIVOT is taken if it names the values
        (`ON result IN ('BUSY', 'FAILED')`): without them, DuckDB would make a type for it.

        Args:
            query: in the SQL of DuckDB.
            parameters: for each `?`, or by name for each `$name`.

        Raises:
            CdrError: it is wrong, or it is not only a question.
        """
        given = parameters if isinstance(parameters, Mapping) else list(parameters)
        with self._failing(), closing(self._connection.cursor()) as cursor:
            statement = self._question(cursor, query)
            rows = interruptible(cursor, lambda: cursor.execute(statement, given).fetchall())
            columns = tuple(column[0] for column in cursor.description or ())
            return QueryResult(columns, rows)  # closing the cursor undoes the transaction

    def to_arrow(
        self,
        query: str = "SELECT * FROM records",
        parameters: Parameters = (),
    ) -> ArrowStream:
        """The rows of a query for whatever reads the Arrow C stream interface.

        `pyarrow.table(…)`, `polars.DataFrame(…)`, `pandas.DataFrame.from_arrow(…)`; the query runs
        when the stream is asked for, and as often.

        Args:
            query: as in `sql`.
            parameters: as in `sql`.
        """
        return ArrowStream(self, query, parameters)

    def _ask(self, query: str, *parameters: object) -> list[tuple[Any, ...]]:
        """As `_rows`, for external callers."""
        with self._failing():
            return self._rows(query, *parameters)

    @contextmanager
    def _failing(self) -> Iterator[None]:
        """While a query runs: what is wrong with it is a CdrError."""
        try:
            yield
        except self._duckdb.Error as error:
            if is_damage(error):
                raise CdrError(reason(error), self._place) from error
            if missing := _NO_TABLE(str(error)):
                *names, last = self._tables
                raise CdrError(
                    f"there is no table {missing[1]!r}: there are {', '.join(names)} and {last}"
                ) from error
            raise CdrError(f"the query fails: {error}") from error

    def _question(self, cursor: duckdb.DuckDBPyConnection, query: str) -> duckdb.Statement:
        """The one statement of a query, in a transaction that can change nothing."""
        kinds = self._duckdb.StatementType
        statement = _only_statement(cursor, query)
        explain = ""
        if statement.type == kinds.EXPLAIN:
            # The type of what is explained, which ANALYZE runs, is told by that alone. What is
            # judged is what is run, so that it does not matter whether comments are read alike.
            match = _EXPLAIN(query)
            if match is None:
                raise CdrError("this EXPLAIN is not understood: write EXPLAIN ANALYZE SELECT …")
            explain = f"EXPLAIN {match['analyze'] or match['options'] or ''} "
            query = query[match.end() :]
            statement = _only_statement(cursor, query)
        if statement.type == kinds.MULTI:
            raise CdrError(
                "this is more than one SELECT: PIVOT has to name the values, as in "
                "PIVOT records ON result IN ('BUSY', 'FAILED') USING count(*)"
            )
        if statement.type != kinds.SELECT:
            raise CdrError("one SELECT is expected: nothing can be changed in SQL")
        ((tree,),) = cursor.execute(_TREE, [statement.query]).fetchall()
        if refused := sorted(_REFUSED.intersection(_FUNCTION_NAMES(tree))):
            raise CdrError(f"{refused[0]}() is not a question: nothing can be changed in SQL")
        if explain:
            statement = _only_statement(cursor, explain + statement.query)
        cursor.execute("BEGIN TRANSACTION READ ONLY")
        return statement

    def _do(self, statement: str, *parameters: object) -> None:
        given = list(parameters)
        interruptible(self._connection, lambda: self._connection.execute(statement, given))

    def _rows(self, query: str, *parameters: object) -> list[tuple[Any, ...]]:
        connection, given = self._connection, list(parameters)
        return interruptible(connection, lambda: connection.execute(query, given).fetchall())

    def _one(self, query: str, *parameters: object) -> Any:
        return self._rows(query, *parameters)[0][0]


def _only_statement(cursor: duckdb.DuckDBPyConnection, query: str) -> duckdb.Statement:
    statements = cursor.extract_statements(query)
    if len(statements) != 1:
        raise CdrError(f"one SELECT is expected, and these are {len(statements)} statements")
    return statements[0]


@attrs.frozen
class ArrowStream:
    """Rows of a database as an Arrow C stream, from a query that runs when it is asked for."""

    _database: Database
    _query: str
    _parameters: Parameters

    def __arrow_c_stream__(self, requested_schema: object = None) -> Any:
        """The stream, in a capsule, as the Arrow PyCapsule interface says.

        Raises:
            CdrError: the query is wrong, or it is not only a question.
        """
        database = self._database
        with database._failing(), ExitStack() as stack:
            # The stream keeps it, and its transaction.
            cursor = stack.enter_context(closing(database._connection.cursor()))
            statement = database._question(cursor, self._query)
            found = cursor.sql(statement, params=self._parameters or None)
            stream = found.__arrow_c_stream__(requested_schema)
            stack.pop_all()
            return stream


def reason(error: Exception) -> str:
    """What an error of the system's or of DuckDB's says, in a line, and what to do about damage."""
    text = getattr(error, "strerror", None) or str(error).partition("\n")[0]
    within = re.search(r'"exception_message":("(?:[^"\\]|\\.)*")', text)
    text = str(json.loads(within[1])) if within else text
    if is_damage(error):
        return f"{_DAMAGED} ({text})"
    return text


_DAMAGED = "the archive is damaged: put back a backup, or load its files into a new archive"


def is_damage(error: Exception) -> bool:
    """Tell whether DuckDB finds its file damaged."""
    return bool(re.search("Corrupt database file|Could not read enough bytes", str(error)))


def import_duckdb() -> Any:
    """DuckDB, or a hint how to install it."""
    try:
        import duckdb
    except ImportError as error:
        raise ImportError(
            "archives and scans need DuckDB: pip install 'sinchvoice[cdr]'"
        ) from error
    return duckdb


def interruptible(connection: duckdb.DuckDBPyConnection, work: Callable[[], T]) -> T:
    """Do something that DuckDB may take long for, so that Ctrl-C ends it, as it ends all else.

    Where DuckDB works, nobody looks for signals; so that is not the thread that gets them.

    Args:
        connection: that works.
        work: what it does.
    """
    if threading.current_thread() is not threading.main_thread():
        return work()
    working = _aside(os.getpid()).submit(work)
    try:
        while not working.done():  # a signal that another thread got wakes nobody
            wait([working], _LOOK_UP)
    except BaseException:  # which came with a signal
        connection.interrupt()
        wait([working])
        raise
    return working.result()


@cache
def _aside(process: int) -> ThreadPoolExecutor:
    """Where DuckDB works for the main thread of a process; a fork has threads of its own."""
    return ThreadPoolExecutor(1)


def settings(
    folder: Path, memory_limit: str | None, threads: int | None
) -> dict[str, str | bool | int | float | list[str]]:
    """The configuration of a connection that brings nothing in by itself.

    Args:
        folder: for what does not fit into memory.
        memory_limit: such as `512MB`; None for four fifths of what the machine has.
        threads: None for one per core.
    """
    config: dict[str, str | bool | int | float | list[str]] = {
        "allow_community_extensions": "false",
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
        "python_enable_replacements": "false",
        "temp_directory": str(folder / "spill"),
    }
    if memory_limit is not None:
        config["memory_limit"] = memory_limit
    if threads is not None:
        config["threads"] = str(threads)
    return config


def lock(connection: duckdb.DuckDBPyConnection, folder: Path, *files: Path) -> None:
    """Let a connection open what is in a folder, and these files, and nothing else from now on."""
    connection.execute("SET GLOBAL TimeZone = 'UTC'")  # cursors too
    connection.execute(f"SET allowed_directories = [{literal(f'{folder}{os.sep}')}]")
    connection.execute(f"SET allowed_paths = [{', '.join(map(literal, files))}]")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")
