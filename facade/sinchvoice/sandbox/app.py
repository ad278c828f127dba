"""The HTTP side of the sandbox: authentication, routes, errors."""

from __future__ import annotations

import hmac
import json
import time
from datetime import UTC, datetime, timedelta
from email.utils import formatdate
from typing import Any
from urllib.parse import unquote

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .. import decoding, endpoints, signing
from ..endpoints import Endpoint, check_e164
from ..errors import InvalidRequest
from ..routes import ROUTES, Api
from ..signing import CanonicalResource, Refusal
from ..vocabulary import CallLeg, ReportDomain
from .schema import find_problem
from .world import Refused, World

__all__ = ["create_app"]

_BASES: dict[Api, str] = {"calling": "", "configuration": "", "reporting": "/v1"}
_MAX_REPORT = timedelta(days=30)

_REFUSALS = {
    Refusal.AMBIGUOUS_HEADERS: (40100, "Authorization header is illegal"),
    Refusal.NO_AUTHORIZATION: (40100, "Authorization header is missing"),
    Refusal.WRONG_SCHEME: (40107, "Invalid authorization: wrong type"),
    Refusal.NO_TIMESTAMP: (40101, "X-Timestamp header is missing or invalid"),
    Refusal.EXPIRED: (40105, "Authorization request expired"),
    Refusal.WRONG_KEY: (40107, "Invalid authorization: wrong key"),
    Refusal.WRONG_SIGNATURE: (40102, "Invalid signature"),
}


def create_app(world: World) -> ASGIApp:
    """An ASGI application that answers as the two APIs do.

    It is `_Gate(routes)`: the gate lets nobody in who does not prove who they are.
    """
    routes = _Routes(world)
    handlers = {
        "calls.get": routes.get_call,
        "calls.update": routes.update_call,
        "calls.manage_with_call_leg": routes.update_leg,
        "reports.user_calls": routes.user_report,
        "reports.counter": routes.counter,
        "reports.service_status": routes.service_status,
    }
    app = Starlette(
        routes=[
            *(
                Route(_BASES[route.api] + route.path, handlers[route.name], methods=[route.method])
                for route in ROUTES
                if route.name in handlers
            ),
            # The old page has a default, and does not show how the URL looks then.
            Route("/v1/users/{type}/{endpoint}/calls", routes.user_report),
        ],
        exception_handlers={Refused: routes.refused, HTTPException: routes.no_route},
    )
    app.router.redirect_slashes = False
    return _Gate(app, routes)


class _Gate:
    """Authenticates a request before it is routed, by its path as it travelled."""

    def __init__(self, app: ASGIApp, routes: _Routes) -> None:
        self._app = app
        self._routes = routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        send = _dated(send, _now(scope))
        unreadable: Refused | None = scope.get("sandbox.refused")
        try:
            if unreadable is not None:
                raise unreadable
            scope["sandbox.application"] = self._authenticate(scope, scope["sandbox.body"])
        except Refused as refused:
            response = await self._routes.refused(Request(scope), refused)
            if unreadable is not None:
                response.headers["Connection"] = "close"
            await response(scope, receive, send)
            return
        # An escaped slash is part of an id: segments are decoded after routing.
        await self._app({**scope, "path": scope["raw_path"].decode("ascii")}, receive, send)

    def _authenticate(self, scope: Scope, body: bytes) -> str:
        """Find out which application asks; its key."""
        given = [value for name, value in scope["headers"] if name == b"authorization"]
        if len(given) > 1:
            raise Refused(*_REFUSALS[Refusal.AMBIGUOUS_HEADERS])
        authorization = b"".join(given).decode("latin-1")
        applications = self._routes.world.applications
        if authorization[:6].lower() == "basic ":
            pair = authorization[6:].strip().encode()
            for credentials in applications.values():
                if hmac.compare_digest(pair, credentials.basic_authorization()[6:].encode()):
                    return credentials.application_key
            raise Refused(40108, "Invalid credentials")
        claimed = authorization.partition(" ")[2].strip().partition(":")[0]
        credentials = applications.get(claimed) or next(iter(applications.values()))
        target = scope["raw_path"].decode("ascii")
        if scope["query_string"]:
            target += "?" + scope["query_string"].decode("ascii")
        refusal = signing.find_refusal(
            credentials,
            method=scope["method"],
            path=signing.canonical_resource(
                target, scope.get("sandbox.canonical", CanonicalResource.PATH)
            ),
            headers=scope["headers"],
            body=body,
            now=_now(scope),
        )
        if refusal is not None:
            raise Refused(*_REFUSALS[refusal])
        return credentials.application_key


class _Routes:
    """The operations of the two APIs."""

    def __init__(self, world: World) -> None:
        self.world = world

    async def get_call(self, request: Request) -> Response:
        return JSONResponse(
            self.world.get_call(_application(request), _segment(request, "call_id"))
        )

    async def update_call(self, request: Request) -> Response:
        self._update(request, CallLeg.CALLER)
        return Response(status_code=204)

    async def update_leg(self, request: Request) -> Response:
        leg = _segment(request, "call_leg")
        if leg not in list(CallLeg):
            raise Refused(40003, f"Invalid request: no leg is named {leg!r}")
        self._update(request, CallLeg(leg), one_leg=True)
        return JSONResponse({"content": "200 Successful response"})

    def _update(self, request: Request, leg: CallLeg, *, one_leg: bool = False) -> None:
        try:
            body = json.loads(
                request.scope["sandbox.body"] or b"null",
                object_pairs_hook=_without_repeats,
                parse_constant=_refuse_constant,
            )
            json.dumps(body, ensure_ascii=False).encode("utf-8")  # half of a character is no text
        except (ValueError, RecursionError) as error:
            raise Refused(40003, f"Invalid request: {error}") from None
        problem = find_problem(body, leg=one_leg)
        if problem is not None:
            raise Refused(40003, f"Invalid request: {problem}")
        self.world.update_call(_application(request), _segment(request, "call_id"), body, leg)

    async def user_report(self, request: Request) -> Response:
        given = "domain" in request.path_params
        domain = _segment(request, "domain") if given else ReportDomain.DATA
        if domain not in list(ReportDomain):
            raise Refused(40001, f"Illegal parameter domain: {domain}")
        start, stop = _filter(request, "_start"), _filter(request, "_stop")
        if start and stop and not timedelta(0) < stop - start <= _MAX_REPORT:
            raise Refused(40001, "Illegal parameters _start and _stop: from more than 0 to 30 days")
        return JSONResponse(
            self.world.user_report(_application(request), _user(request), domain, start, stop)
        )

    async def counter(self, request: Request) -> Response:
        return JSONResponse(self.world.counter(_application(request), _segment(request, "id")))

    async def service_status(self, request: Request) -> Response:
        return JSONResponse(self.world.service_status(_segment(request, "id")))

    async def refused(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, Refused)  # noqa: S101 - Starlette's handlers are typed loosely
        body = {
            "errorCode": error.code,
            "message": error.message,
            "reference": self.world.new_id(),
        }
        return JSONResponse(body, status_code=error.code // 100)

    async def no_route(self, request: Request, error: Exception) -> Response:
        return await self.refused(request, Refused(40400, "Not found"))


def _now(scope: Scope) -> float:
    """The time by which signatures are judged: clients measure the server's clock by it."""
    return time.time() + float(scope.get("sandbox.skew", 0))


def _dated(send: Send, now: float) -> Send:
    async def dated(message: Message) -> None:
        if message["type"] == "http.response.start":
            date = formatdate(now, usegmt=True).encode("ascii")
            message = {**message, "headers": [*message["headers"], (b"date", date)]}
        await send(message)

    return dated


def _application(request: Request) -> str:
    return str(request.scope["sandbox.application"])


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Two actions are two members of one name, of which `json` would only see the last."""
    members = dict(pairs)
    if len(members) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{twice} is there twice")
    return members


def _segment(request: Request, name: str) -> str:
    return unquote(request.path_params[name])


def _user(request: Request) -> Endpoint:
    kind, endpoint = _segment(request, "type"), _segment(request, "endpoint")
    if kind not in ("number", "username"):
        raise Refused(40001, f"Illegal parameter type: {kind}")
    if kind == "number":
        try:
            check_e164("number", endpoint)
        except InvalidRequest as error:
            code = 40001 if endpoint.startswith("+") else 40005
            raise Refused(code, f"Illegal parameter endpoint: {error}") from None
    # As it came: the names that the client refuses are not known to be refused by the server.
    user = endpoints.read({"type": kind, "endpoint": endpoint})
    assert user is not None  # noqa: S101 - a segment of a path that has a route is not empty
    return user


def _filter(request: Request, name: str) -> datetime | None:
    values: list[Any] = request.query_params.getlist(name)
    if not values:
        return None
    moment = decoding.timestamp(values[0]) if len(values) == 1 else None
    if moment is None:
        raise Refused(40001, f"Illegal parameter {name}: {values}")
    return moment.astimezone(UTC)
