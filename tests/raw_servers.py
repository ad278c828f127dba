"""Loopback servers that a test controls byte by byte, and clients to try on them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from sinchvoice import AsyncVoiceClient, VoiceClient

KEY, SECRET = "5F5C418A0F914BBC8234A9BF5EDDAD97", "JViE5vDor0Sw3WllZka15Q=="
ID = "4398599d1ba84ef3bde0a82dfb61abed"

Handle = Callable[[socket.socket], None]


class RawServer:
    """Runs a function for each connection, in a separate thread.

    Attributes:
        port: Port on which it listens.
        accepted: Number of connections so far.
        open: Connections that are open on this side.
    """

    def __init__(self, handle: Handle, context: ssl.SSLContext | None, host: str) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.create_server((host, 0), family=family, backlog=200)
        self.host = f"[{host}]" if ":" in host else host
        self.port: int = self._listener.getsockname()[1]
        self.accepted = 0
        self.open: set[socket.socket] = set()
        self._scheme = "http" if context is None else "https"
        self._handle = handle
        self._context = context
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    @property
    def url(self) -> str:
        host = self.host if self._scheme == "http" else "localhost"
        return f"{self._scheme}://{host}:{self.port}"

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.accepted += 1
            self.open.add(connection)
            thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        secure = None
        try:
            if self._context is None:
                self._handle(connection)
            else:
                secure = self._context.wrap_socket(connection, server_side=True)
                self.open.add(secure)
                self._handle(secure)
        except (OSError, ValueError):
            pass
        finally:
            for each in (connection, secure):
                if each is not None:
                    self.open.discard(each)
                    each.close()

    def hang_up(self) -> None:
        """Close all connections."""
        for each in list(self.open):
            with contextlib.suppress(OSError):
                socket.socket.shutdown(each, socket.SHUT_RDWR)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.hang_up()
        for thread in self._threads:
            thread.join(10)


@contextmanager
def serving(
    handle: Handle, *, context: ssl.SSLContext | None = None, host: str = "127.0.0.1"
) -> Iterator[RawServer]:
    """Run a server for the block."""
    server = RawServer(handle, context, host)
    try:
        yield server
    finally:
        server.close()


def read_request(connection: socket.socket) -> bytes:
    """Return head and content of one request; nothing if the client hung up."""
    received = b""
    while b"\r\n\r\n" not in received:
        more = connection.recv(65536)
        if not more:
            return b""
        received += more
    head, _, content = received.partition(b"\r\n\r\n")
    length = 0
    for line in head.split(b"\r\n"):
        if line.lower().startswith(b"content-length:"):
            length = int(line.partition(b":")[2])
    while len(content) < length:
        content += connection.recv(65536)
    return head + b"\r\n\r\n" + content


def answer(content: bytes = b"{}", status: int = 200, *headers: str) -> bytes:
    """Return the bytes of an answer."""
    lines = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(content)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + content


def call_of(request: bytes) -> bytes:
    """Return the call that a request names."""
    call_id = request.split(b" ")[1].split(b"/calls/id/")[-1].partition(b"?")[0].decode()
    return answer(json.dumps({"callId": call_id}).encode())


def well_behaved(connection: socket.socket) -> None:
    """Answer each request with the call that it names."""
    while request := read_request(connection):
        connection.sendall(call_of(request))


def silent(connection: socket.socket) -> None:
    """Read, and send nothing."""
    while connection.recv(65536):
        pass


def dripping(first: bytes, drop: bytes, pause: float = 0.1) -> Handle:
    """Answer a request with the beginning of an answer, then drip more bytes."""

    def handle(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(first)
        for _ in range(200):
            connection.sendall(drop)
            time.sleep(pause)

    return handle


def relaying(port: int, pause: float = 0.0, begin: Handle | None = None) -> Handle:
    """Relay bytes to a local port; with a pause, the replies drip."""

    def handle(connection: socket.socket) -> None:
        if begin is not None:
            begin(connection)
        with socket.create_connection(("127.0.0.1", port)) as onward:
            thread = threading.Thread(target=forward, args=(connection, onward), daemon=True)
            thread.start()
            try:
                while received := onward.recv(65536):
                    step = 1 if pause else len(received)
                    for start in range(0, len(received), step):
                        connection.sendall(received[start : start + step])
                        time.sleep(pause)
            finally:
                for each in (connection, onward):
                    with contextlib.suppress(OSError):
                        socket.socket.shutdown(each, socket.SHUT_RDWR)
                thread.join(10)

    def forward(source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while received := source.recv(65536):
                target.sendall(received)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_WR)

    return handle


@contextmanager
def black_hole(host: str = "127.0.0.1", port: int = 0) -> Iterator[int]:
    """Provide a port that never completes a connection because its queue is full."""
    with socket.socket() as listener:
        listener.bind((host, port))
        listener.listen(0)
        port = listener.getsockname()[1]
        waiting = []
        try:
            for _ in range(4):
                each = socket.socket()
                each.setblocking(False)
                each.connect_ex((host, port))
                waiting.append(each)
            time.sleep(0.05)
            yield port
        finally:
            for each in waiting:
                each.close()


def closed_port() -> int:
    """Return a port without a listener."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


Ask = Callable[..., Any]


def ask_blocking(use: Callable[[Any], Any], **options: Any) -> Any:
    """Return the result of a function of a client, or the error that it raises."""
    with VoiceClient(KEY, SECRET, **{"retries": 0, **options}) as voice:
        return outcome(lambda: use(voice))


def ask_awaiting(use: Callable[[Any], Any], **options: Any) -> Any:
    """Do the same with an asynchronous client."""

    async def main() -> Any:
        async with AsyncVoiceClient(KEY, SECRET, **{"retries": 0, **options}) as voice:
            try:
                return await use(voice)
            except Exception as error:  # noqa: BLE001 - inspected by the test
                return error

    return asyncio.run(main())


def outcome(run: Callable[[], Any]) -> Any:
    try:
        return run()
    except Exception as error:  # noqa: BLE001 - inspected by the test
        return error


class Stopwatch:
    """Measures seconds, and how late this machine wakes sleeping threads meanwhile."""

    def __enter__(self) -> Self:
        self._is_over = False
        self._late = 0.0
        self._thread = threading.Thread(target=self._doze, daemon=True)
        self._thread.start()
        self._started = time.monotonic()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds = time.monotonic() - self._started
        self._is_over = True
        self._thread.join()

    def _doze(self) -> None:
        while not self._is_over:
            before = time.monotonic()
            time.sleep(0.02)
            self._late += max(0.0, time.monotonic() - before - 0.03)

    def is_within(self, limit: float) -> bool:
        """Tell whether the time is within the limit and half a second."""
        return self.seconds < limit + 0.5 + self._late


def descriptors() -> int:
    """Return the number of open files and sockets of this process; 0 where it is unknown."""
    folder = Path("/proc/self/fd")
    return len(os.listdir(folder)) if folder.exists() else 0  # noqa: PTH208


def settles(condition: Callable[[], bool], seconds: float = 10.0) -> bool:
    """Tell whether a condition becomes true."""
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            return False
        time.sleep(0.01)
    return True


def ask_with_new_client(url: str, name: str) -> str:
    """Get a call with a new client; spawned processes can import this module."""
    with VoiceClient(KEY, SECRET, calling_url=url, retries=0) as voice:
        return voice.calls.get(name).call_id
