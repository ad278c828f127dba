# What sinchvoice promises; recorded by: nox -s api_diff -- --record
from typing import Literal
from sinchvoice.sandbox import faults as faults

__all__ = [
    'AccountNumber',
    'CallState',
    'CallbackUrl',
    'CdrCounts',
    'CdrTruth',
    'FileForm',
    'FileTruth',
    'Heard',
    'Planted',
    'Sandbox',
    'SandboxApplication',
    'SandboxCall',
    'SandboxCallback',
    'SandboxClock',
    'SandboxRequest',
    'cdr_files',
    'faults',
    'running',
]

class AccountNumber:
    def __init__(
        self,
        number: str,
        capability: str = 'voice',
        application_key: str | None = None,
    ) -> None: ...
    application_key: str | None
    capability: str
    number: str
class CallState(StrEnum):
    ANSWERED = 'answered'
    ENDED = 'ended'
    PARKED = 'parked'
    RINGING = 'ringing'
class CallbackUrl(StrEnum):
    FALLBACK = 'fallback'
    INLINE = 'inline'
    PRIMARY = 'primary'
class CdrCounts:
    def __init__(
        self,
        *,
        records: int = 0,
        loaded: int = 0,
        duplicates: int = 0,
        conflicts: int = 0,
        late: int = 0,
        rejects: Mapping[RejectCause, int] = _Nothing.NOTHING,
        answered: int = 0,
        talk_seconds: int = 0,
        cost: Decimal = Decimal('0.0000'),
    ) -> None: ...
    answered: int
    conflicts: int
    cost: Decimal
    duplicates: int
    @property
    def good(self) -> int: ...
    late: int
    loaded: int
    records: int
    @property
    def rejected(self) -> int: ...
    rejects: Mapping[RejectCause, int]
    talk_seconds: int
    def to_json(self) -> dict[str, Any]: ...
class CdrTruth:
    def __init__(self, files: tuple[FileTruth, ...]) -> None: ...
    @property
    def by_layout(self) -> dict[LayoutName, CdrCounts]: ...
    files: tuple[FileTruth, ...]
    def to_json(self) -> dict[str, Any]: ...
    @property
    def total(self) -> CdrCounts: ...
class FileForm:
    def __init__(
        self,
        *,
        header: Literal['usual', 'upper-case', 'shuffled', 'no-country', 'none'] = 'usual',
        line_end: Literal['lf', 'crlf', 'mixed'] = 'lf',
        byte_order_mark: bool = False,
        extra_columns: int = 0,
    ) -> None: ...
    byte_order_mark: bool
    extra_columns: int
    header: Literal['usual', 'upper-case', 'shuffled', 'no-country', 'none']
    line_end: Literal['lf', 'crlf', 'mixed']
class FileTruth:
    counts: CdrCounts
    day: date
    form: FileForm
    layout: LayoutName
    path: Path | None
    rejects: tuple[PlantedReject, ...]
    def to_json(self) -> dict[str, Any]: ...
class Heard:
    def __init__(self, leg: CallLeg, what: Say | PlayFiles) -> None: ...
    leg: CallLeg
    what: Say | PlayFiles
class Planted:
    def __init__(
        self,
        *,
        rejects: Mapping[str, int] = _Nothing.NOTHING,
        duplicates: int = 0,
        duplicates_across: int = 0,
        conflicts: int = 0,
        late: int = 0,
        multiline: int = 0,
        forged: int = 0,
    ) -> None: ...
    conflicts: int
    duplicates: int
    duplicates_across: int
    forged: int
    late: int
    multiline: int
    rejects: Mapping[RejectCause, int]
class Sandbox(SandboxApplication):
    @property
    def account_numbers(self) -> tuple[AccountNumber, ...]: ...
    def add_application(self) -> SandboxApplication: ...
    def add_number(
        self,
        number: str,
        *,
        capability: Literal['voice', 'sms'] = 'voice',
    ) -> AccountNumber: ...
    @property
    def callback_app(self) -> Callable[..., Any] | None: ...
    @property
    def callbacks(self) -> list[SandboxCallback]: ...
    @property
    def clock(self) -> SandboxClock: ...
    @property
    def connections(self) -> int: ...
    def inject(
        self,
        fault: Latency | Reset | Truncate | Reply | ContentType | ClockSkew | Canonical | Redirect | Late | Twice | OutOfOrder | Tampered | WrongKey | Old | Iterable[Latency | Reset | Truncate | Reply | ContentType | ClockSkew | Canonical | Redirect | Late | Twice | OutOfOrder | Tampered | WrongKey | Old | None],
        *,
        on: str = '*',
        probability: float = 1.0,
    ) -> Injection: ...
    @property
    def numbers(self) -> tuple[PstnEndpoint, ...]: ...
    regional_url: str
    @property
    def requests(self) -> list[SandboxRequest]: ...
    def reset(self) -> None: ...
    @property
    def ring(self) -> float | None: ...
    @property
    def services(self) -> dict[str, str]: ...
    def settle(self, timeout: float = 60.0) -> None: ...
    @property
    def users(self) -> tuple[MxpEndpoint, ...]: ...
    def write_cdr_files(
        self,
        folder: str | PathLike[str],
        day: date | None = None,
    ) -> list[Path]: ...
class SandboxApplication:
    def add_call(
        self,
        *,
        to: Endpoint,
        from_: MxpEndpoint | PstnEndpoint | SipEndpoint | OtherEndpoint | None = None,
        call_id: str | None = None,
        started: datetime | None = None,
        ring: float | timedelta = 0,
        duration: float | timedelta | None = None,
        result: CallResult = CallResult.ANSWERED,
        reason: CallReason | None = None,
        custom: str = '{}',
    ) -> SandboxCall: ...
    application_key: str
    application_secret: str
    @property
    def callback_fallback_url(self) -> str | None: ...
    @property
    def callback_url(self) -> str | None: ...
    calling_url: str
    @property
    def calls(self) -> Mapping[str, SandboxCall]: ...
    configuration_url: str
    @property
    def environ(self) -> Mapping[str, str]: ...
    def incoming_call(
        self,
        *,
        from_: MxpEndpoint | PstnEndpoint | SipEndpoint | OtherEndpoint | str,
        to: MxpEndpoint | PstnEndpoint | SipEndpoint | OtherEndpoint | str | None = None,
        ring: float | timedelta | None = None,
        custom: str = '',
        call_headers: Mapping[str, str] | None = None,
    ) -> SandboxCall: ...
    def populate(self) -> None: ...
    reporting_url: str
class SandboxCall:
    def __init__(
        self,
        *,
        clock: SandboxClock,
        call_id: str,
        application_key: str,
        from_: MxpEndpoint | PstnEndpoint | SipEndpoint | OtherEndpoint | None,
        to: Endpoint,
        started: datetime,
        ring: float | None = 0,
        duration: float | None = None,
        result: CallResult = CallResult.ANSWERED,
        reason: CallReason | None = None,
        custom: str = '{}',
        rate: Decimal = Decimal('0.1758'),
        region: str = '',
    ) -> None: ...
    @property
    def actions(self) -> list[Action]: ...
    def answer(self, *, by_machine: bool = False) -> None: ...
    @property
    def answered(self) -> datetime | None: ...
    def carry_out(
        self,
        instructions: list[Instruction],
        actions: list[Action],
        leg: CallLeg,
    ) -> None: ...
    @property
    def duration(self) -> int: ...
    def end(self, reason: CallReason, result: CallResult | None = None) -> None: ...
    @property
    def ended(self) -> datetime | None: ...
    @property
    def ends_at(self) -> datetime | None: ...
    def find_obstacle(self, actions: list[Action]) -> str | None: ...
    def hang_up(self, *, by: Literal['caller', 'callee'] = 'caller') -> None: ...
    def hear(self, what: Say | PlayFiles, leg: CallLeg) -> None: ...
    @property
    def heard(self) -> list[Heard]: ...
    @property
    def instructions(self) -> list[Instruction]: ...
    def limit_to(self, seconds: float | None, *, as_a_whole: bool = False) -> None: ...
    def pick_up(self) -> None: ...
    def press(self, keys: str) -> None: ...
    @property
    def reason(self) -> CallReason: ...
    @property
    def result(self) -> CallResult: ...
    @property
    def state(self) -> CallState: ...
    @property
    def status(self) -> CallStatus: ...
    def to_wire(self) -> dict[str, Any]: ...
    def was_ongoing(self, moment: datetime) -> bool: ...
class SandboxCallback:
    def __init__(
        self,
        *,
        at: datetime,
        event: str,
        call_id: str,
        application_key: str,
        which: CallbackUrl,
        method: str = 'POST',
        url: str,
        headers: Mapping[str, str],
        body: bytes,
        faults: tuple[CallbackFault, ...] = (),
        is_repeat: bool = False,
        status: int | None = None,
        answer: bytes = b'',
        seconds: float = 0.0,
        error: str | None = None,
    ) -> None: ...
    answer: bytes
    application_key: str
    at: datetime
    body: bytes
    call_id: str
    @property
    def content(self) -> Any: ...
    error: str | None
    event: str
    faults: tuple[CallbackFault, ...]
    headers: Mapping[str, str]
    is_repeat: bool
    method: str
    seconds: float
    @property
    def signature(self) -> str: ...
    status: int | None
    url: str
    which: CallbackUrl
class SandboxClock:
    def advance(self, by: float | timedelta) -> datetime: ...
    @property
    def now(self) -> datetime: ...
    @property
    def stands_still(self) -> bool: ...
class SandboxRequest:
    def __init__(
        self,
        at: datetime,
        method: str,
        target: str,
        body: bytes = b'',
        status: int | None = None,
        error_code: int | None = None,
        acted: bool = False,
        faults: tuple[Fault, ...] = (),
    ) -> None: ...
    acted: bool
    at: datetime
    body: bytes
    error_code: int | None
    faults: tuple[Fault, ...]
    method: str
    status: int | None
    target: str
def cdr_files(
    folder: str | PathLike[str],
    *,
    records: int = 1000,
    days: int = 1,
    first_day: date = datetime.date(2026, 11, 2),
    layouts: Collection[LayoutName] = ('phone-terminated', 'phone-originated', 'app-to-app', 'sip-terminated'),
    seed: int = 0,
    quoted: float = 0.2,
    planted: Planted | None = None,
    forms: Sequence[FileForm] = (FileForm(header='usual', line_end='lf', byte_order_mark=False, extra_columns=0),),
    compression: Literal['gz', 'zst'] | None = None,
) -> CdrTruth: ...
def running(
    *,
    host: str = '127.0.0.1',
    port: int = 0,
    seed: int = 1,
    populated: bool = True,
    now: datetime | None = None,
    faults: Iterable[Injection] = (),
    callback_url: str | None = None,
    callback_fallback_url: str | None = None,
    callback_app: Callable[..., Any] | None = None,
    callback_hosts: Iterable[str] = (),
    callback_timeout: float = 5.0,
    middleware: Callable[[Callable[[Any, Any, Any], Awaitable[None]]], Callable[[Any, Any, Any], Awaitable[None]]] | None = None,
) -> Iterator[Sandbox]: ...
