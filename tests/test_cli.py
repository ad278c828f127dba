"""cli/: the command `sinchvoice` against a sandbox: output and exit codes."""

from __future__ import annotations

import ast
import base64
import bz2
import csv
import gc
import gzip
import hmac
import io
import json
import lzma
import os
import pty
import re
import runpy
import select
import signal
import socket
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from hashlib import md5
from importlib import import_module
from pathlib import Path
from typing import Any

import httpx
import pytest
import typer
from command_line import Ran, Run, isolated, runner
from rich.progress import Progress
from sinchvoice import (
    ApiConnectionError,
    ApiError,
    Call,
    ConfigurationError,
    Credentials,
    InvalidRequest,
    MxpEndpoint,
    OtherEndpoint,
    Price,
    PstnEndpoint,
    ServerError,
    UnexpectedResponse,
    VoiceClient,
    cdr,
    signing,
    svaml,
)
from sinchvoice.cli import app as cli_app
from sinchvoice.cli import main, sandbox_cdr
from sinchvoice.cli.cdr import _Bars, _TimeLeft
from sinchvoice.cli.config import find_settings
from sinchvoice.cli.options import ClientOptions
from sinchvoice.cli.output import EXIT_CODES, WORDS, Output, show_error
from sinchvoice.errors import printable
from sinchvoice.sandbox import Sandbox, SandboxCall, cdr_generator, faults, running
from sinchvoice.sandbox.faults import Injection

ROOT = Path(__file__).parent.parent
DOCUMENTATION = (ROOT / "docs" / "reference" / "cli.md").read_text(encoding="utf-8")
VECTORS = json.loads((Path(__file__).parent / "data" / "signing_vectors.json").read_text("utf-8"))
PUBLISHED = VECTORS["published"]["a request of an application"]
KEY, SECRET = PUBLISHED["application_key"], PUBLISHED["application_secret"]
TRACES = [
    SECRET,
    SECRET.rstrip("="),
    base64.b64encode(f"{KEY}:{SECRET}".encode()).decode(),
    base64.b64decode(SECRET).hex(),
]
TODAY = datetime.now(UTC).date()
THREE_DAYS = ["--start", str(TODAY - timedelta(days=3)), "--stop", str(TODAY)]


@pytest.fixture
def run(
    box: Sandbox,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Run:
    """Run the command in this process; standard output is not a terminal."""
    return runner(isolated(box.environ, tmp_path), monkeypatch, capsys)


@pytest.fixture
def call(box: Sandbox) -> SandboxCall:
    return box.add_call(to=PstnEndpoint("+12125550123"), from_=MxpEndpoint("myUserName"))


# A process in the background ignores SIGINT, and so do its children.
HEEDING = (
    "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL); "
    "os.execv(sys.executable, [sys.executable, '-m', 'sinchvoice', *sys.argv[1:]])"
)


def spawn(
    *arguments: str,
    environ: Mapping[str, str],
    home: Path,
    heeding: bool = False,
    **options: Any,
) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *(["-c", HEEDING] if heeding else ["-m", "sinchvoice"]), *arguments],
        env=isolated(environ, home),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def on_a_terminal(environ: Mapping[str, str], home: Path, *arguments: str, code: int = 0) -> str:
    """Return the output of the real command on a terminal of 80 columns."""
    master, slave = pty.openpty()
    variables = isolated({**environ, "COLUMNS": "80", "TERM": "xterm-256color"}, home)
    variables.update(environ)
    with subprocess.Popen(
        [sys.executable, "-m", "sinchvoice", *arguments], env=variables, stdout=slave, stderr=slave
    ) as process:
        os.close(slave)
        shown = b""
        while select.select([master], [], [], 20)[0]:
            try:
                shown += os.read(master, 4096)
            except OSError:  # that is how a terminal ends on Linux
                break
    os.close(master)
    assert process.returncode == code
    return shown.decode().replace("\r\n", "\n")


def unstyled(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


# --- Imports -------------------------------------------------------------------------------------

CLI = Path(cli_app.__file__).parent
PROMISED = runpy.run_path(str(ROOT / "scripts" / "api_dump.py"))["PUBLIC"]
EXCEPTIONS = {
    "sinchvoice.decoding.refuse_constant",  # what JSON is, said once
    "sinchvoice.hidden.Hidden",  # keeps secrets out of tracebacks
    "sinchvoice.cdr.kpis.over_calls",  # counts calls without their KPIs
    "sinchvoice.cdr.sources.streams",  # files one by one, each with its own report or error
    "sinchvoice.cdr.opening.is_database",  # before a file is read for nothing
    "sinchvoice.cdr.workspace.replacing",  # a whole file or none, and never a device
}


def names_used(source: str) -> Iterator[tuple[str, str]]:
    """Yield module and name of each import from outside the folder of the command."""
    tree, modules = ast.parse(source), {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((each.name, "") for each in node.names if "sinchvoice" in each.name)
        if isinstance(node, ast.ImportFrom):
            parts = ["sinchvoice"] * (node.level > 1) + [node.module] * (node.module is not None)
            module = ".".join(parts)
            if node.level == 1 or not module.startswith("sinchvoice"):
                continue
            for each in node.names:
                if f"{module}.{each.name}" in PROMISED:
                    modules[each.asname or each.name] = f"{module}.{each.name}"
                else:
                    yield module, each.name
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=ast.Name(id=name), attr=attribute) if name in modules:
                yield modules[name], attribute


@pytest.mark.parametrize("file", sorted(CLI.glob("*.py")), ids=lambda file: file.name)
def test_the_command_uses_public_names_only(file: Path):
    private = {
        f"{module}.{name}"
        for module, name in names_used(file.read_text(encoding="utf-8"))
        if module not in PROMISED or name not in import_module(module).__all__
    }
    assert private - EXCEPTIONS == set()


@pytest.mark.parametrize(
    ("source", "used"),
    [
        ("from .. import Call", [("sinchvoice", "Call")]),
        ("from ..flow import Operation", [("sinchvoice.flow", "Operation")]),
        ("def f():\n    from ..settings import Auth", [("sinchvoice.settings", "Auth")]),
        ("from .. import signing as s\ns.sign()", [("sinchvoice.signing", "sign")]),
        ("from sinchvoice.data import Model", [("sinchvoice.data", "Model")]),
        ("import sinchvoice.data", [("sinchvoice.data", "")]),
        ("from .output import write\nimport json", []),
    ],
)
def test_all_forms_of_import_are_found(source: str, used: list[tuple[str, str]]):
    assert list(names_used(source)) == used


# --- Results -------------------------------------------------------------------------------------


def keys_documented_for(command: str) -> list[str]:
    """Return the keys in the table of docs/reference/cli.md for a command."""
    (section,) = [
        text
        for title, text in re.findall(r"^### JSON of (.*)\n([^#]*)", DOCUMENTATION, re.MULTILINE)
        if f"`{command}`" in title or title == command
    ]
    return keys_of_table(section[section.index("| key |") :])


def keys_of_table(text: str) -> list[str]:
    rows = text.partition("\n\n")[0].splitlines()[2:]
    return [key for row in rows for key in re.findall("`(.*?)`", row.split("|")[1])]


@pytest.mark.parametrize(
    "arguments",
    [
        ["report", "user", "myUserName"],
        ["report", "user", "myUserName", "--by-day", *THREE_DAYS],
        ["report", "counter", "currentcalls"],
        ["report", "service", "rtpproxy"],
        ["call", "get", "CALL"],
        ["call", "say", "CALL", "Hello"],
        ["call", "play", "CALL", "welcome"],
        ["call", "update", "CALL", "-"],
        ["call", "hangup", "CALL"],
        ["sign", "explain", "GET", "/v1/counters/currentcalls"],
    ],
    ids=" ".join,
)
def test_json_has_the_documented_keys(run: Run, call: SandboxCall, arguments: list[str]):
    arguments = [call.call_id if argument == "CALL" else argument for argument in arguments]
    ran = run(*arguments, "--json", stdin=b'{"action": {"name": "continue"}}')
    assert (ran.code, ran.err) == (0, "")
    for line in ran.out.splitlines():
        assert keys_documented_for(" ".join(arguments[:2])) == list(json.loads(line))


def test_json_of_errors_has_the_documented_keys(run: Run):
    ran = run("call", "get", "nonsense", "--json")
    assert ran.out == ""
    assert keys_documented_for("errors") == list(ran.error)


def test_json_of_a_candidate_has_the_documented_keys(run: Run):
    keys = keys_of_table(DOCUMENTATION[DOCUMENTATION.index("| key of a candidate") :])
    ran = run("sign", "explain", "GET", "/", "--json")
    assert keys == list(ran.json["candidates"][0])


GROUPS = {"report", "call", "conference", "number", "callback", "sign", "cdr"}


def test_all_commands_are_documented_and_exist():
    documented = re.findall(
        r"^\| `([a-z]+(?: [a-z-]+)?)", DOCUMENTATION.split("## Credentials")[0], re.MULTILINE
    )
    root: Any = typer.main.get_command(cli_app.command_line())
    paths = [path.removeprefix("sinchvoice ") for path, _ in cli_app.commands(root)]
    page = "docs/reference/cli.md"
    assert len(documented) == len(set(documented)), f"{page} has a command twice in its tables"
    missing, unknown = set(paths) - GROUPS - set(documented), set(documented) - set(paths)
    assert not missing, f"add a row for each of them to a table of commands in {page}"
    assert not unknown, f"{page} has commands that do not exist"


def test_the_json_of_every_command_is_documented():
    root: Any = typer.main.get_command(cli_app.command_line())
    titles = re.findall(r"^### JSON of (.*)$", DOCUMENTATION, re.MULTILINE)
    described = {name for title in titles for name in re.findall("`(.*?)`", title)}
    commands = {
        path.removeprefix("sinchvoice ")
        for path, member in cli_app.commands(root)
        if any("--json" in parameter.opts for parameter in member.params)
    }
    missing = commands - described - GROUPS
    assert not missing, "add a section `### JSON of …` for each of them to docs/reference/cli.md"


def test_options_are_written_in_lower_case():
    # typer 0.27 mistakes a metavar that repeats the parameter's name for the option's name.
    root: Any = typer.main.get_command(cli_app.command_line())
    names = {
        name
        for _, member in [("", root), *cli_app.commands(root)]
        for parameter in member.params
        if parameter.param_type_name == "option"
        for name in parameter.opts
    }
    assert names >= {"--json", "--port", "--signature", "-v"}
    assert {name for name in names if name != name.lower()} == set()


def test_a_report_shows_the_question_and_the_result(run: Run):
    ran = run("report", "user", "myUserName", "--domain", "pstn", *THREE_DAYS, "--json")
    assert ran.json["endpoint"] == {"type": "username", "endpoint": "myUserName"}
    assert (ran.json["domain"], ran.json["start"], ran.json["stop"]) == (
        "pstn",
        str(TODAY - timedelta(days=3)),
        str(TODAY),
    )
    assert ran.json["success"] > 0
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", ran.json["first_call"])


@pytest.mark.parametrize(("option", "count"), [(["--by-day"], 3), (["--step", "2d"], 2)])
def test_windows_are_a_line_each(run: Run, option: list[str], count: int):
    arguments = ["report", "user", "myUserName", "--domain", "pstn", *THREE_DAYS, *option]
    lines = run(*arguments, "--json").out.splitlines()
    assert len(lines) == count
    plain = run(*arguments).out.splitlines()
    assert plain[0].split("\t") == list(json.loads(lines[0]))
    assert len(plain) == count + 1
    assert plain[1].startswith("username:myUserName\tpstn\t")


def test_windows_may_be_hours_between_times(run: Run):
    ran = run(
        *("report", "user", "number:+46730170101", "--step", "90m", "--json"),
        *("--start", f"{TODAY}T02:00+02:00", "--stop", f"{TODAY}T03:00Z"),
    )
    windows = [json.loads(line) for line in ran.out.splitlines()]
    assert [(window["start"], window["stop"]) for window in windows] == [
        (f"{TODAY}T00:00:00Z", f"{TODAY}T01:30:00Z"),
        (f"{TODAY}T01:30:00Z", f"{TODAY}T03:00:00Z"),
    ]


def test_a_call_is_shown_in_a_pipe_as_keys_and_values(run: Run, call: SandboxCall):
    ran = run("call", "get", call.call_id)
    assert ran.out.startswith(
        f"call_id\t{call.call_id}\nfrom\tusername:myUserName\nto\tnumber:+12125550123\n"
    )
    assert ran.err == ""
    assert run("report", "service", "rtpproxy").out.endswith("\nis_up\tyes\n")


def a_call(**details: Any) -> dict[str, Any]:
    to, debit = OtherEndpoint(None, "anonymous"), Price(Decimal("1E-7"), "EUR")
    return Call(call_id="x", **{"to": to, "domain": "lunar", "debit": debit, **details}).to_dict()


def test_unknown_values_are_null_and_amounts_keep_all_digits():
    record = a_call(user_rate=Price(None, None))
    assert record["from"] is None
    assert record["to"] == {"type": None, "endpoint": "anonymous"}
    assert record["domain"] == "lunar"
    assert record["debit"] == {"amount": "0.0000001", "currency": "EUR"}
    assert record["user_rate"] == {"amount": None, "currency": None}


def test_decimals_of_others_are_numbers_where_that_is_exact(
    capsys: pytest.CaptureFixture[str],
):
    custom = {
        "short": Decimal("1.5"),
        "long": Decimal("0.1234567890123456789"),
        "large": Decimal("1E+999"),
        "small": Decimal("-1E-999"),
    }
    Output(as_json=True).record(a_call(custom=custom))
    assert json.loads(capsys.readouterr().out)["custom"] == {
        "short": 1.5,
        "long": "0.1234567890123456789",
        "large": "1E+999",
        "small": "-1E-999",
    }


def test_text_of_others_cannot_control_the_terminal(capsys: pytest.CaptureFixture[str]):
    Output().record({"custom": {"a": ["\x9b2J"]}})
    assert capsys.readouterr().out == 'custom\t{"a": ["\\x9b2J"]}\n'
    Output().record(a_call(custom="\x1b[2J\tbell\x07\n", domain="a\u202eb"))
    shown = capsys.readouterr().out
    assert "custom\t\\x1b[2J\\tbell\\x07\\n\n" in shown
    assert "domain\ta\\u202eb\n" in shown
    assert "debit\t0.0000001 EUR\n" in shown
    assert "to\tanonymous\n" in shown


def test_a_character_missing_in_the_encoding_is_escaped(monkeypatch: pytest.MonkeyPatch):
    out = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", out)
    Output().record({"name": "Åsa"})
    assert out.buffer.getvalue() == b"name\t\\xc5sa\n"  # type: ignore[attr-defined]


# --- Terminals -----------------------------------------------------------------------------------


def test_a_terminal_gets_tables_without_truncation(box: Sandbox, call: SandboxCall, tmp_path: Path):
    shown = on_a_terminal(box.environ, tmp_path, "call", "get", call.call_id)
    assert "\x1b[1m" in shown
    lines = re.sub(r"\x1b\[[0-9;]*m", "", shown).splitlines()
    assert lines[0].split() == ["call", "id", call.call_id]
    assert "duration (s)" in shown
    assert max(map(len, lines)) <= 80


def test_windows_fit_a_terminal_of_80_columns_and_no_color_means_no_escapes(
    box: Sandbox, tmp_path: Path
):
    shown = on_a_terminal(
        {**box.environ, "NO_COLOR": "1"},
        tmp_path,
        *("report", "user", "myUserName", "--domain", "pstn", "--step", "12h"),
        *("--start", f"{TODAY - timedelta(days=1)}T00:00Z", "--stop", f"{TODAY}T00:00Z"),
    )
    assert "\x1b" not in shown
    assert f"{TODAY - timedelta(days=1)}T12:00:00Z" in shown
    assert max(len(line.rstrip()) for line in shown.splitlines()) <= 80


def test_help_and_headings_are_styled_on_a_terminal(box: Sandbox, tmp_path: Path):
    assert "Common options" in on_a_terminal(box.environ, tmp_path, "call", "play", "--help")
    assert "\x1b[1mall forms " in on_a_terminal(
        box.environ, tmp_path, "sign", "explain", "GET", "/"
    )


@pytest.mark.parametrize("arguments", [["call", "get", "CALL"], ["sign", "explain", "GET", "/"]])
def test_a_terminal_without_colour_gets_the_same_text(
    run: Run, call: SandboxCall, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
):
    arguments = [call.call_id if argument == "CALL" else argument for argument in arguments]
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    shown = run(*arguments).out
    assert "\x1b" not in shown
    assert "number:+12125550123" in shown or "all forms of the URL" in shown


def test_help_in_a_pipe_is_plain(run: Run):
    ran = run("call", "play", "--help")
    assert ran.code == 0
    assert "#tts[…]" in ran.out
    assert "╭" not in ran.out


def test_a_table_shows_what_came_before_an_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)

    def records() -> Iterator[Mapping[str, Any]]:
        yield {"start": "2026-11-01", "success": 1, "other": 2}
        raise ApiError("late")

    with pytest.raises(ApiError):
        Output().rows(records(), ["start", "success"])
    assert "2026-11-01" in capsys.readouterr().out
    Output().rows([], ["start"])
    assert capsys.readouterr().out == ""


# --- Calls ---------------------------------------------------------------------------------------


def test_prompts_are_heard(run: Run, call: SandboxCall):
    assert run("call", "say", call.call_id, "Hello", "--locale", "en-US").code == 0
    assert run("call", "play", call.call_id, "one", "two", "--leg", "both").code == 0
    assert [(heard.leg, heard.what) for heard in call.heard] == [
        ("caller", svaml.Say("Hello", locale="en-US")),
        ("both", svaml.PlayFiles(["one", "two"])),
    ]


def test_a_call_is_hung_up(run: Run, call: SandboxCall):
    ran = run("call", "hangup", call.call_id)
    assert ran == Ran(0, f"done\thangup\ncall\t{call.call_id}\n", "")
    assert run("call", "get", call.call_id, "--json").json["status"] == "FINAL"


def test_svaml_comes_from_a_file_or_from_standard_input(
    run: Run, call: SandboxCall, tmp_path: Path
):
    file = tmp_path / "svaml.json"
    # Editors on Windows begin a file with a byte order mark.
    file.write_text('{"instructions": [{"name": "Say", "text": "Hi"}]}', encoding="utf-8-sig")
    assert run("call", "update", call.call_id, str(file), "--leg", "callee").code == 0
    body = b'{"instructions": [{"name": "say", "text": "Bye"}], "action": {"name": "hangup"}}'
    assert run("call", "update", call.call_id, "-", "--raw", stdin=body).code == 0
    assert [(heard.leg, heard.what) for heard in call.heard] == [
        ("callee", svaml.Say("Hi")),
        ("caller", svaml.Say("Bye")),
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"action":\n {"name": }}', "line 2, column 11: this is not JSON: Expecting value"),
        (b'{"action": NaN}', "standard input is not JSON: NaN is not JSON"),
        (b"\xff", "standard input is not JSON: 'utf-8' codec can't decode"),
        (b"[" * 100_000, "standard input is not JSON: "),
        (b"[]", "standard input: Svaml is [...]: give a JSON object"),
        (b"{}", "standard input: Svaml is empty"),
        (b'{"instructions": [{"name": "say", "txt": ""}]}', "standard input: say has no field"),
        (b'{"action": {"name": "hangpu"}}', "unknown action 'hangpu': did you mean hangup?"),
        (
            b'{"instructions": [{"name": "x"}]}',
            "unknown instruction 'x'\nhint: to send it unchecked, use --raw",
        ),
    ],
)
def test_invalid_svaml_is_refused_by_its_name(run: Run, content: bytes, message: str):
    ran = run("call", "update", "x", "-", stdin=content)
    assert (ran.code, ran.out) == (2, "")
    assert message.replace("[...]", "") in ran.err.replace("[]", "")


def test_raw_svaml_is_checked_by_the_server(run: Run, call: SandboxCall):
    body = b'{"action": {"name": "somethingNew", "x": 1}}'
    ran = run("call", "update", call.call_id, "-", "--raw", stdin=body)
    assert ran.code == 10
    assert "unknown action 'somethingNew'" in ran.err
    for content in (b'{"actoin": {}}', b'{"instructions": 1}', b"[]", b'{"action": {}}'):
        ran = run("call", "update", call.call_id, "-", "--raw", stdin=content)
        assert ran.code == 2
        assert "hint" not in ran.err


@pytest.mark.parametrize("name", ["/no/such/file", "/", "a\0b"])
def test_a_file_that_cannot_be_read_is_refused(run: Run, name: str):
    ran = run("call", "update", "x", name)
    assert ran.code == 2
    assert ran.err.startswith(f"error: {name!r} cannot be read: ".replace("\\", "\\"))


def test_the_hint_on_raw_is_given_only_where_it_helps(run: Run):
    for content in (b'{"actoin": {}}', b"{}", b"[]"):
        assert "--raw" not in run("call", "update", "x", "-", stdin=content).err


def test_limits_of_older_pages_give_warnings_for_files(run: Run, call: SandboxCall):
    body = b'{"action": {"name": "park", "maxDuration": 700}}'
    ran = run("call", "update", call.call_id, "-", stdin=body)
    assert (ran.code, ran.err) == (
        0,
        "warning: Park.max_duration is not from 1 to 600\n",
    )


def test_the_option_region_overrides_a_url_in_the_environment(
    run: Run, monkeypatch: pytest.MonkeyPatch
):
    # The environment has the sandbox's URL; the region's is behind a proxy where nothing listens.
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    ran = run("call", "get", "x", "--region", "europe", "-v", "--retries=0", "--timeout=0.5")
    assert ran.code == 8
    assert "GET https://calling-euc1.api.sinch.com/calling/v1/calls/id/x" in ran.err


def test_a_limit_that_may_be_too_low_gives_a_warning(run: Run, call: SandboxCall):
    ran = run("call", "say", call.call_id, "a" * 700)
    assert ran.err.startswith("warning: Say.text is longer than 600 characters\n")


# --- Arguments -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "kind", "endpoint"),
    [
        ("+46730170101", "number", "+46730170101"),
        ("number:+46730170101", "number", "+46730170101"),
        ("Username:46730170101", "username", "46730170101"),
        ("alice@example.com", "username", "alice@example.com"),
        ("4alice", "username", "4alice"),
        ("team:alice", "username", "team:alice"),
    ],
)
def test_an_endpoint_is_a_number_with_its_plus_or_a_user(
    run: Run, text: str, kind: str, endpoint: str
):
    ran = run("report", "user", text, "--json")
    assert ran.json["endpoint"] == {"type": kind, "endpoint": endpoint}


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("46730170101", "it has no leading plus: write '+46730170101'"),
        ("0046730170101", "write '+' in place of the leading 00"),
        ("(0)46-730", "is not an E.164 phone number"),
        ("+46 73", "leave out spaces"),
    ],
)
def test_a_number_without_its_plus_is_refused(run: Run, text: str, remedy: str):
    ran = run("report", "user", text)
    assert ran.code == 2
    assert remedy in ran.err
    assert f"if it is the name of an app user, write 'username:{text}'" in ran.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["sip:a@b"], "there are no reports on SIP addresses"),
        (["number:1"], "number '1' is not"),
        (["u", "--start", "2026-11-01T10:00"], "no time zone: write 2026-11-01T10:00Z if it is"),
        (["u", "--start", "2026-13-01"], "--start is '2026-13-01': give a day like"),
        (["u", "--stop", "yesterday"], "--stop is 'yesterday': give a day like"),
        (
            ["u", "--start", "0001-01-01T00:00+23:00"],
            "--start '0001-01-01T00:00+23:00' does not exist in",
        ),
        (["u", "--by-day"], "need a beginning and an end"),
        (["u", "--step", "1w"], "--step is '1w': give a length like 7d, 6h or 30m\n"),
        (["u", "--step", "1d", "--by-day"], "not both"),
        (["u", "--step", "31d"], "at most 30d"),
        (["u", "--step", "0d"], "more than nothing"),
        (["u", "--step", "1h", *THREE_DAYS], "--step is '1h' between days: give times"),
        (
            ["u", "--by-day", "--start", "2026-11-01", "--stop", "2026-11-02T00:00Z"],
            "give two days or two times",
        ),
        (
            ["u", "--start", "2026-01-01", "--stop", "2026-11-01"],
            "is more than 30 days: use --by-day or --step",
        ),
        (["u", "--domain", "mobile"], "error: Invalid value for '--domain': 'mobile' is not one"),
        (["u", "--domain", "mobile"], "'data', 'pstn'"),
    ],
)
def test_a_wrong_argument_is_refused_with_the_remedy(run: Run, arguments: list[str], message: str):
    ran = run("report", "user", *arguments)
    assert (ran.code, ran.out) == (2, "")
    assert message in ran.err
    assert run("--json", "report", "user", *arguments).error["may_have_executed"] is False


def test_an_unknown_region_is_refused_with_the_known_ones(run: Run):
    ran = run("report", "counter", "x", "--region", "mars")
    assert ran.code == 3
    assert "south-america (sae1), south-east-asia-1" in ran.err


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["counter", "currentcalls"], "did you mean: sinchvoice report counter"),
        (["report", "conter", "x"], "did you mean: sinchvoice report counter"),
        (["hangap", "x"], "did you mean: sinchvoice call hangup"),
        (["report", "hangup", "x"], "did you mean: sinchvoice call hangup"),
        (["call", "get", "x", "--jsn"], "did you mean: --json; see sinchvoice call get --help"),
        (
            ["call", "get", "x", "--greeting", "a"],
            "--greeting is an option of sinchvoice call conference",
        ),
        (["sandbox", "--region=x"], "--region is an option of sinchvoice report"),
        (["sandbox", "crd"], "did you mean: sinchvoice sandbox cdr"),
        (["cdrr"], "did you mean: sinchvoice cdr"),
        (["call", "--version"], "--version is an option of sinchvoice"),
        (["call", "say", "x", "-hallo"], "write -- before text that begins with a dash"),
        (["call", "get"], "see sinchvoice call get --help"),
        (["call", "get", "x", "--application-secret", "y"], "credentials are never options"),
        (["call", "get", "x", "--timeout", "soon"], "see sinchvoice call get --help"),
    ],
)
def test_a_mistake_gets_a_suggestion(run: Run, arguments: list[str], hint: str):
    ran = run(*arguments)
    assert (ran.code, ran.out) == (2, "")
    error, said = ran.err.splitlines()
    assert error.startswith("error: ")
    assert said.startswith(f"hint: {hint}")


def test_an_unlike_word_gets_no_suggestion(run: Run):
    ran = run("xyzzy")
    assert (
        ran.err
        == "error: sinchvoice has no command 'xyzzy': give one of call, callback, cdr, conference, "
        "number, report, sandbox, sign\n"
    )
    assert run("call", "get", "x", "--xyzzy").err.count("hint: see") == 1
    assert run("--xyzzy").code == 2
    ran = run("call", "get", "x", "--timeout")
    assert ran.err == "error: Option '--timeout' requires an argument.\n"


@pytest.mark.parametrize("arguments", [[], ["report"]])
def test_a_group_alone_shows_its_help(run: Run, arguments: list[str]):
    ran = run(*arguments)
    assert ran.code == 2
    assert "Commands:" in ran.out


def test_shared_options_may_stand_before_or_after_and_the_last_one_counts(run: Run):
    plain = run("report", "counter", "currentcalls").out
    assert "value" in plain
    for arguments in (
        ["--json", "report", "counter", "currentcalls"],
        ["report", "--json", "counter", "currentcalls"],
        ["report", "counter", "currentcalls", "--json"],
        ["--region", "mars", "report", "counter", "currentcalls", "--json", "--region", "euc1"],
    ):
        assert run(*arguments).json["counter"] == "currentcalls"
    assert run("--region", "mars", "report", "counter", "currentcalls").code == 3


def test_text_after_two_dashes_is_not_an_option(run: Run):
    assert run("call", "say", "nonsense", "--", "--json").err.startswith("error: PATCH")


def test_the_version_is_shown(run: Run):
    ran = run("--version")
    assert ran.code == 0
    assert re.fullmatch(r"sinchvoice \d+\.\d+\.\d+\S*\n", ran.out)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("sinchvoice rep", "report"),
        ("sinchvoice report user x --dom", "--domain"),
        ("sinchvoice report user x --domain p", "pstn"),
        ("sinchvoice call get x --region eu", "europe"),
        ("sinchvoice call get x --canonical-resource au", "auto"),
    ],
)
def test_shells_complete(
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: str,
    expected: str,
):
    monkeypatch.setenv("_SINCHVOICE_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", words)
    monkeypatch.setenv("COMP_CWORD", str(len(words.split()) - 1))
    with pytest.raises(SystemExit):
        main([])
    assert expected in capsys.readouterr().out.split()


def test_every_completion_has_text(run: Run):
    root: Any = typer.main.get_command(cli_app.command_line())
    completed = set()
    for path, member in cli_app.commands(root):
        context = member.make_context(path, [], resilient_parsing=True)
        for parameter in member.params:
            found = [each.value for each in parameter.shell_complete(context, "")]
            if found:
                completed.add(f"{path} {parameter.opts[0]}")
                assert all(isinstance(value, str) for value in found)
    wanted = {f"sinchvoice cdr {name} --layout" for name in ("check", "load", "stats", "report")}
    assert completed >= {*wanted, "sinchvoice call get --region"}


# --- Errors --------------------------------------------------------------------------------------


def test_the_documented_exit_codes_are_the_real_ones():
    documented = {}
    for row in re.findall(r"^\| (\d+) \|.*?\|(.*)\|$", DOCUMENTATION, re.MULTILINE):
        for name in re.findall("`(.*?)`", row[1]):
            documented[name] = int(row[0])
    assert {kind.__name__: code for kind, code in EXIT_CODES.items()} == documented


@pytest.fixture(scope="module")
def faulty() -> Iterator[Sandbox]:
    """Run a sandbox whose calls answer with their id as status, and with HTML."""

    def middleware(app: Any) -> Any:
        async def answer(scope: Any, receive: Any, send: Any) -> None:
            code = int(scope["path"].rpartition("/")[2])
            headers = [(b"retry-after", b"3600")] if code == 429 else []
            await send({"type": "http.response.start", "status": code or 200, "headers": headers})
            await send({"type": "http.response.body", "body": b"<html>"})

        return answer

    with running(middleware=middleware) as sandbox:
        yield sandbox


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, 10, "BadRequestError"),
        (401, 4, "AuthenticationError"),
        (402, 10, "InsufficientCreditError"),
        (403, 4, "PermissionDeniedError"),
        (404, 5, "NotFoundError"),
        (409, 10, "ConflictError"),
        (418, 10, "ApiStatusError"),
        (422, 10, "UnprocessableError"),
        (429, 6, "RateLimitError"),
        (503, 7, "ServerError"),
        (0, 9, "UnexpectedResponse"),
    ],
)
def test_the_exit_code_tells_what_went_wrong(
    run: Run, faulty: Sandbox, status: int, code: int, kind: str
):
    url = ["--calling-url", faulty.calling_url, "--retries", "0"]
    ran = run("call", "get", str(status), "--json", *url)
    assert (ran.code, ran.out) == (code, "")
    assert ran.error["type"] == kind
    assert ran.error["status_code"] == (status or 200)
    assert ran.error["retry_after"] == (3600 if status == 429 else None)
    assert "Hint" not in ran.error["message"]
    text = run("call", "get", str(status), *url)
    assert text.err.startswith(f"error: {ran.error['message']}\n")
    assert text.err.count("\n") == 1 + bool(ran.error["hint"])


def test_an_error_says_whether_the_server_may_have_acted(run: Run, faulty: Sandbox):
    url = ["--calling-url", faulty.calling_url, "--retries", "0"]
    ran = run("call", "hangup", "503", *url)
    assert ran.code == 7
    assert "the server may have acted on it" in ran.err
    assert "hint: check the call with 'sinchvoice call get' before you try again" in ran.err
    ran = run("call", "hangup", "404", "--json", *url)
    assert ran.error["may_have_executed"] is False
    assert "before you try again" not in (ran.error["hint"] or "")


def test_no_answer_is_an_error_of_its_own(run: Run):
    ran = run("call", "get", "x", "--calling-url", "http://127.0.0.1:9", "--retries", "0")
    assert ran.code == 8
    assert "hint: check the network" in ran.err


@pytest.mark.parametrize(
    ("method", "path", "hint"),
    [
        ("PATCH", "/calling/v1/calls/id/x", "check the call with 'sinchvoice call get' before"),
        ("POST", "/calling/v1/calls/id/x", "check the call with 'sinchvoice call get' before"),
        ("POST", "/calling/v1/callouts", "check whether it was done before you try again"),
        ("DELETE", "/v1/x", "check whether it was done before you try again"),
        ("GET", "/v1/x", None),
    ],
)
def test_a_request_that_may_have_acted_gets_a_hint_to_check(
    capsys: pytest.CaptureFixture[str], method: str, path: str, hint: str | None
):
    for error in (
        ServerError("", method=method, path=path, status_code=503),
        UnexpectedResponse("", method=method, path=path),
        ApiConnectionError("", method=method, path=path),
    ):
        show_error(error, as_json=False)
        shown = capsys.readouterr().err
        assert (hint or "") in shown
        assert ("before you try again" in shown) is (hint is not None)
        error.may_have_executed = False
        show_error(error, as_json=False)
        assert "before you try again" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["report", "user", "x", "--region", "atlantis"], 3),
        (["call", "get", "x", "--calling-url", "http://127.0.0.1:9", "--retries", "0"], 8),
        (["report", "counter"], 2),
        (["report", "user", "x", "--application-secret", "x"], 2),
        (["cdr", "check", "no/" + "such/" * 30 + "file.csv"], 1),
        (["call", "hangup", "0123456789abcdef0123456789abcdef", "-v"], 5),
    ],
)
def test_errors_on_a_terminal_are_wrapped_at_words(
    box: Sandbox, tmp_path: Path, arguments: list[str], code: int
):
    shown = on_a_terminal(box.environ, tmp_path, *arguments, code=code)
    with spawn(*arguments, environ=box.environ, home=tmp_path) as process:
        _, piped = process.communicate(timeout=60)
    changing = r"[0-9a-f]{8}-[0-9a-f-]{27}|\d+ ms"
    assert re.sub(changing, "", " ".join(shown.split())) == re.sub(
        changing, "", " ".join(piped.split())
    )
    for line in shown.splitlines():
        assert len(line) <= 80 or " " not in line


def test_json_on_a_terminal_stays_a_line(box: Sandbox, tmp_path: Path):
    shown = on_a_terminal(box.environ, tmp_path, "--json", "call", "get", "x" * 200, code=5)
    assert json.loads(shown)["error"]["status_code"] == 404


COMMANDS = [
    "",
    "report user",
    "call update",
    "sign explain",
    "cdr load",
    "cdr export",
    "sandbox",
    "sandbox cdr",
]


@pytest.mark.parametrize("words", COMMANDS)
def test_help_shows_no_type_for_flags(tmp_path: Path, words: str):
    shown = unstyled(on_a_terminal({}, tmp_path, *words.split(), "--help"))
    assert "--help" in shown
    assert re.findall("<(?:bool|boolean|int|integer|count)>", shown) == []


def test_help_fits_80_columns_and_names_no_file_of_the_repository(run: Run):
    root: Any = typer.main.get_command(cli_app.command_line())
    for path in ["sinchvoice", *(path for path, _ in cli_app.commands(root))]:
        shown = run(*path.split()[1:], "--help").out
        assert shown.startswith(f"Usage: {path} ")
        assert not re.search(r"docs/|\.md\b|README", shown)
        assert max(map(len, shown.splitlines())) <= 80


def test_the_second_paragraph_of_help_is_wrapped_at_the_width_of_the_terminal(tmp_path: Path):
    shown = unstyled(on_a_terminal({}, tmp_path, "call", "custom", "--help"))
    (line,) = [line for line in shown.splitlines() if "SVAML is JSON if" in line]
    assert len(line.rstrip()) > 70


def test_help_lists_every_fault_also_on_a_terminal(run: Run, tmp_path: Path):
    for shown in (
        run("sandbox", "--help").out,
        unstyled(on_a_terminal({}, tmp_path, "sandbox", "--help")),
    ):
        whole = re.sub(r"-\s+|[│\s]+", lambda gap: "-" if gap[0][0] == "-" else " ", shown)
        listed = re.search(r"Names: ([a-z, -]+)\.", whole)
        assert listed
        assert listed[1].split(", ") == list(faults._BY_NAME)
        assert "'unavailable=5 on PATCH /calling/*'" in whole


def test_every_name_in_a_remedy_is_translated_for_the_command_line():
    named = {
        keyword.arg
        for file in (ROOT / "facade" / "sinchvoice").rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Remedy"
        for keyword in node.keywords
    }
    assert {"layout", "canonical_resource", "get_call"} <= named
    assert named <= set(WORDS)


def test_hints_name_options(run: Run, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SINCH_APPLICATION_SECRET", "BeIukql3pTKJ8RGL5zo0DA==")
    ran = run("report", "counter", "currentcalls")
    assert ran.code == 4
    assert "set --canonical-resource, or use --auth basic" in ran.err


def test_an_error_of_the_system_is_one_line(run: Run, monkeypatch: pytest.MonkeyPatch):
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(sys.stdout, "write", full)
    ran = run("--version", "--json")
    assert ran.code == 1
    assert ran.error["type"] == "OSError"
    assert "No space left" in ran.error["message"]


def test_verbose_shows_the_request_and_its_duration(run: Run, faulty: Sandbox):
    ran = run("-v", "report", "user", "+46730170101", "--domain", "pstn")
    first, second = ran.err.splitlines()
    assert re.fullmatch(r"info: GET http://\S+/v1/users/number/\+46730170101/calls/pstn", first)
    assert re.fullmatch(r"info: reports.user_calls: HTTP 200 after 1 request in \d+ ms", second)
    patience = ["--calling-url", faulty.calling_url, "--retries", "1", "--deadline", "0.9"]
    ran = run("call", "get", "503", "-vv", *patience)
    assert "debug: calls.get: ServerError (HTTP 503), again in 0." in ran.err
    assert run("report", "counter", "currentcalls").err == ""


def test_warnings_of_the_library_are_always_shown(run: Run):
    def middleware(app: Any) -> Any:
        async def answer(scope: Any, receive: Any, send: Any) -> None:
            body = b'{"success": 1, "failed": 0, "duration": 1, "start": "2000-01-01T00:00:00Z"}'
            await send({"type": "http.response.start", "status": 200})
            await send({"type": "http.response.body", "body": body})

        return answer

    with running(middleware=middleware) as box:
        ran = run("report", "user", "u", *THREE_DAYS, "--reporting-url", box.reporting_url)
    assert ran.code == 0
    assert ran.err.startswith("warning: a report from ")
    assert ran.err.count("\n") == 1


# --- Configuration -------------------------------------------------------------------------------


@pytest.fixture
def configured(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Ran]:
    """Run with a configuration file, and without credentials in the environment."""
    for name in ("SINCH_APPLICATION_KEY", "SINCH_APPLICATION_SECRET"):
        monkeypatch.delenv(name)

    def configured(text: str | bytes, *arguments: str, mode: int = 0o600) -> Ran:
        folder = tmp_path / "sinchvoice"
        folder.mkdir(exist_ok=True)
        file = folder / "config.toml"
        file.write_bytes(text.encode() if isinstance(text, str) else text)
        file.chmod(mode)
        return run(*(arguments or ("report", "counter", "currentcalls")))

    return configured


GOOD = f'application_key = "{KEY}"\napplication_secret = "{SECRET}"\n'
OTHER = GOOD.replace(SECRET, "BeIukql3pTKJ8RGL5zo0DA==")


def test_credentials_may_come_from_a_file(configured: Callable[..., Ran]):
    assert configured(GOOD).code == 0
    assert configured(GOOD + "timeout = 5\nauth = 'basic'\nretries = 0").code == 0


def test_the_example_in_the_documentation_is_a_valid_file(
    configured: Callable[..., Ran], box: Sandbox
):
    (example,) = re.findall(r"^```toml\n(.*?)^```", DOCUMENTATION, re.MULTILINE | re.DOTALL)
    assert configured(example).code == 0
    ran = configured(example, "report", "counter", "currentcalls", "--profile", "staging", "--json")
    assert ran.error["error_code"] == 40107


def test_missing_credentials_are_reported_with_the_path_of_the_file(
    configured: Callable[..., Ran], run: Run, tmp_path: Path
):
    ran = run("report", "counter", "currentcalls")
    assert ran.code == 3
    assert "the environment variable SINCH_APPLICATION_KEY is not set" in ran.err
    assert f"{tmp_path}/sinchvoice/config.toml, readable only by you" in ran.err
    assert run("sign", "explain", "GET", "/").err == ran.err


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o620])
def test_a_file_open_to_others_is_refused(
    configured: Callable[..., Ran], tmp_path: Path, mode: int
):
    ran = configured(GOOD, mode=mode)
    assert ran.code == 3
    path = tmp_path / "sinchvoice" / "config.toml"
    assert f"(mode {mode:o}): run chmod 600 {path}" in ran.err


def test_a_file_of_another_user_is_refused(
    configured: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    ran = configured(GOOD)
    assert ran.code == 3
    assert "belongs to another user" in ran.err


def test_a_system_without_owners_is_not_checked(
    configured: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delattr(os, "geteuid")
    assert configured(GOOD, mode=0o644).code == 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("application_key = ", "cannot be read as TOML (at end of document): correct it"),
        ("a = 1\nb = !\n", "cannot be read as TOML (at line 2, column 5): correct it"),
        (b"\xff", "cannot be read as TOML (it is not UTF-8): correct it"),
        (GOOD.encode("utf-16"), "cannot be read as TOML (it is not UTF-8): correct it"),
        ("a=" + "[" * 5000, "cannot be read as TOML (its tables or lists are nested too"),
        ("a=" + "{b=" * 5000, "cannot be read as TOML (its tables or lists are nested too"),
        ("retries = " + "9" * 5000, "cannot be read as TOML (a number is too long): correct it"),
        (GOOD + "timeout = " + "9" * 4000, "timeout is a number of 4000 digits: give seconds"),
        (GOOD + "timeout = inf", "timeout is inf: give seconds"),
        (GOOD + "timeout = 2026-11-27", "timeout is not a number"),
        ("#" * 2**20 + "#", "has 1048577 bytes: use at most 1048576"),
        (
            "regoin = 'x'",
            "a key is unknown, perhaps meant as region: the keys are application_key, app",
        ),
        ("a." * 5000 + "b = 1", "a key is unknown: the keys are"),
        (
            "regoin = 'x'",
            "calling_url, reporting_url, configuration_url, auth, canonical_resource, timeout",
        ),
        ("[profiles.a]\nx = 1", "a key is unknown: the keys are"),
        ("profiles = 1", "write them as [profiles.NAME]"),
        ("[profiles]\na = 1", "write them as [profiles.NAME]"),
        ("application_secret = 1", "application_secret is not text: write it in quotes"),
        ("region = ''", "region is not text"),
        ("timeout = '5'", "timeout is not a number"),
        ("timeout = true", "timeout is not a number"),
        (GOOD + "timeout = -1", "timeout is -1: give seconds"),
        (GOOD + "region = 'mars'", "region is 'mars': give one of"),
    ],
)
def test_an_invalid_file_is_refused(
    configured: Callable[..., Ran], text: str | bytes, message: str
):
    ran = configured(text)
    assert ran.code == 3
    assert message in ran.err


def test_a_named_file_must_be_a_regular_file(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("SINCHVOICE_CONFIG", str(tmp_path / "nowhere"))
    assert "nowhere does not exist: create it" in run("report", "counter", "currentcalls").err
    monkeypatch.setenv("SINCHVOICE_CONFIG", str(tmp_path))
    assert "is not a regular file: create one" in run("report", "counter", "currentcalls").err
    monkeypatch.setenv("SINCHVOICE_CONFIG", os.devnull)
    assert "is not a regular file" in run("report", "counter", "currentcalls").err
    os.mkfifo(tmp_path / "fifo")
    monkeypatch.setenv("SINCHVOICE_CONFIG", str(tmp_path / "fifo"))
    assert "is not a regular file" in run("report", "counter", "currentcalls").err
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    monkeypatch.setenv("SINCHVOICE_CONFIG", str(tmp_path / "loop"))
    ran = run("report", "counter", "currentcalls")
    assert (ran.code, "cannot be read: Too many levels" in ran.err) == (3, True)
    with pytest.raises(ConfigurationError, match="is not the name of a file"):
        find_settings({"SINCHVOICE_CONFIG": "a\0b"})


@pytest.mark.skipif(os.geteuid() == 0, reason="root can read every file")
def test_an_unreadable_file_is_refused(configured: Callable[..., Ran]):
    ran = configured(GOOD, mode=0)
    assert (ran.code, "cannot be read: Permission denied" in ran.err) == (3, True)


def test_a_byte_order_mark_is_skipped(configured: Callable[..., Ran]):
    assert configured(b"\xef\xbb\xbf" + GOOD.encode()).code == 0


@pytest.mark.skipif(
    not Path("/proc/self/fd").exists(), reason="this system does not list open files in /proc"
)
def test_a_refused_file_is_closed(tmp_path: Path):
    gc.collect()  # files and sockets of earlier tests
    before = len([*Path("/proc/self/fd").iterdir()])
    for _ in range(5):
        with pytest.raises(ConfigurationError):
            find_settings({"SINCHVOICE_CONFIG": str(tmp_path)})
    assert len([*Path("/proc/self/fd").iterdir()]) == before


def test_without_a_home_there_is_no_file(run: Run, monkeypatch: pytest.MonkeyPatch):
    def homeless() -> Path:
        raise RuntimeError("no home")

    monkeypatch.setattr(Path, "home", homeless)
    monkeypatch.setenv("XDG_CONFIG_HOME", "relative")
    assert run("report", "counter", "currentcalls").code == 0
    assert run("report", "counter", "currentcalls", "--profile", "x").code == 3


def test_the_default_folder_is_in_the_home_directory(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.delenv("XDG_CONFIG_HOME")
    ran = run("report", "counter", "currentcalls", "--profile", "x")
    assert (
        f"the configuration file {tmp_path}/.config/sinchvoice/config.toml does not exist"
        in ran.err
    )


def test_the_environment_overrides_the_file(
    configured: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch
):
    assert configured(OTHER).code == 4
    monkeypatch.setenv("SINCH_APPLICATION_KEY", KEY)
    monkeypatch.setenv("SINCH_APPLICATION_SECRET", SECRET)
    assert configured(OTHER).code == 0


def test_a_profile_overrides_the_environment(
    configured: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("SINCH_APPLICATION_KEY", KEY)
    monkeypatch.setenv("SINCH_APPLICATION_SECRET", SECRET)
    file = f"[profiles.other]\n{OTHER}[profiles.here]\nregion = 'europe'"
    counter = ("report", "counter", "currentcalls", "--profile")
    assert configured(file, *counter, "other").code == 4
    assert configured(file, *counter, "here").code == 0
    ran = configured(file, *counter, "nobody")
    assert ran.code == 3
    assert "has no profile 'nobody': it has here, other" in ran.err


def test_key_and_secret_come_from_one_place(
    configured: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("SINCH_APPLICATION_KEY", KEY)
    ran = configured(GOOD)
    assert ran.code == 3
    assert "SINCH_APPLICATION_SECRET is not set" in ran.err


def test_an_option_overrides_the_file(configured: Callable[..., Ran]):
    file = GOOD + "region = 'mars'"
    assert configured(file).code == 3
    assert configured(file, "report", "counter", "currentcalls", "--region", "euc1").code == 0


# --- Secrets -------------------------------------------------------------------------------------


SLIPS: list[list[str]] = [
    ["call", "get", "nonsense"],
    ["call", "get", "https://example.com/calling/v1/calls/id/x"],
    ["call", "hangup", "nonsense", "--auth", "basic"],
    ["call", "say", "nonsense", "Hello", "--leg", "nobody"],
    ["call", "play", "nonsense", "x"],
    ["call", "update", "nonsense", "/no/such"],
    ["report", "user", "46"],
    ["report", "user", "myUserName", "--canonical-resource", "x"],
    ["report", "user", "my user", "--auth", "basic"],
    ["report", "counter", "currentcalls", "--timeout", "-1"],
    ["report", "service", "rtpproxy", "--calling-url", "ftp://x"],
    [
        "report",
        "counter",
        "currentcalls",
        "--reporting-url",
        "http://127.0.0.1:9",
        "--retries",
        "0",
    ],
    ["report", "counter", "currentcalls", "--profile", "x"],
    ["sign", "explain", "GET", "nonsense"],
    ["--help"],
    ["--version"],
]


@pytest.mark.parametrize("mode", [["-vv"], ["-vv", "--json"]], ids=["text", "json"])
@pytest.mark.parametrize("arguments", SLIPS, ids=" ".join)
def test_no_command_shows_the_secret_or_a_signature(
    run: Run, arguments: list[str], mode: list[str]
):
    ran = run(*mode, *arguments)
    assert [trace for trace in TRACES if trace in ran.out + ran.err] == []
    assert "Application " not in ran.out + ran.err
    assert "Authorization" not in ran.out + ran.err
    assert "Traceback" not in ran.err


def test_explaining_a_signature_does_not_show_the_secret(run: Run):
    for mode in ([], ["--json"]):
        for signature in ([], ["--signature", "x"]):
            ran = run("sign", "explain", "GET", "/v1/x%20?y", *mode, *signature)
            assert [trace for trace in TRACES if trace in ran.out + ran.err] == []


def test_a_file_that_is_refused_does_not_show_the_secret(configured: Callable[..., Ran]):
    for text, mode in (
        (GOOD, 0o644),
        (GOOD + "x = 1", 0o600),
        (GOOD.replace('=="', "=="), 0o600),
        (GOOD.encode() + b"\xff", 0o600),
        (GOOD.replace("application_key", "region"), 0o600),
        (GOOD.replace(SECRET, SECRET + "!"), 0o600),
        (f'application_key = "{SECRET}"\napplication_secret = "{KEY}"\n', 0o600),
        (f'"{SECRET}" = "application_secret"', 0o600),
        (f'[profiles.x]\n"{SECRET}" = 1', 0o600),
        (f'["{SECRET}"]\nx = 1', 0o600),
        (f'["{SECRET}"]\n["{SECRET}"]\n', 0o600),
        (f'"{SECRET}" = {{}}\n"{SECRET}".x = 1\n', 0o600),
        (f'"{SECRET}" = 1\n"{SECRET}" = 1\n', 0o600),
        (f"application_secret = {SECRET}", 0o600),
    ):
        ran = configured(text, mode=mode)
        assert ran.code == 3
        assert [trace for trace in TRACES if trace in ran.out + ran.err] == []
        assert "Traceback" not in ran.err


def test_a_profile_with_the_name_of_a_secret_is_not_listed(configured: Callable[..., Ran]):
    file = f'[profiles.here]\n[profiles."{SECRET}"]\n[profiles.{SECRET.rstrip("=")}]'
    ran = configured(file, "report", "counter", "currentcalls", "--profile", "x")
    assert "has no profile 'x': it has here, 2 with a longer name" in ran.err
    assert [trace for trace in TRACES if trace in ran.err] == []


WRONG_FILES = {
    "no TOML": lambda: f"{GOOD}x",
    "not UTF-8": lambda: f"{GOOD}\udcff",
    "nested": lambda: f"{GOOD}x = {'[' * 5000}",
    "an unknown key": lambda: f"{GOOD}'{SECRET}' = 1",
    "a wrong kind": lambda: f"{GOOD}timeout = 'x'",
    "no such profile": lambda: GOOD,
    "a wrong setting": lambda: f"{GOOD}[profiles.x]\nregion = 'mars'",
    "a wrong secret": lambda: f"{GOOD.replace(SECRET, SECRET + '!')}[profiles.x]\n",
    "no secret": lambda: f"# {SECRET}\n[profiles.x]\n",
}


@pytest.mark.parametrize("case", WRONG_FILES)
@pytest.mark.parametrize("take", ["client", "credentials"])
def test_the_configuration_is_in_no_variable_of_a_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str, take: str
):
    file = tmp_path / "config.toml"
    file.touch(mode=0o600)
    file.write_bytes(WRONG_FILES[case]().encode("utf-8", "surrogateescape"))
    monkeypatch.setenv("SINCHVOICE_CONFIG", str(file))
    if case != "no secret":
        monkeypatch.setenv("SINCH_APPLICATION_SECRET", SECRET)
    with pytest.raises(ConfigurationError) as caught:
        getattr(ClientOptions(profile="x"), take)()
    frames = traceback.TracebackException.from_exception(caught.value, capture_locals=True).stack
    here = [frame for frame in frames if "/cli/" in frame.filename or "toml" in frame.filename]
    assert here
    assert [t for t in TRACES for frame in here if t in str(frame.locals)] == []


# --- `sign explain` ------------------------------------------------------------------------------


def explained(run: Run, vector: Mapping[str, str], *more: str) -> Ran:
    return run(
        *("sign", "explain", vector["method"].lower(), vector["path"], "--body", "-"),
        *("--content-type", vector["content_type"], "--timestamp", vector["timestamp"], *more),
        stdin=vector["body"].encode(),
    )


@pytest.mark.parametrize("name", list(VECTORS["published"]))
def test_published_vectors_are_explained(run: Run, monkeypatch: pytest.MonkeyPatch, name: str):
    vector = VECTORS["published"][name]
    monkeypatch.setenv("SINCH_APPLICATION_KEY", vector["application_key"])
    monkeypatch.setenv("SINCH_APPLICATION_SECRET", vector["application_secret"])
    ran = explained(run, vector, "--json", "--signature", vector["signature"])
    assert ran.code == 0
    assert ran.json["content_md5"] == vector["content_md5"]
    (candidate,) = ran.json["candidates"]
    assert candidate["lines"] == [
        vector["method"],
        vector["content_md5"],
        vector["content_type"],
        f"x-timestamp:{vector['timestamp']}",
        vector["path"],
    ]
    assert candidate["string_to_sign"] == "\n".join(candidate["lines"])
    assert candidate["signature"] == vector["signature"]
    assert candidate["matches"] is True
    assert candidate["tried"] == 1
    assert len(candidate["forms"]) == 4
    assert candidate["headers"] == {
        "Authorization": f"Application {vector['application_key']}:{vector['signature']}",
        "x-timestamp": vector["timestamp"],
        "Content-Type": vector["content_type"],
    }


def test_every_line_is_shown_with_its_end(run: Run):
    ran = explained(run, PUBLISHED, "--signature", PUBLISHED["signature"])
    assert ran.out == (
        "POST /v1/sms/+46700000000, a body of 25 bytes\n"
        "\n"
        "all forms of the URL are the same: tried first by a client\n"
        '  1  "POST\\n"\n'
        '  2  "jANzQ+rgAHyf1MWQFSwvYw==\\n"\n'
        '  3  "application/json\\n"\n'
        '  4  "x-timestamp:2014-06-04T13:41:58Z\\n"\n'
        '  5  "/v1/sms/+46700000000"   (no line feed)\n'
        "  signature  qDXMwzfaxCRS849c/2R0hg0nphgdHciTo7OdM6MsdnM=   (yours)\n"
        "  Authorization: Application 5F5C418A0F914BBC8234A9BF5EDDAD97:"
        "qDXMwzfaxCRS849c/2R0hg0nphgdHciTo7OdM6MsdnM=\n"
        "  x-timestamp: 2014-06-04T13:41:58Z\n"
        "  Content-Type: application/json\n"
    )


def test_empty_lines_are_marked(run: Run):
    ran = run("sign", "explain", "GET", 'https://x.example/a"%0A?b')
    assert '  2  "\\n"   (empty: no body)\n' in ran.out
    assert '  3  "\\n"   (empty: no Content-Type)\n' in ran.out
    assert '  5  "/a\\"\\n"   (no line feed)\n' in ran.out
    assert "decoded-path-and-query: not tried by a client" in ran.out


def test_the_order_is_that_of_a_client(run: Run, scripted: Any):
    refusal = httpx.Response(401, json={"errorCode": 40102})
    client = scripted(refusal)
    with pytest.raises(ApiError):
        client.reports.user_calls(MxpEndpoint("my user"), start=TODAY)
    sent = [request.headers["authorization"] for request in client.requests]
    timestamp = client.requests[0].headers["x-timestamp"]
    url = str(client.requests[0].url)
    ran = run("sign", "explain", "GET", url, "--timestamp", timestamp, "--json")
    candidates = ran.json["candidates"]
    assert sent == [c["headers"]["Authorization"] for c in candidates if c["tried"]]
    assert [candidate["tried"] for candidate in candidates] == [1, 2, 3, None]


@pytest.mark.parametrize(
    ("mode", "form"),
    [
        ("", "path"),
        ("Application KEY:", "path-and-query"),
        ("authorization: application KEY:", "path"),
    ],
)
def test_a_signature_tells_its_form(run: Run, mode: str, form: str):
    arguments = ["sign", "explain", "GET", "/a?b", "--timestamp", "2014-06-04T13:41:58Z", "--json"]
    by_form = {c["forms"][0]: c["signature"] for c in run(*arguments).json["candidates"]}
    ran = run(*arguments, "--signature", mode + by_form[form])
    assert {c["forms"][0]: c["matches"] for c in ran.json["candidates"]} == {
        name: name == form for name in by_form
    }


def wrongly_signed() -> Iterator[tuple[str, str]]:
    """Yield signatures of the published request with a mistake, and words of its message."""
    key, body = base64.b64decode(SECRET), PUBLISHED["body"].encode()
    right = [
        "POST",
        PUBLISHED["content_md5"],
        "application/json",
        f"x-timestamp:{PUBLISHED['timestamp']}",
        PUBLISHED["path"],
    ]

    def sign(text: str, key: bytes = key) -> str:
        return base64.b64encode(hmac.digest(key, text.encode(), "sha256")).decode()

    yield sign("\n".join(right), SECRET.encode()), "decode it from base64 first"
    yield sign("\n".join(right) + "\n"), "ends in a line feed"
    yield sign("\r\n".join(right)), "CR LF"
    for number, line, word in (
        (0, "post", "lower case"),
        (1, md5(body, usedforsecurity=False).hexdigest(), "hexadecimal"),
        (1, "", "line 2 is empty"),
        (2, "", "line 3 is empty"),
        (2, "application/json; charset=utf-8", "charset"),
        (3, PUBLISHED["timestamp"], "has only the time"),
        (4, PUBLISHED["path"][1:], "begins without a slash"),
    ):
        yield sign("\n".join([*right[:number], line, *right[number + 1 :]])), word


@pytest.mark.parametrize(("signature", "word"), list(wrongly_signed()))
def test_a_known_mistake_is_named(run: Run, signature: str, word: str):
    ran = explained(run, PUBLISHED, "--signature", signature)
    assert ran.code == 11
    assert "error: the signature matches no form of this request\n" in ran.err
    assert "hint: this mistake gives that signature: " in ran.err
    assert word in ran.err


def test_the_md5_of_an_empty_body_is_a_known_mistake(run: Run):
    text = "GET\n1B2M2Y8AsgTpgAmY7PhCfg==\n\nx-timestamp:2014-06-04T13:41:58Z\n/"
    wrong = Credentials(KEY, SECRET).signature(text)
    arguments = ["sign", "explain", "GET", "/", "--timestamp", "2014-06-04T13:41:58Z"]
    assert "MD5 of an empty body" in run(*arguments, "--signature", wrong).err
    ran = run(*arguments, "--signature", "é", "--json")
    assert ran.code == 11
    assert ran.json["candidates"][0]["matches"] is False
    assert "byte by byte" in ran.error["hint"]


def test_the_defaults_are_the_present_time_and_json_for_a_body(run: Run, tmp_path: Path):
    body = tmp_path / "body"
    body.write_bytes(b"{}")
    ran = run("sign", "explain", "PATCH", "/x", "--body", str(body), "--json")
    assert ran.json["content_type"] == "application/json"
    assert ran.json["body_length"] == 2
    age = datetime.now(UTC) - datetime.fromisoformat(ran.json["timestamp"])
    assert abs(age) < timedelta(minutes=1)
    ran = run("sign", "explain", "PATCH", "/x", "--content-type", "", "--body", str(body), "--json")
    assert ran.json["content_type"] == ""
    assert (
        signing.string_to_sign(
            method="PATCH", resource="/x", timestamp=ran.json["timestamp"], body=b"{}"
        )
        == ran.json["candidates"][0]["string_to_sign"]
    )


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("https://x.example", "/"),
        ("https://x.example?", "/?"),
        ("HTTP://x.example/a/?b=c", "/a/?b=c"),
        ("/a?b", "/a?b"),
        ("//a", "//a"),
    ],
)
def test_the_target_of_a_url_is_its_path_and_query(run: Run, url: str, target: str):
    assert run("sign", "explain", "GET", url, "--json").json["target"] == target


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["GET", "/my user"], "character 4 of the URL cannot be sent: write it escaped"),
        (["GET", "/å"], "character 2 of the URL cannot be sent"),
        (["GET", "/a#b"], "has a fragment"),
        (["GET", "v1/x"], "URL is 'v1/x': begin with https:// and a host, or give a path"),
        (["GET", "https:///x"], "or give a path that begins with /"),
        (["GE T", "/"], "METHOD is 'GE T'"),
        (["GET", "/", "--timestamp", "a\nb"], r"--timestamp is 'a\nb': use printable ASCII"),
        (["GET", "/", "--content-type", "é"], "--content-type is 'é'"),
        (["GET", "/", "--body", "/no/such"], "cannot be read"),
    ],
)
def test_a_request_that_cannot_be_sent_is_refused(run: Run, arguments: list[str], message: str):
    ran = run("sign", "explain", *arguments)
    assert (ran.code, ran.out) == (2, "")
    assert message in ran.err


# --- `cdr` ---------------------------------------------------------------------------------------

ROWS = b"""CallId;UserSpaceId;CallTime;Result;Reason;Duration;From;To;Custom;ApplicationKey
a;1;2026-11-01T00:00:00Z;ANSWERED;N/A;12;+12125550123;a@b;;K

b;1;2026-11-01T00:00:00;ANSWERED;N/A;12;+12125550123;a@b;;K
c;1;2026-11-01T00:00:00Z;ANSWERED;N/A;12.6;+12125550123;a@b;;K
"""


def test_files_without_a_fault_pass(run: Run, tmp_path: Path):
    (tmp_path / "a.csv").write_bytes(ROWS.split(b"\n\n")[0])
    (tmp_path / "b.csv").write_bytes(b"d;1;2026-11-01T00:00:00Z;ANSWERED;N/A;1;u;v;;K\n")
    ran = run("cdr", "check", str(tmp_path), "--layout", "app-to-app")
    assert (ran.code, ran.err) == (0, "")
    header, *files = ran.out.splitlines()
    assert header.split("\t")[:4] == ["file", "layout", "records", "rejected"]
    assert [line.split("\t")[1:] for line in files] == [
        ["sip-terminated", "1", "0", "0", "1"],
        ["app-to-app", "1", "0", "0", "0"],
    ]


def test_every_record_that_cannot_be_read_is_told_with_its_line_and_cause(run: Run):
    ran = run("cdr", "check", "-", stdin=ROWS)
    assert ran.code == 1
    assert ran.out.splitlines()[1] == "<stdin>\tsip-terminated\t3\t2\t1\t1"
    first, second, summary = ran.err.splitlines()
    assert first.startswith(
        "reject: <stdin>, line 4: CallTime '2026-11-01T00:00:00' has no time zone"
    )
    assert second.startswith("reject: <stdin>, line 5: Duration '12.6' is not a whole number")
    assert summary == "error: 2 records cannot be read: correct them and check again"


def test_json_of_a_check_has_the_documented_keys(run: Run):
    ran = run("cdr", "check", "-", "--json", stdin=ROWS)
    assert ran.code == 1
    assert list(ran.json) == keys_documented_for("cdr check")
    keys = keys_of_table(DOCUMENTATION[DOCUMENTATION.index("| key of a reject") :])
    assert [list(reject) for reject in ran.json["rejects"]] == [keys, keys]
    assert ran.error["type"] == "RejectsFound"


def test_a_file_that_cannot_be_read_does_not_keep_the_others_from_being_checked(
    run: Run, tmp_path: Path
):
    (tmp_path / "good.csv").write_bytes(ROWS.split(b"\n\n")[0])
    (tmp_path / "bad.csv").write_bytes(b"a,b,c\n")
    missing, good, bad = (str(tmp_path / name) for name in ("no.csv", "good.csv", "bad.csv"))
    ran = run("cdr", "check", missing, good, bad)
    assert ran.code == 1
    assert good in ran.out
    assert [missing in line or bad in line for line in ran.err.splitlines()] == [True, True]


def test_a_file_in_a_folder_that_cannot_be_opened_does_not_keep_the_next_from_being_checked(
    run: Run, tmp_path: Path
):
    for name in ("a.csv", "b.csv.gz", "c.csv"):
        (tmp_path / name).write_bytes(ROWS.split(b"\n\n")[0])
    ran = run("cdr", "check", str(tmp_path))
    assert ran.code == 1
    assert [Path(line.split("\t")[0]).name for line in ran.out.splitlines()[1:]] == [
        "a.csv",
        "c.csv",
    ]
    assert ran.err == (
        f"error: {tmp_path}/b.csv.gz: the name ends in .gz, but the content is not gz: "
        "rename the file or fetch it again\n"
    )


@pytest.fixture
def messy(tmp_path: Path) -> Path:
    folder = tmp_path / "messy"
    (folder / "2025").mkdir(parents=True)
    for name in ("a.csv", "2025/b.csv", ".c.csv", "d.tsv", "e\x1b[31m.dat"):
        (folder / name).write_bytes(ROWS.split(b"\n\n")[0])
    return folder


LEFT_OUT = {
    ".c.csv": "hidden",
    "2025": "a folder",
    "d.tsv": "not named .csv, .txt or .zip",
    "e\x1b[31m.dat": "not named .csv, .txt or .zip",
}
NOTE = "note: 4 files left out (a folder: 1; hidden: 1; not named .csv, .txt or .zip: 2)"


@pytest.mark.parametrize(
    "command", [("check",), ("load",), ("stats",), ("sql", "FROM records"), ("stats", "--json")]
)
def test_what_is_left_out_is_counted_and_listed_if_that_is_asked_for(
    run: Run, messy: Path, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
):
    monkeypatch.chdir(messy.parent)
    ran = run("cdr", *command, "messy")
    assert ran.code == 0
    assert ran.err == f"{NOTE}\nhint: -v lists them; --recursive reads folders\n"
    ran = run("cdr", *command, "messy", "-v")
    assert ran.err == (
        "".join(
            f"left out: messy/{printable(name)} ({LEFT_OUT[name]})\n" for name in sorted(LEFT_OUT)
        )
        + f"{NOTE}\nhint: --recursive reads folders\n"
    )
    ran = run("cdr", *command, "messy", "--recursive")
    assert ran.err.startswith("note: 3 files left out (hidden: 1; not named .csv, .txt or .zip: 2)")


@pytest.mark.parametrize("command", ["check", "load"])
def test_json_counts_what_is_left_out(
    run: Run, messy: Path, monkeypatch: pytest.MonkeyPatch, command: str
):
    monkeypatch.chdir(messy.parent)
    ran = run("cdr", command, "messy", "messy", "--json")
    assert ran.err == ""
    lines = [json.loads(line) for line in ran.out.splitlines()]
    # What is loaded is told once its transaction has ended.
    assert [line["left_out"] for line in lines] == ([4, 8] if command == "check" else [8, 8])
    assert [Path(line["file"]).name for line in lines] == ["a.csv", "a.csv"]
    verbose = run("cdr", command, "messy", "--json", "-v").err.splitlines()
    assert [line.partition(":")[0] for line in verbose] == ["left out"] * 4


@pytest.mark.parametrize(("suffix", "library"), [("gz", gzip), ("bz2", bz2), ("xz", lzma)])
def test_packed_files_are_checked(run: Run, tmp_path: Path, suffix: str, library: Any):
    (tmp_path / f"a.csv.{suffix}").write_bytes(library.compress(ROWS))
    ran = run("cdr", "check", str(tmp_path))
    assert ran.out.splitlines()[1].split("\t")[1:4] == ["sip-terminated", "3", "2"]


def test_a_layout_that_there_is_not_is_told_with_those_there_are(run: Run):
    ran = run("cdr", "check", "-", "--layout", "sip", stdin=b"")
    assert ran.code == 2
    assert "give one of 'phone-terminated', 'phone-originated'" in ran.err


@pytest.fixture
def archive(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An archive of a day of made-up calls, three rejects and a formula, where commands look."""
    monkeypatch.chdir(tmp_path)
    with (tmp_path / "day.csv").open("wb") as file:
        cdr_generator.write(file, 200, seed=1)
        file.write(b'=1+1;1;2026-11-02T00:00:00Z;"=x";"=1+1";1;;+1;+1;1;EUR;;=K;u;SE\n')
    (tmp_path / "bad.csv").write_bytes(ROWS)
    ran = run("cdr", "load", "day.csv", "bad.csv")
    assert (ran.code, ran.err) == (0, "warning: 2 rejected: see sinchvoice cdr rejects\n")
    assert [line.split("\t")[1:3] for line in ran.out.splitlines()[1:]] == [
        ["201", "201"],
        ["3", "1"],
    ]
    return tmp_path / "calls.duckdb"


def test_what_was_loaded_is_skipped_when_it_comes_again(run: Run, archive: Path):
    again = run("cdr", "load", "day.csv", "--json").json
    assert (again["skipped"], again["records"]) == (True, 0)
    assert archive.stat().st_mode & 0o077 == 0


def test_a_file_that_cannot_be_loaded_does_not_keep_others_from_it(run: Run, archive: Path):
    (archive.parent / "text.csv").write_bytes(b"a,b\n")
    (archive.parent / "more.csv").write_bytes(ROWS.replace(b"\na;", b"\nx;"))
    ran = run("cdr", "load", "day.csv", "missing.csv", "text.csv", "more.csv")
    assert ran.code == 1
    loaded = [line.split("\t")[:3] for line in ran.out.splitlines()[1:]]
    assert loaded == [["day.csv", "0", "0"], ["more.csv", "3", "1"]]
    rejects, missing, text = ran.err.splitlines()
    assert rejects == "warning: 2 rejected: see sinchvoice cdr rejects"
    assert missing.startswith("error: missing.csv: cannot be read")
    assert text.startswith("error: text.csv, line 1: these are not call detail records")


def test_a_file_without_records_is_a_warning(run: Run, archive: Path):
    (archive.parent / "empty.csv").write_bytes(b"")
    for command in ("check", "load"):
        ran = run("cdr", command, "empty.csv")
        assert (ran.code, ran.err) == (0, "warning: empty.csv has no records\n")
        assert run("cdr", command, "empty.csv", "--json").err == ""


def test_hints_name_the_archive(run: Run, archive: Path):
    ran = run("cdr", "load", "bad.csv", "--archive", "my calls")
    assert ran.err == "warning: 2 rejected: see sinchvoice cdr rejects --archive 'my calls'\n"
    ran = run("cdr", "load", "day.csv", "--archive", "my calls")
    assert ran.err == ""


def test_nothing_to_count_is_a_table_without_rows(run: Run, archive: Path):
    ran = run("cdr", "stats", "--by", "country", "--where", "country=XX", "--csv")
    assert ran.out.startswith("country,attempts,answered,")
    assert ran.out.count("\n") == 1


def test_the_message_about_a_query_is_one_line(run: Run, archive: Path):
    ran = run("cdr", "sql", "SELECT x FROM nowhere")
    assert ran.err == (
        "error: the table 'nowhere' does not exist: "
        "use records, conflicts, rejects, files or erasures\n"
    )
    ran = run("cdr", "sql", "SELECT x FROM records")
    assert ran.err.startswith("error: the query fails: Binder Error: ")
    assert "LINE 1" not in ran.err


@pytest.mark.parametrize("where", [[], ["day.csv"]])
def test_control_c_ends_a_query(archive: Path, where: list[str]):
    query = "SELECT sum(range % 7) FROM range(100000000000)"
    folder = archive.parent
    process = spawn("cdr", "sql", query, *where, environ={}, home=folder, heeding=True, cwd=folder)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(3)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=10)
    assert (process.returncode, err) == (130, "")


def test_the_kpis_of_an_archive_are_printed(run: Run, archive: Path):
    whole = run("cdr", "stats", "--json", "--archive", str(archive)).json
    assert whole["attempts"] == 202
    assert 0 < whole["asr"] < 1
    assert [cost["currency"] for cost in whole["cost"]] == [None, "EUR"][-len(whole["cost"]) :]
    rows = run("cdr", "stats", "--by", "country", "--where", "layout=phone-terminated").out
    assert rows.startswith("country\tattempts\tanswered")
    some = run("cdr", "stats", "--json", "--where", "hour=8", "--where", "day=2026-11-02").json
    assert 0 < some["attempts"] < 202
    assert run("cdr", "stats", "--json", "--min-attempts", "1000").json["asr"] is None


def test_a_chart_has_a_bar_for_each_group_and_lines_for_times(run: Run, archive: Path):
    rows = [
        json.loads(line) for line in run("cdr", "stats", "--by", "day", "--json").out.splitlines()
    ]
    bars, _, lines = run("cdr", "stats", "--by", "day", "--chart").out.partition("\n\n")
    shown = dict(line.split(None, 1) for line in bars.splitlines())
    assert {row["day"]: str(row["attempts"]) for row in rows} == {
        day: rest.split()[0] for day, rest in shown.items() if rest.strip() != "0"
    }
    most = max(rows, key=lambda row: row["attempts"])
    assert {line.count("█") for line in bars.splitlines() if most["day"] in line} == {
        max(line.count("█") for line in bars.splitlines())
    }
    assert max(map(len, [*bars.splitlines(), *lines.splitlines()])) <= 80
    names = [line[:8].strip() for line in lines.splitlines()]
    assert names == ["attempts", "ASR", "ACD (s)"]
    others = run("cdr", "stats", "--by", "country", "--by", "layout", "--chart").out
    assert "phone-terminated" in others
    assert "\n\n" not in others


def test_days_without_calls_are_in_a_chart_and_wild_years_are_not(run: Run, tmp_path: Path):
    file = tmp_path / "days.csv"
    names = [column.name for column in cdr.LAYOUTS["phone-terminated"].columns]
    rows = [";".join(names)]
    for day in ("1999-01-01", "2026-11-01", "2026-11-04"):
        cells = {"CallId": day, "CallTime": f"{day}T00:00:00Z", "Result": "ANSWERED"}
        rows.append(";".join(cells.get(name, "") for name in names))
    file.write_text("\n".join(rows) + "\n")
    bars = run("cdr", "stats", str(file), "--by", "day", "--chart").out.partition("\n\n")[0]
    assert [line.split()[:2] for line in bars.splitlines()] == [
        ["1999-01-01", "1"],
        ["2026-11-01", "1"],
        ["2026-11-02", "0"],
        ["2026-11-03", "0"],
        ["2026-11-04", "1"],
    ]
    empty = run("cdr", "stats", str(file), "--by", "day", "--chart", "--where", "country=SE")
    assert (empty.code, empty.out) == (0, "")


def test_a_chart_of_plain_characters_is_for_terminals_without_blocks(archive: Path, tmp_path: Path):
    done = subprocess.run(
        [sys.executable, "-m", "sinchvoice", "cdr", "stats", "--by", "hour", "--chart"],
        env=isolated({"PYTHONIOENCODING": "ascii", "COLUMNS": "40"}, tmp_path),
        cwd=archive.parent,
        capture_output=True,
        check=True,
    )
    lines = done.stdout.decode("ascii").splitlines()
    assert max(map(len, lines)) <= 90
    assert "#" in lines[0]


def test_a_narrow_terminal_still_gets_a_line_with_a_course(
    run: Run, archive: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("COLUMNS", "10")
    lines = run("cdr", "stats", "--by", "hour", "--chart").out.partition("\n\n")[2].splitlines()
    assert len({*lines[0].split("  ")[1].strip()}) > 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "--chart has no groups to draw: give --by as well, like --by day"),
        (("--by", "day", "--csv"), "--chart does not show --csv"),
        (("--by", "day", "--json"), "--chart does not show --json"),
        (("--by", "day", "--xlsx", "a.xlsx"), "--chart does not show --xlsx"),
        (("--by", "day", "--percentiles", "50"), "--chart does not show --percentiles"),
    ],
)
def test_a_chart_that_would_ignore_an_option_is_refused(
    run: Run, arguments: tuple[str, ...], message: str
):
    ran = run("cdr", "stats", "--chart", *arguments)
    assert ran.code == 2
    assert message in ran.err


def test_the_kpis_of_prefixes_largest_groups_and_percentiles_are_printed(
    run: Run, archive: Path, tmp_path: Path
):
    options = ("--by", "prefix:2", "--by", "layout", "--top", "2", "--percentiles", "50,99.9")
    lines = run("cdr", "stats", *options, "--json").out.splitlines()
    first, second, rest = map(json.loads, lines)
    assert first["attempts"] >= second["attempts"] > 0
    assert first["attempts"] + second["attempts"] + rest["attempts"] == 202
    assert (rest["prefix:2"], rest["layout"]) == ("(rest)", "(rest)")
    assert (first["rest_groups"], rest["rest_groups"] > 0) == (0, True)
    assert 0 < rest["duration_p50"] <= rest["duration_p99_9"]
    rows = list(csv.DictReader(run("cdr", "stats", *options, "--csv").out.splitlines()))
    assert [row["rest_groups"] for row in rows] == ["0", "0", str(rest["rest_groups"])]
    assert [row["duration_p50"] for row in rows] == [
        "" if each["duration_p50"] is None else str(each["duration_p50"])
        for each in (first, second, rest)
    ]
    assert [row["setup_time_p99_9"] for row in rows] == [
        each["setup_time_p99_9"] or "" for each in (first, second, rest)
    ]
    (tmp_path / "all.csv").write_text("1,one\n2\n3\n4\n5\n6\n7\n8\n9\n", "utf-8")
    named = run("cdr", "stats", "--by", "prefix", "--prefixes", str(tmp_path / "all.csv"), "--json")
    digits = run("cdr", "stats", "--by", "prefix:1", "--json")
    wanted = [json.loads(line) for line in digits.out.splitlines()]
    found = [json.loads(line) for line in named.out.splitlines()]
    assert sorted(each["attempts"] for each in found) == sorted(each["attempts"] for each in wanted)


def test_csv_is_no_formula_for_a_spreadsheet(run: Run, archive: Path):
    ran = run("cdr", "stats", "--by", "reason", "--by", "application", "--csv")
    rows = list(csv.DictReader(ran.out.splitlines()))
    assert sum(int(row["attempts"]) for row in rows) == 202
    assert {row["reason"] for row in rows} >= {"'=1+1"}
    assert {row["application"] for row in rows} >= {"'=K"}
    assert not [cell for row in rows for cell in row.values() if cell.startswith("=")]
    assert list(rows[0])[-3:] == ["cost EUR", "per_talk_minute EUR", "per_started_minute EUR"]


TEXTS = ["x;=1+1", "＝1+1", 'x;"=1', " =1", "x\t@y", "x|＋1", "x;y", "a=b", "\tx", "x, =1", "-1"]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_csv_is_no_formula_whatever_separates_the_cells(run: Run, tmp_path: Path, delimiter: str):
    header = "CallId;CallTime;Currency;Amount;UserId\n"
    quoted = ['"{}"'.format(text.replace('"', '""')) for text in TEXTS]
    rows = "".join(f"c{n};2026-11-01T00:00:00Z;{text};-1;{text}\n" for n, text in enumerate(quoted))
    (tmp_path / "a.csv").write_text(header + rows, encoding="utf-8")
    ran = run("cdr", "stats", str(tmp_path / "a.csv"), "--by", "user", "--by", "currency", "--csv")
    cells = [cell for row in csv.reader(io.StringIO(ran.out), delimiter=delimiter) for cell in row]
    formulas = [cell for cell in cells if re.match(r'[\s"]*[=+@＝＋]|[\s"]*-(?!1(,|$))', cell)]
    assert formulas == []
    users = [row["user"].replace("'", "") for row in csv.DictReader(io.StringIO(ran.out))]
    assert sorted(users) == sorted(TEXTS)


NASTY = "\x1b]0;x\x07\x9b31m\u202e"


def test_nothing_that_controls_a_terminal_gets_there(archive: Path, tmp_path: Path):
    header, _, rest = ROWS.partition(b"\n")
    (tmp_path / "n\x1b[31m.csv").write_bytes(
        header + b"\n" + rest.replace(b";K", f';"{NASTY}"'.encode()).replace(b"a;", b"n;", 1)
    )
    where = ("--archive", str(archive))
    for command in (
        ("load", str(tmp_path / "n\x1b[31m.csv"), *where),
        ("rejects", "--raw", *where),
        ("rejects", *where),
        ("stats", "--by", "application", "--csv", *where),
        ("stats", "--by", "application", *where),
        ("sql", f'SELECT 1 AS "{NASTY}"', *where),
        ("sql", f'SELECT 1 AS "{NASTY}", {", ".join(map(str, range(40)))}', *where),
    ):
        shown = on_a_terminal({}, tmp_path, "cdr", *command)
        assert not re.search("\x1b\\]|[\x07\x9b\u202e]", shown), command
        if command[0] in ("sql", "stats") or "--raw" in command:
            assert "\\x1b" in shown


def test_a_header_row_that_cannot_be_read_can_be_corrected_once(run: Run, tmp_path: Path):
    header, first, *_ = ROWS.decode().splitlines()
    other = header.replace("From;To", "FromUserId;ToUserId")
    lines = [
        header,
        first,
        "\0" + other,
        first.replace("a;", "x;", 1),
        first.replace("a;", "y;", 1),
    ]
    (tmp_path / "lost.csv").write_text("\n".join([*lines, ""]), encoding="utf-8")
    where = ("--archive", str(tmp_path / "lost.duckdb"))
    assert run("cdr", "load", str(tmp_path / "lost.csv"), *where).code == 0
    process = spawn("cdr", "rejects", "--raw", *where, environ={}, home=tmp_path, cwd=tmp_path)
    text, _ = process.communicate(timeout=30)
    assert text == "\n".join([*lines[2:], ""])
    (tmp_path / "again.csv").write_text(text, encoding="utf-8")
    assert run("cdr", "check", str(tmp_path / "again.csv")).code == 1
    (tmp_path / "corrected.csv").write_text(text.replace("\0", ""), encoding="utf-8")
    loaded = run("cdr", "load", str(tmp_path / "corrected.csv"), "--json", *where).json
    assert loaded["loaded"] == 2


def test_calls_can_be_counted_from_one_time_on_until_another(run: Run, archive: Path):
    def attempts(*conditions: str) -> int:
        where = [part for condition in conditions for part in ("--where", condition)]
        return int(run("cdr", "stats", "--json", *where).json["attempts"])

    morning = attempts("start=2026-11-02", "until=2026-11-02T12:00Z")
    evening = attempts("start=2026-11-02T13:00+01:00", "until=2026-11-03")
    assert (morning + evening, attempts("until=2026-11-02")) == (201, 1)
    assert 0 < morning < 201


def test_costs_and_ratios_are_shown_in_short_on_a_terminal(archive: Path):
    shown = on_a_terminal({}, archive.parent, "cdr", "stats", "--archive", str(archive))
    *_, row = [line for line in shown.splitlines() if line.strip()]
    assert re.fullmatch(
        r"\s*(\x1b\[\d*m)*\s*202 +\d+ +0\.\d{3} +\S+ +\d+\.\d +\d+\.\d +\d+\.\d+ EUR\s*", row
    )


def test_costs_in_a_pipe_are_amounts_and_currencies(run: Run, archive: Path):
    header, row = (line.split("\t") for line in run("cdr", "stats").out.splitlines())
    assert re.fullmatch(r"\d+\.\d+ EUR", dict(zip(header, row, strict=True))["cost"])


def test_conflicts_are_a_warning(run: Run, archive: Path):
    (archive.parent / "other.csv").write_bytes(ROWS.replace(b";12;", b";13;"))
    ran = run("cdr", "load", "other.csv")
    assert ran.err.splitlines()[1] == (
        "warning: 1 in conflict with earlier records: see sinchvoice cdr sql 'FROM conflicts'"
    )
    assert run("cdr", "sql", "FROM conflicts", "--json").json["duration"] == 13


def test_a_record_that_was_not_kept_whole_is_no_file_to_be_corrected(archive: Path, tmp_path: Path):
    header = ROWS.partition(b"\n")[0].replace(b";Custom", b"") + b";Custom\n"
    row = b"big;1;2026-11-01T00:00:00Z;ANSWERED;N/A;1;u;v;K;" + b"x" * (1 << 24) + b"\n"
    (tmp_path / "big.csv").write_bytes(header + row)
    with cdr.Archive(archive) as opened:
        assert opened.load(tmp_path / "big.csv").rejected == 1
    raw = spawn("cdr", "rejects", "--raw", environ={}, home=tmp_path, cwd=tmp_path)
    out, err = raw.communicate(timeout=30)
    assert "big" not in out
    assert len(out.splitlines()) == 3
    assert err == "warning: 1 left out, too large for the archive: take them from their files\n"


@pytest.mark.parametrize("command", ["stats", "completeness", "load"])
def test_json_of_an_archive_has_the_documented_keys(run: Run, archive: Path, command: str):
    arguments = ["day.csv"] if command == "load" else []
    ran = run("cdr", command, "--json", *arguments)
    assert list(json.loads(ran.out.splitlines()[0])) == keys_documented_for(f"cdr {command}")


def test_completeness_and_rejects_of_an_archive_are_printed(run: Run, archive: Path):
    days = run("cdr", "completeness").out.splitlines()
    assert days[0].split("\t")[:2] == ["day", "layout"]
    assert days[1].split("\t")[:4] == ["2026-11-01", "sip-terminated", "1", "1"]
    rejects = [json.loads(line) for line in run("cdr", "rejects", "--json").out.splitlines()]
    assert [(reject["line"], reject["cause"]) for reject in rejects] == [
        (4, "time"),
        (5, "integer"),
    ]


def test_rejects_can_be_corrected_and_loaded(archive: Path, tmp_path: Path):
    environ = {"SINCH_APPLICATION_KEY": "x", "SINCH_APPLICATION_SECRET": "y"}
    raw = spawn("cdr", "rejects", "--raw", environ=environ, home=tmp_path, cwd=tmp_path)
    text, _ = raw.communicate(timeout=30)
    corrected = text.replace("00:00:00;", "00:00:00Z;").replace("12.6", "13")
    (tmp_path / "corrected.csv").write_text(corrected, encoding="utf-8")
    for command in (("load", "corrected.csv", "--json"), ("rejects", "--json")):
        process = spawn("cdr", *command, environ=environ, home=tmp_path, cwd=tmp_path)
        out, err = process.communicate(timeout=30)
        assert (process.returncode, err) == (0, "")
        if out:
            assert (json.loads(out)["loaded"], json.loads(out)["resolved"]) == (2, 2)
    assert out == ""


def test_an_archive_can_be_asked_in_sql_and_not_changed(run: Run, archive: Path):
    ran = run("cdr", "sql", "SELECT count(*) AS n, max(call_time) AS last FROM records", "--json")
    assert list(ran.json) == ["n", "last"]
    assert ran.json["n"] == 202
    for query in ("DELETE FROM records", "SELECT * FROM read_text('/etc/hostname')", "SELEC"):
        assert run("cdr", "sql", query).code == 1


def test_columns_of_the_same_name_keep_their_values(run: Run, archive: Path):
    ran = run("cdr", "sql", "SELECT 1 AS a, 2 AS a, 'nan'::DOUBLE AS b, 3 AS a_1", "--json")
    assert ran.json == {"a": 1, "a_1": 2, "b": "nan", "a_1_1": 3}


def test_rows_with_too_many_columns_for_a_terminal_are_shown_one_below_the_other(archive: Path):
    query = "FROM records WHERE layout = 'sip-terminated'"
    shown = on_a_terminal({}, archive.parent, "cdr", "sql", query, "--archive", str(archive))
    lines = [line.split() for line in re.sub(r"\x1b\[[\d;]*m", "", shown).splitlines()]
    assert ["application_key", "K"] in lines
    assert ["call_time", "2026-11-01T00:00:00Z"] in lines


def test_columns_of_a_query_are_called_on_a_terminal_as_they_are(archive: Path):
    query = "SELECT max(duration) AS duration, 1 AS x_y FROM records"
    shown = on_a_terminal({}, archive.parent, "cdr", "sql", query, "--archive", str(archive))
    assert "duration x_y" in " ".join(re.sub(r"\x1b\[[\d;]*m", "", shown).split())


def test_files_can_be_asked_without_an_archive(run: Run, archive: Path):
    stats = run("cdr", "stats", "day.csv", "bad.csv", "--by", "layout", "--json")
    assert stats.out == run("cdr", "stats", "--by", "layout", "--json").out
    left_out = "2 of 204 records cannot be read and are left out: see sinchvoice cdr check"
    assert stats.err == f"warning: {left_out}\n"
    query = "SELECT layout, count(*) AS n FROM records GROUP BY ALL ORDER BY n"
    rows = run("cdr", "sql", query, "day.csv", "bad.csv").out.splitlines()
    assert rows == ["layout\tn", "sip-terminated\t1", "phone-terminated\t201"]
    rows = (archive.parent / "day.csv").read_bytes().partition(b"\n")[2]
    assert run("cdr", "stats", "-", stdin=rows).err.endswith(
        "give --layout, which cannot be guessed (app-to-app and sip-terminated have the same ten "
        "columns)\n"
    )
    ran = run("cdr", "stats", "-", "--layout", "phone-terminated", "--json", stdin=rows)
    assert ran.json["attempts"] == 201


def test_a_pipe_can_be_asked(run: Run, archive: Path):
    pipe = archive.parent / "pipe"
    os.mkfifo(pipe)
    content = (archive.parent / "day.csv").read_bytes()
    writer = threading.Thread(target=pipe.write_bytes, args=[content])
    writer.start()
    assert run("cdr", "stats", str(pipe), "--json").json["attempts"] == 201
    writer.join()


def test_the_time_left_for_a_first_file_goes_by_its_stages():
    def left() -> str:
        return str(_TimeLeft().render(hidden.tasks[-1]))

    def read(at: float, stage: Any, behind: int) -> None:
        nonlocal now
        now = at
        bars.read(cdr.LoadProgress("a.csv", stage, behind, 1000))

    now = 0.0
    hidden = Progress(disable=True, get_time=lambda: now)
    bars = _Bars(hidden)
    read(0, "reading", 100)
    read(30, "done", 1000)  # known
    bars.count(cdr.FileReport(name="a.csv", sha256="", size=1000, skipped=True))
    read(30, "reading", 1000)
    assert left() == ""
    read(35, "checking", 1)
    read(44, "checking", 500)  # so that all take 18 s, of 40 s
    assert left() == "31 s left"
    read(53, "checking", 1000)
    assert left() == "22 s left"
    read(60, "sifting", 0)  # again, exactly
    read(78, "sifting", 100)  # so that all take 180 s, of 200 s
    assert left() == "182 s left"
    read(240, "sifting", 1000)
    read(240, "loading", 1000)
    assert left() == "20 s left"
    read(260, "done", 1000)
    bars.count(cdr.FileReport(name="a.csv", sha256="", size=1000, seconds=230.0))
    read(260, "reading", 100)
    read(270, "checking", 500)
    assert left() == "220 s left"  # as the one before


def test_an_archive_is_exported_as_parquet(run: Run, archive: Path):
    files = run("cdr", "export", "parquet").out.splitlines()[1:]
    assert [Path(file).parent.name for file in files] == ["day=2026-11-01", "day=2026-11-02"]
    assert all(Path(file).exists() for file in files)


@pytest.mark.parametrize("question", [["stats"], ["sql", "SELECT count(*) FROM records"]])
def test_an_archive_can_be_given_in_place_of_files(run: Run, question: list[str], archive: Path):
    given, default = run("cdr", *question, str(archive)), run("cdr", *question)
    assert given.code == default.code == 0
    assert given.out == default.out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["stats", "--archive", "none"], "the archive 'none' does not exist"),
        (["stats", "--by", "planet"], "planet"),
        (["stats", "--where", "country"], "give DIMENSION=VALUE"),
        (["stats", "--where", "hour=noon"], "'noon' is not a valid hour: give one like 8"),
        (
            ["stats", "--where", "planet=Earth"],
            "error: --where has 'planet', which is unknown: use",
        ),
        (["stats", "--where", "start=noon"], "--where start is 'noon': give a day like"),
        (["stats", "--by", "prefix"], "by has 'prefix' without a table: give --prefixes, or"),
        (["stats", "--by", "prefix", "--prefixes", "none.csv"], "the file 'none.csv' of prefixes"),
        (["stats", "--by", "prefix:99"], "'prefix:1 to prefix:15'"),
        (["stats", "--top", "3"], "--top is 3 without groups: give --by as well"),
        (["stats", "--by", "day", "--top", "0"], "--top is 0: give a whole number"),
        (["stats", "--percentiles", "50;90"], "--percentiles is '50;90': give numbers above 0"),
        (["stats", "--percentiles", ""], "--percentiles is '': give numbers above 0"),
        (["stats", "--percentiles", "101"], "--percentiles has 101: give numbers above 0"),
        (["stats", "--csv", "--json"], "--csv and --json are two formats"),
        (["stats", "--where", "start=2026-11-01", "--where", "start=2026-11-02"], "given twice"),
        (["stats", "missing.csv", "--by", "planet"], "planet"),
        (["rejects", "--raw", "--json"], "--raw and --json are two formats"),
        (["stats", "day.csv", "--archive", "calls.duckdb"], "and files exclude each other"),
        (["check", "calls.duckdb"], "calls.duckdb is an archive: give it with --archive"),
        (["load", "calls.duckdb"], "calls.duckdb is an archive: give it with --archive"),
        (["sql", "day.csv", "FROM records"], "is a file: give the query first"),
        (["export", "s3://bucket/calls"], "folder is 's3://bucket/calls': give a local folder"),
        (["stats", "--layout", "app-to-app"], "--layout applies to files: give files"),
        (["report", "--layout", "planet"], "--layout is 'planet': give one of phone-terminated"),
        (["report", "--layout", ""], "--layout is '': give one of phone-terminated"),
        (
            ["report", "--layout", "app-to-app", "--where", "layout=sip-terminated"],
            "--layout and --where layout exclude each other",
        ),
        (["stats", "day.csv", "--archive", "a"], "--archive a and files exclude each other"),
        (["stats", "calls.duckdb", "day.csv"], "calls.duckdb is an archive: query it alone"),
        (["stats", "calls.duckdb", "--archive", "calls.duckdb"], "and files exclude each other"),
        (["stats", "calls.duckdb", "--recursive"], "--recursive applies to folders"),
    ],
)
@pytest.mark.usefixtures("archive")
def test_a_question_that_makes_no_sense_is_refused(run: Run, arguments: list[str], message: str):
    ran = run("cdr", *arguments)
    assert ran.code == 2
    assert message in ran.err


# --- `sandbox` -----------------------------------------------------------------------------------


@pytest.fixture
def interrupted_soon() -> Iterator[None]:
    """Send Ctrl-C after half a second, unless the test has ended."""
    timer = threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    yield
    timer.cancel()


def read_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def test_the_sandbox_runs_until_it_is_stopped(tmp_path: Path):
    with spawn("sandbox", environ={}, home=tmp_path) as sandbox:
        exports = dict(
            re.fullmatch(r"export (\w+)=(\S+)\n", read_line(sandbox)).groups()  # type: ignore[union-attr]
            for _ in range(5)
        )
        counter = spawn(
            "report", "counter", "currentcalls", "--json", environ=exports, home=tmp_path
        )
        out, err = counter.communicate(timeout=20)
        sandbox.send_signal(signal.SIGTERM)
        assert sandbox.wait(20) == 0
        assert sandbox.stderr is not None
        assert sandbox.stderr.read() == ""
    assert (json.loads(out)["value"], err, counter.returncode) == (3, "", 0)


@pytest.mark.usefixtures("interrupted_soon")
def test_the_sandbox_stops_at_ctrl_c(run: Run):
    ran = run("sandbox", "--seed", "2")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.count("export SINCH_") == 5


@pytest.mark.usefixtures("interrupted_soon")
def test_the_sandbox_shows_its_callback_url(run: Run):
    ran = run(
        "sandbox", "--callback-url", "http://a.example.com/", "--callback-host", "*.example.com"
    )
    assert "# callbacks: http://a.example.com/\n" in ran.out
    assert "# numbers of the account: +1" in ran.out


@pytest.mark.usefixtures("interrupted_soon")
def test_the_sandbox_prints_the_address_of_its_console(run: Run):
    ran = run("sandbox", "--console", "--json")
    url = ran.json["SINCH_VOICE_CALLING_URL"]
    assert re.fullmatch(rf"{url}/console/\?token=[\w-]{{32}}", ran.json["console_url"])


def test_the_console_is_for_this_machine_only(run: Run):
    ran = run("sandbox", "--console", "--host", "0.0.0.0")  # noqa: S104
    assert (ran.code, ran.out) == (2, "")
    assert "the console is for this machine only: listen on 127.0.0.1" in ran.err


def test_callbacks_do_not_go_to_other_hosts(run: Run):
    ran = run("sandbox", "--callback-url", "http://example.com/")
    assert (ran.code, ran.out) == (2, "")
    assert "callbacks go to loopback only" in ran.err


def test_a_sandbox_has_the_given_faults(tmp_path: Path):
    arguments = ("--fault", "unavailable=60 on /v1/counters/*", "--fault", "latency=0 50%")
    with spawn("sandbox", *arguments, environ={}, home=tmp_path) as sandbox:
        exports = dict(
            re.fullmatch(r"export (\w+)=(\S+)\n", read_line(sandbox)).groups()  # type: ignore[union-attr]
            for _ in range(5)
        )
        counter = spawn("report", "counter", "currentcalls", environ=exports, home=tmp_path)
        _, err = counter.communicate(timeout=20)
        sandbox.send_signal(signal.SIGTERM)
    assert counter.returncode == 7
    assert "HTTP 503, code 50300, Temporary down" in err


def test_an_unknown_fault_is_refused_with_the_known_ones(run: Run):
    ran = run("sandbox", "--fault", "explode")
    assert ran.code == 2
    assert "unknown fault 'explode': give one of latency, latency-after, reset" in ran.err


def test_every_fault_is_documented():
    paragraph = DOCUMENTATION[DOCUMENTATION.index("`sandbox --fault`") :].partition("\n\n")[0]
    listed = re.findall(r"`([a-z-]+)[^`]*`", paragraph.partition("The faults are")[2])
    with pytest.raises(InvalidRequest) as caught:
        Injection.parse("x")
    assert listed == str(caught.value).partition("give one of ")[2].split(", ")


@pytest.mark.usefixtures("interrupted_soon")
def test_the_sandbox_warns_of_access_by_other_machines(run: Run):
    before = signal.getsignal(signal.SIGINT)
    ran = run("sandbox", "--host", "0.0.0.0", "--json")  # noqa: S104
    assert ran.code == 0
    assert keys_documented_for("sandbox") == list(ran.json)
    assert re.fullmatch(
        "warning: the sandbox listens on 0.0.0.0, where other machines can .*\n", ran.err
    )
    assert signal.getsignal(signal.SIGINT) is before


def test_a_port_in_use_is_one_line(run: Run):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        ran = run("sandbox", "--port", port)
    assert ran.code == 2
    assert f"cannot listen on 127.0.0.1, port {port}: Address already in use" in ran.err


def test_a_sandbox_stops_when_its_reader_is_gone(run: Run, monkeypatch: pytest.MonkeyPatch):
    def closed(*_: Any) -> None:
        raise BrokenPipeError

    monkeypatch.setattr(sys.stdout, "write", closed)
    ran = run("sandbox")
    assert (ran.code, ran.err) == (141, "")


# --- `sandbox call` ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "from_", "to"),
    [
        (["+12125550145"], PstnEndpoint("+12125550145"), OtherEndpoint("did", "+12125550160")),
        (["alice", "username:bob"], MxpEndpoint("alice"), MxpEndpoint("bob")),
        (["sip:a@b.example", "+12125550160"], None, OtherEndpoint("did", "+12125550160")),
    ],
)
def test_a_call_comes_in_from_a_terminal(
    run: Run, calling: Sandbox, arguments: list[str], from_: Any, to: Any
):
    ran = run("sandbox", "call", *arguments, "--json")
    assert (ran.code, ran.err) == (0, "")
    assert keys_documented_for("sandbox call") == list(ran.json)
    calling.settle()
    ice = calling.callbacks[0]
    assert (ice.event, ice.call_id) == ("ice", ran.json["call_id"])
    call = calling.calls[ran.json["call_id"]]
    assert (from_ or call.from_, call.to) == (call.from_, to)


def test_a_call_that_cannot_come_in_is_refused_with_the_reason(run: Run, calling: Sandbox):
    ran = run("sandbox", "call", "12125550145")
    assert ran.code == 2
    assert "it has no leading plus" in ran.err
    with VoiceClient.from_env(calling.environ) as voice:
        voice.applications.unassign_number("+12125550160")
    ran = run("sandbox", "call", "+12125550145")
    assert "the application has no number: give the callee, or assign a number" in ran.err
    assert calling.calls == {}


@pytest.mark.parametrize("url", [None, "https://127.0.0.1:9"])
def test_calls_come_in_at_a_sandbox_only(
    run: Run, monkeypatch: pytest.MonkeyPatch, url: str | None
):
    monkeypatch.delenv("SINCH_VOICE_CALLING_URL")
    # Another server would be beyond this proxy, where nothing listens.
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    options = [] if url is None else ["--calling-url", url]
    ran = run("sandbox", "call", "+12125550145", *options, "-v")
    assert (ran.code, ran.out) == (3, "")
    assert ran.err == (
        "error: no sandbox is configured: run 'sinchvoice sandbox > sandbox.env &' and "
        "'. ./sandbox.env', or give --calling-url\n"
    )


def test_a_call_comes_in_at_the_sandbox_of_another_terminal(tmp_path: Path):
    with spawn("sandbox", environ={}, home=tmp_path) as sandbox:
        exports = dict(
            re.fullmatch(r"export (\w+)=(\S+)\n", read_line(sandbox)).groups()  # type: ignore[union-attr]
            for _ in range(5)
        )
        made = spawn("sandbox", "call", "+12125550145", "--json", environ=exports, home=tmp_path)
        out, err = made.communicate(timeout=20)
        with VoiceClient.from_env(exports) as voice:
            found = voice.calls.get(json.loads(out)["call_id"])
        sandbox.send_signal(signal.SIGTERM)
    assert (found.from_, err, made.returncode) == (PstnEndpoint("+12125550145"), "", 0)


# --- `sandbox cdr` -------------------------------------------------------------------------------


def test_what_is_said_of_files_that_were_made_up_is_what_load_finds(run: Run, tmp_path: Path):
    folder = tmp_path / "cdr"
    ran = run(
        *("sandbox", "cdr", str(folder), "--json", "--days", "2", "--records", "80"),
        *("--plant", "time=3", "--plant", "duplicates-across=2", "--plant", "conflicts=4"),
        *("--line-end", "mixed", "--header", "upper-case", "--compress", "gz"),
    )
    assert (ran.code, ran.err) == (0, "")
    truth = [json.loads(line) for line in ran.out.splitlines()]
    assert keys_documented_for("sandbox cdr") == list(truth[0])
    loaded = run("cdr", "load", str(folder), "--json", "--archive", str(tmp_path / "a.duckdb"))
    names = ("file", "records", "loaded", "duplicates", "conflicts", "rejected")
    assert [[file[name] for name in names] for file in truth] == [
        [json.loads(line)[name] for name in names] for line in loaded.out.splitlines()
    ]
    sums = json.loads((folder / "truth.json").read_text())["total"]
    assert (sums["causes"], sums["duplicates"], sums["conflicts"]) == ({"time": 3}, 2, 4)
    assert sums["records"] == 80 * 2 * 4


def test_one_layout_and_day_may_be_made_up(run: Run, tmp_path: Path):
    arguments = ["--layout", "sip-terminated", "--first-day", "2026-12-24", "--extra-columns", "1"]
    ran = run("sandbox", "cdr", str(tmp_path / "cdr"), *arguments, "--byte-order-mark")
    assert ran.out.splitlines()[1].startswith(
        f"{tmp_path}/cdr/sip-terminated-2026-12-24.csv\tsip-terminated\t2026-12-24\t1000\t1000\t0"
    )
    (file,) = (tmp_path / "cdr").glob("*.csv")
    assert file.read_bytes().startswith(b"\xef\xbb\xbfCallId;")
    assert b";Extra1\n" in file.read_bytes()


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["--plant", "typo=1"], "--plant is 'typo=1': give KIND=N, with one of quote, columns"),
        (["--plant", "late"], "--plant is 'late'"),
        (["--plant", "late=9999999"], "no room for so many late"),
        (["--header", "none", "--extra-columns", "1"], "extra_columns need a header"),
        (["--layout", "sip"], "layout is 'sip': give one of"),
        (["--first-day", "today"], "--first-day is 'today': give a day like 2026-11-02"),
        (["--compress", "rar"], "compression is 'rar'"),
    ],
)
def test_files_that_cannot_be_made_up_are_refused(
    run: Run, tmp_path: Path, arguments: list[str], part: str
):
    ran = run("sandbox", "cdr", str(tmp_path / "cdr"), *arguments)
    assert ran.code == 2
    assert part in ran.err
    assert not (tmp_path / "cdr").exists()


def test_options_of_the_sandbox_are_refused_before_another_command(run: Run, tmp_path: Path):
    ran = run("sandbox", "--seed", "3", "cdr", str(tmp_path / "cdr"))
    assert ran.code == 2
    assert ran.err == (
        "error: --seed is an option of sinchvoice sandbox only: remove it before cdr\n"
    )
    assert run("sandbox", "--json", "cdr", str(tmp_path / "cdr")).out.startswith('{"file"')


def test_every_kind_that_can_be_planted_is_documented():
    paragraph = DOCUMENTATION[DOCUMENTATION.index("\n`sandbox cdr`") :].partition("\n\n")[0]
    listed = paragraph.partition("You can plant")[2].partition("`--header`")[0]
    assert re.findall("`([a-z-]+)`", listed) == list(sandbox_cdr._KINDS)


# --- Processes -----------------------------------------------------------------------------------


def in_python(code: str, home: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env=isolated({}, home),
    )


@pytest.mark.parametrize("missing", ["typer", "rich"])
def test_a_missing_extra_is_one_line(tmp_path: Path, missing: str):
    ran = in_python(
        f"import sys; sys.modules[{missing!r}] = None\n"
        "from sinchvoice.cli import main; sys.exit(main([]))",
        tmp_path,
    )
    assert (ran.returncode, ran.stdout) == (3, "")
    assert ran.stderr == f"the command line needs {missing}: pip install 'sinchvoice[cli]'\n"


def test_another_missing_module_is_not_hidden(tmp_path: Path):
    code = "import sys; sys.modules['tomllib'] = None\nfrom sinchvoice.cli import main; main([])"
    assert "ModuleNotFoundError" in in_python(code, tmp_path).stderr


def test_a_sandbox_without_its_extra_is_one_line(tmp_path: Path):
    code = "import sys; sys.modules['uvicorn'] = None\nfrom sinchvoice.cli import main"
    for command in ("['sandbox']", "['sandbox', 'cdr', 'x']"):
        ran = in_python(f"{code}; sys.exit(main({command}))", tmp_path)
        assert ran.returncode == 3
        assert ran.stderr == "error: the sandbox needs uvicorn: pip install 'sinchvoice[sandbox]'\n"
        broken = code.replace("uvicorn", "sinchvoice.sandbox")
        assert "Traceback" in in_python(f"{broken}; main({command})", tmp_path).stderr


def test_the_library_does_not_import_the_command_line(tmp_path: Path):
    code = "import sys, sinchvoice, sinchvoice.cli; print(*sys.modules)"
    modules = in_python(code, tmp_path).stdout.split()
    # rich is allowed: with click installed, httpx imports it for its own command line.
    assert not {"typer", "sinchvoice.cli.app"} & set(modules)


@pytest.mark.parametrize(
    ("words", "wanted"),
    [("cdr --help", {"cdr"}), ("call --help", {"calls"}), ("--version", set())],
)
def test_a_run_imports_only_the_group_of_its_command(tmp_path: Path, words: str, wanted: set[str]):
    code = (
        f"from sinchvoice.cli import main; main({words.split()}); import sys; print(*sys.modules)"
    )
    modules = in_python(code, tmp_path).stdout.splitlines()[-1].split()
    groups = {name for name in cli_app.GROUPS.values() if f"sinchvoice.cli.{name}" in modules}
    assert groups == wanted
    assert ("sinchvoice.cdr" in modules) is ("cdr" in wanted)


def test_a_group_alone_answers_as_in_the_whole_command_line(
    run: Run, monkeypatch: pytest.MonkeyPatch
):
    whole = cli_app.command_line()
    paths = [path.split()[1:] for path, _ in cli_app.commands(typer.main.get_command(whole))]
    endings = ["--help", "--nonsense", "--layout", "--by-day"]
    asked = [[*path, ending] for path in paths for ending in endings]
    asked += [[group, word] for group in cli_app.GROUPS for word in ("user", "stat", "nonsense")]
    alone = [run(*words) for words in asked]
    monkeypatch.setattr(cli_app, "_needed", lambda _: tuple(cli_app.GROUPS))
    assert [run(*words) for words in asked] == alone


def test_a_reader_that_is_gone_is_not_an_error(box: Sandbox, tmp_path: Path):
    reader, writer = os.pipe()
    os.close(reader)
    ran = subprocess.run(
        [sys.executable, "-m", "sinchvoice", "report", "counter", "currentcalls"],
        env=isolated(box.environ, tmp_path),
        stdout=writer,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(writer)
    assert (ran.returncode, ran.stderr) == (141, b"")


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-"])
def test_streams_may_be_closed(box: Sandbox, tmp_path: Path, closed: str):
    ran = subprocess.run(
        ["/bin/sh", "-c", f'exec "$0" -m sinchvoice report counter x {closed}', sys.executable],
        env=isolated(box.environ, tmp_path),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode, ran.stdout) == (5, "")
    assert ("40400" in ran.stderr) == ("2>" not in closed)
    assert "Traceback" not in ran.stderr


def test_ctrl_c_is_quiet(box: Sandbox, tmp_path: Path):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        arguments = ["call", "get", "x", "--calling-url", url]
        with spawn(*arguments, environ=box.environ, home=tmp_path, heeding=True) as process:
            connection, _ = silent.accept()
            process.send_signal(signal.SIGINT)
            assert process.communicate(timeout=20) == ("", "")
        connection.close()
        assert process.returncode == 130


# --- Callouts, conferences, numbers, callback URLs -----------------------------------------------

PHONE, CLI = "+12125550123", "+12125550100"


@pytest.mark.parametrize(
    "arguments",
    [
        ["call", "tts", PHONE, "Hello", "--cli", CLI],
        ["call", "conference", PHONE, "room", "--cli", CLI],
        ["call", "custom", PHONE, "--cli", CLI, "--ace", "-"],
        ["conference", "get", "room"],
        ["conference", "mute", "room", "CALL"],
        ["conference", "unmute", "room", "CALL"],
        ["conference", "hold", "room", "CALL", "--moh", "music1"],
        ["conference", "resume", "room", "CALL"],
        ["conference", "kick", "room", "CALL"],
        ["conference", "kick-all", "room"],
        ["number", "list"],
        ["number", "assign", "NUMBER"],
        ["number", "unassign", "NUMBER"],
        ["callback", "get"],
        ["callback", "set", "--primary", "http://127.0.0.1:9/sinch"],
    ],
    ids=" ".join,
)
def test_json_of_calling_has_the_documented_keys(run: Run, box: Sandbox, arguments: list[str]):
    with VoiceClient.from_env(box.environ) as voice:
        room = voice.conferences.call(PHONE, conference_id="room", cli=CLI)
    number = next(each.number for each in box.account_numbers)
    names = {"CALL": room.call_id, "NUMBER": number}
    arguments = [names.get(argument, argument) for argument in arguments]
    ran = run(*arguments, "--json", stdin=b'{"action": {"name": "hangup"}}')
    assert (ran.code, ran.err) == (0, "")
    assert ran.out
    for line in ran.out.splitlines():
        assert keys_documented_for(" ".join(arguments[:2])) == list(json.loads(line))


def test_callouts_are_placed_with_their_options(run: Run, box: Sandbox, tmp_path: Path):
    said = run("call", "tts", PHONE, "Hello", "--cli", CLI, "--custom", "a", "--json").json
    assert box.calls[said["call_id"]].custom == "a"
    joined = run("call", "conference", PHONE, "joined", "--cli", CLI, "--json").json
    assert [
        json.loads(line)["call_id"]
        for line in run("conference", "get", "joined", "--json").out.splitlines()
    ] == [joined["call_id"]]
    file = tmp_path / "ice.json"
    file.write_text(json.dumps({"action": {"name": "connectPstn", "number": PHONE}}))
    placed = run("call", "custom", "--ice", str(file), "--json").json
    assert box.calls[placed["call_id"]].to == PstnEndpoint(PHONE)
    twice = run("call", "custom", PHONE, "--cli", CLI, "--ace", "-", "--pie", "-")
    assert (twice.code, twice.err) == (
        2,
        "error: standard input is given twice: give one of them as a file\n",
    )


def test_svaml_may_stand_on_the_command_line(run: Run, box: Sandbox, call: SandboxCall):
    ice = ' {"action": {"name": "connectPstn", "number": "+12125550123"}}'
    placed = run("call", "custom", "--ice", ice, "--json")
    assert (placed.code, placed.err) == (0, "")
    assert box.calls[placed.json["call_id"]].to == PstnEndpoint("+12125550123")
    raw = run("call", "custom", "--raw", "--ice", ice, "--json")
    assert box.calls[raw.json["call_id"]].to == PstnEndpoint("+12125550123")
    assert run("call", "update", call.call_id, '{"action": {"name": "hangup"}}').code == 0
    assert call.actions == [svaml.Hangup()]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["custom", "--ice", "{'action': 1}"], "--ice, line 1, column 2: this is not JSON"),
        (["custom", "--ice", '{"action": NaN}'], "--ice is not JSON: NaN is not JSON"),
        (["custom", "--ace", '{"actoin": {}}'], "--ace: Svaml has no field 'actoin'"),
        (["custom", "--pie", "{}"], "--pie: Svaml is empty"),
        (["custom", "--ice", "{\udcff"], "--ice is not JSON: 'utf-8' codec can't decode"),
        (["update", "x", "{"], "SVAML, line 1, column 2: this is not JSON"),
        (["custom", "--ice", "[]"], "'[]' cannot be read: No such file or directory\n"),
        (["custom", "--ice", "[]"], "hint: JSON in place of a file begins with {\n"),
    ],
)
def test_svaml_on_the_command_line_is_refused_by_the_name_of_its_option(
    run: Run, arguments: list[str], message: str
):
    ran = run("call", *arguments)
    assert (ran.code, ran.out) == (2, "")
    assert message in ran.err


def test_a_file_whose_name_begins_like_json_is_named_by_its_folder(
    run: Run, call: SandboxCall, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    Path("{hangup}").write_text('{"action": {"name": "hangup"}}', "utf-8")
    assert run("call", "update", call.call_id, "{hangup}").code == 2
    assert run("call", "update", call.call_id, "./{hangup}").code == 0


def sent(box: Sandbox, kind: str) -> Any:
    """Return the arguments of the last callout."""
    return json.loads(box.requests[-1].body)[f"{kind}Callout"]


def test_prompts_and_domains_of_callouts_are_sent(run: Run, box: Sandbox):
    prompts = "#tts[Hello];welcome"
    ran = run("call", "tts", PHONE, "--prompts", prompts, "--cli", CLI, "--domain", "pstn")
    assert (ran.code, ran.err) == (0, "")
    wanted = sent(box, "tts")
    assert (wanted["prompts"], wanted["domain"], "text" in wanted) == (prompts, "pstn", False)
    assert run("call", "conference", "alice", "room", "--cli", CLI, "--domain", "mxp").code == 0
    assert sent(box, "conference")["domain"] == "mxp"
    assert "'pstn', 'mxp'" in run("call", "tts", PHONE, "Hello", "--domain", "data").err


def test_a_callout_with_nothing_to_say_is_refused_with_the_options(run: Run):
    ran = run("call", "tts", PHONE, "--cli", CLI)
    assert ran.code == 2
    assert ran.err == (
        "error: the callout has no text and no prompts: give one, or --enable-ace to say something "
        "in a callback\n"
    )
    assert run("call", "tts", PHONE, "--cli", CLI, "--enable-ace").code == 0
    ran = run("call", "tts", PHONE, "--prompts", " ", "--cli", CLI)
    assert ran.err == "error: --prompts is ' ': give a non-empty text\n"


@pytest.fixture
def calling(run: Run, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """Run a sandbox that sends callbacks, which are answered with nothing."""

    def app(environ: Mapping[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        return []

    with running(callback_app=app, populated=False) as sandbox:
        for name, value in sandbox.environ.items():
            monkeypatch.setenv(name, value)
        yield sandbox


@pytest.mark.parametrize(
    "arguments",
    [
        ["tts", PHONE, "Hello", "--enable-dice"],
        ["conference", PHONE, "room", "--enable-dice"],
        ["custom", PHONE],
    ],
)
def test_callbacks_repeat_the_headers_of_a_callout(
    run: Run, calling: Sandbox, arguments: list[str]
):
    headers = ["X-CB-Order=42", "X-CB-Note=a=b"]
    options = [option for header in headers for option in ("--callback-header", header)]
    ran = run("call", *arguments, "--cli", CLI, *options, "--json")
    assert (ran.code, ran.err) == (0, "")
    calling.calls[ran.json["call_id"]].hang_up()
    assert [callback.event for callback in calling.callbacks] == ["dice"]
    sent = calling.callbacks[0].headers
    assert (sent["x-cb-order"], sent["x-cb-note"]) == ("42", "a=b")


@pytest.mark.parametrize(
    ("headers", "message"),
    [
        (["X-CB-Order"], "--callback-header is 'X-CB-Order': give NAME=VALUE, like X-CB-Order=42"),
        (["X-CB-A=1", "X-CB-A=2"], "--callback-header has 'X-CB-A' twice: give each name once"),
        (["X-CB-A=1", "x-cb-a=2"], "--callback-header is {"),
        (["Order=42"], "--callback-header has the name 'Order'"),
        ([f"X-CB-{number}=1" for number in range(6)], "--callback-header is {"),
    ],
)
def test_a_header_for_callbacks_that_sinch_would_drop_is_refused(
    run: Run, headers: list[str], message: str
):
    options = [option for header in headers for option in ("--callback-header", header)]
    ran = run("call", "custom", PHONE, "--cli", CLI, *options)
    assert (ran.code, ran.out) == (2, "")
    assert message in ran.err


def test_the_advice_on_a_lost_callout_names_options(run: Run, box: Sandbox):
    with box.inject(faults.Reset(after=True), on="POST /calling/*"):
        ran = run("call", "custom", PHONE, "--cli", CLI, "--custom", "order 42")
    assert ran.code == 8
    assert (
        "before sending it again, look for the text of --custom in callbacks and 'sinchvoice call "
        "get'"
    ) in ran.err
    assert "`" not in ran.err


def test_a_callout_that_will_hardly_work_gives_a_warning(run: Run):
    ran = run("call", "tts", PHONE, "Hello")
    assert ran.code == 0
    assert ran.err.startswith("warning: ")
    assert "cli" in ran.err


def test_a_participant_is_moderated(run: Run, box: Sandbox):
    call = run("call", "conference", PHONE, "moderated", "--cli", CLI, "--json").json["call_id"]

    def state() -> tuple[bool, bool]:
        (line,) = run("conference", "get", "moderated", "--json").out.splitlines()
        return json.loads(line)["muted"], json.loads(line)["on_hold"]

    for command, expected in [
        ("mute", (True, False)),
        ("hold", (True, True)),
        ("unmute", (False, True)),
        ("resume", (False, False)),
    ]:
        assert run("conference", command, "moderated", call).code == 0
        assert state() == expected
    assert run("conference", "kick", "moderated", call).code == 0
    assert box.calls[call].ended is not None
    gone = run("conference", "get", "moderated")
    assert gone.code == 5
    assert "region" in gone.err
    assert run("conference", "hold", "moderated", call, "--moh", "jazz").code == 2


def test_numbers_and_urls_are_configured(run: Run, box: Sandbox):
    box.add_number("+12125550177")

    def owner() -> str | None:
        rows = [json.loads(line) for line in run("number", "list", "--json").out.splitlines()]
        (row,) = [each for each in rows if each["number"] == "+12125550177"]
        found: str | None = row["application_key"]
        return found

    assert owner() is None
    assert run("number", "assign", "+12125550177", "--capability", "voice").code == 0
    assert owner() == box.application_key
    assert run("number", "unassign", "+12125550177").code == 0
    assert owner() is None
    assert run("number", "assign", "12125550177").code == 2
    url = "http://127.0.0.1:9/sinch"
    assert run("callback", "set", "--primary", url).code == 0
    assert run("callback", "get", "--json").json == {"primary": url, "fallback": None}
    asked = run("number", "query", "+46730170101", "--json")
    assert asked.json["normalized_number"] == "+46730170101"
    assert keys_documented_for("number query") == list(asked.json)
    assert "deprecated" in asked.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["call", "conference", PHONE, "room", "--moh", "jazz"], "--moh is 'jazz': give one of"),
        (["call", "custom", PHONE, "--max-duration", "0"], "--max-duration is 0: give a whole"),
        (["call", "tts", " ", "Hello", "--cli", CLI], "ENDPOINT is ' ': give"),
        (["call", "tts", PHONE, "Hello", "--cli", "x"], "--cli is 'x': give a number"),
        (["conference", "get", ""], "CONFERENCE is empty"),
        (["callback", "set"], "no URL is given: give --primary, --fallback or both"),
        (["number", "list", "--configuration-url", "ftp://x"], "ftp://x"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_errors_name_options(run: Run, arguments: list[str], message: str):
    ran = run(*arguments)
    assert ran.code in (2, 3)
    assert message in ran.err


def test_svaml_of_a_callout_is_checked_unless_it_is_raw(run: Run, box: Sandbox):
    park = b'{"action": {"name": "park"}}'
    refused = run("call", "custom", PHONE, "--cli", CLI, "--ace", "-", stdin=park)
    assert refused.code == 2
    assert "(ACE) does not take the action Park" in refused.err
    placed = run("call", "custom", PHONE, "--cli", CLI, "--ace", "-", "--raw", "--json", stdin=park)
    assert placed.json["call_id"] in box.calls
