"""The manifest of an export: its files, and which records of which loaded files they hold.

The manifest is a Parquet file without rows, in the partition of records without a day, because some
readers of a folder refuse any other file type or place. Its metadata is a line of JSON.

A day is written again if its content changed. What it holds is described by a digest for each
loaded file: of the file, and of the numbers of its records that are kept in that day. The bytes of
a loaded file never change, so equal digests mean equal records, whatever happened to the archive in
the meantime: it may have been compacted, or restored from a backup and loaded with other files.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from datetime import date
from pathlib import Path
from typing import Any, TypeAlias

import attrs

from .deduplication import Run
from .fast_path import literal
from .sources import NO_DAY

__all__ = [
    "MANIFEST",
    "Changes",
    "Description",
    "LoadedFile",
    "Manifest",
    "OtherArchive",
    "OtherMask",
    "State",
    "day_of",
    "describe",
    "file_of",
    "find_changes",
    "is_manifest",
    "stamp",
    "stamped",
]

MANIFEST = f"{NO_DAY}/_sinchvoice.parquet"
"""Path of the manifest in the export. Version 1 had it in the folder of the first day."""

Description: TypeAlias = "dict[str, Any]"
"""Size and SHA-256 of a file."""

_VERSION = 2
_KEY = "sinchvoice export"
_IS_MANIFEST = re.compile(r"day=[^/]+/_sinchvoice\.parquet")
_IS_FILE = re.compile(r"day=(\d{4}-\d\d-\d\d)/data_0\.parquet")


class OtherArchive(Exception):
    """No file that was loaded into this archive is in the export."""


class OtherMask(Exception):
    """The records in the export are masked in another way."""


def file_of(day: date) -> str:
    """Return the path of a day's file in an export."""
    return f"day={day}/data_0.parquet"


def day_of(name: str) -> date:
    """Return the day of a file in an export.

    Raises:
        ValueError: The name is not that of a day's file.
    """
    match = _IS_FILE.fullmatch(name)
    if match is None:
        raise ValueError(f"{name!r} is not the file of a day")
    return date.fromisoformat(match[1])


def is_manifest(name: str) -> bool:
    """Tell whether this is the path of a manifest, of any version."""
    return _IS_MANIFEST.fullmatch(name) is not None


def describe(path: Path) -> Description:
    """Return size and SHA-256 of a file."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"size": path.stat().st_size, "sha256": digest}


# --- State ---------------------------------------------------------------------------------------


@attrs.frozen
class LoadedFile:
    """A file loaded into an archive.

    Attributes:
        identity: Digest of its number, bytes, layout and time of loading.
        counts: Its numbers of records by table, as text; empty if an export of them did not end.
        name: Name as loaded.
    """

    identity: str
    counts: str
    name: str


@attrs.frozen
class State:
    """The records in an export.

    Attributes:
        days: Digest of the kept records of each loaded file, by day and file_id.
        files: Loaded files of the archive, by file_id.
        erasures: Digest of the archive's erasures.
        mask: How numbers and users in them are masked, see `Masking.identity`; empty if not.
    """

    days: Mapping[date, Mapping[int, str]] = attrs.field(factory=dict)
    files: Mapping[int, LoadedFile] = attrs.field(factory=dict)
    erasures: str = ""
    mask: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return the state as JSON values."""
        return {
            "days": {str(day): dict(held) for day, held in sorted(self.days.items())},
            "files": {
                number: (file.identity, file.counts, file.name)
                for number, file in self.files.items()
            },
            "erasures": self.erasures,
            "mask": self.mask,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> State:
        """Return the state from JSON values.

        Raises:
            ValueError: The values are not those of a state.
        """
        try:
            return cls(
                {
                    date.fromisoformat(day): {int(number): str(each) for number, each in h.items()}
                    for day, h in data["days"].items()
                },
                {
                    int(number): LoadedFile(*map(str, each))
                    for number, each in data["files"].items()
                },
                str(data["erasures"]),
                str(data.get("mask", "")),
            )
        except (TypeError, KeyError, AttributeError) as error:
            raise ValueError("unknown format") from error


@attrs.frozen
class Changes:
    """What an export lacks.

    Attributes:
        state: The state after the changes.
        days: Days to write, or to remove if the state does not have them; sorted.
    """

    state: State
    days: list[date]


_FILES = """
SELECT file_id,
    md5(concat_ws('/', file_id, sha256, coalesce(layout, ''), epoch_us(loaded_at)))[:16],
    concat_ws('/', loaded, duplicates, conflicts, erased), name
FROM files ORDER BY file_id
"""


def find_changes(
    run: Run, known: State, stale: Collection[date] = (), *, mask: str = ""
) -> Changes:
    """Compare an archive with an export.

    If files were only loaded since, this reads the rows of new files, and of files that lost a
    record to one of them. Loading cannot give a record back to an earlier file, so a file with the
    same number of kept records has kept the same ones. After a removal or an erasure, or in a copy
    of the archive with another history, three columns of all rows are read.

    Args:
        run: Runs SQL on a snapshot of the archive.
        known: State of the export.
        stale: Days whose content in the export is unknown.
        mask: How the records are masked now.

    Raises:
        OtherArchive: The archive has no file of the export.
        OtherMask: The records in the export are masked in another way.
    """
    if known.files and known.mask != mask:
        raise OtherMask
    files = {file_id: LoadedFile(*file) for file_id, *file in run(_FILES)}
    erasures = _digest(*run("FROM erasures ORDER BY ALL"))
    identities = {file.identity for file in files.values()}
    kept = [file.identity in identities for file in known.files.values()]
    if kept and not any(kept):
        raise OtherArchive
    days: dict[date, Mapping[int, str]]
    if kept and all(kept) and erasures == known.erasures:
        changed = [number for number, file in files.items() if file != known.files.get(number)]
        touched = {*stale, *_days_with(known, changed)}
        touched.update(_days_of_files(run, changed))
        same = {day: held for day, held in known.days.items() if day not in touched}
        days = {**same, **_held(run, files, touched)}
    else:
        days = {**_held(run, files)}
    changed_days = sorted(
        day
        for day in {*known.days, *days, *stale}
        if day in stale or known.days.get(day) != days.get(day)
    )
    return Changes(State(days, files, erasures, mask), changed_days)


def _days_with(known: State, changed: Collection[int]) -> list[date]:
    numbers = set(changed)
    return [day for day, held in known.days.items() if not numbers.isdisjoint(held)]


def _days_of_files(run: Run, changed: Collection[int]) -> list[date]:
    if not changed:
        return []
    found = run(
        "SELECT DISTINCT CAST(call_time AS DATE) FROM records "
        "WHERE file_id BETWEEN $1 AND $2 AND file_id IN (SELECT unnest($3))",
        *(min(changed), max(changed), list(changed)),
    )
    return [day for (day,) in found]


def _held(
    run: Run, files: Mapping[int, LoadedFile], days: Collection[date] | None = None
) -> dict[date, dict[int, str]]:
    """Return the digests of some days, or of all."""
    where, parameters = "", list[object]()
    if days is not None:
        if not days:
            return {}
        where = (
            "WHERE call_time >= $1 AND call_time < CAST($2 AS DATE) + 1 "
            "AND CAST(call_time AS DATE) IN (SELECT unnest($3))"
        )
        parameters = [min(days), max(days), list(days)]
    # The number of the records and the sums of their first three powers: unlike DuckDB's hash(),
    # these are the same in every version, and unlike MD5, they cost nothing.
    number = "CAST(record AS HUGEINT)"
    found: dict[date, dict[int, str]] = defaultdict(dict)
    for file_id, day, *numbers in run(
        f"SELECT file_id, CAST(call_time AS DATE), count(*), sum({number}), "  # noqa: S608
        f"sum({number} * {number}), sum({number} * {number} * {number}) FROM records {where} "
        "GROUP BY ALL",
        *parameters,
    ):
        found[day][file_id] = _digest(files[file_id].identity, *numbers)
    return dict(found)


def _digest(*values: object) -> str:
    text = json.dumps(values, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


# --- Manifest ------------------------------------------------------------------------------------


@attrs.define
class Manifest:
    """The manifest of an export.

    Attributes:
        files: Description of each file, by its path in the export.
        pending: Descriptions that a file may have as well, None for its absence, because a run that
            changed it did not end.
        state: The records in the files.
    """

    files: dict[str, Description] = attrs.field(factory=dict)
    pending: dict[str, list[Description | None]] = attrs.field(factory=dict)
    state: State = attrs.field(factory=State)

    @classmethod
    def read(cls, content: bytes) -> Manifest:
        """Read the manifest in a Parquet file; its metadata is text, uncompressed.

        Raises:
            ValueError: The file has no manifest, or that of a later version.
        """
        data = stamped(content, _KEY)
        if data is None:
            raise ValueError("not a manifest of sinchvoice")
        try:
            version = int(data[_KEY])
            if version > _VERSION:
                raise ValueError(f"version {version}: use a newer release of sinchvoice")
            files, pending = dict(data["files"]), dict(data.get("pending", {}))
            for name in (*files, *pending):
                day_of(name)
            state = State.from_dict(data["state"]) if version > 1 else State()
            return cls(files, pending, state)
        except (TypeError, KeyError, AttributeError) as error:
            raise ValueError("unknown format") from error

    def write(self, run: Run, path: Path) -> None:
        """Write the manifest to a Parquet file, for its owner alone."""
        stamp(
            run,
            path,
            {
                _KEY: _VERSION,
                "files": self.files,
                "pending": self.pending,
                "state": self.state.to_dict(),
            },
        )

    def descriptions(self, name: str) -> list[Description]:
        """Return the descriptions that a file may have; none if it is not part of the export."""
        found: Iterable[Description | None] = [self.files.get(name), *self.pending.get(name, ())]
        return [each for each in found if each is not None]


def stamp(run: Run, path: Path, data: Mapping[str, Any]) -> None:
    """Write data to the metadata of a Parquet file with the columns of `records` and no rows."""
    run(
        f"COPY (FROM records LIMIT 0) TO {literal(path)} "
        f"(FORMAT parquet, KV_METADATA {{sinchvoice: {literal(json.dumps(data))}}})"
    )
    path.chmod(0o600)


def stamped(content: bytes, key: str) -> dict[str, Any] | None:
    """Return the data that `stamp` wrote to a file; None if there is none with this first key.

    Raises:
        ValueError: The data is not JSON.
    """
    begin = content.find(f'{{"{key}": '.encode())
    if begin < 0:
        return None
    text = content[begin:].decode("utf-8", "replace")
    data: dict[str, Any] = json.JSONDecoder().raw_decode(text)[0]
    return data
