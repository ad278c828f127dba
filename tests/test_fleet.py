"""`reports.user_calls_many`: every user and window once, whatever fails, at the server's pace."""

from __future__ import annotations

import asyncio
import json
import random
import re
import signal
import threading
from contextlib import aclosing, closing, suppress
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from samples import REPORT
from sinchvoice import (
    AsyncVoiceClient,
    AuthenticationError,
    InvalidRequest,
    MxpEndpoint,
    NotFoundError,
    PstnEndpoint,
    RateLimitError,
    VoiceClient,
)
from sinchvoice.fleet import Pace
from sinchvoice.reports import FleetProgress, ReportOutcome, windows
from sinchvoice.sandbox import Sandbox, running
from sinchvoice.sandbox.faults import Injection

USERS = [f"user{number}" for number in range(12)]
KINDS = [False, True]


def answering(answers: dict[str, Any]) -> Any:
    """Answer by the name of the user: a response, a list of them in order, or a report."""
    lock = threading.Lock()

    def answer(request: httpx.Request) -> httpx.Response:
        name = next(part for part in request.url.path.split("/") if re.fullmatch(r"user\d+", part))
        with lock:
            found = answers.get(name)
            if isinstance(found, list):
                found = found.pop(0) if found else None
        return found or httpx.Response(200, json=REPORT)

    return answer


def collect(voice: Any, is_async: bool, *arguments: Any, **options: Any) -> list[ReportOutcome]:
    outcomes = voice.reports.user_calls_many(*arguments, **options)
    if not is_async:
        return list(outcomes)

    async def collected() -> list[ReportOutcome]:
        return [outcome async for outcome in outcomes]

    return asyncio.run(collected())


def names(outcomes: list[ReportOutcome]) -> list[str]:
    return sorted(
        each.endpoint.username for each in outcomes if isinstance(each.endpoint, MxpEndpoint)
    )


# --- Windows ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("start", "stop", "step", "expected"),
    [
        ("2026-11-01", "2026-11-03", "day", ["2026-11-01", "2026-11-02", "2026-11-03"]),
        (
            "2026-11-01",
            "2026-11-12",
            "week",
            ["2026-11-01", "2026-11-02", "2026-11-09", "2026-11-12"],
        ),
        (
            "2026-01-15",
            "2026-04-01",
            "month",
            ["2026-01-15", "2026-02-01", "2026-03-01", "2026-03-31", "2026-04-01"],
        ),
        (
            "2026-01-01",
            "2026-03-01",
            timedelta(days=30),
            ["2026-01-01", "2026-01-31", "2026-03-01"],
        ),
        (
            "2026-11-01T22:00Z",
            "2026-11-03T01:00Z",
            "day",
            ["2026-11-01T22:00Z", "2026-11-02T00:00Z", "2026-11-03T00:00Z", "2026-11-03T01:00Z"],
        ),
        (
            "2026-11-01T00:00Z",
            "2026-11-01T05:00Z",
            timedelta(hours=2),
            ["2026-11-01T00:00Z", "2026-11-01T02:00Z", "2026-11-01T04:00Z", "2026-11-01T05:00Z"],
        ),
    ],
)
def test_a_period_is_cut_by_the_calendar(start: Any, stop: Any, step: Any, expected: Any):
    if isinstance(expected[0], str):
        kind = datetime if "T" in expected[0] else date
        ends = [kind.fromisoformat(each) for each in expected]
        expected = list(pairwise(ends))
    assert list(windows(start, stop, step)) == expected


@given(
    st.dates(date(2000, 1, 1), date(2030, 1, 1)),
    st.integers(1, 500),
    st.sampled_from(["day", "week", "month"]) | st.integers(1, 30).map(timedelta),
)
def test_windows_cover_the_period_without_gaps_and_none_is_too_long(
    start: date, days: int, step: Any
):
    cut = list(windows(start, start + timedelta(days=days), step))
    assert [cut[0][0], cut[-1][1]] == [start, start + timedelta(days=days)]
    for (begin, end), (following, _) in zip(cut, [*cut[1:], (cut[-1][1], None)], strict=True):
        assert isinstance(begin, date)
        assert isinstance(end, date)
        assert timedelta(0) < end - begin <= timedelta(days=30)
        assert end == following


@pytest.mark.parametrize(
    ("start", "stop", "step"),
    [
        ("2026-11-02", "2026-11-01", None),
        ("2026-11-01", "2026-11-01", "day"),
        ("2026-11-01", None, None),
        (None, None, "day"),
        ("2026-11-01", "2026-11-02T00:00Z", None),
        ("2026-11-01", "2026-11-02", timedelta(hours=1)),
        ("2026-11-01", "2026-12-02", timedelta(days=31)),
        ("2026-11-01", "2026-12-02", timedelta(0)),
        ("2026-11-01", "2026-12-02", "year"),
        ("tomorrow", "2026-12-02", "day"),
        ("2026-12-01", "tomorrow", None),
        ("1000-01-01", "2026-12-02", "day"),  # more than 100,000 windows
    ],
)
def test_a_period_that_makes_no_sense_is_refused_before_anything_is_requested(
    scripted: Any, start: Any, stop: Any, step: Any
):
    voice = scripted(httpx.Response(200, json=REPORT))
    with pytest.raises(InvalidRequest):
        voice.reports.user_calls_many(USERS, start, stop, step=step)
    assert voice.requests == []


# --- Outcomes -----------------------------------------------------------------------------------


@pytest.mark.parametrize("is_async", KINDS)
def test_one_user_that_fails_stops_none_of_the_others(scripted: Any, is_async: bool):
    failures = {
        "user3": httpx.Response(404),
        "user5": httpx.Response(500),
        "user7": httpx.Response(403),
    }
    voice = scripted(answering(dict(failures)), is_async=is_async)
    outcomes = collect(voice, is_async, USERS)
    assert names(outcomes) == sorted(USERS)
    kinds = {
        each.endpoint.username: type(each.error).__name__
        for each in outcomes
        if each.error is not None
    }
    assert kinds == {
        "user3": "NotFoundError",
        "user5": "ServerError",
        "user7": "PermissionDeniedError",
    }
    for each in outcomes:
        if each.error is None:
            assert each.result().success == 1
        else:
            with pytest.raises(type(each.error)):
                each.result()


@pytest.mark.parametrize("is_async", KINDS)
def test_every_user_is_asked_for_a_window_before_any_for_the_next(scripted: Any, is_async: bool):
    voice = scripted(httpx.Response(200, json=REPORT), is_async=is_async)
    outcomes = collect(
        voice, is_async, USERS[:3], "2026-11-01", "2026-11-03", step="day", concurrency=1
    )
    assert [(each.endpoint.username, each.start, each.stop) for each in outcomes] == [
        (name, day, day + timedelta(days=1))
        for day in (date(2026, 11, 1), date(2026, 11, 2))
        for name in USERS[:3]
    ]


def test_users_may_be_text_and_one_that_occurs_twice_is_asked_once(scripted: Any):
    voice = scripted(httpx.Response(200, json=REPORT))
    users = ["alice", "+46730170101", MxpEndpoint("alice"), "username:alice", "number:+46730170101"]
    outcomes = list(voice.reports.user_calls_many(iter(users)))
    assert {each.endpoint for each in outcomes} == {
        MxpEndpoint("alice"),
        PstnEndpoint("+46730170101"),
    }
    assert len(voice.requests) == len(outcomes) == 2
    assert {(each.start, each.stop) for each in outcomes} == {(None, None)}


@pytest.mark.parametrize("wrong", ["+4673 017 0101", "sip:a@b.example", "", 5])
def test_a_user_that_is_not_valid_is_named_before_anything_is_requested(scripted: Any, wrong: Any):
    voice = scripted(httpx.Response(200, json=REPORT))
    with pytest.raises(InvalidRequest) as raised:
        voice.reports.user_calls_many(["alice", wrong, "bob"])
    assert "it is number 2 of the endpoints" in raised.value.__notes__
    assert voice.requests == []


@pytest.mark.parametrize("step", ["day", "week", "month", timedelta(days=30)])
def test_windows_end_with_the_calendar(step: Any):
    cut = list(windows("9999-12-20", date.max, step))
    assert (cut[0][0], cut[-1][1]) == (date(9999, 12, 20), date.max)


@pytest.mark.parametrize(
    "options", [{"resume": 5}, {"resume": ["a"]}, {"progress": 5}, {"progress": "bar"}]
)
def test_an_option_of_another_kind_is_refused_at_the_call(scripted: Any, options: dict[str, Any]):
    (name,) = options
    with pytest.raises(InvalidRequest, match=f"^{name} is"):
        scripted(httpx.Response(200)).reports.user_calls_many(USERS, **options)


@pytest.mark.parametrize("concurrency", [0, -1, 1001, 1.5, True, "4"])
def test_a_concurrency_that_makes_no_sense_is_refused(scripted: Any, concurrency: Any):
    with pytest.raises(InvalidRequest, match="concurrency"):
        scripted(httpx.Response(200)).reports.user_calls_many(USERS, concurrency=concurrency)


def test_nobody_is_a_run_without_outcomes(scripted: Any):
    voice = scripted(httpx.Response(200, json=REPORT))
    assert list(voice.reports.user_calls_many([])) == []
    with pytest.raises(InvalidRequest, match="endpoints"):
        voice.reports.user_calls_many("alice")


@pytest.mark.parametrize("is_async", KINDS)
def test_refused_credentials_end_the_run(scripted: Any, is_async: bool):
    voice = scripted(httpx.Response(401, json={"errorCode": 40100}), is_async=is_async)
    with pytest.raises(AuthenticationError):
        collect(voice, is_async, USERS, concurrency=2)
    assert len(voice.requests) < len(USERS)


@pytest.mark.parametrize("is_async", KINDS)
def test_progress_counts_what_is_done_and_what_failed(scripted: Any, is_async: bool):
    seen: list[FleetProgress] = []
    voice = scripted(answering({"user3": httpx.Response(404)}), is_async=is_async)
    collect(voice, is_async, USERS, progress=seen.append)
    assert [each.done for each in seen] == list(range(1, 13))
    assert {each.total for each in seen} == {12}
    assert seen[-1].failed == 1
    assert seen[-1].in_flight == 0


def test_an_outcome_is_data():
    outcome = ReportOutcome(
        endpoint=MxpEndpoint("alice"), error=NotFoundError("gone", status_code=404)
    )
    written = json.loads(outcome.to_json())
    assert written["endpoint"] == {"type": "username", "endpoint": "alice"}
    assert (written["success"], written["error"]["status_code"]) == (None, 404)


# --- Pace ---------------------------------------------------------------------------------------


def test_a_pace_is_halved_once_for_all_that_were_on_their_way_and_creeps_up_again():
    pace = Pace(8)
    for _ in range(8):
        pace.refused(sent=1.0, now=2.0, wait=5.0)
    assert (pace.limit, pace.resumes) == (4, 7.0)
    pace.refused(sent=3.0, now=8.0, wait=0.0)
    assert pace.limit == 2
    for _ in range(2):
        pace.answered()
    assert pace.limit == 2
    for _ in range(100):
        pace.answered()
    assert pace.limit == 8
    for moment in range(10, 20):
        pace.refused(sent=moment, now=moment + 0.5, wait=0.0)
    assert pace.limit == 1


@pytest.mark.parametrize("is_async", KINDS)
def test_a_server_that_is_asked_too_much_is_left_alone_for_as_long_as_it_says(
    scripted: Any, is_async: bool
):
    busy = httpx.Response(429, headers={"Retry-After": "7"})
    voice = scripted(answering({"user2": [busy, busy]}), is_async=is_async)
    outcomes = collect(voice, is_async, USERS, concurrency=1)
    assert names(outcomes) == sorted(USERS)
    assert all(each.error is None for each in outcomes)
    assert voice.clock.naps == pytest.approx([7.0, 7.0])
    assert len(voice.requests) == len(USERS) + 2


@pytest.mark.parametrize("is_async", KINDS)
def test_without_a_time_the_pauses_grow(scripted: Any, is_async: bool):
    voice = scripted(answering({"user0": [httpx.Response(429)] * 6}), is_async=is_async)
    outcomes = collect(voice, is_async, USERS[:1])
    assert voice.clock.naps == pytest.approx([0.5, 1.0, 2.0, 4.0, 8.0, 8.0])
    assert outcomes[0].error is None


@pytest.mark.parametrize("is_async", KINDS)
def test_a_user_that_is_refused_for_good_gets_the_error(scripted: Any, is_async: bool):
    voice = scripted(httpx.Response(429, headers={"Retry-After": "1"}), is_async=is_async)
    outcomes = collect(voice, is_async, USERS[:1])
    assert isinstance(outcomes[0].error, RateLimitError)
    assert len(voice.requests) == 21


@pytest.mark.parametrize("is_async", KINDS)
def test_a_pause_of_more_than_a_quarter_of_an_hour_ends_the_run(scripted: Any, is_async: bool):
    voice = scripted(httpx.Response(429, headers={"Retry-After": "901"}), is_async=is_async)
    with pytest.raises(RateLimitError):
        collect(voice, is_async, USERS)


# --- Journal ------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_async", KINDS)
def test_an_interrupted_run_continues_and_nothing_is_asked_twice(
    scripted: Any, tmp_path: Path, is_async: bool
):
    journal = tmp_path / "journal"
    voice = scripted(answering({"user3": [httpx.Response(404)]}), is_async=is_async)
    outcomes = voice.reports.user_calls_many(USERS, concurrency=2, resume=journal)
    if is_async:

        async def first() -> list[str]:
            found: list[str] = []
            async with aclosing(outcomes):
                async for each in outcomes:
                    found.append(each.endpoint.username)
                    if len(found) == 5:
                        break
            return found

        begun = asyncio.run(first())
    else:
        begun = []
        with closing(outcomes):
            for each in outcomes:
                begun.append(each.endpoint.username)
                if len(begun) == 5:
                    break
    asked = len(voice.requests)
    assert 5 <= asked <= 7
    later = scripted(httpx.Response(200, json=REPORT), is_async=is_async)
    rest = collect(later, is_async, USERS, concurrency=2, resume=journal)
    assert names(rest) == sorted(USERS)
    assert all(each.error is None for each in rest)
    resumed = {each.endpoint.username for each in rest if each.resumed}
    assert resumed >= set(begun) - {"user3"}
    assert len(later.requests) == len(USERS) - len(resumed)


def run(voice: Any, journal: Path, **options: Any) -> list[ReportOutcome]:
    return list(voice.reports.user_calls_many(USERS, resume=journal, **options))


def reports_in(journal: Path) -> int:
    return max(0, journal.read_bytes().count(b"\n") - 1)


@pytest.mark.parametrize("cut", [1, 5, 40])
def test_a_line_that_was_cut_off_is_asked_again(scripted: Any, tmp_path: Path, cut: int):
    journal = tmp_path / "journal"
    voice = scripted(httpx.Response(200, json=REPORT))
    whole = run(voice, journal, concurrency=1)
    journal.write_bytes(journal.read_bytes()[:-cut])
    again = run(voice, journal)
    assert sum(each.resumed for each in again) == len(USERS) - 1
    assert len(voice.requests) == len(USERS) + 1
    assert {each.endpoint for each in again} == {each.endpoint for each in whole}
    assert sum(each.resumed for each in run(voice, journal)) == len(USERS)


@pytest.mark.parametrize(
    "content", [b"name;number\n", b"no line", b'{"a": 1}\n', b"[]\n", b"\xff\n", b"\n"]
)
def test_a_file_of_something_else_is_refused_and_left_alone(
    scripted: Any, tmp_path: Path, content: bytes
):
    journal = tmp_path / "users.csv"
    journal.write_bytes(content)
    with pytest.raises(InvalidRequest, match="is not a journal of reports: give another file"):
        run(scripted(httpx.Response(200, json=REPORT)), journal)
    assert journal.read_bytes() == content


@pytest.mark.parametrize("name", ["missing/journal", ".", "a\0b"])
def test_a_journal_that_cannot_be_opened_is_named(
    scripted: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
):
    monkeypatch.chdir(tmp_path)
    voice = scripted(httpx.Response(200, json=REPORT))
    with pytest.raises(InvalidRequest, match=r"cannot be opened \(.*: give another file"):
        run(voice, Path(name))
    assert voice.requests == []


def test_what_arrived_before_a_cancellation_is_in_the_journal(scripted: Any, tmp_path: Path):
    voice = scripted(httpx.Response(200, json=REPORT), is_async=True)

    async def main() -> None:
        outcomes = voice.reports.user_calls_many(USERS, concurrency=4, resume=tmp_path / "journal")

        async def read() -> None:
            async with aclosing(outcomes):
                async for _ in outcomes:
                    await asyncio.sleep(60)

        reading = asyncio.create_task(read())
        await asyncio.sleep(0.2)
        reading.cancel()
        with suppress(asyncio.CancelledError):
            await reading

    asyncio.run(main())
    assert reports_in(tmp_path / "journal") == len(voice.requests) == 4


def test_a_journal_of_other_reports_is_refused(scripted: Any, tmp_path: Path):
    journal = tmp_path / "journal"
    voice = scripted(httpx.Response(200, json=REPORT))
    run(voice, journal)
    with pytest.raises(InvalidRequest, match="has reports with domain 'data', not 'pstn'"):
        run(voice, journal, domain="pstn")


def test_a_line_that_is_not_a_report_is_named(scripted: Any, tmp_path: Path):
    journal = tmp_path / "journal"
    voice = scripted(httpx.Response(200, json=REPORT))
    run(voice, journal)
    journal.write_bytes(journal.read_bytes() + b'{"endpoint": 5}\n')
    with pytest.raises(InvalidRequest, match=f"has a line {len(USERS) + 2} that is not a report"):
        run(voice, journal)


def test_a_journal_that_is_in_use_is_refused(scripted: Any, tmp_path: Path):
    pytest.importorskip("fcntl", reason="this system has no flock")
    voice = scripted(httpx.Response(200, json=REPORT))
    with closing(voice.reports.user_calls_many(USERS, resume=tmp_path / "journal")) as outcomes:
        next(outcomes)
        with pytest.raises(InvalidRequest, match="is in use by another run"):
            run(voice, tmp_path / "journal")
    assert len(run(voice, tmp_path / "journal")) == len(USERS)


def test_credentials_are_not_in_a_journal(scripted: Any, tmp_path: Path):
    voice = scripted(httpx.Response(200, json=REPORT))
    run(voice, tmp_path / "journal")
    credentials = voice.exchange.settings.credentials
    content = (tmp_path / "journal").read_text()
    assert credentials.application_key in content
    assert credentials.application_secret not in content


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_interrupt_at_any_moment_loses_no_report_and_never_hangs(
    scripted: Any, tmp_path: Path, seed: int
):
    voice = scripted(httpx.Response(200, json=REPORT))
    users = [f"user{number}" for number in range(2000)]
    journal, armed = tmp_path / "journal", True

    def interrupt(*_: object) -> None:
        if armed:
            raise KeyboardInterrupt

    usual = signal.signal(signal.SIGINT, interrupt)
    timer = threading.Timer(
        random.Random(seed).uniform(0.0, 0.03), signal.raise_signal, [signal.SIGINT]
    )
    try:
        # Python ignores an interrupt in a destructor: then the run continues to its end.
        with suppress(KeyboardInterrupt):
            timer.start()
            list(voice.reports.user_calls_many(users, concurrency=4, resume=journal))
            armed = False
        timer.join()
    finally:
        signal.signal(signal.SIGINT, usual)
    kept = reports_in(journal) if journal.exists() else 0
    assert kept >= len(voice.requests)
    again = run(voice, journal) if kept else []
    assert all(outcome.error is None for outcome in again)


# --- On a real server ---------------------------------------------------------------------------


def test_thousands_of_reports_are_all_there_whatever_fails_on_the_way():
    faults = ["unavailable 3%", "too-many-requests=0 3%", "reset 2%"]
    with running(faults=[Injection.parse(fault) for fault in faults]) as box:
        users = [f"user{number}" for number in range(300)]
        with VoiceClient.from_env(box.environ) as voice:
            outcomes = list(
                voice.reports.user_calls_many(
                    users, "2026-11-01", "2026-11-04", step="day", concurrency=8
                )
            )
        assert len(outcomes) == len({(each.endpoint, each.start) for each in outcomes}) == 900
        assert sum(each.error is not None for each in outcomes) < 9


def test_many_at_once_in_one_event_loop(box: Sandbox):
    async def main() -> list[ReportOutcome]:
        async with AsyncVoiceClient.from_env(box.environ) as voice:
            return [each async for each in voice.reports.user_calls_many(USERS, concurrency=64)]

    assert names(asyncio.run(main())) == sorted(USERS)


def test_a_cancelled_run_leaves_a_client_that_works(box: Sandbox):
    async def main() -> int:
        async with AsyncVoiceClient.from_env(box.environ) as voice:
            outcomes = voice.reports.user_calls_many(USERS, "2026-01-01", "2026-11-01", step="day")

            async def read() -> None:
                async with asyncio.timeout(0.05), aclosing(outcomes):
                    async for _ in outcomes:
                        pass

            with pytest.raises(TimeoutError):
                await read()
            return (await voice.reports.user_calls("alice")).success

    assert asyncio.run(main()) == 0


def test_times_are_kept_in_utc(scripted: Any, tmp_path: Path):
    voice = scripted(httpx.Response(200, json=REPORT))
    start = datetime(2026, 11, 1, tzinfo=UTC)
    for resumed in (False, True):
        (outcome,) = voice.reports.user_calls_many(
            ["alice"], start, start + timedelta(hours=1), resume=tmp_path / "journal"
        )
        assert (outcome.start, outcome.resumed) == (start, resumed)
