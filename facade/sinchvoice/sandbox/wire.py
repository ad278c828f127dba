"""The layer between client and API in a sandbox: it applies faults and records requests."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import attrs
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .faults import (
    Canonical,
    ClockSkew,
    ContentType,
    Fault,
    Injection,
    Latency,
    Redirect,
    Reply,
    Reset,
    Truncate,
)
from .recorder import Recorder
from .world import CONTROL, Refused, SandboxRequest, World

__all__ = ["REGIONAL", "Connections", "Wire"]

#: Name of the region for `Redirect`; the main region has an empty name.
REGIONAL = "regional"

_MAX_BODY = 64 * 1024  # bytes
_READ_TIMEOUT = 10.0  # seconds, for the head and for the body of a request
_TOO_SLOW = b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
_FAILED = b'{"errorCode":50000,"message":"the sandbox failed; its log says why"}'
_NO_LINGER = struct.pack("ii", 1, 0)  # close with a reset
_logger = logging.getLogger("sinchvoice.sandbox")
# Silent until its own level is set: targets contain phone numbers.
_logger.setLevel(logging.CRITICAL)
_server_logger = logging.getLogger("uvicorn.error")


@attrs.define
class _Connection:
    transport: asyncio.Transport
    requests: int = 0  # in progress
    limit: asyncio.TimerHandle | None = None  # for the head of the next request

    def stop_waiting(self) -> None:
        if self.limit is not None:
            self.limit.cancel()
            self.limit = None


class Connections:
    """The open connections of a server: cuts them, and closes those with slow requests.

    Head and body of a request have the same time limit.

    Attributes:
        are_closing: Whether the server is stopping, so that all waits end.
    """

    def __init__(self) -> None:
        self.are_closing = False
        self._open: dict[tuple[Any, Any], _Connection] = {}
        self._loop: asyncio.AbstractEventLoop | None = None

    def __len__(self) -> int:
        return len(self._open)

    def add(self, addresses: tuple[Any, Any], transport: asyncio.Transport) -> None:
        """Register a connection by its two addresses."""
        self._loop = asyncio.get_running_loop()
        self._open[addresses] = _Connection(transport)
        self.expect_head(addresses)

    def remove(self, addresses: tuple[Any, Any]) -> None:
        """Forget a closed connection."""
        connection = self._open.pop(addresses, None)
        if connection is not None:
            connection.stop_waiting()

    def expect_head(self, addresses: tuple[Any, Any]) -> None:
        """Start the time limit for the head of a request, unless a request is in progress."""
        connection = self._open.get(addresses)
        if connection is not None and not connection.requests and connection.limit is None:
            connection.limit = asyncio.get_running_loop().call_later(
                _READ_TIMEOUT, _end, connection.transport
            )

    @contextmanager
    def busy(self, scope: Scope) -> Iterator[None]:
        """Suspend the time limit of a connection while its request is answered."""
        connection = self._open.get(_addresses(scope))
        if connection is None:
            yield
            return
        connection.stop_waiting()
        connection.requests += 1
        try:
            yield
        finally:
            connection.requests -= 1

    def of(self, scope: Scope) -> asyncio.Transport | None:
        """Return the connection of a request; None if it is closed."""
        connection = self._open.get(_addresses(scope))
        return None if connection is None else connection.transport

    def close(self) -> None:
        """Cut all connections, from any thread; requests in progress get no answer."""
        self.are_closing = True
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._abort)

    def _abort(self) -> None:
        for connection in list(self._open.values()):
            connection.transport.abort()


def _addresses(scope: Scope) -> tuple[Any, Any]:
    return scope["client"], scope["server"]


def _end(transport: asyncio.Transport) -> None:
    if not transport.is_closing():
        transport.write(_TOO_SLOW)
        transport.close()


class Wire:
    """Passes requests to the API, and its answers to clients, unless a fault strikes.

    Args:
        app: The API.
        world: Keeps the requests, and is the source of randomness.
        injections: The active faults.
        connections: The open connections.
        regional_url: Target of `Redirect`.
        recorder: Recorder of requests for the console; None without one.
    """

    def __init__(
        self,
        app: ASGIApp,
        world: World,
        injections: list[Injection],
        connections: Connections,
        regional_url: str,
        recorder: Recorder | None = None,
    ) -> None:
        self._app = app
        self._world = world
        self._injections = injections
        self._connections = connections
        self._regional_url = regional_url
        self._recorder = recorder
        self._regional_port = int(regional_url.rpartition(":")[2])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._connections.busy(scope):
            await self._answer(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = SandboxRequest(
            at=self._world.clock.now, method=scope["method"], target=_target(scope)
        )
        # A request in progress during a reset must not affect the new world.
        epoch = self._world.keep(request)
        number = 0 if self._recorder is None else self._recorder.begin()
        try:
            scope["sandbox.body"] = await _read(receive)
        except ClientDisconnect:
            return
        except Refused as refused:
            scope["sandbox.refused"] = refused
        is_regional = scope["server"][1] == self._regional_port
        scope["sandbox.region"] = REGIONAL if is_regional else ""
        faults = self._strike(request, scope)
        for fault in faults:
            match fault:
                case Latency(seconds, after=False):
                    await self._sleep(seconds)
                case ClockSkew(seconds):
                    scope["sandbox.skew"] = seconds
                case Canonical(form):
                    scope["sandbox.canonical"] = form
        answer = [] if self._connections.are_closing else self._instead(faults, request)
        if answer is None:
            answer = await self._carry_out(request, epoch, scope, receive)
        answer = await self._after(faults, answer)
        if answer:
            request.status = answer[0]["status"]
            request.error_code = _error_code(answer)
        if self._recorder is not None and self._world.epoch == epoch:
            self._recorder.end(number, request, scope, answer)
        if answer:
            if any(isinstance(fault, Truncate) for fault in faults) and answer[-1].get("body"):
                await self._cut(answer, scope, receive, send)
            else:
                for message in answer:
                    await send(message)
        else:
            await self._reset(scope, receive)
        _logger.info(
            "%s %s: %s%s%s",
            request.method,
            request.target,
            request.status or "no answer",
            f", code {request.error_code}" if request.error_code else "",
            f", {', '.join(map(repr, faults))}" if faults else "",
        )

    def _strike(self, request: SandboxRequest, scope: Scope) -> list[Fault]:
        path = request.target.partition("?")[0]
        host = dict(scope["headers"]).get(b"host", b"").decode("latin-1")
        is_regional = scope["sandbox.region"] == REGIONAL
        faults: list[Fault] = []
        if path.startswith(CONTROL):
            return faults
        with self._world.lock:
            self._injections[:] = [part for part in self._injections if not part.is_over]
            for injection in self._injections:
                fault = injection.strike(
                    request.method, path, self._world.random, host=host, is_regional=is_regional
                )
                if fault is not None:
                    faults.append(fault)
                    if _is_instead(fault):
                        break  # later faults have no effect
        request.faults = tuple(faults)
        return faults

    def _instead(self, faults: list[Fault], request: SandboxRequest) -> list[Message] | None:
        """Return a replacement for carrying out the request: an answer, a reset (empty) or None."""
        for fault in faults:
            match fault:
                case Reset(after=False):
                    return []
                case Reply(after=False):
                    return _messages(fault.status, fault.headers(), fault.body)
                case Redirect():
                    location = (self._regional_url + request.target).encode("ascii")
                    return _messages(307, [(b"location", location)], b"")
        return None

    async def _carry_out(
        self, request: SandboxRequest, epoch: int, scope: Scope, receive: Receive
    ) -> list[Message]:
        answer: list[Message] = []

        async def keep(message: Message) -> None:
            answer.append(message)

        # The API never waits, so this is one step for the threads of tests.
        with self._world.lock:
            if self._world.epoch != epoch:
                return []
            try:
                await self._app(scope, receive, keep)
            except Exception:
                _server_logger.exception("the sandbox failed at %s", request.target)
                answer = _messages(500, [(b"content-type", b"application/json")], _FAILED)
            request.acted = answer[0]["status"] < 400
            if "sandbox.application" in scope:
                self._world.keep_body(request, scope["sandbox.body"])
        return answer

    async def _after(self, faults: list[Fault], answer: list[Message]) -> list[Message]:
        for fault in faults:
            match fault:
                case Latency(seconds, after=True):
                    await self._sleep(seconds)
                case Reset(after=True):
                    answer = []
                case Reply(after=True):
                    answer = _messages(fault.status, fault.headers(), fault.body)
                case ContentType(value) if answer:
                    kept = [
                        (name, text)
                        for name, text in answer[0]["headers"]
                        if name != b"content-type"
                    ]
                    kept.append((b"content-type", value.encode("latin-1")))
                    answer = [{**answer[0], "headers": kept}, *answer[1:]]
        return answer

    async def _sleep(self, seconds: float) -> None:
        """Wait, at most until the server stops."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0 and not self._connections.are_closing:
            await asyncio.sleep(min(left, 0.05))

    async def _reset(self, scope: Scope, receive: Receive) -> None:
        transport = self._connections.of(scope)
        if transport is not None:
            connection = transport.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
            transport.abort()
            await _disconnected(receive)

    async def _cut(self, answer: list[Message], scope: Scope, receive: Receive, send: Send) -> None:
        body = answer[-1]["body"]
        await send(answer[0])
        await send({**answer[-1], "body": body[: len(body) // 2], "more_body": True})
        transport = self._connections.of(scope)
        if transport is not None:
            transport.close()
            await _disconnected(receive)


async def _read(receive: Receive) -> bytes:
    body = bytearray()
    try:
        async with asyncio.timeout(_READ_TIMEOUT):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise ClientDisconnect
                body += message.get("body", b"")
                if len(body) > _MAX_BODY:
                    raise Refused(
                        40003, f"Invalid request: the body has more than {_MAX_BODY} bytes"
                    )
                if not message.get("more_body"):
                    return bytes(body)
    except TimeoutError:
        raise Refused(
            40003, f"Invalid request: the body took more than {_READ_TIMEOUT:g} s"
        ) from None


def _is_instead(fault: Fault) -> bool:
    """Tell whether a fault replaces the request."""
    return isinstance(fault, Redirect) or (isinstance(fault, Reset | Reply) and not fault.after)


def _target(scope: Scope) -> str:
    query: bytes = scope["query_string"]
    target: bytes = scope["raw_path"] + (b"?" + query if query else b"")
    return target.decode("latin-1")


def _messages(status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> list[Message]:
    if not any(name == b"content-length" for name, _ in headers):
        headers = [*headers, (b"content-length", str(len(body)).encode("ascii"))]
    return [
        {"type": "http.response.start", "status": status, "headers": headers},
        {"type": "http.response.body", "body": body},
    ]


def _error_code(answer: list[Message]) -> int | None:
    if answer[0]["status"] < 400:
        return None
    try:
        code = json.loads(b"".join(part.get("body", b"") for part in answer[1:]))["errorCode"]
    except (ValueError, TypeError, KeyError):
        return None
    return int(code)


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
