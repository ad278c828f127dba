"""Write the figures of `bench.py` into docs/explanation/figures.md, and some into README.md.

`nox -s bench -- --write PART…` measures these parts, or all, and replaces their sections of the
page. Other sections stay. A part that misses a limit is not written.

A printed line is a name, two spaces or more, and a figure, with the limit in parentheses:

    first call             0.93 x (limit 1.0)
    cdr, rate              1.04 x (limit 0.9, more is better)
"""

from __future__ import annotations

import inspect
import io
import os
import platform
import re
import sys
from collections.abc import Callable, Iterable
from contextlib import redirect_stdout
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TextIO

import attrs

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "explanation" / "figures.md"
README = ROOT / "README.md"

_PLACE = re.compile(r"(<!-- measured -->\n)(.*?)(<!-- end -->\n)", re.DOTALL)
_LINE = re.compile(r"(\S.*?) {2,}(\S.*)")
_LIMIT = re.compile(r" \(limit ([^,)]+)(?:, ([^)]+))?\)")
_MORE = "more is better"

#: Libraries with versions on the page, by the start of a part's name; the longest match counts.
_LIBRARIES = {
    "": ("httpx", "httpcore", "attrs"),
    "cdr": ("duckdb",),
    "cdr-others": ("duckdb", "polars", "pyarrow", "pandas"),
}

#: The figures of the README: part, name of the ratio, and the sentence about it.
SHOWN = (
    ("calls", "sync GET, bare", "A GET takes {} times as long as the same GET by hand with httpx."),
    (
        "calls",
        "64 tasks",
        "With 64 tasks over 20 connections, a GET takes {} times as long as by hand with httpx.",
    ),
    (
        "callbacks",
        "callbacks",
        "Receiving and answering a callback takes {} times as long as its signature and JSON.",
    ),
    (
        "cdr-archive",
        "archive, load",
        "Loading records with all checks takes {} times as long as a plain insert by DuckDB.",
    ),
    ("cdr", "cdr, rate", "The exact reader has {} times the rate of csv.reader and conversions."),
)


@attrs.frozen
class Figure:
    """A measured figure.

    Attributes:
        name: Name of the measurement.
        text: The figure with its unit.
        limit: The limit in words; empty without one.
    """

    name: str
    text: str
    limit: str = ""

    @classmethod
    def of(cls, line: str) -> Figure | None:
        """Read a printed line; None if it has no figure."""
        found = _LINE.fullmatch(line.rstrip())
        if found is None:
            return None
        name, text = found.groups()
        limit = ""
        if bound := _LIMIT.search(text):
            most, note = bound.groups()
            limit = f"at least {most}" if note == _MORE else f"at most {most}"
            limit += f", {note}" if note and note != _MORE else ""
            text = text[: bound.start()] + text[bound.end() :]
        return cls(name, " ".join(text.split()).replace("|", "\\|"), limit)


def measured(name: str, measure: Callable[[], bool], order: Iterable[str]) -> bool:
    """Measure a part, and write its figures unless it misses a limit.

    Args:
        name: Name of the part.
        measure: Function that prints the figures, and returns whether all limits are kept.
        order: Names of all parts, in the order of the page.

    Returns:
        Whether all limits are kept.
    """
    with redirect_stdout(_Copy(sys.stdout)) as printed:
        good = measure()
    if good:
        about = (inspect.getdoc(measure) or "").partition("\n\n")[0]
        write(section(name, about, printed.getvalue()), order)
    else:
        print(f"{name}: a limit is missed, so {PAGE.relative_to(ROOT)} keeps its figures")
    return good


def section(name: str, about: str, printed: str) -> str:
    """Return the section of a part, with the date and the machine."""
    rows = [one for one in map(Figure.of, printed.splitlines()) if one]
    if not rows:
        raise SystemExit(f"{name} printed no figures: see the top of scripts/figures.py")
    return "\n".join(
        [
            f"### {name}",
            "",
            " ".join(about.split()),
            "",
            f"{datetime.now(UTC):%Y-%m-%d}, {machine()}, {versions(name)}:",
            "",
            "| what | figure | limit |",
            "|---|---|---|",
            *(f"| {row.name} | {row.text} | {row.limit} |" for row in rows),
            "",
            "",
        ]
    )


def write(text: str, order: Iterable[str], page: Path = PAGE, readme: Path = README) -> None:
    """Replace or add a section of the page, and update the README."""
    whole = page.read_text(encoding="utf-8")
    sections = {_name(one): one for one in [*_sections(whole), text]}
    names = list(order)
    kept = [sections[name] for name in sorted(sections, key=names.index) if name in names]
    page.write_text(_replaced(whole, "\n" + "".join(kept)), encoding="utf-8")
    start = readme.read_text(encoding="utf-8")
    readme.write_text(_replaced(start, shown(page)), encoding="utf-8")


def shown(page: Path = PAGE) -> str:
    """Return the figures of the README, from the page; an unmeasured part has none."""
    sections = {_name(one): one for one in _sections(page.read_text(encoding="utf-8"))}
    lines = []
    for part, name, sentence in SHOWN:
        row = rf"^\| {re.escape(name)} \| ([\d.,]+) x\b"
        if found := re.search(row, sections.get(part, ""), re.MULTILINE):
            lines.append(f"- {sentence.format(found[1])}\n")
    return "\n" + "".join(lines) + "\n" if lines else ""


def machine() -> str:
    """Return CPU, cores, memory, system and Python of this machine."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    parts = [_cpu(), f"{cores} core{'s' * (cores != 1)}"]
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        size = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        parts.append(f"{size / 2**30:.0f} GiB of memory")
    parts.append(platform.system())
    return ", ".join([*parts, f"{platform.python_implementation()} {platform.python_version()}"])


def versions(part: str) -> str:
    """Return the versions of this library and of the libraries in a part."""
    longest = max((start for start in _LIBRARIES if part.startswith(start)), key=len)
    found = []
    for name in ("sinchvoice", *_LIBRARIES[longest]):
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return ", ".join(found)


def _cpu() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        text = ""
    found = re.search(r"^model name\s*: (.+)$", text, re.MULTILINE)
    return found[1].strip() if found else platform.processor() or platform.machine()


def _sections(page: str) -> list[str]:
    return re.findall(r"^### .*?(?=^### |\Z)", _measured(page)[2], re.MULTILINE | re.DOTALL)


def _name(text: str) -> str:
    return text.partition("\n")[0].removeprefix("### ")


def _measured(page: str) -> re.Match[str]:
    found = _PLACE.search(page)
    if found is None:
        raise SystemExit("no lines <!-- measured --> and <!-- end -->: put them back")
    return found


def _replaced(page: str, text: str) -> str:
    found = _measured(page)
    return page[: found.end(1)] + text + page[found.start(3) :]


class _Copy(io.StringIO):
    """Text that is also written to another stream at once."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._stream = stream

    def write(self, text: str) -> int:
        self._stream.write(text)
        self._stream.flush()
        return super().write(text)
