# What sinchvoice promises; recorded by: nox -s api_diff -- --record
from typing import Literal

__all__ = [
    'async_voice_client',
    'sinch_callback_app',
    'sinch_callback_url',
    'sinch_environ',
    'sinch_sandbox',
    'voice_client',
]

async_voice_client: AsyncVoiceClient
sinch_callback_app: Callable[..., Any] | None
sinch_callback_url: str | None
sinch_environ: Mapping[str, str]
sinch_sandbox: Sandbox
voice_client: VoiceClient
