"""When to try again, and how long to wait: decisions only, no sleeping."""

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
    """The server asked to wait for a time that cannot be read."""

    UNREADABLE = "unreadable"


UNREADABLE: Literal[Unreadable.UNREADABLE] = Unreadable.UNREADABLE
RetryAfter: TypeAlias = float | Literal[Unreadable.UNREADABLE] | None


class Failure(NamedTuple):
    """How an attempt failed, as far as a decision needs it.

    Attributes:
        replayable: sending the request twice does no harm (a GET).
        may_have_executed: the server may have acted on this attempt.
        status_code: HTTP status; None if there was no response.
        retry_after: seconds the server asked to wait; None if it did not ask, UNREADABLE if it
            asked for something else.
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
    """How often and how patiently to try again.

    A GET is tried again after a failed connection, a timeout, and HTTP 429, 502, 503, 504. A
    request that changes something is tried again only when the server surely did not act: the
    connection was never made, or HTTP 429. A message is never played twice.

    Attributes:
        retries: further attempts after the first; 0 switches retrying off.
        first_delay: upper end of the first wait, in seconds; each further one is twice as long.
        max_delay: upper end of every wait, in seconds; waited if a Retry-After cannot be read.
        max_retry_after: the longest Retry-After, in seconds, that is waited for; a longer one
            is raised at once.

    Raises:
        ConfigurationError: a number is negative or no number.
    """

    retries: int = attrs.field(default=2, validator=_count)
    first_delay: float = attrs.field(default=0.5, validator=_seconds)
    max_delay: float = attrs.field(default=8.0, validator=_seconds)
    max_retry_after: float = attrs.field(default=30.0, validator=_seconds)

    def delay(
        self, attempt: int, failure: Failure, remaining: float | None, random: Callable[[], float]
    ) -> float | None:
        """Decide on the attempt after number `attempt`.

        Args:
            attempt: attempts so far, 1 or more.
            failure: how the last one failed.
            remaining: seconds until the deadline; None without a deadline.
            random: gives numbers from 0 to 1, to spread the waits of many clients.

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
    """Read a Retry-After header in both of its forms.

    Args:
        value: the header: seconds, or an HTTP date; several, as a list or with commas between
            them, if it is there several times; None if it is missing.
        now: the current time, in seconds since 1970.

    Returns:
        Seconds from `now`, 0 or more, the longest of several; None if there is no header,
        UNREADABLE if there is one that is neither seconds nor a date.

    Source: RFC 9110, section 10.2.3; a fraction of seconds is understood as well.
    """
    if value is None:
        return None
    values = [value] if isinstance(value, str) else list(value)
    if not values:
        return None
    parts = [part for text in values for part in _VALUE.findall(text)]
    waits = [wait for part in parts if (wait := _seconds_of(part.strip(), now)) is not None]
    return max(waits, default=UNREADABLE)


# The comma in a date is behind the day of the week.
_VALUE = re.compile(r"\s*(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*\s*,[^,]*|[^,]+", re.IGNORECASE)


def _seconds_of(text: str, now: float) -> float | None:
    if re.fullmatch(r"[0-9]+(?:\.[0-9]+)?", text):
        return min(float(text), _LONGEST)
    moment = http_date(text)
    return None if moment is None else min(max(0.0, moment - now), _LONGEST)
