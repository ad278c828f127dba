"""One call of the API without any I/O: what to send, what answers mean, whether to try again.

    declaration (Route) → Operation → Flow.run → a driver of `exchange` → an engine

`Flow.run` is a generator. It yields a `Send` and gets the `Answer`, or has a `NoAnswer` thrown into
it; or it yields a `Wait`. What it returns is the result, what it raises an `ApiError`. Signing,
redirects, recovery from 401, retries and errors exist once, in here, for both drivers.
"""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Awaitable, Callable, Generator, Mapping
from types import MappingProxyType
from typing import Any, Generic, NamedTuple, TypeAlias, TypeVar
from urllib.parse import urlencode

import attrs

from . import signing
from .decoding import http_date, json_object
from .errors import (
    ApiConnectionError,
    ApiError,
    ApiStatusError,
    ApiTimeoutError,
    InvalidRequest,
    NotFoundError,
    UnexpectedResponse,
    error_class,
    read_error_body,
)
from .retry import Failure, RetryAfter, retry_after_seconds
from .routes import Api, Route
from .settings import Auth, Settings
from .signing import CanonicalResource
from .tracing import Span, Tracer
from .urls import Origin, join, parse
from .wire import Answer, Headers, NoAnswer, Send, Wait, replaced

__all__ = [
    "Body",
    "Flow",
    "Learned",
    "Operation",
    "Outgoing",
    "ResponseInfo",
    "Steps",
    "Timing",
    "declared",
    "path_segment",
    "split_url",
]

T = TypeVar("T")
E = TypeVar("E", bound=ApiError)

_logger = logging.getLogger("sinchvoice")
# URLs have phone numbers in them: this one is silent until its own level is set.
_request_logger = logging.getLogger("sinchvoice.requests")
_MAX_REDIRECTS = 3
_MAX_FORMS = 3  # of the canonical resource, tried per request
_MAX_SKEW = 86_400.0  # seconds: no clock is wrong by more and worth believing
_MAX_TARGET = 2**16  # characters
_LITERAL = (("%2B", "+"), ("%40", "@"), ("%3A", ":"), ("%2C", ","))
_UNREADABLE = (  # what the generated code and the converters raise on content they cannot read
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    RecursionError,
)


# --- what is asked ------------------------------------------------------------------------------


class Outgoing(NamedTuple):
    """A request before it is signed.

    Attributes:
        method: HTTP method.
        target: path below the base URL, and query, escaped as they travel.
        content_type: of the body; empty without one.
        body: the bytes of the content.
        template: the path without what is particular, for traces; empty if that is not known.
    """

    method: str
    target: str
    content_type: str = ""
    body: bytes = b""
    template: str = ""


class Operation(NamedTuple, Generic[T]):
    """One call of the API: a value, to be run by either driver.

    Attributes:
        name: how logs and errors call it.
        api: which base URL it belongs to.
        replayable: sending it twice does no harm.
        has_content: whether a success has content that matters; if not, it is never decoded.
        build: makes the request.
        read: makes the result of a success, and may ask how the call went; a ValueError of it
            says that the content makes no sense.
        origin: where to send it in place of the base URL, if the caller gave a full URL.
        headers: of this call alone.
        deadline: seconds for this call, in place of the client's deadline; None for that.
        replay_window, gone_is_done, patience, advice: as for `Route`.
    """

    name: str
    api: Api
    replayable: bool
    has_content: bool
    build: Callable[[], Outgoing]
    read: Callable[[Answer, Callable[[], ResponseInfo]], T]
    origin: Origin | None = None
    headers: Mapping[str, str] = MappingProxyType({})
    deadline: float | None = None
    replay_window: float | None = None
    gone_is_done: bool = False
    patience: float = 0.0
    advice: str | None = None


def declared(
    route: Route,
    arguments: Mapping[str, Any],
    convert: Callable[[Any, Mapping[str, Any]], T],
    *,
    name: str = "",
    origin: Origin | None = None,
    headers: Mapping[str, str] = MappingProxyType({}),
    deadline: float | None = None,
) -> Operation[T]:
    """An operation that the specification has.

    Args:
        route: its declaration.
        arguments: for the generated function that builds its request.
        convert: makes the result from the generated model and the JSON as received, with exact
            decimals. The model has what is neither an object nor an array in the JSON.
        name: of the method, if it is not the route's own.
        origin, headers, deadline: as for `Operation`.
    """

    def read(answer: Answer, info: Callable[[], ResponseInfo]) -> T:
        if not route.has_content:
            return convert(None, {})
        raw = json_object(answer.content)
        # The parts that are objects are read from the JSON, with exact decimals: to parse them here
        # as well would cost as much as all the rest.
        plain = {name: value for name, value in raw.items() if type(value) not in (dict, list)}
        parsed = route.generated._parse_response(client=None, response=_Parsable(plain))
        return convert(parsed, raw)

    return Operation(
        name=name or route.name,
        api=route.api,
        replayable=route.replayable,
        has_content=route.has_content,
        build=lambda: _built(route, arguments),
        read=read,
        origin=origin,
        headers=headers,
        deadline=deadline,
        replay_window=route.replay_window,
        gone_is_done=route.gone_is_done,
        patience=route.patience,
        advice=route.advice,
    )


def _built(route: Route, arguments: Mapping[str, Any]) -> Outgoing:
    """The request as the generated code builds it, with the JSON serialized once."""
    built = route.generated._get_kwargs(**arguments)
    target = built["url"]
    # The generated code escapes what need not be: these travel as they are, and are signed so.
    for escape, character in _LITERAL:
        target = target.replace(escape, character)
    if built.get("params"):
        target = f"{target}?{urlencode(built['params'], safe=':@,')}"
    body = serialized(built["json"]) if "json" in built else b""
    content_type = built.get("headers", {}).get("Content-Type", "") if body else ""
    return Outgoing(built["method"].upper(), target, content_type, body, route.path)


def serialized(value: object) -> bytes:
    """JSON as it is sent and signed."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.encode("utf-8")


class Body:
    """A request body that the generated code sends as it is.

    Args:
        value: the JSON, without what is None.
    """

    def __init__(self, value: Mapping[str, Any]) -> None:
        self._value = {name: each for name, each in value.items() if each is not None}

    def to_dict(self) -> dict[str, Any]:
        return self._value


class _Parsable:
    """What the generated code looks at of a response, without parsing its JSON again."""

    __slots__ = ("_value", "status_code")

    def __init__(self, value: Mapping[str, Any]) -> None:
        self.status_code = 200
        self._value = value

    def json(self) -> Mapping[str, Any]:
        return self._value


def path_segment(name: str, value: object) -> str:
    """Check a value that becomes a segment of the path.

    Raises:
        InvalidRequest: it is empty, not text, or `.` or `..`, which would reach another route.
    """
    remedy = "give a text"
    if not isinstance(value, str):
        problem = f"is of type {type(value).__name__}"
    elif not value:
        problem = "is empty"
    elif re.search(r"[\x00-\x1f\x7f]", value):
        problem, remedy = f"is {value!r}", "give a text without control characters"
    elif value in (".", ".."):
        problem, remedy = f"is {value!r}, which would reach another URL", "give the id itself"
    elif re.search(r"[\ud800-\udfff]", value):
        problem, remedy = f"{value!r} is not valid Unicode", "check where it comes from"
    else:
        return value
    raise InvalidRequest(f"{name} {problem}", parameter=name, value=value, remedy=remedy)


def split_url(url: str) -> tuple[Origin, str]:
    """Split a full URL without query into its origin and its path, percent-escapes kept.

    Raises:
        InvalidRequest: it is not such a URL.
    """
    try:
        origin, target = parse(url)
    except ValueError as error:
        raise InvalidRequest(f"{url!r} is not a URL to ask: {error}") from None
    if "?" in target or url.endswith("?"):
        raise InvalidRequest(f"{url!r} is not a plain URL: it needs a host and a path, and no more")
    return origin, target


# --- what is remembered, and what is told -------------------------------------------------------


def _random() -> float:
    from random import random

    return random()  # noqa: S311 - spreads the waits of many clients


async def _sleep_async(seconds: float) -> None:
    import asyncio

    await asyncio.sleep(seconds)


class Timing(NamedTuple):
    """The clocks, the sleeps and the dice, so that tests can hold them still."""

    clock: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic
    random: Callable[[], float] = _random
    sleep: Callable[[float], None] = time.sleep
    sleep_async: Callable[[float], Awaitable[None]] = _sleep_async


class Learned:
    """What the servers taught a client: shared by its threads, and by clients derived from it.

    There is no lock: each access is one operation on a dict, and a fork in between loses nothing.
    """

    def __init__(self) -> None:
        self.forms: dict[Origin, CanonicalResource] = {}
        self.skews: dict[Origin, float] = {}


@attrs.frozen(kw_only=True)
class ResponseInfo:
    """How a call went, for metrics and logs of your own.

    Shown, it has no URL and no body in it; `headers` and `error` may have ids and numbers in them.

    Attributes:
        operation: which operation, for example `calls.get`.
        method: HTTP method.
        host: host and port that were asked last.
        status_code: HTTP status of the last answer; None if there was none.
        headers: of the last answer, names in lower case; empty if there was none.
        attempts: HTTP requests that were tried, recoveries and redirects included.
        elapsed: seconds, retries and waits included.
        error: what was raised; None after a success.
    """

    operation: str
    method: str
    host: str
    status_code: int | None
    headers: Mapping[str, str] = attrs.field(repr=False)
    attempts: int
    elapsed: float
    error: ApiError | None = attrs.field(default=None, repr=False)


Steps: TypeAlias = Generator["Send | Wait", "Answer | None", T]


# --- one call on its way ------------------------------------------------------------------------


class Flow(Generic[T]):
    """What has become of one operation so far, and what comes next.

    Args:
        operation: what is asked.
        settings: of the client.
        headers: that every request carries.
        learned: what the servers taught so far.
        timing: clocks and dice.
        tracer: makes spans; None without tracing.
    """

    def __init__(
        self,
        operation: Operation[T],
        settings: Settings,
        headers: Headers,
        learned: Learned,
        timing: Timing,
        tracer: Tracer | None = None,
    ) -> None:
        self._operation = operation
        self._settings = settings
        self._headers = replaced(headers, operation.headers) if operation.headers else headers
        self._learned = learned
        self._timing = timing
        self._tracer = tracer
        self._span: Span | None = None
        self._deadline = settings.deadline if operation.deadline is None else operation.deadline
        self._attempts = 0  # what a RetryPolicy counts
        self._requests = 0  # recoveries and redirects included
        self._method = self._path = ""
        self._origin: Origin | None = None
        self._answer: Answer | None = None
        self._retry_after: RetryAfter = None
        self._may_have_executed = False
        self._is_over = False  # the client was closed
        self._started = timing.monotonic()
        self._outcome = "refused"

    def run(self) -> Steps[T]:
        """Send, try again where that is safe, and return the result.

        Raises:
            ApiError: there is none.
        """
        error: BaseException | None = None
        try:
            outgoing = self._operation.build()
            origin, target = self._aim(outgoing)
            if self._tracer is not None:
                base = self._settings.bases[self._operation.api]
                template = outgoing.template and base.path + outgoing.template
                self._span = self._tracer.start(
                    self._operation.name, outgoing.method, template, origin
                )
            while True:
                self._attempts += 1
                try:
                    answer = yield from self._attempt(outgoing, origin, target)
                    return self._result(answer)
                except ApiError as failure:
                    if self._is_done(failure):
                        assert self._answer is not None  # noqa: S101 - it is the failure's
                        return self._result(self._answer)
                    delay = self._delay_after(failure)
                self._log_retry(delay)
                yield Wait(delay)
        except BaseException as raised:
            error = raised
            raise
        finally:
            self._finish(error)
            error = None  # with its traceback it would hold itself, and what its frames hold

    def _remaining(self) -> float | None:
        """Seconds until the deadline; None without one."""
        return None if self._deadline is None else self._left_of(self._deadline)

    def _left_of(self, seconds: float) -> float:
        """How many of so many seconds since the start of the call are left."""
        return self._started + seconds - self._timing.monotonic()

    # one attempt

    def _aim(self, outgoing: Outgoing) -> tuple[Origin, str]:
        """Origin and whole target of the first request."""
        self._method = outgoing.method
        base = self._settings.bases[self._operation.api]
        origin, target = base.origin, base.path + outgoing.target
        self._path = target.partition("?")[0]
        if len(target) > _MAX_TARGET:
            raise InvalidRequest(
                f"{self._operation.name}: the URL is too long, {len(target)} characters"
            )
        wanted = self._operation.origin
        if wanted is not None and wanted != origin:
            if not wanted.is_vendor:
                raise InvalidRequest(
                    f"{wanted} is not asked: credentials go to {base} and to https hosts under "
                    ".sinch.com only"
                )
            origin, target = wanted, outgoing.target
        return origin, target

    def _attempt(self, outgoing: Outgoing, origin: Origin, target: str) -> Steps[Answer]:
        """Authorize and send until there is a success.

        Raises:
            ApiError: there was none.
        """
        clock, learned = self._timing.clock, self._learned
        signs = self._settings.auth == Auth.SIGNED
        forms, skew = self._forms(origin, target), learned.skews.get(origin, 0.0)
        ambiguous, corrected, redirects = len(forms) > 1, False, 0
        while True:
            sent = clock()
            answer = yield from self._exchange(outgoing, origin, target, forms[0], sent + skew)
            if 200 <= answer.status <= 299:
                if ambiguous:
                    learned.forms[origin] = forms[0]
                if corrected:
                    self._agree(origin, skew)
                return answer
            received = clock()
            error = self._status_error(answer, received)
            if answer.status in (307, 308):
                redirects += 1
                origin, target = self._redirected(answer, error, origin, target, redirects)
                forms, skew = self._forms(origin, target), learned.skews.get(origin, 0.0)
                ambiguous, corrected = len(forms) > 1, False
            elif answer.status != 401 or not signs:
                raise error
            elif error.error_code == 40102 and len(forms) > 1:
                forms = forms[1:]
            elif error.error_code in (40101, 40105) and not corrected:
                measured = _skew(answer, (sent + received) / 2)
                if measured is None or abs(measured - skew) < 2.0:
                    raise error
                skew, corrected = measured, True
            else:
                raise error

    def _exchange(
        self, outgoing: Outgoing, origin: Origin, target: str, form: CanonicalResource, now: float
    ) -> Steps[Answer]:
        """Send one request.

        Raises:
            ApiConnectionError: no answer came.
        """
        remaining = self._remaining()
        self._origin, self._path = origin, target.partition("?")[0]
        patience = self._settings.timeout
        answer_patience = max(patience, self._operation.patience)
        spares_answer = self._operation.patience > 0 and self._operation.deadline is None
        if remaining is not None:
            if remaining <= 0:
                raise self._no_response(NoAnswer("", sent=False, is_late=True))
            patience = min(patience, remaining)
            if not spares_answer:
                answer_patience = min(answer_patience, remaining)
        self._requests += 1
        self._answer = None
        self._retry_after = None
        self._outcome = "cancelled"
        # Its own level, not one that it inherits.
        if 0 < _request_logger.level <= logging.INFO:
            _request_logger.info("%s %s%s", outgoing.method, origin, target)
        failure = answer = None
        try:
            answer = yield Send(
                outgoing.method,
                origin,
                target,
                [*self._headers, *self._authorization(outgoing, target, form, now)],
                outgoing.body,
                patience,
                self._remaining,
                self._operation.has_content,
                answer_patience,
                spares_answer,
            )
        except NoAnswer as caught:
            failure = caught
        if failure is not None:
            self._may_have_executed |= failure.sent
            if self._span is not None:
                self._span.attempt(self._requests, None)
            raise self._no_response(failure) from failure.__cause__
        assert answer is not None  # noqa: S101 - what a driver sends after a Send
        self._answer = answer
        if self._span is not None:
            self._span.attempt(self._requests, answer.status)
        return answer

    def _forms(self, origin: Origin, target: str) -> list[CanonicalResource]:
        """What to sign of a target: the forms that differ, the best first."""
        fixed = self._settings.canonical_resource
        if fixed is not None:
            return [fixed]
        if self._settings.auth == Auth.BASIC or ("?" not in target and "%" not in target):
            return [CanonicalResource.PATH]
        distinct: dict[str, CanonicalResource] = {}
        for form in self._learned.forms.get(origin, CanonicalResource.PATH).and_its_neighbours():
            distinct.setdefault(signing.canonical_resource(target, form), form)
        return list(distinct.values())[:_MAX_FORMS]

    def _authorization(
        self, outgoing: Outgoing, target: str, form: CanonicalResource, now: float
    ) -> Headers:
        """The headers of one request that say what is in it, and prove who sends it."""
        settings, content_type = self._settings, outgoing.content_type
        headers = [(b"Content-Type", content_type.encode("ascii"))] if content_type else []
        if settings.auth == Auth.BASIC:
            basic = settings.credentials.basic_authorization()
            return [*headers, (b"Authorization", basic.encode("ascii"))]
        timestamp = signing.format_timestamp(now)
        signature = signing.sign(
            settings.credentials,
            method=outgoing.method,
            resource=signing.canonical_resource(target, form),
            timestamp=timestamp,
            content_type=content_type,
            body=outgoing.body,
        )
        key = settings.credentials.application_key
        return [
            *headers,
            (b"Authorization", f"Application {key}:{signature}".encode("ascii")),
            (b"x-timestamp", timestamp.encode("ascii")),
        ]

    def _redirected(
        self, answer: Answer, error: ApiStatusError, origin: Origin, target: str, count: int
    ) -> tuple[Origin, str]:
        """The place the server names, if the credentials may go there."""
        location = answer.header("Location")
        if not location:
            error.message = "a redirect that does not say where to"
            raise error
        if count > _MAX_REDIRECTS:
            error.message = f"more than {_MAX_REDIRECTS} redirects, the last one to {location!r}"
            raise error
        try:
            there, path = join(origin, target, location)
        except ValueError as reason:
            error.message = f"a redirect to {location!r} is not followed: {reason}"
            raise error from None
        if not (there.is_vendor or (there.is_loopback and origin.is_loopback)):
            error.message = (
                f"a redirect to {location!r} is not followed: credentials go to https hosts under "
                ".sinch.com only, or from loopback to loopback"
            )
            raise error
        return there, path

    def _agree(self, origin: Origin, skew: float) -> None:
        """Remember the difference of clocks with which a request was accepted, and tell."""
        self._learned.skews[origin] = skew
        if abs(skew) < 2.0:
            _logger.info(
                "this machine's clock agrees with that of %s again: signing with its own time",
                origin.host,
            )
        else:
            _logger.warning(
                "this machine's clock is %.0f s %s that of %s: signing with the server's time",
                abs(skew),
                "behind" if skew > 0 else "ahead of",
                origin.host,
            )

    # how it ends

    def _result(self, answer: Answer) -> T:
        """The operation's result.

        Raises:
            UnexpectedResponse: the content makes no sense.
        """
        self._outcome = f"HTTP {answer.status}"
        operation = self._operation
        try:
            if answer.problem and operation.has_content:
                raise ValueError(answer.problem)
            return operation.read(answer, self._info)
        except ApiError:
            raise
        except _UNREADABLE as error:
            self._may_have_executed = True
            reason = str(error) if isinstance(error, ValueError) else repr(error)
            kind = answer.header("Content-Type") or "of no type"
            raise self._error(
                UnexpectedResponse,
                f"its content ({kind}) cannot be understood: {reason}",
                status_code=answer.status,
                body=answer.content,
            ) from error

    def _is_done(self, error: ApiError) -> bool:
        """Whether a failure says that an earlier attempt worked."""
        return (
            self._operation.gone_is_done
            and self._may_have_executed
            and isinstance(error, NotFoundError)
        )

    def _delay_after(self, error: ApiError) -> float:
        """Seconds to wait before another attempt; raises the error if there is none."""
        self._outcome = _summary(error)
        if isinstance(error, UnexpectedResponse) or self._is_over:
            raise error
        failure = Failure(
            replayable=self._operation.replayable,
            may_have_executed=self._may_have_executed,
            status_code=getattr(error, "status_code", None),
            retry_after=self._retry_after,
        )
        policy, remaining = self._settings.retries, self._remaining()
        limit = f"the deadline of {self._deadline:g} s" if remaining is not None else ""
        window = self._operation.replay_window
        if window is not None and self._may_have_executed:
            left = self._left_of(window)
            if remaining is None or left < remaining:
                remaining, limit = left, f"the limit of {window:g} s for repeating it"
        delay = policy.delay(self._attempts, failure, remaining, self._timing.random)
        if delay is not None:
            return delay
        if policy.delay(self._attempts, failure, None, self._timing.random) is not None:
            error.gave_up = f"{limit} leaves no time for another"
        raise error

    def _status_error(self, answer: Answer, received: float) -> ApiStatusError:
        """The error for an answer that is not a success."""
        code = answer.status
        self._may_have_executed |= not (400 <= code <= 499 or code in (307, 308))
        body = read_error_body(answer.content)
        # A time to come back at is by the server's clock, which may not be ours.
        now = http_date(answer.header("Date")) or received
        self._retry_after = retry_after_seconds(answer.values("Retry-After"), now)
        error = self._error(
            error_class(code),
            body.message,
            status_code=code,
            error_code=body.error_code,
            reference=body.reference,
            retry_after=self._retry_after,
        )
        location = answer.header("Location")
        if 300 <= code <= 399 and code not in (307, 308) and location:
            error.message = f"a redirect to {location!r} is not followed"
        return error

    def _no_response(self, failure: NoAnswer) -> ApiConnectionError:
        assert self._origin is not None  # noqa: S101 - set before anything is sent
        if failure.closed:
            self._is_over = True
            self._requests -= not failure.sent
            return self._error(ApiConnectionError, failure.reason)
        what = f"no response from {self._origin.netloc}"
        if failure.place:
            what = f"no connection to {failure.place}"
        if failure.is_late:
            message = f"{what}: the deadline of {self._deadline:g} s has passed"
            if failure.reason:
                message += f" ({failure.reason})"
            return self._error(ApiTimeoutError, message)
        kind = ApiTimeoutError if failure.timed_out else ApiConnectionError
        return self._error(kind, f"{what}: {failure.reason}")

    def _error(self, kind: type[E], message: str, **facts: Any) -> E:
        """An error with the circumstances of this call."""
        error = kind(
            message,
            operation=self._operation.name,
            method=self._method,
            path=self._path,
            attempts=self._requests,
            may_have_executed=self._may_have_executed,
            **facts,
        )
        if self._may_have_executed and error.remedy is None:
            error.remedy = self._operation.advice
        return error

    # what is told of it

    def _info(self, error: ApiError | None = None) -> ResponseInfo:
        answer = self._answer
        headers: dict[str, str] = {}
        for name, value in () if answer is None else answer.headers:
            key, text = name.decode("latin-1").lower(), value.decode("latin-1")
            headers[key] = f"{headers[key]}, {text}" if key in headers else text
        return ResponseInfo(
            operation=self._operation.name,
            method=self._method,
            host="" if self._origin is None else self._origin.netloc,
            status_code=None if answer is None else answer.status,
            headers=headers,
            attempts=self._requests,
            elapsed=self._timing.monotonic() - self._started,
            error=error,
        )

    def _finish(self, error: BaseException | None) -> None:
        """Tell the log, the trace and the user's hook how it went."""
        if self._span is not None:
            self._span.finish(error)
        if _logger.isEnabledFor(logging.INFO):
            elapsed = (self._timing.monotonic() - self._started) * 1000
            _logger.info(
                "%s: %s after %d request%s in %.0f ms",
                self._operation.name,
                self._outcome,
                self._requests,
                "" if self._requests == 1 else "s",
                elapsed,
                extra=self._facts(milliseconds=elapsed),
            )
        hook = self._settings.on_response
        if hook is not None and (error is None or isinstance(error, ApiError)):
            try:
                hook(self._info(error))
            except Exception:  # a foreign callback: what it does wrong is not the call's fault
                _logger.exception("on_response failed after %s", self._operation.name)

    def _log_retry(self, delay: float) -> None:
        if _logger.isEnabledFor(logging.DEBUG):
            _logger.debug(
                "%s: %s, again in %.1f s",
                self._operation.name,
                self._outcome,
                delay,
                extra=self._facts(delay=delay),
            )

    def _facts(self, **more: float) -> dict[str, object]:
        """Fields of a log record."""
        return {
            "operation": self._operation.name,
            "status": None if self._answer is None else self._answer.status,
            "attempts": self._requests,
            **more,
        }


def _summary(error: ApiError) -> str:
    """What happened, without ids, names and numbers."""
    if not isinstance(error, ApiStatusError):
        return type(error).__name__
    code = "" if error.error_code is None else f", code {error.error_code}"
    return f"{type(error).__name__} (HTTP {error.status_code}{code})"


def _skew(answer: Answer, now: float) -> float | None:
    """Seconds by which the server's clock is ahead of ours; None if it tells no sane time."""
    theirs = http_date(answer.header("Date"))
    return theirs - now if theirs is not None and abs(theirs - now) <= _MAX_SKEW else None
