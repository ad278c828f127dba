"""Run sessions of the noxfile from nothing but Python: `python3 scripts/bootstrap.py tests`.

Makes .venv if it is needed, installs nox into it, and runs `nox -s NAME...` there. Uses the
standard library only, and syntax that old Pythons can read, so that they can be told.
"""

import os
import subprocess
import sys

NOX = "nox==2026.10.20"
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
VENV = os.path.join(ROOT, ".venv")
PYTHON = os.path.join(
    VENV, *(("Scripts", "python.exe") if os.name == "nt" else ("bin", "python"))
)


def main(names):
    if sys.version_info < (3, 11):
        return "this needs Python 3.11 or later; %s is %d.%d: run it with a newer one" % (
            (sys.executable,) + tuple(sys.version_info[:2])
        )
    if not names or names[0].startswith("-"):
        return "usage: python3 scripts/bootstrap.py SESSION... [-- ARGUMENTS]"
    if not is_usable() and not succeeds(sys.executable, "-m", "venv", "--clear", VENV):
        return (
            "%s cannot make a virtual environment with pip: install its venv and ensurepip modules "
            "(on Debian and Ubuntu: apt install python3-venv)" % sys.executable
        )
    if not has_nox():
        install = [PYTHON, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", NOX]
        if subprocess.call(install) != 0:
            return "pip could not install %s: is the package index within reach?" % NOX
    return subprocess.call([PYTHON, "-m", "nox", "-s"] + names, cwd=ROOT)


def is_usable():
    """Whether .venv is complete and of the Python that runs this."""
    version = "import sys, pip; sys.exit(sys.version_info[:2] != %r)" % (sys.version_info[:2],)
    return os.path.exists(PYTHON) and succeeds(PYTHON, "-c", version)


def has_nox():
    check = "from importlib.metadata import version; assert 'nox==' + version('nox') == %r" % NOX
    return succeeds(PYTHON, "-c", check)


def succeeds(*command):
    with open(os.devnull, "w") as nowhere:
        return subprocess.call(command, stdout=nowhere, stderr=nowhere) == 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
