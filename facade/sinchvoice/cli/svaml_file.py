"""SVAML in files."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import suppress
from difflib import get_close_matches
from pathlib import Path
from typing import Any, get_args

import attrs

from .. import svaml
from ..errors import InvalidRequest

__all__ = ["read_bytes", "read_svaml"]


def read_svaml(file: str, *, raw: bool = False) -> svaml.Svaml:
    """Read SVAML from a file, or from standard input if that is `-`.

    Raises:
        InvalidRequest: it cannot be read, or is wrong; with `raw`, only what is around the parts.
    """
    name, content = "standard input" if file == "-" else file, read_bytes(file)
    try:
        wire = json.loads(content.decode("utf-8-sig"), parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        raise InvalidRequest(
            f"{name}, line {error.lineno}, column {error.colno}: it is not JSON: {error.msg}"
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
                    f"no {kind} is named {wanted!r}"
                    + (f": did you mean {' or '.join(close)}?" if close else "")
                )
            attrs.evolve(part)  # reading gives no warnings: its author should see them
        return whole
    except InvalidRequest as error:
        named = InvalidRequest(f"{name}: {error.message}", remedy=error.remedy)
        with suppress(InvalidRequest):
            if not raw and _raw_svaml(wire):
                named.add_note("--raw sends it unchecked")
        raise named from None


def _raw_svaml(wire: Any) -> svaml.Svaml:
    """Instructions and action as they are; what is around them has to be right."""
    if not isinstance(wire, dict) or not wire.keys() <= {"instructions", "action"}:
        raise InvalidRequest("SVAML is an object with instructions, an action, or both")
    instructions, action = wire.get("instructions"), wire.get("action")
    if not isinstance(instructions, list | None):
        raise InvalidRequest("instructions are no list")
    return svaml.Svaml(
        instructions=[svaml.Raw(instruction) for instruction in instructions or ()],
        action=None if action is None else svaml.Raw(action),
    )


def _parts(whole: Any) -> Iterator[tuple[str, Any]]:
    yield from (("instruction", part) for part in whole.instructions or ())
    if whole.action is not None:
        yield "action", whole.action


def read_bytes(file: str) -> bytes:
    """Read a file, or standard input.

    Raises:
        InvalidRequest: it cannot be read.
    """
    try:
        return sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except (OSError, ValueError) as error:  # a name with a NUL is a ValueError
        reason = getattr(error, "strerror", None) or error
        raise InvalidRequest(f"{file!r} cannot be read: {reason}") from error


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
