"""endpoints.py: strict construction, lenient reading, unchanged sending."""

from __future__ import annotations

import copy
import json
import pickle
import warnings
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sinchvoice import (
    Endpoint,
    InvalidRequest,
    MxpEndpoint,
    OtherEndpoint,
    PstnEndpoint,
    SipEndpoint,
    endpoints,
)

NUMBER = "+46730170101"
SIP = "+19876543210@example.sip.sinch.com"

# --- Construction --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "number", [NUMBER, "+12125550123", "+12", "+123456789012345", "+33123456789", "+46700000000"]
)
def test_a_number_in_e164_form_is_accepted(number: str):
    assert PstnEndpoint(number).number == number


@pytest.mark.parametrize(
    ("number", "remedy"),
    [
        ("46730170101", r"no leading plus: write '\+46730170101'"),
        ("12017777777", r"no leading plus: write '\+12017777777'"),
        ("0046730170101", r"write '\+' in place of the leading 00"),
        ("+0730170101", "a country code does not begin with 0"),
        ("+46 73 017 01 01", "leave out spaces and punctuation"),
        ("+46-730-170101", "leave out spaces and punctuation"),
        ("+1 (212) 555-0123", "leave out spaces and punctuation"),
        ("0730-170101", "leave out spaces and punctuation"),
        ("0730170101", "write a plus and at most 15 digits"),
        ("+1234567890123456", "write a plus and at most 15 digits"),
        ("+1", "write a plus and at most 15 digits"),
        ("+", "write a plus and at most 15 digits"),
        ("", "write a plus and at most 15 digits"),
        ("++46730170101", "write a plus and at most 15 digits"),
        ("+46730170101\n", "write a plus and at most 15 digits"),
        (" +46730170101", "write a plus and at most 15 digits"),
        ("+4673O170101", "write a plus and at most 15 digits"),
        ("+٤٦٧٣٠١٧٠١٠١", "write a plus and at most 15 digits"),
        ("private", "write a plus and at most 15 digits"),
        (SIP, "write a plus and at most 15 digits"),
        (46730170101, "give it as text"),
        (None, "give it as text"),
        (b"+46730170101", "give it as text"),
    ],
    ids=repr,
)
def test_a_wrong_number_is_refused_with_its_remedy(number: Any, remedy: str):
    with pytest.raises(InvalidRequest, match=f"is not an E.164 phone number: .*{remedy}") as raised:
        PstnEndpoint(number)
    assert f"number {number!r}" in str(raised.value)


@pytest.mark.parametrize(
    "address",
    [
        SIP,
        "alice@example.com",
        "alice@example.com:5061",
        "alice@example.com;transport=tls",
        "alice@192.0.2.1",
        "alice@[2001:db8::1]",
        "céline@example.com",
    ],
)
def test_a_sip_address_is_accepted(address: str):
    assert SipEndpoint(address).address == address


@pytest.mark.parametrize(
    ("address", "remedy"),
    [
        ("sip:alice@example.com", "remove it: 'alice@example.com'"),
        ("SIPS:alice@example.com", "remove it: 'alice@example.com'"),
        ("alice", "write user@host"),
        ("alice@", "write user@host"),
        ("@example.com", "write user@host"),
        ("alice@home@example.com", "write user@host"),
        ("alice @example.com", "write user@host"),
        ("alice@example.com\r\n", "write user@host"),
        ('"Alice" <alice@example.com>', "write user@host"),
        ("alice\x00@example.com", "write user@host"),
        ("alice\ud800@example.com", "write user@host"),
        ("", "write user@host"),
        (NUMBER, "write user@host"),
        (None, "write user@host"),
        (5, "write user@host"),
        (b"alice@example.com", "write user@host"),
    ],
    ids=repr,
)
def test_a_wrong_sip_address_is_refused_with_its_remedy(address: Any, remedy: str):
    with pytest.raises(InvalidRequest, match=remedy) as raised:
        SipEndpoint(address)
    assert f"address {address!r}" in str(raised.value)


@pytest.mark.parametrize(
    "username",
    ["myUserName", "abc123def", "user name endpoint validation", "alice@example.com", "Céline"]
    + ["+46730170101", "..", "a/b", "利用者", "x" * 128],
)
def test_a_username_is_accepted(username: str):
    assert MxpEndpoint(username).username == username


@pytest.mark.parametrize(
    ("username", "remedy"),
    [
        ("", "give the app user's id"),
        (" \t", "give the app user's id"),
        (None, "give the app user's id"),
        (5, "give the app user's id"),
        (b"alice", "give the app user's id"),
        ("al\x00ice", "has control characters: remove them"),
        ("alice\n", "has control characters: remove them"),
        ("al\ud800ice", "has control characters: remove them"),
    ],
    ids=repr,
)
def test_a_wrong_username_is_refused_with_its_remedy(username: Any, remedy: str):
    with pytest.raises(InvalidRequest, match=remedy) as raised:
        MxpEndpoint(username)
    assert f"username {username!r}" in str(raised.value)


def test_a_username_too_long_for_older_clients_warns_at_the_callers_line():
    with pytest.warns(UserWarning, match=r"username has 129 characters.*allow 128") as caught:
        endpoint = MxpEndpoint("x" * 129)
    assert endpoint.username == "x" * 129
    assert caught[0].filename == __file__


def test_a_refusal_is_a_value_error():
    with pytest.raises(ValueError, match="not an E.164 phone number"):
        PstnEndpoint("0730170101")


# --- Sending -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("endpoint", "wire"),
    [
        (MxpEndpoint("myUserName"), {"type": "username", "endpoint": "myUserName"}),
        (PstnEndpoint(NUMBER), {"type": "number", "endpoint": NUMBER}),
        (SipEndpoint(SIP), {"type": "sip", "endpoint": SIP}),
        (OtherEndpoint("did", NUMBER), {"type": "did", "endpoint": NUMBER}),
        (OtherEndpoint(None, "private"), {"endpoint": "private"}),
        (OtherEndpoint("did", None), {"type": "did"}),
        (OtherEndpoint(None, None), {}),
    ],
    ids=repr,
)
def test_an_endpoint_is_sent_with_its_type_in_lower_case(endpoint: Endpoint, wire: Any):
    assert endpoint.to_wire() == wire


# --- Reading -------------------------------------------------------------------------------------


def received(kind: type, text: str) -> Endpoint:
    """Return a received endpoint, possibly one that its constructor refuses."""
    names = {MxpEndpoint: "username", PstnEndpoint: "number", SipEndpoint: "address"}
    endpoint = endpoints.read({"type": names[kind].replace("address", "sip"), "endpoint": text})
    assert type(endpoint) is kind
    assert getattr(endpoint, names[kind]) == text
    return endpoint


READ: list[tuple[object, Endpoint | None]] = [
    # objects, the type in any case (1.0.1; SDK tests)
    ({"type": "username", "endpoint": "myUserName"}, MxpEndpoint("myUserName")),
    ({"type": "Username", "endpoint": "myUserName"}, MxpEndpoint("myUserName")),
    ({"type": "USERNAME", "endpoint": "myUserName"}, MxpEndpoint("myUserName")),
    (
        {"type": "Username", "endpoint": "user name endpoint validation"},
        MxpEndpoint("user name endpoint validation"),
    ),
    ({"type": "number", "endpoint": NUMBER}, PstnEndpoint(NUMBER)),
    ({"type": "Number", "endpoint": "+33123456789"}, PstnEndpoint("+33123456789")),
    ({"type": "sip", "endpoint": SIP}, SipEndpoint(SIP)),
    ({"type": "Sip", "endpoint": SIP}, SipEndpoint(SIP)),
    ({"type": "SIP", "endpoint": SIP}, SipEndpoint(SIP)),
    # another order, and unknown keys ("Using REST" page)
    ({"endpoint": NUMBER, "type": "number", "verified": True}, PstnEndpoint(NUMBER)),
    # endpoints that their constructors refuse
    ({"type": "number", "endpoint": "31639136121"}, received(PstnEndpoint, "31639136121")),
    ({"type": "Number", "endpoint": "12017777777"}, received(PstnEndpoint, "12017777777")),
    ({"type": "number", "endpoint": "private"}, received(PstnEndpoint, "private")),
    ({"type": "number", "endpoint": 12017777777}, received(PstnEndpoint, "12017777777")),
    ({"type": "sip", "endpoint": f"sip:{SIP}"}, received(SipEndpoint, f"sip:{SIP}")),
    ({"type": "username", "endpoint": "a\nb"}, received(MxpEndpoint, "a\nb")),
    # unknown types, kept unchanged
    ({"type": "did", "endpoint": "+3197121281500"}, OtherEndpoint("did", "+3197121281500")),
    ({"type": "Did", "endpoint": "+3197121281500"}, OtherEndpoint("Did", "+3197121281500")),
    ({"type": "conference", "endpoint": "room"}, OtherEndpoint("conference", "room")),
    ({"type": "email", "endpoint": "a@example.com"}, OtherEndpoint("email", "a@example.com")),
    ({"type": "facebook", "endpoint": "1"}, OtherEndpoint("facebook", "1")),
    ({"type": "Websocket", "endpoint": "wss://x"}, OtherEndpoint("Websocket", "wss://x")),
    # no type, or one that is not text
    ({"endpoint": NUMBER}, OtherEndpoint(None, NUMBER)),
    ({"type": None, "endpoint": NUMBER}, OtherEndpoint(None, NUMBER)),
    ({"type": ["number"], "endpoint": NUMBER}, OtherEndpoint(None, NUMBER)),
    ({"type": {"number": 1}, "endpoint": NUMBER}, OtherEndpoint(None, NUMBER)),
    ({"type": True, "endpoint": NUMBER}, OtherEndpoint(None, NUMBER)),
    ({"type": "", "endpoint": NUMBER}, OtherEndpoint("", NUMBER)),
    # no value
    ({"type": "number"}, OtherEndpoint("number", None)),
    ({"type": "number", "endpoint": None}, OtherEndpoint("number", None)),
    ({"type": "username", "endpoint": ""}, OtherEndpoint("username", "")),
    ({"type": "sip", "endpoint": [SIP]}, OtherEndpoint("sip", None)),
    ({}, OtherEndpoint(None, None)),
    # plain text (1.0.0)
    (NUMBER, PstnEndpoint(NUMBER)),
    ("31639136121", OtherEndpoint(None, "31639136121")),
    ("12017777777", OtherEndpoint(None, "12017777777")),
    ("private", OtherEndpoint(None, "private")),
    (SIP, OtherEndpoint(None, SIP)),
    ("myUserName", OtherEndpoint(None, "myUserName")),
    (12017777777, OtherEndpoint(None, "12017777777")),
    (Decimal("1.50"), OtherEndpoint(None, "1.50")),
    # nothing
    (None, None),
    ("", None),
    (True, None),
    (False, None),
    ([], None),
    ([NUMBER], None),
    ([{"type": "number", "endpoint": NUMBER}], None),
]


@pytest.mark.parametrize(("wire", "endpoint"), READ, ids=[str(wire) for wire, _ in READ])
def test_every_form_that_the_server_sends_is_read(wire: Any, endpoint: Endpoint | None):
    assert endpoints.read(wire) == endpoint


@pytest.mark.parametrize(
    ("wire", "found"),
    [
        ({"type": "Number", "endpoint": "12017777777"}, "number 12017777777"),
        ({"type": "Username", "endpoint": "alice"}, "user alice"),
        ({"type": "Sip", "endpoint": SIP}, f"address {SIP}"),
        ({"type": "did", "endpoint": NUMBER}, f"did {NUMBER}"),
        ("private", "None private"),
        (None, "nobody"),
    ],
    ids=str,
)
def test_endpoints_can_be_matched_by_position(wire: Any, found: str):
    match endpoints.read(wire):
        case PstnEndpoint(number):
            actual = f"number {number}"
        case SipEndpoint(address):
            actual = f"address {address}"
        case MxpEndpoint(username):
            actual = f"user {username}"
        case OtherEndpoint(kind, endpoint):
            actual = f"{kind} {endpoint}"
        case None:
            actual = "nobody"
    assert actual == found


@pytest.mark.parametrize("endpoint", [endpoint for _, endpoint in READ if endpoint], ids=repr)
def test_an_endpoint_survives_pickling_and_copying_unchanged(endpoint: Endpoint):
    copies = [
        pickle.loads(pickle.dumps(endpoint)),
        copy.copy(endpoint),
        copy.deepcopy(endpoint),
    ]
    assert copies == [endpoint] * 3
    assert {hash(one) for one in copies} == {hash(endpoint)}


@pytest.mark.parametrize(
    "endpoint", [MxpEndpoint("a"), PstnEndpoint(NUMBER), SipEndpoint(SIP), OtherEndpoint("a", "b")]
)
def test_an_endpoint_cannot_be_changed(endpoint: Any):
    for name in (*endpoint.__match_args__, "other"):
        with pytest.raises(AttributeError):
            setattr(endpoint, name, "x")


def test_endpoints_of_different_kinds_differ():
    assert len({MxpEndpoint(NUMBER), PstnEndpoint(NUMBER), OtherEndpoint(None, NUMBER)}) == 3


# --- Properties ----------------------------------------------------------------------------------

usernames = st.text(
    st.characters(exclude_categories=["C", "Z"]) | st.just(" "), min_size=1, max_size=128
).filter(str.strip)
numbers = st.from_regex(r"\+[1-9][0-9]{1,14}", fullmatch=True)
sip_parts = st.text(st.characters(exclude_categories=["C", "Z"], exclude_characters='@<>"'))
addresses = st.builds("{}@{}".format, sip_parts.filter(bool), sip_parts.filter(bool)).filter(
    lambda address: not address.lower().startswith(("sip:", "sips:"))
)
constructed = usernames.map(MxpEndpoint) | numbers.map(PstnEndpoint) | addresses.map(SipEndpoint)


@given(constructed)
def test_a_sent_endpoint_is_read_back_as_itself(endpoint: Endpoint):
    assert endpoints.read(json.loads(json.dumps(endpoint.to_wire()))) == endpoint


@given(constructed)
def test_a_constructed_endpoint_can_be_sent(endpoint: Endpoint):
    assert json.dumps(endpoint.to_wire(), ensure_ascii=False).encode()


any_text = st.text(st.characters(exclude_categories=()))


@given(any_text | st.builds("{}@{}".format, any_text, any_text) | st.integers() | st.binary())
def test_a_constructor_accepts_only_values_that_can_be_sent(
    value: Any,
):
    for kind in (MxpEndpoint, PstnEndpoint, SipEndpoint):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                endpoint = kind(value)
        except InvalidRequest:
            continue
        assert json.dumps(endpoint.to_wire(), ensure_ascii=False).encode()


kinds = st.sampled_from(["number", "Number", "USERNAME", "sip", "did"])
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.just(10**4000)
    | st.decimals(allow_nan=False, allow_infinity=False)
    | st.just(Decimal("1e999999"))
    | st.floats()
    | any_text,
    lambda children: (
        st.lists(children, max_size=3)
        | st.dictionaries(st.sampled_from(["type", "endpoint"]) | any_text, children, max_size=4)
        | st.fixed_dictionaries({"type": kinds, "endpoint": children})
    ),
    max_leaves=10,
)


@given(json_values)
def test_reading_never_raises(value: Any):
    endpoint = endpoints.read(value)
    assert endpoint is None or isinstance(endpoint, Endpoint)


@given(kinds, any_text.filter(bool))
def test_a_received_endpoint_keeps_its_value(kind: str, text: str):
    endpoint = endpoints.read({"type": kind, "endpoint": text})
    assert endpoint is not None
    wire = endpoint.to_wire()
    assert wire["endpoint"] == text
    assert wire["type"] in (kind, kind.lower())
    assert endpoints.read(wire) == endpoint
