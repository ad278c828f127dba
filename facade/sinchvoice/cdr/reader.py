"""The exact reader: every record of a file becomes a typed record or a reject, never neither.

How a file is divided into records, and where it gives up:

- A line ends in LF or CRLF. A field that begins with `"` is quoted as in RFC 4180, and may hold
  line ends; a `"` anywhere else is text, so JSON may stand unquoted.
- A quote that is not closed, or has text after it, costs the line it is on: reading goes on with
  the next. How far a closing quote is looked for has a limit, in bytes and in fields, so that no
  file takes longer than in proportion to its size.
- A row that looks like a header row and cannot be read ends what is known: what follows is rejected
  until a header row comes that can be read. So no row is read under the names of another file.
- The first record after a header row, or of a file without one, tells how many cells all have, as
  far as there is a choice: without the newest column, or with a semicolon at the end of each line.
- If lines that are too short to be a record, or name ever other columns, are 5,000 more than the
  other records, the file is refused: so none takes much longer than a good one of its size.
- The fast path takes whole lines that are plainly right. Everything else goes to one careful
  function, which alone decides what is rejected.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing
from itertools import accumulate, islice
from operator import call, itemgetter, length_hint
from types import TracebackType
from typing import Any, Literal, Self, TypeAlias

import attrs

from ..errors import CdrError, InvalidRequest, Reject, RejectCause, Remedy, printable
from . import layouts
from .layouts import LAYOUTS, Column, ColumnType, Layout, LayoutName
from .records import NO_EXTRAS, RECORD_TYPES, CdrRecord, Extras
from .sources import ByteStream, LeftOut, Source, streams
from .values import NEEDED, BadValue, conversions, needed_moment

__all__ = [
    "MAX_COLUMNS",
    "MAX_RECORD",
    "LostHeader",
    "Plan",
    "Reader",
    "RecordFile",
    "UnendedLine",
    "is_separator_line",
    "read",
    "split_cells",
]

MAX_RECORD = 1 << 24
"""Bytes that a record can have: 16 MiB."""
MAX_COLUMNS = 100
"""Columns that a header can name."""

_BLOCK = 1 << 16  # with more, the garbage collector goes through each batch several times
_SHOWN = 60
_Read: TypeAlias = Callable[[str], Any]

_apply: Any = call  # typed as it is, pyright takes it for something else
_HEAD = 64
_KEPT = 4096
_ROW = 1 << 14
"""Bytes at either end of a rejected record in which a header row is looked for."""
_MAX_IDLE = 5_000
"""So many more lines without a record than records a file can have."""
_SHORTEST = 20
"""Bytes that a record has beside its separators: of a time, and of a CallId."""
_HEADERS = 64
"""Header rows of a file that are remembered."""
_SEPARATORS = re.compile("[;,\t|\r\n]").split
# A header with most columns of a layout has one of these.
_COMMON_NAMES = (
    *(b"callid", b"userspaceid", b"calltime", b"result", b"reason", b"duration"),
    *(b"custom", b"applicationkey"),
)
_RESEMBLING = 4
"""Names of columns in cells of a row that cannot be read: of so many columns, no caller chooses the
text. That is less than half of a header row, as one may be torn."""
_BLANK_LINES = re.compile(rb"(?:[ \t]*+\r?\n)++").match
_SEPARATOR_LINE = re.compile('"?sep=(.)"?', re.IGNORECASE).fullmatch
_RESUMES = "; the lines after it are read as records of their own"
_MARK = "\ufeff"
_MARK_BYTES = _MARK.encode()
_NOT_SIMPLE = re.compile(f"[\0\r]|^{_MARK}").search
_QUOTED = re.compile(r'"[^"]*+(?:""[^"]*+)*+"').match
_QUOTED_BYTES = re.compile(rb'"[^"]*+(?:""[^"]*+)*+"').match
_QUOTED_CELL = re.compile(rb'"[^"\n]*+(?:""[^"\n]*+)*+";')
_QUOTED_CELLS = re.compile(b"(?:" + _QUOTED_CELL.pattern + b")++").match
_CELL = r'(?:"[^"]*+(?:""[^"]*+)*+"|[^";\r][^;\r]*+|)'
_WITHOUT_BARE_RETURN = re.compile(f"{_CELL}(?:;{_CELL})*+").fullmatch


OnReject: TypeAlias = Literal["raise", "collect"] | Callable[[Reject], object]


def read(
    source: Source,
    layout: LayoutName | Layout | None = None,
    *,
    on_reject: OnReject = "raise",
    recursive: bool = False,
) -> Reader:
    """Read call detail records, file after file, each as a typed record.

    Memory does not grow with the file. Files are opened when their turn comes.

    Args:
        source: a path, a glob, a folder (its .csv, .txt and .zip files, compressed or not, by
            name), a binary file, bytes, `-` for standard input, a URL such as `s3://…` (extra
            `cdr`), or an iterable of these.
        layout: of the records before the first header row. Needed if there is none; a header row,
            wherever it comes, says by itself which columns follow.
        on_reject: what happens to a record that cannot be read: `raise` stops at the first with a
            CdrError that has it; `collect` keeps all in `rejects`; a function is called with it.
        recursive: whether folders in folders are read as well.

    Returns:
        An iterator over the records, with counts. It closes its files when it comes to its end,
        when it is closed, and at the end of a `with`.

    Raises:
        InvalidRequest: there is no such layout, or on_reject is none of these.
        CdrError: while it is iterated: a file cannot be opened or is damaged, or its header says
            nothing, twice the same or too little; it ends the iteration.

    Source: facts on files are the vendor's page "Call Detail Records", which describes neither
    header nor quoting, so that each form that is not ambiguous is read.
    """
    return Reader(source, layout, on_reject=on_reject, recursive=recursive)


class Reader(Iterator[CdrRecord]):
    """The records of one or more files, in their order; made by `read`.

    At any time, `records == yielded + rejected`: records are counted where lines are, and the
    other two where they go.

    Attributes:
        files: files that were opened, each member of an archive for itself.
        rejected: records that were rejected.
        rejects: these, if they are collected.
        left_out: files in folders and archives, or found by globs, that are not read.
        blank_lines: lines with nothing, or only spaces and tabs, and a spreadsheet's `sep=;`.
        header_rows: rows that name the columns.
    """

    def __init__(
        self,
        source: Source,
        layout: LayoutName | Layout | None = None,
        *,
        on_reject: OnReject = "raise",
        recursive: bool = False,
        block_size: int = _BLOCK,
        max_record: int = MAX_RECORD,
    ) -> None:
        self.rejects: list[Reject] = []
        self.left_out: list[LeftOut] = []
        self._hand_on: Callable[[Reject], object]
        if on_reject == "raise":
            self._hand_on = _raise
        elif on_reject == "collect":
            self._hand_on = self.rejects.append
        elif not isinstance(on_reject, str) and callable(on_reject):
            self._hand_on = on_reject
        else:
            raise InvalidRequest(
                f"on_reject is {on_reject!r}: give 'raise', 'collect' or a function"
            )
        self.files = 0
        self.rejected = 0
        self.blank_lines = 0
        self.header_rows = 0
        self._layout = None if layout is None else layouts.find(layout)
        self._block_size = block_size
        self._max_record = max_record
        self._read_as = conversions()
        self._counted = 0
        self._handed_over = 0
        self._batch: Iterator[CdrRecord] = iter(())
        self._all = self._iterate(
            streams(source, recursive=recursive, leave_out=self.left_out.append)
        )

    @property
    def yielded(self) -> int:
        """Records that were given so far."""
        return self._handed_over - length_hint(self._batch)

    @property
    def records(self) -> int:
        """Records that were come across so far."""
        return self._counted - length_hint(self._batch)

    def __iter__(self) -> Iterator[CdrRecord]:  # noqa: PYI034 - see below
        return self._all  # and not self: a call of __next__ for each record costs time

    def __next__(self) -> CdrRecord:
        return next(self._all)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the files; nothing more is read."""
        self._all.close()

    def _iterate(
        self, opened: Generator[ByteStream, None, None]
    ) -> Generator[CdrRecord, None, None]:
        with closing(opened):
            for stream in opened:
                self.files += 1
                file = RecordFile(self, stream)
                while (batch := file.batch()) is not None:
                    self._counted += file.counted
                    self._handed_over += len(batch)
                    if file.unended is not None:
                        batch[-1] = batch[-1]._replace(
                            extras=Extras(batch[-1].extras, may_be_cut=True)
                        )
                    self._batch = iter(batch)
                    yield from self._batch
                    reject = file.take_reject()
                    if reject is not None:
                        self._counted += 1
                        self.rejected += 1
                        self._hand_on(reject)


def _raise(reject: Reject) -> None:
    raise CdrError(reject.message, reject.file, reject.line, reject)


@attrs.frozen
class UnendedLine:
    """The record on the last line of a file, if that has no end: its last text may be cut.

    Attributes:
        record: which record of the file it is, from 1.
        line: on which it begins.
        fields: of the record that may lack text: that of the last column (`extras` if the layout
            does not have it), and those of columns that may have followed it.
        text: of the last column.
    """

    record: int
    line: int
    fields: tuple[str, ...]
    text: str


class RecordFile:
    """One file, block by block.

    A block is whole lines. What a call of `batch` leaves of it is there for the next one.

    Args:
        reader: has the settings and the counts.
        stream: the file.
        reads: how cells are read, if not as the reader does it.

    Attributes:
        counted: records in the last batch.
        unended: the last of these, if its line is the last one and has no end.
    """

    def __init__(
        self,
        reader: Reader,
        stream: ByteStream,
        reads: Mapping[ColumnType, _Read] | None = None,
    ) -> None:
        self.counted = 0
        self.unended: UnendedLine | None = None
        self._failure: CdrError | None = None  # what comes after the batch, and ends the file
        self._reject: Reject | None = None  # what stands after the last batch
        self._reader = reader
        self._stream = stream
        self._block_size = reader._block_size
        self._max_record = reader._max_record
        self._kept = min(_KEPT, self._max_record)  # bytes of a record that is too large
        self._reads = reads or reader._read_as
        self._plan = None if reader._layout is None else _by_position(reader._layout, self._reads)
        self._lost: LostHeader | None = None
        self._headers: dict[tuple[LayoutName | None, tuple[str, ...]], Plan] = {}
        self._known_rows: set[tuple[str, ...]] = set()  # of these
        self._number = 0  # records so far
        self._idle = 0  # lines that name other columns, and records that are too short
        self._short = 0  # the latter
        self._data = b""
        self._base = 0  # bytes of the file before _data
        self._at = 0  # where in _data the block begins
        self._end = 0  # and where it ends
        self._line = 1  # the number of its first line
        self._lines: list[str] = []
        self._remaining = iter(self._lines)
        self._next = 0  # which line comes next
        self._offsets: list[int] = []  # where they begin, once somebody asks
        self._ended = False
        self._begin()

    def batch(self) -> list[CdrRecord] | None:
        """The records before the end of the block or a reject; None at the end of the file."""
        self.counted = 0
        if self._failure is not None:
            raise self._failure
        if self._next == len(self._lines):
            if self._lines:
                self._leave_block(self._end, self._line + len(self._lines))
            while not self._take_block():
                if self._reject is not None:
                    return []
                if self._ended and self._at == len(self._data):
                    return None
                self._more()
        batch: list[CdrRecord] = []
        while self._next < len(self._lines):
            before = self._next
            self._take_simple(batch)
            self.counted += self._next - before
            self._number += self._next - before
            if self._next == len(self._lines) > before and self._is_unended(self._end):
                self._mark_unended(split_cells(self._lines[-1]), self._line + self._next - 1)
            try:
                if (
                    self._next < len(self._lines)
                    and not self._pass_blank()
                    and not self._take_any(batch)
                ):
                    break
            except CdrError as error:  # the records before it come first
                self._failure = error
                break
        return batch

    @property
    def plan(self) -> Plan | None:
        """How records are read now; None until a header row comes that can be read."""
        return self._plan

    def take_reject(self) -> Reject | None:
        """The reject after the last batch, if there is one."""
        reject, self._reject = self._reject, None
        return reject

    # --- bytes ---

    def _begin(self) -> None:
        self._more(_HEAD)
        head = self._data[:_HEAD]
        # Less than this is no header row in UTF-16, and no measure of a file.
        is_measure = len(head) >= 32 or b"\n" not in head
        if head.startswith((b"\xff\xfe", b"\xfe\xff")) or (
            is_measure and head.count(0) * 3 > len(head)
        ):
            raise self._error("this is UTF-16 or UTF-32, or no text: convert it to UTF-8")
        if head.startswith(_MARK_BYTES):
            self._at = len(_MARK_BYTES)

    def _more(self, least: int = 0) -> None:
        """Read on: as much as is there already, so that looking far ahead is not looking often."""
        left = self._data[self._at :]
        size = max(least, self._block_size, min(len(left), self._max_record))
        read = self._stream.read(size)
        self._ended = len(read) < size
        self._base += self._at
        self._at = 0
        self._data = left + read

    def _take_block(self) -> bool:
        """Whole lines from what was read; False if there are none, or there is a reject."""
        blank = _BLANK_LINES(self._data, self._at)
        if blank is not None:
            self._leave_block(blank.end(), self._line + self._count_blank(blank))
        data, at = self._data, self._at
        end = data.rfind(b"\n", at, at + self._block_size) + 1
        if not end:
            end = data.find(b"\n", at + self._block_size) + 1
        if not end:
            if not self._ended:
                if len(data) - at > self._max_record + 2:
                    self._skip_line()
                return False
            end = len(data)
        if end == at:
            return False
        self._end = end
        self._lines = _lines(data[at:end], self._max_record)
        self._remaining = iter(self._lines)
        self._next = 0
        self._offsets = []
        return True

    def _leave_block(self, at: int, line: int) -> None:
        """Go on with a new block."""
        self._at = at
        self._line = line
        self._lines = []
        self._next = 0

    def _skip_line(self) -> None:
        """Reject a line that is too large to be held."""
        place = self._base + self._at
        raw = self._data[self._at : self._at + self._kept]
        tail = b""
        size = 0
        while True:
            end = self._data.find(b"\n", self._at)
            if end >= 0 or self._ended:
                break
            size += len(self._data) - self._at - 1
            tail = (tail + self._data[self._at : -1])[-self._kept :]
            self._at = len(self._data) - 1  # the last byte may be the CR of a CRLF
            self._more()
        stop = len(self._data) if end < 0 else end
        rest = self._data[self._at : stop].removesuffix(b"\r")
        size += len(rest)
        line = self._line
        self._leave_block(stop if end < 0 else end + 1, line + 1)
        tail = (tail + rest)[-self._kept :]
        self._refuse(place, line, raw, size, _too_large(self._max_record), tail)

    def _is_unended(self, end: int) -> bool:
        """Whether the file ends here without a line end."""
        return end == len(self._data) and not self._data.endswith(b"\n")

    def _mark_unended(self, cells: list[str], line: int) -> None:
        assert self._plan is not None  # it has read the record  # noqa: S101
        fields = self._plan.fields_from(len(cells))
        if fields:
            self.unended = UnendedLine(self._number, line, fields, cells[-1])

    # --- lines ---

    def _take_simple(self, batch: list[CdrRecord]) -> None:
        """Take lines as long as they are plainly right: one record each, without a doubt.

        Of those that remain, the line that is not is gone as well; it is the one at `_next`.
        """
        plan = self._plan
        if plan is None or plan.is_open:
            next(self._remaining)
            return
        width, reads, tail, kind, record = plan.width, plan.reads, plan.tail, plan.kind, plan.record
        append, new = batch.append, tuple.__new__
        before = len(batch)
        try:
            for line in self._remaining:
                if '"' in line and (line[0] == '"' or ';"' in line):
                    cells = split_cells(line)
                else:
                    cells = line.split(";")
                if len(cells) != width:
                    break
                if record is None:
                    append(new(kind, (*map(_apply, reads, cells), *tail)))
                else:
                    append(record(cells))
        except BadValue:
            pass
        self._next += len(batch) - before

    def _start(self) -> int:
        """Where the next line begins."""
        if not self._offsets:
            lengths = map(len, self._data[self._at : self._end].split(b"\n"))
            self._offsets = list(accumulate(lengths, initial=self._at))
        return self._offsets[self._next] + self._next

    def _pass_blank(self) -> bool:
        """Go on behind blank lines, if the next one is blank."""
        if self._lines[self._next].strip(" \t"):
            return False
        blank = _BLANK_LINES(self._data, self._start(), self._end)
        if blank is None:
            return False
        self._pass_lines(self._count_blank(blank))
        return True

    def _count_blank(self, blank: re.Match[bytes]) -> int:
        lines = self._data.count(b"\n", *blank.span())
        self._reader.blank_lines += lines
        return lines

    def _pass_lines(self, lines: int) -> None:
        """Go on behind lines, the first of which is gone from those that remain."""
        self._next += lines
        next(islice(self._remaining, lines - 1, lines - 1), None)

    def _take_any(self, batch: list[CdrRecord]) -> bool:
        """Take what begins on the next line, whatever it is; False to end the batch."""
        start, line = self._start(), self._line + self._next
        after = self._take_record(start, line, batch)
        if after is None:
            self._leave_block(start, line)
            self._more()
            return False
        if after < self._end:
            self._pass_lines(self._data.count(b"\n", start, after))
        else:
            self._leave_block(after, line + self._data.count(b"\n", start, after))
        return self._reject is None

    def _take_record(self, start: int, line: int, batch: list[CdrRecord]) -> int | None:
        """Take the record, header or blank line at `start`, as a record, a reject or nothing.

        Returns:
            Where the next one begins; None if it cannot be known without reading on.
        """
        data = self._data
        place = self._base + start
        after = data.find(b"\n", start) + 1 or len(data)
        raw = data[start:after].removesuffix(b"\n").removesuffix(b"\r")
        if len(raw) > self._max_record:
            kept, tail = raw[: self._kept], raw[-self._kept :]
            self._refuse(place, line, kept, len(raw), _too_large(self._max_record), tail)
            return after
        if raw.startswith(b'"') or b';"' in raw:
            framed = self._frame(start, line)
            if framed is None:
                return None
            if isinstance(framed, BadValue):
                self._refuse(place, line, raw, len(raw), framed)
                return after
            raw = data[start:framed]
            after = data.find(b"\n", framed) + 1 or len(data)
        problem = self._take(raw, line, batch, unended=self._is_unended(after))
        if problem is not None:
            self._refuse(place, line, raw, len(raw), problem)
        return after

    def _frame(self, start: int, line: int) -> int | BadValue | None:
        """Where the record with quoted fields that begins at `start` ends.

        Looking ahead is limited. A line that leaves a quoted field open has an odd number of `"`
        in a row; to a field that is open already the same row is its end. So with each such line
        that is passed, a field ends, and there can be no more of them than the record has columns.
        """
        data = self._data
        columns = MAX_COLUMNS if self._plan is None else self._plan.width
        limits = f"within {self._max_record} bytes and {columns} columns"
        field, at = 1, start
        stop = start - 1  # where the line ends
        many = False  # whether the record has several
        while True:
            if field > MAX_COLUMNS and (cells := _QUOTED_CELLS(data, at)) is not None:
                field += len(_QUOTED_CELL.findall(data, at, cells.end()))
                at = cells.end()
            if data[at : at + 1] == b'"':
                match = _QUOTED_BYTES(data, at)
                end = len(data) if match is None else match.end()
                many = many or data.find(b"\n", at, end) >= 0
                if many and end - start > self._max_record:
                    return _unclosed(field, limits)
                if field > columns and data.find(b"\n", at, end) >= 0:
                    return _unclosed(field, limits)
                if end >= len(data) - 1 and not self._ended:
                    return None
                if match is None:
                    return _unclosed(field, "before the file ends")
                at = end
                following = data[at : at + 2]
                if following in (b"", b"\r", b"\r\n") or following[:1] == b"\n":
                    return at
                if following[:1] != b";":
                    closed = line + data.count(b"\n", start, at)
                    return BadValue(
                        RejectCause.QUOTE,
                        f"the quote that opens in column {field} closes on line {closed} in the "
                        "middle of text" + (_RESUMES if many else ""),
                    )
            else:
                if stop < at:
                    stop = data.find(b"\n", at)
                    if stop < 0:
                        stop = len(data)
                quoted = data.find(b';"', at, stop)
                size = (stop if quoted < 0 else quoted) - start
                if size > self._max_record and many:
                    return _unclosed(field, limits)
                if quoted < 0:
                    if stop == len(data) and not self._ended:
                        return None
                    return stop - 1 if data.endswith(b"\r", start, stop) else stop
                field += data.count(b";", at, quoted)
                at = quoted
            at += 1
            field += 1

    def _take(
        self, raw: bytes, line: int, batch: list[CdrRecord], *, unended: bool
    ) -> BadValue | None:
        """Take a whole record, header or blank line; or say why the record cannot be read."""
        if b"\0" in raw:
            return BadValue(RejectCause.NUL, "the record has NUL bytes: a part of it was lost")
        try:
            text = raw.decode()
        except UnicodeDecodeError as error:
            return BadValue(
                RejectCause.ENCODING,
                f"byte {error.start + 1} of the record, 0x{raw[error.start]:02x}, is not UTF-8",
            )
        if not text.strip(" \t"):
            self._reader.blank_lines += 1
            return None
        if len(text) < 8 and (separator := _SEPARATOR_LINE(text.removeprefix(_MARK))) is not None:
            if separator[1] != ";":
                raise self._error(
                    f"the columns are separated by {separator[1]!r}: semicolons are expected", line
                )
            self._reader.blank_lines += 1
            self._count_idle(line)
            return None
        if "\r" in text and _WITHOUT_BARE_RETURN(text) is None:
            return BadValue(
                RejectCause.CARRIAGE_RETURN,
                "a carriage return is neither quoted nor the end of a line",
            )
        cells = split_cells(text.removeprefix(_MARK))
        problem = None
        if text.startswith(_MARK):
            problem = BadValue(
                RejectCause.BYTE_ORDER_MARK, "a byte order mark is in the middle of the file"
            )
        elif tuple(cells) in self._known_rows:
            self._header(cells, line)  # as before, whatever its names are
            return None
        elif self._plan is not None:
            self._plan = self._plan.settled(len(cells), ends_empty=cells[-1:] == [""])
            try:
                record = self._plan.read(cells)
            except BadValue as error:
                problem = error
            else:
                self._number += 1
                self.counted += 1
                batch.append(record)
                if unended:
                    self._mark_unended(cells, line)
                return None
        if _is_header(cells, first=self._number == 0):
            self._header(cells, line)
            return None
        return problem or BadValue(RejectCause.COLUMNS, "there is no header row before it")

    def _refuse(
        self, place: int, line: int, raw: bytes, size: int, problem: BadValue, tail: bytes = b""
    ) -> None:
        """Reject a record.

        Args:
            place: bytes before it.
            line: on which it begins.
            raw: its bytes.
            size: how many there are.
            problem: why.
            tail: its last bytes, if `raw` does not have them.
        """
        if self._number == 0:
            self._check_separator(raw.decode("utf-8", "replace"), line)
        expected = self._plan or self._lost
        ends = raw if size < _ROW else raw[:_ROW] + b"\n" + (tail or raw)[-_ROW:]
        if self._resembles_header(ends):
            if expected is None:
                raise self._error(f"the header row cannot be read: {problem}", line)
            expected = self._lost = self._lose_header(raw, line, expected.layout)
            self._plan = None
            problem = BadValue(
                RejectCause.HEADER,
                f"{problem}; it looks like a header row, so that which columns follow is not known",
            )
        elif expected is None:
            raise self._no_header(raw, line)
        elif self._plan is None:
            assert self._lost is not None  # noqa: S101 - one of the two is there
            problem = BadValue(
                RejectCause.HEADER,
                f"the header row on line {self._lost.line} cannot be read: "
                "correct that, and read the file again",
            )
        self._number += 1
        if size < _SHORTEST + len(expected.header):
            self._short += 1
            self._count_idle(line)
        column, value, message = None, None, str(problem)
        if isinstance(problem, _BadCell):
            column, value = problem.column, problem.value
        self._reject = Reject(
            file=self._stream.name,
            line=line,
            offset=place,
            record=self._number,
            layout=expected.layout.name,
            column=column,
            value=value,
            cause=problem.cause,
            message=message,
            raw=raw,
            size=size,
            header=expected.header,
        )

    def _count_idle(self, line: int) -> None:
        self._idle += 1
        if self._idle - (self._number - self._short) > _MAX_IDLE:
            raise self._error(
                f"{self._idle} lines so far are too short to be a record, or name other columns: "
                "check whether this is a file of call detail records",
                line,
            )

    # --- header rows ---

    def _resembles_header(self, text: bytes) -> bool:
        """Whether a row that cannot be read may be, or have in it, one that names the columns."""
        text = text.replace(b"\0", b"")
        if self._plan is None or not self._plan.extras:
            if len(text) < len("CallId;CallTime"):
                return False
            lower = text.lower()
            if not any(name in lower for name in _COMMON_NAMES):
                return False
        cells = _SEPARATORS(text.decode("utf-8", "replace"))
        names = {cell.strip(f' "{_MARK}').lower() for cell in cells}
        if {"callid", "calltime"} <= names and not self._has_time(text):
            return True
        if len(names & _NAMES) >= _RESEMBLING:
            return True
        own = set() if self._plan is None else {name.lower() for name in self._plan.header if name}
        return 2 * len(names & own) > len(own) > 1

    def _has_time(self, text: bytes) -> bool:
        """Whether a row has a time where it has to: callers choose the text of some columns."""
        plan, cells = self._plan, split_cells(text.decode("utf-8", "replace"))
        if plan is None or len(cells) != plan.width:
            return False
        names = [name.lower() for name in plan.header]
        try:
            needed_moment(cells[names.index("calltime")])
        except BadValue:
            return False
        return True

    def _lose_header(self, raw: bytes, line: int, before: Layout) -> LostHeader:
        text = printable(raw[: self._kept].decode("utf-8", "backslashreplace"), self._kept)
        header = tuple(cell.strip() for cell in text.split(";"))
        names = {cell.strip(' "').lower() for cell in header}
        return LostHeader(line, layouts.infer(names) or before, header)

    def _header(self, cells: list[str], line: int) -> None:
        layout = None if self._plan is None else self._plan.layout.name
        key = layout, tuple(cells)
        if key not in self._headers:
            self._count_idle(line)
            if len(self._headers) == _HEADERS:
                self._headers.clear()
                self._known_rows.clear()
            self._headers[key] = self._new_plan(cells, line)
            self._known_rows.add(tuple(cells))
        self._plan, self._lost = self._headers[key], None
        self._reader.header_rows += 1

    def _new_plan(self, cells: list[str], line: int) -> Plan:
        names = [cell.strip() for cell in cells]
        folded = [name.lower() for name in names]
        if folded[-1] == "":
            folded.pop()  # each line ends in a semicolon
        if len(folded) > MAX_COLUMNS:
            raise self._error(f"the header has more than {MAX_COLUMNS} columns", line)
        for number, name in enumerate(folded):
            if not name:
                raise self._error(f"the header has no name for column {number + 1}", line)
            if name in folded[:number]:
                raise self._error(
                    f"the header has {printable(names[number], _SHOWN)!r} twice: "
                    "remove or rename one of the two columns",
                    line,
                )
        for needed in ("CallId", "CallTime"):
            if needed.lower() not in folded:
                raise self._error(f"the header has no {needed}: no record could be told", line)
        return Plan(self._layout_of(folded, line), tuple(names), self._reads, is_open=True)

    def _layout_of(self, folded: list[str], line: int) -> Layout:
        given = set(folded)
        for each in LAYOUTS.values():
            if [column.name.lower() for column in each.columns] == folded:
                return each
        inferred = layouts.infer(given)
        now = None if self._plan is None else self._plan.layout
        for layout in (self._reader._layout, inferred, now):
            if layout is not None and not (given & _NAMES) - _names(layout):
                return layout
        if inferred is not None:
            return inferred
        raise self._error(
            "the header does not tell which layout this is",
            line,
            Remedy("give it as {layout}", layout="layout="),
        )

    def _no_header(self, raw: bytes, line: int) -> CdrError:
        text = raw.decode("utf-8", "replace")
        shown = printable(text[:_SHOWN])
        widths = sorted({width for each in LAYOUTS.values() for width in each.widths})
        columns = len(split_cells(text) or text.split(";"))
        if columns not in widths:
            return self._error(
                f"these are no call detail records: '{shown}' is no header row, and has {columns} "
                f"column{'s' * (columns != 1)} instead of {', '.join(map(str, widths[:-1]))} or "
                f"{widths[-1]}",
                line,
                Remedy("if they are, give {layout}", layout="layout="),
            )
        return self._error(
            f"there is no header row, this is '{shown}'",
            line,
            Remedy(
                "give {layout}, which cannot be guessed (app-to-app and sip-terminated have the "
                "same ten columns)",
                layout="layout=",
            ),
        )

    def _check_separator(self, text: str, line: int) -> None:
        """Refuse a file whose first line is right but for what stands between its columns."""
        widths = self._plan.layout.widths if self._plan else ()
        for separator, name in ((",", "commas"), ("\t", "tabs"), ("|", "bars"), ("\r", "CR")):
            cells = text.replace('"', "").split(separator)
            if separator == "\r":
                if len(cells) > 1 and _is_header(split_cells(cells[0]), first=True):
                    raise self._error("lines end in CR alone: convert them to LF", line)
            elif _is_header(cells, first=True) or (";" not in text and len(cells) in widths):
                raise self._error(
                    f"the columns are separated by {name}: semicolons are expected", line
                )

    def _error(self, message: str, line: int | None = None, remedy: str | None = None) -> CdrError:
        return CdrError(message, self._stream.name, line, remedy=remedy)


@attrs.frozen
class LostHeader:
    """A header row that cannot be read.

    Attributes:
        line: on which it is.
        layout: that its names tell, or of the records before it.
        header: what stands in it.
    """

    line: int
    layout: Layout
    header: tuple[str, ...]


class _BadCell(BadValue):
    """A BadValue, and where in the record it is."""

    def __init__(self, problem: BadValue, column: str, value: str) -> None:
        shown = f" {printable(value, _SHOWN)!r}" if value else ""
        super().__init__(problem.cause, f"{column}{shown} {problem}")
        self.column = column
        self.value = value


class Plan:
    """How the cells of a line become a record of a layout.

    Attributes:
        layout: of the record.
        header: names of the columns, in the order of the file.
        columns: what they are; None for one that the layout does not have.
        extras: names of those, but for a last one without a name, which every line leaves empty.
        width: cells on a line.
        is_open: whether the first record may still tell another width.
        reads: how each cell is read, if they are in the order of the record.
        tail: the values that follow.
        kind: the type of the record.
        record: reads cells that are in another order, or more; None if they are not.
    """

    def __init__(
        self,
        layout: Layout,
        header: tuple[str, ...],
        reads: Mapping[ColumnType, _Read],
        *,
        is_open: bool = False,
        by_position: bool = False,
    ) -> None:
        self.layout = layout
        self.is_open = is_open
        self.header = header
        self.width = len(header)
        self.kind: type[CdrRecord] = RECORD_TYPES[layout.name]
        self._all_reads = reads
        self._by_position = by_position
        columns = {column.name.lower(): column for column in layout.columns}
        order = [columns.pop(name.lower(), None) for name in header]
        self.columns = tuple(order)
        self._in_file = [_reading(column, reads) for column in order]
        self._unknown = [
            (name, place)
            for place, (name, column) in enumerate(zip(header, order, strict=True))
            if column is None and name
        ]
        self.extras = tuple(name for name, _ in self._unknown)
        known = [column for column in order if column is not None]
        if known == order and known == list(layout.columns[: len(known)]):
            self.reads = self._in_file
            self.tail = (None,) * (len(layout.columns) - len(known)) + (NO_EXTRAS,)
            self.record: Callable[[list[str]], CdrRecord] | None = None
            return
        self.record = self._record
        self.reads, self.tail = [], ()
        places = [order.index(c) if c in known else len(order) for c in layout.columns]
        self._pick = itemgetter(*places)
        self._picked = [_reading(column, reads) for column in layout.columns]
        self._nameless = header[-1] == ""

    def settled(self, width: int, *, ends_empty: bool) -> Plan:
        """The plan for all records, after the first one.

        Without a header row older files have fewer columns; and a semicolon may stand at the end of
        each record, or of the header row, or of both.

        Args:
            width: cells of that record.
            ends_empty: whether the last one is empty.
        """
        if not self.is_open:
            return self
        names = self.header if self.header[-1] else self.header[:-1]
        headers = [names[:older] for older in self.layout.widths] if self._by_position else [names]
        if ends_empty:
            headers.append((*names, ""))
        for header in headers:
            if len(header) == width:
                return Plan(self.layout, header, self._all_reads, by_position=self._by_position)
        return self

    def fields_from(self, number: int) -> tuple[str, ...]:
        """The fields of this column, counted from 1, and of those that may follow it."""
        if not self.header[number - 1]:
            return ()  # it ends a record, as each line ends in a semicolon
        column = self.columns[number - 1]
        following = self.layout.columns[number:] if self._by_position else ()
        return ("extras" if column is None else column.field, *(each.field for each in following))

    def read(self, cells: list[str]) -> CdrRecord:
        """The record of these cells.

        Raises:
            BadValue: there are too many or too few, or one of them is wrong.
        """
        if len(cells) != self.width:
            number = len(cells) if len(cells) <= MAX_COLUMNS else f"more than {MAX_COLUMNS}"
            raise BadValue(
                RejectCause.COLUMNS, f"the record has {number} columns, not {self.width}"
            )
        try:
            if self.record is None:
                return tuple.__new__(self.kind, (*map(_apply, self.reads, cells), *self.tail))
            return self.record(cells)
        except BadValue as problem:
            for name, reading, cell in zip(self.header, self._in_file, cells, strict=True):
                try:
                    reading(cell)
                except BadValue as found:
                    raise _BadCell(found, name, cell) from None
            raise problem from None

    def _record(self, cells: list[str]) -> CdrRecord:
        if self._nameless and cells[-1]:
            raise BadValue(
                RejectCause.COLUMNS, "the record has text in the last column, which has no name"
            )
        extras = NO_EXTRAS
        if self._unknown:
            extras = Extras({name: cells[place] for name, place in self._unknown})
        values = map(_apply, self._picked, self._pick([*cells, ""]))
        return tuple.__new__(self.kind, (*values, extras))


def _reading(column: Column | None, reads: Mapping[ColumnType, _Read]) -> _Read:
    if column is None:
        return str
    return NEEDED[column.type] if column.required else reads[column.type]


def _by_position(layout: Layout, reads: Mapping[ColumnType, _Read]) -> Plan:
    names = tuple(column.name for column in layout.columns)
    return Plan(layout, names, reads, is_open=True, by_position=True)


def _names(layout: Layout) -> set[str]:
    return {column.name.lower() for column in layout.columns}


_NAMES = set().union(*map(_names, LAYOUTS.values()))


def _is_header(cells: list[str], *, first: bool) -> bool:
    """Whether these are names of columns.

    Callers choose the text of a few columns. In the middle of a file most cells have to be names,
    so that a record cannot pass for a header.
    """
    if len(cells) < 2:
        return False
    names = [cell.strip().lower() for cell in cells]
    known = len(_NAMES.intersection(names))
    if first and {"callid", "calltime"} <= set(names):
        return True
    return known > 2 and known * 2 > len(names)


def is_separator_line(line: bytes) -> bool:
    """Whether this is the line by which a spreadsheet says that there are semicolons."""
    text = line.decode("utf-8", "replace").removeprefix(_MARK).rstrip("\r\n")
    match = _SEPARATOR_LINE(text)
    return match is not None and match[1] == ";"


def _lines(block: bytes, max_record: int) -> list[str]:
    """The lines of a block, without their ends; an odd one is empty, which is not plainly right."""
    if len(block) > max_record:
        return _lines_one_by_one(block, max_record)
    try:
        text = block.decode()
    except UnicodeDecodeError:
        return _lines_one_by_one(block, max_record)
    odd = "\0" in text or _MARK in text
    lines = text.split("\n")
    if "\r" in text:
        odd = odd or text.count("\r") != text.count("\r\n")
        lines = [line.removesuffix("\r") for line in lines]
    if not lines[-1] and text.endswith("\n"):
        lines.pop()
    if odd:
        return ["" if _NOT_SIMPLE(line) else line for line in lines]
    return lines


def _lines_one_by_one(block: bytes, max_record: int) -> list[str]:
    lines = []
    for raw in block.removesuffix(b"\n").split(b"\n"):
        try:
            line = "" if len(raw) > max_record else raw.decode().removesuffix("\r")
        except UnicodeDecodeError:
            line = ""
        lines.append("" if _NOT_SIMPLE(line) else line)
    return lines


def split_cells(line: str) -> list[str]:
    """The cells of a record; of one whose quotes are wrong, none; if they are too many, some."""
    cells: list[str] = []
    at = 0
    while len(cells) <= MAX_COLUMNS + 1:
        if line.startswith('"', at):
            match = _QUOTED(line, at)
            if match is None:
                return []
            cell = match[0][1:-1]
            cells.append(cell.replace('""', '"') if '"' in cell else cell)
            at = match.end()
            if at == len(line):
                return cells
            if line[at] != ";":
                return []
        else:
            end = line.find(';"', at)
            if end < 0:
                cells += line[at:].split(";")
                return cells
            cells += line[at:end].split(";")
            at = end
        at += 1
    return cells


def _too_large(limit: int) -> BadValue:
    return BadValue(RejectCause.SIZE, f"the record has more than {limit} bytes")


def _unclosed(field: int, where: str) -> BadValue:
    return BadValue(
        RejectCause.QUOTE, f"the quote that opens in column {field} is not closed {where}{_RESUMES}"
    )
