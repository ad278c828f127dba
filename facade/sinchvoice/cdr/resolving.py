"""Resolution of rejects: their call was loaded, or rejected again, since."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from .deduplication import EarlierRecords, Run

__all__ = ["reopen", "resolve_new"]

_OPEN = "SELECT key FROM kept.rejects WHERE resolved_by IS NULL AND key IS NOT NULL"
_CALL = "SELECT layout, call_id, file_id, key FROM kept.records"


def resolve_new(
    run: Run, first: int, earlier: EarlierRecords, same_bytes: Iterable[tuple[int, str]]
) -> Counter[int]:
    """Resolve rejects after new files were loaded and deduplicated.

    Args:
        run: Runs SQL, in a transaction.
        first: Lowest file_id of the new files.
        earlier: Earlier records of their calls.
        same_bytes: File_id and hash of new files loaded before under another layout.

    Returns:
        The number of rejects that each file resolved because their call is in `records`.
    """
    is_new, is_old = run(
        "SELECT bool_or(file_id >= $1), bool_or(file_id < $1) FROM kept.rejects "
        "WHERE resolved_by IS NULL",
        first,
    )[0]
    if not is_new and not (is_old and _has_call(run, first)):
        return Counter()
    for file_id, sha256 in same_bytes:
        run(
            "UPDATE kept.rejects SET resolved_by = ? WHERE resolved_by IS NULL AND file_id IN ("
            "SELECT file_id FROM files WHERE sha256 = ?)",
            *(file_id, sha256),
        )
    earlier.make_table()
    # New calls resolve earlier rejects; any call resolves new ones.
    return _resolve(
        run,
        f"{_CALL} WHERE file_id >= $1 AND key IN ({_OPEN}) "  # noqa: S608
        f"UNION ALL {_CALL} WHERE rowid IN ("
        "SELECT row_id FROM earlier_records "
        "WHERE key IN (SELECT key FROM kept.rejects WHERE file_id >= $1)) AND file_id < $1",
        first,
    )


def reopen(run: Run, file_id: int) -> int:
    """Remove a file's rejects and reopen those that it alone resolved.

    Returns:
        The number of reopened rejects.
    """
    run("DELETE FROM kept.rejects WHERE file_id = ?", file_id)
    run(
        "CREATE OR REPLACE TEMP TABLE reopened AS "
        "SELECT reject_id FROM kept.rejects WHERE resolved_by = ?",
        file_id,
    )
    run("UPDATE kept.rejects SET resolved_by = NULL WHERE resolved_by = ?", file_id)
    run(
        """
        UPDATE kept.rejects SET resolved_by = later.file_id FROM (
            SELECT a.file_id AS before, min(b.file_id) AS file_id FROM files AS a
            JOIN files AS b ON a.sha256 = b.sha256 AND a.file_id < b.file_id
            WHERE b.file_id <> ? GROUP BY ALL
        ) AS later WHERE resolved_by IS NULL AND rejects.file_id = later.before
        """,
        file_id,
    )
    _resolve(run, f"{_CALL} WHERE key IN ({_OPEN})")
    found: int = run(
        "SELECT count(*) FROM kept.rejects JOIN reopened USING (reject_id) "
        "WHERE resolved_by IS NULL"
    )[0][0]
    return found


def _has_call(run: Run, first: int) -> bool:
    """Tell whether a new record may belong to a rejected call."""
    found = run(
        f"SELECT 1 FROM kept.records WHERE file_id >= ? AND key IN ({_OPEN}) LIMIT 1",  # noqa: S608
        first,
    )
    return bool(found)


def _resolve(run: Run, calls: str, *parameters: object) -> Counter[int]:
    """Resolve open rejects by calls selected in SQL, or by a later reject of the same call.

    After some rejects are corrected and all are loaded again, only the uncorrected ones stay open.
    """
    run(f"CREATE OR REPLACE TEMP TABLE calls AS {calls}", *parameters)
    same = "{0}.key = r.key AND {0}.layout = r.layout AND {0}.call_id = r.call_id"
    run(
        f"""
        CREATE OR REPLACE TEMP TABLE resolutions AS
        SELECT r.reject_id, max(c.file_id) AS call_file, min(again.file_id) AS again_file,
            greatest(r.file_id, max(c.file_id)) AS when_called
        FROM kept.rejects AS r
        LEFT JOIN calls AS c ON {same.format("c")}
        LEFT JOIN kept.rejects AS again ON {same.format("again")} AND again.file_id > r.file_id
        WHERE r.resolved_by IS NULL AND r.key IS NOT NULL
        GROUP BY r.reject_id, r.file_id
        """  # noqa: S608
    )
    by_call = "call_file IS NOT NULL AND (again_file IS NULL OR when_called <= again_file)"
    run(
        "UPDATE kept.rejects SET "  # noqa: S608
        f"resolved_by = CASE WHEN {by_call} THEN call_file ELSE again_file END "
        "FROM resolutions AS found WHERE found.reject_id = rejects.reject_id "
        "AND coalesce(call_file, again_file) IS NOT NULL"
    )
    return Counter(
        dict(
            run(
                f"SELECT when_called, count(*) FROM resolutions WHERE {by_call} GROUP BY ALL"  # noqa: S608
            )
        )
    )
