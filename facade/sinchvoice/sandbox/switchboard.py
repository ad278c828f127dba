"""Drives the lives of calls: sends their callbacks, returns the answers, and lets time pass.

The callbacks of one call are sent one after the other, by threads that hold no lock while waiting:
the application may use the API while it answers. Everything else happens with the world's lock.
"""

from __future__ import annotations

import heapq
import json
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime, timedelta
from itertools import count
from queue import SimpleQueue
from random import Random
from typing import Any, cast

import attrs

from ..errors import InvalidRequest, printable
from ..signing import Credentials
from ..svaml import Action, Hangup, Instruction, Raw, Svaml
from ..vocabulary import CallLeg, CallReason, CallResult
from .call import SandboxCall
from .clock import SandboxClock
from .deliveries import CallbackUrl, Courier, SandboxCallback, Undelivered
from .dialogs import (
    Answered,
    Ask,
    Dialog,
    Event,
    Invalid,
    Ordered,
    PickedUp,
    Plan,
    Pressed,
    Silence,
    Stimulus,
    Tell,
    Wait,
)
from .faults import CallbackFault, Fault, Injection, Late, OutOfOrder, Twice
from .journal import Entry, Journal
from .schema import find_answer_problem, read_json

__all__ = ["CallbackUrls", "Switchboard", "not_waiting", "read_answer"]

#: Callbacks to keep, and bytes of their bodies and answers.
CALLBACKS, BYTES = 10_000, 32 * 2**20
#: Threads that send callbacks: the most, and the usual number. More of them slow each other down,
#: unless the application is slow.
_MOST_THREADS, _THREADS = 32, 2
_HIRE_AFTER = 0.05  # seconds a callback waits for a thread before another one is started
_PATIENCE = 60.0  # seconds

_logger = logging.getLogger("uvicorn.error")
_is_answering: ContextVar[bool] = ContextVar("sinchvoice_sandbox_is_answering", default=False)


@contextmanager
def not_waiting() -> Iterator[None]:
    """Drive calls in this context without waiting for the callbacks that result."""
    token = _is_answering.set(True)
    try:
        yield
    finally:
        _is_answering.reset(token)


@attrs.frozen
class CallbackUrls:
    """The callback URLs of an application."""

    primary: str | None = None
    fallback: str | None = None


@attrs.frozen(kw_only=True, eq=False)
class _Delivery:
    event: Event
    route: tuple[tuple[CallbackUrl, str], ...]
    faults: tuple[CallbackFault, ...]
    not_before: datetime | None
    is_question: bool


class _Line:
    """The switchboard's state of a call.

    Attributes:
        dialog: The call's life.
        mailbox: Stimuli to handle.
        outbox: Callbacks to send.
        held: Callbacks to send after the next one.
        asked: The callback whose answer it awaits; None if there is none.
        is_waiting: Whether it waits for a stimulus.
        turn: Number of steps so far, which makes times scheduled for earlier steps invalid.
    """

    def __init__(self, board: Switchboard, dialog: Dialog) -> None:
        self.dialog = dialog
        self.mailbox: deque[Stimulus] = deque()
        self.outbox: deque[_Delivery] = deque()
        self.held: list[_Delivery] = []
        self.asked: _Delivery | None = None
        self.is_waiting = False
        self.turn = 0
        self._board = board

    @property
    def is_ringing(self) -> bool:
        return self.dialog.is_ringing

    def answer(self, *, by_machine: bool) -> None:
        with self._board.lock:
            if not self.dialog.is_ringing:
                raise InvalidRequest("the call is not ringing")
            self.mailbox.append(PickedUp(by_machine))
            self._board.resume(self)
        self._board.settle()

    def press(self, keys: str) -> None:
        with self._board.lock:
            self.mailbox.extend(Pressed(key) for key in keys)
            self._board.resume(self)
        self._board.settle()

    def hang_up(self, reason: CallReason, result: CallResult | None) -> None:
        with self._board.lock:
            self.dialog.call.end(reason, result)
            self._board.resume(self)
        self._board.settle()

    def order(self, instructions: list[Instruction], actions: list[Action], leg: CallLeg) -> None:
        """Carry out a checked request. Call with the lock held."""
        for event in self.dialog.perform(tuple(instructions), leg):
            self._board.send(self, event)
        for action in actions:
            # An awaited answer comes first, unless the call is to end.
            is_new = self.asked is not None and not isinstance(action, Hangup)
            if not is_new:
                self.dialog.call.carry_out([], [action], leg)
            if not isinstance(action, Raw):
                self.mailbox.append(Ordered(action, is_new))
        self._board.resume(self)


class Switchboard:
    """The calls that send callbacks.

    Args:
        lock: Lock of the world.
        clock: Returns the clock of the calls.
        courier: Delivers callbacks.
        injections: The active faults.
        finished: Called with the id of each call that ends.
        journal: History for the console; None without one.

    Attributes:
        urls: Callback URLs, by application key.
    """

    def __init__(
        self,
        *,
        lock: threading.RLock,
        clock: Callable[[], SandboxClock],
        courier: Courier,
        injections: list[Injection],
        finished: Callable[[str], None],
        journal: Journal | None = None,
    ) -> None:
        self.lock = lock
        self.courier = courier
        self._clock = clock
        self._injections = injections
        self._finished = finished
        self._journal = journal
        self._changed = threading.Condition(lock)
        self._jobs: SimpleQueue[_Line | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._others: list[threading.Thread] = []
        self._is_crowded = threading.Event()
        self._ticks = False
        self._is_closed = False
        self.reset({}, Random(0))  # noqa: S311 - dice of a test double

    def reset(self, applications: Mapping[str, Credentials], random: Random) -> None:
        """Start again, and drop all calls in progress. Call with the lock held.

        Args:
            applications: Credentials of the applications, by key; the world adds to them.
            random: Source of randomness for faults.
        """
        self._applications = applications
        self._random = random
        self.urls: dict[str, CallbackUrls] = {}
        self._lines: set[_Line] = set()
        self._served: set[_Line] = set()
        self._due: list[tuple[datetime, int, _Line, int | None]] = []
        self._order = count()
        self._history: deque[SandboxCallback] = deque()
        self._bytes = 0
        with self.lock:
            self._changed.notify_all()

    @property
    def history(self) -> list[SandboxCallback]:
        """The callbacks, in the order of sending."""
        with self.lock:
            return list(self._history)

    def connect(self, call: SandboxCall, plan: Plan) -> None:
        """Start the life of a call. Call with the lock held."""
        line = _Line(self, Dialog(call, plan, self._clock()))
        call.line = line
        self._lines.add(line)
        self._run(line, None)

    def settle(self, timeout: float = _PATIENCE) -> None:
        """Wait until all callbacks are answered; an application that is answering does not wait.

        Args:
            timeout: Seconds.

        Raises:
            TimeoutError: They are not answered in time.
        """
        if _is_answering.get():
            return
        with self.lock:
            if not self._changed.wait_for(lambda: not self._served, timeout):
                raise TimeoutError(f"callbacks are still unanswered after {timeout:g} s")

    def close(self) -> None:
        """Stop sending."""
        with self.lock:
            self._is_closed = True
            self._served.clear()
            self._changed.notify_all()
            threads = [*self._threads, *self._others]
            for _ in self._threads:
                self._jobs.put(None)
            self._is_crowded.set()
        self.courier.close()
        deadline = time.monotonic() + 1
        for thread in threads:  # does not wait for a slow application
            thread.join(max(0.0, deadline - time.monotonic()))

    # --- Agenda ----------------------------------------------------------------------------------

    def next_due(self) -> datetime | None:
        """Return the time of the next event of a call; see `Agenda`."""
        while self._due and self._is_past(self._due[0]):
            heapq.heappop(self._due)
        return self._due[0][0] if self._due else None

    def catch_up(self) -> None:
        """Run all events that are due; see `Agenda`."""
        while (due := self.next_due()) is not None and due <= self._clock().now:
            _, _, line, turn = heapq.heappop(self._due)
            if turn is None:
                self._dispatch(line)
            else:
                self.resume(line)

    def _is_past(self, entry: tuple[datetime, int, _Line, int | None]) -> bool:
        _, _, line, turn = entry
        return turn is not None and turn != line.turn

    def _schedule(self, due: datetime | None, line: _Line, turn: int | None) -> None:
        if due is None:
            return
        if len(self._due) > 64 + 4 * len(self._lines):  # most are past
            self._due = [entry for entry in self._due if not self._is_past(entry)]
            heapq.heapify(self._due)
        heapq.heappush(self._due, (due, next(self._order), line, turn))
        if not self._clock().stands_still:
            if not self._ticks and not self._is_closed:
                self._ticks = True
                self._hire(self._tick)
            self._changed.notify_all()

    def _tick(self) -> None:
        with self.lock:
            while not self._is_closed:
                self.catch_up()
                due = self.next_due()
                wait = None if due is None else (due - self._clock().now).total_seconds()
                if wait is None or wait > 0:
                    self._changed.wait(wait)

    # --- Lives -----------------------------------------------------------------------------------

    def resume(self, line: _Line) -> None:
        """Continue a life if there is a stimulus or its call ended. Call with the lock held."""
        if line.asked is not None and line.dialog.call.ended is not None:
            line.asked = None  # the answer comes too late
            self._run(line, Silence.FAILED)
        elif line.asked is not None:
            self._schedule(line.dialog.call.ends_at, line, line.turn)
        elif line.is_waiting:
            line.is_waiting = False
            self._run(line, line.mailbox.popleft() if line.mailbox else None)

    def _run(self, line: _Line, stimulus: Stimulus) -> None:
        dialog = line.dialog
        line.turn += 1
        while True:
            try:
                step = dialog.life.send(stimulus)
            except StopIteration:
                break
            except Exception:
                _logger.exception("the sandbox failed at call %s", dialog.call.call_id)
                dialog.call.end(CallReason.GENERAL_ERROR, CallResult.FAILED)
                break
            stimulus = None
            match step:
                case Tell(event):
                    self.send(line, event)
                case Ask(event):
                    given = dialog.plan.answers.get(event["event"])
                    if given is not None:
                        stimulus = given
                        continue
                    line.asked = self.send(line, event, is_question=True)
                    if line.asked is not None:
                        self._schedule(dialog.call.ends_at, line, line.turn)
                        return
                    stimulus = Silence.NOT_ASKED
                case Wait(until):
                    if line.mailbox:
                        stimulus = line.mailbox.popleft()
                    elif until is None or until > self._clock().now:
                        line.is_waiting = True
                        self._schedule(until, line, line.turn)
                        return
        self._lines.discard(line)
        dialog.call.line = None
        line.outbox.extend(line.held)
        line.held.clear()
        self._dispatch(line)
        self._finished(dialog.call.call_id)

    # --- Callbacks -------------------------------------------------------------------------------

    def send(self, line: _Line, event: Event, *, is_question: bool = False) -> _Delivery | None:
        """Put a callback into the outbox of a call; return None if it has no URL."""
        route = self._route(line.dialog, event["event"])
        if not route:
            return None
        faults = self._strike(event["event"], route[0][1])
        late = sum(fault.seconds for fault in faults if isinstance(fault, Late))
        delivery = _Delivery(
            event=event,
            route=route,
            faults=faults,
            not_before=self._clock().now + timedelta(seconds=late) if late else None,
            is_question=is_question,
        )
        if any(isinstance(fault, OutOfOrder) for fault in faults):
            line.held.append(delivery)
        else:
            line.outbox.append(delivery)
            line.outbox.extend(line.held)
            line.held.clear()
            self._dispatch(line)
        return delivery

    def _route(self, dialog: Dialog, name: str) -> tuple[tuple[CallbackUrl, str], ...]:
        plan = dialog.plan
        if name in plan.answers:
            return ()
        if name in plan.urls:
            return ((CallbackUrl.INLINE, plan.urls[name]),)
        urls = self.urls.get(dialog.call.application_key, CallbackUrls())
        primary = urls.primary or self.courier.default_url
        route = ((CallbackUrl.PRIMARY, primary), (CallbackUrl.FALLBACK, urls.fallback))
        return tuple((which, url) for which, url in route if url) if primary else ()

    def _strike(self, name: str, url: str) -> tuple[CallbackFault, ...]:
        host, path = self.courier.host_and_path(url)
        self._injections[:] = [part for part in self._injections if not part.is_over]
        struck: list[Fault | None] = [
            injection.strike(name.upper(), path, self._random, host=host)
            for injection in self._injections
        ]
        return tuple(fault for fault in struck if isinstance(fault, CallbackFault))

    def _dispatch(self, line: _Line) -> None:
        """Let a thread send the next callback of the outbox, if it is due."""
        if line in self._served or not line.outbox or self._is_closed:
            return
        not_before = line.outbox[0].not_before
        if not_before is not None and not_before > self._clock().now:
            self._schedule(not_before, line, None)
            return
        self._served.add(line)
        self._jobs.put(line)
        if len(self._threads) < min(_THREADS, len(self._served)):
            self._hire(self._work)
            if len(self._threads) == 1:
                self._hire(self._watch)
        elif len(self._threads) < len(self._served):
            self._is_crowded.set()

    def _hire(self, task: Callable[[], None]) -> None:
        thread = threading.Thread(target=task, name="sinchvoice-sandbox-callbacks", daemon=True)
        (self._threads if task == self._work else self._others).append(thread)
        thread.start()

    def _watch(self) -> None:
        """Start another thread whenever callbacks wait for one."""
        while self._is_crowded.wait() and not self._is_closed:
            self._is_crowded.clear()
            time.sleep(_HIRE_AFTER)
            with self.lock:
                if self._is_closed or self._jobs.empty():
                    continue
                if len(self._threads) < _MOST_THREADS:
                    self._hire(self._work)
                    self._is_crowded.set()

    def _work(self) -> None:
        _is_answering.set(True)
        while (line := self._jobs.get()) is not None:
            self._serve(line)
        self.courier.leave()

    def _serve(self, line: _Line) -> None:
        """Send one callback, and continue the call with its answer."""
        with self.lock:
            if line not in self._served:  # there was a reset
                return
            delivery = line.outbox.popleft()
            credentials = self._applications[line.dialog.call.application_key]
        try:
            answer = self._deliver(line, delivery, credentials)
        except Exception:
            _logger.exception("the sandbox failed to send %s", delivery.event["event"])
            answer = Silence.FAILED
        with self.lock:
            if line not in self._served:
                return
            if line.asked is delivery:
                line.asked = None
                self._run(line, answer)
            elif isinstance(answer, Invalid) and not delivery.is_question:
                self.send(line, line.dialog.complaint(answer.problem))
            self._served.discard(line)
            self._dispatch(line)
            if not self._served:
                self._changed.notify_all()

    def _deliver(self, line: _Line, delivery: _Delivery, credentials: Credentials) -> Stimulus:
        """Send a callback to its URL, or if that fails, to the fallback URL."""
        event, answer = delivery.event, b""
        body = json.dumps(event, separators=(",", ":")).encode()
        times = 2 if any(isinstance(fault, Twice) for fault in delivery.faults) else 1
        for which, url in delivery.route:
            headers, sent = self.courier.sign(credentials, url, body, delivery.faults)
            record = SandboxCallback(
                at=self._clock().now,
                event=event["event"],
                call_id=event["callid"],
                application_key=credentials.application_key,
                which=which,
                url=url,
                headers={**dict(line.dialog.plan.headers), **headers},
                body=sent,
                faults=delivery.faults,
            )
            records = [record, *(attrs.evolve(record, is_repeat=True) for _ in range(times - 1))]
            for each in records:
                self._post(line, each)
            if record.error is None:
                answer = record.answer
                break
        else:
            return Silence.FAILED
        result = read_answer(event, answer)
        if isinstance(result, Invalid):
            record.error = result.problem
        return result

    def _post(self, line: _Line, record: SandboxCallback) -> None:
        entry = self._remember(line, record)
        started = time.monotonic()
        try:
            record.status, record.answer = self.courier.post(
                record.url, record.headers, record.body
            )
            if not 200 <= record.status < 300:
                said = printable(record.answer.decode(errors="replace"), 500)
                record.error = f"HTTP status {record.status}{said and f': {said}'}"
        except Undelivered as error:
            record.error = str(error)
        record.seconds = time.monotonic() - started
        with self.lock:
            self._bytes += len(record.answer)
        if self._journal is not None and entry is not None:
            self._journal.change(record.call_id, entry, len(record.answer))

    def _remember(self, line: _Line, record: SandboxCallback) -> Entry | None:
        with self.lock:
            if line not in self._served:
                return None
            self._history.append(record)
            self._bytes += len(record.body)
            while len(self._history) > CALLBACKS or self._bytes > BYTES:
                oldest = self._history.popleft()
                self._bytes -= len(oldest.body) + len(oldest.answer)
            if self._journal is None:
                return None
            size = len(record.body)
            return self._journal.add(record, at=record.at, call_id=record.call_id, size=size)


def read_answer(event: Mapping[str, Any], answer: bytes) -> Answered | Invalid | Silence:
    """Read the answer to an event.

    Notify, DiCE and the PIE of a conference take no SVAML, except an older instruction in DiCE:
    their answers are ignored unless they look like SVAML.
    """
    name = event["event"]
    if not answer.strip():
        return Silence.EMPTY
    body, problem = _json(answer)
    if name in ("notify", "dice") or (name == "pie" and "conferenceId" in event):
        if not isinstance(body, dict) or not body.keys() & {"action", "instructions"}:
            return Silence.EMPTY
        if name == "dice":
            problem = find_answer_problem(name, body)
            return Invalid(problem) if problem else Silence.EMPTY
        is_complaint = event.get("type") == "callingerror"  # complaints about it would never end
        return Silence.EMPTY if is_complaint else Invalid(f"{name} takes no SVAML here")
    problem = problem or find_answer_problem(name, body)
    if problem is not None:
        return Invalid(problem)
    try:
        svaml = Svaml.from_wire(body)
    except InvalidRequest as error:  # beyond a schema, such as a link to a missing menu
        return Invalid(str(error))
    return Answered(svaml.instructions or (), cast("Action", svaml.action))


def _json(answer: bytes) -> tuple[Any, str | None]:
    """Return the parsed answer, or why it is not JSON."""
    try:
        return read_json(answer), None
    except ValueError as error:
        return None, f"the answer is not JSON ({error})"
