"""Reports on many users: windows in a fair order, a pace that the server sets, and a journal.

    Reports.user_calls_many → Plan → threads or tasks → Exchange.run → ReportOutcome

`Plan` decides what to request next and what a result means, without any I/O; `blocking` and
`asynchronous` are its two drivers.
"""

from __future__ import annotations

import asyncio
import json
import os
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from itertools import islice
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple, TypeAlias

import attrs

from . import data, endpoints
from .errors import ApiError, AuthenticationError, InvalidRequest, RateLimitError
from .exchange import AsyncExchange, Exchange
from .flow import Operation, Timing
from .reports import (
    FleetProgress,
    ReportOutcome,
    Step,
    User,
    UserCallReport,
    Window,
    user_calls,
    windows,
)
from .retry import Failure, RetryPolicy
from .vocabulary import Day, Domain, ReportDomain

__all__ = ["asynchronous", "blocking", "plan"]

Progress: TypeAlias = Callable[[FleetProgress], object]
Span: TypeAlias = Window | tuple[None, None]

_LONGEST_WINDOW = timedelta(days=30)
_MOST_WINDOWS = 100_000
_LONGEST_PAUSE = 900.0  # seconds; a server that asks for more ends the run
_MOST_REFUSALS = 20  # answers 429 to one request, each followed by a pause
_MOST_AT_ONCE = 1000
_SYNC_EVERY = 1.0  # seconds


def plan(
    exchange: Exchange | AsyncExchange,
    users: Iterable[User | str],
    start: Day | None,
    stop: Day | None,
    step: Step | None,
    domain: Domain,
    concurrency: int,
    resume: str | os.PathLike[str] | None,
    progress: Progress | None,
) -> Plan:
    """Check everything and make a plan; see `Reports.user_calls_many`."""
    if progress is not None and not callable(progress):
        raise InvalidRequest(parameter="progress", value=progress, remedy="give a function")
    if not isinstance(resume, str | os.PathLike | None):
        raise InvalidRequest(parameter="resume", value=resume, remedy="give the path of a file")
    cut: list[Span] = [(None, None)]
    if (start, stop, step) != (None, None, None):
        length = _LONGEST_WINDOW if step is None else step
        cut = list(islice(windows(start, stop, length), _MOST_WINDOWS + 1))
    if len(cut) > _MOST_WINDOWS:
        raise InvalidRequest(
            f"{start} to {stop} has more than {_MOST_WINDOWS:,} windows",
            parameter="step",
            value=step,
            remedy="give a longer step or a shorter period",
        )
    retries, timing = exchange.settings.retries, exchange.timing
    return Plan(users, cut, domain, concurrency, retries, timing, resume, progress)


# --- Plan ----------------------------------------------------------------------------------------


class Task(NamedTuple):
    """A report to request."""

    user: User
    window: Span
    refusals: int = 0


class _Persistent(RetryPolicy):
    """Retries as the client does, except for HTTP 429, which is for the whole run to obey."""

    def delay(
        self, attempt: int, failure: Failure, remaining: float | None, random: Callable[[], float]
    ) -> float | None:
        if failure.status_code == 429:
            return None
        return super().delay(attempt, failure, remaining, random)


class Pace:
    """How many requests may be on their way at once: half of it after HTTP 429, then creeping up.

    Args:
        most: The upper limit.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._limit = float(most)
        self._halved = float("-inf")
        self.resumes = float("-inf")

    @property
    def limit(self) -> int:
        """Requests allowed at once, 1 or more."""
        return int(self._limit)

    def refused(self, sent: float, now: float, wait: float) -> None:
        """Halve the limit, once for all requests that were on their way, and wait."""
        if sent > self._halved:
            self._limit = max(1.0, self._limit / 2)
            self._halved = now
        self.resumes = max(self.resumes, now + wait)

    def answered(self) -> None:
        """Creep up: by one after as many answers as the limit has."""
        self._limit = min(float(self._most), self._limit + 1 / self._limit)


class Plan:
    """What to request next, and what a result means.

    Args:
        users: Whose calls to report on.
        windows: The windows of each.
        domain: As for `Reports.user_calls`.
        concurrency: Requests at once, at most.
        policy: When requests are repeated.
        timing: Clocks and dice.
        resume: Path of the journal.
        progress: Called after each outcome.

    Raises:
        InvalidRequest: An endpoint, the domain or the concurrency is not valid.
    """

    def __init__(
        self,
        users: Iterable[User | str],
        windows: Sequence[Span],
        domain: Domain,
        concurrency: int,
        policy: RetryPolicy,
        timing: Timing,
        resume: str | os.PathLike[str] | None,
        progress: Progress | None,
    ) -> None:
        if type(concurrency) is not int or not 1 <= concurrency <= _MOST_AT_ONCE:
            raise InvalidRequest(
                parameter="concurrency",
                value=concurrency,
                remedy=f"give a whole number from 1 to {_MOST_AT_ONCE}",
            )
        self._users, self._windows = _checked(users, domain), windows
        self.domain = ReportDomain(domain)
        self.resume, self.told = resume, progress
        self.policy = _Persistent(**attrs.asdict(policy, recurse=False))
        self._pace, self._timing = Pace(concurrency), timing
        self._refusals = 0  # without an answer in between
        self._again: deque[Task] = deque()
        self._tasks = iter(self._each())
        self._done = self._failed = self._resumed = 0
        self._started: float | None = None
        self.known: dict[tuple[User, str], UserCallReport] = {}
        self.in_flight = 0
        self.is_stopped = False

    def take(self) -> Task | ReportOutcome | None:
        """Return the next report to request, or one that the journal has; None if not now."""
        now = self._timing.monotonic()
        if self.is_stopped or now < self._pace.resumes or self.in_flight >= self._pace.limit:
            return None
        task = self._again.popleft() if self._again else next(self._tasks, None)
        if task is None:
            return None
        known = self.known.pop((task.user, _key(task.window)), None)
        if known is not None:
            self._done += 1
            self._resumed += 1
            return _outcome(task, report=known, resumed=True)
        self._started = now if self._started is None else self._started
        self.in_flight += 1
        return task

    def pause(self) -> float | None:
        """Return the seconds until `take` has something again; None if only answers help."""
        left = self._pace.resumes - self._timing.monotonic()
        return left if left > 0 and not self.is_stopped else None

    def operation(self, task: Task) -> Operation[UserCallReport]:
        """Return the request of a task."""
        return user_calls(task.user, self.domain, *task.window)

    def settle(
        self, task: Task, sent: float, result: UserCallReport | BaseException
    ) -> ReportOutcome | None:
        """Return the outcome of a request; None if it is to be repeated.

        Args:
            task: The task.
            sent: When the request was handed out, by the monotonic clock.
            result: Its report or error.

        Raises:
            AuthenticationError: The credentials are refused, for every user.
            RateLimitError: The server asks for a pause of more than 15 minutes.
            BaseException: The failure of something other than the request.
        """
        self.in_flight -= 1
        if isinstance(result, RateLimitError):
            wait = self._wait(result)
            if wait > _LONGEST_PAUSE and not self.is_stopped:
                raise result
            self._pace.refused(sent, self._timing.monotonic(), wait)
            self._refusals += 1
            if self.is_stopped or task.refusals < _MOST_REFUSALS:
                self._again.append(task._replace(refusals=task.refusals + 1))
                return None
        elif isinstance(result, BaseException):
            if not self.is_stopped and (
                isinstance(result, AuthenticationError) or not isinstance(result, ApiError)
            ):
                raise result
        else:
            self._pace.answered()
            self._refusals = 0
        self._done += 1
        if isinstance(result, UserCallReport):
            return _outcome(task, report=result)
        self._failed += 1
        return _outcome(task, error=result if isinstance(result, ApiError) else None)

    def progress(self) -> FleetProgress:
        """Return the state of the run."""
        now = self._timing.monotonic()
        return FleetProgress(
            total=len(self._users) * len(self._windows),
            done=self._done,
            failed=self._failed,
            resumed=self._resumed,
            in_flight=self.in_flight,
            limit=self._pace.limit,
            elapsed=0.0 if self._started is None else now - self._started,
        )

    def _each(self) -> Iterator[Task]:
        """Each user's first window, then each one's second: nobody waits for another's year."""
        for window in self._windows:
            for user in self._users:
                yield Task(user, window)

    def _wait(self, error: RateLimitError) -> float:
        if error.retry_after is not None:
            return error.retry_after
        ceiling = self.policy.first_delay * 2.0 ** min(self._refusals, 60)
        return min(self.policy.max_delay, ceiling) * (0.5 + 0.5 * self._timing.random())


def _outcome(task: Task, **facts: Any) -> ReportOutcome:
    start, stop = task.window
    return ReportOutcome(endpoint=task.user, start=start, stop=stop, **facts)


def _checked(users: Iterable[User | str], domain: Domain) -> list[User]:
    """Return each user once, in order; all are checked before anything is requested."""
    if isinstance(users, str | bytes) or not isinstance(users, Iterable):
        raise InvalidRequest(
            parameter="endpoints", value=users, remedy="give a list of phone numbers and app users"
        )
    found: dict[User, None] = {}
    for number, user in enumerate(users, 1):
        try:
            parsed = endpoints.parse(user) if isinstance(user, str) else user
            user_calls(parsed, domain, None, None)
        except InvalidRequest as error:
            error.add_note(f"it is number {number} of the endpoints")
            raise
        found[parsed] = None  # type: ignore[index]
    return list(found)


def _key(window: Span) -> str:
    return "/".join("" if end is None else data.format_day(end) for end in window)


# --- Journal -------------------------------------------------------------------------------------


class Journal:
    """A file of JSON lines with the reports of a run, so that a later one can continue it.

    Args:
        path: The file; made if it does not exist.
        about: What all its reports have in common.

    Raises:
        InvalidRequest: The file is not a journal, is one of other reports, is in use, or cannot be
            opened.
        OSError: It cannot be read.
    """

    def __init__(self, path: str | os.PathLike[str], about: dict[str, str]) -> None:
        self._path = os.fspath(path)
        self._about = {"journal": "sinchvoice user_calls_many", "version": 1, **about}
        self._synced = 0.0
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0)
        try:
            self._file = os.open(self._path, flags, 0o600)
        except (OSError, ValueError) as error:  # a name with a NUL is a ValueError
            reason = getattr(error, "strerror", None) or error
            raise self._refusal(f"cannot be opened ({reason})", "give another file") from error
        try:
            _lock(self._file, self._path)
            self.reports = self._read()
        except BaseException:
            os.close(self._file)
            raise

    def add(self, outcome: ReportOutcome, now: float) -> None:
        """Write a report; it survives this process at once, and the machine a second later.

        After Ctrl-C the last report can be written twice, and counts once when it is read.
        """
        self._write(outcome.to_dict())
        if now - self._synced >= _SYNC_EVERY:
            os.fsync(self._file)
            self._synced = now

    def close(self) -> None:
        """Write everything to the disk."""
        try:
            os.fsync(self._file)
        finally:
            os.close(self._file)

    def _write(self, record: dict[str, Any]) -> None:
        line = json.dumps(record).encode() + b"\n"
        try:
            while line:
                line = line[os.write(self._file, line) :]
        except OSError as error:
            raise OSError(error.errno, error.strerror, self._path) from error

    def _read(self) -> dict[tuple[User, str], UserCallReport]:
        with open(self._file, "rb", closefd=False) as file:
            content = file.read()
        whole = content[: content.rfind(b"\n") + 1]
        if content and not whole:
            raise self._refusal("is not a journal of reports", "give another file")
        reports: dict[tuple[User, str], UserCallReport] = {}
        for number, line in enumerate(whole.splitlines(), 1):
            try:
                record = json.loads(line)
                if number == 1:
                    self._compare(record)
                    continue
                outcome = ReportOutcome.from_dict(record)
            except (ValueError, InvalidRequest) as error:
                if number == 1 and not isinstance(error, InvalidRequest):
                    raise self._refusal(
                        "is not a journal of reports", "give another file"
                    ) from None
                if number == 1:
                    raise
                raise self._refusal(
                    f"has a line {number} that is not a report ({error})", "remove this line"
                ) from None
            reports[outcome.endpoint, _key((outcome.start, outcome.stop))] = outcome.result()  # type: ignore[arg-type]
        if len(whole) < len(content):  # the last run was killed while it wrote
            os.ftruncate(self._file, len(whole))
        if not whole:
            self._write(self._about)
        return reports

    def _compare(self, record: object) -> None:
        if not isinstance(record, dict) or record.get("journal") != self._about["journal"]:
            raise self._refusal("is not a journal of reports", "give another file")
        for key, value in self._about.items():
            if record.get(key) != value:
                raise self._refusal(
                    f"has reports with {key} {record.get(key)!r}, not {value!r}",
                    "give another file, or the same options",
                )

    def _refusal(self, problem: str, remedy: str) -> InvalidRequest:
        return InvalidRequest(
            f"resume {self._path!r} {problem}", parameter="resume", value=self._path, remedy=remedy
        )


def _lock(file: int, path: str) -> None:
    """Keep other runs away until the file is closed, where the system can."""
    with suppress(ImportError):
        import fcntl

        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InvalidRequest(
                f"resume {path!r} is in use by another run",
                parameter="resume",
                value=path,
                remedy="wait for its end, or give another file",
            ) from None


# --- Drivers -------------------------------------------------------------------------------------

_Item: TypeAlias = tuple[Task, float, UserCallReport | BaseException]


def blocking(exchange: Exchange, plan: Plan) -> Iterator[ReportOutcome]:
    """Run a plan in threads; closing the iterator waits for the requests on their way."""
    exchange = exchange.with_settings(attrs.evolve(exchange.settings, retries=plan.policy))
    timing = exchange.timing
    inbox: SimpleQueue[tuple[Task, float] | None] = SimpleQueue()
    results: deque[_Item] = deque()
    arrivals: SimpleQueue[None] = SimpleQueue()

    def work() -> None:
        while (item := inbox.get()) is not None:
            result: UserCallReport | BaseException
            try:
                result = exchange.run(plan.operation(item[0]))
            except BaseException as error:  # noqa: BLE001 - raised where the iterator is
                result = error
            results.append((*item, result))
            arrivals.put(None)

    threads: list[threading.Thread] = []
    with _told(exchange, plan) as tell:
        try:
            while True:
                while (task := plan.take()) is not None:
                    if isinstance(task, ReportOutcome):
                        tell(task)
                        yield task
                        continue
                    if len(threads) < plan.in_flight:
                        threads.append(threading.Thread(target=work, daemon=True))
                        threads[-1].start()
                    inbox.put((task, timing.monotonic()))
                pause = plan.pause()
                if plan.in_flight:
                    with suppress(Empty):
                        arrivals.get(timeout=pause)
                    while results:
                        outcome = plan.settle(*results[0])
                        tell(outcome)
                        results.popleft()  # only now: Ctrl-C anywhere before must not lose it
                        if outcome is not None:
                            yield outcome
                elif pause is None:
                    return
                else:
                    timing.sleep(pause)
        finally:
            plan.is_stopped = True
            for _ in threads:
                inbox.put(None)
            for thread in threads:
                if thread.ident is not None:  # Ctrl-C can come before its start
                    thread.join()
            for item in results:
                tell(plan.settle(*item))


async def asynchronous(exchange: AsyncExchange, plan: Plan) -> AsyncIterator[ReportOutcome]:
    """Run a plan in tasks; closing the iterator waits for the requests on their way."""
    exchange = exchange.with_settings(attrs.evolve(exchange.settings, retries=plan.policy))
    timing = exchange.timing
    inbox: asyncio.Queue[tuple[Task, float]] = asyncio.Queue()
    outbox: asyncio.Queue[_Item] = asyncio.Queue()
    results: deque[_Item] = deque()

    async def work() -> None:
        while True:
            task, sent = await inbox.get()
            result: UserCallReport | BaseException
            try:
                result = await exchange.run(plan.operation(task))
            except asyncio.CancelledError:
                raise
            except BaseException as error:  # noqa: BLE001 - raised where the iterator is
                result = error
            outbox.put_nowait((task, sent, result))

    workers: list[asyncio.Task[None]] = []
    with _told(exchange, plan) as tell:
        try:
            while True:
                while (task := plan.take()) is not None:
                    if isinstance(task, ReportOutcome):
                        tell(task)
                        yield task
                        continue
                    if len(workers) < plan.in_flight:
                        workers.append(asyncio.create_task(work()))
                    inbox.put_nowait((task, timing.monotonic()))
                pause = plan.pause()
                if plan.in_flight:
                    with suppress(TimeoutError):
                        async with asyncio.timeout(pause):
                            results.append(await outbox.get())
                    while results:
                        outcome = plan.settle(*results.popleft())
                        tell(outcome)
                        if outcome is not None:
                            yield outcome
                elif pause is None:
                    return
                else:
                    await timing.sleep_async(pause)
        except asyncio.CancelledError:
            plan.in_flight = 0  # nothing more is wanted: the workers are cancelled as well
            raise
        finally:
            plan.is_stopped = True
            try:
                while plan.in_flight:
                    tell(plan.settle(*await outbox.get()))
            finally:
                for worker in workers:
                    worker.cancel()
                await asyncio.gather(*workers, return_exceptions=True)
                while not outbox.empty():  # arrived before the cancellation
                    tell(plan.settle(*outbox.get_nowait()))


@contextmanager
def _told(
    exchange: Exchange | AsyncExchange, plan: Plan
) -> Iterator[Callable[[ReportOutcome | None], None]]:
    """Open the journal, and return what records an outcome there and reports the progress."""
    journal: Journal | None = None
    if plan.resume is not None:
        about = {
            "application_key": exchange.settings.credentials.application_key,
            "reporting_url": exchange.settings.reporting_url,
            "domain": plan.domain.value,
        }
        journal = Journal(plan.resume, about)
        plan.known = journal.reports

    def tell(outcome: ReportOutcome | None) -> None:
        if outcome is not None and journal is not None and outcome.report and not outcome.resumed:
            journal.add(outcome, exchange.timing.monotonic())
        if outcome is not None and plan.told is not None:
            plan.told(plan.progress())

    try:
        yield tell
    finally:
        if journal is not None:
            journal.close()
