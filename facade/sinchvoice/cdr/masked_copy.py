"""A masked copy of the tables, for queries that must not reach anything else.

Views could not keep a query from the tables behind them: SQL has many ways to name a table, and the
key of the hashes is in the views. So a query of an external caller runs on a database of its own,
which contains only masked text and can open no other file.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from .fast_path import literal
from .queries import TREE, import_duckdb, interruptible, lock, settings

if TYPE_CHECKING:
    import duckdb

__all__ = ["Columns", "MaskedCopy", "needed_columns"]

Columns: TypeAlias = Mapping[str, frozenset[str]]
"""Names of columns, by the name of their table."""

_COLUMNS = (
    "SELECT table_name, column_name, data_type FROM duckdb_columns() "
    "WHERE database_name = current_database() AND schema_name = 'main' ORDER BY column_index"
)
_EXPLICIT = frozenset(
    "BASE_TABLE SELECT_NODE SET_OPERATION_NODE SUBQUERY EMPTY JOIN LIMIT_MODIFIER ORDER_MODIFIER "
    "DISTINCT_MODIFIER ORDER_DEFAULT ASCENDING DESCENDING ORDER_ASC ORDER_DESC".split()
)
"""Parts of a query that use no column without naming it."""
_EXPLICIT_CLASSES = frozenset(
    "COLUMN_REF CONSTANT FUNCTION COMPARISON CONJUNCTION CAST CASE OPERATOR BETWEEN WINDOW "
    "SUBQUERY PARAMETER".split()
)


class MaskedCopy:
    """Copies of masked tables in a database of their own: as much of them as the queries need.

    Args:
        connection: Connection to a database with views that mask the tables.
        tables: Names of the views.
        folder: An empty folder for this alone.
        memory_limit: Memory limit of DuckDB; None for its default.
        threads: Threads of DuckDB; None for one per core.

    Attributes:
        empty: Connection to the same tables without rows, to check a query before copying.
    """

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        tables: Sequence[str],
        folder: Path,
        memory_limit: str | None,
        threads: int | None,
    ) -> None:
        self._source = connection
        self._folder = folder
        self._limits = memory_limit, threads
        found = connection.execute(_COLUMNS).fetchall()
        self._all = {table: [each for name, each, _ in found if name == table] for table in tables}
        self.empty = import_duckdb().connect(config=settings(folder, memory_limit, threads))
        for table in tables:
            types = ", ".join(f'"{each}" {kind}' for name, each, kind in found if name == table)
            self.empty.execute(f"CREATE TABLE {table} ({types})")
        lock(self.empty, folder / "spill")
        self._copied: Columns = {}
        self._connections: list[duckdb.DuckDBPyConnection] = []

    def cursor(self, query: str | None, parameters: Any) -> duckdb.DuckDBPyConnection:
        """Return a new cursor for a query.

        Args:
            query: A SELECT that `empty` accepts; None to copy everything.
            parameters: Its parameters.
        """
        every = {table: frozenset(columns) for table, columns in self._all.items()}
        needed = every if query is None else self._needed(query) or every
        if not self._connections or not _covers(self._copied, needed):
            self._copy(_union(self._copied, needed))
        if query is not None and not _covers(self._copied, every):
            try:
                with closing(self._connections[-1].cursor()) as cursor:
                    cursor.execute(f"EXPLAIN {query}", parameters)
            except import_duckdb().Error:  # it needs more than it names
                self._copy(every)
        return self._connections[-1].cursor()

    def close(self) -> None:
        """Close all cursors."""
        for each in (self.empty, *self._connections):
            each.close()
        self._connections.clear()

    def _needed(self, query: str) -> Columns | None:
        with closing(self.empty.cursor()) as cursor:
            ((tree,),) = cursor.execute(TREE, [query]).fetchall()
        return needed_columns(json.loads(tree), self._all)

    def _copy(self, columns: Columns) -> None:
        folder = self._folder / str(len(self._connections))
        folder.mkdir(mode=0o700)
        path = folder / "masked"
        with closing(self._source.cursor()) as cursor:
            cursor.execute(f"ATTACH {literal(path)} AS masked_copy (READ_WRITE)")
            try:
                for table, names in columns.items():
                    selected = ", ".join(f'"{name}"' for name in self._all[table] if name in names)
                    statement = (
                        f"CREATE TABLE masked_copy.main.{table} AS SELECT {selected} FROM {table}"  # noqa: S608
                    )
                    interruptible(cursor, partial(cursor.execute, statement))
            finally:
                cursor.execute("DETACH masked_copy")
        path.chmod(0o600)
        connection = import_duckdb().connect(
            str(path), read_only=True, config=settings(folder, *self._limits)
        )
        lock(connection, folder / "spill")
        self._connections.append(connection)
        self._copied = columns


def needed_columns(tree: Any, tables: Mapping[str, Sequence[str]]) -> Columns | None:
    """Return the columns that a query names; None if it may use others.

    Args:
        tree: The query as JSON of DuckDB.
        tables: Names of all columns, by table.
    """
    texts: set[str] = set()
    named: set[str] = set()
    whole_rows: set[str] = set()
    read: set[str] = set()
    ctes: set[str] = set()
    for each in _nodes(tree):
        kind, group = each.get("type"), each.get("class")
        if group is None:
            if kind is not None and kind not in _EXPLICIT:
                return None
            if each.get("ref_type") == "NATURAL":
                return None
        elif group not in _EXPLICIT_CLASSES:
            return None
        if kind == "BASE_TABLE":
            if each["schema_name"] or each["catalog_name"]:
                return None
            read.add(each["table_name"].lower())
        if isinstance(each.get("key"), str):
            ctes.add(each["key"].lower())
        if group is None and "alias" in each:
            named |= {str(each["alias"]).lower(), str(each.get("table_name", "")).lower()}
        if group == "COLUMN_REF" and len(each["column_names"]) == 1:
            whole_rows.add(each["column_names"][0].lower())
        texts |= {text.lower() for text in _texts(each.values())}
    if whole_rows & (named | set(tables)) or read - ctes - set(tables):
        return None
    found: dict[str, frozenset[str]] = {}
    for table, columns in tables.items():
        if table in texts:
            used = texts.intersection(columns) or {columns[0]}  # count(*) needs any
            found[table] = frozenset(used)
    return found or None


def _nodes(tree: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(tree, dict):
        yield tree
        for each in tree.values():
            yield from _nodes(each)
    elif isinstance(tree, list):
        for each in tree:
            yield from _nodes(each)


def _texts(values: Iterable[Any]) -> Iterator[str]:
    for each in values:
        if isinstance(each, str):
            yield each
        elif isinstance(each, list):
            yield from _texts(each)


def _union(one: Columns, other: Columns) -> Columns:
    return {
        name: one.get(name, frozenset()) | other.get(name, frozenset())
        for name in (*one, *(name for name in other if name not in one))
    }


def _covers(copied: Columns, needed: Columns) -> bool:
    return all(name in copied and columns <= copied[name] for name, columns in needed.items())
