"""The console: pages on which a sandbox shows its calls, and has a telephone.

`gate.py` lets nobody in but the person who has the printed URL, `views.py` reads the state of the
sandbox, and `pages.py` makes pages of it, answers their forms and keeps them up to date. Pages are
HTML from the server; htmx and its extension hx-sse, in `static/`, put new versions into them.
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
    """Return an ASGI application with the console of a sandbox in front of its API.

    Args:
        api: The API.
        world: The state; it has a journal.
        injections: The active faults.
        connections: The open connections.
        url: Base URL of the sandbox, on loopback.
    """
    return Gate(create_pages(world, injections), api, connections, url)
