"""Calls: look them up, and control them while they are ongoing."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import unquote

import attrs

from . import data, decoding, endpoints, routes
from .endpoints import Endpoint
from .errors import InvalidRequest, Remedy
from .exchange import AsyncExchange, Exchange
from .flow import Body, Operation, declared, path_segment, split_url
from .urls import Origin
from .vocabulary import CallDomain, CallLeg, CallReason, CallResult, CallStatus, Leg

if TYPE_CHECKING:
    from sinchvoice_calling.models import CallResult as CallModel

    from .svaml import PlayFiles, Say, Svaml

__all__ = [
    "AsyncCalls",
    "Call",
    "CallDomain",
    "CallLeg",
    "CallReason",
    "CallResult",
    "CallStatus",
    "Calls",
    "Price",
]


@attrs.frozen
class Price(data.Model):
    """An amount of money, exactly as the server wrote it.

    Attributes:
        amount: The amount, never rounded; None if the server sent text that is not a number.
        currency: ISO 4217 code; None if the server did not send one.
    """

    amount: Decimal | None = None
    currency: str | None = None

    def _values(self) -> dict[str, Any]:
        return {"amount": self.amount, "currency": self.currency}

    @classmethod
    def _read(cls, fields: data.Fields) -> Self:
        return cls(
            amount=fields.optional("amount", data.money),
            currency=fields.optional("currency", data.text),
        )


@attrs.frozen(kw_only=True)
class Call(data.Model):
    """A call in its current state. Values that the server omitted or garbled are None.

    A test can make one: `Call(call_id="a", status="ONGOING")`.

    Attributes:
        call_id: The call's id.
        from_: The caller.
        to: The callee.
        domain: Where the call ends; unknown text is kept.
        duration: Seconds.
        status: Ongoing or final; unknown text is kept.
        result: The call's result; unknown text is kept.
        reason: Why the call ended; unknown text is kept.
        timestamp: When the call took place, in UTC.
        custom: Data attached by the application: text, or a JSON object whose fractional numbers
            are Decimals. `to_dict` writes these as JSON numbers, or as text if a number would lose
            digits. See `custom_json`.
        user_rate: Price per minute.
        debit: Price of the whole call.
        raw: The JSON as received, with exact decimals.

    Source: "Get information about a call", Voice API 1.0.1; Calls page, Calling API 1.0.0.
    """

    call_id: str
    from_: Endpoint | None = None
    to: Endpoint | None = None
    domain: CallDomain | str | None = None
    duration: int | None = None
    status: CallStatus | str | None = None
    result: CallResult | str | None = None
    reason: CallReason | str | None = None
    timestamp: datetime | None = None
    custom: str | Mapping[str, Any] | None = attrs.field(default=None, hash=False)
    user_rate: Price | None = None
    debit: Price | None = None
    raw: Mapping[str, Any] = attrs.field(factory=dict, repr=False, eq=False)

    def custom_json(self) -> Any:
        """Return `custom` as JSON: text is parsed, an object is returned unchanged.

        Raises:
            ValueError: The text is not JSON.
        """
        return decoding.custom_json(self.custom)

    def _values(self) -> dict[str, Any]:
        return {
            "call_id": self.call_id,
            "from": self.from_,
            "to": self.to,
            "domain": self.domain,
            "status": self.status,
            "result": self.result,
            "reason": self.reason,
            "timestamp": self.timestamp,
            "duration": self.duration,
            "user_rate": self.user_rate,
            "debit": self.debit,
            "custom": self.custom,
        }

    @classmethod
    def _read(cls, fields: data.Fields) -> Self:
        return cls(
            call_id=fields.needed("call_id", data.text),
            from_=fields.optional("from", endpoints.read_strictly),
            to=fields.optional("to", endpoints.read_strictly),
            domain=fields.optional("domain", data.member(CallDomain)),
            status=fields.optional("status", data.member(CallStatus)),
            result=fields.optional("result", data.member(CallResult)),
            reason=fields.optional("reason", data.member(CallReason)),
            timestamp=fields.optional("timestamp", data.moment),
            duration=fields.optional("duration", data.whole_number),
            user_rate=fields.optional("user_rate", data.model(Price)),
            debit=fields.optional("debit", data.model(Price)),
            custom=fields.optional("custom", data.text_or_object),
        )


class Calls:
    """The calls of an application: `voice.calls`.

    Every `call_id` takes the id of a call or the full `callResourceUrl` of a callback event, which
    selects the call's region.
    """

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def get(self, call_id: str) -> Call:
        """Look up an ongoing or ended call.

        Args:
            call_id: Id or callResourceUrl.

        Raises:
            InvalidRequest: The id is empty or invalid, or the URL may not receive credentials.
            NotFoundError: No such call.
            ApiError: Anything else went wrong.

        Source: "Get information about a call", Voice API 1.0.1.
        """
        return self._exchange.run(_get(call_id))

    def update(self, call_id: str, svaml: Svaml) -> None:
        """Control an ongoing call with SVAML; the caller hears what it plays.

        Args:
            call_id: Id or callResourceUrl; one side must be a phone number or SIP address.
            svaml: Instructions, an action, or both.

        Raises:
            InvalidRequest: The id is empty or invalid, or the URL may not receive credentials.
            NotFoundError: No such call.
            ApiError: Anything else went wrong; `may_have_executed` says whether the server may
                have acted.

        Source: "Update a call in progress", Calling API 1.0.0.
        """
        return self._exchange.run(_update(call_id, svaml))

    def manage_with_call_leg(self, call_id: str, call_leg: Leg, svaml: Svaml) -> None:
        """Play or say something to one side of an ongoing call, or to both.

        The server ignores the leg for conference calls and callouts.

        Args:
            call_id: Id or callResourceUrl; one side must be a phone number or SIP address.
            call_leg: `caller`, `callee` or `both`.
            svaml: At least one PlayFiles or Say instruction, and optionally an action.

        Raises:
            InvalidRequest: Another leg, another instruction, or no instruction.
            NotFoundError: No such call.
            ApiError: Anything else went wrong; `may_have_executed` says whether the server may
                have acted.

        Source: "Manage call with callLeg", Calling API 1.0.0.
        """
        return self._exchange.run(_manage_with_call_leg(call_id, call_leg, svaml))

    def hangup(self, call_id: str) -> None:
        """End an ongoing call: `update` with the action Hangup."""
        return self._exchange.run(_hangup(call_id))

    def say(
        self, call_id: str, text: str, *, locale: str | None = None, leg: Leg | None = None
    ) -> None:
        """Say a text in an ongoing call.

        Args:
            call_id: Id or callResourceUrl.
            text: The text to say.
            locale: Language or voice, for example `en-US`.
            leg: `caller`, `callee` or `both`; without it, the caller hears the text.

        Raises:
            InvalidRequest, NotFoundError, ApiError: As for `update` and `manage_with_call_leg`.
        """
        return self._exchange.run(_say(call_id, text, locale, leg))

    def play(
        self, call_id: str, *ids: str, locale: str | None = None, leg: Leg | None = None
    ) -> None:
        """Play files or prompts in an ongoing call.

        Args:
            call_id: Id or callResourceUrl.
            ids: Ids of stored files, URLs, or prompts such as `#tts[Hello]`.
            locale: Language or voice of text-to-speech prompts, for example `en-US`.
            leg: `caller`, `callee` or `both`; without it, the caller hears them.

        Raises:
            InvalidRequest, NotFoundError, ApiError: As for `update` and `manage_with_call_leg`.
        """
        return self._exchange.run(_play(call_id, ids, locale, leg))


class AsyncCalls:
    """The async twin of `Calls`."""

    def __init__(self, exchange: AsyncExchange) -> None:
        self._exchange = exchange

    async def get(self, call_id: str) -> Call:
        """Look up an ongoing or ended call; see `Calls.get`."""
        return await self._exchange.run(_get(call_id))

    async def update(self, call_id: str, svaml: Svaml) -> None:
        """Control an ongoing call with SVAML; see `Calls.update`."""
        return await self._exchange.run(_update(call_id, svaml))

    async def manage_with_call_leg(self, call_id: str, call_leg: Leg, svaml: Svaml) -> None:
        """Play or say something to one side of a call; see `Calls.manage_with_call_leg`."""
        return await self._exchange.run(_manage_with_call_leg(call_id, call_leg, svaml))

    async def hangup(self, call_id: str) -> None:
        """End an ongoing call; see `Calls.hangup`."""
        return await self._exchange.run(_hangup(call_id))

    async def say(
        self, call_id: str, text: str, *, locale: str | None = None, leg: Leg | None = None
    ) -> None:
        """Say a text in an ongoing call; see `Calls.say`."""
        return await self._exchange.run(_say(call_id, text, locale, leg))

    async def play(
        self, call_id: str, *ids: str, locale: str | None = None, leg: Leg | None = None
    ) -> None:
        """Play files or prompts in an ongoing call; see `Calls.play`."""
        return await self._exchange.run(_play(call_id, ids, locale, leg))


# --- Operations ----------------------------------------------------------------------------------
# svaml is imported on use: most processes do without it.


def _get(call: str) -> Operation[Call]:
    call_id, origin = locate(call)
    return declared(
        routes.GET_CALL,
        {"call_id": call_id},
        lambda parsed, raw: _call(parsed, raw, call_id),
        origin=origin,
    )


def _update(call: str, svaml: Svaml, name: str = "") -> Operation[None]:
    call_id, origin = locate(call)
    return declared(
        routes.UPDATE_CALL,
        {"call_id": call_id, "body": _body(svaml)},
        lambda parsed, raw: None,
        name=name,
        origin=origin,
    )


def _manage_with_call_leg(call: str, leg: Leg, svaml: Svaml, name: str = "") -> Operation[None]:
    from .svaml import PlayFiles, Raw, Say

    call_id, origin = locate(call)
    if leg not in list(CallLeg):
        raise InvalidRequest(parameter="leg", value=leg, remedy="give 'caller', 'callee' or 'both'")
    body = _body(svaml)
    for instruction in svaml.instructions or ():
        if not isinstance(instruction, PlayFiles | Say | Raw):
            raise InvalidRequest(
                f"{type(instruction).__name__} does not work on one leg, only PlayFiles and Say do",
                parameter="svaml",
                value=instruction,
                remedy=Remedy("use {update_call}", update_call="calls.update"),
            )
    if not svaml.instructions:
        raise InvalidRequest(
            "svaml has no instruction for the leg",
            parameter="svaml",
            remedy=Remedy("use {update_call}", update_call="calls.update"),
        )
    return declared(
        routes.MANAGE_CALL_WITH_CALL_LEG,
        {"call_id": call_id, "call_leg": CallLeg(leg).value, "body": body},
        lambda parsed, raw: None,
        name=name,
        origin=origin,
    )


def _hangup(call: str) -> Operation[None]:
    from .svaml import Hangup, Svaml

    return _update(call, Svaml(action=Hangup()), "calls.hangup")


def _say(call: str, text: str, locale: str | None, leg: Leg | None) -> Operation[None]:
    from .svaml import Say

    return _play_to(call, Say(text, locale=locale), leg, "calls.say")


def _play(call: str, ids: tuple[str, ...], locale: str | None, leg: Leg | None) -> Operation[None]:
    from .svaml import PlayFiles

    return _play_to(call, PlayFiles(ids, locale=locale), leg, "calls.play")


def _play_to(
    call: str, instruction: PlayFiles | Say, leg: Leg | None, name: str
) -> Operation[None]:
    from .svaml import Svaml

    svaml = Svaml([instruction])
    if leg is None:
        return _update(call, svaml, name)
    return _manage_with_call_leg(call, leg, svaml, name)


def _body(svaml: Svaml) -> Body:
    from .svaml import Svaml

    if not isinstance(svaml, Svaml):
        raise InvalidRequest(
            f"svaml is of type {type(svaml).__name__}",
            parameter="svaml",
            value=svaml,
            remedy="give a Svaml; Svaml.from_wire reads JSON",
        )
    return Body(svaml.to_wire())


def locate(call: object) -> tuple[str, Origin | None]:
    """Return a call's id and, for a callResourceUrl, the origin of its region."""
    if not isinstance(call, str) or "://" not in call:
        return path_segment("call id", call), None
    origin, path = split_url(call)
    match = re.fullmatch(r"/calling/v1/calls/id/([^/]+)", path)
    if match is None:
        raise InvalidRequest(
            f"{call!r} is not the URL of a call: its path must be /calling/v1/calls/id/<id>"
        )
    try:
        return path_segment("call id", unquote(match[1], errors="strict")), origin
    except UnicodeDecodeError:
        raise InvalidRequest(
            f"{call!r} is not the URL of a call: its escapes are not UTF-8"
        ) from None


def _call(parsed: CallModel, raw: Mapping[str, Any], call_id: str) -> Call:
    # Uses the generated model, except where the original JSON is needed.
    custom = raw.get("custom")
    received = decoding.text(parsed.call_id) or decoding.text(parsed.callid) or call_id
    if _is_other(received, call_id):
        raise ValueError(f"it describes the call {received}, not {call_id}")
    return Call(
        call_id=received,
        from_=endpoints.read(raw.get("from")),
        to=endpoints.read(raw.get("to")),
        domain=decoding.open_enum(CallDomain, parsed.domain),
        duration=decoding.whole_number(parsed.duration),
        status=decoding.open_enum(CallStatus, parsed.status),
        result=decoding.open_enum(CallResult, parsed.result),
        reason=decoding.open_enum(CallReason, parsed.reason),
        timestamp=decoding.timestamp(parsed.timestamp),
        custom=custom if isinstance(custom, str | dict) else None,
        user_rate=read_price(raw.get("userRate")),
        debit=read_price(raw.get("debit")),
        raw=raw,
    )


def _is_other(received: str, asked: str) -> bool:
    """Return whether both are usual ids (UUIDs or their digits) and certainly different."""
    plain = [each.replace("-", "").lower() for each in (received, asked)]
    return all(re.fullmatch("[0-9a-f]{32}", each) for each in plain) and plain[0] != plain[1]


def read_price(value: object) -> Price | None:
    """Read a price: an object with amount and currency (1.0.1), or the amount alone (1.0.0)."""
    if isinstance(value, (dict, Mapping)):  # an ABC alone takes ten times as long
        amount, currency = value.get("amount"), decoding.text(value.get("currencyId"))
        if currency is None and amount in (None, ""):
            return None
        return Price(decoding.amount(amount), currency)
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal) or value == "":
        return None
    return Price(decoding.amount(value), None)
