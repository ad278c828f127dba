"""One call of a sandbox: its data, its state, and its form in the API."""

from __future__ import annotations

import re
from collections import deque
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any, Literal, Protocol

import attrs

from ..endpoints import Endpoint, MxpEndpoint, PstnEndpoint
from ..errors import InvalidRequest
from ..svaml import (
    Action,
    Answer,
    ConnectConf,
    ConnectPstn,
    ConnectSip,
    ConnectStream,
    Continue,
    Hangup,
    Instruction,
    Park,
    PlayFiles,
    Raw,
    RunMenu,
    Say,
    SendDtmf,
    SetCookie,
    StartRecording,
    StopRecording,
)
from ..vocabulary import CallLeg, CallReason, CallResult, CallStatus
from .clock import SandboxClock, end_of
from .journal import Happened, Journal, Performed

__all__ = ["CallState", "Heard", "Line", "SandboxCall"]

#: Instructions that each call keeps.
INSTRUCTIONS = 1_000


class CallState(StrEnum):
    """State of a call in the sandbox; the API only distinguishes ended calls from others."""

    RINGING = "ringing"
    ANSWERED = "answered"
    PARKED = "parked"
    ENDED = "ended"


@attrs.frozen
class Heard:
    """Something played or said in a call.

    Attributes:
        leg: Who heard it.
        what: The instruction.
    """

    leg: CallLeg
    what: Say | PlayFiles


class Line(Protocol):
    """Drives a call that sends callbacks."""

    def answer(self, *, by_machine: bool) -> None:
        """Let the callee pick up."""
        ...

    def press(self, keys: str) -> None:
        """Press keys."""
        ...

    def hang_up(self, reason: CallReason, result: CallResult | None) -> None:
        """Let one side hang up."""
        ...

    def order(self, instructions: list[Instruction], actions: list[Action], leg: CallLeg) -> None:
        """Carry out the SVAML of a request."""
        ...

    @property
    def is_ringing(self) -> bool:
        """Whether the callee's phone is ringing."""
        ...


_GIVES_UP = {"caller": "gives up", "callee": "declines"}


@attrs.frozen
class _Ending:
    at: datetime
    reason: CallReason
    result: CallResult | None = None  # None: depends on whether the call was answered by then


class SandboxCall:
    """A call in the sandbox. Its attributes show the current state, by the sandbox's clock.

    Attributes:
        call_id: Its id.
        application_key: The application that it belongs to.
        from_: The caller; None if the API omits the caller.
        to: The callee.
        started: When the call began, in UTC.
        custom: Text attached by the application.
        rate: Price per minute, in euros.
        cookies: The cookies set with `setCookie`.
        dtmf: All digits sent with `sendDtmf`.
        recording: How the call is being recorded; None if it is not.
        conference_id: The conference that the call is in; None if it is in none.
        region: The region of the call and its conferences; empty for that of `calling_url`.
        joined: When the call joined the conference, in UTC.
        muted: Whether the call is muted in the conference.
        on_hold: Whether the call is on hold in the conference.
        call_headers: Headers that the call was connected with, as pairs.
        kind: How the call began: `incoming`; `tts`, `conference` or `custom` for a callout; `added`
            for `add_call`.
    """

    def __init__(
        self,
        *,
        clock: SandboxClock,
        call_id: str,
        application_key: str,
        from_: Endpoint | None,
        to: Endpoint,
        started: datetime,
        ring: float | None = 0,
        duration: float | None = None,
        result: CallResult = CallResult.ANSWERED,
        reason: CallReason | None = None,
        custom: str = "{}",
        rate: Decimal = Decimal("0.1758"),
        region: str = "",
    ) -> None:
        self.call_id = call_id
        self.application_key = application_key
        self.from_ = from_
        self.to = to
        self.started = started
        self.custom = custom
        self.rate = rate
        self.cookies: dict[str, str] = {}
        self.dtmf = ""
        self.recording: StartRecording | None = None
        self.conference_id: str | None = None
        self.region = region
        self.joined: datetime | None = None
        self.muted = False
        self.on_hold = False
        self.call_headers: tuple[tuple[str, str], ...] = ()
        self.kind: Literal["incoming", "tts", "conference", "custom", "added"] = "added"
        self.line: Line | None = None
        self.journal: Journal | None = None
        self._clock = clock
        self._heard: deque[Heard] = deque(maxlen=INSTRUCTIONS)
        self._instructions: deque[Instruction] = deque(maxlen=INSTRUCTIONS)
        self._actions: deque[Action] = deque(maxlen=INSTRUCTIONS)
        self._is_parked = False
        # The call ends at the earliest of these: as planned, at the limit set by its last action,
        # or at the limit of the whole call (`_cap`).
        self._plan: _Ending | None = None
        self._limit: _Ending | None = None
        self._cap: _Ending | None = None
        self._answered: datetime | None = None
        if ring is None:  # rings until something happens
            return
        picked_up = started + timedelta(seconds=ring)
        if result == CallResult.ANSWERED:
            self._answered = picked_up
            if duration is not None:
                ended = picked_up + timedelta(seconds=duration)
                self._plan = _Ending(ended, reason or CallReason.CALLER_HANGUP)
        else:
            if reason is None and result == CallResult.NO_ANSWER:
                reason = CallReason.TIMEOUT
            self._plan = _Ending(picked_up, reason or CallReason.NOT_AVAILABLE, result)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({self.call_id!r}, from_={self.from_!r}, to={self.to!r}, "
            f"state={self.state.value!r})"
        )

    @property
    def state(self) -> CallState:
        """The state of the call."""
        if self.ended is not None:
            return CallState.ENDED
        if self._is_parked:
            return CallState.PARKED
        return CallState.RINGING if self.answered is None else CallState.ANSWERED

    @property
    def status(self) -> CallStatus:
        """The status in the API: ongoing or final."""
        return CallStatus.ONGOING if self.ended is None else CallStatus.FINAL

    @property
    def answered(self) -> datetime | None:
        """When the call was answered, in UTC; None if it was not, or not yet."""
        ending = self._ending()
        until = min(self._clock.now, ending.at) if ending else self._clock.now
        return self._answered if self._answered and self._answered <= until else None

    @property
    def ended(self) -> datetime | None:
        """When the call ended, in UTC; None while it is ongoing."""
        ending = self._ending()
        return ending.at if ending and ending.at <= self._clock.now else None

    @property
    def result(self) -> CallResult:
        """The result of the call; `N/A` while it rings."""
        ending = self._ending()
        if self.answered is not None:
            return CallResult.ANSWERED
        if ending is None or ending.at > self._clock.now:
            return CallResult.NOT_AVAILABLE
        return ending.result or CallResult.NO_ANSWER

    @property
    def reason(self) -> CallReason:
        """Why the call ended; `N/A` while it is ongoing."""
        ending = self._ending()
        return (
            ending.reason if ending and ending.at <= self._clock.now else CallReason.NOT_AVAILABLE
        )

    @property
    def duration(self) -> int:
        """Time since the answer, until now or the end, in whole seconds."""
        answered = self.answered
        if answered is None:
            return 0
        return int(((self.ended or self._clock.now) - answered).total_seconds())

    @property
    def ends_at(self) -> datetime | None:
        """When the call ends or ended, in UTC; None if that is not known yet."""
        ending = self._ending()
        return ending.at if ending else None

    @property
    def heard(self) -> list[Heard]:
        """Everything played or said, in order; the last 1,000."""
        return list(self._heard)

    @property
    def instructions(self) -> list[Instruction]:
        """The instructions carried out, in order; the last 1,000."""
        return list(self._instructions)

    @property
    def actions(self) -> list[Action]:
        """The actions carried out, in order; the last 1,000."""
        return list(self._actions)

    def answer(self, *, by_machine: bool = False) -> None:
        """Let the callee pick up now, before the planned time.

        Returns when all resulting callbacks are answered.

        Args:
            by_machine: An answering machine picks up; `amd` of ConnectPstn detects it.

        Raises:
            InvalidRequest: The call is not ringing.
        """
        if self.line is not None:
            self.line.answer(by_machine=by_machine)
        elif self.state == CallState.RINGING:
            self.pick_up()
        else:
            raise InvalidRequest(f"the call is not ringing, it is {self.state}")

    def press(self, keys: str) -> None:
        """Press keys, one after the other, for a menu or a conference.

        Returns when all resulting callbacks are answered.

        Args:
            keys: 0-9, `*` and `#`.

        Raises:
            InvalidRequest: There are other keys, the call has ended, or `add_call` made it.
        """
        if not isinstance(keys, str) or not re.fullmatch(r"[0-9*#]+", keys):
            raise InvalidRequest(parameter="keys", value=keys, remedy="give 0-9, * and #")
        self._check_going_on()
        if self.line is None:
            raise InvalidRequest(
                "calls made by add_call have no menus for keys",
                remedy="make the call with incoming_call or a callout",
            )
        self.note("caller" if self.kind == "incoming" else "callee", f"presses {keys}")
        self.line.press(keys)

    def hang_up(self, *, by: Literal["caller", "callee"] = "caller") -> None:
        """Let one side hang up; while the call rings, the caller gives up or the callee declines.

        Returns when all resulting callbacks are answered.

        Args:
            by: The side that hangs up. In a callout, the person called is the callee.

        Raises:
            InvalidRequest: The call has ended, or `by` is not a side.
        """
        if by not in ("caller", "callee"):
            raise InvalidRequest(parameter="by", value=by, remedy="give 'caller' or 'callee'")
        self._check_going_on()
        reason = CallReason.CALLER_HANGUP if by == "caller" else CallReason.CALLEE_HANGUP
        result = None
        if self.answered is None:
            result = CallResult.NO_ANSWER if by == "caller" else CallResult.BUSY
            reason = CallReason.CANCEL if by == "caller" else reason
        is_early = result is not None or (self.line is not None and self.line.is_ringing)
        self.note(by, _GIVES_UP[by] if is_early else "hangs up")
        if self.line is not None:
            self.line.hang_up(reason, result)
        else:
            self.end(reason, result)

    def _check_going_on(self) -> None:
        if self.ended is not None:
            raise InvalidRequest(f"the call ended at {self.ended}")

    def pick_up(self) -> None:
        """Answer the call now. It lasts as long as planned, or without a plan, indefinitely."""
        now, planned = self._clock.now, self._answered
        if self._plan and planned:
            self._plan = attrs.evolve(self._plan, at=now + (self._plan.at - planned))
        else:
            self._plan = None
        self._answered = now

    def end(self, reason: CallReason, result: CallResult | None = None) -> None:
        """End the call now. The result is for a call that was not answered."""
        self._plan = _Ending(self._clock.now, reason, result)

    def limit_to(self, seconds: float | None, *, as_a_whole: bool = False) -> None:
        """Limit the call to a number of seconds from now; None sets no limit.

        A limit after the year 9999 has no effect.
        """
        at = None if seconds is None else end_of(self._clock.now, seconds)
        limit = None if at is None else _Ending(at, CallReason.TIMEOUT)
        if as_a_whole:
            self._cap = limit
        else:
            self._limit = limit

    def hear(self, what: Say | PlayFiles, leg: CallLeg) -> None:
        """Record something played or said."""
        heard = Heard(leg, what)
        self._heard.append(heard)
        if self.journal is not None:
            self._journal(self.journal, heard)

    def note(self, who: str, did: str) -> None:
        """Add an action or event to the journal, if there is one."""
        if self.journal is not None:
            self._journal(self.journal, Happened(who, did))

    def _journal(self, journal: Journal, what: Any) -> None:
        journal.add(what, at=self._clock.now, call_id=self.call_id)

    def was_ongoing(self, moment: datetime) -> bool:
        """Tell whether the call was ongoing at that moment."""
        ending = self._ending()
        return self.started <= moment and (ending is None or moment < ending.at)

    def to_wire(self) -> dict[str, Any]:
        """Return the call as the API sends it, spelled like the vendor's server."""
        duration = self.duration
        minutes = Decimal(-(-duration // 60))
        wire: dict[str, Any] = {
            "to": _identity(self.to),
            "domain": "mxp" if isinstance(self.to, MxpEndpoint) else "pstn",
            "callId": self.call_id,
            "duration": duration,
            "status": self.status,
            "result": self.result,
            "reason": self.reason,
            # The server omits the zone of this UTC time.
            "timestamp": self.started.strftime("%Y-%m-%dT%H:%M:%S"),
            "custom": self.custom,
            "userRate": {"currencyId": "EUR", "amount": float(self.rate)},
            "debit": {"currencyId": "EUR", "amount": float(self.rate * minutes)},
        }
        return wire if self.from_ is None else {"from": _identity(self.from_), **wire}

    def find_obstacle(self, actions: list[Action]) -> str | None:
        """Return why these actions cannot be carried out now; None if they can.

        Source: PATCH takes hangup, continue and park (Voice API 1.0.1). A parked call also takes
        the actions that may answer its first callback ("Update a call in progress", 2020), and a
        call in a conference takes a menu (1.0.1, "runMenu").
        """
        for action in actions:
            limit = _limit_of(action)
            if limit is not None and end_of(self._clock.now, limit) is None:
                return "maxDuration ends after the year 9999"
            allowed: tuple[type[Any], ...] = (Hangup, Continue, Park, Raw)
            if self.conference_id is not None:
                allowed = (*allowed, RunMenu)
            if self.state != CallState.PARKED and not isinstance(action, allowed):
                name = action.to_wire()["name"]
                return f"{name} is for parked calls, and this one is {self.state}"
        return None

    def carry_out(
        self, instructions: list[Instruction], actions: list[Action], leg: CallLeg
    ) -> None:
        """Carry out SVAML that has been checked."""
        self._instructions.extend(instructions)
        self._actions.extend(actions)
        for instruction in instructions:
            if self.journal is not None and not isinstance(instruction, Say | PlayFiles):
                self._journal(self.journal, Performed(leg, instruction))
            match instruction:
                case Say() | PlayFiles():
                    self.hear(instruction, leg)
                case SendDtmf(digits):
                    # Bounded like the list of what was heard.
                    self.dtmf = (self.dtmf + (digits or ""))[-INSTRUCTIONS:]
                case SetCookie(key, value):
                    self.cookies[key or ""] = value or ""
                case StartRecording():
                    self.recording = instruction
                case StopRecording():
                    self.recording = None
                case Answer() if self.answered is None:
                    self.pick_up()
        for action in actions:
            if self.journal is not None:
                self._journal(self.journal, Performed(leg, action))
            self._act(action)

    def _act(self, action: Action) -> None:
        if isinstance(action, Raw):
            return
        if self._is_parked or not isinstance(action, Continue):  # Continue keeps the limit
            self.limit_to(_limit_of(action))
        self._is_parked = isinstance(action, Park)
        match action:
            case Hangup():
                self.end(CallReason.MANAGER_HANGUP)
            case ConnectConf(conference_id):
                self.conference_id, self.joined = conference_id, self._clock.now
                self.muted = self.on_hold = False
            case Continue() | RunMenu():  # a participant stays in the conference during a menu
                pass
            case _:
                self.conference_id = None

    def _ending(self) -> _Ending | None:
        endings = [ending for ending in (self._plan, self._limit, self._cap) if ending]
        return min(endings, key=lambda ending: ending.at, default=None)


def _identity(endpoint: Endpoint) -> dict[str, Any]:
    """Return an endpoint with a capitalised type, as the server writes numbers and usernames."""
    wire = endpoint.to_wire()
    if isinstance(endpoint, PstnEndpoint | MxpEndpoint):
        wire["type"] = wire["type"].title()
    return wire


def _limit_of(action: Action) -> float | None:
    """Return an action's limit for the call, in seconds; None if it sets none."""
    match action:
        case Park() | ConnectPstn() | ConnectSip() | ConnectStream() if action.max_duration:
            return action.max_duration
    return None
