# What sinchvoice promises; recorded by: nox -s api_diff -- --record
from typing import Literal

class sinchvoice:
    def __call__(
        *,
        auth: Literal['signed', 'basic'] = None,
        calling_url: str = None,
        canonical_resource: str = None,
        deadline: float = None,
        json: bool = False,
        profile: str = None,
        region: str = None,
        reporting_url: str = None,
        retries: int = None,
        timeout: float = None,
        v: int = 0,
        verbose: int = 0,
        version: bool = False,
    ): ...
    class call:
        def __call__(
            *,
            auth: Literal['signed', 'basic'] = None,
            calling_url: str = None,
            canonical_resource: str = None,
            deadline: float = None,
            json: bool = False,
            profile: str = None,
            region: str = None,
            reporting_url: str = None,
            retries: int = None,
            timeout: float = None,
            v: int = 0,
            verbose: int = 0,
        ): ...
        def get(
            CALL: str,
            *,
            auth: Literal['signed', 'basic'] = None,
            calling_url: str = None,
            canonical_resource: str = None,
            deadline: float = None,
            json: bool = False,
            profile: str = None,
            region: str = None,
            reporting_url: str = None,
            retries: int = None,
            timeout: float = None,
            v: int = 0,
            verbose: int = 0,
        ): ...
        def hangup(
            CALL: str,
            *,
            auth: Literal['signed', 'basic'] = None,
            calling_url: str = None,
            canonical_resource: str = None,
            deadline: float = None,
            json: bool = False,
            profile: str = None,
            region: str = None,
            reporting_url: str = None,
            retries: int = None,
            timeout: float = None,
            v: int = 0,
            verbose: int = 0,
        ): ...
        def play(
            CALL: str,
            *FILE: list[str],
            auth: Literal['signed', 'basic'] = None,
            calling_url: str = None,
            canonical_resource: str = None,
            deadline: float = None,
            json: bool = False,
            leg: Literal['caller', 'callee', 'both'] = None,
            locale: str = None,
            profile: str = None,
            region: str = None,
            reporting_url: str = None,
            retries: int = None,
            timeout: float = None,
            v: int = 0,
            verbose: int = 0,
        ): ...
        def say(
            CALL: str,
            TEXT: str,
            *,
            auth: Literal['signed', 'basic'] = None,
            calling_url: str = None,
            canonical_resource: str = None,
            deadline: float = None,
            json: bool = False,
            leg: Literal['caller', 'callee', 'both'] = None,
            locale: str = None,
            profile: str = None,
            region: str = None,
            reporting_url: str = None,
            retries: int = None,
            timeout: float = None,
            v: int = 0,
            verbose: int = 0,
        ): ...
        def update(
            CALL: str,
            SVAML: str,
            *,
            auth: Literal['signed', 'basic'] = None,
            calling_url: str = None,
            canonical_resource: str = None,
            deadline: float = None,
            json: bool = False,
            leg: Literal['caller', 'callee', 'both'] = None,
            profile: str = None,
            raw: bool = False,
            region: str = None,
            reporting_url: str = None,
            retries: int = None,
            timeout: float = None,
            v: int = 0,
            verbose: int = 0,
        ): ...
    class cdr:
        def __call__(*, json: bool = False, v: int = 0, verbose: int = 0): ...
        def backup(
            FILE: Path,
            *,
            archive: Path = 'calls.duckdb',
            json: bool = False,
            v: int = 0,
            verbose: int = 0,
            wait: float = 60.0,
        ): ...
        def check(
            *FILE: list[str],
            json: bool = False,
            layout: str = None,
            recursive: bool = False,
            v: int = 0,
            verbose: int = 0,
        ): ...
        def compact(
            *,
            archive: Path = 'calls.duckdb',
            json: bool = False,
            v: int = 0,
            verbose: int = 0,
            wait: float = 60.0,
        ): ...
        def completeness(
            *,
            archive: Path = 'calls.duckdb',
            json: bool = False,
            v: int = 0,
            verbose: int = 0,
            wait: float = 60.0,
        ): ...
        def erase(
            *,
            archive: Path = 'calls.duckdb',
            before: str = None,
            json: bool = False,
            number: list[str] = None,
            user: list[str] = None,
            v: int = 0,
            verbose: int = 0,
            wait: float = 60.0,
        ): ...
        def export(
            FOLDER: str,
            *,
            archive: Path = 'calls.duckdb',
            json: bool = False,
            memory_limit: str = None,
            threads: int = None,
            v: int = 0,
            verbose: int = 0,
            wait: float = 60.0,
        ): ...
        def load(
            *FILE: list[str],
            archive: Path = 'calls.duckdb',
            json: bool = False,
            layout: str = None,
            memory_limit: str = None,
            recursive: bool = False,
            threads: int = None,
            v: int = 0,
            verbose: int = 0,
            wait: float = 60.0,
        ): ...
        def rejects(
            *,
            archive: Path = 'calls.duckdb',
            json: bool = False,
            raw: bool = False,
            resolved: bool = False,
            v: int = 0,
            verbose: int = 0,
            wait: float = 60.0,
        ): ...
        def remove(
            *FILE: list[str],
            archive: Path = 'calls.duckdb',
            json: bool = False,
            v: int = 0,
            verbose: int = 0,
            wait: float = 60.0,
        ): ...
        def sql(
            QUERY: str,
            _FILE_: list[str] = None,
            *,
            archive: Path = None,
            json: bool = False,
            layout: str = None,
            recursive: bool = False,
            v: int = 0,
            verbose: int = 0,
            wait: float = 60.0,
        ): ...
        def stats(
            _FILE_: list[str] = None,
            *,
            archive: Path = None,
            by: list[str] = None,
            csv: bool = False,
            json: bool = False,
            layout: str = None,
            memory_limit: str = None,
            min_attempts: int = 1,
            recursive: bool = False,
            threads: int = None,
            v: int = 0,
            verbose: int = 0,
            wait: float = 60.0,
            where: list[str] = None,
        ): ...
    class report:
        def __call__(
            *,
            auth: Literal['signed', 'basic'] = None,
            calling_url: str = None,
            canonical_resource: str = None,
            deadline: float = None,
            json: bool = False,
            profile: str = None,
            region: str = None,
            reporting_url: str = None,
            retries: int = None,
            timeout: float = None,
            v: int = 0,
            verbose: int = 0,
        ): ...
        def counter(
            COUNTER: str,
            *,
            auth: Literal['signed', 'basic'] = None,
            calling_url: str = None,
            canonical_resource: str = None,
            deadline: float = None,
            json: bool = False,
            profile: str = None,
            region: str = None,
            reporting_url: str = None,
            retries: int = None,
            timeout: float = None,
            v: int = 0,
            verbose: int = 0,
        ): ...
        def service(
            SERVICE: str,
            *,
            auth: Literal['signed', 'basic'] = None,
            calling_url: str = None,
            canonical_resource: str = None,
            deadline: float = None,
            json: bool = False,
            profile: str = None,
            region: str = None,
            reporting_url: str = None,
            retries: int = None,
            timeout: float = None,
            v: int = 0,
            verbose: int = 0,
        ): ...
        def user(
            ENDPOINT: str,
            *,
            auth: Literal['signed', 'basic'] = None,
            by_day: bool = False,
            calling_url: str = None,
            canonical_resource: str = None,
            deadline: float = None,
            domain: Literal['data', 'pstn'] = 'data',
            json: bool = False,
            profile: str = None,
            region: str = None,
            reporting_url: str = None,
            retries: int = None,
            start: str = None,
            step: str = None,
            stop: str = None,
            timeout: float = None,
            v: int = 0,
            verbose: int = 0,
        ): ...
    class sandbox:
        def __call__(
            *,
            callback_host: list[str] = None,
            callback_url: str = None,
            fault: list[str] = None,
            host: str = '127.0.0.1',
            json: bool = False,
            port: int = 0,
            seed: int = 1,
            v: int = 0,
            verbose: int = 0,
        ): ...
        def cdr(
            FOLDER: Path,
            *,
            byte_order_mark: bool = False,
            compress: str = None,
            days: int = 1,
            extra_columns: int = 0,
            first_day: str = '2026-11-02',
            header: str = 'usual',
            json: bool = False,
            layout: list[str] = None,
            line_end: str = 'lf',
            plant: list[str] = None,
            quoted: float = 0.2,
            records: int = 1000,
            seed: int = 0,
            v: int = 0,
            verbose: int = 0,
        ): ...
    class sign:
        def __call__(
            *,
            json: bool = False,
            profile: str = None,
            v: int = 0,
            verbose: int = 0,
        ): ...
        def explain(
            METHOD: str,
            URL: str,
            *,
            body: str = None,
            content_type: str = None,
            json: bool = False,
            profile: str = None,
            signature: str = None,
            timestamp: str = None,
            v: int = 0,
            verbose: int = 0,
        ): ...
class exit_codes:
    ApiConnectionError = 8
    ApiStatusError = 10
    AuthenticationError = 4
    BrokenPipeError = 141
    ConfigurationError = 3
    InvalidRequest = 2
    KeyboardInterrupt = 130
    NotFoundError = 5
    OSError = 1
    OutputClosed = 141
    PermissionDeniedError = 4
    RateLimitError = 6
    RejectsFound = 1
    ServerError = 7
    SignatureMismatch = 11
    SinchVoiceError = 1
    TyperException = 2
    UnexpectedResponse = 9
class json:
    def call_get(key: Literal[
        'call_id',
        'custom',
        'debit',
        'domain',
        'duration',
        'from',
        'reason',
        'result',
        'status',
        'timestamp',
        'to',
        'user_rate',
    ]): ...
    def call_hangup(key: Literal['call', 'done']): ...
    def call_play(key: Literal['call', 'done']): ...
    def call_say(key: Literal['call', 'done']): ...
    def call_update(key: Literal['call', 'done']): ...
    def cdr_backup(key: Literal['after', 'archive', 'before', 'file']): ...
    def cdr_check(key: Literal[
        'blank_lines',
        'cause',
        'column',
        'file',
        'header_rows',
        'layout',
        'left_out',
        'line',
        'message',
        'offset',
        'record',
        'records',
        'rejected',
        'rejects',
        'text',
        'value',
    ]): ...
    def cdr_compact(key: Literal['after', 'archive', 'before', 'file']): ...
    def cdr_completeness(key: Literal[
        'day',
        'files',
        'first_call',
        'is_gap',
        'is_implausible',
        'last_call',
        'last_day',
        'late',
        'layout',
        'records',
        'rejects',
    ]): ...
    def cdr_erase(key: Literal['conflicts', 'duplicates', 'records', 'rejects']): ...
    def cdr_load(key: Literal[
        'completed',
        'conflicts',
        'duplicates',
        'erased',
        'fallback',
        'file',
        'left_out',
        'loaded',
        'read_by',
        'records',
        'rejected',
        'resolved',
        'seconds',
        'skipped',
    ]): ...
    def cdr_remove(key: Literal['loaded', 'name', 'records', 'reopened', 'restored']): ...
    def cdr_stats(key: Literal[
        'abandoned',
        'acd',
        'answered',
        'asr',
        'attempts',
        'blocked',
        'busy',
        'connected',
        'cost',
        'delivered',
        'hung_up',
        'minutes_of_use',
        'ner',
        'network_failures',
        'no_answer',
        'no_credit',
        'setup_seconds',
        'setup_time',
        'short',
        'short_calls',
        'talk_seconds',
        'timed',
        'undecided',
    ]): ...
    def errors(key: Literal[
        'error_code',
        'hint',
        'may_have_executed',
        'message',
        'reference',
        'retry_after',
        'status_code',
        'type',
    ]): ...
    def report_counter(key: Literal['counter', 'modified', 'value']): ...
    def report_service(key: Literal['is_up', 'service', 'status']): ...
    def report_user(key: Literal[
        'domain',
        'duration',
        'endpoint',
        'failed',
        'first_call',
        'start',
        'stop',
        'success',
    ]): ...
    def sandbox(key: Literal[
        'SINCH_APPLICATION_KEY',
        'SINCH_APPLICATION_SECRET',
        'SINCH_VOICE_CALLING_URL',
        'SINCH_VOICE_CONFIGURATION_URL',
        'SINCH_VOICE_REPORTING_URL',
    ]): ...
    def sandbox_cdr(key: Literal[
        'answered',
        'causes',
        'conflicts',
        'cost',
        'day',
        'duplicates',
        'file',
        'form',
        'late',
        'layout',
        'loaded',
        'records',
        'rejected',
        'rejects',
        'talk_seconds',
    ]): ...
    def sign_explain(key: Literal[
        'body_length',
        'candidates',
        'content_md5',
        'content_type',
        'forms',
        'headers',
        'lines',
        'matches',
        'method',
        'signature',
        'string_to_sign',
        'target',
        'timestamp',
        'tried',
    ]): ...
