"""The state of a sandbox: its applications and their calls, and what the API says about them."""

from __future__ import annotations

import threading
from base64 import b64encode
from collections import deque
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

import attrs

from ..endpoints import Endpoint, MxpEndpoint, PstnEndpoint, SipEndpoint
from ..errors import InvalidRequest
from ..signing import Credentials
from ..svaml import Raw, Svaml
from ..vocabulary import CallLeg, CallReason, CallResult, ReportDomain
from .call import SandboxCall
from .clock import SandboxClock
from .faults import Fault

__all__ = ["Refused", "SandboxRequest", "World"]

#: How many requests a sandbox remembers, and how many bytes of their bodies.
REQUESTS, BODIES = 10_000, 32 * 2**20

_REFRESH = 120  # seconds between two refreshes of a counter

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
