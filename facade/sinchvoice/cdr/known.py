"""The index of known calls: the files of an archive that may have the calls of a new file.

Without it, a new file is compared with the key of every archived record. The index has a mark of
four bytes for each record instead: twenty bits of its key, and twelve that narrow down its file.
Marks of similar keys are together in a bucket, so only the buckets of the new keys are examined.

A mark may belong to another call: the index says only where to search. It covers the files up to a
file_id. Later files are always searched, until they are numerous enough to be indexed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import attrs

__all__ = ["TABLES", "KnownCalls", "Run", "build", "forget", "key_ranges", "read", "trim"]

Run: TypeAlias = Callable[..., list[tuple[Any, ...]]]
"""Runs SQL with parameters and returns the rows."""

TABLES = """
CREATE TABLE kept.known_calls (bucket BIGINT, marks UINTEGER[]);
CREATE TABLE kept.known_until (
    file_id INTEGER, bucket_bits INTEGER, file_shift INTEGER, records BIGINT
);
INSERT INTO kept.known_until VALUES (0, 0, 0, 0);
"""
"""SQL for the tables of an empty index."""

_KEY_BITS = 60
_MARK_BITS = 20
"""Bits of the key in a mark."""
_FILE_BITS = 12
"""Bits of the file_id in a mark."""
_IN_BUCKET = 64
"""Least average number of marks in a bucket."""
_LEAST = 1_000_000
"""Least number of records in later files for a new index."""
_GROWTH = 4
"""Largest ratio of indexed records to those in later files for a new index."""
_AT_ONCE = 4_000_000
"""Approximate number of records indexed at once; it bounds the memory."""
_WORTHWHILE = 500
"""Least ratio of indexed records to new ones from which the index is faster than a search."""
_PLACES = 20
"""Number of places above which all files are searched."""


@attrs.frozen
class KnownCalls:
    """The state of the index.

    Attributes:
        until: Highest file_id in the index; 0 if there is none.
        bucket_bits: Number of leading bits of the key that select the bucket.
        file_shift: Number of last bits of the file_id that a mark leaves out.
        indexed: Number of records in the indexed files.
        last: Highest file_id in the archive; 0 if it is empty.
        later: Number of records in later files.
    """

    until: int
    bucket_bits: int
    file_shift: int
    indexed: int
    last: int
    later: int

    def is_outdated(self, new: int) -> bool:
        """Tell whether the later files should be indexed, `new` more records included."""
        return self.later + new >= max(_LEAST, self.indexed // _GROWTH)

    def files(self, run: Run, number: int, keys: str, *parameters: object) -> str:
        """Return an SQL condition on `file_id` for the files that may have calls with some keys.

        Args:
            run: Runs SQL, in a transaction.
            number: Approximate number of keys.
            keys: Query for the keys.
            parameters: Parameters of the query.
        """
        if not self.until or number * _WORTHWHILE > self.indexed:
            return "true"
        shift = _KEY_BITS - self.bucket_bits
        # From a table, DuckDB knows that the keys are few and does not build a hash table of marks.
        run(f"CREATE OR REPLACE TEMP TABLE new_keys AS {keys}", *parameters)
        found = run(
            f"""
            SELECT DISTINCT mark & {(1 << _FILE_BITS) - 1} FROM (
                SELECT (key >> {shift - _MARK_BITS}) & {(1 << _MARK_BITS) - 1} AS bits,
                    unnest(marks) AS mark
                FROM kept.known_calls JOIN new_keys ON bucket = key >> {shift}
            ) WHERE mark >> {_FILE_BITS} = bits LIMIT {_PLACES + 1}
            """  # noqa: S608
        )
        if len(found) > _PLACES:
            return "true"
        size = 1 << self.file_shift
        places = [f"file_id BETWEEN {at * size} AND {at * size + size - 1}" for (at,) in found]
        return f"({' OR '.join([f'file_id > {self.until}', *places])})"


def key_ranges(records: int, at_once: int, bits: int = _KEY_BITS) -> Iterator[str]:
    """Yield SQL conditions on `key` that divide records into parts of about equal size.

    Args:
        records: Number of records.
        at_once: Largest number of records in a part, about.
        bits: Number of leading bits of the key that decide the part.
    """
    parts = records // at_once + 1
    if parts == 1:
        yield "true"
        return
    for part in range(parts):
        first, end = ((at << bits) // parts << _KEY_BITS - bits for at in (part, part + 1))
        yield f"key >= {first} AND key < {end}"


def read(run: Run) -> KnownCalls:
    """Return the state of the index."""
    until, bucket_bits, file_shift, indexed = run("FROM kept.known_until")[0]
    last, later = run(
        "SELECT coalesce(max(file_id), $1), coalesce(sum(records), 0) FROM files "
        "WHERE file_id > $1",
        until,
    )[0]
    return KnownCalls(until, bucket_bits, file_shift, indexed, last, later)


def build(run: Run) -> None:
    """Index all files anew, in a transaction."""
    last, records = run("SELECT coalesce(max(file_id), 0), coalesce(sum(records), 0) FROM files")[0]
    bits = max(0, (records // _IN_BUCKET).bit_length() - 1)
    file_shift = max(0, last.bit_length() - _FILE_BITS)
    shift = _KEY_BITS - bits
    # A record keeps its file_id when it moves from one of these tables to another.
    keys = " UNION ALL ".join(
        f"SELECT key, file_id FROM kept.{table}"  # noqa: S608
        for table in ("records", "conflicts", "duplicates")
    )
    forget(run)
    for part in key_ranges(records, _AT_ONCE, bits):
        run(
            f"""
            INSERT INTO kept.known_calls
            SELECT key >> {shift} AS bucket, list(CAST(
                (((key >> {shift - _MARK_BITS}) & {(1 << _MARK_BITS) - 1}) << {_FILE_BITS})
                + (file_id >> {file_shift}) AS UINTEGER))
            FROM ({keys}) WHERE {part} GROUP BY bucket
            """  # noqa: S608
        )
    run("DELETE FROM kept.known_until")
    run("INSERT INTO kept.known_until VALUES (?, ?, ?, ?)", last, bits, file_shift, records)


def forget(run: Run) -> None:
    """Remove the index, in a transaction."""
    run("DELETE FROM kept.known_calls")
    run("UPDATE kept.known_until SET file_id = 0, records = 0")


def trim(run: Run) -> None:
    """Exclude file_ids that later files will have, after files were removed."""
    run(
        "UPDATE kept.known_until SET file_id = "
        "least(file_id, (SELECT coalesce(max(file_id), 0) FROM files))"
    )
