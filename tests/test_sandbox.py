"""sandbox/: a server that checks who asks, acts on SVAML and adds up its own calls."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import httpx
import pytest
from sinchvoice import (
    ApiStatusError,
    AuthenticationError,
    BadRequestError,
    CallReason,
    CallResult,
    CallStatus,
    Credentials,
    InvalidRequest,
    MxpEndpoint,
    NotFoundError,
    PstnEndpoint,
    SipEndpoint,
    VoiceClient,
    signing,
    svaml,
)
from sinchvoice.sandbox import Sandbox, running

PHONE = PstnEndpoint("+12125550123")
NOW = datetime(2026, 11, 20, 12, 1, tzinfo=UTC)


@pytest.fixture
def voice(box: Sandbox) -> Any:
    with VoiceClient.from_env(box.environ) as client:
        yield client


def request(
    box: Sandbox,
    method: str = "GET",
    path: str = "/v1/counters/currentcalls",
    *,
    content: bytes = b"",
    key: str | None = None,
    secret: str | None = None,
    timestamp: str | None = None,
    resource: str | None = None,
    **headers: str | None,
) -> tuple[int, Any]:
    """A request by hand, with one thing about it changed."""
    credentials = Credentials(key or box.application_key, secret or box.application_secret)
    signed: dict[str, str | None] = {
        **signing.signed_headers(
            credentials,
            method=method,
            resource=resource or path,
            timestamp=timestamp or signing.format_timestamp(time.time()),
            content_type="application/json" if content else "",
            body=content,
        ),
        **({"Content-Type": "application/json"} if content else {}),
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    sent = {name: value for name, value in signed.items() if value is not None}
    response = httpx.request(
        method, box.calling_url + path, content=content, headers=sent, trust_env=False
    )
    body = response.json() if response.content else None
    return (body["errorCode"] if response.is_error else response.status_code), body


# --- who asks -----------------------------------------------------------------------------------


def test_a_request_signed_by_hand_is_let_in(box: Sandbox):
    assert request(box)[0] == 200


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"Authorization": None}, 40100),
        ({"Authorization": "Bearer x"}, 40107),
        ({"Authorization": "Application key-without-signature"}, 40107),
        ({"x_timestamp": None}, 40101),
        ({"x_timestamp": "yesterday"}, 40101),
        ({"timestamp": "2014-06-04T13:41:58Z"}, 40105),
        ({"key": "669E367E-6BBA-48AB-AF15-266871C28135"}, 40107),
        ({"secret": "BeIukql3pTKJ8RGL5zo0DA=="}, 40102),
        ({"resource": "/v1/counters/another"}, 40102),
        ({"resource": "v1/counters/currentcalls"}, 40102),
        ({"Authorization": "Basic eDp5"}, 40108),
        ({"Authorization": "Basic"}, 40107),
        ({"Authorization": "basic !!!"}, 40108),
    ],
    ids=lambda value: str(value),
)
def test_everybody_else_is_told_why_not(box: Sandbox, changes: dict[str, Any], code: int):
    answer, body = request(box, **changes)
    assert answer == code
    assert set(body) == {"errorCode", "message", "reference"}


def test_basic_is_let_in(box: Sandbox):
    with VoiceClient(
        box.application_key, box.application_secret, auth="basic", calling_url=box.calling_url
    ) as voice:
        assert voice.calls.get(next(iter(box.calls))).status in list(CallStatus)


def test_the_wrong_secret_is_one_clear_error(box: Sandbox):
    with (
        VoiceClient(
            box.application_key, "BeIukql3pTKJ8RGL5zo0DA==", calling_url=box.calling_url
        ) as voice,
        pytest.raises(AuthenticationError, match="compare the secret with the dashboard") as caught,
    ):
        voice.calls.get("x")
    assert caught.value.error_code == 40102


def test_a_body_that_is_too_long_is_refused(box: Sandbox):
    code, _ = request(box, "PATCH", "/calling/v1/calls/id/x", content=b" " * 70_000)
    assert code == 40003


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/v1",
        "/v1/users/number/+12125550123/calls",
        "/calling/v1/calls/id/",
        "/v1/counters/a/b",
    ],
)
def test_there_is_nothing_elsewhere(box: Sandbox, path: str):
    assert request(box, path=path)[0] == 40400


def test_another_method_is_not_found(box: Sandbox):
    assert request(box, "POST", "/v1/counters/currentcalls")[0] == 40400


# --- calls --------------------------------------------------------------------------------------


@pytest.mark.parametrize("call_id", ["a/b", "a b", "ü", "a+b", "100%25"])
def test_an_id_of_any_characters_is_found(box: Sandbox, voice: VoiceClient, call_id: str):
    box.add_call(to=PHONE, call_id=call_id)
    assert voice.calls.get(call_id).call_id == call_id


def test_a_call_is_shown_as_the_vendor_shows_it(box: Sandbox):
    call = box.add_call(from_=MxpEndpoint("u"), to=PHONE, started=datetime(2024, 1, 8, tzinfo=UTC))
    _, body = request(box, path=f"/calling/v1/calls/id/{call.call_id}")
    assert body["from"] == {"type": "Username", "endpoint": "u"}
    assert body["to"] == {"type": "Number", "endpoint": "+12125550123"}
    assert body["timestamp"] == "2024-01-08T00:00:00"


def test_a_caller_can_be_left_out(box: Sandbox):
    call = box.add_call(to=SipEndpoint("a@b"))
    _, body = request(box, path=f"/calling/v1/calls/id/{call.call_id}")
    assert "from" not in body
    assert body["to"] == {"type": "sip", "endpoint": "a@b"}


def test_one_ongoing_call_of_each_kind_is_there_from_the_start():
    with running() as fresh, VoiceClient.from_env(fresh.environ) as voice:
        kinds = {
            type(voice.calls.get(call_id).to)
            for call_id, call in fresh.calls.items()
            if call.ended is None
        }
    assert kinds == {MxpEndpoint, PstnEndpoint, SipEndpoint}


def test_what_is_played_and_said_is_kept_for_each_leg_in_order(box: Sandbox, voice: VoiceClient):
    call = box.add_call(to=PHONE)
    voice.calls.say(call.call_id, "one")
    voice.calls.play(call.call_id, "two", leg="callee")
    voice.calls.update(call.call_id, svaml.Svaml([svaml.SendDtmf("3"), svaml.Say("four")]))
    voice.calls.say(call.call_id, "five", leg="both")
    assert [(heard.leg, heard.what) for heard in call.heard] == [
        ("caller", svaml.Say("one")),
        ("callee", svaml.PlayFiles(["two"])),
        ("caller", svaml.Say("four")),
        ("both", svaml.Say("five")),
    ]
    assert svaml.SendDtmf("3") in call.instructions


def test_a_hangup_ends_the_call(box: Sandbox, voice: VoiceClient):
    call = box.add_call(to=PHONE, started=datetime.now(UTC) - timedelta(seconds=90))
    voice.calls.hangup(call.call_id)
    seen = voice.calls.get(call.call_id)
    assert (seen.status, seen.result, seen.reason) == (
        CallStatus.FINAL,
        CallResult.ANSWERED,
        CallReason.MANAGER_HANGUP,
    )
    assert seen.duration in (90, 91)
    assert call.actions == [svaml.Hangup()]
    with pytest.raises(NotFoundError, match="it is over"):
        voice.calls.say(call.call_id, "too late")


def test_a_call_between_app_users_cannot_be_managed(box: Sandbox, voice: VoiceClient):
    call = box.add_call(from_=MxpEndpoint("a"), to=MxpEndpoint("b"))
    with pytest.raises(BadRequestError, match="PSTN or SIP") as caught:
        voice.calls.hangup(call.call_id)
    assert caught.value.error_code == 40003
    assert call.ended is None


def test_an_unknown_call_is_40400(voice: VoiceClient):
    with pytest.raises(NotFoundError) as caught:
        voice.calls.get("unknown")
    assert (caught.value.error_code, caught.value.message) == (40400, "Call not found")
    assert caught.value.reference is not None


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"{}", "neither an instruction nor an action"),
        (b"", 'null is not of type "object"'),
        (b"[]", '[] is not of type "object"'),
        (b"{", "Expecting"),
        (b"[" * 60_000, "Invalid request"),
        (b'{"action":{"name":"explode"}}', "no action is named 'explode'"),
        (b'{"action":{"name":"Hangup"}}', "no action is named 'Hangup'"),
        (b'{"action":{}}', "no action is named None"),
        (b'{"action":"hangup"}', "no action is named None"),
        (b'{"action":{"name":"hangup","x":1}}', "hangup: Additional properties are not allowed"),
        (b'{"instructions":[{"name":"hangup"}]}', "no instruction is named 'hangup'"),
        (b'{"instructions":[{"name":"reportCallStatus"}]}', "no instruction is named"),
        (b'{"instructions":[]}', "neither an instruction nor an action"),
        (
            b'{"instructions":[],"action":{"name":"hangup"}}',
            "instructions: [] has less than 1 item",
        ),
        (b'{"instructions":{"name":"say"}}', 'is not of type "array"'),
        (b'{"action":{"name":"connectPstn","maxDuration":14401}}', "maxDuration: 14401 is greater"),
        (b'{"x":1,"action":{"name":"hangup"}}', "('x' was unexpected)"),
    ],
)
def test_svaml_that_is_wrong_is_40003_with_the_reason(box: Sandbox, body: bytes, reason: str):
    call = box.add_call(to=PHONE)
    code, answer = request(box, "PATCH", f"/calling/v1/calls/id/{call.call_id}", content=body)
    assert code == 40003
    assert reason in answer["message"]
    assert call.instructions == []


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"{}", "nothing to play or say"),
        (b"[]", '[] is not of type "object"'),
        (b'{"action":{"name":"hangup"}}', "nothing to play or say"),
        (b'{"instructions":[]}', "nothing to play or say"),
        (b'{"instructions":{"name":"say"}}', 'is not of type "array"'),
        (
            b'{"instructions":[{"name":"say","text":"x"},{"name":"sendDtmf","value":"1"}]}',
            "sendDtmf is no instruction for one leg",
        ),
        (b'{"instructions":[{"name":"say","txet":"x"}]}', "say: Additional properties are not"),
        (b'{"instructions":[{"name":"shout"}]}', "no instruction is named 'shout'"),
        (
            b'{"instructions":[{"name":"say","text":"x"}],"action":{"name":"explode"}}',
            "no action is named 'explode'",
        ),
    ],
)
def test_a_leg_can_only_be_played_and_said_something(box: Sandbox, body: bytes, reason: str):
    call = box.add_call(to=PHONE)
    path = f"/calling/v1/calls/id/{call.call_id}/leg/callee"
    code, answer = request(box, "PATCH", path, content=body)
    assert code == 40003
    assert reason in answer["message"]
    assert call.heard == []


def test_an_action_may_follow_what_a_leg_hears(box: Sandbox):
    call = box.add_call(to=PHONE)
    path = f"/calling/v1/calls/id/{call.call_id}/leg/callee"
    body = b'{"instructions":[{"name":"say","text":"Goodbye"}],"action":{"name":"hangup"}}'
    assert request(box, "PATCH", path, content=body)[0] == 200
    assert [heard.leg for heard in call.heard] == ["callee"]
    assert call.ended is not None


def test_svaml_that_only_the_specification_allows_is_kept_as_it_came(box: Sandbox):
    call = box.add_call(to=PHONE)
    path = f"/calling/v1/calls/id/{call.call_id}"
    body = b'{"instructions":[{"name":"say"},{"name":"say","text":"Hello"}]}'
    assert request(box, "PATCH", path, content=body) == (204, None)
    assert call.instructions == [svaml.Raw({"name": "say"}), svaml.Say("Hello")]
    assert [heard.what for heard in call.heard] == [svaml.Say("Hello")]


def test_values_that_only_an_old_page_limits_are_accepted_without_a_warning(box: Sandbox):
    call = box.add_call(to=PHONE)
    path = f"/calling/v1/calls/id/{call.call_id}"
    body = b'{"action":{"name":"park","maxDuration":601}}'
    assert request(box, "PATCH", path, content=body) == (204, None)
    assert isinstance(call.actions[0], svaml.Park)


def test_a_leg_that_there_is_not_is_40003(box: Sandbox):
    call = box.add_call(to=PHONE)
    path = f"/calling/v1/calls/id/{call.call_id}/leg/all"
    assert request(box, "PATCH", path, content=b"{}")[0] == 40003


# --- reports ------------------------------------------------------------------------------------


@pytest.fixture
def quiet_box() -> Any:
    """A sandbox with no calls, in which it is noon."""
    with running(populated=False, clock=NOW.timestamp) as sandbox:
        yield sandbox


@pytest.fixture
def asker(quiet_box: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A client that lives at the same noon, by basic auth: no clocks need to agree."""
    with VoiceClient(
        quiet_box.application_key,
        quiet_box.application_secret,
        auth="basic",
        calling_url=quiet_box.calling_url,
        reporting_url=quiet_box.reporting_url,
    ) as client:
        yield client


def test_a_user_of_any_name_gets_a_report(quiet_box: Sandbox):
    # Schemathesis found that a name with a control character was refused.
    answer = httpx.get(
        quiet_box.reporting_url + "/users/username/a%C2%91b/calls/data",
        auth=(quiet_box.application_key, quiet_box.application_secret),
        trust_env=False,
    )
    assert answer.json() == {"success": 0, "duration": 0, "failed": 0}


def test_a_report_adds_up_the_calls_of_a_user(quiet_box: Sandbox, asker: VoiceClient):
    user, minute = MxpEndpoint("u"), timedelta(seconds=60)
    day = datetime(2026, 11, 3, 9, tzinfo=UTC)
    outcomes = [CallResult.ANSWERED, CallResult.BUSY, CallResult.ANSWERED, CallResult.FAILED]
    for number, result in enumerate(outcomes):
        started = day + timedelta(days=number)
        quiet_box.add_call(
            from_=user, to=PHONE, started=started, ended=started + minute, result=result
        )
    quiet_box.add_call(from_=PHONE, to=user, started=day, ended=day + minute)
    quiet_box.add_call(from_=user, to=PHONE, started=day)
    quiet_box.add_call(from_=MxpEndpoint("v"), to=PHONE, started=day, ended=day + minute)

    everything = asker.reports.user_calls(user, domain="pstn")
    assert (everything.success, everything.failed, everything.duration) == (2, 2, 120)
    assert everything.start == day
    data = asker.reports.user_calls(user)
    assert (data.success, data.failed, data.duration) == (1, 0, 60)
    some = asker.reports.user_calls(
        user, domain="pstn", start=date(2026, 11, 4), stop=date(2026, 11, 6)
    )
    assert (some.success, some.failed, some.duration) == (1, 1, 60)
    assert some.start == day + timedelta(days=1)
    none = asker.reports.user_calls(PstnEndpoint("+46730170101"))
    assert (none.success, none.failed, none.duration, none.start) == (0, 0, 0, None)


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/v1/users/email/x/calls/data", 40001),
        ("/v1/users/number/12125550123/calls/data", 40005),
        ("/v1/users/number/+/calls/data", 40001),
        ("/v1/users/username/x/calls/mxp", 40001),
    ],
)
def test_a_report_on_what_cannot_be_is_refused(box: Sandbox, path: str, code: int):
    assert request(box, path=path)[0] == code


@pytest.mark.parametrize(
    "query",
    ["_start=soon", "_start=2026-01-01&_start=2026-01-02", "_start=2026-01-02&_stop=2026-01-01",
     "_start=2026-01-01&_stop=2026-02-01"],
)  # fmt: skip
def test_a_window_that_cannot_be_is_40001(box: Sandbox, query: str):
    path = "/v1/users/username/x/calls/data"
    assert request(box, path=f"{path}?{query}", resource=path)[0] == 40001


def test_the_counter_counts_what_went_on_when_it_was_last_refreshed(
    quiet_box: Sandbox, asker: VoiceClient
):
    refreshed = NOW.replace(minute=0)
    quiet_box.add_call(to=PHONE, started=refreshed - timedelta(minutes=1))
    quiet_box.add_call(to=PHONE, started=refreshed - timedelta(minutes=9), ended=refreshed)
    quiet_box.add_call(to=PHONE, started=refreshed + timedelta(seconds=1))
    counter = asker.reports.counter("currentCalls")
    assert (counter.value, counter.modified) == (1, refreshed)


def test_an_unknown_counter_or_service_is_40400(voice: VoiceClient):
    for ask in (voice.reports.counter, voice.reports.service_status):
        with pytest.raises(NotFoundError):
            ask("unknown")


def test_a_service_can_be_set_down(quiet_box: Sandbox, asker: VoiceClient):
    quiet_box.services["rtpproxy"] = "down"
    assert asker.reports.service_status("rtpproxy").is_up is False


# --- time ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("skew", [-3600, 86400])
def test_a_client_finds_its_way_to_a_sandbox_in_another_time(
    skew: int, caplog: pytest.LogCaptureFixture
):
    with (
        running(clock=lambda: time.time() + skew) as box,
        VoiceClient.from_env(box.environ) as voice,
    ):
        assert voice.reports.service_status("rtpproxy").is_up
        assert voice.reports.service_status("rtpproxy").is_up
    assert caplog.text.count("signing with the server's time") == 1


# --- the sandbox itself -------------------------------------------------------------------------


def test_the_same_seed_makes_the_same_world():
    with running(seed=7) as one, running(seed=7) as two, running(seed=8) as three:
        assert list(one.calls) == list(two.calls) != list(three.calls)


def test_middleware_sees_every_request_and_may_answer_in_its_place():
    def down(app: Callable[..., Any]) -> Callable[..., Any]:
        async def answer(scope: Any, receive: Any, send: Any) -> None:
            if scope["path"].endswith("/counters/down"):
                await send({"type": "http.response.start", "status": 503, "headers": []})
                await send({"type": "http.response.body", "body": b""})
            else:
                await app(scope, receive, send)

        return answer

    with running(middleware=down) as box, VoiceClient.from_env(box.environ) as voice:
        assert voice.reports.counter("currentcalls").value == 3
        with pytest.raises(ApiStatusError) as caught:
            voice.with_options(retries=0).reports.counter("down")
    assert caught.value.status_code == 503


def test_a_sandbox_stops_at_the_end_of_its_block():
    with running() as box, VoiceClient.from_env(box.environ) as voice:
        voice.reports.counter("currentcalls")
    with (
        VoiceClient.from_env(box.environ) as voice,
        pytest.raises(Exception, match="the server did not act on it"),
    ):
        voice.with_options(retries=0).reports.counter("currentcalls")


def test_a_port_that_is_taken_is_an_os_error_and_not_a_hang(box: Sandbox):
    port = int(box.calling_url.rpartition(":")[2])
    with pytest.raises(OSError, match="in use"), running(port=port):
        pass


def test_a_sandbox_can_listen_on_ipv6_loopback():
    try:
        with running(host="::1") as box, VoiceClient.from_env(box.environ) as voice:
            assert box.calling_url.startswith("http://[::1]:")
            assert voice.reports.service_status("rtpproxy").is_up
    except OSError:
        pytest.skip("this machine has no IPv6 loopback")


def test_a_call_needs_endpoints_and_an_id_of_its_own(box: Sandbox):
    with pytest.raises(InvalidRequest, match="give an endpoint"):
        box.add_call(to="+12125550123")  # type: ignore[arg-type]
    with pytest.raises(InvalidRequest, match="give an endpoint"):
        box.add_call(to=PHONE, from_="+12125550123")  # type: ignore[arg-type]
    box.add_call(to=PHONE, call_id="taken")
    with pytest.raises(InvalidRequest, match="give another id"):
        box.add_call(to=PHONE, call_id="taken")


def test_a_call_needs_times_with_a_zone(box: Sandbox):
    with pytest.raises(InvalidRequest, match="time zone"):
        box.add_call(to=PHONE, started=datetime(2026, 1, 1))  # noqa: DTZ001
