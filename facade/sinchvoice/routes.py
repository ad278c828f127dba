"""The operations of the API, each declared once.

Surfaces, sandbox, tests, judges and the comparison of specifications read this table: an operation
is known to all of them or to none, by test. Imports nothing that sends.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import Any, Literal, Protocol, TypeAlias

import attrs

__all__ = ["APIS", "ROUTES", "Api", "Route"]

Api: TypeAlias = Literal["calling", "reporting"]
APIS: tuple[Api, ...] = ("calling", "reporting")


class _Endpoint(Protocol):
    """A generated endpoint module: what builds a request, and what parses an answer."""

    def _get_kwargs(self, *args: Any, **kwargs: Any) -> dict[str, Any]: ...

    def _parse_response(self, *, client: Any, response: Any) -> Any: ...


@attrs.frozen(kw_only=True)
class Route:
    """An operation of the API.

    Attributes:
        operation_id: its name in the specification.
        name: the method of the client that is this operation, for example `calls.get`.
        also: methods that use it as well, under names of their own.
        api: which specification it is in, and so which base URL it belongs to.
        method: HTTP method.
        path: path below the base URL, with the parameters' names in braces.
        module: its module in the generated package, below `api`.
        replayable: whether sending it twice does no harm, so that it is tried again after a
            failure that leaves open whether the server acted; a GET, unless declared otherwise.
        has_content: whether a success has content that matters; if not, it is never decoded.
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
    has_content: bool = True

    @property
    def methods(self) -> tuple[str, ...]:
        """All methods of the client that use it."""
        return (self.name, *self.also)

    @property
    def generated(self) -> _Endpoint:
        """The generated module, imported when it is first asked for."""
        return _imported(f"sinchvoice_{self.api}.api.{self.module}")


@cache
def _imported(name: str) -> _Endpoint:
    # Not from sys.modules: another thread may be in the middle of importing it.
    found: Any = import_module(name)
    return found  # type: ignore[no-any-return]


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
USER_CALL_REPORT = Route(
    operation_id="Report_GetUserCallReport",
    name="reports.user_calls",
    also=("reports.user_calls_by_window",),
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

#: All of them, in the order of the specifications.
ROUTES: tuple[Route, ...] = (
    GET_CALL,
    UPDATE_CALL,
    MANAGE_CALL_WITH_CALL_LEG,
    USER_CALL_REPORT,
    COUNTER,
    SERVICE_STATUS,
)
