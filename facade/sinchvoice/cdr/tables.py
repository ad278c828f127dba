"""The tables of an archive, their version, and the key that identifies a call.

Queries use the views `records`, `conflicts` and `rejects` and the tables `files` and `erasures`.
The rows are in the schema `kept`, with the key of each call, which the views leave out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import CdrError
from . import known
from .fast_path import COLUMNS

if TYPE_CHECKING:
    import duckdb

__all__ = ["KEY", "REJECT_COLUMNS", "VERSION", "check", "create"]

VERSION = 3
"""Version of the tables."""

KEY = "CAST('0x' || md5(layout || ':' || call_id)[:15] AS BIGINT)"
"""SQL for the key of a call: the first 15 hexadecimal digits of the MD5 of layout and id.

Two calls can have the same key: the key finds candidates, and layout and id decide. MD5 is the same
in every version of DuckDB; its own hash() is not.
"""

_RECORD = ", ".join(f"{name} {kind}" for name, kind in COLUMNS.items())
REJECT_COLUMNS = (
    "reject_id",
    "file_id",
    "line",
    "offset",
    "record",
    "layout",
    "column_name",
    "value",
    "cause",
    "message",
    "raw",
    "size",
    "header",
    "call_id",
    "resolved_by",
)
_TABLES = f"""
CREATE TABLE sinchvoice_archive (version INTEGER);
INSERT INTO sinchvoice_archive VALUES ({VERSION});
CREATE TABLE files (
    file_id INTEGER, sha256 VARCHAR, layout VARCHAR, name VARCHAR, size BIGINT, layouts VARCHAR[],
    loaded_at TIMESTAMP, day DATE, read_by VARCHAR, records BIGINT, loaded BIGINT,
    duplicates BIGINT, conflicts BIGINT, rejected BIGINT, erased BIGINT
);
CREATE SCHEMA kept;
CREATE TABLE kept.records ({_RECORD}, key BIGINT);
CREATE TABLE kept.conflicts ({_RECORD}, key BIGINT);
CREATE TABLE kept.duplicates (
    file_id INTEGER, record BIGINT, line BIGINT, of_file INTEGER, of_record BIGINT, key BIGINT
);
CREATE TABLE kept.rejects (
    reject_id BIGINT, file_id INTEGER, line BIGINT, "offset" BIGINT, record BIGINT, layout VARCHAR,
    column_name VARCHAR, value VARCHAR, cause VARCHAR, message VARCHAR, raw BLOB, size BIGINT,
    header VARCHAR, call_id VARCHAR, resolved_by INTEGER, key BIGINT
);
CREATE TABLE kept.unended (file_id INTEGER, record BIGINT, fields VARCHAR[], value VARCHAR);
{known.TABLES.strip()}
CREATE TABLE kept.erased_calls (key BIGINT);
CREATE TABLE kept.erased_rejects (raw VARCHAR);
CREATE TABLE erasures (
    erased_at TIMESTAMP, before DATE, records BIGINT, conflicts BIGINT, duplicates BIGINT,
    rejects BIGINT
);
CREATE VIEW records AS SELECT {", ".join(COLUMNS)} FROM kept.records;
CREATE VIEW conflicts AS SELECT {", ".join(COLUMNS)} FROM kept.conflicts;
CREATE VIEW rejects AS SELECT {", ".join(f'"{name}"' for name in REJECT_COLUMNS)} FROM kept.rejects;
"""  # noqa: S608 - constants of this module


def create(connection: duckdb.DuckDBPyConnection) -> None:
    """Create the tables of a new archive in one transaction, which waits for the disk once."""
    connection.execute(f"BEGIN TRANSACTION; {_TABLES} COMMIT")


def check(connection: duckdb.DuckDBPyConnection, path: str, *, read_only: bool) -> None:
    """Check the version of an archive's tables and upgrade older ones.

    Raises:
        CdrError: The version is not supported.
        duckdb.Error: The database is not an archive.
    """
    versions = connection.execute("SELECT version FROM sinchvoice_archive").fetchall()
    if versions == [(VERSION,)]:
        return
    found = versions[0][0] if len(versions) == 1 else "none"
    remedy = "use the release of sinchvoice that created it"
    if found == 2:
        if not read_only:  # queries do not need the index that version 2 lacked
            connection.execute(
                f"BEGIN TRANSACTION; {known.TABLES}"  # noqa: S608
                f"UPDATE sinchvoice_archive SET version = {VERSION}; COMMIT"
            )
        return
    if found == 1:
        if not read_only:
            _upgrade(connection)
            return
        remedy = "run sinchvoice cdr compact once to upgrade it"
    raise CdrError(f"the archive has version {found}, not {VERSION}: {remedy}", path)


def _upgrade(connection: duckdb.DuckDBPyConnection) -> None:
    """Move the rows of version 1, which had no keys and did not store duplicates."""
    connection.execute("BEGIN TRANSACTION")
    connection.execute("ALTER TABLE files RENAME TO files_1")
    for name in ("records", "conflicts", "rejects"):
        connection.execute(f"ALTER TABLE {name} RENAME TO {name}_1")
    connection.execute("DROP TABLE sinchvoice_archive")
    connection.execute(_TABLES)
    connection.execute("INSERT INTO files SELECT *, 0 FROM files_1")
    for name in ("records", "conflicts", "rejects"):
        connection.execute(f"INSERT INTO kept.{name} SELECT *, {KEY} FROM {name}_1")  # noqa: S608
        connection.execute(f"DROP TABLE {name}_1")
    connection.execute("DROP TABLE files_1")
    connection.execute("COMMIT")
