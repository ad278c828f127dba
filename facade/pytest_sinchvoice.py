"""Fixtures for users' tests: a sandbox and its clients.

pytest loads this module wherever sinchvoice is installed. It is outside the package, so that
loading it imports only pytest; the fixtures import the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from sinchvoice import AsyncVoiceClient, VoiceClient
    from sinchvoice.sandbox import Sandbox

__all__ = [
    "async_voice_client",
    "sinch_callback_app",
    "sinch_callback_url",
    "sinch_environ",
    "sinch_sandbox",
    "voice_client",
]


@pytest.fixture(scope="session")
def _sinch_sandbox() -> Iterator[Sandbox]:
    try:
        from sinchvoice.sandbox import running
    except ModuleNotFoundError as error:
        raise pytest.fail.Exception(str(error), pytrace=False) from None
    with running(populated=False, now=datetime.now(UTC)) as box:
        yield box


@pytest.fixture(scope="session")
def sinch_environ(_sinch_sandbox: Sandbox) -> Mapping[str, str]:
    """Key, secret and URLs, like `sinch_sandbox.environ`, for objects created before a test."""
    return _sinch_sandbox.environ


@pytest.fixture
def sinch_callback_app() -> Callable[..., Any] | None:
    """An ASGI or WSGI application for the callbacks of `sinch_sandbox`; override it with yours."""
    return None


@pytest.fixture
def sinch_callback_url() -> str | None:
    """A URL for the callbacks of `sinch_sandbox`, or a path of your application; override it."""
    return None


@pytest.fixture
def sinch_sandbox(
    _sinch_sandbox: Sandbox,
    sinch_callback_app: Callable[..., Any] | None,
    sinch_callback_url: str | None,
) -> Iterator[Sandbox]:
    """A local Sinch Voice, reset for each test: without calls, faults or recorded requests.

    All tests of a run share one server. Its clock stands still until
    `sinch_sandbox.clock.advance()`. `sinch_sandbox.populate()` adds calls. Callbacks go to the
    fixtures `sinch_callback_app` and `sinch_callback_url`.
    """
    _sinch_sandbox.reset()
    _sinch_sandbox.callback_app = sinch_callback_app
    _sinch_sandbox.callback_url = sinch_callback_url
    yield _sinch_sandbox
    _sinch_sandbox.callback_app = None


@pytest.fixture
def voice_client(sinch_sandbox: Sandbox) -> Iterator[VoiceClient]:
    """A client of `sinch_sandbox`."""
    from sinchvoice import VoiceClient

    with VoiceClient.from_env(sinch_sandbox.environ) as voice:
        yield voice


@pytest.fixture
def async_voice_client(sinch_sandbox: Sandbox) -> AsyncVoiceClient:
    """An asynchronous client of `sinch_sandbox`, for any runner of event loops.

    It keeps no connection open between requests, so nothing needs closing after the loop ends.
    """
    from sinchvoice import AsyncVoiceClient

    return AsyncVoiceClient.from_env(sinch_sandbox.environ, keepalive=0)
