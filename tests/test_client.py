"""client.py: settings and their sources, lifetime, sharing."""

from __future__ import annotations

import asyncio
import copy
import pickle
import socket
import ssl
import threading
from collections.abc import Callable
from typing import Any

import httpx
import pytest
import trustme
from sinchvoice import (
    ApiConnectionError,
    ApiError,
    AsyncVoiceClient,
    ConfigurationError,
    EventLoopError,
    InvalidRequest,
    PstnEndpoint,
    Region,
    RetryPolicy,
    VoiceClient,
)
from sinchvoice.sandbox import Sandbox, running

KEY, SECRET = "5F5C418A0F914BBC8234A9BF5EDDAD97", "JViE5vDor0Sw3WllZka15Q=="
ID = "4398599d1ba84ef3bde0a82dfb61abed"


class Recorder:
    """A server that answers every request and remembers its URL."""

    def __init__(self) -> None:
        self.hosts: list[str] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.hosts.append(request.url.host)
        return httpx.Response(200, json={"callId": ID, "value": 1})


@pytest.fixture
def server() -> Recorder:
    return Recorder()


# --- Settings ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("region", "host"),
    [
        ("global", "calling.api.sinch.com"),
        ("europe", "calling-euc1.api.sinch.com"),
        ("euc1", "calling-euc1.api.sinch.com"),
        (Region.NORTH_AMERICA, "calling-use1.api.sinch.com"),
        ("sae1", "calling-sae1.api.sinch.com"),
        ("south-east-asia-1", "calling-apse1.api.sinch.com"),
        ("apse2", "calling-apse2.api.sinch.com"),
    ],
)
def test_a_region_decides_where_calls_are_managed_and_not_where_reports_are(
    server: Recorder, region: str, host: str
):
    transport = httpx.MockTransport(server)
    with VoiceClient(KEY, SECRET, region=region, transport=transport) as voice:
        voice.calls.get(ID)
        voice.reports.counter("currentcalls")
    assert server.hosts == [host, "reportingapi.sinch.com"]


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"region": "mars"}, r"region is 'mars': give one of global, north-america \(use1\)"),
        ({"auth": "digest"}, "auth is 'digest': give 'signed' or 'basic'"),
        ({"canonical_resource": "url"}, "canonical_resource is 'url': give 'auto', 'path'"),
        ({"timeout": 0}, "timeout is 0: give seconds"),
        ({"timeout": None}, "timeout is None: give seconds"),
        ({"timeout": float("nan")}, "timeout is nan"),
        ({"timeout": float("inf")}, "timeout is inf"),
        ({"ssl_context": 5}, "ssl_context is 5: give an ssl.SSLContext"),
        ({"calling_url": "https://xn--.example"}, "calling_url .*its host cannot exist"),
        ({"deadline": -1}, "deadline is -1: give seconds"),
        ({"retries": -1}, "retries is -1: give a whole number"),
        ({"retries": 1.5}, "retries is 1.5: give a whole number"),
        ({"max_connections": 0}, "max_connections is 0: give a whole number"),
        ({"calling_url": "http://example.com"}, "calling_url is 'http://example.com': use https"),
        ({"reporting_url": "https://"}, "reporting_url is 'https://'"),
        (
            {"calling_url": "https://a:b@example.com"},
            "calling_url contains a user name or password",
        ),
    ],
)
@pytest.mark.parametrize("client", [VoiceClient, AsyncVoiceClient])
def test_a_wrong_setting_is_refused_with_the_remedy(
    client: Any, options: dict[str, Any], problem: str
):
    with pytest.raises(ConfigurationError, match=problem):
        client(KEY, SECRET, **options)


@pytest.mark.parametrize(
    ("key", "secret", "problem"),
    [
        ("", SECRET, "application_key"),
        ("a b", SECRET, "application_key"),
        ("a:b", SECRET, "application_key"),
        (None, SECRET, "application_key"),
        (KEY, "", "application_secret is empty"),
        (KEY, None, "application_secret is empty"),
        (KEY, "not base64!", r"application_secret is not base64 \(character 4\)"),
        (SECRET, KEY, "do not swap it with the secret"),
        (KEY, KEY, "are the two swapped"),
        (KEY, "669E367E-6BBA-48AB-AF15-266871C28135", "are the two swapped"),
        (f'"{KEY}"', SECRET, "without quotes"),
    ],
)
def test_wrong_credentials_are_refused_at_construction(key: Any, secret: Any, problem: str):
    with pytest.raises(ConfigurationError, match=problem):
        VoiceClient(key, secret)


def test_settings_come_from_the_environment():
    environ = {
        "SINCH_APPLICATION_KEY": KEY,
        "SINCH_APPLICATION_SECRET": SECRET + "\n",
        "SINCH_VOICE_REGION": "europe",
    }
    with VoiceClient.from_env(environ) as voice:
        assert "calling-euc1" in repr(voice)
    urls = {
        "SINCH_VOICE_CALLING_URL": "http://127.0.0.1:1",
        "SINCH_VOICE_REPORTING_URL": "http://127.0.0.1:2/v1/",
        "SINCH_VOICE_CONFIGURATION_URL": "http://127.0.0.1:3/",
    }
    with VoiceClient.from_env(environ | urls) as voice:
        assert repr(voice) == (
            f"VoiceClient({KEY!r}, calling_url='http://127.0.0.1:1', "
            "reporting_url='http://127.0.0.1:2/v1', configuration_url='http://127.0.0.1:3')"
        )


def test_an_option_overrides_its_variable(server: Recorder):
    environ = {
        "SINCH_APPLICATION_KEY": KEY,
        "SINCH_APPLICATION_SECRET": SECRET,
        "SINCH_VOICE_REGION": "europe",
    }
    transport = httpx.MockTransport(server)
    with VoiceClient.from_env(
        environ, region="sae1", auth="basic", timeout=3, transport=transport
    ) as voice:
        voice.calls.get(ID)
    assert server.hosts == ["calling-sae1.api.sinch.com"]
    with pytest.raises(TypeError, match="unexpected keyword argument 'retry'"):
        VoiceClient.from_env(environ, retry=1)  # type: ignore[call-arg]


def test_the_process_environment_is_read_by_default(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SINCH_APPLICATION_KEY", KEY)
    monkeypatch.setenv("SINCH_APPLICATION_SECRET", SECRET)
    monkeypatch.delenv("SINCH_VOICE_REGION", raising=False)
    with VoiceClient.from_env() as voice:
        assert "https://calling.api.sinch.com" in repr(voice)


@pytest.mark.parametrize("missing", ["SINCH_APPLICATION_KEY", "SINCH_APPLICATION_SECRET"])
@pytest.mark.parametrize("value", [None, ""])
def test_a_missing_variable_is_named(missing: str, value: str | None):
    environ = {"SINCH_APPLICATION_KEY": KEY, "SINCH_APPLICATION_SECRET": SECRET}
    del environ[missing]
    if value is not None:
        environ[missing] = value
    with pytest.raises(ConfigurationError, match=missing):
        VoiceClient.from_env(environ)


def test_options_can_be_changed_for_some_calls(server: Recorder):
    def failing(request: httpx.Request) -> httpx.Response:
        server(request)
        return httpx.Response(500 if len(server.hosts) > 3 else 503)

    with VoiceClient(KEY, SECRET, retries=0, transport=httpx.MockTransport(failing)) as voice:
        policy = RetryPolicy(retries=1, first_delay=0)
        patient = voice.with_options(retries=policy, timeout=3, deadline=20)
        for client, requests in ((voice, 1), (patient, 3)):
            with pytest.raises(ApiError):
                client.calls.get(ID)
            assert len(server.hosts) == requests
        with pytest.raises(ConfigurationError, match="timeout is 0"):
            voice.with_options(timeout=0)


def test_unchanged_options_stay(server: Recorder):
    seen = []

    def slow(request: httpx.Request) -> httpx.Response:
        seen.append(request.extensions["timeout"]["read"])
        return server(request)

    with VoiceClient(
        KEY, SECRET, timeout=9, deadline=2, transport=httpx.MockTransport(slow)
    ) as voice:
        voice.with_options(deadline=None).calls.get(ID)
        voice.with_options(timeout=1).calls.get(ID)
    assert seen == [9, 1]


# --- Lifetime ------------------------------------------------------------------------------------


def test_a_closed_client_says_so(server: Recorder):
    voice = VoiceClient(KEY, SECRET, transport=httpx.MockTransport(server))
    voice.close()
    voice.close()
    with pytest.raises(InvalidRequest, match="this client is closed"):
        voice.calls.get(ID)


def test_a_closed_async_client_says_so(server: Recorder):
    async def main() -> None:
        voice = AsyncVoiceClient(KEY, SECRET, transport=httpx.MockTransport(server))
        await voice.aclose()
        with pytest.raises(InvalidRequest, match="this client is closed"):
            await voice.calls.get(ID)

    asyncio.run(main())


def test_a_client_works_without_a_with_block(server: Recorder):
    voice = VoiceClient(KEY, SECRET, transport=httpx.MockTransport(server))
    assert voice.calls.get(ID).call_id == ID
    voice.close()


def test_a_derived_client_does_not_close_the_connections_it_shares(server: Recorder):
    with VoiceClient(KEY, SECRET, transport=httpx.MockTransport(server)) as voice:
        with voice.with_options(timeout=1) as derived:
            derived.calls.get(ID)
        assert voice.calls.get(ID).call_id == ID
    with pytest.raises(InvalidRequest, match="closed"):
        derived.calls.get(ID)


@pytest.mark.parametrize("duplicate", [pickle.dumps, copy.copy, copy.deepcopy])
def test_a_client_is_neither_pickled_nor_copied(duplicate: Callable[[Any], Any]):
    with VoiceClient(KEY, SECRET) as voice, pytest.raises(TypeError, match="make one in each"):
        duplicate(voice)


@pytest.mark.parametrize(
    ("proxy", "problem"),
    [
        ("ftp://127.0.0.1", "its scheme is neither http nor https"),
        ("127.0.0.1:3128", "its scheme is neither http nor https"),
        ("socks5://x", r"transport=httpx.HTTPTransport\(proxy=…\) with httpx\[socks\]"),
    ],
)
@pytest.mark.parametrize("client", [VoiceClient, AsyncVoiceClient])
def test_an_unusable_proxy_is_a_configuration_error(client: Any, proxy: str, problem: str):
    with pytest.raises(ConfigurationError, match=f"^proxy is .*{problem}"):
        client(KEY, SECRET, proxy=proxy)


def test_an_async_client_stays_in_its_event_loop(server: Recorder):
    """httpx would write to the old loop's connection, and fail after the server acted."""
    voice = AsyncVoiceClient(KEY, SECRET, transport=httpx.MockTransport(server))
    asyncio.run(voice.calls.say(ID, "one"))
    for client in (voice, voice, voice.with_options(timeout=5)):
        with pytest.raises(EventLoopError, match="belongs to another event loop"):
            asyncio.run(client.calls.say(ID, "two"))
    assert len(server.hosts) == 1


def test_a_client_closed_between_two_attempts_says_so(server: Recorder):
    def unavailable(request: httpx.Request) -> httpx.Response:
        server(request)
        return httpx.Response(503)

    policy = RetryPolicy(first_delay=0.4)
    voice = VoiceClient(KEY, SECRET, retries=policy, transport=httpx.MockTransport(unavailable))
    threading.Timer(0.05, voice.close).start()
    with pytest.raises(ApiError, match="the client was closed meanwhile") as caught:
        voice.calls.get(ID)
    assert caught.value.attempts == 1


def test_a_derived_async_client_does_not_close_the_connections_it_shares(server: Recorder):
    async def main() -> None:
        async with AsyncVoiceClient(KEY, SECRET, transport=httpx.MockTransport(server)) as voice:
            async with voice.with_options(timeout=1) as derived:
                await derived.calls.get(ID)
            assert (await voice.calls.get(ID)).call_id == ID

    asyncio.run(main())


# --- Real sockets --------------------------------------------------------------------------------


def test_proxy_variables_do_not_capture_loopback(box: Sandbox, monkeypatch: pytest.MonkeyPatch):
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        dead = f"http://127.0.0.1:{nobody.getsockname()[1]}"
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, dead)
    monkeypatch.delenv("NO_PROXY", raising=False)
    with VoiceClient.from_env({**box.environ}) as voice:
        assert voice.reports.service_status("rtpproxy").is_up
    with (
        VoiceClient(KEY, SECRET, calling_url=box.calling_url, proxy=dead, retries=0) as voice,
        pytest.raises(ApiConnectionError) as caught,
    ):
        voice.calls.get(next(iter(box.calls)))
    assert caught.value.may_have_executed is False


def test_threads_share_a_client_and_get_their_own_answers(box: Sandbox):
    ids = [box.add_call(to=PstnEndpoint("+12125550123")).call_id for _ in range(16)]
    wrong: list[str] = []

    with VoiceClient.from_env(box.environ) as voice:

        def ask(call_id: str) -> None:
            for _ in range(10):
                if voice.calls.get(call_id).call_id != call_id:
                    wrong.append(call_id)

        threads = [threading.Thread(target=ask, args=(call_id,)) for call_id in ids]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert wrong == []


def test_tasks_share_an_async_client_and_get_their_own_answers(box: Sandbox):
    ids = [box.add_call(to=PstnEndpoint("+12125550123")).call_id for _ in range(50)]

    async def main() -> list[str]:
        async with AsyncVoiceClient.from_env(box.environ) as voice:
            calls = await asyncio.gather(*(voice.calls.get(call_id) for call_id in ids))
        return [call.call_id for call in calls]

    assert asyncio.run(main()) == ids


def test_a_connection_is_used_again():
    ports = set()

    def seen(app: Any) -> Any:
        async def noting(scope: Any, receive: Any, send: Any) -> None:
            ports.add(scope["client"][1])
            await app(scope, receive, send)

        return noting

    async def awaited(environ: Any) -> None:
        async with AsyncVoiceClient.from_env(environ) as voice:
            for _ in range(5):
                await voice.reports.counter("currentcalls")

    with running(middleware=seen) as fresh:
        with VoiceClient.from_env(fresh.environ) as voice:
            for _ in range(5):
                voice.reports.counter("currentcalls")
        assert len(ports) == 1
        asyncio.run(awaited(fresh.environ))
    assert len(ports) == 2


def test_a_private_certificate_authority_is_trusted_through_ssl_context():
    authority = trustme.CA()
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(server_side)
    client_side = ssl.create_default_context()
    authority.configure_trust(client_side)

    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            for _ in range(2):
                connection, _ = listener.accept()
                try:
                    with server_side.wrap_socket(connection, server_side=True) as secure:
                        secure.recv(65536)
                        secure.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
                except OSError:
                    connection.close()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        url = f"https://localhost:{listener.getsockname()[1]}"
        with VoiceClient(KEY, SECRET, calling_url=url, ssl_context=client_side) as voice:
            assert voice.calls.get(ID).call_id == ID
        with (
            VoiceClient(KEY, SECRET, calling_url=url, retries=0) as voice,
            pytest.raises(ApiConnectionError, match="CERTIFICATE_VERIFY_FAILED") as caught,
        ):
            voice.calls.get(ID)
        thread.join(10)
    assert caught.value.may_have_executed is False


def test_no_connection_is_left_open(box: Sandbox):
    """Warnings are errors in these tests: a socket dropped while open fails this one."""

    async def main() -> None:
        async with AsyncVoiceClient.from_env(box.environ) as voice:
            await voice.reports.counter("currentcalls")

    asyncio.run(main())
    with VoiceClient.from_env(box.environ) as voice:
        voice.reports.counter("currentcalls")
