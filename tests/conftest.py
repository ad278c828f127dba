"""Shared fixtures: a sandbox over a real socket, scripted servers, and a clock without waits."""

from __future__ import annotations

import gc
import signal
import sys
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import attrs
import httpx
import pytest
from hypothesis import settings
from sinchvoice import RetryPolicy
from sinchvoice.exchange import AsyncExchange, Exchange
from sinchvoice.flow import Timing
from sinchvoice.sandbox import Sandbox, running
from sinchvoice.settings import Region, Settings
from sinchvoice.signing import Credentials

# Makes the helpers of the tests importable, here and in subfolders, and the scripts.
sys.path.append(str(Path(__file__).resolve().parent))
sys.path.append(str(Path(__file__).resolve().parents[1] / "scripts"))

# A shell starts background programs with Ctrl-C ignored, and every child would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile("project", derandomize=True, deadline=None, database=None)
settings.load_profile("project")

# The example application of the vendor's "Using REST" page.
CREDENTIALS = Credentials("5F5C418A0F914BBC8234A9BF5EDDAD97", "JViE5vDor0Sw3WllZka15Q==")
NOW = 1_400_000_000.0

Answer = httpx.Response | Exception | Callable[[httpx.Request], httpx.Response]


@attrs.define
class Server:
    """Gives the prepared answers to requests in order, and repeats the last one."""

    answers: list[Answer]
    requests: list[httpx.Request] = attrs.field(factory=list)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        # A copy: signing a request again changes the headers of the same object.
        self.requests.append(
            httpx.Request(
                request.method,
                request.url,
                headers=request.headers.raw,
                content=request.content,
                extensions=dict(request.extensions),
            )
        )
        answer = self.answers[min(len(self.requests), len(self.answers)) - 1]
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, httpx.Response):
            # A response can be read only once, but may be given several times.
            return httpx.Response(
                answer.status_code,
                headers=answer.headers.raw,
                stream=httpx.ByteStream(answer.content),
            )
        return answer(request)


@attrs.define
class Clock:
    """A clock that advances only during sleeps."""

    now: float = NOW
    naps: list[float] = attrs.field(factory=list)

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.naps.append(seconds)
        self.now += seconds

    async def sleep_async(self, seconds: float) -> None:
        self.sleep(seconds)


@attrs.define
class Scripted:
    """A client of a scripted server: the parts of VoiceClient, without its lifetime."""

    server: Server
    clock: Clock
    exchange: Any
    callouts: Any = attrs.field(init=False)
    calls: Any = attrs.field(init=False)
    conferences: Any = attrs.field(init=False)
    applications: Any = attrs.field(init=False)
    reports: Any = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        from samples import SURFACES  # importable only now

        is_async = isinstance(self.exchange, AsyncExchange)
        for name, kinds in SURFACES.items():
            setattr(self, name, kinds[is_async](self.exchange))

    @property
    def requests(self) -> list[httpx.Request]:
        """The requests that the server received."""
        return self.server.requests


@pytest.fixture
def scripted() -> Callable[..., Scripted]:
    """Return a maker of clients: it takes the server's answers, and options of Settings."""

    def make(*answers: Answer, is_async: bool = False, **options: Any) -> Scripted:
        server, clock = Server(list(answers)), Clock()
        retries = options.pop("retries", 2)
        settings = Settings(
            **{
                "credentials": CREDENTIALS,
                "calling_url": Region.GLOBAL.calling_url,
                "transport": httpx.MockTransport(server),
                "retries": RetryPolicy(retries=retries) if isinstance(retries, int) else retries,
                **options,
            }
        )
        timing = Timing(
            clock=clock,
            monotonic=clock,
            random=lambda: 1.0,
            sleep=clock.sleep,
            sleep_async=clock.sleep_async,
        )
        exchange = AsyncExchange(settings, timing) if is_async else Exchange(settings, timing)
        return Scripted(server, clock, exchange)

    return make


@pytest.fixture(scope="session")
def box() -> Iterator[Sandbox]:
    """Run a sandbox for all tests: add calls to it, and assume nothing about other calls."""
    with running() as sandbox:
        yield sandbox


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Keep the garbage collector from going through all collected tests again and again."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()
