"""Call detail records (CDRs): every record of a file, typed and exact, or the reason why not.

    from sinchvoice import cdr

    with cdr.read("cdr/2026-11-*.csv.gz", on_reject="collect") as calls:
        for call in calls:
            print(call.call_id, call.duration)
    for reject in calls.rejects:
        print(reject)

Compressed files other than .zst are read as they are; .zst before Python 3.14 and URLs such as
`s3://` need the extra: `pip install 'sinchvoice[cdr]'`.
"""

from __future__ import annotations

from ..errors import CdrError, Reject, RejectCause
from . import kpis
from .kpis import Dimension, KpiCost, KpiFilter, KpiRow, Ratio
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
from .sources import Source

__all__ = [
    "LAYOUTS",
    "AppToApp",
    "CallDetailRecord",
    "CdrError",
    "CdrRecord",
    "Column",
    "ColumnType",
    "Dimension",
    "Extras",
    "KpiCost",
    "KpiFilter",
    "KpiRow",
    "Layout",
    "LayoutName",
    "PhoneOriginated",
    "PhoneTerminated",
    "Ratio",
    "Reader",
    "Reject",
    "RejectCause",
    "SipTerminated",
    "Source",
    "kpis",
    "read",
]
