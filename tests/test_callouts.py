"""callouts.py: requests, refusals and warnings, and no callout placed twice."""

from __future__ import annotations

import asyncio
import json
import socket
import time
import warnings
from collections.abc import Callable
from typing import Any

import httpx
import pytest
import regenerate
from jsonschema import Draft202012Validator
from raw_servers import Ask, answer, ask_awaiting, ask_blocking, read_request, serving, silent
from referencing import Registry
from referencing.jsonschema import DRAFT202012
from sinchvoice import (
    ApiConnectionError,
    ApiTimeoutError,
    AsyncVoiceClient,
    Callout,
    InsufficientCreditError,
    InvalidRequest,
    MxpEndpoint,
    OtherEndpoint,
    PstnEndpoint,
    RateLimitError,
    RequestWarning,
    ServerError,
    SipEndpoint,
    UnexpectedResponse,
    svaml,
)

ID = "4398599d1ba84ef3bde0a82dfb61abed"
PHONE, CLI = "+12125550123", "+46730170101"
PSTN = {"type": "number", "endpoint": PHONE}
ACCEPTED = httpx.Response(200, json={"callId": ID})
HANGUP = svaml.Svaml(action=svaml.Hangup())
_STRICT = regenerate.strict("calling")


def sent(voice: Any) -> Any:
    """Return the body of the single request, checked against the strict specification."""
    (request,) = voice.requests
    assert (request.method, request.url.raw_path) == ("POST", b"/calling/v1/callouts")
    assert request.headers["Content-Type"] == "application/json"
    body = json.loads(request.content)
    registry = Registry().with_resource("urn:spec", DRAFT202012.create_resource(_STRICT))
    schema = {"$ref": "urn:spec#/components/schemas/CalloutRequest"}
    assert [
        e.message for e in Draft202012Validator(schema, registry=registry).iter_errors(body)
    ] == []
    return body


# --- Requests ------------------------------------------------------------------------------------


def test_text_to_speech_sends_every_argument(scripted: Any):
    voice = scripted(ACCEPTED)
    callout = voice.callouts.text_to_speech(
        PHONE,
        text="Välkommen",
        prompts="#tts[Hello];welcome",
        cli=CLI,
        domain="pstn",
        dtmf="ww12#",
        custom="order 7",
        locale="en-US/male",
        enable_ace=True,
        enable_dice=False,
        enable_pie=True,
    )
    assert callout == Callout(call_id=ID)
    assert callout.raw == {"callId": ID}
    assert sent(voice) == {
        "method": "ttsCallout",
        "ttsCallout": {
            "destination": PSTN,
            "cli": CLI,
            "domain": "pstn",
            "dtmf": "ww12#",
            "custom": "order 7",
            "locale": "en-US/male",
            "text": "Välkommen",
            "prompts": "#tts[Hello];welcome",
            "enableAce": True,
            "enableDice": False,
            "enablePie": True,
        },
    }


@pytest.mark.parametrize(
    "place",
    [
        lambda voice, **given: voice.callouts.conference(PHONE, **given),
        lambda voice, **given: voice.conferences.call(PHONE, **given),
    ],
    ids=["callouts.conference", "conferences.call"],
)
def test_a_conference_callout_sends_every_argument(scripted: Any, place: Callable[..., Callout]):
    voice = scripted(ACCEPTED)
    callout = place(
        voice,
        conference_id="room 1/ü",
        cli="14151112223333",
        domain="mxp",
        dtmf="1",
        custom="x",
        conference_dtmf_options=svaml.ConferenceDtmfOptions(
            mode="detect", max_digits=2, timeout_mills=2500
        ),
        max_duration=600,
        locale="Kimberly",
        greeting="Welcome",
        moh_class="music1",
        enable_ace=False,
        enable_dice=True,
        enable_pie=False,
    )
    assert callout.call_id == ID
    assert sent(voice) == {
        "method": "conferenceCallout",
        "conferenceCallout": {
            "destination": PSTN,
            "conferenceId": "room 1/ü",
            "cli": "14151112223333",
            "domain": "mxp",
            "dtmf": "1",
            "custom": "x",
            "conferenceDtmfOptions": {"mode": "detect", "maxDigits": 2, "timeoutMills": 2500},
            "maxDuration": 600,
            "locale": "Kimberly",
            "greeting": "Welcome",
            "mohClass": "music1",
            "enableAce": False,
            "enableDice": True,
            "enablePie": False,
        },
    }


def test_svaml_of_a_custom_callout_is_sent_as_text(scripted: Any):
    voice = scripted(ACCEPTED)
    raw = '{"action": {"name": "hangup"}}'
    voice.callouts.custom(
        PHONE,
        cli=CLI,
        dtmf="#",
        custom="x",
        max_duration=1,
        ice="https://example.com/ice",
        ace=svaml.Svaml([svaml.Say('"Hé"')], svaml.Hangup()),
        pie=raw,
        dice=HANGUP,
    )
    custom = sent(voice)["customCallout"]
    say = {"instructions": [{"name": "say", "text": '"Hé"'}], "action": {"name": "hangup"}}
    assert json.loads(custom.pop("ace")) == say
    assert custom == {
        "destination": PSTN,
        "cli": CLI,
        "dtmf": "#",
        "custom": "x",
        "maxDuration": 1,
        "ice": "https://example.com/ice",
        "pie": raw,
        "dice": '{"action":{"name":"hangup"}}',
    }


def test_omitted_arguments_are_not_sent(scripted: Any):
    voice = scripted(ACCEPTED)
    voice.callouts.custom()
    assert sent(voice) == {"method": "customCallout", "customCallout": {}}


@pytest.mark.parametrize(
    ("destination", "wire"),
    [
        (PHONE, PSTN),
        ("alice", {"type": "username", "endpoint": "alice"}),
        ("sip:a@b.example", {"type": "sip", "endpoint": "a@b.example"}),
        (PstnEndpoint(PHONE), PSTN),
        (MxpEndpoint("alice"), {"type": "username", "endpoint": "alice"}),
        (SipEndpoint("a@b.example"), {"type": "sip", "endpoint": "a@b.example"}),
    ],
    ids=str,
)
def test_a_destination_is_an_endpoint_or_text(scripted: Any, destination: Any, wire: Any):
    voice = scripted(ACCEPTED)
    voice.callouts.conference(destination, conference_id="r")
    assert sent(voice)["conferenceCallout"]["destination"] == wire


def test_callback_headers_become_headers_of_the_request(scripted: Any):
    voice = scripted(ACCEPTED)
    longest = {"X-CB-" + "n" * 27: "v" * 128, "x-cb-order": "a b", "X-CB-3": "", "X-CB-4": "4"}
    voice.callouts.custom(PHONE, callback_headers=longest | {"X-CB-5": "5"})
    (request,) = voice.requests
    assert {n.lower(): v for n, v in request.headers.items() if n.lower().startswith("x-cb-")} == {
        name.lower(): value for name, value in (longest | {"X-CB-5": "5"}).items()
    }


# --- Refusals and warnings -----------------------------------------------------------------------

OTHER = OtherEndpoint("did", PHONE)


@pytest.mark.parametrize(
    ("place", "message"),
    [
        (lambda c: c.text_to_speech(OTHER, text="x", cli=CLI), "give a PstnEndpoint"),
        (lambda c: c.text_to_speech("0046", text="x", cli=CLI), "leading 00"),
        (
            lambda c: c.text_to_speech(PHONE, cli=CLI),
            "no text and no prompts: give one, or enable_ace=True",
        ),
        (lambda c: c.text_to_speech(PHONE, text="", cli=CLI), "text is ''"),
        (lambda c: c.text_to_speech(PHONE, text="\ud800", cli=CLI), "not valid Unicode"),
        (lambda c: c.text_to_speech(PHONE, text="x", cli="private"), "cli is 'private'"),
        (lambda c: c.text_to_speech(PHONE, text="x", cli=CLI, dtmf="1*"), "dtmf is '1*'"),
        (lambda c: c.text_to_speech(PHONE, text="x", cli=CLI, domain="data"), "domain is 'data'"),
        (lambda c: c.text_to_speech(PHONE, text="x", cli=CLI, enable_ace=1), "enable_ace is 1"),
        (lambda c: c.text_to_speech(PHONE, text="x", cli=CLI, deadline=0), "deadline is 0"),
        (lambda c: c.conference(PHONE, conference_id=" "), "conference_id is ' '"),
        (lambda c: c.conference(PHONE, conference_id="r", moh_class="jazz"), "ring, music1"),
        (lambda c: c.conference(PHONE, conference_id="r", max_duration=True), "max_duration is T"),
        (
            lambda c: c.conference(PHONE, conference_id="r", conference_dtmf_options={}),
            "ConferenceDtmfOptions",
        ),
        (lambda c: c.custom(PHONE, ace={"action": {}}), ": give a Svaml or a URL"),
        (lambda c: c.custom(PHONE, dice=""), "dice is ''"),
        (lambda c: c.custom(callback_headers=["X-CB-1"]), "give a mapping"),
        (lambda c: c.custom(callback_headers={"X-Order": "1"}), "the name 'X-Order'"),
        (lambda c: c.custom(callback_headers={"X-CB-": "1"}), "the name 'X-CB-'"),
        (lambda c: c.custom(callback_headers={"X-CB-a\r\nb": "1"}), "the name"),
        (lambda c: c.custom(callback_headers={"X-CB-" + "n" * 28: "1"}), "name of 33 characters"),
        (lambda c: c.custom(callback_headers={"X-CB-1": "v" * 129}), "at most 128"),
        (lambda c: c.custom(callback_headers={"X-CB-1": "a\nb"}), r"'a\nb' as X-CB-1"),
        (lambda c: c.custom(callback_headers={"X-CB-1": "é"}), "'é' as X-CB-1"),
        (lambda c: c.custom(callback_headers={"X-CB-1": " a"}), "' a' as X-CB-1"),
        (lambda c: c.custom(callback_headers={f"X-CB-{n}": "" for n in range(6)}), "at most 5"),
        (lambda c: c.custom(callback_headers={"X-CB-a": "", "x-cb-A": ""}), "each name once"),
        (lambda c: c.text_to_speech(" ", text="x", cli=CLI), "destination is ' '"),
    ],
)
def test_wrong_arguments_are_refused_before_anything_is_sent(
    scripted: Any, place: Callable[[Any], Any], message: str
):
    voice = scripted(ACCEPTED)
    with pytest.raises(InvalidRequest) as caught:
        place(voice.callouts)
    assert message in str(caught.value)
    assert voice.requests == []


SAY = svaml.Say("Hi", locale="en-US")


@pytest.mark.parametrize(
    ("event", "given", "message"),
    [
        ("ice", svaml.Svaml(action=svaml.Continue()), "(ICE) does not take the action Continue"),
        ("ace", svaml.Svaml(action=svaml.Park()), "(ACE) does not take the action Park"),
        ("ace", svaml.Svaml([svaml.Answer()], svaml.Hangup()), "not take the instruction Answer"),
        ("pie", svaml.Svaml([SAY]), "pie has no action"),
        ("dice", svaml.Svaml([SAY]), "(DiCE) does not take the instruction Say"),
    ],
)
def test_svaml_not_allowed_for_an_event_is_refused(
    scripted: Any, event: str, given: svaml.Svaml, message: str
):
    voice = scripted(ACCEPTED)
    with pytest.raises(InvalidRequest) as caught:
        voice.callouts.custom(**{event: given})
    assert message in str(caught.value)
    assert caught.value.parameter == event
    assert voice.requests == []


@pytest.mark.parametrize("name", ["text", "prompts"])
def test_text_over_the_limit_is_sent_with_a_warning(scripted: Any, name: str):
    voice = scripted(ACCEPTED, ACCEPTED)
    with pytest.warns(RequestWarning, match=f"{name} has 601 characters"):
        voice.callouts.text_to_speech(PHONE, cli=CLI, **{name: "x" * 601})
    (request,) = voice.requests
    assert json.loads(request.content)["ttsCallout"][name] == "x" * 601
    with warnings.catch_warnings(action="error"):
        voice.callouts.text_to_speech(PHONE, cli=CLI, **{name: "x" * 600})


@pytest.mark.parametrize(
    ("place", "message"),
    [
        (lambda c: c.text_to_speech(PHONE, text="x"), "without cli is accepted but never reaches"),
        (lambda c: c.custom(PHONE, ice=HANGUP), "SVAML as ice and destination:"),
        (lambda c: c.custom(PHONE, cli=CLI, ice=HANGUP), "ice and destination and cli"),
        (lambda c: c.custom(PHONE, ice=' {"action":{"name":"hangup"}}'), "SVAML as ice"),
    ],
)
def test_a_dubious_callout_is_sent_with_a_warning_at_this_line(
    scripted: Any, place: Callable[[Any], Any], message: str
):
    voice = scripted(ACCEPTED)
    with pytest.warns(RequestWarning, match=message) as caught:
        place(voice.callouts)
    assert [warning.filename for warning in caught] == [__file__]
    assert sent(voice)


def test_an_awaited_callout_warns_at_the_line_that_awaits_it():
    async def main() -> None:
        transport = httpx.MockTransport(lambda request: ACCEPTED)
        async with AsyncVoiceClient("k", "JViE5vDor0Sw3WllZka15Q==", transport=transport) as voice:
            await voice.callouts.text_to_speech(PHONE, text="x")

    with pytest.warns(RequestWarning) as caught:
        asyncio.run(main())
    assert [warning.filename for warning in caught] == [__file__]


@pytest.mark.parametrize(
    "place",
    [
        lambda c: c.text_to_speech("alice", text="x", cli=CLI),
        lambda c: c.text_to_speech(PHONE, enable_ace=True, cli=CLI),
        lambda c: c.custom(PHONE, cli=CLI, ice="https://example.com"),
        lambda c: c.custom(ice=HANGUP),
        lambda c: c.custom(PHONE, cli=CLI, ace=HANGUP),
    ],
)
def test_documented_callouts_give_no_warning(scripted: Any, place: Callable[[Any], Any]):
    voice = scripted(ACCEPTED)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        place(voice.callouts)
    assert sent(voice)


# --- Answers -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answered", "call_id"),
    [
        ({"callId": "a"}, "a"),
        (
            {"callid": "822aa4b7-05b4-4d83-87c7-1f835ee0b6f6_257"},
            "822aa4b7-05b4-4d83-87c7-1f835ee0b6f6_257",
        ),
        ({"callId": None, "callid": "a"}, "a"),
        ({"callId": "a", "callid": "b", "more": [1]}, "a"),
    ],
    ids=["1.0.1", "1.0.0", "null", "both"],
)
@pytest.mark.parametrize("status", [200, 201, 202])
def test_the_id_is_read_in_both_spellings(scripted: Any, status: int, answered: Any, call_id: str):
    voice = scripted(httpx.Response(status, json=answered))
    assert voice.callouts.custom(PHONE).call_id == call_id


@pytest.mark.parametrize("content", [b"", b"{}", b'{"callId": ""}', b'{"callId": 7}', b"OK", b"[]"])
def test_a_success_without_an_id_may_ring_and_is_not_repeated(scripted: Any, content: bytes):
    voice = scripted(httpx.Response(200, content=content), retries=5)
    with pytest.raises(UnexpectedResponse) as caught:
        voice.callouts.custom(PHONE, custom="order 7")
    assert len(voice.requests) == 1
    assert caught.value.may_have_executed
    assert caught.value.operation == "callouts.custom"
    assert "it may ring all the same" in str(caught.value)


# --- No duplicate callouts -----------------------------------------------------------------------


def failure(status: int, code: int) -> httpx.Response:
    return httpx.Response(status, json={"errorCode": code, "message": "x"})


@pytest.mark.parametrize(
    ("first", "error"),
    [
        (httpx.ReadTimeout("late"), ApiTimeoutError),
        (httpx.ReadError("reset"), ApiConnectionError),
        (httpx.RemoteProtocolError("nonsense"), ApiConnectionError),
        (failure(500, 50000), ServerError),
        (failure(502, 50200), ServerError),
        (failure(503, 50300), ServerError),
        (failure(504, 50400), ServerError),
    ],
    ids=repr,
)
@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
def test_a_callout_that_may_have_arrived_is_not_sent_again(
    scripted: Any, first: Any, error: type, is_async: bool
):
    voice = scripted(first, ACCEPTED, is_async=is_async, retries=5)

    def place() -> Any:
        result = voice.callouts.custom(PHONE)
        return asyncio.run(result) if is_async else result

    with pytest.raises(error) as caught:
        place()
    assert len(voice.requests) == 1
    assert caught.value.may_have_executed
    assert "before sending it again, look" in caught.value.remedy
    assert "`custom`" in caught.value.remedy


@pytest.mark.parametrize(
    "first", [httpx.ConnectError("refused"), httpx.ConnectTimeout("late"), failure(429, 42901)]
)
def test_a_callout_that_certainly_did_nothing_is_sent_again(scripted: Any, first: Any):
    voice = scripted(first, ACCEPTED)
    assert voice.callouts.custom(PHONE).call_id == ID
    assert len(voice.requests) == 2


@pytest.mark.parametrize(
    ("error", "kind"),
    [(failure(402, 40200), InsufficientCreditError), (failure(429, 42900), RateLimitError)],
)
def test_a_refused_callout_has_done_nothing(scripted: Any, error: Any, kind: type):
    voice = scripted(error, retries=0)
    with pytest.raises(kind) as caught:
        voice.callouts.custom(PHONE)
    assert not caught.value.may_have_executed
    assert "ring" not in str(caught.value)


def test_an_expired_callout_is_sent_again_with_the_servers_time(scripted: Any):
    late = httpx.Response(
        401, json={"errorCode": 40105}, headers={"Date": "Tue, 13 May 2014 17:53:20 GMT"}
    )
    voice = scripted(late, ACCEPTED, retries=0)
    assert voice.callouts.custom(PHONE).call_id == ID
    assert len(voice.requests) == 2


# --- Timeouts and deadlines ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "given", "patience", "others"),
    [
        ({}, {}, 60.0, 10.0),
        ({"timeout": 5}, {}, 60.0, 5),
        ({"timeout": 90}, {}, 90, 90),
        ({"timeout": 5, "deadline": 3}, {}, 60.0, 3),
        ({"timeout": 5, "deadline": 3}, {"deadline": 30}, 30, 5),
        ({"timeout": 5}, {"deadline": 2}, 2, 2),
        ({"timeout": 5}, {"deadline": 100}, 60.0, 5),
    ],
    ids=str,
)
def test_the_answer_has_its_own_timeout(
    scripted: Any, options: Any, given: Any, patience: float, others: float
):
    voice = scripted(ACCEPTED, **options)
    voice.callouts.custom(PHONE, **given)
    timeout = voice.requests[0].extensions["timeout"]
    assert timeout == {"connect": others, "write": others, "pool": others, "read": patience}


def test_the_clients_deadline_stops_further_attempts(scripted: Any):
    voice = scripted(failure(429, 42900), ACCEPTED, deadline=0.3)
    with pytest.raises(RateLimitError) as caught:
        voice.callouts.custom(PHONE)
    assert len(voice.requests) == 1
    assert "the deadline of 0.3 s leaves no time" in str(caught.value)


def test_the_callouts_deadline_overrides_the_clients(scripted: Any):
    voice = scripted(failure(429, 42900), ACCEPTED, deadline=0.3)
    assert voice.callouts.custom(PHONE, deadline=5).call_id == ID
    voice = scripted(failure(429, 42900), ACCEPTED, deadline=50)
    with pytest.raises(RateLimitError, match=r"deadline of 0\.3 s leaves"):
        voice.callouts.custom(PHONE, deadline=0.3)


@pytest.fixture(params=[ask_blocking, ask_awaiting], ids=["sync", "async"])
def ask(request: pytest.FixtureRequest) -> Ask:
    """Return a function that uses a client and returns its result or error."""
    return request.param


def ringing(connection: socket.socket) -> None:
    """Answer after 0.4 seconds, in two parts."""
    while read_request(connection):
        time.sleep(0.2)
        whole = answer(json.dumps({"callId": ID}).encode())
        connection.sendall(whole[:-10])
        time.sleep(0.2)
        connection.sendall(whole[-10:])


def test_the_clients_timeout_and_deadline_do_not_end_the_wait_for_an_answer(ask: Ask):
    with serving(ringing) as server:
        callout = ask(
            lambda voice: voice.callouts.custom(PHONE),
            calling_url=server.url,
            timeout=0.1,
            deadline=0.1,
        )
        assert callout == Callout(call_id=ID)
        error = ask(lambda voice: voice.calls.hangup(ID), calling_url=server.url, timeout=0.1)
        assert isinstance(error, ApiTimeoutError)


def test_the_callouts_deadline_ends_the_wait_and_says_that_it_may_ring(ask: Ask):
    with serving(silent) as server:
        error = ask(
            lambda voice: voice.callouts.custom(PHONE, deadline=0.2), calling_url=server.url
        )
    assert isinstance(error, ApiTimeoutError)
    assert (error.attempts, error.may_have_executed) == (1, True)
    assert "the deadline of 0.2 s has passed" in str(error)
    assert "it may ring all the same" in str(error)
