"""flow.py: plausibility of answers and clocks, errors, transports, logs, hooks."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from email.utils import formatdate
from typing import Any
from unittest.mock import create_autospec

import httpx
import pytest
from raw_servers import KEY, SECRET, Ask, ask_awaiting, ask_blocking, serving, well_behaved
from sinchvoice import (
    ApiError,
    ApiTimeoutError,
    AsyncVoiceClient,
    AuthenticationError,
    ConfigurationError,
    UnexpectedResponse,
    VoiceClient,
)

ID = "4398599d1ba84ef3bde0a82dfb61abed"
UUID = "4398599D-1BA8-4EF3-BDE0-A82DFB61ABED"
OTHER = "00000000000000000000000000000001"
NOW = 1_400_000_000.0


@pytest.fixture(params=[ask_blocking, ask_awaiting], ids=["sync", "async"])
def ask(request: pytest.FixtureRequest) -> Ask:
    """Use a client, and return the result."""
    return request.param


# --- answers about another call ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "answered", "is_accepted"),
    [
        (ID, ID, True),
        (ID, ID.upper(), True),
        (ID, UUID, True),
        (UUID, ID, True),
        (ID, OTHER, False),
        (UUID, OTHER, False),
        (ID, "OTHER", True),
        ("a", "b", True),
        ("a", OTHER, True),
    ],
)
def test_an_answer_about_another_call_is_refused(
    scripted: Any, asked: str, answered: str, is_accepted: bool
):
    voice = scripted(httpx.Response(200, json={"callId": answered}))
    if is_accepted:
        assert voice.calls.get(asked).call_id == answered
    else:
        with pytest.raises(UnexpectedResponse, match=answered):
            voice.calls.get(asked)


# --- clocks --------------------------------------------------------------------------------------


@pytest.mark.parametrize("days", [-40, -1.1, 1.1, 365 * 85])
def test_a_clock_that_is_off_by_more_than_a_day_is_not_believed(scripted: Any, days: float):
    late = formatdate(NOW + days * 86_400, usegmt=True)
    refused = httpx.Response(401, json={"errorCode": 40105}, headers={"Date": late})
    voice = scripted(refused)
    with pytest.raises(AuthenticationError):
        voice.calls.get(ID)
    assert [each.headers["x-timestamp"][:10] for each in voice.requests] == ["2014-05-13"]


def test_clocks_that_agree_again_are_logged_without_a_warning(
    scripted: Any, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.INFO, "sinchvoice")

    def refused(skew: float) -> httpx.Response:
        headers = {"Date": formatdate(NOW + skew, usegmt=True)}
        return httpx.Response(401, json={"errorCode": 40105}, headers=headers)

    good = httpx.Response(200, json={"callId": ID})
    voice = scripted(refused(3600), good, refused(0), good, good)
    voice.calls.get(ID)
    voice.calls.get(ID)
    voice.calls.get(ID)
    about = [record for record in caplog.records if "clock" in record.getMessage()]
    assert [record.levelno for record in about] == [logging.WARNING, logging.INFO]
    assert "agrees with that of calling.api.sinch.com again" in about[1].getMessage()
    hours = [each.headers["x-timestamp"][11:13] for each in voice.requests]
    assert hours == ["16", "17", "17", "16", "16"]


# --- texts of errors -----------------------------------------------------------------------------


def test_an_error_says_that_the_deadline_left_no_time(scripted: Any):
    voice = scripted(httpx.Response(502), retries=5, deadline=0.2)
    with pytest.raises(ApiError, match=r"the deadline of 0\.2 s leaves no time for another"):
        voice.calls.get(ID)
    assert len(voice.requests) == 1


@pytest.mark.parametrize("status", [404, 502])
def test_an_error_of_a_get_does_not_mention_acting(scripted: Any, status: int):
    voice = scripted(httpx.Response(status), retries=0)
    with pytest.raises(ApiError) as caught:
        voice.calls.get(ID)
    assert "act" not in str(caught.value)
    with pytest.raises(ApiError, match="the server (may have acted|did not act) on it"):
        voice.calls.hangup(ID)


def test_a_deadline_that_passes_while_a_call_waits_is_named(scripted: Any):
    busy = httpx.Response(503, headers={"Retry-After": "1"})
    voice = scripted(busy, retries=9, deadline=2.5)
    with pytest.raises(ApiError, match="the deadline of 2.5 s"):
        voice.calls.get(ID)
    assert voice.clock.now <= NOW + 2.5


# --- user transports -----------------------------------------------------------------------------


class Broken(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """A transport with a bug."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        raise RuntimeError("a bug")

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        raise RuntimeError("a bug")


def test_an_exception_of_a_transport_is_raised_unchanged(ask: Ask):
    error = ask(lambda voice: voice.calls.get(ID), transport=Broken())
    assert (type(error), str(error)) == (RuntimeError, "a bug")


@pytest.mark.parametrize("client", [VoiceClient, AsyncVoiceClient])
@pytest.mark.parametrize("transport", ["x", 5, httpx.MockTransport, object()])
def test_a_wrong_transport_is_refused_when_the_client_is_made(client: Any, transport: Any):
    with pytest.raises(ConfigurationError, match="transport is of type"):
        client(KEY, SECRET, transport=transport)


@pytest.mark.parametrize("client", [VoiceClient, AsyncVoiceClient])
def test_an_httpx_client_is_not_a_transport(client: Any):
    with httpx.Client() as given, pytest.raises(ConfigurationError, match="such as httpx"):
        client(KEY, SECRET, transport=given)


# --- the log -------------------------------------------------------------------------------------

LOGGING = """
import logging, logging.config, sys
config = {
    "version": 1,
    "disable_existing_loggers": %s,
    "handlers": {"out": {"class": "logging.StreamHandler", "stream": "ext://sys.stdout"}},
    "root": {"handlers": ["out"], "level": "INFO"},
    "loggers": {"%s": {"level": "%s"}},
}
def configure():
    logging.config.dictConfig(config)
"""
CALL = """
with VoiceClient(*sys.argv[1:3], calling_url=sys.argv[3]) as voice:
    voice.calls.get("4398599d1ba84ef3bde0a82dfb61abed")
"""
IMPORT = "from sinchvoice import VoiceClient\n"


@pytest.mark.parametrize(
    ("is_configured_first", "disables"),
    [(True, False), (False, False), (False, True)],
    ids=["before", "after", "after, and others off"],
)
@pytest.mark.parametrize(
    ("name", "level", "shows_url"),
    [
        ("sinchvoice", "INFO", False),
        ("sinchvoice", "DEBUG", False),
        ("", "DEBUG", False),
        ("sinchvoice.requests", "INFO", True),
        ("sinchvoice.requests", "DEBUG", True),
        ("sinchvoice.requests", "WARNING", False),
    ],
)
def test_urls_are_logged_only_where_their_own_level_was_set(
    name: str, level: str, shows_url: bool, is_configured_first: bool, disables: bool
):
    configure = "configure()\n"
    order = configure + IMPORT if is_configured_first else IMPORT + configure
    script = LOGGING % (disables, name, level) + order + CALL
    with serving(well_behaved) as server:
        done = subprocess.run(
            [sys.executable, "-c", script, KEY, SECRET, server.url],
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
    assert (ID in done.stdout) == shows_url
    assert done.stderr == ""


def test_importing_sets_no_level():
    script = IMPORT + (
        "import logging, json\n"
        "VoiceClient\n"
        "names = [n for n in logging.root.manager.loggerDict if n.startswith('sinchvoice')]\n"
        "print(json.dumps({name: logging.getLogger(name).level for name in names}))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    found = json.loads(done.stdout)
    assert set(found.values()) <= {0}, found


# --- mocks and hooks -----------------------------------------------------------------------------


@pytest.mark.parametrize("client", [VoiceClient, AsyncVoiceClient])
def test_a_mock_of_the_class_has_its_parts(client: Any):
    mock = create_autospec(client)
    assert mock.calls is not None
    assert mock.reports is not None
    assert create_autospec(client, instance=True).calls is not None


def test_a_hook_that_fails_does_not_change_the_result(
    scripted: Any, caplog: pytest.LogCaptureFixture
):
    def hook(_: Any) -> None:
        raise ValueError("mine")

    voice = scripted(httpx.Response(200, json={"callId": ID}), on_response=hook)
    assert voice.calls.get(ID).call_id == ID
    assert "on_response failed after calls.get" in caplog.text


def test_a_hook_receives_a_failed_call(scripted: Any):
    told: list[Any] = []
    voice = scripted(httpx.ReadTimeout("slow"), retries=1, on_response=told.append)
    with pytest.raises(ApiTimeoutError) as caught:
        voice.calls.get(ID)
    (info,) = told
    assert (info.operation, info.attempts, info.status_code) == ("calls.get", 2, None)
    assert info.error is caught.value
