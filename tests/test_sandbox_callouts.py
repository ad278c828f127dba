"""sandbox/: the API for callouts, conferences, numbers and callback URLs."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from sinchvoice import Credentials, MxpEndpoint, PstnEndpoint, SipEndpoint, VoiceClient, signing
from sinchvoice.callbacks import AnsweredCall, DisconnectedCall, IncomingCall, PromptInput
from sinchvoice.sandbox import Sandbox, SandboxCall, running
from sinchvoice.svaml import (
    ConnectConf,
    ConnectMxp,
    ConnectPstn,
    ConnectSip,
    Continue,
    Hangup,
    Menu,
    Park,
    PlayFiles,
    RunMenu,
    Say,
    Svaml,
    SvamlWarning,
)
from voice_app import NOW, App, check_callbacks

PHONE = {"type": "number", "endpoint": "+12125550123"}
USER = {"type": "username", "endpoint": "alice"}
CALLOUTS = "/calling/v1/callouts"
CONFERENCE = "/calling/v1/conferences/id/room"
NUMBERS = "/v1/configuration/numbers"


@pytest.fixture(scope="module")
def shared() -> Iterator[Sandbox]:
    with running(now=NOW, populated=False) as box:
        yield box


@pytest.fixture
def box(shared: Sandbox) -> Iterator[Sandbox]:
    shared.reset()
    yield shared
    check_callbacks(shared)


@pytest.fixture
def app(box: Sandbox) -> App:
    box.callback_app = App(box)
    return box.callback_app


def request(
    box: Any, method: str, path: str, body: Any = None, *, url: str = "", **headers: str
) -> tuple[int, Any]:
    """Return the status of the answer, or its error code, and its content."""
    content = b"" if body is None else json.dumps(body).encode()
    kind = "application/json" if content else ""
    signed = signing.signed_headers(
        Credentials(box.application_key, box.application_secret),
        method=method,
        resource=path,
        timestamp=signing.format_timestamp(time.time()),
        content_type=kind,
        body=content,
    )
    response = httpx.request(
        method,
        (url or box.calling_url) + path,
        content=content,
        headers={**signed, **({"Content-Type": kind} if kind else {}), **headers},
        trust_env=False,
    )
    said = response.json() if response.content else None
    return (said["errorCode"] if response.is_error else response.status_code), said


def call_out(box: Sandbox, kind: str, *, url: str = "", **wanted: Any) -> SandboxCall:
    """Place a callout, and wait for its immediate callbacks."""
    defaults: dict[str, dict[str, Any]] = {
        "tts": {"text": "Hello", "destination": PHONE, "cli": "+12125550160"},
        "conference": {"conferenceId": "room", "destination": PHONE, "cli": "+12125550160"},
        "custom": {},
    }
    body = {"method": f"{kind}Callout", f"{kind}Callout": {**defaults[kind], **wanted}}
    status, said = request(box, "POST", CALLOUTS, body, url=url)
    assert status == 200
    assert list(said) == ["callId"]
    box.settle()
    return box.calls[said["callId"]]


ALL = {"enableAce": True, "enablePie": True, "enableDice": True}


# --- Text to speech ------------------------------------------------------------------------------


def test_a_text_is_said_and_the_call_hung_up(box: Sandbox, app: App):
    call = call_out(box, "tts", text="x" * 31, dtmf="1w2", custom="mine")
    assert (call.state, call.from_, call.custom) == (
        "ringing",
        PstnEndpoint("+12125550160"),
        "mine",
    )
    box.clock.advance(1)
    assert (call.state, call.dtmf) == ("answered", "1w2")
    assert [heard.what for heard in call.heard] == [Say("x" * 31)]
    box.clock.advance(3)
    assert (call.state, call.reason, call.duration) == ("ended", "MANAGERHANGUP", 3)
    assert app.events == []


def test_enabled_events_of_a_callout_are_sent(box: Sandbox, app: App):
    app.on(AnsweredCall, Svaml(action=Continue()))
    call = call_out(box, "tts", custom="mine", prompts="#tts[Hi];bye", text="unused", **ALL)
    box.clock.advance(60)
    assert [heard.what for heard in call.heard] == [PlayFiles(["#tts[Hi]", "bye"])]
    assert app.names() == ["ace", "dice"]
    dice = app.last(DisconnectedCall)
    assert (dice.custom, dice.result, dice.reason) == ("mine", "ANSWERED", "MANAGERHANGUP")
    assert (dice.from_.endpoint, dice.to.number) == ("12125550160", "+12125550123")


def test_an_ace_may_play_something_else_instead(box: Sandbox, app: App):
    app.on(AnsweredCall, Svaml([PlayFiles(["file"])], Hangup()))
    call = call_out(box, "tts", enableAce=True)
    box.clock.advance(1)
    assert [heard.what for heard in call.heard] == [PlayFiles(["file"])]
    assert call.state == "ended"


@pytest.mark.parametrize(("enabled", "names"), [(True, ["ace", "pie"]), (False, ["ace"])])
def test_a_menu_of_a_callout_sends_an_enabled_pie(
    box: Sandbox, app: App, enabled: bool, names: list[str]
):
    app.on(AnsweredCall, Svaml(action=RunMenu([Menu("main", max_digits=1)])))
    app.on(PromptInput, Svaml(action=Hangup()))
    call = call_out(box, "tts", enableAce=True, enablePie=enabled)
    call.answer()
    call.press("1")
    assert (app.names(), call.reason) == (names, "MANAGERHANGUP")


def test_a_callout_without_a_cli_fails(box: Sandbox, app: App):
    call = call_out(box, "tts", cli="", enableDice=True)
    assert (call.result, call.duration) == ("FAILED", 0)
    assert app.names() == ["dice"]


@pytest.mark.parametrize("ring", [1, 0])
def test_a_callout_that_is_to_continue_goes_on(box: Sandbox, app: App, ring: float):
    box.ring = ring
    call = call_out(box, "tts", **ALL)
    with VoiceClient.from_env(box.environ) as voice:
        voice.calls.update(call.call_id, Svaml(action=Continue()))
    box.clock.advance(10)
    assert (call.result, call.reason, len(call.heard)) == ("ANSWERED", "MANAGERHANGUP", 1)
    assert app.names() == ["ace", "dice"]


def test_a_callout_can_be_parked_while_it_rings(box: Sandbox, app: App):
    call = call_out(box, "tts", **ALL)
    with VoiceClient.from_env(box.environ) as voice:
        voice.calls.update(call.call_id, Svaml(action=Park(max_duration=60)))
    assert call.state == "parked"
    box.clock.advance(61)
    assert (call.reason, app.names()) == ("TIMEOUT", ["dice"])


def test_the_keys_and_the_limit_of_a_callout_begin_once(box: Sandbox, app: App):
    app.on(
        AnsweredCall,
        Svaml(action=RunMenu([Menu("main", max_digits=1, timeout_mills=30_000)])),
        Svaml(action=Continue()),
    )
    app.on(PromptInput, Svaml(action=ConnectPstn(number="+12125550145")))
    call = call_out(box, "custom", destination=PHONE, dtmf="1", maxDuration=60)
    box.clock.advance(21)
    call.press("5")
    call.answer()
    assert call.dtmf == "1"
    box.clock.advance(60)
    assert (call.reason, call.duration) == ("TIMEOUT", 60)


def test_an_app_user_sends_no_ace(box: Sandbox, app: App):
    call = call_out(box, "tts", destination=USER, **ALL)
    box.clock.advance(60)
    assert (app.names(), call.to) == (["dice"], MxpEndpoint("alice"))


def test_a_callee_may_not_answer(box: Sandbox, app: App):
    box.ring = math.inf
    busy, kept = call_out(box, "tts", **ALL), call_out(box, "tts", **ALL)
    box.clock.advance(600)
    busy.hang_up(by="callee")
    assert (app.last(DisconnectedCall).result, kept.state) == ("BUSY", "ringing")


# --- Conferences ---------------------------------------------------------------------------------


def test_a_conference_callout_joins_its_room_at_once(box: Sandbox, app: App):
    call = call_out(box, "conference", greeting="Welcome")
    box.clock.advance(5)
    status, said = request(box, "GET", CONFERENCE)
    assert (status, app.events) == (200, [])
    assert said["participants"] == [
        {"cli": "+12125550160", "id": call.call_id, "duration": 5, "muted": False, "onhold": False}
    ]
    assert [heard.what for heard in call.heard] == [Say("Welcome")]


def test_a_conference_callout_can_ring(box: Sandbox):
    box.ring = 5
    call = call_out(box, "conference")
    assert request(box, "GET", CONFERENCE)[0] == 40400
    call.answer()
    assert request(box, "GET", CONFERENCE)[0] == 200


@pytest.mark.parametrize(
    ("reply", "joins"),
    [(Svaml(action=ConnectConf("room")), True), (Svaml(action=Continue()), False), (500, True)],
)
def test_the_answer_to_the_ace_decides_who_joins(box: Sandbox, app: App, reply: Any, joins: bool):
    app.on(AnsweredCall, reply)
    call_out(box, "conference", **ALL)
    assert request(box, "GET", CONFERENCE)[0] == (200 if joins else 40400)


@pytest.mark.parametrize("digits", [2, 2.0])
def test_keys_of_a_conference_callout_are_reported(box: Sandbox, app: App, digits: float):
    options = {"mode": "detect", "maxDigits": digits}
    call = call_out(box, "conference", conferenceDtmfOptions=options, enablePie=True)
    call.press("42")
    assert app.last(PromptInput).menu_result.value == "42"
    assert app.last(PromptInput).from_conference


@pytest.mark.parametrize("kind", ["conference", "custom"])
def test_a_limit_after_the_year_9999_is_refused(box: Sandbox, kind: str):
    wanted = {"destination": PHONE, "conferenceId": "room", "maxDuration": 10**15}
    if kind == "custom":
        del wanted["conferenceId"]
    body = {"method": f"{kind}Callout", f"{kind}Callout": wanted}
    code, said = request(box, "POST", CALLOUTS, body)
    assert (code, said["message"]) == (
        40003,
        "Invalid request: maxDuration ends after the year 9999",
    )
    assert dict(box.calls) == {}


def test_an_answer_may_park_a_call_past_the_year_9999(box: Sandbox, app: App):
    with pytest.warns(SvamlWarning):
        park = Park(max_duration=10**15)
    app.on(IncomingCall, Svaml(action=park))
    call = box.incoming_call(from_="+12125550145")
    box.clock.advance(86_400)
    assert (call.state, call.ended) == ("parked", None)


def test_a_conference_callout_has_a_limit(box: Sandbox, app: App):
    call = call_out(box, "conference", maxDuration=60, enableDice=True)
    box.clock.advance(61)
    assert (call.reason, call.duration, app.names()) == ("TIMEOUT", 60, ["dice"])


def test_app_users_send_no_dice_from_a_conference(box: Sandbox, app: App):
    call_out(box, "conference", destination=USER, **ALL).hang_up(by="callee")
    assert app.events == []


def test_participants_are_muted_held_and_kicked(box: Sandbox, app: App):
    call = call_out(box, "conference", enableDice=True)
    other = call_out(box, "conference")
    path = f"{CONFERENCE}/{call.call_id}"
    for command, muted, on_hold in (
        ("mute", True, False),
        ("onhold", True, True),
        ("unmute", False, True),
        ("resume", False, False),
    ):
        status, said = request(box, "PATCH", path, {"command": command})
        assert (status, said) == (200, {"content": "Successful response"})
        assert (call.muted, call.on_hold) == (muted, on_hold)
    assert request(box, "DELETE", path) == (200, {"content": "200 Successful response"})
    box.settle()
    assert (call.reason, app.names()) == ("MANAGERHANGUP", ["dice"])
    assert request(box, "DELETE", path)[0] == 40400
    assert request(box, "DELETE", CONFERENCE) == (204, None)
    assert (other.reason, request(box, "DELETE", CONFERENCE)[0]) == ("MANAGERHANGUP", 40400)


@pytest.mark.parametrize("body", [None, {}, {"command": "shout"}, {"command": "mute", "x": 1}])
def test_an_unknown_command_is_refused(box: Sandbox, body: Any):
    call = call_out(box, "conference")
    assert request(box, "PATCH", f"{CONFERENCE}/{call.call_id}", body)[0] == 40003
    assert not call.muted


def test_each_region_and_application_has_its_own_rooms(box: Sandbox):
    here = call_out(box, "conference")
    there = call_out(box, "conference", url=box.regional_url)
    for url, call in ((box.calling_url, here), (box.regional_url, there)):
        _, said = request(box, "GET", CONFERENCE, url=url)
        assert [each["id"] for each in said["participants"]] == [call.call_id]
    assert request(box.add_application(), "GET", CONFERENCE)[0] == 40400
    assert request(box, "DELETE", CONFERENCE, url=box.regional_url)[0] == 204
    assert (here.state, there.state) == ("answered", "ended")


# --- Custom callouts -----------------------------------------------------------------------------


def svaml(*instructions: Any, action: Any) -> str:
    return json.dumps(Svaml(list(instructions), action).to_wire())


CONNECT = {"name": "connectPstn", "number": PHONE["endpoint"]}
INLINE = json.dumps({"action": CONNECT})


def test_a_custom_callout_without_ice_dials_its_destination(box: Sandbox, app: App):
    app.on(AnsweredCall, Svaml([Say("Hello")], Hangup()))
    call = call_out(box, "custom", destination=PHONE, dtmf="1", maxDuration=600)
    call.answer()
    assert app.names() == ["ace", "dice"]
    assert (call.dtmf, [heard.what for heard in call.heard]) == ("1", [Say("Hello")])


def test_inline_svaml_is_used_instead_of_callbacks(box: Sandbox, app: App):
    call = call_out(
        box,
        "custom",
        ice=INLINE,
        ace=svaml(action=RunMenu([Menu("main", max_digits=1)])),
        pie=svaml(Say("Bye"), action=Hangup()),
        custom="mine",
    )
    call.answer()
    call.press("1")
    assert (app.names(), app.last(DisconnectedCall).custom) == (["dice"], "mine")
    assert (call.to, [heard.what for heard in call.heard]) == (
        PstnEndpoint("+12125550123"),
        [Say("Bye")],
    )


@pytest.mark.parametrize(
    ("action", "to"),
    [
        (ConnectSip(SipEndpoint("a@example.com")), SipEndpoint("a@example.com")),
        (ConnectMxp(destination=MxpEndpoint("alice")), MxpEndpoint("alice")),
    ],
)
def test_inline_svaml_names_the_callee(box: Sandbox, action: Any, to: Any):
    call = call_out(box, "custom", cli="alice", ice=svaml(action=action))
    assert (call.to, call.from_) == (to, MxpEndpoint("alice"))
    call.answer()
    assert call.state == "answered"


def test_urls_of_a_callout_come_before_those_of_the_application(box: Sandbox, app: App):
    app.on(IncomingCall, INLINE.encode())
    urls = {name: f"http://localhost/{name}" for name in ("ice", "ace", "pie", "dice")}
    call = call_out(box, "custom", **urls)
    call.answer()
    call.hang_up(by="callee")
    assert [(sent.event, sent.url, sent.which) for sent in box.callbacks] == [
        (name, f"http://localhost/{name}", "inline") for name in ("ice", "ace", "dice")
    ]


def test_without_ice_and_destination_the_application_is_asked(box: Sandbox, app: App):
    app.on(IncomingCall, INLINE.encode())
    call = call_out(box, "custom")
    assert (app.names(), call.to.to_wire()["endpoint"]) == (["ice"], "+12125550123")


@pytest.mark.parametrize(
    ("wanted", "result"),
    [
        ({"ice": svaml(action=RunMenu([Menu("main")]))}, "FAILED"),  # no callee
        ({"ice": svaml(action=Hangup())}, "NOANSWER"),
        ({"ice": '{"action":{"name":"continue"}}'}, "FAILED"),
        ({"ice": "not a URL"}, "FAILED"),
        ({"ice": "http://example.com/sinch"}, "FAILED"),
    ],
)
def test_a_custom_callout_that_leads_nowhere_ends(box: Sandbox, wanted: Any, result: str):
    call = call_out(box, "custom", **wanted)
    assert (call.state, call.result) == ("ended", result)


def test_bad_inline_svaml_is_a_calling_error(box: Sandbox, app: App):
    call_out(box, "custom", ice='{"action":{"name":"continue"}}')
    assert app.names() == ["notify", "dice"]


def test_the_destination_joins_the_room_of_inline_svaml(box: Sandbox, app: App):
    call = call_out(box, "custom", destination=PHONE, ice=svaml(action=ConnectConf("room")))
    assert call.conference_id is None or call.state == "ringing"
    call.answer()
    assert request(box, "GET", CONFERENCE)[1]["participants"][0]["id"] == call.call_id


def test_headers_of_a_callout_come_back_with_its_callbacks(box: Sandbox, app: App):
    body = {"method": "customCallout", "customCallout": {"destination": PHONE}}
    headers = {f"X-CB-{n}": str(n) for n in range(4)}
    odd = {"x-cb-low": "5", "X-CB-Six": "6", "X-CB-" + "n" * 28: "long", "X-CB-v": "v" * 129}
    status, _ = request(box, "POST", CALLOUTS, body, **headers, **odd, **{"X-Other": "no"})
    assert status == 200
    box.clock.advance(1)
    (ace,) = box.callbacks
    kept = {name.lower(): value for name, value in ace.headers.items() if name.lower()[0] == "x"}
    assert kept.pop("x-timestamp")
    assert kept == {**{f"x-cb-{n}": str(n) for n in range(4)}, "x-cb-low": "5"}
    assert ace.status == 200


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (None, 40001),
        ({}, 40001),
        ({"method": "textCallout"}, 40001),
        ({"method": "ttsCallout"}, 40002),
        ({"method": "ttsCallout", "customCallout": {}}, 40002),
        ({"method": "ttsCallout", "ttsCallout": {"text": "a"}}, 40003),
        ({"method": "customCallout", "customCallout": {"x": 1}}, 40003),
        ({"method": "customCallout", "customCallout": {"ice": {"action": CONNECT}}}, 40003),
        ({"method": "conferenceCallout", "conferenceCallout": {"destination": PHONE}}, 40003),
        ({"method": "customCallout", "customCallout": {}, "ttsCallout": {}}, 40003),
    ],
)
def test_an_invalid_callout_is_refused(box: Sandbox, body: Any, code: int):
    assert request(box, "POST", CALLOUTS, body)[0] == code
    assert not box.calls


# --- Numbers and callback URLs -------------------------------------------------------------------


def test_numbers_are_assigned_and_unassigned(box: Sandbox):
    other = box.add_application()
    first, second, third = (number.number for number in box.account_numbers)
    path = {"numbers": [second, third], "applicationkey": other.application_key}
    assert request(box, "POST", NUMBERS, path) == (204, None)
    assert request(box, "POST", NUMBERS, {"numbers": [third]}) == (204, None)
    _, said = request(other, "GET", NUMBERS)
    assert said["numbers"] == [
        {"number": first, "capability": "voice", "applicationkey": box.application_key},
        {"number": second, "capability": "voice", "applicationkey": other.application_key},
        {"number": third, "capability": "voice", "applicationkey": box.application_key},
    ]
    taken = {"number": second, "applicationkey": other.application_key, "capability": "voice"}
    assert request(box, "DELETE", NUMBERS, taken) == (204, None)
    assert request(box, "DELETE", NUMBERS, taken)[0] == 40001
    _, said = request(other, "GET", NUMBERS)
    assert said["numbers"][1] == {"number": second, "capability": "voice"}


@pytest.mark.parametrize(
    ("method", "body", "code"),
    [
        ("POST", {"numbers": []}, 40003),
        ("POST", {"numbers": ["+12125550160", "+19999999999"]}, 40001),
        ("POST", {"numbers": ["+12125550161"], "capability": "sms"}, 40001),
        ("POST", {"numbers": ["+12125550161"], "applicationkey": "x"}, 40003),
        ("POST", {"numbers": ["+12125550161"], "application_key": "x"}, 40003),
        ("POST", {"numbers": ["+12125550161"], "applicationKey": "x"}, 40003),
        ("DELETE", {"numbers": "+12125550160"}, 40003),
        ("DELETE", {"number": "+12125550161"}, 40001),
        ("DELETE", {"number": "+12125550160", "capability": "sms"}, 40001),
        ("DELETE", {"number": "+12125550160", "applicationkey": "x"}, 40003),
        ("DELETE", None, 40003),
    ],
)
def test_a_failed_assignment_changes_nothing(box: Sandbox, method: str, body: Any, code: int):
    before = [number.application_key for number in box.account_numbers]
    assert request(box, method, NUMBERS, body)[0] == code
    assert [number.application_key for number in box.account_numbers] == before


def test_callback_urls_are_set_by_requests(box: Sandbox, app: App):
    path = f"/v1/configuration/callbacks/applications/{box.application_key}"
    assert request(box, "GET", path) == (200, {"url": {}})
    urls = {"primary": "http://localhost/a", "fallback": "http://localhost/b"}
    assert request(box, "POST", path, {"url": urls}) == (204, None)
    assert (box.callback_url, box.callback_fallback_url) == tuple(urls.values())
    box.incoming_call(from_="+12125550145")
    assert {sent.url for sent in box.callbacks} == set(urls.values())
    assert request(box, "GET", path) == (200, {"url": urls})
    assert request(box, "POST", path, {"url": {"primary": "http://localhost/c"}}) == (204, None)
    assert request(box, "GET", path) == (200, {"url": {"primary": "http://localhost/c"}})


def test_a_url_elsewhere_is_kept_but_not_called(box: Sandbox):
    path = f"/v1/configuration/callbacks/applications/{box.application_key}"
    url = {"primary": "https://voice.example.com/sinch"}
    assert request(box, "POST", path, {"url": url}) == (204, None)
    box.incoming_call(from_="+12125550145")
    assert request(box, "GET", path) == (200, {"url": url})
    assert "callbacks go to loopback only" in str(box.callbacks[0].error)


@pytest.mark.parametrize("url", ["http://xn--/", "http://[::1/x", "http://127.0.0.1/\r"])
def test_an_invalid_url_is_recorded_and_not_called(box: Sandbox, url: str):
    call = call_out(box, "custom", ice=url, dice=url)
    assert call.result == "FAILED"
    assert [(sent.event, sent.url, sent.status) for sent in box.callbacks] == [
        ("ice", url, None),
        ("dice", url, None),
    ]
    assert all(sent.error for sent in box.callbacks)


def test_a_request_that_is_nested_too_deep_is_refused(box: Sandbox):
    body: Any = {}
    for _ in range(300):
        body = {"a": body}
    assert request(box, "POST", CALLOUTS, {"method": "ttsCallout", "ttsCallout": body})[0] == 40003


def test_the_callback_urls_of_an_unknown_application_are_not_shown(box: Sandbox):
    path = "/v1/configuration/callbacks/applications/unknown"
    assert request(box, "GET", path)[0] == 40003
    assert request(box, "POST", path, {"url": {}})[0] == 40003
    assert request(box, "POST", path, {"urls": {}})[0] == 40003


@pytest.mark.parametrize(
    ("number", "known"),
    [
        ("+46730170101", ("SE", "+46730170101")),
        ("+46(0)73-017-0101", ("SE", "+46730170101")),
        ("+491711234567", ("", "+491711234567")),
    ],
)
def test_a_number_is_looked_up(box: Sandbox, number: str, known: tuple[str, str]):
    status, said = request(box, "GET", f"/v1/calling/query/number/{number}")
    assert status == 200
    assert (said["number"]["countryId"], said["number"]["normalizedNumber"]) == known


@pytest.mark.parametrize("number", ["46730170101", "x", "+0", "+1"])
def test_an_invalid_number_is_40001(box: Sandbox, number: str):
    assert request(box, "GET", f"/v1/calling/query/number/{number}")[0] == 40001


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", CALLOUTS, "POST"),
        ("PUT", NUMBERS, "DELETE, GET, HEAD, POST"),
        ("POST", CONFERENCE, "DELETE, GET, HEAD"),
    ],
)
def test_a_method_that_a_path_does_not_have_is_405(
    box: Sandbox, method: str, path: str, allowed: str
):
    signed = signing.signed_headers(
        Credentials(box.application_key, box.application_secret),
        method=method,
        resource=path,
        timestamp=signing.format_timestamp(time.time()),
    )
    response = httpx.request(method, box.calling_url + path, headers=signed, trust_env=False)
    assert (response.status_code, response.headers["Allow"]) == (405, allowed)
    assert response.json()["errorCode"] == 40500


def test_the_environment_has_three_base_urls(box: Sandbox):
    assert box.environ["SINCH_VOICE_CONFIGURATION_URL"] == box.configuration_url
    assert request(box, "GET", NUMBERS, url=box.configuration_url)[0] == 200
