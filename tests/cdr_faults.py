"""Writes that fail, and files that are damaged, and whether an archive survives them.

As a script, it does something while files cannot grow beyond a size in bytes, and says what went
wrong: `python cdr_faults.py ARCHIVE OPERATION SIZE ARGUMENT...`. A write beyond it fails as on a
full disk, but for the number of the error.

With `open ARCHIVE FILE...` it opens an archive whenever it reads a line, and says what it has, or
why it is refused.
"""

from __future__ import annotations

import json
import re
import resource
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path
from random import Random

from sinchvoice import CdrError
from sinchvoice.cdr import Archive
from sinchvoice.sandbox import cdr_generator

OPERATIONS: Mapping[str, Callable[..., object]] = {
    "load": lambda archive, *files: archive.load(*files),
    "export": lambda archive, folder: archive.to_parquet(folder),
    "remove": lambda archive, number: archive.remove(int(number)),
    "erase": lambda archive, day: archive.erase(before=date.fromisoformat(day)),
    "compact": lambda archive: archive.compact(),
    "backup": lambda archive, path: archive.backup(path),
}


def fails(archive: Path, operation: str, limit: int, *arguments: object) -> str | None:
    """Do something with an archive in a process whose files cannot grow.

    Returns:
        The errors that it told; None if there were none.
    """
    command = [sys.executable, __file__, archive, operation, limit, *arguments]
    ran = subprocess.run(map(str, command), capture_output=True, text=True, check=False)
    assert ran.stderr == "", ran.stderr
    assert ran.returncode == 0
    return ran.stdout or None


def content(archive: Archive) -> dict[str, list[object]]:
    """All that an archive says."""
    names = ("records", "conflicts", "rejects", "files", "erasures")
    return {name: archive.sql(f"FROM {name} ORDER BY ALL").rows for name in names}


LOAD = """
import os, sys
from sinchvoice import cdr
archive = cdr.Archive(sys.argv[1])
archive.load(sys.argv[2])
os.kill(os.getpid(), 9)
"""


def check_damage(folder: Path, points: int, dice: Random) -> Counter[str]:
    """Cut an archive and its write-ahead log at many points, or change bytes of them.

    Each time the archive is refused, in a line that names it and says what to do, or it has what it
    had at some moment, and loading the files again makes it whole. Another process opens it, so
    that a crash or a hang would be told.
    """
    path, log = folder / "calls.duckdb", folder / "calls.duckdb.wal"
    files = [folder / "a.csv", folder / "b.csv"]
    for seed, file in enumerate(files):
        with file.open("wb") as target:
            cdr_generator.write(target, 2000, seed=seed, quoted=0)
    with Archive(path) as archive:
        archive.load(files[0])
        moments = [calls(archive)]
    subprocess.run([sys.executable, "-c", LOAD, path, files[1]], check=False)
    originals = {each: each.read_bytes() for each in (path, log)}
    with Archive(path) as archive:
        moments.append(calls(archive))
    seen: Counter[str] = Counter()
    opener = _Opener(path, files)
    for point in range(points):
        damaged = (path, log)[point % 2]
        for each, content in originals.items():
            each.write_bytes(content)
        content = originals[damaged]
        place = dice.randrange(len(content))
        if point % 4 < 2:
            damaged.write_bytes(content[:place])
        else:
            changed = bytes([content[place] ^ (1 << dice.randrange(8))])
            damaged.write_bytes(content[:place] + changed + content[place + 1 :])
        what = f"{damaged.name}, {point=}, {place=}"
        before, after, refused = opener.open(what)
        if refused:
            assert re.fullmatch(
                rf"{re.escape(str(path))}: [^\n]*(damaged[^\n]*: restore a backup|not an archive: "
                r"give)[^\n]*",
                refused,
            ), f"{what}: {refused}"
            seen[f"{damaged.suffix} refused"] += 1
            if damaged == log:  # as it is told to
                log.unlink()
                assert opener.open(what) == (*map(_text, moments), "")
        else:
            assert before in (_text([]), *map(_text, moments))
            assert after == _text(moments[1])
            seen[f"{damaged.suffix} survived"] += 1
    opener.close()
    return seen


class _Opener:
    """A process that opens an archive, and loads files into it, as often as it is asked to."""

    def __init__(self, archive: Path, files: list[Path]) -> None:
        command = [sys.executable, __file__, "open", archive, *files]
        self._process = subprocess.Popen(
            list(map(str, command)), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def open(self, what: str) -> tuple[str, str, str]:
        """What it has before and after; or why it is refused."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, f"the process ended: {what}"
        before, after, refused = json.loads(line)
        return before, after, refused

    def close(self) -> None:
        self._process.communicate()
        assert self._process.returncode == 0


def _text(found: list[tuple[object, ...]]) -> str:
    return repr(found)


def _open_again_and_again(archive: str, *files: str) -> None:
    for _ in sys.stdin:
        before = after = refused = ""
        try:
            with Archive(archive) as opened:
                before = _text(calls(opened))
                opened.load(*files)
                after = _text(calls(opened))
        except CdrError as error:
            refused = str(error)
        print(json.dumps([before, after, refused]), flush=True)


def calls(archive: Archive) -> list[tuple[object, ...]]:
    """The calls that an archive has, and what it says of its files."""
    found: list[tuple[object, ...]] = []
    for query in ("FROM records ORDER BY ALL", "SELECT sha256, loaded FROM files ORDER BY 1"):
        found += archive.sql(query).rows
    return [row[:-3] if len(row) > 2 else row for row in found]


if __name__ == "__main__" and sys.argv[1] == "open":
    _open_again_and_again(*sys.argv[2:])
elif __name__ == "__main__":
    path, operation, limit, *arguments = sys.argv[1:]
    try:
        with Archive(path, threads=1) as archive:
            resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), resource.RLIM_INFINITY))
            try:
                OPERATIONS[operation](archive, *arguments)
            except CdrError as error:
                print("operation:", error)
    except CdrError as error:
        print("close:", error)
