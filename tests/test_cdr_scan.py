"""Queries of files without an archive."""

from __future__ import annotations

import gc
import gzip
import io
import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cdr_oracle as oracle
import duckdb
import pytest
from sinchvoice import CdrError, InvalidRequest, cdr
from sinchvoice.cdr import LAYOUTS, RejectCause, scanning
from sinchvoice.sandbox import Planted, cdr_generator


def generated(records: int, **options: Any) -> bytes:
    buffer = io.BytesIO()
    cdr_generator.write(buffer, records, **options)
    return buffer.getvalue()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "calls.csv"
    path.write_bytes(generated(500))
    return path


def content(database: Any) -> list[Any]:
    return database.sql("SELECT * EXCLUDE (file_id) FROM records ORDER BY ALL").rows


def test_a_scan_has_the_rows_and_kpis_of_an_archive(path: Path, tmp_path: Path):
    packed = tmp_path / "more.csv.gz"
    packed.write_bytes(gzip.compress(generated(300, seed=2, layout="app-to-app")))
    planted = Planted(rejects={RejectCause.INTEGER: 20, RejectCause.QUOTE: 5}, multiline=9)
    unusual = generated(300, seed=3, layout="sip-terminated", planted=planted)
    with (
        cdr.scan(path, packed, unusual) as scan,
        cdr.Archive(tmp_path / "calls.duckdb") as archive,
    ):
        report = archive.load(path, packed, unusual)
        assert (scan.records, scan.rejected) == (report.records, report.rejected)
        assert scan.rejected == 25
        rows = archive.sql(
            "SELECT * EXCLUDE (file_id, record, line) FROM records ORDER BY ALL"
        ).rows
        assert content(scan) == rows
        for by in ((), "country", ("day", "layout")):
            assert scan.kpis(by) == archive.kpis(by)
        names = scan.sql("SELECT name FROM files ORDER BY file_id").rows
        assert names == [(str(path),), (str(packed),), ("<bytes>",)]
        causes = "SELECT line, cause, raw FROM rejects ORDER BY line"
        assert scan.sql(causes).rows == archive.sql(causes).rows


@pytest.mark.parametrize(
    "change",
    [
        lambda content: content.replace(b"\n", b"\r\n"),
        lambda content: b"\xef\xbb\xbf" + content,
        lambda content: content[:-1],
        lambda content: content.replace(b"campaign 7", "campaign é".encode()),
        lambda content: content.replace(b"campaign 7", b"campaign \xff"),
        lambda content: content.replace(b"campaign 7", b'"two\nlines"', 1),
        lambda content: content.replace(b"campaign 7", b'"forged\n' + content[300:900] + b'"', 1),
        lambda content: content.replace(b";campaign 7", b';"campaign 7', 1),
        lambda content: content.replace(b"campaign 7", b"\1" + b"x" * (3 << 20), 1),
        lambda content: content.split(b"\n", 1)[0] + b"\n",
    ],
)
def test_unusual_files_are_scanned_as_the_exact_reader_reads_them(path: Path, change: Any):
    path.write_bytes(change(path.read_bytes()))
    exact = cdr.read(path, on_reject="collect")
    expected = sorted((record.call_id, record.custom) for record in exact)
    with cdr.scan(path) as scan:
        found = scan.sql("SELECT call_id, custom FROM records").rows
        assert sorted(found) == expected
        assert (scan.records, scan.rejected) == (exact.records, exact.rejected)


@pytest.mark.parametrize("name", ["a*.csv", "[a].csv", "a'b.csv", "day=2026/a.csv", "a?.csv"])
def test_the_name_of_a_file_is_a_name_and_nothing_else(path: Path, tmp_path: Path, name: str):
    unusual = tmp_path / "folder" / name
    unusual.parent.mkdir(parents=True)
    unusual.write_bytes(path.read_bytes())
    (tmp_path / "folder" / "a.csv").write_bytes(generated(7, seed=9))
    with cdr.scan(unusual) as scan:
        assert scan.sql("SELECT count(*) FROM records").rows == [(500,)]
        assert scan.sql("SELECT name FROM files").rows == [(str(unusual),)]


def test_a_file_that_changes_after_it_was_opened_fails_the_question(path: Path):
    with cdr.scan(path) as scan:
        assert scan.sql("SELECT count(*) FROM records").rows == [(500,)]
        with path.open("ab") as file:
            file.write(path.read_bytes().splitlines(keepends=True)[1])
        for ask in (lambda: scan.sql("SELECT 1"), scan.kpis, scan.to_arrow):
            with pytest.raises(CdrError, match="changed while it was read"):
                ask()


def test_rows_for_arrow_are_those_of_the_query(path: Path):
    with cdr.scan(path) as scan:
        query = "SELECT result, count(*) AS calls FROM records WHERE duration > ? GROUP BY 1;"
        asked = scan.to_arrow(query, [0])
        expected = scan.sql(query, [0]).rows
        for _ in range(2):
            assert sorted(duckdb.from_arrow(asked).fetchall()) == sorted(expected)
        path.unlink()
        with pytest.raises(CdrError, match="changed while it was read"):
            asked.__arrow_c_stream__()
        with pytest.raises(CdrError, match="this is not a SELECT"):
            scan.to_arrow("DROP TABLE files")


def test_a_scan_can_neither_change_nor_open_anything(path: Path, tmp_path: Path):
    other = tmp_path / "other.csv"
    other.write_text("a\n1\n")
    with cdr.scan(path) as scan:
        for query in (
            "DELETE FROM rejects",
            "COPY records TO 'x.csv'",
            f"SELECT * FROM '{other}'",  # noqa: S608
            f"SELECT * FROM read_text('{other}')",  # noqa: S608
            "SET enable_external_access = true",
            "SELECT 1; SELECT 2",
        ):
            with pytest.raises(CdrError):
                scan.sql(query)


def test_nothing_is_left_behind(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    with cdr.scan(path.read_bytes()) as scan:
        assert list(folder.iterdir())
        assert scan.records == 500
    with pytest.raises(CdrError, match="is not a header row"):
        cdr.scan(b"a;b\n")
    assert not list(folder.iterdir())


@pytest.mark.filterwarnings("ignore:Implicitly cleaning up")
def test_nothing_is_left_of_a_scan_that_nobody_closes(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    scan = cdr.scan(path.read_bytes())
    assert list(folder.iterdir())
    del scan
    gc.collect()
    assert not list(folder.iterdir())


@pytest.mark.parametrize("sources", [(), ([],), (iter(()), [])])
def test_a_scan_of_nothing_is_refused(sources: Any):
    with pytest.raises(InvalidRequest, match="give at least one file"):
        cdr.scan(*sources)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_columns_that_the_layout_does_not_have_have_their_types(
    tmp_path: Path, layout: cdr.LayoutName
):
    path = tmp_path / "calls.csv"
    path.write_bytes(generated(50, layout=layout))
    with cdr.scan(path) as scan, cdr.Archive(tmp_path / "calls.duckdb") as archive:
        archive.load(path)
        assert scan.kpis("day") == archive.kpis("day")
        types = {name: kind for name, kind, *_ in archive.sql("DESCRIBE records").rows}
        for name, kind, *_ in scan.sql("DESCRIBE records").rows:
            assert kind == types[name]


def test_a_byte_order_mark_before_a_record_costs_it_whatever_the_first_column_is(tmp_path: Path):
    path = tmp_path / "calls.csv"
    path.write_text(
        "Custom;CallId;CallTime;Amount\n"
        "a;1;2026-11-02T08:15:30Z;1\n"
        "\ufeffb;2;2026-11-02T08:15:30Z;1\n"
        "c;3;2026-11-02T08:15:30Z;1\n",
        encoding="utf-8",
    )
    with cdr.scan(path) as scan:
        assert scan.sql("SELECT call_id FROM records ORDER BY 1").rows == [("1",), ("3",)]
        assert scan.sql("SELECT line, cause FROM rejects").rows == [(3, "byte-order-mark")]


def test_many_files_are_read_together_and_each_row_has_the_file_it_is_from(tmp_path: Path):
    sources: list[Any] = []
    for number in range(40):
        layout = list(LAYOUTS)[number % 2]
        planted = Planted(multiline=number % 3)
        made = generated(10 + number, seed=number, layout=layout, planted=planted)
        path = tmp_path / f"{number}.csv"
        path.write_bytes(made)
        sources.append(path if number % 5 else gzip.compress(made))
    with cdr.scan(sources, sources[1]) as scan:
        found = scan.sql("SELECT file_id, count(*) FROM records GROUP BY 1 ORDER BY 1").rows
        assert found == [*((number + 1, 10 + number) for number in range(40)), (41, 11)]
        for number in (0, 1, 17, 39):
            content = sources[number] if number % 5 else gzip.decompress(sources[number])
            ids = scan.sql("SELECT call_id FROM records WHERE file_id = ?", [number + 1]).rows
            assert sorted(ids) == sorted((record.call_id,) for record in cdr.read(content))


def test_a_question_that_a_change_breaks_says_that(path: Path):
    with cdr.scan(path) as scan:
        path.write_bytes(path.read_bytes()[:-20])
        for ask in (scan.kpis, lambda: scan.sql("SELECT * FROM records"), scan.to_arrow):
            with pytest.raises(CdrError, match="changed while it was read"):
                ask()
        path.unlink()
        with pytest.raises(CdrError, match="changed while it was read"):
            scan.kpis()


@pytest.mark.parametrize("limits", [{"memory_limit": "lots"}, {"threads": 0}])
def test_limits_that_make_no_sense_are_refused(path: Path, limits: Any):
    with pytest.raises(CdrError, match="the files cannot be scanned"):
        cdr.scan(path, **limits)


def test_without_a_folder_for_temporary_files_the_error_says_so(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "missing"))
    with pytest.raises(CdrError, match="set TMPDIR"):
        cdr.scan(path)


def test_a_table_that_there_is_not_is_told_with_those_that_there_are(path: Path, tmp_path: Path):
    with cdr.scan(path) as scan, cdr.Archive(tmp_path / "calls.duckdb") as archive:
        with pytest.raises(
            CdrError, match="^the table 'conflicts' does not exist: use records, re"
        ):
            scan.sql("FROM conflicts")
        with pytest.raises(CdrError, match="^the table 'calls' does not exist: use records, confl"):
            archive.sql("SELECT count(*) FROM calls")


@pytest.fixture
def heeded_signals() -> Iterator[None]:
    """A process in the background may have been told to ignore them."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("heeded_signals")
@pytest.mark.parametrize(
    "query",
    [
        "SELECT count(*) FROM range(100000) AS a, range(100000) AS b WHERE a <> b",
        "SELECT sum(range % 7) FROM range(100000000000)",
    ],
)
def test_control_c_interrupts_a_question(path: Path, query: str):
    with cdr.scan(path) as scan:
        timer = threading.Timer(0.5, signal.raise_signal, [signal.SIGINT])
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            scan.sql(query)
        timer.join()
        assert scan.sql("SELECT count(*) FROM records").rows == [(500,)]


def test_a_forked_process_can_ask_too(path: Path):
    with cdr.scan(path) as scan:
        assert scan.sql("SELECT 1").rows == [(1,)]
    code = (
        "import os, sys\nfrom sinchvoice import cdr\n"
        "count = lambda: cdr.scan(sys.argv[1]).sql('SELECT count(*) FROM records').rows\n"
        "print(count(), flush=True)\n"
        "child = os.fork()\n"
        "if not child:\n    print(count(), flush=True)\n    os._exit(0)\n"
        "os.waitpid(child, 0)\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code, path], capture_output=True, text=True, timeout=60, check=True
    )
    assert ran.stdout.splitlines() == ["[(500,)]", "[(500,)]"]


def test_a_file_whose_name_is_no_utf_8_is_read(path: Path, tmp_path: Path):
    unusual = tmp_path / os.fsdecode(b"\xff.csv")
    path.rename(unusual)
    with cdr.scan(unusual) as scan, cdr.Archive(tmp_path / "calls.duckdb") as archive:
        assert archive.load(unusual).loaded == scan.records == 500
        for database in (scan, archive):
            assert database.sql("SELECT name FROM files").rows == [(f"{tmp_path}/\\udcff.csv",)]


# Many small files


def test_many_small_files_are_what_each_of_them_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    dice = random.Random(7)
    for number in range(90):
        content, layout = oracle.varied_file(dice)
        if layout is None:
            (tmp_path / f"{number:02}.csv").write_bytes(content)
    (tmp_path / "large.csv").write_bytes(generated(900))
    (tmp_path / "packed.csv.gz").write_bytes(gzip.compress(generated(900, seed=2)))
    query = "SELECT * EXCLUDE file_id, name FROM {} JOIN files USING (file_id) ORDER BY ALL"
    answers = []
    for few in (0, 20, 1000):
        monkeypatch.setattr(scanning, "_FEW", few)
        with cdr.scan(tmp_path) as scan:
            tables = [scan.sql(query.format(table)).rows for table in ("records", "rejects")]
            answers.append((scan.records, scan.rejected, *tables))
    assert answers[0] == answers[1] == answers[2]
    assert answers[0][1] > 0


def test_a_small_file_that_cannot_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(scanning, "_FEW", 0)
    (tmp_path / "a.csv").write_bytes(generated(2))
    (tmp_path / "b.csv").write_bytes(b"nothing of the kind\n")
    with pytest.raises(CdrError, match="b.csv, line 1: these are not call detail records"):
        cdr.scan(tmp_path)


# KPIs for Arrow


@pytest.mark.parametrize("by", [(), ("currency",), ("weekday", "country"), ("user", "hour", "day")])
def test_kpis_for_arrow_are_those_of_the_rows(path: Path, by: Any):
    with cdr.scan(path) as scan:
        rows = scan.kpis(by, min_attempts=3)
        found = duckdb.from_arrow(rows.to_arrow())
        table = [dict(zip(found.columns, values, strict=True)) for values in found.fetchall()]
    groups = [tuple(line[name] for name in by) for line in table]
    assert list(dict.fromkeys(groups)) == [tuple(row.by.values()) for row in rows]
    for row in rows:
        lines = [
            line for line, group in zip(table, groups, strict=True) if group == (*row.by.values(),)
        ]
        for name in ("attempts", "answered", "talk_seconds", "setup_seconds", "minutes_of_use"):
            assert {line[name] for line in lines} == {getattr(row, name)}
        for name in ("asr", "ner", "acd", "setup_time", "short_calls"):
            assert {line[name] for line in lines} == {getattr(row, name).value}
        costs = [line for line in lines if line["priced"]]
        assert [(c["currency"], c["cost"], c["started_minutes"]) for c in costs] == [
            (cost.currency, cost.amount, cost.started_minutes) for cost in row.costs
        ]
        assert [c["cost_per_talk_minute"] for c in costs] == [
            cost.per_talk_minute.value for cost in row.costs
        ]


def test_kpis_outlive_what_they_were_asked_of(path: Path):
    with cdr.scan(path) as scan:
        rows = scan.kpis(by="country")
        again = scan.kpis(by="country")
        assert again == rows == list(again)
    assert rows[0].attempts > 0
    assert sum(row.attempts for row in rows) == 500
    with pytest.raises(InvalidRequest, match="the database is closed"):
        rows.to_arrow()
