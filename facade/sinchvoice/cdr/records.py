"""The four types of call detail records, and what they have in common.

They are named tuples, and not attrs classes as elsewhere: a file has millions of them, and a tuple
is made in a quarter of the time. Two records are equal if their values are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal, NamedTuple, Protocol, TypeAlias

from .. import decoding
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
    """Columns that the layout does not have: the name as in the header, the text as in the file.

    Cannot be changed, so that records can be keys and can share it.

    Attributes:
        may_be_cut: as of the record, which does not differ from another one by it.
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
    """What every call detail record has; None where the file says nothing.

    Attributes:
        call_id: the call's id.
        user_space_id: internal identifier of the vendor.
        call_time: when the call was made, in UTC; what is finer than a microsecond is cut off.
        result: what became of it; text that is no CallResult is kept.
        reason: why it ended; text that is no CallReason is kept, for example `HANGUP`.
        duration: seconds.
        from_: who called.
        to: who was called.
        custom: what the application attached, as text. See `custom_json`.
        application_key: key of the application.
        extras: columns that the layout does not have, by the name in the header.
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
        """The name of the layout."""
        ...

    @property
    def may_be_cut(self) -> bool:
        """Whether its line is the last of a file and has no end, so that some text may be missing.

        Records that differ in nothing else are equal.
        """
        ...

    def custom_json(self) -> Any:
        """What `custom` means as JSON; None if there is none.

        Raises:
            ValueError: it is text that is not JSON.
        """
        ...


class PhoneTerminated(NamedTuple):
    """A call to a phone number; see `CallDetailRecord`.

    Attributes:
        answer_time: when it was answered, in UTC.
        amount: cost of the call, exactly as written, in `currency`.
        currency: of the amount.
        user_id: the app user who made the call.
        to_country_id: country of the number that was called; files before March 2016 lack it.
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
        """The name of the layout."""
        return "phone-terminated"

    @property
    def may_be_cut(self) -> bool:
        """Whether some text may be missing; see `CallDetailRecord.may_be_cut`."""
        return _may_be_cut(self.extras)

    def custom_json(self) -> Any:
        """What `custom` means as JSON; see `CallDetailRecord.custom_json`."""
        return decoding.custom_json(self.custom)


class PhoneOriginated(NamedTuple):
    """A call from a phone number; see `CallDetailRecord`.

    Attributes:
        amount: cost of the call, exactly as written, in `currency`.
        currency: of the amount.
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
        """The name of the layout."""
        return "phone-originated"

    @property
    def may_be_cut(self) -> bool:
        """Whether some text may be missing; see `CallDetailRecord.may_be_cut`."""
        return _may_be_cut(self.extras)

    def custom_json(self) -> Any:
        """What `custom` means as JSON; see `CallDetailRecord.custom_json`."""
        return decoding.custom_json(self.custom)


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
        """The name of the layout."""
        return "app-to-app"

    @property
    def may_be_cut(self) -> bool:
        """Whether some text may be missing; see `CallDetailRecord.may_be_cut`."""
        return _may_be_cut(self.extras)

    def custom_json(self) -> Any:
        """What `custom` means as JSON; see `CallDetailRecord.custom_json`."""
        return decoding.custom_json(self.custom)


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
        """The name of the layout."""
        return "sip-terminated"

    @property
    def may_be_cut(self) -> bool:
        """Whether some text may be missing; see `CallDetailRecord.may_be_cut`."""
        return _may_be_cut(self.extras)

    def custom_json(self) -> Any:
        """What `custom` means as JSON; see `CallDetailRecord.custom_json`."""
        return decoding.custom_json(self.custom)


CdrRecord: TypeAlias = PhoneTerminated | PhoneOriginated | AppToApp | SipTerminated

RECORD_TYPES: Mapping[LayoutName, type[CdrRecord]] = {
    "phone-terminated": PhoneTerminated,
    "phone-originated": PhoneOriginated,
    "app-to-app": AppToApp,
    "sip-terminated": SipTerminated,
}


def _may_be_cut(extras: Mapping[str, str]) -> bool:
    return isinstance(extras, Extras) and extras.may_be_cut
