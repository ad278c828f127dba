"""Hundreds of thousands of calls to a server with faults: none hangs, and nothing is lost.

SOAK scales the figures: 0.1 does a tenth of everything.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import gc
import os
import random
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from sinchvoice import ApiError, ApiTimeoutError, AsyncVoiceClient, VoiceClient, svaml

SCALE = float(os.environ.get("SOAK", "1"))
CALLS, TASKS, CONNECTIONS = int(100_000 * SCALE), 200, 20
THREAD_CALLS, THREADS = int(20_000 * SCALE), 40
ANSWERS = int(50_000 * SCALE)
KEY, SECRET = "5F5C418A0F914BBC8234A9BF5EDDAD97", "JViE5vDor0Sw3WllZka15Q=="
HANGUP = svaml.Svaml(action=svaml.Hangup())
DEADLINE = 5.0

FAULTS = ("reset", "close", "last", "stall", "drip", "twice")


@contextlib.contextmanager
def serving(*arguments: str) -> Iterator[str]:
    """Run a server of this file in a separate process, so that it takes no time from the tests."""
    with subprocess.Popen(
        [sys.executable, __file__, *arguments], stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(server.stdout.readline())}"
        finally:
            server.kill()


@pytest.fixture
def url() -> Iterator[str]:
    """Run a server with faults."""
    with serving("faults") as running:
        yield running


def descriptors() -> int:
    folder = Path("/proc/self/fd")
    return len(os.listdir(folder)) if folder.exists() else 0  # noqa: PTH208


def released(before: int) -> bool:
    until = time.monotonic() + 10
    while descriptors() > before and time.monotonic() < until:
        time.sleep(0.05)
    return descriptors() <= before


def a_name(dice: random.Random, number: int) -> str:
    fault = dice.choice(FAULTS) if dice.random() < 0.1 else "well"
    return f"{fault}-{number}"


def test_randomly_cancelled_tasks_lose_nothing(url: str):
    outcomes: Counter[str] = Counter()
    dice = random.Random(20261127)

    async def one(voice: AsyncVoiceClient, number: int) -> None:
        name, luck = a_name(dice, number), dice.random()
        hurried = voice.with_options(deadline=0.02 + 0.2 * dice.random()) if luck < 0.1 else voice
        try:
            async with asyncio.timeout(DEADLINE + 5):  # a longer call hangs
                call = hurried.calls.get(name)
                if 0.1 < luck < 0.2:
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(call, 0.06 * dice.random())
                    outcomes["cancelled or not"] += 1
                    return
                if 0.2 < luck < 0.3:
                    task = asyncio.ensure_future(call)
                    await asyncio.sleep(0.03 * dice.random())
                    task.cancel()
                    await asyncio.wait([task])
                    outcomes["cancelled or not"] += 1
                    if not task.cancelled():
                        task.exception()
                    return
                found = await call
            assert found.call_id == name
            outcomes["well"] += 1
        except ApiTimeoutError:
            outcomes["out of time"] += 1
        except ApiError:
            outcomes["broken"] += 1
        except TimeoutError:
            outcomes["hangs"] += 1

    async def work(voice: AsyncVoiceClient, numbers: Iterator[int]) -> None:
        for number in numbers:
            await one(voice, number)

    async def main() -> float:
        async with AsyncVoiceClient(
            KEY,
            SECRET,
            calling_url=url,
            retries=0,
            max_connections=CONNECTIONS,
            deadline=DEADLINE,
        ) as voice:
            numbers = iter(range(CALLS))
            started = time.monotonic()
            await asyncio.gather(*(work(voice, numbers) for _ in range(TASKS)))
            taken = time.monotonic() - started
            names = [f"well-{number}" for number in range(10 * CONNECTIONS)]
            calls = await asyncio.gather(*(voice.calls.get(name) for name in names))
            assert [call.call_id for call in calls] == names
            return taken

    before = descriptors()
    taken = asyncio.run(main())
    print(f"\n{CALLS} calls of {TASKS} tasks in {taken:.0f} s: {dict(outcomes)}")
    assert outcomes["hangs"] == 0
    assert sum(outcomes.values()) == CALLS
    assert outcomes["well"] > CALLS / 2
    assert released(before)


class Killed(BaseException):
    """The exception that kills a thread."""


def test_randomly_killed_threads_lose_nothing(url: str):
    outcomes: Counter[str] = Counter()
    lock = threading.Lock()
    numbers = iter(range(THREAD_CALLS))

    def work(voice: VoiceClient, dice: random.Random) -> None:
        while True:
            try:
                with lock:
                    number = next(numbers, None)
                if number is None:
                    return
                name = a_name(dice, number)
                assert voice.calls.get(name).call_id == name
                what = "well"
            except ApiTimeoutError:
                what = "out of time"
            except ApiError:
                what = "broken"
            except Killed:
                what = "killed"
            outcomes[what] += 1

    def start(voice: VoiceClient, seed: int) -> threading.Thread:
        def guarded() -> None:
            while True:
                try:
                    return work(voice, random.Random(seed))
                except Killed:  # outside of a call
                    continue

        thread = threading.Thread(target=guarded, daemon=True)
        thread.start()
        return thread

    dice = random.Random(20261127)
    before = descriptors()
    ignored = sys.unraisablehook
    sys.unraisablehook = lambda _: None  # a thread killed in a `__del__`
    started = time.monotonic()
    try:
        with VoiceClient(
            KEY,
            SECRET,
            calling_url=url,
            retries=0,
            max_connections=CONNECTIONS,
            deadline=DEADLINE,
        ) as voice:
            voice.calls.get("well-first")
            threads = [start(voice, seed) for seed in range(THREADS)]
            until = time.monotonic() + 300
            while any(thread.is_alive() for thread in threads):
                assert time.monotonic() < until, "a thread hangs"
                thread = dice.choice(threads)
                if thread.is_alive() and outcomes.total() < 0.95 * THREAD_CALLS:
                    ctypes.pythonapi.PyThreadState_SetAsyncExc(
                        ctypes.c_ulong(thread.ident or 0), ctypes.py_object(Killed)
                    )
                time.sleep(0.003)
            taken = time.monotonic() - started
            for number in range(5 * CONNECTIONS):
                assert voice.calls.get(f"well-{number}").call_id == f"well-{number}"
            gc.collect()  # a traceback may still refer to a returned lease
            pool = next(iter(voice._exchange._wire._pools.values()))  # type: ignore[attr-defined]
            assert len(pool._leases) == 0
    finally:
        sys.unraisablehook = ignored
    print(f"\n{THREAD_CALLS} calls of {THREADS} threads in {taken:.0f} s: {dict(outcomes)}")
    assert outcomes["well"] > THREAD_CALLS / 2
    assert outcomes["killed"] > 0
    assert released(before)


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="this system has no interval timers")
def test_interrupts_by_signals_lose_nothing(url: str):
    outcomes: Counter[str] = Counter()
    dice = random.Random(20261127)
    before = descriptors()
    ignored, previous = sys.unraisablehook, signal.getsignal(signal.SIGALRM)
    sys.unraisablehook = lambda _: None  # an interrupt in a `__del__`
    signal.signal(signal.SIGALRM, signal.default_int_handler)
    try:
        with VoiceClient(
            KEY, SECRET, calling_url=url, retries=0, max_connections=2, deadline=DEADLINE
        ) as voice:
            voice.calls.get("well-first")
            until = time.monotonic() + 10 * SCALE
            number = 0
            while time.monotonic() < until:
                number += 1
                try:
                    signal.setitimer(signal.ITIMER_REAL, 0.0005 + 0.006 * dice.random(), 0.002)
                    while True:
                        name = a_name(dice, number)
                        with contextlib.suppress(ApiError):
                            assert voice.calls.get(name).call_id == name
                except KeyboardInterrupt:
                    while True:
                        try:
                            signal.setitimer(signal.ITIMER_REAL, 0)
                            break
                        except KeyboardInterrupt:
                            continue
                    outcomes["interrupted"] += 1
            for number in range(20):
                assert voice.calls.get(f"well-{number}").call_id == f"well-{number}"
            gc.collect()  # a traceback may still refer to a returned lease
            pool = next(iter(voice._exchange._wire._pools.values()))  # type: ignore[attr-defined]
            assert len(pool._leases) == 0
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
        sys.unraisablehook = ignored
    print(f"\n{outcomes['interrupted']} interrupts by a signal")
    assert outcomes["interrupted"] > 100 * SCALE
    assert released(before)


# --- arbitrary answers ---------------------------------------------------------------------------

PIECES = [
    *(b"HTTP/1.1 200 OK\r\n", b"HTTP/1.0 200 OK\r\n", b"HTTP/1.1 204 No Content\r\n"),
    *(b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 101 Switching Protocols\r\n\r\n"),
    *(b"HTTP/1.1 304 Not Modified\r\n", b"HTTP/1.1 404 Not Found\r\n", b"HTTP/1.1 503 Busy\r\n"),
    *(b"HTTP/1.1 999 What\r\n", b"HTTP/1.1 000 What\r\n", b"HTTP/2 200\r\n", b"HTTP/1.1 20\r\n"),
    *(b"HTTP/1.1 307 There\r\n", b"Location: /\r\n", b"Location: http://127.0.0.1:1/\r\n"),
    *(b"Content-Length: 2\r\n", b"Content-Length: 20\r\n", b"Content-Length: -1\r\n"),
    *(b"Content-Length: 2, 2\r\n", b"Content-Length: 2\r\nContent-Length: 3\r\n"),
    *(b"Content-Length: 99999999999999999999\r\n", b"Transfer-Encoding: chunked\r\n"),
    *(b"Transfer-Encoding: gzip, chunked\r\n", b"Transfer-Encoding: identity\r\n"),
    *(b"Content-Encoding: gzip\r\n", b"Connection: close\r\n", b"Connection: keep-alive\r\n"),
    *(b"Retry-After: 0\r\n", b"Retry-After: soon\r\n", b"Date: whenever\r\n", b"X: \xff\r\n"),
    *(b" folded\r\n", b": no name\r\n", b"no colon\r\n", b"X:\x00\r\n", b"Set-Cookie: a=\xff\r\n"),
    *(b"\r\n", b"\r\n", b"\r\n", b"\n", b"\r", b"\r\n\r\n"),
    *(b"{}", b'{"callId": "a"}', b"[]", b"null", b"2\r\n{}\r\n0\r\n\r\n", b"0\r\n\r\n"),
    *(b"zz\r\n", b"ffffffffffffffff\r\n", b"1;x=y\r\n{\r\n", b"0\r\nX: y\r\n\r\n"),
    *(b"\x16\x03\x01\x00\x05hello", b"SSH-2.0-x\r\n", b"<html>", b"\x1f\x8b\x08", b"\xef\xbb\xbf"),
    *(b"A" * 70_000, b"X: " + b"a" * 20_000 + b"\r\n", b" " * 300, b"\0" * 100),
]
GOOD = [
    b'HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n{"callId": "a"}',
    b"HTTP/1.1 204 No Content\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    b'HTTP/1.1 401 No\r\nContent-Length: 20\r\n\r\n{"errorCode": 40102}',
]


def an_answer(dice: random.Random) -> bytes:
    """Return pieces of HTTP in any order, or a good answer cut, doubled or overwritten."""
    kind = dice.random()
    if kind < 0.45:
        return dice.choice(PIECES[:12]) + b"".join(dice.choices(PIECES, k=dice.randrange(8)))
    if kind < 0.55:
        return b"".join(dice.choices(PIECES, k=dice.randrange(6)))
    if kind < 0.65:
        return dice.randbytes(dice.randrange(200))
    said = bytearray(dice.choice(GOOD))
    if kind < 0.8:
        for _ in range(dice.randrange(1, 5)):
            said[dice.randrange(len(said))] = dice.randrange(256)
    elif kind < 0.9:
        del said[dice.randrange(len(said)) :]
    else:
        return bytes(said) * 2
    return bytes(said)


def test_any_answer_raises_only_library_errors():
    outcomes, slowest = Counter[str](), 0.0
    dice = random.Random(2)
    before = descriptors()
    started = time.monotonic()
    with (
        serving("answers", "1") as url,
        VoiceClient(KEY, SECRET, calling_url=url, retries=0, timeout=0.3, deadline=0.6) as voice,
    ):
        pending = iter(range(ANSWERS))

        def work(seed: int) -> None:
            nonlocal slowest
            mine = random.Random(seed)
            for number in pending:
                begun = time.monotonic()
                try:
                    if mine.random() < 0.7:
                        voice.calls.get(str(number))
                    else:
                        voice.calls.update(str(number), HANGUP)
                    outcomes["result"] += 1
                except ApiError as error:
                    outcomes[named(error)] += 1
                except BaseException as error:  # noqa: BLE001 - counted and shown
                    outcomes[f"OTHER {error!r}"] += 1
                slowest = max(slowest, time.monotonic() - begun)

        threads = [threading.Thread(target=work, args=(dice.random(),)) for _ in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    report("sync", outcomes, slowest, time.monotonic() - started)
    assert released(before)


def test_any_answer_raises_only_library_errors_in_asyncio():
    outcomes, slowest = Counter[str](), 0.0

    async def main(url: str) -> None:
        async with AsyncVoiceClient(
            KEY, SECRET, calling_url=url, retries=0, timeout=0.3, deadline=0.6
        ) as voice:
            pending = iter(range(ANSWERS))

            async def work(mine: random.Random) -> None:
                nonlocal slowest
                for number in pending:
                    begun = time.monotonic()
                    try:
                        if mine.random() < 0.7:
                            await voice.calls.get(str(number))
                        else:
                            await voice.calls.update(str(number), HANGUP)
                        outcomes["result"] += 1
                    except ApiError as error:
                        outcomes[named(error)] += 1
                    except BaseException as error:  # noqa: BLE001 - counted and shown
                        outcomes[f"OTHER {error!r}"] += 1
                    slowest = max(slowest, time.monotonic() - begun)

            await asyncio.gather(*(work(random.Random(seed)) for seed in range(32)))

    before = descriptors()
    started = time.monotonic()
    with serving("answers", "3") as url:
        asyncio.run(main(url))
    report("async", outcomes, slowest, time.monotonic() - started)
    assert released(before)


def named(error: ApiError) -> str:
    name = type(error).__name__
    return name if str(error).isprintable() else f"OTHER {name} that cannot be printed"


def report(kind: str, outcomes: Counter[str], slowest: float, taken: float) -> None:
    print(f"\n{outcomes.total()} answers, {kind}, in {taken:.0f} s, slowest {slowest:.2f} s:")
    for name, count in outcomes.most_common():
        print(f"  {count:6} {name}")
    assert outcomes.total() == ANSWERS
    assert not [name for name in outcomes if name.startswith("OTHER")]
    assert slowest < 0.6 + 5  # not a measure of speed: a hanging call takes for ever


# --- servers in separate processes ---------------------------------------------------------------


async def faulty(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer each request as its path demands: reset, stall, drip, close, twice, or well."""
    while True:
        head = await reader.readuntil(b"\r\n\r\n")
        name = head.split(b" ")[1].split(b"/calls/id/")[1]
        fault = name.split(b"-")[0].decode()
        content = b'{"callId": "%s"}' % name
        said = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(content) + content
        if fault in ("reset", "close"):
            writer.write(said[: random.randrange(len(said))])
            if fault == "reset":
                linger = struct.pack("ii", 1, 0)
                connection = writer.get_extra_info("socket")
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            return
        if fault == "stall":
            await asyncio.sleep(0.3 * random.random())
        if fault == "drip":
            for start in range(0, len(said), 20):
                writer.write(said[start : start + 20])
                await asyncio.sleep(0.005)
            continue
        writer.write(said * 2 if fault == "twice" else said)
        await writer.drain()
        if fault == "last":
            return


def saying(seed: int) -> Callable[..., Awaitable[None]]:
    """Give each request the next arbitrary answer, and usually hang up after it."""
    dice = random.Random(seed)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(65536):
            writer.write(an_answer(dice))
            await writer.drain()
            if dice.random() < 0.97:
                return

    return serve


async def serve_for_ever(serve: Callable[..., Awaitable[None]]) -> None:
    async def guarded(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await serve(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(guarded, "127.0.0.1", 0, backlog=1000)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    _, what, *seeds = sys.argv
    asyncio.run(serve_for_ever(faulty if what == "faults" else saying(int(seeds[0]))))
