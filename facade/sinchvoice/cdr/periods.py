"""Days and months of a time zone as times in UTC, for queries."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from .zones import zone

__all__ = ["day_start", "query_time", "span"]


def day_start(day: date, tz: str | ZoneInfo = "UTC") -> datetime:
    """Return the start of a local day, in UTC."""
    return datetime.combine(day, time(), zone(tz)).astimezone(UTC)


def span(
    first: date, last: date, tz: str | ZoneInfo = "UTC", *, by_month: bool = False
) -> tuple[datetime, datetime]:
    """Return the start of the first day and the time after the last one, in UTC.

    Args:
        first: First local day.
        last: Last local day.
        tz: Time zone.
        by_month: Whether the month of the last day is included to its end.
    """
    after = last + timedelta(days=1)
    if by_month:
        after = (last.replace(day=1) + timedelta(days=32)).replace(day=1)
    return day_start(first, tz), day_start(after, tz)


def query_time(moment: datetime) -> str:
    """Return a time as the parameter of a query: in UTC, without a zone."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(" ")
