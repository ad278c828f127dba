# What sinchvoice promises; recorded by: nox -s api_diff -- --record
from typing import Literal
from sinchvoice import Endpoint as Endpoint
from sinchvoice import MxpEndpoint as MxpEndpoint
from sinchvoice import OtherEndpoint as OtherEndpoint
from sinchvoice import PstnEndpoint as PstnEndpoint
from sinchvoice import SipEndpoint as SipEndpoint

__all__ = [
    'Endpoint',
    'MxpEndpoint',
    'OtherEndpoint',
    'PstnEndpoint',
    'SipEndpoint',
    'from_dict',
    'parse',
    'read',
]

def from_dict(data: Mapping[str, Any]) -> Endpoint: ...
def parse(text: str) -> MxpEndpoint | PstnEndpoint | SipEndpoint: ...
def read(
    value: object,
) -> MxpEndpoint | PstnEndpoint | SipEndpoint | OtherEndpoint | None: ...
