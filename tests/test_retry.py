"""retry.py: when to retry, and how long to wait."""

from __future__ import annotations

from email.utils import formatdate
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sinchvoice import ConfigurationError, RateLimitError, RetryPolicy
from sinchvoice.retry import UNREADABLE, Failure, retry_after_seconds

NEVER_SENT = {"status_code": None, "may_have_executed": False}
BROKEN = {"status_code": None, "may_have_executed": True}
NOW = 1_400_000_000.0


def status(code: int, *, acted: bool = False) -> dict[str, Any]:
    return {"status_code": code, "may_have_executed": acted}


def delay(policy: RetryPolicy, attempt: int = 1, **facts: Any) -> float | None:
    """Return the delay after a GET that got 503, by default the longest of the random waits."""
    remaining, dice = facts.pop("remaining", None), facts.pop("dice", 1.0)
    failure = Failure(**{"replayable": True, **status(503, acted=True)} | facts)
    return policy.delay(attempt, failure, remaining, lambda: dice)


# --- decisions -----------------------------------------------------------------------------------


OUTCOMES: dict[str, tuple[dict[str, Any], bool, bool]] = {
    "never sent": (NEVER_SENT, True, True),
    "sent without an answer": (BROKEN, True, False),
    "429": (status(429), True, True),
    "429 after an attempt without an answer": (status(429, acted=True), True, False),
    "502": (status(502, acted=True), True, False),
    "503": (status(503, acted=True), True, False),
    "504": (status(504, acted=True), True, False),
    "500": (status(500, acted=True), False, False),
    "501": (status(501, acted=True), False, False),
    "505": (status(505, acted=True), False, False),
    "599": (status(599, acted=True), False, False),
    "304": (status(304, acted=True), False, False),
    "307": (status(307), False, False),
    "400": (status(400), False, False),
    "401": (status(401), False, False),
    "402": (status(402), False, False),
    "403": (status(403), False, False),
    "404": (status(404), False, False),
    "408": (status(408), False, False),
    "409": (status(409), False, False),
    "422": (status(422), False, False),
}


@pytest.mark.parametrize(("outcome", "get", "patch"), OUTCOMES.values(), ids=OUTCOMES)
def test_only_harmless_requests_are_retried(outcome: dict[str, Any], get: bool, patch: bool):
    tried = [
        delay(RetryPolicy(), replayable=replayable, **outcome) is not None
        for replayable in (True, False)
    ]
    assert tried == [get, patch]


@given(
    st.integers(1, 10),
    st.none() | st.integers(100, 599),
    st.none() | st.floats(0, 30),
    st.floats(0, 1),
)
def test_a_request_that_may_have_executed_and_is_not_replayable_is_never_sent_again(
    attempt: int, code: int | None, retry_after: float | None, dice: float
):
    failure = Failure(
        replayable=False, may_have_executed=True, status_code=code, retry_after=retry_after
    )
    assert RetryPolicy(retries=100).delay(attempt, failure, None, lambda: dice) is None


@given(st.integers(0, 20), st.integers(1, 40))
def test_there_are_never_more_retries_than_allowed(retries: int, attempt: int):
    tried = delay(RetryPolicy(retries=retries), attempt) is not None
    assert tried == (attempt <= retries)


def test_retrying_can_be_switched_off():
    assert delay(RetryPolicy(retries=0), **NEVER_SENT) is None


# --- delays --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("attempt", "shortest", "longest"),
    [(1, 0.25, 0.5), (2, 0.5, 1), (3, 1, 2), (4, 2, 4), (5, 4, 8), (6, 4, 8), (100, 4, 8)],
)
def test_each_wait_is_twice_as_long_up_to_a_limit(attempt: int, shortest: float, longest: float):
    policy = RetryPolicy(retries=100)
    waits = [delay(policy, attempt, dice=dice) for dice in (0.0, 1.0)]
    assert waits == [shortest, longest]


@given(
    st.just(0.0) | st.floats(0.001, 100),
    st.floats(0, 100),
    st.integers(1, 5000),
    st.floats(0, 1),
)
def test_a_wait_is_between_half_its_ceiling_and_all_of_it(
    first_delay: float, max_delay: float, attempt: int, dice: float
):
    policy = RetryPolicy(retries=5000, first_delay=first_delay, max_delay=max_delay)
    ceiling = min(max_delay, first_delay * 2.0 ** min(attempt - 1, 200))
    wait = delay(policy, attempt, dice=dice)
    assert wait is not None
    assert ceiling / 2 <= wait <= ceiling


def test_waits_of_many_clients_are_spread():
    waits = {delay(RetryPolicy(), dice=dice / 10) for dice in range(11)}
    assert len(waits) == 11


def test_without_delays_there_is_no_wait():
    assert delay(RetryPolicy(first_delay=0.0)) == 0.0
    assert delay(RetryPolicy(max_delay=0.0)) == 0.0


@pytest.mark.parametrize("code", [429, 503])
@pytest.mark.parametrize("seconds", [0.0, 1.5, 9.0, 30.0])
def test_the_server_decides_on_the_wait_if_it_asks_for_one(code: int, seconds: float):
    assert delay(RetryPolicy(), status_code=code, retry_after=seconds, dice=0.0) == seconds


@pytest.mark.parametrize("seconds", [30.001, 31.0, 86400.0, float("inf")])
def test_a_retry_after_over_the_limit_ends_the_retries(seconds: float):
    assert delay(RetryPolicy(), retry_after=seconds) is None


def test_the_limit_on_retry_after_can_be_set():
    assert delay(RetryPolicy(max_retry_after=60), retry_after=60.0) == 60.0
    assert delay(RetryPolicy(max_retry_after=0), retry_after=1.0) is None


@pytest.mark.parametrize(
    ("wait", "remaining", "expected"),
    [
        ({}, 0.6, 0.5),
        ({}, 0.5, None),
        ({}, 0.4, None),
        ({}, 0.0, None),
        ({}, -1.0, None),
        ({"retry_after": 10.0}, 10.5, 10.0),
        ({"retry_after": 10.0}, 10.0, None),
        ({"retry_after": 10.0}, 5.0, None),
        ({"retry_after": 0.0}, 0.1, 0.0),
        ({"retry_after": 0.0}, 0.0, None),
    ],
    ids=str,
)
def test_no_wait_exceeds_the_deadline(
    wait: dict[str, float], remaining: float, expected: float | None
):
    assert delay(RetryPolicy(), remaining=remaining, **wait) == expected


# --- Retry-After ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("0", 0.0),
        ("120", 120.0),
        (" 120 ", 120.0),
        ("1.5", 1.5),
        ("9999999999", 9999999999.0),
        (formatdate(NOW + 90, usegmt=True), 90.0),
        (formatdate(NOW, usegmt=True), 0.0),
        (formatdate(NOW - 90, usegmt=True), 0.0),
        ("Tuesday, 13-May-14 16:54:50 GMT", 90.0),
        ("Tue May 13 16:54:50 2014", 90.0),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
        ("99999999999", 99999999999.0),
        ("0" * 100 + "5", 5.0),
        ("9" * 5000, 1e12),
        ("1." + "5" * 5000, 1 + 5 / 9),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 253402300799.0 - NOW),
        ("5, 10", 10.0),
        ("10,5", 10.0),
        (f"{formatdate(NOW + 90, usegmt=True)}, 5", 90.0),
        (f"5, {formatdate(NOW + 90, usegmt=True)}", 90.0),
        (f"{formatdate(NOW, usegmt=True)},{formatdate(NOW + 90, usegmt=True)}", 90.0),
        ("Tuesday, 13-May-14 16:54:50 GMT, 91", 91.0),
        ("20s, 5", 5.0),
        ("soon, 5", 5.0),
        (["5", "10"], 10.0),
        (["10", formatdate(NOW + 5, usegmt=True)], 10.0),
        (["20s", "5, 7"], 7.0),
        (None, None),
        ([], None),
        ("", UNREADABLE),
        (" ", UNREADABLE),
        (",", UNREADABLE),
        ("20s", UNREADABLE),
        ("1m0s", UNREADABLE),
        ("PT20S", UNREADABLE),
        ("0:20", UNREADABLE),
        (["20s", "1m0s"], UNREADABLE),
        ("5; 10", UNREADABLE),
        ("-1", UNREADABLE),
        ("+1", UNREADABLE),
        ("1e3", UNREADABLE),
        ("1_000", UNREADABLE),
        ("0x10", UNREADABLE),
        ("٣", UNREADABLE),
        ("inf", UNREADABLE),
        ("nan", UNREADABLE),
        ("soon", UNREADABLE),
        ("120 s", UNREADABLE),
        (".5", UNREADABLE),
        ("5.", UNREADABLE),
        ("Tue, 99 May 2014 16:54:50 GMT", UNREADABLE),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_retry_after_is_read_in_both_forms_and_the_longest_counts(header: Any, seconds: Any):
    actual = retry_after_seconds(header, NOW)
    if isinstance(seconds, float):
        assert actual == pytest.approx(seconds)
    else:
        assert actual is seconds


@given(
    st.none()
    | st.text(st.characters(exclude_categories=()))
    | st.lists(st.from_regex(r"[0-9a-z, :.-]{0,20}", fullmatch=True)),
    st.floats(0, 4e9),
)
def test_retry_after_is_never_negative_and_reading_it_never_raises(header: Any, now: float):
    seconds = retry_after_seconds(header, now)
    assert (seconds is None) == (header is None or header == [])
    assert seconds is None or seconds is UNREADABLE or 0 <= seconds <= 1e12


def test_an_unreadable_wait_becomes_the_longest_own_one():
    policy = RetryPolicy(first_delay=0.5, max_delay=8, max_retry_after=1)
    assert delay(policy, retry_after=UNREADABLE, dice=0.0) == 8
    assert delay(policy, retry_after=UNREADABLE, remaining=8.0) is None
    assert delay(policy, attempt=3, retry_after=UNREADABLE) is None


def test_an_error_shows_only_a_readable_wait():
    error = RateLimitError("", status_code=429, retry_after=UNREADABLE)  # type: ignore[arg-type]
    assert error.retry_after is None
    assert "retry after" not in str(error)


# --- settings ------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [-1, 1.5, 2.0, True, "2", None])
def test_an_invalid_number_of_retries_is_refused(value: Any):
    with pytest.raises(ConfigurationError, match=f"retries is {value!r}: give a whole number"):
        RetryPolicy(retries=value)


@pytest.mark.parametrize("name", ["first_delay", "max_delay", "max_retry_after"])
@pytest.mark.parametrize("value", [-0.1, float("nan"), True, "1", None])
def test_invalid_delays_are_refused(name: str, value: Any):
    with pytest.raises(ConfigurationError, match=f"{name} is {value!r}: give seconds, 0 or more"):
        RetryPolicy(**{name: value})


def test_the_defaults_are_two_retries_within_seconds():
    assert RetryPolicy() == RetryPolicy(
        retries=2, first_delay=0.5, max_delay=8.0, max_retry_after=30.0
    )


def test_a_policy_takes_whole_seconds():
    assert delay(RetryPolicy(first_delay=1, max_delay=4, max_retry_after=9)) == 1


def test_a_policy_cannot_be_changed():
    with pytest.raises(AttributeError):
        RetryPolicy().retries = 5
