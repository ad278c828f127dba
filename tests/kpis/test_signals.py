"""Signals of fraud: the SQL agrees with plain Python, and look-alikes of fraud are not found."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import fraud_oracle as oracle
import pytest
from sinchvoice import InvalidRequest, cdr
from sinchvoice.cdr import signals

LOW = signals.Thresholds(
    past_days=3,
    burst_minutes=2,
    burst_calls=3,
    burst_share=30,
    burst_numbers=2,
    prefix_digits=9,
    destination_calls=1,
    destination_minutes=1,
    destination_factor=1,
    rate_calls=4,
    rate_factor=1,
    range_digits=2,
    range_numbers=3,
    range_factor=1,
    evidence=4,
)


@pytest.fixture(scope="module")
def noise(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[list[Any], cdr.Archive]]:
    calls = oracle.noise(3000, seed=7)
    with cdr.Archive(tmp_path_factory.mktemp("noise") / "calls.duckdb") as archive:
        assert archive.load(oracle.file(calls)).loaded == len(calls)
        yield calls, archive


@pytest.fixture(scope="module")
def found() -> tuple[oracle.World, signals.SignalReport]:
    world = oracle.world(seed=1)
    with cdr.scan(oracle.file(world.calls)) as calls:
        assert (calls.records, calls.rejected) == (len(world.calls), 0)
        return world, calls.signals(oracle.PERIOD)


def as_expected(found: signals.Signal) -> dict[str, Any]:
    """Return a signal in the form of the oracle."""
    return {
        "subject": found.subject,
        "currency": found.currency,
        "start": found.start.replace(tzinfo=None),
        "last": found.last.replace(tzinfo=None),
        "measured": found.measured,
        "threshold": found.threshold,
        "call_ids": found.call_ids,
        "counts": dict(found.counts),
    }


def assert_same(found: signals.SignalReport, expected: list[dict[str, Any]]) -> None:
    ordered = sorted(
        found.signals, key=lambda each: (each.subject, each.currency or "", each.start)
    )
    shown = [as_expected(each) for each in ordered]
    assert [each["subject"] for each in shown] == [each["subject"] for each in expected]
    for one, other in zip(shown, expected, strict=True):
        for name in ("measured",):
            assert one.pop(name) == pytest.approx(other[name], rel=1e-12)
        for name in ("price", "usual_price"):
            if name in one["counts"]:
                assert one["counts"].pop(name) == pytest.approx(other["counts"][name], rel=1e-12)
        other = {**other, "counts": {k: v for k, v in other["counts"].items() if "price" not in k}}
        del other["measured"]
        assert one == other


@pytest.mark.parametrize("kind", signals.KINDS)
def test_every_signal_is_as_plain_python_finds_it(noise: Any, kind: signals.SignalKind):
    calls, archive = noise
    expected = oracle.expected(kind, calls, LOW)
    assert len(expected) > 3
    assert_same(archive.signals(oracle.PERIOD, thresholds=LOW, kinds=[kind]), expected)


def precision_and_recall(world: oracle.World, report: signals.SignalReport) -> dict[str, Any]:
    """Print and return what was found of each kind: planted, found, right."""
    counts = {}
    print("\nsignal           planted found right precision recall")
    for kind in signals.KINDS:
        truth = {subject for name, subject in world.truth if name == kind}
        shown = {each.subject for each in report.signals if each.kind == kind}
        right = len(truth & shown)
        counts[kind] = (len(truth), len(shown), right)
        print(
            f"{kind:16} {len(truth):7} {len(shown):5} {right:5} "
            f"{right / len(shown):9.2f} {right / len(truth):6.2f}"
        )
    return counts


def test_planted_fraud_is_distinguished_from_look_alikes(found: Any):
    world, report = found
    precision_and_recall(world, report)
    shown = {(each.kind, each.subject) for each in report.signals}
    assert world.truth - shown == {("short_calls", "robot-5")}  # slower than the threshold
    assert shown - world.truth == {  # for the first time
        ("caller_rate", "fax"),
        ("caller_rate", "new-host"),
    }
    assert len(world.innocents - shown) == len(world.innocents) - 2


def test_fraud_is_found_as_guides_describe_it():
    world = oracle.described_world(seed=2)
    with cdr.scan(oracle.file(world.calls)) as calls:
        report = calls.signals(oracle.PERIOD)
    found = precision_and_recall(world, report)
    shown = {(each.kind, each.subject) for each in report.signals}
    assert world.truth - shown == {
        ("short_calls", "dialer-0"),  # one a minute is too slow
        ("short_calls", "dialer-1"),
        ("short_calls", "tester"),  # three numbers are too few
        ("new_destination", "24390"),  # called before
        ("prefix_rate", "17124"),  # fifteen calls an hour are too few
    }
    assert shown - world.truth == {
        ("short_calls", "reminders"),  # as many and as short as fraud
        ("caller_rate", "new-hire"),  # for the first time, as the branch
        ("called_range", "49890221"),
        ("prefix_rate", "44790"),  # where the machines call
        ("prefix_rate", "49123"),
    }
    assert [sum(column) for column in zip(*found.values(), strict=True)] == [26, 26, 21]


def test_evidence_leads_to_the_calls(found: Any):
    world, report = found
    (burst,) = (
        each for each in report.signals if each.subject == "robot-0" and "short" in each.kind
    )
    own = [call for call in world.calls if call.user == "robot-0"]
    assert burst.call_ids == tuple(call.call_id for call in own[:20])
    assert burst.counts == {"attempts": 45, "answered": 45, "short": 45, "numbers": 45}
    assert burst.measured == burst.counts["short"]
    assert burst.score == pytest.approx(100 * 45 / 65)
    assert burst.start == own[0].time.replace(tzinfo=UTC)
    assert burst.last == own[-1].time.replace(tzinfo=UTC)
    assert burst.reason == (
        "45 calls of at most 6 s within 10 minutes; 45 of 45 calls in all, to 45 numbers"
    )


def test_the_highest_score_comes_first_and_low_ones_can_be_left_out(found: Any):
    _, report = found
    scores = [each.score for each in report.signals]
    assert scores == sorted(scores, reverse=True)
    assert all(50 <= score < 100 for score in scores)
    assert report.calls == sum(oracle.START <= c.time < oracle.UNTIL for c in found[0].calls)
    assert report.past_days == 20


def test_the_days_of_a_period_are_those_of_the_time_zone(noise: Any):
    calls, archive = noise
    report = archive.signals("2026-11-23", tz="America/New_York", kinds=())
    start, until = datetime(2026, 11, 23, 5, tzinfo=UTC), datetime(2026, 11, 24, 5, tzinfo=UTC)
    assert (report.start, report.until) == (start, until)
    assert report.calls == sum(start <= call.time.replace(tzinfo=UTC) < until for call in calls)
    assert report.signals == ()


def test_numbers_are_the_same_with_plus_with_zeros_and_without():
    def burst(form: str) -> list[oracle.Call]:
        maker = oracle.Maker(1)
        for last in range(60):
            moment = oracle.START + timedelta(seconds=30 * last)
            maker.call(moment, "", f"{form}46850555{last:03}", 90)
            maker.received(moment, f"{form}46850777{last:03}", 0)
        return maker.world.calls

    kinds: list[signals.SignalKind] = ["prefix_rate", "called_range", "calling_range"]
    results = []
    for form in ("+", "00", ""):
        with cdr.scan(oracle.file(burst(form))) as calls:
            report = calls.signals(oracle.PERIOD, kinds=kinds)
        results.append([(each.kind, each.subject, each.measured) for each in report.signals])
    assert results[0] == results[1] == results[2]
    assert {kind for kind, _, _ in results[0]} == set(kinds)


def test_a_period_without_calls_has_no_signals(noise: Any):
    report = noise[1].signals("2030-01-01", min_score=1)
    assert (report.calls, report.past_days, report.signals) == (0, 0, ())


def test_signals_are_data(found: Any):
    for signal in found[1].signals:
        data = signal.to_dict()
        assert data["score"] == round(signal.score, 1)
        assert data["start"].endswith("Z")
        cost = data["counts"].get("cost")
        assert cost is None or isinstance(cost, str)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"period": "2026-11-31"}, "period is '2026-11-31': give a day like"),
        ({"period": "2026-11-29..2026-11-23"}, "give the first day first"),
        ({"kinds": ["calls"]}, "kinds is 'calls': give some of short_calls, "),
        ({"min_score": 101}, "min_score is 101: give a number from 0 to 100"),
        ({"tz": "Mars"}, "tz is 'Mars'"),
    ],
    ids=str,
)
def test_wrong_arguments_are_named(noise: Any, wrong: dict[str, Any], message: str):
    with pytest.raises(InvalidRequest) as error:
        noise[1].signals(**{"period": "2026-11-23", **wrong})
    assert message in str(error.value)


@pytest.mark.parametrize("value", [0, 1.5, True, "20", 10**9])
def test_thresholds_are_whole_numbers_in_a_range(value: Any):
    with pytest.raises(InvalidRequest, match="burst_calls is .*: give a whole number from 2 to"):
        signals.Thresholds(burst_calls=value)
