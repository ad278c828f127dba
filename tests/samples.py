"""One call of each method that is an operation, and an answer to it: what many tests go through."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import attrs
import httpx
from sinchvoice import MxpEndpoint, svaml
from sinchvoice.routes import ROUTES, Route

ID = "4398599d1ba84ef3bde0a82dfb61abed"
REPORT = {"success": 1, "failed": 0, "duration": 5}


@attrs.frozen
class Sample:
    """A call of a method.

    Attributes:
        run: makes it, with a client of either kind.
        answer: what a server may answer; None for no content.
    """

    run: Callable[[Any], Any]
    answer: dict[str, Any] | None = None

    def response(self) -> httpx.Response:
        """The answer as a response."""
        return httpx.Response(204) if self.answer is None else httpx.Response(200, json=self.answer)


SAMPLES: dict[str, Sample] = {
    "calls.get": Sample(lambda voice: voice.calls.get(ID), {"callId": ID, "status": "ONGOING"}),
    "calls.update": Sample(
        lambda voice: voice.calls.update(ID, svaml.Svaml(action=svaml.Hangup()))
    ),
    "calls.manage_with_call_leg": Sample(
        lambda voice: voice.calls.manage_with_call_leg(
            ID, "callee", svaml.Svaml([svaml.PlayFiles(["welcome"])])
        )
    ),
    "calls.hangup": Sample(lambda voice: voice.calls.hangup(ID)),
    "calls.say": Sample(lambda voice: voice.calls.say(ID, "Hello", leg="both")),
    "calls.play": Sample(lambda voice: voice.calls.play(ID, "welcome")),
    "reports.user_calls": Sample(
        lambda voice: voice.reports.user_calls(MxpEndpoint("my user")), REPORT
    ),
    "reports.user_calls_by_window": Sample(
        lambda voice: everything(
            voice.reports.user_calls_by_window(
                MxpEndpoint("my user"), date(2026, 11, 1), date(2026, 11, 3)
            )
        ),
        REPORT,
    ),
    "reports.counter": Sample(lambda voice: voice.reports.counter("currentcalls"), {"value": 1}),
    "reports.service_status": Sample(
        lambda voice: voice.reports.service_status("rtpproxy"), {"status": "up"}
    ),
}


def route_of(method: str) -> Route:
    """The declaration of the operation that a method is first of all."""
    return next(route for route in ROUTES if method in route.methods)


def everything(iterator: Any) -> Any:
    """What an iterator gives; with an asynchronous one, something to be awaited."""
    if not hasattr(iterator, "__aiter__"):
        return list(iterator)

    async def gathered() -> list[Any]:
        return [item async for item in iterator]

    return gathered()
