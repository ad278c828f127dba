"""Fixtures for the tests of users: a sandbox, and clients of it.

pytest finds them wherever sinchvoice is installed, whatever is tested there. So this module stands
outside the package: loading it imports nothing but pytest, until a fixture is asked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from sinchvoice import AsyncVoiceClient, VoiceClient
    from sinchvoice.sandbox import Sandbox

__all__ = ["async_voice_client", "sinch_sandbox", "voice_client"]


@pytest.fixture(scope="session")
def _sinch_sandbox() -> Iterator[Sandbox]:
    try:
        from sinchvoice.sandbox import running
    except ModuleNotFoundError as error:
        raise pytest.fail.Exception(str(error), pytrace=False) from None
    with running(populated=False, now=datetime.now(UTC)) as box:
        yield box


@pytest.fixture
def sinch_sandbox(_sinch_sandbox: Sandbox) -> Sandbox:
    """A local Sinch Voice without calls, faults or memory of other tests.

    One server serves the whole test run; each test gets it as new. Its time stands still until
    `sinch_sandbox.clock.advance()`. `sinch_sandbox.populate()` adds calls.
    """
    _sinch_sandbox.reset()
    return _sinch_sandbox


@pytest.fixture
def voice_client(sinch_sandbox: Sandbox) -> Iterator[VoiceClient]:
    """A client of `sinch_sandbox`."""
    from sinchvoice import VoiceClient

    with VoiceClient.from_env(sinch_sandbox.environ) as voice:
        yield voice


@pytest.fixture
def async_voice_client(sinch_sandbox: Sandbox) -> AsyncVoiceClient:
    """An asynchronous client of `sinch_sandbox`, for whatever runs the test's event loop.

    It keeps no connection open between requests: there is nothing to close when the loop is gone.
    """
    from sinchvoice import AsyncVoiceClient

    return AsyncVoiceClient.from_env(sinch_sandbox.environ, keepalive=0)
