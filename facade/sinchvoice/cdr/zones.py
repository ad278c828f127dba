"""Local time in SQL: the offsets of a time zone as an expression for DuckDB and Spark.

The two engines share no function for time zones and can have different versions of the rules. The
offsets come from `zoneinfo`, so that both engines and Python agree.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

from ..errors import InvalidRequest

__all__ = ["local_time", "offsets", "zone"]

# No record is older than the API; later changes of law are unknown.
_FIRST, _LAST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2070, 1, 1, tzinfo=UTC)
_UTC_UNTIL, _KNOWN, _UTC_FROM = (
    datetime.fromisoformat(day) for day in ("0001-01-01", "0001-01-02", "9999-12-31")
)
_STEP = timedelta(hours=12)


def zone(name: object) -> ZoneInfo:
    """Return a time zone.

    Args:
        name: Name in the IANA database, like `Europe/Stockholm`, or a ZoneInfo with one.

    Raises:
        InvalidRequest: The zone does not exist or has no name.
    """
    if isinstance(name, ZoneInfo):
        name = name.key
    if isinstance(name, str) and name:
        try:
            return ZoneInfo(name)
        except (KeyError, OSError, ValueError):  # ZoneInfoNotFoundError is a KeyError
            pass
    raise InvalidRequest(
        parameter="tz",
        value=name,
        remedy="give a name of the IANA database, like 'Europe/Stockholm'; if the system has no "
        "such database, pip install tzdata",
    )


@cache
def offsets(name: str) -> tuple[tuple[datetime, int], ...]:
    """Return the UTC offsets of a zone in seconds, each with its start.

    The first offset also holds before its start. Times are in UTC, without a zone, from 2000 to
    2070.
    """
    local = zone(name)

    def offset(moment: datetime) -> timedelta | None:
        return moment.astimezone(local).utcoffset()

    def change(before: datetime, after: datetime) -> datetime:
        """Return the second of the change between two times."""
        while after - before > timedelta(seconds=1):
            middle = before + timedelta(seconds=(after - before) // timedelta(seconds=2))
            before, after = (
                (middle, after) if offset(middle) == offset(before) else (before, middle)
            )
        return after

    found = [_FIRST]
    moment = _FIRST
    while moment < _LAST:
        if offset(moment) != offset(moment + _STEP):
            found.append(change(moment, moment + _STEP))
        moment += _STEP
    seconds = [offset(each) or timedelta(0) for each in found]
    return tuple(
        (each.replace(tzinfo=None), round(one.total_seconds()))
        for each, one in zip(found, seconds, strict=True)
    )


def local_time(column: str, name: str) -> str:
    """Return SQL for the local time of a column with times in UTC, without a zone.

    Times on the first and last day that Python can represent stay in UTC.
    """
    if name == "UTC":
        return column
    (_, before), *later = offsets(name)
    return _chosen(column, [(_UTC_UNTIL, 0), (_KNOWN, before), *later, (_UTC_FROM, 0)])


def _chosen(column: str, parts: Sequence[tuple[datetime, int]]) -> str:
    """Return a tree of conditions, with as many comparisons per row as its depth."""
    if len(parts) == 1:
        seconds = parts[0][1]
        sign = "-" if seconds < 0 else "+"
        return f"{column} {sign} INTERVAL '{abs(seconds)}' SECOND"
    middle = len(parts) // 2
    begins = f"CAST('{parts[middle][0]}' AS TIMESTAMP WITHOUT TIME ZONE)"
    return (
        f"CASE WHEN {column} < {begins} THEN {_chosen(column, parts[:middle])} "
        f"ELSE {_chosen(column, parts[middle:])} END"
    )
