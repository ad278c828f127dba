"""Application-signed requests: canonical form, signing, verification. No HTTP.

A request is signed over five lines, joined by line feeds, with none at the end:

    PATCH                                  the verb
    jANzQ+rgAHyf1MWQFSwvYw==               base64 of the body's MD5; empty without a body
    application/json                       the Content-Type header as sent; empty without one
    x-timestamp:2014-06-04T13:41:58Z       the x-timestamp header
    /calling/v1/calls/id/4398…             the canonical resource

The signature is base64 of HMAC-SHA256 over these bytes, keyed with the base64-decoded secret, and
is sent as `Authorization: Application <key>:<signature>`.

Source: "Using REST" page (algorithm and two test vectors); the vendor's SDKs where the page is
silent.
"""

from __future__ import annotations

import hmac
import logging
import re
from base64 import b64encode
from binascii import Error as Base64Error
from binascii import a2b_base64, b2a_base64
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from hashlib import md5
from time import time
from typing import Any, NoReturn, TypeAlias, cast
from urllib.parse import unquote

import attrs

from .decoding import timestamp as read_timestamp
from .errors import ConfigurationError, InvalidRequest, shown
from .hidden import Hidden

__all__ = [
    "CanonicalResource",
    "Credentials",
    "Refusal",
    "canonical_resource",
    "find_refusal",
    "format_timestamp",
    "sign",
    "signed_headers",
    "string_to_sign",
    "verify",
]

_logger = logging.getLogger("sinchvoice")


class CanonicalResource(StrEnum):
    """The form of the URL that is signed; the vendor's own SDKs disagree.

    For most requests the four forms are equal: they differ only for a path with percent-escapes,
    or with a query.
    """

    PATH = "path"
    PATH_AND_QUERY = "path-and-query"
    DECODED_PATH = "decoded-path"
    DECODED_PATH_AND_QUERY = "decoded-path-and-query"

    def and_its_neighbours(self) -> list[CanonicalResource]:
        """Return all forms, this one first and the one that differs in both respects last."""
        forms = list(CanonicalResource)  # bit 0: with the query, bit 1: decoded
        return sorted(forms, key=lambda form: forms.index(self) ^ forms.index(form))


def canonical_resource(target: str, form: CanonicalResource) -> str:
    """Derive the canonical resource from the request target.

    Args:
        target: Path and query as sent, for example `/v1/counters/currentcalls`.
        form: Form of the URL to sign.
    """
    if form in (CanonicalResource.PATH, CanonicalResource.DECODED_PATH):
        target = target.partition("?")[0]
    if form in (CanonicalResource.DECODED_PATH, CanonicalResource.DECODED_PATH_AND_QUERY):
        target = unquote(target)
    return target


def _stripped(value: Any) -> Any:
    return value.strip() if isinstance(value, str) else value


def _check_key(key: Hidden[Any]) -> None:
    if not isinstance(key.reveal(), str) or not re.fullmatch(r"[A-Za-z0-9._-]+", key.reveal()):
        # A refused key is not shown: it may be the secret in the wrong place.
        raise ConfigurationError(
            "application_key is empty or has invalid characters",
            parameter="application_key",
            remedy="copy it from the dashboard, without quotes, and do not swap it with the secret",
        )


def _check_secret(secret: Hidden[Any]) -> None:
    if not isinstance(secret.reveal(), str) or not secret.reveal().rstrip("="):
        raise _wrong_secret("is empty or not text", "copy it from the dashboard")
    if re.fullmatch(r"[0-9A-Fa-f]{8}-?([0-9A-Fa-f]{4}-?){3}[0-9A-Fa-f]{12}", secret.reveal()):
        raise _wrong_secret("looks like an application key", "are the two swapped?")


def _wrong_secret(problem: str, remedy: str) -> ConfigurationError:
    return ConfigurationError(
        f"application_secret {problem}", parameter="application_secret", remedy=remedy
    )


def _decode_secret(secret: str) -> bytes | str:
    """Decode base64 with or without padding, in the standard or the url-safe alphabet.

    Returns:
        The bytes, or the problem as text: an error raised here would show the secret.
    """
    wrong = re.search(r"[^A-Za-z0-9+/_=-]|=(?!=*$)", secret)
    if wrong:
        return f"is not base64 (character {wrong.start() + 1})"
    digits = secret.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        return a2b_base64(digits + "=" * (-len(digits) % 4), strict_mode=True)
    except Base64Error:
        return f"is not base64 (its {len(digits)} characters cannot be whole bytes)"


@attrs.frozen(init=False, repr=False)
class Credentials:
    """The key and the secret of an application.

    The secret is never shown: `repr` leaves it out, and the object cannot be pickled.

    Attributes:
        application_key: Key as in the dashboard.
        application_secret: Secret as in the dashboard: base64, padded or not, in the standard or
            the url-safe alphabet.

    Raises:
        ConfigurationError: The key or the secret cannot be right; the message says why.
    """

    __match_args__ = ("application_key", "application_secret")

    application_key: str
    _secret: Hidden[str]
    _hmac: Hidden[hmac.HMAC] = attrs.field(eq=False)  # keyed; copied for each signature

    def __init__(self, application_key: str, application_secret: str) -> None:
        # Error reporters show the variables of this frame, and either may be the secret.
        key, secret = Hidden(_stripped(application_key)), Hidden(_stripped(application_secret))
        del application_key, application_secret
        _check_key(key)
        _check_secret(secret)
        decoded = Hidden(_decode_secret(secret.reveal()))
        if isinstance(decoded.reveal(), str):
            raise _wrong_secret(str(decoded.reveal()), "copy it again from the dashboard")
        keyed = Hidden(hmac.new(cast("bytes", decoded.reveal()), digestmod="sha256"))
        object.__setattr__(self, "application_key", key.reveal())
        object.__setattr__(self, "_secret", secret)
        object.__setattr__(self, "_hmac", keyed)

    def __repr__(self) -> str:
        key = getattr(self, "application_key", None)  # missing if it was refused
        return f"Credentials(application_key={key!r})"

    @property
    def application_secret(self) -> str:
        """The secret as in the dashboard."""
        return self._secret.reveal()

    def signature(self, to_sign: str) -> str:
        """Sign a string made by `string_to_sign`."""
        mac = self._hmac.reveal().copy()
        mac.update(_bytes(to_sign))
        return b2a_base64(mac.digest(), newline=False).decode("ascii")

    def basic_authorization(self) -> str:
        """Return the Authorization header of Basic authentication."""
        return "Basic " + b64encode(
            f"{self.application_key}:{self.application_secret}".encode()
        ).decode("ascii")

    def __reduce__(self) -> NoReturn:
        raise TypeError("Credentials cannot be pickled: pass key and secret where they are used")


def format_timestamp(seconds: float) -> str:
    """Format a time for the x-timestamp header: ISO 8601 in UTC, with microseconds.

    Args:
        seconds: Seconds since 1970.
    """
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def string_to_sign(
    *, method: str, resource: str, timestamp: str, content_type: str = "", body: bytes = b""
) -> str:
    """Build the text to sign.

    Args:
        method: HTTP method.
        resource: Canonical resource, see `canonical_resource`.
        timestamp: The x-timestamp header as sent.
        content_type: The Content-Type header as sent; empty if none is sent.
        body: Bytes of the body as sent.

    Raises:
        InvalidRequest: The body is not bytes, or the timestamp is not text.

    Source: "Using REST" page: the MD5 line of a request without a body is empty.
    """
    if not isinstance(timestamp, str):
        raise InvalidRequest(
            f"timestamp is of type {type(timestamp).__name__}",
            parameter="timestamp",
            value=timestamp,
            remedy="give the text of the header; format_timestamp makes it",
        )
    sent = _body(body)
    digest = b2a_base64(md5(sent, usedforsecurity=False).digest(), newline=False) if sent else b""
    lines = (method.upper(), digest.decode(), content_type, f"x-timestamp:{timestamp}", resource)
    return "\n".join(lines)


def sign(
    credentials: Credentials,
    *,
    method: str,
    resource: str,
    timestamp: str,
    content_type: str = "",
    body: bytes = b"",
) -> str:
    """Compute the signature of a request; the arguments are those of `string_to_sign`."""
    return credentials.signature(
        string_to_sign(
            method=method,
            resource=resource,
            timestamp=timestamp,
            content_type=content_type,
            body=body,
        )
    )


def signed_headers(
    credentials: Credentials,
    *,
    method: str,
    resource: str,
    timestamp: str,
    content_type: str = "",
    body: bytes = b"",
) -> dict[str, str]:
    """Compute the two headers of a signed request, for use with any HTTP library.

    The arguments are those of `string_to_sign`.
    """
    signature = sign(
        credentials,
        method=method,
        resource=resource,
        timestamp=timestamp,
        content_type=content_type,
        body=body,
    )
    return {
        "Authorization": f"Application {credentials.application_key}:{signature}",
        "x-timestamp": timestamp,
    }


class Refusal(StrEnum):
    """Why a request that claims to be signed is refused."""

    AMBIGUOUS_HEADERS = "a header that counts is there twice"
    NO_AUTHORIZATION = "there is no Authorization header"
    WRONG_SCHEME = "the Authorization header is not of the form 'Application key:signature'"
    NO_TIMESTAMP = "there is no x-timestamp header, or it is not a time"
    WRONG_KEY = "it is signed with another application key"
    EXPIRED = "its x-timestamp is too far from the present"
    WRONG_SIGNATURE = (
        "the signature does not fit the request (secret, method, path from its first slash on, "
        "Content-Type, x-timestamp, raw body)"
    )


Headers: TypeAlias = (
    Mapping[str, str]
    | Mapping[str, Sequence[str]]
    | Iterable[tuple[str, str] | tuple[bytes, bytes]]
)


def find_refusal(
    credentials: Credentials,
    *,
    method: str,
    path: str | bytes,
    headers: Headers,
    body: bytes | None,
    max_age: float | None = 300.0,
    now: float | datetime | None = None,
) -> Refusal | None:
    """Verify as `verify` does, but return the reason of a refusal; None means genuine.

    It is for servers that answer with a reason. On a public callback URL, use `verify`, which
    reveals no reason to the sender.
    """
    if not isinstance(credentials, Credentials):
        raise InvalidRequest(
            f"credentials is of type {type(credentials).__name__}", remedy="pass a Credentials"
        )
    method, path, body = _argument("method", method), _argument("path", path), _body(body)
    limit = None if max_age is None else _number("max_age", max_age)
    present = time() if now is None else _seconds(now)
    wanted = _wanted_headers(headers)
    if wanted is None:
        return Refusal.AMBIGUOUS_HEADERS
    if not wanted["authorization"]:
        return Refusal.NO_AUTHORIZATION
    key, signature = _claim(wanted["authorization"])
    if not key or not signature:
        return Refusal.WRONG_SCHEME
    timestamp = wanted["x-timestamp"] or ""
    moment = read_timestamp(timestamp)
    if moment is None:
        return Refusal.NO_TIMESTAMP
    if key != credentials.application_key:
        return Refusal.WRONG_KEY
    if limit is not None and not abs(present - moment.timestamp()) <= limit:
        return Refusal.EXPIRED
    signed = string_to_sign(
        method=method,
        resource=path,
        timestamp=timestamp,
        content_type=wanted["content-type"] or "",
        body=body,
    )
    expected = credentials.signature(signed)
    genuine = hmac.compare_digest(_bytes(signature), expected.encode())
    return None if genuine else Refusal.WRONG_SIGNATURE


def _claim(authorization: str) -> tuple[str, str]:
    """Return the key and the signature in an Authorization header, empty if it has another form."""
    scheme, _, claim = authorization.partition(" ")
    key, _, signature = claim.lstrip(" ").partition(":")
    if scheme.lower() != "application" or " " in key or " " in signature or ":" in signature:
        return "", ""
    return key, signature


def verify(
    credentials: Credentials,
    *,
    method: str,
    path: str | bytes,
    headers: Headers,
    body: bytes | None,
    max_age: float | None = 300.0,
    now: float | datetime | None = None,
) -> bool:
    """Tell whether a callback (or another signed request) is genuine.

    False for anything missing, malformed, too old or wrongly signed; only the `sinchvoice` logger
    gets the reason, at INFO.

    Args:
        credentials: Credentials of the application that the callback belongs to.
        method: HTTP method as received.
        path: Path of the *public* callback URL, with percent-escapes as received, without the
            query; bytes, as in ASGI's `raw_path`, are accepted. Behind a proxy, or in a framework
            that decodes it, the application may see another path: "Signing" in the documentation
            has the recipes.
        headers: All headers, as a mapping or as pairs; names in any case. Values are text or
            bytes, or lists of them, as in AWS Lambda's `multiValueHeaders`. They are used
            verbatim, so nothing on the way may rewrite the Content-Type.
        body: Raw bytes of the body; parsing and serializing again would change them. None means
            no body.
        max_age: Seconds by which x-timestamp may differ from the present, either way. None accepts
            any age, and with it every replay.
        now: The present, in seconds since 1970 or as a datetime with its time zone; None uses the
            clock.

    Raises:
        InvalidRequest: An argument has a type that no request can have.

    Source: "Using REST" page, callback requests. The age limit is the library's own: none is
    published.
    """
    refusal = find_refusal(
        credentials, method=method, path=path, headers=headers, body=body, max_age=max_age, now=now
    )
    if refusal is not None:
        _logger.info("a signed request was refused: %s", refusal.value)
    return refusal is None


# --- Arguments -----------------------------------------------------------------------------------

# The caller's mistakes raise InvalidRequest; a sender's only make a request not genuine.

# Tuples for isinstance: with a union it takes three times as long.
_BytesLike: TypeAlias = bytes | bytearray | memoryview
_BYTES = (bytes, bytearray, memoryview)
_TEXT = (str, *_BYTES)


def _wanted_headers(headers: Any) -> dict[str, str | None] | None:
    """Return the headers that count, None if missing; None if one of them occurs twice."""
    wanted: dict[str, str | None]
    wanted = {"authorization": None, "x-timestamp": None, "content-type": None}
    for name, values in headers.items() if type(headers) is dict else _pairs(headers):
        if not isinstance(name, str):
            name = _text(name) if isinstance(name, _BYTES) else ""  # none that counts
        name = name.lower()
        if name not in wanted:
            continue
        for value in values if isinstance(values, (list, tuple)) else (values,):
            if value is None:
                continue
            if wanted[name] is not None:
                return None
            wanted[name] = value if isinstance(value, str) else _header(name, value)
    return wanted


def _pairs(headers: Any) -> Iterator[tuple[Any, Any]]:
    wrong = f"headers is of type {type(headers).__name__}"
    remedy = "pass all headers, as a mapping or as pairs"
    items = getattr(headers, "items", None)
    pairs: Any = headers
    if callable(items) and not isinstance(headers, type):
        pairs = items()
    if not isinstance(pairs, Iterable) or isinstance(pairs, _TEXT):
        raise InvalidRequest(wrong, parameter="headers", remedy=remedy)
    for pair in pairs:
        if not isinstance(pair, (list, tuple)) or len(pair) != 2:
            raise InvalidRequest(
                f"headers has a {type(pair).__name__} that is not a pair",
                parameter="headers",
                remedy=remedy,
            )
        yield pair[0], pair[1]


def _header(name: str, value: Any) -> str:
    if type(value) is int:
        return shown(value)
    if not isinstance(value, _BYTES):
        raise InvalidRequest(
            f"the header {name} is of type {type(value).__name__}",
            parameter="headers",
            remedy="pass its value as text or bytes",
        )
    return _text(value)


def _text(value: str | _BytesLike) -> str:
    return value if isinstance(value, str) else bytes(value).decode("latin-1")


def _argument(name: str, value: Any) -> str:
    if isinstance(value, str):
        return value
    if not isinstance(value, _BYTES):
        raise InvalidRequest(
            f"{name} is of type {type(value).__name__}",
            parameter=name,
            remedy="pass it as received, as text or bytes",
        )
    return bytes(value).decode("utf-8", "surrogateescape")


def _body(body: Any) -> bytes:
    if isinstance(body, bytes):
        return body
    if body is None:
        return b""
    if not isinstance(body, _BYTES):
        raise InvalidRequest(
            f"body is of type {type(body).__name__}",
            parameter="body",
            remedy="pass the bytes as received",
        )
    return bytes(body)


def _seconds(now: Any) -> float:
    if not isinstance(now, datetime):
        return _number("now", now)
    if now.utcoffset() is None:
        raise InvalidRequest(
            "now has no time zone",
            parameter="now",
            value=now,
            remedy="give it one, like datetime.now(UTC)",
        )
    return now.timestamp()


def _number(name: str, value: Any) -> float:
    try:
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return float(value)
    except OverflowError:
        pass
    raise InvalidRequest(parameter=name, value=value, remedy="give seconds, as a number")


def _bytes(text: str) -> bytes:
    """Encode as UTF-8 without failing on any text: a sender's bad text just compares unequal."""
    return text.encode("utf-8", "surrogatepass")
