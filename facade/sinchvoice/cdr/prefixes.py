"""Prefixes of called numbers: tables of prefixes, and the longest match in SQL.

The SQL is that of Spark; `kpi_query.for_duckdb` translates it. Names of prefixes stay in Python,
and the query has their numbers.
"""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple, TypeAlias

from ..errors import InvalidRequest, printable

__all__ = ["CALLED", "LONGEST", "PrefixTable", "Prefixes", "digits", "joins", "leading", "read"]

PrefixTable: TypeAlias = "str | os.PathLike[str] | Mapping[str, str | None] | Collection[str]"
"""Prefixes of phone numbers: the path of a CSV file, a mapping to names, or the prefixes alone."""

LONGEST = 15
"""Digits in the longest number of E.164."""

# As in `values.phone`, but `^` and a comparison in place of `$`, which Java's expressions let match
# before a line end. App users can look like phone numbers.
_TYPED = "TRANSLATE(to_, '+ ()./-', '')"
CALLED = f"""CASE
            WHEN layout = 'app-to-app' THEN NULL
            WHEN REGEXP_EXTRACT(to_, '^[+]?[0-9]+[*]*', 0) = NULLIF(to_, '') THEN NULLIF(
                CASE
                    WHEN to_ LIKE '+%' THEN SUBSTRING(to_, 2)
                    WHEN to_ LIKE '00%' THEN SUBSTRING(to_, 3)
                    ELSE to_
                END, '')
            WHEN REGEXP_EXTRACT(to_, '^[+]?[0-9][0-9 ()./-]*', 0) = NULLIF(to_, '') THEN NULLIF(
                CASE WHEN {_TYPED} LIKE '00%' THEN SUBSTRING({_TYPED}, 3) ELSE {_TYPED} END, '')
        END"""
"""The digits of the called number in SQL, without + or 00; NULL for app users and other text.

A number that a mask has shortened ends in stars, which are in no prefix of a sensible length."""

_DIGITS = re.compile(rf"\+?([0-9]{{1,{LONGEST}}})").fullmatch
_SEPARATORS = ";\t,"


class Prefixes(NamedTuple):
    """Prefixes with the groups to which they belong.

    Attributes:
        names: Names of the groups, sorted.
        groups: For each prefix the number of its group, from 1.
    """

    names: tuple[str, ...]
    groups: Mapping[str, int]


def digits(text: object) -> str | None:
    """Return the digits of a prefix, or None if it is not one."""
    found = _DIGITS(text) if isinstance(text, str) else None
    return found and found[1]


def read(table: PrefixTable) -> Prefixes:
    """Read a table of prefixes.

    Args:
        table: Path of a CSV file, a mapping from prefixes to names, or prefixes. Prefixes with the
            same name are one group; a prefix without a name is its own.

    Raises:
        InvalidRequest: A prefix is not 1 to 15 digits or occurs twice, or the file cannot be read.
    """
    if isinstance(table, str | os.PathLike) and str(table):
        rows = _of_file(Path(table))
    elif isinstance(table, Mapping):
        rows = (("prefixes", prefix, name) for prefix, name in table.items())
    elif isinstance(table, Collection) and not isinstance(table, str):
        rows = (("prefixes", prefix, None) for prefix in table)
    else:
        raise InvalidRequest(
            f"prefixes is {printable(repr(table), 60)}: give the path of a CSV file, a mapping "
            "from prefixes to names, or a list of prefixes"
        )
    names: dict[str, str] = {}
    for place, given, name in rows:
        prefix = digits(given)
        if prefix is None:
            raise InvalidRequest(
                f"{place} has the prefix {printable(repr(given), 60)}: give 1 to {LONGEST} digits, "
                "with or without +"
            )
        if prefix in names:
            raise InvalidRequest(f"{place} has the prefix {prefix!r} twice: give it once")
        if name is not None and not isinstance(name, str):
            raise InvalidRequest(
                f"{place} has {printable(repr(name), 60)} as the name of {prefix!r}: give a string"
            )
        names[prefix] = name or prefix
    if not names:
        where = f"the file {str(table)!r}" if isinstance(table, str | os.PathLike) else "prefixes"
        raise InvalidRequest(f"{where} is empty: give at least one prefix")
    ordered = tuple(sorted(set(names.values())))
    numbers = {name: number for number, name in enumerate(ordered, 1)}
    return Prefixes(ordered, {prefix: numbers[name] for prefix, name in names.items()})


def _of_file(path: Path) -> Iterable[tuple[str, str, str | None]]:
    """Yield place, prefix and name of each row in a CSV file."""
    try:
        text = path.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidRequest(
            f"the file {str(path)!r} of prefixes is not UTF-8 (byte {error.start}): convert it"
        ) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InvalidRequest(
            f"the file {str(path)!r} of prefixes cannot be read: {reason}"
        ) from None
    first = text.lstrip().partition("\n")[0]
    separator = next((each for each in _SEPARATORS if each in first), ",")
    reader = csv.reader(text.splitlines(keepends=True), delimiter=separator, skipinitialspace=True)
    columns: list[str] | None = None
    try:
        for row in reader:
            cells = [cell.strip() for cell in row]
            if not any(cells):
                continue
            if columns is None:
                header = [cell.lower() for cell in cells]
                columns = header if "prefix" in header else ["prefix", "name"]
                if columns is header:
                    continue
            named = dict(zip(columns, cells, strict=False))
            yield f"{path}, line {reader.line_num},", named.get("prefix", ""), named.get("name")
    except csv.Error as error:
        raise InvalidRequest(
            f"the file {str(path)!r} of prefixes is not CSV, line {reader.line_num}: {error}"
        ) from None


# --- SQL -----------------------------------------------------------------------------------------


def leading(count: int) -> str:
    """Return SQL for the first digits of the column `called`; all of a shorter number."""
    return f"SUBSTRING(called, 1, {count})"


def joins(prefixes: Prefixes) -> tuple[str, str]:
    """Return SQL that joins the groups of prefixes to the column `called`, and that of the longest.

    Each is an equality join of all calls, so there are as few as possible: shorter prefixes are
    joined with longer ones, written as all texts that begin with them. Joining by a range or by
    `starts_with` compares each call with each prefix.
    """
    tables = _tables(prefixes.groups)
    text = "".join(_join(length, groups) for length, groups in tables.items())
    return text, f"COALESCE({', '.join(f'group_{length}' for length in tables)})"


def _join(length: int, groups: Mapping[str, int]) -> str:
    # The pairs are one text, as planning a row for each of thousands takes longer than the rest.
    pairs = ",".join(f"{begin}={group}" for begin, group in groups.items())
    return f"""
    LEFT JOIN (
        SELECT
            SPLIT_PART(pair, '=', 1) AS digits_{length},
            CAST(SPLIT_PART(pair, '=', 2) AS INTEGER) AS group_{length}
        FROM (SELECT EXPLODE(SPLIT('{pairs}', ',')) AS pair) AS pairs
    ) AS of_{length}
        ON {leading(length)} = digits_{length}"""  # noqa: S608 - digits and stars


_MOST_TEXTS = 20_000
"""Texts in a table to which shorter prefixes are added."""


def _tables(groups: Mapping[str, int]) -> dict[int, dict[str, int]]:
    """Return the groups by what a call begins with, in tables of one length, the longest first."""
    tables: dict[int, dict[str, int]] = {}
    longest = 0
    for length in sorted({len(prefix) for prefix in groups}, reverse=True):
        own = {prefix: group for prefix, group in groups.items() if len(prefix) == length}
        missing = longest - length
        texts = len(own) * sum((missing - more + 1) * 10**more for more in range(missing + 1))
        if missing < 0 or len(tables[longest]) + texts > _MOST_TEXTS:
            tables[length], longest = own, length
            continue
        table = tables[longest]
        for prefix, group in own.items():
            for begin in _beginnings(prefix, longest):
                table.setdefault(begin, group)
    return tables


def _beginnings(prefix: str, length: int) -> Iterator[str]:
    """Yield all texts of at most this length that a called number with the prefix begins with.

    A shorter one is the whole number. Stars are at the end of a masked one.
    """
    for more in range(length - len(prefix) + 1):
        for rest in range(10**more):
            begin = f"{prefix}{rest:0{more}}" if more else prefix
            for stars in range(length - len(begin) + 1):
                yield begin + "*" * stars
