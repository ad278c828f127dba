"""Removing files, erasing, compacting and copying, and access by other processes meanwhile."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import random
import stat
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import cdr_oracle as oracle
import duckdb
import pytest
from cdr_faults import OPERATIONS, check_damage, content, fails
from cdr_kills import check_kills_between
from sinchvoice import CdrError, InvalidRequest, cdr
from sinchvoice.cdr import Archive, deduplication, tables
from sinchvoice.sandbox import Planted, cdr_generator

HEADER = "CallId;CallTime;Duration;From;To;Custom;UserId;ToCountryId"


def row(call_id: str = "a", **changes: str) -> str:
    values = {
        "CallId": call_id,
        "CallTime": "2026-11-02T08:15:30Z",
        "Duration": "17",
        "From": "+46730170101",
        "To": "+12125550101",
        "Custom": "",
        "UserId": "alice",
        "ToCountryId": "SE",
    }
    return ";".join({**values, **changes}.values())


def file(*rows: str, end: str = "\n") -> bytes:
    return ("\n".join([HEADER, *rows]) + end).encode()


def generated(records: int, **options: Any) -> bytes:
    buffer = io.BytesIO()
    cdr_generator.write(buffer, records, **options)
    return buffer.getvalue()


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    with Archive(tmp_path / "calls.duckdb") as opened:
        yield opened


def load(archive: Archive, *contents: bytes) -> list[cdr.FileReport]:
    """Load files one after the other, each in a transaction of its own."""
    return [archive.load(content, layout="phone-terminated").details[0] for content in contents]


def rows(archive: Archive, query: str) -> list[Any]:
    return archive.sql(query).rows


def fates(archive: Archive) -> list[tuple[int, ...]]:
    query = "SELECT file_id, loaded, duplicates, conflicts, rejected, erased FROM files ORDER BY 1"
    found = rows(archive, query)
    assert sum(each[1] for each in found) == rows(archive, "SELECT count(*) FROM records")[0][0]
    assert sum(each[3] for each in found) == rows(archive, "SELECT count(*) FROM conflicts")[0][0]
    return found


# --- records that were cut short ------------------------------------------------------------------


def test_a_record_that_was_cut_short_gives_way_to_the_whole_one(archive: Archive):
    whole = file(row("a"), row("b"))
    cut, again = load(archive, whole[:-2], whole)
    assert (cut.loaded, cut.conflicts) == (2, 0)
    assert (again.loaded, again.duplicates, again.conflicts, again.completed) == (1, 1, 0, 1)
    assert fates(archive) == [(1, 1, 0, 1, 0, 0), (2, 1, 1, 0, 0, 0)]
    assert rows(archive, "SELECT call_id, to_country_id FROM records ORDER BY 1") == [
        ("a", "SE"),
        ("b", "SE"),
    ]
    assert rows(archive, "SELECT to_country_id FROM conflicts") == [("S",)]


def test_the_whole_record_stays_if_the_cut_one_comes_later(archive: Archive):
    whole = file(row("a"))
    first, cut = load(archive, whole, whole[:-2])
    assert (first.loaded, cut.conflicts, cut.completed) == (1, 1, 0)
    assert rows(archive, "SELECT to_country_id FROM records") == [("SE",)]


def test_a_file_and_its_cut_copy_can_come_in_one_transaction(archive: Archive):
    whole = file(row("a"), row("b"))
    report = archive.load(whole[:-2], whole, layout="phone-terminated")
    assert [each.completed for each in report.details] == [0, 1]
    assert fates(archive) == [(1, 1, 0, 1, 0, 0), (2, 1, 1, 0, 0, 0)]


@pytest.mark.parametrize(
    ("cut", "whole"),
    [
        (row("a", ToCountryId=""), row("a")),
        ("a;2026-11-02T08:15:30Z;17;+1;+2;x;u;", "a;2026-11-02T08:15:30Z;17;+1;+2;x;u;DE"),
    ],
)
def test_a_record_that_was_cut_before_its_last_text_is_one_too(
    archive: Archive, cut: str, whole: str
):
    load(archive, file(cut, end=""))
    assert load(archive, file(whole))[0].completed == 1


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (file(row("a", ToCountryId="S")), file(row("a"))),  # the line has an end
        (file(row("a", ToCountryId="S"), end=""), file(row("a", Duration="18"))),
        (file(row("a", ToCountryId="S"), end=""), file(row("a", ToCountryId="DE"))),
        (file(row("b", ToCountryId="S"), row("a"), end=""), file(row("b"))),  # not the last line
    ],
)
def test_what_was_not_cut_stays_and_contradicts(archive: Archive, first: bytes, second: bytes):
    load(archive, first)
    (report,) = load(archive, second)
    assert (report.completed, report.conflicts) == (0, 1)


def test_a_record_that_came_whole_once_is_not_replaced(archive: Archive):
    short = row("a", ToCountryId="S")
    load(archive, file(short, end=""), file(short))
    (report,) = load(archive, file(row("a")))
    assert (report.completed, report.conflicts) == (0, 1)


@pytest.mark.parametrize("name", ["Amount", "Leg", "Result"])
def test_any_column_can_be_the_last_one(archive: Archive, name: str):
    values = {"Amount": "0.1758", "Leg": "caller", "Result": "answered"}
    whole = f"CallId;CallTime;{name}\na;2026-11-02T08:15:30Z;{values[name]}\n".encode()
    load(archive, whole[:-3])
    assert load(archive, whole)[0].completed == 1
    ((kept,),) = rows(archive, "SELECT concat_ws('|', amount, result, extras) FROM records")
    assert {"Amount": "0.1758", "Leg": "caller", "Result": "ANSWERED"}[name] in kept


# --- undo -----------------------------------------------------------------------------------------


def test_a_file_that_is_removed_leaves_what_others_have(archive: Archive):
    load(archive, file(row("a"), row("b")), file(row("a"), row("b", Duration="1"), row("c")))
    assert fates(archive) == [(1, 2, 0, 0, 0, 0), (2, 1, 1, 1, 0, 0)]
    report = archive.remove(1)
    assert (report.records, report.loaded, report.restored) == (2, 2, 2)
    assert fates(archive) == [(2, 3, 0, 0, 0, 0)]
    assert rows(
        archive, "SELECT call_id, duration, file_id, record, line FROM records ORDER BY 1"
    ) == [
        ("a", 17, 2, 1, 2),
        ("b", 1, 2, 2, 3),
        ("c", 17, 2, 3, 4),
    ]
    assert load(archive, file(row("a"), row("b")))[0].duplicates == 1


def test_rejects_that_a_removed_file_resolved_are_open_again(archive: Archive):
    load(archive, file(row("a", Duration="x")), file(row("a")), file(row("a", Custom="y")))
    assert archive.rejects() == []
    assert archive.remove(2).reopened == 0  # the third file has the call, too
    assert archive.remove(3).reopened == 1
    assert [each.call_id for each in archive.rejects()] == ["a"]


@pytest.mark.parametrize("few", [0, 10_000])
def test_after_a_removal_the_archive_is_as_if_the_file_had_never_come(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, few: int
):
    monkeypatch.setattr(deduplication, "_MANY", few)
    dice = random.Random(few)
    for turn in range(3):
        planted = Planted(rejects={cdr.RejectCause.TIME: 2}, duplicates=3, conflicts=3)
        whole = generated(20, seed=turn, quoted=0, planted=planted)
        contents = [whole, *(cdr_generator.damaged(whole, dice) for _ in range(6))]
        contents += [whole[: dice.randrange(len(whole) // 2, len(whole))] for _ in range(6)]
        dice.shuffle(contents)
        ledger = oracle.Ledger()
        with Archive(tmp_path / f"{turn}.duckdb", threads=1) as archive:
            kept = []
            for content in contents:
                report = ledger.load(archive, content)
                if report is not None and not report.skipped:
                    kept.append(content)
            while kept:
                gone = kept.pop(dice.randrange(len(kept)))
                ledger.remove(gone)
                archive.remove(hashlib.sha256(gone).hexdigest())
                ledger.compare(archive)
            assert fates(archive) == []


def test_a_file_is_removed_by_its_name_its_hash_or_its_number(archive: Archive, tmp_path: Path):
    path = tmp_path / "calls.csv"
    path.write_bytes(file(row()))
    (report,) = archive.load(path).details
    for name in (path, str(path), report.sha256, 1):
        assert archive.remove(name).name == str(path)
        with pytest.raises(InvalidRequest, match="is not loaded"):
            archive.remove(name)
        archive.load(path)
    load(archive, file(row("b")))
    path.write_bytes(file(row("c")))
    archive.load(path)
    with pytest.raises(InvalidRequest, match="matches files 1, 3: give one number"):
        archive.remove(path)


# --- erasing --------------------------------------------------------------------------------------


def test_calls_before_a_day_are_erased_and_do_not_come_back(archive: Archive, tmp_path: Path):
    old = row("old", CallTime="2025-01-01T00:00:00Z", Custom="Ann")
    first = file(old, row("new"), row("bad", CallTime="2025-01-01", Custom="Ann"))
    load(archive, first, file(old, row("old", CallTime="2025-01-02T00:00:00Z"), row("c")))
    report = archive.erase(before=date(2026, 1, 1))
    assert (report.records, report.conflicts, report.duplicates, report.rejects) == (1, 1, 1, 1)
    assert fates(archive) == [(1, 1, 0, 0, 0, 2), (2, 1, 0, 0, 0, 2)]
    (again,) = load(archive, first + b"\n")
    assert (again.duplicates, again.erased, again.loaded, again.rejected) == (1, 2, 0, 0)
    assert again.records == 3
    archive.close()
    assert b"Ann" not in (tmp_path / "calls.duckdb").read_bytes()
    assert [each.name for each in tmp_path.iterdir()] == ["calls.duckdb"]


def test_a_later_record_takes_the_place_of_one_that_was_erased(archive: Archive):
    load(archive, file(row("a", CallTime="2025-12-31T23:59:59Z")), file(row("a")))
    archive.erase(before=date(2026, 1, 1))
    assert fates(archive) == [(1, 0, 0, 0, 0, 1), (2, 1, 0, 0, 0, 0)]


@pytest.mark.parametrize("number", ["+46730170101", "46730170101", "+46 (73) 017-01 01"])
def test_calls_of_a_number_are_erased_however_it_is_written(archive: Archive, number: str):
    bad = row("bad", Duration="x", To="+46730170101", From="+1")
    content = file(row("a"), row("b", From="+1"), row("c", From="+1", To="+46 730170101"), bad)
    load(archive, content, file(row("a", Duration="2"), row("a")))
    report = archive.erase(numbers=[number])
    assert (report.records, report.conflicts, report.duplicates, report.rejects) == (2, 1, 1, 1)
    assert rows(archive, "SELECT call_id FROM records") == [("b",)]
    (again,) = load(archive, content + b"\n")
    assert (again.erased, again.duplicates) == (3, 1)
    assert rows(archive, "SELECT records, rejects FROM erasures") == [(2, 1)]


def test_calls_of_a_user_are_erased(archive: Archive):
    load(archive, file(row("a"), row("b", UserId="bob"), row("c", From="alice", UserId="x")))
    assert archive.erase(users=["alice"]).records == 2
    assert rows(archive, "SELECT user_id FROM records") == [("bob",)]


def test_nothing_is_erased_unless_something_is_named(archive: Archive):
    for arguments in ({}, {"numbers": "+46"}, {"users": [""]}, {"before": "2026-01-01x"}):
        with pytest.raises((InvalidRequest, CdrError)):
            archive.erase(**arguments)  # type: ignore[arg-type]


# --- compacting and copying -----------------------------------------------------------------------


def test_a_compacted_archive_is_smaller_and_says_the_same(archive: Archive):
    archive.load(*(generated(20_000, seed=seed, quoted=0) for seed in range(3)))
    archive.compact()
    archive.remove(2)
    archive.remove(3)
    before, was = rows(archive, "FROM records ORDER BY ALL"), archive.path.stat().st_size
    archive.compact()
    assert archive.path.stat().st_size < was
    assert stat.S_IMODE(archive.path.stat().st_mode) == 0o600
    assert rows(archive, "FROM records ORDER BY ALL") == before
    assert archive.load(generated(20_000, seed=1, quoted=0)).loaded == 20_000


def test_a_backup_is_an_archive_for_the_owner_alone(archive: Archive, tmp_path: Path):
    archive.load(generated(100))
    copy = archive.backup(tmp_path / "copy.duckdb")
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    archive.load(generated(100, seed=1))
    with Archive(copy) as other:
        assert rows(other, "SELECT count(*) FROM records") == [(100,)]
        assert other.load(generated(100)).skipped == 1
    with pytest.raises(CdrError, match="already exists: give a new name"):
        archive.backup(copy)
    with Archive(copy, read_only=True) as other:
        other.backup(tmp_path / "again.duckdb")
    assert {each.suffix for each in tmp_path.glob("[!.]*")} == {".duckdb"} or sorted(
        each.name for each in tmp_path.glob("[!.]*")
    ) == ["again.duckdb", "calls.duckdb", "calls.duckdb.wal", "copy.duckdb"]


# --- who may open it ------------------------------------------------------------------------------

ASK = """
import sys
from sinchvoice import cdr
with cdr.Archive(sys.argv[1], read_only=True, wait=float(sys.argv[2])) as archive:
    print(archive.sql("SELECT count(*) FROM records").rows[0][0], flush=True)
    sys.stdin.read()
"""


def test_several_processes_ask_together(tmp_path: Path):
    path = tmp_path / "calls.duckdb"
    with Archive(path) as archive:
        archive.load(generated(10))
    command = [sys.executable, "-c", ASK, str(path), "0"]
    with (
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other,
        Archive(path, read_only=True) as archive,
    ):
        assert other.stdout is not None
        assert other.stdout.readline() == b"10\n"
        assert rows(archive, "SELECT count(*) FROM records") == [(10,)]
        with pytest.raises(InvalidRequest, match="read_only=True: open it without"):
            archive.load(generated(1))
        assert other.stdin is not None
        other.stdin.close()


def test_a_question_waits_for_a_process_that_loads(tmp_path: Path):
    path = tmp_path / "calls.duckdb"
    with Archive(path) as archive:
        archive.load(generated(10))
        command = [sys.executable, "-c", ASK, str(path)]
        refused = subprocess.run([*command, "0"], capture_output=True, text=True, check=False)
        assert "another process has the archive open: close it there, or wait" in refused.stderr
        with subprocess.Popen(
            [*command, "30"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
        ) as other:
            archive.close()
            assert other.communicate()[0] == b"10\n"


def test_the_lock_stays_whatever_else_tries_to_open_the_archive(tmp_path: Path):
    path = tmp_path / "calls.duckdb"
    with Archive(path) as archive:
        archive.load(generated(10))
        os.link(path, tmp_path / "link.duckdb")
        for name in ("calls.duckdb", "link.duckdb"):
            with pytest.raises(CdrError, match="this process already has the archive open"):
                Archive(tmp_path / name)
        command = [sys.executable, "-c", ASK, str(path), "0"]
        refused = subprocess.run(command, capture_output=True, text=True, check=False)
        assert "another process has the archive open" in refused.stderr


@pytest.mark.parametrize("suffix", [".wal", ".wal.checkpoint"])
@pytest.mark.parametrize("kind", ["symlink", "link", "fifo", "folder"])
def test_nothing_is_written_through_what_lies_beside_the_archive(
    tmp_path: Path, suffix: str, kind: str
):
    path = tmp_path / "calls.duckdb"
    Archive(path).close()
    victim = tmp_path / "victim"
    victim.write_text("mine")
    beside = tmp_path / f"calls.duckdb{suffix}"
    match kind:
        case "symlink":
            beside.symlink_to("victim")
        case "link":
            os.link(victim, beside)
        case "fifo":
            os.mkfifo(beside)
        case _:
            beside.mkdir()
    with pytest.raises(CdrError, match="write-ahead log: move it away"):
        Archive(path)
    assert victim.read_text() == "mine"
    assert not list(tmp_path.glob(".calls*"))


def test_an_archive_behind_a_link_has_its_log_where_it_is(tmp_path: Path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link.duckdb").symlink_to("real/calls.duckdb")
    with Archive(tmp_path / "link.duckdb") as archive:
        archive.load(generated(10))
        assert (tmp_path / "real" / "calls.duckdb.wal").exists()
    assert sorted(each.name for each in tmp_path.iterdir()) == ["link.duckdb", "real"]


MAKE = """
import sys, time
from sinchvoice import CdrError, cdr
while time.time() < float(sys.argv[2]):
    pass
try:
    with cdr.Archive(sys.argv[1]) as archive:
        print(archive.load(sys.argv[3]).loaded)
        time.sleep(0.5)
except CdrError as error:
    assert "another process has the archive open" in str(error), error
    print("in use")
"""


def test_of_several_processes_that_make_an_archive_one_does(tmp_path: Path):
    import time

    source = tmp_path / "calls.csv"
    source.write_bytes(generated(10))
    when = str(time.time() + 2)
    command = [sys.executable, "-c", MAKE, str(tmp_path / "calls.duckdb"), when, str(source)]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(6)]
    said = sorted(each.communicate()[0] for each in running)
    assert [each.returncode for each in running] == [0] * 6
    assert said.count(b"10\n") == 1
    assert set(said) <= {b"10\n", b"in use\n", b"0\n"}
    assert sorted(each.name for each in tmp_path.iterdir()) == ["calls.csv", "calls.duckdb"]


def test_a_first_load_that_fails_leaves_no_archive(tmp_path: Path):
    path = tmp_path / "calls.duckdb"
    with pytest.raises(CdrError), Archive(path) as archive:
        archive.load(tmp_path / "missing.csv")
    assert list(tmp_path.iterdir()) == []
    Archive(path).close()
    assert path.exists()
    with pytest.raises(CdrError), Archive(path) as archive:
        archive.load(tmp_path / "missing.csv")
    assert path.exists()


# --- versions and keys ----------------------------------------------------------------------------


def test_the_key_of_a_call_is_what_it_is_defined_to_be():
    for layout, call_id in (("phone-terminated", "a"), ("app-to-app", "é;\n" * 50)):
        digits = hashlib.md5(f"{layout}:{call_id}".encode(), usedforsecurity=False).hexdigest()
        query = f"SELECT {tables.KEY} FROM (SELECT ? AS layout, ? AS call_id)"  # noqa: S608
        assert duckdb.execute(query, [layout, call_id]).fetchall() == [(int(digits[:15], 16),)]


def test_no_question_shows_the_key(archive: Archive, tmp_path: Path):
    archive.load(generated(10))
    for name in ("records", "conflicts", "rejects", "files"):
        assert "key" not in archive.sql(f"FROM {name}").columns
    assert "key" not in duckdb.from_arrow(archive.to_arrow()).columns
    (path,) = archive.to_parquet(tmp_path / "out")
    assert "key" not in duckdb.read_parquet(str(path)).columns


def test_calls_with_the_same_key_are_told_apart_by_their_texts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    from sinchvoice.cdr import batches

    monkeypatch.setattr(batches, "KEY", "CAST(7 AS BIGINT)")
    ledger = oracle.Ledger()
    with Archive(tmp_path / "calls.duckdb") as archive:
        for content in (
            file(row("a"), row("b", Duration="x")),
            file(row("b"), row("a", Duration="1")),
            file(row("a"), row("c", Duration="x"), row("c")),
        ):
            ledger.load(archive, content, "phone-terminated")
        ledger.compare(archive)


OLD = """
CREATE TABLE sinchvoice_archive (version INTEGER);
INSERT INTO sinchvoice_archive VALUES (1);
CREATE TABLE files AS SELECT * EXCLUDE (erased) FROM new.files;
CREATE TABLE records AS FROM new.records;
CREATE TABLE conflicts AS FROM new.conflicts;
CREATE TABLE rejects AS FROM new.rejects;
"""


def test_an_archive_of_the_first_version_is_upgraded(tmp_path: Path):
    contents = [file(row("a"), row("b"), row("c", Duration="x")), file(row("a", Duration="1"))]
    with Archive(tmp_path / "new.duckdb") as archive:
        load(archive, *contents)
        before = {
            name: rows(archive, f"FROM {name} ORDER BY ALL")
            for name in ("records", "conflicts", "rejects", "files")
        }
    path = tmp_path / "old.duckdb"
    with duckdb.connect(str(path)) as old:
        old.execute(f"ATTACH '{tmp_path / 'new.duckdb'}' AS new (READ_ONLY)")
        old.execute(OLD)
    with pytest.raises(CdrError, match="has version 1, not 3: run sinchvoice cdr compact once"):
        Archive(path, read_only=True)
    with Archive(path) as archive:
        for name, expected in before.items():
            assert rows(archive, f"FROM {name} ORDER BY ALL") == expected
        (report,) = load(archive, file(row("b"), row("c")))
        assert (report.duplicates, report.loaded, report.resolved) == (1, 1, 1)
        archive.remove(2)
    with Archive(path, read_only=True) as archive:
        assert rows(archive, "SELECT count(*) FROM records") == [(3,)]


def test_duplicates_that_an_older_version_only_counted_cannot_be_restored(tmp_path: Path):
    with Archive(tmp_path / "calls.duckdb") as archive:
        load(archive, file(row("a")), file(row("a"), row("b")))
        archive._do("DELETE FROM kept.duplicates")  # as an upgrade leaves it
        with pytest.raises(CdrError, match="without recording which: load all files but this one"):
            archive.remove(1)
        assert fates(archive) == [(1, 1, 0, 0, 0, 0), (2, 1, 1, 0, 0, 0)]


# --- several files in a transaction ---------------------------------------------------------------


def test_a_file_that_fails_costs_the_others_nothing(archive: Archive, tmp_path: Path):
    bad = tmp_path / "bad.csv"
    bad.write_bytes(b"a;b\n1;2\n")
    failures: list[CdrError] = []
    sources = [generated(10), bad, generated(10, seed=1), tmp_path / "missing.csv", generated(10)]
    report = archive.load(*sources, failed=failures.append)
    assert (report.files, report.loaded, report.skipped) == (3, 20, 1)
    assert [Path(each.file).name for each in failures] == ["bad.csv", "missing.csv"]
    report = archive.load(*sources, generated(10, seed=2), failed="collect")
    assert (report.files, report.loaded, report.skipped) == (4, 10, 3)
    assert list(map(str, report.failures)) == list(map(str, failures))
    assert "2 more not loaded" in str(report)


class Broken(io.BytesIO):
    """A file on a disk that fails where it ends."""

    def read(self, size: int | None = -1) -> bytes:
        if found := super().read(size):
            return found
        raise OSError(errno.EIO, "Input/output error")


def test_a_file_that_breaks_off_in_the_middle_is_told_with_its_place(archive: Archive):
    content = generated(100)
    report = archive.load(generated(10, seed=1), Broken(content), content[:-1], failed="collect")
    assert [each.records for each in report.details] == [10, 100]
    assert list(map(str, report.failures)) == [
        (
            f"<file>: cannot be read: Input/output error, after {len(content):,} bytes: "
            "fetch it again or check its disk"
        )
    ]


def test_an_archive_that_is_open_is_no_file_to_load_or_to_read(archive: Archive, tmp_path: Path):
    archive.load(generated(10))
    other = tmp_path / "calls.csv"
    os.link(archive.path, other)
    for read in (archive.load, cdr.scan, lambda *paths: list(cdr.read(*paths))):
        for path in (archive.path, other, tmp_path):
            with pytest.raises(CdrError, match="this is an open archive"):
                read(path)
    code = "import sys; from sinchvoice import cdr; cdr.Archive(sys.argv[1])"
    ran = subprocess.run(
        [sys.executable, "-c", code, archive.path], capture_output=True, text=True, check=False
    )
    assert "another process has the archive open" in ran.stderr  # the lock is still there


def test_a_kill_between_two_files_of_a_transaction_leaves_whole_transactions(tmp_path: Path):
    check_kills_between(tmp_path, [55])


@pytest.mark.parametrize("files", [1, 2, 49, 50, 51, 120])
def test_however_many_files_come_each_is_accounted_for(archive: Archive, files: int):
    contents = [file(row(f"{number}"), row("shared")) for number in range(files)]
    reports = archive.load(*contents).details
    assert [each.loaded for each in reports] == [2] + [1] * (files - 1)
    assert [each.duplicates for each in reports] == [0] + [1] * (files - 1)
    assert archive.load(*contents).skipped == files


# --- writes that fail, and files that are damaged -------------------------------------------------


@pytest.mark.parametrize("can_write", ["little", "only where the archive is"])
@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_write_that_fails_leaves_the_archive_as_it_was(
    tmp_path: Path, operation: str, can_write: str
):
    path = tmp_path / "calls.duckdb"
    (tmp_path / "more.csv").write_bytes(generated(3000, seed=9, quoted=0))
    with Archive(path) as archive:
        archive.load(generated(2000, quoted=0), generated(2000, seed=1, day=date(2026, 11, 5)))
        before = content(archive)
    arguments = {
        "load": ["more.csv"],
        "export": ["out"],
        "remove": [2],
        "erase": ["2026-11-05"],
        "backup": ["copy.duckdb"],
    }.get(operation, [])
    places = [
        tmp_path / each if (isinstance(each, str) and "." in each) or each == "out" else each
        for each in arguments
    ]
    size = 4096 if can_write == "little" else path.stat().st_size
    error = fails(path, operation, size, *places)
    assert error is None or len(error.splitlines()) == 1
    expected = {"calls.duckdb", "more.csv"}
    if error is None or error.startswith("close:"):
        expected |= {"out", "copy.duckdb"} & set(map(str, arguments))
    found = {each.name for each in tmp_path.iterdir()} - {"calls.duckdb.wal"}
    assert found == expected
    with Archive(path) as archive:
        if error is not None and error.startswith("operation:"):
            assert content(archive) == before
        assert archive.load(tmp_path / "more.csv").records in (0, 3000)


def test_a_damaged_archive_is_refused_or_says_what_it_said_before(tmp_path: Path):
    seen = check_damage(tmp_path, 8, random.Random(3))
    assert seen.total() == 8
    assert {".wal survived", ".duckdb refused"} <= set(seen)
