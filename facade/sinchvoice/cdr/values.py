"""What the text in a cell means: every reading that is exact, written once.

Each function takes the text of a cell and gives its value, None for an empty one, or raises
`BadValue`: a value that is not certain is never guessed.
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
    """Text that does not say a value of its type."""

    def __init__(self, cause: RejectCause, message: str) -> None:
        super().__init__(message)
        self.cause = cause


# What fits a signed number of 64 bits, and DECIMAL(38, 18), for storage; there, a sum has
# no more digits than its amounts can have, so that these have nine less.
_WHOLE = re.compile(r"-?[0-9]{1,18}").fullmatch
_EXACT = re.compile(r"-?[0-9]{1,11}(?:\.[0-9]{1,18})?").fullmatch
# Python's own parser takes week dates, commas, hour 24 and more; which, depends on its version.
_MOMENT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ](?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"
    r"(?:\.[0-9]{1,9})?(Z|[+-][0-9]{2}(?::?[0-5][0-9])?)?"
).fullmatch
_PHONE = re.compile(r"\+?[0-9][0-9 ().\-/]*").fullmatch
_ADDRESS = re.compile(r"(?:[Ss][Ii][Pp][Ss]?:[^\s@]+(?:@[^\s@]+)?|[^\s@]+@[^\s@]+)").fullmatch

_MISSING = "is empty, and a record needs it"

# A memo holds this many texts, none of them longer: its memory has a limit, whatever it is fed.
_MEMO_TEXTS = 8192
_MEMO_LENGTH = 64


def conversions() -> Mapping[ColumnType, Callable[[str], Any]]:
    """How each type is read, with new memos for what comes again and again."""
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
    """Text as it is."""
    return cell or None


def integer(cell: str) -> int | None:
    """A whole number, of at most 18 digits."""
    if not cell:
        return None
    if _WHOLE(cell):
        return int(cell)
    raise BadValue(
        RejectCause.INTEGER, "is not a whole number of at most 18 digits, and nothing else"
    )


def decimal(cell: str) -> Decimal | None:
    """An exact amount: at most 11 digits before the point, and 18 after it."""
    if not cell:
        return None
    if _EXACT(cell):
        return Decimal(cell)
    if "," in cell and _EXACT(cell.replace(",", ".")):
        raise BadValue(RejectCause.DECIMAL, "has a decimal comma: amounts are written with a point")
    raise BadValue(
        RejectCause.DECIMAL,
        "is not an amount: at most 11 digits, and 18 more after a point, and nothing else",
    )


def moment(cell: str) -> datetime | None:
    """A time in UTC, from ISO 8601 with `Z` or an offset; finer than a microsecond is cut off."""
    return needed_moment(cell) if cell else None


def needed_text(cell: str) -> str:
    """Text that must not be empty."""
    if cell:
        return cell
    raise BadValue(RejectCause.EMPTY, _MISSING)


def needed_moment(cell: str) -> datetime:
    """As `moment`, and not empty."""
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
        raise BadValue(RejectCause.TIME, f"is no time that exists ({error})") from None
    raise BadValue(RejectCause.TIME, "has no zone: a time ends in Z or in an offset such as +01:00")


def result(cell: str) -> CallResult | str | None:
    """A CallResult in any case; other text as it is."""
    return decoding.open_enum(CallResult, cell)


def reason(cell: str) -> CallReason | str | None:
    """A CallReason in any case; other text, such as the app-to-app `HANGUP`, as it is."""
    return decoding.open_enum(CallReason, cell)


def phone(cell: str) -> Endpoint | None:
    """A phone number as it was written; what is none, such as `anonymous`, stays untyped."""
    if _PHONE(cell):
        return endpoints.read({"type": "number", "endpoint": cell})
    return endpoints.read(cell)


def user(cell: str) -> Endpoint | None:
    """An app user."""
    return endpoints.read({"type": "username", "endpoint": cell}) if cell else None


def address(cell: str) -> Endpoint | None:
    """A SIP address as it was written, or a phone number; what is neither stays untyped."""
    if _ADDRESS(cell):
        return endpoints.read({"type": "sip", "endpoint": cell})
    return phone(cell)


NEEDED: Mapping[ColumnType, Callable[[str], Any]] = {
    ColumnType.TEXT: needed_text,
    ColumnType.TIME: needed_moment,
}
"""How the types are read that a required column has."""


class _Memo(dict[str, Any]):
    """Values by their text, forgotten when they are too many."""

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
    """The same function with a memory, which has a limit; for texts that come again and again."""
    return _Memo(read).__getitem__
