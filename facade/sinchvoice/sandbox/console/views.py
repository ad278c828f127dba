"""The contents of the console's pages, as plain values for the templates."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from heapq import nlargest
from typing import Any

import attrs

from ...endpoints import Endpoint, MxpEndpoint, OtherEndpoint, PstnEndpoint, SipEndpoint
from ...errors import printable
from ...svaml import (
    ConnectMxp,
    ConnectPstn,
    ConnectSip,
    ConnectStream,
    Continue,
    PlayFiles,
    Raw,
    RunMenu,
    Say,
)
from ...vocabulary import CallLeg
from ..call import CallState, Heard, SandboxCall
from ..deliveries import CallbackUrl, SandboxCallback
from ..journal import Entry, Happened, Performed, Requested, Spoken
from ..world import World

__all__ = [
    "CallPage",
    "CallsPage",
    "Line",
    "call_page",
    "calls_page",
    "listeners_of",
    "name_of",
    "request_lines",
]

#: Most ongoing calls, ended calls and entries of a call on a page.
ONGOING, ENDED, ENTRIES = 50, 20, 200
_MOST_TEXT = 4_000  # characters

_EVENTS = {
    "ice": "ICE, incoming call",
    "ace": "ACE, answered call",
    "pie": "PIE, prompt input",
    "dice": "DiCE, disconnected call",
    "notify": "Notify",
}
_KINDS = {
    "incoming": "incoming call",
    "tts": "text-to-speech callout",
    "conference": "conference callout",
    "custom": "custom callout",
    "added": "call without callbacks",
}


@attrs.frozen(kw_only=True)
class CallRow:
    """A call in a list."""

    call_id: str
    started: str
    kind: str
    ends: str
    state: str
    situation: str
    muted: bool = False
    on_hold: bool = False


@attrs.frozen(kw_only=True)
class CallsPage:
    """The calls of a sandbox."""

    ongoing: Sequence[CallRow]
    ended: Sequence[CallRow]
    more_ongoing: int
    more_ended: int
    conferences: Sequence[tuple[str, Sequence[CallRow]]]


@attrs.frozen(kw_only=True)
class Part:
    """A detail of an entry, such as a body."""

    title: str
    text: str
    lines: Sequence[tuple[str, str]] = ()


@attrs.frozen(kw_only=True)
class Line:
    """An entry of the timeline.

    Attributes:
        number: Its number.
        time: Its time.
        kind: `callback`, `request`, `svaml`, `heard`, `phone` or `call`.
        label: Name of the kind.
        text: Description.
        note: Additional information.
        problem: Error; empty without one.
        parts: Details.
    """

    number: int
    time: str
    kind: str
    label: str
    text: str
    note: str = ""
    problem: str = ""
    parts: Sequence[Part] = ()


@attrs.frozen(kw_only=True)
class Phone:
    """One end of a call.

    Attributes:
        side: `caller` or `callee`.
        title: Its heading.
        who: Its number or user.
        heard: Words played or said to it: number of the entry, speaker, words.
        can_answer: Whether it rings.
        can_press: Whether its keys have an effect.
        can_talk: Whether somebody can speak into it.
        can_hang_up: Whether it can end the call.
        hang_up: Label of the button that ends the call.
    """

    side: str
    title: str
    who: str
    heard: Sequence[tuple[int, str, str]]
    can_answer: bool
    can_press: bool
    can_talk: bool
    can_hang_up: bool
    hang_up: str


@attrs.frozen(kw_only=True)
class CallPage:
    """A call with its phones and its timeline."""

    call: CallRow
    is_over: bool
    facts: Sequence[tuple[str, str]]
    keys: Sequence[tuple[str, str]]
    phones: Sequence[Phone]
    lines: Sequence[Line]
    dropped: int


# --- Calls ---------------------------------------------------------------------------------------


def calls_page(world: World) -> CallsPage:
    """Return the calls, newest first, and the conferences."""
    with world.lock:
        ended: list[SandboxCall] = []
        ongoing: list[SandboxCall] = []
        for call in world.calls.values():
            (ongoing if call.ended is None else ended).append(call)
        rooms: dict[str, list[CallRow]] = {}
        for call in ongoing:
            if call.conference_id is not None:
                rows = rooms.setdefault(call.conference_id, [])
                if len(rows) < ONGOING:
                    rows.append(_row(call))
        return CallsPage(
            ongoing=[_row(call) for call in ongoing[: -ONGOING - 1 : -1]],
            ended=[_row(call) for call in nlargest(ENDED, ended, key=lambda call: call.started)],
            more_ongoing=max(len(ongoing) - ONGOING, 0),
            more_ended=max(len(ended) - ENDED, 0),
            conferences=sorted(rooms.items())[:ONGOING],
        )


def _row(call: SandboxCall) -> CallRow:
    is_ringing = call.line is not None and call.line.is_ringing
    return CallRow(
        call_id=call.call_id,
        started=f"{call.started:%m-%d %H:%M:%S}",
        kind=_KINDS[call.kind],
        ends=f"{name_of(call.from_)} → {name_of(call.to)}",
        state="ringing" if is_ringing else str(call.state),
        situation=situation(call),
        muted=call.muted,
        on_hold=call.on_hold,
    )


def name_of(endpoint: Endpoint | None) -> str:
    """Return an endpoint as text."""
    match endpoint:
        case None:
            return "private"
        case PstnEndpoint(number):
            return printable(number)
        case MxpEndpoint(username):
            return printable(username)
        case SipEndpoint(address):
            return printable(address)
        case OtherEndpoint("conference", room):
            return f"conference {printable(str(room))}"
        case OtherEndpoint(_, name) if name:
            return printable(str(name))
    return "nobody yet"


def situation(call: SandboxCall) -> str:
    """Return the situation of a call in a few words."""
    if call.state == CallState.ENDED:
        return f"ended: {call.result}, {call.reason}, {call.duration} s"
    if call.line is not None and call.line.is_ringing:
        return f"ringing at {name_of(call.to)}"
    if call.conference_id is not None:
        return f"in conference {printable(call.conference_id)}"
    if call.state == CallState.PARKED:
        return "parked"
    match _last_action(call):
        case RunMenu():
            return "in a menu"
        case ConnectPstn() | ConnectSip() | ConnectMxp() | ConnectStream():
            return f"connected to {name_of(call.to)}"
    return "ringing" if call.state == CallState.RINGING else "answered"


def _last_action(call: SandboxCall) -> Any:
    for action in reversed(call.actions):
        if not isinstance(action, Continue | Raw):
            return action
    return None


def listeners_of(world: World, call: SandboxCall, who: str) -> tuple[tuple[str, str], ...]:
    """Return the listeners of a speaker, as `(call id, who)`. The world must be locked."""
    if call.conference_id is not None:
        if call.muted or call.on_hold:
            return ()
        return tuple(
            (other.call_id, _person(other))
            for other in world.calls.values()
            if other is not call
            and other.conference_id == call.conference_id
            and (other.region, other.application_key) == (call.region, call.application_key)
            and other.ended is None
            and not other.on_hold
        )
    is_connected = isinstance(
        _last_action(call), ConnectPstn | ConnectSip | ConnectMxp | ConnectStream
    )
    if not is_connected or (call.line is not None and call.line.is_ringing):
        return ()
    return ((call.call_id, "callee" if who == "caller" else "caller"),)


def _person(call: SandboxCall) -> str:
    return "callee" if call.kind in ("tts", "conference", "custom") else "caller"


# --- One call ------------------------------------------------------------------------------------


def call_page(world: World, call_id: str, limit: int = ENTRIES) -> CallPage | None:
    """Return the page of a call; None if the sandbox does not have the call."""
    with world.lock:
        call = world.calls.get(call_id)
        if call is None or world.journal is None:
            return None
        entries, dropped = world.journal.read(call_id)
        row = _row(call)
        facts = _facts(call)
        action = _last_action(call)
        in_menu = isinstance(action, RunMenu) and call.conference_id is None and not call.ended
        keys = _keys(action) if in_menu else ()
        phones = _phones(call, entries)
    shown = entries[-limit:]
    return CallPage(
        call=row,
        is_over=row.state == CallState.ENDED,
        facts=facts,
        keys=keys,
        phones=phones,
        lines=[_line(entry) for entry in shown],
        dropped=dropped + len(entries) - len(shown),
    )


def _facts(call: SandboxCall) -> list[tuple[str, str]]:
    facts = [("Call id", call.call_id), ("Kind", _KINDS[call.kind])]
    facts.append(("Application", printable(call.application_key)))
    if call.custom:
        facts.append(("Custom", printable(call.custom, _MOST_TEXT)))
    if call.cookies:
        cookies = "; ".join(f"{key}={value}" for key, value in call.cookies.items())
        facts.append(("Cookies", printable(cookies, _MOST_TEXT)))
    if call.dtmf:
        facts.append(("Keys sent by SVAML", printable(call.dtmf)))
    if call.recording is not None:
        facts.append(("Recording", "on"))
    if call.muted or call.on_hold:
        facts.append(("In the conference", "muted" if call.muted else "on hold"))
    return facts


def _keys(action: RunMenu) -> list[tuple[str, str]]:
    return [
        (printable(option.dtmf), printable(option.action))
        for menu in action.menus or ()
        for option in menu.options or ()
    ]


def _phones(call: SandboxCall, entries: Iterable[Entry]) -> list[Phone]:
    heard: dict[str, list[tuple[int, str, str]]] = {"caller": [], "callee": []}
    is_callout = _person(call) == "callee"
    for entry in entries:
        match entry.what:
            case Heard(leg, what):
                sides = ["callee"] if is_callout else [str(leg)]
                for side in ["caller", "callee"] if leg == CallLeg.BOTH else sides:
                    heard[side].append((entry.number, "the application", _words(what)))
            case Spoken(who, text, to, _):
                for call_id, side in to:
                    if call_id == call.call_id:
                        heard[side].append((entry.number, who, printable(text, _MOST_TEXT)))
    has_line = call.line is not None
    is_ringing = call.line is not None and call.line.is_ringing
    is_over = call.ended is not None
    talks = not is_over and not is_ringing and call.answered is not None
    has_callee = is_callout or isinstance(
        _last_action(call), ConnectPstn | ConnectSip | ConnectMxp | ConnectStream
    )
    phones = []
    if not is_callout:
        phones.append(
            Phone(
                side="caller",
                title="Caller",
                who=name_of(call.from_),
                heard=heard["caller"][-ENTRIES:],
                can_answer=False,
                can_press=has_line and not is_over,
                can_talk=not is_over and has_line,
                can_hang_up=not is_over,
                hang_up="Hang up",
            )
        )
    if has_callee or call.kind == "added" or heard["callee"]:
        phones.append(
            Phone(
                side="callee",
                title="Person called" if is_callout else "Callee",
                who=name_of(call.to),
                heard=heard["callee"][-ENTRIES:],
                can_answer=is_ringing,
                can_press=is_callout and has_line and not is_over,
                can_talk=talks and has_line and has_callee,
                can_hang_up=not is_over and has_callee,
                hang_up="Decline" if is_ringing else "Hang up",
            )
        )
    return phones


# --- Timeline ------------------------------------------------------------------------------------


def request_lines(entries: Iterable[Entry]) -> list[Line]:
    """Return requests, newest first."""
    return [_line(entry) for entry in reversed(list(entries))]


def _line(entry: Entry) -> Line:
    kind, label, details = _told(entry.what)
    return Line(number=entry.number, time=_time(entry.at), kind=kind, label=label, **details)


def _told(what: Any) -> tuple[str, str, dict[str, Any]]:
    match what:
        case SandboxCallback():
            return "callback", "Callback", _callback(what)
        case Requested():
            return "request", "API request", _request(what)
        case Performed(leg, svaml):
            wire = svaml.to_wire()
            name = str(wire.pop("name", "")) or "raw SVAML"
            for_whom = "" if leg == CallLeg.CALLER else f" for the {leg}"
            shown = Part(title="SVAML", text=_json(wire)) if wire else None
            return (
                "svaml",
                "SVAML",
                {"text": printable(name) + for_whom, "parts": [shown] if shown else []},
            )
        case Heard(leg, said):
            name = "say" if isinstance(said, Say) else "playFiles"
            text = f"{_who(leg)} hear{'' if leg == CallLeg.BOTH else 's'} “{_words(said)}”"
            return "heard", "SVAML", {"text": text, "note": name}
        case Spoken(who, text, to, is_recorded):
            heard = f"{len(to)} others hear it" if len(to) > 1 else "the other side hears it"
            notes = [heard] if to else []
            notes += ["it is recorded"] if is_recorded else []
            return (
                "phone",
                "Phone",
                {
                    "text": f"the {who} says “{printable(text, _MOST_TEXT)}”",
                    "note": ", ".join(notes) or "nobody hears it",
                },
            )
        case Happened("call", did):
            return "call", "Call", {"text": f"the call {printable(did)}"}
        case Happened(who, did):
            return "phone", "Phone", {"text": f"the {who} {printable(did)}"}
    raise TypeError(f"unknown entry {what!r}")


def _callback(sent: SandboxCallback) -> dict[str, Any]:
    event = _EVENTS.get(sent.event, sent.event)
    if sent.status is None and sent.error is None:
        text = f"{event}: waiting for the answer"
    else:
        answer = "no answer" if sent.status is None else f"HTTP {sent.status}"
        text = f"{event}: {answer} after {sent.seconds:.3f} s"
    notes = [] if sent.which == CallbackUrl.PRIMARY else [f"{sent.which} URL"]
    notes += ["sent again"] if sent.is_repeat else []
    notes += [f"fault: {fault}" for fault in sent.faults]
    parts = [
        Part(title=f"Request to {printable(sent.url)}", text=_text(sent.body)),
        Part(title="Answer", text=_text(sent.answer) or "(empty)"),
    ]
    problem = printable(sent.error or "", 1_000)
    return {"text": text, "note": ", ".join(notes), "problem": problem, "parts": parts}


def _request(request: Requested) -> dict[str, Any]:
    answer = "no answer" if request.status is None else f"HTTP {request.status}"
    problem, notes = "", []
    if request.scheme == "application":
        problem = f"the signature is not valid: {request.refusal}" if request.refusal else ""
        notes.append("" if request.refusal else "the signature is valid")
    elif request.scheme == "basic":
        notes.append("Basic authentication, not signed")
    else:
        notes.append("not signed")
    notes += [f"fault: {fault}" for fault in request.faults]
    if not problem and (request.status or 0) >= 400:
        problem = _message(request.answer)
    names = ("method", "MD5 of the body", "Content-Type", "x-timestamp", "path")
    parts = []
    if request.signed:
        lines = [
            (name, printable(line, _MOST_TEXT) or "(empty)")
            for name, line in zip(names, request.signed, strict=False)
        ]
        title = f"Signed text, by application {printable(request.application)}"
        parts.append(Part(title=title, text="", lines=lines))
    parts.append(Part(title="Body", text=_text(request.body) or "(empty)"))
    parts.append(Part(title="Answer", text=_text(request.answer) or "(empty)"))
    return {
        "text": f"{request.method} {printable(request.target)}: {answer}",
        "note": ", ".join(note for note in notes if note),
        "problem": problem,
        "parts": parts,
    }


def _message(answer: bytes) -> str:
    try:
        content = json.loads(answer)
        return printable(f"{content['errorCode']}: {content['message']}")
    except (ValueError, TypeError, KeyError, RecursionError):
        return ""


def _who(leg: CallLeg) -> str:
    return "both" if leg == CallLeg.BOTH else f"the {leg}"


def _words(what: Say | PlayFiles) -> str:
    """Return the words for a listener: text, also from `#tts[…]`, or names of files."""
    if isinstance(what, Say):
        return printable(what.text or "", _MOST_TEXT)
    said = []
    for file in what.ids or ():
        kind, bracket, rest = file.partition("[")
        if bracket and rest.endswith("]") and kind in ("#tts", "#ssml"):
            said.append(rest[:-1])
        else:
            said.append(f"♪ {rest[:-1] if kind == '#href' else file}")
    return printable(" ".join(said), _MOST_TEXT)


def _time(moment: datetime) -> str:
    return f"{moment:%H:%M:%S}.{moment.microsecond // 1000:03}"


def _json(value: Any) -> str:
    return _lines(json.dumps(value, indent=2, ensure_ascii=False))


def _text(body: bytes) -> str:
    """Return a body as text: JSON indented, anything else unchanged."""
    try:
        return _json(json.loads(body))
    except (ValueError, RecursionError):
        return _lines(body.decode("utf-8", "replace"))


def _lines(text: str) -> str:
    cut = text if len(text) <= _MOST_TEXT else text[:_MOST_TEXT] + "…"
    return "\n".join(printable(line, _MOST_TEXT) for line in cut.split("\n"))
