"""The HTTP side of the sandbox: authentication, routes, errors."""

from __future__ import annotations

import hmac
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
from ..urls import is_loopback
from ..vocabulary import CallLeg, ReportDomain
from .callouts import callback_headers
from .schema import find_body_problem, find_problem, read_json
from .world import CONTROL, Refused, World

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
    """Return an ASGI application that answers like the APIs, behind an authenticating gate."""
    routes = _Routes(world)
    handlers = {
        "Calling_GetCallResult": routes.get_call,
        "Calling_UpdateCall": routes.update_call,
        "Calling_ManageCallWithCallLeg": routes.update_leg,
        "Callouts": routes.place_callout,
        "Calling_GetConferenceInfo": routes.get_conference,
        "Calling_KickConferenceAll": routes.kick_all,
        "Calling_ManageConferenceParticipant": routes.manage_participant,
        "Calling_KickConferenceParticipant": routes.kick_participant,
        "Configuration_GetNumbers": routes.get_numbers,
        "Configuration_UpdateNumbers": routes.assign_numbers,
        "Configuration_UnassignNumber": routes.unassign_number,
        "Configuration_GetCallbackURLs": routes.get_callback_urls,
        "Configuration_UpdateCallbackURLs": routes.update_callback_urls,
        "Calling_QueryNumber": routes.query_number,
        "Report_GetUserCallReport": routes.user_report,
        "Report_GetCounter": routes.counter,
        "Report_GetServiceStatus": routes.service_status,
    }
    app = Starlette(
        routes=[
            *(
                Route(
                    _BASES[route.api] + route.path,
                    handlers[route.operation_id],
                    methods=[route.method],
                )
                for route in ROUTES
            ),
            # The old page has a default domain, but does not show the URL without one.
            Route("/v1/users/{type}/{endpoint}/calls", routes.user_report),
            Route(f"{CONTROL}incoming-calls", routes.receive_call, methods=["POST"]),
        ],
        exception_handlers={Refused: routes.refused, HTTPException: routes.no_route},
    )
    app.router.redirect_slashes = False
    return _Gate(app, routes)


class _Gate:
    """Authenticates a request before routing, by its path as sent."""

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
        # Segments are decoded after routing, because an escaped slash is part of an id.
        await self._app({**scope, "path": scope["raw_path"].decode("ascii")}, receive, send)

    def _authenticate(self, scope: Scope, body: bytes) -> str:
        """Return the key of the application that sent the request."""
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
            raise Refused(40003, f"Invalid request: unknown leg {leg!r}")
        self._update(request, CallLeg(leg), one_leg=True)
        return JSONResponse({"content": "200 Successful response"})

    def _update(self, request: Request, leg: CallLeg, *, one_leg: bool = False) -> None:
        body = _json(request)
        _check(find_problem(body, leg=one_leg))
        self.world.update_call(_application(request), _segment(request, "call_id"), body, leg)

    async def place_callout(self, request: Request) -> Response:
        body = _json(request)
        method = body.get("method") if isinstance(body, dict) else None
        if method not in ("ttsCallout", "conferenceCallout", "customCallout"):
            raise Refused(
                40001, "Method needs to be ttsCallout, conferenceCallout or customCallout"
            )
        if method not in body:
            raise Refused(40002, f"Bad request: {method} information missing")
        _check(find_body_problem("CalloutRequest", body))
        return JSONResponse(
            self.world.place_callout(
                _application(request),
                body,
                _region(request),
                callback_headers(request.headers.raw),
            )
        )

    async def get_conference(self, request: Request) -> Response:
        return JSONResponse(
            self.world.get_conference(
                _application(request), _segment(request, "conference_id"), _region(request)
            )
        )

    async def kick_all(self, request: Request) -> Response:
        self.world.kick_all(
            _application(request), _segment(request, "conference_id"), _region(request)
        )
        return Response(status_code=204)

    async def manage_participant(self, request: Request) -> Response:
        body = _json(request)
        _check(find_body_problem("manageConferenceParticipantRequest", body))
        self.world.manage_participant(
            _application(request),
            _segment(request, "conference_id"),
            _segment(request, "call_id"),
            _region(request),
            body["command"],
        )
        return JSONResponse({"content": "Successful response"})

    async def kick_participant(self, request: Request) -> Response:
        self.world.kick_participant(
            _application(request),
            _segment(request, "conference_id"),
            _segment(request, "call_id"),
            _region(request),
        )
        return JSONResponse({"content": "200 Successful response"})

    async def get_numbers(self, request: Request) -> Response:
        return JSONResponse(self.world.get_numbers())

    async def assign_numbers(self, request: Request) -> Response:
        body = _json(request)
        _check(find_body_problem("updateNumbers", body))
        self.world.assign_numbers(_application(request), body)
        return Response(status_code=204)

    async def unassign_number(self, request: Request) -> Response:
        body = _json(request)
        _check(find_body_problem("unassignNumbers", body))
        self.world.unassign_number(_application(request), body)
        return Response(status_code=204)

    async def get_callback_urls(self, request: Request) -> Response:
        return JSONResponse(self.world.get_callback_urls(_segment(request, "application_key")))

    async def update_callback_urls(self, request: Request) -> Response:
        body = _json(request)
        _check(find_body_problem("callbacks", body))
        self.world.update_callback_urls(_segment(request, "application_key"), body)
        return Response(status_code=204)

    async def query_number(self, request: Request) -> Response:
        return JSONResponse(self.world.query_number(_segment(request, "number")))

    async def user_report(self, request: Request) -> Response:
        given = "domain" in request.path_params
        domain = _segment(request, "domain") if given else ReportDomain.DATA
        if domain not in list(ReportDomain):
            raise Refused(40001, f"Illegal parameter domain: {domain}")
        start, stop = _filter(request, "_start"), _filter(request, "_stop")
        if start and stop and not timedelta(0) < stop - start <= _MAX_REPORT:
            raise Refused(40001, "Illegal parameters _start and _stop: give at most 30 days")
        return JSONResponse(
            self.world.user_report(_application(request), _user(request), domain, start, stop)
        )

    async def counter(self, request: Request) -> Response:
        return JSONResponse(self.world.counter(_application(request), _segment(request, "id")))

    async def service_status(self, request: Request) -> Response:
        return JSONResponse(self.world.service_status(_segment(request, "id")))

    async def receive_call(self, request: Request) -> Response:
        """Start an incoming call: an operation of the sandbox, for this machine only."""
        if request.client is None or not is_loopback(request.client.host):
            raise Refused(40400, "Not found")
        body = _json(request)
        if (
            not isinstance(body, dict)
            or not {"from"} <= body.keys() <= {"from", "to"}
            or not all(isinstance(end, str) for end in body.values())
        ):
            raise Refused(40003, "Invalid request: give from, and optionally to, as text")
        try:
            call = self.world.receive_call(
                _application(request), from_=body["from"], to=body.get("to")
            )
        except InvalidRequest as error:
            raise Refused(40003, f"Invalid request: {error}") from None
        return JSONResponse({"callId": call.call_id})

    async def refused(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, Refused)  # noqa: S101 - Starlette's handlers are typed loosely
        body = {
            "errorCode": error.code,
            "message": error.message,
            "reference": self.world.new_id(),
        }
        return JSONResponse(body, status_code=error.code // 100)

    async def no_route(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101 - Starlette's handlers are typed loosely
        if error.status_code != 405:
            return await self.refused(request, Refused(40400, "Not found"))
        response = await self.refused(request, Refused(40500, "Method not allowed"))
        # A path has a route for each method; Starlette lists only the methods of the first.
        found = [route for route in request.app.routes if route.matches(request.scope)[0].value]
        methods = {method for route in found for method in route.methods}
        response.headers["Allow"] = ", ".join(sorted(methods))
        return response


def _now(scope: Scope) -> float:
    """Return the time for checking signatures, which clients also read in the Date header."""
    return time.time() + float(scope.get("sandbox.skew", 0))


def _dated(send: Send, now: float) -> Send:
    async def dated(message: Message) -> None:
        if message["type"] == "http.response.start":
            date = formatdate(now, usegmt=True).encode("ascii")
            message = {**message, "headers": [*message["headers"], (b"date", date)]}
        await send(message)

    return dated


def _check(problem: str | None) -> None:
    if problem is not None:
        raise Refused(40003, f"Invalid request: {problem}")


def _region(request: Request) -> str:
    return str(request.scope["sandbox.region"])


def _json(request: Request) -> Any:
    try:
        return read_json(request.scope["sandbox.body"] or b"null")
    except ValueError as error:
        raise Refused(40003, f"Invalid request: {error}") from None


def _application(request: Request) -> str:
    return str(request.scope["sandbox.application"])


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
    # Unchecked: the server may accept names that the client refuses.
    user = endpoints.read({"type": kind, "endpoint": endpoint})
    assert user is not None  # noqa: S101 - a routed path has no empty segment
    return user


def _filter(request: Request, name: str) -> datetime | None:
    values: list[Any] = request.query_params.getlist(name)
    if not values:
        return None
    moment = decoding.timestamp(values[0]) if len(values) == 1 else None
    if moment is None:
        raise Refused(40001, f"Illegal parameter {name}: {values}")
    return moment.astimezone(UTC)
