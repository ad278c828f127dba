"""Record the exchanges of a sandbox, and corrupt answers on demand."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import attrs

App = Callable[[Any, Any, Any], Awaitable[None]]


@attrs.define
class Exchange:
    """A request and its answer, as sent."""

    method: str
    path: str
    query: bytes
    headers: list[tuple[str, str]]
    body: bytes = b""
    status: int = 0
    answer_headers: list[tuple[str, str]] = attrs.field(factory=list)
    answer: bytes = b""


@attrs.define
class Recorder:
    """Middleware for `running` that records every exchange."""

    exchanges: list[Exchange] = attrs.field(factory=list)

    def __call__(self, app: App) -> App:
        async def recorded(scope: Any, receive: Any, send: Any) -> None:
            exchange = Exchange(
                method=scope["method"],
                path=scope["raw_path"].decode("ascii"),
                query=scope["query_string"],
                headers=_text(scope["headers"]),
            )
            self.exchanges.append(exchange)

            async def received() -> Any:
                message = await receive()
                exchange.body += message.get("body", b"")
                return message

            async def sent(message: Any) -> None:
                if message["type"] == "http.response.start":
                    exchange.status = message["status"]
                    exchange.answer_headers = _text(message["headers"])
                exchange.answer += message.get("body", b"")
                await send(message)

            await app(scope, received, sent)

        return recorded


def forgetful(app: App) -> App:
    """Middleware that removes a figure from every report."""

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        async def changed(message: Any) -> None:
            if message["type"] == "http.response.body":
                body = message.get("body", b"")
                message = {**message, "body": body.replace(b'"failed"', b'"fialed"')}
            await send(message)

        await app(scope, receive, changed)

    return answer


def _text(headers: Any) -> list[tuple[str, str]]:
    return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers]
