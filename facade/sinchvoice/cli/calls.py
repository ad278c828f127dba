"""The commands of `sinchvoice call`: control calls, and place them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .. import CallDomain, CallLeg
from ..errors import InvalidRequest
from .options import ClientOptions, OutputOptions, command, expanded, logged

if TYPE_CHECKING:
    from ..callouts import Callout
    from ..svaml import Svaml

__all__ = ["add"]


def add(group: typer.Typer) -> None:
    """Add help and commands to the group."""
    group.callback()(expanded(about))
    command(group, get)
    command(group, hangup)
    command(group, say)
    command(group, play)
    command(group, update)
    command(group, tts)
    command(group, join, "conference")
    command(group, custom)


def about(options: ClientOptions) -> None:
    """Place, look up and control calls."""


_Locale = Annotated[
    str | None,
    typer.Option("--locale", metavar="LOCALE", help="Language or voice, for example en-US."),
]


# --- Ongoing calls -------------------------------------------------------------------------------

_CallId = Annotated[
    str,
    typer.Argument(metavar="CALL", help="Id of the call, or the callResourceUrl of a callback."),
]
_Leg = Annotated[CallLeg | None, typer.Option("--leg", help="Who hears it; by default the caller.")]


def get(options: ClientOptions, call: _CallId) -> None:
    """Show a call."""
    with logged(options), options.client() as voice:
        found = voice.calls.get(call)
    options.output.record(found.to_dict())


def hangup(options: ClientOptions, call: _CallId) -> None:
    """End an ongoing call."""
    with logged(options), options.client() as voice:
        voice.calls.hangup(call)
    _done(options, "hangup", call)


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


# --- Callouts ------------------------------------------------------------------------------------

_Destination = Annotated[
    str,
    typer.Argument(
        metavar="ENDPOINT",
        help="Number to call, with its plus, or an app user; number:…, username:… and sip:… are "
        "explicit.",
    ),
]
_Cli = Annotated[
    str | None,
    typer.Option(
        "--cli", metavar="NUMBER", help="Number to show: verified, or one of the account's."
    ),
]
_Domain = Annotated[
    CallDomain | None,
    typer.Option("--domain", help="Where the callee is: pstn for a phone, mxp for an app."),
]
_Dtmf = Annotated[
    str | None,
    typer.Option(
        "--dtmf",
        metavar="KEYS",
        help="Keys to press after the answer: 0-9 and #; w pauses for half a second.",
    ),
]
_Custom = Annotated[
    str | None, typer.Option("--custom", metavar="TEXT", help="Text that callbacks repeat.")
]
_MaxDuration = Annotated[
    int | None,
    typer.Option("--max-duration", metavar="SECONDS", help="Time limit for the call."),
]
_Ace = Annotated[
    bool, typer.Option("--enable-ace", help="Send an ACE callback when the call is answered.")
]
_Dice = Annotated[
    bool, typer.Option("--enable-dice", help="Send a DiCE callback when the call ends.")
]
_Headers = Annotated[
    list[str] | None,
    typer.Option(
        "--callback-header",
        metavar="NAME=VALUE",
        help="Header X-CB-… that callbacks repeat; may be repeated, at most 5 times.",
    ),
]


def tts(
    options: ClientOptions,
    destination: _Destination,
    text: Annotated[
        str | None, typer.Argument(metavar="[TEXT]", help="Text to say, unless --prompts is given.")
    ] = None,
    prompts: Annotated[
        str | None,
        typer.Option(
            "--prompts",
            metavar="PROMPTS",
            help="Prompts to play, separated by ;: #tts[…], #ssml[…], #href[URL], ids of files.",
        ),
    ] = None,
    cli: _Cli = None,
    domain: _Domain = None,
    locale: _Locale = None,
    dtmf: _Dtmf = None,
    custom: _Custom = None,
    callback_header: _Headers = None,
    enable_ace: _Ace = False,
    enable_dice: _Dice = False,
) -> None:
    """Place a call that says a text or plays prompts."""
    with logged(options), options.client() as voice:
        placed = voice.callouts.text_to_speech(
            destination,
            text=text,
            prompts=prompts,
            cli=cli,
            domain=domain,
            locale=locale,
            dtmf=dtmf,
            custom=custom,
            callback_headers=_headers(callback_header),
            enable_ace=enable_ace or None,
            enable_dice=enable_dice or None,
            deadline=options.deadline,
        )
    _placed(options, placed)


def join(
    options: ClientOptions,
    destination: _Destination,
    conference: Annotated[
        str,
        typer.Argument(
            metavar="CONFERENCE", help="Id of the conference; a new id creates a conference."
        ),
    ],
    cli: _Cli = None,
    domain: _Domain = None,
    greeting: Annotated[
        str | None, typer.Option("--greeting", metavar="TEXT", help="Text to say on joining.")
    ] = None,
    locale: _Locale = None,
    moh: Annotated[
        str | None,
        typer.Option(
            "--moh",
            metavar="MUSIC",
            help="Music while the callee is alone: ring, music1, music2 or music3.",
        ),
    ] = None,
    max_duration: _MaxDuration = None,
    dtmf: _Dtmf = None,
    custom: _Custom = None,
    callback_header: _Headers = None,
    enable_ace: _Ace = False,
    enable_dice: _Dice = False,
) -> None:
    """Place a call and connect it to a conference."""
    music: Any = moh
    with logged(options), options.client() as voice:
        placed = voice.callouts.conference(
            destination,
            conference_id=conference,
            cli=cli,
            domain=domain,
            greeting=greeting,
            locale=locale,
            moh_class=music,
            max_duration=max_duration,
            dtmf=dtmf,
            custom=custom,
            callback_headers=_headers(callback_header),
            enable_ace=enable_ace or None,
            enable_dice=enable_dice or None,
            deadline=options.deadline,
        )
    _placed(options, placed)


def custom(
    options: ClientOptions,
    destination: Annotated[
        str | None,
        typer.Argument(metavar="[ENDPOINT]", help="Number or app user to call, unless in --ice."),
    ] = None,
    cli: _Cli = None,
    ice: Annotated[
        str | None,
        typer.Option("--ice", metavar="SVAML", help="SVAML for the beginning of the call."),
    ] = None,
    ace: Annotated[
        str | None, typer.Option("--ace", metavar="SVAML", help="SVAML for the answer.")
    ] = None,
    pie: Annotated[
        str | None,
        typer.Option("--pie", metavar="SVAML", help="SVAML for the result of a menu."),
    ] = None,
    dice: Annotated[
        str | None, typer.Option("--dice", metavar="URL", help="Callback URL for the end.")
    ] = None,
    max_duration: _MaxDuration = None,
    dtmf: _Dtmf = None,
    custom: _Custom = None,
    callback_header: _Headers = None,
    raw: Annotated[
        bool, typer.Option("--raw", help="Send instructions and actions unchecked.")
    ] = False,
) -> None:
    """Place a call controlled by SVAML and callbacks.

    SVAML is JSON if it begins with {, a callback URL if it begins with http:// or https://,
    standard input if it is -, and otherwise a file with JSON. An event without SVAML goes to the
    callback URL of the application.
    """
    given = {"--ice": ice, "--ace": ace, "--pie": pie, "--dice": dice}
    if sum(value == "-" for value in given.values()) > 1:
        raise InvalidRequest("standard input is given twice: give one of them as a file")
    decides = {name: _svaml(name, value, raw=raw) for name, value in given.items()}
    with logged(options), options.client() as voice:
        placed = voice.callouts.custom(
            destination,
            cli=cli,
            ice=decides["--ice"],
            ace=decides["--ace"],
            pie=decides["--pie"],
            dice=decides["--dice"],
            max_duration=max_duration,
            dtmf=dtmf,
            custom=custom,
            callback_headers=_headers(callback_header),
            deadline=options.deadline,
        )
    _placed(options, placed)


def _svaml(name: str, given: str | None, *, raw: bool) -> Svaml | str | None:
    """Return a URL unchanged, or the SVAML."""
    if given is None or given.lower().startswith(("http://", "https://")):
        return given
    from .svaml_file import read_svaml

    svaml = read_svaml(given, name, raw=raw)
    return json.dumps(svaml.to_wire()) if raw else svaml  # text is sent unchecked


def _headers(given: list[str] | None) -> dict[str, str] | None:
    headers: dict[str, str] = {}
    for text in given or ():
        name, separator, value = text.partition("=")
        if not separator:
            raise InvalidRequest(
                f"--callback-header is {text!r}: give NAME=VALUE, like X-CB-Order=42"
            )
        if name in headers:
            raise InvalidRequest(f"--callback-header has {name!r} twice: give each name once")
        headers[name] = value
    return headers or None


def _placed(options: ClientOptions, callout: Callout) -> None:
    options.output.record(callout.to_dict())
