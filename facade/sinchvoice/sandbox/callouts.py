"""Translates a callout into a call and the plan of its life."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from ..endpoints import Endpoint, MxpEndpoint, PstnEndpoint, read
from ..errors import InvalidRequest
from ..svaml import ConnectConf, ConnectMxp, ConnectPstn, ConnectSip, PlayFiles, Say
from .dialogs import NOBODY, RING, Answered, Invalid, Kind, Plan, Silence
from .switchboard import read_answer

__all__ = ["callback_headers", "plan_callout"]

_EVENTS = ("ice", "ace", "pie", "dice")
_KINDS: Mapping[str, Kind] = {
    "ttsCallout": "tts",
    "conferenceCallout": "conference",
    "customCallout": "custom",
}
_MAX_HEADERS, _MAX_NAME, _MAX_VALUE = 5, 32, 128


def plan_callout(
    body: Mapping[str, Any],
    *,
    ring: float | None,
    region_url: str,
    headers: Iterable[tuple[str, str]],
) -> tuple[dict[str, Any], Plan]:
    """Translate a checked request for a callout.

    Args:
        body: The request.
        ring: Seconds until the callee answers; None for the default of the kind.
        region_url: Base URL of the calling API that received the request.
        headers: Headers of the callbacks.

    Returns:
        Arguments of the call (`from_`, `to`, `custom`), and the plan.
    """
    kind = _KINDS[body["method"]]
    wanted: Mapping[str, Any] = body[body["method"]]
    destination = read(wanted.get("destination"))
    default_ring = 0.0 if kind == "conference" else RING
    answers: dict[str, Answered | Invalid | Silence] = {}
    urls: dict[str, str] = {}
    if kind == "custom":
        for event in _EVENTS:
            given = wanted.get(event)
            if given and re.match("https?://", given, re.IGNORECASE):
                urls[event] = given
            elif given:
                answers[event] = read_answer({"event": event}, given.encode("utf-8"))
    who = {
        "from_": _caller(wanted.get("cli")),
        "to": destination or _first_callee(answers.get("ice")),
        "custom": wanted.get("custom", ""),
    }
    plan = Plan(
        kind=kind,
        ring=default_ring if ring is None else ring,
        sends=_sends(kind, wanted, destination),
        answers=answers,
        urls=urls,
        headers=tuple(headers),
        dialled=destination is not None,
        region_url=region_url,
        text=_text(kind, wanted),
        conference=_conference(wanted) if kind == "conference" else None,
        dtmf=wanted.get("dtmf"),
        max_duration=wanted.get("maxDuration"),
    )
    return who, plan


def callback_headers(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[str, str]]:
    """Return the headers of a request that its callbacks repeat; those over the limits are dropped.

    Source: "X-CB" headers of the older calling page (2021).
    """
    kept = []
    for raw_name, raw_value in headers:
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
        if (
            name.lower().startswith("x-cb-")
            and len(name) <= _MAX_NAME
            and len(value) <= _MAX_VALUE
            and re.fullmatch("[ -~]*", value)
        ):
            kept.append((name, value))
    return kept[:_MAX_HEADERS]


def _sends(kind: Kind, wanted: Mapping[str, Any], destination: Endpoint | None) -> frozenset[str]:
    """Return the requested events; exceptions for app users are made during the call."""
    if kind == "custom":
        return frozenset(_EVENTS)
    flags = {"ace": "enableAce", "pie": "enablePie", "dice": "enableDice"}
    sends = {event for event, flag in flags.items() if wanted.get(flag)}
    if kind == "conference" and isinstance(destination, MxpEndpoint):
        sends.discard("dice")
    return frozenset(sends)


def _caller(cli: str | None) -> Endpoint | None:
    if not cli:
        return None
    try:
        return PstnEndpoint(cli if cli.startswith("+") else f"+{cli}")
    except InvalidRequest:
        return read({"type": "username", "endpoint": cli})


def _first_callee(answer: object) -> Endpoint:
    """Return the callee in the ICE answer that the callout carries, if there is one."""
    if isinstance(answer, Answered):
        match answer.action:
            case ConnectPstn(number=str(number)):
                return PstnEndpoint(number)
            case ConnectSip(destination) | ConnectMxp(destination=MxpEndpoint() as destination):
                return destination
    return NOBODY


def _text(kind: Kind, wanted: Mapping[str, Any]) -> Say | PlayFiles | None:
    locale = wanted.get("locale")
    if kind == "conference":
        return _say(wanted.get("greeting"), locale)
    prompts = [part for part in wanted.get("prompts", "").split(";") if part]
    if prompts:
        return PlayFiles(prompts, locale=locale)
    return _say(wanted.get("text"), locale)


def _say(text: str | None, locale: str | None) -> Say | None:
    """Return the text unchecked: the sandbox gives no warnings about its length."""
    if not text:
        return None
    wire = {"name": "say", "text": text, **({"locale": locale} if locale else {})}
    return Say.from_wire(wire)


def _conference(wanted: Mapping[str, Any]) -> ConnectConf:
    # JSON has only one kind of number: 2.0 is a whole number, too.
    options = {
        key: int(part) if isinstance(part, float) else part
        for key, part in wanted.get("conferenceDtmfOptions", {}).items()
    }
    action = {
        "name": "connectConf",
        "conferenceId": wanted["conferenceId"],
        "conferenceDtmfOptions": options or None,
        "moh": wanted.get("mohClass"),
    }
    return ConnectConf.from_wire({key: part for key, part in action.items() if part is not None})
