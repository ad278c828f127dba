"""The state of a sandbox: its calls, and what the API says about them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any
from uuid import UUID

import attrs

from ..calls import CallLeg, CallReason, CallResult, CallStatus
from ..endpoints import Endpoint, MxpEndpoint, PstnEndpoint, SipEndpoint
from ..errors import InvalidRequest
from ..reports import ReportDomain
from ..svaml import Action, Hangup, Instruction, PlayFiles, Raw, Say, Svaml

__all__ = ["Heard", "Refused", "SandboxCall", "World"]

_REFRESH = 120  # seconds between two refreshes of a counter


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


@attrs.frozen
class Heard:
    """Something that was played or said.

    Attributes:
        leg: who heard it.
        what: the instruction.
    """

    leg: CallLeg
    what: Say | PlayFiles


@attrs.define(kw_only=True)
class SandboxCall:
    """A call in the sandbox.

    Attributes:
        call_id: its id.
        from_: who calls; None for a call whose caller the API leaves out.
        to: who is called.
        started: when it began, in UTC.
        ended: when it ended, in UTC; None while it goes on.
        result: what became of it.
        reason: why it ended.
        custom: what the application attached.
        rate: price per minute, in euros.
        heard: what was played or said, in order.
        instructions: every instruction that was carried out, in order.
        actions: every action that was carried out, in order.
    """

    call_id: str
    from_: Endpoint | None
    to: Endpoint
    started: datetime
    ended: datetime | None = None
    result: CallResult = CallResult.ANSWERED
    reason: CallReason = CallReason.NOT_AVAILABLE
    custom: str = "{}"
    rate: Decimal = Decimal("0.1758")
    heard: list[Heard] = attrs.field(factory=list)
    instructions: list[Instruction] = attrs.field(factory=list)
    actions: list[Action] = attrs.field(factory=list)

    @property
    def status(self) -> CallStatus:
        """Whether the call goes on."""
        return CallStatus.ONGOING if self.ended is None else CallStatus.FINAL

    def seconds(self, now: datetime) -> int:
        """How long it has been answered, in seconds."""
        if self.result != CallResult.ANSWERED:
            return 0
        return int(((self.ended or now) - self.started).total_seconds())

    def was_ongoing(self, moment: datetime) -> bool:
        """Whether it was going on at that moment."""
        return self.started <= moment and (self.ended is None or moment < self.ended)

    def to_wire(self, now: datetime) -> dict[str, Any]:
        """What the API says of it, in the spellings that the vendor's server is known for."""
        minutes = Decimal(-(-self.seconds(now) // 60))
        wire: dict[str, Any] = {
            "to": _identity(self.to),
            "domain": "mxp" if isinstance(self.to, MxpEndpoint) else "pstn",
            "callId": self.call_id,
            "duration": self.seconds(now),
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


def _identity(endpoint: Endpoint) -> dict[str, Any]:
    """An endpoint with its type capitalised, as the server writes numbers and usernames."""
    wire = endpoint.to_wire()
    return wire if wire.get("type") == "sip" else {**wire, "type": str(wire["type"]).title()}


class World:
    """Everything that a sandbox knows. Threads may share it.

    Args:
        seed: makes ids and references the same in every run.
        clock: gives the time, in seconds since 1970.
    """

    def __init__(self, *, seed: int, clock: Callable[[], float]) -> None:
        self.calls: dict[str, SandboxCall] = {}
        self.services = {"rtpproxy": "up"}
        self._random = Random(seed)  # noqa: S311 - ids of a test double
        self.clock = clock
        self._lock = threading.Lock()

    def now(self) -> datetime:
        """The time, in UTC."""
        return datetime.fromtimestamp(self.clock(), UTC)

    def new_id(self) -> str:
        """A fresh id."""
        return str(UUID(int=self._random.getrandbits(128), version=4))

    def add(self, call: SandboxCall) -> SandboxCall:
        """Put a call into the world."""
        with self._lock:
            if call.call_id in self.calls:
                raise InvalidRequest(f"there is a call {call.call_id!r} already: give another id")
            self.calls[call.call_id] = call
        return call

    def get_call(self, call_id: str) -> dict[str, Any]:
        """What the API says of a call."""
        with self._lock:
            return self._call(call_id).to_wire(self.now())

    def update_call(self, call_id: str, body: dict[str, Any], leg: CallLeg) -> None:
        """Carry out SVAML, which has been checked, on an ongoing call.

        Source: "Update a call in progress" and "Manage call with callLeg", Calling API 1.0.0.
        """
        instructions = [_typed(part) for part in body.get("instructions", ())]
        actions = [_typed(body["action"], is_action=True)] if "action" in body else []
        with self._lock:
            call = self._call(call_id)
            if call.ended is not None:
                raise Refused(40400, "Call not found among the ongoing ones: it is over")
            if not isinstance(call.from_, PstnEndpoint | SipEndpoint) and not isinstance(
                call.to, PstnEndpoint | SipEndpoint
            ):
                raise Refused(40003, "Invalid request: no side of the call is PSTN or SIP")
            call.instructions += instructions
            call.heard += [
                Heard(leg, part) for part in instructions if isinstance(part, Say | PlayFiles)
            ]
            call.actions += actions
            if Hangup() in actions:
                call.ended, call.reason = self.now(), CallReason.MANAGER_HANGUP

    def user_report(
        self, user: Endpoint, domain: str, start: datetime | None, stop: datetime | None
    ) -> dict[str, Any]:
        """Totals of the calls that a user made or received and that are over."""
        with self._lock:
            calls = [
                call
                for call in self.calls.values()
                if user in (call.from_, call.to)
                and call.ended is not None
                and domain == _domain(call.to)
                and (start is None or start <= call.started)
                and (stop is None or call.started < stop)
            ]
        report: dict[str, Any] = {
            "success": sum(call.result == CallResult.ANSWERED for call in calls),
            "duration": sum(call.seconds(self.now()) for call in calls),
            "failed": sum(call.result != CallResult.ANSWERED for call in calls),
        }
        if calls:
            first = min(call.started for call in calls)
            report["start"] = first.strftime("%Y-%m-%dT%H:%M:%SZ")
        return report

    def counter(self, counter_id: str) -> dict[str, Any]:
        """The value of a counter at its last refresh."""
        if counter_id.lower() != "currentcalls":
            raise Refused(40400, f"Counter not found: {counter_id}")
        now = self.clock()
        refreshed = datetime.fromtimestamp(now - now % _REFRESH, UTC)
        with self._lock:
            ongoing = sum(call.was_ongoing(refreshed) for call in self.calls.values())
        return {"value": ongoing, "modified": refreshed.strftime("%Y-%m-%dT%H:%M:%SZ")}

    def service_status(self, service_id: str) -> dict[str, Any]:
        """Whether a service is up."""
        with self._lock:
            status = self.services.get(service_id)
        if status is None:
            raise Refused(40400, f"Service not found: {service_id}")
        return {"status": status}

    def populate(self, user: str, days: int = 7) -> None:
        """Add calls of the last days by one app user, and an ongoing call of each endpoint kind."""
        caller, now = MxpEndpoint(user), self.now()
        midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
        outcomes = [
            (CallResult.ANSWERED, CallReason.CALLER_HANGUP),
            (CallResult.ANSWERED, CallReason.CALLEE_HANGUP),
            (CallResult.BUSY, CallReason.NOT_AVAILABLE),
            (CallResult.NO_ANSWER, CallReason.TIMEOUT),
        ]
        for day in range(days, 0, -1):
            for _ in range(self._random.randint(3, 8)):
                started = (
                    midnight
                    - timedelta(days=day)
                    + timedelta(seconds=self._random.randint(8 * 3600, 18 * 3600))
                )
                result, reason = self._random.choice(outcomes)
                self.add(
                    SandboxCall(
                        call_id=self.new_id(),
                        from_=caller,
                        to=PstnEndpoint("+12125550123"),
                        started=started,
                        ended=started + timedelta(seconds=self._random.randint(20, 400)),
                        result=result,
                        reason=reason,
                    )
                )
        # Since before the counter's last refresh, so that it counts them.
        ongoing = now - timedelta(seconds=_REFRESH + 30)
        for caller_, callee in (
            (MxpEndpoint(user), PstnEndpoint("+12125550123")),
            (None, SipEndpoint("+19876543210@example.sip.sinch.com")),
            (PstnEndpoint("+46730170101"), MxpEndpoint(user)),
        ):
            self.add(SandboxCall(call_id=self.new_id(), from_=caller_, to=callee, started=ongoing))

    def _call(self, call_id: str) -> SandboxCall:
        if call_id not in self.calls:
            raise Refused(40400, "Call not found")
        return self.calls[call_id]


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
