"""What the sandbox accepts as SVAML: the schema compiled from the strict specification."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

import jsonschema_rs

__all__ = ["find_answer_problem", "find_body_problem", "find_problem", "read_json"]

_LONGEST = 200  # characters of a reason


class _TooDeep(NamedTuple):
    message: str
    instance_path: tuple[str, ...] = ()


def find_problem(body: object, *, leg: bool = False) -> str | None:
    """Say what is wrong with a request body, in one line; None if it is good.

    The schema is compiled from openapi/calling.yaml and its strict overlay by `nox -s regenerate`,
    so that the sandbox does not judge the client by the client's own classes.

    Args:
        body: the parsed JSON.
        leg: whether it is for one leg, which can only play and say.
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
        return "nothing to play or say"
    return _told(whole) if parts or instructions else "neither an instruction nor an action"


def find_body_problem(name: str, body: object) -> str | None:
    """Say what is wrong with another request body, in one line; None if it is good.

    Args:
        name: of its schema in the specification.
        body: the parsed JSON.
    """
    error = _find_error(name, body)
    return error and _told(error)


def find_answer_problem(event: str, body: object) -> str | None:
    """Say what is wrong with the answer to an event, in one line; None if it is good.

    Args:
        event: `ice`, `ace`, `pie` or `dice`.
        body: the parsed JSON.
    """
    schema = f"{event}Svaml"
    whole = _find_error(schema, body)
    if whole is None or not isinstance(body, dict) or event == "dice":
        return whole and _told(whole)
    parts = [("instruction", part) for part in _as_list(body.get("instructions"))]
    if "action" in body:
        parts.append(("action", body["action"]))
    for kind, part in parts:
        problem = _named_problem(kind, part, f"{schema}.{kind}", f"for the answer to {event}")
        if problem is not None:
            return problem
    return _told(whole)


def read_json(text: bytes) -> Any:
    """Read JSON strictly: no member twice, no NaN, no half characters.

    Raises:
        ValueError: it is not JSON.
    """
    try:
        value = json.loads(
            text, object_pairs_hook=_without_repeats, parse_constant=_refuse_constant
        )
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except RecursionError as error:
        raise ValueError(str(error)) from None
    return value


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Two actions are two members of one name, of which `json` would only see the last."""
    members = dict(pairs)
    if len(members) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{twice} is there twice")
    return members


def _part_problem(kind: str, part: object, leg: bool) -> str | None:
    union = "svaml.legInstruction" if leg and kind == "instruction" else f"svaml.{kind}"
    return _named_problem(kind, part, union, "for one leg" if leg else "of a request")


def _named_problem(kind: str, part: object, union: str, place: str) -> str | None:
    """A union only says that nothing fits; the name says what was meant."""
    if _find_error(union, part) is None:
        return None
    name = part.get("name") if isinstance(part, dict) else None
    if not isinstance(name, str) or f"svaml.{kind}.{name}" not in _schema()["$defs"]:
        return f"no {kind} is named {name!r}"
    error = _find_error(f"svaml.{kind}.{name}", part)
    if error:
        return f"{name}: {_told(error)}"
    return f"{name} is no {kind} {place}"


def _find_error(name: str, value: object) -> Any:
    """The first error of a value by a schema; None if there is none."""
    try:
        return next(_validator(name).iter_errors(value), None)
    except ValueError as error:  # an error quotes the value, unless that is nested too deep
        return _TooDeep(str(error))


def _told(error: Any) -> str:
    place = ".".join(str(step) for step in error.instance_path)
    message = str(error.message)
    if len(message) > _LONGEST:  # it quotes what was sent: what it wants stands at its end
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
