"""The clock of a sandbox, and the agenda of events that it drives."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol

from ..errors import InvalidRequest

__all__ = ["Agenda", "SandboxClock", "end_of", "length_of"]

_LAST_YEAR = 9000
_END = datetime(_LAST_YEAR, 1, 1, tzinfo=UTC).timestamp()


def end_of(start: datetime, seconds: float = 0, *, mills: int = 0) -> datetime | None:
    """Return the time after a wait; None if it is after the year 9999."""
    try:
        return start + timedelta(seconds=max(seconds, 0), milliseconds=max(mills, 0))
    except OverflowError:
        return None


class Agenda(Protocol):
    """Scheduled events, for a clock that steps from one to the next."""

    def next_due(self) -> datetime | None:
        """Return the time of the next event; None if there is none. Call with the lock held."""
        ...

    def catch_up(self) -> None:
        """Run all events that are due. Call with the lock held."""
        ...

    def settle(self) -> None:
        """Wait until all their effects are complete. Call without the lock."""
        ...


class SandboxClock:
    """The clock of the calls in a sandbox. The age of signatures is checked by real time.

    Args:
        start: Time at which the clock stands still until it is advanced. None follows real time,
            plus all advances.
        lock: Held during each step, so that no answer mixes two times.
        agenda: Events to run on the way.

    Raises:
        InvalidRequest: The start has no time zone, or is not between 1970 and 9000.
    """

    def __init__(
        self, start: datetime | None, lock: threading.RLock, agenda: Agenda | None = None
    ) -> None:
        if start is not None and (not isinstance(start, datetime) or start.tzinfo is None):
            raise InvalidRequest(f"now is {start!r}: give a datetime with a time zone, like UTC")
        if start is not None and not 1970 < start.year < _LAST_YEAR:
            raise InvalidRequest(f"now is {start!r}: give a time between 1970 and {_LAST_YEAR}")
        self._start = None if start is None else start.timestamp()
        self._advanced = 0.0
        self._lock = lock
        self._agenda = agenda

    @property
    def now(self) -> datetime:
        """The current time, in UTC."""
        start = time.time() if self._start is None else self._start
        return datetime.fromtimestamp(start + self._advanced, UTC)

    @property
    def stands_still(self) -> bool:
        """Whether the clock moves only when advanced."""
        return self._start is not None

    def advance(self, by: float | timedelta) -> datetime:
        """Let time pass, and run all events of calls on the way.

        The clock steps from one event to the next, and at each waits until all resulting callbacks
        are answered, unless a `callback_app` advances it while answering.

        Args:
            by: Seconds or a timedelta; not negative, and not past the year 9000.

        Returns:
            The new time.

        Raises:
            InvalidRequest: `by` is not such a duration.
        """
        left = length_of("by", by)
        with self._lock:
            if self.now.timestamp() + left > _END:
                raise InvalidRequest(f"by is {by!r}: stay before the year {_LAST_YEAR}")
        while True:
            with self._lock:
                due = self._agenda.next_due() if self._agenda else None
                until = left if due is None else (due - self.now).total_seconds()
                step = min(left, max(until, 0.0))
                self._advanced += step
                left -= step
                if self._agenda:
                    self._agenda.catch_up()
            if self._agenda:
                self._agenda.settle()
            if left <= 0:
                return self.now


def length_of(name: str, value: float | timedelta) -> float:
    """Return a duration in seconds.

    Raises:
        InvalidRequest: The value is not a duration, or is negative or infinite.
    """
    seconds = value.total_seconds() if isinstance(value, timedelta) else value
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds < _END:
        raise InvalidRequest(f"{name} is {value!r}: give seconds or a timedelta, not negative")
    return seconds
