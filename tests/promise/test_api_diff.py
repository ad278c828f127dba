"""scripts/api_diff.py: it finds and names breaking changes, and nothing else."""

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
DUMP = api_diff.dump

# Breaking edits of a scratch copy of the tree: file, old text, new text, expected findings.
PLANTED = {
    "a renamed method": (
        "facade/sinchvoice/calls.py",
        "def hangup(self",
        "def end(self",
        [
            "sinchvoice.calls.AsyncCalls.hangup: was removed",
            "sinchvoice.calls.Calls.hangup: was removed",
        ],
    ),
    "a method that has to be awaited": (
        "facade/sinchvoice/calls.py",
        "    def get(self, call_id",
        "    async def get(self, call_id",
        ["sinchvoice.calls.Calls.get: is now async"],
    ),
    "a method that belongs to an instance": (
        "facade/sinchvoice/sandbox/faults.py",
        "    @classmethod\n    def parse(",
        "    def parse(",
        ["sinchvoice.sandbox.faults.Injection.parse: is no longer classmethod"],
    ),
    "a changed default": (
        "facade/sinchvoice/client.py",
        "timeout: float = 10.0",
        "timeout: float = 5.0",
        [
            "sinchvoice.AsyncVoiceClient(timeout): is now 5.0 by default, was 10.0",
            "sinchvoice.VoiceClient(timeout): is now 5.0 by default, was 10.0",
        ],
    ),
    "a changed default of a field of attrs": (
        "facade/sinchvoice/retry.py",
        "retries: int = attrs.field(default=2",
        "retries: int = attrs.field(default=3",
        ["sinchvoice.RetryPolicy(retries): is now 3 by default, was 2"],
    ),
    "an exception that is gone": (
        "facade/sinchvoice/*.py",
        '    "ConflictError",\n',
        "",
        ["sinchvoice.ConflictError: was removed", "sinchvoice.errors.ConflictError: was removed"],
    ),
    "an exception that is another one's child": (
        "facade/sinchvoice/errors.py",
        "class CdrError(SinchVoiceError)",
        "class CdrError(Exception)",
        [
            line
            for kind in ("CdrError", "ArchiveInUse")  # and what is derived from it
            for line in (
                f"sinchvoice.{kind}: is no longer a SinchVoiceError",
                *(
                    f"sinchvoice.{kind}.{name}: was removed"
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
            "sinchvoice.Price(amount): is now keyword-only",
            "sinchvoice.Price(currency): is now keyword-only",
        ],
    ),
    "a renamed field in a module that is loaded when it is asked for": (
        "facade/sinchvoice/svaml.py",
        "    id: str = attrs.field(validator=_text(soft_limit=64))",
        "    name: str = attrs.field(validator=_text(soft_limit=64))",
        [
            "sinchvoice.svaml.Menu(id): was removed",
            "sinchvoice.svaml.Menu(name): is new and has no default",
            "sinchvoice.svaml.Menu.id: was removed",
        ],
    ),
    "a method of a class that is loaded when it is asked for": (
        "facade/sinchvoice/cdr/archive.py",
        "def completeness(self",
        "def days(self",
        ["sinchvoice.cdr.Archive.completeness: was removed"],
    ),
    "a field of a record": (
        "facade/sinchvoice/cdr/records.py",
        "to_country_id: str | None",
        "country: str | None",
        [
            "sinchvoice.cdr.PhoneTerminated(country): is new and has no default",
            "sinchvoice.cdr.PhoneTerminated(to_country_id): was removed",
            "sinchvoice.cdr.PhoneTerminated.to_country_id: was removed",
        ],
    ),
    "another value of an enumeration": (
        "facade/sinchvoice/vocabulary.py",
        'NO_ANSWER = "NOANSWER"',
        'NO_ANSWER = "NO_ANSWER"',
        [
            "sinchvoice.CallResult.NO_ANSWER: is now 'NO_ANSWER', was 'NOANSWER'",
            "sinchvoice.callbacks.DisconnectReason.NO_ANSWER: is now 'NO_ANSWER', was 'NOANSWER'",
        ],
    ),
    "a parameter that takes less": (
        "facade/sinchvoice/signing.py",
        "max_age: float | None = 300.0",
        "max_age: float = 300.0",
        [
            "sinchvoice.signing.find_refusal(max_age): no longer takes None",
            "sinchvoice.signing.verify(max_age): no longer takes None",
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
            "sinchvoice.AsyncVoiceClient.from_env(proxy): was removed",
            "sinchvoice.Options.proxy: was removed",
            "sinchvoice.VoiceClient.from_env(proxy): was removed",
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
        ["pytest_sinchvoice.voice_client: was removed"],
    ),
    "a renamed option": (
        "facade/sinchvoice/cli/reports.py",
        '"--by-day"',
        '"--daily"',
        ["sinchvoice report user --by-day: was removed"],
    ),
    "an option with other choices": (
        "facade/sinchvoice/vocabulary.py",
        'DATA = "data"',
        'DATA = "app"',
        [
            *(
                f"sinchvoice {command} --domain: {what}"
                for command in ("report user", "report users", "cdr reconcile")
                for what in (
                    "no longer takes 'data'",
                    "is now 'app' by default, was 'data'",
                )
            ),
            "sinchvoice.ReportDomain.DATA: is now 'app', was 'data'",
        ],
    ),
    "a renamed command": (
        "facade/sinchvoice/cli/calls.py",
        "command(group, hangup)",
        'command(group, hangup, "end")',
        ["sinchvoice call hangup: was removed"],
    ),
    "another exit code": (
        "facade/sinchvoice/cli/output.py",
        "NotFoundError: 5,",
        "NotFoundError: 12,",
        ["exit code of NotFoundError: is now 12, was 5"],
    ),
    "a key of JSON": (
        "docs/reference/cli.md",
        "| `modified` |",
        "| `refreshed` |",
        ["JSON of report counter: no longer has 'modified'"],
    ),
}
# Harmless edits, made at the same time.
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
    """Write the stubs of a tree that is not installed."""
    path = os.pathsep.join([str(tree / "facade"), str(ROOT / "generated")])
    command = [sys.executable, str(ROOT / "scripts" / "api_dump.py"), str(folder), str(tree)]
    subprocess.run(command, check=True, env={**os.environ, "PYTHONPATH": path})
    return folder


@pytest.fixture(scope="module")
def promised(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The stubs of the current tree."""
    return stubs(ROOT, tmp_path_factory.mktemp("promised"))


@pytest.fixture(scope="module")
def found(promised: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Break]:
    """The findings in a copy of the tree with all edits of PLANTED."""
    tree = tmp_path_factory.mktemp("tree")
    shutil.copytree(ROOT / "facade", tree / "facade")
    shutil.copytree(ROOT / "docs", tree / "docs")
    edits = [(file, old, new) for file, old, new, _ in PLANTED.values()]
    for pattern, old, new in edits + HARMLESS:
        files = [file for file in tree.glob(pattern) if old in file.read_text(encoding="utf-8")]
        assert files, f"{old!r} is no longer in {pattern}: plant something else"
        for file in files:
            file.write_text(file.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
    return api_diff.breaks(promised, stubs(tree, tmp_path_factory.mktemp("stubs")))


@pytest.mark.parametrize("planted", PLANTED)
def test_a_breaking_change_is_found_and_named(planted: str, found: list[Break]):
    *_, expected = PLANTED[planted]
    assert set(expected) <= {f"{change.name}: {change.what}" for change in found}


def test_nothing_else_is_found(found: list[Break]):
    expected = {line for *_, lines in PLANTED.values() for line in lines}
    assert {f"{change.name}: {change.what}" for change in found} - expected == set()


def test_equal_stubs_have_no_differences(promised: Path):
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


OVERLOADED = """
from typing import Literal, overload
@overload
def f(x: int, y: Literal[False] = False) -> {0}: ...
@overload
def f(x: int, y: Literal[True]) -> str: ...
def f(x: int, y: bool = False) -> int | bytes | str: ...
"""


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("def f(x: int) -> int: ...", OVERLOADED.format("int"), []),
        ("def f(x: int) -> int: ...", OVERLOADED.format("bytes"), ["f: can now return bytes"]),
        (OVERLOADED.format("int"), OVERLOADED.format("int"), []),
        (
            OVERLOADED.format("int"),
            OVERLOADED.format("int").replace("-> str", "-> bytes"),
            ["f: can now return bytes"],
        ),
    ],
)
def test_a_function_with_overloads_is_compared_call_by_call(
    tmp_path: Path, old: str, new: str, expected: list[str]
):
    sides = []
    for name, text in (("old", old), ("new", new)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "m.py").write_text(text)
        loaded = griffe.load("m", search_paths=[tmp_path / name], allow_inspection=False)
        sides.append(loaded)
    known = [definitions(side) for side in sides]
    found = api_diff.narrowed_function(sides[0]["f"], sides[1]["f"], *known)
    assert [f"{each.name.removeprefix('m.')}: {each.what}" for each in found] == expected


@pytest.mark.parametrize(("now", "breaking"), [("'a', 'b', 'c'", False), ("'a', 'c'", True)])
def test_a_literal_may_gain_members_but_not_lose_them(tmp_path: Path, now: str, breaking: bool):
    loaded = []
    for folder, members in (("before", "'a', 'b'"), ("now", now)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "m.py").write_text(f"Leg = Literal[{members}]\n")
        loaded.append(griffe.load("m", search_paths=[tmp_path / folder], allow_inspection=False))
    before, after = loaded
    found = api_diff.changed_attribute(
        before["Leg"], after["Leg"], definitions(before), definitions(after)
    )
    assert bool([*found]) == breaking


def test_stubs_do_not_depend_on_where_and_when_they_are_made(promised: Path, tmp_path: Path):
    again = stubs(ROOT, tmp_path)
    names = sorted(file.relative_to(promised) for file in promised.rglob("*.pyi"))
    assert names == sorted(file.relative_to(again) for file in again.rglob("*.pyi"))
    for name in names:
        assert (promised / name).read_bytes() == (again / name).read_bytes()


def test_the_recorded_promise_is_kept(promised: Path):
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    found = api_diff.breaks(api_diff.RECORDED, promised)
    since = api_diff.version(api_diff.RECORDED)
    assert api_diff.without_declared(found, changelog, since) == []


def test_contributing_lists_the_public_modules():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    (item,) = re.findall(r"- the names in `__all__` of (.*?) and\s+the fixtures", text, re.DOTALL)
    package, *modules = re.findall(r"`([\w.]+)`", item)
    expected = {package, *(f"{package}.{name}" for name in modules), "pytest_sinchvoice"}
    assert expected == set(api_dump.PUBLIC)


# --- Declarations --------------------------------------------------------------------------------

GONE = Break("sinchvoice.calls.Calls.say(leg)", "was removed")
OPTION = Break("sinchvoice report user --by-day", "was removed")
CODE = Break("exit code of NotFoundError", "is now 12, was 5")


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


def test_the_report_explains_the_declaration():
    text = api_diff.report([GONE, OPTION], [OPTION], "v0.1.0")
    assert "Calls.say(leg): was removed (declared)" in text
    assert "under '## Unreleased' and '### Breaking', with the name" in text
    assert text.endswith("\n- `sinchvoice report user --by-day`: …")
    assert api_diff.report([GONE], [GONE], "v0.1.0").endswith("\n- `Calls.say(leg)`: …")


# --- Command -------------------------------------------------------------------------------------


@pytest.fixture
def project(tmp_path: Path, promised: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project outside a git repository, with the recorded stubs of the current tree.

    The stubs of the installed package are copied, as it takes seconds to write them.
    """
    shutil.copytree(promised, tmp_path / "promise")
    monkeypatch.setattr(api_diff, "dump", lambda _, folder, __: shutil.copytree(promised, folder))
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    (tmp_path / "CHANGELOG.md").write_text("## Unreleased\n")
    monkeypatch.setattr(api_diff, "ROOT", tmp_path)
    monkeypatch.setattr(api_diff, "RECORDED", tmp_path / "promise")
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    return tmp_path


@pytest.fixture
def really_dumped(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The stubs of the installed package are written by a process, not copied."""
    monkeypatch.setattr(api_diff, "dump", DUMP)


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new), encoding="utf-8")


def promise_more(project: Path) -> None:
    """Record a method that does not exist."""
    file = project / "promise" / "sinchvoice" / "calls.pyi"
    edit(file, "class Calls:\n", "class Calls:\n    def find(self) -> None: ...\n")


def test_the_baseline_without_tags_is_the_recorded_one(
    project: Path, capsys: pytest.CaptureFixture[str]
):
    assert api_diff.main([]) == 0
    output = capsys.readouterr().out
    recorded = api_diff.version(api_diff.RECORDED)
    assert output.startswith(f"Compared with promise/, recorded for {recorded} (there is no tag")


@pytest.mark.usefixtures("really_dumped")
def test_an_undeclared_change_fails(project: Path, capsys: pytest.CaptureFixture[str]):
    promise_more(project)
    assert api_diff.main([]) == 1
    assert "sinchvoice.calls.Calls.find: was removed\n" in capsys.readouterr().out


def test_an_undeclared_change_is_not_recorded(project: Path, capsys: pytest.CaptureFixture[str]):
    promise_more(project)
    before = (project / "promise" / "sinchvoice" / "calls.pyi").read_bytes()
    assert api_diff.main(["--record"]) == 1
    assert capsys.readouterr().out.endswith("\npromise/ is unchanged.\n")
    assert (project / "promise" / "sinchvoice" / "calls.pyi").read_bytes() == before


def test_a_declared_change_passes_and_is_recorded(project: Path, promised: Path):
    promise_more(project)
    (project / "CHANGELOG.md").write_text("## Unreleased\n\n### Breaking\n\n- `Calls.find` is gone")
    assert api_diff.main([]) == 0
    assert api_diff.main(["--record"]) == 0
    recorded = (project / "promise" / "sinchvoice" / "calls.pyi").read_bytes()
    assert recorded == (promised / "sinchvoice" / "calls.pyi").read_bytes()


def test_a_missing_baseline_is_an_error(project: Path, capsys: pytest.CaptureFixture[str]):
    shutil.rmtree(project / "promise")
    assert api_diff.main([]) == 2
    assert "promise/ is empty" in capsys.readouterr().err


def test_damaged_stubs_are_an_error(project: Path, capsys: pytest.CaptureFixture[str]):
    (project / "promise" / "sinchvoice" / "__init__.pyi").write_text("class (")
    assert api_diff.main([]) == 2
    assert "Nothing was compared" in capsys.readouterr().err


@pytest.mark.usefixtures("really_dumped")
def test_a_package_that_cannot_be_imported_is_an_error(
    project: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
):
    broken = project / "facade" / "sinchvoice"
    broken.mkdir(parents=True)
    (broken / "__init__.py").write_text("import nothing_like_it")
    monkeypatch.setenv("PYTHONPATH", str(broken.parent))
    assert api_diff.main([]) == 2
    assert "could not be written: see above\nNothing was compared." in capfd.readouterr().err


@pytest.mark.parametrize("revision", ["v9.9.9", "nonsense"])
def test_an_unknown_revision_is_an_error(
    revision: str, project: Path, capsys: pytest.CaptureFixture[str]
):
    git = ["git", "-c", "user.name=n", "-c", "user.email=e@example.org"]
    subprocess.run([*git, "init", "--quiet", str(project)], check=True)
    assert api_diff.main([revision]) == 2
    assert f"has no revision {revision!r}" in capsys.readouterr().err


def test_the_message_for_a_shallow_clone_names_the_remedy(
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
