"""Connections: one request at a time, most recently used first, never more than the limit."""

from __future__ import annotations

import asyncio
import gc
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import trustme
from raw_servers import (
    ID,
    KEY,
    SECRET,
    Ask,
    RawServer,
    answer,
    ask_awaiting,
    ask_blocking,
    black_hole,
    call_of,
    closed_port,
    descriptors,
    outcome,
    read_request,
    serving,
    settles,
    silent,
    well_behaved,
)
from sinchvoice import (
    ApiConnectionError,
    ApiError,
    ApiTimeoutError,
    AsyncVoiceClient,
    ConfigurationError,
    InvalidRequest,
    VoiceClient,
)


@pytest.fixture(params=[ask_blocking, ask_awaiting], ids=["sync", "async"])
def ask(request: pytest.FixtureRequest) -> Ask:
    """Use a client, and return the result."""
    return request.param


def client(url: str, **options: Any) -> VoiceClient:
    return VoiceClient(KEY, SECRET, calling_url=url, **{"retries": 0, **options})


def async_client(url: str, **options: Any) -> AsyncVoiceClient:
    return AsyncVoiceClient(KEY, SECRET, calling_url=url, **{"retries": 0, **options})


def slowly(seconds: float) -> Any:
    def handle(connection: socket.socket) -> None:
        while request := read_request(connection):
            time.sleep(seconds)
            connection.sendall(call_of(request))

    return handle


def naming_itself(connection: socket.socket) -> None:
    """Answer with the client's port of the connection."""
    while read_request(connection):
        connection.sendall(answer(b'{"callId": "%d"}' % connection.getpeername()[1]))


# --- idle connections ----------------------------------------------------------------------------


@pytest.mark.parametrize("keepalive", [30.0, 0])
def test_an_idle_connection_is_reused_unless_keepalive_is_off(keepalive: float):
    with serving(well_behaved) as server, client(server.url, keepalive=keepalive) as voice:
        for _ in range(3):
            voice.calls.get(ID)
        assert server.accepted == (1 if keepalive else 3)
        assert keepalive or settles(lambda: not server.open)


@pytest.mark.parametrize("keepalive", [30.0, 0])
def test_a_task_reuses_an_idle_connection_unless_keepalive_is_off(keepalive: float):
    async def main() -> None:
        async with async_client(server.url, keepalive=keepalive) as voice:
            for _ in range(3):
                await voice.calls.get(ID)
            assert keepalive or await asyncio.to_thread(settles, lambda: not server.open)

    with serving(well_behaved) as server:
        asyncio.run(main())
        assert server.accepted == (1 if keepalive else 3)


def test_a_connection_idle_for_too_long_is_not_used():
    with serving(well_behaved) as server, client(server.url, keepalive=0.1) as voice:
        voice.calls.get(ID)
        time.sleep(0.2)
        voice.calls.get(ID)
        assert server.accepted == 2


def test_the_most_recently_used_connection_is_used_first():
    with serving(naming_itself) as server, client(server.url) as voice:
        gate = threading.Barrier(4)

        def together() -> str:
            gate.wait()
            return voice.calls.get(ID).call_id

        with ThreadPoolExecutor(4) as pool:
            for future in [pool.submit(together) for _ in range(4)]:
                future.result()
        last = voice.calls.get(ID).call_id
        assert {voice.calls.get(ID).call_id for _ in range(10)} == {last}


@pytest.mark.parametrize(
    "farewell",
    [
        b"",
        b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        b"nonsense",
    ],
    ids=["closed", "408", "nonsense"],
)
def test_an_idle_connection_closed_by_the_server_is_noticed_before_use(ask: Ask, farewell: bytes):
    def once(connection: socket.socket) -> None:
        connection.sendall(call_of(read_request(connection)) + b"")
        time.sleep(0.05)
        connection.sendall(farewell)

    def twice(voice: Any) -> Any:
        for _ in range(3):
            voice.calls.hangup(ID)
            assert settles(lambda: not server.open)
        return "well"

    async def twice_async(voice: Any) -> Any:
        for _ in range(3):
            await voice.calls.hangup(ID)
            assert await asyncio.to_thread(settles, lambda: not server.open)
        return "well"

    with serving(once) as server:
        use = twice if ask is ask_blocking else twice_async
        assert ask(use, calling_url=server.url) == "well"
        assert server.accepted == 3


def test_an_unrequested_second_answer_is_dropped(ask: Ask):
    """Two answers come in one segment: the second waits where the next call expects its own."""

    def talkative(connection: socket.socket) -> None:
        while request := read_request(connection):
            connection.sendall(call_of(request) + answer(b'{"callId": "of-somebody-else"}'))

    def use(voice: Any) -> Any:
        return [voice.calls.get(name).call_id for name in ("a", "b", "c")]

    async def use_async(voice: Any) -> Any:
        return [(await voice.calls.get(name)).call_id for name in ("a", "b", "c")]

    with serving(talkative) as server:
        found = ask(use if ask is ask_blocking else use_async, calling_url=server.url)
    assert found == ["a", "b", "c"]


@pytest.mark.parametrize(
    "header", ["Connection: close", "connection: CLOSE", "Connection: keep-alive, close"]
)
def test_a_connection_that_the_server_will_close_is_not_used_again(header: str):
    def handle(connection: socket.socket) -> None:
        while read_request(connection):
            connection.sendall(answer(b"{}", 200, header))

    with serving(handle) as server, client(server.url) as voice:
        for _ in range(3):
            voice.request("GET", "/x")
        assert server.accepted == 3


# --- limits --------------------------------------------------------------------------------------


class Counting:
    """Answers, and counts the connections served at the same time."""

    def __init__(self, seconds: float = 0.01) -> None:
        self.seconds, self.now, self.most = seconds, 0, 0
        self._lock = threading.Lock()

    def __call__(self, connection: socket.socket) -> None:
        with self._lock:
            self.now += 1
            self.most = max(self.most, self.now)
        try:
            slowly(self.seconds)(connection)
        finally:
            with self._lock:
                self.now -= 1


@pytest.mark.parametrize("most", [1, 3])
def test_threads_wait_for_the_limited_connections(most: int):
    counting = Counting()
    with serving(counting) as server, client(server.url, max_connections=most) as voice:
        names = [f"call-{number}" for number in range(60)]
        with ThreadPoolExecutor(20) as pool:
            found = list(pool.map(lambda name: voice.calls.get(name).call_id, names))
    assert found == names
    assert counting.most <= most
    assert server.accepted <= most


@pytest.mark.parametrize("most", [1, 3])
def test_tasks_wait_for_the_limited_connections(most: int):
    async def main(url: str) -> list[str]:
        async with async_client(url, max_connections=most) as voice:
            calls = await asyncio.gather(*(voice.calls.get(name) for name in names))
            return [call.call_id for call in calls]

    names = [f"call-{number}" for number in range(60)]
    counting = Counting()
    with serving(counting) as server:
        assert asyncio.run(main(server.url)) == names
    assert counting.most <= most
    assert server.accepted <= most


def test_an_idle_connection_to_another_host_makes_way():
    """Reports and calls have different hosts: the limit covers both together."""
    with (
        serving(well_behaved) as calls,
        serving(well_behaved, host="127.0.0.2") as reports,
        client(calls.url, reporting_url=reports.url, max_connections=1) as voice,
    ):
        for _ in range(3):
            voice.calls.get(ID)
            assert settles(lambda: len(calls.open) == 1 and not reports.open)
            voice.request("GET", "/x", api="reporting")
            assert settles(lambda: len(reports.open) == 1 and not calls.open)


def test_waiting_tasks_are_served_in_order():
    async def main(url: str) -> list[int]:
        order: list[int] = []

        async def one(voice: AsyncVoiceClient, number: int) -> None:
            await voice.calls.get(str(number))
            order.append(number)

        async with async_client(url, max_connections=1) as voice:
            tasks = []
            for number in range(20):
                tasks.append(asyncio.create_task(one(voice, number)))
                await asyncio.sleep(0)
            await asyncio.gather(*tasks)
        return order

    with serving(slowly(0.005)) as server:
        assert asyncio.run(main(server.url)) == list(range(20))


def test_waiting_threads_are_served_in_order():
    seen: list[bytes] = []

    def noting(connection: socket.socket) -> None:
        while request := read_request(connection):
            seen.append(request.split(b"/id/")[1].split(b" ")[0])
            time.sleep(0.1)
            connection.sendall(call_of(request))

    with serving(noting) as server, client(server.url, max_connections=1) as voice:
        threads = []
        for number in range(6):
            threads.append(threading.Thread(target=voice.calls.get, args=(str(number),)))
            threads[-1].start()
            time.sleep(0.05)
        for thread in threads:
            thread.join()
    assert seen == [b"%d" % number for number in range(6)]


def test_a_thread_that_gets_no_connection_has_sent_nothing():
    with (
        serving(silent) as server,
        client(server.url, max_connections=1, timeout=30) as voice,
        ThreadPoolExecutor(1) as pool,
    ):
        other = pool.submit(outcome, lambda: voice.calls.get(ID))
        assert settles(lambda: server.accepted == 1)
        error = outcome(lambda: voice.with_options(timeout=0.2).calls.hangup(ID))
        voice.close()
        other.result()
    assert isinstance(error, ApiTimeoutError)
    assert not error.may_have_executed
    assert "all 1 connections (max_connections) stayed in use" in str(error)


# --- closing -------------------------------------------------------------------------------------


def test_closing_from_another_thread_ends_the_calls_under_way():
    with serving(silent) as server, ThreadPoolExecutor(6) as pool:
        voice = client(server.url, max_connections=3, timeout=60)
        calls = [pool.submit(outcome, lambda: voice.calls.hangup(ID)) for _ in range(6)]
        assert settles(lambda: server.accepted == 3)
        voice.close()
        errors = [call.result(5) for call in calls]
    assert all(isinstance(error, ApiConnectionError) for error in errors)
    assert all("the client was closed meanwhile" in str(error) for error in errors)
    assert Counter(error.may_have_executed for error in errors) == {True: 3, False: 3}


def test_closing_from_another_thread_ends_a_connection_attempt():
    with black_hole() as port, ThreadPoolExecutor(1) as pool:
        voice = client(f"http://127.0.0.1:{port}", timeout=60)
        call = pool.submit(outcome, lambda: voice.calls.hangup(ID))
        time.sleep(0.2)
        voice.close()
        error = call.result(5)
    assert "the client was closed meanwhile" in str(error)
    assert not error.may_have_executed


def test_closing_from_another_thread_ends_a_tls_handshake():
    with serving(silent) as server, ThreadPoolExecutor(1) as pool:
        voice = client(f"https://localhost:{server.port}", timeout=60)
        call = pool.submit(outcome, lambda: voice.calls.hangup(ID))
        assert settles(lambda: server.accepted == 1)
        time.sleep(0.1)
        voice.close()
        error = call.result(5)
    assert "the client was closed meanwhile" in str(error)
    assert not error.may_have_executed


def test_a_call_still_resolving_its_host_sends_nothing_after_closing(
    monkeypatch: pytest.MonkeyPatch,
):
    is_closed = threading.Event()
    real = socket.getaddrinfo

    def slow(*rest: Any, **more: Any) -> Any:
        is_closed.wait(10)
        return real(*rest, **more)

    with serving(well_behaved) as server, ThreadPoolExecutor(1) as pool:
        voice = client(server.url)
        monkeypatch.setattr(socket, "getaddrinfo", slow)
        call = pool.submit(outcome, lambda: voice.calls.hangup(ID))
        time.sleep(0.1)
        voice.close()
        is_closed.set()
        error = call.result(5)
    assert "the client was closed meanwhile" in str(error)
    assert not error.may_have_executed


def test_a_closed_client_refuses_calls_and_can_be_closed_again(ask: Ask):
    with serving(well_behaved) as server:
        voice = client(server.url)
        voice.calls.get(ID)
        voice.close()
        voice.close()
        with pytest.raises(InvalidRequest, match="this client is closed"):
            voice.calls.get(ID)
        assert settles(lambda: not server.open)


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="this system has no interval timers")
def test_a_signal_handler_may_close_the_client_at_any_moment():
    """The handler runs in the interrupted thread, which may hold the lock of the connections."""
    previous = signal.getsignal(signal.SIGALRM)
    try:
        with serving(well_behaved) as server:
            for number in range(60):
                voice = client(server.url)
                signal.signal(signal.SIGALRM, lambda *_, voice=voice: voice.close())
                signal.setitimer(signal.ITIMER_REAL, 0.0005 + 0.0001 * number)
                with suppress(ApiError, InvalidRequest):
                    while True:
                        voice.calls.get(ID)
            assert settles(lambda: not server.open)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)


def test_every_descriptor_is_released(ask: Ask):
    """After a success, a refusal, a reset, a timeout, a broken answer and a failed handshake."""

    def resets(connection: socket.socket) -> None:
        read_request(connection)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")

    def breaks(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{")

    def speaks_no_tls(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    def use(voice: Any) -> Any:
        return voice.calls.get(ID)

    before = descriptors()
    gc.disable()
    try:
        for handle, scheme in [
            (well_behaved, "http"),
            (resets, "http"),
            (breaks, "http"),
            (silent, "http"),
            (silent, "https"),
            (speaks_no_tls, "https"),
        ]:
            with serving(handle) as server:
                url = f"{scheme}://localhost:{server.port}"
                found = ask(use, calling_url=url, timeout=0.3)
                assert isinstance(found, ApiConnectionError) or found.call_id == ID
        assert isinstance(
            ask(use, calling_url=f"http://127.0.0.1:{closed_port()}"), ApiConnectionError
        )
        assert settles(lambda: descriptors() <= before)
    finally:
        gc.enable()


# --- TLS certificates ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["SSL_CERT_FILE", "SSL_CERT_DIR"])
def test_missing_certificates_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str):
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    monkeypatch.setenv(name, str(tmp_path / "gone"))
    with pytest.raises(ConfigurationError, match=f"{name} is '.*gone', which does not exist"):
        VoiceClient(KEY, SECRET)


@pytest.mark.parametrize("content", ["", "garbage", "-----BEGIN CERTIFICATE-----\nAA\n"])
def test_a_file_without_certificates_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: str
):
    file = tmp_path / "ca.pem"
    file.write_text(content)
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    with pytest.raises(ConfigurationError, match=r"SSL_CERT_FILE is '.*ca\.pem', which cannot be"):
        VoiceClient(KEY, SECRET)


def test_a_certificate_file_is_read_when_the_client_is_made(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(context)
    file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(file))
    with serving(well_behaved, context=context) as server:
        monkeypatch.setenv("SSL_CERT_FILE", str(file))
        voice = client(server.url)
        monkeypatch.setenv("SSL_CERT_FILE", "/nowhere")
        file.unlink()
        assert voice.calls.get(ID).call_id == ID
        voice.close()
        monkeypatch.delenv("SSL_CERT_FILE")
        with client(server.url) as stranger:
            error = outcome(lambda: stranger.calls.hangup(ID))
    assert isinstance(error, ApiConnectionError)
    assert not error.may_have_executed
    assert "certificate" in str(error).lower()


def test_certificates_are_read_once_and_again_when_they_change(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    authority, other = trustme.CA(), trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(context)
    file = tmp_path / "ca.pem"
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    made, read = ssl.create_default_context, list[str]()

    def counted(*arguments: Any, **options: Any) -> ssl.SSLContext:
        read.append(options["cafile"])
        return made(*arguments, **options)

    with serving(well_behaved, context=context) as server:
        other.cert_pem.write_to_path(str(file))
        monkeypatch.setattr(ssl, "create_default_context", counted)
        for _ in range(3):
            with client(server.url) as voice:
                assert isinstance(outcome(lambda: voice.calls.get(ID)), ApiConnectionError)
        authority.cert_pem.write_to_path(str(file))
        with client(server.url) as voice:
            assert voice.calls.get(ID).call_id == ID
    assert read == [str(file)] * 2


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
def test_the_protocol_of_a_context_is_set_once(is_async: bool):
    """OpenSSL does not guard it: another handshake with the context could read freed memory."""

    class Counted(ssl.SSLContext):
        def set_alpn_protocols(self, protocols: Iterable[str]) -> None:
            given.append(list(protocols))
            super().set_alpn_protocols(protocols)

    given, chosen = list[list[str]](), list[str | None]()
    authority, context = trustme.CA(), ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(context)
    context.set_alpn_protocols(["h2", "http/1.1"])
    trusting = Counted(ssl.PROTOCOL_TLS_CLIENT)
    authority.configure_trust(trusting)

    def handle(connection: socket.socket) -> None:
        assert isinstance(connection, ssl.SSLSocket)
        chosen.append(connection.selected_alpn_protocol())
        well_behaved(connection)

    async def ask(url: str) -> None:
        async with async_client(url, ssl_context=trusting, keepalive=0) as voice:
            for _ in range(3):
                await voice.calls.get(ID)

    with serving(handle, context=context) as server:
        if is_async:
            asyncio.run(ask(server.url))
        else:
            with client(server.url, ssl_context=trusting, keepalive=0) as voice:
                for _ in range(3):
                    voice.calls.get(ID)
    assert given == [["http/1.1"]]
    assert chosen == ["http/1.1"] * 3


def test_several_certificate_folders_are_accepted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """OpenSSL reads a list, like PATH."""
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    monkeypatch.setenv("SSL_CERT_DIR", f"{tmp_path}:{tmp_path / 'gone'}")
    VoiceClient(KEY, SECRET).close()


@pytest.mark.parametrize("url", ["http://127.0.0.1:0", "https://example.com:0"])
def test_port_zero_is_refused(url: str):
    with pytest.raises(ConfigurationError, match="port"):
        client(url)


@pytest.mark.parametrize(
    "host", ["calling..example.com", ".example.com", "a" * 64 + ".example.com"]
)
def test_a_host_that_cannot_exist_is_refused_when_the_client_is_made(host: str):
    with pytest.raises(ConfigurationError, match="its host cannot exist"):
        client(f"https://{host}")


def test_nothing_is_sent_to_an_unknown_host_name(ask: Ask):
    error = ask(lambda voice: voice.calls.hangup(ID), calling_url="https://nowhere.invalid")
    assert isinstance(error, ApiConnectionError)
    assert (error.may_have_executed, error.attempts) == (False, 1)
    assert "no connection to nowhere.invalid" in str(error)


def test_a_server_at_an_ipv6_address_is_reached(ask: Ask):
    try:
        with serving(well_behaved, host="::1") as server:
            assert ask(lambda voice: voice.calls.get(ID), calling_url=server.url).call_id == ID
    except OSError:
        pytest.skip("this machine has no IPv6")


def test_a_derived_client_shares_connections_and_their_limit():
    with serving(well_behaved) as server, client(server.url, max_connections=1) as voice:
        voice.calls.get(ID)
        voice.with_options(timeout=5, headers={"X-Of": "mine"}).calls.get(ID)
        assert server.accepted == 1


def test_the_host_header_is_the_host_of_the_url(ask: Ask):
    heads: list[bytes] = []

    def noting(connection: socket.socket) -> None:
        while request := read_request(connection):
            heads.append(request)
            connection.sendall(call_of(request))

    with serving(noting) as server:
        ask(lambda voice: voice.calls.get(ID), calling_url=server.url)
        assert f"\r\nHost: 127.0.0.1:{server.port}\r\n".encode() in heads[0]
        assert b"\r\nContent-Length" not in heads[0]


def test_a_raw_server_forgets_closed_connections():
    """This tests the harness: a connection closed by the client is closed here as well."""
    with serving(well_behaved) as server:
        assert isinstance(server, RawServer)
        client(server.url).calls.get(ID)
        gc.collect()
        assert settles(lambda: not server.open)


def test_the_first_calls_of_many_threads_all_succeed():
    """All of them import the generated code, which is incomplete meanwhile."""
    script = """
import sys, threading
from sinchvoice import VoiceClient
voice = VoiceClient(sys.argv[1], sys.argv[2], calling_url=sys.argv[3])
gate, failed = threading.Barrier(8), []
def work():
    gate.wait()
    try:
        voice.calls.get("a")
    except Exception as error:
        failed.append(repr(error))
sys.setswitchinterval(1e-5)
threads = [threading.Thread(target=work) for _ in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
voice.close()
sys.exit(" ".join(failed) or 0)
"""
    with serving(well_behaved) as server:
        for _ in range(4):
            done = subprocess.run(
                [sys.executable, "-c", script, KEY, SECRET, server.url],
                capture_output=True,
                text=True,
                timeout=60,
            )
            assert (done.returncode, done.stderr) == (0, "")
