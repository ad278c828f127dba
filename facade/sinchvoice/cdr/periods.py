"""Periods of days, months or times, as people write them."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import TypeAlias
from zoneinfo import ZoneInfo

from ..data import parse_day
from ..errors import InvalidRequest, printable
from .zones import zone

__all__ = ["Period", "bounds", "day_start", "month_after"]

Period: TypeAlias = str | tuple[date, date]
"""`2026-11-23..2026-11-29`, both days included; one day or month; or a tuple of two days.

Times with a zone are possible in place of days; the second is excluded.
"""

_ONE_DAY = timedelta(days=1)


def bounds(
    period: Period, tz: str | ZoneInfo = "UTC", name: str = "period"
) -> tuple[datetime, datetime]:
    """Return the start of a period and the time after its end, in UTC.

    Args:
        period: The period.
        tz: Time zone of its days.
        name: Name of the argument in errors.

    Raises:
        InvalidRequest: The period or the time zone is not valid, or the end is before the start.
    """
    local = zone(tz)
    first, last = _ends(period, name)
    if isinstance(first, datetime) is not isinstance(last, datetime):
        raise _wrong(period, name, "give two days or two times")
    try:
        start = _moment(first, local)
        until = _moment(last if isinstance(last, datetime) else last + _ONE_DAY, local)
    except OverflowError:
        raise _wrong(period, name, "give days within the calendar") from None
    if until <= start:
        raise _wrong(period, name, "give an end after the start")
    return start, until


def day_start(day: date, tz: str | ZoneInfo = "UTC") -> datetime:
    """Return the start of a local day, in UTC."""
    return datetime.combine(day, time(), zone(tz)).astimezone(UTC)


def month_after(day: date) -> date:
    """Return the first day of the next month."""
    return (day.replace(day=1) + timedelta(days=32)).replace(day=1)


def _ends(period: Period, name: str) -> tuple[date, date]:
    if isinstance(period, str):
        first, dots, last = period.partition("..")
        return _end(first, period, name)[0], _end(last if dots else first, period, name)[1]
    if isinstance(period, tuple) and len(period) == 2:
        for each in period:
            if not isinstance(each, date) or (isinstance(each, datetime) and not each.tzinfo):
                raise _wrong(period, name, "give dates, or datetimes with a zone")
        return period
    raise _wrong(period, name, "give text like '2026-11-23..2026-11-29', or two dates")


def _end(text: str, period: Period, name: str) -> tuple[date, date]:
    """Return first and last day of a day or month; a time twice."""
    text = text.strip()
    try:
        if len(text) == 7:
            first = date.fromisoformat(f"{text}-01")
            return first, month_after(first) - _ONE_DAY
        day = parse_day(text, name)
    except (InvalidRequest, ValueError, OverflowError):
        day = None
    if day is None:
        raise _wrong(period, name, "give text like 2026-11-23..2026-11-29, 2026-11-23 or 2026-11")
    return day, day


def _moment(day: date, local: ZoneInfo) -> datetime:
    return day.astimezone(UTC) if isinstance(day, datetime) else day_start(day, local)


def _wrong(period: object, name: str, remedy: str) -> InvalidRequest:
    shown = printable(period if isinstance(period, str) else repr(period), 60)
    return InvalidRequest(f"{name} is {shown!r}: {remedy}")
