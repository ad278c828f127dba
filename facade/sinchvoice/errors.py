"""Everything sinchvoice raises.

    SinchVoiceError
    ├── ConfigurationError            a setting of the client is wrong (also a ValueError)
    ├── InvalidRequest                refused before anything was sent (also a ValueError)
    ├── EventLoopError                an async client in another event loop (also a RuntimeError)
    ├── CdrError                      a call detail record, or a file of them, cannot be read
    │   └── ArchiveInUse                  another process has the archive open
    ├── CallbackRefused               a callback is not genuine, or cannot be read
    └── ApiError                      a request that was sent, or tried, went wrong
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

Every ApiError says in `may_have_executed` whether the server may have acted on the request.
What to do about an error is in its `remedy`, apart from what is wrong: `str()` puts both together,
and the command line words the second in its own way.
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
    """A remedy that names parts of this library, for which another surface has other words.

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
        """The same with other names."""
        return _filled(self._template, names)


def _filled(template: str, names: Mapping[str, str]) -> str:
    return re.sub(r"\{(\w+)\}", lambda name: names.get(name[1], name[0]), template)


class _Masking(reprlib.Repr):
    """Shows values in errors: cut where they are long, and without the credentials of a storage."""

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


#: A value as messages show it.
shown = _Masking().repr


def _digits(number: int) -> int:
    digits = int((number.bit_length() - 1) * 0.30102999)  # too few, but not by many
    while abs(number) >= 10**digits:
        digits += 1
    return digits


class SinchVoiceError(Exception):
    """The base of everything sinchvoice raises on purpose.

    Attributes:
        message: what is wrong. If it is not given, parameter and value say it.
        parameter: name of the argument or setting that is wrong; None if it is not a single one.
        value: what was given for it; None if nothing was, or if it may be a secret.
        remedy: what to do about it; None if there is no more to say. `str()` adds it.
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
        """Return the error as JSON has it: the keys are there whatever is known.

        docs/reference/cli.md describes them, under "JSON of errors". `message` says what is wrong,
        `hint` what to do about it; the command line words both in its own way.
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
    """A setting of the client is missing or wrong; the message names it and the remedy."""


class InvalidRequest(SinchVoiceError, ValueError):
    """An argument was refused before anything was sent; the message names it and the remedy."""


class EventLoopError(SinchVoiceError, RuntimeError):
    """An AsyncVoiceClient was used in another event loop than its own; nothing was sent."""


class RequestWarning(UserWarning):
    """A request that is sent as it is asked for, and will hardly do what is meant."""


class RejectCause(StrEnum):
    """Why a record was rejected. Later versions may know more causes."""

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
    """A record that could not be read, where it is, and why.

    Attributes:
        file: as it was named; a member of an archive is `archive.zip!member`.
        line: on which it begins, counted from 1 as an editor does.
        offset: bytes before it, in the file as it is when unpacked: `seek(offset)` goes to it.
        record: which record of the file it is, from 1; headers and blank lines do not count.
        layout: the layout that was expected. Of a header row that cannot be read, and after one,
            the one that its names tell, or else that of the records before it.
        column: the column that is wrong, as the header names it; None if it is the whole record.
        value: the text in that column, whole; None if it is the whole record.
        cause: why, to decide by.
        message: why, to read.
        raw: the bytes of the record as they are in the file, without the end of its last line.
        size: how many bytes it has: more than `raw` only if it is too large to be kept.
        header: the names of the columns, in the order of the file; for `cause` HEADER, what stands
            in the row that cannot be read.
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
        """`raw` as text; bytes that are not UTF-8 are written as `\\xe9`."""
        return self.raw.decode("utf-8", "backslashreplace")

    def __str__(self) -> str:
        return f"{printable(self.file, 300)}, line {self.line}: {self.message}"


class CdrError(SinchVoiceError):
    """A file of call detail records that cannot be read, or a record that was rejected.

    Attributes:
        message: what is wrong.
        file: which file, as it was named; empty if there is none.
        line: where in the file, counted from 1; None if it is not about a line.
        reject: the record that was rejected; None if it is the whole file.
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

    Asking again later, or with a longer `wait`, may do.
    """


class CallbackRefused(SinchVoiceError):
    """A request at a callback URL that is not genuine, or cannot be read.

    Answer it with `status_code` and no body: the sender need not know the reason.

    Attributes:
        message: what is wrong.
        reason: a member of `signing.Refusal` or of `callbacks.BodyRefusal`, to decide by.
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
    """A call of the API that went wrong.

    Attributes:
        message: what went wrong, without the circumstances that `str()` adds.
        operation: which operation, for example `calls.get`.
        method: HTTP method.
        path: path of the URL, as it travelled.
        attempts: HTTP requests that were tried, recoveries and redirects included.
        may_have_executed: False only if it is certain that the server did not act on any of
            the requests: then, and only then, sending again cannot do the thing twice.
        gave_up: why there was no further attempt, though it would have been safe; empty if that
            is not so.
        remedy: what to do about it, where that is known.
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
        if self.method not in ("GET", "HEAD"):  # reading does nothing that could be done twice
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
    """The server answered with something that is not a success.

    Attributes:
        message: what the server said; empty if it said nothing that can be read.
        status_code: HTTP status.
        error_code: the vendor's five-digit code, a number whatever the response had; None if
            there was none.
        reference: the vendor's id of this error, for a support case; None if there was none.
        retry_after: seconds the server asked to wait; None if it did not ask, or not in a way
            that can be read.
    """

    status_code: int = 0
    error_code: int | None = None
    reference: str | None = None
    retry_after: float | None = None

    def __attrs_post_init__(self) -> None:
        if not isinstance(self.retry_after, int | float):  # there was one that cannot be read
            self.retry_after = None
        if self.error_code == 40400 or (self.status_code == 404 and _ROOM in self.path):
            self.remedy = _not_found_remedy(self.method, self.path)
        else:
            self.remedy = _CODE_REMEDIES.get(self.error_code or 0) or _STATUS_REMEDIES.get(
                self.status_code
            )

    @property
    def hint(self) -> str | None:
        """The remedy by its older name."""
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
        body: the first 2,000 bytes of the content as received.
    """

    status_code: int = 0
    body: bytes = attrs.field(default=b"", converter=_first_bytes)

    def _summary(self) -> str:
        return f"done (HTTP {self.status_code}), but {super()._summary()}"


class BadRequestError(ApiStatusError):
    """HTTP 400: the server found a parameter or the SVAML wrong."""


class AuthenticationError(ApiStatusError):
    """HTTP 401: key, secret, signature or timestamp was refused."""


class InsufficientCreditError(ApiStatusError):
    """HTTP 402: the account has not enough credit."""


class PermissionDeniedError(ApiStatusError):
    """HTTP 403: the application may not do this."""


class NotFoundError(ApiStatusError):
    """HTTP 404: no such call, conference, counter, service or user."""


class ConflictError(ApiStatusError):
    """HTTP 409: the state of the resource does not allow it."""


class UnprocessableError(ApiStatusError):
    """HTTP 422: understood, but cannot be processed."""


class RateLimitError(ApiStatusError):
    """HTTP 429: too many requests, or too many calls, for now."""


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
        "compare the secret with the dashboard; if it is right, the server signs another form "
        "of the URL: set {canonical_resource}, or use {basic_auth}.",
        canonical_resource="canonical_resource",
        basic_auth="auth='basic'",
    ),
    40105: "the signature is too old when it arrives: check this machine's clock.",
    40107: "the application key is not known here: check the key and the region.",
    40108: "key and secret do not belong together: copy both again from the dashboard.",
    42900: "the capacity of the account is used up: send fewer requests at a time.",
}
_STATUS_REMEDIES: Mapping[int, str] = {
    401: "check key, secret and region.",
    429: "send fewer requests; retry_after says how long to wait, if the server said so.",
}


_ROOM = "/conferences/id/"


def _not_found_remedy(method: str, path: str) -> str | None:
    if _ROOM in path:
        return (
            "check the id; a conference that everybody has left is unknown, and conferences are "
            "regional: ask in the region in which it was made."
        )
    region = "a call is known in its region only, which its callResourceUrl names."
    if "/calls/id/" in path:
        over = "the call may be over: look with {get_call}; " if method == "PATCH" else ""
        return Remedy(f"check the id; {over}{region}", get_call="calls.get")
    if "/counters/" in path or "/services/" in path:
        return "check the name; Sinch's support sets up which ones there are."
    return None


# What this package consists of, and what attrs writes for it.
_OURS = (__file__.removesuffix("errors.py"), "<attrs generated")


def warn(message: str, category: type[Warning]) -> None:
    """Warn at the line outside of this package that led here."""
    level, frame = 1, sys._getframe()
    while frame.f_back and frame.f_code.co_filename.startswith(_OURS):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, category, stacklevel=level)


def message_of(error: SinchVoiceError, remedy: str | None = None) -> str:
    """What `str(error)` says, with another remedy, or with none."""
    return error._text(remedy)


class ErrorBody(NamedTuple):
    """What the content of an error response says; every part may be missing."""

    error_code: int | None = None
    message: str = ""
    reference: str | None = None


def read_error_body(content: bytes) -> ErrorBody:
    """Read an error body in any of the published shapes; what cannot be read is left out.

    The code comes as a number or as text, under `errorCode` or `code`, and the whole may be
    wrapped in `{"error": …}` or `{"response": {"error": …}}`.

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
    """The class of the exception for a status that is not a success."""
    if 500 <= status_code <= 599:
        return ServerError
    return _BY_STATUS.get(status_code, ApiStatusError)


def printable(text: str, limit: int = 500) -> str:
    """Return the text of a stranger, safe to print: control characters escaped.

    Args:
        text: Any text.
        limit: Characters after which it is cut.
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
