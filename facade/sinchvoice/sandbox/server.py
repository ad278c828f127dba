"""Runs a sandbox in a thread of its own, and shows tests what is in it."""

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
from typing import Any, Literal, TypeAlias, cast

import attrs
import uvicorn
from uvicorn.protocols.http.auto import AutoHTTPProtocol
from uvicorn.protocols.utils import get_local_addr, get_remote_addr

from .. import endpoints
from ..endpoints import Endpoint, MxpEndpoint, OtherEndpoint, PstnEndpoint, SipEndpoint
from ..errors import InvalidRequest
from ..vocabulary import CallReason, CallResult
from .app import create_app
from .call import SandboxCall
from .clock import SandboxClock, length_of
from .deliveries import TIMEOUT, CallbackApp, Courier, SandboxCallback
from .dialogs import RING
from .faults import Fault, Injection
from .switchboard import CallbackUrls
from .wire import REGIONAL, Connections, Wire
from .world import NUMBERS, USERS, AccountNumber, SandboxRequest, World

__all__ = ["Sandbox", "SandboxApplication", "running"]

AsgiApp: TypeAlias = Callable[[Any, Any, Any], Awaitable[None]]

_START_TIMEOUT = 10.0  # seconds
_TEN_YEARS = 10 * 366 * 86_400  # seconds


@attrs.define(kw_only=True, eq=False, on_setattr=attrs.setters.frozen)
class SandboxApplication:
    """An application of a sandbox, with calls of its own.

    Attributes:
        calling_url: base URL of the calling API.
        configuration_url: base URL of the API for numbers and callback URLs.
        reporting_url: base URL of the reporting API.
        application_key: its key.
        application_secret: its secret.
    """

    calling_url: str
    configuration_url: str
    reporting_url: str
    application_key: str
    application_secret: str = attrs.field(repr=False)
    _world: World = attrs.field(repr=False, alias="world")

    @property
    def environ(self) -> Mapping[str, str]:
        """What `VoiceClient.from_env` needs to be this application; fit for `os.environ`, too."""
        return {
            "SINCH_APPLICATION_KEY": self.application_key,
            "SINCH_APPLICATION_SECRET": self.application_secret,
            "SINCH_VOICE_CALLING_URL": self.calling_url,
            "SINCH_VOICE_CONFIGURATION_URL": self.configuration_url,
            "SINCH_VOICE_REPORTING_URL": self.reporting_url,
        }

    @property
    def calls(self) -> Mapping[str, SandboxCall]:
        """Its calls by their ids, in the order in which they were added."""
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
        """Add a call, which then goes its way by the sandbox's clock.

        Args:
            to: who is called.
            from_: who calls; without it, the API leaves the caller out.
            call_id: its id; without it, a fresh one.
            started: when it began, with a time zone, and not in the future; without it, now.
            ring: seconds, or a timedelta, from its start until it is answered, or given up.
            duration: seconds, or a timedelta, from the answer until it ends by itself; without it,
                it goes on until it is hung up. Only answered calls have one.
            result: what becomes of it after ringing.
            reason: why it ends by itself; without it, CALLERHANGUP if it was answered, TIMEOUT if
                nobody answered.
            custom: what the application attached.

        Raises:
            InvalidRequest: an end is no endpoint, a time has no time zone or cannot be, the id is
                taken or no id, or the application is gone with a reset.
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
                f"started is {started!r}: give a time from 1971 until {now}, which it is in there"
            )
        if call_id is not None and not (
            isinstance(call_id, str) and call_id.isprintable() and call_id.strip(".")
        ):
            raise InvalidRequest(f"call_id is {call_id!r}: give text that is not empty, . or ..")
        seconds = [length_of("ring", ring)]
        if duration is not None:
            seconds.append(length_of("duration", duration))
        if sum(seconds) > _TEN_YEARS:
            raise InvalidRequest(f"the call lasts {sum(seconds):.0f} s: at most ten years")
        if duration is not None and result != CallResult.ANSWERED:
            raise InvalidRequest(f"duration is {duration!r} for a call that is {result}: leave out")
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
        """Where its callbacks go, unless a callout says otherwise; None sends none.

        Set it to a URL on loopback, or on a host that the sandbox was allowed; where there is a
        `callback_app`, a path will do.
        """
        return self._urls.primary or self._world.switchboard.courier.default_url

    @callback_url.setter
    def callback_url(self, url: str | None) -> None:
        self._set_urls(primary=self._read_url(url))

    @property
    def callback_fallback_url(self) -> str | None:
        """Where a callback goes that `callback_url` does not take; None if nowhere."""
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
        """Let somebody call, and return when the callbacks that this leads to are answered.

        Args:
            from_: who calls: an endpoint, or as text a phone number or an app user.
            to: who is called: a number of the application, which is the default, or for an app
                user whatever can be dialled, `OtherEndpoint("conference", id)` included. A number
                of the account rings at the application that it is assigned to.
            ring: seconds, or a timedelta, until the callee answers a connected call;
                `math.inf` until `call.answer()`. Without it, `box.ring`.
            custom: what the caller's app attached.
            call_headers: headers of the caller's app.

        Raises:
            InvalidRequest: an argument is wrong, or the application has no number.
        """
        caller = endpoints.parse(from_) if isinstance(from_, str) else from_
        callee, key = self._callee(to)
        if isinstance(caller, PstnEndpoint | SipEndpoint) and isinstance(callee, PstnEndpoint):
            callee = OtherEndpoint("did", callee.number)
        given = _ring_of(ring)
        if given is None:
            given = self._world.ring
        return self._world.receive_call(
            key,
            from_=caller,
            to=callee,
            ring=RING if given is None else given,
            custom=custom,
            call_headers=tuple((call_headers or {}).items()),
        )

    def _callee(self, to: Endpoint | str | None) -> tuple[Endpoint, str]:
        numbers = self._world.numbers
        if to is None:
            for number in numbers.values():
                if number.application_key == self.application_key:
                    return PstnEndpoint(number.number), self.application_key
            raise InvalidRequest(
                "the application has no number",
                parameter="to",
                remedy="say who is called, or assign a number of box.account_numbers",
            )
        callee = endpoints.parse(to) if isinstance(to, str) else to
        if not isinstance(callee, Endpoint):
            raise InvalidRequest(parameter="to", value=to, remedy="give an endpoint, or text")
        owned = numbers.get(callee.number) if isinstance(callee, PstnEndpoint) else None
        return callee, (owned and owned.application_key) or self.application_key

    def populate(self) -> None:
        """Add a week of calls between users and numbers, and an ongoing call of each kind."""
        self._world.populate(self.application_key)


@attrs.define(kw_only=True, eq=False, on_setattr=attrs.setters.frozen)
class Sandbox(SandboxApplication):
    """A sandbox that runs, seen as its first application; `add_application` makes others.

    Attributes:
        regional_url: base URL of its other region, where `faults.Redirect` sends clients.
    """

    regional_url: str
    _injections: list[Injection] = attrs.field(repr=False, alias="injections")
    _connections: Connections = attrs.field(repr=False, alias="connections")

    @property
    def clock(self) -> SandboxClock:
        """The time in which its calls live."""
        return self._world.clock

    @property
    def users(self) -> tuple[MxpEndpoint, ...]:
        """The app users between whom `populate` makes calls."""
        return USERS

    @property
    def numbers(self) -> tuple[PstnEndpoint, ...]:
        """The phone numbers to and from which `populate` makes calls."""
        return NUMBERS

    @property
    def ring(self) -> float | None:
        """Seconds until the callees of later calls answer.

        None, the default, lets it ring for a second, and not at all in a conference callout;
        `math.inf` until `call.answer()`. Incoming calls can say otherwise.
        """
        return self._world.ring

    @ring.setter
    def ring(self, seconds: float | timedelta | None) -> None:
        self._world.ring = _ring_of(seconds)

    @property
    def callback_app(self) -> CallbackApp | None:
        """An ASGI or WSGI application that gets all callbacks, without a socket.

        Its callbacks go to `http://localhost/sinch`, unless `callback_url` says otherwise.
        """
        return self._world.switchboard.courier.app

    @callback_app.setter
    def callback_app(self, app: CallbackApp | None) -> None:
        self._world.switchboard.courier.app = app

    @property
    def callbacks(self) -> list[SandboxCallback]:
        """The callbacks that were sent, in order; the last 10,000, or 32 MiB of them."""
        return self._world.switchboard.history

    def settle(self, timeout: float = 60.0) -> None:
        """Wait until the callbacks that are under way are answered, and what they lead to.

        After a request; what drives calls does it itself. A `callback_app` that calls it while it
        answers is not kept waiting.

        Args:
            timeout: seconds.

        Raises:
            TimeoutError: they are not answered in time.
        """
        self._world.switchboard.settle(timeout)

    @property
    def account_numbers(self) -> tuple[AccountNumber, ...]:
        """The numbers that applications can have; `add_number` makes more."""
        with self._world.lock:
            return tuple(self._world.numbers.values())

    def add_number(
        self, number: str, *, capability: Literal["voice", "sms"] = "voice"
    ) -> AccountNumber:
        """Add a number to the account, assigned to no application.

        Args:
            number: E.164, with its plus.
            capability: what it can do.

        Raises:
            InvalidRequest: it is not a number, is there already, or has no such capability.
        """
        endpoints.check_e164("number", number)
        if capability not in ("voice", "sms"):
            raise InvalidRequest(
                parameter="capability", value=capability, remedy="give 'voice' or 'sms'"
            )
        with self._world.lock:
            if number in self._world.numbers:
                raise InvalidRequest(f"the account has the number {number} already")
            added = self._world.numbers[number] = AccountNumber(number, capability)
        return added

    @property
    def services(self) -> dict[str, str]:
        """Its services and their status, `up` or `down`; change it to change them."""
        return self._world.services

    @property
    def requests(self) -> list[SandboxRequest]:
        """The requests that reached it, in order; the last 10,000."""
        return list(self._world.requests)

    @property
    def connections(self) -> int:
        """How many connections are open to it."""
        return len(self._connections)

    def add_application(self) -> SandboxApplication:
        """Add an application, with a key and a secret of its own."""
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
        """Let something go wrong, until the injection is stopped or the sandbox is reset.

        Args:
            fault: a fault that strikes again and again; or several, which strike one request each,
                in order, and then no more. None among them lets a request pass.
            on: the requests that it may strike: `*` for all, a method in any case, a path, or both,
                like `PATCH /calling/*`. Paths have wildcards; a host before one is compared with
                the request's Host header. For callbacks, an event stands in place of the method,
                like `ICE /sinch`.
            probability: of striking such a request, from 0 to 1. The dice are seeded.

        Raises:
            InvalidRequest: something is no fault, no route, or no probability.
        """
        injection = Injection(fault, on=on, probability=probability)
        with self._world.lock:
            self._injections.append(injection)
        return injection

    def write_cdr_files(
        self, folder: str | os.PathLike[str], day: date | None = None
    ) -> list[Path]:
        """Write the call detail records of a day, as `sinchvoice.cdr` reads them.

        Args:
            folder: where the files go; it is made if it is not there.
            day: in UTC; records belong to the day on which their calls ended. Without it,
                yesterday by the sandbox's clock.

        Returns:
            A file for each layout that has records, named `LAYOUT-YYYY-MM-DD.csv`.
        """
        from .call_files import write_calls

        with self._world.lock:
            wanted = day or (self.clock.now - timedelta(days=1)).date()
            return write_calls(Path(folder), self._world.calls.values(), wanted)

    def reset(self) -> None:
        """Begin anew: one application, no calls, no faults, no memory of requests.

        Requests that are under way are not carried out any more, and get no answer.
        """
        with self._world.lock:
            self._injections.clear()
            self._world.reset()
        self._world.switchboard.courier.reset()  # which waits for an application to shut down


@contextmanager
def running(
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    seed: int = 1,
    populated: bool = True,
    now: datetime | None = None,
    faults: Iterable[Injection] = (),
    callback_url: str | None = None,
    callback_fallback_url: str | None = None,
    callback_app: CallbackApp | None = None,
    callback_hosts: Iterable[str] = (),
    callback_timeout: float = TIMEOUT,
    middleware: Callable[[AsgiApp], AsgiApp] | None = None,
) -> Iterator[Sandbox]:
    """Run a sandbox until the block ends.

    Args:
        host: address to listen on. Another one than loopback lets strangers in: a warning is given.
        port: port to listen on; 0 takes a free one.
        seed: makes ids, calls and faults the same in every run.
        populated: begin with a week of calls between users and numbers and an ongoing call of each
            kind of endpoint; otherwise with none.
        now: where its time stands still until `box.clock.advance`, with a time zone; without it,
            time passes as it does. Signatures are judged by real time in both cases.
        faults: what goes wrong from the start.
        callback_url: where callbacks of the first application go, on loopback; `box.callback_url`.
        callback_fallback_url: where they go if that fails; `box.callback_fallback_url`.
        callback_app: an ASGI or WSGI application that gets all callbacks without a socket;
            `box.callback_app`.
        callback_hosts: names of hosts, with wildcards, that callbacks may go to besides loopback.
        callback_timeout: seconds that an application may take to answer.
        middleware: wraps the ASGI application, for what the faults cannot do.

    Raises:
        OSError: the address cannot be listened on.
        InvalidRequest: `now` has no time zone, the port is none, or callbacks may not go there.
    """
    if port not in range(65_536):
        raise InvalidRequest(f"port is {port!r}: give one from 0 to 65535")
    courier = Courier(callback_app, hosts=callback_hosts, timeout=callback_timeout)
    given = (callback_url, callback_fallback_url)
    urls = CallbackUrls(*(None if each is None else courier.read_url(each) for each in given))
    injections = list(faults)
    regions: dict[str, str] = {}
    world = World(seed=seed, now=now, courier=courier, injections=injections, region_urls=regions)
    world.begin_with(urls)
    connections = Connections()
    with _listen(host, port) as listener, _listen(host, 0) as regional:
        _warn_of_strangers(host, listener)
        url = _url(listener)
        regions.update({"": url, REGIONAL: _url(regional)})
        app = Wire(create_app(world), world, injections, connections, _url(regional))
        server = uvicorn.Server(
            uvicorn.Config(
                cast("Any", middleware(app) if middleware else app),
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
                raise RuntimeError("the sandbox stopped as it started; its log says why")
            yield box
        finally:
            world.switchboard.close()
            connections.close()
            server.should_exit = True
            thread.join(_START_TIMEOUT)


def _ring_of(value: float | timedelta | None) -> float | None:
    """Seconds of ringing; None for the default."""
    if value is None or value == math.inf:
        return None if value is None else math.inf
    return length_of("ring", value)


def _protocol(connections: Connections) -> Any:
    """The server's HTTP protocol, which also notes the open connections."""

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
        # The protocol is named because asyncio looks at it before it turns Nagle's delay off.
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
    if address.is_unspecified:  # every address of this machine: clients here take loopback
        address = ipaddress.ip_address("127.0.0.1" if address.version == 4 else "::1")
    return f"http://[{address}]:{port}" if address.version == 6 else f"http://{address}:{port}"


def _warn_of_strangers(host: str, listener: socket.socket) -> None:
    if not ipaddress.ip_address(listener.getsockname()[0]).is_loopback:
        warnings.warn(
            f"the sandbox listens on {host}, where others can reach it: its secret is published. "
            "It speaks plain HTTP, which VoiceClient only does on loopback: clients elsewhere need "
            "a proxy with TLS in front of it",
            RuntimeWarning,
            stacklevel=4,  # running's caller, past the context manager
        )


def _wait_until(condition: Callable[[], Any]) -> None:
    deadline = time.monotonic() + _START_TIMEOUT
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"the sandbox did not start within {_START_TIMEOUT:.0f} s")
        time.sleep(0.005)
