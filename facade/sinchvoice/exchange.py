"""The way of an Operation to the wire and back: the only module that knows httpx.

    Calls, Reports → Operation → Exchange.run → generated endpoint → _Passage → httpx

An Operation says what to send and how to read the answer. The two drivers, `Exchange.run` and
`AsyncExchange.run`, put it through the generated endpoint function, handing it a `_Passage` where
it expects its own client. The passage is the httpx auth of that one call as well: it sees every
response before the generated code does, so that signing, redirects and recovery exist once. An
`_Account` beside it knows what has become of the call, and makes the errors.
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
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any, Generic, Literal, Protocol, Self, TypeVar, cast
from urllib.parse import urlencode

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

__all__ = [
    "AsyncExchange",
    "Exchange",
    "Operation",
    "Timing",
    "path_segment",
    "split_url",
    "unpooled_transport",
]

T = TypeVar("T")
E = TypeVar("E", bound=ApiError)

_logger = logging.getLogger("sinchvoice")
# URLs have phone numbers in them: this one is silent until its own level is set.
_request_logger = logging.getLogger("sinchvoice.requests")
_request_logger.setLevel(logging.CRITICAL)
_MAX_CONTENT = 2**20  # bytes; the answers of these APIs are a few hundred
_MAX_REDIRECTS = 3
_MAX_FORMS = 3  # of the canonical resource, tried per request
_LATEST = 4102444800.0  # 2100-01-01, in seconds since 1970: no server's clock is later
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


class GeneratedEndpoint(Protocol):
    """A generated endpoint module."""

    @property
    def sync_detailed(self) -> Callable[..., Any]: ...

    @property
    def asyncio_detailed(self) -> Callable[..., Any]: ...


@attrs.frozen(kw_only=True)
class Operation(Generic[T]):
    """One call of the API: a value, to be run by either driver.

    Attributes:
        name: how logs and errors call it.
        api: which base URL it belongs to.
        endpoint: the generated module.
        arguments: for the functions of that module.
        replayable: sending it twice does no harm.
        convert: makes the result from the generated model and the same JSON as received, with
            exact decimals; a ValueError of it says that the content makes no sense.
        has_content: whether a success has content that matters; if not, it is never decoded.
        origin: scheme, host and port to use in place of the base URL, if the caller gave a
            full URL.
    """

    name: str
    api: Literal["calling", "reporting"]
    endpoint: GeneratedEndpoint
    arguments: Mapping[str, Any]
    replayable: bool
    convert: Callable[[Any, Mapping[str, Any]], T]
    has_content: bool = True
    origin: str | None = None


def path_segment(name: str, value: object) -> str:
    """Check a value that becomes a segment of the path.

    Raises:
        InvalidRequest: it is empty, no text, or `.` or `..`, which would reach another route.
    """
    if not isinstance(value, str):
        raise InvalidRequest(f"{name} is of type {type(value).__name__}: give a text")
    if not value:
        raise InvalidRequest(f"{name} is empty: give a text")
    if re.search(r"[\x00-\x1f\x7f]", value):
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
        host = parsed.host
    except (httpx.InvalidURL, UnicodeError) as error:
        raise InvalidRequest(f"{url!r} is not a URL: {error}") from None
    if not host or parsed.query or parsed.fragment or parsed.userinfo:
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

    def form(self, origin: str) -> CanonicalResource:
        with self._lock:
            return self._forms.get(origin, CanonicalResource.PATH)

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

    _http_client: Callable[..., Any]

    def __init__(
        self,
        settings: Settings,
        timing: Timing | None = None,
        http: Any = None,
        learned: _Learned | None = None,
    ) -> None:
        self.settings = settings
        self._timing = timing or Timing()
        self._http = http or self._connect()
        self._learned = learned or _Learned()

    def with_settings(self, settings: Settings) -> Self:
        """A copy with other settings, which shares connections and what was learnt."""
        return type(self)(settings, self._timing, self._http, self._learned)

    def _connect(self) -> Any:
        try:
            return type(self)._http_client(**_http_options(self.settings))
        except (ValueError, TypeError, AttributeError, ImportError, OSError) as error:
            raise ConfigurationError(
                f"connections cannot be set up ({type(error).__name__}: {error}): check the URLs, "
                "proxy and ssl_context, and the environment's proxy and SSL_CERT_FILE variables"
            ) from error

    def _passage(self, operation: Operation[T]) -> _Passage[T]:
        if self._http.is_closed:
            raise InvalidRequest(f"{operation.name}: this client is closed; make a new one")
        account = _Account(operation, self.settings, self._timing)
        return _Passage(account, self._http, self._learned)


class Exchange(_Exchange):
    """Runs operations, blocking. Threads may share it."""

    _http_client = httpx.Client

    def run(self, operation: Operation[T]) -> T:
        """Send, try again where that is safe, and give the result or raise an ApiError."""
        passage = self._passage(operation)
        account = passage.account
        with account.logged():
            while True:
                try:
                    response = operation.endpoint.sync_detailed(
                        client=passage, **operation.arguments
                    )
                    return account.result(response)
                except _FAILURES as error:
                    if account.is_done:
                        return account.result()
                    delay = account.delay_after(error, closed=self._http.is_closed)
                self._timing.sleep(delay)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()


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


class AsyncExchange(_Exchange):
    """Runs operations in asyncio. Tasks of one event loop may share it."""

    _http_client = _AsyncHttp

    async def run(self, operation: Operation[T]) -> T:
        """As `Exchange.run`."""
        from asyncio import get_running_loop, timeout

        self._http.stay_in(get_running_loop())
        passage = self._passage(operation)
        account = passage.account
        with account.logged():
            while True:
                try:
                    async with timeout(account.remaining()):
                        response = await operation.endpoint.asyncio_detailed(
                            client=passage, **operation.arguments
                        )
                    return account.result(response)
                except _FAILURES as error:
                    if account.is_done:
                        return account.result()
                    delay = account.delay_after(error, closed=self._http.is_closed)
                await self._timing.sleep_async(delay)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()


def unpooled_transport() -> httpx.AsyncBaseTransport:
    """A transport that keeps no connection open between requests, so that none is left to close."""
    return httpx.AsyncHTTPTransport(limits=httpx.Limits(max_keepalive_connections=0))


def _http_options(settings: Settings) -> dict[str, Any]:
    loopback = {"localhost", "127.0.0.1", "[::1]"}
    for base_url in (settings.calling_url, settings.reporting_url):
        try:
            host = httpx.URL(base_url).host
        except httpx.InvalidURL as error:
            raise ValueError(f"{base_url} is not a URL: {error}") from error
        if is_loopback(host):
            loopback.add(f"[{host}]" if ":" in host else host)
    return {
        "headers": {
            "Accept": "application/json",
            # Answers are a few hundred bytes: compression saves nothing and invites bombs.
            "Accept-Encoding": "identity",
            "User-Agent": f"sinchvoice/{__version__} python/{sys.version.split()[0]}",
        },
        # Nothing that one host sets is sent to another, or back.
        "cookies": CookieJar(DefaultCookiePolicy(allowed_domains=[])),
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


class _Account(Generic[T]):
    """What has become of one operation so far: requests, effects, time left, the last answer."""

    def __init__(self, operation: Operation[T], settings: Settings, timing: Timing) -> None:
        self.operation = operation
        self.settings = settings
        self.timing = timing
        self.attempts = 0  # of the generated function: what a RetryPolicy counts
        self.requests = 0  # recoveries and redirects included
        self.method = self.path = self.host = ""
        self.status_code = 0
        self.content_type = ""
        self.content = b""
        self.raw: Mapping[str, Any] = {}
        self._may_have_executed = False
        self._started = timing.monotonic()
        self._outcome = "refused"

    @property
    def succeeded(self) -> bool:
        """Whether the last answer began as a success."""
        return 200 <= self.status_code <= 299

    @property
    def is_done(self) -> bool:
        """Whether there is nothing to wait for any more, whatever fails from here on."""
        return self.succeeded and not self.operation.has_content

    def remaining(self) -> float | None:
        """Seconds until the deadline; None without one."""
        if self.settings.deadline is None:
            return None
        return self._started + self.settings.deadline - self.timing.monotonic()

    def patience(self) -> float:
        """Seconds that each step of the next request may take."""
        remaining = self.remaining()
        if remaining is None:
            return self.settings.timeout
        if remaining <= 0:
            raise httpx.ConnectTimeout("the deadline has passed")
        return min(self.settings.timeout, remaining)

    def result(self, response: Any = None) -> T:
        """The operation's result, from the generated response of a success."""
        self._outcome = f"HTTP {self.status_code}"
        return self.operation.convert(response and response.parsed, self.raw)

    def delay_after(self, error: Exception, *, closed: bool) -> float:
        """Seconds to wait before another attempt; raises what is to be raised if there is none."""
        typed = self._typed(error, closed)
        delay = None
        if not isinstance(typed, UnexpectedResponse) and not closed:
            delay = self.settings.retries.delay(
                self.attempts,
                Failure(
                    replayable=self.operation.replayable,
                    may_have_executed=self._may_have_executed,
                    status_code=getattr(typed, "status_code", None),
                    retry_after=getattr(typed, "retry_after", None),
                ),
                self.remaining(),
                self.timing.random,
            )
        self._outcome = _summary(typed)
        if delay is not None:
            _logger.debug("%s: %s, again in %.1f s", self.operation.name, self._outcome, delay)
            return delay
        if typed is error:
            raise error
        raise typed from error

    def _typed(self, error: Exception, closed: bool) -> ApiError:
        """Our error for whatever an attempt raised; what is not the server's doing is raised."""
        if isinstance(error, ApiError):
            return error
        if isinstance(error, httpx.TransportError | TimeoutError):
            self._may_have_executed |= not isinstance(error, _NEVER_SENT)
            return self._no_response(error)
        if closed and isinstance(error, RuntimeError):
            return self.error(ApiConnectionError, "the client was closed meanwhile")
        if self.requests == 0:
            if isinstance(error, httpx.InvalidURL):
                raise InvalidRequest(f"{self.operation.name}: {error}") from None
            raise error
        self._may_have_executed = True
        reason = str(error) if isinstance(error, ValueError) else repr(error)
        if not self.succeeded:
            # httpx looks at a Location before we do.
            return self.error(ApiConnectionError, f"the answer makes no sense: {reason}")
        return self.error(
            UnexpectedResponse,
            f"its content ({self.content_type or 'of no type'}) cannot be understood: {reason}",
            status_code=self.status_code,
            body=self.content,
        )

    def _no_response(self, error: Exception) -> ApiConnectionError:
        nothing = f"no response from {self.host}"
        remaining = self.remaining()
        if isinstance(error, TimeoutError) or (remaining is not None and remaining <= 0):
            deadline = f"the deadline of {self.settings.deadline:g} s has passed"
            return self.error(ApiTimeoutError, f"{nothing}: {deadline}")
        name = type(error).__name__
        if isinstance(error, httpx.TimeoutException):
            return self.error(
                ApiTimeoutError, f"{nothing}: {name} after {self.settings.timeout:g} s"
            )
        return self.error(ApiConnectionError, f"{nothing}: {name}: {error}".removesuffix(": "))

    def status_error(self, response: httpx.Response, received: float) -> ApiStatusError:
        """The error for an answer that is no success."""
        code = self.status_code
        self._may_have_executed |= not (400 <= code <= 499 or code in (307, 308))
        body = read_error_body(self.content)
        # A time to come back at is by the server's clock, which may not be ours.
        now = http_date(response.headers.get("Date")) or received
        error = self.error(
            error_class(code),
            body.message,
            status_code=code,
            error_code=body.error_code,
            reference=body.reference,
            retry_after=retry_after_seconds(response.headers.get("Retry-After"), now),
        )
        if 300 <= code <= 399 and code not in (307, 308) and "Location" in response.headers:
            error.message = f"a redirect to {response.headers['Location']!r} is not followed"
        return error

    def error(self, kind: type[E], message: str, **facts: Any) -> E:
        """An error with the circumstances of this call."""
        return kind(
            message,
            operation=self.operation.name,
            method=self.method,
            path=self.path,
            attempts=self.requests,
            may_have_executed=self._may_have_executed,
            **facts,
        )

    def begin_request(self) -> None:
        """Note that a request is about to leave."""
        self.requests += 1
        self.status_code = 0
        self._outcome = "cancelled"

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
                self.operation.name,
                self._outcome,
                self.requests,
                "" if self.requests == 1 else "s",
                (self.timing.monotonic() - self._started) * 1000,
            )


def _summary(error: ApiError) -> str:
    """What happened, without ids, names and numbers."""
    if not isinstance(error, ApiStatusError):
        return type(error).__name__
    code = "" if error.error_code is None else f", code {error.error_code}"
    return f"{type(error).__name__} (HTTP {error.status_code}{code})"


# httpx logs the URL of every request at INFO, and with it phone numbers.
_quiet: ContextVar[bool] = ContextVar("sinchvoice_quiet", default=False)
logging.getLogger("httpx").addFilter(lambda record: not _quiet.get())


class _TooLong(ValueError):
    pass


class _Passage(httpx.Auth, Generic[T]):
    """Stands where the generated code expects its client, and is the auth of what it sends."""

    raise_on_unexpected_status = False  # the generated code asks its client

    def __init__(self, account: _Account[T], http: Any, learned: _Learned) -> None:
        self.account = account
        self._http = http
        self._learned = learned

    # as the client of the generated code

    def get_httpx_client(self) -> Self:
        return self

    get_async_httpx_client = get_httpx_client

    def request(
        self, method: str, url: str, params: Mapping[str, str] | None = None, **options: Any
    ) -> Any:
        """Start an attempt; with an async httpx client the result is an awaitable."""
        account = self.account
        account.attempts += 1
        account.method, account.path = method.upper(), url
        # The generated code escapes what need not be: these travel as they are, and are signed so.
        for escape, character in (("%2B", "+"), ("%40", "@"), ("%3A", ":"), ("%2C", ",")):
            url = url.replace(escape, character)
        if params:
            url = f"{url}?{urlencode(params, safe=':@,')}"
        return self._http.request(
            method, self._base_url() + url, auth=self, timeout=account.patience(), **options
        )

    def _base_url(self) -> str:
        operation, settings = self.account.operation, self.account.settings
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
            self.account.status_code = response.status_code
            stream, content = cast("httpx.SyncByteStream", response.stream), bytearray()
            try:
                for chunk in stream:
                    self._take(content, chunk)
            except (httpx.TransportError, _TooLong):
                if self._needs_content():
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
            self.account.status_code = response.status_code
            stream, content = cast("httpx.AsyncByteStream", response.stream), bytearray()
            try:
                async for chunk in stream:
                    self._take(content, chunk)
            except (httpx.TransportError, _TooLong):
                if self._needs_content():
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
        account, clock = self.account, self.account.timing.clock
        signs = account.settings.auth == Auth.SIGNED
        origin, target, forms = self._aim(request)
        skew = self._learned.skew(origin)
        ambiguous, corrected, redirects = len(forms) > 1, False, 0
        while True:
            sent = clock()
            self._authorize(request, target, forms[0], sent + skew)
            account.begin_request()
            _request_logger.info("%s %s", request.method, request.url)
            response = yield request
            if account.succeeded:
                if ambiguous:
                    self._learned.learn_form(origin, forms[0])
                if corrected:
                    self._learned.learn_skew(origin, skew)
                self._accept(response)
                return
            received = clock()
            error = account.status_error(response, received)
            if account.status_code in (307, 308):
                redirects += 1
                request = self._redirected(request, response, error, redirects)
                origin, target, forms = self._aim(request)
                skew = self._learned.skew(origin)
                ambiguous, corrected = len(forms) > 1, False
            elif account.status_code != 401 or not signs:
                raise error
            elif error.error_code == 40102 and len(forms) > 1:
                forms = forms[1:]
            elif error.error_code in (40101, 40105) and not corrected:
                measured = _skew(response, (sent + received) / 2)
                if measured is None or abs(measured - skew) < 2.0:
                    raise error
                skew, corrected = measured, True
                _logger.warning(
                    "this machine's clock is %.0f s %s that of %s: signing with the server's time",
                    abs(skew),
                    "behind" if skew > 0 else "ahead of",
                    request.url.host,
                )
            else:
                raise error
            # What follows belongs to the same call: it gets only the time that is left.
            request.extensions = {
                **request.extensions,
                "timeout": httpx.Timeout(account.patience()).as_dict(),
            }

    def _aim(self, request: httpx.Request) -> tuple[str, str, list[CanonicalResource]]:
        """Origin and target of a request, and what to sign of it: forms that differ, best first."""
        account = self.account
        target = request.url.raw_path.decode("ascii")
        account.path, account.host = target.partition("?")[0], request.url.netloc.decode("ascii")
        origin = f"{request.url.scheme}://{account.host}"
        if account.settings.canonical_resource is not None:
            return origin, target, [account.settings.canonical_resource]
        if account.settings.auth == Auth.BASIC or ("?" not in target and "%" not in target):
            return origin, target, [CanonicalResource.PATH]
        distinct: dict[str, CanonicalResource] = {}
        for form in self._learned.form(origin).and_its_neighbours():
            distinct.setdefault(signing.canonical_resource(target, form), form)
        return origin, target, list(distinct.values())[:_MAX_FORMS]

    def _authorize(
        self, request: httpx.Request, target: str, form: CanonicalResource, now: float
    ) -> None:
        settings = self.account.settings
        if settings.auth == Auth.BASIC:
            request.headers["Authorization"] = settings.credentials.basic_authorization()
            return
        for name, value in signing.signed_headers(
            settings.credentials,
            method=request.method,
            resource=signing.canonical_resource(target, form),
            timestamp=signing.format_timestamp(now),
            content_type=request.headers.get("Content-Type", ""),
            body=request.content,
        ).items():
            request.headers[name] = value

    def _redirected(
        self, request: httpx.Request, response: httpx.Response, error: ApiStatusError, count: int
    ) -> httpx.Request:
        """The request to the place the server names, if the credentials may go there."""
        location = response.headers.get("Location", "")
        if not location:
            error.message = "a redirect that does not say where to"
            raise error
        if count > _MAX_REDIRECTS:
            error.message = f"more than {_MAX_REDIRECTS} redirects, the last one to {location!r}"
            raise error
        url = request.url.join(location)
        if not (_is_vendor(url) or _is_local(url, request.url)):
            error.message = (
                f"a redirect to {location!r} is not followed: credentials go to https hosts under "
                ".sinch.com only, or from loopback to loopback"
            )
            raise error
        # Host, Content-Length and what authorizes are made anew.
        kept = ("accept", "accept-encoding", "content-type", "user-agent")
        return httpx.Request(
            request.method,
            url,
            headers={name: value for name, value in request.headers.items() if name in kept},
            content=request.content,
            extensions=request.extensions,
        )

    def _accept(self, response: httpx.Response) -> None:
        account = self.account
        if account.operation.has_content:
            account.content_type = response.headers.get("Content-Type", "")
            account.raw = json_object(account.content)
        # The generated code looks the status up in http.HTTPStatus, which knows not every 2xx.
        response.status_code = 200

    # the content of a response

    def _needs_content(self) -> bool:
        """Only a success with content must be read to its end."""
        return self.account.succeeded and not self.account.is_done

    def _take(self, content: bytearray, chunk: bytes) -> None:
        content += chunk
        if len(content) > _MAX_CONTENT:
            raise _TooLong(f"it is longer than {_MAX_CONTENT} bytes")
        remaining = self.account.remaining()
        if remaining is not None and remaining <= 0:
            raise httpx.ReadTimeout("the deadline passed while the content arrived")

    def _settle(self, response: httpx.Response, content: bytearray) -> None:
        """Put the content, read and decoded, where httpx and the generated code find it."""
        plain = bytes(content)
        if "Content-Encoding" in response.headers:
            encoding = response.headers.pop("Content-Encoding")
            try:
                plain = _decompressed(plain, encoding.strip().lower())
            except ValueError:
                self.account.content = plain
                if self._needs_content():
                    raise
        self.account.content = plain
        response.stream = httpx.ByteStream(plain)


# --- URLs, clocks and content -------------------------------------------------------------------


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


def _skew(response: httpx.Response, now: float) -> float | None:
    """Seconds by which the server's clock is ahead of ours; None if it tells no sane time."""
    theirs = http_date(response.headers.get("Date"))
    return theirs - now if theirs is not None and 0 <= theirs < _LATEST else None


def _decompressed(content: bytes, encoding: str) -> bytes:
    """Undo a Content-Encoding that was not asked for, without being bombed."""
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
