"""Check the client with Prism: a mock of the vendored specifications, and a proxy to the sandbox.

The proxy checks requests and answers against the strict specifications.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import regenerate
from operations import FAILURES, REFUSED, SUCCESSES, USER, Operation, add_call
from recorder import forgetful
from sinchvoice import ApiStatusError, UnprocessableError, VoiceClient
from sinchvoice.sandbox import Sandbox, running

PRISM = os.environ.get("PRISM", "prism")
PREFIXES = {"calling": "", "reporting": "/v1"}
START = 30.0  # seconds


@contextmanager
def prism(
    mode: str, spec: str, document: dict[str, Any], folder: Path, *more: str
) -> Iterator[str]:
    """Run Prism on a free port, with an error for every violation; yield its URL."""
    source, log = folder / f"{mode}-{spec}.json", folder / f"{mode}-{spec}.log"
    # Prism serves the paths without the server's prefix, which is part of the signature.
    paths = {PREFIXES[spec] + path: item for path, item in document["paths"].items()}
    source.write_text(json.dumps({**document, "paths": paths}), encoding="utf-8")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [PRISM, mode, str(source), *more, "--errors", f"--port={port}"]
    with log.open("w") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        try:
            deadline = time.monotonic() + START
            while "is listening" not in log.read_text(encoding="utf-8"):
                if process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"Prism did not start: {log.read_text(encoding='utf-8')}")
                time.sleep(0.05)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait()


@contextmanager
def client(box: Sandbox, calling_url: str, reporting_url: str) -> Iterator[VoiceClient]:
    with VoiceClient(
        box.application_key,
        box.application_secret,
        calling_url=calling_url,
        configuration_url=calling_url,
        reporting_url=f"{reporting_url}/v1",
        retries=0,
    ) as voice:
        yield voice


@pytest.fixture(scope="module")
def box() -> Any:
    with running() as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def mock(box: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A client of a mock of the published document."""
    folder = tmp_path_factory.mktemp("mock")
    with ExitStack() as stack:
        urls = [
            stack.enter_context(prism("mock", spec, regenerate.published(spec), folder))
            for spec in PREFIXES
        ]
        yield stack.enter_context(client(box, *urls))


@pytest.fixture(scope="module")
def proxy(box: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A client of a proxy that checks client and sandbox against the strict specifications."""
    folder = tmp_path_factory.mktemp("proxy")
    with ExitStack() as stack:
        urls = [
            stack.enter_context(
                prism("proxy", spec, regenerate.strict(spec), folder, box.calling_url)
            )
            for spec in PREFIXES
        ]
        yield stack.enter_context(client(box, *urls))


@pytest.mark.parametrize("operation", SUCCESSES, ids=lambda operation: operation.name)
def test_a_request_matches_the_published_document(operation: Operation, mock: VoiceClient):
    operation.run(mock, operation.call_id or "4398599d1ba84ef3bde0a82dfb61abed")


@pytest.mark.parametrize("operation", REFUSED, ids=lambda operation: operation.name)
def test_an_unpublished_request_is_detected(operation: Operation, mock: VoiceClient):
    with pytest.raises(UnprocessableError):
        operation.run(mock, "4398599d1ba84ef3bde0a82dfb61abed")


@pytest.mark.parametrize("operation", SUCCESSES, ids=lambda operation: operation.name)
def test_an_answer_matches_the_strict_document(
    operation: Operation, box: Sandbox, proxy: VoiceClient
):
    operation.run(proxy, add_call(operation, box))


@pytest.mark.parametrize("operation", FAILURES, ids=lambda operation: operation.name)
def test_a_failure_matches_the_strict_document(
    operation: Operation, box: Sandbox, proxy: VoiceClient
):
    call_id = add_call(operation, box)
    with pytest.raises(ApiStatusError) as caught:
        operation.run(proxy, call_id)
    assert caught.value.error_code == operation.code


def test_an_incomplete_answer_is_detected(tmp_path: Path):
    with (
        running(middleware=forgetful) as box,
        prism(
            "proxy", "reporting", regenerate.strict("reporting"), tmp_path, box.calling_url
        ) as url,
        client(box, url, url) as voice,
        pytest.raises(ApiStatusError) as caught,
    ):
        voice.reports.user_calls(USER)
    assert caught.value.status_code == 500
