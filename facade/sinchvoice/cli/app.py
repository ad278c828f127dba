"""The commands, and hints on wrong ones."""

from __future__ import annotations

import os
import re
import shlex
import signal
import sys
import threading
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from difflib import get_close_matches
from functools import cache
from itertools import takewhile
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from .. import CallLeg, __version__, endpoints, signing
from ..errors import ConfigurationError, InvalidRequest, SinchVoiceError, printable
from .analysis import add_analysis
from .auditing import add_auditing
from .calling import add_calling
from .cdr import add_commands
from .explain import SignedRequest, read_signature, read_target, visible
from .options import (
    AccountOptions,
    ClientOptions,
    OutputOptions,
    PlainFlags,
    command,
    expanded,
    logged,
)
from .output import (
    EXIT_CODES,
    AlarmsRaised,
    DifferencesFound,
    OutputClosed,
    RejectsFound,
    ReportsMissing,
    SignatureMismatch,
    exit_code,
    show_error,
    write,
)
from .reports import add_reports
from .sandbox_cdr import add_command

__all__ = ["app", "run"]

_NAME = "sinchvoice"


def run(arguments: Sequence[str]) -> int:
    """Run a command, and return the exit code."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed before the program began
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115
    root, code = _tree(sys.stdout.isatty()), 0
    as_json = "--json" in takewhile(lambda argument: argument != "--", arguments)
    try:
        with _warnings_in_one_line():
            code = root.main(list(arguments), prog_name=_NAME, standalone_mode=False) or 0
            sys.stdout.flush()
    except (OutputClosed, BrokenPipeError) as error:
        # The reader is gone: send the interpreter's last flush nowhere.
        with suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = exit_code(error)
    except KeyboardInterrupt as error:
        code = exit_code(error)
    except typer.TyperException as error:
        _add_hints(error, root)
        show_error(error, as_json=as_json)
        code = exit_code(error)
    except (
        SinchVoiceError,
        SignatureMismatch,
        RejectsFound,
        ReportsMissing,
        AlarmsRaised,
        DifferencesFound,
        OSError,
    ) as error:
        show_error(error, as_json=as_json)
        code = exit_code(error)
    return code


@cache
def _tree(is_terminal: bool) -> Any:
    """Return the tree of commands, which is built once for a process."""
    app.rich_markup_mode = "rich" if is_terminal else None
    return typer.main.get_command(app)


class _Group(PlainFlags, TyperGroup):
    """A group that names similar commands for an unknown one."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if not args and not self.invoke_without_command and not ctx.resilient_parsing:
            typer.echo(ctx.get_help())
            raise typer.Exit(EXIT_CODES[typer.TyperException])
        return super().parse_args(ctx, args)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args[0] not in self.commands and not args[0].startswith("-"):
            error = InvalidRequest(
                f"{ctx.command_path} has no command {args[0]!r}: "
                f"give one of {', '.join(sorted(self.commands))}"
            )
            paths = [path for path, _ in _commands(ctx.find_root().command)]
            last = {path.rpartition(" ")[2]: path for path in reversed(paths)}
            here = [
                f"{ctx.command_path} {name}" for name in get_close_matches(args[0], self.commands)
            ]
            there = [last[name] for name in get_close_matches(args[0], last)]
            found = [last[args[0]]] if args[0] in last else here or there
            if found:
                error.add_note(f"did you mean: {' or '.join(dict.fromkeys(found))}")
            raise error
        return super().resolve_command(ctx, args)


def _commands(group: Any, path: str = _NAME) -> Iterator[tuple[str, Any]]:
    """Yield the name and object of each command and group below a group."""
    for name, member in group.commands.items():
        yield f"{path} {name}", member
        if isinstance(member, TyperGroup):
            yield from _commands(member, f"{path} {name}")


def _has(member: Any, option: str) -> bool:
    return any(option in parameter.opts for parameter in member.params)


def _add_hints(error: typer.TyperException, root: Any) -> None:
    possible = getattr(error, "possibilities", None)
    if hasattr(error, "possibilities"):  # an unknown option
        option = getattr(error, "option_name", "")
        owners = [path for path, member in _commands(root) if _has(member, option)]
        if not owners and _has(root, option):
            owners = [_NAME]
        error.message = f"unknown option {option}"
        vars(error)["possibilities"] = None  # typer would list them in the message
        if re.search("key|secret|credential", option):
            error.add_note(
                "credentials are never options, because other users can see them: set "
                "SINCH_APPLICATION_KEY and SINCH_APPLICATION_SECRET, or write the configuration "
                "file"
            )
        elif len(owners) > 3:
            groups = dict.fromkeys(" ".join(owner.split()[:2]) for owner in owners)
            error.add_note(f"{option} is an option of {', '.join(groups)}")
        elif owners:
            error.add_note(f"{option} is an option of {', '.join(owners)}")
        elif re.match("-[^-]", option):
            error.add_note("write -- before text that begins with a dash")
        elif possible:
            error.add_note(f"did you mean: {' or '.join(sorted(possible))}")
    context = getattr(error, "ctx", None)
    if context is not None:
        error.add_note(f"see {context.command_path} --help")


def _version(wanted: bool) -> None:
    if wanted:
        write(f"{_NAME} {__version__}")
        raise typer.Exit


app = typer.Typer(cls=_Group, pretty_exceptions_enable=False)
report_group, call_group, conference_group, number_group, callback_group = (
    typer.Typer(cls=_Group) for _ in range(5)
)
sign_group, cdr_group, sandbox_group = (typer.Typer(cls=_Group) for _ in range(3))
app.add_typer(report_group, name="report")
app.add_typer(call_group, name="call")
app.add_typer(conference_group, name="conference")
app.add_typer(number_group, name="number")
app.add_typer(callback_group, name="callback")
app.add_typer(sign_group, name="sign")
app.add_typer(cdr_group, name="cdr")
app.add_typer(sandbox_group, name="sandbox")


def _root(
    options: ClientOptions,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """Unofficial command line for Sinch Voice: calls, conferences, reports and call records.

    Key and secret come from SINCH_APPLICATION_KEY and SINCH_APPLICATION_SECRET, or from the
    configuration file sinchvoice/config.toml in ~/.config. Without an account, use a local server:
    run 'sinchvoice sandbox > sandbox.env &', then '. ./sandbox.env'.
    """


def _report(options: ClientOptions) -> None:
    """Report on calls, counters and services."""


def _call(options: ClientOptions) -> None:
    """Place, look up and control calls."""


def _conference(options: ClientOptions) -> None:
    """List and moderate the participants of conferences."""


def _number(options: ClientOptions) -> None:
    """List numbers, and assign them to applications."""


def _callback(options: ClientOptions) -> None:
    """Show and set the callback URLs of an application."""


def _sign(options: AccountOptions) -> None:
    """Find out why the server refuses a signature."""


def _cdr(options: OutputOptions) -> None:
    """Check, archive and analyze call detail records."""


app.callback()(expanded(_root))
report_group.callback()(expanded(_report))
call_group.callback()(expanded(_call))
conference_group.callback()(expanded(_conference))
number_group.callback()(expanded(_number))
callback_group.callback()(expanded(_callback))
sign_group.callback()(expanded(_sign))
cdr_group.callback()(expanded(_cdr))
add_commands(cdr_group)
add_analysis(cdr_group)
add_auditing(cdr_group)


# --- Calls ---------------------------------------------------------------------------------------

_CallId = Annotated[
    str,
    typer.Argument(metavar="CALL", help="Id of the call, or the callResourceUrl of a callback."),
]
_Leg = Annotated[CallLeg | None, typer.Option("--leg", help="Who hears it; by default the caller.")]
_Locale = Annotated[
    str | None,
    typer.Option("--locale", metavar="LOCALE", help="Language or voice, for example en-US."),
]


@command(call_group)
def get(options: ClientOptions, call: _CallId) -> None:
    """Show a call."""
    with logged(options), options.client() as voice:
        found = voice.calls.get(call)
    options.output.record(found.to_dict())


@command(call_group)
def hangup(options: ClientOptions, call: _CallId) -> None:
    """End an ongoing call."""
    with logged(options), options.client() as voice:
        voice.calls.hangup(call)
    _done(options, "hangup", call)


@command(call_group)
def say(
    options: ClientOptions,
    call: _CallId,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="Text to say.")],
    locale: _Locale = None,
    leg: _Leg = None,
) -> None:
    """Say a text in an ongoing call."""
    with logged(options), options.client() as voice:
        voice.calls.say(call, text, locale=locale, leg=leg)
    _done(options, "say", call)


@command(call_group)
def play(
    options: ClientOptions,
    call: _CallId,
    files: Annotated[
        list[str],
        typer.Argument(metavar="FILE", help="Ids of stored files, URLs, or #tts[…] prompts."),
    ],
    locale: _Locale = None,
    leg: _Leg = None,
) -> None:
    """Play files or prompts in an ongoing call."""
    with logged(options), options.client() as voice:
        voice.calls.play(call, *files, locale=locale, leg=leg)
    _done(options, "play", call)


@command(call_group)
def update(
    options: ClientOptions,
    call: _CallId,
    given: Annotated[
        str,
        typer.Argument(
            metavar="SVAML",
            help="JSON that begins with {, a file with JSON, or - for standard input.",
        ),
    ],
    leg: _Leg = None,
    raw: Annotated[
        bool, typer.Option("--raw", help="Send instructions and action unchecked.")
    ] = False,
) -> None:
    """Control an ongoing call with SVAML."""
    from .svaml_file import read_svaml

    svaml = read_svaml(given, "SVAML", raw=raw)
    with logged(options), options.client() as voice:
        if leg is None:
            voice.calls.update(call, svaml)
        else:
            voice.calls.manage_with_call_leg(call, leg, svaml)
    _done(options, "update", call)


def _done(options: OutputOptions, what: str, call: str) -> None:
    options.output.record({"done": what, "call": call})


add_reports(report_group)
add_calling(call_group, conference_group, number_group, callback_group)


# --- Signatures ----------------------------------------------------------------------------------


@command(sign_group)
def explain(
    options: AccountOptions,
    method: Annotated[str, typer.Argument(metavar="METHOD", help="HTTP method.")],
    url: Annotated[str, typer.Argument(metavar="URL", help="URL or path, escaped as sent.")],
    body: Annotated[
        str | None,
        typer.Option("--body", metavar="FILE", help="File with the body; - for standard input."),
    ] = None,
    content_type: Annotated[
        str | None,
        typer.Option(
            "--content-type",
            metavar="TYPE",
            help="Content-Type as sent; by default application/json if there is a body.",
        ),
    ] = None,
    timestamp: Annotated[
        str | None,
        typer.Option("--timestamp", metavar="TIME", help="x-timestamp as sent; by default now."),
    ] = None,
    signature: Annotated[
        str | None,
        typer.Option(
            "--signature",
            metavar="SIGNATURE",
            help="Signature to compare, alone or as an Authorization header.",
        ),
    ] = None,
) -> None:
    """Show how a request is signed, line by line, without sending it.

    With --signature and its --timestamp, show which form of the URL a signature matches, or which
    usual mistake it has. The exit code is 11 if it matches none.
    """
    if not re.fullmatch(r"[A-Za-z]+", method):
        raise InvalidRequest(f"METHOD is {method!r}: give a method like GET or PATCH")
    from .svaml_file import read_bytes

    target, content = read_target(url), b"" if body is None else read_bytes(body)
    for name, value in (("--content-type", content_type), ("--timestamp", timestamp)):
        if value is not None and not re.fullmatch(r"[ -~]*", value):
            raise InvalidRequest(f"{name} is {value!r}: use printable ASCII characters")
    if timestamp is not None and not re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d", timestamp):
        raise InvalidRequest(
            f"--timestamp is {timestamp!r}: give ISO 8601 in UTC, like 2014-06-04T13:41:58Z"
        )
    request = SignedRequest(
        credentials=options.credentials(),
        method=method.upper(),
        target=target,
        content_type=("application/json" if content else "")
        if content_type is None
        else content_type,
        timestamp=signing.format_timestamp(time.time()) if timestamp is None else timestamp,
        body=content,
    )
    if signature is not None and timestamp is None:
        raise InvalidRequest("--signature is given without its time: give its --timestamp")
    claimed, wanted = (None, None) if signature is None else read_signature(signature)
    if options.as_json:
        options.output.record(request.record(wanted))
    else:
        _show_request(options, request, wanted)
    if wanted is not None and all(found.signature != wanted for found in request.candidates()):
        mismatch = SignatureMismatch("the signature matches no form of this request")
        mistake = request.find_mistake(wanted)
        if claimed and claimed != request.credentials.application_key:
            mistake = f"the application key is {claimed}, not the configured one"
        mismatch.add_note(
            f"this mistake gives that signature: {mistake}"
            if mistake
            else "compare your lines with those above byte by byte, and check the secret"
        )
        raise mismatch


def _show_request(options: OutputOptions, request: SignedRequest, wanted: str | None) -> None:
    size = len(request.body)
    write(f"{request.method} {request.target}, {f'a body of {size} bytes' if size else 'no body'}")
    for candidate in request.candidates():
        write("")
        options.output.heading(candidate.describe())
        remarks = ["", "no body" * (size == 0), "no Content-Type" * (not request.content_type)]
        for number, line in enumerate(candidate.lines, 1):
            remark = "empty: " + remarks[number - 1] if not line else ""
            remark = "no line feed" if number == len(candidate.lines) else remark
            shown = visible(line, last=number == len(candidate.lines))
            write(f"  {number}  {shown}" + (f"   ({remark})" if remark else ""))
        write(
            f"  signature  {candidate.signature}" + "   (yours)" * (candidate.signature == wanted)
        )
        for name, value in request.headers(candidate).items():
            write(f"  {name}: {value}")


# --- Sandbox -------------------------------------------------------------------------------------


_FAULTS = (  # known without the extra
    "latency, latency-after, reset, reset-after, truncate, bad-gateway, bad-gateway-after, "
    "too-many-requests, too-many-requests-date, unavailable, content-type, clock-skew, canonical, "
    "redirect, late, twice, out-of-order, tampered, wrong-key, old"
)


def _sandbox(
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


sandbox_group.callback(invoke_without_command=True)(expanded(_sandbox))
add_command(sandbox_group)


@command(sandbox_group, "call")
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


# --- Warnings ------------------------------------------------------------------------------------


@contextmanager
def _warnings_in_one_line() -> Iterator[None]:
    def show(message: Warning | str, *_: Any, **__: Any) -> None:
        write(f"warning: {printable(str(message))}", sys.stderr)

    with warnings.catch_warnings():
        for kind in (UserWarning, RuntimeWarning):
            warnings.simplefilter("always", kind)
        warnings.showwarning = show
        yield
