# What sinchvoice promises; recorded by: nox -s api_diff -- --record
from typing import Literal

__all__ = [
    'Action',
    'Answer',
    'AnsweringMachineDetection',
    'ConferenceDtmfOptions',
    'ConnectConf',
    'ConnectMxp',
    'ConnectPstn',
    'ConnectSip',
    'ConnectStream',
    'Continue',
    'Hangup',
    'Instruction',
    'KeyValue',
    'Menu',
    'MenuOption',
    'Park',
    'PlayFiles',
    'Raw',
    'RecordingOptions',
    'ReportCallStatus',
    'RunMenu',
    'Say',
    'SendDtmf',
    'SetCookie',
    'StartRecording',
    'StopRecording',
    'StreamingOptions',
    'Svaml',
    'SvamlWarning',
    'TranscriptionOptions',
    'WebsocketEndpoint',
]

Action = Hangup | Continue | ConnectPstn | ConnectMxp | ConnectConf | ConnectSip | ConnectStream | RunMenu | Park | Raw
class Answer:
    def __init__(self) -> None: ...
    @classmethod
    def from_wire(cls, wire: object) -> Self: ...
    def to_wire(self) -> dict[str, Any]: ...
    wire_name: ClassVar[str | None]
class AnsweringMachineDetection:
    def __init__(
        self,
        *,
        enabled: bool | None = None,
        async_: bool | None = None,
    ) -> None: ...
    async_: bool | None
    enabled: bool | None
    @classmethod
    def from_wire(cls, wire: object) -> Self: ...
    def to_wire(self) -> dict[str, Any]: ...
    wire_name: ClassVar[str | None]
class ConferenceDtmfOptions:
    def __init__(
        self,
        *,
        mode: Literal['ignore', 'forward', 'detect'] | None = None,
        max_digits: int | None = None,
        timeout_mills: int | None = None,
    ) -> None: ...
    @classmethod
    def from_wire(cls, wire: object) -> Self: ...
    max_digits: int | None
    mode: Literal['ignore', 'forward', 'detect'] | None
    timeout_mills: int | None
    def to_wire(self) -> dict[str, Any]: ...
    wire_name: ClassVar[str | None]
class ConnectConf:
    def __init__(
        self,
        conference_id: str,
        *,
        conference_dtmf_options: ConferenceDtmfOptions | None = None,
        moh: Literal['ring', 'music1', 'music2', 'music3'] | None = None,
        record: bool | None = None,
        recording_options: RecordingOptions | None = None,
    ) -> None: ...
    conference_dtmf_options: ConferenceDtmfOptions | None
    conference_id: str
    @classmethod
    def from_wire(cls, wire: object) -> Self: ...
    moh: Literal['ring', 'music1', 'music2', 'music3'] | None
    record: bool | None
    recording_options: RecordingOptions | None
    def to_wire(self) -> dict[str, Any]: ...
    wire_name: ClassVar[str | None]
class ConnectMxp:
    def __init__(
        self,
        *,
        destination: MxpEndpoint | None = None,
        call_headers: Mapping[str, str] | Iterable[KeyValue | tuple[str, str]] | None = None,
        call_headers_key: Literal['callheaders', 'callHeaders'] = 'callheaders',
    ) -> None: ...
    call_headers: tuple[KeyValue, ...] | None
    call_headers_key: Literal['callheaders', 'callHeaders']
    destination: MxpEndpoint | None
    @classmethod
    def from_wire(cls, wire: object) -> Self: ...
    def to_wire(self) -> dict[str, Any]: ...
    wire_name: ClassVar[str | None]
class ConnectPstn:
    def __init__(
        self,
        *,
        number: str | PstnEndpoint | None = None,
        locale: str | None = None,
        max_duration: int | None = None,
        dial_timeout: int | None = None,
        cli: str | PstnEndpoint | None = None,
        suppress_callbacks: bool | None = None,
        dtmf: str | None = None,
        indications: str | None = None,
        amd: AnsweringMachineDetection | None = None,
        tags: Mapping[str, str] | Iterable[KeyValue | tuple[str, str]] | None = None,
    ) -> None: ...
    amd: AnsweringMachineDetection | None
    cli: str | None
    dial_timeout: int | None
    dtmf: str | None
    @classmethod
    def from_wire(cls, wire: object) -> Self: ...
    indications: str | None
    locale: str | None
    max_duration: int | None
    number: str | None
    suppress_callbacks: bool | None
    tags: tuple[KeyValue, ...] | None
    def to_wire(self) -> dict[str, Any]: ...
    wire_name: ClassVar[str | None]
class ConnectSip:
    def __init__(
        self,
        destination: SipEndpoint,
        *,
        max_duration: int | None = None,
        cli: str | PstnEndpoint | None = None,
        transport: str | None = None,
        suppress_callbacks: bool | None = None,
        call_headers: Mapping[str, str] | Iterable[KeyValue | tuple[str, str]] | None = None,
        moh: Literal['ring', 'music1', 'music2', 'music3'] | None = None,
    ) -> None: ...
    call_headers: tuple[KeyValue, ...] | None
    cli: str | None
    destination: SipEndpoint
    @classmethod
    def from_wire(cls, wire: object) -> Self: ...
    max_duration: int | None
    moh: Literal['ring', 'music1', 'music2', 'music3'] | None
    suppress_callbacks: bool | None
    def to_wire(self) -> dict[str, Any]: ...
    transport: Literal['UDP', 'TCP', 'TLS'] | None
    wire_name: ClassVar[str | None]
class ConnectStream:
    def __init__(
        self,
        destination: WebsocketEndpoint,
        *,
        streaming_options: StreamingOptions | None = None,
        max_duration: int | None = None,
        call_headers: Mapping[str, str] | Iterable[KeyValue | tuple[str, str]] | None = None,
    ) -> None: ...
    call_headers: tuple[KeyValue, ...] | None
    destination: WebsocketEndpoint
    @classmethod
    def from_wire(cls, wire: object) -> Self: ...
    max_duration: int | None
    streaming_options: StreamingOptions | None
    def to_wire(self) -> dict[str, Any]: ...
    wire_name: ClassVar[str | None]
class Continue:
    def __init__(
        self,
        *,
        record: bool | None = None,
        recording_options: RecordingOptions | None = None,
    ) -> None: ...
    @classmethod
    def from_wire(cls, wire: object) -> Self: ...
    record: bool | None
    recording_options: RecordingOptions | None
    def to_wire(self) -> dict[str, Any]: ...
    wire_name: ClassVar[str | None]
class Hangup:
    def __init__(self) -> None: ...
    @classmethod
    def from_wire(cls, wire: object) -> Self: ...
    def to_wire(self) -> dict[str, Any]: ...
    wire_name: ClassVar[str | None]
Instruction = Answer | PlayFiles | Say | SendDtmf | SetCookie | StartRecording | StopRecording | ReportCallStatus | Raw
class KeyValue:
    def __init__(self, key: str, value: str) -> None: ...
    @classmethod
    def from_wire(cls, wire: object) -> Self: ...
    key: str
    def to_wire(self) -> dict[str, Any]: ...
    value: str
    wire_name: ClassVar[str | None]
class Menu:
    def __init__(
        self,
        id: str,
        *,
        main_prompt: str | None = None,
        repeat_prompt: str | None = None,
        repeats: int | None = None,
        max_digits: int | None = None,
        timeout_mills: int | None = None,
        max_timeout_mills: int | None = None,
        options: Iterable[MenuOption] | None = None,
    ) -> None: ...
    @classmethod
    def from_wire(cls, wire: object) -> Self: ...
    id: str
    main_prompt: str | None
    max_digits: int | None
    max_timeout_mills: int | None
    options: tuple[MenuOption, ...] | None
    repeat_prompt: str | None
    repeats: int | None
    timeout_mills: int | None
    def to_wire(self) -> dict[str, Any]: ...
    wire_name: ClassVar[str | None]
class MenuOption:
    def __init__(self, dtmf: str | int, action: str) -> None: ...
    action: str
    dtmf: str
    @classmethod
    def from_wire(cls, wire: object) -> Self: ...
    def to_wire(self) -> dict[str, Any]: ...
    wire_name: ClassVar[str | None]
class Park:
    def __init__(
        self,
        *,
        locale: str | None = None,
        intro_prompt: str | None = None,
        hold_prompt: str | None = None,
        max_duration: int | None = None,
    ) -> None: ...
    @classmethod
    def from_wire(cls, wire: object) -> Self: ...
    hold_prompt: str | None
    intro_prompt: str | None
    locale: str | None
    max_duration: int | None
    def to_wire(self) -> dict[str, Any]: ...
    wire_name: ClassVar[str | None]
class PlayFiles:
    def __init__(self, ids: Iterable[str], *, locale: str | None = None) -> None: ...
    @classmethod
    def from_wire(cls, wire: object) -> Self: ...
    ids: tuple[str, ...]
    locale: str | None
    def to_wire(self) -> dict[str, Any]: ...
    wire_name: ClassVar[str | None]
class Raw:
    def __init__(self, value: Mapping[str, Any]) -> None: ...
    def to_wire(self) -> dict[str, Any]: ...
    value: Mapping[str, Any]
class RecordingOptions:
    def __init__(
        self,
        *,
        destination_url: str | None = None,
        credentials: str | None = None,
        format: str | None = None,
        notification_events: bool | None = None,
        transcription_options: TranscriptionOptions | None = None,
    ) -> None: ...
    credentials: str | None
    destination_url: str | None
    format: str | None
    @classmethod
    def from_wire(cls, wire: object) -> Self: ...
    notification_events: bool | None
    def to_wire(self) -> dict[str, Any]: ...
    transcription_options: TranscriptionOptions | None
    wire_name: ClassVar[str | None]
class ReportCallStatus:
    def __init__(self, value: str, details: str | None = None) -> None: ...
    details: str | None
    @classmethod
    def from_wire(cls, wire: object) -> Self: ...
    def to_wire(self) -> dict[str, Any]: ...
    value: str
    wire_name: ClassVar[str | None]
class RunMenu:
    def __init__(
        self,
        menus: Iterable[Menu] | None = None,
        *,
        main_menu: str | None = None,
        barge: bool | None = None,
        locale: str | None = None,
        enable_voice: bool | None = None,
    ) -> None: ...
    barge: bool | None
    enable_voice: bool | None
    @classmethod
    def from_wire(cls, wire: object) -> Self: ...
    locale: str | None
    main_menu: str | None
    menus: tuple[Menu, ...] | None
    def to_wire(self) -> dict[str, Any]: ...
    wire_name: ClassVar[str | None]
class Say:
    def __init__(self, text: str, *, locale: str | None = None) -> None: ...
    @classmethod
    def from_wire(cls, wire: object) -> Self: ...
    locale: str | None
    text: str
    def to_wire(self) -> dict[str, Any]: ...
    wire_name: ClassVar[str | None]
class SendDtmf:
    def __init__(self, value: str) -> None: ...
    @classmethod
    def from_wire(cls, wire: object) -> Self: ...
    def to_wire(self) -> dict[str, Any]: ...
    value: str
    wire_name: ClassVar[str | None]
class SetCookie:
    def __init__(self, key: str, value: str) -> None: ...
    @classmethod
    def from_wire(cls, wire: object) -> Self: ...
    key: str
    def to_wire(self) -> dict[str, Any]: ...
    value: str
    wire_name: ClassVar[str | None]
class StartRecording:
    def __init__(self, options: RecordingOptions | None = None) -> None: ...
    @classmethod
    def from_wire(cls, wire: object) -> Self: ...
    options: RecordingOptions | None
    def to_wire(self) -> dict[str, Any]: ...
    wire_name: ClassVar[str | None]
class StopRecording:
    def __init__(self) -> None: ...
    @classmethod
    def from_wire(cls, wire: object) -> Self: ...
    def to_wire(self) -> dict[str, Any]: ...
    wire_name: ClassVar[str | None]
class StreamingOptions:
    def __init__(
        self,
        *,
        version: int | None = None,
        sample_rate: int | None = None,
    ) -> None: ...
    @classmethod
    def from_wire(cls, wire: object) -> Self: ...
    sample_rate: int | None
    def to_wire(self) -> dict[str, Any]: ...
    version: int | None
    wire_name: ClassVar[str | None]
class Svaml:
    def __init__(
        self,
        instructions: Iterable[Instruction] | None = None,
        action: Hangup | Continue | ConnectPstn | ConnectMxp | ConnectConf | ConnectSip | ConnectStream | RunMenu | Park | Raw | None = None,
    ) -> None: ...
    action: Hangup | Continue | ConnectPstn | ConnectMxp | ConnectConf | ConnectSip | ConnectStream | RunMenu | Park | Raw | None
    @classmethod
    def from_wire(cls, wire: object) -> Self: ...
    instructions: tuple[Instruction, ...] | None
    def to_wire(self) -> dict[str, Any]: ...
    wire_name: ClassVar[str | None]
class SvamlWarning(UserWarning): ...
class TranscriptionOptions:
    def __init__(
        self,
        *,
        enabled: bool | None = None,
        locale: str | None = None,
    ) -> None: ...
    enabled: bool | None
    @classmethod
    def from_wire(cls, wire: object) -> Self: ...
    locale: str | None
    def to_wire(self) -> dict[str, Any]: ...
    wire_name: ClassVar[str | None]
class WebsocketEndpoint:
    def __init__(self, endpoint: str) -> None: ...
    endpoint: str
    @classmethod
    def from_wire(cls, wire: object) -> Self: ...
    def to_wire(self) -> dict[str, Any]: ...
    wire_name: ClassVar[str | None]
