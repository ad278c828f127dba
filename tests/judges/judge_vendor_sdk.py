"""The vendor's last Python SDK with Voice v1 (sinch 1.1.4) as a client of the sandbox."""

from __future__ import annotations

import asyncio
import inspect
import json
from typing import Any
from urllib.parse import urlsplit

import pytest
from operations import PHONE, SIP, USER
from sinch import SinchClient, SinchClientAsync
from sinch.domains.voice.exceptions import VoiceException
from sinch.domains.voice.models.svaml import actions, instructions
from sinchvoice import CallReason, PstnEndpoint, svaml
from sinchvoice.sandbox import Sandbox, running


@pytest.fixture(scope="module")
def box() -> Any:
    with running() as sandbox:
        yield sandbox


class Vendor:
    """The vendor's client, synchronous or asynchronous, with the sandbox as its origin."""

    def __init__(self, kind: Any, box: Sandbox) -> None:
        self._client = kind(
            application_key=box.application_key, application_secret=box.application_secret
        )
        self._client.configuration.voice_origin = urlsplit(box.calling_url).netloc
        self._client.configuration.voice_applications_origin = urlsplit(
            box.configuration_url
        ).netloc
        self._client.configuration.disable_https = True

    def ask(self, name: str, *arguments: Any, **options: Any) -> Any:
        """Return the result of a method, such as `calls.get`."""
        group, _, method = name.partition(".")
        answer = getattr(getattr(self._client.voice, group), method)(*arguments, **options)
        return asyncio.run(self._finish(answer)) if inspect.isawaitable(answer) else answer

    def close(self) -> None:
        session = self._client.configuration.transport.http_session
        if session is not None:
            session.close()

    async def _finish(self, answer: Any) -> Any:
        try:
            return await answer
        finally:
            transport = self._client.configuration.transport
            await transport.close_session()
            transport.http_session = None


@pytest.fixture(params=[SinchClient, SinchClientAsync])
def vendor(request: pytest.FixtureRequest, box: Sandbox) -> Any:
    client = Vendor(request.param, box)
    yield client
    client.close()


def test_an_update_is_accepted_with_its_own_signature(vendor: Vendor, box: Sandbox):
    call = box.add_call(to=PHONE)
    vendor.ask(
        "calls.update",
        call.call_id,
        [
            instructions.AnswerInstruction(),
            instructions.PlayFileInstruction(ids=["welcome"], locale="en-US"),
            instructions.SayInstruction(text="Välkommen!", locale="sv-SE"),
            instructions.SendDtmfInstruction(value="1w2#"),
            instructions.SetCookieInstruction(key="a", value="b"),
            instructions.StopRecordingInstruction(),
        ],
        actions.HangupAction(),
    )
    assert call.instructions == [
        svaml.Answer(),
        svaml.PlayFiles(["welcome"], locale="en-US"),
        svaml.Say("Välkommen!", locale="sv-SE"),
        svaml.SendDtmf("1w2#"),
        svaml.SetCookie("a", "b"),
        svaml.StopRecording(),
    ]
    assert call.reason == CallReason.MANAGER_HANGUP


@pytest.mark.parametrize("leg", ["caller", "callee", "both"])
def test_a_leg_is_managed_with_its_own_signature(vendor: Vendor, box: Sandbox, leg: str):
    call = box.add_call(to=PHONE)
    said = instructions.SayInstruction(text="Hello", locale="en-US")
    vendor.ask("calls.manage_with_call_leg", call.call_id, leg, [said], actions.ContinueAction())
    assert [(heard.leg, heard.what) for heard in call.heard] == [
        (leg, svaml.Say("Hello", locale="en-US"))
    ]
    assert call.actions == [svaml.Continue()]


def test_a_dict_is_accepted_as_action(vendor: Vendor, box: Sandbox):
    call = box.add_call(to=PHONE)
    vendor.ask("calls.update", call.call_id, None, {"name": "park", "holdPrompt": "#tts[Wait]"})
    assert call.actions == [svaml.Park(hold_prompt="#tts[Wait]")]


def test_a_call_without_a_caller_is_read(vendor: Vendor, box: Sandbox):
    call = box.add_call(to=SIP)
    seen = vendor.ask("calls.get", call.call_id)
    assert (seen.call_id, seen.from_, seen.status) == (call.call_id, None, "ONGOING")
    assert seen.to == {"type": "sip", "endpoint": SIP.address}
    assert seen.timestamp == call.started.replace(microsecond=0)


def test_a_signature_with_another_secret_is_refused(vendor: Vendor):
    vendor._client.configuration.application_secret = "BeIukql3pTKJ8RGL5zo0DA=="
    with pytest.raises(VoiceException, match="Invalid signature"):
        vendor.ask("calls.get", "x")


def test_an_unknown_call_raises_its_error(vendor: Vendor):
    with pytest.raises(VoiceException, match="Call not found"):
        vendor.ask("calls.update", "unknown", None, actions.HangupAction())


CLI = "+12125550160"
TO_PHONE = {"type": "number", "endpoint": PHONE.number}


def test_a_text_is_spoken(vendor: Vendor, box: Sandbox):
    placed = vendor.ask(
        "callouts.text_to_speech",
        TO_PHONE,
        cli=CLI,
        dtmf="1w2#",
        domain="pstn",
        custom="order 7",
        locale="sv-SE",
        text="Välkommen!",
        enable_ace=True,
        enable_dice=False,
        enable_pie=True,
    )
    call = box.calls[placed.call_id]
    assert (call.from_, call.to, call.custom) == (PstnEndpoint(CLI), PHONE, "order 7")
    box.clock.advance(2)  # the call is answered
    assert [heard.what for heard in call.heard if isinstance(heard.what, svaml.Say)] == [
        svaml.Say("Välkommen!", locale="sv-SE")
    ]


def test_a_custom_callout_takes_svaml_as_text(vendor: Vendor, box: Sandbox):
    say = {"name": "say", "text": "Hello", "locale": "en-US"}
    goodbye = {"instructions": [say], "action": {"name": "hangup"}}
    placed = vendor.ask(
        "callouts.custom",
        cli=CLI,
        destination=TO_PHONE,
        custom="order 7",
        max_duration=600,
        ace=json.dumps(goodbye),
    )
    call = box.calls[placed.call_id]
    assert (call.to, call.custom) == (PHONE, "order 7")
    box.clock.advance(2)
    assert [heard.what for heard in call.heard] == [svaml.Say("Hello", locale="en-US")]
    assert (call.result, call.reason) == ("ANSWERED", CallReason.MANAGER_HANGUP)


@pytest.mark.parametrize("method", ["callouts.conference", "conferences.call"])
def test_a_conference_is_moderated(vendor: Vendor, box: Sandbox, method: str):
    def call_in() -> str:
        options = {"mode": "detect", "timeout_mills": 2500, "max_digits": 2}
        placed = vendor.ask(
            method,
            TO_PHONE,
            "room",
            cli=CLI,
            conference_dtmf_options=options,
            max_duration=600,
            greeting="Welcome",
            moh_class="music1",
        )
        return str(placed.call_id)

    def states() -> dict[str, tuple[str, bool, bool]]:
        found = vendor.ask("conferences.get", "room").participants
        return {each.id: (each.cli, each.muted, each.onhold) for each in found}

    one, two, three = call_in(), call_in(), call_in()
    assert states() == dict.fromkeys((one, two, three), (CLI, False, False))
    for command, expected in [
        ("mute", (CLI, True, False)),
        ("onhold", (CLI, True, True)),
        ("unmute", (CLI, False, True)),
        ("resume", (CLI, False, False)),
    ]:
        moh = "music1" if command == "onhold" else None
        vendor.ask("conferences.manage_participant", one, "room", command, moh)
        assert states()[one] == expected
    vendor.ask("conferences.kick_participant", one, "room")
    assert set(states()) == {two, three}
    vendor.ask("conferences.kick_all", "room")
    assert box.calls[three].reason == CallReason.MANAGER_HANGUP
    with pytest.raises(VoiceException, match="No such ongoing conference 'room'"):
        vendor.ask("conferences.get", "room")


def test_numbers_are_assigned_and_unassigned(vendor: Vendor, box: Sandbox):
    number = box.account_numbers[2].number

    def owner() -> str | None:
        numbers = vendor.ask("applications.get_numbers").numbers
        (found,) = [each for each in numbers if each.number == number]
        assert found.capability == "voice"
        return found.applicationkey  # type: ignore[no-any-return]

    assert owner() is None
    vendor.ask("applications.assign_numbers", [number], capability="voice")
    assert owner() == box.application_key
    vendor.ask("applications.unassign_number", number, capability="voice")
    assert owner() is None


def test_callback_urls_are_set(vendor: Vendor, box: Sandbox):
    key, urls = box.application_key, ("https://a.example.com", "https://b.example.com/x")
    vendor.ask("applications.update_callback_urls", key, *urls)
    seen = vendor.ask("applications.get_callback_urls", key)
    assert (seen.primary, seen.fallback) == (box.callback_url, box.callback_fallback_url) == urls


def test_a_number_is_looked_up(vendor: Vendor):
    seen = vendor.ask("applications.query_number", "+46730170101")
    assert (seen.normalized_number, seen.country_id, seen.restricted) == (
        "+46730170101",
        "SE",
        False,
    )


# --- Known faults --------------------------------------------------------------------------------
# These tests detect a fix in a later 1.x: then update docs/how-to/moving-from-python.md.


def test_it_crashes_on_a_call_that_has_a_caller(vendor: Vendor, box: Sandbox):
    call = box.add_call(from_=USER, to=PHONE)
    with pytest.raises(TypeError, match="not subscriptable"):
        vendor.ask("calls.get", call.call_id)


def test_its_debit_is_the_rate(vendor: Vendor, box: Sandbox):
    call = next(call for call in box.calls.values() if call.to == PHONE and call.ended)
    call.from_ = None
    seen = vendor.ask("calls.get", call.call_id)
    assert seen.debit.amount == seen.user_rate.amount == 0.1758


def test_it_sends_null_for_omitted_fields_of_an_instruction(vendor: Vendor, box: Sandbox):
    call = box.add_call(to=PHONE)
    with pytest.raises(VoiceException, match='locale: null is not of type "string"'):
        vendor.ask("calls.update", call.call_id, [instructions.SayInstruction(text="x")], None)


def test_it_sends_python_names_of_an_action(vendor: Vendor, box: Sandbox):
    call = box.add_call(to=PHONE)
    park = actions.ParkAction(locale="en-US", intro_prompt="a", hold_prompt="b", max_duration=60)
    with pytest.raises(VoiceException, match="'intro_prompt', 'hold_prompt', 'max_duration'"):
        vendor.ask("calls.update", call.call_id, None, park)


def test_it_assigns_numbers_with_a_misspelt_key(vendor: Vendor, box: Sandbox):
    # The schema has applicationkey: a lenient server uses the signing key instead.
    numbers, key = [box.account_numbers[1].number], box.application_key
    with pytest.raises(VoiceException, match="'application_key' was unexpected"):
        vendor.ask("applications.assign_numbers", numbers, key)


def test_it_unassigns_numbers_with_another_spelling_of_the_key(vendor: Vendor, box: Sandbox):
    number, key = box.account_numbers[0].number, box.application_key
    with pytest.raises(VoiceException, match="'applicationKey' was unexpected"):
        vendor.ask("applications.unassign_number", number, key)


def test_it_sends_null_for_an_omitted_fallback_url(vendor: Vendor, box: Sandbox):
    with pytest.raises(VoiceException, match='fallback: null is not of type "string"'):
        vendor.ask(
            "applications.update_callback_urls", box.application_key, "https://a.example.com"
        )


def test_it_drops_a_fallback_url_without_a_primary_one(vendor: Vendor, box: Sandbox):
    box.callback_url = box.callback_fallback_url = None
    vendor.ask(
        "applications.update_callback_urls",
        box.application_key,
        fallback="https://b.example.com",
    )
    assert (box.callback_url, box.callback_fallback_url) == (None, None)


def test_its_callout_sends_an_undocumented_field(vendor: Vendor):
    with pytest.raises(VoiceException, match="'conference' was unexpected"):
        vendor.ask("callouts.conference", TO_PHONE, "room", conference="room")
