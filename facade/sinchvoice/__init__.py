"""Unofficial Python client for Sinch Voice: calls, conferences, callbacks, reports, records."""

from typing import TYPE_CHECKING, Any

from . import signing
from ._version import __version__
from .calls import Call, Price
from .client import AsyncVoiceClient, Options, VoiceClient
from .endpoints import Endpoint, MxpEndpoint, OtherEndpoint, PstnEndpoint, SipEndpoint
from .errors import (
    ApiConnectionError,
    ApiError,
    ApiStatusError,
    ApiTimeoutError,
    ArchiveInUse,
    AuthenticationError,
    BadRequestError,
    CallbackRefused,
    CdrError,
    ConfigurationError,
    ConflictError,
    EventLoopError,
    InsufficientCreditError,
    InvalidRequest,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    RequestWarning,
    ServerError,
    SinchVoiceError,
    UnexpectedResponse,
    UnprocessableError,
)
from .flow import ResponseInfo
from .raw import Response
from .retry import RetryPolicy
from .settings import Auth, Region
from .signing import CanonicalResource, Credentials
from .vocabulary import (
    CallDomain,
    CallLeg,
    CallReason,
    CallResult,
    CallStatus,
    Capability,
    Day,
    Domain,
    Leg,
    NumberType,
    ReportDomain,
)

if TYPE_CHECKING:
    from . import callbacks, cdr, svaml
    from .applications import ApplicationNumber, CallbackUrls, NumberInfo
    from .callouts import Callout
    from .conferences import Conference, ConferenceParticipant
    from .reports import Counter, ReportWindow, ServiceStatus, UserCallReport

__all__ = [
    "ApiConnectionError",
    "ApiError",
    "ApiStatusError",
    "ApiTimeoutError",
    "ApplicationNumber",
    "ArchiveInUse",
    "AsyncVoiceClient",
    "Auth",
    "AuthenticationError",
    "BadRequestError",
    "Call",
    "CallDomain",
    "CallLeg",
    "CallReason",
    "CallResult",
    "CallStatus",
    "CallbackRefused",
    "CallbackUrls",
    "Callout",
    "CanonicalResource",
    "Capability",
    "CdrError",
    "Conference",
    "ConferenceParticipant",
    "ConfigurationError",
    "ConflictError",
    "Counter",
    "Credentials",
    "Day",
    "Domain",
    "Endpoint",
    "EventLoopError",
    "InsufficientCreditError",
    "InvalidRequest",
    "Leg",
    "MxpEndpoint",
    "NotFoundError",
    "NumberInfo",
    "NumberType",
    "Options",
    "OtherEndpoint",
    "PermissionDeniedError",
    "Price",
    "PstnEndpoint",
    "RateLimitError",
    "Region",
    "ReportDomain",
    "ReportWindow",
    "RequestWarning",
    "Response",
    "ResponseInfo",
    "RetryPolicy",
    "ServerError",
    "ServiceStatus",
    "SinchVoiceError",
    "SipEndpoint",
    "UnexpectedResponse",
    "UnprocessableError",
    "UserCallReport",
    "VoiceClient",
    "__version__",
    "callbacks",
    "cdr",
    "signing",
    "svaml",
]


_HOMES = {
    "ApplicationNumber": "applications",
    "CallbackUrls": "applications",
    "Callout": "callouts",
    "Conference": "conferences",
    "ConferenceParticipant": "conferences",
    "Counter": "reports",
    "NumberInfo": "applications",
    "ReportWindow": "reports",
    "ServiceStatus": "reports",
    "UserCallReport": "reports",
}


def __dir__() -> list[str]:
    return __all__


def __getattr__(name: str) -> Any:
    # Imported on use, for a shorter import: most programs do without.
    from importlib import import_module

    if name in ("callbacks", "cdr", "svaml"):
        return import_module(f".{name}", __name__)
    if name in _HOMES:
        return getattr(import_module(f".{_HOMES[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
