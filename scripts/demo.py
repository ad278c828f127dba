"""A demo of the main features on the embedded sandbox: `python3 scripts/bootstrap.py demo`.

It uses only the public API of the installed package. The requests are signed, and go over loopback
to a server that checks every signature. In the second part, the server sends callbacks.

With `--console` (`python3 scripts/bootstrap.py demo -- --console`), it runs the README's voice
application in a sandbox with a console instead, until Ctrl-C.
"""

import os
import re
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Thread
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

from sinchvoice import (
    ApiError,
    Call,
    Credentials,
    Endpoint,
    MxpEndpoint,
    PstnEndpoint,
    SipEndpoint,
    VoiceClient,
    cdr,
)
from sinchvoice.callbacks import (
    AnsweredCall,
    CallbackAnswer,
    Callbacks,
    DisconnectedCall,
    Event,
    MenuResult,
    PromptInput,
)
from sinchvoice.sandbox import Sandbox, running
from sinchvoice.svaml import ConnectConf, Hangup, Menu, MenuOption, RunMenu, Svaml

WRONG_SECRET = "BeIukql3pTKJ8RGL5zo0DA=="  # noqa: S105 - a published example


README = Path(__file__).resolve().parent.parent / "README.md"


def main() -> None:
    if sys.argv[1:] == ["--console"]:
        show_console()
    else:
        look_up_and_report()
        call_and_be_called_back()


def look_up_and_report() -> None:
    with running() as box, VoiceClient.from_env(box.environ) as voice:
        print(f"Sandbox at {box.calling_url}\n")

        today = datetime.now(UTC).date()
        user = MxpEndpoint("myUserName")
        print(f"Calls of {user.username} to phones, by day (UTC)")
        print("  day         success  failed  seconds")
        for window in voice.reports.user_calls_by_window(
            user, today - timedelta(days=7), today, domain="pstn"
        ):
            report = window.report
            print(f"  {window.start}  {report.success:7}  {report.failed:6}  {report.duration:7}")

        counter = voice.reports.counter("currentcalls")
        print(f"\nOngoing calls: {counter.value}, as of {counter.modified:%H:%M:%S} UTC")
        print(f"Service rtpproxy: {voice.reports.service_status('rtpproxy').status}")

        print("\nOngoing calls, one per kind of endpoint")
        ongoing = [call_id for call_id, call in box.calls.items() if call.ended is None]
        calls = [voice.calls.get(call_id) for call_id in ongoing]
        for call in calls:
            print(f"  {line(call)}")

        call_id = calls[0].call_id
        print(f"\nOn call {call_id}")
        voice.calls.say(call_id, "This call is about to end.", locale="en-US", leg="callee")
        for heard in box.calls[call_id].heard:
            print(f"  the {heard.leg} heard {heard.what}")
        voice.calls.hangup(call_id)
        print(f"  {line(voice.calls.get(call_id))}")

        with tempfile.TemporaryDirectory() as folder:
            print("\nCall detail records of yesterday")
            box.write_cdr_files(folder)
            with cdr.Archive(f"{folder}/calls.duckdb") as archive:
                print(f"  {archive.load(folder)}")
                for row in archive.kpis(by="layout"):
                    costs = [f", {cost.amount} {cost.currency}" for cost in row.costs]
                    print(
                        f"  {row.by['layout']:16} {row.attempts:3} attempts, "
                        f"ASR {ratio(row.asr)}, NER {ratio(row.ner)}, ACD {ratio(row.acd)} s, "
                        f"{row.minutes_of_use:5.1f} minutes{''.join(costs)}"
                    )

        print("\nWith the secret of another application")
        with VoiceClient(
            box.application_key, WRONG_SECRET, calling_url=box.calling_url
        ) as stranger:
            try:
                stranger.calls.get(call_id)
            except ApiError as error:
                print(f"  {type(error).__name__}: {error}")


def call_and_be_called_back() -> None:
    with running(populated=False) as box, VoiceClient.from_env(box.environ) as voice:
        with serving(box) as url:
            print(f"\nCallbacks to an application at {url}")
            box.callback_url = url
            callout = voice.callouts.custom("+12125550123", cli="+12125550100", custom="demo")
            call = box.calls[callout.call_id]
            call.answer()
            call.press("1")
            room = voice.conferences.get("demo")
            print(
                f"  in the conference: {', '.join(each.cli or '?' for each in room.participants)}"
            )
            box.clock.advance(90)
            call.hang_up(by="callee")
        print(f"  {line(voice.calls.get(callout.call_id))}")
        with tempfile.TemporaryDirectory() as folder:
            box.write_cdr_files(folder, box.clock.now.date())
            for record in cdr.read(folder):
                if isinstance(record, cdr.PhoneTerminated):
                    print(f"  billed: call {record.call_id}, {record.amount} {record.currency}")


def show_console() -> None:
    with running(populated=False, console=True) as box:
        os.environ.update(box.environ)
        box.callback_app = voice_application()
        print("The voice application of README.md is running in a sandbox.\n")
        print(f"  {box.console_url}\n")
        print("Open this address in a browser on this machine, and choose Call. You hear a menu:")
        print("press 1, answer the ringing phone, and talk. Stop with Ctrl-C.", flush=True)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            print()


def voice_application() -> Any:
    """Return the application `voice.py` of the README, which needs FastAPI."""
    text = README.read_text(encoding="utf-8")
    block = re.search(r'^```python title="voice.py"\n(.*?)^```$', text, re.DOTALL | re.MULTILINE)
    assert block is not None
    names: dict[str, Any] = {"__name__": "voice"}
    exec(compile(block[1], str(README), "exec"), names)  # noqa: S102 - it is this project's own
    return names["app"]


@contextmanager
def serving(box: Sandbox) -> Iterator[str]:
    """Serve a voice application on loopback, and print its events."""
    callbacks = Callbacks(Credentials(box.application_key, box.application_secret))

    def application(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        event = callbacks.receive_wsgi(environ)
        print(f"  {type(event).__name__} {decisive(event)}".rstrip())
        answer = decide(event)
        start_response(f"{answer.status_code} OK", list(answer.headers.items()))
        return [answer.body]

    with make_server("127.0.0.1", 0, application, handler_class=Quiet) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/sinch"
        server.shutdown()
        thread.join()


class Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        pass


def decide(event: Event) -> CallbackAnswer:
    match event:
        case AnsweredCall():
            keys = [MenuOption("1", "return(join)")]
            prompt = "#tts[Press 1 to join the conference.]"
            return event.answer(
                Svaml(action=RunMenu([Menu("main", main_prompt=prompt, options=keys)]))
            )
        case PromptInput(menu_result=MenuResult(value="join")):
            return event.answer(Svaml(action=ConnectConf("demo")))
        case PromptInput():
            return event.answer(Svaml(action=Hangup()))
    return event.answer()


def decisive(event: Event) -> str:
    """Return the decisive details of an event as text."""
    match event:
        case PromptInput(menu_result=result):
            return f"{result.type} {result.value}"
        case DisconnectedCall(result=result, reason=reason, duration=duration):
            return f"{result}, {reason}, {duration} s"
    return ""


def line(call: Call) -> str:
    price = f"{call.debit.amount} {call.debit.currency}" if call.debit else "no price"
    return (
        f"{describe(call.from_)} -> {describe(call.to)}: {call.status}, {call.result}, "
        f"{call.reason}, {call.duration} s, {price}"
    )


def ratio(found: cdr.Ratio) -> str:
    return "-" if found.value is None else f"{found.value:.2f}"


def describe(endpoint: Endpoint | None) -> str:
    match endpoint:
        case MxpEndpoint(username):
            return f"app user {username}"
        case PstnEndpoint(number):
            return f"phone {number}"
        case SipEndpoint(address):
            return f"SIP {address}"
        case None:
            return "somebody"
        case other:
            return f"{other.type} {other.endpoint}"


if __name__ == "__main__":
    main()
