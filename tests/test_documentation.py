"""Every block of Python and shell in README.md and docs/ is run, page by page, beside a sandbox.

documentation.py has the runner and its rules.
"""

from __future__ import annotations

import re
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from threading import Thread
from types import ModuleType
from typing import Any

import docs_site
import pytest
import sinchvoice
import uvicorn
from documentation import PAGES, ROOT, Page, blocks, file, pattern
from sinchvoice import PstnEndpoint, callbacks, signing, svaml
from sinchvoice.sandbox import Sandbox, running

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
MOVING = [f"docs/how-to/moving-from-{name}.md" for name in ("python", "node", "java")]
ALL = [block for page in PAGES for block in blocks(page)]
# What no test runs, with the reason that the page gives.
NOT_RUN = [
    ("README.md", "it makes environments; tests/test_project.py tries the script and the demo"),
    ("README.md", "it installs packages"),
    (
        "docs/how-to/console.md",
        "it makes environments and runs until Ctrl-C; the session browser uses what it starts",
    ),
    ("docs/how-to/lake.md", "it needs a bucket; tests/s3/lake_on_s3.py writes to one"),
    ("docs/how-to/scale.md", "it installs packages"),
    ("docs/how-to/scale.md", "it needs a cluster of yours"),
    ("docs/index.md", "it installs packages"),
    ("docs/tutorial.md", "it installs packages"),
    ("docs/tutorial.md", "the test ends what its page has started"),
]


@pytest.mark.parametrize("page", sorted({block.page for block in ALL}))
def test_the_blocks_of_a_page_do_what_it_says(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    Page(tmp_path, monkeypatch).run(page)


def test_what_is_not_run_is_known_and_has_a_reason():
    reasons = [
        (block.page, block.mark.removeprefix("not run: "))
        for block in ALL
        if block.mark.startswith("not run: ")
    ]
    assert sorted(reasons) == sorted(NOT_RUN)


def test_what_another_file_runs_is_run_there():
    elsewhere = [block for block in ALL if block.mark.startswith("run by ")]
    assert elsewhere
    for block in elsewhere:
        name, reason = block.mark.removeprefix("run by ").split(": ")
        assert reason
        assert block.page in (ROOT / name).read_text(encoding="utf-8")


def test_every_mark_and_language_is_known():
    for block in ALL:
        assert block.mark == "" or block.is_elsewhere or block.mark.startswith("files of ")
        assert block.language in {"python", "sh", "text", "toml"}, (block.page, block.line)
        if block.language in {"text", "toml"}:
            assert not block.mark


@pytest.mark.parametrize(
    ("output", "shown", "fits"),
    [
        ("a ... c\n", "a b c\n", True),
        ("a ... c\n", "a\nc\n", False),
        ("a\n...\nd\n", "a\nb\nc\nd\n", True),
        ("a\n...\n", "b\n", False),
        ("a (b)*\n", "a (b)*\n", True),
        ("", "a\n", False),
    ],
)
def test_an_output_is_compared_line_by_line(output: str, shown: str, fits: bool):
    assert bool(re.fullmatch(pattern(output), shown)) is fits


@pytest.mark.parametrize(
    "page",
    [
        '```python\nprint("b")\n```\n\n```text\na\n```\n',
        '```python\nprint("said, and not shown")\n```\n',
        "```sh\nfalse\n```\n",
        '```python title="test_it.py"\ndef test_it():\n    assert False\n```\n',
    ],
)
def test_a_page_that_is_wrong_is_noticed(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "page.md").write_text(page, encoding="utf-8")
    monkeypatch.setattr("documentation.ROOT", tmp_path)
    with pytest.raises(AssertionError):
        Page(tmp_path, monkeypatch).run("page.md")


@pytest.mark.parametrize("page", docs_site.TABLES)
def test_the_tables_are_those_of_the_code(page: str):
    path = ROOT / "docs" / page
    assert path.read_text(encoding="utf-8") == docs_site.with_tables(path), (
        "run: python scripts/docs_site.py tables"
    )


def test_the_page_of_the_kpis_names_every_dimension():
    names = ", ".join(f"`{name}`" for name in docs_site.kpis.DIMENSIONS)
    assert names in " ".join((ROOT / "docs/reference/kpis.md").read_text("utf-8").split())


def test_the_page_of_commands_has_commands_and_options():
    page = docs_site.commands()
    assert "\n## sinchvoice call get\n" in page
    for option in ("--by-day", "--plant KIND=N", "--fault FAULT", "--canonical-resource FORM"):
        assert f"{option}`" in page


def test_bars_in_the_code_of_a_table_lose_their_backslash_for_the_builder():
    assert docs_site.with_bars("| `a\\|b` | c \\| d |\n`e\\|f`") == "| `a|b` | c \\| d |\n`e\\|f`"


def test_the_changelog_of_the_site_links_to_pages_of_the_site():
    links = re.findall(r"\]\((?!https?:)(.*?)\)", docs_site.changelog())
    assert links
    for link in links:
        assert (ROOT / "docs" / link.partition("#")[0]).exists(), link


def test_the_callback_example_accepts_the_published_callback():
    namespace: dict[str, object] = {}
    (block,) = [block for block in ALL if "def is_from_sinch" in block.code]
    source = block.code.replace("body=body)", "body=body, max_age=None)")
    exec(compile(source, block.page, "exec"), namespace)  # noqa: S102
    is_from_sinch = namespace["is_from_sinch"]
    assert callable(is_from_sinch)
    body = (
        b'{"event":"ace","callid":"822aa4b7-05b4-4d83-87c7-1f835ee0b6f6_257",'
        b'"timestamp":"2014-09-24T10:59:41Z","version":1}'
    )
    headers = {
        "Authorization": "application 669E367E-6BBA-48AB-AF15-266871C28135:"
        "Tg6fMyo8mj9pYfWQ9ssbx3Tc1BNC87IEygAfLbJqZb4=",
        "x-timestamp": "2014-09-24T10:59:41Z",
        "content-type": "application/json",
    }
    assert is_from_sinch("/sinch/callback/ace", headers, body) is True
    assert is_from_sinch("/sinch/callback/ice", headers, body) is False


@pytest.fixture
def application() -> Iterator[Callable[[Sandbox], Any]]:
    """The voice application of the README, made for a sandbox."""
    source = file("README.md", "voice.py")

    def make(box: Sandbox) -> Any:
        module = ModuleType("voice")
        with pytest.MonkeyPatch.context() as environment:
            for name, value in box.environ.items():
                environment.setenv(name, value)
            exec(compile(source, "README.md", "exec"), module.__dict__)  # noqa: S102
        sys.modules["voice"] = module  # where FastAPI looks for the types of its parameters
        return module.app

    yield make
    sys.modules.pop("voice", None)


@contextmanager
def served(app: Any) -> Iterator[str]:
    """Serve an application on loopback; gives its URL."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
        thread = Thread(target=server.run, args=([listener],))
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        thread.join()


def call_sales_and_leave_a_message(box: Sandbox) -> None:
    sales = box.incoming_call(from_="+12125550145")
    sales.press("1")
    sales.answer()
    box.clock.advance(61)
    sales.hang_up(by="callee")
    assert sales.heard[0].what == svaml.Say("Welcome.", locale="en-US")
    assert (sales.to, sales.result, sales.duration) == (
        PstnEndpoint("+12125550123"),
        "ANSWERED",
        61,
    )
    message = box.incoming_call(from_="+12125550145")
    message.press("2")
    message.press("1")
    assert message.reason == "MANAGERHANGUP"
    assert message.heard[-1].what == svaml.Say("Goodbye.", locale="en-US")
    assert [sent.status for sent in box.callbacks] == [200] * len(box.callbacks)
    assert [sent.event for sent in box.callbacks if sent.event != "notify"] == [
        *("ice", "pie", "ace", "dice"),
        *("ice", "pie", "pie", "dice"),
    ]


def test_the_voice_application_answers_calls(application: Callable[[Sandbox], Any]):
    with running(populated=False, now=NOW, callback_timeout=60) as box:
        box.callback_app = application(box)
        call_sales_and_leave_a_message(box)


def test_the_voice_application_is_called_back_over_a_socket(
    application: Callable[[Sandbox], Any],
):
    with (
        running(populated=False, now=NOW, callback_timeout=60) as box,
        served(application(box)) as url,
    ):
        box.callback_url = f"{url}/sinch"
        call_sales_and_leave_a_message(box)


def test_the_voice_application_has_about_forty_lines():
    source = file("README.md", "voice.py")
    assert len([line for line in source.splitlines() if line.strip()]) <= 45


def test_every_name_to_move_over_to_exists():
    text = "".join((ROOT / page).read_text(encoding="utf-8") for page in MOVING)
    rows = re.findall(r"^\| .* \| (.*) \|$", text, re.MULTILINE)
    names = {name for row in rows for name in re.findall(r"`(?:voice\.)?(\w+)\.(\w+)\b", row)}
    groups = {group: name for group, name in names if hasattr(sinchvoice.VoiceClient, group)}
    assert set(groups) == {"applications", "callouts", "calls", "conferences"}
    for group, name in names:
        if group in groups:
            surface = getattr(sinchvoice, group.title(), None) or getattr(
                import_module(f"sinchvoice.{group}"), group.title()
            )
            assert hasattr(surface, name), f"{group}.{name}"
    kinds = {kind for row in rows for kind in re.findall(r"`([A-Z]\w+)`", row)} - {"Decimal"}
    for kind in kinds:
        assert any(hasattr(module, kind) for module in (sinchvoice, svaml, callbacks)), kind


def test_every_name_in_the_tables_of_names_exists():
    table = "".join((ROOT / page).read_text(encoding="utf-8") for page in MOVING)
    names = set(re.findall(r"`svaml\.(\w+)", table))
    assert names >= {"Svaml", "Say", "Raw"}
    for name in names:
        assert hasattr(svaml, name)
    for name in re.findall(r"`(\w+(?:Error|Endpoint|Client))\b", table):
        assert hasattr(sinchvoice, name) or name == "SinchClient", name
    assert hasattr(signing, "signed_headers")
