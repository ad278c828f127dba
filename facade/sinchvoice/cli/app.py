"""The command line: its groups of commands, and hints on wrong commands."""

from __future__ import annotations

import os
import re
import sys
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from difflib import get_close_matches
from functools import cache
from importlib import import_module
from itertools import takewhile
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from .. import __version__
from ..errors import InvalidRequest, SinchVoiceError, printable
from .options import ClientOptions, PlainFlags, expanded
from .output import (
    EXIT_CODES,
    AlarmsRaised,
    DifferencesFound,
    OutputClosed,
    RejectsFound,
    ReportsMissing,
    SignatureMismatch,
    exit_code,
    show_error,
    write,
)

__all__ = ["GROUPS", "command_line", "commands", "run"]

_NAME = "sinchvoice"

#: The groups in the order of the help, each with the module whose `add` gives it its commands.
GROUPS: Mapping[str, str] = {
    "report": "reports",
    "call": "calls",
    "conference": "conferences",
    "number": "numbers",
    "callback": "callback_urls",
    "sign": "sign",
    "cdr": "cdr",
    "sandbox": "sandbox",
}


def run(arguments: Sequence[str]) -> int:
    """Run a command, and return the exit code."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed before the program began
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115
    root, code = _tree(_needed(arguments), sys.stdout.isatty()), 0
    as_json = "--json" in takewhile(lambda argument: argument != "--", arguments)
    try:
        with _warnings_in_one_line():
            code = root.main(list(arguments), prog_name=_NAME, standalone_mode=False) or 0
            sys.stdout.flush()
    except (OutputClosed, BrokenPipeError) as error:
        # The reader is gone: send the interpreter's last flush nowhere.
        with suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = exit_code(error)
    except KeyboardInterrupt as error:
        code = exit_code(error)
    except typer.TyperException as error:
        _add_hints(error)
        show_error(error, as_json=as_json)
        code = exit_code(error)
    except (
        SinchVoiceError,
        SignatureMismatch,
        RejectsFound,
        ReportsMissing,
        AlarmsRaised,
        DifferencesFound,
        OSError,
    ) as error:
        show_error(error, as_json=as_json)
        code = exit_code(error)
    return code


# --- The tree of commands ------------------------------------------------------------------------


def command_line(groups: Iterable[str] = GROUPS) -> typer.Typer:
    """Return the command line, or a part of it; only the modules of its groups are imported."""
    line = typer.Typer(cls=_Group, pretty_exceptions_enable=False)
    line.callback()(expanded(_root))
    for name in groups:
        line.add_typer(_group(name), name=name)
    return line


@cache
def _group(name: str) -> typer.Typer:
    group = typer.Typer(cls=_Group)
    import_module(f".{GROUPS[name]}", __package__).add(group)
    return group


def _needed(arguments: Sequence[str]) -> tuple[str, ...]:
    """Return the groups that a run may need: one if it is named first, none for the version."""
    if arguments and arguments[0] in GROUPS:
        return (arguments[0],)
    return () if list(arguments) == ["--version"] else tuple(GROUPS)


@cache
def _tree(groups: tuple[str, ...], is_terminal: bool) -> Any:
    line = command_line(groups)
    line.rich_markup_mode = "rich" if is_terminal else None
    return typer.main.get_command(line)


def _whole_tree() -> Any:
    return _tree(tuple(GROUPS), sys.stdout.isatty())


def commands(group: Any, path: str = _NAME) -> Iterator[tuple[str, Any]]:
    """Yield the name and object of each command and group below a group."""
    for name, member in group.commands.items():
        yield f"{path} {name}", member
        if isinstance(member, TyperGroup):
            yield from commands(member, f"{path} {name}")


def _version(wanted: bool) -> None:
    if wanted:
        write(f"{_NAME} {__version__}")
        raise typer.Exit


def _root(
    options: ClientOptions,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """Unofficial command line for Sinch Voice: calls, conferences, reports and call records.

    Key and secret come from SINCH_APPLICATION_KEY and SINCH_APPLICATION_SECRET, or from the
    configuration file sinchvoice/config.toml in ~/.config. Without an account, use a local server:
    run 'sinchvoice sandbox > sandbox.env &', then '. ./sandbox.env'.
    """


class _Group(PlainFlags, TyperGroup):
    """A group that names similar commands for an unknown one."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if not args and not self.invoke_without_command and not ctx.resilient_parsing:
            typer.echo(ctx.get_help())
            raise typer.Exit(EXIT_CODES[typer.TyperException])
        return super().parse_args(ctx, args)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args[0] not in self.commands and not args[0].startswith("-"):
            error = InvalidRequest(
                f"{ctx.command_path} has no command {args[0]!r}: "
                f"give one of {', '.join(sorted(self.commands))}"
            )
            paths = [path for path, _ in commands(_whole_tree())]
            last = {path.rpartition(" ")[2]: path for path in reversed(paths)}
            here = [
                f"{ctx.command_path} {name}" for name in get_close_matches(args[0], self.commands)
            ]
            there = [last[name] for name in get_close_matches(args[0], last)]
            found = [last[args[0]]] if args[0] in last else here or there
            if found:
                error.add_note(f"did you mean: {' or '.join(dict.fromkeys(found))}")
            raise error
        return super().resolve_command(ctx, args)


# --- Hints and warnings --------------------------------------------------------------------------


def _has(member: Any, option: str) -> bool:
    return any(option in parameter.opts for parameter in member.params)


def _add_hints(error: typer.TyperException) -> None:
    possible = getattr(error, "possibilities", None)
    if hasattr(error, "possibilities"):  # an unknown option
        option, root = getattr(error, "option_name", ""), _whole_tree()
        owners = [path for path, member in commands(root) if _has(member, option)]
        if not owners and _has(root, option):
            owners = [_NAME]
        error.message = f"unknown option {option}"
        vars(error)["possibilities"] = None  # typer would list them in the message
        if re.search("key|secret|credential", option):
            error.add_note(
                "credentials are never options, because other users can see them: set "
                "SINCH_APPLICATION_KEY and SINCH_APPLICATION_SECRET, or write the configuration "
                "file"
            )
        elif len(owners) > 3:
            groups = dict.fromkeys(" ".join(owner.split()[:2]) for owner in owners)
            error.add_note(f"{option} is an option of {', '.join(groups)}")
        elif owners:
            error.add_note(f"{option} is an option of {', '.join(owners)}")
        elif re.match("-[^-]", option):
            error.add_note("write -- before text that begins with a dash")
        elif possible:
            error.add_note(f"did you mean: {' or '.join(sorted(possible))}")
    context = getattr(error, "ctx", None)
    if context is not None:
        error.add_note(f"see {context.command_path} --help")


@contextmanager
def _warnings_in_one_line() -> Iterator[None]:
    def show(message: Warning | str, *_: Any, **__: Any) -> None:
        write(f"warning: {printable(str(message))}", sys.stderr)

    with warnings.catch_warnings():
        for kind in (UserWarning, RuntimeWarning):
            warnings.simplefilter("always", kind)
        warnings.showwarning = show
        yield
