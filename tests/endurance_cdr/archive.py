"""Endurance of an archive: kills, damage to its files, and a hundred thousand damaged CDR files."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import cdr_oracle as oracle
import pytest
from cdr_faults import check_damage
from cdr_kills import check_kills, check_kills_between

FILES = 100_000
LIMIT = 3 * 3600.0  # seconds, on two cores


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder in memory if possible; on disk, each transaction would wait for it."""
    memory = Path("/dev/shm")  # noqa: S108
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as made:
        yield Path(made)


def test_fifty_kills_midway_through_a_load_do_not_change_the_tables(folder: Path):
    check_kills(folder, 50, 3000, random.Random(2))


def test_a_kill_between_two_files_of_a_transaction_leaves_whole_transactions(folder: Path):
    check_kills_between(folder, [1, 7, 13, 19, 25, 31, 37, 43, 49, 50, 51, 55, 59])


def test_a_damaged_archive_or_log_is_refused_or_has_an_earlier_state(
    folder: Path,
):
    for what, number in sorted(check_damage(folder, 200, random.Random(4)).items()):
        print(f"  {number:3} {what}")


def test_a_hundred_thousand_damaged_files_are_stored_as_the_exact_reader_reads_them(
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
    try:
        outputs = [
            child.communicate(timeout=begin + LIMIT - time.monotonic())[0] for child in children
        ]
    finally:
        for child in children:
            child.kill()
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
