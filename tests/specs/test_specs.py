"""The documents in openapi/: valid, consistent with their examples, and as strict as intended."""

import json
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import overlay
import pytest
import regenerate
from jsonschema import Draft202012Validator, FormatChecker
from referencing import Registry
from referencing.jsonschema import DRAFT202012

SPECS = ("calling", "reporting")
VARIANTS = {
    f"{variant.__name__} {spec}": variant(spec)
    for spec in SPECS
    for variant in (regenerate.published, regenerate.tolerant, regenerate.strict)
}
METHODS = {"get", "post", "patch", "delete"}


def is_valid(document: dict[str, Any], schema: str, value: Any) -> bool:
    """Tell whether a value matches a component schema, including date-times."""
    return not errors(document, f"/components/schemas/{schema}", value)


def errors(document: dict[str, Any], pointer: str, value: Any) -> list[str]:
    registry = Registry().with_resource("urn:spec", DRAFT202012.create_resource(document))
    validator = Draft202012Validator(
        {"$ref": f"urn:spec#{pointer}"}, registry=registry, format_checker=FormatChecker()
    )
    return [error.message for error in validator.iter_errors(value)]


def examples(node: Any, pointer: str = "") -> Iterator[tuple[str, str, Any]]:
    """Yield name, pointer to the schema and value of every example below a node."""
    if isinstance(node, list):
        for index, item in enumerate(node):
            yield from examples(item, f"{pointer}/{index}")
    if not isinstance(node, dict):
        return
    # Media types and parameters contain their schema; an example in a schema belongs to it.
    schema = f"{pointer}/schema" if "schema" in node else pointer
    if "schema" in node or "type" in node:
        if "example" in node:
            yield f"{pointer}/example", schema, node["example"]
        for name, example in node.get("examples", {}).items():
            yield f"{pointer}/examples/{name}", schema, example["value"]
    for key, child in node.items():
        if key not in {"example", "examples", "enum", "const", "default"}:
            yield from examples(child, f"{pointer}/{key.replace('~', '~0').replace('/', '~1')}")


def operations(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for item in document["paths"].values():
        yield from (operation for method, operation in item.items() if method in METHODS)


def request_examples(document: dict[str, Any]) -> dict[str, Any]:
    named = document["components"]["requestBodies"]["Svaml"]["content"]["application/json"]
    return {name: example["value"] for name, example in named["examples"].items()}


PUBLISHED = VARIANTS["published calling"]
TOLERANT = VARIANTS["tolerant calling"]
STRICT = VARIANTS["strict calling"]
REPORTS = VARIANTS["tolerant reporting"]
STRICT_REPORTS = VARIANTS["strict reporting"]
EXAMPLES = [
    pytest.param(document, schema, value, id=f"{variant} {name}")
    for variant, document in VARIANTS.items()
    for name, schema, value in examples(document)
]


# --- All variants (validated when read) ----------------------------------------------------------


@pytest.mark.parametrize(("document", "schema", "value"), EXAMPLES)
def test_an_example_fits_its_schema(document: dict[str, Any], schema: str, value: Any):
    assert errors(document, schema, value) == []


def test_examples_are_found_everywhere():
    kinds = {
        name.split("/")[1] for _, document in VARIANTS.items() for name, _, _ in examples(document)
    }
    assert {"paths", "components"} == kinds
    assert len(request_examples(PUBLISHED)) == 16


@pytest.mark.parametrize("path", sorted(regenerate.OPENAPI.rglob("*.yaml")), ids=lambda p: p.name)
def test_a_document_means_the_same_in_json_and_yaml(path: Path):
    assert overlay.parse(path.read_text(encoding="utf-8"), path.name)


@pytest.mark.parametrize(
    "path", sorted((regenerate.OPENAPI / "overlays").iterdir()), ids=lambda p: p.name
)
def test_every_overlay_action_gives_its_reason(path: Path):
    actions = overlay.parse(path.read_text(encoding="utf-8"), path.name)["actions"]
    assert [action["target"] for action in actions if not action.get("description")] == []


@pytest.mark.parametrize("document", VARIANTS.values(), ids=VARIANTS)
def test_every_operation_takes_basic_or_signed_authentication(document: dict[str, Any]):
    assert document["security"] == [{"Basic": []}, {"Signed": []}]
    assert not any("security" in operation for operation in operations(document))


# --- Published documents -------------------------------------------------------------------------


def test_operations_list_only_their_published_success():
    successes = {op["operationId"]: list(op["responses"]) for op in operations(PUBLISHED)}
    without_content = {
        "Calling_UpdateCall",
        "Calling_KickConferenceAll",
        "Configuration_UpdateNumbers",
        "Configuration_UnassignNumber",
        "Configuration_UpdateCallbackURLs",
    }
    for name, found in successes.items():
        expected = ["204"] if name in without_content else ["200"]
        assert found == expected, f"{name}: correct the answer, or `without_content` in {__file__}"


def test_the_ringing_tone_of_norway_is_a_string():
    tones = PUBLISHED["components"]["schemas"]["indications"]["enum"]
    assert "no" in tones
    assert {str} == {type(tone) for tone in tones}


def test_an_error_code_begins_with_its_status():
    for response in PUBLISHED["components"]["responses"].values():
        for name, example in response["content"]["application/json"]["examples"].items():
            if "errorCode" in example["value"]:
                assert name == example["value"]["errorCode"]
                assert name[:3] == example["value"]["status"][:3]


@pytest.mark.parametrize("union", ["svaml.instruction", "svaml.action"])
def test_a_discriminator_maps_each_name_to_the_schema_that_has_it(union: str):
    schemas = PUBLISHED["components"]["schemas"]
    mapping = schemas[union]["discriminator"]["mapping"]
    assert list(mapping.values()) == [member["$ref"] for member in schemas[union]["anyOf"]]
    for name, reference in mapping.items():
        schema = schemas[reference.rpartition("/")[2]]
        assert name == schema["properties"]["name"]["const"]
        assert "name" in schema["required"]


def test_a_timestamp_without_a_time_zone_does_not_match_the_published_document():
    assert is_valid(PUBLISHED, "callResult", {"timestamp": "2024-01-08T09:48:12Z"})
    assert not is_valid(PUBLISHED, "callResult", {"timestamp": "2024-01-08T09:48:12"})


def test_a_call_status_report_is_not_an_instruction_of_a_request():
    report = {"name": "reportCallStatus", "value": "success"}
    assert is_valid(PUBLISHED, "svaml.instruction.reportCallStatus", report)
    assert not is_valid(PUBLISHED, "svaml.instruction", report)


# --- Tolerances ----------------------------------------------------------------------------------

SIP = "+19876543210@example.sip.sinch.com"


@pytest.mark.parametrize(
    "call",
    [
        {},
        {"callid": None, "from": None, "to": None, "custom": {}, "userRate": "string"},
        {"callid": "4398599d1ba84ef3bde0a82dfb61abed", "debit": "string"},
        {"from": "private", "to": "31639136121"},
        {"from": {"type": "Username", "endpoint": "myUserName"}},
        {"to": {"type": "did", "endpoint": "+3197121281500"}},
        {"to": {"type": "Sip", "endpoint": SIP}, "from": {"endpoint": SIP}},
        {"to": {"type": "number", "endpoint": None}},
        {"domain": "PSTN", "status": "PARKED", "result": "CANCEL", "reason": "USERNOTFOUND"},
        {"domain": None, "status": None, "result": None, "reason": None},
        {"custom": "{}", "timestamp": "2024-01-08T09:48:12"},
        {"custom": None, "timestamp": "2014-06-02T15:39:31.2729234Z"},
        {"timestamp": None, "duration": None, "debit": None, "userRate": {}},
        {"timestamp": 1704707292, "duration": 1.5},
        {"duration": "138", "userRate": {"currencyId": None, "amount": "0.1758"}},
        {"userRate": {"currencyId": "EUR", "amount": None, "formatted": "$10.25"}},
        {"debitMinutes": 0.5},
    ],
    ids=str,
)
def test_every_known_form_of_a_call_is_tolerated(call: dict[str, Any]):
    assert is_valid(TOLERANT, "callResult", call)


@pytest.mark.parametrize(
    ("schema", "answer"),
    [
        ("userCallReport", {}),
        ("userCallReport", {"success": None, "duration": "0", "failed": 0.0, "start": None}),
        ("counter", {"value": 9223372036854775807, "modified": None}),
        ("counter", {"value": "12384955", "modified": 1398686400}),
        ("serviceStatus", {"status": "degraded"}),
        ("serviceStatus", {"status": None}),
    ],
    ids=str,
)
def test_every_conceivable_form_of_a_report_is_tolerated(schema: str, answer: dict[str, Any]):
    assert is_valid(REPORTS, schema, answer)


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize(
    "error",
    [
        {},
        {"errorCode": 40400, "message": "Call not found"},
        {"errorCode": "40400", "status": None, "reference": None},
        {"code": 40003, "message": None},
    ],
    ids=str,
)
def test_every_known_form_of_an_error_is_tolerated(spec: str, error: dict[str, Any]):
    assert is_valid(VARIANTS[f"tolerant {spec}"], "Error", error)


@pytest.mark.parametrize("spec", SPECS)
def test_an_answer_with_an_invalid_time_is_read(spec: str):
    """The generated code would raise, so the overlay removes the format, and times stay text."""
    schemas = VARIANTS[f"tolerant {spec}"]["components"]["schemas"]
    dated = [name for name, schema in schemas.items() if '"format": "date' in json.dumps(schema)]
    assert dated == [], f"let the overlay of {spec} make their times text"


@pytest.mark.parametrize("spec", SPECS)
def test_any_2xx_is_a_success(spec: str):
    for operation in operations(VARIANTS[f"tolerant {spec}"]):
        assert list(operation["responses"]) == ["2XX"]


@pytest.mark.parametrize(
    "svaml",
    [
        {"action": {"name": "ConnectPSTN"}},
        {"action": {"name": "startRecording", "recordingOptions": {}}},
        {"action": {"name": "connectSip", "destination": {"type": "Sip", "endpoint": SIP}}},
        {"instructions": [{"name": "Say", "text": "Welcome"}]},
    ],
    ids=str,
)
def test_undocumented_svaml_can_be_sent(svaml: dict[str, Any]):
    assert is_valid(TOLERANT, "svamlRequest", svaml)


# --- Rules of the sandbox ------------------------------------------------------------------------


@pytest.mark.parametrize("name", request_examples(STRICT))
def test_a_documented_request_is_accepted(name: str):
    assert is_valid(STRICT, "svamlRequest", request_examples(STRICT)[name])


def menus(*ids: str) -> dict[str, Any]:
    return {"action": {"name": "runMenu", "menus": [{"id": menu} for menu in ids]}}


def option(action: str) -> dict[str, Any]:
    svaml = menus("main")
    svaml["action"]["menus"][0]["options"] = [{"dtmf": "1", "action": action}]
    return svaml


def say(text: str) -> dict[str, Any]:
    return {"instructions": [{"name": "say", "text": text}]}


def connect(**fields: Any) -> dict[str, Any]:
    return {"action": {"name": "connectPstn", **fields}}


@pytest.mark.parametrize(
    "svaml",
    [
        say("x" * 600),
        connect(maxDuration=14400),
        connect(dtmf="ww1234#w#"),
        connect(tags=[{"key": "team", "value": "blue"}]),
        option("return (value)"),
        menus("sub", "main"),
        {"action": {"name": "park", "maxDuration": 601}},
        {"action": {"name": "connectConf", "conferenceId": "x" * 65}},
        {"action": {"name": "continue", "record": True, "recordingOptions": {"format": "mp3"}}},
        {"action": {"name": "runMenu", "enableVoice": False}},
    ],
    ids=lambda svaml: str(svaml)[:60],
)
def test_svaml_of_current_pages_is_accepted(svaml: dict[str, Any]):
    assert is_valid(STRICT, "svamlRequest", svaml)


@pytest.mark.parametrize(
    ("svaml", "why"),
    [
        ({}, "an empty body"),
        ({"instructions": []}, "no instruction"),
        ({"instructions": None}, "null instead of instructions"),
        ({"action": "hangup"}, "a name instead of an action"),
        ({"action": [{"name": "hangup"}]}, "a list of actions"),
        ({"action": {}}, "an action without a name"),
        ({"action": {"name": "hangup"}, "actions": []}, "an unknown field"),
        ({"action": {"name": "hangup", "number": "+12125550123"}}, "the fields of two actions"),
        ({"action": {"name": ["hangup", "park"]}}, "two names"),
        ({"action": {"name": "Hangup"}}, "a name in the wrong case"),
        ({"action": {"name": "say", "text": "Welcome"}}, "an instruction as the action"),
        ({"action": {"name": "park", "introPromt": "#tts[Welcome]"}}, "a misspelt field"),
        ({"action": {"name": "connectConf"}}, "a conference without its id"),
        ({"action": {"name": "connectSip"}}, "a SIP action without a destination"),
        (
            {"action": {"name": "connectMxp", "destination": {"type": "sip", "endpoint": SIP}}},
            "a SIP address for an app",
        ),
        ({"action": {"name": "connectMxp", "callHeaders": []}}, "the spelling of the examples"),
        (connect(amd={"enabled": "true"}), "text instead of a boolean"),
        (connect(indications=False), "false instead of Norway"),
        (connect(maxDuration=14401), "a call of more than four hours"),
        (connect(dtmf="12*"), "a tone that is not listed"),
        ({"instructions": [{"name": "hangup"}]}, "an action as an instruction"),
        ({"instructions": [{"name": "playFiles"}]}, "nothing to play"),
        ({"instructions": [{"name": "sendDtmf", "value": "12 34"}]}, "a space among tones"),
        (say("x" * 601), "a text of more than 600 characters"),
        (menus("sub"), "no main menu"),
        (option("goto(sub)"), "an unknown kind of answer"),
        ({"action": {"name": "runMenu", "enableVoice": True}}, "voice without a language"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_svaml_of_no_page_is_refused(svaml: dict[str, Any], why: str):
    assert not is_valid(STRICT, "svamlRequest", svaml), why


TO = {"destination": {"type": "number", "endpoint": "+12125550123"}}


@pytest.mark.parametrize(
    ("callout", "good"),
    [
        ({"method": "ttsCallout", "ttsCallout": {**TO, "text": "x" * 600}}, True),
        ({"method": "ttsCallout", "ttsCallout": TO}, True),
        ({"method": "conferenceCallout", "conferenceCallout": {**TO, "conferenceId": "r"}}, True),
        ({"method": "customCallout", "customCallout": {}}, True),
        ({"method": "customCallout", "customCallout": {"enableAce": True}}, True),
        ({"method": "ttsCallout"}, False),
        ({"ttsCallout": TO}, False),
        ({"method": "call", "call": TO}, False),
        ({"method": "customCallout", "ttsCallout": TO}, False),
        ({"method": "ttsCallout", "ttsCallout": TO, "customCallout": {}}, False),
        ({"method": "ttsCallout", "ttsCallout": TO, "pop": "eu-central"}, False),
        ({"method": "ttsCallout", "ttsCallout": {}}, False),
        ({"method": "ttsCallout", "ttsCallout": {**TO, "text": "x" * 601}}, False),
        ({"method": "ttsCallout", "ttsCallout": {**TO, "dtmf": "1*"}}, False),
        ({"method": "conferenceCallout", "conferenceCallout": TO}, False),
        (
            {
                "method": "conferenceCallout",
                "conferenceCallout": {**TO, "conferenceId": "r", "moh": "ring"},
            },
            False,
        ),
        ({"method": "customCallout", "customCallout": {"ice": {"action": {}}}}, False),
        ({"method": "customCallout", "customCallout": {"enablePie": True}}, False),
        (
            {
                "method": "customCallout",
                "customCallout": {"destination": {"type": "did", "endpoint": "+1"}},
            },
            False,
        ),
    ],
    ids=lambda value: str(value)[:80],
)
def test_a_callout_has_the_member_of_its_method(callout: dict[str, Any], good: bool):
    assert is_valid(STRICT, "CalloutRequest", callout) is good


@pytest.mark.parametrize(
    ("schema", "body"),
    [
        ("manageConferenceParticipantRequest", {"command": "mute", "callId": "x"}),
        ("updateNumbers", {"numbers": ["+1"], "applicationKey": "x"}),
        ("updateNumbers", {"numbers": ["+1"], "application_key": "x"}),
        ("updateNumbers", {"numbers": []}),
        ("updateNumbers", {}),
        ("unassignNumbers", {"numbers": "+1"}),
        ("callbacks", {"url": [{"primary": "https://a"}]}),
        ("callbacks", {"url": {"primary": "https://a", "fallback": None}}),
    ],
    ids=str,
)
def test_requests_on_conferences_and_applications_match_the_strict_document(schema: str, body: Any):
    assert not is_valid(STRICT, schema, body)


@pytest.mark.parametrize(
    ("schema", "answer"),
    [
        ("getCalloutResponseObj", {"callid": "a", "callId": None}),
        ("getConferenceInfoResponse", {"ConferenceInfoResponse": {"participants": []}}),
        ("getConferenceInfoResponse", {"participants": [{"callId": "a", "muted": "true"}]}),
        ("getConferenceInfoResponse", {"participants": None}),
        ("getNumbersResponseObj", {"numbers": [{"number": "+1", "capability": "fax"}, "+2"]}),
        ("getNumbersResponseObj", {"numbers": {"number": "+1", "applicationKey": "a"}}),
        ("callbacks", {"url": [{"primary": "https://a", "fallback": None}]}),
        ("callbacks", {}),
        ("getQueryNumber", {"numberItem": {"normalizednumber": "+1", "rate": "0.1"}}),
        ("getQueryNumber", {"countryId": "SE", "number": None}),
    ],
    ids=str,
)
def test_every_known_form_of_the_other_answers_is_tolerated(schema: str, answer: Any):
    assert is_valid(TOLERANT, schema, answer)


@pytest.mark.parametrize(
    "svaml",
    [say("x"), {"instructions": [{"name": "playFiles", "ids": ["welcome"]}]}],
    ids=["say", "playFiles"],
)
def test_a_leg_accepts_sound_and_an_action(svaml: dict[str, Any]):
    assert is_valid(STRICT, "svamlLegRequest", svaml)
    assert is_valid(STRICT, "svamlLegRequest", svaml | {"action": {"name": "hangup"}})


@pytest.mark.parametrize(
    ("svaml", "why"),
    [
        ({}, "an empty body"),
        ({"action": {"name": "hangup"}}, "nothing to hear"),
        ({"instructions": []}, "no instruction"),
        ({"instructions": [{"name": "sendDtmf", "value": "1"}]}, "nothing that a leg can hear"),
        (say("x") | {"action": {"name": "explode"}}, "an unknown action"),
        (say("x") | {"actions": []}, "an unknown field"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_anything_else_on_a_leg_is_refused(svaml: dict[str, Any], why: str):
    assert not is_valid(STRICT, "svamlLegRequest", svaml), why


@pytest.mark.parametrize(
    ("operation", "schema"),
    [("Calling_UpdateCall", "svamlRequest"), ("Calling_ManageCallWithCallLeg", "svamlLegRequest")],
)
def test_a_body_is_mandatory(operation: str, schema: str):
    (found,) = (op for op in operations(STRICT) if op["operationId"] == operation)
    body = STRICT["components"]["requestBodies"][found["requestBody"]["$ref"].rpartition("/")[2]]
    assert body["required"] is True
    reference = body["content"]["application/json"]["schema"]["$ref"]
    assert reference == f"#/components/schemas/{schema}"


def test_every_object_that_a_request_can_hold_is_closed():
    schemas = STRICT["components"]["schemas"]
    open_ones = [
        name
        for request in ("svamlRequest", "svamlLegRequest")
        for name in reachable(schemas, request)
        if schemas[name].get("type") == "object"
        and schemas[name].get("additionalProperties") is not False
    ]
    assert open_ones == []


def reachable(schemas: dict[str, Any], start: str) -> set[str]:
    """Return the names of the schemas that a schema refers to, directly or indirectly."""
    names, todo = set[str](), [start]
    while todo:
        if (name := todo.pop()) not in names:
            names.add(name)
            todo += references(schemas[name])
    return names


def references(node: Any) -> Iterator[str]:
    children = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    if isinstance(node, dict) and isinstance(node.get("$ref"), str):
        yield node["$ref"].rpartition("/")[2]
    for child in children:
        yield from references(child)


@pytest.mark.parametrize("spec", SPECS)
def test_every_operation_lists_its_failures(spec: str):
    for operation in operations(VARIANTS[f"strict {spec}"]):
        assert {"400", "401", "403", "404", "429", "500", "503"} < operation["responses"].keys()


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("code", [40400, "40400"])
def test_error_codes_are_numbers_or_digits(spec: str, code: int | str):
    assert is_valid(VARIANTS[f"strict {spec}"], "Error", {"errorCode": code, "message": "x"})


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("code", [None, 404, "404", "not found", 40400.5])
def test_other_error_codes_are_refused(spec: str, code: Any):
    assert not is_valid(VARIANTS[f"strict {spec}"], "Error", {"errorCode": code, "message": "x"})


@pytest.mark.parametrize(
    ("spec", "schema"),
    [
        ("calling", "Error"),
        ("calling", "callResult"),
        ("reporting", "Error"),
        ("reporting", "userCallReport"),
        ("reporting", "counter"),
        ("reporting", "serviceStatus"),
    ],
)
def test_the_sandbox_may_not_answer_with_an_empty_object(spec: str, schema: str):
    assert is_valid(VARIANTS[f"published {spec}"], schema, {})
    assert not is_valid(VARIANTS[f"strict {spec}"], schema, {})


@pytest.mark.parametrize("name", ["_start", "_stop"])
@pytest.mark.parametrize(
    ("moment", "good"),
    [
        ("2014-04-28", True),
        ("2014-04-28T12:00:00Z", True),
        ("2014-04-31", False),
        ("yesterday", False),
        ("", False),
    ],
)
def test_the_window_of_a_report_is_a_date_or_a_time(name: str, moment: str, good: bool):
    path = STRICT_REPORTS["paths"]["/users/{type}/{endpoint}/calls/{domain}"]
    (schema,) = (p["schema"] for p in path["get"]["parameters"] if p["name"] == name)
    validator = Draft202012Validator(schema, format_checker=FormatChecker())
    assert validator.is_valid(moment) is good


def test_the_forms_of_calls_that_the_vendor_sends_match_the_strict_document():
    call = deepcopy(PUBLISHED["components"]["responses"]["CallFound"])
    value = call["content"]["application/json"]["examples"]["phone"]["value"]
    naive = value | {"timestamp": "2024-01-08T09:48:12", "domain": "mxp"}
    del naive["from"]
    assert is_valid(STRICT, "callResult", naive)
