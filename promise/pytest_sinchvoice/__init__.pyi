# What sinchvoice promises; recorded by: nox -s api_diff -- --record
from typing import Literal

__all__ = ['async_voice_client', 'sinch_sandbox', 'voice_client']

async_voice_client: AsyncVoiceClient
sinch_sandbox: Sandbox
voice_client: VoiceClient
