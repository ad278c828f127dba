"""What an operation is on the wire: paths, servers, security, parameters, contents."""

import itertools
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from .documents import Document, Node
from .model import SpecDiffError
from .reading import escape
from .shapes import Schema, canonical

METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")

_TEMPLATE = re.compile(r"\{([^{}]*)\}")
_MAX_URLS = 1000
_SCHEME = ("type", "in", "name", "scheme", "flows", "openIdConnectUrl")  # the rest is prose
_STYLES = {"query": "form", "cookie": "form", "path": "simple", "header": "simple"}

Key: TypeAlias = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Operation:
    """A method of a path.

    Attributes:
        path: The path, as it is written.
        method: The method, in lower case.
        node: The operation.
        item: The path item around it.
    """

    path: str
    method: str
    node: Node
    item: Node

    @property
    def name(self) -> str:
        """Method and path, for people."""
        return f"{self.method.upper()} {self.path}"

    @property
    def id(self) -> str | None:
        """The operationId."""
        found = self.node.value.get("operationId")
        return found if isinstance(found, str) else None

    @property
    def is_deprecated(self) -> bool:
        """Whether it should not be used any more."""
        return self.node.value.get("deprecated") is True

    @property
    def sunset(self) -> str | None:
        """The date at which it ends."""
        return str(self.node.value["x-sunset"]) if "x-sunset" in self.node.value else None

    @property
    def tags(self) -> set[str]:
        """Its tags."""
        return {str(tag.value) for tag in self.node.items("tags")}

    @property
    def responses(self) -> dict[str, Node]:
        """Its responses by status, ranges in capitals."""
        return {status.upper(): node for status, node in self.node.members("responses")}

    def around(self, key: str) -> Node:
        """Return servers or security as they apply here: its own, the path's or the document's.

        Without any, the document.
        """
        root = self.node.document.root
        for node in (self.node, self.item, root):
            if node.value.get(key) is not None:
                return node.child(key)
        return root


def operations(document: Document) -> dict[Key, Operation]:
    """Return the operations of a document by wire path and method.

    The names of path parameters do not count: `/a/{id}` and `/a/{name}` are one wire path.

    Raises:
        SpecDiffError: If a path item is no object, or a reference that cannot be followed.
    """
    found = dict[Key, Operation]()
    for path, item in document.root.members("paths"):
        if not path.startswith("/"):
            continue
        for method in METHODS:
            if (node := item.get(method)) is not None:
                operation = Operation(path, method, node, item)
                found.setdefault((_TEMPLATE.sub("{}", path), method), operation)
    return found


@dataclass(frozen=True, slots=True)
class Scheme:
    """A security scheme, and what is asked of it."""

    node: Node
    scopes: frozenset[str]

    @property
    def type(self) -> str:
        """What kind of scheme it is."""
        return str(self.node.value.get("type"))

    @property
    def meaning(self) -> str:
        """The scheme as it stands, without prose."""
        said = {key: self.node.value[key] for key in _SCHEME if key in self.node.value}
        if said.get("type") == "http":
            said["scheme"] = str(said.get("scheme")).lower()
        if said.get("in") == "header":
            said["name"] = str(said.get("name")).lower()
        return canonical(said)


@dataclass(frozen=True, slots=True)
class Requirement:
    """One way to authenticate: schemes that are needed together, by name."""

    schemes: Mapping[str, Scheme]

    @property
    def meaning(self) -> frozenset[tuple[str, frozenset[str]]]:
        """What it comes to, whatever the schemes are called."""
        return frozenset((scheme.meaning, scheme.scopes) for scheme in self.schemes.values())

    @property
    def name(self) -> str:
        """The names of the schemes, for people."""
        return " + ".join(sorted(self.schemes)) or "none"


def requirements(operation: Operation) -> list[Requirement]:
    """Return the ways to authenticate."""
    around = operation.around("security")
    if not around.pointer or around.value == []:
        return [Requirement({})]
    found = list[Requirement]()
    for item in around.objects():
        schemes = dict[str, Scheme]()
        for name, scopes in item.value.items():
            reference = f"#/components/securitySchemes/{escape(name)}"
            scheme = around.document.resolve(reference).resolved()
            schemes[name] = Scheme(scheme.as_object(), frozenset(map(str, _values(scopes))))
        found.append(Requirement(schemes))
    return found


def parameters(operation: Operation) -> dict[Key, Node]:
    """Return the parameters of an operation by place and name, those in the path by position."""
    positions = {name: str(i) for i, name in enumerate(_TEMPLATE.findall(operation.path))}
    found = dict[Key, Node]()
    for around in (operation.item, operation.node):
        for node in around.items("parameters"):
            node.as_object()
            place, name = str(node.value.get("in")), node.value.get("name")
            if not isinstance(name, str):
                raise SpecDiffError(f"{node.name}: a parameter needs a name")
            key = name.lower() if place == "header" else name
            found[place, positions.get(name, name) if place == "path" else key] = node
    return found


def style(parameter: Node) -> tuple[str, bool]:
    style = parameter.value.get("style", _STYLES.get(str(parameter.value.get("in")), "simple"))
    return style, parameter.value.get("explode", style == "form")


def contents(node: Node) -> dict[str, Node]:
    """Return media types in one spelling; a character set does not change the meaning of JSON."""
    found = dict[str, Node]()
    for name, media in node.members("content"):
        parts = (part.strip() for part in name.lower().split(";"))
        found[";".join(part for part in parts if not part.startswith("charset="))] = media
    return found


def reachable(start: Node) -> set[Node]:
    """Return all that references below a node lead to, directly or not."""
    found, todo = set[Node](), [start]
    while todo:
        node = todo.pop()
        keys: Iterable[str | int] = ()
        if isinstance(node.value, dict):
            keys = node.value
            reference = node.value.get("$ref")
            if isinstance(reference, str):
                target = node.document.resolve(reference)
                if target not in found:
                    found.add(target)
                    todo.append(target)
        elif isinstance(node.value, list):
            keys = range(len(node.value))
        todo += [node.child(key) for key in keys]
    return found


def schema_of(node: Node) -> Schema:
    """Return the schema of a parameter, a header or a media type; none is a schema for anything."""
    if "schema" in node.value:
        return (node.child("schema"),)
    return (Node(node.document, f"{node.pointer}/schema", {}),)


def inside(node: Node, key: str) -> Node:
    """Return a member, which may be absent."""
    return Node(node.document, f"{node.pointer}/{key}", node.value.get(key))


def is_required(node: Node) -> bool:
    return node.value.get("required") is True


def outcome(status: str) -> str:
    return "success" if status.startswith(("2", "3")) else "non-success"


def urls(operation: Operation) -> dict[str, str]:
    """Return the addresses of servers, with every value of every variable that lists its values."""
    around = operation.around("servers")
    if not around.pointer or around.value == []:
        return {"/": "/"}
    found = dict[str, str]()
    for server in around.objects():
        template = str(server.value.get("url"))
        variables = dict(server.members("variables"))
        names = [name for name in _TEMPLATE.findall(template) if name in variables]
        choices = [
            _values(variables[name].value.get("enum")) or [variables[name].value.get("default")]
            for name in names
        ]
        for values in itertools.islice(itertools.product(*choices), _MAX_URLS):
            url = template
            for name, value in zip(names, values, strict=True):
                url = url.replace(f"{{{name}}}", str(value))
            url = url.rstrip("/") or "/"
            found[url] = url
    return found


def _values(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
