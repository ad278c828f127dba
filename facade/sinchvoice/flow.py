"""One API call without any I/O: requests, the meaning of answers, retries.

    declaration (Route) → Operation → Flow.run → a driver of `exchange` → an engine

`Flow.run` is a generator. It yields a `Send` and receives the `Answer`, or a `NoAnswer` is thrown
into it; or it yields a `Wait`. It returns the result or raises an `ApiError`. Signing, redirects,
recovery from 401, retries and errors are here, once, for both drivers.
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
# URLs contain phone numbers: this logger is silent until its own level is set.
_request_logger = logging.getLogger("sinchvoice.requests")
_MAX_REDIRECTS = 3
_MAX_FORMS = 3  # forms of the canonical resource tried per request
_MAX_SKEW = 86_400.0  # seconds: a clock that differs by more is not believed
_MAX_TARGET = 2**16  # characters
_LITERAL = (("%2B", "+"), ("%40", "@"), ("%3A", ":"), ("%2C", ","))
_UNREADABLE = (  # raised by the generated code and the converters on unreadable content
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    RecursionError,
)


# --- Operations and requests ---------------------------------------------------------------------


class Outgoing(NamedTuple):
    """A request before it is signed.

    Attributes:
        method: HTTP method.
        target: Path below the base URL, and query, escaped as sent.
        content_type: Content-Type of the body; empty without a body.
        body: Bytes of the content.
        template: Path with placeholders, for traces; empty if unknown.
    """

    method: str
    target: str
    content_type: str = ""
    body: bytes = b""
    template: str = ""


class Operation(NamedTuple, Generic[T]):
    """One API call as a value, for either driver to run.

    Attributes:
        name: Name in logs and errors.
        api: API that it belongs to; selects the base URL.
        replayable: Whether sending it twice does no harm.
        has_content: Whether a success has content that matters; other content is never decoded.
        build: Makes the request.
        read: Makes the result of a success from the answer and, on request, from how the call
            went. A ValueError means that the content makes no sense.
        origin: Origin to use instead of the base URL's, if the caller gave a full URL.
        headers: Headers of this call alone.
        deadline: Seconds for this call; None for the client's deadline.
        replay_window, gone_is_done, patience, advice: As for `Route`.
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
    """Make an operation of the specification.

    Args:
        route: Declaration of the operation.
        arguments: Arguments for the generated function that builds the request.
        convert: Makes the result from the generated model and the JSON as received, with exact
            decimals. The model lacks the JSON's objects and arrays.
        name: Name of the method, if it differs from the route's.
        origin, headers, deadline: As for `Operation`.
    """

    def read(answer: Answer, info: Callable[[], ResponseInfo]) -> T:
        if not route.has_content:
            return convert(None, {})
        raw = json_object(answer.content)
        # `convert` reads objects and arrays from the JSON, with exact decimals: parsing them here
        # as well would cost as much as everything else.
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
    """Return the request as the generated code builds it, its JSON serialized once."""
    built = route.generated._get_kwargs(**arguments)
    target = built["url"]
    # The generated code escapes more than it must: these characters are sent and signed unescaped.
    for escape, character in _LITERAL:
        target = target.replace(escape, character)
    if built.get("params"):
        target = f"{target}?{urlencode(built['params'], safe=':@,')}"
    body = serialized(built["json"]) if "json" in built else b""
    content_type = built.get("headers", {}).get("Content-Type", "") if body else ""
    return Outgoing(built["method"].upper(), target, content_type, body, route.path)


def serialized(value: object) -> bytes:
    """Return JSON as it is sent and signed."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.encode("utf-8")


class Body:
    """A request body that the generated code sends unchanged.

    Args:
        value: JSON object; its members that are None are left out.
    """

    def __init__(self, value: Mapping[str, Any]) -> None:
        self._value = {name: each for name, each in value.items() if each is not None}

    def to_dict(self) -> dict[str, Any]:
        return self._value


class _Parsable:
    """A response as far as the generated code reads it, its JSON already parsed."""

    __slots__ = ("_value", "status_code")

    def __init__(self, value: Mapping[str, Any]) -> None:
        self.status_code = 200
        self._value = value

    def json(self) -> Mapping[str, Any]:
        return self._value


def path_segment(name: str, value: object) -> str:
    """Check and return a value that becomes a path segment.

    Raises:
        InvalidRequest: It is not text, is empty, has control characters, is not valid Unicode, or
            is `.` or `..`, which would reach another route.
    """
    remedy = "give text"
    if not isinstance(value, str):
        problem = f"is of type {type(value).__name__}"
    elif not value:
        problem = "is empty"
    elif re.search(r"[\x00-\x1f\x7f]", value):
        problem, remedy = f"is {value!r}", "give text without control characters"
    elif value in (".", ".."):
        problem, remedy = f"is {value!r}, which would reach another URL", "give the id itself"
    elif re.search(r"[\ud800-\udfff]", value):
        problem, remedy = f"{value!r} is not valid Unicode", "check its source"
    else:
        return value
    raise InvalidRequest(f"{name} {problem}", parameter=name, value=value, remedy=remedy)


def split_url(url: str) -> tuple[Origin, str]:
    """Split a full URL without a query into origin and path; percent-escapes stay.

    Raises:
        InvalidRequest: It is not such a URL.
    """
    try:
        origin, target = parse(url)
    except ValueError as error:
        raise InvalidRequest(f"{url!r} cannot be requested: {error}") from None
    if "?" in target or url.endswith("?"):
        raise InvalidRequest(f"{url!r} has a query", remedy="give scheme, host and path only")
    return origin, target


# --- Timing, memory, response information --------------------------------------------------------


def _random() -> float:
    from random import random

    return random()  # noqa: S311 - spreads the waits of many clients


async def _sleep_async(seconds: float) -> None:
    import asyncio

    await asyncio.sleep(seconds)


class Timing(NamedTuple):
    """Clocks, sleeps and randomness; tests replace them."""

    clock: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic
    random: Callable[[], float] = _random
    sleep: Callable[[float], None] = time.sleep
    sleep_async: Callable[[float], Awaitable[None]] = _sleep_async


class Learned:
    """Facts learned from the servers, shared by a client's threads and by clients derived from it.

    There is no lock: each access is one operation on a dict, and a fork in between loses nothing.
    """

    def __init__(self) -> None:
        self.forms: dict[Origin, CanonicalResource] = {}
        self.skews: dict[Origin, float] = {}


@attrs.frozen(kw_only=True)
class ResponseInfo:
    """How a call went, for your own metrics and logs.

    Its repr has no URL and no body; `headers` and `error` may contain ids and phone numbers.

    Attributes:
        operation: Name of the operation, for example `calls.get`.
        method: HTTP method.
        host: Host and port of the last request.
        status_code: HTTP status of the last answer; None without an answer.
        headers: Headers of the last answer, names in lower case; empty without an answer.
        attempts: HTTP requests tried, including recoveries and redirects.
        elapsed: Seconds, including retries and waits.
        error: The error raised; None after a success.
    """

    operation: str
    method: str
    host: str
    status_code: int | None
    headers: Mapping[str, str] = attrs.field(repr=False, hash=False)
    attempts: int
    elapsed: float
    error: ApiError | None = attrs.field(default=None, repr=False)


Steps: TypeAlias = Generator["Send | Wait", "Answer | None", T]


# --- Flow of one call ----------------------------------------------------------------------------


class Flow(Generic[T]):
    """One call of an operation: its state so far and its next step.

    Args:
        operation: Operation to run.
        settings: Settings of the client.
        headers: Headers of every request.
        learned: Facts learned from the servers so far.
        timing: Clocks, sleeps and randomness.
        tracer: Makes spans; None without tracing.
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
        self._attempts = 0  # as a RetryPolicy counts them
        self._requests = 0  # including recoveries and redirects
        self._method = self._path = ""
        self._origin: Origin | None = None
        self._answer: Answer | None = None
        self._retry_after: RetryAfter = None
        self._may_have_executed = False
        self._is_over = False  # the client was closed
        self._started = timing.monotonic()
        self._outcome = "refused"

    def run(self) -> Steps[T]:
        """Send, retry where that is safe, and return the result.

        Raises:
            ApiError: The call failed.
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
                        assert self._answer is not None  # noqa: S101 - the 404 itself
                        return self._result(self._answer)
                    delay = self._delay_after(failure)
                self._log_retry(delay)
                yield Wait(delay)
        except BaseException as raised:
            error = raised
            raise
        finally:
            self._finish(error)
            error = None  # else error and traceback keep each other, and all variables, alive

    def _remaining(self) -> float | None:
        """Return the seconds until the deadline; None without one."""
        return None if self._deadline is None else self._left_of(self._deadline)

    def _left_of(self, seconds: float) -> float:
        """Return how many of the given seconds since the start of the call are left."""
        return self._started + seconds - self._timing.monotonic()

    # --- Attempts --------------------------------------------------------------------------------

    def _aim(self, outgoing: Outgoing) -> tuple[Origin, str]:
        """Return the origin and the whole target of the first request.

        Raises:
            InvalidRequest: The URL is too long, or credentials may not go there.
        """
        self._method = outgoing.method
        base = self._settings.bases[self._operation.api]
        origin, target = base.origin, base.path + outgoing.target
        self._path = target.partition("?")[0]
        if len(target) > _MAX_TARGET:
            raise InvalidRequest(
                f"{self._operation.name}: the URL has {len(target)} characters, more than "
                f"{_MAX_TARGET}"
            )
        wanted = self._operation.origin
        if wanted is not None and wanted != origin:
            if not wanted.is_vendor:
                raise InvalidRequest(
                    f"{wanted} is not allowed: credentials go only to {base} and to https hosts "
                    "under .sinch.com"
                )
            origin, target = wanted, outgoing.target
        return origin, target

    def _attempt(self, outgoing: Outgoing, origin: Origin, target: str) -> Steps[Answer]:
        """Authorize and send, follow redirects, recover from 401, and return the success.

        Raises:
            ApiError: There was none.
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
        """Send one request and return the answer.

        Raises:
            ApiConnectionError: No answer came.
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
        # Only the logger's own level counts, not an inherited one.
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
        assert answer is not None  # noqa: S101 - a driver answers each Send
        self._answer = answer
        if self._span is not None:
            self._span.attempt(self._requests, answer.status)
        return answer

    def _forms(self, origin: Origin, target: str) -> list[CanonicalResource]:
        """Return the forms of a target to sign, those that differ, the best first."""
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
        """Return the headers that describe the content of a request and authenticate it."""
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
        """Return the origin and target of a redirect.

        Raises:
            ApiStatusError: They are missing or wrong, or credentials may not go there.
        """
        location = answer.header("Location")
        if not location:
            error.message = "a redirect without a Location header"
            raise error
        if count > _MAX_REDIRECTS:
            error.message = f"more than {_MAX_REDIRECTS} redirects, the last to {location!r}"
            raise error
        try:
            there, path = join(origin, target, location)
        except ValueError as reason:
            error.message = f"a redirect to {location!r} is not followed: {reason}"
            raise error from None
        if not (there.is_vendor or (there.is_loopback and origin.is_loopback)):
            error.message = (
                f"a redirect to {location!r} is not followed: credentials go only to https hosts "
                "under .sinch.com, or from loopback to loopback"
            )
            raise error
        return there, path

    def _agree(self, origin: Origin, skew: float) -> None:
        """Remember the clock difference of an accepted request, and log it."""
        self._learned.skews[origin] = skew
        if abs(skew) < 2.0:
            _logger.info(
                "this machine's clock agrees with that of %s again: signing with local time",
                origin.host,
            )
        else:
            _logger.warning(
                "this machine's clock is %.0f s %s that of %s: signing with the server's time",
                abs(skew),
                "behind" if skew > 0 else "ahead of",
                origin.host,
            )

    # --- Results and errors ----------------------------------------------------------------------

    def _result(self, answer: Answer) -> T:
        """Return the operation's result.

        Raises:
            UnexpectedResponse: The content makes no sense.
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
            kind = answer.header("Content-Type") or "no Content-Type"
            raise self._error(
                UnexpectedResponse,
                f"its content ({kind}) cannot be understood: {reason}",
                status_code=answer.status,
                body=answer.content,
            ) from error

    def _is_done(self, error: ApiError) -> bool:
        """Tell whether a failure means that an earlier attempt succeeded."""
        return (
            self._operation.gone_is_done
            and self._may_have_executed
            and isinstance(error, NotFoundError)
        )

    def _delay_after(self, error: ApiError) -> float:
        """Return the seconds to wait before another attempt.

        Raises:
            ApiError: The given error, if there is no other attempt.
        """
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
                remaining, limit = left, f"the limit of {window:g} s on repeats"
        delay = policy.delay(self._attempts, failure, remaining, self._timing.random)
        if delay is not None:
            return delay
        if policy.delay(self._attempts, failure, None, self._timing.random) is not None:
            error.gave_up = f"{limit} leaves no time for another"
        raise error

    def _status_error(self, answer: Answer, received: float) -> ApiStatusError:
        """Return the error for an answer that is not a success."""
        code = answer.status
        # A proxy answers 408 also for a request that it has passed on.
        refused = 400 <= code <= 499 and code != 408
        self._may_have_executed |= not (refused or code in (307, 308))
        body = read_error_body(answer.content)
        # A date in Retry-After is by the server's clock, which may differ from ours.
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
        """Return an error with the circumstances of this call."""
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

    # --- Logs, traces and the hook ---------------------------------------------------------------

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
        """Report the outcome to the trace, the log and the user's hook."""
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
            except Exception:  # a fault in a user's callback must not fail the call
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
        """Return the extra fields of a log record."""
        return {
            "operation": self._operation.name,
            "status": None if self._answer is None else self._answer.status,
            "attempts": self._requests,
            **more,
        }


def _summary(error: ApiError) -> str:
    """Describe an error without ids, names and phone numbers."""
    if not isinstance(error, ApiStatusError):
        return type(error).__name__
    code = "" if error.error_code is None else f", code {error.error_code}"
    return f"{type(error).__name__} (HTTP {error.status_code}{code})"


def _skew(answer: Answer, now: float) -> float | None:
    """Return the seconds by which the server's clock is ahead; None without a plausible time."""
    theirs = http_date(answer.header("Date"))
    return theirs - now if theirs is not None and abs(theirs - now) <= _MAX_SKEW else None
