"""One call of each operation's method, with an answer to it, for tests of all operations."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable
from datetime import date
from typing import Any

import attrs
import httpx
from sinchvoice import MxpEndpoint, svaml
from sinchvoice.applications import Applications, AsyncApplications
from sinchvoice.callouts import AsyncCallouts, Callouts
from sinchvoice.calls import AsyncCalls, Calls
from sinchvoice.conferences import AsyncConferences, Conferences
from sinchvoice.reports import AsyncReports, Reports
from sinchvoice.routes import ROUTES, Route

ID = "4398599d1ba84ef3bde0a82dfb61abed"
REPORT = {"success": 1, "failed": 0, "duration": 5}


#: The surfaces of a client, blocking and awaited.
SURFACES: dict[str, tuple[type, type]] = {
    "callouts": (Callouts, AsyncCallouts),
    "calls": (Calls, AsyncCalls),
    "conferences": (Conferences, AsyncConferences),
    "applications": (Applications, AsyncApplications),
    "reports": (Reports, AsyncReports),
}


@attrs.frozen
class Sample:
    """A call of a method.

    Attributes:
        run: Makes the call, with a client of either kind.
        answer: An answer that a server may give; None for no content.
    """

    run: Callable[[Any], Any]
    answer: dict[str, Any] | None = None

    def response(self) -> httpx.Response:
        """Return the answer as a response."""
        return httpx.Response(204) if self.answer is None else httpx.Response(200, json=self.answer)


PHONE = "+12125550123"
_MEMBER: dict[str, str] = {"conference_id": "room 1", "call_id": ID}

SAMPLES: dict[str, Sample] = {
    "callouts.text_to_speech": Sample(
        lambda voice: voice.callouts.text_to_speech(PHONE, text="Hello", cli="+46730170101"),
        {"callId": ID},
    ),
    "callouts.conference": Sample(
        lambda voice: voice.callouts.conference(PHONE, conference_id="room 1"), {"callId": ID}
    ),
    "callouts.custom": Sample(
        lambda voice: voice.callouts.custom(PHONE, ace=svaml.Svaml(action=svaml.Hangup())),
        {"callId": ID},
    ),
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
    "conferences.get": Sample(
        lambda voice: voice.conferences.get("room 1"), {"participants": [{"id": ID}]}
    ),
    "conferences.call": Sample(
        lambda voice: voice.conferences.call(PHONE, conference_id="room 1"), {"callId": ID}
    ),
    "conferences.kick_all": Sample(lambda voice: voice.conferences.kick_all("room 1")),
    "conferences.kick_participant": Sample(
        lambda voice: voice.conferences.kick_participant(**_MEMBER)
    ),
    "conferences.manage_participant": Sample(
        lambda voice: voice.conferences.manage_participant(**_MEMBER, command="mute")
    ),
    "conferences.mute": Sample(lambda voice: voice.conferences.mute(**_MEMBER)),
    "conferences.unmute": Sample(lambda voice: voice.conferences.unmute(**_MEMBER)),
    "conferences.hold": Sample(lambda voice: voice.conferences.hold(**_MEMBER, moh="ring")),
    "conferences.resume": Sample(lambda voice: voice.conferences.resume(**_MEMBER)),
    "applications.get_numbers": Sample(
        lambda voice: voice.applications.get_numbers(),
        {"numbers": [{"number": PHONE, "capability": "voice"}]},
    ),
    "applications.assign_numbers": Sample(lambda voice: voice.applications.assign_numbers([PHONE])),
    "applications.unassign_number": Sample(lambda voice: voice.applications.unassign_number(PHONE)),
    "applications.get_callback_urls": Sample(
        lambda voice: voice.applications.get_callback_urls(),
        {"url": {"primary": "https://primary.example.com"}},
    ),
    "applications.update_callback_urls": Sample(
        lambda voice: voice.applications.update_callback_urls(primary="https://a.example.com")
    ),
    "applications.query_number": Sample(
        lambda voice: deprecated(lambda: voice.applications.query_number(PHONE)),
        {"number": {"normalizedNumber": PHONE}},
    ),
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
    "reports.user_calls_many": Sample(
        lambda voice: reported(voice.reports.user_calls_many([MxpEndpoint("my user")])), REPORT
    ),
    "reports.counter": Sample(lambda voice: voice.reports.counter("currentcalls"), {"value": 1}),
    "reports.service_status": Sample(
        lambda voice: voice.reports.service_status("rtpproxy"), {"status": "up"}
    ),
}


def route_of(method: str) -> Route:
    """Return the declaration of a method's main operation."""
    return next(route for route in ROUTES if method in route.methods)


def deprecated(call: Callable[[], Any]) -> Any:
    """Return the result of a deprecated method without its warning; it may have to be awaited."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        result = call()
    if not inspect.isawaitable(result):
        return result

    async def awaited() -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            return await result

    return awaited()


def everything(iterator: Any) -> Any:
    """Return the items of an iterator; for an asynchronous one, an awaitable of them."""
    if not hasattr(iterator, "__aiter__"):
        return list(iterator)

    async def gathered() -> list[Any]:
        return [item async for item in iterator]

    return gathered()


def reported(outcomes: Any) -> Any:
    """Return the reports of a run over many users, or raise the error of one."""
    if not hasattr(outcomes, "__aiter__"):
        return [outcome.result() for outcome in outcomes]

    async def gathered() -> list[Any]:
        return [outcome.result() async for outcome in outcomes]

    return gathered()
