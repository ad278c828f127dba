"""What a run prints: results for people, pipes and programs; errors; and the exit code.

A result is a record: a dict that is JSON already, but for exact decimals inside of what others
wrote. Programs get it as one line of JSON, pipes as tab-separated text, terminals as a table.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, TextIO, TypeAlias

import attrs
import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..calls import Call, Price
from ..endpoints import Endpoint
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
    ServerError,
    SinchVoiceError,
    UnexpectedResponse,
    printable,
)
from ..reports import Counter, ServiceStatus, UserCallReport

__all__ = [
    "EXIT_CODES",
    "Output",
    "OutputClosed",
    "Record",
    "RejectsFound",
    "SignatureMismatch",
    "call_record",
    "counter_record",
    "endpoint_record",
    "exit_code",
    "report_record",
    "service_record",
    "show_error",
    "write",
]

Record: TypeAlias = Mapping[str, Any]


class OutputClosed(Exception):
    """Nobody reads the output any more."""


class RejectsFound(Exception):
    """There are records that cannot be read."""


class SignatureMismatch(Exception):
    """A signature that somebody computed fits no form of the request."""


#: The class of an error decides; the nearest one in its ancestry counts.
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
    KeyboardInterrupt: 130,
    BrokenPipeError: 141,
    OutputClosed: 141,
}

_NARROWEST = 7
"""Nobody can read columns of fewer characters, with the space between them."""

# Messages of the library name its methods and settings; here they are commands and options.
_WORDS = (
    ("use user_calls_by_window", "use --by-day or --step"),
    ("use calls.update", "use 'sinchvoice call update'"),
    ("look with calls.get", "look with 'sinchvoice call get'"),
    ("auth='basic'", "--auth basic"),
    ("set canonical_resource", "set --canonical-resource"),
    ("give layout=", "give --layout"),
    ("give it as layout=", "give it as --layout"),
    ("recursive=True", "--recursive"),
)


def exit_code(error: BaseException) -> int:
    """The exit code of a run that an error ended."""
    return next(EXIT_CODES[kind] for kind in type(error).__mro__ if kind in EXIT_CODES)


# --- records ------------------------------------------------------------------------------------


def endpoint_record(endpoint: Endpoint | None) -> Record | None:
    """Type and value of an endpoint, both there whatever is known."""
    return None if endpoint is None else {"type": None, "endpoint": None, **endpoint.to_wire()}


def call_record(call: Call) -> Record:
    """A call, in the order in which a person would ask."""
    return {
        "call_id": call.call_id,
        "from": endpoint_record(call.from_),
        "to": endpoint_record(call.to),
        "domain": call.domain,
        "status": call.status,
        "result": call.result,
        "reason": call.reason,
        "timestamp": _time(call.timestamp),
        "duration": call.duration,
        "user_rate": _price(call.user_rate),
        "debit": _price(call.debit),
        "custom": call.custom,
    }


def report_record(
    endpoint: Endpoint,
    domain: str,
    start: date | datetime | None,
    stop: date | datetime | None,
    report: UserCallReport,
) -> Record:
    """What the calls of a user came to, and what was asked."""
    return {
        "endpoint": endpoint_record(endpoint),
        "domain": domain,
        "start": _time(start),
        "stop": _time(stop),
        "success": report.success,
        "failed": report.failed,
        "duration": report.duration,
        "first_call": _time(report.start),
    }


def counter_record(counter_id: str, counter: Counter) -> Record:
    """A counter and its name."""
    return {"counter": counter_id, "value": counter.value, "modified": _time(counter.modified)}


def service_record(service_id: str, service: ServiceStatus) -> Record:
    """A service and its name."""
    return {"service": service_id, "status": service.status, "is_up": service.is_up}


def _time(moment: date | datetime | None) -> str | None:
    if isinstance(moment, datetime):
        return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return None if moment is None else moment.isoformat()


def _price(price: Price | None) -> Record | None:
    if price is None:
        return None
    amount = None if price.amount is None else f"{price.amount:f}"
    return {"amount": amount, "currency": price.currency}


# --- results ------------------------------------------------------------------------------------


@attrs.frozen
class Output:
    """Shows results on standard output.

    Attributes:
        as_json: print JSON, whoever reads it.
    """

    as_json: bool = False

    def record(self, record: Record, *, labelled: bool = True) -> None:
        """Show one result: a JSON object, `key<tab>value` lines, or a table of two columns.

        Args:
            record: the result.
            labelled: whether people get labels instead of the keys.
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
        """Show results as they come: JSON lines, tab-separated text with a header, or a table.

        If a table had too many columns for the terminal, each result is one of its own.

        Args:
            records: all with the same keys; if they end in an error, those before it are shown.
            columns: the keys for people; programs and pipes get all of them.
            rounded: whether people get fractions in short.
            labelled: whether people get labels instead of the keys.
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
        write(json.dumps(record, default=_number))

    @staticmethod
    def console() -> Console:
        """A terminal; without colours and styles if NO_COLOR asks for that."""
        plain = bool(os.environ.get("NO_COLOR"))
        return Console(
            color_system=None if plain else "auto", highlight=False, emoji=False, markup=False
        )


def write(line: str, stream: TextIO | None = None) -> None:
    """Write a line, to standard output if nothing else is said; no encoding makes it fail."""
    out: TextIO = sys.stdout if stream is None else stream
    encoding = out.encoding or "utf-8"
    try:
        out.write(line.encode(encoding, "backslashreplace").decode(encoding) + "\n")
        out.flush()
    except BrokenPipeError as error:
        raise OutputClosed from error


def _label(key: str) -> str:
    return "duration (s)" if key == "duration" else key.replace("_", " ")


def _plain(value: Any) -> str:
    """A value as one piece of text without control characters; endpoints as they are typed."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(_plain, value))
    if isinstance(value, Mapping):
        if value.keys() > {"currency", "amount"}:  # and the prices that follow from it
            return f"{_plain(value['amount'])} {_plain(value['currency'])}".rstrip()
        if value.keys() in ({"type", "endpoint"}, {"amount", "currency"}):
            separator = ":" if "type" in value else " "
            return separator.join(_plain(part) for part in value.values() if part is not None)
        value = json.dumps(value, default=_number, ensure_ascii=False)
    return printable(str(value), limit=100_000)


def _in_short(value: object) -> object:
    if not isinstance(value, float):
        return value
    return f"{value:.3f}" if abs(value) < 10 else f"{value:.1f}"


def _number(value: object) -> float | str:
    """An exact decimal as a JSON number if that is exact as well, otherwise as text."""
    assert isinstance(value, Decimal)  # noqa: S101 - records hold nothing else that is not JSON
    number = float(value)
    return number if Decimal(repr(number)) == value else str(value)


# --- errors -------------------------------------------------------------------------------------


def show_error(error: Exception, *, as_json: bool) -> None:
    """Say on standard error what went wrong: a line and a hint, or a line of JSON."""
    message, hint = _message(error), _hint(error)
    if as_json:
        facts = {
            "type": "UsageError" if isinstance(error, typer.TyperException) else _name(error),
            "message": message,
            "status_code": getattr(error, "status_code", None),
            "error_code": getattr(error, "error_code", None),
            "reference": getattr(error, "reference", None),
            "hint": hint,
            "may_have_executed": getattr(error, "may_have_executed", False),
            "retry_after": getattr(error, "retry_after", None),
        }
        write(json.dumps({"error": facts}), sys.stderr)
        return
    write(f"error: {message}", sys.stderr)
    if hint:
        write(f"hint: {hint}", sys.stderr)


def _name(error: Exception) -> str:
    return "OSError" if isinstance(error, OSError) else type(error).__name__


def _message(error: Exception) -> str:
    text = error.format_message() if isinstance(error, typer.TyperException) else str(error)
    if isinstance(error, ApiStatusError):
        text = text.replace(f". Hint: {error.hint}", "")  # it gets a line of its own
    text = text.partition("\n\nLINE ")[0]  # DuckDB's, which points into the query from below
    text = " ".join(text.split()).replace("Value error, ", "")  # pydantic's, behind typer 0.29
    return printable(_in_words_of_the_command_line(text), limit=2000)


def _hint(error: Exception) -> str | None:
    hints = [*getattr(error, "__notes__", ())]
    if isinstance(error, ApiStatusError) and error.hint:
        hints.append(error.hint)
    if isinstance(error, ApiError) and error.method == "PATCH" and error.may_have_executed:
        hints.append("look at the call with 'sinchvoice call get' before you try again")
    elif isinstance(error, ApiConnectionError):
        hints.append("check the network and the region; --timeout and --retries give more time")
    return _in_words_of_the_command_line("; ".join(h.removesuffix(".") for h in hints)) or None


def _in_words_of_the_command_line(text: str) -> str:
    for ours, theirs in _WORDS:
        text = text.replace(ours, theirs)
    return text
