"""SVAML: instructions and an action that control a call.

    Svaml(instructions=[Say("Goodbye", locale="en-US")], action=Hangup())

The platform carries out the instructions in order, then the action, if there is one. The classes
enforce the limits of the vendor's current documentation, and warn about limits that only an older
page or client has. `Raw({"name": …})` sends instructions and actions that have no class yet.

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

#: Countries whose ringing and busy tones `ConnectPstn.indications` can select.
INDICATIONS = frozenset(
    "at au bg br be ch cl cn cz de dk ee es fi fr gr hu il in it lt jp mx my nl no nz ph pl pt "
    "ru se sg th uk us tw ve za".split()
)


class SvamlWarning(UserWarning):
    """A value exceeds a limit that only an older page or client of the vendor has."""


# --- Conversion and checks -----------------------------------------------------------------------


class _Node:
    """A JSON object of SVAML: its attrs fields in lowerCamelCase, without None."""

    __slots__ = ()

    wire_name: ClassVar[str | None] = None  # the fixed `name` of an instruction or action

    def to_wire(self) -> dict[str, Any]:
        """Return the JSON for the API."""
        wire: dict[str, Any] = {} if self.wire_name is None else {"name": self.wire_name}
        for key, field in _FIELDS[type(self)].items():
            value = getattr(self, field.name)
            if isinstance(value, tuple):
                wire[key] = [item if isinstance(item, str) else item.to_wire() for item in value]
            elif value is not None:
                wire[key] = value if isinstance(value, (str, int)) else value.to_wire()
        return wire

    @classmethod
    def from_wire(cls, wire: object) -> Self:
        """Read the API's JSON, without warnings, because the caller did not write it.

        Raises:
            InvalidRequest: A field is unknown, missing or wrong.
        """
        label = cls.wire_name or cls.__name__
        if not isinstance(wire, Mapping):
            shown = type(wire).__name__ if isinstance(wire, str | bytes) else _shown(wire)
            raise InvalidRequest(f"{label} is {shown}", value=wire, remedy="give a JSON object")
        fields = _FIELDS[cls]
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
                raise InvalidRequest(f"{label} lacks the required field {key!r}", parameter=key)
        token = _reading.set(True)
        try:
            return cls(**given)
        finally:
            _reading.reset(token)


_reading: ContextVar[bool] = ContextVar("sinchvoice_reading", default=False)


class _Fields(dict[type[_Node], dict[str, "attrs.Attribute[Any]"]]):
    """The fields of each class for the API, by their names in JSON; made when first needed."""

    def __missing__(self, kind: type[_Node]) -> dict[str, attrs.Attribute[Any]]:
        fields = attrs.fields(cast("type[attrs.AttrsInstance]", kind))
        self[kind] = {_camel(f.name): f for f in fields if f.metadata.get("sent", True)}
        return self[kind]


_FIELDS = _Fields()


def _camel(name: str) -> str:
    head, *tail = name.rstrip("_").split("_")
    return head + "".join(word.title() for word in tail)


def _refuse(
    instance: object, attribute: attrs.Attribute[Any], value: object, remedy: str
) -> NoReturn:
    place = _place(instance, attribute)
    if not attribute.repr:
        raise InvalidRequest(
            f"{place} (a secret, not shown) is wrong", parameter=place, remedy=remedy
        )
    raise InvalidRequest(parameter=place, value=value, remedy=remedy)


def _place(instance: object, attribute: attrs.Attribute[Any]) -> str:
    return f"{type(instance).__name__}.{attribute.name}"


def _warn(problem: str) -> None:
    """Warn at the line that constructs the object, outside this package."""
    if not _reading.get():
        warn(problem, SvamlWarning)


Check: TypeAlias = Callable[[Any, "attrs.Attribute[Any]", Any], None]


def _is_unset(attribute: attrs.Attribute[Any], value: object) -> bool:
    """Return whether a field has its default None, for "not sent"."""
    return value is None and attribute.default is None


def _check(check: Check) -> Check:
    """Let None, for "not sent", pass the check of a field whose default is None."""

    def optional(instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
        if not _is_unset(attribute, value):
            check(instance, attribute, value)

    return optional


def _text(pattern: str = "", wanted: str = "give a non-empty text", soft_limit: int = 0) -> Check:
    fits: Callable[[str], object] = re.compile(pattern).fullmatch if pattern else bool

    def check(instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
        if not isinstance(value, str) or not fits(value):
            if not _is_unset(attribute, value):
                _refuse(instance, attribute, value, wanted)
        elif not value.isascii() and not _is_unicode(value):
            _refuse(instance, attribute, value, "it is not valid Unicode: check its source")
        elif soft_limit and len(value) > soft_limit:
            _warn(f"{_place(instance, attribute)} is longer than {soft_limit} characters")

    return check


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
        if not isinstance(value, kinds) and not _is_unset(attribute, value):
            _refuse(instance, attribute, value, f"give {names}")

    return check


def _tuple_of(*kinds: type, at_least_one: bool = False) -> Check:
    names = _names(kinds, ", ")

    def is_one(item: object) -> bool:
        return isinstance(item, kinds)

    def check(instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
        if not isinstance(value, tuple) or not all(map(is_one, value)):
            if not _is_unset(attribute, value):
                _refuse(instance, attribute, value, f"give a list of {names}")
        elif at_least_one and not value:
            _refuse(instance, attribute, value, "give at least one")

    return check


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
    """Make a tuple of any iterable except text, which is probably a mistake."""
    if isinstance(value, (list, tuple)):  # the usual ones: asking an ABC takes ten times as long
        return tuple(value)
    if isinstance(value, Iterable) and not isinstance(value, (str, bytes, Mapping)):
        return tuple(value)
    return value


def _texts(value: Iterable[str]) -> tuple[str, ...]:
    return cast("tuple[str, ...]", _as_tuple(value))


Pairs: TypeAlias = Mapping[str, str] | Iterable["KeyValue | tuple[str, str]"]


def _pairs(value: Pairs | None) -> tuple[KeyValue, ...] | None:
    """Make `KeyValue`s of a mapping, of pairs, or of `KeyValue`s."""
    pairs = _as_tuple(value.items() if isinstance(value, Mapping) else value)
    if isinstance(pairs, tuple):
        pairs = tuple(
            KeyValue(*pair) if isinstance(pair, tuple) and len(pair) == 2 else pair
            for pair in pairs
        )
    return cast("tuple[KeyValue, ...] | None", pairs)


def _many(read: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Read each item of a JSON array; the check refuses anything else."""
    return lambda wire: tuple(map(read, wire)) if isinstance(wire, list) else wire


def _phone_number(instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    check_e164(_place(instance, attribute), value)


def _caller_id(instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    if value != "private":
        _phone_number(instance, attribute, value)


def _number_text(value: str | PstnEndpoint | None) -> str | None:
    return value.number if isinstance(value, PstnEndpoint) else value


def _destination(kind: type[MxpEndpoint | SipEndpoint]) -> Callable[[object], object]:
    """Return a reader of destinations; the check refuses other values."""

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
            remedy=f"give at most {_HEADERS_LIMIT} for all keys and values together",
        )


# --- Parts of instructions and actions -----------------------------------------------------------


@attrs.frozen
class KeyValue(_Node):
    """A header or tag of a call.

    Attributes:
        key: The name.
        value: The value, possibly empty.
    """

    key: str = attrs.field(validator=_text_field)
    value: str = attrs.field(validator=_text(r"(?s).*", "give a text"))


@attrs.frozen(kw_only=True)
class TranscriptionOptions(_Node):
    """Options for the transcription of a recording.

    Attributes:
        enabled: Whether to transcribe the recording.
        locale: Spoken language, for example `en-US`.
    """

    enabled: bool | None = attrs.field(default=None, validator=_flag)
    locale: str | None = attrs.field(default=None, validator=_text_field)


@attrs.frozen(kw_only=True)
class RecordingOptions(_Node):
    """Options for a recording.

    Attributes:
        destination_url: `s3://bucket/folder/file` or `azure://account/container/file`.
        credentials: Credentials for the storage: `key:secret:region` for S3, the access key for
            Azure. Not part of `repr`.
        format: File format; the server's default is `mp3`.
        notification_events: Whether callbacks report on the recording; the server's default is
            true.
        transcription_options: Options for a transcription.
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
    """Options for answering machine detection.

    Attributes:
        enabled: Whether to detect answering machines.
        async_: Whether to detect them while the call continues.
    """

    enabled: bool | None = attrs.field(default=None, validator=_flag)
    async_: bool | None = attrs.field(default=None, validator=_flag)


@attrs.frozen(kw_only=True)
class ConferenceDtmfOptions(_Node):
    """How a conference handles a participant's key presses.

    Attributes:
        mode: `ignore` (the server's default), `forward` to the others, or `detect`.
        max_digits: Digits to collect in mode `detect`; the server's default is 1.
        timeout_mills: Milliseconds to wait for the next digit; the server's default is 3000.
    """

    mode: ConferenceDtmfMode | None = attrs.field(
        default=None, validator=_choice(("ignore", "forward", "detect"))
    )
    max_digits: int | None = attrs.field(default=None, validator=_integer())
    timeout_mills: int | None = attrs.field(default=None, validator=_integer())


@attrs.frozen(kw_only=True)
class StreamingOptions(_Node):
    """Options for streaming audio.

    Attributes:
        version: Version of the streaming protocol.
        sample_rate: Sample rate in hertz.
    """

    version: int | None = attrs.field(default=None, validator=_integer())
    sample_rate: int | None = attrs.field(default=None, validator=_integer())


def _digit_text(value: str | int) -> str:
    return str(value) if type(value) is int else cast("str", value)


@attrs.frozen
class MenuOption(_Node):
    """An option of a menu.

    Attributes:
        dtmf: The key: 0-9, `*` or `#`. A number becomes text.
        action: `menu(id)` opens a menu, `return(value)` ends the menus and reports the value.
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
        id: The menu's id, for `menu(id)`. One menu must have the id `main`.
        main_prompt: Prompts to play first, separated by semicolons.
        repeat_prompt: Prompts to play when the menu is repeated.
        repeats: Number of repetitions without input.
        max_digits: Digits after which the input is complete.
        timeout_mills: Milliseconds to wait for a digit; the server's default is 5000.
        max_timeout_mills: Milliseconds to wait for all digits, or for speech; the server's default
            is 20000.
        options: The options of the menu.
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
    """An instruction or action as plain JSON, for those unknown to this version.

    Attributes:
        value: A JSON object with a `name`. It is copied and sent unchanged.

    Raises:
        InvalidRequest: The value is not a JSON object, or has no name.
    """

    value: Mapping[str, Any] = attrs.field(converter=_json_copy, repr=_shown, hash=False)

    def to_wire(self) -> dict[str, Any]:
        """Return a copy of the given JSON."""
        return deepcopy(dict(self.value))


# --- Instructions --------------------------------------------------------------------------------


@attrs.frozen
class Answer(_Node):
    """Answer an incoming call, which starts its billing; use before `PlayFiles`."""

    wire_name = "answer"


def _file_ids(instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    if not isinstance(value, tuple):
        _refuse(instance, attribute, value, "give a list of str, even for a single id")
    if not value:
        _refuse(instance, attribute, value, "give at least one")
    place = _place(instance, attribute)
    for file_id in value:
        if not isinstance(file_id, str):
            remedy = "give each id as text"
            if isinstance(file_id, Iterable) and not isinstance(file_id, bytes):
                remedy += "; a star unpacks a list, like play(call, *ids)"
        elif not file_id:
            remedy = "give non-empty ids"
        elif not _is_unicode(file_id):
            remedy = "it is not valid Unicode: check its source"
        else:
            continue
        raise InvalidRequest(
            f"{place} has {_shown(file_id)}", parameter=place, value=file_id, remedy=remedy
        )


@attrs.frozen
class PlayFiles(_Node):
    """Play files or prompts in order.

    Attributes:
        ids: Ids of stored files, URLs, or prompts: `#tts[…]`, `#ssml[…]`, `#href[url]`.
        locale: Language or voice of text-to-speech prompts, for example `en-US`.
    """

    wire_name = "playFiles"

    ids: tuple[str, ...] = attrs.field(converter=_texts, validator=_file_ids)
    locale: str | None = attrs.field(default=None, validator=_text_field, kw_only=True)


@attrs.frozen
class Say(_Node):
    """Say a text.

    Attributes:
        text: The text to say. More than 600 characters give a SvamlWarning: that is an account's
            initial limit, which the vendor's support can raise.
        locale: Language or voice, for example `en-US`.
    """

    wire_name = "say"

    text: str = attrs.field(validator=_text(soft_limit=600))
    locale: str | None = attrs.field(default=None, validator=_text_field, kw_only=True)


@attrs.frozen
class SendDtmf(_Node):
    """Send key tones.

    Attributes:
        value: Keys 0-9 and `#`; `w` pauses for half a second.
    """

    wire_name = "sendDtmf"

    value: str = attrs.field(validator=_text(*_DTMF))


@attrs.frozen
class SetCookie(_Node):
    """Store a value with the call; its later callback events contain it.

    Attributes:
        key: The name.
        value: The value. An older page limits all cookies of a call to 1024 bytes together.
    """

    wire_name = "setCookie"

    key: str = attrs.field(validator=_text_field)
    value: str = attrs.field(validator=_text(r"(?s).*", "give a text"))


@attrs.frozen
class StartRecording(_Node):
    """Start recording the call. Does not work on calls connected with `ConnectMxp`.

    Attributes:
        options: Options for the recording.
    """

    wire_name = "startRecording"

    options: RecordingOptions | None = attrs.field(
        default=None,
        validator=_instance(RecordingOptions),
        metadata={"read": RecordingOptions.from_wire},
    )


@attrs.frozen
class StopRecording(_Node):
    """Stop recording the call."""

    wire_name = "stopRecording"


@attrs.frozen
class ReportCallStatus(_Node):
    """Report a call's status for its call detail record; only in the answer to a DiCE callback.

    Attributes:
        value: `success` or `failure`.
        details: At most 64 characters.

    Source: the older SVAML page only.
    """

    wire_name = "reportCallStatus"

    value: str = attrs.field(validator=_text(r"(?i)success|failure", "give 'success' or 'failure'"))
    details: str | None = attrs.field(default=None, validator=_text(soft_limit=64))


# --- Actions -------------------------------------------------------------------------------------

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
            f"{place} has transcription_options, which only StartRecording takes",
            parameter=place,
            remedy="remove them",
        )


@attrs.frozen(kw_only=True)
class Continue(_Node):
    """Continue the call unchanged.

    Attributes:
        record: Whether to start recording the call; an older page only.
        recording_options: Options for that recording; an older page only.
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
        number: A number in E.164 format, or a PstnEndpoint; by default the dialled number.
        locale: Language of the caller's prompts; the server's default is `en-US`.
        max_duration: Seconds, at most 14400.
        dial_timeout: Seconds to ring.
        cli: The number to show, or `private`.
        suppress_callbacks: Whether to send no ACE and DiCE callbacks for this call.
        dtmf: Keys to press once connected: 0-9 and `#`; `w` pauses for half a second.
        indications: Two-letter country code for the ringing and busy tones.
        amd: Options for answering machine detection.
        tags: Tags for the call detail record, as a mapping or as pairs; an older page only.
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
        destination: The user; by default the dialled user.
        call_headers: Headers for the app, as a mapping or as pairs; at most 1024 bytes.
        call_headers_key: Spelling of the field in JSON. The published schema has `callheaders`, its
            examples have `callHeaders`; the documentation does not say which the server reads.
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
        """Return the JSON for the API."""
        wire = super().to_wire()
        if "callHeaders" in wire:
            wire[self.call_headers_key] = wire.pop("callHeaders")
        return wire

    @classmethod
    def from_wire(cls, wire: object) -> Self:
        """Read the API's JSON, in either spelling."""
        if not isinstance(wire, Mapping) or "callHeaders" not in wire:
            renamed = {"callheaders": "callHeaders"}
            if isinstance(wire, Mapping):
                wire = {renamed.get(key, key): value for key, value in wire.items()}
            return super().from_wire(wire)
        return attrs.evolve(super().from_wire(wire), call_headers_key="callHeaders")


@attrs.frozen(kw_only=True)
class ConnectConf(_Node):
    """Connect the call to a conference.

    Attributes:
        conference_id: Any text; calls with the same id meet. More than 64 characters give a
            SvamlWarning.
        conference_dtmf_options: How the conference handles key presses.
        moh: Music while the caller is alone: `ring`, `music1`, `music2`, `music3`.
        record: Whether to record the conference; an older page only.
        recording_options: Options for that recording; an older page only.
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
        destination: The address.
        max_duration: Seconds, at most 14400.
        cli: The number to show, or `private`.
        transport: `UDP` (the server's default), `TCP` or `TLS`; any case.
        suppress_callbacks: Whether to send no ACE and DiCE callbacks for this call.
        call_headers: Private SIP headers, as a mapping or as pairs.
        moh: Music while the call is on hold: `ring`, `music1`, `music2`, `music3`.
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
    """A WebSocket server, the destination of `ConnectStream`.

    Attributes:
        endpoint: A `wss://` URL.
    """

    endpoint: str = attrs.field(validator=_text(r"wss://[^\s\x00-\x1f\x7f]+", "give a wss:// URL"))

    def to_wire(self) -> dict[str, Any]:
        """Return the JSON for the API."""
        return {"type": "Websocket", "endpoint": self.endpoint}

    @classmethod
    def from_wire(cls, wire: object) -> Self:
        """Read the API's JSON."""
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
    """Stream the call's audio to a WebSocket server; a closed beta, according to the vendor.

    Attributes:
        destination: The server.
        streaming_options: Options for the audio stream.
        max_duration: Seconds, at most 14400.
        call_headers: Headers for the server, as a mapping or as pairs.
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
        menus: The menus; one of them has the id `main`.
        main_menu: Id of the first menu.
        barge: Whether keys interrupt the prompts; the server's default is true.
        locale: Language of the prompts; required with `enable_voice`.
        enable_voice: Whether the caller can choose by voice.
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
                remedy="give it; enable_voice requires it",
            )
        if self.menus is None:
            return
        ids = [menu.id for menu in self.menus]
        listed = ", ".join(map(repr, ids))
        if "main" not in ids:
            raise InvalidRequest(f"RunMenu.menus has {listed}", remedy="name one of them 'main'")
        if len(set(ids)) < len(ids):
            raise InvalidRequest(f"RunMenu.menus has {listed}", remedy="give each a different id")
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
                    f"RunMenu goes to menu {target!r}", remedy=f"give one of {listed}"
                )


@attrs.frozen(kw_only=True)
class Park(_Node):
    """Park the call until another action resumes it.

    Attributes:
        locale: Language of the prompts.
        intro_prompt: Prompts to play once.
        hold_prompt: Prompts to play repeatedly.
        max_duration: Seconds; more than 600, the limit of an older page, give a SvamlWarning.
    """

    wire_name = "park"

    locale: str | None = attrs.field(default=None, validator=_text_field)
    intro_prompt: str | None = attrs.field(default=None, validator=_text_field)
    hold_prompt: str | None = attrs.field(default=None, validator=_text_field)
    max_duration: int | None = attrs.field(default=None, validator=_integer(soft=range(1, 601)))


# --- SVAML ---------------------------------------------------------------------------------------

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
    """Return a reader by name, in any case, of instructions or actions; unknown ones stay Raw."""

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
    """Instructions, an action, or both.

    Attributes:
        instructions: Carried out in order.
        action: Carried out after the instructions.

    Raises:
        InvalidRequest: Both are missing, or one of them is wrong.
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
            _warn(f"Svaml sets cookies of {size} bytes: an older page allows 1024 per call")
