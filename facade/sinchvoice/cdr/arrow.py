"""Call detail records as Arrow record batches, file by file, with separate rejects.

    calls = cdr.read_arrow("cdr/2026-11-*.csv.gz")
    table = polars.from_arrow(calls)
    print(calls.records, calls.rejects)

This needs the extra and pyarrow: `pip install 'sinchvoice[cdr]' pyarrow`.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from importlib import import_module
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import attrs

from ..errors import CdrError, InvalidRequest, Reject, RejectCause
from . import layouts, masking
from .fast_path import COLUMNS
from .layouts import Layout, LayoutName
from .loading import FileContent, Mismatch, Spooled, find, find_exactly, spool
from .masked_views import masked_query
from .masking import Mask, Masking
from .queries import import_duckdb, settings
from .reader import OnReject, split_cells
from .sources import ByteStream, LeftOut, Source, streams

__all__ = ["ArrowFile", "ArrowFiles", "ArrowRecords", "arrow_schema", "read_arrow"]

_BATCH = 1 << 16
_CONTENT = [name for name in COLUMNS if name not in ("file_id", "record", "line")]


def arrow_schema() -> Any:
    """Return the schema of `read_arrow`: the columns of a record, then `file`, `record`, `line`.

    Raises:
        ImportError: pyarrow is not installed.
    """
    pa = _import_pyarrow()
    types = {
        "BIGINT": pa.int64(),
        "TIMESTAMP": pa.timestamp("us"),
        "DECIMAL(38, 18)": pa.decimal128(38, 18),
        "VARCHAR": pa.string(),
    }
    fields = [(name, types[COLUMNS[name]]) for name in _CONTENT]
    return pa.schema([*fields, ("file", pa.string()), ("record", pa.int64()), ("line", pa.int64())])


def read_arrow(
    source: Source,
    layout: LayoutName | Layout | None = None,
    *,
    on_reject: OnReject = "collect",
    recursive: bool = False,
    batch_size: int = _BATCH,
    memory_limit: str | None = None,
    threads: int | None = None,
    mask: Mask | None = None,
) -> ArrowRecords:
    """Read call detail records as Arrow record batches; see `cdr.read`.

    Args:
        source: As in `cdr.read`.
        layout: Layout of records before the first header row; required if there is none.
        on_reject: As in `cdr.read`; the rejects of a file come before its batches.
        recursive: Whether subfolders are read.
        batch_size: Maximum number of rows in a batch, 1 or more.
        memory_limit: Memory limit of DuckDB, such as `512MB`; None for four fifths of the machine's
            memory.
        threads: Threads of DuckDB; None for one per core.
        mask: Masking of numbers and users: a `Masking`, or `shorten` or `hash`; None for none.

    Returns:
        An iterator over the batches, which is also an Arrow C stream, readable once. The rows of a
        file are unordered; `record` gives their order.

    Raises:
        InvalidRequest: The layout does not exist, or an argument is not valid.
        CdrError: During iteration: a file cannot be read or is refused.
        ImportError: The extra or pyarrow is not installed.
    """
    return ArrowRecords(
        source, layout, on_reject, recursive, batch_size, memory_limit, threads, mask
    )


class ArrowRecords(Iterator[Any]):
    """The record batches of one or more files; made by `read_arrow`.

    After the last batch, `records == yielded + rejected`.

    Attributes:
        schema: Schema of all batches, `arrow_schema()`.
        files: Number of files opened so far.
        records: Records in these files, rejects included.
        yielded: Rows in the batches so far.
        rejected: Number of rejected records.
        rejects: The rejects, if collected.
        left_out: Files in folders and archives, or found by globs, that were not read.
    """

    def __init__(
        self,
        source: Source,
        layout: LayoutName | Layout | None,
        on_reject: OnReject,
        recursive: bool,
        batch_size: int,
        memory_limit: str | None,
        threads: int | None,
        mask: Mask | None = None,
    ) -> None:
        if isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 1:
            raise InvalidRequest(f"batch_size is {batch_size!r}: give a whole number of at least 1")
        if on_reject not in ("raise", "collect") and not callable(on_reject):
            raise InvalidRequest(
                f"on_reject is {on_reject!r}: give 'raise', 'collect' or a function"
            )
        self.schema = arrow_schema()
        self.files = self.records = self.yielded = self.rejected = 0
        self.rejects: list[Reject] = []
        self.left_out: list[LeftOut] = []
        self._masking = masking.find(mask)
        self._on_reject = on_reject
        self._batch_size = batch_size
        self._files = ArrowFiles(memory_limit, threads)
        opened = streams(source, recursive=recursive, leave_out=self.left_out.append)
        self._all = self._iterate(opened, None if layout is None else layouts.find(layout))

    def __next__(self) -> Any:
        try:
            return next(self._all)
        except CdrError as error:
            if self._masking is None:
                raise
            raise self._masking._error(error) from None

    def __arrow_c_stream__(self, requested_schema: object = None) -> Any:
        """Return the remaining batches in a capsule, as the Arrow PyCapsule interface requires."""
        reader = _import_pyarrow().RecordBatchReader.from_batches(self.schema, self)
        return reader.__arrow_c_stream__(requested_schema)

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
        self, opened: Generator[ByteStream, None, None], layout: Layout | None
    ) -> Generator[Any, None, None]:
        with self._files as files, closing(opened):
            for stream in opened:
                self.files += 1
                with files.read(stream, layout) as file:
                    yield from self._batches(file)

    def _batches(self, file: ArrowFile) -> Generator[Any, None, None]:
        self.records += file.content.records
        left = file.content.records - self._report_rejects(file)
        columns = f"{', '.join(_CONTENT)}, CAST(? AS VARCHAR) AS file, record, line"
        for batch in file.batches(columns, [file.name], self._batch_size, self._masking):
            self.yielded += batch.num_rows
            left -= batch.num_rows
            yield batch.cast(self.schema)
        if left:
            raise CdrError(f"{left} records were not read: report this", file.name)

    def _report_rejects(self, file: ArrowFile) -> int:
        """Report the rejects of a file and return their number."""
        rows = file.rejects()
        for line, offset, record, layout, column, value, cause, message, raw, *rest in rows:
            size, header, _ = rest
            self.rejected += 1
            reject = Reject(
                file=file.name,
                line=line,
                offset=offset,
                record=record,
                layout=layout,
                column=column,
                value=value if column is None else value or "",
                cause=RejectCause(cause),
                message=message,
                raw=raw,
                size=size,
                header=tuple(split_cells(header) or header.split(";")),
            )
            if self._masking is not None:
                reject = self._masking.reject(reject)
            if self._on_reject == "raise":
                raise CdrError(reject.message, file.name, line, reject)
            if self._on_reject == "collect":
                self.rejects.append(reject)
            elif callable(self._on_reject):
                self._on_reject(reject)
        return len(rows)


@attrs.frozen
class ArrowFile:
    """A file that was read: its records as Arrow record batches, and its rejects.

    Attributes:
        name: Name of the file.
        spooled: Copy of the file.
        content: Content of the file.
    """

    name: str
    spooled: Spooled
    content: FileContent
    _connection: Any

    def batches(
        self,
        columns: str,
        parameters: Sequence[object] = (),
        size: int = _BATCH,
        mask_by: Masking | None = None,
    ) -> Iterator[Any]:
        """Yield the readable records.

        Args:
            columns: The columns, in SQL.
            parameters: Values of `?` in these.
            size: Maximum number of rows in a batch.
            mask_by: Masking of the columns of a record.
        """
        for rows in self.content.rows:
            query = f"SELECT {columns} FROM ({rows.select(0)})"  # noqa: S608
            if mask_by is not None:
                query = masked_query(mask_by, query)
            found = self._connection.sql(query, params=list(parameters) or None)
            for batch in found.to_arrow_reader(size):
                if batch.num_rows:
                    yield batch

    def rejects(self) -> list[tuple[Any, ...]]:
        """Return the rejects in the order of the file, with the values of `REJECT_COLUMNS`."""
        if self.content.rejects is None:
            return []
        found = self._connection.execute(f"{self.content.rejects} ORDER BY record")
        rows: list[tuple[Any, ...]] = found.fetchall()
        return rows


class ArrowFiles:
    """Reads files for Arrow, one at a time; usable in one `with` block.

    Args:
        memory_limit: Memory limit of DuckDB, such as `512MB`; None for four fifths of the machine's
            memory.
        threads: Threads of DuckDB; None for one per core.
    """

    def __init__(self, memory_limit: str | None, threads: int | None) -> None:
        self._duckdb = import_duckdb()
        self._config = memory_limit, threads
        self._number = 0

    def __enter__(self) -> Self:
        self._temporary = tempfile.TemporaryDirectory(prefix="sinchvoice-arrow-")
        self._folder = Path(self._temporary.name)
        try:
            config = settings(self._folder, *self._config)
            self._connection = self._duckdb.connect(config=config)
            self._connection.execute("SET TimeZone = 'UTC'")
        except BaseException:
            self._temporary.cleanup()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._connection.close()
        self._temporary.cleanup()

    @contextmanager
    def read(
        self, stream: ByteStream, layout: Layout | None, *, exactly_below: int = 0
    ) -> Iterator[ArrowFile]:
        """Read a file; its copy is removed at the end of the `with` block.

        Args:
            stream: The file.
            layout: Layout of records before the first header row.
            exactly_below: Size in bytes below which a file takes the slow path alone, which is
                faster for small ones.

        Raises:
            CdrError: The file cannot be read or is refused.
        """
        self._number += 1
        folder = self._folder / str(self._number)
        try:
            folder.mkdir()
            spooled = spool(stream, folder / "copy", lambda size: None)
            where = (spooled.name, spooled.path, layout, folder, lambda stage, size: None)
            if spooled.size < exactly_below:
                found = find_exactly(*where)
            else:
                try:
                    found = find(self._connection, *where)
                except (self._duckdb.Error, Mismatch):
                    found = find_exactly(*where)
            yield ArrowFile(stream.name, spooled, found, self._connection)
        except OSError as error:
            raise CdrError(
                f"{folder} cannot be written: {error.strerror or error}", stream.name
            ) from error
        except self._duckdb.Error as error:
            raise CdrError(f"cannot be read: {error}", stream.name) from error
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _import_pyarrow() -> Any:
    try:
        return import_module("pyarrow")
    except ImportError as error:
        raise ImportError(
            "record batches need pyarrow: pip install 'sinchvoice[cdr]' pyarrow"
        ) from error
