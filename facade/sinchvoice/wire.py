"""What goes over the wire, and what comes back: values that flow, connections and drivers share."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from .urls import Origin

__all__ = ["Answer", "Intake", "NoAnswer", "Send", "Wait", "replaced"]

MAX_CONTENT = 2**20
"""Bytes of an answer's content that are read; the answers of these APIs have a few hundred."""

Headers = list[tuple[bytes, bytes]]


def replaced(headers: Headers, others: Mapping[str, str]) -> Headers:
    """Headers with others added, each in place of those of its name."""
    names = {name.lower().encode("ascii") for name in others}
    return [
        *(pair for pair in headers if pair[0].lower() not in names),
        *((name.encode("ascii"), text.encode("ascii")) for name, text in others.items()),
    ]


class Send:
    """An instruction of a flow: send this request.

    It is not shown: its headers prove who sends it.

    Attributes:
        method: HTTP method.
        origin: where to.
        target: path and query, escaped as they travel.
        headers: without Host and Content-Length.
        body: the bytes of the content.
        patience: seconds that each step may take: to connect, to send, to wait for the head of
            the answer, to read its content.
        remaining: seconds until the deadline of the call, as it is now; None without one.
        wants_content: whether a success is read to its end.
        answer_patience: as `patience`, for the two steps of the answer.
        spares_answer: whether the deadline is over once the request is sent.
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
        """Seconds until the answer has to be there; None without a deadline that it is under."""
        return None if self.spares_answer else self.remaining()


class Wait(NamedTuple):
    """An instruction of a flow: go on after that many seconds."""

    seconds: float


class Answer:
    """A response, read as far as it is wanted.

    Attributes:
        status: HTTP status.
        headers: as they came.
        content: unpacked; cut where it broke off, unless it was wanted.
        problem: why the content cannot be used; empty if it can.
    """

    __slots__ = ("content", "headers", "problem", "status")

    def __init__(self, status: int, headers: Headers, content: bytes, problem: str = "") -> None:
        self.status = status
        self.headers = headers
        self.content = content
        self.problem = problem

    def header(self, name: str) -> str:
        """The first value of a header, or nothing."""
        return next(self.values(name), "")

    def values(self, name: str) -> Iterator[str]:
        """All values of a header."""
        wanted = name.lower().encode("ascii")
        return (value.decode("latin-1") for key, value in self.headers if key.lower() == wanted)


class NoAnswer(Exception):
    """No answer came to a request.

    Attributes:
        reason: what went wrong, to be read after a colon.
        sent: whether a byte of the request may have left.
        timed_out: whether a step took longer than it may.
        is_late: whether that was the deadline of the whole call.
        place: the host, and the proxy, of a connection that was not made; empty if it was.
        closed: whether the client was closed meanwhile.
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
        request: what it answers.
        status: HTTP status.
        headers: as they came.
    """

    def __init__(self, request: Send, status: int, headers: Headers) -> None:
        self._answer = Answer(status, headers, b"")
        self._content = bytearray()
        succeeded = 200 <= status <= 299
        #: Whether the call fails if the content does.
        self.is_wanted = succeeded and request.wants_content
        #: Whether it may be left unread, as nobody looks at it.
        self.is_idle = succeeded and not request.wants_content

    def take(self, chunk: bytes) -> bool:
        """Add what has arrived; False if that is enough."""
        self._content += chunk
        if len(self._content) <= MAX_CONTENT:
            return True
        self._answer.problem = f"it is longer than {MAX_CONTENT} bytes"
        return False

    def answer(self) -> Answer:
        """The answer with what was collected, unpacked."""
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
    """Undo a Content-Encoding that was not asked for, without being bombed."""
    if encoding not in ("gzip", "x-gzip", "deflate"):
        raise ValueError(f"it is encoded as {encoding!r}, which was not asked for")
    decompressor = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)
    try:
        plain = decompressor.decompress(content, MAX_CONTENT)
    except zlib.error as error:
        raise ValueError(f"it is not valid {encoding}: {error}") from None
    if not decompressor.eof:
        raise ValueError(f"its {encoding} is cut off, or longer than {MAX_CONTENT} bytes")
    return plain
