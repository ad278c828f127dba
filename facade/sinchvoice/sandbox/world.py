"""The state of a sandbox: applications, calls and numbers, and their forms in the API."""

from __future__ import annotations

import re
import threading
from base64 import b64encode
from collections import deque
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

import attrs

from .. import endpoints
from ..data import format_day
from ..endpoints import Endpoint, MxpEndpoint, OtherEndpoint, PstnEndpoint, SipEndpoint
from ..errors import InvalidRequest
from ..signing import Credentials
from ..svaml import Hangup, Raw, Svaml
from ..vocabulary import CallLeg, CallReason, CallResult, ReportDomain
from .call import SandboxCall
from .callouts import plan_callout
from .cdr_generator import COUNTRIES
from .clock import SandboxClock, end_of
from .deliveries import Courier
from .dialogs import RING, Plan
from .faults import Fault, Injection
from .journal import Journal
from .switchboard import CallbackUrls, Switchboard

__all__ = ["AccountNumber", "Refused", "SandboxRequest", "World"]

#: Paths of the sandbox's own operations, which are not in the API, and which faults do not strike.
CONTROL = "/sandbox/"

#: Requests to keep, and bytes of their bodies.
REQUESTS, BODIES = 10_000, 32 * 2**20
#: Ended calls with callbacks to keep.
CALLS = 10_000

_REFRESH = 120  # seconds between two refreshes of a counter

# The example application of the vendor's "Using REST" page.
_APPLICATION = Credentials("5F5C418A0F914BBC8234A9BF5EDDAD97", "JViE5vDor0Sw3WllZka15Q==")
USERS = tuple(MxpEndpoint(name) for name in ("myUserName", "abc123def"))
NUMBERS = tuple(PstnEndpoint(number) for number in ("+12125550123", "+12125550145", "+46730170101"))
#: The call in the examples of the vendor's documentation and this one: ongoing, to a number.
EXAMPLE_CALL_ID = "4398599d1ba84ef3bde0a82dfb61abed"
#: The numbers of the account; the first belongs to the first application.
ACCOUNT_NUMBERS = ("+12125550160", "+12125550161", "+46730170160")
_SIP = SipEndpoint("+19876543210@example.sip.sinch.com")


class Refused(Exception):
    """A request that the sandbox answers with an error.

    Attributes:
        code: The vendor's five-digit code; the first three digits are the HTTP status.
        message: What is wrong.
    """

    def __init__(self, code: int, message: str) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message


@attrs.define
class SandboxRequest:
    """A request that the sandbox received.

    Attributes:
        at: When it arrived, by the sandbox's clock.
        method: HTTP method.
        target: Path and query as sent.
        body: The body as received; empty if authentication failed, a fault struck first, or newer
            bodies took its place in memory.
        status: HTTP status of the answer; None if a fault prevented an answer.
        error_code: The vendor's code, if the answer was an error of the API.
        acted: Whether the API carried out the request.
        faults: The faults that struck it.
    """

    at: datetime
    method: str
    target: str
    body: bytes = b""
    status: int | None = None
    error_code: int | None = None
    acted: bool = False
    faults: tuple[Fault, ...] = ()


@attrs.define
class AccountNumber:
    """A number of the account.

    Attributes:
        number: The number in E.164 form.
        capability: `voice` or `sms`.
        application_key: The application that the number is assigned to; None if it is free.
    """

    number: str
    capability: str = "voice"
    application_key: str | None = None


class World:
    """The state of a sandbox. Threads may share it.

    Args:
        seed: Makes ids and calls the same in every run.
        now: Time at which the clock stands still until it is advanced; None follows real time.
        courier: Delivers callbacks.
        injections: The active faults.
        region_urls: Base URLs of the calling API, by region.
        journal: History for the console; None without one.
    """

    def __init__(
        self,
        *,
        seed: int,
        now: datetime | None,
        courier: Courier,
        injections: list[Injection],
        region_urls: dict[str, str],
        journal: Journal | None = None,
    ) -> None:
        self.journal = journal
        self._seed = seed
        self._start = now
        self._region_urls = region_urls
        self.lock = threading.RLock()
        self.epoch = 0
        self.callback_urls = CallbackUrls()  # the initial ones of the first application
        self.switchboard = Switchboard(
            lock=self.lock,
            clock=lambda: self.clock,
            courier=courier,
            injections=injections,
            finished=self._finish,
            journal=journal,
        )
        self.reset()

    def begin_with(self, urls: CallbackUrls) -> None:
        """Set the callback URLs of the first application, now and after each reset."""
        self.callback_urls = urls
        self.switchboard.urls[_APPLICATION.application_key] = urls

    def reset(self) -> None:
        """Start again, with one application and no calls."""
        key = _APPLICATION.application_key
        with self.lock:
            self.epoch += 1
            self.random = Random(self._seed)  # noqa: S311 - ids of a test double
            self.clock = SandboxClock(self._start, self.lock, self.switchboard)
            self.ring: float | None = None
            self.numbers = {number: AccountNumber(number) for number in ACCOUNT_NUMBERS}
            self.numbers[ACCOUNT_NUMBERS[0]].application_key = key
            self._over: deque[str] = deque()
            self.applications = {key: _APPLICATION}
            self.switchboard.reset(self.applications, self.random)
            self.switchboard.urls[key] = self.callback_urls
            self.calls: dict[str, SandboxCall] = {}
            self.services = {"rtpproxy": "up"}
            self.requests: deque[SandboxRequest] = deque(maxlen=REQUESTS)
            self._bodies: deque[SandboxRequest] = deque()
            self._bytes = 0
            if self.journal is not None:
                self.journal.clear()

    def keep(self, request: SandboxRequest) -> int:
        """Keep a request, and return the current epoch, a number that `reset` changes."""
        with self.lock:
            self.requests.append(request)
            return self.epoch

    def keep_body(self, request: SandboxRequest, body: bytes) -> None:
        """Keep the body of a request, and drop the oldest bodies over the limit."""
        request.body = body
        if body:
            self._bodies.append(request)
            self._bytes += len(body)
        while self._bytes > BODIES or len(self._bodies) > REQUESTS:
            oldest = self._bodies.popleft()
            self._bytes -= len(oldest.body)
            oldest.body = b""

    def new_id(self) -> str:
        """Return a new id."""
        with self.lock:
            return str(UUID(int=self.random.getrandbits(128), version=4))

    def add_application(self) -> Credentials:
        """Add an application, with a seeded key and secret."""
        with self.lock:
            credentials = Credentials(
                self.new_id(), b64encode(self.random.randbytes(16)).decode("ascii")
            )
            self.applications[credentials.application_key] = credentials
        return credentials

    def add(self, call_id: str | None, **details: Any) -> SandboxCall:
        """Add a call; the details are arguments of `SandboxCall`."""
        with self.lock:
            if details["application_key"] not in self.applications:
                raise InvalidRequest("a reset removed the application: add another one")
            call = SandboxCall(clock=self.clock, call_id=call_id or self.new_id(), **details)
            if call.call_id in self.calls:
                raise InvalidRequest(f"there already is a call {call.call_id!r}: give another id")
            call.journal = self.journal
            self.calls[call.call_id] = call
        return call

    def get_call(self, application_key: str, call_id: str) -> dict[str, Any]:
        """Return a call as the API sends it."""
        with self.lock:
            return self._call(application_key, call_id).to_wire()

    def update_call(
        self, application_key: str, call_id: str, body: dict[str, Any], leg: CallLeg
    ) -> None:
        """Carry out checked SVAML on an ongoing call.

        Source: "Update a call in progress" and "Manage call with callLeg", Calling API 1.0.0.
        """
        instructions = [_typed(part) for part in body.get("instructions", ())]
        actions = [_typed(body["action"], is_action=True)] if "action" in body else []
        with self.lock:
            call = self._call(application_key, call_id)
            if call.ended is not None:
                raise Refused(40400, "Call not found among ongoing calls: it has ended")
            if not isinstance(call.from_, PstnEndpoint | SipEndpoint) and not isinstance(
                call.to, PstnEndpoint | SipEndpoint
            ):
                raise Refused(40003, "Invalid request: neither side of the call is PSTN or SIP")
            obstacle = call.find_obstacle(actions)
            if obstacle is not None:
                raise Refused(40003, f"Invalid request: {obstacle}")
            (call.line.order if call.line else call.carry_out)(instructions, actions, leg)

    def place_callout(
        self,
        application_key: str,
        body: dict[str, Any],
        region: str,
        headers: Iterable[tuple[str, str]],
    ) -> dict[str, Any]:
        """Place a call for a checked request.

        Source: callouts of the Voice API 1.0.1 and the older calling page.
        """
        try:
            who, plan = plan_callout(
                body, ring=self.ring, region_url=self._region_urls[region], headers=headers
            )
        except InvalidRequest as error:
            raise Refused(40003, f"Invalid request: {error}") from None
        if plan.max_duration is not None and end_of(self.clock.now, plan.max_duration) is None:
            raise Refused(40003, "Invalid request: maxDuration ends after the year 9999")
        return {"callId": self._connect(application_key, plan, region, **who).call_id}

    def receive_call(
        self,
        application_key: str,
        *,
        from_: Endpoint | str,
        to: Endpoint | str | None,
        ring: float | None = None,
        custom: str = "",
        call_headers: tuple[tuple[str, str], ...] = (),
        patience: int = 0,
    ) -> SandboxCall:
        """Start an incoming call without waiting for its callbacks; see `Sandbox.incoming_call`.

        Args:
            application_key: The application that is called, unless `to` belongs to another one.
            from_: The caller.
            to: The callee; None for the application's first number.
            ring: Seconds; None for the sandbox's default.
            custom: Text attached by the caller's app.
            call_headers: Headers of the caller's app, as pairs.
            patience: Milliseconds to add to the timeouts of menus.

        Raises:
            InvalidRequest: An argument is wrong, or the application has no number.
        """
        caller = endpoints.parse(from_) if isinstance(from_, str) else from_
        if ring is None:
            ring = RING if self.ring is None else self.ring
        with self.lock:
            callee, key = self._callee(to, application_key)
            if isinstance(caller, PstnEndpoint | SipEndpoint) and isinstance(callee, PstnEndpoint):
                callee = OtherEndpoint("did", callee.number)
            plan = Plan(
                kind="incoming",
                ring=ring,
                sends=frozenset(("ice", "ace", "pie", "dice")),
                region_url=self._region_urls[""],
                patience=patience,
            )
            return self._connect(
                key, plan, "", from_=caller, to=callee, custom=custom, call_headers=call_headers
            )

    def _callee(self, to: Endpoint | str | None, application_key: str) -> tuple[Endpoint, str]:
        """Return the callee, and the application that the call reaches."""
        if to is None:
            for number in self.numbers.values():
                if number.application_key == application_key:
                    return PstnEndpoint(number.number), application_key
            raise InvalidRequest(
                "the application has no number",
                parameter="to",
                remedy="give the callee, or assign a number of the account to the application",
            )
        callee = endpoints.parse(to) if isinstance(to, str) else to
        if not isinstance(callee, Endpoint):
            raise InvalidRequest(parameter="to", value=to, remedy="give an endpoint or text")
        owned = self.numbers.get(callee.number) if isinstance(callee, PstnEndpoint) else None
        return callee, (owned and owned.application_key) or application_key

    def _connect(
        self,
        application_key: str,
        plan: Plan,
        region: str,
        *,
        call_headers: tuple[tuple[str, str], ...] = (),
        **details: Any,
    ) -> SandboxCall:
        call = self.add(
            None,
            application_key=application_key,
            started=self.clock.now,
            ring=None,
            region=region,
            **details,
        )
        call.call_headers, call.kind = call_headers, plan.kind
        call.note("call", "begins")
        self.switchboard.connect(call, plan)
        return call

    def _finish(self, call_id: str) -> None:
        """Record the end of a call with callbacks, and forget the oldest such call."""
        if self.journal is not None and call_id in self.calls:
            call = self.calls[call_id]
            call.note("call", f"ends: {call.result}, {call.reason}, {call.duration} s")
        self._over.append(call_id)
        if len(self._over) > CALLS:
            self.calls.pop(self._over.popleft(), None)

    def get_conference(
        self, application_key: str, conference_id: str, region: str
    ) -> dict[str, Any]:
        """Return the participants of a conference.

        Source: "Get conference info"; conferences are regional, and an empty one is unknown.
        """
        return {
            "participants": [
                {
                    "cli": str((call.from_ or call.to).to_wire().get("endpoint", "")),
                    "id": call.call_id,
                    "duration": int((self.clock.now - call.joined).total_seconds()),
                    "muted": call.muted,
                    "onhold": call.on_hold,
                }
                for call in self._participants(application_key, conference_id, region)
                if call.joined is not None
            ]
        }

    def kick_all(self, application_key: str, conference_id: str, region: str) -> None:
        """End the calls of all participants of a conference."""
        for call in self._participants(application_key, conference_id, region):
            self._kick(call)

    def kick_participant(
        self, application_key: str, conference_id: str, call_id: str, region: str
    ) -> None:
        """End the call of a participant."""
        self._kick(self._participant(application_key, conference_id, call_id, region))

    def manage_participant(
        self,
        application_key: str,
        conference_id: str,
        call_id: str,
        region: str,
        command: str,
    ) -> None:
        """Mute or unmute a participant, or put one on hold or off hold."""
        call = self._participant(application_key, conference_id, call_id, region)
        match command:
            case "mute" | "unmute":
                call.muted = command == "mute"
            case "onhold" | "resume":
                call.on_hold = command == "onhold"

    def _kick(self, call: SandboxCall) -> None:
        (call.line.order if call.line else call.carry_out)([], [Hangup()], CallLeg.CALLER)

    def _participants(
        self, application_key: str, conference_id: str, region: str
    ) -> list[SandboxCall]:
        found = [
            call
            for call in self.calls.values()
            if call.conference_id == conference_id
            and call.region == region
            and call.application_key == application_key
            and call.ended is None
        ]
        if not found:
            raise Refused(
                40400,
                f"No such ongoing conference {conference_id!r} in the application's context",
            )
        return found

    def _participant(
        self, application_key: str, conference_id: str, call_id: str, region: str
    ) -> SandboxCall:
        for call in self._participants(application_key, conference_id, region):
            if call.call_id == call_id:
                return call
        raise Refused(40400, f"No such participant {call_id!r} in the conference")

    def get_numbers(self) -> dict[str, Any]:
        """Return all numbers of the account."""
        numbers = []
        for number in self.numbers.values():
            wire = {"number": number.number, "capability": number.capability}
            if number.application_key is not None:
                wire["applicationkey"] = number.application_key
            numbers.append(wire)
        return {"numbers": numbers}

    def assign_numbers(self, application_key: str, body: dict[str, Any]) -> None:
        """Assign numbers to an application: all or none.

        Source: "Update numbers", with the errors of the older page.
        """
        key = self.known_application(body.get("applicationkey") or application_key)
        wanted = [self.numbers.get(number) for number in body.get("numbers", ())]
        found = [number for number in wanted if number is not None]
        if len(found) < len(wanted) or not found:
            raise Refused(40001, "Unable to update numbers: the account lacks one of them")
        if any(number.capability != body.get("capability", "voice") for number in found):
            raise Refused(40001, "Unable to update numbers: one of them lacks the capability")
        for number in found:
            number.application_key = key

    def unassign_number(self, application_key: str, body: dict[str, Any]) -> None:
        """Take a number away from an application."""
        key = self.known_application(body.get("applicationkey") or application_key)
        number = self.numbers.get(body.get("number", ""))
        if number is None or number.application_key != key:
            raise Refused(40001, "Unable to update number: it is not assigned to the application")
        if "capability" in body and body["capability"] != number.capability:
            raise Refused(40001, "Unable to update number: it lacks the capability")
        number.application_key = None

    def get_callback_urls(self, application_key: str) -> dict[str, Any]:
        """Return the callback URLs of an application, without those that are not set."""
        urls = self.switchboard.urls.get(self.known_application(application_key), CallbackUrls())
        return {"url": {name: url for name, url in attrs.asdict(urls).items() if url}}

    def update_callback_urls(self, application_key: str, body: dict[str, Any]) -> None:
        """Set the callback URLs of an application; a missing fallback removes the old one."""
        url = body.get("url", {})
        urls = CallbackUrls(url.get("primary") or None, url.get("fallback") or None)
        self.switchboard.urls[self.known_application(application_key)] = urls

    def query_number(self, number: str) -> dict[str, Any]:
        """Return information on a number.

        Source: "Query number", deprecated by the vendor.
        """
        normalized = "+" + re.sub(r"[^0-9]", "", number.replace("(0)", ""))
        if not number.startswith("+") or not re.fullmatch(r"\+[1-9][0-9]{5,14}", normalized):
            raise Refused(40001, "Invalid number specified")
        found = [(name, rate) for name, start, rate in COUNTRIES if normalized[:3] == start[:3]]
        country, rate = found[0] if found else ("", "0.1000")
        return {
            "number": {
                "countryId": country,
                "numberType": "Unknown",
                "normalizedNumber": normalized,
                "restricted": False,
                "rate": {"currencyId": "EUR", "amount": float(rate)},
            }
        }

    def known_application(self, application_key: str) -> str:
        """Return the key of an existing application, or refuse the request."""
        if application_key not in self.applications:
            raise Refused(40003, "Invalid Application Key")
        return application_key

    def user_report(
        self,
        application_key: str,
        user: Endpoint,
        domain: str,
        start: datetime | None,
        stop: datetime | None,
    ) -> dict[str, Any]:
        """Return totals of a user's ended calls, made and received."""
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
            report["start"] = format_day(first.replace(microsecond=0))
        return report

    def counter(self, application_key: str, counter_id: str) -> dict[str, Any]:
        """Return the value of a counter at its last refresh."""
        if counter_id.lower() != "currentcalls":
            raise Refused(40400, f"Counter not found: {counter_id}")
        now = self.clock.now.timestamp()
        refreshed = datetime.fromtimestamp(now - now % _REFRESH, UTC).replace(microsecond=0)
        with self.lock:
            ongoing = sum(
                call.was_ongoing(refreshed)
                for call in self.calls.values()
                if call.application_key == application_key
            )
        return {"value": ongoing, "modified": format_day(refreshed)}

    def service_status(self, service_id: str) -> dict[str, Any]:
        """Return the status of a service."""
        with self.lock:
            status = self.services.get(service_id)
        if status is None:
            raise Refused(40400, f"Service not found: {service_id}")
        return {"status": status}

    def populate(self, application_key: str, days: int = 7) -> None:
        """Add calls of the last days between users and numbers, and an ongoing call of each kind.

        The ongoing calls began before the last refresh of the counter, which thus counts them.
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
    """Return a part of SVAML as a test would write it; Raw if only the client refuses it."""
    key = "action" if is_action else "instructions"
    try:
        svaml = Svaml.from_wire({key: part if is_action else [part]})
    except InvalidRequest:
        return Raw(part)
    return svaml.action if is_action else (svaml.instructions or (None,))[0]
