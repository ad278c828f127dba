"""What became of files that were loaded, and how far loading is."""

from __future__ import annotations

from typing import Literal

import attrs

from ..errors import CdrError
from .loading import ReadBy
from .sources import LeftOut

__all__ = ["FileReport", "LoadProgress", "LoadReport", "RemoveReport"]


@attrs.frozen(kw_only=True)
class FileReport:
    """What became of one file: `records == loaded + duplicates + conflicts + rejected + erased`.

    Attributes:
        name: of the file; a member of an archive is `archive.zip!member`.
        sha256: of its bytes, unpacked.
        size: how many there are.
        records: in the file; 0 if it was skipped.
        loaded: that are in the table `records` now, and were not before.
        duplicates: that were known, with the same content.
        conflicts: with a call id that was known, and other content; they are in `conflicts`.
        rejected: that could not be read; they are in `rejects`.
        erased: of calls that were erased before; they are nowhere.
        completed: that took the place of a record that had been cut short, which is in `conflicts`
            since, and no longer counts as loaded in its own file.
        resolved: rejects of any file that are resolved now, as their call is in `records`.
        skipped: whether the same bytes had been loaded before, so that there was nothing to do.
        read_by: `fast` if DuckDB read it, `exact` if it was the exact reader, `mixed` if that read
            only the lines that were not plainly good.
        fallback: why the file was read a second time, exactly: what DuckDB had read did not add up,
            and was undone. None if there was nothing of that kind.
        seconds: that it took.
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
    """What became of several files; the numbers are sums over those that were not skipped.

    Attributes:
        details: file by file.
        seconds: that all took.
        left_out: files in folders and archives, or found by globs, that are not read.
        failures: why other files could not be loaded, with `failed="collect"`; nothing of them is
            in `details`.
    """

    details: tuple[FileReport, ...]
    seconds: float
    left_out: tuple[LeftOut, ...] = ()
    failures: tuple[CdrError, ...] = ()

    @property
    def files(self) -> int:
        """Files that were looked at."""
        return len(self.details)

    @property
    def skipped(self) -> int:
        """Files whose bytes had been loaded before."""
        return sum(each.skipped for each in self.details)

    @property
    def records(self) -> int:
        """Records: always loaded + duplicates + conflicts + rejected + erased."""
        return sum(each.records for each in self.details)

    @property
    def loaded(self) -> int:
        """Records that are new in the archive."""
        return sum(each.loaded for each in self.details)

    @property
    def duplicates(self) -> int:
        """Records that were known, with the same content."""
        return sum(each.duplicates for each in self.details)

    @property
    def conflicts(self) -> int:
        """Records with a known call id and other content."""
        return sum(each.conflicts for each in self.details)

    @property
    def rejected(self) -> int:
        """Records that could not be read."""
        return sum(each.rejected for each in self.details)

    @property
    def erased(self) -> int:
        """Records of calls that were erased before."""
        return sum(each.erased for each in self.details)

    @property
    def completed(self) -> int:
        """Records that took the place of one that had been cut short."""
        return sum(each.completed for each in self.details)

    @property
    def resolved(self) -> int:
        """Rejects whose call is in the archive now."""
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
    """How far loading is.

    Attributes:
        file: which one.
        stage: `reading` while its bytes are read, `checking` while DuckDB looks at each line,
            `sifting` while the exact reader reads what it has to, and `loading` while the records
            go to their table; then `done`. The stages in the middle are left out as the file needs.
        bytes: of this file that are behind in this stage, unpacked.
        size: how many there are; None if that is not known before the end.
    """

    file: str
    stage: Literal["reading", "checking", "sifting", "loading", "done"]
    bytes: int
    size: int | None


@attrs.frozen(kw_only=True)
class RemoveReport:
    """What became of a file that was taken out.

    Attributes:
        name: of the file.
        records: that it had.
        loaded: of these, that were in `records`.
        restored: records of other files that are in `records` instead.
        reopened: rejects of other files that are open again.
    """

    name: str
    records: int
    loaded: int
    restored: int
    reopened: int
