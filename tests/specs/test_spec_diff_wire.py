"""scripts/spec_diff: operations, addresses, parameters and events that are equal on the wire."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import spec_diff
from spec_diff import Change, Document, Level, worst
from spec_diff.operations import webhooks

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"


def compare(old: str, new: str, version: str = "3.1.0") -> list[Change]:
    texts = (text if "openapi:" in text else f"openapi: {version}\n{text}" for text in (old, new))
    documents = [
        spec_diff.parse(text, name) for text, name in zip(texts, ("old", "new"), strict=True)
    ]
    return spec_diff.compare(*documents, overlays=())


def level(old: str, new: str) -> str:
    found = worst(compare(old, new))
    return "-" if found is None else found.name


# --- Names of path parameters --------------------------------------------------------------------


def path(name: str, kind: str = "string", more: str = "") -> str:
    return (
        f"  /r/{{{name}}}:\n"
        f"    get:\n"
        f"      operationId: by{name.title()}\n"
        f"      parameters: [{{name: {name}, in: path, required: true, schema: {{type: {kind}}}}}{more}]\n"
        f"      responses: {{'200': {{description: Done}}}}\n"
    )


BY_ID, BY_NAME = path("id", "integer"), path("name")
MUST = ", {name: must, in: query, required: true, schema: {type: string}}"


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (BY_ID + BY_NAME, BY_NAME + BY_ID, "-"),
        (BY_ID + BY_NAME, BY_NAME, "ERROR"),
        (BY_ID + BY_NAME, BY_ID, "ERROR"),
        (BY_ID, BY_ID + BY_NAME, "INFO"),
        (BY_ID + BY_NAME, BY_ID + path("name", more=MUST), "ERROR"),
        (BY_ID + BY_NAME, path("name", more=MUST) + BY_ID, "ERROR"),
        (BY_ID + BY_NAME, path("id", "integer", MUST) + BY_NAME, "ERROR"),
        (BY_ID, BY_ID.replace("{id}", "{key}").replace("name: id", "name: key"), "-"),
        (
            BY_ID + BY_NAME,
            BY_NAME + BY_ID.replace("{id}", "{key}").replace("name: id", "name: key"),
            "-",
        ),
        (
            BY_ID + BY_NAME,
            BY_NAME + path("key", "integer", MUST).replace("byKey", "byId"),
            "ERROR",
        ),
    ],
)
def test_two_paths_that_differ_in_a_name_are_two_operations(old: str, new: str, expected: str):
    assert level(f"paths:\n{old}", f"paths:\n{new}") == expected


def test_the_order_of_paths_does_not_matter():
    pairs = [(BY_ID + BY_NAME, BY_NAME), (BY_NAME + BY_ID, BY_NAME)]
    first, second = (compare(f"paths:\n{old}", f"paths:\n{new}") for old, new in pairs)
    assert [change.operations for change in first] == [("GET /r/{id}",)]
    assert [change.message for change in first] == [change.message for change in second]


# --- Addresses -----------------------------------------------------------------------------------

GET = "{get: {responses: {'200': {description: Done}}}}"


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (("https://a.x/v1", "/a"), ("https://a.x", "/v1/a"), "-"),
        (("https://a.x/v1/", "/a"), ("https://a.x/", "/v1/a"), "-"),
        (("https://a.x", "/v1/a/{id}"), ("https://a.x/v1", "/a/{key}"), "-"),
        (("/v1", "/a"), ("/", "/v1/a"), "-"),
        (("https://a.x/v1", "/a"), ("HTTPS://A.x/v1", "/a"), "-"),
        (("https://a.x/v1", "/a"), ("https://a.x:443/v1", "/a"), "-"),
        (("http://a.x:80", "/a"), ("http://a.x", "/a"), "-"),
        (("https://a.x/%7Eme", "/a"), ("https://a.x/~me", "/a"), "-"),
        (("https://a.x:8443", "/a"), ("https://a.x", "/a"), "ERROR"),
        (("https://a.x/V1", "/a"), ("https://a.x/v1", "/a"), "ERROR"),
        (("https://a.x/v1", "/a"), ("https://a.x/v2", "/a"), "ERROR"),
        (("https://a.x/v1", "/a"), ("https://b.x", "/v1/a"), "ERROR"),
        (("http://a.x", "/a"), ("https://a.x", "/a"), "ERROR"),
    ],
)
def test_an_address_has_many_spellings(old: tuple[str, str], new: tuple[str, str], expected: str):
    texts = [f"servers: [{{url: '{url}'}}]\npaths: {{'{path}': {GET}}}" for url, path in (old, new)]
    assert level(*texts) == expected


def test_a_moved_operation_with_another_path_is_removed_and_added():
    old = f"servers: [{{url: https://a.x/v1}}]\npaths: {{/a: {GET}, /b: {GET}}}"
    new = f"servers: [{{url: https://a.x}}]\npaths: {{/v1/a: {GET}, /v2/b: {GET}}}"
    assert [(one.id, one.old) for one in compare(old, new)] == [
        ("api-path-removed-without-deprecation", "/b"),
        ("endpoint-added", None),
    ]


def test_the_first_server_of_a_document_is_an_addition():
    new = f"servers: [{{url: https://a.x}}]\npaths: {{/a: {GET}}}"
    assert level(f"paths: {{/a: {GET}}}", new) == "INFO"
    assert level(new, f"paths: {{/a: {GET}}}") == "ERROR"


def test_an_expanded_variable_is_the_same_server():
    old = "servers: [{url: 'https://{at}.x:{port}', variables: {at: {enum: [a, b], default: a}, port: {default: '443'}}}]"
    new = "servers: [{url: https://b.x}, {url: https://a.x}]"
    assert level(f"{old}\npaths: {{/a: {GET}}}", f"{new}\npaths: {{/a: {GET}}}") == "-"


def test_another_spelling_of_a_path_is_reported_as_such():
    changes = compare(f"paths: {{/callOuts: {GET}}}", f"paths: {{/callouts: {GET}}}")
    assert changes[0].level is Level.ERROR
    assert changes[0].message.endswith("the spelling has changed, `GET /callouts`")


# --- Parameters ----------------------------------------------------------------------------------


def parameter(text: str) -> str:
    return f"paths: {{/a: {{get: {{parameters: [{text}], responses: {{'200': {{}}}}}}}}}}"


NONE = parameter("")


@pytest.mark.parametrize("name", ["Accept", "content-type", "AUTHORIZATION"])
@pytest.mark.parametrize("required", ["true", "false"])
def test_headers_that_openapi_ignores_are_not_parameters(name: str, required: str):
    one = parameter(f"{{name: {name}, in: header, required: {required}, schema: {{}}}}")
    assert level(NONE, one) == level(one, NONE) == "-"
    assert level(NONE, one.replace("in: header", "in: query")) != "-"


def test_the_content_type_of_an_answer_is_not_a_header():
    old = "paths: {/a: {get: {responses: {'200': {headers: {Content-Type: {required: true, schema: {}}}}}}}}"
    new = "paths: {/a: {get: {responses: {'200': {}}}}}"
    assert level(old, new) == level(new, old) == "-"
    assert level(old.replace("Content-Type", "Content-Language"), new) == "ERROR"


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            "in: query, schema: {type: string}",
            "in: query, schema: {type: array, items: {type: string}}",
            "INFO",
        ),
        (
            "in: query, schema: {type: integer}",
            "in: query, schema: {type: array, items: {type: integer}}",
            "INFO",
        ),
        ("in: query, schema: {type: string}", "in: query, schema: {type: array}", "INFO"),
        (
            "in: query, schema: {enum: [a]}",
            "in: query, schema: {type: array, items: {enum: [a, b]}}",
            "INFO",
        ),
        (
            "in: query, schema: {type: integer}",
            "in: query, explode: false, schema: {type: array, items: {type: integer}}",
            "INFO",
        ),
        (
            "in: header, schema: {type: string, format: uuid}",
            "in: header, schema: {type: array, items: {type: string}}",
            "INFO",
        ),
        (
            "in: query, schema: {type: string}",
            "in: query, schema: {type: array, items: {type: integer}}",
            "ERROR",
        ),
        (
            "in: query, schema: {type: string}",
            "in: query, schema: {type: array, minItems: 2}",
            "ERROR",
        ),
        (
            "in: query, schema: {type: string}",
            "in: query, explode: false, schema: {type: array}",
            "ERROR",
        ),
        (
            "in: query, schema: {type: string}",
            "in: query, style: pipeDelimited, schema: {type: array}",
            "ERROR",
        ),
        ("in: query, schema: {type: array}", "in: query, schema: {type: string}", "ERROR"),
    ],
)
def test_a_single_value_can_become_a_list(old: str, new: str, expected: str):
    texts = [parameter(f"{{name: q, {text}}}") for text in (old, new)]
    assert level(*texts) == expected


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("2030-01-01", "2027-01-01", "WARN"),
        ("2027-01-01", "2030-01-01", "INFO"),
        ("2030-01-01", None, "INFO"),
        (None, "2030-01-01", "WARN"),
        ("2030-01-01", "2030-01-01", "-"),
    ],
)
@pytest.mark.parametrize("place", ["parameter", "header", "field", "schema of a parameter"])
def test_a_sunset_date_is_compared_in_every_place(
    old: str | None, new: str | None, expected: str, place: str
):
    texts = []
    for day in (old, new):
        ends = "deprecated: true" + (f", x-sunset: {day}" if day else "")
        texts.append(
            {
                "parameter": parameter(f"{{name: q, in: query, {ends}, schema: {{}}}}"),
                "header": f"paths: {{/a: {{get: {{responses: {{'200': {{headers: {{X: {{{ends}}}}}}}}}}}}}}}",
                "field": f"paths: {{/a: {{post: {{requestBody: {{content: {{a/b: {{schema: {{properties: {{p: {{{ends}}}}}}}}}}}}}}}}}}}",
                "schema of a parameter": parameter(f"{{name: q, in: query, schema: {{{ends}}}}}"),
            }[place]
        )
    assert level(*texts) == expected


def test_another_spelling_of_a_parameter_is_reported_as_such():
    old, new = (
        parameter(f"{{name: {name}, in: query, schema: {{}}}}") for name in ("callId", "call_id")
    )
    (change,) = compare(old, new)
    assert (change.level, change.old, change.new) == (Level.ERROR, "callId", "call_id")
    assert (
        change.message
        == "query parameter `callId`: the parameter was removed: the spelling has changed"
    )


def test_security_is_compared_by_requirements():
    flows = "flows: {clientCredentials: {tokenUrl: /token, scopes: {read: Read}}}"
    schemes = f"components: {{securitySchemes: {{O: {{type: oauth2, {flows}}}}}}}\n"
    old = f"{schemes}security: [{{O: [read]}}]\npaths: {{/a: {GET}}}"
    assert level(old, old.replace("read: Read", "read: To read, write: To write")) == "-"
    assert level(old, old.replace("/token", "/tokens")) == "ERROR"
    assert level(old, old.replace("[read]", "[read, write]")) == "ERROR"


# --- Webhooks and callbacks ----------------------------------------------------------------------


def event(body: str = "{}", answer: str = "{}", more: str = "", key: str = "webhooks") -> str:
    return f"""
paths: {{}}
{key}:
  done:
    post:
      {more or "summary: Done"}
      requestBody: {{content: {{application/json: {{schema: {body}}}}}}}
      responses: {{'200': {{description: OK, content: {{application/json: {{schema: {answer}}}}}}}}}
"""


EVENT = "{type: object, required: [a, b], properties: {a: {type: string}, b: {enum: [x, y]}}}"


@pytest.mark.parametrize(
    ("change", "arrives", "answered"),
    [
        (("required: [a, b]", "required: [b, a]"), "-", "-"),
        (("enum: [x, y]", "oneOf: [{const: y}, {const: x}]"), "-", "-"),
        (("type: string", "type: [string]"), "-", "-"),
        (("type: object, required", "x-note: 1, type: object, required"), "-", "-"),
        (("enum: [x, y]", "enum: [x, y, z]"), "WARN", "INFO"),
        (("enum: [x, y]", "enum: [x]"), "INFO", "ERROR"),
        (("a: {type: string}, ", ""), "WARN", "INFO"),
        (("required: [a, b]", "required: [a]"), "WARN", "INFO"),
        (("properties: {", "properties: {c: {type: string}, "), "INFO", "INFO"),
        (
            ("required: [a, b], properties: {", "required: [a, b, c], properties: {c: {}, "),
            "INFO",
            "ERROR",
        ),
        (("type: string", "type: integer"), "ERROR", "ERROR"),
        (("type: string", "type: [string, 'null']"), "WARN", "INFO"),
    ],
)
@pytest.mark.parametrize("key", ["webhooks", "x-webhooks"])
def test_an_event_is_received_and_its_answer_is_sent(
    change: tuple[str, str], arrives: str, answered: str, key: str
):
    assert change[0] in EVENT
    new = EVENT.replace(*change)
    received = level(event(EVENT, key=key), event(new, key=key))
    sent = level(event(answer=EVENT, key=key), event(answer=new, key=key))
    if change == ("a: {type: string}, ", ""):  # the field is still required
        arrives, answered = "ERROR", "INFO"
    assert (received, sent) == (arrives, answered)


def test_both_keys_of_webhooks_are_read():
    assert level(event(EVENT, key="x-webhooks"), event(EVENT)) == "-"
    assert level(event(EVENT), "paths: {}") == "ERROR"
    assert level("paths: {}", event(EVENT)) == "INFO"
    assert level(event(EVENT), event(EVENT).replace("post:", "put:")) == "ERROR"


def test_a_renamed_webhook_is_matched_by_its_operation_id():
    old = event(EVENT, more="operationId: onDone")
    assert level(old, old.replace("  done:", "  finished:")) == "-"
    assert level(event(EVENT), event(EVENT).replace("  done:", "  finished:")) == "ERROR"


def test_a_component_of_events_is_found_through_its_reference():
    parts = "components: {pathItems: {Done: {post: {requestBody: {content: {a/b: {schema: SCHEMA}}}, responses: {'200': {}}}}}}"
    text = "paths: {}\nwebhooks: {done: {$ref: '#/components/pathItems/Done'}}\n" + parts
    assert level(text.replace("SCHEMA", EVENT), text.replace("SCHEMA", "{type: string}")) == "ERROR"


def callback(body: str, *, name: str = "done", to: str = "{$request.body#/url}") -> str:
    return (
        f"paths: {{/a: {{post: {{responses: {{'200': {{}}}}, callbacks: {{{name}: {{'{to}': {{post: "
        f"{{requestBody: {{content: {{a/b: {{schema: {body}}}}}}}, responses: {{'200': {{}}}}}}}}}}}}}}}}}}"
    )


def test_a_callback_is_compared_like_a_webhook():
    (change,) = compare(callback(EVENT), callback(EVENT.replace("[x, y]", "[x, y, z]")))
    assert (change.level, change.id) == (Level.WARN, "response-property-enum-value-added")
    assert change.operations == ("POST /a callback done {$request.body#/url}",)
    assert change.message == "event `b`: a new listed value"
    assert level(callback(EVENT), callback(EVENT, name="finished")) == "-"
    assert level(callback(EVENT), callback(EVENT, to="{$request.body#/other}")) == "ERROR"


def test_parameters_of_an_event_are_received():
    header = (
        "parameters: [{{name: X-Signature, in: header, required: {}, schema: {{type: string}}}}]"
    )
    old = event(EVENT, more=header.format("true"))
    assert level(old, event(EVENT)) == "ERROR"
    assert level(event(EVENT), old) == "INFO"
    assert level(old, event(EVENT, more=header.format("false"))) == "WARN"
    assert level(old, old.replace("X-Signature", "x-signature")) == "-"


def test_removed_answers_to_an_event_are_errors():
    old = event().replace("'200':", "'204': {description: None}, '200':")
    assert level(old, event()) == "ERROR"
    assert level(event(), old) == "INFO"


# --- Valid documents -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "paths: {}",
        "webhooks: {}",
        "components: {}",
        f"paths: {{/a: {GET}}}\nsecurity: [{{nowhere: []}}]",
        "openapi: 3.2.0\npaths: {/a: {query: {responses: {'200': {}}}, additionalOperations: {COPY: {responses: {'200': {}}}}}}",
        "paths: {/a: {get: {responses: {'200': {content: {a/b: {example: {$ref: '#/nowhere'}}}}}}}}",
        "paths: {/a: {get: {responses: {'200': {content: {a/b: {schema: {default: {$ref: '#/nowhere'}, properties: {$ref: {type: string}}}}}}}}}}",
        "paths: {}\nx-note: {$ref: '#/nowhere'}",
        "paths: {/a: {get: {responses: {'200': {content: {a/b: {schema: {$ref: '#thing'}}}}}}}}\ncomponents: {schemas: {T: {$anchor: thing, type: string}}}",
        "paths: {/a: {get: {responses: {'200': {content: {a/b: {schema: {$ref: thing.json}}}}}}}}\ncomponents: {schemas: {T: {$id: thing.json, $defs: {S: {}}, properties: {s: {$ref: '#/$defs/S'}}}}}",
        "paths: {/a: {get: {responses: {'200': {content: {a/b: {schema: {$ref: '#/components/schemas/Tree'}}}}}}}}\ncomponents: {schemas: {Tree: {$dynamicAnchor: node, properties: {child: {$dynamicRef: '#node'}}}}}",
        "paths: {/a: {get: {responses: {'200': {content: {a/b: {schema: {oneOf: [{$ref: '#/components/schemas/T'}], discriminator: {propertyName: t, mapping: {a: nowhere, b: 'other.json#/B'}}}}}}}}}}\ncomponents: {schemas: {T: {}}}",
        "x-all: &all {description: Done}\npaths: {/a: {get: {responses: {'200': {<<: *all}}}}}",
        "x-one: &one !!str 1\npaths: {/a: {get: {tags: [*one, !!str 2], x-limit: !!int 5}}}",
        "x-key: &key /a\npaths: {*key : {get: {responses: {'200': {}}}}}",
        "components: {schemas: {A: {$ref: '#/components/schemas/A'}}}\npaths: {/a: {get: {responses: {'200': {content: {a/b: {schema: {$ref: '#/components/schemas/A'}}}}}}}}",
        "paths: {/a: {get: {responses: {'200': {content: {a/b: {schema: {not: true, if: false, then: true, items: false}}}}}}}}",
    ],
)
def test_a_valid_document_is_compared(text: str):
    assert level(text, text) == "-"
    assert level(text, f"paths: {{/z: {GET}}}") in ("ERROR", "WARN", "INFO")


def test_a_document_without_paths_is_compared():
    old = f"paths: {{/a: {GET}, /b: {GET}}}"
    assert [one.level for one in compare(old, "paths: {}")] == [Level.ERROR, Level.ERROR]
    assert [one.level for one in compare("paths: {}", old)] == [Level.INFO, Level.INFO]


def test_a_reference_passes_through_another():
    text = """
paths:
  /a:
    get:
      responses: {'200': {content: {a/b: {schema: {properties: {f: {$ref: '#/components/schemas/A'}}}}}}}
  /b:
    get:
      responses: {'200': {content: {a/b: {schema: {$ref: '#/paths/~1a/get/responses/200/content/a~1b/schema/properties/f/properties/x'}}}}}
components: {schemas: {A: {$ref: '#/components/schemas/B'}, B: {properties: {x: {type: string}}}}}
"""
    assert level(text, text) == "-"
    changes = compare(text, text.replace("type: string", "type: integer"))
    assert {name for one in changes for name in one.operations} == {"GET /a", "GET /b"}


def test_merged_keys_have_lines():
    text = "openapi: 3.1.0\nx-all: &all\n  description: Done\n  summary: One\npaths:\n  /a:\n    get:\n      <<: *all\n      summary: Two\n"
    document = spec_diff.parse(text, "spec.yaml")
    operation = document.data["paths"]["/a"]["get"]
    assert operation == {"summary": "Two", "description": "Done"}
    assert document.line("/paths/~1a/get/description") == 8


def test_several_merged_objects_count_in_their_order():
    text = "openapi: 3.1.0\nx-a: &a {k: 1}\nx-b: &b {k: 2, m: 3}\npaths: {}\nx-c: {<<: [*a, *b], n: 4}\n'<<': 5\n"
    assert spec_diff.parse(text, "spec.yaml").data["x-c"] == {"k": 1, "m": 3, "n": 4}
    assert spec_diff.parse(text, "spec.yaml").data["<<"] == 5


def test_a_method_next_to_a_reference_is_an_operation():
    shared = "x-shared: {get: {responses: {'200': {}}}}\n"
    text = shared + "paths: {/a: {$ref: '#/x-shared', put: {responses: {'200': {}}}}}"
    assert level(text, shared + "paths: {/a: {$ref: '#/x-shared'}}") == "ERROR"
    assert level(text, text.replace("get:", "post:")) == "ERROR"


# --- Unused schemas, unread output ---------------------------------------------------------------


def test_an_unused_schema_may_be_renamed():
    schema = "{type: object, properties: {a: {type: string}}}"
    old, new = (
        f"paths: {{/a: {GET}}}\ncomponents: {{schemas: {{{name}: {schema}}}}}" for name in "AB"
    )
    assert level(old, new) == "-"
    assert level(old, new.replace("string", "integer")) == "INFO"
    assert level(old, f"paths: {{/a: {GET}}}") == "INFO"


def test_a_schema_used_only_by_unused_ones_is_unused():
    one = "A: {$ref: '#/components/schemas/B'}, B: {type: string}"
    old = f"paths: {{/a: {GET}}}\ncomponents: {{schemas: {{{one}}}}}"
    gone = compare(old, f"paths: {{/a: {GET}}}")
    assert [(change.id, change.old) for change in gone] == [
        ("api-schema-removed", "A"),
        ("api-schema-removed", "B"),
    ]


def test_output_cut_short_by_its_reader_ends_quietly(tmp_path: Path):
    old, new = tmp_path / "old.yaml", tmp_path / "new.yaml"
    paths = "".join(f"  /a{n}: {GET}\n" for n in range(2000))
    old.write_text(f"openapi: 3.1.0\npaths:\n{paths}", encoding="utf-8")
    new.write_text("openapi: 3.1.0\npaths: {}\n", encoding="utf-8")
    command = [sys.executable, "-m", "spec_diff", str(old), str(new)]
    env = {**os.environ, "PYTHONPATH": str(SCRIPTS)}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.read(10)
        process.stdout.close()
        errors = process.stderr.read()
    assert (process.returncode, errors) == (1, b"")


# --- Inlined references --------------------------------------------------------------------------


def inlined(text: str, depth: int) -> Document:
    document = spec_diff.parse(text, "whole")

    def inline(value: object, left: int) -> object:
        if isinstance(value, list):
            return [inline(one, left) for one in value]
        if not isinstance(value, dict):
            return value
        if left and isinstance(value.get("$ref"), str):
            return inline(document.resolve(value["$ref"]).value, left - 1)
        return {key: inline(one, left) for key, one in value.items()}

    paths = inline(document.data["paths"], depth)
    return Document("inlined", {**document.data, "paths": paths})


def large(kind: str) -> str:
    """Return a document with many operations and interdependent schemas."""
    names = [f"S{n}" for n in range(60)]
    schemas = "".join(
        f"    {name}: {{type: object, properties: {{v{n}: {{type: {kind}}}, "
        + ", ".join(
            f"p{k}: {{$ref: '#/components/schemas/S{(n * 7 + k) % 60}'}}" for k in range(1, 6)
        )
        + "}}\n"
        for n, name in enumerate(names)
    )
    paths = "".join(
        f"  /a{n}: {{get: {{responses: {{'200': {{content: {{a/b: {{schema: {{$ref: '#/components/schemas/S{n % 60}'}}}}}}}}}}}}}}\n"
        for n in range(90)
    )
    return f"openapi: 3.1.0\npaths:\n{paths}components:\n  schemas:\n{schemas}"


@pytest.mark.parametrize("depth", [1, 2])
def test_a_large_document_with_inlined_references_is_compared(depth: int):
    old, new = inlined(large("string"), depth), inlined(large("string"), depth + 1)
    assert spec_diff.compare(old, new, overlays=()) == []


def test_a_change_in_every_copy_of_a_schema_is_found():
    old, new = inlined(large("string"), 2), inlined(large("integer"), 2)
    changes = spec_diff.compare(old, new, overlays=())
    assert {one.id for one in changes} == {"response-property-type-changed"}
    assert len({name for one in changes for name in one.operations}) == 90


def test_webhooks_under_both_keys_are_combined():
    text = "openapi: 3.1.0\npaths: {}\nwebhooks: {a: {post: {}}}\nx-webhooks: {b: {post: {}}}\n"
    assert [one.name for one in webhooks(spec_diff.parse(text, "spec"))] == [
        "webhook a",
        "webhook b",
    ]
