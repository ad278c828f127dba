"""Contradictions between the vendor's documents and SDKs, one row per variant.

Each row is a shape from at least one published source or from the vendor's own test data, with the
client's reading of it. Contradictions about *signatures* are in test_exchange.py and
test_signing.py; openapi/README.md tells how openapi/ settles each contradiction.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import httpx
import pytest
from sinchvoice import (
    ApiStatusError,
    BadRequestError,
    Call,
    CallDomain,
    CallReason,
    CallResult,
    CallStatus,
    MxpEndpoint,
    NotFoundError,
    OtherEndpoint,
    Price,
    PstnEndpoint,
    SipEndpoint,
    svaml,
)

ID = "4398599d1ba84ef3bde0a82dfb61abed"
JANUARY = datetime(2024, 1, 8, 9, 48, 12, tzinfo=UTC)


def get(scripted: Any, **fields: Any) -> Call:
    return scripted(httpx.Response(200, json=fields)).calls.get(ID)


def number(text: str) -> PstnEndpoint:
    """Return a phone number as the server wrote it, even one that the client would not send."""
    from sinchvoice.endpoints import read

    endpoint = read({"type": "number", "endpoint": text})
    assert isinstance(endpoint, PstnEndpoint)
    return endpoint


CALL_ROWS: dict[str, tuple[dict[str, Any], str, Any]] = {
    # spelling of the id
    "callId (1.0.1)": ({"callId": "a"}, "call_id", "a"),
    "callid (1.0.0)": ({"callid": "a"}, "call_id", "a"),
    "both: callId counts": ({"callid": "b", "callId": "a"}, "call_id", "a"),
    "null callId, callid set": ({"callid": "b", "callId": None}, "call_id", "b"),
    "null as in the example of 1.0.0": ({"callid": None}, "call_id", ID),
    "no id at all": ({}, "call_id", ID),
    # from and to
    "from as an object": (
        {"from": {"type": "username", "endpoint": "u"}},
        "from_",
        MxpEndpoint("u"),
    ),
    "from as a phone number": ({"from": "+12125550123"}, "from_", PstnEndpoint("+12125550123")),
    "from as other text": ({"from": "private"}, "from_", OtherEndpoint(None, "private")),
    "from null": ({"from": None}, "from_", None),
    "from absent (SDK tests)": ({}, "from_", None),
    "to without a type": ({"to": {"endpoint": "x"}}, "to", OtherEndpoint(None, "x")),
    "to without an endpoint": ({"to": {"type": "number"}}, "to", OtherEndpoint("number", None)),
    "to with a null endpoint": (
        {"to": {"type": "sip", "endpoint": None}},
        "to",
        OtherEndpoint("sip", None),
    ),
    # case of the type, other types
    "Number": ({"to": {"type": "Number", "endpoint": "+1212555"}}, "to", PstnEndpoint("+1212555")),
    "NUMBER": ({"to": {"type": "NUMBER", "endpoint": "+1212555"}}, "to", PstnEndpoint("+1212555")),
    "Username": (
        {"to": {"type": "Username", "endpoint": "user name endpoint validation"}},
        "to",
        MxpEndpoint("user name endpoint validation"),
    ),
    "sip": ({"to": {"type": "sip", "endpoint": "a@b"}}, "to", SipEndpoint("a@b")),
    "Sip (Node SDK)": ({"to": {"type": "Sip", "endpoint": "a@b"}}, "to", SipEndpoint("a@b")),
    "did": ({"to": {"type": "did", "endpoint": "+1"}}, "to", OtherEndpoint("did", "+1")),
    "Did": ({"to": {"type": "Did", "endpoint": "+1"}}, "to", OtherEndpoint("Did", "+1")),
    "conference": (
        {"to": {"type": "conference", "endpoint": "c"}},
        "to",
        OtherEndpoint("conference", "c"),
    ),
    "verified identity (2020)": (
        {"to": {"type": "number", "endpoint": "+1212555", "verified": True}},
        "to",
        PstnEndpoint("+1212555"),
    ),
    # domain
    "pstn": ({"domain": "pstn"}, "domain", CallDomain.PSTN),
    "PSTN": ({"domain": "PSTN"}, "domain", CallDomain.PSTN),
    "mxp (1.0.0)": ({"domain": "mxp"}, "domain", CallDomain.MXP),
    "MXP": ({"domain": "MXP"}, "domain", CallDomain.MXP),
    "conference domain": ({"domain": "conference"}, "domain", "conference"),
    "data": ({"domain": "data"}, "domain", "data"),
    "no domain": ({"domain": None}, "domain", None),
    # custom
    "custom object (1.0.0)": ({"custom": {"a": 1}}, "custom", {"a": 1}),
    "custom string (1.0.1)": ({"custom": "Custom text"}, "custom", "Custom text"),
    "custom string with JSON": ({"custom": "{}"}, "custom", "{}"),
    "custom empty": ({"custom": ""}, "custom", ""),
    "custom null": ({"custom": None}, "custom", None),
    # money
    "price object (1.0.1)": (
        {"debit": {"currencyId": "EUR", "amount": 0.5274}},
        "debit",
        Price(Decimal("0.5274"), "EUR"),
    ),
    "price with a null currency": (
        {"debit": {"currencyId": None, "amount": 0.368}},
        "debit",
        Price(Decimal("0.368"), None),
    ),
    "amount as text": (
        {"debit": {"currencyId": "EUR", "amount": "0.10"}},
        "debit",
        Price(Decimal("0.10"), "EUR"),
    ),
    "formatted money (2020)": (
        {"debit": {"currencyId": "USD", "amount": 10.25, "formatted": "$10.25"}},
        "debit",
        Price(Decimal("10.25"), "USD"),
    ),
    "price as text (1.0.0)": ({"userRate": "0.1758"}, "user_rate", Price(Decimal("0.1758"), None)),
    "price as text that is no number": ({"userRate": "string"}, "user_rate", Price(None, None)),
    "price null": ({"debit": None}, "debit", None),
    "price absent": ({}, "debit", None),
    # timestamps
    "with Z": ({"timestamp": "2024-01-08T09:48:12Z"}, "timestamp", JANUARY),
    "seven digits": (
        {"timestamp": "2014-06-02T15:39:31.2729234Z"},
        "timestamp",
        datetime(2014, 6, 2, 15, 39, 31, 272923, tzinfo=UTC),
    ),
    "without a zone (SDK tests)": ({"timestamp": "2024-01-08T09:48:12"}, "timestamp", JANUARY),
    "with an offset": ({"timestamp": "2024-01-08T11:48:12+02:00"}, "timestamp", JANUARY),
    "date alone": ({"timestamp": "2024-01-08"}, "timestamp", datetime(2024, 1, 8, tzinfo=UTC)),
    "seconds since 1970 (Java SDK)": ({"timestamp": 1704707292}, "timestamp", JANUARY),
    "garbage does not lose the call": ({"timestamp": "yesterday"}, "timestamp", None),
    # enumerations
    "result N/A": ({"result": "N/A"}, "result", CallResult.NOT_AVAILABLE),
    "result denied (old .NET SDK)": ({"result": "denied"}, "result", "denied"),
    "result in lower case": ({"result": "answered"}, "result", CallResult.ANSWERED),
    "reason of 1.0.1 only": (
        {"reason": "INVALIDSVAMLACTION"},
        "reason",
        CallReason.INVALID_SVAML_ACTION,
    ),
    "reason of callbacks only": ({"reason": "CONGESTION"}, "reason", "CONGESTION"),
    "unknown status": ({"status": "RINGING"}, "status", "RINGING"),
    "status in another case": ({"status": "Final"}, "status", CallStatus.FINAL),
    # durations
    "duration as text": ({"duration": "14"}, "duration", 14),
    "duration null": ({"duration": None}, "duration", None),
    # numbers without plus
    "number without a plus": (
        {"to": {"type": "number", "endpoint": "12017777777"}},
        "to",
        number("12017777777"),
    ),
}


@pytest.mark.parametrize(("fields", "name", "expected"), CALL_ROWS.values(), ids=CALL_ROWS)
def test_every_variant_of_a_call_is_understood(
    scripted: Any, fields: dict[str, Any], name: str, expected: Any
):
    call = get(scripted, **fields)
    assert getattr(call, name) == expected
    assert call.raw == json.loads(json.dumps(fields), parse_float=Decimal)


def test_the_example_of_1_0_0_is_understood(scripted: Any):
    call = get(
        scripted,
        **{"from": None},
        to=None,
        domain="pstn",
        callid=None,
        duration=0,
        status="ONGOING",
        result="ANSWERED",
        reason="N/A",
        timestamp="2019-08-24T14:15:22Z",
        custom={},
        userRate="string",
        debit="string",
    )
    assert (call.call_id, call.from_, call.to, call.duration) == (ID, None, None, 0)
    assert call.custom == {}


def test_the_debit_is_the_debit_and_not_the_rate(scripted: Any):
    """The vendor's Python SDK 1.x fills `debit` from `userRate`, and crashes for every user."""
    call = get(
        scripted,
        userRate={"currencyId": "EUR", "amount": 0.1758},
        debit={"currencyId": "EUR", "amount": 0.5274},
        **{"from": {"type": "Username", "endpoint": "myUserName"}},
    )
    assert call.debit == Price(Decimal("0.5274"), "EUR")
    assert call.from_ == MxpEndpoint("myUserName")


CODE_ROWS: dict[str, tuple[bytes, int | None, str, str | None]] = {
    # the error body
    "number (2020)": (b'{"errorCode":40400,"message":"Not found"}', 40400, "Not found", None),
    "string (1.0.1)": (b'{"status":"404 Not Found","errorCode":"40400"}', 40400, "", None),
    "with a reference (SDK tests)": (
        b'{"errorCode":40400,"message":"Call not found","reference":"3-4"}',
        40400,
        "Call not found",
        "3-4",
    ),
    "wrapped, as errorCode (1.0.0)": (
        b'{"response":{"error":{"errorCode":40400,"message":"m"}}}',
        40400,
        "m",
        None,
    ),
    "wrapped, as code (1.0.0)": (
        b'{"response":{"error":{"code":40400,"message":"m"}}}',
        40400,
        "m",
        None,
    ),
    "wrapped once": (b'{"error":{"code":"40400"}}', 40400, "", None),
    "empty": (b"", None, "", None),
    "HTML": (b"<html>", None, "", None),
    "no object": (b"[40400]", None, "", None),
}


@pytest.mark.parametrize(
    ("content", "code", "message", "reference"), CODE_ROWS.values(), ids=CODE_ROWS
)
def test_every_shape_of_an_error_is_understood(
    scripted: Any, content: bytes, code: int | None, message: str, reference: str | None
):
    with pytest.raises(NotFoundError) as caught:
        scripted(httpx.Response(404, content=content)).calls.get(ID)
    error = caught.value
    assert (error.error_code, error.message, error.reference) == (code, message, reference)


def test_the_http_status_counts_where_the_code_belongs_to_another(scripted: Any):
    """The specification's own examples print 40108 for 422, and 40002 for 40004."""
    with pytest.raises(ApiStatusError) as caught:
        scripted(httpx.Response(422, json={"errorCode": 40108})).calls.get(ID)
    assert (caught.value.status_code, caught.value.error_code) == (422, 40108)
    with pytest.raises(BadRequestError):
        scripted(httpx.Response(400, json={"errorCode": 40108})).calls.get(ID)


REQUEST_ROWS: dict[str, tuple[Callable[[Any], Any], str, dict[str, Any]]] = {
    # legs, and the content of a PATCH
    "without a leg the call itself is updated": (
        lambda voice: voice.calls.say(ID, "Hi"),
        "",
        {"instructions": [{"name": "say", "text": "Hi"}]},
    ),
    "with a leg that leg hears it": (
        lambda voice: voice.calls.say(ID, "Hi", leg="both"),
        "/leg/both",
        {"instructions": [{"name": "say", "text": "Hi"}]},
    ),
    "an action needs no instructions": (
        lambda voice: voice.calls.update(ID, svaml.Svaml(action=svaml.Continue())),
        "",
        {"action": {"name": "continue"}},
    ),
    "any action may unpark a call": (
        lambda voice: voice.calls.update(ID, svaml.Svaml(action=svaml.ConnectConf("myConference"))),
        "",
        {"action": {"name": "connectConf", "conferenceId": "myConference"}},
    ),
    # recording
    "recording is an instruction with options and destinationUrl": (
        lambda voice: voice.calls.update(
            ID,
            svaml.Svaml(
                [svaml.StartRecording(svaml.RecordingOptions(destination_url="s3://bucket"))]
            ),
        ),
        "",
        {
            "instructions": [
                {"name": "startRecording", "options": {"destinationUrl": "s3://bucket"}}
            ]
        },
    ),
    # spelling of the call headers
    "callheaders, as in the schema": (
        lambda voice: voice.calls.update(
            ID, svaml.Svaml(action=svaml.ConnectMxp(call_headers={"a": "b"}))
        ),
        "",
        {"action": {"name": "connectMxp", "callheaders": [{"key": "a", "value": "b"}]}},
    ),
    "callHeaders, as in the examples, if told so": (
        lambda voice: voice.calls.update(
            ID,
            svaml.Svaml(
                action=svaml.ConnectMxp(call_headers={"a": "b"}, call_headers_key="callHeaders")
            ),
        ),
        "",
        {"action": {"name": "connectMxp", "callHeaders": [{"key": "a", "value": "b"}]}},
    ),
    # Norway, keys, cases
    "Norway is no, not false": (
        lambda voice: voice.calls.update(
            ID, svaml.Svaml(action=svaml.ConnectPstn(indications="no"))
        ),
        "",
        {"action": {"name": "connectPstn", "indications": "no"}},
    ),
    "a key is text": (
        lambda voice: voice.calls.update(
            ID,
            svaml.Svaml(
                action=svaml.RunMenu(
                    [svaml.Menu("main", options=[svaml.MenuOption(1, "return(x)")])]
                )
            ),
        ),
        "",
        {
            "action": {
                "name": "runMenu",
                "menus": [{"id": "main", "options": [{"dtmf": "1", "action": "return(x)"}]}],
            }
        },
    ),
    "transports are upper case, types lower case": (
        lambda voice: voice.calls.update(
            ID, svaml.Svaml(action=svaml.ConnectSip(SipEndpoint("a@b"), transport="tls"))
        ),
        "",
        {
            "action": {
                "name": "connectSip",
                "destination": {"type": "sip", "endpoint": "a@b"},
                "transport": "TLS",
            }
        },
    ),
}


@pytest.mark.parametrize(("act", "path", "body"), REQUEST_ROWS.values(), ids=REQUEST_ROWS)
def test_requests_settle_each_contradiction_one_way(
    scripted: Any, act: Callable[[Any], Any], path: str, body: dict[str, Any]
):
    voice = scripted(httpx.Response(204))
    act(voice)
    (request,) = voice.requests
    assert request.url.path == f"/calling/v1/calls/id/{ID}{path}"
    assert json.loads(request.content) == body


# For the successes of a PATCH see test_exchange.py: any 2xx, with or without content.


def test_reports_always_name_the_domain_and_are_signed(scripted: Any):
    """The sources have the domain as optional with or without a default, or as mandatory."""
    voice = scripted(httpx.Response(200, json={"success": 0, "failed": 0, "duration": 0}))
    voice.reports.user_calls(MxpEndpoint("abc123def"))
    (request,) = voice.requests
    assert request.url.raw_path == b"/v1/users/username/abc123def/calls/data"
    assert request.headers["Authorization"].startswith("Application ")


@pytest.mark.parametrize("counter_id", ["currentcalls", "currentCalls"])
def test_the_name_of_a_counter_is_sent_unchanged(scripted: Any, counter_id: str):
    voice = scripted(httpx.Response(200, json={"value": 1, "modified": "2014-04-28T12:00:00Z"}))
    voice.reports.counter(counter_id)
    assert voice.requests[0].url.path == f"/v1/counters/{counter_id}"


@pytest.mark.parametrize(
    ("value", "expected"), [(12384955, 12384955), (12.5, Decimal("12.5")), ("7", 7), (3.0, 3)]
)
def test_a_counter_is_a_long_or_a_number(scripted: Any, value: Any, expected: Any):
    counter = scripted(httpx.Response(200, json={"value": value})).reports.counter("x")
    assert (counter.value, counter.modified) == (expected, None)
    assert type(counter.value) is type(expected)


def test_a_report_on_no_calls_may_have_no_start(scripted: Any):
    for start in ({}, {"start": None}, {"start": ""}):
        answer = {"success": 0, "failed": 0, "duration": 0, **start}
        report = scripted(httpx.Response(200, json=answer)).reports.user_calls(MxpEndpoint("u"))
        assert (report.success, report.start) == (0, None)
