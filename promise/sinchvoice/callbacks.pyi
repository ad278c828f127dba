# What sinchvoice promises; recorded by: nox -s api_diff -- --record
from typing import Literal
from sinchvoice import CallbackRefused as CallbackRefused

__all__ = [
    'AmdReason',
    'AmdResult',
    'AmdStatus',
    'AnsweredCall',
    'BodyRefusal',
    'CallbackAnswer',
    'CallbackRefused',
    'Callbacks',
    'DisconnectReason',
    'DisconnectedCall',
    'Event',
    'IncomingCall',
    'InputMethod',
    'MenuResult',
    'MenuResultType',
    'Notification',
    'NotificationType',
    'PromptInput',
    'RecentlySeen',
    'SeenStore',
    'UnknownEvent',
    'parse',
]

class AmdReason(StrEnum):
    BEEP = 'beep'
    GREETING = 'greeting'
    INITIAL_SILENCE = 'initialsilence'
    LONG_GREETING = 'longgreeting'
    NOT_AVAILABLE = 'n/a'
class AmdResult:
    def __init__(
        self,
        *,
        status: AmdStatus | str | None,
        reason: AmdReason | str | None,
        duration: int | None,
    ) -> None: ...
    duration: int | None
    reason: AmdReason | str | None
    status: AmdStatus | str | None
class AmdStatus(StrEnum):
    HANGUP = 'hangup'
    HUMAN = 'human'
    IN_PROGRESS = 'inprogress'
    MACHINE = 'machine'
    NOT_SURE = 'notsure'
class AnsweredCall:
    def __init__(
        self,
        *,
        call_id: str | None,
        conference_id: str | None,
        timestamp: datetime | None,
        custom: str | Mapping[str, Any] | None,
        application_key: str | None,
        user: str | None,
        cookies: tuple[tuple[str, str], ...],
        version: int | None,
        key: str,
        repeated: bool = False,
        raw: Mapping[str, Any],
        call_resource_url: str | None,
        amd: AmdResult | None,
    ) -> None: ...
    amd: AmdResult | None
    def answer(self, svaml: Svaml | None = None) -> CallbackAnswer: ...
    application_key: str | None
    call_id: str | None
    call_resource_url: str | None
    conference_id: str | None
    cookies: tuple[tuple[str, str], ...]
    custom: str | Mapping[str, Any] | None
    def custom_json(self) -> Any: ...
    event: ClassVar[str]
    key: str
    raw: Mapping[str, Any]
    repeated: bool
    timestamp: datetime | None
    user: str | None
    version: int | None
class BodyRefusal(StrEnum):
    INCOMPLETE = 'its body did not arrive as a whole'
    NOT_A_JSON_OBJECT = 'its body is not a JSON object'
    TOO_LARGE = 'its body is too large'
class CallbackAnswer:
    def __init__(
        self,
        body: bytes = b'',
        headers: dict[str, str] = _Nothing.NOTHING,
        status_code: int = 200,
    ) -> None: ...
    body: bytes
    headers: dict[str, str]
    status_code: int
class Callbacks:
    def __init__(
        self,
        credentials: Credentials,
        *more: Credentials,
        max_age: float | None = 300,
        seen: SeenStore | None = None,
        max_body: int = 262144,
    ) -> None: ...
    def receive(
        self,
        *,
        method: str,
        path: str | bytes,
        headers: Mapping[str, str] | Mapping[str, Sequence[str]] | Iterable[tuple[str, str] | tuple[bytes, bytes]],
        body: bytes | None,
    ) -> Event: ...
    async def receive_asgi(
        self,
        scope: Mapping[str, Any],
        receive: Callable[[], Awaitable[MutableMapping[str, Any]]],
        public_path: str | None = None,
    ) -> Event: ...
    def receive_lambda(
        self,
        event: Mapping[str, Any],
        public_path: str | None = None,
    ) -> Event: ...
    def receive_wsgi(
        self,
        environ: Mapping[str, Any],
        public_path: str | None = None,
    ) -> Event: ...
class DisconnectReason(StrEnum):
    BLOCKED = 'BLOCKED'
    BUSY = 'BUSY'
    CALLBACK_ERROR = 'CALLBACKERROR'
    CALLEE_HANGUP = 'CALLEEHANGUP'
    CALLER_HANGUP = 'CALLERHANGUP'
    CANCEL = 'CANCEL'
    CLIENT_NETWORK = 'CLIENTNETWORK'
    CONGESTION = 'CONGESTION'
    ESTABLISHED = 'ESTABLISHED'
    GENERAL_ERROR = 'GENERALERROR'
    MANAGER_HANGUP = 'MANAGERHANGUP'
    NOT_AVAILABLE = 'N/A'
    NO_ANSWER = 'NOANSWER'
    NO_CREDIT_PARTNER = 'NOCREDITPARTNER'
    OTHER_PEER_ANSWERED = 'OTHERPEERANSWERED'
    TIMEOUT = 'TIMEOUT'
    USER_NOT_FOUND = 'USERNOTFOUND'
class DisconnectedCall:
    def __init__(
        self,
        *,
        call_id: str | None,
        conference_id: str | None,
        timestamp: datetime | None,
        custom: str | Mapping[str, Any] | None,
        application_key: str | None,
        user: str | None,
        cookies: tuple[tuple[str, str], ...],
        version: int | None,
        key: str,
        repeated: bool = False,
        raw: Mapping[str, Any],
        from_: MxpEndpoint | PstnEndpoint | SipEndpoint | OtherEndpoint | None,
        to: MxpEndpoint | PstnEndpoint | SipEndpoint | OtherEndpoint | None,
        reason: DisconnectReason | str | None,
        result: CallResult | str | None,
        duration: int | None,
        debit: Price | None,
        user_rate: Price | None,
        call_headers: tuple[tuple[str, str], ...],
    ) -> None: ...
    def answer(self, svaml: Svaml | None = None) -> CallbackAnswer: ...
    application_key: str | None
    call_headers: tuple[tuple[str, str], ...]
    call_id: str | None
    conference_id: str | None
    cookies: tuple[tuple[str, str], ...]
    custom: str | Mapping[str, Any] | None
    def custom_json(self) -> Any: ...
    debit: Price | None
    duration: int | None
    event: ClassVar[str]
    from_: MxpEndpoint | PstnEndpoint | SipEndpoint | OtherEndpoint | None
    key: str
    raw: Mapping[str, Any]
    reason: DisconnectReason | str | None
    repeated: bool
    result: CallResult | str | None
    timestamp: datetime | None
    to: MxpEndpoint | PstnEndpoint | SipEndpoint | OtherEndpoint | None
    user: str | None
    user_rate: Price | None
    version: int | None
Event = IncomingCall | AnsweredCall | DisconnectedCall | PromptInput | Notification | UnknownEvent
class IncomingCall:
    def __init__(
        self,
        *,
        call_id: str | None,
        conference_id: str | None,
        timestamp: datetime | None,
        custom: str | Mapping[str, Any] | None,
        application_key: str | None,
        user: str | None,
        cookies: tuple[tuple[str, str], ...],
        version: int | None,
        key: str,
        repeated: bool = False,
        raw: Mapping[str, Any],
        call_resource_url: str | None,
        cli: str | None,
        to: MxpEndpoint | PstnEndpoint | SipEndpoint | OtherEndpoint | None,
        domain: CallDomain | str | None,
        origination_type: CallDomain | str | None,
        duration: int | None,
        rdnis: str | None,
        call_headers: tuple[tuple[str, str], ...],
        user_rate: Price | None,
    ) -> None: ...
    def answer(self, svaml: Svaml | None = None) -> CallbackAnswer: ...
    application_key: str | None
    call_headers: tuple[tuple[str, str], ...]
    call_id: str | None
    call_resource_url: str | None
    cli: str | None
    conference_id: str | None
    cookies: tuple[tuple[str, str], ...]
    custom: str | Mapping[str, Any] | None
    def custom_json(self) -> Any: ...
    domain: CallDomain | str | None
    duration: int | None
    event: ClassVar[str]
    key: str
    origination_type: CallDomain | str | None
    raw: Mapping[str, Any]
    rdnis: str | None
    repeated: bool
    timestamp: datetime | None
    to: MxpEndpoint | PstnEndpoint | SipEndpoint | OtherEndpoint | None
    user: str | None
    user_rate: Price | None
    version: int | None
class InputMethod(StrEnum):
    DTMF = 'dtmf'
    VOICE = 'voice'
class MenuResult:
    def __init__(
        self,
        *,
        menu_id: str | None,
        type: MenuResultType | str | None,
        value: str | None,
        input_method: InputMethod | str | None,
    ) -> None: ...
    input_method: InputMethod | str | None
    menu_id: str | None
    type: MenuResultType | str | None
    value: str | None
class MenuResultType(StrEnum):
    ERROR = 'error'
    HANGUP = 'hangup'
    INVALID_INPUT = 'invalidinput'
    RETURN = 'return'
    SEQUENCE = 'sequence'
    TIMEOUT = 'timeout'
class Notification:
    def __init__(
        self,
        *,
        call_id: str | None,
        conference_id: str | None,
        timestamp: datetime | None,
        custom: str | Mapping[str, Any] | None,
        application_key: str | None,
        user: str | None,
        cookies: tuple[tuple[str, str], ...],
        version: int | None,
        key: str,
        repeated: bool = False,
        raw: Mapping[str, Any],
        type: NotificationType | str | None,
        destination: str | None,
        amd: AmdResult | None,
        error_code: int | None,
        error_message: str | None,
    ) -> None: ...
    amd: AmdResult | None
    def answer(self, svaml: Svaml | None = None) -> CallbackAnswer: ...
    application_key: str | None
    call_id: str | None
    conference_id: str | None
    cookies: tuple[tuple[str, str], ...]
    custom: str | Mapping[str, Any] | None
    def custom_json(self) -> Any: ...
    destination: str | None
    error_code: int | None
    error_message: str | None
    event: ClassVar[str]
    key: str
    raw: Mapping[str, Any]
    repeated: bool
    timestamp: datetime | None
    type: NotificationType | str | None
    user: str | None
    version: int | None
class NotificationType(StrEnum):
    AMD = 'amd'
    AMD_BEEP = 'amd_beep'
    CALLING_ERROR = 'callingerror'
    RECORDING_AVAILABLE = 'recording_available'
    RECORDING_FINISHED = 'recording_finished'
    TRANSCRIPTION_AVAILABLE = 'transcription_available'
    TRANSCRIPTION_COMPLETE = 'transcription_complete'
class PromptInput:
    def __init__(
        self,
        *,
        call_id: str | None,
        conference_id: str | None,
        timestamp: datetime | None,
        custom: str | Mapping[str, Any] | None,
        application_key: str | None,
        user: str | None,
        cookies: tuple[tuple[str, str], ...],
        version: int | None,
        key: str,
        repeated: bool = False,
        raw: Mapping[str, Any],
        menu_result: MenuResult,
    ) -> None: ...
    def answer(self, svaml: Svaml | None = None) -> CallbackAnswer: ...
    application_key: str | None
    call_id: str | None
    conference_id: str | None
    cookies: tuple[tuple[str, str], ...]
    custom: str | Mapping[str, Any] | None
    def custom_json(self) -> Any: ...
    event: ClassVar[str]
    @property
    def from_conference(self) -> bool: ...
    key: str
    menu_result: MenuResult
    raw: Mapping[str, Any]
    repeated: bool
    timestamp: datetime | None
    user: str | None
    version: int | None
class RecentlySeen:
    def __init__(
        self,
        *,
        max_age: float = 3600.0,
        max_keys: int = 100000,
        clock: Callable[[], float] = monotonic,
    ) -> None: ...
    def __len__(self) -> int: ...
    def add(self, key: str) -> bool: ...
class SeenStore(Protocol):
    def add(self, key: str) -> bool: ...
class UnknownEvent:
    def __init__(
        self,
        *,
        call_id: str | None,
        conference_id: str | None,
        timestamp: datetime | None,
        custom: str | Mapping[str, Any] | None,
        application_key: str | None,
        user: str | None,
        cookies: tuple[tuple[str, str], ...],
        version: int | None,
        key: str,
        repeated: bool = False,
        raw: Mapping[str, Any],
        event: str | None,
    ) -> None: ...
    def answer(self, svaml: Svaml | None = None) -> CallbackAnswer: ...
    application_key: str | None
    call_id: str | None
    conference_id: str | None
    cookies: tuple[tuple[str, str], ...]
    custom: str | Mapping[str, Any] | None
    def custom_json(self) -> Any: ...
    event: str | None
    key: str
    raw: Mapping[str, Any]
    repeated: bool
    timestamp: datetime | None
    user: str | None
    version: int | None
def parse(body: bytes | str) -> Event: ...
