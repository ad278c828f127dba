"""Tests of significance: known values, false alarms, and planted changes."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable

import pytest
from sinchvoice.cdr.significance import Sample, p_value, student_t, which_are_real

WEEK = (1.0, 1.1, 1.0, 1.0, 0.9, 0.3, 0.25)
WEEKS_7_7 = (range(28, 35), range(21, 28))
WEEK_AND_FOUR = (range(28, 35), range(28))
TRIALS = 400
DAY_AND_FOUR = ((28,), (0, 7, 14, 21))


# --- Known values --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("t", "degrees", "expected"),
    [  # by scipy.stats.t of SciPy 1.17
        (2.5, 1, 0.24223788318168682),
        (2.5, 2, 0.12961172022151082),
        (3.0, 3, 0.0576688856224373),
        (2.0, 6, 0.09242631153167512),
        (4.2, 7, 0.004035559925219959),
        (1.3, 27, 0.20459003818597546),
        (6.0, 40, 4.7264551327881806e-07),
        (0.0, 5, 1.0),
    ],
)
def test_tails_of_students_t_are_those_of_scipy(t: float, degrees: int, expected: float):
    assert student_t(t, degrees) == pytest.approx(expected, rel=1e-8)


def test_counts_of_two_weeks_give_the_p_value_of_a_poisson_model_with_weekdays():
    calls = [512, 498, 530, 477, 505, 160, 131, 480, 470, 498, 452, 461, 149, 118]
    days = [Sample(number % 7, x, 1, x) for number, x in enumerate(calls)]
    # By statsmodels 0.15: score test of the side in GLM(Poisson), 6 degrees of freedom.
    assert p_value(days[:7], days[7:], "count")[0] == pytest.approx(0.04602578164515, rel=1e-9)


def test_shares_give_the_p_value_of_two_proportions_if_days_vary_no_more_than_calls():
    exposures = [400, 390, 410, 405, 395, 402, 398, 407, 401]
    hits = [210, 190, 221, 200, 230, 246, 228, 251, 239]
    days = [Sample(0, x, n, n) for x, n in zip(hits, exposures, strict=True)]
    hits_1, calls_1, hits_2, calls_2 = 821, 1605, 1194, 2003
    share = (hits_1 + hits_2) / (calls_1 + calls_2)
    z = (hits_1 / calls_1 - hits_2 / calls_2) / math.sqrt(
        share * (1 - share) * (1 / calls_1 + 1 / calls_2)
    )
    assert p_value(days[:4], days[4:], "share")[0] == pytest.approx(student_t(-z, 7), rel=1e-12)


def test_sums_of_equal_days_give_about_the_p_value_of_a_t_test():
    period, reference = [101.0, 106, 104, 109, 105], [98.0, 103, 97, 105, 92, 110, 95]
    found = p_value(
        [Sample(0, x, 1, 10) for x in period], [Sample(0, x, 1, 10) for x in reference], "sum"
    )[0]
    assert found == pytest.approx(0.13133830, rel=0.05)  # scipy.stats.ttest_ind


# --- Not judged ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("period", "reference", "kind", "reason"),
    [
        ([], [(0, 9, 1, 9)] * 5, "count", "no calls on one side"),
        ([(0, 4, 4, 4)], [(0, 0, 0, 0)] * 5, "share", "no calls on one side"),
        ([(0, 1, 1, 1)] * 2, [(0, 2, 1, 2)] * 2, "count", "too few calls"),
        ([(0, 99, 100, 100)] * 3, [(0, 99, 100, 100)] * 3, "share", "too few calls"),
        ([(0, 900, 1, 900)], [(0, 700, 1, 700)], "count", "too few days to know how they vary"),
        ([(0, 900, 1, 900)], [(0, 0, 1, 0)] * 4, "count", "too few days to know how they vary"),
        ([(0, -5, 1, 50)] * 3, [(0, 7, 1, 50)] * 3, "sum", "negative amounts"),
    ],
)
def test_an_unjudged_change_has_a_reason(
    period: Iterable[tuple[int, float, float, int]],
    reference: Iterable[tuple[int, float, float, int]],
    kind: str,
    reason: str,
):
    sides = ([Sample(*each) for each in side] for side in (period, reference))
    assert p_value(*sides, kind) == (None, reason)  # type: ignore[arg-type]


def test_calls_that_begin_or_end_are_more_than_chance():
    calls = [Sample(day, 100 + day, 1, 100 + day) for day in range(7)]
    none = [Sample(day, 0, 1, 0) for day in range(7)]
    assert (p_value(calls, none, "count")[0] or 0) < 1e-4
    assert (p_value(none, calls, "count")[0] or 0) < 1e-4


def test_the_same_days_are_no_change_and_a_constant_shift_is_one():
    days = [Sample(day, 60.0, 1, 10) for day in range(7)]
    more = [Sample(day, 61.0, 1, 10) for day in range(7)]
    assert p_value(days, days, "sum") == (1.0, None)
    assert p_value(more, days, "sum") == (0.0, None)


def test_the_found_changes_are_those_of_benjamini_and_hochberg():
    # Table 1 of their article (1995): four of fifteen at 5 %.
    p = "0.0001 0.0004 0.0019 0.0095 0.0201 0.0278 0.0298 0.0344 0.0459 0.3240 0.4262 0.5719"
    values = [*map(float, p.split()), 0.6528, 0.7590, 1.0]
    assert which_are_real([None, *reversed(values)], 0.05) == [None, *[False] * 11, *[True] * 4]


# --- Simulation ----------------------------------------------------------------------------------


class Dice(random.Random):
    """Random numbers of calls, and of their sums."""

    def poisson(self, mean: float) -> int:
        return max(0, round(self.gauss(mean, math.sqrt(mean))))

    def binomial(self, calls: int, share: float) -> int:
        hits = round(self.gauss(calls * share, math.sqrt(calls * share * (1 - share))))
        return min(calls, max(0, hits))

    def counted(self, day: int, spread: float, change: float) -> Sample:
        calls = self.poisson(300 * change * WEEK[day % 7] * math.exp(self.gauss(0, spread)))
        return Sample(day % 7, calls, 1, calls)

    def shared(self, day: int, spread: float, change: float) -> Sample:
        calls = self.poisson(300 * WEEK[day % 7])
        share = 0.5 * change + 0.05 * (day % 7 > 4) + self.gauss(0, spread / 2)
        return Sample(day % 7, self.binomial(calls, min(0.99, max(0.01, share))), calls, calls)

    def summed(self, day: int, spread: float, change: float) -> Sample:
        calls = self.poisson(300 * WEEK[day % 7])
        mean = 90 * change * math.exp(self.gauss(0, spread))
        total = mean * calls * max(0.1, self.gauss(1, 1.8 / math.sqrt(calls)))
        return Sample(day % 7, total, calls, calls)


KINDS = {"count": Dice.counted, "share": Dice.shared, "sum": Dice.summed}


def found(
    sides: tuple[Iterable[int], Iterable[int]],
    kind: str,
    spread: float,
    change: float = 1.0,
    trials: int = TRIALS,
) -> float:
    """Return the share of trials with a p-value of at most 5 %."""
    dice = Dice(f"{sides} {kind} {spread} {change}")
    draw: Callable[[Dice, int, float, float], Sample] = KINDS[kind]
    hits = 0
    for _ in range(trials):
        period = [draw(dice, day, spread, change) for day in sides[0]]
        reference = [draw(dice, day, spread, 1.0) for day in sides[1]]
        p, reason = p_value(period, reference, kind)  # type: ignore[arg-type]
        assert p is not None, reason
        hits += p <= 0.05
    return hits / trials


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("sides", [WEEKS_7_7, WEEK_AND_FOUR, DAY_AND_FOUR])
@pytest.mark.parametrize("spread", [0.0, 0.05, 0.2])
def test_at_most_a_twentieth_of_equal_periods_differ(
    kind: str, sides: tuple[Iterable[int], Iterable[int]], spread: float
):
    # 5 %, and three times the standard error, because there are many such tests.
    assert found(sides, kind, spread) <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / TRIALS)


@pytest.mark.parametrize(
    ("kind", "sides", "spread", "change", "power"),
    [
        ("count", WEEK_AND_FOUR, 0.05, 0.9, 0.7),
        ("count", WEEKS_7_7, 0.05, 0.8, 0.9),
        ("count", DAY_AND_FOUR, 0.05, 0.4, 0.9),
        ("share", WEEK_AND_FOUR, 0.02, 0.9, 0.8),
        ("share", WEEKS_7_7, 0.02, 0.85, 0.8),
        ("sum", WEEK_AND_FOUR, 0.03, 0.8, 0.9),
    ],
)
def test_a_planted_change_is_found(
    kind: str,
    sides: tuple[Iterable[int], Iterable[int]],
    spread: float,
    change: float,
    power: float,
):
    assert found(sides, kind, spread, change, 200) >= power
