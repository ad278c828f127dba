"""A connection is used only by the process that made it."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import socket
import threading
import time
import traceback
import warnings
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from typing import Any

import pytest
from raw_servers import (
    ID,
    KEY,
    SECRET,
    ask_with_new_client,
    call_of,
    outcome,
    read_request,
    serving,
    settles,
    well_behaved,
)
from sinchvoice import ApiError, AsyncVoiceClient, VoiceClient

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork"),
    pytest.mark.filterwarnings("ignore:This process:DeprecationWarning"),
]


def client(url: str, **options: Any) -> VoiceClient:
    return VoiceClient(KEY, SECRET, calling_url=url, **{"retries": 0, "timeout": 10, **options})


def in_child(run: Callable[[], Any], seconds: float = 20) -> str:
    """Run a function in a forked child, and return its result; the child ends without cleanup."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            warnings.simplefilter("ignore")
            said = str(run())
        except BaseException:  # noqa: BLE001 - passed on
            said = traceback.format_exc()
        os.write(writing, said.encode())
        os._exit(0)
    os.close(writing)
    until = time.monotonic() + seconds
    while os.waitpid(child, os.WNOHANG) == (0, 0):
        if time.monotonic() > until:
            os.kill(child, 9)
            os.waitpid(child, 0)
            os.close(reading)
            return "the child hangs"
        time.sleep(0.01)
    with os.fdopen(reading) as said_there:
        return said_there.read()


def own(voice: VoiceClient, name: str) -> str:
    """Tell whether ten calls get their own answers."""
    for number in range(10):
        wanted = f"{name}-{number}"
        if (found := voice.calls.get(wanted).call_id) != wanted:
            return f"{found} instead of {wanted}"
    return "own"


def test_parent_and_child_get_their_own_answers_at_the_same_time():
    with serving(well_behaved) as server, client(server.url) as voice:
        voice.calls.get(ID)
        said: list[str] = []
        threads = [
            threading.Thread(
                target=lambda n=n: said.append(in_child(lambda: own(voice, f"child-{n}")))
            )
            for n in range(4)
        ]
        for thread in threads:
            thread.start()
        assert [own(voice, f"parent-{n}") for n in range(5)] == ["own"] * 5
        for thread in threads:
            thread.join()
        assert said == ["own"] * 4


def test_the_connection_of_the_parent_survives_its_children():
    with serving(well_behaved) as server, client(server.url) as voice:
        voice.calls.get(ID)
        for number in range(3):
            assert in_child(lambda n=number: own(voice, f"child-{n}")) == "own"
        accepted = server.accepted
        voice.calls.get(ID)
        assert (accepted, server.accepted) == (4, 4)


def test_a_child_that_closes_the_client_does_not_close_the_parents():
    def close() -> str:
        voice.close()
        return "closed"

    with serving(well_behaved) as server, client(server.url) as voice:
        voice.calls.get(ID)
        assert in_child(close) == "closed"
        voice.calls.get(ID)
        assert server.accepted == 1


def test_a_fork_inside_with_leaves_both_processes_working():
    def child() -> str:
        with voice:
            return own(voice, "child")

    with serving(well_behaved) as server, client(server.url) as voice:
        assert in_child(child) == "own"
        assert own(voice, "parent") == "own"


def test_a_grandchild_has_its_own_connections():
    with serving(well_behaved) as server, client(server.url) as voice:
        voice.calls.get(ID)
        assert in_child(lambda: own(voice, "c") + in_child(lambda: own(voice, "g"))) == "ownown"
        assert in_child(lambda: in_child(lambda: own(voice, "g"))) == "own"
        assert own(voice, "parent") == "own"


def test_a_fork_while_another_thread_holds_the_lock_does_not_hang():
    """The fork copies the held lock, but not the thread that would release it."""
    with serving(well_behaved) as server, client(server.url) as voice:
        (pool,) = voice._exchange._wire._pools.values()  # type: ignore[attr-defined]
        held, done = threading.Event(), threading.Event()

        def hold() -> None:
            with pool._lock:
                held.set()
                done.wait(30)

        thread = threading.Thread(target=hold)
        thread.start()
        held.wait()
        try:
            assert in_child(lambda: own(voice, "child")) == "own"
        finally:
            done.set()
            thread.join()


def test_forks_from_threads_amid_the_calls_of_others():
    def busy() -> None:
        while not done.is_set():
            found.append(own(voice, "parent"))

    found: list[str] = []
    done = threading.Event()
    with serving(well_behaved) as server, client(server.url, max_connections=2) as voice:
        threads = [threading.Thread(target=busy) for _ in range(4)]
        for thread in threads:
            thread.start()
        try:
            with ThreadPoolExecutor(3) as pool:
                names = [f"child-{number}" for number in range(15)]
                said = list(pool.map(lambda n: in_child(lambda: own(voice, n)), names))
        finally:
            done.set()
            for thread in threads:
                thread.join()
    assert said == ["own"] * 15
    assert set(found) == {"own"}


def test_a_child_has_the_full_limit_even_if_its_parent_uses_all_connections():
    def slow(connection: socket.socket) -> None:
        while request := read_request(connection):
            time.sleep(1 if b"/id/slow" in request else 0)
            connection.sendall(call_of(request))

    with serving(slow) as server, client(server.url, max_connections=1) as voice:
        other = threading.Thread(target=voice.calls.get, args=("slow",))
        other.start()
        assert settles(lambda: server.accepted == 1)
        assert in_child(lambda: own(voice, "child")) == "own"
        other.join()


def test_a_fork_in_the_middle_of_a_call_of_the_same_thread():
    """A hook could do this: the child continues its copy of the call."""
    said: list[str] = []

    def hook(_: Any) -> None:
        if not said:
            said.append("")
            said[0] = in_child(lambda: own(voice, "child"))

    with serving(well_behaved) as server, client(server.url, on_response=hook) as voice:
        assert own(voice, "parent") == "own"
    assert said == ["own"]


VOICE: VoiceClient | None = None


def ask_global(name: str) -> str:
    assert VOICE is not None
    return VOICE.calls.get(name).call_id


def test_a_multiprocessing_pool_that_forks_gets_its_own_answers():
    global VOICE
    names = [f"call-{number}" for number in range(100)]
    with serving(well_behaved) as server, client(server.url) as voice:
        VOICE = voice
        voice.calls.get(ID)
        with multiprocessing.get_context("fork").Pool(4) as pool:
            assert pool.map(ask_global, names, chunksize=1) == names
        assert own(voice, "parent") == "own"


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_a_spawned_process_makes_its_own_client(method: str):
    context = multiprocessing.get_context(method)
    with serving(well_behaved) as server, client(server.url) as voice:
        with ProcessPoolExecutor(1, mp_context=context) as pool:
            assert pool.submit(ask_with_new_client, server.url, "child").result(60) == "child"
            with pytest.raises(TypeError, match="make one in each process"):
                pool.submit(ask_with_new_client, voice, "child").result(60)
        assert own(voice, "parent") == "own"


# --- asyncio -------------------------------------------------------------------------------------


def async_client(url: str) -> AsyncVoiceClient:
    return AsyncVoiceClient(KEY, SECRET, calling_url=url, retries=0, timeout=10)


async def own_async(voice: AsyncVoiceClient, name: str) -> str:
    wanted = [f"{name}-{number}" for number in range(10)]
    found = await asyncio.gather(*(voice.calls.get(each) for each in wanted))
    return "own" if [call.call_id for call in found] == wanted else "others'"


def test_a_child_of_an_asyncio_program_has_its_own_loop_and_connections():
    with serving(well_behaved) as server:
        voice = async_client(server.url)
        with asyncio.Runner() as runner:
            assert runner.run(own_async(voice, "parent")) == "own"
            accepted = server.accepted
            assert in_child(lambda: asyncio.run(own_async(voice, "child"))) == "own"
            assert runner.run(own_async(voice, "parent")) == "own"
            assert server.accepted <= accepted + 10  # the child's connections
            runner.run(voice.aclose())


def test_a_fork_inside_a_running_event_loop_leaves_the_parent_well():
    def child() -> str:
        asyncio._set_running_loop(None)
        return asyncio.run(own_async(holder[0], "child"))

    async def main(url: str) -> None:
        async with async_client(url) as voice:
            holder.append(voice)
            assert await own_async(voice, "parent") == "own"
            calls = asyncio.gather(*(own_async(voice, f"p{number}") for number in range(5)))
            await asyncio.sleep(0.005)
            assert in_child(child) == "own"
            assert await calls == ["own"] * 5
            assert await own_async(voice, "parent") == "own"

    holder: list[AsyncVoiceClient] = []
    with serving(well_behaved) as server:
        asyncio.run(main(server.url))


def test_a_child_that_closes_an_async_client_does_not_close_the_parents():
    with serving(well_behaved) as server:
        voice = async_client(server.url)
        with asyncio.Runner() as runner:
            assert runner.run(own_async(voice, "parent")) == "own"
            accepted = server.accepted
            assert in_child(lambda: asyncio.run(voice.aclose())) == "None"
            assert runner.run(own_async(voice, "parent")) == "own"
            assert server.accepted == accepted
            runner.run(voice.aclose())


def test_a_call_under_way_at_the_fork_belongs_to_the_parent():
    """The child gets nothing of it; only the parent receives the answer."""

    def slow(connection: socket.socket) -> None:
        while request := read_request(connection):
            time.sleep(0.5)
            connection.sendall(call_of(request))

    with serving(slow) as server, client(server.url) as voice, ThreadPoolExecutor(1) as pool:
        parents = pool.submit(outcome, lambda: voice.calls.get("parents"))
        assert settles(lambda: server.accepted == 1)
        assert in_child(lambda: voice.calls.get("childs").call_id) == "childs"
        found = parents.result()
        assert not isinstance(found, ApiError), found
        assert found.call_id == "parents"
