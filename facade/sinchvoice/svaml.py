"""SVAML: what a call is told to do.

    Svaml(instructions=[Say("Goodbye", locale="en-US")], action=Hangup())

Instructions are carried out in order; then comes the action, of which there is at most one. The
classes check what the vendor's current documentation limits and warn where only an older page or
client does. What they do not know yet goes through as `Raw({"name": …})`.

Source: instruction and action schemas of the Voice API 1.0.1 specification, unless a class says
otherwise.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from contextvars import ContextVar
from copy import deepcopy
from typing import Any, ClassVar, Literal, NoReturn, Self, TypeAlias, cast, get_args

import attrs

from . import endpoints
from .endpoints import MxpEndpoint, PstnEndpoint, SipEndpoint, check_e164
from .errors import InvalidRequest, warn
from .errors import shown as _shown

__all__ = [
    "Action",
    "Answer",
    "AnsweringMachineDetection",
    "ConferenceDtmfOptions",
    "ConnectConf",
    "ConnectMxp",
    "ConnectPstn",
    "ConnectSip",
    "ConnectStream",
    "Continue",
    "Hangup",
    "Instruction",
    "KeyValue",
    "Menu",
    "MenuOption",
    "Park",
    "PlayFiles",
    "Raw",
    "RecordingOptions",
    "ReportCallStatus",
    "RunMenu",
    "Say",
    "SendDtmf",
    "SetCookie",
    "StartRecording",
    "StopRecording",
    "StreamingOptions",
    "Svaml",
    "SvamlWarning",
    "TranscriptionOptions",
    "WebsocketEndpoint",
]

MusicOnHold: TypeAlias = Literal["ring", "music1", "music2", "music3"]
Transport: TypeAlias = Literal["UDP", "TCP", "TLS"]
ConferenceDtmfMode: TypeAlias = Literal["ignore", "forward", "detect"]
CallHeadersKey: TypeAlias = Literal["callheaders", "callHeaders"]

MUSIC_ON_HOLD = get_args(MusicOnHold)

#: Countries whose ringing and busy tones `ConnectPstn.indications` can ask for.
INDICATIONS = frozenset(
    "at au bg br be ch cl cn cz de dk ee es fi fr gr hu il in it lt jp mx my nl no nz ph pl pt "
    "ru se sg th uk us tw ve za".split()
)


class SvamlWarning(UserWarning):
    """A value beyond a limit that only an older page or client of the vendor knows."""


# --- the machinery ------------------------------------------------------------------------------


class _Node:
    """A JSON object of SVAML: attrs fields by their names in lowerCamelCase, None left out."""

    __slots__ = ()

    wire_name: ClassVar[str | None] = None  # the fixed `name` of an instruction or action

    def to_wire(self) -> dict[str, Any]:
        """The JSON that the API takes."""
        wire: dict[str, Any] = {} if self.wire_name is None else {"name": self.wire_name}
        for key, field in _fields(type(self)).items():
            value = getattr(self, field.name)
            if value is not None:
                wire[key] = _to_wire(value)
        return wire

    @classmethod
    def from_wire(cls, wire: object) -> Self:
        """Read the JSON that the API takes, without warnings: somebody else wrote it.

        Raises:
            InvalidRequest: a field is unknown, missing, or has a value that is refused.
        """
        label = cls.wire_name or cls.__name__
        if not isinstance(wire, Mapping):
            shown = type(wire).__name__ if isinstance(wire, str | bytes) else _shown(wire)
            raise InvalidRequest(f"{label} is {shown}", value=wire, remedy="give a JSON object")
        fields = _fields(cls)
        given: dict[str, Any] = {}
        for key, value in wire.items():
            if key == "name" and cls.wire_name is not None:
                if not isinstance(value, str) or value.casefold() != cls.wire_name.casefold():
                    raise InvalidRequest(parameter="name", value=value, remedy=f"give '{label}'")
                continue
            field = fields.get(key)
            if field is None:
                known = ", ".join(sorted(fields)) or "none"
                raise InvalidRequest(
                    f"{label} has no field {_shown(key)}", remedy=f"known are {known}"
                )
            read = field.metadata.get("read")
            given[field.name] = value if read is None or value is None else read(value)
        for key, field in fields.items():
            if field.default is attrs.NOTHING and field.name not in given:
                raise InvalidRequest(f"{label} lacks {key!r}, which is required", parameter=key)
        token = _reading.set(True)
        try:
            return cls(**given)
        finally:
            _reading.reset(token)


_reading: ContextVar[bool] = ContextVar("sinchvoice_reading", default=False)


_FIELDS: dict[type[_Node], dict[str, attrs.Attribute[Any]]] = {}


def _fields(kind: type[_Node]) -> dict[str, attrs.Attribute[Any]]:
    """The fields of a class that are sent, by their names on the wire."""
    if kind not in _FIELDS:
        fields = attrs.fields(cast("type[attrs.AttrsInstance]", kind))
        _FIELDS[kind] = {_camel(f.name): f for f in fields if f.metadata.get("sent", True)}
    return _FIELDS[kind]


def _camel(name: str) -> str:
    head, *tail = name.rstrip("_").split("_")
    return head + "".join(word.title() for word in tail)


def _to_wire(value: Any) -> Any:
    if isinstance(value, (str, int)):
        return value
    if isinstance(value, tuple):
        return [_to_wire(item) for item in value]
    to_wire = getattr(value, "to_wire", None)
    return value if to_wire is None else to_wire()


def _refuse(
    instance: object, attribute: attrs.Attribute[Any], value: object, remedy: str
) -> NoReturn:
    place = _place(instance, attribute)
    if not attribute.repr:
        raise InvalidRequest(
            f"{place} is a secret of the wrong kind", parameter=place, remedy=remedy
        )
    raise InvalidRequest(parameter=place, value=value, remedy=remedy)


def _place(instance: object, attribute: attrs.Attribute[Any]) -> str:
    return f"{type(instance).__name__}.{attribute.name}"


def _warn(problem: str) -> None:
    """Warn at the line that constructs the object, outside of this package."""
    if not _reading.get():
        warn(problem, SvamlWarning)


Check: TypeAlias = Callable[[Any, "attrs.Attribute[Any]", Any], None]


def _check(check: Check) -> Check:
    """A field whose default is None may be None, which means: not sent."""

    def optional(instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
        if value is not None or attribute.default is not None:
            check(instance, attribute, value)

    return optional


def _text(
    pattern: str = r"(?s).+", wanted: str = "give a text that is not empty", soft_limit: int = 0
) -> Check:
    def check(instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
        if not isinstance(value, str) or not re.fullmatch(pattern, value):
            _refuse(instance, attribute, value, wanted)
        elif not _is_unicode(value):
            _refuse(instance, attribute, value, "it is not valid Unicode")
        elif soft_limit and len(value) > soft_limit:
            _warn(f"{_place(instance, attribute)} is longer than {soft_limit} characters")

    return _check(check)


def _integer(minimum: int = 1, maximum: int | None = None, soft: range | None = None) -> Check:
    def check(instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
        if type(value) is not int or value < minimum or (maximum and value > maximum):
            limits = f"from {minimum} to {maximum}" if maximum else f"{minimum} or more"
            _refuse(instance, attribute, value, f"give a whole number, {limits}")
        elif soft is not None and value not in soft:
            _warn(f"{_place(instance, attribute)} is not from {soft[0]} to {soft[-1]}")

    return _check(check)


def _choice(values: Iterable[str]) -> Check:
    choices = sorted(values)

    def check(instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
        if value not in choices:
            _refuse(instance, attribute, value, f"give one of {', '.join(choices)}")

    return _check(check)


def _instance(*kinds: type) -> Check:
    names = _names(kinds, " or ")

    def check(instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
        if not isinstance(value, kinds):
            _refuse(instance, attribute, value, f"give {names}")

    return _check(check)


def _tuple_of(*kinds: type, at_least_one: bool = False) -> Check:
    names = _names(kinds, ", ")

    def check(instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
        if not isinstance(value, tuple) or not all(isinstance(item, kinds) for item in value):
            _refuse(instance, attribute, value, f"give a list of {names}")
        elif at_least_one and not value:
            _refuse(instance, attribute, value, "give at least one")

    return _check(check)


def _names(kinds: Iterable[type], separator: str) -> str:
    return separator.join(
        "Raw (for JSON)" if kind.__name__ == "Raw" else kind.__name__ for kind in kinds
    )


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _as_tuple(value: Any) -> Any:
    """A tuple of any iterable but text, which is more likely a mistake."""
    if isinstance(value, Iterable) and not isinstance(value, str | bytes | Mapping):
        return tuple(value)
    return value


def _texts(value: Iterable[str]) -> tuple[str, ...]:
    return cast("tuple[str, ...]", _as_tuple(value))


Pairs: TypeAlias = Mapping[str, str] | Iterable["KeyValue | tuple[str, str]"]


def _pairs(value: Pairs | None) -> tuple[KeyValue, ...] | None:
    """`KeyValue`s from a mapping, from pairs, or from themselves."""
    pairs = _as_tuple(value.items() if isinstance(value, Mapping) else value)
    if isinstance(pairs, tuple):
        pairs = tuple(
            KeyValue(*pair) if isinstance(pair, tuple) and len(pair) == 2 else pair
            for pair in pairs
        )
    return cast("tuple[KeyValue, ...] | None", pairs)


def _many(read: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Read each item of a JSON array; anything else is left for the check to refuse."""
    return lambda wire: tuple(map(read, wire)) if isinstance(wire, list) else wire


def _phone_number(instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    check_e164(_place(instance, attribute), value)


def _caller_id(instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    if value != "private":
        _phone_number(instance, attribute, value)


def _number_text(value: str | PstnEndpoint | None) -> str | None:
    return value.number if isinstance(value, PstnEndpoint) else value


def _destination(kind: type[MxpEndpoint | SipEndpoint]) -> Callable[[object], object]:
    """Reader of a destination; what is none is left for the check to refuse."""

    def read(wire: object) -> object:
        received = endpoints.read(wire)
        match received:
            case MxpEndpoint(text) | SipEndpoint(text) if isinstance(received, kind):
                return kind(text)
            case endpoints.OtherEndpoint(None, str(text)):
                return kind(text)
        return wire if received is None else received

    return read


_DTMF = (r"[0-9#w]+", "use 0-9, # and w (a pause of half a second); Raw sends anything else")
_text_field = _text()
_flag = _instance(bool)
_HEADERS_LIMIT = 1024


def _headers(instance: object, attribute: attrs.Attribute[Any], value: Any) -> None:
    _tuple_of(KeyValue)(instance, attribute, value)
    size = sum(len(pair.key.encode()) + len(pair.value.encode()) for pair in value)
    if size > _HEADERS_LIMIT:
        place = _place(instance, attribute)
        raise InvalidRequest(
            f"{place} has {size} bytes",
            parameter=place,
            remedy=f"all keys and values together may have {_HEADERS_LIMIT}",
        )


# --- parts --------------------------------------------------------------------------------------


@attrs.frozen
class KeyValue(_Node):
    """A header of a call, or a tag.

    Attributes:
        key: its name.
        value: its value, which may be empty.
    """

    key: str = attrs.field(validator=_text_field)
    value: str = attrs.field(validator=_text(r"(?s).*", "give a text"))


@attrs.frozen(kw_only=True)
class TranscriptionOptions(_Node):
    """Whether and how a recording is transcribed.

    Attributes:
        enabled: transcribe it.
        locale: language that is spoken, for example `en-US`.
    """

    enabled: bool | None = attrs.field(default=None, validator=_flag)
    locale: str | None = attrs.field(default=None, validator=_text_field)


@attrs.frozen(kw_only=True)
class RecordingOptions(_Node):
    """Where a recording goes.

    Attributes:
        destination_url: `s3://bucket/folder/file` or `azure://account/container/file`.
        credentials: for that storage: `key:secret:region` for S3, the access key for Azure. Left
            out of `repr`.
        format: file format; the server's default is `mp3`.
        notification_events: report on the recording through callbacks; the server's default is
            true.
        transcription_options: whether to transcribe it.
    """

    destination_url: str | None = attrs.field(default=None, validator=_text_field)
    credentials: str | None = attrs.field(default=None, validator=_text_field, repr=False)
    format: str | None = attrs.field(default=None, validator=_text_field)
    notification_events: bool | None = attrs.field(default=None, validator=_flag)
    transcription_options: TranscriptionOptions | None = attrs.field(
        default=None,
        validator=_instance(TranscriptionOptions),
        metadata={"read": TranscriptionOptions.from_wire},
    )


@attrs.frozen(kw_only=True)
class AnsweringMachineDetection(_Node):
    """Whether to find out if a machine answers.

    Attributes:
        enabled: detect it.
        async_: detect it while the call goes on.
    """

    enabled: bool | None = attrs.field(default=None, validator=_flag)
    async_: bool | None = attrs.field(default=None, validator=_flag)


@attrs.frozen(kw_only=True)
class ConferenceDtmfOptions(_Node):
    """What becomes of the keys that a participant presses.

    Attributes:
        mode: `ignore` (the server's default), `forward` to the others, or `detect`.
        max_digits: digits to collect in mode `detect`; the server's default is 1.
        timeout_mills: milliseconds to wait for the next digit; the server's default is 3000.
    """

    mode: ConferenceDtmfMode | None = attrs.field(
        default=None, validator=_choice(("ignore", "forward", "detect"))
    )
    max_digits: int | None = attrs.field(default=None, validator=_integer())
    timeout_mills: int | None = attrs.field(default=None, validator=_integer())


@attrs.frozen(kw_only=True)
class StreamingOptions(_Node):
    """How audio is streamed.

    Attributes:
        version: of the streaming protocol.
        sample_rate: in hertz.
    """

    version: int | None = attrs.field(default=None, validator=_integer())
    sample_rate: int | None = attrs.field(default=None, validator=_integer())


def _digit_text(value: str | int) -> str:
    return str(value) if type(value) is int else cast("str", value)


@attrs.frozen
class MenuOption(_Node):
    """What a key does.

    Attributes:
        dtmf: the key: 0-9, `*` or `#`. A number becomes text.
        action: `menu(id)` goes to a menu, `return(value)` ends the menus and reports the value.
    """

    dtmf: str = attrs.field(
        converter=_digit_text, validator=_text(r"[0-9*#]+", "give digits, * or #")
    )
    action: str = attrs.field(
        validator=_text(r"(menu|return) ?\(.+\)", "write 'menu(id)' or 'return(value)'")
    )


def _options(value: Iterable[MenuOption] | None) -> tuple[MenuOption, ...] | None:
    return cast("tuple[MenuOption, ...] | None", _as_tuple(value))


@attrs.frozen
class Menu(_Node):
    """A voice menu.

    Attributes:
        id: how `menu(id)` refers to it. One of the menus must be `main`.
        main_prompt: prompts, separated by semicolons, that are played first.
        repeat_prompt: prompts that are played when the menu is repeated.
        repeats: how often it is repeated without input.
        max_digits: digits after which the input is complete.
        timeout_mills: milliseconds to wait for a digit; the server's default is 5000.
        max_timeout_mills: milliseconds to wait for all of them, or for speech; the server's
            default is 20000.
        options: what the keys do.
    """

    id: str = attrs.field(validator=_text(soft_limit=64))
    main_prompt: str | None = attrs.field(default=None, validator=_text_field, kw_only=True)
    repeat_prompt: str | None = attrs.field(default=None, validator=_text_field, kw_only=True)
    repeats: int | None = attrs.field(default=None, validator=_integer(0), kw_only=True)
    max_digits: int | None = attrs.field(default=None, validator=_integer(), kw_only=True)
    timeout_mills: int | None = attrs.field(
        default=None, validator=_integer(soft=range(1000, 30001)), kw_only=True
    )
    max_timeout_mills: int | None = attrs.field(default=None, validator=_integer(), kw_only=True)
    options: tuple[MenuOption, ...] | None = attrs.field(
        default=None,
        converter=_options,
        validator=_tuple_of(MenuOption),
        metadata={"read": _many(MenuOption.from_wire)},
        kw_only=True,
    )


def _json_copy(value: Mapping[str, Any]) -> dict[str, Any]:
    try:
        plain = dict(value) if isinstance(value, Mapping) else value
        copy = json.loads(json.dumps(plain, ensure_ascii=False, allow_nan=False).encode())
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidRequest(f"Raw {_shown(value)} is not JSON: {error}") from None
    if not isinstance(copy, dict) or not isinstance(copy.get("name"), str) or not copy["name"]:
        raise InvalidRequest(
            f"Raw {_shown(value)}", value=value, remedy="give a JSON object with a 'name'"
        )
    return copy


@attrs.frozen
class Raw:
    """An instruction or action as plain JSON, for what this version does not know.

    Attributes:
        value: a JSON object with a `name`. It is copied, and sent as it is.

    Raises:
        InvalidRequest: it is no JSON object, or has no name.
    """

    value: Mapping[str, Any] = attrs.field(converter=_json_copy, repr=_shown)

    def to_wire(self) -> dict[str, Any]:
        """The JSON as it was given."""
        return deepcopy(dict(self.value))


# --- instructions -------------------------------------------------------------------------------


@attrs.frozen
class Answer(_Node):
    """Answer an incoming call now, which starts its billing; for use before `PlayFiles`."""

    wire_name = "answer"


def _file_ids(instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    if not isinstance(value, tuple):
        _refuse(instance, attribute, value, "give a list of str, also for a single one")
    if not value:
        _refuse(instance, attribute, value, "give at least one")
    place = _place(instance, attribute)
    for file_id in value:
        if not isinstance(file_id, str):
            remedy = "give each id as a text"
            if isinstance(file_id, Iterable) and not isinstance(file_id, bytes):
                remedy += " of its own; a star unpacks a list, like play(call, *ids)"
        elif not file_id:
            remedy = "give ids that are not empty"
        elif not _is_unicode(file_id):
            remedy = "it is not valid Unicode: check where it comes from"
        else:
            continue
        raise InvalidRequest(
            f"{place} has {_shown(file_id)}", parameter=place, value=file_id, remedy=remedy
        )


@attrs.frozen
class PlayFiles(_Node):
    """Play files or prompts, one after the other.

    Attributes:
        ids: ids of stored files, URLs, or prompts: `#tts[…]`, `#ssml[…]`, `#href[url]`.
        locale: language or voice of the text-to-speech in them, for example `en-US`.
    """

    wire_name = "playFiles"

    ids: tuple[str, ...] = attrs.field(converter=_texts, validator=_file_ids)
    locale: str | None = attrs.field(default=None, validator=_text_field, kw_only=True)


@attrs.frozen
class Say(_Node):
    """Say a text.

    Attributes:
        text: what to say. Accounts begin with a limit of 600 characters, which the vendor's
            support can raise: a longer text gives a SvamlWarning.
        locale: language or voice, for example `en-US`.
    """

    wire_name = "say"

    text: str = attrs.field(validator=_text(soft_limit=600))
    locale: str | None = attrs.field(default=None, validator=_text_field, kw_only=True)


@attrs.frozen
class SendDtmf(_Node):
    """Send key tones.

    Attributes:
        value: keys 0-9 and `#`; `w` pauses for half a second.
    """

    wire_name = "sendDtmf"

    value: str = attrs.field(validator=_text(*_DTMF))


@attrs.frozen
class SetCookie(_Node):
    """Keep a value with the call; later callback events bring it back.

    Attributes:
        key: its name.
        value: its value. All cookies of a call may have 1024 bytes together, says an older page.
    """

    wire_name = "setCookie"

    key: str = attrs.field(validator=_text_field)
    value: str = attrs.field(validator=_text(r"(?s).*", "give a text"))


@attrs.frozen
class StartRecording(_Node):
    """Record the call from here on. Does not work on calls connected with `ConnectMxp`.

    Attributes:
        options: where the recording goes.
    """

    wire_name = "startRecording"

    options: RecordingOptions | None = attrs.field(
        default=None,
        validator=_instance(RecordingOptions),
        metadata={"read": RecordingOptions.from_wire},
    )


@attrs.frozen
class StopRecording(_Node):
    """Stop recording."""

    wire_name = "stopRecording"


@attrs.frozen
class ReportCallStatus(_Node):
    """Say how a call went, for its call detail record; only in the answer to a DiCE callback.

    Attributes:
        value: `success` or `failure`.
        details: at most 64 characters.

    Source: the older SVAML page only.
    """

    wire_name = "reportCallStatus"

    value: str = attrs.field(validator=_text(r"(?i)success|failure", "give 'success' or 'failure'"))
    details: str | None = attrs.field(default=None, validator=_text(soft_limit=64))


# --- actions ------------------------------------------------------------------------------------

_MAX_CALL_SECONDS = 14400
_duration = _integer(maximum=_MAX_CALL_SECONDS)


@attrs.frozen
class Hangup(_Node):
    """End the call."""

    wire_name = "hangup"


def _without_transcription(
    instance: object, attribute: attrs.Attribute[Any], value: RecordingOptions | None
) -> None:
    _instance(RecordingOptions)(instance, attribute, value)
    if value is not None and value.transcription_options is not None:
        place = _place(instance, attribute)
        raise InvalidRequest(
            f"{place} has transcription_options, which only StartRecording knows",
            parameter=place,
            remedy="leave them out",
        )


@attrs.frozen(kw_only=True)
class Continue(_Node):
    """Let the call go on as it is.

    Attributes:
        record: record it from here on; an older page only.
        recording_options: where that recording goes; an older page only.
    """

    wire_name = "continue"

    record: bool | None = attrs.field(default=None, validator=_flag)
    recording_options: RecordingOptions | None = attrs.field(
        default=None,
        validator=_without_transcription,
        metadata={"read": RecordingOptions.from_wire},
    )


@attrs.frozen(kw_only=True)
class ConnectPstn(_Node):
    """Connect the call to a phone number.

    Attributes:
        number: E.164, or a PstnEndpoint; without it, the number that was dialled.
        locale: of the prompts that the caller hears; the server's default is `en-US`.
        max_duration: seconds, at most 14400.
        dial_timeout: seconds to let it ring.
        cli: number to show, or `private`.
        suppress_callbacks: send no ACE and DiCE callbacks for this call.
        dtmf: keys to press once connected: 0-9 and `#`; `w` pauses for half a second.
        indications: country, as two letters, whose tones the caller hears.
        amd: whether to detect an answering machine.
        tags: for the call detail record, as a mapping or as pairs; an older page only.
    """

    wire_name = "connectPstn"

    number: str | None = attrs.field(
        default=None, converter=_number_text, validator=_check(_phone_number)
    )
    locale: str | None = attrs.field(default=None, validator=_text_field)
    max_duration: int | None = attrs.field(default=None, validator=_duration)
    dial_timeout: int | None = attrs.field(default=None, validator=_integer())
    cli: str | None = attrs.field(
        default=None, converter=_number_text, validator=_check(_caller_id)
    )
    suppress_callbacks: bool | None = attrs.field(default=None, validator=_flag)
    dtmf: str | None = attrs.field(default=None, validator=_text(*_DTMF))
    indications: str | None = attrs.field(default=None, validator=_choice(INDICATIONS))
    amd: AnsweringMachineDetection | None = attrs.field(
        default=None,
        validator=_instance(AnsweringMachineDetection),
        metadata={"read": AnsweringMachineDetection.from_wire},
    )
    tags: tuple[KeyValue, ...] | None = attrs.field(
        default=None,
        converter=_pairs,
        validator=_tuple_of(KeyValue),
        metadata={"read": _many(KeyValue.from_wire)},
    )

    def __attrs_post_init__(self) -> None:
        for text in (text for tag in self.tags or () for text in (tag.key, tag.value)):
            if len(text) > 32 or not text.isascii():
                _warn(f"ConnectPstn.tags has {text!r}: an older page allows 32 ASCII characters")
                break


@attrs.frozen(kw_only=True)
class ConnectMxp(_Node):
    """Connect the call to an app user.

    Attributes:
        destination: the user; without it, the user that was dialled.
        call_headers: headers that the app receives, as a mapping or as pairs; at most 1024 bytes.
        call_headers_key: how the field is spelled. The published schema has `callheaders`, the
            examples beside it have `callHeaders`; nobody says which one the server reads.
    """

    wire_name = "connectMxp"

    destination: MxpEndpoint | None = attrs.field(
        default=None,
        validator=_instance(MxpEndpoint),
        metadata={"read": _destination(MxpEndpoint)},
    )
    call_headers: tuple[KeyValue, ...] | None = attrs.field(
        default=None,
        converter=_pairs,
        validator=_check(_headers),
        metadata={"read": _many(KeyValue.from_wire)},
    )
    call_headers_key: CallHeadersKey = attrs.field(
        default="callheaders",
        validator=_choice(("callheaders", "callHeaders")),
        metadata={"sent": False},
    )

    def to_wire(self) -> dict[str, Any]:
        """The JSON that the API takes."""
        wire = super().to_wire()
        if "callHeaders" in wire:
            wire[self.call_headers_key] = wire.pop("callHeaders")
        return wire

    @classmethod
    def from_wire(cls, wire: object) -> Self:
        """Read the JSON that the API takes, in either spelling."""
        if not isinstance(wire, Mapping) or "callHeaders" not in wire:
            renamed = {"callheaders": "callHeaders"}
            if isinstance(wire, Mapping):
                wire = {renamed.get(key, key): value for key, value in wire.items()}
            return super().from_wire(wire)
        return attrs.evolve(super().from_wire(wire), call_headers_key="callHeaders")


@attrs.frozen(kw_only=True)
class ConnectConf(_Node):
    """Put the call into a conference.

    Attributes:
        conference_id: any text; everybody who gives the same one meets. More than 64 characters
            give a SvamlWarning.
        conference_dtmf_options: what becomes of the keys that are pressed.
        moh: music while nobody else is there: `ring`, `music1`, `music2`, `music3`.
        record: record the conference; an older page only.
        recording_options: where that recording goes; an older page only.
    """

    wire_name = "connectConf"

    conference_id: str = attrs.field(validator=_text(soft_limit=64), kw_only=False)
    conference_dtmf_options: ConferenceDtmfOptions | None = attrs.field(
        default=None,
        validator=_instance(ConferenceDtmfOptions),
        metadata={"read": ConferenceDtmfOptions.from_wire},
    )
    moh: MusicOnHold | None = attrs.field(default=None, validator=_choice(MUSIC_ON_HOLD))
    record: bool | None = attrs.field(default=None, validator=_flag)
    recording_options: RecordingOptions | None = attrs.field(
        default=None,
        validator=_without_transcription,
        metadata={"read": RecordingOptions.from_wire},
    )


def _upper(value: str | None) -> Transport | None:
    return cast("Transport", value.upper()) if isinstance(value, str) else value


@attrs.frozen(kw_only=True)
class ConnectSip(_Node):
    """Connect the call to a SIP address.

    Attributes:
        destination: the address.
        max_duration: seconds, at most 14400.
        cli: number to show, or `private`.
        transport: `UDP` (the server's default), `TCP` or `TLS`; any case.
        suppress_callbacks: send no ACE and DiCE callbacks for this call.
        call_headers: private SIP headers, as a mapping or as pairs.
        moh: music while the call is on hold: `ring`, `music1`, `music2`, `music3`.
    """

    wire_name = "connectSip"

    destination: SipEndpoint = attrs.field(
        validator=_instance(SipEndpoint),
        metadata={"read": _destination(SipEndpoint)},
        kw_only=False,
    )
    max_duration: int | None = attrs.field(default=None, validator=_duration)
    cli: str | None = attrs.field(
        default=None, converter=_number_text, validator=_check(_caller_id)
    )
    transport: Transport | None = attrs.field(
        default=None, converter=_upper, validator=_choice(("UDP", "TCP", "TLS"))
    )
    suppress_callbacks: bool | None = attrs.field(default=None, validator=_flag)
    call_headers: tuple[KeyValue, ...] | None = attrs.field(
        default=None,
        converter=_pairs,
        validator=_tuple_of(KeyValue),
        metadata={"read": _many(KeyValue.from_wire)},
    )
    moh: MusicOnHold | None = attrs.field(default=None, validator=_choice(MUSIC_ON_HOLD))


@attrs.frozen
class WebsocketEndpoint(_Node):
    """Where `ConnectStream` sends the audio.

    Attributes:
        endpoint: a `wss://` URL.
    """

    endpoint: str = attrs.field(validator=_text(r"wss://[^\s\x00-\x1f\x7f]+", "give a wss:// URL"))

    def to_wire(self) -> dict[str, Any]:
        """The JSON that the API takes."""
        return {"type": "Websocket", "endpoint": self.endpoint}

    @classmethod
    def from_wire(cls, wire: object) -> Self:
        """Read the JSON that the API takes."""
        if isinstance(wire, Mapping):
            kind = wire.get("type", "Websocket")
            if not isinstance(kind, str) or kind.casefold() != "websocket":
                raise InvalidRequest(
                    f"destination is of type {_shown(kind)}",
                    parameter="destination",
                    value=kind,
                    remedy="give 'Websocket'",
                )
            wire = {key: value for key, value in wire.items() if key != "type"}
        return super().from_wire(wire)


@attrs.frozen(kw_only=True)
class ConnectStream(_Node):
    """Connect the audio of the call to a WebSocket server; the vendor calls it a closed beta.

    Attributes:
        destination: the server.
        streaming_options: how the audio is streamed.
        max_duration: seconds, at most 14400.
        call_headers: headers that the server receives, as a mapping or as pairs.
    """

    wire_name = "connectStream"

    destination: WebsocketEndpoint = attrs.field(
        validator=_instance(WebsocketEndpoint),
        metadata={"read": WebsocketEndpoint.from_wire},
        kw_only=False,
    )
    streaming_options: StreamingOptions | None = attrs.field(
        default=None,
        validator=_instance(StreamingOptions),
        metadata={"read": StreamingOptions.from_wire},
    )
    max_duration: int | None = attrs.field(default=None, validator=_duration)
    call_headers: tuple[KeyValue, ...] | None = attrs.field(
        default=None,
        converter=_pairs,
        validator=_tuple_of(KeyValue),
        metadata={"read": _many(KeyValue.from_wire)},
    )


def _menus(value: Iterable[Menu] | None) -> tuple[Menu, ...] | None:
    return cast("tuple[Menu, ...] | None", _as_tuple(value))


@attrs.frozen(kw_only=True)
class RunMenu(_Node):
    """Offer voice menus.

    Attributes:
        menus: the menus; one of them is `main`.
        main_menu: id of the menu to begin with.
        barge: whether keys interrupt the prompts; the server's default is true.
        locale: language of the prompts; required with `enable_voice`.
        enable_voice: whether the caller can speak the choice.
    """

    wire_name = "runMenu"

    menus: tuple[Menu, ...] | None = attrs.field(
        default=None,
        converter=_menus,
        validator=_tuple_of(Menu, at_least_one=True),
        metadata={"read": _many(Menu.from_wire)},
        kw_only=False,
    )
    main_menu: str | None = attrs.field(default=None, validator=_text_field)
    barge: bool | None = attrs.field(default=None, validator=_flag)
    locale: str | None = attrs.field(default=None, validator=_text_field)
    enable_voice: bool | None = attrs.field(default=None, validator=_flag)

    def __attrs_post_init__(self) -> None:
        if self.enable_voice and self.locale is None:
            raise InvalidRequest(
                "RunMenu.locale is missing",
                parameter="RunMenu.locale",
                remedy="enable_voice needs it",
            )
        if self.menus is None:
            return
        ids = [menu.id for menu in self.menus]
        listed = ", ".join(map(repr, ids))
        if "main" not in ids:
            raise InvalidRequest(f"RunMenu.menus has {listed}", remedy="one of them must be 'main'")
        if len(set(ids)) < len(ids):
            raise InvalidRequest(f"RunMenu.menus has {listed}", remedy="give each an id of its own")
        targets = [
            match[1]
            for menu in self.menus
            for option in menu.options or ()
            if (match := re.fullmatch(r"menu ?\((.+)\)", option.action))
        ]
        if self.main_menu is not None:
            targets.append(self.main_menu)
        for target in targets:
            if target not in ids:
                raise InvalidRequest(
                    f"RunMenu goes to menu {target!r}", remedy=f"there are {listed} only"
                )


@attrs.frozen(kw_only=True)
class Park(_Node):
    """Park the call until it is taken on with another action.

    Attributes:
        locale: language of the prompts.
        intro_prompt: prompts that are played once.
        hold_prompt: prompts that are played again and again.
        max_duration: seconds; more than 600, the limit of an older page, give a SvamlWarning.
    """

    wire_name = "park"

    locale: str | None = attrs.field(default=None, validator=_text_field)
    intro_prompt: str | None = attrs.field(default=None, validator=_text_field)
    hold_prompt: str | None = attrs.field(default=None, validator=_text_field)
    max_duration: int | None = attrs.field(default=None, validator=_integer(soft=range(1, 601)))


# --- the whole ----------------------------------------------------------------------------------

Instruction: TypeAlias = (
    Answer
    | PlayFiles
    | Say
    | SendDtmf
    | SetCookie
    | StartRecording
    | StopRecording
    | ReportCallStatus
    | Raw
)
Action: TypeAlias = (
    Hangup
    | Continue
    | ConnectPstn
    | ConnectMxp
    | ConnectConf
    | ConnectSip
    | ConnectStream
    | RunMenu
    | Park
    | Raw
)

_INSTRUCTIONS: dict[str, type[_Node]] = {
    str(kind.wire_name).casefold(): kind
    for kind in get_args(Instruction)
    if issubclass(kind, _Node)
}
_ACTIONS: dict[str, type[_Node]] = {
    str(kind.wire_name).casefold(): kind for kind in get_args(Action) if issubclass(kind, _Node)
}


def _read_named(kinds: Mapping[str, type[_Node]]) -> Callable[[object], Any]:
    """Reader of an instruction or action: the name decides, in any case; unknown ones stay raw."""

    def read(wire: object) -> Any:
        name = wire.get("name") if isinstance(wire, Mapping) else None
        kind = kinds.get(name.casefold()) if isinstance(name, str) else None
        return kind.from_wire(wire) if kind else Raw(cast("Mapping[str, Any]", wire))

    return read


def _instructions(value: Iterable[Instruction] | None) -> tuple[Instruction, ...] | None:
    instructions = _as_tuple(value)
    return None if instructions == () else cast("tuple[Instruction, ...]", instructions)


@attrs.frozen
class Svaml(_Node):
    """Instructions and an action for a call; at least one of them.

    Attributes:
        instructions: carried out in order.
        action: carried out after them.

    Raises:
        InvalidRequest: both are missing, or something in them is refused.
    """

    instructions: tuple[Instruction, ...] | None = attrs.field(
        default=None,
        converter=_instructions,
        validator=_tuple_of(*get_args(Instruction)),
        metadata={"read": _many(_read_named(_INSTRUCTIONS))},
    )
    action: Action | None = attrs.field(
        default=None,
        validator=_instance(*get_args(Action)),
        metadata={"read": _read_named(_ACTIONS)},
    )

    def __attrs_post_init__(self) -> None:
        if not self.instructions and self.action is None:
            raise InvalidRequest("Svaml is empty", remedy="give instructions, an action, or both")
        cookies = [item for item in self.instructions or () if isinstance(item, SetCookie)]
        if not cookies:
            return
        size = sum(len(cookie.key.encode()) + len(cookie.value.encode()) for cookie in cookies)
        if size > 1024:
            _warn(f"Svaml sets cookies of {size} bytes: an older page limits them to 1024 per call")
