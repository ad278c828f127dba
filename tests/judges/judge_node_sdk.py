"""The vendor's Node.js SDK (@sinch/voice 1.4.0): client of the sandbox, verifier of callbacks."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from operations import PHONE
from sinchvoice import Credentials, svaml
from sinchvoice.callbacks import AnsweredCall, Callbacks, IncomingCall, PromptInput
from sinchvoice.sandbox import Sandbox, SandboxCallback, faults, running

CLI = "+12125550100"
DESTINATION = {"type": "number", "endpoint": PHONE.number}


class Node:
    """The SDK in a separate process, with one request per line."""

    def __init__(self, box: Sandbox, secret: str) -> None:
        options = {
            "key": box.application_key,
            "secret": secret,
            "calling": box.calling_url,
            "configuration": box.configuration_url,
        }
        self._process = subprocess.Popen(
            ["node", str(Path(__file__).with_name("node_sdk.cjs")), json.dumps(options)],  # noqa: S607
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def ask(self, **question: Any) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer

    def call(self, name: str, **arguments: Any) -> Any:
        """Return the value of a method; an error fails the test."""
        answer = self.ask(call=name, **{"with": arguments})
        assert "error" not in answer, answer
        return answer.get("value")

    def accepts(self, sent: SandboxCallback, body: bytes | None = None) -> bool:
        """Tell whether its webhook class accepts a callback as genuine."""
        text = (sent.body if body is None else body).decode()
        path = urlsplit(sent.url).path
        headers = {name.lower(): value for name, value in dict(sent.headers).items()}
        question = {"headers": headers, "body": text, "path": path, "method": "POST"}
        answer: bool = self.ask(verify=question)["value"]
        return answer

    def close(self) -> None:
        self._process.communicate(timeout=10)


@pytest.fixture
def box() -> Iterator[Sandbox]:
    with running(populated=False) as sandbox:
        sandbox.callback_app = application(sandbox)
        yield sandbox


@pytest.fixture
def node(box: Sandbox) -> Iterator[Node]:
    sdk = Node(box, box.application_secret)
    yield sdk
    sdk.close()


def application(box: Sandbox) -> Any:
    callbacks = Callbacks(Credentials(box.application_key, box.application_secret))
    menu = svaml.RunMenu([svaml.Menu("main", options=[svaml.MenuOption("1", "return(yes)")])])

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        event = callbacks.receive_wsgi(environ)
        match event:
            case IncomingCall():
                answer = event.answer(svaml.Svaml([svaml.StartRecording()], menu))
            case PromptInput():
                answer = event.answer(svaml.Svaml(action=svaml.ConnectPstn(number=PHONE)))
            case AnsweredCall():
                answer = event.answer(svaml.Svaml(action=svaml.Continue()))
            case _:
                answer = event.answer()
        start_response("200 OK", list(answer.headers.items()))
        return [answer.body]

    return app


def test_its_callouts_are_placed(node: Node, box: Sandbox):
    common = {"cli": CLI, "destination": DESTINATION, "custom": "from Node"}
    bodies = {
        "tts": {"method": "ttsCallout", "ttsCallout": {**common, "text": "Hello"}},
        "conference": {
            "method": "conferenceCallout",
            "conferenceCallout": {**common, "conferenceId": "room"},
        },
        "custom": {
            "method": "customCallout",
            "customCallout": {**common, "ace": json.dumps({"action": {"name": "hangup"}})},
        },
    }
    for name, body in bodies.items():
        placed = node.call(f"callouts.{name}", **{f"{name}CalloutRequestBody": body})
        call = box.calls[placed["callId"]]
        assert (call.to, call.custom) == (PHONE, "from Node")
        assert node.call("calls.get", callId=call.call_id)["custom"] == "from Node"
    also = {"conferenceCalloutRequestBody": bodies["conference"]}
    assert node.call("conferences.call", **also)["callId"] in box.calls


def test_its_conference_commands_are_executed(node: Node, box: Sandbox):
    body = {
        "method": "conferenceCallout",
        "conferenceCallout": {"cli": CLI, "destination": DESTINATION, "conferenceId": "room"},
    }
    ids = [
        node.call("conferences.call", conferenceCalloutRequestBody=body)["callId"] for _ in range(3)
    ]
    member = {"conferenceId": "room", "callId": ids[0]}

    def state() -> tuple[bool, bool]:
        (found,) = [
            each
            for each in node.call("conferences.get", conferenceId="room")["participants"]
            if each["id"] == ids[0]
        ]
        return found["muted"], found["onhold"]

    assert state() == (False, False)
    for command, expected in [
        ("mute", (True, False)),
        ("onhold", (True, True)),
        ("unmute", (False, True)),
        ("resume", (False, False)),
    ]:
        request = {"command": command} | ({"moh": "music1"} if command == "onhold" else {})
        node.call("conferences.manageParticipant", **member, manageParticipantRequestBody=request)
        assert state() == expected
    node.call("conferences.kickParticipant", **member)
    left = node.call("conferences.get", conferenceId="room")["participants"]
    assert {each["id"] for each in left} == set(ids[1:])
    node.call("conferences.kickAll", conferenceId="room")
    gone = node.ask(call="conferences.get", **{"with": {"conferenceId": "room"}})
    assert "404" in gone["error"]


def test_its_numbers_and_urls_are_configured(node: Node, box: Sandbox):
    key = box.application_key
    box.add_number("+12125550177")

    def owner() -> str | None:
        (found,) = [
            each
            for each in node.call("applications.listNumbers")["numbers"]
            if each["number"] == "+12125550177"
        ]
        return found.get("applicationkey")

    assert owner() is None
    assignment = {"numbers": ["+12125550177"], "applicationkey": key, "capability": "voice"}
    node.call("applications.assignNumbers", assignNumbersRequestBody=assignment)
    assert owner() == key
    taken = {"number": "+12125550177", "applicationkey": key, "capability": "voice"}
    node.call("applications.unassignNumber", unassignNumbersRequestBody=taken)
    assert owner() is None
    url = {"primary": "http://127.0.0.1:9/a", "fallback": "http://127.0.0.1:9/b"}
    node.call(
        "applications.updateCallbackURLs",
        applicationkey=key,
        updateCallbacksRequestBody={"url": url},
    )
    assert node.call("applications.getCallbackURLs", applicationkey=key) == {"url": url}
    found = node.call("applications.queryNumber", number="+46730170101")
    assert found["number"]["normalizedNumber"] == "+46730170101"


def test_it_verifies_and_reads_every_kind_of_callback(node: Node, box: Sandbox):
    call = box.incoming_call(from_="+12125550145")
    call.press("1")
    call.answer()
    call.hang_up(by="callee")
    sent = box.callbacks
    assert {each.event for each in sent} == {"ice", "pie", "ace", "dice", "notify"}
    stranger = Node(box, "BeIukql3pTKJ8RGL5zo0DA==")
    try:
        for each in sent:
            assert node.accepts(each)
            assert not node.accepts(each, each.body.replace(b'"version":1', b'"version":2'))
            assert not stranger.accepts(each)
            parsed = node.ask(parse=each.body.decode())["value"]
            assert parsed["event"] == each.event
            assert parsed["callid"] == call.call_id
    finally:
        stranger.close()


@pytest.mark.parametrize("fault", [faults.Tampered(), faults.WrongKey()])
def test_it_refuses_forged_callbacks(node: Node, box: Sandbox, fault: Any):
    box.inject(fault, on="ICE")
    box.incoming_call(from_="+12125550145")
    assert not node.accepts(box.callbacks[0])
