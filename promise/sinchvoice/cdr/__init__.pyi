# What sinchvoice promises; recorded by: nox -s api_diff -- --record
from typing import Literal
from sinchvoice import CdrError as CdrError
from sinchvoice.cdr import kpis as kpis

__all__ = [
    'AppToApp',
    'Archive',
    'ArchivedReject',
    'ArrowRecords',
    'ArrowStream',
    'CallDetailRecord',
    'CdrError',
    'CdrRecord',
    'Column',
    'ColumnType',
    'DayCompleteness',
    'Dimension',
    'EraseReport',
    'Extras',
    'FileReport',
    'KpiCost',
    'KpiFilter',
    'KpiRow',
    'KpiRows',
    'LAYOUTS',
    'Layout',
    'LayoutName',
    'LeftOut',
    'LoadProgress',
    'LoadReport',
    'PhoneOriginated',
    'PhoneTerminated',
    'QueryResult',
    'Ratio',
    'Reader',
    'Reject',
    'RejectCause',
    'RemoveReport',
    'Scan',
    'SipTerminated',
    'Source',
    'arrow_schema',
    'kpis',
    'read',
    'read_arrow',
    'scan',
]

LAYOUTS: mappingproxy
class AppToApp(tuple):
    application_key: str | None
    call_id: str
    call_time: datetime
    custom: str | None
    def custom_json(self) -> Any: ...
    duration: int | None
    extras: Mapping[str, str]
    from_: MxpEndpoint | None
    @property
    def layout(self) -> Literal['app-to-app']: ...
    @property
    def may_be_cut(self) -> bool: ...
    reason: CallReason | str | None
    result: CallResult | str | None
    to: MxpEndpoint | None
    user_space_id: int | None
    def __new__(
        cls,
        call_id: str,
        user_space_id: int | None,
        call_time: datetime,
        result: CallResult | str | None,
        reason: CallReason | str | None,
        duration: int | None,
        from_: MxpEndpoint | None,
        to: MxpEndpoint | None,
        custom: str | None,
        application_key: str | None,
        extras: Mapping[str, str] = Extras({}),
    ) -> Self: ...
class Archive(ABC):
    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: traceback | None,
    ) -> None: ...
    def __init__(
        self,
        path: str | PathLike[str],
        *,
        read_only: bool = False,
        wait: float = 0.0,
        memory_limit: str | None = None,
        threads: int | None = None,
    ) -> None: ...
    def backup(self, path: str | PathLike[str]) -> Path: ...
    def close(self) -> None: ...
    def compact(self) -> None: ...
    def completeness(self) -> list[DayCompleteness]: ...
    def erase(
        self,
        *,
        before: date | None = None,
        numbers: Sequence[str] = (),
        users: Sequence[str] = (),
    ) -> EraseReport: ...
    def kpis(
        self,
        by: Dimension | Sequence[Dimension] = (),
        where: KpiFilter | None = None,
        *,
        min_attempts: int = 1,
    ) -> KpiRows: ...
    def load(
        self,
        *sources: Source,
        layout: LayoutName | Layout | None = None,
        progress: Callable[[LoadProgress], object] | None = None,
        failed: Literal['collect'] | Callable[[CdrError], object] | None = None,
        recursive: bool = False,
    ) -> LoadReport: ...
    def load_each(
        self,
        *sources: Source,
        layout: LayoutName | Layout | None = None,
        progress: Callable[[LoadProgress], object] | None = None,
        failed: Callable[[CdrError], object] | None = None,
        recursive: bool = False,
        leave_out: Callable[[LeftOut], object] | None = None,
    ) -> Iterator[FileReport]: ...
    def rejects(self, *, resolved: bool = False) -> list[ArchivedReject]: ...
    def remove(self, file: int | str | PathLike[str]) -> RemoveReport: ...
    def sql(
        self,
        query: str,
        parameters: Sequence[object] | Mapping[str, object] = (),
    ) -> QueryResult: ...
    def to_arrow(
        self,
        query: str = 'SELECT * FROM records',
        parameters: Sequence[object] | Mapping[str, object] = (),
    ) -> ArrowStream: ...
    def to_parquet(self, folder: str | PathLike[str]) -> list[Path]: ...
class ArchivedReject:
    def __init__(
        self,
        *,
        reject_id: int,
        file_id: int,
        file: str,
        line: int,
        offset: int,
        record: int,
        layout: LayoutName,
        column: str | None,
        value: str | None,
        cause: str,
        message: str,
        raw: bytes,
        size: int,
        header: str,
        call_id: str | None,
        resolved_by: int | None,
    ) -> None: ...
    call_id: str | None
    cause: str
    column: str | None
    file: str
    file_id: int
    header: str
    layout: LayoutName
    line: int
    message: str
    offset: int
    raw: bytes
    record: int
    reject_id: int
    resolved_by: int | None
    size: int
    value: str | None
class ArrowRecords(Iterator):
    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: traceback | None,
    ) -> None: ...
    def __init__(
        self,
        source: Source,
        layout: LayoutName | Layout | None,
        on_reject: Literal['raise', 'collect'] | Callable[[Reject], object],
        recursive: bool,
        batch_size: int,
        memory_limit: str | None,
        threads: int | None,
    ) -> None: ...
    def __next__(self) -> Any: ...
    def close(self) -> None: ...
class ArrowStream: ...
class CallDetailRecord(Protocol):
    @property
    def application_key(self) -> str | None: ...
    @property
    def call_id(self) -> str: ...
    @property
    def call_time(self) -> datetime: ...
    @property
    def custom(self) -> str | None: ...
    def custom_json(self) -> Any: ...
    @property
    def duration(self) -> int | None: ...
    @property
    def extras(self) -> Mapping[str, str]: ...
    @property
    def from_(self) -> MxpEndpoint | PstnEndpoint | SipEndpoint | OtherEndpoint | None: ...
    @property
    def layout(self) -> LayoutName: ...
    @property
    def may_be_cut(self) -> bool: ...
    @property
    def reason(self) -> CallReason | str | None: ...
    @property
    def result(self) -> CallResult | str | None: ...
    @property
    def to(self) -> MxpEndpoint | PstnEndpoint | SipEndpoint | OtherEndpoint | None: ...
    @property
    def user_space_id(self) -> int | None: ...
CdrRecord = PhoneTerminated | PhoneOriginated | AppToApp | SipTerminated
class Column:
    def __init__(
        self,
        name: str,
        type: ColumnType,
        field: str,
        doc: str,
        unit: str | None = None,
        required: bool = False,
        since: date | None = None,
        source: str = 'page "Call Detail Records"',
    ) -> None: ...
    doc: str
    field: str
    name: str
    required: bool
    since: date | None
    source: str
    type: ColumnType
    unit: str | None
class ColumnType(StrEnum):
    ADDRESS = 'address'
    DECIMAL = 'decimal'
    INTEGER = 'integer'
    PHONE = 'phone'
    REASON = 'reason'
    RESULT = 'result'
    TEXT = 'text'
    TIME = 'time'
    USER = 'user'
class DayCompleteness:
    def __init__(
        self,
        *,
        day: date | None,
        layout: LayoutName,
        files: int,
        records: int,
        first_call: datetime | None,
        last_call: datetime | None,
        late: int,
        rejects: int,
        last_day: date | None,
    ) -> None: ...
    day: date | None
    files: int
    first_call: datetime | None
    @property
    def is_gap(self) -> bool: ...
    @property
    def is_implausible(self) -> bool: ...
    last_call: datetime | None
    last_day: date | None
    late: int
    layout: LayoutName
    records: int
    rejects: int
Dimension = Literal['day', 'hour', 'weekday', 'country', 'layout', 'application', 'user', 'result', 'reason', 'currency']
class EraseReport:
    def __init__(
        self,
        *,
        records: int,
        conflicts: int,
        duplicates: int,
        rejects: int,
    ) -> None: ...
    conflicts: int
    duplicates: int
    records: int
    rejects: int
class Extras(Mapping):
    def __getitem__(self, name: str) -> str: ...
    def __init__(self, texts: Mapping[str, str], *, may_be_cut: bool = False) -> None: ...
    def __iter__(self) -> Iterator[str]: ...
    def __len__(self) -> int: ...
    may_be_cut = ...
class FileReport:
    def __init__(
        self,
        *,
        name: str,
        sha256: str,
        size: int,
        records: int = 0,
        loaded: int = 0,
        duplicates: int = 0,
        conflicts: int = 0,
        rejected: int = 0,
        erased: int = 0,
        completed: int = 0,
        resolved: int = 0,
        skipped: bool = False,
        read_by: Literal['fast', 'mixed', 'exact'] | None = None,
        fallback: str | None = None,
        seconds: float = 0.0,
    ) -> None: ...
    completed: int
    conflicts: int
    duplicates: int
    erased: int
    fallback: str | None
    loaded: int
    name: str
    read_by: Literal['fast', 'mixed', 'exact'] | None
    records: int
    rejected: int
    resolved: int
    seconds: float
    sha256: str
    size: int
    skipped: bool
class KpiCost:
    def __init__(
        self,
        currency: str | None,
        priced: int,
        amount: Decimal,
        priced_seconds: int,
        started_minutes: int,
        per_talk_minute: Ratio,
        per_started_minute: Ratio,
    ) -> None: ...
    amount: Decimal
    currency: str | None
    per_started_minute: Ratio
    per_talk_minute: Ratio
    priced: int
    priced_seconds: int
    started_minutes: int
class KpiFilter(dict):
    application: str | Collection[str | None] | None
    country: str | Collection[str | None] | None
    currency: str | Collection[str | None] | None
    day: date | Collection[date]
    hour: int | Collection[int]
    layout: LayoutName | Collection[LayoutName]
    reason: str | Collection[str | None] | None
    result: str | Collection[str | None] | None
    start: datetime | None
    until: datetime | None
    user: str | Collection[str | None] | None
    weekday: Weekday | Collection[Weekday]
class KpiRow:
    def __init__(
        self,
        by: Mapping[Dimension, date | int | str | None],
        attempts: int,
        answered: int,
        busy: int,
        no_answer: int,
        abandoned: int,
        hung_up: int,
        blocked: int,
        no_credit: int,
        network_failures: int,
        undecided: int,
        delivered: int,
        timed: int,
        short: int,
        talk_seconds: int,
        minutes_of_use: float,
        connected: int,
        setup_seconds: Decimal,
        asr: Ratio,
        ner: Ratio,
        acd: Ratio,
        setup_time: Ratio,
        short_calls: Ratio,
        costs: tuple[KpiCost, ...],
    ) -> None: ...
    abandoned: int
    acd: Ratio
    answered: int
    asr: Ratio
    attempts: int
    blocked: int
    busy: int
    by: Mapping[Dimension, date | int | str | None]
    connected: int
    costs: tuple[KpiCost, ...]
    delivered: int
    hung_up: int
    minutes_of_use: float
    ner: Ratio
    network_failures: int
    no_answer: int
    no_credit: int
    setup_seconds: Decimal
    setup_time: Ratio
    short: int
    short_calls: Ratio
    talk_seconds: int
    timed: int
    undecided: int
class KpiRows(Sequence):
    def __getitem__(self, index: int | slice) -> KpiRow | list[KpiRow]: ...
    def __init__(
        self,
        connection: Any,
        by: Dimension | Sequence[Dimension],
        where: KpiFilter | None,
        min_attempts: int,
    ) -> None: ...
    def __iter__(self) -> Iterator[KpiRow]: ...
    def __len__(self) -> int: ...
    def keep(self) -> None: ...
    def to_arrow(self) -> KpiStream: ...
class Layout:
    def __init__(
        self,
        name: LayoutName,
        title: str,
        record: str,
        columns: tuple[Column, ...],
    ) -> None: ...
    columns: tuple[Column, ...]
    name: LayoutName
    record: str
    title: str
    @property
    def widths(self) -> tuple[int, ...]: ...
LayoutName = Literal['phone-terminated', 'phone-originated', 'app-to-app', 'sip-terminated']
class LeftOut:
    def __init__(self, name: str, reason: str) -> None: ...
    name: str
    reason: str
class LoadProgress:
    def __init__(
        self,
        file: str,
        stage: Literal['reading', 'checking', 'sifting', 'loading', 'done'],
        bytes: int,
        size: int | None,
    ) -> None: ...
    bytes: int
    file: str
    size: int | None
    stage: Literal['reading', 'checking', 'sifting', 'loading', 'done']
class LoadReport:
    def __init__(
        self,
        details: tuple[FileReport, ...],
        seconds: float,
        left_out: tuple[LeftOut, ...] = (),
        failures: tuple[CdrError, ...] = (),
    ) -> None: ...
    @property
    def completed(self) -> int: ...
    @property
    def conflicts(self) -> int: ...
    details: tuple[FileReport, ...]
    @property
    def duplicates(self) -> int: ...
    @property
    def erased(self) -> int: ...
    failures: tuple[CdrError, ...]
    @property
    def files(self) -> int: ...
    left_out: tuple[LeftOut, ...]
    @property
    def loaded(self) -> int: ...
    @property
    def records(self) -> int: ...
    @property
    def rejected(self) -> int: ...
    @property
    def resolved(self) -> int: ...
    seconds: float
    @property
    def skipped(self) -> int: ...
class PhoneOriginated(tuple):
    amount: Decimal | None
    application_key: str | None
    call_id: str
    call_time: datetime
    currency: str | None
    custom: str | None
    def custom_json(self) -> Any: ...
    duration: int | None
    extras: Mapping[str, str]
    from_: MxpEndpoint | PstnEndpoint | SipEndpoint | OtherEndpoint | None
    @property
    def layout(self) -> Literal['phone-originated']: ...
    @property
    def may_be_cut(self) -> bool: ...
    reason: CallReason | str | None
    result: CallResult | str | None
    to: MxpEndpoint | PstnEndpoint | SipEndpoint | OtherEndpoint | None
    user_space_id: int | None
    def __new__(
        cls,
        call_id: str,
        user_space_id: int | None,
        call_time: datetime,
        result: CallResult | str | None,
        reason: CallReason | str | None,
        duration: int | None,
        from_: MxpEndpoint | PstnEndpoint | SipEndpoint | OtherEndpoint | None,
        to: MxpEndpoint | PstnEndpoint | SipEndpoint | OtherEndpoint | None,
        amount: Decimal | None,
        currency: str | None,
        custom: str | None,
        application_key: str | None,
        extras: Mapping[str, str] = Extras({}),
    ) -> Self: ...
class PhoneTerminated(tuple):
    amount: Decimal | None
    answer_time: datetime | None
    application_key: str | None
    call_id: str
    call_time: datetime
    currency: str | None
    custom: str | None
    def custom_json(self) -> Any: ...
    duration: int | None
    extras: Mapping[str, str]
    from_: MxpEndpoint | PstnEndpoint | SipEndpoint | OtherEndpoint | None
    @property
    def layout(self) -> Literal['phone-terminated']: ...
    @property
    def may_be_cut(self) -> bool: ...
    reason: CallReason | str | None
    result: CallResult | str | None
    to: MxpEndpoint | PstnEndpoint | SipEndpoint | OtherEndpoint | None
    to_country_id: str | None
    user_id: str | None
    user_space_id: int | None
    def __new__(
        cls,
        call_id: str,
        user_space_id: int | None,
        call_time: datetime,
        result: CallResult | str | None,
        reason: CallReason | str | None,
        duration: int | None,
        answer_time: datetime | None,
        from_: MxpEndpoint | PstnEndpoint | SipEndpoint | OtherEndpoint | None,
        to: MxpEndpoint | PstnEndpoint | SipEndpoint | OtherEndpoint | None,
        amount: Decimal | None,
        currency: str | None,
        custom: str | None,
        application_key: str | None,
        user_id: str | None,
        to_country_id: str | None,
        extras: Mapping[str, str] = Extras({}),
    ) -> Self: ...
class QueryResult:
    def __init__(self, columns: tuple[str, ...], rows: list[tuple[Any, ...]]) -> None: ...
    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]
class Ratio:
    def __init__(
        self,
        numerator: int | Decimal,
        denominator: int | float,
        value: float | None,
        formula: str,
    ) -> None: ...
    denominator: int | float
    formula: str
    numerator: int | Decimal
    value: float | None
class Reader(Iterator):
    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: traceback | None,
    ) -> None: ...
    def __init__(
        self,
        source: Source,
        layout: LayoutName | Layout | None = None,
        *,
        on_reject: Literal['raise', 'collect'] | Callable[[Reject], object] = 'raise',
        recursive: bool = False,
        block_size: int = 65536,
        max_record: int = 16777216,
    ) -> None: ...
    def __iter__(self) -> Iterator[CdrRecord]: ...
    def __next__(self) -> CdrRecord: ...
    def close(self) -> None: ...
    @property
    def records(self) -> int: ...
    @property
    def yielded(self) -> int: ...
class Reject:
    def __init__(
        self,
        *,
        file: str,
        line: int,
        offset: int,
        record: int,
        layout: str,
        column: str | None = None,
        value: str | None = None,
        cause: RejectCause,
        message: str,
        raw: bytes,
        size: int,
        header: tuple[str, ...],
    ) -> None: ...
    cause: RejectCause
    column: str | None
    file: str
    header: tuple[str, ...]
    layout: str
    line: int
    message: str
    offset: int
    raw: bytes
    record: int
    size: int
    @property
    def text(self) -> str: ...
    value: str | None
class RejectCause(StrEnum):
    BYTE_ORDER_MARK = 'byte-order-mark'
    CARRIAGE_RETURN = 'carriage-return'
    COLUMNS = 'columns'
    DECIMAL = 'decimal'
    EMPTY = 'empty'
    ENCODING = 'encoding'
    HEADER = 'header'
    INTEGER = 'integer'
    NUL = 'nul'
    QUOTE = 'quote'
    SIZE = 'size'
    TIME = 'time'
class RemoveReport:
    def __init__(
        self,
        *,
        name: str,
        records: int,
        loaded: int,
        restored: int,
        reopened: int,
    ) -> None: ...
    loaded: int
    name: str
    records: int
    reopened: int
    restored: int
class Scan(ABC):
    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: traceback | None,
    ) -> None: ...
    def __init__(
        self,
        sources: Sequence[Source],
        layout: LayoutName | Layout | None,
        *,
        memory_limit: str | None,
        threads: int | None,
        recursive: bool = False,
    ) -> None: ...
    def close(self) -> None: ...
    def kpis(
        self,
        by: Dimension | Sequence[Dimension] = (),
        where: KpiFilter | None = None,
        *,
        min_attempts: int = 1,
    ) -> KpiRows: ...
    def sql(
        self,
        query: str,
        parameters: Sequence[object] | Mapping[str, object] = (),
    ) -> QueryResult: ...
    def to_arrow(
        self,
        query: str | None = None,
        parameters: Sequence[object] | Mapping[str, object] = (),
    ) -> ArrowStream: ...
class SipTerminated(tuple):
    application_key: str | None
    call_id: str
    call_time: datetime
    custom: str | None
    def custom_json(self) -> Any: ...
    duration: int | None
    extras: Mapping[str, str]
    from_: MxpEndpoint | PstnEndpoint | SipEndpoint | OtherEndpoint | None
    @property
    def layout(self) -> Literal['sip-terminated']: ...
    @property
    def may_be_cut(self) -> bool: ...
    reason: CallReason | str | None
    result: CallResult | str | None
    to: MxpEndpoint | PstnEndpoint | SipEndpoint | OtherEndpoint | None
    user_space_id: int | None
    def __new__(
        cls,
        call_id: str,
        user_space_id: int | None,
        call_time: datetime,
        result: CallResult | str | None,
        reason: CallReason | str | None,
        duration: int | None,
        from_: MxpEndpoint | PstnEndpoint | SipEndpoint | OtherEndpoint | None,
        to: MxpEndpoint | PstnEndpoint | SipEndpoint | OtherEndpoint | None,
        custom: str | None,
        application_key: str | None,
        extras: Mapping[str, str] = Extras({}),
    ) -> Self: ...
Source = str | os.PathLike[str] | bytes | IO[bytes] | RemoteFile | Iterable[Source]
def arrow_schema() -> Any: ...
def read(
    source: Source,
    layout: LayoutName | Layout | None = None,
    *,
    on_reject: Literal['raise', 'collect'] | Callable[[Reject], object] = 'raise',
    recursive: bool = False,
) -> Reader: ...
def read_arrow(
    source: Source,
    layout: LayoutName | Layout | None = None,
    *,
    on_reject: Literal['raise', 'collect'] | Callable[[Reject], object] = 'collect',
    recursive: bool = False,
    batch_size: int = 65536,
    memory_limit: str | None = None,
    threads: int | None = None,
) -> ArrowRecords: ...
def scan(
    *sources: Source,
    layout: LayoutName | Layout | None = None,
    memory_limit: str | None = None,
    threads: int | None = None,
    recursive: bool = False,
) -> Scan: ...
