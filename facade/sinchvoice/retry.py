"""When to retry, and how long to wait: decisions only, no sleeping."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from enum import Enum
from typing import Literal, NamedTuple, TypeAlias

import attrs

from .decoding import http_date
from .errors import ConfigurationError

__all__ = ["UNREADABLE", "Failure", "RetryAfter", "RetryPolicy", "retry_after_seconds"]

_TRANSIENT = frozenset({429, 502, 503, 504})
_LONGEST = 1e12  # seconds; longer than any wait


class Unreadable(Enum):
    """The server asked to wait, but for an unreadable time."""

    UNREADABLE = "unreadable"


UNREADABLE: Literal[Unreadable.UNREADABLE] = Unreadable.UNREADABLE
RetryAfter: TypeAlias = float | Literal[Unreadable.UNREADABLE] | None


class Failure(NamedTuple):
    """The facts of a failed attempt that decide about a retry.

    Attributes:
        replayable: Whether sending the request twice does no harm (a GET).
        may_have_executed: Whether the server may have acted on this attempt.
        status_code: HTTP status; None without a response.
        retry_after: Seconds the server asked to wait; None if it did not ask, UNREADABLE if the
            time is unreadable.
    """

    replayable: bool
    may_have_executed: bool
    status_code: int | None = None
    retry_after: RetryAfter = None


def _count(instance: object, attribute: attrs.Attribute[int], value: object) -> None:
    if type(value) is not int or value < 0:
        raise ConfigurationError(
            parameter=attribute.name, value=value, remedy="give a whole number, 0 or more"
        )


def _seconds(instance: object, attribute: attrs.Attribute[float], value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0:
        raise ConfigurationError(
            parameter=attribute.name, value=value, remedy="give seconds, 0 or more"
        )


@attrs.frozen(kw_only=True)
class RetryPolicy:
    """How often to retry, and how long to wait.

    A GET is retried after a failed connection, a timeout, and HTTP 429, 502, 503 and 504. A request
    that changes something is retried only if the server certainly did not act: the connection was
    never made, or the answer is HTTP 429. A message is never played twice.

    Attributes:
        retries: Attempts after the first; 0 switches retries off.
        first_delay: Upper end of the first wait, in seconds; it doubles with each retry.
        max_delay: Upper end of every wait, in seconds; also the wait after an unreadable
            Retry-After.
        max_retry_after: Longest accepted Retry-After, in seconds; a longer one raises the error at
            once.

    Raises:
        ConfigurationError: A value is negative or not a number.
    """

    retries: int = attrs.field(default=2, validator=_count)
    first_delay: float = attrs.field(default=0.5, validator=_seconds)
    max_delay: float = attrs.field(default=8.0, validator=_seconds)
    max_retry_after: float = attrs.field(default=30.0, validator=_seconds)

    def delay(
        self, attempt: int, failure: Failure, remaining: float | None, random: Callable[[], float]
    ) -> float | None:
        """Decide about another attempt.

        Args:
            attempt: Attempts so far, 1 or more.
            failure: Facts of the last failure.
            remaining: Seconds until the deadline; None without a deadline.
            random: Returns numbers from 0 to 1, to spread the waits of many clients.

        Returns:
            Seconds to wait before the next attempt, or None to give up.
        """
        if attempt > self.retries or not self._may_repeat(failure):
            return None
        if failure.retry_after is None:
            ceiling = min(self.max_delay, self.first_delay * 2.0 ** min(attempt - 1, 60))
            delay = ceiling * (0.5 + 0.5 * random())
        elif failure.retry_after is UNREADABLE:
            delay = self.max_delay
        elif failure.retry_after > self.max_retry_after:
            return None
        else:
            delay = failure.retry_after
        return None if remaining is not None and delay >= remaining else delay

    @staticmethod
    def _may_repeat(failure: Failure) -> bool:
        if failure.status_code is not None and failure.status_code not in _TRANSIENT:
            return False
        return failure.replayable or not failure.may_have_executed


def retry_after_seconds(value: str | Iterable[str] | None, now: float) -> RetryAfter:
    """Read a Retry-After header in either form.

    Args:
        value: The header: seconds or an HTTP date. A repeated header is a list or has commas
            between its values. None if it is missing.
        now: The current time, in seconds since 1970.

    Returns:
        Seconds from `now`, 0 or more, the longest of several; None without a header, UNREADABLE
        for a header with neither seconds nor a date.

    Source: RFC 9110, section 10.2.3; fractions of seconds are accepted as well.
    """
    if value is None:
        return None
    values = [value] if isinstance(value, str) else list(value)
    if not values:
        return None
    parts = [part for text in values for part in _VALUE.findall(text)]
    waits = [wait for part in parts if (wait := _seconds_of(part.strip(), now)) is not None]
    return max(waits, default=UNREADABLE)


# In a date, a comma follows the day of the week.
_VALUE = re.compile(r"\s*(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*\s*,[^,]*|[^,]+", re.IGNORECASE)


def _seconds_of(text: str, now: float) -> float | None:
    if re.fullmatch(r"[0-9]+(?:\.[0-9]+)?", text):
        return min(float(text), _LONGEST)
    moment = http_date(text)
    return None if moment is None else min(max(0.0, moment - now), _LONGEST)
