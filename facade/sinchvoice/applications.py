"""Applications: their numbers and callback URLs, and number lookup."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Literal, Self, TypeAlias

import attrs

from . import data, decoding, routes
from .calls import Price, read_price
from .endpoints import check_e164
from .errors import InvalidRequest, Remedy, warn
from .exchange import AsyncExchange, Exchange
from .flow import Body, Operation, declared, path_segment
from .settings import Settings
from .vocabulary import Capability, NumberType

__all__ = [
    "ApplicationNumber",
    "Applications",
    "AsyncApplications",
    "CallbackUrls",
    "Capability",
    "NumberInfo",
    "NumberType",
]

CapabilityName: TypeAlias = Capability | Literal["voice", "sms"]
_MOST_NUMBERS = 100


@attrs.frozen(kw_only=True)
class ApplicationNumber(data.Model):
    """A number of the account and its assignment.

    Attributes:
        number: E.164.
        application_key: Key of the application; None if the number is not assigned.
        capability: Voice or SMS; unknown text is kept.
        raw: The JSON as received.

    Source: configuration operations of the Voice API 1.0.1 specification.
    """

    number: str
    application_key: str | None = None
    capability: Capability | str | None = None
    raw: Mapping[str, Any] = attrs.field(factory=dict, repr=False, eq=False)

    def _values(self) -> dict[str, Any]:
        return {
            "number": self.number,
            "application_key": self.application_key,
            "capability": self.capability,
        }

    @classmethod
    def _read(cls, fields: data.Fields) -> Self:
        return cls(
            number=fields.needed("number", data.text),
            application_key=fields.optional("application_key", data.text),
            capability=fields.optional("capability", data.member(Capability)),
        )


@attrs.frozen(kw_only=True)
class CallbackUrls(data.Model):
    """The callback URLs of an application.

    Attributes:
        primary: URL called first; None if not set.
        fallback: URL called if the primary fails or is late; None if not set.
        raw: The JSON as received.

    Source: configuration operations of the Voice API 1.0.1 specification.
    """

    primary: str | None = None
    fallback: str | None = None
    raw: Mapping[str, Any] = attrs.field(factory=dict, repr=False, eq=False)

    def _values(self) -> dict[str, Any]:
        return {"primary": self.primary, "fallback": self.fallback}

    @classmethod
    def _read(cls, fields: data.Fields) -> Self:
        return cls(
            primary=fields.optional("primary", data.text),
            fallback=fields.optional("fallback", data.text),
        )


@attrs.frozen(kw_only=True)
class NumberInfo(data.Model):
    """The result of a number lookup. Values that the server omitted or garbled are None.

    Attributes:
        country_id: ISO 3166-1 code of the country.
        number_type: Type of the line; unknown text is kept.
        normalized_number: E.164.
        restricted: Whether the account may not call the number.
        rate: Price per minute of a call to the number.
        raw: The JSON as received, with exact decimals.

    Source: number query of the Voice API 1.0.1 specification, which calls it deprecated.
    """

    country_id: str | None = None
    number_type: NumberType | str | None = None
    normalized_number: str | None = None
    restricted: bool | None = None
    rate: Price | None = None
    raw: Mapping[str, Any] = attrs.field(factory=dict, repr=False, eq=False)

    def _values(self) -> dict[str, Any]:
        return {
            "country_id": self.country_id,
            "number_type": self.number_type,
            "normalized_number": self.normalized_number,
            "restricted": self.restricted,
            "rate": self.rate,
        }

    @classmethod
    def _read(cls, fields: data.Fields) -> Self:
        return cls(
            country_id=fields.optional("country_id", data.text),
            number_type=fields.optional("number_type", data.member(NumberType)),
            normalized_number=fields.optional("normalized_number", data.text),
            restricted=fields.optional("restricted", data.flag),
            rate=fields.optional("rate", data.model(Price)),
        )


class Applications:
    """Configures applications: `voice.applications`.

    Configuration has one host for all regions: `configuration_url` of the client.

    Source: configuration operations of the Voice API 1.0.1 specification.
    """

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def get_numbers(self) -> list[ApplicationNumber]:
        """List all numbers of the account, whether or not they are assigned.

        Raises:
            ApiError: Something went wrong.
        """
        return self._exchange.run(_get_numbers())

    def assign_numbers(
        self,
        numbers: str | Iterable[str],
        *,
        application_key: str | None = None,
        capability: CapabilityName | None = None,
    ) -> None:
        """Assign numbers to an application.

        The documentation does not say how a refused number affects the others, nor how already
        assigned numbers are treated: check with `get_numbers`.

        Args:
            numbers: One number in E.164 format, or up to 100.
            application_key: Key of the application; by default this client's.
            capability: `voice` or `sms`; the numbers must support it.

        Raises:
            InvalidRequest: An argument is wrong.
            ApiError: Anything else went wrong; `may_have_executed` says whether the server may
                have acted.
        """
        return self._exchange.run(_assign_numbers(numbers, application_key, capability))

    def unassign_number(
        self,
        number: str,
        *,
        application_key: str | None = None,
        capability: CapabilityName | None = None,
    ) -> None:
        """Remove a number from an application.

        A request with a lost answer is sent again, and the server's reply to the repetition is not
        documented: after an error with more than one attempt, check with `get_numbers`.

        Args:
            number: E.164.
            application_key: Key of the application; by default this client's.
            capability: `voice` or `sms`.

        Raises:
            InvalidRequest, ApiError: As for `assign_numbers`.
        """
        return self._exchange.run(_unassign_number(number, application_key, capability))

    def get_callback_urls(self, application_key: str | None = None) -> CallbackUrls:
        """Return the callback URLs of an application.

        Args:
            application_key: Key of the application; by default this client's.

        Raises:
            InvalidRequest: The key is empty, or not possible in a URL.
            ApiError: Anything else went wrong.
        """
        return self._exchange.run(_get_callback_urls(application_key, self._exchange.settings))

    def update_callback_urls(
        self,
        application_key: str | None = None,
        *,
        primary: str | None = None,
        fallback: str | None = None,
    ) -> None:
        """Set the callback URLs of an application.

        An omitted URL is not sent, and the documentation does not say whether the server keeps or
        clears it. To keep it, pass the value from `get_callback_urls`; this overwrites a change
        made between the two calls.

        Args:
            application_key: Key of the application; by default this client's.
            primary: URL called first.
            fallback: URL called if the primary fails or is late.

        Raises:
            InvalidRequest: Neither is given, or one is not an http or https URL.
            ApiError: Anything else went wrong; `may_have_executed` says whether the server may
                have acted.
        """
        return self._exchange.run(
            _update_callback_urls(application_key, primary, fallback, self._exchange.settings)
        )

    def query_number(self, number: str) -> NumberInfo:
        """Look up a phone number. The vendor deprecates this operation: a DeprecationWarning.

        Args:
            number: Preferably E.164; spaces are removed.

        Raises:
            InvalidRequest: The number is empty, or not possible in a URL.
            ApiError: Anything else went wrong.

        Source: number query of the Voice API 1.0.1 specification; the vendor's Node.js SDK (which
        removes spaces, and names the Number Lookup API as the replacement).
        """
        return self._exchange.run(_query_number(number))


class AsyncApplications:
    """The async twin of `Applications`."""

    def __init__(self, exchange: AsyncExchange) -> None:
        self._exchange = exchange

    async def get_numbers(self) -> list[ApplicationNumber]:
        """List all numbers of the account; see `Applications.get_numbers`."""
        return await self._exchange.run(_get_numbers())

    async def assign_numbers(
        self,
        numbers: str | Iterable[str],
        *,
        application_key: str | None = None,
        capability: CapabilityName | None = None,
    ) -> None:
        """Assign numbers to an application; see `Applications.assign_numbers`."""
        return await self._exchange.run(_assign_numbers(numbers, application_key, capability))

    async def unassign_number(
        self,
        number: str,
        *,
        application_key: str | None = None,
        capability: CapabilityName | None = None,
    ) -> None:
        """Remove a number from an application; see `Applications.unassign_number`."""
        return await self._exchange.run(_unassign_number(number, application_key, capability))

    async def get_callback_urls(self, application_key: str | None = None) -> CallbackUrls:
        """Return callback URLs; see `Applications.get_callback_urls`."""
        return await self._exchange.run(
            _get_callback_urls(application_key, self._exchange.settings)
        )

    async def update_callback_urls(
        self,
        application_key: str | None = None,
        *,
        primary: str | None = None,
        fallback: str | None = None,
    ) -> None:
        """Set callback URLs; see `Applications.update_callback_urls`."""
        return await self._exchange.run(
            _update_callback_urls(application_key, primary, fallback, self._exchange.settings)
        )

    async def query_number(self, number: str) -> NumberInfo:
        """Look up a phone number (deprecated); see `Applications.query_number`."""
        return await self._exchange.run(_query_number(number))


# --- Operations ----------------------------------------------------------------------------------


def _get_numbers() -> Operation[list[ApplicationNumber]]:
    return declared(routes.GET_NUMBERS, {}, lambda parsed, raw: _numbers(raw))


def _assign_numbers(
    numbers: str | Iterable[str], application_key: str | None, capability: str | None
) -> Operation[None]:
    if not isinstance(numbers, str | Iterable):
        raise InvalidRequest(
            parameter="numbers", value=numbers, remedy="give a list of numbers in E.164 format"
        )
    each = [numbers] if isinstance(numbers, str) else list(numbers)
    if not 1 <= len(each) <= _MOST_NUMBERS:
        raise InvalidRequest(
            f"numbers has {len(each)} entries",
            parameter="numbers",
            remedy=f"give 1 to {_MOST_NUMBERS} at a time",
        )
    for number in each:
        check_e164("number", number)
    content = {"numbers": each, **_assignment(application_key, capability)}
    return declared(routes.ASSIGN_NUMBERS, {"body": Body(content)}, lambda parsed, raw: None)


def _unassign_number(
    number: str, application_key: str | None, capability: str | None
) -> Operation[None]:
    check_e164("number", number)
    content = {"number": number, **_assignment(application_key, capability)}
    return declared(routes.UNASSIGN_NUMBER, {"body": Body(content)}, lambda parsed, raw: None)


def _get_callback_urls(application_key: str | None, settings: Settings) -> Operation[CallbackUrls]:
    return declared(
        routes.GET_CALLBACK_URLS,
        {"applicationkey": _key(application_key, settings)},
        lambda parsed, raw: _callback_urls(raw),
    )


def _update_callback_urls(
    application_key: str | None, primary: str | None, fallback: str | None, settings: Settings
) -> Operation[None]:
    key = _key(application_key, settings)
    urls = {"primary": _url("primary", primary), "fallback": _url("fallback", fallback)}
    given = Body(urls).to_dict()
    if not given:
        raise InvalidRequest(
            "no URL is given",
            parameter="primary",
            remedy=Remedy(
                "give {primary}, {fallback} or both", primary="primary", fallback="fallback"
            ),
        )
    return declared(
        routes.UPDATE_CALLBACK_URLS,
        {"applicationkey": key, "body": Body({"url": given})},
        lambda parsed, raw: None,
    )


def _query_number(number: str) -> Operation[NumberInfo]:
    plain = re.sub(r"\s", "", number) if isinstance(number, str) else number
    arguments = {"number": path_segment("number", plain)}
    warn(
        "query_number is deprecated by the vendor: use the Number Lookup API instead",
        DeprecationWarning,
    )
    return declared(routes.QUERY_NUMBER, arguments, lambda parsed, raw: _number_info(raw))


# --- Arguments -----------------------------------------------------------------------------------


def _assignment(application_key: str | None, capability: str | None) -> dict[str, Any]:
    """Check and return the fields shared by assigning and unassigning."""
    if capability is not None and capability not in list(Capability):
        raise InvalidRequest(
            parameter="capability", value=capability, remedy="give 'voice' or 'sms'"
        )
    if application_key is not None:
        path_segment("application_key", application_key)
    return {
        "applicationkey": application_key,
        "capability": None if capability is None else Capability(capability).value,
    }


def _key(application_key: str | None, settings: Settings) -> str:
    if application_key is None:
        return settings.credentials.application_key
    if isinstance(application_key, str) and "://" in application_key:
        raise InvalidRequest(
            parameter="application_key",
            value=application_key,
            remedy="give URLs as primary= and fallback=",
        )
    return path_segment("application_key", application_key)


def _url(name: str, value: object) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or not re.fullmatch(r"(?i)https?://[!-~]+", value):
        raise InvalidRequest(
            parameter=name, value=value, remedy="give an http or https URL, percent-encoded"
        )
    return value


# --- Answers -------------------------------------------------------------------------------------


def _numbers(raw: Mapping[str, Any]) -> list[ApplicationNumber]:
    found = []
    for each in decoding.listed(raw.get("numbers")):
        entry = each if isinstance(each, Mapping) else {"number": each}
        number = decoding.text(entry.get("number"))
        if number is None:
            raise ValueError("the list has an entry without a number")
        found.append(
            ApplicationNumber(
                number=number,
                application_key=_any_case(entry, "applicationkey"),
                capability=decoding.open_enum(Capability, entry.get("capability")),
                raw=entry,
            )
        )
    return found


def _any_case(entry: Mapping[str, Any], name: str) -> str | None:
    """Return text whose key has several spellings: `applicationKey`, `application_key`."""
    return next(
        (
            text
            for key, value in entry.items()
            if key.replace("_", "").lower() == name and (text := decoding.text(value))
        ),
        None,
    )


def _callback_urls(raw: Mapping[str, Any]) -> CallbackUrls:
    # An object in version 1.0.1, a list of objects in 1.0.0, absent if no URL is set.
    urls = next((each for each in decoding.listed(raw.get("url")) if isinstance(each, Mapping)), {})
    return CallbackUrls(
        primary=decoding.text(urls.get("primary")),
        fallback=decoding.text(urls.get("fallback")),
        raw=raw,
    )


def _number_info(raw: Mapping[str, Any]) -> NumberInfo:
    # `number` in schemas, `numberItem` in examples, bare in version 1.0.0.
    wrapped = (raw.get(name) for name in ("number", "numberItem"))
    content = next((each for each in wrapped if isinstance(each, Mapping)), raw)
    return NumberInfo(
        country_id=decoding.text(content.get("countryId")),
        number_type=decoding.open_enum(NumberType, content.get("numberType")),
        normalized_number=_any_case(content, "normalizednumber"),
        restricted=decoding.flag(content.get("restricted")),
        rate=read_price(content.get("rate")),
        raw=raw,
    )
