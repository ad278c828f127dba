"""Loading into an archive: files are read one by one and stored several to a transaction.

A transaction is committed only if every record is accounted for. Otherwise it is rolled back and
its files are stored one by one, so that one bad file does not affect the others.
"""

from __future__ import annotations

import hashlib
import shutil
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, suppress
from datetime import date
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeAlias

import attrs

from ..errors import CdrError
from . import deduplication, known, loading, resolving
from .deduplication import Run, TableChanges
from .erasing import drop_erased
from .fast_path import FastRows
from .known import KnownCalls
from .layouts import Layout
from .load_reports import FileReport, LoadProgress
from .loading import FileContent, Mismatch, Spooled
from .queries import import_duckdb, reason
from .sources import ByteStream
from .tables import KEY
from .workspace import Workspace

if TYPE_CHECKING:
    import duckdb

__all__ = ["Loader", "update_file_counts"]

_FILES = 50
"""Maximum number of files in a transaction."""
_BYTES = 1 << 26
"""Size in bytes from which a transaction takes no further file."""

Failed: TypeAlias = Callable[[CdrError], object]


@attrs.define
class _File:
    """A file that was read and waits for its transaction.

    Attributes:
        report: The result so far.
        requested: The requested layout.
        spooled: The copy of the file.
        found: The content; None if the file was loaded before and is skipped.
        is_known: Whether the same bytes were loaded before without a readable record.
    """

    report: FileReport
    requested: str | None
    spooled: Spooled
    found: FileContent | None = None
    is_known: bool = False


class Loader:
    """Loads files into an archive.

    Args:
        connection: Connection to the archive's database.
        run: Runs SQL there.
        transaction: Opens a transaction; takes the name of the file if it is the only one.
        workspace: Folder for copies of the files.
        layout: Layout of records before the first header row.
        progress: Caller's function that receives the progress.
    """

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        run: Run,
        transaction: Callable[[str], AbstractContextManager[None]],
        workspace: Workspace,
        layout: Layout | None,
        progress: Callable[[LoadProgress], object] | None,
    ) -> None:
        self._duckdb = import_duckdb()
        self._connection = connection
        self._run = run
        self._transaction = transaction
        self._workspace = workspace
        self._layout = layout
        self._report_progress = _ProgressCallback(progress)
        self._waiting: list[_File] = []
        self._is_index_outdated = False

    def load(self, streams: Iterable[ByteStream], failed: Failed | None) -> Iterator[FileReport]:
        """Load files and yield the report of each after its transaction.

        Args:
            streams: The files; each is read before the next is opened.
            failed: Receives the error of a file that cannot be loaded; None to raise it after the
                earlier files are loaded.
        """
        try:
            for stream in streams:
                try:
                    file = self._read(stream)
                except CdrError as error:
                    if failed is None:
                        yield from self._flush(None)
                        raise
                    failed(error)
                    continue
                if any(each.report.sha256 == file.report.sha256 for each in self._waiting):
                    yield from self._flush(failed)  # then this file may be skipped
                self._waiting.append(file)
                size = sum(each.report.size for each in self._waiting)
                if len(self._waiting) >= _FILES or size >= _BYTES:
                    yield from self._flush(failed)
            yield from self._flush(failed)
            if self._is_index_outdated:
                self._index()
        except _ProgressFailed as error:
            raise error.error from None

    def close(self) -> None:
        """Discard the waiting files."""
        self._remove_copies(self._waiting)
        self._waiting = []

    # --- Reading ---------------------------------------------------------------------------------

    def _read(self, stream: ByteStream) -> _File:
        begin = time.monotonic()
        try:
            folder = self._workspace.folder("file")
            try:
                file = self._examine(stream, folder)
            except BaseException:
                shutil.rmtree(folder, ignore_errors=True)
                raise
        except OSError as error:
            raise CdrError(
                f"not loaded, because {self._workspace.path.parent} cannot be written: "
                f"{error.strerror or error}",
                stream.name,
            ) from error
        except self._duckdb.Error as error:
            raise CdrError(f"not loaded: {reason(error)}", stream.name) from error
        file.report = attrs.evolve(file.report, seconds=time.monotonic() - begin)
        return file

    def _examine(self, stream: ByteStream, folder: Path) -> _File:
        def reading(size: int) -> None:
            self._report_progress(LoadProgress(stream.name, "reading", size, stream.size))

        spooled = loading.spool(stream, folder / "copy", reading)
        requested = None if self._layout is None else self._layout.name
        report = FileReport(name=stream.name, sha256=spooled.sha256, size=spooled.size)
        file = _File(report, requested, spooled)
        known = self._known(spooled.sha256)
        if any(layout == requested for layout, _ in known):
            file.report = attrs.evolve(report, skipped=True)
            return file
        with _ChangeCheck(stream, spooled.sha256) as original:
            where = (stream.name, spooled.path, self._layout, folder, self._progress(spooled))
            try:
                file.found = loading.find(self._connection, *where)
            except (self._duckdb.Error, Mismatch) as error:
                file.report = attrs.evolve(report, fallback=_first_line(error))
                file.found = loading.find_exactly(*where)
            _check_layouts(file, [kinds for _, kinds in known if kinds])
            file.is_known = bool(known)
            original.check()
        return file

    def _known(self, sha256: str) -> list[tuple[str | None, Sequence[str]]]:
        """Return the requested layout and the layouts found, for each load of the same bytes."""
        found: list[tuple[str | None, Sequence[str]]] = [
            (layout, kinds if has_records else ())
            for layout, kinds, has_records in self._run(
                "SELECT layout, layouts, records > rejected FROM files WHERE sha256 = ?", sha256
            )
        ]
        found += [
            (file.requested, file.found.layouts)
            for file in self._waiting
            if file.report.sha256 == sha256 and file.found is not None
        ]
        return found

    def _progress(self, spooled: Spooled) -> loading.Progress:
        def tell(stage: loading.Stage, size: int) -> None:
            self._report_progress(LoadProgress(spooled.name, stage, size, spooled.size))

        return tell

    # --- Storing ---------------------------------------------------------------------------------

    def _flush(self, failed: Failed | None) -> Iterator[FileReport]:
        """Store the waiting files, in one transaction if possible."""
        files, self._waiting = self._waiting, []
        try:
            begin = time.monotonic()
            for file in files:
                if file.found is not None:
                    self._progress(file.spooled)("loading", file.spooled.size)
            try:
                self._store(files)
            except (self._duckdb.Error, Mismatch, CdrError):
                for file in files:
                    begin = time.monotonic()
                    try:
                        self._store_alone(file)
                    except CdrError as error:
                        if failed is None:
                            raise
                        failed(error)
                    else:
                        yield self._done(file, time.monotonic() - begin)
                return
            seconds = (time.monotonic() - begin) / max(1, len(files))
            for file in files:
                yield self._done(file, seconds)
        finally:
            self._remove_copies(files)

    def _done(self, file: _File, seconds: float) -> FileReport:
        size = file.spooled.size
        self._report_progress(LoadProgress(file.report.name, "done", size, size))
        return attrs.evolve(file.report, seconds=file.report.seconds + seconds)

    def _store_alone(self, file: _File) -> None:
        """Store a file in a separate transaction, read on the slow path if necessary."""
        try:
            self._store([file])
            return
        except (self._duckdb.Error, Mismatch) as error:
            if file.found is None or file.found.read_by == "exact":
                raise CdrError(f"nothing was loaded: {reason(error)}", file.report.name) from error
            file.report = attrs.evolve(file.report, fallback=_first_line(error))
        try:
            file.found = loading.find_exactly(
                file.spooled.name,
                file.spooled.path,
                self._layout,
                file.spooled.path.parent,
                self._progress(file.spooled),
            )
            self._store([file])
        except OSError as error:
            raise CdrError(f"nothing was loaded: {reason(error)}", file.report.name) from error
        except (self._duckdb.Error, Mismatch) as error:
            raise CdrError(f"nothing was loaded: {reason(error)}", file.report.name) from error

    def _store(self, files: Sequence[_File]) -> None:
        """Store files in one transaction.

        Raises:
            Mismatch: A record is not accounted for.
            CdrError: The transaction cannot be committed.
            duckdb.Error: Another statement failed.
        """
        new = [file for file in files if file.found is not None]
        if not new:
            return
        with self._transaction(new[0].report.name if len(new) == 1 else ""):
            archived = known.read(self._run)
            numbered = dict(enumerate(new, archived.last + 1))
            self._insert(numbered)
            self._deduplicate(archived, numbered)
        self._is_index_outdated = archived.is_outdated(_records(new))

    def _insert(self, files: Mapping[int, _File]) -> None:
        """Insert all records into `kept.records` and all rejects into `kept.rejects`."""
        fast: dict[FastRows, list[tuple[int, FastRows]]] = defaultdict(list)
        selects: list[str] = []
        for file_id, file in files.items():
            assert file.found is not None  # noqa: S101 - `_store` leaves the others out
            for rows in file.found.rows:
                if isinstance(rows, FastRows):
                    fast[rows].append((file_id, rows))
                else:
                    selects.append(rows.select(file_id))
            if file.found.rejects is not None:
                self._run(
                    "INSERT INTO kept.rejects SELECT "  # noqa: S608
                    "(SELECT coalesce(max(reject_id), 0) FROM kept.rejects) "
                    f"+ row_number() OVER (ORDER BY record), ?, *, NULL, {KEY} "
                    f"FROM ({file.found.rejects})",
                    file_id,
                )
            if file.found.unended is not None:
                unended = file.found.unended
                self._run(
                    "INSERT INTO kept.unended VALUES (?, ?, ?, ?)",
                    *(file_id, unended.record, list(unended.fields), unended.text),
                )
        selects += [rows.select_all(every) for rows, every in fast.items()]
        for select in selects:
            self._run(f"INSERT INTO kept.records SELECT *, {KEY} FROM ({select})")  # noqa: S608

    def _deduplicate(self, archived: KnownCalls, files: Mapping[int, _File]) -> None:
        """Deduplicate the new records, record the files and check that all records add up.

        Raises:
            Mismatch: A record is not accounted for.
        """
        first = archived.last + 1
        days: dict[int, Counter[date]] = defaultdict(Counter)
        for file_id, day, number in self._run(
            "SELECT file_id, CAST(call_time AS DATE), count(*) FROM kept.records "
            "WHERE file_id >= ? GROUP BY ALL",
            first,
        ):
            days[file_id][day] = number
        rejected: Counter[int] = Counter()
        if any(file.found is not None and file.found.rejects for file in files.values()):
            count = "SELECT file_id, count(*) FROM kept.rejects WHERE file_id >= ? GROUP BY ALL"
            rejected.update(dict(self._run(count, first)))
        erased_records, erased_rejects = drop_erased(self._run, first)
        changed, earlier = deduplication.deduplicate_new(
            self._run, first, _records(files.values()), archived
        )
        known = [(number, file.report.sha256) for number, file in files.items() if file.is_known]
        resolved = resolving.resolve_new(self._run, first, earlier, known)
        described: list[object] = []
        for file_id, file in files.items():
            assert file.found is not None  # noqa: S101 - as above
            came, changes = days[file_id].total(), changed.by_file.get(file_id, Counter[str]())
            report = attrs.evolve(
                file.report,
                records=file.found.records,
                loaded=came - erased_records[file_id] + changes["records"],
                duplicates=changes["duplicates"],
                conflicts=changes["conflicts"],
                rejected=rejected[file_id] - erased_rejects[file_id],
                erased=erased_records[file_id] + erased_rejects[file_id],
                completed=changed.completed[file_id],
                resolved=resolved[file_id],
                read_by=file.found.read_by,
            )
            if report.records != came + rejected[file_id]:
                raise Mismatch(
                    f"{report.records} records are not the sum of {came} stored and "
                    f"{rejected[file_id]} rejected"
                )
            file.report = report
            counts = days[file_id]
            usual = min(counts, key=partial(_by_count, counts), default=None)
            described += _described(file_id, file, usual)
        rows = ", ".join([_FILE_ROW] * len(files))  # a statement for each would take 3 ms
        self._run(f"INSERT INTO files VALUES {rows}", *described)  # noqa: S608
        update_file_counts(self._run, changed, until=first)
        self._audit(first, [file.report for file in files.values()])

    def _index(self) -> None:
        """Index the known calls; without space or memory for it, loading only takes longer."""
        self._is_index_outdated = False
        with suppress(self._duckdb.Error, CdrError), self._transaction(""):
            known.build(self._run)

    def _audit(self, first: int, reports: Sequence[FileReport]) -> None:
        """Compare the reports of new files with the tables.

        Raises:
            Mismatch: They differ.
        """
        columns = {"records": "loaded", "conflicts": "conflicts", "duplicates": "duplicates"}
        counts = [
            f"(SELECT count(*) FROM kept.{table} WHERE file_id >= $1)"  # noqa: S608
            for table in columns
        ]
        found = self._run(f"SELECT {', '.join(counts)}", first)[0]
        for column, number in zip(columns.values(), found, strict=True):
            reported = sum(getattr(report, column) for report in reports)
            if reported != number:
                raise Mismatch(
                    f"{reported} records are reported as {column}, but the archive has {number}"
                )
        for each in reports:
            if each.records != (
                each.loaded + each.duplicates + each.conflicts + each.rejected + each.erased
            ):
                raise Mismatch(f"not every record of {each.name} is accounted for")

    def _remove_copies(self, files: Iterable[_File]) -> None:
        for file in files:
            shutil.rmtree(file.spooled.path.parent, ignore_errors=True)


_FILE_ROW = "(?, ?, ?, ?, ?, ?, CAST(now() AS TIMESTAMP), ?, ?, ?, ?, ?, ?, ?, ?)"


def _described(file_id: int, file: _File, day: date | None) -> Sequence[object]:
    """Return the values of a file's row in the table `files`."""
    report, found = file.report, file.found
    assert found is not None  # noqa: S101 - as above
    return (
        file_id,
        report.sha256,
        file.requested,
        report.name,
        report.size,
        list(found.layouts),
        day,
        report.read_by,
        report.records,
        report.loaded,
        report.duplicates,
        report.conflicts,
        report.rejected,
        report.erased,
    )


def update_file_counts(run: Run, changed: TableChanges, *, until: int | None = None) -> None:
    """Update the counts in the table `files` for files loaded before.

    Args:
        run: Runs SQL, in a transaction.
        changed: The changes.
        until: Lowest file_id of the new files, which are left out; None for all files.
    """
    for file_id, changes in changed.by_file.items():
        if until is None or file_id < until:
            run(
                "UPDATE files SET loaded = loaded + ?, duplicates = duplicates + ?, "
                "conflicts = conflicts + ? WHERE file_id = ?",
                changes["records"],
                changes["duplicates"],
                changes["conflicts"],
                file_id,
            )


def _records(files: Iterable[_File]) -> int:
    """Return the number of records in files, rejects included."""
    return sum(file.found.records for file in files if file.found is not None)


def _check_layouts(file: _File, earlier: Iterable[Sequence[str]]) -> None:
    """Refuse bytes whose records were loaded before under another layout."""
    assert file.found is not None  # noqa: S101 - the caller has just set it
    for then in earlier:
        if sorted(then) != sorted(file.found.layouts):
            now = file.requested or ", ".join(file.found.layouts) or "no layout"
            raise CdrError(
                f"the archive already has the same bytes as {', '.join(then)}, not as {now}: to "
                "load them with the new layout, remove the other file first",
                file.report.name,
            )


def _by_count(counts: Mapping[date, int], day: date) -> tuple[int, date]:
    return -counts[day], day


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]


class _ProgressFailed(BaseException):
    """Carries an exception of a caller's function past the handlers of this module."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(error)
        self.error = error


class _ProgressCallback:
    """The caller's progress function, if any."""

    def __init__(self, progress: Callable[[LoadProgress], object] | None) -> None:
        self._progress = progress

    def __call__(self, progress: LoadProgress) -> None:
        if self._progress is not None:
            try:
                self._progress(progress)
            except BaseException as error:
                raise _ProgressFailed(error) from error


class _ChangeCheck:
    """Checks that a file has not changed since it was copied; a thread reads it again meanwhile."""

    def __init__(self, stream: ByteStream, sha256: str) -> None:
        self._stream = stream
        self._sha256 = sha256
        self._aside = ThreadPoolExecutor(1)
        self._digest = None if stream.path is None else self._aside.submit(_sha256, stream.path)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._aside.shutdown()

    def check(self) -> None:
        """Refuse a changed file.

        Raises:
            CdrError: The file has changed or cannot be read again.
        """
        self._stream.check_unchanged()
        try:
            changed = self._digest is not None and self._digest.result() != self._sha256
        except OSError as error:
            raise CdrError(
                f"not loaded, because it cannot be read a second time: {reason(error)}",
                self._stream.name,
                remedy="check its disk and load it again",
            ) from error
        if changed:
            raise CdrError(
                "the file changed while it was read: load it again when it is complete",
                self._stream.name,
            )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
