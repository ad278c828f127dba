"""The commands of `sinchvoice callback`."""

from __future__ import annotations

from typing import Annotated

import typer

from .options import Application, ClientOptions, command, expanded, logged

__all__ = ["add"]


def add(group: typer.Typer) -> None:
    """Add help and commands to the group."""
    group.callback()(expanded(about))
    command(group, urls, "get")
    command(group, set_urls, "set")


def about(options: ClientOptions) -> None:
    """Show and set the callback URLs of an application."""


def urls(options: ClientOptions, application: Application = None) -> None:
    """Show the callback URLs of an application."""
    with logged(options), options.client() as voice:
        found = voice.applications.get_callback_urls(application)
    options.output.record(found.to_dict())


def set_urls(
    options: ClientOptions,
    primary: Annotated[
        str | None, typer.Option("--primary", metavar="URL", help="URL for callbacks.")
    ] = None,
    fallback: Annotated[
        str | None,
        typer.Option("--fallback", metavar="URL", help="URL for callbacks that fail there."),
    ] = None,
    application: Application = None,
) -> None:
    """Set the callback URLs of an application."""
    with logged(options), options.client() as voice:
        voice.applications.update_callback_urls(application, primary=primary, fallback=fallback)
    options.output.record({"done": "set", "primary": primary, "fallback": fallback})
