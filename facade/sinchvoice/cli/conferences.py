"""The commands of `sinchvoice conference`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from .options import ClientOptions, command, expanded, logged

__all__ = ["add"]


def add(group: typer.Typer) -> None:
    """Add help and commands to the group."""
    group.callback()(expanded(about))
    command(group, who, "get")
    command(group, mute)
    command(group, unmute)
    command(group, hold)
    command(group, resume)
    command(group, kick)
    command(group, kick_all)


def about(options: ClientOptions) -> None:
    """List and moderate the participants of conferences."""


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
