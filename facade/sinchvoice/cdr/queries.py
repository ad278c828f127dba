"""Read-only queries on a database of call detail records."""

from __future__ import annotations

import json
import os
import re
import threading
import weakref
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack, closing, contextmanager
from datetime import date
from decimal import Decimal
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeAlias, TypeVar
from zoneinfo import ZoneInfo

import attrs

from ..errors import CdrError, InvalidRequest
from .fast_path import literal
from .kpis import Dimension, KpiFilter, KpiRows, Run, on_duckdb
from .prefixes import PrefixTable

if TYPE_CHECKING:
    import duckdb

    from ..endpoints import MxpEndpoint, PstnEndpoint
    from ..vocabulary import Domain
    from .alerts import AlertReport, AlertRule
    from .comparison import ComparedKpi, Comparison, PeriodLike, With
    from .masked_copy import MaskedCopy
    from .masking import Masking
    from .reconciliation import (
        Direction,
        InvoiceLine,
        InvoiceReconciliation,
        InvoiceRow,
        Minutes,
        ReconciledCall,
        ReportedWindow,
        ReportReconciliation,
        ReportRow,
    )
    from .signals import SignalKind, SignalReport, Thresholds

__all__ = [
    "TREE",
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

_BLANK = r"(?:\s++|--[^\n]*+(?:\n|$)|/\*[^*]*+(?:\*(?!/)[^*]*+)*\*/)*"
_OPTION = r"(?:ANALY[SZ]E|FORMAT)(?:\s+\w+)?"
_EXPLAIN = re.compile(
    rf"{_BLANK}EXPLAIN\b{_BLANK}(?:(?P<analyze>ANALY[SZ]E)\b|"
    rf"(?P<options>\(\s*{_OPTION}(?:\s*,\s*{_OPTION})*\s*\)))?",
    re.IGNORECASE | re.DOTALL,
).match
TREE = "SELECT CAST(json_serialize_sql(CAST(? AS VARCHAR)) AS VARCHAR)"
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
"""Functions with which a SELECT could write, change settings or run SQL from a string."""

_SIGNAL_INTERVAL = 0.5
"""Maximum seconds until a waiting thread handles signals."""


@attrs.frozen
class QueryResult:
    """The result of a query.

    Attributes:
        columns: Names of the columns.
        rows: The rows as tuples; times are in UTC, without a zone.
    """

    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]


class Database(ABC):
    """A database with a table or view `records` to query."""

    _duckdb: Any
    _connection: duckdb.DuckDBPyConnection
    _tables: tuple[str, ...] = ()
    """Names of the tables open to queries."""
    _masking: Masking | None = None
    """Masking of the tables; the connection then has views under their names."""
    _mask_method: str | None = None
    """How the records are masked, also before they were exported."""
    _masked_copy: MaskedCopy | None = None

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
        """Release the files; queries are no longer possible."""

    def _keep_kpis(self) -> None:
        """Detach the KPIs from the connection before it is closed."""
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
        prefixes: PrefixTable | None = None,
        top: int | None = None,
        percentiles: float | Sequence[float] = (),
    ) -> KpiRows:
        """Compute attempts, ASR, NER, ACD, minutes of use, cost per currency, …; see `cdr.kpis`.

        Args:
            by: Dimensions to group by: `kpis.DIMENSIONS`, `prefix:4` for digits of the called
                number, or `prefix`.
            where: Filter of the counted calls.
            min_attempts: Groups with fewer attempts have no ratios.
            tz: Time zone of days, hours and weekdays; see `cdr.kpis.compute`.
            prefixes: Table for the dimension `prefix`; see `cdr.kpis.compute`.
            top: Number of largest groups to keep; the others are one row.
            percentiles: Percentiles of duration and setup time, such as `(50, 90, 95)`.

        Raises:
            InvalidRequest: An argument is not possible; see `cdr.kpis.compute`.
            CdrError: The KPIs cannot be computed.
        """
        connection = self._connection
        with self._failing(), self._masking_users_once(by, where):
            rows = interruptible(
                connection,
                lambda: KpiRows(
                    connection,
                    by,
                    where,
                    min_attempts,
                    tz,
                    prefixes=prefixes,
                    top=top,
                    percentiles=percentiles,
                ),
            )
        self._kpis[id(rows)] = rows
        return rows

    def compare(
        self,
        period: PeriodLike,
        with_: With = "previous",
        *,
        by: Dimension | Sequence[Dimension] = (),
        where: KpiFilter | None = None,
        kpi: ComparedKpi | Sequence[ComparedKpi] | None = None,
        min_attempts: int = 1,
        tz: str | ZoneInfo = "UTC",
        weeks: int = 4,
        alpha: float = 0.05,
        prefixes: PrefixTable | None = None,
    ) -> Comparison:
        """Compare the KPIs of two periods; see `cdr.comparison.compare` for the arguments.

        Args:
            period: Days to compare.
            with_: Days to compare with: `previous`, `same-weekdays` or a period.
            by: One or more of `kpis.DIMENSIONS` except `day` to group by.
            where: Filter of the counted calls.
            kpi: One or more of `comparison.COMPARED`; None for all.
            min_attempts: Groups with fewer attempts have no ratios.
            tz: Time zone of the days.
            weeks: Weeks of `same-weekdays`.
            alpha: Share of false alarms among the changes that are called more than chance.
            prefixes: Table for the dimension `prefix`; see `cdr.kpis.compute`.

        Raises:
            InvalidRequest: An argument is wrong.
            CdrError: The KPIs cannot be computed.
        """
        from . import comparison

        with self._masking_users_once(by, where):
            found = comparison.compare(
                self._run,
                period,
                with_,
                by=by,
                where=where,
                kpi=kpi,
                min_attempts=min_attempts,
                tz=tz,
                weeks=weeks,
                alpha=alpha,
                prefixes=prefixes,
            )
        return found.with_notes(
            remark
            for each in (found.period, found.reference)
            for remark in self._unfinished(*each.utc_days(tz))
        )

    def alert(
        self,
        period: PeriodLike,
        rules: Iterable[AlertRule],
        *,
        tz: str | ZoneInfo = "UTC",
    ) -> AlertReport:
        """Judge a period by rules; see `cdr.alerts.evaluate`.

        Args:
            period: Days to judge.
            rules: The rules, as from `alerts.read_rules`.
            tz: Time zone of the days.

        Raises:
            InvalidRequest: An argument is wrong.
            CdrError: The KPIs cannot be computed.
        """
        from . import alerts

        given = tuple(rules)
        used: list[Dimension] = []
        for rule in given:
            used += self._dimensions_with_masks(rule.by, rule.where, f"rule {rule.name!r}: ")
        with self._masking_users_once(used, None):
            report = alerts.evaluate(self._run, period, given, tz=tz)
        return report.with_notes(self._unfinished(*report.period.utc_days(tz)))

    def signals(
        self,
        period: PeriodLike,
        *,
        thresholds: Thresholds | None = None,
        kinds: Collection[SignalKind] | None = None,
        min_score: float = 0,
        tz: str | ZoneInfo = "UTC",
    ) -> SignalReport:
        """Find signals of fraud among the calls of a period; see `cdr.signals`.

        Args:
            period: The days to judge, such as `2026-11-23..2026-11-29`; both are included.
            thresholds: Thresholds; None for the defaults.
            kinds: Kinds of signals to look for; None for all.
            min_score: Lowest score to return, 0 to 100.
            tz: Time zone of the period's days.

        Raises:
            InvalidRequest: The period, a kind, the score or the time zone is not valid, or masks
                hide what a kind needs.
            CdrError: The signals cannot be computed.
        """
        return self._signals(
            self._run, period, thresholds=thresholds, kinds=kinds, min_score=min_score, tz=tz
        )

    def _signals(
        self,
        run: Run,
        period: PeriodLike,
        *,
        kinds: Collection[SignalKind] | None,
        **given: Any,
    ) -> SignalReport:
        """Find signals of the kinds that masks leave."""
        from . import signals

        if self._mask_method is None:
            return signals.compute(run, period, kinds=kinds, **given)
        seen, note = signals.seen_with_masks(self._mask_method, kinds)
        return attrs.evolve(signals.compute(run, period, kinds=seen, **given), notes=note)

    def reconcile_invoice(
        self,
        lines: Iterable[InvoiceLine],
        period: PeriodLike | None = None,
        *,
        minutes: Minutes = "started",
        amount_tolerance: Decimal | str | int = Decimal("0.01"),
        minutes_tolerance: Decimal | str | int = Decimal(1),
        tz: str | ZoneInfo = "UTC",
    ) -> InvoiceReconciliation:
        """Compare an invoice with the records; see `cdr.reconciliation`.

        Args:
            lines: Lines of the invoice, such as `reconciliation.read_invoice` returns.
            period: The compared days; None for those from the first to the last line.
            minutes: `started` to round each call up to whole minutes, `talk` for exact talk time.
            amount_tolerance: Largest difference of amounts in a row that counts as equal.
            minutes_tolerance: Largest difference of minutes in a row that counts as equal.
            tz: Time zone of the invoice's days.

        Raises:
            InvalidRequest: An argument is not valid.
            CdrError: The records cannot be queried.
        """
        from . import reconciliation

        return reconciliation.reconcile_invoice(
            self._run,
            lines,
            period,
            minutes=minutes,
            amount_tolerance=amount_tolerance,
            minutes_tolerance=minutes_tolerance,
            tz=tz,
        )

    def reconcile_reports(
        self,
        user: MxpEndpoint | PstnEndpoint | str,
        windows: Iterable[ReportedWindow],
        *,
        domain: Domain = "data",
        direction: Direction = "both",
        call_tolerance: int = 0,
        second_tolerance: int = 0,
    ) -> ReportReconciliation:
        """Compare the reports on a user with the records; see `cdr.reconciliation`.

        Args:
            user: A phone number or an app user; the records must not be masked.
            windows: Windows with their reports, from `voice.reports.user_calls_by_window`.
            domain: The domain of the reports.
            direction: The compared calls of the user.
            call_tolerance: Largest difference of calls that counts as equal.
            second_tolerance: Largest difference of durations that counts as equal, in seconds.

        Raises:
            InvalidRequest: An argument is not valid, or the records are masked.
            CdrError: The records cannot be queried.
        """
        from . import reconciliation

        if self._mask_method is not None:
            raise InvalidRequest(
                "the records are masked, so those of a user cannot be found: open them without mask"
            )
        return reconciliation.reconcile_reports(
            self._run,
            user,
            windows,
            domain=domain,
            direction=direction,
            call_tolerance=call_tolerance,
            second_tolerance=second_tolerance,
        )

    def invoice_calls(self, row: InvoiceRow, *, most: int = 10_000) -> list[ReconciledCall]:
        """Return the records of a row of `reconcile_invoice`, the earliest first.

        Args:
            row: The row.
            most: Most records to return, 1 to 1,000,000.

        Raises:
            InvalidRequest: `most` is out of range.
            CdrError: The records cannot be queried.
        """
        from . import reconciliation

        return reconciliation.invoice_calls(self._run, row, most=most)

    def report_calls(
        self, found: ReportReconciliation, row: ReportRow, *, most: int = 10_000
    ) -> list[ReconciledCall]:
        """Return the records of a row of `reconcile_reports`, the earliest first.

        Args:
            found: The reconciliation.
            row: One of its rows.
            most: Most records to return, 1 to 1,000,000.

        Raises:
            InvalidRequest: `most` is out of range.
            CdrError: The records cannot be queried.
        """
        from . import reconciliation

        return reconciliation.report_calls(self._run, found, row, most=most)

    def _run(self, query: str, parameters: dict[str, Any]) -> Iterable[Sequence[Any]]:
        """Run a query with named parameters, as the functions on `Run` expect."""
        run = on_duckdb(self._connection)
        with self._failing():
            return interruptible(self._connection, lambda: run(query, parameters))

    def _unfinished(self, first: date, last: date) -> list[str]:
        """Return remarks on records that may be missing between two UTC days."""
        return []

    def sql(self, query: str, parameters: Parameters = ()) -> QueryResult:
        """Run a read-only SQL query.

        The query is one SELECT, or an EXPLAIN of one. It runs in a read-only transaction, on a
        connection that cannot open other files and whose settings are locked. PIVOT must list the
        values (`ON result IN ('BUSY', 'FAILED')`); otherwise DuckDB would create a type for it.

        Args:
            query: SQL of DuckDB.
            parameters: Values for each `?`, or by name for each `$name`.

        Raises:
            CdrError: The query fails or is not read-only.
        """
        given = parameters if isinstance(parameters, Mapping) else list(parameters)
        with self._failing(asked=True), closing(self._cursor(query, given)) as cursor:
            statement = self._question(cursor, query)
            rows = interruptible(cursor, lambda: cursor.execute(statement, given).fetchall())
            columns = tuple(column[0] for column in cursor.description or ())
            return QueryResult(columns, rows)  # closing the cursor undoes the transaction

    def to_arrow(
        self,
        query: str = "SELECT * FROM records",
        parameters: Parameters = (),
    ) -> ArrowStream:
        """Return the rows of a query as an Arrow C stream.

        `pyarrow.table(…)`, `polars.DataFrame(…)` and `pandas.DataFrame.from_arrow(…)` read it; each
        request of the stream runs the query again.

        Args:
            query: As in `sql`.
            parameters: As in `sql`.
        """
        return ArrowStream(self, query, parameters)

    def _cursor(self, query: str, parameters: Any) -> duckdb.DuckDBPyConnection:
        """Return a cursor for a query of an external caller; with masking, to a masked copy."""
        if self._masking is None:
            return self._connection.cursor()
        with self._failing():
            copy = self._masked_copy = self._masked_copy or self._new_masked_copy()
        # The query must not reach the connection to all data. Errors come before the copying.
        with closing(copy.empty.cursor()) as cursor:
            statement = self._question(cursor, query)
            selects = statement.type == self._duckdb.StatementType.SELECT
            if selects:
                cursor.execute(f"EXPLAIN {statement.query}", parameters or None)
        with self._failing():
            return copy.cursor(statement.query if selects else None, parameters or None)

    @abstractmethod
    def _new_masked_copy(self) -> MaskedCopy:
        """Return an empty masked copy."""

    @contextmanager
    def _masking_users_once(
        self, by: Dimension | Sequence[Dimension], where: KpiFilter | None
    ) -> Iterator[None]:
        """Mask each app user once, not once for each call, in a KPI that uses them."""
        if "user" not in self._dimensions_with_masks(by, where):
            yield
            return
        self._connection.execute("USE memory.by_user")
        try:
            yield
        finally:
            self._connection.execute("USE memory.main")

    def _dimensions_with_masks(
        self, by: Dimension | Sequence[Dimension], where: KpiFilter | None, of: str = ""
    ) -> set[Any]:
        """Return the used dimensions; none without masking.

        Args:
            by: As in `kpis`.
            where: As in `kpis`.
            of: What has them, in messages.

        Raises:
            InvalidRequest: They need text that masks hide.
        """
        if self._mask_method is None:
            return set()
        used = ({by} if isinstance(by, str) else {*by}).union(where or ())
        prefix = min((name for name in used if str(name).startswith("prefix")), default=None)
        if prefix is not None and self._mask_method == "hash":
            raise InvalidRequest(
                f"{of}{prefix!r} needs digits, but numbers are hashed: shorten them instead"
            )
        if self._masking is None:  # a lake with masks
            return set()
        users: Any = (where or {}).get("user")
        several = isinstance(users, Iterable) and not isinstance(users, str)
        for user in users if several else (users,):
            self._masking._check(f"{of}where['user']", user)
        return used

    def _ask(self, query: str, *parameters: object) -> list[tuple[Any, ...]]:
        """Run a query of an external caller as `_rows` does; errors are a CdrError."""
        with self._failing():
            return self._rows(query, *parameters)

    @contextmanager
    def _failing(self, *, asked: bool = False) -> Iterator[None]:
        """Turn errors of a query into a CdrError.

        Args:
            asked: Whether the query of an external caller runs, which sees only masked text.
        """
        try:
            yield
        except self._duckdb.Error as error:
            if is_damage(error):
                raise CdrError(reason(error), self._place) from error
            if self._masking is not None and not asked:
                raise CdrError(
                    f"the query fails: {type(error).__name__}; masking hides the rest, which may "
                    "have text of a record"
                ) from None
            if missing := _NO_TABLE(str(error)):
                *names, last = self._tables
                raise CdrError(
                    f"the table {missing[1]!r} does not exist: use {', '.join(names)} or {last}"
                ) from error
            raise CdrError(f"the query fails: {error}") from error

    def _question(self, cursor: duckdb.DuckDBPyConnection, query: str) -> duckdb.Statement:
        """Check a query and return its one statement, within a read-only transaction."""
        kinds = self._duckdb.StatementType
        statement = _only_statement(cursor, query)
        explain = ""
        if statement.type == kinds.EXPLAIN:
            # Only the explained statement alone shows its type, and ANALYZE runs it. The statement
            # checked is the one run, so differences in reading comments do not matter.
            match = _EXPLAIN(query)
            if match is None:
                raise CdrError("this form of EXPLAIN is not supported: use EXPLAIN ANALYZE SELECT")
            explain = f"EXPLAIN {match['analyze'] or match['options'] or ''} "
            query = query[match.end() :]
            statement = _only_statement(cursor, query)
        if statement.type == kinds.MULTI:
            raise CdrError(
                "this is more than one SELECT: for PIVOT, list the values, as in "
                "PIVOT records ON result IN ('BUSY', 'FAILED') USING count(*)"
            )
        if statement.type != kinds.SELECT:
            raise CdrError("this is not a SELECT: queries are read-only")
        ((tree,),) = cursor.execute(TREE, [statement.query]).fetchall()
        if refused := sorted(_REFUSED.intersection(_FUNCTION_NAMES(tree))):
            raise CdrError(f"{refused[0]}() is not allowed: queries are read-only")
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
        raise CdrError(f"the query has {len(statements)} statements: give one SELECT")
    return statements[0]


@attrs.frozen
class ArrowStream:
    """Rows of a query as an Arrow C stream; each request of the stream runs the query."""

    _database: Database
    _query: str
    _parameters: Parameters
    _is_asked: bool = attrs.field(alias="is_asked", default=True)
    """Whether the query is of an external caller."""

    def __arrow_c_stream__(self, requested_schema: object = None) -> Any:
        """Return the stream in a capsule, according to the Arrow PyCapsule interface.

        Raises:
            CdrError: The query fails or is not read-only.
        """
        database = self._database
        with database._failing(asked=True), ExitStack() as stack:
            # The stream keeps the cursor and its transaction.
            cursor = stack.enter_context(closing(self._cursor()))
            statement = database._question(cursor, self._query)
            found = cursor.sql(statement, params=self._parameters or None)
            stream = found.__arrow_c_stream__(requested_schema)
            stack.pop_all()
            return stream

    def _cursor(self) -> duckdb.DuckDBPyConnection:
        if self._is_asked:
            return self._database._cursor(self._query, self._parameters)
        return self._database._connection.cursor()


def reason(error: Exception) -> str:
    """Return the message of a system or DuckDB error in one line, with the remedy if known."""
    text = getattr(error, "strerror", None) or str(error).partition("\n")[0]
    within = re.search(r'"exception_message":("(?:[^"\\]|\\.)*")', text)
    text = str(json.loads(within[1])) if within else text
    if is_damage(error):
        return f"{_DAMAGED} ({text})"
    if text.startswith("Out of Memory Error"):
        return f"the memory limit is too low: raise it ({text})"
    return text


_DAMAGED = "the archive is damaged: restore a backup or load its files into a new archive"


def is_damage(error: Exception) -> bool:
    """Tell whether an error of DuckDB means a damaged file."""
    return bool(re.search("Corrupt database file|Could not read enough bytes", str(error)))


def import_duckdb() -> Any:
    """Import DuckDB.

    Raises:
        ImportError: DuckDB is not installed; the message tells how to install it.
    """
    try:
        import duckdb
    except ImportError as error:
        raise ImportError(
            "archives and scans need DuckDB: pip install 'sinchvoice[cdr]'"
        ) from error
    return duckdb


def interruptible(connection: duckdb.DuckDBPyConnection, work: Callable[[], T]) -> T:
    """Run a long operation of DuckDB so that Ctrl-C can interrupt it.

    DuckDB does not handle signals, so a thread other than the main one, which receives them, runs
    the operation.

    Args:
        connection: Connection to interrupt.
        work: The operation.
    """
    if threading.current_thread() is not threading.main_thread():
        return work()
    working = _aside(os.getpid()).submit(work)
    try:
        while not working.done():  # a signal delivered to another thread does not end `wait`
            wait([working], _SIGNAL_INTERVAL)
    except BaseException:  # raised by a signal handler
        connection.interrupt()
        wait([working])
        raise
    return working.result()


@cache
def _aside(process: int) -> ThreadPoolExecutor:
    """Return the thread that runs DuckDB for the main thread of a process; a fork needs another."""
    return ThreadPoolExecutor(1)


def settings(
    folder: Path, memory_limit: str | None, threads: int | None
) -> dict[str, str | bool | int | float | list[str]]:
    """Return the configuration of a connection without automatic extensions and replacements.

    Args:
        folder: Folder for data that does not fit into memory.
        memory_limit: Memory limit, such as `512MB`; None for four fifths of the machine's memory.
        threads: Number of threads; None for one per core.
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
    """Restrict a connection permanently to the files in a folder and the given files."""
    connection.execute("SET GLOBAL TimeZone = 'UTC'")  # for cursors too
    connection.execute(f"SET allowed_directories = [{literal(f'{folder}{os.sep}')}]")
    connection.execute(f"SET allowed_paths = [{', '.join(map(literal, files))}]")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")
