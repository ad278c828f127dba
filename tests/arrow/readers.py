"""An archive, read by pyarrow, polars, pandas and DuckDB separately.

`nox -s arrow` runs this file. The process has the time zone of New York, so that a UTC time read as
a local time is noticed.
"""

from __future__ import annotations

import io
import math
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from datetime import date, datetime
from decimal import Decimal, localcontext
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from documentation import blocks
from sinchvoice import InvalidRequest, cdr
from sinchvoice.cdr import scanning
from sinchvoice.sandbox import cdr_generator

DAYS = (date(2026, 11, 1), date(2026, 11, 2))  # on the first, clocks go back in New York
# 2 ** 53 is the largest whole number that pandas keeps, as it makes floats of them if some are
# missing.
EXTREMES = """\
CallId;UserSpaceId;CallTime;Result;Reason;Duration;AnswerTime;Amount;Currency;Custom;Other
a;;0001-01-01T00:00:00Z;;;;;;;;
b;1;9999-12-31T23:59:59.999999Z;ANSWERED;;9007199254740992;;12345678901.5;EUR;"Å;""ß\n";1
c;1;2026-11-01T05:59:59.999999Z;ANSWERED;;0;2026-11-01T06:00:00.000001Z;-0.000000000000000001;EUR;;
d;1;2026-11-01T01:30:00-05:00;ANSWERED;;0;;0.1;USD;NULL;
""".replace("\n;", ";").encode()

Rows = list[dict[str, Any]]
Facts = dict[str | None, tuple[int, Decimal | None, datetime, datetime]]


def made(layout: Any, day: date) -> bytes:
    target = io.BytesIO()
    cdr_generator.write(target, 2000, layout=layout, day=day, seed=day.day)
    return target.getvalue()


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[cdr.Archive]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", "America/New_York")
        time.tzset()
        folder = tmp_path_factory.mktemp("archive")
        with cdr.Archive(folder / "calls.duckdb") as archive:
            report = archive.load(
                EXTREMES, [made(layout, day) for layout in cdr.LAYOUTS for day in DAYS]
            )
            assert (report.loaded, report.rejected) == (4 + 4 * 2 * 2000, 0)
            yield archive
    time.tzset()


@pytest.fixture(scope="module")
def export(archive: cdr.Archive, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("export")
    assert len(archive.to_parquet(folder)) == 2 + len(DAYS)
    return folder


@pytest.fixture(scope="module")
def rows(archive: cdr.Archive) -> Rows:
    """Return all records, as `sql` does."""
    found = archive.sql("SELECT * FROM records ORDER BY file_id, record")
    return [dict(zip(found.columns, row, strict=True)) for row in found.rows]


@pytest.fixture(scope="module")
def facts(archive: cdr.Archive) -> Facts:
    """Return calls, cost, first and last call for each currency."""
    found = archive.sql(
        "SELECT currency, count(*), sum(amount), min(call_time), max(call_time) "
        "FROM records GROUP BY ALL"
    )
    return {currency: tuple(values) for currency, *values in found.rows}


# How each of them reads a table and computes


def of_arrow(table: pa.Table) -> tuple[Rows, Facts]:
    sums = table.group_by("currency").aggregate(
        [([], "count_all"), ("amount", "sum"), ("call_time", "min"), ("call_time", "max")]
    )
    names = ("count_all", "amount_sum", "call_time_min", "call_time_max")
    by_currency = {row["currency"]: tuple(row[name] for name in names) for row in sums.to_pylist()}
    return table.to_pylist(), by_currency


def of_polars(frame: pl.DataFrame) -> tuple[Rows, Facts]:
    amount, call_time = pl.col("amount"), pl.col("call_time")
    sums = frame.group_by("currency").agg(
        pl.len(),
        pl.when(amount.count() > 0).then(amount.sum()),  # of nothing, it is 0
        call_time.min().alias("first"),
        call_time.max().alias("last"),
    )
    return frame.to_dicts(), {currency: tuple(values) for currency, *values in sums.rows()}


def of_pandas(frame: pd.DataFrame) -> tuple[Rows, Facts]:
    by_currency: Facts = {}
    with localcontext(prec=38):  # it adds decimals as Python does, which rounds to 28 digits
        for currency, calls in frame.groupby("currency", dropna=False):
            amounts, times = calls["amount"].dropna(), calls["call_time"]
            cost = amounts.sum() if len(amounts) else None
            by_currency[known(currency)] = (len(calls), cost, times.min(), times.max())
    rows = [
        {name: known(value) for name, value in row.items()}
        for row in frame.to_dict(orient="records")
    ]
    return rows, by_currency


def known(value: Any) -> Any:
    """Return a value of pandas as a Python value."""
    if isinstance(value, pd.Timestamp):
        return value.to_pydatetime()
    missing = value is pd.NaT or (isinstance(value, float) and math.isnan(value))
    return None if missing else value


def of_duckdb(relation: duckdb.DuckDBPyRelation) -> tuple[Rows, Facts]:
    sums = relation.aggregate(
        "currency, count(*), sum(amount), min(call_time), max(call_time)"
    ).fetchall()
    names = relation.columns
    return (
        [dict(zip(names, row, strict=True)) for row in relation.fetchall()],
        {currency: tuple(values) for currency, *values in sums},
    )


READERS: dict[str, Callable[[Any], tuple[Rows, Facts]]] = {
    "pyarrow": lambda stream: of_arrow(pa.table(stream)),
    "polars": lambda stream: of_polars(pl.DataFrame(stream)),
    "pandas": lambda stream: of_pandas(pd.DataFrame.from_arrow(stream)),
    "duckdb": lambda stream: of_duckdb(duckdb.from_arrow(pa.table(stream))),
}
READERS_OF_PARQUET: dict[str, Callable[[Path], tuple[Rows, Facts]]] = {
    "pyarrow": lambda folder: of_arrow(pq.read_table(folder)),
    "polars": lambda folder: of_polars(pl.read_parquet(folder)),
    "pandas": lambda folder: of_pandas(pd.read_parquet(folder)),
    "duckdb": lambda folder: of_duckdb(
        duckdb.read_parquet(f"{folder}/*/*.parquet", hive_partitioning=True)
    ),
}


def in_order(rows: Rows) -> Rows:
    return sorted(rows, key=lambda row: (row["file_id"], row["record"]))


@pytest.mark.parametrize("reader", READERS)
def test_others_read_the_stream_as_sql_does(
    archive: cdr.Archive, rows: Rows, facts: Facts, reader: str
):
    stream = archive.to_arrow()
    for _ in range(2):  # a second stream is possible
        found, by_currency = READERS[reader](stream)
        assert in_order(found) == rows
        assert by_currency == facts


@pytest.mark.parametrize("reader", READERS_OF_PARQUET)
def test_others_read_the_parquet_files_as_sql_does(
    export: Path, rows: Rows, facts: Facts, reader: str
):
    found, by_currency = READERS_OF_PARQUET[reader](export)
    assert by_currency == facts
    for row in found:
        assert str(row.pop("day")) == f"{row['call_time']:%Y-%m-%d}".rjust(10, "0")
    assert in_order(found) == rows


def test_types_are_those_of_the_columns(archive: cdr.Archive, export: Path):
    for schema in (
        pa.table(archive.to_arrow()).schema,
        pq.read_schema(next(export.rglob("*.parquet"))),
    ):
        kinds = {field.name: field.type for field in schema}
        assert kinds["call_time"] == kinds["answer_time"] == pa.timestamp("us")
        assert kinds["amount"] == pa.decimal128(38, 18)
        assert kinds["duration"] == kinds["user_space_id"] == pa.int64()
        assert kinds["custom"] == kinds["extras"] == pa.string()


@pytest.mark.parametrize("reader", READERS)
def test_a_query_with_parameters_is_read_and_may_find_nothing(archive: cdr.Archive, reader: str):
    query = "SELECT * FROM records WHERE currency = $currency"
    found, by_currency = READERS[reader](archive.to_arrow(query, {"currency": "USD"}))
    assert [row["call_id"] for row in found] == ["d"]
    assert found[0]["call_time"] == datetime(2026, 11, 1, 6, 30)  # noqa: DTZ001 - UTC, no zone
    assert by_currency["USD"][1] == Decimal("0.1")
    assert READERS[reader](archive.to_arrow(query, {"currency": "none"}))[0] == []


# Records without an archive

LOST = b"a;1;2026-11-01T00:00:00Z;ANSWERED;N/A;12.6;x;y;;K\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for layout in cdr.LAYOUTS:
        (tmp_path / f"{layout}.csv").write_bytes(made(layout, DAYS[0]))
    lines = made("sip-terminated", DAYS[1]).splitlines(keepends=True)
    (tmp_path / "damaged.txt").write_bytes(b"".join([*lines[:9], LOST, *lines[9:]]))
    (tmp_path / "extremes.csv").write_bytes(EXTREMES)
    (tmp_path / "left out").write_bytes(b"")
    return tmp_path


def test_record_batches_are_the_rows_of_an_archive(folder: Path, tmp_path: Path):
    calls = cdr.read_arrow(folder, batch_size=500)
    batches = list(calls)
    assert max(batch.num_rows for batch in batches) == 500
    assert {batch.schema for batch in batches} == {cdr.arrow_schema()} == {calls.schema}
    table = pa.Table.from_batches(batches)
    assert (calls.files, calls.yielded, calls.rejected) == (6, table.num_rows, 1)
    assert calls.records == calls.yielded + calls.rejected
    assert [file.name for file in calls.left_out] == [str(folder / "left out")]
    with cdr.Archive(tmp_path / "a.duckdb") as archive:
        archive.load(folder)
        expected = archive.sql(
            "SELECT r.* EXCLUDE (file_id, record, line), name AS file, record, line "
            "FROM records AS r JOIN files USING (file_id) ORDER BY file, record"
        )
    found = table.sort_by([("file", "ascending"), ("record", "ascending")])
    assert tuple(table.column_names) == expected.columns
    assert [tuple(row.values()) for row in found.to_pylist()] == expected.rows


def test_the_rejects_of_record_batches_are_those_of_the_exact_reader(folder: Path):
    calls = cdr.read_arrow(folder)
    rows = sum(batch.num_rows for batch in calls)
    with cdr.read(folder, on_reject="collect") as reader:
        assert sum(1 for _ in reader) == rows
    assert calls.rejects == reader.rejects
    with pytest.raises(cdr.CdrError, match="line 10: Duration '12.6'"):
        list(cdr.read_arrow(folder / "damaged.txt", on_reject="raise"))
    told: list[cdr.Reject] = []
    assert list(cdr.read_arrow(folder / "damaged.txt", on_reject=told.append))
    assert told == reader.rejects


@pytest.mark.parametrize("reader", [name for name in READERS if name != "duckdb"])
def test_others_read_record_batches_as_a_stream(folder: Path, reader: str):
    found, _ = READERS[reader](cdr.read_arrow(folder / "extremes.csv"))
    assert sorted(row["call_id"] for row in found) == ["a", "b", "c", "d"]


def test_a_file_that_cannot_be_read_ends_the_stream_with_its_name(folder: Path):
    (folder / "z.csv").write_bytes(b"nothing of the kind\n")
    with pytest.raises(Exception, match="z.csv, line 1: these are not call detail records"):
        pa.table(cdr.read_arrow(folder))


def test_record_batches_can_be_left_in_the_middle(folder: Path):
    with cdr.read_arrow(folder, batch_size=10) as calls:
        assert next(calls).num_rows == 10
    assert list(calls) == []


@pytest.mark.parametrize("arguments", [{"batch_size": 0}, {"on_reject": "drop"}, {"layout": "sip"}])
def test_arguments_of_record_batches_are_checked_at_once(arguments: Any):
    with pytest.raises(InvalidRequest):
        cdr.read_arrow(EXTREMES, **arguments)


@pytest.mark.parametrize("few", [0, 1000])
def test_a_scan_has_the_same_columns_and_rows_as_record_batches(
    folder: Path, monkeypatch: pytest.MonkeyPatch, few: int
):
    monkeypatch.setattr(scanning, "_FEW", few)
    order = [("file", "ascending"), ("record", "ascending")]
    expected = pa.table(cdr.read_arrow(folder)).sort_by(order)
    with cdr.scan(folder) as scan:
        stream = scan.to_arrow()
        for _ in range(2):
            found = pa.table(stream)
            assert found.schema == cdr.arrow_schema()
            assert found.sort_by(order).to_pylist() == expected.to_pylist()


def test_a_stream_of_a_scan_whose_file_changes_fails_at_its_end(tmp_path: Path):
    path = tmp_path / "a.csv"
    path.write_bytes(made("app-to-app", DAYS[0]))
    with cdr.scan(path) as scan:
        reader = pa.RecordBatchReader.from_stream(scan.to_arrow())
        first = reader.read_next_batch()
        assert first.num_rows
        os.utime(path, (0, 0))
        with pytest.raises(Exception, match="changed while it was read"):
            reader.read_all()


@pytest.mark.parametrize("reader", READERS)
def test_others_read_a_scan_as_a_stream(folder: Path, reader: str):
    with cdr.scan(folder / "extremes.csv") as scan:
        stream = scan.to_arrow("SELECT *, line AS record FROM (SELECT *, 1 AS line FROM records)")
        found, _ = READERS[reader](stream)
    assert sorted(row["call_id"] for row in found) == ["a", "b", "c", "d"]


def test_control_c_interrupts_a_question_for_arrow(tmp_path: Path):
    path = tmp_path / "extremes.csv"
    path.write_bytes(EXTREMES)
    with cdr.scan(path) as scan:
        timer = threading.Timer(0.5, signal.raise_signal, [signal.SIGINT])
        timer.start()
        with pytest.raises((KeyboardInterrupt, pa.ArrowException)):
            list(pa.table(scan.to_arrow("SELECT sum(range % 7) FROM range(100000000000)")))
        timer.join()
        assert scan.sql("SELECT count(*) FROM records").rows == [(4,)]


def test_the_example_of_the_documentation_is_right(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    (example,) = [
        block.code
        for block in blocks("docs/reference/cdr-files.md")
        if block.mark.startswith("run by tests/arrow/readers.py")
    ]
    monkeypatch.chdir(tmp_path)
    planted = cdr_generator.Planted(rejects={"time": 1})
    cdr_generator.cdr_files("cdr", days=1, records=100, planted=planted)
    exec(compile(example, "cdr-files.md", "exec"), {})  # noqa: S102
    *rows, reject = capsys.readouterr().out.splitlines()
    assert sum(map(int, rows)) == 399
    assert "has no time zone" in reject
