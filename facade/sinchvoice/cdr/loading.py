"""How a file gets into an archive: a private copy, the proof that it is plain, and its rows.

A file is *plain* if each of its lines matches one regular expression for a whole good record, so
that no quoted text goes over a line, and nothing depends on how a CSV reader treats what is odd.
Only then DuckDB reads it. Everything else goes through the exact reader, row by row, into a file of
our own writing in which no text can end a row.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from operator import itemgetter
from pathlib import Path
from typing import IO, Any

import attrs

from ..calls import CallReason, CallResult
from ..errors import CdrError, Reject
from . import values
from .layouts import LAYOUTS, Column, ColumnType, Layout
from .reader import Reader, _cells, _File, _Plan
from .records import CdrRecord
from .sources import ByteStream

__all__ = ["COLUMNS", "PlainFile", "Rows", "Spooled", "exact_rows", "plain", "spool"]

_BLOCK = 1 << 20
_MARK = b"\xef\xbb\xbf"
_SEPARATOR = "\x1f"
_LINE = 1 << 21
"""The longest line that DuckDB reads without being asked, in bytes."""

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


# --- a private copy -----------------------------------------------------------------------------


@attrs.frozen
class Spooled:
    """A copy of a file, which nobody else changes while it is loaded.

    Attributes:
        name: of the file.
        path: of the copy, unpacked.
        sha256: of its bytes.
        size: how many there are.
        lines: line ends, and one more if bytes follow the last.
        head: the first line, without its end.
        suspicious: whether it has bytes that a plain file cannot have.
        returns: carriage returns.
    """

    name: str
    path: Path
    sha256: str
    size: int
    lines: int
    head: bytes
    suspicious: bool
    returns: int


def spool(stream: ByteStream, path: Path, progress: Callable[[int], object]) -> Spooled:
    """Copy a file, and learn in the same pass what has to be known about its bytes.

    Args:
        stream: the file, unpacked.
        path: of the copy.
        progress: is told how many bytes were read.
    """
    digest, size, ends, returns = hashlib.sha256(), 0, 0, 0
    suspicious, before, head = False, b"", b""
    with path.open("wb") as copy:
        while block := stream.read(_BLOCK):
            if b"\n" not in head:
                head += block
            digest.update(block)
            copy.write(block)
            size += len(block)
            ends += block.count(b"\n")
            returns += block.count(b"\r")
            joint = before[-2:] + block
            marks = joint.count(_MARK) if not joint.isascii() else 0
            suspicious = (
                suspicious
                or b"\0" in block
                or b"\1" in block
                or marks > (size == len(block) and block.startswith(_MARK))
            )
            before = block
            progress(size)
    if before and not before.endswith(b"\n"):
        ends += 1
    first = head.partition(b"\n")[0].removesuffix(b"\r")
    return Spooled(stream.name, path, digest.hexdigest(), size, ends, first, suspicious, returns)


def opened(spooled: Spooled, file: IO[bytes]) -> ByteStream:
    """The copy as the exact reader takes it, under the name of the original."""
    return ByteStream(spooled.name, file.read)


# --- the fast path ------------------------------------------------------------------------------

_INTEGER = "-?[0-9]{1,18}"
_DECIMAL = r"-?[0-9]{1,20}(?:\.[0-9]{1,18})?"
_TIME = (
    r"[12][0-9]{3}-[0-9]{2}-[0-9]{2}[T ](?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"
    r"(?:\.[0-9]{1,9})?Z"
)
_PATTERNS = {
    ColumnType.INTEGER: f'(?:"(?:{_INTEGER})?"|(?:{_INTEGER})?)',
    ColumnType.DECIMAL: f'(?:"(?:{_DECIMAL})?"|(?:{_DECIMAL})?)',
    ColumnType.TIME: f'(?:"(?:{_TIME})?"|(?:{_TIME})?)',
    # These are compared without case, which means the same everywhere only in ASCII.
    ColumnType.RESULT: '(?:"[ !#-~]*"|[ !#-:<-~]*)',
    ColumnType.REASON: '(?:"[ !#-~]*"|[ !#-:<-~]*)',
}
_TEXT = '(?:"(?:[^"]|"")*"|[^;"]*)'
_REQUIRED = {
    ColumnType.TEXT: '(?:"(?:[^"]|"")+"|[^;"]+)',
    ColumnType.TIME: f'(?:"{_TIME}"|{_TIME})',
}
_OPEN_ENUMS = {ColumnType.RESULT: CallResult, ColumnType.REASON: CallReason}


@attrs.frozen
class PlainFile:
    """A file that may be plain, and the SQL that finds out and reads it.

    Every statement has parameters, in their order, for whatever is not a constant of this module.

    Attributes:
        layout: of all its records.
        skipped: lines of the header, 0 or 1.
        records: lines after it.
        proof: SQL for the number of lines, and of those that are good records; parameters are the
            path and `pattern`.
        pattern: of a line that is a good record.
        select: SQL for the rows, in the order of COLUMNS; parameters are the id and the path.
    """

    layout: Layout
    skipped: int
    records: int
    proof: str
    pattern: str
    select: str


def plain(spooled: Spooled, layout: Layout | None) -> PlainFile | None:
    """How to read a file fast; None if its first line or its bytes say already that it is odd."""
    if spooled.suspicious or spooled.returns or not spooled.lines:
        return None
    reader = Reader(b"", layout)
    head = _File(reader, _bytes(spooled.name, spooled.head))
    try:
        first = head.batch()
    except CdrError:
        return None  # the exact reader says why
    plan = head._plan
    if plan is None or plan.record is not None or b'"' in spooled.head:
        return None
    if not first and not reader.header_rows:
        return None
    skipped = reader.header_rows
    if not skipped and spooled.head.startswith(_MARK):
        return None
    columns = plan.layout.columns[: plan.width]
    line_source = (
        "read_csv(?, columns={'line': 'VARCHAR'}, delim='\1', quote='', escape='', "
        f"header=false, skip={skipped}, auto_detect=false, new_line='\\n', strict_mode=true, "
        f"buffer_size=8388608, max_line_size={_LINE})"
    )
    typed = ", ".join(
        f"'c{number}': '{_SQL_TYPES.get(column.type, 'VARCHAR')}'"
        for number, column in enumerate(columns)
    )
    row_source = (
        f"read_csv(?, columns={{{typed}}}, delim=';', quote='\"', escape='\"', "
        f"header=false, skip={skipped}, auto_detect=false, new_line='\\n', strict_mode=true, "
        f"nullstr='', buffer_size=8388608, max_line_size={_LINE})"
    )
    cells = {_NAMES.get(c.field, c.field): _cell(n, c) for n, c in enumerate(columns)}
    cells |= {
        "layout": f"'{plan.layout.name}'",
        "file_id": "CAST(? AS INTEGER)",
        "record": "record",
        "line": f"record + {skipped}",
    }
    wide = ", ".join(cells.get(name, "NULL") for name in COLUMNS)
    return PlainFile(
        layout=plan.layout,
        skipped=skipped,
        records=spooled.lines - skipped,
        proof=f"SELECT count(*), count(*) FILTER (regexp_full_match(line, ?)) FROM {line_source}",  # noqa: S608
        pattern=";".join(map(_pattern, columns)),
        select=f"SELECT {wide} FROM (SELECT *, row_number() OVER () AS record FROM {row_source})",  # noqa: S608
    )


def _pattern(column: Column) -> str:
    if column.required:
        return _REQUIRED[column.type]
    return _PATTERNS.get(column.type, _TEXT)


def _cell(number: int, column: Column) -> str:
    enum = _OPEN_ENUMS.get(column.type)
    if enum is None:
        return f"c{number}"
    members = ", ".join(f"'{member}'" for member in enum)
    return f"CASE WHEN upper(c{number}) IN ({members}) THEN upper(c{number}) ELSE c{number} END"


def _bytes(name: str, content: bytes) -> ByteStream:
    parts = iter([content])
    return ByteStream(name, lambda size: next(parts, b""))


# --- the exact path -----------------------------------------------------------------------------

_ESCAPES = {"\\": "\\b", "\n": "\\n", "\r": "\\r", _SEPARATOR: "\\s"}
_NEEDS_ESCAPE = re.compile(r"[\\\n\r]")
_escape = str.maketrans(_ESCAPES)
_UNESCAPE = (
    "replace(replace(replace(replace({0}, '\\n', chr(10)), '\\r', chr(13)), '\\s', chr(31)), "
    "'\\b', '\\')"
)
_WIDE_FIELDS = [column.field for column in LAYOUTS["phone-terminated"].columns]
_REJECT_COLUMNS = {
    "line": "BIGINT",
    "offset": "BIGINT",
    "record": "BIGINT",
    "layout": "VARCHAR",
    "column_name": "VARCHAR",
    "value": "VARCHAR",
    "cause": "VARCHAR",
    "message": "VARCHAR",
    "raw": "VARCHAR",
    "size": "BIGINT",
    "header": "VARCHAR",
    "call_id": "VARCHAR",
}


def _read_as_text() -> Mapping[ColumnType, Callable[[str], Any]]:
    """As `values.conversions`, checked in the same way, but text stays what it is."""

    def text(cell: str) -> str:
        return cell

    def integer(cell: str) -> str:
        values.integer(cell)
        return cell

    def decimal(cell: str) -> str:
        values.decimal(cell)
        return cell

    def moment(cell: str) -> str:
        return str(values.needed_moment(cell)) if cell else ""

    def result(cell: str) -> str:
        return values.result(cell) or ""

    def reason(cell: str) -> str:
        return values.reason(cell) or ""

    return {
        ColumnType.TEXT: text,
        ColumnType.INTEGER: values._memo(integer),
        ColumnType.DECIMAL: values._memo(decimal),
        ColumnType.TIME: moment,
        ColumnType.RESULT: values._memo(result),
        ColumnType.REASON: values._memo(reason),
        ColumnType.PHONE: text,
        ColumnType.USER: text,
        ColumnType.ADDRESS: text,
    }


class _NumberedFile(_File):
    """A file whose records know on which line they begin."""

    def __init__(self, reader: Reader, stream: ByteStream) -> None:
        self.runs: list[tuple[int, int]] = []  # from which record of the batch on, from which line
        super().__init__(reader, stream)

    def batch(self) -> list[CdrRecord] | None:
        self.runs = []
        return super().batch()

    def _take_plain(self, batch: list[CdrRecord]) -> None:
        self.runs.append((len(batch), self._line + self._next))
        super()._take_plain(batch)

    def _take_careful(self, batch: list[CdrRecord]) -> bool:
        self.runs.append((len(batch), self._line + self._next))
        return super()._take_careful(batch)

    @property
    def plan(self) -> _Plan | None:
        """How records are read now."""
        return self._plan


@attrs.define
class Rows:
    """What the exact reader found, in two files that DuckDB reads.

    Attributes:
        records: how many there were, rejects included.
        good: how many of them are in `path`.
        rejected: how many are in `reject_path`.
        layouts: of the good ones.
        select: SQL for the good ones, in the order of COLUMNS; parameters are the id and the path.
        select_rejects: SQL for the others; the parameter is their path.
    """

    path: Path
    reject_path: Path
    records: int = 0
    good: int = 0
    rejected: int = 0
    layouts: set[str] = attrs.field(factory=set)
    select: str = ""
    select_rejects: str = ""


def exact_rows(spooled: Spooled, layout: Layout | None, folder: Path) -> Rows:
    """Read a file with the exact reader, into files that DuckDB can read without a doubt.

    Args:
        spooled: the file.
        layout: of records before the first header row.
        folder: where to write.

    Raises:
        CdrError: the file is refused as a whole.
    """
    rows = Rows(folder / "rows", folder / "rejects")
    with ExitStack() as stack:
        source = stack.enter_context(spooled.path.open("rb"))
        good = _RowFile(stack.enter_context(rows.path.open("w", encoding="utf-8", newline="")))
        bad = _RowFile(
            stack.enter_context(rows.reject_path.open("w", encoding="utf-8", newline=""))
        )
        for kind, number, lines, batch, reject in _batches(opened(spooled, source), layout):
            rows.records += len(batch) + (reject is not None)
            if batch:
                rows.layouts.add(kind)
            pick = _PICK[kind]
            for at, (record, line) in enumerate(zip(batch, lines, strict=True), number):
                cells = pick((*record, ""))
                if None in cells:
                    cells = tuple("" if cell is None else cell for cell in cells)
                good.write([kind, *cells, _extras(record), at, line])
            rows.good += len(batch)
            if reject is not None:
                rows.rejected += 1
                bad.write(_reject_cells(reject))
    columns = {name: kind for name, kind in COLUMNS.items() if name != "file_id"}
    texts = {name: good.text(name, kind) for name, kind in columns.items()}
    texts["file_id"] = "CAST(? AS INTEGER)"
    wide = ", ".join(texts[name] for name in COLUMNS)
    rows.select = f"SELECT {wide} FROM {good.source(columns)}"  # noqa: S608
    texts = {name: bad.text(name, kind) for name, kind in _REJECT_COLUMNS.items()}
    texts["raw"] = 'from_hex("raw")'
    rows.select_rejects = f"SELECT {', '.join(texts.values())} FROM {bad.source(_REJECT_COLUMNS)}"  # noqa: S608
    return rows


_Batch = tuple[str, int, list[int], list[CdrRecord], Reject | None]


def _batches(stream: ByteStream, layout: Layout | None) -> Iterator[_Batch]:
    """Records of one layout, from which number on, their lines, and the reject that follows."""
    reader = Reader(b"", layout)
    reader._read_as = _read_as_text()
    file = _NumberedFile(reader, stream)
    number = 1
    while (batch := file.batch()) is not None:
        reject = file.take_reject()
        lines = _lines(file.runs, len(batch))
        start = 0
        for end in range(1, len(batch) + 1):  # a header row in a batch may change the layout
            if end == len(batch) or type(batch[end]) is not type(batch[start]):
                kind = batch[start].layout
                yield kind, number + start, lines[start:end], batch[start:end], None
                start = end
        number += len(batch)
        if reject is not None:
            yield reject.layout, number, [], [], reject
            number += 1


def _lines(runs: list[tuple[int, int]], count: int) -> list[int]:
    lines: list[int] = []
    for (first, line), (after, _) in zip(runs, [*runs[1:], (count, 0)], strict=True):
        lines += range(line, line + after - first)
    return lines


class _RowFile:
    """Rows of text, one a line, none of which can hold a line end or a separator."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file
        self._escaped = False
        self._longest = 0

    def write(self, cells: list[Any]) -> None:
        row = _SEPARATOR.join(map(str, cells))
        if row.count(_SEPARATOR) >= len(cells) or _NEEDS_ESCAPE.search(row):
            self._escaped = True
            row = _SEPARATOR.join(str(cell).translate(_escape) for cell in cells)
        if len(row) > self._longest:
            self._longest = len(row)
        self._file.write(row + "\n")

    def text(self, name: str, kind: str) -> str:
        """SQL for a column."""
        quoted = f'"{name}"'
        return _UNESCAPE.format(quoted) if self._escaped and kind == "VARCHAR" else quoted

    def source(self, columns: Mapping[str, str]) -> str:
        """SQL that reads the file; the parameter is its path."""
        typed = ", ".join(f"'{name}': '{kind}'" for name, kind in columns.items())
        longest = max(_LINE, self._longest * 4 + 1024)  # in bytes
        return (
            f"read_csv(?, columns={{{typed}}}, delim='{_SEPARATOR}', quote='', escape='', "
            "header=false, auto_detect=false, new_line='\\n', strict_mode=true, nullstr='', "
            f"buffer_size={max(1 << 23, longest * 2)}, max_line_size={longest})"
        )


def _picker(layout: Layout) -> Callable[[tuple[Any, ...]], tuple[Any, ...]]:
    # After the columns come the extras, and then an empty text for what the layout does not have.
    fields = [column.field for column in layout.columns]
    places = [fields.index(f) if f in fields else len(fields) + 1 for f in _WIDE_FIELDS]
    pick: Callable[[tuple[Any, ...]], tuple[Any, ...]] = itemgetter(*places)
    return pick


_PICK: Mapping[str, Callable[[tuple[Any, ...]], tuple[Any, ...]]] = {
    name: _picker(layout) for name, layout in LAYOUTS.items()
}


def _extras(record: CdrRecord) -> str:
    return json.dumps(dict(record.extras)) if record.extras else ""


def _reject_cells(reject: Reject) -> list[Any]:
    return [
        reject.line,
        reject.offset,
        reject.record,
        reject.layout,
        reject.column or "",
        reject.value or "",
        reject.cause,
        reject.message,
        reject.raw.hex(),
        reject.size,
        ";".join(reject.header),
        _call_id(reject),
    ]


def _call_id(reject: Reject) -> str:
    """The CallId in the raw text of a reject, as far as it can be told; else nothing."""
    place = [name.lower() for name in reject.header].index("callid")
    text = reject.text
    cells = _cells(text) or text.split(";")
    return cells[place] if place < len(cells) and len(cells[place]) <= 1000 else ""
