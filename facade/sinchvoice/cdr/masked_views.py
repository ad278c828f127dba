"""SQL that masks the tables of an archive or a scan, with the rules of `masking.py`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ..errors import RejectCause
from .fast_path import COLUMNS, literal
from .masking import Masking, quoted_text

__all__ = ["masked_query", "masked_views"]

_PEOPLE = ("from_", "to_", "user_id")
_HIDDEN = ("custom", "extras")


def _masked_columns(masking: Masking) -> Mapping[str, str]:
    """Return SQL for each column of `records`, by name."""
    return {
        name: masking._sql(name)
        if name in _PEOPLE
        else f"CAST(NULL AS {kind})"
        if name in _HIDDEN
        else name
        for name, kind in COLUMNS.items()
    }


def masked_query(masking: Masking, query: str) -> str:
    """Return SQL for the rows of a query in the columns of `read_arrow`, masked."""
    masked = _masked_columns(masking)
    replaced = ", ".join(f"{masked[name]} AS {name}" for name in (*_PEOPLE, *_HIDDEN))
    return f"SELECT * REPLACE ({replaced}) FROM ({query})"  # noqa: S608


def masked_views(masking: Masking, tables: Mapping[str, tuple[str, tuple[str, ...]]]) -> str:
    """Return SQL for views that mask tables, and for the schema `by_user` with such `records`.

    Args:
        masking: The masking.
        tables: By the name of the view, the name of its table and the names of the columns.
    """
    special = {
        "records": _masked_columns(masking),
        "conflicts": _masked_columns(masking),
        "rejects": _REJECTS,
    }
    statements = []
    for view, (table, columns) in tables.items():
        by_name = special.get(view, {})
        selected = (
            name if name == "*" else f'{by_name.get(name) or _quoted(name)} AS "{name}"'
            for name in columns
        )
        statements.append(f"CREATE VIEW {view} AS SELECT {', '.join(selected)} FROM {table};")  # noqa: S608
    users = _masked_users(masking, *tables["records"])
    statements.append(f"CREATE SCHEMA by_user; CREATE VIEW by_user.records AS {users};")
    return "\n".join(statements)


def _masked_users(masking: Masking, table: str, names: Iterable[str]) -> str:
    """Return SQL for masked records in which the mask of each app user is computed once.

    The masks of all rows would take longer than the rest of a KPI. This is for queries that use
    app users who made calls, and nobody else.

    Args:
        masking: The masking.
        table: Name of the table of records.
        names: Names of its columns.
    """
    user = "CASE WHEN layout = 'app-to-app' THEN from_ ELSE user_id END"
    columns = {
        **_masked_columns(masking),
        "from_": f"CASE WHEN layout = 'app-to-app' THEN mask ELSE {masking._sql('from_')} END",
        "user_id": f"CASE WHEN layout <> 'app-to-app' THEN mask ELSE {masking._sql('user_id')} END",
    }
    selected = ", ".join(f"{columns[name]} AS {name}" for name in names)
    return (
        f"SELECT {selected} FROM {table} LEFT JOIN ("  # noqa: S608
        f"SELECT app_user, {masking._sql('app_user')} AS mask "
        f"FROM (SELECT DISTINCT {user} AS app_user FROM {table})) AS users ON app_user = {user}"
    )


def _quoted(name: str) -> str:
    return f'"{name}"'


# --- Rejects -------------------------------------------------------------------------------------


def _shape_sql(text: str) -> str:
    digits = f"regexp_replace({text}, '[0-9]', '0', 'g')"
    return f"regexp_replace({digits}, '[A-Za-z]|[^\\x00-\\x7f]', 'x', 'g')"


_QUOTED_THERE = literal(quoted_text(r"[\p{L}\p{N}]"))
# DuckDB writes each byte that is not printable ASCII, quotes and backslashes as \xE9.
_RAW = """replace(replace(CAST(raw AS VARCHAR), '\\x22', '"'), '\\x27', '''')"""
_RAW = f"regexp_replace({_RAW}, '\\\\x[0-9A-F]{{2}}', 'x', 'g')"
_REJECTS: Mapping[str, str] = {
    "value": _shape_sql("value"),
    "message": f"regexp_replace(message, {_QUOTED_THERE}, '''…''', 'g')",
    "raw": f"encode({_shape_sql(_RAW)})",
    "header": f"CASE WHEN cause = '{RejectCause.HEADER}' THEN {_shape_sql('header')} "
    "ELSE header END",
    # In a record with other columns, another cell may stand in the place of the call id.
    "call_id": "CASE WHEN column_name IS NOT NULL AND column_name <> '' THEN call_id END",
}
