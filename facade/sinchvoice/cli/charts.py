"""Charts of characters, for a terminal or any other reader of text."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING

from ..errors import printable
from .output import Output, write

if TYPE_CHECKING:
    from ..cdr.kpis import Dimension, KpiRow

__all__ = ["print_kpi_chart", "sparkline"]

_LEVELS, _PLAIN_LEVELS = "▁▂▃▄▅▆▇█", ".:-=+*#@"
_BAR, _PLAIN_BAR = "█", "#"
_LABEL = 32
_SHORTEST = 12  # characters of a line
_TIMES = ("day", "hour", "weekday")
_LONGEST_GAP = 31
"""Length of the longest gap, in days, whose days are shown; a longer one is a typing error."""


def sparkline(values: Sequence[float | None]) -> str:
    """Return a character for each value, from the lowest to the highest; a space for None."""
    found = [value for value in values if value is not None]
    least, most = min(found, default=0.0), max(found, default=0.0)
    levels = _LEVELS if _can_write(_LEVELS) else _PLAIN_LEVELS
    scale = (len(levels) - 1) / (most - least) if most > least else 0.0
    return "".join(
        " " if value is None else levels[round((value - least) * scale)] for value in values
    )


def print_kpi_chart(rows: Sequence[KpiRow], dimensions: Sequence[Dimension]) -> None:
    """Print a bar of attempts for each group, and for groups by time a line for each KPI.

    Args:
        rows: KPIs of each group.
        dimensions: Dimensions of the groups.
    """
    bars: list[tuple[str, KpiRow | None]]
    if list(dimensions) == ["day"]:
        bars = _with_empty_days(rows)
    else:
        bars = [(" ".join(_text(row.by[name]) for name in dimensions), row) for row in rows]
    if not bars:
        return
    width = Output.console().width
    label = min(_LABEL, max(len(text) for text, _ in bars))
    most = max(row.attempts if row else 0 for _, row in bars)
    size = max(1, width - label - len(str(most)) - len("      ASR 0.00"))
    block = _BAR if _can_write(_BAR) else _PLAIN_BAR
    for text, row in bars:
        attempts = row.attempts if row else 0
        bar = block * (max(1, round(size * attempts / most)) if attempts else 0)
        shown = text if len(text) <= label else f"{text[: label - 3]}..."
        asr = row.asr.value if row else None
        share = "" if asr is None else f"  ASR {asr:.2f}"
        write(f"{shown:{label}}  {attempts:{len(str(most))}}  {bar:{size}}{share}".rstrip())
    if len(dimensions) == 1 and dimensions[0] in _TIMES and len(bars) > 1:
        _print_lines([row for _, row in bars], width)


def _print_lines(rows: Sequence[KpiRow | None], width: int) -> None:
    """Print a line for each KPI, with several groups a character if the terminal is too narrow."""
    kpis: dict[str, list[float | None]] = {
        "attempts": [float(row.attempts) if row else 0.0 for row in rows],
        "ASR": [row.asr.value if row else None for row in rows],
        "ACD (s)": [row.acd.value if row else None for row in rows],
    }
    together = -(-len(rows) // max(_SHORTEST, width - 40))
    note = f"; a character is the mean of {together} groups" if together > 1 else ""
    write("")
    for name, values in kpis.items():
        points = [_mean(values[at : at + together]) for at in range(0, len(values), together)]
        found = [point for point in points if point is not None]
        if found:
            least, most = (f"{value:.4g}" for value in (min(found), max(found)))
            write(f"{name:8}  {sparkline(points)}  {least} to {most}{note}")


def _with_empty_days(rows: Sequence[KpiRow]) -> list[tuple[str, KpiRow | None]]:
    """Return the rows of days, with those between that have no calls."""
    found: list[tuple[str, KpiRow | None]] = []
    before: date | None = None
    for row in rows:
        day = row.by["day"]
        if isinstance(day, date) and before is not None and (day - before).days <= _LONGEST_GAP:
            empty = range(1, (day - before).days)
            found += [(str(before + timedelta(days=number)), None) for number in empty]
        found.append((_text(day), row))
        before = day if isinstance(day, date) else None
    return found


def _mean(values: Sequence[float | None]) -> float | None:
    found = [value for value in values if value is not None]
    return sum(found) / len(found) if found else None


def _text(value: object) -> str:
    return "-" if value is None else printable(str(value), limit=100)


def _can_write(text: str) -> bool:
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except (LookupError, UnicodeEncodeError):
        return False
    return True
