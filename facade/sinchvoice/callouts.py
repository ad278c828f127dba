"""Callouts: calls placed by the platform, for text-to-speech, a conference or custom SVAML."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, Self, TypeAlias

import attrs

from . import data, decoding, endpoints, routes
from .endpoints import MxpEndpoint, PstnEndpoint, SipEndpoint
from .errors import InvalidRequest, Remedy, RequestWarning, shown, warn
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

#: The endpoint to call, or text for `endpoints.parse`.
Destination: TypeAlias = str | PstnEndpoint | MxpEndpoint | SipEndpoint
CalledDomain: TypeAlias = CallDomain | Literal["pstn", "mxp"]


@attrs.frozen(kw_only=True)
class Callout(data.Model):
    """An accepted callout; whether the callee answers is not known yet.

    Attributes:
        call_id: The call's id, for `calls.get` and for matching callbacks.
        raw: The JSON as received.

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

    A callout is never placed twice: once a byte of the request may have left, it is sent again
    only if the server reports that nothing happened (HTTP 401 and 429). The client waits 60
    seconds for the answer, or its `timeout` if that is longer, because an abandoned request may
    still ring. The client's `deadline` limits connecting and sending only; the argument `deadline`
    limits the whole call. If the outcome of a failed callout is uncertain, `may_have_executed` of
    the error is true; a `custom` text identifies the call in its callbacks.

    Source: callout operation of the Voice API 1.0.1 specification; the vendor's documentation
    repository, pull request 230 (effects of an aborted request).
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
        """Place a call that says a text or plays prompts.

        Args:
            destination: An endpoint, or text: `+46730170101` is a phone number, `alice` an app
                user.
            text: The text to say. More than 600 characters give a RequestWarning, because Sinch
                refuses them unless it raised the account's limit.
            prompts: Prompts to play, separated by `;`: `#tts[Hello]`, `#ssml[…]`, `#href[URL]`,
                ids of stored files. The limit is that of `text`.
            cli: The number to show: verified, or one of the account's. A callout without it is
                accepted but never reaches the callee: a RequestWarning.
            domain: `pstn` or `mxp`.
            dtmf: Keys to press after the answer: 0-9 and `#`; `w` pauses for half a second.
            custom: Text that callbacks repeat.
            locale: Language or voice, for example `en-US` or `en-US/male`.
            enable_ace: Send an ACE callback when the callee answers; its answer controls the call.
                Not for app users.
            enable_dice: Send a DiCE callback when the call ends.
            enable_pie: Send PIE callbacks with the results of menus.
            callback_headers: Headers `X-CB-…` that Sinch adds to the callbacks: at most 5, names of
                at most 32 characters, values of at most 128 printable ASCII characters.
            deadline: Seconds for this call, including the wait for its answer.

        Raises:
            InvalidRequest: An argument is wrong.
            InsufficientCreditError, PermissionDeniedError: The account or the destination does not
                allow it.
            UnexpectedResponse: The callout was accepted, but the answer has no call id.
            ApiError: Anything else went wrong.

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
        """Place a call and connect it to a conference.

        Args:
            destination: An endpoint or text, as for `text_to_speech`.
            conference_id: Any text; a new id creates a conference. All participants must be in one
                region.
            cli: The number to show: verified, or one of the account's.
            domain: `pstn` or `mxp`.
            dtmf: Keys to press after the answer: 0-9 and `#`; `w` pauses for half a second.
            custom: Text that callbacks repeat.
            conference_dtmf_options: How the conference handles the callee's key presses.
            max_duration: Seconds; no range is documented.
            locale: Language or voice of the greeting; the server's default is `en-US`.
            greeting: Text to say to the callee on joining.
            moh_class: Music while the callee is alone: `ring`, `music1`, `music2`, `music3`; the
                server's default is silence.
            enable_ace: Send an ACE callback when the callee answers; its answer must be
                ConnectConf. Not for app users.
            enable_dice: Send a DiCE callback when the call ends; not for app users.
            enable_pie: Send PIE callbacks for detected keys.
            callback_headers: As for `text_to_speech`.
            deadline: Seconds for this call, including the wait for its answer.

        Raises:
            InvalidRequest, InsufficientCreditError: As for `text_to_speech`.
            PermissionDeniedError, UnexpectedResponse, ApiError: As for `text_to_speech`.

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
        """Place a call controlled by SVAML and callbacks.

        Each event takes a Svaml, the URL of a callback, or other text, which is sent unchanged. A
        Svaml is sent as JSON text; it may contain whatever an answer to that event may. Omitted
        events go to the application's callback URL.

        Args:
            destination: An endpoint or text, as for `text_to_speech`, which the platform calls
                directly. Without it, the answer to `ice` names the callee.
            cli: The number to show: verified, or one of the account's.
            dtmf: Keys to press after the answer: 0-9 and `#`; `w` pauses for half a second.
            custom: Text that callbacks repeat.
            max_duration: Seconds; no range is documented.
            ice: Handles the start of the call. Together with SVAML here, `destination` and `cli`
                give a RequestWarning: the platform's behaviour is not documented.
            ace: Handles the callee's answer.
            pie: Handles the result of a menu.
            dice: Handles the end of the call. The current documentation allows only URLs, older
                documentation also SVAML.
            callback_headers: As for `text_to_speech`.
            deadline: Seconds for this call, including the wait for its answer.

        Raises:
            InvalidRequest, InsufficientCreditError: As for `text_to_speech`.
            PermissionDeniedError, UnexpectedResponse, ApiError: As for `text_to_speech`.

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
    """The async twin of `Callouts`."""

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
        """Place a call that says a text or plays prompts; see `Callouts.text_to_speech`."""
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
        """Place a call and connect it to a conference; see `Callouts.conference`."""
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
        """Place a call controlled by SVAML and callbacks; see `Callouts.custom`."""
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


# --- Operations ----------------------------------------------------------------------------------


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
            "the callout has no text and no prompts",
            parameter="text",
            remedy=Remedy(
                "give one, or {enable_ace} to say something in a callback",
                enable_ace="enable_ace=True",
            ),
        )
    if cli is None:
        warn(
            "a text-to-speech callout without cli is accepted but never reaches the callee: give a "
            "verified number, or one of the account's",
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
    """Build the operation of `Callouts.conference` and `Conferences.call`."""
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
            f"custom has SVAML as ice and {' and '.join(given)}: put callee and number to show "
            "into the SVAML only; which of them counts is not documented",
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
        raise ValueError("the answer to the callout has no call id")
    return Callout(call_id=call_id, raw=raw)


# --- Arguments -----------------------------------------------------------------------------------


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
    """Check a non-empty text."""
    if not isinstance(value, str) or not value.strip():
        raise _refused(name, value, "give a non-empty text")
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
            f"{name} has {len(text)} characters: Sinch refuses more than {_LONGEST_TEXT} unless it "
            "raised the account's limit",
            RequestWarning,
        )
    return text


def _flag(name: str, value: object) -> bool | None:
    if value is None or isinstance(value, bool):
        return value
    raise _refused(name, value, "give True or False")


def _cli(value: object) -> str | None:
    # Examples of 1.0.1 have it with and without a plus.
    if value is None or (isinstance(value, str) and re.fullmatch(r"\+?[1-9][0-9]{1,14}", value)):
        return value
    raise _refused("cli", value, "give a number in E.164 format, like '+46730170101'")


def _dtmf(value: object) -> str | None:
    if value is None or (isinstance(value, str) and re.fullmatch("[0-9#w]+", value)):
        return value
    raise _refused("dtmf", value, "use 0-9, '#' and 'w' (a pause of half a second)")


def _domain(value: object) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or value.lower() not in list(CallDomain):
        raise _refused("domain", value, "give 'pstn' or 'mxp'")
    return CallDomain(value.lower()).value


def _duration(value: object) -> int | None:
    if value is None or (type(value) is int and value > 0):
        return value
    raise _refused("max_duration", value, "give a whole number of seconds, 1 or more")


def music_on_hold(name: str, value: object) -> str | None:
    """Check the name of a music on hold.

    Raises:
        InvalidRequest: It is not one of the four.
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
    """Return an event's handler as the API takes it: SVAML as JSON in a string, text unchanged."""
    if value is None or isinstance(value, str):
        return _text(name, value)
    from .svaml import Svaml

    if not isinstance(value, Svaml):
        raise _refused(name, value, "give a Svaml or a URL; Svaml.from_wire reads JSON")
    from .callbacks import ALLOWANCES

    ALLOWANCES[name].check(value, name)
    return json.dumps(value.to_wire(), ensure_ascii=False, separators=(",", ":"))


def _deadline(value: float | None) -> float | None:
    if value is not None and not is_limit(value):
        raise _refused("deadline", value, "give seconds, more than 0 and at most ten million")
    return value


def _callback_headers(headers: object) -> Mapping[str, str]:
    # Limits of the callback API page of 2021; Sinch silently drops the excess.
    if not isinstance(headers, Mapping):
        raise _refused("callback_headers", headers, "give a mapping of names to values")
    if len({str(name).lower() for name in headers}) < len(headers):
        raise _refused("callback_headers", headers, "give each name once, ignoring case")
    if len(headers) > 5:
        raise _refused("callback_headers", headers, "give at most 5; Sinch drops the others")
    for name, value in headers.items():
        if not isinstance(name, str) or not _HEADER_NAME.fullmatch(name):
            raise InvalidRequest(
                f"callback_headers has the name {shown(name)}",
                parameter="callback_headers",
                value=name,
                remedy="give names like 'X-CB-Order', in characters allowed by HTTP",
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
                remedy="give at most 128 printable ASCII characters, no space at either end",
            )
    return dict(headers)
