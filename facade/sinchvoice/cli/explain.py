"""What `sign explain` knows: every form of a request's signature, and the mistakes in others.

Pure, but for the secret: it goes in, and nothing that comes out shows it.
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

_TRIED = 3  # forms that a client tries of one request


@attrs.frozen(kw_only=True)
class Candidate:
    """A text that may be what the server signs.

    Attributes:
        forms: the forms of the canonical resource that give this text.
        tried: 1 for the one that a client tries first, and so on; None for the one it never tries.
        resource: the canonical resource.
        lines: the lines of the string to sign.
        signature: of that string.
    """

    forms: tuple[CanonicalResource, ...]
    tried: int | None
    resource: str
    lines: tuple[str, ...]
    signature: str

    def describe(self) -> str:
        """Its forms, and its place in the order in which a client tries."""
        every = len(self.forms) == len(CanonicalResource)
        forms = "all forms of the URL are one" if every else ", ".join(self.forms)
        if self.tried is None:
            return f"{forms}: a client does not try it"
        return f"{forms}: a client tries it {('first', 'second', 'third')[self.tried - 1]}"


@attrs.frozen(kw_only=True)
class SignedRequest:
    """A request, as it travels.

    Attributes:
        credentials: of the application.
        method: HTTP method, in upper case.
        target: path and query.
        content_type: the Content-Type header; empty if there is none.
        timestamp: the x-timestamp header.
        body: the bytes of the body.
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
        """The texts that differ, in the order in which a client tries them."""
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
        """The headers to send with the signature of a candidate."""
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
        """Say which known mistake gives this signature; None if none does."""
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
            "the secret is the key as it is: decode it from base64 first",
            b64encode(hmac.digest(undecoded, right.encode("utf-8", "replace"), "sha256")).decode(),
        )
        yield "it ends in a line feed: the last line has none", sign(right + "\n")
        yield "lines are joined by CR LF: use LF alone", sign("\r\n".join(lines))
        for mistake, number, wrong in (
            ("the method is in lower case", 0, self.method.lower()),
            ("line 2 is the MD5 in hexadecimal: use base64", 1, digest.hexdigest()),
            (
                "line 2 is the MD5 of nothing: without a body it is empty",
                1,
                b64encode(digest.digest()).decode(),
            ),
            ("line 2 is empty: with a body it is the MD5 of it", 1, ""),
            ("line 3 is empty: it is the Content-Type as it is sent", 2, ""),
            ("line 3 is 'application/json', and the Content-Type is not", 2, "application/json"),
            (
                "line 3 has a charset, and the Content-Type has none",
                2,
                f"{self.content_type}; charset=utf-8",
            ),
            ("line 4 is the time alone: write x-timestamp: before it", 3, self.timestamp),
            ("line 4 has a space after x-timestamp:", 3, f"x-timestamp: {self.timestamp}"),
            ("line 5 has no slash at its beginning", 4, lines[4].removeprefix("/")),
        ):
            yield mistake, sign("\n".join([*lines[:number], wrong, *lines[number + 1 :]]))

    def record(self, signature: str | None) -> Record:
        """Everything about it, as JSON."""
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
    """Path and query of a URL, or of a path alone.

    Raises:
        InvalidRequest: it is neither, or not written as it travels.
    """
    wrong = re.search(r"[^!-~]", text)
    if wrong:
        raise InvalidRequest(
            f"the URL has a character that does not travel (number {wrong.start() + 1}): write it "
            "escaped, as it is sent, for example %20"
        )
    if "#" in text:
        raise InvalidRequest("the URL has a #: leave it out with what follows, it is not sent")
    if text.startswith("/"):
        return text
    if not re.match(r"https?://[^/?]", text, re.IGNORECASE):
        raise InvalidRequest("the URL is none: give all of it, or a path that begins with /")
    try:
        parts = urlsplit(text)
    except ValueError as error:
        raise InvalidRequest(f"the URL is none: {error}") from None
    return (parts.path or "/") + (f"?{parts.query}" if "?" in text else "")


def read_signature(text: str) -> tuple[str | None, str]:
    """Key, if there is one, and signature; from the signature alone or an Authorization header."""
    header = re.match(r"(?i)(?:authorization:)?\s*application\s+([^:]*):", text.strip())
    return (header[1], text.strip()[header.end() :]) if header else (None, text.strip())


def visible(line: str, *, last: bool) -> str:
    """A line of the string to sign with its line feed and every odd character to be seen."""
    escaped = line.replace("\\", "\\\\").replace('"', '\\"')
    ending = "" if last else "\\n"
    return f'"{printable(escaped, limit=100_000)}{ending}"'
