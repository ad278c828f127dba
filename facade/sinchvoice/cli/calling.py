"""The commands that place calls, moderate conferences, and configure numbers and callbacks."""

from __future__ import annotations

import json
import sys
import warnings
from typing import TYPE_CHECKING, Annotated, Any

import typer

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
    """Add the commands to the groups that they belong to."""
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


# --- callouts ------------------------------------------------------------------------------------

_Destination = Annotated[
    str,
    typer.Argument(
        metavar="ENDPOINT",
        help="A number with its plus, or an app user; number:…, username:… and sip:… say which.",
    ),
]
_Cli = Annotated[
    str | None,
    typer.Option("--cli", metavar="NUMBER", help="Number to show, verified or the account's."),
]
_Dtmf = Annotated[
    str | None,
    typer.Option("--dtmf", metavar="KEYS", help="To press once answered: 0-9, #; w is a pause."),
]
_Custom = Annotated[
    str | None, typer.Option("--custom", metavar="TEXT", help="Comes back in callbacks.")
]
_Locale = Annotated[
    str | None,
    typer.Option("--locale", metavar="LOCALE", help="Language or voice, for example en-US."),
]
_MaxDuration = Annotated[
    int | None, typer.Option("--max-duration", metavar="SECONDS", help="The call ends then.")
]
_Ace = Annotated[
    bool, typer.Option("--enable-ace", help="Send an ACE callback when it is answered.")
]
_Dice = Annotated[bool, typer.Option("--enable-dice", help="Send a DiCE callback when it is over.")]


def tts(
    options: ClientOptions,
    destination: _Destination,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="What to say.")],
    cli: _Cli = None,
    locale: _Locale = None,
    dtmf: _Dtmf = None,
    custom: _Custom = None,
    enable_ace: _Ace = False,
    enable_dice: _Dice = False,
) -> None:
    """Call somebody, and say a text."""
    with logged(options), options.client() as voice:
        placed = voice.callouts.text_to_speech(
            destination,
            text=text,
            cli=cli,
            locale=locale,
            dtmf=dtmf,
            custom=custom,
            enable_ace=enable_ace or None,
            enable_dice=enable_dice or None,
            deadline=options.deadline,
        )
    _placed(options, placed)


def join(
    options: ClientOptions,
    destination: _Destination,
    conference: Annotated[
        str, typer.Argument(metavar="CONFERENCE", help="Its id; it is made if there is none.")
    ],
    cli: _Cli = None,
    greeting: Annotated[
        str | None, typer.Option("--greeting", metavar="TEXT", help="Said on joining.")
    ] = None,
    locale: _Locale = None,
    moh: Annotated[
        str | None,
        typer.Option("--moh", metavar="MUSIC", help="While alone: ring, music1, music2, music3."),
    ] = None,
    max_duration: _MaxDuration = None,
    dtmf: _Dtmf = None,
    custom: _Custom = None,
    enable_ace: _Ace = False,
    enable_dice: _Dice = False,
) -> None:
    """Call somebody, and connect the call to a conference."""
    music: Any = moh
    with logged(options), options.client() as voice:
        placed = voice.callouts.conference(
            destination,
            conference_id=conference,
            cli=cli,
            greeting=greeting,
            locale=locale,
            moh_class=music,
            max_duration=max_duration,
            dtmf=dtmf,
            custom=custom,
            enable_ace=enable_ace or None,
            enable_dice=enable_dice or None,
            deadline=options.deadline,
        )
    _placed(options, placed)


def custom(
    options: ClientOptions,
    destination: Annotated[
        str | None,
        typer.Argument(metavar="[ENDPOINT]", help="Whom to call, unless --ice says so."),
    ] = None,
    cli: _Cli = None,
    ice: Annotated[
        str | None,
        typer.Option("--ice", metavar="SVAML", help="At first: URL, file with JSON, or -."),
    ] = None,
    ace: Annotated[
        str | None, typer.Option("--ace", metavar="SVAML", help="When it is answered; as --ice.")
    ] = None,
    pie: Annotated[
        str | None,
        typer.Option("--pie", metavar="SVAML", help="On the result of a menu; as --ice."),
    ] = None,
    dice: Annotated[
        str | None, typer.Option("--dice", metavar="URL", help="When it is over.")
    ] = None,
    max_duration: _MaxDuration = None,
    dtmf: _Dtmf = None,
    custom: _Custom = None,
    raw: Annotated[
        bool, typer.Option("--raw", help="Send instructions and actions as they are, unchecked.")
    ] = False,
) -> None:
    """Place a call about which SVAML and callbacks decide."""
    given = {"--ice": ice, "--ace": ace, "--pie": pie, "--dice": dice}
    if sum(value == "-" for value in given.values()) > 1:
        raise InvalidRequest("standard input is given twice: give one of them as a file")
    decides = {name: _svaml(value, raw=raw) for name, value in given.items()}
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
            deadline=options.deadline,
        )
    _placed(options, placed)


def _svaml(given: str | None, *, raw: bool) -> Svaml | str | None:
    """A URL as it is, or the SVAML in a file."""
    if given is None or given.lower().startswith(("http://", "https://")):
        return given
    from .svaml_file import read_svaml

    svaml = read_svaml(given, raw=raw)
    return json.dumps(svaml.to_wire()) if raw else svaml  # text is sent as it is


def _placed(options: ClientOptions, callout: Callout) -> None:
    options.output.record(callout.to_dict())


# --- conferences ---------------------------------------------------------------------------------

_Conference = Annotated[str, typer.Argument(metavar="CONFERENCE", help="Its id.")]
_Participant = Annotated[
    str, typer.Argument(metavar="CALL", help="Id or callResourceUrl of the participant's call.")
]
_COLUMNS = ("call_id", "cli", "duration", "muted", "on_hold")


def who(options: ClientOptions, conference: _Conference) -> None:
    """See who is in a conference, a line for each."""
    with logged(options), options.client() as voice:
        found = voice.conferences.get(conference)
    options.output.rows((each.to_dict() for each in found.participants), _COLUMNS)


def mute(options: ClientOptions, conference: _Conference, call: _Participant) -> None:
    """Let nobody hear a participant."""
    with logged(options), options.client() as voice:
        voice.conferences.mute(conference_id=conference, call_id=call)
    _moderated(options, "mute", conference, call)


def unmute(options: ClientOptions, conference: _Conference, call: _Participant) -> None:
    """Let a participant be heard again."""
    with logged(options), options.client() as voice:
        voice.conferences.unmute(conference_id=conference, call_id=call)
    _moderated(options, "unmute", conference, call)


def hold(
    options: ClientOptions,
    conference: _Conference,
    call: _Participant,
    moh: Annotated[
        str | None,
        typer.Option("--moh", metavar="MUSIC", help="ring, music1, music2 or music3."),
    ] = None,
) -> None:
    """Put a participant on hold."""
    music: Any = moh
    with logged(options), options.client() as voice:
        voice.conferences.hold(conference_id=conference, call_id=call, moh=music)
    _moderated(options, "hold", conference, call)


def resume(options: ClientOptions, conference: _Conference, call: _Participant) -> None:
    """Let a participant on hold join again."""
    with logged(options), options.client() as voice:
        voice.conferences.resume(conference_id=conference, call_id=call)
    _moderated(options, "resume", conference, call)


def kick(options: ClientOptions, conference: _Conference, call: _Participant) -> None:
    """Remove a participant, whose call ends."""
    with logged(options), options.client() as voice:
        voice.conferences.kick_participant(conference_id=conference, call_id=call)
    _moderated(options, "kick", conference, call)


def kick_all(options: ClientOptions, conference: _Conference) -> None:
    """Remove everybody from a conference, which ends."""
    with logged(options), options.client() as voice:
        voice.conferences.kick_all(conference)
    options.output.record({"done": "kick-all", "conference": conference})


def _moderated(options: ClientOptions, what: str, conference: str, call: str) -> None:
    options.output.record({"done": what, "conference": conference, "call": call})


# --- numbers and callback URLs -------------------------------------------------------------------

_Application = Annotated[
    str | None,
    typer.Option("--application", metavar="KEY", help="Of the application; your own if unset."),
]
_Capability = Annotated[
    str | None, typer.Option("--capability", metavar="voice|sms", help="What it is for.")
]


def numbers(options: ClientOptions) -> None:
    """List the numbers of the account, and what they are assigned to."""
    with logged(options), options.client() as voice:
        found = voice.applications.get_numbers()
    options.output.rows(
        (each.to_dict() for each in found), ("number", "application_key", "capability")
    )


def assign(
    options: ClientOptions,
    numbers: Annotated[
        list[str], typer.Argument(metavar="NUMBER...", help="With their plus; at most 100.")
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
    number: Annotated[str, typer.Argument(metavar="NUMBER", help="With its plus.")],
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
    number: Annotated[str, typer.Argument(metavar="NUMBER", help="With its plus.")],
) -> None:
    """Look a number up, which the vendor has deprecated."""
    with logged(options), options.client() as voice, warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        found = voice.applications.query_number(number)
    write("warning: the vendor has deprecated this: use its Number Lookup API", sys.stderr)
    options.output.record(found.to_dict())


def urls(options: ClientOptions, application: _Application = None) -> None:
    """See the callback URLs of an application."""
    with logged(options), options.client() as voice:
        found = voice.applications.get_callback_urls(application)
    options.output.record(found.to_dict())


def set_urls(
    options: ClientOptions,
    primary: Annotated[
        str | None, typer.Option("--primary", metavar="URL", help="Asked first.")
    ] = None,
    fallback: Annotated[
        str | None, typer.Option("--fallback", metavar="URL", help="Asked if the first fails.")
    ] = None,
    application: _Application = None,
) -> None:
    """Set the callback URLs of an application."""
    with logged(options), options.client() as voice:
        voice.applications.update_callback_urls(application, primary=primary, fallback=fallback)
    options.output.record({"done": "set", "primary": primary, "fallback": fallback})
