"""exchange.py: signing, recovery, redirects, retries, deadlines, decoding, logging."""

from __future__ import annotations

import asyncio
import gzip
import json
import logging
import time
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from email.utils import formatdate
from typing import Any

import httpx
import pytest
from sinchvoice import (
    ApiConnectionError,
    ApiError,
    ApiStatusError,
    ApiTimeoutError,
    AuthenticationError,
    CanonicalResource,
    InvalidRequest,
    MxpEndpoint,
    NotFoundError,
    PstnEndpoint,
    RateLimitError,
    RetryPolicy,
    ServerError,
    UnexpectedResponse,
    signing,
    svaml,
)

ID = "4398599d1ba84ef3bde0a82dfb61abed"
PATH = f"/calling/v1/calls/id/{ID}"
HANGUP = svaml.Svaml(action=svaml.Hangup())
NOW = 1_400_000_000.0
DAY = date(2014, 5, 13)
CREDENTIALS = signing.Credentials("5F5C418A0F914BBC8234A9BF5EDDAD97", "JViE5vDor0Sw3WllZka15Q==")

OK = httpx.Response(200, json={"callId": ID, "status": "ONGOING"})
REPORT = httpx.Response(200, json={"success": 1, "failed": 0, "duration": 5})
NO_CONTENT = httpx.Response(204)


def error(status: int, code: int | None = None, **headers: str) -> httpx.Response:
    body = {} if code is None else {"errorCode": code, "message": "No"}
    return httpx.Response(status, json=body, headers=headers)


def signed_resource(request: httpx.Request) -> str | None:
    """Return the form of the URL that a request is signed over; None if none fits."""
    target = request.url.raw_path.decode()
    for form in CanonicalResource:
        if signature_fits(request, signing.canonical_resource(target, form)):
            return form.value
    return None


def signature_fits(request: httpx.Request, resource: str, now: float = NOW) -> bool:
    refusal = signing.find_refusal(
        CREDENTIALS,
        method=request.method,
        path=resource,
        headers=request.headers.multi_items(),
        body=request.content,
        now=now,
    )
    return refusal is None


def accepting(form: CanonicalResource) -> Callable[[httpx.Request], httpx.Response]:
    """Return a server that signs only one form of the URL."""

    def answer(request: httpx.Request) -> httpx.Response:
        resource = signing.canonical_resource(request.url.raw_path.decode(), form)
        return REPORT if signature_fits(request, resource) else error(401, 40102)

    return answer


# --- requests ------------------------------------------------------------------------------------


def test_a_get_is_signed_without_a_content_type_because_none_is_sent(scripted: Any):
    voice = scripted(OK)
    voice.calls.get(ID)
    (request,) = voice.requests
    assert "Content-Type" not in request.headers
    assert request.headers["x-timestamp"] == "2014-05-13T16:53:20.000000Z"
    assert signature_fits(request, PATH)


def test_a_patch_signs_the_bytes_and_the_content_type_that_it_sends(scripted: Any):
    voice = scripted(NO_CONTENT)
    voice.calls.update(ID, svaml.Svaml([svaml.Say("Välkommen", locale="sv-SE")]))
    (request,) = voice.requests
    assert request.headers["Content-Type"] == "application/json"
    assert json.loads(request.content) == {
        "instructions": [{"name": "say", "text": "Välkommen", "locale": "sv-SE"}]
    }
    assert signature_fits(request, PATH)


def test_basic_mode_sends_key_and_secret_and_no_timestamp(scripted: Any):
    voice = scripted(OK, auth="basic")
    voice.calls.get(ID)
    (request,) = voice.requests
    assert request.headers["Authorization"] == CREDENTIALS.basic_authorization()
    assert "x-timestamp" not in request.headers


@pytest.mark.parametrize(
    ("call_id", "segment"),
    [
        ("a+b", "a+b"),
        ("a@b.c", "a@b.c"),
        ("a:b,c", "a:b,c"),
        ("a/b", "a%2Fb"),
        ("a b", "a%20b"),
        ("a?b#c", "a%3Fb%23c"),
        ("100%2B", "100%252B"),
        ("é", "%C3%A9"),
        ("..a", "..a"),
    ],
)
def test_characters_of_an_id_are_escaped_only_where_necessary(
    scripted: Any, call_id: str, segment: str
):
    voice = scripted(OK)
    voice.calls.get(call_id)
    (request,) = voice.requests
    assert request.url.raw_path == f"/calling/v1/calls/id/{segment}".encode()
    assert signature_fits(request, f"/calling/v1/calls/id/{segment}")


def test_a_phone_number_is_sent_with_its_plus(scripted: Any):
    voice = scripted(REPORT)
    voice.reports.user_calls(PstnEndpoint("+46730170101"))
    assert voice.requests[0].url.raw_path == b"/v1/users/number/+46730170101/calls/data"
    assert str(voice.requests[0].url).startswith("https://reportingapi.sinch.com/")


@pytest.mark.parametrize("call_id", ["", ".", "..", None, 5, "\ud800"])
def test_an_id_that_reaches_another_route_is_refused_before_anything_is_sent(
    scripted: Any, call_id: Any
):
    voice = scripted(OK)
    for attempt in (
        lambda: voice.calls.get(call_id),
        lambda: voice.calls.hangup(call_id),
        lambda: voice.calls.say(call_id, "Hello", leg="both"),
        lambda: voice.reports.counter(call_id),
        lambda: voice.reports.service_status(call_id),
    ):
        with pytest.raises(InvalidRequest, match="id"):
            attempt()
    assert voice.requests == []


def test_an_id_too_long_for_a_url_is_refused_before_anything_is_sent(scripted: Any):
    voice = scripted(OK)
    with pytest.raises(InvalidRequest, match="characters, more than 65536"):
        voice.calls.get("x" * 70_000)
    assert voice.requests == []


# --- callResourceUrl -----------------------------------------------------------------------------


def test_a_call_resource_url_leads_to_the_region_of_the_call(scripted: Any):
    voice = scripted(NO_CONTENT)
    voice.calls.hangup(f"https://calling-euc1.api.sinch.com{PATH}")
    assert str(voice.requests[0].url) == f"https://calling-euc1.api.sinch.com{PATH}"
    assert signature_fits(voice.requests[0], PATH)


def test_a_call_resource_url_of_the_configured_host_is_accepted(scripted: Any):
    voice = scripted(OK, calling_url="http://127.0.0.1:8080")
    assert voice.calls.get(f"http://127.0.0.1:8080{PATH}").call_id == ID


@pytest.mark.parametrize(
    "url",
    [
        f"http://calling-euc1.api.sinch.com{PATH}",
        f"https://calling-euc1.api.sinch.com:8443{PATH}",
        f"https://example.com{PATH}",
        f"https://sinch.com.example.com{PATH}",
        f"https://notsinch.com{PATH}",
        f"https://user:pass@calling.api.sinch.com{PATH}",
        f"https://calling.api.sinch.com@example.com{PATH}",
        f"https://example.com\\.sinch.com{PATH}",
        f"https://calling.api.sinch.com{PATH}?x=1",
        f"https://calling.api.sinch.com{PATH}#x",
        f"https://calling.api.sinch.com{PATH}/leg/both",
        f"https://calling.api.sinch.com/v2/calls/id/{ID}",
        "https://calling.api.sinch.com/calling/v1/calls/id/..",
        "https://calling.api.sinch.com/calling/v1/calls/id/%2E%2E",
        "https://",
        "https://[",
        f"ftp://calling.api.sinch.com{PATH}",
        f"http://127.0.0.1{PATH}",
    ],
)
def test_a_url_that_must_not_see_the_credentials_is_refused(scripted: Any, url: str):
    voice = scripted(OK)
    with pytest.raises(InvalidRequest):
        voice.calls.get(url)
    assert voice.requests == []


# --- recovery from 401 ---------------------------------------------------------------------------

USER_WITH_SPACE = MxpEndpoint("my user")


@pytest.mark.parametrize(
    ("form", "requests"),
    [
        (CanonicalResource.PATH, 1),
        (CanonicalResource.PATH_AND_QUERY, 2),
        (CanonicalResource.DECODED_PATH, 3),
    ],
)
def test_the_form_that_the_server_signs_is_found_and_remembered(
    scripted: Any, form: CanonicalResource, requests: int
):
    voice = scripted(accepting(form))
    ask = lambda: voice.reports.user_calls(USER_WITH_SPACE, start=DAY)  # noqa: E731
    ask()
    assert len(voice.requests) == requests
    ask()
    assert len(voice.requests) == requests + 1


def test_no_more_than_two_further_forms_are_tried(scripted: Any):
    voice = scripted(error(401, 40102))
    with pytest.raises(AuthenticationError) as caught:
        voice.reports.user_calls(USER_WITH_SPACE, start=DAY)
    assert [signed_resource(request) for request in voice.requests] == [
        "path",
        "path-and-query",
        "decoded-path",
    ]
    assert (caught.value.attempts, caught.value.may_have_executed) == (3, False)


def test_equal_forms_are_tried_once(scripted: Any):
    voice = scripted(error(401, 40102))
    with pytest.raises(AuthenticationError, match="canonical_resource"):
        voice.calls.get(ID)
    assert len(voice.requests) == 1


def test_a_learned_form_leads_to_its_neighbour(scripted: Any):
    """Decoding is learned from a path, and then tried first with a query as well."""
    voice = scripted(accepting(CanonicalResource.DECODED_PATH_AND_QUERY))
    voice.reports.user_calls(USER_WITH_SPACE)
    voice.reports.user_calls(USER_WITH_SPACE, start=DAY)
    assert [signed_resource(request) for request in voice.requests][-1] == "decoded-path-and-query"
    assert len(voice.requests) == 4


def test_an_unambiguous_success_teaches_nothing(scripted: Any):
    voice = scripted(accepting(CanonicalResource.DECODED_PATH))
    voice.reports.user_calls(USER_WITH_SPACE)
    voice.reports.user_calls(MxpEndpoint("plain"))
    voice.reports.user_calls(USER_WITH_SPACE)
    assert len(voice.requests) == 4


def test_the_times_of_a_query_are_sent_unescaped(scripted: Any):
    voice = scripted(REPORT)
    voice.reports.user_calls(MxpEndpoint("u"), start=datetime(2014, 5, 13, 7, 30, tzinfo=UTC))
    assert voice.requests[0].url.raw_path.endswith(b"?_start=2014-05-13T07:30:00Z")


def test_a_fixed_form_is_the_only_one(scripted: Any):
    form = CanonicalResource.DECODED_PATH_AND_QUERY
    voice = scripted(accepting(form), canonical_resource=form)
    voice.reports.user_calls(USER_WITH_SPACE, start=DAY)
    assert len(voice.requests) == 1
    other = scripted(accepting(form), canonical_resource=CanonicalResource.PATH)
    with pytest.raises(AuthenticationError):
        other.reports.user_calls(USER_WITH_SPACE, start=DAY)


@pytest.mark.parametrize("status", [404, 500])
def test_nothing_is_learned_from_other_errors(scripted: Any, status: int):
    voice = scripted(error(401, 40102), error(status), REPORT)
    with pytest.raises(ApiStatusError):
        voice.reports.user_calls(USER_WITH_SPACE, start=DAY)
    voice.reports.user_calls(USER_WITH_SPACE, start=DAY)
    assert [signed_resource(request) for request in voice.requests] == [
        "path",
        "path-and-query",
        "path",
    ]


def test_what_one_host_accepts_says_nothing_about_another(scripted: Any):
    voice = scripted(error(401, 40102), OK, OK)
    voice.calls.get("a b")
    voice.calls.get("https://calling-euc1.api.sinch.com/calling/v1/calls/id/a%20b")
    assert [signed_resource(request) for request in voice.requests] == [
        "path",
        "decoded-path",
        "path",
    ]


def test_a_patch_recovers_as_well_because_a_401_did_nothing(scripted: Any):
    voice = scripted(error(401, 40102), NO_CONTENT)
    voice.calls.hangup("a b")
    assert [request.method for request in voice.requests] == ["PATCH", "PATCH"]


@pytest.mark.parametrize("code", [40100, 40104, 40107, 40108, None])
def test_other_401s_are_final(scripted: Any, code: int | None):
    voice = scripted(error(401, code))
    with pytest.raises(AuthenticationError) as caught:
        voice.reports.user_calls(USER_WITH_SPACE, start=DAY)
    assert caught.value.error_code == code
    assert len(voice.requests) == 1


def test_basic_mode_neither_tries_nor_learns_forms(scripted: Any):
    voice = scripted(error(401, 40102), auth="basic")
    with pytest.raises(AuthenticationError):
        voice.reports.user_calls(USER_WITH_SPACE, start=DAY)
    assert len(voice.requests) == 1


@pytest.mark.parametrize("code", [40101, 40105])
@pytest.mark.parametrize("skew", [-86400.0, 3600.0])
def test_a_wrong_clock_is_corrected_once_with_a_warning_and_remembered(
    scripted: Any, caplog: pytest.LogCaptureFixture, code: int, skew: float
):
    def server(request: httpx.Request) -> httpx.Response:
        if signature_fits(request, PATH, now=NOW + skew):
            return OK
        return error(401, code, Date=formatdate(NOW + skew, usegmt=True))

    voice = scripted(server)
    voice.calls.get(ID)
    assert len(voice.requests) == 2
    voice.calls.get(ID)
    assert len(voice.requests) == 3
    (warning,) = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert f"{abs(skew):.0f} s {'behind' if skew > 0 else 'ahead of'}" in warning.getMessage()


@pytest.mark.parametrize("is_async", [False, True])
def test_calls_under_way_together_all_survive_a_wrong_clock(scripted: Any, is_async: bool):
    def server(request: httpx.Request) -> httpx.Response:
        if signature_fits(request, PATH, now=NOW + 3600):
            return OK
        return error(401, 40105, Date=formatdate(NOW + 3600, usegmt=True))

    def slowly(request: httpx.Request) -> httpx.Response:
        time.sleep(0.05)
        return server(request)

    async def slowly_async(request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(0.05)
        return server(request)

    async def together(voice: Any) -> Any:
        return await asyncio.gather(*(voice.calls.get(ID) for _ in range(10)))

    if is_async:
        voice = scripted(OK, is_async=True, transport=httpx.MockTransport(slowly_async))
        calls = asyncio.run(together(voice))
    else:
        voice = scripted(OK, transport=httpx.MockTransport(slowly))
        with ThreadPoolExecutor(10) as pool:
            calls = list(pool.map(voice.calls.get, [ID] * 10))
    assert [call.call_id for call in calls] == [ID] * 10


def test_a_clock_is_learned_only_after_a_success(scripted: Any):
    refused = error(401, 40105, Date=formatdate(NOW + 3600, usegmt=True))
    voice = scripted(refused, refused, OK)
    with pytest.raises(AuthenticationError):
        voice.calls.get(ID)
    voice.calls.get(ID)
    timestamps = [request.headers["x-timestamp"][11:16] for request in voice.requests]
    assert timestamps == ["16:53", "17:53", "16:53"]


@pytest.mark.parametrize(
    "date", [None, "yesterday", formatdate(NOW + 1, usegmt=True)], ids=["none", "garbage", "same"]
)
def test_without_a_measurable_difference_of_clocks_the_401_is_final(
    scripted: Any, date: str | None
):
    headers = {} if date is None else {"Date": date}
    voice = scripted(error(401, 40105, **headers))
    with pytest.raises(AuthenticationError, match="clock"):
        voice.calls.get(ID)
    assert len(voice.requests) == 1


def test_a_clock_is_corrected_at_most_once_per_call(scripted: Any):
    dates = iter(range(1, 10))

    def server(request: httpx.Request) -> httpx.Response:
        return error(401, 40105, Date=formatdate(NOW + 1000 * next(dates), usegmt=True))

    voice = scripted(server)
    with pytest.raises(AuthenticationError):
        voice.calls.get(ID)
    assert len(voice.requests) == 2


# --- redirects -----------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [307, 308])
def test_a_redirect_to_the_vendor_is_followed_with_a_fresh_signature(scripted: Any, status: int):
    location = f"https://calling-euc1.api.sinch.com/other{PATH}"
    voice = scripted(error(status, Location=location), NO_CONTENT)
    voice.calls.hangup(ID)
    first, second = voice.requests
    assert (second.method, str(second.url), second.content) == ("PATCH", location, first.content)
    assert second.headers["Host"] == "calling-euc1.api.sinch.com"
    assert second.headers["Content-Type"] == "application/json"
    assert second.headers.get_list("Authorization") == [second.headers["Authorization"]]
    assert signature_fits(second, f"/other{PATH}")


@pytest.mark.parametrize(
    "location",
    [
        "http://calling-euc1.api.sinch.com/",
        "https://calling-euc1.api.sinch.com:8443/",
        "https://user@calling-euc1.api.sinch.com/",
        "https://evil.example/",
        "https://sinch.com.evil.example/",
        "https://evilsinch.com/",
        "http://127.0.0.1/",
        "//evil.example/",
        "",
    ],
)
def test_a_redirect_to_anywhere_else_is_an_error(scripted: Any, location: str):
    voice = scripted(error(307, Location=location) if location else error(307))
    reason = "is not followed" if location else "without a Location header"
    with pytest.raises(ApiStatusError, match=reason) as caught:
        voice.calls.hangup(ID)
    assert len(voice.requests) == 1
    assert caught.value.status_code == 307
    assert caught.value.may_have_executed is False


@pytest.mark.parametrize("status", [300, 301, 302, 303, 304, 305])
def test_other_redirects_are_errors(scripted: Any, status: int):
    voice = scripted(error(status, Location=f"https://calling.api.sinch.com{PATH}"))
    with pytest.raises(ApiStatusError) as caught:
        voice.calls.get(ID)
    assert caught.value.status_code == status
    assert len(voice.requests) == 1


def test_at_most_three_redirects_are_followed(scripted: Any):
    voice = scripted(error(307, Location=f"https://calling.api.sinch.com{PATH}"))
    with pytest.raises(ApiStatusError, match="more than 3 redirects"):
        voice.calls.get(ID)
    assert len(voice.requests) == 4


@pytest.mark.parametrize(
    "location", ["http://example.com/", "http://10.0.0.1/", "ftp://127.0.0.1/"]
)
def test_a_redirect_from_loopback_to_elsewhere_is_an_error(scripted: Any, location: str):
    voice = scripted(error(307, Location=location), OK, calling_url="http://127.0.0.1:8080")
    with pytest.raises(ApiStatusError, match="is not followed"):
        voice.calls.get(ID)
    assert len(voice.requests) == 1


def test_facts_learned_after_a_redirect_belong_to_the_new_host(scripted: Any):
    there = "https://calling-euc1.api.sinch.com/calling/v1/calls/id/a%20b"
    voice = scripted(error(307, Location=there), error(401, 40102), OK, OK, OK)
    voice.calls.get("a b")
    voice.calls.get(there)
    voice.calls.get("a b")
    assert [signed_resource(request) for request in voice.requests] == [
        "path",
        "path",
        "decoded-path",
        "decoded-path",
        "path",
    ]


def test_a_redirect_from_loopback_to_loopback_is_followed(scripted: Any):
    voice = scripted(
        error(307, Location=f"http://127.0.0.1:9{PATH}"), OK, calling_url="http://localhost:8080"
    )
    assert voice.calls.get(ID).call_id == ID


def test_a_location_that_is_not_a_url_raises_an_api_error(scripted: Any):
    voice = scripted(error(307, Location="https://[/"), retries=0)
    with pytest.raises(ApiError):
        voice.calls.get(ID)


# --- retries -------------------------------------------------------------------------------------

REFUSED = httpx.ConnectError("refused")
BROKEN = httpx.ReadError("broken")
SLOW = httpx.ReadTimeout("slow")


@pytest.mark.parametrize(
    "failure",
    [
        REFUSED,
        BROKEN,
        SLOW,
        httpx.ConnectTimeout("slow"),
        httpx.PoolTimeout("full"),
        httpx.WriteError("broken"),
        httpx.RemoteProtocolError("garbage"),
        *(error(status) for status in (429, 502, 503, 504)),
    ],
    ids=lambda failure: failure.__class__.__name__ + str(getattr(failure, "status_code", "")),
)
def test_a_get_is_retried_after_a_transient_failure(scripted: Any, failure: Any):
    voice = scripted(failure, failure, OK)
    assert voice.calls.get(ID).call_id == ID
    assert voice.clock.naps == [0.5, 1.0]


@pytest.mark.parametrize("status", [400, 402, 403, 404, 409, 422, 500, 501])
def test_a_get_is_not_retried_after_a_final_answer(scripted: Any, status: int):
    voice = scripted(error(status))
    with pytest.raises(ApiStatusError):
        voice.calls.get(ID)
    assert len(voice.requests) == 1


@pytest.mark.parametrize("failure", [REFUSED, httpx.ConnectTimeout(""), error(429)])
def test_a_patch_is_retried_if_the_server_certainly_did_not_act(scripted: Any, failure: Any):
    voice = scripted(failure, NO_CONTENT)
    voice.calls.hangup(ID)
    assert len(voice.requests) == 2


@pytest.mark.parametrize(
    "failure",
    [
        BROKEN,
        SLOW,
        httpx.WriteError(""),
        httpx.RemoteProtocolError(""),
        error(502),
        error(503),
        error(504),
        error(500),
    ],
)
def test_a_patch_is_never_sent_twice_if_the_server_may_have_acted(scripted: Any, failure: Any):
    voice = scripted(failure, NO_CONTENT)
    with pytest.raises(ApiError) as caught:
        voice.calls.hangup(ID)
    assert len(voice.requests) == 1
    assert caught.value.may_have_executed is True


@pytest.mark.parametrize(
    ("failure", "kind", "executed"),
    [
        (REFUSED, ApiConnectionError, False),
        (httpx.ConnectTimeout(""), ApiTimeoutError, False),
        (httpx.PoolTimeout(""), ApiTimeoutError, False),
        (httpx.ProxyError(""), ApiConnectionError, False),
        (httpx.WriteTimeout(""), ApiTimeoutError, True),
        (SLOW, ApiTimeoutError, True),
        (BROKEN, ApiConnectionError, True),
        (error(400), ApiStatusError, False),
        (error(404), NotFoundError, False),
        (error(408), ApiStatusError, True),
        (error(429), RateLimitError, False),
        (error(500), ServerError, True),
        (error(503), ServerError, True),
        (error(303), ApiStatusError, True),
        (httpx.Response(200, content=b"["), UnexpectedResponse, True),
    ],
)
def test_every_error_says_whether_the_server_may_have_acted(
    scripted: Any, failure: Any, kind: type[ApiError], executed: bool
):
    voice = scripted(failure, retries=0)
    with pytest.raises(kind) as caught:
        voice.calls.get(ID)
    assert caught.value.may_have_executed is executed
    assert (caught.value.operation, caught.value.method) == ("calls.get", "GET")
    assert (caught.value.path, caught.value.attempts) == (PATH, 1)


@pytest.mark.parametrize(
    ("answer", "options", "reason"),
    [
        (REFUSED, {}, "no connection to calling.api.sinch.com: ConnectError: refused"),
        (SLOW, {"timeout": 3}, "no response from calling.api.sinch.com: ReadTimeout after 3 s"),
        (
            httpx.Response(200, html="<html>"),
            {},
            r"its content \(text/html; charset=utf-8\) cannot be understood: Expecting value",
        ),
        (error(301, Location="/x"), {}, "a redirect to '/x' is not followed"),
        (error(307, Location="http://x.example/"), {}, "only to https hosts under .sinch.com"),
    ],
)
def test_an_error_tells_what_a_user_needs_to_know(
    scripted: Any, answer: Any, options: dict[str, Any], reason: str
):
    with pytest.raises(ApiError, match=reason):
        scripted(answer, retries=0, **options).calls.get(ID)


def test_one_attempt_that_may_have_acted_is_not_forgotten(scripted: Any):
    voice = scripted(SLOW, REFUSED, REFUSED)
    with pytest.raises(ApiConnectionError) as caught:
        voice.calls.get(ID)
    assert (caught.value.attempts, caught.value.may_have_executed) == (3, True)


def test_retry_after_is_obeyed(scripted: Any):
    voice = scripted(error(429, **{"Retry-After": "7"}), NO_CONTENT)
    voice.calls.hangup(ID)
    assert voice.clock.naps == [7.0]


def test_a_retry_after_date_follows_the_servers_clock(scripted: Any):
    later, now = formatdate(NOW + 3602, usegmt=True), formatdate(NOW + 3600, usegmt=True)
    voice = scripted(error(503, **{"Retry-After": later, "Date": now}), OK)
    voice.calls.get(ID)
    assert voice.clock.naps == [2.0]


def test_a_retry_after_over_the_limit_is_raised_at_once(scripted: Any):
    voice = scripted(error(503, **{"Retry-After": formatdate(NOW + 3600, usegmt=True)}), OK)
    with pytest.raises(ServerError) as caught:
        voice.calls.get(ID)
    assert caught.value.retry_after == 3600
    assert voice.clock.naps == []


def test_a_retry_after_beyond_the_deadline_is_raised_at_once(scripted: Any):
    voice = scripted(error(503, **{"Retry-After": "20"}), OK, deadline=15.0)
    with pytest.raises(ServerError, match="retry after 20 s"):
        voice.calls.get(ID)
    assert voice.clock.naps == []


def test_the_deadline_ends_the_retries(scripted: Any):
    voice = scripted(error(503), deadline=2.0, retries=RetryPolicy(retries=9, max_delay=100.0))
    with pytest.raises(ServerError):
        voice.calls.get(ID)
    assert sum(voice.clock.naps) < 2.0
    assert len(voice.requests) == 3


def test_no_attempt_gets_more_time_than_the_deadline_leaves(scripted: Any):
    voice = scripted(error(503), OK, timeout=10.0, deadline=2.0)
    voice.calls.get(ID)
    timeouts = [request.extensions["timeout"]["read"] for request in voice.requests]
    assert timeouts == [2.0, 1.5]


def test_recoveries_share_the_deadline(scripted: Any):
    def slow(request: httpx.Request) -> httpx.Response:
        voice.clock.now += 0.9
        return error(307, Location=f"https://calling.api.sinch.com{PATH}")

    voice = scripted(slow, deadline=1.0, timeout=10.0)
    with pytest.raises(ApiTimeoutError, match="the deadline of 1 s has passed"):
        voice.calls.hangup(ID)
    timeouts = [request.extensions["timeout"]["read"] for request in voice.requests]
    assert timeouts == [1.0, pytest.approx(0.1)]


def test_a_deadline_after_the_2xx_of_a_patch_is_not_a_failure(scripted: Any):
    class Endless(httpx.AsyncByteStream):
        async def __aiter__(self) -> Any:
            yield b"{"
            await asyncio.sleep(60)

    async def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, stream=Endless())

    def voice() -> Any:
        transport = httpx.MockTransport(answer)
        return scripted(OK, is_async=True, transport=transport, deadline=0.05).calls

    asyncio.run(voice().hangup(ID))
    with pytest.raises(ApiTimeoutError):
        asyncio.run(voice().get(ID))


def test_a_deadline_that_passes_during_the_answer_ends_it(scripted: Any):
    def dripping(request: httpx.Request) -> httpx.Response:
        def drip() -> Any:
            for byte in b'{"callId": "x"}':
                voice.clock.now += 1
                yield bytes([byte])

        return httpx.Response(200, content=drip())

    voice = scripted(dripping, deadline=5.0)
    with pytest.raises(ApiTimeoutError, match="the deadline of 5 s has passed"):
        voice.calls.get(ID)


def test_a_deadline_ends_an_async_attempt_under_way(scripted: Any):
    async def stuck() -> None:
        await asyncio.sleep(60)

    class Stuck(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            await stuck()
            raise AssertionError

    voice = scripted(OK, is_async=True, transport=Stuck(), deadline=0.05, retries=0)
    with pytest.raises(ApiTimeoutError, match=r"the deadline of 0.05 s has passed"):
        asyncio.run(voice.calls.get(ID))


# --- answers -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"null",
        b'"text"',
        b"5",
        b"{",
        b"<html></html>",
        b"\xff\xfe",
        b'{"a": NaN}',
        b'{"duration": ' + b"9" * 5000 + b"}",
        b"[" * 100_000,
    ],
    ids=lambda content: repr(content[:16]),
)
def test_a_success_without_a_json_object_is_unexpected(scripted: Any, content: bytes):
    voice = scripted(httpx.Response(200, content=content))
    with pytest.raises(UnexpectedResponse) as caught:
        voice.calls.get(ID)
    assert len(voice.requests) == 1
    assert (caught.value.status_code, caught.value.body) == (200, content[:2000])


@pytest.mark.parametrize("status", [200, 201, 203, 206, 226, 250, 299])
def test_any_2xx_is_a_success(scripted: Any, status: int):
    assert scripted(httpx.Response(status, json={"callId": ID})).calls.get(ID).call_id == ID
    scripted(httpx.Response(status)).calls.hangup(ID)


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(200),
        httpx.Response(200, json={"content": "200 Successful response"}),
        httpx.Response(202, content=b"<html>"),
        httpx.Response(204),
        httpx.Response(299, content=b"["),
    ],
)
def test_an_operation_without_content_ignores_it(scripted: Any, answer: httpx.Response):
    scripted(answer).calls.hangup(ID)


def breaks_off(request: httpx.Request) -> httpx.Response:
    def content() -> Any:
        yield b'{"callId"'
        raise httpx.ReadError("broken")

    return httpx.Response(200, content=content())


def test_a_patch_whose_answer_breaks_off_after_a_2xx_has_succeeded(scripted: Any):
    voice = scripted(breaks_off)
    voice.calls.hangup(ID)
    assert len(voice.requests) == 1


def test_a_get_whose_answer_breaks_off_is_retried(scripted: Any):
    voice = scripted(breaks_off, OK)
    assert voice.calls.get(ID).call_id == ID


def encoded(content: bytes, encoding: str, status: int = 200) -> Callable[..., httpx.Response]:
    def answer(request: httpx.Request) -> httpx.Response:
        headers = {"Content-Encoding": encoding}
        return httpx.Response(status, headers=headers, stream=httpx.ByteStream(content))

    return answer


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize(
    "answer",
    [
        encoded(gzip.compress(OK.content), "gzip"),
        encoded(gzip.compress(OK.content), " GZIP "),
        encoded(zlib.compress(OK.content), "deflate"),
        encoded(OK.content, "identity"),
    ],
)
def test_an_answer_compressed_without_a_request_for_it_is_read(
    scripted: Any, answer: Any, is_async: bool
):
    voice = scripted(answer, is_async=is_async)
    call = asyncio.run(voice.calls.get(ID)) if is_async else voice.calls.get(ID)
    assert call.call_id == ID
    assert voice.requests[0].headers["Accept-Encoding"] == "identity"


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (encoded(b"not gzip", "gzip"), "not valid gzip"),
        (encoded(gzip.compress(OK.content)[:-9], "gzip"), "cut off"),
        (encoded(gzip.compress(b" " * 2**24), "gzip"), "longer than"),
        (encoded(b"x", "br"), "'br'"),
        (httpx.Response(200, content=b" " * 2**21), "longer than"),
    ],
    ids=["garbage", "cut off", "bomb", "brotli", "too long"],
)
@pytest.mark.parametrize("is_async", [False, True])
def test_content_that_cannot_be_unpacked_is_unexpected(
    scripted: Any, answer: Any, reason: str, is_async: bool
):
    voice = scripted(answer, is_async=is_async)
    with pytest.raises(UnexpectedResponse, match=reason):
        asyncio.run(voice.calls.get(ID)) if is_async else voice.calls.get(ID)


@pytest.mark.parametrize(
    "content", [b"<html>Bad gateway</html>", b"", b"[]", b" " * 2**21], ids=lambda c: repr(c[:9])
)
def test_a_bad_status_without_a_readable_body_keeps_its_class(scripted: Any, content: bytes):
    voice = scripted(httpx.Response(502, content=content), retries=0)
    with pytest.raises(ServerError) as caught:
        voice.calls.get(ID)
    assert (caught.value.status_code, caught.value.error_code) == (502, None)


def test_a_bad_status_whose_body_cannot_be_unpacked_keeps_its_class(scripted: Any):
    with pytest.raises(NotFoundError):
        scripted(encoded(b"not gzip", "gzip", status=404)).calls.get(ID)


def test_a_bad_status_whose_body_breaks_off_keeps_its_class(scripted: Any):
    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(404, stream=breaks_off(request).stream)

    with pytest.raises(NotFoundError):
        scripted(answer).calls.get(ID)


@pytest.mark.parametrize("status", [100, 101, 103, 199])
def test_an_informational_status_as_the_answer_raises_an_api_error(scripted: Any, status: int):
    with pytest.raises(ApiStatusError) as caught:
        scripted(httpx.Response(status)).calls.get(ID)
    assert caught.value.status_code == status


# --- logging -------------------------------------------------------------------------------------


def test_each_call_writes_one_line_and_httpx_none(scripted: Any, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.INFO)
    scripted(error(503), REPORT).reports.user_calls(PstnEndpoint("+46730170101"))
    with pytest.raises(NotFoundError):
        scripted(error(404, 40400)).calls.get(ID)
    assert [(r.name, r.levelname, r.getMessage()) for r in caplog.records] == [
        ("sinchvoice", "INFO", "reports.user_calls: HTTP 200 after 2 requests in 500 ms"),
        (
            "sinchvoice",
            "INFO",
            "calls.get: NotFoundError (HTTP 404, code 40400) after 1 request in 0 ms",
        ),
    ]


def test_urls_are_logged_only_on_request(scripted: Any, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.DEBUG, "sinchvoice")
    client = scripted(httpx.Response(200, json={"callId": ID}))
    client.calls.get(ID)
    assert [record.name for record in caplog.records] == ["sinchvoice"]
    caplog.clear()
    caplog.set_level(logging.INFO, "sinchvoice.requests")
    client.calls.get(ID)
    assert caplog.messages[0] == f"GET https://calling.api.sinch.com/calling/v1/calls/id/{ID}"


def test_a_retry_is_logged_at_debug(scripted: Any, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.DEBUG, "sinchvoice")
    scripted(error(503), OK).calls.get(ID)
    assert caplog.messages[0] == "calls.get: ServerError (HTTP 503), again in 0.5 s"


def test_hangup_say_and_play_are_logged_under_their_own_names(
    scripted: Any, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.INFO)
    calls = scripted(NO_CONTENT).calls
    calls.hangup(ID)
    calls.say(ID, "Hello", leg="both")
    calls.play(ID, "welcome")
    assert [message.partition(":")[0] for message in caplog.messages] == [
        "calls.hangup",
        "calls.say",
        "calls.play",
    ]


def test_a_call_that_is_refused_before_it_is_sent_is_logged_as_such(
    scripted: Any, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.INFO)
    with pytest.raises(InvalidRequest):
        scripted(OK).calls.get(f"https://example.com{PATH}")
    assert caplog.messages == ["calls.get: refused after 0 requests in 0 ms"]


def test_httpx_still_logs_other_requests(caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.INFO, "httpx")
    with httpx.Client(transport=httpx.MockTransport(lambda request: OK)) as http:
        http.get("https://example.com/")
    assert "https://example.com/" in caplog.text
