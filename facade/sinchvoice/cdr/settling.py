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
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, TypeAlias

import attrs

from .fast_path import COLUMNS

__all__ = ["Counts", "Places", "Run", "Settled", "settle_fresh", "take_out"]

Run: TypeAlias = Callable[..., list[tuple[Any, ...]]]
"""Runs SQL with parameters, and returns its rows."""
Counts: TypeAlias = "Counter[str]"
"""By table, how many records of a file it has now, more or less than before."""

_MANY = 10_000
"""Known calls above which DuckDB finds those first that say the same."""
_CALLS = 20_000
"""Calls that are settled at once."""
_PLACE = ("file_id", "record", "line")
_CONTENT = [name for name in COLUMNS if name not in _PLACE]
_TABLES = ("records", "conflicts", "duplicates")
_FRESH = "SELECT key FROM kept.records WHERE file_id >= $1"


@attrs.define
class Settled:
    """What changed in the tables.

    Attributes:
        changes: For each file.
        completed: For each file, how many of its records are kept in place of one cut short.
    """

    changes: dict[int, Counts] = attrs.field(factory=lambda: defaultdict(Counter))
    completed: Counter[int] = attrs.field(factory=Counter)


class Places:
    """Where `kept.records` has the earlier records of some calls: in memory, unless they are many.

    Args:
        run: Runs SQL, in a transaction.
        condition: SQL that tells these records.
        parameters: Of the condition.

    Attributes:
        are_many: Whether they are in the temporary table `places` alone.
    """

    def __init__(self, run: Run, condition: str, *parameters: object) -> None:
        self._run = run
        self._few: dict[int, list[int]] = defaultdict(list)
        query = f"SELECT rowid AS place, key FROM kept.records WHERE {condition}"  # noqa: S608
        found = run(f"{query} LIMIT {_MANY + 1}", *parameters)
        self.are_many = len(found) > _MANY
        if self.are_many:
            run(f"CREATE OR REPLACE TEMP TABLE places AS {query}", *parameters)
            return
        for place, key in found:
            self._few[key].append(place)

    def keys(self) -> Iterable[int]:
        """The calls that have any, if they are not many."""
        return self._few.keys()

    def of(self, keys: Sequence[int]) -> list[int]:
        """The rows of some calls."""
        if self.are_many:
            query = "SELECT place FROM places WHERE key IN (SELECT unnest($1))"
            return [place for (place,) in self._run(query, keys)]
        return [place for key in keys for place in self._few.get(key, ())]

    def make_table(self) -> None:
        """Have all of them in the temporary table `places`."""
        if not self.are_many:
            pairs = [(place, key) for key, places in self._few.items() for place in places]
            self._run(
                "CREATE OR REPLACE TEMP TABLE places AS SELECT "
                "unnest(CAST($1 AS BIGINT[])) AS place, unnest(CAST($2 AS BIGINT[])) AS key",
                [place for place, _ in pairs],
                [key for _, key in pairs],
            )


def settle_fresh(run: Run, first: int) -> tuple[Settled, Places]:
    """Settle the calls of records that have just come, and were put into `kept.records`.

    Args:
        run: Runs SQL, in a transaction.
        first: The lowest file_id of those that have just come.

    Returns:
        What changed, and where the earlier records of these calls are, and of calls that were just
        rejected.
    """
    settled = Settled()
    repeated = run(f"{_FRESH} GROUP BY key HAVING count(*) > 1", first)
    # Of the archive only the keys are read, and the rows that they lead to.
    places = Places(
        run,
        f"file_id < $1 AND key IN ({_FRESH} UNION ALL "  # noqa: S608
        "SELECT key FROM kept.rejects WHERE file_id >= $1 AND key IS NOT NULL)",
        first,
    )
    suspects = {key for (key,) in repeated}
    if places.are_many:
        _take_out_same(run, first, settled)
        query = f"SELECT key FROM places WHERE key IN ({_FRESH})"  # noqa: S608
        suspects.update(key for (key,) in run(query, first))
    else:
        suspects.update(places.keys())
    _settle(run, suspects, settled, places, first=first)
    return settled, places


def take_out(run: Run, file_id: int) -> Settled:
    """Remove a file's records, and settle their calls as if they had never come."""
    settled = Settled()
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
    settle(run, {key for (key,) in suspects}, settled, without=file_id)
    for table in (*_TABLES, "unended"):
        run(f"DELETE FROM kept.{table} WHERE file_id = ?", file_id)  # noqa: S608
    return settled


def settle(run: Run, keys: set[int], settled: Settled, *, without: int = 0) -> None:
    """Settle the calls with these keys.

    Args:
        run: Runs SQL, in a transaction.
        keys: Of the calls.
        settled: Is told what changes.
        without: A file_id whose records do not count any more; they stay where they are.
    """
    places = Places(run, "key IN (SELECT unnest($1))", list(keys))
    _settle(run, keys, settled, places, without=without)


def _take_out_same(run: Run, first: int, settled: Settled) -> None:
    """Take out the records that say the same as a kept one that was not cut short.

    These are duplicates of that, whatever else there is.
    """
    same = " AND ".join(f"n.{name} IS NOT DISTINCT FROM k.{name}" for name in _CONTENT[2:])
    run(
        f"""
        INSERT INTO kept.duplicates
        SELECT n.file_id, n.record, n.line, k.file_id, k.record, n.key
        FROM kept.records AS n
        JOIN (FROM kept.records WHERE rowid IN (SELECT place FROM places)) AS k
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
        settled.changes[file_id].update(records=-number, duplicates=number)


# --- one call after the other ---------------------------------------------------------------------


@attrs.frozen(eq=False)
class _Occurrence:
    """A record of a call, and where it is.

    Attributes:
        table: In which it is.
        row: Of that table.
        file_id: Of its file.
        record: The number in that.
        line: And the line.
        key: Of the call.
        content: What it says.
        holder: Table and row that have what it says: its own, or of what it is a duplicate of.
        twin: The record that it is a duplicate of, as the tables have it.
    """

    table: str
    row: int
    file_id: int
    record: int
    line: int
    key: int
    content: tuple[Any, ...]
    holder: tuple[str, int]
    twin: tuple[int, int] | None = None

    @property
    def place(self) -> tuple[int, int]:
        """Where it came from."""
        return self.file_id, self.record


def _settle(
    run: Run,
    keys: set[int],
    settled: Settled,
    places: Places,
    *,
    first: int | None = None,
    without: int = 0,
) -> None:
    """As `settle`; `places` has the kept records of earlier files."""
    left = iter(keys)
    while some := list(islice(left, _CALLS)):
        marks = {
            (file_id, record): _Mark(fields, text)
            for file_id, record, fields, text in run("FROM kept.unended")
        }
        moves = _Moves(run, settled)
        for call in _calls(run, some, places, first, without):
            kept = _kept(call, marks)
            if first is not None and kept is not call[0] and kept.file_id >= first:
                settled.completed[kept.file_id] += 1
            known: dict[tuple[Any, ...], _Occurrence] = {}
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
    run: Run, keys: list[int], places: Places, first: int | None, without: int
) -> Iterator[list[_Occurrence]]:
    """The records of each call with one of these keys, in the order in which they came."""
    some = "key IN (SELECT unnest($1))"
    # Each alone: as one statement, they take DuckDB longer to plan than to run.
    select = f"rowid, {', '.join([*_CONTENT, *_PLACE, 'key'])} FROM kept"
    found = run(f"SELECT 'conflicts', {select}.conflicts WHERE {some}", keys)
    if kept := places.of(keys):
        by_row = f"SELECT 'records', {select}.records WHERE rowid IN (SELECT unnest($1))"
        found += run(by_row, kept)
    if first is not None:
        fresh = f"SELECT 'records', {select}.records WHERE file_id >= {first} AND {some}"
        found += run(fresh, keys)
    calls: dict[tuple[Any, ...], list[_Occurrence]] = defaultdict(list)
    holders: dict[tuple[int, int], _Occurrence] = {}
    for table, row, *values in found:
        content = tuple(values[: len(_CONTENT)])
        file_id, record, line, key = values[len(_CONTENT) :]
        each = _Occurrence(table, row, file_id, record, line, key, content, (table, row))
        holders[each.place] = each
        calls[content[:2]].append(each)
    for row, of_file, of_record, file_id, record, line, key in run(
        "SELECT rowid, of_file, of_record, file_id, record, line, key "  # noqa: S608
        f"FROM kept.duplicates WHERE {some}",
        keys,
    ):
        twin = holders[of_file, of_record]
        each = _Occurrence(
            *("duplicates", row, file_id, record, line, key, twin.content, twin.holder, twin.place)
        )
        calls[twin.content[:2]].append(each)
    for call in calls.values():
        left = [each for each in call if each.file_id != without]
        if left:
            yield sorted(left, key=lambda each: each.place)


class _Moves:
    """Records that go from one table to another."""

    def __init__(self, run: Run, settled: Settled) -> None:
        self._run = run
        self._settled = settled
        self._leaving: dict[str, list[int]] = defaultdict(list)
        # By the table that has their content, and the one that they go to.
        self._moving: dict[tuple[str, str], list[tuple[int, ...]]] = defaultdict(list)
        self._twins: list[tuple[int, ...]] = []

    def add(self, each: _Occurrence, table: str, twin: _Occurrence | None = None) -> None:
        """Put a record where it belongs; a duplicate beside what it is one of."""
        if table == each.table and (twin is None or twin.place == each.twin):
            return
        self._leaving[each.table].append(each.row)
        place = (each.file_id, each.record, each.line)
        if twin is None:
            self._moving[each.holder[0], table].append((each.holder[1], *place))
        else:
            self._twins.append((*place, *twin.place, each.key))
        if table != each.table:
            self._settled.changes[each.file_id].update({each.table: -1, table: 1})

    def make(self) -> None:
        """Move all of them: what they say is copied before it goes."""
        content = ", ".join(f"t.{name}" for name in _CONTENT)
        for (holder, table), moving in self._moving.items():
            self._run(
                f"INSERT INTO kept.{table} "  # noqa: S608
                f"SELECT {content}, m.file_id, m.record, m.line, t.key FROM ("
                "SELECT unnest($1) AS place, unnest($2) AS file_id, unnest($3) AS record, "
                f"unnest($4) AS line) AS m JOIN kept.{holder} AS t ON t.rowid = m.place",
                *map(list, zip(*moving, strict=True)),
            )
        for table, rows in self._leaving.items():
            self._run(
                f"DELETE FROM kept.{table} WHERE rowid IN (SELECT unnest(?))",  # noqa: S608
                rows,
            )
        if self._twins:
            self._run(
                "INSERT INTO kept.duplicates SELECT "
                "unnest($1), unnest($2), unnest($3), unnest($4), unnest($5), unnest($6)",
                *map(list, zip(*self._twins, strict=True)),
            )


# --- records that were cut short ------------------------------------------------------------------


@attrs.frozen
class _Mark:
    """What a record has that stands on a last line without its end.

    Attributes:
        fields: That of its last column, and those of columns that may have followed.
        text: Of the last column.
    """

    fields: Sequence[str]
    text: str


def _kept(call: Sequence[_Occurrence], marks: Mapping[tuple[int, int], _Mark]) -> _Occurrence:
    """The record of a call that is kept: the first, or one that completes it."""
    kept, *others = call
    mark = marks.get(kept.place)
    for other in others:
        if mark is None:
            break
        others_mark = marks.get(other.place)
        if other.content == kept.content:
            if others_mark is None:
                mark = None  # it was whole
        elif _completes(other, kept, mark):
            kept, mark = other, others_mark
    return kept


def _completes(whole: _Occurrence, cut: _Occurrence, mark: _Mark) -> bool:
    """Tell whether a record is another one that goes on where that ends."""
    last, *following = mark.fields
    for name, one, other in zip(_CONTENT, whole.content, cut.content, strict=True):
        field = "to" if name == "to_" else name
        if field == last:
            if not _goes_on(field, one, other, mark.text):
                return False
        elif one != other and not (field in following and other is None):
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
