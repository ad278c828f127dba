"""Faults to inject into a sandbox: failures between a client and Sinch.

    from sinchvoice.sandbox import faults, running

    with running() as box:
        box.inject(faults.Latency(0.2), on="GET", probability=0.5)
        box.inject([faults.Reset(after=True), None, faults.Reply(503)], on="PATCH /calling/*")

With `after`, the request is carried out before the failure; the client cannot tell the difference.

Callbacks have faults of their own, selected by event and by the path of the callback URL:

        box.inject(faults.Tampered(), on="ICE")
        box.inject([faults.Late(30)], on="DICE /sinch")
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from email.utils import formatdate
from fnmatch import fnmatchcase
from inspect import signature
from random import Random
from time import time
from typing import Any, Self, TypeAlias, get_args

import attrs

from ..errors import InvalidRequest, shown
from ..signing import CanonicalResource

__all__ = [
    "CallbackFault",
    "Canonical",
    "ClockSkew",
    "ContentType",
    "Fault",
    "Injection",
    "Late",
    "Latency",
    "Old",
    "OutOfOrder",
    "Redirect",
    "Reply",
    "Reset",
    "Tampered",
    "Truncate",
    "Twice",
    "WrongKey",
    "bad_gateway",
    "too_many_requests",
    "unavailable",
]


_EVENTS = ("ICE", "ACE", "PIE", "DICE", "NOTIFY")
_METHODS = ("*", "GET", "PATCH", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", *_EVENTS)


def _is_duration(instance: object, attribute: attrs.Attribute[float], value: float) -> None:
    if not (isinstance(value, int | float) and 0 <= value <= 10**9):
        raise InvalidRequest(
            parameter=attribute.name, value=value, remedy="give seconds from 0 to 10**9"
        )


def _is_skew(instance: object, attribute: attrs.Attribute[float], value: float) -> None:
    if not (isinstance(value, int | float) and abs(value) <= 10**9):
        raise InvalidRequest(
            parameter="seconds", value=value, remedy="give a number from -10**9 to 10**9"
        )


def _is_header(instance: object, attribute: attrs.Attribute[str], value: str) -> None:
    if not (isinstance(value, str) and re.fullmatch(r"[!-~]([ -~]*[!-~])?", value)):
        raise InvalidRequest(
            parameter=attribute.name, value=value, remedy="use printable ASCII characters"
        )


def _is_status(instance: object, attribute: attrs.Attribute[int], value: int) -> None:
    if value not in range(200, 600) or value in (204, 304):
        raise InvalidRequest(
            parameter="status", value=value, remedy="give a status from 200 to 599 with a body"
        )


def _is_bytes(instance: object, attribute: attrs.Attribute[bytes], value: bytes) -> None:
    if not isinstance(value, bytes):
        raise InvalidRequest(
            f"body is {type(value).__name__}", parameter="body", value=value, remedy="give bytes"
        )


def _is_retry_after(
    instance: object, attribute: attrs.Attribute[int | None], value: int | None
) -> None:
    if value is not None and not (type(value) is int and 0 <= value <= 10**9):
        raise InvalidRequest(
            parameter="retry_after", value=value, remedy="give whole seconds from 0 to 10**9"
        )


@attrs.frozen
class Latency:
    """The answer is delayed.

    Attributes:
        seconds: Length of the delay.
        after: Wait after carrying out the request, not before.
    """

    seconds: float = attrs.field(validator=_is_duration)
    after: bool = False


@attrs.frozen
class Reset:
    """The connection is reset, without an answer.

    Attributes:
        after: Carry out the request first.
    """

    after: bool = False


@attrs.frozen
class Truncate:
    """The connection is closed in the middle of the answer's body.

    The request is carried out. An answer without a body arrives whole.
    """


@attrs.frozen
class Reply:
    """An answer other than the API's.

    Attributes:
        status: HTTP status.
        body: Body of the answer.
        content_type: Content-Type header.
        retry_after: Seconds for the Retry-After header; None omits the header.
        as_date: Write Retry-After as a date instead of a number.
        after: Carry out the request first, like a gateway that loses the answer.
    """

    status: int = attrs.field(validator=_is_status)
    body: bytes = attrs.field(default=b"", validator=_is_bytes)
    content_type: str = attrs.field(default="text/html", validator=_is_header)
    retry_after: int | None = attrs.field(default=None, validator=_is_retry_after)
    as_date: bool = False
    after: bool = False

    def headers(self) -> list[tuple[bytes, bytes]]:
        """Return the headers of the answer in the form of ASGI."""
        headers = {"content-type": self.content_type, "content-length": str(len(self.body))}
        if self.retry_after is not None:
            headers["retry-after"] = (
                formatdate(time() + self.retry_after, usegmt=True)
                if self.as_date
                else str(self.retry_after)
            )
        return [(name.encode("ascii"), value.encode("latin-1")) for name, value in headers.items()]


def bad_gateway(*, after: bool = False) -> Reply:
    """Return HTTP 502 with a page of HTML, as load balancers send it."""
    return Reply(502, b"<html><body><h1>502 Bad Gateway</h1></body></html>", after=after)


def too_many_requests(retry_after: int | None = None, *, as_date: bool = False) -> Reply:
    """Return HTTP 429 with the vendor's code 42900; the request is not carried out.

    Args:
        retry_after: Seconds for the Retry-After header.
        as_date: Write Retry-After as a date.
    """
    body = b'{"errorCode":42900,"message":"Capacity exceeded"}'
    return Reply(429, body, "application/json", retry_after, as_date)


def unavailable(retry_after: int | None = None, *, after: bool = False) -> Reply:
    """Return HTTP 503 with the vendor's code 50300.

    Args:
        retry_after: Seconds for the Retry-After header.
        after: Carry out the request first.
    """
    body = b'{"errorCode":50300,"message":"Temporary down"}'
    return Reply(503, body, "application/json", retry_after, after=after)


@attrs.frozen
class ContentType:
    """The answer has another Content-Type header.

    Attributes:
        value: Value of the header.
    """

    value: str = attrs.field(default="text/html", validator=_is_header)


@attrs.frozen
class ClockSkew:
    """The server's clock is wrong, for the age of signatures and in the Date header.

    Attributes:
        seconds: How far the clock is ahead; negative if it is behind.
    """

    seconds: float = attrs.field(validator=_is_skew)


@attrs.frozen
class Canonical:
    """The server accepts only signatures of this form of the URL.

    Attributes:
        form: Form of the URL.
    """

    form: CanonicalResource = attrs.field(converter=CanonicalResource)


@attrs.frozen
class Redirect:
    """The server sends clients to its other region: HTTP 307 to the sandbox's second port."""


@attrs.frozen
class Late:
    """A callback is sent late, and so are all later ones of its call.

    Attributes:
        seconds: Length of the delay, by the sandbox's clock.
    """

    seconds: float = attrs.field(validator=_is_duration)


@attrs.frozen
class Twice:
    """A callback is sent twice, byte for byte; the second answer has no effect."""


@attrs.frozen
class OutOfOrder:
    """A callback is held back until after the next one of its call, or until the call ends."""


@attrs.frozen
class Tampered:
    """The body of a callback is changed after signing."""


@attrs.frozen
class WrongKey:
    """A callback is signed by an unknown application."""


@attrs.frozen
class Old:
    """A callback was signed some time ago, as in a replay.

    Attributes:
        seconds: Age of the signature.
    """

    seconds: float = attrs.field(default=86_400.0, validator=_is_duration)


#: Faults of callbacks.
CallbackFault: TypeAlias = Late | Twice | OutOfOrder | Tampered | WrongKey | Old

Fault: TypeAlias = (
    Latency
    | Reset
    | Truncate
    | Reply
    | ContentType
    | ClockSkew
    | Canonical
    | Redirect
    | CallbackFault
)


@attrs.frozen
class _Route:
    """Selects requests: each part is a pattern."""

    method: str = "*"
    host: str = "*"
    path: str = "*"

    @classmethod
    def parse(cls, on: object) -> Self:
        """Read a method, a path or both; the path may be that of a URL."""
        words = on.split() if isinstance(on, str) else []
        if not 1 <= len(words) <= 2:
            raise _no_route(on, "give a method, a path or both, like 'PATCH /calling/*'")
        if len(words) == 1:
            words = ["*", words[0]] if re.search("[/.:]", words[0]) else [words[0], "*"]
        method, where = words[0].upper(), words[1]
        if method not in _METHODS:
            raise _no_route(on, f"give one of the methods {', '.join(_METHODS)}, a path or both")
        if re.search(r"\?.*=|#", where):
            raise _no_route(on, "remove the query (only the path is compared)")
        if where == "*" or where.startswith(("/", "*/")):
            return cls(method, "*", where)
        url = re.fullmatch(r"(https?://)?([^/]+)(/.*)?", where, re.IGNORECASE)
        if url is None or not (
            url[1] or re.fullmatch(r"localhost|.*[.:].+", url[2], re.IGNORECASE)
        ):
            raise _no_route(on, "begin the path with a slash, like '/calling/*'")
        # A bracket of an IPv6 address is not a pattern.
        return cls(method, url[2].lower().replace("[", "[[]"), url[3] or "*")

    def matches(self, method: str, host: str, path: str) -> bool:
        """Tell whether it selects a request; `host` is the Host header, with or without port."""
        host = host.lower()
        return (
            fnmatchcase(method, self.method)
            and (fnmatchcase(host, self.host) or fnmatchcase(re.sub(r":\d+$", "", host), self.host))
            and fnmatchcase(path, self.path)
        )


def _no_route(on: object, remedy: str) -> InvalidRequest:
    return InvalidRequest(parameter="on", value=on, remedy=remedy)


class Injection:
    """An active fault, or a script of faults; in a `with` block, until its end.

    Args:
        fault: A fault that strikes repeatedly; or several that strike one request each, in order,
            and then stop. None among them lets a request pass.
        on: The requests to strike: `*` for all, a method in any case, a path, or both, like
            `PATCH /calling/*`. Paths may have wildcards; a host before the path is compared with
            the Host header. For callbacks, an event replaces the method, like `ICE /sinch`.
        probability: Probability of striking a selected request, from 0 to 1.

    Attributes:
        hits: Number of requests struck.

    Raises:
        InvalidRequest: An argument is not a fault, a route or a probability.
    """

    def __init__(
        self, fault: Fault | Iterable[Fault | None], *, on: str = "*", probability: float = 1.0
    ) -> None:
        self._repeats = isinstance(fault, Fault)
        several = isinstance(fault, Iterable) and not isinstance(fault, str | type)
        self._script: deque[Any] = deque(fault if several else (fault,))  # type: ignore[arg-type]
        for part in self._script:
            if (part is not None or not several) and not isinstance(part, Fault):
                raise InvalidRequest(
                    f"{shown(part)} is not a fault",
                    parameter="fault",
                    value=part,
                    remedy="use one of sinchvoice.sandbox.faults",
                )
        if not (isinstance(probability, int | float) and 0 <= probability <= 1):
            raise InvalidRequest(
                parameter="probability",
                value=probability,
                remedy="give a number from 0 to 1, or on the command line from 0% to 100%",
            )
        self._route = _Route.parse(on)
        self._is_for_callbacks = _is_for_callbacks(self._script, self._route.method, on)
        self._on, self._probability, self._is_stopped = on, probability, False
        self._text = ""
        self.hits = 0

    def __repr__(self) -> str:
        what = self._script[0] if self._repeats and self._script else list(self._script)
        return f"Injection({what!r}, on={self._on!r}, probability={self._probability})"

    def describe(self) -> str:
        """Return the text that was parsed, or else a description."""
        if self._text:
            return self._text
        script = list(self._script)
        what = repr(script[0]) if self._repeats and script else repr(script)
        share = "" if self._probability == 1 else f", {self._probability:.4g} of them"
        return f"{what} on {self._on}{share}"

    @property
    def is_over(self) -> bool:
        """Whether the injection has stopped."""
        return self._is_stopped or not self._script

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse the form of the command line: `NAME[=VALUE] [PERCENT%] [on ROUTE]`.

        For example `latency=0.2 10% on GET`, or `reset-after 5% on PATCH /calling/*`.

        Raises:
            InvalidRequest: The fault is unknown, or its value or route is wrong.
        """
        parts = re.fullmatch(
            r"([a-z-]+)(?:=(\S+))?(?:\s+(\d+(?:\.\d+)?)%)?(?:\s+on\s+(.+))?", text.strip()
        )
        if parts is None:
            raise InvalidRequest(
                f"fault {text!r} cannot be read: write NAME[=VALUE] [PERCENT%] [on ROUTE], like "
                "'latency=0.2 10% on GET'"
            )
        name, value, percent, on = parts.groups()
        make = _BY_NAME.get(name)
        if make is None:
            error = InvalidRequest(f"unknown fault {name!r}: give one of {', '.join(_BY_NAME)}")
            if close := get_close_matches(name, _BY_NAME):
                error.add_note(f"did you mean: {' or '.join(close)}")
            raise error
        takes = signature(make).parameters.values()
        if value is not None and not takes:
            raise InvalidRequest(f"fault {text!r}: {name} takes no value: write {name}")
        if value is None and any(parameter.default is parameter.empty for parameter in takes):
            raise InvalidRequest(f"fault {text!r}: {name} needs a value: write {name}=VALUE")
        try:
            fault = make() if value is None else make(value)
        except InvalidRequest as error:
            raise InvalidRequest(f"fault {text!r}: {error}") from None
        except ValueError:
            wanted = (
                "one of " + ", ".join(CanonicalResource)
                if name == "canonical"
                else "a number of seconds"
            )
            raise InvalidRequest(f"fault {text!r}: {value!r} is not {wanted}") from None
        made = cls(fault, on=on or "*", probability=float(percent or 100) / 100)
        made._text = " ".join(text.split())
        return made

    def stop(self) -> None:
        """Stop the injection."""
        self._is_stopped = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def strike(
        self,
        method: str,
        path: str,
        random: Random,
        *,
        host: str = "",
        is_regional: bool = False,
    ) -> Fault | None:
        """Return the fault for this request or, with an event as method, this callback."""
        if (
            self.is_over
            or self._is_for_callbacks != (method in _EVENTS)
            or not (
                # A redirected client stays in the other region.
                not (is_regional and isinstance(self._script[0], Redirect))
                and self._route.matches(method, host, path)
                and (self._probability == 1 or random.random() < self._probability)
            )
        ):
            return None
        fault: Fault | None = self._script[0] if self._repeats else self._script.popleft()
        self.hits += fault is not None
        return fault


def _is_for_callbacks(script: Iterable[Any], method: str, on: str) -> bool:
    """Tell whether faults strike callbacks, and check that their route fits."""
    kinds = {isinstance(part, CallbackFault) for part in script if part is not None}
    if len(kinds) > 1:
        raise InvalidRequest(
            "some of these faults are for requests, others for callbacks",
            parameter="fault",
            remedy="inject them separately",
        )
    is_for_callbacks = True in kinds
    if method != "*" and is_for_callbacks != (method in _EVENTS):
        raise _no_route(
            on,
            "for a fault of callbacks, give an event: " + ", ".join(_EVENTS)
            if is_for_callbacks
            else "for an event, inject one of "
            + ", ".join(kind.__name__ for kind in get_args(CallbackFault)),
        )
    return is_for_callbacks


#: Constructors of faults by their names on the command line; each takes the text of the value.
_BY_NAME: dict[str, Callable[..., Fault]] = {
    "latency": lambda seconds: Latency(float(seconds)),
    "latency-after": lambda seconds: Latency(float(seconds), after=True),
    "reset": lambda: Reset(),
    "reset-after": lambda: Reset(after=True),
    "truncate": lambda: Truncate(),
    "bad-gateway": lambda: bad_gateway(),
    "bad-gateway-after": lambda: bad_gateway(after=True),
    "too-many-requests": lambda seconds="1": too_many_requests(int(seconds)),
    "too-many-requests-date": lambda seconds="1": too_many_requests(int(seconds), as_date=True),
    "unavailable": lambda seconds="1": unavailable(int(seconds)),
    "content-type": lambda value="text/html": ContentType(value),
    "clock-skew": lambda seconds: ClockSkew(float(seconds)),
    "canonical": lambda form: Canonical(form),
    "redirect": lambda: Redirect(),
    "late": lambda seconds: Late(float(seconds)),
    "twice": lambda: Twice(),
    "out-of-order": lambda: OutOfOrder(),
    "tampered": lambda: Tampered(),
    "wrong-key": lambda: WrongKey(),
    "old": lambda seconds="86400": Old(float(seconds)),
}


def read_injections(faults: object) -> list[Injection]:
    """Return injections from a list of injections or of their texts.

    Raises:
        InvalidRequest: The value is not such a list.
    """
    if isinstance(faults, str | Injection) or not isinstance(faults, Iterable):
        raise InvalidRequest(parameter="faults", value=faults, remedy="give a list of faults")
    return [_read_injection(fault) for fault in faults]


def _read_injection(value: object) -> Injection:
    if isinstance(value, str):
        return Injection.parse(value)
    if not isinstance(value, Injection):
        raise InvalidRequest(
            parameter="faults",
            value=value,
            remedy="give an Injection, or text like 'latency=0.2 10% on GET'",
        )
    return value
