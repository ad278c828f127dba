"""openapi/specs.lock: what each specification was written from, and its checksum.

`regenerate` records the checksums of what it generates from, so that `drift` and the tests notice a
specification that was changed since. Everything else in the file is written by hand.
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
    """The lock cannot be used; the message says where and why."""


@attrs.frozen
class LockedSpec:
    """A specification in openapi/, as the lock has it.

    Attributes:
        sources: What it was written from, by the names in openapi/README.md.
        retrieved: When the sources were last read.
        sha256: Checksum of the file when it was last locked.
        absent: Operations, as `GET /path`, that are known not to be published any more, each with
            the reason why we keep it.
    """

    sources: tuple[str, ...]
    retrieved: date
    sha256: str
    absent: Mapping[str, str]


@attrs.frozen
class Lock:
    """The lock.

    Attributes:
        url: Where the publisher's own document is.
        specs: The specifications by their names, `calling` for `calling.yaml`.
    """

    url: str
    specs: Mapping[str, LockedSpec]


def read(folder: Path) -> Lock:
    """Read the lock.

    Args:
        folder: openapi/.

    Raises:
        LockError: If it is missing, no TOML, or lacks something.
    """
    path = folder / NAME
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise LockError(f"openapi/{NAME}: {error}") from error
    url = _field(content, "published", "url", str)
    specs = content.get("specs")
    if not isinstance(specs, dict) or not specs:
        raise LockError(f"openapi/{NAME}: there is no table [specs.NAME]")
    return Lock(url, {name: _spec(content["specs"], name) for name in specs})


def stale(folder: Path) -> list[str]:
    """Compare the specifications with the lock.

    Args:
        folder: openapi/.

    Returns:
        A line for people per specification that is not what was locked.

    Raises:
        LockError: As `read`, or if a specification is missing.
    """
    return [
        f"openapi/{name}.yaml is not what openapi/{NAME} says (sha256 {found}, not {spec.sha256})"
        for name, spec in read(folder).specs.items()
        if (found := checksum(folder, name)) != spec.sha256
    ]


def record(folder: Path) -> list[str]:
    """Lock the specifications as they are now. Nothing but checksums is changed.

    Args:
        folder: openapi/.

    Returns:
        The names of those that had changed.

    Raises:
        LockError: As `stale`.
    """
    path, changed = folder / NAME, []
    for name, spec in read(folder).specs.items():
        found = checksum(folder, name)
        if found != spec.sha256:
            # The text rather than the data: comments and order stay as they are.
            text = path.read_text(encoding="utf-8").replace(spec.sha256, found)
            path.write_text(text, encoding="utf-8", newline="\n")
            changed.append(name)
    return changed


def checksum(folder: Path, name: str) -> str:
    """Return the SHA-256 of a specification, in hex.

    Args:
        folder: openapi/.
        name: `calling` for `calling.yaml`.

    Raises:
        LockError: If it cannot be read.
    """
    try:
        # As text: a checkout with other line ends is the same specification.
        text = (folder / f"{name}.yaml").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise LockError(f"openapi/{name}.yaml: {error}") from error
    return hashlib.sha256(text.encode()).hexdigest()


def _spec(specs: Mapping[str, Any], name: str) -> LockedSpec:
    absent = specs[name].get("absent", {}) if isinstance(specs[name], dict) else {}
    if not isinstance(absent, dict) or not all(isinstance(why, str) for why in absent.values()):
        raise LockError(f"openapi/{NAME}: [specs.{name}.absent] gives a reason per operation")
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
