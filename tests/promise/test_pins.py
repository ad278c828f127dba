"""scripts/pins.py and bill_of_materials.py: what is pinned, and that changes of it are noticed."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import bill_of_materials
import pins
import pytest
from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
GROUPS = PYPROJECT["dependency-groups"]
FILES = sorted((ROOT / "requirements").iterdir())


def pinned(file: Path) -> dict[str, list[Version]]:
    """The versions in a file, by name; some are for one Python only."""
    found: dict[str, list[Version]] = {}
    for name, version in re.findall(
        r"^([\w.-]+)(?:\[[\w,]+\])?==(\S+)", file.read_text(encoding="utf-8"), re.MULTILINE
    ):
        found.setdefault(name.lower(), []).append(Version(version))
    return found


def wanted(group: str) -> list[Requirement]:
    """The requirements of a group, with those of the groups in it."""
    return [
        requirement
        for entry in GROUPS[group]
        for requirement in (
            wanted(entry["include-group"]) if isinstance(entry, dict) else [Requirement(entry)]
        )
    ]


def test_each_file_belongs_to_a_group_that_is_pinned():
    assert [file.stem for file in FILES] == sorted(pins.GROUPS)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_file_has_a_hash_for_every_version_and_the_address_of_no_index(file: Path):
    text = file.read_text(encoding="utf-8")
    assert text.startswith(pins.HEADER.format(group=file.stem))
    entries = re.split(r"\n(?=\w)", text.partition("\n")[2])
    for entry in entries:
        assert re.fullmatch(
            r"[\w.\[\],-]+==\S+(?: ; [^\\\n]+)?(?: \\\n    --hash=sha256:[0-9a-f]{64})+\n?", entry
        ), entry[:200]
    assert "://" not in text


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_file_has_what_its_group_asks_for(file: Path):
    versions = pinned(file)
    for requirement in wanted(file.stem):
        found = versions[requirement.name.lower()]
        assert any(requirement.specifier.contains(version) for version in found), requirement


def test_all_files_together_are_less_than_a_mebibyte():
    assert sum(file.stat().st_size for file in FILES) < 2**20


def test_a_file_that_is_missing_old_or_of_no_group_is_named(tmp_path: Path):
    texts = {"build": "a==1\n", "lint": "b==1\n", "uv": "c==1\n"}
    (tmp_path / "build.txt").write_text(texts["build"])
    (tmp_path / "lint.txt").write_text("b==0\n")
    (tmp_path / "gone.txt").write_text("d==1\n")
    problems = list(pins.differences(texts, tmp_path))
    assert [problem.partition("/")[2] for problem in problems] == [
        "lint.txt does not fit pyproject.toml: run `nox -s pins`",
        "uv.txt is missing: run `nox -s pins`",
        "gone.txt belongs to no group that is pinned: run `nox -s pins`",
    ]


def test_a_bill_of_materials_is_of_what_users_install():
    project = tomllib.loads(bill_of_materials.reduced(PYPROJECT["project"], "1.2.3"))
    assert project["project"] == {
        "name": "sinchvoice",
        "version": "1.2.3",
        **{
            key: PYPROJECT["project"][key]
            for key in ("requires-python", "dependencies", "optional-dependencies")
        },
    }
    assert "dependency-groups" not in project
