"""Results as data: `to_dict` writes them, `from_dict` reads them back.

Writing loses nothing: times are ISO 8601 in UTC with a Z, amounts of money are text with all their
digits, enumerations are text, unknown values are None. Reading is strict, so mistakes show where
they are made: an error for a wrong type names the key.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, Self, TypeAlias, TypeVar

from .errors import InvalidRequest
from .vocabulary import Day

__all__ = [
    "Fields",
    "Model",
    "Reader",
    "day",
    "exact_number",
    "flag",
    "format_day",
    "json_number",
    "list_of",
    "member",
    "model",
    "moment",
    "money",
    "parse_day",
    "text",
    "text_or_object",
    "whole_number",
]

T = TypeVar("T")
E = TypeVar("E", bound=StrEnum)
M = TypeVar("M", bound="Model")

#: Reads a JSON value, or raises InvalidRequest with the given name.
Reader: TypeAlias = Callable[[str, object], T]

_DAY = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
_DIGITS = r"[+-]?[0-9]+(?:\.[0-9]+)?"
_EXPONENT = r"(?:E[+-]?[0-9]{1,9})?"


class Model:
    """A result that can be written as data and read back."""

    __slots__ = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the result in JSON types, for example for `json.dumps`.

        The keys are those of the command line (docs/reference/cli.md). `raw` is omitted.

        Raises:
            InvalidRequest: A time has no time zone; times from the server have one.
        """
        return {key: _written(key, value) for key, value in self._values().items()}

    def to_json(self) -> str:
        """Return `to_dict()` as one line of JSON."""
        return json.dumps(self.to_dict())

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Make a result from the output of `to_dict`; its `raw` is empty.

        Args:
            data: The keys of `to_dict`. Other keys are ignored; a key may be missing or None
                unless the constructor requires its value.

        Raises:
            InvalidRequest: A value has the wrong type, or a required key is missing.
        """
        return cls._read(Fields("data", data, inside=False))

    def _values(self) -> dict[str, Any]:
        """Return the values for `to_dict`, by key."""
        raise NotImplementedError

    @classmethod
    def _read(cls, fields: Fields) -> Self:
        raise NotImplementedError


class Fields:
    """The values of a JSON object.

    Args:
        name: The object's name in errors.
        value: The object.
        inside: Whether errors prefix keys with the name, like `debit.amount`.

    Raises:
        InvalidRequest: The value is not an object.
    """

    def __init__(self, name: str, value: object, *, inside: bool = True) -> None:
        if not isinstance(value, Mapping):
            raise _wrong(name, value, "give an object with the keys of to_dict")
        self._values, self._prefix = value, f"{name}." if inside else ""

    def optional(self, key: str, read: Reader[T]) -> T | None:
        """Read a value that may be missing or None."""
        value = self._values.get(key)
        return None if value is None else read(f"{self._prefix}{key}", value)

    def needed(self, key: str, read: Reader[T]) -> T:
        """Read a required value."""
        value = self.optional(key, read)
        if value is None:
            name = f"{self._prefix}{key}"
            raise InvalidRequest(f"{name} is missing", parameter=name, remedy="give it")
        return value


def _written(name: str, value: Any) -> Any:
    match value:
        case Model():
            return value.to_dict()
        case tuple():
            return [_written(name, each) for each in value]
        case StrEnum():
            return value.value
        case date():
            return format_day(value, name)
        case Decimal():
            return f"{value:f}"
        case Mapping():
            return json.loads(json.dumps(value, default=_plain))
    return value


def _plain(value: object) -> Any:
    """Convert a value in an application's own JSON object, for `json.dumps`."""
    if isinstance(value, Decimal):
        return json_number(value)
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} is not JSON")


# --- Text and numbers ----------------------------------------------------------------------------


def text(name: str, value: object) -> str:
    """Read text."""
    if not isinstance(value, str):
        raise _wrong(name, value, "give text")
    return value


def flag(name: str, value: object) -> bool:
    """Read true or false."""
    if not isinstance(value, bool):
        raise _wrong(name, value, "give true or false")
    return value


def member(kind: type[E]) -> Reader[E | str]:
    """Read a member of an enumeration; unknown text is kept."""

    def read(name: str, value: object) -> E | str:
        found = text(name, value)
        return kind(found) if found in list(kind) else str(found)

    return read


def whole_number(name: str, value: object) -> int:
    """Read a whole number."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise _wrong(name, value, "give a whole number")
    return value


def money(name: str, value: object) -> Decimal:
    """Read an exact amount as text: a JSON number may have lost digits."""
    if not isinstance(value, str) or not re.fullmatch(_DIGITS, value):
        raise _wrong(name, value, "give the amount as text, like '0.1758'")
    return Decimal(value)


def json_number(value: int | Decimal) -> int | float | str:
    """Write a number as a JSON number if that is exact, otherwise as text with all digits."""
    if isinstance(value, int):
        return value
    number = float(value)
    return number if Decimal(repr(number)) == value else str(value)


def exact_number(name: str, value: object) -> int | Decimal:
    """Read the output of `json_number`."""
    if isinstance(value, float) and math.isfinite(value):
        return Decimal(repr(value))
    if isinstance(value, str) and re.fullmatch(_DIGITS + _EXPONENT, value):
        return Decimal(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise _wrong(name, value, "give a number, or a number as text")


def text_or_object(name: str, value: object) -> str | dict[str, Any]:
    """Read text, or an object; its fractional numbers become decimals."""
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        try:
            content = json.dumps(value, default=_plain, allow_nan=False)
            read: dict[str, Any] = json.loads(content, parse_float=Decimal)
        except (TypeError, ValueError, RecursionError) as error:
            raise InvalidRequest(
                f"{name} cannot be written as JSON ({error})",
                parameter=name,
                value=value,
                remedy="give text or an object",
            ) from None
        return read
    raise _wrong(name, value, "give text or an object")


def model(kind: type[M]) -> Reader[M]:
    """Read a result nested in another."""
    return lambda name, value: kind._read(Fields(name, value))


def list_of(kind: type[M]) -> Reader[tuple[M, ...]]:
    """Read a list of results nested in another."""

    def read(name: str, value: object) -> tuple[M, ...]:
        if not isinstance(value, list | tuple):
            raise _wrong(name, value, "give a list")
        return tuple(
            kind._read(Fields(f"{name}[{number}]", each)) for number, each in enumerate(value)
        )

    return read


# --- Times ---------------------------------------------------------------------------------------


def parse_day(value: Day | None, name: str = "day") -> date | datetime | None:
    """Parse a hand-written day, or time with a zone.

    Args:
        value: `2026-11-01`, `2026-11-01T09:00Z`, a date or a datetime; None stays None.
        name: The value's name in errors.

    Returns:
        The day, or the time in UTC.

    Raises:
        InvalidRequest: The value is neither, or a time without a zone.
    """
    if value is None:
        return None
    parsed = _parsed(name, value) if isinstance(value, str) else value
    if isinstance(parsed, datetime):
        return _in_utc(name, parsed, value)
    if not isinstance(parsed, date):
        raise _wrong(name, parsed, "give a date or a datetime, or text like 2026-11-01")
    return parsed


def day(name: str, value: object) -> date | datetime:
    """Read a day or a time."""
    parsed = parse_day(text(name, value), name)
    assert parsed is not None  # noqa: S101 - text is never None
    return parsed


def moment(name: str, value: object) -> datetime:
    """Read a time."""
    parsed = day(name, value)
    if not isinstance(parsed, datetime):
        raise _wrong(name, value, f"add the time of day, like {value}T09:00Z")
    return parsed


def format_day(value: date | datetime, name: str = "day") -> str:
    """Write a day as `2026-11-01`, a time in UTC as `2026-11-01T09:00:00Z`.

    Args:
        value: A day, or a time with a zone.
        name: The value's name in errors.

    Raises:
        InvalidRequest: The value is a time without a zone.
    """
    if isinstance(value, datetime):
        value = _in_utc(name, value, value)
    return value.isoformat().replace("+00:00", "Z")


def _parsed(name: str, value: str) -> date:
    try:
        if re.fullmatch(_DAY, value):
            return date.fromisoformat(value)
        if re.match(_DAY + "[Tt ]", value):
            return datetime.fromisoformat(value)
        reason = ""
    except ValueError as error:
        reason = f" ({error})"
    raise _wrong(
        name, value, f"give a day like 2026-11-01, or a time like 2026-11-01T09:00Z{reason}"
    )


def _in_utc(name: str, value: datetime, given: object) -> datetime:
    if value.tzinfo is None:
        raise InvalidRequest(
            f"{name} {str(given)!r} has no time zone",
            parameter=name,
            value=given,
            remedy=f"write {given}Z if it is UTC" if isinstance(given, str) else "add one",
        )
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise InvalidRequest(
            f"{name} {str(given)!r} does not exist in UTC",
            parameter=name,
            value=given,
            remedy="give another year",
        ) from None


def _wrong(name: str, value: object, remedy: str) -> InvalidRequest:
    return InvalidRequest(parameter=name, value=value, remedy=remedy)
