"""A local Sinch Voice: a real HTTP server that checks every signature and carries out SVAML.

    from sinchvoice import VoiceClient
    from sinchvoice.sandbox import running

    with running() as box, VoiceClient.from_env(box.environ) as voice:
        voice.reports.counter("currentcalls").value

`faults` has the faults that it can simulate; `cdr_files` generates files of call detail records.
Needs an extra: `pip install 'sinchvoice[sandbox]'`.
"""

from __future__ import annotations

try:
    from . import faults
    from .call import CallState, Heard, SandboxCall
    from .cdr_generator import CdrCounts, CdrTruth, FileForm, FileTruth, Planted, cdr_files
    from .clock import SandboxClock
    from .deliveries import CallbackUrl, SandboxCallback
    from .server import Sandbox, SandboxApplication, running
    from .world import AccountNumber, SandboxRequest
except ModuleNotFoundError as error:
    if error.name not in ("jsonschema_rs", "starlette", "uvicorn"):
        raise
    raise ModuleNotFoundError(
        f"the sandbox needs {error.name}: pip install 'sinchvoice[sandbox]'", name=error.name
    ) from None

__all__ = [
    "AccountNumber",
    "CallState",
    "CallbackUrl",
    "CdrCounts",
    "CdrTruth",
    "FileForm",
    "FileTruth",
    "Heard",
    "Planted",
    "Sandbox",
    "SandboxApplication",
    "SandboxCall",
    "SandboxCallback",
    "SandboxClock",
    "SandboxRequest",
    "cdr_files",
    "faults",
    "running",
]
