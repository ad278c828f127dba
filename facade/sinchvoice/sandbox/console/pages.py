"""The pages of the console: routes, forms, and the streams that keep the pages up to date."""

from __future__ import annotations

import asyncio
import math
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from importlib import resources
from typing import Any, Literal, cast
from urllib.parse import parse_qsl, quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import (
    HTMLResponse,
    PlainTextResponse,
    RedirectResponse,
    Response,
    StreamingResponse,
)
from starlette.routing import Route
from starlette.types import ASGIApp

from ...errors import InvalidRequest, printable
from ..call import SandboxCall
from ..faults import Injection
from ..journal import Spoken
from ..switchboard import CallbackUrls, not_waiting
from ..world import World
from .gate import PREFIX
from .views import call_page, calls_page, listeners_of, request_lines

__all__ = ["create_pages"]

_PACKAGE = __name__.rpartition(".")[0]
_MOST_STREAMS = 32
_MOST_FORM = 65_536  # bytes
_MOST_FAULTS = 100
_MOST_WORDS = 1_000  # characters
_PATIENCE = 60_000  # milliseconds to read the prompts of a menu
#: Seconds: least time between two versions of a page; time after which a page without news is
#: rendered again, because durations grow; and time after which a stream without events sends a
#: comment.
_PAUSE, _TICK, _SILENCE = 0.1, 1.0, 15.0
#: Largest share of a processor for the rendering of a page.
_SHARE = 0.1

_NO_CALL = "the sandbox does not have this call, or has dropped it: choose another one"
_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}

#: Switches for faults: name, fault as on the command line, and description.
_REQUEST_FAULTS = (
    ("slow", "latency=2", "Answers take two seconds"),
    ("unavailable", "unavailable=1", "HTTP 503 with Retry-After: 1"),
    ("busy", "too-many-requests=1", "HTTP 429 with Retry-After: 1"),
    ("reset", "reset", "The connection is cut before the request is carried out"),
    ("reset-after", "reset-after", "The request is carried out, then the connection is cut"),
    ("truncate", "truncate", "Answers are truncated"),
)
_CALLBACK_FAULTS = (
    ("twice", "twice", "Callbacks are sent twice"),
    ("late", "late=3", "Callbacks are three seconds late"),
    ("out-of-order", "out-of-order", "Callbacks are sent out of order"),
    ("tampered", "tampered", "Callbacks are changed after signing"),
    ("wrong-key", "wrong-key", "Callbacks are signed with an unknown key"),
    ("old", "old", "Callbacks have a signature from yesterday"),
)

Form = dict[str, str]


class _InvalidForm(Exception):
    """The form cannot be carried out; the message has the reason."""


def create_pages(world: World, injections: list[Injection]) -> ASGIApp:
    """Return the pages of the console, without the gate."""
    return _Pages(world, injections).app


class _Pages:
    def __init__(self, world: World, injections: list[Injection]) -> None:
        self._world = world
        self._injections = injections
        self._switched: dict[str, Injection] = {}
        self._streams = 0
        self._texts = resources.files(_PACKAGE) / "static"
        self._templates = Environment(
            loader=PackageLoader(_PACKAGE),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters["segment"] = lambda text: quote(text, safe="")
        calls, one = f"{PREFIX}/calls", f"{PREFIX}/calls/{{call_id:path}}"
        forms: dict[str, Callable[[Form], str]] = {
            "faults": self._add_fault,
            "faults/switch": self._switch_fault,
            "faults/stop": self._stop_fault,
            "application": self._change_application,
        }
        actions: dict[str, Callable[[SandboxCall, Form], str]] = {
            "answer": self._answer,
            "press": self._press,
            "say": self._say,
            "hang-up": self._hang_up,
        }
        self.app = Starlette(
            routes=[
                Route(PREFIX, self._go_home),
                Route(f"{PREFIX}/", self._page("calls", self._show_calls)),
                Route(f"{PREFIX}/requests", self._page("requests", self._show_requests)),
                Route(f"{PREFIX}/faults", self._page("faults", self._show_faults)),
                Route(f"{PREFIX}/live/calls", self._live("calls", self._show_calls)),
                Route(f"{PREFIX}/live/requests", self._live("requests", self._show_requests)),
                Route(f"{PREFIX}/live/faults", self._live("faults", self._show_faults)),
                Route(f"{PREFIX}/live/calls/{{call_id:path}}", self._live("call", self._show_call)),
                Route(f"{PREFIX}/static/{{name}}", self._static),
                *(
                    Route(f"{PREFIX}/{path}", self._form(act), methods=["POST"])
                    for path, act in forms.items()
                ),
                Route(calls, self._ring, methods=["POST"]),
                Route(calls, self._go_home),  # the address after a refused number
                *(
                    Route(f"{one}/{name}", self._action(act), methods=["POST"])
                    for name, act in actions.items()
                ),
                Route(one, self._page("call", self._show_call)),
            ],
            exception_handlers={HTTPException: self._failed, _InvalidForm: self._refuse},
        )
        self.app.router.redirect_slashes = False

    # --- Pages -----------------------------------------------------------------------------------

    async def _go_home(self, request: Request) -> Response:
        return RedirectResponse(f"{PREFIX}/", 303)

    async def _static(self, request: Request) -> Response:
        name = request.path_params["name"]
        kind = _TYPES.get(name[name.rfind(".") :])
        if kind is None or not re.fullmatch(r"[a-z0-9.-]+", name):
            raise HTTPException(404)
        try:
            return Response((self._texts / name).read_bytes(), media_type=kind)
        except FileNotFoundError:
            raise HTTPException(404) from None

    def _page(
        self, template: str, show: Callable[[Request], dict[str, Any]]
    ) -> Callable[[Request], Awaitable[Response]]:
        async def page(request: Request) -> Response:
            return self._html(template, {**show(request), "problem": ""})

        return page

    def _html(self, template: str, values: dict[str, Any], status: int = 200) -> Response:
        page = self._render(f"{template}.html", {**values, "here": template})
        return HTMLResponse(page, status)

    def _render(self, template: str, values: dict[str, Any]) -> str:
        return self._templates.get_template(template).render(**values, prefix=PREFIX)

    def _show_calls(self, request: Request) -> dict[str, Any]:
        world = self._world
        with world.lock:
            page = calls_page(world)
            key = next(iter(world.applications))
            urls = world.switchboard.urls.get(key, CallbackUrls())
            numbers = [number.number for number in world.numbers.values() if number.application_key]
            return {
                "page": page,
                "numbers": numbers,
                "key": key,
                "url": str(request.base_url).rstrip("/"),
                "callback_url": urls.primary or world.switchboard.courier.default_url or "",
                "waits": world.ring == math.inf,
                "form": {"from": "+12125550145", "to": numbers[0] if numbers else ""},
            }

    def _show_requests(self, request: Request) -> dict[str, Any]:
        journal = self._world.journal
        return {"lines": [] if journal is None else request_lines(journal.read_requests())}

    def _show_faults(self, request: Request) -> dict[str, Any]:
        with self._world.lock:
            active = [part for part in self._injections if not part.is_over]
            switches = [
                (
                    title,
                    [(name, what, self._is_on(name)) for name, _, what in faults],
                )
                for title, faults in (
                    ("Requests to the API", _REQUEST_FAULTS),
                    ("Callbacks to the application", _CALLBACK_FAULTS),
                )
            ]
            rows = [(str(id(part)), part.describe(), part.hits) for part in active]
        return {"switches": switches, "active": rows}

    def _show_call(self, request: Request) -> dict[str, Any]:
        page = call_page(self._world, request.path_params["call_id"])
        if page is None:
            raise HTTPException(404, _NO_CALL)
        return {"page": page}

    async def _failed(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101 - Starlette's handlers are typed loosely
        return self._html("error", {"problem": error.detail}, error.status_code)

    async def _refuse(self, request: Request, error: Exception) -> Response:
        """Answer an invalid form: with a notice for the open page, or without htmx with a page."""
        if "hx-request" in request.headers:
            return HTMLResponse(self._render("notice.html", {"text": str(error), "bad": True}), 422)
        return self._html("error", {"problem": str(error)}, 422)

    # --- Streams ---------------------------------------------------------------------------------

    def _live(
        self, template: str, show: Callable[[Request], dict[str, Any]]
    ) -> Callable[[Request], Awaitable[Response]]:
        async def live(request: Request) -> Response:
            def render() -> str:
                try:
                    return self._render(f"live_{template}.html", show(request))
                except HTTPException as error:  # the sandbox has dropped the call
                    return self._render("gone.html", {"problem": error.detail})

            if self._streams >= _MOST_STREAMS:
                return PlainTextResponse("too many pages are open: close some", 503)
            return StreamingResponse(self._follow(render), media_type="text/event-stream")

        return live

    async def _follow(self, render: Callable[[], str]) -> AsyncIterator[str]:
        """Yield a page as events, now and after each change, until the browser disconnects."""
        journal = self._world.journal
        assert journal is not None  # noqa: S101 - a sandbox with a console has a journal
        loop, news = asyncio.get_running_loop(), asyncio.Event()
        is_told = False

        def tell() -> None:
            nonlocal is_told
            if not is_told:  # one message to the loop for any number of changes
                is_told = True
                loop.call_soon_threadsafe(news.set)

        self._streams += 1
        try:
            with journal.listening(tell):
                last, last_sent = "", 0.0
                while True:
                    is_told = False
                    news.clear()
                    started = time.perf_counter()
                    page = render()
                    now = time.perf_counter()
                    if page != last:
                        yield _event(page)
                        last, last_sent = page, now
                    elif now - last_sent > _SILENCE:
                        yield ":\n\n"
                        last_sent = now
                    await asyncio.sleep(max(_PAUSE, (now - started) / _SHARE))
                    try:
                        async with asyncio.timeout(_TICK):
                            await news.wait()
                    except TimeoutError:
                        pass
        finally:
            self._streams -= 1

    # --- Forms -----------------------------------------------------------------------------------

    async def _ring(self, request: Request) -> Response:
        """Make an incoming call, and redirect to its page."""
        form = await _read_form(request)
        try:
            call = self._world.receive_call(
                next(iter(self._world.applications)),
                from_=form.get("from", "").strip(),
                to=form.get("to", "").strip() or None,
                ring=math.inf if form.get("answers") == "me" else None,
                patience=_PATIENCE if "patience" in form else 0,
            )
        except InvalidRequest as error:
            values = {**self._show_calls(request), "problem": _words(error)}
            given = {name: form.get(name, "") for name in ("from", "to")}
            return self._html("calls", {**values, "form": given}, 422)
        return RedirectResponse(f"{PREFIX}/calls/{quote(call.call_id, safe='')}", 303)

    def _form(self, act: Callable[[Form], str]) -> Callable[[Request], Awaitable[Response]]:
        async def form(request: Request) -> Response:
            content = await _read_form(request)
            with _refusals(), self._world.lock:
                said = act(content)
            if self._world.journal is not None:
                self._world.journal.notify()
            return self._done(request, said, request.url.path.split("/")[2])

        return form

    def _action(
        self, act: Callable[[SandboxCall, Form], str]
    ) -> Callable[[Request], Awaitable[Response]]:
        async def action(request: Request) -> Response:
            content = await _read_form(request)
            call_id = request.path_params["call_id"]
            call = self._world.calls.get(call_id)
            if call is None:
                raise _InvalidForm(_NO_CALL)
            # This thread also answers the requests of the application, so it must not wait.
            with _refusals(), not_waiting():
                said = act(call, content)
            return self._done(request, said, f"calls/{quote(call_id, safe='')}")

        return action

    def _done(self, request: Request, said: str, path: str) -> Response:
        if "hx-request" in request.headers:
            return HTMLResponse(self._render("notice.html", {"text": said, "bad": False}))
        return RedirectResponse(f"{PREFIX}/{path if path != 'application' else ''}", 303)

    def _answer(self, call: SandboxCall, form: Form) -> str:
        call.answer(by_machine=form.get("by") == "machine")
        return "Answered."

    def _press(self, call: SandboxCall, form: Form) -> str:
        keys = form.get("keys", "")
        call.press(keys)
        return f"Pressed {keys}."

    def _hang_up(self, call: SandboxCall, form: Form) -> str:
        by = form.get("by", "")
        call.hang_up(by=cast("Literal['caller', 'callee']", by))
        return f"The {by} hung up."

    def _say(self, call: SandboxCall, form: Form) -> str:
        text, who = form.get("text", "").strip(), form.get("who", "")
        if who not in ("caller", "callee"):
            raise InvalidRequest(parameter="who", value=who, remedy="give 'caller' or 'callee'")
        if not 0 < len(text) <= _MOST_WORDS:
            raise _InvalidForm(f"the text has {len(text)} characters: write 1 to {_MOST_WORDS}")
        world = self._world
        with world.lock:
            if call.ended is not None or world.journal is None:
                raise _InvalidForm("the call has ended: make another one")
            is_recorded = call.recording is not None
            spoken = Spoken(who, text, listeners_of(world, call, who), is_recorded)
            for call_id in {call.call_id, *(other for other, _ in spoken.to)}:
                world.journal.add(spoken, at=world.clock.now, call_id=call_id, size=4 * len(text))
        if spoken.to or is_recorded:
            return "Said." if spoken.to else "Said. It is recorded."
        return "Said, but nobody hears it."

    def _change_application(self, form: Form) -> str:
        world = self._world
        switchboard = world.switchboard
        if "callback_url" in form:
            given = form["callback_url"].strip()
            url = switchboard.courier.read_url(given) if given else None
            key = next(iter(world.applications))
            fallback = switchboard.urls.get(key, CallbackUrls()).fallback
            switchboard.urls[key] = CallbackUrls(url, fallback)
            return f"Callbacks go to {url}." if url else "The callback URL is removed."
        world.ring = math.inf if form.get("answers") == "me" else None
        return (
            "Phones ring until you answer." if world.ring else "Phones are answered automatically."
        )

    # --- Faults ----------------------------------------------------------------------------------

    def _is_on(self, name: str) -> bool:
        injection = self._switched.get(name)
        return injection is not None and not injection.is_over and injection in self._injections

    def _switch_fault(self, form: Form) -> str:
        for name, text, what in (*_REQUEST_FAULTS, *_CALLBACK_FAULTS):
            if name == form.get("name"):
                if self._is_on(name):
                    self._switched.pop(name).stop()
                    return f"Off: {what}."
                self._switched[name] = self._inject(text)
                return f"On: {what}."
        raise _InvalidForm(f"there is no switch {form.get('name', '')!r}")

    def _add_fault(self, form: Form) -> str:
        return f"On: {self._inject(form.get('fault', '')).describe()}."

    def _inject(self, text: str) -> Injection:
        if len(self._injections) >= _MOST_FAULTS:
            raise _InvalidForm(f"there are {_MOST_FAULTS} faults already: switch some off")
        injection = Injection.parse(text)
        self._injections.append(injection)
        return injection

    def _stop_fault(self, form: Form) -> str:
        for injection in self._injections:
            if str(id(injection)) == form.get("id"):
                injection.stop()
                self._injections.remove(injection)
                return f"Off: {injection.describe()}."
        return "It was off already."


class _refusals:  # noqa: N801 - a context manager
    """Turns errors of the sandbox into `_InvalidForm`."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, InvalidRequest):
            raise _InvalidForm(_words(error)) from None


def _words(error: InvalidRequest) -> str:
    notes = getattr(error, "__notes__", ())
    return printable("; ".join([str(error), *notes]), 1_000)


def _event(page: str) -> str:
    """Return an event of a stream; each of the format's three line ends starts a data line."""
    return "".join(f"data: {line}\n" for line in re.split("\r\n|\r|\n", page)) + "\n"


async def _read_form(request: Request) -> Form:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise HTTPException(415, "send a form")
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > _MOST_FORM:
            raise HTTPException(413, "the form is too long")
    return dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
