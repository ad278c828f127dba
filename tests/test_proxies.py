"""Proxies: their choice, what they see of a request, and the texts of their failures."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
import urllib.request
from base64 import b64decode
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import trustme
from hypothesis import example, given
from hypothesis import strategies as st
from raw_servers import (
    ID,
    KEY,
    SECRET,
    Ask,
    answer,
    ask_awaiting,
    ask_blocking,
    call_of,
    closed_port,
    outcome,
    read_request,
    relaying,
    serving,
    well_behaved,
)
from sinchvoice import (
    ApiConnectionError,
    ApiError,
    AsyncVoiceClient,
    ConfigurationError,
    SinchVoiceError,
    VoiceClient,
)
from sinchvoice.hidden import Hidden
from sinchvoice.proxies import Proxies
from sinchvoice.urls import Origin, parse

VARIABLES = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "REQUEST_METHOD"]


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave no proxy but those that a test names."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture(params=[ask_blocking, ask_awaiting], ids=["sync", "async"])
def ask(request: pytest.FixtureRequest) -> Ask:
    """Use a client, and return the result."""
    return request.param


def get(voice: Any) -> Any:
    return voice.calls.get(ID)


def hang_up(voice: Any) -> Any:
    return voice.calls.hangup(ID)


class ProxyServer:
    """A small proxy: forwards requests, opens tunnels, and records the requests."""

    def __init__(self, port: int, password: str = "") -> None:
        self.heads: list[bytes] = []
        self._port = port
        self._password = password

    def __call__(self, connection: socket.socket) -> None:
        while request := read_request(connection):
            self.heads.append(request)
            if not self._may_pass(request):
                connection.sendall(answer(b"", 407, "Proxy-Authenticate: Basic"))
                return
            if request.startswith(b"CONNECT "):
                connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                relaying(self._port)(connection)
                return
            with socket.create_connection(("127.0.0.1", self._port)) as onward:
                onward.sendall(request)
                connection.sendall(onward.recv(65536))

    def _may_pass(self, request: bytes) -> bool:
        if not self._password:
            return True
        for line in request.split(b"\r\n"):
            if line.lower().startswith(b"proxy-authorization: basic "):
                return b64decode(line.split()[-1]).decode() == self._password
        return False


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def server_context(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost", "calling.api.sinch.com").configure_cert(context)
    return context


@pytest.fixture(scope="module")
def client_context(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


# --- requests through a proxy --------------------------------------------------------------------


def test_a_plain_request_is_handed_on_by_the_proxy_with_user_and_password(ask: Ask):
    with serving(well_behaved) as behind:
        proxy = ProxyServer(behind.port, "us er:p@ss/word")
        with serving(proxy) as server:
            url = f"http://us%20er:p%40ss%2Fword@127.0.0.1:{server.port}"
            found = ask(get, calling_url=behind.url, proxy=url)
    assert found.call_id == ID
    (head,) = proxy.heads
    assert head.startswith(f"GET {behind.url}/calling/v1/calls/id/{ID} HTTP/1.1\r\n".encode())
    assert f"\r\nHost: 127.0.0.1:{behind.port}\r\n".encode() in head


@pytest.mark.parametrize("secure", [False, True], ids=["http proxy", "https proxy"])
def test_a_secure_request_goes_through_a_tunnel_and_the_proxy_sees_only_the_host(
    ask: Ask, server_context: ssl.SSLContext, client_context: ssl.SSLContext, secure: bool
):
    heads: list[bytes] = []

    def noting(connection: socket.socket) -> None:
        while request := read_request(connection):
            heads.append(request)
            connection.sendall(call_of(request))

    with serving(noting, context=server_context) as behind:
        proxy = ProxyServer(behind.port, "user:secret")
        with serving(proxy, context=server_context if secure else None) as server:
            scheme = "https" if secure else "http"
            found = ask(
                get,
                calling_url="https://calling.api.sinch.com",
                proxy=f"{scheme}://user:secret@localhost:{server.port}",
                ssl_context=client_context,
            )
    assert found.call_id == ID, found
    (head,) = proxy.heads
    assert head.startswith(b"CONNECT calling.api.sinch.com:443 HTTP/1.1\r\n")
    assert b"calls/id" not in head
    assert b"\r\nAuthorization" not in head
    (request,) = heads
    assert b"roxy-" not in request


def test_a_tunnel_is_used_for_the_next_request_as_well(
    ask: Ask, server_context: ssl.SSLContext, client_context: ssl.SSLContext
):
    def thrice(voice: VoiceClient) -> str:
        return "".join(voice.calls.get(name).call_id for name in "abc")

    async def thrice_async(voice: AsyncVoiceClient) -> str:
        return "".join([(await voice.calls.get(name)).call_id for name in "abc"])

    with serving(well_behaved, context=server_context) as behind:
        proxy = ProxyServer(behind.port)
        with serving(proxy, context=server_context) as server:
            found = ask(
                thrice if ask is ask_blocking else thrice_async,
                calling_url="https://calling.api.sinch.com",
                proxy=server.url,
                ssl_context=client_context,
            )
    assert (found, len(proxy.heads)) == ("abc", 1)


def test_a_large_request_passes_through_tls_in_tls(
    ask: Ask, server_context: ssl.SSLContext, client_context: ssl.SSLContext
):
    def measuring(connection: socket.socket) -> None:
        while request := read_request(connection):
            connection.sendall(answer(b"%d" % len(request.partition(b"\r\n\r\n")[2])))

    with (
        serving(measuring, context=server_context) as behind,
        serving(ProxyServer(behind.port), context=server_context) as server,
    ):
        found = ask(
            lambda voice: voice.request("PATCH", "/x", json="y" * 3_000_000),
            calling_url="https://calling.api.sinch.com",
            proxy=server.url,
            ssl_context=client_context,
        )
    assert found.content == b"3000002", found


# --- failures ------------------------------------------------------------------------------------


def test_a_proxy_that_refuses_the_password_is_named_without_it(ask: Ask):
    with serving(ProxyServer(1, "user:right")) as server:
        error = ask(
            hang_up,
            calling_url="https://calling.api.sinch.com",
            proxy=f"http://user:wr0ng@127.0.0.1:{server.port}",
        )
    assert isinstance(error, ApiConnectionError)
    assert not error.may_have_executed
    text = str(error)
    assert f"through the proxy http://127.0.0.1:{server.port}" in text
    assert "HTTP 407 (its user name or password is wrong)" in text
    assert "wr0ng" not in text
    assert "wr0ng" not in repr(error)


@pytest.mark.parametrize("url", ["https://calling.api.sinch.com", "http://127.0.0.1:9"])
def test_a_dead_proxy_is_named_without_its_password(ask: Ask, url: str):
    port = closed_port()
    error = ask(hang_up, calling_url=url, proxy=f"http://user:s3cret@127.0.0.1:{port}")
    assert isinstance(error, ApiConnectionError)
    assert not error.may_have_executed
    assert f"through the proxy http://127.0.0.1:{port}: " in str(error)
    assert "s3cret" not in str(error)


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 500\r\n\r\n",
        b"SSH-2.0-OpenSSH\r\n",
        b"HTTP/1.1 200 OK\r\n\r\nI speak no TLS at all",
    ],
    ids=["nothing", "502", "another protocol", "no TLS"],
)
def test_a_proxy_that_refuses_a_tunnel_receives_nothing_of_the_request(ask: Ask, said: bytes):
    def handle(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(said)

    with serving(handle) as server:
        error = ask(
            hang_up, calling_url="https://calling.api.sinch.com", proxy=server.url, timeout=3
        )
    assert isinstance(error, ApiConnectionError), repr(error)
    assert (error.may_have_executed, error.attempts) == (False, 1)
    assert server.url in str(error)


PASSWORDS = [
    "http://user:s3c#r3t@127.0.0.1:3128",
    "http://user:s3c/r3t@127.0.0.1:3128",
    "http://user:s3c?r3t@127.0.0.1:3128",
    "http://user:s3cr3t@127.0.0.1:port",
    "http://user:s3cr3t@127.0.0.1:99999",
    "http://user:s3cr3t@127.0.0.1:",
    "http://user:s3cr3t@127.0.0.1:0",
    "http://user:s3c%40ss@[::1",
    "http://user:s3cr3t@",
    "http://user:s3cr3t@a..b",
    "ftp://user:s3cr3t@h:1",
    "socks5://user:s3cr3t@h:1",
    "http://user:s3c r3t@h:1",
    "http://user:s3c\\r3t@h:1",
    "http://user:s3c\nr3t@h:1",
    "user:s3cr3t@h:1",
]


@pytest.mark.parametrize("url", [*PASSWORDS, "", " http://127.0.0.1:9", "127.0.0.1:3128"])
@pytest.mark.parametrize("client", [VoiceClient, AsyncVoiceClient])
def test_an_unreadable_proxy_is_a_wrong_setting_and_its_password_is_not_shown(
    client: Any, url: str
):
    with pytest.raises(ConfigurationError, match=r"^proxy is ") as caught:
        client(KEY, SECRET, proxy=url)
    assert "s3c" not in str(caught.value)
    assert "r3t" not in str(caught.value)


@pytest.mark.parametrize("url", [each for each in PASSWORDS if not each.startswith("user")])
@pytest.mark.parametrize("name", ["HTTPS_PROXY", "ALL_PROXY", "all_proxy"])
def test_an_unreadable_variable_is_named_and_its_password_is_not_shown(
    monkeypatch: pytest.MonkeyPatch, url: str, name: str
):
    monkeypatch.setenv(name, url)
    with pytest.raises(ConfigurationError, match=f"^{name.upper()} is ") as caught:
        VoiceClient(KEY, SECRET)
    assert "s3c" not in str(caught.value)


@given(st.text())
@example("http://[::1")
@example("http://\ud800:80")
@example("http://a:b@[::1%25x]:1")
def test_any_value_is_a_proxy_or_a_wrong_setting(url: str):
    for each in (url, f"http://{url}", f"https://user:{url}@host:1"):
        with contextlib.suppress(ConfigurationError):
            Proxies.of(Hidden(each))


# --- choice of the proxy -------------------------------------------------------------------------

ORIGIN = Origin("https", "calling.api.sinch.com", 443)


@pytest.mark.parametrize(
    ("no_proxy", "url", "goes_straight"),
    [
        ("*", "https://calling.api.sinch.com", True),
        ("calling.api.sinch.com", "https://calling.api.sinch.com", True),
        ("CALLING.api.sinch.com", "https://calling.api.sinch.com", True),
        ("sinch.com", "https://calling.api.sinch.com", True),
        (".sinch.com", "https://calling.api.sinch.com", True),
        ("*.sinch.com", "https://calling.api.sinch.com", True),
        ("*sinch.com", "https://notsinch.com", False),
        ("inch.com", "https://calling.api.sinch.com", False),
        ("calling.api.sinch.com.evil.example", "https://calling.api.sinch.com", False),
        ("api", "https://calling.api.sinch.com", False),
        ("sinch.com:443", "https://calling.api.sinch.com", True),
        ("sinch.com:8443", "https://calling.api.sinch.com", False),
        ("sinch.com:8443", "https://calling.api.sinch.com:8443", True),
        ("https://sinch.com", "https://calling.api.sinch.com", True),
        ("a.example,sinch.com", "https://calling.api.sinch.com", True),
        ("a.example sinch.com", "https://calling.api.sinch.com", True),
        (" , ,sinch.com, ", "https://calling.api.sinch.com", True),
        ("calling.api.sinch.com", "https://calling.api.sinch.com.", True),
        ("10.0.0.0/8", "https://10.1.2.3", True),
        ("10.0.0.0/8", "https://11.1.2.3", False),
        ("10.0.0.0/8", "https://[fd00::1]", False),
        ("10.1.2.3", "https://10.1.2.3", True),
        ("10.1.2.3:443", "https://10.1.2.3", True),
        ("10.1.2.3:444", "https://10.1.2.3", False),
        ("1.2.3", "https://10.1.2.3", False),
        (".3", "https://10.1.2.3", False),
        ("10.1.2.3/24", "https://10.1.2.9", True),
        ("10.0.0.0/33", "https://10.1.2.3", False),
        ("fd00::/8", "https://[fd12::1]", True),
        ("fd00::/8", "https://[fe80::1]", False),
        ("fd00::/8", "https://calling.api.sinch.com", False),
        ("[fd00::]/8", "https://[fd12::1]", False),
        ("fd12::1", "https://[fd12::1]", True),
        ("FD12:0:0::1", "https://[fd12::1]", True),
        ("[fd12::1]", "https://[fd12::1]", True),
        ("[fd12::1]:443", "https://[fd12::1]", True),
        ("[fd12::1]:444", "https://[fd12::1]", False),
        ("[fd12::1]:" + "9" * 5000, "https://[fd12::1]", False),
        ("[fd12::1", "https://[fd12::1]", False),
        ("", "https://calling.api.sinch.com", False),
        ("::/0", "https://10.1.2.3", False),
    ],
)
def test_no_proxy_matches_hosts(
    monkeypatch: pytest.MonkeyPatch, no_proxy: str, url: str, goes_straight: bool
):
    monkeypatch.setenv("ALL_PROXY", "http://proxy.example")
    monkeypatch.setenv("NO_PROXY", no_proxy)
    origin, _ = parse(url)
    assert (Proxies.of(None).find(origin) is None) == goes_straight


@given(
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])),
    st.sampled_from(["calling.api.sinch.com", "10.1.2.3", "fd12::1", "fe80::1%25eth0"]),
)
@example("[::1]:" + "9" * 5000, "fd12::1")
@example("fe80::%1/10", "fe80::1%25eth0")
def test_no_value_of_no_proxy_raises(no_proxy: str, host: str):
    found = Proxies(variables={"all": "http://proxy"}, exceptions=(no_proxy,)).find(
        Origin("https", host, 443)
    )
    assert found is None or str(found) == "http://proxy"


@pytest.mark.skipif(os.name == "nt", reason="Windows ignores the case of variable names")
@given(
    st.dictionaries(
        st.sampled_from(
            [
                *(
                    f"{name}_{word}"
                    for name in ("http", "https", "all", "no")
                    for word in ("proxy",)
                ),
                *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "Https_Proxy"),
                *("REQUEST_METHOD", "_PROXY", "PROXY", "ftp_proxy"),
            ]
        ),
        st.sampled_from(["", "http://one:1", "http://two:2", "*", "a,b"]),
    )
)
def test_the_variables_mean_what_they_mean_to_urllib(variables: dict[str, str]):
    from sinchvoice import proxies

    before = dict(os.environ)
    os.environ.clear()
    os.environ.update(variables)
    try:
        expected = urllib.request.getproxies_environment()
        assert proxies._configured() == expected
    finally:
        os.environ.clear()
        os.environ.update(before)


@pytest.mark.parametrize(
    ("variables", "proxy"),
    [
        ({"HTTPS_PROXY": "http://a:1"}, "http://a:1"),
        ({"HTTP_PROXY": "http://a:1"}, None),
        ({"ALL_PROXY": "http://a:1"}, "http://a:1"),
        ({"ALL_PROXY": "http://a:1", "HTTPS_PROXY": "http://b:2"}, "http://b:2"),
        ({"HTTPS_PROXY": "a:1"}, "http://a:1"),
        ({"HTTPS_PROXY": "user:word@a:1"}, "http://a:1"),
        ({"HTTPS_PROXY": "https://a"}, "https://a"),
        ({"HTTPS_PROXY": ""}, None),
    ],
)
def test_the_variable_of_the_scheme_applies(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], proxy: str | None
):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    found = Proxies.of(None).find(ORIGIN)
    assert (None if found is None else str(found)) == proxy


@pytest.mark.parametrize("url", ["http://127.0.0.2:8080", "http://localhost:1", "http://[::1]:1"])
def test_a_variable_does_not_apply_to_loopback(monkeypatch: pytest.MonkeyPatch, url: str):
    for name in ("HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://proxy.example")
    assert Proxies.of(None).find(parse(url)[0]) is None


def test_later_changes_of_the_environment_do_not_count(ask: Ask, monkeypatch: pytest.MonkeyPatch):
    port = closed_port()
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{port}")
    voice = VoiceClient(KEY, SECRET, retries=0)
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", "*")
    error = outcome(lambda: voice.calls.hangup(ID))
    voice.close()
    assert f"through the proxy http://127.0.0.1:{port}:" in str(error)


def test_a_client_can_be_made_with_networks_in_no_proxy(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setenv("NO_PROXY", "localhost,127.0.0.1,::1,fd00::/8")
    VoiceClient(KEY, SECRET).close()


# --- redirects -----------------------------------------------------------------------------------


@pytest.fixture
def elsewhere() -> Iterator[Callable[[str], Any]]:
    """Run a server that redirects to the given place."""
    with contextlib.ExitStack() as servers:

        def make(location: str) -> Any:
            def handle(connection: socket.socket) -> None:
                while read_request(connection):
                    connection.sendall(answer(b"", 307, f"Location: {location}"))

            return servers.enter_context(serving(handle))

        yield make


@pytest.mark.parametrize("auth", ["signed", "basic"])
def test_a_redirect_from_loopback_to_loopback_does_not_go_through_a_proxy(
    ask: Ask, monkeypatch: pytest.MonkeyPatch, elsewhere: Any, auth: str
):
    proxy = ProxyServer(1)
    with serving(proxy) as server, serving(well_behaved, host="127.0.0.2") as other:
        for name in ("HTTP_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, server.url)
        first = elsewhere(f"{other.url}/calling/v1/calls/id/{ID}")
        assert ask(get, calling_url=first.url, auth=auth).call_id == ID
    assert proxy.heads == []


@pytest.mark.parametrize(
    "location",
    [
        "http://localhost:65536/",
        "http://127.0.0.1:-1/",
        "http://127.0.0.1:0/",
        "http://[::1/",
        "http://[::1%25lo]/",
        "http://127.0.0.1:1e3/",
        "http://user:word@127.0.0.1/",
        "http://\xff/",
        "http://localhost:99999999999999999999/",
        "//localhost:65536",
        "http://127.1.2.3.4/",
    ],
)
def test_a_redirect_to_an_invalid_url_raises_an_api_error(ask: Ask, elsewhere: Any, location: str):
    error = ask(get, calling_url=elsewhere(location).url, timeout=3)
    assert isinstance(error, ApiError), repr(error)
    assert error.attempts == 1


def test_a_redirect_to_a_closed_port_raises_an_api_error(ask: Ask, elsewhere: Any):
    server = elsewhere(f"http://127.0.0.1:{closed_port()}/")
    error = ask(hang_up, calling_url=server.url)
    assert isinstance(error, ApiConnectionError)
    assert (error.attempts, error.may_have_executed) == (2, False)


def test_an_unreadable_variable_is_reported_at_the_redirect_that_needs_it(
    ask: Ask, monkeypatch: pytest.MonkeyPatch, elsewhere: Any
):
    """The variable applies to https only, and no base URL of this client is https."""
    monkeypatch.setenv("HTTPS_PROXY", "ftp://user:s3cret@h")
    nowhere = "http://127.0.0.1:1"
    local = {"calling_url": elsewhere("https://calling.api.sinch.com/").url}
    found = ask(get, **local, reporting_url=nowhere, configuration_url=nowhere)
    assert isinstance(found, SinchVoiceError)
    assert "HTTPS_PROXY is " in str(found)
    assert "s3cret" not in str(found)


def test_a_failing_proxy_leaves_no_task_and_no_thread_behind():
    async def main() -> int:
        async with AsyncVoiceClient(
            KEY, SECRET, proxy=f"http://127.0.0.1:{closed_port()}", retries=0
        ) as voice:
            await asyncio.gather(*(get(voice) for _ in range(5)), return_exceptions=True)
        return len(asyncio.all_tasks())

    assert asyncio.run(main()) == 1
