"""scripts/spec_diff: documents, references, affected functions and overlays, the command."""

import inspect
import json
import os
import random
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from copy import deepcopy
from datetime import date
from pathlib import Path
from typing import Any

import httpx
import pytest
import sinchvoice
import spec_diff
from hypothesis import given, settings
from hypothesis import strategies as st
from samples import SURFACES
from sinchvoice import PstnEndpoint, VoiceClient
from sinchvoice.svaml import Hangup, Say, Svaml
from spec_diff import Change, Document, Level, SpecDiffError, schemas
from spec_diff.__main__ import main
from spec_diff.impact import FACADE, FAILURES
from spec_diff.operations import operations

ROOT = Path(__file__).resolve().parents[2]
CALLING, REPORTING = (ROOT / "openapi" / f"{name}.yaml" for name in ("calling", "reporting"))
VENDORED = [spec_diff.read(str(path)) for path in (CALLING, REPORTING)]

# The example application of the vendor's "Using REST" page.
EXAMPLE = "5F5C418A0F914BBC8234A9BF5EDDAD97", "JViE5vDor0Sw3WllZka15Q=="

THINGS = """\
openapi: 3.1.0
info: {title: Things, version: '1'}
paths:
  /things/{id}:
    parameters: [{name: id, in: path, required: true, schema: {type: string}}]
    get:
      operationId: GetThing
      responses:
        '200':
          description: Found
          content: {application/json: {schema: {$ref: '#/components/schemas/Thing'}}}
    put:
      operationId: PutThing
      responses:
        '200':
          description: Changed
          content: {application/json: {schema: {$ref: '#/components/schemas/Thing'}}}
components:
  schemas:
    Thing:
      type: object
      properties:
        state: {type: string, enum: [up, down]}
"""


ENUM = "response-property-enum-value-added"


def compare(old: str, new: str, **options: Any) -> list[Change]:
    documents = spec_diff.parse(old, "old.yaml"), spec_diff.parse(new, "new.yaml")
    return spec_diff.compare(*documents, **({"overlays": ()} | options))


def edited(*pairs: tuple[str, str]) -> list[Change]:
    """Return the changes after an edit of the vendored calling API."""
    text = CALLING.read_text(encoding="utf-8")
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new)
    return spec_diff.compare(
        spec_diff.read(str(CALLING)), spec_diff.parse(text, "published/calling.yaml")
    )


def only(changes: list[Change], kind: str) -> Change:
    (found,) = (change for change in changes if change.id == kind)
    return found


# --- Edits of the vendored specification ---------------------------------------------------------


def test_a_removed_field_of_an_answer_is_detected():
    data = deepcopy(VENDORED[0].data)
    del data["components"]["schemas"]["callResult"]["properties"]["custom"]
    changes = spec_diff.compare(VENDORED[0], Document("published/calling.yaml", data))
    change = only(changes, "response-optional-property-removed")
    assert change.level is Level.ERROR
    assert change.message == "200 `custom`: a field was removed"
    assert change.operations == ("GET /calling/v1/calls/id/{callId}",)
    assert change.old_pointer == "/components/schemas/callResult/properties/custom"
    assert change.facade == ("voice.calls.get",)
    assert change.overlays != ()
    assert only(changes, "overlay-action-obsolete").level is Level.ERROR


def test_a_line_is_that_of_an_editor():
    changes = edited(("enum: [ONGOING, FINAL]", "enum: [ONGOING, PARKED, FINAL]"))
    change = only(changes, "response-property-enum-value-added")
    lines = CALLING.read_text(encoding="utf-8").splitlines()
    assert change.old_line is not None
    assert lines[change.old_line - 1].strip() == "enum: [ONGOING, FINAL]"


def test_a_new_value_of_an_enumeration_is_detected_with_its_tolerance():
    changes = edited(("enum: [ONGOING, FINAL]", "enum: [ONGOING, PARKED, FINAL]"))
    assert len(changes) == 1
    change = changes[0]
    assert (change.id, change.level) == ("response-property-enum-value-added", Level.WARN)
    assert (change.old, change.new) == (None, "PARKED")
    assert change.facade == ("voice.calls.get",)
    targets = [(action.file, action.target) for action in change.overlays]
    path = "$.components.schemas.callResult.properties"
    assert targets == [
        ("openapi/overlays/calling.yaml", f"{path}['domain','status','result','reason']"),
        ("openapi/overlays/calling.yaml", path),
    ]


def test_a_newly_required_field_is_detected_with_every_function_that_sends_it():
    changes = edited(("required: [name, ids]", "required: [name, ids, locale]"))
    change = only(changes, "request-property-became-required")
    assert change.level is Level.ERROR
    assert "`instructions[](playFiles).locale`" in change.message
    assert change.operations == (
        "PATCH /calling/v1/calls/id/{callId}",
        "PATCH /calling/v1/calls/id/{callId}/leg/{callLeg}",
        *("webhook ice", "webhook ace", "webhook pie"),
    )
    assert set(change.facade) == {
        *FACADE["Calling_UpdateCall"],
        *FACADE["Calling_ManageCallWithCallLeg"],
    }


def test_an_answer_without_an_operation_is_compared():
    changes = edited(("        errorCode:\n", "        error_code:\n"))
    change = only(changes, "response-optional-property-removed")
    assert change.facade == FAILURES
    assert change.operation is None


def test_an_overlay_action_that_no_longer_fits_is_a_separate_change():
    changes = edited(("        amount:\n", "        value:\n"))
    change = only(changes, "overlay-action-obsolete")
    assert change.level is Level.ERROR
    assert "nothing matches" in change.message
    (action,) = change.overlays
    assert action.target == "$.components.schemas.price.properties.amount"
    text = (ROOT / action.file).read_text(encoding="utf-8").splitlines()
    assert action.line is not None
    assert action.target in text[action.line - 1]


def test_an_update_touches_only_the_members_it_names():
    document = {
        "overlay": "1.0.0",
        "actions": [
            {"target": "$.components.schemas", "update": {"Other": {"type": "object"}}},
            {"target": "$.components.schemas", "update": {"Thing": {"title": "A thing"}}},
            {"target": "$.components.schemas.Thing", "update": {"properties": {"state": {}}}},
            {"target": "$.components.schemas.Thing.properties.state.enum", "update": "gone"},
            {"target": "$.info", "update": {"title": "None of this"}},
        ],
    }
    new = THINGS.replace("[up, down]", "[up, down, lost]")
    (change,) = compare(THINGS, new, overlays=[Document("things-overlay.yaml", document)])
    assert [action.target for action in change.overlays] == [
        "$.components.schemas.Thing",
        "$.components.schemas.Thing.properties.state.enum",
    ]


def test_an_action_on_a_reference_is_touched_by_changes_of_its_target():
    text = THINGS.replace(
        "{type: string, enum: [up, down]}", "{$ref: '#/components/schemas/State'}"
    )
    text += "    State: {type: object, properties: {a: KIND}}\n"
    actions = [
        {"target": "$.components.schemas.Thing.properties.state", "remove": True},
        {"target": "$.components.schemas.Thing.properties", "update": {"state": {"x-a": 1}}},
        {"target": "$.components.schemas.Thing.properties", "update": {"outer": {}}},
    ]
    overlay = Document("things-overlay.yaml", {"overlay": "1.0.0", "actions": actions})
    for kind in ("{type: integer}", "{type: object, properties: {b: {type: string}}}"):
        old, new = text.replace("KIND", "{type: string}"), text.replace("KIND", kind)
        (change,) = compare(old, new, overlays=[overlay])
        assert [action.target for action in change.overlays] == [
            "$.components.schemas.Thing.properties.state",
            "$.components.schemas.Thing.properties",
        ]


def test_a_change_in_a_shared_schema_is_one_change():
    (change,) = compare(THINGS, THINGS.replace("[up, down]", "[up, down, lost]"))
    assert change.operations == ("GET /things/{id}", "PUT /things/{id}")


# --- Meaning -------------------------------------------------------------------------------------


def answering(schemas: str) -> str:
    return THINGS[: THINGS.index("    Thing:")] + schemas


HEIRS = """
    Thing: {type: object, discriminator: {propertyName: is, mapping: {lamp: Lamp, bell: Bell}}}
    Lamp: {allOf: [{$ref: '#/components/schemas/Thing'}, {properties: {watts: {type: integer}}}]}
    Bell: {allOf: [{$ref: '#/components/schemas/Thing'}, {properties: {tone: {type: string}}}]}
"""


def test_the_schemas_of_a_discriminator_are_alternatives():
    (change,) = compare(answering(HEIRS), answering(HEIRS.replace("integer", "string")))
    assert (change.id, change.message) == (
        "response-property-type-changed",
        "200 `(lamp).watts`: another type",
    )
    horn = "    Horn: {allOf: [{$ref: '#/components/schemas/Thing'}]}\n"
    (change,) = compare(
        answering(HEIRS), answering(HEIRS.replace("bell: Bell", "bell: Bell, horn: Horn") + horn)
    )
    assert (change.id, change.new) == ("response-body-any-of-added", "horn")


def test_an_added_or_removed_part_of_an_allof_is_compared_by_its_content():
    less = "    Thing: {allOf: [{properties: {a: {}}}]}\n"
    more = "    Thing: {allOf: [{properties: {a: {}}}, {required: [b], properties: {b: {}}}]}\n"
    assert [one.id for one in compare(answering(less), answering(more))] == [
        "response-required-property-added"
    ]
    assert [one.id for one in compare(answering(more), answering(less))] == [
        "response-required-property-removed"
    ]


def test_a_range_in_place_of_a_status_is_another_status_with_the_same_answer():
    new = THINGS.replace("'200'", "2XX").replace("[up, down]", "[up, down, lost]")
    changes = compare(THINGS, new)
    assert {change.id for change in changes} == {ENUM, "response-success-status-added"}
    assert compare(new, new.replace("2XX", "'200'")) == []


def test_an_empty_status_is_compared():
    new = THINGS.replace("'200'", "''")
    assert {change.id for change in compare(THINGS, new)} == {
        "response-success-status-removed",
        "response-non-success-status-added",
    }


def test_a_changed_alternative_is_matched_by_common_features():
    old = "    Thing: {oneOf: [{properties: {a: {}, b: {}, c: {}}}, {properties: {x: {}}}]}\n"
    new = "    Thing: {oneOf: [{properties: {x: {}}}, {properties: {a: {}, b: {}}}]}\n"
    (change,) = compare(answering(old), answering(new))
    assert (change.id, change.old) == ("response-optional-property-removed", "c")


def test_an_alternative_and_null_are_two_changes():
    new = "    Thing: {anyOf: [{properties: {a: {}}}, {type: array}, {type: 'null'}]}\n"
    changes = compare(answering("    Thing: {properties: {a: {}}}\n"), answering(new))
    assert {change.id for change in changes} == {
        "response-body-became-nullable",
        "response-body-any-of-added",
    }


def test_a_read_only_field_is_not_part_of_a_request():
    schema = "{properties: {a: {}, b: {readOnly: true, type: string}, c: {writeOnly: true}}}"
    text = THINGS.replace(
        "operationId: PutThing",
        "requestBody: {content: {text/plain: {schema: {$ref: '#/components/schemas/Thing'}}}}",
    )
    old = text[: text.index("    Thing:")] + f"    Thing: {schema}\n"
    changes = compare(old, old.replace(", c: {writeOnly: true}", ""))
    assert [change.id for change in changes] == ["request-property-removed"]
    changes = compare(old, old.replace("b: {readOnly: true, type: string}, ", ""))
    assert [change.id for change in changes] == ["response-optional-property-removed"]


def test_a_path_with_another_parameter_name_is_the_same_path():
    assert (
        compare(THINGS, THINGS.replace("{id}", "{thing}").replace("name: id", "name: thing")) == []
    )
    changes = compare(THINGS, THINGS.replace("/things/{id}", "/thing/{id}"))
    assert {change.id for change in changes} == {
        "api-path-removed-without-deprecation",
        "endpoint-added",
    }


# --- Functions of the facade ---------------------------------------------------------------------


def facade_functions() -> set[str]:
    return {
        f"voice.{name}.{function}"
        for name, (surface, _) in SURFACES.items()
        for function, _ in inspect.getmembers(surface, inspect.isfunction)
        if not function.startswith("_")
    }


def test_the_table_of_functions_has_every_operation_and_every_function():
    ids = {one.id for document in VENDORED for one in operations(document).values()}
    assert FACADE.keys() == ids
    assert {name for names in FACADE.values() for name in names} == facade_functions()
    assert {name for name in FAILURES if hasattr(sinchvoice, name)} == set(FAILURES)


CALL_ID = "4398599d1ba84ef3bde0a82dfb61abed"
USER, SVAML = PstnEndpoint("+46730170101"), Svaml(action=Hangup())
DAY, NEXT_DAY = date(2026, 11, 1), date(2026, 11, 2)


@pytest.mark.parametrize(
    ("function", "arguments", "operation"),
    [
        ("calls.get", (CALL_ID,), "Calling_GetCallResult"),
        ("calls.update", (CALL_ID, SVAML), "Calling_UpdateCall"),
        ("calls.hangup", (CALL_ID,), "Calling_UpdateCall"),
        ("calls.say", (CALL_ID, "Hello"), "Calling_UpdateCall"),
        ("calls.play", (CALL_ID, "welcome"), "Calling_UpdateCall"),
        ("calls.say", (CALL_ID, "Hello", "callee"), "Calling_ManageCallWithCallLeg"),
        ("calls.play", (CALL_ID, "welcome", "callee"), "Calling_ManageCallWithCallLeg"),
        (
            "calls.manage_with_call_leg",
            (CALL_ID, "callee", Svaml([Say("Hello")])),
            "Calling_ManageCallWithCallLeg",
        ),
        ("reports.user_calls", (USER,), "Report_GetUserCallReport"),
        ("reports.user_calls_by_window", (USER, DAY, NEXT_DAY), "Report_GetUserCallReport"),
        ("reports.user_calls_many", ([USER],), "Report_GetUserCallReport"),
        ("reports.counter", ("currentcalls",), "Report_GetCounter"),
        ("reports.service_status", ("rtpproxy",), "Report_GetServiceStatus"),
    ],
)
def test_a_function_calls_the_operation_of_the_table(
    function: str, arguments: tuple[Any, ...], operation: str
):
    called = list[str]()

    def answer(request: httpx.Request) -> httpx.Response:
        called.append(f"{request.method} {request.url}")
        return httpx.Response(
            200, json={"success": 0, "failed": 0, "duration": 0, "value": 0, "status": "up"}
        )

    name, _, method = function.partition(".")
    legged = method in ("say", "play") and len(arguments) == 3
    options = {"leg": arguments[2]} if legged else {}
    with VoiceClient(*EXAMPLE, transport=httpx.MockTransport(answer)) as voice:
        result = getattr(getattr(voice, name), method)(*arguments[: 2 if legged else 3], **options)
        if isinstance(result, Iterator):
            list(result)
    assert f"voice.{function}" in FACADE[operation]
    assert re.fullmatch(pattern(operation), called[0])


def pattern(operation_id: str) -> str:
    """Return the pattern of requests of an operation."""
    found = (one for document in VENDORED for one in operations(document).values())
    (operation,) = (one for one in found if one.id == operation_id)
    server = operation.around("servers").value[0]["url"]
    path = re.sub(r"\\{[^}]*\\}", "[^/]+", re.escape(operation.path))
    return f"{operation.method.upper()} {re.escape(server)}{path}"


# --- Documents -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "is empty"),
        ("  \n# nothing\n", "an object is expected"),
        ("a: [", "not YAML"),
        ("<!DOCTYPE html><html><body>Not found</body></html>", "an object is expected"),
        ("- openapi", "an object is expected"),
        ("{}", "there is no openapi version"),
        ("swagger: '2.0'\npaths: {/a: {}}", "there is no openapi version"),
        ("openapi: 4.0.0\npaths: {/a: {}}", "openapi is 4.0.0"),
        ("openapi: 3.1.0", "describes no paths"),
        ("openapi: 3.0.0\ncomponents: {}", "describes no paths"),
        ("openapi: 3.1.0\npaths: []", "paths is not an object"),
        ("openapi: 3.1.0\n---\nopenapi: 3.1.0", "line 2: a second document"),
        ("a: !!python/object/apply:os.system [ls]", "the tag .* is not supported"),
        ("a: !mine hello", "the tag .* is not supported"),
        ("a: &a [1]\nc: {<<: *a}", "<< is expected to name one or more objects"),
        ("a: &a [*a]", "has no target, or itself as target"),
        ("a: *b", "has no target|not YAML"),
        ("? [a]\n: b", "a key is expected to be text"),
        ("a: " + "9" * 5000, "a number of 5000 digits"),
        ("a: " + "[" * 300 + "]" * 300, "nested more than 200 deep"),
        ('{"a": 1,\n\t"b": 2', "neither YAML nor JSON"),
    ],
)
def test_an_invalid_document_is_an_error_with_the_reason(text: str, problem: str):
    with pytest.raises(SpecDiffError, match=problem):
        spec_diff.parse(text, "published.yaml")


def test_multiplying_aliases_are_refused_before_they_are_followed():
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    start = time.perf_counter()
    with pytest.raises(SpecDiffError, match="more than 1000000 values"):
        spec_diff.parse("\n".join(lines), "bomb.yaml")
    assert time.perf_counter() - start < 10


def test_long_keys_around_many_values_are_refused():
    depth, key = 150, 1000 * "k"
    values = 200_000 * "1," + "1"
    text = depth * f'{{"{key}":' + f"[{values}]" + depth * "}"
    with pytest.raises(SpecDiffError, match="below long keys"):
        spec_diff.parse(text, "bomb.yaml")


def test_a_media_type_of_blanks_is_read_quickly():
    text = THINGS.replace("application/json:", f'? "{200_000 * " "}" :', 1)
    start = time.perf_counter()
    assert compare(text, text) == []
    assert time.perf_counter() - start < 10


def test_words_are_text_as_in_yaml_1_2():
    text = (
        "openapi: 3.1\nx-words: [no, on, 2014-04-28, 1_000, 0o17, 1e3, ~, True]\npaths: {204: {}}"
    )
    document = spec_diff.parse(text, "spec.yaml")
    read = ["no", "on", "2014-04-28", "1_000", 15, 1000.0, None, True]
    assert document.data == {"openapi": 3.1, "x-words": read, "paths": {"204": {}}}


def test_every_value_has_a_line_even_below_an_alias():
    text = "openapi: 3.1.0\npaths:\n  /a: &a\n    get:\n      tags: [x]\n  /b: *a\n"
    document = spec_diff.parse(text, "spec.yaml")
    pointers = ["", "/paths", "/paths/~1a/get/tags/0", "/paths/~1b", "/paths/~1b/get/tags", "/gone"]
    assert [document.line(pointer) for pointer in pointers] == [1, 2, 5, 6, 6, 1]
    assert Document("data", document.data).line("/paths") is None


@pytest.mark.parametrize(
    ("reference", "problem"),
    [
        ("#/components/schemas/Nothing", "has no target"),
        ("#/paths/0/-1", "has no target"),
        ("#anchor", "the anchor of #anchor does not exist"),
    ],
)
def test_a_reference_without_a_target_is_an_error(reference: str, problem: str):
    text = THINGS.replace("'#/components/schemas/Thing'", f"'{reference}'")
    with pytest.raises(SpecDiffError, match=problem):
        compare(text, text)


def test_circular_references_outside_schemas_are_an_error():
    text = THINGS.replace("put:", "put: {responses: {'200': {$ref: '#/x-a'}}}\n    post:")
    text += "x-a: {$ref: '#/x-b'}\nx-b: {$ref: '#/x-a'}\n"
    with pytest.raises(SpecDiffError, match="are circular"):
        compare(text, text)


def test_multiplying_references_are_compared_quickly():
    schemas = "".join(
        f"    B{n}: {{not: {{anyOf: [{{$ref: '#/components/schemas/B{n + 1}'}},"
        f" {{$ref: '#/components/schemas/B{n + 1}'}}]}}}}\n"
        for n in range(40)
    )
    text = THINGS.replace("enum: [up, down]", "not: {$ref: '#/components/schemas/B0'}")
    last = "    B40: {type: string}\n"
    assert compare(text + schemas + last, text + schemas + last) == []
    changed = schemas.replace("B0: {not: {anyOf", "B0: {not: {description: New, anyOf")
    assert compare(text + schemas + last, text + changed + last) == []


def test_multiplying_allofs_are_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(schemas, "MAX_PAIRS", 50)
    reference = "{{$ref: '#/components/schemas/B{}'}}".format
    text = THINGS.replace("{type: string, enum: [up, down]}", reference(0))
    both = f"{{properties: {{a: {reference(0)}, b: {reference(0)}}}}}"
    text += f"    B0: {{allOf: [{both}, {{properties: {{a: {reference(1)}}}}}]}}\n"
    for n in range(1, 8):
        following = reference(n + 1)
        text += f"    B{n}: {{properties: {{a: {following}, b: {following}}}}}\n"
    text += "    B8: {properties: {c: {type: string}}}\n"
    with pytest.raises(SpecDiffError, match="more than 50 schemas"):
        compare(text, text.replace("c: {type: string}", "c: {type: integer}"))


@pytest.mark.parametrize("depth", [5, 400])
def test_recursive_schemas_are_compared(depth: int):
    schemas = "".join(
        f"    N{n}: {{type: object, properties: {{next: {{$ref: '#/components/schemas/N{m}'}}}}}}\n"
        for n, m in ((n, (n + 1) % depth) for n in range(depth))
    )
    text = THINGS.replace("{type: string, enum: [up, down]}", "{$ref: '#/components/schemas/N0'}")
    assert compare(text + schemas, text + schemas) == []
    changed = schemas.replace(f"N{depth - 1}: {{type: object, ", f"N{depth - 1}: {{type: array, ")
    (change,) = compare(text + schemas, text + changed)
    assert change.id == "response-property-type-changed"


def test_references_between_files_are_followed_with_their_lines(tmp_path: Path):
    folder = tmp_path / "parts"
    folder.mkdir()
    (folder / "thing.yaml").write_text(
        "# Things\ntype: object\nproperties:\n  state: {$ref: 'state.json#/State'}\n"
    )
    state = folder / "state.json"
    whole, split = tmp_path / "whole.yaml", tmp_path / "split.yaml"
    whole.write_text(THINGS)
    split.write_text(THINGS.replace("'#/components/schemas/Thing'", "parts/thing.yaml"))
    state.write_text('{"State": {"type": "string", "enum": ["up", "down"]}}')
    documents = spec_diff.read(str(whole)), spec_diff.read(str(split))
    assert {change.id for change in spec_diff.compare(*documents)} == set()
    state.write_text('{"State": {"type": "string",\n "enum": ["up", "down", "lost"]}}')
    (change,) = spec_diff.compare(documents[0], spec_diff.read(str(split)))
    assert change.id == "response-property-enum-value-added"
    assert change.new_pointer == f"{state.as_posix()}#/State/enum"
    assert change.new_line == 2


def test_a_document_of_a_revision_is_read_from_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    git("init", "--quiet")
    Path("parts").mkdir()
    Path("api.yaml").write_text(THINGS.replace("'#/components/schemas/Thing'", "parts/thing.yaml"))
    Path("parts/thing.yaml").write_text("{properties: {state: {enum: [up]}}}")
    git("add", ".")
    git("commit", "--quiet", "--message", "First")
    Path("parts/thing.yaml").write_text("{properties: {state: {enum: [up, down]}}}")
    old, new = spec_diff.read("git:HEAD:api.yaml"), spec_diff.read("api.yaml")
    (change,) = spec_diff.compare(old, new)
    assert change.id == "response-property-enum-value-added"
    assert change.old_pointer == "git:HEAD:parts/thing.yaml#/properties/state/enum"
    for source in ("git:v9:api.yaml", "git:HEAD:gone.yaml"):
        with pytest.raises(SpecDiffError, match="no such revision or file .* shallow clone"):
            spec_diff.read(source)


def git(*arguments: str) -> None:
    who = "-c", "user.name=Test", "-c", "user.email=test@example.org"
    command = ["git", *who, *arguments]
    subprocess.run(command, check=True, capture_output=True)


@pytest.mark.parametrize("source", ["git:", "git:HEAD", "git:--help:api.yaml", "git::api.yaml"])
def test_an_incomplete_revision_is_an_error(source: str):
    with pytest.raises(SpecDiffError, match="write git:REV:path"):
        spec_diff.read(source)


JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-9, 9),
    st.sampled_from(["", "x", "#/", "#/paths", "$ref", "../x"]),
    st.sampled_from([[], {}, [None], [[]], {"$ref": 1}, {"$ref": "#/x"}, {"a": None}, {"x": []}]),
)


@settings(max_examples=50)
@given(seed=st.integers(0, 2**32), junk=JUNK)
def test_a_document_with_junk_in_it_is_compared_or_refused(seed: int, junk: Any):
    old, new = (deepcopy(document.data) for document in VENDORED[:1] * 2)
    dice, node = random.Random(seed), new
    while True:
        key = dice.choice(list(node) if isinstance(node, dict) else range(len(node)))
        inner = node[key]
        if not isinstance(inner, dict | list) or not inner or dice.random() < 0.2:
            node[key] = junk
            break
        node = inner
    for pair in ((old, new), (new, old)):
        with suppress(SpecDiffError):  # and no other error
            documents = (Document("calling.yaml", data) for data in pair)
            changes = spec_diff.compare(*documents, overlays=())
            assert all(change.message for change in changes)


def test_a_published_bundle_of_many_thousand_lines_is_compared_in_seconds():
    data = deepcopy(VENDORED[0].data)
    schemas, paths = data["components"]["schemas"], data["paths"]
    text = json.dumps({"schemas": schemas, "paths": paths})
    for number in range(20):
        more = json.loads(
            text.replace("#/components/schemas/", f"#/components/schemas/V{number}.")
            .replace("/calling/v1/", f"/calling/v{number + 2}/")
            .replace("Calling_", f"V{number}_")
        )
        schemas |= {f"V{number}.{name}": schema for name, schema in more["schemas"].items()}
        paths |= more["paths"]
    text = json.dumps(data, indent=1)
    assert text.count("\n") > 20_000
    start = time.perf_counter()
    assert compare(text, text.replace("ONGOING", "RUNNING")) != []
    assert time.perf_counter() - start < 60  # about two seconds on a quiet machine


# --- Overrides -----------------------------------------------------------------------------------


def overrides(tmp_path: Path, text: str) -> str:
    path = tmp_path / "overrides.yaml"
    path.write_text(text)
    return str(path)


@pytest.fixture
def pair(tmp_path: Path) -> tuple[str, str]:
    """Two documents, the second with a new value in answers: one warning."""
    old, new = tmp_path / "old.yaml", tmp_path / "new.yaml"
    old.write_text(THINGS)
    new.write_text(THINGS.replace("[up, down]", "[up, down, lost]"))
    return str(old), str(new)


@pytest.mark.parametrize(
    "where",
    [
        "",
        ", operation: 'PUT /things/{id}'",
        ", pointer: /components/schemas/Thing",
        ", pointer: /components/schemas/Thing/properties/state/enum",
        ", value: lost",
    ],
)
def test_an_override_changes_a_level(
    tmp_path: Path, pair: tuple[str, str], capsys: pytest.CaptureFixture[str], where: str
):
    text = f"overrides: [{{id: {ENUM}, level: ERROR, reason: We list them all{where}}}]"
    assert main([*pair, "--overrides", overrides(tmp_path, text)]) == 1
    shown = capsys.readouterr().out
    assert f"ERROR {ENUM}" in shown
    assert "WARN without an override: We list them all" in shown


@pytest.mark.parametrize(
    "entry",
    [
        "id: response-body-became-nullable",
        f"id: {ENUM}, operation: 'POST /things/{{id}}'",
        f"id: {ENUM}, pointer: /components/schemas/Thin",
        f"id: {ENUM}, value: down",
        f"id: {ENUM}, value: [lost]",
    ],
)
def test_an_unused_override_is_reported(
    tmp_path: Path, pair: tuple[str, str], capsys: pytest.CaptureFixture[str], entry: str
):
    path = overrides(tmp_path, f"overrides:\n  - {{{entry}, level: INFO, reason: Old}}\n")
    assert main([*pair, "--overrides", path]) == 0
    shown = capsys.readouterr().out
    assert "WARN  override-unused" in shown
    assert f"{path}, line 2" in shown
    assert main([*pair, "--overrides", path, "--fail-on", "WARN"]) == 1


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "is empty"),
        ("overrides: {}", "a list is expected"),
        ("levels: []", "a list is expected"),
        ("overrides: [x]", "has only"),
        (f"overrides: [{{id: {ENUM}, level: INFO, because: x}}]", "has only"),
        (f"overrides: [{{id: {ENUM}, level: INFO}}]", "needs reason"),
        (f"overrides: [{{id: {ENUM}, level: INFO, reason: ''}}]", "reason must be text"),
        (f"overrides: [{{id: {ENUM}, value: null, level: INFO, reason: x}}]", "value must be text"),
        (f"overrides: [{{id: {ENUM}, level: LOW, reason: x}}]", "LOW is not a level"),
        ("overrides: [{id: nothing, level: INFO, reason: x}]", "nothing is not a kind"),
    ],
)
def test_a_malformed_file_of_overrides_is_an_error(
    tmp_path: Path,
    pair: tuple[str, str],
    capsys: pytest.CaptureFixture[str],
    text: str,
    problem: str,
):
    assert main([*pair, "--overrides", overrides(tmp_path, text)]) == 2
    assert problem in capsys.readouterr().err


# --- Command -------------------------------------------------------------------------------------


def test_the_exit_code_depends_on_the_level(pair: tuple[str, str]):
    old, new = pair
    codes = {level: main([old, new, "--fail-on", level]) for level in ("ERROR", "WARN", "INFO")}
    assert codes == {"ERROR": 0, "WARN": 1, "INFO": 1}
    assert main([old, old, "--fail-on", "INFO"]) == 0
    assert main([old, new]) == 0


@pytest.mark.parametrize("side", [0, 1])
@pytest.mark.parametrize("content", [None, "", "a: [", "openapi: 3.1.0"])
def test_a_document_that_cannot_be_read_is_exit_code_2(
    tmp_path: Path,
    pair: tuple[str, str],
    capsys: pytest.CaptureFixture[str],
    side: int,
    content: str | None,
):
    bad = tmp_path / "bad.yaml"
    if content is not None:
        bad.write_text(content)
    sources = list(pair)
    sources[side] = str(bad)
    assert main(sources) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "bad.yaml" in captured.err
    assert "Nothing was compared." in captured.err


def test_a_missing_baseline_is_exit_code_2(
    tmp_path: Path, pair: tuple[str, str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    git("init", "--quiet")
    assert main(["git:v1.0.0:old.yaml", pair[1]]) == 2


def test_wrong_arguments_are_exit_code_2(pair: tuple[str, str]):
    for arguments in ([], [pair[0]], [*pair, "--fail-on", "LOW"], [*pair, "--format", "html"]):
        with pytest.raises(SystemExit) as caught:
            main(arguments)
        assert caught.value.code == 2


def test_the_text_has_change_places_and_functions(
    pair: tuple[str, str], capsys: pytest.CaptureFixture[str]
):
    main(list(pair))
    assert (
        capsys.readouterr().out
        == f"""\
WARN  {ENUM}
      200 `state`: a new listed value
      GET /things/{{id}}
      PUT /things/{{id}}
      value (none) -> lost
      {pair[0]}:23 /components/schemas/Thing/properties/state/enum
      {pair[1]}:23 /components/schemas/Thing/properties/state/enum

{pair[0]} -> {pair[1]}: 1 change (1 WARN)
"""
    )


def test_equal_documents_are_reported_as_equal(
    pair: tuple[str, str], capsys: pytest.CaptureFixture[str]
):
    for style in ("text", "markdown", "github"):
        assert main([pair[0], pair[0], "--format", style]) == 0
        assert "mean the same" in capsys.readouterr().out


def test_json_has_everything(pair: tuple[str, str], capsys: pytest.CaptureFixture[str]):
    main([*pair, "--format", "json"])
    result = json.loads(capsys.readouterr().out)
    assert result["summary"] == {"ERROR": 0, "WARN": 1, "INFO": 0}
    assert (result["old"], result["new"]) == pair
    pointer = "/components/schemas/Thing/properties/state/enum"
    assert result["changes"] == [
        {
            "id": ENUM,
            "level": "WARN",
            "message": "200 `state`: a new listed value",
            "operations": ["GET /things/{id}", "PUT /things/{id}"],
            "old_pointer": pointer,
            "new_pointer": pointer,
            "old_line": 23,
            "new_line": 23,
            "old": None,
            "new": "lost",
            "facade": [],
            "overlays": [],
        }
    ]


def test_markdown_is_a_table_for_each_level(
    pair: tuple[str, str], capsys: pytest.CaptureFixture[str]
):
    main([*pair, "--format", "markdown"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"**{pair[0]} -> {pair[1]}: 1 change (1 WARN)**"
    assert "### WARN" in lines
    assert f"200 `state`: a new listed value<br>`{ENUM}`<br>`(none) -> lost`" in lines[-1]


def test_annotations_belong_to_an_existing_file(
    tmp_path: Path,
    pair: tuple[str, str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.chdir(tmp_path)
    main(["old.yaml", "new.yaml", "--format", "github"])
    assert capsys.readouterr().out.splitlines()[0] == (
        f"::warning file=new.yaml,line=23,title=WARN {ENUM}::200 `state`: a new listed value"
        "%0AGET /things/{id}%0APUT /things/{id}%0A(none) -> lost"
    )
    main(["old.yaml", pair[1], "--format", "github"])
    assert "::warning file=old.yaml,line=23," in capsys.readouterr().out


@pytest.mark.parametrize("style", ["text", "markdown", "github"])
def test_names_of_a_document_can_neither_be_commands_nor_break_the_format(
    tmp_path: Path, pair: tuple[str, str], capsys: pytest.CaptureFixture[str], style: str
):
    evil = r"\n::error::x\e[31m` | @somebody"
    new = tmp_path / "evil.yaml"
    new.write_text(THINGS.replace("state:", f'"{evil}":').replace("[up, down]", f'["{evil}"]'))
    main([pair[0], str(new), "--format", style])
    shown = capsys.readouterr().out
    assert "::x" in shown
    assert "\x1b" not in shown
    assert not [line for line in shown.splitlines() if line.startswith("::error::x")]
    if style == "markdown":
        assert "x?[31m' \\| @somebody" in shown


@pytest.mark.parametrize("style", ["text", "markdown", "github"])
def test_a_value_can_neither_be_a_command_nor_leave_its_cell(
    tmp_path: Path, pair: tuple[str, str], capsys: pytest.CaptureFixture[str], style: str
):
    old, new = tmp_path / "commands.yaml", tmp_path / "others.yaml"
    text = THINGS.replace("state: {type: string, enum", "state: {type: string, pattern")
    old.write_text(text.replace("[up, down]", "'::stop-commands::x ##[stop-commands]x'"))
    new.write_text(text.replace("[up, down]", r"'a\| @somebody'"))
    main([str(old), str(new), "--format", style])
    shown = capsys.readouterr().out
    assert "stop-commands" in shown
    assert "##[" not in shown
    assert not [line for line in shown.splitlines() if line.strip().startswith("::stop")]
    if style == "markdown":
        assert r"\| @somebody" not in shown


def test_a_status_and_a_place_are_quoted():
    text = THINGS.replace("in: path", "in: '@somebody'")
    new = text.replace("'200'", "'@somebody else'").replace("schema: {type: string", "schema: {")
    messages = [change.message for change in compare(text, new)]
    assert any("somebody" in message for message in messages)
    for message in messages:
        assert "@" not in re.sub("`[^`]*`", "", message)


def test_the_reason_of_a_failure_is_one_line(
    tmp_path: Path, pair: tuple[str, str], capsys: pytest.CaptureFixture[str]
):
    new = tmp_path / "evil.yaml"
    new.write_text(THINGS.replace("state: {type: string,", r'"\n::error::x": {type: 1,'))
    assert main([pair[0], str(new)]) == 2
    assert not [one for one in capsys.readouterr().err.splitlines() if one.startswith("::")]


def test_the_command_runs_next_to_the_package(pair: tuple[str, str]):
    command = [sys.executable, "-m", "spec_diff", *pair, "--fail-on", "WARN"]
    done = subprocess.run(
        command,
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT / "scripts")},
    )
    assert (done.returncode, done.stderr) == (1, "")
    assert ENUM in done.stdout
