"""scripts/figures.py: the bench writes the page of figures, and the figures of the README."""

from __future__ import annotations

import re
from pathlib import Path

import attrs
import bench
import figures
import pytest

EMPTY = "# Figures\n\nText.\n\n<!-- measured -->\n<!-- end -->\n\nThe end.\n"


@attrs.frozen
class Pages:
    page: Path
    readme: Path

    def write(self, name: str, printed: str) -> None:
        figures.write(figures.section(name, "What it shows.", printed), *self.arguments)

    @property
    def arguments(self) -> tuple[list[str], Path, Path]:
        return list(bench.COMMANDS), self.page, self.readme


@pytest.fixture
def pages(tmp_path: Path) -> Pages:
    for name in ("figures.md", "README.md"):
        (tmp_path / name).write_text(EMPTY, encoding="utf-8")
    return Pages(tmp_path / "figures.md", tmp_path / "README.md")


@pytest.mark.parametrize(
    ("line", "row"),
    [
        ("import, httpx          61.0 ms", ("import, httpx", "61.0 ms", "")),
        ("first call             0.93 x (limit 1.0)", ("first call", "0.93 x", "at most 1.0")),
        (
            "cdr, rate              1.04 x (limit 0.9, more is better)",
            ("cdr, rate", "1.04 x", "at least 0.9"),
        ),
        (
            "callbacks              5.62 x by hand (limit 6.0), 2,572 /s (goal 20,000)",
            ("callbacks", "5.62 x by hand, 2,572 /s (goal 20,000)", "at most 6.0"),
        ),
        (
            "archive, memory        1.01 x (limit 1.2, with 160MB for DuckDB)",
            ("archive, memory", "1.01 x", "at most 1.2, with 160MB for DuckDB"),
        ),
        (
            "fleet, threads, 5 % faults    8.31 s, 0.83 ms a report",
            ("fleet, threads, 5 % faults", "8.31 s, 0.83 ms a report", ""),
        ),
        ("broken, polars      fails: a | b", ("broken, polars", "fails: a \\| b", "")),
    ],
)
def test_a_printed_line_is_a_row(line: str, row: tuple[str, str, str]):
    assert figures.Figure.of(line) == figures.Figure(*row)


@pytest.mark.parametrize("line", ["", "a line without a figure"])
def test_another_line_is_not_a_row(line: str):
    assert figures.Figure.of(line) is None


def test_a_section_names_the_day_the_machine_and_the_libraries():
    text = figures.section("cdr", "What it shows.", "cdr, rate          1.04 x\n")
    assert text.startswith("### cdr\n\nWhat it shows.\n\n20")
    about = text.splitlines()[4]
    assert re.match(r"\d{4}-\d{2}-\d{2}, .+, \d+ cores?, .+, \w+ 3\.\d+\.\d+", about)
    assert re.search(r"sinchvoice \d.*, duckdb \d", about)


def test_a_part_replaces_only_its_section_and_the_order_stays(pages: Pages):
    pages.write("cdr", "cdr, rate          1.04 x (limit 0.9, more is better)")
    pages.write("signing", "signing GET        1.28 x (limit 1.8)")
    pages.write("calls", "sync GET, bare     0.71 x (limit 0.8)")
    pages.write("signing", "signing GET        1.30 x (limit 1.8)")
    text = pages.page.read_text(encoding="utf-8")
    assert re.findall("^### (.*)$", text, re.MULTILINE) == ["signing", "calls", "cdr"]
    assert "| signing GET | 1.30 x | at most 1.8 |" in text
    assert "1.28" not in text
    assert text.startswith("# Figures\n\nText.\n")
    assert text.endswith("\n<!-- end -->\n\nThe end.\n")


def test_the_readme_has_the_figures_of_the_page(pages: Pages):
    before = pages.readme.read_text(encoding="utf-8")
    pages.write("signing", "signing GET        1.28 x (limit 1.8)")
    assert pages.readme.read_text(encoding="utf-8") == before
    pages.write("calls", "sync GET, bare     95 µs by hand\nsync GET, bare     0.71 x (limit 0.8)")
    assert (
        "\n- A GET takes 0.71 times as long as the same GET by hand with httpx.\n"
        in pages.readme.read_text(encoding="utf-8")
    )


def test_a_part_that_misses_a_limit_is_not_written(capsys: pytest.CaptureFixture[str]):
    def missed() -> bool:
        print("signing GET        9.00 x (limit 1.8)")
        return False

    before = figures.PAGE.read_bytes()
    assert not figures.measured("signing", missed, bench.COMMANDS)
    assert figures.PAGE.read_bytes() == before
    printed = capsys.readouterr().out
    assert "signing GET        9.00 x (limit 1.8)" in printed
    assert "signing: a limit is missed, so docs/explanation/figures.md keeps its figures" in printed


def test_a_part_without_figures_and_a_page_without_marks_are_refused(pages: Pages):
    with pytest.raises(SystemExit, match="calls printed no figures"):
        pages.write("calls", "nothing\n")
    pages.page.write_text("# Figures\n", encoding="utf-8")
    with pytest.raises(SystemExit, match="<!-- measured -->"):
        pages.write("calls", "sync GET, bare     0.71 x")


def test_the_figures_of_the_readme_are_those_of_the_page():
    start = figures.README.read_text(encoding="utf-8")
    (block,) = re.findall("<!-- measured -->\n(.*?)<!-- end -->", start, re.DOTALL)
    assert block == figures.shown(), (
        "do not edit figures of README.md: `nox -s bench -- --write PART…` writes them"
    )


def test_every_figure_of_the_readme_is_of_a_part():
    assert {part for part, _, _ in figures.SHOWN} <= bench.COMMANDS.keys()
