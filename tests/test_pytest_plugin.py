"""pytest_sinchvoice.py: the fixtures, in separate test runs like those of users."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = """
import asyncio
import gc

import pytest
from sinchvoice import NotFoundError, PstnEndpoint, svaml
from sinchvoice.sandbox import faults

PHONE = PstnEndpoint("+12125550123")


def test_a_call_is_hung_up(sinch_sandbox, voice_client):
    call = sinch_sandbox.add_call(to=PHONE)
    sinch_sandbox.inject(faults.unavailable(60), on="GET")
    voice_client.calls.hangup(call.call_id)
    assert call.actions == [svaml.Hangup()]


def test_a_sandbox_is_new_for_each_test(sinch_sandbox, voice_client):
    assert (sinch_sandbox.calls, sinch_sandbox.requests) == ({}, [])
    assert voice_client.reports.counter("currentcalls").value == 0


def test_a_client_may_outlive_its_loop(
    sinch_sandbox, async_voice_client
):
    call = sinch_sandbox.add_call(to=PHONE)

    async def main():
        await asyncio.gather(*(async_voice_client.calls.get(call.call_id) for _ in range(5)))
        with pytest.raises(NotFoundError):
            await async_voice_client.calls.get("unknown")

    asyncio.run(main())
    gc.collect()


def test_a_test_may_close_its_client(async_voice_client):
    async def main():
        async with async_voice_client as voice:
            assert (await voice.reports.service_status("rtpproxy")).is_up

    asyncio.run(main())
"""


def run(folder: Path, tests: str, *options: str, prelude: str = "") -> str:
    """Run pytest on tests, with warnings as errors, and return its output."""
    (folder / "test_mine.py").write_text(tests, encoding="utf-8")
    command = f"{prelude}\nimport sys, pytest\nsys.exit(pytest.main(sys.argv[1:]))"
    arguments = ["-p", "no:cacheprovider", "-W", "error", *options]
    return subprocess.run(
        [sys.executable, "-c", command, *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    ).stdout


def test_the_fixtures_work_for_users_of_the_extra(tmp_path: Path):
    assert "4 passed" in run(tmp_path, TESTS)


def test_the_fixtures_are_listed_with_their_docstrings(tmp_path: Path):
    shown = run(tmp_path, "", "--fixtures")
    for name in ("sinch_sandbox", "sinch_callback_app", "voice_client", "async_voice_client"):
        assert re.search(rf"^{name} .*pytest_sinchvoice.*\n    An? ", shown, re.MULTILINE)


def test_without_the_extra_the_fixtures_name_it(tmp_path: Path):
    hidden = "import sys; sys.modules['uvicorn'] = None"
    shown = run(tmp_path, "def test_it(voice_client): pass", prelude=hidden)
    assert "the sandbox needs uvicorn: pip install 'sinchvoice[sandbox]'" in shown
    assert "During handling" not in shown
    assert "1 error" in shown


def test_loading_the_plugin_imports_nothing_but_pytest():
    shown = subprocess.run(
        [
            sys.executable,
            "-c",
            (
                "import sys, pytest; before = set(sys.modules); import pytest_sinchvoice; "
                "print(*sorted(set(sys.modules) - before))"
            ),
        ],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert shown.split() == ["pytest_sinchvoice"]


@pytest.mark.parametrize("name", ["sinch_sandbox", "voice_client", "async_voice_client"])
def test_the_fixtures_work_in_this_run(name: str, request: pytest.FixtureRequest):
    assert request.getfixturevalue(name) is not None


CALLED_BACK = """
import pytest


@pytest.fixture
def sinch_callback_url():
    return "http://127.0.0.1:1/sinch"


def test_a_url_is_called(sinch_sandbox):
    sinch_sandbox.incoming_call(from_="alice", to="+12125550123")
    assert {sent.url for sent in sinch_sandbox.callbacks} == {"http://127.0.0.1:1/sinch"}


class TestAnother:
    @pytest.fixture
    def sinch_callback_url(self):
        return None

    def test_none_is_called(self, sinch_sandbox, sinch_environ):
        assert sinch_sandbox.callback_url is None
        assert sinch_environ == sinch_sandbox.environ
"""


def test_some_tests_may_have_a_callback_url(tmp_path: Path):
    assert "2 passed" in run(tmp_path, CALLED_BACK)
