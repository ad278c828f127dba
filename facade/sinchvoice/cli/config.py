"""Finds credentials and settings: in the environment, and in a file readable only by its owner.

Credentials are never arguments, which all users of a machine can see.
"""

from __future__ import annotations

import os
import re
import shlex
import stat
import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from ..errors import ConfigurationError
from ..hidden import Hidden

__all__ = ["config_path", "find_settings"]

_PAIR = ("application_key", "application_secret")
#: Environment variables for keys of the file.
_VARIABLES = {
    "application_key": "SINCH_APPLICATION_KEY",
    "application_secret": "SINCH_APPLICATION_SECRET",
    "region": "SINCH_VOICE_REGION",
    "calling_url": "SINCH_VOICE_CALLING_URL",
    "reporting_url": "SINCH_VOICE_REPORTING_URL",
    "configuration_url": "SINCH_VOICE_CONFIGURATION_URL",
}
_NUMBERS = ("timeout", "deadline", "retries")
_MAX_SIZE = 2**20  # bytes
_LONGEST_NAME = 20  # characters of a profile's name in messages
_KEYS = (*_VARIABLES, "auth", "canonical_resource", *_NUMBERS)


def find_settings(
    variables: Mapping[str, str], profile: str | None = None
) -> tuple[Hidden[Mapping[str, str]], Mapping[str, Any]]:
    """Find the configuration.

    The environment overrides the file, and a requested profile overrides both. Key and secret
    always come from the same place.

    Args:
        variables: The environment.
        profile: Name of a table `[profiles.NAME]` in the file.

    Returns:
        Variables and options for `VoiceClient.from_env`.

    Raises:
        ConfigurationError: The file is readable by others, cannot be read, or has unknown keys.
    """
    path, named = config_path(variables), bool(variables.get("SINCHVOICE_CONFIG"))
    environment = Hidden(
        {key: variables[name] for key, name in _VARIABLES.items() if variables.get(name)}
    )
    del variables  # keeps them out of tracebacks
    file = _read(path, must_exist=named or profile is not None)
    if profile is not None and profile not in file.reveal().get("profiles", {}):
        known = _names(file.reveal().get("profiles", {}))
        raise ConfigurationError(f"{path} has no profile {profile!r}", remedy=f"it has {known}")
    found = Hidden(_found(environment.reveal(), file.reveal(), profile))
    return (
        Hidden({_VARIABLES[key]: v for key, v in found.reveal().items() if key in _VARIABLES}),
        {key: value for key, value in found.reveal().items() if key not in _VARIABLES},
    )


def _found(
    environment: Mapping[str, Any], file: Mapping[str, Any], profile: str | None
) -> dict[str, Any]:
    top = {key: value for key, value in file.items() if key != "profiles"}
    layers = [environment, top]
    if profile is not None:
        layers.insert(0, file["profiles"][profile])
    found: dict[str, Any] = {}
    for layer in layers:
        pair_is_found = any(key in found for key in _PAIR)
        for key, value in layer.items():
            if key not in found and not (pair_is_found and key in _PAIR):
                found[key] = value
    return found


def _names(profiles: Mapping[str, Any]) -> str:
    """Return the names of profiles, except long ones, which may be misplaced secrets."""
    names = [name for name in sorted(profiles) if len(name) <= _LONGEST_NAME]
    if len(names) < len(profiles):
        names.append(f"{len(profiles) - len(names)} with a longer name")
    return ", ".join(names) or "none"


def config_path(variables: Mapping[str, str]) -> Path | None:
    """Return the path of the configuration file; None without a home directory."""
    if named := variables.get("SINCHVOICE_CONFIG"):
        return Path(named)
    base = Path(variables.get("XDG_CONFIG_HOME", ""))
    if not base.is_absolute():  # relative paths are invalid by the XDG specification
        try:
            base = Path.home() / ".config"
        except RuntimeError:
            return None
    return base / "sinchvoice" / "config.toml"


def _read(path: Path | None, *, must_exist: bool) -> Hidden[dict[str, Any]]:
    if path is None:
        return Hidden({})
    try:
        content = _read_private(path)
    except FileNotFoundError:
        if must_exist:
            raise ConfigurationError(
                f"the configuration file {path} does not exist", remedy="create it"
            ) from None
        return Hidden({})
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}") from error
    file = _parsed(content.reveal())
    if isinstance(file, str):
        raise ConfigurationError(f"{path} cannot be read as TOML {file}", remedy="correct it")
    wrong = _find_mistake(file.reveal())
    if wrong is not None:
        raise ConfigurationError(f"{path}: {wrong[0]}", remedy=wrong[1])
    return file


# The functions below return problems instead of raising them, which keeps the content out of
# tracebacks. They show no values and no unknown keys, because each may be a misplaced secret.


def _parsed(content: bytes) -> Hidden[dict[str, Any]] | str:
    """Return the tables, or the problem."""
    try:
        return Hidden(tomllib.loads(content.decode("utf-8-sig")))
    except UnicodeDecodeError:
        return "(it is not UTF-8)"
    except RecursionError:
        return "(its tables or lists are nested too deeply)"
    except ValueError as error:  # tomllib's messages quote keys
        place = re.search(r"\(at (?:line \d+, column \d+|end of document)\)$", str(error))
        return place[0] if place else "(a number is too long)"


def _find_mistake(file: Mapping[str, Any]) -> tuple[str, str] | None:
    """Return a problem of the tables, and its remedy; None without a problem."""
    profiles = file.get("profiles", {})
    if not isinstance(profiles, dict) or not all(isinstance(p, dict) for p in profiles.values()):
        return "profiles are not tables", "write them as [profiles.NAME]"
    top = {key: value for key, value in file.items() if key != "profiles"}
    for table in (top, *profiles.values()):
        for key, value in table.items():
            if key not in _KEYS:
                close = get_close_matches(key, _KEYS, n=1)
                which = (
                    f"a key is unknown, perhaps meant as {close[0]}"
                    if close
                    else ("a key is unknown")
                )
                return which, f"the keys are {', '.join((*_KEYS, 'profiles'))}"
            if key in _NUMBERS:
                if isinstance(value, bool) or not isinstance(value, int | float):
                    return f"{key} is not a number", "write it without quotes"
            elif not isinstance(value, str) or not value:
                return f"{key} is not text", "write it in quotes"
    return None


def _read_private(path: Path) -> Hidden[bytes]:
    """Read a file, and check the opened file itself, whose name may change meanwhile."""
    # Not blocking: a pipe without a writer is opened and refused.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        descriptor = os.open(path, flags)
    except ValueError as error:  # a NUL in the name
        raise ConfigurationError(f"{str(path)!r} is not the name of a file: {error}") from None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise ConfigurationError(f"{path} is not a regular file", remedy="create one")
        if hasattr(os, "geteuid"):  # Windows has neither owners nor modes of this kind
            if status.st_uid != os.geteuid():
                raise ConfigurationError(
                    f"{path} belongs to another user",
                    remedy="create your own file, and run chmod 600 on it",
                )
            if status.st_mode & 0o077:
                raise ConfigurationError(
                    f"{path} is open to other users (mode {stat.S_IMODE(status.st_mode):03o})",
                    remedy=f"run chmod 600 {shlex.quote(str(path))}",
                )
        if status.st_size > _MAX_SIZE:
            raise ConfigurationError(
                f"{path} has {status.st_size} bytes", remedy=f"use at most {_MAX_SIZE}"
            )
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            return Hidden(file.read(_MAX_SIZE))
    finally:
        os.close(descriptor)
