"""Files on their way to DuckDB: a private copy, its content, and SQL that reads it.

The lines read by DuckDB are compared with the count of lines in Python. On a `Mismatch`, the file
is read on the slow path.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import attrs

from .fast_path import FastLines, FastRows, NumberedLines, fast_lines, number, unended_line
from .layouts import Layout
from .queries import interruptible
from .reader import UnendedLine
from .slow_path import NoFastPath, SlowRows, read_slow_lines
from .sources import ByteStream

if TYPE_CHECKING:
    import duckdb

__all__ = [
    "FileContent",
    "Mismatch",
    "Progress",
    "ReadBy",
    "Spooled",
    "Stage",
    "find",
    "find_exactly",
    "spool",
]

ReadBy: TypeAlias = Literal["fast", "mixed", "exact"]
Stage: TypeAlias = Literal["checking", "sifting", "loading"]
Progress: TypeAlias = "Callable[[Stage, int], object]"

_BLOCK = 1 << 20


class Mismatch(Exception):
    """The counts of DuckDB and Python differ."""


@attrs.frozen
class Spooled:
    """A private copy of a file.

    Attributes:
        name: Name of the file.
        path: Path of the copy, decompressed.
        sha256: SHA-256 of the copy.
        size: Size of the copy in bytes.
    """

    name: str
    path: Path
    sha256: str
    size: int


def spool(stream: ByteStream, path: Path, progress: Callable[[int], object]) -> Spooled:
    """Copy a file.

    Args:
        stream: The file, decompressed.
        path: Path of the copy.
        progress: Receives the number of bytes read so far.

    Raises:
        CdrError: The file cannot be read.
        OSError: The copy cannot be written.
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
class FileContent:
    """The content of a file, as SQL that reads it from files in the workspace.

    Attributes:
        read_by: Paths used.
        records: Number of records, rejects included.
        layouts: Layouts of the readable records.
        rows: The readable records, in parts; the SQL of each is in the order of COLUMNS.
        rejects: SQL for the rejects; None if there are none.
        unended: The last record if it is readable and has no line end, so that it may be cut short.
    """

    read_by: ReadBy
    records: int
    layouts: Sequence[str]
    rows: Sequence[FastRows | SlowRows]
    rejects: str | None = None
    unended: UnendedLine | None = None

    @classmethod
    def fast(
        cls,
        fast: FastLines,
        path: Path,
        records: int,
        numbered: Sequence[Path] | None = None,
    ) -> FileContent:
        """Every record takes the fast path, from the file itself or from numbered lines."""
        if numbered is None:
            rows = FastRows(fast, (), fast.header_lines, (path,))
        else:
            rows = FastRows(fast, ("line",), 0, tuple(numbered))
        return cls(
            "fast",
            records,
            [fast.layout.name],
            [rows],
            unended=unended_line(fast, path, records),
        )

    @classmethod
    def mixed(cls, fast: FastLines, slow: SlowRows) -> FileContent:
        """Some records take the slow path."""
        exact = cls.exact(slow)
        return cls(
            "mixed",
            slow.records,
            sorted({fast.layout.name, *exact.layouts}),
            [FastRows(fast, ("line", "record"), 0, (slow.fast_lines_path,)), slow],
            exact.rejects,
            slow.unended,
        )

    @classmethod
    def exact(cls, slow: SlowRows) -> FileContent:
        """Every record takes the slow path."""
        return cls(
            "exact",
            slow.records,
            sorted(slow.layouts),
            [slow],
            slow.select_rejects(),
            slow.unended,
        )


def find(
    connection: duckdb.DuckDBPyConnection,
    name: str,
    path: Path,
    layout: Layout | None,
    folder: Path,
    progress: Progress,
) -> FileContent:
    """Find the content of a file, on the fast path as far as possible.

    Args:
        connection: Connection to DuckDB.
        name: Name of the file, for rejects.
        path: Path of its copy.
        layout: Layout of records before the first header row.
        folder: Folder for the files that SQL reads.
        progress: Receives the stage and the bytes processed so far in this stage.

    Raises:
        CdrError: The file is refused as a whole.
        Mismatch: DuckDB does not read all its lines.
        OSError: The folder cannot be written.
    """
    fast = fast_lines(name, path, layout)
    if fast is None:
        return find_exactly(name, path, layout, folder, progress)
    numbered = number(path, folder, skip=fast.header_lines)
    with closing(numbered), closing(connection.cursor()) as cursor:
        lines, good, capitals, parts = _count(cursor, fast, numbered, progress)
        fast = attrs.evolve(fast, capitals=capitals == good)
        if good == lines:
            return FileContent.fast(fast, path, good, parts)
        if good < lines / 2:
            return find_exactly(name, path, layout, folder, progress)
        found = interruptible(cursor, lambda: cursor.execute(fast.slow_line_numbers(*parts)))
        numbers = chain(range(1, fast.header_lines + 1), _first_values(found))
        try:
            report = partial(progress, "sifting")
            slow = read_slow_lines(name, path, layout, folder, report, fast, numbers)
            return FileContent.mixed(fast, slow)
        except NoFastPath:
            return find_exactly(name, path, layout, folder, progress)


def find_exactly(
    name: str,
    path: Path,
    layout: Layout | None,
    folder: Path,
    progress: Progress,
) -> FileContent:
    """Find the content of a file on the slow path alone; see `find`."""
    return FileContent.exact(
        read_slow_lines(name, path, layout, folder, partial(progress, "sifting"))
    )


def _count(
    cursor: duckdb.DuckDBPyConnection,
    fast: FastLines,
    parts: Iterable[NumberedLines],
    progress: Progress,
) -> tuple[int, int, int, list[Path]]:
    """Count all lines, those on the fast path and those of them without small letters.

    Lines are counted as they arrive; the paths of the parts come last.
    """

    def count(part: NumberedLines) -> tuple[int, int, int]:
        ((lines, good, capitals, _),) = cursor.execute(fast.count(part.path)).fetchall()
        if lines != part.count:
            raise Mismatch(f"{lines} lines were read of {part.count}")
        return lines, good, capitals

    with ThreadPoolExecutor(1) as aside:
        found = []
        for part in parts:
            found.append((part, aside.submit(count, part)))
            for before, counted in found[-2:-1]:
                counted.result()
                progress("checking", before.end)
        counts = [counted.result() for _, counted in found]
    progress("checking", found[-1][0].end)
    lines, good, capitals = map(sum, zip(*counts, strict=True))
    return lines, good, capitals, [part.path for part, _ in found]


def _first_values(cursor: duckdb.DuckDBPyConnection) -> Iterator[Any]:
    while rows := cursor.fetchmany(10_000):
        for (value,) in rows:
            yield value
