"""Call detail records in a bucket, over sockets, with s3fs: `nox -s s3` runs this file.

Whatever goes wrong is a CdrError that names the URL, and nothing of the file is in the archive.
"""

from __future__ import annotations

import gzip
import io
import json
import os
import subprocess
import sys
import threading
import traceback
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest
from line import NAME, Line, made
from s3fs import S3FileSystem
from sinchvoice import CdrError, cdr
from sinchvoice.cdr.sources import streams

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

FIRST, SECOND = made(1), made(2)
TABLES = ("records", "conflicts", "rejects", "files")


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[cdr.Archive]:
    with cdr.Archive(tmp_path / "calls.duckdb") as archive:
        archive.load(FIRST)
        yield archive


def counts(archive: cdr.Archive) -> list[int]:
    return [len(archive.sql(f"FROM {name}").rows) for name in TABLES]


def refused(archive: cdr.Archive, source: Any) -> CdrError:
    """Return the error of a file that cannot be loaded; the archive must stay unchanged."""
    before = counts(archive)
    with pytest.raises(CdrError) as caught:
        archive.load(source)
    assert counts(archive) == before
    shown = "".join(traceback.format_exception(caught.value))
    assert os.environ.get("AWS_SECRET_ACCESS_KEY", "no secret") not in shown
    return caught.value


# Content of the bucket


def zipped(**members: bytes) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members.items():
            file.writestr(f"{name}.csv", content)
    return target.getvalue()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", SECOND),
        ("a.csv.gz", gzip.compress(SECOND)),
        ("a.csv.zst", zstd.compress(SECOND)),
        ("a.zip", zipped(a=SECOND)),
    ],
)
def test_a_file_is_loaded_by_its_url(archive: cdr.Archive, bucket: Any, name: str, content: bytes):
    bucket.pipe(f"{NAME}/2026/{name}", content)
    (report,) = archive.load(f"s3://{NAME}/2026/{name}").details
    assert report.name.partition("!")[0] == f"s3://{NAME}/2026/{name}"
    assert report.records == report.loaded == 300
    assert archive.load(SECOND).skipped == 1


@pytest.mark.parametrize("place", ["", "/", "/cdr", "/cdr/", "/cdr/*", "/*/*.csv*"])
def test_a_folder_or_a_glob_is_all_its_files(archive: cdr.Archive, bucket: Any, place: str):
    folder = NAME if place in ("", "/") else f"{NAME}/cdr"
    bucket.pipe(f"{folder}/b.csv.gz", gzip.compress(SECOND))
    bucket.pipe(f"{folder}/a.csv", made(3))
    bucket.pipe(f"{folder}/deeper.csv/c.csv", made(4))
    found = archive.load(f"s3://{NAME}{place}")
    assert [file.name for file in found.details] == [
        f"s3://{folder}/a.csv",
        f"s3://{folder}/b.csv.gz",
    ]
    assert found.loaded == 600


def test_files_that_came_since_are_found(archive: cdr.Archive, bucket: Any):
    bucket.pipe(f"{NAME}/a.csv", SECOND)
    assert archive.load(f"s3://{NAME}/").files == 1
    bucket.pipe(f"{NAME}/a.csv", made(3))
    bucket.pipe(f"{NAME}/b.csv", made(4))
    report = archive.load(f"s3://{NAME}/")
    assert (report.files, report.loaded) == (2, 600)


def test_a_file_larger_than_a_request_is_put_together(archive: cdr.Archive, bucket: Any):
    content = made(5, 5000)
    bucket.pipe(f"{NAME}/a.csv", content)
    source = fsspec.open(f"s3://{NAME}/a.csv", default_block_size=100_000)
    (report,) = archive.load(source).details
    assert (report.loaded, report.size) == (5000, len(content))


def test_storage_options_go_to_fsspec(
    archive: cdr.Archive, bucket: Any, line: Line, environment: Any
):
    bucket.pipe({f"{NAME}/a.csv": SECOND, f"{NAME}/b.csv": made(3)})
    environment(AWS_ENDPOINT_URL=None, AWS_ACCESS_KEY_ID=None, AWS_SECRET_ACCESS_KEY=None)
    options = {"endpoint_url": line.url, "key": "testing", "secret": "testing-secret"}
    one = fsspec.open(f"s3://{NAME}/a.csv", **options)
    assert archive.load(one).details[0].name == f"s3://{NAME}/a.csv"
    report = archive.load(fsspec.open_files(f"s3://{NAME}/*.csv", **options))
    assert (report.files, report.skipped, report.loaded) == (2, 1, 300)
    assert "access is denied" in refused(archive, f"s3://{NAME}/").message


# What goes wrong


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (f"s3://{NAME}/missing.csv", "the file or folder does not exist: check the URL"),
        (f"s3://{NAME}/missing/", "the file or folder does not exist: check the URL"),
        (f"s3://{NAME}/*.txt", "no file matches the pattern: check the URL"),
        (f"s3://{NAME}", "the folder has no .csv, .txt or .zip files"),
        ("s3://nowhere/a.csv", "The specified bucket does not exist"),
        ("s3://nowhere/", "The specified bucket does not exist"),
        ("s3://nowhere/*.csv", "no file matches the pattern: check the URL"),
    ],
)
def test_what_is_not_there_is_named(archive: cdr.Archive, bucket: Any, url: str, expected: str):
    bucket.pipe(f"{NAME}/notes.md", b"no call detail records")
    error = refused(archive, url)
    assert error.file == url
    assert expected in error.message


def test_what_may_not_be_read_is_named(
    archive: cdr.Archive, bucket: Any, only: Any, environment: Any
):
    bucket.pipe({f"{NAME}/a.csv": SECOND, f"{NAME}/b.csv": made(3)})
    with only(ListBucket=NAME, GetObject=f"{NAME}/a.csv") as (key, secret):
        environment(AWS_ACCESS_KEY_ID=key, AWS_SECRET_ACCESS_KEY=secret)
        assert archive.load(f"s3://{NAME}/a.csv").loaded == 300
        for place in ("b.csv", "", "*.csv"):
            error = refused(archive, f"s3://{NAME}/{place}")
            assert error.file == f"s3://{NAME}/b.csv"
            assert "access is denied (" in error.message
            assert "check the credentials and their permissions" in error.message


@pytest.mark.parametrize("place", ["a.csv", "", "*.csv"])
def test_a_bucket_that_may_not_be_listed_is_named(
    archive: cdr.Archive, bucket: Any, only: Any, place: str, environment: Any
):
    bucket.pipe(f"{NAME}/a.csv", SECOND)
    with only(ListBucket="another") as (key, secret):
        environment(AWS_ACCESS_KEY_ID=key, AWS_SECRET_ACCESS_KEY=secret)
        error = refused(archive, f"s3://{NAME}/{place}")
    assert error.file == f"s3://{NAME}/{place}"
    assert "access is denied (" in error.message


@pytest.mark.parametrize("wrong", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"])
@pytest.mark.parametrize("place", ["a.csv", ""])
def test_wrong_credentials_are_no_credentials(
    archive: cdr.Archive,
    bucket: Any,
    only: Any,
    wrong: str,
    place: str,
    environment: Any,
):
    bucket.pipe(f"{NAME}/a.csv", SECOND)
    with only(ListBucket=NAME, GetObject=f"{NAME}/*") as (key, secret):
        right = {"AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret}
        environment(**{**right, wrong: "wrong-credentials"})
        error = refused(archive, f"s3://{NAME}/{place}")
    assert error.file == f"s3://{NAME}/{place}"
    assert "access is denied (" in error.message


def test_requests_without_credentials_are_denied(
    archive: cdr.Archive, bucket: Any, only: Any, environment: Any
):
    bucket.pipe(f"{NAME}/a.csv", SECOND)
    with only(GetObject=f"{NAME}/*"):
        error = refused(archive, fsspec.open(f"s3://{NAME}/a.csv", anon=True))
        assert "access is denied (" in error.message
    environment(AWS_ACCESS_KEY_ID=None, AWS_SECRET_ACCESS_KEY=None)
    error = refused(archive, f"s3://{NAME}/a.csv")
    assert "access is denied (Unable to locate credentials)" in error.message


def test_an_endpoint_that_is_down_is_named(archive: cdr.Archive, line: Line, environment: Any):
    environment(AWS_ENDPOINT_URL="http://127.0.0.1:9", AWS_MAX_ATTEMPTS="1")
    error = refused(archive, f"s3://{NAME}/a.csv")
    assert error.file == f"s3://{NAME}/a.csv"
    assert "Could not connect to the endpoint URL" in error.message


@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstd.compress, lambda it: zipped(a=it)])
def test_a_connection_that_is_cut_in_the_middle_is_an_error(
    archive: cdr.Archive, bucket: Any, line: Line, pack: Any
):
    content = pack(SECOND)
    bucket.pipe(f"{NAME}/a.csv", content)
    line.cut_after = len(content) // 2
    error = refused(archive, f"s3://{NAME}/a.csv")
    assert error.file == f"s3://{NAME}/a.csv"
    assert "cannot be read" in error.message
    line.straight()
    assert archive.load(f"s3://{NAME}/a.csv").loaded == 300


def test_a_connection_that_stalls_is_an_error(archive: cdr.Archive, bucket: Any, line: Line):
    bucket.pipe(f"{NAME}/a.csv", SECOND)
    line.stall_after = 5000
    error = refused(archive, fsspec.open(f"s3://{NAME}/a.csv", config_kwargs={"read_timeout": 0.5}))
    assert error.file == f"s3://{NAME}/a.csv"
    assert error.message == "the server did not answer in time: try again later"


def test_files_before_the_one_that_fails_are_kept(archive: cdr.Archive, bucket: Any, line: Line):
    bucket.pipe({f"{NAME}/a.csv": SECOND, f"{NAME}/b.csv": made(3), f"{NAME}/c.csv": made(4)})

    def cut(progress: cdr.LoadProgress) -> None:
        if progress.file.endswith("a.csv") and progress.stage == "checking":
            line.cut_after = 100

    with pytest.raises(CdrError) as caught:
        archive.load(f"s3://{NAME}/", progress=cut)
    assert caught.value.file == f"s3://{NAME}/b.csv"
    assert counts(archive) == [600, 0, 0, 2]


def test_a_bucket_is_asked_without_an_archive_or_is_an_error_too(bucket: Any, line: Line):
    bucket.pipe({f"{NAME}/a.csv": SECOND, f"{NAME}/b.csv.gz": gzip.compress(made(3))})
    with cdr.scan(f"s3://{NAME}/") as calls:
        assert calls.sql("SELECT count(*) FROM records").rows == [(600,)]
    line.cut_after = 100
    with pytest.raises(CdrError) as caught:
        cdr.scan(f"s3://{NAME}/a.csv")
    assert caught.value.file == f"s3://{NAME}/a.csv"


# What changes


class Change:
    """Replaces an object when its second part is requested."""

    def __init__(self, bucket: Any, content: bytes) -> None:
        self.bucket = bucket
        self.content = content
        self.parts = 0

    def __call__(self) -> None:
        self.parts += 1
        if self.parts == 2:
            self.bucket.pipe(f"{NAME}/a.csv", self.content)


@pytest.mark.parametrize("dropped", [(), ("If-Match",)], ids=["If-Match", "without"])
def test_an_object_that_changes_between_two_parts_is_noticed(
    archive: cdr.Archive, bucket: Any, line: Line, dropped: tuple[str, ...]
):
    old, new = made(5, 2000), made(6, 2000)
    size = min(len(old), len(new))
    old, new = (b"\n".join([content[: size - 1], b""]) for content in (old, new))
    bucket.pipe(f"{NAME}/a.csv", old)
    line.dropped = dropped
    line.on_get = change = Change(bucket, new)
    error = refused(archive, fsspec.open(f"s3://{NAME}/a.csv", default_block_size=100_000))
    assert error.file == f"s3://{NAME}/a.csv"
    assert "the file changed while it was read" in error.message
    assert change.parts >= 2


def test_an_object_that_is_replaced_after_the_last_byte_is_noticed(
    archive: cdr.Archive, bucket: Any
):
    bucket.pipe(f"{NAME}/a.csv", SECOND)
    before = counts(archive)

    def replace(progress: cdr.LoadProgress) -> None:
        if progress.stage == "reading":  # all of it is one block
            bucket.pipe(f"{NAME}/a.csv", made(3))

    with pytest.raises(CdrError, match="the file changed while it was read"):
        archive.load(f"s3://{NAME}/a.csv", progress=replace)
    assert counts(archive) == before


def test_an_object_that_is_deleted_meanwhile_is_noticed(bucket: Any):
    bucket.pipe(f"{NAME}/a.csv", SECOND)
    opened = streams(f"s3://{NAME}/a.csv")
    stream = next(opened)
    assert stream.read(len(SECOND)) == SECOND
    stream.check_unchanged()
    bucket.rm(f"{NAME}/a.csv")
    with pytest.raises(
        CdrError,
        match=r"cannot check whether the file changed .*: the file or folder does not exist",
    ):
        stream.read(1)


# Resources


def test_neither_descriptors_nor_threads_are_left_behind(
    archive: cdr.Archive, bucket: Any, line: Line
):
    bucket.pipe({f"{NAME}/a.csv.gz": gzip.compress(SECOND), f"{NAME}/b.zip": zipped(a=SECOND)})

    def try_all() -> tuple[int, int]:
        line.straight()
        archive.load([f"s3://{NAME}/a.csv.gz", f"s3://{NAME}/b.zip"])
        refused(archive, f"s3://{NAME}/missing.csv")
        line.cut_after = 100
        for name in ("a.csv.gz", "b.zip"):
            assert "Not enough data" in refused(archive, f"s3://{NAME}/{name}").message
        # The server's threads end when they like.
        ours = [thread for thread in threading.enumerate() if "process_request" not in thread.name]
        return len(os.listdir("/proc/self/fd")), len(ours)  # noqa: PTH208

    try_all()
    before = try_all()
    assert [try_all() for _ in range(2)] == [before] * 2


# The command


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "sinchvoice", "cdr", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_the_command_takes_storage_options_from_the_environment(
    bucket: Any, line: Line, environment: Any, tmp_path: Path
):
    bucket.pipe({f"{NAME}/a.csv": SECOND, f"{NAME}/b.csv": made(3)})
    options = {"endpoint_url": line.url, "key": "testing", "secret": "testing-secret"}
    environment(
        AWS_ENDPOINT_URL=None,
        AWS_ACCESS_KEY_ID=None,
        AWS_SECRET_ACCESS_KEY=None,
        FSSPEC_S3=json.dumps(options),
    )
    done = run("load", "--archive", str(tmp_path / "calls.duckdb"), f"s3://{NAME}/")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"s3://{NAME}/b.csv" in done.stdout


def test_the_command_says_what_is_wrong(bucket: Any, line: Line, tmp_path: Path):
    bucket.pipe({f"{NAME}/a.csv": SECOND, f"{NAME}/b.csv": made(3)})
    archive = ["--archive", str(tmp_path / "calls.duckdb")]
    done = run("load", *archive, f"s3://{NAME}/a.csv", f"s3://{NAME}/missing.csv")
    assert done.returncode == 1
    assert done.stderr.startswith(
        f"error: s3://{NAME}/missing.csv: the file or folder does not exist"
    )
    assert f"s3://{NAME}/a.csv" in done.stdout
    line.cut_after = 100
    done = run("load", *archive, f"s3://{NAME}/b.csv")
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: s3://{NAME}/b.csv: cannot be read: ")
    assert "Traceback" not in done.stderr
    with cdr.Archive(archive[1]) as opened:
        assert counts(opened) == [300, 0, 0, 1]


def test_only_its_own_exceptions_leave_it(archive: cdr.Archive, bucket: Any):
    assert isinstance(bucket, S3FileSystem)
    error = refused(archive, f"s3://{NAME}/missing.csv")
    while error is not None:
        assert type(error).__module__.partition(".")[0] not in ("botocore", "aiohttp", "s3fs")
        error = error.__cause__
