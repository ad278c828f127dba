"""The recipes of docs/how-to/callbacks.md in their frameworks: `nox -s frameworks` runs this file.

Each runs in a real server on loopback, and receives callbacks over a socket.
"""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from documentation import file
from sinchvoice import Credentials, signing

ROOT = Path(__file__).parents[2]
VOICE, FASTAPI, FLASK, DJANGO = (
    file("docs/how-to/callbacks.md", f"{name}.py")
    for name in ("voice", "with_fastapi", "with_flask", "with_django")
)
EVENTS: dict[str, Any] = json.loads(
    (ROOT / "tests" / "data" / "callback_events.json").read_text(encoding="utf-8")
)
CREDENTIALS = Credentials("669E367E-6BBA-48AB-AF15-266871C28135", "BeIukql3pTKJ8RGL5zo0DA==")

# The examples, with a route for any path below /sinch.
MODULES = {
    "voice": VOICE,
    "with_fastapi": FASTAPI.replace('"/sinch"', '"/sinch{rest:path}"'),
    "with_starlette": (
        "from starlette.applications import Starlette\n"
        "from starlette.routing import Mount, Route\n"
        "from with_fastapi import sinch\n"
        'route = Route("/sinch{rest:path}", sinch, methods=["POST"])\n'
        'app = Starlette(routes=[Mount("/", routes=[route])])\n'
    ),
    "with_flask": FLASK.replace(
        '@app.post("/sinch")\ndef sinch():',
        '@app.post("/sinch")\n@app.post("/sinch/<path:rest>")\ndef sinch(rest=""):',
    ),
    "with_django": (
        "import django\n"
        "from django.conf import settings\n"
        'CSRF = "django.middleware.csrf.CsrfViewMiddleware"\n'
        'settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], MIDDLEWARE=[CSRF])\n'
        "django.setup()\n"
        f"{DJANGO}\n"
        "from django.core.asgi import get_asgi_application\n"
        "from django.core.wsgi import get_wsgi_application\n"
        "from django.urls import re_path\n"
        'urlpatterns = [re_path("^sinch", sinch)]\n'
        "wsgi, asgi = get_wsgi_application(), get_asgi_application()\n"
    ),
}
SERVERS = {
    "WSGI, gunicorn": ("gunicorn", "voice:app"),
    "FastAPI, uvicorn": ("uvicorn", "with_fastapi:app"),
    "Starlette, uvicorn": ("uvicorn", "with_starlette:app"),
    "Flask, gunicorn": ("gunicorn", "with_flask:app"),
    "Flask, Werkzeug": ("flask", "with_flask"),
    "Django, gunicorn": ("gunicorn", "with_django:wsgi"),
    "Django, uvicorn": ("uvicorn", "with_django:asgi"),
}


@pytest.fixture(scope="module", params=SERVERS.values(), ids=SERVERS)
def port(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Run a server with one of the applications and yield its port."""
    server, name = request.param
    folder = tmp_path_factory.mktemp("application")
    for module, text in MODULES.items():
        (folder / f"{module}.py").write_text(text, encoding="utf-8")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        number = free.getsockname()[1]
    arguments = {
        "gunicorn": ["-m", "gunicorn", "-b", f"127.0.0.1:{number}", name],
        "uvicorn": ["-m", "uvicorn", "--port", str(number), name],
        "flask": ["-m", "flask", "--app", name, "run", "--port", str(number)],
    }
    environment = os.environ | {
        "SINCH_APPLICATION_KEY": CREDENTIALS.application_key,
        "SINCH_APPLICATION_SECRET": CREDENTIALS.application_secret,
        "PYTHONPATH": str(folder),
    }
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, *arguments[server]],
            cwd=folder,
            env=environment,
            stdout=log,
            stderr=log,
        )
    try:
        for _ in range(300):
            try:
                socket.create_connection(("127.0.0.1", number), 1).close()
                break
            except OSError:
                assert process.poll() is None, (folder / "log").read_text()
                time.sleep(0.1)
        yield number
    finally:
        process.terminate()
        process.wait(10)


def post(port: int, path: str, body: bytes, signed_path: str | None = None) -> tuple[int, bytes]:
    """Deliver an event like Sinch; the query is not signed."""
    content_type = "application/json; charset=utf-8"
    headers = signing.signed_headers(
        CREDENTIALS,
        method="POST",
        resource=signed_path or path,
        timestamp=signing.format_timestamp(time.time()),
        content_type=content_type,
        body=body,
    )
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("POST", f"{path}?a=%20b", body, {**headers, "content-type": content_type})
    response = connection.getresponse()
    content = response.read()
    if content and response.status == 200:
        assert response.headers["Content-Type"] == "application/json"
    connection.close()
    return response.status, content


def event(name: str) -> bytes:
    return json.dumps(EVENTS[name]["body"]).encode()


INCOMING = event("ice: incoming from the telephone network")


@pytest.mark.parametrize("path", ["/sinch", "/sinch/a%20b", "/sinch/caf%C3%A9+x"])
def test_an_incoming_call_is_answered_with_svaml(port: int, path: str):
    status, content = post(port, path, INCOMING)
    assert status == 200
    assert json.loads(content)["action"]["name"] == "runMenu"


@pytest.mark.parametrize("name", EVENTS)
def test_every_event_is_answered(port: int, name: str):
    status, content = post(port, "/sinch", event(name))
    empty = name.startswith(("dice", "notify")) or name == "pie: digits in a conference"
    assert (status, content == b"") == (200, empty)


def test_an_event_for_another_path_is_refused(port: int):
    assert post(port, "/sinch", INCOMING, "/other") == (401, b"")


def test_a_body_that_is_not_utf_8_is_refused(port: int):
    assert post(port, "/sinch", b'{"event":"\xe9"}') == (400, b"")


def test_a_body_over_the_limit_is_refused(port: int):
    assert post(port, "/sinch", b" " * 300_000) == (413, b"")
