"""Read OpenAPI documents, find lines, and follow references."""

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
# The only member of a placeholder for a target in a document that is not read.
ELSEWHERE = "$elsewhere"

# Keywords with data, in which nothing is a reference.
DATA = frozenset("example examples default const enum mapping".split())
# Keywords of objects whose keys are names, such as fields or statuses, and not keywords.
NAMED = frozenset(
    "properties patternProperties dependentSchemas $defs definitions schemas responses parameters"
    " headers content callbacks paths webhooks x-webhooks pathItems requestBodies".split()
)


@attrs.frozen(eq=False)
class Document:
    """A document, or a file that a document refers to.

    Attributes:
        name: Its name: a path or `git:REV:path`.
        data: Its content as plain JSON values.
        lines: The line of each JSON pointer, if the document was read from text.
        open: Opener of a file by its name relative to this one; None if references to other files
            must not be followed.
        notes: Notes for the reader of a comparison, on the document and all its files. External
            references are added when they are encountered.
        unread: The external references with a note.
    """

    name: str
    data: dict[str, Any]
    lines: Mapping[str, int] = attrs.field(factory=dict, repr=False)
    open: Callable[[str], "Document"] | None = attrs.field(default=None, repr=False)
    notes: list[Note] = attrs.field(factory=list, repr=False)
    unread: set[str] = attrs.field(factory=set, repr=False)

    @property
    def root(self) -> "Node":
        """The whole document."""
        return Node(self, "", self.data)

    def line(self, pointer: str) -> int | None:
        """Return the line, from 1, of a JSON pointer, or of its nearest parent with a line."""
        while pointer not in self.lines:
            if not pointer:
                return None
            pointer = pointer.rpartition("/")[0]
        return self.lines[pointer]

    @property
    def is_3_0(self) -> bool:
        """Whether its schemas follow OpenAPI 3.0 rather than JSON Schema 2020-12."""
        return str(self.data.get("openapi", "")).startswith("3.0")

    def resolve(self, reference: str, near: str = "") -> "Node":
        """Return the target of a `$ref` of this document.

        Args:
            reference: The reference.
            near: The pointer of the reference: anchors and ids are searched from there outwards.

        Returns:
            The target; for a document that is not read, such as one on another host, a placeholder
            that is equal only for the same reference.

        Raises:
            SpecDiffError: If the reference has no target.
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
            assert self.open is not None  # otherwise the reference is external
            node = self.open(unquote(file)).root
        else:
            node = self._resource(near) if fragment.startswith("/") else self.root
        if fragment and not fragment.startswith("/"):
            anchors = node.document._named.get(f"#{fragment}")
            if not anchors:
                raise SpecDiffError(f"{self.name}: the anchor of {reference} does not exist")
            return self._nearest(anchors, near)
        found = node.below(fragment) or self.root.below(fragment)
        if found is None:
            raise SpecDiffError(f"{self.name}: the reference {reference} has no target")
        return found

    def _leads_out(self, reference: str) -> bool:
        file = reference.partition("#")[0]
        if not file or file in self._named:
            return False
        return self.open is None or "://" in file or file.startswith(("/", "\\", "file:"))

    def _elsewhere(self, reference: str, near: str) -> "Node":
        """Return a placeholder for the target of an external reference; nothing is fetched."""
        if reference not in self.unread:
            self.unread.add(reference)
            text = f"the external reference `{reference}` is not followed"
            advice = "its target is not compared: bundle the document to compare it"
            self.notes.append(Note(self.name, self.line(near), f"{text}; {advice}"))
        return Node(self, f"{near}/$ref", {ELSEWHERE: reference})

    @cached_property
    def _named(self) -> dict[str, list["Node"]]:
        """Nodes with an `$id` by its value, and nodes with an anchor by `#` and its value."""
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
        """Return the node whose pointer has the longest common prefix with another pointer."""
        steps = near.split("/")

        def common(node: Node) -> int:
            pairs = zip(steps, node.pointer.split("/"), strict=False)
            return next((i for i, (one, other) in enumerate(pairs) if one != other), len(steps))

        return min(nodes, key=lambda node: (-common(node), len(node.pointer), node.pointer))

    def _resource(self, near: str) -> "Node":
        """Return the root of pointers: the innermost schema with an `$id`, or the document."""
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
    """A value in a document, with its pointer."""

    document: Document
    pointer: str
    value: Any = attrs.field(eq=False, repr=False)

    def child(self, key: str | int) -> "Node":
        """Return a member of an object or an item of an array.

        Raises:
            KeyError, IndexError, ValueError: If it does not exist.
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
        """Return the target of a JSON pointer from here, through references; None if none."""
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
        """Return the target of the reference in this object.

        Raises:
            SpecDiffError: As `Document.resolve`.
        """
        return self.document.resolve(self.value["$ref"], self.pointer)

    def as_object(self) -> "Node":
        """Return this node, which must be an object.

        Raises:
            SpecDiffError: If it is not an object.
        """
        if not isinstance(self.value, dict):
            raise SpecDiffError(f"{self.name}: an object is expected")
        return self

    def get(self, key: str) -> "Node | None":
        """Return the object in a member of this one, resolved; None if absent.

        Raises:
            SpecDiffError: If the member is not an object, or a reference cannot be followed.
        """
        if self.value.get(key) is None:
            return None
        return self.child(key).resolved().as_object()

    def members(self, key: str) -> "Iterator[tuple[str, Node]]":
        """Yield the name and value of each member of an object in this one; they must be objects.

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
            SpecDiffError: If it is not an array, or a reference cannot be followed.
        """
        if self.value.get(key) is None:
            return
        inner = self.child(key)
        if not isinstance(inner.value, list):
            raise SpecDiffError(f"{inner.name}: an array is expected")
        for index in range(len(inner.value)):
            yield inner.child(index).resolved()

    def objects(self) -> "Iterator[Node]":
        """Yield each item of this array; they must be objects.

        Raises:
            SpecDiffError: If it is not an array, or an item is not an object.
        """
        if not isinstance(self.value, list):
            raise SpecDiffError(f"{self.name}: an array is expected")
        for index in range(len(self.value)):
            yield self.child(index).as_object()

    def resolved(self) -> "Node":
        """Follow references from here to the final target.

        Raises:
            SpecDiffError: If a reference has no target, or the references are circular.
        """
        node: Node = self
        seen: set[Node] = {node}
        while isinstance(node.value, dict) and isinstance(node.value.get("$ref"), str):
            node = node.follow()
            if node in seen:
                raise SpecDiffError(f"{self.name}: the references from here are circular")
            seen.add(node)
        return node

    def existing(self) -> "Node":
        """Return this node, or its nearest existing parent if it is absent."""
        node = self.document.root
        for token in self.pointer.split("/")[1:]:
            try:
                node = node.child(token.replace("~1", "/").replace("~0", "~"))
            except (KeyError, IndexError, ValueError):
                break
        return node

    @property
    def elsewhere(self) -> str | None:
        """The external reference of a placeholder; None for a value in a document."""
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
        """The line, from 1; None if unknown."""
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
        source: The path of a file, or `git:REV:path` for a file in a revision.

    Returns:
        The document. References to other files are followed, but not to other hosts or absolute
        paths.

    Raises:
        SpecDiffError: If the file or revision does not exist, or as `parse`.
    """
    document = _open(source, {}, [])
    check(document)
    return document


def load(source: str) -> Document:
    """Read a file of another kind, such as an overlay, with lines and references like a document.

    Raises:
        SpecDiffError: If the file or revision does not exist, is not readable, or has a duplicate
            key: unlike a published document, our own file can be corrected.
    """
    document = _open(source, {}, [])
    for note in document.notes:
        raise SpecDiffError(f"{note.document}, line {note.line}: {note.text}: remove one")
    return document


def parse(text: str, name: str) -> Document:
    """Parse the text of an OpenAPI document, YAML or JSON, as data only.

    Args:
        text: The text of the document.
        name: The name of the document in errors and reports.

    Returns:
        The document. References to other files are not followed.

    Raises:
        SpecDiffError: If the text is empty, not readable, not an OpenAPI document of version 3.0 to
            3.2, or describes nothing.
    """
    data, lines, notes = read_text(text, name)
    document = Document(name, data, lines, notes=notes)
    check(document)
    return document


def check(document: Document) -> None:
    """Refuse documents that cannot be compared.

    Raises:
        SpecDiffError: If it is not an OpenAPI document of version 3.0 to 3.2, or describes nothing.
    """
    version, data = document.data.get("openapi"), document.data
    if not str(version).startswith(("3.0", "3.1", "3.2")):
        found = f"openapi is {version}" if version is not None else "there is no openapi version"
        raise SpecDiffError(
            f"{document.name}: not an OpenAPI document of version 3.0 to 3.2 ({found}): convert it"
        )
    described = [key for key in ("paths", "webhooks", "components") if key in data]
    if not described or (document.is_3_0 and "paths" not in data):
        raise SpecDiffError(f"{document.name}: describes no paths, so nothing can be compared")
    if wrong := [key for key in described if not isinstance(data[key], dict)]:
        raise SpecDiffError(f"{document.name}: {wrong[0]} is not an object: correct the document")


def _open(source: str, cache: dict[str, Document], notes: list[Note]) -> Document:
    """Read a file and cache it, because files may refer to each other."""
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
    """Resolve `..`, which git and the cache do not."""
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
                f"{source}: {error.strerror or error}: name a file, or git:REV:path"
            ) from error
    else:
        content = _from_git(source)
    if len(content) > MAX_BYTES:
        raise SpecDiffError(f"{source}: {len(content)} bytes, over the limit of {MAX_BYTES}")
    try:
        return decode(content)
    except UnicodeDecodeError as error:
        raise SpecDiffError(f"{source}: not UTF-8 (byte {error.start})") from error


def _from_git(source: str) -> bytes:
    revision, _, path = source.removeprefix("git:").partition(":")
    if not revision or not path or revision.startswith("-"):
        raise SpecDiffError(f"{source}: write git:REV:path, like git:HEAD:openapi/calling.yaml")
    command = ["git", "cat-file", "blob", f"{revision}:{path}"]
    try:
        done = subprocess.run(command, capture_output=True, check=False)
    except OSError as error:
        raise SpecDiffError(f"{source}: git cannot be run: {error}") from error
    if done.returncode:
        reason = done.stderr.decode("utf-8", "replace").strip()
        raise SpecDiffError(
            f"{source}: git has no such revision or file ({reason}): check with `git log` and "
            "`git ls-tree -r REV`; a shallow clone needs `git fetch --unshallow`"
        )
    return done.stdout
