"""Sources of call detail records: paths, folders, archives and URLs, as streams of bytes.

Nothing here writes a file under a given name. A truncated stream is an error, and so is a file that
changed while it was read.
"""

from __future__ import annotations

import bz2
import glob
import gzip
import io
import lzma
import os
import re
import stat
import sys
import tempfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import IO, Any, Protocol, TypeAlias, TypeGuard, cast

import attrs

from ..errors import CdrError, InvalidRequest, Remedy, printable
from .open_files import is_open

__all__ = [
    "NO_DAY",
    "ByteStream",
    "LeftOut",
    "Location",
    "RemoteFile",
    "Source",
    "is_url",
    "locate",
    "located",
    "store_errors",
    "streams",
    "watched",
    "without_secrets",
]

Source: TypeAlias = "str | os.PathLike[str] | bytes | IO[bytes] | RemoteFile | Iterable[Source]"

NO_DAY = "day=__HIVE_DEFAULT_PARTITION__"
"""Folder in a lake: the partition of records without a day, which has the manifest and no other."""

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]+(?:::[A-Za-z0-9+.:\-]+)?://")
_QUOTED_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*://[^\s\"'<>]+")
_CDR_NAME = re.compile(
    r".+(?:\.(?:csv|txt)(?:\.(?:gz|bz2|xz|zst|zip))?|\.zip)", re.IGNORECASE | re.DOTALL
)
_LEFTOVER = re.compile(r"__MACOSX|Thumbs\.db|desktop\.ini|~\$.*", re.IGNORECASE | re.DOTALL)
_MAGIC = {
    "gz": b"\x1f\x8b\x08",
    "bz2": b"BZh",
    "xz": b"\xfd7zXZ\x00",
    "zst": b"\x28\xb5\x2f\xfd",
    "zip": b"PK\x03\x04",
}
_EMPTY_ZIP = b"PK\x05\x06"
# A CallId may begin with BZh: without a matching file name, more bytes must match.
_BZ2 = re.compile(rb"BZh[1-9](?:1AY&SY|\x17rE8P\x90)")
# First bytes of other files that are given by mistake.
_OTHER_FILES = (
    (
        re.compile(rb".{257}ustar", re.DOTALL),
        "this is a tar archive: unpack it and give its files",
    ),
    (
        re.compile(rb"PK\x03\x04|\x1f\x8b\x08|\xfd7zXZ\0|\x28\xb5\x2f\xfd"),
        "this is compressed twice: unpack it once",
    ),
    (_BZ2, "this is compressed twice: unpack it once"),
    (
        re.compile(rb"7z\xbc\xaf\x27\x1c|Rar!\x1a\x07|\x1f\x9d|\x04\x22\x4d\x18"),
        "this is packed in an unsupported format: unpack it and give its files",
    ),
    (
        re.compile(rb"\xd0\xcf\x11\xe0"),
        "this is an Excel workbook: save it as CSV, in UTF-8 with semicolons",
    ),
    (re.compile(rb"PAR1[\0-\x1f]"), "this is a Parquet file: query it with DuckDB"),
    (re.compile(rb"%PDF-"), "this is a PDF: give the file of records"),
    (re.compile(rb".{8}DUCK.{4}\0{4}", re.DOTALL), "this is a DuckDB file: open it as an archive"),
    (re.compile(rb"SQLite format 3\0"), "this is an SQLite database: give the file of records"),
)
_RECOGNISED = 262  # bytes needed to recognise them
_HEAD = 16
_READ_SIZE = 1 << 16
_FIRST_STEP = 1 << 10
_ZEROS: Callable[..., re.Match[bytes]] = re.compile(rb"\0*+").match  # type: ignore[assignment]
_SPOOLED = 1 << 25
_XZ_MEMORY = 1 << 27  # xz -9 needs half of it
_CONNECT_WITHIN = 30.0
_STALLED_AFTER = 60.0
# Keys by which an fsspec file system identifies the content of a file; some may be missing. Other
# keys may change for an unchanged file, such as the time of access or a redirection target.
_IDENTITY = frozenset(
    "contentmd5 created digest etag generation ino lastmodified lastwritetime md5hash "
    "modificationtime modified modify mtime sha size updated versionid".split()
)
# Those of them that are the same in a listing and for the file itself.
_LISTED_IDENTITY = frozenset("contentmd5 digest etag generation md5hash sha size".split())
_DAMAGED = (
    OSError,
    EOFError,
    zlib.error,
    lzma.LZMAError,
    zipfile.BadZipFile,
    zipfile.LargeZipFile,
    NotImplementedError,
    RuntimeError,
    ValueError,
    OverflowError,
)


@attrs.frozen
class LeftOut:
    """A file in a folder or an archive, or matched by a glob, that is not read.

    Attributes:
        name: Name of the file.
        reason: Why it is not read, such as `hidden` or `a folder`.
    """

    name: str
    reason: str


@attrs.frozen
class _Choice:
    """Selects the files to read.

    Attributes:
        recursive: Whether to read subfolders too.
        leave_out: Called with each file that is not read.
        reasons: Reasons of the files left out so far.
    """

    recursive: bool
    leave_out: Callable[[LeftOut], object]
    reasons: list[str] = attrs.field(factory=list)

    def refuse(self, name: str, reason: str) -> None:
        """Leave a file out."""
        self.reasons.append(reason)
        self.leave_out(LeftOut(_storable(name), reason))

    def nothing(self, problem: str, name: str, before: int) -> CdrError:
        """Return the error for a source without files to read, with the files left out since."""
        reasons = Counter(self.reasons[before:])
        if reasons:
            counts = "; ".join(f"{reason}: {number}" for reason, number in sorted(reasons.items()))
            problem += f" ({sum(reasons.values())} left out: {counts})"
        remedy = None
        if reasons["a folder"]:
            remedy = Remedy("its folders are read with {recursive}", recursive="recursive=True")
        return CdrError(problem, name, remedy=remedy)


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


class RemoteFile(Protocol):
    """A file in an fsspec file system, as returned by `fsspec.open(url, **storage_options)`."""

    @property
    def fs(self) -> Any:
        """File system."""
        ...

    @property
    def path(self) -> str:
        """Path in the file system."""
        ...


class ByteStream:
    """A file as a stream of unpacked bytes.

    Attributes:
        name: Name of the file in messages and rejects.
        path: Path of the local file with exactly these bytes; None for other or packed sources.
    """

    def __init__(
        self,
        name: str,
        read: Callable[[int], bytes],
        *,
        origin: _Origin | None = None,
        path: Path | None = None,
    ) -> None:
        self.name = _storable(name)
        self.path = path
        self._read = read
        self._origin = origin

    @property
    def size(self) -> int | None:
        """Size in bytes, if known before reading."""
        try:
            return None if self.path is None else self.path.stat().st_size
        except OSError:
            return None

    def read(self, size: int) -> bytes:
        """Return exactly `size` bytes, or all that are left.

        Raises:
            CdrError: The file cannot be read, is truncated, or changed while it was read.
        """
        parts = []
        while size > 0:
            part = self._read(size)
            if not part:
                self.check_unchanged()
                break
            parts.append(part)
            size -= len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def unread(self, content: bytes) -> None:
        """Put back bytes that were read."""
        rest, held = self._read, io.BytesIO(content)
        self._read = lambda size: held.read(size) or rest(size)

    def check_unchanged(self) -> None:
        """Check that the file did not change while it was read.

        A local file is compared by inode, size and time, a remote one by what its file system
        reports, such as the ETag. Bytes, pipes and files given open cannot be checked.

        Raises:
            CdrError: The file changed, or the check failed.
        """
        if self._origin is not None:
            self._origin.check_unchanged()


def _storable(name: str) -> str:
    """Return a name in valid UTF-8, which can be stored and printed."""
    return name.encode("utf-8", "backslashreplace").decode()


def streams(
    source: Source,
    *,
    recursive: bool = False,
    leave_out: Callable[[LeftOut], object] = lambda _: None,
) -> Generator[ByteStream, None, None]:
    """Yield one stream per file; each is closed when the next is requested.

    Args:
        source: A path, glob, folder, URL, binary file, bytes, `-` for standard input, an fsspec
            file, or an iterable of these.
        recursive: Whether to read subfolders too.
        leave_out: Called with each file of a folder, a glob or an archive that is not read.

    Raises:
        CdrError: The folder does not exist or has no files. A file that cannot be opened raises it
            when it is read, so that the caller can continue with the next.
        InvalidRequest: The source is not one of these.
    """
    yield from _opened_by_kind(source, _Choice(recursive, leave_out))


def _opened_by_kind(source: Source, choice: _Choice) -> Generator[ByteStream, None, None]:
    if isinstance(source, ByteStream):
        yield source  # already unpacked, whatever its name
    elif isinstance(source, bytes | bytearray | memoryview):
        yield from _unpacked("<bytes>", io.BytesIO(source), choice)
    elif _is_of_fsspec(source):
        name = without_secrets(source.fs.unstrip_protocol(source.path))
        yield from _remote(name, source.fs, source.path, choice)
    elif isinstance(source, str | os.PathLike):
        location = os.fspath(source)
        if not isinstance(location, str) or not location or "\0" in location:
            raise InvalidRequest(f"source {location!r} is not a file name")
        if location == "-":
            yield from _unpacked("<stdin>", sys.stdin.buffer, choice)
        elif is_url(source):
            yield from _remote(without_secrets(location), *located(location), choice)
        else:
            yield from _local(location, choice)
    elif callable(getattr(source, "read", None)):
        yield from _given(source, choice)
    elif isinstance(source, Iterable):
        for each in source:
            yield from _opened_by_kind(each, choice)
    else:
        raise InvalidRequest(
            f"source is {type(source).__name__}: give a path, a glob, a folder, a URL, "
            "a binary file, bytes, '-', an fsspec file or a list of these"
        )


@attrs.frozen
class Location:
    """A file to be opened later, also by another process, which must see the same files.

    Attributes:
        name: Name of the file.
        size: Size in bytes, as stored; None if unknown.
    """

    name: str
    size: int | None
    _path: str
    _system: Any = None
    _identity: Mapping[str, object] | None = attrs.field(default=None, alias="identity")
    _failure: str | None = attrs.field(default=None, alias="failure")

    def open(
        self, *, leave_out: Callable[[LeftOut], object] = lambda _: None
    ) -> Generator[ByteStream, None, None]:
        """Yield the streams in the file, as `streams` does.

        A file that changed since it was located fails when it is read.

        Args:
            leave_out: Called with each file of an archive that is not read.
        """
        choice = _Choice(False, leave_out)
        if self._failure is not None:
            yield _failing(self.name, CdrError(self._failure, self.name))
        elif self._system is None:
            file = _local_file(Path(self._path), choice, self._identity)
            yield from _or_failing(self.name, file)
        else:
            file = _remote_file(self.name, self._system, self._path, choice, self._identity)
            yield from _or_failing(self.name, file)


def locate(
    location: str | os.PathLike[str],
    *,
    recursive: bool = False,
    leave_out: Callable[[LeftOut], object] = lambda _: None,
) -> Iterator[Location]:
    """Yield the files at a path, a glob, a folder or a URL, without opening them; see `streams`.

    Raises:
        CdrError: The file or the folder does not exist, or has no files.
        InvalidRequest: This is not a path or a URL.
    """
    text = os.fspath(location)
    if not isinstance(text, str) or not text or "\0" in text or text == "-":
        raise InvalidRequest(f"path {location!r} is not a file name: give a path or a URL")
    choice = _Choice(recursive, leave_out)
    if isinstance(location, str) and _URL.match(location):
        shown = without_secrets(location)
        system, path = located(location)
        for found in _remote_files(shown, system, path, choice):
            size = found.get("size")
            yield Location(
                shown if found["name"] == path else _remote_name(system, found["name"]),
                size if isinstance(size, int) else None,
                found["name"],
                system,
                _identity(found),
            )
        return
    for each, failure in _listed(text, choice):
        name = str(each)
        if failure is not None:
            yield Location(_storable(name), None, name, failure=failure.message)
            continue
        try:
            stored = each.stat()
        except (OSError, ValueError) as error:
            raise _unreadable(name, error) from error
        identity = {"size": stored.st_size, "mtime": stored.st_mtime_ns}
        yield Location(_storable(name), stored.st_size, name, identity=identity)


def _is_of_fsspec(source: Any) -> TypeGuard[RemoteFile]:
    return hasattr(source, "fs") and hasattr(source, "path") and not hasattr(source, "read")


def watched(name: str, path: Path) -> ByteStream:
    """Return a stream without bytes that checks whether a local file changes."""
    origin = _Origin(name, partial(_local_identity, path))
    return ByteStream(name, lambda _: b"", origin=origin, path=path)


def is_url(location: object) -> TypeGuard[str]:
    """Tell whether a location is a URL."""
    return isinstance(location, str) and _URL.match(location) is not None


# --- Locations -----------------------------------------------------------------------------------


def _local(location: str, choice: _Choice) -> Generator[ByteStream, None, None]:
    for each, failure in _listed(location, choice):
        if failure is None:
            yield from _or_failing(str(each), _local_file(each, choice))
        else:
            yield _failing(str(each), failure)


def _listed(location: str, choice: _Choice) -> _Listed:
    """Yield the files at a path, in a folder or of a glob."""
    path = Path(location)
    before = len(choice.reasons)
    try:
        is_folder = path.is_dir()
        is_glob = not is_folder and glob.has_magic(location) and not os.path.lexists(location)
        found = sorted(glob.glob(location, recursive=True)) if is_glob else []  # noqa: PTH207
    except (OSError, ValueError) as error:
        raise _unreadable(location, error) from error
    if is_folder:
        listed = list(_walk(path, choice, set()))
        problem = _NO_FILES
        if not listed and (path / NO_DAY).is_dir():
            raise _lake(location)
    elif is_glob:
        listed = list(_matches(map(Path, found), choice))
        problem = f"no file matches the pattern{_bracket_hint(location)}"
    else:
        listed, problem = [(path, None)], ""
    if not listed:
        raise choice.nothing(problem, location, before)
    yield from listed


_NO_FILES = "the folder has no .csv, .txt or .zip files"


def _lake(name: str) -> CdrError:
    return CdrError(
        "this is a lake, written by an export: scan it, or load the files it was made of", name
    )


_Listed: TypeAlias = "Iterator[tuple[Path, CdrError | None]]"
"""Files to read, each with the error if it cannot be read."""


def _walk(folder: Path, choice: _Choice, seen: set[Path]) -> _Listed:
    """Yield the files of a folder by name, those of a subfolder at its position."""
    folders = [iter(_sorted(folder))]
    while folders:
        path = next(folders[-1], None)
        if path is None:
            folders.pop()
        elif path not in seen:
            seen.add(path)
            is_folder = _is_folder(path)
            refused = _hidden(path.name) if is_folder else _refused_by_name(path.name)
            if refused is not None:
                choice.refuse(str(path), refused)
            elif is_folder and choice.recursive and not path.is_symlink():
                try:
                    folders.append(iter(_sorted(path)))
                except CdrError as error:
                    yield path, error
            else:
                yield from _one(path, choice)


def _sorted(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError as error:
        raise _unreadable(str(folder), error) from error


def _matches(paths: Iterable[Path], choice: _Choice) -> _Listed:
    """Yield the files matched by a glob, each once."""
    seen: set[Path] = set()
    for path in paths:
        if path in seen:
            continue
        seen.add(path)
        if choice.recursive and _is_folder(path) and not path.is_symlink():
            try:
                yield from _walk(path, choice, seen)
            except CdrError as error:
                yield path, error
        else:
            yield from _one(path, choice)


def _one(path: Path, choice: _Choice) -> _Listed:
    """Yield a path if it is a file; broken links fail."""
    try:
        mode = path.stat().st_mode
    except OSError as error:
        problem = _unreadable(str(path), error)
        if path.is_symlink():
            problem = CdrError("this link is broken: correct or remove it", str(path))
        yield path, problem
        return
    if stat.S_ISREG(mode):
        yield path, None
    elif not stat.S_ISDIR(mode):
        choice.refuse(str(path), "a pipe, a socket or a device")
    elif path.is_symlink():
        choice.refuse(str(path), "a link to a folder")
    else:
        choice.refuse(str(path), "a folder")


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:
        return False


def _refused_by_name(name: str) -> str | None:
    """Return why a file with this name is not read; None if it is."""
    return _hidden(name) or (None if _CDR_NAME.fullmatch(name) else _OTHER_NAME)


_OTHER_NAME = "not named .csv, .txt or .zip"


def _hidden(name: str) -> str | None:
    if name.startswith(".") and name not in (".", ".."):
        return "hidden"
    return "left by the operating system" if _LEFTOVER.fullmatch(name) else None


def _bracket_hint(location: str) -> str:
    """Return how to write a folder name that reads as a glob, if there is one."""
    for folder in reversed(Path(location).parents):
        if glob.has_magic(str(folder)) and folder.is_dir():
            rest = location[len(str(folder)) :]
            return f": write {glob.escape(str(folder)) + rest!r}, to escape the folder name"
    return ""


def _local_file(
    path: Path, choice: _Choice, listed: Mapping[str, object] | None = None
) -> Generator[ByteStream, None, None]:
    if is_open(path):
        raise CdrError(
            "this is an open archive, not a file of records: query it with sql() or copy it with "
            "backup()",
            str(path),
        )
    origin = _Origin(str(path), partial(_local_identity, path))
    with ExitStack() as stack:
        try:
            file = stack.enter_context(path.open("rb"))
            stored = path.stat()
        except (OSError, ValueError) as error:
            raise _unreadable(str(path), error) from error
        _check_listed(str(path), listed, {"size": stored.st_size, "mtime": stored.st_mtime_ns})
        # A pipe can be read only once.
        own = path if path.is_file() else None
        yield from _unpacked(str(path), file, choice, origin, own)


def _or_failing(
    name: str, opened: Generator[ByteStream, None, None]
) -> Generator[ByteStream, None, None]:
    """Yield the streams of a file; if it cannot be opened, one that fails when read."""
    try:
        yield from opened
    except CdrError as error:
        yield _failing(name, error)


def _failing(name: str, failure: CdrError) -> ByteStream:
    def fail(_: int) -> bytes:
        raise failure

    return ByteStream(name, fail)


def _given(file: Any, choice: _Choice) -> Generator[ByteStream, None, None]:
    if isinstance(file, io.TextIOBase):
        raise InvalidRequest("source is a text file: open it in binary mode, 'rb'")
    name = getattr(file, "name", None)
    yield from _unpacked(name if isinstance(name, str) else "<file>", file, choice)


def located(url: str) -> tuple[Any, str]:
    """Return the file system of a URL and the path in it."""
    shown = without_secrets(url)
    try:
        import fsspec
    except ImportError as error:
        raise CdrError("URLs need fsspec: pip install 'sinchvoice[cdr]'", shown) from error
    with store_errors(shown):
        system, location = fsspec.core.url_to_fs(url)
        if url.endswith("/") and not location.endswith("/"):
            location += "/"
    return system, location


def _remote(
    shown: str, system: Any, location: str, choice: _Choice
) -> Generator[ByteStream, None, None]:
    for found in _remote_files(shown, system, location, choice):
        path = found["name"]
        name = shown if path == location else _remote_name(system, path)
        yield from _or_failing(name, _remote_file(name, system, path, choice))


def _remote_name(system: Any, path: str) -> str:
    return without_secrets(system.unstrip_protocol(path))


def _remote_file(
    name: str,
    system: Any,
    path: str,
    choice: _Choice,
    listed: Mapping[str, object] | None = None,
) -> Generator[ByteStream, None, None]:
    origin = _Origin(name, partial(_remote_identity, name, system, path))
    _check_listed(name, listed, origin.before)
    with ExitStack() as stack:
        with store_errors(name):
            file = stack.enter_context(_opened(system, path))
        yield from _unpacked(name, _Remote(name, file, origin), choice, origin)


def _remote_files(shown: str, system: Any, location: str, choice: _Choice) -> list[dict[str, Any]]:
    """Return the files of a folder, those matched by a glob, or the one file, as listed."""
    before = len(choice.reasons)
    with store_errors(shown):
        # A process may run for days and must see new files.
        system.invalidate_cache()
        is_glob = glob.has_magic(location) and "?" not in location
        if is_glob:
            found = list(system.glob(location, detail=True).values())
        elif not location.endswith("/") and (one := system.info(location))["type"] != "directory":
            return [{**one, "name": location}]
        elif choice.recursive:
            found = list(system.find(location, detail=True).values())
        else:
            found = system.ls(location, detail=True)
        files = []
        for each in sorted(found, key=lambda each: each["name"]):
            below = each["name"].partition("?")[0].removeprefix(location.rstrip("/")).split("/")
            *folders, name = filter(None, below) if not is_glob else below
            refused: str | None = None
            if each["type"] != "file":
                refused = "a folder"
            elif not is_glob:
                hidden = next(filter(None, map(_hidden, folders)), None)
                refused = hidden or _refused_by_name(name)
            if refused is None:
                files.append(each)
            else:
                choice.refuse(_remote_name(system, each["name"]), refused)
    if not files:
        if any(NO_DAY in each["name"] for each in found):
            raise _lake(shown)
        problem = "no file matches the pattern: check the URL" if is_glob else _NO_FILES
        raise choice.nothing(problem, shown, before)
    return files


def _opened(system: Any, path: str) -> Any:
    if not _is_http(system):
        return system.open(path, "rb")
    import aiohttp

    # One request for the whole file: separate requests could return parts of different versions.
    # No decompression by aiohttp, which misses the truncation of a compressed file.
    settings = system.storage_options
    options = {
        "headers": {**settings.get("headers", {}), "Accept-Encoding": "identity"},
        "auto_decompress": False,
    }
    if "timeout" not in settings:
        options["timeout"] = aiohttp.ClientTimeout(
            total=None, sock_connect=_CONNECT_WITHIN, sock_read=_STALLED_AFTER
        )
    # Without a size, fsspec would send another request for it.
    return system.open(path, "rb", block_size=0, size=-1, **options)


def _is_http(system: Any) -> bool:
    return "https" in system.protocol


class _Remote:
    """A remote file, whose errors name the file.

    It cannot seek: an archive is fetched once, from beginning to end.
    """

    def __init__(self, name: str, file: Any, origin: _Origin) -> None:
        self._name = name
        self._file = file
        self._origin = origin
        self._whole: int | None = getattr(file, "size", None)
        self._at = 0

    def read(self, size: int) -> bytes:
        try:
            with store_errors(self._name):
                content: bytes = self._file.read(size)
        except CdrError as error:
            raise self._origin.explained(error) from None
        self._at += len(content)
        if not content and self._whole is not None and self._at < self._whole:
            raise CdrError(
                f"the connection ended after {self._at} of {self._whole} bytes: fetch it again",
                self._name,
            )
        return content


@contextmanager
def store_errors(name: str, done: str = "read") -> Iterator[None]:
    """Turn any error of a file system into a CdrError; `done` says what could not be done."""
    try:
        yield
    except CdrError:
        raise
    except ImportError as error:
        raise CdrError(f"a package is missing: {printable(str(error))}", name) from error
    except Exception as error:  # noqa: BLE001 - each file system has its own exceptions
        # Not "from error": its traceback would show the URL with the signature.
        raise _unavailable(name, error, done) from None


def _unavailable(name: str, error: Exception, done: str) -> CdrError:
    cause = _cause(error)
    status = getattr(cause, "status", None)
    reason = f"HTTP status {status}" if status else _reason(cause)
    is_denied = isinstance(cause, PermissionError) or status in (401, 403)
    if is_denied or "credentials" in reason:
        return CdrError(
            f"access is denied ({reason}): check the credentials and their permissions", name
        )
    if isinstance(cause, FileNotFoundError) or status in (404, 410):
        return CdrError("the file or folder does not exist: check the URL", name)
    if isinstance(cause, TimeoutError):
        return CdrError("the server did not answer in time: try again later", name)
    return CdrError(f"cannot be {done}: {reason}", name)


def _cause(error: Exception) -> BaseException:
    """Return the actual cause of an error."""
    if isinstance(error, FileNotFoundError):  # fsspec raises it for any HTTP status
        return error.__cause__ or error
    if isinstance(error, LookupError):  # s3fs fails on a timeout, which has no message
        return error.__context__ or error
    return error


# --- Detection of changes ------------------------------------------------------------------------


class _Origin:
    """Detects whether a file changes while it is read.

    Args:
        name: Name of the file.
        identify: Returns a value that identifies the content of the file; None if unknown.

    Attributes:
        before: This value, before the file was opened.
    """

    def __init__(self, name: str, identify: Callable[[], object]) -> None:
        self._name = name
        self._identify = identify
        self.before = identify()

    def check_unchanged(self) -> None:
        try:
            changed = self._has_changed()
        except CdrError as error:
            raise CdrError(
                f"cannot check whether the file changed while it was read: {error.message}",
                self._name,
            ) from error
        if changed:
            raise self._changed()

    def explained(self, error: CdrError) -> CdrError:
        """Return the error, or a change of the file as its likely cause."""
        with suppress(CdrError):
            if self._has_changed():
                return self._changed()
        return error

    def _has_changed(self) -> bool:
        return self.before is not None and self._identify() != self.before

    def _changed(self) -> CdrError:
        return CdrError(
            "the file changed while it was read: read it again when it is complete", self._name
        )


def _local_identity(path: Path) -> object:
    try:
        found = path.stat()
    except (OSError, ValueError):
        return None
    if not stat.S_ISREG(found.st_mode):
        return None  # reading a pipe changes its times
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def _remote_identity(name: str, system: Any, path: str) -> Mapping[str, object]:
    with store_errors(name):
        system.invalidate_cache(path)
        return _identity(system.info(path))


def _identity(info: Mapping[str, object]) -> Mapping[str, object]:
    known = {re.sub("[-_]", "", key).lower(): value for key, value in info.items()}
    return {key: known[key] for key in known.keys() & _IDENTITY}


def _check_listed(name: str, listed: Mapping[str, object] | None, now: object) -> None:
    """Refuse a file that is not the listed one any more."""
    if listed is None or not isinstance(now, Mapping):
        return
    keys = listed.keys() & now.keys() & (_LISTED_IDENTITY | {"mtime"})
    if any(listed[key] != now[key] for key in keys):
        raise CdrError("the file changed after it was listed: list and read it again", name)


# --- Compression and archives --------------------------------------------------------------------


def _unpacked(
    name: str,
    file: _Readable,
    choice: _Choice,
    origin: _Origin | None = None,
    path: Path | None = None,
    *,
    inside: bool = False,
) -> Generator[ByteStream, None, None]:
    """Yield the streams in a file: the file itself, decompressed, or the members of an archive."""
    content = _Peekable(name, file)
    kind = _kind(name, content.head)
    if kind == "zip":
        if inside:
            raise CdrError("this is an archive inside an archive: unpack the outer one first", name)
        yield from _members(name, content, choice, origin)
        return
    failure: type[Exception] = OSError
    with ExitStack() as stack:
        opened: Any = content
        if kind == "gz":
            # Its type requires a seek method, which it never calls when reading forward.
            opened = stack.enter_context(gzip.GzipFile(fileobj=cast("IO[bytes]", content)))
        elif kind is not None:
            make, failure = _decompressor(kind, name)
            opened = _Decompressed(content, make)
        yield ByteStream(
            name,
            _Recognised(name, _checked(name, opened.read, failure, origin)).read,
            origin=origin,
            path=path if kind is None else None,
        )


def _kind(name: str, head: bytes) -> str | None:
    suffix = name.lower().rpartition(".")[2]
    magic = _MAGIC.get(suffix)
    if magic is not None:
        if not head.startswith(magic) and not (suffix == "zst" and head[1:4] == b"\x2a\x4d\x18"):
            if suffix == "zip" and head.startswith(_EMPTY_ZIP):
                return suffix
            if not head:
                raise CdrError("the file is empty: fetch it again", name)
            raise CdrError(
                f"the name ends in .{suffix}, but the content is not {suffix}: "
                "rename the file or fetch it again",
                name,
            )
        return suffix
    if head.startswith(_EMPTY_ZIP):
        return "zip"
    for kind, start in _MAGIC.items():
        if head.startswith(start) and (kind != "bz2" or _BZ2.match(head)):
            return kind
    return None


def _members(
    name: str, content: _Peekable, choice: _Choice, origin: _Origin | None
) -> Generator[ByteStream, None, None]:
    with ExitStack() as stack:
        try:
            file = content.rewound()
            if file is None:
                file = stack.enter_context(tempfile.SpooledTemporaryFile(_SPOOLED))
                while part := content.read(_READ_SIZE):
                    file.write(part)
            archive = stack.enter_context(zipfile.ZipFile(file))
            members = [member for member in archive.infolist() if not member.filename.endswith("/")]
        except _DAMAGED as error:
            raise _unreadable(name, error) from error
        _check_no_document(name, {member.filename for member in members})
        chosen = []
        for member in members:
            refused = next(filter(None, map(_hidden, member.filename.split("/"))), None)
            if refused is None:
                chosen.append(member)
            else:
                choice.refuse(f"{name}!{member.filename}", refused)
        if not chosen:
            raise CdrError("the archive is empty: pack it again", name)
        for member in chosen:
            inner = f"{name}!{member.filename}"
            yield from _or_failing(inner, _member(inner, archive, member, choice, origin))


def _member(
    name: str,
    archive: zipfile.ZipFile,
    member: zipfile.ZipInfo,
    choice: _Choice,
    origin: _Origin | None,
) -> Generator[ByteStream, None, None]:
    if member.flag_bits & 1:
        raise CdrError("is encrypted: unpack the archive and give the file", name)
    with ExitStack() as stack:
        try:
            stream = stack.enter_context(archive.open(member))
        except NotImplementedError as error:
            raise CdrError(
                "is packed in an unsupported format: unpack the archive and give the file",
                name,
            ) from error
        except _DAMAGED as error:
            raise _unreadable(name, error) from error
        yield from _unpacked(name, stream, choice, origin, inside=True)


def _check_no_document(name: str, members: set[str]) -> None:
    """Refuse office documents, which are archives too."""
    if "[Content_Types].xml" in members or {"mimetype", "content.xml"} <= members:
        is_workbook = any(member.startswith("xl/") for member in members)
        kind = "an Excel workbook" if is_workbook else "an office document"
        raise CdrError(f"this is {kind}: save it as CSV, in UTF-8 with semicolons", name)


class _Recognised:
    """A file that is refused if its first bytes are those of another format."""

    def __init__(self, name: str, read: Callable[[int], bytes]) -> None:
        self._name = name
        self._read = read
        self._left: bytes | None = None

    def read(self, size: int) -> bytes:
        if self._left is None:
            self._left = b""
            while len(self._left) < _RECOGNISED and (part := self._read(_RECOGNISED)):
                self._left += part
            for begin, problem in _OTHER_FILES:
                if begin.match(self._left):
                    raise CdrError(problem, self._name)
        if self._left:
            part, self._left = self._left[:size], self._left[size:]
            return part
        return self._read(size)


class _Peekable:
    """A file whose first bytes can be examined before it is read."""

    def __init__(self, name: str, file: _Readable) -> None:
        self._file = file
        self._start = _position(file)
        self._read = _checked(name, file.read)
        self.head = b""
        while len(self.head) < _HEAD and (part := self._read(_HEAD - len(self.head))):
            self.head += part
        self._left = self.head

    def rewound(self) -> IO[bytes] | None:
        """Return the file at its beginning; None if it cannot seek or did not start there."""
        if self._start != 0:
            return None
        file = cast("IO[bytes]", self._file)
        file.seek(0)
        return file

    def read(self, size: int) -> bytes:
        if self._left:
            part, self._left = self._left[:size], self._left[size:]
            return part
        return self._read(size)


def _position(file: Any) -> int | None:
    try:
        return file.tell() if file.seekable() else None
    except (OSError, ValueError, AttributeError):
        return None


class _Decompressor(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...


class _Decompressed:
    """A decompressed file of one or more parts.

    The file classes of the standard library ignore a damaged second part, and its rows.
    """

    def __init__(self, file: _Peekable, make: Callable[[], _Decompressor]) -> None:
        self._file = file
        self._make = make
        self._part = make()
        self._step = _FIRST_STEP  # bytes per call; those after a small part are copied
        self._ahead = b""
        self._at = 0  # position in _ahead

    def read(self, size: int) -> bytes:
        while True:
            if self._part.eof and not self._begin_part():
                return b""
            given = b""
            if self._part.needs_input:
                if self._at == len(self._ahead) and not self._more():
                    raise EOFError("the data is truncated")
                given = self._ahead[self._at : self._at + self._step]
                self._at += len(given)
                self._step = min(2 * self._step, _READ_SIZE)
            content = self._part.decompress(given, size)
            if content:
                return content

    def _more(self) -> bool:
        self._ahead = self._file.read(_READ_SIZE)
        self._at = 0
        return bool(self._ahead)

    def _begin_part(self) -> bool:
        # Parts may be padded with zeros, as in xz; no part begins with one.
        self._at -= len(self._part.unused_data)
        self._at = _ZEROS(self._ahead, self._at).end()
        while self._at == len(self._ahead):
            if not self._more():
                return False
            self._at = _ZEROS(self._ahead).end()
        self._part = self._make()
        self._step = _FIRST_STEP
        return True


def _decompressor(kind: str, name: str) -> tuple[Callable[[], _Decompressor], type[Exception]]:
    if kind == "bz2":
        return bz2.BZ2Decompressor, OSError
    if kind == "xz":
        return partial(lzma.LZMADecompressor, memlimit=_XZ_MEMORY), lzma.LZMAError
    try:
        if sys.version_info >= (3, 14):
            from compression import zstd
        else:
            from backports import zstd
    except ImportError as error:
        raise CdrError(
            ".zst needs Python 3.14 or backports.zstd: pip install 'sinchvoice[cdr]'", name
        ) from error
    return zstd.ZstdDecompressor, zstd.ZstdError


def _checked(
    name: str,
    read: Callable[[int], bytes],
    failure: type[Exception] = OSError,
    origin: _Origin | None = None,
) -> Callable[[int], bytes]:
    """Return the function with all errors of a damaged file as a CdrError with the position."""
    at = 0

    def checked(size: int) -> bytes:
        nonlocal at
        try:
            content = read(size)
        except CdrError:
            raise
        except (failure, *_DAMAGED) as error:
            damaged = _unreadable(name, error, at)
            raise (damaged if origin is None else origin.explained(damaged)) from error
        if not isinstance(content, bytes):  # None means "not yet", and must not pass as the end
            raise CdrError(f"read() returned {type(content).__name__}, not bytes", name)
        at += len(content)
        return content

    return checked


def _unreadable(name: str, error: Exception, at: int = 0) -> CdrError:
    """Return the error for a file that cannot be read after this many bytes."""
    if not at:
        return CdrError(f"cannot be read: {_reason(error)}", name)
    return CdrError(
        f"cannot be read: {_reason(error)}, after {at:,} bytes",
        name,
        remedy="fetch it again or check its disk",
    )


def _reason(error: BaseException) -> str:
    reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
    # Libraries quote the URL, including the signature.
    return printable(_QUOTED_URL.sub(lambda url: without_secrets(url[0]), str(reason)))


def without_secrets(url: str) -> str:
    """Return a URL without user and query, which may contain a signature."""
    scheme, separator, rest = url.partition("://")
    place, _, _ = rest.partition("?")
    host, slash, path = place.partition("/")
    return f"{scheme}{separator}{host.rpartition('@')[2]}{slash}{path}"
