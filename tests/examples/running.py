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
from pathlib import Path
from threading import Thread
from typing import Any, Literal

import pytest
from sinchvoice import Credentials, PstnEndpoint
from sinchvoice.callbacks import Callbacks, DisconnectedCall
from sinchvoice.sandbox import Planted, Sandbox, cdr_files, faults, running

EXAMPLES = Path(__file__).parents[2] / "examples"
NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
BIN = Path(sys.executable).parent


@pytest.fixture
def box() -> Iterator[Sandbox]:
    """A sandbox whose time stands still, without calls."""
    with running(populated=False, now=NOW) as sandbox:
        yield sandbox


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
        program.wait(20)


def wait_for(condition: Callable[[], bool], log: Path) -> None:
    """Wait until something is so, for 20 seconds."""
    until = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < until, log.read_text()
        time.sleep(0.05)


@contextmanager
def serving(box: Sandbox, folder: Path, *command: str, **environ: str) -> Iterator[Path]:
    """Run a web server on the port that `PORT` in its command stands for, and call it back."""
    port = free_port()
    words = [word.replace("PORT", str(port)) for word in command]

    def accepts() -> bool:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            return False
        return True

    with process(folder, "-m", *words, **box.environ, **environ) as log:
        wait_for(accepts, log)
        box.callback_url = f"http://127.0.0.1:{port}/sinch"
        yield log


def said(call: Any) -> list[str]:
    """What the caller was told by speech, besides menus."""
    return [heard.what.text for heard in call.heard if hasattr(heard.what, "text")]


def events(box: Sandbox) -> list[str]:
    """The callbacks that an application decides about, all of them answered well."""
    assert [sent.status for sent in box.callbacks] == [200] * len(box.callbacks)
    return [sent.event for sent in box.callbacks if sent.event != "notify"]


# --- FastAPI ------------------------------------------------------------------------------------


@pytest.fixture
def fastapi_log(box: Sandbox, tmp_path: Path) -> Iterator[Path]:
    command = ("uvicorn", "ivr_fastapi:app", "--port", "PORT")
    with serving(box, tmp_path, *command, SALES="+12125550123") as log:
        yield log


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


# --- Django -------------------------------------------------------------------------------------


@pytest.fixture
def django_log(box: Sandbox, tmp_path: Path) -> Iterator[Path]:
    command = ("gunicorn", "--workers", "2", "--bind", "127.0.0.1:PORT", "ivr_django:application")
    with serving(box, tmp_path, *command, DJANGO_CACHE=str(tmp_path / "cache")) as log:
        yield log


def test_django_tells_where_an_order_is(box: Sandbox, django_log: Path):
    call = box.incoming_call(from_="+12125550145")
    call.press("9999")
    call.press("1002")
    assert said(call) == [
        "Welcome.",
        "We have no such order.",
        "Your order arrives on Monday. Goodbye.",
    ]
    assert events(box) == ["ice", "pie", "pie", "dice"]


def test_django_says_goodbye_to_a_caller_who_presses_nothing(box: Sandbox, django_log: Path):
    call = box.incoming_call(from_="+12125550145")
    box.clock.advance(60)
    assert (said(call)[-1], call.state) == ("Goodbye.", "ended")


def test_django_knows_in_every_worker_what_came_before(box: Sandbox, django_log: Path):
    box.inject(faults.Twice(), on="DICE")
    calls = [box.incoming_call(from_="+12125550145") for _ in range(10)]
    for call in calls:
        call.press("1001")
    assert events(box).count("dice") == 20
    keys = list((django_log.parent / "cache").iterdir())
    assert len(keys) == len({sent.body for sent in box.callbacks}) == 30


def test_django_refuses_what_sinch_did_not_sign(box: Sandbox, django_log: Path):
    box.inject(faults.Tampered(), on="ICE")
    box.incoming_call(from_="+12125550145")
    assert box.callbacks[0].status == 401


# --- Celery -------------------------------------------------------------------------------------

WORKER = """
from callouts_celery import app
app.conf.update(
    broker_transport_options={"data_folder_in": "queue", "data_folder_out": "queue"},
    result_backend="file://results",
)
"""


@pytest.fixture
def remind(box: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The task, sent to a worker with two processes; queue and results are folders."""
    environ = {
        **box.environ,
        "CALLER": box.account_numbers[0].number,
        "CALLOUTS": str(tmp_path / "callouts.sqlite"),
        "CELERY_BROKER_URL": "filesystem://",
    }
    for folder in ("queue", "results"):
        (tmp_path / folder).mkdir()
    (tmp_path / "worker.py").write_text(
        WORKER.replace('"queue"', repr(str(tmp_path / "queue"))).replace(
            "//results", f"//{tmp_path / 'results'}"
        )
    )
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.syspath_prepend(str(EXAMPLES))
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in ("callouts_celery", "worker"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    import_module("worker")
    command = ("-m", "celery", "--app", "worker", "worker", "--concurrency", "2", "-l", "INFO")
    with process(tmp_path, *command, **environ) as log:
        wait_for(lambda: " ready." in log.read_text(), log)
        yield import_module("callouts_celery").remind


def state(tmp_path: Path, order: str) -> tuple[str, str | None]:
    connection = sqlite3.connect(tmp_path / "callouts.sqlite")
    (row,) = connection.execute("SELECT state, call_id FROM callouts WHERE id = ?", [order])
    connection.close()
    return row


ARGUMENTS = ("+12125550123", "Your table is ready.")


def test_celery_calls_once_for_each_order_however_often_it_is_asked(
    remind: Any, box: Sandbox, tmp_path: Path
):
    tasks = [remind.delay(order, *ARGUMENTS) for order in ["a", "b", "a", "b", "a"]]
    answers = [task.get(timeout=30) for task in tasks]
    assert sorted(answers) == ["called"] * 2 + ["claimed before"] * 3
    assert sorted(call.custom for call in box.calls.values()) == ["a", "b"]
    assert state(tmp_path, "a")[1] in box.calls


def test_celery_tries_again_if_sinch_surely_did_nothing(remind: Any, box: Sandbox, tmp_path: Path):
    refusals = [faults.TooManyRequests(retry_after=0)] * 3  # as often as the client itself tries
    box.inject(refusals, on="POST /calling/v1/callouts")
    assert remind.delay("a", *ARGUMENTS).get(timeout=30) == "called"
    assert [call.custom for call in box.calls.values()] == ["a"]
    assert len([request for request in box.requests if request.method == "POST"]) == 4


def test_celery_does_not_call_again_if_the_answer_was_lost_and_learns_from_the_callback(
    remind: Any, box: Sandbox, tmp_path: Path
):
    ended = sys.modules["callouts_celery"].ended
    receiver = Callbacks(
        Credentials(box.environ["SINCH_APPLICATION_KEY"], box.environ["SINCH_APPLICATION_SECRET"])
    )

    def application(environ: Any, start_response: Any) -> list[bytes]:
        event = receiver.receive_wsgi(environ)
        if isinstance(event, DisconnectedCall):
            ended(event)
        start_response("200 OK", [])
        return []

    box.callback_app, box.callback_url = application, "http://localhost/sinch"
    box.inject([faults.Reset(after=True)], on="POST /calling/v1/callouts")
    assert remind.delay("a", *ARGUMENTS).get(timeout=30) == "unknown"
    assert state(tmp_path, "a") == ("unknown", None)
    assert remind.delay("a", *ARGUMENTS).get(timeout=30) == "claimed before"
    (call,) = box.calls.values()
    box.clock.advance(120)
    assert state(tmp_path, "a") == ("ended: ANSWERED", call.call_id)


def test_celery_reports_wrong_arguments_and_keeps_the_order_open(
    remind: Any, box: Sandbox, tmp_path: Path
):
    with pytest.raises(Exception, match="number"):
        remind.delay("a", "not a number", "Hello").get(timeout=30)
    assert state(tmp_path, "a") == ("open", None)
    assert remind.delay("a", *ARGUMENTS).get(timeout=30) == "called"


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


@pytest.fixture(params=["HTTP API", "REST API"])
def gateway(request: pytest.FixtureRequest, box: Sandbox, tmp_path: Path) -> Iterator[Path]:
    """The runtime of AWS Lambda with the function, behind a gateway that the sandbox calls."""
    invocations: queue.Queue[tuple[str, bytes]] = queue.Queue()
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
            try:
                identity, body = invocations.get(timeout=20)
            except queue.Empty:
                return self.reply(500, {}, b"")
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
            **box.environ,
            "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{server.server_port}",
            "HOTLINE": "+12125550123",
            "LAMBDA_TASK_ROOT": str(EXAMPLES),
        }
        with process(tmp_path, "-m", "awslambdaric", "ivr_lambda.handler", **environ) as log:
            box.callback_url = f"http://127.0.0.1:{server.server_port}/sinch"
            yield log
        server.shutdown()
        thread.join()


def test_lambda_rings_the_hotline_by_day(box: Sandbox, gateway: Path):
    call = box.incoming_call(from_="+12125550145")
    call.answer()
    box.clock.advance(30)
    call.hang_up()
    assert (call.to, call.result, call.duration) == (PstnEndpoint("+12125550123"), "ANSWERED", 30)
    assert events(box) == ["ice", "ace", "dice"]


def test_lambda_says_by_night_that_nobody_is_there(box: Sandbox, gateway: Path):
    box.clock.advance(7 * 3600)
    call = box.incoming_call(from_="+12125550145")
    assert said(call) == ["We are closed. Please call again after 8 o'clock."]
    assert events(box) == ["ice", "dice"]


def test_lambda_refuses_what_sinch_did_not_sign(box: Sandbox, gateway: Path):
    box.inject(faults.WrongKey(), on="ICE")
    box.incoming_call(from_="+12125550145")
    assert box.callbacks[0].status == 401


# --- Notebook -----------------------------------------------------------------------------------

NOTEBOOK = json.loads((EXAMPLES / "cdr_notebook.ipynb").read_text(encoding="utf-8"))


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
    assert len(re.findall(r"^2026-11-0\d +4000 ASR 0\.\d\d ACD +\d+ s #+$", output, re.M)) == 7
    assert re.search(r"^SE [\d.]+ minutes [\d.]+ EUR$", output, re.M)
    assert "('hour', 'calls', 'busy')" in output


def test_the_notebook_shows_rejects_and_gaps_of_files_of_your_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    folder = tmp_path / "cdr"
    cdr_files(folder, days=5, records=50, layouts=["phone-terminated"], planted=Planted(time=2))
    sorted(folder.glob("*.csv"))[2].unlink()
    monkeypatch.setenv("CDR_FOLDER", str(folder))
    monkeypatch.setenv("CDR_ARCHIVE", str(tmp_path / "kept.duckdb"))
    run_notebook()
    output = capsys.readouterr().out
    assert "1 gaps" in output
    assert "phone-terminated has nothing from" in output
    assert len(re.findall(r"\.csv \d+ CallTime", output)) in (1, 2)  # one may be of the gap
    assert (tmp_path / "kept.duckdb").exists()


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


def test_cron_loads_each_day_once(cron: Any, tmp_path: Path):
    folder = tmp_path / "cdr"
    cdr_files(folder, days=2, records=20, first_day=date(2026, 11, 2))
    code, errors, log = cron()
    assert (code, errors) == (0, "")
    assert "160 records = 160 loaded" in log
    assert "0 open rejects, 0 gaps" in log
    assert all(re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ ", line) for line in log.splitlines())
    cdr_files(folder, days=3, records=20, first_day=date(2026, 11, 2))
    code, errors, log = cron()
    assert (code, errors) == (0, "")
    assert "80 records = 80 loaded" in log


def test_cron_tells_of_rejects_and_missing_days(cron: Any, tmp_path: Path):
    folder = tmp_path / "cdr"
    cdr_files(folder, days=3, records=20, layouts=["phone-terminated"], planted=Planted(integer=1))
    sorted(folder.glob("*.csv"))[1].unlink()
    code, errors, log = cron()
    assert code == 65
    assert re.match(r"[01] open rejects, 1 gaps: see ", errors)
    assert errors.strip() in log


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
    assert "1 known already" in log


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
    listed = re.findall(r"^\| \[(\S+)\]\(\1\) \|", (EXAMPLES / "README.md").read_text(), re.M)
    there = {file.name for file in EXAMPLES.iterdir() if file.is_file()} - {"README.md"}
    assert sorted(listed) == sorted(there)
