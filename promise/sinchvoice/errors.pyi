# What sinchvoice promises; recorded by: nox -s api_diff -- --record
from typing import Literal
from sinchvoice import ApiConnectionError as ApiConnectionError
from sinchvoice import ApiError as ApiError
from sinchvoice import ApiStatusError as ApiStatusError
from sinchvoice import ApiTimeoutError as ApiTimeoutError
from sinchvoice import ArchiveInUse as ArchiveInUse
from sinchvoice import AuthenticationError as AuthenticationError
from sinchvoice import BadRequestError as BadRequestError
from sinchvoice import CallbackRefused as CallbackRefused
from sinchvoice import CdrError as CdrError
from sinchvoice import ConfigurationError as ConfigurationError
from sinchvoice import ConflictError as ConflictError
from sinchvoice import EventLoopError as EventLoopError
from sinchvoice import InsufficientCreditError as InsufficientCreditError
from sinchvoice import InvalidRequest as InvalidRequest
from sinchvoice import NotFoundError as NotFoundError
from sinchvoice import PermissionDeniedError as PermissionDeniedError
from sinchvoice import RateLimitError as RateLimitError
from sinchvoice.cdr import Reject as Reject
from sinchvoice.cdr import RejectCause as RejectCause
from sinchvoice import RequestWarning as RequestWarning
from sinchvoice import ServerError as ServerError
from sinchvoice import SinchVoiceError as SinchVoiceError
from sinchvoice import UnexpectedResponse as UnexpectedResponse
from sinchvoice import UnprocessableError as UnprocessableError

__all__ = [
    'ApiConnectionError',
    'ApiError',
    'ApiStatusError',
    'ApiTimeoutError',
    'ArchiveInUse',
    'AuthenticationError',
    'BadRequestError',
    'CallbackRefused',
    'CdrError',
    'ConfigurationError',
    'ConflictError',
    'EventLoopError',
    'InsufficientCreditError',
    'InvalidRequest',
    'NotFoundError',
    'PermissionDeniedError',
    'RateLimitError',
    'Reject',
    'RejectCause',
    'Remedy',
    'RequestWarning',
    'ServerError',
    'SinchVoiceError',
    'UnexpectedResponse',
    'UnprocessableError',
    'message_of',
    'printable',
]

class Remedy(str):
    def worded(self, names: Mapping[str, str]) -> str: ...
def message_of(error: SinchVoiceError, remedy: str | None = None) -> str: ...
def printable(text: str, limit: int = 500) -> str: ...
