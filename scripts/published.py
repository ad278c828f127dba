"""Fetch the vendor's published document within limits and reduce it to our operations.

The document is data only. An error names the problem: too slow, too large, cut off, moved to
another host, or not a document. `spec_diff.parse` validates the rest.
"""

import asyncio
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import unquote

import attrs
import httpx
from spec_diff import Document, Node, SpecDiffError
from spec_diff.documents import escape
from spec_diff.operations import WEBHOOKS, webhooks
from spec_diff.reading import decode

METHODS = "get put post delete options head patch trace".split()
_KEPT = "openapi", "info", "security"


class PublishedError(Exception):
    """A document is not available; the message says which one and why."""


@attrs.frozen
class Limits:
    """Limits for fetching and reading a document.

    Attributes:
        seconds: The longest time for fetching, redirects included.
        redirects: The largest number of redirects.
        size: The largest size of a document, in bytes.
    """

    seconds: float = 60
    redirects: int = 3
    size: int = 4 * 2**20


LIMITS = Limits()


@attrs.frozen
class Operation:
    """An operation of a document, as seen on the wire.

    Attributes:
        method: The method in lower case.
        path: The path as written in the document.
        base: The path of the server's URL, which precedes `path`.
        servers: Its servers, as objects of the document.
    """

    method: str
    path: str
    base: str
    servers: list[Any] = attrs.field(eq=False, repr=False)

    @property
    def name(self) -> str:
        """Method and path, such as `GET /counters/{id}`."""
        return f"{self.method.upper()} {self.path}"

    @property
    def wire(self) -> tuple[str, str]:
        """A key that is equal in two documents for the same request."""
        return self.method, _anonymous(self.base + self.path)


def fetch(url: str, limits: Limits = LIMITS) -> bytes:
    """Fetch a document over https, from a host trusted by the system or `SSL_CERT_FILE`.

    Redirects are followed only within the same host and port: a maintainer must review a move to
    another host.

    Args:
        url: The address of the document.
        limits: The limits.

    Returns:
        The complete document as sent.

    Raises:
        PublishedError: If the document does not exist or exceeds a limit.
    """
    return asyncio.run(_fetch(url, limits))


def text(content: bytes, name: str, limits: Limits = LIMITS) -> str:
    """Decode the content of a document and check that it is plausible.

    Args:
        content: The fetched or read bytes.
        name: The name of the document in errors.
        limits: The limits.

    Raises:
        PublishedError: If the content is empty, too large, a web page, or not text.
    """
    if len(content) > limits.size:
        raise PublishedError(f"{name}: over the limit of {limits.size} bytes")
    try:
        result = decode(content)
    except UnicodeDecodeError as error:
        raise PublishedError(f"{name}: not UTF-8 at byte {error.start}") from error
    start = result.lstrip()
    if not start:
        raise PublishedError(f"{name}: empty")
    if start.startswith("<"):
        raise PublishedError(f"{name}: a web page or XML, not YAML or JSON")
    return result


def operations(document: Document) -> list[Operation]:
    """List the operations of a document, without webhooks and callbacks.

    Raises:
        SpecDiffError: If a path or its servers are malformed.
    """
    found = []
    for path, item in document.root.members("paths"):
        for method in METHODS:
            if (operation := item.get(method)) and isinstance(operation.value, dict):
                nearest = (_server_list(node) for node in (operation, item, document.root))
                servers = next(filter(None, nearest), [])
                try:
                    found.append(Operation(method, path, _base(servers), servers))
                except (AttributeError, KeyError, TypeError, ValueError) as error:
                    raise SpecDiffError(f"{operation.name}: its servers are malformed") from error
    return found


def counterparts(
    vendored: Iterable[Operation], published: Iterable[Operation]
) -> dict[Operation, Operation | None]:
    """Find the published counterpart of each vendored operation.

    The first criterion is method and full path, including the server's part and regardless of
    parameter names; then the path as written; then the path in any case. Other servers or spellings
    still match: the comparison reports them as changes.

    Returns:
        The published operation for each vendored one; None without a counterpart.
    """
    on_the_wire = {operation.wire: operation for operation in published}
    as_written = {(one.method, _anonymous(one.path)): one for one in on_the_wire.values()}
    spoken = {(one.method, _spoken(one.path)): one for one in on_the_wire.values()}
    return {
        one: on_the_wire.get(one.wire)
        or as_written.get((one.method, _anonymous(one.path)))
        or spoken.get((one.method, _spoken(one.path)))
        for one in vendored
    }


def reduced(
    document: Document, kept: Mapping[Operation, str], events: Collection[str] = ()
) -> Document:
    """Reduce a document to some operations, some webhooks and the components they refer to.

    Args:
        document: The document, which is not modified.
        kept: The operations, each with the base for its path: a part of the address may belong to
            the server in one document and to the path in another.
        events: The webhooks, such as `webhook ice`.

    Returns:
        The reduced document, with the line numbers of the whole one.

    Raises:
        SpecDiffError: If a path is malformed.
    """
    items = dict(document.root.members("paths"))
    paths, servers, lines = dict[str, Any](), list[Any](), dict(document.lines)
    for operation, base in kept.items():
        item, path, here = items[operation.path], operation.path, operation.servers
        if operation.base != base and (full := operation.base + path).startswith(f"{base}/"):
            path = full.removeprefix(base)
            here = [_rebased(server, operation.base, base) for server in here]
            lines |= _moved(lines, item.pointer, f"/paths/{escape(path)}")
        servers = servers or here
        # The servers of the first operation become those of the document.
        paths.setdefault(path, _without(item.value, *METHODS, "servers"))
        paths[path][operation.method] = _without(item.value[operation.method], "servers")
        if here != servers:
            paths[path][operation.method]["servers"] = here
    data = {key: document.data[key] for key in _KEPT if key in document.data}
    data |= {"servers": servers, "paths": paths}
    for event in webhooks(document) if events else ():
        if event.name in events:
            item = data.setdefault("webhooks", {}).setdefault(event.path, {})
            item[event.method] = event.node.value
            lines |= _moved(lines, event.item.pointer, f"/webhooks/{escape(event.path)}")
    data["components"] = _components(document, data)
    return attrs.evolve(document, data=data, lines=lines)


def without(
    document: Document, gone: Iterable[Operation], events: Collection[str] = ()
) -> Document:
    """Return a document without some operations and webhooks."""
    paths = {path: dict(item) for path, item in document.data["paths"].items()}
    for operation in gone:
        del paths[operation.path][operation.method]
    data = document.data | {"paths": paths}
    for key in WEBHOOKS:
        if isinstance(items := data.get(key), dict):
            data[key] = {
                name: item for name, item in items.items() if f"webhook {name}" not in events
            }
    return attrs.evolve(document, data=data)


def of_same_name(ours: Document, theirs: Document, whole: Document) -> tuple[Document, Document]:
    """Find the request schemas of our operations that are published only outside theirs.

    SVAML is sent in requests and in answers to callbacks. The vendor documents fewer actions for
    requests than actually work, so changes of the others appear only in the schemas of callbacks.
    Schemas are matched by name.

    Args:
        ours: The vendored document.
        theirs: The published document, reduced to the same operations.
        whole: The complete published document.

    Returns:
        Two documents of our operations, whose requests consist of those schemas alone.
    """
    published = _schemas(whole.data.get("components"))
    names = published.keys() - _schemas(theirs.data["components"]).keys()
    paths = dict[str, Any]()
    for path, item in ours.data["paths"].items():
        for method in METHODS:
            body = item.get(method, {}).get("requestBody", {})
            sent = {
                name: {"$ref": f"#/components/schemas/{escape(name)}"}
                for name in _schemas(_components(ours, body))
                if name in names
            }
            if sent:
                content = {"schema": {"type": "object", "properties": sent}}
                paths.setdefault(path, {})[method] = {
                    "operationId": item[method].get("operationId"),
                    "requestBody": {"content": {"application/json": content}},
                }
    # With all components of ours, because overlays refer to them.
    before = {"openapi": ours.data["openapi"], "components": ours.data.get("components", {})}
    after = {"openapi": whole.data["openapi"], "components": _components(whole, paths)}
    return (
        attrs.evolve(ours, data=before | {"paths": paths}),
        attrs.evolve(whole, data=after | {"paths": paths}),
    )


async def _fetch(url: str, limits: Limits) -> bytes:
    # One deadline for everything: the timeouts of httpx restart with every byte.
    try:
        async with (
            asyncio.timeout(limits.seconds),
            httpx.AsyncClient(timeout=limits.seconds) as client,
        ):
            return await _follow(client, url, limits)
    except TimeoutError as error:
        raise PublishedError(f"{url}: not complete after {limits.seconds:g} s") from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        reason = str(error) or type(error).__name__
        raise PublishedError(f"{url}: {reason}") from error


async def _follow(client: httpx.AsyncClient, url: str, limits: Limits) -> bytes:
    target = httpx.URL(url)
    for _ in range(limits.redirects + 1):
        if target.userinfo:
            raise PublishedError(
                f"{target!r}: has a name or password, which would be reported: remove it"
            )
        if target.scheme != "https":
            raise PublishedError(f"{target}: not an https address")
        # Uncompressed, so that the size limit holds before the content is in memory.
        headers = {"Accept-Encoding": "identity"}
        async with client.stream("GET", target, headers=headers) as response:
            if not response.has_redirect_location:
                return await _content(response, limits)
            location = target.join(response.headers["location"])
        if _origin(location) != _origin(target):
            raise PublishedError(
                f"{target}: moved to {location}, another host: if it belongs to the publisher, "
                "set it as the url in openapi/specs.lock"
            )
        target = location
    raise PublishedError(f"{url}: more than {limits.redirects} redirects")


async def _content(response: httpx.Response, limits: Limits) -> bytes:
    url, headers = response.url, response.headers
    if response.status_code != httpx.codes.OK:
        raise PublishedError(f"{url}: HTTP {response.status_code} instead of 200")
    if "html" in headers.get("content-type", ""):
        raise PublishedError(f"{url}: a web page ({headers['content-type']})")
    if encoding := headers.get("content-encoding", "").replace("identity", ""):
        raise PublishedError(f"{url}: compressed ({encoding}) without being requested")
    if "content-length" not in headers and "transfer-encoding" not in headers:
        raise PublishedError(f"{url}: has no length, so completeness cannot be checked")
    content = bytearray()
    async for part in response.aiter_raw():
        content += part
        if len(content) > limits.size:
            raise PublishedError(f"{url}: over the limit of {limits.size} bytes")
    return bytes(content)


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port


def _server_list(node: Node) -> list[Any]:
    return [server.value for server in node.items("servers")]


def _base(servers: list[Any]) -> str:
    """Return the path of the first server's URL, with its variables at their defaults."""
    if not servers:
        return ""
    url = servers[0]["url"]
    for name, variable in servers[0].get("variables", {}).items():
        url = url.replace(f"{{{name}}}", variable["default"])
    # Validators accept URLs that urlsplit refuses, such as `https://[`.
    path = re.split("[?#]", re.sub(r"^(?:[A-Za-z][A-Za-z0-9+.-]*:)?//[^/?#]*", "", url))[0]
    return path.rstrip("/")


def _rebased(server: dict[str, Any], old: str, new: str) -> dict[str, Any]:
    return server | {"url": server["url"].rstrip("/").removesuffix(old) + new}


def _moved(lines: Mapping[str, int], old: str, new: str) -> dict[str, int]:
    """Return the lines of a pointer and everything below it, under another pointer."""
    return {
        new + pointer.removeprefix(old): line
        for pointer, line in lines.items()
        if pointer == old or pointer.startswith(f"{old}/")
    }


def _components(document: Document, data: dict[str, Any]) -> dict[str, Any]:
    """Return the components that a part of a document refers to, directly or indirectly."""
    kept = dict[str, dict[str, Any]]()
    wanted = list(_references(data))
    while wanted:
        section, name = wanted.pop()
        content = document.root.value
        for key in ("components", section, name):
            content = content.get(key) if isinstance(content, dict) else None
        if content is not None and name not in kept.setdefault(section, {}):
            kept[section][name] = content
            wanted.extend(_references(content))
    return kept


def _schemas(components: Any) -> dict[str, Any]:
    schemas = components.get("schemas") if isinstance(components, dict) else None
    return schemas if isinstance(schemas, dict) else {}


def _references(part: Any) -> Iterator[tuple[str, str]]:
    """Yield the section and name of every component named anywhere in a part of a document.

    An example that looks like a reference is harmless: one component too many is kept.
    """
    values = [part]
    while values:
        value = values.pop()
        if isinstance(value, list):
            values.extend(value)
        if not isinstance(value, dict):
            continue
        values.extend(value.values())
        security, mapping = value.get("security"), value.get("mapping")
        for requirement in security if isinstance(security, list) else []:
            if isinstance(requirement, dict):
                yield from (("securitySchemes", name) for name in requirement)
        named = mapping.values() if isinstance(mapping, dict) else []
        for reference in (value.get("$ref"), *named):
            if isinstance(reference, str):
                tokens = reference.split("/")
                if tokens[:2] == ["#", "components"] and len(tokens) > 3:
                    yield tokens[2], unquote(tokens[3]).replace("~1", "/").replace("~0", "~")
                elif "/" not in reference:
                    yield "schemas", reference


def _without(value: dict[str, Any], *keys: str) -> dict[str, Any]:
    return {key: inner for key, inner in value.items() if key not in keys}


def _spoken(path: str) -> str:
    return _anonymous(path).casefold().rstrip("/")


def _anonymous(path: str) -> str:
    return re.sub(r"\{[^{}/]*\}", "{}", path)
