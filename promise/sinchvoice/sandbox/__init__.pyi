# What sinchvoice promises; recorded by: nox -s api_diff -- --record
from typing import Literal
from sinchvoice.sandbox import faults as faults

__all__ = [
    'CallState',
    'Heard',
    'Sandbox',
    'SandboxApplication',
    'SandboxCall',
    'SandboxClock',
    'SandboxRequest',
    'faults',
    'running',
]

class CallState(StrEnum):
    ANSWERED = 'answered'
    ENDED = 'ended'
    PARKED = 'parked'
    RINGING = 'ringing'
class Heard:
    def __init__(self, leg: CallLeg, what: Say | PlayFiles) -> None: ...
    leg: CallLeg
    what: Say | PlayFiles
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
