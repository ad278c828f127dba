"""Many threads or tasks share one client: none gets the answer of another."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sinchvoice import AsyncVoiceClient, PstnEndpoint, VoiceClient
from sinchvoice.sandbox import Sandbox, SandboxCall, running

THREADS, TASKS, ROUNDS = 64, 500, 20


@pytest.fixture
def box() -> Iterator[Sandbox]:
    with running(populated=False) as sandbox:
        yield sandbox


@pytest.fixture
def calls(box: Sandbox) -> list[SandboxCall]:
    """Add a call for each thread or task, each to a different number."""
    return [box.add_call(to=PstnEndpoint(f"+1212555{number:04}")) for number in range(TASKS)]


def open_files() -> int:
    """Return the number of descriptors of this process, client and server; 0 if unknown."""
    folder = Path("/proc/self/fd")
    return len(os.listdir(folder)) if folder.exists() else 0  # noqa: PTH208


def settle(box: Sandbox) -> None:
    """Wait until the server has noticed the closed connections."""
    deadline = time.monotonic() + 10
    while box.connections and time.monotonic() < deadline:
        time.sleep(0.01)


def test_threads_that_share_a_client_get_their_own_answers(box: Sandbox, calls: list[SandboxCall]):
    before = open_files()
    with (
        VoiceClient.from_env(box.environ, timeout=60, max_connections=20) as voice,
        ThreadPoolExecutor(THREADS) as pool,
    ):

        def ask(number: int) -> None:
            mine = calls[number]
            for turn in range(ROUNDS):
                shown = voice.calls.get(mine.call_id)
                assert (shown.call_id, shown.to) == (mine.call_id, mine.to)
                voice.calls.say(mine.call_id, f"{number} {turn}")

        list(pool.map(ask, range(THREADS)))
        assert 0 < box.connections <= 20
    for number in range(THREADS):
        said = [heard.what.text for heard in calls[number].heard]  # type: ignore[union-attr]
        assert said == [f"{number} {turn}" for turn in range(ROUNDS)]
    settle(box)
    assert box.connections == 0
    assert open_files() <= before


def test_tasks_that_share_a_client_get_their_own_answers(box: Sandbox, calls: list[SandboxCall]):
    async def main() -> None:
        async with AsyncVoiceClient.from_env(box.environ, timeout=60, max_connections=20) as voice:

            async def ask(number: int) -> None:
                mine = calls[number]
                for turn in range(ROUNDS // 10):
                    shown = await voice.calls.get(mine.call_id)
                    assert (shown.call_id, shown.to) == (mine.call_id, mine.to)
                    await voice.calls.say(mine.call_id, f"{number} {turn}")

            await asyncio.gather(*(ask(number) for number in range(TASKS)))
            assert 0 < box.connections <= 20

    before = open_files()
    asyncio.run(main())
    for number, call in enumerate(calls):
        said = [heard.what.text for heard in call.heard]  # type: ignore[union-attr]
        assert said == [f"{number} {turn}" for turn in range(ROUNDS // 10)]
    settle(box)
    assert box.connections == 0
    assert open_files() <= before
