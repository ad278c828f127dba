"""The life of a call that sends callbacks: its events, and the effects of the answers.

A `Dialog` is a generator without I/O. It yields an `Ask` and receives the answer to the event; a
`Tell`, which needs no answer; or a `Wait` and receives the next thing that happens to the call.
`switchboard` drives it.

Source: callback events of the Voice API 1.0.1 specification and the older "Callback API" page. The
sandbox's own choices, where these are silent, are listed in docs/reference/sandbox.md.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any, Literal, NoReturn, TypeAlias

import attrs

from ..endpoints import Endpoint, MxpEndpoint, OtherEndpoint, PstnEndpoint, SipEndpoint
from ..svaml import (
    Action,
    ConferenceDtmfOptions,
    ConnectConf,
    ConnectMxp,
    ConnectPstn,
    ConnectSip,
    ConnectStream,
    Continue,
    Hangup,
    Instruction,
    KeyValue,
    Park,
    PlayFiles,
    RecordingOptions,
    RunMenu,
    Say,
    StartRecording,
)
from ..vocabulary import CallLeg, CallReason, CallResult, DisconnectReason, MenuResultType
from .call import SandboxCall
from .clock import SandboxClock, end_of
from .menus import MenuRun, Prompt, Result

__all__ = [
    "NOBODY",
    "RING",
    "Answered",
    "Ask",
    "Dialog",
    "Invalid",
    "Ordered",
    "PickedUp",
    "Plan",
    "Pressed",
    "Silence",
    "Tell",
    "Wait",
]

#: Seconds until a callee answers; conference callouts are answered at once.
RING = 1.0

#: The callee until the answer to an ICE names one.
NOBODY = OtherEndpoint("number", "")

_READING_SPEED = 15  # characters of text per second
_ILLEGAL = 40001
#: Limit of questions while nothing else happens to a call: answers of an application may loop.
_MOST_QUESTIONS = 100

Event: TypeAlias = dict[str, Any]
Kind: TypeAlias = Literal["incoming", "tts", "conference", "custom"]


# --- Steps and stimuli ---------------------------------------------------------------------------


@attrs.frozen
class Ask:
    """Send an event and return the answer."""

    event: Event


@attrs.frozen
class Tell:
    """Send an event; its answer has no effect."""

    event: Event


@attrs.frozen
class Wait:
    """Wait until something happens or until this time; None waits without a limit."""

    until: datetime | None


class Silence(StrEnum):
    """Why an event has no answer."""

    NOT_ASKED = "no callback URL is set for it"
    EMPTY = "the answer was empty"
    FAILED = "no URL answered it"


@attrs.frozen
class Answered:
    """The answer to an event: SVAML with an action."""

    instructions: tuple[Instruction, ...]
    action: Action


@attrs.frozen
class Invalid:
    """The answer to an event is not SVAML, or not allowed for the event."""

    problem: str


@attrs.frozen
class PickedUp:
    """The callee answered."""

    by_machine: bool = False


@attrs.frozen
class Pressed:
    """A key was pressed."""

    key: str


@attrs.frozen
class Ordered:
    """A request gave the call another action.

    Attributes:
        action: The action.
        is_new: Whether the call has not carried it out yet.
    """

    action: Action
    is_new: bool = False


Step: TypeAlias = Ask | Tell | Wait
#: None: time passed, or something about the call changed.
Stimulus: TypeAlias = Silence | Answered | Invalid | PickedUp | Pressed | Ordered | None
Life: TypeAlias = Generator[Step, Stimulus, None]


class _Over(Exception):
    """The call ended."""


class _Turned(Exception):
    """A request gave the call another action."""

    def __init__(self, order: Ordered) -> None:
        super().__init__(order)
        self.order = order


# --- Plan ----------------------------------------------------------------------------------------


@attrs.frozen(kw_only=True)
class Plan:
    """How a call begins.

    Attributes:
        kind: Kind of call.
        ring: Seconds until the callee answers; infinite to wait for `SandboxCall.answer`.
        sends: The events that the call sends, apart from Notify.
        answers: Answers in the callout, by event.
        urls: Callback URLs in the callout, by event.
        headers: Headers of the callbacks, from the callout.
        dialled: Whether the callout has a destination.
        region_url: Base URL of the calling API in the call's region.
        text: Prompts of a text-to-speech callout, or the greeting of a conference callout.
        conference: The conference that a conference callout joins.
        dtmf: Keys to send after the answer.
        max_duration: Limit of the whole call, in seconds.
        patience: Milliseconds to add to the timeouts of menus.
    """

    kind: Kind
    ring: float
    sends: frozenset[str]
    answers: Mapping[str, Answered | Invalid | Silence] = attrs.field(factory=dict)
    urls: Mapping[str, str] = attrs.field(factory=dict)
    headers: tuple[tuple[str, str], ...] = ()
    dialled: bool = True
    region_url: str = ""
    text: Say | PlayFiles | None = None
    conference: ConnectConf | None = None
    dtmf: str | None = None
    max_duration: int | None = None
    patience: int = 0


# --- Life ----------------------------------------------------------------------------------------


class Dialog:
    """The life of one call.

    Args:
        call: The call, which the dialog changes.
        plan: How the call begins.
        clock: The clock of the sandbox.

    Attributes:
        life: The generator.
        is_ringing: Whether the callee's phone is ringing.
    """

    def __init__(self, call: SandboxCall, plan: Plan, clock: SandboxClock) -> None:
        self.call = call
        self.plan = plan
        self.life: Life = self._live()
        self.is_ringing = False
        self._clock = clock
        self._sends = set(plan.sends)
        self._disconnect_reason: DisconnectReason | None = None
        self._by_machine = False
        self._questions = 0
        self._was_reached = False
        self._room: ConnectConf | None = None
        self._recorded: StartRecording | None = None

    # --- Operations at any time ------------------------------------------------------------------

    def perform(self, instructions: tuple[Instruction, ...], leg: CallLeg) -> list[Event]:
        """Carry out instructions, and return the resulting events."""
        events = []
        for instruction in instructions:
            self.call.carry_out([instruction], [], leg)
            events += self._recorded_events()
        return events

    def notify(self, type_: str, **details: Any) -> Event:
        """Return a Notify event."""
        return {**self._event("notify"), "type": type_, **details}

    def complaint(self, problem: str) -> Event:
        """Return the Notify about an answer that is not SVAML, or not allowed."""
        return self.notify("callingerror", errorCode=_ILLEGAL, errorMsg=f"Illegal SVAML: {problem}")

    # --- Course of the call ----------------------------------------------------------------------

    def _live(self) -> Life:
        try:
            stage = self._begin()
            while True:
                try:
                    action, is_new = (yield from stage), True
                except _Turned as turned:
                    action, is_new = turned.order.action, turned.order.is_new
                if is_new:
                    self.call.carry_out([], [action], CallLeg.CALLER)
                stage = self._act(action)
        except _Over:
            pass
        self.call.recording = None
        for event in self._recorded_events():
            yield Tell(event)
        if "dice" in self._sends:
            yield Tell(self._dice())

    def _begin(self) -> Generator[Step, Stimulus, Action]:
        plan = self.plan
        match plan.kind:
            case "incoming":
                return (yield from self._ask_ice())
            case "custom":
                return (yield from self._custom())
        if self.call.from_ is None and plan.kind == "tts":
            self._end(CallReason.GENERAL_ERROR, CallResult.FAILED)
        yield from self._ring()
        reply = yield from self._ask_ace()
        if isinstance(reply, Silence):
            return plan.conference or (yield from self._speak())
        if isinstance(reply, Continue) and plan.kind == "tts":
            return (yield from self._speak())
        return reply

    def _custom(self) -> Generator[Step, Stimulus, Action]:
        """Begin a custom callout; its ICE is answered in the callout, by a URL, or not at all."""
        plan = self.plan
        if plan.dialled and "ice" not in plan.answers and "ice" not in plan.urls:
            yield from self._ring()
            reply = yield from self._ask_ace()
            return Continue() if isinstance(reply, Silence) else reply
        action = yield from self._ask_ice()
        if isinstance(action, Hangup | ConnectPstn | ConnectSip | ConnectMxp | ConnectStream):
            return action
        if not plan.dialled:  # no callee for a menu or a conference
            self._end(CallReason.GENERAL_ERROR, CallResult.FAILED)
        yield from self._ring()
        return action

    def _ask_ice(self) -> Generator[Step, Stimulus, Action]:
        reply = yield from self._ask(self._ice())
        if reply is Silence.NOT_ASKED and self.plan.kind == "incoming":
            return _as_dialled(self.call.to)
        if isinstance(reply, Silence):
            self._disconnect_reason = DisconnectReason.CALLBACK_ERROR
            self._end(CallReason.GENERAL_ERROR, CallResult.FAILED)
        return reply

    def _ask_ace(
        self, amd: Mapping[str, Any] | None = None
    ) -> Generator[Step, Stimulus, Action | Silence]:
        if "ace" not in self._sends or isinstance(self.call.to, MxpEndpoint):
            return Silence.NOT_ASKED
        event = self._event("ace")
        return (yield from self._ask({**event, "amd": amd} if amd else event))

    def _ask(self, event: Event) -> Generator[Step, Stimulus, Action | Silence]:
        """Send an event, carry out the instructions of the answer, and return its action."""
        self._questions += 1
        if self._questions > _MOST_QUESTIONS:
            self._end(CallReason.GENERAL_ERROR, CallResult.FAILED)
        reply = yield Ask(event)
        if self.call.ended is not None:
            raise _Over
        if isinstance(reply, Answered):
            for sent in self.perform(reply.instructions, CallLeg.CALLER):
                yield Tell(sent)
            return reply.action
        if isinstance(reply, Silence):
            return reply
        yield Tell(self.complaint(reply.problem if isinstance(reply, Invalid) else str(reply)))
        self._disconnect_reason = DisconnectReason.CALLBACK_ERROR
        self._end(CallReason.INVALID_SVAML_ACTION, CallResult.FAILED)

    def _wait(
        self, until: datetime | None = None, *, goes_on: bool = False
    ) -> Generator[Step, Stimulus, Stimulus]:
        """Wait for the next stimulus; return None if nothing happens until then.

        Args:
            until: When to stop waiting; None for no limit.
            goes_on: Whether an order to continue changes nothing.
        """
        while True:
            if self.call.ended is not None:
                raise _Over
            if until is not None and until <= self._clock.now:
                return None
            ends = self.call.ends_at
            times = [moment for moment in (until, ends) if moment is not None]
            stimulus = yield Wait(min(times, default=None))
            self._questions = 0
            if self.call.ended is not None:
                raise _Over
            if isinstance(stimulus, Ordered):
                if goes_on and isinstance(stimulus.action, Continue):
                    continue
                raise _Turned(stimulus)
            if stimulus is not None:
                return stimulus

    def _ring(self, give_up: int | None = None) -> Generator[Step, Stimulus, None]:
        """Let the callee's phone ring until it is answered, or for `give_up` seconds."""
        now, ring = self._clock.now, self.plan.ring
        seconds = ring if give_up is None else min(ring, give_up)
        until = end_of(now, seconds)
        self.is_ringing, self._by_machine = True, False
        self.call.note("callee", "hears the phone ring")
        try:
            while True:
                stimulus = yield from self._wait(until, goes_on=True)
                if isinstance(stimulus, PickedUp):
                    self._by_machine = stimulus.by_machine
                    break
                if stimulus is None:
                    if give_up is not None and give_up < ring:
                        self._end(CallReason.TIMEOUT, CallResult.NO_ANSWER)
                    break
        finally:
            self.is_ringing = False
        self.call.note("callee", "lets a machine answer" if self._by_machine else "answers")
        self._pick_up()
        if self._was_reached:
            return
        self._was_reached = True
        if self.plan.max_duration is not None:
            self.call.limit_to(self.plan.max_duration, as_a_whole=True)
        if self.plan.dtmf is not None:
            self.call.dtmf += self.plan.dtmf

    def _pick_up(self) -> None:
        if self.call.answered is None:
            self.call.pick_up()

    def _end(self, reason: CallReason, result: CallResult | None = None) -> NoReturn:
        self.call.end(reason, result)
        raise _Over

    # --- Actions ---------------------------------------------------------------------------------
    # The call has already carried out each action. These methods return the next one.

    def _act(self, action: Action) -> Generator[Step, Stimulus, Action]:
        match action:
            case ConnectPstn() | ConnectSip() | ConnectMxp() | ConnectStream():
                return (yield from self._connect(action))
            case ConnectConf():
                return (yield from self._confer(action))
            case RunMenu():
                return (yield from self._offer(action))
            case Hangup():
                raise _Over
            case Park():
                self._pick_up()
                if action.intro_prompt is not None:
                    self._play(action.intro_prompt, action.locale)
            case Continue(record=True):
                yield from self._record(action.recording_options)
        if isinstance(action, Continue) and self._room is not None:
            return (yield from self._stay(self._room))
        while True:
            yield from self._wait()

    def _speak(self) -> Generator[Step, Stimulus, NoReturn]:
        """Say the text of a callout and hang up."""
        text = self.plan.text
        if text is not None:
            self.call.hear(text, CallLeg.CALLEE)
            spoken = text.text if isinstance(text, Say) else "".join(text.ids)
            until = self._clock.now + timedelta(seconds=-(-len(spoken) // _READING_SPEED))
            while (yield from self._wait(until, goes_on=True)) is not None:
                pass
        self._end(CallReason.MANAGER_HANGUP)

    def _connect(
        self, action: ConnectPstn | ConnectSip | ConnectMxp | ConnectStream
    ) -> Generator[Step, Stimulus, Action]:
        call, amd = self.call, None
        self._room = None
        give_up = action.dial_timeout if isinstance(action, ConnectPstn) else None
        call.to = _callee(action, call.to)
        if not isinstance(action, ConnectPstn) and action.call_headers:
            call.call_headers = tuple((pair.key, pair.value) for pair in action.call_headers)
        if isinstance(action, ConnectPstn | ConnectSip) and action.suppress_callbacks:
            self._sends -= {"ace", "dice"}
        yield from self._ring(give_up)
        if not isinstance(action, ConnectMxp):
            call.limit_to(action.max_duration)
        if isinstance(action, ConnectMxp | ConnectStream):
            return Continue()
        found = None
        if isinstance(action, ConnectPstn):
            call.dtmf += action.dtmf or ""
            if action.amd is not None and action.amd.enabled:
                found = _detected(by_machine=self._by_machine)
                amd = {"status": "inprogress"} if action.amd.async_ else found
        reply = yield from self._ask_ace(amd)
        if found is not None and amd is not found:
            yield Tell(self.notify("amd", amd=found))
            if self._by_machine:
                beep = {"status": "machine", "reason": "beep", "duration": found["duration"]}
                yield Tell(self.notify("amd_beep", amd=beep))
        return Continue() if isinstance(reply, Silence) else reply

    def _confer(self, action: ConnectConf) -> Generator[Step, Stimulus, Action]:
        if self.plan.kind == "conference" and self._room is None and self.plan.text is not None:
            self.call.hear(self.plan.text, CallLeg.CALLEE)
        self._room = action
        self._pick_up()
        if action.record:
            yield from self._record(action.recording_options)
        return (yield from self._stay(action))

    def _stay(self, room: ConnectConf) -> Generator[Step, Stimulus, Action]:
        """Stay in a conference, and report pressed keys if it detects them."""
        options = room.conference_dtmf_options or ConferenceDtmfOptions()
        most = options.max_digits or 1
        digits, until = "", None
        while True:
            try:
                stimulus = yield from self._wait(until, goes_on=True)
            except _Turned as turned:
                if not isinstance(turned.order.action, RunMenu):
                    self._room = None
                raise
            if isinstance(stimulus, Pressed) and options.mode == "detect":
                if stimulus.key != "#":
                    digits += stimulus.key
                    until = end_of(self._clock.now, mills=options.timeout_mills or 3000)
                    if len(digits) < most:
                        continue
            elif stimulus is not None:
                continue
            if digits and "pie" in self._sends and not isinstance(self.call.to, MxpEndpoint):
                result = Result(room.conference_id, MenuResultType.SEQUENCE, digits)
                yield Tell({**self._pie(result), "conferenceId": room.conference_id})
            digits, until = "", None

    def _offer(self, action: RunMenu) -> Generator[Step, Stimulus, Action]:
        """Run menus, and return the action that answers their result."""
        self._pick_up()
        run = MenuRun(action)
        try:
            result = yield from self._choose(run, action.locale)
        except _Over:
            gone = (CallReason.CALLER_HANGUP, CallReason.CALLEE_HANGUP)
            if self.call.reason in gone and self._tells_input:
                yield Tell(self._pie(run.hang_up()))
            raise
        if not self._tells_input:
            self._end(CallReason.MANAGER_HANGUP)
        reply = yield from self._ask(self._pie(result))
        if reply is Silence.EMPTY:
            return Continue()
        if isinstance(reply, Silence):
            if reply is Silence.NOT_ASKED:
                self._end(CallReason.MANAGER_HANGUP)
            self._disconnect_reason = DisconnectReason.CALLBACK_ERROR
            self._end(CallReason.GENERAL_ERROR)
        return reply

    @property
    def _tells_input(self) -> bool:
        return "pie" in self._sends and not isinstance(self.call.to, MxpEndpoint)

    def _choose(self, run: MenuRun, locale: str | None) -> Generator[Step, Stimulus, Result]:
        step, last, patience = run.start(), None, self.plan.patience
        while True:
            now = self._clock.now
            if isinstance(step, Result):
                return step
            if isinstance(step, Prompt):
                if step.text is not None:
                    self._play(step.text, locale)
                whole = run.menu.max_timeout_mills
                last = None if whole is None else end_of(now, mills=whole + patience)
            next_ = end_of(now, mills=run.mills + patience)
            ends = [end for end in (next_, last) if end is not None]
            stimulus = yield from self._wait(min(ends, default=None))
            if isinstance(stimulus, Pressed):
                step = run.press(stimulus.key)
            elif stimulus is None:
                step = run.time_out()

    def _play(self, prompts: str, locale: str | None) -> None:
        files = [prompt for prompt in prompts.split(";") if prompt]
        if files:
            self.call.hear(PlayFiles(files, locale=locale), CallLeg.CALLER)

    # --- Recordings ------------------------------------------------------------------------------

    def _record(self, options: RecordingOptions | None) -> Generator[Step, Stimulus, None]:
        for event in self.perform((StartRecording(options),), CallLeg.CALLER):
            yield Tell(event)

    def _recorded_events(self) -> list[Event]:
        """Return the events of a recording that has just ended."""
        was, self._recorded = self._recorded, self.call.recording
        if was is None or was is self._recorded or isinstance(self.call.to, MxpEndpoint):
            return []
        options = was.options or RecordingOptions()
        if options.notification_events is False:
            return []
        file = self._file(options)
        events = [
            self.notify("recording_finished"),
            self.notify("recording_available", destination=file),
        ]
        if options.transcription_options and options.transcription_options.enabled:
            transcript = f"{file.rpartition('.')[0]}-transcript.json"
            events.append(self.notify("transcription_available", destination=transcript))
        return events

    def _file(self, options: RecordingOptions) -> str:
        """Return the URL of a recording: the given file, or the documented name in a folder."""
        call, folder = self.call, options.destination_url or ""
        if folder and not folder.endswith("/") and "." in folder.rpartition("/")[2]:
            return folder
        moment = self._clock.now.strftime("%Y%m%d%H%M%S")
        name = f"{moment}_{call.application_key}_{call.call_id}.{options.format or 'mp3'}"
        return f"{folder.rstrip('/')}/{name}" if folder else name

    # --- Events ----------------------------------------------------------------------------------

    def _event(self, name: str) -> Event:
        call = self.call
        event: Event = {"event": name, "callid": call.call_id, "version": 1, "custom": call.custom}
        if isinstance(call.from_, MxpEndpoint):
            event["user"] = call.from_.username
        if name == "notify":
            return event
        now = self._clock.now
        event["timestamp"] = now.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
        event["applicationKey"] = call.application_key
        if call.cookies:
            event["cookies"] = _pairs(tuple(call.cookies.items()))
        return event

    def _ice(self) -> Event:
        call = self.call
        origin = "MXP" if isinstance(call.from_, MxpEndpoint) else "PSTN"
        event = {
            **self._event("ice"),
            "callResourceUrl": f"{self.plan.region_url}/calling/v1/calls/id/{call.call_id}",
            "userRate": _price(call.rate),
            "to": call.to.to_wire(),
            "domain": "mxp" if isinstance(call.to, MxpEndpoint) else "pstn",
            "originationType": origin,
            "rdnis": "",
        }
        if origin == "PSTN":
            event["cli"] = _text(call.from_).removeprefix("+")
        if call.call_headers:
            event["callHeaders"] = _pairs(call.call_headers)
        return event

    def _pie(self, result: Result) -> Event:
        return {
            **self._event("pie"),
            "menuResult": {
                "menuId": result.menu_id,
                "type": result.type.value,
                "value": result.value,
                "inputMethod": "dtmf",
            },
        }

    def _dice(self) -> Event:
        call = self.call
        minutes = -(-call.duration // 60)
        event = {
            **self._event("dice"),
            "reason": (self._disconnect_reason or call.reason).value,
            "result": call.result.value,
            "userRate": _price(call.rate),
            "debit": _price(call.rate * minutes),
            "from": _text(call.from_).removeprefix("+"),
            "to": call.to.to_wire(),
        }
        if call.answered is not None:
            event["duration"] = call.duration
        if call.call_headers:
            event["callHeaders"] = _pairs(call.call_headers)
        return event


def _as_dialled(to: Endpoint) -> Action:
    """Return the action for an incoming call without a callback URL: connect it as dialled."""
    match to:
        case MxpEndpoint():
            return ConnectMxp(destination=to)
        case SipEndpoint():
            return ConnectSip(to)
        case OtherEndpoint("conference", str(room)):
            return ConnectConf(room)
    return ConnectPstn()


def _callee(
    action: ConnectPstn | ConnectSip | ConnectMxp | ConnectStream, dialled: Endpoint
) -> Endpoint:
    match action:
        case ConnectPstn(number=str(number)):
            return PstnEndpoint(number)
        case ConnectPstn() if isinstance(dialled, OtherEndpoint) and dialled.type == "did":
            return PstnEndpoint(dialled.endpoint or "")
        case ConnectSip() | ConnectMxp(destination=MxpEndpoint()):
            return action.destination or dialled
    return dialled


def _detected(*, by_machine: bool) -> dict[str, Any]:
    if by_machine:
        return {"status": "machine", "reason": "longgreeting", "duration": 3}
    return {"status": "human", "reason": "n/a", "duration": 1}


def _price(amount: Decimal) -> dict[str, Any]:
    return {"currencyId": "EUR", "amount": float(amount)}


def _text(endpoint: Endpoint | None) -> str:
    """Return an endpoint as events write it; an unknown caller is `private`."""
    if endpoint is None:
        return "private"
    return str(endpoint.to_wire().get("endpoint", "private"))


def _pairs(pairs: tuple[tuple[str, str], ...]) -> list[dict[str, str]]:
    return [KeyValue(key, value).to_wire() for key, value in pairs]
