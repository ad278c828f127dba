"""scripts/spec_diff: it accepts every valid document and ignores no part of it."""

import json
import socket
from pathlib import Path
from typing import Any

import pytest
import spec_diff
from spec_diff import Change, Document, Level, Note, SpecDiffError, worst
from spec_diff.__main__ import main
from spec_diff.overrides import read_overrides

OLD, NEW = "https://example.org/v1.yaml#/x", "https://example.org/v2.yaml#/x"

# Every place where OpenAPI allows a reference.
PLACES = {
    "path item": "paths: {/a: REF}",
    "parameter": "paths: {/a: {get: {parameters: [REF]}}}",
    "parameter of a path": "paths: {/a: {parameters: [REF], get: {}}}",
    "schema of a parameter": (
        "paths: {/a: {get: {parameters: [{name: q, in: query, schema: REF}]}}}"
    ),
    "request body": "paths: {/a: {post: {requestBody: REF}}}",
    "schema that is sent": "paths: {/a: {post: {requestBody: {content: {a/b: {schema: REF}}}}}}",
    "field that is sent": (
        "paths: {/a: {post: {requestBody: {content: {a/b: {schema: {properties: {p: REF}}}}}}}}"
    ),
    "response": "paths: {/a: {get: {responses: {'200': REF}}}}",
    "header": "paths: {/a: {get: {responses: {'200': {headers: {X-A: REF}}}}}}",
    "schema that arrives": (
        "paths: {/a: {get: {responses: {'200': {content: {a/b: {schema: REF}}}}}}}"
    ),
    "items": ("paths: {/a: {get: {responses: {'200': {content: {a/b: {schema: {items: REF}}}}}}}}"),
    "part of an allOf": (
        "paths: {/a: {get: {responses: {'200': {content: {a/b: {schema:"
        " {allOf: [REF, {properties: {p: {type: string}}}]}}}}}}}}"
    ),
    "what must not be": (
        "paths: {/a: {post: {requestBody: {content: {a/b: {schema: {not: REF}}}}}}}"
    ),
    "named schema": (
        "paths: {/a: {get: {responses: {'200': {content: {a/b: {schema:"
        " {$ref: '#/components/schemas/A'}}}}}}}}\ncomponents: {schemas: {A: REF}}"
    ),
    "callback": "paths: {/a: {post: {callbacks: {done: REF}}}}",
    "what a callback sends": "paths: {/a: {post: {callbacks: {done: {'{$url}': REF}}}}}",
    "webhook": "webhooks: {done: REF}",
    "old webhook": "paths: {}\nx-webhooks: {done: REF}",
    "answer to a webhook": "webhooks: {done: {post: {responses: {'200': REF}}}}",
    "body of a webhook": "webhooks: {done: {post: {requestBody: REF}}}",
    "security scheme": (
        "paths: {/a: {get: {security: [{S: []}]}}}\ncomponents: {securitySchemes: {S: REF}}"
    ),
}
INLINE = {
    "schema that is sent": "{type: string}",
    "schema that arrives": "{type: string}",
    "field that is sent": "{}",
    "items": "true",
    "schema of a parameter": "{}",
    "response": "{content: {a/b: {}}}",
    "request body": "{content: {a/b: {}}}",
    "path item": "{get: {}}",
    "webhook": "{post: {}}",
    "security scheme": "{type: http, scheme: basic}",
}


def parse(text: str, name: str = "api.yaml") -> Document:
    return spec_diff.parse(f"openapi: 3.1.0\n{text}\n", name)


def compare(old: str, new: str) -> list[Change]:
    return spec_diff.compare(parse(old), parse(new), overlays=())


def referring(place: str, target: str) -> str:
    return PLACES[place].replace("REF", f"{{$ref: '{target}'}}")


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise AssertionError("something is fetched")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.mark.parametrize(
    "target", [OLD, "HTTP://a.example", "../../etc/passwd", "/etc/passwd", "file:///etc/passwd"]
)
@pytest.mark.parametrize("place", PLACES)
def test_an_external_reference_equals_itself_and_is_noted(place: str, target: str):
    text = referring(place, target)
    documents = parse(text), parse(text)
    assert spec_diff.compare(*documents, overlays=()) == []
    for document in documents:
        (note,) = document.notes
        assert f"the external reference `{target}` is not followed" in note.text
        lines = enumerate(text.splitlines(), 2)
        assert note.line == next(number for number, line in lines if target in line)


@pytest.mark.parametrize("place", PLACES)
def test_an_external_reference_differs_from_another_one(place: str):
    level = Level.WARN if place == "what must not be" else Level.ERROR
    assert worst(compare(referring(place, OLD), referring(place, NEW))) is level


@pytest.mark.parametrize("place", INLINE)
def test_an_external_reference_differs_from_any_description(place: str):
    inline = PLACES[place].replace("REF", INLINE[place])
    for old, new in ((inline, referring(place, OLD)), (referring(place, OLD), inline)):
        assert worst(compare(old, new)) is Level.ERROR


def test_an_external_alternative_is_compared_like_any_other():
    sent = "paths: {/a: {post: {requestBody: {content: {a/b: {schema: {anyOf: [REFS]}}}}}}}"
    one, two = "{type: object, required: [a]}", "{$ref: 'https://example.org/b'}"
    both = sent.replace("REFS", f"{one}, {two}")
    assert compare(both, sent.replace("REFS", f"{two}, {one}")) == []
    assert worst(compare(both, sent.replace("REFS", one))) is Level.ERROR
    assert worst(compare(sent.replace("REFS", one), both)) is Level.INFO


def test_siblings_of_an_external_reference_are_compared():
    place = "part of an allOf"
    changed = referring(place, OLD).replace("p: {type: string}", "p: {type: integer}")
    (change,) = compare(referring(place, OLD), changed)
    assert change.id == "response-property-type-changed"


def test_a_changed_reference_shows_both_targets():
    place = "schema that arrives"
    (change,) = compare(referring(place, OLD), referring(place, NEW))
    assert (change.id, change.old, change.new) == ("reference-changed", OLD, NEW)
    assert (change.old_line, change.operations) == (2, ("GET /a",))


def test_a_file_with_an_absolute_path_is_not_read(tmp_path: Path):
    secret = tmp_path / "secret.yaml"
    secret.write_text("type: string")
    text = f"openapi: 3.1.0\n{referring('schema that arrives', secret.as_posix())}\n"
    (tmp_path / "api.yaml").write_text(text)
    document = spec_diff.read(str(tmp_path / "api.yaml"))
    assert spec_diff.compare(document, document, overlays=()) == []
    assert "is not followed" in document.notes[0].text


FIELDS = "paths: {/a: {get: {responses: {'200': {content: {a/b: {schema: {properties: "
ONCE = FIELDS + "{\n  p: {type: integer}}}}}}}}}}"


@pytest.mark.parametrize(
    ("text", "key", "line"),
    [
        (FIELDS + "{p: {type: string},\n  p: {type: integer}}}}}}}}}}", "p", 3),
        (FIELDS + "{p: {type: string}, 'p': {type: integer}}}}}}}}}}", "p", 2),
        (FIELDS + "{p: false, p: true,\n p: {type: integer}}}}}}}}}}", "p", 3),
        (f"paths: {{/b: {{get: {{}}}}}}\n{ONCE}", "paths", 3),
        (f"x-b: &k paths\npaths: {{}}\n{ONCE.replace('paths:', '*k :')}", "paths", 4),
        (f"x-t: {{title: A,\n title: A}}\n{ONCE}", "title", 3),
        (f"x-a: 1\n{ONCE}\nx-a: 2", "x-a", 5),
    ],
)
def test_the_last_of_two_equal_keys_counts_and_is_noted_with_its_line(
    text: str, key: str, line: int
):
    document = parse(text)
    assert spec_diff.compare(parse(ONCE), document, overlays=()) == []
    assert document.notes[-1] == Note(
        "api.yaml", line, f"the key `{key}` is a duplicate: the last one counts"
    )


def test_the_value_of_an_earlier_duplicate_key_is_ignored():
    text = ONCE.replace("p: {type: integer}", "p: {type: integer}, p: {type: string}")
    (change,) = compare(ONCE, text)
    assert change.id == "response-property-type-changed"


@pytest.mark.parametrize(
    ("indent", "line"),
    [("  ", 4), ("\t", 4), ("\t\u007f", None)],
    ids=["blanks", "tabs", "no YAML"],
)
def test_duplicate_keys_of_json_are_noted(indent: str, line: int | None):
    odd = indent.strip("\t ")
    text = '{"openapi": "3.1.0",\n\t"x-a": "ODD",\n\t"paths": {},\n\t"paths": {"/a": {"get": {}}}}'
    text = text.replace("\t", indent.removesuffix(odd)).replace("ODD", odd)
    document = spec_diff.parse(text, "api.json")
    assert document.data["paths"] == {"/a": {"get": {}}}
    assert [(note.line, "`paths`" in note.text) for note in document.notes] == [(line, True)]
    assert document.line("/paths/~1a") == line


def test_lines_below_a_duplicate_key_are_those_of_the_last_one():
    text = "x: &x {get: {tags: [a]}}\npaths:\n  /a:\n    get:\n      tags: [b]\n  /a: *x"
    document = parse(text)
    assert document.line("/paths/~1a/get/tags") == document.line("/paths/~1a") == 7


def test_a_duplicate_key_in_another_file_is_noted(tmp_path: Path):
    text = referring("schema that arrives", "part.yaml")
    (tmp_path / "api.yaml").write_text(f"openapi: 3.1.0\n{text}")
    (tmp_path / "part.yaml").write_text("type: string\ntype: integer\n")
    document = spec_diff.read(str(tmp_path / "api.yaml"))
    spec_diff.compare(document, document, overlays=())
    assert [(Path(note.document).name, note.line) for note in document.notes] == [("part.yaml", 2)]


def test_our_own_files_must_not_have_duplicate_keys(tmp_path: Path):
    path = tmp_path / "upstream.yaml"
    path.write_text("overrides: []\noverrides: []\n")
    with pytest.raises(SpecDiffError, match="upstream.yaml, line 2: the key `overrides` is a"):
        read_overrides(str(path))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("!!timestamp 2014-04-28", "2014-04-28"),
        ("!!binary aGVsbG8=", "aGVsbG8="),
        ("!!str 204", "204"),
        ("!!int '204'", 204),
        ("!!set {a, b}", {"a": None, "b": None}),
        ("!!omap [a: 1, b: 2]", [{"a": 1}, {"b": 2}]),
        ("!!pairs [a: 1, a: 2]", [{"a": 1}, {"a": 2}]),
        ("&n 204\nx-c: {? *n : 1}", 204),
    ],
)
def test_tags_and_keys_of_validators_are_read(text: str, value: object):
    assert parse(f"paths: {{}}\nx-b: {text}").data["x-b"] == value


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_the_byte_order_mark_determines_the_encoding(encoding: str, tmp_path: Path):
    path = tmp_path / "api.yaml"
    path.write_bytes("openapi: 3.1.0\npaths: {/å: {get: {}}}\n".encode(encoding))
    assert spec_diff.read(str(path)).data["paths"] == {"/å": {"get": {}}}


@pytest.mark.parametrize("form", ["text", "markdown", "github", "json"])
def test_a_report_has_the_notes(form: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    path = tmp_path / "api.yaml"
    path.write_text(f"openapi: 3.1.0\n{referring('response', OLD)}\nx-a: 1\nx-a: 2\n")
    assert main([str(path), str(path), "--format", form]) == 0
    written = capsys.readouterr().out
    if form == "json":
        notes = json.loads(written)["notes"]
        assert [note["line"] for note in notes] == [4, 2, 4, 2]
        assert notes[0] == {
            "document": str(path),
            "line": 4,
            "text": "the key `x-a` is a duplicate: the last one counts",
        }
    else:
        assert f"{path}:4: the key" in written
        assert f"{path}:2: the external reference" in written
        assert "mean the same" in written
