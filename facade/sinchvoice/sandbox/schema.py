"""Checks SVAML and request bodies with the schema compiled from the strict specification."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

import jsonschema_rs

from ..decoding import refuse_constant

__all__ = ["find_answer_problem", "find_body_problem", "find_problem", "read_json"]

_LONGEST = 200  # characters of a reason


class _TooDeep(NamedTuple):
    message: str
    instance_path: tuple[str, ...] = ()


def find_problem(body: object, *, leg: bool = False) -> str | None:
    """Return the problem of an SVAML request body, in one line; None if it is valid.

    `nox -s regenerate` compiles the schema from openapi/calling.yaml and its strict overlay: the
    sandbox does not judge the client by the client's own classes.

    Args:
        body: The parsed JSON.
        leg: Whether the request is for one leg, which takes only PlayFiles and Say.
    """
    whole = _find_error("svamlLegRequest" if leg else "svamlRequest", body)
    if whole is None or not isinstance(body, dict):
        return whole and _told(whole)
    instructions = body.get("instructions")
    parts = [("instruction", part) for part in _as_list(instructions)]
    if "action" in body:
        parts.append(("action", body["action"]))
    for kind, part in parts:
        problem = _part_problem(kind, part, leg)
        if problem is not None:
            return problem
    if leg and not instructions:
        return "there is no instruction to play or say something"
    return _told(whole) if parts or instructions else "there is no instruction and no action"


def find_body_problem(name: str, body: object) -> str | None:
    """Return the problem of another request body, in one line; None if it is valid.

    Args:
        name: Name of its schema in the specification.
        body: The parsed JSON.
    """
    error = _find_error(name, body)
    return error and _told(error)


def find_answer_problem(event: str, body: object) -> str | None:
    """Return the problem of an answer to an event, in one line; None if it is valid.

    Args:
        event: `ice`, `ace`, `pie` or `dice`.
        body: The parsed JSON.
    """
    schema = f"{event}Svaml"
    whole = _find_error(schema, body)
    if whole is None or not isinstance(body, dict) or event == "dice":
        return whole and _told(whole)
    parts = [("instruction", part) for part in _as_list(body.get("instructions"))]
    if "action" in body:
        parts.append(("action", body["action"]))
    for kind, part in parts:
        problem = _named_problem(kind, part, f"{schema}.{kind}", f"in the answer to {event}")
        if problem is not None:
            return problem
    return _told(whole)


def read_json(text: bytes) -> Any:
    """Read JSON strictly: no repeated member, no NaN, no half of a surrogate pair.

    Raises:
        ValueError: It is not JSON.
    """
    try:
        value = json.loads(text, object_pairs_hook=_without_repeats, parse_constant=refuse_constant)
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except RecursionError as error:
        raise ValueError(str(error)) from None
    return value


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse repeated members, such as two actions, of which `json` would keep only the last."""
    members = dict(pairs)
    if len(members) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{twice} occurs twice")
    return members


def _part_problem(kind: str, part: object, leg: bool) -> str | None:
    union = "svaml.legInstruction" if leg and kind == "instruction" else f"svaml.{kind}"
    return _named_problem(kind, part, union, "for one leg" if leg else "in a request")


def _named_problem(kind: str, part: object, union: str, place: str) -> str | None:
    """Return the problem of the named part: an error of the union only says that nothing fits."""
    if _find_error(union, part) is None:
        return None
    name = part.get("name") if isinstance(part, dict) else None
    if not isinstance(name, str) or f"svaml.{kind}.{name}" not in _schema()["$defs"]:
        return f"unknown {kind} {name!r}"
    error = _find_error(f"svaml.{kind}.{name}", part)
    if error:
        return f"{name}: {_told(error)}"
    return f"{name} is not allowed {place}"


def _find_error(name: str, value: object) -> Any:
    """Return the first error of a value in a schema; None if it is valid."""
    validator = _validator(name)
    try:
        return next(validator.iter_errors(value), None)
    except ValueError as error:  # the value is nested too deeply to be quoted in an error
        return _TooDeep(str(error))


def _told(error: Any) -> str:
    place = ".".join(str(step) for step in error.instance_path)
    message = str(error.message)
    if len(message) > _LONGEST:  # it quotes the value first; the reason is at the end
        message = f"{message[: _LONGEST // 2]} … {message[-_LONGEST // 2 :]}"
    return f"{place}: {message}" if place else message


def _as_list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


@cache
def _schema() -> dict[str, Any]:
    text = files("sinchvoice_calling").joinpath("svaml.schema.json").read_text("utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema


@cache
def _validator(name: str) -> Any:
    return jsonschema_rs.validator_for({**_schema(), "$ref": f"#/$defs/{name}"})
