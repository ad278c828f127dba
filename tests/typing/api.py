"""Typical user code for type checkers, which is never run.

Each `assert_type` is a promise; each `type: ignore` marks a mistake that checkers must report.
"""

from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, assert_never, assert_type

import duckdb
from sinchvoice import (
    ApiStatusError,
    ApplicationNumber,
    AsyncVoiceClient,
    Call,
    CallbackUrls,
    CallDomain,
    Callout,
    CallReason,
    CallResult,
    CallStatus,
    Capability,
    ConferenceParticipant,
    Counter,
    Credentials,
    Endpoint,
    MxpEndpoint,
    NumberInfo,
    OtherEndpoint,
    Price,
    PstnEndpoint,
    Region,
    ReportWindow,
    RetryPolicy,
    ServiceStatus,
    SipEndpoint,
    UserCallReport,
    VoiceClient,
    callbacks,
    cdr,
    signing,
    svaml,
)
from sinchvoice.endpoints import from_dict
from sinchvoice.reports import parse_day
from sinchvoice.sandbox import FileForm, Planted, cdr_files


def clients() -> None:
    assert_type(VoiceClient.from_env(), VoiceClient)
    assert_type(AsyncVoiceClient.from_env({}), AsyncVoiceClient)
    VoiceClient("key", "secret")
    VoiceClient("key", "secret", region="europe", timeout=5, deadline=None, retries=0)
    VoiceClient("key", "secret", region=Region.EUROPE, retries=RetryPolicy(retries=1))
    VoiceClient.from_env(timeout=5, auth="basic", canonical_resource="decoded-path")
    VoiceClient.from_env(timeoutt=5)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    VoiceClient("key", "secret", auth="Basic")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    VoiceClient("key")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    VoiceClient("key", "secret", "europe")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    VoiceClient("key", "secret", retry=1)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    with VoiceClient("key", "secret") as voice:
        assert_type(voice, VoiceClient)
        assert_type(voice.with_options(timeout=5), VoiceClient)
        voice.with_options(deadline=None, retries=RetryPolicy())
        voice.with_options(timeout=None)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def data(call: Call, window: ReportWindow) -> None:
    assert_type(call.to_dict(), dict[str, Any])
    assert_type(call.to_json(), str)
    assert_type(Call.from_dict({"call_id": "a"}), Call)
    assert_type(ReportWindow.from_dict(window.to_dict()), ReportWindow)
    assert_type(PstnEndpoint.from_dict({}), PstnEndpoint)
    assert_type(from_dict({}), Endpoint)
    assert_type(parse_day("2026-11-01"), date | datetime | None)
    Call(call_id="a", status="ONGOING", to=MxpEndpoint("alice"))
    Counter(value=5)
    UserCallReport(success=1, failed=0, duration=60)
    Call()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    Call.from_dict("a")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def calls(voice: VoiceClient) -> None:
    call = voice.calls.get("id")
    assert_type(call, Call)
    assert_type(call.call_id, str)
    assert_type(call.from_, Endpoint | None)
    assert_type(call.duration, int | None)
    assert_type(call.status, CallStatus | str | None)
    assert_type(call.result, CallResult | str | None)
    assert_type(call.reason, CallReason | str | None)
    assert_type(call.domain, CallDomain | str | None)
    assert_type(call.timestamp, datetime | None)
    assert_type(call.custom, str | Mapping[str, Any] | None)
    assert_type(call.debit, Price | None)
    if call.debit:
        assert_type(call.debit.amount, Decimal | None)
    call.status = "FINAL"  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
    voice.calls.get()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    voice.calls.get(5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    voice.calls.say("id", "text", locale="en-US", leg="both")
    voice.calls.play("id", "a", "b", leg="callee")
    voice.calls.say("id", "text", "en-US")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    voice.calls.say("id", "text", leg="calee")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    voice.calls.hangup("id")


def callouts(voice: VoiceClient) -> None:
    callout = voice.callouts.text_to_speech("+12125550123", text="Hello", cli="+46730170101")
    assert_type(callout, Callout)
    assert_type(callout.call_id, str)
    voice.callouts.conference(PstnEndpoint("+1"), conference_id="room", moh_class="ring")
    voice.conferences.call(MxpEndpoint("alice"), conference_id="room", domain="mxp")
    voice.callouts.custom(ice=svaml.Svaml(action=svaml.Hangup()), dice="https://example.com")
    voice.callouts.custom("alice", callback_headers={"X-CB-Order": "7"}, deadline=20)
    voice.callouts.text_to_speech("alice", txt="Hello")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    voice.callouts.text_to_speech("alice", "Hello")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    voice.callouts.conference("alice")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    voice.callouts.conference("alice", conference_id="r", moh_class="jazz")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    voice.callouts.custom(OtherEndpoint("did", "+1"))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    voice.callouts.custom(ice=svaml.Hangup())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def conferences(voice: VoiceClient) -> None:
    conference = voice.conferences.get("room")
    assert_type(conference.participants, tuple[ConferenceParticipant, ...])
    assert_type(conference.participants[0].muted, bool | None)
    voice.conferences.mute(conference_id="room", call_id="id")
    voice.conferences.mute("room", "id")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    voice.conferences.manage_participant(conference_id="room", call_id="id", command="onhold")
    voice.conferences.manage_participant(conference_id="room", call_id="id", command="hold")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    voice.conferences.kick_all("room")


def applications(voice: VoiceClient) -> None:
    assert_type(voice.applications.get_numbers(), list[ApplicationNumber])
    assert_type(voice.applications.get_numbers()[0].capability, Capability | str | None)
    assert_type(voice.applications.get_callback_urls(), CallbackUrls)
    assert_type(voice.applications.query_number("+1"), NumberInfo)
    voice.applications.assign_numbers(["+1", "+2"], capability="voice")
    voice.applications.assign_numbers("+1", capability="fax")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    voice.applications.update_callback_urls(primary="https://example.com")
    voice.request("GET", "/v1/configuration/numbers", api="configuration")
    voice.request("GET", "/", api="config")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def endpoints(endpoint: Endpoint) -> str:
    match endpoint:
        case PstnEndpoint(number):
            return assert_type(number, str)
        case SipEndpoint(address):
            return assert_type(address, str)
        case MxpEndpoint(username):
            return assert_type(username, str)
        case OtherEndpoint(kind, value):
            return assert_type(kind, str | None) or assert_type(value, str | None) or ""
        case _:
            assert_never(endpoint)


def reports(voice: VoiceClient) -> None:
    user = MxpEndpoint("user")
    report = voice.reports.user_calls(user, domain="pstn", start=date.min, stop=datetime.now(UTC))
    assert_type(report, UserCallReport)
    assert_type(report.success + report.failed, int)
    assert_type(report.start, datetime | None)
    voice.reports.user_calls("+46730170101", "2026-11-01", "2026-11-08")
    voice.reports.user_calls(SipEndpoint("a@b"))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    voice.reports.user_calls(user, domain="pstnn")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    windows = voice.reports.user_calls_by_window(user, date.min, date.max, timedelta(days=1))
    assert_type(windows, Iterator[ReportWindow])
    assert_type(voice.reports.counter("currentcalls"), Counter)
    assert_type(voice.reports.service_status("rtpproxy"), ServiceStatus)
    assert_type(voice.reports.service_status("rtpproxy").is_up, bool)


async def awaited(voice: AsyncVoiceClient) -> None:
    async with voice:
        assert_type(await voice.calls.get("id"), Call)
        await voice.calls.hangup("id")
        user = PstnEndpoint("+46730170101")
        windows = voice.reports.user_calls_by_window(user, date.min, date.max)
        assert_type(windows, AsyncIterator[ReportWindow])
        async for window in windows:
            assert_type(window.report, UserCallReport)
        print(voice.calls.get("id").status)  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]


def svamls(voice: VoiceClient) -> None:
    whole = svaml.Svaml(
        instructions=[
            svaml.Say("Hi", locale="en-US"),
            svaml.PlayFiles(["a"]),
            svaml.Raw({"name": "x"}),
        ],
        action=svaml.ConnectPstn(number=PstnEndpoint("+46730170101"), tags={"a": "b"}),
    )
    voice.calls.update("id", whole)
    assert_type(whole.to_wire(), dict[str, Any])
    assert_type(svaml.Svaml.from_wire({}), svaml.Svaml)
    svaml.RunMenu([svaml.Menu("main", options=[svaml.MenuOption("1", "return(x)")])], barge=False)
    svaml.ConnectSip(SipEndpoint("a@b"), transport="TLS", call_headers=[("a", "b")])
    svaml.Svaml([svaml.Hangup()])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]
    svaml.Svaml(action=svaml.Say("Hi"))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    svaml.Say()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    svaml.Park(60)  # type: ignore[call-arg, arg-type]  # pyright: ignore[reportCallIssue]
    voice.calls.update("id", {})  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def errors(error: ApiStatusError) -> None:
    assert_type(error.status_code, int)
    assert_type(error.error_code, int | None)
    assert_type(error.retry_after, float | None)
    assert_type(error.may_have_executed, bool)
    assert_type(error.hint, str | None)


def verified(headers: Mapping[str, str], pairs: list[tuple[bytes, bytes]]) -> None:
    credentials = Credentials("key", "secret")
    for given in (headers, pairs):
        genuine = signing.verify(credentials, method="POST", path="/", headers=given, body=b"")
        assert_type(genuine, bool)
    signing.verify(credentials, method="POST", path="/", headers=headers, body="text")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def call_detail_records() -> None:
    with cdr.read("cdr/*.csv", "app-to-app", on_reject="collect") as calls:
        assert_type(calls, cdr.Reader)
        for record in calls:
            assert_type(record.from_, Endpoint | MxpEndpoint | None)
            match record:
                case cdr.PhoneTerminated():
                    assert_type(record.answer_time, datetime | None)
                    assert_type(record.layout, Literal["phone-terminated"])
                case cdr.PhoneOriginated():
                    assert_type(record.amount, Decimal | None)
                case cdr.AppToApp():
                    assert_type(record.to, MxpEndpoint | None)
                case cdr.SipTerminated():
                    assert_type(record.reason, CallReason | str | None)
                case _:
                    assert_never(record)
            core(record)
        assert_type(calls.rejects, list[cdr.Reject])
        assert_type(next(calls), cdr.CdrRecord)
    cdr.read(["-", b"", Path("a"), open("b", "rb")], on_reject=print)  # noqa: SIM115, PTH123
    cdr.read("a", on_reject="ignore")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    cdr.read("a", "sip")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    cdr.read("a", None, "raise")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


def kpis_of_calls() -> None:
    run = cdr.kpis.on_duckdb(duckdb.connect())
    assert_type(run, cdr.kpis.Run)
    rows = cdr.kpis.compute(run, ("day", "country"), {"hour": [8, 9], "country": None})
    assert_type(rows, list[cdr.KpiRow])
    assert_type(rows[0].asr, cdr.Ratio)
    assert_type(rows[0].asr.value, float | None)
    assert_type(rows[0].costs, tuple[cdr.KpiCost, ...])
    assert_type(rows[0].costs[0].amount, Decimal)
    assert_type(rows[0].by, Mapping[cdr.Dimension, date | int | str | None])
    where: cdr.KpiFilter = {"start": datetime.now(UTC), "layout": "app-to-app"}
    cdr.kpis.compute(run, "weekday", where, min_attempts=30)
    more: cdr.KpiFilter = {"prefix:2": ["46", None], "prefix": "mobile"}
    numbers = cdr.kpis.compute(
        run, ("prefix:4", "prefix"), more, prefixes={"46": None}, top=10, percentiles=(50, 99.9)
    )
    assert_type(numbers[0].rest_groups, int)
    assert_type(numbers[0].duration_percentiles, Mapping[float, int | None])
    assert_type(numbers[0].setup_time_percentiles, Mapping[float, Decimal | None])
    cdr.kpis.compute(run, "prefix:16")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    cdr.kpis.compute(run, "countries")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    cdr.kpis.compute(run, where={"weekday": "monday"})  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    cdr.kpis.compute(run, where={"callid": "1"})  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    rows[0].attempts = 5  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]


def made_up_files() -> None:
    planted = Planted(rejects={"time": 3, cdr.RejectCause.QUOTE: 1}, late=2)
    truth = cdr_files("cdr", layouts=["app-to-app"], planted=planted, forms=[FileForm()])
    assert_type(truth.total.rejects, Mapping[cdr.RejectCause, int])
    assert_type(truth.by_layout["app-to-app"].cost, Decimal)
    cdr_files("cdr", compression="rar")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    FileForm(header="other")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def core(record: cdr.CallDetailRecord) -> None:
    assert_type(record.call_time, datetime)
    assert_type(record.extras, Mapping[str, str])
    record.duration = 5  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]


def received(receiver: callbacks.Callbacks, environ: dict[str, Any]) -> callbacks.CallbackAnswer:
    event = receiver.receive_wsgi(environ, public_path="/sinch")
    assert_type(event, callbacks.Event)
    assert_type(event.call_id, str | None)
    assert_type(event.repeated, bool)
    match event:
        case callbacks.IncomingCall():
            assert_type(event.to, Endpoint | None)
            print(event.debit)  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
            event.answer({"action": "hangup"})  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
            return event.answer(svaml.Svaml(action=svaml.Hangup()))
        case callbacks.AnsweredCall(amd=callbacks.AmdResult(status=status)):
            assert_type(status, callbacks.AmdStatus | str | None)
        case callbacks.DisconnectedCall():
            assert_type(event.debit, Price | None)
            assert_type(event.reason, callbacks.DisconnectReason | str | None)
        case callbacks.PromptInput():
            assert_type(event.menu_result, callbacks.MenuResult)
        case callbacks.AnsweredCall() | callbacks.Notification() | callbacks.UnknownEvent():
            pass
        case _:
            assert_never(event)
    return event.answer()


def stores() -> None:
    class Store:
        def add(self, key: str) -> bool:
            return bool(key)

    credentials = Credentials("key", "c2VjcmV0")
    callbacks.Callbacks(credentials, credentials, max_age=None, seen=Store())
    callbacks.Callbacks(credentials, seen=callbacks.RecentlySeen())
    callbacks.Callbacks(credentials, seen=set())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
