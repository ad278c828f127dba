"""Reports on loaded and removed files, and the progress of loading."""

from __future__ import annotations

from typing import Literal

import attrs

from ..errors import CdrError
from .loading import ReadBy
from .sources import LeftOut

__all__ = ["FileReport", "LoadProgress", "LoadReport", "RemoveReport"]


@attrs.frozen(kw_only=True)
class FileReport:
    """The result for one file: `records == loaded + duplicates + conflicts + rejected + erased`.

    Attributes:
        name: Name of the file; a member of an archive is `archive.zip!member`.
        sha256: SHA-256 of its decompressed bytes.
        size: Number of these bytes.
        records: Records in the file; 0 if it was skipped.
        loaded: New records in the table `records`.
        duplicates: Records of known calls, with the same content.
        conflicts: Records of known calls, with other content; they are in `conflicts`.
        rejected: Records that could not be read; they are in `rejects`.
        erased: Records of calls erased before; they are not stored.
        completed: Records that replaced one cut short, which moved to `conflicts` and no longer
            counts as loaded in its own file.
        resolved: Rejects of any file resolved because their call is now in `records`.
        skipped: Whether the same bytes were loaded before, so that nothing was done.
        read_by: `fast` if DuckDB read every line, `exact` if the exact reader did, `mixed` if the
            exact reader read only the lines that were not plainly good.
        fallback: Why the result of DuckDB was discarded and the file read again by the exact
            reader; None if it was not.
        seconds: Duration in seconds.
    """

    name: str
    sha256: str
    size: int
    records: int = 0
    loaded: int = 0
    duplicates: int = 0
    conflicts: int = 0
    rejected: int = 0
    erased: int = 0
    completed: int = 0
    resolved: int = 0
    skipped: bool = False
    read_by: ReadBy | None = None
    fallback: str | None = None
    seconds: float = 0.0


@attrs.frozen
class LoadReport:
    """The result for several files; counts are sums over the files that were not skipped.

    Attributes:
        details: The report of each file.
        seconds: Duration in seconds.
        left_out: Files in folders and archives, or found by globs, that were not read.
        failures: Errors of files that could not be loaded, with `failed="collect"`; these files are
            not in `details`.
    """

    details: tuple[FileReport, ...]
    seconds: float
    left_out: tuple[LeftOut, ...] = ()
    failures: tuple[CdrError, ...] = ()

    @property
    def files(self) -> int:
        """Files read, skipped ones included."""
        return len(self.details)

    @property
    def skipped(self) -> int:
        """Files whose bytes were loaded before."""
        return sum(each.skipped for each in self.details)

    @property
    def records(self) -> int:
        """Records: always loaded + duplicates + conflicts + rejected + erased."""
        return sum(each.records for each in self.details)

    @property
    def loaded(self) -> int:
        """New records in the archive."""
        return sum(each.loaded for each in self.details)

    @property
    def duplicates(self) -> int:
        """Records of known calls, with the same content."""
        return sum(each.duplicates for each in self.details)

    @property
    def conflicts(self) -> int:
        """Records of known calls, with other content."""
        return sum(each.conflicts for each in self.details)

    @property
    def rejected(self) -> int:
        """Records that could not be read."""
        return sum(each.rejected for each in self.details)

    @property
    def erased(self) -> int:
        """Records of calls erased before."""
        return sum(each.erased for each in self.details)

    @property
    def completed(self) -> int:
        """Records that replaced one cut short."""
        return sum(each.completed for each in self.details)

    @property
    def resolved(self) -> int:
        """Rejects resolved because their call is now in the archive."""
        return sum(each.resolved for each in self.details)

    def __str__(self) -> str:
        notes = [f"{self.skipped} known already"] if self.skipped else []
        if self.left_out:
            notes.append(f"{len(self.left_out)} more left out")
        if self.failures:
            notes.append(f"{len(self.failures)} more not loaded")
        skipped = f" ({', '.join(notes)})" if notes else ""
        erased = f" + {self.erased} erased before" if self.erased else ""
        return (
            f"{self.files} files{skipped}: {self.records} records = {self.loaded} loaded "
            f"+ {self.duplicates} duplicates + {self.conflicts} conflicts "
            f"+ {self.rejected} rejected{erased}, in {self.seconds:.1f} s"
        )


@attrs.frozen
class LoadProgress:
    """The progress of loading.

    Attributes:
        file: Name of the file.
        stage: `reading` while its bytes are read, `checking` while DuckDB checks each line,
            `sifting` while the exact reader reads the remaining lines, `loading` while the records
            are stored, then `done`. `checking` and `sifting` occur only where needed.
        bytes: Decompressed bytes processed so far in this stage.
        size: Number of decompressed bytes in the file; None if unknown before the end.
    """

    file: str
    stage: Literal["reading", "checking", "sifting", "loading", "done"]
    bytes: int
    size: int | None


@attrs.frozen(kw_only=True)
class RemoveReport:
    """The result of removing a file.

    Attributes:
        name: Name of the file.
        records: Records in the file.
        loaded: Those of them that were in `records`.
        restored: Records of other files that replaced them in `records`.
        reopened: Rejects of other files that are open again.
    """

    name: str
    records: int
    loaded: int
    restored: int
    reopened: int
