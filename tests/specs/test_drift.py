"""scripts/drift.py and scripts/regenerate.py: reported differences, failures without effect."""

import shutil
from pathlib import Path

import drift
import pytest
import regenerate


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Two equal folders, one committed and one freshly generated."""
    for side in ("committed", "fresh"):
        (tmp_path / side / "package").mkdir(parents=True)
        (tmp_path / side / "package" / "same.py").write_text("a = 1\nb = 2\n")
    return tmp_path / "committed", tmp_path / "fresh"


def test_equal_folders_have_no_differences(folders: tuple[Path, Path]):
    assert drift.differences(*folders) == []


def test_compiled_files_are_ignored(folders: tuple[Path, Path]):
    (folders[0] / "package" / "__pycache__").mkdir()
    (folders[0] / "package" / "__pycache__" / "same.pyc").write_bytes(b"\x00\xff")
    assert drift.differences(*folders) == []


def test_an_edited_line_is_shown_with_the_expected_one(folders: tuple[Path, Path]):
    (folders[0] / "package" / "same.py").write_text("a = 1\nb = 3\n")
    lines = drift.differences(*folders)
    assert lines[0] == "different: package/same.py"
    assert {"-b = 3", "+b = 2"} < set(lines)


def test_surplus_and_missing_files_are_named(folders: tuple[Path, Path]):
    (folders[0] / "old.py").write_text("")
    (folders[1] / "new.py").write_text("")
    assert drift.differences(*folders) == ["surplus:   old.py", "missing:   new.py"]


def test_other_line_ends_are_a_difference(folders: tuple[Path, Path]):
    (folders[0] / "package" / "same.py").write_bytes(b"a = 1\r\nb = 2\r\n")
    assert drift.differences(*folders)[1] == "package/same.py: only the line ends differ"


def test_a_missing_folder_is_a_difference(folders: tuple[Path, Path]):
    shutil.rmtree(folders[0])
    assert drift.differences(*folders) == ["missing:   package/same.py"]


def test_a_long_report_is_cut_with_a_note():
    assert drift.capped(["a", "b", "c"], 2) == ["a", "b", "... and 1 more lines"]
    assert drift.capped(["a", "b"], 2) == ["a", "b"]


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the repository's openapi/, with its own generated/."""
    shutil.copytree(regenerate.OPENAPI, tmp_path / "openapi")
    (tmp_path / "generated").mkdir()
    (tmp_path / "generated" / "precious.py").write_text("")
    monkeypatch.setattr(regenerate, "ROOT", tmp_path)
    monkeypatch.setattr(regenerate, "OPENAPI", tmp_path / "openapi")
    monkeypatch.setattr(regenerate, "GENERATED", tmp_path / "generated")
    return tmp_path


@pytest.mark.parametrize(
    ("file", "old", "new", "problem"),
    [
        ("calling.yaml", "openapi: 3.1.0", "openapi: [3.1.0", "openapi/calling.yaml: "),
        ("calling.yaml", "'204':", "204:", "key 204 is not a string"),
        ("calling.yaml", "type: object", "type: thing", "'thing' is not valid"),
        ("calling.yaml", "callResult:", "call:", "/components/schemas/callResult has no target"),
        ("overlays/calling.yaml", "x-matches: 2", "x-matches: 3", "calling.yaml, action 2"),
        (
            "overlays/strict-reporting.yaml",
            "$.paths.*.get",
            "$.path.*.get",
            "nothing matches: delete",
        ),
    ],
)
def test_a_failed_run_gives_the_reason_and_leaves_generated_unchanged(
    repository: Path,
    capsys: pytest.CaptureFixture[str],
    file: str,
    old: str,
    new: str,
    problem: str,
):
    path = repository / "openapi" / file
    path.write_text(path.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
    before = sorted(repository.rglob("*"))
    assert regenerate.main() == 1
    captured = capsys.readouterr()
    assert problem in captured.err
    assert captured.err.endswith("generated/ is unchanged.\n")
    assert sorted(repository.rglob("*")) == before
