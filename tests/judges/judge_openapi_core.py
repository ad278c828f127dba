"""Check recorded exchanges of client and sandbox with openapi-core.

Requests must match the published document, and answers the strict one. So must callback events and
the answers to them.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any
from urllib.parse import parse_qsl

import attrs
import pytest
import regenerate
from openapi_core import OpenAPI
from openapi_core.datatypes import RequestParameters
from openapi_core.unmarshalling.request import V31WebhookRequestUnmarshaller
from openapi_core.unmarshalling.response import V31WebhookResponseUnmarshaller
from operations import ACTIONS, FAILURES, INSTRUCTIONS, REFUSED, SUCCESSES, Operation, add_call
from recorder import Exchange, Recorder
from sinchvoice import ApiStatusError, AuthenticationError, InvalidRequest, VoiceClient, svaml
from sinchvoice.callbacks import CallbackAnswer, parse
from sinchvoice.routes import ROUTES, Api
from sinchvoice.sandbox import running
from sinchvoice.settings import CONFIGURATION_URL
from werkzeug.datastructures import Headers, ImmutableMultiDict

# A server of each API, and the prefix of its paths.
SERVERS: dict[Api, tuple[str, str]] = {
    "calling": ("https://calling.api.sinch.com", ""),
    "configuration": (CONFIGURATION_URL, ""),
    "reporting": ("https://reportingapi.sinch.com", "/v1"),
}

SECRET = "BeIukql3pTKJ8RGL5zo0DA=="  # of another application


@attrs.define
class Request:
    """A request in openapi-core's interface."""

    exchange: Exchange
    parameters: RequestParameters = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.parameters = RequestParameters(
            query=ImmutableMultiDict(parse_qsl(self.exchange.query.decode("ascii"))),
            header=Headers(self.exchange.headers),
            cookie=ImmutableMultiDict(),
        )

    @property
    def api(self) -> Api:
        path = self.exchange.path
        if path.startswith("/calling/"):
            return "calling"
        return "configuration" if re.match("/v1/(configuration|calling)/", path) else "reporting"

    @property
    def spec(self) -> str:
        return "reporting" if self.api == "reporting" else "calling"

    @property
    def host_url(self) -> str:
        return SERVERS[self.api][0]

    @property
    def path(self) -> str:
        return self.exchange.path

    @property
    def method(self) -> str:
        return self.exchange.method.lower()

    @property
    def body(self) -> bytes | None:
        return self.exchange.body or None

    @property
    def content_type(self) -> str:
        return self.parameters.header.get("Content-Type", "")


@attrs.define
class Response:
    """A response in openapi-core's interface."""

    exchange: Exchange

    @property
    def status_code(self) -> int:
        return self.exchange.status

    @property
    def headers(self) -> Headers:
        return Headers(self.exchange.answer_headers)

    @property
    def content_type(self) -> str:
        return self.headers.get("Content-Type", "")

    @property
    def data(self) -> bytes | None:
        return self.exchange.answer or None


@cache
def oracle(variant: str, spec: str) -> OpenAPI:
    return OpenAPI.from_dict(getattr(regenerate, variant)(spec))


def problems(error: BaseException) -> Iterator[str]:
    """Return the innermost reasons of openapi-core and jsonschema."""
    details = getattr(error, "schema_errors", None)
    if details:
        yield from (f"{'.'.join(map(str, detail.path))}: {detail.message}" for detail in details)
    elif error.__cause__ is not None:
        yield from problems(error.__cause__)
    else:
        yield f"{type(error).__name__}: {error}"


def wrong_request(variant: str, exchange: Exchange) -> list[str]:
    request = Request(exchange)
    errors = oracle(variant, request.spec).iter_request_errors(request)
    return [problem for error in errors for problem in problems(error)]


def wrong_answer(variant: str, exchange: Exchange) -> list[str]:
    request = Request(exchange)
    errors = oracle(variant, request.spec).iter_response_errors(request, Response(exchange))
    return [problem for error in errors for problem in problems(error)]


@pytest.fixture(scope="module")
def talk() -> dict[str, list[Exchange]]:
    """The exchanges of each operation, by name."""
    recorder, talk = Recorder(), {}
    with running(middleware=recorder) as box, VoiceClient.from_env(box.environ) as voice:
        for operation in [*SUCCESSES, *FAILURES, *REFUSED]:
            call_id = add_call(operation, box)
            before = len(recorder.exchanges)
            assert code_of(operation, voice, call_id) == operation.code
            talk[operation.name] = recorder.exchanges[before:]
        with (
            VoiceClient(box.application_key, SECRET, calling_url=box.calling_url) as stranger,
            pytest.raises(AuthenticationError),
        ):
            stranger.calls.get("x")
        talk["wrong secret"] = recorder.exchanges[-1:]
    return talk


def code_of(operation: Operation, voice: VoiceClient, call_id: str) -> int | None:
    try:
        operation.run(voice, call_id)
    except ApiStatusError as error:
        return error.error_code
    return None


def names(*operations: Operation) -> Any:
    return pytest.mark.parametrize("name", [operation.name for operation in operations])


@names(*SUCCESSES, *FAILURES)
def test_a_request_matches_the_published_document(name: str, talk: dict[str, list[Exchange]]):
    assert talk[name] != []
    for exchange in talk[name]:
        assert wrong_request("published", exchange) == []


@names(*SUCCESSES, *FAILURES)
def test_a_request_matches_the_strict_document(name: str, talk: dict[str, list[Exchange]]):
    for exchange in talk[name]:
        assert wrong_request("strict", exchange) == []


@names(*REFUSED)
def test_an_unpublished_request_is_detected(name: str, talk: dict[str, list[Exchange]]):
    (exchange,) = talk[name]
    assert wrong_request("published", exchange) != []


@names(*SUCCESSES, *FAILURES, *REFUSED)
def test_an_answer_matches_the_strict_document(name: str, talk: dict[str, list[Exchange]]):
    for exchange in talk[name]:
        assert wrong_answer("strict", exchange) == []


def test_the_answer_to_a_wrong_secret_matches_the_strict_document(talk: dict[str, list[Exchange]]):
    (exchange,) = talk["wrong secret"]
    assert exchange.status == 401
    assert wrong_answer("strict", exchange) == []


def test_a_success_matches_the_published_document_except_for_contradictions(
    talk: dict[str, list[Exchange]],
):
    found = Counter(
        problem.partition(":")[0]
        for operation in SUCCESSES
        for exchange in talk[operation.name]
        for problem in wrong_answer("published", exchange)
    )
    # Times without a zone, and the domain of a call to an app user: see openapi/README.md.
    assert set(found) == {"timestamp", "domain"}


@names(*SUCCESSES)
def test_a_success_matches_the_tolerant_document(name: str, talk: dict[str, list[Exchange]]):
    for exchange in talk[name]:
        assert wrong_answer("tolerant", exchange) == []


def test_an_incomplete_answer_is_detected(talk: dict[str, list[Exchange]]):
    (exchange,) = talk["counter"]
    assert wrong_answer("strict", attrs.evolve(exchange, answer=b"{}")) != []
    assert wrong_answer("strict", attrs.evolve(exchange, status=299)) != []


# --- Callbacks -----------------------------------------------------------------------------------

EVENTS: dict[str, dict[str, Any]] = {
    name: row["body"]
    for name, row in json.loads(
        (Path(__file__).parents[1] / "data" / "callback_events.json").read_text("utf-8")
    ).items()
}
# In a form that the strict specification lacks: see openapi/README.md.
CONTESTED = {
    "ice: as the vendor's guide prints it",
    "ace: answering machine detection",
    "pie: sequence",
    "ice: an app user joins a conference",  # a time without a zone
}
_SIGNED = RequestParameters(header=Headers({"Authorization": "application key:signature"}))


@attrs.frozen
class Callback:
    """The request of a webhook in openapi-core's interface."""

    name: str
    body: bytes
    method: str = "post"
    content_type: str = "application/json"
    parameters: RequestParameters = _SIGNED


@attrs.frozen
class CallbackResponse:
    """The answer to a webhook in openapi-core's interface."""

    answer: CallbackAnswer

    @property
    def status_code(self) -> int:
        return self.answer.status_code

    @property
    def headers(self) -> Headers:
        return Headers(dict(self.answer.headers))

    @property
    def content_type(self) -> str:
        return self.headers.get("Content-Type", "")

    @property
    def data(self) -> bytes | None:
        return self.answer.body or None


def as_callback(body: dict[str, Any]) -> Callback:
    return Callback(body["event"], json.dumps(body).encode())


def wrong_event(variant: str, body: dict[str, Any]) -> list[str]:
    judge = V31WebhookRequestUnmarshaller(oracle(variant, "calling").spec)
    result = judge.unmarshal(as_callback(body))
    assert result.errors or result.body is not None
    return [problem for error in result.errors for problem in problems(error)]


def wrong_event_answer(variant: str, body: dict[str, Any], answer: CallbackAnswer) -> list[str]:
    judge = V31WebhookResponseUnmarshaller(oracle(variant, "calling").spec)
    result = judge.unmarshal(as_callback(body), CallbackResponse(answer))
    return [problem for error in result.errors for problem in problems(error)]


def answers_to(body: dict[str, Any]) -> Iterator[CallbackAnswer]:
    """Return every accepted answer of one instruction and one action."""
    event = parse(json.dumps(body))
    given: list[svaml.Svaml | None] = [None]
    for instruction in [None, *INSTRUCTIONS, svaml.ReportCallStatus("success")]:
        for action in [None, *ACTIONS]:
            if instruction or action:
                given.append(svaml.Svaml([instruction] if instruction else None, action))
    for one in given:
        try:
            yield event.answer(one)
        except InvalidRequest:
            continue


@pytest.mark.parametrize("name", EVENTS)
def test_an_event_matches_the_tolerant_document(name: str):
    assert wrong_event("tolerant", EVENTS[name]) == []


@pytest.mark.parametrize("name", EVENTS)
def test_an_event_matches_the_strict_document_except_for_contradictions(name: str):
    assert (wrong_event("strict", EVENTS[name]) != []) is (name in CONTESTED)


@pytest.mark.parametrize("name", EVENTS)
def test_every_answer_to_an_event_matches_the_published_and_the_strict_document(name: str):
    answers = list(answers_to(EVENTS[name]))
    assert answers
    for answer in answers:
        # Only the text permits an answer without content, which openapi-core cannot know.
        if answer.body or EVENTS[name]["event"] not in ("pie", "dice"):
            assert wrong_event_answer("published", EVENTS[name], answer) == []
            assert wrong_event_answer("strict", EVENTS[name], answer) == []


def test_an_unaccepted_answer_to_an_event_is_detected():
    ice = EVENTS["ice: incoming from the telephone network"]
    for body in (b"{}", b'{"action": {"name": "continue"}}', b'{"action": "hangup"}', b"{"):
        answer = CallbackAnswer(body=body, headers={"Content-Type": "application/json"})
        assert wrong_event_answer("strict", ice, answer) != []
    later = CallbackAnswer(status_code=202)
    assert wrong_event_answer("strict", ice, later) != []


# --- Completeness --------------------------------------------------------------------------------


def test_every_published_operation_was_called(talk: dict[str, list[Exchange]]):
    expected = {
        (route.method.lower(), SERVERS[route.api][1] + path)
        for route in ROUTES
        for path, item in regenerate.published(route.specification)["paths"].items()
        if item.get(route.method.lower(), {}).get("operationId") == route.operation_id
    }
    asked = [exchange for exchanges in talk.values() for exchange in exchanges]
    missing = expected - {
        (method, path)
        for method, path in expected
        if any(
            exchange.method.lower() == method
            and re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", path), exchange.path)
            for exchange in asked
        )
    }
    assert not missing, "add a row for each of them to SUCCESSES in tests/judges/operations.py"


def test_every_published_field_of_svaml_was_sent(talk: dict[str, list[Exchange]]):
    schemas = regenerate.published("calling")["components"]["schemas"]
    expected = {
        (name, field)
        for kind in ("svaml.instruction", "svaml.action")
        for name, reference in schemas[kind]["discriminator"]["mapping"].items()
        for field in schemas[reference.rpartition("/")[2]]["properties"]
    }
    sent = set()
    for operation in SUCCESSES:
        for exchange in talk[operation.name]:
            body = json.loads(exchange.body or b"{}")
            for part in [*body.get("instructions", []), body.get("action")]:
                if part is not None:
                    sent |= {(part["name"], field) for field in part}
    assert sent == expected


def test_every_public_method_was_called():
    methods = {name.partition(".")[2] for route in ROUTES for name in route.methods}
    used = {name for operation in SUCCESSES for name in _names_in(operation.run)}
    assert not methods - used, "add rows to SUCCESSES in tests/judges/operations.py"


def _names_in(function: Any) -> Iterator[str]:
    todo = [function.__code__]
    while todo:
        code = todo.pop()
        yield from code.co_names
        todo += [constant for constant in code.co_consts if isinstance(constant, CodeType)]
    for cell in function.__closure__ or ():
        if isinstance(cell.cell_contents, FunctionType):
            yield from _names_in(cell.cell_contents)
