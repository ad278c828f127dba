"""The options that commands share, declared once, and accepted before and after a command's name.

A command takes them as its first parameter, whose class says which ones it has:

    @command(group)
    def hangup(options: ClientOptions, call: Annotated[str, typer.Argument()]) -> None: ...
"""

from __future__ import annotations

import inspect
import logging
import os
import sys
import typing
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated, Any, Concatenate, ParamSpec, Self, TypeVar, cast

import attrs
import typer
from typer.core import TyperCommand

from .. import Auth, Options, Region, VoiceClient
from ..errors import ConfigurationError, InvalidRequest, printable
from ..hidden import Hidden
from ..signing import CanonicalResource, Credentials
from .config import config_path, find_settings
from .output import Output, wrapped

__all__ = [
    "AccountOptions",
    "ClientOptions",
    "OutputOptions",
    "PlainFlags",
    "command",
    "expanded",
    "logged",
]

_CALLING_URL = "SINCH_VOICE_CALLING_URL"
_PAIR = ("SINCH_APPLICATION_KEY", "SINCH_APPLICATION_SECRET")

P = ParamSpec("P")
O = TypeVar("O", bound="OutputOptions")  # noqa: E741 - of options


class PlainFlags:
    """A command whose help shows no type of value at options that take none."""

    def get_params(self, ctx: Any) -> list[Any]:
        parameters: list[Any] = super().get_params(ctx)  # type: ignore[misc]
        for parameter in parameters:
            if getattr(parameter, "is_flag", False) or getattr(parameter, "count", False):
                parameter.metavar = ""
        return parameters


class _Command(PlainFlags, TyperCommand):
    pass


def _regions() -> list[str]:
    return [region.value for region in Region]


def _forms() -> list[str]:
    return ["auto", *(form.value for form in CanonicalResource)]


def _option(*names: str, **settings: Any) -> Any:
    return typer.Option(*names, rich_help_panel="Common options", **settings)


@attrs.frozen(kw_only=True)
class OutputOptions:
    """How much is said, and how."""

    as_json: Annotated[bool, _option("--json", help="Print JSON, errors too.")] = False
    verbose: Annotated[
        int,
        _option(
            "--verbose",
            "-v",
            count=True,
            show_default=False,
            help="Say on standard error what is requested and how long it takes; -vv: each retry.",
        ),
    ] = 0

    def over(self, earlier: OutputOptions | None) -> Self:
        """These options, and where they are not given those that stand further to the left."""
        changes = {
            field.name: getattr(earlier, field.name)
            for field in attrs.fields(type(self))
            if getattr(self, field.name) == field.default and hasattr(earlier, field.name)
        }
        return attrs.evolve(self, **changes)

    @property
    def output(self) -> Output:
        """Where results go."""
        return Output(as_json=self.as_json)


@attrs.frozen(kw_only=True)
class AccountOptions(OutputOptions):
    """And who asks."""

    profile: Annotated[
        str | None,
        _option("--profile", metavar="NAME", help="Table profiles.NAME of the configuration file."),
    ] = None

    def credentials(self) -> Credentials:
        """Key and secret, from the environment or the file."""
        variables, _ = self._settings()
        _client(variables, {}).close()  # says best what is missing
        return Credentials(*(variables.reveal()[name] for name in _PAIR))

    def _settings(self) -> tuple[Hidden[Mapping[str, str]], Mapping[str, Any]]:
        return find_settings(os.environ, self.profile)


@attrs.frozen(kw_only=True)
class ClientOptions(AccountOptions):
    """And where and how patiently."""

    region: Annotated[
        str | None,
        _option(
            "--region",
            metavar="REGION",
            autocompletion=_regions,
            help=f"Where calls are handled: {', '.join(_regions())}.",
        ),
    ] = None
    calling_url: Annotated[
        str | None, _option("--calling-url", metavar="URL", help="Instead of the region's.")
    ] = None
    reporting_url: Annotated[
        str | None, _option("--reporting-url", metavar="URL", help="Of the reporting API.")
    ] = None
    configuration_url: Annotated[
        str | None, _option("--configuration-url", metavar="URL", help="Of the configuration API.")
    ] = None
    timeout: Annotated[
        float | None,
        _option("--timeout", metavar="SECONDS", help="For each step of an attempt; 10 if unset."),
    ] = None
    deadline: Annotated[
        float | None,
        _option("--deadline", metavar="SECONDS", help="For all attempts; no limit if unset."),
    ] = None
    retries: Annotated[
        int | None,
        _option("--retries", metavar="N", help="Further attempts where safe; 2 if unset."),
    ] = None
    auth: Annotated[
        Auth | None,
        _option("--auth", help="Sign requests (the default), or send the secret with each."),
    ] = None
    canonical_resource: Annotated[
        str | None,
        _option(
            "--canonical-resource",
            metavar="FORM",
            autocompletion=_forms,
            help=f"Form of the URL that is signed: {', '.join(_forms())}.",
        ),
    ] = None

    def client(self) -> VoiceClient:
        """A client that is set up as the options, the environment and the file say."""
        variables, configured = self._settings()
        if self.region is not None and self.calling_url is None:
            # What is typed counts more than what is set, and a URL would outdo the region.
            variables = Hidden(
                {name: text for name, text in variables.reveal().items() if name != _CALLING_URL}
            )
        given = {name: getattr(self, name, None) for name in Options.__annotations__}
        given = {name: value for name, value in given.items() if value is not None}
        return _client(variables, {**configured, **given})


def _client(variables: Hidden[Mapping[str, str]], options: Mapping[str, Any]) -> VoiceClient:
    try:
        return VoiceClient.from_env(variables.reveal(), **cast("Options", options))
    except ConfigurationError as error:
        if not all(map(variables.reveal().get, _PAIR)):
            error.add_note(
                "or write application_key and application_secret into "
                f"{config_path(os.environ)} and make it readable for you alone (chmod 600)"
            )
        raise


def command(
    group: typer.Typer, name: str | None = None
) -> Callable[[Callable[Concatenate[O, P], None]], Callable[Concatenate[O, P], None]]:
    """Register a command whose first parameter are the shared options."""

    def register(function: Callable[Concatenate[O, P], None]) -> Callable[Concatenate[O, P], None]:
        group.command(name, cls=_Command)(expanded(function))
        return function

    return register


def expanded(function: Callable[Concatenate[O, P], None]) -> Callable[..., None]:
    """The function as typer has to see it: the fields of its first parameter are parameters."""
    first, *own = inspect.signature(function, eval_str=True).parameters.values()
    kind = first.annotation
    hints = typing.get_type_hints(kind, include_extras=True)
    shared = [
        inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=field.default,
            annotation=hints[field.name],
        )
        for field in attrs.fields(kind)
    ]

    def call(shared_context: typer.Context, **values: Any) -> None:
        given = kind(**{parameter.name: values.pop(parameter.name) for parameter in shared})
        shared_context.obj = options = given.over(shared_context.obj)
        if shared_context.invoked_subcommand is None:
            function(options, **values)  # type: ignore[call-arg]
            return
        for parameter in shared_context.command.params:  # of a group that also is a command
            source = shared_context.get_parameter_source(str(parameter.name))
            if parameter.name in values and source is not None and source.name == "COMMANDLINE":
                raise InvalidRequest(
                    f"{parameter.opts[0]} belongs to {shared_context.command_path} alone: it "
                    f"cannot stand before {shared_context.invoked_subcommand}"
                )

    context = inspect.Parameter(
        "shared_context", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context
    )
    own = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in own]
    parameters = [context, *own, *shared]
    call.__name__, call.__doc__ = function.__name__, function.__doc__
    call.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    vars(call)["__signature__"] = inspect.Signature(parameters)
    return call


class _Line(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return wrapped(f"{record.levelname.lower()}: {printable(record.getMessage(), limit=2000)}")


@contextmanager
def logged(options: OutputOptions, requests: str = "sinchvoice.requests") -> Iterator[None]:
    """Say on standard error what the library logs: warnings always, the rest if it is wanted."""
    level = (logging.WARNING, logging.INFO, logging.DEBUG)[min(options.verbose, 2)]
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Line())
    loggers = [logging.getLogger(name) for name in ("sinchvoice", requests)]
    levels = [logger.level for logger in loggers]
    loggers[0].addHandler(handler)
    for logger in loggers:
        logger.setLevel(level)
    try:
        yield
    finally:
        loggers[0].removeHandler(handler)
        for logger, old in zip(loggers, levels, strict=True):
            logger.setLevel(old)
