"""The state of a sandbox: its applications and their calls, and what the API says about them."""

from __future__ import annotations

import threading
import time
from base64 import b64encode
from collections import deque
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from random import Random
from typing import Any
from uuid import UUID

import attrs

from ..endpoints import Endpoint, MxpEndpoint, PstnEndpoint, SipEndpoint
from ..errors import InvalidRequest
from ..signing import Credentials
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
    Svaml,
)
from ..vocabulary import CallLeg, CallReason, CallResult, CallStatus, ReportDomain
from .faults import Fault

__all__ = [
    "CallState",
    "Heard",
    "Refused",
    "SandboxCall",
    "SandboxClock",
    "SandboxRequest",
    "World",
]

#: How many requests a sandbox remembers, how many bytes of their bodies, and how many
#: instructions each of its calls.
REQUESTS, BODIES, INSTRUCTIONS = 10_000, 32 * 2**20, 1_000

_REFRESH = 120  # seconds between two refreshes of a counter
_LAST_YEAR = 9000
_END = datetime(_LAST_YEAR, 1, 1, tzinfo=UTC).timestamp()

# The example application of the vendor's "Using REST" page.
_APPLICATION = Credentials("5F5C418A0F914BBC8234A9BF5EDDAD97", "JViE5vDor0Sw3WllZka15Q==")
USERS = tuple(MxpEndpoint(name) for name in ("myUserName", "abc123def"))
NUMBERS = tuple(PstnEndpoint(number) for number in ("+12125550123", "+12125550145", "+46730170101"))
#: The call of the examples in documentation, the vendor's and ours: an ongoing one to a number.
EXAMPLE_CALL_ID = "4398599d1ba84ef3bde0a82dfb61abed"
_SIP = SipEndpoint("+19876543210@example.sip.sinch.com")


class Refused(Exception):
    """A request that is answered with an error.

    Attributes:
        code: the vendor's five-digit code; its first three digits are the HTTP status.
        message: what is wrong.
    """

    def __init__(self, code: int, message: str) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message


class SandboxClock:
    """The time in which the calls of a sandbox live.

    It does not change whether a signature is too old: that is judged by real time.

    Args:
        start: where the clock stands still until it is advanced; None follows real time, and what
            it is advanced by is added.
        lock: held while it is advanced, so that no answer has two times in it.

    Raises:
        InvalidRequest: the start has no time zone, or is not between 1970 and 9000.
    """

    def __init__(self, start: datetime | None, lock: threading.RLock) -> None:
        if start is not None and (not isinstance(start, datetime) or start.tzinfo is None):
            raise InvalidRequest(f"now is {start!r}: give a datetime with a time zone, like UTC")
        if start is not None and not 1970 < start.year < _LAST_YEAR:
            raise InvalidRequest(f"now is {start!r}: give a time between 1970 and {_LAST_YEAR}")
        self._start = None if start is None else start.timestamp()
        self._advanced = 0.0
        self._lock = lock

    @property
    def now(self) -> datetime:
        """The time, in UTC."""
        start = time.time() if self._start is None else self._start
        return datetime.fromtimestamp(start + self._advanced, UTC)

    def advance(self, by: float | timedelta) -> datetime:
        """Let time pass: what was to happen meanwhile has happened then.

        Args:
            by: seconds, or a timedelta; not negative, and not beyond the year 9000.

        Returns:
            The time afterwards.

        Raises:
            InvalidRequest: it is no such length of time.
        """
        seconds = length_of("by", by)
        with self._lock:
            if self.now.timestamp() + seconds > _END:
                raise InvalidRequest(f"by is {by!r}: that is beyond the year {_LAST_YEAR}")
            self._advanced += seconds
            return self.now


def length_of(name: str, value: float | timedelta) -> float:
    """A length of time, in seconds.

    Raises:
        InvalidRequest: it is none, or is negative, or endless.
    """
    seconds = value.total_seconds() if isinstance(value, timedelta) else value
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds < _END:
        raise InvalidRequest(f"{name} is {value!r}: give seconds, or a timedelta, from 0 on")
    return seconds


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


@attrs.define
class SandboxRequest:
    """A request that reached the sandbox.

    Attributes:
        at: when, in the sandbox's time.
        method: HTTP method.
        target: path and query, as they travelled.
        body: the body, as received; empty if it was not let in, or a fault came before.
        status: HTTP status of the answer; None if a fault left it without one.
        error_code: the vendor's code, if the answer was an error of the API.
        acted: whether the API has carried the request out.
        faults: what struck it.
    """

    at: datetime
    method: str
    target: str
    body: bytes = b""
    status: int | None = None
    error_code: int | None = None
    acted: bool = False
    faults: tuple[Fault, ...] = ()


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
        ring: float = 0,
        duration: float | None = None,
        result: CallResult = CallResult.ANSWERED,
        reason: CallReason | None = None,
        custom: str = "{}",
        rate: Decimal = Decimal("0.1758"),
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
        self._clock = clock
        self._heard: deque[Heard] = deque(maxlen=INSTRUCTIONS)
        self._instructions: deque[Instruction] = deque(maxlen=INSTRUCTIONS)
        self._actions: deque[Action] = deque(maxlen=INSTRUCTIONS)
        self._is_parked = False
        # The call ends as planned, or at the limit that its last action set, if that is earlier.
        self._plan: _Ending | None = None
        self._limit: _Ending | None = None
        self._answered: datetime | None = None
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
            try:
                self._limit_of(action)
            except OverflowError:
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
                    self._heard.append(Heard(leg, instruction))
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
                    self._answer()
        for action in actions:
            self._act(action)

    def _act(self, action: Action) -> None:
        if isinstance(action, Raw):
            return
        self._limit, self._is_parked = self._limit_of(action), isinstance(action, Park)
        match action:
            case Hangup():
                self._plan = _Ending(self._clock.now, CallReason.MANAGER_HANGUP)
            case ConnectConf(conference_id):
                self.conference_id = conference_id

    def _limit_of(self, action: Action) -> _Ending | None:
        match action:
            case Park() | ConnectPstn() | ConnectSip() | ConnectStream() if action.max_duration:
                until = self._clock.now + timedelta(seconds=action.max_duration)
                return _Ending(until, CallReason.TIMEOUT)
        return None

    def _answer(self) -> None:
        """It is answered now: it lasts as long as was planned, or if it was not, without an end."""
        now, planned = self._clock.now, self._answered
        if self._plan and planned:
            self._plan = attrs.evolve(self._plan, at=now + (self._plan.at - planned))
        else:
            self._plan = None
        self._answered = now

    def _ending(self) -> _Ending | None:
        endings = [ending for ending in (self._plan, self._limit) if ending]
        return min(endings, key=lambda ending: ending.at, default=None)


def _identity(endpoint: Endpoint) -> dict[str, Any]:
    """An endpoint with its type capitalised, as the server writes numbers and usernames."""
    wire = endpoint.to_wire()
    if isinstance(endpoint, PstnEndpoint | MxpEndpoint):
        wire["type"] = wire["type"].title()
    return wire


class World:
    """Everything that a sandbox knows. Threads may share it.

    Args:
        seed: makes ids and calls the same in every run.
        now: where its time stands still until it is advanced; None follows real time.
    """

    def __init__(self, *, seed: int, now: datetime | None) -> None:
        self._seed = seed
        self._start = now
        self.lock = threading.RLock()
        self.epoch = 0
        self.reset()

    def reset(self) -> None:
        """Begin anew, with one application and no calls."""
        with self.lock:
            self.epoch += 1
            self.random = Random(self._seed)  # noqa: S311 - ids of a test double
            self.clock = SandboxClock(self._start, self.lock)
            self.applications = {_APPLICATION.application_key: _APPLICATION}
            self.calls: dict[str, SandboxCall] = {}
            self.services = {"rtpproxy": "up"}
            self.requests: deque[SandboxRequest] = deque(maxlen=REQUESTS)
            self._bodies: deque[SandboxRequest] = deque()
            self._bytes = 0

    def keep(self, request: SandboxRequest) -> int:
        """Remember a request; says which world it came to, by a number that `reset` changes."""
        with self.lock:
            self.requests.append(request)
            return self.epoch

    def keep_body(self, request: SandboxRequest, body: bytes) -> None:
        """Remember a request's body, and forget the oldest ones for it."""
        request.body = body
        if body:
            self._bodies.append(request)
            self._bytes += len(body)
        while self._bytes > BODIES or len(self._bodies) > REQUESTS:
            oldest = self._bodies.popleft()
            self._bytes -= len(oldest.body)
            oldest.body = b""

    def new_id(self) -> str:
        """A fresh id."""
        with self.lock:
            return str(UUID(int=self.random.getrandbits(128), version=4))

    def add_application(self) -> Credentials:
        """Add an application, with a key and a secret that its seed decides."""
        with self.lock:
            credentials = Credentials(
                self.new_id(), b64encode(self.random.randbytes(16)).decode("ascii")
            )
            self.applications[credentials.application_key] = credentials
        return credentials

    def add(self, call_id: str | None, **details: Any) -> SandboxCall:
        """Put a call into the world; the details are those of a `SandboxCall`."""
        with self.lock:
            if details["application_key"] not in self.applications:
                raise InvalidRequest("the application is gone with a reset: add another one")
            call = SandboxCall(clock=self.clock, call_id=call_id or self.new_id(), **details)
            if call.call_id in self.calls:
                raise InvalidRequest(f"there is a call {call.call_id!r} already: give another id")
            self.calls[call.call_id] = call
        return call

    def get_call(self, application_key: str, call_id: str) -> dict[str, Any]:
        """What the API says of a call."""
        with self.lock:
            return self._call(application_key, call_id).to_wire()

    def update_call(
        self, application_key: str, call_id: str, body: dict[str, Any], leg: CallLeg
    ) -> None:
        """Carry out SVAML, which has been checked, on an ongoing call.

        Source: "Update a call in progress" and "Manage call with callLeg", Calling API 1.0.0.
        """
        instructions = [_typed(part) for part in body.get("instructions", ())]
        actions = [_typed(body["action"], is_action=True)] if "action" in body else []
        with self.lock:
            call = self._call(application_key, call_id)
            if call.ended is not None:
                raise Refused(40400, "Call not found among the ongoing ones: it is over")
            if not isinstance(call.from_, PstnEndpoint | SipEndpoint) and not isinstance(
                call.to, PstnEndpoint | SipEndpoint
            ):
                raise Refused(40003, "Invalid request: no side of the call is PSTN or SIP")
            obstacle = call.find_obstacle(actions)
            if obstacle is not None:
                raise Refused(40003, f"Invalid request: {obstacle}")
            call.carry_out(instructions, actions, leg)

    def user_report(
        self,
        application_key: str,
        user: Endpoint,
        domain: str,
        start: datetime | None,
        stop: datetime | None,
    ) -> dict[str, Any]:
        """Totals of the calls that a user made or received and that are over."""
        with self.lock:
            calls = [
                call
                for call in self.calls.values()
                if user in (call.from_, call.to)
                and call.application_key == application_key
                and call.ended is not None
                and domain == _domain(call.to)
                and (start is None or start <= call.started)
                and (stop is None or call.started < stop)
            ]
        report: dict[str, Any] = {
            "success": sum(call.result == CallResult.ANSWERED for call in calls),
            "duration": sum(call.duration for call in calls),
            "failed": sum(call.result != CallResult.ANSWERED for call in calls),
        }
        if calls:
            first = min(call.started for call in calls)
            report["start"] = first.strftime("%Y-%m-%dT%H:%M:%SZ")
        return report

    def counter(self, application_key: str, counter_id: str) -> dict[str, Any]:
        """The value of a counter at its last refresh."""
        if counter_id.lower() != "currentcalls":
            raise Refused(40400, f"Counter not found: {counter_id}")
        now = self.clock.now.timestamp()
        refreshed = datetime.fromtimestamp(now - now % _REFRESH, UTC)
        with self.lock:
            ongoing = sum(
                call.was_ongoing(refreshed)
                for call in self.calls.values()
                if call.application_key == application_key
            )
        return {"value": ongoing, "modified": refreshed.strftime("%Y-%m-%dT%H:%M:%SZ")}

    def service_status(self, service_id: str) -> dict[str, Any]:
        """Whether a service is up."""
        with self.lock:
            status = self.services.get(service_id)
        if status is None:
            raise Refused(40400, f"Service not found: {service_id}")
        return {"status": status}

    def populate(self, application_key: str, days: int = 7) -> None:
        """Add calls of the last days between users and numbers, and an ongoing call of each kind.

        The ongoing ones have begun before the counter was refreshed, so that it counts them.
        """
        now = self.clock.now
        midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
        outcomes = [
            (CallResult.ANSWERED, CallReason.CALLER_HANGUP),
            (CallResult.ANSWERED, CallReason.CALLEE_HANGUP),
            (CallResult.BUSY, CallReason.NOT_AVAILABLE),
            (CallResult.NO_ANSWER, CallReason.TIMEOUT),
        ]
        directions: list[tuple[tuple[Endpoint, ...], tuple[Endpoint, ...]]] = [
            (USERS, NUMBERS),
            (NUMBERS, USERS),
            (USERS, USERS),
        ]
        pick = self.random.choice
        for day in range(days, 0, -1):
            for callers, callees in directions:
                for _ in range(self.random.randint(4, 12)):
                    caller, (result, reason) = pick(callers), pick(outcomes)
                    self.add(
                        None,
                        application_key=application_key,
                        from_=caller,
                        to=pick([callee for callee in callees if callee != caller]),
                        started=midnight
                        - timedelta(days=day)
                        + timedelta(seconds=self.random.randint(8 * 3600, 18 * 3600)),
                        ring=self.random.randint(2, 30),
                        duration=(
                            self.random.randint(20, 400) if result == CallResult.ANSWERED else None
                        ),
                        result=result,
                        reason=reason,
                    )
        call_id = None if EXAMPLE_CALL_ID in self.calls else EXAMPLE_CALL_ID
        for id_, caller_, callee in (
            (call_id, USERS[0], NUMBERS[0]),
            (None, None, _SIP),
            (None, NUMBERS[-1], USERS[0]),
        ):
            self.add(
                id_,
                application_key=application_key,
                from_=caller_,
                to=callee,
                started=now - timedelta(seconds=_REFRESH + 30),
            )

    def _call(self, application_key: str, call_id: str) -> SandboxCall:
        call = self.calls.get(call_id)
        if call is None or call.application_key != application_key:
            raise Refused(40400, "Call not found")
        return call


def _domain(to: Endpoint) -> ReportDomain:
    return ReportDomain.DATA if isinstance(to, MxpEndpoint) else ReportDomain.PSTN


def _typed(part: dict[str, Any], *, is_action: bool = False) -> Any:
    """A part of SVAML as a test would write it; raw if it is good by the API but not for us."""
    key = "action" if is_action else "instructions"
    try:
        svaml = Svaml.from_wire({key: part if is_action else [part]})
    except InvalidRequest:
        return Raw(part)
    return svaml.action if is_action else (svaml.instructions or (None,))[0]
