"""The slow path: the exact reader reads a file, and writes its records for DuckDB.

Lines on the fast path are copied unchanged. All other records are read exactly and written as rows
in which no text can end a cell or a row. Rejects are written in the same way.
"""

from __future__ import annotations

import io
import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import lru_cache
from itertools import count, islice
from operator import itemgetter
from pathlib import Path
from typing import IO, Any

import attrs

from ..errors import Reject, RejectCause
from . import values
from .fast_path import COLUMNS, FastLines, literal
from .layouts import LAYOUTS, ColumnType, Layout
from .reader import Reader, RecordFile, UnendedLine, split_cells
from .records import CdrRecord
from .sources import ByteStream
from .values import memo

__all__ = ["REJECT_COLUMNS", "NoFastPath", "SlowRows", "SmallFiles", "read_slow_lines"]

_SEPARATOR = "\x1f"
_ESCAPES = str.maketrans({"\\": "\\b", "\n": "\\n", "\r": "\\r", _SEPARATOR: "\\s"})
_UNESCAPE = (
    "replace(replace(replace(replace({0}, '\\n', chr(10)), '\\r', chr(13)), '\\s', chr(31)), "
    "'\\b', '\\')"
)
_WIDE_FIELDS = [column.field for column in LAYOUTS["phone-terminated"].columns]
REJECT_COLUMNS = {
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


class NoFastPath(Exception):
    """The columns change within the file, and the fast path is not valid for the later lines."""


@attrs.frozen
class SlowRows:
    """Records of a file that was read by the slow path: `records == fast + good + rejected`.

    Attributes:
        fast_lines_path: Path of the lines left to the fast path, each after its line number and its
            record number.
        fast: Number of these lines.
        good: Number of records that were read exactly.
        rejected: Number of records that could not be read.
        layouts: Layouts of the records that were read exactly.
        unended: The last record, if it was read exactly and its line has no end.
    """

    fast_lines_path: Path
    fast: int
    good: int
    rejected: int
    layouts: frozenset[str]
    unended: UnendedLine | None
    _good_rows: _RowFile = attrs.field(alias="good_rows")
    _rejects: _RowFile = attrs.field(alias="rejects")

    @property
    def records(self) -> int:
        """Number of all records."""
        return self.fast + self.good + self.rejected

    def select(self, file_id: int) -> str:
        """Return SQL for the records that were read exactly, in the order of COLUMNS."""
        columns = {name: kind for name, kind in COLUMNS.items() if name != "file_id"}
        texts = {name: self._good_rows.text(name, kind) for name, kind in columns.items()}
        texts["file_id"] = f"CAST({file_id} AS INTEGER)"
        wide = ", ".join(f"{texts[name]} AS {name}" for name in COLUMNS)
        return f"SELECT {wide} FROM {self._good_rows.source(columns)}"  # noqa: S608

    def select_rejects(self) -> str:
        """Return SQL for the rejects."""
        texts = {name: self._rejects.text(name, kind) for name, kind in REJECT_COLUMNS.items()}
        texts["raw"] = 'from_hex("raw")'
        wide = ", ".join(f'{text} AS "{name}"' for name, text in texts.items())
        return f"SELECT {wide} FROM {self._rejects.source(REJECT_COLUMNS)}"  # noqa: S608


def read_slow_lines(
    name: str,
    path: Path,
    layout: Layout | None,
    folder: Path,
    progress: Callable[[int], object],
    fast: FastLines | None = None,
    slow_line_numbers: Iterator[int] | None = None,
) -> SlowRows:
    """Read a file exactly, except for lines on the fast path.

    Args:
        name: Name of the file, for rejects.
        path: Path of the file or its copy.
        layout: Layout of records before the first header row.
        folder: Folder to write to.
        progress: Called with the number of bytes read so far.
        fast: The fast path of the file; None to read every line exactly.
        slow_line_numbers: Numbers of all lines on the slow path, in order; None for every line.

    Raises:
        CdrError: The whole file is refused.
        NoFastPath: The file must be read without a fast path.
        OSError: The folder cannot be written to.
    """
    fast_lines_path = folder / "fast"
    kinds: set[str] = set()
    with ExitStack() as stack:
        good, bad = (_RowFile(folder / name, stack) for name in ("rows", "rejects"))
        target = stack.enter_context(fast_lines_path.open("w", encoding="utf-8", newline=""))
        source = stack.enter_context(path.open("rb"))

        def read(size: int) -> bytes:
            progress(source.tell())
            return source.read(size)

        stream = ByteStream(name, read)
        numbers = slow_line_numbers or count(1)
        file = _SlowFile(Reader(b"", layout), stream, fast, numbers, target)
        while (batch := file.batch()) is not None:
            for record, number, line in file.placed(batch):
                good.write((*_cells(record), number, line))
                kinds.add(record.layout)
            reject = file.take_reject()
            if reject is not None:
                bad.write(_reject_cells(reject))
    return SlowRows(
        fast_lines_path=fast_lines_path,
        fast=file.fast_lines,
        good=good.rows,
        rejected=bad.rows,
        layouts=frozenset(kinds),
        unended=file.unended,
        good_rows=good,
        rejects=bad,
    )


class SmallFiles:
    """Reads many small files exactly, and writes them so that DuckDB reads all at once.

    Args:
        folder: Folder to write to.

    Raises:
        OSError: The folder cannot be written to.
    """

    def __init__(self, folder: Path) -> None:
        self._open = ExitStack()
        self._good, self._rejects = (
            _RowFile(folder / f"small-{name}", self._open) for name in ("rows", "rejects")
        )

    def add(self, file_id: int, stream: ByteStream, layout: Layout | None) -> int:
        """Read one more file.

        Returns:
            The number of its records.

        Raises:
            CdrError: The file is refused.
            OSError: The folder cannot be written to.
        """
        before = self._good.rows + self._rejects.rows
        file = _SlowFile(Reader(b"", layout), stream, None, count(1), io.StringIO())
        while (batch := file.batch()) is not None:
            for record, number, line in file.placed(batch):
                self._good.write((*_cells(record), number, line, file_id))
            reject = file.take_reject()
            if reject is not None:
                self._rejects.write([file_id, *_reject_cells(reject)])
        return self._good.rows + self._rejects.rows - before

    def select(self) -> tuple[str, str]:
        """Return SQL for the rows, in the order of COLUMNS, and for the rejects, after file_id."""
        self._open.close()
        columns = {name: kind for name, kind in COLUMNS.items() if name != "file_id"}
        good = ", ".join(self._good.text(name, kind) for name, kind in COLUMNS.items())
        rejects = {"file_id": "INTEGER", **REJECT_COLUMNS}
        texts = {name: self._rejects.text(name, kind) for name, kind in rejects.items()}
        texts["raw"] = 'from_hex("raw")'
        return (
            f"SELECT {good} FROM {self._good.source({**columns, 'file_id': 'INTEGER'})}",  # noqa: S608
            f"SELECT {', '.join(texts.values())} FROM {self._rejects.source(rejects)}",  # noqa: S608
        )

    def close(self) -> None:
        """Close the files."""
        self._open.close()


class _SlowFile(RecordFile):
    """A file of which only the lines on the slow path are read.

    Only the exact reader decides where a record ends. A line within quoted text belongs to that
    record, even if it matches the fast path.

    Attributes:
        fast_lines: Number of lines that were written unchanged for the fast path.
    """

    def __init__(
        self,
        reader: Reader,
        stream: ByteStream,
        fast: FastLines | None,
        slow_line_numbers: Iterator[int],
        target: IO[str],
    ) -> None:
        self.fast_lines = 0
        self._fast = fast
        self._slow_line_numbers = slow_line_numbers
        self._next_slow = next(slow_line_numbers, sys.maxsize)
        self._slow_from = self._slow_to = 0  # the run of slow lines before that one
        self._target = target
        # For each run of records in a batch: its start in the batch, first number and first line.
        self._runs: list[tuple[int, int, int]] = []
        super().__init__(reader, stream, _read_as_text())

    def batch(self) -> list[CdrRecord] | None:
        self._runs = []
        return super().batch()

    def placed(self, batch: list[CdrRecord]) -> Iterator[tuple[CdrRecord, int, int]]:
        """Yield the records of the last batch, each with its record and line number."""
        ends = [first for first, _, _ in self._runs[1:]] + [len(batch)]
        for (first, number, line), end in zip(
            self._runs, ends, strict=False
        ):  # there may be no runs
            yield from zip(batch[first:end], count(number), count(line))

    def _take_simple(self, batch: list[CdrRecord]) -> None:
        begin = self._next
        while True:
            first, end = self._slow_run()
            self._skip_fast(first, self._number + 1 + self._next - begin)
            if first == end:
                return
            self._runs.append((len(batch), self._number + 1 + first - begin, self._line + first))
            self._remaining = iter(self._lines[first:end])
            super()._take_simple(batch)
            if self._next < end:
                self._remaining = islice(self._lines, self._next + 1, None)
                return

    def _take_any(self, batch: list[CdrRecord]) -> bool:
        self._runs.append((len(batch), self._number + 1, self._line + self._next))
        return super()._take_any(batch)

    def _slow_run(self) -> tuple[int, int]:
        """Return where in the block the next run of slow lines begins and ends."""
        here, stop = self._line + self._next, self._line + len(self._lines)
        while self._slow_to <= here:
            self._slow_from, self._slow_to = self._next_slow, self._next_slow + 1
            self._next_slow = next(self._slow_line_numbers, sys.maxsize)
            while self._next_slow == self._slow_to < stop:
                self._slow_to += 1
                self._next_slow = next(self._slow_line_numbers, sys.maxsize)
        first, end = max(self._slow_from, here), self._slow_to
        return min(first, stop) - self._line, min(end, stop) - self._line

    def _skip_fast(self, end: int, number: int) -> None:
        """Write the fast lines before `end`, of which the first is record `number`."""
        lines = self._lines[self._next : end]
        if lines and self._fast is not None:
            if self._plan is None:
                raise NoFastPath  # without a header row, the columns of these lines are unknown
            # Reading the lines would do the same.
            self._plan = self._plan.settled(len(self._fast.names), ends_empty=True)
            if len(self._plan.header) != len(self._fast.names):
                raise NoFastPath
        parts = ["\n"] * (3 * len(lines))
        parts[::3] = map(
            "{};{};".format, count(self._line + self._next), range(number, number + len(lines))
        )
        parts[1::3] = lines
        self._target.write("".join(parts))
        self.fast_lines += len(lines)
        self._next = end

    def _header(self, cells: list[str], line: int) -> None:
        super()._header(cells, line)
        now, fast = self.plan, self._fast
        assert now is not None  # noqa: S101 - set by the call above
        if fast is not None and not fast.suits(now):
            raise NoFastPath


def _read_as_text() -> Mapping[ColumnType, Callable[[str], Any]]:
    """Return conversions with the checks of `values.conversions` that keep each cell as text."""

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
        ColumnType.INTEGER: memo(integer),
        ColumnType.DECIMAL: memo(decimal),
        ColumnType.TIME: moment,
        ColumnType.RESULT: memo(result),
        ColumnType.REASON: memo(reason),
        ColumnType.PHONE: text,
        ColumnType.USER: text,
        ColumnType.ADDRESS: text,
    }


class _RowFile:
    """A file with one row of text per line; line ends and separators in cells are escaped.

    Attributes:
        rows: Number of rows.
    """

    def __init__(self, path: Path, stack: ExitStack) -> None:
        self.rows = 0
        self._path = path
        self._file = stack.enter_context(path.open("w", encoding="utf-8", newline=""))
        self._escaped = False
        self._longest = 0

    def write(self, cells: Sequence[Any]) -> None:
        row = _SEPARATOR.join(map(str, cells))
        if row.count(_SEPARATOR) >= len(cells) or "\\" in row or "\n" in row or "\r" in row:
            self._escaped = True
            row = _SEPARATOR.join(str(cell).translate(_ESCAPES) for cell in cells)
        if len(row) > self._longest:
            self._longest = len(row)
        self.rows += 1
        self._file.write(row + "\n")

    def text(self, name: str, kind: str) -> str:
        """Return SQL for a column."""
        quoted = f'"{name}"'
        return _UNESCAPE.format(quoted) if self._escaped and kind == "VARCHAR" else quoted

    def source(self, columns: Mapping[str, str]) -> str:
        """Return SQL that reads the file."""
        typed = ", ".join(f"'{name}': '{kind}'" for name, kind in columns.items())
        longest = self._longest * 4 + (1 << 20)  # in bytes
        return (
            f"read_csv({literal(self._path)}, columns={{{typed}}}, delim='{_SEPARATOR}', "
            "quote='', escape='', compression='none', header=false, auto_detect=false, "
            "new_line='\\n', strict_mode=true, nullstr='', "
            f"buffer_size={max(1 << 23, longest * 2)}, max_line_size={longest})"
        )


def _picker(layout: Layout) -> Callable[[tuple[Any, ...]], tuple[Any, ...]]:
    # The extras follow the columns; then comes an empty text for columns missing in the layout.
    fields = [column.field for column in layout.columns]
    places = [fields.index(f) if f in fields else len(fields) + 1 for f in _WIDE_FIELDS]
    pick: Callable[[tuple[Any, ...]], tuple[Any, ...]] = itemgetter(*places)
    return pick


_PICK: Mapping[str, Callable[[tuple[Any, ...]], tuple[Any, ...]]] = {
    name: _picker(layout) for name, layout in LAYOUTS.items()
}


def _cells(record: CdrRecord) -> tuple[Any, ...]:
    """Return a record as text, including the extras."""
    cells = _PICK[record.layout]((*record, ""))
    if None in cells:
        cells = tuple("" if cell is None else cell for cell in cells)
    return (record.layout, *cells, _extras(record))


def _extras(record: CdrRecord) -> str:
    return json.dumps(dict(record.extras), sort_keys=True) if record.extras else ""


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
        _header_text(reject.header),
        _call_id(reject),
    ]


@lru_cache(8)
def _header_text(header: tuple[str, ...]) -> str:
    return ";".join(map(_quoted, header))


@lru_cache(8)
def _place_of_call_id(header: tuple[str, ...]) -> int | None:
    names = [name.lower() for name in header]
    return names.index("callid") if "callid" in names else None


def _quoted(name: str) -> str:
    return '"{}"'.format(name.replace('"', '""')) if re.search('[;"\r\n]', name) else name


def _call_id(reject: Reject) -> str:
    """Return the CallId in the raw text of a reject; empty if it cannot be located."""
    place = _place_of_call_id(reject.header)
    if reject.cause is RejectCause.HEADER or place is None:
        return ""
    text = reject.text
    cells = split_cells(text) or text.split(";")
    call_id = cells[place].removeprefix("\ufeff") if place < len(cells) else ""
    return call_id if len(call_id) <= 1000 else ""
