"""Compare two documents, operation by operation."""

from collections.abc import Iterator, Mapping
from typing import TypeVar

from .documents import Document, Node
from .findings import RESPELT, Report, Spot, Traced, quoted, respellings
from .keywords import canonical, sunset, sunset_facet
from .operations import (
    Operation,
    Scheme,
    addresses,
    callbacks,
    contents,
    encodings,
    headers,
    inside,
    is_required,
    operations,
    outcome,
    paired,
    paired_events,
    parameters,
    reachable,
    requirements,
    schema_of,
    style,
    webhooks,
)
from .reading import escape
from .schemas import Pair, SchemaComparison
from .shapes import Shape

# Formats of text without commas.
_NO_COMMAS = {"uuid", "date", "date-time", "time", "email", "ipv4", "ipv6", "hostname", "byte"}

Key = TypeVar("Key")
Value = TypeVar("Value")


def differences(old: Document, new: Document) -> list[Traced]:
    """Compare two documents.

    Args:
        old: The old document.
        new: The new document.

    Returns:
        The changes, most important first, without facade functions and overlay actions.

    Raises:
        SpecDiffError: If a reference cannot be followed, or a value is invalid in OpenAPI.
    """
    report, schemas = Report(old, new), SchemaComparison(old, new)
    _compare_operations(old, new, report, schemas)
    _compare_events(webhooks(old), webhooks(new), (old.root, new.root), report, schemas)
    nowhere = Spot(report)
    _compare_unused(old, new, _Operation(nowhere, schemas))
    versions = [str(info.value.get("version")) if info else None for info in _infos(old, new)]
    if versions[0] != versions[1]:
        places = Node(old, "/info/version", None), Node(new, "/info/version", None)
        nowhere.note("info-version-changed", *places, versions[0], versions[1])
    return report.changes()


def _compare_operations(
    old: Document, new: Document, report: Report, schemas: SchemaComparison
) -> None:
    pairs, gone, fresh = paired([*operations(old).values()], [*operations(new).values()])
    for before, after in pairs:
        _Operation(Spot(report, (before, after)), schemas).compare(before, after)
    remaining = {before.path for before, _ in pairs}
    respelt = respellings({one.name for one in gone}, {one.name for one in fresh})
    for before in gone:
        is_path = before.path not in remaining
        deprecated = "with" if before.is_deprecated else "without"
        kind = f"api{'-path' if is_path else ''}-removed-{deprecated}-deprecation"
        node, name = (before.item, before.path) if is_path else (before.node, before.name)
        nowhere, note = Node(new, f"/paths/{escape(before.path)}", None), ""
        if (other := respelt.get(before.name)) is not None:
            note = f"{RESPELT}, {quoted(other)}"
        Spot(report, (before,)).note(kind, node, nowhere, name, None, note)
    for after in fresh:
        nowhere = Node(old, f"/paths/{escape(after.path)}", None)
        Spot(report, (after,)).note("endpoint-added", nowhere, after.node, None, after.name)


def _compare_events(
    olds: list[Operation],
    news: list[Operation],
    around: tuple[Node, Node],
    report: Report,
    schemas: SchemaComparison,
) -> None:
    """Compare webhooks and callbacks: the received requests and their answers."""
    pairs, gone, fresh = paired_events(olds, news)
    for before, after in pairs:
        _Event(_at(report, before, after), schemas).compare(before, after)
    for before in gone:
        _at(report, before).note("webhook-removed", before.node, around[1], before.path)
    for after in fresh:
        _at(report, after).note("webhook-added", around[0], after.node, None, after.path)


def _at(report: Report, *events: Operation) -> Spot:
    """Return the spot of events; a callback also concerns the callers of its operation."""
    return Spot(report, (*events, *(event.owner for event in events if event.owner)))


def _compare_unused(old: Document, new: Document, comparison: "_Operation") -> None:
    """Compare components without an operation: responses, which overlays use, and schemas."""
    used = reachable(old)
    for name, before, after in _both(_components(old, "responses"), _components(new, "responses")):
        if before and after and before not in used:
            pair = before.resolved().as_object(), after.resolved().as_object()
            comparison.compare_response(*pair, quoted(name))
    olds, news = _components(old, "schemas"), _components(new, "schemas")
    gone = {name: node for name, node in olds.items() if name not in news and node not in used}
    prints = comparison.schemas.new.fingerprint
    fresh = {prints((node,)) for name, node in news.items() if name not in olds}
    for name, before in gone.items():
        if comparison.schemas.old.fingerprint((before,)) not in fresh:  # not just renamed
            around = Node(new, "/components/schemas", None)
            comparison.spot.note("api-schema-removed", before, around, name)


class _Operation:
    """Comparison of an operation.

    Args:
        spot: The operation in both documents.
        schemas: The comparison of schemas.
    """

    def __init__(self, spot: Spot, schemas: SchemaComparison) -> None:
        self.spot = spot
        self.schemas = schemas

    def compare(self, old: Operation, new: Operation) -> None:
        """Compare an operation with its counterpart."""
        if self._is_elsewhere(old.node, new.node, self.spot):
            return
        self._naming(old, new)
        self._deprecation(old, new)
        self._servers(old, new)
        self._security(old, new)
        self._parameters(old, new)
        self._request_body(old, new)
        self._responses(old, new)
        around = inside(old.node, "callbacks"), inside(new.node, "callbacks")
        events = callbacks(old), callbacks(new)
        _compare_events(*events, around, self.spot.report, self.schemas)

    def compare_response(self, old: Node, new: Node, status: str) -> None:
        """Compare a response of an operation."""
        if self._is_elsewhere(old, new, self.spot.at(status)):
            return
        for one, other in self._media(old, new, "response-media-type", self.spot.at(status)):
            self._schema(one, other, "response-body", self.spot.at(f"{status} body"))
        for key, before, after in _both(headers(old), headers(new)):
            name, header = before or after or (key, old)
            spot = self.spot.at(f"{status} header {quoted(name)}")
            if before and after:
                self._header(header, after[1], spot)
            elif before:
                kind = "required" if is_required(header) else "optional"
                spot.note(f"{kind}-response-header-removed", header, inside(new, "headers"), name)
            else:
                spot.note("response-header-added", inside(old, "headers"), header, None, name)

    def _is_elsewhere(self, old: Node, new: Node, spot: Spot) -> bool:
        """Tell whether a side is an external reference, and report different ones."""
        urls = old.elsewhere, new.elsewhere
        if urls[0] != urls[1]:
            spot.note("reference-changed", old, new, *urls)
        return urls != (None, None)

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
        if old.is_deprecated == new.is_deprecated and (facet := sunset_facet(before, after)):
            kind = facet if facet == "sunset-deleted" else f"api-{facet}"
            places = inside(old.node, "x-sunset"), inside(new.node, "x-sunset")
            self.spot.note(kind, *places, before, after)

    def _servers(self, old: Operation, new: Operation) -> None:
        places = old.around("servers"), new.around("servers")
        listed = places[0].pointer != "" and places[0].value != []
        for _, before, after in _both(addresses(old), addresses(new)):
            if not after and listed:  # without a list, the address is unknown
                self.spot.note("api-server-removed", *places, before, None)
            elif after and not before:
                self.spot.note("api-server-added", *places, None, after)

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
        olds, news = parameters(old), parameters(new)
        gone, fresh = olds.keys() - news.keys(), news.keys() - olds.keys()
        respelt = {
            (place, name): (place, other)
            for place in {place for place, _ in gone}
            for name, other in respellings(
                (name for at, name in gone if at == place),
                (name for at, name in fresh if at == place),
            ).items()
        }
        for key, before, after in _both(olds, news):
            one = before or after
            assert one is not None
            spot = self.spot.at(f"{_word(key[0])} parameter {quoted(one.value['name'])}")
            if before and after:
                self._parameter(before, after, spot)
            elif before:
                other = news[respelt[key]] if key in respelt else None
                self._lost_parameter(before, other, inside(new.node, "parameters"), spot)
            elif after and key not in respelt.values():
                self._new_parameter(after, inside(old.node, "parameters"), spot)

    def _lost_parameter(self, before: Node, other: Node | None, around: Node, spot: Spot) -> None:
        name, place = before.value["name"], other or around
        after, note = (other.value["name"], RESPELT) if other else (None, "")
        spot.note("request-parameter-removed", before, place, name, after, note)

    def _new_parameter(self, after: Node, around: Node, spot: Spot) -> None:
        kind = f"new-{'required' if is_required(after) else 'optional'}-request-parameter"
        spot.note(kind, around, after, None, after.value["name"])

    def _parameter(self, old: Node, new: Node, spot: Spot) -> None:
        role = "request-parameter"
        for keyword, on, off in (
            ("required", "became-required", "became-optional"),
            ("deprecated", "deprecated", "reactivated"),
            ("allowReserved", "became-allow-reserved", "became-not-allow-reserved"),
        ):
            spot.flag(keyword, old, new, f"{role}-{on}", f"{role}-{off}")
        self._sunset(old, new, role, spot)
        pair = self._content(old, new, f"{role}-content-changed", spot)
        if "content" not in old.value and "content" not in new.value:
            if self._is_list_of_one(old, new):
                places = inside(old, "schema"), inside(new, "schema")
                spot.note(f"{role}-type-generalized", *places, "a single value", "array")
                return
            self._style(old, new, spot)
        self._schema(*pair, role, spot)

    def _content(self, old: Node, new: Node, kind: str, spot: Spot) -> tuple[Node, Node]:
        """Compare the media types of two parameters or headers; return the nodes with schemas."""
        written, other = contents(old), contents(new)
        media, other_media = next(iter(written), None), next(iter(other), None)
        if media != other_media:
            places = inside(old, "content"), inside(new, "content")
            spot.note(kind, *places, media, other_media)
        return written[media] if media else old, other[other_media] if other_media else new

    def _sunset(self, old: Node, new: Node, role: str, spot: Spot) -> None:
        before, after = (sunset(inside(one, "x-sunset")) for one in (old, new))
        deprecated = [one.value.get("deprecated") is True for one in (old, new)]
        if deprecated[0] == deprecated[1] and (facet := sunset_facet(before, after)):
            places = inside(old, "x-sunset"), inside(new, "x-sunset")
            spot.note(f"{role}-{facet}", *places, before, after)

    def _is_list_of_one(self, old: Node, new: Node) -> bool:
        """Tell whether a single value became an array whose single item is written the same."""
        before, after = schema_of(old), schema_of(new)
        single, several = self.schemas.old.of(before), self.schemas.new.of(after)
        if single.types is None or single.types & {"array", "object"}:
            return False
        least = several.limits.get("minItems", (0, False))[0]
        if several.types != frozenset({"array"}) or least > 1 or several.items is None:
            return False
        (one, _), (other, explode) = style(old), style(new)
        if one != other or not (explode or _has_no_comma(single)):
            return False
        return not several.items or self.schemas.widened.covers(several.items, before)

    def _style(self, old: Node, new: Node, spot: Spot) -> None:
        (one, explode), (other, other_explode) = style(old), style(new)
        single = self._are_scalar(old, new)
        if one != other:
            places = inside(old, "style"), inside(new, "style")
            spot.note("request-parameter-style-changed", *places, one, other)
        elif explode != other_explode and not single:
            places = inside(old, "explode"), inside(new, "explode")
            spot.note("request-parameter-explode-changed", *places, explode, other_explode)

    def _are_scalar(self, old: Node, new: Node) -> bool:
        """Tell whether two parameters have only single values, neither arrays nor objects."""
        sides = (self.schemas.old, old), (self.schemas.new, new)
        types = [shapes.of(schema_of(one)).types for shapes, one in sides]
        return all(names is not None and not names & {"array", "object"} for names in types)

    def _request_body(self, old: Operation, new: Operation) -> None:
        before, after = old.node.get("requestBody"), new.node.get("requestBody")
        if before and after:
            if self._is_elsewhere(before, after, self.spot.at("request body")):
                return
            kinds = "request-body-became-required", "request-body-became-optional"
            self.spot.flag("required", before, after, *kinds)
            for one, other in self._media(before, after, "request-body-media-type", self.spot):
                self._schema(one, other, "request-body", self.spot.at("request body"))
                self._encoding(one, other)
        elif before:
            self.spot.note("request-body-removed", before, inside(new.node, "requestBody"))
        elif after:
            kind = f"request-body-added-{'required' if is_required(after) else 'optional'}"
            self.spot.note(kind, inside(old.node, "requestBody"), after)

    def _encoding(self, old: Node, new: Node) -> None:
        places = inside(old, "encoding"), inside(new, "encoding")
        texts = canonical(encodings(old)), canonical(encodings(new))
        if texts[0] != texts[1]:
            self.spot.note("request-body-encoding-changed", *places, *texts)

    def _media(self, old: Node, new: Node, kind: str, spot: Spot) -> Iterator[tuple[Node, Node]]:
        """Report media types of only one side; yield the common ones."""
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
                if around := news.get(family):  # a range now includes the status
                    self.compare_response(before, around, name)
                elif status != family or not any(one.startswith(status[0]) for one in news):
                    kind = self._status(f"{outcome(status)}-status-removed")
                    self.spot.note(kind, before, places[1], name)
            elif after:
                if around := olds.get(family):
                    self.compare_response(around, after, name)
                else:
                    kind = self._status(f"{outcome(status)}-status-added")
                    self.spot.note(kind, places[0], after, None, name)

    def _status(self, kind: str) -> str:
        return f"response-{kind}"

    def _header(self, old: Node, new: Node, spot: Spot) -> None:
        role = "response-header"
        spot.flag("required", old, new, f"{role}-became-required", f"{role}-became-optional")
        spot.flag("deprecated", old, new, f"{role}-deprecated", f"{role}-reactivated")
        self._sunset(old, new, role, spot)
        pair = self._content(old, new, f"{role}-content-changed", spot)
        self._schema(*pair, role, spot)

    def _schema(self, old: Node, new: Node, role: str, spot: Spot) -> None:
        """Compare the schemas of two parameters, headers or media types."""
        if self._is_elsewhere(old, new, spot):
            return
        for finding in self.schemas.findings(Pair(schema_of(old), schema_of(new), role)):
            path = finding.path.removeprefix(".")
            place = f"{spot.place.removesuffix(' body')} {quoted(path)}" if path else spot.place
            spot.report.add(finding, place, spot.operations)


class _Event(_Operation):
    """Comparison of a webhook or callback, whose body is received and whose answers are sent."""

    def compare(self, old: Operation, new: Operation) -> None:
        """Compare an event with its counterpart."""
        if self._is_elsewhere(old.node, new.node, self.spot):
            return
        self._naming(old, new)
        self._deprecation(old, new)
        self._parameters(old, new)
        self._request_body(old, new)
        self._responses(old, new)
        texts = [canonical(one.node.value.get("security")) for one in (old, new)]
        if texts[0] != texts[1]:
            places = inside(old.node, "security"), inside(new.node, "security")
            self.spot.note("webhook-security-changed", *places, *texts)

    def compare_response(self, old: Node, new: Node, status: str) -> None:
        """Compare an answer to an event."""
        spot = self.spot.at(f"answer {status}")
        if self._is_elsewhere(old, new, spot):
            return
        for one, other in self._media(old, new, "request-body-media-type", spot):
            self._schema(one, other, "request-body", spot.at(f"{spot.place} body"))
            self._encoding(one, other)
        for key, before, after in _both(headers(old), headers(new)):
            name, _ = before or after or (key, old)
            here = spot.at(f"{spot.place} header {quoted(name)}")
            gone, fresh = (one and _named(one[1], name) for one in (before, after))
            if gone and fresh:
                super()._parameter(gone, fresh, here)
            elif gone:
                super()._lost_parameter(gone, None, inside(new, "headers"), here)
            elif fresh:
                super()._new_parameter(fresh, inside(old, "headers"), here)

    def _lost_parameter(self, before: Node, other: Node | None, around: Node, spot: Spot) -> None:
        name, place = before.value["name"], other or around
        after, note = (other.value["name"], RESPELT) if other else (None, "")
        spot.note("webhook-parameter-removed", before, place, name, after, note)

    def _new_parameter(self, after: Node, around: Node, spot: Spot) -> None:
        spot.note("webhook-parameter-added", around, after, None, after.value["name"])

    def _parameter(self, old: Node, new: Node, spot: Spot) -> None:
        self._header(old, new, spot)

    def _header(self, old: Node, new: Node, spot: Spot) -> None:
        role = "webhook-parameter"
        spot.flag("required", old, new, f"{role}-became-required", f"{role}-became-optional")
        spot.flag("deprecated", old, new, f"{role}-deprecated", f"{role}-reactivated")
        self._sunset(old, new, role, spot)
        self._schema(*self._content(old, new, f"{role}-content-changed", spot), role, spot)

    def _request_body(self, old: Operation, new: Operation) -> None:
        before, after = old.node.get("requestBody"), new.node.get("requestBody")
        if before and after:
            if self._is_elsewhere(before, after, self.spot.at("event body")):
                return
            kinds = "webhook-body-became-required", "webhook-body-became-optional"
            self.spot.flag("required", before, after, *kinds)
            for one, other in self._media(before, after, "webhook-media-type", self.spot):
                self._schema(one, other, "response-body", self.spot.at("event body"))
        elif before:
            self.spot.note("webhook-body-removed", before, inside(new.node, "requestBody"))
        elif after:
            self.spot.note("webhook-body-added", inside(old.node, "requestBody"), after)

    def _status(self, kind: str) -> str:
        return f"webhook-{kind}"


def _named(header: Node, name: str) -> Node:
    """Return a header as a parameter, which it is for the sender."""
    said = header.value | {"name": name, "in": "header"}
    return Node(header.document, header.pointer, said)


def _has_no_comma(single: Shape) -> bool:
    """Tell whether a value cannot be mistaken for several values separated by commas."""
    if single.enum is not None:
        return not any("," in text for text in single.enum)
    return "string" not in (single.types or ()) or single.format in _NO_COMMAS


def _word(name: str) -> str:
    """Return a status or place in lower case, quoted unless alphanumeric."""
    return name.lower() if name.isalnum() else quoted(name)


def _both(
    old: Mapping[Key, Value], new: Mapping[Key, Value]
) -> Iterator[tuple[Key, Value | None, Value | None]]:
    """Yield every key of two mappings with both values; None if absent."""
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
