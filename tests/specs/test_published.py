"""scripts/published.py: fetching within limits, and reducing a document."""

import time
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import published
import pytest
import spec_diff
import trustme
import yaml
from published import Limits, PublishedError
from publisher import OPENAPI, Publisher, answer, bundle
from spec_diff.operations import webhooks

CALLING = spec_diff.read(str(OPENAPI / "calling.yaml"))
REPORTING = spec_diff.read(str(OPENAPI / "reporting.yaml"))
SMALL = Limits(seconds=5, redirects=2, size=1000)


def document(data: dict[str, Any]) -> spec_diff.Document:
    return spec_diff.parse(yaml.safe_dump(data, sort_keys=False), "published")


# --- Fetching ------------------------------------------------------------------------------------


def test_a_document_is_fetched_unchanged(publisher: Publisher):
    url = publisher.publish("openapi: 3.0.0\n")
    assert published.fetch(url, SMALL) == b"openapi: 3.0.0\n"
    assert publisher.paths == ["/voice.yaml"]


def test_a_document_in_parts_is_joined(publisher: Publisher):
    def write(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        handler.wfile.write(b"5\r\nopena\r\n3\r\npi:\r\n0\r\n\r\n")

    publisher.answers["/"] = write
    assert published.fetch(f"{publisher.url}/", SMALL) == b"openapi:"


def endless(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    while True:
        handler.wfile.write(b"400\r\n" + 1024 * b"#" + b"\r\n")


def without_a_length(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.end_headers()
    handler.wfile.write(b"openapi: 3.0.0\n")


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        (answer("gone", status=404), "HTTP 404 instead of 200"),
        (answer("too much", status=429), "HTTP 429"),
        (answer("", status=204), "HTTP 204"),
        (answer("openapi: 3.0.0", Content_Length="100"), "peer closed connection"),
        (answer("a" * 1001), "over the limit of 1000 bytes"),
        (endless, "over the limit of 1000 bytes"),
        (without_a_length, "has no length"),
        (answer("<html>", Content_Type="text/html; charset=utf-8"), r"a web page \(text/html"),
        (answer("\x1f", Content_Encoding="gzip"), r"compressed \(gzip\) without being requested"),
        (answer("", status=302, Location="http://localhost/"), "moved to http://localhost/, an"),
        (
            answer("", status=302, Location="https://example.com/a"),
            "moved to https://example.com/a",
        ),
        (answer("", status=302, Location="https://localhost:1/"), "moved to https://localhost:1/"),
        (answer("", status=302, Location="file:///etc/passwd"), "moved to file:/etc/passwd"),
        (answer("", status=301, Location="/"), "more than 2 redirects"),
    ],
)
def test_an_answer_that_is_not_a_document_is_an_error_that_names_it(
    publisher: Publisher, given: Any, problem: str
):
    publisher.answers["/"] = given
    with pytest.raises(PublishedError, match=problem) as caught:
        published.fetch(f"{publisher.url}/", SMALL)
    assert str(caught.value).startswith(f"{publisher.url}/: ")
    assert set(publisher.paths) == {"/"}


def test_redirects_on_the_same_host_are_followed(publisher: Publisher):
    publisher.answers["/old"] = answer("", status=301, Location="/new")
    publisher.answers["/new"] = answer("", status=307, Location=publisher.publish("found"))
    assert published.fetch(f"{publisher.url}/old", SMALL) == b"found"
    assert publisher.paths == ["/old", "/new", "/voice.yaml"]


def silent(publisher: Publisher, handler: BaseHTTPRequestHandler) -> None:
    publisher.stopped.wait(20)


def dripping(publisher: Publisher, handler: BaseHTTPRequestHandler) -> None:
    """Send bytes repeatedly, so that no read times out."""
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    while not publisher.stopped.wait(0.05):
        handler.wfile.write(b"#")


@pytest.mark.parametrize("manner", [silent, dripping])
def test_a_slow_answer_is_abandoned(publisher: Publisher, manner: Any):
    publisher.answers["/"] = lambda handler: manner(publisher, handler)
    began = time.monotonic()
    with pytest.raises(PublishedError, match=r"not complete after 0\.5 s"):
        published.fetch(f"{publisher.url}/", Limits(seconds=0.5))
    assert time.monotonic() - began < 10


def test_an_untrusted_certificate_is_refused(
    publisher: Publisher, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    url = publisher.publish("openapi: 3.0.0")
    with pytest.raises(PublishedError, match="CERTIFICATE_VERIFY_FAILED.*IP address mismatch"):
        published.fetch(url.replace("localhost", "127.0.0.1"), SMALL)
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "another.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "another.pem"))
    with pytest.raises(PublishedError, match="CERTIFICATE_VERIFY_FAILED"):
        published.fetch(url, SMALL)
    assert publisher.paths == []


@pytest.mark.parametrize(
    "url", ["http://localhost/", "ftp://localhost/", "file:///etc/passwd", "x"]
)
def test_only_https_is_used(url: str):
    with pytest.raises(PublishedError, match="not an https address"):
        published.fetch(url)


def test_a_password_in_an_address_is_refused_and_not_repeated():
    with pytest.raises(PublishedError, match="has a name or password") as caught:
        published.fetch("https://me:secret@localhost/")
    assert "secret" not in str(caught.value)


def test_an_unreachable_server_is_an_error(publisher: Publisher):
    publisher.__exit__()
    with pytest.raises(PublishedError, match=r"localhost:\d+/: All connection attempts failed"):
        published.fetch(f"{publisher.url}/")


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "empty"),
        (b"\xef\xbb\xbf \n\n", "empty"),
        (b"\n<!doctype html><title>Voice</title>", "a web page or XML"),
        (b"openapi: \xff", "not UTF-8 at byte 9"),
        (b"\x1f\x8b\x08", "not UTF-8 at byte 1"),
        (1001 * b"#", "over the limit of 1000 bytes"),
    ],
)
def test_content_that_is_not_a_document_is_not_parsed(content: bytes, problem: str):
    with pytest.raises(PublishedError, match=f"^bundle: {problem}"):
        published.text(content, "bundle", SMALL)


def test_a_byte_order_mark_is_removed():
    assert published.text(b"\xef\xbb\xbfopenapi: 3.0.0", "bundle") == "openapi: 3.0.0"


# --- Reducing ------------------------------------------------------------------------------------


def test_operations_are_matched_by_method_and_path():
    servers = [{"url": "https://{region}.sinch.com/{version}/", "variables": {}}]
    servers[0]["variables"] = {"region": {"default": "reportingapi"}, "version": {"default": "v1"}}
    operation = {"responses": {"200": {"description": "Fine."}}}
    theirs = document(
        {
            "openapi": "3.0.0",
            "info": {"title": "All", "version": "1"},
            "servers": [{"url": "https://reportingapi.sinch.com"}],
            "paths": {
                "/v1/counters/{name}": {"get": operation, "delete": operation},
                "/services/{service}": {"servers": servers, "get": operation},
                "/users/{t}/{e}/calls/{d}": {"get": operation},
            },
        }
    )
    found = published.counterparts(published.operations(REPORTING), published.operations(theirs))
    assert {ours.name: there and there.name for ours, there in found.items()} == {
        "GET /counters/{id}": "GET /v1/counters/{name}",
        "GET /services/{id}": "GET /services/{service}",
        # Different on the wire, but still matched, so that the comparison can report it.
        "GET /users/{type}/{endpoint}/calls/{domain}": "GET /users/{t}/{e}/calls/{d}",
    }
    rest = published.reduced(
        theirs, {there: ours.base for ours, there in found.items() if there is not None}
    )
    assert list(rest.data["paths"]) == [
        "/users/{t}/{e}/calls/{d}",
        "/counters/{name}",
        "/services/{service}",
    ]
    assert rest.data["servers"] == [{"url": "https://reportingapi.sinch.com"}]
    counter = rest.data["paths"]["/counters/{name}"]
    assert set(counter) == {"get"}
    assert counter["get"]["servers"] == [{"url": "https://reportingapi.sinch.com/v1"}]
    assert rest.line("/paths/~1counters~1{name}/get") == theirs.line(
        "/paths/~1v1~1counters~1{name}/get"
    )


def test_only_referenced_components_are_kept():
    theirs = document(bundle())
    found = published.counterparts(published.operations(CALLING), published.operations(theirs))
    rest = published.reduced(theirs, {there: "" for there in found.values() if there})
    assert len(found) == sum(
        len(set(item) & set(published.METHODS)) for item in rest.data["paths"].values()
    )
    assert "x-webhooks" not in rest.data
    components = rest.data["components"]
    parameters = {"callId", "callLeg", "conferenceId", "applicationkey", "number"}
    assert set(components["parameters"]) == parameters
    assert set(components["securitySchemes"]) == {"Basic", "Signed"}
    assert {"getCallResponseObj", "svaml.action.park", "pstnDestination"} < set(
        components["schemas"]
    )
    assert "Error" not in components["schemas"]
    # Every remaining reference has a target.
    for section, name in published._references(rest.data):
        assert name in components[section]


def test_reducing_a_document_to_its_own_operations_keeps_its_meaning():
    for vendored in (CALLING, REPORTING):
        kept = {operation: operation.base for operation in published.operations(vendored)}
        events = [event.name for event in webhooks(vendored)]
        rest = published.reduced(vendored, kept, events)
        for key in ("servers", "security"):
            assert rest.data[key] == vendored.data[key]
        changes = spec_diff.compare(vendored, rest, overlays=())
        assert {change.id for change in changes} <= {"api-schema-removed"}  # without a use


@pytest.mark.parametrize(
    ("url", "base"),
    [
        ("https://[/v1", "/v1"),
        ("https://[::1]:99999/a/b/", "/a/b"),
        ("//a.example/v1?b#c", "/v1"),
        ("https://a.example", ""),
        ("https://{host}/v{n}#d", "/v2"),
        ("/v1/", "/v1"),
        ("http://a b/v1", "/v1"),
    ],
)
def test_the_path_of_a_server_is_found_in_every_valid_url(url: str, base: str):
    variables = {"n": {"default": "2"}, "host": {"default": "x"}}
    theirs = document(bundle() | {"servers": [{"url": url, "variables": variables}]})
    found = [one for one in published.operations(theirs) if "/calls/" in one.path]
    assert {operation.base for operation in found} == {base}


@pytest.mark.parametrize(
    "servers",
    [
        [{}],
        ["https://sinch.com"],
        [{"url": 1}],
        [{"url": "", "variables": [1]}],
    ],
)
def test_malformed_servers_are_named(servers: Any):
    theirs = document(bundle() | {"servers": servers})
    with pytest.raises(spec_diff.SpecDiffError, match=": its servers are malformed"):
        published.operations(theirs)
