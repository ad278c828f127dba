"""One secret through every path: it appears in no log, repr, error or pickle."""

from __future__ import annotations

import asyncio
import base64
import io
import logging
import pickle
import pprint
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from samples import SAMPLES
from sinchvoice import (
    ApiError,
    AsyncVoiceClient,
    ConfigurationError,
    Credentials,
    SinchVoiceError,
    VoiceClient,
    signing,
    svaml,
)
from sinchvoice.hidden import Hidden
from sinchvoice.sandbox import running

KEY = "5F5C418A0F914BBC8234A9BF5EDDAD97"
SECRET = "JViE5vDor0Sw3WllZka15Q=="
PAIR = base64.b64encode(f"{KEY}:{SECRET}".encode()).decode()
DECODED = base64.b64decode(SECRET)
TRACES = [SECRET, SECRET.rstrip("="), PAIR, DECODED.hex(), repr(DECODED)[2:-1]]
ID = "4398599d1ba84ef3bde0a82dfb61abed"


@contextmanager
def everything_logged() -> Iterator[io.StringIO]:
    """Collect everything that any logger writes at any level, with its arguments."""
    stream = io.StringIO()

    class Everything(logging.StreamHandler[io.StringIO]):
        def emit(self, record: logging.LogRecord) -> None:
            stream.write(f"{record.__dict__!r}\n{self.format(record)}\n")

    root = logging.getLogger()
    handler, level = Everything(stream), root.level
    names = ["httpx", "httpcore", "sinchvoice", "sinchvoice.requests", "uvicorn.error", "asyncio"]
    levels = {name: logging.getLogger(name).level for name in names}
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    for name in names:
        logging.getLogger(name).setLevel(logging.DEBUG)
    try:
        yield stream
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
        for name, old in levels.items():
            logging.getLogger(name).setLevel(old)


def traces_in(text: str) -> list[str]:
    return [trace for trace in TRACES if trace in text]


def look_at(thing: Any) -> str:
    """Return all texts that show an object."""
    shown = [repr(thing), str(thing), f"{thing}", pprint.pformat(thing)]
    if isinstance(thing, BaseException):
        shown += traceback.format_exception(thing)
        shown += [repr(thing.__cause__), repr(thing.__context__), repr(thing.args)]
        shown.append(repr(thing.__dict__))
    try:
        shown.append(pickle.dumps(thing, protocol=0).decode("latin-1"))
    except Exception as error:  # noqa: BLE001 - an object that cannot be pickled cannot leak that way
        shown.append(repr(error))
    return "\n".join(shown)


PATHS: list[Callable[[Any], Any]] = [
    *(sample.run for sample in SAMPLES.values()),
    lambda voice: voice.calls.get(".."),
    lambda voice: voice.calls.get("https://example.com/calling/v1/calls/id/x"),
    lambda voice: voice.with_options(timeout=0),
    lambda voice: repr(voice),
]
ANSWERS: list[Any] = [
    httpx.Response(200, json={"callId": ID, "value": 1, "status": "up"}),
    httpx.Response(200, content=b"<html>"),
    httpx.Response(400, json={"errorCode": 40003, "message": "No"}),
    httpx.Response(401, json={"errorCode": 40102, "message": "Invalid signature"}),
    httpx.Response(
        401, json={"errorCode": 40105}, headers={"Date": "Thu, 01 Jan 1970 00:00:00 GMT"}
    ),
    httpx.Response(307, headers={"Location": "https://calling-euc1.api.sinch.com/x"}),
    httpx.Response(307, headers={"Location": "https://evil.example/"}),
    httpx.Response(503),
    httpx.ConnectError("refused"),
    httpx.ReadTimeout("slow"),
]


@pytest.mark.parametrize("auth", ["signed", "basic"])
@pytest.mark.parametrize("answer", ANSWERS, ids=lambda answer: repr(answer)[:24])
@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
def test_no_path_through_the_client_shows_the_secret(
    scripted: Any, auth: str, answer: Any, is_async: bool
):
    seen = []
    with everything_logged() as logged:
        voice = scripted(answer, auth=auth, is_async=is_async)
        for path in PATHS:
            try:
                result = path(voice)
                if asyncio.iscoroutine(result):
                    result = asyncio.run(result)
                seen.append(look_at(result))
            except (SinchVoiceError, AttributeError) as error:
                seen.append(look_at(error))
        seen += [look_at(voice.exchange), look_at(voice.exchange.settings), look_at(voice.calls)]
    assert traces_in("\n".join(seen)) == []
    assert traces_in(logged.getvalue()) == []
    assert "Application 5F" not in logged.getvalue()


@pytest.mark.parametrize("auth", ["signed", "basic"])
def test_no_path_over_a_real_socket_shows_the_secret(auth: str):
    async def awaited(environ: dict[str, str]) -> Any:
        async with AsyncVoiceClient(
            KEY, SECRET, calling_url=environ["SINCH_VOICE_CALLING_URL"], auth=auth
        ) as voice:
            with pytest.raises(ApiError) as caught:
                await voice.calls.get("unknown")
            return caught.value

    with everything_logged() as logged, running() as box:
        seen = [look_at(box), look_at(asyncio.run(awaited(dict(box.environ))))]
        with VoiceClient(KEY, SECRET, calling_url=box.calling_url, auth=auth) as voice:
            call_id = next(iter(box.calls))
            seen += [look_at(voice.calls.get(call_id)), look_at(voice)]
            with pytest.raises(ApiError) as caught:
                voice.calls.get("unknown")
            seen.append(look_at(caught.value))
    assert "Authorization" not in logged.getvalue()
    assert traces_in("\n".join(seen)) == []
    assert traces_in(logged.getvalue()) == []


def test_no_refused_setting_shows_the_secret():
    seen = []
    for arguments, options in (
        ((KEY, SECRET + "!"), {}),
        ((KEY, SECRET[:-3]), {}),
        ((KEY, SECRET), {"region": "x"}),
        ((KEY, SECRET), {"calling_url": f"https://{KEY}:{SECRET}@example.com"}),
        ((KEY, SECRET), {"timeout": -1}),
    ):
        with pytest.raises(ConfigurationError) as caught:
            VoiceClient(*arguments, **options)  # type: ignore[arg-type]
        seen.append(look_at(caught.value))
    # Tracebacks quote the test's line, which has the variable's name and not its value.
    assert traces_in("\n".join(seen)) == []


def with_variables(error: BaseException) -> str:
    """Return a traceback with the variables of each frame, like error reporters."""
    return "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())


WRONG_PAIRS: dict[str, Callable[[], tuple[Any, Any]]] = {
    "a wrong character": lambda: (KEY, SECRET + "!"),
    "a wrong length": lambda: (KEY, SECRET[:-3]),
    "bytes": lambda: (KEY, SECRET.encode()),
    "in a list": lambda: (KEY, [SECRET]),
    "swapped": lambda: (SECRET, KEY),
    "a key for a secret": lambda: (KEY, f"{ID}"),
    "the secret twice": lambda: (SECRET, SECRET),
    "with space inside": lambda: (KEY, f"{SECRET} {SECRET}"),
}


@pytest.mark.parametrize("case", WRONG_PAIRS)
def test_refused_credentials_are_in_no_variable_of_a_traceback(case: str):
    with pytest.raises(ConfigurationError) as caught:
        Credentials(*WRONG_PAIRS[case]())
    shown = with_variables(caught.value)
    assert "<hidden>" in shown
    assert [trace for trace in (*TRACES, SECRET[:-3]) if trace in shown] == []


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("answer", ANSWERS[1:], ids=lambda answer: repr(answer)[:24])
@pytest.mark.parametrize("auth", ["signed", "basic"])
def test_a_failed_request_has_the_secret_in_no_variable_of_a_traceback(
    scripted: Any, answer: Any, is_async: bool, auth: str
):
    voice = scripted(answer, is_async=is_async, auth=auth)
    with pytest.raises(SinchVoiceError) as caught:
        asyncio.run(voice.calls.get(ID)) if is_async else voice.calls.get(ID)
    shown = with_variables(caught.value)
    assert "flow.py" in shown
    assert traces_in(shown) == []


def test_a_hidden_value_is_never_shown():
    hidden = Hidden(SECRET)
    assert traces_in(look_at(hidden) + look_at([hidden]) + look_at({hidden: hidden})) == []
    assert hidden.reveal() == SECRET
    assert hidden == Hidden(SECRET) != Hidden(KEY)
    assert len({hidden, Hidden(SECRET)}) == 1


def test_verifying_shows_neither_secret_nor_signature():
    credentials = Credentials(KEY, SECRET)
    headers = signing.signed_headers(
        credentials, method="POST", resource="/x", timestamp="2014-06-04T13:41:58Z"
    )
    signature = headers["Authorization"].partition(":")[2]
    with everything_logged() as logged:
        assert not signing.verify(credentials, method="POST", path="/x", headers=headers, body=b"")
        assert signing.verify(
            credentials, method="POST", path="/x", headers=headers, body=b"", max_age=None
        )
    assert "too far from the present" in logged.getvalue()
    assert traces_in(look_at(credentials) + logged.getvalue()) == []
    assert signature not in logged.getvalue()


def test_storage_credentials_of_a_recording_are_not_shown():
    options = svaml.RecordingOptions(credentials=SECRET, destination_url="s3://bucket")
    whole = svaml.Svaml([svaml.StartRecording(options)])
    assert traces_in(repr(whole) + str(whole)) == []
    assert whole.to_wire()["instructions"][0]["options"]["credentials"] == SECRET
