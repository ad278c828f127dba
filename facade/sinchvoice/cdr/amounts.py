"""Exact arithmetic with amounts."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal, localcontext

__all__ = ["exact_sum", "without_zeros"]


def exact_sum(values: Iterable[Decimal]) -> Decimal:
    """Return an exact sum; by default, Python rounds it to 28 digits."""
    with localcontext() as context:
        context.prec = 100
        return sum(values, Decimal(0))


def without_zeros(value: Decimal | int) -> Decimal:
    """Return a number without the trailing zeros of its column type."""
    text = f"{value:f}"
    return Decimal(text.rstrip("0").rstrip(".") if "." in text else text)
