"""Call detail records (CDRs): every record of a file, typed and exact, or the cause of its reject.

    from sinchvoice import cdr

    with cdr.read("cdr/2026-11-*.csv.gz", on_reject="collect") as calls:
        for call in calls:
            print(call.call_id, call.duration)
    for reject in calls.rejects:
        print(reject)

Compressed files need no extra, except .zst before Python 3.14; it and URLs such as `s3://` need
`pip install 'sinchvoice[cdr]'`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ..errors import CdrError, Reject, RejectCause
from . import kpis
from .kpis import Dimension, KpiCost, KpiFilter, KpiRow, KpiRows, Ratio
from .layouts import LAYOUTS, Column, ColumnType, Layout, LayoutName
from .reader import Reader, read
from .records import (
    AppToApp,
    CallDetailRecord,
    CdrRecord,
    Extras,
    PhoneOriginated,
    PhoneTerminated,
    SipTerminated,
)
from .sources import LeftOut, Source

if TYPE_CHECKING:
    from . import reconciliation, signals
    from .archive import Archive, ArchivedReject, DayCompleteness
    from .arrow import ArrowRecords, arrow_schema, read_arrow
    from .erasing import EraseReport
    from .lake import LakeReport
    from .load_reports import FileReport, LoadProgress, LoadReport, RemoveReport
    from .masking import Mask, Masking, MaskingMethod
    from .page import report, report_charts
    from .queries import ArrowStream, QueryResult
    from .scanning import Scan, scan
    from .spreadsheets import write_xlsx

__all__ = [
    "LAYOUTS",
    "AppToApp",
    "Archive",
    "ArchivedReject",
    "ArrowRecords",
    "ArrowStream",
    "CallDetailRecord",
    "CdrError",
    "CdrRecord",
    "Column",
    "ColumnType",
    "DayCompleteness",
    "Dimension",
    "EraseReport",
    "Extras",
    "FileReport",
    "KpiCost",
    "KpiFilter",
    "KpiRow",
    "KpiRows",
    "LakeReport",
    "Layout",
    "LayoutName",
    "LeftOut",
    "LoadProgress",
    "LoadReport",
    "Mask",
    "Masking",
    "MaskingMethod",
    "PhoneOriginated",
    "PhoneTerminated",
    "QueryResult",
    "Ratio",
    "Reader",
    "Reject",
    "RejectCause",
    "RemoveReport",
    "Scan",
    "SipTerminated",
    "Source",
    "arrow_schema",
    "kpis",
    "read",
    "read_arrow",
    "reconciliation",
    "report",
    "report_charts",
    "scan",
    "signals",
    "write_xlsx",
]


# These need DuckDB, or are seldom needed; reading does not need them.
_LAZY = {
    "Archive": "archive",
    "ArchivedReject": "archive",
    "ArrowRecords": "arrow",
    "ArrowStream": "queries",
    "DayCompleteness": "archive",
    "EraseReport": "erasing",
    "FileReport": "load_reports",
    "LakeReport": "lake",
    "LoadProgress": "load_reports",
    "LoadReport": "load_reports",
    "Mask": "masking",
    "Masking": "masking",
    "MaskingMethod": "masking",
    "QueryResult": "queries",
    "RemoveReport": "load_reports",
    "Scan": "scanning",
    "arrow_schema": "arrow",
    "read_arrow": "arrow",
    "report": "page",
    "report_charts": "page",
    "reconciliation": "reconciliation",
    "scan": "scanning",
    "signals": "signals",
    "write_xlsx": "spreadsheets",
}


def __dir__() -> list[str]:
    return __all__


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        module = import_module(f".{_LAZY[name]}", __name__)
        return module if name == _LAZY[name] else getattr(module, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
