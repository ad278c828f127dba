"""Loads killed at any moment; the archive must end up as without the kill."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from random import Random

import cdr_oracle as oracle
from sinchvoice.cdr import Archive
from sinchvoice.sandbox import FileForm, Planted, cdr_files

# It prints its stage, so that the test knows which stage was killed.
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

# Kills itself at a file, when the records of its transaction are stored.
LOAD_AND_DIE = """
import os, signal, sys
from sinchvoice import cdr
from sinchvoice.cdr import batches

archive, left, *files = sys.argv[1:]
left, describe = int(left), batches._described

def describe_and_die(*arguments):
    global left
    left -= 1
    if not left:
        os.kill(os.getpid(), signal.SIGKILL)
    return describe(*arguments)

batches._described = describe_and_die
with cdr.Archive(archive) as opened:
    opened.load(*files)
"""


def checksums(archive: Archive) -> dict[str, str]:
    """Return a checksum of the sorted rows of each table, independent of the order of files.

    Records and conflicts are summed together, because the first record of a call is kept.
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
    """Kill a load after some seconds, and return its stage; None if it had finished."""
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


def check_kills(folder: Path, kills: int, records: int, dice: Random) -> None:
    """Kill loads midway, resume each, and compare with an undisturbed load.

    Args:
        folder: Folder for files and archives.
        kills: Number of kills that must hit a loading process.
        records: Records in each of eight files.
        dice: Source of the times of the kills.
    """
    planted = Planted(
        rejects={"time": 5, "quote": 2},
        duplicates=50,
        duplicates_across=200,
        conflicts=20,
        multiline=4,
    )
    truth = cdr_files(
        folder / "cdr",
        records=records,
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
    while stages.total() < kills:
        path = folder / f"{attempts}.duckdb"
        attempts += 1
        assert attempts <= 4 * kills, "too many loads finish before the kill"
        # Some are killed again while resuming.
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


def check_kills_between(folder: Path, places: Sequence[int]) -> None:
    """Kill loads of sixty files between two files; a transaction takes fifty.

    Args:
        folder: Folder for files and archives.
        places: Numbers of files before the kill, from 1 to 60; each is tested.
    """
    planted = Planted(rejects={"time": 1}, duplicates_across=5, conflicts=1)
    truth = cdr_files(folder / "cdr", records=20, days=15, planted=planted)
    files = [str(file.path) for file in truth.files]
    with Archive(folder / "whole.duckdb") as whole:
        assert whole.load(*files).loaded == truth.total.loaded
        expected = checksums(whole)
    for place in places:
        path = folder / f"{place}.duckdb"
        command = [sys.executable, "-c", LOAD_AND_DIE, str(path), str(place), *files]
        assert subprocess.run(command, check=False).returncode == -9
        with Archive(path) as archive:
            found = archive.sql(
                "SELECT count(*), count(*) FILTER (loaded = number) FROM files JOIN "
                "(SELECT file_id, count(*) AS number FROM records GROUP BY ALL) USING (file_id)"
            ).rows
            whole_files = 50 if place > 50 else 0
            assert found == [(whole_files, whole_files)]
            report = archive.load(*files)
            assert (report.files, report.skipped) == (60, whole_files)
            assert checksums(archive) == expected
