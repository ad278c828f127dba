# What sinchvoice promises; recorded by: nox -s api_diff -- --record
from typing import Literal
from sinchvoice import ApplicationNumber as ApplicationNumber
from sinchvoice import CallbackUrls as CallbackUrls
from sinchvoice import Capability as Capability
from sinchvoice import NumberInfo as NumberInfo
from sinchvoice import NumberType as NumberType

__all__ = [
    'ApplicationNumber',
    'Applications',
    'AsyncApplications',
    'CallbackUrls',
    'Capability',
    'NumberInfo',
    'NumberType',
]

class Applications:
    def assign_numbers(
        self,
        numbers: str | Iterable[str],
        *,
        application_key: str | None = None,
        capability: Capability | Literal['voice', 'sms'] | None = None,
    ) -> None: ...
    def get_callback_urls(self, application_key: str | None = None) -> CallbackUrls: ...
    def get_numbers(self) -> list[ApplicationNumber]: ...
    def query_number(self, number: str) -> NumberInfo: ...
    def unassign_number(
        self,
        number: str,
        *,
        application_key: str | None = None,
        capability: Capability | Literal['voice', 'sms'] | None = None,
    ) -> None: ...
    def update_callback_urls(
        self,
        application_key: str | None = None,
        *,
        primary: str | None = None,
        fallback: str | None = None,
    ) -> None: ...
class AsyncApplications:
    async def assign_numbers(
        self,
        numbers: str | Iterable[str],
        *,
        application_key: str | None = None,
        capability: Capability | Literal['voice', 'sms'] | None = None,
    ) -> None: ...
    async def get_callback_urls(
        self,
        application_key: str | None = None,
    ) -> CallbackUrls: ...
    async def get_numbers(self) -> list[ApplicationNumber]: ...
    async def query_number(self, number: str) -> NumberInfo: ...
    async def unassign_number(
        self,
        number: str,
        *,
        application_key: str | None = None,
        capability: Capability | Literal['voice', 'sms'] | None = None,
    ) -> None: ...
    async def update_callback_urls(
        self,
        application_key: str | None = None,
        *,
        primary: str | None = None,
        fallback: str | None = None,
    ) -> None: ...
