"""What the values in the server's JSON mean: every reading that is lenient, written once.

Each function takes any JSON value and gives None where it says nothing usable: one odd field
must not lose the rest of a call. Numbers with a fraction arrive as `Decimal`, never as float; one
that would fill the memory when it is written out stays the text that it was.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from functools import cache
from typing import Any, TypeVar

__all__ = [
    "amount",
    "custom_json",
    "exact_json",
    "flag",
    "http_date",
    "json_object",
    "listed",
    "number",
    "open_enum",
    "refuse_constant",
    "text",
    "timestamp",
    "whole_number",
]

E = TypeVar("E", bound=StrEnum)

_TIMESTAMP = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"(?:[Tt ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,9})?)?(?:[Zz]|[+-][0-9]{2}:?[0-9]{2})?)?"
)
_WHOLE_DIGITS = 19
_WHOLE = rf"-?[0-9]{{1,{_WHOLE_DIGITS}}}"
# No bill is larger, or finer; a binary fraction that is written out exactly is that fine.
_AMOUNT_DIGITS, _AMOUNT_PLACES = 30, 100
_AMOUNT = rf"[+-]?[0-9]{{1,{_AMOUNT_DIGITS}}}(?:\.[0-9]{{1,{_AMOUNT_PLACES}}})?"
_LONGEST_NUMBER = 1000  # characters, also when it is written out


def exact_json(content: bytes) -> Any:
    """Parse JSON with exact decimals.

    Raises:
        ValueError: not JSON.
        RecursionError: JSON that Python cannot hold.
    """
    text = content.decode(json.detect_encoding(content), "surrogatepass")
    return _EXACT.decode(text)


def json_object(content: bytes) -> dict[str, Any]:
    """Parse a JSON object with exact decimals.

    Raises:
        ValueError: not JSON, or JSON that is not an object.
        RecursionError: JSON that Python cannot hold.
    """
    value = exact_json(content)
    if not isinstance(value, dict):
        raise ValueError(f"a JSON object was expected, not {_kind(value)}")
    return value


def custom_json(custom: object) -> Any:
    """Parse text that applications and callers attach to calls; anything else stays as it is.

    Raises:
        ValueError: text that is not JSON, or that Python cannot hold.
    """
    try:
        return json.loads(custom) if isinstance(custom, str) else custom
    except RecursionError:
        raise ValueError("custom is JSON that is nested too deeply") from None


def text(value: object) -> str | None:
    """A string that is not empty."""
    return value if isinstance(value, str) and value else None


def whole_number(value: object) -> int | None:
    """An integer, also if it is written as text or with a fraction of zero."""
    if value is None or isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value if abs(value) < 10**_WHOLE_DIGITS else None
    if isinstance(value, str) and re.fullmatch(_WHOLE, value):
        return int(value)
    if isinstance(value, float):
        return int(value) if value.is_integer() and abs(value) < 2**63 else None
    if isinstance(value, Decimal) and value.is_finite() and value.adjusted() < _WHOLE_DIGITS:
        return int(value) if value == value.to_integral_value() else None
    return None


def listed(value: object) -> list[Any]:
    """A list, or the one thing that stands in place of it; nothing of null."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def number(value: object) -> int | Decimal | None:
    """A number, as text or not: an integer if it is whole, otherwise exact."""
    whole = whole_number(value)
    return amount(value) if whole is None else whole


def flag(value: object) -> bool | None:
    """True or false, also if it is written as text."""
    if isinstance(value, bool):
        return value
    return {"true": True, "false": False}.get(value.lower()) if isinstance(value, str) else None


def timestamp(value: object) -> datetime | None:
    """An ISO 8601 time, in UTC; without a zone it is UTC, a date alone is its midnight.

    Fractions finer than a microsecond are cut off. Seconds since 1970 are understood as well.

    Source: "Using REST" page (seven digits); the vendor's own test data (no zone); the vendor's
    Java SDK (seconds since 1970).
    """
    try:
        if isinstance(value, str) and _TIMESTAMP.fullmatch(value):
            moment = datetime.fromisoformat(value.upper())
            if moment.tzinfo is UTC:
                return moment
            return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
        if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
            return datetime.fromtimestamp(float(value), UTC)
    except (ValueError, OverflowError, OSError):
        pass
    return None


def http_date(value: str | None) -> float | None:
    """The time in an HTTP header, in seconds since 1970."""
    from email.utils import parsedate_to_datetime  # costs more than all of this module

    try:
        moment = parsedate_to_datetime(value or "")
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def open_enum(kind: type[E], value: object) -> E | str | None:
    """A member of `kind` in any case; text that is no member stays as it is."""
    if not isinstance(value, str) or not value:
        return None
    member: E | None = _folded(kind).get(value.casefold())
    return value if member is None else member


def amount(value: object) -> Decimal | None:
    """An exact amount, as a number or as text: none that no bill can have."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return Decimal(value) if abs(value) < 10**_AMOUNT_DIGITS else None
    if isinstance(value, Decimal):
        fits = _fits(value, _AMOUNT_DIGITS, _AMOUNT_PLACES)
        return value if fits else None
    if isinstance(value, str) and re.fullmatch(_AMOUNT, value):
        return Decimal(value)
    return None


def _exact(text: str) -> Decimal | str:
    if len(text) <= _AMOUNT_DIGITS and "e" not in text and "E" not in text:
        return Decimal(text)  # as nearly every number
    if len(text) <= _LONGEST_NUMBER:
        try:
            value = Decimal(text)
        except ArithmeticError:
            return text
        if _fits(value, _LONGEST_NUMBER, _LONGEST_NUMBER):
            return value
    return text


def _fits(value: Decimal, digits: int, places: int) -> bool:
    """Whether a number has no more digits before its point, and places after it."""
    exponent = value.as_tuple().exponent
    return isinstance(exponent, int) and exponent >= -places and value.adjusted() < digits


@cache
def _folded(kind: type[E]) -> Mapping[str, E]:
    return {member.value.casefold(): member for member in kind}


def refuse_constant(name: str) -> Any:
    """For `parse_constant` of `json.loads`: NaN and the infinities are not JSON."""
    raise ValueError(f"{name} is not JSON")


_EXACT = json.JSONDecoder(parse_float=_exact, parse_constant=refuse_constant)


def _kind(value: object) -> str:
    names = {list: "an array", str: "a string", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")
