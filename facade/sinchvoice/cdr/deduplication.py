"""Deduplication: one record of each call is kept; the others are duplicates or conflicts.

A call is a layout and a call id. Its records, in the order of arrival:

- The first is kept, in `records`. On a last line without a line end it may have been cut short; the
  first later record that completes it is then kept instead.
- A record with the same content as an earlier one is its duplicate.
- Every other record is a conflict, stored in `conflicts`.

The result depends on the records of the call alone. When files are loaded, removed or erased, the
calls concerned are evaluated again and rows move between the tables.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, TypeAlias

import attrs

from .fast_path import COLUMNS
from .known import KnownCalls, Run, key_ranges

__all__ = [
    "Counts",
    "EarlierRecords",
    "Occurrence",
    "Run",
    "TableChanges",
    "UnendedRecord",
    "deduplicate",
    "deduplicate_new",
    "kept_record",
    "remove_file",
]

Counts: TypeAlias = "Counter[str]"
"""The change in the number of a file's records, by table."""

_MANY = 10_000
"""Number of known calls above which DuckDB first finds the identical records."""
_CALLS = 20_000
"""Calls deduplicated at once."""
_KEYS = 1_000_000
"""Approximate number of keys grouped at once; it bounds the memory."""
_SOURCE = ("file_id", "record", "line")
_CONTENT = [name for name in COLUMNS if name not in _SOURCE]
_TABLES = ("records", "conflicts", "duplicates")
_NEW_KEYS = "SELECT key FROM kept.records WHERE file_id >= $1"


@attrs.define
class TableChanges:
    """The changes to the tables.

    Attributes:
        by_file: Changed counts, by file.
        completed: Number of records kept in place of one cut short, by file.
    """

    by_file: dict[int, Counts] = attrs.field(factory=lambda: defaultdict(Counter))
    completed: Counter[int] = attrs.field(factory=Counter)


class EarlierRecords:
    """The row ids of earlier records of some calls in `kept.records`: in memory, unless many.

    Args:
        run: Runs SQL, in a transaction.
        condition: SQL condition that selects these records.
        parameters: Parameters of the condition.

    Attributes:
        are_many: Whether they are only in the temporary table `earlier_records`.
    """

    def __init__(self, run: Run, condition: str, *parameters: object) -> None:
        self._run = run
        self._few: dict[int, list[int]] = defaultdict(list)
        query = f"SELECT rowid AS row_id, key FROM kept.records WHERE {condition}"  # noqa: S608
        found = run(f"{query} LIMIT {_MANY + 1}", *parameters)
        self.are_many = len(found) > _MANY
        if self.are_many:
            run(f"CREATE OR REPLACE TEMP TABLE earlier_records AS {query}", *parameters)
            return
        for row_id, key in found:
            self._few[key].append(row_id)

    def keys(self) -> Iterable[int]:
        """Return the keys of calls with earlier records, if these are not many."""
        return self._few.keys()

    def of(self, keys: Sequence[int]) -> list[int]:
        """Return the row ids for some keys."""
        if self.are_many:
            query = "SELECT row_id FROM earlier_records WHERE key IN (SELECT unnest($1))"
            return [row_id for (row_id,) in self._run(query, keys)]
        return [row_id for key in keys for row_id in self._few.get(key, ())]

    def make_table(self) -> None:
        """Put all row ids into the temporary table `earlier_records`."""
        if not self.are_many:
            pairs = [(row_id, key) for key, row_ids in self._few.items() for row_id in row_ids]
            self._run(
                "CREATE OR REPLACE TEMP TABLE earlier_records AS SELECT "
                "unnest(CAST($1 AS BIGINT[])) AS row_id, unnest(CAST($2 AS BIGINT[])) AS key",
                [row_id for row_id, _ in pairs],
                [key for _, key in pairs],
            )


def deduplicate_new(
    run: Run, first: int, number: int, known: KnownCalls
) -> tuple[TableChanges, EarlierRecords]:
    """Deduplicate the calls of new records, which are already in `kept.records`.

    Args:
        run: Runs SQL, in a transaction.
        first: Lowest file_id of the new files.
        number: Number of records in the new files.
        known: The index of earlier calls.

    Returns:
        The changes, and the earlier records of the new calls and of newly rejected calls.
    """
    changes = TableChanges()
    repeated = [
        row
        for part in key_ranges(number, _KEYS)
        for row in run(f"{_NEW_KEYS} AND {part} GROUP BY key HAVING count(*) > 1", first)
    ]
    keys = (
        f"{_NEW_KEYS} UNION ALL "  # noqa: S608
        "SELECT key FROM kept.rejects WHERE file_id >= $1 AND key IS NOT NULL"
    )
    files = known.files(run, number, keys, first)
    # This reads only the keys of these files and the rows found by key.
    earlier = EarlierRecords(run, f"file_id < $1 AND {files} AND key IN ({keys})", first)
    suspects = {key for (key,) in repeated}
    if earlier.are_many:
        _move_identical(run, first, changes)
        query = f"SELECT key FROM earlier_records WHERE key IN ({_NEW_KEYS})"  # noqa: S608
        suspects.update(key for (key,) in run(query, first))
    else:
        suspects.update(earlier.keys())
    _deduplicate(run, suspects, changes, earlier, first=first)
    return changes, earlier


def remove_file(run: Run, file_id: int) -> TableChanges:
    """Remove a file's records and deduplicate their calls without them."""
    changes = TableChanges()
    own = " UNION ALL ".join(
        f"SELECT key FROM kept.{table} WHERE file_id = $1"  # noqa: S608
        for table in _TABLES
    )
    suspects = run(
        "SELECT DISTINCT key FROM ("  # noqa: S608
        "SELECT key FROM kept.conflicts UNION ALL SELECT key FROM kept.duplicates"
        f") WHERE key IN ({own})",
        file_id,
    )
    deduplicate(run, {key for (key,) in suspects}, changes, without=file_id)
    for table in (*_TABLES, "unended"):
        run(f"DELETE FROM kept.{table} WHERE file_id = ?", file_id)  # noqa: S608
    return changes


def deduplicate(run: Run, keys: set[int], changes: TableChanges, *, without: int = 0) -> None:
    """Deduplicate the calls with these keys.

    Args:
        run: Runs SQL, in a transaction.
        keys: Keys of the calls.
        changes: Receives the changes.
        without: A file_id whose records no longer count; they are not moved.
    """
    earlier = EarlierRecords(run, "key IN (SELECT unnest($1))", list(keys))
    _deduplicate(run, keys, changes, earlier, without=without)


def _move_identical(run: Run, first: int, changes: TableChanges) -> None:
    """Move new records identical to a kept one that was not cut short to the duplicates.

    They are duplicates whatever other records the call has.
    """
    same = " AND ".join(f"n.{name} IS NOT DISTINCT FROM k.{name}" for name in _CONTENT[2:])
    run(
        f"""
        INSERT INTO kept.duplicates
        SELECT n.file_id, n.record, n.line, k.file_id, k.record, n.key
        FROM kept.records AS n
        JOIN (FROM kept.records WHERE rowid IN (SELECT row_id FROM earlier_records)) AS k
        ON n.key = k.key AND n.layout = k.layout AND n.call_id = k.call_id
        WHERE n.file_id >= $1 AND {same}
            AND (k.file_id, k.record) NOT IN (SELECT (file_id, record) FROM kept.unended)
        """,  # noqa: S608
        first,
    )
    taken = "FROM kept.duplicates WHERE file_id >= $1"
    run(
        "DELETE FROM kept.records WHERE file_id >= $1 AND (file_id, record) IN ("  # noqa: S608
        f"SELECT (file_id, record) {taken})",
        first,
    )
    for file_id, number in run(f"SELECT file_id, count(*) {taken} GROUP BY ALL", first):
        changes.by_file[file_id].update(records=-number, duplicates=number)


# --- Call by call --------------------------------------------------------------------------------


@attrs.frozen(eq=False)
class Occurrence:
    """A record of a call and its place.

    Attributes:
        table: Its table.
        row: Its row id in that table.
        file_id: Its file.
        record: Its number in the file.
        line: Its line in the file.
        key: The key of the call.
        content: The values of its columns.
        holder: Table and row id of the content: its own, or those of its original.
        original: For a duplicate, the source of the original according to the tables.
    """

    table: str
    row: int
    file_id: int
    record: int
    line: int
    key: int
    content: tuple[Any, ...]
    holder: tuple[str, int]
    original: tuple[int, int] | None = None

    @property
    def source(self) -> tuple[int, int]:
        """File and number of the record."""
        return self.file_id, self.record


def _deduplicate(
    run: Run,
    keys: set[int],
    changes: TableChanges,
    earlier: EarlierRecords,
    *,
    first: int | None = None,
    without: int = 0,
) -> None:
    """Deduplicate calls as `deduplicate` does; `earlier` has the kept records of earlier files."""
    left = iter(keys)
    while some := list(islice(left, _CALLS)):
        unended = {
            (file_id, record): UnendedRecord(fields, text)
            for file_id, record, fields, text in run("FROM kept.unended")
        }
        moves = _Moves(run, changes)
        for call in _calls(run, some, earlier, first, without):
            kept = kept_record(call, unended)
            if first is not None and kept is not call[0] and kept.file_id >= first:
                changes.completed[kept.file_id] += 1
            known: dict[tuple[Any, ...], Occurrence] = {}
            for each in call:
                before = known.setdefault(each.content, each)
                if each is kept:
                    moves.add(each, "records")
                elif before is each:
                    moves.add(each, "conflicts")
                else:
                    moves.add(each, "duplicates", before)
        moves.make()


def _calls(
    run: Run, keys: list[int], earlier: EarlierRecords, first: int | None, without: int
) -> Iterator[list[Occurrence]]:
    """Yield the records of each call with one of these keys, in the order of arrival."""
    some = "key IN (SELECT unnest($1))"
    # Separate statements: DuckDB takes longer to plan a joint one than to run these.
    select = f"rowid, {', '.join([*_CONTENT, *_SOURCE, 'key'])} FROM kept"
    # Most calls have neither conflicts nor duplicates, which a query of few columns tells sooner.
    others = " UNION ALL ".join(
        f"SELECT key FROM kept.{table} WHERE {some}"  # noqa: S608
        for table in ("conflicts", "duplicates")
    )
    has_others = bool(run(f"SELECT 1 FROM ({others}) LIMIT 1", keys))  # noqa: S608
    found = []
    if has_others:
        found += run(f"SELECT 'conflicts', {select}.conflicts WHERE {some}", keys)
    if kept := earlier.of(keys):
        by_row = f"SELECT 'records', {select}.records WHERE rowid IN (SELECT unnest($1))"
        found += run(by_row, kept)
    if first is not None:
        new = f"SELECT 'records', {select}.records WHERE file_id >= {first} AND {some}"
        found += run(new, keys)
    calls: dict[tuple[Any, ...], list[Occurrence]] = defaultdict(list)
    holders: dict[tuple[int, int], Occurrence] = {}
    for table, row, *values in found:
        content = tuple(values[: len(_CONTENT)])
        file_id, record, line, key = values[len(_CONTENT) :]
        each = Occurrence(table, row, file_id, record, line, key, content, (table, row))
        holders[each.source] = each
        calls[content[:2]].append(each)
    duplicates = "SELECT rowid, of_file, of_record, file_id, record, line, key FROM kept.duplicates"
    for row, of_file, of_record, file_id, record, line, key in (
        run(f"{duplicates} WHERE {some}", keys) if has_others else ()
    ):
        original = holders[of_file, of_record]
        source = (file_id, record, line, key)
        shared = (original.content, original.holder, original.source)
        each = Occurrence("duplicates", row, *source, *shared)
        calls[original.content[:2]].append(each)
    for call in calls.values():
        left = [each for each in call if each.file_id != without]
        if left:
            yield sorted(left, key=lambda each: each.source)


class _Moves:
    """Moves records between tables."""

    def __init__(self, run: Run, changes: TableChanges) -> None:
        self._run = run
        self._changes = changes
        self._leaving: dict[str, list[int]] = defaultdict(list)
        # By the table of the content and the target table.
        self._moving: dict[tuple[str, str], list[tuple[int, ...]]] = defaultdict(list)
        self._duplicates: list[tuple[int, ...]] = []

    def add(self, each: Occurrence, table: str, original: Occurrence | None = None) -> None:
        """Plan the move of a record to a table, a duplicate with its original."""
        if table == each.table and (original is None or original.source == each.original):
            return
        self._leaving[each.table].append(each.row)
        source = (each.file_id, each.record, each.line)
        if original is None:
            self._moving[each.holder[0], table].append((each.holder[1], *source))
        else:
            self._duplicates.append((*source, *original.source, each.key))
        if table != each.table:
            self._changes.by_file[each.file_id].update({each.table: -1, table: 1})

    def make(self) -> None:
        """Move all records; contents are copied before rows are deleted."""
        content = ", ".join(f"t.{name}" for name in _CONTENT)
        for (holder, table), moving in self._moving.items():
            self._run(
                f"INSERT INTO kept.{table} "  # noqa: S608
                f"SELECT {content}, m.file_id, m.record, m.line, t.key FROM ("
                "SELECT unnest($1) AS row_id, unnest($2) AS file_id, unnest($3) AS record, "
                f"unnest($4) AS line) AS m JOIN kept.{holder} AS t ON t.rowid = m.row_id",
                *map(list, zip(*moving, strict=True)),
            )
        for table, rows in self._leaving.items():
            self._run(
                f"DELETE FROM kept.{table} WHERE rowid IN (SELECT unnest(?))",  # noqa: S608
                rows,
            )
        if self._duplicates:
            self._run(
                "INSERT INTO kept.duplicates SELECT "
                "unnest($1), unnest($2), unnest($3), unnest($4), unnest($5), unnest($6)",
                *map(list, zip(*self._duplicates, strict=True)),
            )


# --- Records cut short ---------------------------------------------------------------------------


@attrs.frozen
class UnendedRecord:
    """The end of a record on a last line without a line end.

    Attributes:
        fields: The field of its last column, then those of columns that may have followed.
        text: The text of the last column.
    """

    fields: Sequence[str]
    text: str


def kept_record(
    call: Sequence[Occurrence], unended: Mapping[tuple[int, int], UnendedRecord]
) -> Occurrence:
    """Return the record of a call to keep: the first, or one that completes it."""
    kept, *others = call
    end = unended.get(kept.source)
    for other in others:
        if end is None:
            break
        other_end = unended.get(other.source)
        if other.content == kept.content:
            if other_end is None:
                end = None  # the record was complete
        elif _completes(other, kept, end):
            kept, end = other, other_end
    return kept


def _completes(whole: Occurrence, cut: Occurrence, end: UnendedRecord) -> bool:
    """Tell whether a record begins with one cut short and continues it."""
    last, *following = end.fields
    for name, one, other in zip(_CONTENT, whole.content, cut.content, strict=True):
        field = "to" if name == "to_" else name
        if field == last:
            if not _continues(field, one, other, end.text):
                return False
        elif one != other and not (field in following and other is None):
            return False
    return True


def _continues(field: str, whole: Any, cut: Any, text: str) -> bool:
    """Tell whether a value begins with a text that was read as another value."""
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
