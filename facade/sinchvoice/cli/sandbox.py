"""The command `sinchvoice sandbox`, and the commands below it."""

from __future__ import annotations

import shlex
import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Annotated, Any

import typer

from .. import endpoints
from ..errors import ConfigurationError, InvalidRequest
from .options import ClientOptions, OutputOptions, command, expanded, logged
from .output import write
from .sandbox_cdr import made_up

__all__ = ["add"]


def add(group: typer.Typer) -> None:
    """Add help and commands to the group."""
    group.callback(invoke_without_command=True)(expanded(serve))
    command(group, made_up, "cdr")
    command(group, incoming_call, "call")


_FAULTS = (  # known without the extra
    "latency, latency-after, reset, reset-after, truncate, bad-gateway, bad-gateway-after, "
    "too-many-requests, too-many-requests-date, unavailable, content-type, clock-skew, canonical, "
    "redirect, late, twice, out-of-order, tampered, wrong-key, old"
)


def serve(
    options: OutputOptions,
    host: Annotated[
        str, typer.Option("--host", metavar="ADDRESS", help="Address to listen on.")
    ] = "127.0.0.1",
    port: Annotated[
        int,
        typer.Option(
            "--port",
            metavar="PORT",
            min=0,
            max=65535,
            help="Port to listen on; 0 chooses a free one.",
        ),
    ] = 0,
    seed: Annotated[
        int,
        typer.Option("--seed", metavar="N", help="Seed of ids and calls, the same in every run."),
    ] = 1,
    callback_url: Annotated[
        str | None,
        typer.Option(
            "--callback-url",
            metavar="URL",
            help="URL for callbacks, on loopback or a --callback-host.",
        ),
    ] = None,
    callback_host: Annotated[
        list[str] | None,
        typer.Option(
            "--callback-host",
            metavar="HOST",
            help="Host allowed for callbacks, with wildcards; may be repeated.",
        ),
    ] = None,
    fault: Annotated[
        list[str] | None,
        typer.Option(
            "--fault",
            metavar="FAULT",
            help="Fault to inject, for example 'reset-after', 'latency=0.2 10% on GET' or "
            "'unavailable=5 on PATCH /calling/*'; may be repeated. "
            f"Names: {_FAULTS}.",
        ),
    ] = None,
    console: Annotated[
        bool,
        typer.Option(
            "--console",
            help="Serve pages with the calls and a telephone, and print their address.",
        ),
    ] = False,
) -> None:
    """Run a local Sinch Voice until Ctrl-C.

    Prints the environment variables that direct the other commands to it: run 'sinchvoice sandbox >
    sandbox.env &', then '. ./sandbox.env'. Comments in the output list its calls, users and
    numbers.
    """
    try:
        from ..sandbox import running
        from ..sandbox.faults import Injection
    except ModuleNotFoundError as error:
        if "sinchvoice[sandbox]" not in str(error):
            raise
        raise ConfigurationError(str(error)) from None
    injections = [Injection.parse(text) for text in fault or ()]
    stop = threading.Event()
    handlers = {
        number: signal.signal(number, lambda *_: stop.set())
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        with ExitStack() as stack:
            stack.enter_context(logged(options, "sinchvoice.sandbox"))
            try:
                box = stack.enter_context(
                    running(
                        host=host,
                        port=port,
                        seed=seed,
                        faults=injections,
                        callback_url=callback_url,
                        callback_hosts=callback_host or (),
                        console=console,
                    )
                )
            except ModuleNotFoundError as error:
                raise ConfigurationError(str(error)) from None
            except (OSError, UnicodeError) as error:
                reason = getattr(error, "strerror", None) or error
                raise InvalidRequest(f"cannot listen on {host}, port {port}: {reason}") from error
            if options.as_json:
                address = {} if box.console_url is None else {"console_url": box.console_url}
                options.output.record({**box.environ, **address})
            else:
                for name, value in box.environ.items():
                    write(f"export {name}={shlex.quote(value)}")
                for line in _inventory(box):
                    write(f"# {line}")
            while not stop.wait(0.5):  # some systems do not interrupt a wait without a limit
                pass
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def _inventory(box: Any) -> Iterator[str]:
    """Yield the contents of a sandbox, as comments for a shell."""
    yield "ongoing calls:"
    for call in box.calls.values():
        if call.ended is None:
            ends = [
                str((end and end.to_wire()["endpoint"]) or "?") for end in (call.from_, call.to)
            ]
            yield f"  {call.call_id}  {' -> '.join(ends)}"
    yield f"users: {', '.join(user.username for user in box.users)}"
    yield f"numbers: {', '.join(number.number for number in box.numbers)}"
    own = [each.number for each in box.account_numbers]
    yield f"numbers of the account: {', '.join(own)}; the first one reaches the application"
    yield f"callbacks: {box.callback_url or 'none; set --callback-url'}"
    if box.console_url is not None:
        yield f"console: {box.console_url}"
    yield "stop with Ctrl-C"


def incoming_call(
    options: ClientOptions,
    caller: Annotated[
        str,
        typer.Argument(
            metavar="FROM",
            help="Caller: a number with its plus, or an app user; number:…, username:… and sip:… "
            "are explicit.",
        ),
    ],
    callee: Annotated[
        str | None,
        typer.Argument(
            metavar="[TO]", help="Callee; by default the first number of the application."
        ),
    ] = None,
) -> None:
    """Make an incoming call in a running sandbox.

    The sandbox sends the callbacks of the call to its --callback-url.
    """
    ends = {"from": caller} if callee is None else {"from": caller, "to": callee}
    for end in ends.values():
        endpoints.parse(end)  # has the clearest error
    with logged(options), options.sandbox_client() as voice:
        response = voice.request("POST", "/sandbox/incoming-calls", json=ends)
    options.output.record({"call_id": response.json()["callId"]})
