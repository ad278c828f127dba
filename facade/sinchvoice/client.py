"""VoiceClient and AsyncVoiceClient: settings, environment, lifetime."""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping
from enum import Enum
from types import TracebackType
from typing import Any, ClassVar, Literal, NoReturn, Self, TypeAlias, TypedDict, Unpack

import attrs

from . import settings
from .calls import AsyncCalls, Calls
from .errors import ConfigurationError
from .exchange import AsyncExchange, Exchange
from .reports import AsyncReports, Reports
from .retry import RetryPolicy
from .settings import REPORTING_URL, Auth, Region, Settings
from .signing import CanonicalResource, Credentials

__all__ = ["AsyncVoiceClient", "VoiceClient"]


class _Keep(Enum):
    """Marks an option of `with_options` that is not given, as None may mean something."""

    KEEP = "keep"

    def __repr__(self) -> str:
        return "KEEP"


_KEEP: Literal[_Keep.KEEP] = _Keep.KEEP


AuthMode: TypeAlias = Auth | Literal["signed", "basic"]
CanonicalForm: TypeAlias = (
    CanonicalResource
    | Literal["auto", "path", "path-and-query", "decoded-path", "decoded-path-and-query"]
)


class Options(TypedDict, total=False):
    """The settings of a client besides its credentials; `VoiceClient` documents each of them."""

    region: str
    auth: AuthMode
    canonical_resource: CanonicalForm
    timeout: float
    deadline: float | None
    retries: int | RetryPolicy
    calling_url: str | None
    reporting_url: str | None
    proxy: str | None
    ssl_context: ssl.SSLContext | None
    max_connections: int
    transport: Any


class _Client:
    """How both clients are made; each says in `_made_of` what it consists of."""

    _made_of: ClassVar[tuple[Any, Any, Any]]  # exchange, calls, reports
    _exchange: Any
    calls: Any
    reports: Any

    def __init__(
        self,
        application_key: str,
        application_secret: str,
        *,
        region: str = Region.GLOBAL,
        auth: AuthMode = Auth.SIGNED,
        canonical_resource: CanonicalForm = "auto",
        timeout: float = 10.0,
        deadline: float | None = None,
        retries: int | RetryPolicy = 2,
        calling_url: str | None = None,
        reporting_url: str | None = None,
        proxy: str | None = None,
        ssl_context: ssl.SSLContext | None = None,
        max_connections: int = 20,
        transport: Any = None,
    ) -> None:
        regional = settings.region(region).calling_url
        exchange, _, _ = self._made_of
        made = Settings(
            credentials=Credentials(application_key, application_secret),
            calling_url=settings.base_url("calling_url", calling_url or regional),
            reporting_url=settings.base_url("reporting_url", reporting_url or REPORTING_URL),
            auth=auth,
            canonical_resource=settings.canonical_form(canonical_resource),
            timeout=timeout,
            deadline=deadline,
            retries=settings.retry_policy(retries),
            proxy=proxy,
            ssl_context=ssl_context,
            max_connections=max_connections,
            transport=transport,
        )
        self._attach(exchange(made), owns=True)

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None, **options: Unpack[Options]) -> Self:
        """Make a client from environment variables.

        `SINCH_APPLICATION_KEY` and `SINCH_APPLICATION_SECRET` are needed; `SINCH_VOICE_REGION`,
        `SINCH_VOICE_CALLING_URL` and `SINCH_VOICE_REPORTING_URL` are used if they are set.

        Args:
            environ: where to look instead of `os.environ`.
            options: any other setting; it counts more than its variable.

        Raises:
            ConfigurationError: a variable is missing, or a setting is wrong.
        """
        variables = os.environ if environ is None else environ

        def required(name: str) -> str:
            value = variables.get(name)
            if not value:
                raise ConfigurationError(
                    f"the environment variable {name} is not set: copy its value from the "
                    "application's page in the dashboard"
                )
            return value

        found: Options = {
            "region": variables.get("SINCH_VOICE_REGION") or Region.GLOBAL,
            "calling_url": variables.get("SINCH_VOICE_CALLING_URL"),
            "reporting_url": variables.get("SINCH_VOICE_REPORTING_URL"),
        }
        found.update(options)
        return cls(required("SINCH_APPLICATION_KEY"), required("SINCH_APPLICATION_SECRET"), **found)

    def with_options(
        self,
        *,
        timeout: float | Literal[_Keep.KEEP] = _KEEP,
        deadline: float | Literal[_Keep.KEEP] | None = _KEEP,
        retries: int | RetryPolicy | Literal[_Keep.KEEP] = _KEEP,
    ) -> Self:
        """A client with other patience that shares the connections of this one.

        Closing it does nothing; closing the client that it came from closes both.

        Args:
            timeout: seconds for each step of an attempt.
            deadline: seconds for a whole call, retries included; None for no limit.
            retries: further attempts after the first, or a whole RetryPolicy.

        Raises:
            ConfigurationError: a value is wrong.
        """
        changes: dict[str, Any] = {}
        if timeout is not _KEEP:
            changes["timeout"] = timeout
        if deadline is not _KEEP:
            changes["deadline"] = deadline
        if retries is not _KEEP:
            changes["retries"] = settings.retry_policy(retries)
        copy = object.__new__(type(self))
        changed = attrs.evolve(self._exchange.settings, **changes)
        copy._attach(self._exchange.with_settings(changed), owns=False)
        return copy

    def _attach(self, exchange: Any, *, owns: bool) -> None:
        _, calls, reports = self._made_of
        self._exchange, self._owns_connections = exchange, owns
        self.calls, self.reports = calls(exchange), reports(exchange)

    def __repr__(self) -> str:
        current = self._exchange.settings
        return (
            f"{type(self).__name__}({current.credentials.application_key!r}, "
            f"calling_url={current.calling_url!r}, reporting_url={current.reporting_url!r})"
        )

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            f"{type(self).__name__} is not pickled: it holds a secret and open connections; "
            "make one in each process"
        )


class VoiceClient(_Client):
    """A client of Sinch Voice.

        with VoiceClient.from_env() as voice:
            call = voice.calls.get("4398599d1ba84ef3bde0a82dfb61abed")

    Threads may share one, and should: it keeps connections. Use it as a context manager, or call
    `close`. Make it after a fork, not before: sockets are not to be shared between processes.

    Args:
        application_key: the application's key, from the dashboard.
        application_secret: the application's secret, from the dashboard.
        region: where the calls are handled: a name or short code of `Region`. Reports have one
            host for all regions.
        auth: `signed`, or `basic`, which sends the secret with every request.
        canonical_resource: which form of the URL is signed, see `CanonicalResource`; `auto` finds
            out what the server accepts, and remembers it.
        timeout: seconds for each step of an attempt: to connect, to send, to wait for the answer.
        deadline: seconds for a whole call, retries and waits included; None for no limit. A
            blocking call looks at it before each request and wait and between pieces of an
            answer, so a server that drips its headers can overrun it by the timeout and more.
        retries: further attempts after the first where that is safe, or a whole RetryPolicy.
        calling_url: base URL of the calling API instead of the region's.
        reporting_url: base URL of the reporting API.
        proxy: URL of an HTTP proxy. Without it, the usual environment variables count, but not
            for loopback hosts.
        ssl_context: for private certificate authorities and client certificates.
        max_connections: connections that are open at a time, per client; further calls wait for
            one, within their timeout. httpx's pool slows down with the square of their number:
            five hundred tasks are done sooner over 20 than over 100.
        transport: an httpx transport to use instead of the network. An escape hatch, outside the
            promise of compatibility.

    Attributes:
        calls: look calls up and manage them.
        reports: reports on users, counters, services.

    Raises:
        ConfigurationError: a setting is wrong; the message says which and why.
    """

    _made_of = (Exchange, Calls, Reports)
    _exchange: Exchange
    calls: Calls
    reports: Reports

    def close(self) -> None:
        """Close the connections; the client cannot be used any more."""
        if self._owns_connections:
            self._exchange.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


class AsyncVoiceClient(_Client):
    """A client of Sinch Voice for asyncio: as `VoiceClient`, with the methods awaited.

        async with AsyncVoiceClient.from_env() as voice:
            call = await voice.calls.get("4398599d1ba84ef3bde0a82dfb61abed")

    Tasks of one event loop may share one, and should. A deadline also ends an attempt that is
    under way.
    """

    _made_of = (AsyncExchange, AsyncCalls, AsyncReports)
    _exchange: AsyncExchange
    calls: AsyncCalls
    reports: AsyncReports

    async def aclose(self) -> None:
        """Close the connections; the client cannot be used any more."""
        if self._owns_connections:
            await self._exchange.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()
