"""The command that reads call detail records on Apache Spark."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from importlib import import_module
from typing import Annotated, Any

import typer

from .. import cdr
from ..errors import CdrError, InvalidRequest
from .cdr_options import Layout, Recursive, known_layout, load_record
from .options import OutputOptions
from .output import Record, write

__all__ = ["spark"]


def spark(
    options: OutputOptions,
    files: Annotated[
        list[str],
        typer.Argument(metavar="FILE", help="Files, folders, quoted globs, URLs."),
    ],
    lake: Annotated[
        str | None,
        typer.Option(
            "--lake",
            metavar="FOLDER",
            help="Add new calls to this folder of Parquet files; it is created if missing.",
        ),
    ] = None,
    layout: Layout = None,
    recursive: Recursive = False,
    master: Annotated[
        str | None,
        typer.Option(
            "--master",
            metavar="URL",
            help="Spark cluster; if unset, that of spark-submit, or this machine.",
        ),
    ] = None,
) -> None:
    """Read files on Apache Spark, each call once; with --lake, add new calls to a lake."""
    wanted = known_layout(layout)
    session = _session(master)
    from ..cdr import spark as cdr_spark

    failures: list[CdrError] = []
    try:
        with cdr_spark.read(
            session, *files, layout=wanted, recursive=recursive, lake=lake, failed=failures.append
        ) as tables:
            if lake is not None:
                tables.to_lake()
            report = tables.report
    finally:
        session.stop()
    options.output.rows(
        _records(report),
        ("file", "records", "loaded", "duplicates", "conflicts", "rejected", "skipped"),
    )
    if report.rejected and not options.as_json:
        write(
            f"warning: {report.rejected} rejected: see sinchvoice cdr check, or the table rejects "
            "in Python",
            sys.stderr,
        )
    if failures:
        if len(failures) > 1:
            write(f"error: {len(failures)} files were not read; the first:", sys.stderr)
        raise failures[0]


def _records(report: cdr.LoadReport) -> Iterator[Record]:
    for file in report.details:
        record = load_record(file)
        yield {name: value for name, value in record.items() if name not in _UNKNOWN}


_UNKNOWN = ("erased", "fallback", "seconds")  # to Spark


def _session(master: str | None) -> Any:
    """Start a session of Spark; its workers run this Python unless configured otherwise."""
    try:
        sql = import_module("pyspark.sql")
        conf = import_module("pyspark").SparkConf()
    except ImportError as error:
        raise InvalidRequest(
            "pyspark is missing: pip install 'sinchvoice[cli,spark]' pyspark"
        ) from error
    if master is not None:
        conf.setMaster(master)
    elif not conf.contains("spark.master"):
        conf.setMaster("local[*]")
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    conf.setIfMissing("spark.app.name", "sinchvoice cdr spark")
    conf.setIfMissing("spark.ui.showConsoleProgress", str(sys.stderr.isatty()).lower())
    try:
        session = sql.SparkSession.builder.config(conf=conf).getOrCreate()
    except Exception as error:  # noqa: BLE001 - Java's, of many kinds
        first = str(error).strip().splitlines() or [type(error).__name__]
        raise InvalidRequest(
            f"Spark does not start ({first[0]}): install Java 17 or later, and check --master"
        ) from None
    session.sparkContext.setLogLevel("ERROR")
    return session
