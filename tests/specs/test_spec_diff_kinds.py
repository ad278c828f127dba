"""scripts/spec_diff: every kind of change, with a pair of documents that differ only in it."""

import pytest
import spec_diff
from spec_diff import Change, Document, Level
from spec_diff.kinds import KINDS, RECEIVED, SENT

# A schema in every possible place.
PLACES = {
    "request-parameter": """
openapi: 3.1.0
paths:
  /things:
    get:
      parameters: [{name: q, in: query, schema: SCHEMA}]
      responses: {'204': {description: Done}}
""",
    "request-body": """
openapi: 3.1.0
paths:
  /things:
    post:
      requestBody: {content: {application/json: {schema: SCHEMA}}}
      responses: {'204': {description: Done}}
""",
    "request-property": """
openapi: 3.1.0
paths:
  /things:
    post:
      requestBody: {content: {application/json: {schema: {type: object, properties: {p: SCHEMA}}}}}
      responses: {'204': {description: Done}}
""",
    "response-header": """
openapi: 3.1.0
paths:
  /things:
    get:
      responses:
        '204': {description: Done, headers: {X-Thing: {schema: SCHEMA}}}
""",
    "response-body": """
openapi: 3.1.0
paths:
  /things:
    get:
      responses:
        '200': {description: Done, content: {application/json: {schema: SCHEMA}}}
""",
    "response-property": """
openapi: 3.1.0
paths:
  /things:
    get:
      responses:
        '200':
          description: Done
          content: {application/json: {schema: {type: object, properties: {p: SCHEMA}}}}
""",
    "webhook-parameter": """
openapi: 3.1.0
webhooks:
  done:
    post:
      parameters: [{name: q, in: query, schema: SCHEMA}]
      responses: {'204': {description: Done}}
""",
}
SCHEMAS = """
components:
  schemas:
    Cat: {type: object, properties: {kind: {const: cat}, purrs: {type: boolean}}}
    Dog: {type: object, properties: {kind: {const: dog}, barks: {type: boolean}}}
    Eel: {type: object, properties: {kind: {const: eel}, swims: {type: boolean}}}
"""
CAT, DOG, EEL = (f"{{$ref: '#/components/schemas/{name}'}}" for name in ("Cat", "Dog", "Eel"))


def union(keyword: str, *members: str, tag: str = "", mapping: str = "") -> str:
    discriminator = f", discriminator: {{propertyName: {tag}, mapping: {{{mapping}}}}}"
    return f"{{{keyword}: [{', '.join(members)}]{discriminator if tag else ''}}}"


PETS = (CAT, DOG)
BY_NAME = "cat: Cat, dog: Dog"

# Changes of a schema.
FACETS = {
    "type-changed": ("{type: string}", "{type: integer}"),
    "type-generalized": ("{type: integer}", "{type: [string, number]}"),
    "type-specialized": ("{type: [string, number]}", "{type: integer}"),
    "format-added": ("{type: string}", "{type: string, format: date}"),
    "format-changed": ("{type: string, format: date}", "{type: string, format: date-time}"),
    "format-generalized": ("{type: integer, format: int32}", "{type: integer, format: int64}"),
    "format-specialized": ("{type: integer, format: int64}", "{type: integer, format: int32}"),
    "format-removed": ("{type: string, format: date}", "{type: string}"),
    "became-nullable": ("{type: string}", "{type: [string, 'null']}"),
    "became-not-nullable": ("{type: [string, 'null']}", "{type: string}"),
    "became-enum": ("{type: string}", "{type: string, enum: [up, down]}"),
    "became-not-enum": ("{type: string, enum: [up, down]}", "{type: string}"),
    "enum-value-removed": ("{enum: [up, down]}", "{enum: [up]}"),
    "enum-value-added": ("{enum: [up]}", "{enum: [up, down]}"),
    "pattern-added": ("{type: string}", "{type: string, pattern: ^a}"),
    "pattern-changed": ("{type: string, pattern: ^a}", "{type: string, pattern: ^b}"),
    "pattern-removed": ("{type: string, pattern: ^a}", "{type: string}"),
    "default-value-added": ("{type: integer}", "{type: integer, default: 0}"),
    "default-value-changed": ("{type: integer, default: 0}", "{type: integer, default: 1}"),
    "default-value-removed": ("{type: integer, default: 0}", "{type: integer}"),
    "one-of-added": (union("oneOf", CAT, DOG), union("oneOf", CAT, EEL, DOG)),
    "one-of-removed": (union("oneOf", CAT, DOG, EEL), union("oneOf", EEL, CAT)),
    "any-of-added": (CAT, union("anyOf", CAT, DOG)),
    "any-of-removed": (union("anyOf", CAT, DOG), DOG),
    "union-keyword-changed": (union("oneOf", *PETS), union("anyOf", *PETS)),
    "discriminator-added": (
        union("oneOf", *PETS),
        union("oneOf", *PETS, tag="kind", mapping=BY_NAME),
    ),
    "discriminator-removed": (
        union("oneOf", *PETS, tag="kind", mapping=BY_NAME),
        union("oneOf", *PETS),
    ),
    "discriminator-property-name-changed": (
        union("oneOf", *PETS, tag="kind", mapping=BY_NAME),
        union("oneOf", *PETS, tag="sort", mapping=BY_NAME),
    ),
    "discriminator-mapping-added": (
        union("oneOf", *PETS, tag="kind", mapping=BY_NAME),
        union("oneOf", *PETS, tag="kind", mapping=f"{BY_NAME}, kitten: Cat"),
    ),
    "discriminator-mapping-deleted": (
        union("oneOf", *PETS, tag="kind", mapping=f"{BY_NAME}, kitten: Cat"),
        union("oneOf", *PETS, tag="kind", mapping=BY_NAME),
    ),
    "discriminator-mapping-changed": (
        union("oneOf", *PETS, tag="kind", mapping=f"{BY_NAME}, pet: Cat"),
        union("oneOf", *PETS, tag="kind", mapping=f"{BY_NAME}, pet: Dog"),
    ),
    "became-closed": ("{type: object}", "{type: object, additionalProperties: false}"),
    "became-open": ("{type: object, additionalProperties: false}", "{type: object}"),
    "constraint-tightened": ("{type: integer}", "{type: integer, multipleOf: 5}"),
    "constraint-relaxed": ("{type: array, uniqueItems: true}", "{type: array}"),
    "constraint-changed": ("{type: integer, multipleOf: 2}", "{type: integer, multipleOf: 5}"),
    "values-forbidden": ("{type: string}", "{type: string, not: {const: a}}"),
    "item-added": ("{prefixItems: [{}]}", "{prefixItems: [{}, {}]}"),
    "item-removed": ("{prefixItems: [{}, {}]}", "{prefixItems: [{}]}"),
    "deprecated": ("{type: string}", "{type: string, deprecated: true}"),
    "reactivated": ("{type: string, deprecated: true}", "{type: string}"),
    "sunset-deleted": (
        "{deprecated: true, x-sunset: 2030-01-01}",
        "{deprecated: true}",
    ),
    "sunset-date-changed-too-small": (
        "{deprecated: true, x-sunset: 2030-01-01}",
        "{deprecated: true, x-sunset: 2029-01-01}",
    ),
    "sunset-date-postponed": (
        "{deprecated: true, x-sunset: 2030-01-01}",
        "{deprecated: true, x-sunset: 2031-01-01}",
    ),
}
for limit, keyword, type_ in (
    ("max", "maximum", "integer"),
    ("min", "exclusiveMinimum", "number"),
    ("max-length", "maxLength", "string"),
    ("min-length", "minLength", "string"),
    ("max-items", "maxItems", "array"),
    ("min-items", "minItems", "array"),
    ("max-properties", "maxProperties", "object"),
    ("min-properties", "minProperties", "object"),
    ("max-contains", "maxContains", "array, contains: {type: string}"),
    ("min-contains", "minContains", "array, contains: {type: string}"),
):
    none = f"{{type: {type_}{', minContains: 0' if limit == 'min-contains' else ''}}}"
    five, six = (f"{{type: {type_}, {keyword}: {number}}}" for number in (5, 6))
    FACETS |= {
        f"{limit}-set": (none, five),
        f"{limit}-unset": (five, none),
        f"{limit}-decreased": (six, five),
        f"{limit}-increased": (five, six),
    }

# Changes of an operation.
OPERATIONS = {
    "endpoint-deprecated": (
        "",
        "deprecated: true",
    ),
    "endpoint-deprecated-with-sunset": (
        "",
        "deprecated: true, x-sunset: 2030-01-01",
    ),
    "endpoint-reactivated": (
        "deprecated: true",
        "",
    ),
    "sunset-deleted": (
        "deprecated: true, x-sunset: 2030-01-01",
        "deprecated: true",
    ),
    "api-sunset-date-changed-too-small": (
        "deprecated: true, x-sunset: 2030-01-01",
        "deprecated: true, x-sunset: 2029-01-01",
    ),
    "api-sunset-date-postponed": (
        "deprecated: true, x-sunset: 2030-01-01",
        "deprecated: true, x-sunset: 2031-01-01",
    ),
    "api-operation-id-removed": (
        "operationId: Old",
        "operationId: New",
    ),
    "api-operation-id-added": (
        "",
        "operationId: New",
    ),
    "api-tag-removed": (
        "tags: [a, b]",
        "tags: [b]",
    ),
    "api-tag-added": (
        "tags: [a]",
        "tags: [b, a]",
    ),
    "api-security-removed": (
        "security: [{Key: []}, {Basic: []}]",
        "security: [{Basic: []}]",
    ),
    "api-security-added": (
        "security: [{Key: []}]",
        "security: [{Basic: []}, {Key: []}]",
    ),
    "api-security-scope-added": (
        "security: [{OAuth: [read]}]",
        "security: [{OAuth: [read, write]}]",
    ),
    "api-security-scope-removed": (
        "security: [{OAuth: [read, write]}]",
        "security: [{OAuth: [read]}]",
    ),
    "request-parameter-removed": (
        "parameters: [{name: q, in: query, schema: {type: array}}]",
        "",
    ),
    "new-required-request-parameter": (
        "",
        "parameters: [{name: q, in: query, schema: {type: array}, required: true}]",
    ),
    "new-optional-request-parameter": (
        "",
        "parameters: [{name: q, in: query, schema: {type: array}}]",
    ),
    "request-parameter-became-required": (
        "parameters: [{name: q, in: query, schema: {type: array}}]",
        "parameters: [{name: q, in: query, schema: {type: array}, required: true}]",
    ),
    "request-parameter-became-optional": (
        "parameters: [{name: q, in: query, schema: {type: array}, required: true}]",
        "parameters: [{name: q, in: query, schema: {type: array}, required: false}]",
    ),
    "request-parameter-style-changed": (
        "parameters: [{name: q, in: query, schema: {type: array}, explode: false}]",
        "parameters: [{name: q, in: query, schema: {type: array}, style: pipeDelimited}]",
    ),
    "request-parameter-explode-changed": (
        "parameters: [{name: q, in: query, schema: {type: array}}]",
        "parameters: [{name: q, in: query, schema: {type: array}, explode: false}]",
    ),
    "request-parameter-became-allow-reserved": (
        "parameters: [{name: q, in: query, schema: {type: array}}]",
        "parameters: [{name: q, in: query, schema: {type: array}, allowReserved: true}]",
    ),
    "request-parameter-became-not-allow-reserved": (
        "parameters: [{name: q, in: query, schema: {type: array}, allowReserved: true}]",
        "parameters: [{name: q, in: query, schema: {type: array}}]",
    ),
    "request-parameter-content-changed": (
        "parameters: [{name: q, in: query, schema: {type: string}}]",
        "parameters: [{name: q, in: query, content: {application/json: {schema: {type: string}}}}]",
    ),
    "request-body-added-required": (
        "",
        "requestBody: {content: {application/json: {schema: {type: string}}}, required: true}",
    ),
    "request-body-added-optional": (
        "",
        "requestBody: {content: {application/json: {schema: {type: string}}}}",
    ),
    "request-body-removed": (
        "requestBody: {content: {application/json: {schema: {type: string}}}}",
        "",
    ),
    "request-body-became-required": (
        "requestBody: {content: {application/json: {schema: {type: string}}}}",
        "requestBody: {content: {application/json: {schema: {type: string}}}, required: true}",
    ),
    "request-body-became-optional": (
        "requestBody: {content: {application/json: {schema: {type: string}}}, required: true}",
        "requestBody: {content: {application/json: {schema: {type: string}}}}",
    ),
    "request-body-media-type-removed": (
        "requestBody: {content: {text/plain: {}, text/csv: {}}}",
        "requestBody: {content: {text/csv: {}}}",
    ),
    "request-body-media-type-added": (
        "requestBody: {content: {text/csv: {}}}",
        "requestBody: {content: {text/plain: {}, text/csv: {}}}",
    ),
    "request-body-encoding-changed": (
        "requestBody: {content: {multipart/form-data: {encoding: {a: {style: form}}}}}",
        "requestBody: {content: {multipart/form-data: {encoding: {a: {explode: false}}}}}",
    ),
    "response-success-status-removed": (
        "responses: {'200': {description: Done}, '201': {description: Made}}",
        "responses: {'200': {description: Done}}",
    ),
    "response-success-status-added": (
        "responses: {'200': {description: Done}}",
        "responses: {'200': {description: Done}, '201': {description: Made}}",
    ),
    "response-non-success-status-removed": (
        "responses: {'200': {description: Done}, '404': {description: None such}}",
        "responses: {'200': {description: Done}}",
    ),
    "response-non-success-status-added": (
        "responses: {'200': {description: Done}}",
        "responses: {'200': {description: Done}, '404': {description: None such}}",
    ),
    "response-media-type-removed": (
        "responses: {'200': {content: {text/plain: {}, text/csv: {}}}}",
        "responses: {'200': {content: {text/csv: {}}}}",
    ),
    "response-media-type-added": (
        "responses: {'200': {content: {text/csv: {}}}}",
        "responses: {'200': {content: {text/plain: {}, text/csv: {}}}}",
    ),
    "required-response-header-removed": (
        "responses: {'204': {headers: {X-Total: {required: true, schema: {type: integer}}}}}",
        "responses: {'204': {}}",
    ),
    "optional-response-header-removed": (
        "responses: {'204': {headers: {X-Total: {schema: {type: integer}}}}}",
        "responses: {'204': {}}",
    ),
    "response-header-added": (
        "responses: {'204': {}}",
        "responses: {'204': {headers: {X-Total: {schema: {type: integer}}}}}",
    ),
    "response-header-became-optional": (
        "responses: {'204': {headers: {X-Total: {required: true, schema: {type: integer}}}}}",
        "responses: {'204': {headers: {x-total: {schema: {type: integer}}}}}",
    ),
    "response-header-became-required": (
        "responses: {'204': {headers: {X-Total: {schema: {type: integer}}}}}",
        "responses: {'204': {headers: {x-total: {required: true, schema: {type: integer}}}}}",
    ),
    "webhook-removed": (
        "callbacks: {done: {'{$url}': {post: {}}}}",
        "",
    ),
    "webhook-added": (
        "",
        "callbacks: {done: {'{$url}': {post: {}}}}",
    ),
    "response-header-content-changed": (
        "responses: {'204': {headers: {X-Thing: {content: {application/json: {}}}}}}",
        "responses: {'204': {headers: {X-Thing: {content: {text/plain: {}}}}}}",
    ),
}
SECURITY = """
components:
  securitySchemes:
    Basic: {type: http, scheme: basic}
    Key: {type: apiKey, in: header, name: X-Key}
    OAuth: {type: oauth2, flows: {clientCredentials: {tokenUrl: /token, scopes: {}}}}
"""

# Changes of the fields of an object in a sent or received body.
FIELDS = {
    "new-required-request-property": (
        "{properties: {a: {}}}",
        "{properties: {a: {}, b: {}}, required: [b]}",
    ),
    "new-required-request-property-with-default": (
        "{properties: {a: {}}}",
        "{properties: {a: {}, b: {default: 0}}, required: [b]}",
    ),
    "new-optional-request-property": ("{properties: {a: {}}}", "{properties: {a: {}, b: {}}}"),
    "request-property-removed": (
        "{properties: {a: {}, b: {}}, required: [b]}",
        "{properties: {a: {}}}",
    ),
    "request-property-became-required": (
        "{properties: {a: {}}}",
        "{properties: {a: {}}, required: [a]}",
    ),
    "request-property-became-required-with-default": (
        "{properties: {a: {default: 0}}}",
        "{properties: {a: {default: 0}}, required: [a]}",
    ),
    "request-property-became-optional": (
        "{properties: {a: {}}, required: [a]}",
        "{properties: {a: {}}}",
    ),
    "request-required-property-became-read-only": (
        "{properties: {a: {}}, required: [a]}",
        "{properties: {a: {readOnly: true}}, required: [a]}",
    ),
    "request-optional-property-became-read-only": (
        "{properties: {a: {}}}",
        "{properties: {a: {readOnly: true}}}",
    ),
    "request-required-property-became-not-read-only": (
        "{properties: {a: {readOnly: true}}, required: [a]}",
        "{properties: {a: {}}, required: [a]}",
    ),
    "request-optional-property-became-not-read-only": (
        "{properties: {a: {readOnly: true}}}",
        "{properties: {a: {}}}",
    ),
    "response-required-property-removed": (
        "{properties: {a: {}, b: {}}, required: [b]}",
        "{properties: {a: {}}}",
    ),
    "response-optional-property-removed": ("{properties: {a: {}, b: {}}}", "{properties: {a: {}}}"),
    "response-required-property-added": (
        "{properties: {a: {}}}",
        "{properties: {a: {}, b: {}}, required: [b]}",
    ),
    "response-optional-property-added": ("{properties: {a: {}}}", "{properties: {a: {}, b: {}}}"),
    "response-property-became-optional": (
        "{properties: {a: {}}, required: [a]}",
        "{properties: {a: {}}}",
    ),
    "response-property-became-required": (
        "{properties: {a: {}}}",
        "{properties: {a: {}}, required: [a]}",
    ),
    "response-required-property-became-write-only": (
        "{properties: {a: {}}, required: [a]}",
        "{properties: {a: {writeOnly: true}}, required: [a]}",
    ),
    "response-optional-property-became-write-only": (
        "{properties: {a: {}}}",
        "{properties: {a: {writeOnly: true}}}",
    ),
    "response-required-property-became-not-write-only": (
        "{properties: {a: {writeOnly: true}}, required: [a]}",
        "{properties: {a: {}}, required: [a]}",
    ),
    "response-optional-property-became-not-write-only": (
        "{properties: {a: {writeOnly: true}}}",
        "{properties: {a: {}}}",
    ),
}

# Changes of an event: its request and its answer.
EVENTS = {
    "webhook-parameter-removed": ("parameters: [{name: X-Id, in: header, schema: {}}]", ""),
    "webhook-parameter-added": ("", "parameters: [{name: X-Id, in: header, schema: {}}]"),
    "webhook-parameter-became-optional": (
        "parameters: [{name: X-Id, in: header, schema: {}, required: true}]",
        "parameters: [{name: x-id, in: header, schema: {}}]",
    ),
    "webhook-parameter-became-required": (
        "parameters: [{name: X-Id, in: header, schema: {}}]",
        "parameters: [{name: x-id, in: header, schema: {}, required: true}]",
    ),
    "webhook-parameter-content-changed": (
        "parameters: [{name: X-Id, in: header, content: {application/json: {}}}]",
        "parameters: [{name: X-Id, in: header, content: {text/plain: {}}}]",
    ),
    "webhook-body-removed": ("requestBody: {content: {application/json: {}}}", ""),
    "webhook-body-added": ("", "requestBody: {content: {application/json: {}}}"),
    "webhook-body-became-optional": (
        "requestBody: {content: {application/json: {}}, required: true}",
        "requestBody: {content: {application/json: {}}}",
    ),
    "webhook-body-became-required": (
        "requestBody: {content: {application/json: {}}}",
        "requestBody: {content: {application/json: {}}, required: true}",
    ),
    "webhook-media-type-removed": (
        "requestBody: {content: {application/json: {}, text/csv: {}}}",
        "requestBody: {content: {application/json: {}}}",
    ),
    "webhook-media-type-added": (
        "requestBody: {content: {application/json: {}}}",
        "requestBody: {content: {application/json: {}, text/csv: {}}}",
    ),
    "webhook-success-status-removed": (
        "responses: {'200': {}, '204': {}}",
        "responses: {'204': {}}",
    ),
    "webhook-success-status-added": ("responses: {'200': {}}", "responses: {'204': {}, '200': {}}"),
    "webhook-non-success-status-removed": (
        "responses: {'200': {}, '410': {}}",
        "responses: {'200': {}}",
    ),
    "webhook-non-success-status-added": (
        "responses: {'200': {}}",
        "responses: {'200': {}, '410': {}}",
    ),
    "webhook-security-changed": ("", "security: [{Basic: []}]"),
}

# Changes of the document.
SCHEMES = "components: {securitySchemes: {A: {type: http, scheme: basic}, B: {type: mutualTLS}}}"
DOCUMENTS = {
    "endpoint-added": (
        "paths: {/a: {get: {}}}",
        "paths: {/a: {get: {}}, /b: {get: {}}}",
    ),
    "api-path-removed-without-deprecation": (
        "paths: {/a: {get: {}}, /b: {get: {}}}",
        "paths: {/a: {get: {}}}",
    ),
    "api-path-removed-with-deprecation": (
        "paths: {/a: {get: {}}, /b: {get: {deprecated: true}}}",
        "paths: {/a: {get: {}}}",
    ),
    "api-removed-without-deprecation": (
        "paths: {/a: {get: {}, put: {}}}",
        "paths: {/a: {get: {}}}",
    ),
    "api-removed-with-deprecation": (
        "paths: {/a: {get: {deprecated: true}, put: {}}}",
        "paths: {/a: {put: {}}}",
    ),
    "reference-changed": (
        "paths: {/a: {$ref: 'https://example.org/a.yaml'}}",
        "paths: {/a: {$ref: 'https://example.org/b.yaml'}}",
    ),
    "info-version-changed": (
        "info: {title: A, version: '1'}",
        "info: {title: B, version: '2'}",
    ),
    "api-schema-removed": (
        "components: {schemas: {Spare: {type: string}}}",
        "",
    ),
    "api-server-removed": (
        "servers: [{url: https://a.test}, {url: https://b.test}]",
        "servers: [{url: https://b.test/}]",
    ),
    "api-server-added": (
        "servers: [{url: https://a.test}]",
        "servers: [{url: 'https://{at}.test', variables: {at: {enum: [a, b], default: a}}}]",
    ),
    "api-global-security-removed": (
        "security: [{A: []}, {B: []}]\n" + SCHEMES,
        "security: [{A: []}]\n" + SCHEMES,
    ),
    "api-global-security-added": (
        "security: [{A: []}]\n" + SCHEMES,
        "security: [{B: []}, {A: []}]\n" + SCHEMES,
    ),
    "api-security-component-type-changed": (
        "security: [{A: []}]\ncomponents: {securitySchemes: {A: {type: http, scheme: basic}}}",
        (
            "security: [{A: []}]\n"
            "components: {securitySchemes: {A: {type: openIdConnect, openIdConnectUrl: /id}}}"
        ),
    ),
    "api-security-component-changed": (
        "security: [{A: []}]\ncomponents: {securitySchemes: {A: {type: http, scheme: basic}}}",
        "security: [{A: []}]\ncomponents: {securitySchemes: {A: {type: http, scheme: bearer}}}",
    ),
}

# In test_spec_diff.py, because these two need an overlay and an override.
SHOWN_ELSEWHERE = {"overlay-action-obsolete", "override-unused"}


def compare(old: str, new: str) -> list[Change]:
    documents = [spec_diff.parse(text, name) for text, name in ((old, "old"), (new, "new"))]
    return spec_diff.compare(*documents, overlays=())


def only(changes: list[Change]) -> Change:
    assert len(changes) == 1, changes
    return changes[0]


def is_as_the_table_says(change: Change, kind: str) -> bool:
    return (change.id, change.level) == (kind, KINDS[kind].level) and KINDS[
        kind
    ].meaning in change.message


PLACED = [
    (place, facet) for place in SENT + RECEIVED for facet in FACETS if f"{place}-{facet}" in KINDS
]


@pytest.mark.parametrize(("place", "facet"), PLACED, ids=map("-".join, PLACED))
def test_a_schema_that_differs_in_one_thing_gives_that_change(place: str, facet: str):
    pair = [PLACES[place].replace("SCHEMA", schema) + SCHEMAS for schema in FACETS[facet]]
    change = only(compare(*pair))
    assert is_as_the_table_says(change, f"{place}-{facet}")
    assert change.operation in ("GET /things", "POST /things", "webhook done")


@pytest.mark.parametrize("kind", OPERATIONS)
def test_an_operation_that_differs_in_one_thing_gives_that_change(kind: str):
    frame = f"openapi: 3.1.0\npaths: {{/things: {{post: {{OPERATION}}}}}}\n{SECURITY}"
    change = only(compare(*(frame.replace("OPERATION", one) for one in OPERATIONS[kind])))
    assert is_as_the_table_says(change, kind)
    assert change.operation is not None
    assert change.operation.startswith("POST /things")


@pytest.mark.parametrize("kind", EVENTS)
@pytest.mark.parametrize("key", ["webhooks", "x-webhooks"])
def test_an_event_that_differs_in_one_thing_gives_that_change(kind: str, key: str):
    frame = f"openapi: 3.1.0\npaths: {{}}\n{key}: {{done: {{post: {{EVENT}}}}}}\n{SECURITY}"
    change = only(compare(*(frame.replace("EVENT", one) for one in EVENTS[kind])))
    assert is_as_the_table_says(change, kind)
    assert change.operation == "webhook done"


@pytest.mark.parametrize("kind", FIELDS)
def test_an_object_that_differs_in_one_field_gives_that_change(kind: str):
    frame = PLACES["request-body" if "request" in kind else "response-body"]
    assert is_as_the_table_says(
        only(compare(*(frame.replace("SCHEMA", one) for one in FIELDS[kind]))), kind
    )


@pytest.mark.parametrize("kind", DOCUMENTS)
def test_a_document_that_differs_in_one_thing_gives_that_change(kind: str):
    pair = [f"openapi: 3.1.0\n{text}\n" for text in DOCUMENTS[kind]]
    pair = [text if "paths" in text else f"{text}paths: {{/a: {{get: {{}}}}}}" for text in pair]
    assert is_as_the_table_says(only(compare(*pair)), kind)


def test_every_kind_in_the_table_has_a_pair():
    shown = {f"{place}-{facet}" for place, facet in PLACED}
    shown |= OPERATIONS.keys() | EVENTS.keys() | FIELDS.keys() | DOCUMENTS.keys() | SHOWN_ELSEWHERE
    assert shown == KINDS.keys()
    assert {facet for _, facet in PLACED} == FACETS.keys()


def test_the_same_pair_in_the_other_order_is_another_change():
    for place, facet in PLACED:
        pair = [PLACES[place].replace("SCHEMA", schema) + SCHEMAS for schema in FACETS[facet]]
        back = only(compare(*reversed(pair)))
        assert (back.id == f"{place}-{facet}") is facet.endswith("changed"), facet


@pytest.mark.parametrize(
    "name",
    """
    api-path-removed-without-deprecation api-removed-without-deprecation api-operation-id-removed
    request-parameter-removed new-required-request-parameter request-parameter-enum-value-removed
    request-parameter-style-changed request-parameter-max-length-decreased
    request-parameter-default-value-changed request-parameter-became-not-nullable
    request-body-added-required request-body-media-type-removed request-body-one-of-removed
    new-required-request-property request-property-removed request-property-became-required
    request-property-pattern-added request-property-min-items-set request-property-type-changed
    request-property-discriminator-mapping-deleted request-optional-property-became-read-only
    response-success-status-removed response-media-type-removed required-response-header-removed
    response-optional-property-removed response-required-property-removed
    response-property-became-optional response-property-became-nullable
    response-property-enum-value-added response-property-any-of-added
    response-property-discriminator-property-name-changed response-body-type-changed
    api-global-security-removed api-security-scope-added api-tag-removed api-schema-removed
    """.split(),
)
def test_a_check_of_oasdiff_has_its_name(name: str):
    assert name in KINDS


@pytest.mark.parametrize(
    ("level", "kinds"),
    [
        (
            Level.ERROR,
            """
            response-optional-property-removed response-property-type-changed
            new-required-request-property request-property-enum-value-removed
            api-global-security-removed api-server-removed api-removed-with-deprecation
            """,
        ),
        (
            Level.WARN,
            """
            response-property-enum-value-added response-property-became-nullable
            response-property-became-optional request-property-max-length-decreased
            response-success-status-added
            """,
        ),
        (
            Level.INFO,
            """
            endpoint-added new-optional-request-property response-optional-property-added
            request-property-enum-value-added api-tag-removed
            """,
        ),
    ],
)
def test_levels_are_those_of_a_caller(level: Level, kinds: str):
    assert {KINDS[kind].level for kind in kinds.split()} == {level}


TWO = "{oneOf: [{required: [a]}, {required: [b]}]}, {oneOf: [{required: [c]}, {required: [d]}]}"
FOUR = "{required: [a]}, {required: [b]}, {required: [c]}, {required: [d]}"
CROSSED = TWO.replace("[b]", "[x]").replace("[c]", "[b]").replace("[x]", "[c]")


@pytest.mark.parametrize(
    ("place", "facet", "old", "new"),
    [
        ("request-body", "constraint-changed", f"{{allOf: [{TWO}]}}", f"{{oneOf: [{FOUR}]}}"),
        ("response-body", "constraint-changed", f"{{allOf: [{TWO}]}}", f"{{allOf: [{CROSSED}]}}"),
        ("request-property", "removed", "{type: string}", "false"),
        ("response-property", "type-changed", "{type: 'null'}", "{type: string}"),
    ],
)
def test_a_change_inside_other_keywords_is_found(place: str, facet: str, old: str, new: str):
    text = PLACES[place]
    assert f"{place}-{facet}" in {
        change.id for change in compare(text.replace("SCHEMA", old), text.replace("SCHEMA", new))
    }


def test_a_change_can_be_compared_without_lines():
    data = {"openapi": "3.1.0", "paths": {"/a": {"get": {"responses": {"200": {}}}}}}
    more = {**data, "paths": data["paths"] | {"/b": data["paths"]["/a"]}}
    change = only(spec_diff.compare(Document("old", data), Document("new", more), overlays=()))
    assert (change.id, change.new_pointer, change.new_line) == (
        "endpoint-added",
        "/paths/~1b/get",
        None,
    )
