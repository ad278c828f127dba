"""The two ends of a call: app users (mxp), phone numbers (PSTN) and SIP addresses.

    Endpoint = MxpEndpoint | PstnEndpoint | SipEndpoint | OtherEndpoint

Constructors are strict, so mistakes show where they are made; reading is lenient, so nothing from
the server is lost.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from typing import Any, Self, TypeAlias, TypeVar

import attrs

from .data import Fields, Model, text
from .errors import InvalidRequest, shown

__all__ = [
    "Endpoint",
    "MxpEndpoint",
    "OtherEndpoint",
    "PstnEndpoint",
    "SipEndpoint",
    "from_dict",
    "parse",
    "read",
]

_E164 = r"\+[1-9][0-9]{1,14}"
_CONTROL = r"\x00-\x1f\x7f-\x9f\ud800-\udfff"
_SIP_ADDRESS = rf"[^\s@<>\"{_CONTROL}]+@[^\s@<>\"{_CONTROL}]+"


def check_e164(name: str, value: object) -> None:
    """Raise InvalidRequest unless `value` is a phone number in E.164 format, plus included.

    Source: error 40005 (number without a leading plus); ITU-T E.164 (at most 15 digits).
    """
    if isinstance(value, str) and re.fullmatch(_E164, value):
        return
    if not isinstance(value, str):
        remedy = "give it as text, like '+46730170101'"
    elif re.fullmatch(r"[1-9][0-9]{5,14}", value):
        remedy = f"it has no leading plus: write '+{value}' if that is the whole number"
    elif value.startswith("00"):
        remedy = "write '+' in place of the leading 00"
    elif value.startswith("+0"):
        remedy = "a country code does not begin with 0"
    elif re.fullmatch(r"\+?[0-9][0-9 ().\-/]*", value) and re.search(r"[^+0-9]", value):
        remedy = "leave out spaces and punctuation, like '+46730170101'"
    else:
        remedy = "write a plus and at most 15 digits (E.164), like '+46730170101'"
    raise InvalidRequest(
        f"{name} {shown(value)} is not an E.164 phone number",
        parameter=name,
        value=value,
        remedy=remedy,
    )


def _is_number(instance: object, attribute: attrs.Attribute[str], value: object) -> None:
    check_e164("number", value)


def _is_sip_address(instance: object, attribute: attrs.Attribute[str], value: object) -> None:
    if isinstance(value, str) and re.match(r"sips?:", value, re.IGNORECASE):
        address = value.partition(":")[2]
        raise InvalidRequest(
            f"address {shown(value)} has a scheme",
            parameter="address",
            value=value,
            remedy=f"remove it: {shown(address)}",
        )
    if (
        not isinstance(value, str)
        or not re.fullmatch(_SIP_ADDRESS, value)
        or not value.isprintable()
    ):
        raise InvalidRequest(
            f"address {shown(value)} is not a SIP address",
            parameter="address",
            value=value,
            remedy="write user@host, like '+19876543210@example.sip.sinch.com'",
        )


def _is_username(instance: object, attribute: attrs.Attribute[str], value: object) -> None:
    if not isinstance(value, str) or not value.strip():
        raise InvalidRequest(
            f"username {shown(value)} is empty or not text",
            parameter="username",
            value=value,
            remedy="give the app user's id",
        )
    if re.search(f"[{_CONTROL}]", value):
        raise InvalidRequest(
            f"username {shown(value)} has control characters",
            parameter="username",
            value=value,
            remedy="remove them",
        )
    if len(value) > 128:
        warnings.warn(
            f"username has {len(value)} characters: the vendor's older clients allow 128",
            stacklevel=3,
        )


class _Endpoint(Model):
    """The base of all endpoints; as data they always have `type` and `endpoint`."""

    __slots__ = ()

    def to_wire(self) -> dict[str, Any]:
        raise NotImplementedError

    def _values(self) -> dict[str, Any]:
        return {"type": None, "endpoint": None, **self.to_wire()}

    @classmethod
    def _read(cls, fields: Fields) -> Self:
        found = _of_fields(fields)
        if not isinstance(found, cls):
            raise InvalidRequest(
                f"data is a {type(found).__name__}, not a {cls.__name__}",
                parameter="data",
                remedy="use endpoints.from_dict, which reads all types",
            )
        return found


@attrs.frozen
class MxpEndpoint(_Endpoint):
    """An app user, reached over data.

    Attributes:
        username: The user's id in the application.

    Raises:
        InvalidRequest: The name is empty, not text, or has control characters.
    """

    username: str = attrs.field(validator=_is_username)

    def to_wire(self) -> dict[str, Any]:
        """Return the JSON for the API."""
        return {"type": "username", "endpoint": self.username}


@attrs.frozen
class PstnEndpoint(_Endpoint):
    """A phone number, reached over the public telephone network.

    Attributes:
        number: E.164 with the leading plus. A number from the *server* is kept as received,
            possibly without a plus.

    Raises:
        InvalidRequest: The number is not E.164.
    """

    number: str = attrs.field(validator=_is_number)

    def to_wire(self) -> dict[str, Any]:
        """Return the JSON for the API."""
        return {"type": "number", "endpoint": self.number}


@attrs.frozen
class SipEndpoint(_Endpoint):
    """A SIP address.

    Attributes:
        address: `user@host`, without a scheme.

    Raises:
        InvalidRequest: The address has a scheme, no user or no host.
    """

    address: str = attrs.field(validator=_is_sip_address)

    def to_wire(self) -> dict[str, Any]:
        """Return the JSON for the API."""
        return {"type": "sip", "endpoint": self.address}


@attrs.frozen
class OtherEndpoint(_Endpoint):
    """An endpoint of another type, or without one, as received from the server.

    Attributes:
        type: The type as received, for example `did` or `conference`; None if missing.
        endpoint: The value as received; None if missing.
    """

    type: str | None
    endpoint: str | None

    def to_wire(self) -> dict[str, Any]:
        """Return the JSON as received."""
        return {
            name: value
            for name, value in (("type", self.type), ("endpoint", self.endpoint))
            if value is not None
        }


Endpoint: TypeAlias = MxpEndpoint | PstnEndpoint | SipEndpoint | OtherEndpoint

_T = TypeVar("_T", MxpEndpoint, PstnEndpoint, SipEndpoint)


def read(value: object) -> Endpoint | None:
    """Read an endpoint from JSON: types in any case, unknown types, plain text, null.

    Args:
        value: `{"type": …, "endpoint": …}`, a string, or None.

    Returns:
        The endpoint. Text without a type becomes a phone number if it is E.164, otherwise an
        OtherEndpoint without a type. None for null and for an empty string.

    Source: Voice API 1.0.1 (objects with a type) and 1.0.0 (a string, null in its example); the
    vendor's SDK tests (capitalised types, numbers without a plus).
    """
    if isinstance(value, (dict, Mapping)):  # an ABC alone takes ten times as long
        return _tagged(_as_text(value.get("type")), _as_text(value.get("endpoint")))
    endpoint = _as_text(value)
    if not endpoint:
        return None
    if re.fullmatch(_E164, endpoint):
        return PstnEndpoint(endpoint)
    return OtherEndpoint(None, endpoint)


def from_dict(data: Mapping[str, Any]) -> Endpoint:
    """Make an endpoint of any type from the result of its `to_dict`.

    Args:
        data: `{"type": …, "endpoint": …}`.

    Raises:
        InvalidRequest: It is not an object, or a value is neither text nor None.
    """
    return _of_fields(Fields("data", data, inside=False))


def read_strictly(name: str, value: object) -> Endpoint:
    """Read an endpoint nested in other data, like `from_dict`; errors use its name."""
    return _of_fields(Fields(name, value))


def parse(text: str) -> MxpEndpoint | PstnEndpoint | SipEndpoint:
    """Parse a hand-written endpoint.

    Args:
        text: `+46730170101` is a phone number, `alice` an app user; a prefix `number:`,
            `username:` or `sip:` states the type.

    Raises:
        InvalidRequest: The text looks like a phone number but is not one, or is not an endpoint.
    """
    kind, colon, value = text.partition(":")
    match kind.casefold() if colon else "":
        case "number":
            return PstnEndpoint(value)
        case "username":
            return MxpEndpoint(value)
        case "sip" | "sips":
            return SipEndpoint(value)
    if re.fullmatch(r"\+.*|\(?[0-9][0-9 ().\-/]*", text):
        try:
            return PstnEndpoint(text)
        except InvalidRequest as error:
            error.add_note(f"if it is the name of an app user, write 'username:{text}'")
            raise
    return MxpEndpoint(text)


def _of_fields(fields: Fields) -> Endpoint:
    return _tagged(fields.optional("type", text), fields.optional("endpoint", text))


def _tagged(kind: str | None, endpoint: str | None) -> Endpoint:
    if endpoint:
        match kind and kind.casefold():
            case "username":
                return _received(MxpEndpoint, "username", endpoint)
            case "number":
                return _received(PstnEndpoint, "number", endpoint)
            case "sip":
                return _received(SipEndpoint, "address", endpoint)
    return OtherEndpoint(kind, endpoint)


def _received(kind: type[_T], name: str, endpoint: str) -> _T:
    """Make an endpoint from the server's value, without checking it."""
    received = object.__new__(kind)
    object.__setattr__(received, name, endpoint)
    return received


def _as_text(value: object) -> str | None:
    if isinstance(value, str):
        return value
    return None if value is None or isinstance(value, (bool, list, dict)) else str(value)
