"""Callbacks: verify and read the requests that Sinch sends about calls, and answer with SVAML.

    callbacks = Callbacks(Credentials(key, secret))

    event = callbacks.receive_wsgi(environ)  # or receive, receive_asgi, receive_lambda
    match event:
        case IncomingCall():
            answer = event.answer(Svaml([Say("Goodbye", locale="en-US")], Hangup()))
        case _:
            answer = event.answer()

`answer` has the body, headers and status to return. A request that fails verification raises
CallbackRefused.

Source: callback events of the Voice API 1.0.1 specification and the older "Callback API" page,
unless a class says otherwise.
"""

from __future__ import annotations

import base64
import hashlib
import json
import logging
import re
import threading
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterator, Mapping, MutableMapping
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar, Protocol, TypeAlias, get_args
from urllib.parse import quote

import attrs

from . import decoding, endpoints, svaml
from .calls import Price, read_price
from .endpoints import Endpoint
from .errors import CallbackRefused, ConfigurationError, InvalidRequest, printable
from .errors import shown as _shown
from .signing import Credentials, Headers, Refusal, find_refusal
from .svaml import Svaml
from .vocabulary import (
    AmdReason,
    AmdStatus,
    CallDomain,
    CallResult,
    DisconnectReason,
    InputMethod,
    MenuResultType,
    NotificationType,
)

__all__ = [
    "AmdReason",
    "AmdResult",
    "AmdStatus",
    "AnsweredCall",
    "BodyRefusal",
    "CallbackAnswer",
    "CallbackRefused",
    "Callbacks",
    "DisconnectReason",
    "DisconnectedCall",
    "Event",
    "IncomingCall",
    "InputMethod",
    "MenuResult",
    "MenuResultType",
    "Notification",
    "NotificationType",
    "PromptInput",
    "RecentlySeen",
    "SeenStore",
    "UnknownEvent",
    "parse",
]

_logger = logging.getLogger("sinchvoice")
_JSON = json.JSONEncoder(separators=(",", ":"), check_circular=False)  # SVAML has no cycles
_ORIGIN = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]*://[^/?#]*")


class BodyRefusal(StrEnum):
    """Why a request was refused because of its body rather than its signature."""

    TOO_LARGE = "its body is too large"
    INCOMPLETE = "its body did not arrive as a whole"
    NOT_A_JSON_OBJECT = "its body is not a JSON object"


# --- Answers -------------------------------------------------------------------------------------


@attrs.frozen
class CallbackAnswer:
    """The response to return to Sinch, for any framework.

    Attributes:
        body: The body; empty without SVAML.
        headers: The Content-Type; empty without a body.
        status_code: 200.
    """

    body: bytes = b""
    headers: dict[str, str] = attrs.field(factory=dict, hash=False)
    status_code: int = 200


def _kinds(union: Any) -> dict[str, type]:
    return {kind.wire_name.casefold(): kind for kind in get_args(union) if kind is not svaml.Raw}


_ALL_INSTRUCTIONS, _ALL_ACTIONS = _kinds(svaml.Instruction), _kinds(svaml.Action)


@attrs.frozen(kw_only=True)
class _Allowance:
    """The SVAML allowed in the answer to an event.

    Attributes:
        event: Name of the event in messages.
        actions: Allowed classes of actions; None allows all.
        instructions: Allowed classes of instructions; None allows all.
        need: The remedy for a missing answer, if the event requires SVAML.
        action_needed: Whether instructions are ignored without an action.
    """

    event: str
    actions: tuple[type, ...] | None = ()
    instructions: tuple[type, ...] | None = ()
    need: str | None = None
    action_needed: bool = True

    def check(self, answer: Svaml, parameter: str = "svaml") -> None:
        """Raise InvalidRequest unless the event allows this answer."""
        if self.actions == () and self.instructions == ():
            raise InvalidRequest(
                f"{self.event} takes no SVAML",
                parameter=parameter,
                value=answer,
                remedy="call answer() without arguments, an empty 200",
            )
        for instruction in answer.instructions or ():
            if self.instructions is not None and type(instruction) not in self.instructions:
                self._check("instruction", instruction, self.instructions, parameter)
        if answer.action is not None:
            if self.actions is not None and type(answer.action) not in self.actions:
                self._check("action", answer.action, self.actions, parameter)
        elif self.action_needed:
            raise InvalidRequest(
                f"{parameter} has no action",
                parameter=parameter,
                value=answer,
                remedy="add Hangup() or another action that the event takes: instructions do not "
                "work without one",
            )

    def _check(self, part: str, given: Any, allowed: tuple[type, ...], parameter: str) -> None:
        kind: type | None = type(given)
        if isinstance(given, svaml.Raw):
            name = str(given.value["name"]).casefold()
            kind = _ALL_ACTIONS.get(name) or _ALL_INSTRUCTIONS.get(name)
        if kind is None or kind in allowed:  # names unknown to this version pass
            return
        taken = ", ".join(each.__name__ for each in allowed)
        raise InvalidRequest(
            f"{self.event} does not take the {part} {kind.__name__}",
            parameter=parameter,
            value=given,
            remedy=f"it takes {taken}",
        )


_SOUND = (svaml.PlayFiles, svaml.Say)
_RECORDING = (svaml.StartRecording, svaml.StopRecording)

# Source: the schemas of SVAML for ICE, ACE and PIE in the specification; ReportCallStatus is on an
# older page.
_ICE = _Allowance(
    event="an IncomingCall (ICE)",
    actions=(
        svaml.Hangup,
        svaml.ConnectPstn,
        svaml.ConnectMxp,
        svaml.ConnectConf,
        svaml.ConnectSip,
        svaml.ConnectStream,
        svaml.RunMenu,
        svaml.Park,
    ),
    instructions=(*_SOUND, svaml.Answer, svaml.SendDtmf, svaml.SetCookie, *_RECORDING),
    need="give an action, such as Svaml(action=Hangup()); otherwise the caller hears an error",
)
_ACE = _Allowance(
    event="an AnsweredCall (ACE)",
    actions=(svaml.Continue, svaml.Hangup, svaml.ConnectConf, svaml.RunMenu),
    instructions=(*_SOUND, svaml.SetCookie, *_RECORDING),
    need="give an action, such as Svaml(action=Continue())",
)
_PIE = _Allowance(
    event="a PromptInput (PIE)",
    actions=(
        svaml.Continue,
        svaml.Hangup,
        svaml.ConnectPstn,
        svaml.ConnectConf,
        svaml.ConnectSip,
        svaml.RunMenu,
    ),
    instructions=(*_SOUND, svaml.SendDtmf, svaml.SetCookie, *_RECORDING),
)
_CONFERENCE_PIE = _Allowance(event="a PromptInput (PIE) of a conference")
_DICE = _Allowance(
    event="a DisconnectedCall (DiCE)",
    actions=(svaml.Hangup,),
    instructions=(svaml.ReportCallStatus,),
    action_needed=False,
)
_NOTIFY = _Allowance(event="a Notification")
#: The SVAML that a custom callout may contain for an event, in place of an answer.
ALLOWANCES = {"ice": _ICE, "ace": _ACE, "pie": _PIE, "dice": _DICE}
_UNKNOWN = _Allowance(event="an UnknownEvent", actions=None, instructions=None, action_needed=False)


# --- Events --------------------------------------------------------------------------------------


@attrs.frozen(kw_only=True)
class AmdResult:
    """The result of answering machine detection.

    Attributes:
        status: Human, machine or neither; unknown text is kept.
        reason: Why the detection decided so; unknown text is kept.
        duration: How long detection took; the documents disagree on the unit.
    """

    status: AmdStatus | str | None
    reason: AmdReason | str | None
    duration: int | None


@attrs.frozen(kw_only=True)
class MenuResult:
    """The input to a menu, or to a conference.

    Attributes:
        menu_id: The menu's id; for keys pressed in a conference, the conference's id.
        type: How the menu ended; unknown text is kept.
        value: The digits, or the value of the option `return(value)`.
        input_method: Keys or voice; unknown text is kept.
    """

    menu_id: str | None
    type: MenuResultType | str | None
    value: str | None
    input_method: InputMethod | str | None


@attrs.frozen(kw_only=True)
class _Event:
    """The fields common to all events. Values that the server omitted or garbled are None.

    Attributes:
        call_id: The call's id.
        conference_id: The conference's id, if the event concerns one.
        timestamp: Time of the event, in UTC.
        custom: Data attached by the application or the caller's app. See `custom_json`.
        application_key: Key of the call's application.
        user: The calling app user.
        cookies: Values stored with `SetCookie`, as pairs.
        version: Version of the event's format.
        key: SHA-256 of the body as 64 hexadecimal digits, because events have no id. It is the same
            for both deliveries if Sinch sends an event again, to the fallback URL, after the
            first URL failed. Different events differ in their key unless their bodies, time
            included, are identical.
        repeated: Whether the `seen` store had the key; False without such a store.
        raw: The JSON as received, with exact decimals.
    """

    _allowance: ClassVar[_Allowance]

    call_id: str | None
    conference_id: str | None
    timestamp: datetime | None
    custom: str | Mapping[str, Any] | None = attrs.field(hash=False)
    application_key: str | None
    user: str | None
    cookies: tuple[tuple[str, str], ...]
    version: int | None
    key: str
    repeated: bool = False
    raw: Mapping[str, Any] = attrs.field(repr=False, eq=False)

    def custom_json(self) -> Any:
        """Return `custom` as JSON: text is parsed, an object is returned unchanged.

        Raises:
            ValueError: The text is not JSON.
        """
        return decoding.custom_json(self.custom)

    def answer(self, svaml: Svaml | None = None) -> CallbackAnswer:
        """Make the answer to this event.

        Args:
            svaml: Instructions and action for the call. Without it the answer is an empty 200,
                which IncomingCall and AnsweredCall do not allow.

        Raises:
            InvalidRequest: The event does not allow this answer; the message lists what it allows.

        Source: tables of SVAML by event, Voice API 1.0.1; "SVAML" page: instructions do not work
        without an action.
        """
        allowance = self._allowed()
        if svaml is None:
            if allowance.need is not None:
                raise InvalidRequest(
                    f"{allowance.event} must be answered with SVAML",
                    parameter="svaml",
                    remedy=allowance.need,
                )
            return CallbackAnswer()
        if not isinstance(svaml, Svaml):
            raise InvalidRequest(
                f"svaml is of type {type(svaml).__name__}",
                parameter="svaml",
                value=svaml,
                remedy="give a Svaml; Svaml.from_wire reads JSON",
            )
        allowance.check(svaml)
        return CallbackAnswer(
            body=_JSON.encode(svaml.to_wire()).encode(),
            headers={"Content-Type": "application/json"},
        )

    def _allowed(self) -> _Allowance:
        return self._allowance


@attrs.frozen(kw_only=True)
class IncomingCall(_Event):
    """ICE: an incoming call; the answer routes it.

    The answer must have SVAML. When an app user calls a conference, `to` is
    `OtherEndpoint("conference", id)`; the answer ConnectConf lets the user join.

    Attributes:
        call_resource_url: URL of the call in its region; `voice.calls` takes it as an id.
        cli: The caller's number, possibly without a plus, or `private`.
        to: The callee; often `OtherEndpoint("did", number)`, a number of the application.
        domain: Where the call will end; unknown text is kept.
        origination_type: Where the call comes from; unknown text is kept.
        duration: Seconds.
        rdnis: The number that the call was redirected from.
        call_headers: Headers from the caller's app, as pairs; ConnectMxp takes them.
        user_rate: Price per minute to the dialled destination.
    """

    event: ClassVar[str] = "ice"
    _allowance = _ICE

    call_resource_url: str | None
    cli: str | None
    to: Endpoint | None
    domain: CallDomain | str | None
    origination_type: CallDomain | str | None
    duration: int | None
    rdnis: str | None
    call_headers: tuple[tuple[str, str], ...]
    user_rate: Price | None


@attrs.frozen(kw_only=True)
class AnsweredCall(_Event):
    """ACE: the callee answered; the answer controls what follows.

    The answer must have SVAML. After a conference callout, answer ConnectConf, or the callee does
    not join; after a text-to-speech callout, Continue says the text. There is no ACE for app users.

    Attributes:
        call_resource_url: URL of the call in its region, if sent.
        amd: Human or machine, if the call was made with answering machine detection.
    """

    event: ClassVar[str] = "ace"
    _allowance = _ACE

    call_resource_url: str | None
    amd: AmdResult | None


@attrs.frozen(kw_only=True)
class DisconnectedCall(_Event):
    """DiCE: the call ended. The answer is an empty 200, or ReportCallStatus for its record.

    Attributes:
        from_: The caller; a number may lack its plus.
        to: The callee.
        reason: Why the call ended; unknown text is kept.
        result: The call's result; unknown text is kept.
        duration: Seconds; None unless the call was answered.
        debit: Price of the whole call.
        user_rate: Price per minute.
        call_headers: Headers from the caller's app or from the answer to the ICE, as pairs.
    """

    event: ClassVar[str] = "dice"
    _allowance = _DICE

    from_: Endpoint | None
    to: Endpoint | None
    reason: DisconnectReason | str | None
    result: CallResult | str | None
    duration: int | None
    debit: Price | None
    user_rate: Price | None
    call_headers: tuple[tuple[str, str], ...]


@attrs.frozen(kw_only=True)
class PromptInput(_Event):
    """PIE: input to a menu, or keys pressed in a conference.

    For keys in a conference, `menu_result.menu_id` is the conference's id, and the answer is an
    empty 200. `from_conference` recognizes them if the event has a `conference_id`; otherwise
    compare `menu_result.menu_id` with the ids of your menus.

    Attributes:
        menu_result: The input.
    """

    event: ClassVar[str] = "pie"
    _allowance = _PIE

    menu_result: MenuResult

    @property
    def from_conference(self) -> bool:
        """Return whether the keys were certainly pressed in a conference."""
        return self.conference_id is not None and self.conference_id == self.menu_result.menu_id

    def _allowed(self) -> _Allowance:
        return _CONFERENCE_PIE if self.from_conference else _PIE


@attrs.frozen(kw_only=True)
class Notification(_Event):
    """Notify: information that needs no decision. The answer is an empty 200.

    Attributes:
        type: Subject of the notification; unknown text is kept.
        destination: Location of the recording or transcription.
        amd: Human or machine, from detection during the call.
        error_code: Code of a `callingerror`: 40001 for wrong SVAML, 50000 otherwise.
        error_message: Message of a `callingerror`.
    """

    event: ClassVar[str] = "notify"
    _allowance = _NOTIFY

    type: NotificationType | str | None
    destination: str | None
    amd: AmdResult | None
    error_code: int | None
    error_message: str | None


@attrs.frozen(kw_only=True)
class UnknownEvent(_Event):
    """An event unknown to this version: see `raw`. It allows any answer.

    Attributes:
        event: Name of the event; None if missing.
    """

    _allowance = _UNKNOWN

    event: str | None


#: All events.
Event: TypeAlias = (
    IncomingCall | AnsweredCall | DisconnectedCall | PromptInput | Notification | UnknownEvent
)


# --- Reading events ------------------------------------------------------------------------------


def parse(body: bytes | str) -> Event:
    """Read an event without verifying it, for tests and stored events.

    Args:
        body: The body of a callback.

    Raises:
        CallbackRefused: The body is not a JSON object.
        InvalidRequest: The body is neither bytes nor text.
    """
    if isinstance(body, str):
        body = body.encode("utf-8", "surrogatepass")
    if not isinstance(body, (bytes, bytearray, memoryview)):
        raise InvalidRequest(
            f"body is of type {type(body).__name__}",
            parameter="body",
            remedy="give the bytes or the text of the body",
        )
    return _read(bytes(body))


def _read(body: bytes) -> Event:
    try:
        raw = decoding.json_object(body)
    except (ValueError, RecursionError) as error:
        raise _refused(BodyRefusal.NOT_A_JSON_OBJECT) from error
    name = _text(raw.get("event")) or ""
    custom = raw.get("custom")
    common = {
        "call_id": _text(raw.get("callId")) or _text(raw.get("callid")),
        "conference_id": _text(raw.get("conferenceId")),
        "timestamp": decoding.timestamp(raw.get("timestamp")),
        "custom": custom if isinstance(custom, (str, dict)) else None,
        "application_key": _text(raw.get("applicationKey")),
        "user": _text(raw.get("user")),
        "cookies": _pairs(raw.get("cookies")),
        "version": decoding.whole_number(raw.get("version")),
        "key": hashlib.sha256(body).hexdigest(),
        "raw": raw,
    }
    return _READERS.get(name.casefold(), _unknown)(raw, common)


def _ice(raw: Mapping[str, Any], common: Mapping[str, Any]) -> IncomingCall:
    return IncomingCall(
        **common,
        call_resource_url=_text(raw.get("callResourceUrl")),
        cli=_text(raw.get("cli")),
        to=endpoints.read(raw.get("to")),
        domain=decoding.open_enum(CallDomain, raw.get("domain")),
        origination_type=decoding.open_enum(CallDomain, raw.get("originationType")),
        duration=decoding.whole_number(raw.get("duration")),
        rdnis=_text(raw.get("rdnis")),
        call_headers=_pairs(raw.get("callHeaders")),
        user_rate=read_price(raw.get("userRate")),
    )


def _ace(raw: Mapping[str, Any], common: Mapping[str, Any]) -> AnsweredCall:
    return AnsweredCall(
        **common,
        call_resource_url=_text(raw.get("callResourceUrl")),
        amd=_amd(raw.get("amd")),
    )


def _dice(raw: Mapping[str, Any], common: Mapping[str, Any]) -> DisconnectedCall:
    return DisconnectedCall(
        **common,
        from_=endpoints.read(raw.get("from")),
        to=endpoints.read(raw.get("to")),
        reason=decoding.open_enum(DisconnectReason, raw.get("reason")),
        result=decoding.open_enum(CallResult, raw.get("result")),
        duration=decoding.whole_number(raw.get("duration")),
        debit=read_price(raw.get("debit")),
        user_rate=read_price(raw.get("userRate")),
        call_headers=_pairs(raw.get("callHeaders")),
    )


def _pie(raw: Mapping[str, Any], common: Mapping[str, Any]) -> PromptInput:
    given = raw.get("menuResult")
    result = given if isinstance(given, dict) else {}
    return PromptInput(
        **common,
        menu_result=MenuResult(
            menu_id=_text(result.get("menuId")),
            type=decoding.open_enum(MenuResultType, result.get("type")),
            value=_text(result.get("value")),
            input_method=decoding.open_enum(InputMethod, result.get("inputMethod")),
        ),
    )


def _notify(raw: Mapping[str, Any], common: Mapping[str, Any]) -> Notification:
    code = raw.get("errorCode")
    return Notification(
        **common,
        type=decoding.open_enum(NotificationType, raw.get("type")),
        destination=_text(raw.get("destination")),
        amd=_amd(raw.get("amd")),
        # Table and text of the page spell it differently.
        error_code=decoding.whole_number(raw.get("errCode") if code is None else code),
        error_message=_text(raw.get("errorMsg")),
    )


def _unknown(raw: Mapping[str, Any], common: Mapping[str, Any]) -> UnknownEvent:
    return UnknownEvent(**common, event=_text(raw.get("event")))


_READERS: Mapping[str, Callable[[Mapping[str, Any], Mapping[str, Any]], Event]] = {
    IncomingCall.event: _ice,
    AnsweredCall.event: _ace,
    DisconnectedCall.event: _dice,
    PromptInput.event: _pie,
    Notification.event: _notify,
}


def _amd(value: object) -> AmdResult | None:
    if not isinstance(value, dict):
        return None
    return AmdResult(
        status=decoding.open_enum(AmdStatus, value.get("status")),
        reason=decoding.open_enum(AmdReason, value.get("reason")),
        duration=decoding.whole_number(value.get("duration")),
    )


def _text(value: object) -> str | None:
    """Return non-empty text; a number becomes its digits."""
    if isinstance(value, str):
        return value or None
    return str(value) if type(value) is int else None


def _pairs(value: object) -> tuple[tuple[str, str], ...]:
    """Read `[{"key": …, "value": …}]`; other items are left out."""
    if not isinstance(value, list):
        return ()
    return tuple(
        (item["key"], item["value"])
        for item in value
        if isinstance(item, dict)
        and isinstance(item.get("key"), str)
        and isinstance(item.get("value"), str)
    )


# --- Repeated events -----------------------------------------------------------------------------


class SeenStore(Protocol):
    """Remembers the keys of events, so that a second delivery is marked as `repeated`."""

    def add(self, key: str) -> bool:
        """Add a key, and return whether it is new."""
        ...


class RecentlySeen:
    """A thread-safe `SeenStore` in the memory of this process.

    Args:
        max_age: Seconds to remember a key.
        max_keys: Number of keys to remember, about 250 bytes each; the oldest are dropped first.
        clock: Returns the time in seconds.

    Raises:
        ConfigurationError: A limit is not a number above zero.
    """

    def __init__(
        self,
        *,
        max_age: float = 3600.0,
        max_keys: int = 100_000,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._max_age = _positive("max_age", max_age, int | float)
        self._max_keys = _positive("max_keys", max_keys, int)
        self._clock = clock
        self._times: OrderedDict[str, float] = OrderedDict()
        self._lock = threading.Lock()

    def add(self, key: str) -> bool:
        """Add a key, and return whether it is new."""
        with self._lock:
            now = self._clock()
            while self._times and now - next(iter(self._times.values())) > self._max_age:
                self._times.popitem(last=False)
            if key in self._times:
                return False
            self._times[key] = now
            if len(self._times) > self._max_keys:
                self._times.popitem(last=False)
            return True

    def __len__(self) -> int:
        """Return the number of remembered keys."""
        return len(self._times)


def _positive(name: str, value: Any, kinds: Any) -> Any:
    if not isinstance(value, kinds) or isinstance(value, bool) or not value > 0:
        raise ConfigurationError(parameter=name, value=value, remedy="give a number above zero")
    return value


# --- Receiving -----------------------------------------------------------------------------------

_MAX_BODY = 262_144  # bytes; an event is a few thousand

_STATUS: Mapping[BodyRefusal, int] = {
    BodyRefusal.TOO_LARGE: 413,
    BodyRefusal.INCOMPLETE: 400,
    BodyRefusal.NOT_A_JSON_OBJECT: 400,
}
_REMEDIES: Mapping[StrEnum, str] = {
    Refusal.NO_AUTHORIZATION: "if Sinch sent it, a server or proxy removed the header",
    Refusal.NO_TIMESTAMP: "if Sinch sent it, a server or proxy removed the header",
    Refusal.WRONG_KEY: "if the application is yours, give its credentials as well",
    Refusal.EXPIRED: "check this machine's clock, or give another max_age",
    BodyRefusal.TOO_LARGE: "if Sinch sent it, give a larger max_body",
    BodyRefusal.INCOMPLETE: "if the framework has already read it, pass that body to receive()",
}


def _refused(reason: Refusal | BodyRefusal, path: str = "") -> CallbackRefused:
    _logger.info("a callback was refused: %s", reason.value)
    remedy = _REMEDIES.get(reason)
    if reason is Refusal.WRONG_SIGNATURE:
        remedy = (
            f"check the secret, and compare the path {printable(path, 200)!r} with the URL that "
            "Sinch called; if they differ, give public_path"
        )
    status = _STATUS[reason] if isinstance(reason, BodyRefusal) else 401
    return CallbackRefused(
        f"the callback was refused: {reason.value}",
        reason=reason,
        status_code=status,
        remedy=remedy,
    )


class Callbacks:
    """Receives the callbacks of one application, or of several.

    Args:
        credentials: Credentials of the application.
        more: Credentials of other applications at the same URL, or the next secret of the same
            application during its rotation. The key in the Authorization header selects among
            them.
        max_age: Seconds by which the x-timestamp header may differ from the current time, in
            either direction. None accepts any age, and so every replay.
        seen: Store for the keys of events; see `SeenStore`. An event already in it is marked as
            `repeated`, never refused. An event is stored when received, answered or not.
        max_body: Maximum size of a body in bytes.

    Raises:
        ConfigurationError: An argument has the wrong type or value.
    """

    def __init__(
        self,
        credentials: Credentials,
        *more: Credentials,
        max_age: float | None = 300,
        seen: SeenStore | None = None,
        max_body: int = _MAX_BODY,
    ) -> None:
        for each in (credentials, *more):
            if not isinstance(each, Credentials):
                raise ConfigurationError(
                    f"credentials is of type {type(each).__name__}",
                    parameter="credentials",
                    remedy="give a Credentials(application_key, application_secret)",
                )
        if seen is not None and not callable(getattr(seen, "add", None)):
            raise ConfigurationError(
                parameter="seen", value=seen, remedy="give a store with add(key), or RecentlySeen()"
            )
        self._credentials = (credentials, *more)
        self._max_age = None if max_age is None else _positive("max_age", max_age, int | float)
        self._seen = seen
        self._max_body = _positive("max_body", max_body, int)

    def receive(
        self, *, method: str, path: str | bytes, headers: Headers, body: bytes | None
    ) -> Event:
        """Verify and read a callback.

        Args:
            method: HTTP method, as received.
            path: Path of the *public* callback URL, with its percent-escapes as received. Scheme,
                host and query are ignored.
            headers: All headers, as a mapping or as pairs; names in any case.
            body: The raw bytes of the body.

        Raises:
            CallbackRefused: The callback fails verification, or its body is too large or not a
                JSON object.
            InvalidRequest: An argument has a type that no request has.
            ConfigurationError: The `seen` store returned something other than True or False.

        Source: "Using REST" page, callback requests.
        """
        if isinstance(body, (bytes, bytearray, memoryview)):
            body = bytes(body)
            if len(body) > self._max_body:
                raise _refused(BodyRefusal.TOO_LARGE)
        if len(self._credentials) > 1 and isinstance(headers, Iterator):
            headers = list(headers)  # read once for each of the credentials
        target = _path(path)
        refusal = None
        for credentials in self._credentials:
            found = find_refusal(
                credentials,
                method=method,
                path=target,
                headers=headers,
                body=body,
                max_age=self._max_age,
            )
            if found is None:
                return self._mark(_read(body or b""))
            if found is not Refusal.WRONG_KEY:
                refusal = found
        raise _refused(refusal or Refusal.WRONG_KEY, target)

    def receive_wsgi(self, environ: Mapping[str, Any], public_path: str | None = None) -> Event:
        """Verify and read the callback in a WSGI request whose body has not been read yet.

        Args:
            environ: The WSGI environment, such as `request.environ` of Flask and Django.
            public_path: Path of the URL that Sinch called, if a proxy changed it. The default is
                RAW_URI or REQUEST_URI, if the server sets one (gunicorn, Werkzeug, uWSGI,
                mod_wsgi); otherwise SCRIPT_NAME and PATH_INFO, escaped again, which is the same
                unless the URL has unusual escapes, such as %2F.

        Raises:
            CallbackRefused, InvalidRequest, ConfigurationError: As for `receive`.
        """
        if not isinstance(environ, Mapping) or "REQUEST_METHOD" not in environ:
            raise _not_a_request("environ", environ, "give the environ of a WSGI request")
        headers = {
            name[5:].replace("_", "-"): value
            for name, value in environ.items()
            if isinstance(name, str) and name.startswith("HTTP_")
        }
        if environ.get("CONTENT_TYPE"):
            headers["CONTENT-TYPE"] = environ["CONTENT_TYPE"]  # some servers set both
        return self.receive(
            method=environ["REQUEST_METHOD"],
            path=_wsgi_path(environ) if public_path is None else public_path,
            headers=headers,
            body=self._wsgi_body(environ),
        )

    async def receive_asgi(
        self,
        scope: Mapping[str, Any],
        receive: Callable[[], Awaitable[MutableMapping[str, Any]]],
        public_path: str | None = None,
    ) -> Event:
        """Verify and read the callback in an ASGI request whose body has not been read yet.

        Args:
            scope: The ASGI scope, such as `request.scope` of Starlette and FastAPI.
            receive: The ASGI callable, such as their `request.receive`.
            public_path: Path of the URL that Sinch called, if a proxy changed it. The default is
                `raw_path`, if the server sets it; otherwise `path`, escaped again.

        Raises:
            CallbackRefused, InvalidRequest, ConfigurationError: As for `receive`.
        """
        if not isinstance(scope, Mapping) or scope.get("type") != "http":
            raise _not_a_request("scope", scope, "give the scope of an HTTP request")
        path = public_path
        if path is None:
            path = scope.get("raw_path") or _quoted(str(scope.get("path") or "/"))
        return self.receive(
            method=scope["method"],
            path=path,
            headers=scope["headers"],
            body=await self._asgi_body(receive),
        )

    def receive_lambda(self, event: Mapping[str, Any], public_path: str | None = None) -> Event:
        """Verify and read the callback in an AWS Lambda event.

        Args:
            event: The event of an API Gateway (REST or HTTP API), a function URL or an Application
                Load Balancer.
            public_path: Path of the URL that Sinch called. The default is the path in the event,
                stage included. Give it if the URL has percent-escapes, which some gateways
                decode, or if an HTTP API has a mapping to a stage.

        Raises:
            CallbackRefused, InvalidRequest, ConfigurationError: As for `receive`.
        """
        method, path = _lambda_target(event)
        multiple = event.get("multiValueHeaders")
        return self.receive(
            method=method,
            path=path if public_path is None else public_path,
            headers=multiple or event.get("headers") or {},
            body=_lambda_body(event),
        )

    def _mark(self, event: Event) -> Event:
        if self._seen is None:
            return event
        is_new = self._seen.add(event.key)
        if not isinstance(is_new, bool):
            raise ConfigurationError(
                f"seen.add returned {_shown(is_new)}",
                parameter="seen",
                value=is_new,
                remedy="return True if the key is new and False if not, from a plain function",
            )
        return event if is_new else attrs.evolve(event, repeated=True)

    def _wsgi_body(self, environ: Mapping[str, Any]) -> bytes:
        length = str(environ.get("CONTENT_LENGTH") or "").strip()
        ends = bool(environ.get("wsgi.input_terminated"))
        if length and not (length.isascii() and length.isdigit() and len(length) < 20):
            raise _refused(BodyRefusal.INCOMPLETE)
        expected = int(length) if length else None
        if expected is not None and expected > self._max_body:
            raise _refused(BodyRefusal.TOO_LARGE)
        if expected is None and not ends:
            return b""
        wanted = self._max_body + 1 if expected is None else expected
        parts, size = [], 0
        try:
            while size < wanted and (part := environ["wsgi.input"].read(wanted - size)):
                parts.append(part)
                size += len(part)
        except OSError as error:  # the client disconnected
            raise _refused(BodyRefusal.INCOMPLETE) from error
        if expected is not None and size < expected:
            raise _refused(BodyRefusal.INCOMPLETE)
        return b"".join(parts)

    async def _asgi_body(self, receive: Callable[[], Awaitable[MutableMapping[str, Any]]]) -> bytes:
        parts, size = [], 0
        while True:
            message = await receive()
            if message["type"] != "http.request":  # http.disconnect
                raise _refused(BodyRefusal.INCOMPLETE)
            part = message.get("body") or b""
            size += len(part)
            if size > self._max_body:
                raise _refused(BodyRefusal.TOO_LARGE)
            parts.append(part)
            if not message.get("more_body"):
                return b"".join(parts)


def _path(target: Any) -> Any:
    """Return the path of a request target; values of other types pass, to be refused later."""
    if not isinstance(target, str):
        if not isinstance(target, (bytes, bytearray, memoryview)):
            return target
        target = bytes(target).decode("utf-8", "surrogateescape")
    if not target.startswith("/"):
        target = _ORIGIN.sub("", target, 1)
    return target.partition("?")[0]


def _quoted(path: str, encoding: str = "utf-8", kept: str = "") -> str:
    """Escape a decoded path, only where necessary."""
    return quote(path, f"/-._~!$&'()*+,;=:@{kept}", encoding, "replace")


def _wsgi_path(environ: Mapping[str, Any]) -> str:
    for name in ("RAW_URI", "REQUEST_URI"):
        if environ.get(name):
            return str(environ[name])
    decoded = f"{environ.get('SCRIPT_NAME', '')}{environ.get('PATH_INFO', '')}"
    return _quoted(decoded, "latin-1")


def _lambda_target(event: Any) -> tuple[str, str]:
    """Return method and path of a gateway's event, stage included."""
    if isinstance(event, Mapping):
        context = event.get("requestContext")
        context = context if isinstance(context, Mapping) else {}
        http = context.get("http")
        if isinstance(http, Mapping):
            method, path = http.get("method"), event.get("rawPath")
        else:
            method, path = event.get("httpMethod"), context.get("path") or event.get("path")
        if isinstance(method, str) and isinstance(path, str):
            # Some gateways decode the path: escape it again, but keep existing escapes.
            return method, _quoted(path, kept="%")
    raise _not_a_request(
        "event", event, "give the event of an API Gateway, a function URL or a load balancer"
    )


def _lambda_body(event: Mapping[str, Any]) -> bytes:
    body = event.get("body")
    if body is None:
        return b""
    if isinstance(body, str):
        if not event.get("isBase64Encoded"):
            return body.encode("utf-8", "surrogatepass")
        try:
            return base64.b64decode(body, validate=True)
        except ValueError:
            pass
    raise InvalidRequest(
        "event['body'] is not text, or not base64 although isBase64Encoded is set",
        parameter="event",
        remedy="give the event unchanged",
    )


def _not_a_request(name: str, value: object, remedy: str) -> InvalidRequest:
    return InvalidRequest(f"{name} is {_shown(value)}", parameter=name, value=value, remedy=remedy)
