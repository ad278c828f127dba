""".github/workflows: only sessions, pinned actions, few permissions, nothing found by zizmor."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
NOXFILE = (ROOT / "noxfile.py").read_text(encoding="utf-8")
SESSIONS = set(re.findall(r"^@nox\.session.*\ndef (\w+)\(", NOXFILE, re.MULTILINE))


def jobs(workflow: Path) -> dict[str, Any]:
    return yaml.safe_load(workflow.read_text(encoding="utf-8"))["jobs"]


def commands(workflow: Path) -> list[tuple[str, dict[str, Any]]]:
    """Yield the command of each step and its job."""
    return [
        (step["run"], job)
        for job in jobs(workflow).values()
        for step in job["steps"]
        if "run" in step
    ]


def test_there_are_four():
    assert [workflow.stem for workflow in WORKFLOWS] == ["ci", "docs", "drift", "release"]


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_runs_only_sessions(workflow: Path):
    for command, job in commands(workflow):
        found = re.fullmatch(
            r"python scripts/bootstrap\.py ([\w ]+|\"\$\{SESSION\}\")"
            r"(?: -- \"\$\{GITHUB_REF_NAME\}\")?",
            command,
        )
        assert found, command
        named = found[1].split()
        assert set(job["strategy"]["matrix"]["session"] if "$" in found[1] else named) <= SESSIONS


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)
def test_an_action_is_pinned_by_commit_with_its_version(workflow: Path):
    lines = re.findall(r"uses: (.*)", workflow.read_text(encoding="utf-8"))
    assert lines
    for line in lines:
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line)


def test_an_action_has_the_same_commit_everywhere():
    texts = "\n".join(workflow.read_text(encoding="utf-8") for workflow in WORKFLOWS)
    pins = set(re.findall(r"uses: (\S+@\S+)", texts))
    assert len({pin.partition("@")[0] for pin in pins}) == len(pins)


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)
def test_permissions_are_given_per_job(workflow: Path):
    text = yaml.safe_load(workflow.read_text(encoding="utf-8"))
    assert text["permissions"] == {}
    allowed = {
        ("docs", "publish"): {"pages": "write", "id-token": "write"},
        ("drift", "upstream"): {"contents": "read", "issues": "write"},
        ("release", "attest"): {"id-token": "write", "attestations": "write"},
        ("release", "index"): {"id-token": "write"},
        ("release", "github"): {"contents": "write"},
    }
    for name, job in text["jobs"].items():
        assert job["permissions"] == allowed.get((workflow.stem, name), {"contents": "read"})
        assert "timeout-minutes" in job


def test_all_supported_versions_of_python_are_tested():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    supported = [
        name.rpartition(" ")[2]
        for name in project["classifiers"]
        if re.fullmatch(r".* :: 3\.\d+", name)
    ]
    assert jobs(WORKFLOWS[0])["tests"]["strategy"]["matrix"]["python"] == supported


def test_the_workflow_requires_the_sessions_of_ci_run():
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8").replace("\\\n", " ")
    local = re.findall(r"bootstrap\.py ([ \w]+)", script)
    matrix = jobs(WORKFLOWS[0])["sessions"]["strategy"]["matrix"]["session"]
    there = {name for command, _ in commands(WORKFLOWS[0]) for name in command.split()[2:]}
    names = {name for line in local for name in line.split()}
    assert {"tests", "lint", "drift", "examples", "node_sdk"} <= names <= {*there, *matrix}


def test_what_is_published_is_built_by_a_job_that_runs_no_tests_and_holds_no_right():
    release = jobs(next(workflow for workflow in WORKFLOWS if workflow.stem == "release"))
    uploads = [
        name
        for name, job in release.items()
        if any("upload-artifact" in step.get("uses", "") for step in job["steps"])
    ]
    assert uploads == ["build"]
    run = [step["run"].split()[2:] for step in release["build"]["steps"] if "run" in step]
    assert run == [["release_notes", "--", '"${GITHUB_REF_NAME}"'], ["build", "sbom"]]


def test_nothing_is_published_that_was_not_tested():
    release = jobs(next(workflow for workflow in WORKFLOWS if workflow.stem == "release"))
    order = ["build", "checks", "attest", "index", "github"]
    assert list(release) == order
    assert [release[name]["needs"] for name in order[1:]] == order[:-1]
    assert "check_dist tests" in release["checks"]["steps"][-1]["run"]


def test_contributing_lists_every_session():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`.*?) \|", text, re.MULTILINE)
    assert {name for row in rows for name in re.findall(r"`(\w+)`", row)} == SESSIONS


SABOTAGE = {
    "unpinned-uses": ("checkout@de0fac2e4500dabe0009e67214ff5f5447ce83dd # v6.0.2", "checkout@v6"),
    "excessive-permissions": ("permissions: {}", "permissions: write-all"),
    "artipacked": ("        with:\n          persist-credentials: false\n", ""),
    "template-injection": ('release_notes -- "${GITHUB_REF_NAME}"', "${{ github.head_ref }}"),
    "dangerous-triggers": ("on:\n  push:", "on:\n  pull_request_target:\n  push:"),
}


def zizmor(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("zizmor")), "--offline", "--pedantic"]
    return subprocess.run(
        [*command, "--format=plain", "--strict-collection", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    return Path(shutil.copytree(ROOT / ".github" / "workflows", tmp_path / ".github" / "workflows"))


def test_zizmor_finds_nothing(copied: Path):
    run = zizmor(copied)
    assert run.returncode == 0, run.stdout


@pytest.mark.parametrize("audit", SABOTAGE)
def test_zizmor_finds_sabotage(audit: str, copied: Path):
    old, new = SABOTAGE[audit]
    file = copied / "release.yml"
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new), encoding="utf-8")
    run = zizmor(copied)
    assert run.returncode != 0
    assert f"[{audit}]" in run.stdout
