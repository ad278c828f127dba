"""The four types of call detail records, and their common protocol.

They are named tuples instead of attrs classes: a file has millions of them, and creating a tuple
takes a quarter of the time. Two records are equal if their values are equal.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal, NamedTuple, Protocol, TypeAlias

from ..endpoints import Endpoint, MxpEndpoint
from ..vocabulary import CallReason, CallResult
from .layouts import LayoutName

__all__ = [
    "NO_EXTRAS",
    "RECORD_TYPES",
    "AppToApp",
    "CallDetailRecord",
    "CdrRecord",
    "Extras",
    "PhoneOriginated",
    "PhoneTerminated",
    "SipTerminated",
]


class Extras(Mapping[str, str]):
    """Columns outside the layout: names as in the header, text as in the file.

    Immutable, so that records are hashable and can share it.

    Attributes:
        may_be_cut: The `may_be_cut` of the record; ignored in comparisons.
    """

    __slots__ = ("_texts", "may_be_cut")

    def __init__(self, texts: Mapping[str, str], *, may_be_cut: bool = False) -> None:
        self._texts = dict(texts)
        self.may_be_cut = may_be_cut

    def __getitem__(self, name: str) -> str:
        return self._texts[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._texts)

    def __len__(self) -> int:
        return len(self._texts)

    def __hash__(self) -> int:
        return hash(frozenset(self._texts.items()))

    def __repr__(self) -> str:
        return f"Extras({self._texts!r})"


NO_EXTRAS = Extras({})


class CallDetailRecord(Protocol):
    """The fields of every call detail record; None for an empty or missing column.

    Attributes:
        call_id: ID of the call.
        user_space_id: Internal identifier of the vendor.
        call_time: Time of the call in UTC, truncated to microseconds.
        result: Result of the call; text that is not a CallResult is kept.
        reason: Reason why it ended; text that is not a CallReason is kept, for example `HANGUP`.
        duration: Duration in seconds.
        from_: The caller.
        to: The callee.
        custom: Text attached by the application; see `custom_json`.
        application_key: Key of the application.
        extras: Columns outside the layout, by their name in the header.
    """

    @property
    def call_id(self) -> str: ...
    @property
    def user_space_id(self) -> int | None: ...
    @property
    def call_time(self) -> datetime: ...
    @property
    def result(self) -> CallResult | str | None: ...
    @property
    def reason(self) -> CallReason | str | None: ...
    @property
    def duration(self) -> int | None: ...
    @property
    def from_(self) -> Endpoint | None: ...
    @property
    def to(self) -> Endpoint | None: ...
    @property
    def custom(self) -> str | None: ...
    @property
    def application_key(self) -> str | None: ...
    @property
    def extras(self) -> Mapping[str, str]: ...
    @property
    def layout(self) -> LayoutName:
        """Name of the layout."""
        ...

    @property
    def may_be_cut(self) -> bool:
        """Whether text may be missing because the last line of the file has no line end.

        Ignored in comparisons.
        """
        ...

    def custom_json(self) -> Any:
        """Return `custom` parsed as JSON; None if it is empty.

        Raises:
            ValueError: `custom` is not JSON, or is nested too deeply.
        """
        ...


class PhoneTerminated(NamedTuple):
    """A call to a phone number; see `CallDetailRecord`.

    Attributes:
        answer_time: Time of the answer, in UTC.
        amount: Cost of the call, exactly as written, in `currency`.
        currency: Currency of the amount.
        user_id: App user who made the call.
        to_country_id: Country of the called number; missing in files from before March 2016.
    """

    call_id: str
    user_space_id: int | None
    call_time: datetime
    result: CallResult | str | None
    reason: CallReason | str | None
    duration: int | None
    answer_time: datetime | None
    from_: Endpoint | None
    to: Endpoint | None
    amount: Decimal | None
    currency: str | None
    custom: str | None
    application_key: str | None
    user_id: str | None
    to_country_id: str | None
    extras: Mapping[str, str] = NO_EXTRAS

    @property
    def layout(self) -> Literal["phone-terminated"]:
        """Name of the layout."""
        return "phone-terminated"

    @property
    def may_be_cut(self) -> bool:
        """Whether text may be missing; see `CallDetailRecord.may_be_cut`."""
        return _may_be_cut(self.extras)

    def custom_json(self) -> Any:
        """Return `custom` parsed as JSON; see `CallDetailRecord.custom_json`."""
        return _parsed(self.custom)


class PhoneOriginated(NamedTuple):
    """A call from a phone number; see `CallDetailRecord`.

    Attributes:
        amount: Cost of the call, exactly as written, in `currency`.
        currency: Currency of the amount.
    """

    call_id: str
    user_space_id: int | None
    call_time: datetime
    result: CallResult | str | None
    reason: CallReason | str | None
    duration: int | None
    from_: Endpoint | None
    to: Endpoint | None
    amount: Decimal | None
    currency: str | None
    custom: str | None
    application_key: str | None
    extras: Mapping[str, str] = NO_EXTRAS

    @property
    def layout(self) -> Literal["phone-originated"]:
        """Name of the layout."""
        return "phone-originated"

    @property
    def may_be_cut(self) -> bool:
        """Whether text may be missing; see `CallDetailRecord.may_be_cut`."""
        return _may_be_cut(self.extras)

    def custom_json(self) -> Any:
        """Return `custom` parsed as JSON; see `CallDetailRecord.custom_json`."""
        return _parsed(self.custom)


class AppToApp(NamedTuple):
    """A call between two app users; see `CallDetailRecord`."""

    call_id: str
    user_space_id: int | None
    call_time: datetime
    result: CallResult | str | None
    reason: CallReason | str | None
    duration: int | None
    from_: MxpEndpoint | None
    to: MxpEndpoint | None
    custom: str | None
    application_key: str | None
    extras: Mapping[str, str] = NO_EXTRAS

    @property
    def layout(self) -> Literal["app-to-app"]:
        """Name of the layout."""
        return "app-to-app"

    @property
    def may_be_cut(self) -> bool:
        """Whether text may be missing; see `CallDetailRecord.may_be_cut`."""
        return _may_be_cut(self.extras)

    def custom_json(self) -> Any:
        """Return `custom` parsed as JSON; see `CallDetailRecord.custom_json`."""
        return _parsed(self.custom)


class SipTerminated(NamedTuple):
    """A call to a SIP address; see `CallDetailRecord`."""

    call_id: str
    user_space_id: int | None
    call_time: datetime
    result: CallResult | str | None
    reason: CallReason | str | None
    duration: int | None
    from_: Endpoint | None
    to: Endpoint | None
    custom: str | None
    application_key: str | None
    extras: Mapping[str, str] = NO_EXTRAS

    @property
    def layout(self) -> Literal["sip-terminated"]:
        """Name of the layout."""
        return "sip-terminated"

    @property
    def may_be_cut(self) -> bool:
        """Whether text may be missing; see `CallDetailRecord.may_be_cut`."""
        return _may_be_cut(self.extras)

    def custom_json(self) -> Any:
        """Return `custom` parsed as JSON; see `CallDetailRecord.custom_json`."""
        return _parsed(self.custom)


CdrRecord: TypeAlias = PhoneTerminated | PhoneOriginated | AppToApp | SipTerminated

RECORD_TYPES: Mapping[LayoutName, type[CdrRecord]] = {
    "phone-terminated": PhoneTerminated,
    "phone-originated": PhoneOriginated,
    "app-to-app": AppToApp,
    "sip-terminated": SipTerminated,
}


def _may_be_cut(extras: Mapping[str, str]) -> bool:
    return isinstance(extras, Extras) and extras.may_be_cut


def _parsed(custom: str | None) -> Any:
    try:
        return None if custom is None else json.loads(custom)
    except RecursionError:
        raise ValueError("custom is JSON nested too deeply") from None
