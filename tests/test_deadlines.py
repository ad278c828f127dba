"""A deadline holds to within half a second, in both clients, despite dripping bytes."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import pytest
import trustme
from raw_servers import (
    ID,
    KEY,
    SECRET,
    Ask,
    Stopwatch,
    answer,
    ask_awaiting,
    ask_blocking,
    black_hole,
    dripping,
    outcome,
    read_request,
    relaying,
    serving,
    silent,
    well_behaved,
)
from sinchvoice import (
    ApiConnectionError,
    ApiTimeoutError,
    AsyncVoiceClient,
    UnexpectedResponse,
    VoiceClient,
    svaml,
)

DEADLINE = 0.7
HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


def get(voice: Any) -> Any:
    return voice.calls.get(ID)


def hang_up(voice: Any) -> Any:
    return voice.calls.update(ID, svaml.Svaml(action=svaml.Hangup()))


@pytest.fixture(params=[ask_blocking, ask_awaiting], ids=["sync", "async"])
def ask(request: pytest.FixtureRequest) -> Ask:
    """Use a client, and return the result."""
    return request.param


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def server_context(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost", "127.0.0.1").configure_cert(context)
    return context


@pytest.fixture(scope="module")
def client_context(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


def void(_: object) -> None:
    """Drop a value, where a lambda should return none."""


def flooding(drop: bytes) -> Callable[[socket.socket], None]:
    def handle(connection: socket.socket) -> None:
        read_request(connection)
        until = time.monotonic() + 8
        while time.monotonic() < until:
            connection.sendall(drop * 1000)

    return handle


DRIPS = {
    "the status line": dripping(b"", b"H"),
    "a header": dripping(HEAD + b"X-Slow: ", b"a"),
    "headers": dripping(HEAD, b"X-Slow: a\r\n"),
    "1xx answers": dripping(b"", b"HTTP/1.1 102 Processing\r\n\r\n"),
    "a flood of 1xx answers": flooding(b"HTTP/1.1 100 Continue\r\n\r\n"),
    "the content": dripping(HEAD + b"Content-Length: 500\r\n\r\n", b" "),
    "content without a length": dripping(HEAD + b"\r\n", b" "),
    "a chunk": dripping(CHUNKED + b"ff\r\n", b" "),
    "chunks": dripping(CHUNKED, b"1\r\n \r\n"),
    "a chunk extension": dripping(CHUNKED + b"2;", b"x"),
    "trailers": dripping(CHUNKED + b"2\r\n{}\r\n0\r\n", b"X-Slow: a\r\n"),
    "nothing": silent,
}


@pytest.mark.parametrize("what", DRIPS)
def test_a_deadline_holds_while_the_answer_drips(ask: Ask, what: str):
    with serving(DRIPS[what]) as server, Stopwatch() as watch:
        error = ask(get, calling_url=server.url, timeout=30, deadline=DEADLINE)
    assert isinstance(error, ApiTimeoutError), repr(error)
    assert f"the deadline of {DEADLINE} s has passed" in str(error)
    assert watch.is_within(DEADLINE)


@pytest.mark.parametrize("what", DRIPS)
def test_dripping_bytes_do_not_prolong_a_timeout(ask: Ask, what: str):
    with serving(DRIPS[what]) as server, Stopwatch() as watch:
        error = ask(get, calling_url=server.url, timeout=DEADLINE / 2)
    assert isinstance(error, ApiTimeoutError), repr(error)
    assert "deadline" not in str(error)
    assert watch.is_within(DEADLINE)  # head and content are separate steps


def test_endless_content_is_cut_at_a_mebibyte(ask: Ask):
    with serving(flooding(HEAD + b"\r\n" + b" " * 200)) as server:
        error = ask(get, calling_url=server.url, deadline=10)
    assert isinstance(error, UnexpectedResponse)
    assert "longer than 1048576 bytes" in str(error)


@pytest.mark.parametrize("what", ["the content", "a chunk", "a chunk extension", "trailers"])
def test_a_patch_has_succeeded_with_its_status_however_slow_the_rest_is(ask: Ask, what: str):
    with serving(DRIPS[what]) as server, Stopwatch() as watch:
        assert ask(hang_up, calling_url=server.url, timeout=30) is None
    assert watch.is_within(0.25)


def test_an_error_keeps_its_status_though_its_content_drips_past_the_deadline(ask: Ask):
    slow = dripping(b"HTTP/1.1 404 Not Found\r\nContent-Length: 500\r\n\r\n", b" ")
    with serving(slow) as server, Stopwatch() as watch:
        error = ask(get, calling_url=server.url, timeout=30, deadline=DEADLINE)
    assert error.status_code == 404
    assert watch.is_within(DEADLINE)


def test_a_server_that_reads_nothing_cannot_hold_up_a_large_request(ask: Ask):
    is_over = threading.Event()
    with serving(lambda connection: void(is_over.wait(20))) as server:
        with Stopwatch() as watch:
            error = ask(
                lambda voice: voice.request("PATCH", "/x", json="y" * 30_000_000),
                calling_url=server.url,
                timeout=30,
                deadline=2,
            )
        is_over.set()
    assert isinstance(error, ApiTimeoutError)
    assert error.may_have_executed
    assert watch.is_within(2)


def test_a_deadline_holds_during_the_tls_handshake(
    ask: Ask, server_context: ssl.SSLContext, client_context: ssl.SSLContext
):
    with (
        serving(well_behaved, context=server_context) as behind,
        serving(relaying(behind.port, pause=0.05)) as server,
        Stopwatch() as watch,
    ):
        error = ask(
            hang_up,
            calling_url=f"https://localhost:{server.port}",
            ssl_context=client_context,
            timeout=30,
            deadline=DEADLINE,
        )
        server.hang_up()
    assert isinstance(error, ApiTimeoutError), repr(error)
    assert not error.may_have_executed
    assert watch.is_within(DEADLINE)


def test_a_deadline_holds_while_a_server_without_tls_is_silent(
    ask: Ask, client_context: ssl.SSLContext
):
    with serving(silent) as server, Stopwatch() as watch:
        error = ask(
            hang_up,
            calling_url=f"https://localhost:{server.port}",
            ssl_context=client_context,
            timeout=30,
            deadline=DEADLINE,
        )
    assert isinstance(error, ApiTimeoutError), repr(error)
    assert (error.may_have_executed, "no connection to localhost" in str(error)) == (False, True)
    assert watch.is_within(DEADLINE)


def test_a_deadline_holds_while_an_answer_drips_through_tls(
    ask: Ask, server_context: ssl.SSLContext, client_context: ssl.SSLContext
):
    slow = dripping(HEAD + b"X-Slow: ", b"a")
    with serving(slow, context=server_context) as server, Stopwatch() as watch:
        error = ask(
            get,
            calling_url=server.url,
            ssl_context=client_context,
            timeout=30,
            deadline=DEADLINE,
        )
    assert isinstance(error, ApiTimeoutError), repr(error)
    assert watch.is_within(DEADLINE)


@pytest.mark.parametrize("secure", [False, True], ids=["http proxy", "https proxy"])
@pytest.mark.parametrize("what", ["the status line", "a header", "1xx answers", "nothing"])
def test_a_deadline_holds_while_a_proxy_drips(
    ask: Ask,
    server_context: ssl.SSLContext,
    client_context: ssl.SSLContext,
    secure: bool,
    what: str,
):
    context = server_context if secure else None
    with serving(DRIPS[what], context=context) as proxy, Stopwatch() as watch:
        error = ask(
            hang_up,
            calling_url="https://calling.api.sinch.com",
            proxy=proxy.url,
            ssl_context=client_context,
            timeout=30,
            deadline=DEADLINE,
        )
    assert isinstance(error, ApiTimeoutError), repr(error)
    assert not error.may_have_executed
    assert watch.is_within(DEADLINE)


def established(connection: socket.socket) -> None:
    read_request(connection)
    connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")


@pytest.mark.parametrize("secure", [False, True], ids=["http proxy", "https proxy"])
def test_a_deadline_holds_while_tls_drips_through_a_proxy(
    ask: Ask, server_context: ssl.SSLContext, client_context: ssl.SSLContext, secure: bool
):
    with (
        serving(well_behaved, context=server_context) as behind,
        serving(
            relaying(behind.port, pause=0.05, begin=established),
            context=server_context if secure else None,
        ) as proxy,
        Stopwatch() as watch,
    ):
        error = ask(
            hang_up,
            calling_url=f"https://localhost:{behind.port}",
            proxy=proxy.url,
            ssl_context=client_context,
            timeout=30,
            deadline=DEADLINE,
        )
        proxy.hang_up()
    assert isinstance(error, ApiTimeoutError), repr(error)
    assert not error.may_have_executed
    assert watch.is_within(DEADLINE)


@pytest.fixture
def four_dead_addresses(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with ExitStack() as holes:
        port = holes.enter_context(black_hole("127.0.0.1"))
        hosts = ["127.0.0.1"]
        for number in (2, 3, 4):
            hosts.append(f"127.0.0.{number}")
            holes.enter_context(black_hole(hosts[-1], port))
        found = [
            (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (host, port))
            for host in hosts
        ]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
        yield


@pytest.mark.usefixtures("four_dead_addresses")
def test_four_dead_addresses_share_the_deadline(ask: Ask):
    with Stopwatch() as watch:
        error = ask(hang_up, calling_url="https://nowhere.example", timeout=30, deadline=DEADLINE)
    assert isinstance(error, ApiTimeoutError), repr(error)
    assert not error.may_have_executed
    assert watch.is_within(DEADLINE)


def test_a_dead_address_leaves_time_for_the_next(ask: Ask, monkeypatch: pytest.MonkeyPatch):
    with serving(well_behaved) as server, black_hole("127.0.0.2", server.port):
        found = [
            (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (host, server.port))
            for host in ("127.0.0.2", "127.0.0.1")
        ]
        real = socket.getaddrinfo
        monkeypatch.setattr(
            socket,
            "getaddrinfo",
            lambda host, *rest, **more: found if host == "localhost" else real(host, *rest, **more),
        )
        call = ask(get, calling_url=f"http://localhost:{server.port}", timeout=1)
    assert call.call_id == ID


def test_all_attempts_share_the_deadline(ask: Ask):
    def fails(connection: socket.socket) -> None:
        while read_request(connection):
            connection.sendall(answer(b"{}", 503, "Retry-After: 0"))
            time.sleep(0.05)

    with serving(fails) as server, Stopwatch() as watch:
        error = ask(get, calling_url=server.url, retries=1000, deadline=DEADLINE)
    assert isinstance(error, ApiConnectionError) or error.status_code == 503
    assert "deadline" in str(error)
    assert watch.is_within(DEADLINE)


def test_waiting_for_a_connection_ends_with_the_deadline_and_nothing_was_sent(ask: Ask):
    """A hanging call has the only connection; the waiting call was never sent."""
    options: dict[str, Any] = {"max_connections": 1, "retries": 0, "timeout": 30}
    with serving(silent) as server:
        options["calling_url"] = server.url
        if ask is ask_blocking:
            with VoiceClient(KEY, SECRET, **options) as voice, ThreadPoolExecutor(1) as pool:
                other = pool.submit(outcome, lambda: get(voice))
                time.sleep(0.2)
                with Stopwatch() as watch:
                    error = outcome(lambda: hang_up(voice.with_options(deadline=DEADLINE)))
                voice.close()
                other.result()
        else:

            async def main() -> tuple[Any, Stopwatch]:
                async with AsyncVoiceClient(KEY, SECRET, **options) as voice:
                    other = asyncio.create_task(get(voice))
                    await asyncio.sleep(0.2)
                    with Stopwatch() as watch:
                        (found,) = await asyncio.gather(
                            hang_up(voice.with_options(deadline=DEADLINE)), return_exceptions=True
                        )
                    other.cancel()
                    return found, watch

            error, watch = asyncio.run(main())
    assert isinstance(error, ApiTimeoutError), repr(error)
    assert (error.may_have_executed, error.attempts) == (False, 1)
    assert "no connection to" in str(error)
    assert watch.is_within(DEADLINE)
