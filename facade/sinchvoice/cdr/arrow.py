"""Call detail records as Arrow record batches, file by file, with separate rejects.

    calls = cdr.read_arrow("cdr/2026-11-*.csv.gz")
    table = polars.from_arrow(calls)
    print(calls.records, calls.rejects)

This needs the extra and pyarrow: `pip install 'sinchvoice[cdr]' pyarrow`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Generator, Iterator
from contextlib import closing
from importlib import import_module
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from ..errors import CdrError, InvalidRequest, Reject, RejectCause
from . import layouts, masking
from .fast_path import COLUMNS
from .layouts import Layout, LayoutName
from .loading import FileContent, Mismatch, find, find_exactly, spool
from .masked_views import masked_query
from .masking import Mask
from .queries import import_duckdb, settings
from .reader import OnReject, split_cells
from .sources import ByteStream, LeftOut, Source, streams

__all__ = ["ArrowRecords", "arrow_schema", "read_arrow"]

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
        file are unordered; `record` has their order.

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
        self._duckdb = import_duckdb()
        self._config = memory_limit, threads
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
        with (
            tempfile.TemporaryDirectory(prefix="sinchvoice-arrow-") as name,
            self._duckdb.connect(config=settings(Path(name), *self._config)) as connection,
            closing(opened),
        ):
            connection.execute("SET TimeZone = 'UTC'")
            for number, stream in enumerate(opened):
                folder = Path(name) / str(number)
                folder.mkdir()
                self.files += 1
                try:
                    yield from self._batches(connection, stream, layout, folder)
                except OSError as error:
                    raise CdrError(
                        f"{folder} cannot be written: {error.strerror or error}", stream.name
                    ) from error
                except self._duckdb.Error as error:
                    # With masking, its text may be of a record.
                    problem = error if self._masking is None else type(error).__name__
                    raise CdrError(f"cannot be read: {problem}", stream.name) from error
                for each in folder.iterdir():
                    each.unlink()

    def _batches(
        self, connection: Any, stream: ByteStream, layout: Layout | None, folder: Path
    ) -> Generator[Any, None, None]:
        spooled = spool(stream, folder / "copy", lambda size: None)
        where = (spooled.name, spooled.path, layout, folder, lambda stage, size: None)
        try:
            found = find(connection, *where)
        except (self._duckdb.Error, Mismatch):
            found = find_exactly(*where)
        self.records += found.records
        left = found.records - self._report_rejects(connection, found, stream.name)
        for rows in found.rows:
            query = (
                f"SELECT {', '.join(_CONTENT)}, CAST(? AS VARCHAR) AS file, record, line "  # noqa: S608
                f"FROM ({rows.select(0)})"
            )
            if self._masking is not None:
                query = masked_query(self._masking, query)
            reader = connection.sql(query, params=[stream.name]).to_arrow_reader(self._batch_size)
            for batch in reader:
                if batch.num_rows:
                    self.yielded += batch.num_rows
                    left -= batch.num_rows
                    yield batch.cast(self.schema)
        if left:
            raise CdrError(f"{left} records were not read: report this", stream.name)

    def _report_rejects(self, connection: Any, found: FileContent, file: str) -> int:
        """Report the rejects of a file and return their number."""
        if found.rejects is None:
            return 0
        rows = connection.execute(f"{found.rejects} ORDER BY record").fetchall()
        for line, offset, record, layout, column, value, cause, message, raw, *rest in rows:
            size, header, _ = rest
            self.rejected += 1
            reject = Reject(
                file=file,
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
                raise CdrError(reject.message, file, line, reject)
            if self._on_reject == "collect":
                self.rejects.append(reject)
            elif callable(self._on_reject):
                self._on_reject(reject)
        return len(rows)


def _import_pyarrow() -> Any:
    try:
        return import_module("pyarrow")
    except ImportError as error:
        raise ImportError(
            "record batches need pyarrow: pip install 'sinchvoice[cdr]' pyarrow"
        ) from error
