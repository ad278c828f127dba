"""The words of calls, reports, callbacks: enumerations, and what a parameter of their kind takes.

Imports nothing of this package: records, calls, reports, sandbox and command line all stand on it.
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
    """Whether a call goes on."""

    ONGOING = "ONGOING"
    FINAL = "FINAL"


class CallResult(StrEnum):
    """The result of a call; `N/A` while it is not decided."""

    NOT_AVAILABLE = "N/A"
    ANSWERED = "ANSWERED"
    BUSY = "BUSY"
    NO_ANSWER = "NOANSWER"
    FAILED = "FAILED"


class CallReason(StrEnum):
    """Why a call ended; `N/A` while it goes on."""

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
    """Why a call was disconnected, as callbacks say it: more than `CallReason` knows."""

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
    """Who answered a call, as far as the detection of answering machines can tell."""

    MACHINE = "machine"
    HUMAN = "human"
    NOT_SURE = "notsure"
    HANGUP = "hangup"
    IN_PROGRESS = "inprogress"


class AmdReason(StrEnum):
    """Why the detection of answering machines decided as it did."""

    GREETING = "greeting"
    LONG_GREETING = "longgreeting"
    INITIAL_SILENCE = "initialsilence"
    BEEP = "beep"
    NOT_AVAILABLE = "n/a"


class MenuResultType(StrEnum):
    """What ended a menu."""

    ERROR = "error"
    RETURN = "return"
    SEQUENCE = "sequence"
    TIMEOUT = "timeout"
    HANGUP = "hangup"
    INVALID_INPUT = "invalidinput"


class InputMethod(StrEnum):
    """How a choice was made in a menu."""

    DTMF = "dtmf"
    VOICE = "voice"


class NotificationType(StrEnum):
    """What a notification is about. `transcription_complete` is an older name."""

    RECORDING_FINISHED = "recording_finished"
    RECORDING_AVAILABLE = "recording_available"
    TRANSCRIPTION_AVAILABLE = "transcription_available"
    TRANSCRIPTION_COMPLETE = "transcription_complete"
    AMD = "amd"
    AMD_BEEP = "amd_beep"
    CALLING_ERROR = "callingerror"


class CallDomain(StrEnum):
    """Where a call ends: in the telephone network, or at an app."""

    PSTN = "pstn"
    MXP = "mxp"


class Capability(StrEnum):
    """What a number is for."""

    VOICE = "voice"
    SMS = "sms"


class NumberType(StrEnum):
    """What kind of line a number is."""

    UNKNOWN = "Unknown"
    FIXED = "Fixed"
    MOBILE = "Mobile"
    OTHER = "Other"


class CallLeg(StrEnum):
    """Who hears what is played or said."""

    CALLER = "caller"
    CALLEE = "callee"
    BOTH = "both"


class ReportDomain(StrEnum):
    """Which calls a report counts, by where they ended."""

    DATA = "data"
    PSTN = "pstn"


#: The leg of a call: a member of `CallLeg`, or its value.
Leg: TypeAlias = CallLeg | Literal["caller", "callee", "both"]

#: The domain of a report: a member of `ReportDomain`, or its value.
Domain: TypeAlias = ReportDomain | Literal["data", "pstn"]

#: A day, or a time with a zone; as text, ISO 8601: `2026-11-01`, `2026-11-01T09:00Z`.
Day: TypeAlias = date | datetime | str
