# What sinchvoice promises; recorded by: nox -s api_diff -- --record
from typing import Literal
from sinchvoice import callbacks as callbacks
from sinchvoice import cdr as cdr
from sinchvoice import signing as signing
from sinchvoice import svaml as svaml

__all__ = [
    'ApiConnectionError',
    'ApiError',
    'ApiStatusError',
    'ApiTimeoutError',
    'ApplicationNumber',
    'ArchiveInUse',
    'AsyncVoiceClient',
    'Auth',
    'AuthenticationError',
    'BadRequestError',
    'Call',
    'CallDomain',
    'CallLeg',
    'CallReason',
    'CallResult',
    'CallStatus',
    'CallbackRefused',
    'CallbackUrls',
    'Callout',
    'CanonicalResource',
    'Capability',
    'CdrError',
    'Conference',
    'ConferenceParticipant',
    'ConfigurationError',
    'ConflictError',
    'Counter',
    'Credentials',
    'Day',
    'Domain',
    'Endpoint',
    'EventLoopError',
    'InsufficientCreditError',
    'InvalidRequest',
    'Leg',
    'MxpEndpoint',
    'NotFoundError',
    'NumberInfo',
    'NumberType',
    'Options',
    'OtherEndpoint',
    'PermissionDeniedError',
    'Price',
    'PstnEndpoint',
    'RateLimitError',
    'Region',
    'ReportDomain',
    'ReportWindow',
    'RequestWarning',
    'Response',
    'ResponseInfo',
    'RetryPolicy',
    'ServerError',
    'ServiceStatus',
    'SinchVoiceError',
    'SipEndpoint',
    'UnexpectedResponse',
    'UnprocessableError',
    'UserCallReport',
    'VoiceClient',
    '__version__',
    'callbacks',
    'cdr',
    'signing',
    'svaml',
]

class ApiConnectionError(ApiError): ...
class ApiError(SinchVoiceError):
    def __init__(
        self,
        message: str,
        operation: str = '',
        method: str = '',
        path: str = '',
        attempts: int = 0,
        may_have_executed: bool = True,
    ) -> None: ...
    attempts: int
    gave_up: str
    may_have_executed: bool
    message: str
    method: str
    operation: str
    path: str
    remedy: str | None
class ApiStatusError(ApiError):
    def __init__(
        self,
        message: str,
        operation: str = '',
        method: str = '',
        path: str = '',
        attempts: int = 0,
        may_have_executed: bool = True,
        status_code: int = 0,
        error_code: int | None = None,
        reference: str | None = None,
        retry_after: float | None = None,
    ) -> None: ...
    @property
    def hint(self) -> str | None: ...
    error_code: int | None
    reference: str | None
    retry_after: float | None
    status_code: int
class ApiTimeoutError(ApiConnectionError): ...
class ApplicationNumber:
    def __init__(
        self,
        *,
        number: str,
        application_key: str | None = None,
        capability: Capability | str | None = None,
        raw: Mapping[str, Any] = _Nothing.NOTHING,
    ) -> None: ...
    application_key: str | None
    capability: Capability | str | None
    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self: ...
    number: str
    raw: Mapping[str, Any]
    def to_dict(self) -> dict[str, Any]: ...
    def to_json(self) -> str: ...
class ArchiveInUse(CdrError): ...
class AsyncVoiceClient(Generic):
    async def __aenter__(self) -> Self: ...
    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: traceback | None,
    ) -> None: ...
    def __init__(
        self,
        application_key: str,
        application_secret: str,
        *,
        region: str = Region.GLOBAL,
        auth: Auth | Literal['signed', 'basic'] = Auth.SIGNED,
        canonical_resource: CanonicalResource | Literal['auto', 'path', 'path-and-query', 'decoded-path', 'decoded-path-and-query'] = 'auto',
        timeout: float = 10.0,
        deadline: float | None = None,
        retries: int | RetryPolicy = 2,
        calling_url: str | None = None,
        reporting_url: str | None = None,
        configuration_url: str | None = None,
        proxy: str | None = None,
        ssl_context: SSLContext | None = None,
        max_connections: int = 100,
        keepalive: float = 30.0,
        headers: Mapping[str, str] | None = None,
        user_agent_suffix: str = '',
        on_response: Callable[[ResponseInfo], object] | None = None,
        transport: object | None = None,
    ) -> None: ...
    async def aclose(self) -> None: ...
    @property
    def applications(self) -> AsyncApplications: ...
    @property
    def callouts(self) -> AsyncCallouts: ...
    @property
    def calls(self) -> AsyncCalls: ...
    @property
    def conferences(self) -> AsyncConferences: ...
    @classmethod
    def from_env(
        cls,
        environ: Mapping[str, str] | None = None,
        *,
        region: str = ...,
        auth: Auth | Literal['signed', 'basic'] = ...,
        canonical_resource: CanonicalResource | Literal['auto', 'path', 'path-and-query', 'decoded-path', 'decoded-path-and-query'] = ...,
        timeout: float = ...,
        deadline: float | None = ...,
        retries: int | RetryPolicy = ...,
        calling_url: str | None = ...,
        reporting_url: str | None = ...,
        configuration_url: str | None = ...,
        proxy: str | None = ...,
        ssl_context: SSLContext | None = ...,
        max_connections: int = ...,
        keepalive: float = ...,
        headers: Mapping[str, str] = ...,
        user_agent_suffix: str = ...,
        on_response: Callable[[ResponseInfo], object] | None = ...,
        transport: object | None = ...,
    ) -> Self: ...
    @property
    def reports(self) -> AsyncReports: ...
    async def request(
        self,
        method: str,
        path: str,
        *,
        api: Literal['calling', 'configuration', 'reporting'] = 'calling',
        json: object = None,
        params: Mapping[str, str | int | bool] | None = None,
        headers: Mapping[str, str] | None = None,
        replayable: bool | None = None,
    ) -> Response: ...
    def with_options(
        self,
        *,
        timeout: float | Literal[_Keep.KEEP] = _Keep.KEEP,
        deadline: float | Literal[_Keep.KEEP] | None = _Keep.KEEP,
        retries: int | RetryPolicy | Literal[_Keep.KEEP] = _Keep.KEEP,
        headers: Mapping[str, str] | Literal[_Keep.KEEP] = _Keep.KEEP,
        on_response: Callable[[ResponseInfo], object] | Literal[_Keep.KEEP] | None = _Keep.KEEP,
    ) -> Self: ...
class Auth(StrEnum):
    BASIC = 'basic'
    SIGNED = 'signed'
class AuthenticationError(ApiStatusError): ...
class BadRequestError(ApiStatusError): ...
class Call:
    def __init__(
        self,
        *,
        call_id: str,
        from_: MxpEndpoint | PstnEndpoint | SipEndpoint | OtherEndpoint | None = None,
        to: MxpEndpoint | PstnEndpoint | SipEndpoint | OtherEndpoint | None = None,
        domain: CallDomain | str | None = None,
        duration: int | None = None,
        status: CallStatus | str | None = None,
        result: CallResult | str | None = None,
        reason: CallReason | str | None = None,
        timestamp: datetime | None = None,
        custom: str | Mapping[str, Any] | None = None,
        user_rate: Price | None = None,
        debit: Price | None = None,
        raw: Mapping[str, Any] = _Nothing.NOTHING,
    ) -> None: ...
    call_id: str
    custom: str | Mapping[str, Any] | None
    def custom_json(self) -> Any: ...
    debit: Price | None
    domain: CallDomain | str | None
    duration: int | None
    from_: MxpEndpoint | PstnEndpoint | SipEndpoint | OtherEndpoint | None
    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self: ...
    raw: Mapping[str, Any]
    reason: CallReason | str | None
    result: CallResult | str | None
    status: CallStatus | str | None
    timestamp: datetime | None
    to: MxpEndpoint | PstnEndpoint | SipEndpoint | OtherEndpoint | None
    def to_dict(self) -> dict[str, Any]: ...
    def to_json(self) -> str: ...
    user_rate: Price | None
class CallDomain(StrEnum):
    MXP = 'mxp'
    PSTN = 'pstn'
class CallLeg(StrEnum):
    BOTH = 'both'
    CALLEE = 'callee'
    CALLER = 'caller'
class CallReason(StrEnum):
    BLOCKED = 'BLOCKED'
    CALLEE_HANGUP = 'CALLEEHANGUP'
    CALLER_HANGUP = 'CALLERHANGUP'
    CANCEL = 'CANCEL'
    GENERAL_ERROR = 'GENERALERROR'
    INVALID_SVAML_ACTION = 'INVALIDSVAMLACTION'
    MANAGER_HANGUP = 'MANAGERHANGUP'
    NOT_AVAILABLE = 'N/A'
    NO_CREDIT_PARTNER = 'NOCREDITPARTNER'
    TIMEOUT = 'TIMEOUT'
class CallResult(StrEnum):
    ANSWERED = 'ANSWERED'
    BUSY = 'BUSY'
    FAILED = 'FAILED'
    NOT_AVAILABLE = 'N/A'
    NO_ANSWER = 'NOANSWER'
class CallStatus(StrEnum):
    FINAL = 'FINAL'
    ONGOING = 'ONGOING'
class CallbackRefused(SinchVoiceError):
    def __init__(
        self,
        message: str | None = None,
        *,
        reason: StrEnum | None = None,
        status_code: int = 401,
        parameter: str | None = None,
        value: Any = None,
        remedy: str | None = None,
    ) -> None: ...
    reason: StrEnum | None
    status_code: int
class CallbackUrls:
    def __init__(
        self,
        *,
        primary: str | None = None,
        fallback: str | None = None,
        raw: Mapping[str, Any] = _Nothing.NOTHING,
    ) -> None: ...
    fallback: str | None
    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self: ...
    primary: str | None
    raw: Mapping[str, Any]
    def to_dict(self) -> dict[str, Any]: ...
    def to_json(self) -> str: ...
class Callout:
    def __init__(
        self,
        *,
        call_id: str,
        raw: Mapping[str, Any] = _Nothing.NOTHING,
    ) -> None: ...
    call_id: str
    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self: ...
    raw: Mapping[str, Any]
    def to_dict(self) -> dict[str, Any]: ...
    def to_json(self) -> str: ...
class CanonicalResource(StrEnum):
    DECODED_PATH = 'decoded-path'
    DECODED_PATH_AND_QUERY = 'decoded-path-and-query'
    PATH = 'path'
    PATH_AND_QUERY = 'path-and-query'
    def and_its_neighbours(self) -> list[CanonicalResource]: ...
class Capability(StrEnum):
    SMS = 'sms'
    VOICE = 'voice'
class CdrError(SinchVoiceError):
    def __init__(
        self,
        message: str,
        file: str = '',
        line: int | None = None,
        reject: Reject | None = None,
        *,
        parameter: str | None = None,
        value: Any = None,
        remedy: str | None = None,
    ) -> None: ...
    file: str
    line: int | None
    reject: Reject | None
class Conference:
    def __init__(
        self,
        *,
        conference_id: str,
        participants: tuple[ConferenceParticipant, ...] = (),
        raw: Mapping[str, Any] = _Nothing.NOTHING,
    ) -> None: ...
    conference_id: str
    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self: ...
    participants: tuple[ConferenceParticipant, ...]
    raw: Mapping[str, Any]
    def to_dict(self) -> dict[str, Any]: ...
    def to_json(self) -> str: ...
class ConferenceParticipant:
    def __init__(
        self,
        *,
        call_id: str | None = None,
        cli: str | None = None,
        duration: int | None = None,
        muted: bool | None = None,
        on_hold: bool | None = None,
        raw: Mapping[str, Any] = _Nothing.NOTHING,
    ) -> None: ...
    call_id: str | None
    cli: str | None
    duration: int | None
    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self: ...
    muted: bool | None
    on_hold: bool | None
    raw: Mapping[str, Any]
    def to_dict(self) -> dict[str, Any]: ...
    def to_json(self) -> str: ...
class ConfigurationError(SinchVoiceError, ValueError): ...
class ConflictError(ApiStatusError): ...
class Counter:
    def __init__(
        self,
        *,
        value: int | Decimal,
        modified: datetime | None = None,
        raw: Mapping[str, Any] = _Nothing.NOTHING,
    ) -> None: ...
    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self: ...
    modified: datetime | None
    raw: Mapping[str, Any]
    def to_dict(self) -> dict[str, Any]: ...
    def to_json(self) -> str: ...
    value: int | Decimal
class Credentials:
    def __init__(self, application_key: str, application_secret: str) -> None: ...
    application_key: str
    @property
    def application_secret(self) -> str: ...
    def basic_authorization(self) -> str: ...
    def signature(self, to_sign: str) -> str: ...
Day = date | datetime | str
Domain = ReportDomain | Literal['data', 'pstn']
Endpoint = MxpEndpoint | PstnEndpoint | SipEndpoint | OtherEndpoint
class EventLoopError(SinchVoiceError, RuntimeError): ...
class InsufficientCreditError(ApiStatusError): ...
class InvalidRequest(SinchVoiceError, ValueError): ...
Leg = CallLeg | Literal['caller', 'callee', 'both']
class MxpEndpoint:
    def __init__(self, username: str) -> None: ...
    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self: ...
    def to_dict(self) -> dict[str, Any]: ...
    def to_json(self) -> str: ...
    def to_wire(self) -> dict[str, Any]: ...
    username: str
class NotFoundError(ApiStatusError): ...
class NumberInfo:
    def __init__(
        self,
        *,
        country_id: str | None = None,
        number_type: NumberType | str | None = None,
        normalized_number: str | None = None,
        restricted: bool | None = None,
        rate: Price | None = None,
        raw: Mapping[str, Any] = _Nothing.NOTHING,
    ) -> None: ...
    country_id: str | None
    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self: ...
    normalized_number: str | None
    number_type: NumberType | str | None
    rate: Price | None
    raw: Mapping[str, Any]
    restricted: bool | None
    def to_dict(self) -> dict[str, Any]: ...
    def to_json(self) -> str: ...
class NumberType(StrEnum):
    FIXED = 'Fixed'
    MOBILE = 'Mobile'
    OTHER = 'Other'
    UNKNOWN = 'Unknown'
class Options(dict):
    auth: Auth | Literal['signed', 'basic']
    calling_url: str | None
    canonical_resource: CanonicalResource | Literal['auto', 'path', 'path-and-query', 'decoded-path', 'decoded-path-and-query']
    configuration_url: str | None
    deadline: float | None
    headers: Mapping[str, str]
    keepalive: float
    max_connections: int
    on_response: Callable[[ResponseInfo], object] | None
    proxy: str | None
    region: str
    reporting_url: str | None
    retries: int | RetryPolicy
    ssl_context: SSLContext | None
    timeout: float
    transport: object | None
    user_agent_suffix: str
class OtherEndpoint:
    def __init__(self, type: str | None, endpoint: str | None) -> None: ...
    endpoint: str | None
    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self: ...
    def to_dict(self) -> dict[str, Any]: ...
    def to_json(self) -> str: ...
    def to_wire(self) -> dict[str, Any]: ...
    type: str | None
class PermissionDeniedError(ApiStatusError): ...
class Price:
    def __init__(
        self,
        amount: Decimal | None = None,
        currency: str | None = None,
    ) -> None: ...
    amount: Decimal | None
    currency: str | None
    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self: ...
    def to_dict(self) -> dict[str, Any]: ...
    def to_json(self) -> str: ...
class PstnEndpoint:
    def __init__(self, number: str) -> None: ...
    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self: ...
    number: str
    def to_dict(self) -> dict[str, Any]: ...
    def to_json(self) -> str: ...
    def to_wire(self) -> dict[str, Any]: ...
class RateLimitError(ApiStatusError): ...
class Region(StrEnum):
    EUROPE = 'europe'
    GLOBAL = 'global'
    NORTH_AMERICA = 'north-america'
    SOUTH_AMERICA = 'south-america'
    SOUTH_EAST_ASIA_1 = 'south-east-asia-1'
    SOUTH_EAST_ASIA_2 = 'south-east-asia-2'
    @property
    def calling_url(self) -> str: ...
class ReportDomain(StrEnum):
    DATA = 'data'
    PSTN = 'pstn'
class ReportWindow:
    def __init__(
        self,
        *,
        start: date | datetime,
        stop: date | datetime,
        report: UserCallReport,
    ) -> None: ...
    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self: ...
    report: UserCallReport
    start: date | datetime
    stop: date | datetime
    def to_dict(self) -> dict[str, Any]: ...
    def to_json(self) -> str: ...
class RequestWarning(UserWarning): ...
class Response:
    def __init__(
        self,
        *,
        status_code: int,
        headers: Mapping[str, str],
        content: bytes,
        attempts: int,
        elapsed: float,
    ) -> None: ...
    attempts: int
    content: bytes
    elapsed: float
    headers: Mapping[str, str]
    def json(self) -> Any: ...
    status_code: int
class ResponseInfo:
    def __init__(
        self,
        *,
        operation: str,
        method: str,
        host: str,
        status_code: int | None,
        headers: Mapping[str, str],
        attempts: int,
        elapsed: float,
        error: ApiError | None = None,
    ) -> None: ...
    attempts: int
    elapsed: float
    error: ApiError | None
    headers: Mapping[str, str]
    host: str
    method: str
    operation: str
    status_code: int | None
class RetryPolicy:
    def __init__(
        self,
        *,
        retries: int = 2,
        first_delay: float = 0.5,
        max_delay: float = 8.0,
        max_retry_after: float = 30.0,
    ) -> None: ...
    def delay(
        self,
        attempt: int,
        failure: Failure,
        remaining: float | None,
        random: Callable[[], float],
    ) -> float | None: ...
    first_delay: float
    max_delay: float
    max_retry_after: float
    retries: int
class ServerError(ApiStatusError): ...
class ServiceStatus:
    def __init__(
        self,
        *,
        status: str,
        raw: Mapping[str, Any] = _Nothing.NOTHING,
    ) -> None: ...
    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self: ...
    @property
    def is_up(self) -> bool: ...
    raw: Mapping[str, Any]
    status: str
    def to_dict(self) -> dict[str, Any]: ...
    def to_json(self) -> str: ...
class SinchVoiceError(Exception):
    def __init__(
        self,
        message: str | None = None,
        *,
        parameter: str | None = None,
        value: Any = None,
        remedy: str | None = None,
    ) -> None: ...
    parameter: str | None
    remedy: str | None
    def to_dict(self) -> dict[str, Any]: ...
    value: Any
    message: str
class SipEndpoint:
    def __init__(self, address: str) -> None: ...
    address: str
    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self: ...
    def to_dict(self) -> dict[str, Any]: ...
    def to_json(self) -> str: ...
    def to_wire(self) -> dict[str, Any]: ...
class UnexpectedResponse(ApiError):
    def __init__(
        self,
        message: str,
        operation: str = '',
        method: str = '',
        path: str = '',
        attempts: int = 0,
        may_have_executed: bool = True,
        status_code: int = 0,
        body: bytes = b'',
    ) -> None: ...
    body: bytes
    status_code: int
class UnprocessableError(ApiStatusError): ...
class UserCallReport:
    def __init__(
        self,
        *,
        success: int,
        failed: int,
        duration: int,
        start: datetime | None = None,
        raw: Mapping[str, Any] = _Nothing.NOTHING,
    ) -> None: ...
    duration: int
    failed: int
    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self: ...
    raw: Mapping[str, Any]
    start: datetime | None
    success: int
    def to_dict(self) -> dict[str, Any]: ...
    def to_json(self) -> str: ...
class VoiceClient(Generic):
    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: traceback | None,
    ) -> None: ...
    def __init__(
        self,
        application_key: str,
        application_secret: str,
        *,
        region: str = Region.GLOBAL,
        auth: Auth | Literal['signed', 'basic'] = Auth.SIGNED,
        canonical_resource: CanonicalResource | Literal['auto', 'path', 'path-and-query', 'decoded-path', 'decoded-path-and-query'] = 'auto',
        timeout: float = 10.0,
        deadline: float | None = None,
        retries: int | RetryPolicy = 2,
        calling_url: str | None = None,
        reporting_url: str | None = None,
        configuration_url: str | None = None,
        proxy: str | None = None,
        ssl_context: SSLContext | None = None,
        max_connections: int = 100,
        keepalive: float = 30.0,
        headers: Mapping[str, str] | None = None,
        user_agent_suffix: str = '',
        on_response: Callable[[ResponseInfo], object] | None = None,
        transport: object | None = None,
    ) -> None: ...
    @property
    def applications(self) -> Applications: ...
    @property
    def callouts(self) -> Callouts: ...
    @property
    def calls(self) -> Calls: ...
    def close(self) -> None: ...
    @property
    def conferences(self) -> Conferences: ...
    @classmethod
    def from_env(
        cls,
        environ: Mapping[str, str] | None = None,
        *,
        region: str = ...,
        auth: Auth | Literal['signed', 'basic'] = ...,
        canonical_resource: CanonicalResource | Literal['auto', 'path', 'path-and-query', 'decoded-path', 'decoded-path-and-query'] = ...,
        timeout: float = ...,
        deadline: float | None = ...,
        retries: int | RetryPolicy = ...,
        calling_url: str | None = ...,
        reporting_url: str | None = ...,
        configuration_url: str | None = ...,
        proxy: str | None = ...,
        ssl_context: SSLContext | None = ...,
        max_connections: int = ...,
        keepalive: float = ...,
        headers: Mapping[str, str] = ...,
        user_agent_suffix: str = ...,
        on_response: Callable[[ResponseInfo], object] | None = ...,
        transport: object | None = ...,
    ) -> Self: ...
    @property
    def reports(self) -> Reports: ...
    def request(
        self,
        method: str,
        path: str,
        *,
        api: Literal['calling', 'configuration', 'reporting'] = 'calling',
        json: object = None,
        params: Mapping[str, str | int | bool] | None = None,
        headers: Mapping[str, str] | None = None,
        replayable: bool | None = None,
    ) -> Response: ...
    def with_options(
        self,
        *,
        timeout: float | Literal[_Keep.KEEP] = _Keep.KEEP,
        deadline: float | Literal[_Keep.KEEP] | None = _Keep.KEEP,
        retries: int | RetryPolicy | Literal[_Keep.KEEP] = _Keep.KEEP,
        headers: Mapping[str, str] | Literal[_Keep.KEEP] = _Keep.KEEP,
        on_response: Callable[[ResponseInfo], object] | Literal[_Keep.KEEP] | None = _Keep.KEEP,
    ) -> Self: ...
__version__ = '0.2.0'
