"""auth.py: signed requests of the generated clients, against a sandbox that verifies them."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from sinchvoice import Credentials, PstnEndpoint, SipEndpoint, svaml
from sinchvoice.auth import SignedAuth
from sinchvoice.sandbox import Sandbox
from sinchvoice_calling import Client
from sinchvoice_calling.api.calls import calling_get_call_result, calling_update_call
from sinchvoice_calling.models import SvamlRequest
from sinchvoice_reporting import Client as ReportingClient
from sinchvoice_reporting.api.call_report import report_get_user_call_report


def auth_of(box: Sandbox) -> SignedAuth:
    return SignedAuth(
        Credentials(box.environ["SINCH_APPLICATION_KEY"], box.environ["SINCH_APPLICATION_SECRET"])
    )


def test_the_generated_client_gets_and_updates_a_call(box: Sandbox):
    made = box.add_call(to=PstnEndpoint("+12125550123"))
    with Client(box.calling_url, httpx_args={"auth": auth_of(box)}) as client:
        call = calling_get_call_result.sync(made.call_id, client=client)
        assert call is not None
        assert call.call_id == made.call_id
        body = SvamlRequest.from_dict(svaml.Svaml(action=svaml.Hangup()).to_wire())
        answer = calling_update_call.sync_detailed(made.call_id, client=client, body=body)
    assert answer.status_code == 204
    assert made.actions == [svaml.Hangup()]


def test_the_asynchronous_functions_sign_as_well(box: Sandbox):
    made = box.add_call(to=SipEndpoint("a@example.com"))

    async def main() -> str:
        async with Client(box.calling_url, httpx_args={"auth": auth_of(box)}) as client:
            call = await calling_get_call_result.asyncio(made.call_id, client=client)
        return str(call.call_id)  # type: ignore[union-attr]

    assert asyncio.run(main()) == made.call_id


@pytest.mark.parametrize("endpoint", ["+46730170101", "a b", "ü@x"])
def test_escapes_are_signed_as_sent(box: Sandbox, endpoint: str):
    kind = "number" if endpoint.startswith("+") else "username"
    with ReportingClient(box.reporting_url, httpx_args={"auth": auth_of(box)}) as client:
        report = report_get_user_call_report.sync(
            kind, endpoint, "pstn", client=client, field_start="2026-11-01"
        )
    assert report is not None


def test_a_wrong_secret_is_refused(box: Sandbox):
    credentials = Credentials(box.environ["SINCH_APPLICATION_KEY"], "BeIukql3pTKJ8RGL5zo0DA==")
    with httpx.Client(base_url=box.calling_url, auth=SignedAuth(credentials)) as http:
        assert http.get("/calling/v1/calls/id/x").json()["errorCode"] == 40102
