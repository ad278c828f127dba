"""Requests to endpoints without a method of their own: `voice.request`."""

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

#: The value of a query parameter.
Parameter: TypeAlias = str | int | bool
_SAFE_METHODS = ("GET", "HEAD", "OPTIONS")


@attrs.frozen(kw_only=True)
class Response:
    """The successful response to a `voice.request`.

    Attributes:
        status_code: HTTP status, 200 to 299.
        headers: Response headers; names are lower case.
        content: The body as received.
        attempts: Number of HTTP requests, including recoveries and redirects.
        elapsed: Seconds, including retries and waits.
    """

    status_code: int
    headers: Mapping[str, str] = attrs.field(repr=False, hash=False)
    content: bytes = attrs.field(repr=False)
    attempts: int
    elapsed: float

    def json(self) -> Any:
        """Parse the content, with exact decimals.

        Raises:
            ValueError: The content is not JSON.
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
        InvalidRequest: An argument is wrong.
        ConfigurationError: A header is wrong.
    """
    if not isinstance(method, str) or not re.fullmatch(r"[A-Za-z]+", method):
        raise _refused("method", method, "give a method like 'GET' or 'POST'")
    method = method.upper()
    if method == "CONNECT":
        raise InvalidRequest(
            "method is 'CONNECT', a request for a tunnel",
            parameter="method",
            value=method,
            remedy="give a method like 'GET'",
        )
    if api not in APIS:
        raise _refused("api", api, f"give {' or '.join(map(repr, APIS))}")
    target = _target(path)
    if params:
        target += "?" + urlencode({name: _parameter(name, text) for name, text in params.items()})
    body = b""
    if json is not None:
        try:
            body = serialized(json)
        except (TypeError, ValueError, RecursionError) as error:
            raise InvalidRequest(
                f"json cannot be written as JSON ({error})",
                parameter="json",
                value=json,
                remedy="give values that json.dumps takes",
            ) from None

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
        remedy = "give a path below the base URL, like '/calling/v1/calls/id/…'"
        raise _refused("path", path, remedy)
    if re.search(r"[?#]", path):
        raise _refused("path", path, "give the query as params, and no fragment")
    if re.search(r"(?i)(^|/)(\.|%2e){1,2}(/|$)", path):
        raise _refused("path", path, "remove the dot segments, which would lead to another URL")
    try:
        return quote(path, safe="/%:@!$&'()*+,;=~")
    except UnicodeEncodeError:
        raise _refused("path", path, "it is not valid Unicode: check its source") from None


def _parameter(name: object, value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str | int):
        raise InvalidRequest(
            f"params has {value!r} as {name!r}",
            parameter="params",
            value=value,
            remedy="give text, a whole number or a bool",
        )
    return str(value)


def _refused(name: str, value: object, remedy: str) -> InvalidRequest:
    return InvalidRequest(parameter=name, value=value, remedy=remedy)
