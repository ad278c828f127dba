"""A lake: an export of which only the changed days are written.

A run compares the archive with the manifest and writes the changed days to temporary files, some at
a time. It then notes them in the manifest as pending, moves each to its place, and notes the
result. A run that is killed leaves days that are old or new, and a manifest that knows both; the
next run writes the pending days again.
"""

from __future__ import annotations

import glob
import os
import tempfile
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import attrs

from ..errors import CdrError
from . import exporting, stores
from .deduplication import Run
from .manifests import (
    MANIFEST,
    Manifest,
    OtherArchive,
    OtherMask,
    State,
    day_of,
    describe,
    file_of,
    find_changes,
    is_manifest,
    stamp,
)
from .sources import is_url
from .stores import Folder, Keep, Place, Store

__all__ = ["Lake", "LakeReport", "find", "other_mask", "update"]

_BATCH = 1 << 28
"""Bytes of temporary files after which the days are moved to their place."""
_ATTEMPTS = 3
"""Attempts to see a lake as a whole while an export writes to it."""


@attrs.frozen(kw_only=True)
class LakeReport:
    """The result of an incremental export.

    Attributes:
        lake: Path or URL of the lake.
        written: Days that were written, sorted.
        removed: Days that were removed because they have no records any more, sorted.
        unchanged: Number of the other days.
    """

    lake: str
    written: tuple[date, ...]
    removed: tuple[date, ...]
    unchanged: int


# --- Writing -------------------------------------------------------------------------------------


def update(run: Run, place: Place, aside: Path, mask: str = "") -> LakeReport:
    """Write the changed days of an archive to a lake.

    Args:
        run: Runs SQL, each time on the same state of the records.
        place: Place of the lake.
        aside: Empty folder for temporary files, for its owner alone.
        mask: How the records are masked, see `Masking.identity`.

    Raises:
        CdrError: The lake has other files, was written from another archive or with another mask,
            or is in use.
        OSError: A file cannot be written.
    """
    if isinstance(place, Folder):
        exporting.recover(place.path)

    def write_stamp(data: dict[str, Any]) -> Path:
        path = aside / "stamp.parquet"
        stamp(run, path, data)
        return path

    if not any(map(is_manifest, sizes := place.sizes())):
        _check(place, Manifest(), sizes)  # before anything is written there
    with place.locked(write_stamp) as keep:
        return _Update(run, place, aside, keep, mask).run()


class _Update:
    """A run of an export, while the lake is locked."""

    def __init__(self, run: Run, place: Place, aside: Path, keep: Keep, mask: str) -> None:
        self._run, self._place, self._aside, self._keep = run, place, aside, keep
        self._mask = mask
        self._sizes = place.sizes()
        self._manifest = _manifest(place, self._sizes)
        self._batch: dict[str, Path | None] = {}
        self._bytes = 0

    def run(self) -> LakeReport:
        manifest = self._manifest
        _check(self._place, manifest, self._sizes)
        known = manifest.state
        stale = {
            day_of(name)
            for name in {*manifest.files, *manifest.pending}
            if name in manifest.pending or name not in self._sizes or day_of(name) not in known.days
        }
        try:
            changes = find_changes(self._run, known, stale, mask=self._mask)
        except OtherArchive:
            raise CdrError(
                "this lake has no file of this archive, so it belongs to another: give a new "
                "folder, or the archive it was written from",
                self._place.shown,
            ) from None
        except OtherMask:
            raise other_mask(known, self._place.shown) from None
        found = changes.state
        if not known.files:  # so that no other archive can continue an interrupted run
            begun = {number: attrs.evolve(file, counts="") for number, file in found.files.items()}
            manifest.state = attrs.evolve(known, files=begun, mask=self._mask)
        # Days to repair come first: the manifest forgets their former descriptions only then.
        for day in sorted(changes.days, key=lambda day: (day not in stale, day)):
            self._add(day, found)
            if self._bytes >= _BATCH:
                self._move(found)
        self._move(found)
        if manifest.state != found or MANIFEST not in self._sizes:
            manifest.state = found
            self._write_manifest()
        for name in self._sizes:
            if is_manifest(name) and name != MANIFEST:  # that of an earlier version
                self._keep()
                self._place.remove(name)
        return LakeReport(
            lake=self._place.shown,
            written=tuple(day for day in changes.days if day in found.days),
            removed=tuple(
                day for day in changes.days if day not in found.days and file_of(day) in self._sizes
            ),
            unchanged=len(found.days.keys() - set(changes.days)),
        )

    def _add(self, day: date, found: State) -> None:
        """Write a day to a temporary file, if it has records."""
        name, path = file_of(day), None
        if day in found.days:
            path = self._aside / f"{day}.parquet"
            self._run(exporting.copy_day(day, path))
            self._bytes += path.stat().st_size
        self._batch[name] = path

    def _move(self, found: State) -> None:
        """Move the days of a batch to their place."""
        if not self._batch:
            return
        manifest, place, batch = self._manifest, self._place, self._batch
        for name in batch.keys() & self._sizes.keys():
            if place.describe(name) not in manifest.descriptions(name):
                raise _foreign(place, f"the changed file {name}")
        new = {name: None if path is None else describe(path) for name, path in batch.items()}
        for name, description in new.items():
            manifest.pending.setdefault(name, []).append(description)
        self._write_manifest()
        for name, path in batch.items():
            self._keep()
            if path is not None:
                place.put(path, name)
                path.unlink(missing_ok=True)
            elif name in self._sizes:
                place.remove(name)
        days = dict(manifest.state.days)
        for name, description in new.items():
            del manifest.pending[name]
            manifest.files.pop(name, None)
            days.pop(day_of(name), None)
            if description is not None:
                manifest.files[name] = description
                days[day_of(name)] = dict(found.days[day_of(name)])
        manifest.files = dict(sorted(manifest.files.items()))
        manifest.state = attrs.evolve(manifest.state, days=days)
        self._batch, self._bytes = {}, 0
        if not manifest.pending and days == found.days:
            manifest.state = found  # this was the last batch
        self._write_manifest()

    def _write_manifest(self) -> None:
        self._keep()
        path = self._aside / "manifest.parquet"
        self._manifest.write(self._run, path)
        self._place.put(path, MANIFEST)
        path.unlink(missing_ok=True)


def other_mask(known: State, shown: str) -> CdrError:
    """Return the error for records that are masked in another way than those in an export."""
    method = known.mask.partition(" ")[0]
    there = f"masked by {method!r}, with its key if it has one" if method else "not masked"
    return CdrError(
        f"the records in this export are {there}, and it cannot have both: give the same mask, or "
        "a new folder",
        shown,
    )


def _manifest(place: Place, sizes: Mapping[str, int]) -> Manifest:
    """Return the manifest of a lake; an empty one if it has none."""
    found = [name for name in sizes if is_manifest(name)]
    if MANIFEST in found:
        found = [MANIFEST]
    if not found:
        return Manifest()
    try:
        if len(found) > 1:
            raise ValueError("there are several")
        return Manifest.read(place.read(found[0]))
    except (ValueError, RecursionError) as error:
        raise _foreign(place, f"an unreadable manifest {found[0]} ({error})") from error


def _check(place: Place, manifest: Manifest, sizes: Mapping[str, int]) -> None:
    """Refuse a place with files that no export wrote.

    Raises:
        CdrError: It has such a file.
    """
    for name, size in sizes.items():
        if is_manifest(name):
            continue
        described = manifest.descriptions(name)
        if not described:
            raise _foreign(place, f"the file {name}")
        if all(size != each["size"] for each in described):
            raise _foreign(place, f"the changed file {name}")


def _foreign(place: Place, other: str) -> CdrError:
    return CdrError(
        f"this folder has {other}, which no export wrote: move it away, or give a new folder",
        place.shown,
    )


# --- Reading -------------------------------------------------------------------------------------


@attrs.frozen
class Lake:
    """A lake to query: its files, local or copied, each as an export left it.

    Attributes:
        shown: Path or URL of the lake.
        paths: Paths of the local files, by their names for messages.
        names: Names of the loaded files, by file_id.
        is_copied: Whether the files were copied from a store.
        mask: How the records are masked, see `Masking.identity`; empty if not.
    """

    shown: str
    paths: Mapping[str, Path]
    names: Mapping[int, str]
    is_copied: bool
    mask: str


def find(source: object, aside: Path) -> Lake | None:
    """Return the lake at a path or URL; None if there is none.

    Args:
        source: Path or URL; anything else is not a lake.
        aside: Folder for copies of the files of a store.

    Raises:
        CdrError: The lake has other or missing files, or cannot be read.
    """
    if not isinstance(source, str | os.PathLike):
        return None
    location = os.fspath(source)
    if not isinstance(location, str) or not _may_be_lake(location):
        return None
    where = stores.place(location)
    for left in reversed(range(_ATTEMPTS)):
        try:
            sizes = where.sizes()
            if not any(map(is_manifest, sizes)):
                return None
            return _opened(where, sizes, aside)
        except (CdrError, OSError) as error:
            if not left:  # an export may have changed it meanwhile
                if isinstance(error, CdrError):
                    raise
                raise CdrError(f"cannot be read: {error.strerror or error}", where.shown) from error
    return None


def _may_be_lake(location: str) -> bool:
    """Tell whether a lake can be at this location, before a store is opened."""
    scheme, _, rest = location.partition("://") if is_url(location) else ("file", "", location)
    if scheme in ("file", "local"):
        path = Path(rest)
        try:
            return path.is_dir() and any(path.glob("day=*/_sinchvoice.parquet"))
        except (OSError, ValueError):
            return False  # the reader reports the reason
    name = rest.rstrip("/").rpartition("/")[2]
    is_file = "." in name and not rest.endswith("/")
    return stores.is_store(scheme) and not is_file and not glob.has_magic(rest)


def _opened(where: Place, sizes: Mapping[str, int], aside: Path) -> Lake:
    manifest = _manifest(where, sizes)
    _check(where, manifest, sizes)
    days = [name for name in sizes if not is_manifest(name)]
    for name in manifest.files:
        if name not in sizes and name not in manifest.pending:
            raise CdrError(f"this lake lacks the file {name}: export to it again", where.shown)
    names = {number: file.name for number, file in manifest.state.files.items()}
    # The manifest has the columns and no rows, for a lake without a day.
    found = days or [next(filter(is_manifest, sizes))]
    if isinstance(where, Folder):
        paths = {str(where.path / name): where.path / name for name in found}
        return Lake(where.shown, paths, names, is_copied=False, mask=manifest.state.mask)
    assert isinstance(where, Store)  # noqa: S101 - the other place
    folder = Path(tempfile.mkdtemp(prefix="lake-", dir=aside))
    paths = {}
    for name, path in where.fetch(found, folder).items():
        if name in days and describe(path) not in manifest.descriptions(name):
            raise CdrError(
                "the file changed while it was read: read it again", f"{where.shown}/{name}"
            )
        paths[f"{where.shown}/{name}"] = path
    return Lake(where.shown, paths, names, is_copied=True, mask=manifest.state.mask)
