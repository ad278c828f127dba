"""Tracebacks with variables show no secret and no credentials of a request.

This holds for every error and its causes: rich, Sentry and pytest show these frames.
"""

from __future__ import annotations

import asyncio
import signal
import socket
import ssl
import threading
import traceback
from base64 import b64encode
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import trustme
from raw_servers import (
    ID,
    KEY,
    SECRET,
    answer,
    black_hole,
    closed_port,
    dripping,
    read_request,
    serving,
    silent,
)
from sinchvoice import AsyncVoiceClient, SinchVoiceError, VoiceClient, svaml

PASSWORD = "pr0xy-s3cret"


def resets(connection: socket.socket) -> None:
    read_request(connection)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")


def saying(said: bytes) -> Callable[[socket.socket], None]:
    def handle(connection: socket.socket) -> None:
        if read_request(connection):
            connection.sendall(said)

    return handle


SERVERS: dict[str, Any] = {
    "hangs up": saying(b""),
    "resets": resets,
    "says nothing": silent,
    "drips": dripping(b"HTTP/1.1 200 OK\r\nX: ", b"a"),
    "breaks off": saying(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"),
    "speaks something else": saying(b"SSH-2.0-OpenSSH\r\n"),
    "says 500": saying(answer(b"{}", 500)),
    "says 401": saying(answer(b'{"errorCode": 40102}', 401)),
    "says nonsense": saying(answer(b"[]")),
    "redirects to nowhere": saying(answer(b"", 307, "Location: http://[/")),
    "redirects to a dead host": saying(answer(b"", 307, "Location: http://127.0.0.1:1/")),
}


def chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and all its causes."""
    seen: list[BaseException] = []
    waiting: list[BaseException | None] = [error]
    while waiting:
        each = waiting.pop()
        if each is None or each in seen:
            continue
        seen.append(each)
        waiting += [each.__cause__, each.__context__]
        waiting += list(getattr(each, "exceptions", ()))
        yield each


def shown(error: BaseException) -> str:
    """Return all that can be seen of an error: text, attributes and the variables of its frames."""
    parts = []
    for each in chain(error):
        found = traceback.TracebackException.from_exception(each, capture_locals=True)
        parts += [repr(each), str(each), repr(vars(each)), *found.format(chain=True)]
    return "".join(parts)


def assert_hides(error: BaseException) -> None:
    text = ours(shown(error))
    for secret in (SECRET, SECRET.rstrip("="), b64encode(f"{KEY}:{SECRET}".encode()).decode()):
        assert secret not in text
    assert f"Application {KEY}:" not in text
    assert "Basic " not in text
    assert PASSWORD not in text
    assert b64encode(f"user:{PASSWORD}".encode()).decode() not in text


def ours(text: str) -> str:
    """Return the text without the frames of this file, which contains the secret itself."""
    kept, is_here = [], False
    for line in text.splitlines():
        if line.lstrip().startswith('File "'):
            is_here = __file__ in line
        if not is_here:
            kept.append(line)
    return "\n".join(kept)


OPERATIONS: dict[str, Callable[[Any], Any]] = {
    "get": lambda voice: voice.calls.get(ID),
    "update": lambda voice: voice.calls.update(ID, svaml.Svaml(action=svaml.Hangup())),
}


def error_of(is_async: bool, use: Callable[[Any], Any], **options: Any) -> BaseException:
    options = {"retries": 0, "timeout": 0.5} | options

    async def main() -> Any:
        async with AsyncVoiceClient(KEY, SECRET, **options) as voice:
            return await use(voice)

    try:
        if is_async:
            asyncio.run(main())
        else:
            with VoiceClient(KEY, SECRET, **options) as voice:
                use(voice)
    except BaseException as error:  # noqa: BLE001 - inspected by the test
        return error
    raise AssertionError("no error")


@pytest.mark.parametrize("auth", ["signed", "basic"])
@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("what", SERVERS)
def test_no_error_after_an_answer_shows_credentials(what: str, is_async: bool, auth: str):
    for use in OPERATIONS.values():
        with serving(SERVERS[what]) as server:
            if what in ("says nonsense", "breaks off") and use is OPERATIONS["update"]:
                continue  # a success
            error = error_of(is_async, use, calling_url=server.url, auth=auth)
        assert isinstance(error, SinchVoiceError), repr(error)
        assert_hides(error)


@pytest.mark.parametrize("auth", ["signed", "basic"])
@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
def test_no_connection_error_shows_credentials(is_async: bool, auth: str):
    """The host refuses, is unknown or unreachable, has no TLS, or an untrusted certificate."""
    authority, context = trustme.CA(), ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(context)
    with (
        black_hole() as hole,
        serving(silent) as plain,
        serving(silent, context=context) as secure,
        serving(saying(answer(b"", 407))) as proxy,
        serving(saying(answer(b"", 407)), context=context) as secure_proxy,
    ):
        proxies = [
            f"http://user:{PASSWORD}@127.0.0.1:{port}"
            for port in (closed_port(), plain.port, proxy.port)
        ]
        proxies.append(f"https://user:{PASSWORD}@localhost:{secure_proxy.port}")
        for options in [
            {"calling_url": f"http://127.0.0.1:{closed_port()}"},
            {"calling_url": "https://nowhere.invalid"},
            {"calling_url": f"http://127.0.0.1:{hole}"},
            {"calling_url": f"https://localhost:{plain.port}"},
            {"calling_url": f"https://localhost:{secure.port}"},
            {"calling_url": f"http://127.0.0.1:{hole}", "deadline": 0.2},
            *({"proxy": each} for each in proxies),
        ]:
            for use in OPERATIONS.values():
                error = error_of(is_async, use, auth=auth, **options)
                assert isinstance(error, SinchVoiceError), repr(error)
                assert_hides(error)


@pytest.mark.parametrize("auth", ["signed", "basic"])
@pytest.mark.parametrize("what", ["says nothing", "drips"])
def test_a_cancelled_call_does_not_show_credentials(what: str, auth: str):
    async def use(voice: Any) -> None:
        task = asyncio.create_task(OPERATIONS["get"](voice))
        await asyncio.sleep(0.1)
        task.cancel()
        await task

    with serving(SERVERS[what]) as server:
        error = error_of(True, use, calling_url=server.url, auth=auth, timeout=5)
    assert isinstance(error, asyncio.CancelledError)
    assert_hides(error)


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="this system has no interval timers")
@pytest.mark.parametrize("auth", ["signed", "basic"])
@pytest.mark.parametrize("what", ["says nothing", "reads nothing"])
def test_an_interrupted_call_does_not_show_credentials(what: str, auth: str):
    """The interrupt comes during the wait for the answer, or while a large request is sent."""

    def use(voice: Any) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0.4)
        try:
            if what == "says nothing":
                OPERATIONS["get"](voice)
            else:
                voice.request("PATCH", "/x", json="y" * 9_000_000)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)

    previous = signal.signal(signal.SIGALRM, signal.default_int_handler)
    try:
        is_over = threading.Event()
        with serving(silent if what == "says nothing" else lambda _: is_over.wait(9)) as server:
            error = error_of(False, use, calling_url=server.url, auth=auth, timeout=5)
            is_over.set()
    finally:
        signal.signal(signal.SIGALRM, previous)
    assert isinstance(error, KeyboardInterrupt)
    assert_hides(error)


def test_the_check_would_see_a_secret():
    """Without protection, the check finds the secret."""

    def careless() -> None:
        namespace = {"authorization": f"Application {KEY}:abc"}
        exec(compile("def leak(authorization): raise ValueError", "leak.py", "exec"), namespace)  # noqa: S102
        namespace["leak"](namespace["authorization"])  # type: ignore[operator]

    with pytest.raises(ValueError) as caught:  # noqa: PT011 - there is no message to match
        careless()
    with pytest.raises(AssertionError):
        assert_hides(caught.value)
