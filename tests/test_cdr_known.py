"""The index of known calls: with it, an archive has the same records as without it."""

from __future__ import annotations

import hashlib
from datetime import date
from pathlib import Path
from random import Random

import cdr_oracle as oracle
import duckdb
import pytest
from sinchvoice import cdr
from sinchvoice.cdr import Archive, deduplication, known, queries, tables
from sinchvoice.cdr.known import KnownCalls
from sinchvoice.sandbox import Planted, cdr_generator
from test_cdr_upkeep import fates, file, generated, load, row, rows


@pytest.fixture(autouse=True)
def _index_always(monkeypatch: pytest.MonkeyPatch) -> None:
    """Index after every load, and use the index for any number of calls."""
    monkeypatch.setattr(known, "_LEAST", 0)
    monkeypatch.setattr(known, "_WORTHWHILE", 0)


def state(archive: Archive) -> KnownCalls:
    return known.read(archive._rows)


def searched(archive: Archive, call_id: str) -> set[int]:
    """Return the files that are searched for a call."""
    call = "SELECT 'phone-terminated' AS layout, $1 AS call_id"
    keys = f"SELECT {tables.KEY} AS key FROM ({call})"  # noqa: S608
    condition = state(archive).files(archive._rows, 1, keys, call_id)
    query = f"SELECT file_id FROM files WHERE {condition}"  # noqa: S608
    return {file_id for (file_id,) in rows(archive, query)}


@pytest.mark.parametrize(("mark_bits", "places"), [(0, 20), (3, 20), (20, 20), (20, 0)])
def test_the_tables_are_as_without_an_index(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mark_bits: int, places: int
):
    # With few bits, many marks fit other calls, and each stands for several files.
    for name, value in (("_MARK_BITS", mark_bits), ("_FILE_BITS", 3), ("_PLACES", places)):
        monkeypatch.setattr(known, name, value)
    monkeypatch.setattr(known, "_IN_BUCKET", 2)
    monkeypatch.setattr(known, "_AT_ONCE", 40)
    monkeypatch.setattr(deduplication, "_KEYS", 9)
    dice = Random(mark_bits + places)
    planted = Planted(rejects={cdr.RejectCause.TIME: 2}, duplicates=3, conflicts=3)
    made = [generated(15, seed=seed, quoted=0, planted=planted) for seed in range(4)]
    contents = [cdr_generator.damaged(dice.choice(made), dice) for _ in range(20)]
    contents += [whole[: dice.randrange(len(whole) // 2, len(whole))] for whole in made] + made
    dice.shuffle(contents)
    ledger = oracle.Ledger()
    loaded: list[bytes] = []
    with Archive(tmp_path / "calls.duckdb", threads=1) as archive:
        for content in contents:
            report = ledger.load(archive, content)
            if report is not None and not report.skipped:
                loaded.append(content)
            if loaded and dice.random() < 0.3:  # often the last file; its file_id is then reused
                gone = loaded.pop(dice.choice([-1, dice.randrange(len(loaded))]))
                ledger.remove(gone)
                archive.remove(hashlib.sha256(gone).hexdigest())
        ledger.compare(archive)
        assert state(archive).indexed


@pytest.mark.parametrize(
    ("records", "bits"), [(0, 60), (9, 60), (10, 60), (95, 60), (95, 4), (95, 0)]
)
def test_each_key_is_in_one_range(records: int, bits: int):
    dice = Random(records)
    keys = [0, (1 << 60) - 1, *(dice.randrange(1 << 60) for _ in range(500))]
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE keys AS SELECT unnest($1) AS key", [keys])
        counts = [
            connection.execute(f"SELECT count(*) FROM keys WHERE {each}").fetchone()  # noqa: S608
            for each in known.key_ranges(records, 10, bits)
        ]
    assert len(counts) == records // 10 + 1
    assert sum(count for (count,) in filter(None, counts)) == len(keys)


def test_too_little_memory_is_named_with_the_remedy():
    error = duckdb.OutOfMemoryException("Out of Memory Error: failed to allocate\nSee also")
    assert queries.reason(error) == (
        "the memory limit is too low: raise it (Out of Memory Error: failed to allocate)"
    )


def test_only_the_files_that_may_have_a_call_are_searched(tmp_path: Path):
    with Archive(tmp_path / "calls.duckdb") as archive:
        load(archive, *(file(row(call_id)) for call_id in "abcdefgh"))
        assert state(archive).until == 8
        assert [searched(archive, call_id) for call_id in "abch"] == [{1}, {2}, {3}, {8}]
        assert searched(archive, "new") == set()
        load(archive, file(row("c"), row("g", Duration="1"), row("new")))
        assert fates(archive)[8] == (9, 1, 1, 1, 0, 0)


def test_duplicates_and_conflicts_that_replace_a_removed_record_are_known(tmp_path: Path):
    with Archive(tmp_path / "calls.duckdb") as archive:
        load(archive, file(row("a"), row("b")), file(row("a"), row("b", Duration="1")))
        load(archive, file(row("c")))
        archive.remove(1)
        (report,) = load(archive, file(row("a"), row("b", Duration="1"), row("b")))
        assert (report.loaded, report.duplicates, report.conflicts) == (0, 2, 1)


def test_a_file_id_that_is_used_again_is_searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with Archive(tmp_path / "calls.duckdb") as archive:
        load(archive, file(row("a")), file(row("b")))
        monkeypatch.setattr(known, "_LEAST", 1000)
        assert state(archive).until == 2
        archive.remove(2)
        assert state(archive).until == 1
        load(archive, file(row("c")))
        assert load(archive, file(row("c"), row("a")))[0].duplicates == 2


def test_an_erased_call_leaves_the_index_and_does_not_come_back(tmp_path: Path):
    with Archive(tmp_path / "calls.duckdb") as archive:
        load(archive, file(row("a", CallTime="2025-01-01T00:00:00Z"), row("b")))
        archive.erase(before=date(2026, 1, 1))
        assert rows(archive, "SELECT count(*) FROM records") == [(1,)]
        assert archive._rows("SELECT count(*) FROM kept.known_calls") == [(0,)]
        again = file(row("a", CallTime="2025-01-01T00:00:00Z"), row("b"), row("c"))
        (report,) = load(archive, again)
        assert (report.loaded, report.duplicates, report.erased) == (1, 1, 1)
        assert state(archive).until == 2


def test_copies_of_an_archive_have_its_index(tmp_path: Path):
    with Archive(tmp_path / "calls.duckdb") as archive:
        load(archive, *(file(row(call_id)) for call_id in "abc"))
        archive.compact()
        assert searched(archive, "b") == {2}
        archive.backup(tmp_path / "copy.duckdb")
    with Archive(tmp_path / "copy.duckdb") as archive:
        assert searched(archive, "b") == {2}


def test_files_are_loaded_even_if_they_cannot_be_indexed(tmp_path: Path):
    with Archive(tmp_path / "calls.duckdb") as archive:
        archive._do("DROP TABLE kept.known_calls")
        assert archive.load(file(row("a")), layout="phone-terminated").loaded == 1
        assert state(archive).until == 0
        assert load(archive, file(row("a"), row("b")))[0].duplicates == 1


def test_an_archive_without_an_index_is_read_as_it_is_and_upgraded_to_load(tmp_path: Path):
    path = tmp_path / "calls.duckdb"
    with Archive(path) as archive:
        load(archive, file(row("a"), row("b")))
    with duckdb.connect(str(path)) as old:  # as version 2 created it
        old.execute("DROP TABLE kept.known_calls; DROP TABLE kept.known_until")
        old.execute("UPDATE sinchvoice_archive SET version = 2")
    with Archive(path, read_only=True) as archive:
        assert rows(archive, "SELECT call_id FROM records ORDER BY 1") == [("a",), ("b",)]
    with Archive(path, read_only=True, mask="hash") as archive:
        assert rows(archive, "SELECT count(*) FROM records") == [(2,)]
    with Archive(path) as archive:
        assert load(archive, file(row("a"), row("c")))[0].duplicates == 1
        assert searched(archive, "a") == {1, 2}
        assert fates(archive) == [(1, 2, 0, 0, 0, 0), (2, 1, 1, 0, 0, 0)]
