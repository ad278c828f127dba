"""A lake in a bucket, over sockets, with s3fs: `nox -s s3` runs this file.

Uploads are cut, denied and raced. The lake is then as before or as after, never in between.
"""

from __future__ import annotations

import os
import threading
import traceback
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest
import s3fs
from line import NAME, Line
from sinchvoice import CdrError, cdr
from sinchvoice.cdr import manifests, stores
from sinchvoice.sandbox import cdr_files

PLACE = f"s3://{NAME}/lake"
DAYS = [date(2026, 11, 2), date(2026, 11, 3), date(2026, 11, 4)]


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[cdr.Archive]:
    cdr_files(tmp_path / "cdr", days=3, records=40, layouts=["phone-terminated"])
    with cdr.Archive(tmp_path / "calls.duckdb") as archive:
        archive.load(tmp_path / f"cdr/phone-terminated-{day}.csv" for day in DAYS[:2])
        yield archive


def load_last(archive: cdr.Archive) -> None:
    archive.load(archive.path.with_name("cdr") / f"phone-terminated-{DAYS[2]}.csv")


def export(archive: cdr.Archive) -> tuple[list[date], list[date]]:
    report = archive.to_parquet(PLACE, incremental=True)
    return list(report.written), list(report.removed)


def files(bucket: Any) -> dict[str, bytes]:
    bucket.invalidate_cache()
    return {
        path.removeprefix(f"{NAME}/lake/"): bucket.cat_file(path)
        for path in bucket.find(f"{NAME}/lake")
    }


def check(archive: cdr.Archive, bucket: Any, tmp_path: Path) -> None:
    """The bucket has the records of the archive, each in its day."""
    folder = tmp_path / "copy"
    bucket.get(f"{NAME}/lake/", str(folder), recursive=True)
    found = duckdb.sql(f"SELECT * FROM read_parquet('{folder}/*/*.parquet')")  # noqa: S608
    assert found.filter("day <> CAST(call_time AS DATE)").fetchall() == []
    rows = found.select("* EXCLUDE (day)").order("ALL").fetchall()
    assert rows == archive.sql("SELECT * FROM records ORDER BY ALL").rows


def refused(archive: cdr.Archive) -> CdrError:
    with pytest.raises(CdrError) as caught:
        export(archive)
    shown = "".join(traceback.format_exception(caught.value))
    assert os.environ["AWS_SECRET_ACCESS_KEY"] not in shown
    return caught.value


def test_a_lake_grows_in_a_bucket_and_is_scanned(archive: cdr.Archive, bucket: Any, tmp_path: Path):
    assert export(archive) == (DAYS[:2], [])
    before = files(bucket)
    load_last(archive)
    archive.remove(1)
    assert export(archive) == (DAYS[2:], DAYS[:1])
    after = files(bucket)
    assert sorted(after) == [manifests.file_of(day) for day in DAYS[1:]] + [manifests.MANIFEST]
    assert after[manifests.file_of(DAYS[1])] == before[manifests.file_of(DAYS[1])]
    assert export(archive) == ([], [])
    assert files(bucket) == after
    check(archive, bucket, tmp_path)
    for place in (PLACE, f"{PLACE}/"):
        with cdr.scan(place) as calls:
            assert calls.kpis(by="day") == list(archive.kpis(by="day"))
    bucket.pipe_file(f"{NAME}/lake/notes.csv", b"mine")
    with pytest.raises(CdrError, match=r"has the file notes\.csv, which no export wrote"):
        cdr.scan(PLACE)


@pytest.mark.parametrize("step", range(5))
def test_a_cut_upload_leaves_nothing_and_is_repeated(
    archive: cdr.Archive,
    bucket: Any,
    line: Line,
    tmp_path: Path,
    step: int,
    environment: Any,
):
    """The uploads are the claim, the manifest, the day, and the manifest again."""
    export(archive)
    before = files(bucket)
    load_last(archive)
    environment(AWS_MAX_ATTEMPTS="1")
    uploads: list[str] = []

    def cut(path: str) -> bool:
        if uploads[-1:] != [path]:  # not another attempt
            uploads.append(path)
        return len(uploads) <= step

    if step < 4:
        line.on_put = cut
        error = refused(archive)
        assert error.file.startswith(PLACE)
        assert "cannot be written" in error.message
        line.straight()
        found = files(bucket)
        assert {name for name in found if "claim" not in name} <= {*before, *after_all(DAYS)}
        for day in DAYS[:2]:
            assert found[manifests.file_of(day)] == before[manifests.file_of(day)]
        with cdr.scan(PLACE) as calls:
            assert calls.records in (80, 120)
    export(archive)
    assert export(archive) == ([], [])
    check(archive, bucket, tmp_path)
    assert not any("claim" in name for name in files(bucket))


def after_all(days: list[date]) -> list[str]:
    return [manifests.file_of(day) for day in days]


def test_a_cut_upload_in_parts_leaves_nothing(
    archive: cdr.Archive,
    bucket: Any,
    line: Line,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    environment: Any,
):
    environment(AWS_MAX_ATTEMPTS="1")
    export(archive)
    before = files(bucket)
    load_last(archive)
    put = stores.Store.put

    def in_parts(store: Any, source: Path, name: str) -> None:
        with monkeypatch.context() as patch:
            if name == manifests.file_of(DAYS[2]):
                patch.setattr(s3fs.core, "calculate_chunksize", lambda size, **_: size // 3)
            put(store, source, name)

    monkeypatch.setattr(stores.Store, "put", in_parts)
    parts: list[str] = []

    def cut(path: str) -> bool:
        parts.extend(["part"] * ("partNumber" in path))
        return "partNumber=2" not in path

    line.on_put = cut
    assert refused(archive).file == f"{PLACE}/{manifests.file_of(DAYS[2])}"
    line.straight()
    assert len(parts) > 2
    assert set(files(bucket)) == set(before)
    assert bucket.call_s3("list_multipart_uploads", Bucket=NAME).get("Uploads", []) == []
    monkeypatch.undo()
    assert export(archive) == (DAYS[2:], [])
    check(archive, bucket, tmp_path)


def test_an_error_names_the_bucket_that_denies_access(
    archive: cdr.Archive, bucket: Any, only: Any, environment: Any
):
    export(archive)
    before = files(bucket)
    load_last(archive)
    rights = {"ListBucket": NAME, "GetObject": f"{NAME}/*"}
    with only(**rights) as (key, secret):
        environment(AWS_ACCESS_KEY_ID=key, AWS_SECRET_ACCESS_KEY=secret)
        error = refused(archive)
        assert error.file == PLACE
        assert "access is denied" in error.message
        with cdr.scan(PLACE) as calls:
            assert calls.records == 80
    environment(AWS_ACCESS_KEY_ID="testing", AWS_SECRET_ACCESS_KEY="testing-secret")
    assert files(bucket) == before
    assert export(archive) == (DAYS[2:], [])


def test_an_error_names_the_missing_bucket(archive: cdr.Archive, line: Line):
    with pytest.raises(
        CdrError, match="s3://nowhere/lake: the bucket does not exist: check the URL"
    ):
        archive.to_parquet("s3://nowhere/lake", incremental=True)


def test_of_two_exports_at_once_one_is_refused(
    archive: cdr.Archive, bucket: Any, line: Line, tmp_path: Path
):
    """Both find no claim, and then create one."""
    copy = archive.backup(tmp_path / "copy.duckdb")
    both = threading.Barrier(2, timeout=30)
    create = stores._Claim.create

    def together(claim: Any) -> None:
        both.wait()
        create(claim)

    outcomes: list[Any] = []

    def run() -> None:
        with cdr.Archive(copy) as other:
            try:
                outcomes.append(export(other))
            except CdrError as error:
                outcomes.append(error.message)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stores._Claim, "create", together)
        thread = threading.Thread(target=run)
        thread.start()
        try:
            outcomes.append(export(archive))
        except CdrError as error:
            outcomes.append(error.message)
        thread.join()
    won = [each for each in outcomes if isinstance(each, tuple)]
    lost = [each for each in outcomes if isinstance(each, str)]
    assert won == [(DAYS[:2], [])]
    assert len(lost) == 1
    assert "another export is writing to it" in lost[0]
    check(archive, bucket, tmp_path)
    assert export(archive) == ([], [])
