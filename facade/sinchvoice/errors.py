"""Everything sinchvoice raises.

    SinchVoiceError
    ├── ConfigurationError            a setting of the client is wrong (also a ValueError)
    ├── InvalidRequest                refused before anything was sent (also a ValueError)
    ├── EventLoopError                an async client in another event loop (also a RuntimeError)
    ├── CdrError                      an unreadable call detail record, or file of them
    │   └── ArchiveInUse                  another process has the archive open
    ├── CallbackRefused               a callback is not genuine, or is unreadable
    └── ApiError                      a request that was sent, or tried, failed
        ├── ApiConnectionError        no response
        │   └── ApiTimeoutError       … within the timeout or the deadline
        ├── ApiStatusError            a response that is not a success
        │   ├── BadRequestError           400
        │   ├── AuthenticationError       401
        │   ├── InsufficientCreditError   402
        │   ├── PermissionDeniedError     403
        │   ├── NotFoundError             404
        │   ├── ConflictError             409
        │   ├── UnprocessableError        422
        │   ├── RateLimitError            429
        │   └── ServerError               5xx
        └── UnexpectedResponse        a success that cannot be understood

`ApiError.may_have_executed` tells whether the server may have acted on the request. An error keeps
its `remedy` apart from its `message`: `str()` joins them, and the command line words remedies its
own way.
"""

from __future__ import annotations

import json
import re
import reprlib
import sys
import warnings
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, NamedTuple, Self

import attrs

__all__ = [
    "ApiConnectionError",
    "ApiError",
    "ApiStatusError",
    "ApiTimeoutError",
    "ArchiveInUse",
    "AuthenticationError",
    "BadRequestError",
    "CallbackRefused",
    "CdrError",
    "ConfigurationError",
    "ConflictError",
    "EventLoopError",
    "InsufficientCreditError",
    "InvalidRequest",
    "NotFoundError",
    "PermissionDeniedError",
    "RateLimitError",
    "Reject",
    "RejectCause",
    "Remedy",
    "RequestWarning",
    "ServerError",
    "SinchVoiceError",
    "UnexpectedResponse",
    "UnprocessableError",
    "message_of",
    "printable",
]


class Remedy(str):
    """A remedy with names of this library, which another surface replaces by its own.

        Remedy("give {layout}", layout="layout=")

    It reads `give layout=`; `worded({"layout": "--layout"})` reads `give --layout`.
    """

    __slots__ = ("_template",)
    _template: str

    def __new__(cls, template: str, **names: str) -> Self:
        remedy = super().__new__(cls, _filled(template, names))
        remedy._template = template
        return remedy

    def worded(self, names: Mapping[str, str]) -> str:
        """Return the remedy with other names."""
        return _filled(self._template, names)


def _filled(template: str, names: Mapping[str, str]) -> str:
    return re.sub(r"\{(\w+)\}", lambda name: names.get(name[1], name[0]), template)


class _Masking(reprlib.Repr):
    """Shows values in errors: long ones shortened, and without the credentials of a storage."""

    def __init__(self) -> None:
        super().__init__()
        self.maxstring = self.maxother = 200

    def repr1(self, x: Any, level: int) -> str:
        if not isinstance(x, Mapping):
            return super().repr1(x, level)
        if level <= 0:
            return "{...}"
        shown = (
            f"{key!r}: {'…' if key == 'credentials' else self.repr1(value, level - 1)}"
            for key, value in x.items()
        )
        return f"{{{', '.join(shown)}}}"

    def repr_int(self, x: int, level: int) -> str:
        # Python refuses to write out thousands of digits.
        return (
            super().repr_int(x, level) if abs(x) < 10**100 else f"a number of {_digits(x)} digits"
        )


#: Format a value for a message.
shown = _Masking().repr


def _digits(number: int) -> int:
    digits = int((number.bit_length() - 1) * 0.30102999)  # too few, but not by many
    while abs(number) >= 10**digits:
        digits += 1
    return digits


class SinchVoiceError(Exception):
    """The base of everything sinchvoice raises on purpose.

    Attributes:
        message: The problem; made from `parameter` and `value` if not given.
        parameter: Name of the wrong argument or setting; None if it is not a single one.
        value: The value given for it; None if there was none, or if it may be a secret.
        remedy: How to correct it; None if there is no more to say. `str()` adds it.
    """

    message: str
    parameter: str | None = None
    value: Any = None
    remedy: str | None = None

    def __init__(
        self,
        message: str | None = None,
        *,
        parameter: str | None = None,
        value: Any = None,
        remedy: str | None = None,
    ) -> None:
        if message is None:
            message = "" if parameter is None else f"{parameter} is {shown(value)}"
        super().__init__(message)
        self.message, self.parameter, self.value, self.remedy = message, parameter, value, remedy

    def __str__(self) -> str:
        return self._text(self.remedy)

    def to_dict(self) -> dict[str, Any]:
        """Return the error as JSON; every key is always present.

        docs/reference/cli.md describes the keys, under "JSON of errors". `message` is the problem,
        `hint` the remedy; the command line words both its own way.
        """
        hints = [*getattr(self, "__notes__", ()), *([self.remedy] if self.remedy else [])]
        return {
            "type": type(self).__name__,
            "message": self._text(None),
            "status_code": getattr(self, "status_code", None),
            "error_code": getattr(self, "error_code", None),
            "reference": getattr(self, "reference", None),
            "hint": "; ".join(hint.removesuffix(".") for hint in hints) or None,
            "may_have_executed": getattr(self, "may_have_executed", False),
            "retry_after": getattr(self, "retry_after", None),
        }

    def _text(self, remedy: str | None) -> str:
        return f"{self.message}: {remedy}" if remedy else self.message


class ConfigurationError(SinchVoiceError, ValueError):
    """A setting of the client is missing or wrong; the text names it and the remedy."""


class InvalidRequest(SinchVoiceError, ValueError):
    """An argument was refused before anything was sent; the text names it and the remedy."""


class EventLoopError(SinchVoiceError, RuntimeError):
    """An AsyncVoiceClient was used outside its own event loop; nothing was sent."""


class RequestWarning(UserWarning):
    """A request is sent unchanged, but will hardly do what is meant."""


class RejectCause(StrEnum):
    """Why a record was rejected. Later versions may add causes."""

    QUOTE = "quote"
    COLUMNS = "columns"
    SIZE = "size"
    ENCODING = "encoding"
    NUL = "nul"
    CARRIAGE_RETURN = "carriage-return"
    BYTE_ORDER_MARK = "byte-order-mark"
    HEADER = "header"
    EMPTY = "empty"
    INTEGER = "integer"
    DECIMAL = "decimal"
    TIME = "time"


@attrs.frozen(kw_only=True)
class Reject:
    """A record that could not be read, its place, and the cause.

    Attributes:
        file: File as it was named; a member of an archive is `archive.zip!member`.
        line: First line of the record, counted from 1 as an editor does.
        offset: Bytes before the record in the unpacked file: `seek(offset)` goes to it.
        record: Number of the record in the file, from 1; headers and blank lines do not count.
        layout: The expected layout. For an unreadable header row and the records after it: the
            layout that the names tell, or else the layout of the records before it.
        column: The wrong column, as the header names it; None if the whole record is wrong.
        value: The whole text in that column; None if the whole record is wrong.
        cause: The cause, for programs.
        message: The cause, for people.
        raw: Bytes of the record as in the file, without the end of its last line.
        size: Number of its bytes: more than in `raw` only if the record is too large to keep.
        header: Names of the columns, in the order of the file; for `cause` HEADER, the cells of the
            unreadable row.
    """

    file: str
    line: int
    offset: int
    record: int
    layout: str
    column: str | None = None
    value: str | None = attrs.field(default=None, repr=False)
    cause: RejectCause
    message: str
    raw: bytes = attrs.field(repr=False)
    size: int
    header: tuple[str, ...] = attrs.field(repr=False)

    @property
    def text(self) -> str:
        """Return `raw` as text; bytes that are not UTF-8 are written as `\\xe9`."""
        return self.raw.decode("utf-8", "backslashreplace")

    def __str__(self) -> str:
        return f"{printable(self.file, 300)}, line {self.line}: {self.message}"


class CdrError(SinchVoiceError):
    """A file of call detail records cannot be read, or a record was rejected.

    Attributes:
        message: The problem.
        file: File as it was named; empty without a file.
        line: Line in the file, counted from 1; None if no line is meant.
        reject: The rejected record; None if the whole file is meant.
    """

    file: str
    line: int | None
    reject: Reject | None

    def __init__(
        self,
        message: str,
        file: str = "",
        line: int | None = None,
        reject: Reject | None = None,
        *,
        parameter: str | None = None,
        value: Any = None,
        remedy: str | None = None,
    ) -> None:
        super().__init__(message, parameter=parameter, value=value, remedy=remedy)
        self.file, self.line, self.reject = file, line, reject

    def _text(self, remedy: str | None) -> str:
        places = [printable(self.file, 300)] if self.file else []
        if self.line is not None:
            places.append(f"line {self.line}")
        text = super()._text(remedy)
        return f"{', '.join(places)}: {text}" if places else text


class ArchiveInUse(CdrError):
    """Another process has the archive open, and did not close it within `wait` seconds.

    Try again later, or with a longer `wait`.
    """


class CallbackRefused(SinchVoiceError):
    """A request to a callback URL is not genuine, or cannot be read.

    Answer it with `status_code` and no body: the sender need not know the reason.

    Attributes:
        message: The problem.
        reason: A member of `signing.Refusal` or `callbacks.BodyRefusal`, for programs.
        status_code: HTTP status to answer with: 401, 413 if the body is too large, 400 if it
            cannot be read.
    """

    reason: StrEnum | None
    status_code: int

    def __init__(
        self,
        message: str | None = None,
        *,
        reason: StrEnum | None = None,
        status_code: int = 401,
        parameter: str | None = None,
        value: Any = None,
        remedy: str | None = None,
    ) -> None:
        super().__init__(message, parameter=parameter, value=value, remedy=remedy)
        self.reason, self.status_code = reason, status_code


@attrs.define(eq=False, slots=False)
class ApiError(SinchVoiceError):
    """An API call failed.

    Attributes:
        message: The problem, without the circumstances that `str()` adds.
        operation: Name of the operation, for example `calls.get`.
        method: HTTP method.
        path: Path of the URL, as sent.
        attempts: HTTP requests tried, including recoveries and redirects.
        may_have_executed: False only if the server certainly acted on none of the requests: then,
            and only then, sending again cannot do anything twice.
        gave_up: Why there was no retry although it was safe; empty otherwise.
        remedy: How to correct it; None if unknown.
    """

    message: str
    operation: str = ""
    method: str = ""
    path: str = ""
    attempts: int = 0
    may_have_executed: bool = True
    gave_up: str = attrs.field(default="", init=False)
    remedy: str | None = attrs.field(default=None, init=False, repr=False)

    def _text(self, remedy: str | None) -> str:
        circumstances = [f"{self.attempts} attempt{'' if self.attempts == 1 else 's'}"]
        if self.gave_up:
            circumstances.append(self.gave_up)
        if self.method not in ("GET", "HEAD"):  # reading twice does no harm
            executed = "may have acted" if self.may_have_executed else "did not act"
            circumstances.append(f"the server {executed} on it")
        hint = f". Hint: {remedy}" if remedy else ""
        return (
            f"{self.method} {printable(self.path, 200)}: {self._summary()}{hint} "
            f"[{'; '.join(circumstances)}]"
        )

    def _summary(self) -> str:
        return printable(self.message)


class ApiConnectionError(ApiError):
    """No response: the connection could not be made, or broke."""


class ApiTimeoutError(ApiConnectionError):
    """No response within the timeout of one attempt or the deadline of the whole call."""


@attrs.define(eq=False, slots=False)
class ApiStatusError(ApiError):
    """The server's answer is not a success.

    Attributes:
        message: The server's message; empty without a readable one.
        status_code: HTTP status.
        error_code: The vendor's five-digit code, always as a number; None without one.
        reference: The vendor's id of this error, for a support case; None without one.
        retry_after: Seconds the server asked to wait; None if it did not ask, or not in a
            readable way.
    """

    status_code: int = 0
    error_code: int | None = None
    reference: str | None = None
    retry_after: float | None = None

    def __attrs_post_init__(self) -> None:
        if not isinstance(self.retry_after, int | float):  # there was an unreadable one
            self.retry_after = None
        if self.error_code == 40400 or (self.status_code == 404 and _ROOM in self.path):
            self.remedy = _not_found_remedy(self.method, self.path)
        else:
            self.remedy = _CODE_REMEDIES.get(self.error_code or 0) or _STATUS_REMEDIES.get(
                self.status_code
            )

    @property
    def hint(self) -> str | None:
        """Return the remedy, under its older name."""
        return self.remedy

    def _summary(self) -> str:
        parts = [f"HTTP {self.status_code}"]
        if self.error_code is not None:
            parts.append(f"code {self.error_code}")
        if self.message:
            parts.append(printable(self.message))
        if self.reference is not None:
            parts.append(f"reference {printable(self.reference)}")
        if self.retry_after is not None:
            parts.append(f"retry after {self.retry_after:.0f} s")
        return ", ".join(parts)


def _first_bytes(body: bytes) -> bytes:
    return body[:2000]


@attrs.define(eq=False, slots=False)
class UnexpectedResponse(ApiError):
    """A success whose content cannot be understood: the request *was* executed.

    Attributes:
        status_code: HTTP status.
        body: The first 2,000 bytes of the content, as received.
    """

    status_code: int = 0
    body: bytes = attrs.field(default=b"", converter=_first_bytes)

    def _summary(self) -> str:
        return f"done (HTTP {self.status_code}), but {super()._summary()}"


class BadRequestError(ApiStatusError):
    """HTTP 400: the server found a parameter or the SVAML wrong."""


class AuthenticationError(ApiStatusError):
    """HTTP 401: the key, secret, signature or timestamp was refused."""


class InsufficientCreditError(ApiStatusError):
    """HTTP 402: the account does not have enough credit."""


class PermissionDeniedError(ApiStatusError):
    """HTTP 403: the application may not do this."""


class NotFoundError(ApiStatusError):
    """HTTP 404: no such call, conference, counter, service or user."""


class ConflictError(ApiStatusError):
    """HTTP 409: the state of the resource does not allow the request."""


class UnprocessableError(ApiStatusError):
    """HTTP 422: the request was understood, but cannot be processed."""


class RateLimitError(ApiStatusError):
    """HTTP 429: too many requests or calls for now."""


class ServerError(ApiStatusError):
    """HTTP 5xx: the server, or something in front of it, failed."""


_BY_STATUS: Mapping[int, type[ApiStatusError]] = {
    400: BadRequestError,
    401: AuthenticationError,
    402: InsufficientCreditError,
    403: PermissionDeniedError,
    404: NotFoundError,
    409: ConflictError,
    422: UnprocessableError,
    429: RateLimitError,
}

# Meaning of the codes: "Errors" page of the vendor's Voice documentation. The remedies are ours.
_CODE_REMEDIES: Mapping[int, str] = {
    40101: "check this machine's clock, and that no proxy removes the x-timestamp header.",
    40102: Remedy(
        "compare the secret with the dashboard; if it is correct, the server signs another form "
        "of the URL: set {canonical_resource}, or use {basic_auth}.",
        canonical_resource="canonical_resource",
        basic_auth="auth='basic'",
    ),
    40105: "the signature is too old when it arrives: check this machine's clock.",
    40107: "the server does not know the application key: check the key and the region.",
    40108: "key and secret do not belong together: copy both again from the dashboard.",
    42900: "the account is at its capacity: send fewer requests at a time.",
}
_STATUS_REMEDIES: Mapping[int, str] = {
    401: "check key, secret and region.",
    429: "send fewer requests; retry_after has the seconds to wait, if the server named them.",
}


_ROOM = "/conferences/id/"


def _not_found_remedy(method: str, path: str) -> str | None:
    if _ROOM in path:
        return (
            "check the id; an empty conference is unknown, and conferences are regional: use the "
            "region where it was created."
        )
    region = "only the call's own region knows it: its callResourceUrl names the region."
    if "/calls/id/" in path:
        over = "the call may be over: look with {get_call}; " if method == "PATCH" else ""
        return Remedy(f"check the id; {over}{region}", get_call="calls.get")
    if "/counters/" in path or "/services/" in path:
        return "check the name; Sinch support sets up counters and services."
    return None


# File names of this package's code, and of the code that attrs generates for it.
_OURS = (__file__.removesuffix("errors.py"), "<attrs generated")


def warn(message: str, category: type[Warning]) -> None:
    """Warn at the line outside this package that led here."""
    level, frame = 1, sys._getframe()
    while frame.f_back and frame.f_code.co_filename.startswith(_OURS):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, category, stacklevel=level)


def message_of(error: SinchVoiceError, remedy: str | None = None) -> str:
    """Return the text of an error with another remedy, or with none."""
    return error._text(remedy)


class ErrorBody(NamedTuple):
    """Content of an error response; every part may be missing."""

    error_code: int | None = None
    message: str = ""
    reference: str | None = None


def read_error_body(content: bytes) -> ErrorBody:
    """Read an error body in any of the published shapes; leave unreadable parts out.

    The code is a number or text, under `errorCode` or `code`. The whole may be wrapped in
    `{"error": …}` or `{"response": {"error": …}}`.

    Source: the error object of the Voice API 1.0.1 and 1.0.0 specifications and the older
    "Using REST" page, which disagree.
    """
    try:
        error = json.loads(content)
    except (ValueError, RecursionError):
        return ErrorBody()
    for wrapper in ("response", "error"):
        if isinstance(error, dict) and isinstance(error.get(wrapper), dict):
            error = error[wrapper]
    if not isinstance(error, dict):
        return ErrorBody()
    message = error.get("message")
    reference = error.get("reference")
    return ErrorBody(
        error_code=_error_code(error.get("errorCode")) or _error_code(error.get("code")),
        message=message if isinstance(message, str) else "",
        reference=reference if isinstance(reference, str) and reference else None,
    )


def error_class(status_code: int) -> type[ApiStatusError]:
    """Return the exception class for a status that is not a success."""
    if 500 <= status_code <= 599:
        return ServerError
    return _BY_STATUS.get(status_code, ApiStatusError)


def printable(text: str, limit: int = 500) -> str:
    """Return untrusted text, safe to print: control characters escaped.

    Args:
        text: Any text.
        limit: Characters before the text is cut.
    """
    shown = text if len(text) <= limit else text[:limit] + "…"
    if shown.isprintable():
        return shown
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in shown)


def _error_code(value: Any) -> int | None:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 9:
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value) if abs(value) < 10**9 and value == int(value) else None
