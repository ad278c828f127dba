# What sinchvoice promises; recorded by: nox -s api_diff -- --record
from typing import Literal

__all__ = [
    'CallbackFault',
    'Canonical',
    'ClockSkew',
    'ContentType',
    'Fault',
    'Injection',
    'Late',
    'Latency',
    'Old',
    'OutOfOrder',
    'Redirect',
    'Reply',
    'Reset',
    'Tampered',
    'Truncate',
    'Twice',
    'WrongKey',
    'bad_gateway',
    'too_many_requests',
    'unavailable',
]

CallbackFault = Late | Twice | OutOfOrder | Tampered | WrongKey | Old
class Canonical:
    def __init__(self, form) -> None: ...
    form: CanonicalResource
class ClockSkew:
    def __init__(self, seconds: float) -> None: ...
    seconds: float
class ContentType:
    def __init__(self, value: str = 'text/html') -> None: ...
    value: str
Fault = Latency | Reset | Truncate | Reply | ContentType | ClockSkew | Canonical | Redirect | Late | Twice | OutOfOrder | Tampered | WrongKey | Old
class Injection:
    def __enter__(self) -> Self: ...
    def __exit__(self, *_: object) -> None: ...
    def __init__(
        self,
        fault: Latency | Reset | Truncate | Reply | ContentType | ClockSkew | Canonical | Redirect | Late | Twice | OutOfOrder | Tampered | WrongKey | Old | Iterable[Latency | Reset | Truncate | Reply | ContentType | ClockSkew | Canonical | Redirect | Late | Twice | OutOfOrder | Tampered | WrongKey | Old | None],
        *,
        on: str = '*',
        probability: float = 1.0,
    ) -> None: ...
    @property
    def is_over(self) -> bool: ...
    @classmethod
    def parse(cls, text: str) -> Self: ...
    def stop(self) -> None: ...
    def strike(
        self,
        method: str,
        path: str,
        random: Random,
        *,
        host: str = '',
        is_regional: bool = False,
    ) -> Latency | Reset | Truncate | Reply | ContentType | ClockSkew | Canonical | Redirect | Late | Twice | OutOfOrder | Tampered | WrongKey | Old | None: ...
class Late:
    def __init__(self, seconds: float) -> None: ...
    seconds: float
class Latency:
    def __init__(self, seconds: float, after: bool = False) -> None: ...
    after: bool
    seconds: float
class Old:
    def __init__(self, seconds: float = 86400.0) -> None: ...
    seconds: float
class OutOfOrder:
    def __init__(self) -> None: ...
class Redirect:
    def __init__(self) -> None: ...
class Reply:
    def __init__(
        self,
        status: int,
        body: bytes = b'',
        content_type: str = 'text/html',
        retry_after: int | None = None,
        as_date: bool = False,
        after: bool = False,
    ) -> None: ...
    after: bool
    as_date: bool
    body: bytes
    content_type: str
    def headers(self) -> list[tuple[bytes, bytes]]: ...
    retry_after: int | None
    status: int
class Reset:
    def __init__(self, after: bool = False) -> None: ...
    after: bool
class Tampered:
    def __init__(self) -> None: ...
class Truncate:
    def __init__(self) -> None: ...
class Twice:
    def __init__(self) -> None: ...
class WrongKey:
    def __init__(self) -> None: ...
def bad_gateway(*, after: bool = False) -> Reply: ...
def too_many_requests(
    retry_after: int | None = None,
    *,
    as_date: bool = False,
) -> Reply: ...
def unavailable(retry_after: int | None = None, *, after: bool = False) -> Reply: ...
