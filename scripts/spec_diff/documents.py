"""OpenAPI documents: where they come from, finding lines, and following references."""

import subprocess
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote

import attrs

from .model import SpecDiffError
from .reading import Note, decode, read_text
from .reading import escape as escape

MAX_BYTES = 20 * 2**20
_NAMES = frozenset({"$id", "$anchor", "$dynamicAnchor"})
# The only member of what stands in for something in a document that is not read.
ELSEWHERE = "$elsewhere"

# Data, not a part of the description: what looks like a reference in there is none.
DATA = frozenset("example examples default const enum mapping".split())
# What has keys of its own, as names of fields or statuses; none of them is a keyword.
NAMED = frozenset(
    "properties patternProperties dependentSchemas $defs definitions schemas responses parameters"
    " headers content callbacks paths webhooks x-webhooks pathItems requestBodies".split()
)


@attrs.frozen(eq=False)
class Document:
    """A document, or a file that one refers to.

    Attributes:
        name: What to call it: a path or `git:REV:path`.
        data: Its content, as plain JSON values.
        lines: The line of each JSON pointer, if the document was read from text.
        open: Reads a file that is named relative to this one; None if references to other files
            must not be followed.
        notes: What a reader of a comparison has to know, of all the files that belong together.
            References that lead elsewhere are added when they are met.
        unread: Those that have been added.
    """

    name: str
    data: dict[str, Any]
    lines: Mapping[str, int] = attrs.field(factory=dict, repr=False)
    open: Callable[[str], "Document"] | None = attrs.field(default=None, repr=False)
    notes: list[Note] = attrs.field(factory=list, repr=False)
    unread: set[str] = attrs.field(factory=set, repr=False)

    @property
    def root(self) -> "Node":
        """The document as a whole."""
        return Node(self, "", self.data)

    def line(self, pointer: str) -> int | None:
        """Return the line, from 1, of what a JSON pointer names, or of the nearest thing around."""
        while pointer not in self.lines:
            if not pointer:
                return None
            pointer = pointer.rpartition("/")[0]
        return self.lines[pointer]

    @property
    def is_3_0(self) -> bool:
        """Whether its schemas are those of OpenAPI 3.0, and not of JSON Schema 2020-12."""
        return str(self.data.get("openapi", "")).startswith("3.0")

    def resolve(self, reference: str, near: str = "") -> "Node":
        """Find what a `$ref` of this document names.

        Args:
            reference: The reference.
            near: The pointer of where it stands: anchors and ids are looked up from there outwards.

        Returns:
            What it names; a value that only equals itself if that is in a document that is not
            read, as one on another host.

        Raises:
            SpecDiffError: If it leads nowhere.
        """
        if self._leads_out(reference):
            return self._elsewhere(reference, near)
        if not self._named:
            near = ""
        if (reference, near) not in self._resolved:
            self._resolved[reference, near] = self._resolve(reference, near)
        return self._resolved[reference, near]

    @cached_property
    def _resolved(self) -> dict[tuple[str, str], "Node"]:
        return {}

    def _resolve(self, reference: str, near: str) -> "Node":
        file, _, fragment = reference.partition("#")
        fragment = unquote(fragment)
        if file in self._named:
            node = self._nearest(self._named[file], near)
        elif file:
            assert self.open is not None  # or it would lead out
            node = self.open(unquote(file)).root
        else:
            node = self._resource(near) if fragment.startswith("/") else self.root
        if fragment and not fragment.startswith("/"):
            anchors = node.document._named.get(f"#{fragment}")
            if not anchors:
                raise SpecDiffError(f"{self.name}: {reference} names an anchor that is not there")
            return self._nearest(anchors, near)
        found = node.below(fragment) or self.root.below(fragment)
        if found is None:
            raise SpecDiffError(f"{self.name}: the reference {reference} leads nowhere")
        return found

    def _leads_out(self, reference: str) -> bool:
        file = reference.partition("#")[0]
        if not file or file in self._named:
            return False
        return self.open is None or "://" in file or file.startswith(("/", "\\", "file:"))

    def _elsewhere(self, reference: str, near: str) -> "Node":
        """Return what stands in for something that is not read; nothing is ever fetched."""
        if reference not in self.unread:
            self.unread.add(reference)
            text = f"the reference `{reference}` leads out of the document and is not followed"
            advice = "what is there is not compared: bundle the document to compare it"
            self.notes.append(Note(self.name, self.line(near), f"{text}; {advice}"))
        return Node(self, f"{near}/$ref", {ELSEWHERE: reference})

    @cached_property
    def _named(self) -> dict[str, list["Node"]]:
        """What has an `$id`, by that, and what has an anchor, by `#` and that."""
        found, todo = dict[str, list[Node]](), [self.root] if _has_names(self.data) else []
        while todo:
            node = todo.pop()
            if isinstance(node.value, dict):
                for key, name in ((key, node.value.get(key)) for key in sorted(_NAMES)):
                    if isinstance(name, str):
                        name = name if key == "$id" else f"#{name}"
                        found.setdefault(name, []).append(node)
            todo += node.children()
        return found

    def _nearest(self, nodes: list["Node"], near: str) -> "Node":
        """Return the one of several nodes that has most around it in common with a pointer."""
        steps = near.split("/")

        def common(node: Node) -> int:
            pairs = zip(steps, node.pointer.split("/"), strict=False)
            return next((i for i, (one, other) in enumerate(pairs) if one != other), len(steps))

        return min(nodes, key=lambda node: (-common(node), len(node.pointer), node.pointer))

    def _resource(self, near: str) -> "Node":
        """Return what pointers start from: the innermost schema with an `$id`, or the document."""
        around = [
            node
            for name, nodes in self._named.items()
            if not name.startswith("#")
            for node in nodes
            if f"{near}/".startswith(f"{node.pointer}/")
        ]
        return max(around, key=lambda node: len(node.pointer), default=self.root)


@attrs.frozen
class Node:
    """A value in a document, and where it stands."""

    document: Document
    pointer: str
    value: Any = attrs.field(eq=False, repr=False)

    def child(self, key: str | int) -> "Node":
        """Return a member of an object or an item of an array.

        Raises:
            KeyError, IndexError, ValueError: If there is none.
        """
        if isinstance(self.value, list):
            value = self.value[int(key)]
        elif isinstance(self.value, dict):
            value = self.value[key]
        else:
            raise KeyError(key)
        return Node(self.document, f"{self.pointer}/{escape(str(key))}", value)

    def children(self) -> "Iterator[Node]":
        """Yield every member or item that is an object or an array."""
        if isinstance(self.value, dict | list):
            keys = self.value if isinstance(self.value, dict) else range(len(self.value))
            for key in keys:
                if isinstance(self.value[key], dict | list):
                    yield self.child(key)

    def below(self, pointer: str) -> "Node | None":
        """Return what a JSON pointer names from here, through references; None if nothing."""
        node: Node = self
        try:
            for token in pointer.split("/")[1:]:
                key = token.replace("~1", "/").replace("~0", "~")
                if isinstance(node.value, dict) and key not in node.value:
                    node = node.resolved()
                node = node.child(key)
        except (KeyError, IndexError, ValueError):
            return None
        return node

    def follow(self) -> "Node":
        """Return what the reference that this object is names.

        Raises:
            SpecDiffError: As `Document.resolve`.
        """
        return self.document.resolve(self.value["$ref"], self.pointer)

    def as_object(self) -> "Node":
        """Return this node, which has to be an object.

        Raises:
            SpecDiffError: If it is something else.
        """
        if not isinstance(self.value, dict):
            raise SpecDiffError(f"{self.name}: an object is expected")
        return self

    def get(self, key: str) -> "Node | None":
        """Return the object that a member of this one is or refers to, if there is one.

        Raises:
            SpecDiffError: If it is no object, or a reference that cannot be followed.
        """
        if self.value.get(key) is None:
            return None
        return self.child(key).resolved().as_object()

    def members(self, key: str) -> "Iterator[tuple[str, Node]]":
        """Yield name and value of each member of an object in this one, all of which are objects.

        Raises:
            SpecDiffError: As `get`.
        """
        if (inner := self.get(key)) is None:
            return
        for name in inner.value:
            member = inner.child(name).resolved()
            if isinstance(member.value, dict) or not name.startswith("x-"):
                yield name, member.as_object()

    def items(self, key: str) -> "Iterator[Node]":
        """Yield each item of an array in this object, resolved.

        Raises:
            SpecDiffError: If it is no array, or there is a reference that cannot be followed.
        """
        if self.value.get(key) is None:
            return
        inner = self.child(key)
        if not isinstance(inner.value, list):
            raise SpecDiffError(f"{inner.name}: an array is expected")
        for index in range(len(inner.value)):
            yield inner.child(index).resolved()

    def objects(self) -> "Iterator[Node]":
        """Yield each item of this array, all of which are objects.

        Raises:
            SpecDiffError: If it is no array, or an item is no object.
        """
        if not isinstance(self.value, list):
            raise SpecDiffError(f"{self.name}: an array is expected")
        for index in range(len(self.value)):
            yield self.child(index).as_object()

    def resolved(self) -> "Node":
        """Follow references from here to what they name in the end.

        Raises:
            SpecDiffError: If they lead nowhere, or in a circle.
        """
        node: Node = self
        seen: set[Node] = {node}
        while isinstance(node.value, dict) and isinstance(node.value.get("$ref"), str):
            node = node.follow()
            if node in seen:
                raise SpecDiffError(f"{self.name}: the references from here lead in a circle")
            seen.add(node)
        return node

    def existing(self) -> "Node":
        """Return this value or, if it stands for something absent, the nearest thing around it."""
        node = self.document.root
        for token in self.pointer.split("/")[1:]:
            try:
                node = node.child(token.replace("~1", "/").replace("~0", "~"))
            except (KeyError, IndexError, ValueError):
                break
        return node

    @property
    def elsewhere(self) -> str | None:
        """The reference that this stands in for; None if it is part of a document that is read."""
        return self.value.get(ELSEWHERE) if isinstance(self.value, dict) else None

    @property
    def key(self) -> str:
        """The last step of the pointer."""
        return self.pointer.rpartition("/")[2].replace("~1", "/").replace("~0", "~")

    @property
    def name(self) -> str:
        """Document and pointer, for errors."""
        return f"{self.document.name}#{self.pointer}"

    @property
    def line(self) -> int | None:
        """Where it stands, from 1."""
        return self.document.line(self.pointer)


def _has_names(value: Any) -> bool:
    todo = [value]
    while todo:
        one = todo.pop()
        if isinstance(one, dict):
            if not _NAMES.isdisjoint(one):
                return True
            todo += one.values()
        elif isinstance(one, list):
            todo += one
    return False


def read(source: str) -> Document:
    """Read an OpenAPI document.

    Args:
        source: The path of a file, or `git:REV:path` for a file as it was in a revision.

    Returns:
        The document. References to other files are followed, but not to other hosts, nor to files
        that are named from the root.

    Raises:
        SpecDiffError: If there is no such file or revision, or as `parse`.
    """
    document = _open(source, {}, [])
    check(document)
    return document


def load(source: str) -> Document:
    """Read a file of another kind, as an overlay, with lines and references like a document.

    Raises:
        SpecDiffError: If there is no such file or revision, it is not readable, or has a key
            twice: it is ours to correct.
    """
    document = _open(source, {}, [])
    for note in document.notes:
        raise SpecDiffError(f"{note.document}, line {note.line}: {note.text}: take one out")
    return document


def parse(text: str, name: str) -> Document:
    """Read an OpenAPI document from its text, YAML or JSON, as data only.

    Args:
        text: The document.
        name: What to call it in errors and reports.

    Returns:
        The document. References to other files are not followed.

    Raises:
        SpecDiffError: If it is empty, not readable, no OpenAPI 3.0 or 3.1 document, or describes
            no operation.
    """
    data, lines, notes = read_text(text, name)
    document = Document(name, data, lines, notes=notes)
    check(document)
    return document


def check(document: Document) -> None:
    """Refuse what cannot be compared.

    Raises:
        SpecDiffError: If it is no OpenAPI document of version 3, or describes nothing.
    """
    version, data = document.data.get("openapi"), document.data
    if not str(version).startswith(("3.0", "3.1", "3.2")):
        found = f"openapi is {version}" if version is not None else "there is no openapi version"
        raise SpecDiffError(
            f"{document.name}: no OpenAPI 3.0 or 3.1 document ({found}): give one, or convert it"
        )
    described = [key for key in ("paths", "webhooks", "components") if key in data]
    if not described or (document.is_3_0 and "paths" not in data):
        raise SpecDiffError(f"{document.name}: describes no paths: there is nothing to compare")
    if wrong := [key for key in described if not isinstance(data[key], dict)]:
        raise SpecDiffError(f"{document.name}: {wrong[0]} is not an object: correct the document")


def _open(source: str, cache: dict[str, Document], notes: list[Note]) -> Document:
    """Read a file and remember it, so that files may refer to each other."""
    if source in cache:
        return cache[source]
    data, lines, found = read_text(_text(source), source)
    notes += found
    start, _, path = source.rpartition(":") if source.startswith("git:") else ("", "", source)
    prefix = f"{start}:" if start else ""

    def neighbour(file: str) -> Document:
        path_of_it = PurePosixPath(path).parent / file
        return _open(f"{prefix}{_flat(path_of_it)}", cache, notes)

    cache[source] = Document(source, data, lines, neighbour, notes)
    return cache[source]


def _flat(path: PurePosixPath) -> PurePosixPath:
    """Resolve `..`, which neither git nor the cache would see through."""
    parts = list[str]()
    for part in path.parts:
        if part == ".." and parts and parts[-1] != "..":
            parts.pop()
        else:
            parts.append(part)
    return PurePosixPath(*parts)


def _text(source: str) -> str:
    if not source.startswith("git:"):
        try:
            content = Path(source).read_bytes()
        except OSError as error:
            raise SpecDiffError(
                f"{source}: {error.strerror or error}: give a file, or git:REV:path"
            ) from error
    else:
        content = _from_git(source)
    if len(content) > MAX_BYTES:
        raise SpecDiffError(f"{source}: {len(content)} bytes; at most {MAX_BYTES} are read")
    try:
        return decode(content)
    except UnicodeDecodeError as error:
        raise SpecDiffError(f"{source}: not UTF-8 (byte {error.start})") from error


def _from_git(source: str) -> bytes:
    revision, _, path = source.removeprefix("git:").partition(":")
    if not revision or not path or revision.startswith("-"):
        raise SpecDiffError(f"{source}: write git:REV:path, as git:HEAD:openapi/calling.yaml")
    command = ["git", "cat-file", "blob", f"{revision}:{path}"]
    try:
        done = subprocess.run(command, capture_output=True, check=False)
    except OSError as error:
        raise SpecDiffError(f"{source}: git cannot be run: {error}") from error
    if done.returncode:
        reason = done.stderr.decode("utf-8", "replace").strip()
        raise SpecDiffError(
            f"{source}: git has no such revision or file ({reason}): look with "
            "`git log` and `git ls-tree -r REV`; a shallow clone needs `git fetch --unshallow`"
        )
    return done.stdout
