# What sinchvoice promises; recorded by: nox -s api_diff -- --record
from typing import Literal
from sinchvoice import CanonicalResource as CanonicalResource
from sinchvoice import Credentials as Credentials

__all__ = [
    'CanonicalResource',
    'Credentials',
    'Refusal',
    'canonical_resource',
    'find_refusal',
    'format_timestamp',
    'sign',
    'signed_headers',
    'string_to_sign',
    'verify',
]

class Refusal(StrEnum):
    AMBIGUOUS_HEADERS = 'a header that counts is there twice'
    EXPIRED = 'its x-timestamp is too far from the present'
    NO_AUTHORIZATION = 'there is no Authorization header'
    NO_TIMESTAMP = 'there is no x-timestamp header, or it is not a time'
    WRONG_KEY = 'it is signed with another application key'
    WRONG_SCHEME = "the Authorization header is not of the form 'Application key:signature'"
    WRONG_SIGNATURE = 'the signature does not fit the request (secret, method, path from its first slash on, Content-Type, x-timestamp, raw body)'
def canonical_resource(target: str, form: CanonicalResource) -> str: ...
def find_refusal(
    credentials: Credentials,
    *,
    method: str,
    path: str | bytes,
    headers: Mapping[str, str] | Mapping[str, Sequence[str]] | Iterable[tuple[str, str] | tuple[bytes, bytes]],
    body: bytes | None,
    max_age: float | None = 300.0,
    now: float | datetime | None = None,
) -> Refusal | None: ...
def format_timestamp(seconds: float) -> str: ...
def sign(
    credentials: Credentials,
    *,
    method: str,
    resource: str,
    timestamp: str,
    content_type: str = '',
    body: bytes = b'',
) -> str: ...
def signed_headers(
    credentials: Credentials,
    *,
    method: str,
    resource: str,
    timestamp: str,
    content_type: str = '',
    body: bytes = b'',
) -> dict[str, str]: ...
def string_to_sign(
    *,
    method: str,
    resource: str,
    timestamp: str,
    content_type: str = '',
    body: bytes = b'',
) -> str: ...
def verify(
    credentials: Credentials,
    *,
    method: str,
    path: str | bytes,
    headers: Mapping[str, str] | Mapping[str, Sequence[str]] | Iterable[tuple[str, str] | tuple[bytes, bytes]],
    body: bytes | None,
    max_age: float | None = 300.0,
    now: float | datetime | None = None,
) -> bool: ...
