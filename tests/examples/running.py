"""The examples, each with its framework and a sandbox: `nox -s examples` runs this file.

Not named test_…: the environment of all tests has none of these packages.
"""

from __future__ import annotations

import base64
import fcntl
import gzip
import json
import os
import queue
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from itertools import count
from pathlib import Path
from threading import Thread
from typing import Any, Literal, NamedTuple

import pytest
from sinchvoice import Credentials, PstnEndpoint
from sinchvoice.callbacks import Callbacks, DisconnectedCall
from sinchvoice.cdr import RejectCause
from sinchvoice.sandbox import Planted, Sandbox, SandboxCall, cdr_files, faults, running

EXAMPLES = Path(__file__).parents[2] / "examples"
NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
BIN = Path(sys.executable).parent


SEEDS = count(1)
CREDENTIALS = {
    "SINCH_APPLICATION_KEY": "5F5C418A0F914BBC8234A9BF5EDDAD97",
    "SINCH_APPLICATION_SECRET": "JViE5vDor0Sw3WllZka15Q==",
}


@contextmanager
def sandbox() -> Iterator[Sandbox]:
    """Run a sandbox without calls, whose time stands still, and whose ids are its own."""
    # The first request to a framework can take seconds on a busy machine.
    with running(populated=False, now=NOW, seed=next(SEEDS), callback_timeout=60) as box:
        assert box.environ.items() >= CREDENTIALS.items()
        yield box


@pytest.fixture
def box() -> Iterator[Sandbox]:
    with sandbox() as sandbox_of_a_test:
        yield sandbox_of_a_test


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@contextmanager
def process(folder: Path, *command: str, **environ: str) -> Iterator[Path]:
    """Run a program with the examples on its path; gives its log."""
    log = folder / "log"
    with log.open("wb") as output:
        program = subprocess.Popen(
            [sys.executable, *command],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": f"{EXAMPLES}:{folder}", **environ},
            stdout=output,
            stderr=output,
        )
    try:
        yield log
        assert program.poll() is None, log.read_text()
    finally:
        program.terminate()
        try:
            program.wait(20)
        finally:
            program.kill()
            program.wait()


def wait_for(condition: Callable[[], bool], log: Path) -> None:
    """Wait until something is so, for 20 seconds."""
    until = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < until, log.read_text()
        time.sleep(0.05)


class Server(NamedTuple):
    """A web application that runs."""

    url: str
    log: Path


@contextmanager
def serving(folder: Path, *command: str, **environ: str) -> Iterator[Server]:
    """Run a web server on the port that `PORT` in its command stands for."""
    port = free_port()
    words = [word.replace("PORT", str(port)) for word in command]

    def accepts() -> bool:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            return False
        return True

    with process(folder, "-m", *words, **CREDENTIALS, **environ) as log:
        wait_for(accepts, log)
        yield Server(f"http://127.0.0.1:{port}/sinch", log)


def said(call: Any) -> list[str]:
    """What the caller was told by speech, besides menus."""
    return [heard.what.text for heard in call.heard if hasattr(heard.what, "text")]


def events(box: Sandbox) -> list[str]:
    """The callbacks that an application decides about, all of them answered well."""
    assert [sent.status for sent in box.callbacks] == [200] * len(box.callbacks)
    return [sent.event for sent in box.callbacks if sent.event != "notify"]


# --- FastAPI ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def fastapi_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    command = ("uvicorn", "ivr_fastapi:app", "--port", "PORT")
    with serving(tmp_path_factory.mktemp("fastapi"), *command, SALES="+12125550123") as server:
        yield server


@pytest.fixture
def fastapi_log(box: Sandbox, fastapi_server: Server) -> Path:
    """The log of the application, which the sandbox calls back."""
    box.callback_url = fastapi_server.url
    return fastapi_server.log


def test_fastapi_connects_a_caller_to_sales_and_logs_the_call_once(box: Sandbox, fastapi_log: Path):
    box.inject(faults.Twice(), on="DICE")
    call = box.incoming_call(from_="+12125550145")
    call.press("1")
    call.answer()
    box.clock.advance(61)
    call.hang_up(by="callee")
    assert said(call) == ["Welcome.", "One moment, please."]
    assert (call.to, call.result, call.duration) == (PstnEndpoint("+12125550123"), "ANSWERED", 61)
    assert events(box) == ["ice", "pie", "ace", "dice", "dice"]
    assert fastapi_log.read_text().count(f"call {call.call_id}: ANSWERED, 61 s") == 1


def test_fastapi_records_a_message(box: Sandbox, fastapi_log: Path):
    call = box.incoming_call(from_="+12125550145")
    call.press("2")
    box.clock.advance(20)
    call.press("1")
    assert said(call)[-1] == "Goodbye."
    assert events(box) == ["ice", "pie", "pie", "dice"]
    kinds = [sent.content["type"] for sent in box.callbacks if sent.event == "notify"]
    assert kinds == ["recording_finished", "recording_available"]


def test_fastapi_says_goodbye_to_a_caller_who_presses_nothing(box: Sandbox, fastapi_log: Path):
    call = box.incoming_call(from_="+12125550145")
    box.clock.advance(60)
    assert (said(call)[-1], call.state) == ("Goodbye.", "ended")
    assert events(box) == ["ice", "pie", "dice"]


def test_fastapi_refuses_what_sinch_did_not_sign(box: Sandbox, fastapi_log: Path):
    box.inject(faults.WrongKey(), on="ICE")
    call = box.incoming_call(from_="+12125550145")
    assert (box.callbacks[0].status, call.state) == (401, "ended")


def test_the_call_in_the_readme_is_answered(
    fastapi_server: Server, capsys: pytest.CaptureFixture[str]
):
    text = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    (source,) = re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert "http://127.0.0.1:8000/sinch" in source
    source = source.replace("http://127.0.0.1:8000/sinch", fastapi_server.url)
    exec(compile(source, "README.md", "exec"), {})  # noqa: S102
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "Say(text='Welcome.', locale='en-US')"
    assert any("Press 1 for sales" in line for line in lines)
    assert any("Please speak" in line for line in lines)


# --- Django -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def django_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("django")
    command = ("gunicorn", "--workers", "2", "--bind", "127.0.0.1:PORT", "ivr_django:application")
    with serving(folder, *command, DJANGO_CACHE=str(folder / "cache")) as server:
        yield server


@pytest.fixture
def django_cache(box: Sandbox, django_server: Server) -> Path:
    """The cache of the application, which the sandbox calls back."""
    box.callback_url = django_server.url
    return django_server.log.with_name("cache")


def test_django_tells_where_an_order_is(box: Sandbox, django_cache: Path):
    call = box.incoming_call(from_="+12125550145")
    call.press("9999")
    call.press("1002")
    assert said(call) == [
        "Welcome.",
        "We have no such order.",
        "Your order arrives on Monday. Goodbye.",
    ]
    assert events(box) == ["ice", "pie", "pie", "dice"]


def test_django_says_goodbye_to_a_caller_who_presses_nothing(box: Sandbox, django_cache: Path):
    call = box.incoming_call(from_="+12125550145")
    box.clock.advance(60)
    assert (said(call)[-1], call.state) == ("Goodbye.", "ended")


def test_django_knows_in_every_worker_what_came_before(box: Sandbox, django_cache: Path):
    before = set(django_cache.iterdir()) if django_cache.exists() else set()
    box.inject(faults.Twice(), on="DICE")
    calls = [box.incoming_call(from_="+12125550145") for _ in range(10)]
    for call in calls:
        call.press("1001")
    assert events(box).count("dice") == 20
    keys = set(django_cache.iterdir()) - before
    assert len(keys) == len({sent.body for sent in box.callbacks}) == 30


def test_django_refuses_what_sinch_did_not_sign(box: Sandbox, django_cache: Path):
    box.inject(faults.Tampered(), on="ICE")
    box.incoming_call(from_="+12125550145")
    assert box.callbacks[0].status == 401


# --- Celery -------------------------------------------------------------------------------------

WORKER = """
import os
from celery.signals import task_prerun
from callouts_celery import app

@task_prerun.connect
def note(args, **_):
    with open("{folder}/" + args[0], "w") as file:
        file.write(str(os.getpid()))

queue = "{folder}/queue"
app.conf.update(
    broker_transport_options={{
        "data_folder_in": queue, "data_folder_out": queue, "control_folder": queue + "-control"
    }},
    result_backend="file://{folder}/results",
    worker_lost_wait=0.5,  # seconds until a killed process counts as lost
)
"""


class Shop(NamedTuple):
    """The task of the example, whose worker calls through a sandbox."""

    box: Sandbox
    worker_log: Path
    example: Any
    table: Path

    def remind(self, order: str, number: str = "+12125550123") -> Any:
        """Send the task to the worker."""
        return self.example.remind.delay(order, number, "Your table is ready.")

    def state(self, order: str) -> tuple[str, str | None]:
        """What the table says of an order: its state, and the id of its call."""
        connection = sqlite3.connect(self.table)
        (row,) = connection.execute("SELECT state, call_id FROM callouts WHERE id = ?", [order])
        connection.close()
        return row

    def kill(self, order: str) -> None:
        """Kill the process that carries out the task for an order; the worker starts another."""
        os.kill(int(self.table.with_name(order).read_text()), signal.SIGKILL)

    def calls(self, *orders: str) -> list[SandboxCall]:
        """The calls that were placed for orders."""
        return [call for call in self.box.calls.values() if call.custom in orders]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A worker with two processes; its queue and its results are folders."""
    folder = tmp_path_factory.mktemp("celery")
    for name in ("queue", "results"):
        (folder / name).mkdir()
    with sandbox() as box, pytest.MonkeyPatch.context() as patch:
        environ = {
            **box.environ,
            "CALLER": box.account_numbers[0].number,
            "CALLOUTS": str(folder / "callouts.sqlite"),
            "CELERY_BROKER_URL": "filesystem://",
        }
        (folder / "worker.py").write_text(WORKER.format(folder=folder))
        for name, value in environ.items():
            patch.setenv(name, value)
        for path in (folder, EXAMPLES):
            patch.syspath_prepend(str(path))
        import_module("worker")  # so that tasks are sent the same way
        command = ("celery", "--app", "worker", "worker", "--concurrency", "2", "-l", "INFO")
        with process(folder, "-m", *command, **environ) as log:
            wait_for(lambda: " ready." in log.read_text(), log)
            yield Shop(box, log, import_module("callouts_celery"), Path(environ["CALLOUTS"]))


CALLOUTS = "POST /calling/v1/callouts"


def test_celery_calls_once_for_each_order_however_often_it_is_asked(shop: Shop):
    tasks = [shop.remind(order) for order in ["a", "b", "a", "b", "a"]]
    answers = [task.get(timeout=30) for task in tasks]
    assert sorted(answers) == ["called"] * 2 + ["claimed before"] * 3
    assert sorted(call.custom for call in shop.calls("a", "b")) == ["a", "b"]
    assert shop.state("a")[1] in shop.box.calls


def test_celery_tries_again_if_sinch_surely_did_nothing(shop: Shop):
    before = len(shop.box.requests)
    refusals = [faults.too_many_requests()] * 3  # as often as the client itself tries
    shop.box.inject(refusals, on=CALLOUTS)
    assert shop.remind("refused").get(timeout=30) == "called"
    assert len(shop.calls("refused")) == 1
    assert len(shop.box.requests) == before + 4


def test_celery_does_not_call_again_if_the_answer_was_lost_and_learns_from_the_callback(shop: Shop):
    receiver = Callbacks(Credentials(*CREDENTIALS.values()))

    def application(environ: Any, start_response: Any) -> list[bytes]:
        event = receiver.receive_wsgi(environ)
        if isinstance(event, DisconnectedCall):
            shop.example.ended(event)
        start_response("200 OK", [])
        return []

    shop.box.callback_app, shop.box.callback_url = application, "http://localhost/sinch"
    shop.box.inject([faults.Reset(after=True)], on=CALLOUTS)
    assert shop.remind("lost").get(timeout=30) == "unknown"
    assert shop.state("lost") == ("unknown", None)
    assert shop.remind("lost").get(timeout=30) == "claimed before"
    (call,) = shop.calls("lost")
    shop.box.clock.advance(120)
    assert shop.state("lost") == ("ended: ANSWERED", call.call_id)


def test_celery_does_not_call_again_if_its_worker_is_killed_meanwhile(shop: Shop):
    shop.box.inject([faults.Latency(5, after=True)], on=CALLOUTS)
    task = shop.remind("killed")
    wait_for(lambda: bool(shop.calls("killed")), shop.worker_log)
    shop.kill("killed")
    assert task.get(timeout=30) == "claimed before"
    assert len(shop.calls("killed")) == 1
    assert shop.state("killed") == ("unknown", None)


def test_celery_reports_wrong_arguments_and_keeps_the_order_open(shop: Shop):
    with pytest.raises(Exception, match="destination"):
        shop.remind("wrong", number="").get(timeout=30)
    assert shop.state("wrong") == ("open", None)
    assert shop.remind("wrong").get(timeout=30) == "called"
    assert len(shop.calls("wrong")) == 1


# --- AWS Lambda ---------------------------------------------------------------------------------

Gateway = Literal["HTTP API", "REST API"]


def lambda_event(kind: Gateway, path: str, headers: dict[str, str], body: bytes) -> dict[str, Any]:
    """The event that an API Gateway makes of a POST request."""
    if kind == "HTTP API":
        return {
            "version": "2.0",
            "rawPath": path,
            "rawQueryString": "",
            "headers": {name.lower(): value for name, value in headers.items()},
            "requestContext": {"http": {"method": "POST", "path": path}, "stage": "$default"},
            "body": base64.b64encode(body).decode(),
            "isBase64Encoded": True,
        }
    return {
        "resource": "/{proxy+}",
        "path": path,
        "httpMethod": "POST",
        "headers": headers,
        "multiValueHeaders": {name: [value] for name, value in headers.items()},
        "requestContext": {"path": path, "httpMethod": "POST", "stage": "prod"},
        "body": body.decode(),
        "isBase64Encoded": False,
    }


@pytest.fixture(scope="module", params=["HTTP API", "REST API"])
def lambda_server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """The runtime of AWS Lambda with the function, behind a gateway."""
    invocations: queue.Queue[tuple[str, bytes] | None] = queue.Queue()
    answers: queue.Queue[dict[str, Any]] = queue.Queue()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def reply(self, status: int, headers: dict[str, str], body: bytes) -> None:
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self) -> None:  # the runtime asks what to do next
            invocation = invocations.get()
            if invocation is None:  # the runtime is gone
                return None
            identity, body = invocation
            headers = {
                "Lambda-Runtime-Aws-Request-Id": identity,
                "Lambda-Runtime-Deadline-Ms": str(int(time.time() * 1000) + 30_000),
                "Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:eu-north-1:1:function:ivr",
                "Content-Type": "application/json",
            }
            return self.reply(200, headers, body)

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.path.startswith("/2018-06-01/runtime/"):  # what the function returned
                answers.put(json.loads(body))
                return self.reply(202, {}, b"")
            event = lambda_event(request.param, self.path, dict(self.headers.items()), body)
            invocations.put((str(time.monotonic_ns()), json.dumps(event).encode()))
            answer = answers.get(timeout=20)
            content = answer.get("body", "").encode()
            return self.reply(answer["statusCode"], answer.get("headers", {}), content)

        def log_message(self, *arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        environ = {
            **CREDENTIALS,
            "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{server.server_port}",
            "HOTLINE": "+12125550123",
            "LAMBDA_TASK_ROOT": str(EXAMPLES),
        }
        folder = tmp_path_factory.mktemp("lambda")
        with process(folder, "-m", "awslambdaric", "ivr_lambda.handler", **environ) as log:
            yield Server(f"http://127.0.0.1:{server.server_port}/sinch", log)
        invocations.put(None)
        server.shutdown()
        thread.join()


@pytest.fixture
def gateway(box: Sandbox, lambda_server: Server) -> None:
    """Let the sandbox call the function back."""
    box.callback_url = lambda_server.url


def test_lambda_rings_the_hotline_by_day(box: Sandbox, gateway: None):
    call = box.incoming_call(from_="+12125550145")
    call.answer()
    box.clock.advance(30)
    call.hang_up()
    assert (call.to, call.result, call.duration) == (PstnEndpoint("+12125550123"), "ANSWERED", 30)
    assert events(box) == ["ice", "ace", "dice"]


def test_lambda_says_by_night_that_nobody_is_there(box: Sandbox, gateway: None):
    box.clock.advance(7 * 3600)
    call = box.incoming_call(from_="+12125550145")
    assert said(call) == ["We are closed. Please call again after 8 o'clock."]
    assert events(box) == ["ice", "dice"]


def test_lambda_refuses_what_sinch_did_not_sign(box: Sandbox, gateway: None):
    box.inject(faults.WrongKey(), on="ICE")
    box.incoming_call(from_="+12125550145")
    assert box.callbacks[0].status == 401


# --- Notebook -----------------------------------------------------------------------------------

NOTEBOOK = json.loads((EXAMPLES / "cdr_notebook.ipynb").read_text(encoding="utf-8"))


WRONG_TIMES = Planted(rejects={RejectCause.TIME: 5})


def run_notebook() -> None:
    """Run the cells with code in order, as Jupyter does."""
    names: dict[str, Any] = {"__name__": "__main__"}
    for cell in NOTEBOOK["cells"]:
        if cell["cell_type"] == "code":
            exec(compile("".join(cell["source"]), cell["id"], "exec"), names)  # noqa: S102


def test_the_notebook_runs_on_made_up_files(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("CDR_FOLDER", raising=False)
    run_notebook()
    output = capsys.readouterr().out
    assert "28000 records = 28000 loaded + 0 duplicates + 0 conflicts + 0 rejected" in output
    assert "28 known already" in output
    assert "0 gaps" in output
    assert (
        len(re.findall(r"^2026-11-0\d +4000 ASR 0\.\d\d ACD +\d+ s #+$", output, re.MULTILINE)) == 7
    )
    assert re.search(r"^SE [\d.]+ minutes [\d.]+ EUR$", output, re.MULTILINE)
    assert "('hour', 'calls', 'busy')" in output


def test_the_notebook_shows_rejects_and_gaps_of_files_of_your_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    folder = tmp_path / "cdr"
    cdr_files(folder, days=5, records=50, layouts=["phone-terminated"], planted=WRONG_TIMES)
    gone = sorted(folder.glob("*.csv"))[2]
    gone.unlink()
    monkeypatch.setenv("CDR_FOLDER", str(folder))
    monkeypatch.setenv("CDR_ARCHIVE", str(tmp_path / "own.duckdb"))
    run_notebook()
    output = capsys.readouterr().out
    assert "1 gaps" in output
    assert "phone-terminated has nothing from" in output
    truth = json.loads((folder / "truth.json").read_text())
    lost = [file["rejects"] for file in truth["files"] if file["file"] in str(gone)]
    assert len(re.findall(r"\.csv \d+ CallTime", output)) == 5 - len(lost[0])
    assert (tmp_path / "own.duckdb").exists()


def test_the_notebook_is_kept_without_outputs():
    assert NOTEBOOK["nbformat"] == 4
    for cell in NOTEBOOK["cells"]:
        if cell["cell_type"] == "code":
            assert (cell["outputs"], cell["execution_count"]) == ([], None)


# --- Cron ---------------------------------------------------------------------------------------


@pytest.fixture
def cron(tmp_path: Path) -> Callable[[], tuple[int, str, str]]:
    """Run the script as cron does, with few variables; returns code, standard error and log."""
    environ = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(tmp_path),
        "CDR_FOLDER": str(tmp_path / "cdr"),
        "CDR_ARCHIVE": str(tmp_path / "calls.duckdb"),
        "CDR_LOG": str(tmp_path / "cdr.log"),
        "SINCHVOICE": str(BIN / "sinchvoice"),
    }

    def run(**changes: str) -> tuple[int, str, str]:
        log = tmp_path / "cdr.log"
        before = len(log.read_text()) if log.exists() else 0
        done = subprocess.run(
            [str(EXAMPLES / "cdr_daily.sh")],
            env={**environ, **changes},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.stdout == ""
        return done.returncode, done.stderr, log.read_text()[before:] if log.exists() else ""

    return run


def rows(log: str) -> list[tuple[str, str, str]]:
    """What the log has of each file: records, loaded, rejected."""
    found = [line.split("\t") for line in log.splitlines() if ".csv" in line and "\t" in line]
    return [(row[1], row[2], row[5]) for row in found]


def test_cron_loads_each_day_once(cron: Any, tmp_path: Path):
    folder = tmp_path / "cdr"
    cdr_files(folder, days=2, records=20, first_day=date(2026, 11, 2))
    code, errors, log = cron()
    assert (code, errors) == (0, "")
    assert rows(log) == [("20", "20", "0")] * 8
    assert "0 open rejects, 0 gaps" in log
    assert all(re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ ", line) for line in log.splitlines())
    cdr_files(folder, days=3, records=20, first_day=date(2026, 11, 2))
    code, errors, log = cron()
    assert (code, errors) == (0, "")
    assert sorted(rows(log)) == [("0", "0", "0")] * 8 + [("20", "20", "0")] * 4


def test_cron_tells_of_rejects_and_missing_days(cron: Any, tmp_path: Path):
    folder = tmp_path / "cdr"
    cdr_files(folder, days=3, records=20, layouts=["phone-terminated"], planted=WRONG_TIMES)
    sorted(folder.glob("*.csv"))[1].unlink()
    code, errors, log = cron()
    assert code == 65
    rejected = sum(int(row[2]) for row in rows(log))
    assert 0 < rejected <= 5
    assert re.match(rf"{rejected} open rejects, 1 gaps: see ", errors)
    assert errors.strip() in log
    assert log.count('"cause"') == rejected


def test_cron_tells_of_a_damaged_file_and_loads_the_others(cron: Any, tmp_path: Path):
    folder = tmp_path / "cdr"
    cdr_files(folder, records=20, layouts=["phone-terminated"])
    packed = gzip.compress(b"x" * 10_000)
    (folder / "later.csv.gz").write_bytes(packed[:-8])
    code, errors, log = cron()
    assert (code, errors.startswith("cdr load failed with 1")) == (1, True)
    assert "later.csv.gz" in log
    (folder / "later.csv.gz").unlink()
    code, errors, log = cron()
    assert (code, errors) == (0, "")
    assert rows(log) == [("0", "0", "0")]


def test_cron_does_not_run_twice_at_a_time(cron: Any, tmp_path: Path):
    (tmp_path / "cdr").mkdir()
    with (tmp_path / "calls.duckdb.lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        code, errors, log = cron()
    assert (code, errors) == (75, "the run before is still at work: is it stuck?\n")
    assert errors.strip() in log
    assert not (tmp_path / "calls.duckdb").exists()


def test_cron_names_the_variables_that_it_needs(cron: Any):
    assert cron(CDR_LOG="") == (2, "set CDR_FOLDER, CDR_ARCHIVE and CDR_LOG\n", "")


def test_every_example_is_listed():
    listed = re.findall(
        r"^\| \[(\S+)\]\(\1\) \|", (EXAMPLES / "README.md").read_text(), re.MULTILINE
    )
    there = {file.name for file in EXAMPLES.iterdir() if file.is_file()} - {"README.md"}
    assert sorted(listed) == sorted(there)
