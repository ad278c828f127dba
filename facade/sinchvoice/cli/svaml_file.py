"""Reads SVAML from arguments, files and standard input."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from difflib import get_close_matches
from typing import Any, get_args

import attrs

from .. import svaml
from ..decoding import refuse_constant
from ..errors import InvalidRequest
from .input import read_bytes

__all__ = ["read_svaml"]


def read_svaml(given: str, name: str, *, raw: bool = False) -> svaml.Svaml:
    """Read SVAML: text that begins with `{` is JSON, `-` is standard input, the rest is a file.

    Args:
        given: The text on the command line.
        name: Name of its argument or option, for errors in JSON.
        raw: Check only the structure around instructions and action.

    Raises:
        InvalidRequest: The SVAML cannot be read, or is invalid.
    """
    if given.lstrip().startswith("{"):
        content = given.encode("utf-8", "surrogateescape")
    else:
        name = "standard input" if given == "-" else given
        content = _read_file(given)
    try:
        wire = json.loads(content.decode("utf-8-sig"), parse_constant=refuse_constant)
    except json.JSONDecodeError as error:
        raise InvalidRequest(
            f"{name}, line {error.lineno}, column {error.colno}: this is not JSON: {error.msg}"
        ) from None
    except (ValueError, RecursionError) as error:
        raise InvalidRequest(f"{name} is not JSON: {error}") from None
    try:
        if raw:
            return _raw_svaml(wire)
        whole = svaml.Svaml.from_wire(wire)
        for kind, part in _parts(whole):
            if isinstance(part, svaml.Raw):
                wanted = part.to_wire().get("name")
                union = svaml.Action if kind == "action" else svaml.Instruction
                names = [getattr(member, "wire_name", None) or "" for member in get_args(union)]
                close = get_close_matches(str(wanted), names)
                raise InvalidRequest(
                    f"unknown {kind} {wanted!r}"
                    + (f": did you mean {' or '.join(close)}?" if close else "")
                )
            attrs.evolve(part)  # gives the warnings that reading does not give
        return whole
    except InvalidRequest as error:
        named = InvalidRequest(f"{name}: {error.message}", remedy=error.remedy)
        with suppress(InvalidRequest):
            if not raw and _raw_svaml(wire):
                named.add_note("to send it unchecked, use --raw")
        raise named from None


def _raw_svaml(wire: Any) -> svaml.Svaml:
    """Return instructions and action unchecked; the structure around them must be correct."""
    if not isinstance(wire, dict) or not wire.keys() <= {"instructions", "action"}:
        raise InvalidRequest("this is not SVAML: write an object with instructions, action or both")
    instructions, action = wire.get("instructions"), wire.get("action")
    if not isinstance(instructions, list | None):
        raise InvalidRequest("instructions is not a list: write [...]")
    return svaml.Svaml(
        instructions=[svaml.Raw(instruction) for instruction in instructions or ()],
        action=None if action is None else svaml.Raw(action),
    )


def _parts(whole: Any) -> Iterator[tuple[str, Any]]:
    yield from (("instruction", part) for part in whole.instructions or ())
    if whole.action is not None:
        yield "action", whole.action


def _read_file(file: str) -> bytes:
    try:
        return read_bytes(file)
    except InvalidRequest as error:
        if isinstance(error.__cause__, FileNotFoundError):
            error.add_note("JSON in place of a file begins with {")
        raise
