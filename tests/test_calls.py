"""calls.py: what is refused before it is sent, and what a call says."""

from __future__ import annotations

import json
import pickle
from copy import deepcopy
from typing import Any

import attrs
import httpx
import pytest
from sinchvoice import Call, CallLeg, CallStatus, InvalidRequest, svaml

ID = "4398599d1ba84ef3bde0a82dfb61abed"
NO_CONTENT = httpx.Response(204)


def sent(voice: Any) -> tuple[str, Any]:
    (request,) = voice.requests
    return request.url.path.removeprefix(f"/calling/v1/calls/id/{ID}"), json.loads(request.content)


@pytest.mark.parametrize("leg", ["caller", "callee", "both", CallLeg.BOTH])
def test_files_and_speech_are_played_to_a_leg(scripted: Any, leg: str):
    voice = scripted(NO_CONTENT)
    voice.calls.manage_with_call_leg(
        ID, leg, svaml.Svaml([svaml.PlayFiles(["welcome"]), svaml.Say("Hello")])
    )
    assert sent(voice) == (
        f"/leg/{leg}",
        {
            "instructions": [
                {"name": "playFiles", "ids": ["welcome"]},
                {"name": "say", "text": "Hello"},
            ]
        },
    )


@pytest.mark.parametrize(
    "instruction",
    [
        svaml.SendDtmf("1"),
        svaml.SetCookie("a", "b"),
        svaml.Answer(),
        svaml.StartRecording(),
        svaml.StopRecording(),
        svaml.ReportCallStatus("success"),
    ],
    ids=lambda instruction: type(instruction).__name__,
)
def test_other_instructions_are_not_for_a_leg(scripted: Any, instruction: Any):
    voice = scripted(NO_CONTENT)
    with pytest.raises(InvalidRequest, match=f"{type(instruction).__name__} is not for one leg"):
        voice.calls.manage_with_call_leg(ID, "caller", svaml.Svaml([instruction]))
    assert voice.requests == []


def test_an_action_alone_is_not_for_a_leg(scripted: Any):
    voice = scripted(NO_CONTENT)
    with pytest.raises(InvalidRequest, match="use calls"):
        voice.calls.manage_with_call_leg(ID, "caller", svaml.Svaml(action=svaml.Hangup()))
    assert voice.requests == []


def test_an_action_may_follow_what_a_leg_hears(scripted: Any):
    voice = scripted(NO_CONTENT)
    voice.calls.manage_with_call_leg(
        ID, "callee", svaml.Svaml([svaml.Say("Goodbye")], svaml.Hangup())
    )
    assert sent(voice)[1]["action"] == {"name": "hangup"}


def test_raw_svaml_passes_to_a_leg(scripted: Any):
    voice = scripted(NO_CONTENT)
    voice.calls.manage_with_call_leg(ID, "callee", svaml.Svaml([svaml.Raw({"name": "sing"})]))
    assert sent(voice) == ("/leg/callee", {"instructions": [{"name": "sing"}]})


@pytest.mark.parametrize("leg", ["", "Caller", "all", "..", None])
def test_another_leg_is_refused(scripted: Any, leg: Any):
    voice = scripted(NO_CONTENT)
    with pytest.raises(InvalidRequest, match="'caller', 'callee' or 'both'"):
        voice.calls.manage_with_call_leg(ID, leg, svaml.Svaml([svaml.Say("Hello")]))
    assert voice.requests == []


@pytest.mark.parametrize("body", [{"action": {"name": "hangup"}}, None, svaml.Hangup()])
def test_what_is_no_svaml_is_refused(scripted: Any, body: Any):
    voice = scripted(NO_CONTENT)
    for attempt in (
        lambda: voice.calls.update(ID, body),
        lambda: voice.calls.manage_with_call_leg(ID, "both", body),
    ):
        with pytest.raises(InvalidRequest, match=r"Svaml\.from_wire"):
            attempt()
    assert voice.requests == []


def test_hangup_say_and_play_are_short_for_svaml(scripted: Any):
    for act, expected in (
        (lambda calls: calls.hangup(ID), ("", {"action": {"name": "hangup"}})),
        (
            lambda calls: calls.say(ID, "Hej", locale="sv-SE"),
            ("", {"instructions": [{"name": "say", "text": "Hej", "locale": "sv-SE"}]}),
        ),
        (
            lambda calls: calls.play(ID, "a", "#tts[b]", leg="both"),
            ("/leg/both", {"instructions": [{"name": "playFiles", "ids": ["a", "#tts[b]"]}]}),
        ),
    ):
        voice = scripted(NO_CONTENT)
        assert act(voice.calls) is None
        assert sent(voice) == expected


def test_play_without_files_is_refused(scripted: Any):
    voice = scripted(NO_CONTENT)
    with pytest.raises(InvalidRequest, match="at least one"):
        voice.calls.play(ID)
    assert voice.requests == []


# --- the model ----------------------------------------------------------------------------------


@pytest.fixture
def call(scripted: Any) -> Call:
    answer = {"callId": ID, "status": "ONGOING", "custom": '{"a": 1}', "new": [1]}
    return scripted(httpx.Response(200, json=answer)).calls.get(ID)


def test_a_call_is_a_value(call: Call):
    assert pickle.loads(pickle.dumps(call)) == deepcopy(call) == call
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        call.status = CallStatus.FINAL  # type: ignore[misc]


def test_what_a_call_does_not_model_is_in_raw(call: Call):
    assert call.raw["new"] == [1]


def test_custom_text_can_be_read_as_json(call: Call):
    assert call.custom_json() == {"a": 1}
    assert attrs.evolve(call, custom={"b": 2}).custom_json() == {"b": 2}
    assert attrs.evolve(call, custom=None).custom_json() is None
    with pytest.raises(ValueError, match="Expecting value"):
        attrs.evolve(call, custom="Custom text").custom_json()


def test_an_enum_member_is_its_text(call: Call):
    assert call.status == "ONGOING"
    assert f"{call.status}" == "ONGOING"
