"""Makes files of call detail records: of a sandbox's calls, or of any number of made-up ones.

    from sinchvoice.sandbox import cdr_files

    with open("cdr.csv", "wb") as file:
        truth = cdr_files.write(file, 1_000_000, defects=cdr_files.DEFECTS)

The same seed makes the same file. `box.write_cdr_files` writes those of a sandbox.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Collection, Iterable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from random import Random
from typing import IO, Literal, TypeAlias

import attrs

from ..cdr import LAYOUTS, LayoutName, RejectCause
from ..endpoints import MxpEndpoint, PstnEndpoint, SipEndpoint
from ..errors import InvalidRequest
from .world import SandboxCall

__all__ = ["DEFECTS", "Defect", "Planted", "Written", "damaged", "write", "write_calls"]

Defect: TypeAlias = Literal[
    "columns",
    "empty",
    "encoding",
    "integer",
    "decimal",
    "nul",
    "quote",
    "time",
]
DEFECTS: tuple[Defect, ...] = (
    "columns",
    "empty",
    "encoding",
    "integer",
    "decimal",
    "nul",
    "quote",
    "time",
)

_KEY = "5F5C418A0F914BBC8234A9BF5EDDAD97"
_DAY = 24 * 60 * 60
# Calls by hour of the day, as offices make them.
_HOURS = (2, 1, 1, 1, 2, 4, 9, 18, 30, 38, 40, 39, 34, 37, 40, 39, 36, 31, 26, 22, 17, 12, 7, 4)
# Country, beginning of a number from a range for fiction, price of a started minute.
_COUNTRIES = (
    ("US", "+121255501", "0.0100"),
    ("SE", "+467301701", "0.0230"),
    ("GB", "+447700900", "0.0310"),
    ("FR", "+336399800", "0.0450"),
)
_RESULTS = ("ANSWERED",) * 7 + ("BUSY", "NOANSWER", "NOANSWER", "FAILED")
_REASONS = {
    "ANSWERED": ("CALLERHANGUP", "CALLEEHANGUP", "CALLEEHANGUP", "MANAGERHANGUP"),
    "BUSY": ("N/A",),
    "NOANSWER": ("TIMEOUT", "CANCEL"),
    "FAILED": ("GENERALERROR", "BLOCKED", "NOCREDITPARTNER"),
}
_TEXTS = (
    "",
    "",
    "campaign 7",
    '{"order": 4711, "note": "a; b"}',
    '{"order": 4712, "tags": ["vip", "fr"]}',
    'two lines,\nand "quotes"',
)


_SPECIAL = [
    b'"',
    b";",
    b"\n",
    b"\r",
    b"\0",
    b"\xff",
    b"\xef\xbb\xbf",
    b'""',
    b'";"',
    b"\r\n",
]


@attrs.frozen
class Planted:
    """A defect in a file: what a reader has to find.

    Attributes:
        record: which record of the file it is, from 1.
        line: on which that begins, from 1.
        offset: bytes before it.
        cause: why it has to be rejected.
        column: which column is wrong; None if it is the whole record.
    """

    record: int
    line: int
    offset: int
    cause: RejectCause
    column: str | None


@attrs.frozen
class Written:
    """What is true of a file that was made.

    Attributes:
        records: how many there are, the defective ones included.
        duration: seconds of all the good ones.
        planted: the defects, in their order.
    """

    records: int
    duration: int
    planted: tuple[Planted, ...]

    @property
    def good(self) -> int:
        """Records that can be read."""
        return self.records - len(self.planted)


def write(
    file: IO[bytes],
    records: int,
    *,
    layout: LayoutName = "phone-terminated",
    seed: int = 0,
    day: date = date(2026, 11, 2),
    quoted: float = 0.2,
    defects: Collection[Defect] = (),
    defective: float = 0.01,
    header: bool = True,
    line_end: Literal["\n", "\r\n"] = "\n",
    byte_order_mark: bool = False,
) -> Written:
    """Write a day of call detail records; memory does not grow with their number.

    Args:
        file: open for bytes.
        records: how many.
        layout: which of the four.
        seed: another one makes another file, the same one the same.
        day: on which the calls are made, in UTC.
        quoted: share of records whose Custom is quoted, 0 to 1.
        defects: which kinds to plant; `decimal` is left out where there is no amount.
        defective: share of records with a defect, 0 to 1, if there are kinds.
        header: whether the first row names the columns.
        line_end: of each row.
        byte_order_mark: whether the file begins with one.

    Returns:
        What a reader has to find.

    Raises:
        InvalidRequest: a number is out of range, or there is no such defect.
    """
    for name, share in (("quoted", quoted), ("defective", defective)):
        if not 0 <= share <= 1:
            raise InvalidRequest(f"{name} is {share}: give a share from 0 to 1")
    if records < 0:
        raise InvalidRequest(f"records is {records}: give 0 or more")
    unknown = [defect for defect in defects if defect not in DEFECTS]
    if unknown:
        raise InvalidRequest(f"defects has {unknown[0]!r}: there are {', '.join(DEFECTS)}")
    names = [column.name for column in LAYOUTS[layout].columns]
    kinds: list[Defect] = [
        kind for kind in DEFECTS if kind in defects and (kind != "decimal" or "Amount" in names)
    ]
    random = Random(f"{seed} {layout} {day}")  # noqa: S311 - nothing secret
    calls = _Calls(random, layout, day, quoted)
    end = line_end.encode()
    line, offset, duration = 1, 0, 0
    planted = []
    if byte_order_mark:
        offset += file.write(b"\xef\xbb\xbf")
    if header:
        offset += file.write(";".join(names).encode() + end)
        line += 1
    for record in range(1, records + 1):
        cells = calls.cells()
        if kinds and random.random() < defective:
            kind = random.choice(kinds)
            row, column = _spoiled(cells, names, kind)
            planted.append(Planted(record, line, offset, RejectCause(kind), column))
        else:
            row = ";".join(cells).encode()
            duration += int(cells[names.index("Duration")])
        row += end
        offset += file.write(row)
        line += row.count(b"\n")
    return Written(records, duration, tuple(planted))


def write_calls(folder: Path, calls: Iterable[SandboxCall], day: date) -> list[Path]:
    """Write the records of the calls that ended on a day, a file for each layout that has any.

    Args:
        folder: where the files go; it is made if it is not there.
        calls: calls of a sandbox.
        day: in UTC; as at the vendor's, a record is written when its call ends.

    Returns:
        The files, named `LAYOUT-YYYY-MM-DD.csv`.
    """
    rows: dict[LayoutName, list[list[str]]] = {}
    for call in calls:
        if call.ended is not None and call.ended.date() == day:
            layout = _layout(call)
            known = _row(call)
            row = [known[column.name] for column in LAYOUTS[layout].columns]
            rows.setdefault(layout, []).append(row)
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for layout, records in sorted(rows.items()):
        path = folder / f"{layout}-{day}.csv"
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, delimiter=";", lineterminator="\n")
            writer.writerow(column.name for column in LAYOUTS[layout].columns)
            writer.writerows(records)
        files.append(path)
    return files


def _layout(call: SandboxCall) -> LayoutName:
    if isinstance(call.to, SipEndpoint):
        return "sip-terminated"
    if isinstance(call.to, PstnEndpoint):
        return "phone-terminated"
    return "phone-originated" if isinstance(call.from_, PstnEndpoint) else "app-to-app"


def _row(call: SandboxCall) -> dict[str, str]:
    caller = "" if call.from_ is None else str(call.from_.to_wire().get("endpoint", ""))
    callee = str(call.to.to_wire().get("endpoint", ""))
    country = next((name for name, start, _ in _COUNTRIES if callee[:3] == start[:3]), "")
    reason = call.reason.value
    if _layout(call) == "app-to-app" and reason in ("CALLERHANGUP", "CALLEEHANGUP"):
        reason = "HANGUP"
    return {
        "CallId": call.call_id,
        "UserSpaceId": "1137",
        "CallTime": _time(call.started),
        "Result": call.result.value,
        "Reason": reason,
        "Duration": str(call.duration),
        "AnswerTime": "" if call.answered is None else _time(call.answered),
        # The number shown to the callee: an app user has none.
        "From": "" if isinstance(call.from_, MxpEndpoint) else caller,
        "To": callee,
        "FromUserId": caller,
        "ToUserId": callee,
        "Amount": str(call.rate * -(-call.duration // 60)),
        "Currency": "EUR",
        "Custom": call.custom,
        "ApplicationKey": call.application_key,
        "UserId": caller if isinstance(call.from_, MxpEndpoint) else "",
        "ToCountryId": country,
    }


def damaged(content: bytes, random: Random) -> bytes:
    """A copy of a file in which a few bytes were changed, cut out or doubled.

    Args:
        content: of the file.
        random: decides where and how.
    """
    spoiled = bytearray(content)
    for _ in range(random.randint(1, 6)):
        at, until = sorted(random.randrange(len(spoiled) + 1) for _ in range(2))
        match random.randrange(5):
            case 0:
                spoiled[at:at] = random.choice(_SPECIAL)
            case 1:
                spoiled[at : at + 1] = random.choice(_SPECIAL)
            case 2:
                del spoiled[at : min(until, at + 50)]
            case 3:
                spoiled[at:at] = spoiled[at:until]
            case _:
                spoiled[at : at + 1] = random.randbytes(1)
    return bytes(spoiled)


class _Calls:
    """One call after the other, in the order of the day."""

    def __init__(self, random: Random, layout: LayoutName, day: date, quoted: float) -> None:
        self._random = random
        self._layout = layout
        self._names = [column.name for column in LAYOUTS[layout].columns]
        self._midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
        self._quoted = quoted

    def cells(self) -> list[str]:
        """The next call, as the cells of a row."""
        random = self._random
        (hour,) = random.choices(range(24), _HOURS)
        made = self._midnight + timedelta(hours=hour, microseconds=random.randrange(3_600_000_000))
        result = random.choice(_RESULTS)
        seconds = int(random.expovariate(1 / 140)) + 1 if result == "ANSWERED" else 0
        country, beginning, price = random.choice(_COUNTRIES)
        number = f"{beginning}{random.randrange(100):02}"
        caller = f"+1212555{random.randrange(100, 200):04}"
        answered = ""
        if seconds:
            answered = _time(made + timedelta(microseconds=random.randrange(1_000_000, 20_000_000)))
        reason = random.choice(_REASONS[result])
        if self._layout == "app-to-app" and result == "ANSWERED":
            reason = "HANGUP"
        minutes = -(-seconds // 60)
        cents = int(price.replace(".", "")) * minutes
        users = [f"user-{random.randrange(500)}" for _ in range(2)]
        sip = self._layout == "sip-terminated"
        known = {
            "CallId": f"{random.getrandbits(128):032x}",
            "UserSpaceId": "1137",
            "CallTime": _time(made),
            "Result": result,
            "Reason": reason,
            "Duration": str(seconds),
            "AnswerTime": answered,
            "From": caller,
            "To": f"{number}@example.sip.sinch.com" if sip else number,
            "FromUserId": users[0],
            "ToUserId": users[1],
            "Amount": f"{cents // 10_000}.{cents % 10_000:04}",
            "Currency": "EUR",
            "Custom": self._custom(),
            "ApplicationKey": _KEY,
            "UserId": users[0],
            "ToCountryId": country,
        }
        return [known[name] for name in self._names]

    def _custom(self) -> str:
        if self._random.random() < self._quoted:
            text = self._random.choice(_TEXTS[2:])
            if text.startswith("{"):
                text = json.dumps({**json.loads(text), "id": self._random.randrange(10**9)})
            return '"' + text.replace('"', '""') + '"'
        return self._random.choice(("", "", "campaign 7", "campaign 8"))


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%S.%f}0Z"


def _spoiled(cells: list[str], names: list[str], kind: Defect) -> tuple[bytes, str | None]:
    """The row with a defect, and the column that it is in."""
    custom = names.index("Custom")
    if "\n" in cells[custom] or kind == "quote":
        cells[custom] = ""
    match kind:
        case "columns":
            return ";".join(cells[:-1]).encode(), None
        case "encoding":
            cells[custom] = "caf\udce9"
            return ";".join(cells).encode("utf-8", "surrogateescape"), None
        case "nul":
            cells[custom] = "\0\0"
            return ";".join(cells).encode(), None
        case "quote":
            cells[custom] = '"not closed'
            return ";".join(cells).encode(), None
        case "empty":
            column, value = "CallId", ""
        case "integer":
            column, value = "Duration", "12.6"
        case "decimal":
            column, value = "Amount", "0,53"
        case _:
            column, value = "CallTime", "2026-11-02 08:15:30"
    cells[names.index(column)] = value
    return ";".join(cells).encode(), column
