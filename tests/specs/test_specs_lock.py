"""scripts/specs_lock.py and openapi/specs.lock: nothing vendored changes unnoticed."""

import re
import shutil
from pathlib import Path

import drift
import pytest
import regenerate
import specs_lock
from published import operations
from publisher import OPENAPI
from spec_diff import read

README = (OPENAPI / "README.md").read_text(encoding="utf-8")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of openapi/ to change."""
    return Path(shutil.copytree(OPENAPI, tmp_path / "openapi"))


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def test_the_specifications_match_the_lock():
    assert specs_lock.stale(OPENAPI) == [], "run `nox -s regenerate`"


def test_the_lock_has_all_specifications_and_their_sources():
    lock = specs_lock.read(OPENAPI)
    assert set(lock.specs) == set(regenerate.PACKAGES)
    assert lock.url.startswith("https://developers.sinch.com/")
    described = set(re.findall(r"^\| ([^|]+?) \|", README, re.MULTILINE))
    for spec in lock.specs.values():
        assert spec.sources
        assert set(spec.sources) <= described


@pytest.mark.parametrize("name", regenerate.PACKAGES)
def test_an_operation_declared_absent_is_vendored(name: str):
    vendored = {operation.name for operation in operations(read(str(OPENAPI / f"{name}.yaml")))}
    assert set(specs_lock.read(OPENAPI).specs[name].absent) <= vendored


def test_a_changed_specification_is_detected_and_recorded(folder: Path):
    edit(folder / "reporting.yaml", "Sinch Call Report API", "Sinch Report API")
    locked = (folder / "specs.lock").read_text(encoding="utf-8")
    old, new = (
        specs_lock.read(OPENAPI).specs["reporting"].sha256,
        specs_lock.checksum(folder, "reporting"),
    )
    (line,) = specs_lock.stale(folder)
    assert line == (
        f"openapi/reporting.yaml differs from openapi/specs.lock (sha256 {new}, not {old})"
    )
    assert specs_lock.record(folder) == ["reporting"]
    assert specs_lock.stale(folder) == []
    assert (folder / "specs.lock").read_text(encoding="utf-8") == locked.replace(old, new)
    assert specs_lock.record(folder) == []


def test_other_line_ends_are_the_same_specification(folder: Path):
    path = folder / "reporting.yaml"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert specs_lock.stale(folder) == []


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("[published]", "[published", "Expected ']'"),
        ("url = ", "address = ", "published needs url, a str"),
        ("sources = [", "source = [", "calling needs sources, a list"),
        ("retrieved = 2026-11-20", 'retrieved = "yesterday"', "calling needs retrieved, a date"),
        ('sha256 = "', 'sha256 = "x', "calling needs sha256, 64 hexadecimal digits"),
        ("[specs.", "[spec.", r"has no table \[specs.NAME\]"),
        ("[specs.calling]", "[specs.other]", "openapi/other.yaml: .*No such file"),
        (
            "[specs.reporting.absent]",
            "[[specs.reporting.absent]]",
            "needs a reason for each operation",
        ),
    ],
)
def test_an_unusable_lock_gives_the_reason(folder: Path, old: str, new: str, problem: str):
    edit(folder / "specs.lock", old, new)
    with pytest.raises(specs_lock.LockError, match=problem):
        specs_lock.stale(folder)


def test_drift_fails_if_a_specification_was_changed_without_the_lock(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(regenerate, "ROOT", folder.parent)
    monkeypatch.setattr(regenerate, "OPENAPI", folder)
    monkeypatch.setattr(drift, "OPENAPI", folder)
    # A comment does not change the generated code.
    edit(folder / "reporting.yaml", "openapi: 3.1.0\n", "openapi: 3.1.0 # as published\n")
    assert drift.main() == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("openapi/reporting.yaml differs from openapi/specs.lock")
    assert lines[-2].endswith("run `nox -s regenerate` and review the change.")
    assert len(lines) == 4


def test_regenerating_records_the_checksums(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(regenerate, "ROOT", folder.parent)
    monkeypatch.setattr(regenerate, "OPENAPI", folder)
    monkeypatch.setattr(regenerate, "GENERATED", folder.parent / "generated")
    edit(folder / "reporting.yaml", "openapi: 3.1.0\n", "openapi: 3.1.0 # as published\n")
    assert regenerate.main() == 0
    assert "openapi/specs.lock: new checksum of reporting:" in capsys.readouterr().out
    assert specs_lock.stale(folder) == []
