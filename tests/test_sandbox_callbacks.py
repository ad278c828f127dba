"""sandbox/: callbacks to applications, and the effects of their answers."""

from __future__ import annotations

import asyncio
import json
import math
import socket
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pytest
import raw_servers
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sinchvoice import (
    Credentials,
    InvalidRequest,
    MxpEndpoint,
    OtherEndpoint,
    PstnEndpoint,
    SipEndpoint,
    VoiceClient,
    cdr,
)
from sinchvoice.callbacks import (
    AnsweredCall,
    Callbacks,
    DisconnectedCall,
    Event,
    IncomingCall,
    Notification,
    PromptInput,
)
from sinchvoice.sandbox import (
    CallbackUrl,
    CallState,
    Sandbox,
    SandboxCall,
    deliveries,
    faults,
    running,
)
from sinchvoice.sandbox.schema import find_problem
from sinchvoice.svaml import (
    Answer,
    AnsweringMachineDetection,
    ConferenceDtmfOptions,
    ConnectConf,
    ConnectMxp,
    ConnectPstn,
    ConnectSip,
    ConnectStream,
    Continue,
    Hangup,
    Instruction,
    Menu,
    MenuOption,
    Park,
    PlayFiles,
    RecordingOptions,
    ReportCallStatus,
    RunMenu,
    Say,
    SetCookie,
    StartRecording,
    StopRecording,
    Svaml,
    TranscriptionOptions,
    WebsocketEndpoint,
)
from test_svaml import ACTIONS, INSTRUCTIONS
from voice_app import NOW, App, Reply, check_callbacks

CALLER, CALLEE = PstnEndpoint("+12125550145"), PstnEndpoint("+12125550123")
NUMBER = "+12125550160"


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


def incoming(box: Sandbox, **details: Any) -> SandboxCall:
    return box.incoming_call(**{"from_": CALLER, **details})


def menu(*options: tuple[str, str], **details: Any) -> RunMenu:
    keys = [MenuOption(key, action) for key, action in options]
    return RunMenu([Menu("main", main_prompt="#tts[Press]", options=keys or None, **details)])


# --- Incoming calls ------------------------------------------------------------------------------


def test_an_incoming_call_sends_its_events(box: Sandbox, app: App):
    app.on(IncomingCall, Svaml([Answer(), Say("Welcome")], ConnectPstn(number=CALLEE)))
    call = incoming(box, custom="mine")
    assert (call.state, app.names()) == ("answered", ["ice"])
    box.clock.advance(1)
    box.clock.advance(30)
    call.hang_up()
    assert app.names() == ["ice", "ace", "dice"]
    ice, dice = app.last(IncomingCall), app.last(DisconnectedCall)
    assert (ice.call_id, ice.cli, ice.to) == (
        call.call_id,
        "12125550145",
        OtherEndpoint("did", NUMBER),
    )
    assert ice.call_resource_url == f"{box.calling_url}/calling/v1/calls/id/{call.call_id}"
    assert (dice.result, dice.reason, dice.duration) == ("ANSWERED", "CALLERHANGUP", 31)
    assert (dice.to, dice.custom, str(dice.debit.amount)) == (CALLEE, "mine", "0.1758")
    assert [heard.what for heard in call.heard] == [Say("Welcome")]


def test_sent_callbacks_are_kept(box: Sandbox, app: App):
    app.on(IncomingCall, Svaml(action=Hangup()))
    incoming(box)
    ice, dice = box.callbacks
    assert (ice.event, ice.method, ice.url, ice.which) == (
        "ice",
        "POST",
        "http://localhost/sinch",
        CallbackUrl.PRIMARY,
    )
    assert (ice.status, ice.error, dice.event) == (200, None, "dice")
    assert json.loads(ice.answer) == {"action": {"name": "hangup"}}
    assert ice.content["callid"] == dice.call_id
    assert ice.headers["authorization"].startswith(f"application {box.application_key}:")
    assert ice.headers["authorization"].endswith(ice.signature)
    assert ice.seconds >= 0


@pytest.mark.parametrize(
    ("to", "connected"),
    [
        (None, CALLEE.__class__(NUMBER)),
        ("+46730170101", PstnEndpoint("+46730170101")),
        (MxpEndpoint("alice"), MxpEndpoint("alice")),
        (SipEndpoint("a@example.com"), SipEndpoint("a@example.com")),
    ],
)
def test_without_a_callback_url_a_call_is_connected_as_dialled(
    box: Sandbox, to: Any, connected: Any
):
    call = incoming(box, to=to)
    box.clock.advance(1)
    assert (call.state, call.to, box.callbacks) == (CallState.ANSWERED, connected, [])


def test_without_a_callback_url_an_app_user_joins_a_conference(box: Sandbox):
    call = incoming(box, from_="alice", to=OtherEndpoint("conference", "room"))
    assert (call.state, call.conference_id) == ("answered", "room")


def test_a_caller_of_an_app_shows_as_its_user(box: Sandbox, app: App):
    app.on(IncomingCall, Svaml(action=ConnectConf("room")))
    incoming(box, from_="alice", to=OtherEndpoint("conference", "room"), call_headers={"a": "b"})
    ice = app.last(IncomingCall)
    assert (ice.user, ice.cli, ice.origination_type) == ("alice", None, "mxp")
    assert (ice.to, ice.call_headers) == (OtherEndpoint("conference", "room"), (("a", "b"),))


def test_a_callee_answers_after_the_ring_or_by_answer(box: Sandbox, app: App):
    app.on(IncomingCall, Svaml(action=ConnectPstn(number=CALLEE)))
    first, second = incoming(box, ring=20), incoming(box, ring=math.inf)
    box.clock.advance(20)
    assert (first.state, second.state) == ("answered", "ringing")
    box.clock.advance(3600)
    second.answer()
    assert second.state == "answered"
    with pytest.raises(InvalidRequest, match="the call is not ringing"):
        second.answer()


def test_a_callee_does_not_answer(box: Sandbox, app: App):
    app.on(IncomingCall, Svaml(action=ConnectPstn(number=CALLEE, dial_timeout=10)))
    incoming(box, ring=11)
    box.clock.advance(10)
    dice = app.last(DisconnectedCall)
    assert (dice.result, dice.reason, dice.duration) == ("NOANSWER", "TIMEOUT", None)
    assert "ace" not in app.names()


@pytest.mark.parametrize(
    ("by", "result", "reason"),
    [("caller", "NOANSWER", "CANCEL"), ("callee", "BUSY", "CALLEEHANGUP")],
)
def test_a_call_ends_while_it_rings(box: Sandbox, app: App, by: Any, result: str, reason: str):
    app.on(IncomingCall, Svaml(action=ConnectPstn(number=CALLEE)))
    incoming(box).hang_up(by=by)
    dice = app.last(DisconnectedCall)
    assert (dice.result, dice.reason) == (result, reason)


def test_a_call_ends_at_its_limit(box: Sandbox, app: App):
    app.on(IncomingCall, Svaml(action=ConnectPstn(number=CALLEE, max_duration=60)))
    call = incoming(box)
    box.clock.advance(3600)
    assert (call.reason, call.duration) == ("TIMEOUT", 60)
    assert app.last(DisconnectedCall).duration == 60


def test_callbacks_can_be_suppressed(box: Sandbox, app: App):
    app.on(IncomingCall, Svaml(action=ConnectPstn(number=CALLEE, suppress_callbacks=True)))
    call = incoming(box)
    box.clock.advance(1)
    call.hang_up()
    assert app.names() == ["ice"]


@pytest.mark.parametrize(
    "action",
    [
        ConnectMxp(destination=MxpEndpoint("alice"), call_headers={"a": "b"}),
        ConnectStream(WebsocketEndpoint("wss://example.com/a"), call_headers={"a": "b"}),
    ],
)
def test_an_app_sends_no_ace(box: Sandbox, app: App, action: Any):
    app.on(IncomingCall, Svaml(action=action))
    call = incoming(box)
    box.clock.advance(1)
    assert call.state == "answered"
    call.hang_up()
    assert app.names() == ["ice", "dice"]
    assert app.last(DisconnectedCall).call_headers == (("a", "b"),)


def test_sip_is_connected_like_a_number(box: Sandbox, app: App):
    app.on(IncomingCall, Svaml(action=ConnectSip(SipEndpoint("a@example.com"), max_duration=9)))
    call = incoming(box)
    box.clock.advance(20)
    assert app.names() == ["ice", "ace", "dice"]
    assert (call.to, call.duration) == (SipEndpoint("a@example.com"), 9)


@pytest.mark.parametrize(
    ("by_machine", "async_", "seen"),
    [
        (False, False, ["human"]),
        (True, False, ["machine"]),
        (False, True, ["inprogress", "human"]),
        (True, True, ["inprogress", "machine", "machine"]),
    ],
)
def test_answering_machines_are_detected(
    box: Sandbox, app: App, by_machine: bool, async_: bool, seen: list[str]
):
    detection = AnsweringMachineDetection(enabled=True, async_=async_)
    app.on(IncomingCall, Svaml(action=ConnectPstn(number=CALLEE, amd=detection)))
    incoming(box).answer(by_machine=by_machine)
    told = [event for event in app.events if isinstance(event, AnsweredCall | Notification)]
    assert [str(event.amd and event.amd.status) for event in told] == seen
    names = ["ace", "amd", "amd_beep"][: len(seen)]
    assert [getattr(event, "type", "ace") for event in told] == names


def test_cookies_come_back(box: Sandbox, app: App):
    app.on(IncomingCall, Svaml([SetCookie("visits", "3")], ConnectPstn(number=CALLEE)))
    incoming(box).answer()
    assert app.last(AnsweredCall).cookies == (("visits", "3"),)


def test_an_answer_can_hang_up_or_connect_elsewhere(box: Sandbox, app: App):
    app.on(IncomingCall, Svaml(action=ConnectPstn(number=CALLEE)))
    app.on(AnsweredCall, Svaml([Say("Goodbye")], Hangup()), Svaml(action=ConnectConf("room")))
    first, second = incoming(box), incoming(box)
    first.answer()
    second.answer()
    assert (first.reason, second.conference_id) == ("MANAGERHANGUP", "room")
    assert app.last(DisconnectedCall).reason == "MANAGERHANGUP"


# --- Menus ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("details", "options", "keys", "wait", "expected"),
    [
        ({}, [("1", "return(sales)")], "1", 0, ("main", "return", "sales")),
        ({}, [("12", "return(x)")], "12", 0, ("main", "return", "x")),
        ({}, [("#", "return(x)")], "#", 0, ("main", "return", "x")),
        ({}, [("1", "return(x)")], "3", 0, ("main", "invalidinput", "")),
        ({}, [("12", "return(x)")], "1", 5, ("main", "invalidinput", "1")),
        ({}, [("1", "return(x)")], "", 5, ("main", "timeout", "")),
        ({"max_digits": 4}, [], "1234", 0, ("main", "sequence", "1234")),
        ({"max_digits": 4}, [], "12#", 0, ("main", "sequence", "12")),
        ({"max_digits": 4}, [], "12", 5, ("main", "sequence", "12")),
        ({"max_digits": 4, "timeout_mills": 1000}, [], "1", 1, ("main", "sequence", "1")),
        ({"max_digits": 4, "max_timeout_mills": 2000}, [], "1", 2, ("main", "sequence", "1")),
        ({"max_digits": 4}, [("9", "return(x)")], "9", 0, ("main", "return", "x")),
        ({"repeats": 1}, [("1", "return(x)")], "31", 0, ("main", "return", "x")),
        ({"repeats": 1}, [("1", "return(x)")], "33", 0, ("main", "invalidinput", "")),
        ({"repeats": 2}, [("1", "return(x)")], "", 15, ("main", "timeout", "")),
    ],
)
def test_a_menu_has_a_result(
    box: Sandbox, app: App, details: Any, options: Any, keys: str, wait: int, expected: Any
):
    app.on(IncomingCall, Svaml(action=menu(*options, **details)))
    app.on(PromptInput, Svaml(action=Hangup()))
    call = incoming(box)
    if keys:
        call.press(keys)
    if wait:
        box.clock.advance(wait - 0.5)
        assert "pie" not in app.names()
        box.clock.advance(0.5)
    found = app.last(PromptInput).menu_result
    value = "3" if expected[1] == "invalidinput" and not expected[2] else expected[2]
    assert (found.menu_id, found.type, found.value or "") == (*expected[:2], value)
    assert call.reason == "MANAGERHANGUP"


def test_a_menu_leads_to_another_one(box: Sandbox, app: App):
    menus = RunMenu(
        [
            Menu("main", main_prompt="#tts[One];welcome", options=[MenuOption("1", "menu(pin)")]),
            Menu("pin", main_prompt="#tts[Pin]", max_digits=4),
        ],
        locale="en-US",
    )
    app.on(IncomingCall, Svaml(action=menus))
    app.on(PromptInput, Svaml(action=ConnectPstn(number=CALLEE)))
    call = incoming(box)
    call.press("1234")
    assert "pie" not in app.names()
    call.press("5")
    result = app.last(PromptInput).menu_result
    assert (result.menu_id, result.type, result.value) == ("pin", "sequence", "2345")
    assert [heard.what for heard in call.heard] == [
        PlayFiles(["#tts[One]", "welcome"], locale="en-US"),
        PlayFiles(["#tts[Pin]"], locale="en-US"),
    ]
    call.answer()
    assert app.names() == ["ice", "pie", "ace"]


def test_keys_pressed_early_are_for_the_next_menu(box: Sandbox, app: App):
    app.on(IncomingCall, Svaml(action=menu(("1", "return(more)"))))
    app.on(PromptInput, Svaml(action=menu(max_digits=2)), Svaml(action=Hangup()))
    incoming(box).press("123")
    results = [event.menu_result.value for event in app.events if isinstance(event, PromptInput)]
    assert results == ["more", "23"]


def test_hanging_up_in_a_menu_sends_a_pie(box: Sandbox, app: App):
    app.on(IncomingCall, Svaml(action=menu(max_digits=4)))
    call = incoming(box)
    call.press("12")
    call.hang_up()
    result = app.last(PromptInput).menu_result
    assert (result.type, result.value, app.names()) == ("hangup", "12", ["ice", "pie", "dice"])


def test_an_empty_answer_to_a_menu_continues_the_call(box: Sandbox, app: App):
    app.on(IncomingCall, Svaml(action=menu(max_digits=1)))
    call = incoming(box)
    call.press("1")
    assert (call.state, app.names()) == ("answered", ["ice", "pie"])


# --- Conferences, parking, recording -------------------------------------------------------------


def test_keys_in_a_conference_are_reported_in_detect_mode(box: Sandbox, app: App):
    options = ConferenceDtmfOptions(mode="detect", max_digits=2)
    app.on(IncomingCall, Svaml(action=ConnectConf("room", conference_dtmf_options=options)))
    call = incoming(box)
    call.press("123#4")
    box.clock.advance(3)
    told = [event for event in app.events if isinstance(event, PromptInput)]
    assert [event.menu_result.value for event in told] == ["12", "3", "4"]
    assert all(event.from_conference and event.conference_id == "room" for event in told)
    assert call.state == "answered"


@pytest.mark.parametrize("mode", ["ignore", "forward", None])
def test_keys_in_a_conference_are_not_reported_in_other_modes(box: Sandbox, app: App, mode: Any):
    options = ConferenceDtmfOptions(mode=mode)
    app.on(IncomingCall, Svaml(action=ConnectConf("room", conference_dtmf_options=options)))
    incoming(box).press("1")
    assert app.names() == ["ice"]


def test_a_request_connects_a_parked_call(box: Sandbox, app: App):
    app.on(IncomingCall, Svaml(action=Park(intro_prompt="#tts[Wait]", max_duration=600)))
    call = incoming(box)
    assert (call.state, len(call.heard)) == ("parked", 1)
    with VoiceClient.from_env(box.environ) as voice:
        voice.calls.update(call.call_id, Svaml(action=ConnectPstn(number=CALLEE)))
        call.answer()
        assert (call.state, app.names()) == ("answered", ["ice", "ace"])
        voice.calls.hangup(call.call_id)
    box.settle()
    assert app.last(DisconnectedCall).reason == "MANAGERHANGUP"


def test_a_parked_call_ends_at_its_limit(box: Sandbox, app: App):
    app.on(IncomingCall, Svaml(action=Park(max_duration=60)))
    incoming(box)
    box.clock.advance(60)
    assert app.last(DisconnectedCall).reason == "TIMEOUT"


def test_a_participant_can_use_a_menu_and_go_back(box: Sandbox, app: App):
    app.on(IncomingCall, Svaml(action=ConnectConf("room")))
    app.on(PromptInput, Svaml(action=Continue()))
    call = incoming(box)
    with VoiceClient.from_env(box.environ) as voice:
        voice.calls.update(call.call_id, Svaml(action=menu(max_digits=1)))
    call.press("5")
    assert app.last(PromptInput).menu_result.value == "5"
    assert (call.state, call.conference_id) == ("answered", "room")


def test_recordings_are_reported(box: Sandbox, app: App):
    bucket = RecordingOptions(
        destination_url="s3://bucket/folder/",
        transcription_options=TranscriptionOptions(enabled=True),
    )
    app.on(IncomingCall, Svaml([StartRecording(bucket)], menu(max_digits=1)))
    app.on(PromptInput, Svaml([StopRecording()], Hangup()))
    call = incoming(box)
    call.press("1")
    told = [event for event in app.events if isinstance(event, Notification)]
    name = f"s3://bucket/folder/20261120120000_{box.application_key}_{call.call_id}"
    assert [(event.type, event.destination) for event in told] == [
        ("recording_finished", None),
        ("recording_available", f"{name}.mp3"),
        ("transcription_available", f"{name}-transcript.json"),
    ]
    assert app.names() == ["ice", "pie", "notify", "notify", "notify", "dice"]


@pytest.mark.parametrize(
    ("options", "told"),
    [(None, 2), (RecordingOptions(notification_events=False), 0)],
)
def test_a_recording_ends_with_its_call(box: Sandbox, app: App, options: Any, told: int):
    app.on(IncomingCall, Svaml([StartRecording(options)], ConnectPstn(number=CALLEE)))
    call = incoming(box)
    call.answer()
    call.hang_up(by="callee")
    assert app.names() == ["ice", "ace", *["notify"] * told, "dice"]


def test_a_request_starts_and_stops_a_recording(box: Sandbox, app: App):
    app.on(IncomingCall, Svaml(action=ConnectPstn(number=CALLEE)))
    call = incoming(box)
    call.answer()
    with VoiceClient.from_env(box.environ) as voice:
        file = RecordingOptions(destination_url="azure://account/container/a.wav")
        voice.calls.update(call.call_id, Svaml([StartRecording(file)]))
        voice.calls.update(call.call_id, Svaml([StopRecording()]))
    box.settle()
    assert app.last(Notification).destination == "azure://account/container/a.wav"


def test_a_conference_or_a_continued_call_may_be_recorded(box: Sandbox, app: App):
    app.on(IncomingCall, Svaml(action=ConnectPstn(number=CALLEE)))
    app.on(AnsweredCall, Svaml(action=Continue(record=True)), Svaml(action=recorded_room()))
    for _ in range(2):
        call = incoming(box)
        call.answer()
        call.hang_up()
    told = [event.type for event in app.events if isinstance(event, Notification)]
    assert told == ["recording_finished", "recording_available"] * 2


def recorded_room() -> ConnectConf:
    return ConnectConf("room", record=True, recording_options=RecordingOptions(format="wav"))


# --- Failures ------------------------------------------------------------------------------------


@pytest.mark.parametrize("reply", [500, 302, 401, b""])
def test_an_incoming_call_without_an_answer_is_ended(box: Sandbox, app: App, reply: Any):
    app.on(IncomingCall, reply)
    call = incoming(box)
    dice = app.last(DisconnectedCall)
    assert (dice.result, dice.reason) == ("FAILED", "CALLBACKERROR")
    assert (call.result, call.reason) == ("FAILED", "GENERALERROR")


@pytest.mark.parametrize("reply", [500, b""])
def test_without_an_answer_an_answered_call_is_connected(box: Sandbox, app: App, reply: Any):
    app.on(IncomingCall, Svaml(action=ConnectPstn(number=CALLEE)))
    app.on(AnsweredCall, reply)
    call = incoming(box)
    call.answer()
    assert call.state == "answered"


def test_a_menu_without_an_answer_ends_the_call(box: Sandbox, app: App):
    app.on(IncomingCall, Svaml(action=menu(max_digits=1)))
    app.on(PromptInput, 500)
    incoming(box).press("1")
    dice = app.last(DisconnectedCall)
    assert (dice.result, dice.reason) == ("ANSWERED", "CALLBACKERROR")


@pytest.mark.parametrize(
    ("reply", "problem"),
    [
        (b"hello", "the answer is not JSON"),
        (b"[]", "not of type"),
        (b'{"action":{"name":"continue"}}', "continue is not allowed in the answer to ice"),
        (b'{"action":{"name":"dance"}}', "unknown action 'dance'"),
        (b'{"action":{"name":"Hangup"}}', "unknown action 'Hangup'"),
        (b'{"instructions":[{"name":"say","text":"a"}]}', "action"),
        (b'{"action":{"name":"connectPstn","maxDuration":99999}}', "connectPstn: maxDuration"),
        (b'{"action":{"name":"hangup"},"action":{"name":"park"}}', "action occurs twice"),
        (
            b'{"action":{"name":"runMenu","mainMenu":"x","menus":[{"id":"main"}]}}',
            "RunMenu goes to menu 'x'",
        ),
        (b'{"action":{"name":"park","maxDuration":NaN}}', "NaN is not JSON"),
        (b"[" * 100_000, "recursion"),
    ],
)
def test_bad_svaml_is_a_calling_error_and_ends_the_call(
    box: Sandbox, app: App, reply: bytes, problem: str
):
    app.on(IncomingCall, reply)
    call = incoming(box)
    assert app.names() == ["ice", "notify", "dice"]
    told = app.last(Notification)
    assert (told.type, told.error_code) == ("callingerror", 40001)
    assert told.error_message.startswith("Illegal SVAML: ")
    assert problem in told.error_message
    assert problem in str(box.callbacks[0].error)
    assert app.last(DisconnectedCall).reason == "CALLBACKERROR"
    assert (call.result, call.reason) == ("FAILED", "INVALIDSVAMLACTION")


def test_an_event_that_takes_no_svaml_is_answered_with_some(box: Sandbox, app: App):
    app.on(IncomingCall, Svaml(action=Hangup()))
    app.on(DisconnectedCall, b'{"action":{"name":"connectPstn"}}')
    incoming(box)
    assert app.names() == ["ice", "dice", "notify"]
    assert '"hangup" was expected' in app.last(Notification).error_message


@pytest.mark.parametrize("reply", [b"ok", b'{"status":"ok"}', b'{"action":{"name":"hangup"}}'])
def test_answers_other_than_svaml_are_ignored_where_none_is_needed(
    box: Sandbox, app: App, reply: bytes
):
    app.on(IncomingCall, Svaml(action=Hangup()))
    app.on(DisconnectedCall, reply)
    incoming(box)
    assert app.names() == ["ice", "dice"]


def test_report_call_status_is_accepted(box: Sandbox, app: App):
    app.on(IncomingCall, Svaml(action=Hangup()))
    app.on(DisconnectedCall, Svaml([ReportCallStatus("success", details="done")]))
    incoming(box)
    assert app.names() == ["ice", "dice"]


def test_an_application_that_answers_in_a_loop_ends_its_call(box: Sandbox, app: App):
    app.on(IncomingCall, Svaml(action=RunMenu()))
    app.on(PromptInput, Svaml(action=RunMenu()))
    call = incoming(box)
    assert {event.menu_result.type for event in app.events[1:-1]} == {"error"}
    assert (call.reason, len(app.events)) == ("GENERALERROR", 101)


@pytest.mark.parametrize(
    "action",
    [
        {"name": "connectPstn", "dialTimeout": 10**18},
        {"name": "runMenu", "menus": [{"id": "main", "timeoutMills": 10**400}]},
        {"name": "runMenu", "menus": [{"id": "main", "maxTimeoutMills": 10**18}]},
        {
            "name": "connectConf",
            "conferenceId": "room",
            "conferenceDtmfOptions": {"mode": "detect", "maxDigits": 9, "timeoutMills": 10**18},
        },
    ],
)
def test_a_wait_past_the_year_9999_has_no_end(box: Sandbox, app: App, action: dict[str, Any]):
    box.ring = math.inf
    app.on(IncomingCall, json.dumps({"action": action}).encode())
    call = incoming(box)
    box.clock.advance(1)
    if call.state == "answered":
        call.press("1")
    assert call.ended is None
    call.hang_up()
    assert app.names()[-1] == "dice"


@pytest.mark.parametrize("error", [SystemExit(1), TimeoutError("db"), pytest.fail.Exception("no")])
@pytest.mark.parametrize("kind", ["asgi", "wsgi"])
def test_any_exception_of_an_application_is_an_error_500(
    box: Sandbox, kind: str, error: BaseException
):
    async def asgi(scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "http"
        raise error

    def wsgi(environ: Any, start_response: Any) -> list[bytes]:
        raise error

    box.callback_app = asgi if kind == "asgi" else wsgi
    incoming(box)
    assert [sent.status for sent in box.callbacks] == [500, 500]
    assert str(box.callbacks[0].error).endswith(f"{type(error).__name__}: {error}")


def test_an_answer_that_is_nested_too_deep_is_a_calling_error(box: Sandbox, app: App):
    app.on(IncomingCall, b'{"action":' * 300 + b"1" + b"}" * 300)
    call = incoming(box)
    assert (call.reason, app.names()) == ("INVALIDSVAMLACTION", ["ice", "notify", "dice"])


def test_complaints_about_complaints_are_not_sent(box: Sandbox, app: App):
    app.on(IncomingCall, b"{}")
    app.on(Notification, b'{"action":{"name":"hangup"}}')
    incoming(box)
    assert app.names() == ["ice", "notify", "dice"]


def test_an_application_that_fails_is_an_error_500(box: Sandbox, app: App):
    app.replies[IncomingCall] = lambda _: 1 // 0  # type: ignore[assignment,return-value]
    incoming(box)
    assert [(sent.event, sent.status) for sent in box.callbacks] == [("ice", 500), ("dice", 200)]


# --- Callback URLs -------------------------------------------------------------------------------


def test_the_fallback_gets_callbacks_that_the_primary_does_not_accept(box: Sandbox, app: App):
    box.callback_url, box.callback_fallback_url = "/first", "/second"
    app.on(IncomingCall, 503, Svaml(action=Hangup()))
    incoming(box)
    assert [(sent.event, sent.which, sent.status) for sent in box.callbacks] == [
        ("ice", "primary", 503),
        ("ice", "fallback", 200),
        ("dice", "primary", 200),
    ]
    assert [event.repeated for event in app.events] == [False, True, False]


def test_callbacks_go_to_loopback_only(box: Sandbox):
    with pytest.raises(InvalidRequest, match="callbacks go to loopback only"):
        box.callback_url = "http://example.com/sinch"
    with pytest.raises(InvalidRequest, match="callbacks go to loopback only"):
        box.callback_fallback_url = "http://127.0.0.1@example.com/"
    with pytest.raises(InvalidRequest, match="give an absolute URL"):
        box.callback_url = "/sinch"
    box.callback_url = "http://localhost:1/sinch"
    call = incoming(box)
    assert call.result == "FAILED"
    assert [sent.status for sent in box.callbacks] == [None, None]
    assert "refused" in str(box.callbacks[0].error)


def test_other_hosts_have_to_be_allowed():
    with (
        pytest.raises(InvalidRequest, match="callbacks go to loopback only"),
        running(callback_url="http://voice.example.com/", callback_hosts=["example.com"]),
    ):
        pass
    with running(callback_url="http://a.example.com/", callback_hosts=["*.example.com"]) as box:
        assert box.callback_url == "http://a.example.com/"
        box.reset()
        assert box.callback_url == "http://a.example.com/"


def test_each_application_has_its_own_urls(box: Sandbox, app: App):
    other = box.add_application()
    added = box.add_number("+12125550199")
    other.callback_url = "/other"
    with pytest.raises(InvalidRequest, match="the application has no number"):
        other.incoming_call(from_=CALLER)
    added.application_key = other.application_key
    for call in (other.incoming_call(from_=CALLER), incoming(box, to="+12125550199")):
        assert call.application_key == other.application_key
    assert {sent.url for sent in box.callbacks} == {"http://localhost/other"}
    assert {sent.status for sent in box.callbacks} == {401}  # its secret is the other one


# --- Faults --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (faults.Tampered(), 401),
        (faults.WrongKey(), 401),
        (faults.Old(301), 401),
        (faults.Old(200), 200),
    ],
)
def test_forged_callbacks_are_refused(box: Sandbox, app: App, fault: Any, reason: int):
    app.on(IncomingCall, Svaml(action=Hangup()))
    injection = box.inject(fault, on="ice")
    incoming(box)
    assert [sent.status for sent in box.callbacks] == [reason, 200]
    assert (injection.hits, box.callbacks[0].faults) == (1, (fault,))


def test_a_callback_arrives_twice(box: Sandbox, app: App):
    app.on(IncomingCall, Svaml(action=Hangup()))
    box.inject([faults.Twice()], on="DICE /sinch")
    incoming(box)
    assert [event.repeated for event in app.events] == [False, False, True]
    assert [sent.is_repeat for sent in box.callbacks] == [False, False, True]
    assert box.callbacks[1].headers == box.callbacks[2].headers


def test_a_callback_arrives_late(box: Sandbox, app: App):
    app.on(IncomingCall, Svaml(action=ConnectPstn(number=CALLEE)))
    box.inject([faults.Late(30)], on="ICE")
    call = incoming(box)
    assert (app.names(), call.state) == ([], "ringing")
    box.clock.advance(30)
    assert app.names() == ["ice"]
    box.clock.advance(1)
    assert (app.names(), call.state) == (["ice", "ace"], "answered")


def test_a_callback_arrives_out_of_order(box: Sandbox, app: App):
    app.on(IncomingCall, Svaml(action=ConnectPstn(number=CALLEE)))
    box.inject([faults.OutOfOrder()], on="ACE")
    call = incoming(box)
    call.answer()
    call.hang_up()
    assert app.names() == ["ice", "dice", "ace"]


def test_a_callback_held_back_arrives_at_the_end(box: Sandbox, app: App):
    app.on(IncomingCall, Svaml(action=Hangup()))
    box.inject(faults.OutOfOrder(), on="DICE")
    incoming(box)
    assert app.names() == ["ice", "dice"]


@pytest.mark.parametrize(
    ("fault", "on"),
    [
        (faults.Twice(), "POST"),
        (faults.Latency(1), "ICE"),
        ([faults.Twice(), faults.Latency(1)], "*"),
    ],
)
def test_faults_of_requests_and_callbacks_are_not_mixed(box: Sandbox, fault: Any, on: str):
    with pytest.raises(InvalidRequest):
        box.inject(fault, on=on)


def test_faults_for_all_routes_strike_one_kind(box: Sandbox, app: App):
    app.on(IncomingCall, Svaml(action=Hangup()))
    box.inject(faults.unavailable())
    box.inject(faults.Old(60))
    incoming(box)
    assert [sent.faults for sent in box.callbacks] == [(faults.Old(60),)] * 2


# --- Application and API at once -----------------------------------------------------------------


def test_an_application_may_use_the_api_while_it_answers(box: Sandbox, app: App):
    with VoiceClient.from_env(box.environ) as voice:

        def greet(event: AnsweredCall) -> Reply:
            assert event.call_id is not None
            voice.calls.say(event.call_id, "Hello", leg="callee")
            assert voice.calls.get(event.call_id).status == "ONGOING"
            box.settle()
            return Svaml(action=Continue())

        app.on(IncomingCall, Svaml(action=ConnectPstn(number=CALLEE)))
        app.replies[AnsweredCall] = greet
        call = incoming(box)
        call.answer()
    assert [heard.what for heard in call.heard] == [Say("Hello")]


def test_a_call_that_ends_before_an_answer_ends_at_once(box: Sandbox, app: App):
    with VoiceClient.from_env(box.environ) as voice:

        def hang_up(event: IncomingCall) -> Reply:
            assert event.call_id is not None
            voice.calls.hangup(event.call_id)
            assert voice.calls.get(event.call_id).status == "FINAL"
            return Svaml(action=ConnectPstn(number=CALLEE))

        app.replies[IncomingCall] = hang_up
        call = incoming(box)
    assert (call.reason, app.names()) == ("MANAGERHANGUP", ["ice", "dice"])
    assert call.to == OtherEndpoint("did", NUMBER)


def test_a_bad_answer_that_comes_after_the_end_is_not_complained_about(box: Sandbox, app: App):
    def hang_up(event: IncomingCall) -> Reply:
        box.calls[str(event.call_id)].hang_up()
        return b'{"action":{"name":"dance"}}'

    app.replies[IncomingCall] = hang_up
    incoming(box)
    assert app.names() == ["ice", "dice"]


def test_an_action_of_a_request_comes_after_the_awaited_answer(box: Sandbox, app: App):
    with VoiceClient.from_env(box.environ) as voice:

        def park(event: IncomingCall) -> Reply:
            voice.calls.update(str(event.call_id), Svaml(action=Park()))
            return Svaml(action=ConnectConf("room"))

        app.replies[IncomingCall] = park
        call = incoming(box)
    assert (call.state, call.conference_id) == ("parked", None)
    assert call.actions == [ConnectConf("room"), Park()]


def test_an_application_may_place_calls_while_it_answers(box: Sandbox, app: App):
    box.ring = 0
    with VoiceClient.from_env(box.environ) as voice:
        placed = {"destination": CALLEE.to_wire(), "conferenceId": "room", "cli": NUMBER}
        body = {"method": "conferenceCallout", "conferenceCallout": {**placed, "enableAce": True}}

        def call_out(event: IncomingCall) -> Reply:
            voice.request("POST", "/calling/v1/callouts", json=body)
            return Svaml(action=ConnectConf("room"))

        app.replies[IncomingCall] = call_out
        app.on(AnsweredCall, Svaml(action=ConnectConf("room")))
        incoming(box)
    assert [call.conference_id for call in box.calls.values()] == ["room", "room"]
    assert sorted(app.names()) == ["ace", "ice"]


def test_a_reset_drops_calls_in_progress(box: Sandbox, app: App):
    entered, leave = threading.Event(), threading.Event()

    def wait(event: IncomingCall) -> Reply:
        entered.set()
        leave.wait(5)
        return Svaml(action=Hangup())

    app.replies[IncomingCall] = wait
    caller = threading.Thread(target=lambda: incoming(box))
    caller.start()
    assert entered.wait(5)
    box.reset()
    caller.join(5)
    assert not caller.is_alive()
    leave.set()
    assert (box.callbacks, dict(box.calls), box.callback_app) == ([], {}, None)


def test_a_slow_application_has_many_calls_at_once(box: Sandbox):
    app, arrived = App(box), threading.Barrier(12)

    def wait(event: IncomingCall) -> Reply:
        arrived.wait(10)  # all must arrive first
        return Svaml(action=Park())

    app.replies[IncomingCall] = wait
    box.callback_app = app
    callers = [threading.Thread(target=lambda: incoming(box)) for _ in range(12)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(20)
    assert [call.state for call in box.calls.values()] == ["parked"] * 12


def test_waiting_too_long_for_callbacks_is_an_error(box: Sandbox, app: App):
    entered, leave = threading.Event(), threading.Event()

    def wait(event: IncomingCall) -> Reply:
        entered.set()
        leave.wait(5)
        return Svaml(action=Hangup())

    app.replies[IncomingCall] = wait
    caller = threading.Thread(target=lambda: incoming(box))
    caller.start()
    assert entered.wait(5)
    with pytest.raises(TimeoutError, match="callbacks are still unanswered"):
        box.settle(0.01)
    leave.set()
    caller.join(5)
    box.settle()


def test_obsolete_times_are_dropped(box: Sandbox, app: App):
    app.on(IncomingCall, Svaml(action=ConnectPstn(number=CALLEE)))
    for _ in range(100):
        incoming(box, ring=3600).hang_up()
    assert len(box._world.switchboard._due) <= 65


def test_real_time_drives_calls():
    with running(populated=False) as box:
        app = App(box)
        box.callback_app = app
        done = threading.Event()
        app.replies[DisconnectedCall] = lambda _: done.set()
        app.on(IncomingCall, Svaml(action=ConnectPstn(number=CALLEE, max_duration=1)))
        box.incoming_call(from_=CALLER, ring=0.05)
        assert done.wait(10)
    assert app.names() == ["ice", "ace", "dice"]


def test_an_asgi_application_has_one_loop_and_its_lifespan(box: Sandbox):
    seen: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["type"])
        if scope["type"] == "lifespan":
            scope["state"]["key"] = Callbacks(
                Credentials(box.application_key, box.application_secret)
            )
            while (await receive())["type"] != "lifespan.shutdown":
                await send({"type": "lifespan.startup.complete"})
            await send({"type": "lifespan.shutdown.complete"})
            seen.append("shutdown")
            return
        event = await scope["state"]["key"].receive_asgi(scope, receive)
        seen.append(str(event.event))
        answer = event.answer(Svaml(action=Hangup()) if event.event == "ice" else None)
        headers = [(name.encode(), value.encode()) for name, value in answer.headers.items()]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer.body})

    box.callback_app = app
    incoming(box)
    box.callback_app = None
    assert seen == ["lifespan", "http", "ice", "http", "dice", "shutdown"]


@pytest.mark.parametrize("kind", ["asgi", "wsgi"])
def test_a_slow_application_in_this_process_has_not_answered(kind: str):
    async def asgi(scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "http"
        await asyncio.sleep(10)

    def wsgi(environ: Any, start_response: Any) -> list[bytes]:
        time.sleep(0.1)
        start_response("200 OK", [])
        return []

    app = asgi if kind == "asgi" else wsgi
    with running(now=NOW, populated=False, callback_app=app, callback_timeout=0.05) as box:
        assert incoming(box).result == "FAILED"
        assert {sent.error for sent in box.callbacks} == {"no answer within 0.05 s"}


def test_an_asgi_application_that_fails_is_an_error_500(box: Sandbox):
    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise LookupError(scope["type"])

    box.callback_app = app
    incoming(box)
    assert [sent.status for sent in box.callbacks] == [500, 500]


def test_an_application_with_more_arguments_is_told_by_whether_it_waits(box: Sandbox):
    def wsgi(environ: Any, start_response: Any, status: str = "204 No Content") -> list[bytes]:
        start_response(status, [])
        return []

    async def asgi(*given: Any) -> None:
        assert given[0]["type"] == "http"
        await given[2]({"type": "http.response.start", "status": 204, "headers": []})
        await given[2]({"type": "http.response.body"})

    for app in (wsgi, asgi):
        box.callback_app = app
        incoming(box)
    assert {sent.status for sent in box.callbacks} == {204}


@pytest.mark.parametrize("app", [1, object, lambda: None, lambda a: None])
def test_an_invalid_application_is_refused(box: Sandbox, app: Any):
    with pytest.raises(InvalidRequest, match="give an ASGI application"):
        box.callback_app = app


# --- Memory and records --------------------------------------------------------------------------


def test_memory_has_limits(box: Sandbox, app: App, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("sinchvoice.sandbox.switchboard.CALLBACKS", 5)
    monkeypatch.setattr("sinchvoice.sandbox.world.CALLS", 2)
    app.on(IncomingCall, Svaml(action=Hangup()))
    calls = [incoming(box) for _ in range(4)]
    assert len(box.callbacks) == 5
    assert list(box.calls) == [call.call_id for call in calls[-2:]]
    monkeypatch.setattr("sinchvoice.sandbox.switchboard.BYTES", 600)
    incoming(box)
    assert len(box.callbacks) == 1


def test_records_and_reports_agree_with_callbacks(box: Sandbox, app: App, tmp_path: Path):
    app.on(
        IncomingCall,
        Svaml(action=ConnectPstn(number=CALLEE)),
        Svaml(action=Hangup()),
    )
    first = incoming(box)
    first.answer()
    box.clock.advance(61)
    first.hang_up()
    incoming(box)
    box.clock.advance(timedelta(days=1))
    files = box.write_cdr_files(tmp_path, date(2026, 11, 20))
    records = [record for file in files for record in cdr.read(file)]
    told = [event for event in app.events if isinstance(event, DisconnectedCall)]
    assert len(told) == 2
    assert {
        record.call_id: (record.duration, getattr(record, "amount", None)) for record in records
    } == {
        event.call_id: (event.duration or 0, event.debit and event.debit.amount) for event in told
    }
    with VoiceClient.from_env(box.environ) as voice:
        report = voice.reports.user_calls(CALLEE, domain="pstn")
        assert (report.success, report.duration) == (1, 61)


@pytest.mark.parametrize(
    ("call", "problem"),
    [
        (lambda call: call.press("a"), "give 0-9"),
        (lambda call: call.hang_up(by="nobody"), "give 'caller' or 'callee'"),
    ],
)
def test_an_impossible_operation_is_refused(box: Sandbox, app: App, call: Any, problem: str):
    app.on(IncomingCall, Svaml(action=ConnectPstn(number=CALLEE)))
    ongoing = incoming(box)
    with pytest.raises(InvalidRequest, match=problem):
        call(ongoing)


def test_added_calls_can_be_driven(box: Sandbox, app: App):
    call = box.add_call(to=CALLEE, ring=60, duration=30)
    with pytest.raises(InvalidRequest, match="add_call"):
        call.press("1")
    call.answer()
    assert call.state == "answered"
    with pytest.raises(InvalidRequest, match="is not ringing"):
        call.answer()
    call.hang_up(by="callee")
    assert (call.reason, box.callbacks) == ("CALLEEHANGUP", [])
    with pytest.raises(InvalidRequest, match="the call ended at"):
        call.hang_up()


# --- All answers ---------------------------------------------------------------------------------


def strict(parts: Iterable[Any], key: str) -> list[Any]:
    """Return the parts in the strict specification: `answer` does not check unknown ones."""
    return [
        part
        for part in parts
        if isinstance(part, ReportCallStatus)
        or find_problem({key: part.to_wire() if key == "action" else [part.to_wire()]}) is None
    ]


parts = st.sampled_from(strict((part for part, _ in INSTRUCTIONS.values()), "instructions"))
actions = st.none() | st.sampled_from(strict((part for part, _ in ACTIONS.values()), "action"))


@pytest.mark.parametrize("kind", [IncomingCall, AnsweredCall, PromptInput, DisconnectedCall])
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(instructions=st.lists(parts, max_size=3), action=actions)
def test_the_sandbox_takes_exactly_the_answers_that_the_client_allows(
    shared: Sandbox, kind: type, instructions: list[Instruction], action: Any
):
    if not instructions and action is None:
        return
    shared.reset()
    app = shared.callback_app = App(shared)
    given_svaml, allowed = Svaml(instructions, action), []

    def answer(event: Event) -> bytes:
        try:
            allowed.append(bool(event.answer(given_svaml).body))
        except InvalidRequest:
            allowed.append(False)
        return json.dumps(given_svaml.to_wire()).encode()

    app.on(IncomingCall, Svaml(action=menu(max_digits=1)))
    app.on(PromptInput, Svaml(action=ConnectPstn(number=CALLEE)), Svaml(action=Hangup()))
    app.replies[kind] = answer
    call = incoming(shared)
    if kind is not IncomingCall:
        call.press("1")
    if kind is AnsweredCall:
        call.answer()
    if kind is DisconnectedCall:
        call.hang_up()
    told = [event for event in app.events if isinstance(event, Notification)]
    complained = [event.type for event in told].count("callingerror")
    assert allowed
    assert complained == allowed.count(False)
    check_callbacks(shared)


# --- Sockets -------------------------------------------------------------------------------------


class Quiet(WSGIRequestHandler):
    """A handler without a log that keeps connections open."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments: Any) -> None:
        pass


@contextmanager
def serving(app: Any) -> Iterator[str]:
    """Serve a WSGI application, and yield its URL."""
    with make_server("127.0.0.1", 0, app, handler_class=Quiet) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def test_callbacks_travel_over_http(box: Sandbox):
    app = App(box)
    app.on(IncomingCall, Svaml([Say("Hé")], ConnectPstn(number=CALLEE)))
    with serving(app) as url, VoiceClient.from_env(box.environ) as voice:
        box.callback_url = f"{url}/a%20b/?x=1"
        box.callback_fallback_url = f"{url}/fallback"

        def say(event: AnsweredCall) -> Reply:
            voice.calls.say(str(event.call_id), "Hello")
            return Svaml(action=Continue())

        app.replies[AnsweredCall] = say
        call = incoming(box)
        call.answer()
        call.hang_up()
    assert app.names() == ["ice", "ace", "dice"]
    assert {sent.url for sent in box.callbacks} == {f"{url}/a%20b/?x=1"}
    assert len(call.heard) == 2


def test_a_slow_answer_is_no_answer():
    release = threading.Event()

    def slow(environ: Any, start_response: Any) -> list[bytes]:
        release.wait(10)
        return App(box)(environ, start_response)

    with running(populated=False, now=NOW, callback_timeout=0.1) as box:
        app = App(box)
        app.on(IncomingCall, Svaml(action=Hangup()))
        with serving(slow) as first, serving(app) as second:
            box.callback_url, box.callback_fallback_url = first, second
            incoming(box)
            release.set()
        late, ice, *_ = box.callbacks
    assert (late.status, late.error) == (None, "no answer within 0.1 s")
    assert (late.which, ice.which, ice.status) == ("primary", "fallback", 200)


@pytest.mark.parametrize(
    "first", [b"", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n"]
)
def test_an_answer_that_trickles_in_is_no_answer(first: bytes):
    drops = raw_servers.dripping(first, first or b"x", pause=0.05)
    with (
        running(populated=False, now=NOW, callback_timeout=0.2) as box,
        raw_servers.serving(drops) as server,
    ):
        box.callback_url = f"http://127.0.0.1:{server.port}/"
        incoming(box)
    assert {sent.error for sent in box.callbacks} == {"no answer within 0.2 s"}
    assert all(sent.seconds < 1 for sent in box.callbacks)


def test_a_connection_that_the_application_has_closed_is_not_used_again(box: Sandbox):
    def serve(connection: socket.socket) -> None:
        with connection:
            is_first = b'"ice"' in raw_servers.read_request(connection)
            park = b'{"action":{"name":"park"}}'
            connection.sendall(raw_servers.answer(park if is_first else b"{}"))

    with raw_servers.serving(serve) as server:
        box.callback_url = f"http://127.0.0.1:{server.port}/"
        call = incoming(box)
        time.sleep(0.05)
        call.hang_up()
    assert [(sent.event, sent.error) for sent in box.callbacks] == [("ice", None), ("dice", None)]


@pytest.mark.parametrize(
    ("length", "problem"),
    [(300_000, "more than 262144 bytes"), (12, "cut off 2 bytes before its end")],
)
def test_a_cut_or_endless_answer_is_no_answer(box: Sandbox, length: int, problem: str):
    def answer(environ: Any, start_response: Any) -> Iterator[bytes]:
        environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
        start_response("200 OK", [("Content-Length", str(length))])
        return iter([b" " * min(length, 10) if length < 20 else b" " * length])

    with serving(answer) as url:
        box.callback_url = url
        incoming(box)
    assert problem in str(box.callbacks[0].error)


def test_idle_connections_are_closed_in_time_and_few(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(deliveries, "_KEEPALIVE", 60.0)  # seconds
    monkeypatch.setattr(deliveries, "_MOST_IDLE", 2)
    courier = deliveries.Courier()
    answer = b"HTTP/1.1 204 No Content\r\n\r\n"

    def serve(connection: socket.socket) -> None:
        with connection:
            while raw_servers.read_request(connection):
                connection.sendall(answer)

    with ExitStack() as stack:
        servers = [stack.enter_context(raw_servers.serving(serve)) for _ in range(4)]
        urls = [f"http://127.0.0.1:{server.port}/" for server in servers]
        for url in (*urls, urls[-1], urls[-2]):
            assert courier.post(url, {}, b"") == (204, b"")
        idle = [connection for _, connection, _ in courier._idle]
        ports = [connection.getpeername()[1] for connection in idle]
        assert ports == [servers[3].port, servers[2].port]
        monkeypatch.setattr(deliveries, "_KEEPALIVE", 0.0)
        courier.post(urls[0], {}, b"")
        assert [connection.fileno() for connection in idle] == [-1, -1]
        assert len(courier._idle) == 1
        courier.leave()
        assert courier._idle == []


def test_a_connection_is_used_again(box: Sandbox, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(deliveries, "_KEEPALIVE", 60.0)  # seconds: a busy machine is slow
    clients: list[Any] = []
    answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n"
    hangup = b'{"action":{"name":"hangup"}}'

    def serve(connection: socket.socket) -> None:
        clients.append(connection)
        with connection:
            for _ in range(2):
                raw_servers.read_request(connection)
                connection.sendall(answer % (len(hangup), hangup))

    with raw_servers.serving(serve) as server:
        box.callback_url = f"http://127.0.0.1:{server.port}/"
        incoming(box)
    assert [(sent.status, sent.error) for sent in box.callbacks] == [(200, None)] * 2
    assert len(clients) == 1


def test_an_exception_of_an_application_is_kept(box: Sandbox):
    def app(environ: Any, start_response: Any) -> Any:
        raise LookupError("no such menu")

    box.callback_app = app
    box.incoming_call(from_="+12125550145")
    assert box.callbacks[0].error == "HTTP status 500: LookupError: no such menu"
