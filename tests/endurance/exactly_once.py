"""Thousands of calls while a fifth of the answers are lost, late, cut or wrong.

SOAK scales the figures down to a fifth, at which every fault still happens.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from sinchvoice import ApiError, PstnEndpoint, RetryPolicy, VoiceClient
from sinchvoice.sandbox import Sandbox, faults, running

PHONE = PstnEndpoint("+12125550123")
THREADS = 8
SCALE = min(1, max(0.2, float(os.environ.get("SOAK", "1"))))
PATCHES, CALLOUTS = int(10_000 * SCALE), int(5_000 * SCALE)
FAULTS = [
    faults.Reset(),
    faults.Reset(after=True),
    faults.Truncate(),
    faults.ContentType(),
    faults.bad_gateway(),
    faults.bad_gateway(after=True),
    faults.unavailable(0),
    faults.unavailable(after=True),
    faults.too_many_requests(0),
    faults.Latency(0.15),
    faults.Latency(0.15, after=True),
    faults.Redirect(),
]
# Retries without long waits, and a timeout shorter than the latency.
PATIENCE = {"timeout": 0.1, "retries": RetryPolicy(retries=3, first_delay=0.001)}


@pytest.fixture
def box(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    """Run a sandbox in which a fifth of the requests meet a fault."""
    kinds = getattr(request, "param", FAULTS)
    with running(populated=False) as sandbox:
        for fault in kinds:
            sandbox.inject(fault, probability=0.2 / len(kinds))
        yield sandbox


def outcomes(
    box: Sandbox, ask: Callable[[VoiceClient, int], object], count: int
) -> list[ApiError | None]:
    """Call that often, from several threads; return the errors, and None for each success."""
    with (
        VoiceClient.from_env(box.environ, **PATIENCE) as voice,  # type: ignore[arg-type]
        ThreadPoolExecutor(THREADS) as pool,
    ):

        def attempt(number: int) -> ApiError | None:
            try:
                ask(voice, number)
            except ApiError as error:
                return error
            return None

        return list(pool.map(attempt, range(count)))


def report(outcome: list[ApiError | None], box: Sandbox) -> None:
    """Show the outcomes; nox prints them."""
    kinds = Counter(type(error).__name__ if error else "success" for error in outcome)
    struck = sum(bool(request.faults) for request in box.requests)
    print(f"\n{dict(kinds)}; {struck} of the last {len(box.requests)} requests met a fault")


def test_a_thousand_gets_succeed_or_raise_a_typed_error(box: Sandbox):
    calls = [box.add_call(to=PHONE).call_id for _ in range(50)]

    def ask(voice: VoiceClient, number: int) -> None:
        call_id = calls[number % len(calls)]
        assert voice.calls.get(call_id).call_id == call_id

    outcome = outcomes(box, ask, 1000)
    report(outcome, box)
    struck = sum(bool(request.faults) for request in box.requests)
    assert 0.1 < struck / len(box.requests) < 0.3
    # Once in a thousand calls, four attempts in a row meet a fault that allows another attempt.
    assert sum(error is not None for error in outcome) < 20


def test_of_thousands_of_patches_none_is_executed_twice(box: Sandbox):
    calls = [box.add_call(to=PHONE) for _ in range(50)]

    def ask(voice: VoiceClient, number: int) -> None:
        voice.calls.say(calls[number % len(calls)].call_id, f"message {number}", leg="both")

    outcome = outcomes(box, ask, PATCHES)
    report(outcome, box)
    said = Counter(heard.what.text for call in calls for heard in call.heard)  # type: ignore[union-attr]
    assert set(said.values()) == {1}
    for number, error in enumerate(outcome):
        was_said = said[f"message {number}"] == 1
        if error is None:
            assert was_said
        elif was_said:
            assert error.may_have_executed
    raised = [error for error in outcome if error is not None]
    assert {error.may_have_executed for error in raised} >= {True}


# Without latency: a callout waits a minute for its answer.
PROMPT = [fault for fault in FAULTS if not isinstance(fault, faults.Latency)]


@pytest.mark.parametrize("box", [PROMPT], indirect=True, ids=[""])
def test_of_thousands_of_callouts_none_is_placed_twice(box: Sandbox):
    def ask(voice: VoiceClient, number: int) -> None:
        voice.callouts.text_to_speech(
            PHONE, cli="+12125550100", text="Hello", custom=f"callout {number}"
        )

    outcome = outcomes(box, ask, CALLOUTS)
    report(outcome, box)
    placed = Counter(call.custom for call in box.calls.values())
    assert set(placed.values()) == {1}
    for number, error in enumerate(outcome):
        was_placed = placed[f"callout {number}"] == 1
        if error is None:
            assert was_placed
        elif was_placed:
            assert error.may_have_executed
    assert {error.may_have_executed for error in outcome if error is not None} >= {True}
