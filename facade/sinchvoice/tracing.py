"""OpenTelemetry spans, if it is installed (extra `otel`): one for each call.

Names and attributes follow the semantic conventions for HTTP clients; each request tried is an
event of the span. A span has no header, body or URL: only the path of the specification, which
contains no ids and phone numbers.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from ._version import __version__
from .urls import Origin

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer as OtelTracer

__all__ = ["Span", "Tracer", "find_tracer"]


class Span:
    """The span of one call."""

    def __init__(self, span: Any) -> None:
        self._span = span

    def attempt(self, number: int, status: int | None) -> None:
        """Add a request that was tried, and the status of its answer; None without an answer."""
        attributes: dict[str, int] = {"http.request.resend_count": number - 1}
        if status is not None:
            attributes["http.response.status_code"] = status
            self._span.set_attribute("http.response.status_code", status)
        if number > 1:
            self._span.set_attribute("http.request.resend_count", number - 1)
        self._span.add_event("sinchvoice.attempt", attributes)

    def finish(self, error: BaseException | None) -> None:
        """End the span; name an error by its class, because its message may have a phone number."""
        from opentelemetry.trace import Status, StatusCode

        if error is not None:
            self._span.set_attribute("error.type", type(error).__qualname__)
            self._span.set_status(Status(StatusCode.ERROR))
        self._span.end()


class Tracer:
    """Starts spans."""

    def __init__(self, tracer: OtelTracer) -> None:
        self._tracer = tracer

    def start(self, operation: str, method: str, template: str, origin: Origin) -> Span:
        """Start the span of a call.

        Args:
            operation: Name of the operation.
            method: HTTP method.
            template: Path with placeholders; empty if unknown.
            origin: Origin of the first request.
        """
        from opentelemetry.trace import SpanKind

        attributes: dict[str, str | int] = {
            "http.request.method": method,
            "server.address": origin.host,
            "server.port": origin.port,
            "url.scheme": origin.scheme,
            "sinchvoice.operation": operation,
        }
        name = method
        if template:
            attributes["url.template"] = template
            name = f"{method} {template}"
        span = self._tracer.start_span(name, kind=SpanKind.CLIENT, attributes=attributes)
        return Span(span)


def find_tracer() -> Tracer | None:
    """Return the tracer of OpenTelemetry's global provider; None if it is not installed."""
    if find_spec("opentelemetry") is None or find_spec("opentelemetry.trace") is None:
        return None
    from opentelemetry.trace import get_tracer

    schema = "https://opentelemetry.io/schemas/1.37.0"
    return Tracer(get_tracer("sinchvoice", __version__, schema_url=schema))
