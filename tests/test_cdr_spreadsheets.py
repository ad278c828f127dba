"""Spreadsheets, read by another library than the writer's."""

from __future__ import annotations

import json
import os
import re
import sys
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from xml.etree import ElementTree as ET
from zipfile import ZipFile

import command_line
import openpyxl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sinchvoice import CdrError, InvalidRequest, cdr
from sinchvoice.sandbox import cdr_files


def sheet(path: Path) -> Any:
    return openpyxl.load_workbook(path).active


def cells(path: Path) -> list[list[Any]]:
    return [[cell.value for cell in row] for row in sheet(path).iter_rows()]


@pytest.mark.parametrize(
    ("value", "stored", "shown"),
    [
        ("+46701234567", "+46701234567", "@"),
        ("046701234567", "046701234567", "@"),
        ("123456789012345678901234567890", "123456789012345678901234567890", "@"),
        ("=1+1", "=1+1", "@"),
        ("@SUM(A1)", "@SUM(A1)", "@"),
        ("https://example.com", "https://example.com", "@"),
        ("2026-11-01", "2026-11-01", "@"),
        ("TRUE", "TRUE", "@"),
        (17, 17, "0"),
        (999_999_999_999_999, 999_999_999_999_999, "0"),
        (1_000_000_000_000_000, "1000000000000000", "@"),
        (True, True, "General"),
        (0.5, 0.5, "0.00##"),
        (float("nan"), "nan", "@"),
        (Decimal("0.10"), 0.1, "General"),
        (Decimal("99999999999.9999"), 99999999999.9999, "General"),
        (Decimal("0.1234567890123456"), "0.1234567890123456", "@"),
        (Decimal(12345678901234567890), "12345678901234567890", "@"),
        (date(2026, 11, 1), datetime(2026, 11, 1), "yyyy-mm-dd"),  # noqa: DTZ001 - read so
        (date(1900, 3, 1), datetime(1900, 3, 1), "yyyy-mm-dd"),  # noqa: DTZ001
        (date(1900, 2, 28), "1900-02-28", "@"),
        (date(1, 1, 1), "0001-01-01", "@"),
        (
            datetime(2026, 11, 1, 23, 59, 58, tzinfo=UTC),
            datetime(2026, 11, 1, 23, 59, 58),  # noqa: DTZ001
            "yyyy-mm-dd hh:mm:ss",
        ),
        (
            datetime(2026, 11, 1, 1, 0, 0, 250_000, tzinfo=timezone(timedelta(hours=2))),
            datetime(2026, 10, 31, 23, 0, 0, 250_000),  # noqa: DTZ001
            "yyyy-mm-dd hh:mm:ss.000",
        ),
        (datetime(1, 1, 1, tzinfo=UTC), "0001-01-01T00:00:00Z", "@"),
    ],
)
def test_a_value_is_stored_exactly(value: Any, stored: Any, shown: str, tmp_path: Path):
    cdr.write_xlsx(tmp_path / "x.xlsx", [{"value": value}])
    (heading, *_), (cell, *_) = sheet(tmp_path / "x.xlsx").iter_rows()
    assert heading.value == "value"
    assert (cell.value, type(cell.value)) == (stored, type(stored))
    assert cell.number_format == shown
    assert cell.data_type != "f"


@settings(max_examples=30)
@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=50))
@example("_x0041_")
@example("a\0b\x0b\ufffe\r\n\tc ")
def test_any_text_is_kept(text: str):
    with TemporaryDirectory() as folder:
        path = cdr.write_xlsx(Path(folder) / "x.xlsx", [{"value": text}])
        with ZipFile(path) as parts:
            table = ET.fromstring(parts.read("xl/sharedStrings.xml"))  # noqa: S314 - our own
    stored = [each.text or "" for each in table.iter() if each.tag.endswith("}t")]
    # ECMA-376, part 1, 22.4.2.4; openpyxl leaves most of these escapes.
    found = [re.sub("_x([0-9A-F]{4})_", lambda each: chr(int(each[1], 16)), t) for t in stored]
    assert found == list(dict.fromkeys(["value", text]))


def test_text_beyond_the_format_is_cut_or_escaped(tmp_path: Path):
    cdr.write_xlsx(tmp_path / "x.xlsx", [{"long": "x" * 40_000, "lone": "a\udcffb"}])
    assert cells(tmp_path / "x.xlsx")[1] == ["x" * 32_766 + "…", r"a\udcffb"]


def test_rows_may_have_different_columns(tmp_path: Path):
    path = cdr.write_xlsx(
        tmp_path / "x.xlsx", [{"b": 1}, {"a": None, "c": 0.25}], columns=["a"], percent=["c"]
    )
    assert cells(path) == [["a", "b", "c"], [None, 1, None], [None, None, 0.25]]
    found = sheet(path)
    assert found["C3"].number_format == "0.0%"
    assert found.freeze_panes == "A2"
    assert found["A1"].font.bold
    assert found.auto_filter.ref == "A1:C3"


def test_without_rows_there_is_a_header(tmp_path: Path):
    assert cells(cdr.write_xlsx(tmp_path / "x.xlsx", [], columns=["a", "b"])) == [["a", "b"]]


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("archive")
    cdr_files(folder / "cdr", days=3, records=30)
    with cdr.Archive(folder / "calls.duckdb") as opened:
        opened.load(folder / "cdr")
    return folder / "calls.duckdb"


def test_kpis_are_those_of_the_rows(archive: Path, tmp_path: Path):
    with cdr.Archive(archive, read_only=True) as opened:
        kpis = list(opened.kpis(("day", "layout")))
        path = cdr.write_xlsx(tmp_path / "kpis.xlsx", kpis)
    heading, *rows = cells(path)
    assert len(rows) == len(kpis)
    for values, row in zip(rows, kpis, strict=True):
        found = dict(zip(heading, values, strict=True))
        assert found["day"].date() == row.by["day"]
        assert found["layout"] == row.by["layout"]
        assert (found["attempts"], found["answered"]) == (row.attempts, row.answered)
        for name in ("asr", "setup_time", "acd"):  # they are written with 16 digits
            value = getattr(row, name).value
            assert found[name] == (None if value is None else pytest.approx(value, rel=1e-15))
        costs = {cost.currency: cost for cost in row.costs}
        for name in heading:
            kind, _, currency = name.partition(" ")
            if kind == "cost":
                amount = costs[currency].amount if currency in costs else None
                assert found[name] == (None if amount is None else float(amount))
    assert {name.partition(" ")[2] for name in heading} >= {"EUR"}


def test_the_command_writes_the_rows_that_it_would_print(
    archive: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    monkeypatch.chdir(archive.parent)
    run = command_line.runner(command_line.isolated({}, tmp_path), monkeypatch, capsys)
    for command in (
        ("stats", "--by", "layout"),
        ("stats", "--percentiles", "50,99.9"),
        ("completeness",),
        ("compare", "--period", "2026-11-03", "--by", "country"),
    ):
        file = tmp_path / f"{command[0]}.xlsx"
        file.write_bytes(b"an older one")
        ran = run("cdr", *command, "--json", "--xlsx", str(file))
        printed = [
            dict(line) for line in map(json.loads, run("cdr", *command, "--json").out.splitlines())
        ]
        assert ran.json == {"file": str(file), "rows": len(printed)}
        assert file.stat().st_mode & 0o77 == 0
        heading, *rows = cells(file)
        for values, line in zip(rows, printed, strict=True):
            for name, value in zip(heading, values, strict=True):
                if name in line and not isinstance(value, datetime | float):
                    printed_value = line[name]
                    if isinstance(value, int):
                        printed_value = float(printed_value)
                    assert value == printed_value, name
    (tmp_path / "folder.xlsx").mkdir()
    for arguments, message in (
        (("--xlsx", "kpis.xls"), "--xlsx is 'kpis.xls': give a name that ends in .xlsx"),
        (("--xlsx", "kpis.xlsx", "--csv"), "--csv and --xlsx are two formats"),
        (
            ("--xlsx", str(tmp_path / "missing" / "kpis.xlsx")),
            "cannot be written (No such file or directory): give another path",
        ),
        (("--xlsx", str(tmp_path / "folder.xlsx")), "this is a folder"),
    ):
        ran = run("cdr", "stats", *arguments)
        assert ran.code in (1, 2)
        assert message in ran.err
    assert not list(tmp_path.glob(".*xlsx*"))


def test_wrong_arguments_are_explained(tmp_path: Path):
    with pytest.raises(InvalidRequest, match=r"ends in \.xlsx"):
        cdr.write_xlsx(tmp_path / "x.csv", [])
    with pytest.raises(InvalidRequest, match="rows has a int"):
        cdr.write_xlsx(tmp_path / "x.xlsx", [1])
    with pytest.raises(InvalidRequest, match="16,385 columns"):
        cdr.write_xlsx(tmp_path / "x.xlsx", [], columns=[str(number) for number in range(16_385)])
    with pytest.raises(CdrError, match="cannot be written"):
        cdr.write_xlsx(tmp_path / "missing" / "x.xlsx", [])
    assert not list(tmp_path.iterdir())


def test_a_spreadsheet_replaces_files_only(tmp_path: Path):
    book, link, pipe = tmp_path / "a.xlsx", tmp_path / "link.xlsx", tmp_path / "pipe.xlsx"
    book.write_bytes(b"old")
    link.symlink_to(book)
    os.mkfifo(pipe)
    with pytest.raises(InvalidRequest, match="rows has a int"):
        cdr.write_xlsx(link, [1])
    assert book.read_bytes() == b"old"
    cdr.write_xlsx(link, [{"a": 1}])
    assert link.is_symlink()
    assert cells(book) == [["a"], [1]]
    for wrong, reason in ((pipe, "not a regular file"), (tmp_path / "folder.xlsx", "a folder")):
        if wrong != pipe:
            wrong.mkdir()
        with pytest.raises(CdrError, match=reason):
            cdr.write_xlsx(wrong, [{"a": 1}])
    assert pipe.is_fifo()
    assert not list(tmp_path.glob(".*"))


def test_a_missing_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "xlsxwriter", None)
    with pytest.raises(ImportError, match=r"pip install 'sinchvoice\[xlsx\]'"):
        cdr.write_xlsx(tmp_path / "x.xlsx", [])
