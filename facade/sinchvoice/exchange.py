"""The way of an Operation to the wire and back: the only module that knows httpx.

    Calls, Reports → Operation → Exchange.run → generated endpoint → _Passage → httpx

An Operation says what to send and how to read the answer. The two drivers, `Exchange.run` and
`AsyncExchange.run`, put it through the generated endpoint function, handing it a `_Passage` where
it expects its own client. The passage is the httpx auth of that one call: it sees every response
before the generated code does, so that signing, redirects, recovery and errors exist once.
"""

from __future__ import annotations

import logging
import random
import re
import sys
import threading
import time
import zlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Generic, Literal, Protocol, Self, TypeVar, cast

import attrs
import httpx

from . import signing
from ._version import __version__
from .decoding import http_date, json_object
from .errors import (
    ApiConnectionError,
    ApiError,
    ApiStatusError,
    ApiTimeoutError,
    ConfigurationError,
    InvalidRequest,
    UnexpectedResponse,
    error_class,
    read_error_body,
)
from .retry import Failure, retry_after_seconds
from .settings import Auth, Settings, is_loopback
from .signing import CanonicalResource

__all__ = ["AsyncExchange", "Exchange", "Operation", "Reply", "Timing", "path_segment", "split_url"]

T = TypeVar("T")
A = TypeVar("A", bound=ApiError)

_logger = logging.getLogger("sinchvoice")
_MAX_CONTENT = 2**20  # bytes; the answers of these APIs are a few hundred
_MAX_REDIRECTS = 3
_MAX_FORMS = 3  # of the canonical resource, tried per request
_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)
_FAILURES = (  # what httpx, the generated code and the decoder raise, and our own
    ApiError,
    httpx.TransportError,
    httpx.InvalidURL,
    TimeoutError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    RuntimeError,
)


# --- what is asked ------------------------------------------------------------------------------


class Endpoint(Protocol):
    """A generated endpoint module."""

    @property
    def sync_detailed(self) -> Callable[..., Any]: ...

    @property
    def asyncio_detailed(self) -> Callable[..., Any]: ...


@attrs.frozen
class Reply:
    """A success, decoded.

    Attributes:
        parsed: the generated model.
        raw: the same JSON as received, with exact decimals.
    """

    parsed: Any
    raw: Mapping[str, Any]


@attrs.frozen(kw_only=True)
class Operation(Generic[T]):
    """One call of the API: a value, to be run by either driver.

    Attributes:
        name: how logs and errors call it.
        api: which base URL it belongs to.
        endpoint: the generated module.
        arguments: for the functions of that module.
        replayable: sending it twice does no harm.
        convert: makes the result from the reply; a ValueError of it says that the content makes
            no sense.
        has_content: whether a success has content that matters; if not, it is never decoded.
        origin: scheme, host and port to use in place of the base URL, if the caller gave a
            full URL.
    """

    name: str
    api: Literal["calling", "reporting"]
    endpoint: Endpoint
    arguments: Mapping[str, Any]
    replayable: bool
    convert: Callable[[Reply], T]
    has_content: bool = True
    origin: str | None = None


def path_segment(name: str, value: object) -> str:
    """Check a value that becomes a segment of the path.

    Raises:
        InvalidRequest: it is empty, no text, or `.` or `..`, which would reach another route.
    """
    if not isinstance(value, str):
        raise InvalidRequest(f"{name} is of type {type(value).__name__}: give a text")
    if not value or re.search(r"[\x00-\x1f\x7f]", value):
        raise InvalidRequest(f"{name} is {value!r}: give a text without control characters")
    if value in (".", ".."):
        raise InvalidRequest(
            f"{name} is {value!r}, which would reach another URL: give the id itself"
        )
    try:
        value.encode()
    except UnicodeEncodeError:
        raise InvalidRequest(
            f"{name} {value!r} is not valid Unicode: check where it comes from"
        ) from None
    return value


def split_url(url: str) -> tuple[str, str]:
    """Split a full URL without query into its origin and its path, percent-escapes kept.

    Raises:
        InvalidRequest: it is no such URL.
    """
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise InvalidRequest(f"{url!r} is not a URL: {error}") from None
    if not parsed.host or parsed.query or parsed.fragment or parsed.userinfo:
        raise InvalidRequest(f"{url!r} is not a plain URL: it needs a host and a path, and no more")
    return _origin(parsed), parsed.raw_path.decode("ascii")


# --- the drivers --------------------------------------------------------------------------------


async def _sleep_async(seconds: float) -> None:
    import asyncio

    await asyncio.sleep(seconds)


@attrs.frozen
class Timing:
    """The clocks, the sleeps and the dice, so that tests can hold them still."""

    clock: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic
    random: Callable[[], float] = random.random
    sleep: Callable[[float], None] = time.sleep
    sleep_async: Callable[[float], Awaitable[None]] = _sleep_async


class _Learned:
    """What the servers taught a client: shared by its threads, and by clients derived from it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._forms: dict[str, CanonicalResource] = {}
        self._skews: dict[str, float] = {}

    @property
    def skewed(self) -> bool:
        return bool(self._skews)

    def form(self, origin: str) -> CanonicalResource | None:
        with self._lock:
            return self._forms.get(origin)

    def skew(self, origin: str) -> float:
        with self._lock:
            return self._skews.get(origin, 0.0)

    def learn_form(self, origin: str, form: CanonicalResource) -> None:
        with self._lock:
            self._forms[origin] = form

    def learn_skew(self, origin: str, skew: float) -> None:
        with self._lock:
            self._skews[origin] = skew


class _Exchange:
    """What both drivers share: settings, connections, and what the servers taught."""

    def __init__(self, settings: Settings, http: Any, timing: Timing, learned: _Learned) -> None:
        self.settings = settings
        self._http = http
        self._timing = timing
        self._learned = learned

    @staticmethod
    def _connect(kind: Callable[..., Any], settings: Settings) -> Any:
        try:
            return kind(**_http_options(settings))
        except (ValueError, ImportError, OSError) as error:
            raise ConfigurationError(
                f"connections cannot be set up ({type(error).__name__}: {error}): check proxy, "
                "ssl_context, and the environment's proxy and SSL_CERT_FILE variables"
            ) from error

    def with_settings(self, settings: Settings) -> Self:
        """A copy with other settings, which shares connections and what was learnt."""
        copy = object.__new__(type(self))
        _Exchange.__init__(copy, settings, self._http, self._timing, self._learned)
        return copy

    def _passage(self, operation: Operation[T]) -> _Passage[T]:
        if self._http.is_closed:
            raise InvalidRequest(f"{operation.name}: this client is closed; make a new one")
        return _Passage(operation, self.settings, self._http, self._timing, self._learned)


class Exchange(_Exchange):
    """Runs operations, blocking. Threads may share it."""

    def __init__(self, settings: Settings, timing: Timing | None = None) -> None:
        http = self._connect(httpx.Client, settings)
        super().__init__(settings, http, timing or Timing(), _Learned())

    def run(self, operation: Operation[T]) -> T:
        """Send, try again where that is safe, and give the result or raise an ApiError."""
        passage = self._passage(operation)
        with passage.logged():
            while True:
                try:
                    response = operation.endpoint.sync_detailed(
                        client=passage, **operation.arguments
                    )
                    return passage.result(response)
                except _FAILURES as error:
                    delay = passage.delay_after(error)
                self._timing.sleep(delay)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()


class AsyncExchange(_Exchange):
    """Runs operations in asyncio. Tasks of one event loop may share it."""

    def __init__(self, settings: Settings, timing: Timing | None = None) -> None:
        http = self._connect(_AsyncHttp, settings)
        super().__init__(settings, http, timing or Timing(), _Learned())

    async def run(self, operation: Operation[T]) -> T:
        """As `Exchange.run`."""
        from asyncio import get_running_loop, timeout

        self._http.stay_in(get_running_loop())
        passage = self._passage(operation)
        with passage.logged():
            while True:
                try:
                    async with timeout(passage.remaining()):
                        response = await operation.endpoint.asyncio_detailed(
                            client=passage, **operation.arguments
                        )
                    return passage.result(response)
                except _FAILURES as error:
                    delay = passage.delay_after(error)
                await self._timing.sleep_async(delay)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()


class _AsyncHttp(httpx.AsyncClient):
    """Knows the event loop that its connections belong to; another one could not read from them."""

    loop: object = None

    def stay_in(self, loop: object) -> None:
        if self.loop is None:
            self.loop = loop
        elif self.loop is not loop:
            raise InvalidRequest(
                "this client belongs to another event loop: make one in each, with 'async with'"
            )


def _http_options(settings: Settings) -> dict[str, Any]:
    loopback = {"localhost", "127.0.0.1", "[::1]"}
    for url in map(httpx.URL, (settings.calling_url, settings.reporting_url)):
        if is_loopback(url.host):
            loopback.add(f"[{url.host}]" if ":" in url.host else url.host)
    return {
        "headers": {
            "Accept": "application/json",
            # Answers are a few hundred bytes: compression saves nothing and invites bombs.
            "Accept-Encoding": "identity",
            "User-Agent": f"sinchvoice/{__version__} python/{sys.version.split()[0]}",
        },
        "follow_redirects": False,
        "limits": httpx.Limits(
            max_connections=settings.max_connections,
            max_keepalive_connections=settings.max_connections,
            keepalive_expiry=30.0,
        ),
        "proxy": settings.proxy,
        # HTTP_PROXY and its relatives would capture loopback as well.
        "mounts": None if settings.proxy else {f"all://{host}": None for host in loopback},
        "verify": settings.ssl_context or True,
        "transport": settings.transport,
    }


# --- one call on its way ------------------------------------------------------------------------


class _Passage(httpx.Auth, Generic[T]):
    """One operation on its way: stands where the generated code expects its client.

    It is also the httpx auth of every request made for that operation, and keeps the account:
    how many requests were tried, whether any of them may have had an effect, what is left of
    the deadline.
    """

    raise_on_unexpected_status = False  # the generated code asks its client

    def __init__(
        self,
        operation: Operation[T],
        settings: Settings,
        http: Any,
        timing: Timing,
        learned: _Learned,
    ) -> None:
        self._operation = operation
        self._settings = settings
        self._http = http
        self._timing = timing
        self._learned = learned
        self._started = timing.monotonic()
        self._attempts = 0
        self._requests = 0
        self._may_have_executed = False
        self._succeeded = False
        self._method = self._path = self._host = self._content_type = ""
        self._status_code = 0
        self._content = b""
        self._raw: Mapping[str, Any] = {}
        self._outcome = "cancelled"

    # as the client of the generated code

    def get_httpx_client(self) -> Self:
        return self

    get_async_httpx_client = get_httpx_client

    def request(self, method: str, url: str, **options: Any) -> Any:
        """Start an attempt; with an async httpx client the result is an awaitable."""
        self._attempts += 1
        self._succeeded = False
        self._method, self._path = method.upper(), url.partition("?")[0]
        timeout, remaining = self._settings.timeout, self.remaining()
        if remaining is not None:
            if remaining <= 0:
                raise httpx.ConnectTimeout("the deadline has passed")
            timeout = min(timeout, remaining)
        # The generated code escapes what need not be: these travel as they are, and are signed so.
        for escape, character in (("%2B", "+"), ("%40", "@"), ("%3A", ":"), ("%2C", ",")):
            url = url.replace(escape, character)
        return self._http.request(
            method, self._base_url() + url, auth=self, timeout=timeout, **options
        )

    def _base_url(self) -> str:
        operation, settings = self._operation, self._settings
        base = settings.calling_url if operation.api == "calling" else settings.reporting_url
        if operation.origin is None or operation.origin == _origin(httpx.URL(base)):
            return base
        if _is_vendor(httpx.URL(operation.origin)):
            return operation.origin
        raise InvalidRequest(
            f"{operation.origin} is not asked: credentials go to {base} and to https hosts under "
            ".sinch.com only"
        )

    # as the auth of its requests

    def sync_auth_flow(
        self, request: httpx.Request
    ) -> Generator[httpx.Request, httpx.Response, None]:
        flow = self.auth_flow(request)
        request = next(flow)
        while True:
            response = yield request
            self._succeeded, self._status_code = response.is_success, response.status_code
            stream, content = cast("httpx.SyncByteStream", response.stream), bytearray()
            try:
                for chunk in stream:
                    self._take(content, chunk)
            except (httpx.TransportError, _TooLong):
                if self._needs_content(response):
                    raise
            finally:
                stream.close()
            self._settle(response, content)
            try:
                request = flow.send(response)
            except StopIteration:
                return

    async def async_auth_flow(
        self, request: httpx.Request
    ) -> AsyncGenerator[httpx.Request, httpx.Response]:
        flow = self.auth_flow(request)
        request = next(flow)
        while True:
            response = yield request
            self._succeeded, self._status_code = response.is_success, response.status_code
            stream, content = cast("httpx.AsyncByteStream", response.stream), bytearray()
            try:
                async for chunk in stream:
                    self._take(content, chunk)
            except (httpx.TransportError, _TooLong):
                if self._needs_content(response):
                    raise
            finally:
                await stream.aclose()
            self._settle(response, content)
            try:
                request = flow.send(response)
            except StopIteration:
                return

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Authorize and send until there is a success; raise our error for anything else."""
        target, forms = self._forms(request)
        redirects, clock_corrected, ambiguous = 0, False, len(forms) > 1
        while True:
            sent = self._timing.clock()
            self._authorize(request, target, forms[0], sent)
            self._requests += 1
            response = yield request
            if response.is_success:
                if ambiguous:
                    self._learned.learn_form(_origin(request.url), forms[0])
                self._accepted(response)
                return
            received = self._timing.clock()
            error = self._status_error(response, received)
            if response.has_redirect_location and response.status_code not in (307, 308):
                error.message = f"a redirect to {response.headers['Location']!r} is not followed"
            if response.status_code in (307, 308):
                redirects += 1
                request = self._redirected(request, response, error, redirects)
                target, forms = self._forms(request)
                ambiguous = len(forms) > 1
            elif response.status_code != 401 or self._settings.auth == Auth.BASIC:
                raise error
            elif error.error_code == 40102 and len(forms) > 1:
                forms = forms[1:]
            elif error.error_code in (40101, 40105) and not clock_corrected:
                self._correct_clock(request, response, (sent + received) / 2, error)
                clock_corrected = True
            else:
                raise error

    def _authorize(
        self, request: httpx.Request, target: str, form: CanonicalResource, now: float
    ) -> None:
        credentials = self._settings.credentials
        if self._settings.auth == Auth.BASIC:
            request.headers["Authorization"] = credentials.basic_authorization()
            return
        if self._learned.skewed:
            now += self._learned.skew(_origin(request.url))
        for name, value in signing.signed_headers(
            credentials,
            method=request.method,
            resource=signing.canonical_resource(target, form),
            timestamp=signing.format_timestamp(now),
            content_type=request.headers.get("Content-Type", ""),
            body=request.content,
        ).items():
            request.headers[name] = value

    def _forms(self, request: httpx.Request) -> tuple[str, list[CanonicalResource]]:
        """The target of a request, and what to sign of it: the forms that differ, best first."""
        target = request.url.raw_path.decode("ascii")
        self._path, self._host = target.partition("?")[0], request.url.netloc.decode("ascii")
        fixed = self._settings.canonical_resource
        if fixed is not None:
            return target, [fixed]
        if self._settings.auth == Auth.BASIC or ("?" not in target and "%" not in target):
            return target, [CanonicalResource.PATH]
        preferred = self._learned.form(_origin(request.url)) or CanonicalResource.PATH
        distinct: dict[str, CanonicalResource] = {}
        for form in (preferred, *CanonicalResource):
            distinct.setdefault(signing.canonical_resource(target, form), form)
        return target, list(distinct.values())[:_MAX_FORMS]

    def _correct_clock(
        self, request: httpx.Request, response: httpx.Response, now: float, error: ApiStatusError
    ) -> None:
        """Learn how far the server's clock is from ours, or give up with `error`."""
        origin = _origin(request.url)
        theirs = http_date(response.headers.get("Date"))
        if theirs is None or abs(theirs - now - self._learned.skew(origin)) < 2.0:
            raise error
        self._learned.learn_skew(origin, theirs - now)
        _logger.warning(
            "this machine's clock is %.0f s %s that of %s: signing with the server's time",
            abs(theirs - now),
            "behind" if theirs > now else "ahead of",
            request.url.host,
        )

    def _redirected(
        self, request: httpx.Request, response: httpx.Response, error: ApiStatusError, count: int
    ) -> httpx.Request:
        """The request to the place the server names, if the credentials may go there."""
        location = response.headers.get("Location", "")
        # httpx has parsed the location by now, and raised if it could not.
        url = request.url.join(location)
        if count > _MAX_REDIRECTS:
            error.message = f"more than {_MAX_REDIRECTS} redirects, the last one to {location!r}"
            raise error
        if not location:
            error.message = "a redirect that does not say where to"
            raise error
        if not (_is_vendor(url) or _is_local(url, request.url)):
            error.message = (
                f"a redirect to {location!r} is not followed: credentials go to https hosts under "
                ".sinch.com only, or from loopback to loopback"
            )
            raise error
        headers = httpx.Headers(
            [
                (name, value)
                for name, value in request.headers.multi_items()
                if name not in ("host", "authorization", "x-timestamp", "content-length")
            ]
        )
        return httpx.Request(
            request.method,
            url,
            headers=headers,
            content=request.content,
            extensions=request.extensions,
        )

    def _accepted(self, response: httpx.Response) -> None:
        if self._operation.has_content:
            self._content_type = response.headers.get("Content-Type", "")
            self._raw = json_object(self._content)
        # The generated code looks the status up in http.HTTPStatus, which knows not every 2xx.
        response.status_code = 200
        self._outcome = f"HTTP {self._status_code}"

    # the content of a response

    def _needs_content(self, response: httpx.Response) -> bool:
        """Only a success with content must be read to its end."""
        return self._operation.has_content and response.is_success

    def _take(self, content: bytearray, chunk: bytes) -> None:
        content += chunk
        if len(content) > _MAX_CONTENT:
            raise _TooLong(f"it is longer than {_MAX_CONTENT} bytes")
        remaining = self.remaining()
        if remaining is not None and remaining <= 0:
            raise httpx.ReadTimeout("the deadline passed while the content arrived")

    def _settle(self, response: httpx.Response, content: bytearray) -> None:
        """Put the content, read and decoded, where httpx and the generated code find it."""
        self._content = bytes(content)
        if "Content-Encoding" in response.headers:
            encoding = response.headers.pop("Content-Encoding")
            try:
                self._content = _decompressed(self._content, encoding)
            except ValueError:
                if self._needs_content(response):
                    raise
        response.stream = httpx.ByteStream(self._content)

    # the outcome

    def result(self, response: Any) -> T:
        """The operation's result, from the generated response of a success."""
        return self._operation.convert(Reply(response.parsed, self._raw))

    def delay_after(self, error: Exception) -> float:
        """Seconds to wait before another attempt; raises what is to be raised if there is none."""
        typed = self._typed(error)
        policy, remaining = self._settings.retries, self.remaining()
        delay = None
        if not isinstance(typed, UnexpectedResponse):
            delay = policy.delay(
                self._attempts,
                Failure(
                    replayable=self._operation.replayable,
                    may_have_executed=self._may_have_executed,
                    status_code=getattr(typed, "status_code", None),
                    retry_after=getattr(typed, "retry_after", None),
                ),
                remaining,
                self._timing.random,
            )
        self._outcome = _summary(typed)
        if delay is not None:
            _logger.debug("%s: %s, again in %.1f s", self._operation.name, self._outcome, delay)
            return delay
        if typed is error:
            raise error
        raise typed from error

    def _typed(self, error: Exception) -> ApiError:
        """Our error for whatever an attempt raised; what is not the server's doing is raised."""
        if isinstance(error, ApiError):
            return error
        if isinstance(error, httpx.TransportError | TimeoutError):
            self._may_have_executed |= not isinstance(error, _NEVER_SENT)
            return self._no_response(error)
        if isinstance(error, RuntimeError) and self._http.is_closed:
            return self._error(ApiConnectionError, "the client was closed meanwhile")
        if isinstance(error, httpx.InvalidURL):
            raise InvalidRequest(f"{self._operation.name}: {error}") from None
        if not self._succeeded:
            raise error
        self._may_have_executed = True
        reason = str(error) if isinstance(error, ValueError) else repr(error)
        return self._error(
            UnexpectedResponse,
            f"its content ({self._content_type or 'of no type'}) cannot be understood: {reason}",
            status_code=self._status_code,
            body=self._content,
        )

    def _no_response(self, error: Exception) -> ApiConnectionError:
        reason = f"{type(error).__name__}: {error}".removesuffix(": ")
        remaining = self.remaining()
        if isinstance(error, TimeoutError) or (remaining is not None and remaining <= 0):
            reason = f"the deadline of {self._settings.deadline:g} s has passed"
        elif isinstance(error, httpx.TimeoutException):
            reason = f"{type(error).__name__} after {self._settings.timeout:g} s"
        else:
            return self._error(ApiConnectionError, f"no response from {self._host}: {reason}")
        return self._error(ApiTimeoutError, f"no response from {self._host}: {reason}")

    def _status_error(self, response: httpx.Response, now: float) -> ApiStatusError:
        code = response.status_code
        self._may_have_executed |= not (400 <= code <= 499 or code in (307, 308))
        body = read_error_body(self._content)
        return self._error(
            error_class(code),
            body.message,
            status_code=code,
            error_code=body.error_code,
            reference=body.reference,
            retry_after=retry_after_seconds(response.headers.get("Retry-After"), now),
        )

    def _error(self, kind: type[A], message: str, **facts: Any) -> A:
        return kind(
            message,
            operation=self._operation.name,
            method=self._method,
            path=self._path,
            attempts=self._requests,
            may_have_executed=self._may_have_executed,
            **facts,
        )

    def remaining(self) -> float | None:
        """Seconds until the deadline; None without one."""
        if self._settings.deadline is None:
            return None
        return self._started + self._settings.deadline - self._timing.monotonic()

    @contextmanager
    def logged(self) -> Iterator[None]:
        """Write one line about the call when it is over, in place of httpx's one per request."""
        token = _quiet.set(True)
        try:
            yield
        finally:
            _quiet.reset(token)
            _logger.info(
                "%s: %s after %d request%s in %.0f ms",
                self._operation.name,
                self._outcome,
                self._requests,
                "" if self._requests == 1 else "s",
                (self._timing.monotonic() - self._started) * 1000,
            )


def _summary(error: ApiError) -> str:
    """What happened, without ids, names and numbers."""
    if not isinstance(error, ApiStatusError):
        return type(error).__name__
    code = f", code {error.error_code}" if error.error_code is not None else ""
    return f"{type(error).__name__} (HTTP {error.status_code}{code})"


class _TooLong(ValueError):
    pass


# httpx logs the URL of every request at INFO, and with it phone numbers.
_quiet: ContextVar[bool] = ContextVar("sinchvoice_quiet", default=False)
logging.getLogger("httpx").addFilter(lambda record: not _quiet.get())


# --- URLs and content ---------------------------------------------------------------------------


def _origin(url: httpx.URL) -> str:
    return f"{url.scheme}://{url.netloc.decode('ascii')}"


def _is_vendor(url: httpx.URL) -> bool:
    """Whether credentials may go there although it is not the configured host."""
    return (
        url.scheme == "https"
        and url.port is None
        and not url.userinfo
        and re.fullmatch(rb"[a-z0-9.-]+\.sinch\.com", url.raw_host) is not None
    )


def _is_local(url: httpx.URL, origin: httpx.URL) -> bool:
    """From loopback to loopback: the sandbox plays regions on other ports."""
    return url.scheme in ("http", "https") and is_loopback(url.host) and is_loopback(origin.host)


def _decompressed(content: bytes, encoding: str) -> bytes:
    """Undo a Content-Encoding that was not asked for, without being bombed."""
    encoding = encoding.strip().lower()
    if encoding == "identity" or not content:
        return content
    if encoding not in ("gzip", "x-gzip", "deflate"):
        raise ValueError(f"it is encoded as {encoding!r}, which was not asked for")
    decompressor = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)
    try:
        plain = decompressor.decompress(content, _MAX_CONTENT)
    except zlib.error as error:
        raise ValueError(f"it is not valid {encoding}: {error}") from None
    if not decompressor.eof:
        raise _TooLong(f"its {encoding} is cut off, or longer than {_MAX_CONTENT} bytes")
    return plain
