"""callbacks.py: requests are verified, read, and answered with SVAML allowed for their event."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import logging
import subprocess
import sys
import types
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from time import time
from typing import Any, get_args

import attrs
import httpx
import pytest
from documentation import blocks
from hypothesis import given, settings
from hypothesis import strategies as st
from sinchvoice import (
    CallDomain,
    CallResult,
    ConfigurationError,
    Credentials,
    InvalidRequest,
    MxpEndpoint,
    OtherEndpoint,
    Price,
    PstnEndpoint,
    SipEndpoint,
    callbacks,
    signing,
)
from sinchvoice.callbacks import (
    AmdReason,
    AmdResult,
    AmdStatus,
    AnsweredCall,
    BodyRefusal,
    CallbackAnswer,
    CallbackRefused,
    Callbacks,
    DisconnectedCall,
    DisconnectReason,
    Event,
    IncomingCall,
    InputMethod,
    MenuResult,
    MenuResultType,
    Notification,
    NotificationType,
    PromptInput,
    RecentlySeen,
    UnknownEvent,
    parse,
)
from sinchvoice.signing import Refusal
from sinchvoice.svaml import (
    Answer,
    ConnectConf,
    ConnectMxp,
    ConnectPstn,
    ConnectSip,
    ConnectStream,
    Continue,
    Hangup,
    Menu,
    Park,
    PlayFiles,
    Raw,
    ReportCallStatus,
    RunMenu,
    Say,
    SendDtmf,
    SetCookie,
    StartRecording,
    StopRecording,
    Svaml,
    WebsocketEndpoint,
)

DATA = Path(__file__).parent / "data"
VECTOR = json.loads((DATA / "signing_vectors.json").read_text("utf-8"))["published"][
    "a callback request"
]
EXAMPLES: dict[str, dict[str, Any]] = {
    name: example["body"]
    for name, example in json.loads((DATA / "callback_events.json").read_text("utf-8")).items()
}
CREDENTIALS = Credentials(VECTOR["application_key"], VECTOR["application_secret"])
OTHER = Credentials("5F5C418A0F914BBC8234A9BF5EDDAD97", "JViE5vDor0Sw3WllZka15Q==")
PATH = "/sinch/callback"
TYPE = "application/json; charset=utf-8"


def example(name: str, **changes: Any) -> Any:
    """Return an example's event with changes; None removes a member."""
    body = {k: v for k, v in (EXAMPLES[name] | changes).items() if v is not None}
    return parse(json.dumps(body))


def event(kind: str, **members: Any) -> Any:
    return parse(json.dumps({"event": kind} | members))


def signed(
    body: bytes,
    path: str = PATH,
    *,
    credentials: Credentials = CREDENTIALS,
    timestamp: str | None = None,
    content_type: str = TYPE,
) -> dict[str, str]:
    """Return the headers of a callback, as Sinch sends them."""
    headers = signing.signed_headers(
        credentials,
        method="POST",
        resource=path,
        timestamp=timestamp or signing.format_timestamp(time()),
        content_type=content_type,
        body=body,
    )
    return {**headers, "Content-Type": content_type}


def request(body: bytes = b'{"event":"ace"}', path: str = PATH, **how: Any) -> dict[str, Any]:
    """Return the arguments of `Callbacks.receive`."""
    return {
        "method": "POST",
        "path": path,
        "headers": signed(body, path, **how),
        "body": body,
    }


def refusal(receive: Callable[[], Any]) -> CallbackRefused:
    with pytest.raises(CallbackRefused) as caught:
        receive()
    return caught.value


# --- Reading documented examples -----------------------------------------------------------------


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_documented_example_is_read_as_its_event(name: str):
    kinds = {
        "ice": IncomingCall,
        "ace": AnsweredCall,
        "dice": DisconnectedCall,
        "pie": PromptInput,
        "notify": Notification,
    }
    read = example(name)
    assert type(read) is kinds[name.partition(":")[0]]
    assert read.event == name.partition(":")[0]
    assert read.call_id == (EXAMPLES[name].get("callid") or EXAMPLES[name]["callId"])
    assert read.version == 1
    assert read.repeated is False


def test_an_incoming_call_has_every_field():
    read = example("ice: incoming from the telephone network")
    assert attrs.asdict(read, filter=attrs.filters.exclude("raw", "key"), recurse=False) == {
        "call_id": "1ce0ffee-ca11-ca11-ca11-abcdef000053",
        "conference_id": None,
        "timestamp": datetime(2024, 6, 6, 17, 20, 14, tzinfo=UTC),
        "custom": None,
        "application_key": "f00dcafe-abba-c0de-1dea-dabb1ed4caf3",
        "user": None,
        "cookies": (),
        "version": 1,
        "repeated": False,
        "call_resource_url": EXAMPLES["ice: incoming from the telephone network"][
            "callResourceUrl"
        ],
        "cli": "12015555555",
        "to": OtherEndpoint("did", "+12017777777"),
        "domain": CallDomain.PSTN,
        "origination_type": CallDomain.PSTN,
        "duration": None,
        "rdnis": None,
        "call_headers": (),
        "user_rate": Price(Decimal("0.0"), "USD"),
    }


def test_the_destination_shows_an_app_user_joining_a_conference():
    read = example("ice: an app user joins a conference")
    assert read.to == OtherEndpoint("conference", "myCoolConference")
    assert read.domain is CallDomain.PSTN  # a documented mistake of the server
    assert read.origination_type is CallDomain.MXP
    assert read.user == "alice"
    assert read.cli is None
    assert read.duration == 0
    assert read.call_headers == (("foo", "bar"), ("baz", "qux"))
    assert read.cookies == (("visits", "3"),)
    assert read.custom == '{"foo":"bar"}'
    assert read.custom_json() == {"foo": "bar"}
    assert read.user_rate == Price(Decimal(0), "USD")


def test_the_callers_headers_can_be_passed_on():
    read = example("ice: an app user joins a conference")
    wire = ConnectMxp(call_headers=read.call_headers).to_wire()
    assert wire["callheaders"] == [{"key": "foo", "value": "bar"}, {"key": "baz", "value": "qux"}]


def test_an_answered_call_has_the_amd_result():
    read = example("ace: answering machine detection")
    assert read.amd == AmdResult(
        status=AmdStatus.MACHINE, reason=AmdReason.NOT_AVAILABLE, duration=4
    )
    assert read.call_resource_url.startswith("https://calling-euc1.")
    assert example("ace: a call was answered").amd is None


def test_a_disconnected_call_has_the_bill_without_rounding():
    read = example("dice: a call was disconnected")
    assert read.debit == read.user_rate == Price(Decimal("0.0095"), "EUR")
    assert read.reason is DisconnectReason.MANAGER_HANGUP
    assert read.result is CallResult.ANSWERED
    assert read.duration == 12
    assert read.from_ == OtherEndpoint(None, "12015555555")
    assert read.to.number == "12017777777"
    assert read.custom == "Custom text"


def test_a_prompt_input_has_the_input():
    assert example("pie: return").menu_result == MenuResult(
        menu_id="main",
        type=MenuResultType.RETURN,
        value="cancel",
        input_method=InputMethod.DTMF,
    )
    read = example("pie: sequence")
    assert (read.menu_result.type, read.menu_result.value) == (MenuResultType.SEQUENCE, "6789")
    assert read.raw["menuResult"]["addToContext"] == []


def test_a_notification_has_its_type_and_destination():
    read = example("notify: recording available")
    assert read.type is NotificationType.RECORDING_AVAILABLE
    assert read.destination == "azure://sinchsdk/voice-recordings/my-recording.mp3"
    assert read.timestamp is None


def test_a_calling_error_has_its_code_and_message():
    read = example("notify: calling error")
    assert read.type is NotificationType.CALLING_ERROR
    assert (read.error_code, read.error_message, read.user) == (40001, "Illegal SVAML", "alice")


def test_the_error_code_is_read_under_both_names():
    assert event("notify", type="callingerror", errCode="50000").error_code == 50000


def test_match_tells_events_and_endpoints_apart():
    def told(read: Event) -> object:
        match read:
            case IncomingCall(to=OtherEndpoint("conference", room)):
                return room
            case IncomingCall(to=PstnEndpoint(number)):
                return number
            case PromptInput(menu_result=MenuResult(menu_id="main", value=value)):
                return value
            case _:
                return None

    assert told(example("ice: an app user joins a conference")) == "myCoolConference"
    assert told(example("ice: as the vendor's guide prints it")) == "+14045005000"
    assert told(example("pie: return")) == "cancel"


# --- Lenient reading -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["ice", "ICE", "Ice"])
def test_the_name_of_an_event_may_be_in_any_case(name: str):
    assert isinstance(event(name), IncomingCall)


def test_what_a_caller_attached_may_not_be_json():
    for custom in ("Custom text", "[" * 100_000):
        with pytest.raises(ValueError, match=r"Expecting value|nested too deeply"):
            callbacks.parse(json.dumps({"event": "ice", "custom": custom})).custom_json()


def test_the_newer_spelling_of_the_call_id_counts_first():
    assert event("ice", callid="a", callId="b").call_id == "b"
    assert event("ice", callid="a").call_id == "a"
    assert event("ice").call_id is None


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2024-01-15T10:30:00Z", datetime(2024, 1, 15, 10, 30, tzinfo=UTC)),
        ("2024-01-15T10:30:00", datetime(2024, 1, 15, 10, 30, tzinfo=UTC)),
        ("2024-01-15T10:30:00.123", datetime(2024, 1, 15, 10, 30, 0, 123000, UTC)),
        ("2024-01-15T12:30:00.1234567+02:00", datetime(2024, 1, 15, 10, 30, 0, 123456, UTC)),
        ("yesterday", None),
        (None, None),
    ],
)
def test_a_time_without_a_zone_is_utc_and_an_invalid_one_is_none(text: Any, moment: Any):
    for kind in ("ice", "ace", "dice", "pie", "notify", "new"):
        assert event(kind, timestamp=text).timestamp == moment


@pytest.mark.parametrize(
    ("to", "read"),
    [
        ({"type": "number", "endpoint": "+46730170101"}, PstnEndpoint("+46730170101")),
        ({"type": "Username", "endpoint": "alice"}, MxpEndpoint("alice")),
        ({"type": "Sip", "endpoint": "a@example.com"}, SipEndpoint("a@example.com")),
        ({"type": "did", "endpoint": "+1"}, OtherEndpoint("did", "+1")),
        ({"type": "hologram", "endpoint": "x"}, OtherEndpoint("hologram", "x")),
        ("+46730170101", PstnEndpoint("+46730170101")),
        (None, None),
        ([], None),
    ],
)
def test_a_destination_of_any_type_is_kept(to: Any, read: Any):
    assert event("ice", to=to).to == read
    assert event("dice", to=to).to == read


def test_the_caller_of_a_disconnected_call_may_be_hidden():
    assert event("dice", **{"from": "private"}).from_ == OtherEndpoint(None, "private")


def test_unknown_words_are_kept():
    read = event("dice", reason="SOLARSTORM", result="MAYBE")
    assert (read.reason, read.result) == ("SOLARSTORM", "MAYBE")
    assert event("notify", type="weather").type == "weather"
    assert event("ace", amd={"status": "dog"}).amd.status == "dog"
    assert event("pie", menuResult={"type": "sigh"}).menu_result.type == "sigh"
    assert event("ice", domain="conference", originationType="server").domain == "conference"


@pytest.mark.parametrize("reason", DisconnectReason)
def test_every_documented_reason_is_a_member(reason: DisconnectReason):
    assert event("dice", reason=reason.value.lower()).reason is reason


def test_a_type_in_pascal_case_is_understood():
    assert event("pie", menuResult={"type": "InvalidInput"}).menu_result.type == "invalidinput"


@pytest.mark.parametrize(
    ("amount", "exact"),
    [
        ("0", Decimal(0)),
        ("0.0368", Decimal("0.0368")),
        ('"0.5274"', Decimal("0.5274")),
        ("1e-7", Decimal("1E-7")),
        ("1e400", None),
        ("true", None),
    ],
)
def test_an_amount_is_exact_or_left_out(amount: str, exact: Decimal | None):
    read = parse(f'{{"event":"dice","debit":{{"currencyId":null,"amount":{amount}}}}}')
    assert isinstance(read, DisconnectedCall)
    assert read.debit == Price(exact, None)


def test_an_invalid_pair_is_left_out():
    pairs = [{"key": "a", "value": "1"}, {"key": "b"}, {"key": 1, "value": "2"}, "c", None]
    assert event("ice", callHeaders=pairs).call_headers == (("a", "1"),)
    assert event("ice", cookies={"a": "1"}).cookies == ()


def test_digits_sent_as_a_number_are_text():
    assert event("pie", menuResult={"value": 12}).menu_result.value == "12"


def test_an_unknown_event_keeps_all_its_fields():
    read = parse('{"event":"hologram","callid":"a","depth":1.50}')
    assert isinstance(read, UnknownEvent)
    assert (read.event, read.call_id) == ("hologram", "a")
    assert read.raw == {"event": "hologram", "callid": "a", "depth": Decimal("1.50")}
    for text in ("{}", '{"event":null}', '{"event":["ice"]}', '{"unknown":"ice"}'):
        assert isinstance(parse(text), UnknownEvent)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"7",
        b'"ice"',
        b"{",
        b'{"event":"ice"',
        b'{"event":NaN}',
        b"\xff\xfe\xff",
        b'{"event":"\xe9"}',
        b"event=ice",
        b"[" * 100_000,
        b'{"a":' * 50_000,
        b'{"version":' + b"9" * 5000 + b"}",
    ],
    ids=lambda body: ascii(body[:16]),
)
def test_a_body_that_is_not_a_json_object_is_refused(body: bytes):
    refused = refusal(lambda: parse(body))
    assert refused.reason is BodyRefusal.NOT_A_JSON_OBJECT
    assert refused.status_code == 400
    assert refusal(lambda: Callbacks(CREDENTIALS).receive(**request(body))).status_code == 400


@pytest.mark.parametrize("body", [None, {"event": "ice"}, 7])
def test_parse_takes_bytes_or_text(body: Any):
    with pytest.raises(InvalidRequest, match="body is"):
        parse(body)
    assert parse(bytearray(b'{"event":"ace"}')) == parse('{"event":"ace"}')


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=()))
    | st.sampled_from(["ice", "2024-01-15T10:30:00", "+46730170101", "n/a", "username"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.text(max_size=8)
            | st.sampled_from(
                ["type", "endpoint", "key", "value", "amount", "currencyId", "menuId", "status"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
MEMBERS = sorted({member for body in EXAMPLES.values() for member in body} | {"errCode"})
events = st.dictionaries(st.sampled_from(MEMBERS), json_values) | st.builds(
    lambda body, kind: body | {"event": kind},
    st.dictionaries(st.sampled_from(MEMBERS), json_values),
    st.sampled_from(["ice", "ace", "dice", "pie", "notify"]),
)


def received_or_refused(receive: Callable[[], Event]) -> Event | CallbackRefused:
    try:
        return receive()
    except CallbackRefused as refused:
        return refused


@settings(max_examples=300)
@given(json_values | events)
def test_any_json_is_an_event_or_refused(value: Any):
    body = json.dumps(value).encode()
    read = received_or_refused(lambda: Callbacks(CREDENTIALS).receive(**request(body)))
    if isinstance(read, CallbackRefused):
        assert read.reason is BodyRefusal.NOT_A_JSON_OBJECT
        assert not isinstance(value, dict)
    else:
        assert isinstance(read, get_args(Event))
        assert set(read.raw) == set(value)
        assert repr(read)


@given(st.binary() | st.binary().map(b'{"event":"ice","cli":"%b"}'.__mod__))
def test_any_bytes_are_an_event_or_refused(body: bytes):
    read = received_or_refused(lambda: parse(body))
    assert isinstance(read, get_args(Event)) or read.reason is BodyRefusal.NOT_A_JSON_OBJECT


# --- Verification --------------------------------------------------------------------------------


def test_the_published_callback_is_received():
    read = Callbacks(CREDENTIALS, max_age=None).receive(
        method="POST",
        path="/sinch/callback/ace",
        headers={
            "Authorization": f"application {VECTOR['application_key']}:{VECTOR['signature']}",
            "x-timestamp": VECTOR["timestamp"],
            "content-type": VECTOR["content_type"],
        },
        body=VECTOR["body"].encode(),
    )
    assert isinstance(read, AnsweredCall)
    assert read.call_id == "822aa4b7-05b4-4d83-87c7-1f835ee0b6f6_257"
    assert read.timestamp == datetime(2014, 9, 24, 10, 59, 41, tzinfo=UTC)


def changed(**changes: Any) -> dict[str, Any]:
    return request() | changes


def with_header(name: str, value: str | None) -> dict[str, Any]:
    headers = {k: v for k, v in (request()["headers"] | {name: value}).items() if v is not None}
    return changed(headers=headers)


WRONG = {
    "another method": (lambda: changed(method="PUT"), Refusal.WRONG_SIGNATURE),
    "another path": (lambda: changed(path="/sinch/callbacks"), Refusal.WRONG_SIGNATURE),
    "another case of the path": (lambda: changed(path="/Sinch/callback"), Refusal.WRONG_SIGNATURE),
    "another body": (lambda: changed(body=b'{"event":"ice"}'), Refusal.WRONG_SIGNATURE),
    "no body": (lambda: changed(body=None), Refusal.WRONG_SIGNATURE),
    "another type": (lambda: with_header("Content-Type", "text/json"), Refusal.WRONG_SIGNATURE),
    "no type": (lambda: with_header("Content-Type", None), Refusal.WRONG_SIGNATURE),
    "no time": (lambda: with_header("x-timestamp", None), Refusal.NO_TIMESTAMP),
    "another time": (
        lambda: with_header("x-timestamp", signing.format_timestamp(time() + 1)),
        Refusal.WRONG_SIGNATURE,
    ),
    "no authorization": (lambda: with_header("Authorization", None), Refusal.NO_AUTHORIZATION),
    "Basic": (lambda: with_header("Authorization", "Basic a:b"), Refusal.WRONG_SCHEME),
    "another key": (lambda: request(credentials=OTHER), Refusal.WRONG_KEY),
    "a time twice": (
        lambda: changed(headers=[*request()["headers"].items(), ("X-Timestamp", "1")]),
        Refusal.AMBIGUOUS_HEADERS,
    ),
    "an old time": (
        lambda: request(timestamp=signing.format_timestamp(time() - 301)),
        Refusal.EXPIRED,
    ),
    "a time to come": (
        lambda: request(timestamp=signing.format_timestamp(time() + 310)),
        Refusal.EXPIRED,
    ),
}


@pytest.mark.parametrize(("tampered", "reason"), WRONG.values(), ids=WRONG)
def test_a_tampered_request_is_refused(tampered: Callable[[], dict[str, Any]], reason: Refusal):
    refused = refusal(lambda: Callbacks(CREDENTIALS).receive(**tampered()))
    assert refused.reason is reason
    assert refused.status_code == 401
    assert reason.value in str(refused)
    assert VECTOR["application_secret"] not in str(refused)


@given(st.data())
def test_a_byte_changed_anywhere_is_refused(data: st.DataObject):
    genuine = request(json.dumps(EXAMPLES["pie: return"]).encode())
    place = data.draw(st.sampled_from(["method", "path", "body", *genuine["headers"]]))
    holder = genuine if place in genuine else genuine["headers"]
    old = holder[place]
    index = data.draw(st.integers(0, len(old) - 1))
    if isinstance(old, bytes):
        new: Any = bytes([old[index] ^ data.draw(st.integers(1, 255))])
    else:
        new = data.draw(st.characters(min_codepoint=33, max_codepoint=126))
        if new.casefold() == old[index].casefold():
            return
    holder[place] = old[:index] + new + old[index + 1 :]
    if place == "path" and new == "?":
        return  # the signature does not cover the query
    refused = refusal(lambda: Callbacks(CREDENTIALS).receive(**genuine))
    assert isinstance(refused.reason, Refusal)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["authorization", "X-Timestamp", "content-type"])
            | st.text(st.characters(exclude_categories=())),
            st.text(st.characters(exclude_categories=()))
            | st.sampled_from(["application a:b", "2024-01-15T10:30:00Z"]),
        )
    )
)
def test_any_headers_are_refused_unless_they_are_genuine(headers: list[tuple[str, str]]):
    refused = refusal(lambda: Callbacks(CREDENTIALS).receive(**changed(headers=headers)))
    assert refused.status_code == 401


def test_headers_may_be_an_iterator_and_in_bytes_also_for_several_credentials():
    genuine = request()
    pairs = [(k.lower().encode(), v.encode()) for k, v in genuine["headers"].items()]
    genuine["headers"] = iter(pairs)
    assert isinstance(Callbacks(OTHER, CREDENTIALS).receive(**genuine), AnsweredCall)


def test_the_key_in_the_header_chooses_among_applications():
    several = Callbacks(CREDENTIALS, OTHER)
    for credentials in (CREDENTIALS, OTHER):
        assert several.receive(**request(credentials=credentials)).event == "ace"
    mixed = request(credentials=OTHER)
    mixed["headers"]["Authorization"] = mixed["headers"]["Authorization"].replace(
        OTHER.application_key, CREDENTIALS.application_key
    )
    assert refusal(lambda: several.receive(**mixed)).reason is Refusal.WRONG_SIGNATURE


def test_both_secrets_are_accepted_during_a_rotation():
    old = Credentials(OTHER.application_key, CREDENTIALS.application_secret)
    changing = Callbacks(old, OTHER)
    assert changing.receive(**request(credentials=OTHER)).event == "ace"
    assert changing.receive(**request(credentials=old)).event == "ace"
    assert refusal(lambda: Callbacks(old).receive(**request(credentials=OTHER))).reason is (
        Refusal.WRONG_SIGNATURE
    )


def test_an_unknown_key_is_refused_as_such():
    stranger = Credentials("stranger", CREDENTIALS.application_secret)
    refused = refusal(
        lambda: Callbacks(CREDENTIALS, OTHER).receive(**request(credentials=stranger))
    )
    assert refused.reason is Refusal.WRONG_KEY


def test_the_age_limit_can_be_changed_or_removed():
    old = request(timestamp=signing.format_timestamp(time() - 3600))
    assert Callbacks(CREDENTIALS, max_age=4000).receive(**old)
    assert Callbacks(CREDENTIALS, max_age=None).receive(**old)


def test_a_wrong_signature_names_the_path_that_was_verified():
    refused = refusal(lambda: Callbacks(CREDENTIALS).receive(**changed(path="/internal\n/x")))
    assert "'/internal\\\\n/x'" in str(refused)
    assert "public_path" in str(refused)


def test_the_reason_of_a_refusal_is_logged(caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.INFO, "sinchvoice"):
        refusal(lambda: Callbacks(CREDENTIALS).receive(**request(credentials=OTHER)))
    assert caplog.messages == [f"a callback was refused: {Refusal.WRONG_KEY.value}"]


@pytest.mark.parametrize(
    ("arguments", "options", "named"),
    [
        ((("key", "secret"),), {}, "credentials"),
        ((CREDENTIALS, None), {}, "credentials"),
        ((CREDENTIALS,), {"max_age": 0}, "max_age"),
        ((CREDENTIALS,), {"max_age": "300"}, "max_age"),
        ((CREDENTIALS,), {"max_body": -1}, "max_body"),
        ((CREDENTIALS,), {"max_body": 1.5}, "max_body"),
        ((CREDENTIALS,), {"seen": True}, "seen"),
    ],
)
def test_a_wrong_setting_is_named(arguments: Any, options: Any, named: str):
    with pytest.raises(ConfigurationError) as caught:
        Callbacks(*arguments, **options)
    assert caught.value.parameter == named
    assert caught.value.remedy


@pytest.mark.parametrize("name", ["method", "path", "headers", "body"])
def test_an_impossible_argument_is_an_invalid_request(name: str):
    with pytest.raises(InvalidRequest) as caught:
        Callbacks(CREDENTIALS).receive(**changed(**{name: object()}))
    assert caught.value.parameter == name


def test_a_body_over_the_limit_is_refused_before_it_is_verified():
    body = b'{"event":"ace"}'
    assert Callbacks(CREDENTIALS, max_body=len(body)).receive(**request(body))
    refused = refusal(lambda: Callbacks(CREDENTIALS, max_body=len(body) - 1).receive(**request()))
    assert (refused.reason, refused.status_code) == (BodyRefusal.TOO_LARGE, 413)


# --- Repeated events -----------------------------------------------------------------------------


def test_a_repeated_event_is_marked_and_not_refused():
    receiver = Callbacks(CREDENTIALS, seen=RecentlySeen())
    first, second = (receiver.receive(**request(path=path)) for path in (PATH, "/fallback"))
    assert (first.repeated, second.repeated) == (False, True)
    assert attrs.evolve(second, repeated=False) == first
    assert isinstance(second, AnsweredCall)


def test_without_a_store_nothing_is_repeated():
    receiver = Callbacks(CREDENTIALS)
    assert not any(receiver.receive(**request()).repeated for _ in range(2))


def test_a_refused_request_is_not_remembered():
    seen = RecentlySeen()
    receiver = Callbacks(CREDENTIALS, seen=seen)
    refusal(lambda: receiver.receive(**request(credentials=OTHER)))
    refusal(lambda: receiver.receive(**request(b"[]")))
    assert len(seen) == 0


def test_the_key_of_an_event_does_not_depend_on_its_delivery():
    body = b'{"event":"ace","callid":"a"}'
    keys = {
        parse(body).key,
        Callbacks(CREDENTIALS).receive(**request(body)).key,
        Callbacks(OTHER).receive(**request(body, "/fallback", credentials=OTHER)).key,
    }
    assert len(keys) == 1
    assert len(keys.pop()) == 64


def test_different_events_have_different_keys():
    read = [example(name) for name in EXAMPLES]
    read += [
        example("pie: digits in a conference", timestamp="2024-01-15T10:30:11Z"),
        example("notify: recording available", destination="s3://other"),
    ]
    assert len({each.key for each in read}) == len(read)


@pytest.mark.parametrize("add", [lambda key: None, lambda key: 1, set().add])
def test_a_store_must_return_whether_a_key_is_new(add: Any):
    class Store:
        def add(self, key: str) -> Any:
            return add(key)

    with pytest.raises(ConfigurationError, match="return True if the key is new"):
        Callbacks(CREDENTIALS, seen=Store()).receive(**request())


def test_old_keys_are_forgotten():
    now = [0.0]
    seen = RecentlySeen(max_age=10, clock=lambda: now[0])
    assert seen.add("a")
    now[0] = 10
    assert not seen.add("a")
    now[0] = 10.1
    assert seen.add("a")
    assert len(seen) == 1


def test_the_oldest_key_is_dropped_over_the_limit():
    seen = RecentlySeen(max_keys=2)
    assert [seen.add(key) for key in "abca"] == [True] * 4
    assert [seen.add(key) for key in "ca"] == [False] * 2
    assert len(seen) == 2


@pytest.mark.parametrize("options", [{"max_age": 0}, {"max_keys": 0}, {"max_keys": True}])
def test_a_store_without_room_is_refused(options: Any):
    with pytest.raises(ConfigurationError, match="give a number above zero"):
        RecentlySeen(**options)


# --- Answers, against a copy of the documented tables --------------------------------------------

ACTIONS: dict[str, Any] = {
    "hangup": Hangup(),
    "continue": Continue(),
    "connectPstn": ConnectPstn(number="+46730170101"),
    "connectMxp": ConnectMxp(),
    "connectConf": ConnectConf("room"),
    "connectSip": ConnectSip(SipEndpoint("a@example.com")),
    "connectStream": ConnectStream(WebsocketEndpoint("wss://example.com")),
    "runMenu": RunMenu([Menu("main")]),
    "park": Park(),
}
INSTRUCTIONS: dict[str, Any] = {
    "answer": Answer(),
    "playFiles": PlayFiles(["welcome"]),
    "say": Say("Hello"),
    "sendDtmf": SendDtmf("1"),
    "setCookie": SetCookie("a", "b"),
    "startRecording": StartRecording(),
    "stopRecording": StopRecording(),
    "reportCallStatus": ReportCallStatus("success"),
}
COMMON = "playFiles say setCookie startRecording stopRecording"
ALLOWED = {
    "ice": (
        "hangup connectPstn connectMxp connectConf connectSip connectStream runMenu park",
        f"{COMMON} answer sendDtmf",
    ),
    "ace": ("hangup continue connectConf runMenu", COMMON),
    "pie": ("hangup continue connectPstn connectConf connectSip runMenu", f"{COMMON} sendDtmf"),
    "dice": ("hangup", "reportCallStatus"),
    "notify": ("", ""),
    "conference": ("", ""),
    "new": (" ".join(ACTIONS), " ".join(INSTRUCTIONS)),
}


def of_kind(kind: str) -> Any:
    if kind == "conference":
        return example("pie: digits in a conference")
    return event(kind)


@pytest.mark.parametrize("raw", [False, True], ids=["typed", "raw"])
@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("kind", ALLOWED)
def test_an_action_is_allowed_where_the_documentation_allows_it(kind: str, action: str, raw: bool):
    given = Raw({**ACTIONS[action].to_wire(), "name": action.upper()}) if raw else ACTIONS[action]
    answer = Svaml(action=given)
    if action in ALLOWED[kind][0].split():
        made = of_kind(kind).answer(answer)
        assert json.loads(made.body) == answer.to_wire()
    else:
        with pytest.raises(InvalidRequest) as caught:
            of_kind(kind).answer(answer)
        assert caught.value.parameter == "svaml"
        assert caught.value.remedy


@pytest.mark.parametrize("raw", [False, True], ids=["typed", "raw"])
@pytest.mark.parametrize("instruction", INSTRUCTIONS)
@pytest.mark.parametrize("kind", ALLOWED)
def test_an_instruction_is_allowed_where_the_documentation_allows_it(
    kind: str, instruction: str, raw: bool
):
    given = INSTRUCTIONS[instruction]
    answer = Svaml([Raw(given.to_wire()) if raw else given], Hangup())
    if instruction in ALLOWED[kind][1].split():
        assert json.loads(of_kind(kind).answer(answer).body) == answer.to_wire()
    else:
        with pytest.raises(InvalidRequest):
            of_kind(kind).answer(answer)


@given(
    st.sampled_from(sorted(ALLOWED)),
    st.lists(st.sampled_from(sorted(INSTRUCTIONS)), max_size=4),
    st.none() | st.sampled_from(sorted(ACTIONS)),
)
def test_every_allowed_answer_is_within_the_table(
    kind: str, instructions: list[str], action: str | None
):
    if not instructions and action is None:
        return
    answer = Svaml([INSTRUCTIONS[name] for name in instructions], action and ACTIONS[action])
    actions_allowed, instructions_allowed = (each.split() for each in ALLOWED[kind])
    allowed = set(instructions) <= set(instructions_allowed) and (
        kind in ("dice", "new") if action is None else action in actions_allowed
    )
    if not allowed:
        with pytest.raises(InvalidRequest) as caught:
            of_kind(kind).answer(answer)
        assert caught.value.remedy
        return
    made = of_kind(kind).answer(answer)
    assert Svaml.from_wire(json.loads(made.body)) == answer
    assert made.headers == {"Content-Type": "application/json"}
    assert made.status_code == 200


def test_an_unknown_name_is_allowed():
    answer = Svaml([Raw({"name": "sing"})], Raw({"name": "connectMoon"}))
    assert b'"connectMoon"' in event("ice").answer(answer).body


def test_an_instruction_in_the_place_of_an_action_is_refused():
    with pytest.raises(InvalidRequest, match="does not take the action Say"):
        event("ice").answer(Svaml(action=Raw({"name": "say", "text": "Hello"})))


@pytest.mark.parametrize("kind", ["ice", "ace", "pie"])
def test_instructions_need_an_action(kind: str):
    with pytest.raises(
        InvalidRequest, match="has no action: .*instructions do not work without one"
    ):
        event(kind).answer(Svaml([Say("Hello")]))


@pytest.mark.parametrize("kind", ["dice", "notify", "conference", "pie", "new"])
def test_an_empty_answer_is_an_empty_200(kind: str):
    assert of_kind(kind).answer() == CallbackAnswer(body=b"", headers={}, status_code=200)


@pytest.mark.parametrize("kind", ["ice", "ace"])
def test_an_event_that_needs_svaml_refuses_an_empty_answer(kind: str):
    with pytest.raises(InvalidRequest, match="must be answered with SVAML: .*give an action"):
        event(kind).answer()


def test_a_disconnected_call_can_report_its_status():
    made = event("dice").answer(Svaml([ReportCallStatus("success", "all well")]))
    assert json.loads(made.body)["instructions"] == [
        {"name": "reportCallStatus", "value": "success", "details": "all well"}
    ]


def test_the_refusal_of_an_answer_lists_what_the_event_takes():
    with pytest.raises(InvalidRequest) as caught:
        event("ice").answer(Svaml(action=Continue()))
    assert str(caught.value) == (
        "an IncomingCall (ICE) does not take the action Continue: it takes Hangup, ConnectPstn, "
        "ConnectMxp, ConnectConf, ConnectSip, ConnectStream, RunMenu, Park"
    )


@pytest.mark.parametrize("answer", [{"action": {"name": "hangup"}}, Hangup(), "hangup", b"{}"])
def test_an_answer_must_be_a_svaml(answer: Any):
    with pytest.raises(InvalidRequest, match="give a Svaml"):
        event("ice").answer(answer)


def test_keys_in_a_conference_are_told_from_a_menu():
    assert example("pie: digits in a conference").from_conference
    assert not example("pie: return").from_conference
    assert not example("pie: return", conferenceId="another").from_conference
    assert not event("pie").from_conference


def test_text_of_any_language_is_answered_in_ascii_json():
    body = event("ice").answer(Svaml([Say("Grüße 👋")], Hangup())).body
    assert body.isascii()
    assert json.loads(body)["instructions"][0]["text"] == "Grüße 👋"


def test_answers_share_no_mutable_state():
    event("dice").answer().headers["X"] = "y"
    assert event("dice").answer().headers == {}


# --- WSGI ----------------------------------------------------------------------------------------

BODY = b'{"event":"ace","custom":"Gr\xc3\xbc\xc3\x9fe"}'


def environ(body: bytes = BODY, path: str = PATH, **changes: Any) -> dict[str, Any]:
    """Return a request's environment, as a WSGI server makes it."""
    headers = signed(body, path)
    made = {
        "REQUEST_METHOD": "POST",
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": "",
        "CONTENT_TYPE": headers["Content-Type"],
        "CONTENT_LENGTH": str(len(body)),
        "HTTP_AUTHORIZATION": headers["Authorization"],
        "HTTP_X_TIMESTAMP": headers["x-timestamp"],
        "HTTP_HOST": "example.com",
        "wsgi.input": io.BytesIO(body),
        "wsgi.url_scheme": "https",
    } | changes
    return {name: value for name, value in made.items() if value is not None}


def by_wsgi(*arguments: Any, receiver: Callbacks | None = None, **changes: Any) -> Any:
    public_path = changes.pop("public_path", None)
    return (receiver or Callbacks(CREDENTIALS)).receive_wsgi(
        environ(*arguments, **changes), public_path
    )


def test_a_wsgi_request_is_received():
    read = by_wsgi()
    assert isinstance(read, AnsweredCall)
    assert read.custom == "Grüße"


ESCAPED = "/caf%C3%A9/a%20b%2Fc+d"
UNESCAPED = "/caf\xc3\xa9/a b/c+d"  # latin-1, as PEP 3333 has it


@pytest.mark.parametrize(
    "given",
    [
        {"RAW_URI": ESCAPED},
        {"RAW_URI": f"{ESCAPED}?x=%20"},
        {"REQUEST_URI": f"{ESCAPED}?x=1"},
        {"REQUEST_URI": f"https://example.com:8443{ESCAPED}?x=1"},
        {"RAW_URI": "/internal", "public_path": ESCAPED},
        {"public_path": f"https://example.com{ESCAPED}"},
    ],
    ids=str,
)
def test_the_path_of_a_wsgi_request_is_the_one_received(given: dict[str, str]):
    assert by_wsgi(BODY, ESCAPED, PATH_INFO=UNESCAPED, **given).event == "ace"


def test_the_path_is_escaped_again_if_a_wsgi_server_has_no_raw_path():
    for path, script, info in (
        ("/sinch/a%20b", "/sinch", "/a b"),
        ("/caf%C3%A9", "", "/caf\xc3\xa9"),
        ("/a+b@c:d;e=f,g", "", "/a+b@c:d;e=f,g"),
        ("/100%25", "", "/100%"),
    ):
        assert by_wsgi(BODY, path, SCRIPT_NAME=script, PATH_INFO=info).event == "ace"


def test_a_path_that_no_encoding_has_is_refused():
    made = gateway("v2") | {"rawPath": "/\udcff"}
    refused = refusal(lambda: Callbacks(CREDENTIALS).receive_lambda(made))
    assert refused.reason is Refusal.WRONG_SIGNATURE
    refused = refusal(lambda: by_asgi(BODY, scope_path="/\ud800", raw_path=None))
    assert refused.reason is Refusal.WRONG_SIGNATURE


def test_an_escaped_slash_needs_the_raw_path():
    refused = refusal(lambda: by_wsgi(BODY, ESCAPED, PATH_INFO=UNESCAPED))
    assert refused.reason is Refusal.WRONG_SIGNATURE


def test_a_wsgi_body_without_a_length_is_read_if_the_server_terminates_it():
    assert by_wsgi(CONTENT_LENGTH=None, **{"wsgi.input_terminated": True}).event == "ace"
    assert by_wsgi(CONTENT_LENGTH="", **{"wsgi.input_terminated": True}).event == "ace"
    refused = refusal(lambda: by_wsgi(CONTENT_LENGTH=None))
    assert refused.reason is Refusal.WRONG_SIGNATURE  # PEP 3333: then there is no body


class Pieces(io.RawIOBase):
    """Yields a few bytes at a time, then ends or raises."""

    def __init__(self, body: bytes, end: BaseException | None = None) -> None:
        self.body, self.end = body, end

    def read(self, size: int = -1) -> bytes:
        if not self.body and self.end is not None:
            raise self.end
        part, self.body = self.body[:3], self.body[3:]
        return part


def test_a_wsgi_server_may_give_the_type_of_the_body_twice():
    assert by_wsgi(HTTP_CONTENT_TYPE=TYPE, HTTP_CONTENT_LENGTH=str(len(BODY))).event == "ace"
    assert by_wsgi(HTTP_CONTENT_TYPE=TYPE, CONTENT_TYPE="").event == "ace"


def test_a_wsgi_body_may_come_in_pieces():
    assert by_wsgi(**{"wsgi.input": Pieces(BODY)}).event == "ace"


@pytest.mark.parametrize(
    "stream", [Pieces(BODY[:-1]), Pieces(BODY[:5], ConnectionResetError()), Pieces(b"")]
)
def test_a_wsgi_body_that_ends_too_early_is_refused(stream: Any):
    refused = refusal(lambda: by_wsgi(**{"wsgi.input": stream}))
    assert (refused.reason, refused.status_code) == (BodyRefusal.INCOMPLETE, 400)
    assert "already read it" in str(refused)


@pytest.mark.parametrize("length", ["-1", "x", "1_0", "+5", "٣", "9" * 30])
def test_an_invalid_wsgi_length_is_refused(length: str):
    assert refusal(lambda: by_wsgi(CONTENT_LENGTH=length)).reason is BodyRefusal.INCOMPLETE


def test_a_wsgi_body_over_the_limit_is_refused_unread():
    stream = io.BytesIO(BODY)
    receiver = Callbacks(CREDENTIALS, max_body=10)
    refused = refusal(lambda: by_wsgi(receiver=receiver, **{"wsgi.input": stream}))
    assert refused.status_code == 413
    assert stream.tell() == 0


def test_a_wsgi_body_without_a_length_is_read_up_to_the_limit():
    stream = io.BytesIO(b" " * 1000)
    refused = refusal(
        lambda: by_wsgi(
            receiver=Callbacks(CREDENTIALS, max_body=10),
            CONTENT_LENGTH=None,
            **{"wsgi.input": stream, "wsgi.input_terminated": True},
        )
    )
    assert refused.status_code == 413
    assert stream.tell() == 11


@pytest.mark.parametrize("wrong", [None, {}, {"PATH_INFO": "/"}, "POST"])
def test_a_wrong_wsgi_environment_is_an_invalid_request(wrong: Any):
    with pytest.raises(InvalidRequest, match="give the environ"):
        Callbacks(CREDENTIALS).receive_wsgi(wrong)


# --- ASGI ----------------------------------------------------------------------------------------


def by_asgi(
    body: bytes = BODY,
    path: str = PATH,
    *,
    messages: list[dict[str, Any]] | None = None,
    receiver: Callbacks | None = None,
    public_path: str | None = None,
    scope_path: str = "/decoded",
    **changes: Any,
) -> Any:
    scope = {
        "type": "http",
        "method": "POST",
        "path": scope_path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": [(k.lower().encode(), v.encode()) for k, v in signed(body, path).items()],
    } | changes
    waiting = messages if messages is not None else [{"type": "http.request", "body": body}]

    async def receive() -> dict[str, Any]:
        return waiting.pop(0)

    return asyncio.run(
        (receiver or Callbacks(CREDENTIALS)).receive_asgi(scope, receive, public_path)
    )


def test_an_asgi_request_is_received():
    read = by_asgi()
    assert isinstance(read, AnsweredCall)
    assert read.custom == "Grüße"


def test_an_asgi_body_may_come_in_pieces():
    pieces = [
        {"type": "http.request", "body": BODY[:7], "more_body": True},
        {"type": "http.request", "more_body": True},
        {"type": "http.request", "body": BODY[7:], "more_body": True},
        {"type": "http.request", "body": b"", "more_body": False},
    ]
    assert by_asgi(messages=pieces).event == "ace"
    assert pieces == []


def test_an_asgi_client_that_disconnects_is_refused():
    pieces = [
        {"type": "http.request", "body": BODY[:7], "more_body": True},
        {"type": "http.disconnect"},
    ]
    refused = refusal(lambda: by_asgi(messages=pieces))
    assert (refused.reason, refused.status_code) == (BodyRefusal.INCOMPLETE, 400)


def test_an_asgi_body_over_the_limit_is_read_no_further():
    pieces = [{"type": "http.request", "body": b" " * 6, "more_body": True} for _ in range(5)]
    refused = refusal(
        lambda: by_asgi(messages=pieces, receiver=Callbacks(CREDENTIALS, max_body=10))
    )
    assert refused.status_code == 413
    assert len(pieces) == 3


@pytest.mark.parametrize(
    "given",
    [
        {"raw_path": ESCAPED.encode()},
        {"raw_path": f"{ESCAPED}?x=1".encode()},
        {"raw_path": b"/internal", "public_path": ESCAPED},
    ],
    ids=str,
)
def test_the_path_of_an_asgi_request_is_the_one_received(given: dict[str, Any]):
    assert by_asgi(BODY, ESCAPED, **given).event == "ace"


def test_the_path_is_escaped_again_if_an_asgi_server_has_no_raw_path():
    for raw in (None, b""):
        assert (
            by_asgi(BODY, "/caf%C3%A9/a%20b", scope_path="/café/a b", raw_path=raw).event == "ace"
        )


@pytest.mark.parametrize("wrong", [None, {}, {"type": "websocket"}, {"type": "lifespan"}])
def test_a_wrong_asgi_scope_is_an_invalid_request(wrong: Any):
    with pytest.raises(InvalidRequest, match="give the scope"):
        asyncio.run(Callbacks(CREDENTIALS).receive_asgi(wrong, None))  # type: ignore[arg-type]


# --- AWS Lambda ----------------------------------------------------------------------------------


def gateway(form: str, body: bytes = BODY, path: str = PATH) -> dict[str, Any]:
    """Return the event of a gateway, as AWS documents it."""
    headers = {"Host": "example.com", **signed(body, path)}
    lists = {name: [value] for name, value in headers.items()}
    lower = {name.lower(): value for name, value in headers.items()}
    made: dict[str, Any] = {"body": body.decode("utf-8", "replace"), "isBase64Encoded": False}
    match form:
        case "v1":
            return made | {
                "resource": "/{proxy+}",
                "httpMethod": "POST",
                "path": path.removeprefix("/prod"),
                "headers": headers,
                "multiValueHeaders": lists,
                "requestContext": {"stage": "prod", "httpMethod": "POST", "path": path},
            }
        case "v2":
            return made | {
                "version": "2.0",
                "rawPath": path,
                "rawQueryString": "x=1",
                "headers": lower,
                "requestContext": {"stage": "$default", "http": {"method": "POST", "path": path}},
            }
        case "alb":
            context = {"elb": {"targetGroupArn": "arn:aws:elasticloadbalancing:…"}}
            return made | {
                "httpMethod": "POST",
                "path": path,
                "headers": lower,
                "requestContext": context,
            }
        case _:
            return made | {
                "httpMethod": "POST",
                "path": path,
                "multiValueHeaders": {name.lower(): [value] for name, value in headers.items()},
                "requestContext": {"elb": {}},
            }


GATEWAYS = ["v1", "v2", "alb", "alb with lists"]


@pytest.mark.parametrize("form", GATEWAYS)
def test_a_lambda_event_is_received(form: str):
    read = Callbacks(CREDENTIALS).receive_lambda(gateway(form))
    assert isinstance(read, AnsweredCall)
    assert read.custom == "Grüße"


@pytest.mark.parametrize("form", GATEWAYS)
def test_a_lambda_body_may_be_base64(form: str):
    body = b'{"event":"ace","custom":"\xc3\xbc"}'
    encoded = {"body": base64.b64encode(body).decode(), "isBase64Encoded": True}
    read = Callbacks(CREDENTIALS).receive_lambda(gateway(form, body) | encoded)
    assert read.custom == "ü"


def test_the_stage_of_a_rest_api_is_part_of_the_path():
    assert Callbacks(CREDENTIALS).receive_lambda(gateway("v1", path="/prod/sinch")).event == "ace"


@pytest.mark.parametrize("form", GATEWAYS)
def test_a_lambda_event_takes_a_public_path(form: str):
    made = gateway(form, path=ESCAPED)
    for name in ("path", "rawPath"):
        if name in made:
            made[name] = "/internal"
    made["requestContext"].pop("path", None)
    assert Callbacks(CREDENTIALS).receive_lambda(made, ESCAPED).event == "ace"


def test_a_path_decoded_by_a_gateway_is_escaped_again():
    made = gateway("v2", path="/caf%C3%A9/a%20b") | {"rawPath": "/café/a b"}
    assert Callbacks(CREDENTIALS).receive_lambda(made).event == "ace"
    made = gateway("v2", path="/caf%C3%A9/a%20b")
    assert Callbacks(CREDENTIALS).receive_lambda(made).event == "ace"


def test_a_repeated_lambda_header_is_refused():
    made = gateway("v1")
    made["multiValueHeaders"]["x-timestamp"] *= 2
    refused = refusal(lambda: Callbacks(CREDENTIALS).receive_lambda(made))
    assert refused.reason is Refusal.AMBIGUOUS_HEADERS


@pytest.mark.parametrize("form", GATEWAYS)
def test_a_lambda_event_without_headers_or_body_is_refused(form: str):
    made = gateway(form) | {"headers": None, "multiValueHeaders": None, "body": None}
    refused = refusal(lambda: Callbacks(CREDENTIALS).receive_lambda(made))
    assert refused.reason is Refusal.NO_AUTHORIZATION


@pytest.mark.parametrize(
    "wrong",
    [
        None,
        {},
        {"Records": []},
        gateway("v2") | {"requestContext": {}},
        gateway("v1") | {"httpMethod": None},
        gateway("v1") | {"body": {"event": "ace"}},
        gateway("v1") | {"body": "not base64!", "isBase64Encoded": True},
    ],
    ids=lambda wrong: ascii(wrong)[:30],
)
def test_a_wrong_lambda_event_is_an_invalid_request(wrong: Any):
    with pytest.raises(InvalidRequest) as caught:
        Callbacks(CREDENTIALS).receive_lambda(wrong)
    assert caught.value.parameter == "event"
    assert caught.value.remedy


@given(st.binary())
def test_bodies_that_are_not_utf_8_are_refused_in_every_form(body: bytes):
    if body.isascii():
        return
    receiver = Callbacks(CREDENTIALS)
    attempts: list[Callable[[], Any]] = [
        lambda: receiver.receive_wsgi(environ(body)),
        lambda: by_asgi(body),
        *(lambda form=form: receiver.receive_lambda(gateway(form, body)) for form in GATEWAYS),
    ]
    for attempt in attempts:
        refused = refusal(attempt)
        assert refused.reason in (BodyRefusal.NOT_A_JSON_OBJECT, Refusal.WRONG_SIGNATURE)


# --- Examples in docs/how-to/callbacks.md --------------------------------------------------------

PAGE = "docs/how-to/callbacks.md"
APPLICATION, FASTAPI, _FLASK, _DJANGO, LAMBDA, REDIS, TESTING = (
    block.code for block in blocks(PAGE) if block.language == "python"
)


def run(code: str) -> dict[str, Any]:
    """Run an example, and return its names."""
    names: dict[str, Any] = {"__name__": "example"}
    exec(compile(code, PAGE, "exec"), names)  # noqa: S102
    return names


@pytest.fixture
def voice(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    """Provide the voice application as the module that the other examples import."""
    monkeypatch.setenv("SINCH_APPLICATION_KEY", CREDENTIALS.application_key)
    monkeypatch.setenv("SINCH_APPLICATION_SECRET", CREDENTIALS.application_secret)
    module = types.ModuleType("voice")
    vars(module).update(run(APPLICATION))
    monkeypatch.setitem(sys.modules, "voice", module)
    return module


def deliver(app: Any, body: bytes, **changes: Any) -> tuple[str, list[Any], bytes]:
    """Send an event to a WSGI application."""
    answered: list[Any] = []
    content = app(environ(body, **changes), lambda *status: answered.extend(status))
    return answered[0], answered[1], b"".join(content)


def told(app: Any, name: str, **changes: Any) -> Any:
    """Return a WSGI application's SVAML answer to an example; None for an empty 200."""
    body = json.dumps(EXAMPLES[name] | changes).encode()
    status, headers, content = deliver(app, body)
    assert status == "200 OK"
    assert headers == ([("Content-Type", "application/json")] if content else [])
    return json.loads(content) if content else None


def pressed(value: str | None, kind: str = "return") -> dict[str, Any]:
    return {"menuResult": {"menuId": "main", "type": kind, "value": value, "inputMethod": "dtmf"}}


def test_the_application_greets_and_offers_a_menu(voice: types.ModuleType):
    svaml = told(voice.app, "ice: incoming from the telephone network")
    assert [each["name"] for each in svaml["instructions"]] == ["answer", "say"]
    assert svaml["action"]["menus"][0]["options"] == [
        {"dtmf": "1", "action": "return(sales)"},
        {"dtmf": "2", "action": "return(message)"},
    ]


def test_the_application_connects_and_continues_after_the_answer(voice: types.ModuleType):
    svaml = told(voice.app, "pie: return", **pressed("sales"))
    assert svaml == {"action": {"name": "connectPstn", "number": "+12125550123"}}
    assert told(voice.app, "ace: a call was answered") == {"action": {"name": "continue"}}


def test_the_application_records_a_message_and_hangs_up(voice: types.ModuleType):
    svaml = told(voice.app, "pie: return", **pressed("message"))
    assert [each["name"] for each in svaml["instructions"]] == ["startRecording"]
    assert svaml["action"]["menus"][0]["options"] == [{"dtmf": "1", "action": "return(done)"}]
    for ended in (pressed("done"), pressed(None, "timeout"), pressed(None, "hangup")):
        svaml = told(voice.app, "pie: return", **ended)
        assert [each["name"] for each in svaml["instructions"]] == ["say"]
        assert svaml["action"] == {"name": "hangup"}


def test_the_application_shows_the_bill_of_a_call_once(
    voice: types.ModuleType, capsys: pytest.CaptureFixture[str]
):
    for _ in range(2):
        assert told(voice.app, "dice: a call was disconnected") is None
    assert capsys.readouterr().out == (
        "1ce0ffee-ca11-ca11-ca11-abcdef000033 ANSWERED MANAGERHANGUP 12 "
        "Price(amount=Decimal('0.0095'), currency='EUR')\n"
    )


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_application_answers_every_event(voice: types.ModuleType, name: str):
    svaml = told(voice.app, name)
    empty = name.startswith(("dice", "notify")) or name == "pie: digits in a conference"
    assert (svaml is None) == empty


def test_the_application_refuses_a_stranger(voice: types.ModuleType):
    assert deliver(voice.app, BODY, HTTP_AUTHORIZATION=None) == ("401 Unauthorized", [], b"")
    assert deliver(voice.app, b"[]") == ("400 Bad Request", [], b"")


def test_the_recipe_for_lambda_works(voice: types.ModuleType):
    handler = run(LAMBDA)["handler"]
    for form in GATEWAYS:
        body = json.dumps(EXAMPLES["ice: incoming from the telephone network"]).encode()
        answer = handler(gateway(form, body), None)
        assert answer["statusCode"] == 200
        assert answer["headers"] == {"Content-Type": "application/json"}
        assert json.loads(answer["body"])["action"]["name"] == "runMenu"
    assert handler(gateway("v2") | {"body": "{}"}, None) == {"statusCode": 401}


def test_the_recipe_for_fastapi_works_in_starlette(voice: types.ModuleType):
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Mount, Route

    function = FASTAPI.partition("async def")
    namespace = {"Request": Request, "Response": Response, "__name__": "example"}
    imports = (
        "from sinchvoice.callbacks import CallbackRefused\nfrom voice import callbacks, reply\n"
    )
    exec("".join([imports, *function[1:]]), namespace)  # noqa: S102
    route = Route("/sinch/{rest:path}", namespace["sinch"], methods=["POST"])
    app = Starlette(routes=[Mount("/voice", routes=[route])])
    body = json.dumps(EXAMPLES["ice: incoming from the telephone network"]).encode()

    async def post(headers: dict[str, str]) -> httpx.Response:
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://example.com"
        ) as client:
            return await client.post("/voice/sinch/a%20b?x=1", content=body, headers=headers)

    answer = asyncio.run(post(signed(body, "/voice/sinch/a%20b")))
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["action"]["name"] == "runMenu"
    assert asyncio.run(post(signed(body, "/voice/sinch/a b"))).status_code == 401


def test_the_store_in_redis_returns_whether_a_key_is_new():
    class Redis(dict[str, Any]):
        def set(self, key: str, value: Any, *, nx: bool, ex: int) -> bool | None:
            if nx and key in self:
                return None
            self[key] = (value, ex)
            return True

    receiver = Callbacks(CREDENTIALS, seen=run(REDIS)["SeenInRedis"](Redis()))
    assert [receiver.receive(**request()).repeated for _ in range(2)] == [False, True]


def test_the_example_for_tests_works(capsys: pytest.CaptureFixture[str]):
    run(TESTING)
    assert capsys.readouterr().out == (
        'OtherEndpoint(type=\'did\', endpoint=\'+12017777777\') {"action":{"name":"hangup"}}\n'
    )


# --- The module ----------------------------------------------------------------------------------


def test_callbacks_load_no_http_library():
    code = "import sys, sinchvoice.callbacks; print(*sys.modules, sep='\\n')"
    loaded = set(subprocess.check_output([sys.executable, "-c", code], text=True).split())
    for heavy in ("httpx", "httpcore", "asyncio", "starlette", "sinchvoice_calling"):
        assert heavy not in loaded


def test_callbacks_can_be_imported_in_both_ways():
    code = "import sinchvoice; print(sinchvoice.callbacks.Callbacks.__name__)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "Callbacks\n"


def test_all_is_sorted_and_every_name_exists():
    assert sorted(callbacks.__all__) == callbacks.__all__
    for name in callbacks.__all__:
        assert getattr(callbacks, name) is not None


def test_no_event_shows_more_of_a_body_than_its_fields():
    assert "secret" not in repr(event("ice", unknown="secret"))
    assert isinstance(event("ice").raw, Mapping)
