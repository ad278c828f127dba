"""The fast path: DuckDB reads every line that is certainly one complete, valid record.

One regular expression decides whether a line takes the fast path. No quoted text continues on the
next line, and nothing depends on how a CSV reader treats malformed input. DuckDB first reads each
line as a single text, and splits only matching lines into columns. It reads a copy with numbered
lines, in which lines that could confuse it are empty. All other lines take the slow path, in
`slow_path.py`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Generator, Iterator, Mapping, Sequence
from itertools import count, islice
from pathlib import Path
from typing import IO

import attrs

from ..errors import CdrError
from ..vocabulary import CallReason, CallResult
from .layouts import LAYOUTS, Column, ColumnType, Layout
from .reader import Plan, Reader, RecordFile, UnendedLine, is_separator_line, split_cells
from .sources import ByteStream

__all__ = [
    "COLUMNS",
    "FastLines",
    "FastRows",
    "NumberedLines",
    "fast_lines",
    "has_returns",
    "literal",
    "number",
    "unended_line",
]

_BLOCK = 1 << 20
_PART = 32
"""Blocks per file of numbered lines."""
_LINE = 1 << 21
"""Maximum length of a line on the fast path, in bytes."""

_SQL_TYPES = {
    ColumnType.INTEGER: "BIGINT",
    ColumnType.TIME: "TIMESTAMP",
    # Fits every amount that the exact reader accepts, and the sum of a thousand million of them.
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
"""Columns of the table `records`, with their types."""


def literal(text: object) -> str:
    """Return a text as an SQL literal; any character but NUL is allowed."""
    return "'" + str(text).replace("'", "''") + "'"


# --- Numbered lines ------------------------------------------------------------------------------


@attrs.frozen
class NumberedLines:
    """Lines of a file for DuckDB, each written as `number;line`.

    A CR before the line end is removed. A line is empty if it is too long, is not UTF-8, or
    contains bytes that DuckDB does not read as text.

    Attributes:
        path: Path of the numbered lines.
        count: Number of lines.
        end: Offset in the original file at which the lines end, in bytes.
    """

    path: Path
    count: int
    end: int


def number(source: Path, folder: Path, *, skip: int = 0) -> Generator[NumberedLines, None, None]:
    """Write the lines of a file for DuckDB, in parts, so that it can start early.

    Args:
        source: The file.
        folder: The folder to write to.
        skip: Lines to omit at the beginning.

    Raises:
        OSError: The lines cannot be written.
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
    """Yield numbered lines in blocks, each with its number of lines."""
    first = 1
    while block := file.read(_BLOCK):
        block += file.readline(_LINE - _BLOCK)
        whole = block.endswith(b"\n")
        lines = _safe_lines(block if whole else block + b"\n")
        if not whole and (rest := file.readline(_BLOCK)):
            lines[-1] = b"\n"
            while rest and not rest.endswith(b"\n"):
                rest = file.readline(_BLOCK)
        del lines[:skip]  # all of them are in the first block
        first, skip = first + skip, 0
        parts = [b""] * (2 * len(lines))
        parts[::2] = map(b"%d;".__mod__, range(first, first + len(lines)))
        parts[1::2] = lines
        first += len(lines)
        yield len(lines), b"".join(parts)


# The delimiter of `_as_text`, and bytes that only the exact reader can judge.
_UNSAFE = re.compile(b"[\0\1\r]|^\xef\xbb\xbf").search


def _safe_lines(block: bytes) -> list[bytes]:
    """Return complete lines, each with LF; lines that could confuse DuckDB are empty."""
    if b"\r" in block:
        block = block.replace(b"\r\n", b"\n")
    safe = not (b"\0" in block or b"\1" in block or b"\r" in block)
    if safe and not block.isascii():
        safe = b"\xef\xbb\xbf" not in block and _is_utf8(block)
    if safe:
        return block.splitlines(keepends=True)  # for bytes, only CR and LF end a line
    lines = block.split(b"\n")[:-1]
    return [b"\n" if _UNSAFE(line) or not _is_utf8(line) else line + b"\n" for line in lines]


def has_returns(path: Path) -> bool:
    """Return whether a file contains a CR: DuckDB reads some of them as line ends."""
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


# --- Lines on the fast path ----------------------------------------------------------------------

_INTEGER = "-?[0-9]{1,18}"
_DECIMAL = r"-?[0-9]{1,11}(?:\.[0-9]{1,18})?"
_DATE = (  # only valid dates
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
    # Compared without case, which is unambiguous only in ASCII.
    ColumnType.RESULT: '(?:"[ !#-~]*"|[ !#-:<-~]*)',
    ColumnType.REASON: '(?:"[ !#-~]*"|[ !#-:<-~]*)',
}
_CAPITALS = dict.fromkeys(
    (ColumnType.RESULT, ColumnType.REASON), '(?:"[ !#-`{-~]*"|[ !#-:<-`{-~]*)'
)
# No byte order mark: at the beginning of a line it is not text.
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
class FastLines:
    """Recognizes and reads the lines of a file that take the fast path.

    Attributes:
        layout: Layout of the records.
        names: Column names in the order of the file, in lower case.
        header_lines: Lines before the first record.
        capitals: Whether results and reasons contain no lower-case letters and need no conversion.
            A guess from the first record, until `count` settles it.
        plan: Plan that reads the same lines exactly.
    """

    layout: Layout
    names: tuple[str, ...]
    header_lines: int
    _columns: tuple[Column | None, ...] = attrs.field(alias="columns")
    capitals: bool
    plan: Plan = attrs.field(eq=False, repr=False)

    def suits(self, plan: Plan) -> bool:
        """Return whether a header row with this plan leaves the fast path unchanged."""
        names = tuple(name.lower() for name in plan.header if name)
        return plan.layout == self.layout and names == tuple(filter(None, self.names))

    def count(self, path: Path, *, numbered: bool = True) -> str:
        """Return SQL that counts the lines of a file.

        Its columns are all lines, lines on the fast path, those of them with results and reasons
        without lower-case letters (if that may be true of all), and all bytes with line ends.
        """
        capitals = "false"
        if self.capitals:
            capitals = self._is_fast(numbered=numbered, capitals=True)
        fast = self._is_fast(numbered=numbered)
        return (
            "SELECT count(*), count(kind), count(nullif(kind, 1)), sum(strlen(line) + 1) FROM ("  # noqa: S608
            f"SELECT line, CASE WHEN {capitals} THEN 2 WHEN {fast} THEN 1 END AS kind "
            f"FROM {_as_text(path)})"
        )

    def slow_line_numbers(self, *paths: Path) -> str:
        """Return SQL for the numbers of lines on the slow path, in order, without the header."""
        return (
            "SELECT CAST(split_part(line, ';', 1) AS BIGINT) "  # noqa: S608
            f"FROM {_as_text(*paths)} WHERE NOT {self._is_fast(numbered=True)} ORDER BY 1"
        )

    def _is_fast(self, *, numbered: bool, capitals: bool = False) -> str:
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
        """Return SQL for the rows of files with only such lines, in the order of COLUMNS.

        Args:
            paths: Paths of the files.
            file_ids: Number of the original file, one for each path.
            numbers: Columns before those of the record: none, `line`, or `line` and `record`.
            skip: Lines to skip at the beginning of each file.
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
    """Return SQL for the lines of files, each as one text."""
    return (
        f"read_csv({_list(paths)}, columns={{'line': 'VARCHAR'}}, delim='\1', quote='', "
        f"escape='', {_OPTIONS})"
    )


@attrs.frozen
class FastRows:
    """Rows of files in which every line takes the fast path.

    Reading many files in one statement is faster than reading each on its own.

    Attributes:
        lines: Recognizes and reads the lines.
        numbers: Columns before those of the record, as in `FastLines.select`.
        skip: Lines to skip at the beginning of each file.
        paths: Paths of the files.
    """

    lines: FastLines
    numbers: tuple[str, ...]
    skip: int
    paths: tuple[Path, ...] = attrs.field(eq=False)

    def select(self, file_id: int) -> str:
        """Return SQL for the rows, in the order of COLUMNS."""
        return self.select_all([(file_id, self)])

    def select_all(self, files: Sequence[tuple[int, FastRows]]) -> str:
        """Return SQL for equal FastRows of several files, each with the number of its file."""
        found = [(path, file_id) for file_id, rows in files for path in rows.paths]
        paths, file_ids = zip(*found, strict=True)
        return self.lines.select(paths, file_ids, numbers=self.numbers, skip=self.skip)


def fast_lines(name: str, path: Path, layout: Layout | None) -> FastLines | None:
    """Return the fast path of a file; None without a layout or with columns of its own."""
    with path.open("rb") as file:
        head, second = file.readline(_BLOCK), file.readline(_BLOCK)
        before = is_separator_line(head)
        if before:
            head, second = second, file.readline(_BLOCK)
        if not head.endswith(b"\n") and (second or file.read(1)):
            return None  # the rest of the line might name other columns
    reader = Reader(b"", layout)
    parts = iter([head])
    first = RecordFile(reader, ByteStream(name, lambda size: next(parts, b"")))
    try:
        first.batch()
    except CdrError:
        return None  # the exact reader reports the reason
    plan = first.plan
    if plan is None or plan.extras:
        return None
    record = split_cells(second.decode("utf-8", "replace").rstrip("\r\n"))
    plan = plan.settled(len(record), ends_empty=record[-1:] == [""])
    return FastLines(
        layout=plan.layout,
        names=tuple(name.lower() for name in plan.header),
        header_lines=before + reader.header_rows,
        columns=plan.columns,
        plan=plan,
        capitals=_in_capitals(plan.columns, second if reader.header_rows else head),
    )


def unended_line(fast: FastLines, path: Path, records: int) -> UnendedLine | None:
    """Return the last record of a file on the fast path, if its line has no end.

    Args:
        fast: Reads the lines.
        path: Path of the file.
        records: Number of records.
    """
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - _LINE))  # longer lines take the slow path
        end = file.read()
    if not records or end.endswith(b"\n"):
        return None
    cells = split_cells(end.rpartition(b"\n")[2].decode().removesuffix("\r"))
    fields = fast.plan.fields_from(len(cells))
    return UnendedLine(records, records + fast.header_lines, fields, cells[-1]) if fields else None


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
    """Return SQL for a cell; known results and reasons become upper case."""
    enum = _OPEN_ENUMS.get(column.type)
    if enum is None:
        return name
    members = ", ".join(f"'{member}'" for member in enum)
    return (
        f"CASE WHEN {name} IN ({members}) THEN {name} "
        f"WHEN upper({name}) IN ({members}) THEN upper({name}) ELSE {name} END"
    )
