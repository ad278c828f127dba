"""Where credentials and settings come from: the environment, and a file that only its owner reads.

They are never arguments, which every user of the machine can see.
"""

from __future__ import annotations

import os
import shlex
import stat
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import ConfigurationError

__all__ = ["config_path", "find_settings"]

_PAIR = ("application_key", "application_secret")
#: Keys of the file that have a variable of the environment, too.
_VARIABLES = {
    "application_key": "SINCH_APPLICATION_KEY",
    "application_secret": "SINCH_APPLICATION_SECRET",
    "region": "SINCH_VOICE_REGION",
    "calling_url": "SINCH_VOICE_CALLING_URL",
    "reporting_url": "SINCH_VOICE_REPORTING_URL",
}
_NUMBERS = ("timeout", "deadline", "retries")
_KEYS = (*_VARIABLES, "auth", "canonical_resource", *_NUMBERS)


def find_settings(
    variables: Mapping[str, str], profile: str | None = None
) -> tuple[Mapping[str, str], Mapping[str, Any]]:
    """Find out what is configured.

    The environment counts more than the file, but a profile that was asked for counts more than
    both. Key and secret are taken from one place, never one from here and one from there.

    Args:
        variables: the environment.
        profile: name of a table `[profiles.NAME]` of the file.

    Returns:
        What `VoiceClient.from_env` takes: variables and options.

    Raises:
        ConfigurationError: the file is readable for others, cannot be read, or says something
            that is not known.
    """
    path, named = config_path(variables), variables.get("SINCHVOICE_CONFIG")
    file = _read(path, must_exist=bool(named) or profile is not None)
    profiles = file.pop("profiles", {})
    environment = {key: variables[name] for key, name in _VARIABLES.items() if variables.get(name)}
    layers: list[Mapping[str, Any]] = [environment, file]
    if profile is not None:
        if profile not in profiles:
            known = ", ".join(sorted(profiles)) or "none"
            raise ConfigurationError(f"{path} has no profile {profile!r}: known are {known}")
        layers.insert(0, profiles[profile])
    found: dict[str, Any] = {}
    for layer in layers:
        pair_is_found = any(key in found for key in _PAIR)
        for key, value in layer.items():
            if key not in found and not (pair_is_found and key in _PAIR):
                found[key] = value
    return (
        {_VARIABLES[key]: value for key, value in found.items() if key in _VARIABLES},
        {key: value for key, value in found.items() if key not in _VARIABLES},
    )


def config_path(variables: Mapping[str, str]) -> Path | None:
    """Where the file would be; None if there is no home to look in."""
    if named := variables.get("SINCHVOICE_CONFIG"):
        return Path(named)
    base = Path(variables.get("XDG_CONFIG_HOME", ""))
    if not base.is_absolute():  # as the XDG specification wants it
        try:
            base = Path.home() / ".config"
        except RuntimeError:
            return None
    return base / "sinchvoice" / "config.toml"


def _read(path: Path | None, *, must_exist: bool) -> dict[str, Any]:
    if path is None:
        return {}
    try:
        content = _read_private(path)
    except FileNotFoundError:
        if must_exist:
            raise ConfigurationError(f"there is no configuration file {path}: write it") from None
        return {}
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}") from error
    try:
        file = tomllib.loads(content.decode())
    except ValueError as error:
        # A decoding error would quote the bytes around it.
        reason = "it is not UTF-8" if isinstance(error, UnicodeDecodeError) else error
        raise ConfigurationError(f"{path} is not TOML: {reason}") from None
    profiles = file.get("profiles", {})
    if not isinstance(profiles, dict) or not all(isinstance(p, dict) for p in profiles.values()):
        raise ConfigurationError(f"{path}: profiles are tables: write [profiles.NAME]")
    _check(path, {key: value for key, value in file.items() if key != "profiles"})
    for profile in profiles.values():
        _check(path, profile)
    return file


def _read_private(path: Path) -> bytes:
    """Read a file; what is looked at is what is read, whatever happens to the name meanwhile."""
    # Not blocking: a pipe that nobody writes to is looked at, and refused.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    with os.fdopen(os.open(path, flags), "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise ConfigurationError(f"{path} is not a regular file: write one")
        if hasattr(os, "geteuid"):  # Windows has neither owners nor modes of this kind
            if status.st_uid != os.geteuid():
                raise ConfigurationError(
                    f"{path} belongs to another user: make a file of your own, and chmod 600 it"
                )
            if status.st_mode & 0o077:
                raise ConfigurationError(
                    f"{path} is open to other users (mode {stat.S_IMODE(status.st_mode):03o}): "
                    f"chmod 600 {shlex.quote(str(path))}"
                )
        return file.read()


def _check(path: Path, table: Mapping[str, Any]) -> None:
    # Values are not shown: any of them may be the secret, in the wrong place.
    for key, value in table.items():
        if key not in _KEYS:
            known = ", ".join((*_KEYS, "profiles"))
            raise ConfigurationError(f"{path} has the unknown key {key!r}: known are {known}")
        if key in _NUMBERS:
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise ConfigurationError(f"{path}: {key} is not a number: write it without quotes")
        elif not isinstance(value, str) or not value:
            raise ConfigurationError(f"{path}: {key} is not a text: write it in quotes")
