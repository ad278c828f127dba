"""All requests of the client: each operation, endpoint, instruction and action."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

import attrs
from sinchvoice import MxpEndpoint, PstnEndpoint, SipEndpoint, VoiceClient, svaml
from sinchvoice.sandbox import Sandbox

PHONE, OTHER_PHONE = PstnEndpoint("+12125550123"), PstnEndpoint("+46730170101")
USER = MxpEndpoint("myUserName")
SIP = SipEndpoint("+19876543210@example.sip.sinch.com")

_RECORDING: dict[str, Any] = {
    "destination_url": "s3://my-bucket/",
    "credentials": "key:secret:eu-central-1",
    "format": "mp3",
    "notification_events": True,
}

# Without ReportCallStatus, which is only for answers to callbacks.
INSTRUCTIONS: list[svaml.Instruction] = [
    svaml.Answer(),
    svaml.PlayFiles(["welcome", "#tts[Welcome]"], locale="en-US"),
    svaml.Say("Välkommen!", locale="sv-SE"),
    svaml.SendDtmf("ww1234#w#"),
    svaml.SetCookie("cookie_name", "cookie_value"),
    svaml.StartRecording(),
    svaml.StartRecording(
        svaml.RecordingOptions(
            **_RECORDING,
            transcription_options=svaml.TranscriptionOptions(enabled=True, locale="en-US"),
        )
    ),
    svaml.StopRecording(),
]
ACTIONS: list[svaml.Action] = [
    svaml.Hangup(),
    svaml.Continue(),
    svaml.Continue(record=True, recording_options=svaml.RecordingOptions(**_RECORDING)),
    svaml.ConnectPstn(),
    svaml.ConnectPstn(
        number=PHONE,
        locale="en-US",
        max_duration=14400,
        dial_timeout=10,
        cli="private",
        suppress_callbacks=False,
        dtmf="ww1234#w#",
        indications="no",
        amd=svaml.AnsweringMachineDetection(enabled=True, async_=False),
        tags={"team": "blue"},
    ),
    svaml.ConnectMxp(),
    svaml.ConnectMxp(destination=USER, call_headers={"foo": "bar", "baz": "qux"}),
    svaml.ConnectConf(
        "myConference",
        conference_dtmf_options=svaml.ConferenceDtmfOptions(
            mode="detect", max_digits=1, timeout_mills=3000
        ),
        moh="ring",
        record=True,
        recording_options=svaml.RecordingOptions(**_RECORDING),
    ),
    svaml.ConnectSip(
        SIP,
        max_duration=3000,
        cli="+12125550123",
        transport="TLS",
        suppress_callbacks=True,
        call_headers=[("foo", "bar")],
        moh="music3",
    ),
    svaml.ConnectStream(
        svaml.WebsocketEndpoint("wss://yourcompany.com/websocket-server"),
        streaming_options=svaml.StreamingOptions(version=1, sample_rate=44100),
        max_duration=3600,
        call_headers={"foo": "bar"},
    ),
    svaml.RunMenu(
        [
            svaml.Menu(
                "main",
                main_prompt="#tts[Welcome]",
                repeat_prompt="#tts[Again]",
                repeats=3,
                max_digits=1,
                timeout_mills=5000,
                max_timeout_mills=20000,
                options=[
                    svaml.MenuOption("1", "return(support)"),
                    svaml.MenuOption("*", "menu(sub)"),
                ],
            ),
            svaml.Menu("sub"),
        ],
        main_menu="main",
        barge=True,
        locale="en-US",
        enable_voice=True,
    ),
    svaml.Park(
        locale="en-US", intro_prompt="#tts[Welcome]", hold_prompt="#tts[Wait]", max_duration=180
    ),
]


@attrs.frozen
class Operation:
    """A request to a server.

    Attributes:
        name: Name in a report.
        run: Function that sends it, with a client and the id of a call.
        code: Code of the expected error; None for a success.
        call: Arguments of `Sandbox.add_call` for the call.
        call_id: Id of the call; None for a new one.
    """

    name: str
    run: Callable[[VoiceClient, str], object]
    code: int | None = None
    call: Mapping[str, Any] = {"from_": OTHER_PHONE, "to": PHONE}
    call_id: str | None = None


def _update(name: str, what: svaml.Svaml, **more: Any) -> Operation:
    return Operation(name, lambda voice, call: voice.calls.update(call, what), **more)


def _act(name: str, action: svaml.Action) -> Operation:
    """Return an operation that parks a call, so that it accepts every action, and acts on it."""

    def run(voice: VoiceClient, call: str) -> None:
        voice.calls.update(call, svaml.Svaml(action=svaml.Park()))
        voice.calls.update(call, svaml.Svaml(action=action))

    return Operation(name, run)


def _leg(name: str, leg: Any, what: svaml.Svaml, **more: Any) -> Operation:
    return Operation(
        name, lambda voice, call: voice.calls.manage_with_call_leg(call, leg, what), **more
    )


def _report(name: str, *arguments: Any, **options: Any) -> Operation:
    return Operation(name, lambda voice, _: voice.reports.user_calls(*arguments, **options))


_CLI, _ACCOUNT = "+12125550160", ("+12125550161", "+46730170160")
_HANGUP = svaml.Svaml([svaml.Say("Välkommen!")], svaml.Hangup())


def _tts(name: str, to: Any, **options: Any) -> Operation:
    return Operation(
        f"text to speech: {name}",
        lambda voice, _: voice.callouts.text_to_speech(to, **{"cli": _CLI, **options}),
    )


def _conference(name: str, to: Any, **options: Any) -> Operation:
    return Operation(
        f"conference callout: {name}",
        lambda voice, _: voice.callouts.conference(to, conference_id="room 1/ü", **options),
    )


def _custom(name: str, *to: Any, **options: Any) -> Operation:
    return Operation(
        f"custom callout: {name}", lambda voice, _: voice.callouts.custom(*to, **options)
    )


def _in_room(name: str, act: Callable[[VoiceClient, dict[str, str]], object]) -> Operation:
    """Return an operation on a participant, who is first called into a separate conference."""

    def run(voice: VoiceClient, call: str) -> None:
        room = f"room-{call}"
        joined = voice.conferences.call(PHONE, conference_id=room, cli=_CLI)
        act(voice, {"conference_id": room, "call_id": joined.call_id})

    return Operation(name, run)


def _deprecated(method: Callable[[str], object], argument: str) -> object:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return method(argument)


def _kind(part: object) -> str:
    return type(part).__name__


_NOON = datetime(2026, 11, 3, 12, 0, 0, 123456, tzinfo=UTC)
_ENDS = [("app user", USER), ("phone", PHONE), ("SIP", SIP)]

SUCCESSES: list[Operation] = [
    *(
        Operation(f"get a call from {caller} to {callee}", _get, call={"from_": from_, "to": to})
        for _get in [lambda voice, call: voice.calls.get(call)]
        for caller, from_ in [("nobody", None), *_ENDS]
        for callee, to in _ENDS
    ),
    *(
        Operation(f"get call {call_id}", lambda voice, call: voice.calls.get(call), call_id=call_id)
        # Without a comma, which Prism reads as a list in a path, whatever the schema.
        for call_id in ("a b", "a+b@c:d", "ü", "100%25", "~!$&'()*;=")
    ),
    *(
        _update(f"instruction {number}, {_kind(part)}", svaml.Svaml([part]))
        for number, part in enumerate(INSTRUCTIONS, start=1)
    ),
    *(_act(f"action {n}, {_kind(part)}", part) for n, part in enumerate(ACTIONS, start=1)),
    _update("all instructions, then an action", svaml.Svaml(INSTRUCTIONS, svaml.Continue())),
    *(
        _leg(f"{_kind(part)} on leg {leg}, {_kind(action)}", leg, svaml.Svaml([part], action))
        for leg in ("caller", "callee", "both")
        for part in INSTRUCTIONS
        if isinstance(part, svaml.PlayFiles | svaml.Say)
        for action in (svaml.Continue(), svaml.Hangup())
    ),
    Operation("hang up", lambda voice, call: voice.calls.hangup(call)),
    Operation("say", lambda voice, call: voice.calls.say(call, "Hello")),
    Operation("say to both", lambda voice, call: voice.calls.say(call, "Hello", leg="both")),
    Operation("play", lambda voice, call: voice.calls.play(call, "welcome")),
    Operation("play to callee", lambda voice, call: voice.calls.play(call, "a", leg="callee")),
    *(
        _report(f"report on {user}, {domain}, from {start} to {stop}", user, **window)
        for user in (USER, PHONE, MxpEndpoint("a b"), MxpEndpoint("ü@x"))
        for domain in ("data", "pstn")
        for start, stop in [
            (None, None),
            (date(2026, 11, 1), None),
            (None, _NOON),
            (date(2026, 11, 1), date(2026, 11, 8)),
            (_NOON, _NOON + timedelta(days=30)),
        ]
        for window in [{"domain": domain, "start": start, "stop": stop}]
    ),
    Operation(
        "reports on many",
        lambda voice, _: [
            outcome.result()
            for outcome in voice.reports.user_calls_many([USER, PHONE], concurrency=1)
        ],
    ),
    Operation(
        "reports by day",
        lambda voice, _: list(
            voice.reports.user_calls_by_window(USER, date(2026, 11, 1), date(2026, 11, 4))
        ),
    ),
    *(
        _tts(name, end, text="Hello")
        for name, end in [("phone", PHONE), ("app", USER), ("SIP", SIP)]
    ),
    _tts("prompts", PHONE, prompts="#tts[Hello];#href[https://example.com/more.wav]"),
    _tts(
        "everything",
        PHONE,
        text="Välkommen!",
        domain="pstn",
        dtmf="ww12#",
        custom="order 7",
        locale="sv-SE",
        enable_ace=True,
        enable_dice=True,
        enable_pie=False,
        callback_headers={"X-CB-Order": "7"},
    ),
    *(_conference(name, end) for name, end in [("phone", PHONE), ("app", USER), ("SIP", SIP)]),
    _conference(
        "everything",
        OTHER_PHONE,
        cli=_CLI,
        domain="pstn",
        dtmf="1",
        custom="order 7",
        conference_dtmf_options=svaml.ConferenceDtmfOptions(
            mode="detect", max_digits=2, timeout_mills=2500
        ),
        max_duration=600,
        locale="en-US",
        greeting="Welcome",
        moh_class="music1",
        enable_ace=False,
        enable_dice=True,
        enable_pie=True,
    ),
    _custom("phone", PHONE, cli=_CLI),
    _custom(
        "everything",
        PHONE,
        cli=_CLI,
        dtmf="#",
        custom="order 7",
        max_duration=600,
        ace=_HANGUP,
        pie="http://127.0.0.1/pie",
        dice="http://127.0.0.1/dice",
    ),
    _custom("inline", ice=svaml.Svaml(action=svaml.ConnectPstn(number=PHONE, cli=_CLI))),
    _in_room("get a conference", lambda v, at: v.conferences.get(at["conference_id"])),
    _in_room("manage", lambda v, at: v.conferences.manage_participant(**at, command="mute")),
    _in_room("mute", lambda v, at: v.conferences.mute(**at)),
    _in_room("unmute", lambda v, at: v.conferences.unmute(**at)),
    _in_room("hold", lambda v, at: v.conferences.hold(**at)),
    _in_room("hold with music", lambda v, at: v.conferences.hold(**at, moh="music3")),
    _in_room("resume", lambda v, at: v.conferences.resume(**at)),
    _in_room("kick a participant", lambda v, at: v.conferences.kick_participant(**at)),
    _in_room("kick everybody", lambda v, at: v.conferences.kick_all(at["conference_id"])),
    Operation("numbers", lambda voice, _: voice.applications.get_numbers()),
    Operation("assign numbers", lambda voice, _: voice.applications.assign_numbers(_ACCOUNT)),
    Operation(
        "assign for calls",
        lambda voice, _: voice.applications.assign_numbers(_ACCOUNT[0], capability="voice"),
    ),
    Operation("take a number", lambda voice, _: voice.applications.unassign_number(_ACCOUNT[1])),
    Operation(
        "set callback URLs",
        lambda voice, _: voice.applications.update_callback_urls(
            primary="https://primary.example.com", fallback="https://fallback.example.com"
        ),
    ),
    Operation("callback URLs", lambda voice, _: voice.applications.get_callback_urls()),
    Operation(
        "query a number",
        lambda voice, _: _deprecated(voice.applications.query_number, "+46730170101"),
    ),
    Operation("counter", lambda voice, _: voice.reports.counter("currentcalls")),
    Operation("counter, newer name", lambda voice, _: voice.reports.counter("currentCalls")),
    Operation("service", lambda voice, _: voice.reports.service_status("rtpproxy")),
]

_APPS = {"from_": USER, "to": MxpEndpoint("b")}
_OVER = {"to": PHONE, "started": _NOON, "duration": 90}

FAILURES: list[Operation] = [
    Operation("get an unknown call", lambda voice, _: voice.calls.get("unknown"), 40400),
    Operation("hang up an unknown call", lambda voice, _: voice.calls.hangup("unknown"), 40400),
    Operation("hang up again", lambda voice, call: voice.calls.hangup(call), 40400, _OVER),
    Operation("say too late", lambda v, call: v.calls.say(call, "x", leg="both"), 40400, _OVER),
    Operation("manage apps", lambda voice, call: voice.calls.hangup(call), 40003, _APPS),
    Operation("unknown conference", lambda voice, _: voice.conferences.get("unknown"), 40400),
    Operation("kick nobody", lambda voice, _: voice.conferences.kick_all("unknown"), 40400),
    Operation(
        "mute a stranger",
        lambda voice, call: voice.conferences.mute(conference_id="unknown", call_id=call),
        40400,
    ),
    Operation(
        "assign a number of others",
        lambda voice, _: voice.applications.assign_numbers("+46700000000"),
        40001,
    ),
    Operation(
        "take a number of others",
        lambda voice, _: voice.applications.unassign_number("+46700000000"),
        40001,
    ),
    Operation(
        "kick a stranger",
        lambda voice, call: voice.conferences.kick_participant(
            conference_id="unknown", call_id=call
        ),
        40400,
    ),
    Operation(
        "callback URLs of a stranger",
        lambda voice, _: voice.applications.get_callback_urls("unknown"),
        40003,
    ),
    Operation(
        "set callback URLs of a stranger",
        lambda voice, _: voice.applications.update_callback_urls(
            "unknown", primary="https://primary.example.com"
        ),
        40003,
    ),
    Operation(
        "query an invalid number",
        lambda voice, _: _deprecated(voice.applications.query_number, "+123"),
        40001,
    ),
    Operation("unknown counter", lambda voice, _: voice.reports.counter("unknown"), 40400),
    Operation("unknown service", lambda voice, _: voice.reports.service_status("x"), 40400),
]


# Requests that the client sends only on demand, and that a server refuses.
REFUSED: list[Operation] = [
    _update("unknown instruction", svaml.Svaml([svaml.Raw({"name": "shout"})]), code=40003),
    _update("unknown action", svaml.Svaml(action=svaml.Raw({"name": "explode"})), code=40003),
    _update("wrong type", svaml.Svaml([svaml.Raw({"name": "say", "text": 3})]), code=40003),
    _leg("unknown on a leg", "both", svaml.Svaml([svaml.Raw({"name": "x"})]), code=40003),
]


def add_call(operation: Operation, box: Sandbox) -> str:
    """Create the call of an operation and return its id."""
    return box.add_call(call_id=operation.call_id, **operation.call).call_id
