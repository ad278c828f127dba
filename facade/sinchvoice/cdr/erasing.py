"""Erasure of calls, which stay erased when their files are loaded again.

An erased call leaves its key, an erased reject the MD5 of its bytes, an erased period its day. None
of them is personal data in plain text.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import date

import attrs

from . import known
from .deduplication import Run, TableChanges, deduplicate
from .fast_path import literal
from .reader import split_cells

__all__ = ["EraseReport", "drop_erased", "erase"]

_ERASED_CALL = "key IN (FROM kept.erased_calls)"


@attrs.frozen(kw_only=True)
class EraseReport:
    """The number of erased rows.

    Attributes:
        records: Rows of `records`.
        conflicts: Rows of `conflicts`.
        duplicates: Duplicates, whose content was stored only once.
        rejects: Rows of `rejects`.
    """

    records: int
    conflicts: int
    duplicates: int
    rejects: int


def erase(
    run: Run, before: date | None, numbers: Sequence[str], users: Sequence[str]
) -> tuple[EraseReport, TableChanges]:
    """Erase calls and their rejects.

    Args:
        run: Runs SQL, in a transaction.
        before: Calls made before this day, in UTC.
        numbers: Calls from or to these phone numbers.
        users: Calls from or to these app users.

    Returns:
        The erased rows, and the changes to other records of the same calls.
    """
    totals: Counter[str] = Counter()
    files: dict[str, Counter[int]] = {
        name: Counter() for name in ("records", "conflicts", "duplicates", "rejects")
    }
    changes = TableChanges()
    if numbers or users:
        people = _of_people(numbers, users)
        run(
            "CREATE OR REPLACE TEMP TABLE to_erase AS SELECT DISTINCT key FROM ("  # noqa: S608
            f"SELECT key FROM kept.records WHERE {people} "
            f"UNION ALL SELECT key FROM kept.conflicts WHERE {people})"
        )
        run("INSERT INTO kept.erased_calls FROM to_erase")
        for table in ("records", "conflicts", "duplicates"):
            _delete(run, table, "key IN (FROM to_erase)", files[table])
    if before is not None:
        old = f"call_time < TIMESTAMP {literal(f'{before} 00:00:00')}"
        every = f"SELECT file_id, record, key FROM kept.{{0}} WHERE {old}"  # noqa: S608
        run(
            "CREATE OR REPLACE TEMP TABLE to_erase AS "
            f"{every.format('records')} UNION ALL {every.format('conflicts')}"
        )
        of_erased = "(of_file, of_record) IN (SELECT (file_id, record) FROM to_erase)"
        _delete(run, "duplicates", of_erased, files["duplicates"])
        for table in ("records", "conflicts"):
            _delete(run, table, old, files[table])
        suspects = run(
            "SELECT DISTINCT key FROM (SELECT key FROM kept.conflicts UNION ALL "
            "SELECT key FROM kept.duplicates) WHERE key IN (SELECT key FROM to_erase)"
        )
        deduplicate(run, {key for (key,) in suspects}, changes)
    known.forget(run)
    _erase_rejects(run, _is_meant(before, numbers, users), files["rejects"])
    for table, counts in files.items():
        totals[table] = counts.total()
        column = {"records": "loaded", "rejects": "rejected"}.get(table, table)
        for file_id, number in counts.items():
            run(
                f"UPDATE files SET {column} = {column} - $1, erased = erased + $1 "  # noqa: S608
                "WHERE file_id = $2",
                *(number, file_id),
            )
    run(
        "INSERT INTO erasures VALUES (CAST(now() AS TIMESTAMP), ?, ?, ?, ?, ?)",
        *(before, *(totals[name] for name in files)),
    )
    return EraseReport(**{name: totals[name] for name in files}), changes


def drop_erased(run: Run, first: int) -> tuple[Counter[int], Counter[int]]:
    """Remove calls erased before from new files.

    Args:
        run: Runs SQL, in a transaction.
        first: Lowest file_id of the new files.

    Returns:
        The number of records and of rejects removed, by file.
    """
    records: Counter[int] = Counter()
    rejects: Counter[int] = Counter()
    times, before = run("SELECT count(*), max(before) FROM erasures")[0]
    if times:
        condition = _ERASED_CALL
        if before is not None:
            condition += f" OR call_time < TIMESTAMP {literal(f'{before} 00:00:00')}"
        _delete(run, "records", f"file_id >= {first} AND ({condition})", records)
        condition = f"{_ERASED_CALL} OR md5(raw) IN (FROM kept.erased_rejects)"
        _delete(run, "rejects", f"file_id >= {first} AND ({condition})", rejects)
    return records, rejects


def _delete(run: Run, table: str, condition: str, counts: Counter[int]) -> None:
    """Delete rows and count them by file."""
    counted = f"SELECT file_id, count(*) FROM kept.{table} WHERE {condition} GROUP BY ALL"  # noqa: S608
    counts.update(dict(run(counted)))
    run(f"DELETE FROM kept.{table} WHERE {condition}")  # noqa: S608


def _of_people(numbers: Iterable[str], users: Iterable[str]) -> str:
    """Return the SQL condition for records of these numbers or users."""
    found = []
    for number in numbers:
        found += [f"{column} = {literal(number)}" for column in ("from_", "to_")]
        digits = _digits(number)
        if digits is not None:
            found += [
                f"(regexp_full_match({column}, {literal(_NUMBER)}) "
                f"AND regexp_replace({column}, '[^0-9]', '', 'g') = {literal(digits)})"
                for column in ("from_", "to_")
            ]
    for user in users:
        found += [f"{column} = {literal(user)}" for column in ("user_id", "from_", "to_")]
    return f"({' OR '.join(found)})"


_NUMBER = r"\+?[0-9 ()./-]+"


def _digits(text: str) -> str | None:
    """Return the digits of a phone number; None for other text."""
    return re.sub("[^0-9]", "", text) if re.fullmatch(_NUMBER, text) else None


# --- Rejects -------------------------------------------------------------------------------------


def _erase_rejects(
    run: Run, is_meant: Callable[[str, bytes, date], bool], counts: Counter[int]
) -> None:
    to_erase = []
    for reject_id, file_id, header, raw, day in run(
        "SELECT reject_id, r.file_id, header, raw, coalesce(day, CAST(loaded_at AS DATE)) "
        "FROM kept.rejects AS r JOIN files AS f ON f.file_id = r.file_id"
    ):
        if is_meant(header, raw, day):
            to_erase.append(reject_id)
            counts[file_id] += 1
    by_call = f"{_ERASED_CALL} AND reject_id NOT IN (SELECT unnest(?))"
    counted = f"SELECT file_id, count(*) FROM kept.rejects WHERE {by_call} GROUP BY ALL"  # noqa: S608
    counts.update(dict(run(counted, to_erase)))
    meant = f"reject_id IN (SELECT unnest(?)) OR {_ERASED_CALL}"
    run(
        f"INSERT INTO kept.erased_rejects SELECT md5(raw) FROM kept.rejects WHERE {meant}",  # noqa: S608
        to_erase,
    )
    run(f"DELETE FROM kept.rejects WHERE {meant}", to_erase)  # noqa: S608


def _is_meant(
    before: date | None, numbers: Sequence[str], users: Sequence[str]
) -> Callable[[str, bytes, date], bool]:
    """Return a predicate for rejects to erase, on header, bytes and day of the file."""
    texts = {*numbers, *users}
    digits = {found for found in map(_digits, numbers) if found is not None}

    def is_meant(header: str, raw: bytes, day: date) -> bool:
        text = raw.decode("utf-8", "replace")
        cells = {
            cell.strip(' "\ufeff\r\n') for cell in (*(split_cells(text) or ()), *text.split(";"))
        }
        if texts & cells or (digits and digits & {_digits(cell) for cell in cells}):
            return True
        return before is not None and (_day_of_call(header, text) or day) < before

    return is_meant


def _day_of_call(header: str, text: str) -> date | None:
    """Return the day of a reject's call; None if it cannot be determined."""
    names = [name.lower() for name in header.split(";")]
    cells = text.split(";")
    try:
        return date.fromisoformat(cells[names.index("calltime")].strip(' "')[:10])
    except (ValueError, IndexError):
        return None
