"""sandbox/console/: its pages, access to them, and the journal behind them."""

from __future__ import annotations

import hashlib
import html
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import httpx
import pytest
import sinchvoice.sandbox.console as console_package
from sinchvoice import ApiError, InvalidRequest, VoiceClient
from sinchvoice.callbacks import AnsweredCall, IncomingCall, PromptInput
from sinchvoice.sandbox import Sandbox, SandboxCall, faults, running
from sinchvoice.sandbox import journal as journal_module
from sinchvoice.sandbox.console.pages import _event
from sinchvoice.sandbox.journal import Happened, Journal
from sinchvoice.svaml import (
    ConnectConf,
    ConnectPstn,
    Continue,
    Hangup,
    Menu,
    MenuOption,
    RunMenu,
    Say,
    StartRecording,
    Svaml,
)
from voice_app import App

CALLER = "+12125550145"
HOSTILE = "</pre></script><script>alert(1)</script><img src=x onerror=alert(2)>'\"&"
MENU = RunMenu(
    [Menu("main", main_prompt="#tts[Press 1.]", options=[MenuOption("1", "return(sales)")])]
)


@pytest.fixture(scope="module")
def shared() -> Iterator[Sandbox]:
    with running(populated=False, console=True) as sandbox:
        yield sandbox


@pytest.fixture
def box(shared: Sandbox) -> Iterator[Sandbox]:
    yield shared
    shared.reset()


@pytest.fixture
def app(box: Sandbox) -> App:
    """Return an application with a menu, whose key 1 connects the caller."""
    application = App(box)
    application.on(IncomingCall, Svaml([Say("Welcome.", locale="en-US")], MENU))
    application.on(PromptInput, Svaml(action=ConnectPstn(number="+12125550123")))
    application.on(AnsweredCall, Svaml(action=Continue()))
    box.callback_app = application
    return application


class Browser:
    """A browser that has opened the printed URL."""

    def __init__(self, box: Sandbox) -> None:
        assert box.console_url is not None
        self.http = httpx.Client(base_url=box.calling_url, headers={"Origin": box.calling_url})
        assert self.http.get(box.console_url).status_code == 200

    def get(self, path: str = "/console/") -> str:
        response = self.http.get(path)
        assert response.status_code == 200, response.text
        return response.text

    def send(self, path: str, **form: str) -> httpx.Response:
        """Send a form as htmx does."""
        content = httpx.QueryParams(form)
        headers = {"Content-Type": "application/x-www-form-urlencoded", "HX-Request": "true"}
        return self.http.post(path, content=str(content), headers=headers)

    def ring(self, **form: str) -> str:
        """Make a call with the telephone, and return the path of its page."""
        given = {"from": CALLER, "answers": "me", "patience": "on", **form}
        response = self.send("/console/calls", **given)
        assert response.status_code == 303, response.text
        return str(response.headers["location"])

    def lines(self, path: str) -> list[str]:
        """Return the timeline of a call, without times and details."""
        page = re.sub(r"<details>.*?</details>", "", self.get(path), flags=re.DOTALL)
        return [
            re.sub(r"\s+", " ", html.unescape(re.sub("<[^>]*>", "", item))).strip()
            for item in re.findall(r"</time>(.*?)</li>", page, re.DOTALL)
        ]


@pytest.fixture
def browser(box: Sandbox) -> Iterator[Browser]:
    opened = Browser(box)
    yield opened
    opened.http.close()


def call_of(box: Sandbox, path: str) -> SandboxCall:
    return box.calls[path.rpartition("/")[2]]


# --- Access --------------------------------------------------------------------------------------


def test_a_sandbox_has_no_console_unless_asked():
    with running(populated=False) as box:
        assert box.console_url is None
        assert httpx.get(f"{box.calling_url}/console/").json()["errorCode"] == 40100
        assert httpx.get(f"{box.calling_url}/console/").status_code == 401


def test_the_printed_url_lets_a_browser_in_more_than_once(box: Sandbox):
    assert box.console_url is not None
    for _ in range(2):
        with httpx.Client() as http:
            welcome = http.get(box.console_url)
            cookie = welcome.headers["set-cookie"]
            assert cookie.endswith("; HttpOnly; Path=/console; SameSite=strict")
            assert box.console_url.partition("token=")[2] not in cookie
            assert "Continue" in welcome.text
            assert "Telephone" in http.get(f"{box.calling_url}/console/").text
    assert "token" not in repr(box)


def test_every_answer_forbids_scripts_frames_and_caches(browser: Browser):
    paths = ("/console/", "/console/requests", "/console/nowhere", "/console/static/console.js")
    for path in paths:
        headers = browser.http.get(path).headers
        policy = headers["content-security-policy"].split("; ")
        assert {"default-src 'none'", "script-src 'self'", "frame-ancestors 'none'"} <= set(policy)
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["cache-control"] == "no-store"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert headers["x-content-type-options"] == "nosniff"


READERS = [
    ({"Host": "rebound.example.com"}, 403),
    ({"Host": "rebound.example.com:{port}"}, 403),
    ({"Host": "127.0.0.1:1"}, 403),
    ({"Host": "127.0.0.1.example.com:{port}"}, 403),
    ({"Sec-Fetch-Site": "cross-site"}, 403),
    ({"Sec-Fetch-Site": "same-site"}, 403),  # another port of this machine
    ({"Cookie": ""}, 401),
    ({"Cookie": "sinchvoice-console-{port}=guessed"}, 401),
    ({"Sec-Fetch-Site": "same-origin"}, 200),
    ({"Sec-Fetch-Site": "none"}, 200),
    ({"Host": "localhost:{port}"}, 200),
]
PATHS = ["/console/", "/console/requests", "/console/live/calls", "/console/static/console.css"]


@pytest.mark.parametrize("path", PATHS)
def test_only_its_own_pages_can_read_it(browser: Browser, box: Sandbox, path: str):
    port = str(urlsplit(box.calling_url).port)
    cookies = "; ".join(f"{name}={value}" for name, value in browser.http.cookies.items())
    with httpx.Client() as http:
        for headers, status in READERS:
            sent = {"Cookie": cookies, **{k: v.replace("{port}", port) for k, v in headers.items()}}
            with http.stream("GET", f"{box.calling_url}{path}", headers=sent) as response:
                assert (response.status_code, sent) == (status, sent)
                if status != 200:
                    assert "Telephone" not in response.read().decode()


def test_only_its_own_pages_can_act(browser: Browser, app: App, box: Sandbox):
    port = urlsplit(box.calling_url).port
    for headers in (
        {"Origin": "https://example.com"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": f"http://localhost:{port}"},  # of the same site, but not this origin
        {"Origin": ""},
        {"Sec-Fetch-Site": "same-site"},
        {"Host": "rebound.example.com", "Origin": "http://rebound.example.com"},
    ):
        response = browser.http.post("/console/calls", data={"from": CALLER}, headers=headers)
        assert (response.status_code, headers) == (403, headers)
    assert not box.calls


def test_a_request_without_an_origin_or_cookie_cannot_act(box: Sandbox):
    url = f"{box.calling_url}/console/calls"
    assert httpx.post(url, data={"from": CALLER}).status_code == 403
    own = {"Origin": box.calling_url}
    assert httpx.post(url, data={"from": CALLER}, headers=own).status_code == 401
    assert httpx.put(url, headers=own).status_code == 405
    assert not box.calls


def test_a_wrong_token_lets_nobody_in(box: Sandbox):
    for token in ("", "x", "%ff%fe", "é"):
        response = httpx.get(f"{box.calling_url}/console/?token={token}")
        assert response.status_code == 401
        assert "set-cookie" not in response.headers


def test_a_repeated_header_is_refused(browser: Browser, box: Sandbox):
    headers = [("Host", urlsplit(box.calling_url).netloc), ("Cookie", "a=b"), ("Cookie", "c=d")]
    assert httpx.get(f"{box.calling_url}/console/", headers=headers).status_code == 400


def test_the_second_port_has_no_console(browser: Browser, box: Sandbox):
    cookies = "; ".join(f"{name}={value}" for name, value in browser.http.cookies.items())
    response = httpx.get(f"{box.regional_url}/console/", headers={"Cookie": cookies})
    assert response.json()["errorCode"] == 40100


def test_the_console_is_on_loopback_only():
    with (
        pytest.raises(InvalidRequest, match="for this machine only: listen on 127") as caught,
        running(host="0.0.0.0", console=True),  # noqa: S104
    ):
        pass
    assert caught.value.parameter == "host"


def test_faults_and_histories_do_not_include_the_console(browser: Browser, box: Sandbox):
    box.inject(faults.Reset())
    assert "Telephone" in browser.get()
    assert box.requests == []


def test_a_console_without_jinja2_says_what_to_install(monkeypatch: pytest.MonkeyPatch):
    for name in [name for name in sys.modules if name.startswith("sinchvoice.sandbox.console")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with (
        pytest.raises(ModuleNotFoundError, match=r"needs jinja2: pip install 'sinchvoice\[sandb"),
        running(console=True),
    ):
        pass


# --- Pages ---------------------------------------------------------------------------------------


class _Markup(HTMLParser):
    """Collects scripts, other active elements and foreign addresses in a page."""

    def __init__(self) -> None:
        super().__init__()
        self.scripts: list[str | None] = []
        self.others: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = dict(attrs)
        if tag == "script":
            self.scripts.append(names.get("src"))
        elif tag in ("img", "iframe", "object", "embed", "style", "base", "svg"):
            self.others.append(tag)
        self.others += [name for name in names if name.startswith(("on", "style", "hx-on"))]
        for name in ("href", "src", "action", "hx-post", "hx-sse:connect"):
            address = names.get(name) or "#"
            if not address.startswith(("/console/", "#")):
                self.others.append(f"{name}={address}")


def check_markup(page: str) -> None:
    markup = _Markup()
    markup.feed(page)
    assert all((script or "").startswith("/console/static/") for script in markup.scripts)
    assert len(markup.scripts) in (0, 3)
    assert markup.others == []


def test_texts_never_become_markup(browser: Browser, app: App, box: Sandbox):
    app.on(IncomingCall, Svaml([Say(HOSTILE, locale="en-US")], ConnectConf(HOSTILE[:64])))
    call = box.incoming_call(from_=f"username:{HOSTILE}", to=f"username:{HOSTILE}", custom=HOSTILE)
    path = f"/console/calls/{call.call_id}"
    browser.send(f"{path}/say", who="caller", text=HOSTILE)
    box.add_call(to=call.to, call_id=HOSTILE)
    app.on(IncomingCall, HOSTILE.encode())
    failed = box.incoming_call(from_=f"username:{HOSTILE}")
    box.callback_url = f"http://127.0.0.1/{quote(HOSTILE)}"
    with httpx.Client(base_url=box.calling_url) as http:
        http.post(
            f"/{quote(HOSTILE)}", content=HOSTILE.encode(), headers={"Authorization": HOSTILE}
        )
    pages = ["/console/", "/console/requests", "/console/faults", path]
    pages += [f"/console/calls/{failed.call_id}", f"/console/calls/{quote(HOSTILE, safe='')}"]
    for each in pages:
        page = browser.get(each)
        check_markup(page)
        if each not in ("/console/faults", "/console/requests"):
            assert html.escape(HOSTILE.partition("'")[0]) in page, each
    answer = browser.send("/console/faults", fault=HOSTILE)
    assert answer.status_code == 422
    check_markup(answer.text)
    check_markup(browser.http.get(f"/console/{quote(HOSTILE)}").text)


def test_no_page_has_a_credential(browser: Browser, app: App, box: Sandbox):
    other = box.add_application()
    with httpx.Client(base_url=box.calling_url) as http:
        http.get("/v1/counters/currentcalls", auth=(box.application_key, box.application_secret))
    with VoiceClient.from_env(box.environ) as voice:
        callout = voice.callouts.text_to_speech(CALLER, cli="+12125550100", text="Hello")
    box.settle()
    assert box.console_url is not None
    secrets = [box.application_secret, other.application_secret]
    secrets += [box.console_url.partition("token=")[2], *browser.http.cookies.values()]
    secrets += [sent.signature for sent in box.callbacks]
    paths = ("", "requests", "faults", f"calls/{callout.call_id}")
    for path in paths:
        page = html.unescape(browser.get(f"/console/{path}"))
        assert all(secret not in page for secret in secrets)
    assert "Basic authentication, not signed" in browser.get("/console/requests")


def test_a_call_by_telephone_from_its_menu_to_its_end(browser: Browser, app: App, box: Sandbox):
    path = browser.ring()
    call = call_of(box, path)
    box.settle()
    page = browser.get(path)
    assert "in a menu" in page
    assert "The menu accepts <kbd>1</kbd> <small>return(sales)</small>" in page
    assert browser.send(f"{path}/press", keys="1").text.strip().endswith("Pressed 1.</p>")
    box.settle()
    assert "ringing at +12125550123" in browser.get(path)
    assert browser.send(f"{path}/answer").status_code == 200
    box.settle()
    assert "connected to +12125550123" in browser.get(path)
    browser.send(f"{path}/say", who="callee", text="Sales, good morning.")
    browser.send(f"{path}/hang-up", by="callee")
    box.settle()
    assert [sent.event for sent in box.callbacks] == ["ice", "pie", "ace", "dice"]
    assert (call.result, call.reason) == ("ANSWERED", "CALLEEHANGUP")
    seconds = re.compile(r"after \d\.\d{3} s")
    assert [seconds.sub("after T", line) for line in browser.lines(path)] == [
        "Call the call begins",
        "Callback ICE, incoming call: HTTP 200 after T",
        "SVAML the caller hears “Welcome.” (say)",
        "SVAML runMenu",
        "SVAML the caller hears “Press 1.” (playFiles)",
        "Phone the caller presses 1",
        "Callback PIE, prompt input: HTTP 200 after T",
        "SVAML connectPstn",
        "Phone the callee hears the phone ring",
        "Phone the callee answers",
        "Callback ACE, answered call: HTTP 200 after T",
        "SVAML continue",
        "Phone the callee says “Sales, good morning.” (the other side hears it)",
        "Phone the callee hangs up",
        f"Call the call ends: ANSWERED, CALLEEHANGUP, {call.duration} s",
        "Callback DiCE, disconnected call: HTTP 200 after T",
    ]
    assert "Make another call" in browser.get(path)
    assert call.call_id in browser.get()


def test_menus_of_a_call_by_telephone_wait_a_minute_longer():
    with running(populated=False, console=True, now=datetime(2026, 11, 28, tzinfo=UTC)) as still:
        still.callback_app = application = App(still)
        application.on(IncomingCall, Svaml(action=MENU))
        application.on(PromptInput, Svaml(action=Hangup()))
        reader = Browser(still)
        patient = call_of(still, reader.ring())
        reader.http.close()
        hasty = still.incoming_call(from_=CALLER)
        still.settle()
        still.clock.advance(6)
        assert patient.ended is None
        assert hasty.ended is not None
        still.clock.advance(60)
        assert patient.ended is not None


def test_a_call_has_its_requests_with_their_signed_text(browser: Browser, app: App, box: Sandbox):
    path = browser.ring()
    call_id = call_of(box, path).call_id
    box.settle()
    with VoiceClient.from_env(box.environ) as voice:
        voice.calls.say(call_id, "One moment.")
    stranger = {**box.environ, "SINCH_APPLICATION_SECRET": "BeIukql3pTKJ8RGL5zo0DA=="}
    with VoiceClient.from_env(stranger) as voice, pytest.raises(ApiError):
        voice.calls.hangup(call_id)
    with box.inject(faults.bad_gateway(), on="GET"), VoiceClient.from_env(box.environ) as voice:
        response = httpx.get(f"{box.calling_url}/calling/v1/calls/id/{call_id}")
        assert response.status_code == 502
    lines = browser.lines(path)
    target = f"/calling/v1/calls/id/{call_id}"
    said = lines.index("SVAML the caller hears “One moment.” (say)")
    assert lines[said - 1] == f"API request PATCH {target}: HTTP 204 (the signature is valid)"
    refused = [line for line in lines if "HTTP 401" in line]
    assert refused
    assert all("signature is not valid: the signature does not fit" in line for line in refused)
    assert lines[-1].startswith(f"API request GET {target}: HTTP 502 (not signed, fault: Reply(")
    page = html.unescape(browser.get(path))
    assert "<li><code>PATCH</code> <small>method</small></li>" in page
    assert f"<li><code>{target}</code> <small>path</small></li>" in page
    assert "<code>x-timestamp:20" in page
    assert '"text": "One moment."' in page


def test_a_callout_shows_its_request_before_its_callbacks(browser: Browser, app: App, box: Sandbox):
    with VoiceClient.from_env(box.environ) as voice:
        callout = voice.callouts.custom(CALLER, cli="+12125550100")
    box.calls[callout.call_id].answer()
    lines = browser.lines(f"/console/calls/{callout.call_id}")
    assert lines[0] == "API request POST /calling/v1/callouts: HTTP 200 (the signature is valid)"
    assert lines[1] == "Call the call begins"
    page = browser.get(f"/console/calls/{callout.call_id}")
    assert "Person called" in page
    assert "Caller" not in page


def test_a_failed_callback_has_its_reason(browser: Browser, app: App, box: Sandbox):
    app.on(IncomingCall, b'{"action": {"name": "hangup"}, "instructions": [{"name": "shout"}]}')
    path = browser.ring()
    box.settle()
    page = html.unescape(browser.get(path))
    sent = box.callbacks[0]
    assert sent.error is not None
    assert f'<strong class="problem">{sent.error}</strong>' in page
    assert "callingerror" in page
    assert "ended: FAILED" in page


def test_words_are_heard_in_a_conference_unless_the_speaker_is_muted(
    browser: Browser, app: App, box: Sandbox
):
    app.on(IncomingCall, Svaml([StartRecording()], ConnectConf("room")))
    one, two, three = (browser.ring() for _ in range(3))
    box.settle()
    assert "Conference room" in browser.get()
    browser.send(f"{one}/say", who="caller", text="Good morning")
    assert "<small>caller:</small> Good morning" in browser.get(two)
    assert "<small>caller:</small> Good morning" in browser.get(three)
    assert "<small>caller:</small> Good morning" not in browser.get(one)
    note = "(2 others hear it, it is recorded)"
    assert browser.lines(one)[-1] == f"Phone the caller says “Good morning” {note}"
    with VoiceClient.from_env(box.environ) as voice:
        voice.conferences.mute(conference_id="room", call_id=call_of(box, one).call_id)
    assert "muted" in browser.get()
    said = browser.send(f"{one}/say", who="caller", text="Hello?")
    assert "Said. It is recorded." in said.text
    assert "Hello?" not in browser.get(two)


def test_the_address_of_a_refused_number_leads_home(browser: Browser):
    assert (
        browser.send("/console/calls", **{"from": CALLER, "to": "12125550160"}).status_code == 422
    )
    home = browser.http.get("/console/calls", follow_redirects=False)
    assert (home.status_code, home.headers["location"]) == (303, "/console/")


def test_the_callback_url_and_the_ringing_of_callouts_are_set(browser: Browser, box: Sandbox):
    answer = browser.send("/console/application", callback_url="http://127.0.0.1:1/sinch")
    assert "Callbacks go to http://127.0.0.1:1/sinch." in answer.text
    assert box.callback_url == "http://127.0.0.1:1/sinch"
    answer = browser.send("/console/application", callback_url="https://example.com/sinch")
    assert answer.status_code == 422
    assert "callbacks go to loopback only" in answer.text
    browser.send("/console/application", callback_url="")
    assert box.callback_url is None
    browser.send("/console/application", answers="me")
    assert box.ring == float("inf")
    browser.send("/console/application", answers="itself")
    assert box.ring is None


def test_faults_are_switched_on_and_off(browser: Browser, app: App, box: Sandbox):
    assert (
        "On: Callbacks are sent twice" in browser.send("/console/faults/switch", name="twice").text
    )
    assert len(re.findall('aria-checked="true"', browser.get("/console/faults"))) == 1
    box.incoming_call(from_=CALLER)
    assert [sent.is_repeat for sent in box.callbacks] == [False, True]
    assert ">1 hit<" in browser.get("/console/faults")
    browser.send("/console/faults/switch", name="twice")
    assert 'aria-checked="true"' not in browser.get("/console/faults")
    browser.send("/console/faults", fault="latency=0.01 50% on GET /calling/*")
    page = html.unescape(browser.get("/console/faults"))
    assert "latency=0.01 50% on GET /calling/*" in page
    number = re.findall(r'name="id" value="(\d+)"', page)
    assert (
        "Off: latency=0.01 50% on GET /calling/*."
        in browser.send("/console/faults/stop", id=number[0]).text
    )
    assert "off already" in browser.send("/console/faults/stop", id=number[0]).text
    browser.send("/console/faults/switch", name="late")
    box.reset()
    assert 'aria-checked="true"' not in browser.get("/console/faults")


def test_an_invalid_form_is_refused_with_the_reason(browser: Browser, app: App, box: Sandbox):
    page = browser.ring()
    box.settle()
    for path, form, said in (
        ("press", {"keys": "1a"}, "keys is '1a': give 0-9, * and #"),
        ("answer", {}, "the call is not ringing"),
        ("hang-up", {"by": "me"}, "by is 'me': give 'caller' or 'callee'"),
        ("say", {"who": "me", "text": "x"}, "who is 'me': give 'caller' or 'callee'"),
        ("say", {"who": "caller", "text": " "}, "the text has 0 characters: write 1 to 1000"),
        ("say", {"who": "caller", "text": "x" * 1001}, "the text has 1001 characters"),
    ):
        answer = browser.send(f"{page}/{path}", **form)
        assert answer.status_code == 422
        assert said in html.unescape(answer.text)
        assert "<html" not in answer.text


def test_forms_work_without_scripts(browser: Browser, app: App, box: Sandbox):
    path = browser.ring()
    box.settle()
    sent = browser.http.post(f"{path}/press", data={"keys": "1"})
    assert (sent.status_code, sent.headers["location"]) == (303, path)
    sent = browser.http.post(f"{path}/press", data={"keys": "x"})
    assert sent.status_code == 422
    assert "Back to the calls" in sent.text
    sent = browser.http.post("/console/faults/switch", data={"name": "twice"})
    assert sent.headers["location"] == "/console/faults"
    sent = browser.http.post("/console/application", data={"answers": "me"})
    assert sent.headers["location"] == "/console/"


def test_wrong_numbers_bodies_and_paths_are_refused(browser: Browser, box: Sandbox):
    answer = browser.send("/console/calls", **{"from": "12 34", "to": HOSTILE})
    assert answer.status_code == 422
    assert 'value="12 34"' in answer.text  # the form keeps its content
    check_markup(answer.text)
    assert browser.http.post("/console/calls", json={"from": CALLER}).status_code == 415
    assert browser.send("/console/calls", **{"from": "1" * 70_000}).status_code == 413
    for path in ("/console/calls/none", "/console/static/..%2fgate.py", "/console/static/none.js"):
        assert browser.http.get(path).status_code == 404
    assert browser.http.get("/console/static/LICENSE.htmx").status_code == 404
    assert browser.send("/console/calls/none/press", keys="1").status_code == 422
    assert browser.http.get("/console").headers["location"] == "/console/"


# --- Streams -------------------------------------------------------------------------------------


def frames(response: httpx.Response) -> Iterator[str]:
    """Yield the pages of a stream."""
    lines: list[str] = []
    for line in response.iter_lines():
        if line.startswith("data: "):
            lines.append(line.removeprefix("data: "))
        elif not line and lines:
            yield "\n".join(lines)
            lines.clear()


def test_a_page_is_kept_up_to_date(browser: Browser, app: App, box: Sandbox):
    with browser.http.stream("GET", "/console/live/calls") as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        pages = frames(response)
        assert "Ongoing calls: 0" in next(pages)
        call = box.incoming_call(from_=CALLER)
        assert any("Ongoing calls: 1" in page for page in pages)
    with browser.http.stream("GET", f"/console/live/calls/{call.call_id}") as response:
        pages = frames(response)
        assert "the caller presses 1" not in next(pages)
        call.press("1")
        assert any("the caller presses 1" in page for page in pages)
        box.reset()
        assert any("No such call" in page for page in pages)


def test_a_request_without_a_call_appears_at_once(browser: Browser, box: Sandbox):
    with browser.http.stream("GET", "/console/live/requests") as response:
        pages = frames(response)
        assert "No requests yet" in next(pages)
        httpx.get(f"{box.calling_url}/v1/counters/currentcalls")
        assert "GET /v1/counters/currentcalls: HTTP 401" in next(pages)


def test_a_disconnected_browser_leaves_nothing_behind(browser: Browser, app: App, box: Sandbox):
    journal = box._world.journal
    assert journal is not None
    for _ in range(3):
        with browser.http.stream("GET", "/console/live/calls") as response:
            pages = frames(response)
            next(pages)
            assert journal.listeners == 1
        gone = threading.Event()
        for _ in range(500):
            if not journal.listeners:
                break
            gone.wait(0.01)
        assert journal.listeners == 0
    box.incoming_call(from_=CALLER)


def test_an_open_page_does_not_delay_the_end_of_a_sandbox():
    with running(populated=False, console=True) as box:
        browser = Browser(box)
        with browser.http.stream("GET", "/console/live/calls") as response:
            pages = frames(response)
            next(pages)
            thread = threading.Thread(target=_exhaust, args=(pages,))
            thread.start()
            box._connections.close()
            thread.join(5)
            assert not thread.is_alive()
        browser.http.close()


def _exhaust(pages: Iterator[str]) -> None:
    with suppress(httpx.TransportError):
        for _ in pages:
            pass


def test_a_thousand_calls_at_once_are_shown_by_their_number(
    browser: Browser, app: App, box: Sandbox
):
    app.on(IncomingCall, Svaml(action=ConnectConf("room")))
    with browser.http.stream("GET", "/console/live/calls") as response:
        pages = frames(response)
        for _ in range(1000):
            call = box.incoming_call(from_=CALLER)
        last = next(page for page in pages if "Ongoing calls: 1000" in page)
    assert last.count('id="ongoing-') == 50
    assert last.count('id="conference-room-') == 50
    assert "and 950 older calls" in last
    assert call.call_id in last
    assert len(last) < 100_000


def test_an_event_of_a_stream_begins_a_line_at_every_line_end():
    assert (
        _event("a\nb\rc\r\nd\x0be\u2028f") == "data: a\ndata: b\ndata: c\ndata: d\x0be\u2028f\n\n"
    )


# --- The journal ---------------------------------------------------------------------------------


def add(journal: Journal, call_id: str, size: int = 0) -> Any:
    at = datetime(2026, 11, 28, tzinfo=UTC)
    return journal.add(Happened("caller", "calls"), at=at, call_id=call_id, size=size)


def test_the_journal_drops_the_oldest_entries_of_all(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(journal_module, "ENTRIES", 3)
    journal = Journal()
    for call_id in ("a", "b", "a", "c", "a"):
        add(journal, call_id)
    assert journal.length == 3
    assert [len(journal.read(call_id)[0]) for call_id in "abc"] == [2, 0, 1]
    assert journal.read("a")[1] == 1


def test_the_journal_counts_what_answers_add(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(journal_module, "BYTES", 10_000)
    journal = Journal()
    first, second = add(journal, "a", 4_000), add(journal, "b", 4_000)
    journal.change("a", first, 3_000)
    assert journal.length == 1  # the oldest one was dropped with its answer
    assert journal.bytes == second.size
    journal.change("a", first, 3_000)
    assert journal.bytes == second.size
    journal.clear()
    assert (journal.length, journal.bytes) == (0, 0)


def test_the_journal_counts_the_headers_of_a_request(browser: Browser, app: App, box: Sandbox):
    path = browser.ring().removeprefix("/console/")
    journal = box._world.journal
    assert journal is not None
    before = journal.bytes
    headers = {"Authorization": f"application {'a' * 9_000}:x", "x-timestamp": "t" * 20_000}
    with httpx.Client(base_url=box.calling_url) as http:
        http.get(f"/calling/v1/{path.replace('calls/', 'calls/id/')}", headers=headers)
    assert journal.bytes - before > 29_000


def test_a_long_timeline_is_cut_with_a_note(browser: Browser, app: App, box: Sandbox):
    path = browser.ring()
    box.settle()
    for number in range(300):
        call_of(box, path).note("caller", f"does {number}")
    page = browser.get(path)
    assert page.count('<li id="entry-') == 200
    assert "entries are not shown" in page


def test_a_sandbox_without_a_console_has_no_journal():
    with running(populated=False) as box:
        box.callback_app = App(box)
        call = box.incoming_call(from_=CALLER)
        assert call.kind == "incoming"
        assert call.journal is None
        assert box._world.journal is None


# --- The demo ------------------------------------------------------------------------------------


def test_the_demo_opens_a_telephone_with_the_application_of_the_readme():
    demo = Path(__file__).parents[1] / "scripts" / "demo.py"
    command = [sys.executable, "-u", str(demo), "--console"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        shown = iter(process.stdout.readline, "")
        url = next(line.strip() for line in shown if "/console/?token=" in line)
        base = url.partition("/console/")[0]
        with httpx.Client(base_url=base, headers={"Origin": base}) as http:
            http.get(url)
            page = http.post("/console/calls", data={"from": CALLER}).headers["location"]
            with http.stream("GET", page.replace("/console/", "/console/live/", 1)) as response:
                pages = frames(response)
                assert any("1 for sales, 2 for a message." in each for each in pages)
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0


# --- Vendored scripts ----------------------------------------------------------------------------


def test_the_vendored_scripts_are_those_of_the_packages():
    static = Path(console_package.__file__).parent / "static"
    digests = {
        "htmx-4.0.1.min.js": "a0abb04f2f45a1f89d1d4844023245537e5e6014c87b144553e0607b4cc32130",
        "hx-sse-4.0.1.min.js": "18ef2761356ec1fe0bb6d92612315b37517a7c1e9856b661c5ae81fef239d103",
    }
    for name, digest in digests.items():
        assert hashlib.sha256((static / name).read_bytes()).hexdigest() == digest
    assert (static / "LICENSE.htmx").read_text("utf-8").startswith("Zero-Clause BSD")
