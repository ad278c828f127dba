"""Tests whether a change between two sets of days is more than chance; pure, and without libraries.

The days are the samples, because calls of one day share its incidents and are not independent.
docs/how-to/compare-and-alert.md explains the test to users.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple, TypeAlias

__all__ = ["LEAST_CALLS", "Kind", "Sample", "p_value", "student_t", "which_are_real"]

Kind: TypeAlias = Literal["count", "share", "sum"]
"""Total of a sample: `count` of independent events, `share` of the exposure, or other `sum`."""

LEAST_CALLS = 5
"""Calls needed on each side; for shares, also hits and misses."""

_STEPS = 100


class Sample(NamedTuple):
    """One group of calls on one day.

    Attributes:
        stratum: Samples of a stratum are alike except for chance; the weekday.
        total: Numerator of the KPI.
        exposure: Denominator of the KPI; 1 for a total per day.
        calls: Calls behind the total.
    """

    stratum: int
    total: float
    exposure: float
    calls: int


def p_value(
    period: Sequence[Sample], reference: Sequence[Sample], kind: Kind
) -> tuple[float | None, str | None]:
    """Return the probability of a change at least this large by chance, or the reason for none.

    The total of a sample is expected to be `exposure * stratum * side`: each stratum and each of
    the two sides have a factor. The score test for equal sides has the variance between samples,
    estimated from the residuals, and Student's t distribution. Counts and shares vary at least as
    much as independent calls. Of two models of the variance, proportional to the expected total or
    to its square, the larger result counts.

    Args:
        period: Samples of the period.
        reference: Samples to compare with.
        kind: Kind of the totals.

    Returns:
        The two-sided p-value and None, or None and the reason.
    """
    sides = [[each for each in side if each.exposure > 0] for side in (period, reference)]
    if not sides[0] or not sides[1]:
        return None, "no calls on one side"
    if kind == "share":
        sides = _rarer(sides)
    totals = [sum(each.total for each in side) for side in sides]
    strata = [{each.stratum for each in side} for side in sides]
    if strata[0] != strata[1] or 0 in totals:
        sides = [[each._replace(stratum=0) for each in side] for side in sides]
    cells = _cells(sides)
    if reason := _too_few(sides, cells, kind):
        return None, reason
    if min(totals) < 0 or any(sum(cell.totals) < 0 for cell in cells.values()):
        return None, "negative amounts"
    cells = {stratum: cell for stratum, cell in cells.items() if sum(cell.totals) > 0}
    residuals = _residuals(sides, cells, kind)
    degrees = len(residuals) - (1 if 0 in totals else len(cells) + 1)
    if degrees < 1:
        return None, "too few days to know how they vary"
    floor = 0.0 if kind == "sum" else 1.0
    phi = sum(each.squared / each.base for each in residuals) / degrees
    phi, spread = max(phi, floor), _spread(residuals, degrees, floor)
    score = proportional = quadratic = 0.0
    for number, side in enumerate(sides):
        usual = {stratum: (cell.rate, cell.weight(number)) for stratum, cell in cells.items()}
        for each in side:
            rate, weight = usual.get(each.stratum, (0.0, 0.0))
            expected = each.exposure * rate
            base = _base(expected, each.exposure, kind)
            proportional += weight * phi * base
            quadratic += weight * (floor * base + spread * expected * expected)
            if number == 0:
                score += each.total - expected
    variance = max(proportional, quadratic)
    scale = math.fsum(abs(total) for total in totals)
    if abs(score) <= 1e-12 * scale:
        return 1.0, None
    if variance <= (1e-12 * scale) ** 2:
        return 0.0, None
    return student_t(abs(score) / math.sqrt(variance), degrees), None


def which_are_real(p_values: Iterable[float | None], alpha: float) -> list[bool | None]:
    """Return which changes are more than chance, by Benjamini and Hochberg; None stays None.

    Of the changes found, a share of at most `alpha` is expected to be chance; with no real change,
    `alpha` is the probability to find any.
    """
    given = list(p_values)
    ranked = sorted(p for p in given if p is not None)
    limit = -1.0
    for rank, p in enumerate(ranked, 1):
        if p <= alpha * rank / len(ranked):
            limit = p
    return [None if p is None else p <= limit for p in given]


def student_t(t: float, degrees: int) -> float:
    """Return the two-sided tail probability of Student's t distribution.

    Args:
        t: Absolute value of the statistic.
        degrees: Degrees of freedom; 1 or more.

    Source:
        The finite sums 26.7.3 and 26.7.4 in Abramowitz and Stegun, Handbook of Mathematical
        Functions.
    """
    angle = math.atan2(t, math.sqrt(degrees))
    cosine = math.sqrt(degrees) / math.hypot(t, math.sqrt(degrees))
    term = cosine if degrees % 2 else 1.0
    total = 0.0
    for step in range(degrees % 2 + 1, degrees, 2):
        total += term
        term *= cosine**2 * step / (step + 1)
    within = math.sin(angle) * total
    if degrees % 2:
        within = 2 / math.pi * (angle + within)
    return min(1.0, max(0.0, 1.0 - within))


# --- The model -----------------------------------------------------------------------------------


class _Cell(NamedTuple):
    """A stratum: totals, exposures and calls of both sides."""

    totals: tuple[float, float]
    exposures: tuple[float, float]

    @property
    def rate(self) -> float:
        return sum(self.totals) / sum(self.exposures)

    def weight(self, side: int) -> float:
        """Return the weight of the variance of a side in that of the score."""
        return (self.exposures[1 - side] / sum(self.exposures)) ** 2


class _Residual(NamedTuple):
    squared: float
    base: float
    expected: float


def _rarer(sides: list[list[Sample]]) -> list[list[Sample]]:
    """Return misses in place of hits if there are fewer: factors fit rare events better."""
    hits = sum(each.total for side in sides for each in side)
    if 2 * hits <= sum(each.exposure for side in sides for each in side):
        return sides
    return [[each._replace(total=each.exposure - each.total) for each in side] for side in sides]


def _cells(sides: Sequence[Sequence[Sample]]) -> dict[int, _Cell]:
    found: dict[int, list[list[float]]] = defaultdict(lambda: [[0.0, 0.0], [0.0, 0.0]])
    for number, side in enumerate(sides):
        for each in side:
            totals, exposures = found[each.stratum]
            totals[number] += each.total
            exposures[number] += each.exposure
    return {
        stratum: _Cell((totals[0], totals[1]), (exposures[0], exposures[1]))
        for stratum, (totals, exposures) in found.items()
    }


def _too_few(sides: Sequence[Sequence[Sample]], cells: dict[int, _Cell], kind: Kind) -> str | None:
    """Return why the normal approximation does not hold, if so."""
    exposures = [sum(each.exposure for each in side) for side in sides]
    calls: list[float] = [sum(each.calls for each in side) for side in sides]
    if any(each.exposure != each.calls for side in sides for each in side):
        # A total: what counts are the expected calls. Otherwise calls are the denominator.
        calls = [sum(calls) * exposure / sum(exposures) for exposure in exposures]
    least = min(calls)
    if kind == "share":
        rate = sum(sum(cell.totals) for cell in cells.values()) / sum(exposures)
        least = min(exposures) * min(rate, 1 - rate)
    return "too few calls" if least < LEAST_CALLS else None


def _residuals(
    sides: Sequence[Sequence[Sample]], cells: dict[int, _Cell], kind: Kind
) -> list[_Residual]:
    """Return the residuals of the model with a factor for each stratum and each side."""
    factors = _side_factors(cells)
    rates = {
        stratum: sum(cell.totals)
        / sum(x * factor for x, factor in zip(cell.exposures, factors, strict=True))
        for stratum, cell in cells.items()
    }
    found = []
    for side, factor in zip(sides, factors, strict=True):
        for each in side:
            expected = each.exposure * rates.get(each.stratum, 0.0) * factor
            base = _base(expected, each.exposure, kind)
            if base > 0:
                found.append(_Residual((each.total - expected) ** 2, base, expected))
    return found


def _side_factors(cells: dict[int, _Cell]) -> tuple[float, float]:
    """Return the factor of each side, by iterative proportional fitting."""
    totals = [sum(cell.totals[number] for cell in cells.values()) for number in (0, 1)]
    factors: list[float] = [1.0, 1.0]
    for _ in range(_STEPS if len(cells) > 1 else 1):
        expected: list[float] = [0.0, 0.0]
        for cell in cells.values():
            both = cell.exposures[0] * factors[0] + cell.exposures[1] * factors[1]
            rate = sum(cell.totals) / both if both else 0.0
            for number in (0, 1):
                expected[number] += rate * cell.exposures[number]
        new: list[float] = [
            total / usual if usual else 0.0 for total, usual in zip(totals, expected, strict=True)
        ]
        done = max(abs(a - b) for a, b in zip(new, factors, strict=True)) < 1e-12
        factors = new
        if done:
            break
    return factors[0], factors[1]


def _base(expected: float, exposure: float, kind: Kind) -> float:
    """Return the variance of independent calls; for a sum, up to a factor."""
    return expected * max(0.0, 1 - expected / exposure) if kind == "share" else expected


def _spread(residuals: Sequence[_Residual], degrees: int, floor: float) -> float:
    """Return the squared relative spread between samples beyond `floor * base`.

    It solves sum of squared / (floor * base + spread * expected**2) = degrees, by Newton's method:
    the sum is convex and falls, so the steps from 0 approach the solution from one side.
    """
    if not floor:
        return sum(each.squared / each.expected**2 for each in residuals) / degrees
    spread = 0.0
    for _ in range(_STEPS):
        excess, slope = -float(degrees), 0.0
        for each in residuals:
            variance = each.base + spread * each.expected**2
            excess += each.squared / variance
            slope += each.squared * each.expected**2 / variance**2
        if excess <= 1e-9 * degrees:
            break
        spread += excess / slope
    return spread
