"""The client supports everything in openapi/: fields of answers, words, parameters of requests.

After a change of a specification, these tests name what the facade lacks.
"""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest
import regenerate
import sinchvoice
from samples import SAMPLES
from sinchvoice import (
    ApplicationNumber,
    Call,
    CallbackUrls,
    CallDomain,
    CallLeg,
    Callout,
    CallReason,
    CallResult,
    CallStatus,
    Capability,
    Conference,
    ConferenceParticipant,
    Counter,
    MxpEndpoint,
    NumberInfo,
    NumberType,
    Price,
    PstnEndpoint,
    ServiceStatus,
    SipEndpoint,
    UserCallReport,
    VoiceClient,
)
from sinchvoice.routes import ROUTES

#: The class of each object in an answer; None for a mere wrapper.
ANSWERS: dict[str, Any] = {
    "callResult": Call,
    "price": Price,
    "destinationPstn": PstnEndpoint,
    "destinationMxp": MxpEndpoint,
    "destinationSip": SipEndpoint,
    "getCalloutResponseObj": Callout,
    "getConferenceInfoResponse": Conference,
    "conferenceParticipant": ConferenceParticipant,
    "getNumbersResponseObj": None,
    "assignedNumber": ApplicationNumber,
    "callbacks": None,
    "callbackUrls": CallbackUrls,
    "getQueryNumber": None,
    "numberInfo": NumberInfo,
    "userCallReport": UserCallReport,
    "counter": Counter,
    "serviceStatus": ServiceStatus,
}
#: The enumeration of each list of words in an answer.
WORDS: dict[str, Any] = {
    "callResult.domain": CallDomain,
    "callResult.status": CallStatus,
    "callResult.result": CallResult,
    "callResult.reason": CallReason,
    "capability": Capability,
    "numberType": NumberType,
}
#: Fields with another name in the client; None for a field without an attribute.
NAMES: dict[str, str | None] = {
    "from": "from_",
    "currencyId": "currency",
    "destinationPstn.type": None,  # expressed by the class
    "destinationPstn.endpoint": "number",
    "destinationMxp.type": None,
    "destinationMxp.endpoint": "username",
    "destinationSip.type": None,
    "destinationSip.endpoint": "address",
    "conferenceParticipant.id": "call_id",
    "conferenceParticipant.onhold": "on_hold",
    "assignedNumber.applicationkey": "application_key",
}
METHODS = {"get", "post", "put", "patch", "delete"}
HERE = "tests/test_documented.py"


def snake(name: str) -> str:
    return re.sub("([A-Z])", r"_\1", name).lower()


def answered(document: Any) -> dict[str, Any]:
    """Return the named schemas in the successful answers of a document."""
    found: dict[str, Any] = {}
    seen = set[str]()
    todo: list[Any] = [
        operation["responses"]
        for path in document["paths"].values()
        for operation in (path[method] for method in path.keys() & METHODS)
    ]
    while todo:
        match todo.pop():
            case {"$ref": str(reference)}:
                kind, name = reference.split("/")[-2:]
                part = document["components"][kind][name]
                if kind == "schemas":
                    found[name] = part
                if reference not in seen:
                    seen.add(reference)
                    todo.append(part)
            case dict() as part:
                todo.extend(value for key, value in part.items() if key != "discriminator")
            case list() as parts:
                todo.extend(parts)
    return found


SCHEMAS = {
    name: schema
    for document in map(regenerate.published, ("calling", "reporting"))
    for name, schema in answered(document).items()
}


def test_every_documented_answer_has_a_class():
    missing = {name for name, one in SCHEMAS.items() if "properties" in one} - ANSWERS.keys()
    assert not missing, f"add them and their classes to ANSWERS in {HERE}"
    missing = {name for name, one in SCHEMAS.items() if "enum" in one} - WORDS.keys()
    assert not missing - {"serviceStatus.status"}, f"add them to WORDS in {HERE}"


@pytest.mark.parametrize("schema", [name for name, kind in ANSWERS.items() if kind])
def test_every_documented_field_of_an_answer_is_in_its_class(schema: str):
    kind = ANSWERS[schema]
    documented = {
        NAMES.get(f"{schema}.{name}", NAMES.get(name, snake(name)))
        for name in SCHEMAS[schema]["properties"]
    }
    missing = documented - {None} - {field.name for field in kind.__attrs_attrs__}
    assert not missing, (
        f"{kind.__module__}.{kind.__name__} lacks them, so they are only in `raw`: add them there, "
        f"or their other name to NAMES in {HERE}"
    )


@pytest.mark.parametrize("kind", [kind for kind in ANSWERS.values() if kind])
def test_the_class_of_an_answer_is_in_the_package(kind: Any):
    assert getattr(sinchvoice, kind.__name__, None) is kind, (
        "export it in facade/sinchvoice/__init__.py"
    )


@pytest.mark.parametrize("schema", WORDS)
def test_every_documented_word_is_a_member(schema: str):
    kind = WORDS[schema]
    missing = set(SCHEMAS[schema]["enum"]) - set(kind)
    assert not missing, f"add them to {kind.__name__} in facade/sinchvoice/vocabulary.py"


def test_every_leg_is_a_member():
    legs = regenerate.published("calling")["components"]["schemas"]["callLeg"]["enum"]
    assert set(legs) == set(CallLeg), "correct CallLeg in facade/sinchvoice/vocabulary.py"


def test_every_documented_parameter_of_a_request_is_sent_by_a_method():
    sent = set[str]()

    def answer(request: httpx.Request) -> httpx.Response:
        sent.update(request.url.params)
        return SAMPLES[name].response()

    transport = httpx.MockTransport(answer)
    with VoiceClient("key", "c2VjcmV0", transport=transport) as voice:
        for name in (method for route in ROUTES for method in route.methods):
            SAMPLES[name].run(voice)
    documented = {
        parameter["name"]
        for document in map(regenerate.published, ("calling", "reporting"))
        for path in document["paths"].values()
        for operation in (path[method] for method in path.keys() & METHODS)
        for parameter in resolved(document, operation.get("parameters", []))
        if parameter["in"] == "query"
    }
    assert documented == sent, "give the method that sends it a parameter, and its sample a value"


def resolved(document: dict[str, Any], parameters: list[Any]) -> list[dict[str, Any]]:
    """Yield parameters, including referenced ones."""
    named = document["components"].get("parameters", {})
    return [named[one["$ref"].rpartition("/")[2]] if "$ref" in one else one for one in parameters]
