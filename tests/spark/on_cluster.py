"""Files on a cluster of Spark that loses a worker, against an archive; run by `nox -s spark`."""

from __future__ import annotations

import gzip
import json
import os
import re
import zipfile
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import attrs
import documentation
import pytest
from cluster import Cluster
from command_line import runner
from gated_files import GatedFiles
from sinchvoice import CdrError, InvalidRequest, cdr
from sinchvoice.cdr import RejectCause, kpis, spark, spark_source
from sinchvoice.cdr.spark import SparkTables
from sinchvoice.sandbox import FileForm, Planted, cdr_files

COUNTS = (
    *("name", "sha256", "size", "records", "loaded", "duplicates", "conflicts", "rejected"),
    *("completed", "resolved", "skipped"),
)
HEADER = "CallId;UserSpaceId;CallTime;Result;Reason;Duration;From;To;Custom;ApplicationKey\n"
PLANTED = Planted(
    rejects={RejectCause(cause): 1 for cause in RejectCause},
    duplicates=8,
    duplicates_across=12,
    conflicts=8,
    late=20,
    multiline=12,
    forged=4,
)
FORMS = [
    FileForm(),
    FileForm(header="upper-case", line_end="crlf"),
    FileForm(header="shuffled", byte_order_mark=True),
    FileForm(header="no-country", line_end="mixed"),
    FileForm(extra_columns=2, byte_order_mark=True),
]


@attrs.frozen
class Loaded:
    """The same files on Spark and in an archive."""

    tables: SparkTables
    archive: cdr.Archive
    lost: list[str]
    report: cdr.LoadReport


def damaged_files(folder: Path) -> None:
    """Write files with all kinds of defects in four layouts, some packed, some cut."""
    cdr_files(folder, days=2, records=60, planted=PLANTED, forms=FORMS)
    for number, path in enumerate(sorted(folder.glob("*.csv"))):
        content = path.read_bytes()
        if number % 3 == 1:
            path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(content))
            path.unlink()
        elif number % 3 == 2:
            with zipfile.ZipFile(path.with_name(f"{path.name}.zip"), "w") as archive:
                archive.writestr(path.name, content)
                archive.writestr("copy.csv", content)
                archive.writestr(".hidden", "")
            path.unlink()
    lines = [sip(number) for number in range(6)]
    (folder / "x1-cut.csv").write_text(HEADER + "".join(lines)[:-5])
    (folder / "x2-whole.csv").write_text(HEADER + lines[5] + lines[5] + lines[0])
    (folder / "x3-cut-again.csv").write_text((HEADER + "".join(lines))[:-8])
    # Text from callers.
    hostile = ['"a ""quoted""; text"', '"{""a"":\n1}"', '"\n' + lines[1] + '"', "{'a': \"b\"}"]
    large = '"' + ("x" * 60 + ';""\n') * (10 << 14) + '"'
    texts = [sip(10 + number, custom) for number, custom in enumerate([*hostile, large])]
    (folder / "x4-custom.csv").write_text(HEADER + "".join(texts))
    corrected = re.sub("2026-11-03", "2026-11-31", sip(20))
    (folder / "x5-reject.csv").write_text(HEADER + corrected + corrected.replace("id-20", "id-21"))
    (folder / "x6-corrected.csv").write_text(HEADER + sip(20))


def sip(number: int, custom: str = "") -> str:
    time = f"2026-11-03T10:00:0{number % 10}Z"
    ends = f"+12125550100;sip:a@example.com;{custom};key-of-an-application"
    return f"id-{number};1;{time};ANSWERED;CALLERHANGUP;{number};{ends}\n"


@pytest.fixture(scope="module")
def loaded(
    session: Any, cluster: Cluster, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Loaded]:
    """Files that are read while a worker is killed: both workers wait at a gate."""
    folder = tmp_path_factory.mktemp("loaded")
    damaged_files(folder / "cdr")
    gated = {
        f"{name}.csv": (HEADER + "".join(sip(each) for each in range(first, first + 3))).encode()
        for name, first in (("one", 30), ("two", 32))
    }
    with (
        cdr.Archive(folder / "calls.duckdb") as archive,
        GatedFiles(gated) as server,
        ThreadPoolExecutor(1) as aside,
    ):
        head = sorted((folder / "cdr").glob("a*"))
        rest = [f"{folder}/cdr/[p-s]*", f"{folder}/cdr/x[!4]*"]
        first, second = (f"{server.url}/{name}" for name in gated)
        # The largest file separates the gated ones, so that each is in a task of its own, and a
        # worker has tasks behind it when it waits at the gate.
        sources = [*map(str, head), first, f"{folder}/cdr/x4*", second, *rest]
        reading = aside.submit(spark.read, session, *sources, partition_bytes=1 << 15)
        for _ in gated:
            assert server.arrived.acquire(timeout=300), reading.result(0)
        cluster.kill_a_worker()
        server.gate.set()
        with reading.result() as tables:
            lost = lost_executors(session)
            yield Loaded(tables, archive, lost, archive.load(sources))


def lost_executors(session: Any) -> list[str]:
    store = session.sparkContext._jsc.sc().statusStore()
    every = store.executorList(False)
    executors = [every.apply(number) for number in range(every.size())]
    return [each.id() for each in executors if not each.isActive()]


def rows(table: Any, *columns: str) -> list[tuple[Any, ...]]:
    found = table.select(*columns).collect()
    return sorted((tuple(map(plain, row)) for row in found), key=repr)


def plain(value: Any) -> Any:
    return bytes(value) if isinstance(value, bytearray) else value


def test_a_worker_was_lost_and_no_other_one(loaded: Loaded):
    assert len(loaded.lost) == 1


def test_every_file_has_the_counts_of_the_archive(loaded: Loaded):
    ours, theirs = loaded.tables.report, loaded.report
    for mine, other in zip(ours.details, theirs.details, strict=True):
        assert [getattr(mine, name) for name in COUNTS] == [getattr(other, name) for name in COUNTS]
        assert mine.records == mine.loaded + mine.duplicates + mine.conflicts + mine.rejected
    assert Counter(ours.left_out) == Counter(theirs.left_out)
    assert str(ours).partition(", in ")[0] == str(theirs).partition(", in ")[0]
    assert min(ours.duplicates, ours.conflicts, ours.completed, ours.resolved, ours.skipped) > 0


@pytest.mark.parametrize("name", ["records", "conflicts", "rejects", "files"])
def test_every_row_is_that_of_the_archive(loaded: Loaded, name: str):
    table = getattr(loaded.tables, name)
    there = loaded.archive.sql(f"FROM {name}")
    assert sorted(table.columns) == sorted(there.columns)
    columns = [each for each in table.columns if each not in ("loaded_at", "read_by")]
    quoted = ", ".join(f'"{each}"' for each in columns)
    expected = loaded.archive.sql(f"SELECT {quoted} FROM {name}").rows  # noqa: S608
    assert rows(table, *columns) == sorted(map(tuple, expected), key=repr)
    assert len(expected) > 5


def test_a_duplicate_names_its_original(loaded: Loaded):
    records = {(row.file_id, row.record) for row in loaded.tables.records.collect()}
    conflicts = {(row.file_id, row.record) for row in loaded.tables.conflicts.collect()}
    duplicates = loaded.tables.duplicates.collect()
    assert len(duplicates) == loaded.report.duplicates
    for row in duplicates:
        assert (row.of_file, row.of_record) in records | conflicts
        assert (row.of_file, row.of_record) < (row.file_id, row.record)


@pytest.mark.parametrize("by", [(), kpis.DIMENSIONS], ids=["all", "every dimension"])
def test_the_kpis_are_those_of_the_archive(loaded: Loaded, session: Any, by: Any):
    loaded.tables.create_views()
    assert kpis.compute(kpis.on_spark(session), by) == loaded.archive.kpis(by)


def test_the_format_reads_the_same_records_and_rejects(loaded: Loaded, session: Any):
    spark.register(session)
    names = [row.name for row in loaded.tables.files.collect() if row.name.endswith("custom.csv")]
    source = session.read.format("sinch-cdr")
    with cdr.read(names) as calls:
        expected = [(call.call_id, call.custom) for call in calls]
    assert rows(source.load(names), "call_id", "custom") == sorted(expected, key=repr)
    (file,) = source.option("table", "files").load(names).collect()
    assert (file.records, file.rejected, file.layouts) == (5, 0, ["sip-terminated"])
    reject = names[0].replace("x4-custom", "x5-reject")
    found = rows(source.option("table", "rejects").load(reject), "line", "cause", "call_id")
    assert found == [(2, "time", "id-20"), (3, "time", "id-21")]


def test_new_files_are_added_to_a_lake(session: Any, tmp_path: Path):
    truth = cdr_files(tmp_path / "old", days=2, records=20, layouts=["sip-terminated"])
    assert truth.total.loaded == 40
    old = sorted((tmp_path / "old").glob("*.csv"))
    lines = old[1].read_text().splitlines(keepends=True)
    new = tmp_path / "new.csv"
    moved = lines[3].replace("2026-11-03T", "2026-11-05T", 1)
    added = lines[4].replace(lines[4].split(";")[0], "new-1", 1)
    again = added.replace("ANSWERED", "BUSY") if "ANSWERED" in added else added
    new.write_text("".join([lines[0], lines[1], moved, added, again]))
    lake = str(tmp_path / "lake")
    with spark.read(session, tmp_path / "old") as tables:
        with pytest.raises(InvalidRequest, match="no lake is given"):
            tables.to_lake()
        tables.to_lake(lake)
        with pytest.raises(InvalidRequest, match="exists, and would have calls twice"):
            tables.to_lake(lake)
    assert {path.name for path in Path(lake).glob("day=*")} == {"day=2026-11-02", "day=2026-11-03"}
    with cdr.Archive(tmp_path / "calls.duckdb") as archive:
        archive.load(old)
        expected = archive.load(new)
        with spark.read(session, new, lake=lake) as tables:
            found = tables.report
            assert [getattr(found, name) for name in COUNTS[3:8]] == [
                getattr(expected, name) for name in COUNTS[3:8]
            ]
            (duplicate, *_) = rows(tables.duplicates, "file_id", "of_file", "of_record")
            assert duplicate == (3, 2, 1)
            with pytest.raises(InvalidRequest, match="were read with the lake"):
                tables.to_lake(f"{lake}-2")
            tables.to_lake()
            with pytest.raises(CdrError, match="the lake changed since it was read"):
                tables.to_lake(lake)
        archive.to_parquet(tmp_path / "export")
        columns = "layout, call_id, call_time, result, custom, file_id, record"
        stored = session.read.parquet(lake)
        assert rows(stored, *columns.split(", ")) == sorted(
            map(tuple, archive.sql(f"SELECT {columns} FROM records").rows),  # noqa: S608
            key=repr,
        )
    # This record is on another day than its call: only a look at all days finds that.
    new.write_text(lines[0] + moved)
    export = str(tmp_path / "export")
    with spark.read(session, new, lake=export, across_days=False) as tables:
        assert (tables.report.loaded, tables.report.conflicts) == (1, 0)
        with pytest.raises(InvalidRequest, match="belongs to an archive"):
            tables.to_lake()


def test_an_unreadable_file_is_an_error_or_collected(session: Any, tmp_path: Path):
    good, bad = tmp_path / "good.csv", tmp_path / "bad.csv.gz"
    good.write_text(HEADER + sip(1))
    bad.write_bytes(gzip.compress((HEADER + sip(2) * 1000).encode())[:-20])
    with pytest.raises(CdrError, match=r"bad\.csv\.gz: cannot be read"):
        spark.read(session, tmp_path)
    with spark.read(session, tmp_path, failed="collect") as tables:
        assert (tables.report.loaded, len(tables.report.failures)) == (1, 1)
        assert tables.report.failures[0].file == str(bad)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({}, InvalidRequest, "no path is given"),
        ({"paths": ["/nowhere/cdr"]}, CdrError, "/nowhere/cdr: cannot be read: No such file"),
        ({"paths": ["/nowhere/*.csv"]}, CdrError, "no file matches the pattern"),
        ({"paths": [7]}, InvalidRequest, "path is int: give a path"),
        ({"paths": ["."], "layout": "phone"}, InvalidRequest, "layout is 'phone': give one of"),
        ({"paths": ["."], "failed": "skip"}, InvalidRequest, "failed is 'skip'"),
        ({"paths": ["."], "partition_bytes": 0}, InvalidRequest, "partition_bytes is 0"),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_a_wrong_argument_is_named(session: Any, arguments: Any, error: Any, message: str):
    paths = arguments.pop("paths", [])
    with pytest.raises(error, match=re.escape(message)):
        spark.read(session, *paths, **arguments)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tabel": "rejects"}, "option 'tabel' does not exist: did you mean 'table'?"),
        ({"table": "calls"}, "option table is 'calls': give one of 'records', 'rejects', 'files'"),
        ({"layout": "phone"}, "layout is 'phone': give one of"),
        ({"recursive": "maybe"}, "option recursive is 'maybe': give 'true' or 'false'"),
        ({"partitionBytes": "64MB"}, "option partitionBytes is '64MB': give a number of bytes"),
    ],
    ids=str,
)
def test_a_wrong_option_is_named(options: dict[str, str], message: str):
    source = spark_source.SinchCdr({"path": "cdr", **options})
    with pytest.raises(InvalidRequest, match=re.escape(message)):
        source.schema()


def test_spark_shows_the_error_of_an_option(session: Any):
    spark.register(session)
    source = session.read.format("sinch-cdr").option("tabel", "rejects")
    with pytest.raises(Exception, match="option 'tabel' does not exist: did you mean 'table'?"):
        source.load("cdr")


def test_a_denied_place_and_a_folder_that_is_not_a_lake_are_named(session: Any, tmp_path: Path):
    with GatedFiles({}) as server:
        url = f"{server.url}/cdr.csv"
        with pytest.raises(CdrError, match=f"{url}: access is denied .*403"):
            spark.read(session, url)
    (tmp_path / "one.csv").write_text(HEADER + sip(1))
    session.range(1).write.parquet(str(tmp_path / "other"))
    with pytest.raises(CdrError, match="this is not a lake of records: it has no layout"):
        spark.read(session, tmp_path, lake=str(tmp_path / "other"))


def test_an_old_spark_is_refused():
    class Old:
        version = "3.5.4"

    with pytest.raises(InvalidRequest, match=re.escape("Spark is 3.5.4: use Spark 4.0 or later")):
        spark.register(Old())
    with pytest.raises(InvalidRequest, match="session is str: give a SparkSession"):
        spark.read("spark://example", "cdr")


def test_the_examples_of_the_page_on_spark_work(
    session: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    """Run the blocks of docs/how-to/scale.md; the command ends the session, so it comes last."""
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    commands = []
    for block in documentation.blocks("docs/how-to/scale.md"):
        if block.mark.startswith("run by "):
            if block.language == "sh":
                commands += block.code.splitlines()
                continue
            exec(compile(block.code, block.page, "exec"), names)  # noqa: S102
            out = capsys.readouterr().out
            assert re.fullmatch(documentation.pattern(block.output or ""), out), out
    (command,) = commands
    program, *arguments = command.split()
    assert program == "sinchvoice"
    run = runner(os.environ, monkeypatch, capsys)
    ran = run(*arguments, "--json")
    assert ran.code == 0, ran.err
    files = [json.loads(line) for line in ran.out.splitlines()]
    assert [file["duplicates"] for file in files] == [100] * 8
