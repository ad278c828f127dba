"""An archive stores each record once, accounts for all others, and loses or changes none."""

from __future__ import annotations

import gzip
import io
import json
import os
import random
import shutil
import stat
import subprocess
import sys
import zipfile
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import cdr_oracle as oracle
import duckdb
import pytest
from cdr_kills import check_kills
from hypothesis import given, settings
from hypothesis import strategies as st
from sinchvoice import CdrError, InvalidRequest, cdr
from sinchvoice.cdr import LAYOUTS, Archive, RejectCause, exporting, fast_path
from sinchvoice.sandbox import FileForm, Planted, cdr_generator

NAMES = {name: [column.name for column in layout.columns] for name, layout in LAYOUTS.items()}
PHONE = NAMES["phone-terminated"]
VALUES = {
    "CallId": "4398599d1ba84ef3bde0a82dfb61abed",
    "UserSpaceId": "1137",
    "CallTime": "2026-11-02T08:15:30.1234567Z",
    "Result": "ANSWERED",
    "Reason": "CALLEEHANGUP",
    "Duration": "138",
    "AnswerTime": "2026-11-02T08:15:42.0000000Z",
    "From": "+12125550101",
    "To": "+46730170101",
    "FromUserId": "alice",
    "ToUserId": "bob",
    "Amount": "0.1758",
    "Currency": "EUR",
    "Custom": "campaign 7",
    "ApplicationKey": "5F5C418A0F914BBC8234A9BF5EDDAD97",
    "UserId": "alice",
    "ToCountryId": "SE",
}
CONTENT = (
    "layout, call_id, user_space_id, call_time, result, reason, duration, answer_time, from_, to_, "
    "amount, currency, custom, application_key, user_id, to_country_id, extras"
)
INTERRUPTED = """
import os, signal, sys, threading, time
from sinchvoice import cdr

signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job ignores it

def interrupt(progress):
    if progress.stage == "loading":
        threading.Timer(float(sys.argv[3]), os.kill, (os.getpid(), signal.SIGINT)).start()

with cdr.Archive(sys.argv[1]) as archive:
    try:
        archive.load(sys.argv[2], progress=interrupt)
        time.sleep(10)
    except KeyboardInterrupt:
        print(archive.sql("SELECT count(*) FROM records").rows[0][0])
"""


def row(names: list[str] = PHONE, **changes: str) -> str:
    return ";".join({**VALUES, **changes}[name] for name in names)


def file(*rows: str, names: list[str] = PHONE, end: str = "\n") -> bytes:
    return end.join([";".join(names), *rows, ""]).encode()


def generated(records: int, **options: Any) -> bytes:
    buffer = io.BytesIO()
    cdr_generator.write(buffer, records, **options)
    return buffer.getvalue()


@pytest.fixture
def archive(tmp_path: Path) -> Any:
    with Archive(tmp_path / "calls.duckdb") as opened:
        yield opened


@pytest.fixture(scope="module")
def one_record(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """An archive for queries alone."""
    with Archive(tmp_path_factory.mktemp("one") / "calls.duckdb") as opened:
        load(opened, file(row()))
        yield opened


def load(archive: Archive, *sources: Any, **options: Any) -> cdr.FileReport:
    (report,) = archive.load(*sources, **options).details
    assert report.records == (
        report.loaded + report.duplicates + report.conflicts + report.rejected
    )
    return report


def rows(archive: Archive, columns: str = CONTENT, table: str = "records") -> list[Any]:
    return archive.sql(f"SELECT {columns} FROM {table} ORDER BY ALL").rows  # noqa: S608


def state(archive: Archive) -> dict[str, list[Any]]:
    """The content of the archive, whichever file it came from first."""
    return {
        "records": rows(archive),
        "conflicts": rows(archive, CONTENT, "conflicts"),
        "rejects": rows(archive, "line, record, cause, message, raw, resolved_by > 0", "rejects"),
        "files": rows(archive, "sha256, records, rejected", "files"),
    }


def check_like_the_exact_reader(
    archive: Archive, content: bytes, layout: Any = None
) -> cdr.FileReport:
    """The archive has the records and rejects of the exact reader, row by row."""
    (report,) = oracle.check(archive, content, layout=layout)
    assert report is not None
    return report


def some_of_each(layout: cdr.LayoutName, number: int) -> Planted:
    """A reject for every cause except a record above 16 MiB."""
    causes = [cause for cause in cdr_generator.CAUSES[layout] if cause is not RejectCause.SIZE]
    return Planted(rejects=dict.fromkeys(causes, number))


# --- loading ------------------------------------------------------------------------------------


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("header", [True, False])
def test_a_plain_file_is_read_fast_and_as_the_exact_reader_does(
    archive: Archive, layout: Any, header: bool
):
    form = FileForm(header="usual" if header else "none")
    content = generated(500, layout=layout, form=form)
    report = check_like_the_exact_reader(archive, content, None if header else layout)
    assert report.read_by == "fast"
    assert report.loaded == 500


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_defects_of_a_file_are_read_exactly_and_the_rest_fast(archive: Archive, layout: Any):
    content = generated(500, layout=layout, planted=some_of_each(layout, 5))
    report = check_like_the_exact_reader(archive, content)
    assert report.read_by == "mixed"
    assert report.rejected


@pytest.mark.parametrize(
    ("every", "read_by"), [(0, "fast"), (1, "exact"), (3, "mixed"), (7, "mixed"), (499, "mixed")]
)
def test_all_ways_of_reading_give_the_same_rows(
    archive: Archive, tmp_path: Path, every: int, read_by: str
):
    content = generated(500)
    header, *lines = content.splitlines(keepends=True)
    if every:
        lines[::every] = [line.replace(b"Z;", b"+00:00;") for line in lines[::every]]
    with Archive(tmp_path / "other.duckdb") as other:
        assert load(other, content.replace(b"\n", b"\r\n")).read_by == "fast"
        assert load(archive, header + b"".join(lines)).read_by == read_by
        positions = f"{CONTENT}, file_id, record, line"
        assert rows(archive, positions) == rows(other, positions)


CELLS = {
    "CallId": ["a", "b", '"c"', '"a;b"', '""', "", " a ", "NULL", '"x""y"', "é"],
    "UserSpaceId": ["", "007", "-1", '"12"', "1e3", "9" * 18, "9" * 19, " 1", "+1", "1_0"],
    "CallTime": [
        "2026-11-02T08:15:30.1234567Z",
        "2026-11-02 08:15:30Z",
        "2026-11-02T08:15:30.999999999Z",
        '"2026-11-02T08:15:30.5Z"',
        "2026-02-30T00:00:00Z",
        "2026-11-02T24:00:00Z",
        "2026-11-02T08:15:30+02:00",
        "2026-11-02T08:15:30",
        "1000-01-01T00:00:00Z",
        "2999-12-31T23:59:59.9999999Z",
        "0001-01-01T00:00:00+14:00",
    ],
    "Result": ["answered", "Busy", "NEW", "", "BU\u017fY", '"FAILED"', "N/A"],
    "Reason": ["hangup", "cancel", "some; text", '"some; text"', "BLOC\u212aED", "straße"],
    "Duration": ["0", "", "12.6", "-0", "00"],
    "AnswerTime": ["", '""', "2026-13-01T00:00:00Z"],
    "From": ["", "anonymous", "+1 (212) 555", '"+1"', "'; DROP TABLE records; --"],
    "Amount": [
        "0.1",
        "0.10",
        "",
        "-1.5",
        "9" * 11 + "." + "9" * 18,
        "9" * 12,
        "1e2",
        "0,5",
        ".5",
        "5.",
    ],
    "Custom": [
        '"a;b"',
        '{"a": 1}',
        '"two\nlines"',
        '"not closed',
        'x"y;"open',
        '5" pipe',
        '"""quoted"""',
        "\\n",
        "\\b\\",
        "\u2028",
        "\x1f",
        "\x01",
        "\ufeff",
        "=cmd()",
        ' "x"',
        '"x" ',
    ],
}


@given(
    st.lists(
        st.fixed_dictionaries(
            {},
            optional={name: st.sampled_from(values) for name, values in CELLS.items()},
        ),
        min_size=1,
        max_size=6,
    ),
    st.booleans(),
)
@settings(max_examples=50)
def test_whatever_is_in_the_cells_both_readers_agree(
    tmp_path_factory: pytest.TempPathFactory, changes: list[dict[str, str]], numbered: bool
):
    lines = [
        row(**({"CallId": f"call-{number}"} if numbered else {}) | change)
        for number, change in enumerate(changes)
    ]
    with Archive(tmp_path_factory.mktemp("archive") / "a.duckdb") as archive:
        check_like_the_exact_reader(archive, file(*lines))


@pytest.mark.parametrize("name", CELLS)
def test_each_odd_cell_is_read_as_the_exact_reader_does(archive: Archive, name: str):
    ledger = oracle.Ledger()
    for number, value in enumerate(CELLS[name]):
        ledger.load(archive, file(row(**{"CallId": f"call-{number}", name: value})), None)
        ledger.compare(archive)


@pytest.mark.parametrize(
    ("content", "layout"),
    [
        (file(), None),
        (b"", "app-to-app"),
        (b"\xef\xbb\xbf" + file(row()), None),
        (b"\xef\xbb\xbf" + row().encode(), "phone-terminated"),
        (file(row(), "", row(CallId="b")), None),
        (file(row()) + b"\n\n", None),
        (file(row()).removesuffix(b"\n"), None),
        (file(row()) + file(row(NAMES["app-to-app"]), names=NAMES["app-to-app"]), None),
        (file(row(PHONE[::-1]), names=PHONE[::-1]), None),
        (file(row(PHONE[:14]), names=PHONE[:14]), None),
        (row(PHONE[:14]).encode(), "phone-terminated"),
        (file(row(Custom="x" * 3_000_000)), None),
        (file(row(Custom='"' + "x\n" * 1_000_000 + '"')), None),
        (file(row()).replace(b"campaign", b"caf\xe9"), None),
        (file(row()).replace(b"campaign", b"\0"), None),
        (file(row(), row(CallId="b")).replace(b"\n", b"\r\n", 2), None),
        (file(row()).replace(b"campaign", b"a\rb"), None),
        (file(row(), names=[f'"{name}"' for name in PHONE]), None),
        (file(*[row(CallId=f"c{n}", Custom=f"{'é' * n}") for n in range(50)]), None),
    ],
)
def test_files_of_other_forms_are_read_as_the_exact_reader_does(
    archive: Archive, content: bytes, layout: Any
):
    check_like_the_exact_reader(archive, content, layout)


def test_unknown_columns_are_kept_as_json(archive: Archive):
    content = file(row() + ";new\\n", names=[*PHONE, "Leg"])
    assert load(archive, content).read_by == "exact"
    assert rows(archive, "extras") == [('{"Leg": "new\\\\n"}',)]


def test_unknown_columns_in_another_order_say_the_same(archive: Archive):
    load(archive, file(row() + ";1;x", names=[*PHONE, "Leg", "Tag"]))
    report = load(archive, file(row() + ";x;1", names=[*PHONE, "Tag", "Leg"]))
    assert (report.duplicates, report.conflicts) == (1, 0)


def test_quoted_lines_that_look_like_records_stay_text(archive: Archive):
    forged = '"' + "\n".join(row(CallId=f"forged-{n}") for n in range(3000)) + '"'
    report = load(archive, file(row(Custom=forged), row(CallId="b")))
    assert (report.records, report.loaded) == (2, 2)
    assert rows(archive, "call_id, line") == [(VALUES["CallId"], 2), ("b", 3002)]


def test_the_largest_amount_is_kept_exactly(archive: Archive):
    amount = "9" * 11 + "." + "9" * 18
    load(archive, file(row(Amount=amount), row(CallId="b", Amount=f"-{amount}")))
    assert rows(archive, "amount") == [(Decimal(f"-{amount}"),), (Decimal(amount),)]


def test_damaged_files_are_in_the_archive_as_the_exact_reader_reads_them(tmp_path: Path):
    seen = oracle.check_damaged(range(100), tmp_path)
    assert min(seen["files refused"], seen["files read by fast"], seen["conflicts"]) > 0


# --- once, and only once ------------------------------------------------------------------------


def test_bytes_that_were_loaded_are_skipped_whatever_they_are_called(
    archive: Archive, tmp_path: Path
):
    content = generated(100)
    load(archive, content)
    before = state(archive)
    assert archive.load(content).resolved == 0
    packed = tmp_path / "same.csv.gz"
    packed.write_bytes(gzip.compress(content))
    report = archive.load(content, packed)
    assert (report.files, report.skipped, report.records) == (2, 2, 0)
    assert state(archive) == before
    assert "2 known already" in str(report)


def test_records_cannot_be_there_twice_as_two_layouts(archive: Archive):
    content = row(NAMES["app-to-app"]).encode()
    assert load(archive, content, layout="app-to-app").loaded == 1
    before = state(archive)
    for layout in ("sip-terminated", "phone-terminated"):
        with pytest.raises(CdrError, match=rf"same bytes as app-to-app, not as {layout}"):
            load(archive, content, layout=layout)
    assert state(archive) == before
    assert load(archive, content, layout="app-to-app").skipped


def test_a_layout_under_which_nothing_could_be_read_can_be_corrected(archive: Archive):
    content = "\n".join([row(CallId="a"), row(CallId="b"), row(CallId="")]).encode()
    assert load(archive, content, layout="app-to-app").rejected == 3
    report = load(archive, content, layout="phone-terminated")
    assert (report.loaded, report.rejected) == (2, 1)
    assert [reject.layout for reject in archive.rejects()] == ["phone-terminated"]
    assert [reject.resolved_by for reject in archive.rejects(resolved=True)] == [2, 2, 2, None]


def test_a_record_that_says_the_same_is_a_duplicate(archive: Archive):
    again = row(Amount="0.17580", Result="answered")
    assert load(archive, file(row(), again)).duplicates == 1
    assert load(archive, file(again, row(CallId="new"))).duplicates == 1
    assert rows(archive, "call_id, file_id") == [(VALUES["CallId"], 1), ("new", 2)]


def test_a_record_that_says_something_else_is_kept_aside_and_changes_nothing(archive: Archive):
    load(archive, file(row()))
    before = rows(archive)
    other = file(row(Duration="139"), row(Duration="139"), row(Duration="140"))
    report = load(archive, other)
    assert (report.loaded, report.duplicates, report.conflicts) == (0, 1, 2)
    assert rows(archive) == before
    assert rows(archive, "duration, file_id", "conflicts") == [(139, 2), (140, 2)]
    assert load(archive, file(row(Duration="140"), row(Duration="138"))).duplicates == 2


def test_the_same_call_id_in_another_layout_is_another_record(archive: Archive):
    load(archive, file(row()))
    names = NAMES["app-to-app"]
    assert load(archive, file(row(names), names=names)).loaded == 1


def test_the_order_of_files_makes_no_difference(tmp_path: Path):
    contents = [generated(200, seed=seed, quoted=seed % 2 / 5) for seed in range(4)]
    contents.append(b"".join([contents[0], contents[1]]))
    planted = some_of_each("phone-terminated", 3)
    contents.append(generated(200, seed=2, quoted=0, planted=planted))
    states = []
    for number in range(4):
        order = contents * 2
        random.Random(number).shuffle(order)
        with Archive(tmp_path / f"{number}.duckdb") as archive:
            archive.load(*order)
            found = state(archive)
            found["kept"] = sorted(set(map(str, found.pop("records") + found.pop("conflicts"))))
            states.append(found)
    assert all(found == states[0] for found in states)


def test_a_load_that_is_killed_and_done_again_gives_the_same_tables(tmp_path: Path):
    check_kills(tmp_path, 3, 1000, random.Random(1))


# --- files that change, and files that are refused ----------------------------------------------


def grow(path: Path) -> None:
    with path.open("ab") as opened:
        opened.write(b"x")


def replace(path: Path) -> None:
    content = path.read_bytes()
    path.rename(path.with_suffix(".old"))
    path.write_bytes(content)


def change_in_place(path: Path) -> None:
    was = path.stat()
    path.write_bytes(path.read_bytes().replace(b"campaign 7", b"campaign 8"))
    os.utime(path, ns=(was.st_atime_ns, was.st_mtime_ns))


@pytest.mark.parametrize("change", [grow, replace, change_in_place, Path.unlink])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_nothing_is_kept_of_a_file_that_changes_meanwhile(
    archive: Archive, tmp_path: Path, change: Any, end: str
):
    path = tmp_path / "calls.csv"
    path.write_bytes(file(row(), end=end))
    os.utime(path, (0, 0))

    def spoil(progress: cdr.LoadProgress) -> None:
        if progress.stage == "reading":  # all of it is one block
            change(path)

    with pytest.raises(CdrError, match=r"calls\.csv: the file changed while it was read"):
        archive.load(path, progress=spoil)
    assert state(archive) == {"records": [], "conflicts": [], "rejects": [], "files": []}


@pytest.mark.skipif(
    not Path("/proc/self/fd").exists(), reason="this system does not list open files in /proc"
)
def test_no_file_stays_open_while_somebody_keeps_the_error(archive: Archive, tmp_path: Path):
    bad = tmp_path / "bad.csv"
    bad.write_bytes(b"a;b\n1;2\n")
    with pytest.raises(CdrError, match="these are not call detail records") as caught:
        archive.load(bad)
    descriptors = [each for each in Path("/proc/self/fd").iterdir() if each.is_symlink()]
    assert bad not in [each.readlink() for each in descriptors]
    assert caught.value.file == str(bad)


def test_a_refused_file_leaves_those_before_it(archive: Archive, tmp_path: Path):
    bad = tmp_path / "bad.csv"
    bad.write_bytes(b"a;b\n1;2\n")
    with pytest.raises(CdrError, match=r"bad\.csv, line 1: these are not call detail records"):
        archive.load(file(row()), bad)
    assert rows(archive, "call_id") == [(VALUES["CallId"],)]
    with pytest.raises(CdrError, match="cannot be read"):
        archive.load(tmp_path / "missing.csv")
    with pytest.raises(InvalidRequest, match="layout is 'other'"):
        archive.load(file(row()), layout="other")  # type: ignore[arg-type]
    with pytest.raises(InvalidRequest, match="source is int"):
        archive.load(7)  # type: ignore[arg-type]


@pytest.mark.parametrize("stage", ["reading", "checking", "sifting", "loading", "done"])
@pytest.mark.parametrize("kind", [KeyboardInterrupt, duckdb.Error, OSError, RuntimeError])
def test_what_progress_raises_ends_the_loading(
    archive: Archive, stage: str, kind: type[BaseException]
):
    error = kind("mine")

    def fail(progress: cdr.LoadProgress) -> None:
        if progress.stage == stage:
            raise error

    content = file(*(row(CallId=str(n)) for n in range(5)), row(Custom='"a\nb"'))
    with pytest.raises(kind) as caught:
        archive.load(content, progress=fail)
    assert caught.value is error
    assert len(rows(archive)) == (6 if stage == "done" else 0)
    assert archive.load(content).skipped == (stage == "done")


@pytest.mark.parametrize("slow", [None, '"a\nb"', '"not closed'])
def test_progress_goes_through_the_file_in_each_stage(
    archive: Archive, monkeypatch: pytest.MonkeyPatch, slow: str | None
):
    monkeypatch.setattr(fast_path, "_BLOCK", 1 << 10)
    monkeypatch.setattr(fast_path, "_PART", 2)
    content = file(*(row(CallId=str(n)) for n in range(200)))
    if slow:
        content += row(CallId="slow", Custom=slow).encode()
    seen: list[cdr.LoadProgress] = []
    report = archive.load(content, progress=seen.append).details[0]
    assert report.read_by == ("mixed" if slow else "fast")
    processed: dict[str, list[int]] = {}
    for each in seen:
        assert each.size in (None, len(content))
        processed.setdefault(each.stage, []).append(each.bytes)
    stages = ["reading", "checking", *(["sifting"] if slow else []), "loading", "done"]
    assert list(processed) == stages
    assert len(processed["checking"]) > 10
    for bytes_done in processed.values():
        assert bytes_done == sorted(bytes_done)
        assert bytes_done[-1] == len(content)


@pytest.mark.parametrize("seconds", ["0.02", "0.1"])
def test_after_control_c_there_is_all_of_the_file_or_nothing(tmp_path: Path, seconds: str):
    path = tmp_path / "calls.csv"
    path.write_bytes(generated(20_000, quoted=0))
    found = subprocess.run(
        [sys.executable, "-c", INTERRUPTED, tmp_path / "calls.duckdb", path, seconds],
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(found.stdout) in (0, 20_000)


@pytest.mark.parametrize(
    "name",
    ["'; DROP TABLE records; --.csv", "a[1]*.csv", 'x"y$1.csv', "{a,b}.csv", "é\n.csv", "s3:.csv"],
)
def test_file_names_are_only_names(tmp_path: Path, name: str):
    folder = tmp_path / "it's [a] *folder"
    folder.mkdir()
    path = folder / name
    path.write_bytes(generated(50, quoted=0))
    with Archive(folder / f"{name}.duckdb") as archive:
        report = load(archive, path)
        assert (report.loaded, report.read_by) == (50, "fast")
        assert archive.sql("SELECT name FROM files").rows == [(str(path),)]
        assert archive.to_parquet(folder / f"{name}.d")
    assert {each.name for each in folder.iterdir()} == {name, f"{name}.duckdb", f"{name}.d"}


def test_folders_globs_archives_and_files_are_loaded_one_by_one(archive: Archive, tmp_path: Path):
    folder = tmp_path / "cdr"
    folder.mkdir()
    for seed in range(3):
        (folder / f"{seed}.csv").write_bytes(generated(10, seed=seed))
    with zipfile.ZipFile(folder / "more.zip", "w") as packed:
        packed.writestr("a.csv", generated(10, seed=3))
        packed.writestr("b.csv", generated(10, seed=4))
    seen: list[cdr.LoadProgress] = []
    report = archive.load(folder, progress=seen.append)
    assert (report.files, report.loaded) == (5, 50)
    first = [(each.stage, each.bytes) for each in seen if each.file == seen[0].file]
    size = seen[0].size
    assert first == [(stage, size) for stage in ("reading", "checking", "loading", "done")]
    assert archive.load(str(folder / "*.csv"), io.BytesIO(generated(10, seed=0))).skipped == 4


# --- rejects ------------------------------------------------------------------------------------


def test_a_reject_is_kept_with_where_and_why_and_resolved_by_a_corrected_file(archive: Archive):
    load(archive, file(row(), row(CallId="b", Duration="12.6"), row(CallId="")))
    wrong, nameless = archive.rejects()
    assert (wrong.line, wrong.record, wrong.column, wrong.value) == (3, 2, "Duration", "12.6")
    assert (wrong.cause, wrong.call_id, wrong.file) == ("integer", "b", "<bytes>")
    assert wrong.raw.startswith(b"b;1137;")
    assert nameless.call_id is None
    report = load(archive, file(row(CallId="b", Duration="13")))
    assert (report.loaded, report.resolved) == (1, 1)
    assert archive.rejects() == [nameless]
    assert [each.resolved_by for each in archive.rejects(resolved=True)] == [2, None]


def test_of_a_call_that_is_rejected_again_only_the_new_reject_is_open(archive: Archive):
    bad = [row(CallId="a", Duration="x"), row(CallId="b", Duration="y"), row(CallId="")]
    load(archive, file(*bad))
    report = load(archive, file(row(CallId="a", Duration="1"), row(CallId="b", Duration="z")))
    assert (report.loaded, report.rejected, report.resolved) == (1, 1, 1)
    assert [(each.value, each.file_id) for each in archive.rejects()] == [(None, 1), ("z", 2)]
    assert [each.resolved_by for each in archive.rejects(resolved=True)] == [2, 2, None, None]
    assert load(archive, file(row(CallId="b"))).resolved == 1
    assert [each.call_id for each in archive.rejects()] == [None]


def test_a_byte_order_mark_before_a_call_id_is_no_part_of_it(archive: Archive):
    bad = row(CallId="\ufeffa")
    assert archive.load(file(row(CallId="first"), bad)).rejected == 1
    assert [each.call_id for each in archive.rejects()] == ["a"]
    assert archive.load(file(row(CallId="a"))).resolved == 1


def test_a_reject_is_resolved_as_well_if_the_correction_came_first(archive: Archive):
    load(archive, file(row(CallId="b")))
    report = load(archive, file(row(CallId="b", Duration="x")))
    assert (report.rejected, report.resolved) == (1, 1)
    assert archive.rejects() == []


def test_the_header_and_the_text_of_a_reject_are_a_file_whatever_the_columns_are_called(
    archive: Archive,
):
    content = b'CallId;CallTime;Duration;"a;b";"c""d"\n1;2026-11-02T08:15:30Z;x;p;q\n'
    load(archive, content, layout="app-to-app")
    (reject,) = archive.rejects()
    corrected = reject.raw.replace(b";x;", b";5;")
    report = load(archive, reject.header.encode() + b"\n" + corrected, layout="app-to-app")
    assert (report.loaded, report.resolved) == (1, 1)
    ((extras,),) = archive.sql("SELECT extras FROM records").rows
    assert json.loads(extras) == {"a;b": "p", 'c"d': "q"}


# --- questions ----------------------------------------------------------------------------------


def test_completeness_shows_days_gaps_late_records_and_rejects(archive: Archive):
    day = "2026-11-{}T12:00:00Z".format
    load(archive, file(*[row(CallId=f"a{n}", CallTime=day("02")) for n in range(3)]))
    load(
        archive,
        file(
            *[row(CallId=f"b{n}", CallTime=day("04")) for n in range(3)],
            row(CallId="late", CallTime="2026-11-02T23:59:59.9999999Z"),
            row(CallId="bad", CallTime=day("04"), Duration="x"),
        ),
    )
    second, third, fourth = archive.completeness()
    assert (second.day, second.records, second.files, second.late) == (date(2026, 11, 2), 4, 2, 1)
    assert str(second.last_call) == "2026-11-02 23:59:59.999999"
    assert (third.day, third.is_gap, third.first_call) == (date(2026, 11, 3), True, None)
    assert (fourth.records, fourth.rejects, fourth.is_gap) == (3, 1, False)


def test_completeness_shows_rejects_of_files_whose_day_nobody_can_tell(archive: Archive):
    day = "2026-11-{}T12:00:00Z".format
    for number in ("01", "03"):
        load(archive, file(row(CallId=number, CallTime=day(number))))
    load(archive, file(row(CallTime=day("02"), Duration="x"), row(CallId="b", CallTime="y")))
    first, gap, third, unknown = archive.completeness()
    assert (first.rejects, third.rejects, gap.is_gap) == (0, 0, True)
    assert (unknown.day, unknown.files, unknown.rejects, unknown.is_gap) == (None, 1, 2, False)


def test_days_in_a_row_that_are_missing_are_one_gap(archive: Archive):
    for number, day in enumerate(("2025-12-30", "2026-01-02", "2026-01-03", "2099-12-31")):
        load(archive, file(row(CallId=f"{number}", CallTime=f"{day}T12:00:00Z")))
    days = archive.completeness()
    assert [(str(day.day), str(day.last_day)) for day in days if day.is_gap] == [
        ("2025-12-31", "2026-01-01"),
        ("2026-01-04", "2099-12-30"),
    ]
    assert all(day.day == day.last_day for day in days if not day.is_gap)
    assert len(days) == 6


def test_a_day_that_no_call_can_have_been_made_on_makes_no_gap(archive: Archive):
    days = ("0001-01-01", "1970-01-01", "2026-11-02", "2026-11-04", "2100-01-01", "9999-12-31")
    load(
        archive,
        file(*(row(CallId=f"{n}", CallTime=f"{day}T12:00:00Z") for n, day in enumerate(days))),
    )
    found = archive.completeness()
    assert [str(day.day) for day in found] == [*days[:3], "2026-11-03", *days[3:]]
    assert [day.is_implausible for day in found] == [True] * 2 + [False] * 3 + [True] * 2
    assert [day.is_gap for day in found] == [False] * 3 + [True] + [False] * 3


def test_the_largest_amounts_can_be_added(archive: Archive):
    amount = "9" * 11 + "." + "9" * 18
    load(archive, file(*(row(CallId=str(n), Amount=amount) for n in range(1000))))
    expected = Decimal("9" * 14 + "." + "9" * 15)  # exactly; Python's own sum would be rounded
    ((total,),) = archive.sql("SELECT CAST(sum(amount) AS VARCHAR) FROM records").rows
    ((cost,),) = [each.costs for each in archive.kpis()]
    assert Decimal(total) == cost.amount == expected


def test_more_digits_than_can_be_added_are_a_reject(archive: Archive):
    load(archive, file(row(Amount="9" * 12), row(CallId="b", Amount="-" + "0" * 12)))
    assert [reject.cause for reject in archive.rejects()] == ["decimal", "decimal"]


@pytest.mark.parametrize(
    "query",
    [
        "DROP TABLE records",
        "DELETE FROM records",
        "SELECT 1; SELECT 2",
        "",
        "SELECT",
        "WITH gone AS (DELETE FROM records RETURNING *) SELECT * FROM gone",
        "EXPLAIN ANALYZE DELETE FROM records",
        "EXPLAIN DELETE FROM records",
        "EXPLAIN ANALYZE COPY records TO '{work}/stolen.csv'",
        "EXPLAIN (ANALYZE) COPY records TO '{work}/stolen.csv'",
        "EXPLAIN (ANALYZE, FORMAT json) COPY records TO '{work}/stolen.csv'",
        "explain analyse copy records to '{work}/stolen.csv'",
        "/* a /* b */ c */ EXPLAIN -- x\n ANALYZE /* y */ COPY records TO '{work}/stolen.csv'",
        "EXPLAIN ANALYZE /* /* */ SELECT 1 -- */\n COPY records TO '{work}/stolen.csv'",
        "EXPLAIN ANALYZE LOAD json",
        "EXPLAIN ANALYZE CHECKPOINT",
        "EXPLAIN ANALYZE VACUUM",
        "EXPLAIN ANALYZE CREATE TEMP TABLE mine AS SELECT 1",
        "EXPLAIN ANALYZE CREATE TEMP MACRO sum(x) AS 1",
        "EXPLAIN ANALYZE SET threads = 1",
        "EXPLAIN ANALYZE PIVOT records ON result USING count(*)",
        "EXPLAIN (VERBOSE) SELECT 1",
        "EXPLAIN",
        "CREATE TEMP TABLE mine AS SELECT 1",
        "CHECKPOINT",
        "VACUUM",
        "PREPARE mine AS DELETE FROM records",
        "PIVOT records ON result USING count(*)",
        "FROM checkpoint()",
        'SELECT (SELECT count(*) FROM system.main."checkpoint"())',
        "EXPLAIN ANALYZE FROM checkpoint()",
        "FROM query('FROM check' || 'point()')",
        "FROM truncate_duckdb_logs()",
        "SELECT write_log('x')",
        "COPY records TO '/tmp/stolen.csv'",
        "ATTACH '/tmp/other.duckdb'",
        "SELECT * FROM read_text('/etc/hostname')",
        "SELECT * FROM read_csv('calls.csv')",
        "SELECT * FROM '/etc/hostname'",
        "SELECT * FROM glob('/etc/*')",
        "SELECT * FROM duckdb",
        "SET threads = 1",
        "INSTALL httpfs",
        "LOAD httpfs",
        "PRAGMA enable_logging",
        "CALL enable_logging()",
        "COMMIT",
        "EXPORT DATABASE '/tmp/stolen'",
        "SELECT * FROM query('DROP TABLE records')",
        "SELECT * FROM records WHERE call_id = ?",
    ],
)
def test_a_query_that_is_not_only_a_question_is_refused(one_record: Archive, query: str):
    archive = one_record
    (work,) = archive.path.parent.glob(".*-work-*")
    query = query.replace("{work}", str(work))
    with pytest.raises(CdrError):
        archive.sql(query)
    assert not list(work.rglob("stolen*"))
    with pytest.raises((CdrError, duckdb.Error)):
        duckdb.from_arrow(archive.to_arrow(query)).fetchall()
    assert len(rows(archive)) == 1


@pytest.mark.parametrize(
    "query",
    [
        "EXPLAIN SELECT 1",
        "-- why\nEXPLAIN ANALYZE\tFROM records",
        "/* a */ explain (analyze, format json) SELECT count(*) FROM records",
        "EXPLAIN (FORMAT json) (SELECT 1)",
        "EXPLAIN ANALYZE -- a comment ends in CR as well \r SELECT 1 \n CHECKPOINT",
        "EXPLAIN (SELECT 1)",
        "PIVOT records ON result IN ('ANSWERED', 'BUSY') USING count(*) GROUP BY layout",
        "UNPIVOT (SELECT duration, user_space_id FROM records) ON COLUMNS(*)",
        "SUMMARIZE records",
        "DESCRIBE records",
        "SHOW TABLES",
        "FROM records",
        "VALUES (1)",
        "SELECT 1;",
        "WITH a AS MATERIALIZED (FROM records) FROM a AS b, a",
    ],
)
def test_a_query_that_is_only_a_question_is_answered(one_record: Archive, query: str):
    assert one_record.sql(query).rows


def test_what_explain_runs_is_what_was_judged(archive: Archive):
    load(archive, file(row(), row(CallId="b")))
    ((_, plan),) = archive.sql(
        "EXPLAIN ANALYZE SELECT * FROM records WHERE call_id = ?", ["b"]
    ).rows
    assert "Total Time" in plan


def test_a_query_takes_parameters(archive: Archive):
    load(archive, file(row()))
    found = archive.sql("SELECT call_id, 1 AS one FROM records WHERE to_ = ?", ["+46730170101"])
    assert found == cdr.QueryResult(("call_id", "one"), [(VALUES["CallId"], 1)])
    assert archive.sql("SELECT $x + 1", {"x": 1}).rows == [(2,)]


def test_times_are_in_utc(archive: Archive):
    assert archive.sql("SELECT current_setting('TimeZone')").rows == [("UTC",)]
    load(archive, file(row(CallTime="2026-11-02T00:30:00+02:00")))
    assert [str(each.day) for each in archive.completeness()] == ["2026-11-01"]


def test_arrow_streams_can_be_read_again_and_while_more_is_loaded(archive: Archive):
    def count(stream: Any) -> Any:
        return duckdb.from_arrow(stream).aggregate("count(*)").fetchall()

    load(archive, generated(100))
    calls = archive.to_arrow()
    assert count(calls) == count(calls) == [(100,)]
    load(archive, generated(100, seed=1))
    assert count(calls) == [(200,)]
    assert duckdb.from_arrow(archive.to_arrow("SELECT 7 WHERE ? = 1", [1])).fetchall() == [(7,)]


def test_parquet_is_written_by_day_and_replaced_as_a_whole(archive: Archive, tmp_path: Path):
    folder = tmp_path / "out" / "calls"
    archive.load(generated(30), generated(20, day=date(2026, 11, 4)))
    files = archive.to_parquet(folder)
    assert [path.parent.name for path in files] == ["day=2026-11-02", "day=2026-11-04"]
    found = (
        duckdb.read_parquet(f"{folder}/*/*.parquet", hive_partitioning=True)
        .aggregate("day, count(*)")
        .order("day")
    )
    assert found.fetchall() == [(date(2026, 11, 2), 30), (date(2026, 11, 4), 20)]
    archive.load(generated(10, day=date(2026, 11, 5)))
    assert len(archive.to_parquet(folder)) == 3
    assert sorted(each.name for each in folder.parent.iterdir()) == ["calls"]


def test_an_export_is_for_the_owner_alone(archive: Archive, tmp_path: Path):
    archive.load(generated(10))
    before = os.umask(0)
    try:
        archive.to_parquet(tmp_path / "calls")
    finally:
        os.umask(before)
    every = [tmp_path / "calls", *(tmp_path / "calls").rglob("*")]
    modes = {stat.S_IMODE(each.stat().st_mode) for each in every}
    assert modes == {0o600, 0o700}


def put_file(folder: Path) -> None:
    (folder / "notes.txt").write_text("mine")


def put_folder(folder: Path) -> None:
    (folder / "day=monday").mkdir()


def put_file_into_a_day(folder: Path) -> None:
    (folder / "day=2026-11-02" / "data_1.parquet").write_text("mine")


def put_link(folder: Path) -> None:
    (folder / "day=2026-11-03").symlink_to(folder.parent)


def change_file(folder: Path) -> None:
    path = folder / "day=2026-11-02" / "data_0.parquet"
    content = bytearray(path.read_bytes())
    content[100] ^= 1
    path.write_bytes(content)


def lose_manifest(folder: Path) -> None:
    (folder / exporting.MANIFEST).unlink()


def spoil_manifest(folder: Path) -> None:
    (folder / exporting.MANIFEST).write_bytes(b"[" * 100_000)


def everything(folder: Path) -> dict[Path, bytes | None]:
    return {each: each.read_bytes() if each.is_file() else None for each in folder.rglob("*")}


@pytest.mark.parametrize(
    "change",
    [
        put_file,
        put_folder,
        put_file_into_a_day,
        put_link,
        change_file,
        lose_manifest,
        spoil_manifest,
    ],
)
def test_an_export_replaces_nothing_that_no_export_wrote(
    archive: Archive, tmp_path: Path, change: Any
):
    archive.load(generated(10))
    folder = tmp_path / "calls"
    archive.to_parquet(folder)
    change(folder)
    before = everything(folder)
    with pytest.raises(CdrError, match="which no export wrote and which would be lost: give a new"):
        archive.to_parquet(folder)
    assert everything(folder) == before
    assert {each.name for each in tmp_path.iterdir()} >= {"calls", "calls.duckdb"}


def test_a_folder_that_looks_like_an_export_is_not_one(archive: Archive, tmp_path: Path):
    folder = tmp_path / "my" / "day=monday"
    folder.mkdir(parents=True)
    (folder / "x").touch()
    with pytest.raises(CdrError, match="has the folder day=monday, which no export wrote"):
        archive.to_parquet(tmp_path / "my")
    assert (folder / "x").exists()


def test_a_file_that_comes_while_an_export_is_written_is_kept(
    archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    archive.load(generated(10))
    folder = tmp_path / "calls"
    archive.to_parquet(folder)
    write = exporting.write

    def write_meanwhile(*arguments: Any) -> None:
        write(*arguments)
        put_file(folder)

    monkeypatch.setattr(exporting, "write", write_meanwhile)
    with pytest.raises(CdrError, match=r"has the file notes\.txt"):
        archive.to_parquet(folder)
    assert (folder / "notes.txt").read_text() == "mine"


def test_an_export_to_a_link_goes_where_that_leads(archive: Archive, tmp_path: Path):
    archive.load(generated(10))
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    (path,) = archive.to_parquet(tmp_path / "link")
    assert path == tmp_path / "real" / "day=2026-11-02" / "data_0.parquet"
    assert (tmp_path / "link").is_symlink()


KILLED_EXPORT = """
import os, pathlib, sys
from sinchvoice import cdr
from sinchvoice.cdr import exporting

def kill(*_):
    os.kill(os.getpid(), 9)

rename = pathlib.Path.rename
def rename_once(path, target):
    if path.name == "new":
        kill()
    return rename(path, target)

if sys.argv[3] == "writing":
    exporting.describe = kill
else:
    pathlib.Path.rename = rename_once
with cdr.Archive(sys.argv[1]) as archive:
    archive.to_parquet(sys.argv[2])
"""


@pytest.mark.parametrize(("when", "left"), [("writing", True), ("moving", False)])
def test_what_a_killed_export_left_is_cleaned_up_by_the_next(tmp_path: Path, when: str, left: bool):
    path, folder = tmp_path / "calls.duckdb", tmp_path / "calls"
    with Archive(path) as archive:
        archive.load(generated(10))
        files = archive.to_parquet(folder)
        content = [each.read_bytes() for each in files]
    command = [sys.executable, "-c", KILLED_EXPORT, path, folder, when]
    assert subprocess.run(command, check=False).returncode == -9
    assert folder.exists() == left
    assert len(list(tmp_path.iterdir())) > 2
    with Archive(path) as archive:
        exporting.recover(folder)
        assert [each.read_bytes() for each in files] == content
        assert archive.to_parquet(folder) == files
    assert {each.name for each in tmp_path.iterdir()} == {"calls", "calls.duckdb"}


def test_an_export_survives_a_cleanup_of_temporary_files(archive: Archive, tmp_path: Path):
    archive.load(generated(10))
    for each in tmp_path.glob(".calls.duckdb-*"):
        shutil.rmtree(each)
    assert archive.to_parquet(tmp_path / "calls")
    assert archive.load(generated(10, seed=1)).loaded == 10


def test_an_export_is_written_to_a_folder_and_nowhere_else(archive: Archive, tmp_path: Path):
    (tmp_path / "mine.txt").touch()
    with pytest.raises(CdrError, match="which no export wrote"):
        archive.to_parquet(tmp_path)
    with pytest.raises(CdrError, match="not a folder"):
        archive.to_parquet(tmp_path / "mine.txt")
    with pytest.raises(CdrError, match="cannot be written"):
        archive.to_parquet(tmp_path / "mine.txt" / "below")


# --- the file -----------------------------------------------------------------------------------


def test_only_the_owner_can_read_the_archive_and_what_belongs_to_it(tmp_path: Path):
    path = tmp_path / "calls.duckdb"
    before = os.umask(0)
    try:
        with Archive(path) as archive:
            archive.load(generated(10))
            modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in tmp_path.iterdir()}
    finally:
        os.umask(before)
    assert modes.pop("calls.duckdb") == modes.pop("calls.duckdb.wal") == 0o600
    assert list(modes.values()) == [0o700]
    assert [each.name for each in tmp_path.iterdir()] == ["calls.duckdb"]
    with Archive(path) as archive:
        assert len(rows(archive)) == 10
        archive.close()
    assert repr(archive) == f"Archive({str(path)!r})"


@pytest.mark.parametrize("name", ["kept.duckdb", "Kept", "kept.2.duckdb"])
def test_an_archive_named_like_a_schema_in_it_is_refused(name: str, tmp_path: Path):
    """Loading ended in DuckDB's "Ambiguous reference to catalog or schema"."""
    with pytest.raises(CdrError, match="choose another name"):
        Archive(tmp_path / name)
    assert list(tmp_path.iterdir()) == []
    with Archive(tmp_path / f"all-{name}") as archive:
        assert archive.load(io.BytesIO(b"CallId;CallTime\n"), layout="app-to-app").records == 0


def test_an_archive_in_use_names_who_uses_it_and_what_to_do(tmp_path: Path):
    path = tmp_path / "calls.duckdb"
    code = "import sys; from sinchvoice import cdr; cdr.Archive(sys.argv[1])"
    with Archive(path) as archive:
        found = subprocess.run(
            [sys.executable, "-c", code, path], capture_output=True, text=True, check=False
        )
        assert "another process has the archive open: close it there, or wait" in found.stderr
        assert f"PID {os.getpid()}" in found.stderr
        assert load(archive, file(row())).loaded == 1


def test_a_process_opens_an_archive_once(archive: Archive):
    with pytest.raises(CdrError, match="this process already has the archive open"):
        Archive(archive.path)
    assert load(archive, file(row())).loaded == 1


def test_what_a_killed_process_left_behind_is_removed_and_nothing_else(tmp_path: Path):
    path = tmp_path / "calls.duckdb"
    code = (
        "import os, sys; from sinchvoice import cdr\n"
        "cdr.Archive(sys.argv[1]); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", code, path], check=False)
    (left,) = tmp_path.glob(".calls.duckdb-work-*")
    mine = tmp_path / ".calls.duckdb-work-mine"
    mine.mkdir()
    (mine / "notes").touch()
    with Archive(path):
        assert not left.exists()
    assert (mine / "notes").exists()


def test_a_closed_archive_says_so(archive: Archive):
    stream = archive.to_arrow()
    archive.close()
    archive.close()
    for ask in (
        archive.kpis,
        archive.rejects,
        archive.completeness,
        stream.__arrow_c_stream__,
        lambda: archive.sql("SELECT 1"),
    ):
        with pytest.raises(CdrError, match="closed"):
            ask()
    with pytest.raises(CdrError, match="not loaded"):
        archive.load(file(row()))


def test_what_is_no_archive_is_left_alone(tmp_path: Path):
    text = tmp_path / "text"
    text.write_text("something")
    refused = {text: "this is not an archive: give the file of an", tmp_path: "cannot be read"}
    for path, problem in refused.items():
        with pytest.raises(CdrError, match=problem):
            Archive(path)
    assert text.read_text() == "something"
    assert list(tmp_path.iterdir()) == [text]
    with duckdb.connect(str(tmp_path / "other")) as other:
        other.execute("CREATE TABLE records (a INTEGER)")
    with pytest.raises(CdrError, match="not an archive of call detail records"):
        Archive(tmp_path / "other")
    with duckdb.connect(str(tmp_path / "newer")) as other:
        other.execute("CREATE TABLE sinchvoice_archive AS SELECT 99 AS version")
    with pytest.raises(CdrError, match="has version 99"):
        Archive(tmp_path / "newer")
    with pytest.raises(CdrError, match="the archive cannot be created: No such file"):
        Archive(tmp_path / "missing" / "calls.duckdb")
    with pytest.raises(CdrError, match="the path has a `.` or is not UTF-8"):
        Archive(tmp_path / "what?")
    with pytest.raises(CdrError, match="is not UTF-8"):
        Archive(tmp_path / os.fsdecode(b"\xff"))
    with pytest.raises(CdrError, match="cannot be created: Parser Error: Memory must have"):
        Archive(tmp_path / "limited", memory_limit="much")
    assert not (tmp_path / "limited").exists()
    Archive(tmp_path / "calls.duckdb").close()
    with pytest.raises(CdrError, match="cannot be opened"):
        Archive(tmp_path / "calls.duckdb", memory_limit="much")
    (tmp_path / "folder").mkdir()
    with pytest.raises(CdrError, match="cannot be read: Is a directory"):
        Archive(tmp_path / "folder")


def test_limits_of_memory_and_threads_are_passed_on(tmp_path: Path):
    with Archive(tmp_path / "calls.duckdb", memory_limit="100MB", threads=1) as archive:
        found = archive.sql("SELECT current_setting('threads'), current_setting('memory_limit')")
        assert found.rows == [(1, "95.3 MiB")]


def test_reading_needs_no_duckdb_and_the_archive_says_that_it_does():
    code = (
        "import sys; sys.modules['duckdb'] = None\n"
        "from sinchvoice import cdr\n"
        "assert 'Archive' in dir(cdr)\n"
        "try: cdr.Archive('x.duckdb')\n"
        "except ImportError as error: print(error)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "archives and scans need DuckDB: pip install 'sinchvoice[cdr]'\n"
    assert not Path("x.duckdb").exists()
