"""Describe an operation on the wire: paths, servers, security, parameters, contents."""

import itertools
import re
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import attrs

from .documents import DATA, ELSEWHERE, NAMED, Document, Node
from .keywords import canonical
from .model import SpecDiffError
from .reading import escape
from .shapes import Schema

METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace", "query")
WEBHOOKS = "webhooks", "x-webhooks"

_TEMPLATE = re.compile(r"\{([^{}]*)\}")
_MAX_URLS = 1000
_SCHEME = ("type", "in", "name", "scheme", "openIdConnectUrl", ELSEWHERE)  # others are prose
_FLOW = ("authorizationUrl", "tokenUrl", "refreshUrl", "deviceAuthorizationUrl")
_STYLES = {"query": "form", "cookie": "form", "path": "simple", "header": "simple"}
# Described by security, and by the media types of requests and responses.
# Source: https://spec.openapis.org/oas/v3.1.1.html#parameter-object, #response-object
_IGNORED_PARAMETERS = {"accept", "content-type", "authorization"}
_URL = re.compile(r"(?:([a-z][a-z0-9+.-]*):)?//([^/?#]*)(.*)", re.IGNORECASE | re.DOTALL)
_PORTS = {"http": ":80", "https": ":443", "ws": ":80", "wss": ":443"}
_UNRESERVED = re.compile("%(2d|2e|5f|7e|3[0-9]|[46][1-9a-f]|[57][0-9a])", re.IGNORECASE)

Key: TypeAlias = tuple[str, str]


@attrs.frozen
class Operation:
    """A method of a path, or an event, which is a request of a webhook or callback.

    Attributes:
        path: The path as written; for an event, its name.
        method: The method in lower case.
        node: The operation.
        item: Its path item.
        event: The kind of event, `webhook` or `callback`; None for an operation that we call.
        owner: The operation that causes a callback; None for others.
    """

    path: str
    method: str
    node: Node
    item: Node
    event: str | None = None
    owner: "Operation | None" = None

    @property
    def name(self) -> str:
        """Method and path, or the name of the event, for messages."""
        if self.event is None:
            return f"{self.method.upper()} {self.path}"
        return (
            f"{self.owner.name} {self.event} {self.path}"
            if self.owner
            else (f"{self.event} {self.path}")
        )

    @property
    def id(self) -> str | None:
        """The operationId."""
        found = self.node.value.get("operationId")
        return found if isinstance(found, str) else None

    @property
    def is_deprecated(self) -> bool:
        """Whether it is deprecated."""
        return self.node.value.get("deprecated") is True

    @property
    def sunset(self) -> str | None:
        """The date of its end, `x-sunset`."""
        return str(self.node.value["x-sunset"]) if "x-sunset" in self.node.value else None

    @property
    def tags(self) -> set[str]:
        """Its tags."""
        return {str(tag.value) for tag in self.node.items("tags")}

    @property
    def responses(self) -> dict[str, Node]:
        """Its responses by status, with ranges in upper case."""
        return {status.upper(): node for status, node in self.node.members("responses")}

    def around(self, key: str) -> Node:
        """Return the applicable servers or security: its own, the path's or the document's.

        Without any, return the root of the document.
        """
        root = self.node.document.root
        for node in (self.node, self.item, root):
            if node.value.get(key) is not None:
                return node.child(key)
        return root


def operations(document: Document) -> dict[Key, Operation]:
    """Return the operations of a document by path and method.

    Raises:
        SpecDiffError: If a path item is not an object, or a reference cannot be followed.
    """
    paths = document.root.get("paths")
    found = [(path, paths.child(path)) for path in paths.value] if paths else []
    return {
        (path, method): Operation(path, method, node, item)
        for path, place in found
        if path.startswith("/")
        for method, node, item in _methods(place)
    }


def webhooks(document: Document) -> list[Operation]:
    """Return the events of the webhooks of a document, including `x-webhooks`.

    Raises:
        SpecDiffError: As `operations`.
    """
    return [
        Operation(name, method, node, item, "webhook")
        for key in WEBHOOKS
        for name, place in document.root.members(key)
        for method, node, item in _methods(place)
    ]


def callbacks(operation: Operation) -> list[Operation]:
    """Return the events of the callbacks of an operation.

    Raises:
        SpecDiffError: As `operations`.
    """
    return [
        Operation(f"{name} {expression}".rstrip(), method, node, item, "callback", operation)
        for name, callback in operation.node.members("callbacks")
        for expression, place in _expressions(callback)
        for method, node, item in _methods(place)
    ]


def _expressions(callback: Node) -> Iterator[tuple[str, Node]]:
    if callback.elsewhere:
        yield "", callback
        return
    for expression in callback.value:
        if not expression.startswith("x-"):
            yield expression, callback.child(expression)


def _methods(place: Node) -> Iterator[tuple[str, Node, Node]]:
    """Yield each method of a path item, with its operation and the item that contains it.

    A reference can have further methods as siblings. An external reference has the method `*`.
    """
    items = [place.resolved().as_object()]
    if items[0] != place:
        items.insert(0, place)
    seen = set[str]()
    for item in items:
        if item.elsewhere:
            yield "*", item, item
        more = item.value.get("additionalOperations")
        for method in (*METHODS, *(more if isinstance(more, dict) else ())):
            around = item if method in METHODS else item.child("additionalOperations")
            if (node := around.get(method)) is not None and method.lower() not in seen:
                seen.add(method.lower())
                yield method.lower(), node, item


Pairs: TypeAlias = list[tuple[Operation, Operation]]


def paired(
    olds: Sequence[Operation], news: Sequence[Operation]
) -> tuple[Pairs, list[Operation], list[Operation]]:
    """Find each operation of one document in another.

    Operations with the same path and address match first, then those with the same address: a part
    may have moved from the server to the path, and parameters may have other names. Then come the
    same path on other servers, and paths that differ only in parameter names.

    Returns:
        The pairs, the operations only in the first document, and those only in the second.
    """
    pairs, left, right = Pairs(), list(olds), list(news)
    at = {one: list(addresses(one)) for one in (*olds, *news)}

    def settle(keys: Callable[[Operation], Iterable[Hashable]]) -> None:
        where = dict[Hashable, list[Operation]]()
        for one in right:
            for key in keys(one):
                where.setdefault(key, []).append(one)
        taken = set[Operation]()
        for one in list(left):
            known = (other for key in keys(one) for other in where.get(key, ()))
            if found := next((other for other in known if other not in taken), None):
                pairs.append((one, found))
                taken.add(found)
                left.remove(one)
        right[:] = [one for one in right if one not in taken]

    settle(lambda one: [(one.method, one.path, key) for key in at[one]])
    settle(lambda one: [(one.method, one.id, key) for key in at[one] if one.id])
    settle(lambda one: [(one.method, key) for key in at[one]])
    settle(lambda one: [(one.method, one.path)])
    settle(lambda one: [(one.method, anonymous(one.path), one.id)] if one.id else [])
    settle(lambda one: [(one.method, anonymous(one.path))])
    return pairs, left, right


def paired_events(
    olds: Sequence[Operation], news: Sequence[Operation]
) -> tuple[Pairs, list[Operation], list[Operation]]:
    """Find each event of one document in another, by its name or else its operationId.

    For callbacks, the address alone is the last criterion: their names are arbitrary.
    """
    pairs, left, right = Pairs(), list(olds), list(news)
    keys: list[Callable[[Operation], Hashable]] = [
        lambda one: (one.method, one.path),
        lambda one: (one.method, one.id) if one.id else None,
        lambda one: (one.method, one.path.partition(" ")[2]) if one.event == "callback" else None,
    ]
    for key in keys:
        for one in list(left):
            if key(one) is None:
                continue
            other = next((other for other in right if key(other) == key(one)), None)
            if other is not None:
                pairs.append((one, other))
                left.remove(one)
                right.remove(other)
    return pairs, left, right


def anonymous(path: str) -> str:
    """Return a path without parameter names: `/a/{id}` and `/a/{name}` are equal."""
    return _TEMPLATE.sub("{}", path)


@attrs.frozen
class Scheme:
    """A security scheme with the required scopes."""

    node: Node
    scopes: frozenset[str]

    @property
    def type(self) -> str:
        """The type of the scheme."""
        return str(self.node.value.get("type"))

    @property
    def meaning(self) -> str:
        """The scheme without prose and without the list of available scopes."""
        said = {key: self.node.value[key] for key in _SCHEME if key in self.node.value}
        if "flows" in self.node.value:
            said["flows"] = {
                name: {key: flow.value[key] for key in _FLOW if key in flow.value}
                for name, flow in self.node.members("flows")
                if not name.startswith("x-")
            }
        if said.get("type") == "http":
            said["scheme"] = str(said.get("scheme")).lower()
        if said.get("in") == "header":
            said["name"] = str(said.get("name")).lower()
        return canonical(said)


@attrs.frozen
class Requirement:
    """A way to authenticate: the schemes required together, by name."""

    schemes: Mapping[str, Scheme]

    @property
    def meaning(self) -> frozenset[tuple[str, frozenset[str]]]:
        """The schemes and scopes without the names."""
        return frozenset((scheme.meaning, scheme.scopes) for scheme in self.schemes.values())

    @property
    def name(self) -> str:
        """The names of the schemes, for messages."""
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
            pointer = f"/components/securitySchemes/{escape(name)}"
            scheme = around.document.root.below(pointer)
            # A name without a scheme stands for itself.
            scheme = scheme or Node(around.document, pointer, {"type": name})
            scopes = frozenset(map(str, _values(scopes)))
            schemes[name] = Scheme(scheme.resolved().as_object(), scopes)
        found.append(Requirement(schemes))
    return found


def parameters(operation: Operation) -> dict[Key, Node]:
    """Return the parameters of an operation by place and name; path parameters by position.

    Headers that OpenAPI describes in other ways are ignored as parameters.
    """
    positions = {name: str(i) for i, name in enumerate(_TEMPLATE.findall(operation.path))}
    found = dict[Key, Node]()
    for around in (operation.item, operation.node):
        for node in around.items("parameters"):
            node.as_object()
            if url := node.elsewhere:
                said = node.value | {"name": url}
                found["elsewhere", url] = Node(node.document, node.pointer, said)
                continue
            place, name = str(node.value.get("in")), node.value.get("name")
            if not isinstance(name, str):
                raise SpecDiffError(f"{node.name}: a parameter needs a name")
            key = name.lower() if place == "header" else name
            if place == "header" and key in _IGNORED_PARAMETERS:
                continue
            found[place, positions.get(name, name) if place == "path" else key] = node
    return found


def style(parameter: Node) -> tuple[str, bool]:
    style = parameter.value.get("style", _STYLES.get(str(parameter.value.get("in")), "simple"))
    return style, parameter.value.get("explode", style == "form")


def contents(node: Node) -> dict[str, Node]:
    """Return media types in one spelling; a charset does not change the meaning of JSON."""
    found = dict[str, Node]()
    for name, media in node.members("content"):
        parts = (part.strip() for part in name.lower().split(";"))
        found[";".join(part for part in parts if not part.startswith("charset="))] = media
    return found


def encodings(media: Node) -> dict[str, dict[str, Any]]:
    """Return the encoding of each part of a body, as far as it differs from the default."""
    found = dict[str, dict[str, Any]]()
    for name, part in media.members("encoding"):
        way = part.value.get("style", "form")
        kinds = str(part.value.get("contentType", "")).lower().split(",")
        said = {
            "types": sorted(kind.strip() for kind in kinds if kind.strip()),
            "style": way,
            "explode": part.value.get("explode", way == "form"),
            "reserved": part.value.get("allowReserved") is True,
        }
        usual = {"types": [], "style": "form", "explode": True, "reserved": False}
        if said != usual:
            found[name] = {key: said[key] for key in said if said[key] != usual[key]}
    return found


def headers(response: Node) -> dict[str, tuple[str, Node]]:
    """Return the headers of a response by lower-case name, each with its name as written."""
    found = {name.lower(): (name, header) for name, header in response.members("headers")}
    found.pop("content-type", None)
    return found


def reachable(document: Document) -> set[Node]:
    """Return all direct and indirect targets of references in operations and webhooks."""
    found, starts = set[Node](), ("paths", *WEBHOOKS)
    todo = [(inside(document.root, key), True) for key in starts if key in document.data]
    while todo:
        node, is_named = todo.pop()
        if not isinstance(node.value, dict):
            todo += [(child, False) for child in node.children()]
            continue
        if isinstance(node.value.get("$ref"), str) and not is_named:
            target = node.follow()
            if target not in found:
                found.add(target)
                todo.append((target, False))
        for child in node.children():
            key = child.key
            if is_named or not (key in DATA or key.startswith("x-")):
                todo.append((child, not is_named and key in NAMED))
    return found


def schema_of(node: Node) -> Schema:
    """Return the schema of a parameter, header or media type; without one, that for anything."""
    if "schema" in node.value:
        return (node.child("schema"),)
    if "itemSchema" in node.value:  # 3.2: a stream of items
        items = {"type": "array", "items": node.value["itemSchema"]}
        return (Node(node.document, f"{node.pointer}/itemSchema", items),)
    return (Node(node.document, f"{node.pointer}/schema", {}),)


def inside(node: Node, key: str) -> Node:
    """Return a member, which may be absent."""
    return Node(node.document, f"{node.pointer}/{key}", node.value.get(key))


def is_required(node: Node) -> bool:
    """Tell whether a node is required; an external reference counts as required."""
    return node.value.get("required") is True or node.elsewhere is not None


def outcome(status: str) -> str:
    return "success" if status.startswith(("2", "3")) else "non-success"


def addresses(operation: Operation) -> dict[str, str]:
    """Return the addresses of an operation in one spelling, each with its server.

    A server has an address for every value of every variable that lists its values.
    """
    path = anonymous(operation.path)
    return {f"{_normal(url)}{path}": url for url in urls(operation)}


def urls(operation: Operation) -> list[str]:
    """Return the URLs of servers, with every value of every variable that lists its values."""
    around = operation.around("servers")
    if not around.pointer or around.value == []:
        return ["/"]
    found = list[str]()
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
            found.append(url.rstrip("/") or "/")
    return found


def _normal(url: str) -> str:
    """Return a server's URL in one spelling.

    Source: https://www.rfc-editor.org/rfc/rfc3986#section-6.2
    """
    url = _UNRESERVED.sub(lambda found: chr(int(found[1], 16)), url).rstrip("/")
    if not (found := _URL.match(url)):
        return url
    scheme, host = (found[1] or "").lower(), found[2].lower()
    host = host.removesuffix(_PORTS.get(scheme, ":")).removesuffix(":")
    return f"{scheme}://{host}{found[3]}"


def _values(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
