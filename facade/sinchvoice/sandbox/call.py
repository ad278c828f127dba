"""One call of a sandbox: what it is, what has become of it, and what the API says about it."""

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

__all__ = ["CallState", "Heard", "Line", "SandboxCall"]

#: How many instructions each call remembers.
INSTRUCTIONS = 1_000


class CallState(StrEnum):
    """Where a call of the sandbox is; the API only tells ended calls from the others."""

    RINGING = "ringing"
    ANSWERED = "answered"
    PARKED = "parked"
    ENDED = "ended"


@attrs.frozen
class Heard:
    """Something that was played or said.

    Attributes:
        leg: who heard it.
        what: the instruction.
    """

    leg: CallLeg
    what: Say | PlayFiles


class Line(Protocol):
    """What a call that sends callbacks is driven by."""

    def answer(self, *, by_machine: bool) -> None:
        """The callee picks up."""
        ...

    def press(self, keys: str) -> None:
        """Keys are pressed."""
        ...

    def hang_up(self, reason: CallReason, result: CallResult | None) -> None:
        """Somebody hangs up."""
        ...

    def order(self, instructions: list[Instruction], actions: list[Action], leg: CallLeg) -> None:
        """A request tells the call what to do."""
        ...


@attrs.frozen
class _Ending:
    at: datetime
    reason: CallReason
    result: CallResult | None = None  # it depends on whether the call was answered by then


class SandboxCall:
    """A call in the sandbox. What it says of itself is true now, by the sandbox's clock.

    Attributes:
        call_id: its id.
        application_key: the application that it belongs to.
        from_: who calls; None for a call whose caller the API leaves out.
        to: who is called.
        started: when it began, in UTC.
        custom: what the application attached.
        rate: price per minute, in euros.
        cookies: what `setCookie` has set.
        dtmf: the digits that `sendDtmf` has sent, one after the other.
        recording: how the call is being recorded; None while it is not.
        conference_id: the conference that it was put into; None if it was not.
        region: where it lives, as conferences have a region: empty for the one of `calling_url`.
        joined: when it joined the conference, in UTC.
        muted: whether it is muted in the conference.
        on_hold: whether it is on hold in the conference.
        call_headers: headers that it was connected with, as pairs.
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
        self.line: Line | None = None
        self._clock = clock
        self._heard: deque[Heard] = deque(maxlen=INSTRUCTIONS)
        self._instructions: deque[Instruction] = deque(maxlen=INSTRUCTIONS)
        self._actions: deque[Action] = deque(maxlen=INSTRUCTIONS)
        self._is_parked = False
        # The call ends as planned, or at the limit that its last action set, if that is earlier.
        # `_cap` is the limit of the whole call.
        self._plan: _Ending | None = None
        self._limit: _Ending | None = None
        self._cap: _Ending | None = None
        self._answered: datetime | None = None
        if ring is None:  # it rings until something happens
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
        """Where it is."""
        if self.ended is not None:
            return CallState.ENDED
        if self._is_parked:
            return CallState.PARKED
        return CallState.RINGING if self.answered is None else CallState.ANSWERED

    @property
    def status(self) -> CallStatus:
        """Whether it goes on, as the API says it."""
        return CallStatus.ONGOING if self.ended is None else CallStatus.FINAL

    @property
    def answered(self) -> datetime | None:
        """When it was answered, in UTC; None if it was not, or not yet."""
        ending = self._ending()
        until = min(self._clock.now, ending.at) if ending else self._clock.now
        return self._answered if self._answered and self._answered <= until else None

    @property
    def ended(self) -> datetime | None:
        """When it ended, in UTC; None while it goes on."""
        ending = self._ending()
        return ending.at if ending and ending.at <= self._clock.now else None

    @property
    def result(self) -> CallResult:
        """What became of it; `N/A` while it rings."""
        ending = self._ending()
        if self.answered is not None:
            return CallResult.ANSWERED
        if ending is None or ending.at > self._clock.now:
            return CallResult.NOT_AVAILABLE
        return ending.result or CallResult.NO_ANSWER

    @property
    def reason(self) -> CallReason:
        """Why it ended; `N/A` while it goes on."""
        ending = self._ending()
        return (
            ending.reason if ending and ending.at <= self._clock.now else CallReason.NOT_AVAILABLE
        )

    @property
    def duration(self) -> int:
        """How long it has been answered, in whole seconds."""
        answered = self.answered
        if answered is None:
            return 0
        return int(((self.ended or self._clock.now) - answered).total_seconds())

    @property
    def ends_at(self) -> datetime | None:
        """When it ends, or has ended, as far as is known by now, in UTC."""
        ending = self._ending()
        return ending.at if ending else None

    @property
    def heard(self) -> list[Heard]:
        """What was played or said, in order; the last 1,000."""
        return list(self._heard)

    @property
    def instructions(self) -> list[Instruction]:
        """Every instruction that was carried out, in order; the last 1,000."""
        return list(self._instructions)

    @property
    def actions(self) -> list[Action]:
        """Every action that was carried out, in order; the last 1,000."""
        return list(self._actions)

    def answer(self, *, by_machine: bool = False) -> None:
        """Let the callee pick up now instead of after the planned ring.

        Returns when the callbacks that it leads to are answered.

        Args:
            by_machine: an answering machine picks up, which `amd` of ConnectPstn finds out.

        Raises:
            InvalidRequest: nobody's phone is ringing.
        """
        if self.line is not None:
            self.line.answer(by_machine=by_machine)
        elif self.state == CallState.RINGING:
            self.pick_up()
        else:
            raise InvalidRequest(f"the call does not ring, it is {self.state}")

    def press(self, keys: str) -> None:
        """Press keys, one after the other; a menu or a conference may listen to them.

        Returns when the callbacks that they lead to are answered.

        Args:
            keys: 0-9, `*` and `#`.

        Raises:
            InvalidRequest: there are other keys, or the call is over or was made by `add_call`.
        """
        if not isinstance(keys, str) or not re.fullmatch(r"[0-9*#]+", keys):
            raise InvalidRequest(parameter="keys", value=keys, remedy="give 0-9, * and #")
        self._check_going_on()
        if self.line is None:
            raise InvalidRequest(
                "a call that add_call made has no menu to press keys in",
                remedy="make one with incoming_call or a callout",
            )
        self.line.press(keys)

    def hang_up(self, *, by: Literal["caller", "callee"] = "caller") -> None:
        """Let somebody hang up; in a call that still rings, give up or decline.

        Returns when the callbacks that it leads to are answered.

        Args:
            by: who hangs up. In a callout, the person who was called is the callee.

        Raises:
            InvalidRequest: the call is over, or there is no such side.
        """
        if by not in ("caller", "callee"):
            raise InvalidRequest(parameter="by", value=by, remedy="give 'caller' or 'callee'")
        self._check_going_on()
        reason = CallReason.CALLER_HANGUP if by == "caller" else CallReason.CALLEE_HANGUP
        result = None
        if self.answered is None:
            result = CallResult.NO_ANSWER if by == "caller" else CallResult.BUSY
            reason = CallReason.CANCEL if by == "caller" else reason
        if self.line is not None:
            self.line.hang_up(reason, result)
        else:
            self.end(reason, result)

    def _check_going_on(self) -> None:
        if self.ended is not None:
            raise InvalidRequest(f"the call is over since {self.ended}")

    def pick_up(self) -> None:
        """It is answered now: it lasts as long as was planned, or if it was not, without an end."""
        now, planned = self._clock.now, self._answered
        if self._plan and planned:
            self._plan = attrs.evolve(self._plan, at=now + (self._plan.at - planned))
        else:
            self._plan = None
        self._answered = now

    def end(self, reason: CallReason, result: CallResult | None = None) -> None:
        """It ends now; the result is what it is unless it was answered."""
        self._plan = _Ending(self._clock.now, reason, result)

    def limit_to(self, seconds: float | None, *, as_a_whole: bool = False) -> None:
        """It ends after so many seconds at the latest, counted from now; None sets no limit.

        A limit beyond every calendar is none.
        """
        at = None if seconds is None else end_of(self._clock.now, seconds)
        limit = None if at is None else _Ending(at, CallReason.TIMEOUT)
        if as_a_whole:
            self._cap = limit
        else:
            self._limit = limit

    def hear(self, what: Say | PlayFiles, leg: CallLeg) -> None:
        """Something is played or said."""
        self._heard.append(Heard(leg, what))

    def was_ongoing(self, moment: datetime) -> bool:
        """Whether it was going on at that moment."""
        ending = self._ending()
        return self.started <= moment and (ending is None or moment < ending.at)

    def to_wire(self) -> dict[str, Any]:
        """What the API says of it, in the spellings that the vendor's server is known for."""
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
            # The server leaves the zone out; the time is UTC all the same.
            "timestamp": self.started.strftime("%Y-%m-%dT%H:%M:%S"),
            "custom": self.custom,
            "userRate": {"currencyId": "EUR", "amount": float(self.rate)},
            "debit": {"currencyId": "EUR", "amount": float(self.rate * minutes)},
        }
        return wire if self.from_ is None else {"from": _identity(self.from_), **wire}

    def find_obstacle(self, actions: list[Action]) -> str | None:
        """Say why these actions cannot be carried out now; None if they can.

        Source: PATCH takes hangup, continue and park (Voice API 1.0.1); a parked call takes what
        could have answered its first callback, too ("Update a call in progress", 2020), and a call
        in a conference a menu (1.0.1, "runMenu").
        """
        for action in actions:
            limit = _limit_of(action)
            if limit is not None and end_of(self._clock.now, limit) is None:
                return "maxDuration is beyond every calendar"
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
        """Do what SVAML says. The instructions and actions have been checked."""
        self._instructions.extend(instructions)
        self._actions.extend(actions)
        for instruction in instructions:
            match instruction:
                case Say() | PlayFiles():
                    self.hear(instruction, leg)
                case SendDtmf(digits):
                    # As bounded as what was heard.
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
            self._act(action)

    def _act(self, action: Action) -> None:
        if isinstance(action, Raw):
            return
        if self._is_parked or not isinstance(action, Continue):  # which goes on within the limit
            self.limit_to(_limit_of(action))
        self._is_parked = isinstance(action, Park)
        match action:
            case Hangup():
                self.end(CallReason.MANAGER_HANGUP)
            case ConnectConf(conference_id):
                self.conference_id, self.joined = conference_id, self._clock.now
                self.muted = self.on_hold = False
            case Continue() | RunMenu():  # a participant who uses a menu remains one
                pass
            case _:
                self.conference_id = None

    def _ending(self) -> _Ending | None:
        endings = [ending for ending in (self._plan, self._limit, self._cap) if ending]
        return min(endings, key=lambda ending: ending.at, default=None)


def _identity(endpoint: Endpoint) -> dict[str, Any]:
    """An endpoint with its type capitalised, as the server writes numbers and usernames."""
    wire = endpoint.to_wire()
    if isinstance(endpoint, PstnEndpoint | MxpEndpoint):
        wire["type"] = wire["type"].title()
    return wire


def _limit_of(action: Action) -> float | None:
    """Seconds that an action lets a call last."""
    match action:
        case Park() | ConnectPstn() | ConnectSip() | ConnectStream() if action.max_duration:
            return action.max_duration
    return None
