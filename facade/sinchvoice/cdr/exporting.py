"""Export of records as Parquet files, and recognition of an earlier export.

A folder is replaced as a whole, and only if it contains nothing but the files of its manifest. An
incremental export, in `lake.py`, replaces single days of it instead.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Any

from ..errors import CdrError
from .fast_path import literal
from .manifests import MANIFEST, Manifest, State, describe, file_of, find_changes, is_manifest
from .stores import locked
from .workspace import Workspace, abandoned

__all__ = ["check_replaceable", "copy_day", "put_in_place", "recover", "write"]

_PURPOSE = "export"


def write(run: Callable[[str], list[tuple[Any, ...]]], folder: Path, mask: str = "") -> None:
    """Write the table or view `records` to an empty folder: one file per day and the manifest.

    Args:
        run: Runs SQL, each time on the same state of the records.
        folder: Target folder, for its owner alone.
        mask: How the records are masked, see `Masking.identity`.

    Raises:
        OSError: The folder cannot be written.
    """
    state = find_changes(run, State(), mask=mask).state
    manifest = Manifest(state=state)
    for day in sorted(state.days):
        path = folder / file_of(day)
        path.parent.mkdir(mode=0o700)
        run(copy_day(day, path))
        path.chmod(0o600)
        manifest.files[file_of(day)] = describe(path)
    if manifest.files:
        (folder / MANIFEST).parent.mkdir(mode=0o700)
        manifest.write(run, folder / MANIFEST)


def copy_day(day: date, path: Path) -> str:
    """Return SQL that writes one day; day by day, the export needs little memory."""
    begin = f"TIMESTAMP '{day} 00:00:00'"
    return (
        f"COPY (FROM records WHERE call_time >= {begin} AND call_time < {begin} + INTERVAL 1 DAY "
        f"ORDER BY call_time) TO {literal(path)} (FORMAT parquet, COMPRESSION zstd)"
    )


def check_replaceable(target: Path) -> None:
    """Refuse a target with anything but an unchanged export.

    Raises:
        CdrError: The target has other content.
        OSError: The target cannot be read.
    """
    if not target.exists():
        return
    if not target.is_dir():
        raise CdrError("this is not a folder: give a new one", str(target))
    try:
        other = _foreign(target)
    except (ValueError, RecursionError) as error:
        other = f"an unreadable manifest {MANIFEST} ({error})"
    if other is not None:
        raise CdrError(
            f"this folder has {other}, which no export wrote and which would be lost: "
            "give a new folder or move it away",
            str(target),
        )


def put_in_place(written: Path, target: Path) -> None:
    """Move an export to its target and replace an older export there.

    Raises:
        CdrError: The target has other content.
        OSError: The export cannot be moved.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with Workspace(target, _PURPOSE) as near:
        new, old = near.path / "new", near.path / "old"
        shutil.move(written, new)
        if target.exists():
            with locked(target):
                check_replaceable(target)
                target.rename(old)
        try:
            if old.exists():
                check_replaceable(old)  # again: writers no longer find it under its name
            new.rename(target)
        except BaseException:
            if old.exists():
                old.rename(target)
            raise


def recover(target: Path) -> None:
    """Clean up after killed exports to the same target.

    If one was killed between the two moves that replace an export, make the second move.
    """
    with abandoned(target, _PURPOSE) as folders:
        for folder in folders:
            new = folder / "new"
            with suppress(OSError, ValueError, RecursionError):
                if not target.exists() and _manifest(new) is not None and _foreign(new) is None:
                    new.rename(target)
            shutil.rmtree(folder, ignore_errors=True)


def _foreign(folder: Path) -> str | None:
    """Describe the first entry of a folder that its manifest does not list; None if all are listed.

    Raises:
        ValueError: The manifest cannot be read.
        OSError: A file cannot be read.
    """
    path = _manifest(folder)
    manifest = Manifest() if path is None else Manifest.read(path.read_bytes())
    names = {*manifest.files, *manifest.pending}
    folders = {str(Path(name).parent) for name in names}
    for each in sorted(folder.rglob("*")):
        name = each.relative_to(folder).as_posix()
        if each.is_symlink():
            return f"the link {name}"
        if each.is_dir():
            if name not in folders and (path is None or each != path.parent):
                return f"the folder {name}"
        elif each != path:
            if name not in names or not each.is_file():
                return f"the file {name}"
            if describe(each) not in manifest.descriptions(name):
                return f"the changed file {name}"
    return None


def _manifest(folder: Path) -> Path | None:
    names = [
        each.relative_to(folder).as_posix() for each in folder.glob("day=*/_sinchvoice.parquet")
    ]
    found = [folder / name for name in names if is_manifest(name) and (folder / name).is_file()]
    return found[0] if len(found) == 1 else None
