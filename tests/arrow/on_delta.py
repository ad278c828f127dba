"""A Delta Lake table, read by deltalake, DuckDB and polars: `nox -s arrow` runs this file."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake
from documentation import blocks
from sinchvoice import CdrError, cdr
from sinchvoice.cdr import delta
from sinchvoice.cli import main
from sinchvoice.sandbox import cdr_files

DAYS = [date(2026, 11, day) for day in (2, 3, 4)]


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[cdr.Archive]:
    cdr_files(tmp_path / "cdr", days=3, records=40, layouts=["phone-terminated"])
    with cdr.Archive(tmp_path / "calls.duckdb") as archive:
        archive.load(tmp_path / f"cdr/phone-terminated-{day}.csv" for day in DAYS[:2])
        yield archive


def load_last(archive: cdr.Archive) -> None:
    archive.load(archive.path.with_name("cdr") / f"phone-terminated-{DAYS[2]}.csv")


def check(archive: cdr.Archive, table: Path) -> None:
    """The table has the records of the archive, in its types, each in its day."""
    found = DeltaTable(table).to_pyarrow_table()
    assert found.schema.field("amount").type == pa.decimal128(38, 18)
    assert found.schema.field("call_time").type == pa.timestamp("us")
    relation = duckdb.from_arrow(found)
    assert relation.filter("day <> CAST(call_time AS DATE)").fetchall() == []
    rows = relation.select("* EXCLUDE (day)").order("ALL").fetchall()
    assert rows == archive.sql("SELECT * FROM records ORDER BY ALL").rows


def test_each_export_is_one_commit_of_the_changed_days(archive: cdr.Archive, tmp_path: Path):
    table = tmp_path / "table"
    assert archive.to_delta(table).written == tuple(DAYS[:2])
    check(archive, table)
    kept = set(DeltaTable(table).file_uris())
    load_last(archive)
    archive.remove(1)
    report = archive.to_delta(table)
    assert (report.written, report.removed, report.unchanged) == (
        (DAYS[2],),
        (DAYS[0],),
        1,
    )
    check(archive, table)
    assert len(kept & set(DeltaTable(table).file_uris())) == 1
    assert DeltaTable(table).version() == 1
    again = archive.to_delta(table)
    assert (again.written, again.removed, again.unchanged) == ((), (), 2)
    assert DeltaTable(table).version() == 1
    assert stat.S_IMODE(table.stat().st_mode) == 0o700
    archive.erase(users=[user for (user,) in archive.sql("SELECT user_id FROM records").rows])
    assert archive.to_delta(table).removed == tuple(DAYS[1:])
    check(archive, table)


def test_polars_counts_the_same_calls(archive: cdr.Archive, tmp_path: Path):
    archive.to_delta(tmp_path / "table")
    counted = pl.scan_delta(tmp_path / "table").group_by("day").len().sort("day").collect()
    assert counted.rows() == [(day, 40) for day in DAYS[:2]]


def test_a_lost_commit_changes_nothing(
    archive: cdr.Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Another export commits first."""
    table, copy = tmp_path / "table", archive.backup(tmp_path / "copy.duckdb")
    archive.to_delta(table)
    load_last(archive)
    rows_of = delta._rows_of

    def meanwhile(days: Any) -> str:
        monkeypatch.undo()
        with cdr.Archive(copy) as other:
            other.remove(1)
            other.to_delta(table)
        return rows_of(days)

    monkeypatch.setattr(delta, "_rows_of", meanwhile)
    with pytest.raises(CdrError, match="another program has changed the table meanwhile"):
        archive.to_delta(table)
    with cdr.Archive(copy) as other:
        check(other, table)
    assert archive.to_delta(table).written == (DAYS[0], DAYS[2])
    check(archive, table)


def test_a_change_by_another_program_is_refused_until_it_is_undone(
    archive: cdr.Archive, tmp_path: Path
):
    table = tmp_path / "table"
    archive.to_delta(table)
    load_last(archive)
    DeltaTable(table).delete(f"day = '{DAYS[0]}'")
    with pytest.raises(CdrError, match=r"in version 1 \(DELETE\): restore version 0, or give"):
        archive.to_delta(table)
    DeltaTable(table).restore(0)
    DeltaTable(table).optimize.compact()
    DeltaTable(table).vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False)
    assert archive.to_delta(table).written == (DAYS[2],)
    check(archive, table)


def test_a_table_of_another_writer_is_refused(archive: cdr.Archive, tmp_path: Path):
    table = tmp_path / "table"
    archive.to_delta(table)
    with cdr.Archive(tmp_path / "other.duckdb") as other:
        other.load(tmp_path / "cdr")
        with pytest.raises(CdrError, match="no file of this archive, so it belongs to another"):
            other.to_delta(table)
    write_deltalake(tmp_path / "mine", pa.table({"x": [1]}))
    with pytest.raises(CdrError, match=r"in version 0 \(.*\)|no export wrote this table"):
        archive.to_delta(tmp_path / "mine")
    with pytest.raises(CdrError, match="this folder has other files: give a new one"):
        archive.to_delta(tmp_path / "cdr")


def test_the_example_of_the_documentation_is_right(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    (example,) = [
        block
        for block in blocks("docs/how-to/lake.md")
        if block.mark.startswith("run by tests/arrow/on_delta.py")
    ]
    monkeypatch.chdir(tmp_path)
    exec(compile(example.code, "lake.md", "exec"), {})  # noqa: S102
    assert capsys.readouterr().out == example.output


def test_the_command_writes_a_table(
    archive: cdr.Archive, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    archive.close()
    command = ["cdr", "export", "--archive", str(archive.path), "--delta"]
    assert main([*command, str(tmp_path / "table")]) == 0
    written = "".join(f"{day}\twritten\n" for day in DAYS[:2])
    assert capsys.readouterr().out == f"day\tchange\n{written}"
    assert main([*command, "--incremental", str(tmp_path / "table")]) == 2
    assert "--delta is incremental already: omit --incremental" in capsys.readouterr().err


def test_a_table_never_mixes_masked_and_plain_records(tmp_path: Path):
    cdr_files(tmp_path / "cdr", records=20, layouts=["phone-terminated"])
    with cdr.Archive(tmp_path / "calls.duckdb") as archive:
        archive.load(tmp_path / "cdr")
    key = b"sixteen bytes or more"
    masks = [None, "shorten", cdr.Masking("hash", key=key), cdr.Masking("hash")]

    def export(mask: Any, folder: Path) -> None:
        with cdr.Archive(tmp_path / "calls.duckdb", read_only=True, mask=mask) as opened:
            opened.to_delta(folder)

    for number, first in enumerate(masks):
        folder = tmp_path / f"table-{number}"
        export(first, folder)
        export(first, folder)
        for other in masks:
            if other is not first:
                with pytest.raises(CdrError, match="give the same mask, or a new folder"):
                    export(other, folder)
    export(cdr.Masking("hash", key=key), tmp_path / "table-2")
