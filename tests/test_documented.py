"""The client supports everything in openapi/: fields of answers, words, parameters of requests.

After a change of a specification, these tests name what the facade lacks.
"""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest
import regenerate
from samples import SAMPLES
from sinchvoice import Call, CallReason, CallResult, CallStatus, VoiceClient
from sinchvoice.reports import Counter, ServiceStatus, UserCallReport
from sinchvoice.routes import ROUTES
from sinchvoice.vocabulary import CallLeg

# Fields with another name in the client.
NAMES = {"from": "from_"}
METHODS = {"get", "post", "put", "patch", "delete"}


def schemas(spec: str) -> dict[str, Any]:
    found: dict[str, Any] = regenerate.published(spec)["components"]["schemas"]
    return found


def snake(name: str) -> str:
    return re.sub("([A-Z])", r"_\1", name).lower()


@pytest.mark.parametrize(
    ("spec", "schema", "kind"),
    [
        ("calling", "callResult", Call),
        ("reporting", "userCallReport", UserCallReport),
        ("reporting", "counter", Counter),
        ("reporting", "serviceStatus", ServiceStatus),
    ],
)
def test_every_documented_field_of_an_answer_is_in_its_model(spec: str, schema: str, kind: Any):
    documented = {NAMES.get(name, snake(name)) for name in schemas(spec)[schema]["properties"]}
    missing = documented - {field.name for field in kind.__attrs_attrs__}
    assert not missing, f"{kind.__module__}.{kind.__name__} does not have them: they are in `raw`"


@pytest.mark.parametrize(
    ("schema", "kind"),
    [
        ("callResult.status", CallStatus),
        ("callResult.result", CallResult),
        ("callResult.reason", CallReason),
        ("callLeg", CallLeg),
    ],
)
def test_every_documented_word_is_a_member(schema: str, kind: Any):
    assert set(schemas("calling")[schema]["enum"]) == set(kind), f"correct {kind.__name__}"


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
