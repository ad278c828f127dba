"""sandbox/: a server that authenticates requests, carries out SVAML and reports on its calls."""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import httpx
import pytest
from sinchvoice import (
    ApiConnectionError,
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
    OtherEndpoint,
    PstnEndpoint,
    ServerError,
    SipEndpoint,
    VoiceClient,
    cdr,
    signing,
    svaml,
)
from sinchvoice.sandbox import (
    CallState,
    Sandbox,
    SandboxCall,
    SandboxRequest,
    faults,
    running,
)

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
    """Send a request made by hand, with changes."""
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


# --- Authentication ------------------------------------------------------------------------------


def test_a_request_signed_by_hand_is_accepted(box: Sandbox):
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
def test_other_requests_are_refused_with_the_reason(
    box: Sandbox, changes: dict[str, Any], code: int
):
    answer, body = request(box, **changes)
    assert answer == code
    assert set(body) == {"errorCode", "message", "reference"}


def test_basic_authentication_is_accepted(box: Sandbox):
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
        "/v1/users/number/+12125550123",
        "/calling/v1/calls/id/",
        "/v1/counters/a/b",
    ],
)
def test_other_paths_are_not_found(box: Sandbox, path: str):
    assert request(box, path=path)[0] == 40400


def test_another_method_is_not_allowed(box: Sandbox):
    assert request(box, "POST", "/v1/counters/currentcalls")[0] == 40500


# --- Calls ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("call_id", ["a/b", "a b", "ü", "a+b", "100%25"])
def test_an_id_of_any_characters_is_found(box: Sandbox, voice: VoiceClient, call_id: str):
    box.add_call(to=PHONE, call_id=call_id)
    assert voice.calls.get(call_id).call_id == call_id


def test_a_call_is_spelled_like_the_vendors_server(box: Sandbox):
    call = box.add_call(from_=MxpEndpoint("u"), to=PHONE, started=datetime(2024, 1, 8, tzinfo=UTC))
    _, body = request(box, path=f"/calling/v1/calls/id/{call.call_id}")
    assert body["from"] == {"type": "Username", "endpoint": "u"}
    assert body["to"] == {"type": "Number", "endpoint": "+12125550123"}
    assert body["timestamp"] == "2024-01-08T00:00:00"


def test_a_caller_can_be_omitted(box: Sandbox):
    call = box.add_call(to=SipEndpoint("a@b"))
    _, body = request(box, path=f"/calling/v1/calls/id/{call.call_id}")
    assert "from" not in body
    assert body["to"] == {"type": "sip", "endpoint": "a@b"}


def test_a_sandbox_begins_with_an_ongoing_call_of_each_kind():
    with running() as fresh, VoiceClient.from_env(fresh.environ) as voice:
        kinds = {
            type(voice.calls.get(call_id).to)
            for call_id, call in fresh.calls.items()
            if call.ended is None
        }
    assert kinds == {MxpEndpoint, PstnEndpoint, SipEndpoint}


def test_prompts_are_recorded_in_order_with_their_leg(box: Sandbox, voice: VoiceClient):
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
    with pytest.raises(NotFoundError, match="it has ended"):
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
        (b"{}", "there is no instruction and no action"),
        (b"", 'null is not of type "object"'),
        (b"[]", '[] is not of type "object"'),
        (b"{", "Expecting"),
        (b"[" * 60_000, "Invalid request"),
        (b'{"action":{"name":"explode"}}', "unknown action 'explode'"),
        (b'{"action":{"name":"Hangup"}}', "unknown action 'Hangup'"),
        (b'{"action":{}}', "unknown action None"),
        (b'{"action":"hangup"}', "unknown action None"),
        (b'{"action":{"name":"hangup","x":1}}', "hangup: Additional properties are not allowed"),
        (b'{"instructions":[{"name":"hangup"}]}', "unknown instruction 'hangup'"),
        (
            b'{"instructions":[{"name":"reportCallStatus"}]}',
            "reportCallStatus is not allowed in a request",
        ),
        (b'{"instructions":[]}', "there is no instruction and no action"),
        (
            b'{"instructions":[],"action":{"name":"hangup"}}',
            "instructions: [] has less than 1 item",
        ),
        (b'{"instructions":{"name":"say"}}', 'is not of type "array"'),
        (b'{"action":{"name":"connectPstn","maxDuration":14401}}', "maxDuration: 14401 is greater"),
        (b'{"x":1,"action":{"name":"hangup"}}', "('x' was unexpected)"),
        (b'{"action":{"name":"park"},"action":{"name":"hangup"}}', "action occurs twice"),
        (b'{"action":[{"name":"park"},{"name":"hangup"}]}', "unknown action None"),
        (b'{"action":{"name":"connectMxp"}}', "connectMxp is for parked calls"),
        (b'{"action":{"name":"runMenu"}}', "runMenu is for parked calls"),
    ],
)
def test_invalid_svaml_is_40003_with_the_reason(box: Sandbox, body: bytes, reason: str):
    call = box.add_call(to=PHONE)
    code, answer = request(box, "PATCH", f"/calling/v1/calls/id/{call.call_id}", content=body)
    assert code == 40003
    assert reason in answer["message"]
    assert call.instructions == []


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"{}", "there is no instruction to play or say something"),
        (b"[]", '[] is not of type "object"'),
        (b'{"action":{"name":"hangup"}}', "there is no instruction to play or say something"),
        (b'{"instructions":[]}', "there is no instruction to play or say something"),
        (b'{"instructions":{"name":"say"}}', 'is not of type "array"'),
        (
            b'{"instructions":[{"name":"say","text":"x"},{"name":"sendDtmf","value":"1"}]}',
            "sendDtmf is not allowed for one leg",
        ),
        (b'{"instructions":[{"name":"say","txet":"x"}]}', "say: Additional properties are not"),
        (b'{"instructions":[{"name":"shout"}]}', "unknown instruction 'shout'"),
        (
            b'{"instructions":[{"name":"say","text":"x"}],"action":{"name":"explode"}}',
            "unknown action 'explode'",
        ),
    ],
)
def test_a_leg_takes_only_play_files_and_say(box: Sandbox, body: bytes, reason: str):
    call = box.add_call(to=PHONE)
    path = f"/calling/v1/calls/id/{call.call_id}/leg/callee"
    code, answer = request(box, "PATCH", path, content=body)
    assert code == 40003
    assert reason in answer["message"]
    assert call.heard == []


def test_an_action_may_follow_the_prompts_of_a_leg(box: Sandbox):
    call = box.add_call(to=PHONE)
    path = f"/calling/v1/calls/id/{call.call_id}/leg/callee"
    body = b'{"instructions":[{"name":"say","text":"Goodbye"}],"action":{"name":"hangup"}}'
    assert request(box, "PATCH", path, content=body)[0] == 200
    assert [heard.leg for heard in call.heard] == ["callee"]
    assert call.ended is not None


def test_svaml_that_only_the_specification_allows_is_kept_unchanged(box: Sandbox):
    call = box.add_call(to=PHONE)
    path = f"/calling/v1/calls/id/{call.call_id}"
    body = b'{"instructions":[{"name":"say"},{"name":"say","text":"Hello"}]}'
    assert request(box, "PATCH", path, content=body) == (204, None)
    assert call.instructions == [svaml.Raw({"name": "say"}), svaml.Say("Hello")]
    assert [heard.what for heard in call.heard] == [svaml.Say("Hello")]


def test_values_limited_only_by_an_old_page_are_accepted_without_a_warning(box: Sandbox):
    call = box.add_call(to=PHONE)
    path = f"/calling/v1/calls/id/{call.call_id}"
    body = b'{"action":{"name":"park","maxDuration":601}}'
    assert request(box, "PATCH", path, content=body) == (204, None)
    assert isinstance(call.actions[0], svaml.Park)


def test_an_unknown_leg_is_40003(box: Sandbox):
    call = box.add_call(to=PHONE)
    path = f"/calling/v1/calls/id/{call.call_id}/leg/all"
    assert request(box, "PATCH", path, content=b"{}")[0] == 40003


# --- Life of a call ------------------------------------------------------------------------------


def seen(voice: VoiceClient, call: SandboxCall) -> tuple[str | None, ...]:
    """Return the state of a call in the API."""
    shown = voice.calls.get(call.call_id)
    return shown.status, shown.result, shown.reason


def test_a_call_rings_is_answered_and_ends(quiet_box: Sandbox, asker: VoiceClient):
    call = quiet_box.add_call(to=PHONE, ring=5, duration=60)
    assert call.state == CallState.RINGING
    assert seen(asker, call) == ("ONGOING", "N/A", "N/A")
    assert (call.answered, call.ended, call.duration) == (None, None, 0)

    quiet_box.clock.advance(timedelta(seconds=5))
    assert call.state == CallState.ANSWERED
    assert seen(asker, call) == ("ONGOING", "ANSWERED", "N/A")
    assert call.answered == NOW + timedelta(seconds=5)

    quiet_box.clock.advance(59)
    assert asker.calls.get(call.call_id).duration == 59
    quiet_box.clock.advance(3600)
    assert call.state == CallState.ENDED
    assert seen(asker, call) == ("FINAL", "ANSWERED", "CALLERHANGUP")
    assert call.ended == NOW + timedelta(seconds=65)
    price = asker.calls.get(call.call_id).debit
    assert price is not None
    assert (call.duration, price.amount) == (60, call.rate)


@pytest.mark.parametrize(
    ("result", "reason", "told"),
    [
        (CallResult.BUSY, None, ("FINAL", "BUSY", "N/A")),
        (CallResult.NO_ANSWER, None, ("FINAL", "NOANSWER", "TIMEOUT")),
        (CallResult.FAILED, CallReason.BLOCKED, ("FINAL", "FAILED", "BLOCKED")),
    ],
)
def test_an_unanswered_call_has_no_duration(
    quiet_box: Sandbox,
    asker: VoiceClient,
    result: CallResult,
    reason: CallReason | None,
    told: tuple[str, ...],
):
    call = quiet_box.add_call(to=PHONE, ring=20, result=result, reason=reason)
    assert seen(asker, call) == ("ONGOING", "N/A", "N/A")
    quiet_box.clock.advance(20)
    assert seen(asker, call) == told
    assert (call.answered, call.duration) == (None, 0)
    assert "state='ended'" in repr(call)


def test_a_ringing_call_can_be_hung_up_or_answered(quiet_box: Sandbox, asker: VoiceClient):
    one, two, three = (
        quiet_box.add_call(to=PHONE, ring=20),
        quiet_box.add_call(to=PHONE, ring=20, result=CallResult.NO_ANSWER),
        quiet_box.add_call(to=PHONE, ring=20, duration=5),
    )
    asker.calls.hangup(one.call_id)
    asker.calls.update(two.call_id, svaml.Svaml([svaml.Answer()]))
    asker.calls.update(three.call_id, svaml.Svaml([svaml.Answer()]))
    assert seen(asker, one) == ("FINAL", "NOANSWER", "MANAGERHANGUP")
    assert [two.state, three.state] == [CallState.ANSWERED, CallState.ANSWERED]
    quiet_box.clock.advance(60)
    assert (two.state, two.duration) == (CallState.ANSWERED, 60)
    assert (three.state, three.duration) == (CallState.ENDED, 5)


def test_a_parked_call_can_continue(quiet_box: Sandbox, asker: VoiceClient):
    call = quiet_box.add_call(to=PHONE)
    asker.calls.update(call.call_id, svaml.Svaml(action=svaml.Park(max_duration=60)))
    assert call.state == CallState.PARKED
    asker.calls.update(call.call_id, svaml.Svaml(action=svaml.Continue()))
    assert call.state == CallState.ANSWERED
    quiet_box.clock.advance(61)
    assert call.state == CallState.ANSWERED


def test_a_call_parked_for_too_long_ends(quiet_box: Sandbox, asker: VoiceClient):
    call = quiet_box.add_call(to=PHONE)
    asker.calls.update(call.call_id, svaml.Svaml(action=svaml.Park(max_duration=60)))
    quiet_box.clock.advance(60)
    assert seen(asker, call) == ("FINAL", "ANSWERED", "TIMEOUT")


def test_a_parked_call_can_be_connected_and_its_length_limited(
    quiet_box: Sandbox, asker: VoiceClient
):
    call = quiet_box.add_call(to=PHONE)
    onwards = svaml.ConnectPstn(number="+46730170101", max_duration=30)
    with pytest.raises(BadRequestError, match="connectPstn is for parked calls, and this one is"):
        asker.calls.update(call.call_id, svaml.Svaml(action=onwards))
    assert call.actions == []
    asker.calls.update(call.call_id, svaml.Svaml(action=svaml.Park()))
    asker.calls.update(call.call_id, svaml.Svaml(action=onwards))
    assert call.state == CallState.ANSWERED
    quiet_box.clock.advance(30)
    assert seen(asker, call) == ("FINAL", "ANSWERED", "TIMEOUT")


def test_a_call_in_a_conference_takes_a_menu(quiet_box: Sandbox, asker: VoiceClient):
    call = quiet_box.add_call(to=PHONE)
    menu = svaml.Svaml(action=svaml.RunMenu(menus=[svaml.Menu("main", main_prompt="#tts[Hi]")]))
    for action in (svaml.Park(), svaml.ConnectConf("room")):
        asker.calls.update(call.call_id, svaml.Svaml(action=action))
    assert call.conference_id == "room"
    asker.calls.update(call.call_id, menu)
    assert call.actions[-1] == menu.action


def test_effects_of_instructions_are_visible(quiet_box: Sandbox, asker: VoiceClient):
    call = quiet_box.add_call(to=PHONE)
    recording = svaml.StartRecording(svaml.RecordingOptions(destination_url="s3://bucket"))
    asker.calls.update(
        call.call_id,
        svaml.Svaml(
            [svaml.SendDtmf("12"), svaml.SetCookie("k", "v"), svaml.SendDtmf("3#"), recording]
        ),
    )
    assert (call.dtmf, call.cookies, call.recording) == ("123#", {"k": "v"}, recording)
    asker.calls.update(call.call_id, svaml.Svaml([svaml.StopRecording()]))
    assert call.recording is None


def test_time_only_moves_forwards(quiet_box: Sandbox):
    for by in (-1, float("nan"), timedelta(seconds=-1), "3", 1e15, timedelta.max):
        with pytest.raises(InvalidRequest, match="by is"):
            quiet_box.clock.advance(by)
    assert quiet_box.clock.advance(0) == NOW


def test_a_clock_in_real_time_can_be_advanced_and_signatures_stay_valid(box: Sandbox):
    with running(populated=False) as ahead, VoiceClient.from_env(ahead.environ) as voice:
        call = ahead.add_call(to=PHONE, duration=3600)
        ahead.clock.advance(timedelta(days=2))
        assert voice.calls.get(call.call_id).status == CallStatus.FINAL
        assert [request.status for request in ahead.requests] == [200]


def test_times_in_other_zones_are_converted_to_utc(quiet_box: Sandbox, asker: VoiceClient):
    east = timezone(timedelta(hours=5))
    user, begun = MxpEndpoint("u"), datetime(2026, 6, 1, 10, tzinfo=east)
    call = quiet_box.add_call(from_=user, to=PHONE, started=begun, duration=timedelta(minutes=1))
    assert call.started.tzinfo is UTC
    assert asker.calls.get(call.call_id).timestamp == begun
    assert asker.reports.user_calls(user, domain="pstn").start == begun


def test_parking_a_ringing_call_does_not_answer_it(quiet_box: Sandbox, asker: VoiceClient):
    call = quiet_box.add_call(to=PHONE, ring=100)
    asker.calls.update(call.call_id, svaml.Svaml(action=svaml.Park(max_duration=10)))
    quiet_box.clock.advance(20)
    assert seen(asker, call) == ("FINAL", "NOANSWER", "TIMEOUT")


@pytest.mark.parametrize(
    "body",
    [
        rb'{"instructions":[{"name":"say","text":"\ud800"}]}',
        rb'{"action":{"name":"\ud800"}}',
        rb'{"\ud800":1,"action":{"name":"hangup"}}',
        b'{"instructions":[{"name":"say","text":"a"}],"action":{"name":"park","maxDuration":%d}}'
        % 10**12,
        b'{"action":{"name":"park","maxDuration":%d}}' % 10**30,
        b'{"action":{"name":"park","maxDuration":NaN}}',
    ],
)
def test_valid_json_with_impossible_values_is_40003(box: Sandbox, body: bytes):
    call = box.add_call(to=PHONE)
    assert request(box, "PATCH", f"/calling/v1/calls/id/{call.call_id}", content=body)[0] == 40003
    assert (call.heard, call.actions, call.state) == ([], [], CallState.ANSWERED)
    kept = box.requests[-1]
    assert (kept.status, kept.error_code, kept.acted, kept.body) == (400, 40003, False, body)


def test_endpoints_of_other_types_are_shown_unchanged(box: Sandbox, voice: VoiceClient):
    for end in (OtherEndpoint(None, "zz"), OtherEndpoint("did", "+12125550123")):
        call = box.add_call(to=end, from_=PHONE)
        assert voice.calls.get(call.call_id).to == end


def test_a_failure_of_the_sandbox_is_a_500_explained_in_its_log(
    box: Sandbox, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    def broken(*_: Any) -> None:
        raise RuntimeError("a defect")

    monkeypatch.setattr("sinchvoice.sandbox.world.World.counter", broken)
    assert request(box) == (
        50000,
        {"errorCode": 50000, "message": "the sandbox failed; its log says why"},
    )
    assert "a defect" in caplog.text


def test_headers_of_proxies_are_ignored_and_an_extra_slash_is_not(box: Sandbox):
    path = "/v1/counters/currentcalls"
    assert request(box, X_Forwarded_For="192.0.2.1")[0] == 200
    assert request(box, path=path + "/")[0] == 40400


def test_two_authorization_headers_are_refused(box: Sandbox):
    basic = Credentials(box.application_key, box.application_secret).basic_authorization()
    answer = httpx.get(
        f"{box.reporting_url}/counters/currentcalls",
        headers=[("Authorization", basic), ("Authorization", basic)],
        trust_env=False,
    )
    assert answer.json()["errorCode"] == 40100


# --- Call detail records -------------------------------------------------------------------------


def test_the_calls_of_a_day_are_written_as_records_in_their_layouts(
    quiet_box: Sandbox, tmp_path: Path
):
    user, phone = MxpEndpoint("u"), PstnEndpoint("+46730170101")
    ends = [(user, phone), (phone, user), (user, MxpEndpoint("v")), (phone, SipEndpoint("a@b"))]
    late = NOW.replace(hour=0) - timedelta(minutes=4)
    calls = [
        quiet_box.add_call(from_=from_, to=to, started=late, ring=3, duration=61, custom='{"a;":1}')
        for from_, to in ends
    ]
    over_midnight = quiet_box.add_call(to=phone, started=late, duration=200)
    unanswered = quiet_box.add_call(
        to=phone, started=late, ring=9, result=CallResult.NO_ANSWER, custom="a\rb"
    )
    quiet_box.add_call(to=phone)

    files = quiet_box.write_cdr_files(tmp_path / "cdr")
    assert [file.name for file in files] == [
        f"{layout}-2026-11-19.csv"
        for layout in ("app-to-app", "phone-originated", "phone-terminated", "sip-terminated")
    ]
    with cdr.read(tmp_path / "cdr") as reader:
        records = {record.call_id: record for record in reader}
    assert set(records) == {call.call_id for call in [*calls, unanswered]}
    for call, kind in zip(
        calls,
        (cdr.PhoneTerminated, cdr.PhoneOriginated, cdr.AppToApp, cdr.SipTerminated),
        strict=True,
    ):
        record = records[call.call_id]
        assert isinstance(record, kind)
        # The column holds numbers; other text is kept without a type.
        called = OtherEndpoint(None, "u") if kind is cdr.PhoneOriginated else call.to
        assert (record.to, record.duration) == (called, 61)
        # A callee in the telephone network sees a number; an app user has none.
        assert record.from_ == (None if kind is cdr.PhoneTerminated else call.from_)
        assert record.custom_json() == {"a;": 1}
    charged = records[calls[0].call_id]
    assert isinstance(charged, cdr.PhoneTerminated)
    assert (charged.amount, charged.to_country_id) == (2 * calls[0].rate, "SE")
    assert charged.user_id == "u"
    assert charged.answer_time == late + timedelta(seconds=3)
    assert records[unanswered.call_id].reason == CallReason.TIMEOUT
    assert records[unanswered.call_id].custom == unanswered.custom

    with cdr.read(quiet_box.write_cdr_files(tmp_path, NOW.date())) as reader:
        assert [record.call_id for record in reader] == [over_midnight.call_id]


# --- Applications --------------------------------------------------------------------------------


def test_an_application_does_not_see_the_calls_of_another(quiet_box: Sandbox, asker: VoiceClient):
    other = quiet_box.add_application()
    mine, theirs = quiet_box.add_call(to=PHONE), other.add_call(to=PHONE)
    assert (list(quiet_box.calls), list(other.calls)) == ([mine.call_id], [theirs.call_id])
    for auth in ("signed", "basic"):
        with VoiceClient.from_env(other.environ, auth=auth) as voice:  # type: ignore[arg-type]
            assert voice.calls.get(theirs.call_id).call_id == theirs.call_id
            with pytest.raises(NotFoundError):
                voice.calls.hangup(mine.call_id)
    with pytest.raises(NotFoundError):
        asker.calls.get(theirs.call_id)
    with (
        VoiceClient(
            other.application_key, quiet_box.application_secret, calling_url=other.calling_url
        ) as mixed,
        pytest.raises(AuthenticationError),
    ):
        mixed.calls.get(theirs.call_id)
    assert other.application_secret not in repr(other)


# --- Incoming calls by request -------------------------------------------------------------------


def make_call(box: Sandbox, content: bytes, secret: str | None = None) -> tuple[int, Any]:
    """Request an incoming call."""
    return request(box, "POST", "/sandbox/incoming-calls", content=content, secret=secret)


def test_a_request_starts_an_incoming_call():
    with running() as box:
        status, made = make_call(box, b'{"from":"+12125550145"}')
        assert status == 200
        call = box.calls[made["callId"]]
        assert call.from_ == PstnEndpoint("+12125550145")
        assert call.to == PstnEndpoint(box.account_numbers[0].number)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b'{"to":"+12125550145"}',
        b'{"from":1}',
        b'{"from":"+12125550145","to":null}',
        b'{"from":"+12125550145","ring":1}',
        b'{"from":"12125550145"}',
    ],
)
def test_an_invalid_request_for_an_incoming_call_is_40003(box: Sandbox, body: bytes):
    before = dict(box.calls)
    code, _ = make_call(box, body)
    assert code == 40003
    assert box.calls == before


def test_a_request_for_an_incoming_call_must_be_signed(box: Sandbox):
    body = b'{"from":"+12125550145"}'
    code, _ = make_call(box, body, secret="BeIukql3pTKJ8RGL5zo0DA==")
    assert code == 40102


def test_faults_do_not_strike_requests_for_incoming_calls():
    with running() as box, box.inject(faults.Reset(), on="*") as injection:
        status, _ = make_call(box, b'{"from":"+12125550145"}')
    assert (status, injection.hits) == (200, 0)


def test_other_machines_cannot_make_incoming_calls():
    def elsewhere(app: Callable[..., Any]) -> Callable[..., Any]:
        async def call(scope: Any, receive: Any, send: Any) -> None:
            await app({**scope, "client": ("192.0.2.1", 1024)}, receive, send)

        return call

    with running(middleware=elsewhere, populated=False) as box:
        code, _ = make_call(box, b'{"from":"+12125550145"}')
        assert (code, box.calls) == (40400, {})


# --- Reports -------------------------------------------------------------------------------------


@pytest.fixture
def quiet_box() -> Any:
    """A sandbox without calls, at noon."""
    with running(populated=False, now=NOW) as sandbox:
        yield sandbox


@pytest.fixture
def asker(quiet_box: Sandbox) -> Any:
    with VoiceClient.from_env(quiet_box.environ) as client:
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
    user = MxpEndpoint("u")
    day = datetime(2026, 11, 3, 9, tzinfo=UTC)
    outcomes = [CallResult.ANSWERED, CallResult.BUSY, CallResult.ANSWERED, CallResult.FAILED]
    for number, result in enumerate(outcomes):
        started = day + timedelta(days=number)
        quiet_box.add_call(
            from_=user,
            to=PHONE,
            started=started,
            ring=5,
            duration=60 if result == CallResult.ANSWERED else None,
            result=result,
        )
    quiet_box.add_call(from_=PHONE, to=user, started=day, duration=60)
    quiet_box.add_call(from_=user, to=PHONE, started=day)
    quiet_box.add_call(from_=MxpEndpoint("v"), to=PHONE, started=day, duration=60)
    quiet_box.add_application().add_call(from_=user, to=PHONE, started=day, duration=60)

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


def test_a_report_without_a_domain_is_on_data(quiet_box: Sandbox):
    user = MxpEndpoint("u")
    quiet_box.add_call(from_=PHONE, to=user, duration=0)
    code, report = request(quiet_box, path="/v1/users/username/u/calls")
    assert (code, report["success"]) == (200, 1)


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/v1/users/email/x/calls/data", 40001),
        ("/v1/users/number/12125550123/calls/data", 40005),
        ("/v1/users/number/+/calls/data", 40001),
        ("/v1/users/username/x/calls/mxp", 40001),
    ],
)
def test_an_invalid_report_is_refused(box: Sandbox, path: str, code: int):
    assert request(box, path=path)[0] == code


@pytest.mark.parametrize(
    "query",
    ["_start=soon", "_start=2026-01-01&_start=2026-01-02", "_start=2026-01-02&_stop=2026-01-01",
     "_start=2026-01-01&_stop=2026-02-01"],
)  # fmt: skip
def test_an_invalid_window_is_40001(box: Sandbox, query: str):
    path = "/v1/users/username/x/calls/data"
    assert request(box, path=f"{path}?{query}", resource=path)[0] == 40001


def test_the_counter_counts_calls_ongoing_at_its_last_refresh(
    quiet_box: Sandbox, asker: VoiceClient
):
    refreshed = NOW.replace(minute=0)
    quiet_box.add_call(to=PHONE, started=refreshed - timedelta(minutes=1))
    quiet_box.add_call(to=PHONE, started=refreshed - timedelta(minutes=9), duration=540)
    quiet_box.add_call(to=PHONE, started=refreshed + timedelta(seconds=1))
    quiet_box.add_application().add_call(to=PHONE, started=refreshed - timedelta(minutes=1))
    counter = asker.reports.counter("currentCalls")
    assert (counter.value, counter.modified) == (1, refreshed)
    quiet_box.clock.advance(59)
    assert asker.reports.counter("currentcalls") == counter
    quiet_box.clock.advance(1)
    later = asker.reports.counter("currentcalls")
    assert (later.value, later.modified) == (2, refreshed + timedelta(minutes=2))


def test_an_unknown_counter_or_service_is_40400(voice: VoiceClient):
    for ask in (voice.reports.counter, voice.reports.service_status):
        with pytest.raises(NotFoundError):
            ask("unknown")


def test_a_service_can_be_set_down(quiet_box: Sandbox, asker: VoiceClient):
    quiet_box.services["rtpproxy"] = "down"
    assert asker.reports.service_status("rtpproxy").is_up is False


# --- Sandbox -------------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_world():
    with running(seed=7) as one, running(seed=7) as two, running(seed=8) as three:
        assert list(one.calls) == list(two.calls) != list(three.calls)


def test_middleware_sees_every_request_and_may_answer_it():
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
        pytest.raises(ApiConnectionError, match="no connection to 127.0.0.1"),
    ):
        voice.with_options(retries=0).reports.counter("currentcalls")


def test_an_invalid_port_or_time_is_refused():
    for options in ({"port": 70_000}, {"port": -1}, {"now": "x"}, {"now": 5}):
        with pytest.raises(InvalidRequest), running(**options):
            pass
    with (
        pytest.raises(InvalidRequest, match="between 1970 and 9000"),
        running(now=datetime(1, 1, 2, tzinfo=UTC)),
    ):
        pass


def test_old_bodies_are_dropped_and_those_of_strangers_are_not_kept(
    quiet_box: Sandbox, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("sinchvoice.sandbox.world.BODIES", 2500)
    call = quiet_box.add_call(to=PHONE)
    path = f"/calling/v1/calls/id/{call.call_id}"
    for _ in range(3):
        request(quiet_box, "PATCH", path, content=b"x" * 1000)
    request(quiet_box, "PATCH", path, content=b"x" * 1000, key="another")
    assert [len(kept.body) for kept in quiet_box.requests] == [0, 1000, 1000, 0]


def test_a_port_in_use_is_an_os_error_and_not_a_hang(box: Sandbox):
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


def test_every_request_is_kept_with_its_result(quiet_box: Sandbox, asker: VoiceClient):
    call = quiet_box.add_call(to=PHONE, call_id="a b")
    asker.calls.hangup(call.call_id)
    with pytest.raises(NotFoundError):
        asker.calls.get("unknown")
    done, failed = quiet_box.requests
    assert done == SandboxRequest(
        at=NOW,
        method="PATCH",
        target="/calling/v1/calls/id/a%20b",
        body=b'{"action":{"name":"hangup"}}',
        status=204,
        acted=True,
    )
    assert (failed.status, failed.error_code, failed.acted) == (404, 40400, False)


def test_a_reset_starts_again(quiet_box: Sandbox, asker: VoiceClient):
    first = quiet_box.add_call(to=PHONE).call_id
    other = quiet_box.add_application()
    quiet_box.inject(faults.unavailable())
    quiet_box.services.clear()
    quiet_box.clock.advance(1)
    quiet_box.reset()
    assert (quiet_box.calls, quiet_box.requests, quiet_box.clock.now) == ({}, [], NOW)
    assert asker.reports.service_status("rtpproxy").is_up
    assert quiet_box.add_call(to=PHONE).call_id == first
    with pytest.raises(InvalidRequest, match="a reset removed the application"):
        other.add_call(to=PHONE)
    with VoiceClient.from_env(other.environ) as gone, pytest.raises(AuthenticationError):
        gone.reports.service_status("rtpproxy")


def test_listening_beyond_loopback_gives_a_warning_and_local_urls():
    with (
        pytest.warns(RuntimeWarning, match="other machines can reach it") as given,
        running(host="0.0.0.0") as box,  # noqa: S104
        VoiceClient.from_env(box.environ) as voice,
    ):
        assert voice.reports.service_status("rtpproxy").is_up
    assert [warning.filename for warning in given] == [__file__]


def test_the_seeded_world_has_calls_among_users_and_numbers(box: Sandbox):
    ends = {end for call in box.calls.values() for end in (call.from_, call.to)}
    assert {*box.users, *box.numbers} <= ends


# --- Malformed and slow clients ------------------------------------------------------------------


def test_slow_silent_and_malformed_clients_do_not_delay_others(
    box: Sandbox, voice: VoiceClient, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("sinchvoice.sandbox.wire._READ_TIMEOUT", 0.3)
    port = int(box.calling_url.rpartition(":")[2])
    head = b"PATCH /calling/v1/calls/id/x HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n"
    openings = [
        b"",
        b"GET /v1/coun",
        b"\x16\x03\x01 not HTTP at all\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 100_000,
        b"PATCH / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"PATCH / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        head + b"{",
    ]
    with ExitStack() as stack:
        strangers = [
            stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=5))
            for _ in range(len(openings) * 10)
        ]
        for number, stranger in enumerate(strangers):
            with suppress(OSError):  # the server may have hung up on it
                stranger.sendall(openings[number % len(openings)])
        for _ in range(20):
            assert voice.with_options(timeout=2, retries=0).reports.counter("currentcalls")
        answer = b"".join(strangers[len(openings) - 1].makefile("rb"))
        assert b"the body took more than 0.3 s" in answer
    assert voice.reports.counter("currentcalls").value >= 0


HEAD = b"PATCH /calling/v1/calls/id/x HTTP/1.1\r\nHost: x\r\nContent-Length: 9999\r\n"


@pytest.mark.parametrize(
    ("opening", "drip", "answer"),
    [
        (b"", b"", b"408"),
        (b"GET /", b"a", b"408"),
        (b"GET /v1/counters/x HTTP/1.1\r\n", b"X: y\r\n", b"408"),
        (b"GET /v1/counters/x HTTP/1.1\r\nX: ", b"y", b"408"),
        (HEAD + b"\r\n", b"{", b"the body took more than 0.3 s"),
        (HEAD + b"Connection: keep-alive\r\n\r\n", b"", b"the body took more than 0.3 s"),
        (
            b"PATCH /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n",
            b"1\r\nx\r\n",
            b"the body took more than 0.3 s",
        ),
    ],
)
def test_a_dripping_client_is_answered_and_disconnected(
    box: Sandbox, monkeypatch: pytest.MonkeyPatch, opening: bytes, drip: bytes, answer: bytes
):
    monkeypatch.setattr("sinchvoice.sandbox.wire._READ_TIMEOUT", 0.3)
    port = int(box.calling_url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=30) as client:
        client.sendall(opening)
        received, until = b"", time.monotonic() + 30
        while time.monotonic() < until:
            with suppress(OSError):  # the server may have hung up
                client.sendall(drip)
            if not select.select([client], [], [], 0.02)[0]:
                continue
            try:
                part = client.recv(4096)
            except ConnectionError:
                break
            if not part:
                break
            received += part
        else:
            pytest.fail("the connection stays open")
    assert answer in received


def test_a_connection_may_be_idle_between_requests_and_during_one(
    box: Sandbox, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("sinchvoice.sandbox.wire._READ_TIMEOUT", 0.1)
    with httpx.Client(base_url=box.calling_url, timeout=30) as client:
        first = client.get("/x").extensions["network_stream"].get_extra_info("client_addr")
        time.sleep(0.3)
        with box.inject(faults.Latency(0.3)):
            second = client.get("/x")
        assert second.status_code == 401
        assert second.extensions["network_stream"].get_extra_info("client_addr") == first


def test_a_client_that_leaves_in_the_middle_of_its_body_has_no_effect(
    box: Sandbox, caplog: pytest.LogCaptureFixture
):
    port = int(box.calling_url.rpartition(":")[2])
    before = len(box.requests)
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(b"PATCH /x HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{")
        deadline = time.monotonic() + 5
        while len(box.requests) == before and time.monotonic() < deadline:
            time.sleep(0.01)
    assert box.requests[before].target == "/x"
    assert request(box)[0] == 200
    assert caplog.text == ""


def test_a_call_needs_endpoints_and_a_unique_id(box: Sandbox):
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
    with (
        pytest.raises(InvalidRequest, match="time zone"),
        running(now=datetime(2026, 1, 1)),  # noqa: DTZ001
    ):
        pass


@pytest.mark.parametrize(
    ("details", "problem"),
    [
        ({"started": datetime(2126, 1, 1, tzinfo=UTC)}, "give a time from 1971 to"),
        ({"started": datetime(1, 1, 1, tzinfo=UTC)}, "give a time from 1971 to"),
        ({"started": "now"}, "started is 'now'"),
        ({"ring": "3"}, "ring is '3'"),
        ({"ring": True}, "ring is True"),
        ({"duration": 1e18}, "duration is 1e"),
        ({"duration": 4e8}, "at most ten years"),
        ({"call_id": ".."}, "call_id is '..'"),
        ({"call_id": 5}, "call_id is 5"),
        ({"custom": {"a": 1}}, "custom is {'a': 1}"),
        ({"result": "BUZY"}, "'BUZY' is not a valid CallResult: give"),
        ({"ring": -1}, "ring is -1"),
        ({"ring": float("inf")}, "ring is inf"),
        ({"duration": float("nan")}, "duration is nan"),
        ({"duration": 5, "result": CallResult.BUSY}, "duration is 5 for a call that is BUSY"),
    ],
)
def test_impossible_details_of_a_call_are_refused(
    box: Sandbox, details: dict[str, Any], problem: str
):
    with pytest.raises(InvalidRequest, match=problem):
        box.add_call(to=PHONE, **details)


def test_faults_from_the_start_may_be_text():
    with (
        running(faults=["unavailable on GET /v1/counters/*"]) as box,
        VoiceClient.from_env(box.environ, retries=0) as voice,
    ):
        with pytest.raises(ServerError):
            voice.reports.counter("currentcalls")
        assert voice.reports.service_status("rtpproxy").is_up


@pytest.mark.parametrize("fault", ["latncy=1", 5, None, ["latency=1"]])
def test_a_fault_from_the_start_that_is_not_valid_is_refused(fault: Any):
    with pytest.raises(InvalidRequest, match="fault"), running(faults=[fault]):
        pass


@pytest.mark.parametrize("given", ["latency=0.2", faults.Injection(faults.Reset()), 5, None])
def test_faults_from_the_start_are_a_list(given: Any):
    with pytest.raises(InvalidRequest, match="give a list of faults"), running(faults=given):
        pass
