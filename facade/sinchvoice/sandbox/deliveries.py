"""Sends callbacks to an application: over HTTP, or by calling its ASGI or WSGI callable."""

from __future__ import annotations

import asyncio
import inspect
import io
import ipaddress
import json
import logging
import socket
import ssl
import threading
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from concurrent.futures import CancelledError
from contextlib import suppress
from datetime import datetime
from enum import StrEnum
from fnmatch import fnmatchcase
from functools import lru_cache
from http.client import HTTPException, HTTPResponse
from typing import TYPE_CHECKING, Any, TypeAlias

import attrs
import httpx

from .. import signing
from ..errors import InvalidRequest, Remedy
from ..signing import Credentials
from .faults import CallbackFault, Old, Tampered, WrongKey

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

__all__ = ["TIMEOUT", "CallbackApp", "CallbackUrl", "Courier", "SandboxCallback", "Undelivered"]

#: Seconds for an answer. The vendor publishes no limit for this version of its API.
TIMEOUT = 5.0

CONTENT_TYPE = "application/json; charset=utf-8"
#: Default URL of an application in this process.
_IN_PROCESS = "http://localhost/sinch"
_MAX_ANSWER = 262_144  # bytes
_KEEPALIVE = 1.0  # seconds
_MOST_IDLE = 32  # connections
_STRANGER = Credentials("00000000-0000-4000-8000-000000000000", "bm9ib2R5IGtub3dzIHRoaXM=")
_logger = logging.getLogger("uvicorn.error")

CallbackApp: TypeAlias = Callable[..., Any]


class CallbackUrl(StrEnum):
    """The kind of URL that a callback was sent to."""

    PRIMARY = "primary"
    FALLBACK = "fallback"
    INLINE = "inline"  # a URL from the callout


@attrs.define(kw_only=True)
class SandboxCallback:
    """A callback that the sandbox sent, or tried to send.

    Attributes:
        at: When it was sent, by the sandbox's clock.
        event: `ice`, `ace`, `pie`, `dice` or `notify`.
        call_id: Id of the call.
        application_key: Key of the application.
        which: Whether the URL is the primary one, the fallback, or from the callout.
        method: HTTP method.
        url: The URL.
        headers: The headers as sent.
        body: The body as sent.
        faults: The faults applied to it.
        is_repeat: Whether `faults.Twice` sent it again.
        status: HTTP status of the answer; None without an answer.
        answer: Body of the answer.
        seconds: Duration until the answer, in real time.
        error: What went wrong, including an invalid answer; None if nothing did.
    """

    at: datetime
    event: str
    call_id: str
    application_key: str
    which: CallbackUrl
    method: str = "POST"
    url: str
    headers: Mapping[str, str]
    body: bytes
    faults: tuple[CallbackFault, ...] = ()
    is_repeat: bool = False
    status: int | None = None
    answer: bytes = b""
    seconds: float = 0.0
    error: str | None = None

    @property
    def signature(self) -> str:
        """The signature in its Authorization header."""
        return self.headers["authorization"].rpartition(":")[2]

    @property
    def content(self) -> Any:
        """The event, parsed from the JSON body."""
        return json.loads(self.body)


class Undelivered(Exception):
    """A callback got no answer; the message says why."""


class Courier:
    """Delivers callbacks.

    Args:
        app: An ASGI or WSGI application in this process that receives all callbacks; None sends
            them over HTTP.
        hosts: Names of allowed hosts besides loopback, with wildcards.
        timeout: Seconds for an answer.

    Raises:
        InvalidRequest: An argument is wrong.
    """

    def __init__(
        self,
        app: CallbackApp | None = None,
        *,
        hosts: Iterable[str] = (),
        timeout: float = TIMEOUT,
    ) -> None:
        if isinstance(hosts, str) or not isinstance(timeout, int | float) or not timeout > 0:
            raise InvalidRequest(
                f"callback_hosts is {hosts!r}, callback_timeout {timeout!r}",
                remedy="give a list of host names, and a number of seconds above 0",
            )
        self._hosts = tuple(host.lower() for host in hosts)
        self.timeout = float(timeout)
        self._app: _Asgi | httpx.WSGITransport | None = None
        self._lock = threading.Lock()
        self._idle = list[tuple[tuple[str, str, int], socket.socket, float]]()
        self._first = self.app = app

    @property
    def app(self) -> CallbackApp | None:
        """The application in this process; None if there is none."""
        return self._given

    @app.setter
    def app(self, app: CallbackApp | None) -> None:
        known = None if app is None else _transport(app)
        old, self._app, self._given = self._app, known, app
        if isinstance(old, _Asgi):
            old.close()

    def reset(self) -> None:
        """Restore the initial application."""
        if self.app is not self._first:
            self.app = self._first

    def read_url(self, url: str) -> str:
        """Return a callback URL in full; an application in this process may have only a path.

        Raises:
            InvalidRequest: It is not a URL, or its host is not allowed.
        """
        if isinstance(url, str) and url.startswith("/") and self._app is not None:
            url = _IN_PROCESS.removesuffix("/sinch") + url
        problem = self.find_problem(url) if isinstance(url, str) else "give a URL as text"
        if problem is not None:
            raise InvalidRequest(parameter="callback_url", value=url, remedy=problem)
        return url

    @property
    def default_url(self) -> str | None:
        """The URL for callbacks if none is set; None if there is no default."""
        return None if self._app is None else _IN_PROCESS

    def find_problem(self, url: str) -> str | None:
        """Return why callbacks cannot go to this URL; None if they can."""
        try:
            parsed = _parsed(url)
            host = parsed.host  # decodes the host
        except (httpx.InvalidURL, ValueError) as error:
            return f"{error}"
        if parsed.scheme not in ("http", "https") or not host:
            return "give an absolute URL with http or https, like http://127.0.0.1:8000/sinch"
        if self._app is not None or _is_loopback(host):
            return None
        if any(fnmatchcase(host.lower(), pattern) for pattern in self._hosts):
            return None
        return Remedy(
            "callbacks go to loopback only; to allow this host, start the sandbox with "
            "{callback_hosts}",
            callback_hosts=f"callback_hosts=[{host!r}], or with --callback-host {host}",
        )

    def host_and_path(self, url: str) -> tuple[str, str]:
        """Return host and path, by which faults are selected; empty for an invalid URL."""
        if self.find_problem(url) is not None:
            return "", ""
        return _parsed(url).netloc.decode("ascii"), _path(url)

    def sign(
        self,
        credentials: Credentials,
        url: str,
        body: bytes,
        faults: tuple[CallbackFault, ...],
    ) -> tuple[dict[str, str], bytes]:
        """Return the headers of a callback, and its body as sent."""
        signed_at = time.time()
        for fault in faults:
            match fault:
                case Old(seconds):
                    signed_at -= seconds
                case WrongKey():
                    credentials = _STRANGER
        headers = signing.signed_headers(
            credentials,
            method="POST",
            resource=self.host_and_path(url)[1],
            timestamp=signing.format_timestamp(signed_at),
            content_type=CONTENT_TYPE,
            body=body,
        )
        if any(isinstance(fault, Tampered) for fault in faults):
            body = body.removesuffix(b"}") + b',"tampered":true}'
        return {
            # Spelled like the vendor's server.
            "authorization": headers["Authorization"].replace("Application", "application", 1),
            "x-timestamp": headers["x-timestamp"],
            "content-type": CONTENT_TYPE,
        }, body

    def post(self, url: str, headers: Mapping[str, str], body: bytes) -> tuple[int, bytes]:
        """Send a callback, and return status and body of the answer.

        Raises:
            Undelivered: There was no answer in time.
        """
        problem = self.find_problem(url)
        if problem is not None:
            raise Undelivered(problem)
        started = time.monotonic()
        try:
            status, answer = (
                self._over_http(url, headers, body, started + self.timeout)
                if self._app is None
                else self._in_process(url, headers, body)
            )
        except TimeoutError:
            raise self._too_late() from None
        except (HTTPException, OSError) as error:
            raise Undelivered(f"{type(error).__name__}: {error}") from None
        if time.monotonic() - started > self.timeout:
            raise self._too_late()
        return status, answer

    def close(self) -> None:
        """Shut down the application in this process."""
        self.app = None

    def leave(self) -> None:
        """Close the idle connections."""
        with self._lock:
            while self._idle:
                self._idle.pop()[1].close()

    def _too_late(self) -> Undelivered:
        return Undelivered(f"no answer within {self.timeout:g} s")

    def _over_http(
        self, url: str, headers: Mapping[str, str], body: bytes, deadline: float
    ) -> tuple[int, bytes]:
        parsed = _parsed(url)
        lines = [
            f"POST {parsed.raw_path.decode('ascii')} HTTP/1.1",
            f"host: {parsed.netloc.decode('ascii')}",
            *(f"{name}: {value}" for name, value in headers.items()),
            f"content-length: {len(body)}",
        ]
        message = "\r\n".join((*lines, "", "")).encode("latin-1") + body
        connection = self._connection(parsed)
        try:
            connection.settimeout(self.timeout)
            connection.sendall(message)
            reader: Any = _Reader(connection, deadline)
            response = HTTPResponse(reader, method="POST")
            response.begin()
            answer = bytearray()
            while part := response.read1(65_536):
                answer += part
                if len(answer) > _MAX_ANSWER:
                    raise Undelivered(f"the answer has more than {_MAX_ANSWER} bytes")
            if response.length:
                raise Undelivered(f"the answer was cut off {response.length} bytes before its end")
        except BaseException:
            connection.close()
            raise
        if response.will_close:
            connection.close()
        else:
            with self._lock:
                self._idle.append((_origin(parsed), connection, time.monotonic()))
        return response.status, bytes(answer)

    def _connection(self, url: httpx.URL) -> socket.socket:
        """Return the idle connection that was used last, or a new one."""
        wanted = _origin(url)
        # Servers close idle connections: close those that are idle for long before that.
        oldest = time.monotonic() - _KEEPALIVE
        with self._lock:
            while self._idle and (self._idle[0][2] <= oldest or len(self._idle) > _MOST_IDLE):
                self._idle.pop(0)[1].close()
            for place in reversed(range(len(self._idle))):
                origin, connection, _ = self._idle[place]
                if origin == wanted:
                    del self._idle[place]
                    if _is_silent(connection):
                        return connection
                    connection.close()
        _, host, port = wanted
        connection = socket.create_connection((host, port), self.timeout)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if url.scheme == "https":
            return ssl.create_default_context().wrap_socket(connection, server_hostname=host)
        return connection

    def _in_process(self, url: str, headers: Mapping[str, str], body: bytes) -> tuple[int, bytes]:
        app, request = self._app, httpx.Request("POST", url, headers=dict(headers), content=body)
        try:
            if isinstance(app, httpx.WSGITransport):
                response = app.handle_request(request)
                return response.status_code, response.read()
        except BaseException as error:  # noqa: BLE001 - also pytest.fail and sys.exit
            return _failed(url, error)
        if app is not None:
            return app.handle(request, self.timeout)
        raise Undelivered("the sandbox is stopping")


class _Reader(io.RawIOBase):
    """Reads from a connection until a deadline, even if bytes arrive slowly."""

    def __init__(self, connection: socket.socket, deadline: float) -> None:
        self._connection = connection
        self._deadline = deadline

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(self)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._connection.settimeout(left)
        return self._connection.recv_into(buffer)


class _Asgi:
    """An ASGI application in an event loop of its own, with its lifespan."""

    def __init__(self, app: Callable[[Any, Any, Any], Awaitable[None]]) -> None:
        self._app = app
        self._transport = httpx.ASGITransport(self._with_state)
        self._loop = asyncio.new_event_loop()
        self._started = threading.Event()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(
            target=self._run, name="sinchvoice-sandbox-callback-app", daemon=True
        )
        self._lock = threading.Lock()
        self._state: dict[str, Any] = {}

    def handle(self, request: httpx.Request, timeout: float) -> tuple[int, bytes]:
        with self._lock:
            if not self._thread.is_alive() and not self._started.is_set():
                self._thread.start()
        if not self._started.wait(timeout):
            raise TimeoutError
        future = asyncio.run_coroutine_threadsafe(self._handle(request), self._loop)
        try:
            return future.result(timeout)
        except (TimeoutError, CancelledError):
            future.cancel()
            raise TimeoutError from None

    def close(self) -> None:
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join(TIMEOUT)
        elif not self._loop.is_closed():
            self._loop.close()

    async def _with_state(self, scope: Any, receive: Any, send: Any) -> None:
        await self._app({**scope, "state": dict(self._state)}, receive, send)

    async def _handle(self, request: httpx.Request) -> tuple[int, bytes]:
        try:
            response = await self._transport.handle_async_request(request)
            return response.status_code, await response.aread()
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # noqa: BLE001 - includes the application's sys.exit
            return _failed(str(request.url), error)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._live())
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        finally:
            self._started.set()
            self._loop.close()

    async def _live(self) -> None:
        """Run the application's lifespan: startup, wait for the end, shutdown."""
        started, ended = asyncio.Event(), asyncio.Event()
        messages = [{"type": "lifespan.startup"}]

        async def receive() -> dict[str, Any]:
            if messages:
                return messages.pop()
            await self._stop.wait()
            return {"type": "lifespan.shutdown"}

        async def send(message: Mapping[str, Any]) -> None:
            if message["type"].startswith("lifespan.startup"):
                started.set()
            else:
                ended.set()

        async def lifespan() -> None:
            scope = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": self._state}
            try:
                await self._app(scope, receive, send)
            except Exception:  # noqa: BLE001, S110 - no lifespan, as the protocol allows
                pass
            finally:
                started.set()
                ended.set()

        life = asyncio.ensure_future(lifespan())
        await started.wait()
        self._started.set()
        await self._stop.wait()
        with suppress(TimeoutError):
            async with asyncio.timeout(TIMEOUT):
                await ended.wait()
                await life
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()


def _transport(app: CallbackApp) -> _Asgi | httpx.WSGITransport:
    problem = InvalidRequest(
        parameter="callback_app",
        value=app,
        remedy="give an ASGI application, app(scope, receive, send), or a WSGI application, "
        "app(environ, start_response)",
    )
    if not callable(app) or isinstance(app, type):
        raise problem
    if _takes(app, 3) and not (_takes(app, 2) and not _is_async(app)):
        return _Asgi(app)
    if not _takes(app, 2):
        raise problem
    return httpx.WSGITransport(app)


def _takes(app: CallbackApp, arguments: int) -> bool:
    try:
        inspect.signature(app).bind(*[None] * arguments)
    except TypeError:
        return False
    return True


def _is_async(app: CallbackApp) -> bool:
    return any(inspect.iscoroutinefunction(each) for each in (app, type(app).__call__))


def _failed(url: str, error: BaseException) -> tuple[int, bytes]:
    """Return a server's answer for a failing application."""
    _logger.error("the callback application failed at %s", url, exc_info=error)
    return 500, f"{type(error).__name__}: {error}".encode(errors="replace")


@lru_cache(maxsize=256)
def _parsed(url: str) -> httpx.URL:
    return httpx.URL(url)


def _is_silent(connection: socket.socket) -> bool:
    """Tell whether an idle connection is open, and has no bytes to read."""
    try:
        connection.setblocking(False)
        connection.recv(1)
    except (BlockingIOError, ssl.SSLWantReadError):
        return True
    except OSError:
        pass
    return False


def _origin(url: httpx.URL) -> tuple[str, str, int]:
    return url.scheme, url.host, url.port or (443 if url.scheme == "https" else 80)


def _path(url: str) -> str:
    """Return the path as sent, which is signed."""
    return _parsed(url).raw_path.partition(b"?")[0].decode("ascii")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"
