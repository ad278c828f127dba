"""calls.py: refusals before sending, and the model of a call."""

from __future__ import annotations

import json
import pickle
from copy import deepcopy
from decimal import Decimal
from typing import Any

import attrs
import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sinchvoice import Call, CallLeg, CallStatus, InvalidRequest, Price, svaml
from sinchvoice.calls import read_price
from sinchvoice.decoding import json_object

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
def test_other_instructions_are_refused_for_a_leg(scripted: Any, instruction: Any):
    voice = scripted(NO_CONTENT)
    name = type(instruction).__name__
    with pytest.raises(InvalidRequest, match=f"{name} does not work on one leg"):
        voice.calls.manage_with_call_leg(ID, "caller", svaml.Svaml([instruction]))
    assert voice.requests == []


def test_an_action_alone_is_refused_for_a_leg(scripted: Any):
    voice = scripted(NO_CONTENT)
    with pytest.raises(InvalidRequest, match="use calls"):
        voice.calls.manage_with_call_leg(ID, "caller", svaml.Svaml(action=svaml.Hangup()))
    assert voice.requests == []


def test_an_action_may_follow_instructions_for_a_leg(scripted: Any):
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
def test_other_types_than_svaml_are_refused(scripted: Any, body: Any):
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


def test_play_explains_how_to_pass_a_list_of_files(scripted: Any):
    voice = scripted(NO_CONTENT)
    with pytest.raises(InvalidRequest) as caught:
        voice.calls.play(ID, ["a", "b"])
    assert str(caught.value) == (
        "PlayFiles.ids has ['a', 'b']: give each id as text; "
        "a star unpacks a list, like play(call, *ids)"
    )
    assert voice.requests == []


def test_play_without_files_is_refused(scripted: Any):
    voice = scripted(NO_CONTENT)
    with pytest.raises(InvalidRequest, match="at least one"):
        voice.calls.play(ID)
    assert voice.requests == []


# --- The model -----------------------------------------------------------------------------------


@pytest.fixture
def call(scripted: Any) -> Call:
    answer = {"callId": ID, "status": "ONGOING", "custom": '{"a": 1}', "new": [1]}
    return scripted(httpx.Response(200, json=answer)).calls.get(ID)


def test_a_call_is_a_value(call: Call):
    assert pickle.loads(pickle.dumps(call)) == deepcopy(call) == call
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        call.status = CallStatus.FINAL  # type: ignore[misc]


def test_unmodelled_fields_of_a_call_are_in_raw(call: Call):
    assert call.raw["new"] == [1]


@pytest.mark.parametrize("number", ["1e999999999999", "1e99999999", "-1e-99999999", "0e99999999"])
def test_an_impossible_amount_does_not_lose_other_fields(scripted: Any, number: str):
    content = (
        f'{{"callId": "{ID}", "debit": {{"amount": {number}, "currencyId": "EUR"}}, '
        f'"userRate": {number}, "duration": {number}, "custom": {{"x": {number}}}}}'
    )
    call = scripted(httpx.Response(200, content=content.encode())).calls.get(ID)
    assert (call.call_id, call.debit, call.user_rate) == (ID, Price(None, "EUR"), Price(None, None))
    assert call.duration in (None, 0)
    assert call.raw["debit"]["amount"] == call.raw["duration"] == number
    assert call.custom == {"x": number}


def test_custom_text_can_be_read_as_json(call: Call):
    assert call.custom_json() == {"a": 1}
    assert attrs.evolve(call, custom={"b": 2}).custom_json() == {"b": 2}
    assert attrs.evolve(call, custom=None).custom_json() is None
    with pytest.raises(ValueError, match="Expecting value"):
        attrs.evolve(call, custom="Custom text").custom_json()
    with pytest.raises(ValueError, match="nested too deeply"):
        attrs.evolve(call, custom="[" * 200_000).custom_json()


def test_an_enum_member_is_its_text(call: Call):
    assert call.status == "ONGOING"
    assert f"{call.status}" == "ONGOING"


# --- Prices --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "amount", "currency"),
    [
        ({"currencyId": "EUR", "amount": Decimal("0.1758")}, "0.1758", "EUR"),
        ({"currencyId": "EUR", "amount": Decimal("0.10")}, "0.10", "EUR"),
        ({"currencyId": "USD", "amount": 0}, "0", "USD"),
        ({"currencyId": None, "amount": "0.5274"}, "0.5274", None),
        ({"currencyId": "EUR", "amount": None}, "None", "EUR"),
        ({"currencyId": "EUR", "amount": Decimal("0.368"), "formatted": "$1"}, "0.368", "EUR"),
        ({"currencyId": "", "amount": -1}, "-1", None),
        ({"currencyId": "EUR", "amount": True}, "None", "EUR"),
        ({"currencyId": 978, "amount": 1}, "1", None),
        ({"amount": Decimal("1E+999999")}, "None", None),
        ("0.1758", "0.1758", None),
        ("0.10", "0.10", None),
        ("-3", "-3", None),
        (Decimal("0.1758"), "0.1758", None),
        (138, "138", None),
        ("string", "None", None),
        ("0.1758 EUR", "None", None),
        ("0,1758", "None", None),
        ("1e3", "None", None),
        ("NaN", "None", None),
        ("Infinity", "None", None),
        ("1" * 31, "None", None),
    ],
    ids=repr,
)
def test_a_price_keeps_every_digit(value: Any, amount: str, currency: str | None):
    price = read_price(value)
    assert price is not None
    assert (str(price.amount), price.currency) == (amount, currency)


@pytest.mark.parametrize("value", [None, ""])
def test_a_missing_price_is_none(value: Any):
    assert read_price(value) is None


@pytest.mark.parametrize("value", [True, [], {}, {"formatted": 1}], ids=repr)
def test_a_meaningless_price_is_none(value: Any):
    assert read_price(value) is None


@given(st.decimals(-(10**15), 10**15, allow_nan=False, allow_infinity=False, places=6))
def test_an_amount_is_the_same_as_a_number_and_as_text(amount: Decimal):
    text = format(amount, "f")
    number = json_object(f'{{"amount": {text}}}'.encode())
    assert [read_price(number), read_price(text)] == [Price(amount, None)] * 2
    assert str(read_price(number)) == str(read_price(text))
