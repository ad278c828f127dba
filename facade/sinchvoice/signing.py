"""Application-signed requests: what is signed, signing, and verifying. No HTTP in here.

A request is signed over five lines, joined by line feeds, with none at the end:

    PATCH                                  the verb
    jANzQ+rgAHyf1MWQFSwvYw==               base64 of the body's MD5; empty without a body
    application/json                       the Content-Type header as sent; empty without one
    x-timestamp:2014-06-04T13:41:58Z       the x-timestamp header
    /calling/v1/calls/id/4398…             the canonical resource

The signature is base64 of HMAC-SHA256 over these bytes, keyed with the base64-decoded secret,
and travels as `Authorization: Application <key>:<signature>`.

Source: "Using REST" page (algorithm and two test vectors); what the vendor's SDKs do where the
page is silent.
"""

from __future__ import annotations

import hmac
import logging
import re
from base64 import b64encode
from binascii import Error as Base64Error
from binascii import a2b_base64, b2a_base64
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from hashlib import md5
from time import time
from typing import Any, NoReturn, TypeAlias, cast
from urllib.parse import unquote

import attrs

from .decoding import timestamp as read_timestamp
from .errors import ConfigurationError, InvalidRequest

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
    """Which form of the URL is signed; the vendor's own SDKs disagree.

    For most requests the four forms are the same text: only a path with percent-escapes, or a
    query, tells them apart.
    """

    PATH = "path"
    PATH_AND_QUERY = "path-and-query"
    DECODED_PATH = "decoded-path"
    DECODED_PATH_AND_QUERY = "decoded-path-and-query"

    def and_its_neighbours(self) -> list[CanonicalResource]:
        """All forms, this one first and the one that differs from it in both respects last."""
        forms = list(CanonicalResource)  # bit 0: with the query, bit 1: decoded
        return sorted(forms, key=lambda form: forms.index(self) ^ forms.index(form))


def canonical_resource(target: str, form: CanonicalResource) -> str:
    """Derive what is signed from the request target.

    Args:
        target: path and query as they travel, for example `/v1/counters/currentcalls`.
        form: which of the forms.
    """
    if form in (CanonicalResource.PATH, CanonicalResource.DECODED_PATH):
        target = target.partition("?")[0]
    if form in (CanonicalResource.DECODED_PATH, CanonicalResource.DECODED_PATH_AND_QUERY):
        target = unquote(target)
    return target


def _decode_secret(secret: str) -> bytes:
    """Decode base64 with or without padding, in the standard or the url-safe alphabet."""
    wrong = re.search(r"[^A-Za-z0-9+/_=-]|=(?!=*$)", secret)
    if wrong:
        problem = f"is not base64 (character {wrong.start() + 1})"
    else:
        digits = secret.rstrip("=").replace("-", "+").replace("_", "/")
        try:
            return a2b_base64(digits + "=" * (-len(digits) % 4), strict_mode=True)
        except Base64Error:
            problem = f"is not base64 (its {len(digits)} characters cannot be whole bytes)"
    raise ConfigurationError(f"application_secret {problem}: copy it again from the dashboard")


def _stripped(value: str) -> str:
    return value.strip() if isinstance(value, str) else value


def _is_key(instance: object, attribute: attrs.Attribute[str], value: object) -> None:
    # What is refused is not shown: it may be the secret, in the wrong place.
    if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z0-9._-]+", value):
        raise ConfigurationError(
            "application_key is empty or has characters that no key has: copy it from the "
            "dashboard, without quotes, and do not swap it with the secret"
        )


def _is_secret(instance: object, attribute: attrs.Attribute[str], value: object) -> None:
    if not isinstance(value, str) or not value.rstrip("="):
        raise ConfigurationError(
            "application_secret is empty or not text: copy it from the dashboard"
        )
    if re.fullmatch(r"[0-9A-Fa-f]{8}-?([0-9A-Fa-f]{4}-?){3}[0-9A-Fa-f]{12}", value):
        raise ConfigurationError(
            "application_secret looks like an application key: are the two swapped?"
        )


@attrs.frozen
class Credentials:
    """The key and the secret of an application.

    Never shown: the secret is left out of `repr`, and the object refuses to be pickled.

    Attributes:
        application_key: the key, as in the dashboard.
        application_secret: the secret, as in the dashboard: base64, padded or not, in the
            standard or the url-safe alphabet.

    Raises:
        ConfigurationError: the key or the secret cannot be right; the message says why.
    """

    application_key: str = attrs.field(converter=_stripped, validator=_is_key)
    application_secret: str = attrs.field(converter=_stripped, validator=_is_secret, repr=False)
    _hmac_key: bytes = attrs.field(init=False, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "_hmac_key", _decode_secret(self.application_secret))

    def signature(self, to_sign: str) -> str:
        """Sign a string made by `string_to_sign`."""
        digest = hmac.digest(self._hmac_key, _bytes(to_sign), "sha256")
        return b2a_base64(digest, newline=False).decode("ascii")

    def basic_authorization(self) -> str:
        """The Authorization header of the Basic mode."""
        pair = f"{self.application_key}:{self.application_secret}"
        return f"Basic {b64encode(pair.encode()).decode('ascii')}"

    def __reduce__(self) -> NoReturn:
        raise TypeError("Credentials are not pickled: pass key and secret where they are used")


def format_timestamp(seconds: float) -> str:
    """A time in the form of the x-timestamp header: ISO 8601 in UTC, with microseconds.

    Args:
        seconds: since 1970.
    """
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def string_to_sign(
    *, method: str, resource: str, timestamp: str, content_type: str = "", body: bytes = b""
) -> str:
    """Build the text that is signed.

    Args:
        method: HTTP method.
        resource: canonical resource, see `canonical_resource`.
        timestamp: the x-timestamp header, as sent.
        content_type: the Content-Type header, as sent; empty if none is sent.
        body: the bytes of the body, as sent.

    Source: "Using REST" page: the MD5 line of a request without a body is empty.
    """
    digest = b2a_base64(md5(body, usedforsecurity=False).digest(), newline=False) if body else b""
    return "\n".join(
        (method.upper(), digest.decode("ascii"), content_type, f"x-timestamp:{timestamp}", resource)
    )


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
    NO_TIMESTAMP = "there is no x-timestamp header, or it is no time"
    WRONG_KEY = "it is signed with another application key"
    EXPIRED = "its x-timestamp is too far from the present"
    WRONG_SIGNATURE = (
        "the signature does not fit the request (secret, method, path from its first slash on, "
        "Content-Type, x-timestamp, raw body)"
    )


Headers: TypeAlias = Mapping[str, str] | Iterable[tuple[str, str] | tuple[bytes, bytes]]


def find_refusal(
    credentials: Credentials,
    *,
    method: str,
    path: str,
    headers: Headers,
    body: bytes,
    max_age: float | None = 300.0,
    now: float | None = None,
) -> Refusal | None:
    """As `verify`, but says why: for servers that answer with a reason. None means genuine.

    Do not tell a stranger the reason on a public callback URL; that is what `verify` is for.
    """
    if not isinstance(body, bytes | bytearray | memoryview):
        raise InvalidRequest(f"body is {type(body).__name__}: pass the bytes as they were received")
    wanted = {"authorization": "", "x-timestamp": "", "content-type": ""}
    seen = set()
    for name, value in _pairs(headers):
        if name in wanted:
            if name in seen:
                return Refusal.AMBIGUOUS_HEADERS
            seen.add(name)
            wanted[name] = value
    if not wanted["authorization"]:
        return Refusal.NO_AUTHORIZATION
    claim = re.fullmatch(
        r"application +([^: ]+):([^: ]+)", wanted["authorization"], re.IGNORECASE | re.ASCII
    )
    if claim is None:
        return Refusal.WRONG_SCHEME
    moment = read_timestamp(wanted["x-timestamp"])
    if moment is None:
        return Refusal.NO_TIMESTAMP
    if not _equal(claim[1], credentials.application_key):
        return Refusal.WRONG_KEY
    age = (time() if now is None else now) - moment.timestamp()
    if max_age is not None and not abs(age) <= max_age:
        return Refusal.EXPIRED
    expected = sign(
        credentials,
        method=method,
        resource=path,
        timestamp=wanted["x-timestamp"],
        content_type=wanted["content-type"],
        body=bytes(body),
    )
    return None if _equal(claim[2], expected) else Refusal.WRONG_SIGNATURE


def verify(
    credentials: Credentials,
    *,
    method: str,
    path: str,
    headers: Headers,
    body: bytes,
    max_age: float | None = 300.0,
    now: float | None = None,
) -> bool:
    """Tell whether a callback (or another signed request) is genuine.

    False for anything that is missing, malformed, too old or wrongly signed; the reason goes to
    the `sinchvoice` logger only, at INFO.

    Args:
        credentials: of the application that the callback belongs to.
        method: HTTP method, as received.
        path: path of the *public* callback URL, percent-escapes as they travelled, without the
            query. Behind a proxy this may differ from what the application sees, and frameworks
            like to decode it: the README has the recipes.
        headers: all headers, as a mapping or as pairs; names in any case. They are used
            verbatim, so nothing on the way may have rewritten the Content-Type.
        body: the raw bytes of the body; parsing and serialising again would change them.
        max_age: seconds that x-timestamp may be away from the present, either way. None accepts
            any age, and with it every replay.
        now: the present, in seconds since 1970; None asks the clock.

    Source: "Using REST" page, callback requests. The age limit is ours: none is published.
    """
    refusal = find_refusal(
        credentials, method=method, path=path, headers=headers, body=body, max_age=max_age, now=now
    )
    if refusal is not None:
        _logger.info("a signed request was refused: %s", refusal.value)
    return refusal is None


def _pairs(headers: Headers) -> Iterable[tuple[str, str]]:
    items = getattr(headers, "items", None)
    for name, value in cast("Iterable[tuple[Any, Any]]", headers if items is None else items()):
        if name is not None and value is not None:
            yield _text(name).lower(), _text(value)


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value


def _equal(left: str, right: str) -> bool:
    return hmac.compare_digest(_bytes(left), _bytes(right))


def _bytes(text: str) -> bytes:
    """UTF-8 that no text makes fail: what a stranger sends is compared, and found wrong."""
    return text.encode("utf-8", "surrogatepass")
