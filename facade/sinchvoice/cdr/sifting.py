"""What the exact reader makes of a file, in files that DuckDB reads without a doubt.

Plain lines are copied as they stand. Every other record is read exactly and written as a row in
which no text can end a cell or a row; every reject likewise.
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
from .layouts import LAYOUTS, ColumnType, Layout
from .plain import COLUMNS, PlainLines, literal
from .reader import Reader, RecordFile, UnendedLine, split_cells
from .records import CdrRecord
from .sources import ByteStream
from .values import memo

__all__ = ["REJECT_COLUMNS", "NotPlain", "Sifted", "SmallFiles", "sift"]

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


class NotPlain(Exception):
    """Lines have other columns from somewhere on: there, what is plain is another question."""


@attrs.frozen
class Sifted:
    """What is in a file: `records == plain + good + rejected`.

    Attributes:
        plain_path: the plain lines, each after its number and that of its record.
        plain: how many these are.
        good: records that were read exactly.
        rejected: records that could not be read.
        layouts: of the good ones.
        unended: the last record, if it is good and its line has no end.
    """

    plain_path: Path
    plain: int
    good: int
    rejected: int
    layouts: frozenset[str]
    unended: UnendedLine | None
    _good_rows: _RowFile = attrs.field(alias="good_rows")
    _rejects: _RowFile = attrs.field(alias="rejects")

    @property
    def records(self) -> int:
        """All of them."""
        return self.plain + self.good + self.rejected

    def select(self, file_id: int) -> str:
        """SQL for the good ones, in the order of COLUMNS."""
        columns = {name: kind for name, kind in COLUMNS.items() if name != "file_id"}
        texts = {name: self._good_rows.text(name, kind) for name, kind in columns.items()}
        texts["file_id"] = f"CAST({file_id} AS INTEGER)"
        wide = ", ".join(f"{texts[name]} AS {name}" for name in COLUMNS)
        return f"SELECT {wide} FROM {self._good_rows.source(columns)}"  # noqa: S608

    def select_rejects(self) -> str:
        """SQL for the others."""
        texts = {name: self._rejects.text(name, kind) for name, kind in REJECT_COLUMNS.items()}
        texts["raw"] = 'from_hex("raw")'
        wide = ", ".join(f'{text} AS "{name}"' for name, text in texts.items())
        return f"SELECT {wide} FROM {self._rejects.source(REJECT_COLUMNS)}"  # noqa: S608


def sift(
    name: str,
    path: Path,
    layout: Layout | None,
    folder: Path,
    progress: Callable[[int], object],
    plain: PlainLines | None = None,
    odd: Iterator[int] | None = None,
) -> Sifted:
    """Read a file exactly, but for its plain lines.

    Args:
        name: of the file, for rejects.
        path: of the file, or of its copy.
        layout: of records before the first header row.
        folder: where to write.
        progress: is told how many bytes were read.
        plain: how plain lines look; None to read every line exactly.
        odd: the numbers of all lines that are not plain, in their order; None for every line.

    Raises:
        CdrError: the file is refused as a whole.
        NotPlain: it has to be read without plain lines.
        OSError: the folder cannot be written.
    """
    plain_path = folder / "plain"
    kinds: set[str] = set()
    with ExitStack() as stack:
        good, bad = (_RowFile(folder / name, stack) for name in ("rows", "rejects"))
        target = stack.enter_context(plain_path.open("w", encoding="utf-8", newline=""))
        source = stack.enter_context(path.open("rb"))

        def read(size: int) -> bytes:
            progress(source.tell())
            return source.read(size)

        stream = ByteStream(name, read)
        every = odd or count(1)
        file = _Sieve(Reader(b"", layout), stream, plain, every, target)
        while (batch := file.batch()) is not None:
            for record, number, line in file.placed(batch):
                good.write((*_cells(record), number, line))
                kinds.add(record.layout)
            reject = file.take_reject()
            if reject is not None:
                bad.write(_reject_cells(reject))
    return Sifted(
        plain_path=plain_path,
        plain=file.passed,
        good=good.rows,
        rejected=bad.rows,
        layouts=frozenset(kinds),
        unended=file.unended,
        good_rows=good,
        rejects=bad,
    )


class SmallFiles:
    """Many small files, read exactly, and written down so that DuckDB reads all at once.

    Args:
        folder: where to write.

    Raises:
        OSError: it cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        self._open = ExitStack()
        self._good, self._rejects = (
            _RowFile(folder / f"small-{name}", self._open) for name in ("rows", "rejects")
        )

    def add(self, file_id: int, stream: ByteStream, layout: Layout | None) -> int:
        """Read one more file.

        Returns:
            How many records it has.

        Raises:
            CdrError: it is refused.
            OSError: the folder cannot be written.
        """
        before = self._good.rows + self._rejects.rows
        file = _Sieve(Reader(b"", layout), stream, None, count(1), io.StringIO())
        while (batch := file.batch()) is not None:
            for record, number, line in file.placed(batch):
                self._good.write((*_cells(record), number, line, file_id))
            reject = file.take_reject()
            if reject is not None:
                self._rejects.write([file_id, *_reject_cells(reject)])
        return self._good.rows + self._rejects.rows - before

    def select(self) -> tuple[str, str]:
        """SQL for the rows, in the order of COLUMNS, and for the rejects, after their file_id."""
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
        """Close what is open."""
        self._open.close()


class _Sieve(RecordFile):
    """A file of which only those lines are read that are not plain.

    A plain line within quoted text is a part of that: it is passed over with the record in which it
    is, as the exact reader alone says where a record ends.

    Attributes:
        passed: plain lines, which were written as they stand.
    """

    def __init__(
        self,
        reader: Reader,
        stream: ByteStream,
        plain: PlainLines | None,
        odd: Iterator[int],
        target: IO[str],
    ) -> None:
        self.passed = 0
        self._plain = plain
        self._odd = odd
        self._odd_line = next(odd, sys.maxsize)
        self._odd_from = self._odd_to = 0  # the run of them before that one
        self._target = target
        # For each run of records in a batch: where it begins there, its first number and line.
        self._runs: list[tuple[int, int, int]] = []
        super().__init__(reader, stream, _read_as_text())

    def batch(self) -> list[CdrRecord] | None:
        self._runs = []
        return super().batch()

    def placed(self, batch: list[CdrRecord]) -> Iterator[tuple[CdrRecord, int, int]]:
        """The records of the last batch, each with its number and line."""
        ends = [first for first, _, _ in self._runs[1:]] + [len(batch)]
        for (first, number, line), end in zip(self._runs, ends, strict=False):  # maybe no runs
            yield from zip(batch[first:end], count(number), count(line))

    def _take_plain(self, batch: list[CdrRecord]) -> None:
        begin = self._next
        while True:
            odd, end = self._odd_run()
            self._pass(odd, self._number + 1 + self._next - begin)
            if odd == end:
                return
            self._runs.append((len(batch), self._number + 1 + odd - begin, self._line + odd))
            self._remaining = iter(self._lines[odd:end])
            super()._take_plain(batch)
            if self._next < end:
                self._remaining = islice(self._lines, self._next + 1, None)
                return

    def _take_careful(self, batch: list[CdrRecord]) -> bool:
        self._runs.append((len(batch), self._number + 1, self._line + self._next))
        return super()._take_careful(batch)

    def _odd_run(self) -> tuple[int, int]:
        """Where in the block the next lines begin and end that are not plain."""
        here, stop = self._line + self._next, self._line + len(self._lines)
        while self._odd_to <= here:
            self._odd_from, self._odd_to = self._odd_line, self._odd_line + 1
            self._odd_line = next(self._odd, sys.maxsize)
            while self._odd_line == self._odd_to < stop:
                self._odd_to += 1
                self._odd_line = next(self._odd, sys.maxsize)
        first, end = max(self._odd_from, here), self._odd_to
        return min(first, stop) - self._line, min(end, stop) - self._line

    def _pass(self, end: int, number: int) -> None:
        """Write the plain lines before `end`, the first of which is record `number`."""
        lines = self._lines[self._next : end]
        if lines and self._plain is not None:
            if self._plan is None:
                raise NotPlain  # with the header row, what these lines mean is lost
            # As reading them would do.
            self._plan = self._plan.settled(len(self._plain.names), ends_empty=True)
            if len(self._plan.header) != len(self._plain.names):
                raise NotPlain
        parts = ["\n"] * (3 * len(lines))
        parts[::3] = map(
            "{};{};".format, count(self._line + self._next), range(number, number + len(lines))
        )
        parts[1::3] = lines
        self._target.write("".join(parts))
        self.passed += len(lines)
        self._next = end

    def _header(self, cells: list[str], line: int) -> None:
        super()._header(cells, line)
        now, plain = self.plan, self._plain
        assert now is not None  # noqa: S101 - it has just been set
        if plain is not None and not plain.suits(now):
            raise NotPlain


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
    """Rows of text, one a line, none of which can hold a line end or a separator.

    Attributes:
        rows: how many there are.
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
        """SQL for a column."""
        quoted = f'"{name}"'
        return _UNESCAPE.format(quoted) if self._escaped and kind == "VARCHAR" else quoted

    def source(self, columns: Mapping[str, str]) -> str:
        """SQL that reads the file."""
        typed = ", ".join(f"'{name}': '{kind}'" for name, kind in columns.items())
        longest = self._longest * 4 + (1 << 20)  # in bytes
        return (
            f"read_csv({literal(self._path)}, columns={{{typed}}}, delim='{_SEPARATOR}', "
            "quote='', escape='', compression='none', header=false, auto_detect=false, "
            "new_line='\\n', strict_mode=true, nullstr='', "
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


def _cells(record: CdrRecord) -> tuple[Any, ...]:
    """A record as text, up to the extras."""
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
    """The CallId in the raw text of a reject, as far as it can be told; else nothing."""
    place = _place_of_call_id(reject.header)
    if reject.cause is RejectCause.HEADER or place is None:
        return ""
    text = reject.text
    cells = split_cells(text) or text.split(";")
    call_id = cells[place].removeprefix("\ufeff") if place < len(cells) else ""
    return call_id if len(call_id) <= 1000 else ""
