"""Reports: a user's calls, counters, and the status of services."""

from __future__ import annotations

import logging
import os
from calendar import monthrange
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal, Self, TypeAlias

import attrs

from . import data, decoding, endpoints, routes
from .data import format_day, parse_day
from .endpoints import MxpEndpoint, PstnEndpoint, SipEndpoint, check_e164
from .errors import ApiError, InvalidRequest, Remedy
from .exchange import AsyncExchange, Exchange
from .flow import Operation, declared, path_segment
from .vocabulary import Day, Domain, ReportDomain

if TYPE_CHECKING:
    from sinchvoice_reporting.models import Counter as CounterModel
    from sinchvoice_reporting.models import ServiceStatus as StatusModel
    from sinchvoice_reporting.models import UserCallReport as ReportModel

__all__ = [
    "AsyncReports",
    "Counter",
    "FleetProgress",
    "ReportDomain",
    "ReportOutcome",
    "ReportWindow",
    "Reports",
    "ServiceStatus",
    "Step",
    "User",
    "UserCallReport",
    "format_day",
    "parse_day",
]

User: TypeAlias = PstnEndpoint | MxpEndpoint
Step: TypeAlias = timedelta | Literal["day", "week", "month"]
Window: TypeAlias = tuple[date | datetime, date | datetime]

_logger = logging.getLogger("sinchvoice")

_MAX_WINDOW = timedelta(days=30)
_TOO_LONG = Remedy("use {user_calls_by_window}", user_calls_by_window="user_calls_by_window")


@attrs.frozen(kw_only=True)
class UserCallReport(data.Model):
    """The totals of a user's calls.

    Attributes:
        success: Number of successful calls.
        failed: Number of failed calls.
        duration: Total duration in seconds.
        start: Time of the first call, in UTC; None if the server does not send it, for example
            because there was no call.
        raw: The JSON as received.

    Source: both editions of the Call Report page.
    """

    success: int
    failed: int
    duration: int
    start: datetime | None = None
    raw: Mapping[str, Any] = attrs.field(factory=dict, repr=False, eq=False)

    def _values(self) -> dict[str, Any]:
        return {
            "success": self.success,
            "failed": self.failed,
            "duration": self.duration,
            "first_call": self.start,
        }

    @classmethod
    def _read(cls, fields: data.Fields) -> Self:
        return cls(
            success=fields.needed("success", data.whole_number),
            failed=fields.needed("failed", data.whole_number),
            duration=fields.needed("duration", data.whole_number),
            start=fields.optional("first_call", data.moment),
        )


@attrs.frozen(kw_only=True)
class ReportWindow(data.Model):
    """A time window and its report.

    Attributes:
        start: The requested start of the window.
        stop: The requested end of the window.
        report: The report on the window.
    """

    start: date | datetime
    stop: date | datetime
    report: UserCallReport

    def _values(self) -> dict[str, Any]:
        return {"start": self.start, "stop": self.stop, **self.report._values()}

    @classmethod
    def _read(cls, fields: data.Fields) -> Self:
        return cls(
            start=fields.needed("start", data.day),
            stop=fields.needed("stop", data.day),
            report=UserCallReport._read(fields),
        )


@attrs.frozen(kw_only=True)
class ReportOutcome(data.Model):
    """The report on one user and window, or the error in its place.

    Attributes:
        endpoint: The user.
        start: Beginning of the window; None if no period was requested.
        stop: End of the window; None if no period was requested.
        report: The report; None if there is an error.
        error: The error; None if there is a report.
        resumed: Whether the report comes from the journal of an earlier run.
    """

    endpoint: User
    start: date | datetime | None = None
    stop: date | datetime | None = None
    report: UserCallReport | None = None
    error: ApiError | None = None
    resumed: bool = False

    def result(self) -> UserCallReport:
        """Return the report.

        Raises:
            ApiError: The request failed.
        """
        if self.report is None:
            assert self.error is not None  # noqa: S101 - one of both is set
            raise self.error
        return self.report

    def _values(self) -> dict[str, Any]:
        keys = ("success", "failed", "duration", "first_call")
        report: dict[str, Any] = dict.fromkeys(keys)
        if self.report is not None:
            report = self.report._values()
        return {
            "endpoint": self.endpoint,
            "start": self.start,
            "stop": self.stop,
            **report,
            "error": None if self.error is None else self.error.to_dict(),
        }

    @classmethod
    def _read(cls, fields: data.Fields) -> Self:
        user = fields.needed("endpoint", endpoints.read_strictly)
        if not isinstance(user, PstnEndpoint | MxpEndpoint):
            raise InvalidRequest(
                parameter="endpoint", value=user, remedy="give a phone number or an app user"
            )
        return cls(
            endpoint=user,
            start=fields.optional("start", data.day),
            stop=fields.optional("stop", data.day),
            report=UserCallReport._read(fields),
        )


@attrs.frozen(kw_only=True)
class FleetProgress:
    """The state of a run over many users.

    Attributes:
        total: Reports in all.
        done: Reports and errors so far, those of the journal included.
        failed: Errors so far.
        resumed: Reports of the journal so far.
        in_flight: Requests on their way.
        limit: Requests that the pace allows at once.
        elapsed: Seconds since the first request.
    """

    total: int
    done: int
    failed: int
    resumed: int
    in_flight: int
    limit: int
    elapsed: float

    @property
    def rate(self) -> float | None:
        """Answers a second; None before the first one."""
        answers = self.done - self.resumed
        return answers / self.elapsed if answers and self.elapsed > 0 else None

    @property
    def remaining(self) -> float | None:
        """Seconds to the end at this rate; None before the first answer."""
        return None if self.rate is None else (self.total - self.done) / self.rate


@attrs.frozen(kw_only=True)
class Counter(data.Model):
    """A counter of the platform.

    Attributes:
        value: The value at the last refresh, not at the request; the platform refreshes every two
            minutes. A Decimal only if it has a fraction.
        modified: Time of the last refresh, in UTC; None if the server does not send it.
        raw: The JSON as received.

    Source: both editions of the Call Report page.
    """

    value: int | Decimal
    modified: datetime | None = None
    raw: Mapping[str, Any] = attrs.field(factory=dict, repr=False, eq=False)

    def _values(self) -> dict[str, Any]:
        return {"value": data.json_number(self.value), "modified": self.modified}

    @classmethod
    def _read(cls, fields: data.Fields) -> Self:
        return cls(
            value=fields.needed("value", data.exact_number),
            modified=fields.optional("modified", data.moment),
        )


@attrs.frozen(kw_only=True)
class ServiceStatus(data.Model):
    """Whether a service of the platform is available.

    Attributes:
        status: `up` or `down`; other text is kept.
        raw: The JSON as received.

    Source: both editions of the Call Report page.
    """

    status: str
    raw: Mapping[str, Any] = attrs.field(factory=dict, repr=False, eq=False)

    @property
    def is_up(self) -> bool:
        """Return whether the service is available."""
        return self.status == "up"

    def _values(self) -> dict[str, Any]:
        return {"status": self.status, "is_up": self.is_up}

    @classmethod
    def _read(cls, fields: data.Fields) -> Self:
        return cls(status=fields.needed("status", data.text))


class Reports:
    """The reports of an application: `voice.reports`."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def user_calls(
        self,
        endpoint: PstnEndpoint | MxpEndpoint | str,
        start: Day | None = None,
        stop: Day | None = None,
        *,
        domain: Domain = ReportDomain.DATA,
    ) -> UserCallReport:
        """Report on a user's calls over at most 30 days.

        Args:
            endpoint: The user: a phone number or an app user; as text, `+46730170101` or `alice`,
                see `endpoints.parse`.
            start: A day, or a time with a zone; as text, ISO 8601. Only the older edition of the
                page has `start` and `stop`: a warning is logged if the answer shows that the
                server ignores them. The time zone of days is not documented; UTC is assumed.
            stop: Likewise, later than `start`. Whether it is inclusive is not documented.
            domain: `data` for calls that ended at an app, `pstn` for calls that ended in the
                telephone network.

        Raises:
            InvalidRequest: A SIP address, another domain, a time without a zone, `stop` not
                after `start`, or more than 30 days.
            ApiError: The request failed.

        Source: both editions of the Call Report page.
        """
        return self._exchange.run(user_calls(endpoint, domain, start, stop))

    def user_calls_by_window(
        self,
        endpoint: PstnEndpoint | MxpEndpoint | str,
        start: Day,
        stop: Day,
        step: timedelta = timedelta(days=1),
        *,
        domain: Domain = ReportDomain.DATA,
    ) -> Iterator[ReportWindow]:
        """Report on a period of any length, window by window.

        The windows are not summed, because the documentation does not say whether their ends are
        inclusive. If they are, calls on a boundary count in both windows; the boundary between
        windows of days is a whole day.

        Args:
            endpoint: The user: a phone number or an app user; as text, see `user_calls`.
            start: A day, or a time with a zone; as text, ISO 8601.
            stop: The same kind, later than `start`.
            step: Length of a window, at most 30 days; whole days if `start` is a day. Times are
                converted to UTC first, so a day has 24 hours. The last window may be shorter.
            domain: As for `user_calls`.

        Returns:
            An iterator that requests one window at a time, the earliest first.

        Raises:
            InvalidRequest: As for `user_calls`, raised at the call.
            ApiError: A request failed, raised during iteration.
        """
        windows = _windows(endpoint, domain, start, stop, step)
        return (
            ReportWindow(start=begin, stop=end, report=self._exchange.run(operation))
            for begin, end, operation in windows
        )

    def user_calls_many(
        self,
        users: Iterable[User | str],
        start: Day | None = None,
        stop: Day | None = None,
        *,
        step: Step | None = None,
        domain: Domain = ReportDomain.DATA,
        concurrency: int = 16,
        resume: str | os.PathLike[str] | None = None,
        progress: Callable[[FleetProgress], object] | None = None,
    ) -> Iterator[ReportOutcome]:
        """Report on many users, over a period of any length, several requests at once.

        All users are asked for the first window, then for the next one. The failure of one stops
        none of the others. HTTP 429 halves the number of requests at once and makes all of them
        wait as long as the server says; then the number creeps up again.

        Closing the iterator, which an exception in a `with contextlib.closing(...)` does, waits
        for the requests on their way; their reports are in the journal.

        Args:
            users: Phone numbers and app users; as text as for `user_calls`. One that occurs twice
                is asked once.
            start: A day, or a time with a zone; as text, ISO 8601. None, with `stop`, for no
                period.
            stop: The same kind, later than `start`.
            step: Length of a window, at most 30 days; or `day`, `week` or `month` of the calendar,
                in UTC. No window is longer than 30 days: a month of 31 days is two windows. 30
                days by default. Windows are not summed, see `user_calls_by_window`.
            domain: As for `user_calls`.
            concurrency: Requests at once, 1 to 1,000; above the client's `max_connections` they
                wait for each other.
            resume: Path of a journal. Reports in it are yielded without a request, and new ones
                are added, so that an interrupted run continues where it stopped. Errors are not
                kept.
            progress: Called after each outcome.

        Returns:
            An iterator of outcomes, each a report or an error, as they come.

        Raises:
            InvalidRequest: A user, the period or an option is not valid; when this is called, and
                nothing was requested. While it is iterated: the journal is of other reports, is
                in use, is something else, or cannot be opened.
            AuthenticationError: While it is iterated: the credentials are refused.
            RateLimitError: While it is iterated: the server asks for a pause of more than 15
                minutes.
            OSError: While it is iterated: the journal cannot be written.

        Source: both editions of the Call Report page.
        """
        from . import fleet

        plan = fleet.plan(
            self._exchange, users, start, stop, step, domain, concurrency, resume, progress
        )
        return fleet.blocking(self._exchange, plan)

    def counter(self, counter_id: str) -> Counter:
        """Read a counter, for example `currentcalls`: the number of ongoing calls.

        Args:
            counter_id: The counter's id, set up by the vendor's support; sent unchanged.

        Raises:
            InvalidRequest: The id is empty or invalid.
            NotFoundError: No such counter.
            ApiError: Anything else went wrong.

        Source: both editions of the Call Report page.
        """
        return self._exchange.run(_counter(counter_id))

    def service_status(self, service_id: str) -> ServiceStatus:
        """Return the status of a service, for example `rtpproxy`.

        Args:
            service_id: The service's id, set up with the vendor; sent unchanged.

        Raises:
            InvalidRequest: The id is empty or invalid.
            NotFoundError: No such service.
            ApiError: Anything else went wrong.

        Source: both editions of the Call Report page.
        """
        return self._exchange.run(_service_status(service_id))


class AsyncReports:
    """The async twin of `Reports`."""

    def __init__(self, exchange: AsyncExchange) -> None:
        self._exchange = exchange

    async def user_calls(
        self,
        endpoint: PstnEndpoint | MxpEndpoint | str,
        start: Day | None = None,
        stop: Day | None = None,
        *,
        domain: Domain = ReportDomain.DATA,
    ) -> UserCallReport:
        """Report on a user's calls; see `Reports.user_calls`."""
        return await self._exchange.run(user_calls(endpoint, domain, start, stop))

    def user_calls_by_window(
        self,
        endpoint: PstnEndpoint | MxpEndpoint | str,
        start: Day,
        stop: Day,
        step: timedelta = timedelta(days=1),
        *,
        domain: Domain = ReportDomain.DATA,
    ) -> AsyncIterator[ReportWindow]:
        """Report on a period, for `async for`; see `Reports.user_calls_by_window`."""
        windows = _windows(endpoint, domain, start, stop, step)

        async def reports() -> AsyncIterator[ReportWindow]:
            for begin, end, operation in windows:
                report = await self._exchange.run(operation)
                yield ReportWindow(start=begin, stop=end, report=report)

        return reports()

    def user_calls_many(
        self,
        users: Iterable[User | str],
        start: Day | None = None,
        stop: Day | None = None,
        *,
        step: Step | None = None,
        domain: Domain = ReportDomain.DATA,
        concurrency: int = 16,
        resume: str | os.PathLike[str] | None = None,
        progress: Callable[[FleetProgress], object] | None = None,
    ) -> AsyncIterator[ReportOutcome]:
        """Report on many users, for `async for`; see `Reports.user_calls_many`.

        Use `contextlib.aclosing` to leave it early. Cancellation also cancels the requests on
        their way.
        """
        from . import fleet

        plan = fleet.plan(
            self._exchange, users, start, stop, step, domain, concurrency, resume, progress
        )
        return fleet.asynchronous(self._exchange, plan)

    async def counter(self, counter_id: str) -> Counter:
        """Read a counter; see `Reports.counter`."""
        return await self._exchange.run(_counter(counter_id))

    async def service_status(self, service_id: str) -> ServiceStatus:
        """Return the status of a service; see `Reports.service_status`."""
        return await self._exchange.run(_service_status(service_id))


# --- Operations ----------------------------------------------------------------------------------


def user_calls(
    endpoint: object, domain: str, start: Day | None, stop: Day | None
) -> Operation[UserCallReport]:
    kind, name = _reportable(endpoint)
    if domain not in list(ReportDomain):
        raise InvalidRequest(parameter="domain", value=domain, remedy="give 'data' or 'pstn'")
    arguments = {"type_": kind, "endpoint": name, "domain": ReportDomain(domain).value}
    begin, end = parse_day(start, "start"), parse_day(stop, "stop")
    if begin is not None:
        arguments["field_start"] = format_day(begin)
    if end is not None:
        arguments["field_stop"] = format_day(end)
    if begin is not None and end is not None and _length(begin, end) > _MAX_WINDOW:
        raise InvalidRequest(
            f"{start} to {stop} is more than 30 days",
            parameter="stop",
            value=stop,
            remedy=_TOO_LONG,
        )
    return declared(
        routes.USER_CALL_REPORT,
        arguments,
        lambda parsed, raw: _user_call_report(parsed, raw, begin),
    )


def windows(start: Day | None, stop: Day | None, step: Step) -> Iterator[Window]:
    """Check a period, and cut it into windows of at most 30 days.

    Args:
        start: Beginning of the period.
        stop: End of the period, of the same kind.
        step: Length of a window; or `day`, `week` (from Monday) or `month` of the calendar, in
            UTC. A month of 31 days is two windows, of 30 days and of one.

    Returns:
        An iterator that makes one window at a time.

    Raises:
        InvalidRequest: The ends are not two days or two times, the period is empty, or the step is
            not one of these.
    """
    if step not in ("day", "week", "month") and not isinstance(step, timedelta):
        raise InvalidRequest(
            parameter="step", value=step, remedy="give a timedelta, 'day', 'week' or 'month'"
        )
    first, last = parse_day(start, "start"), parse_day(stop, "stop")
    if (
        first is None
        or last is None
        or isinstance(first, datetime) is not isinstance(last, datetime)
    ):
        raise InvalidRequest(
            f"start is {start!r} and stop is {stop!r}",
            parameter="stop",
            value=stop,
            remedy="give two days or two times",
        )
    days = not isinstance(first, datetime)
    if isinstance(step, timedelta):
        if not timedelta(0) < step <= _MAX_WINDOW:
            raise InvalidRequest(
                parameter="step",
                value=step,
                remedy="give a timedelta above 0 and of at most 30 days",
            )
        if days and step % timedelta(days=1):
            raise InvalidRequest(
                f"step is {step}",
                parameter="step",
                value=step,
                remedy="give whole days between days",
            )
    _length(first, last)

    def cut() -> Iterator[Window]:
        begin, final = _moment(first), _moment(last)
        while begin < final:
            length = min(_length_of(step, begin), _MAX_WINDOW)
            end = begin + length if final - begin > length else final
            yield (begin.date(), end.date()) if days else (begin, end)
            begin = end

    return cut()


def _length_of(step: Step, begin: datetime) -> timedelta:
    """Return the length of the window that begins then."""
    if isinstance(step, timedelta):
        return step
    midnight = begin.replace(hour=0, minute=0, second=0, microsecond=0)
    if step == "month":
        whole = timedelta(days=monthrange(begin.year, begin.month)[1] - begin.day + 1)
    else:
        whole = timedelta(days=7 - begin.weekday() if step == "week" else 1)
    return whole - (begin - midnight)


def _windows(
    endpoint: object, domain: str, start: Day, stop: Day, step: timedelta
) -> Iterator[tuple[date, date, Operation[UserCallReport]]]:
    """Check all arguments at once, then build one window at a time."""
    if not isinstance(step, timedelta):
        raise InvalidRequest(
            parameter="step", value=step, remedy="give a timedelta above 0 and of at most 30 days"
        )
    cut = windows(start, stop, step)
    user_calls(endpoint, domain, None, None)
    return ((begin, end, user_calls(endpoint, domain, begin, end)) for begin, end in cut)


def _counter(counter_id: str) -> Operation[Counter]:
    arguments = {"id": path_segment("counter id", counter_id)}
    return declared(routes.COUNTER, arguments, _read_counter)


def _service_status(service_id: str) -> Operation[ServiceStatus]:
    arguments = {"id": path_segment("service id", service_id)}
    return declared(routes.SERVICE_STATUS, arguments, _read_service_status)


def _reportable(endpoint: object) -> tuple[str, str]:
    """Return type and endpoint as segments of the path."""
    if isinstance(endpoint, str):
        endpoint = endpoints.parse(endpoint)
    match endpoint:
        case PstnEndpoint(number):
            check_e164("number", number)
            return "number", number
        case MxpEndpoint(username):
            return "username", path_segment("username", username)
        case SipEndpoint(address):
            raise InvalidRequest(
                f"there are no reports on SIP addresses such as {address!r}",
                parameter="endpoint",
                value=endpoint,
                remedy="give a phone number or an app user",
            )
    raise InvalidRequest(
        parameter="endpoint", value=endpoint, remedy="give a PstnEndpoint or an MxpEndpoint"
    )


def _length(start: date, stop: date) -> timedelta:
    """Return the time between them, which must be positive."""
    length = _moment(stop) - _moment(start)
    if length <= timedelta(0):
        raise InvalidRequest(f"stop {stop} is not after start {start}")
    return length


def _moment(day: date) -> datetime:
    return day if isinstance(day, datetime) else datetime.combine(day, time(), UTC)


def _user_call_report(
    parsed: ReportModel, raw: Mapping[str, Any], start: date | None
) -> UserCallReport:
    report = UserCallReport(
        success=_count("success", parsed.success),
        failed=_count("failed", parsed.failed),
        duration=_count("duration", parsed.duration),
        start=decoding.timestamp(parsed.start),
        raw=raw,
    )
    if start is not None and report.start is not None and report.start < _moment(start):
        _logger.warning(
            "a report from %s on counts calls since %s: the server seems to ignore start and stop",
            start,
            report.start,
        )
    return report


def _read_counter(parsed: CounterModel, raw: Mapping[str, Any]) -> Counter:
    value = decoding.number(raw.get("value"))
    if value is None:
        raise ValueError(f"the counter's value is {raw.get('value')!r}, not a number")
    return Counter(value=value, modified=decoding.timestamp(parsed.modified), raw=raw)


def _read_service_status(parsed: StatusModel, raw: Mapping[str, Any]) -> ServiceStatus:
    status = decoding.text(parsed.status)
    if status is None:
        raise ValueError(f"the service's status is {raw.get('status')!r}, not text")
    folded = status.lower()
    return ServiceStatus(status=folded if folded in ("up", "down") else status, raw=raw)


def _count(name: str, value: object) -> int:
    """Read a number of the report; a missing one has no safe default."""
    count = decoding.whole_number(value)
    if count is None:
        raise ValueError(f"the report's {name} is missing or not a whole number")
    return count
