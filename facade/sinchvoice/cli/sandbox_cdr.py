"""The command `sinchvoice sandbox cdr`: files of fictional call detail records."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path
from typing import Annotated, Any, cast

import typer

from ..cdr import LAYOUTS, LayoutName
from ..errors import ConfigurationError, InvalidRequest, RejectCause
from .options import OutputOptions
from .output import Record

__all__ = ["made_up"]

_OTHERS = ("duplicates", "duplicates-across", "conflicts", "late", "multiline", "forged")
_KINDS = (*map(str, RejectCause), *_OTHERS)


def made_up(
    options: OutputOptions,
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Folder of the files.")],
    records: Annotated[
        int, typer.Option("--records", metavar="N", help="Records in each file.")
    ] = 1000,
    days: Annotated[
        int, typer.Option("--days", metavar="N", help="Days; each has one file per layout.")
    ] = 1,
    first_day: Annotated[
        str, typer.Option("--first-day", metavar="DAY", help="First day, in UTC.")
    ] = "2026-11-02",
    layout: Annotated[
        list[str] | None,
        typer.Option(
            "--layout",
            metavar="LAYOUT",
            autocompletion=lambda: list(LAYOUTS),
            help=f"Layout, all by default; repeatable: {', '.join(LAYOUTS)}.",
        ),
    ] = None,
    seed: Annotated[
        int, typer.Option("--seed", metavar="N", help="The same seed makes the same files.")
    ] = 0,
    quoted: Annotated[
        float,
        typer.Option(
            "--quoted", metavar="SHARE", help="Share of records with a quoted Custom, 0 to 1."
        ),
    ] = 0.2,
    plant: Annotated[
        list[str] | None,
        typer.Option(
            "--plant",
            metavar="KIND=N",
            autocompletion=lambda: [f"{kind}=" for kind in _KINDS],
            help=f"Plant N records of a kind over all files; repeatable: {', '.join(_KINDS)}.",
        ),
    ] = None,
    header: Annotated[
        str,
        typer.Option(
            "--header",
            metavar="HEADER",
            help="Header row: usual, upper-case, shuffled, no-country or none.",
        ),
    ] = "usual",
    line_end: Annotated[
        str,
        typer.Option("--line-end", metavar="END", help="Line end of each row: lf, crlf or mixed."),
    ] = "lf",
    byte_order_mark: Annotated[
        bool, typer.Option("--byte-order-mark", help="Begin each file with a byte order mark.")
    ] = False,
    extra_columns: Annotated[
        int,
        typer.Option(
            "--extra-columns", metavar="N", help="Additional columns that belong to no layout."
        ),
    ] = 0,
    compress: Annotated[
        str | None,
        typer.Option("--compress", metavar="FORMAT", help="Compress each file: gz or zst."),
    ] = None,
) -> None:
    """Make files of fictional call detail records, and print the expected findings of a reader."""
    try:
        from ..sandbox import FileForm, cdr_files
    except ModuleNotFoundError as error:
        if "sinchvoice[sandbox]" not in str(error):
            raise
        raise ConfigurationError(str(error)) from None
    # cdr_files and FileForm refuse unknown names.
    form: dict[str, Any] = {"header": header, "line_end": line_end}
    packed: Any = compress
    truth = cdr_files(
        folder,
        records=records,
        days=days,
        first_day=_day(first_day),
        layouts=cast("list[LayoutName]", layout or list(LAYOUTS)),
        seed=seed,
        quoted=quoted,
        planted=_planted(plant or []),
        forms=[FileForm(**form, byte_order_mark=byte_order_mark, extra_columns=extra_columns)],
        compression=packed,
    )
    options.output.rows(
        (_record(file.to_json(), as_json=options.as_json) for file in truth.files),
        ("file", "records", "loaded", "duplicates", "conflicts", "rejected", "late"),
    )


def _record(truth: Record, *, as_json: bool) -> Record:
    details = () if as_json else ("causes", "form", "rejects")
    return {name: value for name, value in truth.items() if name not in details}


def _planted(wanted: list[str]) -> Any:
    from ..sandbox import Planted

    rejects: dict[str, int] = {}
    others: dict[str, int] = {}
    for text in wanted:
        found = re.fullmatch(r"([a-z-]+)=([0-9]{1,9})", text)
        if found is None or found[1] not in _KINDS:
            raise InvalidRequest(
                f"--plant is {text!r}: give KIND=N, with one of {', '.join(_KINDS)}"
            )
        if found[1] in _OTHERS:
            others[found[1].replace("-", "_")] = int(found[2])
        else:
            rejects[found[1]] = int(found[2])
    return Planted(rejects=rejects, **others)


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise InvalidRequest(f"--first-day is {text!r}: give a day like 2026-11-02") from None
