"""Runs a sandbox in a thread of its own."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any, TypeAlias

import attrs
import uvicorn

from ..calls import CallReason, CallResult
from ..endpoints import Endpoint
from ..errors import InvalidRequest
from ..signing import Credentials
from .app import create_app
from .world import SandboxCall, World

__all__ = ["Sandbox", "running"]

AsgiApp: TypeAlias = Callable[[Any, Any, Any], Awaitable[None]]

# The example application of the vendor's "Using REST" page.
_CREDENTIALS = Credentials("5F5C418A0F914BBC8234A9BF5EDDAD97", "JViE5vDor0Sw3WllZka15Q==")
_START_TIMEOUT = 10.0  # seconds


@attrs.frozen
class Sandbox:
    """A sandbox that runs.

    Attributes:
        calling_url: base URL of its calling API.
        reporting_url: base URL of its reporting API.
        application_key: key of its only application.
        application_secret: secret of its only application.
    """

    calling_url: str
    reporting_url: str
    application_key: str
    application_secret: str = attrs.field(repr=False)
    _world: World = attrs.field(repr=False, alias="world")

    @property
    def environ(self) -> Mapping[str, str]:
        """What `VoiceClient.from_env` needs to find it; fit for `os.environ` as well."""
        return {
            "SINCH_APPLICATION_KEY": self.application_key,
            "SINCH_APPLICATION_SECRET": self.application_secret,
            "SINCH_VOICE_CALLING_URL": self.calling_url,
            "SINCH_VOICE_REPORTING_URL": self.reporting_url,
        }

    @property
    def calls(self) -> Mapping[str, SandboxCall]:
        """Its calls by their ids, the oldest first."""
        return dict(self._world.calls)

    @property
    def services(self) -> dict[str, str]:
        """Its services and their status, `up` or `down`; change it to change them."""
        return self._world.services

    def add_call(
        self,
        *,
        to: Endpoint,
        from_: Endpoint | None = None,
        call_id: str | None = None,
        started: datetime | None = None,
        ended: datetime | None = None,
        result: CallResult = CallResult.ANSWERED,
        reason: CallReason = CallReason.NOT_AVAILABLE,
        custom: str = "{}",
    ) -> SandboxCall:
        """Add a call.

        Args:
            to: who is called.
            from_: who calls; without it, the API leaves the caller out.
            call_id: its id; without it, a fresh one.
            started: when it began, with a time zone; without it, now.
            ended: when it ended, with a time zone; without it, it goes on.
            result: what became of it.
            reason: why it ended.
            custom: what the application attached.

        Raises:
            InvalidRequest: an end is no endpoint, a time has no time zone, or the id is taken.
        """
        for name, end in (("to", to), ("from_", from_)):
            if not isinstance(end, Endpoint) and (end is not None or name == "to"):
                raise InvalidRequest(f"{name} is {end!r}: give an endpoint, like PstnEndpoint(…)")
        for name, moment in (("started", started), ("ended", ended)):
            if moment is not None and moment.tzinfo is None:
                raise InvalidRequest(f"{name} {moment!r} has no time zone: give it one, like UTC")
        world = self._world
        return world.add(
            SandboxCall(
                call_id=call_id or world.new_id(),
                from_=from_,
                to=to,
                started=started or world.now(),
                ended=ended,
                result=result,
                reason=reason,
                custom=custom,
            )
        )


@contextmanager
def running(
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    seed: int = 1,
    populated: bool = True,
    clock: Callable[[], float] = time.time,
    middleware: Callable[[AsgiApp], AsgiApp] | None = None,
) -> Iterator[Sandbox]:
    """Run a sandbox until the block ends.

    Args:
        host: address to listen on.
        port: port to listen on; 0 takes a free one.
        seed: makes ids and calls the same in every run.
        populated: begin with a week of calls of the app user `myUserName` and one ongoing call of
            each endpoint kind; otherwise with none.
        clock: gives the time, in seconds since 1970.
        middleware: wraps the ASGI application, for faults that the sandbox does not know.
    """
    world = World(seed=seed, clock=clock)
    if populated:
        world.populate("myUserName")
    app = create_app(world, _CREDENTIALS)
    with _listen(host, port) as listener:
        name = f"[{host}]" if listener.family == socket.AF_INET6 else host
        url = f"http://{name}:{listener.getsockname()[1]}"
        server = uvicorn.Server(
            uvicorn.Config(
                middleware(app) if middleware else app,
                access_log=False,
                date_header=False,
                lifespan="off",
                log_config=None,
                log_level="warning",
                server_header=False,
                timeout_graceful_shutdown=1,
                timeout_keep_alive=60,
                ws="none",
            )
        )
        thread = threading.Thread(
            target=server.run, args=([listener],), name="sinchvoice-sandbox", daemon=True
        )
        thread.start()
        try:
            _wait_until(lambda: server.started or not thread.is_alive())
            if not thread.is_alive():
                raise RuntimeError("the sandbox stopped as it started; its log says why")
            yield Sandbox(
                calling_url=url,
                reporting_url=f"{url}/v1",
                application_key=_CREDENTIALS.application_key,
                application_secret=_CREDENTIALS.application_secret,
                world=world,
            )
        finally:
            server.should_exit = True
            thread.join(_START_TIMEOUT)


def _listen(host: str, port: int) -> socket.socket:
    family, kind, proto, _, address = socket.getaddrinfo(
        # The protocol is named because asyncio looks at it before it turns Nagle's delay off.
        host,
        port,
        type=socket.SOCK_STREAM,
        proto=socket.IPPROTO_TCP,
    )[0]
    listener = socket.socket(family, kind, proto)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(1024)
    except OSError:
        listener.close()
        raise
    return listener


def _wait_until(condition: Callable[[], Any]) -> None:
    deadline = time.monotonic() + _START_TIMEOUT
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"the sandbox did not start within {_START_TIMEOUT:.0f} s")
        time.sleep(0.005)
