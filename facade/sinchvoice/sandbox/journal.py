"""The history of a sandbox for its console: requests, callbacks, SVAML, speech and keys, in order.

A sandbox without a console has no journal, and writes nothing. Memory is bounded: the oldest
entries of all calls are dropped first.
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
#: Requests to keep for the list of requests.
REQUESTS = 50
_OVERHEAD = 512  # bytes of an entry without its texts


@attrs.frozen
class Happened:
    """An action on a phone, or an event of the call.

    Attributes:
        who: `caller`, `callee` or `call`.
        did: The action or event, as a verb in the present.
    """

    who: str
    did: str


@attrs.frozen
class Performed:
    """An instruction or action that was carried out.

    Attributes:
        leg: Its leg.
        svaml: The instruction or action.
    """

    leg: CallLeg
    svaml: Any


@attrs.frozen
class Spoken:
    """Words spoken into a phone.

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
        application: Application key in the request; empty without one.
        scheme: Scheme of the authentication: `application`, `basic`, another word, or empty.
        signed: Lines of the string to sign; empty without a signature.
        refusal: Reason why the signature is not valid; empty if it is valid or missing.
        body: Body, possibly truncated.
        status: HTTP status of the answer; None without an answer.
        answer: Body of the answer, possibly truncated.
        faults: Faults of this request.
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
        number: Its position in the order.
        at: Its time, by the sandbox's clock.
        what: Its content: one of the classes above, a `Heard` or a `SandboxCallback`.
        size: Its size in bytes.
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
    """Keeps the latest entries. Threads may share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._listeners: tuple[Callable[[], None], ...] = ()
        self._number = 0
        self.clear()

    def clear(self) -> None:
        """Remove all entries."""
        with self._lock:
            self._logs: dict[str, _Log] = {}
            self._order: deque[tuple[str, Entry]] = deque()
            self._bytes = 0
            self._requests: deque[Entry] = deque(maxlen=REQUESTS)
        self.notify()

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
            what: Its content.
            at: Its time, by the sandbox's clock.
            call_id: Id of its call; None for a request without a call.
            size: Size of its texts, in bytes.
            number: Its reserved number, if any.
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
        self.notify()
        return entry

    def change(self, call_id: str, entry: Entry, grown: int = 0) -> None:
        """Add to the size of an entry that has changed, and call the listeners.

        Args:
            call_id: Id of its call.
            entry: The entry.
            grown: Number of bytes added to its texts.
        """
        with self._lock:
            log = self._logs.get(call_id)
            if log is not None and entry in log.entries:
                entry.size += grown
                self._grow(grown)
        self.notify()

    def _grow(self, size: int) -> None:
        self._bytes += size
        while len(self._order) > ENTRIES or self._bytes > BYTES:
            call_id, oldest = self._order.popleft()
            self._bytes -= oldest.size
            log = self._logs[call_id]
            log.entries.popleft()  # the oldest entry of all is also the oldest of its call
            log.dropped += 1
            if not log.entries:
                del self._logs[call_id]

    def read(self, call_id: str) -> tuple[list[Entry], int]:
        """Return the entries of a call in order, and the number of dropped earlier ones."""
        with self._lock:
            log = self._logs.get(call_id, _Log())
            return sorted(log.entries, key=lambda entry: entry.number), log.dropped

    def read_requests(self) -> list[Entry]:
        """Return the last requests, oldest first."""
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
        """Call a function after each change, from any thread; it must return at once."""
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

    def notify(self) -> None:
        """Call the listeners."""
        for listener in self._listeners:
            listener()
