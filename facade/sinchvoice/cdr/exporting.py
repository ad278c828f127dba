"""Export of records as Parquet files, and recognition of an earlier export.

The manifest of an export has the size and SHA-256 of every file. A folder is replaced only if it
contains nothing else. The manifest is a Parquet file without rows, because some readers of a folder
refuse any other file type.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Any

from ..errors import CdrError
from .fast_path import literal
from .workspace import Workspace, abandoned

__all__ = ["MANIFEST", "check_replaceable", "put_in_place", "recover", "write"]

MANIFEST = "_sinchvoice.parquet"
"""The name of the manifest, in the folder of the first day."""
_BEGIN = b'{"sinchvoice export": 1, '
_PURPOSE = "export"


def write(run: Callable[[str], list[tuple[Any, ...]]], folder: Path) -> None:
    """Write the table or view `records` to an empty folder: one file per day and the manifest.

    Args:
        run: Runs SQL, each time on the same state of the records.
        folder: Target folder, for its owner alone.

    Raises:
        OSError: The folder cannot be written.
    """
    days = run("SELECT DISTINCT CAST(call_time AS DATE) AS day FROM records ORDER BY day")
    files = {}
    for (day,) in days:
        path = folder / f"day={day}" / "data_0.parquet"
        path.parent.mkdir(mode=0o700)
        run(_copy(day, path))
        path.chmod(0o600)
        files[path.relative_to(folder).as_posix()] = _description(path)
    if files:
        path = folder / next(iter(files))
        manifest = _BEGIN.decode() + json.dumps({"files": files})[1:]
        run(
            f"COPY (FROM records LIMIT 0) TO {literal(path.with_name(MANIFEST))} "
            f"(FORMAT parquet, KV_METADATA {{sinchvoice: {literal(manifest)}}})"
        )
        path.with_name(MANIFEST).chmod(0o600)


def _copy(day: date, path: Path) -> str:
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
    manifest = _manifest(folder)
    files: dict[str, Any] = {} if manifest is None else _read(manifest)
    folders = {str(Path(name).parent) for name in files}
    for each in sorted(folder.rglob("*")):
        name = each.relative_to(folder).as_posix()
        if each.is_symlink():
            return f"the link {name}"
        if each.is_dir():
            if name not in folders:
                return f"the folder {name}"
        elif each != manifest:
            if name not in files or not each.is_file():
                return f"the file {name}"
            if files[name] != _description(each):
                return f"the changed file {name}"
    return None


def _manifest(folder: Path) -> Path | None:
    found = [each for each in folder.glob(f"day=*/{MANIFEST}") if each.is_file()]
    return found[0] if len(found) == 1 else None


def _read(manifest: Path) -> dict[str, Any]:
    """Return the files listed in a manifest; Parquet metadata holds text uncompressed."""
    content = manifest.read_bytes()
    begin = content.find(_BEGIN)
    if begin < 0:
        raise ValueError("not a manifest of sinchvoice")
    text = content[begin:].decode("utf-8", "replace")
    files = json.JSONDecoder().raw_decode(text)[0].get("files")
    if not isinstance(files, dict):
        raise ValueError("unknown format")
    return files


def _description(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"size": path.stat().st_size, "sha256": digest}
