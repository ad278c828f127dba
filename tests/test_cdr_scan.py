"""Questions to files without an archive."""

from __future__ import annotations

import gzip
import io
from pathlib import Path
from typing import Any

import pytest
from sinchvoice import CdrError, InvalidRequest, cdr
from sinchvoice.cdr import RejectCause
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
    odd = generated(300, seed=3, layout="sip-terminated", planted=planted)
    with (
        cdr.scan(path, packed, odd) as scan,
        cdr.Archive(tmp_path / "calls.duckdb") as archive,
    ):
        report = archive.load(path, packed, odd)
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
def test_odd_files_are_scanned_as_the_exact_reader_reads_them(path: Path, change: Any):
    path.write_bytes(change(path.read_bytes()))
    exact = cdr.read(path, on_reject="collect")
    expected = sorted((record.call_id, record.custom) for record in exact)
    with cdr.scan(path) as scan:
        found = scan.sql("SELECT call_id, custom FROM records").rows
        assert sorted(found) == expected
        assert (scan.records, scan.rejected) == (exact.records, exact.rejected)


@pytest.mark.parametrize("name", ["a*.csv", "[a].csv", "a'b.csv", "day=2026/a.csv", "a?.csv"])
def test_the_name_of_a_file_is_a_name_and_nothing_else(path: Path, tmp_path: Path, name: str):
    odd = tmp_path / "folder" / name
    odd.parent.mkdir(parents=True)
    odd.write_bytes(path.read_bytes())
    (tmp_path / "folder" / "a.csv").write_bytes(generated(7, seed=9))
    with cdr.scan(odd) as scan:
        assert scan.sql("SELECT count(*) FROM records").rows == [(500,)]
        assert scan.sql("SELECT name FROM files").rows == [(str(odd),)]


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
        kept = scan.to_arrow(query, [0])
        path.unlink()
        assert type(kept.__arrow_c_stream__()).__name__ == "PyCapsule"
        with pytest.raises(CdrError, match="one SELECT is expected"):
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
    with pytest.raises(CdrError, match="no header row"):
        cdr.scan(b"a;b\n")
    assert not list(folder.iterdir())


def test_a_scan_of_nothing_is_refused():
    with pytest.raises(InvalidRequest, match="give at least one file"):
        cdr.scan()
