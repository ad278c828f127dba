"""scripts/spec_diff: pairs of documents written for a later review."""

import pytest
import spec_diff
from spec_diff import worst

C = 'components: {schemas: {A: {type: object, properties: {x: {type: string}}}, B: {type: object, properties: {y: {type: string}}}, N: {type: [object, "null"], properties: {x: {type: string}}}}}'
A, B, N = (f"{{$ref: '#/components/schemas/{name}'}}" for name in "ABN")


def row(name: str, expected: str, old: str, new: str) -> tuple[str, str, str, str]:
    return name, expected, old, new


def resp(schema: str, more: str = "", v: str = "3.1.0") -> str:
    return f"openapi: {v}\npaths: {{/a: {{get: {{responses: {{'200': {{content: {{application/json: {{schema: {schema}}}}}}}}}}}}}}}\n{more}"


def req(schema: str, more: str = "", v: str = "3.1.0") -> str:
    return f"openapi: {v}\npaths: {{/a: {{post: {{requestBody: {{content: {{application/json: {{schema: {schema}}}}}}}, responses: {{'204': {{}}}}}}}}}}\n{more}"


def hook(event: str, answer: str = "{}") -> str:
    return f"paths: {{}}\nwebhooks: {{w: {{post: {{requestBody: {{content: {{application/json: {{schema: {event}}}}}}}, responses: {{'200': {{content: {{application/json: {{schema: {answer}}}}}}}}}}}}}}}"


def par(parameter: str) -> str:
    return f"paths: {{/a: {{get: {{parameters: [{parameter}], responses: {{'200': {{}}}}}}}}}}"


ROWS = [
    row('nullable ref via component vs anyOf','-',resp(f'{{properties: {{p: {N}}}}}',C),resp(f"{{properties: {{p: {{anyOf: [{A}, {{type: 'null'}}]}}}}}}",C)),
    row('3.0 nullable allOf ref vs 3.1 oneOf null','-',resp(f'{{type: object, properties: {{p: {{nullable: true, allOf: [{A}]}}}}}}',C.replace('"null"','string'),'3.0.3').replace('[object, string]','object'),resp(f"{{type: object, properties: {{p: {{oneOf: [{A}, {{type: 'null'}}]}}}}}}",C)),
    row('response array items nullable','WARN',resp('{type: array, items: {type: string}}'),resp("{type: array, items: {type: [string, 'null']}}")),
    row('request array items nullable dropped','ERROR',req("{type: array, items: {type: [string, 'null']}}"),req('{type: array, items: {type: string}}')),
    row('resp oneOf member field gone','ERROR',resp(f'{{oneOf: [{A}, {B}]}}',C),resp(f'{{oneOf: [{A}, {B}]}}',C.replace('y: {type: string}',''))),
    row('req oneOf member new required','ERROR',req(f'{{oneOf: [{A}, {B}]}}',C),req(f'{{oneOf: [{A}, {B}]}}',C.replace('B: {type: object,','B: {type: object, required: [y],'))),
    row('if nested in then','ERROR',req('{type: object, properties: {a: {}, b: {}, c: {}}, if: {required: [a]}, then: {if: {required: [b]}, then: {}}}'),req('{type: object, properties: {a: {}, b: {}, c: {}}, if: {required: [a]}, then: {if: {required: [b]}, then: {required: [c]}}}')),
    row('else-if chain','ERROR',req('{type: object, properties: {k: {}, c: {}}, if: {properties: {k: {const: 1}}}, then: {}, else: {if: {properties: {k: {const: 2}}}, then: {}}}'),req('{type: object, properties: {k: {}, c: {}}, if: {properties: {k: {const: 1}}}, then: {}, else: {if: {properties: {k: {const: 2}}}, then: {required: [c]}}}')),
    row('then value enum added in response','WARN',resp('{type: object, properties: {k: {}, c: {}}, if: {required: [k]}, then: {properties: {c: {enum: [1]}}}}'),resp('{type: object, properties: {k: {}, c: {}}, if: {required: [k]}, then: {properties: {c: {enum: [1, 2]}}}}')),
    row('if/then moved to allOf','-',req('{type: object, properties: {k: {}, c: {}}, if: {required: [k]}, then: {required: [c]}}'),req('{type: object, properties: {k: {}, c: {}}, allOf: [{if: {required: [k]}, then: {required: [c]}}]}')),
    row('patternProperties in webhook type','ERROR',hook("{type: object, patternProperties: {^a: {type: string}}}"),hook("{type: object, patternProperties: {^a: {type: integer}}}")),
    row('webhook answer new required','ERROR',hook('{}','{type: object, properties: {a: {}}}'),hook('{}','{type: object, properties: {a: {}}, required: [a]}')),
    row('webhook answer field gone','ERROR',hook('{}','{type: object, properties: {a: {}, b: {}}}'),hook('{}','{type: object, properties: {a: {}}}')),
    row('webhook answer enum grows','INFO',hook('{}','{enum: [a]}'),hook('{}','{enum: [a, b]}')),
    row('webhook media type order','-',hook('{}').replace('application/json: {schema: {}}','text/a: {}, text/b: {}',1),hook('{}').replace('application/json: {schema: {}}','text/b: {}, text/a: {}',1)),
    row('not with nested spelling','-',req("{type: object, not: {anyOf: [{required: [a]}, {required: [b]}]}}"),req("{type: object, not: {anyOf: [{required: [b]}, {required: [a]}]}}")),
    row('contains enum grows resp','WARN',resp('{type: array, contains: {enum: [a]}}'),resp('{type: array, contains: {enum: [a, b]}}')),
    row('contains enum shrinks req','ERROR',req('{type: array, contains: {enum: [a, b]}}'),req('{type: array, contains: {enum: [a]}}')),
    row('maxContains lowered req','WARN',req('{type: array, contains: {enum: [a]}, maxContains: 5}'),req('{type: array, contains: {enum: [a]}, maxContains: 2}')),
    row('prefixItems plus items typed','ERROR',resp('{type: array, prefixItems: [{type: string}], items: {type: integer}}'),resp('{type: array, prefixItems: [{type: string}], items: {type: string}}')),
    row('prefixItems → items uniform','-',resp('{type: array, prefixItems: [{type: string}, {type: string}], items: {type: string}}'),resp('{type: array, items: {type: string}}')),
    row('items array 3.0 style untouched desc','-',resp('{type: array, items: {type: string, description: a}}'),resp('{type: array, items: {type: string, title: b}}')),
    row('propertyNames pattern change resp','WARN',resp('{type: object, propertyNames: {pattern: ^a}}'),resp('{type: object, propertyNames: {pattern: ^b}}')),
    row('dependentRequired more, resp','INFO',resp('{type: object, properties: {a: {}, b: {}}, dependentRequired: {a: [b]}}'),resp('{type: object, properties: {a: {}, b: {}}, dependentRequired: {a: [b], b: [a]}}')),
    row('dependentRequired redundant','-',req('{type: object, required: [b], properties: {a: {}, b: {}}}'),req('{type: object, required: [b], properties: {a: {}, b: {}}, dependentRequired: {a: [b]}}')),
    row('unevaluatedProperties false with oneOf, member gains field','INFO',req(f'{{oneOf: [{A}, {B}], unevaluatedProperties: false}}',C),req(f'{{oneOf: [{A}, {B}], unevaluatedProperties: false}}',C.replace('y: {type: string}','y: {type: string}, z: {}'))),
    row('callback expression whitespace? header param removed','ERROR',"paths: {/a: {post: {responses: {'200': {}}, callbacks: {d: {'{$request.body#/u}': {post: {parameters: [{name: X-Sig, in: header, schema: {}}], responses: {'200': {}}}}}}}}}","paths: {/a: {post: {responses: {'200': {}}, callbacks: {d: {'{$request.body#/u}': {post: {responses: {'200': {}}}}}}}}}"),
    row('server added as first','INFO',"servers: [{url: https://a.x}]\npaths: {/a: {get: {}}}","servers: [{url: https://b.x}, {url: https://a.x}]\npaths: {/a: {get: {}}}"),
    row('op-level servers equal root','-',"servers: [{url: https://a.x}]\npaths: {/a: {get: {}}}","servers: [{url: https://a.x}]\npaths: {/a: {get: {servers: [{url: 'https://a.x/'}]}}}"),
    row('path prefix moved + change','ERROR',"servers: [{url: https://a.x/v1}]\npaths: {/a: {get: {parameters: []}}}","servers: [{url: https://a.x}]\npaths: {/v1/a: {get: {parameters: [{name: q, in: query, required: true, schema: {}}]}}}"),
    row('3 same-shaped paths one dropped','ERROR',"paths: {'/a/{x}': {get: {}}, '/a/{y}': {get: {}}, '/a/{z}': {get: {}}}","paths: {'/a/{z}': {get: {}}, '/a/{x}': {get: {}}}"),
    row('path template two params renamed','-',"paths: {'/a/{x}/b/{y}': {get: {parameters: [{name: x, in: path, required: true, schema: {type: string}}, {name: y, in: path, required: true, schema: {type: integer}}]}}}","paths: {'/a/{p}/b/{q}': {get: {parameters: [{name: q, in: path, required: true, schema: {type: integer}}, {name: p, in: path, required: true, schema: {type: string}}]}}}"),
    row('path params swapped types','ERROR',"paths: {'/a/{x}/b/{y}': {get: {parameters: [{name: x, in: path, required: true, schema: {type: string}}, {name: y, in: path, required: true, schema: {type: integer}}]}}}","paths: {'/a/{x}/b/{y}': {get: {parameters: [{name: x, in: path, required: true, schema: {type: integer}}, {name: y, in: path, required: true, schema: {type: string}}]}}}"),
    row('resp enum → string','WARN',resp('{type: string, enum: [a]}'),resp('{type: string}')),
    row('resp anyOf [string, A] → A','INFO',resp(f'{{anyOf: [{{type: string}}, {A}]}}',C),resp(A,C)),
    row('resp A → anyOf [A, string]','WARN',resp(A,C),resp(f'{{anyOf: [{{type: string}}, {A}]}}',C)),
    row('req string → anyOf[string,int]','INFO',req('{type: string}'),req('{anyOf: [{type: string}, {type: integer}]}')),
    row('req anyOf[string,int] → string','ERROR',req('{anyOf: [{type: string}, {type: integer}]}'),req('{type: string}')),
    row('boolean false additional in request','WARN',req('{type: object, properties: {a: {}}}'),req('{type: object, properties: {a: {}}, additionalProperties: false}')),
    row('resp prop false schema','ERROR',resp('{type: object, properties: {a: {type: string}}}'),resp('{type: object, properties: {a: false}}')),
    row('const to enum superset req','INFO',req('{const: a}'),req('{enum: [a, b]}')),
    row('min length on response dropped','WARN',resp('{type: string, minLength: 1}'),resp('{type: string}')),
    row('explicit null default added','INFO',req("{type: object, properties: {a: {type: [string, 'null']}}}"),req("{type: object, properties: {a: {type: [string, 'null'], default: null}}}")),
    row('readOnly prop required in request','-',req('{type: object, properties: {a: {type: string, readOnly: true}}}'),req('{type: object, required: [a], properties: {a: {type: string, readOnly: true}}}')),
    row('resp header case','-',"paths: {/a: {get: {responses: {'200': {headers: {X-A: {schema: {type: string}}}}}}}}","paths: {/a: {get: {responses: {'200': {headers: {x-a: {schema: {type: string}}}}}}}}"),
    row('status 200→2XX same','WARN',"paths: {/a: {get: {responses: {'200': {}}}}}","paths: {/a: {get: {responses: {2XX: {}}}}}"),
    row('security and → or','INFO',"security: [{A: [], B: []}]\npaths: {/a: {get: {}}}\ncomponents: {securitySchemes: {A: {type: http, scheme: basic}, B: {type: mutualTLS}}}","security: [{A: []}, {A: [], B: []}]\npaths: {/a: {get: {}}}\ncomponents: {securitySchemes: {A: {type: http, scheme: basic}, B: {type: mutualTLS}}}"),
    row('allOf with two oneOfs reordered','-',req('{allOf: [{oneOf: [{required: [a]}, {required: [b]}]}, {oneOf: [{required: [c]}, {required: [d]}]}]}'),req('{allOf: [{oneOf: [{required: [d]}, {required: [c]}]}, {oneOf: [{required: [b]}, {required: [a]}]}]}')),
    row('discriminator value enum ext','WARN',resp(f"{{oneOf: [{A}, {B}], discriminator: {{propertyName: x, mapping: {{a: A, b: B}}}}}}",C),resp(f"{{oneOf: [{A}, {B}], discriminator: {{propertyName: x, mapping: {{a: A, b: B, c: B}}}}}}",C)),
    row('contentMediaType swapped for json','WARN',req('{type: string, contentMediaType: image/png}'),req('{type: string, contentMediaType: image/jpeg}')),
    row('dependentSchemas → allOf if/then','-',req('{type: object, properties: {a: {}, b: {}}, dependentSchemas: {a: {required: [b]}}}'),req('{type: object, properties: {a: {}, b: {}}, if: {required: [a]}, then: {required: [b]}}')),
    row('query enum value gone','ERROR',par('{name: q, in: query, schema: {enum: [a, b]}}'),par('{name: q, in: query, schema: {enum: [a]}}')),
    row('query int→number','INFO',par('{name: q, in: query, schema: {type: integer}}'),par('{name: q, in: query, schema: {type: number}}')),
    row('param moved query→header','ERROR',par('{name: q, in: query, schema: {type: integer}}'),par('{name: q, in: header, schema: {type: integer}}')),
    row('param required false explicit','-',par('{name: q, in: query, schema: {type: integer}}'),par('{name: q, in: query, required: false, allowEmptyValue: false, schema: {type: integer}}')),
    row('param schema → content json string','ERROR',par('{name: q, in: query, schema: {type: object}}'),par('{name: q, in: query, content: {application/json: {schema: {type: object}}}}')),
    row('param content field type','ERROR',par('{name: q, in: query, content: {application/json: {schema: {type: object, properties: {a: {type: string}}}}}}'),par('{name: q, in: query, content: {application/json: {schema: {type: object, properties: {a: {type: integer}}}}}}')),
    row('deprecated param','WARN',par('{name: q, in: query, schema: {}}'),par('{name: q, in: query, deprecated: true, schema: {}}')),
    row('cookie param added req','ERROR',par(''),par('{name: q, in: cookie, required: true, schema: {}}')),
    row('header resp removed required','ERROR',"paths: {/a: {get: {responses: {'200': {headers: {X: {required: true, schema: {}}}}}}}}","paths: {/a: {get: {responses: {'200': {}}}}}"),
    row('request body optional→required','ERROR',req('{}'),req('{}').replace('content:','required: true, content:')),
    row('2xx response gone','ERROR',"paths: {/a: {get: {responses: {'200': {}, '202': {}}}}}","paths: {/a: {get: {responses: {'200': {}}}}}"),
    row('4xx added','WARN',"paths: {/a: {get: {responses: {'200': {}}}}}","paths: {/a: {get: {responses: {'200': {}, '429': {}}}}}"),
    row('form media type gone','ERROR',"paths: {/a: {post: {requestBody: {content: {a/b: {}, c/d: {}}}, responses: {'200': {}}}}}","paths: {/a: {post: {requestBody: {content: {a/b: {}}}, responses: {'200': {}}}}}"),
    row('allOf base extracted','-',resp('{type: object, properties: {a: {type: string}, b: {type: integer}}, required: [a]}'),resp('{allOf: [{$ref: "#/components/schemas/A2"}, {type: object, properties: {b: {type: integer}}}]}','components: {schemas: {A2: {type: object, required: [a], properties: {a: {type: string}}}}}')),
    row('allOf nested','-',resp('{allOf: [{properties: {a: {type: string}}}, {properties: {b: {}}}]}'),resp('{allOf: [{allOf: [{properties: {b: {}}}]}, {properties: {a: {type: string}}}]}')),
    row('oneOf inline → component','-',resp('{oneOf: [{type: object, properties: {x: {type: string}}}, {type: string, format: uuid}]}',C),resp(f'{{oneOf: [{A}, {{type: string, format: uuid}}]}}',C)),
    row('enum in array items gone req','ERROR',req('{type: array, items: {enum: [a, b]}}'),req('{type: array, items: {enum: [a]}}')),
    row('additionalProperties obj field gone resp','ERROR',resp(f'{{type: object, additionalProperties: {A}}}',C),resp(f'{{type: object, additionalProperties: {B}}}',C)),
    row('map value opened resp','ERROR',resp('{type: object, additionalProperties: {type: string}}'),resp('{type: object, additionalProperties: true}')),
    row('map → free req','INFO',req('{type: object, additionalProperties: {type: string}}'),req('{type: object, additionalProperties: true}')),
    row('recursive deeper change','ERROR',resp("{$ref: '#/components/schemas/T'}","components: {schemas: {T: {type: object, properties: {v: {type: string}, kids: {type: array, items: {$ref: '#/components/schemas/T'}}}}}}"),resp("{$ref: '#/components/schemas/T'}","components: {schemas: {T: {type: object, properties: {v: {type: integer}, kids: {type: array, items: {$ref: '#/components/schemas/T'}}}}}}")),
    row('recursive unrolled','-',resp("{$ref: '#/components/schemas/T'}","components: {schemas: {T: {type: object, properties: {v: {type: string}, kids: {type: array, items: {$ref: '#/components/schemas/T'}}}}}}"),resp("{type: object, properties: {v: {type: string}, kids: {type: array, items: {type: object, properties: {v: {type: string}, kids: {type: array, items: {$ref: '#/components/schemas/T'}}}}}}}","components: {schemas: {T: {type: object, properties: {v: {type: string}, kids: {type: array, items: {$ref: '#/components/schemas/T'}}}}}}")),
    row('3.0 exclusiveMinimum true → 3.1','-',resp('{type: number, minimum: 1, exclusiveMinimum: true}',v='3.0.3'),resp('{type: number, exclusiveMinimum: 1}')),
    row('not type added to blank','ERROR',req('{}'),req('{not: {type: string}}')),
    row('not object required resp removed','WARN',resp('{type: object, properties: {a: {}}, not: {required: [a]}}'),resp('{type: object, properties: {a: {}}}')),
    row('propertyNames minLength sent','WARN',req('{type: object}'),req('{type: object, propertyNames: {minLength: 2}}')),
    row('patternProperties pattern replaced, closed, resp','ERROR',resp('{type: object, patternProperties: {^a: {type: string}}, additionalProperties: false}'),resp('{type: object, patternProperties: {^b: {type: string}}, additionalProperties: false}')),
    row('patternProperties req open→added to free map','ERROR',req('{type: object}'),req('{type: object, patternProperties: {^a: {type: string}}}')),
    row('if cond changed unrelated, sent','ERROR',req('{type: object, properties: {k: {}, c: {}}, if: {properties: {k: {const: 1}}}, then: {required: [c]}}'),req('{type: object, properties: {k: {}, c: {}}, if: {properties: {k: {const: 2}}}, then: {required: [c]}}')),
    row('if cond changed unrelated, received','WARN',resp('{type: object, properties: {k: {}, c: {}}, if: {properties: {k: {const: 1}}}, then: {required: [c]}}'),resp('{type: object, properties: {k: {}, c: {}}, if: {properties: {k: {const: 2}}}, then: {required: [c]}}')),
    row('then false = forbids, sent','ERROR',req('{type: object, properties: {k: {}}}'),req('{type: object, properties: {k: {}}, if: {properties: {k: {const: 1}}, required: [k]}, then: false}')),
    row('then prop removed but outer has, resp','-',resp('{type: object, properties: {k: {}, c: {type: string}}, if: {required: [k]}, then: {properties: {c: {}}}}'),resp('{type: object, properties: {k: {}, c: {type: string}}}')),
    row('then tightening value sent','WARN',req('{type: object, properties: {k: {}, c: {type: string}}, if: {required: [k]}, then: {}}'),req('{type: object, properties: {k: {}, c: {type: string}}, if: {required: [k]}, then: {properties: {c: {maxLength: 3}}}}')),
    row('unevaluatedItems typed change resp','ERROR',resp('{type: array, prefixItems: [{}], unevaluatedItems: {type: string}}'),resp('{type: array, prefixItems: [{}], unevaluatedItems: {type: integer}}')),
    row('prefixItems min added required-ness sent','WARN',req('{type: array, prefixItems: [{}, {}]}'),req('{type: array, prefixItems: [{}, {}], minItems: 2}')),
    row('contains added resp','INFO',resp('{type: array}'),resp('{type: array, contains: {const: a}}')),
    row('unevaluatedProperties in webhook event opened','INFO',hook('{type: object, properties: {a: {}}, unevaluatedProperties: false}'),hook('{type: object, properties: {a: {}}}')),
    row('webhook query param','ERROR',hook('{}').replace('requestBody','parameters: [{name: q, in: query, schema: {type: string}}], requestBody'),hook('{}').replace('requestBody','parameters: [{name: q, in: query, schema: {type: integer}}], requestBody')),
    row('webhook deprecated','WARN',hook('{}'),hook('{}').replace('requestBody','deprecated: true, requestBody')),
    row('webhook inline vs component','-',hook("{type: object, properties: {x: {type: string}}}")+"\n"+C,hook(A)+"\n"+C),
    row('webhook summary','-',hook('{}'),hook('{}').replace('requestBody','summary: New, requestBody')),
    row('server variable enum default change','-',"servers: [{url: 'https://{r}.x', variables: {r: {enum: [a, b], default: a}}}]\npaths: {/a: {get: {}}}","servers: [{url: 'https://{r}.x', variables: {r: {enum: [a, b], default: b}}}]\npaths: {/a: {get: {}}}"),
    row('two servers same prefix moved','-',"servers: [{url: https://a.x/v1}, {url: https://b.x/v1}]\npaths: {/a: {get: {}}}","servers: [{url: https://a.x}, {url: https://b.x}]\npaths: {/v1/a: {get: {}}}"),
    row('prefix with variable','-',"servers: [{url: 'https://a.x/{v}', variables: {v: {default: v1}}}]\npaths: {/a: {get: {}}}","servers: [{url: https://a.x}]\npaths: {/v1/a: {get: {}}}"),
    row('null enum only values','-',resp('{enum: [null, 1]}'),resp("{anyOf: [{const: 1}, {type: 'null'}]}")),
    row('type array single','-',resp('{type: [string]}'),resp('{type: string}')),
    row('anyOf with blank','-',req('{anyOf: [{}, {type: string}]}'),req('{}')),
    row('yaml anchors','-',"x: &s {type: string}\n"+resp('{type: object, properties: {a: {type: string}}}').replace('openapi: 3.1.0\n',''),"x: &s {type: string}\n"+resp('{type: object, properties: {a: *s}}').replace('openapi: 3.1.0\n','')),
]  # fmt: skip


@pytest.mark.parametrize(("name", "expected", "old", "new"), ROWS, ids=[one[0] for one in ROWS])
def test_a_pair_has_the_expected_level(name: str, expected: str, old: str, new: str):
    texts = (text if "openapi:" in text else f"openapi: 3.1.0\n{text}" for text in (old, new))
    documents = [
        spec_diff.parse(text, side) for text, side in zip(texts, ("old", "new"), strict=True)
    ]
    found = worst(spec_diff.compare(*documents, overlays=()))
    assert ("-" if found is None else found.name) == expected, name
