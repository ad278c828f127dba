"""The exact reader: every record of a file becomes either a typed record or a reject.

Rules for splitting a file into records:

- A line ends in LF or CRLF. A field that begins with `"` is quoted as in RFC 4180, and may contain
  line ends. A `"` anywhere else is text, so JSON may be unquoted.
- An unclosed quote, or a closing quote followed by text, costs only its own line; reading resumes
  on the next one. The search for a closing quote is limited in bytes and fields, so reading time
  stays proportional to file size.
- After an unreadable row that looks like a header row, all records are rejected until a readable
  header row. So no record is read with the column names of another file.
- The first record after a header row, or of a file without one, settles the number of cells where
  two are possible: without the newest column, or with a semicolon at the end of each line.
- The file is refused once lines that are too short to be a record, or keep naming other columns,
  outnumber the other records by 5,000. So no file takes much longer than a good one of its size.
- A fast loop takes simple lines. All other lines go to one function, which alone decides what is
  rejected.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing
from itertools import accumulate, islice
from operator import call, itemgetter, length_hint
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self, TypeAlias

import attrs

from ..errors import CdrError, InvalidRequest, Reject, RejectCause, Remedy, printable
from . import layouts
from .layouts import LAYOUTS, Column, ColumnType, Layout, LayoutName
from .records import NO_EXTRAS, RECORD_TYPES, CdrRecord, Extras
from .sources import ByteStream, LeftOut, Source, streams
from .values import NEEDED, BadValue, conversions, needed_moment

if TYPE_CHECKING:
    from .masking import Mask, Masking

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
"""Maximum size of a record in bytes: 16 MiB."""
MAX_COLUMNS = 100
"""Maximum number of columns in a header."""

_BLOCK = 1 << 16  # larger batches are scanned by the garbage collector several times
_SHOWN = 60
_Read: TypeAlias = Callable[[str], Any]

_apply: Any = call  # pyright misreads its declared type
_HEAD = 64
_KEPT = 4096
_ROW = 1 << 14
"""Bytes at each end of a rejected record that are searched for a header row."""
_MAX_IDLE = 5_000
"""Maximum excess of lines without a record over records in a file."""
_SHORTEST = 20
"""Minimum size of a record in bytes, without separators: a time and a CallId."""
_HEADERS = 64
"""Maximum number of remembered header rows per file."""
_SEPARATORS = re.compile("[;,\t|\r\n]").split
# A header with most columns of a layout has at least one of these.
_COMMON_NAMES = (
    *(b"callid", b"userspaceid", b"calltime", b"result", b"reason", b"duration"),
    *(b"custom", b"applicationkey"),
)
_RESEMBLING = 4
"""Column names that make an unreadable row resemble a header row.

Callers cannot choose the text of so many columns. The number is less than half of a header row,
which may be torn."""
# Before Python 3.11.5, a possessive group such as (?:…)*+ is right only if what it repeats fails at
# its first two characters. Other groups take memory for each repetition, so they are limited.
_BLANK_LINES = re.compile(rb"(?:[ \t]*+\r?\n++){1,1000}").match
_SEPARATOR_LINE = re.compile('"?sep=(.)"?', re.IGNORECASE).fullmatch
_RESUMES = "; the following lines are read as separate records"
_MARK = "\ufeff"
_MARK_BYTES = _MARK.encode()
_NOT_SIMPLE = re.compile(f"[\0\r]|^{_MARK}").search
_QUOTED = re.compile(r'"[^"]*+(?:""[^"]*+)*+"').match
_QUOTED_BYTES = re.compile(rb'"[^"]*+(?:""[^"]*+)*+"').match
_QUOTED_CELL = re.compile(rb'"[^"\n]*+(?:""[^"\n]*+)*+";').match
_CELL = r'(?:"[^"]*+(?:""[^"]*+)*+"|[^";\r][^;\r]*+|)'
_WITHOUT_BARE_RETURN = re.compile(f"{_CELL}(?:;{_CELL})*+").fullmatch


OnReject: TypeAlias = Literal["raise", "collect"] | Callable[[Reject], object]


def read(
    source: Source,
    layout: LayoutName | Layout | None = None,
    *,
    on_reject: OnReject = "raise",
    recursive: bool = False,
    mask: Mask | None = None,
) -> Reader:
    """Read call detail records from one or more files as typed records.

    Memory use does not grow with the file. Each file is opened only when it is read.

    Args:
        source: A path, a glob, a folder (its .csv, .txt and .zip files, compressed or not, by
            name), a binary file, bytes, `-` for standard input, a URL such as `s3://…` (extra
            `cdr`), or an iterable of these.
        layout: Layout of the records before the first header row. Required for files without one;
            a header row names the columns that follow, wherever it appears.
        on_reject: Treatment of a record that cannot be read. `raise` stops at the first one with a
            CdrError that carries it, `collect` keeps all in `rejects`, and a function is called
            with each.
        recursive: Whether to read subfolders too.
        mask: Masking of numbers and users: a `Masking`, or `shorten` or `hash`; None for none.

    Returns:
        An iterator over the records, with counts. It closes its files when it is exhausted, when
        it is closed, and at the end of a `with` block.

    Raises:
        InvalidRequest: The layout is unknown, or on_reject is not one of these.
        CdrError: During iteration, which it ends: a file cannot be opened or is damaged, or its
            header is unusable (empty, repeated or missing names, no identifiable layout).

    Source: The vendor's page "Call Detail Records". It describes neither headers nor quoting, so
    every unambiguous form is read.
    """
    return Reader(source, layout, on_reject=on_reject, recursive=recursive, mask=mask)


class Reader(Iterator[CdrRecord]):
    """Iterator over the records of one or more files, in order; created by `read`.

    At any time, `records == yielded + rejected`. The three are counted independently: records from
    their lines, the other two on delivery.

    Attributes:
        files: Number of opened files; each member of an archive counts.
        rejected: Number of rejected records.
        rejects: The rejects, if collected.
        left_out: Files in folders and archives, or matched by globs, that are not read.
        blank_lines: Number of lines that are empty, have only spaces and tabs, or are the `sep=;`
            of a spreadsheet.
        header_rows: Number of rows that name the columns.
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
        mask: Mask | None = None,
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
        self._masking = None if mask is None else _masking(mask)
        self._block_size = block_size
        self._max_record = max_record
        self._read_as = conversions()
        self._counted = 0
        self._handed_over = 0
        self._batch: Iterator[CdrRecord] = iter(())
        self._all = self._iterate(
            streams(source, recursive=recursive, leave_out=self.left_out.append)
        )
        if self._masking is not None:
            self._all = _with_masked_errors(self._all, self._masking)

    @property
    def yielded(self) -> int:
        """Number of records returned so far."""
        return self._handed_over - length_hint(self._batch)

    @property
    def records(self) -> int:
        """Number of records and rejects found so far."""
        return self._counted - length_hint(self._batch)

    def __iter__(self) -> Iterator[CdrRecord]:  # noqa: PYI034 - see below
        return self._all  # not self: a call of __next__ per record costs time

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
        """Close the files and stop reading."""
        self._all.close()

    def _iterate(
        self, opened: Generator[ByteStream, None, None]
    ) -> Generator[CdrRecord, None, None]:
        masking = self._masking
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
                    if masking is not None:
                        batch = [masking.record(record) for record in batch]
                    self._batch = iter(batch)
                    yield from self._batch
                    reject = file.take_reject()
                    if reject is not None:
                        self._counted += 1
                        self.rejected += 1
                        self._hand_on(reject if masking is None else masking.reject(reject))


def _masking(mask: Mask) -> Masking | None:
    from . import masking  # most readers need none

    return masking.find(mask)


def _with_masked_errors(
    records: Generator[CdrRecord, None, None], masking: Masking
) -> Generator[CdrRecord, None, None]:
    with closing(records):
        try:
            yield from records
        except CdrError as error:
            raise masking._error(error) from None


def _raise(reject: Reject) -> None:
    raise CdrError(reject.message, reject.file, reject.line, reject)


@attrs.frozen
class UnendedLine:
    """The record on a last line without a line end, which may be cut.

    Attributes:
        record: Number of the record in the file, from 1.
        line: Number of its first line.
        fields: Fields of the record in which text may be missing: that of the last column (`extras`
            for a column outside the layout), and those of columns that may have followed.
        text: Text of the last column.
    """

    record: int
    line: int
    fields: tuple[str, ...]
    text: str


class RecordFile:
    """Reads one file in blocks of complete lines.

    A call of `batch` continues with the rest of the block.

    Args:
        reader: Holds the settings and counts.
        stream: The file.
        reads: Conversions of cells; by default those of the reader.

    Attributes:
        counted: Number of records in the last batch.
        unended: Last record of the batch, if it ends the file without a line end.
    """

    def __init__(
        self,
        reader: Reader,
        stream: ByteStream,
        reads: Mapping[ColumnType, _Read] | None = None,
    ) -> None:
        self.counted = 0
        self.unended: UnendedLine | None = None
        self._failure: CdrError | None = None  # raised after the batch; ends the file
        self._reject: Reject | None = None  # follows the last batch
        self._reader = reader
        self._stream = stream
        self._block_size = reader._block_size
        self._max_record = reader._max_record
        self._kept = min(_KEPT, self._max_record)  # bytes kept of a record that is too large
        self._reads = reads or reader._read_as
        self._plan = None if reader._layout is None else _by_position(reader._layout, self._reads)
        self._lost: LostHeader | None = None
        self._headers: dict[tuple[LayoutName | None, tuple[str, ...]], Plan] = {}
        self._known_rows: set[tuple[str, ...]] = set()  # keys of _headers, without the layout
        self._number = 0  # records so far
        self._idle = 0  # lines that name other columns, and too short records
        self._short = 0  # too short records
        self._data = b""
        self._base = 0  # bytes of the file before _data
        self._at = 0  # start of the block in _data
        self._end = 0  # and its end
        self._line = 1  # the number of its first line
        self._lines: list[str] = []
        self._remaining = iter(self._lines)
        self._next = 0  # index of the next line
        self._offsets: list[int] = []  # starts of the lines, computed on demand
        self._ended = False
        self._begin()

    def batch(self) -> list[CdrRecord] | None:
        """Return the records up to the end of the block or a reject; None after the last one."""
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
        """Current plan; None until a readable header row."""
        return self._plan

    def take_reject(self) -> Reject | None:
        """Return the reject after the last batch, if any, and clear it."""
        reject, self._reject = self._reject, None
        return reject

    # --- Bytes -----------------------------------------------------------------------------------

    def _begin(self) -> None:
        self._more(_HEAD)
        head = self._data[:_HEAD]
        # A shorter file has no header row in UTF-16, and too few bytes to judge by.
        is_measure = len(head) >= 32 or b"\n" not in head
        if head.startswith((b"\xff\xfe", b"\xfe\xff")) or (
            is_measure and head.count(0) * 3 > len(head)
        ):
            raise self._error("the file is UTF-16, UTF-32 or not text: convert it to UTF-8")
        if head.startswith(_MARK_BYTES):
            self._at = len(_MARK_BYTES)

    def _more(self, least: int = 0) -> None:
        """Read more, in proportion to the unread data, so that long searches need few reads."""
        left = self._data[self._at :]
        size = max(least, self._block_size, min(len(left), self._max_record))
        read = self._stream.read(size)
        self._ended = len(read) < size
        self._base += self._at
        self._at = 0
        self._data = left + read

    def _take_block(self) -> bool:
        """Take complete lines as the block; return False without any, or after a reject."""
        end = _end_of_blank_lines(self._data, self._at, len(self._data))
        if end > self._at:
            self._leave_block(end, self._line + self._count_blank(self._at, end))
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
        """Leave the block; the next one begins here."""
        self._at = at
        self._line = line
        self._lines = []
        self._next = 0

    def _skip_line(self) -> None:
        """Reject a line that is too large for memory."""
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
        """Return whether the file ends here without a line end."""
        return end == len(self._data) and not self._data.endswith(b"\n")

    def _mark_unended(self, cells: list[str], line: int) -> None:
        assert self._plan is not None  # the plan that read the record  # noqa: S101
        fields = self._plan.fields_from(len(cells))
        if fields:
            self.unended = UnendedLine(self._number, line, fields, cells[-1])

    # --- Lines -----------------------------------------------------------------------------------

    def _take_simple(self, batch: list[CdrRecord]) -> None:
        """Take lines as long as each is a complete, valid record.

        This also consumes the first other line from `_remaining`; it is the line at `_next`.
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
        """Return where the next line begins."""
        if not self._offsets:
            lengths = map(len, self._data[self._at : self._end].split(b"\n"))
            self._offsets = list(accumulate(lengths, initial=self._at))
        return self._offsets[self._next] + self._next

    def _pass_blank(self) -> bool:
        """Skip blank lines; return whether there were any."""
        if self._lines[self._next].strip(" \t"):
            return False
        start = self._start()
        end = _end_of_blank_lines(self._data, start, self._end)
        if end == start:
            return False
        self._pass_lines(self._count_blank(start, end))
        return True

    def _count_blank(self, start: int, end: int) -> int:
        lines = self._data.count(b"\n", start, end)
        self._reader.blank_lines += lines
        return lines

    def _pass_lines(self, lines: int) -> None:
        """Skip lines, the first of which is no longer in `_remaining`."""
        self._next += lines
        next(islice(self._remaining, lines - 1, lines - 1), None)

    def _take_any(self, batch: list[CdrRecord]) -> bool:
        """Take whatever begins on the next line; return False to end the batch."""
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
        """Take the record, header or blank line at `start`.

        Returns:
            Where the next one begins; None if more data must be read first.
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
        """Return where the record with quoted fields that begins at `start` ends.

        The search is limited. A line that leaves a quoted field open has an odd number of `"` in a
        row; in a field that is already open, the same row closes it. So each such line closes a
        field, and a record cannot have more of them than columns.
        """
        data = self._data
        columns = MAX_COLUMNS if self._plan is None else self._plan.width
        limits = f"within {self._max_record} bytes and {columns} columns"
        field, at = 1, start
        stop = start - 1  # end of the line
        many = False  # whether the record has several lines
        while True:
            while field > MAX_COLUMNS and (cell := _QUOTED_CELL(data, at)) is not None:
                field += 1
                at = cell.end()
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
        """Take a complete record, header or blank line; or return why it cannot be read."""
        if b"\0" in raw:
            return BadValue(RejectCause.NUL, "the record has NUL bytes: part of it was lost")
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
                    f"the columns are separated by {separator[1]!r}: separate them by semicolons",
                    line,
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
                RejectCause.BYTE_ORDER_MARK,
                "the record begins with a byte order mark in the middle of the file",
            )
        elif tuple(cells) in self._known_rows:
            self._header(cells, line)  # remembered, even if the names are unusual
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
        return problem or BadValue(RejectCause.COLUMNS, "no header row precedes the record")

    def _refuse(
        self, place: int, line: int, raw: bytes, size: int, problem: BadValue, tail: bytes = b""
    ) -> None:
        """Reject a record.

        Args:
            place: Offset of the record in bytes.
            line: Number of its first line.
            raw: Bytes of the record, possibly only the first ones.
            size: Size of the record in bytes.
            problem: Reason for the reject.
            tail: Last bytes of the record, if `raw` lacks them.
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
                f"{problem}; it looks like a header row, so the columns after it are unknown",
            )
        elif expected is None:
            raise self._no_header(raw, line)
        elif self._plan is None:
            assert self._lost is not None  # noqa: S101 - one of the two is set
            problem = BadValue(
                RejectCause.HEADER,
                f"the header row on line {self._lost.line} cannot be read: "
                "correct it and read the file again",
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
                f"{self._idle} lines so far are too short to be a record or name other columns: "
                "check whether this is a file of call detail records",
                line,
            )

    # --- Header rows -----------------------------------------------------------------------------

    def _resembles_header(self, text: bytes) -> bool:
        """Return whether an unreadable row may be or contain a header row."""
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
        """Return whether a row has a valid CallTime.

        Such a row is a record, even if callers put column names in the text they choose.
        """
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
                raise self._error(f"the header has no {needed}, which every record needs", line)
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
            "the header does not identify the layout",
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
                f"these are not call detail records: '{shown}' is not a header row and has "
                f"{columns} column{'s' * (columns != 1)} instead of "
                f"{', '.join(map(str, widths[:-1]))} or {widths[-1]}",
                line,
                Remedy("if they are, give {layout}", layout="layout="),
            )
        return self._error(
            f"'{shown}' is not a header row",
            line,
            Remedy(
                "give {layout}, which cannot be guessed (app-to-app and sip-terminated have the "
                "same ten columns)",
                layout="layout=",
            ),
        )

    def _check_separator(self, text: str, line: int) -> None:
        """Refuse a file whose first line is valid except for its column separator."""
        widths = self._plan.layout.widths if self._plan else ()
        for separator, name in ((",", "commas"), ("\t", "tabs"), ("|", "bars"), ("\r", "CR")):
            cells = text.replace('"', "").split(separator)
            if separator == "\r":
                if len(cells) > 1 and _is_header(split_cells(cells[0]), first=True):
                    raise self._error("lines end in CR alone: convert them to LF", line)
            elif _is_header(cells, first=True) or (";" not in text and len(cells) in widths):
                raise self._error(
                    f"the columns are separated by {name}: separate them by semicolons", line
                )

    def _error(self, message: str, line: int | None = None, remedy: str | None = None) -> CdrError:
        return CdrError(message, self._stream.name, line, remedy=remedy)


@attrs.frozen
class LostHeader:
    """A header row that cannot be read.

    Attributes:
        line: Number of its line.
        layout: Layout identified by its names, or that of the records before it.
        header: Cells of the row.
    """

    line: int
    layout: Layout
    header: tuple[str, ...]


class _BadCell(BadValue):
    """A BadValue with its column and text."""

    def __init__(self, problem: BadValue, column: str, value: str) -> None:
        shown = f" {printable(value, _SHOWN)!r}" if value else ""
        super().__init__(problem.cause, f"{column}{shown} {problem}")
        self.column = column
        self.value = value


class Plan:
    """Turns the cells of a line into a record of a layout.

    Attributes:
        layout: Layout of the record.
        header: Column names in the order of the file.
        columns: Columns in the order of the file; None for one outside the layout.
        extras: Names of columns outside the layout, without a last unnamed one, which is empty on
            every line.
        width: Number of cells on a line.
        is_open: Whether the first record may still settle another width.
        reads: Conversion of each cell, if cells are in the order of the record.
        tail: Values of the record after these.
        kind: Type of the record.
        record: Reads cells in another order or with extras; None if not needed.
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
        """Return the plan for all records, given the first one.

        Older files without a header row have fewer columns. Each record, the header row, or both
        may end in a semicolon.

        Args:
            width: Number of cells in the first record.
            ends_empty: Whether its last cell is empty.
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
        """Return the fields of this column, counted from 1, and of those that may follow it."""
        if not self.header[number - 1]:
            return ()  # every line ends in a semicolon, so the record is complete
        column = self.columns[number - 1]
        following = self.layout.columns[number:] if self._by_position else ()
        return ("extras" if column is None else column.field, *(each.field for each in following))

    def read(self, cells: list[str]) -> CdrRecord:
        """Return the record of these cells.

        Raises:
            BadValue: A cell is wrong, or there are too many or too few.
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
    """Return whether these cells are column names.

    Callers choose the text of a few columns. In the middle of a file, most cells must be names, so
    that a record cannot pass as a header.
    """
    if len(cells) < 2:
        return False
    names = [cell.strip().lower() for cell in cells]
    known = len(_NAMES.intersection(names))
    if first and {"callid", "calltime"} <= set(names):
        return True
    return known > 2 and known * 2 > len(names)


def is_separator_line(line: bytes) -> bool:
    """Return whether this is the `sep=;` line of a spreadsheet."""
    text = line.decode("utf-8", "replace").removeprefix(_MARK).rstrip("\r\n")
    match = _SEPARATOR_LINE(text)
    return match is not None and match[1] == ";"


def _end_of_blank_lines(data: bytes, start: int, stop: int) -> int:
    """Return where the blank lines at `start` end."""
    while (blank := _BLANK_LINES(data, start, stop)) is not None:
        start = blank.end()
    return start


def _lines(block: bytes, max_record: int) -> list[str]:
    """Return the lines of a block without ends; lines that are not simple are empty."""
    if len(block) > max_record:
        return _lines_one_by_one(block, max_record)
    try:
        text = block.decode()
    except UnicodeDecodeError:
        return _lines_one_by_one(block, max_record)
    has_others = "\0" in text or _MARK in text
    lines = text.split("\n")
    if "\r" in text:
        has_others = has_others or text.count("\r") != text.count("\r\n")
        lines = [line.removesuffix("\r") for line in lines]
    if not lines[-1] and text.endswith("\n"):
        lines.pop()
    if has_others:
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
    """Return the cells of a record: none if its quotes are wrong, and only some if too many."""
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
