"""Requests that have no method of their own yet: `voice.request`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, TypeAlias
from urllib.parse import quote, urlencode

import attrs

from .decoding import exact_json
from .errors import InvalidRequest
from .flow import Operation, Outgoing, ResponseInfo, serialized
from .routes import APIS, Api
from .settings import headers as checked_headers
from .wire import Answer

__all__ = ["Parameter", "Response", "operation"]

#: What a parameter of a query may be.
Parameter: TypeAlias = str | int | bool
_SAFE_METHODS = ("GET", "HEAD", "OPTIONS")


@attrs.frozen(kw_only=True)
class Response:
    """A success of a request that has no method of its own.

    Attributes:
        status_code: HTTP status, 200 to 299.
        headers: names in lower case.
        content: as received.
        attempts: HTTP requests that were tried, recoveries and redirects included.
        elapsed: seconds, retries and waits included.
    """

    status_code: int
    headers: Mapping[str, str] = attrs.field(repr=False)
    content: bytes = attrs.field(repr=False)
    attempts: int
    elapsed: float

    def json(self) -> Any:
        """Parse the content, with exact decimals.

        Raises:
            ValueError: it is not JSON.
        """
        return exact_json(self.content)


def operation(
    method: str,
    path: str,
    *,
    api: Api,
    json: object,
    params: Mapping[str, Parameter] | None,
    headers: Mapping[str, str] | None,
    replayable: bool | None,
) -> Operation[Response]:
    """Build the operation; `VoiceClient.request` documents the arguments.

    Raises:
        InvalidRequest: an argument is wrong.
    """
    if not isinstance(method, str) or not re.fullmatch(r"[A-Za-z]+", method):
        raise InvalidRequest(f"method is {method!r}: give one like 'GET' or 'POST'")
    method = method.upper()
    if method == "CONNECT":
        raise InvalidRequest("method is 'CONNECT', which asks for a tunnel: give one like 'GET'")
    if api not in APIS:
        raise InvalidRequest(f"api is {api!r}: give {' or '.join(map(repr, APIS))}")
    target = _target(path)
    if params:
        target += "?" + urlencode({name: _parameter(name, text) for name, text in params.items()})
    body = b""
    if json is not None:
        try:
            body = serialized(json)
        except (TypeError, ValueError, RecursionError) as error:
            raise InvalidRequest(f"json cannot be written as JSON: {error}") from None

    def read(answer: Answer, info: Any) -> Response:
        shown: ResponseInfo = info()
        return Response(
            status_code=answer.status,
            headers=shown.headers,
            content=answer.content,
            attempts=shown.attempts,
            elapsed=shown.elapsed,
        )

    return Operation(
        name="request",
        api=api,
        replayable=method in _SAFE_METHODS if replayable is None else replayable,
        has_content=method != "HEAD",
        build=lambda: Outgoing(method, target, "application/json" if body else "", body),
        read=read,
        headers=checked_headers({} if headers is None else headers),
    )


def _target(path: object) -> str:
    if not isinstance(path, str) or not path.startswith("/") or path.startswith("//"):
        raise InvalidRequest(
            f"path is {path!r}: give one below the base URL, like '/calling/v1/calls/id/…'"
        )
    if re.search(r"[?#]", path):
        raise InvalidRequest(f"path is {path!r}: give what follows the '?' as params")
    if re.search(r"(?i)(^|/)(\.|%2e){1,2}(/|$)", path):
        raise InvalidRequest(f"path is {path!r}, which would reach another URL: leave out the dots")
    try:
        return quote(path, safe="/%:@!$&'()*+,;=~")
    except UnicodeEncodeError:
        raise InvalidRequest(f"path {path!r} is not valid Unicode: check its source") from None


def _parameter(name: object, value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str | int):
        raise InvalidRequest(f"params has {name!r}: {value!r}: give text, a number or a bool")
    return str(value)
