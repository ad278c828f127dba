"""The time in which the calls of a sandbox live, and what is to happen in it."""

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
    """When so much time is over; None if that is beyond every calendar."""
    try:
        return start + timedelta(seconds=max(seconds, 0), milliseconds=max(mills, 0))
    except OverflowError:
        return None


class Agenda(Protocol):
    """What is to happen, so that a clock can go from one thing to the next."""

    def next_due(self) -> datetime | None:
        """When the next thing happens; None if nothing is to happen. Called with the lock."""
        ...

    def catch_up(self) -> None:
        """Let happen what is due. Called with the lock."""
        ...

    def settle(self) -> None:
        """Wait until all that follows from it has happened. Called without the lock."""
        ...


class SandboxClock:
    """The time in which the calls of a sandbox live.

    It does not change whether a signature is too old: that is judged by real time.

    Args:
        start: where the clock stands still until it is advanced; None follows real time, and what
            it is advanced by is added.
        lock: held while it is advanced, so that no answer has two times in it.
        agenda: what happens meanwhile.

    Raises:
        InvalidRequest: the start has no time zone, or is not between 1970 and 9000.
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
        """The time, in UTC."""
        start = time.time() if self._start is None else self._start
        return datetime.fromtimestamp(start + self._advanced, UTC)

    @property
    def stands_still(self) -> bool:
        """Whether it only moves when it is advanced."""
        return self._start is not None

    def advance(self, by: float | timedelta) -> datetime:
        """Let time pass: what was to happen meanwhile has happened then.

        It goes from one event of a call to the next, and waits until the callbacks that each leads
        to are answered; not if a `callback_app` advances it while it answers.

        Args:
            by: seconds, or a timedelta; not negative, and not beyond the year 9000.

        Returns:
            The time afterwards.

        Raises:
            InvalidRequest: it is no such length of time.
        """
        left = length_of("by", by)
        with self._lock:
            if self.now.timestamp() + left > _END:
                raise InvalidRequest(f"by is {by!r}: that is beyond the year {_LAST_YEAR}")
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
    """A length of time, in seconds.

    Raises:
        InvalidRequest: it is none, or is negative, or endless.
    """
    seconds = value.total_seconds() if isinstance(value, timedelta) else value
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds < _END:
        raise InvalidRequest(f"{name} is {value!r}: give seconds, or a timedelta, from 0 on")
    return seconds
