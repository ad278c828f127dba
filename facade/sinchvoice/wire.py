"""Requests and answers as values that the flow, the drivers and the connections share."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from .urls import Origin

__all__ = ["Answer", "Intake", "NoAnswer", "Send", "Wait", "replaced"]

MAX_CONTENT = 2**20
"""Limit of an answer's content in bytes; these APIs send a few hundred."""

Headers = list[tuple[bytes, bytes]]


def replaced(headers: Headers, others: Mapping[str, str]) -> Headers:
    """Return headers with others added, which replace those of the same name."""
    names = {name.lower().encode("ascii") for name in others}
    return [
        *(pair for pair in headers if pair[0].lower() not in names),
        *((name.encode("ascii"), text.encode("ascii")) for name, text in others.items()),
    ]


class Send:
    """An instruction of a flow: send this request.

    Its repr shows nothing: the headers authenticate the sender.

    Attributes:
        method: HTTP method.
        origin: Where to send it.
        target: Path and query, escaped as sent.
        headers: Headers without Host and Content-Length.
        body: Bytes of the content.
        patience: Seconds for each step: to connect, to send, to wait for the head of the answer,
            to read its content.
        remaining: Returns the seconds until the deadline of the call; None without one.
        wants_content: Whether to read a success to its end.
        answer_patience: Like `patience`, for the two steps of the answer.
        spares_answer: Whether the deadline no longer applies once the request is sent.
    """

    __slots__ = (
        *("method", "origin", "target", "headers", "body"),
        *("patience", "remaining", "wants_content", "answer_patience", "spares_answer"),
    )

    def __init__(
        self,
        method: str,
        origin: Origin,
        target: str,
        headers: Headers,
        body: bytes,
        patience: float,
        remaining: Callable[[], float | None],
        wants_content: bool,
        answer_patience: float,
        spares_answer: bool,
    ) -> None:
        self.method = method
        self.origin = origin
        self.target = target
        self.headers = headers
        self.body = body
        self.patience = patience
        self.remaining = remaining
        self.wants_content = wants_content
        self.answer_patience = answer_patience
        self.spares_answer = spares_answer

    def remaining_of_answer(self) -> float | None:
        """Return the seconds until the answer's deadline; None if none applies to it."""
        return None if self.spares_answer else self.remaining()


class Wait(NamedTuple):
    """An instruction of a flow: continue after that many seconds."""

    seconds: float


class Answer:
    """A response, its content read as far as the call needs it.

    Attributes:
        status: HTTP status.
        headers: Headers as received.
        content: Decoded content; may be incomplete if the call does not need it.
        problem: Why the content cannot be used; empty if it can.
    """

    __slots__ = ("content", "headers", "problem", "status")

    def __init__(self, status: int, headers: Headers, content: bytes, problem: str = "") -> None:
        self.status = status
        self.headers = headers
        self.content = content
        self.problem = problem

    def header(self, name: str) -> str:
        """Return the first value of a header; empty without one."""
        return next(self.values(name), "")

    def values(self, name: str) -> Iterator[str]:
        """Return all values of a header."""
        wanted = name.lower().encode("ascii")
        return (value.decode("latin-1") for key, value in self.headers if key.lower() == wanted)


class NoAnswer(Exception):
    """A request got no answer.

    Attributes:
        reason: What went wrong, worded to follow a colon.
        sent: Whether a byte of the request may have left.
        timed_out: Whether a step exceeded its time.
        is_late: Whether the deadline of the whole call passed.
        place: Host and proxy of a failed connection attempt; empty once connected.
        closed: Whether the client was closed meanwhile.
    """

    def __init__(
        self,
        reason: str,
        *,
        sent: bool,
        timed_out: bool = False,
        is_late: bool = False,
        place: str = "",
        closed: bool = False,
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.sent = sent
        self.timed_out = timed_out or is_late
        self.is_late = is_late
        self.place = place
        self.closed = closed


class Intake:
    """Collects the content of an answer, up to a limit.

    Args:
        request: The request.
        status: HTTP status.
        headers: Headers as received.
    """

    def __init__(self, request: Send, status: int, headers: Headers) -> None:
        self._answer = Answer(status, headers, b"")
        self._content = bytearray()
        succeeded = 200 <= status <= 299
        #: Whether the call needs the content, and fails without it.
        self.is_wanted = succeeded and request.wants_content
        #: Whether the content may stay unread because nothing uses it.
        self.is_idle = succeeded and not request.wants_content

    def take(self, chunk: bytes) -> bool:
        """Add a chunk; return False if the limit is exceeded."""
        self._content += chunk
        if len(self._content) <= MAX_CONTENT:
            return True
        self._answer.problem = f"it is longer than {MAX_CONTENT} bytes"
        return False

    def answer(self) -> Answer:
        """Return the answer with the collected content, decoded."""
        answer = self._answer
        answer.content = bytes(self._content)
        encoding = answer.header("Content-Encoding").strip().lower()
        if encoding and encoding != "identity" and answer.content and not answer.problem:
            try:
                answer.content = _unpacked(answer.content, encoding)
            except ValueError as error:
                answer.problem = str(error)
        return answer


def _unpacked(content: bytes, encoding: str) -> bytes:
    """Undo a Content-Encoding that was not requested, up to the limit.

    Raises:
        ValueError: It is unknown, invalid, cut off or too long.
    """
    if encoding not in ("gzip", "x-gzip", "deflate"):
        raise ValueError(f"it is encoded as {encoding!r}, which was not requested")
    decompressor = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)
    try:
        plain = decompressor.decompress(content, MAX_CONTENT)
    except zlib.error as error:
        raise ValueError(f"it is not valid {encoding}: {error}") from None
    if not decompressor.eof:
        raise ValueError(f"its {encoding} is cut off or longer than {MAX_CONTENT} bytes")
    return plain
