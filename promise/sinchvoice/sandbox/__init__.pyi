# What sinchvoice promises; recorded by: nox -s api_diff -- --record
from typing import Literal
from sinchvoice.sandbox import faults as faults

__all__ = [
    'CallState',
    'CdrCounts',
    'CdrTruth',
    'FileForm',
    'FileTruth',
    'Heard',
    'Planted',
    'Sandbox',
    'SandboxApplication',
    'SandboxCall',
    'SandboxClock',
    'SandboxRequest',
    'cdr_files',
    'faults',
    'running',
]

class CallState(StrEnum):
    ANSWERED = 'answered'
    ENDED = 'ended'
    PARKED = 'parked'
    RINGING = 'ringing'
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
    def add_application(self) -> SandboxApplication: ...
    @property
    def clock(self) -> SandboxClock: ...
    @property
    def connections(self) -> int: ...
    def inject(
        self,
        fault: Latency | Reset | Truncate | Reply | ContentType | ClockSkew | Canonical | Redirect | Iterable[Latency | Reset | Truncate | Reply | ContentType | ClockSkew | Canonical | Redirect | None],
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
    def services(self) -> dict[str, str]: ...
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
    calling_url: str
    @property
    def calls(self) -> Mapping[str, SandboxCall]: ...
    @property
    def environ(self) -> Mapping[str, str]: ...
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
        ring: float = 0,
        duration: float | None = None,
        result: CallResult = CallResult.ANSWERED,
        reason: CallReason | None = None,
        custom: str = '{}',
        rate: Decimal = Decimal('0.1758'),
    ) -> None: ...
    @property
    def actions(self) -> list[Action]: ...
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
    @property
    def ended(self) -> datetime | None: ...
    def find_obstacle(self, actions: list[Action]) -> str | None: ...
    @property
    def heard(self) -> list[Heard]: ...
    @property
    def instructions(self) -> list[Instruction]: ...
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
class SandboxClock:
    def __init__(self, start: datetime | None, lock: RLock) -> None: ...
    def advance(self, by: float | timedelta) -> datetime: ...
    @property
    def now(self) -> datetime: ...
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
    middleware: Callable[[Callable[[Any, Any, Any], Awaitable[None]]], Callable[[Any, Any, Any], Awaitable[None]]] | None = None,
) -> Iterator[Sandbox]: ...
