"""Callback events and their answers: openapi/ and the library agree."""

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import regenerate
import sinchvoice_calling.models
import sinchvoice_reporting.models
from hypothesis import given, settings
from hypothesis import strategies as st
from sinchvoice import InvalidRequest, svaml
from sinchvoice.callbacks import (
    AmdReason,
    AmdResult,
    AmdStatus,
    AnsweredCall,
    DisconnectedCall,
    DisconnectReason,
    IncomingCall,
    InputMethod,
    MenuResult,
    MenuResultType,
    Notification,
    NotificationType,
    PromptInput,
    parse,
)
from sinchvoice.svaml import Svaml
from sinchvoice.vocabulary import CallDomain
from test_svaml import ACTIONS, INSTRUCTIONS

HERE = Path(__file__).resolve().parent
RECORDED = json.loads((HERE.parent / "data" / "callback_events.json").read_text("utf-8"))
EVENTS = {name: row["body"] for name, row in RECORDED.items()}
CLASSES = {
    "ice": IncomingCall,
    "ace": AnsweredCall,
    "dice": DisconnectedCall,
    "pie": PromptInput,
    "notify": Notification,
}
KINDS = {"reporting": sinchvoice_reporting.models, "calling": sinchvoice_calling.models}
REFERENCE = "#/components/schemas/"


@cache
def document(variant: str) -> dict[str, Any]:
    found: dict[str, Any] = getattr(regenerate, variant)("calling")
    return found


@cache
def taker(variant: str, name: str) -> Any:
    """Return the validator of a schema."""
    components = document(variant)["components"]
    return jsonschema_rs.Draft202012Validator(
        {"$ref": f"{REFERENCE}{name}", "components": components}
    )


def webhook(variant: str, name: str) -> dict[str, Any]:
    found: dict[str, Any] = document(variant)["webhooks"][name]["post"]
    return found


def schema_of(body: dict[str, Any]) -> str | None:
    """Return the name of the schema of a JSON body; None without content."""
    content = body.get("content")
    if content is None:
        return None
    reference: str = content["application/json"]["schema"]["$ref"]
    return reference.removeprefix(REFERENCE)


def answers(variant: str, name: str) -> str | None:
    return schema_of(webhook(variant, name)["responses"]["200"])


# --- Documents -----------------------------------------------------------------------------------


def test_there_are_five_webhooks_and_three_take_an_answer():
    assert list(document("published")["webhooks"]) == list(CLASSES)
    taken = {name: answers("published", name) for name in CLASSES}
    assert taken == {
        "ice": "iceSvaml",
        "ace": "aceSvaml",
        "dice": None,
        "pie": "pieSvaml",
        "notify": None,
    }
    assert answers("strict", "dice") == "diceSvaml"
    assert answers("strict", "notify") is None


@pytest.mark.parametrize("variant", ["published", "tolerant", "strict"])
def test_every_reference_of_a_webhook_has_a_schema_as_target(variant: str):
    names = set(re.findall(f'"{REFERENCE}([^"]+)"', json.dumps(document(variant))))
    assert names <= document(variant)["components"]["schemas"].keys()


@pytest.mark.parametrize("name", CLASSES)
def test_an_event_is_one_flat_schema(name: str):
    """The generator fails on a `const`, and on an open `event`, inside `allOf`."""
    for variant in ("published", "tolerant", "strict"):
        schemas = document(variant)["components"]["schemas"]
        schema = schemas[schema_of(webhook(variant, name)["requestBody"])]
        assert schema["type"] == "object"
        assert not {"allOf", "oneOf", "anyOf", "$ref"} & schema.keys()
        assert schema["properties"]["event"]["const"] == name


# The generator omits named unions silently and writes them out where they are used.
UNIONS = {
    "calling": {
        "aceSvaml.action",
        "aceSvaml.instruction",
        "iceSvaml.action",
        "iceSvaml.instruction",
        "pieSvaml.action",
        "pieSvaml.instruction",
        "svaml.action",
        "svaml.instruction",
    },
    "reporting": set[str](),
}


@pytest.mark.parametrize("spec", KINDS)
def test_every_schema_but_named_unions_has_a_generated_model(spec: str):
    schemas = regenerate.tolerant(spec)["components"]["schemas"]
    unions = {name for name, schema in schemas.items() if {"anyOf", "oneOf"} & schema.keys()}
    assert unions == UNIONS[spec]
    models = {name.casefold() for name in KINDS[spec].__all__}
    expected = {re.sub("[._]", "", name).casefold() for name in schemas.keys() - unions}
    assert expected - models == set()


# --- Events --------------------------------------------------------------------------------------


def recorded(*without: str) -> Any:
    return pytest.mark.parametrize("name", [name for name in EVENTS if name not in without])


@recorded()
def test_an_observed_event_is_tolerated(name: str):
    body = EVENTS[name]
    assert list(taker("tolerant", f"{body['event']}Request").iter_errors(body)) == []


@recorded()
def test_nothing_of_an_event_is_lost_in_the_generated_model(name: str):
    body = EVENTS[name]
    model = getattr(sinchvoice_calling.models, f"{body['event'].title()}Request")
    assert model.from_dict(body).to_dict() == body


# Other spellings, and fields of older pages or SDKs only; see openapi/README.md.
CONTESTED = {
    "ice: as the vendor's guide prints it": ["callId", "callid"],
    "ace: answering machine detection": ["callId", "callid"],
    "pie: sequence": ["addToContext"],
}


@recorded()
def test_an_event_of_the_vendor_matches_the_strict_document(name: str):
    body = EVENTS[name]
    found = [
        error.message for error in taker("strict", f"{body['event']}Request").iter_errors(body)
    ]
    named = CONTESTED.get(name, [])
    assert all(any(word in message for word in named) for message in found)
    assert bool(found) is bool(named)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("ice: incoming from the telephone network", {"to": {"type": "fax", "endpoint": "1"}}),
        ("ice: incoming from the telephone network", {"domain": "fax"}),
        ("ice: incoming from the telephone network", {"callId": "a"}),
        ("ice: incoming from the telephone network", {"event": "ace"}),
        ("dice: a call was disconnected", {"reason": "LATE"}),
        ("dice: a call was disconnected", {"version": "1"}),
        ("pie: return", {"menuResult": {"menuId": "main", "type": "Return"}}),
        ("pie: return", {"menuResult": {"menuId": "main"}}),
        ("notify: recording finished", {"type": "recording_lost"}),
        ("notify: recording finished", {"amd": {"status": "parrot"}}),
    ],
)
def test_an_undocumented_event_is_refused(name: str, change: dict[str, Any]):
    body = EVENTS[name] | change
    assert not taker("strict", f"{EVENTS[name]['event']}Request").is_valid(body)


@pytest.mark.parametrize("name", CLASSES)
def test_every_field_of_an_event_is_read(name: str):
    names = {"callid": "call_id", "from": "from_", "errorMsg": "error_message"}
    known = {field.name for field in CLASSES[name].__attrs_attrs__}
    fields = document("tolerant")["components"]["schemas"][f"{name}Request"]["properties"]
    asked = {names.get(field, snake(field)) for field in fields} - {"event"}
    assert asked - known == set()


@pytest.mark.parametrize(("schema", "kind"), [("menuResult", MenuResult), ("amdObject", AmdResult)])
def test_every_part_of_an_event_is_read(schema: str, kind: Any):
    fields = document("tolerant")["components"]["schemas"][schema]["properties"]
    assert {snake(name) for name in fields} == {one.name for one in kind.__attrs_attrs__}


@pytest.mark.parametrize(
    ("schema", "kind", "more"),
    [
        ("diceRequest.reason", DisconnectReason, {"BUSY", "NOANSWER"}),
        ("amdObject.status", AmdStatus, {"inprogress"}),
        ("amdObject.reason", AmdReason, {"greeting"}),
        ("menuResult.type", MenuResultType, set()),
        ("menuResult.inputMethod", InputMethod, set()),
    ],
)
def test_every_word_of_an_event_has_a_member(schema: str, kind: Any, more: set[str]):
    words = set(document("published")["components"]["schemas"][schema]["enum"])
    assert set(kind) == words | more


def test_domains_and_notifications_have_members_for_all_sent_words():
    schemas = document("strict")["components"]["schemas"]
    assert {word.lower() for word in schemas["callDomain"]["enum"]} == set(CallDomain)
    sent = set(schemas["notifyRequest"]["properties"]["type"]["enum"])
    assert set(NotificationType) - sent == {"transcription_complete"}


def snake(name: str) -> str:
    return re.sub("([A-Z]+)", r"_\1", name).lower()


# --- Answers -------------------------------------------------------------------------------------


def parts(which: dict[str, tuple[Any, Any]], kind: str) -> list[Any]:
    """Yield valid instructions or actions with documented names."""
    return [
        part
        for part, wire in which.values()
        if not isinstance(part, svaml.Raw)
        and taker("strict", f"svaml.{kind}.{lower(wire['name'])}").is_valid(wire)
    ]


def lower(name: str) -> str:
    return name[:1].lower() + name[1:]


GOOD_INSTRUCTIONS, GOOD_ACTIONS = parts(INSTRUCTIONS, "instruction"), parts(ACTIONS, "action")
SOME_ANSWERS = [
    Svaml([part] if part else None, action)
    for part in [None, *GOOD_INSTRUCTIONS]
    for action in [None, *GOOD_ACTIONS]
    if part or action
]


def is_let_through(event: Any, answer: Svaml) -> bool:
    try:
        event.answer(answer)
    except InvalidRequest:
        return False
    return True


def is_taken(name: str, answer: Svaml) -> bool:
    """Tell whether an answer matches the strict schema of the event; False without a schema."""
    schema = answers("strict", name)
    return schema is not None and taker("strict", schema).is_valid(answer.to_wire())


def test_there_is_a_valid_example_of_each_part():
    assert len({type(part) for part in GOOD_INSTRUCTIONS}) == 8
    assert len({type(part) for part in GOOD_ACTIONS}) == 9


@recorded("pie: digits in a conference")
def test_an_answer_is_accepted_exactly_if_it_matches_the_schema_of_its_event(name: str):
    body = EVENTS[name]
    event = parse(json.dumps(body))
    for answer in SOME_ANSWERS:
        assert is_let_through(event, answer) is is_taken(body["event"], answer), answer


@settings(max_examples=100)
@given(
    name=st.sampled_from(["ice", "ace", "pie", "dice", "notify"]),
    instructions=st.lists(st.sampled_from(GOOD_INSTRUCTIONS), max_size=4),
    action=st.none() | st.sampled_from(GOOD_ACTIONS),
)
def test_an_answer_with_several_instructions_is_accepted_in_the_same_way(
    name: str, instructions: Any, action: Any
):
    if not (instructions or action):
        return
    event = parse(json.dumps({"event": name}))
    answer = Svaml(instructions or None, action)
    assert is_let_through(event, answer) is is_taken(name, answer)


def test_keys_in_a_conference_are_answered_without_content():
    event = parse(json.dumps(EVENTS["pie: digits in a conference"]))
    assert not any(is_let_through(event, answer) for answer in SOME_ANSWERS)
    assert event.answer().body == b""


def test_the_sandbox_checks_answers_with_the_same_schemas():
    compiled = json.loads((regenerate.GENERATED / regenerate.SCHEMA).read_text("utf-8"))
    for name, schema in named_answers():
        validator = jsonschema_rs.Draft202012Validator(
            {"$ref": f"#/$defs/{schema}", "$defs": compiled["$defs"]}
        )
        for answer in SOME_ANSWERS:
            assert validator.is_valid(answer.to_wire()) is is_taken(name, answer)


def named_answers() -> Iterator[tuple[str, str]]:
    for name in CLASSES:
        if schema := answers("strict", name):
            yield name, schema
