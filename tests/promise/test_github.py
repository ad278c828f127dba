"""scripts/drift_issue.py and scripts/release.py, against a GitHub on a local port."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

import attrs
import drift_issue
import pytest
import release

TOKEN = "not-a-real-token"
REPORT = "2 changes\n\n- `response-property-removed`: `duration`"


@attrs.define
class FakeGitHub:
    """The parts of GitHub's API that the scripts use, for one repository."""

    url: str = ""
    issues: list[dict[str, Any]] = attrs.field(factory=list)
    releases: list[dict[str, Any]] = attrs.field(factory=list)
    comments: list[str] = attrs.field(factory=list)
    assets: dict[str, bytes] = attrs.field(factory=dict)
    changes: list[str] = attrs.field(factory=list)
    refuses: int = 0

    @property
    def environ(self) -> dict[str, str]:
        return {
            "GITHUB_API_URL": self.url,
            "GITHUB_REPOSITORY": "octo/voice",
            "GITHUB_SERVER_URL": "https://github.example",
            "GITHUB_TOKEN": TOKEN,
        }

    def add_issue(self, **fields: Any) -> dict[str, Any]:
        number = len(self.issues) + 1
        issue = {"number": number, "state": "open", "labels": ["upstream"], "title": "", "body": ""}
        self.issues.append(issue | fields)
        return self.issues[-1]

    def answer(self, method: str, target: str, body: bytes, content_type: str) -> tuple[int, Any]:
        if self.refuses:
            return self.refuses, {"message": "Resource not accessible by integration"}
        if method != "GET":
            self.changes.append(f"{method} {target}")
        is_file = "/upload/" in target
        assert content_type == ("application/octet-stream" if is_file else "application/json")
        parts, query = urlsplit(target), parse_qs(urlsplit(target).query)
        path = parts.path.removeprefix("/repos/octo/voice")
        match (method, *path.strip("/").split("/")):
            case ("GET", "issues"):
                wanted, state = query["labels"][0], query["state"][0]
                return 200, [
                    i for i in self.issues if wanted in i["labels"] and i["state"] == state
                ]
            case ("POST", "issues"):
                return 201, self.add_issue(**json.loads(body))
            case ("PATCH", "issues", number):
                self.issues[int(number) - 1].update(json.loads(body))
                return 200, self.issues[int(number) - 1]
            case ("POST", "issues", _, "comments"):
                self.comments.append(json.loads(body)["body"])
                return 201, {}
            case ("GET", "releases"):
                return 200, self.releases
            case ("POST", "releases"):
                made = {"id": 7, "upload_url": f"{self.url}/upload/7{{?name,label}}"}
                self.releases.append(made | json.loads(body))
                return 201, self.releases[-1]
            case ("DELETE", "releases", number):
                self.releases = [r for r in self.releases if r["id"] != int(number)]
                return 204, None
            case ("POST", "upload", "7"):
                self.assets[query["name"][0]] = body
                return 201, {}
            case ("PATCH", "releases", "7"):
                self.releases[-1].update(json.loads(body))
                return 200, {"html_url": "https://github.example/octo/voice/releases/v0.1.0"}
        return 404, {"message": "Not Found"}


@pytest.fixture
def github() -> Iterator[FakeGitHub]:
    """GitHub on a local port, with the token."""
    fake = FakeGitHub()

    class Handler(BaseHTTPRequestHandler):
        def do(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            kind = self.headers["Content-Type"]
            status, value = fake.answer(self.command, self.path, body, kind)
            if self.headers["Authorization"] != f"Bearer {TOKEN}":
                status, value = 401, {"message": "Bad credentials"}
            self.send_response(status)
            self.end_headers()
            self.wfile.write(b"" if value is None else json.dumps(value).encode())

        do_GET = do_POST = do_PATCH = do_DELETE = do  # noqa: N815

        def log_message(self, *arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        fake.url = f"http://127.0.0.1:{server.server_port}"
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield fake
        server.shutdown()
        thread.join()


# --- Drift issue ---------------------------------------------------------------------------------


def compared(code: int, report: str, github: FakeGitHub, *arguments: str) -> int:
    """Run drift_issue with an upstream.py that exits with a code and writes a report."""
    stub = (
        "import sys, pathlib\n"
        "(output,) = [word for word in sys.argv if word.startswith('--output=')]\n"
        "assert '--format=markdown' in sys.argv\n"
        f"report = {report!r} + ' '.join(sys.argv[3:])\n"
        "pathlib.Path(output.partition('=')[2]).write_text(report)\n"
        f"sys.exit({code})"
    )
    return drift_issue.main(arguments, github.environ, [sys.executable, "-c", stub])


def test_the_first_difference_opens_an_issue(
    github: FakeGitHub, capsys: pytest.CaptureFixture[str]
):
    assert compared(1, REPORT, github) == 0
    (issue,) = github.issues
    assert issue["labels"] == ["upstream"]
    assert issue["title"] == "The vendor's published API has changed"
    assert issue["body"].startswith(REPORT)
    assert "nox -s upstream" in issue["body"]
    assert capsys.readouterr().out == "opened issue 1\n"


def test_another_difference_updates_the_same_issue(github: FakeGitHub):
    for night in ("first", "second", "third"):
        assert compared(1, night, github) == 0
    (issue,) = github.issues
    assert issue["body"].startswith("third")


def test_the_same_difference_changes_nothing(
    github: FakeGitHub, capsys: pytest.CaptureFixture[str]
):
    compared(1, REPORT, github)
    github.changes.clear()
    assert compared(1, REPORT, github) == 0
    assert github.changes == []
    assert capsys.readouterr().out.endswith("issue 1 is up to date\n")


def test_of_several_open_issues_the_oldest_is_kept_and_pull_requests_do_not_count(
    github: FakeGitHub,
):
    github.add_issue(pull_request={})
    github.add_issue(title="the one")
    github.add_issue(title="a later one")
    assert compared(1, REPORT, github) == 0
    assert [issue["body"].startswith(REPORT) for issue in github.issues] == [False, True, False]


def test_no_difference_closes_the_issue_with_a_comment(github: FakeGitHub):
    compared(1, REPORT, github)
    assert compared(0, "the same", github) == 0
    assert [issue["state"] for issue in github.issues] == ["closed"]
    assert github.comments == ["The vendored specifications match the published API again."]


def test_no_difference_and_no_issue_changes_nothing(github: FakeGitHub):
    github.add_issue(labels=["bug"])
    assert compared(0, "the same", github) == 0
    assert github.changes == []


def test_a_difference_after_closing_opens_a_new_issue(github: FakeGitHub):
    github.add_issue(state="closed")
    assert compared(1, REPORT, github) == 0
    assert [issue["state"] for issue in github.issues] == ["closed", "open"]


@pytest.mark.parametrize(
    ("code", "report"), [(2, "Nothing was compared"), (-9, ""), (1, ""), (0, "")]
)
def test_a_failed_comparison_is_an_error_and_leaves_the_issue_unchanged(
    code: int, report: str, github: FakeGitHub, capsys: pytest.CaptureFixture[str]
):
    compared(1, REPORT, github)
    github.changes.clear()
    exit_code = f"os.kill(os.getpid(), {-code})" if code < 0 else code
    stub = (
        "import os, sys, pathlib\n"
        "output = [word for word in sys.argv if word.startswith('--output=')][0]\n"
        f"pathlib.Path(output.partition('=')[2]).write_text({report!r})\n"
        f"sys.exit({exit_code})"
    )
    assert drift_issue.main([], github.environ, [sys.executable, "-c", stub]) == 2
    assert github.changes == []
    assert f"nothing was compared (exit code {code})" in capsys.readouterr().err


def test_a_comparison_that_does_not_start_is_an_error(github: FakeGitHub):
    assert drift_issue.main([], github.environ, [sys.executable, "no-such-file.py"]) == 2
    assert github.changes == []


def test_a_report_longer_than_an_issue_is_cut_with_a_note(github: FakeGitHub):
    assert compared(1, "x" * 100_000, github) == 0
    body = github.issues[0]["body"]
    assert len(body) < 65_536
    assert "… cut off at the size limit of an issue." in body
    assert "nox -s upstream" in body


def test_arguments_are_passed_to_the_comparison(github: FakeGitHub):
    compared(1, REPORT, github, "file.yaml")
    assert "file.yaml" in github.issues[0]["body"]


@pytest.mark.parametrize(
    ("status", "message"), [(403, "check the permissions of the job"), (500, "read the response")]
)
def test_a_failure_to_write_the_issue_is_an_error(
    status: int, message: str, github: FakeGitHub, capsys: pytest.CaptureFixture[str]
):
    github.refuses = status
    assert compared(1, REPORT, github) == 2
    output = capsys.readouterr().err
    assert f"GET /repos/octo/voice/issues: GitHub responds {status}: {message}" in output
    assert "Resource not accessible by integration" in output


def test_unreachable_github_is_an_error(github: FakeGitHub, capsys: pytest.CaptureFixture[str]):
    environ = {**github.environ, "GITHUB_API_URL": "http://127.0.0.1:1"}
    stub = [sys.executable, "-c", "import sys; open(sys.argv[2][9:], 'w').write('x'); sys.exit(1)"]
    assert drift_issue.main([], environ, stub) == 2
    assert "try again later" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["GITHUB_TOKEN", "GITHUB_REPOSITORY"])
def test_a_missing_variable_is_named(
    name: str, github: FakeGitHub, capsys: pytest.CaptureFixture[str]
):
    environ = {**github.environ, name: ""}
    stub = [sys.executable, "-c", "import sys; open(sys.argv[2][9:], 'w').write('x'); sys.exit(1)"]
    assert drift_issue.main([], environ, stub) == 2
    assert f"{name} is not set" in capsys.readouterr().err


# --- Release -------------------------------------------------------------------------------------

CHANGELOG = """# Changelog

## Unreleased

## 0.1.0 - 2026-11-21

### Added

- A thing.

## 0.0.9

- An older thing.
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project of version 0.1.0 that can be released."""
    version = tmp_path / "facade" / "sinchvoice" / "_version.py"
    version.parent.mkdir(parents=True)
    version.write_text('__version__ = "0.1.0"\n')
    (tmp_path / "CHANGELOG.md").write_text(CHANGELOG)
    (tmp_path / "dist").mkdir()
    (tmp_path / "dist" / "sinchvoice-0.1.0.tar.gz").write_bytes(b"source")
    (tmp_path / "dist" / "sinchvoice-0.1.0-py3-none-any.whl").write_bytes(b"wheel")
    (tmp_path / "sbom").mkdir()
    (tmp_path / "sbom" / "sinchvoice.cdx.json").write_bytes(b"bill")
    (tmp_path / "pyproject.toml").write_text(
        '[project]\nurls = { Repository = "https://github.example/octo/voice" }\n'
    )
    return tmp_path


def test_the_notes_are_the_section_of_the_tag(project: Path, capsys: pytest.CaptureFixture[str]):
    assert release.main(["notes", "v0.1.0"], {}, project) == 0
    assert capsys.readouterr().out == "### Added\n\n- A thing.\n"


@pytest.mark.parametrize(
    ("tag", "changelog", "problem"),
    [
        ("v0.2.0", CHANGELOG, "_version.py has 0.1.0: tag v0.1.0, or change the version"),
        ("0.1.0", CHANGELOG, "the tag is 0.1.0"),
        ("v0.1.0", "## Unreleased\n\n- A thing.\n", "CHANGELOG.md has no section for 0.1.0"),
        ("v0.1.0", "## 0.1.0\n\n## 0.0.9\n\n- Old.\n", "CHANGELOG.md has no section for 0.1.0"),
        ("v0.1.0", "## 0.1.01\n\n- Other.\n", "CHANGELOG.md has no section for 0.1.0"),
        ("v0.1.0", "## 0.1.0-rc1\n\n- First.\n", "CHANGELOG.md has no section for 0.1.0"),
        ("v0.1.0", "## 0.1.0.post1\n\n- Later.\n", "CHANGELOG.md has no section for 0.1.0"),
    ],
    ids=[
        "another version",
        "no v",
        "still unreleased",
        "an empty section",
        "a longer version",
        "a candidate",
        "a later one",
    ],
)
def test_a_refused_tag_gives_the_reason(
    tag: str, changelog: str, problem: str, project: Path, capsys: pytest.CaptureFixture[str]
):
    (project / "CHANGELOG.md").write_text(changelog)
    assert release.main(["notes", tag], {}, project) == 1
    assert problem in capsys.readouterr().err


@pytest.mark.parametrize(
    ("version", "may_break"),
    [("0.1.0", True), ("0.1.1", False), ("1.0.0", True), ("1.1.0", False), ("2.0.0rc1", True)],
)
def test_only_some_versions_may_break_the_promise(
    version: str, may_break: bool, project: Path, capsys: pytest.CaptureFixture[str]
):
    (project / "facade" / "sinchvoice" / "_version.py").write_text(f'__version__ = "{version}"\n')
    (project / "CHANGELOG.md").write_text(f"## {version}\n\n### Breaking\n\n- `Calls.say`\n")
    assert release.main(["notes", f"v{version}"], {}, project) == (0 if may_break else 1)
    problem = f"CHANGELOG.md has a part Breaking for {version}"
    assert (problem in capsys.readouterr().err) is not may_break


@pytest.mark.parametrize(
    ("project_table", "problem"),
    [
        ("[project]", "has no URL as Repository"),
        ('[project.urls]\nRepository = "https://github.example/a/b"', "github.example/a/b as Rep"),
    ],
    ids=["none", "another one"],
)
def test_a_release_names_the_repository_that_makes_it(
    project_table: str,
    problem: str,
    project: Path,
    github: FakeGitHub,
    capsys: pytest.CaptureFixture[str],
):
    (project / "pyproject.toml").write_text(f"{project_table}\n")
    assert release.main(["notes", "v0.1.0"], github.environ, project) == 1
    output = capsys.readouterr().err
    assert problem in output
    assert 'write Repository = "https://github.example/octo/voice" there' in output


def test_a_release_has_the_notes_both_files_and_the_bill_of_materials(
    project: Path, github: FakeGitHub
):
    assert release.main(["publish", "v0.1.0"], github.environ, project) == 0
    (made,) = github.releases
    assert (made["tag_name"], made["draft"]) == ("v0.1.0", False)
    assert made["body"] == "### Added\n\n- A thing."
    assert github.assets == {
        "sinchvoice-0.1.0.tar.gz": b"source",
        "sinchvoice-0.1.0-py3-none-any.whl": b"wheel",
        "sinchvoice.cdx.json": b"bill",
    }
    assert github.changes[-1] == "PATCH /repos/octo/voice/releases/7"


def test_a_draft_of_an_earlier_run_is_replaced(project: Path, github: FakeGitHub):
    github.releases.append({"id": 3, "tag_name": "v0.1.0", "draft": True})
    github.releases.append({"id": 4, "tag_name": "v0.0.9", "draft": False})
    assert release.main(["publish", "v0.1.0"], github.environ, project) == 0
    assert [made["id"] for made in github.releases] == [4, 7]


def test_nothing_is_released_without_built_files(
    project: Path, github: FakeGitHub, capsys: pytest.CaptureFixture[str]
):
    (project / "dist" / "sinchvoice-0.1.0.tar.gz").unlink()
    assert release.main(["publish", "v0.1.0"], github.environ, project) == 1
    assert "dist/ has 1 files, not two: run `nox -s build`" in capsys.readouterr().err
    assert github.changes == []


def test_nothing_is_released_without_its_bill_of_materials(
    project: Path, github: FakeGitHub, capsys: pytest.CaptureFixture[str]
):
    (project / "sbom" / "sinchvoice.cdx.json").unlink()
    assert release.main(["publish", "v0.1.0"], github.environ, project) == 1
    assert "sbom/ has 0 files, not one: run `nox -s sbom`" in capsys.readouterr().err
    assert github.changes == []


def test_a_refusal_is_an_error_that_shows_no_token(
    project: Path, github: FakeGitHub, capsys: pytest.CaptureFixture[str]
):
    github.refuses = 403
    assert release.main(["publish", "v0.1.0"], github.environ, project) == 1
    output = capsys.readouterr().err
    assert "check the permissions of the job" in output
    assert TOKEN not in output


@pytest.mark.parametrize("arguments", [[], ["notes"], ["undo", "v0.1.0"]])
def test_wrong_arguments_show_the_usage(
    arguments: list[str], project: Path, capsys: pytest.CaptureFixture[str]
):
    assert release.main(arguments, {}, project) == 2
    assert capsys.readouterr().err.startswith("usage: ")
