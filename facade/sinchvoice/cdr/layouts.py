"""The four layouts of call detail records, as one table.

Reading, record types, documentation and the generator of test files all follow it; tests compare
them with it. Source, unless a column says otherwise: the vendor's page "Call Detail Records".
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
    """What the text in a column means."""

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
        name: as in the header of a file.
        type: what its text means.
        field: the attribute of the record.
        doc: one sentence about it.
        unit: what its numbers count; None if they count nothing.
        required: whether a record without it is rejected.
        since: the day it was announced; None if it was there from the beginning.
        source: where that is said.
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
    """A kind of call detail record, and the columns that it has.

    Attributes:
        name: how it is asked for.
        title: the heading of the vendor's table.
        record: the name of the record type.
        columns: in the order of the vendor's table.
    """

    name: LayoutName
    title: str
    record: str
    columns: tuple[Column, ...]

    @property
    def widths(self) -> tuple[int, ...]:
        """How many columns a file can have: now, and before the newest one was added."""
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
_RESULT = Column("Result", ColumnType.RESULT, "result", "What became of the call.")
_REASON = Column("Reason", ColumnType.REASON, "reason", "Why the call ended.")
_DURATION = Column("Duration", ColumnType.INTEGER, "duration", "Length of the call.", unit="s")
_AMOUNT = Column("Amount", ColumnType.DECIMAL, "amount", "Cost of the call.", unit="in `Currency`")
_CURRENCY = Column("Currency", ColumnType.TEXT, "currency", "Currency of the amount.")
_CUSTOM = Column("Custom", ColumnType.TEXT, "custom", "What the application attached, often JSON.")
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
            Column("From", ColumnType.ADDRESS, "from_", "Who called, or the caller shown."),
            Column("To", ColumnType.ADDRESS, "to", "Where the call went."),
            _CUSTOM,
            _KEY,
        ),
    ),
)

LAYOUTS: Mapping[LayoutName, Layout] = MappingProxyType({each.name: each for each in _TABLE})


def find(layout: Layout | str) -> Layout:
    """The layout of that name.

    Raises:
        InvalidRequest: there is none.
    """
    if isinstance(layout, Layout):
        return layout
    for known in _TABLE:
        if known.name == layout:
            return known
    names = ", ".join(repr(each.name) for each in _TABLE)
    raise InvalidRequest(f"layout is {layout!r}: give one of {names}")


def infer(names: Iterable[str]) -> Layout | None:
    """The layout that has these columns; None if they do not tell.

    Args:
        names: of columns, in lower case.
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
