"""Check the distributions before publication: `nox -s check_dist` runs this file.

    python scripts/check_dist.py dist

The wheel must contain every file of the packages and nothing else; the sdist everything needed to
build and test. Both must be identical, byte for byte, when built again from the unpacked sdist in
another folder. Each is installed into an empty environment, where every generated module is
imported and the first example of the README runs against a sandbox; the sandbox runs in the
environment of this script.
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
SOURCES = ("facade", "generated")  # the contents of the wheel
PACKAGES = ("sinchvoice", "sinchvoice_calling", "sinchvoice_reporting")
# The files and folders needed to build and test.
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
    "[console_scripts]": "sinchvoice = sinchvoice.__main__:command",
    "[pytest11]": "sinchvoice = pytest_sinchvoice",
}
# Python 3.11 has filters from 3.11.4 on.
SAFELY: dict[str, Any] = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
REMEDY = "see [tool.hatch.build.targets] in pyproject.toml"

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
        from sinchvoice.sandbox import running  # late: a wheel without it is reported first

        with running() as box:
            for file in (wheel, sdist):
                print(f"{file.name}, in an empty environment:", flush=True)
                problems += use_problems(file, box.environ)
    print("\n".join(problems or [f"{digest(file)}  {file.name}" for file in (wheel, sdist)]))
    return 1 if problems else 0


def newest(folder: Path, pattern: str) -> Path:
    """Return the file that was built last."""
    files = sorted(folder.glob(pattern), key=lambda path: path.stat().st_mtime)
    if not files:
        sys.exit(f"{folder} has no {pattern}: build first")
    return files[-1]


def digest(file: Path) -> str:
    """Return the SHA-256 of a file."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


# --- Contents ------------------------------------------------------------------------------------


def wheel_problems(wheel: Path, root: Path) -> Iterator[str]:
    """Yield the differences between a wheel and its source tree."""
    with zipfile.ZipFile(wheel) as archive:
        texts = {name: archive.read(name) for name in archive.namelist()}
    metadata = {name: texts.pop(name) for name in list(texts) if ".dist-info/" in name}
    expected = {name.partition("/")[2] for source in SOURCES for name in files_below(root, source)}
    for package in PACKAGES:
        for name in ("__init__.py", "py.typed"):
            expected.add(f"{package}/{name}")  # even if the tree lacks them
    yield from grouped(f"{wheel.name} lacks", expected - texts.keys())
    yield from grouped(f"{wheel.name} should not have", texts.keys() - expected)
    licence = next((name for name in metadata if name.endswith("/licenses/LICENSE")), None)
    if licence is None or metadata[licence] != (root / "LICENSE").read_bytes():
        yield f"{wheel.name} lacks the LICENSE: see license-files in pyproject.toml"
    points = next((t for n, t in metadata.items() if n.endswith("/entry_points.txt")), b"").decode()
    for group, line in ENTRY_POINTS.items():
        if f"{group}\n{line}\n" not in f"{points}\n":
            yield f"{wheel.name} lacks the entry point {line!r} in {group}: see pyproject.toml"


def sdist_problems(sdist: Path, root: Path) -> Iterator[str]:
    """Yield the differences between an sdist and its source tree."""
    with tarfile.open(sdist) as archive:
        names = {member.name.partition("/")[2] for member in archive if member.isfile()}
    expected = {name for needed in NEEDED for name in files_below(root, needed)}
    yield from grouped(f"{sdist.name} lacks", expected - names)
    strange = {name for name in names if CACHES & set(name.split("/")) or name.startswith("dist/")}
    yield from grouped(f"{sdist.name} should not have", strange)


def files_below(root: Path, name: str) -> Iterator[str]:
    """Yield a file, or the files of a folder except caches, by their names relative to the root."""
    path = root / name
    for file in [path] if path.is_file() else path.rglob("*"):
        if file.is_file() and not CACHES & set(file.parts):
            yield file.relative_to(root).as_posix()


def grouped(problem: str, names: set[str]) -> Iterator[str]:
    """Yield one line for each top-level folder, so that a missing package is one line."""
    folders: dict[str, list[str]] = {}
    for name in sorted(names):
        folders.setdefault(name.partition("/")[0], []).append(name)
    for first, *more in folders.values():
        others = f" and {len(more)} more in {first.partition('/')[0]}/" if more else ""
        yield f"{problem} {first}{others}: {REMEDY}"


# --- Use -----------------------------------------------------------------------------------------


def rebuild_problems(wheel: Path, sdist: Path) -> Iterator[str]:
    """Yield the differences after building both again from the unpacked sdist in another folder."""
    with tempfile.TemporaryDirectory() as scratch:
        with tarfile.open(sdist) as archive:
            archive.extractall(scratch, **SAFELY)  # noqa: S202 - our own archive
        (tree,) = Path(scratch).iterdir()
        for path in tree.rglob("*"):
            os.utime(path, (0, 0))  # the result must not depend on file times
        subprocess.check_call(
            [sys.executable, "-m", "hatchling", "build", "-d", "dist"],
            cwd=tree,
            stdout=subprocess.DEVNULL,
        )
        for file in (wheel, sdist):
            if digest(file) != digest(tree / "dist" / file.name):
                yield (
                    f"{file.name} differs when built from the sdist: compare both, "
                    "and set the same SOURCE_DATE_EPOCH for both"
                )


def use_problems(file: Path, environ: Mapping[str, str]) -> Iterator[str]:
    """Yield the failures of a wheel or sdist installed into an empty environment."""
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
            yield f"{file.name}: without its extra, the command does not suggest {NO_EXTRA!r}"


def example() -> str:
    """Return the first example of the README."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    found = re.search(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[1]


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
