"""Admits browsers to the console: only on this machine, and only with the printed URL.

A page of another site can make a browser send requests to loopback. The gate refuses them: the Host
header must name loopback (against DNS rebinding), the browser sends the cookie only from pages of
the same site, and a POST must come from a page of the console. For cookies, a program on another
port of this machine is the same site, but its pages have another origin.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping
from urllib.parse import parse_qs

from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ...urls import is_loopback
from ..wire import Connections

__all__ = ["PREFIX", "Gate"]

PREFIX = "/console"

_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "same-origin",  # no-referrer would send Origin: null with forms
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
# This page opens the next one. The browser then sends the new cookie, even if the printed URL was
# opened from another site, such as a terminal in a browser.
_WELCOME = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Sandbox console</title>
<link rel="icon" href="/console/static/icon.svg">
<meta http-equiv="refresh" content="0; url=/console/"></head>
<body><p><a href="/console/">Continue to the console</a></p></body></html>
"""
_UNKNOWN = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Sandbox console</title></head>
<body><h1>Open the console with its full address</h1>
<p>The sandbox printed the address when it started. It ends with <code>?token=</code> and a
secret.</p></body></html>
"""


class Gate:
    """Serves `/console` to admitted browsers, and passes everything else to the API.

    Args:
        pages: ASGI application of the console.
        api: ASGI application of the API.
        connections: Open connections.
        url: Base URL of the sandbox, on loopback.

    Attributes:
        url: URL of the console, with the token.
    """

    def __init__(self, pages: ASGIApp, api: ASGIApp, connections: Connections, url: str) -> None:
        self._pages = pages
        self._api = api
        self._connections = connections
        self._port = int(url.rpartition(":")[2])
        ports = ("", ":80") if self._port == 80 else (f":{self._port}",)
        self._hosts = {
            host + port for host in ("127.0.0.1", "localhost", "[::1]") for port in ports
        } | {url.partition("://")[2]}
        self._token = secrets.token_urlsafe(24)
        # The cookie has its own secret, because the browser's history keeps the one in the URL.
        self._session = secrets.token_urlsafe(24)
        # Cookies belong to a host, not to a port.
        self._cookie = f"sinchvoice-console-{self._port}"
        self.url = f"{url}{PREFIX}/?token={self._token}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path, here = scope["path"], scope["server"][1] == self._port
        if not here or not (path == PREFIX or path.startswith(f"{PREFIX}/")):
            await self._api(scope, receive, send)
            return

        async def send_safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = [(k.lower().encode(), v.encode()) for k, v in _HEADERS.items()]
                message = {**message, "headers": [*message.get("headers", ()), *headers]}
            await send(message)

        answer = self._judge(scope)
        with self._connections.busy(scope):
            await (self._pages if answer is None else answer)(scope, receive, send_safely)

    def _judge(self, scope: Scope) -> Response | None:
        """Return the answer to a browser that is not admitted yet; None admits it."""
        headers: dict[str, str] = {}
        for raw_name, raw_value in scope["headers"]:
            name = raw_name.decode("latin-1")
            if name in headers and name in ("host", "origin", "cookie", "sec-fetch-site"):
                return PlainTextResponse(f"more than one {name} header", 400)
            headers[name] = raw_value.decode("latin-1")
        host = headers.get("host", "").lower()
        if scope["client"] is None or not is_loopback(scope["client"][0]):
            return PlainTextResponse("the console works on its own machine only", 403)
        if host not in self._hosts:
            return PlainTextResponse("wrong address: use the one that the sandbox printed", 403)
        if scope["method"] not in ("GET", "HEAD", "POST"):
            return PlainTextResponse("method not allowed", 405, {"Allow": "GET, HEAD, POST"})
        if scope["method"] == "POST":
            return self._judge_action(headers, f"http://{host}")
        given = parse_qs(scope["query_string"].decode("latin-1")).get("token")
        if given is not None:
            if not _same(given[0], self._token):
                return HTMLResponse(_UNKNOWN, 401)
            response = HTMLResponse(_WELCOME)
            response.set_cookie(
                self._cookie, self._session, path=PREFIX, httponly=True, samesite="strict"
            )
            return response
        if headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
            return PlainTextResponse("another site cannot open the console: open it yourself", 403)
        return None if self._is_known(headers) else HTMLResponse(_UNKNOWN, 401)

    def _judge_action(self, headers: Mapping[str, str], origin: str) -> Response | None:
        refusal = "another site cannot use the console: use its own pages"
        if headers.get("origin") != origin:  # every browser sends it with POST
            return PlainTextResponse(refusal, 403)
        if headers.get("sec-fetch-site", "same-origin") != "same-origin":
            return PlainTextResponse(refusal, 403)
        return None if self._is_known(headers) else HTMLResponse(_UNKNOWN, 401)

    def _is_known(self, headers: Mapping[str, str]) -> bool:
        pairs = (pair.strip().partition("=") for pair in headers.get("cookie", "").split(";"))
        return any(_same(value, self._session) for name, _, value in pairs if name == self._cookie)


def _same(given: str, wanted: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "surrogatepass"), wanted.encode())
