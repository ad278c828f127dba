"""Enumerations for calls, reports and callbacks, and the types of parameters that take them.

Imports nothing from this package: records, calls, reports, sandbox and command line use it.
"""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from typing import Literal, TypeAlias

__all__ = [
    "AmdReason",
    "AmdStatus",
    "CallDomain",
    "CallLeg",
    "CallReason",
    "CallResult",
    "CallStatus",
    "Capability",
    "Day",
    "DisconnectReason",
    "Domain",
    "InputMethod",
    "Leg",
    "MenuResultType",
    "NotificationType",
    "NumberType",
    "ReportDomain",
]


class CallStatus(StrEnum):
    """Whether a call is ongoing."""

    ONGOING = "ONGOING"
    FINAL = "FINAL"


class CallResult(StrEnum):
    """The result of a call; `N/A` until it is known."""

    NOT_AVAILABLE = "N/A"
    ANSWERED = "ANSWERED"
    BUSY = "BUSY"
    NO_ANSWER = "NOANSWER"
    FAILED = "FAILED"


class CallReason(StrEnum):
    """Why a call ended; `N/A` while it is ongoing."""

    NOT_AVAILABLE = "N/A"
    TIMEOUT = "TIMEOUT"
    CALLER_HANGUP = "CALLERHANGUP"
    CALLEE_HANGUP = "CALLEEHANGUP"
    BLOCKED = "BLOCKED"
    NO_CREDIT_PARTNER = "NOCREDITPARTNER"
    MANAGER_HANGUP = "MANAGERHANGUP"
    CANCEL = "CANCEL"
    GENERAL_ERROR = "GENERALERROR"
    INVALID_SVAML_ACTION = "INVALIDSVAMLACTION"


class DisconnectReason(StrEnum):
    """Why a call was disconnected, in callbacks; has more members than `CallReason`."""

    NOT_AVAILABLE = "N/A"
    ESTABLISHED = "ESTABLISHED"
    OTHER_PEER_ANSWERED = "OTHERPEERANSWERED"
    TIMEOUT = "TIMEOUT"
    CALLER_HANGUP = "CALLERHANGUP"
    CALLEE_HANGUP = "CALLEEHANGUP"
    BLOCKED = "BLOCKED"
    MANAGER_HANGUP = "MANAGERHANGUP"
    NO_CREDIT_PARTNER = "NOCREDITPARTNER"
    CLIENT_NETWORK = "CLIENTNETWORK"
    CONGESTION = "CONGESTION"
    GENERAL_ERROR = "GENERALERROR"
    CANCEL = "CANCEL"
    USER_NOT_FOUND = "USERNOTFOUND"
    CALLBACK_ERROR = "CALLBACKERROR"
    BUSY = "BUSY"
    NO_ANSWER = "NOANSWER"


class AmdStatus(StrEnum):
    """Who answered a call, according to answering machine detection."""

    MACHINE = "machine"
    HUMAN = "human"
    NOT_SURE = "notsure"
    HANGUP = "hangup"
    IN_PROGRESS = "inprogress"


class AmdReason(StrEnum):
    """The reason for a result of answering machine detection."""

    GREETING = "greeting"
    LONG_GREETING = "longgreeting"
    INITIAL_SILENCE = "initialsilence"
    BEEP = "beep"
    NOT_AVAILABLE = "n/a"


class MenuResultType(StrEnum):
    """How a menu ended."""

    ERROR = "error"
    RETURN = "return"
    SEQUENCE = "sequence"
    TIMEOUT = "timeout"
    HANGUP = "hangup"
    INVALID_INPUT = "invalidinput"


class InputMethod(StrEnum):
    """How the caller chose in a menu."""

    DTMF = "dtmf"
    VOICE = "voice"


class NotificationType(StrEnum):
    """The subject of a notification. `transcription_complete` is an older name."""

    RECORDING_FINISHED = "recording_finished"
    RECORDING_AVAILABLE = "recording_available"
    TRANSCRIPTION_AVAILABLE = "transcription_available"
    TRANSCRIPTION_COMPLETE = "transcription_complete"
    AMD = "amd"
    AMD_BEEP = "amd_beep"
    CALLING_ERROR = "callingerror"


class CallDomain(StrEnum):
    """Where a call ends: in the telephone network or at an app."""

    PSTN = "pstn"
    MXP = "mxp"


class Capability(StrEnum):
    """The use of a number."""

    VOICE = "voice"
    SMS = "sms"


class NumberType(StrEnum):
    """The type of a number's line."""

    UNKNOWN = "Unknown"
    FIXED = "Fixed"
    MOBILE = "Mobile"
    OTHER = "Other"


class CallLeg(StrEnum):
    """The side of a call that hears a prompt."""

    CALLER = "caller"
    CALLEE = "callee"
    BOTH = "both"


class ReportDomain(StrEnum):
    """Where the calls counted by a report ended."""

    DATA = "data"
    PSTN = "pstn"


#: The leg of a call: a member of `CallLeg`, or its value.
Leg: TypeAlias = CallLeg | Literal["caller", "callee", "both"]

#: The domain of a report: a member of `ReportDomain`, or its value.
Domain: TypeAlias = ReportDomain | Literal["data", "pstn"]

#: A day, or a time with a zone; as text, ISO 8601: `2026-11-01`, `2026-11-01T09:00Z`.
Day: TypeAlias = date | datetime | str
