"""reports.py: requests, refusals before sending, and windows."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
from sinchvoice import (
    InvalidRequest,
    MxpEndpoint,
    OtherEndpoint,
    PstnEndpoint,
    ReportDomain,
    ReportWindow,
    SipEndpoint,
    UnexpectedResponse,
    endpoints,
)

USER = MxpEndpoint("abc123def")
ANSWER = {"success": 2, "duration": 623, "failed": 0, "start": "2014-04-28T12:00:00Z"}
REPORT = httpx.Response(200, json=ANSWER)
WITHOUT_PLUS = endpoints.read({"type": "number", "endpoint": "12017777777"})
NOON = datetime(2014, 4, 28, 12, tzinfo=UTC)


def targets(voice: Any) -> list[str]:
    return [request.url.raw_path.decode().removeprefix("/v1") for request in voice.requests]


def test_the_documented_example_is_requested_and_read(scripted: Any):
    voice = scripted(REPORT)
    report = voice.reports.user_calls(
        USER, domain="pstn", start=date(2014, 4, 28), stop=date(2014, 4, 29)
    )
    assert targets(voice) == [
        "/users/username/abc123def/calls/pstn?_start=2014-04-28&_stop=2014-04-29"
    ]
    assert (report.success, report.failed, report.duration, report.start) == (2, 0, 623, NOON)
    assert report.raw == ANSWER


@pytest.mark.parametrize(
    ("endpoint", "path"),
    [
        (PstnEndpoint("+46730170101"), "/users/number/+46730170101/calls/data"),
        (MxpEndpoint("a b/c"), "/users/username/a%20b%2Fc/calls/data"),
        (MxpEndpoint("x@y.z"), "/users/username/x@y.z/calls/data"),
    ],
)
def test_a_user_is_a_number_or_a_name(scripted: Any, endpoint: Any, path: str):
    voice = scripted(REPORT)
    voice.reports.user_calls(endpoint)
    assert targets(voice) == [path]


@pytest.mark.parametrize("domain", ["data", "pstn", ReportDomain.PSTN])
def test_the_domain_is_always_in_the_path(scripted: Any, domain: str):
    voice = scripted(REPORT)
    voice.reports.user_calls(USER, domain=domain)
    assert targets(voice) == [f"/users/username/abc123def/calls/{domain}"]


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (date(2014, 4, 28), "2014-04-28"),
        (NOON, "2014-04-28T12:00:00Z"),
        (datetime(2014, 4, 28, 14, tzinfo=timezone(timedelta(hours=2))), "2014-04-28T12:00:00Z"),
        (NOON + timedelta(microseconds=5), "2014-04-28T12:00:00.000005Z"),
    ],
)
def test_days_are_sent_as_days_and_times_in_utc(scripted: Any, moment: Any, text: str):
    voice = scripted(REPORT)
    voice.reports.user_calls(USER, start=moment)
    assert voice.requests[0].url.params["_start"] == text


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"endpoint": SipEndpoint("a@b")}, "no reports on SIP addresses"),
        ({"endpoint": OtherEndpoint("did", "+1")}, "endpoint is OtherEndpoint"),
        ({"endpoint": 46730170101}, "give a PstnEndpoint or an MxpEndpoint"),
        ({"endpoint": "sip:a@b"}, "no reports on SIP addresses"),
        ({"endpoint": "46730170101"}, "write '.46730170101'"),
        ({"endpoint": WITHOUT_PLUS}, "no leading plus"),
        ({"domain": "PSTN"}, "'data' or 'pstn'"),
        ({"domain": "mxp"}, "'data' or 'pstn'"),
        ({"start": datetime(2014, 4, 28)}, "no time zone"),  # noqa: DTZ001
        ({"stop": datetime(2014, 4, 28)}, "no time zone"),  # noqa: DTZ001
        ({"start": 20140428}, "give a date or a datetime"),
        ({"start": "28.4.2014"}, "start is '28.4.2014': give a day like 2026-11-01"),
        ({"stop": "2014-04-28T10:00"}, "no time zone"),
        ({"start": date(2014, 4, 28), "stop": date(2014, 4, 28)}, "not after"),
        ({"start": date(2014, 4, 28), "stop": date(2014, 4, 27)}, "not after"),
        ({"start": NOON, "stop": date(2014, 4, 28)}, "not after"),
        ({"start": date(2014, 4, 1), "stop": date(2014, 5, 2)}, "more than 30 days"),
        ({"start": NOON, "stop": NOON + timedelta(days=30, seconds=1)}, "user_calls_by_window"),
    ],
)
def test_an_impossible_report_is_refused_before_anything_is_sent(
    scripted: Any, arguments: dict[str, Any], problem: str
):
    voice = scripted(REPORT)
    with pytest.raises(InvalidRequest, match=problem):
        voice.reports.user_calls(**{"endpoint": USER, **arguments})
    assert voice.requests == []


def test_thirty_days_are_allowed_and_are_measured_in_utc(scripted: Any):
    voice = scripted(REPORT)
    voice.reports.user_calls(USER, start=date(2014, 4, 1), stop=date(2014, 5, 1))
    stockholm = ZoneInfo("Europe/Stockholm")
    october = datetime(2014, 10, 1, tzinfo=stockholm)
    with pytest.raises(InvalidRequest, match="30 days"):  # one hour longer than its dates
        voice.reports.user_calls(USER, start=october, stop=datetime(2014, 10, 31, tzinfo=stockholm))


# --- Windows -------------------------------------------------------------------------------------


def test_a_long_period_is_reported_window_by_window(scripted: Any):
    voice = scripted(REPORT)
    windows = list(
        voice.reports.user_calls_by_window(
            USER, date(2014, 1, 1), date(2014, 3, 5), timedelta(days=30), domain="pstn"
        )
    )
    assert [(window.start, window.stop) for window in windows] == [
        (date(2014, 1, 1), date(2014, 1, 31)),
        (date(2014, 1, 31), date(2014, 3, 2)),
        (date(2014, 3, 2), date(2014, 3, 5)),
    ]
    assert [window.report.success for window in windows] == [2, 2, 2]
    assert targets(voice)[-1] == (
        "/users/username/abc123def/calls/pstn?_start=2014-03-02&_stop=2014-03-05"
    )


def test_windows_of_times_are_in_utc_and_of_equal_length(scripted: Any):
    voice = scripted(REPORT)
    stockholm = ZoneInfo("Europe/Stockholm")
    windows = list(
        voice.reports.user_calls_by_window(
            USER,
            datetime(2014, 10, 25, tzinfo=stockholm),
            datetime(2014, 10, 27, tzinfo=stockholm),
            timedelta(hours=24),
        )
    )
    assert [window.stop - window.start for window in windows] == [
        timedelta(hours=24),
        timedelta(hours=24),
        timedelta(hours=1),
    ]
    assert windows[0].start.tzinfo is UTC


def test_windows_are_requested_one_at_a_time(scripted: Any):
    voice = scripted(REPORT)
    windows = voice.reports.user_calls_by_window(USER, date(2014, 1, 1), date(2014, 1, 9))
    assert len(voice.requests) == 0
    next(windows)
    assert len(voice.requests) == 1


def test_windows_are_awaited_in_the_async_client(scripted: Any):
    voice = scripted(REPORT, is_async=True)

    async def walk() -> list[ReportWindow]:
        windows = voice.reports.user_calls_by_window(USER, date(2014, 1, 1), date(2014, 1, 4))
        return [window async for window in windows]

    assert [window.start.day for window in asyncio.run(walk())] == [1, 2, 3]


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"stop": date(2014, 1, 1)}, "not after"),
        ({"stop": NOON}, "two days or two times"),
        ({"step": timedelta(0)}, "at most 30 days"),
        ({"step": timedelta(days=-1)}, "at most 30 days"),
        ({"step": timedelta(days=31)}, "at most 30 days"),
        ({"step": 1}, "give a timedelta"),
        ({"step": timedelta(hours=36)}, "whole days"),
        ({"endpoint": SipEndpoint("a@b")}, "no reports on"),
        ({"domain": "x"}, "'data' or 'pstn'"),
    ],
)
def test_impossible_windows_are_refused_at_the_call(
    scripted: Any, arguments: dict[str, Any], problem: str
):
    voice = scripted(REPORT)
    good = {"endpoint": USER, "start": date(2014, 1, 1), "stop": date(2014, 1, 9)}
    with pytest.raises(InvalidRequest, match=problem):
        voice.reports.user_calls_by_window(**{**good, **arguments})


def test_an_absurd_number_of_windows_costs_nothing_until_iterated(scripted: Any):
    voice = scripted(REPORT)
    day = timedelta(microseconds=1)
    windows = voice.reports.user_calls_by_window(USER, NOON, NOON + timedelta(days=9999), day)
    assert next(windows).stop == NOON + day


def test_a_server_that_ignores_the_window_is_logged(
    scripted: Any, caplog: pytest.LogCaptureFixture
):
    voice = scripted(REPORT)
    for start in (date(2014, 4, 28), NOON, None):
        voice.reports.user_calls(USER, start=start)
    assert [record for record in caplog.records if record.levelname == "WARNING"] == []
    voice.reports.user_calls(USER, start=date(2014, 4, 29))
    assert "the server seems to ignore start and stop" in caplog.text


# --- Answers -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["success", "failed", "duration"])
@pytest.mark.parametrize("value", [None, "many", 1.5, True, []])
def test_a_report_without_its_numbers_is_unexpected_and_never_zero(
    scripted: Any, name: str, value: Any
):
    voice = scripted(httpx.Response(200, json={**ANSWER, name: value}))
    with pytest.raises(UnexpectedResponse, match=f"the report's {name} is"):
        voice.reports.user_calls(USER)


@pytest.mark.parametrize("value", [None, "up", True, {}])
def test_a_counter_without_a_number_is_unexpected(scripted: Any, value: Any):
    with pytest.raises(UnexpectedResponse, match="the counter's value is"):
        scripted(httpx.Response(200, json={"value": value})).reports.counter("x")


@pytest.mark.parametrize(
    ("status", "expected", "is_up"),
    [
        ("up", "up", True),
        ("UP", "up", True),
        ("Down", "down", False),
        ("Degraded", "Degraded", False),
    ],
)
def test_the_status_of_a_service_is_open(scripted: Any, status: str, expected: str, is_up: bool):
    answer = scripted(httpx.Response(200, json={"status": status})).reports.service_status("x")
    assert (answer.status, answer.is_up) == (expected, is_up)


@pytest.mark.parametrize("status", [None, "", 1])
def test_a_service_without_a_status_is_unexpected(scripted: Any, status: Any):
    with pytest.raises(UnexpectedResponse, match="the service's status is"):
        scripted(httpx.Response(200, json={"status": status})).reports.service_status("x")
