# What sinchvoice promises; recorded by: nox -s api_diff -- --record
from typing import Literal
from sinchvoice import Call as Call
from sinchvoice import CallDomain as CallDomain
from sinchvoice import CallLeg as CallLeg
from sinchvoice import CallReason as CallReason
from sinchvoice import CallResult as CallResult
from sinchvoice import CallStatus as CallStatus
from sinchvoice import Price as Price

__all__ = [
    'AsyncCalls',
    'Call',
    'CallDomain',
    'CallLeg',
    'CallReason',
    'CallResult',
    'CallStatus',
    'Calls',
    'Price',
]

class AsyncCalls:
    async def get(self, call_id: str) -> Call: ...
    async def hangup(self, call_id: str) -> None: ...
    async def manage_with_call_leg(
        self,
        call_id: str,
        call_leg: Leg,
        svaml: Svaml,
    ) -> None: ...
    async def play(
        self,
        call_id: str,
        *ids: str,
        locale: str | None = None,
        leg: CallLeg | Literal['caller', 'callee', 'both'] | None = None,
    ) -> None: ...
    async def say(
        self,
        call_id: str,
        text: str,
        *,
        locale: str | None = None,
        leg: CallLeg | Literal['caller', 'callee', 'both'] | None = None,
    ) -> None: ...
    async def update(self, call_id: str, svaml: Svaml) -> None: ...
class Calls:
    def get(self, call_id: str) -> Call: ...
    def hangup(self, call_id: str) -> None: ...
    def manage_with_call_leg(self, call_id: str, call_leg: Leg, svaml: Svaml) -> None: ...
    def play(
        self,
        call_id: str,
        *ids: str,
        locale: str | None = None,
        leg: CallLeg | Literal['caller', 'callee', 'both'] | None = None,
    ) -> None: ...
    def say(
        self,
        call_id: str,
        text: str,
        *,
        locale: str | None = None,
        leg: CallLeg | Literal['caller', 'callee', 'both'] | None = None,
    ) -> None: ...
    def update(self, call_id: str, svaml: Svaml) -> None: ...
