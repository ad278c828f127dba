"""Whatever a server sends, a caller gets a result or a library error, and nothing else."""

from __future__ import annotations

import asyncio
import gzip
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from samples import ID, SAMPLES
from sinchvoice import ApiError, RetryPolicy, VoiceClient

OPERATIONS = {name: sample.run for name, sample in SAMPLES.items()}

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.sampled_from(
        [
            "",
            "number",
            "+12125550123",
            "2024-01-08T09:48:12",
            "0.5",
            "ANSWERED",
            "1e999999999",
            10**400,
            1e308,
            -0.0,
            "\ud800",
            "\x00",
        ]
    )
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
FIELDS = [
    "from",
    "to",
    "type",
    "endpoint",
    "callId",
    "callid",
    "domain",
    "duration",
    "status",
    "result",
    "reason",
    "timestamp",
    "custom",
    "userRate",
    "debit",
    "currencyId",
    "amount",
    "success",
    "failed",
    "start",
    "value",
    "modified",
    "errorCode",
    "code",
    "message",
    "reference",
    "error",
    "response",
    "content",
]
objects = st.dictionaries(st.sampled_from(FIELDS), values, max_size=14)
nested = st.dictionaries(st.sampled_from(FIELDS), objects | values, max_size=14)
contents = (
    (objects | nested | values).map(lambda value: json.dumps(value).encode())
    | st.binary(max_size=64)
    | st.sampled_from(
        [
            b"",
            b"<html><body>502 Bad Gateway</body></html>",
            b"[" * 5000,
            b'{"a":' * 5000,
            b'{"duration":' + b"9" * 5000 + b"}",
            b'{"debit":{"amount":1e999999999}}',
            b'{"value":1e400}',
            b'{"value":-0}',
            "é".encode("utf-16"),
            b"\xef\xbb\xbf{}",
        ]
    )
)
headers = st.fixed_dictionaries(
    {},
    optional={
        "Content-Type": st.sampled_from(["application/json", "text/html", "", "x"]),
        "Content-Encoding": st.sampled_from(["gzip", "deflate", "br", "identity", "\t"]),
        "Retry-After": st.sampled_from(["0", "-1", "soon", "99999999999999", "1e9", ""]),
        "Location": st.sampled_from(
            [
                "/",
                "https://evil.example/",
                "https://x.sinch.com/",
                "::",
                "javascript:1",
                "https://xn--.sinch.com/",
                "https://[",
                "//",
                "https://x.sinch.com/%zz",
            ]
        ),
        "Date": st.sampled_from(
            ["", "Thu, 01 Jan 1970 00:00:00 GMT", "99", "Mon", "Fri, 31 Dec 9999 23:59:59 GMT"]
        ),
        "Set-Cookie": st.sampled_from(["a=b", "a=b; Domain=.sinch.com", "=", ";;"]),
    },
)


def answer_of(status: int, content: bytes, fields: dict[str, str]) -> Callable[..., httpx.Response]:
    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(status, headers=fields, stream=httpx.ByteStream(content))

    return answer


@pytest.mark.parametrize("name", OPERATIONS)
@given(status=st.integers(200, 599) | st.just(200), content=contents, fields=headers)
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_only_library_errors_are_raised(
    scripted: Any, name: str, status: int, content: bytes, fields: dict[str, str]
):
    voice = scripted(answer_of(status, content, fields))
    for _ in range(2):  # facts learned from the first answer must not break the second
        message = ""
        try:
            OPERATIONS[name](voice)
        except ApiError as error:
            message = str(error)
        assert message.isprintable()
        voice.clock.now += 10


@pytest.mark.parametrize("name", OPERATIONS)
@given(status=st.integers(200, 599) | st.just(200), content=contents, fields=headers)
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_sync_and_async_have_the_same_outcome(
    scripted: Any, name: str, status: int, content: bytes, fields: dict[str, str]
):
    def outcome(run: Callable[[], Any]) -> str:
        try:
            return repr(run())
        except ApiError as error:
            return f"{error!r} {error}"

    answer = answer_of(status, content, fields)
    blocking, awaited = scripted(answer), scripted(answer, is_async=True)
    assert outcome(lambda: OPERATIONS[name](blocking)) == outcome(
        lambda: asyncio.run(OPERATIONS[name](awaited))
    )


def test_every_status_is_a_result_or_a_library_error(scripted: Any):
    content = json.dumps({"callId": ID}).encode()
    for status in range(100, 600):
        voice = scripted(answer_of(status, content, {}))
        if 200 <= status <= 299:
            assert voice.calls.get(ID).call_id == ID
            voice.calls.hangup(ID)
        else:
            with pytest.raises(ApiError):
                voice.calls.get(ID)
            with pytest.raises(ApiError):
                voice.calls.hangup(ID)


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize("status", [302, 307])
@pytest.mark.parametrize("location", ["javascript:1", "https://xn--.sinch.com/", "https://[/"])
def test_a_location_that_httpx_cannot_read_raises_an_api_error(
    scripted: Any, name: str, status: int, location: str
):
    voice = scripted(answer_of(status, b"", {"Location": location}), retries=0)
    with pytest.raises(ApiError) as caught:
        OPERATIONS[name](voice)
    assert caught.value.attempts == 1


def test_a_cookie_is_neither_kept_nor_sent_on(scripted: Any):
    cookie = {"Set-Cookie": "session=abc; Domain=.sinch.com; Path=/"}
    redirect = {**cookie, "Location": "https://other.sinch.com/"}
    voice = scripted(
        answer_of(307, b"", redirect), answer_of(200, b'{"value": 1}', cookie), retries=0
    )
    voice.reports.counter("currentcalls")
    voice.reports.counter("currentcalls")
    assert len(voice.requests) == 3
    assert [request.headers.get("Cookie") for request in voice.requests] == [None] * 3


def test_an_implausible_time_is_not_learned(scripted: Any):
    late = {"Date": "Fri, 31 Dec 9999 23:59:59 GMT"}
    voice = scripted(answer_of(401, b'{"errorCode": 40105}', late), retries=0)
    for _ in range(2):
        with pytest.raises(ApiError):
            voice.calls.get(ID)
        voice.clock.now += 10
    assert len(voice.requests) == 2


# --- over a real socket --------------------------------------------------------------------------


@contextmanager
def serving(*answers: bytes) -> Iterator[VoiceClient]:
    """Provide a client of a server that answers each connection with raw bytes, and hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(10)

        def serve() -> None:
            for answer in answers:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    connection.settimeout(10)
                    connection.recv(65536)
                    connection.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        retries = RetryPolicy(retries=1, first_delay=0.01)
        with VoiceClient(
            "5F5C418A0F914BBC8234A9BF5EDDAD97",
            "JViE5vDor0Sw3WllZka15Q==",
            calling_url=url,
            retries=retries,
            timeout=5,
        ) as voice:
            yield voice
        thread.join(10)


GOOD = b'HTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\n{"callId":"a"}'


@pytest.mark.parametrize(
    "broken",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/9.9 abc\r\n\r\n",
        b"\x16\x03\x01\x00\x05hello",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
    ],
    ids=["nothing", "cut off", "chunk cut off", "bad chunk", "bad version", "TLS", "bad length"],
)
def test_broken_http_is_retried_for_a_get_and_never_for_a_patch(broken: bytes):
    with serving(broken, GOOD) as voice:
        assert voice.calls.get(ID).call_id == "a"
    if broken.startswith(b"HTTP/1.1 200") and b"-1" not in broken:
        return  # a PATCH has succeeded once its status has arrived
    with serving(broken) as voice, pytest.raises(ApiError) as caught:
        voice.calls.hangup(ID)
    assert (caught.value.attempts, caught.value.may_have_executed) == (1, True)


def test_a_cookie_that_is_not_text_does_not_spoil_the_next_call():
    head = b"HTTP/1.1 200 OK\r\nSet-Cookie: a=\xff\r\nContent-Length: 2\r\n\r\n{}"
    with serving(head, GOOD) as voice:
        assert voice.calls.get(ID).call_id == ID
        assert voice.calls.get(ID).call_id == "a"


def test_a_compressed_answer_over_a_socket_is_read():
    packed = gzip.compress(b'{"callId":"a"}')
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(packed)}\r\n\r\n"
    with serving(head.encode() + packed) as voice:
        assert voice.calls.get(ID).call_id == "a"


def test_a_refused_connection_has_no_effect():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with VoiceClient(
        "5F5C418A0F914BBC8234A9BF5EDDAD97",
        "JViE5vDor0Sw3WllZka15Q==",
        calling_url=f"http://127.0.0.1:{port}",
        retries=0,
    ) as voice:
        with pytest.raises(ApiError) as caught:
            voice.calls.hangup(ID)
        assert caught.value.may_have_executed is False
