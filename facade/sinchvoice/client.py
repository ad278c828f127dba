"""VoiceClient and AsyncVoiceClient: settings, environment and lifetime."""

from __future__ import annotations

import logging
import os
import ssl
import sys
from abc import abstractmethod
from collections.abc import Callable, Mapping
from enum import Enum
from types import TracebackType
from typing import (
    TYPE_CHECKING,
    Generic,
    Literal,
    NoReturn,
    Self,
    TextIO,
    TypeAlias,
    TypedDict,
    TypeVar,
    Unpack,
    cast,
)

import attrs

from . import raw, settings
from .calls import AsyncCalls, Calls
from .errors import ConfigurationError
from .exchange import AsyncExchange, Exchange
from .flow import ResponseInfo
from .hidden import Hidden
from .raw import Parameter, Response
from .retry import RetryPolicy
from .routes import Api
from .settings import CONFIGURATION_URL, REPORTING_URL, Auth, Region, Settings
from .signing import CanonicalResource, Credentials

__all__ = ["AsyncVoiceClient", "Options", "VoiceClient"]


class _Keep(Enum):
    """Marks an omitted option of `with_options`, because None can be a value."""

    KEEP = "keep"

    def __repr__(self) -> str:
        return "KEEP"


_KEEP: Literal[_Keep.KEEP] = _Keep.KEEP

X = TypeVar("X", Exchange, AsyncExchange)

if TYPE_CHECKING:
    from .applications import Applications, AsyncApplications
    from .callouts import AsyncCallouts, Callouts
    from .conferences import AsyncConferences, Conferences
    from .reports import AsyncReports, Reports

    _StreamHandler = logging.StreamHandler[TextIO]
else:
    _StreamHandler = logging.StreamHandler

AuthMode: TypeAlias = Auth | Literal["signed", "basic"]
CanonicalForm: TypeAlias = (
    CanonicalResource
    | Literal["auto", "path", "path-and-query", "decoded-path", "decoded-path-and-query"]
)
OnResponse: TypeAlias = Callable[[ResponseInfo], object]


class Options(TypedDict, total=False):
    """The settings of a client other than its credentials; documented in `VoiceClient`."""

    region: str
    auth: AuthMode
    canonical_resource: CanonicalForm
    timeout: float
    deadline: float | None
    retries: int | RetryPolicy
    calling_url: str | None
    reporting_url: str | None
    configuration_url: str | None
    proxy: str | None
    ssl_context: ssl.SSLContext | None
    max_connections: int
    keepalive: float
    headers: Mapping[str, str]
    user_agent_suffix: str
    on_response: OnResponse | None
    transport: object | None


class _Client(Generic[X]):
    """The base of both clients: construction and options."""

    _exchange: X
    _owns_connections: bool

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
        configuration_url: str | None = None,
        proxy: str | None = None,
        ssl_context: ssl.SSLContext | None = None,
        max_connections: int = 100,
        keepalive: float = 30.0,
        headers: Mapping[str, str] | None = None,
        user_agent_suffix: str = "",
        on_response: OnResponse | None = None,
        transport: object | None = None,
    ) -> None:
        # Before anything can fail, because tracebacks may show this frame's variables.
        key, secret = Hidden(application_key), Hidden(application_secret)
        through = proxy if proxy is None or isinstance(proxy, Hidden) else Hidden(proxy)
        del application_key, application_secret, proxy
        credentials = Credentials(key.reveal(), secret.reveal())
        regional = settings.region(region).calling_url
        made = Settings(
            credentials=credentials,
            calling_url=settings.base_url("calling_url", calling_url or regional),
            reporting_url=settings.base_url("reporting_url", reporting_url or REPORTING_URL),
            configuration_url=settings.base_url(
                "configuration_url", configuration_url or CONFIGURATION_URL
            ),
            auth=auth,
            canonical_resource=settings.canonical_form(canonical_resource),
            timeout=timeout,
            deadline=deadline,
            retries=settings.retry_policy(retries),
            proxy=through,
            ssl_context=ssl_context,
            max_connections=max_connections,
            keepalive=keepalive,
            headers={} if headers is None else headers,
            user_agent_suffix=user_agent_suffix,
            on_response=on_response,
            transport=transport,
        )
        _set_up_logging(os.environ.get("SINCHVOICE_LOG", ""))
        self._exchange, self._owns_connections = self._connect(made), True

    @staticmethod
    @abstractmethod
    def _connect(settings: Settings) -> X: ...

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None, **options: Unpack[Options]) -> Self:
        """Make a client from environment variables.

        `SINCH_APPLICATION_KEY` and `SINCH_APPLICATION_SECRET` are required; `SINCH_VOICE_REGION`,
        `SINCH_VOICE_CALLING_URL`, `SINCH_VOICE_REPORTING_URL` and `SINCH_VOICE_CONFIGURATION_URL`
        are optional.

        Args:
            environ: Variables to use instead of `os.environ`.
            options: Any other settings; they override the variables.

        Raises:
            ConfigurationError: A variable is missing, or a setting is wrong.
        """
        variables = os.environ if environ is None else environ
        key = Hidden(variables.get("SINCH_APPLICATION_KEY"))
        secret = Hidden(variables.get("SINCH_APPLICATION_SECRET"))
        found: Options = {
            "region": variables.get("SINCH_VOICE_REGION") or Region.GLOBAL,
            "calling_url": variables.get("SINCH_VOICE_CALLING_URL"),
            "reporting_url": variables.get("SINCH_VOICE_REPORTING_URL"),
            "configuration_url": variables.get("SINCH_VOICE_CONFIGURATION_URL"),
        }
        found.update(options)
        if (proxy := options.get("proxy")) is not None:
            found["proxy"] = cast("str", Hidden(proxy))  # as the constructor does
        # Before anything can fail, because tracebacks may show this frame's variables.
        del variables, environ, options, proxy
        return cls(
            _required("SINCH_APPLICATION_KEY", key),
            _required("SINCH_APPLICATION_SECRET", secret),
            **found,
        )

    def with_options(
        self,
        *,
        timeout: float | Literal[_Keep.KEEP] = _KEEP,
        deadline: float | Literal[_Keep.KEEP] | None = _KEEP,
        retries: int | RetryPolicy | Literal[_Keep.KEEP] = _KEEP,
        headers: Mapping[str, str] | Literal[_Keep.KEEP] = _KEEP,
        on_response: OnResponse | Literal[_Keep.KEEP] | None = _KEEP,
    ) -> Self:
        """Return a client with other settings that shares this client's connections.

        Closing the new client has no effect; closing this one closes both.

        Args:
            timeout: Seconds for each step of an attempt.
            deadline: Seconds for a whole call, including retries; None for no limit. It does not
                limit the wait for the answer to a callout.
            retries: Attempts after the first, or a complete RetryPolicy.
            headers: Additional headers; they override this client's headers of the same name.
            on_response: Function called after each call; None for none.

        Raises:
            ConfigurationError: A value is wrong.
        """
        old = self._exchange.settings
        changed = attrs.evolve(
            old,
            timeout=old.timeout if timeout is _KEEP else timeout,
            deadline=old.deadline if deadline is _KEEP else deadline,
            retries=old.retries if retries is _KEEP else settings.retry_policy(retries),
            headers=old.headers
            if headers is _KEEP
            else settings.merged(old.headers, settings.headers(headers)),
            on_response=old.on_response if on_response is _KEEP else on_response,
        )
        copy = object.__new__(type(self))
        copy._exchange, copy._owns_connections = self._exchange.with_settings(changed), False
        return copy

    def __repr__(self) -> str:
        name = type(self).__name__
        if not hasattr(self, "_exchange"):
            return f"<{name} (construction failed)>"
        current = self._exchange.settings
        return (
            f"{name}({current.credentials.application_key!r}, "
            f"calling_url={current.calling_url!r}, reporting_url={current.reporting_url!r}, "
            f"configuration_url={current.configuration_url!r})"
        )

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            f"{type(self).__name__} cannot be pickled, because it holds a secret and open "
            "connections: make one in each process"
        )


class VoiceClient(_Client[Exchange]):
    """A client of Sinch Voice.

        with VoiceClient.from_env() as voice:
            call = voice.calls.get("4398599d1ba84ef3bde0a82dfb61abed")

    Share one client between threads: it reuses connections. A client also survives a fork: the
    child opens its own connections. Use the client as a context manager, or call `close`.

    Args:
        application_key: The application's key, from the dashboard.
        application_secret: The application's secret, from the dashboard.
        region: Region that handles the calls: a name or short code of `Region`. Reports and the
            configuration of applications have one host each for all regions.
        auth: `signed`, or `basic`, which sends the secret with every request.
        canonical_resource: Form of the URL to sign, see `CanonicalResource`; `auto` finds and
            remembers the form that the server accepts.
        timeout: Seconds for each step of an attempt: waiting for a free connection, connecting
            (including TLS and proxy), sending, waiting for the answer, reading its content.
            Trickling bytes do not extend a step. The answer to a callout gets at least 60
            seconds, because giving up might not stop the call.
        deadline: Seconds for a whole call, including retries and waits; None for no limit. Only
            DNS lookups can exceed it, and only in the blocking client. For a callout it limits
            connecting and sending only; the callout's own argument `deadline` limits the whole.
        retries: Attempts after the first where repeating is safe, or a complete RetryPolicy.
        calling_url: Base URL of the calling API instead of the region's.
        reporting_url: Base URL of the reporting API.
        configuration_url: Base URL of `applications`.
        proxy: URL of an HTTP proxy, optionally with user name and password. The default is
            HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY, read when the client is made and
            ignored for loopback hosts. NO_PROXY takes hosts, domains, addresses and networks
            such as `10.0.0.0/8`.
        ssl_context: Context with private certificate authorities or client certificates. The
            default is SSL_CERT_FILE and SSL_CERT_DIR, then certifi's list.
        max_connections: Maximum number of open connections, per client and process; further calls
            wait for one, within their timeout.
        keepalive: Seconds to keep an idle connection; 0 closes each after its answer.
        headers: Additional headers for every request.
        user_agent_suffix: Text to append to User-Agent, such as `myapp/1.0`.
        on_response: Function called with a `ResponseInfo` after each attempted call, for metrics.
            Its exceptions are logged and do not affect the result.
        transport: An httpx transport to use instead of the client's own connections, for tests or
            for tools that patch httpx (`httpx.HTTPTransport()`). An escape hatch without a
            promise of compatibility.

    Raises:
        ConfigurationError: A setting is wrong; the message says which and why.
    """

    _connect = staticmethod(Exchange)

    @property
    def calls(self) -> Calls:
        """Look up and control calls."""
        return Calls(self._exchange)

    @property
    def callouts(self) -> Callouts:
        """Place calls."""
        from .callouts import Callouts  # on use, for a shorter import

        return Callouts(self._exchange)

    @property
    def conferences(self) -> Conferences:
        """List, mute, hold and remove the participants of conferences."""
        from .conferences import Conferences

        return Conferences(self._exchange)

    @property
    def applications(self) -> Applications:
        """Configure the numbers and callback URLs of applications."""
        from .applications import Applications

        return Applications(self._exchange)

    @property
    def reports(self) -> Reports:
        """Report on users, counters and services."""
        from .reports import Reports

        return Reports(self._exchange)

    def request(
        self,
        method: str,
        path: str,
        *,
        api: Api = "calling",
        json: object = None,
        params: Mapping[str, Parameter] | None = None,
        headers: Mapping[str, str] | None = None,
        replayable: bool | None = None,
    ) -> Response:
        """Send a signed request to any endpoint of the API, with the usual retries and errors.

            voice.request("GET", "/counters/currentcalls", api="reporting").json()

        Args:
            method: HTTP method.
            path: Path below the base URL of the API, percent-encoded as it is to be sent.
            api: `calling`, `reporting` or `configuration`.
            json: Body of the request, anything that `json.dumps` takes; None sends no body.
            params: Query parameters.
            headers: Additional headers.
            replayable: Whether sending the request twice is harmless, so that it may be repeated
                although the server may have acted; by default true for GET, HEAD and OPTIONS.

        Returns:
            The response, with status, headers and content.

        Raises:
            InvalidRequest: An argument is wrong.
            ConfigurationError: A header is wrong.
            ApiError: The request failed.
        """
        return self._exchange.run(
            raw.operation(
                method,
                path,
                api=api,
                json=json,
                params=params,
                headers=headers,
                replayable=replayable,
            )
        )

    def close(self) -> None:
        """Close the connections; calls in progress and all later calls raise an error."""
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


class AsyncVoiceClient(_Client[AsyncExchange]):
    """The asyncio client of Sinch Voice, with the methods of `VoiceClient` as coroutines.

        async with AsyncVoiceClient.from_env() as voice:
            call = await voice.calls.get("4398599d1ba84ef3bde0a82dfb61abed")

    Share one client between the tasks of an event loop; in another loop it raises EventLoopError.
    Calls can be cancelled at any time: that closes the call's connection and nothing else.
    """

    _connect = staticmethod(AsyncExchange)

    @property
    def calls(self) -> AsyncCalls:
        """Look up and control calls."""
        return AsyncCalls(self._exchange)

    @property
    def callouts(self) -> AsyncCallouts:
        """Place calls."""
        from .callouts import AsyncCallouts

        return AsyncCallouts(self._exchange)

    @property
    def conferences(self) -> AsyncConferences:
        """List, mute, hold and remove the participants of conferences."""
        from .conferences import AsyncConferences

        return AsyncConferences(self._exchange)

    @property
    def applications(self) -> AsyncApplications:
        """Configure the numbers and callback URLs of applications."""
        from .applications import AsyncApplications

        return AsyncApplications(self._exchange)

    @property
    def reports(self) -> AsyncReports:
        """Report on users, counters and services."""
        from .reports import AsyncReports

        return AsyncReports(self._exchange)

    async def request(
        self,
        method: str,
        path: str,
        *,
        api: Api = "calling",
        json: object = None,
        params: Mapping[str, Parameter] | None = None,
        headers: Mapping[str, str] | None = None,
        replayable: bool | None = None,
    ) -> Response:
        """Send a signed request to any endpoint of the API; see `VoiceClient.request`."""
        return await self._exchange.run(
            raw.operation(
                method,
                path,
                api=api,
                json=json,
                params=params,
                headers=headers,
                replayable=replayable,
            )
        )

    async def aclose(self) -> None:
        """Close the connections; calls in progress and all later calls raise an error."""
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


def _required(name: str, value: Hidden[str | None]) -> str:
    if not value.reveal():
        raise ConfigurationError(
            f"the environment variable {name} is not set",
            parameter=name,
            remedy="copy its value from the application's page in the dashboard",
        )
    return value.reveal() or ""


def _set_up_logging(level: str) -> None:
    """Log to standard error at the level in SINCHVOICE_LOG, without the URL log."""
    if not level:
        return
    number = {"info": logging.INFO, "debug": logging.DEBUG}.get(level.lower())
    if number is None:
        raise ConfigurationError(
            parameter="SINCHVOICE_LOG", value=level, remedy="set 'info' or 'debug', or unset it"
        )
    logger = logging.getLogger("sinchvoice")
    logger.setLevel(number)
    if not logger.hasHandlers():  # otherwise the application's own handlers show the records
        logger.addHandler(_LogHandler(sys.stderr))


class _LogHandler(_StreamHandler):
    """The handler for SINCHVOICE_LOG, without the URL log."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        self.addFilter(lambda record: record.name == "sinchvoice")
