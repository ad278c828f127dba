"""applications.py: numbers and callback URLs, always at the configuration host."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import httpx
import pytest
from samples import deprecated
from sinchvoice import (
    ApplicationNumber,
    BadRequestError,
    CallbackUrls,
    Capability,
    Credentials,
    InvalidRequest,
    NumberInfo,
    NumberType,
    Price,
    Region,
    UnexpectedResponse,
    VoiceClient,
)
from sinchvoice.signing import Refusal, find_refusal

KEY, SECRET = "5F5C418A0F914BBC8234A9BF5EDDAD97", "JViE5vDor0Sw3WllZka15Q=="
OTHER = "94983f76-1161-6655-9515-4785c7b67dd8"
NUMBER = "+14151112223333"
NUMBERS = "/v1/configuration/numbers"
URLS = "/v1/configuration/callbacks/applications"
DONE = httpx.Response(204)


# --- Hosts ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("region", list(Region))
def test_configuration_has_one_host_for_all_regions(region: Region):
    hosts: list[str] = []

    def act(request: httpx.Request) -> httpx.Response:
        hosts.append(f"{request.url.scheme}://{request.url.host}")
        return httpx.Response(200, json={})

    transport = httpx.MockTransport(act)
    with VoiceClient(KEY, SECRET, region=region, transport=transport) as voice:
        voice.applications.get_numbers()
        voice.applications.update_callback_urls(primary="https://a.example")
        voice.request("GET", NUMBERS, api="configuration")
        voice.conferences.get("room")
    assert hosts == [*["https://callingapi.sinch.com"] * 3, region.calling_url]


def test_configuration_url_is_a_base_url_like_the_others(scripted: Any):
    voice = scripted(DONE, configuration_url="https://example.sinch.com/base")
    voice.applications.unassign_number(NUMBER)
    assert str(voice.requests[0].url) == f"https://example.sinch.com/base{NUMBERS}"


# --- Numbers -------------------------------------------------------------------------------------


def test_numbers_of_all_applications_are_listed(scripted: Any):
    entries = [
        {"number": NUMBER, "applicationkey": OTHER, "capability": "voice"},
        {"number": "+14151112224444", "capability": "sms"},
    ]
    voice = scripted(httpx.Response(200, json={"numbers": entries}))
    numbers = voice.applications.get_numbers()
    assert numbers == [
        ApplicationNumber(number=NUMBER, application_key=OTHER, capability=Capability.VOICE),
        ApplicationNumber(number="+14151112224444", capability=Capability.SMS),
    ]
    assert [each.raw for each in numbers] == entries
    assert [ApplicationNumber.from_dict(json.loads(each.to_json())) for each in numbers] == numbers


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({}, []),
        ({"numbers": None}, []),
        ({"numbers": {"number": NUMBER}}, [ApplicationNumber(number=NUMBER)]),
        ({"numbers": [NUMBER]}, [ApplicationNumber(number=NUMBER)]),
        ({"numbers": NUMBER}, [ApplicationNumber(number=NUMBER)]),
        (
            {"numbers": [{"number": NUMBER, "applicationKey": OTHER, "capability": "fax"}]},
            [ApplicationNumber(number=NUMBER, application_key=OTHER, capability="fax")],
        ),
        (
            {"numbers": [{"number": NUMBER, "application_key": OTHER, "applicationkey": ""}]},
            [ApplicationNumber(number=NUMBER, application_key=OTHER)],
        ),
    ],
    ids=str,
)
def test_numbers_come_in_lists_and_alone(scripted: Any, answer: Any, expected: Any):
    assert scripted(httpx.Response(200, json=answer)).applications.get_numbers() == expected


def test_an_entry_without_a_number_is_not_dropped_silently(scripted: Any):
    voice = scripted(httpx.Response(200, json={"numbers": [{"capability": "voice"}]}))
    with pytest.raises(UnexpectedResponse, match="an entry without a number"):
        voice.applications.get_numbers()


@pytest.mark.parametrize(
    ("act", "method", "body"),
    [
        (lambda a: a.assign_numbers([NUMBER]), "POST", {"numbers": [NUMBER]}),
        (lambda a: a.assign_numbers(NUMBER), "POST", {"numbers": [NUMBER]}),
        (
            lambda a: a.assign_numbers(
                iter([NUMBER, "+46730170101"]), application_key=OTHER, capability="voice"
            ),
            "POST",
            {
                "numbers": [NUMBER, "+46730170101"],
                "applicationkey": OTHER,
                "capability": "voice",
            },
        ),
        (lambda a: a.unassign_number(NUMBER), "DELETE", {"number": NUMBER}),
        (
            lambda a: a.unassign_number(NUMBER, application_key=OTHER, capability=Capability.SMS),
            "DELETE",
            {"number": NUMBER, "applicationkey": OTHER, "capability": "sms"},
        ),
    ],
)
@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
def test_numbers_are_assigned_and_unassigned_with_a_signed_body(
    scripted: Any, act: Callable[[Any], Any], method: str, body: Any, is_async: bool
):
    voice = scripted(DONE, is_async=is_async)
    result = act(voice.applications)
    assert (asyncio.run(result) if is_async else result) is None
    (request,) = voice.requests
    assert (request.method, request.url.raw_path) == (method, NUMBERS.encode())
    assert json.loads(request.content) == body
    assert request.headers["Content-Length"] == str(len(request.content))
    given: dict[str, Any] = {
        "method": method,
        "path": NUMBERS,
        "headers": request.headers,
        "max_age": None,
    }
    credentials = Credentials(KEY, SECRET)
    assert find_refusal(credentials, body=request.content, **given) is None
    assert find_refusal(credentials, body=b"", **given) is Refusal.WRONG_SIGNATURE


def test_unassigning_a_number_twice_may_be_an_error(scripted: Any):
    refused = httpx.Response(400, json={"errorCode": 40001, "message": "Unable to update numbers"})
    with pytest.raises(BadRequestError) as caught:
        scripted(httpx.ReadError("reset"), refused).applications.unassign_number(NUMBER)
    assert (caught.value.attempts, caught.value.may_have_executed) == (2, True)


# --- Callback URLs -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ({"primary": "https://a", "fallback": "https://b"}, ("https://a", "https://b")),
        ({"primary": "https://a"}, ("https://a", None)),
        ([{"primary": "https://a", "fallback": None}], ("https://a", None)),
        ([], (None, None)),
        ({}, (None, None)),
        ("", (None, None)),
        (None, (None, None)),
    ],
    ids=str,
)
def test_callback_urls_come_as_an_object_and_as_a_list(scripted: Any, url: Any, expected: Any):
    voice = scripted(httpx.Response(200, json={"url": url}))
    found = voice.applications.get_callback_urls()
    assert found == CallbackUrls(primary=expected[0], fallback=expected[1])
    assert CallbackUrls.from_dict(json.loads(found.to_json())) == found


def test_callback_urls_are_those_of_this_application_by_default(scripted: Any):
    voice = scripted(httpx.Response(200, json={}))
    assert voice.applications.get_callback_urls() == CallbackUrls()
    voice.applications.get_callback_urls(OTHER)
    voice.applications.update_callback_urls(primary="https://a.example")
    voice.applications.update_callback_urls(OTHER, primary="https://a.example")
    paths = [request.url.raw_path.decode() for request in voice.requests]
    assert paths == [f"{URLS}/{key}" for key in (KEY, OTHER, KEY, OTHER)]


@pytest.mark.parametrize(
    "given",
    [
        {"primary": "https://a.example/x?y=1"},
        {"fallback": "http://b.example"},
        {"primary": "https://a.example", "fallback": "https://b.example"},
    ],
    ids=str,
)
def test_only_the_given_urls_are_sent(scripted: Any, given: dict[str, str]):
    voice = scripted(DONE)
    voice.applications.update_callback_urls(**given)
    (request,) = voice.requests
    assert request.method == "POST"
    assert json.loads(request.content) == {"url": given}


# --- Number lookup -------------------------------------------------------------------------------

PLAIN = {
    "countryId": "SE",
    "numberType": "Mobile",
    "normalizedNumber": "+46730170101",
    "restricted": True,
    "rate": {"currencyId": "USD", "amount": 0.368},
}
KNOWN = NumberInfo(
    country_id="SE",
    number_type=NumberType.MOBILE,
    normalized_number="+46730170101",
    restricted=True,
    rate=Price(Decimal("0.368"), "USD"),
)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({"number": PLAIN}, KNOWN),
        ({"method": "numberItem", "numberItem": PLAIN}, KNOWN),
        (PLAIN, KNOWN),
        ({"number": {"normalizednumber": "+1"}}, NumberInfo(normalized_number="+1")),
        ({"number": {"numberType": "Satellite"}}, NumberInfo(number_type="Satellite")),
        ({"number": None}, NumberInfo()),
    ],
    ids=["number", "numberItem", "bare", "1.0.0", "a new type", "nothing"],
)
def test_number_info_comes_in_three_shapes(scripted: Any, answer: Any, expected: NumberInfo):
    voice = scripted(httpx.Response(200, json=answer))
    found = deprecated(lambda: voice.applications.query_number("+46 73 017 01 01"))
    assert found == expected
    assert NumberInfo.from_dict(json.loads(found.to_json())) == found
    assert voice.requests[0].url.raw_path == b"/v1/calling/query/number/+46730170101"


def test_looking_up_a_number_is_deprecated(scripted: Any):
    voice = scripted(httpx.Response(200, json={"number": PLAIN}))
    with pytest.warns(DeprecationWarning, match="use the Number Lookup API") as caught:
        voice.applications.query_number("+46730170101")
    assert [warning.filename for warning in caught] == [__file__]


# --- Refusals ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda a: a.assign_numbers([]), "numbers has 0 entries: give 1 to 100"),
        (lambda a: a.assign_numbers([NUMBER] * 101), "numbers has 101 entries"),
        (lambda a: a.assign_numbers(14151112223333), "numbers is 14151112223333: give a list"),
        (lambda a: a.assign_numbers(["14151112223333"]), "no leading plus"),
        (lambda a: a.assign_numbers([NUMBER], capability="fax"), "capability is 'fax'"),
        (lambda a: a.assign_numbers([NUMBER], application_key=""), "application_key is empty"),
        (lambda a: a.unassign_number("4151"), "number '4151' is not an E.164"),
        (lambda a: a.get_callback_urls("a\nb"), "without control characters"),
        (
            lambda a: a.update_callback_urls(OTHER),
            "no URL is given: give primary",
        ),
        (lambda a: a.update_callback_urls("https://a.b"), "give URLs as primary="),
        (lambda a: a.update_callback_urls(primary=""), "primary is ''"),
        (lambda a: a.update_callback_urls(primary="a.example"), "give an http or https URL"),
        (lambda a: a.update_callback_urls(primary="https://a", fallback="x"), "fallback is 'x'"),
        (lambda a: a.query_number(" "), "number is empty"),
    ],
)
def test_wrong_arguments_are_refused(scripted: Any, act: Callable[[Any], Any], message: str):
    voice = scripted(DONE)
    with pytest.raises(InvalidRequest) as caught:
        act(voice.applications)
    assert message in str(caught.value)
    assert voice.requests == []
