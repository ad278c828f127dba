"""scripts/spec_diff: the level of a change for the sender and for the receiver of a schema.

Each row has two schemas and the levels of their difference in both directions; `-` means none.
ERROR: something called or read was removed, or something sent is newly required. WARN: something
unknown may arrive.
"""

import pytest
import spec_diff
from spec_diff import worst

FRAME = """
openapi: VERSION
paths:
  /things:
    post:
      requestBody: {content: {application/json: {schema: {type: object, properties: {f: SENT}}}}}
      responses:
        '200':
          description: Done
          content: {application/json: {schema: {type: object, properties: {f: RECEIVED}}}}
components:
  schemas:
    A: {type: object, required: [a], properties: {a: {type: string}}}
    B: {type: object, required: [b], properties: {b: {type: integer}}}
    C: {type: object, required: [c], properties: {c: {type: string}}}
    Whole: {type: object, properties: {a: {type: string}, b: {type: integer}, d: {type: string}}}
"""
A, B, C, WHOLE = (f"{{$ref: '#/components/schemas/{name}'}}" for name in ("A", "B", "C", "Whole"))
AB = f"{{oneOf: [{A}, {B}]}}"

# A response without anything that was read before, in various notations.
REPLACED = """
alternatives by text | {oneOf: [A, B]} | {type: string} | ERROR | ERROR
alternatives by others | {oneOf: [A, B]} | {oneOf: [C, {type: string}]} | ERROR | ERROR
alternatives by an array | {anyOf: [A, B]} | {type: array, items: A} | ERROR | ERROR
an object by alternatives | A | {oneOf: [{type: string}, {type: integer, minimum: 1}]} | ERROR | ERROR
alternatives by another object | {oneOf: [A, B]} | C | ERROR | ERROR
alternatives, null aside | {anyOf: [A, B, {type: 'null'}]} | {type: [boolean, 'null']} | ERROR | ERROR
one of two alternatives | {oneOf: [A, B]} | {oneOf: [A, C]} | ERROR | WARN
one alternative more | {oneOf: [A, B]} | {oneOf: [A, B, C]} | INFO | WARN
one alternative less | {oneOf: [A, B, C]} | {oneOf: [A, B]} | ERROR | INFO
an alternative that is known | {oneOf: [WHOLE, C]} | {oneOf: [WHOLE, C, {type: object, properties: {d: {type: string}}}]} | INFO | INFO
"""

# A request that still accepts everything sent before.
STILL_TAKEN = """
alternatives in a free object | {oneOf: [A, B]} | {type: object} | INFO | ERROR
alternatives in anything | {oneOf: [A, B]} | {} | INFO | ERROR
alternatives in true | {oneOf: [A, B]} | true | INFO | ERROR
an object in a free object | A | {type: object} | INFO | ERROR
one alternative in a free object | {oneOf: [A, B]} | {oneOf: [B, {type: object}]} | INFO | ERROR
alternatives in a whole | {oneOf: [A, B]} | WHOLE | INFO | WARN
alternatives with null | {oneOf: [A, B, {type: 'null'}]} | {type: [object, 'null']} | INFO | ERROR
not null in a free object | {oneOf: [A, B, {type: 'null'}]} | {type: object} | ERROR | ERROR
alternatives in a closed object | {oneOf: [A, B]} | {type: object, properties: {}, additionalProperties: false} | ERROR | ERROR
a map in a free object | {type: object, additionalProperties: {type: string}} | {type: object} | INFO | ERROR
"""

# Keywords without effect, and equivalent notations.
SAME = """
an extension on null | {anyOf: [{type: string}, {type: 'null'}]} | {anyOf: [{type: string}, {type: 'null', x-note: 1}]} | - | -
not deprecated null | {anyOf: [A, {type: 'null'}]} | {anyOf: [A, {type: 'null', deprecated: false}]} | - | -
a described null | {anyOf: [A, {type: 'null'}]} | {anyOf: [A, {enum: [null], description: None}]} | - | -
an extension on a value | {oneOf: [{const: a}, {const: b}]} | {oneOf: [{const: a, x-label: A}, {const: b}]} | - | -
not deprecated value | {enum: [a, b]} | {oneOf: [{const: a, deprecated: false}, {const: b, title: B}]} | - | -
one value as a list | {oneOf: [{const: a}]} | {enum: [a]} | - | -
values as lists | {anyOf: [{enum: [a, b]}, {const: c}]} | {type: string, enum: [c, b, a]} | - | -
a union in a union | {anyOf: [A, B, C]} | {anyOf: [A, {anyOf: [B, C]}]} | - | -
null in a union in a union | {anyOf: [A, B, {type: 'null'}]} | {anyOf: [A, {anyOf: [B, {type: 'null'}]}]} | - | -
an alternative twice | {anyOf: [A, B]} | {anyOf: [A, B, A]} | - | -
null in an alternative | {oneOf: [A, {type: string, minLength: 1}, {type: 'null'}]} | {oneOf: [A, {type: [string, 'null'], minLength: 1}]} | - | -
types as alternatives | {anyOf: [{type: string}, {type: integer}, A]} | {anyOf: [{type: [string, integer]}, A]} | - | -
a field that all alternatives have | {oneOf: [{type: object, properties: {k: {type: string}, a: {}}}, {type: object, properties: {k: {type: string}, b: {}}}]} | {type: object, properties: {k: {type: string}}, oneOf: [{properties: {a: {}}}, {properties: {b: {}}}]} | - | -
a type beside fields | {type: object, properties: {a: {}}} | {properties: {a: {}}} | - | -
a type beside required fields | {type: object, required: [a]} | {required: [a]} | - | -
a type beside a length | {type: string, maxLength: 5} | {maxLength: 5} | - | -
a type beside items | {type: array, minItems: 1} | {minItems: 1} | - | -
a number as 1.0 | {const: 1} | {const: 1.0} | - | -
numbers with and without fraction | {enum: [1, 2]} | {enum: [2.0, 1.0]} | - | -
a limit as 1.0 | {type: integer, maximum: 5} | {type: integer, maximum: 5.0} | - | -
more than 0, at least 1 | {type: integer, exclusiveMinimum: 0} | {type: integer, minimum: 1} | - | -
a multiple of 1 | {type: integer} | {type: integer, multipleOf: 1} | - | -
a number without fractions | {type: integer} | {type: number, multipleOf: 1} | - | -
a pattern for anything | {type: string} | {type: string, pattern: '.*'} | - | -
a pattern for anything, anchored | {type: string} | {type: string, pattern: '^.*$'} | - | -
a pattern for anything, over lines | {type: string} | {type: string, pattern: '[\\s\\S]*'} | - | -
names are text | {type: object} | {type: object, propertyNames: {type: string}} | - | -
nothing is forbidden | {type: string} | {type: string, not: false} | - | -
no item has to be there | {type: array} | {type: array, contains: {type: string}, minContains: 0} | - | -
fields that are not evaluated | {type: object, properties: {a: {}}, additionalProperties: false} | {type: object, properties: {a: {}}, unevaluatedProperties: false} | - | -
items that are not evaluated | {type: array, prefixItems: [A], items: false} | {type: array, prefixItems: [A], unevaluatedItems: false} | - | -
encoded text | {type: string, format: byte} | {type: string, contentEncoding: base64} | - | -
raw bytes | {type: string, format: binary} | {type: string, contentMediaType: application/octet-stream} | - | -
a keyword that nobody knows | {type: string} | {type: string, sortOrder: 5} | - | -
a default of a condition | {type: object, if: {required: [a]}, then: {required: [b]}} | {type: object, if: {required: [a]}, then: {required: [b]}, else: {}} | - | -
a condition alone | {type: object, properties: {a: {}}} | {type: object, properties: {a: {}}, if: {required: [a]}} | - | -
"""

# Keywords of JSON Schema 2020-12 that OpenAPI 3.0 lacks.
NEWER = """
type of patterned fields | {type: object, patternProperties: {^x-: {type: string}}} | {type: object, patternProperties: {^x-: {type: integer}}} | ERROR | ERROR
values of patterned fields | {type: object, patternProperties: {^x-: {enum: [a]}}} | {type: object, patternProperties: {^x-: {enum: [a, b]}}} | INFO | WARN
more patterned fields | {type: object, properties: {a: {}}} | {type: object, properties: {a: {}}, patternProperties: {^x-: {type: string}}} | INFO | INFO
closed to patterned fields | {type: object, patternProperties: {^x-: {}}, additionalProperties: false} | {type: object, additionalProperties: false} | ERROR | ERROR
a field becomes patterned | {type: object, properties: {x-a: {type: string}}} | {type: object, patternProperties: {^x-: {type: string}}} | INFO | INFO
a patterned map of other type | {type: object, patternProperties: {'^[a-z]+$': {type: object, properties: {a: {}}}}} | {type: object, patternProperties: {'^[a-z]+$': {type: object, properties: {b: {}}}}} | ERROR | ERROR
type of a place | {type: array, prefixItems: [{type: string}]} | {type: array, prefixItems: [{type: integer}]} | ERROR | ERROR
one more place | {type: array, prefixItems: [A], items: false} | {type: array, prefixItems: [A, B], items: false} | INFO | INFO
one place less | {type: array, prefixItems: [A, B], items: false} | {type: array, prefixItems: [A], items: false} | ERROR | ERROR
places changed | {type: array, prefixItems: [{type: string}, {type: integer}]} | {type: array, prefixItems: [{type: integer}, {type: string}]} | ERROR | ERROR
no more than the places | {type: array, prefixItems: [A]} | {type: array, prefixItems: [A], items: false} | WARN | INFO
more than the places | {type: array, prefixItems: [A], items: false} | {type: array, prefixItems: [A]} | INFO | WARN
a value in a place | {type: array, prefixItems: [{enum: [a]}]} | {type: array, prefixItems: [{enum: [a, b]}]} | INFO | WARN
required in some cases | {type: object, properties: {k: {enum: [a, b]}, n: {}}, if: {properties: {k: {const: a}}}, then: {properties: {n: {}}}} | {type: object, properties: {k: {enum: [a, b]}, n: {}}, if: {properties: {k: {const: a}}}, then: {properties: {n: {}}, required: [n]}} | ERROR | INFO
no longer required in some | {type: object, properties: {k: {}, n: {}}, if: {properties: {k: {const: a}}}, then: {required: [n]}} | {type: object, properties: {k: {}, n: {}}} | INFO | WARN
required in the other cases | {type: object, properties: {k: {}, n: {}}, if: {required: [k]}, then: {}} | {type: object, properties: {k: {}, n: {}}, if: {required: [k]}, else: {required: [n]}} | ERROR | INFO
a type in some cases | {type: object, properties: {k: {}}, if: {required: [k]}, then: {properties: {n: {type: string}}}} | {type: object, properties: {k: {}}, if: {required: [k]}, then: {properties: {n: {type: integer}}}} | ERROR | ERROR
required in more cases | {type: object, properties: {k: {enum: [a, b]}, n: {}}, if: {properties: {k: {enum: [a]}}}, then: {required: [n]}} | {type: object, properties: {k: {enum: [a, b]}, n: {}}, if: {properties: {k: {enum: [a, b]}}}, then: {required: [n]}} | ERROR | INFO
required in fewer cases | {type: object, properties: {k: {enum: [a, b]}, n: {}}, if: {properties: {k: {enum: [a, b]}}}, then: {required: [n]}} | {type: object, properties: {k: {enum: [a, b]}, n: {}}, if: {properties: {k: {enum: [a]}}}, then: {required: [n]}} | INFO | WARN
a case that comes with a value | {type: object, required: [k], properties: {k: {enum: [a]}}} | {type: object, required: [k], properties: {k: {enum: [a, b]}, n: {}}, if: {properties: {k: {const: b}}}, then: {required: [n]}} | INFO | WARN
required in one of two cases | {type: object, properties: {k: {}, n: {}}, allOf: [{if: {properties: {k: {const: a}}}, then: {required: [n]}}]} | {type: object, properties: {k: {}, n: {}}, allOf: [{if: {properties: {k: {const: a}}}, then: {required: [n]}}, {if: {properties: {k: {const: b}}}, then: {required: [n]}}]} | ERROR | INFO
required beside a field | {type: object, properties: {a: {}, b: {}}} | {type: object, properties: {a: {}, b: {}}, dependentRequired: {a: [b]}} | ERROR | INFO
not required beside a field | {type: object, properties: {a: {}, b: {}}, dependentRequired: {a: [b]}} | {type: object, properties: {a: {}, b: {}}} | INFO | WARN
required beside a new field | {type: object, properties: {b: {}}} | {type: object, properties: {a: {}, b: {}}, dependentRequired: {a: [b]}} | INFO | INFO
a schema beside a field | {type: object, properties: {a: {}, b: {type: integer}}, dependentSchemas: {a: {properties: {b: {minimum: 1}}}}} | {type: object, properties: {a: {}, b: {type: integer}}, dependentSchemas: {a: {required: [b], properties: {b: {minimum: 1}}}}} | ERROR | INFO
required, said otherwise | {type: object, properties: {a: {}, b: {}}, dependentRequired: {a: [b]}} | {type: object, properties: {a: {}, b: {}}, dependentSchemas: {a: {required: [b]}}} | - | -
a forbidden value | {type: string} | {type: string, not: {const: a}} | ERROR | INFO
one more forbidden value | {type: string, not: {enum: [a]}} | {type: string, not: {enum: [a, b]}} | ERROR | INFO
one forbidden value less | {type: string, not: {enum: [a, b]}} | {type: string, not: {enum: [a]}} | INFO | WARN
a forbidden field | {type: object, properties: {a: {}, b: {}}} | {type: object, properties: {a: {}, b: {}}, not: {required: [a, b]}} | ERROR | INFO
a forbidden pattern | {type: string} | {type: string, not: {pattern: ^a}} | WARN | INFO
forbidden no more | {type: string, not: {const: a}} | {type: string} | INFO | WARN
forbidden values reordered | {type: string, not: {enum: [a, b]}} | {type: string, not: {enum: [b, a]}} | - | -
names of a pattern | {type: object} | {type: object, propertyNames: {pattern: ^a}} | WARN | INFO
names of a list | {type: object} | {type: object, propertyNames: {enum: [a, b]}} | ERROR | INFO
one more name | {type: object, propertyNames: {enum: [a]}} | {type: object, propertyNames: {enum: [a, b]}} | INFO | WARN
names of any length | {type: object, propertyNames: {maxLength: 5}} | {type: object} | INFO | WARN
names reordered | {type: object, propertyNames: {enum: [a, b]}} | {type: object, propertyNames: {enum: [b, a]}} | - | -
an item has to be there | {type: array} | {type: array, contains: {const: a}} | WARN | INFO
no item has to be there | {type: array, contains: {const: a}} | {type: array} | INFO | WARN
another item has to be there | {type: array, contains: {type: string}} | {type: array, contains: {type: integer}} | ERROR | ERROR
two items have to be there | {type: array, contains: {const: a}} | {type: array, contains: {const: a}, minContains: 2} | WARN | INFO
closed, not evaluated | {allOf: [A], unevaluatedProperties: true} | {allOf: [A], unevaluatedProperties: false} | WARN | INFO
other fields, not evaluated | {allOf: [A], unevaluatedProperties: {type: string}} | {allOf: [A], unevaluatedProperties: {type: integer}} | ERROR | ERROR
other fields, open again | {allOf: [A], unevaluatedProperties: false} | {allOf: [A]} | INFO | INFO
what is written in text | {type: string, contentSchema: A} | {type: string, contentSchema: B} | ERROR | ERROR
another coding of text | {type: string, contentEncoding: base64} | {type: string, contentEncoding: base32} | WARN | WARN
"""

# Changes with formerly too high levels.
LOWER = """
a name that no field has, dropped | {type: object, required: [a, z], properties: {a: {}}} | {type: object, required: [a], properties: {a: {}}} | INFO | WARN
all such names dropped | {type: object, required: [z]} | {type: object} | INFO | WARN
such a name becomes a field | {type: object, required: [z]} | {type: object, required: [z], properties: {z: {type: string}}} | - | -
such a name in a closed object | {type: object, required: [z], properties: {z: {}}} | {type: object, properties: {}, additionalProperties: false} | ERROR | ERROR
a new name that no field has | {type: object, properties: {a: {}}} | {type: object, required: [z], properties: {a: {}}} | ERROR | INFO
format dropped | {type: string, format: email} | {type: string} | INFO | WARN
format added | {type: string} | {type: string, format: email} | WARN | INFO
a format that takes more | {type: integer, format: int32} | {type: integer, format: int64} | INFO | WARN
a format that takes less | {type: number, format: double} | {type: number, format: float} | WARN | INFO
a reference instead of an address | {type: string, format: uri} | {type: string, format: uri-reference} | INFO | WARN
another format | {type: string, format: date} | {type: string, format: date-time} | WARN | WARN
a pattern for anything | {type: string, pattern: ^a} | {type: string, pattern: '.*'} | INFO | WARN
one pattern less | {allOf: [{type: string, pattern: ^a}, {pattern: b$}]} | {type: string, pattern: ^a} | INFO | WARN
a multiple that divides | {type: integer, multipleOf: 10} | {type: integer, multipleOf: 5} | INFO | WARN
items may be there twice | {type: array, uniqueItems: true} | {type: array} | INFO | WARN
a map no more | {type: object, additionalProperties: {type: string}} | {type: object, additionalProperties: false} | ERROR | ERROR
a map as well | {type: object, properties: {a: {}}, additionalProperties: false} | {type: object, properties: {a: {}}, additionalProperties: {type: string}} | INFO | INFO
any of two has to be sent | {type: object, properties: {a: {}, b: {}}} | {type: object, properties: {a: {}, b: {}}, anyOf: [{required: [a]}, {required: [b]}]} | ERROR | INFO
any of two need not be sent | {type: object, properties: {a: {}, b: {}}, anyOf: [{required: [a]}, {required: [b]}]} | {type: object, properties: {a: {}, b: {}}} | INFO | WARN
fields of alternatives are gone | {type: object, properties: {k: {}}, oneOf: [{properties: {a: {}}}, {properties: {b: {}}}]} | {type: object, properties: {k: {}}} | ERROR | ERROR
a nullable type beside fields | {type: [object, 'null'], properties: {a: {}}} | {properties: {a: {}}} | - | -
another spelling of a field | {type: object, properties: {callId: {type: string}}} | {type: object, properties: {callid: {type: string}}} | ERROR | ERROR
another spelling of a value | {enum: [OnGoing, FINAL]} | {enum: [ONGOING, FINAL]} | ERROR | WARN
"""

TABLES = {
    "replaced": REPLACED,
    "still taken": STILL_TAKEN,
    "same": SAME,
    "newer": NEWER,
    "lower": LOWER,
}
ROWS = {
    f"{table}, {name}": rest
    for table, text in TABLES.items()
    for name, *rest in (
        [cell.strip() for cell in line.split(" | ")] for line in text.splitlines()[1:]
    )
}


def compared(old: str, new: str, *, sent: bool, version: str = "3.1.0") -> str:
    """Return the level of the difference between two schemas in a request or a response."""
    texts = []
    for schema in (old, new):
        for name in ("A", "B", "C", "WHOLE"):
            schema = replaced_word(schema, name)
        ways = (schema, "{}") if sent else ("{}", schema)
        text = FRAME.replace("SENT", ways[0]).replace("RECEIVED", ways[1])
        texts.append(text.replace("VERSION", version))
    documents = [
        spec_diff.parse(text, name) for text, name in zip(texts, ("old", "new"), strict=True)
    ]
    level = worst(spec_diff.compare(*documents, overlays=()))
    return "-" if level is None else level.name


def replaced_word(schema: str, name: str) -> str:
    words = {"A": A, "B": B, "C": C, "WHOLE": WHOLE}
    if schema == name:
        return words[name]
    for before in ("[", ", ", "items: ", "contentSchema: "):
        for after in ("]", ",", "}"):
            schema = schema.replace(f"{before}{name}{after}", f"{before}{words[name]}{after}")
    return schema


@pytest.mark.parametrize("name", ROWS)
def test_a_difference_has_its_levels_for_sender_and_receiver(name: str):
    old, new, sent, received = ROWS[name]
    found = compared(old, new, sent=True), compared(old, new, sent=False)
    assert found == (sent, received)


@pytest.mark.parametrize(
    "name", [name for name, row in ROWS.items() if name.startswith("same") and "-" in row]
)
def test_equality_is_symmetric(name: str):
    old, new, *_ = ROWS[name]
    assert [compared(new, old, sent=sent) for sent in (True, False)] == ["-", "-"]
