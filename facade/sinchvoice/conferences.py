"""Conferences: list participants, and add, mute, hold or remove them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, Self, TypeAlias

import attrs

from . import callouts, data, decoding, routes
from .callouts import CalledDomain, Callout, Destination
from .calls import locate
from .errors import InvalidRequest, RequestWarning, warn
from .exchange import AsyncExchange, Exchange
from .flow import Body, Operation, declared, path_segment

if TYPE_CHECKING:
    from .svaml import ConferenceDtmfOptions, MusicOnHold

__all__ = ["AsyncConferences", "Conference", "ConferenceParticipant", "Conferences"]

#: The commands for a participant.
Command: TypeAlias = Literal["mute", "unmute", "onhold", "resume"]
_COMMANDS: tuple[Command, ...] = ("mute", "unmute", "onhold", "resume")


@attrs.frozen(kw_only=True)
class ConferenceParticipant(data.Model):
    """A call in a conference. Values that the server omitted or garbled are None.

    Attributes:
        call_id: The call's id.
        cli: Phone number, or other text given as such, possibly a user's name.
        duration: Seconds since the call joined.
        muted: Whether the participant is muted.
        on_hold: Whether the participant is on hold; not sent by older versions of the API.
        raw: The JSON as received.

    Source: conference operations of the Voice API 1.0.1 and 1.0.0 specifications.
    """

    call_id: str | None = None
    cli: str | None = None
    duration: int | None = None
    muted: bool | None = None
    on_hold: bool | None = None
    raw: Mapping[str, Any] = attrs.field(factory=dict, repr=False, eq=False)

    def _values(self) -> dict[str, Any]:
        return {
            "call_id": self.call_id,
            "cli": self.cli,
            "duration": self.duration,
            "muted": self.muted,
            "on_hold": self.on_hold,
        }

    @classmethod
    def _read(cls, fields: data.Fields) -> Self:
        return cls(
            call_id=fields.optional("call_id", data.text),
            cli=fields.optional("cli", data.text),
            duration=fields.optional("duration", data.whole_number),
            muted=fields.optional("muted", data.flag),
            on_hold=fields.optional("on_hold", data.flag),
        )


@attrs.frozen(kw_only=True)
class Conference(data.Model):
    """A conference in its current state.

    Attributes:
        conference_id: The requested id.
        participants: The calls in the conference.
        raw: The JSON as received.
    """

    conference_id: str
    participants: tuple[ConferenceParticipant, ...] = ()
    raw: Mapping[str, Any] = attrs.field(factory=dict, repr=False, eq=False)

    def _values(self) -> dict[str, Any]:
        return {"conference_id": self.conference_id, "participants": self.participants}

    @classmethod
    def _read(cls, fields: data.Fields) -> Self:
        return cls(
            conference_id=fields.needed("conference_id", data.text),
            participants=fields.optional("participants", data.list_of(ConferenceParticipant)) or (),
        )


class Conferences:
    """The conferences of an application: `voice.conferences`.

    A conference exists only in the region where it was created. So give the client the `region`
    of its callouts and callbacks; on the global host any region may answer. A participant is
    identified by the call's id, or by its `callResourceUrl`, which selects the region.

    Source: conference operations and "Conference calls" of the Voice API 1.0.1 specification.
    """

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def get(self, conference_id: str) -> Conference:
        """Return a conference and its participants.

        Args:
            conference_id: The conference's id.

        Raises:
            InvalidRequest: The id is empty, or not possible in a URL.
            NotFoundError: No such conference in this region, or it is empty.
            ApiError: Anything else went wrong.
        """
        return self._exchange.run(_get(conference_id))

    def call(
        self,
        destination: Destination,
        *,
        conference_id: str,
        cli: str | None = None,
        domain: CalledDomain | None = None,
        dtmf: str | None = None,
        custom: str | None = None,
        conference_dtmf_options: ConferenceDtmfOptions | None = None,
        max_duration: int | None = None,
        locale: str | None = None,
        greeting: str | None = None,
        moh_class: MusicOnHold | None = None,
        enable_ace: bool | None = None,
        enable_dice: bool | None = None,
        enable_pie: bool | None = None,
        callback_headers: Mapping[str, str] | None = None,
        deadline: float | None = None,
    ) -> Callout:
        """Place a call and connect it to a conference: an alias of `callouts.conference`."""
        return self._exchange.run(
            callouts.conference(
                destination,
                conference_id=conference_id,
                cli=cli,
                domain=domain,
                dtmf=dtmf,
                custom=custom,
                conference_dtmf_options=conference_dtmf_options,
                max_duration=max_duration,
                locale=locale,
                greeting=greeting,
                moh_class=moh_class,
                enable_ace=enable_ace,
                enable_dice=enable_dice,
                enable_pie=enable_pie,
                callback_headers=callback_headers,
                deadline=deadline,
                name="conferences.call",
            )
        )

    def kick_all(self, conference_id: str) -> None:
        """Remove all participants from a conference.

        Retries stop after 5 seconds: applications choose conference ids, so a later attempt could
        hit a new conference of the same name. A conference that is gone on a retry counts as
        success.

        Args:
            conference_id: The conference's id.

        Raises:
            InvalidRequest, NotFoundError, ApiError: As for `get`; `may_have_executed` says whether
                the server may have acted.
        """
        return self._exchange.run(_kick_all(conference_id))

    def kick_participant(self, *, conference_id: str, call_id: str) -> None:
        """Remove one participant; a participant that is gone on a retry counts as success.

        Args:
            conference_id: The conference's id.
            call_id: Id or callResourceUrl of the participant's call.

        Raises:
            InvalidRequest, NotFoundError, ApiError: As for `kick_all`.
        """
        return self._exchange.run(_kick_participant(conference_id, call_id))

    def manage_participant(
        self,
        *,
        conference_id: str,
        call_id: str,
        command: Command,
        moh: MusicOnHold | None = None,
    ) -> None:
        """Mute or unmute a participant, put it on hold, or resume it.

        Args:
            conference_id: The conference's id.
            call_id: Id or callResourceUrl of the participant's call.
            command: `mute`, `unmute`, `onhold` or `resume`.
            moh: Music on hold: `ring`, `music1`, `music2`, `music3`. With another command it has
                no documented effect: a RequestWarning.

        Raises:
            InvalidRequest: Another command, other music, or an id not possible in a URL.
            NotFoundError, ApiError: As for `kick_all`.
        """
        return self._exchange.run(_manage(conference_id, call_id, command, moh))

    def mute(self, *, conference_id: str, call_id: str) -> None:
        """Mute a participant: `manage_participant` with `mute`."""
        return self._exchange.run(_manage(conference_id, call_id, "mute", name="mute"))

    def unmute(self, *, conference_id: str, call_id: str) -> None:
        """Unmute a participant: `manage_participant` with `unmute`."""
        return self._exchange.run(_manage(conference_id, call_id, "unmute", name="unmute"))

    def hold(self, *, conference_id: str, call_id: str, moh: MusicOnHold | None = None) -> None:
        """Put a participant on hold: `manage_participant` with `onhold`."""
        return self._exchange.run(_manage(conference_id, call_id, "onhold", moh, name="hold"))

    def resume(self, *, conference_id: str, call_id: str) -> None:
        """Take a participant off hold: `manage_participant` with `resume`."""
        return self._exchange.run(_manage(conference_id, call_id, "resume", name="resume"))


class AsyncConferences:
    """The async twin of `Conferences`."""

    def __init__(self, exchange: AsyncExchange) -> None:
        self._exchange = exchange

    async def get(self, conference_id: str) -> Conference:
        """Return a conference and its participants; see `Conferences.get`."""
        return await self._exchange.run(_get(conference_id))

    async def call(
        self,
        destination: Destination,
        *,
        conference_id: str,
        cli: str | None = None,
        domain: CalledDomain | None = None,
        dtmf: str | None = None,
        custom: str | None = None,
        conference_dtmf_options: ConferenceDtmfOptions | None = None,
        max_duration: int | None = None,
        locale: str | None = None,
        greeting: str | None = None,
        moh_class: MusicOnHold | None = None,
        enable_ace: bool | None = None,
        enable_dice: bool | None = None,
        enable_pie: bool | None = None,
        callback_headers: Mapping[str, str] | None = None,
        deadline: float | None = None,
    ) -> Callout:
        """Place a call and connect it to a conference: an alias of `callouts.conference`."""
        return await self._exchange.run(
            callouts.conference(
                destination,
                conference_id=conference_id,
                cli=cli,
                domain=domain,
                dtmf=dtmf,
                custom=custom,
                conference_dtmf_options=conference_dtmf_options,
                max_duration=max_duration,
                locale=locale,
                greeting=greeting,
                moh_class=moh_class,
                enable_ace=enable_ace,
                enable_dice=enable_dice,
                enable_pie=enable_pie,
                callback_headers=callback_headers,
                deadline=deadline,
                name="conferences.call",
            )
        )

    async def kick_all(self, conference_id: str) -> None:
        """Remove all participants from a conference; see `Conferences.kick_all`."""
        return await self._exchange.run(_kick_all(conference_id))

    async def kick_participant(self, *, conference_id: str, call_id: str) -> None:
        """Remove one participant; see `Conferences.kick_participant`."""
        return await self._exchange.run(_kick_participant(conference_id, call_id))

    async def manage_participant(
        self,
        *,
        conference_id: str,
        call_id: str,
        command: Command,
        moh: MusicOnHold | None = None,
    ) -> None:
        """Mute, unmute, hold or resume a participant; see `Conferences.manage_participant`."""
        return await self._exchange.run(_manage(conference_id, call_id, command, moh))

    async def mute(self, *, conference_id: str, call_id: str) -> None:
        """Mute a participant; see `Conferences.mute`."""
        return await self._exchange.run(_manage(conference_id, call_id, "mute", name="mute"))

    async def unmute(self, *, conference_id: str, call_id: str) -> None:
        """Unmute a participant; see `Conferences.unmute`."""
        return await self._exchange.run(_manage(conference_id, call_id, "unmute", name="unmute"))

    async def hold(
        self, *, conference_id: str, call_id: str, moh: MusicOnHold | None = None
    ) -> None:
        """Put a participant on hold; see `Conferences.hold`."""
        return await self._exchange.run(_manage(conference_id, call_id, "onhold", moh, name="hold"))

    async def resume(self, *, conference_id: str, call_id: str) -> None:
        """Take a participant off hold; see `Conferences.resume`."""
        return await self._exchange.run(_manage(conference_id, call_id, "resume", name="resume"))


# --- Operations ----------------------------------------------------------------------------------


def _get(conference_id: str) -> Operation[Conference]:
    return declared(
        routes.GET_CONFERENCE,
        {"conference_id": path_segment("conference_id", conference_id)},
        lambda parsed, raw: _conference(raw, conference_id),
    )


def _kick_all(conference_id: str) -> Operation[None]:
    return declared(
        routes.KICK_ALL,
        {"conference_id": path_segment("conference_id", conference_id)},
        lambda parsed, raw: None,
    )


def _kick_participant(conference_id: str, call: str) -> Operation[None]:
    call_id, origin = locate(call)
    return declared(
        routes.KICK_PARTICIPANT,
        {"conference_id": path_segment("conference_id", conference_id), "call_id": call_id},
        lambda parsed, raw: None,
        origin=origin,
    )


def _manage(
    conference_id: str,
    call: str,
    command: Command,
    moh: MusicOnHold | None = None,
    *,
    name: str = "manage_participant",
) -> Operation[None]:
    call_id, origin = locate(call)
    if command not in _COMMANDS:
        raise InvalidRequest(
            parameter="command", value=command, remedy=f"give one of {', '.join(_COMMANDS)}"
        )
    music = callouts.music_on_hold("moh", moh)
    if music is not None and command != "onhold":
        warn(
            f"moh has no documented effect with the command {command}: use it with onhold only",
            RequestWarning,
        )
    return declared(
        routes.MANAGE_PARTICIPANT,
        {
            "conference_id": path_segment("conference_id", conference_id),
            "call_id": call_id,
            "body": Body({"command": command, "moh": music}),
        },
        lambda parsed, raw: None,
        name=f"conferences.{name}",
        origin=origin,
    )


def _conference(raw: Mapping[str, Any], conference_id: str) -> Conference:
    wrapped = raw.get("ConferenceInfoResponse")  # version 1.0.0
    content = wrapped if isinstance(wrapped, Mapping) else raw
    participants = decoding.listed(content.get("participants"))
    return Conference(
        conference_id=conference_id,
        participants=tuple(_participant(each) for each in participants),
        raw=raw,
    )


def _participant(raw: object) -> ConferenceParticipant:
    if not isinstance(raw, Mapping):
        raise ValueError("a participant is not an object")
    return ConferenceParticipant(
        call_id=decoding.text(raw.get("id")) or decoding.text(raw.get("callId")),
        cli=decoding.text(raw.get("cli")),
        duration=decoding.whole_number(raw.get("duration")),
        muted=decoding.flag(raw.get("muted")),
        on_hold=decoding.flag(raw.get("onhold")),
        raw=raw,
    )
