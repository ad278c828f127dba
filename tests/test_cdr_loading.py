"""Tests of the fast path and the slow path: which lines take which, and equal results."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from sinchvoice import cdr
from sinchvoice.cdr import Archive, fast_path

HEADER = b"CallId;CallTime;Duration;From;To;Custom"
FAST = [
    b"%d;2026-11-02T08:15:30.1234567Z;17;+46730170101;alice;",
    b'%d;2026-11-02T08:15:30Z;;"+4673";bob;"a;b ""c"""',
    b'"%d";"2026-11-02 08:15:30Z";"-3";;;\xc3\xa9',
    b"%d;2026-11-02T08:15:30Z;007;x;y;'",
]
# Good and bad records for the slow path, each on one or more lines.
SLOW = [
    b'%d;2026-11-02T08:15:30+01:00;17;a;b;"two\nlines"',
    b'%d;2026-11-02T08:15:30Z;1;a;b;"\nforged-%%d;2026-11-02T08:15:30Z;1;a;b;c\n"',
    b'%d;2026-11-02T08:15:30Z;1;a;b;{"json": "yes"}',
    b'%d;2026-11-02T08:15:30Z;1;a;b;"not closed',
    b'%d;2026-11-02T08:15:30Z;1;a;b;"a"b',
    b"%d;2026-11-02T08:15:30Z;1.5;a;b;c",
    b"%d;2026-11-02T08:15:30Z;1;a;b",
    b"%d;2026-11-02T08:15:30Z;1;a;b;c;d",
    b"%d;2026-02-30T08:15:30Z;1;a;b;c",
    b";2026-11-02T08:15:30Z;%d;a;b;c",
    b"%d;2026-11-02T08:15:30Z;1;a;b;\xff",
    b"%d;2026-11-02T08:15:30Z;1;a;b;\0",
    b"%d;2026-11-02T08:15:30Z;1;a;b;\1",
    b"%d;2026-11-02T08:15:30Z;1;a;b;x\ry",
    b'%d;2026-11-02T08:15:30Z;1;a;b;"x\ry"',
    b'%d;2026-11-02T08:15:30Z;1;a;b;"x\r\ny"',
    b"\xef\xbb\xbf%d;2026-11-02T08:15:30Z;1;a;b;c",
    b"%d;2026-11-02T08:15:30Z;1;a;b;" + b"x" * (3 << 20),
]
NO_RECORDS = [b"", b"  \t", b"\r", HEADER, b'"CallId";CALLTIME;Duration ;From;To;custom']


@pytest.fixture
def archive(tmp_path: Path) -> Any:
    with Archive(tmp_path / "calls.duckdb") as opened:
        yield opened


def check(archive: Archive, content: bytes, layout: Any = "phone-terminated") -> cdr.FileReport:
    """Load a file, and compare each row and reject, with its position, with the exact reader."""
    reader = cdr.read(content, layout, on_reject="collect")
    records = list(reader)
    (report,) = archive.load(content, layout=layout).details
    rejected = {reject.record for reject in reader.rejects}
    numbers = [n for n in range(1, reader.records + 1) if n not in rejected]
    found = archive.sql(
        "SELECT record, call_id, call_time, duration, to_, custom FROM records "
        "WHERE file_id = (SELECT max(file_id) FROM files) ORDER BY record"
    ).rows
    assert found == [
        (number, r.call_id, naive(r.call_time), r.duration, text(r.to), r.custom)
        for number, r in zip(numbers, records, strict=True)
    ]
    lines = dict(
        archive.sql(
            "SELECT record, line FROM records UNION ALL SELECT record, line FROM rejects"
        ).rows
    )
    assert sorted(lines, key=lines.__getitem__) == sorted(lines)
    assert len(set(lines.values())) == len(lines) == report.records == reader.records
    starts = content.replace(b"\r\n", b"\n").split(b"\n")
    for number, record in zip(numbers, records, strict=True):
        assert record.call_id.encode() in starts[lines[number] - 1]
    assert report.rejected == len(reader.rejects)
    assert report.fallback is None
    return report


def naive(time: datetime | None) -> datetime | None:
    return time and time.astimezone(UTC).replace(tzinfo=None)


def text(endpoint: Any) -> str | None:
    for name in ("number", "username", "address", "endpoint"):
        if hasattr(endpoint, name):
            return getattr(endpoint, name)
    return endpoint


@pytest.mark.parametrize("slow", SLOW)
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_a_slow_line_does_not_slow_the_others(archive: Archive, slow: bytes, end: bytes):
    lines = [HEADER, *(FAST[n % 4] % n for n in range(20)), slow % 20]
    lines += [FAST[n % 4] % n for n in range(21, 40)]
    report = check(archive, end.join(lines) + end)
    assert report.read_by == "mixed"


@pytest.mark.parametrize("header", [True, False])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_any_mixture_is_read_as_by_the_exact_reader(tmp_path: Path, header: bool, end: bytes):
    dice = random.Random(11)
    slow = [line for line in SLOW if len(line) < 1000]
    read_by = set()
    for turn in range(8):
        share = dice.choice([0.02, 0.1, 0.3, 0.6])
        lines = [HEADER if header else in_all_columns(FAST[0] % 0)]
        for place in range(1, dice.choice([2, 30, 900])):
            if dice.random() < share / 4:
                lines.append(dice.choice(NO_RECORDS[: 5 if header else 3]))
            line = dice.choice(slow if dice.random() < share else FAST) % place
            line = line.replace(b"%d", b"%d" % place)
            lines.append(line if header else in_all_columns(line))
        with Archive(tmp_path / f"{turn}.duckdb") as archive:
            report = check(archive, end.join(lines) + dice.choice([b"", end]))
        read_by.add(report.read_by)
    assert {"mixed", "exact"} <= read_by


@pytest.mark.parametrize("spaces", [0, 1, 9])
def test_a_header_is_read_to_its_end(archive: Archive, spaces: int):
    header = b"CallId;CallTime;Custom".ljust((1 << 20) - 1 + spaces) + b";More\n"
    report = check(archive, header + b"1;2026-11-02T08:15:30Z;a\n")
    assert (report.loaded, report.rejected) == (0, 1)


def in_all_columns(line: bytes) -> bytes:
    cells = line.split(b";", 5)
    if len(cells) < 6:
        return line
    call_id, time, duration, caller, callee, custom = cells
    return b";".join(
        [call_id, b"1", time, b"Busy", b"", duration, b"", caller, callee, b"", b"", custom, b";;"]
    )


@pytest.mark.parametrize(
    "content",
    [b"", b"\n", b"a", b"a\n", b"a\r", b"a\r\n\r", b"\r\n", b"a\n\n", b"\xff\n\0b\nc\1\n\xc3\xa9"]
    + [
        b"a\n" * n + b"x" * size + end
        for n, size in [*product((0, 1), (1, 1 << 20, (1 << 21) + 9)), (524_287, 1 << 20)]
        for end in (b"", b"\n", b"\nb", b"\r\nb\n")
    ],
)
def test_every_line_has_its_number_and_none_is_lost(tmp_path: Path, content: bytes):
    source = tmp_path / "source"
    source.write_bytes(content)
    expected = content.split(b"\n")
    if not expected[-1]:
        expected.pop()
    for skip in (0, 1):
        parts = list(fast_path.number(source, tmp_path, skip=skip))
        lines = b"".join(part.path.read_bytes() for part in parts).split(b"\n")
        assert lines.pop() == b""
        assert sum(part.count for part in parts) == len(lines) == max(0, len(expected) - skip)
        for place, (line, original) in enumerate(
            zip(lines, expected[skip:], strict=True), skip + 1
        ):
            first, _, rest = line.partition(b";")
            assert int(first) == place
            assert rest in (b"", original.removesuffix(b"\r"))
            assert rest or not original.strip(b"\r").isalpha() or len(original) > 1 << 20


def test_columns_of_rejects_are_those_of_the_first_record(archive: Archive):
    new = b"%d;1;2026-11-02T08:15:30Z;ANSWERED;;1;;a;b;;;;;;SE"
    old = b"%d;1;2026-11-02T08:15:30Z;ANSWERED;;1;;a;b;;;;;"
    lines = [new % 0, old % 1, new % 2, b"3;1;\0", old % 4, b"5;1;\0", new % 6, new % 7, new % 8]
    report = check(archive, b"\n".join(lines))
    assert report.read_by == "mixed"
    headers = archive.sql("SELECT record, header LIKE '%ToCountryId' FROM rejects ORDER BY 1").rows
    assert headers == [(2, True), (4, True), (5, True), (6, True)]


@pytest.mark.parametrize(
    "reasons",
    [["CANCEL", "N/A", ""], ["CANCEL", "cancel", "made up"], ['"Cancel"', "n/a", "HANGUP"]],
)
@pytest.mark.parametrize("quick", [True, False])
def test_reasons_are_equal_in_any_case(
    archive: Archive, tmp_path: Path, reasons: list[str], quick: bool
):
    rows = [f"{n};2026-11-02T08:15:30Z;{reasons[n % 3]}" for n in range(30)]
    if not quick:
        rows[15] = rows[15].replace("Z;", "+00:00;")
    path = tmp_path / "calls.csv"
    path.write_text("\n".join(["CallId;CallTime;Reason", *rows, ""]))
    wanted = [(r.call_id, r.reason and str(r.reason)) for r in cdr.read(path, "phone-originated")]
    assert {reason for _, reason in wanted} <= {"CANCEL", "N/A", "made up", "HANGUP", None}
    (report,) = archive.load(path, layout="phone-originated").details
    assert report.read_by == ("fast" if quick else "mixed")
    query = "SELECT call_id, reason FROM records ORDER BY CAST(call_id AS INTEGER)"
    assert archive.sql(query).rows == wanted
    with cdr.scan(path, layout="phone-originated") as scan:
        assert scan.sql(query).rows == wanted


def test_one_lower_case_letter_in_the_last_part_is_found(
    archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(fast_path, "_BLOCK", 1 << 10)
    monkeypatch.setattr(fast_path, "_PART", 2)
    rows = [f"{n};2026-11-02T08:15:30Z;CANCEL" for n in range(500)]
    rows[-1] = rows[-1].lower().replace("t08:15:30z", "T08:15:30Z")
    content = "\n".join(["CallId;CallTime;Reason", *rows]).encode()
    (report,) = archive.load(content, layout="phone-originated").details
    assert report.read_by == "fast"
    assert archive.sql("SELECT DISTINCT reason FROM records").rows == [("CANCEL",)]


def test_files_in_upper_and_mixed_case_are_scanned_together(tmp_path: Path):
    for number, reasons in enumerate((["CANCEL"], ["CANCEL", "cancel"], ["CANCEL"], ["cancel"])):
        rows = [f"{n};2026-11-02T08:15:30Z;{reason}" for n, reason in enumerate(reasons)]
        (tmp_path / f"{number}.csv").write_text("\n".join(["CallId;CallTime;Reason", *rows]))
    with cdr.scan(tmp_path, layout="phone-originated") as scan:
        counts = scan.sql("SELECT file_id, reason, count(*) FROM records GROUP BY ALL ORDER BY 1")
        assert counts.rows == [(number, "CANCEL", 1 + (number == 2)) for number in range(1, 5)]
