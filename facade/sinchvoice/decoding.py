"""Lenient readers for the values in the server's JSON.

Each function takes any JSON value and returns None for an unusable one: one odd field must not lose
the rest of a call. Numbers with a fraction arrive as `Decimal`, never as float; a number that would
fill the memory when written out stays text.
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
_USUAL = ("--T::Z", "--T::.")  # every third character of a time from the fifth on
_USUAL_LENGTHS = frozenset((20, *range(22, 31)))  # of times with a Z
_WHOLE_DIGITS = 19
_WHOLE_LIMIT = 10**_WHOLE_DIGITS
_WHOLE = rf"-?[0-9]{{1,{_WHOLE_DIGITS}}}"
# No bill is larger or finer; a binary fraction written out exactly needs that many places.
_AMOUNT_DIGITS, _AMOUNT_PLACES = 30, 100
_AMOUNT = rf"[+-]?[0-9]{{1,{_AMOUNT_DIGITS}}}(?:\.[0-9]{{1,{_AMOUNT_PLACES}}})?"
_LONGEST_NUMBER = 1000  # characters, also when written out


def exact_json(content: bytes) -> Any:
    """Parse JSON with exact decimals.

    Raises:
        ValueError: The content is not JSON.
        RecursionError: The JSON is nested too deeply for Python.
    """
    if content[:2] == b'{"':  # usual: UTF-8, with nothing after the object
        text = content.decode("utf-8", "surrogatepass")
        value, end = _EXACT.raw_decode(text)
        if end == len(text):
            return value
    else:
        text = content.decode(json.detect_encoding(content), "surrogatepass")
    return _EXACT.decode(text)


def json_object(content: bytes) -> dict[str, Any]:
    """Parse a JSON object with exact decimals.

    Raises:
        ValueError: The content is not JSON, or not an object.
        RecursionError: The JSON is nested too deeply for Python.
    """
    value = exact_json(content)
    if not isinstance(value, dict):
        raise ValueError(f"it is {_kind(value)}, not a JSON object")
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
    """Return a string that is not empty."""
    return value if isinstance(value, str) and value else None


def whole_number(value: object) -> int | None:
    """Return an integer, also from text or a number with a zero fraction."""
    if value is None or isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value if abs(value) < _WHOLE_LIMIT else None
    if isinstance(value, str) and re.fullmatch(_WHOLE, value):
        return int(value)
    if isinstance(value, float):
        return int(value) if value.is_integer() and abs(value) < 2**63 else None
    if isinstance(value, Decimal) and value.is_finite() and value.adjusted() < _WHOLE_DIGITS:
        return int(value) if value == value.to_integral_value() else None
    return None


def listed(value: object) -> list[Any]:
    """Return a list; any other value becomes its only item, null an empty list."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def number(value: object) -> int | Decimal | None:
    """Return a number, also from text: an integer if it is whole, otherwise an exact decimal."""
    whole = whole_number(value)
    return amount(value) if whole is None else whole


def flag(value: object) -> bool | None:
    """Return a boolean, also from text."""
    if isinstance(value, bool):
        return value
    return {"true": True, "false": False}.get(value.lower()) if isinstance(value, str) else None


def timestamp(value: object) -> datetime | None:
    """Return an ISO 8601 time in UTC. A time without a zone is UTC, a date alone its midnight.

    Fractions below a microsecond are cut off. Seconds since 1970 are accepted as well.

    Source: "Using REST" page (seven digits); the vendor's own test data (no zone); the vendor's
    Java SDK (seconds since 1970).
    """
    try:
        if isinstance(value, str) and (
            # With the separators of 2026-11-27T10:00:00.123Z, fromisoformat is as strict.
            (value[4:20:3] in _USUAL and value[-1] == "Z" and len(value) in _USUAL_LENGTHS)
            or _TIMESTAMP.fullmatch(value)
        ):
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
    """Return the time in an HTTP header, in seconds since 1970."""
    from email.utils import parsedate_to_datetime  # costs more than the rest of this module

    try:
        moment = parsedate_to_datetime(value or "")
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def open_enum(kind: type[E], value: object) -> E | str | None:
    """Return a member of `kind`, ignoring case; other text stays unchanged."""
    if not isinstance(value, str) or not value:
        return None
    member: E | None = _folded(kind).get(value.casefold())
    return value if member is None else member


def amount(value: object) -> Decimal | None:
    """Return an exact amount, also from text; None for an amount that no bill can have."""
    if isinstance(value, Decimal):
        fits = _fits(value, _AMOUNT_DIGITS, _AMOUNT_PLACES)
        return value if fits else None
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return Decimal(value) if abs(value) < 10**_AMOUNT_DIGITS else None
    if isinstance(value, str) and re.fullmatch(_AMOUNT, value):
        return Decimal(value)
    return None


def _exact(text: str) -> Decimal | str:
    if len(text) <= _AMOUNT_DIGITS and "e" not in text and "E" not in text:
        return Decimal(text)  # the fast path for nearly every number
    if len(text) <= _LONGEST_NUMBER:
        try:
            value = Decimal(text)
        except ArithmeticError:
            return text
        if _fits(value, _LONGEST_NUMBER, _LONGEST_NUMBER):
            return value
    return text


def _fits(value: Decimal, digits: int, places: int) -> bool:
    """Tell whether a number has at most so many digits before its point, and places after it."""
    if not value.is_finite() or value.adjusted() >= digits:
        return False
    if value.adjusted() - len(str(value)) >= -places:  # certain, and much faster than as_tuple
        return True
    exponent = value.as_tuple().exponent
    return isinstance(exponent, int) and exponent >= -places


@cache
def _folded(kind: type[E]) -> Mapping[str, E]:
    return {member.value.casefold(): member for member in kind}


def refuse_constant(name: str) -> Any:
    """Refuse NaN and the infinities, which are not JSON: for `parse_constant` of `json.loads`."""
    raise ValueError(f"{name} is not JSON")


_EXACT = json.JSONDecoder(parse_float=_exact, parse_constant=refuse_constant)


def _kind(value: object) -> str:
    names = {list: "an array", str: "a string", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")
