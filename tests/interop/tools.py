"""Common tools for HTTP clients: which see this client's traffic, and how to enable others.

Not named test_…, because the session `tests` has none of these packages.
"""

from __future__ import annotations

import asyncio
import json
import logging
import logging.config
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import respx
import structlog
import vcr
from kombu.serialization import dumps, loads
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode
from raw_servers import ID, KEY, SECRET, answer, closed_port, read_request, serving, well_behaved
from sinchvoice import (
    ApiConnectionError,
    ApiError,
    AsyncVoiceClient,
    NotFoundError,
    PstnEndpoint,
    VoiceClient,
)

URL = f"https://calling.api.sinch.com/calling/v1/calls/id/{ID}"
NUMBER = "+46730170101"


def client(**options: Any) -> VoiceClient:
    return VoiceClient(KEY, SECRET, **{"retries": 0, **options})


async def get_async(**options: Any) -> Any:
    async with AsyncVoiceClient(KEY, SECRET, **{"retries": 0, **options}) as voice:
        return await voice.calls.get(ID)


# --- respx ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("transport", [None, httpx.HTTPTransport], ids=["ours", "httpx's"])
@respx.mock
def test_respx_answers_a_blocking_client(transport: Any):
    route = respx.get(URL).respond(json={"callId": ID})
    with client(transport=transport and transport()) as voice:
        assert voice.calls.get(ID).call_id == ID
    assert route.calls.last.request.headers["x-timestamp"]


@pytest.mark.parametrize("transport", [None, httpx.AsyncHTTPTransport], ids=["ours", "httpx's"])
@respx.mock
def test_respx_answers_an_async_client(transport: Any):
    route = respx.get(URL).respond(json={"callId": ID})
    assert asyncio.run(get_async(transport=transport and transport())).call_id == ID
    assert route.called


# --- pytest-httpx --------------------------------------------------------------------------------


def test_pytest_httpx_answers_a_client_over_a_transport_of_httpx(httpx_mock: Any):
    httpx_mock.add_response(url=URL, json={"callId": ID}, is_reusable=True)
    with client(transport=httpx.HTTPTransport()) as voice:
        assert voice.calls.get(ID).call_id == ID
    assert asyncio.run(get_async(transport=httpx.AsyncHTTPTransport())).call_id == ID


def test_pytest_httpx_does_not_see_our_own_connections(httpx_mock: Any):
    with serving(well_behaved) as server, client(calling_url=server.url) as voice:
        assert voice.calls.get(ID).call_id == ID
    assert httpx_mock.get_requests() == []


# --- VCR.py --------------------------------------------------------------------------------------


def test_vcr_records_and_replays_a_client_over_a_transport_of_httpx(tmp_path: Path):
    cassette = tmp_path / "calls.yaml"
    recorder = vcr.VCR(filter_headers=["Authorization", "x-timestamp"])
    with serving(well_behaved) as server:
        for _ in range(2):
            with (
                recorder.use_cassette(str(cassette)),
                client(calling_url=server.url, transport=httpx.HTTPTransport()) as voice,
            ):
                assert voice.calls.get(ID).call_id == ID
        assert server.accepted == 1
    recorded = cassette.read_text()
    assert ID in recorded
    assert KEY not in recorded


def test_vcr_does_not_see_our_own_connections(tmp_path: Path):
    """It silently records nothing, unless the client has transport=httpx.HTTPTransport()."""
    cassette = tmp_path / "calls.yaml"
    with (
        serving(well_behaved) as server,
        vcr.VCR().use_cassette(str(cassette)) as recorded,
        client(calling_url=server.url) as voice,
    ):
        assert voice.calls.get(ID).call_id == ID
        assert (len(recorded), server.accepted) == (0, 1)


# --- OpenTelemetry -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def exporter() -> InMemorySpanExporter:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    return exporter


@pytest.fixture
def spans(exporter: InMemorySpanExporter) -> InMemorySpanExporter:
    exporter.clear()
    return exporter


def test_a_call_is_one_span_by_the_conventions_of_http(spans: InMemorySpanExporter):
    with serving(well_behaved) as server, client(calling_url=server.url) as voice:
        voice.calls.get(ID)
    (span,) = spans.get_finished_spans()
    assert span.name == "GET /calling/v1/calls/id/{call_id}"
    assert span.kind is SpanKind.CLIENT
    assert dict(span.attributes or {}) == {
        "http.request.method": "GET",
        "http.response.status_code": 200,
        "server.address": "127.0.0.1",
        "server.port": server.port,
        "sinchvoice.operation": "calls.get",
        "url.scheme": "http",
        "url.template": "/calling/v1/calls/id/{call_id}",
    }
    assert [event.name for event in span.events] == ["sinchvoice.attempt"]
    assert span.status.status_code is StatusCode.UNSET


def test_attempts_are_events_of_the_span_of_an_async_call(spans: InMemorySpanExporter):
    def busy(connection: Any) -> None:
        while read_request(connection):
            connection.sendall(answer(b"{}", 503, "Retry-After: 0"))

    async def main(url: str) -> None:
        with pytest.raises(ApiError):
            await get_async(calling_url=url, retries=2)

    with serving(busy) as server:
        asyncio.run(main(server.url))
    (span,) = spans.get_finished_spans()
    assert [dict(event.attributes or {}) for event in span.events] == [
        {"http.request.resend_count": number, "http.response.status_code": 503}
        for number in range(3)
    ]
    assert (span.attributes or {})["error.type"] == "ServerError"
    assert span.status.status_code is StatusCode.ERROR


def test_a_call_without_an_answer_is_a_span_with_the_type_of_its_error(
    spans: InMemorySpanExporter,
):
    with (
        client(calling_url=f"http://127.0.0.1:{closed_port()}") as voice,
        pytest.raises(ApiConnectionError),
    ):
        voice.calls.get(ID)
    (span,) = spans.get_finished_spans()
    assert (span.attributes or {})["error.type"] == "ApiConnectionError"
    assert "http.response.status_code" not in (span.attributes or {})


def test_a_cancelled_call_is_a_span_that_ends(spans: InMemorySpanExporter):
    def silent(connection: Any) -> None:
        while connection.recv(65536):
            pass

    async def main(url: str) -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(get_async(calling_url=url), 0.2)

    with serving(silent) as server:
        asyncio.run(main(server.url))
    (span,) = spans.get_finished_spans()
    assert (span.attributes or {})["error.type"] == "CancelledError"


@pytest.mark.parametrize("auth", ["signed", "basic"])
def test_no_span_shows_a_number_a_header_or_a_secret(spans: InMemorySpanExporter, auth: str):
    def refuses(connection: Any) -> None:
        while read_request(connection):
            connection.sendall(answer(b'{"message": "no %s"}' % NUMBER.encode(), 404))

    with serving(refuses) as server:
        options = {"calling_url": server.url, "reporting_url": server.url, "auth": auth}
        with client(**options, headers={"X-Mine": "of-mine"}) as voice:
            for call in (
                lambda: voice.reports.user_calls(PstnEndpoint(NUMBER)),
                lambda: voice.calls.hangup(ID),
                lambda: voice.request("GET", f"/users/{NUMBER}", params={"n": NUMBER}),
            ):
                with pytest.raises(NotFoundError):
                    call()
    found = "".join(span.to_json() for span in spans.get_finished_spans())
    assert len(spans.get_finished_spans()) == 3
    for secret in (NUMBER, NUMBER[1:], ID, KEY, SECRET, "of-mine", "Basic", "Application"):
        assert secret not in found


def test_a_call_is_a_child_of_the_span_around_it(spans: InMemorySpanExporter):
    with (
        serving(well_behaved) as server,
        client(calling_url=server.url) as voice,
        trace.get_tracer("mine").start_as_current_span("mine"),
    ):
        voice.calls.get(ID)
    ours, mine = spans.get_finished_spans()
    assert ours.parent is not None
    assert mine.context is not None
    assert ours.parent.span_id == mine.context.span_id


def test_opentelemetry_is_not_required():
    script = """
import sys
sys.modules["opentelemetry"] = None
from sinchvoice import VoiceClient
VoiceClient(sys.argv[1], sys.argv[2]).close()
assert [name for name in sys.modules if name.startswith("opentelemetry.")] == []
"""
    subprocess.run([sys.executable, "-c", script, KEY, SECRET], check=True, timeout=60)


# --- Logging -------------------------------------------------------------------------------------


@pytest.fixture
def kept_logging() -> Iterator[None]:
    loggers = [logging.getLogger(name) for name in ("", "sinchvoice", "sinchvoice.requests")]
    before = [(each, each.level, each.handlers[:], each.propagate) for each in loggers]
    yield
    for each, level, handlers, propagate in before:
        each.setLevel(level)
        each.handlers[:] = handlers
        each.propagate = propagate
        each.disabled = False


@pytest.mark.usefixtures("kept_logging")
def test_structlog_renders_our_records_with_their_fields(capsys: pytest.CaptureFixture[str]):
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.ExtraAdder()],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    logger = logging.getLogger("sinchvoice")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    with serving(well_behaved) as server, client(calling_url=server.url) as voice:
        voice.calls.get(ID)
    (line,) = capsys.readouterr().out.splitlines()
    record = json.loads(line)
    assert (record["operation"], record["status"], record["attempts"]) == ("calls.get", 200, 1)
    assert record["milliseconds"] > 0
    assert ID not in line


def django_logging(**loggers: Any) -> dict[str, Any]:
    """Return LOGGING as in Django's documentation."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "handlers": {"console": {"class": "logging.StreamHandler", "stream": "ext://sys.stdout"}},
        "loggers": {
            name: {"handlers": ["console"], "level": level} for name, level in loggers.items()
        },
    }


@pytest.mark.usefixtures("kept_logging")
@pytest.mark.parametrize(
    ("levels", "shows_urls"),
    [
        ({"sinchvoice": "INFO"}, False),
        ({"sinchvoice": "DEBUG"}, False),
        ({"sinchvoice.requests": "INFO"}, True),
    ],
)
def test_djangos_logging_shows_urls_only_if_it_names_their_logger(
    capsys: pytest.CaptureFixture[str], levels: dict[str, str], shows_urls: bool
):
    from django.conf import settings
    from django.utils.log import configure_logging

    if not settings.configured:
        settings.configure()
    configure_logging("logging.config.dictConfig", django_logging(**levels))
    with serving(well_behaved) as server, client(calling_url=server.url) as voice:
        voice.calls.get(ID)
    assert (ID in capsys.readouterr().out) == shows_urls


# --- Celery --------------------------------------------------------------------------------------


def an_error() -> ApiError:
    with (
        client(calling_url=f"http://127.0.0.1:{closed_port()}") as voice,
        pytest.raises(ApiConnectionError) as caught,
    ):
        voice.calls.hangup(ID)
    return caught.value


def test_an_error_survives_celerys_pickle():
    error = an_error()
    content_type, encoding, packed = dumps(error, serializer="pickle")
    copy = loads(packed, content_type, encoding, accept=[content_type])
    assert (type(copy), str(copy)) == (type(error), str(error))
    assert copy.may_have_executed is False
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


def test_an_error_survives_the_json_of_celerys_results():
    from celery.app import app_or_default
    from celery.backends.base import Backend

    backend = Backend(app_or_default(), serializer="json")
    error = an_error()
    content_type, encoding, packed = dumps(backend.prepare_exception(error), serializer="json")
    copy = backend.exception_to_python(loads(packed, content_type, encoding))
    assert isinstance(copy, ApiConnectionError)
    assert error.message in str(copy)


def test_a_result_travels_as_celerys_json():
    with serving(well_behaved) as server, client(calling_url=server.url) as voice:
        call_id = voice.calls.get(ID).call_id
    content_type, encoding, packed = dumps({"call_id": call_id}, serializer="json")
    assert loads(packed, content_type, encoding) == {"call_id": ID}
