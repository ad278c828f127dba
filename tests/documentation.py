"""The code blocks of README.md and docs/, and what runs them: test_documentation.py says how.

A comment on the line before a block says what is particular to it:

    <!-- not run: REASON -->              no test can run it
    <!-- run by tests/…: REASON -->       another file runs it
    <!-- files of how-to/callbacks.md --> needs the files of another page

A block of Python with a title is saved as that file first; if the title begins with `test_`, pytest
runs it. A block of `text` right after another block is its output, in which `...` is anything.
"""

from __future__ import annotations

import io
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import redirect_stdout
from pathlib import Path
from types import ModuleType

import attrs
import pytest
from sinchvoice.sandbox import running

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted(
    str(path.relative_to(ROOT)) for path in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
)
FENCE = re.compile(
    r"(?:^<!-- (?P<mark>[^\n]*?) -->\n)?^```(?P<language>\w*)(?P<rest>[^\n]*)\n(?P<code>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
MODULE = "example"  # what the blocks of a page define is in it


@attrs.frozen
class Block:
    """A code block.

    Attributes:
        page: Its page, from the root of the project.
        line: Its first line there.
        language: `python`, `sh`, `text`, …
        title: The name of the file that it is; empty if it is none.
        code: Its text.
        mark: The comment before it; empty if there is none.
        output: The output it has to have; None if it has to have none.
    """

    page: str
    line: int
    language: str
    title: str
    code: str
    mark: str
    output: str | None

    @property
    def is_elsewhere(self) -> bool:
        """Whether it is not for the runner."""
        return self.mark.startswith(("not run: ", "run by "))


def blocks(page: str) -> list[Block]:
    """Return the blocks of a page that are not the output of another one."""
    text = (ROOT / page).read_text(encoding="utf-8")
    found: list[Block] = []
    end = 0
    for fence in FENCE.finditer(text):
        follows = found and not text[end : fence.start()].strip()
        if fence["language"] == "text" and follows and found[-1].language != "text":
            found[-1] = attrs.evolve(found[-1], output=fence["code"])
        else:
            title = re.search('title="(.*?)"', fence["rest"])
            found.append(
                Block(
                    page=page,
                    line=text.count("\n", 0, fence.start("code")) + 1,
                    language=fence["language"],
                    title=title[1] if title else "",
                    code=fence["code"],
                    mark=fence["mark"] or "",
                    output=None,
                )
            )
        end = fence.end()
    return found


def file(page: str, title: str) -> str:
    """Return the text of the block of a page with a title."""
    (block,) = [block for block in blocks(page) if block.title == title]
    return block.code


def pattern(output: str) -> str:
    """Return what text has to match that is like an output with `...` in it."""
    return "".join(
        "(?:.*\n)*?" if line == "...\n" else re.escape(line).replace(r"\.\.\.", ".*")
        for line in output.splitlines(keepends=True)
    )


class Page:
    """Runs the blocks of a page in order, in one namespace and one folder, beside a sandbox."""

    def __init__(self, folder: Path, environment: pytest.MonkeyPatch) -> None:
        self._folder = folder
        self._environment = environment
        self._processes: list[subprocess.Popen[bytes]] = []
        self.names = ModuleType(MODULE)

    def run(self, page: str) -> None:
        """Run a page.

        Raises:
            AssertionError: A block has another output, or its tests or commands fail.
        """
        self._environment.chdir(self._folder)
        self._environment.syspath_prepend(str(self._folder))
        self._environment.setitem(sys.modules, MODULE, self.names)
        loaded = set(sys.modules)
        with running() as box:
            for name, value in box.environ.items():
                self._environment.setenv(name, value)
            try:
                for block in blocks(page):
                    if not block.is_elsewhere:
                        self._run_block(block)
            finally:
                for process in self._processes:
                    try:
                        os.killpg(process.pid, signal.SIGKILL)
                    except ProcessLookupError:
                        continue
                for name in set(sys.modules) - loaded:
                    if getattr(sys.modules[name], "__file__", None) and str(
                        sys.modules[name].__file__
                    ).startswith(str(self._folder)):
                        del sys.modules[name]

    def _run_block(self, block: Block) -> None:
        if block.mark.startswith("files of "):
            for other in blocks(f"docs/{block.mark.removeprefix('files of ')}"):
                if other.title:
                    self._save(other)
        if block.title:
            self._save(block)
        if block.language == "python" and block.title.startswith("test_"):
            shown = self._pytest(block.title)
        elif block.language == "python":
            shown = self._python(block)
        elif block.language == "sh":
            shown = self._shell(block)
        else:
            return
        assert re.fullmatch(pattern(block.output or ""), shown), (
            f"{block.page}, line {block.line}: the output is\n{shown}"
        )

    def _save(self, block: Block) -> None:
        (self._folder / block.title).write_text(block.code, encoding="utf-8")

    def _python(self, block: Block) -> str:
        code = compile("\n" * (block.line - 1) + block.code, block.page, "exec")
        with redirect_stdout(io.StringIO()) as output:
            exec(code, vars(self.names))  # noqa: S102
        return output.getvalue()

    def _pytest(self, name: str) -> str:
        command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-W", "error", name]
        run = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        assert run.returncode == 0, run.stdout
        return ""

    def _shell(self, block: Block) -> str:
        """Run a block in a shell of its own, which has the variables of those before."""
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        script = f"set -e\n{block.code}\nenv > .variables\n"
        with open(".output", "wb") as output, open(".errors", "wb") as errors:  # noqa: PTH123
            process = subprocess.Popen(
                ["/bin/sh", "-c", script],
                env={**os.environ, "PATH": path, "COLUMNS": "100", "TZ": "UTC"},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=errors,
                start_new_session=True,  # what it starts is ended with the page
            )
            self._processes.append(process)
            code = process.wait(60)
        assert code == 0, f"{block.page}, line {block.line}: {Path('.errors').read_text('utf-8')}"
        # A reader does not type that fast.
        for name in re.findall(r"> (\S+) &", block.code):
            until = time.monotonic() + 30
            while not (Path(name).exists() and Path(name).stat().st_size):
                assert time.monotonic() < until, Path(".errors").read_text("utf-8")
                time.sleep(0.05)
        for name, value in re.findall(
            r"^(SINCH\w+)=(.*)$", Path(".variables").read_text("utf-8"), re.MULTILINE
        ):
            self._environment.setenv(name, value)
        return Path(".output").read_text("utf-8")
