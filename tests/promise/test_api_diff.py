"""scripts/api_diff.py: what breaks users is found and named, and what does not is not."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import api_diff
import api_dump
import griffe
import pytest
from api_diff import Break, definitions, union

ROOT = Path(__file__).parents[2]

# What is planted in a scratch copy of the tree: file, text, what it becomes, what has to be found.
PLANTED = {
    "a renamed method": (
        "facade/sinchvoice/calls.py",
        "def hangup(self",
        "def end(self",
        ["sinchvoice.calls.AsyncCalls.hangup: is gone", "sinchvoice.calls.Calls.hangup: is gone"],
    ),
    "a method that has to be awaited": (
        "facade/sinchvoice/calls.py",
        "    def get(self, call_id",
        "    async def get(self, call_id",
        ["sinchvoice.calls.Calls.get: is async now"],
    ),
    "a method that belongs to an instance": (
        "facade/sinchvoice/sandbox/faults.py",
        "    @classmethod\n    def parse(",
        "    def parse(",
        ["sinchvoice.sandbox.faults.Injection.parse: is not classmethod any more"],
    ),
    "a changed default": (
        "facade/sinchvoice/client.py",
        "timeout: float = 10.0",
        "timeout: float = 5.0",
        [
            "sinchvoice.AsyncVoiceClient(timeout): is now 5.0 by default, and was 10.0",
            "sinchvoice.VoiceClient(timeout): is now 5.0 by default, and was 10.0",
        ],
    ),
    "a changed default of a field of attrs": (
        "facade/sinchvoice/retry.py",
        "retries: int = attrs.field(default=2",
        "retries: int = attrs.field(default=3",
        ["sinchvoice.RetryPolicy(retries): is now 3 by default, and was 2"],
    ),
    "an exception that is gone": (
        "facade/sinchvoice/*.py",
        '    "ConflictError",\n',
        "",
        ["sinchvoice.ConflictError: is gone", "sinchvoice.errors.ConflictError: is gone"],
    ),
    "an exception that is another one's child": (
        "facade/sinchvoice/errors.py",
        "class CdrError(SinchVoiceError)",
        "class CdrError(Exception)",
        [
            line
            for kind in ("CdrError", "ArchiveInUse")  # and what is derived from it
            for line in (
                f"sinchvoice.{kind}: is not a SinchVoiceError any more",
                *(
                    f"sinchvoice.{kind}.{name}: is gone"
                    for name in ("message", "parameter", "value", "remedy", "to_dict")
                ),
            )
        ],
    ),
    "a field that can only be given by its name": (
        "facade/sinchvoice/calls.py",
        "@attrs.frozen\nclass Price(",
        "@attrs.frozen(kw_only=True)\nclass Price(",
        [
            "sinchvoice.Price(amount): is keyword-only now",
            "sinchvoice.Price(currency): is keyword-only now",
        ],
    ),
    "a renamed field in a module that is loaded when it is asked for": (
        "facade/sinchvoice/svaml.py",
        "    id: str = attrs.field(validator=_text(soft_limit=64))",
        "    name: str = attrs.field(validator=_text(soft_limit=64))",
        [
            "sinchvoice.svaml.Menu(id): is gone",
            "sinchvoice.svaml.Menu(name): is new and has no default",
            "sinchvoice.svaml.Menu.id: is gone",
        ],
    ),
    "a method of a class that is loaded when it is asked for": (
        "facade/sinchvoice/cdr/archive.py",
        "def completeness(self",
        "def days(self",
        ["sinchvoice.cdr.Archive.completeness: is gone"],
    ),
    "a field of a record": (
        "facade/sinchvoice/cdr/records.py",
        "to_country_id: str | None",
        "country: str | None",
        [
            "sinchvoice.cdr.PhoneTerminated(country): is new and has no default",
            "sinchvoice.cdr.PhoneTerminated(to_country_id): is gone",
            "sinchvoice.cdr.PhoneTerminated.to_country_id: is gone",
        ],
    ),
    "another value of an enumeration": (
        "facade/sinchvoice/vocabulary.py",
        'NO_ANSWER = "NOANSWER"',
        'NO_ANSWER = "NO_ANSWER"',
        [
            "sinchvoice.CallResult.NO_ANSWER: is now 'NO_ANSWER', and was 'NOANSWER'",
            (
                "sinchvoice.callbacks.DisconnectReason.NO_ANSWER: "
                "is now 'NO_ANSWER', and was 'NOANSWER'"
            ),
        ],
    ),
    "a parameter that takes less": (
        "facade/sinchvoice/signing.py",
        "max_age: float | None = 300.0",
        "max_age: float = 300.0",
        [
            "sinchvoice.signing.find_refusal(max_age): does not take None any more",
            "sinchvoice.signing.verify(max_age): does not take None any more",
        ],
    ),
    "an attribute that can be more": (
        "facade/sinchvoice/reports.py",
        "    success: int\n",
        "    success: int | None\n",
        ["sinchvoice.UserCallReport.success: can now be None"],
    ),
    "an option of a client": (
        "facade/sinchvoice/client.py",
        "    proxy: str | None\n",
        "",
        [
            "sinchvoice.AsyncVoiceClient.from_env(proxy): is gone",
            "sinchvoice.Options.proxy: is gone",
            "sinchvoice.VoiceClient.from_env(proxy): is gone",
        ],
    ),
    "a parameter that has to be given": (
        "facade/sinchvoice/sandbox/faults.py",
        "def bad_gateway(*, after: bool = False)",
        "def bad_gateway(times: int, *, after: bool = False)",
        ["sinchvoice.sandbox.faults.bad_gateway(times): is new and has no default"],
    ),
    "a fixture": (
        "facade/pytest_sinchvoice.py",
        '    "sinch_sandbox",\n    "voice_client",\n]',
        '    "sinch_sandbox",\n]',
        ["pytest_sinchvoice.voice_client: is gone"],
    ),
    "a renamed option": (
        "facade/sinchvoice/cli/app.py",
        '"--by-day"',
        '"--daily"',
        ["sinchvoice report user --by-day: is gone"],
    ),
    "an option with other choices": (
        "facade/sinchvoice/vocabulary.py",
        'DATA = "data"',
        'DATA = "app"',
        [
            *(
                f"sinchvoice report {command} --domain: {what}"
                for command in ("user", "users")
                for what in (
                    "does not take 'data' any more",
                    "is now 'app' by default, and was 'data'",
                )
            ),
            "sinchvoice.ReportDomain.DATA: is now 'app', and was 'data'",
        ],
    ),
    "a renamed command": (
        "facade/sinchvoice/cli/app.py",
        "def hangup(options",
        "def end(options",
        ["sinchvoice call hangup: is gone"],
    ),
    "another exit code": (
        "facade/sinchvoice/cli/output.py",
        "NotFoundError: 5,",
        "NotFoundError: 12,",
        ["exit code of NotFoundError: is now 12, and was 5"],
    ),
    "a key of JSON": (
        "docs/reference/cli.md",
        "| `modified` |",
        "| `refreshed` |",
        ["JSON of report counter: does not have 'modified' any more"],
    ),
}
# What was changed at the same time, and harms nobody.
HARMLESS = [
    ("facade/sinchvoice/client.py", "int = 100,\n", "int = 100,\n        new: int = 5,\n"),
    ("facade/sinchvoice/calls.py", '"""Look up an ongoing', '"""Ask for a call'),
    (
        "facade/sinchvoice/vocabulary.py",
        'CANCEL = "CANCEL"',
        'CANCEL = "CANCEL"\n    LOST = "LOST"',
    ),
    ("facade/sinchvoice/retry.py", "attempt > self.retries", "self.retries < attempt"),
    ("facade/sinchvoice/signing.py", 'content_type: str = ""', 'content_type: str | None = ""'),
]


def stubs(tree: Path, folder: Path) -> Path:
    """The stubs of a tree that is not installed."""
    path = os.pathsep.join([str(tree / "facade"), str(ROOT / "generated")])
    command = [sys.executable, str(ROOT / "scripts" / "api_dump.py"), str(folder), str(tree)]
    subprocess.run(command, check=True, env={**os.environ, "PYTHONPATH": path})
    return folder


@pytest.fixture(scope="module")
def promised(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The stubs of the tree as it is."""
    return stubs(ROOT, tmp_path_factory.mktemp("promised"))


@pytest.fixture(scope="module")
def found(promised: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Break]:
    """What is found in a copy of the tree in which everything of PLANTED is planted."""
    tree = tmp_path_factory.mktemp("tree")
    shutil.copytree(ROOT / "facade", tree / "facade")
    shutil.copytree(ROOT / "docs", tree / "docs")
    edits = [(file, old, new) for file, old, new, _ in PLANTED.values()]
    for pattern, old, new in edits + HARMLESS:
        files = [file for file in tree.glob(pattern) if old in file.read_text(encoding="utf-8")]
        assert files, f"{old!r} is not in {pattern} any more: plant something else"
        for file in files:
            file.write_text(file.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
    return api_diff.breaks(promised, stubs(tree, tmp_path_factory.mktemp("stubs")))


@pytest.mark.parametrize("planted", PLANTED)
def test_what_breaks_users_is_found_and_named(planted: str, found: list[Break]):
    *_, expected = PLANTED[planted]
    assert set(expected) <= {f"{change.name}: {change.what}" for change in found}


def test_nothing_else_is_found(found: list[Break]):
    expected = {line for *_, lines in PLANTED.values() for line in lines}
    assert {f"{change.name}: {change.what}" for change in found} - expected == set()


def test_the_same_twice_has_no_differences(promised: Path):
    assert api_diff.breaks(promised, promised) == []


@pytest.mark.parametrize(
    ("spelled", "members"),
    [
        ("int | Leg", {"int", "'a'", "'b'"}),
        ("Legs", {"'a'", "'b'", "None"}),
        ("list[Leg]", {"list[Leg]"}),
        ("Other | None", {"Other", "None"}),
    ],
)
def test_an_alias_of_a_type_means_what_it_stands_for(
    tmp_path: Path, spelled: str, members: set[str]
):
    (tmp_path / "m.py").write_text("Leg = Literal['a', 'b']\nLegs = Leg | None\nclass Other: ...\n")
    known = definitions(griffe.load("m", search_paths=[tmp_path], allow_inspection=False))
    assert union(spelled, known) == members


def test_stubs_do_not_depend_on_where_and_when_they_are_made(promised: Path, tmp_path: Path):
    again = stubs(ROOT, tmp_path)
    names = sorted(file.relative_to(promised) for file in promised.rglob("*.pyi"))
    assert names == sorted(file.relative_to(again) for file in again.rglob("*.pyi"))
    for name in names:
        assert (promised / name).read_bytes() == (again / name).read_bytes()


def test_what_is_recorded_is_not_broken(promised: Path):
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    found = api_diff.breaks(api_diff.RECORDED, promised)
    since = api_diff.version(api_diff.RECORDED)
    assert api_diff.without_declared(found, changelog, since) == []


def test_contributing_says_which_modules_are_public():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    (item,) = re.findall(r"- the names in `__all__` of (.*?) and\s+the fixtures", text, re.DOTALL)
    package, *modules = re.findall(r"`([\w.]+)`", item)
    expected = {package, *(f"{package}.{name}" for name in modules), "pytest_sinchvoice"}
    assert expected == set(api_dump.PUBLIC)


# --- what is declared ---------------------------------------------------------------------------

GONE = Break("sinchvoice.calls.Calls.say(leg)", "is gone")
OPTION = Break("sinchvoice report user --by-day", "is gone")
CODE = Break("exit code of NotFoundError", "is now 12, and was 5")


@pytest.mark.parametrize(
    ("change", "name"),
    [
        (GONE, "Calls.say"),
        (GONE, "Calls.say(leg)"),
        (GONE, "Calls"),
        (GONE, "sinchvoice.calls.Calls.say"),
        (OPTION, "sinchvoice report user --by-day"),
        (OPTION, "sinchvoice report user"),
        (OPTION, "--by-day"),
        (CODE, "exit code of NotFoundError"),
        (Break("sinchvoice.signing.sign(body)", ""), "sign(body)"),
        (Break("sinchvoice.signing.sign(body)", ""), "sinchvoice.signing.sign"),
        (Break("sinchvoice.NotFoundError", ""), "NotFoundError"),
        (Break("sinchvoice.Price(amount)", ""), "Price(amount)"),
    ],
)
def test_a_change_is_declared_by_its_name(change: Break, name: str):
    changelog = f"# Changelog\n\n## Unreleased\n\n### Breaking\n\n- `{name}`: write more.\n"
    assert api_diff.without_declared([change], changelog, "0.1.0") == []


@pytest.mark.parametrize(
    "changelog",
    [
        "## Unreleased\n\n### Breaking\n\n- `AsyncCalls.say`, `say`, `Calls.play`, `sinchvoice`.\n",
        "## Unreleased\n\n### Breaking\n\n- Calls.say lost a parameter.\n",
        "## Unreleased\n\n### Changed\n\n- `Calls.say`\n",
        "## Unreleased\n\n### Added\n\n## 0.1.0\n\n### Breaking\n\n- `Calls.say`\n",
        "",
    ],
    ids=["other names", "no backticks", "another section", "an older version", "no changelog"],
)
def test_a_change_that_is_not_declared_as_breaking_stays(changelog: str):
    assert api_diff.without_declared([GONE], changelog, "0.1.0") == [GONE]


def test_a_version_that_is_about_to_be_released_counts_as_unreleased():
    changelog = "## Unreleased\n\n## 0.2.0\n\n### Breaking\n\n- `Calls.say`\n\n## 0.1.0\n"
    assert api_diff.without_declared([GONE], changelog, "0.1.0") == []


def test_a_candidate_for_a_version_is_not_that_version():
    changelog = "## 0.1.0.post1\n\n### Breaking\n\n- `Calls.say`\n\n## 0.1.0\n"
    assert api_diff.without_declared([GONE], changelog, "0.1.0") == []


def test_the_report_says_what_to_write_where():
    text = api_diff.report([GONE, OPTION], [OPTION], "v0.1.0")
    assert "Calls.say(leg): is gone (declared)" in text
    assert "under '## Unreleased' and there under '### Breaking', with" in text
    assert text.endswith("\n- `sinchvoice report user --by-day`: …")
    assert api_diff.report([GONE], [GONE], "v0.1.0").endswith("\n- `Calls.say(leg)`: …")


# --- the command --------------------------------------------------------------------------------


@pytest.fixture
def project(tmp_path: Path, promised: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project that is no git repository, with what is recorded of the tree as it is."""
    shutil.copytree(promised, tmp_path / "promise")
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    (tmp_path / "CHANGELOG.md").write_text("## Unreleased\n")
    monkeypatch.setattr(api_diff, "ROOT", tmp_path)
    monkeypatch.setattr(api_diff, "RECORDED", tmp_path / "promise")
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    return tmp_path


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new), encoding="utf-8")


def promise_more(project: Path) -> None:
    """Have promised a method that there is not."""
    file = project / "promise" / "sinchvoice" / "calls.pyi"
    edit(file, "class Calls:\n", "class Calls:\n    def find(self) -> None: ...\n")


def test_without_tags_what_is_recorded_counts(project: Path, capsys: pytest.CaptureFixture[str]):
    assert api_diff.main([]) == 0
    output = capsys.readouterr().out
    recorded = api_diff.version(api_diff.RECORDED)
    assert output.startswith(f"Compared with promise/, as recorded for {recorded} (there is no tag")


def test_what_is_not_declared_fails(project: Path, capsys: pytest.CaptureFixture[str]):
    promise_more(project)
    assert api_diff.main([]) == 1
    assert "sinchvoice.calls.Calls.find: is gone\n" in capsys.readouterr().out


def test_what_is_not_declared_is_not_recorded(project: Path, capsys: pytest.CaptureFixture[str]):
    promise_more(project)
    before = (project / "promise" / "sinchvoice" / "calls.pyi").read_bytes()
    assert api_diff.main(["--record"]) == 1
    assert capsys.readouterr().out.endswith("\npromise/ is unchanged.\n")
    assert (project / "promise" / "sinchvoice" / "calls.pyi").read_bytes() == before


def test_what_is_declared_passes_and_is_recorded(project: Path, promised: Path):
    promise_more(project)
    (project / "CHANGELOG.md").write_text("## Unreleased\n\n### Breaking\n\n- `Calls.find` is gone")
    assert api_diff.main([]) == 0
    assert api_diff.main(["--record"]) == 0
    recorded = (project / "promise" / "sinchvoice" / "calls.pyi").read_bytes()
    assert recorded == (promised / "sinchvoice" / "calls.pyi").read_bytes()


def test_nothing_to_compare_with_is_an_error(project: Path, capsys: pytest.CaptureFixture[str]):
    shutil.rmtree(project / "promise")
    assert api_diff.main([]) == 2
    assert "promise/ is empty" in capsys.readouterr().err


def test_damaged_stubs_are_an_error(project: Path, capsys: pytest.CaptureFixture[str]):
    (project / "promise" / "sinchvoice" / "__init__.pyi").write_text("class (")
    assert api_diff.main([]) == 2
    assert "Nothing was compared" in capsys.readouterr().err


def test_a_package_that_cannot_be_imported_is_an_error(
    project: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
):
    broken = project / "facade" / "sinchvoice"
    broken.mkdir(parents=True)
    (broken / "__init__.py").write_text("import nothing_like_it")
    monkeypatch.setenv("PYTHONPATH", str(broken.parent))
    assert api_diff.main([]) == 2
    assert "could not be made: see above\nNothing was compared." in capfd.readouterr().err


@pytest.mark.parametrize("revision", ["v9.9.9", "nonsense"])
def test_an_unknown_revision_is_an_error(
    revision: str, project: Path, capsys: pytest.CaptureFixture[str]
):
    git = ["git", "-c", "user.name=n", "-c", "user.email=e@example.org"]
    subprocess.run([*git, "init", "--quiet", str(project)], check=True)
    assert api_diff.main([revision]) == 2
    assert f"has no revision {revision!r}" in capsys.readouterr().err


def test_a_shallow_clone_is_told_what_it_lacks(
    project: Path, tmp_path_factory: pytest.TempPathFactory, capsys: pytest.CaptureFixture[str]
):
    git = ["git", "-c", "user.name=n", "-c", "user.email=e@example.org"]
    subprocess.run([*git, "init", "--quiet", "."], check=True, cwd=project)
    subprocess.run([*git, "add", "."], check=True, cwd=project)
    for _ in range(2):
        subprocess.run(
            [*git, "commit", "--quiet", "--allow-empty", "-m", "x"], check=True, cwd=project
        )
    subprocess.run([*git, "tag", "v0.1.0"], check=True, cwd=project)
    clone = tmp_path_factory.mktemp("clones") / "clone"
    url = project.as_uri()
    subprocess.run(
        [*git, "clone", "--quiet", "--depth=1", "--no-tags", url, str(clone)], check=True
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(api_diff, "ROOT", clone)
        patch.setattr(api_diff, "RECORDED", clone / "promise")
        assert api_diff.main([]) == 0
        assert "shallow" in (errors := capsys.readouterr().err)
        assert "git fetch --tags --unshallow" in errors
        assert api_diff.main(["v0.1.0"]) == 2
        assert "this shallow clone has no revision 'v0.1.0'" in capsys.readouterr().err
