"""Conversions from the text of a cell to its value.

Each function returns the value, or None for an empty cell. It raises `BadValue` rather than
guess an uncertain value.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from .. import decoding, endpoints
from ..endpoints import Endpoint
from ..errors import RejectCause
from ..vocabulary import CallReason, CallResult
from .layouts import ColumnType

__all__ = ["NEEDED", "BadValue", "conversions", "memo"]


class BadValue(ValueError):
    """The text of a cell is not a valid value of its type."""

    def __init__(self, cause: RejectCause, message: str) -> None:
        super().__init__(message)
        self.cause = cause


# Limits of storage: a signed 64-bit integer, and DECIMAL(38, 18). A sum has the same type as its
# amounts, so amounts have nine digits fewer.
_WHOLE = re.compile(r"-?[0-9]{1,18}").fullmatch
_EXACT = re.compile(r"-?[0-9]{1,11}(?:\.[0-9]{1,18})?").fullmatch
# Python's parser also accepts week dates, commas, hour 24 and more, depending on its version.
_MOMENT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ](?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"
    r"(?:\.[0-9]{1,9})?(Z|[+-][0-9]{2}(?::?[0-5][0-9])?)?"
).fullmatch
_PHONE = re.compile(r"\+?[0-9][0-9 ().\-/]*").fullmatch
_ADDRESS = re.compile(r"(?:[Ss][Ii][Pp][Ss]?:[^\s@]+(?:@[^\s@]+)?|[^\s@]+@[^\s@]+)").fullmatch

_MISSING = "is empty, but required"

# A memo holds at most this many texts of at most this length, which limits its memory.
_MEMO_TEXTS = 8192
_MEMO_LENGTH = 64


def conversions() -> Mapping[ColumnType, Callable[[str], Any]]:
    """Return the conversion of each type, with new memos for repeated values."""
    return {
        ColumnType.TEXT: text,
        ColumnType.INTEGER: memo(integer),
        ColumnType.DECIMAL: memo(decimal),
        ColumnType.TIME: moment,
        ColumnType.RESULT: memo(result),
        ColumnType.REASON: memo(reason),
        ColumnType.PHONE: memo(phone),
        ColumnType.USER: memo(user),
        ColumnType.ADDRESS: memo(address),
    }


def text(cell: str) -> str | None:
    """Return the text unchanged."""
    return cell or None


def integer(cell: str) -> int | None:
    """Return a whole number of at most 18 digits."""
    if not cell:
        return None
    if _WHOLE(cell):
        return int(cell)
    raise BadValue(RejectCause.INTEGER, "is not a whole number of at most 18 digits")


def decimal(cell: str) -> Decimal | None:
    """Return an exact amount with at most 11 digits before the point and 18 after it."""
    if not cell:
        return None
    if _EXACT(cell):
        return Decimal(cell)
    if "," in cell and _EXACT(cell.replace(",", ".")):
        raise BadValue(RejectCause.DECIMAL, "has a decimal comma: write amounts with a point")
    raise BadValue(
        RejectCause.DECIMAL,
        "is not an amount with at most 11 digits before the point and 18 after it",
    )


def moment(cell: str) -> datetime | None:
    """Return a time in UTC from ISO 8601 with `Z` or an offset, truncated to microseconds."""
    return needed_moment(cell) if cell else None


def needed_text(cell: str) -> str:
    """Return text that must not be empty."""
    if cell:
        return cell
    raise BadValue(RejectCause.EMPTY, _MISSING)


def needed_moment(cell: str) -> datetime:
    """Return a time as `moment` does; the cell must not be empty."""
    match = _MOMENT(cell)
    if match is None:
        if not cell:
            raise BadValue(RejectCause.EMPTY, _MISSING)
        raise BadValue(
            RejectCause.TIME, "is not a time like 2026-11-02T08:15:30.1234567Z, with seconds"
        )
    zone = match[1]
    try:
        if zone == "Z":
            return datetime.fromisoformat(cell)
        if zone is not None:
            return datetime.fromisoformat(cell).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise BadValue(RejectCause.TIME, f"is not a valid time ({error})") from None
    raise BadValue(RejectCause.TIME, "has no time zone: end it in Z or an offset such as +01:00")


def result(cell: str) -> CallResult | str | None:
    """Return a CallResult, read without regard to case; other text is returned unchanged."""
    return decoding.open_enum(CallResult, cell)


def reason(cell: str) -> CallReason | str | None:
    """Return a CallReason, read without regard to case.

    Other text, such as the app-to-app `HANGUP`, is returned unchanged.
    """
    return decoding.open_enum(CallReason, cell)


def phone(cell: str) -> Endpoint | None:
    """Return a phone number as written; other text, such as `anonymous`, stays untyped."""
    if _PHONE(cell):
        return endpoints.read({"type": "number", "endpoint": cell})
    return endpoints.read(cell)


def user(cell: str) -> Endpoint | None:
    """Return an app user."""
    return endpoints.read({"type": "username", "endpoint": cell}) if cell else None


def address(cell: str) -> Endpoint | None:
    """Return a SIP address or a phone number as written; other text stays untyped."""
    if _ADDRESS(cell):
        return endpoints.read({"type": "sip", "endpoint": cell})
    return phone(cell)


NEEDED: Mapping[ColumnType, Callable[[str], Any]] = {
    ColumnType.TEXT: needed_text,
    ColumnType.TIME: needed_moment,
}
"""Conversions for required columns."""


class _Memo(dict[str, Any]):
    """Values by text; cleared when full."""

    __slots__ = ("read",)

    def __init__(self, read: Callable[[str], Any]) -> None:
        self.read = read

    def __missing__(self, cell: str) -> Any:
        value = self.read(cell)
        if len(cell) <= _MEMO_LENGTH:
            if len(self) >= _MEMO_TEXTS:
                self.clear()
            self[cell] = value
        return value


def memo(read: Callable[[str], Any]) -> Callable[[str], Any]:
    """Return the function with a limited memory for repeated texts."""
    return _Memo(read).__getitem__
