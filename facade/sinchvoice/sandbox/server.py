"""Runs a sandbox in a thread, and gives tests access to its state."""

from __future__ import annotations

import ipaddress
import math
import os
import socket
import threading
import time
import warnings
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast

import attrs
import uvicorn
from uvicorn.protocols.http.auto import AutoHTTPProtocol
from uvicorn.protocols.utils import get_local_addr, get_remote_addr

from .. import endpoints
from ..endpoints import Endpoint, MxpEndpoint, PstnEndpoint
from ..errors import InvalidRequest
from ..vocabulary import CallReason, CallResult
from .app import create_app
from .call import SandboxCall
from .clock import SandboxClock, length_of
from .deliveries import TIMEOUT, CallbackApp, Courier, SandboxCallback
from .faults import Fault, Injection, read_injections
from .journal import Journal
from .recorder import Recorder
from .switchboard import CallbackUrls
from .wire import REGIONAL, Connections, Wire
from .world import NUMBERS, USERS, AccountNumber, SandboxRequest, World

if TYPE_CHECKING:
    from .console import Gate

__all__ = ["Sandbox", "SandboxApplication", "running"]

AsgiApp: TypeAlias = Callable[[Any, Any, Any], Awaitable[None]]

_START_TIMEOUT = 10.0  # seconds
_TEN_YEARS = 10 * 366 * 86_400  # seconds


@attrs.define(kw_only=True, eq=False, on_setattr=attrs.setters.frozen)
class SandboxApplication:
    """An application of a sandbox, with its own calls.

    Attributes:
        calling_url: Base URL of the calling API.
        configuration_url: Base URL of the API for numbers and callback URLs.
        reporting_url: Base URL of the reporting API.
        application_key: Its key.
        application_secret: Its secret.
    """

    calling_url: str
    configuration_url: str
    reporting_url: str
    application_key: str
    application_secret: str = attrs.field(repr=False)
    _world: World = attrs.field(repr=False, alias="world")

    @property
    def environ(self) -> Mapping[str, str]:
        """Credentials and URLs of this application, for `VoiceClient.from_env` or `os.environ`."""
        return {
            "SINCH_APPLICATION_KEY": self.application_key,
            "SINCH_APPLICATION_SECRET": self.application_secret,
            "SINCH_VOICE_CALLING_URL": self.calling_url,
            "SINCH_VOICE_CONFIGURATION_URL": self.configuration_url,
            "SINCH_VOICE_REPORTING_URL": self.reporting_url,
        }

    @property
    def calls(self) -> Mapping[str, SandboxCall]:
        """The calls of the application by id, oldest first."""
        with self._world.lock:
            return {
                call_id: call
                for call_id, call in self._world.calls.items()
                if call.application_key == self.application_key
            }

    def add_call(
        self,
        *,
        to: Endpoint,
        from_: Endpoint | None = None,
        call_id: str | None = None,
        started: datetime | None = None,
        ring: float | timedelta = 0,
        duration: float | timedelta | None = None,
        result: CallResult = CallResult.ANSWERED,
        reason: CallReason | None = None,
        custom: str = "{}",
    ) -> SandboxCall:
        """Add a call, whose state then follows the sandbox's clock.

        Args:
            to: The callee.
            from_: The caller; without it, the API omits the caller.
            call_id: Id of the call; without it, a new one.
            started: When the call began, with a time zone and not in the future; by default now.
            ring: Seconds or a timedelta from the start until the call is answered or given up.
            duration: Seconds or a timedelta from the answer to the end, for answered calls only;
                without it, the call lasts until it is hung up.
            result: Result of the call after ringing.
            reason: Why the call ends; by default CALLERHANGUP after an answer, TIMEOUT after
                NOANSWER.
            custom: Text attached by the application.

        Raises:
            InvalidRequest: An endpoint or a time is invalid, the id is invalid or in use, or a
                reset removed the application.
        """
        for name, end in (("to", to), ("from_", from_)):
            if not isinstance(end, Endpoint) and (end is not None or name == "to"):
                raise InvalidRequest(f"{name} is {end!r}: give an endpoint, like PstnEndpoint(…)")
        if not isinstance(custom, str):
            raise InvalidRequest(f"custom is {custom!r}: give text, for example JSON")
        try:
            result, reason = CallResult(result), None if reason is None else CallReason(reason)
        except ValueError as error:
            raise InvalidRequest(
                f"{error}: give a CallResult ({', '.join(CallResult)}) and a CallReason"
            ) from None
        now = self._world.clock.now
        if started is not None and (not isinstance(started, datetime) or started.tzinfo is None):
            raise InvalidRequest(
                f"started is {started!r}: give a datetime with a time zone, like UTC"
            )
        if started is not None and not (started.year > 1970 and started <= now):
            raise InvalidRequest(
                f"started is {started!r}: give a time from 1971 to {now}, the sandbox's time"
            )
        if call_id is not None and not (
            isinstance(call_id, str) and call_id.isprintable() and call_id.strip(".")
        ):
            raise InvalidRequest(
                f"call_id is {call_id!r}: give printable text other than '', '.' and '..'"
            )
        seconds = [length_of("ring", ring)]
        if duration is not None:
            seconds.append(length_of("duration", duration))
        if sum(seconds) > _TEN_YEARS:
            raise InvalidRequest(f"the call lasts {sum(seconds):.0f} s: give at most ten years")
        if duration is not None and result != CallResult.ANSWERED:
            raise InvalidRequest(f"duration is {duration!r} for a call that is {result}: remove it")
        return self._world.add(
            call_id,
            application_key=self.application_key,
            from_=from_,
            to=to,
            started=now if started is None else started.astimezone(UTC),
            ring=seconds[0],
            duration=seconds[1] if duration is not None else None,
            result=result,
            reason=reason,
            custom=custom,
        )

    @property
    def callback_url(self) -> str | None:
        """The URL for callbacks, except for callouts with their own; None sends none.

        It must be on loopback or on a host in `callback_hosts`. With a `callback_app`, it may be
        a path.
        """
        return self._urls.primary or self._world.switchboard.courier.default_url

    @callback_url.setter
    def callback_url(self, url: str | None) -> None:
        self._set_urls(primary=self._read_url(url))

    @property
    def callback_fallback_url(self) -> str | None:
        """The URL for callbacks that fail at `callback_url`; None for no second attempt."""
        return self._urls.fallback

    @callback_fallback_url.setter
    def callback_fallback_url(self, url: str | None) -> None:
        self._set_urls(fallback=self._read_url(url))

    @property
    def _urls(self) -> CallbackUrls:
        return self._world.switchboard.urls.get(self.application_key, CallbackUrls())

    def _set_urls(self, **changes: str | None) -> None:
        with self._world.lock:
            urls = attrs.evolve(self._urls, **changes)
            self._world.switchboard.urls[self.application_key] = urls

    def _read_url(self, url: str | None) -> str | None:
        return None if url is None else self._world.switchboard.courier.read_url(url)

    def incoming_call(
        self,
        *,
        from_: Endpoint | str,
        to: Endpoint | str | None = None,
        ring: float | timedelta | None = None,
        custom: str = "",
        call_headers: Mapping[str, str] | None = None,
    ) -> SandboxCall:
        """Make an incoming call, and return when all resulting callbacks are answered.

        Args:
            from_: The caller: an endpoint, or text for a phone number or an app user.
            to: The callee: by default the application's number. An app user may dial anything,
                including `OtherEndpoint("conference", id)`. A call to a number of the account
                reaches the application that the number is assigned to.
            ring: Seconds or a timedelta until the callee answers a connected call; `math.inf`
                waits for `call.answer()`. By default `box.ring`.
            custom: Text attached by the caller's app.
            call_headers: Headers of the caller's app.

        Raises:
            InvalidRequest: An argument is wrong, or the application has no number.
        """
        call = self._world.receive_call(
            self.application_key,
            from_=from_,
            to=to,
            ring=_ring_of(ring),
            custom=custom,
            call_headers=tuple((call_headers or {}).items()),
        )
        self._world.switchboard.settle()
        return call

    def populate(self) -> None:
        """Add a week of calls between users and numbers, and one ongoing call of each kind."""
        self._world.populate(self.application_key)


@attrs.define(kw_only=True, eq=False, on_setattr=attrs.setters.frozen)
class Sandbox(SandboxApplication):
    """A running sandbox and its first application; `add_application` makes others.

    Attributes:
        regional_url: Base URL of its other region, the target of `faults.Redirect`.
        console_url: URL of its console, with the access token; None without a console.
    """

    regional_url: str
    console_url: str | None = attrs.field(default=None, repr=False)
    _injections: list[Injection] = attrs.field(repr=False, alias="injections")
    _connections: Connections = attrs.field(repr=False, alias="connections")

    @property
    def clock(self) -> SandboxClock:
        """The clock of its calls."""
        return self._world.clock

    @property
    def users(self) -> tuple[MxpEndpoint, ...]:
        """The app users in the calls of `populate`."""
        return USERS

    @property
    def numbers(self) -> tuple[PstnEndpoint, ...]:
        """The phone numbers in the calls of `populate`."""
        return NUMBERS

    @property
    def ring(self) -> float | None:
        """Seconds until the callees of later calls answer, unless `incoming_call` sets `ring`.

        None, the default, is one second, or zero for a conference callout; `math.inf` waits for
        `call.answer()`.
        """
        return self._world.ring

    @ring.setter
    def ring(self, seconds: float | timedelta | None) -> None:
        self._world.ring = _ring_of(seconds)

    @property
    def callback_app(self) -> CallbackApp | None:
        """An ASGI or WSGI application that receives all callbacks, without a socket.

        Their URL is `http://localhost/sinch`, or `callback_url`.
        """
        return self._world.switchboard.courier.app

    @callback_app.setter
    def callback_app(self, app: CallbackApp | None) -> None:
        self._world.switchboard.courier.app = app

    @property
    def callbacks(self) -> list[SandboxCallback]:
        """The callbacks sent, in order; the last 10,000, or 32 MiB of them."""
        return self._world.switchboard.history

    def settle(self, timeout: float = 60.0) -> None:
        """Wait until all callbacks in progress, and those they cause, are answered.

        This is for use after a request; methods that drive calls do it. A `callback_app` that calls
        it while answering does not wait.

        Args:
            timeout: Seconds.

        Raises:
            TimeoutError: They are not answered in time.
        """
        self._world.switchboard.settle(timeout)

    @property
    def account_numbers(self) -> tuple[AccountNumber, ...]:
        """The numbers of the account; `add_number` adds more."""
        with self._world.lock:
            return tuple(self._world.numbers.values())

    def add_number(
        self, number: str, *, capability: Literal["voice", "sms"] = "voice"
    ) -> AccountNumber:
        """Add a number to the account, assigned to no application.

        Args:
            number: Number in E.164 form, with the plus.
            capability: `voice` or `sms`.

        Raises:
            InvalidRequest: The number is invalid or exists already, or the capability is unknown.
        """
        endpoints.check_e164("number", number)
        if capability not in ("voice", "sms"):
            raise InvalidRequest(
                parameter="capability", value=capability, remedy="give 'voice' or 'sms'"
            )
        with self._world.lock:
            if number in self._world.numbers:
                raise InvalidRequest(f"the account already has the number {number}: add another")
            added = self._world.numbers[number] = AccountNumber(number, capability)
        return added

    @property
    def services(self) -> dict[str, str]:
        """The services and their status, `up` or `down`; change the dict to change them."""
        return self._world.services

    @property
    def requests(self) -> list[SandboxRequest]:
        """The requests received, in order; the last 10,000."""
        return list(self._world.requests)

    @property
    def connections(self) -> int:
        """Number of open connections."""
        return len(self._connections)

    def add_application(self) -> SandboxApplication:
        """Add an application, with its own key and secret."""
        credentials = self._world.add_application()
        return SandboxApplication(
            calling_url=self.calling_url,
            configuration_url=self.configuration_url,
            reporting_url=self.reporting_url,
            application_key=credentials.application_key,
            application_secret=credentials.application_secret,
            world=self._world,
        )

    def inject(
        self,
        fault: Fault | Iterable[Fault | None],
        *,
        on: str = "*",
        probability: float = 1.0,
    ) -> Injection:
        """Inject a fault, until the injection is stopped or the sandbox is reset.

        Args:
            fault: A fault that strikes repeatedly; or several that strike one request each, in
                order, and then stop. None among them lets a request pass.
            on: The requests to strike: `*` for all, a method in any case, a path, or both, like
                `PATCH /calling/*`. Paths may have wildcards; a host before the path is compared
                with the Host header. For callbacks, an event replaces the method, like
                `ICE /sinch`.
            probability: Probability of striking a selected request, from 0 to 1; the random numbers
                are seeded.

        Raises:
            InvalidRequest: An argument is not a fault, a route or a probability.
        """
        injection = Injection(fault, on=on, probability=probability)
        with self._world.lock:
            self._injections.append(injection)
        return injection

    def write_cdr_files(
        self, folder: str | os.PathLike[str], day: date | None = None
    ) -> list[Path]:
        """Write the call detail records of a day, for `sinchvoice.cdr`.

        Args:
            folder: Folder for the files, created if missing.
            day: Day in UTC on which the calls ended; by default yesterday, by the sandbox's clock.

        Returns:
            A file for each layout with records, named `LAYOUT-YYYY-MM-DD.csv`.
        """
        from .call_files import write_calls

        with self._world.lock:
            wanted = day or (self.clock.now - timedelta(days=1)).date()
            return write_calls(Path(folder), self._world.calls.values(), wanted)

    def reset(self) -> None:
        """Start again with one application, and without calls, faults and recorded requests.

        Requests in progress are not carried out, and get no answer.
        """
        with self._world.lock:
            self._injections.clear()
            self._world.reset()
        self._world.switchboard.courier.reset()  # waits for an application to shut down


@contextmanager
def running(
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    seed: int = 1,
    populated: bool = True,
    now: datetime | None = None,
    faults: Iterable[Injection] | Iterable[str] = (),
    callback_url: str | None = None,
    callback_fallback_url: str | None = None,
    callback_app: CallbackApp | None = None,
    callback_hosts: Iterable[str] = (),
    callback_timeout: float = TIMEOUT,
    middleware: Callable[[AsgiApp], AsgiApp] | None = None,
    console: bool = False,
) -> Iterator[Sandbox]:
    """Run a sandbox until the block ends.

    Args:
        host: Address to listen on. An address other than loopback admits other machines, and gives
            a warning.
        port: Port to listen on; 0 chooses a free one.
        seed: Makes ids, calls and faults the same in every run.
        populated: Whether to begin with a week of calls between users and numbers and an ongoing
            call of each kind of endpoint, or without calls.
        now: Time, with a time zone, at which the clock stands still until `box.clock.advance`; by
            default, it follows real time. Signatures are always checked by real time.
        faults: Faults from the start; as text, like `latency=0.2 10% on GET`, see
            `Injection.parse`.
        callback_url: URL for callbacks of the first application, on loopback; `box.callback_url`.
        callback_fallback_url: URL for callbacks that fail there; `box.callback_fallback_url`.
        callback_app: An ASGI or WSGI application that receives all callbacks without a socket;
            `box.callback_app`.
        callback_hosts: Names of hosts, with wildcards, allowed for callbacks besides loopback.
        callback_timeout: Seconds for the application's answer.
        middleware: Wrapper of the ASGI application, for failures that are not in `faults`.
        console: Whether to serve pages with the calls and a telephone at `box.console_url`; on
            loopback only.

    Raises:
        OSError: The sandbox cannot listen on the address.
        InvalidRequest: `now` has no time zone, the port or a fault is invalid, a callback URL is
            not allowed, or the console would be on an address other than loopback.
        ModuleNotFoundError: The console needs jinja2, which the extra `sandbox` installs.
    """
    if port not in range(65_536):
        raise InvalidRequest(f"port is {port!r}: give a port from 0 to 65535")
    courier = Courier(callback_app, hosts=callback_hosts, timeout=callback_timeout)
    given = (callback_url, callback_fallback_url)
    urls = CallbackUrls(*(None if each is None else courier.read_url(each) for each in given))
    injections = read_injections(faults)
    regions: dict[str, str] = {}
    make_pages = _console() if console else None
    journal = Journal() if console else None
    world = World(
        seed=seed,
        now=now,
        courier=courier,
        injections=injections,
        region_urls=regions,
        journal=journal,
    )
    world.begin_with(urls)
    connections = Connections()
    with _listen(host, port) as listener, _listen(host, 0) as regional:
        if console:
            _require_loopback(listener)
        _warn_of_strangers(host, listener)
        url = _url(listener)
        regions.update({"": url, REGIONAL: _url(regional)})
        recorder = None if journal is None else Recorder(journal, world)
        app: AsgiApp = Wire(
            create_app(world), world, injections, connections, _url(regional), recorder
        )
        if middleware is not None:
            app = middleware(app)
        gate = None
        if make_pages is not None:
            app = gate = make_pages(app, world, injections, connections, url)
        server = uvicorn.Server(
            uvicorn.Config(
                cast("Any", app),
                access_log=False,
                date_header=False,
                http=_protocol(connections),
                lifespan="off",
                log_config=None,
                log_level="warning",
                proxy_headers=False,
                server_header=False,
                timeout_graceful_shutdown=1,
                timeout_keep_alive=60,
                ws="none",
            )
        )
        thread = threading.Thread(
            target=server.run,
            args=([listener, regional],),
            name="sinchvoice-sandbox",
            daemon=True,
        )
        (credentials,) = world.applications.values()
        box = Sandbox(
            calling_url=url,
            configuration_url=url,
            reporting_url=f"{url}/v1",
            regional_url=_url(regional),
            console_url=None if gate is None else gate.url,
            application_key=credentials.application_key,
            application_secret=credentials.application_secret,
            world=world,
            injections=injections,
            connections=connections,
        )
        if populated:
            box.populate()
        thread.start()
        try:
            _wait_until(lambda: server.started or not thread.is_alive())
            if not thread.is_alive():
                raise RuntimeError("the sandbox stopped while starting: see its log")
            yield box
        finally:
            world.switchboard.close()
            connections.close()
            server.should_exit = True
            thread.join(_START_TIMEOUT)


def _console() -> Callable[..., Gate]:
    """Import and return the function that makes the console, which needs other packages."""
    try:
        from .console import open_console
    except ModuleNotFoundError as error:
        if error.name not in ("jinja2", "markupsafe"):
            raise
        raise ModuleNotFoundError(
            f"the console needs {error.name}: pip install 'sinchvoice[sandbox]'", name=error.name
        ) from None
    return open_console


def _require_loopback(listener: socket.socket) -> None:
    address = listener.getsockname()[0]
    if not ipaddress.ip_address(address).is_loopback:
        raise InvalidRequest(
            parameter="host",
            value=address,
            remedy="the console is for this machine only: listen on 127.0.0.1, or omit the console",
        )


def _ring_of(value: float | timedelta | None) -> float | None:
    """Return the seconds of ringing; None for the default."""
    if value is None or value == math.inf:
        return None if value is None else math.inf
    return length_of("ring", value)


def _protocol(connections: Connections) -> Any:
    """Return the server's HTTP protocol, which also registers the open connections."""

    class Protocol(AutoHTTPProtocol):  # type: ignore[misc,valid-type]
        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self.addresses: tuple[Any, Any] = (
                get_remote_addr(transport),
                get_local_addr(transport),
            )
            connections.add(self.addresses, transport)

        def data_received(self, data: bytes) -> None:
            connections.expect_head(self.addresses)
            super().data_received(data)

        def connection_lost(self, exc: Exception | None) -> None:
            connections.remove(self.addresses)
            super().connection_lost(exc)

    return Protocol


def _listen(host: str, port: int) -> socket.socket:
    family, kind, proto, _, address = socket.getaddrinfo(
        # asyncio turns off Nagle's delay only for sockets whose protocol is named.
        host,
        port,
        type=socket.SOCK_STREAM,
        proto=socket.IPPROTO_TCP,
    )[0]
    listener = socket.socket(family, kind, proto)
    try:
        if os.name == "posix":  # on Windows it would share a port that is in use
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(1024)
    except OSError:
        listener.close()
        raise
    return listener


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    address = ipaddress.ip_address(host)
    if address.is_unspecified:  # all addresses of this machine: clients here use loopback
        address = ipaddress.ip_address("127.0.0.1" if address.version == 4 else "::1")
    return f"http://[{address}]:{port}" if address.version == 6 else f"http://{address}:{port}"


def _warn_of_strangers(host: str, listener: socket.socket) -> None:
    if not ipaddress.ip_address(listener.getsockname()[0]).is_loopback:
        warnings.warn(
            f"the sandbox listens on {host}, where other machines can reach it, and its secret is "
            "public. It speaks plain HTTP, which VoiceClient accepts only on loopback: for clients "
            "elsewhere, put a proxy with TLS in front",
            RuntimeWarning,
            stacklevel=4,  # the caller of running, past the context manager
        )


def _wait_until(condition: Callable[[], Any]) -> None:
    deadline = time.monotonic() + _START_TIMEOUT
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"the sandbox did not start within {_START_TIMEOUT:.0f} s")
        time.sleep(0.005)
