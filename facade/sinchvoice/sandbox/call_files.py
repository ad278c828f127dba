"""Files with call detail records of a sandbox's own calls, for `box.write_cdr_files`."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from datetime import date
from pathlib import Path

from ..cdr import LAYOUTS, LayoutName
from ..endpoints import MxpEndpoint, PstnEndpoint, SipEndpoint
from .call import SandboxCall
from .cdr_generator import COUNTRIES, time_text

__all__ = ["write_calls"]


def write_calls(folder: Path, calls: Iterable[SandboxCall], day: date) -> list[Path]:
    """Write the records of the calls that ended on a day, one file for each layout with calls.

    Args:
        folder: Folder of the files; it is created if necessary.
        calls: Calls of a sandbox.
        day: Day in UTC. As in the vendor's service, a record is written when its call ends.

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
            # Before Python 3.13, csv quotes a CR only if the line terminator contains one.
            writer = csv.writer(file, delimiter=";", lineterminator="\r\n")
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
    country = next((name for name, start, _ in COUNTRIES if callee[:3] == start[:3]), "")
    reason = call.reason.value
    if _layout(call) == "app-to-app" and reason in ("CALLERHANGUP", "CALLEEHANGUP"):
        reason = "HANGUP"
    return {
        "CallId": call.call_id,
        "UserSpaceId": "1137",
        "CallTime": time_text(call.started),
        "Result": call.result.value,
        "Reason": reason,
        "Duration": str(call.duration),
        "AnswerTime": "" if call.answered is None else time_text(call.answered),
        # The number shown to the callee; an app user has none.
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
