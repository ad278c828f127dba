"""Commands on files of call detail records."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from typing import Annotated, Any

import typer

from .. import cdr
from ..cdr.layouts import LAYOUTS, find
from ..cdr.records import RECORD_TYPES
from ..cdr.sources import streams
from ..errors import CdrError, Reject
from .options import OutputOptions, command
from .output import Record, RejectsFound, show_error, write

__all__ = ["add_commands"]

_NAMES = {kind: name for name, kind in RECORD_TYPES.items()}


def add_commands(group: typer.Typer) -> None:
    """Add the commands to the group `sinchvoice cdr`."""
    command(group)(check)


def check(
    options: OutputOptions,
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE", help="Files, folders, globs in quotes, URLs; - for standard input."
        ),
    ],
    layout: Annotated[
        str | None,
        typer.Option(
            "--layout",
            metavar="LAYOUT",
            autocompletion=lambda: list(LAYOUTS),
            help=f"Of records without a header row: {', '.join(LAYOUTS)}.",
        ),
    ] = None,
) -> None:
    """Read files of call detail records, and say of every record that cannot be read why not."""
    wanted = None if layout is None else find(layout)
    failures: list[CdrError] = []
    rejected = 0

    def checked() -> Iterator[Record]:
        nonlocal rejected
        for record in _checked(files, wanted, failures, as_json=options.as_json):
            rejected += record["rejected"]
            yield record

    options.output.rows(checked(), ("file", "layout", "records", "rejected"))
    for failure in failures[:-1]:
        show_error(failure, as_json=options.as_json)
    if failures:
        raise failures[-1]
    if rejected:
        raise RejectsFound(
            f"{rejected} record{'s' * (rejected > 1)} cannot be read: correct them, and check again"
        )


def _checked(
    files: list[str], layout: Any, failures: list[CdrError], *, as_json: bool
) -> Iterator[Record]:
    for source in files:
        opened = streams(source)
        while True:
            try:
                stream = next(opened, None)
                if stream is None:
                    break
                yield _read(stream, layout, as_json=as_json)
            except CdrError as error:
                failures.append(error)


def _read(stream: Any, layout: Any, *, as_json: bool) -> Record:
    """Read a file; its rejects are told as they come, or stand in its JSON."""
    rejects: list[Record] = []

    def tell(reject: Reject) -> None:
        layouts[reject.layout] += 1
        if as_json:
            rejects.append(_reject_record(reject))
        else:
            write(f"reject: {reject}", sys.stderr)

    layouts: Counter[str] = Counter()
    with cdr.read(stream, layout, on_reject=tell) as reader:
        layouts.update(_NAMES[type(record)] for record in reader)
    found: dict[str, Any] = {
        "file": stream.name,
        "layout": ", ".join(layouts) or None,
        "records": reader.records,
        "rejected": reader.rejected,
        "blank_lines": reader.blank_lines,
        "header_rows": reader.header_rows,
    }
    return {**found, "rejects": rejects} if as_json else found


def _reject_record(reject: Reject) -> Record:
    return {
        "line": reject.line,
        "offset": reject.offset,
        "record": reject.record,
        "column": reject.column,
        "value": reject.value,
        "cause": reject.cause,
        "message": reject.message,
        "text": reject.text,
    }
