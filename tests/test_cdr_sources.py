"""Tests of sources: every kind is read, and a truncated one is an error."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import random
import sys
import threading
import traceback
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Literal, TypeAlias

import aiohttp
import attrs
import fsspec
import pytest
from sinchvoice import CdrError, InvalidRequest, cdr
from sinchvoice.cdr import sources
from sinchvoice.sandbox import cdr_generator

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

RECORDS = 400


def made(seed: int = 0, records: int = RECORDS, **options: Any) -> bytes:
    target = io.BytesIO()
    cdr_generator.write(target, records, seed=seed, **options)
    return target.getvalue()


CONTENT = made()


def zipped(**members: bytes) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name.replace("_", "."), content)
    return target.getvalue()


PACKED: dict[str, Callable[[bytes], bytes]] = {
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zst": zstd.compress,
    "zip": lambda content: zipped(cdr_csv=content),
}


def count(source: Any, **arguments: Any) -> int:
    return sum(1 for _ in cdr.read(source, **arguments))


def refused(source: Any, **arguments: Any) -> CdrError:
    with pytest.raises(CdrError) as caught:
        count(source, **arguments)
    return caught.value


# --- Files and folders ---------------------------------------------------------------------------


def test_a_path_is_read_as_text_or_path(tmp_path: Path):
    path = tmp_path / "cdr.csv"
    path.write_bytes(CONTENT)
    assert count(path) == count(str(path)) == RECORDS


def test_a_missing_path_is_named(tmp_path: Path):
    error = refused(tmp_path / "missing.csv")
    assert error.file == str(tmp_path / "missing.csv")
    assert str(error).endswith("missing.csv: cannot be read: No such file or directory")


def test_a_folder_yields_its_files_by_name(tmp_path: Path):
    for name in ("2.csv.gz", "1.CSV", "3.txt.zst", "4.zip"):
        kind = name.rpartition(".")[2]
        (tmp_path / name).write_bytes(PACKED.get(kind, bytes)(made(int(name[0]), 2)))
    for name in (".1.csv", "notes.md", "1.csv.bak"):
        (tmp_path / name).write_bytes(b"no call detail records")
    (tmp_path / "5.csv").mkdir()
    reader = cdr.read(tmp_path)
    expected = [record.call_id for n in range(1, 5) for record in cdr.read(made(n, 2))]
    assert [record.call_id for record in reader] == expected
    assert reader.files == 4


Listing: TypeAlias = "tuple[list[str], dict[str, str], list[str]]"


def found(source: Any, **options: Any) -> Listing:
    """Return the files read, left out and failed."""
    left_out: list[cdr.LeftOut] = []
    good, bad = [], []
    for stream in sources.streams(source, leave_out=left_out.append, **options):
        try:
            stream.read(1)
            good.append(Path(stream.name).name)
        except CdrError as error:
            bad.append(f"{Path(stream.name).name}: {error.message}")
    return good, {Path(file.name).name: file.reason for file in left_out}, bad


@pytest.fixture
def messy(tmp_path: Path) -> Path:
    """Return a folder with files of every kind."""
    folder = tmp_path / "messy"
    (folder / "2025" / "12").mkdir(parents=True)
    (folder / ".trash").mkdir()
    (folder / "__MACOSX").mkdir()
    for name in (
        *(
            "a.csv",
            "line\nfeed.csv",
            "esc\x1b[31m.csv",
            "b.TXT.gz",
            ".hidden.csv",
            "._a.csv",
            "c.tsv",
        ),
        *("d.dat", "e.csv.part", "f", "~$a.csv", "2025/g.csv", "2025/12/h.csv", ".trash/i.csv"),
        *("__MACOSX/j.csv", "2025/k.pdf"),
    ):
        (folder / name).write_bytes(gzip.compress(CONTENT) if name.endswith("gz") else CONTENT)
    os.mkfifo(folder / "pipe.csv")
    (folder / "link.csv").symlink_to("a.csv")
    (folder / "dangling.csv").symlink_to("nowhere.csv")
    (folder / "loop.csv").symlink_to("loop.csv")
    (folder / "elsewhere").symlink_to("2025")
    return folder


OWN = ["a.csv", "b.TXT.gz", "esc\x1b[31m.csv", "line\nfeed.csv", "link.csv"]
LEFT_OUT = {
    ".hidden.csv": "hidden",
    "._a.csv": "hidden",
    ".trash": "hidden",
    "__MACOSX": "left by the operating system",
    "~$a.csv": "left by the operating system",
    **dict.fromkeys(("c.tsv", "d.dat", "e.csv.part", "f"), "not named .csv, .txt or .zip"),
    "pipe.csv": "a pipe, a socket or a device",
}
NOWHERE = "this link is broken: correct or remove it"


def test_files_left_out_of_a_folder_are_reported(messy: Path):
    good, left_out, bad = found(messy)
    assert good == OWN
    assert left_out == {**LEFT_OUT, "2025": "a folder", "elsewhere": "a link to a folder"}
    assert bad == [f"dangling.csv: {NOWHERE}", f"loop.csv: {NOWHERE}"]


def test_subfolders_are_read_on_request(messy: Path):
    good, left_out, bad = found(messy, recursive=True)
    assert good == ["h.csv", "g.csv", *OWN]
    assert left_out == {
        **LEFT_OUT,
        "elsewhere": "a link to a folder",
        "k.pdf": "not named .csv, .txt or .zip",
    }
    assert bad == [f"dangling.csv: {NOWHERE}", f"loop.csv: {NOWHERE}"]


def test_a_glob_reads_files_with_any_name(messy: Path):
    good, left_out, bad = found(f"{messy}/*")
    assert good == sorted([*OWN, "c.tsv", "d.dat", "e.csv.part", "f", "~$a.csv"])
    assert left_out == {
        "2025": "a folder",
        "__MACOSX": "a folder",
        "elsewhere": "a link to a folder",
        "pipe.csv": "a pipe, a socket or a device",
    }
    assert bad == [f"dangling.csv: {NOWHERE}", f"loop.csv: {NOWHERE}"]


@pytest.mark.parametrize("pattern", ["2025/**", "2025/**/*", "2025*"])
def test_a_glob_yields_each_file_once(messy: Path, pattern: str):
    good, _, bad = found(f"{messy}/{pattern}", recursive=True)
    assert good.count("g.csv") == good.count("h.csv") == 1
    assert bad == []


def test_every_report_counts_files_left_out(messy: Path, tmp_path: Path):
    for name in ("dangling.csv", "loop.csv"):
        (messy / name).unlink()
    reader = cdr.read(messy)
    assert len(list(reader)) == 5 * RECORDS
    expected = sorted(file.name for file in reader.left_out)
    assert len(expected) == len(LEFT_OUT) + 2
    with cdr.Archive(tmp_path / "a.duckdb") as archive:
        report = archive.load(messy)
        assert sorted(file.name for file in report.left_out) == expected
        assert str(report).startswith(f"5 files (4 known already, {len(expected)} more left out): ")
        assert archive.load(messy, recursive=True).files == 7
    with cdr.scan(messy) as calls:
        assert sorted(file.name for file in calls.left_out) == expected
    with cdr.scan(messy, recursive=True) as calls:
        assert calls.records == 7 * RECORDS


def test_a_folder_named_like_a_glob_gets_a_hint(tmp_path: Path):
    folder = tmp_path / "cdr[1]"
    folder.mkdir()
    (folder / "a.csv").write_bytes(CONTENT)
    error = refused(f"{folder}/*.csv")
    hint = f"{tmp_path}/cdr[[]1]/*.csv"
    assert error.message == (
        f"no file matches the pattern: write {hint!r}, to escape the folder name"
    )
    assert count(hint) == RECORDS
    assert count(str(folder)) == RECORDS


# --- Other file types ----------------------------------------------------------------------------

OTHER = {
    "tar.csv.gz": (b"a.csv" + bytes(252) + b"ustar\x0000" + bytes(250), "this is a tar archive"),
    "twice.csv.gz": (gzip.compress(CONTENT), "this is compressed twice: unpack it once"),
    "twice.csv.xz": (bz2.compress(CONTENT), "this is compressed twice: unpack it once"),
    "a.csv": (b"7z\xbc\xaf\x27\x1c" + bytes(300), "this is packed in an unsupported format"),
    "b.csv": (b"\xd0\xcf\x11\xe0" + bytes(300), "this is an Excel workbook: save it as CSV"),
    "c.csv": (b"PAR1\x15\x04" + bytes(300), "this is a Parquet file"),
    "d.csv": (b"%PDF-1.7\n", "this is a PDF"),
    "e.csv": (b"12345678DUCKabcd" + bytes(300), "this is a DuckDB file"),
    "f.csv": (b"SQLite format 3\0", "this is an SQLite database"),
}


@pytest.mark.parametrize("name", OTHER)
def test_another_file_type_is_named(name: str, tmp_path: Path):
    content, message = OTHER[name]
    path = tmp_path / name
    path.write_bytes(PACKED.get(path.suffix[1:], bytes)(content))
    assert refused(path).message.startswith(message)
    with cdr.Archive(tmp_path / "a.duckdb") as archive, pytest.raises(CdrError, match=message):
        archive.load(path)


@pytest.mark.parametrize(
    ("names", "kind"),
    [
        (["[Content_Types].xml", "xl/workbook.xml"], "an Excel workbook"),
        (["[Content_Types].xml", "word/document.xml"], "an office document"),
        (["mimetype", "content.xml"], "an office document"),
    ],
)
def test_an_office_document_is_not_an_archive(names: list[str], kind: str):
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name in names:
            archive.writestr(name, b"<xml/>")
    assert refused(target.getvalue()).message.startswith(f"this is {kind}: save it as CSV")


@pytest.mark.parametrize("text", ["PAR1;1", "7z;1", "12345678DUCK;1", "Rar!;1"])
def test_a_call_id_may_look_like_the_beginning_of_something_else(text: str):
    content = f"{text};2026-11-02T08:15:30Z;;;;;;;\n".encode()
    assert count(content, layout="app-to-app") == 1


def test_a_folder_without_files_is_refused(tmp_path: Path):
    assert refused(tmp_path).message == "the folder has no .csv, .txt or .zip files"
    (tmp_path / "2026").mkdir()
    (tmp_path / ".a.csv").write_bytes(CONTENT)
    error = refused(tmp_path)
    assert error.message == (
        "the folder has no .csv, .txt or .zip files (2 left out: a folder: 1; hidden: 1)"
    )
    assert error.remedy == "its folders are read with recursive=True"


def test_an_empty_file_named_as_packed_is_reported_as_empty(tmp_path: Path):
    (tmp_path / "a.csv.gz").write_bytes(b"")
    assert refused(tmp_path).message == "the file is empty: fetch it again"


def test_a_glob_yields_its_files_in_order(tmp_path: Path):
    for name in ("b.csv", "a.csv", "c.txt"):
        (tmp_path / name).write_bytes(made(ord(name[0]), 2))
    (tmp_path / "d.csv").mkdir()
    reader = cdr.read(f"{tmp_path}/*.csv")
    names = []
    for stream in sources.streams(f"{tmp_path}/*.csv"):
        names.append(Path(stream.name).name)
    assert names == ["a.csv", "b.csv"]
    assert len(list(reader)) == 4
    assert "no file matches the pattern" in refused(f"{tmp_path}/*.xml").message


def test_a_file_with_the_name_of_a_glob_is_that_file(tmp_path: Path):
    (tmp_path / "cdr[1].csv").write_bytes(CONTENT)
    assert count(f"{tmp_path}/cdr[1].csv") == RECORDS


@pytest.mark.parametrize("name", ["", "a\0b", b"\xff"])
def test_an_invalid_name_is_refused(name: Any):
    class Wrong:
        def __fspath__(self) -> Any:
            return name

    with pytest.raises(InvalidRequest, match="is not a file name"):
        count(Wrong())


def test_a_name_that_is_too_long_is_refused():
    assert "cannot be read" in refused("x" * 5000).message


def test_files_and_bytes_and_lists_are_read():
    assert count(io.BytesIO(CONTENT)) == RECORDS
    assert count(bytearray(CONTENT)) == RECORDS
    assert count([CONTENT, [io.BytesIO(CONTENT)], (memoryview(CONTENT),)]) == 3 * RECORDS
    assert count(iter([])) == 0


def test_an_open_file_stays_open_and_keeps_its_name(tmp_path: Path):
    path = tmp_path / "cdr.csv"
    path.write_bytes(b"CallId;CallTime;From\n;;\n")
    with path.open("rb") as file:
        assert refused(file).file == str(path)
        assert not file.closed


def test_standard_input_is_read(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(CONTENT)))
    assert count("-") == RECORDS


@pytest.mark.parametrize("source", [None, 5, io.StringIO("CallId")])
def test_an_unsupported_source_is_refused(source: Any):
    with pytest.raises(InvalidRequest, match="source is"):
        count(source)


class Dribbling(io.RawIOBase):
    """A file that returns a few bytes at a time, as a pipe may, then a given value."""

    def __init__(self, content: bytes, then: Any = b"", step: int = 77) -> None:
        self._step = step
        self._content = io.BytesIO(content)
        self._then = then

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> Any:
        if content := self._content.read(min(size, self._step)):
            return content
        if isinstance(self._then, Exception):
            raise self._then
        return self._then


@pytest.mark.parametrize("pack", [bytes, *PACKED.values()], ids=["plain", *PACKED])
def test_a_pipe_is_read_in_small_pieces(pack: Callable[[bytes], bytes]):
    assert count(Dribbling(pack(CONTENT))) == RECORDS


def test_a_pipe_without_data_yet_is_not_at_its_end():
    assert "read() returned NoneType, not bytes" in refused(Dribbling(CONTENT, None)).message


def test_a_file_that_cannot_be_read_to_its_end_is_an_error():
    error = refused(Dribbling(CONTENT, OSError(5, "Input/output error")))
    assert (error.message, error.remedy) == (
        f"cannot be read: Input/output error, after {len(CONTENT):,} bytes",
        "fetch it again or check its disk",
    )


def test_files_are_closed(tmp_path: Path):
    path = tmp_path / "cdr.csv.gz"
    path.write_bytes(gzip.compress(CONTENT))
    with cdr.read([path, path]) as reader:
        next(reader)
    assert list(reader) == []
    assert reader.yielded == 1


# --- Compressed files ----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", PACKED)
def test_a_compressed_file_is_read_whatever_its_name(kind: str, tmp_path: Path):
    path = tmp_path / f"cdr.csv.{kind}"
    path.write_bytes(PACKED[kind](CONTENT))
    assert count(path) == RECORDS
    assert count(path.rename(tmp_path / "cdr.csv")) == RECORDS
    assert count(PACKED[kind](b"")) == 0
    assert count(bz2.compress(CONTENT, 1)) == RECORDS


@pytest.mark.parametrize("name", ["", "\0", "\0a"])
def test_a_member_of_a_zip_may_have_no_name(name: str):
    packed = zipped(cdr_csv=CONTENT).replace(b"cdr.csv", name.encode().ljust(7, b"\0"))
    assert b"cdr" not in packed
    assert [record.call_id for record in cdr.read(packed)] == [r.call_id for r in cdr.read(CONTENT)]


@pytest.mark.parametrize("kind", [kind for kind in PACKED if kind != "zip"])
def test_a_compressed_file_may_have_several_parts(kind: str):
    pack, half = PACKED[kind], len(CONTENT) // 2
    parts = [pack(CONTENT[:half]), pack(b""), pack(CONTENT[half:])]
    assert count(b"".join(parts)) == RECORDS
    if kind in ("gz", "xz"):
        assert count(b"".join(parts) + bytes(4096)) == RECORDS
    assert count(Dribbling(b"".join(parts))) == RECORDS
    assert count(Dribbling(b"".join(parts), step=1)) == RECORDS


@pytest.mark.parametrize("kind", PACKED)
def test_a_truncated_archive_is_an_error_and_not_a_shorter_file(kind: str, tmp_path: Path):
    packed = PACKED[kind](CONTENT)
    path = tmp_path / f"cdr.csv.{kind}"
    for length in [*range(0, 40, 3), *range(40, len(packed), 997), len(packed) - 1]:
        path.write_bytes(packed[:length])
        assert refused(path).file.startswith(str(path))


@pytest.mark.parametrize("kind", PACKED)
def test_a_damaged_second_part_is_an_error(kind: str):
    packed = PACKED[kind](CONTENT)
    if kind != "zip":
        assert "cannot be read" in refused(packed + packed[:-9]).message
        assert "cannot be read" in refused(packed + b"garbage" * 9).message


@pytest.mark.parametrize("kind", PACKED)
def test_a_damaged_archive_raises_only_a_cdr_error(kind: str):
    packed = PACKED[kind](made(records=20))
    dice = random.Random(kind)
    for _ in range(300):
        try:
            count(cdr_generator.damaged(packed, dice), on_reject="collect", layout="app-to-app")
        except CdrError:
            continue


@pytest.mark.parametrize("kind", PACKED)
def test_the_content_must_match_the_suffix_of_an_archive(kind: str, tmp_path: Path):
    path = tmp_path / f"cdr.csv.{kind}"
    path.write_bytes(CONTENT)
    assert f"the name ends in .{kind}, but the content is not {kind}" in refused(path).message


def test_every_member_of_an_archive_is_read_and_named():
    content = zipped(a_csv=made(1, 2), b_csv_gz=gzip.compress(b"CallId;CallTime;To\n;;\n"))
    reader = cdr.read(content, on_reject="collect")
    assert len(list(reader)) == 2
    assert reader.rejects[0].file == "<bytes>!b.csv.gz"
    assert reader.files == 2


def spoiled_member(kind: str) -> bytes:
    """Return an archive with an unreadable first member and a readable second one."""
    if kind == "nested":
        return zipped(a_zip=zipped(x_csv=CONTENT), b_csv=CONTENT)
    if kind == "no gzip":
        return zipped(a_csv_gz=CONTENT, b_csv=CONTENT)
    content = bytearray(zipped(a_csv=CONTENT, b_csv=CONTENT))
    first = content.index(b"PK\x01\x02")
    match kind:
        case "encrypted":
            content[6] |= 1
            content[first + 8] |= 1
        case "unknown method":
            content[8] = content[first + 10] = 9
        case "checksum":
            content[first + 16] ^= 1
        case "name":
            content[30] ^= 1
    return bytes(content)


@pytest.mark.parametrize(
    "kind", ["nested", "no gzip", "encrypted", "unknown method", "checksum", "name"]
)
def test_an_unreadable_member_does_not_stop_the_next(kind: str):
    read, failed = [], []
    for stream in sources.streams(spoiled_member(kind)):
        try:
            read.append((stream.name, count(stream)))
        except CdrError as error:
            failed.append(error.file)
    assert read == [("<bytes>!b.csv", RECORDS)]
    assert [name.partition(".")[0] for name in failed] == ["<bytes>!a"]


@pytest.mark.parametrize("kind", ["bz2", "xz", "zst"])
def test_parts_of_any_size_follow_each_other(kind: str):
    lines = CONTENT.splitlines(keepends=True)
    parts = [lines[0], b"", *(b"".join(lines[n : n + 7]) for n in range(1, RECORDS + 1, 7)), b""]
    packed = b"".join(PACKED[kind](part) + bytes(4 * (n % 3)) for n, part in enumerate(parts))
    if kind == "bz2":
        packed = b"".join(map(PACKED[kind], parts))
    assert count(packed + PACKED[kind](b"") * 3000) == RECORDS
    damaged = packed + PACKED[kind](lines[-1])[:-3]
    assert "cannot be read" in refused(damaged).message


def test_leftovers_of_systems_in_an_archive_are_left_out(tmp_path: Path):
    leftovers = ("__MACOSX/._a.csv", "x/.DS_Store", "x/Thumbs.db", "desktop.ini", "._b.csv")
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name in ("__MACOSX/", *leftovers[:1], "a.csv", *leftovers[1:], "x/b.csv"):
            archive.writestr(name, CONTENT if name in ("a.csv", "x/b.csv") else b"\0\5\x16\7")
    reader = cdr.read(target.getvalue())
    assert len(list(reader)) == 2 * RECORDS
    assert [file.name for file in reader.left_out] == [f"<bytes>!{name}" for name in leftovers]
    with cdr.Archive(tmp_path / "a.duckdb") as opened:
        assert len(opened.load(target.getvalue()).left_out) == 5


def test_an_archive_with_only_leftovers_is_refused():
    assert "the archive is empty" in refused(zipped(**{"._a_csv": CONTENT})).message
    assert "the archive is empty" in refused(zipped()).message


def test_names_in_an_archive_are_only_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.mkdir("folder")
        archive.writestr("../../outside.csv", made(1, 2))
        archive.writestr("/x; rm -rf.csv", made(2, 2))
    reader = cdr.read(target.getvalue())
    assert len(list(reader)) == 4
    assert list(tmp_path.iterdir()) == []


def test_archives_that_are_empty_encrypted_or_nested_are_refused():
    nested = refused(zipped(inner_zip=zipped(a_csv=CONTENT)))
    assert "archive inside an archive" in nested.message
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.mkdir("folder")
    assert "the archive is empty" in refused(target.getvalue()).message
    locked = bytearray(zipped(a_csv=CONTENT))
    locked[6] |= 1
    locked[locked.rindex(b"PK\x01\x02") + 8] |= 1
    error = refused(bytes(locked))
    assert error.message == "is encrypted: unpack the archive and give the file"
    assert error.file == "<bytes>!a.csv"


def test_a_partly_read_file_is_read_from_its_position():
    for content in (CONTENT, zipped(a_csv=CONTENT)):
        file = io.BytesIO(b"before" + content)
        file.seek(6)
        assert count(file) == RECORDS


def test_a_call_id_that_begins_like_an_archive_is_text():
    content = b"BZh9;1;2026-11-02T08:15:30Z;;;;;;;\n"
    (record,) = cdr.read(content, "app-to-app")
    assert record.call_id == "BZh9"


def test_skippable_zstandard_frames_are_accepted(tmp_path: Path):
    path = tmp_path / "cdr.csv.zst"
    path.write_bytes(b"\x50\x2a\x4d\x18\x04\0\0\0abcd" + zstd.compress(CONTENT))
    assert count(path) == RECORDS


def test_without_zstandard_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, zstd.__name__, None)
    monkeypatch.delattr(sys.modules[zstd.__name__.partition(".")[0]], "zstd", raising=False)
    assert "pip install 'sinchvoice[cdr]'" in refused(PACKED["zst"](CONTENT)).message


# --- URLs ----------------------------------------------------------------------------------------


PACKED_CONTENT = gzip.compress(CONTENT)


@attrs.frozen
class Page:
    """Answer of a server: headers, and the bytes it actually sends."""

    sent: bytes = CONTENT
    status: int = 200
    length: int | None = None
    headers: Mapping[str, str] = attrs.field(factory=dict)
    chunked: bool = False
    then: Literal["go on", "close", "stall"] = "go on"


GZIP = {"Content-Encoding": "gzip"}
HALF = len(CONTENT) // 2
HEADER = CONTENT[: CONTENT.index(b"\n") + 1]
LARGE = HEADER + CONTENT.removeprefix(HEADER) * 100
PAGES = {
    "/cdr.csv": Page(),
    "/chunked.csv": Page(chunked=True),
    "/large.csv": Page(LARGE),
    "/unpacked.csv": Page(PACKED_CONTENT, headers=GZIP),
    "/unpacked.csv.gz": Page(PACKED_CONTENT, headers=GZIP),
    "/packed.csv.gz": Page(PACKED_CONTENT),
    "/denied.csv": Page(b"", 403),
    "/unauthorized.csv": Page(b"", 401),
    "/failing.csv": Page(b"", 500),
    "/gone.csv": Page(b"", 410),
    "/cut.csv": Page(CONTENT[:HALF], length=len(CONTENT), then="close"),
    "/cut_chunked.csv": Page(CONTENT[:HALF], chunked=True, then="close"),
    "/cut_unpacked.csv": Page(PACKED_CONTENT[: len(PACKED_CONTENT) // 2], headers=GZIP),
    "/cut_unpacked_chunked.csv": Page(
        PACKED_CONTENT[: len(PACKED_CONTENT) // 2], headers=GZIP, chunked=True
    ),
    "/stalled.csv": Page(CONTENT[:HALF], length=len(CONTENT), then="stall"),
    "/changing.csv": Page(),
}


class Files(BaseHTTPRequestHandler):
    """Serves the pages without range requests, like many servers."""

    protocol_version = "HTTP/1.1"
    released = threading.Event()
    gets = 0

    def do_HEAD(self) -> None:
        self.answer()

    def do_GET(self) -> None:
        type(self).gets += 1
        self.answer()

    def answer(self) -> None:
        path = self.path.partition("?")[0]
        page = PAGES.get(path, Page(b"", 404))
        if path == "/private.csv":
            page = Page() if self.headers["Authorization"] == "Bearer secret" else Page(b"", 401)
        self.send_response(page.status)
        for name, value in page.headers.items():
            self.send_header(name, value)
        if path == "/changing.csv":
            self.send_header("ETag", f'"{self.gets}"')
        if page.chunked:
            self.send_header("Transfer-Encoding", "chunked")
        else:
            self.send_header("Content-Length", str(page.length or len(page.sent)))
        self.end_headers()
        if self.command == "HEAD":
            return
        try:
            if page.chunked:
                self.wfile.write(b"%x\r\n%b\r\n" % (len(page.sent), page.sent))
                if page.then == "go on":
                    self.wfile.write(b"0\r\n\r\n")
            else:
                self.wfile.write(page.sent)
        except ConnectionError:
            self.close_connection = True  # who only wanted to know the size is gone
        if page.then == "stall":
            self.released.wait(30)
        if page.then != "go on":
            self.close_connection = True

    def log_message(self, *arguments: Any) -> None:
        pass


@pytest.fixture(scope="module")
def web() -> Iterator[str]:
    with serving() as url:
        yield url


@contextmanager
def serving() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Files)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    Files.released.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(
    "name", ["cdr.csv", "chunked.csv", "unpacked.csv", "unpacked.csv.gz", "packed.csv.gz"]
)
def test_a_url_is_read_with_any_transfer_encoding(web: str, name: str):
    assert count(f"{web}/{name}") == RECORDS


def test_a_large_file_is_read_from_a_server_without_ranges(web: str):
    assert len(LARGE) > 5 << 20  # which is a block of fsspec
    assert count(f"{web}/large.csv") == 100 * RECORDS


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("missing.csv", "the file or folder does not exist: check the URL"),
        ("gone.csv", "the file or folder does not exist: check the URL"),
        ("denied.csv", "access is denied (HTTP status 403): check the credentials and their"),
        ("unauthorized.csv", "access is denied (HTTP status 401): check the credentials and"),
        ("failing.csv", "cannot be read: HTTP status 500"),
        ("cut.csv", "cannot be read: Response payload is not completed"),
        ("cut_chunked.csv", "cannot be read: Response payload is not completed"),
        ("cut_unpacked.csv", "cannot be read: Compressed file ended before"),
        ("cut_unpacked_chunked.csv", "cannot be read: Compressed file ended before"),
        ("changing.csv", "the file changed while it was read: read it again when it is complete"),
    ],
)
def test_a_url_that_cannot_be_read_to_its_end_is_an_error(web: str, name: str, expected: str):
    error = refused(f"{web}/{name}?signature=secret")
    assert error.file == f"{web}/{name}"
    assert expected in error.message
    assert "secret" not in "".join(traceback.format_exception_only(error))
    assert error.__suppress_context__ or error.__context__ is None


def test_a_stalled_or_missing_server_is_an_error(web: str):
    timeout = aiohttp.ClientTimeout(sock_read=0.2)
    error = refused(fsspec.open(f"{web}/stalled.csv?signature=secret", timeout=timeout))
    assert str(error) == f"{web}/stalled.csv: the server did not answer in time: try again later"
    error = refused("http://127.0.0.1:9/cdr.csv?signature=secret")
    assert "Connect call failed" in error.message


def test_storage_options_go_to_fsspec(web: str):
    url = f"{web}/private.csv"
    assert "HTTP status 401" in refused(url).message
    assert count(fsspec.open(url, headers={"Authorization": "Bearer secret"})) == RECORDS


@pytest.mark.parametrize("name", ["cut.csv", "cut_chunked.csv", "cut_unpacked.csv", "changing.csv"])
def test_nothing_is_loaded_from_a_failing_url(web: str, name: str, tmp_path: Path):
    with cdr.Archive(tmp_path / "calls.duckdb") as archive:
        with pytest.raises(CdrError):
            archive.load(f"{web}/{name}")
        for table in ("records", "conflicts", "rejects", "files"):
            assert archive.sql(f"FROM {table}").rows == []


@pytest.fixture
def bucket() -> Iterator[str]:
    system = fsspec.filesystem("memory")
    for name in ("a.csv", "b.csv.gz", "notes.md"):
        content = made(ord(name[0]), 2)
        system.pipe(f"/bucket/{name}", gzip.compress(content) if "gz" in name else content)
    yield "memory://bucket"
    system.rm("/bucket", recursive=True)


def test_a_bucket_is_read_by_name_by_glob_and_by_folder(bucket: str):
    assert count(f"{bucket}/b.csv.gz") == 2
    assert count(f"{bucket}/*.csv*") == count(f"{bucket}/") == 4
    names = []
    for stream in sources.streams(f"{bucket}/"):
        names.append(stream.name)
    assert names == ["memory:///bucket/a.csv", "memory:///bucket/b.csv.gz"]
    assert "no file matches the pattern" in refused(f"{bucket}/*.xml").message


def test_a_folder_in_a_bucket_needs_no_slash_at_its_end(bucket: str):
    fsspec.filesystem("memory").pipe("/bucket/deeper.csv/c.csv", CONTENT)
    assert count(bucket) == 4
    assert count(f"{bucket}/*.csv") == 2
    assert "the file or folder does not exist" in refused(f"{bucket}/missing").message
    fsspec.filesystem("memory").pipe("/bucket/empty/notes.md", b"")
    assert "the folder has no .csv" in refused(f"{bucket}/empty").message


def test_an_fsspec_file_is_read(bucket: str, tmp_path: Path):
    assert count(fsspec.open(f"{bucket}/b.csv.gz")) == 2
    assert count(fsspec.open_files(f"{bucket}/*.csv*")) == 4
    (tmp_path / "a.csv").write_bytes(CONTENT)
    assert count(fsspec.open(f"file://{tmp_path}/a.csv")) == RECORDS
    with fsspec.open(f"{bucket}/a.csv") as file:
        assert count(file) == 2


def test_an_archive_in_a_bucket_is_read(bucket: str):
    fsspec.filesystem("memory").pipe("/bucket/c.zip", zipped(a_csv=CONTENT))
    assert count(f"{bucket}/c.zip") == RECORDS


def test_a_connection_that_ends_too_early_is_an_error(bucket: str, monkeypatch: pytest.MonkeyPatch):
    class Short(io.BytesIO):
        size = 10_000_000

    system = fsspec.filesystem("memory")
    system.pipe("/bucket/short.csv", CONTENT)
    monkeypatch.setattr(type(system), "open", lambda *arguments: Short(CONTENT))
    error = refused("memory://bucket/short.csv")
    assert f"ended after {len(CONTENT)} of 10000000 bytes" in error.message


def test_a_url_of_another_scheme_names_the_needed_package():
    assert "unknown" in refused("nonsense://a/b.csv").message.lower() or "Protocol" in str(
        refused("nonsense://a/b.csv")
    )


def test_without_fsspec_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "fsspec", None)
    error = refused("s3://key:secret@bucket/cdr.csv?signature=secret")
    assert str(error) == ("s3://bucket/cdr.csv: URLs need fsspec: pip install 'sinchvoice[cdr]'")


def test_a_package_that_a_url_needs_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "s3fs", None)
    assert "a package is missing: Install s3fs" in refused("s3://bucket/cdr.csv").message


# --- Files that change ---------------------------------------------------------------------------


def test_an_unchanged_file_passes_the_check(tmp_path: Path):
    path = tmp_path / "cdr.csv"
    path.write_bytes(CONTENT)
    with path.open("rb") as file:
        for stream in sources.streams([path, f"file://{path}", CONTENT, file]):
            assert stream.read(len(CONTENT) + 1) == CONTENT
            stream.check_unchanged()


def grow(path: Path) -> None:
    with path.open("ab") as file:
        file.write(CONTENT)


def replace(path: Path) -> None:
    path.with_suffix(".new").write_bytes(path.read_bytes())
    path.with_suffix(".new").replace(path)


def touch(path: Path) -> None:
    os.utime(path, ns=(0, 1))


@pytest.mark.parametrize("kind", ["csv", "gz", "zip"])
@pytest.mark.parametrize("change", [grow, replace, touch, Path.unlink])
def test_a_change_of_a_local_file_while_reading_is_detected(
    tmp_path: Path, kind: str, change: Callable[[Path], None]
):
    path = tmp_path / f"cdr.{kind}"
    path.write_bytes(PACKED.get(kind, bytes)(CONTENT))
    os.utime(path, ns=(0, 0))
    opened = sources.streams(path)
    stream = next(opened)
    assert stream.read(len(CONTENT)) == CONTENT
    change(path)
    with pytest.raises(CdrError, match="the file changed while it was read"):
        stream.read(2 * len(CONTENT))
    with pytest.raises(CdrError, match="the file changed while it was read") as caught:
        stream.check_unchanged()
    assert caught.value.file == str(path)


def test_a_change_of_a_remote_file_while_reading_is_detected(bucket: str):
    system = fsspec.filesystem("memory")
    opened = sources.streams(f"{bucket}/a.csv")
    stream = next(opened)
    stream.read(10)
    stream.check_unchanged()
    system.pipe("/bucket/a.csv", CONTENT)
    with pytest.raises(CdrError, match="the file changed while it was read") as caught:
        stream.check_unchanged()
    assert caught.value.file == f"{bucket}/a.csv"


def test_only_keys_that_identify_the_content_are_compared(
    bucket: str, monkeypatch: pytest.MonkeyPatch
):
    system = fsspec.filesystem("memory")
    found = {"type": "file", "size": 5, "accessed": 1, "Last-Modified": "Mon", "ETag": "a"}
    monkeypatch.setattr(system, "info", lambda path: found)
    opened = sources.streams(f"{bucket}/a.csv")
    stream = next(opened)
    found.update(accessed=2, unknown="new")
    stream.check_unchanged()
    for name, value in {"size": 6, "Last-Modified": "Tue", "ETag": "b"}.items():
        was = found[name]
        found[name] = value
        with pytest.raises(CdrError, match="the file changed"):
            stream.check_unchanged()
        found[name] = was


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_cannot_change(tmp_path: Path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=[CONTENT])
    writer.start()
    for stream in sources.streams(pipe):
        assert stream.read(len(CONTENT) + 1) == CONTENT
        assert stream.path is None
    writer.join()


def test_a_stream_knows_the_local_file_with_its_bytes(tmp_path: Path):
    for kind in ("csv", "csv.gz", "zip"):
        path = tmp_path / f"cdr.{kind}"
        path.write_bytes(PACKED.get(kind.rpartition(".")[2], bytes)(CONTENT))
        for stream in sources.streams(path):
            assert stream.path == (path if kind == "csv" else None)
    for stream in sources.streams([CONTENT, f"file://{path}"]):
        assert stream.path is None
