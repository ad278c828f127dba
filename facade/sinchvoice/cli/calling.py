"""Commands that place calls, moderate conferences, and configure numbers and callbacks."""

from __future__ import annotations

import json
import sys
import warnings
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .. import CallDomain
from ..errors import InvalidRequest
from .options import ClientOptions, command, logged
from .output import write

if TYPE_CHECKING:
    from ..callouts import Callout
    from ..svaml import Svaml

__all__ = ["add_calling"]


def add_calling(
    call: typer.Typer, conference: typer.Typer, number: typer.Typer, callback: typer.Typer
) -> None:
    """Add the commands to their groups."""
    command(call, "tts")(tts)
    command(call, "conference")(join)
    command(call, "custom")(custom)
    command(conference, "get")(who)
    command(conference, "mute")(mute)
    command(conference, "unmute")(unmute)
    command(conference, "hold")(hold)
    command(conference, "resume")(resume)
    command(conference, "kick")(kick)
    command(conference, "kick-all")(kick_all)
    command(number, "list")(numbers)
    command(number, "assign")(assign)
    command(number, "unassign")(unassign)
    command(number, "query")(query)
    command(callback, "get")(urls)
    command(callback, "set")(set_urls)


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
_Locale = Annotated[
    str | None,
    typer.Option("--locale", metavar="LOCALE", help="Language or voice, for example en-US."),
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


# --- Conferences ---------------------------------------------------------------------------------

_Conference = Annotated[str, typer.Argument(metavar="CONFERENCE", help="Id of the conference.")]
_Participant = Annotated[
    str, typer.Argument(metavar="CALL", help="Id or callResourceUrl of the participant's call.")
]
_COLUMNS = ("call_id", "cli", "duration", "muted", "on_hold")


def who(options: ClientOptions, conference: _Conference) -> None:
    """List the participants of a conference."""
    with logged(options), options.client() as voice:
        found = voice.conferences.get(conference)
    options.output.rows((each.to_dict() for each in found.participants), _COLUMNS)


def mute(options: ClientOptions, conference: _Conference, call: _Participant) -> None:
    """Mute a participant."""
    with logged(options), options.client() as voice:
        voice.conferences.mute(conference_id=conference, call_id=call)
    _moderated(options, "mute", conference, call)


def unmute(options: ClientOptions, conference: _Conference, call: _Participant) -> None:
    """Unmute a participant."""
    with logged(options), options.client() as voice:
        voice.conferences.unmute(conference_id=conference, call_id=call)
    _moderated(options, "unmute", conference, call)


def hold(
    options: ClientOptions,
    conference: _Conference,
    call: _Participant,
    moh: Annotated[
        str | None,
        typer.Option("--moh", metavar="MUSIC", help="Music: ring, music1, music2 or music3."),
    ] = None,
) -> None:
    """Put a participant on hold."""
    music: Any = moh
    with logged(options), options.client() as voice:
        voice.conferences.hold(conference_id=conference, call_id=call, moh=music)
    _moderated(options, "hold", conference, call)


def resume(options: ClientOptions, conference: _Conference, call: _Participant) -> None:
    """Take a participant off hold."""
    with logged(options), options.client() as voice:
        voice.conferences.resume(conference_id=conference, call_id=call)
    _moderated(options, "resume", conference, call)


def kick(options: ClientOptions, conference: _Conference, call: _Participant) -> None:
    """Remove a participant, and end the participant's call."""
    with logged(options), options.client() as voice:
        voice.conferences.kick_participant(conference_id=conference, call_id=call)
    _moderated(options, "kick", conference, call)


def kick_all(options: ClientOptions, conference: _Conference) -> None:
    """Remove all participants, and end the conference."""
    with logged(options), options.client() as voice:
        voice.conferences.kick_all(conference)
    options.output.record({"done": "kick-all", "conference": conference})


def _moderated(options: ClientOptions, what: str, conference: str, call: str) -> None:
    options.output.record({"done": what, "conference": conference, "call": call})


# --- Numbers and callback URLs -------------------------------------------------------------------

_Application = Annotated[
    str | None,
    typer.Option("--application", metavar="KEY", help="Key of the application; yours by default."),
]
_Capability = Annotated[
    str | None, typer.Option("--capability", metavar="voice|sms", help="Use of the number.")
]


def numbers(options: ClientOptions) -> None:
    """List the account's numbers and their applications."""
    with logged(options), options.client() as voice:
        found = voice.applications.get_numbers()
    options.output.rows(
        (each.to_dict() for each in found), ("number", "application_key", "capability")
    )


def assign(
    options: ClientOptions,
    numbers: Annotated[
        list[str],
        typer.Argument(metavar="NUMBER...", help="Numbers with their plus, at most 100."),
    ],
    application: _Application = None,
    capability: _Capability = None,
) -> None:
    """Assign numbers to an application."""
    kind: Any = capability
    with logged(options), options.client() as voice:
        voice.applications.assign_numbers(numbers, application_key=application, capability=kind)
    options.output.record({"done": "assign", "numbers": numbers})


def unassign(
    options: ClientOptions,
    number: Annotated[str, typer.Argument(metavar="NUMBER", help="Number with its plus.")],
    application: _Application = None,
    capability: _Capability = None,
) -> None:
    """Take a number away from an application."""
    kind: Any = capability
    with logged(options), options.client() as voice:
        voice.applications.unassign_number(number, application_key=application, capability=kind)
    options.output.record({"done": "unassign", "number": number})


def query(
    options: ClientOptions,
    number: Annotated[str, typer.Argument(metavar="NUMBER", help="Number with its plus.")],
) -> None:
    """Look up a number (deprecated by the vendor)."""
    with logged(options), options.client() as voice, warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        found = voice.applications.query_number(number)
    write("warning: number query is deprecated: use the vendor's Number Lookup API", sys.stderr)
    options.output.record(found.to_dict())


def urls(options: ClientOptions, application: _Application = None) -> None:
    """Show the callback URLs of an application."""
    with logged(options), options.client() as voice:
        found = voice.applications.get_callback_urls(application)
    options.output.record(found.to_dict())


def set_urls(
    options: ClientOptions,
    primary: Annotated[
        str | None, typer.Option("--primary", metavar="URL", help="URL for callbacks.")
    ] = None,
    fallback: Annotated[
        str | None,
        typer.Option("--fallback", metavar="URL", help="URL for callbacks that fail there."),
    ] = None,
    application: _Application = None,
) -> None:
    """Set the callback URLs of an application."""
    with logged(options), options.client() as voice:
        voice.applications.update_callback_urls(application, primary=primary, fallback=fallback)
    options.output.record({"done": "set", "primary": primary, "fallback": fallback})
