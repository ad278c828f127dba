"""The main job, on the embedded sandbox: `python3 scripts/bootstrap.py demo`.

Uses nothing but the public API of the installed package; the requests are signed and travel over
loopback to a server that checks every signature.
"""

import tempfile
from datetime import UTC, datetime, timedelta

from sinchvoice import (
    ApiError,
    Call,
    Endpoint,
    MxpEndpoint,
    PstnEndpoint,
    SipEndpoint,
    VoiceClient,
    cdr,
)
from sinchvoice.sandbox import running

WRONG_SECRET = "BeIukql3pTKJ8RGL5zo0DA=="  # noqa: S105 - published, and of another application


def main() -> None:
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
