"""Connections shared by the tasks of one event loop."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections import deque
from collections.abc import AsyncIterable
from contextlib import suppress
from os import getpid
from time import monotonic
from typing import Any, cast

import httpcore

from ..errors import EventLoopError
from ..wire import Answer, Intake, NoAnswer, Send
from .plan import (
    DRAIN,
    Destination,
    Idle,
    Plan,
    Tls,
    Watch,
    broken,
    closed,
    has_more,
    in_use,
    is_readable,
    origin_of,
)

__all__ = ["AsyncConnections", "Home"]

_PAUSE = 2**18
"""Unread bytes above which reading from the socket pauses."""


class Home:
    """The event loop of an object: the first one that uses it, in each process."""

    def __init__(self) -> None:
        self._loops: dict[int, asyncio.AbstractEventLoop] = {}

    def is_here(self) -> bool:
        """Tell whether that loop is running now; the first one becomes it."""
        loop = asyncio.get_running_loop()
        return self._loops.setdefault(getpid(), loop) is loop

    def check_loop(self) -> None:
        """Check that this loop is running.

        Raises:
            EventLoopError: Another one is.
        """
        if not self.is_here():
            raise EventLoopError(
                "this client belongs to another event loop",
                remedy="make one in each, with 'async with'",
            )


class AsyncConnections(Home):
    """The connections of a client in one event loop.

    A forked process gets its own, in its own loop.
    """

    def __init__(self, plan: Plan) -> None:
        super().__init__()
        self._plan = plan
        self.is_closed = False
        self._pools = {getpid(): _Pool(plan)}

    async def send(self, send: Send) -> Answer:
        """Send a request over a connection in exclusive use, and read the answer.

        Raises:
            NoAnswer: There was none; the connection is closed.
        """
        destination = self._plan.destination(send.origin)
        pool, lease = self._pool(), _Lease()
        try:
            if not pool.admits(lease, destination):
                await pool.enter(lease, destination, send)
            connection = lease.connection
            if connection is None:
                connection = lease.connection = _Connection(destination, self._plan)
            if self.is_closed:
                raise closed(sent=False)
            answer = await connection.exchange(send)
            lease.is_reusable = self._plan.keepalive > 0 and connection.is_reusable()
            return answer
        except NoAnswer as failure:
            if self.is_closed and not failure.closed:
                raise closed(sent=failure.sent) from None
            raise
        finally:
            pool.leave(lease)

    async def close(self) -> None:
        """Close all connections; requests under way end with NoAnswer."""
        self.is_closed = True
        if self.is_here():
            self._pool().close()
            for _ in range(2):  # lets the transports finish closing
                await asyncio.sleep(0)

    def _pool(self) -> _Pool:
        # The parent's connections stay untouched: a change in the fork would reach the parent.
        return self._pools.get(getpid()) or self._pools.setdefault(getpid(), _Pool(self._plan))


class _Lease:
    """Permission to use one connection."""

    __slots__ = ("connection", "gate", "is_reusable")

    def __init__(self) -> None:
        self.connection: _Connection | None = None
        self.is_reusable = False
        self.gate: asyncio.Future[None] | None = None


class _Pool:
    """The connections of one event loop. Only `enter` awaits."""

    def __init__(self, plan: Plan) -> None:
        self._most = plan.most
        self._is_closed = False
        self._leases: set[_Lease] = set()
        self._queue: deque[_Lease] = deque()
        self._idle: Idle[_Connection] = Idle(plan.keepalive)

    def admits(self, lease: _Lease, destination: Destination) -> bool:
        """Grant a lease, with an idle connection if any; return False if it must wait."""
        if self._queue or len(self._leases) >= self._most:
            return False
        self._leases.add(lease)
        self._fit(lease, destination)
        return True

    async def enter(self, lease: _Lease, destination: Destination, send: Send) -> None:
        """Wait until the lease is granted.

        Raises:
            NoAnswer: It took too long, or the pool was closed.
        """
        watch = Watch(destination.place())
        watch.begin(send)
        lease.gate = asyncio.get_running_loop().create_future()
        self._queue.append(lease)
        try:
            async with asyncio.timeout(watch.left()):
                await lease.gate
        except TimeoutError:
            raise in_use(self._most, watch) from None
        if self._is_closed:
            raise closed(sent=False)
        self._fit(lease, destination)

    def leave(self, lease: _Lease) -> None:
        """Return a lease; keep its connection if it is reusable, else close it."""
        self._leases.discard(lease)
        if lease.gate is not None:
            with suppress(ValueError):
                self._queue.remove(lease)
        connection = lease.connection
        if connection is not None:
            if lease.is_reusable and not self._is_closed:
                self._idle.keep(connection)
            else:
                connection.close()
        while self._queue and len(self._leases) < self._most:
            following = self._queue.popleft()
            if following.gate is not None and not following.gate.done():
                self._leases.add(following)
                following.gate.set_result(None)

    def close(self) -> None:
        self._is_closed = True
        self._idle.close()
        for lease in self._leases:
            if lease.connection is not None:
                lease.connection.close()
        for lease in self._queue:
            if lease.gate is not None and not lease.gate.done():
                lease.gate.set_result(None)

    def _fit(self, lease: _Lease, destination: Destination) -> None:
        """Give a lease the latest idle connection, or make room for a new one."""
        lease.connection = self._idle.take(destination)
        if lease.connection is None and len(self._leases) + len(self._idle) > self._most:
            self._idle.drop_oldest()


class _Connection:
    """A connection, opened by its first request, and used by one request at a time."""

    def __init__(self, destination: Destination, plan: Plan) -> None:
        self.destination = destination
        self.used = 0.0
        self._watch = Watch(destination.place())
        self._dialer = _Dialer(destination, plan, self._watch)
        self._http = httpcore.AsyncHTTPConnection(
            origin_of(destination.origin),
            ssl_context=cast("Any", plan.tls()) if destination.origin.scheme == "https" else None,
            network_backend=self._dialer,
        )

    async def exchange(self, send: Send) -> Answer:
        """Send a request and read the answer as far as the call needs it.

        Raises:
            NoAnswer: There was none.
        """
        watch = self._watch
        watch.begin(send)
        failure: BaseException
        try:
            response = await self._http.handle_async_request(self.destination.request(send))
            intake = Intake(send, response.status, response.headers)
            await self._read(response, intake, watch)
            return intake.answer()
        except NoAnswer as error:
            failure = error
        except (httpcore.NetworkError, httpcore.ProtocolError) as error:
            failure = broken(error, watch)
        except BaseException as error:
            if isinstance(error, Exception):
                raise
            failure = error
        # The exception must not carry frames of httpcore: they hold headers and secrets.
        failure.__context__ = None
        raise failure.with_traceback(None)

    async def _read(self, response: httpcore.Response, intake: Intake, watch: Watch) -> None:
        watch.step(DRAIN if intake.is_idle else None)
        try:
            async for chunk in cast("AsyncIterable[bytes]", response.stream):
                if not intake.take(chunk):
                    break
            await response.aclose()
        except (NoAnswer, httpcore.RemoteProtocolError):
            if intake.is_wanted:
                raise

    def is_reusable(self) -> bool:
        """Tell whether another request may use it."""
        self.used = monotonic()
        return self._http.is_idle() and not has_more(self._http)

    def is_gone(self) -> bool:
        """Tell whether the server closed it, or sent unrequested bytes."""
        return self._dialer.line is None or self._dialer.line.is_readable()

    def close(self) -> None:
        """Close it at once, in any state: a cancelled task does not await any more."""
        self._dialer.close()


class _Dialer(httpcore.AsyncNetworkBackend):
    """Makes the one connection that httpcore requests: to the origin, or through a proxy."""

    def __init__(self, destination: Destination, plan: Plan, watch: Watch) -> None:
        self.line: _Line | None = None
        self._destination = destination
        self._plan = plan
        self._watch = watch
        self._is_closed = False
        self._limit: asyncio.Timeout | None = None

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Any = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to the destination; the arguments are those of httpcore's interface."""
        destination, watch = self._destination, self._watch
        await self._dial(destination.first.host, destination.first.port)
        stream = _Stream(self, watch)
        if destination.proxy is not None and destination.first.scheme == "https":
            await stream.wrap(self._plan.tls().context, destination.first.host)
        if destination.proxy is not None and not destination.is_forwarded:
            tunnel = httpcore.AsyncHTTP11Connection(origin_of(destination.first), stream)
            refusal = destination.refused(await tunnel.handle_async_request(destination.tunnel()))
            if refusal is not None:
                raise refusal
        if destination.origin.scheme == "http":
            watch.connected()
        return stream

    async def _dial(self, host: str, port: int) -> None:
        """Try the addresses in order, each with its share of the time left.

        Raises:
            NoAnswer: None of them can be reached.
        """
        loop, watch = asyncio.get_running_loop(), self._watch
        try:
            async with self._within(watch.left()):
                found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise watch.failed(error) from None
        failure: OSError | None = None
        for number, (family, kind, protocol, _, address) in enumerate(found):
            share = watch.left() / (len(found) - number)
            try:
                made = socket.socket(family, kind, protocol)
            except OSError as error:  # its family is switched off, or too many sockets are open
                failure = error
                continue
            try:
                made.setblocking(False)
                async with self._within(share):
                    await loop.sock_connect(made, address)
                made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            except OSError as error:
                failure = error
                made.close()
                if self._is_closed:
                    raise closed(sent=False) from None
            except BaseException:
                made.close()
                raise
            else:
                _, self.line = await loop.create_connection(_Line, sock=made)
                if self._is_closed:
                    self.close()
                return
        watch.left()
        raise watch.failed(failure or OSError("the name has no address"))

    def _within(self, seconds: float) -> asyncio.Timeout:
        """Return a time limit that `close` brings forward."""
        self._limit = asyncio.timeout(seconds)
        return self._limit

    def close(self) -> None:
        self._is_closed = True
        if self.line is not None:
            self.line.close()
        elif self._limit is not None:
            with suppress(RuntimeError):  # nothing waits any more
                self._limit.reschedule(0)


class _Line(asyncio.Protocol):
    """The protocol of a transport: buffers received bytes until they are read."""

    def __init__(self) -> None:
        self.has_ended = False
        self._transport: asyncio.Transport | None = None
        self._received = bytearray()
        self._failure: Exception | None = None
        self._is_paused = False
        self._reader: asyncio.Future[None] | None = None
        self._writer: asyncio.Future[None] | None = None
        self._is_full = False

    @property
    def transport(self) -> asyncio.Transport:
        assert self._transport is not None  # noqa: S101 - made before this
        return self._transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._received += data
        if len(self._received) > _PAUSE and not self._is_paused:
            self._is_paused = True
            self.transport.pause_reading()
        _wake(self._reader)

    def eof_received(self) -> None:
        self.has_ended = True
        _wake(self._reader)

    def connection_lost(self, exc: Exception | None) -> None:
        self.has_ended, self._failure = True, exc
        _wake(self._reader)
        _wake(self._writer)

    def pause_writing(self) -> None:
        self._is_full = True

    def resume_writing(self) -> None:
        self._is_full = False
        _wake(self._writer)

    async def receive(self, max_bytes: int) -> bytes:
        """Wait for bytes and return them; none mean the end.

        Raises:
            OSError: The connection broke.
        """
        while not self._received:
            if self.has_ended:
                if self._failure is not None:
                    raise _as_os_error(self._failure)
                return b""
            self._reader = asyncio.get_running_loop().create_future()
            await self._reader
        taken = bytes(self._received[:max_bytes])
        del self._received[:max_bytes]
        if self._is_paused and not self._received:
            self._is_paused = False
            self.transport.resume_reading()
        return taken

    async def transmit(self, data: bytes) -> None:
        """Send bytes, or buffer them for sending.

        Raises:
            OSError: The connection broke.
        """
        if self.has_ended:
            raise _as_os_error(self._failure or ConnectionResetError("Connection reset by peer"))
        self.transport.write(data)
        while self._is_full and not self.has_ended:
            self._writer = asyncio.get_running_loop().create_future()
            await self._writer

    async def start_tls(self, context: ssl.SSLContext, host: str | None) -> None:
        """Put TLS over the transport, which may have TLS already.

        Raises:
            OSError, ValueError: The handshake failed.
        """
        if self._received:
            raise OSError("bytes arrived before the TLS handshake")
        loop = asyncio.get_running_loop()
        made = await loop.start_tls(self.transport, self, context, server_hostname=host)
        if made is None:
            raise OSError("the connection was closed during the TLS handshake")
        self._transport = made

    def is_readable(self) -> bool:
        """Tell whether it is readable: between requests that is its end, or unrequested bytes."""
        if self._received or self.has_ended or self.transport.is_closing():
            return True
        # The event loop may not have noticed yet.
        made = self.transport.get_extra_info("socket")
        return made is not None and is_readable(made)

    def close(self) -> None:
        self.has_ended = True
        _wake(self._reader)
        _wake(self._writer)
        if self._transport is not None:
            with suppress(RuntimeError):  # the event loop is closed
                self._transport.abort()


class _Stream(httpcore.AsyncNetworkStream):
    """A transport, with or without TLS, under the time limits of its watch."""

    def __init__(self, dialer: _Dialer, watch: Watch) -> None:
        self._dialer = dialer
        self._watch = watch

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        watch = self._watch
        watch.reads()
        try:
            async with asyncio.timeout(watch.left()):
                return await self._line().receive(max_bytes)
        except OSError as error:
            raise watch.failed(error) from None

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        if not buffer:
            return
        watch, line = self._watch, self._line()
        left = watch.left()
        if line.has_ended:  # known before any byte left
            raise httpcore.WriteError("the connection is closed")
        watch.writes()
        try:
            async with asyncio.timeout(left):
                await line.transmit(buffer)
        except TimeoutError as error:
            raise watch.failed(error) from None
        except OSError as error:
            # An answer may have arrived nevertheless: httpcore looks for it after a WriteError.
            raise httpcore.WriteError(str(error)) from None

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.AsyncNetworkStream:
        await self.wrap(cast("Tls", ssl_context).context, server_hostname)
        self._watch.connected()
        return self

    async def wrap(self, context: ssl.SSLContext, host: str | None) -> None:
        """Put TLS over this stream."""
        watch = self._watch
        try:
            async with asyncio.timeout(watch.left()):
                await self._line().start_tls(context, host)
        except (OSError, ValueError) as error:
            self._dialer.close()
            raise watch.failed(error) from None

    async def aclose(self) -> None:
        self._dialer.close()

    def get_extra_info(self, info: str) -> Any:
        line = self._dialer.line
        if info == "ssl_object":
            return None if line is None else line.transport.get_extra_info("ssl_object")
        return info == "is_readable" and (line is None or line.is_readable())

    def _line(self) -> _Line:
        assert self._dialer.line is not None  # noqa: S101 - made before this
        return self._dialer.line


def _wake(waiter: asyncio.Future[None] | None) -> None:
    if waiter is not None and not waiter.done():
        waiter.set_result(None)


def _as_os_error(error: Exception) -> OSError:
    return error if isinstance(error, OSError) else OSError(str(error) or type(error).__name__)
