"""Parse text to plain values, with the line of each.

A published document is less tidy than a vendored one, which `overlay.parse` reads. YAML is
therefore read by the rules of version 1.2, as by the tools that write such documents: `no` and
`2014-04-28` are text, and every key is text (`204:`). Everything that validators accept is
accepted: merge keys (`<<`), the tags of YAML 1.1 (dates and binary data stay text), UTF-16, and
duplicate keys (the last one counts, with a note). Application tags, endless nesting, long keys
around many values, and multiplying aliases are refused.

Source: https://yaml.org/spec/1.2.2/#103-core-schema
"""

import codecs
import json
import math
import re
from typing import Any, NamedTuple

import yaml

from .model import SpecDiffError

MAX_DEPTH = 200
MAX_NODES = 1_000_000
MAX_POINTERS = 100 * 2**20

_BASE: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_YAML = "tag:yaml.org,2002:"
_STRING, _SCALARS = f"{_YAML}str", {f"{_YAML}{name}" for name in ("int", "float", "bool", "null")}
_TEXTS = {None, "!", _STRING, f"{_YAML}timestamp", f"{_YAML}binary"}
_COLLECTIONS = {None, "!"} | {f"{_YAML}{name}" for name in ("map", "seq", "set", "omap", "pairs")}
_NUMBER = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?\Z")
_INTEGER = re.compile(r"[-+]?[0-9]+\Z|0o[0-7]+\Z|0x[0-9a-fA-F]+\Z")
_WORDS = {
    word: value
    for name, value in (("null", None), ("true", True), ("false", False))
    for word in (name, name.title(), name.upper())
} | {"~": None, "": None}


class Note(NamedTuple):
    """A remark on a document for the reader of a comparison.

    Attributes:
        document: The name of the document.
        line: The line, from 1; None if unknown.
        text: The remark.
    """

    document: str
    line: int | None
    text: str


class Content(NamedTuple):
    """The content of a document.

    Attributes:
        data: The object.
        lines: The line of each JSON pointer in it, from 1.
        notes: A note for each duplicate key.
    """

    data: dict[str, Any]
    lines: dict[str, int]
    notes: list[Note]


def decode(content: bytes) -> str:
    """Decode a document: UTF-16 with a byte order mark, otherwise UTF-8.

    Raises:
        UnicodeDecodeError: If the content is neither.
    """
    is_wide = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return content.decode("utf-16" if is_wide else "utf-8-sig")


def read_text(text: str, name: str) -> Content:
    """Read YAML or JSON.

    Args:
        text: The text of the document.
        name: The name of the document in errors.

    Raises:
        SpecDiffError: If the text is empty, is neither, or has no object at the top.
    """
    if not text.strip():
        raise SpecDiffError(f"{name}: the document is empty")
    lines, notes = dict[str, int](), list[Note]()
    try:
        data = _Builder(name, lines, notes).build(_without_tabs(text))
    except yaml.YAMLError as error:
        if not text.lstrip().startswith("{"):
            raise SpecDiffError(f"{name}: not YAML: {_short(error)}") from error
        lines, notes = {}, []
        data = _json(text, name, notes)
    if not isinstance(data, dict):
        raise SpecDiffError(f"{name}: an object is expected at the top of an OpenAPI document")
    return Content(data, lines, notes)


def _without_tabs(text: str) -> str:
    """Replace tabs in JSON by spaces, because YAML does not accept them as indentation."""
    if "\t" not in text or not text.lstrip().startswith("{"):
        return text
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return text
    return text.replace("\t", " ")


def _doubled(name: str, line: int | None, key: str) -> Note:
    return Note(name, line, f"the key `{key}` is a duplicate: the last one counts")


def _short(error: yaml.YAMLError) -> str:
    return " ".join(str(error).split())


def escape(token: str) -> str:
    """Write a key as a part of a JSON pointer."""
    if "/" not in token and "~" not in token:
        return token
    return token.replace("~", "~0").replace("/", "~1")


def _json(text: str, name: str, notes: list[Note]) -> Any:
    def noted(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        result = dict[str, Any]()
        for key, value in pairs:
            if key in result:
                notes.append(_doubled(name, None, key))
            result[key] = value
        return result

    try:
        return json.loads(text, object_pairs_hook=noted)
    except (ValueError, RecursionError) as error:
        raise SpecDiffError(f"{name}: neither YAML nor JSON: {error}") from error


class _Open:
    """A collection that is being read."""

    __slots__ = ("anchor", "key", "key_line", "merged", "merging", "pointer", "start", "value")

    def __init__(self, value: Any, pointer: str, anchor: str | None, start: int) -> None:
        self.value = value
        self.pointer = pointer
        self.anchor = anchor
        self.start = start
        self.key: str | None = None
        self.key_line = 0
        self.merging = False
        self.merged: list[tuple[Any, int]] = []


class _Builder:
    """Builder of plain values from parser events, without recursion and with size limits."""

    def __init__(self, name: str, lines: dict[str, int], notes: list[Note]) -> None:
        self._name = name
        self._lines = lines
        self._notes = notes
        self._replaced = dict[str, int]()
        self._open = list[_Open]()
        self._anchors = dict[str, tuple[Any, int]]()
        self._nodes = 0
        self._pointers = 0
        self._result: Any = None
        self._documents = 0

    def build(self, text: str) -> Any:
        for event in yaml.parse(text, Loader=_BASE):
            line = event.start_mark.line + 1 if event.start_mark else 0
            if isinstance(event, yaml.DocumentStartEvent):
                self._documents += 1
                if self._documents > 1:
                    raise self._error(line, "a second document begins: split them into two files")
            elif isinstance(event, yaml.ScalarEvent):
                self._scalar(event, line)
            elif isinstance(event, yaml.CollectionStartEvent):
                self._start({} if isinstance(event, yaml.MappingStartEvent) else [], event, line)
            elif isinstance(event, yaml.CollectionEndEvent):
                self._end()
            elif isinstance(event, yaml.AliasEvent):
                self._alias(event, line)
        if self._replaced:
            self._forget()
        return self._result

    def _forget(self) -> None:
        """Forget the lines below replaced values of duplicate keys."""
        for pointer, line in [*self._lines.items()]:
            above = pointer
            while above := above.rpartition("/")[0]:
                if line < self._replaced.get(above, 0):
                    del self._lines[pointer]
                    break

    def _scalar(self, event: yaml.ScalarEvent, line: int) -> None:
        top = self._open[-1] if self._open else None
        if top is not None and isinstance(top.value, dict) and top.key is None:
            self._key(top, event, line)
            return
        if event.tag not in _TEXTS and event.tag not in _SCALARS:
            raise self._error(line, f"the tag {event.tag} is not supported: remove it")
        is_plain = event.tag in _SCALARS or (event.implicit[0] and not event.tag)
        value = self._plain(event.value, line) if is_plain else event.value
        self._count(1, line)
        self._place(value, line)
        if event.anchor:
            self._anchors[event.anchor] = value, 1

    def _key(self, top: _Open, event: yaml.ScalarEvent, line: int) -> None:
        key = event.value
        if event.anchor:
            self._anchors[event.anchor] = key, 1
        if key == "<<" and event.implicit[0]:
            top.key, top.key_line, top.merging = key, line, True
            return
        self._begin(top, key, line)

    def _begin(self, top: _Open, key: str, line: int) -> None:
        if key in top.value:
            self._notes.append(_doubled(self._name, line, key))
            self._replaced[f"{top.pointer}/{escape(key)}"] = line
        top.key, top.key_line = key, line

    def _start(self, value: Any, event: Any, line: int) -> None:
        if event.tag not in _COLLECTIONS:
            raise self._error(line, f"the tag {event.tag} is not supported: remove it")
        if len(self._open) >= MAX_DEPTH:
            raise self._error(line, f"nested more than {MAX_DEPTH} deep")
        self._count(1, line)
        pointer = self._place(value, line)
        if event.anchor:
            self._anchors.pop(event.anchor, None)
        self._open.append(_Open(value, pointer, event.anchor, self._nodes - 1))

    def _end(self) -> None:
        done = self._open.pop()
        for part, line in done.merged:
            self._merge(done, part, line)
        if done.anchor:
            self._anchors[done.anchor] = done.value, self._nodes - done.start

    def _alias(self, event: yaml.AliasEvent, line: int) -> None:
        if event.anchor not in self._anchors:
            raise self._error(line, f"the alias *{event.anchor} has no target, or itself as target")
        value, size = self._anchors[event.anchor]
        top = self._open[-1] if self._open else None
        if top is not None and top.key is None and isinstance(top.value, dict):
            if isinstance(value, dict | list):
                raise self._error(line, "a key is expected to be text")
            self._begin(top, value if isinstance(value, str) else json.dumps(value), line)
            return
        self._count(size, line)
        self._place(value, line)

    def _merge(self, target: _Open, part: Any, line: int) -> None:
        """Add the missing keys of the objects that `<<` names; the first of several counts."""
        for one in part if isinstance(part, list) else [part]:
            if not isinstance(one, dict):
                raise self._error(line, "<< is expected to name one or more objects")
            for key, value in one.items():
                if key not in target.value:
                    target.value[key] = value
                    self._lines[f"{target.pointer}/{escape(key)}"] = line

    def _place(self, value: Any, line: int) -> str:
        """Add a value to the open collection and return its pointer."""
        if not self._open:
            self._result, pointer = value, ""
        elif isinstance((top := self._open[-1]).value, list):
            pointer = f"{top.pointer}/{len(top.value)}"
            top.value.append(value)
        elif top.key is None:
            raise self._error(line, "a key is expected to be text")
        elif top.merging:
            pointer = f"{top.pointer}/<<"
            top.merged.append((value, top.key_line))
            top.key, top.merging, line = None, False, top.key_line
        else:
            pointer = f"{top.pointer}/{escape(top.key)}"
            top.value[top.key] = value
            top.key, line = None, top.key_line
        self._pointers += len(pointer)
        if self._pointers > MAX_POINTERS:
            raise self._error(line, "too many values below long keys")
        self._lines[pointer] = line
        return pointer

    def _count(self, size: int, line: int) -> None:
        self._nodes += size
        if self._nodes > MAX_NODES:
            raise self._error(line, f"more than {MAX_NODES} values, with all aliases expanded")

    def _plain(self, text: str, line: int) -> Any:
        """Return the value of unquoted text."""
        if text in _WORDS:
            return _WORDS[text]
        try:
            if _INTEGER.match(text):
                return int(text, 0) if text[:2] in ("0o", "0x") else int(text)
            if _NUMBER.match(text) and math.isfinite(number := float(text)):
                return number
        except ValueError as error:
            raise self._error(line, f"a number of {len(text)} digits") from error
        return text

    def _error(self, line: int, problem: str) -> SpecDiffError:
        return SpecDiffError(f"{self._name}, line {line}: {problem}")
