"""A cancellation closes the connection of its call and nothing else: the next call succeeds."""

from __future__ import annotations

import asyncio
import gc
import socket
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import anyio
import httpx
import pytest
import trustme
from raw_servers import (
    ID,
    KEY,
    SECRET,
    RawServer,
    answer,
    black_hole,
    descriptors,
    dripping,
    read_request,
    serving,
    settles,
    silent,
    well_behaved,
)
from sinchvoice import ApiError, ApiTimeoutError, AsyncVoiceClient, EventLoopError, svaml
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

SLOW = 0.05


def patient(connection: socket.socket) -> None:
    """Delay each answer, unless the id is that of a quick call."""
    while request := read_request(connection):
        if b"/id/quick" not in request:
            time.sleep(SLOW)
        connection.sendall(answer(b'{"callId": "quick"}'))


@pytest.fixture
def server() -> Iterator[RawServer]:
    with serving(patient) as running:
        yield running


@asynccontextmanager
async def client(url: str, **options: Any) -> AsyncIterator[AsyncVoiceClient]:
    """Provide a client with two connections, which must work in the end."""
    options = {"retries": 0, "timeout": 10, "max_connections": 2, "calling_url": url} | options
    async with AsyncVoiceClient(KEY, SECRET, **options) as voice:
        yield voice


async def is_well(voice: AsyncVoiceClient, number: int = 6) -> bool:
    """Tell whether more calls than connections succeed."""
    calls = await asyncio.gather(*(voice.calls.get("quick") for _ in range(number)))
    return [call.call_id for call in calls] == ["quick"] * number


# --- ways to cancel ------------------------------------------------------------------------------


async def wait_for(call: Callable[[], Awaitable[Any]], seconds: float) -> None:
    await asyncio.wait_for(call(), seconds)


async def timeout(call: Callable[[], Awaitable[Any]], seconds: float) -> None:
    async with asyncio.timeout(seconds):
        await call()


async def timeout_in_gather(call: Callable[[], Awaitable[Any]], seconds: float) -> None:
    await asyncio.gather(*(timeout(call, seconds * part) for part in (0.3, 0.6, 1)))


async def gather_in_timeout(call: Callable[[], Awaitable[Any]], seconds: float) -> None:
    async with asyncio.timeout(seconds):
        await asyncio.gather(*(call() for _ in range(3)))


async def task_group(call: Callable[[], Awaitable[Any]], seconds: float) -> None:
    async def fail() -> None:
        await asyncio.sleep(seconds)
        raise TimeoutError

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(3):
                group.create_task(call())
            group.create_task(fail())
    except* TimeoutError:
        pass


async def cancel(call: Callable[[], Awaitable[Any]], seconds: float) -> None:
    task = asyncio.ensure_future(call())
    await asyncio.sleep(seconds)
    task.cancel()
    await asyncio.wait([task])


async def cancel_twice(call: Callable[[], Awaitable[Any]], seconds: float) -> None:
    task = asyncio.ensure_future(call())
    await asyncio.sleep(seconds)
    task.cancel()
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])


async def cancel_again_and_again(call: Callable[[], Awaitable[Any]], seconds: float) -> None:
    task = asyncio.ensure_future(call())
    await asyncio.sleep(seconds)
    while not task.done():
        task.cancel()
        await asyncio.sleep(0)


async def cancel_before_it_starts(call: Callable[[], Awaitable[Any]], seconds: float) -> None:
    task = asyncio.ensure_future(call())
    task.cancel()
    await asyncio.wait([task])


async def first_completed(call: Callable[[], Awaitable[Any]], seconds: float) -> None:
    tasks = [asyncio.ensure_future(call()) for _ in range(3)]
    await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


async def move_on_after(call: Callable[[], Awaitable[Any]], seconds: float) -> None:
    with anyio.move_on_after(seconds):
        await call()


async def fail_after(call: Callable[[], Awaitable[Any]], seconds: float) -> None:
    with anyio.fail_after(seconds):
        await call()


async def cancel_scope(call: Callable[[], Awaitable[Any]], seconds: float) -> None:
    async with anyio.create_task_group() as group:
        for _ in range(3):
            group.start_soon(call)
        await anyio.sleep(seconds)
        group.cancel_scope.cancel()


async def nested_scopes(call: Callable[[], Awaitable[Any]], seconds: float) -> None:
    with anyio.move_on_after(seconds), anyio.move_on_after(seconds), anyio.CancelScope():
        await call()


async def abandoned_shield(call: Callable[[], Awaitable[Any]], seconds: float) -> None:
    task = asyncio.ensure_future(call())
    try:
        await asyncio.wait_for(asyncio.shield(task), seconds)
    finally:
        task.cancel()
        await asyncio.wait([task])


WAYS = [
    wait_for,
    timeout,
    timeout_in_gather,
    gather_in_timeout,
    task_group,
    cancel,
    cancel_twice,
    cancel_again_and_again,
    cancel_before_it_starts,
    first_completed,
    move_on_after,
    fail_after,
    cancel_scope,
    nested_scopes,
    abandoned_shield,
]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_a_client_survives_each_way_to_cancel_at_each_moment(server: RawServer, way: Any):
    async def main() -> None:
        async with client(server.url) as voice:
            for number in range(12):
                with suppress(TimeoutError, ApiError):
                    await way(lambda: voice.calls.get(ID), SLOW * number / 10)
                assert await is_well(voice)

    before = descriptors()
    asyncio.run(main())
    assert settles(lambda: descriptors() <= before)


def test_its_own_deadline_leaves_a_client_well(server: RawServer):
    async def main() -> None:
        async with client(server.url) as voice:
            hurried = voice.with_options(deadline=SLOW / 5)
            for _ in range(10):
                found = await asyncio.gather(
                    *(hurried.calls.get(ID) for _ in range(10)), return_exceptions=True
                )
                assert all(isinstance(each, ApiTimeoutError) for each in found)
            assert await is_well(voice)

    asyncio.run(main())


def test_storms_of_cancelled_calls_over_a_healthy_server_leave_a_client_well():
    """encode/httpcore#1093: after ten such rounds a pool of httpcore grants no connection."""

    async def hurried(voice: AsyncVoiceClient, seconds: float) -> None:
        with suppress(TimeoutError, ApiError):
            await asyncio.wait_for(voice.calls.get(ID), seconds)

    async def main(url: str) -> None:
        async with client(url, max_connections=20) as voice:
            for _ in range(15):
                await asyncio.gather(*(hurried(voice, 0.002 * (i % 25)) for i in range(60)))
                assert (await voice.calls.get(ID)).call_id == ID

    with serving(well_behaved) as server:
        asyncio.run(main(server.url))


def test_an_outage_leaves_a_client_well_once_the_server_is():
    state = {"is_out": True}

    def handle(connection: socket.socket) -> None:
        while read_request(connection):
            if state["is_out"]:
                time.sleep(5)
            connection.sendall(answer(b'{"callId": "quick"}'))

    async def main(url: str) -> None:
        async with client(url, max_connections=20, deadline=0.3) as voice:
            found = await asyncio.gather(
                *(voice.calls.get("quick") for _ in range(100)), return_exceptions=True
            )
            assert {type(each) for each in found} == {ApiTimeoutError}
            state["is_out"] = False
            assert await is_well(voice.with_options(deadline=None), 100)

    with serving(handle) as server:
        asyncio.run(main(server.url))


# --- moments at which to cancel ------------------------------------------------------------------


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def contexts(authority: trustme.CA) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    ours, theirs = (
        ssl.create_default_context(),
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH),
    )
    authority.configure_trust(ours)
    authority.issue_cert("localhost").configure_cert(theirs)
    return ours, theirs


async def cancelled_call_closes(voice: AsyncVoiceClient, number: int = 3) -> None:
    """Cancel calls under way; their sockets are closed at once, without garbage collection."""
    gc.disable()
    try:
        before = descriptors()
        for _ in range(number):
            task = asyncio.create_task(voice.calls.hangup(ID))
            await asyncio.sleep(0.1)
            assert not task.done()
            task.cancel()
            await asyncio.wait([task])
            assert task.cancelled()
        await asyncio.sleep(0.05)
        assert await asyncio.to_thread(settles, lambda: descriptors() <= before)
    finally:
        gc.enable()


def test_a_call_can_be_cancelled_while_it_connects():
    async def main(port: int) -> None:
        async with client(f"http://127.0.0.1:{port}") as voice:
            await asyncio.to_thread(descriptors)  # the executor has started its thread
            await cancelled_call_closes(voice)

    with black_hole() as port:
        asyncio.run(main(port))


def test_a_call_can_be_cancelled_during_name_resolution(monkeypatch: pytest.MonkeyPatch):
    def slowly(*_: Any, **__: Any) -> Any:
        time.sleep(0.5)
        raise socket.gaierror("too late")

    async def main() -> None:
        async with client("https://nowhere.example") as voice:
            await asyncio.to_thread(descriptors)
            await cancelled_call_closes(voice)

    monkeypatch.setattr(socket, "getaddrinfo", slowly)
    asyncio.run(main())


@pytest.mark.parametrize("secure_proxy", [None, False, True], ids=["direct", "http", "https"])
def test_a_call_can_be_cancelled_during_tls(authority: trustme.CA, secure_proxy: bool | None):
    ours, theirs = contexts(authority)

    def tunnel(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        silent(connection)

    async def main(server: RawServer) -> None:
        url = f"https://localhost:{server.port}"
        proxy = None if secure_proxy is None else server.url
        async with client(url, ssl_context=ours, proxy=proxy) as voice:
            await asyncio.to_thread(descriptors)
            await cancelled_call_closes(voice)

    handle = silent if secure_proxy is None else tunnel
    with serving(handle, context=theirs if secure_proxy else None) as server:
        asyncio.run(main(server))


@pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])
def test_a_call_can_be_cancelled_while_a_proxy_delays(authority: trustme.CA, secure: bool):
    ours, theirs = contexts(authority)

    async def main(url: str) -> None:
        async with client("https://nowhere.example", ssl_context=ours, proxy=url) as voice:
            await asyncio.to_thread(descriptors)
            await cancelled_call_closes(voice)

    with serving(silent, context=theirs if secure else None) as server:
        asyncio.run(main(server.url))


@pytest.mark.parametrize(
    "handle",
    [
        silent,
        dripping(b"HTTP/1.1 200 OK\r\nX: ", b"a"),
        dripping(b"HTTP/1.1 500 No\r\nContent-Length: 500\r\n\r\n", b" "),
    ],
    ids=["waiting for the answer", "reading the head", "reading the content"],
)
def test_a_call_can_be_cancelled_while_it_reads(handle: Any):
    async def main(url: str) -> None:
        async with client(url) as voice:
            await asyncio.to_thread(descriptors)
            await cancelled_call_closes(voice)

    with serving(handle) as server:
        asyncio.run(main(server.url))


def test_a_call_can_be_cancelled_while_it_sends():
    async def main(url: str) -> None:
        async with client(url) as voice:
            big = voice.request("PATCH", "/x", json="y" * 8_000_000)
            task = asyncio.create_task(big)
            await asyncio.sleep(0.5)
            task.cancel()
            await asyncio.wait([task])
            assert task.cancelled()

    with serving(lambda connection: time.sleep(1)) as server:
        asyncio.run(main(server.url))


def test_a_call_can_be_cancelled_while_it_waits_for_a_connection(server: RawServer):
    async def main() -> None:
        async with client(server.url, max_connections=1) as voice:
            first = asyncio.create_task(voice.calls.get(ID))
            await asyncio.sleep(SLOW / 5)
            waiting = [asyncio.create_task(voice.calls.get("quick")) for _ in range(5)]
            await asyncio.sleep(0)
            for task in waiting[:4]:
                task.cancel()
            assert (await waiting[4]).call_id == "quick"
            await first
            assert await is_well(voice)

    asyncio.run(main())


def test_a_call_cancelled_as_it_gets_a_connection_passes_it_on(server: RawServer):
    async def main() -> None:
        async with client(server.url, max_connections=1) as voice:
            first = asyncio.create_task(voice.calls.get("quick"))
            second = asyncio.create_task(voice.calls.get("quick"))
            first.add_done_callback(lambda _: second.cancel())
            third = asyncio.create_task(voice.calls.get("quick"))
            await asyncio.wait([first, second, third])
            assert second.cancelled()
            assert third.result().call_id == "quick"

    asyncio.run(main())


def test_a_call_can_be_cancelled_while_it_waits_to_retry():
    def busy(connection: socket.socket) -> None:
        while read_request(connection):
            connection.sendall(answer(b"{}", 503, "Retry-After: 20"))

    async def main(url: str) -> None:
        async with client(url, retries=3) as voice:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(voice.calls.get(ID), 0.2)

    with serving(busy) as server:
        asyncio.run(main(server.url))
        assert server.accepted == 1


def test_cancelling_one_call_closes_no_other_connection(server: RawServer):
    async def main() -> None:
        async with client(server.url, max_connections=2) as voice:
            kept, dropped = (asyncio.create_task(voice.calls.get(ID)) for _ in range(2))
            while server.accepted < 2:
                await asyncio.sleep(SLOW / 100)
            dropped.cancel()
            await kept
            accepted = server.accepted
            await voice.calls.get("quick")
            assert (accepted, server.accepted) == (2, 2)

    asyncio.run(main())


def test_the_answer_to_a_cancelled_call_is_dropped():
    """The answer arrives after the cancellation: the next call opens a new connection."""

    def late(connection: socket.socket) -> None:
        while request := read_request(connection):
            time.sleep(0.0 if b"/id/b" in request else 0.1)
            call_id = request.split(b"/id/")[1].split(b" ")[0]
            connection.sendall(answer(b'{"callId": "%s"}' % call_id))

    async def main(url: str) -> None:
        async with client(url, max_connections=1) as voice:
            for _ in range(5):
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(voice.calls.get("a"), 0.03)
                assert (await voice.calls.get("b")).call_id == "b"

    with serving(late) as server:
        asyncio.run(main(server.url))


# --- programs around the client ------------------------------------------------------------------


def test_disconnecting_web_clients_do_not_harm_the_client_in_the_handler(server: RawServer):
    async def main() -> None:
        async with client(server.url) as voice:

            async def handler(request: Request) -> Response:
                call = await voice.calls.get(request.query_params["id"])
                return PlainTextResponse(call.call_id)

            app = Starlette(routes=[Route("/", handler)])
            transport = httpx.ASGITransport(app)
            async with httpx.AsyncClient(transport=transport, base_url="http://web") as browser:
                for number in range(20):
                    visits = [
                        asyncio.create_task(browser.get("/", params={"id": ID})) for _ in range(5)
                    ]
                    await asyncio.sleep(SLOW * number / 20)
                    for visit in visits:
                        visit.cancel()
                    await asyncio.wait(visits)
                    assert (await browser.get("/", params={"id": "quick"})).text == "quick"

    asyncio.run(main())


def test_a_program_that_ends_amid_calls_leaves_no_socket_open(server: RawServer):
    async def main() -> None:
        async with client(server.url) as voice:
            for _ in range(5):
                running.append(asyncio.create_task(voice.calls.get(ID)))
            await asyncio.sleep(SLOW / 3)

    running: list[Any] = []
    before = descriptors()
    asyncio.run(main())
    assert settles(lambda: descriptors() <= before)
    # Closing the client ends a call, or the end of the loop does, whichever is first.
    for task in running:
        assert task.cancelled() or isinstance(task.exception(), ApiError), task


def test_a_program_that_never_closes_its_client_gets_no_resource_warning(server: RawServer):
    async def main() -> None:
        voice = AsyncVoiceClient(KEY, SECRET, calling_url=server.url)
        await voice.calls.get("quick")
        await voice.aclose()

    asyncio.run(main())
    gc.collect()


def test_another_event_loop_is_refused_with_its_own_error(server: RawServer):
    voice = AsyncVoiceClient(KEY, SECRET, calling_url=server.url)

    async def once() -> str:
        return (await voice.calls.get("quick")).call_id

    async def close() -> None:
        await voice.aclose()

    with asyncio.Runner() as runner:
        assert runner.run(once()) == "quick"
        with pytest.raises(EventLoopError, match="belongs to another event loop") as caught:
            asyncio.run(once())
        assert isinstance(caught.value, RuntimeError)
        assert runner.run(once()) == "quick"
        runner.run(close())


def test_closing_ends_calls_at_each_stage(server: RawServer):
    """A connection attempt, a wait for an answer and a wait for a connection end at once."""

    async def main(url: str, number: int) -> list[Any]:
        async with client(url, timeout=60) as voice:
            calls = [
                asyncio.create_task(voice.calls.update(ID, svaml.Svaml(action=svaml.Hangup())))
                for _ in range(number)
            ]
            await asyncio.sleep(0.1)
            await voice.aclose()
            return await asyncio.gather(*calls, return_exceptions=True)

    with black_hole() as port:
        for error in asyncio.run(main(f"http://127.0.0.1:{port}", 4)):
            assert "the client was closed meanwhile" in str(error)
            assert not error.may_have_executed
    with serving(silent) as quiet:
        found = asyncio.run(main(quiet.url, 4))
    assert all("the client was closed meanwhile" in str(error) for error in found)
    assert sorted(error.may_have_executed for error in found) == [False, False, True, True]


def test_closing_ends_a_tls_handshake(authority: trustme.CA):
    async def main(port: int) -> Any:
        ours, _ = contexts(authority)
        async with client(f"https://localhost:{port}", ssl_context=ours, timeout=60) as voice:
            call = asyncio.create_task(voice.calls.hangup(ID))
            await asyncio.sleep(0.2)
            await voice.aclose()
            (error,) = await asyncio.gather(call, return_exceptions=True)
            return error

    with serving(silent) as server:
        error = asyncio.run(main(server.port))
    assert "the client was closed meanwhile" in str(error)
    assert not error.may_have_executed
