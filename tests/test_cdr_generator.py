"""Generated CDR files match their truth, for the exact reader and for the archive."""

from __future__ import annotations

import io
import json
import sys
from collections import Counter
from datetime import UTC, date, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import cdr_oracle as oracle
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sinchvoice import ConfigurationError, InvalidRequest, cdr
from sinchvoice.cdr import LAYOUTS, Archive, RejectCause
from sinchvoice.cdr.reader import MAX_RECORD
from sinchvoice.sandbox import CdrTruth, FileForm, FileTruth, Planted, cdr_files, cdr_generator

SMALL = [cause for cause in RejectCause if cause is not RejectCause.SIZE]
HEADERS = ["usual", "upper-case", "shuffled", "no-country", "none"]
FORMS = [
    FileForm(),
    FileForm(header="shuffled", line_end="crlf"),
    FileForm(header="upper-case", byte_order_mark=True, extra_columns=2),
    FileForm(header="no-country", line_end="mixed"),
    FileForm(line_end="mixed", byte_order_mark=True, extra_columns=2),
]
EVERYTHING = Planted(
    rejects=dict.fromkeys(SMALL, 9),
    duplicates=20,
    duplicates_across=30,
    conflicts=25,
    late=40,
    multiline=15,
    forged=10,
)


def made(records: int, **options: Any) -> tuple[bytes, FileTruth]:
    content = io.BytesIO()
    truth = cdr_generator.write(content, records, **options)
    return content.getvalue(), truth


def check_report(truth: CdrTruth, report: cdr.LoadReport) -> None:
    """Check the report of each file; files were loaded in the order of the truth."""
    for file, found in zip(truth.files, report.details, strict=True):
        assert found.name == str(file.path)
        for name in oracle.Counts._fields:
            assert getattr(found, name) == getattr(file.counts, name), (name, found.name)


def check_kpis(counts: cdr_generator.CdrCounts, row: cdr.KpiRow) -> None:
    assert row.attempts == counts.loaded
    assert row.answered == counts.answered
    assert row.talk_seconds == counts.talk_seconds
    assert sum(cost.amount for cost in row.costs if cost.currency == "EUR") == counts.cost


# --- Planted records -----------------------------------------------------------------------------


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("line_end", ["lf", "crlf", "mixed"])
@pytest.mark.parametrize("header", HEADERS)
def test_each_reject_is_where_it_was_planted(layout: Any, line_end: Any, header: Any):
    causes = [cause for cause in cdr_generator.CAUSES[layout] if cause in SMALL]
    content, truth = made(
        600,
        layout=layout,
        seed=7,
        planted=Planted(rejects=dict.fromkeys(causes, 4), multiline=9, forged=9),
        form=FileForm(header=header, line_end=line_end, byte_order_mark=True),
    )
    with cdr.read(content, layout, on_reject="collect") as reader:
        records = list(reader)
    assert (reader.records, len(records)) == (600, truth.counts.good)
    assert [(r.record, r.line, r.offset, r.cause, r.column) for r in reader.rejects] == [
        (p.record, p.line, p.offset, p.cause, p.column) for p in truth.rejects
    ]
    assert truth.counts.rejects == dict.fromkeys(sorted(causes), 4)
    assert not [record.call_id for record in records if record.call_id.startswith("forged")]
    assert sum(record.custom.count("\n") > 1 for record in records if record.custom) == 18


def test_a_too_large_record_can_be_planted():
    content, truth = made(3, planted=Planted(rejects={"size": 1}))
    with cdr.read(content, on_reject="collect") as reader:
        assert len(list(reader)) == 2
    (reject,) = reader.rejects
    assert reject.size > MAX_RECORD
    assert (reject.offset, reject.cause) == (truth.rejects[0].offset, RejectCause.SIZE)


def test_every_cause_can_be_planted():
    assert set().union(*cdr_generator.CAUSES.values()) == set(RejectCause)
    assert RejectCause.DECIMAL not in cdr_generator.CAUSES["app-to-app"]


@pytest.mark.parametrize("compression", [None, "gz", "zst"])
def test_an_archive_reports_the_truth_about_every_file(tmp_path: Path, compression: Any):
    truth = cdr_files(
        tmp_path / "cdr",
        records=150,
        days=9,
        planted=EVERYTHING,
        forms=FORMS,
        compression=compression,
    )
    total = truth.total
    assert (total.records, total.duplicates, total.conflicts) == (9 * 4 * 150, 50, 25)
    assert total.rejects == dict.fromkeys(sorted(SMALL), 9)
    assert total.late == 40
    with Archive(tmp_path / "calls.duckdb") as archive:
        check_report(truth, archive.load(tmp_path / "cdr"))
        (whole,) = archive.kpis()
        check_kpis(total, whole)
        for row in archive.kpis(by="layout"):
            check_kpis(truth.by_layout[row.by["layout"]], row)  # type: ignore[index]
        causes = archive.sql("SELECT cause, count(*) FROM rejects GROUP BY ALL").rows
        assert dict(causes) == total.rejects
        assert sum(day.late for day in archive.completeness()) == total.late
        forged = "SELECT count(*) FROM records WHERE starts_with(call_id, 'forged')"
        assert archive.sql(forged).rows == [(0,)]
        assert archive.sql(forged.replace("records", "rejects")).rows == [(0,)]


def test_the_order_of_the_files_does_not_change_the_totals(tmp_path: Path):
    truth = cdr_files(tmp_path / "cdr", records=50, days=4, planted=Planted(conflicts=30, late=9))
    with Archive(tmp_path / "calls.duckdb") as archive:
        report = archive.load(*[str(file.path) for file in reversed(truth.files)])
    for name in oracle.Counts._fields:
        assert getattr(report, name) == getattr(truth.total, name)


@given(
    st.builds(
        Planted,
        rejects=st.dictionaries(st.sampled_from(SMALL), st.integers(0, 2)),
        duplicates=st.integers(0, 3),
        duplicates_across=st.integers(0, 3),
        conflicts=st.integers(0, 3),
        late=st.integers(0, 3),
        multiline=st.integers(0, 3),
        forged=st.integers(0, 3),
    ),
    st.lists(
        st.builds(
            FileForm,
            header=st.sampled_from(HEADERS[:4]),
            line_end=st.sampled_from(["lf", "crlf", "mixed"]),
            byte_order_mark=st.booleans(),
            extra_columns=st.integers(0, 3),
        ),
        min_size=1,
        max_size=2,
    ),
    st.integers(0, 1000),
)
@settings(max_examples=12)
def test_an_archive_finds_every_combination_of_planted_records(
    tmp_path_factory: pytest.TempPathFactory, planted: Planted, forms: list[FileForm], seed: int
):
    folder = tmp_path_factory.mktemp("cdr")
    truth = cdr_files(folder, records=40, days=3, planted=planted, forms=forms, seed=seed)
    with Archive(folder / "calls.duckdb") as archive:
        check_report(truth, archive.load(folder))


def test_files_without_a_header_are_read_with_their_layout(tmp_path: Path):
    truth = cdr_files(
        tmp_path / "cdr", records=60, planted=Planted(conflicts=3), forms=[FileForm(header="none")]
    )
    with Archive(tmp_path / "calls.duckdb") as archive:
        for file in truth.files:
            (found,) = archive.load(str(file.path), layout=file.layout).details
            assert found.loaded == file.counts.loaded


# --- Default files -------------------------------------------------------------------------------


@pytest.mark.parametrize("layout", LAYOUTS)
def test_by_default_every_record_is_valid_and_takes_the_fast_path(tmp_path: Path, layout: Any):
    content, truth = made(500, layout=layout)
    assert truth.counts.loaded == truth.counts.good == 500
    assert truth.rejects == ()
    with Archive(tmp_path / "calls.duckdb") as archive:
        (report,) = oracle.check(archive, content)
    assert report is not None
    assert (report.read_by, report.loaded) == ("fast", 500)
    assert b'""' in content  # doubled quotes and quoted semicolons take the fast path
    assert b"a; b" in content


def test_a_day_has_the_curve_the_countries_and_the_prices_of_an_office():
    content, _ = made(20_000)
    calls: Any = list(cdr.read(content))
    assert all(one.call_time <= other.call_time for one, other in pairwise(calls))
    hours = Counter(call.call_time.astimezone(UTC).hour for call in calls)
    assert len(hours) == 24
    assert hours[10] > 3 * hours[6] > 9 * hours[2] > 0
    assert len({call.to_country_id for call in calls}) == 4
    prices = {country: Decimal(price) for country, _, price in cdr_generator.COUNTRIES}
    for call in calls:
        assert call.amount == prices[call.to_country_id] * -(-call.duration // 60)
        assert (call.answer_time is not None) == (call.result == "ANSWERED") == (call.duration > 0)


def test_the_same_arguments_make_the_same_bytes(tmp_path: Path):
    def bytes_of(folder: str, seed: int, **options: Any) -> dict[str, bytes]:
        target = tmp_path / folder
        cdr_files(target, records=30, days=2, seed=seed, planted=Planted(late=3), **options)
        return {
            path.name: path.read_bytes() for path in target.iterdir() if path.name != "truth.json"
        }

    assert bytes_of("a", 1) == bytes_of("b", 1) != bytes_of("c", 2)
    assert bytes_of("d", 1, compression="gz") == bytes_of("e", 1, compression="gz")
    assert len(bytes_of("a", 1)) == 8


def test_the_truth_is_beside_the_files(tmp_path: Path):
    truth = cdr_files(
        tmp_path,
        records=20,
        first_day=date(2026, 12, 31),
        days=2,
        layouts=["sip-terminated"],
        planted=Planted(rejects={"nul": 1}),
    )
    text = json.loads((tmp_path / "truth.json").read_text())
    assert text == truth.to_json()
    assert text["total"]["causes"] == {"nul": 1}
    assert text["total"]["records"] == text["layouts"]["sip-terminated"]["records"] == 40
    assert [file["file"] for file in text["files"]] == [
        str(tmp_path / f"sip-terminated-{day}.csv") for day in ("2026-12-31", "2027-01-01")
    ]
    (reject,) = [reject for file in text["files"] for reject in file["rejects"]]
    assert reject["cause"] == "nul"
    assert truth.files[1].day - truth.files[0].day == timedelta(days=1)


# --- Refusals ------------------------------------------------------------------------------------


def test_zst_without_its_package_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for name in ("backports", "compression", "backports.zstd", "compression.zstd"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ConfigurationError, match=r"\.zst needs Python 3\.14 or backports\.zstd"):
        cdr_files(tmp_path, compression="zst")


@pytest.mark.parametrize(
    ("make", "part"),
    [
        (lambda: Planted(late=-1), "late is -1: give 0 or more"),
        (lambda: Planted(rejects={"typo": 1}), "rejects has 'typo': give one of quote, columns"),
        (lambda: Planted(rejects={"time": -1}), "rejects has -1 of 'time'"),
        (lambda: FileForm(header="other"), "header is 'other': give one of usual"),  # type: ignore[arg-type]
        (lambda: FileForm(line_end="cr"), "line_end is 'cr': give one of lf, crlf"),  # type: ignore[arg-type]
        (lambda: FileForm(extra_columns=-1), "extra_columns is -1"),
        (lambda: FileForm(header="none", extra_columns=1), "extra_columns need a header"),
        (lambda: made(-1), "records is -1"),
        (lambda: made(1, quoted=2), "quoted is 2: give a share from 0 to 1"),
        (lambda: made(0, planted=Planted(late=1)), "no room for so many late"),
        (lambda: made(5, planted=Planted(duplicates=4)), "no room for so many duplicates"),
        (lambda: made(9, planted=Planted(duplicates_across=1)), "so many duplicates_across"),
        (
            lambda: made(9, layout="app-to-app", planted=Planted(rejects={"decimal": 1})),
            "no room for so many rejects of 'decimal'",
        ),
        (lambda: cdr_files("x", days=0), "days is 0: give 1 or more"),
        (lambda: cdr_files("x", days=9**7), "choose days within the calendar"),
        (lambda: cdr_files("x", first_day=date.min), "first_day is 0001-01-01, days is 1"),
        (lambda: cdr_files("x", first_day=date.max), "first_day is 9999-12-31, days is 1"),
        (lambda: cdr_files("x", layouts=["sip"]), "layout is 'sip': give one of"),  # type: ignore[list-item]
        (lambda: cdr_files("x", layouts=[]), "layouts is empty: give at least one"),
        (lambda: cdr_files("x", forms=[]), "forms is empty"),
        (lambda: cdr_files("x", compression="rar"), "compression is 'rar'"),  # type: ignore[arg-type]
    ],
)
def test_impossible_files_are_refused(
    make: Any, part: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InvalidRequest, match=part):
        make()
    assert not list(tmp_path.iterdir())
