"""How requests get to an origin, and until when to wait: what both kinds of connections know."""

from __future__ import annotations

import os
import select
import socket
import ssl
from contextlib import suppress
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
    "Watch",
    "broken",
    "closed",
    "has_more",
    "in_use",
    "is_readable",
    "origin_of",
]

DRAIN = 0.25
"""Seconds for the content of a success that the call does not use."""
FOREVER = float("inf")


C = TypeVar("C", bound="Connection")


class Destination(NamedTuple):
    """The way to an origin: connections with equal routes can stand in for each other."""

    origin: Origin
    proxy: Proxy | None

    @property
    def is_forwarded(self) -> bool:
        """Whether the proxy gets the request itself, and not a tunnel to its host."""
        return self.proxy is not None and self.origin.scheme == "http"

    @property
    def first(self) -> Origin:
        """Where the connection is made to."""
        return self.origin if self.proxy is None else self.proxy.origin

    def place(self) -> str:
        """Host and proxy, as errors name them: without credentials."""
        host = self.origin.netloc
        return host if self.proxy is None else f"{host} through the proxy {self.proxy}"

    def request(self, send: Send) -> httpcore.Request:
        """A request in the form that goes over a connection of this destination."""
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
        """The request that asks the proxy for a tunnel to the origin."""
        assert self.proxy is not None  # noqa: S101 - only then there is one
        host = f"[{self.origin.host}]" if ":" in self.origin.host else self.origin.host
        target = f"{host}:{self.origin.port}"
        headers = [(b"Host", target.encode("ascii")), *_authorization(self.proxy)]
        return httpcore.Request(b"CONNECT", _url(self.proxy.origin, target), headers=headers)

    def refused(self, answer: httpcore.Response) -> NoAnswer | None:
        """The failure that an answer of the proxy to `tunnel` is; None for a success."""
        if 200 <= answer.status <= 299:
            return None
        wrong = " (its user name or password is wrong)" if answer.status == 407 else ""
        reason = f"the proxy answered with HTTP {answer.status}{wrong}"
        return NoAnswer(reason, sent=False, place=self.place())


class Plan:
    """What a client's connections have in common.

    Raises:
        ConfigurationError: a proxy or a file of certificates cannot be used.
    """

    def __init__(self, settings: Settings) -> None:
        self.most = settings.max_connections
        self.keepalive = settings.keepalive
        self._proxies = Proxies.of(settings.proxy)
        self._destinations: dict[Origin, Destination] = {}
        self._context = settings.ssl_context
        # As they are now: nothing that changes later counts.
        self._files = {
            name: os.environ[name]
            for name in ("SSL_CERT_FILE", "SSL_CERT_DIR")
            if os.environ.get(name)
        }
        for base in settings.bases.values():
            self._proxies.find(base.origin)
        if self._files and any(base.origin.scheme == "https" for base in settings.bases.values()):
            self.ssl_context()  # now, so that what is wrong with them shows now

    def destination(self, origin: Origin) -> Destination:
        """The way to an origin."""
        found = self._destinations.get(origin)
        if found is None:
            found = self._destinations[origin] = Destination(origin, self._proxies.find(origin))
        return found

    def ssl_context(self) -> ssl.SSLContext:
        """Whom TLS trusts: `ssl_context`, or SSL_CERT_FILE, or SSL_CERT_DIR, or certifi's list."""
        if self._context is None:
            name = next(iter(self._files), "")
            if not name:
                import certifi

                self._context = ssl.create_default_context(cafile=certifi.where())
                return self._context
            path = self._files[name]
            if name == "SSL_CERT_DIR":  # or several, as OpenSSL reads it
                exists = any(Path(each).is_dir() for each in path.split(os.pathsep))
            else:
                exists = Path(path).is_file()
            if not exists:
                raise ConfigurationError(
                    f"{name} is {path!r}, which does not exist: correct it, or unset it"
                )
            try:
                if name == "SSL_CERT_DIR":
                    self._context = ssl.create_default_context(capath=path)
                else:
                    self._context = ssl.create_default_context(cafile=path)
            except OSError as error:
                raise ConfigurationError(
                    f"{name} is {path!r}, which cannot be read ({error}): give certificates in "
                    "PEM form, or unset it"
                ) from None
        return self._context


class Watch:
    """Until when a connection may wait, and how far a request has got.

    Attributes:
        sent: whether a byte of the request may have left.
        place: host and proxy while there is no connection; empty as soon as there is one.
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
        """Start with a request: its first step begins."""
        self.sent = False
        self._sending = False
        self._patience, self._answer_patience = send.patience, send.answer_patience
        self._spares_answer = send.spares_answer
        remaining = send.remaining()
        self._deadline = FOREVER if remaining is None else monotonic() + remaining
        self.step()

    def step(self, patience: float | None = None) -> None:
        """Begin a step, which gets that many seconds."""
        limit = monotonic() + (self._patience if patience is None else patience)
        self._limit = min(limit, self._deadline)

    def connected(self) -> None:
        """Note that the connection is made; what is written from now on is the request."""
        self.place = ""
        self.step()

    def writes(self) -> None:
        """Note that bytes leave now."""
        if not self.place:
            self.sent = self._sending = True

    def reads(self) -> None:
        """Note that the answer is waited for, which is a step of its own."""
        if self._sending:
            self._sending = False
            self._patience = self._answer_patience
            if self._spares_answer:
                self._deadline = FOREVER
            self.step()

    def left(self) -> float:
        """Seconds that are left of this step.

        Raises:
            NoAnswer: there are none.
        """
        left = self._limit - monotonic()
        if left <= 0:
            raise self.expired()
        return left

    def expired(self) -> NoAnswer:
        """The step has taken longer than it may."""
        is_late = self._limit >= self._deadline
        return NoAnswer(
            "" if is_late else f"timed out after {self._patience:g} s",
            sent=self.sent,
            timed_out=True,
            is_late=is_late,
            place=self.place,
        )

    def failed(self, error: BaseException) -> NoAnswer:
        """The network, or TLS, said no."""
        if isinstance(error, TimeoutError) and self._limit - monotonic() <= 0.01:
            return self.expired()
        reason = str(error) or type(error).__name__
        return NoAnswer(reason, sent=self.sent, place=self.place)


class Connection(Protocol):
    """What both kinds of connections have in common."""

    destination: Destination
    used: float

    def is_gone(self) -> bool: ...

    def close(self) -> None: ...


class Idle(Generic[C]):
    """Connections that nothing uses, the one that was used last at the end."""

    def __init__(self, keepalive: float) -> None:
        self._keepalive = keepalive
        self._connections: list[C] = []

    def __len__(self) -> int:
        return len(self._connections)

    def keep(self, connection: C) -> None:
        """Add one that has just been used, and close those that were not for too long."""
        self._connections.append(connection)
        while now_expired := self._connections[:1]:
            (oldest,) = now_expired
            if connection.used - oldest.used < self._keepalive:
                break
            with suppress(ValueError):  # a signal handler has closed the client meanwhile
                self._connections.remove(oldest)
            oldest.close()

    def take(self, destination: Destination) -> C | None:
        """Remove the one to a destination that was used last, and close what is of no use."""
        now = monotonic()
        for connection in reversed(self._connections.copy()):
            if connection.destination != destination:
                continue
            with suppress(ValueError):  # a signal handler has closed the client meanwhile
                self._connections.remove(connection)
            if now - connection.used < self._keepalive and not connection.is_gone():
                return connection
            connection.close()
        return None

    def drop_oldest(self) -> None:
        """Close the one that was not used for longest."""
        with suppress(IndexError):  # as above
            self._connections.pop(0).close()

    def close(self) -> None:
        """Close them all."""
        while self._connections:
            self._connections.pop().close()


def broken(error: Exception, watch: Watch) -> NoAnswer:
    """What an error of httpcore means."""
    if isinstance(error, httpcore.RemoteProtocolError):
        text = str(error)
        reason = (
            "the connection was closed without one"
            if "without sending a response" in text
            else f"what came is not HTTP ({text})"
        )
        return NoAnswer(reason, sent=watch.sent, place=watch.place)
    reason = f"{type(error).__name__}: {error}".removesuffix(": ")
    return NoAnswer(reason, sent=watch.sent, place=watch.place)


def closed(*, sent: bool) -> NoAnswer:
    """The client was closed while a call was under way."""
    return NoAnswer("the client was closed meanwhile", sent=sent, closed=True)


def in_use(most: int, watch: Watch) -> NoAnswer:
    """No connection became free in time."""
    expired = watch.expired()
    expired.reason = f"all {most} connections (max_connections) were in use all the time"
    return expired


def has_more(connection: httpcore.HTTPConnection | httpcore.AsyncHTTPConnection) -> bool:
    """Whether more has arrived than the answer: it would be taken for that to the next request."""
    # httpcore tells nobody, and would wait with it in its parser; see the test that this passes.
    waiting, _ = connection._connection._h11_state.trailing_data  # type: ignore[union-attr]
    return bool(waiting)


def origin_of(origin: Origin) -> httpcore.Origin:
    """An origin in the form of httpcore."""
    return httpcore.Origin(origin.scheme.encode("ascii"), origin.host.encode("ascii"), origin.port)


def is_readable(stream: socket.socket) -> bool:
    """Whether there is something to read: between requests that is the end, or nonsense."""
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
