"""The examples of the README, docs/client.md and docs/calling.md, run against the sandbox."""

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

import pytest
import sinchvoice
import uvicorn
from sinchvoice import PstnEndpoint, callbacks, signing, svaml
from sinchvoice.sandbox import Sandbox, running

README = Path(__file__).parent.parent / "README.md"
TEXT = README.read_text(encoding="utf-8")
DOCS = README.parent / "docs" / "client.md"
MOVING = README.parent / "docs" / "moving-over.md"
NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)


def examples(text: str) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


EXAMPLES = examples(TEXT)

EXPECTED = [
    ["ONGOING"],
    [*[r"\d{4}-\d\d-\d\d [1-9] ok, \d+ failed, [1-9]\d+ s"] * 7, "3 ongoing calls"],
    [r"phone \+12125550123"],
    ["3 True"],
    [r"\{'type': 'number', 'endpoint': '\+12125550123'\}"],
    [],  # the voice application: see below
    [r"\[Heard\(leg=<CallLeg.BOTH: 'both'>, what=PlayFiles\(ids=\('welcome',\), locale=None\)\)\]"],
    [],  # run by pytest: test_pytest_plugin.py
    [
        r"[1-9]\d+ calls, [1-9]\d* answered, 0 rejects",
        r".*[1-9]\d+ records = [1-9]\d+ loaded \+ 0 duplicates.*",
        *[r"(app-to-app|phone-\w+) [1-9]\d* attempts, ASR 0\.\d+"] * 3,
    ],
    [],
    [],
]


CLIENT_EXAMPLES = examples(DOCS.read_text(encoding="utf-8"))
CLIENT_EXPECTED = [
    ["True"],
    ["200 up 1"],
    ["reports.counter 200 1"],
    ["3"],
    [r"\+12125550160 204"],
]

CALLING_EXAMPLES = examples((DOCS.parent / "calling.md").read_text(encoding="utf-8"))
CALLING_EXPECTED = [
    ["order 7", r"\['alice'\]"],
    ["accepted"],
    ["alice True False", r"\+12125550123 False True", "40400"],
    [
        r"\+12125550160 voice True",
        r"\+12125550161 voice True",
        r"\+46730170160 voice False",
        "https://new.example.com/sinch",
    ],
]


@pytest.mark.parametrize(
    ("example", "expected"),
    [
        *zip(EXAMPLES, EXPECTED, strict=True),
        *zip(CLIENT_EXAMPLES, CLIENT_EXPECTED, strict=True),
        *zip(CALLING_EXAMPLES, CALLING_EXPECTED, strict=True),
    ],
    ids=[
        f"example {number}"
        for number, _ in enumerate([*EXAMPLES, *CLIENT_EXAMPLES, *CALLING_EXAMPLES], 1)
    ],
)
def test_an_example_of_the_documentation_does_what_it_says(
    example: str,
    expected: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    with running() as box:
        for name, value in box.environ.items():
            monkeypatch.setenv(name, value)
        exec(compile(example, "README.md", "exec"), {"__name__": "__main__"})  # noqa: S102
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(expected)
    for line, pattern in zip(lines, expected, strict=True):
        assert re.fullmatch(pattern, line)


def test_the_callback_example_accepts_the_published_callback():
    namespace: dict[str, object] = {}
    source = EXAMPLES[-1].replace("body=body)", "body=body, max_age=None)")
    exec(compile(source, "README.md", "exec"), namespace)  # noqa: S102
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
    (source,) = [example for example in EXAMPLES if "@app.post" in example]

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
    with running(populated=False, now=NOW) as box:
        box.callback_app = application(box)
        call_sales_and_leave_a_message(box)


def test_the_voice_application_is_called_back_over_a_socket(
    application: Callable[[Sandbox], Any],
):
    with running(populated=False, now=NOW) as box, served(application(box)) as url:
        box.callback_url = f"{url}/sinch"
        call_sales_and_leave_a_message(box)


def test_the_voice_application_has_about_forty_lines():
    (source,) = [example for example in EXAMPLES if "@app.post" in example]
    assert len([line for line in source.splitlines() if line.strip()]) <= 45


def test_every_name_to_move_over_to_exists():
    rows = re.findall(r"^\| .* \| (.*) \|$", MOVING.read_text(encoding="utf-8"), re.MULTILINE)
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


def test_every_name_in_the_table_of_names_exists():
    table = MOVING.read_text(encoding="utf-8")
    names = set(re.findall(r"`svaml\.(\w+)", table))
    assert names >= {"Svaml", "Say", "Raw"}
    for name in names:
        assert hasattr(svaml, name)
    for name in re.findall(
        r"`(\w+(?:Error|Endpoint|Client))\b", MOVING.read_text(encoding="utf-8")
    ):
        assert hasattr(sinchvoice, name) or name == "SinchClient", name
    assert hasattr(signing, "signed_headers")
