"""Run sessions of the noxfile with nothing but Python: `python3 scripts/bootstrap.py tests`.

Creates .venv if necessary, installs nox into it, and runs `nox -s NAME...` there. Uses only the
standard library, and syntax that an older Python 3 can parse before it is refused.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PINS = ROOT / "requirements" / "nox.txt"
VENV = ROOT / ".venv"
MARK = VENV / "made-by-bootstrap"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def main(arguments: "list[str]") -> "int | str":
    """Run the sessions and return the exit code, or an error message."""
    if sys.version_info < (3, 11):
        version = ".".join(map(str, sys.version_info[:2]))
        return f"{sys.executable} is Python {version}, not 3.11 or later: run a newer one"
    if not arguments or arguments[0].startswith("-"):
        return "usage: python3 scripts/bootstrap.py SESSION... (CONTRIBUTING.md lists the sessions)"
    if not is_usable():
        if VENV.exists() and not MARK.exists():
            return f"{VENV} belongs to another Python or has no pip: remove or rename it"
        if not make():
            return (
                f"{sys.executable} cannot create a virtual environment with pip: install its venv "
                "and ensurepip modules (on Debian and Ubuntu: apt install python3-venv)"
            )
    if not has_nox():
        pip = [str(PYTHON), "-m", "pip", "--disable-pip-version-check"]
        if subprocess.call([*pip, "install", "--quiet", "--require-hashes", "-r", str(PINS)]) != 0:
            return f"pip could not install {nox()}: check the access to the package index"
    return subprocess.call([PYTHON, "-m", "nox", "-s", *arguments], cwd=str(ROOT))


def is_usable() -> bool:
    """Tell whether .venv is complete and has the version of this Python."""
    version = tuple(sys.version_info[:2])
    return PYTHON.exists() and succeeds(
        PYTHON, "-c", f"import pip, sys; sys.exit(sys.version_info[:2] != {version})"
    )


def make() -> bool:
    """Create a new .venv, marked first so that an incomplete one is recognized later."""
    shutil.rmtree(str(VENV), ignore_errors=True)
    VENV.mkdir()
    MARK.touch()
    return succeeds(sys.executable, "-m", "venv", VENV)


def has_nox() -> bool:
    """Tell whether .venv has the pinned nox."""
    check = "from importlib.metadata import version; assert 'nox==' + version('nox') == "
    return succeeds(PYTHON, "-c", check + repr(nox()))


def nox() -> str:
    """Return the pin of nox, such as `nox==2026.10.20`."""
    lines = PINS.read_text(encoding="utf-8").splitlines()
    return next(line.split()[0] for line in lines if line.startswith("nox=="))


def succeeds(*command: "str | Path") -> bool:
    """Tell whether a command exits with 0; its output is discarded."""
    words = [str(word) for word in command]
    return subprocess.call(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) == 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
