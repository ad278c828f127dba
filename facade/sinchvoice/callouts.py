"""Callouts: calls that the platform places, to say a text, for a conference, or to obey SVAML."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, Self, TypeAlias

import attrs

from . import data, decoding, endpoints, routes
from .endpoints import MxpEndpoint, PstnEndpoint, SipEndpoint
from .errors import InvalidRequest, RequestWarning, shown, warn
from .exchange import AsyncExchange, Exchange
from .flow import Body, Operation, declared
from .settings import is_limit
from .vocabulary import CallDomain

if TYPE_CHECKING:
    from sinchvoice_calling.models import GetCalloutResponseObj

    from .svaml import ConferenceDtmfOptions, MusicOnHold, Svaml

__all__ = ["AsyncCallouts", "Callout", "Callouts"]

_LONGEST_TEXT = 600
_HEADER_NAME = re.compile(r"X-CB-[a-z0-9!#$%&'*+.^_`|~-]+", re.IGNORECASE)

#: Whom to call: an endpoint, or text as `endpoints.parse` understands it.
Destination: TypeAlias = str | PstnEndpoint | MxpEndpoint | SipEndpoint
CalledDomain: TypeAlias = CallDomain | Literal["pstn", "mxp"]


@attrs.frozen(kw_only=True)
class Callout(data.Model):
    """A callout that was accepted; whether anybody is reached shows later.

    Attributes:
        call_id: id of the call, for `calls.get` and to know its callbacks by.
        raw: the JSON as received.

    Source: callout operation of the Voice API 1.0.1 specification; `callid` in 1.0.0.
    """

    call_id: str
    raw: Mapping[str, Any] = attrs.field(factory=dict, repr=False, eq=False)

    def _values(self) -> dict[str, Any]:
        return {"call_id": self.call_id}

    @classmethod
    def _read(cls, fields: data.Fields) -> Self:
        return cls(call_id=fields.needed("call_id", data.text))


class Callouts:
    """Places calls: `voice.callouts`.

    A callout is never placed twice: after a byte of it may have left, it is sent again only if the
    server said that nothing happened (HTTP 401 and 429). The wait for the answer is 60 seconds, or
    the client's `timeout` if that is longer, because a request that is given up may ring all the
    same. A `deadline` of the client limits connecting and sending; one that is given here limits
    the whole call. Where an error leaves open what happened, its `may_have_executed` is true; give
    a `custom` text to recognize the call by in its callbacks.

    Source: callout operation of the Voice API 1.0.1 specification; the vendor's documentation
    repository, pull request 230 (what becomes of an aborted request).
    """

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def text_to_speech(
        self,
        destination: Destination,
        *,
        text: str | None = None,
        prompts: str | None = None,
        cli: str | None = None,
        domain: CalledDomain | None = None,
        dtmf: str | None = None,
        custom: str | None = None,
        locale: str | None = None,
        enable_ace: bool | None = None,
        enable_dice: bool | None = None,
        enable_pie: bool | None = None,
        callback_headers: Mapping[str, str] | None = None,
        deadline: float | None = None,
    ) -> Callout:
        """Call somebody, and say a text or play prompts.

        Args:
            destination: endpoint, or text: `+46730170101` is a phone number, `alice` an app user.
            text: what to say, at most 600 characters unless Sinch raised the limit: more give a
                RequestWarning.
            prompts: what to play, separated by `;`: `#tts[Hello]`, `#ssml[…]`, `#href[URL]`, ids
                of stored files; at most 600 characters, as for text.
            cli: number to show, verified or the account's. Without it the callout is accepted and
                never reaches the callee: a RequestWarning.
            domain: `pstn` or `mxp`.
            dtmf: keys to press once answered: 0-9 and `#`; `w` pauses for half a second.
            custom: text that comes back in callbacks.
            locale: language or voice, for example `en-US` or `en-US/male`.
            enable_ace: send an ACE callback when it is answered, whose answer decides; not for app
                users.
            enable_dice: send a DiCE callback when it ends.
            enable_pie: send PIE callbacks on the results of menus.
            callback_headers: headers `X-CB-…` that Sinch sends along with the callbacks: at most
                5, names of at most 32 characters, values of at most 128 printable ASCII ones.
            deadline: seconds for this call, the wait for its answer included.

        Raises:
            InvalidRequest: an argument is wrong.
            InsufficientCreditError, PermissionDeniedError: the account, or the destination, does
                not allow it.
            UnexpectedResponse: accepted, but the answer has no id of a call.
            ApiError: anything else that went wrong.

        Source: ttsCallout of the Voice API 1.0.1 specification; gotcha 15 of the vendor's skill
        (the CLI); callback API, 2021 (the headers).
        """
        return self._exchange.run(
            _text_to_speech(
                destination,
                text=text,
                prompts=prompts,
                cli=cli,
                domain=domain,
                dtmf=dtmf,
                custom=custom,
                locale=locale,
                enable_ace=enable_ace,
                enable_dice=enable_dice,
                enable_pie=enable_pie,
                callback_headers=callback_headers,
                deadline=deadline,
            )
        )

    def conference(
        self,
        destination: Destination,
        *,
        conference_id: str,
        cli: str | None = None,
        domain: CalledDomain | None = None,
        dtmf: str | None = None,
        custom: str | None = None,
        conference_dtmf_options: ConferenceDtmfOptions | None = None,
        max_duration: int | None = None,
        locale: str | None = None,
        greeting: str | None = None,
        moh_class: MusicOnHold | None = None,
        enable_ace: bool | None = None,
        enable_dice: bool | None = None,
        enable_pie: bool | None = None,
        callback_headers: Mapping[str, str] | None = None,
        deadline: float | None = None,
    ) -> Callout:
        """Call somebody, and connect the call to a conference.

        Args:
            destination: endpoint, or text, as for `text_to_speech`.
            conference_id: any text; the conference is made if there is none. Those who are to meet
                have to be in one region.
            cli: number to show, verified or the account's.
            domain: `pstn` or `mxp`.
            dtmf: keys to press once answered: 0-9 and `#`; `w` pauses for half a second.
            custom: text that comes back in callbacks.
            conference_dtmf_options: what becomes of the keys that the callee presses.
            max_duration: seconds; no range is documented.
            locale: language or voice of the greeting; the server's default is `en-US`.
            greeting: text to say to the callee on joining.
            moh_class: what is played while nobody else is there: `ring`, `music1`, `music2`,
                `music3`; the server's default is silence.
            enable_ace: send an ACE callback when it is answered, which has to be answered with
                ConnectConf; not for app users.
            enable_dice: send a DiCE callback when it ends; not for app users.
            enable_pie: send PIE callbacks for keys that are detected.
            callback_headers: as for `text_to_speech`.
            deadline: seconds for this call, the wait for its answer included.

        Raises:
            InvalidRequest, InsufficientCreditError, PermissionDeniedError, UnexpectedResponse,
            ApiError: as `text_to_speech`.

        Source: conferenceCallout of the Voice API 1.0.1 specification.
        """
        return self._exchange.run(
            conference(
                destination,
                conference_id=conference_id,
                cli=cli,
                domain=domain,
                dtmf=dtmf,
                custom=custom,
                conference_dtmf_options=conference_dtmf_options,
                max_duration=max_duration,
                locale=locale,
                greeting=greeting,
                moh_class=moh_class,
                enable_ace=enable_ace,
                enable_dice=enable_dice,
                enable_pie=enable_pie,
                callback_headers=callback_headers,
                deadline=deadline,
            )
        )

    def custom(
        self,
        destination: Destination | None = None,
        *,
        cli: str | None = None,
        dtmf: str | None = None,
        custom: str | None = None,
        max_duration: int | None = None,
        ice: Svaml | str | None = None,
        ace: Svaml | str | None = None,
        pie: Svaml | str | None = None,
        dice: Svaml | str | None = None,
        callback_headers: Mapping[str, str] | None = None,
        deadline: float | None = None,
    ) -> Callout:
        """Place a call about which SVAML and callbacks decide.

        Each event is a Svaml, the URL of a callback, or other text, which is sent as it is. A Svaml
        travels along as JSON text, and may hold what an answer to that event may. An event that is
        not given goes to the application's callback URL.

        Args:
            destination: endpoint, or text, as for `text_to_speech`: the platform calls it without
                asking. Without it, the answer to `ice` says whom to call.
            cli: number to show, verified or the account's.
            dtmf: keys to press once answered: 0-9 and `#`; `w` pauses for half a second.
            custom: text that comes back in callbacks.
            max_duration: seconds; no range is documented.
            ice: what happens first. SVAML here is to come without `destination` and `cli`, which
                give a RequestWarning: what the platform does with both is not documented.
            ace: what happens when the call is answered.
            pie: what happens on the result of a menu.
            dice: what is told of the end; current documentation has only URLs, older one SVAML.
            callback_headers: as for `text_to_speech`.
            deadline: seconds for this call, the wait for its answer included.

        Raises:
            InvalidRequest, InsufficientCreditError, PermissionDeniedError, UnexpectedResponse,
            ApiError: as `text_to_speech`.

        Source: customCallout of the Voice API 1.0.1 specification; Calling API page, ~2020.
        """
        return self._exchange.run(
            _custom(
                destination,
                cli=cli,
                dtmf=dtmf,
                custom=custom,
                max_duration=max_duration,
                ice=ice,
                ace=ace,
                pie=pie,
                dice=dice,
                callback_headers=callback_headers,
                deadline=deadline,
            )
        )


class AsyncCallouts:
    """As `Callouts`, awaited."""

    def __init__(self, exchange: AsyncExchange) -> None:
        self._exchange = exchange

    async def text_to_speech(
        self,
        destination: Destination,
        *,
        text: str | None = None,
        prompts: str | None = None,
        cli: str | None = None,
        domain: CalledDomain | None = None,
        dtmf: str | None = None,
        custom: str | None = None,
        locale: str | None = None,
        enable_ace: bool | None = None,
        enable_dice: bool | None = None,
        enable_pie: bool | None = None,
        callback_headers: Mapping[str, str] | None = None,
        deadline: float | None = None,
    ) -> Callout:
        """Call somebody, and say a text or play prompts; see `Callouts.text_to_speech`."""
        return await self._exchange.run(
            _text_to_speech(
                destination,
                text=text,
                prompts=prompts,
                cli=cli,
                domain=domain,
                dtmf=dtmf,
                custom=custom,
                locale=locale,
                enable_ace=enable_ace,
                enable_dice=enable_dice,
                enable_pie=enable_pie,
                callback_headers=callback_headers,
                deadline=deadline,
            )
        )

    async def conference(
        self,
        destination: Destination,
        *,
        conference_id: str,
        cli: str | None = None,
        domain: CalledDomain | None = None,
        dtmf: str | None = None,
        custom: str | None = None,
        conference_dtmf_options: ConferenceDtmfOptions | None = None,
        max_duration: int | None = None,
        locale: str | None = None,
        greeting: str | None = None,
        moh_class: MusicOnHold | None = None,
        enable_ace: bool | None = None,
        enable_dice: bool | None = None,
        enable_pie: bool | None = None,
        callback_headers: Mapping[str, str] | None = None,
        deadline: float | None = None,
    ) -> Callout:
        """Call somebody, and connect the call to a conference; see `Callouts.conference`."""
        return await self._exchange.run(
            conference(
                destination,
                conference_id=conference_id,
                cli=cli,
                domain=domain,
                dtmf=dtmf,
                custom=custom,
                conference_dtmf_options=conference_dtmf_options,
                max_duration=max_duration,
                locale=locale,
                greeting=greeting,
                moh_class=moh_class,
                enable_ace=enable_ace,
                enable_dice=enable_dice,
                enable_pie=enable_pie,
                callback_headers=callback_headers,
                deadline=deadline,
            )
        )

    async def custom(
        self,
        destination: Destination | None = None,
        *,
        cli: str | None = None,
        dtmf: str | None = None,
        custom: str | None = None,
        max_duration: int | None = None,
        ice: Svaml | str | None = None,
        ace: Svaml | str | None = None,
        pie: Svaml | str | None = None,
        dice: Svaml | str | None = None,
        callback_headers: Mapping[str, str] | None = None,
        deadline: float | None = None,
    ) -> Callout:
        """Place a call about which SVAML and callbacks decide; see `Callouts.custom`."""
        return await self._exchange.run(
            _custom(
                destination,
                cli=cli,
                dtmf=dtmf,
                custom=custom,
                max_duration=max_duration,
                ice=ice,
                ace=ace,
                pie=pie,
                dice=dice,
                callback_headers=callback_headers,
                deadline=deadline,
            )
        )


# --- operations ---------------------------------------------------------------------------------


def _text_to_speech(
    destination: Destination,
    *,
    text: str | None,
    prompts: str | None,
    cli: str | None,
    domain: CalledDomain | None,
    dtmf: str | None,
    custom: str | None,
    locale: str | None,
    enable_ace: bool | None,
    enable_dice: bool | None,
    enable_pie: bool | None,
    callback_headers: Mapping[str, str] | None,
    deadline: float | None,
) -> Operation[Callout]:
    if text is None and prompts is None and not enable_ace:
        raise InvalidRequest(
            "there is nothing to say",
            parameter="text",
            remedy="give text or prompts, or enable_ace=True to say it in a callback",
        )
    if cli is None:
        warn(
            "a text without cli is accepted, and never reaches the callee: give a number that is "
            "verified, or one of the account",
            RequestWarning,
        )
    content = {
        "destination": _endpoint(destination).to_wire(),
        "cli": _cli(cli),
        "domain": _domain(domain),
        "dtmf": _dtmf(dtmf),
        "custom": _text("custom", custom),
        "locale": _text("locale", locale),
        "text": _spoken("text", text),
        "prompts": _spoken("prompts", prompts),
        "enableAce": _flag("enable_ace", enable_ace),
        "enableDice": _flag("enable_dice", enable_dice),
        "enablePie": _flag("enable_pie", enable_pie),
    }
    return _callout("callouts.text_to_speech", "ttsCallout", content, callback_headers, deadline)


def conference(
    destination: Destination,
    *,
    conference_id: str,
    cli: str | None,
    domain: CalledDomain | None,
    dtmf: str | None,
    custom: str | None,
    conference_dtmf_options: ConferenceDtmfOptions | None,
    max_duration: int | None,
    locale: str | None,
    greeting: str | None,
    moh_class: MusicOnHold | None,
    enable_ace: bool | None,
    enable_dice: bool | None,
    enable_pie: bool | None,
    callback_headers: Mapping[str, str] | None,
    deadline: float | None,
    name: str = "callouts.conference",
) -> Operation[Callout]:
    """The operation of `Callouts.conference`, and of its twin `Conferences.call`."""
    content = {
        "destination": _endpoint(destination).to_wire(),
        "conferenceId": _needed("conference_id", conference_id),
        "cli": _cli(cli),
        "domain": _domain(domain),
        "dtmf": _dtmf(dtmf),
        "custom": _text("custom", custom),
        "conferenceDtmfOptions": _dtmf_options(conference_dtmf_options),
        "maxDuration": _duration(max_duration),
        "locale": _text("locale", locale),
        "greeting": _text("greeting", greeting),
        "mohClass": music_on_hold("moh_class", moh_class),
        "enableAce": _flag("enable_ace", enable_ace),
        "enableDice": _flag("enable_dice", enable_dice),
        "enablePie": _flag("enable_pie", enable_pie),
    }
    return _callout(name, "conferenceCallout", content, callback_headers, deadline)


def _custom(
    destination: Destination | None,
    *,
    cli: str | None,
    dtmf: str | None,
    custom: str | None,
    max_duration: int | None,
    ice: Svaml | str | None,
    ace: Svaml | str | None,
    pie: Svaml | str | None,
    dice: Svaml | str | None,
    callback_headers: Mapping[str, str] | None,
    deadline: float | None,
) -> Operation[Callout]:
    first = _event("ice", ice)
    given = [name for name, value in [("destination", destination), ("cli", cli)] if value]
    if given and first is not None and first.lstrip().startswith("{"):
        warn(
            f"custom with SVAML as ice and {' and '.join(given)}: whom to call, and the number to "
            "show, are to be in the SVAML alone; which of them counts is not documented",
            RequestWarning,
        )
    content = {
        "destination": None if destination is None else _endpoint(destination).to_wire(),
        "cli": _cli(cli),
        "dtmf": _dtmf(dtmf),
        "custom": _text("custom", custom),
        "maxDuration": _duration(max_duration),
        "ice": first,
        "ace": _event("ace", ace),
        "pie": _event("pie", pie),
        "dice": _event("dice", dice),
    }
    return _callout("callouts.custom", "customCallout", content, callback_headers, deadline)


def _callout(
    name: str,
    method: str,
    content: Mapping[str, Any],
    headers: Mapping[str, str] | None,
    deadline: float | None,
) -> Operation[Callout]:
    body = Body({"method": method, method: Body(content).to_dict()})
    return declared(
        routes.CALLOUT,
        {"body": body},
        _accepted,
        name=name,
        headers=_callback_headers({} if headers is None else headers),
        deadline=_deadline(deadline),
    )


def _accepted(parsed: GetCalloutResponseObj, raw: Mapping[str, Any]) -> Callout:
    call_id = decoding.text(parsed.call_id) or decoding.text(parsed.callid)
    if call_id is None:
        raise ValueError("the callout was accepted, but there is no id of a call")
    return Callout(call_id=call_id, raw=raw)


# --- arguments ----------------------------------------------------------------------------------


def _refused(name: str, value: object, remedy: str) -> InvalidRequest:
    return InvalidRequest(parameter=name, value=value, remedy=remedy)


def _endpoint(destination: object) -> PstnEndpoint | MxpEndpoint | SipEndpoint:
    if isinstance(destination, str) and destination.strip():
        return endpoints.parse(destination)
    if isinstance(destination, PstnEndpoint | MxpEndpoint | SipEndpoint):
        return destination
    raise _refused(
        "destination", destination, "give a PstnEndpoint, MxpEndpoint or SipEndpoint, or text"
    )


def _needed(name: str, value: object) -> str:
    """A text that has something in it."""
    if not isinstance(value, str) or not value.strip():
        raise _refused(name, value, "give a text that is not empty")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise _refused(name, value, "it is not valid Unicode: check its source") from None
    return value


def _text(name: str, value: object) -> str | None:
    return None if value is None else _needed(name, value)


def _spoken(name: str, value: object) -> str | None:
    text = _text(name, value)
    if text is not None and len(text) > _LONGEST_TEXT:
        warn(
            f"{name} has {len(text)} characters: more than {_LONGEST_TEXT} are refused, unless "
            "Sinch raised the limit of the application",
            RequestWarning,
        )
    return text


def _flag(name: str, value: object) -> bool | None:
    if value is None or isinstance(value, bool):
        return value
    raise _refused(name, value, "give True or False")


def _cli(value: object) -> str | None:
    # Documented with and without its plus (both in examples of 1.0.1).
    if value is None or (isinstance(value, str) and re.fullmatch(r"\+?[1-9][0-9]{1,14}", value)):
        return value
    raise _refused("cli", value, "give a number in E.164 form, like '+46730170101'")


def _dtmf(value: object) -> str | None:
    if value is None or (isinstance(value, str) and re.fullmatch("[0-9#w]+", value)):
        return value
    raise _refused("dtmf", value, "give 0-9 and '#', and 'w' for a pause of half a second")


def _domain(value: object) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or value.lower() not in list(CallDomain):
        raise _refused("domain", value, "give 'pstn' or 'mxp'")
    return CallDomain(value.lower()).value


def _duration(value: object) -> int | None:
    if value is None or (type(value) is int and value > 0):
        return value
    raise _refused("max_duration", value, "give seconds, a whole number, 1 or more")


def music_on_hold(name: str, value: object) -> str | None:
    """Check what is to be played to those who wait.

    Raises:
        InvalidRequest: it is not one of the four.
    """
    from .svaml import MUSIC_ON_HOLD

    if value is None or (isinstance(value, str) and value in MUSIC_ON_HOLD):
        return value
    raise _refused(name, value, f"give one of {', '.join(MUSIC_ON_HOLD)}")


def _dtmf_options(value: object) -> dict[str, Any] | None:
    if value is None:
        return None
    from .svaml import ConferenceDtmfOptions

    if not isinstance(value, ConferenceDtmfOptions):
        raise _refused("conference_dtmf_options", value, "give svaml.ConferenceDtmfOptions(...)")
    return value.to_wire()


def _event(name: str, value: object) -> str | None:
    """What is to happen at an event: SVAML becomes JSON text, as the API wants it in a string.

    It may hold what an answer to that event may.
    """
    if value is None or isinstance(value, str):
        return _text(name, value)
    from .svaml import Svaml

    if not isinstance(value, Svaml):
        raise _refused(name, value, "give a Svaml, or a URL; Svaml.from_wire makes one from JSON")
    from .callbacks import ALLOWANCES

    ALLOWANCES[name].check(value, name)
    return json.dumps(value.to_wire(), ensure_ascii=False, separators=(",", ":"))


def _deadline(value: float | None) -> float | None:
    if value is not None and not is_limit(value):
        raise _refused("deadline", value, "give seconds, more than 0 and at most ten million")
    return value


def _callback_headers(headers: object) -> Mapping[str, str]:
    # Limits of the callback API page of 2021; what exceeds them is dropped without a word.
    if not isinstance(headers, Mapping):
        raise _refused("callback_headers", headers, "give a mapping of names to values")
    if len({str(name).lower() for name in headers}) < len(headers):
        raise _refused("callback_headers", headers, "give each name once; case does not matter")
    if len(headers) > 5:
        raise _refused("callback_headers", headers, "give at most 5, as Sinch drops the others")
    for name, value in headers.items():
        if not isinstance(name, str) or not _HEADER_NAME.fullmatch(name):
            raise InvalidRequest(
                f"callback_headers has the name {shown(name)}",
                parameter="callback_headers",
                value=name,
                remedy="give names like 'X-CB-Order', with the characters that HTTP allows",
            )
        if len(name) > 32:
            raise InvalidRequest(
                f"callback_headers has a name of {len(name)} characters, {shown(name)}",
                parameter="callback_headers",
                value=name,
                remedy="give names of at most 32 characters",
            )
        if (
            not isinstance(value, str)
            or len(value) > 128
            or not re.fullmatch(r"(?:[!-~](?:[ -~]*[!-~])?)?", value)
        ):
            raise InvalidRequest(
                f"callback_headers has {shown(value)} as {name}",
                parameter="callback_headers",
                value=value,
                remedy="give at most 128 printable ASCII characters, without a space at the ends",
            )
    return dict(headers)
