"""A fake publisher: an https server, and a document like Sinch's.

The document is made of the vendored ones, and says the same in other words: other texts, other
names, schemas inlined and taken apart, OpenAPI 3.0 or 3.1, among operations and webhooks that are
not vendored, and without reporting.
"""

import json
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from copy import deepcopy
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

import overlay
import trustme

OPENAPI = Path(__file__).resolve().parents[2] / "openapi"

Answer = Callable[[BaseHTTPRequestHandler], None]

_RENAMED = {
    "callResult": "getCallResponseObj",
    "callResult.result": "callResult",
    "svamlRequest": "PATCHSVAMLRequestBody",
    "iceSvaml": "IceSVAMLRequestBody",
    "aceSvaml": "AceSVAMLRequestBody",
    "pieSvaml": "PieSVAMLRequestBody",
    "callDomain": "domain",
}
_EVENTS = "ice ace dice pie notify".split()
_COMMON = "event callid conferenceId version".split()
_INLINED = [
    "callLeg",
    "callResult.domain",
    "callResult.reason",
    "callResult.status",
    "amdObject.reason",
    "amdObject.status",
    "callTag",
    "conferenceDtmfMode",
    "diceRequest.reason",
    "indications",
    "menuResult",
    "menuResult.inputMethod",
    "menuResult.type",
    "recordingOptions",
    "sipTransport",
    "streamingOptions",
    "transcriptionOptions",
]
_REFERENCE = "#/components/schemas/"
_TEXTS = {"description", "summary"}
_DATA = {"default", "enum", "example", "examples", "mapping", "required", "const"}


class Publisher:
    """An https server that gives configured answers and records the requests.

    Attributes:
        authority: The authority that signed its certificate for `localhost`.
        answers: The handler of each path.
        paths: The requested paths.
    """

    def __init__(self) -> None:
        self.authority = trustme.CA()
        self.answers: dict[str, Answer] = {}
        self.paths: list[str] = []
        self.stopped = threading.Event()

    def __enter__(self) -> Self:
        publisher = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                publisher.paths.append(self.path)
                self.close_connection = True
                with suppress(OSError):  # the client may have disconnected
                    publisher.answers.get(self.path, answer("nothing here", status=404))(self)

            def log_message(self, *arguments: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            def handle_error(self, *arguments: Any) -> None:
                pass  # the client does not trust the certificate

        self._server = Server(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.authority.issue_cert("localhost").configure_cert(context)
        # The handshake runs in the thread of each connection: a client may fail or be slow.
        self._server.socket = context.wrap_socket(
            self._server.socket, server_side=True, do_handshake_on_connect=False
        )
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopped.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def url(self) -> str:
        """The URL before its paths."""
        return f"https://localhost:{self._server.server_address[1]}"

    def publish(self, content: str | bytes, path: str = "/voice.yaml") -> str:
        """Serve a document at a path and return its address."""
        self.answers[path] = answer(content)
        return self.url + path


def answer(content: str | bytes, status: int = 200, **headers: str) -> Answer:
    """Make an answer; names of headers have underscores."""
    body = content.encode() if isinstance(content, str) else content

    def write(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in ({"Content_Length": str(len(body))} | headers).items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(body)

    return write


def bundle(openapi: str = "3.0.0") -> dict[str, Any]:
    """Make the document without differences from the vendored ones.

    Args:
        openapi: Its version: 3.0.0 or 3.1.0.
    """
    vendored = deepcopy(_vendored())
    # Not in the document, because no request uses it.
    del vendored["components"]["schemas"]["svaml.instruction.reportCallStatus"]
    published = _reworded(vendored, vendored["components"]["schemas"])
    schemas = {
        _RENAMED.get(name, name): schema
        for name, schema in published["components"]["schemas"].items()
        if name not in _INLINED
    }
    for end in ("Mxp", "Pstn", "Sip"):
        properties = schemas[f"destination{end}"]["properties"]
        schemas[f"{end.lower()}Destination"] = properties["type"]
        properties["type"] = {"$ref": f"{_REFERENCE}{end.lower()}Destination"}
    published["components"]["schemas"] = dict(reversed(schemas.items()))
    published["components"]["parameters"]["domain"] = {
        "name": "domain",
        "in": "query",
        "required": True,
        "schema": {"type": "string"},
    }
    published["info"] = {"title": "Voice API", "version": vendored["info"]["version"]}
    published["tags"].append({"name": "Others"})
    published["paths"] |= _not_vendored()
    webhooks = published.pop("webhooks")
    if openapi.startswith("3.1"):
        return published | {"openapi": openapi, "webhooks": webhooks}
    return _of_3_0(published) | {"openapi": openapi, "x-webhooks": webhooks}


def really_published() -> dict[str, Any]:
    """Make the document with all known differences, which openapi/README.md explains."""
    document = bundle()
    schemas = document["components"]["schemas"]
    for name in _EVENTS:
        event = schemas[f"{name}Request"]
        own = event.pop("properties")
        common = {key: own[key] for key in _COMMON}
        rest = {key: own[key] for key in own if key not in _COMMON[1:]}
        schemas["webhooksEventRequest"] = {
            "type": "object",
            "required": event.pop("required"),
            "properties": common | {"event": {"type": "string", "enum": _EVENTS}},
        }
        base = {"$ref": f"{_REFERENCE}webhooksEventRequest"}
        event["allOf"] = [base, {"type": "object", "properties": rest}]
        del event["type"]
    for name in ("ice", "ace", "pie"):
        del document["x-webhooks"][name]["post"]["responses"]["200"]["content"]
    names = ["hangup", "continue", "park"]
    references = {name: f"{_REFERENCE}svaml.action.{name}" for name in names}
    schemas["svaml.action.patch"] = {
        "type": "object",
        "oneOf": [{"$ref": reference} for reference in references.values()],
        "discriminator": {"propertyName": "name", "mapping": references},
    }
    request = schemas["PATCHSVAMLRequestBody"]["properties"]
    request["action"] = {"$ref": f"{_REFERENCE}svaml.action.patch"}
    for action in ("continue", "connectConf"):
        for name in ("record", "recordingOptions"):
            del schemas[f"svaml.action.{action}"]["properties"][name]
    connect = schemas["svaml.action.connectPstn"]["properties"]
    del connect["tags"]
    rings = connect["indications"]["enum"]
    rings[rings.index("no")] = False
    for end, form in (("Pstn", "e164 for numbers"), ("Mxp", "user name"), ("Sip", "sip address")):
        schemas[f"destination{end}"]["properties"]["endpoint"]["format"] = form
    schemas["price"]["properties"]["amount"]["format"] = "float"
    for item in document["paths"].values():
        for operation in item.values():
            if "tags" in operation and {"Conferences", "Applications"} & {*operation["tags"]}:
                del operation["tags"]
    _separate_callouts(document["paths"]["/calling/v1/callouts"]["post"], schemas)
    return document


def _separate_callouts(operation: dict[str, Any], schemas: dict[str, Any]) -> None:
    """Make the union of the kinds of callouts, with its formats of fields."""
    operation["tags"] = ["Callouts", "Conferences"]
    kinds = ("conferenceCallout", "ttsCallout", "customCallout")
    for kind in kinds:
        schemas[kind]["properties"]["cli"]["format"] = "e.164"
        method = {"type": "string", "enum": [kind]}
        properties = {"method": method, kind: {"$ref": f"{_REFERENCE}{kind}"}}
        schemas[f"{kind}Request"] = {"type": "object", "properties": properties}
    schemas["conferenceCallout"]["properties"]["locale"]["format"] = "ISO 639"
    references = {kind: f"{_REFERENCE}{kind}Request" for kind in kinds}
    schemas["CalloutRequest"] = {
        "type": "object",
        "required": ["method"],
        "oneOf": [{"$ref": reference} for reference in references.values()],
        "discriminator": {"propertyName": "method", "mapping": references},
    }


@cache
def _vendored() -> dict[str, Any]:
    path = OPENAPI / "calling.yaml"
    return overlay.parse(path.read_text(encoding="utf-8"), path.name)


def _reworded(value: Any, schemas: dict[str, Any]) -> Any:
    """Copy a part of a document with other texts, and inlined and renamed schemas."""
    if isinstance(value, list):
        return [_reworded(item, schemas) for item in value]
    if not isinstance(value, dict):
        return value
    if "$ref" in value and (name := value["$ref"].removeprefix(_REFERENCE)) in _INLINED:
        return _reworded(schemas[name], schemas)
    copy = {}
    for key, inner in value.items():
        if key in _TEXTS and isinstance(inner, str):
            copy[key] = "As it is put on the publisher's pages."
        elif key == "$ref":
            copy[key] = _renamed(inner)
        elif key == "mapping":
            copy[key] = {word: _renamed(reference) for word, reference in inner.items()}
        else:
            copy[key] = deepcopy(inner) if key in _DATA else _reworded(inner, schemas)
    return copy


def _renamed(reference: str) -> str:
    name = reference.removeprefix(_REFERENCE)
    return _REFERENCE + _RENAMED[name] if name in _RENAMED else reference


def _of_3_0(value: Any) -> Any:
    """Copy a part of a document in OpenAPI 3.0."""
    if isinstance(value, list):
        return [_of_3_0(item) for item in value]
    if not isinstance(value, dict):
        return value
    copy = {key: inner if key in _DATA else _of_3_0(inner) for key, inner in value.items()}
    if "$ref" in copy and len(copy) > 1:
        copy["allOf"] = [{"$ref": copy.pop("$ref")}]
    if isinstance(copy.get("const"), str):
        copy["enum"] = [copy.pop("const")]
    if "anyOf" in copy:
        copy["type"] = "object"
    if isinstance(copy.get("type"), list):
        (copy["type"],) = [kind for kind in copy["type"] if kind != "null"]
        copy["nullable"] = True
    return copy


def _not_vendored() -> dict[str, Any]:
    number = {"name": "number", "in": "path", "required": True, "schema": {"type": "string"}}
    return {
        "/calling/v1/faxes": {"post": _operation("Faxes")},
        "/calling/v1/recordings/id/{recordingId}": {
            "parameters": [number | {"name": "recordingId"}],
            "get": _operation("Calling_GetRecording"),
            "delete": _operation("Calling_DeleteRecording"),
        },
        "/v1/calling/rates/number/{number}": {
            "servers": [{"url": "https://callingapi.sinch.com"}],
            "parameters": [number],
            "get": _operation("Calling_GetRate"),
        },
    }


def _operation(name: str) -> dict[str, Any]:
    content = {"application/json": {"schema": {"$ref": f"{_REFERENCE}callHeader"}}}
    return {
        "operationId": name,
        "tags": ["Others"],
        "x-codeSamples": [{"lang": "Java", "source": "// nothing to see"}],
        "responses": {"200": {"description": "Success.", "content": content}},
    }


def as_json(document: dict[str, Any]) -> str:
    """Write a document as long, indented JSON, like the publisher."""
    return json.dumps(document, indent=2)
