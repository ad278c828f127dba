"""Builds the documentation site into build/site; `nox -s docs` runs this file.

    python scripts/docs_site.py           # build the site
    python scripts/docs_site.py tables    # write the tables of docs/ that follow the code

Zensical builds a copy of docs/ to which two pages are added: the commands, from the command line
itself, and the changelog. A warning, such as a link that leads nowhere, is an error.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs
import typer
from sinchvoice.cdr import LAYOUTS, kpis, signals
from sinchvoice.cli.app import command_line

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"
FROM_ELSEWHERE = "https://unpkg.com/iframe-worker/shim"
COMMANDS = """# Commands and options

This page is made from the code. [Command line](cli.md) explains credentials, output, JSON and
exit codes. [Shared options](#shared-options) apply to most commands.
"""


def main(arguments: list[str]) -> int:
    """Build the site, or write the tables."""
    if arguments == ["tables"]:
        for name in TABLES:
            page = ROOT / "docs" / name
            page.write_text(with_tables(page), encoding="utf-8")
        return 0
    return build()


def build() -> int:
    """Build the site; the exit code is Zensical's."""
    source = BUILD / "source"
    shutil.rmtree(source, ignore_errors=True)
    shutil.copytree(ROOT / "docs", source / "docs")
    shutil.copytree(ROOT / "scripts", source / "scripts")
    shutil.copy(ROOT / "zensical.toml", source)
    (source / "docs" / "reference" / "commands.md").write_text(commands(), encoding="utf-8")
    (source / "docs" / "changelog.md").write_text(changelog(), encoding="utf-8")
    for page in (source / "docs").rglob("*.md"):
        page.write_text(with_bars(page.read_text(encoding="utf-8")), encoding="utf-8")
    command = [sys.executable, "-m", "zensical", "build", "--strict", "--clean"]
    if code := subprocess.run(command, cwd=source, check=False).returncode:
        return code
    shutil.rmtree(BUILD / "site", ignore_errors=True)
    shutil.copytree(source / "site", BUILD / "site")
    for page in (BUILD / "site").rglob("*.html"):
        top = "../" * (len(page.relative_to(BUILD / "site").parts) - 1)
        text = page.read_text(encoding="utf-8")
        page.write_text(
            text.replace(FROM_ELSEWHERE, f"{top}assets/iframe-worker.js"), encoding="utf-8"
        )
    return 0


def with_bars(text: str) -> str:
    """Return a page with bars in the code of its tables as Python-Markdown wants them.

    GitHub needs a backslash before such a bar; Python-Markdown would show it.
    """
    code = re.compile("`[^`]*`")
    return "\n".join(
        code.sub(lambda span: span[0].replace("\\|", "|"), line) if line.startswith("|") else line
        for line in text.split("\n")
    )


def changelog() -> str:
    """Return the changelog with its links to docs/ as a page of docs/ has them."""
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    return re.sub(r"\[[^\]]*\]\(docs/(.*?)\)", lambda link: f"[{title(link[1])}]({link[1]})", text)


def title(link: str) -> str:
    """Return the first heading of a page of docs/."""
    text = (ROOT / "docs" / link.partition("#")[0]).read_text(encoding="utf-8")
    return text.partition("\n")[0].removeprefix("# ")


# --- Commands ------------------------------------------------------------------------------------


def commands() -> str:
    """Return the page of all commands with their arguments and options."""
    command = typer.main.get_command(command_line())
    pages = list(walk(command, command.make_context("sinchvoice", [], resilient_parsing=True)))
    options = [set(rows(command, context)) for command, context in pages]
    shared = {
        row
        for row in set().union(*options)
        if row.startswith("| `-") and sum(row in each for each in options) > 5
    }
    ordered = dict.fromkeys(
        row for command, context in pages for row in rows(command, context) if row in shared
    )
    parts = [COMMANDS, "## Shared options\n", table(list(ordered))]
    parts += [section(command, context, shared) for command, context in pages]
    return "\n".join(parts)


def walk(command: Any, context: Any) -> Iterator[tuple[Any, Any]]:
    """Yield each command with its context, in the order of the help."""
    subcommands = getattr(command, "commands", {})
    if not subcommands or getattr(command, "invoke_without_command", False):
        yield command, context
    for name in command.list_commands(context) if subcommands else ():
        inner = subcommands[name]
        yield from walk(inner, inner.make_context(name, [], parent=context, resilient_parsing=True))


def section(command: Any, context: Any, shared: set[str]) -> str:
    """Return the section of a command."""
    usage = command.get_usage(context).removeprefix("Usage: ")
    usage = " ".join(usage.split())
    own = [row for row in rows(command, context) if row not in shared]
    words = " ".join((command.help or "").split("\f")[0].split("\n\n")[0].split())
    rest = [" ".join(part.split()) for part in (command.help or "").split("\n\n")[1:]]
    parts = [f"## {context.command_path}\n", f"{cell(words)}\n", f"```text\n{usage}\n```\n"]
    parts += [f"{cell(part)}\n" for part in rest]
    return "\n".join([*parts, table(own)]) if own else "\n".join(parts)


def rows(command: Any, context: Any) -> list[str]:
    """Return a row of a table for each argument and option of a command."""
    found = []
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if record is not None:
            name, text = (" ".join(part.split()) for part in record)
            found.append(f"| `{name.replace('|', chr(92) + '|')}` | {cell(text)} |")
    return found


def cell(text: str) -> str:
    """Return text that no Markdown is seen in."""
    return re.sub(r"([\\`*_<>\[\]|])", r"\\\1", text)


def table(lines: list[str]) -> str:
    """Return a table of arguments and options."""
    return "\n".join(["| argument or option | |", "|---|---|", *lines, ""])


# --- Tables --------------------------------------------------------------------------------------


def kpi_table() -> str:
    """Return the table of all KPIs."""
    lines = ["| KPI | field | formula | unit | |", "|---|---|---|---|---|"]
    for each in kpis.DEFINITIONS:
        computed = re.match("[a-z_]+ [/+] ", each.formula)
        formula = f"`{each.formula}`" if computed else each.formula
        lines.append(f"| {each.name} | `{each.field}` | {formula} | {each.unit} | {each.meaning} |")
    return "\n".join(lines)


def threshold_table() -> str:
    """Return the table of the thresholds of signals."""
    lines = ["| threshold | default | meaning | why |", "|---|---|---|---|"]
    for field in attrs.fields(signals.Thresholds):
        facts = field.metadata
        default = f"{field.default} {facts['unit']}"
        lines.append(f"| `{field.name}` | {default} | {facts['meaning']} | {facts['why']} |")
    return "\n".join(lines)


def layout_tables() -> str:
    """Return a table for each layout of call detail records."""
    lines = []
    for layout in LAYOUTS.values():
        lines += [f"### {layout.title} (`{layout.name}`, `cdr.{layout.record}`)", ""]
        lines += ["| column | attribute | type | unit | |", "|---|---|---|---|---|"]
        for column in layout.columns:
            doc = column.doc + (" Required." if column.required else "")
            if column.since:
                doc += f" Since {column.since}."
            lines.append(
                f"| {column.name} | `{column.field}` | {column.type} "
                f"| {column.unit or ''} | {doc} |"
            )
        lines.append("")
    return "\n".join(lines).rstrip("\n")


TABLES: dict[str, Callable[[], str]] = {
    "reference/kpis.md": kpi_table,
    "reference/cdr-files.md": layout_tables,
    "how-to/fraud-and-invoices.md": threshold_table,
}
PLACE = re.compile(r"(<!-- from the code -->\n)(.*?)(\n<!-- end -->)", re.DOTALL)


def with_tables(page: Path) -> str:
    """Return the text of a page with its table as the code has it now."""
    made = TABLES[page.relative_to(ROOT / "docs").as_posix()]()
    return PLACE.sub(
        lambda place: f"{place[1]}\n{made}\n{place[3]}", page.read_text(encoding="utf-8")
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
