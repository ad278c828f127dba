"""What happened in a sandbox, in order, for its console: requests, callbacks, SVAML, speech, keys.

A sandbox without a console has no journal, and each place that would write into it only finds that
out. Memory is bounded: the oldest entries of all calls go first.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import attrs

from ..vocabulary import CallLeg

__all__ = ["Entry", "Happened", "Journal", "Performed", "Requested", "Spoken"]

#: Entries to keep, and bytes of their texts.
ENTRIES, BYTES = 20_000, 32 * 2**20
#: Requests to keep for the list of all of them.
REQUESTS = 50
_OVERHEAD = 512  # bytes of an entry without its texts


@attrs.frozen
class Happened:
    """Something that somebody did on the phone, or that became of the call.

    Attributes:
        who: `caller`, `callee` or `call`.
        did: What, as a verb in the present.
    """

    who: str
    did: str


@attrs.frozen
class Performed:
    """An instruction or action that was carried out.

    Attributes:
        leg: The leg that it was for.
        svaml: The instruction or action.
    """

    leg: CallLeg
    svaml: Any


@attrs.frozen
class Spoken:
    """Words that somebody said into a phone.

    Attributes:
        who: `caller` or `callee`.
        text: The words.
        to: The listeners, as `(call id, who)`.
        is_recorded: Whether the call is being recorded.
    """

    who: str
    text: str
    to: tuple[tuple[str, str], ...]
    is_recorded: bool = False


@attrs.frozen(kw_only=True)
class Requested:
    """A request to the API.

    Attributes:
        method: HTTP method.
        target: Path and query as sent.
        application: The application key that it claims; empty if it claims none.
        scheme: How it was authenticated: `application`, `basic`, another word, or nothing.
        signed: The lines of the text that a signature must be of; empty without a signature.
        refusal: Why the signature does not fit; empty if it does, or if there is none.
        body: The body, possibly cut.
        status: HTTP status of the answer; None without an answer.
        answer: Body of the answer, possibly cut.
        faults: The faults that struck it.
    """

    method: str
    target: str
    application: str
    scheme: str
    signed: tuple[str, ...]
    refusal: str
    body: bytes
    status: int | None
    answer: bytes
    faults: tuple[Any, ...]


@attrs.define(eq=False)
class Entry:
    """An entry of the journal.

    Attributes:
        number: Its place in the order.
        at: When it happened, by the sandbox's clock.
        what: What happened: one of the classes above, a `Heard` or a `SandboxCallback`.
        size: Bytes that it takes.
    """

    number: int
    at: datetime
    what: Any
    size: int


@attrs.define
class _Log:
    """The entries of one call."""

    entries: deque[Entry] = attrs.field(factory=deque)
    dropped: int = 0


class Journal:
    """Keeps what happened. Threads may share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._listeners: tuple[Callable[[], None], ...] = ()
        self._number = 0
        self.clear()

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._logs: dict[str, _Log] = {}
            self._order: deque[tuple[str, Entry]] = deque()
            self._bytes = 0
            self._requests: deque[Entry] = deque(maxlen=REQUESTS)
        self.tell()

    def reserve(self) -> int:
        """Return the next number, for an entry that is added later."""
        with self._lock:
            self._number += 1
            return self._number

    def add(
        self,
        what: Any,
        *,
        at: datetime,
        call_id: str | None,
        size: int = 0,
        number: int | None = None,
    ) -> Entry:
        """Add an entry and return it.

        Args:
            what: What happened.
            at: When, by the sandbox's clock.
            call_id: The call that it belongs to; None for a request that belongs to none.
            size: Bytes of its texts.
            number: Its number, if it was reserved.
        """
        place = self.reserve() if number is None else number
        entry = Entry(place, at, what, size + _OVERHEAD)
        with self._lock:
            if isinstance(what, Requested):
                self._requests.append(entry)
            if call_id is not None:
                log = self._logs.setdefault(call_id, _Log())
                log.entries.append(entry)
                self._order.append((call_id, entry))
                self._grow(entry.size)
        self.tell()
        return entry

    def change(self, call_id: str, entry: Entry, grown: int = 0) -> None:
        """Take note that an entry of a call changed, and has grown by so many bytes."""
        with self._lock:
            log = self._logs.get(call_id)
            if log is not None and entry in log.entries:
                entry.size += grown
                self._grow(grown)
        self.tell()

    def _grow(self, size: int) -> None:
        self._bytes += size
        while len(self._order) > ENTRIES or self._bytes > BYTES:
            call_id, oldest = self._order.popleft()
            self._bytes -= oldest.size
            log = self._logs[call_id]
            log.entries.popleft()  # the oldest one of all is the oldest one of its call
            log.dropped += 1
            if not log.entries:
                del self._logs[call_id]

    def read(self, call_id: str) -> tuple[list[Entry], int]:
        """Return the entries of a call in order, and how many earlier ones were dropped."""
        with self._lock:
            log = self._logs.get(call_id, _Log())
            return sorted(log.entries, key=lambda entry: entry.number), log.dropped

    def read_requests(self) -> list[Entry]:
        """Return the last requests of all, oldest first."""
        with self._lock:
            return list(self._requests)

    @property
    def length(self) -> int:
        """Number of entries of calls."""
        return len(self._order)

    @property
    def bytes(self) -> int:
        """Bytes of all entries of calls."""
        return self._bytes

    @contextmanager
    def listening(self, listener: Callable[[], None]) -> Iterator[None]:
        """Call a function, from any thread, after each change; it must return at once."""
        with self._lock:
            self._listeners = (*self._listeners, listener)
        try:
            yield
        finally:
            with self._lock:
                self._listeners = tuple(each for each in self._listeners if each is not listener)

    @property
    def listeners(self) -> int:
        """Number of listeners."""
        return len(self._listeners)

    def tell(self) -> None:
        """Call the listeners."""
        for listener in self._listeners:
            listener()
