"""Tables as .xlsx files, for spreadsheets.

    with cdr.Archive("calls.duckdb", read_only=True) as archive:
        cdr.write_xlsx("kpis.xlsx", archive.kpis(by=("day", "country")))

This needs the extra: `pip install 'sinchvoice[xlsx]'`.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from importlib import import_module
from pathlib import Path
from typing import Any

import attrs

from ..errors import CdrError, InvalidRequest
from .kpis import KpiRow, Ratio
from .workspace import replacing

__all__ = ["write_xlsx"]

_MAX_ROWS = 1_048_576
_MAX_COLUMNS = 16_384
_MAX_TEXT = 32_767
"""Limits of the file format, with the header row."""
_MAX_DIGITS = 15
"""Significant digits of a number that spreadsheets keep."""
_FIRST_DAY = date(1900, 3, 1)
"""Spreadsheets disagree on earlier days, because some count a 29 February 1900."""
_WIDEST = 60

_FORMATS = {
    "text": "@",
    "whole": "0",
    "number": "0.00##",
    "exact": "General",
    "percent": "0.0%",
    "truth": "General",
    "day": "yyyy-mm-dd",
    "time": "yyyy-mm-dd hh:mm:ss",
    "fraction of a second": "yyyy-mm-dd hh:mm:ss.000",
}


def write_xlsx(
    path: str | os.PathLike[str],
    rows: Iterable[object],
    *,
    columns: Sequence[str] = (),
    percent: Iterable[str] = ("asr", "ner", "short_calls"),
) -> Path:
    """Write rows to a spreadsheet, readable by its owner alone.

    Text stays text: phone numbers, ids and what looks like a formula. Whole numbers of more than 15
    digits and amounts of more than 15 significant digits are written as text too, because
    spreadsheets would round them. Days and times are dates, in UTC; those before 1900-03-01 are
    text. Text of more than 32,767 characters is cut, with `…` at its end.

    The file is written under a temporary name and then renamed, and replaces an existing file.

    Args:
        path: Path of the file; it ends in `.xlsx`.
        rows: Mappings of column names to values, or objects such as `KpiRow` and
            `DayCompleteness`. A `KpiRow` has the columns of its dimensions, counts, ratios and
            percentiles, and for each currency `cost`, `per_talk_minute` and `per_started_minute`.
        columns: Names of the first columns, in order; others follow as they come.
        percent: Names of the columns with shares to show as percentages.

    Returns:
        The path.

    Raises:
        InvalidRequest: The path has another ending, or there are too many rows or columns.
        CdrError: The file cannot be written.
        ImportError: The extra is not installed.
    """
    target = Path(path)
    if target.suffix.lower() != ".xlsx":
        raise InvalidRequest(
            f"path is {os.fspath(path)!r}: give a name that ends in .xlsx", parameter="path"
        )
    try:
        writer = import_module("xlsxwriter")
    except ImportError as error:
        raise ImportError("spreadsheets need XlsxWriter: pip install 'sinchvoice[xlsx]'") from error
    table = [_cells(row) for row in rows]
    names = list(dict.fromkeys([*columns, *(name for row in table for name in row)]))
    if len(table) >= _MAX_ROWS or len(names) > _MAX_COLUMNS:
        raise InvalidRequest(
            f"the table has {len(table):,} rows and {len(names):,} columns: a spreadsheet has at "
            f"most {_MAX_ROWS - 1:,} rows below the names and {_MAX_COLUMNS:,} columns"
        )
    try:
        with (
            replacing(target) as new,
            writer.Workbook(str(new), {"tmpdir": str(new.parent)}) as workbook,
        ):
            _write(workbook, names, table, frozenset(percent))
    except (OSError, writer.exceptions.XlsxFileError) as error:
        reason = getattr(error, "strerror", None) or error
        raise CdrError(
            f"the spreadsheet cannot be written ({reason}): give another path", str(target)
        ) from error
    return Path(path)


def _write(
    workbook: Any,
    names: Sequence[str],
    table: Sequence[Mapping[str, object]],
    percent: frozenset[str],
) -> None:
    sheet = workbook.add_worksheet("Calls")
    formats = {kind: workbook.add_format({"num_format": _FORMATS[kind]}) for kind in _FORMATS}
    heading = workbook.add_format({"bold": True, "bottom": 1, "num_format": "@"})
    for column, name in enumerate(names):
        sheet.write_string(0, column, _text(name), heading)
        width = len(name)
        for row, values in enumerate(table, 1):
            value = values.get(name)
            if isinstance(value, Ratio):
                value = value.value
            if value is None:
                continue
            kind, found = _typed(value)
            if name in percent and kind == "number":
                kind = "percent"
            getattr(sheet, _WRITERS.get(kind, "write_number"))(row, column, found, formats[kind])
            width = max(width, _width(kind, found))
        sheet.set_column(column, column, min(width, _WIDEST) + 2)
    sheet.freeze_panes(1, 0)
    if table and names:
        sheet.autofilter(0, 0, len(table), len(names) - 1)
        sheet.ignore_errors({"number_stored_as_text": f"A1:XFD{len(table) + 1}"})


_WRITERS = {
    "text": "write_string",
    "truth": "write_boolean",
    "day": "write_datetime",
    "time": "write_datetime",
    "fraction of a second": "write_datetime",
}


def _typed(value: object) -> tuple[str, Any]:
    """Return the kind of a cell, one of `_FORMATS`, and its value."""
    if isinstance(value, datetime):
        moment = value if value.tzinfo is None else value.astimezone(UTC).replace(tzinfo=None)
        if moment.date() >= _FIRST_DAY:
            return ("fraction of a second" if moment.microsecond else "time"), moment
        return "text", f"{moment.isoformat()}Z"
    if isinstance(value, date):
        return ("day", value) if value >= _FIRST_DAY else ("text", value.isoformat())
    if isinstance(value, bool):
        return "truth", value
    if isinstance(value, int):
        return ("whole", value) if abs(value) < 10**_MAX_DIGITS else ("text", str(value))
    if isinstance(value, float):
        return ("number", value) if math.isfinite(value) else ("text", str(value))
    if isinstance(value, Decimal):
        if value.is_finite() and len(value.normalize().as_tuple().digits) <= _MAX_DIGITS:
            return "exact", float(value)
        return "text", f"{value:f}"
    return "text", _text(str(value))


def _text(text: str) -> str:
    text = text.encode("utf-8", "backslashreplace").decode()
    return text if len(text) <= _MAX_TEXT else text[: _MAX_TEXT - 1] + "…"


def _width(kind: str, value: object) -> int:
    """Return the width of a cell in characters."""
    if isinstance(value, date):
        return len(_FORMATS[kind])
    return len(f"{value:.4f}" if isinstance(value, float) else str(value))


_APART = ("by", "costs", "duration_percentiles", "setup_time_percentiles", "rest_groups")


def _cells(row: object) -> Mapping[str, object]:
    """Return the values of a row by the names of their columns."""
    if isinstance(row, Mapping):
        return row
    if isinstance(row, KpiRow):
        fields: dict[str, object] = {
            field.name: getattr(row, field.name)
            for field in attrs.fields(KpiRow)
            if field.name not in _APART
        }
        for name, found in (
            ("duration", row.duration_percentiles),
            ("setup_time", row.setup_time_percentiles),
        ):
            fields |= {
                f"{name}_p{rank:g}".replace(".", "_"): value for rank, value in found.items()
            }
        if row.rest_groups:
            fields["rest_groups"] = row.rest_groups
        for cost in row.costs:
            for name, value in (
                ("cost", cost.amount),
                ("per_talk_minute", cost.per_talk_minute),
                ("per_started_minute", cost.per_started_minute),
            ):
                fields[f"{name} {cost.currency or ''}".rstrip()] = value
        return {**{str(name): value for name, value in row.by.items()}, **fields}
    kind = type(row)
    if not attrs.has(kind):
        raise InvalidRequest(f"rows has a {kind.__name__}: give mappings or objects like KpiRow")
    derived = [name for name, value in vars(kind).items() if isinstance(value, property)]
    return {name: getattr(row, name) for name in (*(f.name for f in attrs.fields(kind)), *derived)}
