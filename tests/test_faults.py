"""sandbox/faults.py and wire.py: injected faults, over a real socket."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from email.utils import parsedate_to_datetime
from random import Random
from typing import Any

import httpx
import pytest
from sinchvoice import (
    ApiConnectionError,
    ApiError,
    ApiTimeoutError,
    AsyncVoiceClient,
    InvalidRequest,
    MxpEndpoint,
    PstnEndpoint,
    RateLimitError,
    RetryPolicy,
    ServerError,
    UnexpectedResponse,
    VoiceClient,
)
from sinchvoice.sandbox import Sandbox, running
from sinchvoice.sandbox.faults import (
    Canonical,
    ClockSkew,
    ContentType,
    Fault,
    Injection,
    Latency,
    Redirect,
    Reply,
    Reset,
    Truncate,
    bad_gateway,
    too_many_requests,
    unavailable,
)

PHONE = PstnEndpoint("+12125550123")


@pytest.fixture(scope="module")
def shared() -> Any:
    with running(populated=False) as sandbox:
        yield sandbox


@pytest.fixture
def faulty(shared: Sandbox) -> Sandbox:
    """Return a sandbox whose faults no other test sees."""
    shared.reset()
    return shared


@pytest.fixture
def voice(faulty: Sandbox) -> Any:
    with VoiceClient.from_env(faulty.environ) as client:
        yield client


@pytest.fixture
def hasty(voice: VoiceClient) -> VoiceClient:
    """Return a client without retries."""
    return voice.with_options(retries=0)


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


# --- faults --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "error", "acted", "may_have"),
    [
        (Reset(), ApiConnectionError, False, True),
        (Reset(after=True), ApiConnectionError, True, True),
        (bad_gateway(), ServerError, False, True),
        (bad_gateway(after=True), ServerError, True, True),
        (unavailable(), ServerError, False, True),
        (too_many_requests(), RateLimitError, False, False),
    ],
    ids=repr,
)
def test_a_hangup_that_fails_says_whether_the_server_may_have_acted(
    faulty: Sandbox,
    hasty: VoiceClient,
    fault: Fault,
    error: type[ApiError],
    acted: bool,
    may_have: bool,
):
    call = faulty.add_call(to=PHONE)
    injection = faulty.inject(fault, on="PATCH")
    with pytest.raises(error) as caught:
        hasty.calls.hangup(call.call_id)
    assert (caught.value.may_have_executed, bool(call.actions)) == (may_have, acted)
    assert (injection.hits, faulty.requests[-1].acted) == (1, acted)
    assert faulty.requests[-1].faults == (fault,)


def test_a_get_survives_transient_faults(faulty: Sandbox, voice: VoiceClient):
    faulty.inject([Reset(), unavailable(0), None, bad_gateway()], on="GET")
    assert voice.reports.counter("currentcalls").value == 0
    assert voice.reports.service_status("rtpproxy").is_up
    assert [request.status for request in faulty.requests] == [None, 503, 200, 502, 200]


def test_latency_delays_or_times_out_before_or_after_acting(faulty: Sandbox, hasty: VoiceClient):
    one, two = faulty.add_call(to=PHONE), faulty.add_call(to=PHONE)
    with faulty.inject(Latency(0.15)):
        begun = time.monotonic()
        hasty.calls.get(one.call_id)
        assert time.monotonic() - begun >= 0.15
    with faulty.inject(Latency(0.5, after=True)), pytest.raises(ApiTimeoutError) as caught:
        hasty.with_options(timeout=0.1).calls.hangup(two.call_id)
    assert caught.value.may_have_executed
    assert two.ended is not None


def test_other_requests_are_served_while_one_waits(faulty: Sandbox):
    faulty.inject(Latency(0.4), on="/v1/services/*")

    async def main() -> tuple[float, float]:
        async with AsyncVoiceClient.from_env(faulty.environ) as voice:
            begun = time.monotonic()
            slow = [
                asyncio.create_task(voice.reports.service_status("rtpproxy")) for _ in range(20)
            ]
            await voice.reports.counter("currentcalls")
            quick = time.monotonic() - begun
            await asyncio.gather(*slow)
            return quick, time.monotonic() - begun

    quick, slow = asyncio.run(main())
    assert quick < 0.4 <= slow < 4


def test_a_delayed_request_is_done_although_no_client_waits_any_more(
    faulty: Sandbox, hasty: VoiceClient
):
    call = faulty.add_call(to=PHONE)
    faulty.inject(Latency(0.4), on="PATCH")
    with pytest.raises(ApiTimeoutError) as caught:
        hasty.with_options(timeout=0.1).calls.hangup(call.call_id)
    assert caught.value.may_have_executed
    assert call.ended is None
    wait_until(lambda: call.ended is not None)
    assert faulty.requests[-1].acted


def test_a_request_under_way_at_a_reset_does_not_reach_the_new_world(
    faulty: Sandbox, hasty: VoiceClient
):
    old = faulty.add_call(to=PHONE)
    faulty.inject(Latency(0.3), on="PATCH")
    with pytest.raises(ApiTimeoutError):
        hasty.with_options(timeout=0.1).calls.hangup(old.call_id)
    faulty.reset()
    new = faulty.add_call(to=PHONE)
    assert new.call_id == old.call_id
    wait_until(lambda: faulty.connections == 0)
    assert (old.ended, new.ended, faulty.requests) == (None, None, [])


def test_a_stopping_sandbox_keeps_no_client_waiting(caplog: pytest.LogCaptureFixture):
    with (
        ThreadPoolExecutor() as pool,
        running(faults=[Injection(Latency(30), on="/calling/*")]) as box,
        VoiceClient.from_env(box.environ, retries=0) as voice,
    ):
        waiting = pool.submit(voice.calls.get, next(iter(box.calls)))
        stalled = socket.create_connection(("127.0.0.1", int(box.calling_url.rpartition(":")[2])))
        stalled.sendall(b"PATCH /x HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n{")
        wait_until(lambda: len(box.requests) == 2)
        begun = time.monotonic()
    assert time.monotonic() - begun < 0.9
    assert isinstance(waiting.exception(), ApiConnectionError)
    stalled.close()
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


@pytest.mark.parametrize("fault", [Reset(), Reset(after=True), Truncate()], ids=repr)
def test_connections_of_clients_behind_a_proxy_are_cut_as_well(faulty: Sandbox, fault: Fault):
    faulty.inject(fault)
    with pytest.raises(httpx.TransportError):
        httpx.get(
            faulty.reporting_url + "/counters/x",
            headers={"X-Forwarded-For": "192.0.2.1"},
            timeout=3,
            trust_env=False,
        )


def test_half_an_answer_to_a_get_is_no_answer(faulty: Sandbox, hasty: VoiceClient):
    call = faulty.add_call(to=PHONE)
    faulty.inject(Truncate())
    with pytest.raises(ApiConnectionError):
        hasty.calls.get(call.call_id)
    assert faulty.requests[-1].acted


def test_an_answer_without_a_body_cannot_be_cut_and_half_of_another_is_a_success(
    faulty: Sandbox, hasty: VoiceClient
):
    call = faulty.add_call(to=PHONE)
    faulty.inject(Truncate())
    hasty.calls.play(call.call_id, "welcome")
    hasty.calls.hangup(call.call_id)
    assert len(call.heard) == len(call.actions) == 1


@pytest.mark.parametrize("as_date", [False, True])
def test_retry_after_comes_in_both_forms(faulty: Sandbox, hasty: VoiceClient, as_date: bool):
    faulty.inject(too_many_requests(40, as_date=as_date))
    with pytest.raises(RateLimitError) as caught:
        hasty.reports.counter("currentcalls")
    assert caught.value.error_code == 42900
    assert caught.value.retry_after == pytest.approx(40, abs=2)
    raw = httpx.get(faulty.reporting_url + "/counters/x", trust_env=False).headers["Retry-After"]
    if as_date:
        assert parsedate_to_datetime(raw).timestamp() == pytest.approx(time.time() + 40, abs=2)
    else:
        assert raw == "40"


def test_a_body_that_was_not_read_does_not_spoil_the_connection(faulty: Sandbox, voice: Any):
    call = faulty.add_call(to=PHONE)
    faulty.inject([too_many_requests(0)] * 3, on="PATCH")
    patient = voice.with_options(retries=RetryPolicy(retries=3))
    patient.calls.say(call.call_id, "x" * 500)
    assert len(call.heard) == 1
    assert [request.status for request in faulty.requests] == [429, 429, 429, 204]


def test_a_wrong_content_type_does_not_matter_if_the_content_is_right(
    faulty: Sandbox, hasty: VoiceClient
):
    faulty.inject(ContentType("text/plain"))
    assert hasty.reports.counter("currentcalls").value == 0
    answer = httpx.get(faulty.reporting_url + "/counters/x", trust_env=False)
    assert answer.headers["Content-Type"] == "text/plain"


def test_a_page_instead_of_json_is_an_unexpected_response(faulty: Sandbox, hasty: VoiceClient):
    faulty.inject(Reply(200, b"<html>Hello</html>"))
    with pytest.raises(UnexpectedResponse):
        hasty.reports.counter("currentcalls")


@pytest.mark.parametrize("skew", [-3600, 86400])
def test_a_client_corrects_its_clock_for_a_server_with_another_time(
    faulty: Sandbox, voice: VoiceClient, skew: int, caplog: pytest.LogCaptureFixture
):
    faulty.inject(ClockSkew(skew))
    assert voice.reports.service_status("rtpproxy").is_up
    assert voice.reports.service_status("rtpproxy").is_up
    assert [request.error_code for request in faulty.requests] == [40105, None, None]
    assert caplog.text.count("signing with the server's time") == 1


@pytest.mark.parametrize(
    "form", ["path", "path-and-query", "decoded-path", "decoded-path-and-query"]
)
def test_a_client_finds_the_form_that_a_server_signs(
    faulty: Sandbox, voice: VoiceClient, form: Any
):
    faulty.inject(Canonical(form))
    for name in ("a", "a ü/b", "a ü/b"):
        voice.reports.user_calls(MxpEndpoint(name), start=date(2026, 11, 1), stop=date(2026, 11, 2))
    codes = [request.error_code for request in faulty.requests]
    assert set(codes) <= {None, 40102}
    assert (codes.count(None), codes[-2:]) == (3, [None, None])


def test_a_client_follows_a_redirect_to_the_other_region(faulty: Sandbox, hasty: VoiceClient):
    call = faulty.add_call(to=PHONE)
    injection = faulty.inject(Redirect(), on="/calling/*")
    hasty.calls.hangup(call.call_id)
    assert call.ended is not None
    assert [request.status for request in faulty.requests] == [307, 204]
    assert injection.hits == 1
    assert faulty.regional_url != faulty.calling_url


# --- targets -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("on", "struck"),
    [
        ("*", {("GET", "/a/b"), ("PATCH", "/a/b"), ("GET", "/c")}),
        ("GET", {("GET", "/a/b"), ("GET", "/c")}),
        ("/a/*", {("GET", "/a/b"), ("PATCH", "/a/b")}),
        ("PATCH /a/*", {("PATCH", "/a/b")}),
        ("* /c", {("GET", "/c")}),
        ("GET /nowhere", set()),
        ("GET *", {("GET", "/a/b"), ("GET", "/c")}),
        ("get *", {("GET", "/a/b"), ("GET", "/c")}),
        ("patch", {("PATCH", "/a/b")}),
        ("Patch /a/*", {("PATCH", "/a/b")}),
        ("* *", {("GET", "/a/b"), ("PATCH", "/a/b"), ("GET", "/c")}),
        (" GET\t/c ", {("GET", "/c")}),
        ("*/b", {("GET", "/a/b"), ("PATCH", "/a/b")}),
        ("GET */b", {("GET", "/a/b")}),
        ("GET /?", {("GET", "/c")}),
        ("http://localhost:8000/c", {("GET", "/c")}),
        ("HTTP://LOCALHOST/c", {("GET", "/c")}),
        ("PATCH https://localhost:8000", {("PATCH", "/a/b")}),
        ("get localhost:8000/*", {("GET", "/a/b"), ("GET", "/c")}),
        ("localhost/a/*", {("GET", "/a/b"), ("PATCH", "/a/b")}),
        ("GET *.example.com/*", set()),
        ("GET http://localhost:9/*", set()),
    ],
)
def test_a_fault_strikes_only_its_route(on: str, struck: set[tuple[str, str]]):
    requests = [("GET", "/a/b"), ("PATCH", "/a/b"), ("GET", "/c")]
    injection = Injection(Reset(), on=on)
    assert {
        to for to in requests if injection.strike(*to, Random(1), host="Localhost:8000")
    } == struck
    assert injection.hits == len(struck)


def test_a_fault_strikes_only_requests_to_its_host(faulty: Sandbox, hasty: VoiceClient):
    faulty.inject(Reply(502), on=f"GET {faulty.regional_url}/*")
    assert hasty.reports.counter("currentcalls").value is not None
    faulty.inject(Reply(503), on=f"get {faulty.reporting_url}/*")
    with pytest.raises(ServerError, match="503"):
        hasty.reports.counter("currentcalls")


def test_an_ipv6_address_is_a_host_like_any_other():
    injection = Injection(Reset(), on="http://[::1]:8000/v1/*")
    struck = [
        injection.strike("GET", "/v1/x", Random(1), host=host) is not None
        for host in ("[::1]:8000", ":", "1", "[::2]:8000", "[::1]:80")
    ]
    assert struck == [True, False, False, False, False]


def test_randomness_is_seeded():
    def struck(seed: int) -> list[bool]:
        dice, injection = Random(seed), Injection(Reset(), probability=0.2)
        return [injection.strike("GET", "/", dice) is not None for _ in range(1000)]

    assert struck(1) == struck(1) != struck(2)
    assert 150 < sum(struck(1)) < 250


def test_a_fault_forestalled_by_a_reset_does_not_strike(faulty: Sandbox, hasty: VoiceClient):
    first = faulty.inject(unavailable(60))
    later = faulty.inject([Truncate()])
    with pytest.raises(ServerError):
        hasty.reports.counter("currentcalls")
    assert (first.hits, later.hits) == (1, 0)


def test_a_script_strikes_in_order_and_ends():
    script = [Reset(), None, Truncate()]
    injection = Injection(script)
    assert [injection.strike("GET", "/", Random(1)) for _ in range(4)] == [*script, None]
    assert injection.hits == 2


def test_a_fault_ends_with_its_block(faulty: Sandbox, hasty: VoiceClient):
    with faulty.inject(unavailable()) as injection, pytest.raises(ServerError):
        hasty.reports.counter("currentcalls")
    assert hasty.reports.counter("currentcalls").value == 0
    assert injection.hits == 1


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda: Injection("reset"), "'reset' is not a fault"),
        (lambda: Injection(None), "None is not a fault"),
        (lambda: Injection(Reset), "Reset'> is not a fault"),
        (lambda: Injection(Reset(), on="PATHC /calls"), "one of the methods"),
        (lambda: Injection(Reset(), probability="0.5"), "probability is '0.5'"),
        (lambda: ClockSkew(float("inf")), "seconds is inf"),
        (lambda: ClockSkew("x"), "seconds is 'x'"),
        (lambda: ContentType("→"), "use printable ASCII"),
        (lambda: ContentType("a\r\nb: c"), "use printable ASCII"),
        (lambda: Reply(99), "status is 99"),
        (lambda: Reply(204, b"x"), "status is 204"),
        (lambda: Reply(500, "x"), "body is str"),
        (lambda: too_many_requests(-5), "retry_after is -5"),
        (lambda: too_many_requests(10**15, as_date=True), "retry_after is 10"),
        (lambda: Injection([Reset]), "is not a fault"),
        (lambda: Injection(Reset(), on=""), "on is ''"),
        (lambda: Injection(Reset(), on="calls"), "on is 'calls': give one of the methods"),
        (lambda: Injection(Reset(), on="GET calls/*"), "on is .*: begin the path with a slash"),
        (
            lambda: Injection(Reset(), on="v1/calls"),
            "on is 'v1/calls': begin the path with a slash",
        ),
        (lambda: Injection(Reset(), on="GET POST"), "on is 'GET POST': begin the path"),
        (lambda: Injection(Reset(), on="GET /a /b"), "on is .*: give a method, a path or both"),
        (lambda: Injection(Reset(), on="/v1?domain=pstn"), "on is .*: remove the query"),
        (lambda: Injection(Reset(), on="/v1#x"), "on is .*: remove the query"),
        (lambda: Injection(Reset(), on="ftp://localhost/v1"), "on is .*: begin the path"),
        (lambda: Injection(Reset(), on=None), "on is None: give a method, a path or both"),
        (lambda: Injection(Reset(), on=["GET"]), r"on is \['GET'\]: give a method, a path or both"),
        (lambda: Latency(10**400), "seconds is a number of 401 digits: give seconds from 0"),
        (lambda: Injection(Reset(), probability=1.5), "probability is 1.5"),
        (lambda: Latency(-1), "seconds is -1"),
        (lambda: Latency(float("nan")), "seconds is nan"),
    ],
)
def test_an_invalid_fault_is_refused(make: Any, problem: str):
    with pytest.raises(InvalidRequest, match=problem):
        make()


# --- faults as text ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("latency=0.2 10% on GET", "Injection(Latency(seconds=0.2, after=False), on='GET', prob"),
        ("latency-after=1", "Latency(seconds=1.0, after=True), on='*', probability=1.0"),
        ("reset-after 2.5% on PATCH /calling/*", "on='PATCH /calling/*', probability=0.025"),
        ("reset", "Reset(after=False)"),
        ("truncate", "Truncate()"),
        ("bad-gateway", "Reply(status=502"),
        ("bad-gateway-after", "after=True"),
        ("too-many-requests=7", "retry_after=7, as_date=False"),
        ("too-many-requests-date", "retry_after=1, as_date=True"),
        ("unavailable", "Reply(status=503"),
        ("content-type", "ContentType(value='text/html')"),
        ("clock-skew=-3600", "ClockSkew(seconds=-3600.0)"),
        ("canonical=decoded-path", "CanonicalResource.DECODED_PATH"),
        ("redirect", "Redirect()"),
    ],
)
def test_a_fault_can_be_written_as_text(text: str, shown: str):
    assert shown in repr(Injection.parse(text))


def test_an_injection_is_described_as_it_was_given():
    text = " latency=0.2  10% on  GET /calling/* "
    assert Injection.parse(text).describe() == "latency=0.2 10% on GET /calling/*"
    assert Injection(Redirect(), on="GET").describe() == "Redirect() on GET"
    assert Injection([Redirect(), None], probability=0.5).describe() == (
        "[Redirect(), None] on *, 0.5 of them"
    )


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "cannot be read: write NAME"),
        ("reset 5", "cannot be read: write NAME"),
        ("rest", "unknown fault 'rest': give one of latency, .*reset"),
        ("latency", "latency needs a value"),
        ("latency=soon", "'soon' is not a number of seconds"),
        ("reset=1", "reset takes no value"),
        ("reset 200%", "probability is 2.0: give .* from 0% to 100%"),
        ("reset on calls", "on is 'calls'"),
        ("canonical=x", "'x' is not one of path, path-and-query"),
        ("latency=-1", "seconds is -1"),
    ],
)
def test_a_wrongly_written_fault_names_its_error(text: str, problem: str):
    with pytest.raises(InvalidRequest, match=problem):
        Injection.parse(text)
