"""Which record of a call is kept, and what becomes of the others, whatever comes or goes.

A call is a layout and a call id. Its records, in the order in which they came:

- The first is kept, in `records`. If it stood on a last line without its end, it may have been cut
  short: the first later one that completes it is kept instead.
- One that says the same as an earlier one is a duplicate of that.
- Every other one is a conflict, and kept aside.

All of it follows from the records of the call alone. So when records come or go, their calls are
settled anew, and rows move between the tables as the new result says.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import attrs

from .plain import COLUMNS

__all__ = ["Counts", "Run", "Settled", "settle", "settle_fresh", "take_out"]

Run: TypeAlias = Callable[..., list[tuple[Any, ...]]]
"""Runs SQL with parameters, and returns its rows."""
Counts: TypeAlias = "Counter[str]"
"""By table, how many records of a file it has now, more or less than before."""

_PLACE = ("file_id", "record", "line")
_CONTENT = [name for name in COLUMNS if name not in _PLACE]
_WIDE = ", ".join(COLUMNS)
_FRESH = "SELECT key FROM kept.records WHERE file_id >= $1"


@attrs.frozen
class Settled:
    """What changed in the tables.

    Attributes:
        changes: For each file.
        completed: For each file, how many kept records its records took the place of.
    """

    changes: Mapping[int, Counts]
    completed: Counter[int]


def settle_fresh(run: Run, first: int) -> Settled:
    """Settle the calls of records that have just come, and were put into `kept.records`.

    Args:
        run: Runs SQL, in a transaction.
        first: The lowest file_id of those that have just come.
    """
    # Of the archive only the keys are read, and the rows that they lead to.
    run(
        "CREATE OR REPLACE TEMP TABLE suspects AS "  # noqa: S608
        f"SELECT key FROM ({_FRESH}) GROUP BY key HAVING count(*) > 1",
        first,
    )
    run(
        "CREATE OR REPLACE TEMP TABLE places AS SELECT rowid AS place, key FROM kept.records "  # noqa: S608
        f"WHERE file_id < $1 AND key IN ({_FRESH} UNION ALL "
        "SELECT key FROM kept.rejects WHERE file_id >= $1 AND key IS NOT NULL)",
        first,
    )
    run("INSERT INTO suspects SELECT DISTINCT key FROM places")
    if not run("SELECT count(*) FROM suspects")[0][0]:
        return Settled({}, Counter())
    run(
        "INSERT INTO places SELECT rowid, key FROM kept.records "
        "WHERE file_id >= $1 AND key IN (FROM suspects)",
        first,
    )
    return _settle(run, 0, first)


def take_out(run: Run, file_id: int) -> Settled:
    """Remove a file's records, and settle their calls as if they had never come."""
    own = " UNION ALL ".join(
        f"SELECT key FROM kept.{table} WHERE file_id = $1"  # noqa: S608
        for table in ("records", "conflicts", "duplicates")
    )
    run(
        "CREATE OR REPLACE TEMP TABLE suspects AS SELECT DISTINCT key FROM ("  # noqa: S608
        "SELECT key FROM kept.conflicts UNION ALL SELECT key FROM kept.duplicates"
        f") WHERE key IN ({own})",
        file_id,
    )
    settled = settle(run, file_id)
    for table in ("records", "conflicts", "duplicates", "unended"):
        run(f"DELETE FROM kept.{table} WHERE file_id = ?", file_id)  # noqa: S608
    return settled


def settle(run: Run, without: int = 0) -> Settled:
    """Settle the calls whose keys are in the table `suspects`.

    Args:
        run: Runs SQL, in a transaction.
        without: A file_id whose records do not count any more.
    """
    run(
        "CREATE OR REPLACE TEMP TABLE places AS "
        "SELECT rowid AS place, key FROM kept.records WHERE key IN (FROM suspects)"
    )
    return _settle(run, without, 0)


def _settle(run: Run, without: int, first: int) -> Settled:
    """As `settle`; `places` says where the kept records are."""
    run(
        f"""
        CREATE OR REPLACE TEMP TABLE occurrences AS
        SELECT 'records' AS source, rowid AS place, NULL::INTEGER AS of_file,
            NULL::BIGINT AS of_record, key, {_WIDE}
        FROM kept.records WHERE rowid IN (SELECT place FROM places)
        UNION ALL
        SELECT 'conflicts', rowid, NULL, NULL, key, {_WIDE} FROM kept.conflicts
        WHERE key IN (FROM suspects)
        """  # noqa: S608
    )
    content = ", ".join(f"o.{name}" for name in _CONTENT)
    run(
        f"""
        INSERT INTO occurrences BY NAME
        SELECT 'duplicates' AS source, d.rowid AS place, d.of_file, d.of_record, d.key, {content},
            d.file_id, d.record, d.line
        FROM kept.duplicates AS d
        JOIN occurrences AS o ON o.file_id = d.of_file AND o.record = d.of_record
        WHERE d.key IN (FROM suspects)
        """  # noqa: S608
    )
    _find_completing(run, without)
    run(
        f"""
        CREATE OR REPLACE TEMP TABLE moves AS
        SELECT * FROM (
            SELECT source, place, file_id, record, line, key, of_file AS old_file,
                of_record AS old_record, content_file AS of_file, content_record AS of_record,
                CASE WHEN kept THEN 'records' WHEN nth_content > 1 THEN 'duplicates'
                    ELSE 'conflicts' END AS target
            FROM (
                SELECT o.*, coalesce(c.file_id = o.file_id AND c.record = o.record, nth_call = 1)
                    AS kept
                FROM (
                    SELECT *, row_number() OVER call AS nth_call,
                        row_number() OVER content AS nth_content,
                        first_value(file_id) OVER content AS content_file,
                        first_value(record) OVER content AS content_record
                    FROM occurrences WHERE file_id <> $1
                    WINDOW call AS (PARTITION BY layout, call_id ORDER BY file_id, record),
                        content AS (
                            PARTITION BY {", ".join(_CONTENT)} ORDER BY file_id, record
                        )
                ) AS o
                LEFT JOIN completing AS c ON c.layout = o.layout AND c.call_id = o.call_id
            )
        ) WHERE target <> source OR (
            target = 'duplicates' AND (of_file, of_record) <> (old_file, old_record)
        )
        """,  # noqa: S608
        without,
    )
    return _move(run, first)


def _move(run: Run, first: int) -> Settled:
    """Make the moves, and count them."""
    changes: dict[int, Counts] = defaultdict(Counter)
    for file_id, source, target, number in run(
        "SELECT file_id, source, target, count(*) FROM moves WHERE source <> target GROUP BY ALL"
    ):
        changes[file_id][source] -= number
        changes[file_id][target] += number
    wide = ", ".join(f"o.{name}" for name in COLUMNS)
    for table in ("records", "conflicts"):
        run(
            f"INSERT INTO kept.{table} SELECT {wide}, o.key FROM moves AS m "  # noqa: S608
            "JOIN occurrences AS o ON o.file_id = m.file_id AND o.record = m.record "
            "WHERE m.source <> m.target AND m.target = ?",
            table,
        )
    for table in ("records", "conflicts", "duplicates"):
        leaving = "source = ?" if table == "duplicates" else "source = ? AND source <> target"
        run(
            f"DELETE FROM kept.{table} WHERE rowid IN (SELECT place FROM moves WHERE {leaving})",  # noqa: S608
            table,
        )
    run(
        "INSERT INTO kept.duplicates SELECT file_id, record, line, of_file, of_record, key "
        "FROM moves WHERE target = 'duplicates'"
    )
    completed: Counter[int] = Counter()
    completed.update(
        file_id for (file_id,) in run("SELECT file_id FROM completing WHERE file_id >= ?", first)
    )
    return Settled(changes, completed)


# --- records that were cut short ------------------------------------------------------------------


def _find_completing(run: Run, without: int) -> None:
    """Find the calls whose first record was cut short, and what is kept in its place."""
    run(
        "CREATE OR REPLACE TEMP TABLE completing (layout VARCHAR, call_id VARCHAR, "
        "file_id INTEGER, record BIGINT)"
    )
    marks = {
        (file_id, record): _Mark(fields, value)
        for file_id, record, fields, value in run(
            "SELECT u.* FROM kept.unended AS u "
            "JOIN occurrences AS o ON o.file_id = u.file_id AND o.record = u.record "
            "WHERE u.file_id <> ?",
            without,
        )
    }
    if not marks:
        return
    calls: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for row in run(
        f"""
        SELECT {_WIDE} FROM occurrences WHERE file_id <> ? AND (layout, call_id) IN (
            SELECT (layout, call_id) FROM occurrences AS o
            JOIN kept.unended AS u ON o.file_id = u.file_id AND o.record = u.record
        ) ORDER BY file_id, record
        """,  # noqa: S608
        without,
    ):
        record = dict(zip(COLUMNS, row, strict=True))
        calls[record["layout"], record["call_id"]].append(record)
    for (layout, call_id), records in calls.items():
        kept = _kept(records, marks)
        if kept is not records[0]:
            run(
                "INSERT INTO completing VALUES (?, ?, ?, ?)",
                *(layout, call_id, kept["file_id"], kept["record"]),
            )


@attrs.frozen
class _Mark:
    """What a record has that stands on a last line without its end.

    Attributes:
        fields: That of its last column, and those of columns that may have followed.
        text: Of the last column.
    """

    fields: Sequence[str]
    text: str


def _kept(
    records: Iterable[dict[str, Any]], marks: Mapping[tuple[int, int], _Mark]
) -> dict[str, Any]:
    """The record of a call that is kept: the first, or one that completes it."""
    kept, *others = records
    mark = marks.get((kept["file_id"], kept["record"]))
    for other in others:
        if mark is None:
            break
        others_mark = marks.get((other["file_id"], other["record"]))
        if all(other[name] == kept[name] for name in _CONTENT):
            if others_mark is None:
                mark = None  # it was whole
        elif _completes(other, kept, mark):
            kept, mark = other, others_mark
    return kept


def _completes(whole: Mapping[str, Any], cut: Mapping[str, Any], mark: _Mark) -> bool:
    """Tell whether a record is another one that goes on where that ends."""
    last, *following = mark.fields
    for name in _CONTENT:
        field = "to" if name == "to_" else name
        if field == last:
            if not _goes_on(field, whole[name], cut[name], mark.text):
                return False
        elif whole[name] != cut[name] and not (field in following and cut[name] is None):
            return False
    return True


def _goes_on(field: str, whole: Any, cut: Any, text: str) -> bool:
    """Tell whether a value begins with a text, which was read as another value."""
    match field:
        case "extras":
            texts, begun = (json.loads(value or "{}") for value in (whole, cut))
            names = [name for name in {**texts, **begun} if texts.get(name) != begun.get(name)]
            return all(
                begun.get(name, "") == text and texts.get(name, "").startswith(text)
                for name in names
            )
        case "result" | "reason":
            return (whole or "").upper().startswith(text.upper())
        case "amount":
            return whole is not None and f"{whole:f}".startswith(text)
        case _:
            return ("" if whole is None else str(whole)).startswith(text)
