"""Interpret the keywords of a single schema object."""

import json
import math
from collections.abc import Iterable
from typing import Any, TypeAlias, TypeGuard

from .documents import Node
from .kinds import LIMITS
from .model import SpecDiffError
from .reading import escape

Limit: TypeAlias = tuple[float, bool]

# Keywords without meaning on the wire.
PROSE = frozenset(
    "title description summary example examples externalDocs xml $comment $id $schema $anchor"
    " $dynamicAnchor $vocabulary $defs definitions".split()
)
UNIONS = ("oneOf", "anyOf")

# Values without effect, by keyword.
_NOTHING: dict[str, list[Any]] = {
    "deprecated": [False],
    "nullable": [False],
    "readOnly": [False],
    "writeOnly": [False],
    "uniqueItems": [False],
    "minLength": [0],
    "minItems": [0],
    "minProperties": [0],
    "required": [[]],
    "properties": [{}],
    "patternProperties": [{}],
    "allOf": [[], [{}], [True]],
    "not": [False],
    "items": [{}, True],
    "additionalProperties": [{}, True],
    "unevaluatedProperties": [{}, True],
    "unevaluatedItems": [{}, True],
}
# Patterns that match everything.
_ANYTHING = frozenset({"", "^", "$", ".*", "^.*", ".*$", "^.*$", "[\\s\\S]*", "^[\\s\\S]*$"})
# Pairs of a format and a narrower one.
_WIDER_FORMATS = {("int64", "int32"), ("double", "float"), ("uri-reference", "uri")}
_WIDER_FORMATS |= {("iri", "uri"), ("iri-reference", "uri-reference"), ("idn-email", "email")}
_WIDER_FORMATS |= {("iri-reference", "uri"), ("iri-reference", "iri"), ("idn-hostname", "hostname")}
_ENCODED = {"base64": "byte", "application/octet-stream": "binary"}
_IMPLIED = {
    "object": "properties additionalProperties required patternProperties propertyNames"
    " unevaluatedProperties dependentRequired dependentSchemas minProperties maxProperties",
    "array": "items prefixItems contains unevaluatedItems minItems maxItems uniqueItems",
    "string": "minLength maxLength pattern contentEncoding contentMediaType",
    "number": "minimum maximum exclusiveMinimum exclusiveMaximum multipleOf",
}
_LIMITS = {*LIMITS, "exclusiveMinimum", "exclusiveMaximum", "contains"}
_TYPE_OF = {keyword: name for name, words in _IMPLIED.items() for keyword in words.split()}
_TYPES = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array"}
_TYPES |= {dict: "object", type(None): "null"}


def said(node: Node) -> dict[str, Any]:
    """Return the keywords that have a meaning and an effect, with their values."""
    return {
        key: value
        for key, value in node.value.items()
        if not (key in PROSE or key.startswith("x-") or value in _NOTHING.get(key, ()))
    }


def is_null(node: Node) -> bool:
    """Tell whether a schema accepts null alone."""
    value = node.value
    return isinstance(value, dict) and (
        value.get("type") in ("null", ["null"])
        or value.get("enum") == [None]
        or ("const" in value and value["const"] is None)
    )


def is_anything(node: Node) -> bool:
    """Tell whether a schema accepts anything."""
    return node.value is True or (isinstance(node.value, dict) and not said(node))


def values_of(node: Node) -> list[Any] | None:
    """Return the values of a schema that only lists values; None for any other schema."""
    words = said(node) if isinstance(node.value, dict) else {}
    if not words.keys() <= {"type", "const", "enum", "default"}:
        return None
    if "const" in words:
        return [words["const"]]
    return words["enum"] if isinstance(words.get("enum"), list) else None


def types_of(node: Node) -> frozenset[str] | None:
    """Return the types named in a schema object; None for any."""
    names = node.value.get("type")
    names = [names] if isinstance(names, str) else names
    if names is None:
        return None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise SpecDiffError(f"{node.name}: type is a name or a list of names, not {names!r}")
    return frozenset(names)


def type_of(value: Any) -> str:
    """Return the JSON type of a value; a number without a fraction is an integer."""
    if isinstance(value, float) and value.is_integer():
        return "integer"
    return _TYPES[type(value)]


def implied_types(keywords: Iterable[str]) -> frozenset[str] | None:
    """Return the type that keywords apply to, if it is only one."""
    names = {_TYPE_OF[keyword] for keyword in keywords if keyword in _TYPE_OF}
    return frozenset(names) if len(names) == 1 else None


def plain_types(names: Iterable[str]) -> frozenset[str]:
    """Return types without null, and without those included in another."""
    found = frozenset(names) - {"null"}
    return found - {"integer"} if "number" in found else found


def common_types(some: Iterable[frozenset[str]]) -> frozenset[str]:
    """Return the types common to several sets; a number can be an integer."""
    first, *others = some
    for names in others:
        both = first & names
        if {"integer", "number"} <= first | names and {"integer", "number"} & first:
            both |= {"integer"} if {"integer", "number"} & names else set()
        first = both
    return first


def is_within(types: frozenset[str] | None, others: frozenset[str] | None) -> bool:
    """Tell whether every value of the first types has one of the others; None is any type."""
    if types is None or others is None:
        return others is None
    return types <= (others | {"integer"} if "number" in others else others)


def format_of(value: dict[str, Any]) -> str | None:
    """Return the format of text or a number, in the terms of OpenAPI 3.0."""
    if isinstance(value.get("format"), str):
        return str(value["format"])
    coded = value.get("contentEncoding"), value.get("contentMediaType")
    return next((_ENCODED[one] for one in coded if isinstance(one, str) and one in _ENCODED), None)


def is_wider_format(one: str | None, other: str | None) -> bool:
    """Tell whether a format accepts everything that another accepts, and more."""
    return one != other and (one is None or (one, other) in _WIDER_FORMATS)


def pattern_of(value: dict[str, Any]) -> str | None:
    """Return the pattern of text; None if it matches everything."""
    pattern = value.get("pattern")
    return pattern if isinstance(pattern, str) and pattern not in _ANYTHING else None


def limits_of(value: dict[str, Any]) -> dict[str, tuple[Limit, str]]:
    """Return each limit of a schema object, and its keyword."""
    found = dict[str, tuple[Limit, str]]()
    if not value.keys() & _LIMITS:
        return found
    for keyword in LIMITS:
        limit = value.get(keyword)
        if is_number(limit) and (limit > 0 or keyword.endswith("imum") or "max" in keyword):
            found[keyword] = (limit, False), keyword
    for keyword, exclusive in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        limit = value.get(exclusive)
        if limit is True and keyword in found:  # 3.0
            found[keyword] = (value[keyword], True), keyword
        elif is_number(limit):  # 3.1
            stricter = keyword in found and is_stricter(keyword, found[keyword][0], (limit, True))
            if not stricter:
                found[keyword] = (limit, True), exclusive
    found.pop("minContains", None)
    found.pop("maxContains", None)
    if "contains" in value:
        least = value.get("minContains", 1)
        if is_number(least) and least > 0:
            found["minContains"] = (least, False), "contains"
        if is_number(most := value.get("maxContains")):
            found["maxContains"] = (most, False), "maxContains"
    return found


def of_integers(keyword: str, limit: Limit) -> Limit:
    """Return the equivalent limit for integers: more than 0 is 1 or more."""
    number, excluded = limit
    if keyword == "minimum":
        return (math.floor(number) + 1 if excluded else math.ceil(number)), False
    if keyword == "maximum":
        return (math.ceil(number) - 1 if excluded else math.floor(number)), False
    return limit


def is_stricter(keyword: str, limit: Limit, than: Limit) -> bool:
    """Tell whether a limit accepts fewer values than another of the same keyword."""
    if keyword.startswith("max"):
        return (limit[0], not limit[1]) < (than[0], not than[1])
    return limit > than


def is_number(value: object) -> TypeGuard[float]:
    """Tell whether a value is a number; true and false are not."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def sunset(node: Node | None) -> str | None:
    """Return the date of `x-sunset`, as text."""
    return None if node is None or node.value is None else str(node.value)


def sunset_facet(before: str | None, after: str | None) -> str | None:
    """Return the facet of a change of the sunset date; None if it is the same."""
    if before == after:
        return None
    if after is None:
        return "sunset-deleted"
    if before is not None and before < after:  # ISO 8601 sorts by time
        return "sunset-date-postponed"
    return "sunset-date-changed-too-small"


def as_schema(node: Node) -> Node:
    """Return a schema as an object, also for the schemas true and false."""
    if isinstance(node.value, bool):
        return Node(node.document, node.pointer, {} if node.value else {"type": []})
    if not isinstance(node.value, dict):
        raise SpecDiffError(f"{node.name}: a schema is expected, not {node.value!r}")
    return node


def list_of(node: Node, keyword: str) -> list[Node]:
    """Return the items of an array in a schema object; empty if there is no such array."""
    if keyword not in node.value:
        return []
    inner = node.child(keyword)
    if not isinstance(inner.value, list):
        raise SpecDiffError(f"{inner.name}: an array is expected, not {inner.value!r}")
    return [inner.child(index) for index in range(len(inner.value))]


def dict_of(node: Node, keyword: str) -> dict[str, Node]:
    """Return the members of an object in a schema object; empty if there is no such object."""
    if keyword not in node.value:
        return {}
    inner = node.child(keyword)
    if not isinstance(inner.value, dict):
        raise SpecDiffError(f"{inner.name}: an object is expected, not {inner.value!r}")
    return {name: inner.child(name) for name in inner.value}


def schema_reference(name: str) -> str:
    """Return the reference for a name in the mapping of a discriminator."""
    return name if {"#", "/"} & set(name) else f"#/components/schemas/{escape(name)}"


def canonical(value: Any) -> str:
    """Return the JSON text of a value, equal for equal values: 1.0 equals 1, but true does not."""
    return json.dumps(_plain_numbers(value), sort_keys=True, ensure_ascii=False)


def _plain_numbers(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [_plain_numbers(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain_numbers(member) for key, member in value.items()}
    return value
