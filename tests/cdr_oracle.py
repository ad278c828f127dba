"""The expected content of an archive, in plain Python over `cdr.read`, and files to test it.

As a script, it tests many damaged files: `python cdr_oracle.py FIRST UNTIL FOLDER`.
"""

from __future__ import annotations

import hashlib
import io
import json
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from sinchvoice import CdrError, MxpEndpoint, PstnEndpoint, SipEndpoint, cdr
from sinchvoice.cdr import LAYOUTS, Archive, RejectCause
from sinchvoice.cdr.reader import Reader, RecordFile, UnendedLine
from sinchvoice.cdr.sources import ByteStream
from sinchvoice.sandbox import FileForm, Planted, cdr_generator

CONTENT = (
    "layout",
    *"call_id user_space_id call_time result reason duration answer_time from_ to_ amount".split(),
    *"currency custom application_key user_id to_country_id extras".split(),
)
REJECT = "line offset record layout column value cause message raw size header".split()


class Counts(NamedTuple):
    """The expected numbers of a file's records."""

    records: int
    loaded: int
    duplicates: int
    conflicts: int
    rejected: int


class Occurrence(NamedTuple):
    """A record that was read.

    Attributes:
        file: Hash of its file, and the layout that the file was loaded with.
        number: Number of the record in the file.
        row: Content of the record.
        unended: Description of its line, if that has no line end.
    """

    file: tuple[str, str | None]
    number: int
    row: tuple[Any, ...]
    unended: UnendedLine | None


class Ledger:
    """The tables of an archive by definition, from the records of the exact reader.

    The name of a row is its file (the hash, and the layout it was loaded with) and its number.
    """

    def __init__(self) -> None:
        self.rejects: dict[tuple[Any, ...], tuple[Any, ...]] = {}
        self._calls: dict[tuple[str, str], list[Occurrence]] = {}
        self._files: dict[tuple[str, str | None], int] = {}

    def add(self, content: bytes, layout: Any = None) -> Counts:
        """Add a file, and return the expected counts.

        Raises:
            CdrError: The exact reader refuses the file.
        """
        file = (hashlib.sha256(content).hexdigest(), layout)
        reader = cdr.read(content, layout, on_reject="collect")
        found = list(reader)
        assert reader.records == len(found) + len(reader.rejects)
        if file in self._files:
            return Counts(0, 0, 0, 0, 0)
        self._files[file] = reader.records
        rejected = {reject.record: reject for reject in reader.rejects}
        assert len(rejected) == len(reader.rejects)
        unended = unended_line(content, layout)
        good = iter(found)
        calls = set()
        for number in range(1, reader.records + 1):
            if number in rejected:
                self.rejects[(*file, number)] = reject_row(rejected[number])
                continue
            row = record_row(next(good))
            mark = unended if unended is not None and unended.record == number else None
            calls.add((row[0], row[1]))
            every = self._calls.setdefault((row[0], row[1]), [])
            every.append(Occurrence(file, number, row, mark))
        kinds = Counter(fate for each, fate in self._fates(calls) if each.file == file)
        kinds["rejected"] = len(rejected)
        return Counts(reader.records, *(kinds[name] for name in Counts._fields[1:]))

    def remove(self, content: bytes, layout: Any = None) -> None:
        """Remove a file, as if it had never been loaded."""
        file = (hashlib.sha256(content).hexdigest(), layout)
        del self._files[file]
        self.rejects = {name: row for name, row in self.rejects.items() if name[:2] != file}
        for call, every in list(self._calls.items()):
            left = [each for each in every if each.file != file]
            if left:
                self._calls[call] = left
            else:
                del self._calls[call]

    def counts(self) -> dict[tuple[str, str | None], Counts]:
        """Return the counts of each file."""
        kinds: dict[tuple[str, str | None], Counter[str]] = {
            file: Counter() for file in self._files
        }
        for each, fate in self._fates(self._calls):
            kinds[each.file][fate] += 1
        for *file, _ in self.rejects:
            kinds[file[0], file[1]]["rejected"] += 1
        return {
            file: Counts(self._files[file], *(found[name] for name in Counts._fields[1:]))
            for file, found in kinds.items()
        }

    def table(self, fate: str) -> dict[tuple[Any, ...], tuple[Any, ...]]:
        """Return the rows with this fate, by name."""
        return {
            (*each.file, each.number): each.row
            for each, found in self._fates(self._calls)
            if found == fate
        }

    def _fates(self, calls: Iterable[tuple[str, str]]) -> Iterator[tuple[Occurrence, str]]:
        for every in map(self._calls.__getitem__, calls):
            kept = kept_of(every)
            known: set[tuple[Any, ...]] = set()
            for each in every:
                if each is kept:
                    yield each, "loaded"
                else:
                    yield each, "duplicates" if each.row in known else "conflicts"
                known.add(each.row)

    def load(self, archive: Archive, content: bytes, layout: Any = None) -> cdr.FileReport | None:
        """Load a file into an archive with the same content, and compare the counts.

        Returns:
            The report of the archive; None if both refuse the file with the same message.
        """
        try:
            expected: Counts | str = self.add(content, layout)
        except CdrError as error:
            expected = str(error)
        refusal = None
        try:
            (report,) = archive.load(content, layout=layout).details
        except CdrError as error:
            refusal = str(error)
        if refusal is not None:
            assert refusal == expected
            return None
        counts = Counts(*(getattr(report, name) for name in Counts._fields))
        assert counts == expected
        assert counts.records == sum(counts[1:])
        return report

    def compare(self, archive: Archive) -> None:
        """Compare every row of every table."""
        assert table(archive, "records") == self.table("loaded")
        assert table(archive, "conflicts") == self.table("conflicts")
        numbers = ", ".join(Counts._fields)
        found = archive.sql(f"SELECT sha256, layout, {numbers} FROM files").rows  # noqa: S608
        assert {(row[0], row[1]): Counts(*row[2:]) for row in found} == self.counts()
        files = dict[int, tuple[str, str | None]](
            (number, (file[0], file[1]))
            for number, *file in archive.sql("SELECT file_id, sha256, layout FROM files").rows
        )
        rejects = {}
        every = archive.rejects(resolved=True)
        last = {(each.layout, each.call_id): each.file_id for each in every if each.call_id}
        last_of_bytes = {sha256: number for number, (sha256, _) in sorted(files.items())}
        for each in every:
            rejects[(*files[each.file_id], each.record)] = reject_row(each)
            known = (each.layout, each.call_id or "") in self._calls
            again = (
                last.get((each.layout, each.call_id), each.file_id) > each.file_id
                or last_of_bytes[files[each.file_id][0]] > each.file_id
            )
            assert (each.resolved_by is not None) == (known or again)
        assert rejects == self.rejects


def unended_line(content: bytes, layout: Any) -> UnendedLine | None:
    """Return the exact reader's description of the last line, if it has no line end."""
    bytes_left = io.BytesIO(content)
    chosen = None if layout is None else LAYOUTS[layout]
    file = RecordFile(Reader(b"", chosen), ByteStream("made up", bytes_left.read))
    while file.batch() is not None:
        file.take_reject()
    return file.unended


def kept_of(every: Sequence[Occurrence]) -> Occurrence:
    """Return the kept record of a call: the first, or one that continues it where it was cut."""
    kept = every[0]
    for place, each in enumerate(every):
        if kept.unended is None or kept.row in {
            other.row for other in every[:place] if other.unended is None
        }:
            break
        if each.row != kept.row and goes_on(each.row, kept.row, kept.unended):
            kept = each
    return kept


def goes_on(whole: tuple[Any, ...], cut: tuple[Any, ...], unended: UnendedLine) -> bool:
    """Tell whether a row continues a cut one: more text in its last column or later columns."""
    last, *following = ("to_" if name == "to" else name for name in unended.fields)
    for name, one, other in zip(CONTENT, whole, cut, strict=True):
        if name == last == "extras":
            missing = {key: text for key, text in other if (key, text) not in one}
            more = {key: text for key, text in one if (key, text) not in other}
            if set(missing) - set(more) or any(
                missing.get(key, "") != unended.text or not text.startswith(unended.text)
                for key, text in more.items()
            ):
                return False
        elif name == last:
            text = "" if one is None else f"{one:f}" if name == "amount" else str(one)
            begun = unended.text
            if name in ("result", "reason"):
                text, begun = text.upper(), begun.upper()
            if not text.startswith(begun):
                return False
        elif one != other and (name not in following or other is not None):
            return False
    return True


def table(archive: Archive, name: str) -> dict[tuple[Any, ...], tuple[Any, ...]]:
    """Return the rows of `records` or `conflicts`, named as in a ledger."""
    found = archive.sql(
        f"SELECT f.sha256, f.layout, r.record, {', '.join(f'r.{column}' for column in CONTENT)} "  # noqa: S608
        f"FROM {name} AS r JOIN files AS f ON f.file_id = r.file_id"
    ).rows
    rows = {}
    for *values, extras in found:
        rows[tuple(values[:3])] = (*values[3:], frozenset(json.loads(extras or "{}").items()))
    assert len(rows) == len(found)
    return rows


def record_row(record: cdr.CdrRecord) -> tuple[Any, ...]:
    """Return a record of the exact reader as a row of the archive, with its extras as pairs."""

    def value(name: str) -> Any:
        match getattr(record, "to" if name == "to_" else name, None):
            case MxpEndpoint(text) | PstnEndpoint(text) | SipEndpoint(text):
                return text
            case datetime() as moment:
                return moment.astimezone(UTC).replace(tzinfo=None)
            case other:
                return getattr(other, "endpoint", other)

    return (*map(value, CONTENT[:-1]), frozenset(record.extras.items()))


def reject_row(reject: Any) -> tuple[Any, ...]:
    """Return a reject of the reader or of the archive as a row; an empty value becomes None."""
    row = {name: getattr(reject, name) for name in REJECT}
    if not isinstance(reject.header, str):
        row["header"] = ";".join(
            f'"{name.replace(chr(34), chr(34) * 2)}"' if set(name) & set(';"\r\n') else name
            for name in reject.header
        )
    return tuple(value if value != "" else None for value in row.values())


def check(archive: Archive, *contents: bytes, layout: Any = None) -> list[cdr.FileReport | None]:
    """Load files into a new archive, and compare it row by row with the exact reader."""
    ledger = Ledger()
    reports = [ledger.load(archive, content, layout) for content in contents]
    ledger.compare(archive)
    return reports


# --- Test files ----------------------------------------------------------------------------------


def varied_file(dice: Random, records: int = 6) -> tuple[bytes, Any]:
    """Return a file of any layout, half of them in unusual forms, and the layout it needs."""
    layout = dice.choice(list(LAYOUTS))
    form, planted = FileForm(), Planted()
    if dice.random() < 0.5:
        header = dice.choice(["usual", "upper-case", "shuffled", "no-country", "none"])
        form = FileForm(
            header=header,
            line_end=dice.choice(["lf", "crlf", "mixed"]),
            byte_order_mark=dice.random() < 0.3,
            extra_columns=0 if header == "none" else dice.choice([0, 2]),
        )
        causes = [cause for cause in cdr_generator.CAUSES[layout] if cause is not RejectCause.SIZE]
        planted = Planted(
            rejects={dice.choice(causes): dice.randrange(2)},
            conflicts=dice.randrange(2),
            multiline=dice.randrange(2),
            forged=dice.randrange(2),
        )
    made = io.BytesIO()
    seed = dice.getrandbits(64)
    cdr_generator.write(made, records, layout=layout, seed=seed, planted=planted, form=form)
    return made.getvalue(), layout if form.header == "none" or dice.random() < 0.3 else None


def check_damaged(numbers: Sequence[int], folder: Path) -> Counter[str]:
    """Load a damaged file for each number, and compare the archive with the exact reader.

    One in ten is the previous file with other damage.
    """
    seen: Counter[str] = Counter()
    for part in range(0, len(numbers), 500):
        ledger = Ledger()
        last: tuple[bytes, Any] = (b"", None)
        path = folder / f"{numbers[part]}.duckdb"
        with Archive(path, threads=1) as archive:
            for number in numbers[part : part + 500]:
                dice = Random(f"damaged {number}")
                if number % 10 or not last[0]:
                    last = varied_file(dice)
                try:
                    report = ledger.load(archive, cdr_generator.damaged(last[0], dice), last[1])
                except Exception as error:
                    error.add_note(f"file {number}, in an archive of files from {numbers[part]}")
                    raise
                if report is None:
                    seen["files refused"] += 1
                    continue
                seen[f"files read by {report.read_by}" if report.read_by else "files skipped"] += 1
                for name in Counts._fields:
                    seen[name] += getattr(report, name)
            ledger.compare(archive)
        path.unlink()
    return seen


if __name__ == "__main__":
    first, until, where = sys.argv[1:]
    print(json.dumps(check_damaged(range(int(first), int(until)), Path(where))))
