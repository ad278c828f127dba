"""Compares two documents, operation by operation."""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from .documents import Document, Node, escape
from .findings import Finding, Report, Traced, quoted
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
from .schemas import Pair, SchemaComparison
from .shapes import expanded

Pairing: TypeAlias = tuple[Operation, Operation]


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
    comparison = _Comparison(old, new)
    comparison.run()
    return comparison.report.changes()


class _Comparison:
    """Compares all but schemas itself, and hands those on."""

    def __init__(self, old: Document, new: Document) -> None:
        self._old = old
        self._new = new
        self._schemas = SchemaComparison(old, new)
        self.report = Report(old, new)

    def run(self) -> None:
        olds, news = operations(self._old), operations(self._new)
        for key, old in olds.items():
            if key in news:
                self._operation(old, news[key])
            else:
                whole = not any(path == key[0] for path, _ in news)
                self._removed(old, whole=whole)
        for key, new in news.items():
            if key not in olds:
                paths = self._old.root.child("paths") if olds else self._old.root
                self.report.add(
                    Finding("endpoint-added", paths, new.node, None, new.name), "", [new]
                )
        self._version()
        self._callbacks(self._old.root, self._new.root, "webhooks", ())
        self._unused()

    def _removed(self, old: Operation, *, whole: bool) -> None:
        deprecated = "with" if old.is_deprecated else "without"
        kind = f"api{'-path' if whole else ''}-removed-{deprecated}-deprecation"
        paths = Node(self._new, f"/paths/{escape(old.path)}", None)
        node, name = (old.item, old.path) if whole else (old.node, old.name)
        self.report.add(Finding(kind, node, paths, name, None), "", [old])

    def _operation(self, old: Operation, new: Operation) -> None:
        at = old, new
        self._naming(old, new)
        self._deprecation(old, new)
        self._servers(at)
        self._security(at)
        self._parameters(at)
        self._request_body(at)
        self._responses(old.node, new.node, at)
        self._callbacks(old.node, new.node, "callbacks", at)

    def _naming(self, old: Operation, new: Operation) -> None:
        at, places = (old, new), (inside(old.node, "operationId"), inside(new.node, "operationId"))
        if old.id != new.id:
            kind = "api-operation-id-removed" if old.id else "api-operation-id-added"
            self.report.add(Finding(kind, *places, old.id, new.id), "", at)
        tags = [
            {str(tag.value) for tag in one.node.items("tags")}
            if "tags" in one.node.value
            else set()
            for one in at
        ]
        places = inside(old.node, "tags"), inside(new.node, "tags")
        for tag in sorted(tags[0] - tags[1]):
            self.report.add(Finding("api-tag-removed", *places, tag, None), "", at)
        for tag in sorted(tags[1] - tags[0]):
            self.report.add(Finding("api-tag-added", *places, None, tag), "", at)

    def _deprecation(self, old: Operation, new: Operation) -> None:
        at = old, new
        ends = [
            str(one.node.value["x-sunset"]) if "x-sunset" in one.node.value else None for one in at
        ]
        if old.is_deprecated != new.is_deprecated:
            places = inside(old.node, "deprecated"), inside(new.node, "deprecated")
            kind = "endpoint-reactivated"
            if new.is_deprecated:
                kind = "endpoint-deprecated-with-sunset" if ends[1] else "endpoint-deprecated"
            values = (old.is_deprecated, new.is_deprecated) if ends[1] is None else (None, ends[1])
            self.report.add(Finding(kind, *places, *values), "", at)
        elif new.is_deprecated and ends[0] != ends[1]:
            places = inside(old.node, "x-sunset"), inside(new.node, "x-sunset")
            if ends[1] is None:
                kind = "sunset-deleted"
            elif ends[0] is not None and ends[0] < ends[1]:  # ISO 8601 sorts by time
                kind = "api-sunset-date-postponed"
            else:
                kind = "api-sunset-date-changed-too-small"
            self.report.add(Finding(kind, *places, ends[0], ends[1]), "", at)

    def _servers(self, at: Pairing) -> None:
        places = at[0].around("servers"), at[1].around("servers")
        before, after = urls(at[0]), urls(at[1])
        for url in before:
            if url not in after:
                self.report.add(Finding("api-server-removed", *places, url, None), "", at)
        for url in after:
            if url not in before:
                self.report.add(Finding("api-server-added", *places, None, url), "", at)

    def _security(self, at: Pairing) -> None:
        places = at[0].around("security"), at[1].around("security")
        is_global = all(node.pointer in ("", "/security") for node in places)
        scope = "api-global-security" if is_global else "api-security"
        olds, news = requirements(at[0]), requirements(at[1])
        gone = [one for one in olds if one.meaning not in {other.meaning for other in news}]
        fresh = [one for one in news if one.meaning not in {other.meaning for other in olds}]
        for before in gone:
            same = next((one for one in fresh if one.schemes.keys() == before.schemes.keys()), None)
            if same is None:
                finding = Finding(f"{scope}-removed", *places, before.name, None)
                self.report.add(finding, "", at)
                continue
            fresh.remove(same)
            for name, scheme in before.schemes.items():
                self._scheme(name, scheme, same.schemes[name], places, at)
        for after in fresh:
            self.report.add(Finding(f"{scope}-added", *places, None, after.name), "", at)

    def _scheme(
        self, name: str, old: Scheme, new: Scheme, places: tuple[Node, Node], at: Pairing
    ) -> None:
        for scope in sorted(new.scopes - old.scopes):
            finding = Finding("api-security-scope-added", *places, None, scope)
            self.report.add(finding, name, at)
        for scope in sorted(old.scopes - new.scopes):
            finding = Finding("api-security-scope-removed", *places, scope, None)
            self.report.add(finding, name, at)
        if old.meaning == new.meaning:
            return
        types = [one.node.value.get("type") for one in (old, new)]
        kind = f"api-security-component-{'type-' if types[0] != types[1] else ''}changed"
        values = types if types[0] != types[1] else (old.meaning, new.meaning)
        self.report.add(Finding(kind, old.node, new.node, *values), name, at)

    def _parameters(self, at: Pairing) -> None:
        olds, news = (parameters(one) for one in at)
        for key, old in olds.items():
            place = f"{key[0]} parameter {quoted(old.value['name'])}"
            if key in news:
                self._parameter(old, news[key], place, at)
            else:
                around = inside(at[1].node, "parameters")
                name = old.value["name"]
                self.report.add(Finding("request-parameter-removed", old, around, name), place, at)
        for key, new in news.items():
            if key not in olds:
                kind = f"new-{'required' if is_required(new) else 'optional'}-request-parameter"
                place = f"{key[0]} parameter {quoted(new.value['name'])}"
                around = inside(at[0].node, "parameters")
                finding = Finding(kind, around, new, None, new.value["name"])
                self.report.add(finding, place, at)

    def _parameter(self, old: Node, new: Node, place: str, at: Pairing) -> None:
        def note(facet: str, keyword: str, before: Any, after: Any) -> None:
            places = inside(old, keyword), inside(new, keyword)
            self.report.add(
                Finding(f"request-parameter-{facet}", *places, before, after), place, at
            )

        before, after = is_required(old), is_required(new)
        if before != after:
            note("became-required" if after else "became-optional", "required", before, after)
        before, after = (one.value.get("deprecated") is True for one in (old, new))
        if before != after:
            note("deprecated" if after else "reactivated", "deprecated", before, after)
        before, after = (one.value.get("allowReserved") is True for one in (old, new))
        if before != after:
            facet = f"became-{'' if after else 'not-'}allow-reserved"
            note(facet, "allowReserved", before, after)
        written, other = contents(old), contents(new)
        media, other_media = next(iter(written), None), next(iter(other), None)
        if media != other_media:
            note("content-changed", "content", media, other_media)
        elif media is None:
            self._style(old, new, note)
        one = written[media] if media else old
        two = other[other_media] if other_media else new
        self._schema(Pair(schema_of(one), schema_of(two), "request-parameter"), place, at)

    def _style(self, old: Node, new: Node, note: Callable[[str, str, Any, Any], None]) -> None:
        (one, explode), (other, other_explode) = style(old), style(new)
        if one != other:
            note("style-changed", "style", one, other)
        elif explode != other_explode and not self._schemas.are_scalar(
            schema_of(old), schema_of(new)
        ):
            note("explode-changed", "explode", explode, other_explode)

    def _request_body(self, at: Pairing) -> None:
        old, new = (one.node.get("requestBody") for one in at)
        place = "request body"
        if old is None and new is None:
            return
        if old is None or new is None:
            kind = "request-body-removed"
            if new is not None:
                kind = f"request-body-added-{'required' if is_required(new) else 'optional'}"
            places = (
                old or inside(at[0].node, "requestBody"),
                new or inside(at[1].node, "requestBody"),
            )
            self.report.add(Finding(kind, *places), "", at)
            return
        before, after = is_required(old), is_required(new)
        if before != after:
            kind = f"request-body-became-{'required' if after else 'optional'}"
            places = inside(old, "required"), inside(new, "required")
            self.report.add(Finding(kind, *places, before, after), "", at)
        for media, (one, other) in self._media(old, new, "request-body-media-type", "", at).items():
            self._schema(Pair(schema_of(one), schema_of(other), "request-body"), place, at)
            parts = inside(one, "encoding"), inside(other, "encoding")
            encodings = expanded(parts[0]), expanded(parts[1])
            if encodings[0] != encodings[1]:
                finding = Finding("request-body-encoding-changed", *parts, *encodings)
                self.report.add(finding, media, at)

    def _media(
        self, old: Node, new: Node, kind: str, place: str, at: Sequence[Operation]
    ) -> dict[str, tuple[Node, Node]]:
        """Report media types that are there on one side; return the others."""
        olds, news = contents(old), contents(new)
        places = inside(old, "content"), inside(new, "content")
        for media, node in olds.items():
            if media not in news:
                self.report.add(Finding(f"{kind}-removed", node, places[1], media), place, at)
        for media, node in news.items():
            if media not in olds:
                self.report.add(Finding(f"{kind}-added", places[0], node, None, media), place, at)
        return {media: (olds[media], news[media]) for media in olds if media in news}

    def _responses(self, old: Node, new: Node, at: Pairing) -> None:
        olds, news = (
            {str(status).upper(): node for status, node in one.members("responses")}
            for one in (old, new)
        )
        places = inside(old, "responses"), inside(new, "responses")
        compared = set[str]()
        for status, node in olds.items():
            # A range that takes the place of a status still answers it.
            other = status if status in news else f"{status[0]}XX"
            if other in news:
                compared.add(other)
                self._response(node, news[other], status.lower(), at)
            else:
                kind = f"response-{outcome(status)}-status-removed"
                self.report.add(Finding(kind, node, places[1], status.lower(), None), "", at)
            if other in news and other != status:
                kind = f"response-{outcome(other)}-status-added"
                self.report.add(Finding(kind, places[0], news[other], None, other), "", at)
        for status, node in news.items():
            if status in olds or status in compared:
                continue
            if (around := olds.get(f"{status[0]}XX")) is not None:
                self._response(around, node, status.lower(), at)
            else:
                kind = f"response-{outcome(status)}-status-added"
                self.report.add(Finding(kind, places[0], node, None, status.lower()), "", at)

    def _response(self, old: Node, new: Node, status: str, at: Sequence[Operation]) -> None:
        media = self._media(old, new, "response-media-type", status, at)
        for one, other in media.values():
            pair = Pair(schema_of(one), schema_of(other), "response-body")
            self._schema(pair, f"{status} body", at)
        olds, news = (
            {name.lower(): (name, node) for name, node in one.members("headers")}
            for one in (old, new)
        )
        for key, (name, node) in olds.items():
            place = f"{status} header {quoted(name)}"
            if key in news:
                self._header(node, news[key][1], place, at)
            else:
                kind = "required" if is_required(node) else "optional"
                finding = Finding(
                    f"{kind}-response-header-removed", node, inside(new, "headers"), name
                )
                self.report.add(finding, place, at)
        for key, (name, node) in news.items():
            if key not in olds:
                finding = Finding("response-header-added", inside(old, "headers"), node, None, name)
                self.report.add(finding, f"{status} header {quoted(name)}", at)

    def _header(self, old: Node, new: Node, place: str, at: Sequence[Operation]) -> None:
        before, after = is_required(old), is_required(new)
        if before != after:
            kind = f"response-header-became-{'required' if after else 'optional'}"
            places = inside(old, "required"), inside(new, "required")
            self.report.add(Finding(kind, *places, before, after), place, at)
        before, after = (one.value.get("deprecated") is True for one in (old, new))
        if before != after:
            kind = f"response-header-{'deprecated' if after else 'reactivated'}"
            places = inside(old, "deprecated"), inside(new, "deprecated")
            self.report.add(Finding(kind, *places, before, after), place, at)
        self._schema(Pair(schema_of(old), schema_of(new), "response-header"), place, at)

    def _schema(self, pair: Pair, place: str, at: Sequence[Operation]) -> None:
        for finding in self._schemas.findings(pair):
            path = finding.path.removeprefix(".")
            where = f"{place.removesuffix(' body')} {quoted(path)}" if path else place
            self.report.add(finding, where, at)

    def _callbacks(self, old: Node, new: Node, key: str, at: Sequence[Operation]) -> None:
        """Compare what the server calls, as a whole: none of it is called from here."""
        olds, news = dict(old.members(key)), dict(new.members(key))
        for name in olds | news:
            before, after = olds.get(name), news.get(name)
            place = f"{key.removesuffix('s')} {quoted(name)}"
            if before is None and after is not None:
                self.report.add(Finding("webhook-added", inside(old, key), after), place, at)
            elif before is not None and after is None:
                self.report.add(Finding("webhook-removed", before, inside(new, key)), place, at)
            elif before and after and expanded(before) != expanded(after):
                self.report.add(Finding("webhook-changed", before, after), place, at)

    def _version(self) -> None:
        versions = [one.root.get("info") for one in (self._old, self._new)]
        before, after = (node and str(node.value.get("version")) for node in versions)
        if before != after:
            places = Node(self._old, "/info/version", None), Node(self._new, "/info/version", None)
            self.report.add(Finding("info-version-changed", *places, before, after))

    def _unused(self) -> None:
        """Compare answers that no operation has: overlays give them to operations."""
        used = (
            reachable(self._old.root.child("paths")) if "paths" in self._old.data else set[Node]()
        )
        olds, news = self._components("responses"), self._components("responses", new=True)
        for name, old in olds.items():
            if name in news and old not in used:
                pair = old.resolved().as_object(), news[name].resolved().as_object()
                self._response(*pair, name, ())
        around = Node(self._new, "/components/schemas", None)
        names = self._components("schemas", new=True)
        for name, old in self._components("schemas").items():
            if name not in names and old not in used:
                self.report.add(Finding("api-schema-removed", old, around, name))

    def _components(self, key: str, *, new: bool = False) -> dict[str, Node]:
        components = (self._new if new else self._old).root.get("components")
        named = components.get(key) if components else None
        return {name: named.child(name) for name in named.value} if named else {}
