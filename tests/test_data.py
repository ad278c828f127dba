"""data.py: results as data and back; refusals; the adapters in docs/how-to/data.md."""

from __future__ import annotations

import asyncio
import copy
import json
import pickle
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import httpx
import pytest
from documentation import blocks
from hypothesis import given
from hypothesis import strategies as st
from samples import SAMPLES
from sinchvoice import (
    ApplicationNumber,
    Call,
    CallbackUrls,
    CallDomain,
    Callout,
    CallReason,
    CallResult,
    CallStatus,
    Capability,
    Conference,
    ConferenceParticipant,
    Counter,
    InvalidRequest,
    MxpEndpoint,
    NotFoundError,
    NumberInfo,
    NumberType,
    OtherEndpoint,
    Price,
    PstnEndpoint,
    ReportWindow,
    ResponseInfo,
    ServiceStatus,
    SipEndpoint,
    UserCallReport,
    callbacks,
    data,
    endpoints,
    svaml,
)
from sinchvoice.reports import format_day, parse_day
from sinchvoice.sandbox import running

EXAMPLES = [block.code for block in blocks("docs/how-to/data.md") if block.language == "python"]
NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
REPORT = UserCallReport(success=2, failed=1, duration=623, start=NOON)


def there_and_back(result: Any) -> Any:
    return type(result).from_dict(json.loads(result.to_json()))


# --- Strategies ----------------------------------------------------------------------------------

texts = st.text(max_size=20)
amounts = st.decimals(allow_nan=False, allow_infinity=False, places=8)
times = st.datetimes(
    datetime(1970, 1, 2),  # noqa: DTZ001 - hypothesis adds the zone
    datetime(2100, 1, 1),  # noqa: DTZ001
    timezones=st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=30))]),
)
received_endpoints = st.builds(
    lambda kind, endpoint: endpoints.read({"type": kind, "endpoint": endpoint}),
    st.sampled_from(["number", "Number", "username", "SIP", "did", "", None]) | texts,
    texts | st.none(),
)
prices = st.builds(Price, amounts | st.none(), st.sampled_from(["EUR", "", None]) | texts)
floats = st.floats(allow_nan=False, allow_infinity=False).map(repr).map(Decimal)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | texts | floats,
    lambda children: st.lists(children, max_size=3) | st.dictionaries(texts, children, max_size=3),
    max_leaves=5,
)
calls = st.builds(
    Call,
    call_id=texts,
    from_=st.none() | received_endpoints,
    to=st.none() | received_endpoints,
    domain=st.none() | st.sampled_from(CallDomain) | texts,
    duration=st.none() | st.integers(),
    status=st.none() | st.sampled_from([*CallStatus, "ongoing", "RINGING"]) | texts,
    result=st.none() | st.sampled_from(CallResult) | texts,
    reason=st.none() | st.sampled_from(CallReason) | texts,
    timestamp=st.none() | times,
    custom=st.none() | texts | st.dictionaries(texts, json_values, max_size=3),
    user_rate=st.none() | prices,
    debit=st.none() | prices,
)
counts = st.integers(0)
reports = st.builds(
    UserCallReport, success=counts, failed=counts, duration=counts, start=st.none() | times
)
windows = st.builds(ReportWindow, start=st.dates() | times, stop=st.dates() | times, report=reports)
counters = st.builds(Counter, value=st.integers() | amounts | floats, modified=st.none() | times)
services = st.builds(ServiceStatus, status=st.sampled_from(["up", "down"]) | texts)


flags = st.none() | st.booleans()
participants = st.builds(
    ConferenceParticipant,
    call_id=st.none() | texts,
    cli=st.none() | texts,
    duration=st.none() | st.integers(),
    muted=flags,
    on_hold=flags,
)
placed = st.one_of(
    st.builds(Callout, call_id=texts),
    st.builds(
        Conference,
        conference_id=texts,
        participants=st.lists(participants, max_size=3).map(tuple),
    ),
    st.builds(
        ApplicationNumber,
        number=texts,
        application_key=st.none() | texts,
        capability=st.none() | st.sampled_from(Capability) | texts,
    ),
    st.builds(CallbackUrls, primary=st.none() | texts, fallback=st.none() | texts),
    st.builds(
        NumberInfo,
        country_id=st.none() | texts,
        number_type=st.none() | st.sampled_from(NumberType) | texts,
        normalized_number=st.none() | texts,
        restricted=flags,
        rate=st.none() | prices,
    ),
)


# --- Round trips ---------------------------------------------------------------------------------


@given(calls | reports | windows | counters | services | prices | received_endpoints | placed)
def test_every_result_survives_json(result: Any):
    assert there_and_back(result) == result


@pytest.mark.parametrize("name", SAMPLES)
def test_the_result_of_every_operation_survives_json(scripted: Any, name: str):
    result = SAMPLES[name].run(scripted(SAMPLES[name].response()))
    for model in result if isinstance(result, list | tuple) else [result]:
        if isinstance(model, data.Model):
            assert there_and_back(model) == model
            assert model.to_dict() != {}
        else:
            assert model is None, "derive its class from data.Model"


@given(calls | placed)
def test_data_has_only_json_types(result: Any):
    def check(value: Any) -> None:
        assert type(value) in (dict, list, str, int, float, bool, type(None))
        for part in value.values() if type(value) is dict else value if type(value) is list else ():
            check(part)

    check(result.to_dict())


def test_members_of_enumerations_come_back_as_such():
    call = Call(call_id="x", status="ONGOING", result="N/A", domain="pstn", reason="TIMEOUT")
    found = there_and_back(call)
    assert found.status is CallStatus.ONGOING
    assert found.result is CallResult.NOT_AVAILABLE
    assert found.domain is CallDomain.PSTN
    assert found.reason is CallReason.TIMEOUT


def test_text_unknown_to_an_enumeration_is_kept():
    found = there_and_back(Call(call_id="x", status="ringing", result="Answered"))
    assert (found.status, found.result) == ("ringing", "Answered")
    assert (type(found.status), type(found.result)) == (str, str)


@pytest.mark.parametrize(
    "endpoint",
    [
        PstnEndpoint("+46730170101"),
        endpoints.read({"type": "Number", "endpoint": "46730170101"}),
        MxpEndpoint("alice"),
        SipEndpoint("alice@example.com"),
        OtherEndpoint("did", "+46730170101"),
        OtherEndpoint(None, "anonymous"),
        OtherEndpoint("conference", None),
        OtherEndpoint(None, None),
    ],
    ids=repr,
)
def test_an_endpoint_is_an_object_of_type_and_value(endpoint: Any):
    assert endpoint.to_dict().keys() == {"type", "endpoint"}
    assert endpoints.from_dict(endpoint.to_dict()) == endpoint
    assert there_and_back(endpoint) == endpoint
    assert there_and_back(Call(call_id="x", to=endpoint)).to == endpoint


def test_an_endpoint_of_another_type_is_refused_by_a_class():
    with pytest.raises(
        InvalidRequest, match=r"a MxpEndpoint, not a PstnEndpoint: use endpoints\.from_dict"
    ):
        PstnEndpoint.from_dict(MxpEndpoint("alice").to_dict())


def test_times_are_in_utc_with_a_z():
    somewhere = NOON.astimezone(timezone(timedelta(hours=-3)))
    assert Call(call_id="x", timestamp=somewhere).to_dict()["timestamp"] == "2026-11-01T12:00:00Z"
    window = ReportWindow(start=date(2026, 11, 1), stop=date(2026, 11, 2), report=REPORT)
    assert window.to_dict() == {
        "start": "2026-11-01",
        "stop": "2026-11-02",
        "success": 2,
        "failed": 1,
        "duration": 623,
        "first_call": "2026-11-01T12:00:00Z",
    }


@pytest.mark.parametrize("amount", ["0.10", "0.1758", "-3", "0.12345678901234567890123"])
def test_amounts_keep_every_digit(amount: str):
    price = Price(Decimal(amount), "EUR")
    assert price.to_dict() == {"amount": amount, "currency": "EUR"}
    assert str(there_and_back(price).amount) == amount


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (5, 5),
        (Decimal("0.5"), 0.5),
        (Decimal("0.1234567890123456789"), "0.1234567890123456789"),
        (Decimal("1E+400"), "1E+400"),
    ],
)
def test_a_counter_is_a_number_or_text_if_that_would_lose_digits(value: Any, written: Any):
    assert Counter(value=value).to_dict() == {"value": written, "modified": None}
    assert there_and_back(Counter(value=value)).value == value


def test_a_decimal_in_a_custom_object_becomes_text_only_if_it_would_lose_digits():
    custom = {"short": Decimal("0.1"), "long": [Decimal("0.1234567890123456789")]}
    call = Call(call_id="x", custom=custom)
    assert call.to_dict()["custom"] == {"short": 0.1, "long": ["0.1234567890123456789"]}
    found = there_and_back(call)
    assert found.custom == {"short": Decimal("0.1"), "long": ["0.1234567890123456789"]}
    assert there_and_back(found) == found


def test_a_huge_number_in_a_custom_object_stays_short():
    call = Call(call_id="x", custom={"a": Decimal("1E+999999")})
    assert call.to_dict()["custom"] == {"a": "1E+999999"}


def test_data_is_a_copy_of_the_result():
    call = Call(call_id="x", custom={"a": []})
    call.to_dict()["custom"]["a"].append(1)
    assert call.custom == {"a": []}


def test_a_call_from_the_server_survives_json(scripted: Any):
    answer = {
        "callId": "4398599d1ba84ef3bde0a82dfb61abed",
        "from": {"type": "Number", "endpoint": "12017777777"},
        "to": "anonymous",
        "domain": "lunar",
        "duration": "14398",
        "status": "ongoing",
        "result": "N/A",
        "timestamp": "2014-04-28T12:00:00.1234567",
        "custom": {"a": 0.1},
        "userRate": {"currencyId": "EUR", "amount": 0.1758},
        "debit": "0.10",
    }
    call = scripted(httpx.Response(200, json=answer)).calls.get(answer["callId"])
    assert there_and_back(call) == call
    assert there_and_back(call).raw == {}


@pytest.mark.parametrize(
    "result",
    [
        Call(call_id="x", to=MxpEndpoint("alice"), debit=Price(Decimal(1), "EUR"), raw={"a": 1}),
        REPORT,
        ReportWindow(start=NOON, stop=NOON, report=REPORT),
        Counter(value=1, raw={"value": 1}),
        ServiceStatus(status="up"),
    ],
    ids=lambda result: type(result).__name__,
)
def test_copies_and_pickles_keep_a_whole_result(result: Any):
    for found in (
        copy.copy(result),
        copy.deepcopy(result),
        *(pickle.loads(pickle.dumps(result, number)) for number in (2, pickle.HIGHEST_PROTOCOL)),
    ):
        assert found == result
        assert getattr(found, "raw", None) == getattr(result, "raw", None)


@given(calls | placed | reports | prices)
def test_equal_results_have_equal_hashes(result: Any):
    again = copy.deepcopy(result)
    assert len({result, again}) == 1


@pytest.mark.parametrize(
    "value",
    [
        callbacks.parse(b'{"event":"ice","custom":{"order":7}}'),
        callbacks.parse(b'{"event":"pie","custom":{"order":7},"menuResult":{}}'),
        callbacks.parse(b'{"event":"new"}'),
        callbacks.parse(b'{"event":"notify"}').answer(),
        svaml.Svaml([svaml.Raw({"name": "new"})], svaml.Hangup()),
        ResponseInfo(
            operation="calls.get",
            method="GET",
            host="localhost",
            status_code=200,
            headers={"date": "x"},
            attempts=1,
            elapsed=0.1,
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_values_that_contain_objects_have_a_hash(value: Any):
    assert {value: 1}[copy.copy(value)] == 1


# --- Missing and wrong values --------------------------------------------------------------------


def test_optional_keys_may_be_missing():
    assert Call.from_dict({"call_id": "x"}) == Call(call_id="x")
    assert Call.from_dict({"call_id": "x", "debit": {}, "to": {}}) == Call(
        call_id="x", debit=Price(), to=OtherEndpoint(None, None)
    )
    assert Counter.from_dict({"value": 1}) == Counter(value=1)


def test_unknown_keys_are_ignored():
    line = {"counter": "currentcalls", **Counter(value=3).to_dict()}
    assert Counter.from_dict(line) == Counter(value=3)


@pytest.mark.parametrize(
    ("kind", "key"),
    [
        (Call, "call_id"),
        (UserCallReport, "success"),
        (UserCallReport, "failed"),
        (UserCallReport, "duration"),
        (ReportWindow, "start"),
        (ReportWindow, "stop"),
        (Counter, "value"),
        (ServiceStatus, "status"),
    ],
)
@pytest.mark.parametrize("is_there", [True, False], ids=["null", "missing"])
def test_required_keys_must_be_present(kind: Any, key: str, is_there: bool):
    whole = {
        "call_id": "x",
        "status": "up",
        "value": 1,
        "start": "2026-11-01",
        "stop": "2026-11-02",
        **REPORT.to_dict(),
    }
    data = {name: value for name, value in whole.items() if name != key}
    with pytest.raises(InvalidRequest, match=f"^{key} is missing: give it"):
        kind.from_dict({**data, key: None} if is_there else data)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"call_id": 5}, "call_id is 5: give text"),
        ({"status": 1}, "status is 1: give text"),
        ({"to": "+46730170101"}, r"to is '\+46730170101': give an object with the keys of to_dict"),
        ({"from": {"type": 1}}, r"from\.type is 1: give text"),
        ({"to": {"type": "sip", "endpoint": []}}, r"to\.endpoint is \[\]: give text"),
        ({"duration": "5"}, "duration is '5': give a whole number"),
        ({"duration": True}, "duration is True: give a whole number"),
        ({"duration": 1.0}, r"duration is 1\.0: give a whole number"),
        ({"timestamp": 1_400_000_000}, "timestamp is 1400000000: give text"),
        ({"timestamp": "noon"}, "timestamp is 'noon': give a day like 2026-11-01, or a time"),
        ({"timestamp": "2026-11-01"}, "timestamp is '2026-11-01': add the time of day"),
        ({"timestamp": "2026-11-01T09:00"}, "no time zone: write 2026-11-01T09:00Z if it is UTC"),
        ({"debit": 0.1}, r"debit is 0\.1: give an object"),
        ({"debit": {"amount": 0.1}}, r"debit\.amount is 0\.1: give the amount as text, like"),
        ({"debit": {"amount": "NaN"}}, r"debit\.amount is 'NaN': give the amount as text"),
        ({"debit": {"amount": "1e9999999"}}, r"debit\.amount is '1e9999999': give the amount"),
        ({"user_rate": {"currency": 978}}, r"user_rate\.currency is 978: give text"),
        ({"custom": [1]}, r"custom is \[1\]: give text or an object"),
        (
            {"custom": {"a": {1}}},
            r"custom cannot be written as JSON \(set is not JSON\): give text",
        ),
        ({"custom": {"a": float("nan")}}, "custom cannot be written as JSON"),
    ],
    ids=repr,
)
def test_a_value_of_the_wrong_type_is_named(changes: dict[str, Any], message: str):
    with pytest.raises(InvalidRequest, match=message):
        Call.from_dict({"call_id": "x", **changes})


@pytest.mark.parametrize("value", [True, "many", "1.E5", "NaN", float("inf"), [1]])
def test_the_value_of_a_counter_must_be_a_number(value: Any):
    with pytest.raises(InvalidRequest, match="^value is .*: give a number, or a number as text"):
        Counter.from_dict({"value": value})


@pytest.mark.parametrize("data", [None, "x", [], 5], ids=repr)
@pytest.mark.parametrize("kind", [Call, Counter, Price, MxpEndpoint])
def test_data_that_is_not_an_object_is_refused(kind: Any, data: Any):
    with pytest.raises(InvalidRequest, match="^data is .*: give an object with the keys of"):
        kind.from_dict(data)


def test_a_time_without_a_zone_cannot_be_written():
    call = Call(call_id="x", timestamp=datetime(2026, 11, 1))  # noqa: DTZ001
    with pytest.raises(InvalidRequest, match=r"^timestamp '2026-11-01 00:00:00' has no time zone"):
        call.to_dict()


def test_a_long_value_is_cut_in_the_message():
    with pytest.raises(InvalidRequest) as caught:
        Call.from_dict({"call_id": ["x" * 10_000]})
    assert len(str(caught.value)) < 300


# --- Errors --------------------------------------------------------------------------------------


def test_an_error_is_data_with_the_keys_of_the_command_line(scripted: Any):
    body = {"errorCode": 40400, "message": "no such call", "reference": "r1"}
    with pytest.raises(NotFoundError) as caught:
        scripted(httpx.Response(404, json=body)).calls.get("x")
    data = json.loads(json.dumps(caught.value.to_dict()))
    assert "no such call" in data.pop("message")
    assert data.pop("hint")
    assert data == {
        "type": "NotFoundError",
        "status_code": 404,
        "error_code": 40400,
        "reference": "r1",
        "may_have_executed": caught.value.may_have_executed,
        "retry_after": None,
    }


def test_data_of_an_error_separates_message_and_hint():
    with pytest.raises(InvalidRequest) as caught:
        Call.from_dict({"call_id": 5})
    caught.value.add_note("see the docs.")
    data = caught.value.to_dict()
    assert data["message"] == "call_id is 5"
    assert data["hint"] == "see the docs; give text"
    assert data["may_have_executed"] is False


# --- Days ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("2026-11-01", date(2026, 11, 1)),
        ("2026-11-01T12:00Z", NOON),
        ("2026-11-01t13:00+01:00", NOON),
        ("2026-11-01 12:00:00.000Z", NOON),
    ],
)
def test_a_hand_written_day_or_time_is_parsed(text: str, day: date):
    assert parse_day(text) == day
    assert type(parse_day(text)) is type(day)


def test_none_stays_none_and_a_day_stays_itself():
    assert parse_day(None) is None
    assert parse_day(date(2026, 11, 1)) == date(2026, 11, 1)
    assert parse_day(NOON.astimezone(timezone(timedelta(hours=1)))) == NOON


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("2026-02-30", r"^--start is '2026-02-30': give a day like .*\("),
        ("20261101", "^--start is '20261101': give a day like 2026-11-01"),
        ("2026-W44", "^--start is '2026-W44': give a day like"),
        ("", "^--start is '': give a day like"),
        ("2026-11-01T09:00", "write 2026-11-01T09:00Z if it is UTC"),
        ("9999-12-31T23:00-05:00", "does not exist in UTC: give another year"),
        (20261101, "^--start is 20261101: give a date or a datetime"),
    ],
)
def test_an_invalid_day_is_refused_under_its_name(value: Any, message: str):
    with pytest.raises(InvalidRequest, match=message):
        parse_day(value, "--start")


@given(st.dates() | times)
def test_a_formatted_day_is_parsed_back(day: date):
    assert parse_day(format_day(day)) == day


# --- Examples in docs/how-to/data.md -------------------------------------------------------------


@pytest.fixture(scope="module")
def examples() -> Any:
    """Run the examples of the document in order beside the sandbox, and return their names."""
    with running() as box, pytest.MonkeyPatch.context() as patch:
        for name, value in box.environ.items():
            patch.setenv(name, value)
        names: dict[str, Any] = {}
        for example in EXAMPLES:
            exec(compile(example, "docs/how-to/data.md", "exec"), names)  # noqa: S102
        yield names


def asked(app: Any, method: str, path: str, content: Any = None) -> httpx.Response:
    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.request(method, path, json=content)

    return asyncio.run(ask())


def test_every_example_in_the_document_works(examples: dict[str, Any]):
    assert len(EXAMPLES) == 4
    assert examples["ticket"].call == Call(call_id="a", status="ONGOING")


def test_pydantic_refuses_what_from_dict_refuses(examples: dict[str, Any]):
    import pydantic

    with pytest.raises(pydantic.ValidationError, match="status is 5: give text"):
        examples["Ticket"](number=1, call={"call_id": "a", "status": 5})
    assert "call" in examples["Ticket"].model_json_schema()["properties"]


def test_fastapi_answers_with_the_data_of_a_call(examples: dict[str, Any]):
    answer = asked(examples["app"], "GET", "/calls/4398599d1ba84ef3bde0a82dfb61abed")
    assert answer.status_code == 200
    assert Call.from_dict(answer.json()).to == PstnEndpoint("+12125550123")
    assert asked(examples["app"], "GET", "/openapi.json").status_code == 200
    unknown = asked(examples["app"], "GET", f"/calls/{'0' * 32}")
    assert unknown.status_code == 404


def test_fastapi_takes_a_call_and_refuses_anything_else(examples: dict[str, Any]):
    ticket = {"number": 1, "call": Call(call_id="a", debit=Price(Decimal("0.10"), "EUR")).to_dict()}
    answer = asked(examples["app"], "POST", "/tickets", ticket)
    assert (answer.status_code, answer.json()) == (200, ticket)
    refused = asked(examples["app"], "POST", "/tickets", {"number": 1, "call": {"status": "x"}})
    assert refused.status_code == 422
    assert "call_id is missing" in refused.text
