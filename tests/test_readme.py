"""The examples of the README, docs/client.md and docs/calling.md, run against the sandbox."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import sinchvoice
from sinchvoice import signing, svaml
from sinchvoice.sandbox import running

README = Path(__file__).parent.parent / "README.md"
TEXT = README.read_text(encoding="utf-8")
DOCS = README.parent / "docs" / "client.md"


def examples(text: str) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


EXAMPLES = examples(TEXT)

EXPECTED = [
    [*[r"\d{4}-\d\d-\d\d [1-9] ok, \d+ failed, [1-9]\d+ s"] * 7, "3 ongoing calls"],
    [r"phone \+12125550123"],
    ["3 True"],
    [r"\{'type': 'number', 'endpoint': '\+12125550123'\}"],
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


def test_every_name_in_the_table_of_names_exists():
    names = set(re.findall(r"`svaml\.(\w+)", TEXT))
    assert names >= {"Svaml", "Say", "Raw"}
    for name in names:
        assert hasattr(svaml, name)
    for name in re.findall(r"`(\w+(?:Error|Endpoint|Client))\b", TEXT):
        assert hasattr(sinchvoice, name) or name == "SinchClient", name
    assert hasattr(signing, "signed_headers")
