# What sinchvoice promises; recorded by: nox -s api_diff -- --record
from typing import Literal
from sinchvoice import Conference as Conference
from sinchvoice import ConferenceParticipant as ConferenceParticipant

__all__ = ['AsyncConferences', 'Conference', 'ConferenceParticipant', 'Conferences']

class AsyncConferences:
    async def call(
        self,
        destination: str | PstnEndpoint | MxpEndpoint | SipEndpoint,
        *,
        conference_id: str,
        cli: str | None = None,
        domain: CallDomain | Literal['pstn', 'mxp'] | None = None,
        dtmf: str | None = None,
        custom: str | None = None,
        conference_dtmf_options: ConferenceDtmfOptions | None = None,
        max_duration: int | None = None,
        locale: str | None = None,
        greeting: str | None = None,
        moh_class: Literal['ring', 'music1', 'music2', 'music3'] | None = None,
        enable_ace: bool | None = None,
        enable_dice: bool | None = None,
        enable_pie: bool | None = None,
        callback_headers: Mapping[str, str] | None = None,
        deadline: float | None = None,
    ) -> Callout: ...
    async def get(self, conference_id: str) -> Conference: ...
    async def hold(
        self,
        *,
        conference_id: str,
        call_id: str,
        moh: Literal['ring', 'music1', 'music2', 'music3'] | None = None,
    ) -> None: ...
    async def kick_all(self, conference_id: str) -> None: ...
    async def kick_participant(self, *, conference_id: str, call_id: str) -> None: ...
    async def manage_participant(
        self,
        *,
        conference_id: str,
        call_id: str,
        command: Literal['mute', 'unmute', 'onhold', 'resume'],
        moh: Literal['ring', 'music1', 'music2', 'music3'] | None = None,
    ) -> None: ...
    async def mute(self, *, conference_id: str, call_id: str) -> None: ...
    async def resume(self, *, conference_id: str, call_id: str) -> None: ...
    async def unmute(self, *, conference_id: str, call_id: str) -> None: ...
class Conferences:
    def call(
        self,
        destination: str | PstnEndpoint | MxpEndpoint | SipEndpoint,
        *,
        conference_id: str,
        cli: str | None = None,
        domain: CallDomain | Literal['pstn', 'mxp'] | None = None,
        dtmf: str | None = None,
        custom: str | None = None,
        conference_dtmf_options: ConferenceDtmfOptions | None = None,
        max_duration: int | None = None,
        locale: str | None = None,
        greeting: str | None = None,
        moh_class: Literal['ring', 'music1', 'music2', 'music3'] | None = None,
        enable_ace: bool | None = None,
        enable_dice: bool | None = None,
        enable_pie: bool | None = None,
        callback_headers: Mapping[str, str] | None = None,
        deadline: float | None = None,
    ) -> Callout: ...
    def get(self, conference_id: str) -> Conference: ...
    def hold(
        self,
        *,
        conference_id: str,
        call_id: str,
        moh: Literal['ring', 'music1', 'music2', 'music3'] | None = None,
    ) -> None: ...
    def kick_all(self, conference_id: str) -> None: ...
    def kick_participant(self, *, conference_id: str, call_id: str) -> None: ...
    def manage_participant(
        self,
        *,
        conference_id: str,
        call_id: str,
        command: Literal['mute', 'unmute', 'onhold', 'resume'],
        moh: Literal['ring', 'music1', 'music2', 'music3'] | None = None,
    ) -> None: ...
    def mute(self, *, conference_id: str, call_id: str) -> None: ...
    def resume(self, *, conference_id: str, call_id: str) -> None: ...
    def unmute(self, *, conference_id: str, call_id: str) -> None: ...
