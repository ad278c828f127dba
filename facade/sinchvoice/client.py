"""VoiceClient and AsyncVoiceClient: settings, environment, lifetime."""

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
    """Marks an option of `with_options` that is not given, as None may mean something."""

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
    """The settings of a client besides its credentials; `VoiceClient` documents each of them."""

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
    """How both clients are made."""

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
        # Before anything can fail: tracebacks may show the variables of this frame.
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
        _log_as_told(os.environ.get("SINCHVOICE_LOG", ""))
        self._exchange, self._owns_connections = self._connect(made), True

    @staticmethod
    @abstractmethod
    def _connect(settings: Settings) -> X: ...

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None, **options: Unpack[Options]) -> Self:
        """Make a client from environment variables.

        `SINCH_APPLICATION_KEY` and `SINCH_APPLICATION_SECRET` are needed; `SINCH_VOICE_REGION`,
        `SINCH_VOICE_CALLING_URL`, `SINCH_VOICE_REPORTING_URL` and `SINCH_VOICE_CONFIGURATION_URL`
        are used if they are set.

        Args:
            environ: where to look instead of `os.environ`.
            options: any other setting; it counts more than its variable.

        Raises:
            ConfigurationError: a variable is missing, or a setting is wrong.
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
        # Before anything can fail: tracebacks may show the variables of this frame.
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
        """A client with other patience that shares the connections of this one.

        Closing it does nothing; closing the client that it came from closes both.

        Args:
            timeout: seconds for each step of an attempt.
            deadline: seconds for a whole call, retries included; None for no limit. Of a callout it
                does not limit the wait for the answer.
            retries: further attempts after the first, or a whole RetryPolicy.
            headers: further headers; those of this client stay, unless they are named again.
            on_response: what is told how each call went; None for nothing.

        Raises:
            ConfigurationError: a value is wrong.
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
            return f"<{name} that was not made>"
        current = self._exchange.settings
        return (
            f"{name}({current.credentials.application_key!r}, "
            f"calling_url={current.calling_url!r}, reporting_url={current.reporting_url!r}, "
            f"configuration_url={current.configuration_url!r})"
        )

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            f"{type(self).__name__} is not pickled: it holds a secret and open connections; "
            "make one in each process"
        )


class VoiceClient(_Client[Exchange]):
    """A client of Sinch Voice.

        with VoiceClient.from_env() as voice:
            call = voice.calls.get("4398599d1ba84ef3bde0a82dfb61abed")

    Threads may share one, and should: it keeps connections. So may both sides of a fork: a child
    opens connections of its own. Use it as a context manager, or call `close`.

    Args:
        application_key: the application's key, from the dashboard.
        application_secret: the application's secret, from the dashboard.
        region: where the calls are handled: a name or short code of `Region`. Reports have one
            host for all regions, and so has the configuration of applications.
        auth: `signed`, or `basic`, which sends the secret with every request.
        canonical_resource: which form of the URL is signed, see `CanonicalResource`; `auto` finds
            out what the server accepts, and remembers it.
        timeout: seconds for each step of an attempt: to wait for a free connection, to connect
            (TLS and proxy included), to send, to wait for the answer, to read its content. A
            server that sends a byte now and then does not gain time by it. The answer to a callout
            gets 60 seconds, or more if this is more: giving up would not stop the call for sure.
        deadline: seconds for a whole call, retries and waits included; None for no limit. Only
            looking up the name of a host can overrun it, and only in the blocking client. Of a
            callout it limits connecting and sending; a deadline for all of it is an argument of
            that callout.
        retries: further attempts after the first where that is safe, or a whole RetryPolicy.
        calling_url: base URL of the calling API instead of the region's.
        reporting_url: base URL of the reporting API.
        configuration_url: base URL of `applications`.
        proxy: URL of an HTTP proxy, with user name and password in it if it wants them. Without
            it, HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY count as they are when the client
            is made, but not for loopback hosts. NO_PROXY may have hosts, domains, addresses and
            networks such as `10.0.0.0/8`.
        ssl_context: for private certificate authorities and client certificates. Without it,
            SSL_CERT_FILE and SSL_CERT_DIR count, and then the list of certifi.
        max_connections: connections that are open at a time, per client and process; further
            calls wait for one, within their timeout.
        keepalive: seconds for which an idle connection is kept; 0 closes each after its answer.
        headers: further headers of every request.
        user_agent_suffix: what follows in User-Agent, such as `myapp/1.0`.
        on_response: called with a `ResponseInfo` after each call that was sent or tried, for
            metrics. What it raises is logged, and does not change the result.
        transport: an httpx transport to use instead of our own connections: in tests, or with
            tools that patch httpx (`httpx.HTTPTransport()`). An escape hatch, outside the promise
            of compatibility.

    Raises:
        ConfigurationError: a setting is wrong; the message says which and why.
    """

    _connect = staticmethod(Exchange)

    @property
    def calls(self) -> Calls:
        """Look calls up and manage them."""
        return Calls(self._exchange)

    @property
    def callouts(self) -> Callouts:
        """Place calls."""
        from .callouts import Callouts  # as below

        return Callouts(self._exchange)

    @property
    def conferences(self) -> Conferences:
        """See who is in a conference, mute, hold and remove participants."""
        from .conferences import Conferences

        return Conferences(self._exchange)

    @property
    def applications(self) -> Applications:
        """Numbers and callback URLs of applications."""
        from .applications import Applications

        return Applications(self._exchange)

    @property
    def reports(self) -> Reports:
        """Reports on users, counters, services."""
        from .reports import Reports  # costs a fiftieth of a first call

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
        """Send a request that has no method of its own yet: signed, retried, with the same errors.

            voice.request("GET", "/counters/currentcalls", api="reporting").json()

        Args:
            method: HTTP method.
            path: below the base URL of the API, escaped as it is to travel.
            api: `calling`, `reporting` or `configuration`.
            json: what to send, anything that `json.dumps` takes; None sends nothing.
            params: of the query.
            headers: further headers.
            replayable: whether sending it twice does no harm, so that it may be tried again when
                it is not known whether the server acted; without it, that is so for GET, HEAD and
                OPTIONS.

        Returns:
            The response, with status, headers and content.

        Raises:
            InvalidRequest: an argument is wrong.
            ApiError: anything that went wrong on the way.
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
        """Close the connections; calls under way end with an error, and there can be no others."""
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
    """A client of Sinch Voice for asyncio: as `VoiceClient`, with the methods awaited.

        async with AsyncVoiceClient.from_env() as voice:
            call = await voice.calls.get("4398599d1ba84ef3bde0a82dfb61abed")

    Tasks of one event loop may share one, and should; in another loop it raises an EventLoopError.
    A call may be cancelled at any time: its connection is closed, and nothing else.
    """

    _connect = staticmethod(AsyncExchange)

    @property
    def calls(self) -> AsyncCalls:
        """Look calls up and manage them."""
        return AsyncCalls(self._exchange)

    @property
    def callouts(self) -> AsyncCallouts:
        """Place calls."""
        from .callouts import AsyncCallouts

        return AsyncCallouts(self._exchange)

    @property
    def conferences(self) -> AsyncConferences:
        """See who is in a conference, mute, hold and remove participants."""
        from .conferences import AsyncConferences

        return AsyncConferences(self._exchange)

    @property
    def applications(self) -> AsyncApplications:
        """Numbers and callback URLs of applications."""
        from .applications import AsyncApplications

        return AsyncApplications(self._exchange)

    @property
    def reports(self) -> AsyncReports:
        """Reports on users, counters, services."""
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
        """Send a request that has no method of its own yet; see `VoiceClient.request`."""
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
        """Close the connections; calls under way end with an error, and there can be no others."""
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
            f"the environment variable {name} is not set: copy its value from the "
            "application's page in the dashboard"
        )
    return value.reveal() or ""


def _log_as_told(level: str) -> None:
    """Show the log on standard error if SINCHVOICE_LOG says so; never the URLs."""
    if not level:
        return
    number = {"info": logging.INFO, "debug": logging.DEBUG}.get(level.lower())
    if number is None:
        raise ConfigurationError(
            f"SINCHVOICE_LOG is {level!r}: give 'info' or 'debug', or unset it"
        )
    logger = logging.getLogger("sinchvoice")
    logger.setLevel(number)
    if not logger.hasHandlers():  # who has set up logging sees the records there
        logger.addHandler(_Shown(sys.stderr))


class _Shown(_StreamHandler):
    """Shows what SINCHVOICE_LOG asks for, but the URLs."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        self.addFilter(lambda record: record.name == "sinchvoice")
