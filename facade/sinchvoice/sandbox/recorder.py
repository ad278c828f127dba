"""Records requests to the API in the journal, with their signed text and the check of it."""

from __future__ import annotations

import json
import re
import time
from urllib.parse import unquote

from starlette.types import Message, Scope

from .. import signing
from ..errors import InvalidRequest
from ..signing import CanonicalResource
from .journal import Journal, Requested
from .world import SandboxRequest, World

__all__ = ["Recorder"]

_MOST_TEXT = 16_384  # bytes to keep of a body and of an answer
_CALL = re.compile(r"/calling/v1/calls/id/([^/]+)")
_PARTICIPANT = re.compile(r"/calling/v1/conferences/id/[^/]+/([^/]+)")


class Recorder:
    """Records requests.

    Args:
        journal: Journal for the requests.
        world: State of the sandbox, with the credentials for checking signatures.
    """

    def __init__(self, journal: Journal, world: World) -> None:
        self._journal = journal
        self._world = world

    def begin(self) -> int:
        """Reserve and return the number of a new request in the journal."""
        return self._journal.reserve()

    def end(
        self, number: int, request: SandboxRequest, scope: Scope, answer: list[Message]
    ) -> None:
        """Record a request with its answer, which is empty if none was sent."""
        sent = b"".join(part.get("body", b"") for part in answer[1:])[:_MOST_TEXT]
        body: bytes = scope.get("sandbox.body", b"")
        headers = {
            name.decode("latin-1"): value.decode("latin-1").strip()
            for name, value in scope["headers"]
        }
        scheme, _, claim = headers.get("authorization", "").partition(" ")
        is_signed = scheme.lower() == "application"
        what = Requested(
            method=request.method,
            target=request.target,
            application=claim.strip().partition(":")[0]
            if is_signed
            else str(scope.get("sandbox.application", "")),
            scheme=scheme.lower(),
            signed=self._signed(request, scope, headers, body) if is_signed else (),
            refusal=self._refusal(request, scope, body) if is_signed else "",
            body=body[:_MOST_TEXT],
            status=request.status,
            answer=sent,
            faults=request.faults,
        )
        self._journal.add(
            what,
            at=request.at,
            call_id=self._call_id(request, sent),
            size=len(what.body)
            + len(sent)
            + sum(map(len, (what.target, what.application, what.scheme, *what.signed))),
            number=number,
        )

    def _resource(self, request: SandboxRequest, scope: Scope) -> str:
        form = scope.get("sandbox.canonical", CanonicalResource.PATH)
        return signing.canonical_resource(request.target, form)

    def _signed(
        self, request: SandboxRequest, scope: Scope, headers: dict[str, str], body: bytes
    ) -> tuple[str, ...]:
        text = signing.string_to_sign(
            method=request.method,
            resource=self._resource(request, scope),
            timestamp=headers.get("x-timestamp", ""),
            content_type=headers.get("content-type", ""),
            body=body,
        )
        return tuple(text.split("\n", 4))

    def _refusal(self, request: SandboxRequest, scope: Scope, body: bytes) -> str:
        applications = self._world.applications
        claim = dict(scope["headers"]).get(b"authorization", b"").decode("latin-1")
        claimed = claim.partition(" ")[2].strip().partition(":")[0]
        try:
            refusal = signing.find_refusal(
                applications.get(claimed) or next(iter(applications.values())),
                method=request.method,
                path=self._resource(request, scope),
                headers=scope["headers"],
                body=body,
                now=time.time() + float(scope.get("sandbox.skew", 0)),
            )
        except InvalidRequest as error:
            return str(error)
        return "" if refusal is None else str(refusal)

    def _call_id(self, request: SandboxRequest, answer: bytes) -> str | None:
        """Return the id of a request's call; None without an existing call."""
        path = request.target.partition("?")[0]
        found = _CALL.match(path) or _PARTICIPANT.match(path)
        if found:
            call_id = unquote(found[1])
            return call_id if call_id in self._world.calls else None
        if request.method != "POST":
            return None
        try:
            call_id = json.loads(answer)["callId"]
        except (ValueError, TypeError, KeyError):
            return None
        return call_id if isinstance(call_id, str) and call_id in self._world.calls else None
