"""Killed threads and Ctrl-C: an interrupted call leaks no connection."""

from __future__ import annotations

import ctypes
import gc
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from raw_servers import (
    ID,
    KEY,
    SECRET,
    answer,
    black_hole,
    descriptors,
    read_request,
    serving,
    settles,
    silent,
    well_behaved,
)
from sinchvoice import ApiError, VoiceClient


class Killed(BaseException):
    """The exception that kills a thread."""


def kill(thread: threading.Thread) -> None:
    """Raise an exception in a thread, at any point."""
    assert thread.ident is not None
    ctypes.pythonapi.PyThreadState_SetAsyncExc(
        ctypes.c_ulong(thread.ident), ctypes.py_object(Killed)
    )


def client(url: str, **options: Any) -> VoiceClient:
    return VoiceClient(
        KEY, SECRET, calling_url=url, **{"retries": 0, "max_connections": 2, **options}
    )


def is_well(voice: VoiceClient) -> bool:
    """Tell whether more threads than connections get their answers."""
    names = [f"call-{number}" for number in range(8)]
    with ThreadPoolExecutor(4) as pool:
        return list(pool.map(lambda name: voice.calls.get(name).call_id, names)) == names


def quick(connection: socket.socket) -> None:
    """Answer at once, or slow requests after a moment."""
    while request := read_request(connection):
        call_id = request.split(b"/id/")[1].split(b" ")[0]
        if call_id == b"slow":
            time.sleep(0.3)
        connection.sendall(answer(b'{"callId": "%s"}' % call_id))


@contextmanager
def often_switched() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(0.0001)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


@pytest.fixture(autouse=True)
def untraced() -> Iterator[None]:
    """Remove tracers, such as a debugger's or coverage's.

    Under a tracer, Python 3.11 loops forever in one thread while another has a pending exception.
    """
    tracer = sys.gettrace()
    others = threading.gettrace()
    sys.settrace(None)
    threading.settrace(None)  # type: ignore[arg-type]
    yield
    threading.settrace(others)  # type: ignore[arg-type]
    sys.settrace(tracer)


# For a socket made at that very moment, which has no owner yet.
in_between = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@in_between
def test_killed_threads_leak_no_connection():
    def work() -> None:
        try:
            while True:
                voice.calls.get(ID)
        except Killed:
            pass

    before = descriptors()
    with serving(well_behaved) as server, client(server.url) as voice, often_switched():
        assert is_well(
            voice
        )  # an import killed midway would block that import in other threads for ever
        for number in range(60):
            threads = [threading.Thread(target=work) for _ in range(4)]
            for thread in threads:
                thread.start()
            time.sleep(0.0007 * number)
            for thread in threads:
                while thread.is_alive():
                    kill(thread)
                    thread.join(0.05)
        assert is_well(voice)
        assert server.accepted > 1
        assert settles(lambda: len(server.open) <= 2)
    assert settles(lambda: descriptors() <= before)


@pytest.mark.parametrize("what", ["waits for an answer", "waits for a connection"])
def test_a_thread_killed_while_waiting_leaves_the_client_working(what: str):
    """The exception is raised as soon as the thread runs again."""

    def work() -> None:
        try:
            voice.calls.get("slow")
        except Killed:
            died.append(1)

    died: list[int] = []
    most = 1 if what == "waits for a connection" else 3
    with serving(quick) as server, client(server.url, max_connections=most) as voice:
        assert is_well(voice)
        threads = [threading.Thread(target=work) for _ in range(3)]
        for thread in threads:
            thread.start()
        time.sleep(0.1)
        for thread in threads:
            kill(thread)
        for thread in threads:
            thread.join()
        assert len(died) == 3
        assert is_well(voice)


@contextmanager
def interrupted_after(seconds: float) -> Iterator[None]:
    previous = signal.signal(signal.SIGALRM, signal.default_int_handler)
    # Repeat it: Python drops an interrupt raised in a `__del__`.
    signal.setitimer(signal.ITIMER_REAL, seconds, 0.5)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)


needs_timers = pytest.mark.skipif(
    not hasattr(signal, "setitimer"), reason="this system has no interval timers"
)


@needs_timers
@in_between
def test_a_storm_of_interrupts_leaves_every_connection(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(
        sys, "unraisablehook", lambda _: None
    )  # pytest's own process must not get Ctrl-C
    interrupts = 0
    before = descriptors()
    with serving(well_behaved) as server, client(server.url, max_connections=3) as voice:
        assert is_well(voice)
        until = time.monotonic() + 4
        number = 0
        while time.monotonic() < until:
            number += 1
            try:
                with interrupted_after(0.0005 + 0.00013 * (number % 40)):
                    while True:
                        voice.calls.get(ID)
            except KeyboardInterrupt:
                interrupts += 1
        assert interrupts == number
        assert is_well(voice)
        gc.collect()
        assert settles(lambda: len(server.open) <= 3)
    assert settles(lambda: descriptors() <= before)


@needs_timers
@pytest.mark.parametrize("where", ["connecting", "TLS", "the answer", "a proxy", "a connection"])
def test_ctrl_c_ends_a_call_at_once_and_closes_its_connection(where: str):
    with black_hole() as hole, serving(silent) as server:
        url: dict[str, dict[str, Any]] = {
            "connecting": {"url": f"http://127.0.0.1:{hole}"},
            "TLS": {"url": f"https://localhost:{server.port}"},
            "the answer": {"url": server.url},
            "a proxy": {"url": "https://nowhere.example", "proxy": server.url},
            "a connection": {"url": server.url, "max_connections": 1},
        }
        with serving(well_behaved) as other_server, client(other_server.url) as voice:
            assert is_well(voice)
        with client(**url[where], timeout=60) as voice:
            other = threading.Thread(target=lambda: swallow(lambda: voice.calls.get(ID)))
            if where == "a connection":
                other.start()
                assert settles(lambda: server.accepted == 1)
            gc.disable()
            before = descriptors()
            try:
                with pytest.raises(KeyboardInterrupt), interrupted_after(0.3):
                    voice.calls.hangup(ID)
                if where != "a connection":  # its server has one too
                    assert settles(lambda: descriptors() <= before)
            finally:
                gc.enable()
        if where == "a connection":
            other.join()


def swallow(run: Callable[[], Any]) -> None:
    with suppress(ApiError):
        run()


def test_an_exception_in_a_trace_hook_leaves_the_client_working():
    class Stop(BaseException):
        pass

    def hook(_: Any) -> None:
        raise Stop

    with serving(well_behaved) as server, client(server.url, max_connections=1) as voice:
        for _ in range(3):
            with pytest.raises(Stop):
                voice.with_options(on_response=hook).calls.get(ID)
        assert is_well(voice)
        assert server.accepted == 1


def test_stored_errors_keep_no_connection():
    def resets(connection: socket.socket) -> None:
        read_request(connection)

    kept = []
    with serving(resets) as server, client(server.url, max_connections=1) as voice:
        for _ in range(5):
            with pytest.raises(ApiError) as caught:
                voice.calls.get(ID)
            kept.append(caught.value)
        assert settles(lambda: not server.open)
    assert len(kept) == 5
