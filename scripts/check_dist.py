"""Checks what would be published, as a stranger would use it: `nox -s check_dist` runs this file.

    python scripts/check_dist.py dist

The wheel has to have every file of the packages and nothing else, the sdist everything that it
takes to build and to test. Built again from the unpacked sdist, in another folder, both have to be
the same, byte for byte. Each is installed into an empty environment, where every generated module
is imported and the first example of the README runs against a sandbox; the sandbox belongs to the
environment that runs this.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
import tarfile
import tempfile
import venv
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ("facade", "generated")  # what the wheel is made of
PACKAGES = ("sinchvoice", "sinchvoice_calling", "sinchvoice_reporting")
# What a stranger needs to build and to test.
NEEDED = (
    ".ci",
    ".github",
    "CHANGELOG.md",
    "CITATION.cff",
    "CONTRIBUTING.md",
    "LICENSE",
    "README.md",
    "SECURITY.md",
    "docs",
    "examples",
    "facade",
    "generated",
    "noxfile.py",
    "openapi",
    "promise",
    "pyproject.toml",
    "requirements",
    "scripts",
    "tests",
    "zensical.toml",
)
CACHES = {"__pycache__", ".hypothesis", ".pytest_cache", ".mypy_cache", ".ruff_cache"}
ENTRY_POINTS = {
    "[console_scripts]": "sinchvoice = sinchvoice.cli:main",
    "[pytest11]": "sinchvoice = pytest_sinchvoice",
}
# Python 3.11 knows filters from 3.11.4 on.
SAFELY: dict[str, Any] = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
REMEDY = "look at [tool.hatch.build.targets] in pyproject.toml"

IMPORT_ALL = """
import importlib, pathlib, pkgutil, sinchvoice_calling, sinchvoice_reporting
names = [
    module.name
    for package in (sinchvoice_calling, sinchvoice_reporting)
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + ".")
]
for name in names:
    importlib.import_module(name)
assert len(names) > 50, f"only {len(names)} generated modules"
print(len(names), "generated modules imported")
"""
NO_EXTRA = "pip install 'sinchvoice[cli]'"


def main(folder: Path) -> int:
    """Check the wheel and the sdist of a folder, and return the exit code."""
    wheel, sdist = newest(folder, "*.whl"), newest(folder, "*.tar.gz")
    problems = [*wheel_problems(wheel, ROOT), *sdist_problems(sdist, ROOT)]
    if not problems:
        problems += rebuild_problems(wheel, sdist)
    if not problems:
        from sinchvoice.sandbox import running  # a wheel that lacks it has been told by now

        with running() as box:
            for file in (wheel, sdist):
                print(f"{file.name}, in an empty environment:", flush=True)
                problems += use_problems(file, box.environ)
    print("\n".join(problems or [f"{digest(file)}  {file.name}" for file in (wheel, sdist)]))
    return 1 if problems else 0


def newest(folder: Path, pattern: str) -> Path:
    """The file that was built last."""
    files = sorted(folder.glob(pattern), key=lambda path: path.stat().st_mtime)
    if not files:
        sys.exit(f"{folder} has no {pattern}: build first")
    return files[-1]


def digest(file: Path) -> str:
    """The SHA-256 of a file."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


# --- contents -----------------------------------------------------------------------------------


def wheel_problems(wheel: Path, root: Path) -> Iterator[str]:
    """What is wrong with the contents of a wheel, by the tree that it is built from."""
    with zipfile.ZipFile(wheel) as archive:
        texts = {name: archive.read(name) for name in archive.namelist()}
    metadata = {name: texts.pop(name) for name in list(texts) if ".dist-info/" in name}
    expected = {name.partition("/")[2] for source in SOURCES for name in files_below(root, source)}
    for package in PACKAGES:
        for name in ("__init__.py", "py.typed"):
            expected.add(f"{package}/{name}")  # even if the tree has lost them
    yield from grouped(f"{wheel.name} lacks", expected - texts.keys())
    yield from grouped(f"{wheel.name} should not have", texts.keys() - expected)
    licence = next((name for name in metadata if name.endswith("/licenses/LICENSE")), None)
    if licence is None or metadata[licence] != (root / "LICENSE").read_bytes():
        yield f"{wheel.name} lacks the LICENSE: look at license-files in pyproject.toml"
    points = next((t for n, t in metadata.items() if n.endswith("/entry_points.txt")), b"").decode()
    for group, line in ENTRY_POINTS.items():
        if f"{group}\n{line}\n" not in f"{points}\n":
            yield f"{wheel.name} lacks the entry point {line!r} in {group}: look at pyproject.toml"


def sdist_problems(sdist: Path, root: Path) -> Iterator[str]:
    """What an sdist lacks, by the tree that it is built from."""
    with tarfile.open(sdist) as archive:
        names = {member.name.partition("/")[2] for member in archive if member.isfile()}
    expected = {name for needed in NEEDED for name in files_below(root, needed)}
    yield from grouped(f"{sdist.name} lacks", expected - names)
    strange = {name for name in names if CACHES & set(name.split("/")) or name.startswith("dist/")}
    yield from grouped(f"{sdist.name} should not have", strange)


def files_below(root: Path, name: str) -> Iterator[str]:
    """The files of a folder, or a file, by their names from the root; no caches."""
    path = root / name
    for file in [path] if path.is_file() else path.rglob("*"):
        if file.is_file() and not CACHES & set(file.parts):
            yield file.relative_to(root).as_posix()


def grouped(problem: str, names: set[str]) -> Iterator[str]:
    """One line for each folder of names, so that a package that is gone is one line."""
    folders: dict[str, list[str]] = {}
    for name in sorted(names):
        folders.setdefault(name.partition("/")[0], []).append(name)
    for first, *more in folders.values():
        others = f" and {len(more)} more of {first.partition('/')[0]}/" if more else ""
        yield f"{problem} {first}{others}: {REMEDY}"


# --- use ----------------------------------------------------------------------------------------


def rebuild_problems(wheel: Path, sdist: Path) -> Iterator[str]:
    """How wheel and sdist differ from those that the unpacked sdist gives elsewhere."""
    with tempfile.TemporaryDirectory() as scratch:
        with tarfile.open(sdist) as archive:
            archive.extractall(scratch, **SAFELY)  # noqa: S202 - our own
        (tree,) = Path(scratch).iterdir()
        for path in tree.rglob("*"):
            os.utime(path, (0, 0))  # as old as can be: nothing may depend on it
        subprocess.check_call(
            [sys.executable, "-m", "hatchling", "build", "-d", "dist"],
            cwd=tree,
            stdout=subprocess.DEVNULL,
        )
        for file in (wheel, sdist):
            if digest(file) != digest(tree / "dist" / file.name):
                yield (
                    f"{file.name} is another one when it is built from the sdist: compare both, "
                    "and set SOURCE_DATE_EPOCH to the same for both"
                )


def use_problems(file: Path, environ: Mapping[str, str]) -> Iterator[str]:
    """What does not work once a wheel or sdist is installed into an empty environment."""
    with tempfile.TemporaryDirectory() as scratch:
        venv.create(scratch, with_pip=True)
        scripts = Path(scratch, "Scripts" if os.name == "nt" else "bin")
        python = str(scripts / "python")
        pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        if subprocess.call([*pip, str(file.resolve())]) != 0:
            yield f"{file.name} cannot be installed: see above"
            return
        uses = {"the generated code": IMPORT_ALL, "the README's example": example()}
        for what, code in uses.items():
            command = [python, "-I", "-c", code]
            if subprocess.call(command, cwd=scratch, env={**os.environ, **environ}) != 0:
                yield f"{file.name}: {what} does not work in an empty environment: see above"
        command = [str(scripts / "sinchvoice"), "--version"]
        run = subprocess.run(command, cwd=scratch, capture_output=True, text=True, check=False)
        if run.returncode != 3 or NO_EXTRA not in run.stderr:
            yield f"{file.name}: without its extra, the command does not say {NO_EXTRA!r}"


def example() -> str:
    """The first example of the README."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    found = re.search(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[1]


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
