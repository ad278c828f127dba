"""The data source `sinch-cdr` of Apache Spark: workers read files of call detail records.

`spark.py` registers it with a session, and builds the tables of an archive with it.

A partition is a group of whole files, because only a reader of a whole file knows whether a quote
is open. The tables:

- `records`: the readable records, in the columns of `read_arrow`;
- `rejects`: the records that could not be read;
- `files`: the files, with their counts;
- `contents`, for `spark.py`: all of these in one stream, so that each file is read once.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date
from difflib import get_close_matches
from importlib import import_module
from typing import Any

import attrs

from ..errors import CdrError, InvalidRequest
from . import layouts
from .arrow import ArrowFile, ArrowFiles
from .fast_path import COLUMNS
from .layouts import Layout
from .slow_path import REJECT_COLUMNS
from .sources import ByteStream, LeftOut, Location, locate

__all__ = ["CONTENT", "CONTENTS", "FORMAT", "PARTITION_BYTES", "SPARK_TYPES", "SinchCdr"]

FORMAT = "sinch-cdr"
"""The name of the format."""
PARTITION_BYTES = 1 << 26
"""Size in bytes from which a partition takes no further file."""
CONTENTS = "contents"
"""The table with everything, which is not public."""
CONTENT = [name for name in COLUMNS if name not in ("file_id", "record", "line")]
"""Columns of a record, without its place."""
SPARK_TYPES = {
    "INTEGER": "INT",
    "BIGINT": "BIGINT",
    "TIMESTAMP": "TIMESTAMP_NTZ",
    "DECIMAL(38, 18)": "DECIMAL(38,18)",
    "VARCHAR": "STRING",
}
"""Spark's types for those of DuckDB."""

_MEMORY = "512MB"
_EXACTLY_BELOW = 1 << 16
_ROWS = 1 << 14
_BATCH_BYTES = 1 << 24
_PACKED = (".gz", ".bz2", ".xz", ".zst", ".zip")
_RATIO = 6  # of the size of packed files, about
_UNKNOWN_SIZE = 1 << 24

_RECORD = {name: SPARK_TYPES[COLUMNS[name]] for name in CONTENT}
_PLACE = {"record": "BIGINT", "line": "BIGINT"}
_REJECT = {
    name: "BINARY" if name == "raw" else SPARK_TYPES[kind] for name, kind in REJECT_COLUMNS.items()
}
_FILE = {
    "name": "STRING",
    "sha256": "STRING",
    "size": "BIGINT",
    "layouts": "ARRAY<STRING>",
    "day": "DATE",
    "read_by": "STRING",
    "records": "BIGINT",
    "rejected": "BIGINT",
}
_END = {
    "unended_record": "BIGINT",
    "unended_fields": "ARRAY<STRING>",
    "unended_text": "STRING",
    "failure": "STRING",
    "failed_line": "BIGINT",
    "left_out": "ARRAY<STRING>",
}
_SCHEMAS: Mapping[str, Mapping[str, str | Mapping[str, str]]] = {
    "records": {**_RECORD, "file": "STRING", **_PLACE},
    "rejects": {"file": "STRING", **_REJECT},
    "files": _FILE,
    CONTENTS: {
        "place": "BIGINT",
        **_PLACE,
        **_RECORD,
        "reject": _REJECT,
        "file": {**_FILE, **_END},
    },
}
_OPTIONS = ("layout", "memoryLimit", "partitionBytes", "recursive", "table")
_OF_SPARK = ("path", "paths")

# The environment of type checkers has neither of these.
pa: Any = import_module("pyarrow")
pc: Any = import_module("pyarrow.compute")
_DataSource: Any = import_module("pyspark.sql.datasource").DataSource
_DataSourceReader: Any = import_module("pyspark.sql.datasource").DataSourceReader
_InputPartition: Any = import_module("pyspark.sql.datasource").InputPartition


class SinchCdr(_DataSource):  # type: ignore[misc]
    """Call detail records as a data source of Spark; see `sinchvoice.cdr.spark`."""

    @classmethod
    def name(cls) -> str:
        """Return the name of the format."""
        return FORMAT

    def schema(self) -> str:
        """Return the columns of the table.

        Raises:
            InvalidRequest: An option is not valid.
        """
        return _ddl(_SCHEMAS[_Options.of(self.options).table])

    def reader(self, schema: Any) -> _Reader:
        """Return the reader of the table.

        Raises:
            InvalidRequest: An option is not valid, or the schema is not that of the table.
        """
        options = _Options.of(self.options)
        if schema.fieldNames() != list(_SCHEMAS[options.table]):
            raise InvalidRequest(
                f"the table {options.table} has its own columns: leave the schema out"
            )
        return _Reader(options)


@attrs.frozen
class _Options:
    """The options of a read.

    Attributes:
        paths: Paths and URLs.
        table: Name of the table.
        layout: Layout of records before the first header row.
        recursive: Whether subfolders are read.
        partition_bytes: Size in bytes from which a partition takes no further file.
        memory_limit: Memory limit of DuckDB in each worker.
    """

    paths: Sequence[str]
    table: str
    layout: Layout | None
    recursive: bool
    partition_bytes: int
    memory_limit: str

    @classmethod
    def of(cls, options: Mapping[str, str]) -> _Options:
        """Read the options of Spark, which ignores upper and lower case.

        Raises:
            InvalidRequest: An option or its value is not valid.
        """
        given = {name.lower(): value for name, value in options.items()}
        known = {name.lower(): name for name in _OPTIONS}
        for name in given.keys() - known.keys() - set(_OF_SPARK):
            close = get_close_matches(name, known, 1)
            hint = f"did you mean {known[close[0]]!r}" if close else "leave it out"
            raise InvalidRequest(
                f"option {name!r} does not exist: {hint}? (options: {', '.join(_OPTIONS)})"
            )
        paths = json.loads(given["paths"]) if "paths" in given else []
        if "path" in given:
            paths = [given["path"], *paths]
        if not paths:
            raise InvalidRequest("no path is given: write load(path), with a path, glob or URL")
        table = given.get("table", "records")
        if table not in _SCHEMAS:
            shown = ", ".join(repr(name) for name in _SCHEMAS if name != CONTENTS)
            raise InvalidRequest(f"option table is {table!r}: give one of {shown}")
        return cls(
            paths=paths,
            table=table,
            layout=layouts.find(given["layout"]) if given.get("layout") else None,
            recursive=_boolean("recursive", given.get("recursive", "false")),
            partition_bytes=_number("partitionBytes", given.get("partitionbytes")),
            memory_limit=given.get("memorylimit", _MEMORY),
        )


def _boolean(name: str, text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise InvalidRequest(f"option {name} is {text!r}: give 'true' or 'false'")
    return text.lower() == "true"


def _number(name: str, text: str | None) -> int:
    if text is None:
        return PARTITION_BYTES
    if not text.isascii() or not text.isdigit() or int(text) == 0:
        raise InvalidRequest(f"option {name} is {text!r}: give a number of bytes, 1 or more")
    return int(text)


class _Reader(_DataSourceReader):  # type: ignore[misc]
    """Reads the files of each partition; it is sent to the workers."""

    def __init__(self, options: _Options) -> None:
        self._options = options

    def partitions(self) -> list[Any]:
        """Return groups of files, in order.

        Raises:
            CdrError: A path does not exist.
        """
        options = self._options
        every = [
            each for path in options.paths for each in locate(path, recursive=options.recursive)
        ]
        groups: list[list[tuple[int, Location]]] = []
        size = options.partition_bytes
        for number, each in enumerate(every):
            if size >= options.partition_bytes:
                groups.append([])
                size = 0
            groups[-1].append((number, each))
            size += _unpacked_size(each)
        return [_InputPartition(group) for group in groups]

    def read(self, partition: Any) -> Iterator[Any]:
        """Yield record batches.

        Raises:
            CdrError: A file cannot be read, unless the table is `contents`.
        """
        if not partition.value:
            return
        make = _MAKERS[self._options.table]
        schema = _arrow_schema(_SCHEMAS[self._options.table])
        with ArrowFiles(self._options.memory_limit, 1) as files:
            for number, location in partition.value:
                left_out: list[LeftOut] = []
                for member, stream in enumerate(location.open(leave_out=left_out.append)):
                    place = number << 32 | member
                    for columns in self._file(files, stream, make, place):
                        yield from _batches(columns, schema)
                if left_out and self._options.table == CONTENTS:
                    texts = [text for each in left_out for text in (each.name, each.reason)]
                    columns = {"place": [number << 32], "file": [{"left_out": texts}]}
                    yield from _batches(columns, schema)

    def _file(
        self,
        files: ArrowFiles,
        stream: ByteStream,
        make: _Maker,
        place: int,
    ) -> Iterator[Mapping[str, Any]]:
        try:
            opened = files.read(stream, self._options.layout, exactly_below=_EXACTLY_BELOW)
            with opened as file:
                yield from make(file, place)
        except CdrError as error:
            if self._options.table != CONTENTS:
                raise
            message = error.message if error.remedy is None else f"{error.message}: {error.remedy}"
            failure = {"name": stream.name, "failure": message, "failed_line": error.line}
            yield {"place": [place], "file": [failure]}


def _unpacked_size(file: Location) -> int:
    if file.size is None:
        return _UNKNOWN_SIZE
    return file.size * (_RATIO if file.name.lower().endswith(_PACKED) else 1)


# --- Tables --------------------------------------------------------------------------------------

_Maker = Callable[[ArrowFile, int], Iterator[Mapping[str, Any]]]
"""Yields the rows that a file adds to a table, as columns; missing ones are NULL."""


def _records(file: ArrowFile, place: int) -> Iterator[Mapping[str, Any]]:
    left = file.content.records - len(file.rejects())
    for batch in _content(file):
        left -= batch.num_rows
        yield {**_columns(batch), "file": pa.repeat(file.name, batch.num_rows)}
    _check_all_read(left, file)


def _rejects(file: ArrowFile, place: int) -> Iterator[Mapping[str, Any]]:
    rejects = _reject_rows(file)
    if rejects:
        columns = {name: [each[name] for each in rejects] for name in _REJECT}
        yield {"file": [file.name] * len(rejects), **columns}


def _files(file: ArrowFile, place: int) -> Iterator[Mapping[str, Any]]:
    days: Counter[date] = Counter()
    rejected = len(file.rejects())
    left = file.content.records - rejected
    for batch in file.batches("call_time", size=_ROWS):
        left -= batch.num_rows
        days.update(_days(batch))
    _check_all_read(left, file)
    yield {name: [value] for name, value in _summary(file, days, rejected).items()}


def _contents(file: ArrowFile, place: int) -> Iterator[Mapping[str, Any]]:
    rejects = _reject_rows(file)
    left = file.content.records - len(rejects)
    days: Counter[date] = Counter()
    for batch in _content(file):
        left -= batch.num_rows
        days.update(_days(batch))
        yield {**_columns(batch), "place": pa.repeat(place, batch.num_rows)}
    _check_all_read(left, file)
    if rejects:
        yield {"place": [place] * len(rejects), "reject": rejects}
    summary = _summary(file, days, len(rejects))
    end = file.content.unended
    if end is not None:
        summary["unended_record"] = end.record
        summary["unended_fields"] = list(end.fields)
        summary["unended_text"] = end.text
    yield {"place": [place], "file": [summary]}


_MAKERS: Mapping[str, _Maker] = {
    "records": _records,
    "rejects": _rejects,
    "files": _files,
    CONTENTS: _contents,
}


def _content(file: ArrowFile) -> Iterator[Any]:
    return file.batches(", ".join([*CONTENT, *_PLACE]), size=_ROWS)


def _columns(batch: Any) -> dict[str, Any]:
    return dict(zip(batch.schema.names, batch.columns, strict=True))


def _reject_rows(file: ArrowFile) -> list[dict[str, Any]]:
    return [dict(zip(_REJECT, row, strict=True)) for row in file.rejects()]


def _days(batch: Any) -> dict[date, int]:
    """Return the number of records by day."""
    days = batch.column("call_time").cast(pa.timestamp("us")).cast(pa.date32(), safe=False)
    return {each["values"]: each["counts"] for each in pc.value_counts(days).to_pylist()}


def _summary(file: ArrowFile, days: Mapping[date, int], rejected: int) -> dict[str, Any]:
    return {
        "name": file.name,
        "sha256": file.spooled.sha256,
        "size": file.spooled.size,
        "layouts": list(file.content.layouts),
        "day": min(days, key=lambda day: (-days[day], day), default=None),
        "read_by": file.content.read_by,
        "records": file.content.records,
        "rejected": rejected,
    }


def _check_all_read(left: int, file: ArrowFile) -> None:
    if left:
        raise CdrError(f"{left} records were not read: report this", file.name)


# --- Arrow ---------------------------------------------------------------------------------------


def _ddl(schema: Mapping[str, str | Mapping[str, str]]) -> str:
    return ", ".join(
        f"`{name}` {kind if isinstance(kind, str) else f'STRUCT<{_fields(kind)}>'}"
        for name, kind in schema.items()
    )


def _fields(schema: Mapping[str, str]) -> str:
    return ", ".join(f"`{name}`: {kind}" for name, kind in schema.items())


def _arrow_schema(schema: Mapping[str, str | Mapping[str, str]]) -> Any:
    """Return a schema as Spark writes it in Arrow."""
    types = {
        "INT": pa.int32(),
        "BIGINT": pa.int64(),
        "TIMESTAMP_NTZ": pa.timestamp("us"),
        "DECIMAL(38,18)": pa.decimal128(38, 18),
        "STRING": pa.string(),
        "BINARY": pa.binary(),
        "DATE": pa.date32(),
        "ARRAY<STRING>": pa.list_(pa.field("element", pa.string())),
    }
    fields = []
    for name, kind in schema.items():
        if isinstance(kind, str):
            fields.append(pa.field(name, types[kind]))
        else:
            inner = pa.struct([pa.field(each, types[of]) for each, of in kind.items()])
            fields.append(pa.field(name, inner))
    return pa.schema(fields)


def _batches(columns: Mapping[str, Any], schema: Any) -> Iterable[Any]:
    """Yield rows as record batches of limited size."""
    rows = len(next(iter(columns.values())))
    arrays = []
    for field in schema:
        column = columns.get(field.name)
        if column is None:
            arrays.append(pa.nulls(rows, field.type))
        elif isinstance(column, list):
            arrays.append(pa.array(column, field.type))
        else:
            arrays.append(column if column.type == field.type else column.cast(field.type))
    batch = pa.RecordBatch.from_arrays(arrays, schema=schema)
    step = max(1, rows * _BATCH_BYTES // max(_BATCH_BYTES, batch.nbytes))
    for first in range(0, rows, step):
        yield batch.slice(first, step)
