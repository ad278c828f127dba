"""The two drivers of a flow, which own the connections and the learned facts of a client.

    Calls, Reports → Operation → Exchange.run → Flow → engine

A driver takes a flow's steps one by one: it sends, or it sleeps. The flow makes all decisions; the
engine has all sockets and is imported when the first client is made.
"""

from __future__ import annotations

import sys
from abc import abstractmethod
from typing import Generic, Protocol, Self, TypeVar

from ._version import __version__
from .errors import InvalidRequest
from .flow import Flow, Learned, Operation, Steps, Timing
from .settings import Settings
from .tracing import find_tracer
from .wire import Answer, Headers, Send, Wait, replaced

__all__ = ["AsyncExchange", "Exchange"]

T = TypeVar("T")


class _Wire(Protocol):
    is_closed: bool

    def send(self, send: Send) -> Answer: ...

    def close(self) -> None: ...


class _AsyncWire(Protocol):
    is_closed: bool

    def check_loop(self) -> None: ...

    async def send(self, send: Send) -> Answer: ...

    async def close(self) -> None: ...


W = TypeVar("W", _Wire, _AsyncWire)


class _Exchange(Generic[W]):
    """The common part of both drivers; derived clients share all of it but the settings."""

    def __init__(self, settings: Settings, timing: Timing | None = None) -> None:
        self.settings = settings
        self.timing = timing or Timing()
        self._learned = Learned()
        self._tracer = find_tracer()
        self._headers = _headers(settings)
        self._wire: W = self._connect(settings)

    @staticmethod
    @abstractmethod
    def _connect(settings: Settings) -> W: ...

    def with_settings(self, settings: Settings) -> Self:
        """Return a copy with other settings that shares connections and learned facts."""
        copy = object.__new__(type(self))
        vars(copy).update(vars(self), settings=settings, _headers=_headers(settings))
        return copy

    def _steps(self, operation: Operation[T]) -> Steps[T]:
        """Return the steps of a call.

        Raises:
            InvalidRequest: The client is closed.
        """
        if self._wire.is_closed:
            raise InvalidRequest(
                f"{operation.name}: this client is closed", remedy="make a new one"
            )
        return Flow(
            operation, self.settings, self._headers, self._learned, self.timing, self._tracer
        ).run()


class Exchange(_Exchange[_Wire]):
    """Runs operations, blocking. Threads may share it, and so may both processes of a fork."""

    @staticmethod
    def _connect(settings: Settings) -> _Wire:
        if settings.transport is not None:
            from .engine.foreign import Transport

            return Transport(settings.transport)
        from .engine.blocking import Connections
        from .engine.plan import Plan

        return Connections(Plan(settings))

    def run(self, operation: Operation[T]) -> T:
        """Send, retry where that is safe, and return the result.

        Raises:
            InvalidRequest: The client is closed, or the request makes no sense.
            ApiError: The call failed.
        """
        wire, steps = self._wire, self._steps(operation)
        try:
            step = next(steps)
            while True:
                answer = None
                try:
                    if isinstance(step, Wait):
                        self.timing.sleep(step.seconds)
                    else:
                        answer = wire.send(step)
                except BaseException as error:  # noqa: BLE001 - the flow raises it again
                    step = steps.throw(error)
                else:
                    step = steps.send(answer)
        except StopIteration as done:
            return done.value  # type: ignore[no-any-return]

    def close(self) -> None:
        """Close the connections."""
        self._wire.close()


class AsyncExchange(_Exchange[_AsyncWire]):
    """Runs operations in asyncio. Tasks of one event loop may share it."""

    @staticmethod
    def _connect(settings: Settings) -> _AsyncWire:
        if settings.transport is not None:
            from .engine.foreign import AsyncTransport

            return AsyncTransport(settings.transport)
        from .engine.asynchronous import AsyncConnections
        from .engine.plan import Plan

        return AsyncConnections(Plan(settings))

    async def run(self, operation: Operation[T]) -> T:
        """Do the same as `Exchange.run`.

        Raises:
            EventLoopError: The connections belong to another event loop.
        """
        wire, steps = self._wire, self._steps(operation)
        wire.check_loop()
        try:
            step = next(steps)
            while True:
                answer = None
                try:
                    if isinstance(step, Wait):
                        await self.timing.sleep_async(step.seconds)
                    else:
                        answer = await wire.send(step)
                except BaseException as error:  # noqa: BLE001 - the flow raises it again
                    step = steps.throw(error)
                else:
                    step = steps.send(answer)
        except StopIteration as done:
            return done.value  # type: ignore[no-any-return]

    async def aclose(self) -> None:
        """Close the connections."""
        await self._wire.close()


def _headers(settings: Settings) -> Headers:
    """Return the headers of every request."""
    agent = f"sinchvoice/{__version__} python/{sys.version.split()[0]}"
    if settings.user_agent_suffix:
        agent = f"{agent} {settings.user_agent_suffix}"
    ours = [
        (b"Accept", b"application/json"),
        # Answers are a few hundred bytes: compression saves nothing and invites bombs.
        (b"Accept-Encoding", b"identity"),
        (b"User-Agent", agent.encode("ascii")),
    ]
    return replaced(ours, settings.headers)
