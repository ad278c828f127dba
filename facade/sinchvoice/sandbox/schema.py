"""What the sandbox accepts as SVAML: the schema compiled from the strict specification."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any

import jsonschema_rs

__all__ = ["find_problem"]

_LONGEST = 200  # characters of a reason


def find_problem(body: object, *, leg: bool = False) -> str | None:
    """Say what is wrong with a request body, in one line; None if it is good.

    The schema is compiled from openapi/calling.yaml and its strict overlay by `nox -s regenerate`,
    so that the sandbox does not judge the client by the client's own classes.

    Args:
        body: the parsed JSON.
        leg: whether it is for one leg, which can only play and say.
    """
    whole = next(_validator("svamlLegRequest" if leg else "svamlRequest").iter_errors(body), None)
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


def _part_problem(kind: str, part: object, leg: bool) -> str | None:
    """A union only says that nothing fits; the name says what was meant."""
    union = "svaml.legInstruction" if leg and kind == "instruction" else f"svaml.{kind}"
    if next(_validator(union).iter_errors(part), None) is None:
        return None
    name = part.get("name") if isinstance(part, dict) else None
    if not isinstance(name, str) or f"svaml.{kind}.{name}" not in _schema()["$defs"]:
        return f"no {kind} is named {name!r}"
    error = next(_validator(f"svaml.{kind}.{name}").iter_errors(part), None)
    if error:
        return f"{name}: {_told(error)}"
    return f"{name} is no {kind} {'for one leg' if leg else 'of a request'}"


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
