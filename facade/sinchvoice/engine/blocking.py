"""Connections shared by threads."""

from __future__ import annotations

import socket
import ssl
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from os import getpid
from threading import Lock, RLock
from time import monotonic
from typing import Any, TypeVar, cast
from weakref import WeakSet, ref

import httpcore

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

__all__ = ["Connections"]

T = TypeVar("T")
_LOOK = 0.1
"""Seconds between checks by a thread that waits for a connection, in case no one wakes it."""


class Connections:
    """The connections of a client.

    A forked process gets its own: the parent's stay with the parent.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self.is_closed = False
        self._pools = {getpid(): _Pool(plan)}

    def send(self, send: Send) -> Answer:
        """Send a request over a connection in exclusive use, and read the answer.

        Raises:
            NoAnswer: There was none; the connection is closed.
        """
        destination = self._plan.destination(send.origin)
        pool, lease = self._pool(), _Lease()
        try:
            pool.enter(lease, destination, send)
            connection = lease.connection
            if connection is None:
                connection = lease.connection = _Connection(destination, self._plan)
            if self.is_closed:
                raise closed(sent=False)
            answer = connection.exchange(send)
            lease.is_reusable = self._plan.keepalive > 0 and connection.is_reusable()
            return answer
        except NoAnswer as failure:
            if self.is_closed and not failure.closed:
                raise closed(sent=failure.sent) from None
            raise
        finally:
            pool.leave(lease)

    def close(self) -> None:
        """Close all connections; requests under way end with NoAnswer."""
        self.is_closed = True
        self._pool().close()

    def _pool(self) -> _Pool:
        # Look up the process before touching any lock: a fork copies held locks, but not the
        # threads that hold them.
        process = getpid()
        pool = self._pools.get(process)
        if pool is None:
            pool = self._pools.setdefault(process, _Pool(self._plan))
            for other in self._pools.keys() - {process}:
                self._pools.pop(other, None)
        return pool


class _Lease:
    """Permission to use one connection, valid while something refers to it."""

    __slots__ = ("__weakref__", "connection", "gate", "is_reusable")

    def __init__(self) -> None:
        self.connection: _Connection | None = None
        self.is_reusable = False
        self.gate: Lock | None = None


class _Pool:
    """The connections of one process.

    The living leases are counted, not a number: an exception at any point of a thread cannot leak
    one. A signal handler may close the client while the interrupted thread holds the lock.
    """

    def __init__(self, plan: Plan) -> None:
        self._most = plan.most
        self._lock = RLock()
        self._is_closed = False
        self._leases: WeakSet[_Lease] = WeakSet()
        self._queue: deque[ref[_Lease]] = deque()
        self._idle: Idle[_Connection] = Idle(plan.keepalive)

    def enter(self, lease: _Lease, destination: Destination, send: Send) -> None:
        """Wait until the lease is granted, with an idle connection if any.

        Raises:
            NoAnswer: It took too long, or the pool was closed.
        """
        with self._lock:
            if not self._queue and len(self._leases) < self._most:
                self._leases.add(lease)
                self._fit(lease, destination)
                return
            lease.gate = Lock()
            lease.gate.acquire()
            self._queue.append(ref(lease))
        watch = Watch(destination.place())
        watch.begin(send)
        while True:
            try:
                lease.gate.acquire(timeout=min(watch.left(), _LOOK))
            except NoAnswer:
                raise in_use(self._most, watch) from None
            with self._lock:
                self._advance()
                if self._is_closed:
                    raise closed(sent=False)
                if lease in self._leases:
                    self._fit(lease, destination)
                    return

    def leave(self, lease: _Lease) -> None:
        """Return a lease; keep its connection if it is reusable, else close it."""
        connection = lease.connection
        with self._lock:
            self._leases.discard(lease)
            if lease.gate is not None:
                self._queue = deque(each for each in self._queue if each() not in (None, lease))
            if connection is not None and lease.is_reusable:
                self._idle.keep(connection)
                connection = None
            if self._queue:
                self._advance()
        if connection is not None:
            connection.close()
        if self._is_closed:
            self.close()

    def close(self) -> None:
        with self._lock:
            self._is_closed = True
            busy = [lease.connection for lease in self._leases]
            waiting = [each() for each in self._queue]
            self._idle.close()
        for used in busy:
            if used is not None:
                used.interrupt()
        for lease in waiting:
            if lease is not None and lease.gate is not None:
                with suppress(RuntimeError):
                    lease.gate.release()

    def _advance(self) -> None:
        """Grant waiting leases, first come, first served."""
        while self._queue and len(self._leases) < self._most:
            lease = self._queue.popleft()()
            if lease is not None and lease.gate is not None:
                self._leases.add(lease)
                with suppress(RuntimeError):  # its thread checked at the same moment
                    lease.gate.release()

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
        origin = destination.origin
        self._http = httpcore.HTTPConnection(
            origin_of(origin),
            ssl_context=cast("Any", plan.tls()) if origin.scheme == "https" else None,
            network_backend=self._dialer,
        )

    def exchange(self, send: Send) -> Answer:
        """Send a request and read the answer as far as the call needs it.

        Raises:
            NoAnswer: There was none.
        """
        watch = self._watch
        watch.begin(send)
        failure: BaseException
        try:
            response = self._http.handle_request(self.destination.request(send))
            intake = Intake(send, response.status, response.headers)
            self._read(response, intake, watch)
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

    def _read(self, response: httpcore.Response, intake: Intake, watch: Watch) -> None:
        watch.step(DRAIN if intake.is_idle else None)
        try:
            for chunk in cast("Iterable[bytes]", response.stream):
                if not intake.take(chunk):
                    break
            response.close()
        except (NoAnswer, httpcore.RemoteProtocolError):
            if intake.is_wanted:
                raise

    def is_reusable(self) -> bool:
        """Tell whether another request may use it."""
        self.used = monotonic()
        return self._http.is_idle() and not has_more(self._http)

    def is_gone(self) -> bool:
        """Tell whether the server closed it, or sent unrequested bytes."""
        stream, incoming = self._dialer.stream, self._dialer.incoming
        unread = incoming is not None and incoming.pending > 0
        return stream is None or unread or is_readable(stream)

    def interrupt(self) -> None:
        """Wake the thread that waits for it; that thread closes it."""
        self._dialer.interrupt()

    def close(self) -> None:
        """Close it, in any state."""
        self._dialer.close()

    def __del__(self) -> None:
        self.close()


class _Dialer(httpcore.NetworkBackend):
    """Makes the one connection that httpcore requests: to the origin, or through a proxy."""

    def __init__(self, destination: Destination, plan: Plan, watch: Watch) -> None:
        self.stream: socket.socket | None = None
        self._process = getpid()
        self.incoming: ssl.MemoryBIO | None = None  # received bytes of a TLS inside TLS
        self._destination = destination
        self._plan = plan
        self._watch = watch
        self._is_interrupted = False

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Any = None,
    ) -> httpcore.NetworkStream:
        """Connect to the destination; the arguments are those of httpcore's interface."""
        destination, watch = self._destination, self._watch
        self._dial(destination.first.host, destination.first.port)
        stream: _Stream = _Stream(self, watch)
        if destination.proxy is not None and destination.first.scheme == "https":
            stream = stream.wrapped(self._plan.tls().context, destination.first.host)
        if destination.proxy is not None and not destination.is_forwarded:
            tunnel = httpcore.HTTP11Connection(origin_of(destination.first), stream)
            refusal = destination.refused(tunnel.handle_request(destination.tunnel()))
            if refusal is not None:
                raise refusal
        if destination.origin.scheme == "http":
            watch.connected()
        return stream

    def _dial(self, host: str, port: int) -> None:
        """Try the addresses in order, each with its share of the time left.

        Raises:
            NoAnswer: None of them can be reached.
        """
        watch = self._watch
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise watch.failed(error) from None
        failure: OSError | None = None
        for number, (family, kind, protocol, _, address) in enumerate(found):
            share = watch.left() / (len(found) - number)
            try:
                self.stream = socket.socket(family, kind, protocol)
                self.stream.settimeout(share)
                self.stream.connect(address)
                self.stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                if not self._is_interrupted:
                    return
            except OSError as error:
                failure = error
                self.close()
            if self._is_interrupted:
                raise closed(sent=False)
        watch.left()
        raise watch.failed(failure or OSError("the name has no address"))

    def interrupt(self) -> None:
        self._is_interrupted = True
        if self.stream is not None:
            with suppress(OSError):
                socket.socket.shutdown(self.stream, socket.SHUT_RDWR)

    def close(self) -> None:
        stream = self.stream
        if stream is not None:
            with suppress(OSError):
                # The server must see the end even if a fork has a copy of the socket; but closing
                # the copy in the fork must not end the connection.
                if self._process == getpid() and stream.fileno() >= 0:
                    socket.socket.shutdown(stream, socket.SHUT_RDWR)
            with suppress(OSError):
                stream.close()


class _Stream(httpcore.NetworkStream):
    """A socket, with or without TLS, under the time limits of its watch."""

    def __init__(self, dialer: _Dialer, watch: Watch) -> None:
        self._dialer = dialer
        self._watch = watch

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        self._watch.reads()
        return self._receive(max_bytes)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        if buffer:
            self._watch.left()
            self._watch.writes()
            self._transmit(buffer)

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        stream = self.wrapped(cast("Tls", ssl_context).context, server_hostname)
        self._watch.connected()
        return stream

    def wrapped(self, context: ssl.SSLContext, host: str | None) -> _Stream:
        """Return this stream with TLS over it."""
        stream, watch = self._socket(), self._watch
        if isinstance(stream, ssl.SSLSocket):
            return _TlsInTls(self._dialer, watch, context, host)
        try:
            # Set before the handshake, which may take long, so that it can be closed.
            self._dialer.stream = secure = context.wrap_socket(
                stream, server_hostname=host, do_handshake_on_connect=False
            )
            secure.settimeout(watch.left())
            secure.do_handshake()
        except (OSError, ValueError) as error:
            self._dialer.close()
            raise watch.failed(error) from None
        return self

    def close(self) -> None:
        self._dialer.close()

    def get_extra_info(self, info: str) -> Any:
        stream = self._dialer.stream
        if info == "ssl_object":
            return stream if isinstance(stream, ssl.SSLSocket) else None
        return info == "is_readable" and (stream is None or is_readable(stream))

    def _receive(self, max_bytes: int) -> bytes:
        stream, watch = self._socket(), self._watch
        stream.settimeout(watch.left())
        try:
            return stream.recv(max_bytes)
        except OSError as error:
            raise watch.failed(error) from None

    def _transmit(self, buffer: bytes) -> None:
        stream, watch = self._socket(), self._watch
        view = memoryview(buffer)
        while view:
            stream.settimeout(watch.left())
            try:
                view = view[stream.send(view) :]
            except TimeoutError as error:
                raise watch.failed(error) from None
            except OSError as error:
                # An answer may have arrived nevertheless: httpcore looks for it after a WriteError.
                raise httpcore.WriteError(str(error)) from None

    def _socket(self) -> socket.socket:
        assert self._dialer.stream is not None  # noqa: S101 - made before this
        return self._dialer.stream


class _TlsInTls(_Stream):
    """TLS to the origin inside TLS to the proxy.

    httpcore's own version reads the socket below without a time limit.
    """

    def __init__(
        self, dialer: _Dialer, watch: Watch, context: ssl.SSLContext, host: str | None
    ) -> None:
        super().__init__(dialer, watch)
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        dialer.incoming = self._incoming
        try:
            self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)
            self._through(self._tls.do_handshake)
        except (OSError, ValueError) as error:
            raise watch.failed(error) from None

    def get_extra_info(self, info: str) -> Any:
        return self._tls if info == "ssl_object" else super().get_extra_info(info)

    def _receive(self, max_bytes: int) -> bytes:
        try:
            return self._through(partial(self._tls.read, max_bytes))
        except ssl.SSLZeroReturnError:
            return b""
        except OSError as error:
            raise self._watch.failed(error) from None

    def _transmit(self, buffer: bytes) -> None:
        view = memoryview(buffer)
        while view:
            try:
                view = view[self._through(partial(self._tls.write, view)) :]
            except OSError as error:
                raise httpcore.WriteError(str(error)) from None

    def _through(self, step: Callable[[], T]) -> T:
        """Perform a step of the inner TLS, with all sending and receiving that it needs."""
        while True:
            try:
                result = step()
            except ssl.SSLWantReadError:
                super()._transmit(self._outgoing.read())
                received = super()._receive(16_384)
                if received:
                    self._incoming.write(received)
                else:
                    self._incoming.write_eof()
            else:
                super()._transmit(self._outgoing.read())
                return result
