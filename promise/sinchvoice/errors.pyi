# What sinchvoice promises; recorded by: nox -s api_diff -- --record
from typing import Literal
from sinchvoice import ApiConnectionError as ApiConnectionError
from sinchvoice import ApiError as ApiError
from sinchvoice import ApiStatusError as ApiStatusError
from sinchvoice import ApiTimeoutError as ApiTimeoutError
from sinchvoice import AuthenticationError as AuthenticationError
from sinchvoice import BadRequestError as BadRequestError
from sinchvoice import CdrError as CdrError
from sinchvoice import ConfigurationError as ConfigurationError
from sinchvoice import ConflictError as ConflictError
from sinchvoice import InsufficientCreditError as InsufficientCreditError
from sinchvoice import InvalidRequest as InvalidRequest
from sinchvoice import NotFoundError as NotFoundError
from sinchvoice import PermissionDeniedError as PermissionDeniedError
from sinchvoice import RateLimitError as RateLimitError
from sinchvoice import ServerError as ServerError
from sinchvoice import SinchVoiceError as SinchVoiceError
from sinchvoice import UnexpectedResponse as UnexpectedResponse
from sinchvoice import UnprocessableError as UnprocessableError

__all__ = [
    'ApiConnectionError',
    'ApiError',
    'ApiStatusError',
    'ApiTimeoutError',
    'AuthenticationError',
    'BadRequestError',
    'CdrError',
    'ConfigurationError',
    'ConflictError',
    'InsufficientCreditError',
    'InvalidRequest',
    'NotFoundError',
    'PermissionDeniedError',
    'RateLimitError',
    'ServerError',
    'SinchVoiceError',
    'UnexpectedResponse',
    'UnprocessableError',
]

