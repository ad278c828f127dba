"""What lies between a client and the API in a sandbox: faults strike, and requests are kept."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from typing import Any, TypeAlias

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
from .world import SandboxRequest, World

__all__ = ["Transports", "Wire"]

#: The open connections, by their two addresses.
Transports: TypeAlias = dict[tuple[Any, Any], asyncio.Transport]

_NO_LINGER = struct.pack("ii", 1, 0)  # close with a reset


class Wire:
    """Passes requests on to the API and answers back, unless a fault strikes.

    Args:
        app: the API.
        world: keeps the requests, and has the dice.
        injections: the faults that are in force.
        transports: the open connections, to cut them.
        regional_url: where `Redirect` sends clients.
    """

    def __init__(
        self,
        app: ASGIApp,
        world: World,
        injections: list[Injection],
        transports: Transports,
        regional_url: str,
    ) -> None:
        self._app = app
        self._world = world
        self._injections = injections
        self._transports = transports
        self._regional_url = regional_url
        self._regional_port = int(regional_url.rpartition(":")[2])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = SandboxRequest(
            at=self._world.clock.now, method=scope["method"], target=_target(scope)
        )
        self._world.requests.append(request)
        faults = self._strike(request, scope)
        for fault in faults:
            match fault:
                case Latency(seconds, after=False):
                    await asyncio.sleep(seconds)
                case ClockSkew(seconds):
                    scope["sandbox.skew"] = seconds
                case Canonical(form):
                    scope["sandbox.canonical"] = form
        answer = self._instead(faults, request)
        if answer is None:
            answer = await self._carry_out(request, scope, receive)
        elif answer:
            await _drain(receive)
        answer = await self._after(faults, request, answer)
        if answer:
            request.status = answer[0]["status"]
            request.error_code = _error_code(answer)
            if any(isinstance(fault, Truncate) for fault in faults) and answer[-1].get("body"):
                await self._cut(answer, scope, receive, send)
            else:
                for message in answer:
                    await send(message)
        else:
            await self._reset(scope, receive)

    def _strike(self, request: SandboxRequest, scope: Scope) -> list[Fault]:
        path = request.target.partition("?")[0]
        is_regional = scope["server"][1] == self._regional_port
        with self._world.lock:
            struck = [
                injection.strike(request.method, path, self._world.random, is_regional=is_regional)
                for injection in self._injections
            ]
        faults = [fault for fault in struck if fault is not None]
        request.faults = tuple(faults)
        return faults

    def _instead(self, faults: list[Fault], request: SandboxRequest) -> list[Message] | None:
        """What happens instead of carrying the request out: an answer, a reset (empty), or None."""
        for fault in faults:
            match fault:
                case Reset(after=False):
                    return []
                case Reply(after=False):
                    return _messages(fault.status, fault.headers(), fault.body)
                case Redirect():
                    location = (self._regional_url + request.target).encode("ascii")
                    return _messages(307, [(b"location", location), (b"content-length", b"0")], b"")
        return None

    async def _carry_out(
        self, request: SandboxRequest, scope: Scope, receive: Receive
    ) -> list[Message]:
        answer: list[Message] = []

        async def keep(message: Message) -> None:
            answer.append(message)

        try:
            await self._app(scope, receive, keep)
        except ClientDisconnect:
            return []
        request.body = scope.get("sandbox.body", b"")
        request.acted = answer[0]["status"] < 400
        return answer

    async def _after(
        self, faults: list[Fault], request: SandboxRequest, answer: list[Message]
    ) -> list[Message]:
        for fault in faults:
            match fault:
                case Latency(seconds, after=True):
                    await asyncio.sleep(seconds)
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

    async def _reset(self, scope: Scope, receive: Receive) -> None:
        transport = self._transports.get((scope["client"], scope["server"]))
        if transport is not None:
            connection = transport.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
            transport.abort()
        await _disconnected(receive)

    async def _cut(self, answer: list[Message], scope: Scope, receive: Receive, send: Send) -> None:
        body = answer[-1]["body"]
        await send(answer[0])
        await send({**answer[-1], "body": body[: len(body) // 2], "more_body": True})
        transport = self._transports.get((scope["client"], scope["server"]))
        if transport is not None:
            transport.close()
        await _disconnected(receive)


def _target(scope: Scope) -> str:
    query: bytes = scope["query_string"]
    target: bytes = scope["raw_path"] + (b"?" + query if query else b"")
    return target.decode("latin-1")


def _messages(status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> list[Message]:
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


async def _drain(receive: Receive) -> None:
    """Read the request, so that the connection can serve another one."""
    while (await receive()).get("more_body"):
        pass


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
