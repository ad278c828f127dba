"""The operations of the API, each declared once.

Surfaces, sandbox, tests, judges and the comparison of specifications read this table; tests check
that all of them or none have an operation. This module imports nothing that sends.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import Any, Literal, Protocol, TypeAlias

import attrs

from .errors import Remedy

__all__ = ["APIS", "ROUTES", "Api", "Route"]

Api: TypeAlias = Literal["calling", "configuration", "reporting"]
APIS: tuple[Api, ...] = ("calling", "configuration", "reporting")


class _Endpoint(Protocol):
    """A generated endpoint module: it builds a request, and parses an answer."""

    def _get_kwargs(self, *args: Any, **kwargs: Any) -> dict[str, Any]: ...

    def _parse_response(self, *, client: Any, response: Any) -> Any: ...


@attrs.frozen(kw_only=True)
class Route:
    """An operation of the API.

    Attributes:
        operation_id: Name in the specification.
        name: Method of the client for it, for example `calls.get`.
        also: Other methods that use it.
        api: API that it belongs to; selects the base URL. Configuration has its own base URL, but
            is in the specification of calling.
        method: HTTP method.
        path: Path below the base URL, with parameter names in braces.
        module: Its module in the generated package, below `api`.
        replayable: Whether sending it twice does no harm, so that it is retried after a failure
            that leaves open whether the server acted; True for a GET, unless declared otherwise.
        replay_window: Seconds since the start of a call within which such a retry may begin; None
            for no limit.
        gone_is_done: Whether a 404 as the answer to such a retry means that the earlier attempt
            worked.
        patience: Least seconds to wait for the answer, whatever the timeout, because giving up may
            leave something half done; a deadline of the client does not shorten this wait. 0 for
            the usual wait.
        advice: Remedy if it is unknown whether the server acted.
        has_content: Whether a success has content that matters; other content is never decoded.
    """

    operation_id: str
    name: str
    also: tuple[str, ...] = ()
    api: Api
    method: str
    path: str
    module: str
    replayable: bool = attrs.field(
        default=attrs.Factory(lambda route: route.method == "GET", takes_self=True)
    )
    replay_window: float | None = None
    gone_is_done: bool = False
    patience: float = 0.0
    advice: str | None = None
    has_content: bool = True

    @property
    def specification(self) -> str:
        """The document under openapi/ that specifies it."""
        return "reporting" if self.api == "reporting" else "calling"

    @property
    def methods(self) -> tuple[str, ...]:
        """All methods of the client that use it."""
        return (self.name, *self.also)

    @property
    def generated(self) -> _Endpoint:
        """The generated module, imported on first use."""
        return _imported(f"sinchvoice_{self.specification}.api.{self.module}")


@cache
def _imported(name: str) -> _Endpoint:
    # Not from sys.modules: another thread may still be importing it.
    found: Any = import_module(name)
    return found  # type: ignore[no-any-return]


CALLOUT = Route(
    operation_id="Callouts",
    name="callouts.text_to_speech",
    also=("callouts.conference", "callouts.custom", "conferences.call"),
    api="calling",
    method="POST",
    path="/calling/v1/callouts",
    module="callouts.callouts",
    # An aborted request may still ring (sinch/docs#230): never give up early, never send it again.
    patience=60.0,
    advice=Remedy(
        "it may ring all the same: before sending it again, look for {custom} in callbacks and "
        "{get_call}",
        custom="its `custom`",
        get_call="calls.get",
    ),
)
GET_CALL = Route(
    operation_id="Calling_GetCallResult",
    name="calls.get",
    api="calling",
    method="GET",
    path="/calling/v1/calls/id/{call_id}",
    module="calls.calling_get_call_result",
)
UPDATE_CALL = Route(
    operation_id="Calling_UpdateCall",
    name="calls.update",
    also=("calls.hangup", "calls.say", "calls.play"),
    api="calling",
    method="PATCH",
    path="/calling/v1/calls/id/{call_id}",
    module="calls.calling_update_call",
    has_content=False,
)
MANAGE_CALL_WITH_CALL_LEG = Route(
    operation_id="Calling_ManageCallWithCallLeg",
    name="calls.manage_with_call_leg",
    also=("calls.say", "calls.play"),
    api="calling",
    method="PATCH",
    path="/calling/v1/calls/id/{call_id}/leg/{call_leg}",
    module="calls.calling_manage_call_with_call_leg",
    has_content=False,
)
GET_CONFERENCE = Route(
    operation_id="Calling_GetConferenceInfo",
    name="conferences.get",
    api="calling",
    method="GET",
    path="/calling/v1/conferences/id/{conference_id}",
    module="conferences.calling_get_conference_info",
)
KICK_ALL = Route(
    operation_id="Calling_KickConferenceAll",
    name="conferences.kick_all",
    api="calling",
    method="DELETE",
    path="/calling/v1/conferences/id/{conference_id}",
    module="conferences.calling_kick_conference_all",
    replayable=True,
    # Applications choose the ids: a late retry could empty a new conference of the same name.
    replay_window=5.0,
    gone_is_done=True,
    has_content=False,
)
MANAGE_PARTICIPANT = Route(
    operation_id="Calling_ManageConferenceParticipant",
    name="conferences.manage_participant",
    also=("conferences.mute", "conferences.unmute", "conferences.hold", "conferences.resume"),
    api="calling",
    method="PATCH",
    path="/calling/v1/conferences/id/{conference_id}/{call_id}",
    module="conferences.calling_manage_conference_participant",
    replayable=True,
    has_content=False,
)
KICK_PARTICIPANT = Route(
    operation_id="Calling_KickConferenceParticipant",
    name="conferences.kick_participant",
    api="calling",
    method="DELETE",
    path="/calling/v1/conferences/id/{conference_id}/{call_id}",
    module="conferences.calling_kick_conference_participant",
    replayable=True,
    gone_is_done=True,
    has_content=False,
)
GET_NUMBERS = Route(
    operation_id="Configuration_GetNumbers",
    name="applications.get_numbers",
    api="configuration",
    method="GET",
    path="/v1/configuration/numbers",
    module="applications.configuration_get_numbers",
)
ASSIGN_NUMBERS = Route(
    operation_id="Configuration_UpdateNumbers",
    name="applications.assign_numbers",
    api="configuration",
    method="POST",
    path="/v1/configuration/numbers",
    module="applications.configuration_update_numbers",
    replayable=True,
    has_content=False,
)
UNASSIGN_NUMBER = Route(
    operation_id="Configuration_UnassignNumber",
    name="applications.unassign_number",
    api="configuration",
    method="DELETE",
    path="/v1/configuration/numbers",
    module="applications.configuration_unassign_number",
    replayable=True,
    has_content=False,
)
GET_CALLBACK_URLS = Route(
    operation_id="Configuration_GetCallbackURLs",
    name="applications.get_callback_urls",
    api="configuration",
    method="GET",
    path="/v1/configuration/callbacks/applications/{application_key}",
    module="applications.configuration_get_callback_urls",
)
UPDATE_CALLBACK_URLS = Route(
    operation_id="Configuration_UpdateCallbackURLs",
    name="applications.update_callback_urls",
    api="configuration",
    method="POST",
    path="/v1/configuration/callbacks/applications/{application_key}",
    module="applications.configuration_update_callback_urls",
    replayable=True,
    has_content=False,
)
QUERY_NUMBER = Route(
    operation_id="Calling_QueryNumber",
    name="applications.query_number",
    api="configuration",
    method="GET",
    path="/v1/calling/query/number/{number}",
    module="applications.calling_query_number",
)
USER_CALL_REPORT = Route(
    operation_id="Report_GetUserCallReport",
    name="reports.user_calls",
    also=("reports.user_calls_by_window", "reports.user_calls_many"),
    api="reporting",
    method="GET",
    path="/users/{type}/{endpoint}/calls/{domain}",
    module="call_report.report_get_user_call_report",
)
COUNTER = Route(
    operation_id="Report_GetCounter",
    name="reports.counter",
    api="reporting",
    method="GET",
    path="/counters/{id}",
    module="call_report.report_get_counter",
)
SERVICE_STATUS = Route(
    operation_id="Report_GetServiceStatus",
    name="reports.service_status",
    api="reporting",
    method="GET",
    path="/services/{id}",
    module="call_report.report_get_service_status",
)

#: All routes, in the order of the specifications.
ROUTES: tuple[Route, ...] = (
    CALLOUT,
    GET_CALL,
    UPDATE_CALL,
    MANAGE_CALL_WITH_CALL_LEG,
    GET_CONFERENCE,
    KICK_ALL,
    MANAGE_PARTICIPANT,
    KICK_PARTICIPANT,
    GET_NUMBERS,
    ASSIGN_NUMBERS,
    UNASSIGN_NUMBER,
    GET_CALLBACK_URLS,
    UPDATE_CALLBACK_URLS,
    QUERY_NUMBER,
    USER_CALL_REPORT,
    COUNTER,
    SERVICE_STATUS,
)
