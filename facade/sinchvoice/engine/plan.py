"""The way to an origin, and time limits: the common part of both kinds of connections."""

from __future__ import annotations

import os
import select
import socket
import ssl
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from time import monotonic
from typing import Generic, NamedTuple, Protocol, TypeVar

import httpcore

from ..errors import ConfigurationError
from ..proxies import Proxies, Proxy
from ..settings import Settings
from ..urls import Origin
from ..wire import NoAnswer, Send

__all__ = [
    "DRAIN",
    "FOREVER",
    "Connection",
    "Destination",
    "Idle",
    "Plan",
    "Tls",
    "Watch",
    "broken",
    "closed",
    "has_more",
    "in_use",
    "is_readable",
    "origin_of",
]

DRAIN = 0.25
"""Seconds for reading the content of a success that the call does not need."""
FOREVER = float("inf")


C = TypeVar("C", bound="Connection")


class Destination(NamedTuple):
    """The way to an origin; connections of equal destinations are interchangeable."""

    origin: Origin
    proxy: Proxy | None

    @property
    def is_forwarded(self) -> bool:
        """Whether the proxy receives the request itself instead of opening a tunnel."""
        return self.proxy is not None and self.origin.scheme == "http"

    @property
    def first(self) -> Origin:
        """The first hop: the proxy's origin, or the origin itself without a proxy."""
        return self.origin if self.proxy is None else self.proxy.origin

    def place(self) -> str:
        """Return host and proxy as errors name them: without credentials."""
        host = self.origin.netloc
        return host if self.proxy is None else f"{host} through the proxy {self.proxy}"

    def request(self, send: Send) -> httpcore.Request:
        """Return a request in the form for a connection of this destination."""
        origin = self.origin
        headers = [(b"Host", origin.netloc.encode("ascii")), *send.headers]
        if send.body or send.method not in ("GET", "HEAD"):
            headers.append((b"Content-Length", b"%d" % len(send.body)))
        target = send.target
        if self.is_forwarded:
            target = f"{origin}{target}"
            headers += _authorization(self.proxy)
        return httpcore.Request(
            send.method.encode("ascii"), _url(origin, target), headers=headers, content=send.body
        )

    def tunnel(self) -> httpcore.Request:
        """Return the request that asks the proxy for a tunnel to the origin."""
        assert self.proxy is not None  # noqa: S101 - there are no other tunnels
        host = f"[{self.origin.host}]" if ":" in self.origin.host else self.origin.host
        target = f"{host}:{self.origin.port}"
        headers = [(b"Host", target.encode("ascii")), *_authorization(self.proxy)]
        return httpcore.Request(b"CONNECT", _url(self.proxy.origin, target), headers=headers)

    def refused(self, answer: httpcore.Response) -> NoAnswer | None:
        """Return the failure in the proxy's answer to `tunnel`; None for a success."""
        if 200 <= answer.status <= 299:
            return None
        wrong = " (its user name or password is wrong)" if answer.status == 407 else ""
        reason = f"the proxy answered with HTTP {answer.status}{wrong}"
        return NoAnswer(reason, sent=False, place=self.place())


class Plan:
    """The common configuration of a client's connections.

    Raises:
        ConfigurationError: A proxy or a certificate file is unusable.
    """

    def __init__(self, settings: Settings) -> None:
        self.most = settings.max_connections
        self.keepalive = settings.keepalive
        self._proxies = Proxies.of(settings.proxy)
        self._destinations: dict[Origin, Destination] = {}
        given = settings.ssl_context
        self._tls = None if given is None else Tls(given)
        # A snapshot: later changes do not count.
        self._files = {
            name: os.environ[name]
            for name in ("SSL_CERT_FILE", "SSL_CERT_DIR")
            if os.environ.get(name)
        }
        for base in settings.bases.values():
            self._proxies.find(base.origin)
        if self._files and any(base.origin.scheme == "https" for base in settings.bases.values()):
            self.tls()  # now, so that errors show now

    def destination(self, origin: Origin) -> Destination:
        """Return the way to an origin."""
        found = self._destinations.get(origin)
        if found is None:
            found = self._destinations[origin] = Destination(origin, self._proxies.find(origin))
        return found

    def tls(self) -> Tls:
        """Return the TLS context: `ssl_context`, SSL_CERT_FILE, SSL_CERT_DIR or certifi's list.

        Raises:
            ConfigurationError: A certificate file or directory is missing or unreadable.
        """
        if self._tls is None:
            name = next(iter(self._files), "")
            if not name:
                import certifi

                self._tls = _shared(certifi.where())
                return self._tls
            path = self._files[name]
            if name == "SSL_CERT_DIR":  # may name several directories, as for OpenSSL
                exists = any(Path(each).is_dir() for each in path.split(os.pathsep))
            else:
                exists = Path(path).is_file()
            if not exists:
                raise ConfigurationError(
                    f"{name} is {path!r}, which does not exist", remedy="correct it, or unset it"
                )
            try:
                if name == "SSL_CERT_DIR":
                    self._tls = Tls(ssl.create_default_context(capath=path))
                else:
                    self._tls = _shared(path)
            except OSError as error:
                raise ConfigurationError(
                    f"{name} is {path!r}, which cannot be read ({error})",
                    remedy="give certificates in PEM form, or unset it",
                ) from None
        return self._tls


class Tls:
    """A TLS context as httpcore gets it, with the protocol set once.

    httpcore sets it again before each handshake, which OpenSSL does not guard: the handshake of
    another thread could send memory that is freed.

    Attributes:
        context: The context.
    """

    def __init__(self, context: ssl.SSLContext) -> None:
        context.set_alpn_protocols(["http/1.1"])
        self.context = context

    def set_alpn_protocols(self, protocols: list[str]) -> None:
        """Leave the protocol as it is."""


def _shared(path: str) -> Tls:
    """Return a context with the certificates of a file, the same while the file is the same.

    Reading a list of certificates takes 20 ms, which is most of making a client.
    """
    found = Path(path).stat()
    version = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
    # A context reads the variable when it is made.
    return _made(path, *version, os.environ.get("SSLKEYLOGFILE"))


@lru_cache(maxsize=4)
def _made(path: str, *version: int | str | None) -> Tls:
    del version
    return Tls(ssl.create_default_context(cafile=path))


class Watch:
    """Time limits of a connection, and the progress of its request.

    Attributes:
        sent: Whether a byte of the request may have left.
        place: Host and proxy; empty once connected.
    """

    __slots__ = (
        *("_answer_patience", "_deadline", "_limit", "_patience", "_sending", "_spares_answer"),
        *("place", "sent"),
    )

    def __init__(self, place: str) -> None:
        self.place = place
        self.sent = False
        self._sending = self._spares_answer = False
        self._patience = self._answer_patience = self._deadline = self._limit = FOREVER

    def begin(self, send: Send) -> None:
        """Begin a request, and its first step."""
        self.sent = False
        self._sending = False
        self._patience, self._answer_patience = send.patience, send.answer_patience
        self._spares_answer = send.spares_answer
        remaining = send.remaining()
        self._deadline = FOREVER if remaining is None else monotonic() + remaining
        self.step()

    def step(self, patience: float | None = None) -> None:
        """Begin a step with the given seconds, or else with the patience of the request."""
        limit = monotonic() + (self._patience if patience is None else patience)
        self._limit = min(limit, self._deadline)

    def connected(self) -> None:
        """Note that the connection is made; later writes are the request."""
        self.place = ""
        self.step()

    def writes(self) -> None:
        """Note that bytes leave."""
        if not self.place:
            self.sent = self._sending = True

    def reads(self) -> None:
        """Note that the wait for the answer begins, a step of its own."""
        if self._sending:
            self._sending = False
            self._patience = self._answer_patience
            if self._spares_answer:
                self._deadline = FOREVER
            self.step()

    def left(self) -> float:
        """Return the seconds left of this step.

        Raises:
            NoAnswer: None are left.
        """
        left = self._limit - monotonic()
        if left <= 0:
            raise self.expired()
        return left

    def expired(self) -> NoAnswer:
        """Return the failure of a step that exceeded its time."""
        is_late = self._limit >= self._deadline
        return NoAnswer(
            "" if is_late else f"timed out after {self._patience:g} s",
            sent=self.sent,
            timed_out=True,
            is_late=is_late,
            place=self.place,
        )

    def failed(self, error: BaseException) -> NoAnswer:
        """Return the failure that an error of the network or of TLS means."""
        if isinstance(error, TimeoutError) and self._limit - monotonic() <= 0.01:
            return self.expired()
        reason = str(error) or type(error).__name__
        return NoAnswer(reason, sent=self.sent, place=self.place)


class Connection(Protocol):
    """The common interface of both kinds of connections."""

    destination: Destination
    used: float

    def is_gone(self) -> bool: ...

    def close(self) -> None: ...


class Idle(Generic[C]):
    """Idle connections, the most recently used last."""

    def __init__(self, keepalive: float) -> None:
        self._keepalive = keepalive
        self._connections: list[C] = []

    def __len__(self) -> int:
        return len(self._connections)

    def keep(self, connection: C) -> None:
        """Add a connection just used, and close those idle for too long."""
        self._connections.append(connection)
        while now_expired := self._connections[:1]:
            (oldest,) = now_expired
            if connection.used - oldest.used < self._keepalive:
                break
            with suppress(ValueError):  # a signal handler closed the client meanwhile
                self._connections.remove(oldest)
            oldest.close()

    def take(self, destination: Destination) -> C | None:
        """Remove and return the latest usable connection to a destination; close unusable ones."""
        now = monotonic()
        for connection in reversed(self._connections.copy()):
            if connection.destination != destination:
                continue
            with suppress(ValueError):  # as above
                self._connections.remove(connection)
            if now - connection.used < self._keepalive and not connection.is_gone():
                return connection
            connection.close()
        return None

    def drop_oldest(self) -> None:
        """Close the connection idle for longest."""
        with suppress(IndexError):  # as above
            self._connections.pop(0).close()

    def close(self) -> None:
        """Close all connections."""
        while self._connections:
            self._connections.pop().close()


def broken(error: Exception, watch: Watch) -> NoAnswer:
    """Return the failure that an error of httpcore means."""
    if isinstance(error, httpcore.RemoteProtocolError):
        text = str(error)
        reason = (
            "the connection was closed without one"
            if "without sending a response" in text
            else f"the response is not HTTP ({text})"
        )
        return NoAnswer(reason, sent=watch.sent, place=watch.place)
    reason = f"{type(error).__name__}: {error}".removesuffix(": ")
    return NoAnswer(reason, sent=watch.sent, place=watch.place)


def closed(*, sent: bool) -> NoAnswer:
    """Return the failure of a call during which the client was closed."""
    return NoAnswer("the client was closed meanwhile", sent=sent, closed=True)


def in_use(most: int, watch: Watch) -> NoAnswer:
    """Return the failure of a call for which no connection became free in time."""
    expired = watch.expired()
    expired.reason = f"all {most} connections (max_connections) stayed in use"
    return expired


def has_more(connection: httpcore.HTTPConnection | httpcore.AsyncHTTPConnection) -> bool:
    """Tell whether bytes follow the answer, which would count as the answer to the next request."""
    # httpcore keeps such bytes in its parser and does not expose them; a test covers this access.
    waiting, _ = connection._connection._h11_state.trailing_data  # type: ignore[union-attr]
    return bool(waiting)


def origin_of(origin: Origin) -> httpcore.Origin:
    """Return an origin as httpcore has it."""
    return httpcore.Origin(origin.scheme.encode("ascii"), origin.host.encode("ascii"), origin.port)


def is_readable(stream: socket.socket) -> bool:
    """Tell whether a socket is readable: between requests that is its end, or unrequested bytes."""
    number = stream.fileno()
    if number < 0:
        return True
    if hasattr(select, "poll"):
        poll = select.poll()
        poll.register(number, select.POLLIN)
        return bool(poll.poll(0))
    return bool(select.select([number], [], [], 0)[0])


def _authorization(proxy: Proxy | None) -> list[tuple[bytes, bytes]]:
    if proxy is None or proxy.authorization is None:
        return []
    return [(b"Proxy-Authorization", proxy.authorization.encode("ascii"))]


def _url(origin: Origin, target: str) -> httpcore.URL:
    return httpcore.URL(
        scheme=origin.scheme.encode("ascii"),
        host=origin.host.encode("ascii"),
        port=origin.port,
        target=target.encode("ascii"),
    )
