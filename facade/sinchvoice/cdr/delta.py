"""An export to a Delta Lake table, without Spark: all changed days in one commit.

The commit carries the state of the export, so data and state change together. A
commit by another program since is an error if it changed data.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from importlib import import_module
from pathlib import Path
from typing import Any

from ..errors import CdrError, printable
from .deduplication import Run
from .lake import LakeReport, other_mask
from .manifests import OtherArchive, OtherMask, State, find_changes
from .sources import is_url, without_secrets

__all__ = ["update"]

_KEY = "sinchvoice"
_HARMLESS = {"OPTIMIZE", "VACUUM START", "VACUUM END", "SET TBLPROPERTIES", "ADD FEATURE"}
"""Operations of other programs that leave the records as they are."""

_DECORATION = re.compile(r"\x1b\[\d*m|\u21b3")
"""Colours and arrows in the messages of deltalake."""


def update(
    run: Run,
    select: Callable[[str], Any],
    table: str,
    storage_options: Mapping[str, str] | None,
    mask: str = "",
) -> LakeReport:
    """Write the changed days of an archive to a table.

    Args:
        run: Runs SQL, each time on the same state of the records.
        select: Returns the rows of a query on the same state as an Arrow stream.
        table: Path or URL of the table.
        storage_options: Options of the store.
        mask: How the records are masked, see `Masking.identity`.

    Raises:
        CdrError: The table was changed by another program, was written from another archive, or
            cannot be written.
        ImportError: The extra is not installed.
    """
    deltalake = _import_deltalake()
    shown = without_secrets(table)
    options = None if storage_options is None else dict(storage_options)
    opened, known = None, State()
    try:
        if deltalake.DeltaTable.is_deltatable(table, storage_options=options):
            opened = deltalake.DeltaTable(table, storage_options=options)
            known = _state(opened, shown)
        changes = find_changes(run, known, mask=mask)
    except OtherArchive:
        raise CdrError(
            "this table has no file of this archive, so it belongs to another: give a new one, or "
            "the archive it was written from",
            shown,
        ) from None
    except OtherMask:
        raise other_mask(known, shown) from None
    except (deltalake.exceptions.DeltaError, OSError) as error:
        raise _failed("read", error, shown) from None
    days = changes.days
    if days or opened is None:
        listed = ", ".join(f"'{day}'" for day in days)
        properties = deltalake.CommitProperties(
            custom_metadata={_KEY: json.dumps({"version": 1, "state": changes.state.to_dict()})},
            max_commit_retries=0,  # a commit since then may concern the same days
        )
        rows = select(_rows_of(days))
        try:
            if opened is None:
                _make_folder(table)
                deltalake.write_deltalake(
                    table,
                    rows,
                    partition_by=["day"],
                    storage_options=options,
                    commit_properties=properties,
                )
            else:
                deltalake.write_deltalake(
                    opened,
                    rows,
                    mode="overwrite",
                    predicate=f"day IN ({listed})",
                    commit_properties=properties,
                )
        except deltalake.exceptions.CommitFailedError:
            raise CdrError(
                "another program has changed the table meanwhile: export again", shown
            ) from None
        except (deltalake.exceptions.DeltaError, OSError) as error:
            raise _failed("written", error, shown) from None
    return LakeReport(
        lake=shown,
        written=tuple(day for day in days if day in changes.state.days),
        removed=tuple(day for day in days if day not in changes.state.days),
        unchanged=len(changes.state.days.keys() - set(days)),
    )


def _rows_of(days: Sequence[date]) -> str:
    """Return SQL for the records of some days."""
    chosen = "false"
    if days:
        listed = ", ".join(f"DATE '{day}'" for day in days)
        chosen = (
            f"call_time >= DATE '{days[0]}' AND call_time < DATE '{days[-1]}' + 1 "
            f"AND CAST(call_time AS DATE) IN ({listed})"
        )
    return (
        "SELECT *, CAST(call_time AS DATE) AS day FROM records "  # noqa: S608
        f"WHERE {chosen} ORDER BY call_time"
    )


def _make_folder(table: str) -> None:
    """Make the folder of a new local table, for its owner alone.

    Raises:
        CdrError: It has other files.
        OSError: It cannot be made.
    """
    if not is_url(table):
        folder = Path(table)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise CdrError("this folder has other files: give a new one", table)


def _state(table: Any, shown: str) -> State:
    """Return the state in the last commit of an export.

    Raises:
        CdrError: There is none, or another program changed the records since.
    """
    latest: int = table.version()
    for commit in _history(table):
        version, operation = commit["version"], str(commit.get("operation"))
        if version > latest:
            continue  # undone
        if _KEY in commit:
            try:
                data = json.loads(commit[_KEY])
                if data["version"] == 1:
                    return State.from_dict(data["state"])
            except (ValueError, TypeError, KeyError, RecursionError):
                pass
            break
        restored = str(commit.get("operationParameters", {}).get("version", ""))
        if operation == "RESTORE" and restored.isdecimal():
            latest = int(restored)
        elif operation not in _HARMLESS:
            raise CdrError(
                f"another program changed this table in version {version} "
                f"({printable(operation, 40)}): restore version {version - 1}, or give a new table",
                shown,
            )
    raise CdrError("no export wrote this table: give a new one", shown)


def _history(table: Any) -> Iterator[dict[str, Any]]:
    """Yield the commits from the last; usually the first is the one wanted."""
    yield from (few := table.history(10))
    if len(few) == 10:
        yield from table.history()[10:]


def _failed(done: str, error: Exception, shown: str) -> CdrError:
    lines = [_DECORATION.sub("", line).strip() for line in str(error).splitlines()]
    reason = ": ".join(filter(None, lines)) or type(error).__name__
    return CdrError(f"the table cannot be {done}: {printable(reason, 300)}", shown)


def _import_deltalake() -> Any:
    try:
        import_module("deltalake.exceptions")
        return import_module("deltalake")
    except ImportError as error:
        raise ImportError(
            "Delta Lake needs deltalake: pip install 'sinchvoice[cdr,delta]'"
        ) from error
