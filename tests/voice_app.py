"""A voice application for tests, and a check of the callbacks sent to it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from typing import Any

import jsonschema_rs
import regenerate
from sinchvoice import Credentials
from sinchvoice.callbacks import (
    AnsweredCall,
    CallbackAnswer,
    CallbackRefused,
    Callbacks,
    Event,
    RecentlySeen,
)
from sinchvoice.sandbox import Sandbox, faults
from sinchvoice.svaml import Continue, Svaml

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)

#: An answer to an event: SVAML, an HTTP status, or raw bytes.
Reply = Svaml | int | bytes | None


class App:
    """A voice application over WSGI that keeps its events and gives prepared answers."""

    def __init__(self, box: Sandbox) -> None:
        self.events: list[Event] = []
        self.replies: dict[type, Callable[[Any], Reply]] = {}
        self.callbacks = Callbacks(
            Credentials(box.application_key, box.application_secret), seen=RecentlySeen()
        )

    def on(self, kind: type, *replies: Reply) -> None:
        """Set the answers to events of a kind, in order; the last one is repeated."""
        left = list(replies)
        self.replies[kind] = lambda _: left.pop(0) if len(left) > 1 else left[0]

    def names(self) -> list[str]:
        """Return the names of the received events."""
        return [str(event.event) for event in self.events]

    def last(self, kind: type) -> Any:
        return [event for event in self.events if isinstance(event, kind)][-1]

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        try:
            event = self.callbacks.receive_wsgi(environ)
        except CallbackRefused as refused:
            start_response(f"{refused.status_code} refused", [])
            return []
        self.events.append(event)
        reply = self.replies.get(type(event), lambda _: None)(event)
        if isinstance(reply, int):
            start_response(f"{reply} as told", [])
            return []
        if reply is None and isinstance(event, AnsweredCall):
            reply = Svaml(action=Continue())
        raw = isinstance(reply, bytes)
        answer = CallbackAnswer(reply) if raw else event.answer(reply)
        start_response("200 OK", list(answer.headers.items()))
        return [answer.body]


@cache
def _schemas() -> dict[str, Any]:
    found: dict[str, Any] = regenerate.strict("calling")["components"]["schemas"]
    return found


@cache
def _schema(event: str) -> Any:
    wanted, needed = [f"{event}Request"], {}
    while wanted:
        name = wanted.pop()
        needed[name] = _schemas()[name]
        named = re.findall('"#/components/schemas/([^"]+)"', json.dumps(needed[name]))
        wanted += [other for other in named if other not in needed]
    return jsonschema_rs.Draft202012Validator(
        {
            "$ref": f"#/components/schemas/{event}Request",
            "components": {"schemas": needed},
        }
    )


def check_callbacks(box: Sandbox) -> None:
    """Check all sent callbacks against the strict specification."""
    for sent in box.callbacks:
        if faults.Tampered() not in sent.faults:
            _schema(sent.event).validate(sent.content)
