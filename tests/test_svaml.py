"""svaml.py: the exact JSON of every instruction and action, its limits, and the way back."""

from __future__ import annotations

import copy
import inspect
import json
import pickle
import warnings
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from referencing import Registry
from referencing.jsonschema import DRAFT202012
from sinchvoice import InvalidRequest, MxpEndpoint, PstnEndpoint, SipEndpoint, endpoints, svaml
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
    KeyValue,
    Menu,
    MenuOption,
    Park,
    PlayFiles,
    Raw,
    RecordingOptions,
    ReportCallStatus,
    RunMenu,
    Say,
    SendDtmf,
    SetCookie,
    StartRecording,
    StopRecording,
    StreamingOptions,
    Svaml,
    SvamlWarning,
    TranscriptionOptions,
    WebsocketEndpoint,
)

NUMBER = "+12125550123"
SIP = "+19876543210@example.sip.sinch.com"
WSS = "wss://yourcompany.com/websocket-server"


def as_json(value: Any) -> str:
    """Return JSON for comparison, because Python considers False equal to 0 and True to 1."""
    return json.dumps(value, sort_keys=True)


# --- Specifications ------------------------------------------------------------------------------

SCRIPTS = Path(__file__).resolve().parent.parent / "scripts"


@pytest.fixture(scope="module")
def documents() -> Iterator[dict[str, Any]]:
    """Provide the specification as published, and as enforced by the sandbox."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(SCRIPTS))
        import regenerate

        yield {
            "published": regenerate.published("calling"),
            "strict": regenerate.strict("calling"),
        }


@pytest.fixture(scope="module")
def errors(documents: dict[str, Any]) -> Callable[[Any], list[str]]:
    """Provide a function that lists a request's violations of the strict specification."""
    registry = Registry().with_resource(
        "urn:spec", DRAFT202012.create_resource(documents["strict"])
    )
    validator = Draft202012Validator(
        {"$ref": "urn:spec#/components/schemas/svamlRequest"}, registry=registry
    )
    return lambda wire: [error.message for error in validator.iter_errors(wire)]


# --- Requests ------------------------------------------------------------------------------------

RECORDING = RecordingOptions(
    destination_url="s3://my-bucket/",
    credentials="key:secret:eu-central-1",
    format="mp3",
    notification_events=False,
)
RECORDING_WIRE = {
    "destinationUrl": "s3://my-bucket/",
    "credentials": "key:secret:eu-central-1",
    "format": "mp3",
    "notificationEvents": False,
}
HEADERS = {"foo": "bar", "baz": ""}
HEADERS_WIRE = [{"key": "foo", "value": "bar"}, {"key": "baz", "value": ""}]

INSTRUCTIONS: dict[str, tuple[Any, dict[str, Any]]] = {
    "answer": (Answer(), {"name": "answer"}),
    "playFiles": (PlayFiles(["welcome"]), {"name": "playFiles", "ids": ["welcome"]}),
    "playFiles with everything": (
        PlayFiles(
            ["#tts[Welcome]", "#ssml[<speak>Hi</speak>]", "#href[https://example.com/a.mp3]"],
            locale="en-US",
        ),
        {
            "name": "playFiles",
            "ids": [
                "#tts[Welcome]",
                "#ssml[<speak>Hi</speak>]",
                "#href[https://example.com/a.mp3]",
            ],
            "locale": "en-US",
        },
    ),
    "say": (Say("Goodbye"), {"name": "say", "text": "Goodbye"}),
    "say with everything": (
        Say("Adiós,\nCéline", locale="Céline"),
        {"name": "say", "text": "Adiós,\nCéline", "locale": "Céline"},
    ),
    "sendDtmf": (SendDtmf("ww1234#w#"), {"name": "sendDtmf", "value": "ww1234#w#"}),
    "setCookie": (SetCookie("a", "b"), {"name": "setCookie", "key": "a", "value": "b"}),
    "setCookie without a value": (
        SetCookie("a", ""),
        {"name": "setCookie", "key": "a", "value": ""},
    ),
    "startRecording": (StartRecording(), {"name": "startRecording"}),
    "startRecording with everything": (
        StartRecording(
            RecordingOptions(
                destination_url="azure://account/container/file",
                credentials="access key",
                format="wav",
                notification_events=True,
                transcription_options=TranscriptionOptions(enabled=False, locale="sv-SE"),
            )
        ),
        {
            "name": "startRecording",
            "options": {
                "destinationUrl": "azure://account/container/file",
                "credentials": "access key",
                "format": "wav",
                "notificationEvents": True,
                "transcriptionOptions": {"enabled": False, "locale": "sv-SE"},
            },
        },
    ),
    "startRecording with empty options": (
        StartRecording(RecordingOptions(transcription_options=TranscriptionOptions())),
        {"name": "startRecording", "options": {"transcriptionOptions": {}}},
    ),
    "stopRecording": (StopRecording(), {"name": "stopRecording"}),
    "reportCallStatus": (
        ReportCallStatus("success"),
        {"name": "reportCallStatus", "value": "success"},
    ),
    "reportCallStatus with everything": (
        ReportCallStatus("FAILURE", "no sound"),
        {"name": "reportCallStatus", "value": "FAILURE", "details": "no sound"},
    ),
    "raw": (
        Raw({"name": "dance", "style": {"tempo": 0, "loud": False, "to": None}}),
        {"name": "dance", "style": {"tempo": 0, "loud": False, "to": None}},
    ),
}
ACTIONS: dict[str, tuple[Any, dict[str, Any]]] = {
    "hangup": (Hangup(), {"name": "hangup"}),
    "continue": (Continue(), {"name": "continue"}),
    "continue with everything": (
        Continue(record=False, recording_options=RECORDING),
        {"name": "continue", "record": False, "recordingOptions": RECORDING_WIRE},
    ),
    "connectPstn": (ConnectPstn(), {"name": "connectPstn"}),
    "connectPstn with everything": (
        ConnectPstn(
            number=NUMBER,
            locale="en-US",
            max_duration=3000,
            dial_timeout=10,
            cli="private",
            suppress_callbacks=False,
            dtmf="ww1234#w#",
            indications="no",
            amd=AnsweringMachineDetection(enabled=True, async_=False),
            tags={"team": "blue"},
        ),
        {
            "name": "connectPstn",
            "number": NUMBER,
            "locale": "en-US",
            "maxDuration": 3000,
            "dialTimeout": 10,
            "cli": "private",
            "suppressCallbacks": False,
            "dtmf": "ww1234#w#",
            "indications": "no",
            "amd": {"enabled": True, "async": False},
            "tags": [{"key": "team", "value": "blue"}],
        },
    ),
    "connectPstn with endpoints": (
        ConnectPstn(number=PstnEndpoint(NUMBER), cli=PstnEndpoint("+46730170101"), amd=None),
        {"name": "connectPstn", "number": NUMBER, "cli": "+46730170101"},
    ),
    "connectPstn with empty parts": (
        ConnectPstn(amd=AnsweringMachineDetection(), tags=[]),
        {"name": "connectPstn", "amd": {}, "tags": []},
    ),
    "connectMxp": (ConnectMxp(), {"name": "connectMxp"}),
    "connectMxp with everything": (
        ConnectMxp(destination=MxpEndpoint("myUserName"), call_headers=HEADERS),
        {
            "name": "connectMxp",
            "destination": {"type": "username", "endpoint": "myUserName"},
            "callheaders": HEADERS_WIRE,
        },
    ),
    "connectMxp in the spelling of the examples": (
        ConnectMxp(call_headers=HEADERS, call_headers_key="callHeaders"),
        {"name": "connectMxp", "callHeaders": HEADERS_WIRE},
    ),
    "connectConf": (
        ConnectConf("myConference"),
        {"name": "connectConf", "conferenceId": "myConference"},
    ),
    "connectConf with everything": (
        ConnectConf(
            "myConference",
            conference_dtmf_options=ConferenceDtmfOptions(
                mode="detect", max_digits=4, timeout_mills=3000
            ),
            moh="music1",
            record=True,
            recording_options=RECORDING,
        ),
        {
            "name": "connectConf",
            "conferenceId": "myConference",
            "conferenceDtmfOptions": {"mode": "detect", "maxDigits": 4, "timeoutMills": 3000},
            "moh": "music1",
            "record": True,
            "recordingOptions": RECORDING_WIRE,
        },
    ),
    "connectSip": (
        ConnectSip(SipEndpoint(SIP)),
        {"name": "connectSip", "destination": {"type": "sip", "endpoint": SIP}},
    ),
    "connectSip with everything": (
        ConnectSip(
            SipEndpoint(SIP),
            max_duration=14400,
            cli="+46730170101",
            transport="tls",
            suppress_callbacks=True,
            call_headers=[("foo", "bar"), KeyValue("baz", "")],
            moh="ring",
        ),
        {
            "name": "connectSip",
            "destination": {"type": "sip", "endpoint": SIP},
            "maxDuration": 14400,
            "cli": "+46730170101",
            "transport": "TLS",
            "suppressCallbacks": True,
            "callHeaders": HEADERS_WIRE,
            "moh": "ring",
        },
    ),
    "connectStream": (
        ConnectStream(WebsocketEndpoint(WSS)),
        {"name": "connectStream", "destination": {"type": "Websocket", "endpoint": WSS}},
    ),
    "connectStream with everything": (
        ConnectStream(
            WebsocketEndpoint(WSS),
            streaming_options=StreamingOptions(version=1, sample_rate=44100),
            max_duration=3600,
            call_headers=HEADERS,
        ),
        {
            "name": "connectStream",
            "destination": {"type": "Websocket", "endpoint": WSS},
            "streamingOptions": {"version": 1, "sampleRate": 44100},
            "maxDuration": 3600,
            "callHeaders": HEADERS_WIRE,
        },
    ),
    "runMenu": (RunMenu(), {"name": "runMenu"}),
    "runMenu with everything": (
        RunMenu(
            [
                Menu(
                    "main",
                    main_prompt="#tts[Welcome];welcome.mp3",
                    repeat_prompt="#tts[Again]",
                    repeats=0,
                    max_digits=1,
                    timeout_mills=5000,
                    max_timeout_mills=20000,
                    options=[
                        MenuOption("1", "return(support)"),
                        MenuOption(2, "menu(sub)"),
                        MenuOption("*", "return (star)"),
                        MenuOption("#", "menu(main)"),
                    ],
                ),
                Menu("sub", options=[]),
            ],
            main_menu="main",
            barge=False,
            locale="en-US",
            enable_voice=True,
        ),
        {
            "name": "runMenu",
            "barge": False,
            "locale": "en-US",
            "mainMenu": "main",
            "enableVoice": True,
            "menus": [
                {
                    "id": "main",
                    "mainPrompt": "#tts[Welcome];welcome.mp3",
                    "repeatPrompt": "#tts[Again]",
                    "repeats": 0,
                    "maxDigits": 1,
                    "timeoutMills": 5000,
                    "maxTimeoutMills": 20000,
                    "options": [
                        {"dtmf": "1", "action": "return(support)"},
                        {"dtmf": "2", "action": "menu(sub)"},
                        {"dtmf": "*", "action": "return (star)"},
                        {"dtmf": "#", "action": "menu(main)"},
                    ],
                },
                {"id": "sub", "options": []},
            ],
        },
    ),
    "runMenu without voice": (
        RunMenu([Menu("main")], enable_voice=False),
        {"name": "runMenu", "enableVoice": False, "menus": [{"id": "main"}]},
    ),
    "park": (Park(), {"name": "park"}),
    "park with everything": (
        Park(
            locale="en-US",
            intro_prompt="#tts[Welcome]",
            hold_prompt="#ssml[<speak>Wait</speak>]",
            max_duration=180,
        ),
        {
            "name": "park",
            "locale": "en-US",
            "introPrompt": "#tts[Welcome]",
            "holdPrompt": "#ssml[<speak>Wait</speak>]",
            "maxDuration": 180,
        },
    ),
    "raw": (Raw({"name": "dance"}), {"name": "dance"}),
}
PARTS = [
    *(
        pytest.param(part, wire, id=f"instruction {name}")
        for name, (part, wire) in INSTRUCTIONS.items()
    ),
    *(pytest.param(part, wire, id=f"action {name}") for name, (part, wire) in ACTIONS.items()),
]
each_part = pytest.mark.parametrize(("part", "wire"), PARTS)
each_instruction = pytest.mark.parametrize(
    ("instruction", "wire"), INSTRUCTIONS.values(), ids=INSTRUCTIONS
)
each_action = pytest.mark.parametrize(("action", "wire"), ACTIONS.values(), ids=ACTIONS)


@each_part
def test_a_part_is_sent_exactly_as_documented(part: Any, wire: dict[str, Any]):
    assert as_json(part.to_wire()) == as_json(wire)


def test_every_instruction_and_action_is_in_the_tables():
    assert {type(part) for part, _ in INSTRUCTIONS.values()} == set(get_args(svaml.Instruction))
    assert {type(part) for part, _ in ACTIONS.values()} == set(get_args(svaml.Action))


def test_the_name_of_a_part_comes_first():
    assert all(next(iter(part.to_wire())) == "name" for part, _ in ACTIONS.values())


def test_only_obvious_arguments_are_positional():
    positional = {
        kind.__name__: [
            name
            for name, parameter in inspect.signature(kind).parameters.items()
            if parameter.kind is not inspect.Parameter.KEYWORD_ONLY
        ]
        for kind in map(vars(svaml).__getitem__, svaml.__all__)
        if hasattr(kind, "to_wire")
    }
    assert {name: names for name, names in positional.items() if names} == {
        "ConnectConf": ["conference_id"],
        "ConnectSip": ["destination"],
        "ConnectStream": ["destination"],
        "KeyValue": ["key", "value"],
        "Menu": ["id"],
        "MenuOption": ["dtmf", "action"],
        "PlayFiles": ["ids"],
        "Raw": ["value"],
        "ReportCallStatus": ["value", "details"],
        "RunMenu": ["menus"],
        "Say": ["text"],
        "SendDtmf": ["value"],
        "SetCookie": ["key", "value"],
        "StartRecording": ["options"],
        "Svaml": ["instructions", "action"],
        "WebsocketEndpoint": ["endpoint"],
    }


def test_instructions_keep_their_order_and_the_action_follows():
    whole = Svaml([Answer(), Say("a"), PlayFiles(["b"]), Say("a")], Hangup())
    assert json.dumps(whole.to_wire()) == (
        '{"instructions": [{"name": "answer"}, {"name": "say", "text": "a"}, '
        '{"name": "playFiles", "ids": ["b"]}, {"name": "say", "text": "a"}], '
        '"action": {"name": "hangup"}}'
    )


@pytest.mark.parametrize(
    ("whole", "wire"),
    [
        (Svaml(action=Hangup()), {"action": {"name": "hangup"}}),
        (Svaml([Answer()]), {"instructions": [{"name": "answer"}]}),
        (Svaml(instructions=(Answer(),), action=None), {"instructions": [{"name": "answer"}]}),
        (Svaml(part for part in [Answer()]), {"instructions": [{"name": "answer"}]}),
    ],
    ids=["an action alone", "instructions alone", "a tuple", "a generator"],
)
def test_omitted_fields_are_not_sent(whole: Svaml, wire: Any):
    assert whole.to_wire() == wire


# --- Agreement with the specifications -----------------------------------------------------------


@each_part
def test_a_part_is_read_back_as_itself(part: Any, wire: dict[str, Any]):
    for whole in (
        Svaml([part] if isinstance(part, svaml.Instruction) else None, Hangup()),
        Svaml(action=part if isinstance(part, svaml.Action) else Hangup()),
    ):
        assert Svaml.from_wire(json.loads(json.dumps(whole.to_wire()))) == whole


@each_part
def test_the_generated_models_know_a_part_and_lose_nothing_of_it(part: Any, wire: dict[str, Any]):
    from sinchvoice_calling.models import FreeFormObject, SvamlRequest

    is_action = isinstance(part, svaml.Action)
    whole = (Svaml(action=part) if is_action else Svaml([part])).to_wire()
    request = SvamlRequest.from_dict(json.loads(json.dumps(whole)))
    assert as_json(request.to_dict()) == as_json(whole)
    read = request.action if is_action else request.instructions[0]
    # Reports of a call's status only answer callbacks; the generated requests do not have them.
    assert isinstance(read, FreeFormObject) == isinstance(part, Raw | ReportCallStatus)


@each_part
def test_the_sandbox_accepts_what_current_pages_document(
    part: Any, wire: dict[str, Any], errors: Callable[[Any], list[str]]
):
    whole = (Svaml(action=part) if isinstance(part, svaml.Action) else Svaml([part])).to_wire()
    undocumented = isinstance(part, Raw | ReportCallStatus)
    other_spelling = isinstance(part, ConnectMxp) and "callHeaders" in wire
    assert (errors(whole) == []) is not (undocumented or other_spelling), errors(whole)


def test_the_sandbox_accepts_an_action_whose_list_of_instructions_is_empty(
    errors: Callable[[Any], list[str]],
):
    assert errors(Svaml(instructions=[], action=Hangup()).to_wire()) == []


def test_every_documented_field_is_sent_and_no_other(documents: dict[str, Any]):
    sent: dict[str, set[str]] = {}
    for part, wire in [*INSTRUCTIONS.values(), *ACTIONS.values()]:
        if not isinstance(part, Raw):
            kind = "action" if isinstance(part, svaml.Action) else "instruction"
            sent.setdefault(f"svaml.{kind}.{wire['name']}", set()).update(wire)
    sent["svaml.action.connectMxp"].remove("callHeaders")
    schemas = documents["published"]["components"]["schemas"]
    assert sent == {
        name: set(schemas[name]["properties"])
        for name in schemas
        if name.startswith("svaml.") and "name" in schemas[name].get("properties", {})
    }


def test_tones_and_music_are_the_documented_ones(documents: dict[str, Any]):
    schemas = documents["published"]["components"]["schemas"]
    assert set(schemas["indications"]["enum"]) == svaml.INDICATIONS
    assert set(schemas["musicOnHold"]["enum"]) == set(svaml.MUSIC_ON_HOLD)


def test_every_example_of_the_vendor_is_typed_and_sent_unchanged(documents: dict[str, Any]):
    body = documents["published"]["components"]["requestBodies"]["Svaml"]
    examples = body["content"]["application/json"]["examples"]
    assert len(examples) == 16
    for name, example in examples.items():
        whole = Svaml.from_wire(example["value"])
        assert as_json(whole.to_wire()) == as_json(example["value"]), name
        assert not any(
            isinstance(part, Raw) for part in [*(whole.instructions or ()), whole.action]
        )


# --- Enforced limits -----------------------------------------------------------------------------


Make = Callable[[Any], Any]
MINIMUM, DURATION = "give a whole number, 1 or more", "give a whole number, from 1 to 14400"
TEXT, DTMF = "give a non-empty text", "use 0-9, # and w"
E164, MOH = "is not an E.164 phone number", "give one of music1, music2, music3, ring"
NO_INTEGERS = (-1, True, 1.0, "1", [1])
NO_TEXTS = ("", 5, True, b"x", ["x"], "\ud800")
LIMITS: dict[str, tuple[Make, tuple[Any, ...], tuple[Any, ...], str]] = {
    # name: how to make one, what is accepted, what is refused, the remedy
    "ConnectPstn.max_duration": (
        lambda value: ConnectPstn(max_duration=value),
        (1, 14400),
        (0, 14401, *NO_INTEGERS),
        DURATION,
    ),
    "ConnectSip.max_duration": (
        lambda value: ConnectSip(SipEndpoint(SIP), max_duration=value),
        (1, 14400),
        (0, 14401, *NO_INTEGERS),
        DURATION,
    ),
    "ConnectStream.max_duration": (
        lambda value: ConnectStream(WebsocketEndpoint(WSS), max_duration=value),
        (1, 14400),
        (0, 14401, *NO_INTEGERS),
        DURATION,
    ),
    "ConnectPstn.dial_timeout": (
        lambda value: ConnectPstn(dial_timeout=value),
        (1, 10**9),
        (0, *NO_INTEGERS),
        MINIMUM,
    ),
    "Park.max_duration": (
        lambda value: Park(max_duration=value),
        (1, 600),
        (0, *NO_INTEGERS),
        MINIMUM,
    ),
    "Menu.repeats": (
        lambda value: Menu("main", repeats=value),
        (0, 3),
        NO_INTEGERS,
        "give a whole number, 0 or more",
    ),
    "Menu.max_digits": (
        lambda value: Menu("main", max_digits=value),
        (1, 100),
        (0, *NO_INTEGERS),
        MINIMUM,
    ),
    "Menu.timeout_mills": (
        lambda value: Menu("main", timeout_mills=value),
        (1000, 30000),
        (0, *NO_INTEGERS),
        MINIMUM,
    ),
    "Menu.max_timeout_mills": (
        lambda value: Menu("main", max_timeout_mills=value),
        (1, 10**6),
        (0, *NO_INTEGERS),
        MINIMUM,
    ),
    "ConferenceDtmfOptions.max_digits": (
        lambda value: ConferenceDtmfOptions(max_digits=value),
        (1, 100),
        (0, *NO_INTEGERS),
        MINIMUM,
    ),
    "ConferenceDtmfOptions.timeout_mills": (
        lambda value: ConferenceDtmfOptions(timeout_mills=value),
        (1, 10**6),
        (0, *NO_INTEGERS),
        MINIMUM,
    ),
    "StreamingOptions.version": (
        lambda value: StreamingOptions(version=value),
        (1, 2),
        (0, *NO_INTEGERS),
        MINIMUM,
    ),
    "StreamingOptions.sample_rate": (
        lambda value: StreamingOptions(sample_rate=value),
        (16000, 44100),
        (0, *NO_INTEGERS),
        MINIMUM,
    ),
    "SendDtmf.value": (
        SendDtmf,
        ("0123456789#w", "w"),
        ("", "12*", "12 34", "W", "a", "٣", "1\n", None, 5),
        DTMF,
    ),
    "ConnectPstn.dtmf": (
        lambda value: ConnectPstn(dtmf=value),
        ("0123456789#w", "w"),
        ("", "12*", "12 34", "W", "a", "٣", "1\n", 5),
        DTMF,
    ),
    "ConnectPstn.indications": (
        lambda value: ConnectPstn(indications=value),
        ("at", "no", "uk", "za"),
        ("", "NO", "gb", "norway", False, 5, ["no"]),
        "give one of at, au, be, bg, br, ch,",
    ),
    "ConnectPstn.number": (
        lambda value: ConnectPstn(number=value),
        (NUMBER, "+123456789012345"),
        ("", "12125550123", "0012125550123", "+1234567890123456", "private", 12125550123),
        E164,
    ),
    "ConnectPstn.cli": (
        lambda value: ConnectPstn(cli=value),
        (NUMBER, "private"),
        ("", "12125550123", "Private", "anonymous", False),
        E164,
    ),
    "ConnectSip.cli": (
        lambda value: ConnectSip(SipEndpoint(SIP), cli=value),
        (NUMBER, "private"),
        ("", "12125550123", "Private", "anonymous", False),
        E164,
    ),
    "ConnectSip.transport": (
        lambda value: ConnectSip(SipEndpoint(SIP), transport=value),
        ("UDP", "TCP", "TLS"),
        ("", "SCTP", "TLS ", 5),
        "give one of TCP, TLS, UDP",
    ),
    "ConnectSip.destination": (
        ConnectSip,
        (SipEndpoint(SIP),),
        (None, SIP, PstnEndpoint(NUMBER), {"type": "sip", "endpoint": SIP}),
        "give SipEndpoint",
    ),
    "ConnectMxp.destination": (
        lambda value: ConnectMxp(destination=value),
        (MxpEndpoint("a"), None),
        ("a", SipEndpoint(SIP), {"type": "username", "endpoint": "a"}),
        "give MxpEndpoint",
    ),
    "ConnectStream.destination": (
        ConnectStream,
        (WebsocketEndpoint(WSS),),
        (None, WSS, {"type": "Websocket", "endpoint": WSS}),
        "give WebsocketEndpoint",
    ),
    "WebsocketEndpoint.endpoint": (
        WebsocketEndpoint,
        (WSS, "wss://example.com:8443/?a=1"),
        ("", "ws://example.com", "https://example.com", "wss://", "wss://a b", None),
        "give a wss:// URL",
    ),
    "ConnectMxp.call_headers_key": (
        lambda value: ConnectMxp(call_headers={"a": "b"}, call_headers_key=value),
        ("callheaders", "callHeaders"),
        ("callHeader", "CALLHEADERS", None),
        "give one of callHeaders, callheaders",
    ),
    "ConnectConf.moh": (
        lambda value: ConnectConf("a", moh=value),
        ("ring", "music1", "music2", "music3"),
        ("", "Ring", "music4", True),
        MOH,
    ),
    "ConnectSip.moh": (
        lambda value: ConnectSip(SipEndpoint(SIP), moh=value),
        ("ring", "music1", "music2", "music3"),
        ("", "Ring", "music4", True),
        MOH,
    ),
    "ConferenceDtmfOptions.mode": (
        lambda value: ConferenceDtmfOptions(mode=value),
        ("ignore", "forward", "detect"),
        ("", "Ignore", "record"),
        "give one of detect, forward, ignore",
    ),
    "ConnectConf.conference_id": (ConnectConf, ("a", "x" * 64), (None, *NO_TEXTS[:-1]), TEXT),
    "MenuOption.dtmf": (
        lambda value: MenuOption(value, "return(a)"),
        ("0", "9", "*", "#", "12"),
        ("", "w", "1 ", "a", -1, True, None),
        "give digits, * or #",
    ),
    "MenuOption.action": (
        lambda value: MenuOption("1", value),
        ("menu(main)", "return(a b)", "menu (main)", "return(0)"),
        ("", "menu", "menu main", "goto(main)", "menu(main", "Menu(main)", "return()", "menu()")
        + (None, 5),
        "write 'menu(id)' or 'return(value)'",
    ),
    "Menu.id": (Menu, ("main", "x" * 64), (None, *NO_TEXTS[:-1]), TEXT),
    "ReportCallStatus.value": (
        ReportCallStatus,
        ("success", "failure", "Success", "FAILURE"),
        ("", "ok", "success ", None, True),
        "give 'success' or 'failure'",
    ),
    "Say.text": (Say, ("a", " ", "x" * 600, "a\nb"), (None, *NO_TEXTS[:-1]), TEXT),
    "Say.locale": (lambda value: Say("a", locale=value), ("en-US",), NO_TEXTS[:-1], TEXT),
    "SetCookie.key": (lambda value: SetCookie(value, "b"), ("a",), (None, *NO_TEXTS[:-1]), TEXT),
    "SetCookie.value": (lambda value: SetCookie("a", value), ("", "b"), (None, 5), "give a text"),
    "KeyValue.key": (lambda value: KeyValue(value, "b"), ("a",), (None, *NO_TEXTS[:-1]), TEXT),
    "KeyValue.value": (lambda value: KeyValue("a", value), ("", "b"), (None, 5), "give a text"),
    "PlayFiles.ids": (
        PlayFiles,
        (["a"], ("a", "b")),
        ("welcome", None, 5, {"a": "b"}, b"a"),
        "give a list of str",
    ),
    "Continue.record": (
        lambda value: Continue(record=value),
        (True, False, None),
        (0, 1, "true"),
        "give bool",
    ),
    "AnsweringMachineDetection.enabled": (
        lambda value: AnsweringMachineDetection(enabled=value),
        (True, False),
        ("true", 1),
        "give bool",
    ),
    "AnsweringMachineDetection.async_": (
        lambda value: AnsweringMachineDetection(async_=value),
        (True, False),
        ("true", 0),
        "give bool",
    ),
    "ConnectPstn.amd": (
        lambda value: ConnectPstn(amd=value),
        (AnsweringMachineDetection(),),
        (True, {"enabled": True}),
        "give AnsweringMachineDetection",
    ),
    "ConnectPstn.tags": (
        lambda value: ConnectPstn(tags=value),
        ({}, {"a": "b"}, [("a", "b")], [KeyValue("a", "b")]),
        ("a", [5], ["ab"], [("a", "b", "c")], 5),
        "give a list of KeyValue",
    ),
    "ConnectMxp.call_headers": (
        lambda value: ConnectMxp(call_headers=value),
        ({}, {"a": "b"}),
        ("a", [5], ["ab"], [("a", "b", "c")], 5),
        "give a list of KeyValue",
    ),
    "RunMenu.menus": (
        RunMenu,
        ([Menu("main")], (Menu("main"),), None),
        ("main", ["main"], [{"id": "main"}], Menu("main")),
        "give a list of Menu",
    ),
    "Menu.options": (
        lambda value: Menu("main", options=value),
        ([], [MenuOption("1", "return(a)")], None),
        ("1", {"1": "return(a)"}, [{"dtmf": "1"}]),
        "give a list of MenuOption",
    ),
    "Svaml.instructions": (
        Svaml,
        ([Answer()], [Raw({"name": "x"})]),
        (Answer(), "answer", [Hangup()], [Svaml(action=Hangup())], [{"name": "answer"}], [None]),
        "give a list of Answer, PlayFiles, Say,",
    ),
    "Svaml.action": (
        lambda value: Svaml(action=value),
        (Hangup(), Raw({"name": "x"})),
        (Answer(), "hangup", [Hangup()], {"name": "hangup"}, Hangup, False),
        "give Hangup or Continue or ConnectPstn or",
    ),
}
ACCEPTED = [
    pytest.param(make, value, id=f"{name} {value!r:.32}")
    for name, (make, accepted, _, _) in LIMITS.items()
    for value in accepted
]
REFUSED = [
    pytest.param(name, make, value, remedy, id=f"{name} {value!a:.32}")
    for name, (make, _, refused, remedy) in LIMITS.items()
    for value in refused
]


@pytest.mark.parametrize(("make", "value"), ACCEPTED)
def test_a_value_within_its_limits_is_accepted(make: Make, value: Any):
    made = make(value)
    assert type(made).from_wire(made.to_wire()) == made


@pytest.mark.parametrize(("name", "make", "value", "remedy"), REFUSED)
def test_a_value_beyond_its_limits_is_refused_with_its_place_and_the_remedy(
    name: str, make: Make, value: Any, remedy: str
):
    with pytest.raises(InvalidRequest) as raised:
        make(value)
    message = str(raised.value)
    assert message.startswith(f"{name} ")
    assert remedy in message
    shown = tuple(value) if isinstance(value, list) else value
    assert repr(shown) in message or repr(value) in message


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("Say.text", Say),
        ("Say.locale", lambda value: Say("a", locale=value)),
        ("SetCookie.value", lambda value: SetCookie("a", value)),
        ("KeyValue.key", lambda value: KeyValue(value, "b")),
        ("PlayFiles.ids", lambda value: PlayFiles([value])),
        ("Menu.id", Menu),
        ("MenuOption.action", lambda value: MenuOption("1", f"return({value})")),
        ("WebsocketEndpoint.endpoint", lambda value: WebsocketEndpoint(f"wss://{value}")),
        ("RecordingOptions.destination_url", lambda value: RecordingOptions(destination_url=value)),
    ],
)
def test_text_that_is_not_unicode_is_refused(name: str, make: Make):
    with pytest.raises(InvalidRequest, match=name):
        make("a\ud800")


def test_nothing_to_play_is_refused():
    with pytest.raises(InvalidRequest, match=r"PlayFiles\.ids is \(\): give at least one"):
        PlayFiles([])
    with pytest.raises(InvalidRequest, match=r"PlayFiles\.ids has '': give non-empty ids"):
        PlayFiles(["a", ""])


@pytest.mark.parametrize("file_id", [5, None, True, b"a", pytest.param(10**5000, id="huge")])
def test_a_file_id_that_is_not_text_is_named(file_id: Any):
    with pytest.raises(InvalidRequest) as raised:
        PlayFiles(["a", file_id])
    assert raised.value.parameter == "PlayFiles.ids"
    assert raised.value.value is file_id
    assert "give each id as text" in str(raised.value)


@pytest.mark.parametrize("nested", [["a", "b"], ("a",), {"a"}, []])
def test_a_list_among_file_ids_is_refused_with_the_remedy(nested: Any):
    with pytest.raises(InvalidRequest) as raised:
        PlayFiles([nested])
    assert raised.value.remedy == (
        "give each id as text; a star unpacks a list, like play(call, *ids)"
    )


def test_numbers_too_long_for_python_to_print_are_refused_like_others():
    with pytest.raises(InvalidRequest, match="max_duration is a number of 5001 digits: give a"):
        ConnectPstn(max_duration=10**5000)


@pytest.mark.parametrize("given", [(), (None,), (None, None), ([],), ((), None)], ids=repr)
def test_empty_svaml_is_refused(given: tuple[Any, ...]):
    with pytest.raises(InvalidRequest, match="Svaml is empty: give instructions, an action, or"):
        Svaml(*given)


CARRIERS: dict[str, Callable[[Any], Any]] = {
    "ConnectMxp": lambda headers: ConnectMxp(call_headers=headers),
    "ConnectSip": lambda headers: ConnectSip(SipEndpoint(SIP), call_headers=headers),
    "ConnectStream": lambda headers: ConnectStream(WebsocketEndpoint(WSS), call_headers=headers),
}
FULL = [
    {"k" * 24: "v" * 1000},
    {"k": "v" * 511, "l": "v" * 511},
    {"k" * 24: "é" * 500},
    {f"{number:03}": "x" * 61 for number in range(16)},
]


@pytest.mark.parametrize("carrier", CARRIERS.values(), ids=CARRIERS)
@pytest.mark.parametrize("headers", FULL, ids=["one", "two", "two bytes a letter", "many"])
def test_call_headers_may_have_1024_bytes_together(carrier: Make, headers: dict[str, str]):
    assert len(carrier(headers).call_headers) == len(headers)


@pytest.mark.parametrize("headers", FULL, ids=["one", "two", "two bytes a letter", "many"])
def test_more_call_headers_for_an_app_are_refused(headers: dict[str, str]):
    with pytest.raises(InvalidRequest) as raised:
        ConnectMxp(call_headers=headers | {"x": ""})
    assert str(raised.value) == (
        "ConnectMxp.call_headers has 1025 bytes: give at most 1024 for all keys and values together"
    )


# --- Limits with a warning -----------------------------------------------------------------------

SOFT_LIMITS: dict[str, tuple[Make, tuple[Any, ...], tuple[Any, ...]]] = {
    # name: how to make one, what is at the limit, what is beyond it
    "Say.text": (lambda value: Say(value), ("x" * 600,), ("x" * 601,)),
    "ConnectConf.conference_id": (lambda value: ConnectConf(value), ("é" * 64,), ("x" * 65,)),
    "Menu.id": (lambda value: Menu(value), ("x" * 64,), ("x" * 65,)),
    "Menu.timeout_mills": (
        lambda value: Menu("main", timeout_mills=value),
        (1000, 30000),
        (1, 999, 30001),
    ),
    "Park.max_duration": (lambda value: Park(max_duration=value), (600,), (601, 14400)),
    "ReportCallStatus.details": (
        lambda value: ReportCallStatus("success", value),
        ("x" * 64,),
        ("x" * 65,),
    ),
    "ConnectPstn.tags": (
        lambda value: ConnectPstn(tags=value),
        ({"k" * 32: "v" * 32},),
        ({"k" * 33: "v"}, {"k": "v" * 33}),
    ),
    "Svaml sets cookies": (
        lambda value: Svaml([SetCookie("a", value), SetCookie("b", "")]),
        ("x" * 1022, "é" * 511),
        ("x" * 1023, "é" * 512),
    ),
}
AT_LIMIT = [
    pytest.param(make, value, id=f"{name} {value!r:.24}")
    for name, (make, limits, _) in SOFT_LIMITS.items()
    for value in limits
]
BEYOND = [
    pytest.param(name, make, value, id=f"{name} {value!r:.24}")
    for name, (make, _, beyond) in SOFT_LIMITS.items()
    for value in beyond
]


@pytest.mark.parametrize(("make", "limit"), AT_LIMIT)
def test_a_value_at_the_limit_of_an_older_page_gives_no_warning(make: Make, limit: Any):
    assert make(limit) is not None


@pytest.mark.parametrize(("name", "make", "value"), BEYOND)
def test_a_value_beyond_the_limit_of_an_older_page_warns_at_the_callers_line(
    name: str, make: Make, value: Any
):
    with pytest.warns(SvamlWarning) as caught:
        made = make(value)
    (warning,) = caught
    assert str(warning.message).startswith(name)
    code = make.__code__
    assert warning.filename == code.co_filename
    assert warning.lineno in {line for _, _, line in code.co_lines()}
    wire = as_json(made.to_wire())
    assert all(as_json(text) in wire for text in (value if isinstance(value, dict) else [value]))


def test_a_warning_can_be_made_an_error():
    with warnings.catch_warnings():
        warnings.simplefilter("error", SvamlWarning)
        with pytest.raises(SvamlWarning, match="longer than 600 characters"):
            Say("x" * 601)


def test_cookies_are_counted_together_and_nothing_else_is():
    Svaml([SetCookie("a", "x" * 500), Say("x" * 600), SetCookie("b", "x" * 500)])
    with pytest.warns(
        SvamlWarning, match="cookies of 1202 bytes: an older page allows 1024 per call"
    ):
        Svaml([SetCookie("a", "x" * 600), SetCookie("b", "x" * 600)])


# --- Menus ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: RunMenu([]),
            "RunMenu.menus is (): give at least one",
        ),
        (
            lambda: RunMenu([Menu("sub")]),
            "RunMenu.menus has 'sub': name one of them 'main'",
        ),
        (
            lambda: RunMenu([Menu("Main"), Menu("sub")]),
            "RunMenu.menus has 'Main', 'sub': name one of them 'main'",
        ),
        (
            lambda: RunMenu([Menu("main"), Menu("a"), Menu("a")]),
            "RunMenu.menus has 'main', 'a', 'a': give each a different id",
        ),
        (
            lambda: RunMenu([Menu("main")], main_menu="sub"),
            "RunMenu goes to menu 'sub': give one of 'main'",
        ),
        (
            lambda: RunMenu([Menu("main", options=[MenuOption("1", "menu(sub)")])]),
            "RunMenu goes to menu 'sub': give one of 'main'",
        ),
        (
            lambda: RunMenu([Menu("main"), Menu("sub", options=[MenuOption("1", "menu (mian)")])]),
            "RunMenu goes to menu 'mian': give one of 'main', 'sub'",
        ),
        (
            lambda: RunMenu([Menu("main")], enable_voice=True),
            "RunMenu.locale is missing: give it; enable_voice requires it",
        ),
        (
            lambda: RunMenu(enable_voice=True),
            "RunMenu.locale is missing: give it; enable_voice requires it",
        ),
    ],
    ids=[
        "no menu",
        "no main menu",
        "main in another case",
        "an id twice",
        "an unknown first menu",
        "an unknown menu",
        "an unknown menu below",
        "voice without a language",
        "voice without menus and language",
    ],
)
def test_inconsistent_menus_are_refused(make: Callable[[], Any], message: str):
    with pytest.raises(InvalidRequest) as raised:
        make()
    assert str(raised.value) == message


def test_menus_may_go_to_each_other_and_return_any_value():
    options = [MenuOption("1", "menu(sub)"), MenuOption("2", "return(nowhere)")]
    menu = RunMenu(
        [Menu("sub", options=[MenuOption("0", "menu(main)")]), Menu("main", options=options)],
        main_menu="sub",
    )
    assert [one.id for one in menu.menus or ()] == ["sub", "main"]


# --- Raw -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ({}, "give a JSON object with a 'name'"),
        ({"text": "x"}, "give a JSON object with a 'name'"),
        ({"name": ""}, "give a JSON object with a 'name'"),
        ({"name": None}, "give a JSON object with a 'name'"),
        ({"name": 5}, "give a JSON object with a 'name'"),
        ([{"name": "x"}], "give a JSON object with a 'name'"),
        ("hangup", "give a JSON object with a 'name'"),
        (None, "give a JSON object with a 'name'"),
        ({"name": "x", "a": {1, 2}}, "is not JSON: "),
        ({"name": "x", "a": b"y"}, "is not JSON: "),
        ({"name": "x", "a": Decimal("0.1")}, "is not JSON: "),
        ({"name": "x", "a": float("nan")}, "is not JSON: "),
        ({"name": "x", "a": float("inf")}, "is not JSON: "),
        ({"name": "x", "a": "\ud800"}, "is not JSON: "),
        ({"name": "x", "a": Hangup()}, "is not JSON: "),
    ],
    ids=ascii,
)
def test_raw_svaml_is_json_with_a_name(value: Any, reason: str):
    with pytest.raises(InvalidRequest, match=reason):
        Raw(value)


def test_raw_svaml_that_contains_itself_is_refused():
    value: dict[str, Any] = {"name": "x"}
    value["value"] = value
    with pytest.raises(InvalidRequest, match="is not JSON"):
        Raw(value)


def test_raw_svaml_does_not_change_with_its_source():
    value: dict[str, Any] = {"name": "x", "deep": {"list": [1]}}
    raw = Raw(value)
    value["deep"]["list"].append(2)
    value["more"] = True
    assert raw.to_wire() == {"name": "x", "deep": {"list": [1]}}


def test_raw_svaml_does_not_change_with_its_json():
    raw = Raw({"name": "x", "deep": {"list": [1]}})
    wire = raw.to_wire()
    wire["deep"]["list"].append(2)
    wire["more"] = True
    assert raw.to_wire() == {"name": "x", "deep": {"list": [1]}}


# --- Reading -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wire", "part"),
    [
        # names in other cases (older SVAML pages and clients)
        ({"name": "Hangup"}, Hangup()),
        ({"name": "HANGUP"}, Hangup()),
        ({"name": "ConnectPSTN", "number": NUMBER}, ConnectPstn(number=NUMBER)),
        ({"name": "connectconf", "conferenceId": "a"}, ConnectConf("a")),
        # destinations without a type, or with one in another case
        (
            {"name": "connectMxp", "destination": {"type": "Username", "endpoint": "a"}},
            ConnectMxp(destination=MxpEndpoint("a")),
        ),
        (
            {"name": "connectSip", "destination": {"type": "Sip", "endpoint": SIP}},
            ConnectSip(SipEndpoint(SIP)),
        ),
        (
            {"name": "connectSip", "destination": {"endpoint": SIP}},
            ConnectSip(SipEndpoint(SIP)),
        ),
        (
            {"name": "connectStream", "destination": {"endpoint": WSS}},
            ConnectStream(WebsocketEndpoint(WSS)),
        ),
        # from the vendor's examples
        (
            {
                "name": "connectSip",
                "destination": {"type": "sip", "endpoint": SIP},
                "transport": "tls",
            },
            ConnectSip(SipEndpoint(SIP), transport="TLS"),
        ),
        (
            {
                "name": "runMenu",
                "menus": [{"id": "main", "options": [{"dtmf": 1, "action": "return(a)"}]}],
            },
            RunMenu([Menu("main", options=[MenuOption("1", "return(a)")])]),
        ),
        (
            {"name": "connectMxp", "callheaders": [{"key": "a", "value": "b"}]},
            ConnectMxp(call_headers={"a": "b"}),
        ),
        (
            {"name": "connectMxp", "callHeaders": [{"key": "a", "value": "b"}]},
            ConnectMxp(call_headers={"a": "b"}, call_headers_key="callHeaders"),
        ),
        # null means absent
        ({"name": "connectPstn", "number": None, "amd": None, "tags": None}, ConnectPstn()),
        # unknown actions, and instructions as actions
        ({"name": "dance"}, Raw({"name": "dance"})),
        ({"name": "say", "text": "x"}, Raw({"name": "say", "text": "x"})),
    ],
    ids=lambda value: as_json(value) if isinstance(value, dict) else "",
)
def test_an_action_is_read_in_every_known_shape(wire: dict[str, Any], part: Any):
    assert Svaml.from_wire({"action": wire}) == Svaml(action=part)


def test_an_action_among_instructions_stays_raw():
    whole = Svaml.from_wire({"instructions": [{"name": "hangup"}, {"name": "Answer"}]})
    assert whole == Svaml([Raw({"name": "hangup"}), Answer()])


def action(**fields: Any) -> dict[str, Any]:
    return {"action": fields}


WRONG_WIRE: dict[str, tuple[Any, str]] = {
    "no object": ("hangup", "Svaml is .*: give a JSON object"),
    "null": (None, "Svaml is .*: give a JSON object"),
    "a list": ([{"name": "hangup"}], "Svaml is .*: give a JSON object"),
    "nothing": ({}, "Svaml is empty"),
    "empty lists": ({"instructions": []}, "Svaml is empty"),
    "nulls": ({"instructions": None, "action": None}, "Svaml is empty"),
    "an unknown field": (
        {"action": {"name": "hangup"}, "actions": []},
        "Svaml has no field 'actions': known are action, instructions",
    ),
    "an action that is text": (action() | {"action": "hangup"}, "give a JSON object with a 'name'"),
    "an action without a name": (action(number=NUMBER), "give a JSON object with a 'name'"),
    "an action whose name is a list": (action(name=["hangup"]), "give a JSON object with a 'name'"),
    "a list of actions": ({"action": [{"name": "hangup"}]}, "give a JSON object with a 'name'"),
    "instructions that are an object": (
        {"instructions": {"name": "answer"}},
        r"Svaml\.instructions is .*: give a list of",
    ),
    "an instruction that is text": ({"instructions": ["answer"]}, "with a 'name'"),
    "an instruction that is null": ({"instructions": [None]}, "with a 'name'"),
    "a field of another action": (
        action(name="hangup", number=NUMBER),
        "hangup has no field 'number': known are none",
    ),
    # A bug of the vendor's .NET SDK.
    "a misspelt introPrompt": (
        action(name="park", introPromt="a"),
        "park has no field 'introPromt': known are holdPrompt, introPrompt, locale, maxDuration",
    ),
    # Another one.
    "a misspelt barge": (
        action(name="runMenu", badge=True),
        "runMenu has no field 'badge': known are barge, enableVoice, locale, mainMenu, menus",
    ),
    "a field in our spelling": (
        action(name="park", max_duration=5),
        "park has no field 'max_duration'",
    ),
    "a field that is never sent": (
        action(name="connectMxp", callHeadersKey="callheaders"),
        "connectMxp has no field 'callHeadersKey'",
    ),
    "a required field that is missing": (
        {"instructions": [{"name": "playFiles"}]},
        "playFiles lacks the required field 'ids'",
    ),
    "a required field that is null": (
        {"instructions": [{"name": "say", "text": None}]},
        r"Say\.text is None: give a non-empty text",
    ),
    "a conference without its id": (
        action(name="connectConf"),
        "connectConf lacks the required field 'conferenceId'",
    ),
    "a menu without its id": (
        action(name="runMenu", menus=[{}]),
        "Menu lacks the required field 'id'",
    ),
    "menus that are an object": (
        action(name="runMenu", menus={"id": "main"}),
        r"RunMenu\.menus is .*: give a list of Menu",
    ),
    "a menu that is text": (
        action(name="runMenu", menus=["main"]),
        "Menu is .*: give a JSON object",
    ),
    "a header that is text": (
        action(name="connectMxp", callheaders=["a"]),
        "KeyValue is .*: give a JSON object",
    ),
    "detection that is true": (
        action(name="connectPstn", amd=True),
        "AnsweringMachineDetection is .*: give a JSON object",
    ),
    # The vendor's document has false for Norway.
    "tones that are false": (
        action(name="connectPstn", indications=False),
        r"ConnectPstn\.indications is False: give one of",
    ),
    "a number as a number": (
        action(name="connectPstn", number=12125550123),
        r"ConnectPstn\.number 12125550123 is not an E\.164 phone number",
    ),
    "an app's destination for a SIP action": (
        action(name="connectSip", destination={"type": "username", "endpoint": "a"}),
        r"ConnectSip\.destination is MxpEndpoint.*: give SipEndpoint",
    ),
    "a SIP address with a scheme": (
        action(name="connectSip", destination={"type": "sip", "endpoint": f"sip:{SIP}"}),
        "has a scheme",
    ),
    "a SIP action without a destination": (
        action(name="connectSip"),
        "lacks the required field 'destination'",
    ),
    "a SIP action with null for a destination": (
        action(name="connectSip", destination=None),
        r"ConnectSip\.destination is None: give SipEndpoint",
    ),
    "a phone number for an app": (
        action(name="connectMxp", destination={"type": "number", "endpoint": NUMBER}),
        r"ConnectMxp\.destination is PstnEndpoint.*: give MxpEndpoint",
    ),
    "an empty destination": (
        action(name="connectMxp", destination=""),
        r"ConnectMxp\.destination",
    ),
    "a list for a destination": (
        action(name="connectMxp", destination=[{"type": "username", "endpoint": "a"}]),
        r"ConnectMxp\.destination",
    ),
    "true for a destination": (
        action(name="connectMxp", destination=True),
        r"ConnectMxp\.destination",
    ),
    "call headers in both spellings": (
        action(name="connectMxp", callheaders=[], callHeaders=[{"key": "a", "value": "b"}]),
        "callHeaders",
    ),
}


@pytest.mark.parametrize(("wire", "message"), WRONG_WIRE.values(), ids=WRONG_WIRE)
def test_json_that_is_not_svaml_is_refused_with_the_place(wire: Any, message: str):
    with pytest.raises(InvalidRequest, match=message):
        Svaml.from_wire(wire)


@pytest.mark.parametrize(
    ("kind", "wire"),
    [
        (Hangup, {"name": "park"}),
        (Answer, {"name": "hangup"}),
        (Park, {"name": None}),
        (Say, {"name": ["say"], "text": "x"}),
    ],
)
def test_a_part_refuses_the_name_of_another(kind: Any, wire: dict[str, Any]):
    with pytest.raises(InvalidRequest, match="name"):
        kind.from_wire(wire)


def test_reading_does_not_change_its_input():
    wire = {"instructions": [{"name": "Say", "text": "x"}], "action": {"name": "dance", "a": [1]}}
    before = copy.deepcopy(wire)
    Svaml.from_wire(wire).to_wire()["action"]["a"] = 2
    assert wire == before


# --- Storage credentials -------------------------------------------------------------------------

STORAGE = "key:do-not-show:eu-central-1"
SECRET_OPTIONS = RecordingOptions(credentials=STORAGE, destination_url="s3://my-bucket/")


@pytest.mark.parametrize(
    "holder",
    [
        SECRET_OPTIONS,
        StartRecording(SECRET_OPTIONS),
        Continue(recording_options=SECRET_OPTIONS),
        ConnectConf("a", recording_options=SECRET_OPTIONS),
        Svaml([StartRecording(SECRET_OPTIONS)], Continue(recording_options=SECRET_OPTIONS)),
    ],
    ids=lambda holder: type(holder).__name__,
)
def test_storage_credentials_are_sent_but_never_shown(holder: Any):
    assert "do-not-show" in as_json(holder.to_wire())
    assert "do-not-show" not in repr(holder) + str(holder)


@pytest.mark.parametrize(
    "mistake",
    [
        lambda: RecordingOptions(credentials=[STORAGE]),
        lambda: RecordingOptions(credentials=STORAGE.encode()),
        lambda: RecordingOptions(credentials=STORAGE + "\ud800"),
        lambda: RecordingOptions.from_wire({"credentials": {"key": STORAGE}}),
        lambda: RecordingOptions.from_wire({"credentials": STORAGE, "fromat": "mp3"}),
        lambda: RecordingOptions(credentials=STORAGE, format=""),
        lambda: StartRecording({"credentials": STORAGE}),
        lambda: StartRecording([SECRET_OPTIONS]),
        lambda: Svaml([{"name": "startRecording", "options": {"credentials": STORAGE}}]),
        lambda: Svaml.from_wire({"instructions": {"options": {"credentials": STORAGE}}}),
        lambda: Svaml.from_wire([{"name": "startRecording", "options": {"credentials": STORAGE}}]),
        lambda: Svaml.from_wire({"instructions": [{"options": {"credentials": STORAGE}}]}),
        lambda: Continue(recording_options={"credentials": STORAGE}),
        lambda: StartRecording(MappingProxyType({"credentials": STORAGE})),
        lambda: StartRecording.from_wire({"options": [{"credentials": STORAGE}]}),
        lambda: Svaml.from_wire(json.dumps({"options": {"credentials": STORAGE}})),
        lambda: Svaml.from_wire(json.dumps({"options": {"credentials": STORAGE}}).encode()),
        lambda: Raw({"options": {"credentials": STORAGE}, "name": {}}),
        lambda: Raw({"options": {"credentials": STORAGE}, "name": "x", "a": b""}),
    ],
    ids=[
        "credentials in a list",
        "credentials as bytes",
        "credentials that are not Unicode",
        "credentials in an object",
        "a misspelt field beside them",
        "an empty field beside them",
        "options as a dict",
        "options in a list",
        "an instruction as a dict",
        "instructions that are an object",
        "a list of instructions alone",
        "an instruction without a name",
        "options of an action as a dict",
        "options as another mapping",
        "options in a list, read",
        "JSON as text",
        "JSON as bytes",
        "raw without a name",
        "raw that is no JSON",
    ],
)
def test_a_mistake_beside_storage_credentials_is_refused_without_showing_them(
    mistake: Callable[[], Any],
):
    with pytest.raises(InvalidRequest) as raised:
        mistake()
    assert "do-not-show" not in str(raised.value)


# --- Immutability --------------------------------------------------------------------------------


@each_part
def test_a_part_cannot_be_changed(part: Any, wire: dict[str, Any]):
    for name in [*type(part).__match_args__, "value", "other"]:
        with pytest.raises(AttributeError):
            setattr(part, name, "x")
    assert as_json(part.to_wire()) == as_json(wire)


def test_a_part_does_not_change_with_its_source_lists():
    instructions: list[Any] = [Answer()]
    ids, menus, headers = ["a"], [Menu("main")], {"a": "b"}
    whole, play = Svaml(instructions, Hangup()), PlayFiles(ids)
    menu, connect = RunMenu(menus), ConnectMxp(call_headers=headers)
    instructions.append(Hangup())
    ids.append("b")
    menus.clear()
    headers["c"] = "d"
    assert whole == Svaml([Answer()], Hangup())
    assert play == PlayFiles(["a"])
    assert menu == RunMenu([Menu("main")])
    assert connect == ConnectMxp(call_headers={"a": "b"})


@each_part
def test_a_part_survives_pickling_and_copying(part: Any, wire: dict[str, Any]):
    copies = [
        pickle.loads(pickle.dumps(part)),
        copy.copy(part),
        copy.deepcopy(part),
    ]
    assert copies == [part] * 3


def test_parts_of_different_kinds_differ():
    plain: list[Any] = [Hangup(), Continue(), Answer(), StopRecording(), Park(), ConnectPstn()]
    assert len(set(plain)) == len(plain)
    assert Hangup() == Hangup()


# --- Properties ----------------------------------------------------------------------------------

texts = st.text(min_size=1, max_size=12)
flags = st.booleans()
positive = st.integers(1, 10**6)
durations = st.integers(1, 14400)
digits = st.from_regex(r"[0-9#w]{1,12}", fullmatch=True)
phone_numbers = st.from_regex(r"\+[1-9][0-9]{1,14}", fullmatch=True)
callers = phone_numbers | phone_numbers.map(PstnEndpoint) | st.just("private")
words = st.text("abcXYZ019.-_é", min_size=1, max_size=8)
sip_endpoints = st.builds(lambda user, host: SipEndpoint(f"{user}@{host}"), words, words)
key_values = st.builds(KeyValue, texts, st.text(max_size=8))
ascii_texts = st.text(st.characters(max_codepoint=0x7E), min_size=1, max_size=12)
tags = st.dictionaries(ascii_texts, ascii_texts, max_size=4)
headers = st.lists(key_values, max_size=4) | st.dictionaries(texts, texts, max_size=4)
json_values = st.recursive(
    st.none() | flags | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda children: st.lists(children, max_size=2) | st.dictionaries(texts, children, max_size=2),
    max_leaves=4,
)
raws = st.builds(
    lambda name, rest: Raw({**rest, "name": name}),
    st.sampled_from(["dance", "Sing", "reject"]),
    st.dictionaries(texts, json_values, max_size=3),
)


def build(kind: Callable[..., Any], *required: Any, **optional: Any) -> st.SearchStrategy[Any]:
    """Return objects with some of the optional fields, and None for some others."""
    fields = {name: st.none() | strategy for name, strategy in optional.items()}
    return st.builds(
        lambda arguments, options: kind(*arguments, **options),
        st.tuples(*required),
        st.fixed_dictionaries({}, optional=fields),
    )


plain_recordings = build(
    RecordingOptions,
    destination_url=texts,
    credentials=texts,
    format=texts,
    notification_events=flags,
)
recordings = plain_recordings | build(
    RecordingOptions,
    destination_url=texts,
    transcription_options=build(TranscriptionOptions, enabled=flags, locale=texts),
)


@st.composite
def menu_actions(draw: st.DrawFn) -> RunMenu:
    """Draw consistent menus."""
    ids = draw(st.lists(words, max_size=3, unique=True).map(lambda ids: [*{*ids, "main"}]))
    menu_ids = st.sampled_from(sorted(ids))
    option = st.builds(
        MenuOption,
        st.from_regex(r"[0-9*#]{1,2}", fullmatch=True) | st.integers(0, 9),
        st.builds("menu({})".format, menu_ids) | st.builds("return({})".format, words),
    )
    menus = [
        draw(
            build(
                Menu,
                st.just(menu_id),
                main_prompt=texts,
                repeat_prompt=texts,
                repeats=st.integers(0, 5),
                max_digits=positive,
                timeout_mills=st.integers(1000, 30000),
                max_timeout_mills=positive,
                options=st.lists(option, max_size=3),
            )
        )
        for menu_id in draw(st.permutations(sorted(ids)))
    ]
    locale = draw(st.none() | texts)
    return draw(
        build(
            RunMenu,
            st.none() | st.just(menus),
            main_menu=menu_ids,
            barge=flags,
            locale=st.just(locale),
            enable_voice=st.just(False),
        )
        | build(
            lambda *arguments, **options: RunMenu(*arguments, locale="en-US", **options),
            st.just(menus),
            enable_voice=flags,
        )
    )


documented_instructions = st.one_of(
    st.just(Answer()),
    build(PlayFiles, st.lists(texts, min_size=1, max_size=3), locale=texts),
    build(Say, texts | st.text(min_size=1, max_size=600), locale=texts),
    digits.map(SendDtmf),
    st.builds(SetCookie, texts, st.text(max_size=12)),
    build(StartRecording, options=recordings),
    st.just(StopRecording()),
)
report_statuses = build(
    ReportCallStatus,
    st.sampled_from(["success", "Failure"]),
    details=st.text(min_size=1, max_size=64),
)


def actions() -> st.SearchStrategy[Any]:
    """Return every documented action. Recordings on the older page have no transcription."""
    mobile = build(
        ConnectMxp, destination=texts.filter(str.isprintable).filter(str.strip).map(MxpEndpoint)
    ) | st.builds(
        ConnectMxp,
        destination=st.none() | words.map(MxpEndpoint),
        call_headers=headers,
    )
    return st.one_of(
        st.just(Hangup()),
        build(Continue, record=flags, recording_options=plain_recordings),
        build(
            ConnectPstn,
            number=phone_numbers | phone_numbers.map(PstnEndpoint),
            locale=texts,
            max_duration=durations,
            dial_timeout=positive,
            cli=callers,
            suppress_callbacks=flags,
            dtmf=digits,
            indications=st.sampled_from(sorted(svaml.INDICATIONS)),
            amd=build(AnsweringMachineDetection, enabled=flags, async_=flags),
            tags=tags,
        ),
        mobile,
        build(
            ConnectConf,
            st.text(min_size=1, max_size=64),
            conference_dtmf_options=build(
                ConferenceDtmfOptions,
                mode=st.sampled_from(["ignore", "forward", "detect"]),
                max_digits=positive,
                timeout_mills=positive,
            ),
            moh=st.sampled_from(svaml.MUSIC_ON_HOLD),
            record=flags,
            recording_options=plain_recordings,
        ),
        build(
            ConnectSip,
            sip_endpoints,
            max_duration=durations,
            cli=callers,
            transport=st.sampled_from(["UDP", "tcp", "Tls"]),
            suppress_callbacks=flags,
            call_headers=headers,
            moh=st.sampled_from(svaml.MUSIC_ON_HOLD),
        ),
        build(
            ConnectStream,
            words.map(lambda host: WebsocketEndpoint(f"wss://{host}")),
            streaming_options=build(StreamingOptions, version=positive, sample_rate=positive),
            max_duration=durations,
            call_headers=headers,
        ),
        menu_actions(),
        build(
            Park,
            locale=texts,
            intro_prompt=texts,
            hold_prompt=texts,
            max_duration=st.integers(1, 600),
        ),
    )


def wholes(
    instructions: st.SearchStrategy[Any], actions: st.SearchStrategy[Any]
) -> st.SearchStrategy[Svaml]:
    some = st.lists(instructions, min_size=1, max_size=4)
    return st.builds(Svaml, some, st.none() | actions) | st.builds(Svaml, st.none(), actions)


spelt_as_in_examples = st.builds(
    ConnectMxp, call_headers=headers, call_headers_key=st.just("callHeaders")
)
everything = wholes(
    documented_instructions | report_statuses | raws,
    actions() | spelt_as_in_examples | raws,
)
documented = wholes(documented_instructions, actions())


@settings(max_examples=300)
@given(everything)
def test_any_svaml_is_read_back_as_itself(whole: Svaml):
    assert Svaml.from_wire(json.loads(json.dumps(whole.to_wire()))) == whole


@given(everything)
def test_the_generated_models_lose_nothing_of_any_svaml(whole: Svaml):
    from sinchvoice_calling.models import SvamlRequest

    wire = json.loads(json.dumps(whole.to_wire()))
    assert as_json(SvamlRequest.from_dict(wire).to_dict()) == as_json(wire)


@given(documented)
def test_the_sandbox_accepts_any_documented_svaml(errors: Callable[[Any], list[str]], whole: Svaml):
    assert errors(json.loads(json.dumps(whole.to_wire()))) == []


@given(everything)
def test_null_is_never_sent(whole: Svaml):
    def nulls(value: Any) -> bool:
        if isinstance(value, dict):
            return any(map(nulls, value.values()))
        return value is None or (isinstance(value, list) and any(map(nulls, value)))

    parts = [*(whole.instructions or ()), whole.action]
    assert not any(
        nulls(part.to_wire()) for part in parts if part is not None and not isinstance(part, Raw)
    )


@pytest.mark.parametrize(
    "make",
    [
        lambda options: Continue(recording_options=options),
        lambda options: ConnectConf("a", recording_options=options),
    ],
    ids=["continue", "connectConf"],
)
def test_a_transcription_is_sent_only_with_recordings_that_allow_it(
    make: Make, errors: Callable[[Any], list[str]]
):
    # The recording options of the older page, which these two take, have none.
    options = RecordingOptions(transcription_options=TranscriptionOptions(enabled=True))
    try:
        part = make(options)
    except InvalidRequest:
        return
    assert errors(Svaml(action=part).to_wire()) == []


any_text = st.text(st.characters(exclude_categories=()), max_size=8)
field_names = st.sampled_from(
    "name text locale ids value key options destination number cli callHeaders callheaders menus "
    "id dtmf action amd tags type endpoint maxDuration moh transport conferenceId".split()
)
any_json = st.recursive(
    st.none()
    | flags
    | st.integers()
    | st.floats()
    | any_text
    | st.sampled_from([NUMBER, SIP, WSS]),
    lambda children: (
        st.lists(children, max_size=3) | st.dictionaries(field_names | any_text, children)
    ),
    max_leaves=6,
)
names = st.sampled_from([wire["name"] for _, wire in (INSTRUCTIONS | ACTIONS).values()])
objects = st.builds(
    lambda name, rest: {**rest, "name": name},
    names,
    st.dictionaries(field_names, any_json, max_size=3),
)
almost_svaml = st.fixed_dictionaries(
    {}, optional={"instructions": st.lists(objects | any_json, max_size=3), "action": objects}
)


@settings(max_examples=300)
@given(almost_svaml | any_json)
def test_any_json_is_read_or_refused_with_invalid_request(wire: Any):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        try:
            whole = Svaml.from_wire(wire)
        except InvalidRequest:
            return
        again = Svaml.from_wire(json.loads(json.dumps(whole.to_wire())))
    assert as_json(again.to_wire()) == as_json(whole.to_wire())
    assert json.dumps(whole.to_wire(), ensure_ascii=False).encode()


@pytest.mark.parametrize("kind", [MxpEndpoint, PstnEndpoint, SipEndpoint])
def test_a_received_endpoint_can_be_connected_to_if_valid(kind: Any):
    wire = {
        MxpEndpoint: ("username", "a"),
        PstnEndpoint: ("number", NUMBER),
        SipEndpoint: ("sip", SIP),
    }
    name, text = wire[kind]
    received: Any = endpoints.read({"type": name.title(), "endpoint": text})
    connected = {
        MxpEndpoint: lambda: ConnectMxp(destination=received),
        PstnEndpoint: lambda: ConnectPstn(number=received),
        SipEndpoint: lambda: ConnectSip(received),
    }[kind]()
    assert text in as_json(connected.to_wire())


def test_a_received_number_without_its_plus_is_not_called():
    received: Any = endpoints.read({"type": "number", "endpoint": "12017777777"})
    with pytest.raises(InvalidRequest, match=r"ConnectPstn\.number .*write '\+12017777777'"):
        ConnectPstn(number=received)
