"""The packages in generated/: they decode and send everything without loss."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
import regenerate
import sinchvoice_calling
import sinchvoice_reporting
from sinchvoice_calling.api.calls import (
    calling_get_call_result,
    calling_manage_call_with_call_leg,
    calling_update_call,
)
from sinchvoice_calling.models import (
    CallResult,
    DestinationMxp,
    DestinationPstn,
    DestinationSip,
    FreeFormObject,
    Price,
    SvamlActionHangup,
    SvamlInstructionPlayFiles,
    SvamlRequest,
)
from sinchvoice_calling.types import UNSET
from sinchvoice_reporting.api.call_report import (
    report_get_counter,
    report_get_service_status,
    report_get_user_call_report,
)

ID = "4398599d1ba84ef3bde0a82dfb61abed"
BODY = regenerate.published("calling")["components"]["requestBodies"]["Svaml"]
REQUESTS = {
    name: example["value"]
    for name, example in BODY["content"]["application/json"]["examples"].items()
}


def client(package: Any, status: int, content: Any = None) -> tuple[Any, list[httpx.Request]]:
    """Return a generated client with a fixed answer, and the list of its requests."""
    sent: list[httpx.Request] = []
    body = b"" if content is None else json.dumps(content).encode()

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return httpx.Response(status, content=body)

    http = httpx.Client(transport=httpx.MockTransport(answer), base_url="https://localhost")
    return package.Client("https://localhost").set_httpx_client(http), sent


# --- Calls ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("endpoint", "kind"),
    [
        ({"type": "username", "endpoint": "myUserName"}, DestinationMxp),
        ({"type": "Username", "endpoint": "myUserName"}, DestinationMxp),
        ({"type": "number", "endpoint": "+12125550123"}, DestinationPstn),
        ({"type": "Number", "endpoint": "+12125550123"}, DestinationPstn),
        ({"type": "number", "endpoint": None}, DestinationPstn),
        ({"type": "sip", "endpoint": "+19876543210@example.sip.sinch.com"}, DestinationSip),
        ({"type": "number", "endpoint": "+12125550123", "verified": True}, DestinationPstn),
        ({"type": "Sip", "endpoint": "+19876543210@example.sip.sinch.com"}, FreeFormObject),
        ({"type": "did", "endpoint": "+3197121281500"}, FreeFormObject),
        ({"type": "number"}, FreeFormObject),
        ({"type": ["number"], "endpoint": "+12125550123"}, FreeFormObject),
        ({"endpoint": "+12125550123"}, FreeFormObject),
        ({}, FreeFormObject),
        ("31639136121", str),
        (None, type(None)),
        (["+12125550123"], list),
        (12125550123, int),
    ],
    ids=str,
)
def test_an_endpoint_is_decoded_by_its_kind_and_kept(endpoint: Any, kind: type):
    call = CallResult.from_dict({"from": endpoint, "to": endpoint})
    assert type(call.from_) is kind
    assert type(call.to) is kind
    assert call.to_dict() == {"from": endpoint, "to": endpoint}


@pytest.mark.parametrize(
    "call",
    [
        {},
        {"callId": ID, "callid": None},
        {"domain": "PSTN", "status": "PARKED", "result": "CANCEL", "reason": "USERNOTFOUND"},
        {"domain": None, "status": 1, "result": ["BUSY"], "reason": {"code": "BUSY"}},
        {"duration": "138", "timestamp": "2024-01-08T09:48:12"},
        {"duration": 0, "timestamp": 1704707292},
        {"custom": {"order": {"id": 0, "paid": False}}},
        {"custom": "{}"},
        {"userRate": "0.1758", "debit": None},
        {"userRate": {"currencyId": None, "amount": "0.1758", "formatted": "$10.25"}},
        {"debitMinutes": 0.5, "brandNew": [1, {"a": None}]},
    ],
    ids=str,
)
def test_nothing_of_a_call_is_lost(call: dict[str, Any]):
    assert CallResult.from_dict(call).to_dict() == call


def test_absent_fields_of_a_call_are_unset():
    call = CallResult.from_dict({"custom": None})
    assert call.custom is None
    assert call.from_ is UNSET
    assert call.call_id is UNSET


@pytest.mark.parametrize("status", [200, 203, 206])
def test_a_call_is_read_from_any_2xx(status: int):
    answer = {"callId": ID, "duration": 138, "userRate": {"currencyId": "EUR", "amount": 0.1758}}
    service, sent = client(sinchvoice_calling, status, answer)
    call = calling_get_call_result.sync_detailed(ID, client=service).parsed
    assert call is not None
    assert call.call_id == ID
    assert call.user_rate == Price(currency_id="EUR", amount=0.1758)
    assert sent[0].url.raw_path == f"/calling/v1/calls/id/{ID}".encode()


@pytest.mark.parametrize(
    ("status", "content"),
    [(200, None), (200, {"content": "200 Successful response"}), (202, None), (204, None)],
)
def test_an_update_succeeds_with_any_2xx_and_ignores_its_body(status: int, content: Any):
    service, sent = client(sinchvoice_calling, status, content)
    body = SvamlRequest(action=SvamlActionHangup())
    answers = [
        calling_update_call.sync_detailed(ID, client=service, body=body),
        calling_manage_call_with_call_leg.sync_detailed(ID, "both", client=service, body=body),
    ]
    assert [(answer.status_code, answer.parsed) for answer in answers] == [(status, None)] * 2
    path = f"/calling/v1/calls/id/{ID}"
    assert [request.url.path for request in sent] == [path, f"{path}/leg/both"]
    assert [json.loads(request.content) for request in sent] == [{"action": {"name": "hangup"}}] * 2


# --- SVAML ---------------------------------------------------------------------------------------

EXTREMES = {
    "false and zero": {
        "action": {"name": "connectPstn", "maxDuration": 0, "suppressCallbacks": False, "amd": {}}
    },
    "a menu of two levels": {
        "instructions": [],
        "action": {
            "name": "runMenu",
            "barge": False,
            "enableVoice": False,
            "menus": [
                {"id": "main", "repeats": 0, "options": [{"dtmf": "0", "action": "menu(sub)"}]},
                {"id": "sub", "maxDigits": 0, "timeoutMills": 0, "options": []},
            ],
        },
    },
    "a recording that is transcribed": {
        "instructions": [
            {
                "name": "startRecording",
                "options": {
                    "destination": "s3://my-bucket/",
                    "notificationEvents": False,
                    "transcriptionOptions": {"enabled": False, "locale": ""},
                },
            }
        ]
    },
    "older fields": {
        "action": {"name": "continue", "record": False, "recordingOptions": {"format": ""}}
    },
    "a conference": {
        "action": {
            "name": "connectConf",
            "conferenceId": "myConference",
            "conferenceDtmfOptions": {"mode": "detect", "maxDigits": 0, "timeoutMills": 0},
            "record": False,
        }
    },
    "both spellings of call headers": {
        "action": {"name": "connectMxp", "callheaders": [], "callHeaders": [{"key": "foo"}]}
    },
}
STRANGERS = {
    "a name in another case": {"name": "ConnectPSTN", "number": "+12125550123"},
    "an action of older pages": {"name": "startRecording", "recordingOptions": {"format": "mp3"}},
    "an enumeration from an example": {"name": "connectSip", "transport": "tls"},
    "a destination from an example": {"name": "connectSip", "destination": {"type": "Sip"}},
    "a menu that is none": {"name": "runMenu", "menus": ["main"]},
    "null where a list is due": {"name": "runMenu", "menus": None},
    "no name": {"barge": False},
    "nothing": {},
}


@pytest.mark.parametrize("svaml", (REQUESTS | EXTREMES).values(), ids=REQUESTS | EXTREMES)
def test_documented_svaml_is_typed_and_nothing_of_it_is_lost(svaml: dict[str, Any]):
    request = SvamlRequest.from_dict(svaml)
    assert request.to_dict() == svaml
    parts = [*(request.instructions or []), *([request.action] if "action" in svaml else [])]
    assert [part for part in parts if isinstance(part, FreeFormObject)] == []
    assert request.additional_properties == {}


@pytest.mark.parametrize("stranger", STRANGERS.values(), ids=STRANGERS)
def test_any_other_svaml_is_kept_unchanged(stranger: dict[str, Any]):
    svaml = {"instructions": [stranger, {"name": "answer"}], "action": stranger, "x": stranger}
    request = SvamlRequest.from_dict(svaml)
    assert isinstance(request.action, FreeFormObject)
    assert request.to_dict() == svaml


def test_svaml_is_built_without_repeating_its_name():
    request = SvamlRequest(instructions=[SvamlInstructionPlayFiles(["welcome"])])
    assert request.to_dict() == {"instructions": [{"name": "playFiles", "ids": ["welcome"]}]}


# --- Reports -------------------------------------------------------------------------------------


def test_a_report_is_requested_with_its_window():
    service, sent = client(
        sinchvoice_reporting, 200, {"success": 2, "duration": "623", "failed": 0}
    )
    report = report_get_user_call_report.sync_detailed(
        "username",
        "abc123def",
        "pstn",
        client=service,
        field_start="2014-04-28",
        field_stop="2014-04-29",
    ).parsed
    assert report is not None
    assert (report.success, report.duration, report.failed) == (2, "623", 0)
    path = "/users/username/abc123def/calls/pstn?_start=2014-04-28&_stop=2014-04-29"
    assert sent[0].url.raw_path == path.encode()


def test_a_counter_is_read():
    service, sent = client(sinchvoice_reporting, 200, {"value": 12384955, "modified": None})
    counter = report_get_counter.sync_detailed("currentcalls", client=service).parsed
    assert counter is not None
    assert (counter.value, counter.modified) == (12384955, None)
    assert sent[0].url.path == "/counters/currentcalls"


@pytest.mark.parametrize("status", ["up", "down", "degraded", None])
def test_an_unknown_status_of_a_service_is_read(status: str | None):
    service, sent = client(sinchvoice_reporting, 200, {"status": status})
    answer = report_get_service_status.sync_detailed("rtpproxy", client=service).parsed
    assert answer is not None
    assert answer.status == status
    assert sent[0].url.path == "/services/rtpproxy"


# --- Files ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("package", [sinchvoice_calling, sinchvoice_reporting])
def test_every_module_has_the_header_of_its_generator(package: Any):
    folder = Path(package.__file__).parent
    modules = list(folder.rglob("*.py"))
    assert modules
    for module in modules:
        assert module.read_text(encoding="utf-8").startswith(
            "# Generated by `nox -s regenerate`: do not edit.\n"
        )
    assert (folder / "py.typed").exists()
