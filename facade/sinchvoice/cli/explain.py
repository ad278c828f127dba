"""The data of `sign explain`: all forms of a request's signature, and known mistakes in others.

Pure. No result shows the secret.
"""

from __future__ import annotations

import hmac
import re
from base64 import b64encode
from collections.abc import Iterator
from hashlib import md5
from urllib.parse import urlsplit

import attrs

from .. import signing
from ..errors import InvalidRequest, printable
from ..signing import CanonicalResource, Credentials
from .output import Record

__all__ = ["Candidate", "SignedRequest", "read_signature", "read_target", "visible"]

_TRIED = 3  # forms that a client tries for one request


@attrs.frozen(kw_only=True)
class Candidate:
    """A string that the server may sign.

    Attributes:
        forms: The forms of the canonical resource that give this string.
        tried: Position in the client's order of attempts, from 1; None if it does not try it.
        resource: The canonical resource.
        lines: The lines of the string to sign.
        signature: Signature of the string.
    """

    forms: tuple[CanonicalResource, ...]
    tried: int | None
    resource: str
    lines: tuple[str, ...]
    signature: str

    def describe(self) -> str:
        """Return its forms, and its position in the client's order of attempts."""
        every = len(self.forms) == len(CanonicalResource)
        forms = "all forms of the URL are the same" if every else ", ".join(self.forms)
        if self.tried is None:
            return f"{forms}: not tried by a client"
        return f"{forms}: tried {('first', 'second', 'third')[self.tried - 1]} by a client"


@attrs.frozen(kw_only=True)
class SignedRequest:
    """A request as sent.

    Attributes:
        credentials: Credentials of the application.
        method: HTTP method, in upper case.
        target: Path and query.
        content_type: The Content-Type header; empty if there is none.
        timestamp: The x-timestamp header.
        body: The bytes of the body.
    """

    credentials: Credentials
    method: str
    target: str
    content_type: str
    timestamp: str
    body: bytes

    @property
    def content_md5(self) -> str:
        """The second line of the string to sign."""
        return b64encode(md5(self.body, usedforsecurity=False).digest()).decode() * bool(self.body)

    def candidates(self) -> list[Candidate]:
        """Return the different strings, in the client's order of attempts."""
        texts: dict[str, list[CanonicalResource]] = {}
        for form in CanonicalResource.PATH.and_its_neighbours():
            texts.setdefault(signing.canonical_resource(self.target, form), []).append(form)
        candidates = []
        for number, (resource, forms) in enumerate(texts.items(), 1):
            to_sign = signing.string_to_sign(
                method=self.method,
                resource=resource,
                timestamp=self.timestamp,
                content_type=self.content_type,
                body=self.body,
            )
            candidates.append(
                Candidate(
                    forms=tuple(forms),
                    tried=number if number <= _TRIED else None,
                    resource=resource,
                    lines=tuple(to_sign.split("\n", 4)),
                    signature=self.credentials.signature(to_sign),
                )
            )
        return candidates

    def headers(self, candidate: Candidate) -> dict[str, str]:
        """Return the headers to send with a candidate's signature."""
        headers = signing.signed_headers(
            self.credentials,
            method=self.method,
            resource=candidate.resource,
            timestamp=self.timestamp,
            content_type=self.content_type,
            body=self.body,
        )
        return headers | ({"Content-Type": self.content_type} if self.content_type else {})

    def find_mistake(self, signature: str) -> str | None:
        """Return the known mistake that gives this signature; None if none does."""
        for candidate in self.candidates():
            for mistake, wrong in self._mistakes(list(candidate.lines)):
                if hmac.compare_digest(wrong.encode(), signature.encode("utf-8", "replace")):
                    return mistake
        return None

    def _mistakes(self, lines: list[str]) -> Iterator[tuple[str, str]]:
        right, sign = "\n".join(lines), self.credentials.signature
        digest = md5(self.body, usedforsecurity=False)
        undecoded = self.credentials.application_secret.encode()
        yield (
            "the secret is used without decoding: decode it from base64 first",
            b64encode(hmac.digest(undecoded, right.encode("utf-8", "replace"), "sha256")).decode(),
        )
        yield "the string ends in a line feed: remove it", sign(right + "\n")
        yield "the lines are separated by CR LF: use LF only", sign("\r\n".join(lines))
        for mistake, number, wrong in (
            ("the method is in lower case: use upper case", 0, self.method.lower()),
            ("line 2 is the MD5 in hexadecimal: use base64", 1, digest.hexdigest()),
            (
                "line 2 is the MD5 of an empty body: leave it empty without a body",
                1,
                b64encode(digest.digest()).decode(),
            ),
            ("line 2 is empty: write the MD5 of the body", 1, ""),
            ("line 3 is empty: write the Content-Type as sent", 2, ""),
            (
                "line 3 is 'application/json': write the Content-Type as sent",
                2,
                "application/json",
            ),
            (
                "line 3 has a charset: write the Content-Type as sent, without one",
                2,
                f"{self.content_type}; charset=utf-8",
            ),
            ("line 4 has only the time: write x-timestamp: before it", 3, self.timestamp),
            (
                "line 4 has a space after the colon: remove it",
                3,
                f"x-timestamp: {self.timestamp}",
            ),
            ("line 5 begins without a slash: add it", 4, lines[4].removeprefix("/")),
        ):
            yield mistake, sign("\n".join([*lines[:number], wrong, *lines[number + 1 :]]))

    def record(self, signature: str | None) -> Record:
        """Return all details as JSON."""
        return {
            "method": self.method,
            "target": self.target,
            "content_type": self.content_type,
            "timestamp": self.timestamp,
            "body_length": len(self.body),
            "content_md5": self.content_md5,
            "candidates": [self._record(candidate, signature) for candidate in self.candidates()],
        }

    def _record(self, candidate: Candidate, signature: str | None) -> Record:
        return {
            "forms": [form.value for form in candidate.forms],
            "tried": candidate.tried,
            "lines": list(candidate.lines),
            "string_to_sign": "\n".join(candidate.lines),
            "signature": candidate.signature,
            "headers": self.headers(candidate),
            "matches": None if signature is None else candidate.signature == signature,
        }


def read_target(text: str) -> str:
    """Return path and query of a URL or a path.

    Raises:
        InvalidRequest: The text is neither, or is not escaped as sent.
    """
    wrong = re.search(r"[^!-~]", text)
    if wrong:
        raise InvalidRequest(
            f"character {wrong.start() + 1} of the URL cannot be sent: write it escaped, for "
            "example %20"
        )
    if "#" in text:
        raise InvalidRequest("the URL has a fragment, which is not sent: remove # and the rest")
    if text.startswith("/"):
        return text
    if not re.match(r"https?://[^/?]", text, re.IGNORECASE):
        raise InvalidRequest(
            f"URL is {text!r}: begin with https:// and a host, or give a path that begins with /"
        )
    try:
        parts = urlsplit(text)
    except ValueError as error:
        raise InvalidRequest(f"URL is {text!r}, which is invalid: {error}") from None
    return (parts.path or "/") + (f"?{parts.query}" if "?" in text else "")


def read_signature(text: str) -> tuple[str | None, str]:
    """Return key (if given) and signature, from a signature or a whole Authorization header."""
    header = re.match(r"(?i)(?:authorization:)?\s*application\s+([^:]*):", text.strip())
    return (header[1], text.strip()[header.end() :]) if header else (None, text.strip())


def visible(line: str, *, last: bool) -> str:
    """Return a line of the string to sign with visible line feed and control characters."""
    escaped = line.replace("\\", "\\\\").replace('"', '\\"')
    ending = "" if last else "\\n"
    return f'"{printable(escaped, limit=100_000)}{ending}"'
