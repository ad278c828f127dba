"""Pins the tools of CI and of a release, each file by its hash: `nox -s pins` runs this file.

    python scripts/pins.py              adds what pyproject.toml asks for, keeps what still fits
    python scripts/pins.py --upgrade    takes the newest versions that pyproject.toml allows
    python scripts/pins.py --check      changes nothing; exits with 1 if a file is not current

Each dependency group in `GROUPS` has a file in requirements/, for every supported Python and
platform, without the address of an index. Libraries that only tests use are not pinned: a new
release of one that breaks us should be seen at once, and no release is built beside them.
"""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "requirements"
GROUPS = ("build", "docs", "generate", "lint", "nox", "promise", "typecheck", "uv")
HEADER = "# Written by `nox -s pins` from the group {group} in pyproject.toml: do not edit.\n"
REMEDY = "run `nox -s pins`"


def main(arguments: Sequence[str]) -> int:
    """Write the files, or check them, and return the exit code."""
    parser = argparse.ArgumentParser(prog="pins.py", description="Pin tools by their hashes.")
    parser.add_argument("--upgrade", action="store_true", help="take the newest versions")
    parser.add_argument("--check", action="store_true", help="fail if a file is not current")
    options = parser.parse_args(arguments)
    texts = {group: compiled(group, upgrade=options.upgrade) for group in GROUPS}
    if options.check:
        problems = list(differences(texts, FOLDER))
        print("\n".join(problems or [f"{FOLDER.name}/ is current"]))
        return 1 if problems else 0
    FOLDER.mkdir(exist_ok=True)
    for group, text in texts.items():
        (FOLDER / f"{group}.txt").write_text(text, encoding="utf-8")
    for old in strangers(FOLDER):
        old.unlink()
    return 0


def compiled(group: str, *, upgrade: bool = False, root: Path = ROOT) -> str:
    """Return the pins of a group.

    Args:
        group: A dependency group.
        upgrade: Whether to forget the versions in the present file.
        root: The folder of pyproject.toml and requirements/.
    """
    present = root / "requirements" / f"{group}.txt"
    with tempfile.TemporaryDirectory() as scratch:
        output = Path(scratch, present.name)
        if present.exists() and not upgrade:
            output.write_bytes(present.read_bytes())  # uv keeps its versions where they fit
        subprocess.run(
            [
                *(sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--no-config"),
                *("--group", f"{root / 'pyproject.toml'}:{group}"),
                *("--universal", "--python-version", "3.11", "--no-build"),
                *("--generate-hashes", "--no-header", "--no-annotate"),
                *("--output-file", str(output)),
            ],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        return HEADER.format(group=group) + output.read_text(encoding="utf-8")


def differences(texts: dict[str, str], folder: Path) -> Iterator[str]:
    """Yield a line for each file that is missing, not current, or of no group.

    Args:
        texts: The files as they should be, by group.
        folder: The files as they are.
    """
    for group, text in texts.items():
        file = folder / f"{group}.txt"
        if not file.exists():
            yield f"{folder.name}/{file.name} is missing: {REMEDY}"
        elif file.read_text(encoding="utf-8") != text:
            yield f"{folder.name}/{file.name} does not fit pyproject.toml: {REMEDY}"
    for file in strangers(folder):
        yield f"{folder.name}/{file.name} belongs to no group that is pinned: {REMEDY}"


def strangers(folder: Path) -> list[Path]:
    """Return the files of a folder that belong to no group."""
    return [file for file in sorted(folder.iterdir()) if file.stem not in GROUPS]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
