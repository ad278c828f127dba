"""The client beyond its methods: raw requests, hooks, headers, logs."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import subprocess
import sys
from decimal import Decimal
from typing import Any

import httpx
import pytest
from sinchvoice import (
    ApiConnectionError,
    AsyncVoiceClient,
    ConfigurationError,
    InvalidRequest,
    NotFoundError,
    Response,
    ResponseInfo,
    UnexpectedResponse,
    VoiceClient,
    raw,
)
from sinchvoice.sandbox import Sandbox

KEY, SECRET = "5F5C418A0F914BBC8234A9BF5EDDAD97", "JViE5vDor0Sw3WllZka15Q=="
ID = "4398599d1ba84ef3bde0a82dfb61abed"


class Server:
    """Gives the same answer to every request, and keeps the requests."""

    def __init__(self, *answers: httpx.Response | Exception) -> None:
        self.answers = list(answers)
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self.answers[min(len(self.requests), len(self.answers)) - 1]
        if isinstance(answer, Exception):
            raise answer
        return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)


def client(*answers: httpx.Response | Exception, **options: Any) -> tuple[VoiceClient, Server]:
    server = Server(*answers)
    voice = VoiceClient(KEY, SECRET, transport=httpx.MockTransport(server), **options)
    return voice, server


OK = httpx.Response(200, json={"callId": ID})


# --- raw requests --------------------------------------------------------------------------------


def test_a_raw_request_is_signed_and_accepted_by_a_server_that_checks(box: Sandbox):
    with VoiceClient.from_env(box.environ) as voice:
        response = voice.request("get", "/counters/currentcalls", api="reporting")
        assert response.status_code == 200
        assert response.json()["value"] == voice.reports.counter("currentcalls").value
        with pytest.raises(NotFoundError):
            voice.request("GET", "/calling/v1/calls/id/unknown")


def test_a_raw_request_can_be_awaited(box: Sandbox):
    async def main() -> Response:
        async with AsyncVoiceClient.from_env(box.environ) as voice:
            return await voice.request("GET", "/services/rtpproxy", api="reporting")

    assert asyncio.run(main()).json() == {"status": "up"}


def test_a_raw_request_sends_json_parameters_and_headers():
    voice, server = client(OK)
    voice.request(
        "POST",
        "/calling/v1/callouts",
        json={"method": "ttsCallout", "text": "Grüß Gott"},
        params={"dry": True, "n": 5, "q": "a b"},
        headers={"X-Request-Id": "7"},
    )
    (request,) = server.requests
    assert request.url.raw_path == b"/calling/v1/callouts?dry=true&n=5&q=a+b"
    assert json.loads(request.content) == {"method": "ttsCallout", "text": "Grüß Gott"}
    assert request.headers["Content-Type"] == "application/json"
    assert request.headers["X-Request-Id"] == "7"


def test_a_raw_response_has_status_headers_attempts_and_exact_decimals():
    answer = httpx.Response(201, content=b'{"amount": 0.10, "n": [1]}', headers={"X-Trace": "a"})
    voice, _ = client(httpx.Response(503), answer)
    response = voice.with_options(retries=1).request("GET", "/x")
    assert (response.status_code, response.attempts) == (201, 2)
    assert response.headers["x-trace"] == "a"
    assert response.elapsed > 0
    assert response.json() == {"amount": Decimal("0.10"), "n": [1]}
    assert str(response.json()["amount"]) == "0.10"


def test_a_raw_response_without_content_has_none():
    voice, _ = client(httpx.Response(204))
    response = voice.request("DELETE", "/x")
    assert (response.status_code, response.content) == (204, b"")
    with pytest.raises(ValueError, match="Expecting value"):
        response.json()


@pytest.mark.parametrize(
    ("method", "replayable", "requests"),
    [
        ("GET", None, 3),
        ("POST", None, 1),
        ("DELETE", None, 1),
        ("POST", True, 3),
        ("GET", False, 1),
    ],
)
def test_only_replayable_requests_are_repeated(method: str, replayable: bool | None, requests: int):
    voice, server = client(httpx.ReadError("broken"), retries=2)
    with pytest.raises(ApiConnectionError):
        voice.request(method, "/x", replayable=replayable)
    assert len(server.requests) == requests


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("GET", "calls"), "path is 'calls': give a path below the base URL"),
        (("GET", "https://example.com/x"), "path is 'https://example.com/x'"),
        (("GET", "//example.com/x"), "path is '//example.com/x'"),
        (("GET", "/a/../b"), "would lead to another URL"),
        (("GET", "/a/%2e%2E/b"), "would lead to another URL"),
        (("GET", "/a?b=c"), "give the query as params, and no fragment"),
        (("GET", "/a#b"), "and no fragment"),
        (("GET", "/\ud800"), "not valid Unicode"),
        (("GE T", "/a"), "method is 'GE T'"),
        (("", "/a"), "method is ''"),
    ],
)
def test_an_invalid_raw_request_is_refused(arguments: Any, problem: str):
    voice, server = client(OK)
    with pytest.raises(InvalidRequest, match=problem):
        voice.request(*arguments)
    assert server.requests == []


@pytest.mark.parametrize(
    ("options", "kind", "problem"),
    [
        ({"api": "verification"}, InvalidRequest, "api is 'verification': give 'calling' or"),
        ({"json": {1, 2}}, InvalidRequest, "json cannot be written as JSON"),
        ({"json": float("nan")}, InvalidRequest, "json cannot be written as JSON"),
        ({"params": {"a": 1.5}}, InvalidRequest, "params has 1.5 as 'a'"),
        ({"headers": {"Authorization": "x"}}, ConfigurationError, "the client sets itself"),
    ],
)
def test_an_invalid_option_is_refused(options: dict[str, Any], kind: type[Exception], problem: str):
    voice, server = client(OK)
    with pytest.raises(kind, match=problem):
        voice.request("POST", "/x", **options)
    assert server.requests == []


# --- hooks ---------------------------------------------------------------------------------------


def test_a_hook_receives_how_a_call_went():
    told: list[ResponseInfo] = []
    voice, _ = client(
        httpx.Response(503),
        httpx.Response(200, json={"callId": ID}, headers={"X-Id": "a"}),
        on_response=told.append,
    )
    voice.calls.get(ID)
    (info,) = told
    assert (info.operation, info.method, info.host) == ("calls.get", "GET", "calling.api.sinch.com")
    assert (info.status_code, info.attempts, info.error) == (200, 2, None)
    assert info.headers["x-id"] == "a"
    assert info.elapsed > 0
    assert ID not in repr(info)


def test_a_hook_receives_failures():
    told: list[ResponseInfo] = []
    voice, _ = client(httpx.ConnectError("no"), on_response=told.append, retries=1)
    with pytest.raises(ApiConnectionError) as caught:
        voice.calls.hangup(ID)
    (info,) = told
    assert (info.operation, info.status_code, info.attempts) == ("calls.hangup", None, 2)
    assert info.error is caught.value


def test_a_hook_that_fails_changes_nothing_and_is_logged(caplog: pytest.LogCaptureFixture):
    def broken(info: ResponseInfo) -> None:
        raise RuntimeError("metrics are down")

    voice, _ = client(OK, on_response=broken)
    assert voice.calls.get(ID).call_id == ID
    assert "on_response failed after calls.get" in caplog.text
    assert "metrics are down" in caplog.text


def test_a_hook_can_be_set_for_some_calls():
    told: list[ResponseInfo] = []
    voice, _ = client(OK)
    voice.with_options(on_response=told.append).calls.get(ID)
    voice.calls.get(ID)
    assert len(told) == 1


def test_a_hook_must_be_a_function():
    with pytest.raises(ConfigurationError, match="on_response is 5: give a function"):
        client(OK, on_response=5)


# --- headers -------------------------------------------------------------------------------------


def test_headers_are_sent_with_every_request_and_added_for_some():
    voice, server = client(OK, headers={"X-A": "1", "X-B": "2"}, user_agent_suffix="myapp/1.0")
    voice.with_options(headers={"X-B": "3"}).calls.get(ID)
    voice.calls.get(ID)
    assert [request.headers["X-B"] for request in server.requests] == ["3", "2"]
    assert [request.headers["X-A"] for request in server.requests] == ["1", "1"]
    assert server.requests[0].headers["User-Agent"].endswith(" myapp/1.0")


@pytest.mark.parametrize(
    ("headers", "problem"),
    [
        ({"Host": "x"}, "headers has Host, which the client sets itself"),
        ({"x-TIMESTAMP": "x"}, "the client sets itself"),
        ({"a b": "x"}, "the name 'a b'"),
        ({"": "x"}, "the name ''"),
        ({"X": "a\r\nY: b"}, "the value of X in headers is not printable"),
        ({"X": "é"}, "the value of X"),
        ({"X": 5}, "the value of X"),
        ("X: 1", "headers is of type str"),
    ],
)
def test_an_invalid_header_is_refused(headers: Any, problem: str):
    with pytest.raises(ConfigurationError, match=problem):
        client(OK, headers=headers)
    voice, _ = client(OK)
    with pytest.raises(ConfigurationError, match=problem):
        voice.with_options(headers=headers)


def test_the_value_of_a_refused_header_is_not_shown():
    with pytest.raises(ConfigurationError) as caught:
        client(OK, headers={"X-Token": "hidden\n"})
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize("suffix", ["a\nb", "é", 5, " a"])
def test_an_invalid_suffix_is_refused(suffix: Any):
    with pytest.raises(ConfigurationError, match="user_agent_suffix is .*: give printable ASCII"):
        client(OK, user_agent_suffix=suffix)


# --- answers about another call ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "received"),
    [
        (ID, "0" * 32),
        (ID, "00000000-0000-0000-0000-000000000000"),
        ("4398599D-1BA8-4EF3-BDE0-A82DFB61ABED", "5" * 32),
    ],
)
def test_an_answer_about_another_call_is_not_accepted(asked: str, received: str):
    voice, _ = client(httpx.Response(200, json={"callId": received}))
    with pytest.raises(UnexpectedResponse, match=f"it describes the call {received}"):
        voice.calls.get(asked)


@pytest.mark.parametrize(
    ("asked", "received"),
    [
        (ID, "4398599D-1BA8-4EF3-BDE0-A82DFB61ABED"),
        (ID, "822aa4b7-05b4-4d83-87c7-1f835ee0b6f6_257"),
        ("my call", ID),
        ("1ce0ffee-ca11-ca11-ca11-abcdef000003", "1CE0FFEECA11CA11CA11ABCDEF000003"),
    ],
)
def test_other_spellings_and_other_ids_are_accepted(asked: str, received: str):
    voice, _ = client(httpx.Response(200, json={"callId": received}))
    assert voice.calls.get(asked).call_id == received


# --- logs ----------------------------------------------------------------------------------------


def test_log_records_have_fields(caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.DEBUG, "sinchvoice")
    voice, _ = client(httpx.Response(503), OK, retries=raw_policy())
    voice.calls.get(ID)
    again, done = caplog.records
    assert (again.operation, again.status, again.attempts) == ("calls.get", 503, 1)  # type: ignore[attr-defined]
    assert (done.operation, done.status, done.attempts) == ("calls.get", 200, 2)  # type: ignore[attr-defined]
    assert done.milliseconds >= 0  # type: ignore[attr-defined]


def raw_policy() -> Any:
    from sinchvoice import RetryPolicy

    return RetryPolicy(retries=1, first_delay=0)


SCRIPT = f"""
import httpx
from sinchvoice import VoiceClient

transport = httpx.MockTransport(lambda request: httpx.Response(200, json={{"callId": "{ID}"}}))
for _ in range(2):
    VoiceClient("{KEY}", "{SECRET}", transport=transport).calls.get("{ID}")
"""


@pytest.mark.parametrize(("level", "lines"), [("info", 2), ("INFO", 2), ("debug", 2), ("", 0)])
def test_a_variable_shows_the_log_without_urls(level: str, lines: int):
    run = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env={"SINCHVOICE_LOG": level},
        capture_output=True,
        text=True,
        check=True,
    )
    assert len(run.stderr.splitlines()) == lines
    assert run.stderr.count("INFO sinchvoice: calls.get: HTTP 200 after 1 request in ") == lines
    assert ID not in run.stderr


def test_another_value_of_the_variable_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SINCHVOICE_LOG", "yes")
    with pytest.raises(ConfigurationError, match="SINCHVOICE_LOG is 'yes': set 'info' or 'debug'"):
        client(OK)


# --- user transports -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "transport", [httpx.Client(), httpx.AsyncHTTPTransport(), httpx.HTTPTransport, 5, "http"]
)
def test_a_transport_of_the_wrong_kind_is_refused_when_the_client_is_made(transport: Any):
    with pytest.raises(ConfigurationError, match=r"give an httpx.BaseTransport, such as"):
        VoiceClient(KEY, SECRET, transport=transport)


def test_an_asynchronous_client_needs_an_asynchronous_transport():
    with pytest.raises(ConfigurationError, match=r"such as httpx.AsyncHTTPTransport\(\)"):
        AsyncVoiceClient(KEY, SECRET, transport=httpx.HTTPTransport())


@pytest.mark.parametrize("bug", [RuntimeError("mine"), ZeroDivisionError(), KeyError("x")])
def test_an_exception_of_a_transport_is_raised_unchanged(bug: Exception):
    voice, _ = client(bug)
    with pytest.raises(type(bug)) as caught:
        voice.calls.get(ID)
    assert caught.value is bug


def test_a_client_that_failed_to_be_made_has_a_repr():
    seen = io.StringIO()
    with pytest.raises(ConfigurationError) as caught:
        VoiceClient(KEY, SECRET, timeout=-1)
    traceback = caught.tb
    while traceback is not None:
        for value in traceback.tb_frame.f_locals.values():
            seen.write(f"{value!r}\n")
        traceback = traceback.tb_next
    assert "<VoiceClient (construction failed)>" in seen.getvalue()


def test_parameters_of_a_raw_request_are_documented_types():
    assert raw.Parameter == (str | int | bool)
