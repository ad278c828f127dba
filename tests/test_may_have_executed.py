"""`may_have_executed` is exact: never False if the server acted, and False if nothing was sent."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import threading
import time
from typing import Any

import pytest
import trustme
from raw_servers import (
    ID,
    KEY,
    SECRET,
    Ask,
    answer,
    ask_awaiting,
    ask_blocking,
    black_hole,
    closed_port,
    outcome,
    read_request,
    serving,
    settles,
    silent,
    well_behaved,
)
from sinchvoice import ApiConnectionError, ApiError, VoiceClient

RESET = b"\x01\0\0\0\0\0\0\0"


@pytest.fixture(params=[ask_blocking, ask_awaiting], ids=["sync", "async"])
def ask(request: pytest.FixtureRequest) -> Ask:
    """Use a client, and return the result."""
    return request.param


def hang_up(voice: Any) -> Any:
    return voice.calls.hangup(ID)


class Acting:
    """Acts on each request, and breaks off after a number of bytes of the answer."""

    def __init__(self, said: bytes, is_reset: bool) -> None:
        self.acted = 0
        self.said = said
        self.length = 0
        self._is_reset = is_reset

    def __call__(self, connection: socket.socket) -> None:
        if read_request(connection):
            self.acted += 1
            connection.sendall(self.said[: self.length])
            if self._is_reset:
                time.sleep(0.002)  # a reset discards unread bytes
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)


@pytest.mark.parametrize("is_reset", [False, True], ids=["closed", "reset"])
@pytest.mark.parametrize(
    "said",
    [
        answer(b"{}", 500),
        b"HTTP/1.1 100 Continue\r\n\r\n" + answer(b"{}", 204),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    ],
    ids=["500", "100 and 204", "chunks"],
)
def test_an_answer_that_ends_at_any_byte_never_denies_acting(said: bytes, is_reset: bool):
    server_side = Acting(said, is_reset)
    with (
        serving(server_side) as server,
        VoiceClient(KEY, SECRET, calling_url=server.url, retries=3, keepalive=0) as voice,
    ):
        for length in range(len(said) + 1):
            server_side.length, server_side.acted = length, 0
            error = outcome(lambda: hang_up(voice))
            assert server_side.acted == 1
            assert error is None or error.may_have_executed
            assert error is None or error.attempts == 1


def test_an_answer_that_ends_at_any_byte_never_denies_acting_in_asyncio():
    said = answer(b"{}", 500)
    server_side = Acting(said, True)

    async def use(voice: Any) -> list[Any]:
        found = []
        for length in range(len(said) + 1):
            server_side.length = length
            try:
                await hang_up(voice)
            except ApiError as error:
                found.append(error)
        return found

    with serving(server_side) as server:
        errors = ask_awaiting(use, calling_url=server.url, retries=3)
    assert len(errors) == server_side.acted == len(said) + 1
    assert all(error.may_have_executed and error.attempts == 1 for error in errors)


@pytest.mark.parametrize("is_reset", [False, True], ids=["closed", "reset"])
def test_a_server_that_hangs_up_before_it_reads_may_have_acted(ask: Ask, is_reset: bool):
    """The client cannot tell: bytes have left."""

    def handle(connection: socket.socket) -> None:
        if is_reset:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)

    with serving(handle) as server:
        for _ in range(5):
            error = ask(hang_up, calling_url=server.url, retries=3)
            assert isinstance(error, ApiConnectionError)
            # A reset before the first byte leaves means that there was no connection.
            assert error.may_have_executed or error.attempts > 1


def test_nothing_was_sent_where_there_was_no_connection(ask: Ask):
    with black_hole() as hole, serving(silent) as quiet:
        for options in [
            {"calling_url": f"http://127.0.0.1:{closed_port()}"},
            {"calling_url": f"http://127.0.0.1:{hole}", "timeout": 0.2},
            {"calling_url": f"https://localhost:{quiet.port}", "timeout": 0.2},
            {"calling_url": "https://nowhere.invalid"},
        ]:
            error = ask(hang_up, **options)
            assert isinstance(error, ApiConnectionError)
            assert (error.may_have_executed, error.attempts) == (False, 1)
            assert "the server did not act on it" in str(error)


def test_nothing_was_sent_to_a_server_whose_certificate_is_refused(ask: Ask):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    trustme.CA().issue_cert("localhost").configure_cert(context)
    acted = []

    def handle(connection: socket.socket) -> None:
        acted.append(read_request(connection))

    with serving(handle, context=context) as server:
        error = ask(hang_up, calling_url=server.url)
    assert isinstance(error, ApiConnectionError)
    assert (error.may_have_executed, any(acted)) == (False, False)
    assert "certificate" in str(error).lower()


def test_a_patch_is_sent_again_where_there_was_no_connection(ask: Ask):
    """The server comes up between two attempts."""
    port = closed_port()
    started: list[Any] = []

    def start() -> None:
        time.sleep(0.2)
        listener = socket.create_server(("127.0.0.1", port))
        started.append(listener)
        connection, _ = listener.accept()
        started.append(connection)
        connection.sendall(answer(b"", 204) if read_request(connection) else b"")

    thread = threading.Thread(target=start, daemon=True)
    thread.start()
    try:
        assert ask(hang_up, calling_url=f"http://127.0.0.1:{port}", retries=4) is None
    finally:
        thread.join(10)
        for each in started:
            each.close()


def test_a_patch_survives_a_closed_idle_connection(ask: Ask):
    def once(connection: socket.socket) -> None:
        if read_request(connection):
            connection.sendall(answer(b"", 204))

    def thrice(voice: Any) -> str:
        for _ in range(3):
            voice.calls.hangup(ID)
            settles(lambda: not server.open)
            time.sleep(0.02)
        return "well"

    async def thrice_async(voice: Any) -> str:
        for _ in range(3):
            await voice.calls.hangup(ID)
            await asyncio.to_thread(settles, lambda: not server.open)
            await asyncio.sleep(0.02)
        return "well"

    with serving(once) as server:
        use = thrice if ask is ask_blocking else thrice_async
        assert ask(use, calling_url=server.url) == "well"


@pytest.mark.parametrize("method", ["CONNECT", "TRACE", "HEAD", "OPTIONS", "DELETE", "PURGE"])
def test_every_method_is_sent_unchanged_or_refused(ask: Ask, method: str):
    seen = []

    def handle(connection: socket.socket) -> None:
        while request := read_request(connection):
            seen.append(request.split(b" ")[0].decode())
            content = b"" if method == "HEAD" else b"{}"
            connection.sendall(answer(content))

    with serving(handle) as server:
        found = ask(lambda voice: voice.request(method, "/x"), calling_url=server.url, timeout=3)
    if method == "CONNECT":
        assert "method is 'CONNECT'" in str(found)
        assert seen == []
    else:
        assert (found.status_code, seen) == (200, [method])


def test_a_request_is_never_sent_twice_unprompted(ask: Ask):
    seen: list[bytes] = []

    def handle(connection: socket.socket) -> None:
        while request := read_request(connection):
            seen.append(request)
            if len(seen) > 1:
                return
            connection.sendall(answer(b"", 204))

    def use(voice: Any) -> Any:
        voice.calls.hangup(ID)
        return voice.calls.hangup(ID)

    async def use_async(voice: Any) -> Any:
        await voice.calls.hangup(ID)
        return await voice.calls.hangup(ID)

    with serving(handle) as server:
        error = ask(use if ask is ask_blocking else use_async, calling_url=server.url, retries=3)
    assert error.may_have_executed
    assert len(seen) == 2


def test_the_well_behaved_server_returns_the_requested_call(ask: Ask):
    with serving(well_behaved) as server:
        found = ask(lambda voice: voice.calls.get(ID), calling_url=server.url)
    assert json.loads(json.dumps(found.call_id)) == ID
