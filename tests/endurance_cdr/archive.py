"""An archive after fifty kills, and after a hundred thousand damaged files."""

from __future__ import annotations

import hashlib
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import cdr_oracle as oracle
import pytest
from sinchvoice.cdr import Archive
from sinchvoice.sandbox import FileForm, Planted, cdr_files

KILLS = 50
FILES = 100_000
# It tells what it is doing, so that a kill is known to have come in the middle of that.
LOAD = """
import sys
from sinchvoice import cdr

def tell(progress):
    print(progress.stage, flush=True)

with cdr.Archive(sys.argv[1]) as archive:
    print("opened", flush=True)
    archive.load(*sys.argv[2:], progress=tell)
    print("loaded", flush=True)
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """In memory, if the machine has such a place: each transaction would wait for the disk."""
    memory = Path("/dev/shm")  # noqa: S108
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as made:
        yield Path(made)


def checksums(archive: Archive) -> dict[str, str]:
    """Of the sorted rows of each table, without what depends on the order of the files.

    Of two records that contradict each other, the first to come is in `records`: both count.
    """
    content = ", ".join(oracle.CONTENT)
    queries = {
        "calls": f"SELECT {content} FROM records UNION ALL SELECT {content} FROM conflicts",  # noqa: S608
        "ids": "SELECT layout, call_id FROM records",
        "rejects": (
            "SELECT f.sha256, line, record, cause, message, raw, resolved_by IS NULL "
            "FROM rejects AS r JOIN files AS f ON f.file_id = r.file_id"
        ),
        "files": "SELECT sha256, records, rejected FROM files",
    }
    return {
        name: hashlib.sha256(
            "\n".join(sorted(map(repr, archive.sql(query).rows))).encode()
        ).hexdigest()
        for name, query in queries.items()
    }


def killed(archive: Path, files: Sequence[str], seconds: float) -> str | None:
    """Kill a load after a time; what it was doing, or None if it was over by then."""
    command = [sys.executable, "-c", LOAD, str(archive), *files]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "opened\n"
        time.sleep(seconds)
        process.kill()
        told = process.stdout.read().split()
    if told and told[-1] == "loaded":
        return None
    assert process.returncode == -9
    return f"{told[-1]}, {told.count('done')} files done" if told else "opened"


def test_after_fifty_kills_in_the_middle_of_a_load_the_tables_are_what_they_would_be(folder: Path):
    dice = random.Random(2)
    planted = Planted(
        rejects={"time": 5, "quote": 2},
        duplicates=50,
        duplicates_across=200,
        conflicts=20,
        multiline=4,
    )
    truth = cdr_files(
        folder / "cdr",
        records=3000,
        days=2,
        planted=planted,
        forms=[FileForm(), FileForm(), FileForm(line_end="crlf")],
    )
    files = [str(file.path) for file in truth.files]
    with Archive(folder / "whole.duckdb") as whole:
        begin = time.monotonic()
        report = whole.load(*files)
        length = time.monotonic() - begin
        expected = checksums(whole)
    assert (report.loaded, report.conflicts) == (truth.total.loaded, truth.total.conflicts)
    stages: Counter[str] = Counter()
    attempts = 0
    while stages.total() < KILLS:
        path = folder / f"{attempts}.duckdb"
        attempts += 1
        assert attempts <= 4 * KILLS, "too many loads are over before they are killed"
        # Some are killed again while they are resumed.
        stage = killed(path, files, dice.uniform(0, length))
        if stage is None:
            continue
        stages[stage] += 1
        if stages.total() % 5 == 0:
            again = killed(path, files, dice.uniform(0, length / 2))
            stages.update([again] if again else [])
        with Archive(path) as archive:
            for counts in archive.sql(
                "SELECT records, loaded, duplicates, conflicts, rejected FROM files"
            ).rows:
                assert counts[0] == sum(counts[1:])
            dice.shuffle(files)
            archive.load(*files)
            assert checksums(archive) == expected
            assert archive.load(*files).skipped == len(files)
            assert checksums(archive) == expected
        assert [each.name for each in folder.glob(f"*{path.name}*")] == [path.name]
        path.unlink()
    print(
        f"\n{stages.total()} kills in the middle of a load, of {attempts} loads of {length:.1f} s"
    )
    for stage, count in sorted(stages.items()):
        print(f"  {count:3} {stage}")


def test_a_hundred_thousand_damaged_files_are_in_the_archive_as_the_exact_reader_reads_them(
    folder: Path,
):
    begin = time.monotonic()
    processes = os.cpu_count() or 1
    bounds = [FILES * number // processes for number in range(processes + 1)]
    children = [
        subprocess.Popen(
            [sys.executable, oracle.__file__, str(first), str(until), str(folder)],
            stdout=subprocess.PIPE,
        )
        for first, until in pairwise(bounds)
    ]
    outputs = [child.communicate()[0] for child in children]
    assert [child.returncode for child in children] == [0] * processes
    seen: Counter[str] = Counter()
    for output in outputs:
        seen.update(json.loads(output))
    assert sum(count for name, count in seen.items() if name.startswith("files")) == FILES
    assert seen["records"] == sum(seen[name] for name in oracle.Counts._fields[1:])
    assert min(seen["files read by fast"], seen["files refused"], seen["conflicts"]) > FILES / 100
    print(f"\n{FILES:,} files in {time.monotonic() - begin:.0f} s, {processes} processes")
    for name, count in sorted(seen.items()):
        print(f"{name:32} {count:9,}")
