"""The console: pages with the calls of a sandbox and a telephone.

`gate.py` admits only browsers with the printed URL. `views.py` reads the state of the sandbox.
`pages.py` renders the pages, handles their forms and keeps them up to date. The server sends HTML;
htmx and its extension hx-sse, in `static/`, update the open pages.
"""

from __future__ import annotations

from starlette.types import ASGIApp

from ..faults import Injection
from ..wire import Connections
from ..world import World
from .gate import Gate
from .pages import create_pages

__all__ = ["Gate", "open_console"]


def open_console(
    api: ASGIApp, world: World, injections: list[Injection], connections: Connections, url: str
) -> Gate:
    """Return an ASGI application that serves the console, and everything else by the API.

    Args:
        api: ASGI application of the API.
        world: State of the sandbox, with a journal.
        injections: Active faults.
        connections: Open connections.
        url: Base URL of the sandbox, on loopback.
    """
    return Gate(create_pages(world, injections), api, connections, url)
