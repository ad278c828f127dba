"""The sandbox's console in Chromium: `nox -s browser` runs this file.

The file is not named test_…, because the environment of all tests has neither Playwright nor a
browser. `CHROMIUM` is the path of the browser, and `AXE` that of the script of axe-core.
"""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

import attrs
import demo
import pytest
from browsing import check_page
from playwright.sync_api import Browser, Locator, Page, expect
from sinchvoice import VoiceClient
from sinchvoice.sandbox import Sandbox, SandboxCall, running

SEEN = 20_000  # milliseconds to wait until an element is visible


@pytest.fixture
def box(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """Run a sandbox with the voice application of the README, as the demo does."""
    with running(populated=False, console=True) as sandbox:
        for name, value in sandbox.environ.items():
            monkeypatch.setenv(name, value)
        sandbox.callback_app = demo.voice_application()
        yield sandbox


@attrs.define
class Tab:
    """A page of the console, with the browser's complaints.

    Attributes:
        page: The page.
        complaints: Messages in the browser's console, script errors, and requests to other hosts.
    """

    page: Page
    complaints: list[str] = attrs.field(factory=list)

    def check(self) -> None:
        """Check that the page has no severe finding, fits its window, and has no complaint."""
        check_page(self.page, self.complaints)


def open_tab(browser: Browser, box: Sandbox, *, scheme: str = "light", width: int = 1200) -> Tab:
    """Open the console by its printed URL."""
    page = browser.new_page(
        color_scheme="dark" if scheme == "dark" else "light",
        viewport={"width": width, "height": 800},
    )
    page.set_default_timeout(SEEN)
    tab = Tab(page)
    here = urlsplit(box.calling_url).netloc

    def on_request(url: str) -> None:
        if urlsplit(url).netloc != here or not urlsplit(url).path.startswith("/console/"):
            tab.complaints.append(url)

    page.on("console", lambda message: tab.complaints.append(message.text))
    page.on("pageerror", lambda error: tab.complaints.append(str(error)))
    page.on("request", lambda request: on_request(request.url))
    assert box.console_url is not None
    page.goto(box.console_url)
    page.wait_for_url("**/console/")
    return tab


def see(place: Locator) -> None:
    expect(place.first).to_be_visible(timeout=SEEN)


def only_call(box: Sandbox) -> SandboxCall:
    (call,) = box.calls.values()
    return call


@pytest.mark.parametrize(("scheme", "width"), [("light", 1200), ("dark", 400)])
def test_a_newcomer_hears_a_menu_and_is_connected(
    browser: Browser, box: Sandbox, scheme: str, width: int
):
    tab = open_tab(browser, box, scheme=scheme, width=width)
    page = tab.page
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == {"light": "rgb(246, 247, 249)", "dark": "rgb(20, 23, 27)"}[scheme]
    tab.check()
    page.get_by_role("button", name="Call", exact=True).click()
    see(page.locator("#caller-heard").get_by_text("1 for sales, 2 for a message."))
    page.get_by_role("button", name="1", exact=True).click()
    see(page.get_by_text("Pressed 1."))
    answer = page.get_by_role("button", name="Answer", exact=True)
    see(answer)
    tab.check()
    answer.click()
    see(page.locator("#state").get_by_text("connected to +12125550123"))
    page.locator("#callee-words").fill("Sales, <b>good morning</b>")
    page.get_by_role("button", name="Say").last.click()
    see(page.locator("#caller-heard").get_by_text("Sales, <b>good morning</b>"))
    expect(page.locator("#callee-words")).to_have_value("")
    page.locator("#callee-hang-up").click()
    see(page.locator("#state").get_by_text("ended: ANSWERED, CALLEEHANGUP"))
    see(page.get_by_text("DiCE, disconnected call: HTTP 200"))
    tab.check()
    assert [sent.event for sent in box.callbacks] == ["ice", "pie", "ace", "dice"]
    page.close()


def test_a_call_by_keyboard_alone(browser: Browser, box: Sandbox):
    tab = open_tab(browser, box)
    page, keyboard = tab.page, tab.page.keyboard

    def tab_to(place: Locator, most: int = 40) -> None:
        for _ in range(most):
            keyboard.press("Tab")
            if place.evaluate("element => element === document.activeElement"):
                return
        raise AssertionError(f"the Tab key does not reach {place}")

    keyboard.press("Tab")
    see(page.get_by_text("Skip to the content"))
    keyboard.press("Enter")
    tab_to(page.get_by_role("button", name="Call", exact=True))
    keyboard.press("Enter")
    see(page.locator("#caller-heard").get_by_text("1 for sales, 2 for a message."))
    tab_to(page.locator("#caller-key-5"))
    keyboard.press("1")  # while the keypad has the focus, the keyboard presses its keys
    answer = page.get_by_role("button", name="Answer", exact=True)
    see(answer)
    tab_to(answer)
    keyboard.press("Enter")
    see(page.locator("#state").get_by_text("connected to"))
    # The button that had the focus is gone.
    expect(page.locator("#state")).to_be_focused(timeout=SEEN)
    tab_to(page.locator("#caller-words"))
    keyboard.type("Hello")
    keyboard.press("Enter")
    see(page.locator("#callee-heard").get_by_text("Hello"))
    tab_to(page.locator("#caller-hang-up"))
    keyboard.press("Space")
    see(page.locator("#state").get_by_text("CALLERHANGUP"))
    outline = "getComputedStyle(document.activeElement).outlineStyle"
    tab_to(page.locator("summary").first)
    assert page.evaluate(outline) == "solid"
    keyboard.press("Enter")
    see(page.get_by_text('"event": "ice"'))
    assert tab.complaints == []
    page.close()


def test_typed_words_and_open_details_survive_updates(browser: Browser, box: Sandbox):
    tab = open_tab(browser, box)
    page = tab.page
    page.get_by_role("button", name="Call", exact=True).click()
    see(page.locator("#caller-heard").get_by_text("1 for sales"))
    page.locator("summary").first.click()
    page.locator("#caller-words").fill("half a sen")
    only_call(box).press("1")
    see(page.get_by_text("the caller presses 1"))
    see(page.get_by_role("button", name="Answer", exact=True))
    see(page.get_by_text('"event": "ice"'))
    expect(page.locator("#caller-words")).to_have_value("half a sen")
    expect(page.locator("#caller-words")).to_be_focused()
    page.close()


def test_requests_and_faults_appear_at_once(browser: Browser, box: Sandbox):
    tab = open_tab(browser, box, scheme="dark")
    page = tab.page
    page.get_by_role("link", name="Faults").click()
    switch = page.get_by_role("switch", name="HTTP 503")
    switch.click()
    expect(switch).to_have_attribute("aria-checked", "true", timeout=SEEN)
    tab.check()
    page.get_by_label("Fault, as for").fill("latenzy")
    page.get_by_role("button", name="Switch on").click()
    see(page.get_by_text("unknown fault 'latenzy'"))
    see(page.get_by_text("did you mean: latency"))
    complaints = [text for text in tab.complaints if "422" not in text]
    assert complaints == []  # a browser logs every status from 400 on
    tab.complaints.clear()
    switch.click()
    expect(switch).to_have_attribute("aria-checked", "false", timeout=SEEN)
    page.get_by_role("link", name="Requests").click()
    see(page.get_by_text("No requests yet."))
    with VoiceClient.from_env(box.environ) as voice:
        voice.reports.counter("currentcalls")
    see(page.get_by_text("GET /v1/counters/currentcalls: HTTP 200"))
    page.get_by_text("Details").first.click()
    see(page.get_by_text("x-timestamp:"))
    tab.check()
    page.close()


def test_a_page_of_another_port_can_neither_read_nor_act(browser: Browser, box: Sandbox):
    tab = open_tab(browser, box)
    page = browser.new_page()
    with running(populated=False) as stranger:
        page.goto(f"{stranger.calling_url}/nowhere")
        url = f"{box.calling_url}/console"
        for mode in ("cors", "no-cors"):
            outcome = page.evaluate(
                f"fetch('{url}/', {{mode: '{mode}', credentials: 'include'}})"
                ".then(answer => answer.text()).catch(() => 'refused')"
            )
            assert outcome in ("refused", "")
        page.evaluate(
            f"fetch('{url}/calls', {{method: 'POST', mode: 'no-cors', credentials: 'include', "
            "body: new URLSearchParams({from: '+12125550145'})}).catch(() => null)"
        )
        page.set_content(f"<iframe src='{url}/'></iframe>")
        page.wait_for_timeout(200)
        frames = [frame.content() for frame in page.frames[1:]]
    assert not any("Telephone" in content for content in frames)
    assert not box.calls
    page.close()
    tab.page.close()


def test_a_page_shows_that_the_sandbox_has_ended(browser: Browser):
    with running(populated=False, console=True) as box:
        tab = open_tab(browser, box)
        see(tab.page.get_by_text("Ongoing calls: 0"))
        expect(tab.page.locator("#offline")).to_be_hidden()
    see(tab.page.get_by_text("The sandbox does not answer."))
    tab.page.close()
