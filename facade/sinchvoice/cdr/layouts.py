"""The four layouts of call detail records, in one table.

The reader, record types, documentation and the generator of test files follow this table, and tests
compare them with it. Source, unless a column has its own: the vendor's page "Call Detail Records".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from enum import StrEnum
from types import MappingProxyType
from typing import Literal, TypeAlias

import attrs

from ..errors import InvalidRequest

__all__ = ["LAYOUTS", "Column", "ColumnType", "Layout", "LayoutName", "find", "infer"]

LayoutName: TypeAlias = Literal[
    "phone-terminated", "phone-originated", "app-to-app", "sip-terminated"
]


class ColumnType(StrEnum):
    """Type of the values in a column."""

    TEXT = "text"
    INTEGER = "integer"
    DECIMAL = "decimal"
    TIME = "time"
    RESULT = "result"
    REASON = "reason"
    PHONE = "phone"
    USER = "user"
    ADDRESS = "address"


@attrs.frozen
class Column:
    """A column of a layout.

    Attributes:
        name: Name in the header of a file.
        type: Type of the values.
        field: Attribute of the record.
        doc: Description in one sentence.
        unit: Unit of the values; None if they have none.
        required: Whether a record without a value is rejected.
        since: Date of the announcement; None for an original column.
        source: Source of these facts.
    """

    name: str
    type: ColumnType
    field: str
    doc: str
    unit: str | None = None
    required: bool = False
    since: date | None = None
    source: str = 'page "Call Detail Records"'


@attrs.frozen
class Layout:
    """A kind of call detail record and its columns.

    Attributes:
        name: Name of the layout.
        title: Heading of the vendor's table.
        record: Name of the record type.
        columns: Columns in the order of the vendor's table.
    """

    name: LayoutName
    title: str
    record: str
    columns: tuple[Column, ...]

    @property
    def widths(self) -> tuple[int, ...]:
        """Possible numbers of columns in a file: now, and before the newest column was added."""
        older = sum(column.since is None for column in self.columns)
        now = len(self.columns)
        return (now,) if older == now else (now, older)


_CALL_ID = Column(
    "CallId", ColumnType.TEXT, "call_id", "Unique identifier of the call.", required=True
)
_USER_SPACE = Column(
    "UserSpaceId", ColumnType.INTEGER, "user_space_id", "Internal identifier of the vendor."
)
_CALL_TIME = Column(
    "CallTime", ColumnType.TIME, "call_time", "When the call was made.", unit="UTC", required=True
)
_RESULT = Column("Result", ColumnType.RESULT, "result", "Outcome of the call.")
_REASON = Column("Reason", ColumnType.REASON, "reason", "Why the call ended.")
_DURATION = Column("Duration", ColumnType.INTEGER, "duration", "Length of the call.", unit="s")
_AMOUNT = Column("Amount", ColumnType.DECIMAL, "amount", "Cost of the call.", unit="in `Currency`")
_CURRENCY = Column("Currency", ColumnType.TEXT, "currency", "Currency of the amount.")
_CUSTOM = Column(
    "Custom", ColumnType.TEXT, "custom", "Text attached by the application, often JSON."
)
_KEY = Column("ApplicationKey", ColumnType.TEXT, "application_key", "Key of the application.")
_BEGINNING = (_CALL_ID, _USER_SPACE, _CALL_TIME, _RESULT, _REASON, _DURATION)

_TABLE = (
    Layout(
        "phone-terminated",
        "Phone-terminated calls",
        "PhoneTerminated",
        (
            *_BEGINNING,
            Column(
                "AnswerTime",
                ColumnType.TIME,
                "answer_time",
                "When the call was answered.",
                unit="UTC",
            ),
            Column("From", ColumnType.PHONE, "from_", "Caller as shown to the callee."),
            Column("To", ColumnType.PHONE, "to", "Phone number that was called."),
            _AMOUNT,
            _CURRENCY,
            _CUSTOM,
            _KEY,
            Column("UserId", ColumnType.TEXT, "user_id", "App user who made the call."),
            Column(
                "ToCountryId",
                ColumnType.TEXT,
                "to_country_id",
                "Country of the number that was called.",
                since=date(2016, 3, 9),
                source="release notes of 2016-03-09",
            ),
        ),
    ),
    Layout(
        "phone-originated",
        "Phone-originated calls",
        "PhoneOriginated",
        (
            *_BEGINNING,
            Column("From", ColumnType.PHONE, "from_", "Phone number of the caller."),
            Column("To", ColumnType.PHONE, "to", "Number that was called (Voice DID)."),
            _AMOUNT,
            _CURRENCY,
            _CUSTOM,
            _KEY,
        ),
    ),
    Layout(
        "app-to-app",
        "App-app calls",
        "AppToApp",
        (
            *_BEGINNING,
            Column("FromUserId", ColumnType.USER, "from_", "App user who called."),
            Column("ToUserId", ColumnType.USER, "to", "App user who was called."),
            _CUSTOM,
            _KEY,
        ),
    ),
    Layout(
        "sip-terminated",
        "SIP-terminated calls",
        "SipTerminated",
        (
            *_BEGINNING,
            Column(
                "From", ColumnType.ADDRESS, "from_", "Caller, or the number shown to the callee."
            ),
            Column("To", ColumnType.ADDRESS, "to", "Destination of the call."),
            _CUSTOM,
            _KEY,
        ),
    ),
)

LAYOUTS: Mapping[LayoutName, Layout] = MappingProxyType({each.name: each for each in _TABLE})


def find(layout: Layout | str) -> Layout:
    """Return the layout with this name.

    Raises:
        InvalidRequest: The name is unknown.
    """
    if isinstance(layout, Layout):
        return layout
    for known in _TABLE:
        if known.name == layout:
            return known
    names = ", ".join(repr(each.name) for each in _TABLE)
    raise InvalidRequest(f"layout is {layout!r}: give one of {names}")


def infer(names: Iterable[str]) -> Layout | None:
    """Return the layout with these columns; None if they do not identify one.

    Args:
        names: Column names in lower case.
    """
    given = set(names)
    if given & {"fromuserid", "touserid"}:
        return LAYOUTS["app-to-app"]
    if given & {"answertime", "userid", "tocountryid"}:
        return LAYOUTS["phone-terminated"]
    if given & {"amount", "currency"}:
        return LAYOUTS["phone-originated"]
    if given & {"from", "to"}:
        return LAYOUTS["sip-terminated"]
    return None
