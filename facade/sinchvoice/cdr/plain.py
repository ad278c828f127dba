"""What DuckDB may read of a file: its plain lines, and no other.

A line is *plain* if one regular expression says that it is a whole good record: no quoted text goes
over its end, and nothing depends on how a CSV reader treats what is odd. DuckDB looks at each line
as one text first, and reads columns only of those that are plain. It never sees the file itself,
but a copy in which lines are numbered and those that it could stumble over are empty. Every other
line goes through the exact reader, in `sifting.py`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Generator, Iterator, Mapping, Sequence
from itertools import count, islice
from pathlib import Path
from typing import IO

import attrs

from ..calls import CallReason, CallResult
from ..errors import CdrError
from .layouts import LAYOUTS, Column, ColumnType, Layout
from .reader import Plan, Reader, RecordFile, UnendedLine, is_separator_line, split_cells
from .sources import ByteStream

__all__ = [
    "COLUMNS",
    "NumberedLines",
    "PlainLines",
    "PlainRows",
    "has_returns",
    "literal",
    "number",
    "plain_lines",
    "unended_line",
]

_BLOCK = 1 << 20
_PART = 32
"""Blocks in a file of numbered lines."""
_LINE = 1 << 21
"""Longer lines, in bytes, are not for DuckDB."""

_SQL_TYPES = {
    ColumnType.INTEGER: "BIGINT",
    ColumnType.TIME: "TIMESTAMP",
    # Whatever the exact reader takes for an amount fits, and the sum of a thousand million of them.
    ColumnType.DECIMAL: "DECIMAL(38, 18)",
}
_NAMES = {"to": "to_"}


def _wide() -> dict[str, str]:
    columns = {"layout": "VARCHAR"}
    for column in LAYOUTS["phone-terminated"].columns:
        columns[_NAMES.get(column.field, column.field)] = _SQL_TYPES.get(column.type, "VARCHAR")
    return columns


COLUMNS: Mapping[str, str] = {
    **_wide(),
    "extras": "VARCHAR",
    "file_id": "INTEGER",
    "record": "BIGINT",
    "line": "BIGINT",
}
"""The columns of the table `records`, with their types."""


def literal(text: object) -> str:
    """A text in SQL; it may hold anything but NUL."""
    return "'" + str(text).replace("'", "''") + "'"


# --- numbered lines ------------------------------------------------------------------------------


@attrs.frozen
class NumberedLines:
    """Lines of a file, each as `number;line`, for DuckDB.

    An end with CR has lost it. A line is empty if it is too long, no UTF-8, or has what DuckDB
    takes for something else than text.

    Attributes:
        path: of the file that has them.
        count: how many there are.
        end: where they end in the file that they come from, in bytes.
    """

    path: Path
    count: int
    end: int


def number(source: Path, folder: Path, *, skip: int = 0) -> Generator[NumberedLines, None, None]:
    """Write the lines of a file for DuckDB, part after part, so that it can begin early.

    Args:
        source: the file.
        folder: where to write.
        skip: lines at its beginning that are left out.

    Raises:
        OSError: they cannot be written.
    """
    with source.open("rb") as file:
        blocks = _numbered_blocks(file, skip)
        for part in count():
            lines = 0
            path = folder / f"numbered-{part}"
            with path.open("wb") as copy:
                for number, block in islice(blocks, _PART):
                    copy.write(block)
                    lines += number
            if part and not lines:
                path.unlink()
                return
            yield NumberedLines(path, lines, file.tell())


def _numbered_blocks(file: IO[bytes], skip: int) -> Iterator[tuple[int, bytes]]:
    """How many lines, and these."""
    first = 1
    while block := file.read(_BLOCK):
        block += file.readline(_LINE - _BLOCK)
        whole = block.endswith(b"\n")
        lines = _safe_lines(block if whole else block + b"\n")
        if not whole and (rest := file.readline(_BLOCK)):
            lines[-1] = b"\n"
            while rest and not rest.endswith(b"\n"):
                rest = file.readline(_BLOCK)
        del lines[:skip]  # the first block has all of them
        first, skip = first + skip, 0
        parts = [b""] * (2 * len(lines))
        parts[::2] = map(b"%d;".__mod__, range(first, first + len(lines)))
        parts[1::2] = lines
        first += len(lines)
        yield len(lines), b"".join(parts)


# Its own delimiter, which separates nothing, and what the exact reader has to decide about.
_UNSAFE = re.compile(b"[\0\1\r]|^\xef\xbb\xbf").search


def _safe_lines(block: bytes) -> list[bytes]:
    """Whole lines, each with LF."""
    if b"\r" in block:
        block = block.replace(b"\r\n", b"\n")
    safe = not (b"\0" in block or b"\1" in block or b"\r" in block)
    if safe and not block.isascii():
        safe = b"\xef\xbb\xbf" not in block and _is_utf8(block)
    if safe:
        return block.splitlines(keepends=True)  # of bytes, nothing else than CR and LF ends a line
    lines = block.split(b"\n")[:-1]
    return [b"\n" if _UNSAFE(line) or not _is_utf8(line) else line + b"\n" for line in lines]


def has_returns(path: Path) -> bool:
    """Whether there is a CR anywhere: DuckDB takes some of them for the end of a line."""
    block = bytearray(_BLOCK)
    with path.open("rb", buffering=0) as file:
        while size := file.readinto(block):
            if block.find(b"\r", 0, size) >= 0:
                return True
    return False


def _is_utf8(content: bytes) -> bool:
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True


# --- plain lines --------------------------------------------------------------------------------

_INTEGER = "-?[0-9]{1,18}"
_DECIMAL = r"-?[0-9]{1,11}(?:\.[0-9]{1,18})?"
_DATE = (  # only those that exist
    "(?:[12][0-9]{3}-(?:"
    "(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|"
    "(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|"
    "02-(?:0[1-9]|1[0-9]|2[0-8])"
    ")|20(?:[02468][048]|[13579][26])-02-29)"
)
_TIME = rf"{_DATE}[T ](?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{{1,9}})?Z"
_PATTERNS = {
    ColumnType.INTEGER: f'(?:"(?:{_INTEGER})?"|(?:{_INTEGER})?)',
    ColumnType.DECIMAL: f'(?:"(?:{_DECIMAL})?"|(?:{_DECIMAL})?)',
    ColumnType.TIME: f'(?:"(?:{_TIME})?"|(?:{_TIME})?)',
    # These are compared without case, which means the same everywhere only in ASCII.
    ColumnType.RESULT: '(?:"[ !#-~]*"|[ !#-:<-~]*)',
    ColumnType.REASON: '(?:"[ !#-~]*"|[ !#-:<-~]*)',
}
_CAPITALS = dict.fromkeys(
    (ColumnType.RESULT, ColumnType.REASON), '(?:"[ !#-`{-~]*"|[ !#-:<-`{-~]*)'
)
# It may begin a line, where a byte order mark is no text.
_TEXT = r'(?:"(?:[^"\r\0\x01]|"")*"|[^;"\r\0\x01\x{FEFF}]*)'
_REQUIRED = {
    ColumnType.TEXT: r'(?:"(?:[^"\r\0\x01]|"")+"|[^;"\r\0\x01\x{FEFF}]+)',
    ColumnType.TIME: f'(?:"{_TIME}"|{_TIME})',
}
_NOTHING = '(?:"")?'
_OPEN_ENUMS = {ColumnType.RESULT: CallResult, ColumnType.REASON: CallReason}
_OPTIONS = (
    "auto_detect=false, header=false, strict_mode=true, new_line='\\n', compression='none', "
    f"hive_partitioning=false, buffer_size={1 << 23}, max_line_size={_LINE + 64}"
)


@attrs.frozen
class PlainLines:
    """How the plain lines of a file are told, and read.

    Attributes:
        layout: of the records on them.
        names: of the columns, as the file has them, in lower case.
        header_lines: before the first record.
        capitals: whether results and reasons have no small letters, so that there is nothing to do
            to them; the first record tells what may be, and `count` what is.
        plan: that reads them exactly.
    """

    layout: Layout
    names: tuple[str, ...]
    header_lines: int
    _columns: tuple[Column | None, ...] = attrs.field(alias="columns")
    capitals: bool
    plan: Plan = attrs.field(eq=False, repr=False)

    def suits(self, plan: Plan) -> bool:
        """Whether the same lines are plain after a header row that says this."""
        names = tuple(name.lower() for name in plan.header if name)
        return plan.layout == self.layout and names == tuple(filter(None, self.names))

    def count(self, path: Path, *, numbered: bool = True) -> str:
        """SQL: the lines of a file, how many are plain, how many of these have results and reasons
        without small letters (if that may be true of all), and the bytes of all, each with an end.
        """
        capitals = "false"
        if self.capitals:
            capitals = self._is_plain(numbered=numbered, capitals=True)
        plain = self._is_plain(numbered=numbered)
        return (
            "SELECT count(*), count(kind), count(nullif(kind, 1)), sum(strlen(line) + 1) FROM ("  # noqa: S608
            f"SELECT line, CASE WHEN {capitals} THEN 2 WHEN {plain} THEN 1 END AS kind "
            f"FROM {_as_text(path)})"
        )

    def odd(self, *paths: Path) -> str:
        """SQL for the numbers of the other lines, in their order, the header apart."""
        return (
            "SELECT CAST(split_part(line, ';', 1) AS BIGINT) "  # noqa: S608
            f"FROM {_as_text(*paths)} WHERE NOT {self._is_plain(numbered=True)} ORDER BY 1"
        )

    def _is_plain(self, *, numbered: bool, capitals: bool = False) -> str:
        patterns = _PATTERNS | _CAPITALS if capitals else _PATTERNS
        cells = ["[0-9]+"] * numbered + [_pattern(column, patterns) for column in self._columns]
        return f"regexp_full_match(line, {literal(';'.join(cells))})"

    def select(
        self,
        paths: Sequence[Path],
        file_ids: Sequence[int],
        *,
        numbers: tuple[str, ...] = ("line",),
        skip: int = 0,
    ) -> str:
        """SQL for the rows of files of plain lines, in the order of COLUMNS.

        Args:
            paths: of the files.
            file_ids: for each of them, the number of the file that the lines come from.
            numbers: what stands before the columns: nothing, `line`, or `line` and `record`.
            skip: lines that come before, in each file.
        """
        typed = dict.fromkeys(numbers, "BIGINT")
        cells = {"layout": literal(self.layout.name), "file_id": _file_id(file_ids)}
        cells |= dict(zip(numbers, numbers, strict=True))
        if numbers == ("line",):
            cells["record"] = f"line - {self.header_lines}"
        for number, column in enumerate(self._columns):
            name = f"c{number}"
            typed[name] = "VARCHAR"
            if column is not None:
                typed[name] = _SQL_TYPES.get(column.type, "VARCHAR")
                cell = name if self.capitals else _folded(name, column)
                cells[_NAMES.get(column.field, column.field)] = cell
        columns = ", ".join(f"'{name}': '{kind}'" for name, kind in typed.items())
        wide = ", ".join(
            f"{cells.get(name, f'CAST(NULL AS {kind})')} AS {name}"
            for name, kind in COLUMNS.items()
        )
        return (
            f"SELECT {wide} FROM read_csv({_list(paths)}, columns={{{columns}}}, "  # noqa: S608
            f"delim=';', quote='\"', escape='\"', nullstr='', skip={skip}, {_OPTIONS})"
        )


def _file_id(file_ids: Sequence[int]) -> str:
    if len(set(file_ids)) == 1:
        return f"CAST({file_ids[0]} AS INTEGER)"
    numbers = ", ".join(map(str, file_ids))
    return f"list_extract(CAST([{numbers}] AS INTEGER[]), CAST(file_index AS BIGINT) + 1)"


def _list(paths: Sequence[Path]) -> str:
    return f"[{', '.join(map(literal, paths))}]"


def _as_text(*paths: Path) -> str:
    """The lines of files, each as one text."""
    return (
        f"read_csv({_list(paths)}, columns={{'line': 'VARCHAR'}}, delim='\1', quote='', "
        f"escape='', {_OPTIONS})"
    )


@attrs.frozen
class PlainRows:
    """The rows of files of plain lines; the more of them are read at once, the faster it is.

    Attributes:
        lines: how these are told, and read.
        numbers: what stands before the columns, as in `PlainLines.select`.
        skip: lines that come before, in each file.
        paths: of the files.
    """

    lines: PlainLines
    numbers: tuple[str, ...]
    skip: int
    paths: tuple[Path, ...] = attrs.field(eq=False)

    def select(self, file_id: int) -> str:
        """SQL for them, in the order of COLUMNS."""
        return self.select_all([(file_id, self)])

    def select_all(self, files: Sequence[tuple[int, PlainRows]]) -> str:
        """SQL for these and others of the same form, each with the number of its file."""
        found = [(path, file_id) for file_id, rows in files for path in rows.paths]
        paths, file_ids = zip(*found, strict=True)
        return self.lines.select(paths, file_ids, numbers=self.numbers, skip=self.skip)


def plain_lines(name: str, path: Path, layout: Layout | None) -> PlainLines | None:
    """How plain lines look; None if the first line does not say, or names columns of its own."""
    with path.open("rb") as file:
        head, second = file.readline(_BLOCK), file.readline(_BLOCK)
        before = is_separator_line(head)
        if before:
            head, second = second, file.readline(_BLOCK)
        if not head.endswith(b"\n") and (second or file.read(1)):
            return None  # more of it might name other columns
    reader = Reader(b"", layout)
    parts = iter([head])
    first = RecordFile(reader, ByteStream(name, lambda size: next(parts, b"")))
    try:
        first.batch()
    except CdrError:
        return None  # the exact reader says why
    plan = first.plan
    if plan is None or plan.extras:
        return None
    record = split_cells(second.decode("utf-8", "replace").rstrip("\r\n"))
    plan = plan.settled(len(record), ends_empty=record[-1:] == [""])
    return PlainLines(
        layout=plan.layout,
        names=tuple(name.lower() for name in plan.header),
        header_lines=before + reader.header_rows,
        columns=plan.columns,
        plan=plan,
        capitals=_in_capitals(plan.columns, second if reader.header_rows else head),
    )


def unended_line(plain: PlainLines, path: Path, records: int) -> UnendedLine | None:
    """The last record of a file of plain lines, if its line has no end.

    Args:
        plain: how its lines are read.
        path: of the file.
        records: how many there are.
    """
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - _LINE))  # what is longer is not plain
        end = file.read()
    if not records or end.endswith(b"\n"):
        return None
    cells = split_cells(end.rpartition(b"\n")[2].decode().removesuffix("\r"))
    fields = plain.plan.fields_from(len(cells))
    return UnendedLine(records, records + plain.header_lines, fields, cells[-1]) if fields else None


def _in_capitals(columns: Sequence[Column | None], line: bytes) -> bool:
    cells = split_cells(line.decode("utf-8", "replace").rstrip("\r\n"))
    texts = zip(cells, columns, strict=False)
    return not any(
        re.search("[a-z]", cell) for cell, column in texts if column and column.type in _CAPITALS
    )


def _pattern(column: Column | None, patterns: Mapping[ColumnType, str]) -> str:
    if column is None:
        return _NOTHING
    if column.required:
        return _REQUIRED[column.type]
    return patterns.get(column.type, _TEXT)


def _folded(name: str, column: Column) -> str:
    """SQL for a cell: a result or a reason that is known only in capitals is written so."""
    enum = _OPEN_ENUMS.get(column.type)
    if enum is None:
        return name
    members = ", ".join(f"'{member}'" for member in enum)
    return (
        f"CASE WHEN {name} IN ({members}) THEN {name} "
        f"WHEN upper({name}) IN ({members}) THEN upper({name}) ELSE {name} END"
    )
