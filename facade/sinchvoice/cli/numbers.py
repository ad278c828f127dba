"""The commands of `sinchvoice number`."""

from __future__ import annotations

import sys
import warnings
from typing import Annotated, Any

import typer

from .options import Application, ClientOptions, command, expanded, logged
from .output import write

__all__ = ["add"]


def add(group: typer.Typer) -> None:
    """Add help and commands to the group."""
    group.callback()(expanded(about))
    command(group, numbers, "list")
    command(group, assign)
    command(group, unassign)
    command(group, query)


def about(options: ClientOptions) -> None:
    """List numbers, and assign them to applications."""


_Capability = Annotated[
    str | None, typer.Option("--capability", metavar="voice|sms", help="Use of the number.")
]


def numbers(options: ClientOptions) -> None:
    """List the account's numbers and their applications."""
    with logged(options), options.client() as voice:
        found = voice.applications.get_numbers()
    options.output.rows(
        (each.to_dict() for each in found), ("number", "application_key", "capability")
    )


def assign(
    options: ClientOptions,
    numbers: Annotated[
        list[str],
        typer.Argument(metavar="NUMBER...", help="Numbers with their plus, at most 100."),
    ],
    application: Application = None,
    capability: _Capability = None,
) -> None:
    """Assign numbers to an application."""
    kind: Any = capability
    with logged(options), options.client() as voice:
        voice.applications.assign_numbers(numbers, application_key=application, capability=kind)
    options.output.record({"done": "assign", "numbers": numbers})


def unassign(
    options: ClientOptions,
    number: Annotated[str, typer.Argument(metavar="NUMBER", help="Number with its plus.")],
    application: Application = None,
    capability: _Capability = None,
) -> None:
    """Take a number away from an application."""
    kind: Any = capability
    with logged(options), options.client() as voice:
        voice.applications.unassign_number(number, application_key=application, capability=kind)
    options.output.record({"done": "unassign", "number": number})


def query(
    options: ClientOptions,
    number: Annotated[str, typer.Argument(metavar="NUMBER", help="Number with its plus.")],
) -> None:
    """Look up a number (deprecated by the vendor)."""
    with logged(options), options.client() as voice, warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        found = voice.applications.query_number(number)
    write("warning: number query is deprecated: use the vendor's Number Lookup API", sys.stderr)
    options.output.record(found.to_dict())
