"""scripts/upstream.py: a published document on a local server against the vendored ones."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import upstream
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from publisher import OPENAPI, Publisher, answer, as_json, bundle, really_published
from sinchvoice.routes import ROUTES
from spec_diff import Change, Level, SpecDiffError, parse
from specs_lock import LockError

SCRIPT = OPENAPI.parent / "scripts" / "upstream.py"
DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)  # in C, where PyYAML has it
CALLOUTS = "/calling/v1/callouts"
CALL = "/calling/v1/calls/id/{callId}"
LEG = f"{CALL}/leg/{{callLeg}}"


def as_yaml(document: dict[str, Any]) -> str:
    return yaml.dump(document, Dumper=DUMPER, sort_keys=False)


@pytest.fixture
def accepting_nothing(tmp_path: Path) -> Path:
    """A copy of openapi/ without accepted differences."""
    folder = Path(shutil.copytree(OPENAPI, tmp_path / "openapi"))
    (folder / "upstream.yaml").write_text("overrides: []\n", encoding="utf-8")
    return folder


def found(document: dict[str, Any], folder: Path = OPENAPI) -> dict[str, list[Change]]:
    """Compare a document, without the known absences."""
    changes = upstream.examine(parse(as_yaml(document), "bundle"), folder).changes
    return {
        name: rest
        for name, some in changes.items()
        if (rest := [change for change in some if change.id != "known-absence"])
    }


# --- Expected document ---------------------------------------------------------------------------


@pytest.mark.parametrize("write", [as_yaml, as_json])
def test_the_known_differences_are_accepted(
    publisher: Publisher, capsys: pytest.CaptureFixture[str], write: Callable[..., str]
):
    assert upstream.main([publisher.publish(write(really_published()))]) == 0
    written = capsys.readouterr().out
    assert written.startswith("Nothing needs attention.\n")
    assert f"Compared: `{publisher.url}/voice.yaml`, version `1.0.1`." in written
    assert written.count("The direction is from ours to theirs") == 1
    assert re.search(r"\nAccepted: \d\d differences, in openapi/upstream\.yaml\.\n", written)
    assert "GET /counters/{id}" in written
    assert "not published, as declared (openapi/specs.lock: version 1.0.1 has lost" in written
    assert publisher.paths == ["/voice.yaml"]


@pytest.mark.parametrize("openapi", ["3.0.0", "3.0.4", "3.1.0"])
@pytest.mark.parametrize("write", [as_yaml, as_json])
def test_the_same_meaning_in_other_words_is_not_a_change(
    accepting_nothing: Path, openapi: str, write: Callable[..., str]
):
    document = parse(write(bundle(openapi)), "bundle")
    findings = upstream.examine(document, accepting_nothing)
    assert {change.id for changes in findings.changes.values() for change in changes} == {
        "known-absence"
    }
    assert findings.worst is Level.INFO


def test_other_operations_are_listed_in_one_line(tmp_path: Path):
    document = really_published()
    for number in range(30):
        document["paths"][f"/v2/things/{number:02}"] = document["paths"]["/calling/v1/faxes"]
    document["x-webhooks"] |= {"fax": document["x-webhooks"]["ice"]}
    findings = upstream.examine(parse(as_yaml(document), "bundle"), OPENAPI)
    assert findings.worst is Level.INFO
    assert len(findings.aside) == 4 + 30 + 1
    assert findings.aside[-1] == "webhook fax"
    (line,) = [
        line
        for line in upstream.report(findings, Level.WARN).splitlines()
        if line.startswith("Ignored, because")
    ]
    assert "`POST /calling/v1/faxes`" in line
    assert line.endswith("and 15 more.")


def test_the_base_of_a_path_may_come_with_the_server(accepting_nothing: Path):
    document = bundle()
    document["servers"] = [
        server | {"url": f"{server['url']}/calling/v1/"} for server in document["servers"]
    ]
    document["paths"] = {
        path.removeprefix("/calling/v1"): item for path, item in document["paths"].items()
    }
    assert found(document, accepting_nothing) == {}


# --- Changes -------------------------------------------------------------------------------------


def schemas(document: dict[str, Any]) -> dict[str, Any]:
    return document["components"]["schemas"]


def lose_a_field(document: dict[str, Any]) -> None:
    del schemas(document)["getCallResponseObj"]["properties"]["duration"]


def widen_an_enumeration(document: dict[str, Any]) -> None:
    schemas(document)["getCallResponseObj"]["properties"]["reason"]["enum"].append("BORED")


def demand_a_field(document: dict[str, Any]) -> None:
    schemas(document)["svaml.instruction.say"]["required"].append("text")


def change_what_only_callbacks_refer_to(document: dict[str, Any]) -> None:
    schemas(document)["svaml.action.connectSip"]["properties"]["transport"]["enum"].remove("TLS")


def lose_an_action(document: dict[str, Any]) -> None:
    patch = schemas(document)["svaml.action.patch"]
    patch["oneOf"] = [one for one in patch["oneOf"] if not one["$ref"].endswith("park")]
    del patch["discriminator"]["mapping"]["park"]


def lose_one_more_country(document: dict[str, Any]) -> None:
    schemas(document)["svaml.action.connectPstn"]["properties"]["indications"]["enum"].remove("at")


def lose_an_operation(document: dict[str, Any]) -> None:
    del document["paths"][LEG]


def lose_a_method(document: dict[str, Any]) -> None:
    del document["paths"][CALL]["get"]


def move(document: dict[str, Any]) -> None:
    document["servers"][0]["url"] = "https://voice.api.sinch.com"


def refuse_passwords(document: dict[str, Any]) -> None:
    document["security"].remove({"Basic": []})


def answer_otherwise(document: dict[str, Any]) -> None:
    responses = document["paths"][CALL]["patch"]["responses"]
    responses["202"] = responses.pop("204")


def catch_up(document: dict[str, Any]) -> None:
    properties = schemas(document)["svaml.action.connectPstn"]["properties"]
    pair = {"type": "object", "properties": {name: {"type": "string"} for name in ("key", "value")}}
    properties["tags"] = {"type": "array", "items": pair}


@pytest.mark.parametrize(
    ("change", "level", "kind", "told"),
    [
        (
            lose_a_field,
            Level.ERROR,
            "response-optional-property-removed",
            "touches voice.calls.get, openapi/overlays/calling.yaml:",
        ),
        (widen_an_enumeration, Level.WARN, "response-property-enum-value-added", "BORED"),
        (demand_a_field, Level.ERROR, "request-property-became-required", "voice.calls.say"),
        (
            change_what_only_callbacks_refer_to,
            Level.ERROR,
            "request-property-enum-value-removed",
            "`svaml.action.connectSip.transport`",
        ),
        (lose_an_action, Level.ERROR, "request-property-one-of-removed", "park -> (none)"),
        (lose_one_more_country, Level.ERROR, "request-property-enum-value-removed", "at -> (none)"),
        (lose_an_operation, Level.ERROR, "api-path-removed-without-deprecation", f"PATCH {LEG}"),
        (lose_a_method, Level.ERROR, "api-removed-without-deprecation", f"GET {CALL}"),
        (move, Level.ERROR, "api-server-removed", "https://calling.api.sinch.com"),
        (refuse_passwords, Level.ERROR, "api-global-security-removed", "Basic -> (none)"),
        (answer_otherwise, Level.ERROR, "response-success-status-removed", "204 -> (none)"),
    ],
)
def test_a_change_is_reported(
    publisher: Publisher,
    capsys: pytest.CaptureFixture[str],
    change: Callable[[dict[str, Any]], None],
    level: Level,
    kind: str,
    told: str,
):
    document = really_published()
    change(document)
    url = publisher.publish(as_yaml(document))
    assert upstream.main([url]) == 1
    written = capsys.readouterr().out
    assert re.match(r"\d+ differences? to review \(WARN or above\): openapi/README.md", written)
    block = next(part for part in written.split("\n\n") if f"{level.name:<5} {kind}\n" in part)
    assert told in block
    assert upstream.main([url, "--fail-on", "ERROR"]) == (level is Level.ERROR)


def test_unused_overrides_are_reported_in_one_line():
    document = really_published()
    catch_up(document)
    findings = upstream.examine(parse(as_yaml(document), "bundle"), OPENAPI)
    assert findings.worst is Level.WARN
    written = upstream.report(findings, Level.WARN)
    (line,) = (one for one in written.splitlines() if one.startswith("Accepted:"))
    entries = (OPENAPI / "upstream.yaml").read_text(encoding="utf-8").splitlines()
    (number,) = findings.unused
    assert f"One entry there no longer matches anything, line {number}: remove it." in line
    assert "connectPstn/properties/tags" in entries[number]
    everything = upstream.examine(parse(as_yaml(bundle()), "bundle"), OPENAPI)
    written = upstream.report(everything, Level.WARN)
    assert written.startswith("1 difference to review")
    told = [one for one in written.splitlines() if "entries there no longer match anything" in one]
    assert len(told) == 1
    assert told[0].count(", ") > 15


def test_a_changed_spelling_is_reported_as_such():
    document = really_published()
    call = schemas(document)["getCallResponseObj"]["properties"]
    call["callid"] = call.pop("callId")
    changes = found(document)["openapi/calling.yaml"]
    assert [(one.id, one.old, one.new) for one in changes if one.level > Level.INFO] == [
        ("response-optional-property-removed", "callId", "callid")
    ]
    assert changes[0].message == "200 `callId`: a field was removed: the spelling has changed"
    document = really_published()
    document["paths"] = {
        path.replace("/id/", "/Id/"): one for path, one in document["paths"].items()
    }
    changes = found(document)["openapi/calling.yaml"]
    told = [one.message for one in changes if one.level is Level.ERROR]
    assert len(told) == len({route.path for route in ROUTES if "/id/" in route.path})
    assert all("the spelling has changed" in message for message in told)


def test_equal_changes_in_many_places_are_one_fact():
    document = really_published()
    for name, schema in schemas(document).items():
        if name.startswith("svaml.") and "locale" in schema.get("properties", {}):
            schema["properties"]["locale"]["type"] = "integer"
    findings = upstream.examine(parse(as_yaml(document), "bundle"), OPENAPI)
    assert len(findings.changes["openapi/calling.yaml"]) > 3
    written = upstream.report(findings, Level.WARN)
    assert written.startswith("1 difference to review")
    (block,) = (part for part in written.split("\n\n") if "request-property-type-changed" in part)
    assert "more places)" in block
    assert "/svaml.instruction.say/properties/locale/type" in block


def test_alternatives_that_became_a_free_object_are_one_harmless_fact(accepting_nothing: Path):
    document = bundle()
    schemas(document)["PATCHSVAMLRequestBody"]["properties"]["action"] = {"type": "object"}
    changes = found(document, accepting_nothing)["openapi/calling.yaml"]
    assert {one.level for one in changes} == {Level.INFO}


def test_the_error_for_a_document_without_our_operations_lists_the_expected_ones():
    text = "openapi: 3.0.0\npaths: {/pets: {get: {}}, '/pets/{id}': {get: {}}}"
    with pytest.raises(upstream.PublishedError) as caught:
        upstream.examine(parse(text, "bundle"), OPENAPI)
    assert f"Expected POST {CALLOUTS}, GET {CALL}, PATCH {CALL}" in str(caught.value)
    assert str(caught.value).endswith("found GET /pets, GET /pets/{id}")


# --- Webhooks ------------------------------------------------------------------------------------


def with_webhooks(folder: Path) -> Path:
    """Give our specification a single small webhook."""
    path = folder / "calling.yaml"
    event = (
        "webhooks:\n"
        "  ice:\n"
        "    post:\n"
        "      operationId: ice\n"
        "      requestBody: {content: {application/json: {schema: {type: object, properties: "
        "{event: {enum: [ice]}, callid: {type: string}}}}}}\n"
        "      responses: {'200': {description: SVAML}}\n"
    )
    text = path.read_text(encoding="utf-8")
    start, end = text.index("\nwebhooks:\n"), text.index("\ncomponents:\n")
    path.write_text(f"{text[:start]}\n{event}{text[end:]}", encoding="utf-8")
    return folder


def ice(event: dict[str, Any]) -> dict[str, Any]:
    content = {"application/json": {"schema": {"type": "object", "properties": event}}}
    responses = {"200": {"description": "An answer in SVAML."}}
    return {
        "post": {"operationId": "ice", "requestBody": {"content": content}, "responses": responses}
    }


EVENT: dict[str, Any] = {"event": {"enum": ["ice"]}, "callid": {"type": "string"}}


@pytest.mark.parametrize(
    ("event", "kinds"),
    [
        (EVENT, []),
        (EVENT | {"from": {"type": "string"}}, ["response-optional-property-added"]),
        (EVENT | {"event": {"enum": ["ice", "ICE2"]}}, ["response-property-enum-value-added"]),
        (EVENT | {"callid": {"type": "integer"}}, ["response-property-type-changed"]),
        ({"event": {"enum": ["ice"]}}, ["response-optional-property-removed"]),
        (
            {"event": {"enum": ["ice"]}, "callId": {"type": "string"}},
            ["response-optional-property-removed"],
        ),
    ],
)
@pytest.mark.parametrize("openapi", ["3.0.0", "3.1.0"])
def test_a_vendored_webhook_is_compared(
    accepting_nothing: Path, event: dict[str, Any], kinds: list[str], openapi: str
):
    folder = with_webhooks(accepting_nothing)
    document = bundle(openapi)
    key = "webhooks" if "webhooks" in document else "x-webhooks"
    document[key]["ice"] = ice(event)
    changes = found(document, folder).get("openapi/calling.yaml", [])
    assert [one.id for one in changes] == kinds
    assert {one.operations for one in changes} <= {("webhook ice",)}
    findings = upstream.examine(parse(as_yaml(document), "bundle"), folder)
    assert [one for one in findings.aside if one.startswith("webhook")] == [
        f"webhook {name}" for name in ("ace", "dice", "pie", "notify")
    ]


def test_a_webhook_that_is_no_longer_published_is_an_error(accepting_nothing: Path):
    folder = with_webhooks(accepting_nothing)
    document = bundle()
    del document["x-webhooks"]["ice"]
    (change,) = found(document, folder)["openapi/calling.yaml"]
    assert (change.id, change.level) == ("webhook-removed", Level.ERROR)


def test_a_webhook_can_be_declared_absent(accepting_nothing: Path):
    folder = with_webhooks(accepting_nothing)
    lock = folder / "specs.lock"
    absent = '\n[specs.calling.absent]\n"webhook ice" = "the page of 2020 has it alone"\n'
    lock.write_text(lock.read_text(encoding="utf-8") + absent, encoding="utf-8")
    document = bundle()
    del document["x-webhooks"]["ice"]
    assert found(document, folder) == {}
    document["x-webhooks"]["ice"] = ice(EVENT)
    (change,) = found(document, folder)["openapi/calling.yaml"]
    assert change.id == "known-absence-ended"


def test_a_change_has_its_place_in_both_documents(tmp_path: Path):
    document = really_published()
    widen_an_enumeration(document)
    text = as_yaml(document)
    (change,) = [
        change
        for change in upstream.examine(parse(text, "bundle"), OPENAPI).changes[
            "openapi/calling.yaml"
        ]
        if change.level is Level.WARN
    ]
    ours = (OPENAPI / "calling.yaml").read_text(encoding="utf-8").splitlines()
    assert change.old_line is not None
    assert ours[change.old_line - 1] == "      enum:"
    assert change.new_line is not None
    values = schemas(document)["getCallResponseObj"]["properties"]["reason"]["enum"]
    below = text.splitlines()[change.new_line - 1 :]
    assert below[0].strip() == "enum:"
    assert below[len(values)].strip() == "- BORED"


def reporting(server: str, base: str) -> dict[str, Any]:
    """Return a reporting operation as the vendor might publish it again."""
    parameter = {"name": "counter", "in": "path", "required": True, "schema": {"type": "string"}}
    counter = {
        "type": "object",
        "properties": {
            "value": {"type": "number"},
            "modified": {"type": "string"},
        },
    }
    content = {"application/json": {"schema": counter}}
    operation = {
        "operationId": "Report_GetCounter",
        "tags": ["Call Report"],
        "parameters": [parameter],
        "responses": {"200": {"description": "The counter.", "content": content}},
    }
    return {f"{base}/counters/{{counter}}": {"servers": [{"url": server}], "get": operation}}


@pytest.mark.parametrize(
    ("server", "base"),
    [("https://reportingapi.sinch.com/v1", ""), ("https://reportingapi.sinch.com", "/v1")],
)
def test_an_operation_published_again_is_reported_and_compared(server: str, base: str):
    document = really_published()
    document["paths"] |= reporting(server, base)
    (change,) = found(document)["openapi/reporting.yaml"]
    assert (change.id, change.level) == ("known-absence-ended", Level.WARN)
    assert change.operations == ("GET /counters/{id}",)
    (response,) = document["paths"][f"{base}/counters/{{counter}}"]["get"]["responses"].values()
    del response["content"]["application/json"]["schema"]["properties"]["value"]
    changes = found(document)["openapi/reporting.yaml"]
    assert [change.id for change in changes] == [
        "response-optional-property-removed",
        "known-absence-ended",
    ]
    assert changes[0].facade == ("voice.reports.counter",)


def test_an_operation_published_again_on_another_server_is_a_change():
    document = really_published()
    document["paths"] |= reporting("https://calling.api.sinch.com", "")
    kinds = [change.id for change in found(document)["openapi/reporting.yaml"]]
    assert kinds == ["api-server-removed", "known-absence-ended", "api-server-added"]


# --- Failures ------------------------------------------------------------------------------------


def no_answer(handler: Any) -> None:
    time.sleep(1.5)


def huge(handler: Any) -> None:
    handler.send_response(200)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    while True:
        handler.wfile.write(b"10000\r\n" + 0x10000 * b"#" + b"\r\n")


DEEP = 5000 * "[" + 5000 * "]"
BOMB = "\n".join(
    ["openapi: 3.0.0", "a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    + [f"a{n}: &a{n} [{', '.join(10 * [f'*a{n - 1}'])}]" for n in range(1, 12)]
    + ["paths: *a11"]
)


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        (answer("gone", status=404), "HTTP 404"),
        (answer("<!doctype html>", Content_Type="text/html"), "a web page"),
        (answer("<!doctype html>"), "a web page"),
        (answer(""), "empty"),
        (answer("# nothing\n"), "an object is expected"),
        (answer(as_yaml(bundle())[:-9], Content_Length=str(len(as_yaml(bundle())))), "peer closed"),
        (huge, "over the limit of 4194304 bytes"),
        (no_answer, r"not complete after 0\.5 s"),
        (answer("", status=302, Location="https://example.com/"), "moved to https://example.com/"),
        (
            answer('{"swagger": "2.0", "paths": {}}'),
            r"not an OpenAPI document of version 3\.0 to 3\.2",
        ),
        (answer("openapi: 3.0.0\npaths: {}"), "is it the right document"),
        (answer("openapi: 3.0.0\ncomponents: {}"), "describes no paths"),
        (answer("openapi: 3.0.0\npaths: {/pets: {get: {}}}"), "is it the right document"),
        (answer("openapi: 3.0.0\npaths: [/pets]"), "paths is not an object"),
        (answer("openapi: 3.0.0\n: ]["), "not YAML"),
        (answer(BOMB), "more than 1000000 values"),
        (answer("openapi: 3.0.0\npaths: &p {/a: *p}"), "has no target, or itself as target"),
        (answer(f"openapi: 3.0.0\npaths: {DEEP}"), "nested more than 200 deep"),
        (answer(f'{{"openapi": "3.0.0",\n\t"paths": {DEEP}}}'), "neither YAML nor JSON|nested"),
        (answer("openapi: 3.0.0\npaths: !!python/object/apply:os.getcwd []"), "python/object"),
        (answer("openapi: 3.0.0\npaths: {a: !mine aGk=}"), "tag"),
    ],
)
@pytest.mark.parametrize("form", ["text", "markdown"])
def test_a_failed_comparison_is_neither_a_success_nor_a_change(
    publisher: Publisher,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    given: Any,
    problem: str,
    form: str,
):
    publisher.answers["/"] = given
    output = tmp_path / "report"
    options = ["--timeout=0.5" if given is no_answer else "--timeout=30"]
    options += ["--format", form, "--output", str(output)]
    assert upstream.main([f"{publisher.url}/", *options]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    mark = "`" if form == "markdown" else ""
    assert re.fullmatch(
        f"Nothing was compared: {mark}{publisher.url}/.*({problem}).*{mark}\n", captured.err
    )
    assert output.read_text(encoding="utf-8") == captured.err


def test_a_server_with_the_name_of_the_publisher_but_another_certificate_is_refused(
    publisher: Publisher, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.delenv("SSL_CERT_FILE")
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)
    assert upstream.main([publisher.publish(as_yaml(really_published()))]) == 2
    assert "CERTIFICATE_VERIFY_FAILED" in capsys.readouterr().err


def test_a_truncated_document_is_never_a_success(tmp_path: Path):
    text = as_yaml(really_published())
    needed = text.index("\nx-webhooks:")
    file = tmp_path / "cut.yaml"
    for end in range(100, needed - 100, needed // 40):
        file.write_text(text[:end], encoding="utf-8")
        assert upstream.main([str(file)]) in (1, 2), f"cut off after {text[end - 60 : end]!r}"


@pytest.mark.parametrize("source", ["missing.yaml", ".", "http://localhost/voice.yaml"])
def test_an_invalid_source_is_an_error(source: str, capsys: pytest.CaptureFixture[str]):
    assert upstream.main([source]) == 2
    assert f"Nothing was compared: {source}: " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("file", "old", "new", "problem"),
    [
        ("specs.lock", "url = ", "address = ", "published needs url"),
        ("specs.lock", "GET /counters/{id}", "GET /counter/{id}", "GET /counter/{id} is not in"),
        ("upstream.yaml", "overrides:", "override:", "a list is expected under overrides"),
        ("upstream.yaml", "level: INFO", "level: NONE", "NONE is not a level"),
        ("calling.yaml", "openapi: 3.1.0", "openapi: 3.1.0\n---", "a second document begins"),
        ("calling.yaml", "/schemas/callLeg'", "/schemas/nothing'", "nothing has no target"),
    ],
)
def test_a_fault_in_our_own_files_is_an_error(
    accepting_nothing: Path, file: str, old: str, new: str, problem: str
):
    path = accepting_nothing / file
    text = (OPENAPI / file).read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises((SpecDiffError, LockError), match=problem):
        found(really_published(), accepting_nothing)


def test_a_report_that_cannot_be_written_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    file = tmp_path / "voice.yaml"
    file.write_text(as_yaml(really_published()), encoding="utf-8")
    assert upstream.main([str(file), "--output", str(tmp_path / "no" / "report")]) == 2
    assert "The report cannot be written: " in capsys.readouterr().err


# --- Hostile documents ---------------------------------------------------------------------------

_opened: list[str] = []
_listening = False


def _listen(event: str, arguments: tuple[Any, ...]) -> None:
    if _listening and event in ("open", "socket.connect", "os.system", "subprocess.Popen"):
        _opened.append(f"{event} {arguments}")


sys.addaudithook(_listen)


@pytest.fixture
def opened() -> Iterator[list[str]]:
    """Everything opened, connected to or run during the test."""
    global _listening
    _opened.clear()
    _listening = True
    yield _opened
    _listening = False


@pytest.mark.parametrize(
    ("place", "kinds"),
    [
        ("path", [0]),
        ("parameter", [1]),
        ("schema", [0, 1, 2, 3, 4]),
        ("response", [3]),
        ("mapping", [2]),
    ],
)
def test_references_out_of_the_document_are_not_followed(
    publisher: Publisher, tmp_path: Path, opened: list[str], place: str, kinds: list[int]
):
    other = tmp_path / "other.yaml"
    other.write_text("{}\n")
    elsewhere = publisher.publish("{}", "/other.yaml")
    file = tmp_path / "voice.yaml"
    references = [
        other.as_uri(),
        str(other),
        "other.yaml#/a",
        elsewhere,
        "http://127.0.0.1:9/a",
    ]
    for reference in (references[kind] for kind in kinds):
        document = really_published()
        reference_object = {"$ref": reference}
        if place == "path":
            document["paths"][LEG] = reference_object
        elif place == "parameter":
            document["components"]["parameters"]["callId"] = reference_object
        elif place == "schema":
            schemas(document)["getCallResponseObj"]["properties"]["to"] = reference_object
        elif place == "response":
            document["paths"][CALL]["get"]["responses"]["200"] = reference_object
        else:
            schemas(document)["svaml.action.patch"]["discriminator"]["mapping"]["park"] = reference
        file.write_text(as_yaml(document), encoding="utf-8")
        opened.clear()
        assert upstream.main([str(file)]) == 1
        assert opened
        assert not [what for what in opened if "other.yaml" in what or "connect" in what]
    assert publisher.paths == []


def test_notes_on_the_document_are_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    document = really_published()
    schemas(document)["getCallResponseObj"]["properties"]["to"] = {"$ref": "https://x.example/to"}
    file = tmp_path / "voice.yaml"
    file.write_text(f"{as_yaml(document)}\nopenapi: 3.0.0\n", encoding="utf-8")
    assert upstream.main([str(file)]) == 1
    written = capsys.readouterr().out
    assert "Notes on the document:" in written
    assert written.count("`https://x.example/to`".replace("`", "'")) == 1
    assert "the key 'openapi' is a duplicate: the last one counts" in written


def test_references_in_ignored_parts_are_harmless(tmp_path: Path, opened: list[str]):
    other = tmp_path / "other.yaml"
    other.write_text("{}\n")
    document = really_published()
    document["x-webhooks"]["fax"] = {"$ref": other.as_uri()}
    document["components"]["schemas"]["FaxRequest"] = {"$ref": f"{other}#/a"}
    document["components"]["examples"] = {"a": {"externalValue": other.as_uri()}}
    opened.clear()
    assert found(document) == found(really_published())
    assert not [what for what in opened if "other.yaml" in what or "connect" in what]


def test_names_are_names_and_not_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    document = really_published()
    up = "../../../../tmp/evil"
    document["paths"] |= {f"/{up}": document["paths"]["/calling/v1/faxes"]}
    document["x-webhooks"][up] = document["x-webhooks"]["ice"]
    document["paths"][CALL]["get"]["operationId"] = up
    document["paths"][CALL]["get"]["tags"] = [up]
    schemas(document)[up] = schemas(document).pop("getCallResponseObj")
    schema = {"$ref": f"#/components/schemas/{up.replace('/', '~1')}"}
    content = {"application/json": {"schema": schema}}
    document["components"]["responses"]["CallFound"]["content"] = content
    file = tmp_path / "voice.yaml"
    file.write_text(as_yaml(document), encoding="utf-8")
    before = sorted(tmp_path.parent.rglob("*"))
    assert upstream.main([str(file)]) == 1
    assert sorted(tmp_path.parent.rglob("*")) == before
    kinds = {change.id for change in found(document)["openapi/calling.yaml"]}
    assert kinds >= {"api-operation-id-removed", "api-tag-added"}
    assert "response-optional-property-removed" not in kinds


EVIL = "a`@everyone` ![b](https://example.com/c)\n| <img src=d>\u202e\x1b[31m::error::"


@pytest.mark.parametrize("form", ["text", "markdown"])
def test_names_and_values_stay_within_their_place_in_a_report(form: str):
    document = really_published()
    document["info"]["version"] = EVIL
    document["x-webhooks"][EVIL] = {}
    document["paths"][f"/{EVIL}"] = document["paths"]["/calling/v1/faxes"]
    properties = schemas(document)["getCallResponseObj"]["properties"]
    properties[EVIL] = {"type": "string"}
    properties["reason"]["enum"] += [EVIL, 1000 * "long"]
    properties["status"]["example"] = EVIL
    findings = upstream.examine(parse(as_yaml(document), "bundle"), OPENAPI)
    written = upstream.report(findings, Level.WARN, form)
    assert all(line.isprintable() for line in written.splitlines())
    assert written.count("everyone") >= 5
    assert max(map(len, written.splitlines())) < 2000
    if form == "markdown":
        plain = re.sub(r"`[^`\n]*`", "", written)
        assert not re.search(r"everyone|example\.com|img", plain)


def test_a_long_report_is_cut_with_a_note():
    document = really_published()
    properties = schemas(document)["getCallResponseObj"]["properties"]
    for number in range(500):
        properties[f"extra{number}"] = {"type": "string"}
    properties["reason"]["enum"].append("BORED")
    findings = upstream.examine(parse(as_yaml(document), "bundle"), OPENAPI)
    written = upstream.report(findings, Level.WARN, "markdown")
    assert "BORED" in written
    assert re.search(r"\n\.\.\. and 4\d\d more of the same level or lower\.\n", written)
    assert len(written) < 65536


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=st.lists(st.integers(0, 50), min_size=1, max_size=12),
    value=st.sampled_from([None, True, 0, "", "x", [], [1], {}, {"a": 1}, {"$ref": "#/a"}]),
)
def test_the_exit_code_is_right_for_any_document(tmp_path: Path, steps: list[int], value: Any):
    around: Any = {"all": really_published()}
    holder, key = around, "all"
    for step in steps:
        if not isinstance(holder[key], dict | list) or not holder[key]:
            break
        holder = holder[key]
        keys = list(holder) if isinstance(holder, dict) else range(len(holder))
        key = keys[step % len(keys)]
    holder[key] = value
    file, output = tmp_path / "voice.json", tmp_path / "report"
    file.write_text(json.dumps(around["all"]), encoding="utf-8")
    code = upstream.main([str(file), "--output", str(output)])
    first = output.read_text(encoding="utf-8").split(" ")[:3]
    assert code in (0, 1, 2)
    assert (code == 2) is (first == ["Nothing", "was", "compared:"])
    assert (code == 0) is (first[:2] == ["Nothing", "needs"])


# --- Command -------------------------------------------------------------------------------------


def test_the_same_document_gives_the_same_report(tmp_path: Path):
    file, reports = tmp_path / "voice.yaml", [tmp_path / "first.md", tmp_path / "second.md"]
    document = really_published()
    for change in (lose_a_field, widen_an_enumeration, catch_up):
        change(document)
    file.write_text(as_yaml(document), encoding="utf-8")
    for seed, output in enumerate(reports):
        done = subprocess.run(
            [sys.executable, SCRIPT, file, "--format=markdown", f"--output={output}"],
            env=os.environ | {"PYTHONHASHSEED": str(seed)},
            check=False,
            capture_output=True,
            text=True,
        )
        assert (done.returncode, done.stderr) == (1, "")
        assert done.stdout == output.read_text(encoding="utf-8")
    first, second = (output.read_text(encoding="utf-8") for output in reports)
    assert first == second
    assert "## openapi/calling.yaml" in first


def test_a_report_cut_short_by_its_reader_ends_quietly(tmp_path: Path):
    document = really_published()
    properties = schemas(document)["getCallResponseObj"]["properties"]
    for number in range(75):
        properties[f"{'extra' * 50}{number}"] = {"type": "string"}
    lose_a_field(document)
    file = tmp_path / "voice.yaml"
    file.write_text(as_yaml(document), encoding="utf-8")
    command = [sys.executable, SCRIPT, file]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        errors = process.stderr.read()
    assert (process.returncode, errors) == (1, b"")


def test_the_default_source_is_the_url_of_the_lock(
    publisher: Publisher, accepting_nothing: Path, monkeypatch: pytest.MonkeyPatch
):
    lock = accepting_nothing / "specs.lock"
    url = publisher.publish(as_yaml(bundle()))
    text = re.sub(r'(?<=\nurl = ").*(?="\n)', url, lock.read_text(encoding="utf-8"))
    lock.write_text(text, encoding="utf-8")
    monkeypatch.setattr(upstream, "OPENAPI", accepting_nothing)
    assert upstream.main([]) == 0
    assert publisher.paths == ["/voice.yaml"]
