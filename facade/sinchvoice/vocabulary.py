"""The words of calls and reports: enumerations, and what a parameter of their kind takes.

Imports nothing of this package: records, calls, reports, sandbox and command line all stand on it.
"""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from typing import Literal, TypeAlias

__all__ = [
    "CallDomain",
    "CallLeg",
    "CallReason",
    "CallResult",
    "CallStatus",
    "Day",
    "Domain",
    "Leg",
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


class CallDomain(StrEnum):
    """Where a call ends: in the telephone network, or at an app."""

    PSTN = "pstn"
    MXP = "mxp"


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
