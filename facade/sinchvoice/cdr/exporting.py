"""Records as Parquet files, and how an older export is told from other people's data.

An export has a manifest: the size and SHA-256 of every file in it. A folder is replaced only if it
has nothing else. The manifest is a Parquet file without rows, as some readers of a folder refuse
any other file in it.
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
    """Write the table or view `records` into an empty folder: a file a day, and the manifest.

    Args:
        run: Runs SQL, each time on the same state of the records.
        folder: Where to; for its owner alone.

    Raises:
        OSError: It cannot be written.
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
    """SQL that writes a day; one by one, they need little memory."""
    begin = f"TIMESTAMP '{day} 00:00:00'"
    return (
        f"COPY (FROM records WHERE call_time >= {begin} AND call_time < {begin} + INTERVAL 1 DAY "
        f"ORDER BY call_time) TO {literal(path)} (FORMAT parquet, COMPRESSION zstd)"
    )


def check_replaceable(target: Path) -> None:
    """Refuse a target that has anything but an export of ours.

    Raises:
        CdrError: It has.
        OSError: It cannot be read.
    """
    if not target.exists():
        return
    if not target.is_dir():
        raise CdrError("this is not a folder: give a new one", str(target))
    try:
        other = _foreign(target)
    except (ValueError, RecursionError) as error:
        other = f"a manifest {MANIFEST} that cannot be read ({error})"
    if other is not None:
        raise CdrError(
            f"this folder has {other}, which no export wrote, and would lose it: "
            "give a new folder, or move that away",
            str(target),
        )


def put_in_place(written: Path, target: Path) -> None:
    """Move an export to its target; an older one there is replaced.

    Raises:
        CdrError: The target has something else.
        OSError: It cannot be moved.
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
                check_replaceable(old)  # nobody else can put anything there from now on
            new.rename(target)
        except BaseException:
            if old.exists():
                old.rename(target)
            raise


def recover(target: Path) -> None:
    """Clean up after exports to the same target that were killed.

    If one was killed between the two moves that replace an export, the second is made.
    """
    with abandoned(target, _PURPOSE) as folders:
        for folder in folders:
            new = folder / "new"
            with suppress(OSError, ValueError, RecursionError):
                if not target.exists() and _manifest(new) is not None and _foreign(new) is None:
                    new.rename(target)
            shutil.rmtree(folder, ignore_errors=True)


def _foreign(folder: Path) -> str | None:
    """What a folder has that its manifest does not tell; None if there is nothing.

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
    """The files that a manifest tells of; text stands as it is in the metadata of Parquet."""
    content = manifest.read_bytes()
    begin = content.find(_BEGIN)
    if begin < 0:
        raise ValueError("it is not ours")
    text = content[begin:].decode("utf-8", "replace")
    files = json.JSONDecoder().raw_decode(text)[0].get("files")
    if not isinstance(files, dict):
        raise ValueError("it has another format")
    return files


def _description(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"size": path.stat().st_size, "sha256": digest}
