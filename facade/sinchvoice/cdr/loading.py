"""What DuckDB may read of a file: its plain lines, and no other.

A line is *plain* if one regular expression says that it is a whole good record: no quoted text goes
over its end, and nothing depends on how a CSV reader treats what is odd. DuckDB looks at each line
as one text first, and reads columns only of those that are plain. It never sees the file itself,
but a copy in which lines are numbered and those that it could stumble over are empty. Every other
line goes through the exact reader, in `sifting.py`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO

import attrs

from ..calls import CallReason, CallResult
from ..errors import CdrError
from .layouts import LAYOUTS, Column, ColumnType, Layout
from .reader import Reader, RecordFile
from .sources import ByteStream

__all__ = ["COLUMNS", "Numbered", "PlainLines", "Spooled", "numbered", "plain_lines", "spool"]

_BLOCK = 1 << 20
_LINE = 1 << 21
"""Longer lines, in bytes, are not for DuckDB."""

_SQL_TYPES = {
    ColumnType.INTEGER: "BIGINT",
    ColumnType.TIME: "TIMESTAMP",
    # Whatever the exact reader takes for an amount fits: 20 digits, and 18 after the point.
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


# --- copies -------------------------------------------------------------------------------------


@attrs.frozen
class Spooled:
    """A copy of a file, which nobody else changes while it is loaded.

    Attributes:
        name: of the file.
        path: of the copy, unpacked.
        sha256: of its bytes.
        size: how many there are.
    """

    name: str
    path: Path
    sha256: str
    size: int

    def stream(self, file: IO[bytes]) -> ByteStream:
        """The opened copy as a reader takes it, under the name of the original."""
        return ByteStream(self.name, file.read)


def spool(stream: ByteStream, path: Path, progress: Callable[[int], object]) -> Spooled:
    """Copy a file.

    Args:
        stream: the file, unpacked.
        path: of the copy.
        progress: is told how many bytes were read.

    Raises:
        CdrError: the file cannot be read.
        OSError: the copy cannot be written.
    """
    digest, size = hashlib.sha256(), 0
    with path.open("wb") as copy, ThreadPoolExecutor(1) as aside:
        while block := stream.read(_BLOCK):
            hashing = aside.submit(digest.update, block)
            copy.write(block)
            size += len(block)
            progress(size)
            hashing.result()
    return Spooled(stream.name, path, digest.hexdigest(), size)


@attrs.frozen
class Numbered:
    """The lines of a file, each as `number;line`, for DuckDB.

    An end with CR has lost it. A line is empty if it is too long, no UTF-8, or has what DuckDB
    takes for something else than text.

    Attributes:
        path: of the file that has them.
        lines: how many there are.
    """

    path: Path
    lines: int


def numbered(spooled: Spooled, path: Path) -> Numbered:
    """Write the lines of a file for DuckDB.

    Raises:
        OSError: they cannot be written.
    """
    count = 0
    with spooled.path.open("rb") as source, path.open("wb") as target:
        while block := source.read(_BLOCK):
            block += source.readline(_LINE - _BLOCK)
            whole = block.endswith(b"\n")
            lines = _safe_lines(block)
            if not whole and (rest := source.readline(_BLOCK)):
                lines[-1] = b""
                while rest and not rest.endswith(b"\n"):
                    rest = source.readline(_BLOCK)
            parts = [b"\n"] * (3 * len(lines))
            parts[::3] = map(b"%d;".__mod__, range(count + 1, count + 1 + len(lines)))
            parts[1::3] = lines
            target.write(b"".join(parts))
            count += len(lines)
    return Numbered(path, count)


# Its own delimiter, which separates nothing, and what the exact reader has to decide about.
_UNSAFE = re.compile(b"[\0\1\r]|^\xef\xbb\xbf").search


def _safe_lines(block: bytes) -> list[bytes]:
    if b"\r" in block:
        block = block.replace(b"\r\n", b"\n").removesuffix(b"\r")
    safe = not (b"\0" in block or b"\1" in block or b"\r" in block)
    if not block.isascii():
        safe = safe and b"\xef\xbb\xbf" not in block and _is_utf8(block)
    lines = block.split(b"\n")
    if not lines[-1]:
        lines.pop()
    if safe:
        return lines
    return [b"" if _UNSAFE(line) or not _is_utf8(line) else line for line in lines]


def _is_utf8(content: bytes) -> bool:
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True


# --- plain lines --------------------------------------------------------------------------------

_INTEGER = "-?[0-9]{1,18}"
_DECIMAL = r"-?[0-9]{1,20}(?:\.[0-9]{1,18})?"
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
_TEXT = r'(?:"(?:[^"\r\0\x01]|"")*"|[^;"\r\0\x01]*)'
_REQUIRED = {
    ColumnType.TEXT: r'(?:"(?:[^"\r\0\x01]|"")+"|[^;"\r\0\x01]+)',
    ColumnType.TIME: f'(?:"{_TIME}"|{_TIME})',
}
_NOTHING = '(?:"")?'
_OPEN_ENUMS = {ColumnType.RESULT: CallResult, ColumnType.REASON: CallReason}
_OPTIONS = (
    "auto_detect=false, header=false, strict_mode=true, new_line='\\n', "
    f"buffer_size={1 << 23}, max_line_size={_LINE + 64}"
)
_AS_TEXT = (
    f"read_csv(?, columns={{'line': 'VARCHAR'}}, delim='\1', quote='', escape='', {_OPTIONS})"
)


@attrs.frozen
class PlainLines:
    """How the plain lines of a file are told, and read.

    Attributes:
        layout: of the records on them.
        names: of the columns, as the file has them, in lower case.
        header_lines: before the first record, 0 or 1.
        pattern: of a plain line, with its number.
    """

    layout: Layout
    names: tuple[str, ...]
    header_lines: int
    pattern: str
    _columns: tuple[Column | None, ...]

    count = f"SELECT count(*), count(*) FILTER (regexp_full_match(line, ?)) FROM {_AS_TEXT}"  # noqa: S608
    """SQL: lines, and how many of them are plain; parameters are the pattern and the path."""
    odd = (
        f"SELECT CAST(split_part(line, ';', 1) AS BIGINT) FROM {_AS_TEXT} "  # noqa: S608
        "WHERE NOT regexp_full_match(line, ?) ORDER BY 1"
    )
    """SQL: the numbers of the others; parameters are the path and the pattern."""

    def select(self, *, skip: int = 0, sifted: bool = False) -> str:
        """SQL for the rows of a file of plain lines, in the order of COLUMNS.

        Parameters are the id of the file and the path.

        Args:
            skip: lines that come before.
            sifted: whether each line has the number of its record as well, after its own.
        """
        record = "record" if sifted else f"line - {self.header_lines}"
        typed = {"line": "BIGINT"} | ({"record": "BIGINT"} if sifted else {})
        cells = {
            "layout": f"'{self.layout.name}'",
            "file_id": "CAST(? AS INTEGER)",
            "record": record,
            "line": "line",
        }
        for number, column in enumerate(self._columns):
            name = f"c{number}"
            typed[name] = "VARCHAR"
            if column is not None:
                typed[name] = _SQL_TYPES.get(column.type, "VARCHAR")
                cells[_NAMES.get(column.field, column.field)] = _cell(name, column)
        columns = ", ".join(f"'{name}': '{kind}'" for name, kind in typed.items())
        wide = ", ".join(cells.get(name, "NULL") for name in COLUMNS)
        return (
            f"SELECT {wide} FROM read_csv(?, columns={{{columns}}}, delim=';', quote='\"', "  # noqa: S608
            f"escape='\"', nullstr='', skip={skip}, {_OPTIONS})"
        )


def plain_lines(spooled: Spooled, layout: Layout | None) -> PlainLines | None:
    """How plain lines look; None if the first line does not say, or names columns of its own."""
    with spooled.path.open("rb") as file:
        head = file.readline(_BLOCK)
    reader = Reader(b"", layout)
    parts = iter([head])
    first = RecordFile(reader, ByteStream(spooled.name, lambda size: next(parts, b"")))
    try:
        first.batch()
    except CdrError:
        return None  # the exact reader says why
    plan = first.plan
    if plan is None or plan.extras:
        return None
    return PlainLines(
        layout=plan.layout,
        names=tuple(name.lower() for name in plan.header),
        header_lines=reader.header_rows,
        pattern="[0-9]+;" + ";".join(map(_pattern, plan.columns)),
        columns=plan.columns,
    )


def _pattern(column: Column | None) -> str:
    if column is None:
        return _NOTHING
    if column.required:
        return _REQUIRED[column.type]
    return _PATTERNS.get(column.type, _TEXT)


def _cell(name: str, column: Column) -> str:
    enum = _OPEN_ENUMS.get(column.type)
    if enum is None:
        return name
    members = ", ".join(f"'{member}'" for member in enum)
    return f"CASE WHEN upper({name}) IN ({members}) THEN upper({name}) ELSE {name} END"
