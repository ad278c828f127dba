"""The output of a run: results, errors, and the exit code.

A result is a record, a dict of JSON values such as `to_dict` returns. It is printed as a line of
JSON, as tab-separated text in a pipe, or as a table on a terminal.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from textwrap import fill
from typing import Any, TextIO, TypeAlias

import attrs
import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..errors import (
    ApiConnectionError,
    ApiError,
    ApiStatusError,
    AuthenticationError,
    ConfigurationError,
    InvalidRequest,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    Remedy,
    ServerError,
    SinchVoiceError,
    UnexpectedResponse,
    message_of,
    printable,
)

__all__ = [
    "EXIT_CODES",
    "WORDS",
    "AlarmsRaised",
    "DifferencesFound",
    "NoReports",
    "Output",
    "OutputClosed",
    "Record",
    "RejectsFound",
    "ReportsMissing",
    "RulesUnjudged",
    "SignatureMismatch",
    "exit_code",
    "show_error",
    "wrapped",
    "write",
    "write_csv_row",
]

Record: TypeAlias = Mapping[str, Any]


class OutputClosed(Exception):
    """The reader of the output is gone."""


class RejectsFound(Exception):
    """Some records cannot be read."""


class ReportsMissing(Exception):
    """Some reports on many users are missing."""


class NoReports(ReportsMissing):
    """All reports on many users are missing."""


class AlarmsRaised(Exception):
    """Some rules are broken."""


class RulesUnjudged(AlarmsRaised):
    """No rule is broken, but some cannot be judged."""


class DifferencesFound(Exception):
    """Records differ from an invoice or from reports."""


class SignatureMismatch(Exception):
    """A signature matches no form of the request."""


#: Exit codes by class of error; the nearest base class counts.
EXIT_CODES: Mapping[type[BaseException], int] = {
    SinchVoiceError: 1,
    OSError: 1,
    RejectsFound: 1,
    typer.TyperException: 2,
    InvalidRequest: 2,
    ConfigurationError: 3,
    AuthenticationError: 4,
    PermissionDeniedError: 4,
    NotFoundError: 5,
    RateLimitError: 6,
    ServerError: 7,
    ApiConnectionError: 8,
    UnexpectedResponse: 9,
    ApiStatusError: 10,
    SignatureMismatch: 11,
    ReportsMissing: 12,
    NoReports: 13,
    AlarmsRaised: 14,
    RulesUnjudged: 15,
    DifferencesFound: 16,
    KeyboardInterrupt: 130,
    BrokenPipeError: 141,
    OutputClosed: 141,
}

_READING = ("", "GET", "HEAD")
_NARROWEST = 7  # characters of a column, including the space after it

#: Names in the library's remedies, translated for the command line.
WORDS: Mapping[str, str] = {
    "amount_column": "--amount-column",
    "basic_auth": "--auth basic",
    "by": "--by",
    "callback_hosts": "--callback-host",
    "canonical_resource": "--canonical-resource",
    "currency_column": "--currency-column",
    "custom": "the text of --custom",
    "date_format": "--date-format",
    "day_column": "--day-column",
    "decimal_comma": "--decimal-comma",
    "delimiter": "--delimiter",
    "enable_ace": "--enable-ace",
    "fallback": "--fallback",
    "get_call": "'sinchvoice call get'",
    "incremental": "--incremental",
    "layout": "--layout",
    "minutes_column": "--minutes-column",
    "only_currency": "--currency",
    "prefixes": "--prefixes",
    "primary": "--primary",
    "recursive": "--recursive",
    "update_call": "'sinchvoice call update'",
    "user_calls_by_window": "--by-day or --step",
}

#: Arguments of the library at the beginning of errors, translated for the command line.
_ARGUMENTS: Mapping[str, str] = {
    "ace": "--ace",
    "alpha": "--alpha",
    "amount_tolerance": "--amount-tolerance",
    "application_key": "--application",
    "call_tolerance": "--call-tolerance",
    "by": "--by",
    "callback_headers": "--callback-header",
    "callback_url": "--callback-url",
    "capability": "--capability",
    "cli": "--cli",
    "conference_id": "CONFERENCE",
    "custom": "--custom",
    "day": "--day",
    "delimiter": "--delimiter",
    "destination": "ENDPOINT",
    "dice": "--dice",
    "direction": "--direction",
    "domain": "--domain",
    "dtmf": "--dtmf",
    "fallback": "--fallback",
    "greeting": "--greeting",
    "ice": "--ice",
    "kinds": "--kind",
    "kpi": "--kpi",
    "locale": "--locale",
    "max_duration": "--max-duration",
    "min_score": "--min-score",
    "minutes": "--minutes",
    "minutes_tolerance": "--minutes-tolerance",
    "min_attempts": "--min-attempts",
    "moh": "--moh",
    "moh_class": "--moh",
    "period": "--period",
    "percentiles": "--percentiles",
    "pie": "--pie",
    "prefixes": "--prefixes",
    "primary": "--primary",
    "prompts": "--prompts",
    "resume": "--resume",
    "second_tolerance": "--second-tolerance",
    "text": "TEXT",
    "top": "--top",
    "tz": "--tz",
    "user": "--user",
    "weeks": "--weeks",
    "where": "--where",
    "with": "--with",
}


def exit_code(error: BaseException) -> int:
    """Return the exit code of a run that ended with an error."""
    return next(EXIT_CODES[kind] for kind in type(error).__mro__ if kind in EXIT_CODES)


# --- Results -------------------------------------------------------------------------------------


@attrs.frozen
class Output:
    """Prints results on standard output.

    Attributes:
        as_json: Print JSON, also on a terminal.
    """

    as_json: bool = False

    def record(self, record: Record, *, labelled: bool = True) -> None:
        """Print one result: a JSON object, `key<tab>value` lines, or a table of two columns.

        Args:
            record: The result.
            labelled: Whether a terminal shows labels instead of keys.
        """
        if self.as_json:
            self._json(record)
        elif not sys.stdout.isatty():
            for key, value in record.items():
                write(f"{_plain(key)}\t{_plain(value)}")
        else:
            grid = Table.grid(padding=(0, 2))
            grid.add_column(style="bold", no_wrap=True)
            grid.add_column(overflow="fold")
            for key, value in record.items():
                name = _label(key) if labelled else Text(_plain(key))
                grid.add_row(name, Text(_plain(value) or "-"))
            self.console().print(grid)

    def rows(
        self,
        records: Iterable[Record],
        columns: Sequence[str],
        *,
        rounded: bool = False,
        labelled: bool = True,
    ) -> None:
        """Print results as they come: JSON lines, tab-separated text with a header, or a table.

        On a terminal too narrow for the columns, each result is a table.

        Args:
            records: Results with the same keys; if they end in an error, those before it are shown.
            columns: Keys to show on a terminal; JSON and pipes get all.
            rounded: Whether a terminal shows rounded fractions.
            labelled: Whether a terminal shows labels instead of keys.
        """
        if self.as_json:
            for record in records:
                self._json(record)
        elif not sys.stdout.isatty():
            for number, record in enumerate(records):
                if number == 0:
                    write("\t".join(map(_plain, record)))
                write("\t".join(_plain(value) for value in record.values()))
        elif len(columns) * _NARROWEST > self.console().width:
            for record in records:
                self.record(record, labelled=labelled)
                self.console().print()
        else:
            table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
            for name in columns:
                heading = _label(name) if labelled else Text(_plain(name))
                table.add_column(heading, overflow="fold")
            try:
                for record in records:
                    for column, name in zip(table.columns, columns, strict=True):
                        column.justify = (
                            "right" if isinstance(record[name], int | float) else "left"
                        )
                    cells = (
                        _in_short(record[name]) if rounded else record[name] for name in columns
                    )
                    table.add_row(*(Text(_plain(cell) or "-") for cell in cells))
            finally:
                if table.rows:
                    self.console().print(table)

    def heading(self, text: str) -> None:
        """Show a heading to a person."""
        if sys.stdout.isatty():
            self.console().print(Text(text, style="bold"))
        else:
            write(text)

    def _json(self, record: Record) -> None:
        write(json.dumps(record))

    @staticmethod
    def console() -> Console:
        """A terminal; without colours and styles if NO_COLOR asks for that."""
        plain = bool(os.environ.get("NO_COLOR"))
        return Console(
            color_system=None if plain else "auto", highlight=False, emoji=False, markup=False
        )


def write(line: str, stream: TextIO | None = None) -> None:
    """Write a line, to standard output if nothing else is said; no encoding makes it fail.

    On standard error it is for people: a terminal gets it broken at words.
    """
    out: TextIO = sys.stdout if stream is None else stream
    _put(wrapped(line) if out is sys.stderr else line, out)


# Possible starts of a cell with any separator: a spreadsheet with another separator does not see
# the quotes. Full-width forms count as the usual characters.
_FORMULA = re.compile(
    '(^|[,;|\t\r\n])(?=[\\s"\ufeff\u200b]*[=+\\-@\u2212\ufe62\ufe63\ufe66\ufe6b\uff0b\uff0d\uff1d\uff20]|[\t\r\n])'
)


def write_csv_row(cells: Iterable[object]) -> None:
    """Write a row of CSV without formulas for spreadsheets or control characters for terminals."""
    write(",".join(map(_csv_cell, cells)))


def _csv_cell(cell: object) -> str:
    if not isinstance(cell, str):
        return "" if cell is None else f"{cell:f}" if isinstance(cell, Decimal) else str(cell)
    text = _FORMULA.sub(r"\1'", cell)
    if sys.stdout.isatty():
        text = printable(text, len(text))
    return '"{}"'.format(text.replace('"', '""')) if re.search('[,;|"\t\r\n]', text) else text


def wrapped(text: str) -> str:
    """A text as standard error shows it: lines end at words if that is a terminal.

    Words that are longer than a line stay whole, so that they can be copied.
    """
    if not sys.stderr.isatty():
        return text
    return fill(text, Console(stderr=True).width, break_long_words=False, break_on_hyphens=False)


def _put(line: str, out: TextIO) -> None:
    encoding = out.encoding or "utf-8"
    try:
        out.write(line.encode(encoding, "backslashreplace").decode(encoding) + "\n")
        out.flush()
    except BrokenPipeError as error:
        raise OutputClosed from error


def _label(key: str) -> str:
    return "duration (s)" if key == "duration" else key.replace("_", " ")


def _plain(value: Any) -> str:
    """Return a value as text without control characters; endpoints as they are typed."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(_plain, value))
    if isinstance(value, Mapping):
        if value.keys() > {"currency", "amount"}:  # with prices derived from the amount
            return f"{_plain(value['amount'])} {_plain(value['currency'])}".rstrip()
        if value.keys() in ({"type", "endpoint"}, {"amount", "currency"}):
            separator = ":" if "type" in value else " "
            return separator.join(_plain(part) for part in value.values() if part is not None)
        value = json.dumps(value, ensure_ascii=False)
    return printable(str(value), limit=100_000)


def _in_short(value: object) -> object:
    if not isinstance(value, float):
        return value
    return f"{value:.3f}" if abs(value) < 10 else f"{value:.1f}"


# --- Errors --------------------------------------------------------------------------------------


def show_error(error: Exception, *, as_json: bool) -> None:
    """Print an error on standard error: a line and a hint, or a line of JSON."""
    message, hint = _message(error), _hint(error)
    if as_json:
        facts = (error if isinstance(error, SinchVoiceError) else SinchVoiceError()).to_dict()
        facts |= {"type": _name(error), "message": message, "hint": hint}
        _put(json.dumps({"error": facts}), sys.stderr)
        return
    write(f"error: {message}", sys.stderr)
    if hint:
        write(f"hint: {hint}", sys.stderr)


def _name(error: Exception) -> str:
    if isinstance(error, typer.TyperException):
        return "UsageError"
    return "OSError" if isinstance(error, OSError) else type(error).__name__


def _message(error: Exception) -> str:
    if isinstance(error, ApiError):  # its remedy is a hint
        text = message_of(error)
    elif isinstance(error, SinchVoiceError):
        text = message_of(error, _remedy(error))
        option = _ARGUMENTS.get(error.parameter or "")
        if option is not None and isinstance(error, InvalidRequest):
            text = re.sub(rf"^{error.parameter}\b", option, text)
    else:
        text = error.format_message() if isinstance(error, typer.TyperException) else str(error)
    text = text.partition("\n\nLINE ")[0]  # DuckDB adds the line of the query
    text = " ".join(text.split()).replace("Value error, ", "")  # typer 0.29 adds it, from pydantic
    return printable(text, limit=2000)


def _hint(error: Exception) -> str | None:
    hints = [*getattr(error, "__notes__", ())]
    if isinstance(error, ApiError):
        hints.extend(filter(None, [_remedy(error)]))
        if error.may_have_executed and error.method not in _READING:
            check = (
                f"check the call with {WORDS['get_call']}"
                if "/calls/" in error.path
                else "check whether it was done"
            )
            hints.append(f"{check} before you try again")
        elif isinstance(error, ApiConnectionError):
            hints.append("check the network and the region, or raise --timeout and --retries")
    return "; ".join(hint.removesuffix(".") for hint in hints) or None


def _remedy(error: SinchVoiceError) -> str | None:
    remedy = error.remedy
    return remedy.worded(WORDS) if isinstance(remedy, Remedy) else remedy
