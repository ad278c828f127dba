"""Hooks of schemathesis: signing, and rules that a specification cannot express."""

from __future__ import annotations

import os
import time
from typing import Any
from urllib.parse import urlsplit

import requests
import schemathesis
from requests.auth import AuthBase
from schemathesis.core.parameters import ParameterLocation
from sinchvoice import Credentials, signing


class Signed(AuthBase):
    """Sign a request in its final form."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        body = request.body or b""
        signed = signing.signed_headers(
            self._credentials,
            method=request.method or "",
            resource=urlsplit(request.url).path,
            timestamp=signing.format_timestamp(time.time()),
            content_type=request.headers.get("Content-Type", ""),
            body=body.encode() if isinstance(body, str) else body,
        )
        request.headers.update(signed)
        return request


schemathesis.auth.set_from_requests(
    Signed(Credentials(os.environ["SINCH_APPLICATION_KEY"], os.environ["SINCH_APPLICATION_SECRET"]))
)

APPLICATION, NUMBERS = os.environ["SINCH_APPLICATION_KEY"], os.environ["NUMBERS"].split(",")
PHONE = "+46730170101"
IN_PATHS = {
    "applicationkey": APPLICATION,
    "conferenceId": os.environ["CONFERENCE"],
    "number": PHONE,
}
IN_BODIES = {
    "applicationkey": APPLICATION,
    "number": NUMBERS[0],
    "numbers": NUMBERS,
    "capability": "voice",
}


@schemathesis.hook
def before_call(
    context: schemathesis.HookContext, case: schemathesis.Case, kwargs: dict[str, Any]
) -> None:
    """Correct requests that are only invalid by rules outside OpenAPI."""
    path, query, body = case.path_parameters or {}, case.query or {}, case.body
    # The endpoint of a number must be a number.
    if path.get("type") == "number" and is_good(case, "path"):
        path["endpoint"] = PHONE
    # A window must end after its beginning, within 30 days.
    if {"_start", "_stop"} <= query.keys() and is_good(case, "query"):
        query["_start"], query["_stop"] = "2014-04-28", "2014-05-28"
    # There is one application with its numbers, and one conference; only a number can be called.
    if is_good(case, "path"):
        _replace(path, IN_PATHS)
    if isinstance(body, dict) and is_good(case, "body"):
        _replace(body, IN_BODIES)
        for part in body.values():
            if isinstance(part, dict):
                if "destination" in part and "method" in body:
                    part["destination"]["endpoint"] = PHONE
                # Calls must end within the calendar.
                if isinstance(part.get("maxDuration"), int | float):
                    part["maxDuration"] = min(part["maxDuration"], 14_400)


def _replace(given: dict[str, Any], known: dict[str, Any]) -> None:
    given.update({name: value for name, value in known.items() if name in given})


def is_good(case: schemathesis.Case, location: str) -> bool:
    """Tell whether a part of a request was generated as valid."""
    return case.meta is None or not case.meta.is_negative_at(ParameterLocation(location))
