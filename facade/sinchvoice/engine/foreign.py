"""A user's httpx transport instead of connections: for tests, recorders and instrumentation.

Exceptions of a transport that are not httpx's reach the caller unchanged.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Iterable
from time import monotonic
from typing import cast

import httpx

from ..errors import ConfigurationError
from ..wire import Answer, Intake, NoAnswer, Send
from .asynchronous import Home
from .plan import DRAIN, closed

__all__ = ["AsyncTransport", "Transport"]

_NEVER_SENT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.LocalProtocolError,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
)


class Transport:
    """Sends requests through an httpx transport.

    Raises:
        ConfigurationError: The object is not one.
    """

    def __init__(self, transport: object) -> None:
        self._transport = cast(
            "httpx.BaseTransport", _checked(transport, "handle_request", "httpx.BaseTransport")
        )
        self.is_closed = False

    def send(self, send: Send) -> Answer:
        """Send a request and read the answer.

        Raises:
            NoAnswer: There was none.
        """
        if self.is_closed:
            raise closed(sent=False)
        try:
            response = self._transport.handle_request(_request(send))
        except (httpx.TransportError, httpx.InvalidURL) as error:
            raise _no_answer(error, send) from error
        intake = Intake(send, response.status_code, response.headers.raw)
        content = _Content(send, intake)
        try:
            for chunk in cast("Iterable[bytes]", response.stream):
                if not intake.take(chunk):
                    break
                content.check()
        except (httpx.TransportError, NoAnswer) as error:
            if intake.is_wanted:
                raise _no_answer(error, send) from error
        finally:
            cast("httpx.SyncByteStream", response.stream).close()
        return intake.answer()

    def close(self) -> None:
        """Close the transport."""
        if not self.is_closed:
            self.is_closed = True
            self._transport.close()


class AsyncTransport(Home):
    """Sends requests through an asynchronous httpx transport.

    Raises:
        ConfigurationError: The object is not one.
    """

    def __init__(self, transport: object) -> None:
        super().__init__()
        self._transport = cast(
            "httpx.AsyncBaseTransport",
            _checked(transport, "handle_async_request", "httpx.AsyncBaseTransport"),
        )
        self.is_closed = False

    async def send(self, send: Send) -> Answer:
        """Send a request and read the answer.

        Raises:
            NoAnswer: There was none.
        """
        if self.is_closed:
            raise closed(sent=False)
        remaining = send.remaining_of_answer()
        deadline = None if remaining is None else asyncio.get_running_loop().time() + remaining
        limit = asyncio.timeout_at(deadline)
        try:
            async with limit:
                response = await self._transport.handle_async_request(_request(send))
        except (httpx.TransportError, httpx.InvalidURL) as error:
            raise _no_answer(error, send) from error
        except TimeoutError:
            if not limit.expired():
                raise
            raise NoAnswer("", sent=True, is_late=True) from None
        intake = Intake(send, response.status_code, response.headers.raw)
        stream = cast("httpx.AsyncByteStream", response.stream)
        content = _Content(send, intake)
        limit = asyncio.timeout(content.left())
        try:
            async with limit:
                async for chunk in cast("AsyncIterable[bytes]", stream):
                    if not intake.take(chunk):
                        break
                    content.check()
        except (httpx.TransportError, NoAnswer) as error:
            if intake.is_wanted:
                raise _no_answer(error, send) from error
        except TimeoutError:
            if not limit.expired():
                raise
            if intake.is_wanted:
                raise content.expired() from None
        finally:
            await stream.aclose()
        return intake.answer()

    async def close(self) -> None:
        """Close the transport."""
        if not self.is_closed:
            self.is_closed = True
            await self._transport.aclose()


def _checked(transport: object, method: str, kind: str) -> object:
    if isinstance(transport, type) or not callable(getattr(transport, method, None)):
        example = f"{kind.replace('Base', 'HTTP')}()"
        raise ConfigurationError(
            f"transport is of type {type(transport).__name__}",
            parameter="transport",
            remedy=f"give an {kind}, such as {example}",
        )
    return transport


def _request(send: Send) -> httpx.Request:
    patience, read = send.patience, send.answer_patience
    return httpx.Request(
        send.method,
        f"{send.origin}{send.target}",
        headers=send.headers,
        content=send.body or None,
        extensions={
            "timeout": {"connect": patience, "read": read, "write": patience, "pool": patience}
        },
    )


class _Content:
    """Time limit for reading the content of an answer; earlier steps are the transport's."""

    def __init__(self, send: Send, intake: Intake) -> None:
        self._send = send
        patience = DRAIN if intake.is_idle else send.answer_patience
        self._limit = monotonic() + patience

    def left(self) -> float:
        """Return the seconds left."""
        left, remaining = self._limit - monotonic(), self._send.remaining_of_answer()
        return left if remaining is None else min(left, remaining)

    def check(self) -> None:
        """Check that time is left.

        Raises:
            NoAnswer: None is left.
        """
        if self.left() <= 0:
            raise self.expired()

    def expired(self) -> NoAnswer:
        """Return the failure of a read that exceeded its time."""
        remaining = self._send.remaining_of_answer()
        is_late = remaining is not None and remaining <= 0
        reason = "" if is_late else f"timed out after {self._send.answer_patience:g} s"
        return NoAnswer(reason, sent=True, timed_out=True, is_late=is_late)


def _no_answer(error: Exception, send: Send) -> NoAnswer:
    if isinstance(error, NoAnswer):
        return error
    sent = not isinstance(error, (*_NEVER_SENT, httpx.InvalidURL))
    timed_out = isinstance(error, httpx.TimeoutException)
    reading = isinstance(error, httpx.ReadTimeout)
    remaining = send.remaining_of_answer() if reading else send.remaining()
    patience = send.answer_patience if reading else send.patience
    name = type(error).__name__
    is_late = timed_out and remaining is not None and remaining <= 0
    reason = f"{name} after {patience:g} s" if timed_out else f"{name}: {error}"
    return NoAnswer(
        "" if is_late else reason.removesuffix(": "),
        sent=sent,
        timed_out=timed_out,
        is_late=is_late,
        place="" if sent else send.origin.netloc,
    )
