"""Count the false alarms and misses of spec_diff on edits of three documents.

`nox -s drift_study` runs this file, which prints the figures and fails on a false alarm or a miss.
The documents are in study/: a carrier (3.1), a shop (3.0) and meeting rooms (3.1), each with unions,
null, webhooks or callbacks, and extensions.
"""

import json
import sys
import time
from collections.abc import Callable, Iterator
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1] / "scripts")]

import spec_diff  # noqa: E402 (importable after the lines above)
import test_spec_diff_harmless as harmless  # noqa: E402
from spec_diff import Change, Document, Level, worst  # noqa: E402

Json = dict[str, Any]
Edit = Callable[[Json], Json]
TEXTS = {
    name: (HERE / "study" / f"{name}.yaml").read_text(encoding="utf-8")
    for name in ("carrier", "shop", "rooms")
}


def inlined(depth: int) -> Edit:
    """Inline references, to a depth."""

    def edit(document: Json) -> Json:
        whole = Document("whole", document)

        def inline(value: Any, left: int) -> Any:
            if isinstance(value, list):
                return [inline(one, left) for one in value]
            if not isinstance(value, dict):
                return value
            if left and isinstance(value.get("$ref"), str):
                return inline(whole.resolve(value["$ref"]).value, left - 1)
            # A discriminator needs the names of alternatives.
            told = 0 if "discriminator" in value else left
            return {key: inline(one, told) for key, one in value.items()}

        return document | {"paths": inline(document["paths"], depth)}

    return edit


def prefix_moved(document: Json) -> Json:
    """Move the last step of the servers' URLs to the paths."""
    if "carrier" in document["info"]["title"]:
        servers, step = (
            [{**document["servers"][0], "url": "https://{region}.carrier.example/voice"}],
            "/v4",
        )
    elif "shop" in document["info"]["title"]:
        servers, step = (
            [{"url": one["url"].removesuffix("/v1")} for one in document["servers"]],
            "/v1",
        )
    else:
        servers, step = [{"url": "/"}], "/api"
    paths = {}
    for path, item in document["paths"].items():
        paths[path if "servers" in item else step + path] = item
    return document | {"servers": servers, "paths": paths}


def ends_at_the_default_port(document: Json) -> Json:
    text = json.dumps(document).replace(".example/", ".EXAMPLE:443/")
    return json.loads(text.replace("id.carrier.EXAMPLE:443", "id.carrier.example"))


def null_as_an_alternative(node: Json) -> Json:
    kinds = node.get("type")
    if isinstance(kinds, list) and "null" in kinds and "enum" not in node:
        rest = [kind for kind in kinds if kind != "null"]
        inner = {**node, "type": rest[0] if len(rest) == 1 else rest}
        return {"anyOf": [inner, {"type": "null", "x-note": "none", "deprecated": False}]}
    return node


def values_as_alternatives(node: Json) -> Json:
    if (
        node.get("type") == "string"
        and isinstance(node.get("enum"), list)
        and "default" not in node
    ):
        rest = {key: one for key, one in node.items() if key not in ("enum", "type")}
        return rest | {
            "oneOf": [{"const": one, "title": str(one)} for one in reversed(node["enum"])]
        }
    return node


def without_types(node: Json) -> Json:
    if node.get("type") == "object" and node.get("properties"):
        return {key: one for key, one in node.items() if key != "type"}
    return node


def nullable_as_a_type(document: Json) -> Json:
    """Convert a document from 3.0 to 3.1."""

    def edit(node: Json) -> Json:
        node = dict(node)
        if node.pop("nullable", False):
            if "type" not in node:
                return {"anyOf": [node, {"type": "null"}]}
            node["type"] = [node["type"], "null"]
        if node.get("format") == "binary":
            node["contentMediaType"] = "application/octet-stream"
            del node["format"]
        if node.get("exclusiveMinimum") is True:
            node["exclusiveMinimum"] = node.pop("minimum")
        return node

    if not document["openapi"].startswith("3.0"):
        return document
    return harmless.rewritten(document, edit) | {"openapi": "3.1.0"}


def webhooks_under_the_other_key(document: Json) -> Json:
    there = "webhooks" if "webhooks" in document else "x-webhooks"
    other = "x-webhooks" if there == "webhooks" else "webhooks"
    return {other if key == there else key: one for key, one in document.items()}


def with_links(node: Json) -> Json:
    if "content" in node and "description" in node:
        return node | {"links": {"again": {"operationId": "nothing", "description": "Again."}}}
    return node


everywhere = harmless.everywhere
GENERAL: dict[str, Edit] = {
    "keys in another order": everywhere(lambda node: dict(reversed(node.items()))),
    "required, enum and alternatives in another order": harmless.reversed_lists(
        "required", "enum", "oneOf", "anyOf", "tags", "security", "servers", "parameters"
    ),
    "no prose": everywhere(
        lambda node: (
            {key: one for key, one in node.items() if key not in harmless.PROSE}
            if "$ref" not in node and "oneOf" not in node and "do" not in str(node.get("required"))
            else node
        )
    ),
    "extensions everywhere": everywhere(
        lambda node: node | {"x-internal": True} if "type" in node else node
    ),
    "not deprecated, said everywhere": everywhere(
        lambda node: {"deprecated": False} | node if isinstance(node.get("type"), str) else node
    ),
    "all schemas renamed": lambda document: (
        document if "shop" in document["info"]["title"] else harmless.all_schemas_renamed(document)
    ),
    "references written out": inlined(1),
    "references written out, two deep": inlined(2),
    "references written out, three deep": inlined(3),
    "path parameters beside each operation": lambda document: path_parameters(document),
    "the prefix in the paths": prefix_moved,
    "the port and the host in other words": ends_at_the_default_port,
    "null as an alternative": everywhere(null_as_an_alternative),
    "values as alternatives": everywhere(values_as_alternatives),
    "types that fields imply": everywhere(without_types),
    "from 3.0 to 3.1": nullable_as_a_type,
    "webhooks under the other key": webhooks_under_the_other_key,
    "more links": everywhere(with_links),
    "JSON instead of YAML": lambda document: json.loads(json.dumps(document)),
    "an allOf around each object": everywhere(
        lambda node: (
            {"allOf": [node]}
            if node.get("type") == "object" and "properties" in node and "readOnly" not in node
            else node
        )
    ),
}


def path_parameters(document: Json) -> Json:
    """Move the parameters of paths to each operation."""
    for item in document["paths"].values():
        if "$ref" not in item:
            shared = item.pop("parameters", [])
            for method in item.keys() & {"get", "put", "post", "patch", "delete"}:
                item[method]["parameters"] = [*shared, *item[method].get("parameters", [])]
    return document


# A document, a text in it, and its replacement.
HARMLESS = [
    ("carrier", "maximum: 600}\n        secret", "maximum: 600.0}\n        secret"),
    ("carrier", "exclusiveMinimum: 0, maximum: 600", "minimum: 1, maximum: 600"),
    ("carrier", "/calls/{id}:\n    parameters:\n      - {name: id,", "/calls/{call}:\n    parameters:\n      - {name: call,"),
    ("carrier", "progress:\n", "onProgress:\n"),
    ("carrier", "  incoming:\n    post:\n", "  incomingCall:\n    post:\n"),
    ("carrier", "scopes: {calls: Calls, numbers: Numbers}", "scopes: {calls: To call, numbers: Numbers, more: More}"),
    ("carrier", "variables: {region: {enum: [eu, us, ap], default: eu}}", "variables: {region: {enum: [ap, eu, us], default: us, description: Near you}}"),
    ("carrier", "propertyNames: {enum: [mon, tue, wed, thu, fri, sat, sun]}", "propertyNames: {enum: [sun, sat, fri, thu, wed, tue, mon], type: string}"),
    ("carrier", "not: {enum: ['', none]}", "not: {enum: [none, '']}"),
    ("carrier", "dependentRequired: {secret: [callback]}", "dependentSchemas: {secret: {required: [callback]}}"),
    ("carrier", "if: {properties: {record: {const: true}}, required: [record]}", "if: {required: [record], properties: {record: {enum: [true]}}}"),
    ("carrier", "{name: X-Trace, in: header", "{name: x-trace, in: header"),
    ("carrier", "{name: since, in: query", "{name: Accept, in: header, required: true, schema: {type: string}}\n        - {name: since, in: query"),
    ("carrier", "Progress:\n      type: object", "Progress:\n      $anchor: progress\n      type: object"),
    ("carrier", "quality: {type: array, prefixItems: [{type: number}, {type: integer}, {enum: [good, poor]}], items: false}", "quality: {type: array, prefixItems: [{type: number}, {type: integer}, {enum: [poor, good]}], unevaluatedItems: false}"),
    ("carrier", "price: {anyOf: [{$ref: '#/components/schemas/Money'}, {type: 'null'}]}", "price: {oneOf: [{type: 'null'}, {$ref: '#/components/schemas/Money'}]}"),
    ("shop", "/orders/{order}/invoice:\n    parameters: [{name: order,", "/orders/{id}/invoice:\n    parameters: [{name: id,"),
    ("shop", "paid:\n", "orderPaid:\n"),
    ("shop", "discriminator: {propertyName: by}", "discriminator: {propertyName: by, mapping: {Card: '#/components/schemas/Card', Invoice: Invoice}}"),
    ("shop", "contentType: 'text/csv, text/plain'", "contentType: 'text/plain,text/csv', style: form"),
    ("shop", "{status: {type: string, enum: [sent, returned]}", "{status: {enum: [returned, sent]}"),
    ("shop", "street: {type: string, maxLength: 200}", "street: {allOf: [{type: string, maxLength: 200}, {maxLength: 500}]}"),
    ("shop", "application/pdf: {", "application/PDF; charset=binary: {"),
    ("shop", "headers: {Location:", "headers: {Content-Type: {schema: {type: string}}, location:"),
    ("shop", "Basic: {type: http, scheme: basic}", "Basic: {type: http, scheme: Basic, description: A password}"),
    ("rooms", "'^admin'", "'^admin', x-why: reserved"),
    ("rooms", "payload: {type: string, contentEncoding: base64}", "payload: {type: string, format: byte}"),
    ("rooms", "      unevaluatedProperties: false\n", "      additionalProperties: false\n"),
    ("rooms", "{kind: {const: training}}, required: [kind]}, then: {required: [guests]}, else: {}}", "{kind: {enum: [training]}}, required: [kind]}, then: {required: [guests]}}"),
    ("rooms", "dependentSchemas: {catering: {required: [guests]}}", "dependentRequired: {catering: [guests]}"),
    ("rooms", "contains: {const: screen}", "contains: {enum: [screen]}, minContains: 1"),
    ("rooms", "{type: string, enum: [rows, circle, table]}", "{type: string, enum: [table, circle, rows], description: By name}"),
    ("rooms", "name: {type: string, not:", "name: {type: string, pattern: '.*', not:"),
]  # fmt: skip

BREAKING = [
    ("carrier", "from: {$ref: '#/components/schemas/Party'}\n        to: {$ref: '#/components/schemas/Party'}\n", "to: {$ref: '#/components/schemas/Party'}\n"),
    ("carrier", "labels: {type: object, additionalProperties: {type: string}}", "labels: {type: object, additionalProperties: {type: integer}}"),
    ("carrier", "required: [from, to]\n      properties:\n        from: {$ref: '#/components/schemas/Number'}", "required: [from, to, callback]\n      properties:\n        from: {$ref: '#/components/schemas/Number'}"),
    ("carrier", "then: {required: [consent]}", "then: {required: [consent, callback]}"),
    ("carrier", "dependentRequired: {secret: [callback]}", "dependentRequired: {secret: [callback], callback: [timeout]}"),
    ("carrier", "prefixItems: [{type: number}, {type: integer}, {enum: [good, poor]}]", "prefixItems: [{type: number}, {type: string}, {enum: [good, poor]}]"),
    ("carrier", "prefixItems: [{type: number}, {type: integer}, {enum: [good, poor]}]", "prefixItems: [{type: number}, {type: integer}]"),
    ("carrier", "patternProperties: {'^X-': {type: string}}", "patternProperties: {'^X-': {type: array}}"),
    ("carrier", "not: {enum: ['', none]}", "not: {enum: ['', none, off]}"),
    ("carrier", "propertyNames: {enum: [mon, tue, wed, thu, fri, sat, sun]}", "propertyNames: {enum: [mon, tue, wed, thu, fri]}"),
    ("carrier", "        - {title: End, type: object, required: [do], properties: {do: {const: end}}}\n", ""),
    ("carrier", "screening: {type: [string, 'null'], enum: [passed, failed, null]}", "verdict: {type: string}"),
    ("carrier", "- {name: X-Signature, in: header, required: true, schema: {type: string}}", "- {name: X-Sign, in: header, required: true, schema: {type: string}}"),
    ("carrier", "required: [steps], properties: {steps:", "required: [steps, version], properties: {version: {type: integer}, steps:"),
    ("carrier", "        '204': {description: Nothing special.}\n", ""),
    ("carrier", "  billed:\n    post:\n      operationId: onBilled", "  invoiced:\n    post:\n      operationId: onInvoiced"),
    ("carrier", "price: {anyOf: [{$ref: '#/components/schemas/Money'}, {type: 'null'}]}", "price: {type: [string, 'null']}"),
    ("carrier", "{name: label, in: query, explode: true,", "{name: label, in: query, explode: false,"),
    ("carrier", "enum: [eu, us, ap]", "enum: [eu, us]"),
    ("carrier", "    delete:\n      operationId: hangUp\n      tags: [Calls]\n      deprecated: true\n      x-sunset: '2030-06-30'\n      responses: {'204': {description: Gone.}}\n", ""),
    ("carrier", "X-Total: {required: true, schema: {type: integer}}", "X-Pages: {schema: {type: integer}}"),
    ("carrier", "required: [call, state]\n      properties: {call: {type: string, format: uuid},", "required: [id, state]\n      properties: {id: {type: string, format: uuid},"),
    ("shop", "'{$request.body#/notify}/paid'", "'{$request.body#/notify}/payments'"),
    ("shop", "amount: {type: number}, method", "amount: {type: string}, method"),
    ("shop", "explode: false, schema: {type: array, items: {$ref: '#/components/schemas/Status'}}", "schema: {type: array, items: {$ref: '#/components/schemas/Status'}}"),
    ("shop", "zip: {type: string, nullable: true}", "zip: {type: string}"),
    ("shop", "required: [items, ship]\n", "required: [items, ship, payment]\n"),
    ("shop", "Idempotency-Key", "Idempotence-Key"),
    ("shop", "/orders/{order}/invoice:", "/orders/{order}/bill:"),
    ("shop", "sku: {type: string}, left: {type: integer}", "sku: {type: integer}, left: {type: integer}"),
    ("shop", "discriminator: {propertyName: by}", "discriminator: {propertyName: by, mapping: {card: Card, invoice: Invoice}}"),
    ("shop", "total: {type: number, format: double}", "total: {type: string}"),
    ("shop", "file: {contentType: 'text/csv, text/plain'}", "file: {contentType: text/csv}"),
    ("shop", "servers: [{url: 'https://people.shop.example'}]", "servers: [{url: 'https://persons.shop.example'}]"),
    ("shop", ", text/csv: {schema: {type: string}}}", "}"),
    ("shop", "security: [{Basic: []}, {}]", "security: [{Basic: []}]"),
    ("rooms", "building, in: query, schema: {type: string}", "building, in: query, schema: {type: integer}"),
    ("rooms", "patternProperties: {'^x_': {type: [string, number]}}", "patternProperties: {'^x_': {type: boolean}}"),
    ("rooms", "{width: {type: number}, depth: {type: number},", "{width: {type: number},"),
    ("rooms", "then: {required: [approval]}", "then: {required: [approval, guests]}"),
    ("rooms", "dependentSchemas: {catering: {required: [guests]}}", "dependentSchemas: {catering: {required: [guests]}, guests: {required: [kind]}}"),
    ("rooms", "enum: [meeting, training, party]", "enum: [meeting, party]"),
    ("rooms", "properties: {accept: {type: boolean}, reason: {type: string}}", "required: [accept], properties: {accept: {type: boolean}, reason: {type: string}}"),
    ("rooms", "device: {type: string}, since: {$ref: '#/components/schemas/Time'}}", "device: {type: string}}"),
    ("rooms", "prefixItems: [{type: integer}, {type: integer}], items: false", "prefixItems: [{type: integer}], items: false"),
    ("rooms", "properties: {after: {type: integer}, shard: {type: string}}", "properties: {after: {type: string}, shard: {type: string}}"),
    ("rooms", "/v2/devices/{device}/config:", "/v3/devices/{device}/config:"),
    ("rooms", "contentEncoding: base64}", "contentEncoding: base64, maxLength: 5, type: [integer]}"),
]  # fmt: skip


def compare(old: Json, new: Json) -> list[Change]:
    return spec_diff.compare(Document("old", old), Document("new", new), overlays=())


@cache
def read(name: str, *change: str) -> Json:
    """Return one of the documents with a text replaced; every caller gets the same object."""
    text = TEXTS[name]
    if change:
        assert text.count(change[0]) >= 1, change[0]
        text = text.replace(*change)
    if "type: string, contentEncoding: base64, maxLength: 5, type" in text:
        text = text.replace("payload: {type: string, ", "payload: {")
    return spec_diff.parse(text, name).data


def harmless_edits() -> Iterator[tuple[str, Json, Json]]:
    """Yield name, document and edited document of every harmless edit."""
    for title, edit in GENERAL.items():
        for name in TEXTS:
            old = read(name)
            new = edit(deepcopy(old))
            if json.dumps(old) != json.dumps(new) or "JSON" in title:
                yield f"{name}: {title}", old, new
    for name, old_text, new_text in HARMLESS:
        yield f"{name}: {new_text.strip()[:60]}", read(name), read(name, old_text, new_text)


def breaking_edits() -> Iterator[tuple[str, Json, Json]]:
    """Yield name, document and edited document of every breaking edit."""
    for name, old_text, new_text in BREAKING:
        what = new_text.strip() or f"without {old_text.strip()}"
        yield f"{name}: {what[:60]}", read(name), read(name, old_text, new_text)


def main() -> int:
    """Print the figures; return 1 if an alarm is false or missing."""
    start, alarms, misses = time.perf_counter(), list[str](), list[str]()
    quiet = loud = 0
    for name, old, new in harmless_edits():
        for way, pair in (("", (old, new)), (" (back)", (new, old))):
            quiet += 1
            changes = [one for one in compare(*pair) if one.level > Level.INFO]
            alarms += [f"{name}{way}: {one.id}, {one.message}" for one in changes[:1]]
    for name, old, new in breaking_edits():
        loud += 1
        if worst(compare(old, new)) is not Level.ERROR:
            misses.append(name)
    for title, some in (("false alarm", alarms), ("missed", misses)):
        for one in some:
            print(f"{title}: {one}")
    seconds = time.perf_counter() - start
    print(f"{quiet} comparisons after harmless edits: {len(alarms)} false alarms")
    print(f"{loud} comparisons after breaking edits: {len(misses)} missed ({seconds:.0f} s in all)")
    return int(bool(alarms or misses))


if __name__ == "__main__":
    sys.exit(main())
