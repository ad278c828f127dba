"""Read and update openapi/specs.lock: the sources and the checksum of each specification.

`regenerate` records the checksums of its inputs, so that `drift` and the tests notice a later
change of a specification. Everything else in the file is written by hand.
"""

import hashlib
import re
import tomllib
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import attrs

NAME = "specs.lock"


class LockError(Exception):
    """The lock is unusable; the message says where and why."""


@attrs.frozen
class LockedSpec:
    """The entry of a specification in the lock.

    Attributes:
        sources: Its sources, by the names in openapi/README.md.
        retrieved: The date of the last reading of the sources.
        sha256: The checksum of the file when it was last locked.
        absent: Operations, such as `GET /path`, known to be no longer published, each with the
            reason for keeping it.
    """

    sources: tuple[str, ...]
    retrieved: date
    sha256: str
    absent: Mapping[str, str]


@attrs.frozen
class Lock:
    """The lock.

    Attributes:
        url: The address of the publisher's own document.
        specs: The specifications by name, such as `calling` for `calling.yaml`.
    """

    url: str
    specs: Mapping[str, LockedSpec]


def read(folder: Path) -> Lock:
    """Read the lock.

    Args:
        folder: openapi/.

    Raises:
        LockError: If the file is missing, is not TOML, or lacks a field.
    """
    path = folder / NAME
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise LockError(f"openapi/{NAME}: {error}") from error
    url = _field(content, "published", "url", str)
    specs = content.get("specs")
    if not isinstance(specs, dict) or not specs:
        raise LockError(f"openapi/{NAME}: has no table [specs.NAME]")
    return Lock(url, {name: _spec(content["specs"], name) for name in specs})


def stale(folder: Path) -> list[str]:
    """Compare the specifications with the lock.

    Args:
        folder: openapi/.

    Returns:
        A message for each specification that differs from its locked checksum.

    Raises:
        LockError: As `read`, or if a specification is missing.
    """
    return [
        f"openapi/{name}.yaml differs from openapi/{NAME} (sha256 {found}, not {spec.sha256})"
        for name, spec in read(folder).specs.items()
        if (found := checksum(folder, name)) != spec.sha256
    ]


def record(folder: Path) -> list[str]:
    """Record the current checksums of the specifications; nothing else in the lock changes.

    Args:
        folder: openapi/.

    Returns:
        The names of the changed specifications.

    Raises:
        LockError: As `stale`.
    """
    path, changed = folder / NAME, []
    for name, spec in read(folder).specs.items():
        found = checksum(folder, name)
        if found != spec.sha256:
            # Edited as text to keep comments and order.
            text = path.read_text(encoding="utf-8").replace(spec.sha256, found)
            path.write_text(text, encoding="utf-8", newline="\n")
            changed.append(name)
    return changed


def checksum(folder: Path, name: str) -> str:
    """Return the SHA-256 of a specification, in hex.

    Args:
        folder: openapi/.
        name: The name, such as `calling` for `calling.yaml`.

    Raises:
        LockError: If the file cannot be read.
    """
    try:
        # Read as text, so that line ends of the checkout do not matter.
        text = (folder / f"{name}.yaml").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise LockError(f"openapi/{name}.yaml: {error}") from error
    return hashlib.sha256(text.encode()).hexdigest()


def _spec(specs: Mapping[str, Any], name: str) -> LockedSpec:
    absent = specs[name].get("absent", {}) if isinstance(specs[name], dict) else {}
    if not isinstance(absent, dict) or not all(isinstance(why, str) for why in absent.values()):
        raise LockError(f"openapi/{NAME}: [specs.{name}.absent] needs a reason for each operation")
    sha256 = _field(specs, name, "sha256", str)
    if re.fullmatch("[0-9a-f]{64}", sha256) is None:
        raise LockError(f"openapi/{NAME}: {name} needs sha256, 64 hexadecimal digits")
    return LockedSpec(
        tuple(_field(specs, name, "sources", list)),
        _field(specs, name, "retrieved", date),
        sha256,
        absent,
    )


def _field(tables: Mapping[str, Any], table: str, field: str, kind: type) -> Any:
    values = tables.get(table)
    if not isinstance(values, dict) or not isinstance(values.get(field), kind):
        raise LockError(f"openapi/{NAME}: {table} needs {field}, a {kind.__name__}")
    return values[field]
