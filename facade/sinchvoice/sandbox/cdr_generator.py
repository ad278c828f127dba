"""A generator of files with call detail records, of any size, and of the truth about them.

    from sinchvoice.sandbox import Planted, cdr_files

    planted = Planted(rejects={"time": 3, "quote": 1}, duplicates_across=20, conflicts=2, late=50)
    truth = cdr_files("cdr", days=7, records=10_000, planted=planted)
    print(truth.total.loaded, truth.total.rejects)

The same arguments make the same bytes. Without `planted` and `forms`, every file has the usual form
and every record is valid.
"""

from __future__ import annotations

import gzip
import json
import os
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import accumulate, product
from operator import itemgetter
from pathlib import Path
from random import Random
from typing import IO, Any, Literal, TypeAlias, cast, get_args

import attrs

from ..cdr import LAYOUTS, LayoutName, RejectCause
from ..cdr.reader import MAX_RECORD
from ..errors import ConfigurationError, InvalidRequest

__all__ = [
    "CAUSES",
    "COUNTRIES",
    "CdrCounts",
    "CdrTruth",
    "FileForm",
    "FileTruth",
    "Planted",
    "PlantedReject",
    "cdr_files",
    "damaged",
    "time_text",
    "write",
]

Header: TypeAlias = Literal["usual", "upper-case", "shuffled", "no-country", "none"]
LineEnd: TypeAlias = Literal["lf", "crlf", "mixed"]
Compression: TypeAlias = Literal["gz", "zst"]

CAUSES: Mapping[LayoutName, tuple[RejectCause, ...]] = {
    name: tuple(
        cause
        for cause in RejectCause
        if cause is not RejectCause.DECIMAL or any(c.name == "Amount" for c in layout.columns)
    )
    for name, layout in LAYOUTS.items()
}
"""Causes of rejects by layout: layouts without an Amount have no `decimal`."""

COUNTRIES = (
    ("US", "+121255501", "0.0100"),
    ("SE", "+467301701", "0.0230"),
    ("GB", "+447700900", "0.0310"),
    ("FR", "+336399800", "0.0450"),
)
"""Country, prefix of a fictional number range, price of a started minute."""

_MONDAY = date(2026, 11, 2)


# --- Options -------------------------------------------------------------------------------------


def _count(_: object, attribute: attrs.Attribute[int], number: int) -> None:
    if number < 0:
        raise InvalidRequest(f"{attribute.name} is {number}: give 0 or more")


def _causes(rejects: Mapping[str, int]) -> Mapping[RejectCause, int]:
    for cause, number in rejects.items():
        if cause not in list(RejectCause):
            raise InvalidRequest(
                f"rejects has {cause!r}: give one of {', '.join(map(str, RejectCause))}"
            )
        if number < 0:
            raise InvalidRequest(f"rejects has {number} of {cause!r}: give 0 or more")
    return {RejectCause(cause): number for cause, number in rejects.items()}


@attrs.frozen(kw_only=True)
class Planted:
    """Number of planted special records, over all files.

    Attributes:
        rejects: Unreadable records, by cause. Each `size` has 16 MiB. Each `header` is two rows: an
            unreadable header row, then a readable one.
        duplicates: Records repeated in the same file.
        duplicates_across: Records repeated in the file of a later day.
        conflicts: Records repeated in the same file or a later one, with different content.
        late: Records of calls from the day before.
        multiline: Records with line ends in their quoted Custom.
        forged: Multiline records whose lines look like a header row and a record.
    """

    rejects: Mapping[RejectCause, int] = attrs.field(factory=dict, converter=_causes, hash=False)
    duplicates: int = attrs.field(default=0, validator=_count)
    duplicates_across: int = attrs.field(default=0, validator=_count)
    conflicts: int = attrs.field(default=0, validator=_count)
    late: int = attrs.field(default=0, validator=_count)
    multiline: int = attrs.field(default=0, validator=_count)
    forged: int = attrs.field(default=0, validator=_count)


@attrs.frozen(kw_only=True)
class FileForm:
    """The form of a file; the content of its records does not depend on it.

    Attributes:
        header: First row: the `usual` names of the layout's columns, the names in `upper-case`,
            names and cells `shuffled`, without the newest column (`no-country`, if the layout has
            it), or no header row (`none`).
        line_end: Line end of each row; `mixed` varies between LF and CRLF.
        byte_order_mark: Whether the file begins with a byte order mark.
        extra_columns: Number of additional columns that belong to no layout.
    """

    header: Header = "usual"
    line_end: LineEnd = "lf"
    byte_order_mark: bool = False
    extra_columns: int = attrs.field(default=0, validator=_count)

    def __attrs_post_init__(self) -> None:
        for name, value, known in (
            ("header", self.header, Header),
            ("line_end", self.line_end, LineEnd),
        ):
            if value not in get_args(known):
                raise InvalidRequest(
                    f"{name} is {value!r}: give one of {', '.join(get_args(known))}"
                )
        if self.header == "none" and self.extra_columns:
            raise InvalidRequest("extra_columns need a header: nothing else names them")


# --- Truth ---------------------------------------------------------------------------------------


@attrs.frozen
class PlantedReject:
    """An unreadable record, as a reader has to report it.

    Attributes:
        record: Number of the record in the file, from 1.
        line: Line on which it begins, from 1.
        offset: Number of bytes before it.
        cause: Cause of the reject.
        column: Name of the invalid column, as in the header; None for the whole record.
    """

    record: int
    line: int
    offset: int
    cause: RejectCause
    column: str | None


@attrs.frozen(kw_only=True)
class CdrCounts:
    """Expected numbers of records, if files are loaded in the order of their names.

    Attributes:
        records: All records: loaded + duplicates + conflicts + rejected.
        loaded: Valid, new records.
        duplicates: Records that repeat an earlier one.
        conflicts: Records of an earlier call with different content.
        late: Loaded records from the day before.
        rejects: Unreadable records, by cause.
        answered: Answered calls among the loaded ones.
        talk_seconds: Talk time of the loaded calls, in seconds.
        cost: Cost of the loaded calls, in EUR.
    """

    records: int = 0
    loaded: int = 0
    duplicates: int = 0
    conflicts: int = 0
    late: int = 0
    rejects: Mapping[RejectCause, int] = attrs.field(factory=dict, hash=False)
    answered: int = 0
    talk_seconds: int = 0
    cost: Decimal = Decimal("0.0000")

    @property
    def rejected(self) -> int:
        """Return the number of unreadable records."""
        return sum(self.rejects.values())

    @property
    def good(self) -> int:
        """Return the number of valid records."""
        return self.records - self.rejected

    def to_json(self) -> dict[str, Any]:
        """Return the counts as JSON; the cost is text."""
        return {
            "records": self.records,
            "loaded": self.loaded,
            "duplicates": self.duplicates,
            "conflicts": self.conflicts,
            "rejected": self.rejected,
            "late": self.late,
            "answered": self.answered,
            "talk_seconds": self.talk_seconds,
            "cost": str(self.cost),
            "causes": {str(cause): number for cause, number in self.rejects.items()},
        }


@attrs.frozen(kw_only=True)
class FileTruth:
    """The truth about one file.

    Attributes:
        path: Path of the file; None if it has none.
        layout: Layout of its records.
        day: Day of its calls, in UTC.
        form: Form of the file.
        counts: Numbers of its records.
        rejects: Unreadable records, in the order of the file.
    """

    path: Path | None = None
    layout: LayoutName
    day: date
    form: FileForm
    counts: CdrCounts
    rejects: tuple[PlantedReject, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the truth as JSON, with the name of the file."""
        return {
            "file": None if self.path is None else str(self.path),
            "layout": self.layout,
            "day": str(self.day),
            **self.counts.to_json(),
            "form": attrs.asdict(self.form),
            "rejects": [attrs.asdict(reject) for reject in self.rejects],
        }


@attrs.frozen
class CdrTruth:
    """The truth about several files, as in the `truth.json` beside them.

    Attributes:
        files: Files in the order of their names.
    """

    files: tuple[FileTruth, ...]

    @property
    def total(self) -> CdrCounts:
        """Return the counts of all files."""
        return _sum([file.counts for file in self.files])

    @property
    def by_layout(self) -> dict[LayoutName, CdrCounts]:
        """Return the counts of each layout."""
        return {
            layout: _sum(files)
            for layout in LAYOUTS
            if (files := [file.counts for file in self.files if file.layout == layout])
        }

    def to_json(self) -> dict[str, Any]:
        """Return the truth as JSON: total, layouts, files."""
        return {
            "total": self.total.to_json(),
            "layouts": {layout: counts.to_json() for layout, counts in self.by_layout.items()},
            "files": [file.to_json() for file in self.files],
        }


def _sum(several: Sequence[CdrCounts]) -> CdrCounts:
    names = [field.name for field in attrs.fields(CdrCounts) if field.name != "rejects"]
    sums: dict[str, Any] = {
        name: sum(
            (getattr(each, name) for each in several), start=type(getattr(CdrCounts(), name))()
        )
        for name in names
    }
    rejects = Counter[RejectCause]()
    for each in several:
        rejects.update(each.rejects)
    return CdrCounts(**sums, rejects=dict(sorted(rejects.items())))


# --- Files ---------------------------------------------------------------------------------------


def cdr_files(
    folder: str | os.PathLike[str],
    *,
    records: int = 1000,
    days: int = 1,
    first_day: date = _MONDAY,
    layouts: Collection[LayoutName] = tuple(LAYOUTS),
    seed: int = 0,
    quoted: float = 0.2,
    planted: Planted | None = None,
    forms: Sequence[FileForm] = (FileForm(),),
    compression: Compression | None = None,
) -> CdrTruth:
    """Make files of fictional call detail records, one for each layout and day.

    Memory grows only with the number of planted records.

    Args:
        folder: Folder of the files `LAYOUT-YYYY-MM-DD.csv` and `truth.json`. It is created if
            necessary; files with these names are replaced.
        records: Number of records in each file.
        days: Number of days.
        first_day: First day, in UTC.
        layouts: Layouts to write.
        seed: Seed of the content; the same seed makes the same files.
        quoted: Share of records with a quoted Custom, 0 to 1: JSON with doubled quotes, or text
            with semicolons.
        planted: Special records; None for none.
        forms: Forms of the files, used in turn.
        compression: None, `gz` or `zst`.

    Returns:
        The expected findings of a reader.

    Raises:
        InvalidRequest: A number is out of range, or there is no room for the planted records.
        ConfigurationError: `zst` needs a package.
    """
    if days < 1:
        raise InvalidRequest(f"days is {days}: give 1 or more")
    unknown = [layout for layout in layouts if layout not in LAYOUTS]
    if unknown:
        raise InvalidRequest(
            parameter="layout", value=unknown[0], remedy=f"give one of {', '.join(LAYOUTS)}"
        )
    if not layouts:
        raise InvalidRequest("layouts is empty: give at least one")
    if not forms:
        raise InvalidRequest("forms is empty: give at least one")
    if compression not in (None, *get_args(Compression)):
        raise InvalidRequest(f"compression is {compression!r}: give gz, zst or None")
    try:
        # One more day at both ends, for late records and calls past midnight.
        dates = [first_day + timedelta(days=number) for number in range(-1, days + 1)][1:-1]
    except OverflowError:
        raise InvalidRequest(
            f"first_day is {first_day}, days is {days}: choose days within the calendar"
        ) from None
    wanted = [
        _Wanted(layout, day, records, forms[number % len(forms)])
        for number, (layout, day) in enumerate(product(sorted(set(layouts)), dates))
    ]
    writer = _Writer(wanted, planted or Planted(), seed, quoted)
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    suffix = "" if compression is None else f".{compression}"
    files = []
    for number, each in enumerate(wanted):
        path = target / f"{each.layout}-{each.day}.csv{suffix}"
        with _opened(path, compression) as file:
            files.append(attrs.evolve(writer.write(file, number), path=path))
    truth = CdrTruth(tuple(files))
    text = json.dumps(truth.to_json(), indent=1)
    (target / "truth.json").write_text(text + "\n", encoding="utf-8")
    return truth


def write(
    file: IO[bytes],
    records: int,
    *,
    layout: LayoutName = "phone-terminated",
    seed: int = 0,
    day: date = _MONDAY,
    quoted: float = 0.2,
    planted: Planted | None = None,
    form: FileForm | None = None,
) -> FileTruth:
    """Write one file.

    Args:
        file: Binary file to write to.
        records: Number of records.
        layout: Layout of the records.
        seed: Seed of the content, as in `cdr_files`.
        day: Day of the calls, in UTC.
        quoted: Share of records with a quoted Custom, as in `cdr_files`.
        planted: Special records; None for none.
        form: Form of the file; None for the usual one.

    Returns:
        The expected findings of a reader.

    Raises:
        InvalidRequest: A number is out of range, or there is no room for the planted records.
    """
    wanted = _Wanted(layout, day, records, form or FileForm())
    return _Writer([wanted], planted or Planted(), seed, quoted).write(file, 0)


@contextmanager
def _opened(path: Path, compression: Compression | None) -> Iterator[IO[bytes]]:
    with path.open("wb") as file:
        if compression is None:
            yield file
        elif compression == "gz":
            # No name and no time: the same seed makes the same bytes.
            with gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0) as packed:
                yield cast("IO[bytes]", packed)
        else:
            with _zstd(file) as packed:
                yield packed


def _zstd(file: IO[bytes]) -> Any:
    try:
        from compression import zstd  # type: ignore[import-not-found, unused-ignore]
    except ImportError:
        try:
            from backports import zstd
        except ImportError as error:
            raise ConfigurationError(
                ".zst needs Python 3.14 or backports.zstd: pip install 'sinchvoice[cdr]'"
            ) from error
    return zstd.ZstdFile(file, "wb")


def damaged(content: bytes, random: Random) -> bytes:
    """Return a copy of a file with random changes, insertions, deletions, repetitions or cuts.

    Args:
        content: Bytes of the file.
        random: Source of the places and kinds of damage.
    """
    spoiled = bytearray(content)
    for _ in range(random.randint(1, 3)):
        at, until = sorted(random.randrange(len(spoiled) + 1) for _ in range(2))
        match random.randrange(8):
            case 0:
                spoiled[at:at] = random.choice(_SPECIAL)
            case 1:
                spoiled[at : at + 1] = random.choice(_SPECIAL)
            case 2:
                del spoiled[at : min(until, at + 50)]
            case 3:
                spoiled[at:at] = spoiled[at:until]
            case 4:
                spoiled[at : at + 1] = random.randbytes(1)
            case 5 if at < len(spoiled):
                spoiled[at] ^= 1 << random.randrange(8)
            case 6:
                line = spoiled.rfind(b"\n", 0, at) + 1
                end = spoiled.find(b"\n", at) + 1 or len(spoiled)
                spoiled[line:line] = spoiled[line:end]
            case _ if not random.randrange(4):
                del spoiled[until:]
    return bytes(spoiled)


_SPECIAL = (b'"', b";", b"\n", b"\r", b"\0", b"\xff", b"\xef\xbb\xbf", b'""', b'";"', b"\r\n")


# --- Places of planted records -------------------------------------------------------------------


@attrs.frozen
class _Wanted:
    """A requested file."""

    layout: LayoutName
    day: date
    records: int = attrs.field(validator=_count)
    form: FileForm

    @property
    def columns(self) -> object:
        """Return the key of files that can repeat each other's records."""
        return self.layout, self.form.extra_columns, self.form.header == "no-country"


_Place: TypeAlias = tuple[int, int]  # numbers of the file and of the record
_Kind: TypeAlias = Literal["reject", "duplicate", "conflict", "late", "multiline", "forged"]


@attrs.frozen
class _Slot:
    """One planted record.

    Attributes:
        kind: Kind of record.
        cause: Cause of a reject.
        original: Place of the repeated record.
    """

    kind: _Kind
    cause: RejectCause | None = None
    original: _Place | None = None


class _Plan:
    """The places of all planted records, chosen before anything is written."""

    _TRIES = 1000

    def __init__(self, files: Sequence[_Wanted], planted: Planted, random: Random) -> None:
        self.slots: dict[_Place, _Slot] = {}
        self.originals: set[_Place] = set()
        self._files = files
        self._random = random
        every = [number for number, file in enumerate(files) if file.records]
        groups: dict[object, list[int]] = {}
        for number in every:
            groups.setdefault(files[number].columns, []).append(number)
        several = [group for group in groups.values() if len(group) > 1]
        for cause, count in sorted(planted.rejects.items()):
            able = [n for n in every if cause in CAUSES[files[n].layout]]
            self._plant(count, f"rejects of '{cause}'", able, _Slot("reject", cause))
        self._repeat(planted.duplicates, "duplicates", [[n] for n in every], "duplicate")
        self._repeat(
            planted.duplicates_across, "duplicates_across", several, "duplicate", across=True
        )
        self._repeat(planted.conflicts, "conflicts", list(groups.values()), "conflict")
        self._plant(planted.late, "late", every, _Slot("late"))
        self._plant(planted.multiline, "multiline", every, _Slot("multiline"))
        self._plant(planted.forged, "forged", every, _Slot("forged"))

    def _plant(self, count: int, what: str, files: Sequence[int], slot: _Slot) -> None:
        def suits(places: Sequence[_Place]) -> bool:
            # At the start of a file, a byte order mark does not belong to the record.
            return places[0][1] > 1 or slot.cause is not RejectCause.BYTE_ORDER_MARK

        for _ in range(count):
            (place,) = self._free(what, [files], 1, suits)
            self.slots[place] = slot

    def _repeat(
        self,
        count: int,
        what: str,
        groups: Sequence[Sequence[int]],
        kind: _Kind,
        *,
        across: bool = False,
    ) -> None:
        def apart(places: Sequence[_Place]) -> bool:
            return places[0] != places[1] and (not across or places[0][0] != places[1][0])

        for _ in range(count):
            original, place = self._free(what, groups, 2, apart)
            self.originals.add(original)
            self.slots[place] = _Slot(kind, original=original)

    def _free(
        self,
        what: str,
        groups: Sequence[Sequence[int]],
        count: int,
        suit: Callable[[list[_Place]], bool],
    ) -> list[_Place]:
        """Return free places in files of one group, in order."""
        groups = [group for group in groups if group]
        for _ in range(self._TRIES if groups else 0):
            group = self._random.choice(groups)
            numbers = [self._random.choice(group) for _ in range(count)]
            places = sorted((n, self._random.randint(1, self._files[n].records)) for n in numbers)
            if suit(places) and not any(p in self.slots or p in self.originals for p in places):
                return places
        raise InvalidRequest(f"no room for so many {what}: make more records, days or layouts")


# --- Rows ----------------------------------------------------------------------------------------

_KEY = "5F5C418A0F914BBC8234A9BF5EDDAD97"
_WIDE = (
    "CallId UserSpaceId CallTime Result Reason Duration AnswerTime From To FromUserId ToUserId "
    "Amount Currency Custom ApplicationKey UserId ToCountryId"
).split()
_AT = {name: place for place, name in enumerate(_WIDE)}
# Calls by hour of the day, as in an office.
_HOURS = (2, 1, 1, 1, 2, 4, 9, 18, 30, 38, 40, 39, 34, 37, 40, 39, 36, 31, 26, 22, 17, 12, 7, 4)
_CURVE = [hour / sum(_HOURS) for hour in accumulate(_HOURS, initial=0)]
_RESULTS = ("ANSWERED",) * 7 + ("BUSY", "NOANSWER", "NOANSWER", "FAILED")
_REASONS = {
    "ANSWERED": ("CALLERHANGUP", "CALLEEHANGUP", "CALLEEHANGUP", "MANAGERHANGUP"),
    "BUSY": ("N/A",),
    "NOANSWER": ("TIMEOUT", "CANCEL"),
    "FAILED": ("GENERALERROR", "BLOCKED", "NOCREDITPARTNER"),
}
_UNQUOTED = ("", "", "campaign 7", "campaign 8")
_UNIT = 10_000  # amounts have four decimal places


class _Calls:
    """The calls of one day in order, as cells in the order of _WIDE."""

    def __init__(self, random: Random, wanted: _Wanted, quoted: float) -> None:
        self._random = random
        self._app = wanted.layout == "app-to-app"
        self._sip = wanted.layout == "sip-terminated"
        self._midnight = datetime(wanted.day.year, wanted.day.month, wanted.day.day)  # noqa: DTZ001 - in UTC
        self._quoted = quoted
        self._left = wanted.records
        self._until = 0.0  # share of the day's calls so far
        self._extra = range(wanted.form.extra_columns)

    def next(self) -> list[str]:
        """Return the next call."""
        random = self._random
        # The smallest of the remaining random numbers from 0 to 1, without drawing all of them.
        self._until += (1 - self._until) * (1 - random.random() ** (1 / self._left))
        self._left -= 1
        made = self._midnight + timedelta(hours=_hours(self._until))
        result = random.choice(_RESULTS)
        seconds = int(random.expovariate(1 / 140)) + 1 if result == "ANSWERED" else 0
        country, beginning, price = random.choice(COUNTRIES)
        number = f"{beginning}{random.randrange(100):02}"
        units = int(price.replace(".", "")) * -(-seconds // 60)
        user = f"user-{random.randrange(500)}"
        return [
            f"{random.getrandbits(128):032x}",
            "1137",
            time_text(made),
            result,
            "HANGUP" if self._app and seconds else random.choice(_REASONS[result]),
            str(seconds),
            time_text(made + timedelta(seconds=random.uniform(1, 20))) if seconds else "",
            f"+1212555{random.randrange(100, 200):04}",
            f"{number}@example.sip.sinch.com" if self._sip else number,
            user,
            f"user-{random.randrange(500)}",
            f"{units // _UNIT}.{units % _UNIT:04}",
            "EUR",
            self._custom(),
            _KEY,
            user,
            country,
            *(f"leg {random.randrange(9)}" for _ in self._extra),
        ]

    def _custom(self) -> str:
        random = self._random
        if random.random() >= self._quoted:
            return random.choice(_UNQUOTED)
        if random.random() < 0.2:
            return '"campaign 7; ""autumn"""'
        return f'"{{""order"": {random.randrange(10**9)}, ""note"": ""a; b""}}"'


def _hours(share: float) -> float:
    """Return the hour of the day before which this share of its calls is made."""
    hour = bisect_right(_CURVE, share, hi=24) - 1
    return min(hour + (share - _CURVE[hour]) / (_CURVE[hour + 1] - _CURVE[hour]), 23.999_999)


def time_text(moment: datetime) -> str:
    """Return a time in UTC as in files, with seven decimal places."""
    return f"{moment.replace(tzinfo=None).isoformat(timespec='microseconds')}0Z"


class _Writer:
    """Writes the planned files, in order."""

    def __init__(
        self, files: Sequence[_Wanted], planted: Planted, seed: int, quoted: float
    ) -> None:
        if not 0 <= quoted <= 1:
            raise InvalidRequest(f"quoted is {quoted}: give a share from 0 to 1")
        self._files = files
        self._seed = seed
        self._quoted = quoted
        self._plan = _Plan(files, planted, Random(f"{seed} planted"))  # noqa: S311 - nothing secret
        self._kept: dict[_Place, list[str]] = {}  # records to repeat later

    def write(self, file: IO[bytes], number: int) -> FileTruth:
        """Write one of the files."""
        wanted = self._files[number]
        form = wanted.form
        random = Random(f"{self._seed} {wanted.layout} {wanted.day}")  # noqa: S311
        calls = _Calls(random, wanted, self._quoted)
        names = _names(wanted, random)
        header = [n.upper() if n in _AT and form.header == "upper-case" else n for n in names]
        arranged = itemgetter(*map([*_WIDE, *_extra_names(form)].index, names))
        ends = {"lf": [b"\n"], "crlf": [b"\r\n"], "mixed": [b"\n", b"\r\n"]}[form.line_end]
        slots, originals, kept = self._plan.slots, self._plan.originals, self._kept
        tally = _Tally(money="Amount" in names)
        line, offset = 1, 0
        rejects = []
        if form.byte_order_mark:
            offset += file.write(b"\xef\xbb\xbf")
        if form.header != "none":
            offset += file.write(";".join(header).encode() + random.choice(ends))
            line += 1
        for record in range(1, wanted.records + 1):
            cells = calls.next()
            place = (number, record)
            slot = slots.get(place)
            if slot is None:
                if place in originals:
                    kept[place] = cells
                tally.load(cells)
                row = ";".join(arranged(cells)).encode()
            elif slot.kind == "reject":
                assert slot.cause is not None  # noqa: S101 - every reject has a cause
                row, column = _spoiled(cells, slot.cause, arranged)
                if slot.cause is RejectCause.HEADER:
                    readable = ";".join(header).encode()
                    row = b"\0" + readable + ends[0] + readable
                if column is not None:
                    column = header[names.index(column)]
                rejects.append(PlantedReject(record, line, offset, slot.cause, column))
            else:
                if slot.original is not None:
                    cells = kept.pop(slot.original)
                _change(cells, slot.kind, header, arranged)
                tally.count(cells, slot.kind)
                row = ";".join(arranged(cells)).encode()
            row += ends[0] if len(ends) == 1 else random.choice(ends)
            offset += file.write(row)
            line += row.count(b"\n")
        causes = Counter(reject.cause for reject in rejects)
        return FileTruth(
            layout=wanted.layout,
            day=wanted.day,
            form=form,
            counts=tally.counts(wanted.records, dict(sorted(causes.items()))),
            rejects=tuple(rejects),
        )


class _Tally:
    """Counts of the valid records."""

    def __init__(self, *, money: bool) -> None:
        self._money = money
        self._kinds: Counter[str] = Counter()
        self._loaded = self._answered = self._seconds = self._units = 0

    def load(self, cells: list[str]) -> None:
        """Count a new record."""
        self._loaded += 1
        if cells[3] == "ANSWERED":
            self._answered += 1
            self._seconds += int(cells[5])
            if self._money:
                self._units += int(cells[11].replace(".", ""))

    def count(self, cells: list[str], kind: _Kind) -> None:
        """Count a planted record."""
        self._kinds[kind] += 1
        if kind not in ("duplicate", "conflict"):
            self.load(cells)

    def counts(self, records: int, rejects: Mapping[RejectCause, int]) -> CdrCounts:
        """Return all counts, including the rejects, which the caller counts."""
        return CdrCounts(
            records=records,
            loaded=self._loaded,
            duplicates=self._kinds["duplicate"],
            conflicts=self._kinds["conflict"],
            late=self._kinds["late"],
            rejects=rejects,
            answered=self._answered,
            talk_seconds=self._seconds,
            cost=Decimal(self._units).scaleb(-4),
        )


def _extra_names(form: FileForm) -> list[str]:
    return [f"Extra{number}" for number in range(1, form.extra_columns + 1)]


def _names(wanted: _Wanted, random: Random) -> list[str]:
    """Return the names of a file's columns, in order."""
    names = [column.name for column in LAYOUTS[wanted.layout].columns]
    if wanted.form.header == "no-country" and "ToCountryId" in names:
        names.remove("ToCountryId")
    if wanted.form.header == "shuffled":
        random.shuffle(names)
    return names + _extra_names(wanted.form)


_Arrange: TypeAlias = Callable[[list[str]], tuple[str, ...]]


def _change(cells: list[str], kind: _Kind, header: list[str], arranged: _Arrange) -> None:
    """Turn a record into a planted one."""
    custom = _AT["Custom"]
    match kind:
        case "conflict":
            cells[_AT["Duration"]] = str(int(cells[_AT["Duration"]]) + 1)
        case "late":
            made = datetime.fromisoformat(cells[_AT["CallTime"]]) - timedelta(days=1)
            cells[_AT["CallTime"]] = time_text(made)
            if cells[_AT["AnswerTime"]]:
                cells[_AT["AnswerTime"]] = time_text(made + timedelta(seconds=5))
        case "multiline":
            cells[custom] = '"two lines,\nand ""quotes"";\r\n\nand more"'
        case "forged":
            cells[custom] = ""
            call_id = cells[0]
            cells[0] = f"forged-{call_id[:8]}"
            forged = ";".join(arranged(cells))
            cells[0] = call_id
            cells[custom] = f'"see:\n{";".join(header)}\n{forged}\n"'
        case _:
            pass


def _spoiled(cells: list[str], cause: RejectCause, arranged: _Arrange) -> tuple[bytes, str | None]:
    """Return the row with a defect, and the affected column; None for the whole record."""
    column, value = "Custom", ""
    match cause:
        case RejectCause.QUOTE:
            value = '"not closed'
        case RejectCause.SIZE:
            value = "x" * MAX_RECORD
        case RejectCause.ENCODING:
            value = "caf\udce9"
        case RejectCause.NUL:
            value = "\0\0"
        case RejectCause.CARRIAGE_RETURN:
            value = "two\rlines"
        case RejectCause.EMPTY:
            column = "CallId"
        case RejectCause.INTEGER:
            column, value = "Duration", "12.6"
        case RejectCause.DECIMAL:
            column, value = "Amount", "0,53"
        case RejectCause.TIME:
            column, value = "CallTime", cells[_AT["CallTime"]].removesuffix("Z")
        case _:
            pass
    cells[_AT["Custom"]] = ""
    cells[_AT[column]] = value
    row = arranged(cells)
    if cause is RejectCause.COLUMNS:
        row = row[:-2]  # one column fewer could be a record of an older file
    mark = "\ufeff" if cause is RejectCause.BYTE_ORDER_MARK else ""
    return (mark + ";".join(row)).encode("utf-8", "surrogateescape"), (
        None if column == "Custom" else column
    )
