"""scripts/check_dist.py: it refuses incomplete or wrong distributions."""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import check_dist
import pytest
from release import version_of

ROOT = Path(__file__).parents[2]
VERSION = version_of(ROOT)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The wheel and the sdist of the tree."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "-d", str(folder)]
    subprocess.run(command, check=True, cwd=ROOT, stdout=subprocess.DEVNULL)
    return check_dist.newest(folder, "*.whl"), check_dist.newest(folder, "*.tar.gz")


def rewritten_wheel(
    wheel: Path, folder: Path, change: Callable[[str, bytes], bytes | None]
) -> Path:
    """Copy a wheel; `change` returns the new bytes of a file, or None to omit it."""
    path = folder / wheel.name
    with zipfile.ZipFile(wheel) as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            content = change(name, old.read(name))
            if content is not None:
                new.writestr(name, content)
    return path


def with_files(file: Path, folder: Path, *names: str) -> Path:
    """Copy a wheel and add files."""
    path = Path(shutil.copy(file, folder))
    with zipfile.ZipFile(path, "a") as archive:
        for name in names:
            archive.writestr(name, b"")
    return path


def rewritten_sdist(
    sdist: Path, folder: Path, change: Callable[[str, bytes], bytes | None]
) -> Path:
    """Copy an sdist; `change` as for `rewritten_wheel`."""
    path = folder / sdist.name
    with tarfile.open(sdist) as old, tarfile.open(path, "w:gz") as new:
        for member in old:
            opened = old.extractfile(member)
            assert opened is not None
            content = change(member.name.partition("/")[2], opened.read())
            if content is not None:
                member.size = len(content)
                new.addfile(member, io.BytesIO(content))
    return path


def test_the_distributions_are_complete(built: tuple[Path, Path]):
    wheel, sdist = built
    assert list(check_dist.wheel_problems(wheel, ROOT)) == []
    assert list(check_dist.sdist_problems(sdist, ROOT)) == []


def test_a_build_from_the_sdist_gives_the_same_bytes(built: tuple[Path, Path]):
    assert list(check_dist.rebuild_problems(*built)) == []


def test_another_source_date_epoch_gives_other_bytes(
    built: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000001")
    problems = list(check_dist.rebuild_problems(*built))
    assert [line.partition(" differs")[0] for line in problems] == [f.name for f in built]
    assert all("set the same SOURCE_DATE_EPOCH for both" in line for line in problems)


@pytest.mark.parametrize(
    ("gone", "problem"),
    [
        ("sinchvoice_calling/", "lacks sinchvoice_calling/__init__.py and "),
        ("sinchvoice_reporting/", "more in sinchvoice_reporting/: see [tool.hatch.build"),
        ("sinchvoice_calling/py.typed", "lacks sinchvoice_calling/py.typed: see"),
        ("sinchvoice/cdr/kpis.sql", "lacks sinchvoice/cdr/kpis.sql: see"),
        ("sinchvoice_calling/svaml.schema.json", "lacks sinchvoice_calling/svaml.schema.json"),
        ("pytest_sinchvoice.py", "lacks pytest_sinchvoice.py: see"),
        (f"sinchvoice-{VERSION}.dist-info/licenses/", "lacks the LICENSE: see license-files"),
        (
            f"sinchvoice-{VERSION}.dist-info/entry_points.txt",
            "lacks the entry point 'sinchvoice = ",
        ),
    ],
)
def test_an_incomplete_wheel_is_refused(
    gone: str, problem: str, built: tuple[Path, Path], tmp_path: Path
):
    wheel = rewritten_wheel(
        built[0], tmp_path, lambda name, content: None if name.startswith(gone) else content
    )
    problems = list(check_dist.wheel_problems(wheel, ROOT))
    assert problems
    assert any(problem in line for line in problems)
    assert all(line.startswith(f"sinchvoice-{VERSION}-py3-none-any.whl lacks") for line in problems)


def test_a_wheel_without_generated_code_is_refused_even_if_the_tree_has_none(
    built: tuple[Path, Path], tmp_path: Path
):
    shutil.copytree(ROOT / "facade", tmp_path / "facade")
    shutil.copy(ROOT / "LICENSE", tmp_path)
    wheel = rewritten_wheel(
        built[0], tmp_path, lambda name, content: None if "calling/" in name else content
    )
    problems = "\n".join(check_dist.wheel_problems(wheel, tmp_path))
    assert "lacks sinchvoice_calling/__init__.py and 1 more in sinchvoice_calling/" in problems


@pytest.mark.parametrize("name", ["tests/test_calls.py", "openapi/calling.yaml", "sinchvoice/x.py"])
def test_a_wheel_with_other_files_is_refused(name: str, built: tuple[Path, Path], tmp_path: Path):
    wheel = with_files(built[0], tmp_path, name)
    (problem,) = check_dist.wheel_problems(wheel, ROOT)
    assert f"should not have {name}" in problem


def test_a_wheel_with_another_command_is_refused(built: tuple[Path, Path], tmp_path: Path):
    wheel = rewritten_wheel(
        built[0], tmp_path, lambda name, content: content.replace(b".__main__:command", b".cli:run")
    )
    (problem,) = check_dist.wheel_problems(wheel, ROOT)
    assert "lacks the entry point 'sinchvoice = sinchvoice.__main__:command'" in problem


@pytest.mark.parametrize("gone", ["openapi/overlays", "tests/conftest.py", "promise", "LICENSE"])
def test_an_incomplete_sdist_is_refused(gone: str, built: tuple[Path, Path], tmp_path: Path):
    sdist = rewritten_sdist(
        built[1], tmp_path, lambda name, content: None if name.startswith(gone) else content
    )
    (problem,) = check_dist.sdist_problems(sdist, ROOT)
    assert f"sinchvoice-{VERSION}.tar.gz lacks {gone}" in problem


def test_a_wheel_that_differs_from_a_build_of_the_sdist_is_refused(
    built: tuple[Path, Path], tmp_path: Path
):
    wheel = with_files(built[0], tmp_path, "sinchvoice/late.py")
    problems = list(check_dist.rebuild_problems(wheel, built[1]))
    assert [line.partition(" differs")[0] for line in problems] == [wheel.name]


def test_a_wheel_with_generated_code_that_cannot_be_imported_is_refused(
    built: tuple[Path, Path], tmp_path: Path, capfd: pytest.CaptureFixture[str]
):
    wheel = rewritten_wheel(
        built[0],
        tmp_path,
        lambda name, content: (
            b"import nothing_like_it" if name.endswith("/call_leg.py") else content
        ),
    )
    problems = list(check_dist.use_problems(wheel, {}))
    assert problems[0] == (
        f"{wheel.name}: the generated code does not work in an empty environment: see above"
    )
    assert "nothing_like_it" in capfd.readouterr().err


def test_a_folder_without_a_wheel_is_an_error(tmp_path: Path):
    with pytest.raises(SystemExit, match=r"has no \*\.whl: build first"):
        check_dist.newest(tmp_path, "*.whl")
