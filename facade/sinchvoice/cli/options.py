"""The shared options of commands, declared once, and accepted before and after a command's name.

The class of a command's first parameter selects them:

    def hangup(options: ClientOptions, call: Annotated[str, typer.Argument()]) -> None: ...

    command(group, hangup)
"""

from __future__ import annotations

import inspect
import logging
import os
import sys
import typing
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
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
    "Application",
    "ClientOptions",
    "OutputOptions",
    "PlainFlags",
    "command",
    "expanded",
    "logged",
]

_CALLING_URL = "SINCH_VOICE_CALLING_URL"
_PAIR = ("SINCH_APPLICATION_KEY", "SINCH_APPLICATION_SECRET")

Application = Annotated[
    str | None,
    typer.Option("--application", metavar="KEY", help="Key of the application; yours by default."),
]

P = ParamSpec("P")
O = TypeVar("O", bound="OutputOptions")  # noqa: E741 - of options


class PlainFlags:
    """A command whose help shows no value type for flags."""

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
    """Options for output."""

    as_json: Annotated[bool, _option("--json", help="Print JSON, also for errors.")] = False
    verbose: Annotated[
        int,
        _option(
            "--verbose",
            "-v",
            count=True,
            show_default=False,
            help="Log requests and their durations to standard error; -vv logs retries, too.",
        ),
    ] = 0

    def over(self, earlier: OutputOptions | None) -> Self:
        """Return these options, completed with the earlier ones on the command line."""
        changes = {
            field.name: getattr(earlier, field.name)
            for field in attrs.fields(type(self))
            if getattr(self, field.name) == field.default and hasattr(earlier, field.name)
        }
        return attrs.evolve(self, **changes)

    @property
    def output(self) -> Output:
        """The output for results."""
        return Output(as_json=self.as_json)


@attrs.frozen(kw_only=True)
class AccountOptions(OutputOptions):
    """Options for output and credentials."""

    profile: Annotated[
        str | None,
        _option(
            "--profile",
            metavar="NAME",
            help="Use the table profiles.NAME of the configuration file.",
        ),
    ] = None

    def credentials(self) -> Credentials:
        """Return key and secret, from the environment or the configuration file."""
        variables, _ = self._settings()
        _client(variables, {}).close()  # raises the best error if one is missing
        return Credentials(*(variables.reveal()[name] for name in _PAIR))

    def _settings(self) -> tuple[Hidden[Mapping[str, str]], Mapping[str, Any]]:
        return find_settings(os.environ, self.profile)


@attrs.frozen(kw_only=True)
class ClientOptions(AccountOptions):
    """Options for output, credentials and requests."""

    region: Annotated[
        str | None,
        _option(
            "--region",
            metavar="REGION",
            autocompletion=_regions,
            help=f"Region of the calls: {', '.join(_regions())}.",
        ),
    ] = None
    calling_url: Annotated[
        str | None,
        _option(
            "--calling-url",
            metavar="URL",
            help="Base URL of the calling API, instead of the region's.",
        ),
    ] = None
    reporting_url: Annotated[
        str | None,
        _option("--reporting-url", metavar="URL", help="Base URL of the reporting API."),
    ] = None
    configuration_url: Annotated[
        str | None,
        _option("--configuration-url", metavar="URL", help="Base URL of the configuration API."),
    ] = None
    timeout: Annotated[
        float | None,
        _option(
            "--timeout",
            metavar="SECONDS",
            help="Time limit for each step of an attempt; 10 by default.",
        ),
    ] = None
    deadline: Annotated[
        float | None,
        _option(
            "--deadline", metavar="SECONDS", help="Time limit for all attempts; none by default."
        ),
    ] = None
    retries: Annotated[
        int | None,
        _option("--retries", metavar="N", help="Number of retries where safe; 2 by default."),
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
            help=f"Form of the URL to sign: {', '.join(_forms())}.",
        ),
    ] = None

    def client(self) -> VoiceClient:
        """Return a client configured by options, environment and configuration file."""
        return _client(*self._configured())

    def sandbox_client(self) -> VoiceClient:
        """Return a client of a sandbox, which is known by its plain http URL: it is on loopback.

        Raises:
            ConfigurationError: Another server is configured.
        """
        variables, options = self._configured()
        url = options.get("calling_url") or variables.reveal().get(_CALLING_URL, "")
        if not url.lower().startswith("http:"):
            raise ConfigurationError(
                "no sandbox is configured",
                remedy="run 'sinchvoice sandbox > sandbox.env &' and '. ./sandbox.env', or give "
                "--calling-url",
            )
        return _client(variables, options)

    def _configured(self) -> tuple[Hidden[Mapping[str, str]], Mapping[str, Any]]:
        variables, configured = self._settings()
        if self.region is not None and self.calling_url is None:
            # An option overrides the environment, where a URL would override the region.
            variables = Hidden(
                {name: text for name, text in variables.reveal().items() if name != _CALLING_URL}
            )
        given = {name: getattr(self, name, None) for name in Options.__annotations__}
        given = {name: value for name, value in given.items() if value is not None}
        return variables, {**configured, **given}


def _client(variables: Hidden[Mapping[str, str]], options: Mapping[str, Any]) -> VoiceClient:
    try:
        return VoiceClient.from_env(variables.reveal(), **cast("Options", options))
    except ConfigurationError as error:
        if not all(map(variables.reveal().get, _PAIR)):
            error.add_note(
                f"or write application_key and application_secret to {config_path(os.environ)}, "
                "readable only by you (chmod 600)"
            )
        raise


def command(
    group: typer.Typer, function: Callable[Concatenate[O, P], None], name: str | None = None
) -> None:
    """Add a command to a group; the function's first parameter is the shared options."""
    group.command(name, cls=_Command)(expanded(function))


def expanded(function: Callable[Concatenate[O, P], None]) -> Callable[..., None]:
    """Return the function for typer, with the fields of its first parameter as parameters."""
    first, *own = inspect.signature(function, eval_str=True).parameters.values()
    kind = first.annotation
    shared = _parameters(kind)

    def call(shared_context: typer.Context, **values: Any) -> None:
        given = kind(**{parameter.name: values.pop(parameter.name) for parameter in shared})
        shared_context.obj = options = given.over(shared_context.obj)
        if shared_context.invoked_subcommand is None:
            function(options, **values)  # type: ignore[call-arg]
            return
        for parameter in shared_context.command.params:  # of a group that is also a command
            source = shared_context.get_parameter_source(str(parameter.name))
            if parameter.name in values and source is not None and source.name == "COMMANDLINE":
                raise InvalidRequest(
                    f"{parameter.opts[0]} is an option of {shared_context.command_path} only: "
                    f"remove it before {shared_context.invoked_subcommand}"
                )

    context = inspect.Parameter(
        "shared_context", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context
    )
    own = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in own]
    parameters = [context, *own, *shared]
    # Typer shows the line breaks of all paragraphs but the first.
    paragraphs = (inspect.getdoc(function) or "").split("\n\n")
    call.__doc__ = "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)
    call.__name__ = function.__name__
    call.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    vars(call)["__signature__"] = inspect.Signature(parameters)
    return call


@cache
def _parameters(kind: type[OutputOptions]) -> tuple[inspect.Parameter, ...]:
    """Return the fields of shared options as parameters; many commands have the same."""
    hints = typing.get_type_hints(kind, include_extras=True)
    return tuple(
        inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=field.default,
            annotation=hints[field.name],
        )
        for field in attrs.fields(kind)
    )


class _Line(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return wrapped(f"{record.levelname.lower()}: {printable(record.getMessage(), limit=2000)}")


@contextmanager
def logged(options: OutputOptions, requests: str = "sinchvoice.requests") -> Iterator[None]:
    """Write the library's log to standard error: warnings always, the rest by verbosity."""
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
