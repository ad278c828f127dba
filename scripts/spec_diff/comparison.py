"""Compares two documents, operation by operation."""

from collections.abc import Iterator, Mapping
from typing import TypeVar

from .documents import Document, Node
from .findings import Report, Spot, Traced, quoted
from .operations import (
    Operation,
    Scheme,
    contents,
    inside,
    is_required,
    operations,
    outcome,
    parameters,
    reachable,
    requirements,
    schema_of,
    style,
    urls,
)
from .reading import escape
from .schemas import Pair, SchemaComparison
from .shapes import expanded

Key = TypeVar("Key")
Value = TypeVar("Value")


def differences(old: Document, new: Document) -> list[Traced]:
    """Compare two documents.

    Args:
        old: What was known.
        new: What is there now.

    Returns:
        The changes, those that matter most first, without what they touch.

    Raises:
        SpecDiffError: If a reference in one of them cannot be followed, or something is not what
            it has to be in OpenAPI.
    """
    report, schemas = Report(old, new), SchemaComparison(old, new)
    _compare_operations(old, new, report, schemas)
    nowhere = Spot(report)
    _compare_callbacks(old.root, new.root, "webhooks", nowhere)
    _compare_unused(old, new, _Operation(nowhere, schemas))
    versions = [str(info.value.get("version")) if info else None for info in _infos(old, new)]
    if versions[0] != versions[1]:
        places = Node(old, "/info/version", None), Node(new, "/info/version", None)
        nowhere.note("info-version-changed", *places, *versions)
    return report.changes()


def _compare_operations(
    old: Document, new: Document, report: Report, schemas: SchemaComparison
) -> None:
    olds, news = operations(old), operations(new)
    remaining = {path for path, _ in news}
    for (path, _), before, after in _both(olds, news):
        if before and after:
            _Operation(Spot(report, (before, after)), schemas).compare(before, after)
        elif before:
            gone = path not in remaining
            deprecated = "with" if before.is_deprecated else "without"
            kind = f"api{'-path' if gone else ''}-removed-{deprecated}-deprecation"
            node, name = (before.item, before.path) if gone else (before.node, before.name)
            nowhere = Node(new, f"/paths/{escape(before.path)}", None)
            Spot(report, (before,)).note(kind, node, nowhere, name, None)
        elif after:
            nowhere = Node(old, f"/paths/{escape(after.path)}", None)
            Spot(report, (after,)).note("endpoint-added", nowhere, after.node, None, after.name)


def _compare_callbacks(old: Node, new: Node, key: str, spot: Spot) -> None:
    """Compare what the server calls, as a whole: none of it is called from here."""
    for name, before, after in _both(dict(old.members(key)), dict(new.members(key))):
        here = spot.at(f"{key.removesuffix('s')} {quoted(name)}")
        if before and after:
            if expanded(before) != expanded(after):
                here.note("webhook-changed", before, after)
        elif before:
            here.note("webhook-removed", before, inside(new, key), name)
        elif after:
            here.note("webhook-added", inside(old, key), after, None, name)


def _compare_unused(old: Document, new: Document, comparison: "_Operation") -> None:
    """Compare answers that no operation has: overlays give them to operations."""
    used = reachable(inside(old.root, "paths"))
    for name, before, after in _both(_components(old, "responses"), _components(new, "responses")):
        if before and after and before not in used:
            pair = before.resolved().as_object(), after.resolved().as_object()
            comparison.compare_response(*pair, quoted(name))
    for name, before, after in _both(_components(old, "schemas"), _components(new, "schemas")):
        if before and not after and before not in used:
            around = Node(new, "/components/schemas", None)
            comparison.spot.note("api-schema-removed", before, around, name)


class _Operation:
    """Compares an operation, and hands its schemas on.

    Args:
        spot: The operation in either document.
        schemas: Compares schemas.
    """

    def __init__(self, spot: Spot, schemas: SchemaComparison) -> None:
        self.spot = spot
        self._schemas = schemas

    def compare(self, old: Operation, new: Operation) -> None:
        self._naming(old, new)
        self._deprecation(old, new)
        self._servers(old, new)
        self._security(old, new)
        self._parameters(old, new)
        self._request_body(old, new)
        self._responses(old, new)
        _compare_callbacks(old.node, new.node, "callbacks", self.spot)

    def compare_response(self, old: Node, new: Node, status: str) -> None:
        for one, other in self._media(old, new, "response-media-type", self.spot.at(status)):
            self._schema(one, other, "response-body", self.spot.at(f"{status} body"))
        headers = (
            {name.lower(): (name, header) for name, header in node.members("headers")}
            for node in (old, new)
        )
        for key, before, after in _both(*headers):
            name, header = before or after or (key, old)
            spot = self.spot.at(f"{status} header {quoted(name)}")
            if before and after:
                self._header(header, after[1], spot)
            elif before:
                kind = "required" if is_required(header) else "optional"
                spot.note(f"{kind}-response-header-removed", header, inside(new, "headers"), name)
            else:
                spot.note("response-header-added", inside(old, "headers"), header, None, name)

    def _naming(self, old: Operation, new: Operation) -> None:
        if old.id != new.id:
            kind = "api-operation-id-removed" if old.id else "api-operation-id-added"
            places = inside(old.node, "operationId"), inside(new.node, "operationId")
            self.spot.note(kind, *places, old.id, new.id)
        places = inside(old.node, "tags"), inside(new.node, "tags")
        for tag in sorted(old.tags - new.tags):
            self.spot.note("api-tag-removed", *places, tag, None)
        for tag in sorted(new.tags - old.tags):
            self.spot.note("api-tag-added", *places, None, tag)

    def _deprecation(self, old: Operation, new: Operation) -> None:
        before, after = old.sunset, new.sunset
        ends = "-with-sunset" if after else ""
        keys = "endpoint-deprecated" + ends, "endpoint-reactivated"
        self.spot.flag("deprecated", old.node, new.node, *keys)
        if old.is_deprecated and new.is_deprecated and before != after:
            if after is None:
                kind = "sunset-deleted"
            elif before is not None and before < after:  # ISO 8601 sorts by time
                kind = "api-sunset-date-postponed"
            else:
                kind = "api-sunset-date-changed-too-small"
            places = inside(old.node, "x-sunset"), inside(new.node, "x-sunset")
            self.spot.note(kind, *places, before, after)

    def _servers(self, old: Operation, new: Operation) -> None:
        places = old.around("servers"), new.around("servers")
        for url, before, after in _both(urls(old), urls(new)):
            if not after:
                self.spot.note("api-server-removed", *places, url, None)
            elif not before:
                self.spot.note("api-server-added", *places, None, url)

    def _security(self, old: Operation, new: Operation) -> None:
        places = old.around("security"), new.around("security")
        is_global = all(node.pointer in ("", "/security") for node in places)
        scope = "api-global-security" if is_global else "api-security"
        olds, news = requirements(old), requirements(new)
        gone = [one for one in olds if one.meaning not in {other.meaning for other in news}]
        fresh = [one for one in news if one.meaning not in {other.meaning for other in olds}]
        for before in gone:
            same = next((one for one in fresh if one.schemes.keys() == before.schemes.keys()), None)
            if same is None:
                self.spot.note(f"{scope}-removed", *places, before.name, None)
                continue
            fresh.remove(same)
            for name, scheme in before.schemes.items():
                self._scheme(scheme, same.schemes[name], places, self.spot.at(quoted(name)))
        for after in fresh:
            self.spot.note(f"{scope}-added", *places, None, after.name)

    def _scheme(self, old: Scheme, new: Scheme, places: tuple[Node, Node], spot: Spot) -> None:
        for scope in sorted(new.scopes - old.scopes):
            spot.note("api-security-scope-added", *places, None, scope)
        for scope in sorted(old.scopes - new.scopes):
            spot.note("api-security-scope-removed", *places, scope, None)
        if old.type != new.type:
            kind = "api-security-component-type-changed"
            spot.note(kind, old.node, new.node, old.type, new.type)
        elif old.meaning != new.meaning:
            kind = "api-security-component-changed"
            spot.note(kind, old.node, new.node, old.meaning, new.meaning)

    def _parameters(self, old: Operation, new: Operation) -> None:
        for (place, _), before, after in _both(parameters(old), parameters(new)):
            if before and after:
                spot = self.spot.at(f"{_word(place)} parameter {quoted(before.value['name'])}")
                self._parameter(before, after, spot)
            elif before:
                name, around = before.value["name"], inside(new.node, "parameters")
                spot = self.spot.at(f"{_word(place)} parameter {quoted(name)}")
                spot.note("request-parameter-removed", before, around, name)
            elif after:
                name, around = after.value["name"], inside(old.node, "parameters")
                spot = self.spot.at(f"{_word(place)} parameter {quoted(name)}")
                kind = f"new-{'required' if is_required(after) else 'optional'}-request-parameter"
                spot.note(kind, around, after, None, name)

    def _parameter(self, old: Node, new: Node, spot: Spot) -> None:
        role = "request-parameter"
        for keyword, on, off in (
            ("required", "became-required", "became-optional"),
            ("deprecated", "deprecated", "reactivated"),
            ("allowReserved", "became-allow-reserved", "became-not-allow-reserved"),
        ):
            spot.flag(keyword, old, new, f"{role}-{on}", f"{role}-{off}")
        written, other = contents(old), contents(new)
        media, other_media = next(iter(written), None), next(iter(other), None)
        if media != other_media:
            places = inside(old, "content"), inside(new, "content")
            spot.note(f"{role}-content-changed", *places, media, other_media)
        elif media is None:
            self._style(old, new, spot)
        one = written[media] if media else old
        two = other[other_media] if other_media else new
        self._schema(one, two, role, spot)

    def _style(self, old: Node, new: Node, spot: Spot) -> None:
        (one, explode), (other, other_explode) = style(old), style(new)
        single = self._schemas.are_scalar(schema_of(old), schema_of(new))
        if one != other:
            places = inside(old, "style"), inside(new, "style")
            spot.note("request-parameter-style-changed", *places, one, other)
        elif explode != other_explode and not single:
            places = inside(old, "explode"), inside(new, "explode")
            spot.note("request-parameter-explode-changed", *places, explode, other_explode)

    def _request_body(self, old: Operation, new: Operation) -> None:
        before, after = old.node.get("requestBody"), new.node.get("requestBody")
        if before and after:
            kinds = "request-body-became-required", "request-body-became-optional"
            self.spot.flag("required", before, after, *kinds)
            for one, other in self._media(before, after, "request-body-media-type", self.spot):
                self._schema(one, other, "request-body", self.spot.at("request body"))
                parts = inside(one, "encoding"), inside(other, "encoding")
                texts = expanded(parts[0]), expanded(parts[1])
                if texts[0] != texts[1]:
                    self.spot.note("request-body-encoding-changed", *parts, *texts)
        elif before:
            self.spot.note("request-body-removed", before, inside(new.node, "requestBody"))
        elif after:
            kind = f"request-body-added-{'required' if is_required(after) else 'optional'}"
            self.spot.note(kind, inside(old.node, "requestBody"), after)

    def _media(self, old: Node, new: Node, kind: str, spot: Spot) -> Iterator[tuple[Node, Node]]:
        """Note media types that only one side has; yield the others."""
        for name, before, after in _both(contents(old), contents(new)):
            if before and after:
                yield before, after
            elif before:
                spot.note(f"{kind}-removed", before, inside(new, "content"), name)
            elif after:
                spot.note(f"{kind}-added", inside(old, "content"), after, None, name)

    def _responses(self, old: Operation, new: Operation) -> None:
        olds, news = old.responses, new.responses
        places = inside(old.node, "responses"), inside(new.node, "responses")
        for status, before, after in _both(olds, news):
            name, family = _word(status), f"{status[:1]}XX"
            if before and after:
                self.compare_response(before, after, name)
            elif before:
                if around := news.get(family):  # a range that takes its place still answers it
                    self.compare_response(before, around, name)
                elif status != family or not any(one.startswith(status[0]) for one in news):
                    kind = f"response-{outcome(status)}-status-removed"
                    self.spot.note(kind, before, places[1], name)
            elif after:
                if around := olds.get(family):
                    self.compare_response(around, after, name)
                else:
                    kind = f"response-{outcome(status)}-status-added"
                    self.spot.note(kind, places[0], after, None, name)

    def _header(self, old: Node, new: Node, spot: Spot) -> None:
        role = "response-header"
        spot.flag("required", old, new, f"{role}-became-required", f"{role}-became-optional")
        spot.flag("deprecated", old, new, f"{role}-deprecated", f"{role}-reactivated")
        self._schema(old, new, role, spot)

    def _schema(self, old: Node, new: Node, role: str, spot: Spot) -> None:
        """Compare the schemas of two parameters, headers or media types."""
        for finding in self._schemas.findings(Pair(schema_of(old), schema_of(new), role)):
            path = finding.path.removeprefix(".")
            place = f"{spot.place.removesuffix(' body')} {quoted(path)}" if path else spot.place
            spot.report.add(finding, place, spot.operations)


def _word(name: str) -> str:
    """Return a status or a place for people: as it is, unless it is something else."""
    return name.lower() if name.isalnum() else quoted(name)


def _both(
    old: Mapping[Key, Value], new: Mapping[Key, Value]
) -> Iterator[tuple[Key, Value | None, Value | None]]:
    """Yield every key of two mappings with its values; None where it is not."""
    for key in old:
        yield key, old[key], new.get(key)
    for key in new:
        if key not in old:
            yield key, None, new[key]


def _components(document: Document, key: str) -> dict[str, Node]:
    components = document.root.get("components")
    named = components.get(key) if components else None
    return {name: named.child(name) for name in named.value} if named else {}


def _infos(*documents: Document) -> list[Node | None]:
    return [document.root.get("info") for document in documents]
