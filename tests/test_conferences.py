"""conferences.py: participants, their states, and retries."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from sinchvoice import (
    ApiTimeoutError,
    Conference,
    ConferenceParticipant,
    InvalidRequest,
    NotFoundError,
    RequestWarning,
    ServerError,
    UnexpectedResponse,
)
from sinchvoice.settings import Region

ID, OTHER = "4398599d1ba84ef3bde0a82dfb61abed", "1b4d2b5a6b3e4c3e8f4e2d9a3f1c7e55"
MEMBER = {"conference_id": "room", "call_id": ID}
ROOM = "/calling/v1/conferences/id/room"
DONE = httpx.Response(204)
GONE = httpx.Response(404, json={"errorCode": 40400, "message": "No such ongoing conference"})
TWO = [
    {"cli": "+12125550123", "id": ID, "duration": 35, "muted": True, "onhold": False},
    {"cli": "alice", "id": OTHER, "duration": 6, "muted": False, "onhold": True},
]


# --- Participants --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "answer",
    [{"participants": TWO}, {"ConferenceInfoResponse": {"participants": TWO}}],
    ids=["1.0.1", "1.0.0"],
)
def test_participants_are_read_bare_and_wrapped(scripted: Any, answer: Any):
    voice = scripted(httpx.Response(200, json=answer))
    conference = voice.conferences.get("room")
    assert conference == Conference(
        conference_id="room",
        participants=(
            ConferenceParticipant(
                call_id=ID, cli="+12125550123", duration=35, muted=True, on_hold=False
            ),
            ConferenceParticipant(
                call_id=OTHER, cli="alice", duration=6, muted=False, on_hold=True
            ),
        ),
    )
    assert conference.raw == answer
    assert [each.raw for each in conference.participants] == TWO
    assert Conference.from_dict(json.loads(conference.to_json())) == conference
    (request,) = voice.requests
    assert (request.method, request.url.raw_path) == ("GET", ROOM.encode())


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({}, ConferenceParticipant()),
        ({"callId": "a"}, ConferenceParticipant(call_id="a")),
        ({"id": "a", "muted": False}, ConferenceParticipant(call_id="a", muted=False)),
        ({"muted": "true", "onhold": "FALSE"}, ConferenceParticipant(muted=True, on_hold=False)),
        ({"muted": "maybe", "onhold": 1, "cli": 5, "id": None}, ConferenceParticipant()),
        ({"duration": "35"}, ConferenceParticipant(duration=35)),
        ({"new": {"a": [1]}}, ConferenceParticipant()),
    ],
    ids=str,
)
def test_one_odd_value_does_not_lose_the_participant(scripted: Any, entry: Any, expected: Any):
    voice = scripted(httpx.Response(200, json={"participants": [entry]}))
    assert voice.conferences.get("room").participants == (expected,)


@pytest.mark.parametrize(
    ("answer", "ids"),
    [
        ({"participants": []}, []),
        ({"participants": None}, []),
        ({}, []),
        ({"participants": {"id": ID}}, [ID]),
    ],
    ids=str,
)
def test_a_conference_may_have_no_list(scripted: Any, answer: Any, ids: list[str]):
    voice = scripted(httpx.Response(200, json=answer))
    assert [each.call_id for each in voice.conferences.get("room").participants] == ids


def test_a_participant_that_is_not_an_object_is_not_dropped_silently(scripted: Any):
    voice = scripted(httpx.Response(200, json={"participants": ["+12125550123"]}))
    with pytest.raises(UnexpectedResponse, match="a participant is not an object"):
        voice.conferences.get("room")


def test_a_404_says_that_conferences_are_regional(scripted: Any):
    for answer in (GONE, httpx.Response(404)):
        with pytest.raises(NotFoundError, match="conferences are regional: use the region"):
            scripted(answer).conferences.get("room")


def test_an_id_is_escaped_in_the_signed_form(scripted: Any):
    voice = scripted(httpx.Response(200, json={}))
    voice.conferences.get("a b/ü?#")
    assert voice.requests[0].url.raw_path.endswith(b"/conferences/id/a%20b%2F%C3%BC%3F%23")


# --- Commands ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("act", "body"),
    [
        (lambda c: c.mute(**MEMBER), {"command": "mute"}),
        (lambda c: c.unmute(**MEMBER), {"command": "unmute"}),
        (lambda c: c.hold(**MEMBER), {"command": "onhold"}),
        (lambda c: c.hold(**MEMBER, moh="music2"), {"command": "onhold", "moh": "music2"}),
        (lambda c: c.resume(**MEMBER), {"command": "resume"}),
        (lambda c: c.manage_participant(**MEMBER, command="resume"), {"command": "resume"}),
    ],
)
@pytest.mark.parametrize(
    "answer", [DONE, httpx.Response(200), httpx.Response(200, json={"content": "Successful"})]
)
def test_a_command_is_sent_and_its_answer_ignored(
    scripted: Any, answer: Any, act: Callable[[Any], Any], body: Any
):
    voice = scripted(answer)
    assert act(voice.conferences) is None
    (request,) = voice.requests
    assert (request.method, request.url.raw_path) == ("PATCH", f"{ROOM}/{ID}".encode())
    assert json.loads(request.content) == body


def test_music_without_hold_is_sent_with_a_warning(scripted: Any):
    voice = scripted(DONE)
    with pytest.warns(RequestWarning, match="moh has no documented effect with the command mute"):
        voice.conferences.manage_participant(**MEMBER, command="mute", moh="ring")
    assert json.loads(voice.requests[0].content) == {"command": "mute", "moh": "ring"}


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda c: c.get(""), "conference_id is empty"),
        (lambda c: c.kick_all(".."), "would reach another URL"),
        (lambda c: c.mute(conference_id="room", call_id=""), "call id is empty"),
        (lambda c: c.hold(**MEMBER, moh="jazz"), "moh is 'jazz': give one of ring, music1"),
        (lambda c: c.manage_participant(**MEMBER, command="hold"), "give one of mute, unmute, onh"),
    ],
)
def test_wrong_arguments_are_refused(scripted: Any, act: Callable[[Any], Any], message: str):
    voice = scripted(DONE)
    with pytest.raises(InvalidRequest) as caught:
        act(voice.conferences)
    assert message in str(caught.value)
    assert voice.requests == []


def test_ids_are_keyword_only(scripted: Any):
    for method in ("kick_participant", "mute", "unmute", "hold", "resume"):
        with pytest.raises(TypeError, match="positional"):
            getattr(scripted(DONE).conferences, method)("room", ID)


def test_a_participant_can_be_named_by_its_url(scripted: Any):
    voice = scripted(DONE)
    euc1 = Region.EUROPE.calling_url
    url = f"{euc1}/calling/v1/calls/id/{ID}"
    voice.conferences.mute(conference_id="room", call_id=url)
    voice.conferences.kick_participant(conference_id="room", call_id=url)
    assert [str(request.url) for request in voice.requests] == [f"{euc1}{ROOM}/{ID}"] * 2


# --- Retries -------------------------------------------------------------------------------------

BROKEN = [httpx.ReadError("reset"), httpx.Response(503), httpx.Response(502)]
kicking = pytest.mark.parametrize(
    "kick",
    [lambda c: c.kick_all("room"), lambda c: c.kick_participant(**MEMBER)],
    ids=["all", "participant"],
)


@kicking
@pytest.mark.parametrize("first", BROKEN, ids=repr)
@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
def test_a_participant_gone_on_a_retry_was_kicked(
    scripted: Any, first: Any, kick: Callable[[Any], Any], is_async: bool
):
    voice = scripted(first, GONE, is_async=is_async)
    result = kick(voice.conferences)
    assert (asyncio.run(result) if is_async else result) is None
    assert [request.method for request in voice.requests] == ["DELETE", "DELETE"]
    assert not any(request.content for request in voice.requests)


@kicking
@pytest.mark.parametrize("first", [[], [httpx.ConnectError("refused")], [httpx.Response(429)]])
def test_an_absent_participant_was_not_kicked(
    scripted: Any, first: list[Any], kick: Callable[[Any], Any]
):
    with pytest.raises(NotFoundError):
        kick(scripted(*first, GONE).conferences)


def test_a_command_to_an_absent_participant_is_an_error_at_any_attempt(scripted: Any):
    with pytest.raises(NotFoundError) as caught:
        scripted(BROKEN[0], GONE).conferences.mute(**MEMBER)
    assert caught.value.attempts == 2


def late(clock: Any, seconds: float) -> Callable[[httpx.Request], httpx.Response]:
    """Return a server that fails after so many seconds."""

    def fail(request: httpx.Request) -> httpx.Response:
        clock.sleep(seconds)
        raise httpx.ReadTimeout("late", request=request)

    return fail


@pytest.mark.parametrize(("seconds", "attempts"), [(4.4, 2), (4.6, 1), (10.0, 1)])
def test_kick_all_is_repeated_within_seconds_only(scripted: Any, seconds: float, attempts: int):
    voice = scripted(DONE, retries=5)
    voice.server.answers[:] = [late(voice.clock, seconds), DONE]
    if attempts == 2:
        assert voice.conferences.kick_all("room") is None
    else:
        with pytest.raises(ApiTimeoutError) as caught:
            voice.conferences.kick_all("room")
        assert caught.value.may_have_executed
        assert "the limit of 5 s on repeats leaves no time for another" in str(caught.value)
    assert len(voice.requests) == attempts


def test_kick_participant_is_repeated_later_too(scripted: Any):
    voice = scripted(DONE)
    voice.server.answers[:] = [late(voice.clock, 10.0), DONE]
    assert voice.conferences.kick_participant(**MEMBER) is None
    assert len(voice.requests) == 2


def test_retries_without_effect_are_not_limited_to_seconds(scripted: Any):
    refused = httpx.Response(429, headers={"Retry-After": "20"})
    voice = scripted(refused, DONE)
    voice.conferences.kick_all("room")
    assert voice.clock.naps == [20.0]


@pytest.mark.parametrize("deadline", [0.4, 3.0])
def test_kick_all_is_not_repeated_after_the_deadline(scripted: Any, deadline: float):
    voice = scripted(httpx.Response(503), retries=50, deadline=deadline)
    with pytest.raises(ServerError, match=f"the deadline of {deadline:g} s leaves no time"):
        voice.conferences.kick_all("room")
    assert sum(voice.clock.naps) < deadline
