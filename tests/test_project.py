"""The distributed packages, and the scripts that run from the repository."""

from __future__ import annotations

import ast
import importlib
import io
import pkgutil
import runpy
import subprocess
import sys
from contextlib import redirect_stdout
from importlib.metadata import distribution, version
from pathlib import Path

import pytest
import sinchvoice
import sinchvoice_calling
import sinchvoice_reporting

ROOT = Path(__file__).parent.parent
PACKAGES = [sinchvoice, sinchvoice_calling, sinchvoice_reporting]


def test_the_installed_wheel_is_tested_and_not_the_tree():
    for package in PACKAGES:
        assert ROOT / "facade" not in Path(str(package.__file__)).parents
        assert ROOT / "generated" not in Path(str(package.__file__)).parents
    assert version("sinchvoice") == sinchvoice.__version__


# Only the sessions `browser` and `spark` have the packages that these files import.
NEED_AN_EXTRA = {
    "sinchvoice.cdr.page.charts",
    "sinchvoice.cdr.page.sections",
    "sinchvoice.cdr.spark_source",
}


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.__name__)
def test_every_module_can_be_imported_and_is_typed(package):
    folder = Path(package.__file__).parent
    assert (folder / "py.typed").exists()
    names = [m.name for m in pkgutil.walk_packages([str(folder)], f"{package.__name__}.")]
    assert names
    for name in names:
        if name not in NEED_AN_EXTRA:
            importlib.import_module(name)


def test_the_wheel_requires_only_attrs_and_httpx_with_its_engine():
    requirements = [r for r in distribution("sinchvoice").requires or [] if "extra ==" not in r]
    names = sorted(r.split(">")[0].split("<")[0] for r in requirements)
    assert names == ["attrs", "httpcore", "httpx"]


def test_the_wheel_has_its_licence_and_no_tests():
    names = [str(file) for file in distribution("sinchvoice").files or []]
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert not any("tests/" in name or "conftest" in name for name in names)


def test_the_demo_shows_the_main_use_case():
    with redirect_stdout(io.StringIO()) as output:
        runpy.run_path(str(ROOT / "scripts" / "demo.py"), run_name="__main__")
    shown = output.getvalue()
    for part in (
        "success  failed  seconds",
        "Ongoing calls: 3",
        "Service rtpproxy: up",
        "app user myUserName -> phone +12125550123: ONGOING",
        "-> SIP +19876543210@example.sip.sinch.com: ONGOING",
        "-> app user myUserName: ONGOING",
        "the callee heard Say(text='This call is about to end.', locale='en-US')",
        "FINAL, ANSWERED, MANAGERHANGUP",
        "AuthenticationError: GET",
        "40102",
        "PromptInput return join\n  in the conference: +12125550100\n  DisconnectedCall ANSWERED",
        "billed: call ",
    ):
        assert part in shown


# --- scripts/bootstrap.py ------------------------------------------------------------------------

BOOTSTRAP = ROOT / "scripts" / "bootstrap.py"


def test_an_old_python_can_parse_the_bootstrap():
    ast.parse(BOOTSTRAP.read_text(encoding="utf-8"), feature_version=(3, 7))


def run_bootstrap(prelude: str, *arguments: str) -> tuple[int, str]:
    """Run the bootstrap's main after changing its environment with Python code."""
    code = (
        "import sys, runpy\n"
        f"names = runpy.run_path({str(BOOTSTRAP)!r}, run_name='bootstrap')\n"
        "main = names['main']\n"
        f"{prelude}\n"
        f"sys.exit(main({list(arguments)!r}))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    return run.returncode, run.stdout + run.stderr


def test_an_old_python_gets_a_one_line_error():
    code, output = run_bootstrap("sys.version_info = (3, 10, 13)", "tests")
    assert code == 1
    assert output.count("\n") == 1
    assert "is Python 3.10, not 3.11 or later" in output


def test_a_python_without_venv_gets_a_one_line_error(tmp_path: Path):
    code, output = run_bootstrap(
        "from pathlib import Path\n"
        f"here = Path({str(tmp_path)!r}) / '.venv'\n"
        "main.__globals__.update(VENV=here, MARK=here / 'mark', PYTHON=here / 'python')\n"
        "main.__globals__['succeeds'] = lambda *command: False",
        "tests",
    )
    assert code == 1
    assert output.count("\n") == 1
    assert "python3-venv" in output


def test_a_foreign_environment_is_not_modified(tmp_path: Path):
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / "precious").touch()
    code, output = run_bootstrap(
        "from pathlib import Path\n"
        f"here = Path({str(tmp_path)!r}) / '.venv'\n"
        "main.__globals__.update(VENV=here, MARK=here / 'mark', PYTHON=here / 'python')",
        "tests",
    )
    assert code == 1
    assert output.count("\n") == 1
    assert "remove or rename it" in output
    assert (tmp_path / ".venv" / "precious").exists()


def test_an_unreachable_index_gives_a_one_line_error():
    code, output = run_bootstrap(
        "main.__globals__.update(is_usable=lambda: True, has_nox=lambda: False)\n"
        "main.__globals__['subprocess'].call = lambda command, **options: 1",
        "tests",
    )
    assert code == 1
    assert output.count("\n") == 1
    assert "package index" in output


@pytest.mark.parametrize("arguments", [(), ("--help",)])
def test_the_bootstrap_shows_its_usage(arguments: tuple[str, ...]):
    code, output = run_bootstrap("", *arguments)
    assert code == 1
    assert output.startswith("usage: ")
