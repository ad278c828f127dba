"""Callbacks: verify the requests that Sinch sends about a call, read them, and answer with SVAML.

    callbacks = Callbacks(Credentials(key, secret))

    event = callbacks.receive_wsgi(environ)  # or receive, receive_asgi, receive_lambda
    match event:
        case IncomingCall():
            answer = event.answer(Svaml([Say("Goodbye", locale="en-US")], Hangup()))
        case _:
            answer = event.answer()

`answer` has the body, headers and status to return. A request that is not genuine raises a
`CallbackRefused`.

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
_JSON = json.JSONEncoder(separators=(",", ":"))
_ORIGIN = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]*://[^/?#]*")


class BodyRefusal(StrEnum):
    """Why a request is refused whose signature is right, or was not even looked at."""

    TOO_LARGE = "its body is too large"
    INCOMPLETE = "its body did not arrive as a whole"
    NOT_A_JSON_OBJECT = "its body is not a JSON object"


# --- answers ------------------------------------------------------------------------------------


@attrs.frozen
class CallbackAnswer:
    """What to return to Sinch, for any framework.

    Attributes:
        body: the bytes of the body; empty if the event needs no SVAML.
        headers: the Content-Type; empty without a body.
        status_code: 200.
    """

    body: bytes = b""
    headers: dict[str, str] = attrs.field(factory=dict)
    status_code: int = 200


def _kinds(union: Any) -> dict[str, type]:
    return {kind.wire_name.casefold(): kind for kind in get_args(union) if kind is not svaml.Raw}


_ALL_INSTRUCTIONS, _ALL_ACTIONS = _kinds(svaml.Instruction), _kinds(svaml.Action)


@attrs.frozen(kw_only=True)
class _Allowance:
    """What the answer to an event may have.

    Attributes:
        event: what the event is called in messages.
        actions: kinds of actions; None if that is not known.
        instructions: kinds of instructions; None if that is not known.
        need: what to give, if the event must be answered with SVAML.
        action_needed: whether instructions are ignored without an action.
    """

    event: str
    actions: tuple[type, ...] | None = ()
    instructions: tuple[type, ...] | None = ()
    need: str | None = None
    action_needed: bool = True

    def check(self, answer: Svaml, parameter: str = "svaml") -> None:
        """Raise InvalidRequest unless the event takes this answer."""
        if self.actions == () and self.instructions == ():
            raise InvalidRequest(
                f"{self.event} takes no SVAML",
                parameter=parameter,
                value=answer,
                remedy="answer it with answer(), an empty 200",
            )
        for instruction in answer.instructions or ():
            self._check("instruction", instruction, self.instructions, parameter)
        if answer.action is not None:
            self._check("action", answer.action, self.actions, parameter)
        elif self.action_needed:
            raise InvalidRequest(
                f"{parameter} has no action",
                parameter=parameter,
                value=answer,
                remedy="instructions do not work without one: end with Hangup(), "
                "or with another that the event takes",
            )

    def _check(
        self, part: str, given: Any, allowed: tuple[type, ...] | None, parameter: str
    ) -> None:
        if allowed is None:
            return
        kind: type | None = type(given)
        if isinstance(given, svaml.Raw):
            name = str(given.value["name"]).casefold()
            kind = _ALL_ACTIONS.get(name) or _ALL_INSTRUCTIONS.get(name)
        if kind is None or kind in allowed:  # a name that this version does not know is let through
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
    need="give an action, such as Svaml(action=Hangup()), or the caller hears an error",
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
#: What a custom callout may send along for an event, which no answer is asked for then.
ALLOWANCES = {"ice": _ICE, "ace": _ACE, "pie": _PIE, "dice": _DICE}
_UNKNOWN = _Allowance(event="an UnknownEvent", actions=None, instructions=None, action_needed=False)


# --- events -------------------------------------------------------------------------------------


@attrs.frozen(kw_only=True)
class AmdResult:
    """Who answered a call, a human or a machine.

    Attributes:
        status: the finding; text that is not an AmdStatus is kept.
        reason: what it rests on; text that is not an AmdReason is kept.
        duration: how long it took; the documents disagree on the unit.
    """

    status: AmdStatus | str | None
    reason: AmdReason | str | None
    duration: int | None


@attrs.frozen(kw_only=True)
class MenuResult:
    """What was entered in a menu, or in a conference.

    Attributes:
        menu_id: which menu; for digits pressed in a conference, its `conference_id`.
        type: what ended the menu; text that is not a MenuResultType is kept.
        value: the digits, or the value of the option `return(value)`.
        input_method: keys or voice; text that is not an InputMethod is kept.
    """

    menu_id: str | None
    type: MenuResultType | str | None
    value: str | None
    input_method: InputMethod | str | None


@attrs.frozen(kw_only=True)
class _Event:
    """What all events have. What the server left out, or garbled, is None.

    Attributes:
        call_id: the call's id.
        conference_id: the conference that the event is about.
        timestamp: when it happened, in UTC.
        custom: what the application or the caller's app attached. See `custom_json`.
        application_key: the application that the call belongs to.
        user: the app user who calls.
        cookies: what `SetCookie` kept with the call, as pairs.
        version: of the event's format.
        key: 64 hexadecimal digits that two deliveries of one event have in common: events have no
            id, and this is the SHA-256 of the body. Sinch delivers an event once more, to the
            fallback URL, if the first URL failed. Two events have different keys unless they say
            the same to the last byte, time included.
        repeated: whether the `seen` store had the key; False without such a store.
        raw: the JSON as received, with exact decimals.
    """

    _allowance: ClassVar[_Allowance]

    call_id: str | None
    conference_id: str | None
    timestamp: datetime | None
    custom: str | Mapping[str, Any] | None
    application_key: str | None
    user: str | None
    cookies: tuple[tuple[str, str], ...]
    version: int | None
    key: str
    repeated: bool = False
    raw: Mapping[str, Any] = attrs.field(repr=False, eq=False)

    def custom_json(self) -> Any:
        """What `custom` means as JSON: text is parsed, an object is given as it is.

        Raises:
            ValueError: it is text that is not JSON.
        """
        return decoding.custom_json(self.custom)

    def answer(self, svaml: Svaml | None = None) -> CallbackAnswer:
        """Make the answer to this event.

        Args:
            svaml: what the call is to do. Without it the answer is an empty 200, which an
                IncomingCall and an AnsweredCall do not take.

        Raises:
            InvalidRequest: the event does not take it; the message says what it takes.

        Source: tables of SVAML by event, Voice API 1.0.1; "SVAML" page: instructions do not work
        without an action.
        """
        allowance = self._allowed()
        if svaml is None:
            if allowance.need is not None:
                raise InvalidRequest(
                    f"{allowance.event} is to be answered with SVAML",
                    parameter="svaml",
                    remedy=allowance.need,
                )
            return CallbackAnswer()
        if not isinstance(svaml, Svaml):
            raise InvalidRequest(
                f"svaml is {type(svaml).__name__}",
                parameter="svaml",
                value=svaml,
                remedy="give a Svaml; Svaml.from_wire makes one from JSON",
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
    """ICE: a call has come in; the answer says where it goes.

    It has to be answered with SVAML. A caller of an app who wants to join a conference shows as
    `to=OtherEndpoint("conference", id)`, and joins if the answer is ConnectConf.

    Attributes:
        call_resource_url: URL of the call in its region; `voice.calls` takes it as an id.
        cli: the caller's number, possibly without its plus, or `private`.
        to: who is called; often `OtherEndpoint("did", number)`, a number of the application.
        domain: where the call is to end; text that is not a CallDomain is kept.
        origination_type: where it comes from; text that is not a CallDomain is kept.
        duration: seconds.
        rdnis: the number that the call was redirected from.
        call_headers: headers of the caller's app, as pairs, which ConnectMxp takes.
        user_rate: price per minute to the destination that was dialled.
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
    """ACE: the callee has answered; the answer says how to go on.

    It has to be answered with SVAML. After a callout to a conference that is ConnectConf, or the
    callee does not join; after a text-to-speech callout, Continue says the text. App users send
    no ACE.

    Attributes:
        call_resource_url: URL of the call in its region, if it was sent.
        amd: who answered, if the call was made with detection of answering machines.
    """

    event: ClassVar[str] = "ace"
    _allowance = _ACE

    call_resource_url: str | None
    amd: AmdResult | None


@attrs.frozen(kw_only=True)
class DisconnectedCall(_Event):
    """DiCE: the call is over. The answer is an empty 200, or ReportCallStatus for its record.

    Attributes:
        from_: who called; a number may lack its plus.
        to: who was called.
        reason: why the call ended; text that is not a DisconnectReason is kept.
        result: its result; text that is not a CallResult is kept.
        duration: seconds; None unless the call was answered.
        debit: price of the whole call.
        user_rate: price per minute.
        call_headers: headers of the caller's app, or those of the answer to the ICE, as pairs.
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
    """PIE: somebody has used a menu, or pressed keys in a conference.

    Keys in a conference are told by the conference's id in place of a menu's; that is answered
    with an empty 200. `from_conference` knows it if the event names its conference; otherwise,
    compare `menu_result.menu_id` with the ids of your menus.

    Attributes:
        menu_result: what was entered.
    """

    event: ClassVar[str] = "pie"
    _allowance = _PIE

    menu_result: MenuResult

    @property
    def from_conference(self) -> bool:
        """Whether the keys were surely pressed in a conference."""
        return self.conference_id is not None and self.conference_id == self.menu_result.menu_id

    def _allowed(self) -> _Allowance:
        return _CONFERENCE_PIE if self.from_conference else _PIE


@attrs.frozen(kw_only=True)
class Notification(_Event):
    """Notify: something happened that needs no decision. The answer is an empty 200.

    Attributes:
        type: what it is about; text that is no NotificationType is kept.
        destination: where the recording or transcription is.
        amd: who answered, if that was being found out while the call went on.
        error_code: of a `callingerror`: 40001 if the SVAML was wrong, 50000 otherwise.
        error_message: of a `callingerror`.
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
    """An event that this version does not know: see `raw`. Any answer is let through.

    Attributes:
        event: what kind it says it is; None if it does not say.
    """

    _allowance = _UNKNOWN

    event: str | None


#: Every event there is.
Event: TypeAlias = (
    IncomingCall | AnsweredCall | DisconnectedCall | PromptInput | Notification | UnknownEvent
)


# --- reading events -----------------------------------------------------------------------------


def parse(body: bytes | str) -> Event:
    """Read an event without verifying it: for tests, and for events that were kept.

    Args:
        body: the body of a callback.

    Raises:
        CallbackRefused: the body is not a JSON object.
        InvalidRequest: the body is neither bytes nor text.
    """
    if isinstance(body, str):
        body = body.encode("utf-8", "surrogatepass")
    if not isinstance(body, (bytes, bytearray, memoryview)):
        raise InvalidRequest(
            f"body is {type(body).__name__}",
            parameter="body",
            remedy="give the bytes or the text of the body",
        )
    body = bytes(body)
    try:
        raw = decoding.json_object(body)
    except (ValueError, RecursionError) as error:
        raise _refused(BodyRefusal.NOT_A_JSON_OBJECT) from error
    name = _text(raw.get("event")) or ""
    custom = raw.get("custom")
    read: Callable[..., Event] = _READERS.get(name.casefold(), _unknown)
    return read(
        raw,
        call_id=_text(raw.get("callId")) or _text(raw.get("callid")),
        conference_id=_text(raw.get("conferenceId")),
        timestamp=decoding.timestamp(raw.get("timestamp")),
        custom=custom if isinstance(custom, (str, dict)) else None,
        application_key=_text(raw.get("applicationKey")),
        user=_text(raw.get("user")),
        cookies=_pairs(raw.get("cookies")),
        version=decoding.whole_number(raw.get("version")),
        key=hashlib.sha256(body).hexdigest(),
        raw=raw,
    )


def _ice(raw: Mapping[str, Any], /, **common: Any) -> IncomingCall:
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


def _ace(raw: Mapping[str, Any], /, **common: Any) -> AnsweredCall:
    return AnsweredCall(
        **common,
        call_resource_url=_text(raw.get("callResourceUrl")),
        amd=_amd(raw.get("amd")),
    )


def _dice(raw: Mapping[str, Any], /, **common: Any) -> DisconnectedCall:
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


def _pie(raw: Mapping[str, Any], /, **common: Any) -> PromptInput:
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


def _notify(raw: Mapping[str, Any], /, **common: Any) -> Notification:
    code = raw.get("errorCode")
    return Notification(
        **common,
        type=decoding.open_enum(NotificationType, raw.get("type")),
        destination=_text(raw.get("destination")),
        amd=_amd(raw.get("amd")),
        # The table and the text of the page spell it differently.
        error_code=decoding.whole_number(raw.get("errCode") if code is None else code),
        error_message=_text(raw.get("errorMsg")),
    )


def _unknown(raw: Mapping[str, Any], /, **common: Any) -> UnknownEvent:
    return UnknownEvent(**common, event=_text(raw.get("event")))


_READERS: Mapping[str, Callable[..., Event]] = {
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
    """Text that is not empty; a number is taken for its digits."""
    if type(value) is int:
        return str(value)
    return decoding.text(value)


def _pairs(value: object) -> tuple[tuple[str, str], ...]:
    """`[{"key": …, "value": …}]`; an item that is not of this form is left out."""
    if not isinstance(value, list):
        return ()
    return tuple(
        (item["key"], item["value"])
        for item in value
        if isinstance(item, dict)
        and isinstance(item.get("key"), str)
        and isinstance(item.get("value"), str)
    )


# --- what came before ---------------------------------------------------------------------------


class SeenStore(Protocol):
    """Remembers the keys of events, so that one that is delivered twice shows as `repeated`."""

    def add(self, key: str) -> bool:
        """Add a key, and tell whether it is new."""
        ...


class RecentlySeen:
    """A `SeenStore` in the memory of this process, for all of its threads.

    Args:
        max_age: seconds to remember a key.
        max_keys: how many to remember at most; the oldest goes first. One takes about 250 bytes.
        clock: gives the time in seconds.

    Raises:
        ConfigurationError: a limit is not a number above zero.
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
        """Add a key, and tell whether it is new."""
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
        """How many keys are remembered."""
        return len(self._times)


def _positive(name: str, value: Any, kinds: Any) -> Any:
    if not isinstance(value, kinds) or isinstance(value, bool) or not value > 0:
        raise ConfigurationError(parameter=name, value=value, remedy="give a number above zero")
    return value


# --- receiving ----------------------------------------------------------------------------------

_MAX_BODY = 262_144  # bytes; an event has a few thousand

_STATUS: Mapping[BodyRefusal, int] = {
    BodyRefusal.TOO_LARGE: 413,
    BodyRefusal.INCOMPLETE: 400,
    BodyRefusal.NOT_A_JSON_OBJECT: 400,
}
_REMEDIES: Mapping[StrEnum, str] = {
    Refusal.NO_AUTHORIZATION: "if Sinch sent it, a server or proxy removed the header",
    Refusal.NO_TIMESTAMP: "if Sinch sent it, a server or proxy removed the header",
    Refusal.WRONG_KEY: "if it is an application of yours, give its credentials as well",
    Refusal.EXPIRED: "check this machine's clock, or give another max_age",
    BodyRefusal.TOO_LARGE: "if Sinch sent it, give a larger max_body",
    BodyRefusal.INCOMPLETE: "if it was read before, give what was read to receive()",
}


def _refused(reason: Refusal | BodyRefusal, path: str = "") -> CallbackRefused:
    _logger.info("a callback was refused: %s", reason.value)
    remedy = _REMEDIES.get(reason)
    if reason is Refusal.WRONG_SIGNATURE:
        remedy = (
            f"check the secret, and that the path {printable(path, 200)!r} is that of the URL "
            "which Sinch called; if not, give public_path"
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
        credentials: of the application.
        more: of other applications that share the URL, or with the next secret of the same one
            while it is being changed. The key in the Authorization header says which are tried.
        max_age: seconds that the x-timestamp header may be away from the present, either way.
            None accepts any age, and with it every replay.
        seen: remembers the keys of events; see `SeenStore`. An event that it had is marked as
            `repeated`, and never refused. An event counts as seen once it was received, whether
            or not it was answered.
        max_body: bytes that a body may have.

    Raises:
        ConfigurationError: an argument is of the wrong kind.
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
                    f"credentials is {type(each).__name__}",
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
        """Verify a callback and read it.

        Args:
            method: HTTP method, as received.
            path: path of the *public* callback URL, percent-escapes as they travelled. A query,
                or scheme and host in front of it, are left out.
            headers: all headers, as a mapping or as pairs; names in any case.
            body: the raw bytes of the body.

        Raises:
            CallbackRefused: it is not genuine, or its body is too large or no JSON object.
            InvalidRequest: an argument is of a type that no request has.
            ConfigurationError: the `seen` store gave something other than True or False.

        Source: "Using REST" page, callback requests.
        """
        if isinstance(body, (bytes, bytearray, memoryview)):
            body = bytes(body)
            if len(body) > self._max_body:
                raise _refused(BodyRefusal.TOO_LARGE)
        if isinstance(headers, Iterator):
            headers = list(headers)  # to be read once for each of the credentials
        target = _path(path)
        refusal = Refusal.WRONG_KEY
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
                return self._mark(parse(body or b""))
            if found is not Refusal.WRONG_KEY:
                refusal = found
        raise _refused(refusal, target)

    def receive_wsgi(self, environ: Mapping[str, Any], public_path: str | None = None) -> Event:
        """Verify and read the callback of a WSGI request; its body must not have been read.

        Args:
            environ: the WSGI environment, such as Flask's and Django's `request.environ`.
            public_path: path of the URL that Sinch called, if a proxy changed it. Without it:
                RAW_URI or REQUEST_URI, where the server has one (gunicorn, Werkzeug, uWSGI,
                mod_wsgi); otherwise SCRIPT_NAME and PATH_INFO, escaped again. That is the same
                unless the URL has unusual escapes, such as %2F.

        Raises:
            CallbackRefused, InvalidRequest, ConfigurationError: as `receive`.
        """
        if not isinstance(environ, Mapping) or "REQUEST_METHOD" not in environ:
            raise _not_a_request("environ", environ, "give the environ of a WSGI request")
        headers = {
            name[5:].replace("_", "-"): value
            for name, value in environ.items()
            if isinstance(name, str) and name.startswith("HTTP_")
        }
        if environ.get("CONTENT_TYPE"):
            headers["CONTENT-TYPE"] = environ["CONTENT_TYPE"]  # some servers have it twice
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
        """Verify and read the callback of an ASGI request; its body must not have been read.

        Args:
            scope: the ASGI scope, such as Starlette's and FastAPI's `request.scope`.
            receive: the ASGI callable, such as their `request.receive`.
            public_path: path of the URL that Sinch called, if a proxy changed it. Without it:
                `raw_path`, where the server has one; otherwise `path`, escaped again.

        Raises:
            CallbackRefused, InvalidRequest, ConfigurationError: as `receive`.
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
        """Verify and read the callback of an AWS Lambda event.

        Args:
            event: from an API Gateway (REST or HTTP API), a function URL or an Application Load
                Balancer.
            public_path: path of the URL that Sinch called. Without it: the path in the event,
                with its stage. Give it if the URL has percent-escapes, which some gateways
                decode, or if an HTTP API has a mapping to a stage.

        Raises:
            CallbackRefused, InvalidRequest, ConfigurationError: as `receive`.
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
                remedy="return True if the key is new, and False if not; it is not awaited",
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
        except OSError as error:  # the other side is gone
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
    """The path in a request target; what is neither text nor bytes is left to be refused."""
    if isinstance(target, (bytes, bytearray, memoryview)):
        target = bytes(target).decode("utf-8", "surrogateescape")
    if not isinstance(target, str):
        return target
    return _ORIGIN.sub("", target, 1).partition("?")[0]


def _quoted(path: str, encoding: str = "utf-8", kept: str = "") -> str:
    """A decoded path with the escapes that it needs, and no others."""
    return quote(path, f"/-._~!$&'()*+,;=:@{kept}", encoding, "replace")


def _wsgi_path(environ: Mapping[str, Any]) -> str:
    for name in ("RAW_URI", "REQUEST_URI"):
        if environ.get(name):
            return str(environ[name])
    decoded = f"{environ.get('SCRIPT_NAME', '')}{environ.get('PATH_INFO', '')}"
    return _quoted(decoded, "latin-1")


def _lambda_target(event: Any) -> tuple[str, str]:
    """Method and path of the event of a gateway, its stage included."""
    if isinstance(event, Mapping):
        context = event.get("requestContext")
        context = context if isinstance(context, Mapping) else {}
        http = context.get("http")
        if isinstance(http, Mapping):
            method, path = http.get("method"), event.get("rawPath")
        else:
            method, path = event.get("httpMethod"), context.get("path") or event.get("path")
        if isinstance(method, str) and isinstance(path, str):
            # What some gateways have decoded is escaped again; escapes that are there stay.
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
        "event['body'] is not text, or not base64 where the event says so",
        parameter="event",
        remedy="give the event as it came",
    )


def _not_a_request(name: str, value: object, remedy: str) -> InvalidRequest:
    return InvalidRequest(f"{name} is {_shown(value)}", parameter=name, value=value, remedy=remedy)
