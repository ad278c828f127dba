"""Where call detail records come from: paths, folders, archives and URLs, as streams of bytes.

Nothing here writes a file by a name that it was given. A stream that ends too early is an error,
and so is a file that is not the same any more when it has been read to its end.
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
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import IO, Any, Protocol, TypeAlias, TypeGuard, cast

from ..errors import CdrError, InvalidRequest, printable

__all__ = ["ByteStream", "RemoteFile", "Source", "streams"]

Source: TypeAlias = "str | os.PathLike[str] | bytes | IO[bytes] | RemoteFile | Iterable[Source]"

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]+(?:::[A-Za-z0-9+.:\-]+)?://")
_QUOTED_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*://[^\s\"'<>]+")
_CDR_NAME = re.compile(r"[^.].*(?:\.(?:csv|txt)(?:\.(?:gz|bz2|xz|zst|zip))?|\.zip)", re.IGNORECASE)
_MAGIC = {
    "gz": b"\x1f\x8b\x08",
    "bz2": b"BZh",
    "xz": b"\xfd7zXZ\x00",
    "zst": b"\x28\xb5\x2f\xfd",
    "zip": b"PK\x03\x04",
}
# A CallId may begin with BZh: without a name that says so, more has to fit.
_BZ2 = re.compile(rb"BZh[1-9](?:1AY&SY|\x17rE8P\x90)")
_HEAD = 16
_READ_SIZE = 1 << 16
_SPOOLED = 1 << 25
_XZ_MEMORY = 1 << 27  # xz -9 needs half of it
_CONNECT_WITHIN = 30.0
_STALLED_AFTER = 60.0
# By these, or whatever of them it has, a file system of fsspec tells one content from another. The
# rest may change by itself: the time of the last access, or where a redirection leads to.
_IDENTITY = frozenset(
    "contentmd5 created digest etag generation ino lastmodified lastwritetime md5hash "
    "modificationtime modified modify mtime sha size updated versionid".split()
)
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


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


class RemoteFile(Protocol):
    """A file of a file system of fsspec, as `fsspec.open(url, **storage_options)` gives it."""

    @property
    def fs(self) -> Any:
        """The file system."""
        ...

    @property
    def path(self) -> str:
        """Where the file is there."""
        ...


class ByteStream:
    """A file as a reader needs it.

    Attributes:
        name: what to call the file in messages and rejects.
        path: of the local file that has these very bytes; None if they come from elsewhere, or
            were packed.
    """

    def __init__(
        self,
        name: str,
        read: Callable[[int], bytes],
        *,
        origin: _Origin | None = None,
        path: Path | None = None,
    ) -> None:
        # A name that is no UTF-8 would neither be stored nor printed.
        self.name = name.encode("utf-8", "backslashreplace").decode()
        self.path = path
        self._read = read
        self._origin = origin

    @property
    def size(self) -> int | None:
        """How many bytes there are, as far as it is known before they are read."""
        try:
            return None if self.path is None else self.path.stat().st_size
        except OSError:
            return None

    def read(self, size: int) -> bytes:
        """Exactly `size` bytes, or all that are left.

        Raises:
            CdrError: they cannot be read, the file ends before its end, or it changed meanwhile.
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

    def check_unchanged(self) -> None:
        """Ask where the file is whether it is what it was before it was read.

        A local file has its place, size and time, a remote one what its file system tells, such as
        the ETag. Bytes, pipes and files that were given open have nothing that could be asked for.

        Raises:
            CdrError: it is not, or it cannot be told.
        """
        if self._origin is not None:
            self._origin.check_unchanged()


def streams(source: Source) -> Generator[ByteStream, None, None]:
    """Open one file after the other, each closed when the next is asked for.

    Args:
        source: a path, glob text, folder, URL, binary file, bytes, `-` for standard input, a file
            of fsspec, or an iterable of these.

    Raises:
        CdrError: there is no such folder, or no file in it. A file that cannot be opened raises it
            when it is read, so that whoever wants to can go on with the next.
        InvalidRequest: it is nothing that can be read.
    """
    if isinstance(source, ByteStream):
        yield source  # unpacked already, whatever its name ends in
    elif isinstance(source, bytes | bytearray | memoryview):
        yield from _unpacked("<bytes>", io.BytesIO(source))
    elif _is_of_fsspec(source):
        name = _without_secrets(source.fs.unstrip_protocol(source.path))
        yield from _remote(name, source.fs, source.path)
    elif isinstance(source, str | os.PathLike):
        location = os.fspath(source)
        if not isinstance(location, str) or not location or "\0" in location:
            raise InvalidRequest(f"source {location!r} is not the name of a file")
        if location == "-":
            yield from _unpacked("<stdin>", sys.stdin.buffer)
        elif isinstance(source, str) and _URL.match(location):
            yield from _remote(_without_secrets(location), *_located(location))
        else:
            yield from _local(location)
    elif callable(getattr(source, "read", None)):
        yield from _given(source)
    elif isinstance(source, Iterable):
        for each in source:
            yield from streams(each)
    else:
        raise InvalidRequest(
            f"source is {type(source).__name__}: give a path, a glob, a folder, a URL, "
            "a binary file, bytes, '-', a file of fsspec or a list of these"
        )


def _is_of_fsspec(source: Any) -> TypeGuard[RemoteFile]:
    return hasattr(source, "fs") and hasattr(source, "path") and not hasattr(source, "read")


# --- where the bytes are ------------------------------------------------------------------------


def _local(location: str) -> Generator[ByteStream, None, None]:
    for path in _paths(location):
        yield from _or_failing(str(path), _local_file(path))


def _local_file(path: Path) -> Generator[ByteStream, None, None]:
    origin = _Origin(str(path), partial(_local_identity, path))
    with ExitStack() as stack:
        try:
            file = stack.enter_context(path.open("rb"))
        except (OSError, ValueError) as error:
            raise _unreadable(str(path), error) from error
        # A pipe has its bytes once.
        yield from _unpacked(str(path), file, origin, path if path.is_file() else None)


def _or_failing(
    name: str, opened: Generator[ByteStream, None, None]
) -> Generator[ByteStream, None, None]:
    """The streams of a file; if it cannot be opened, one that says so when it is read."""
    try:
        yield from opened
    except CdrError as error:
        failure = error
    else:
        return

    def fail(_: int) -> bytes:
        raise failure

    yield ByteStream(name, fail)


def _paths(location: str) -> list[Path]:
    path = Path(location)
    try:
        if path.is_dir():
            files = [each for each in path.iterdir() if _CDR_NAME.fullmatch(each.name)]
            found = sorted(each for each in files if each.is_file())
            if not found:
                raise CdrError("the folder has no .csv, .txt or .zip files", location)
            return found
        if glob.has_magic(location) and not path.exists():
            names = sorted(glob.glob(location, recursive=True))  # noqa: PTH207
            found = [Path(name) for name in names if Path(name).is_file()]
            if not found:
                raise CdrError("no file has a name like this", location)
            return found
    except (OSError, ValueError) as error:
        raise _unreadable(location, error) from error
    return [path]


def _given(file: Any) -> Generator[ByteStream, None, None]:
    if isinstance(file, io.TextIOBase):
        raise InvalidRequest("source is a file of text: open it in binary mode, 'rb'")
    name = getattr(file, "name", None)
    yield from _unpacked(name if isinstance(name, str) else "<file>", file)


def _located(url: str) -> tuple[Any, str]:
    """The file system of a URL, and where in it that is."""
    shown = _without_secrets(url)
    try:
        import fsspec
    except ImportError as error:
        raise CdrError("URLs need fsspec: pip install 'sinchvoice[cdr]'", shown) from error
    with _foreign(shown):
        system, location = fsspec.core.url_to_fs(url)
        if url.endswith("/") and not location.endswith("/"):
            location += "/"
    return system, location


def _remote(shown: str, system: Any, location: str) -> Generator[ByteStream, None, None]:
    for path in _remote_paths(shown, system, location):
        name = shown if path == location else _without_secrets(system.unstrip_protocol(path))
        yield from _or_failing(name, _remote_file(name, system, path))


def _remote_file(name: str, system: Any, path: str) -> Generator[ByteStream, None, None]:
    origin = _Origin(name, partial(_remote_identity, name, system, path))
    with ExitStack() as stack:
        with _foreign(name):
            file = stack.enter_context(_opened(system, path))
        yield from _unpacked(name, _Remote(name, file, origin), origin)


def _remote_paths(shown: str, system: Any, location: str) -> list[str]:
    """As `_paths`: the files of a folder, those with a name like a glob, or the one file."""
    with _foreign(shown):
        # A process may run for days, and has to see today's files.
        system.invalidate_cache()
        if glob.has_magic(location) and "?" not in location:
            found = system.glob(location, detail=True).values()
            problem = "no file has a name like this: check the URL"
        elif location.endswith("/") or system.info(location)["type"] == "directory":
            listed = system.ls(location, detail=True)
            found = [each for each in listed if _CDR_NAME.fullmatch(_last_part(each["name"]))]
            problem = "the folder has no .csv, .txt or .zip files"
        else:
            return [location]
        paths = sorted(each["name"] for each in found if each["type"] == "file")
    if not paths:
        raise CdrError(problem, shown)
    return paths


def _last_part(path: str) -> str:
    return path.partition("?")[0].rpartition("/")[2]


def _opened(system: Any, path: str) -> Any:
    if not _is_http(system):
        return system.open(path, "rb")
    import aiohttp

    # One request for the whole: parts that are asked for one by one may be of different files. And
    # as it was sent: aiohttp overlooks that a file ends too early that it unpacks.
    settings = system.storage_options
    options = {
        "headers": {**settings.get("headers", {}), "Accept-Encoding": "identity"},
        "auto_decompress": False,
    }
    if "timeout" not in settings:
        options["timeout"] = aiohttp.ClientTimeout(
            total=None, sock_connect=_CONNECT_WITHIN, sock_read=_STALLED_AFTER
        )
    # No size makes it ask for that once more.
    return system.open(path, "rb", block_size=0, size=-1, **options)


def _is_http(system: Any) -> bool:
    return "https" in system.protocol


class _Remote:
    """A file of somebody else's library: whatever it raises names the file.

    It cannot go back: an archive is fetched once, from its beginning to its end.
    """

    def __init__(self, name: str, file: Any, origin: _Origin) -> None:
        self._name = name
        self._file = file
        self._origin = origin
        self._whole: int | None = getattr(file, "size", None)
        self._at = 0

    def read(self, size: int) -> bytes:
        try:
            with _foreign(self._name):
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
def _foreign(name: str) -> Iterator[None]:
    try:
        yield
    except ImportError as error:
        raise CdrError(f"another package is needed: {printable(str(error))}", name) from error
    except Exception as error:  # noqa: BLE001 - each file system has exceptions of its own
        # Not "from error": it has the whole URL, and a traceback would show the signature.
        raise _unavailable(name, error) from None


def _unavailable(name: str, error: Exception) -> CdrError:
    cause = _cause(error)
    status = getattr(cause, "status", None)
    reason = f"HTTP status {status}" if status else _reason(cause)
    is_denied = isinstance(cause, PermissionError) or status in (401, 403)
    if is_denied or "credentials" in reason:
        return CdrError(
            f"access is denied ({reason}): check the credentials, and what they may read", name
        )
    if isinstance(cause, FileNotFoundError) or status in (404, 410):
        return CdrError("there is no such file or folder: check the URL", name)
    if isinstance(cause, TimeoutError):
        return CdrError("no answer came in time: try again later", name)
    return CdrError(f"cannot be read: {reason}", name)


def _cause(error: Exception) -> BaseException:
    """What really went wrong."""
    if isinstance(error, FileNotFoundError):  # which fsspec makes of whatever HTTP answers
        return error.__cause__ or error
    if isinstance(error, LookupError):  # s3fs looks for the text of a timeout, which has none
        return error.__context__ or error
    return error


# --- whether a file is still the same -----------------------------------------------------------


class _Origin:
    """Where a stream comes from, as it was before it was read.

    Args:
        name: of the file.
        identify: tells one content of the file from another; None if nothing can be told.
    """

    def __init__(self, name: str, identify: Callable[[], object]) -> None:
        self._name = name
        self._identify = identify
        self._before = identify()

    def check_unchanged(self) -> None:
        try:
            changed = self._has_changed()
        except CdrError as error:
            raise CdrError(
                f"whether the file changed while it was read cannot be told: {error.message}",
                self._name,
            ) from error
        if changed:
            raise self._changed()

    def explained(self, error: CdrError) -> CdrError:
        """The error, or that the file changed, which may be why."""
        with suppress(CdrError):
            if self._has_changed():
                return self._changed()
        return error

    def _has_changed(self) -> bool:
        return self._before is not None and self._identify() != self._before

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
        return None  # a pipe has other times when it was read
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def _remote_identity(name: str, system: Any, path: str) -> object:
    with _foreign(name):
        system.invalidate_cache(path)
        known = {re.sub("[-_]", "", key).lower(): value for key, value in system.info(path).items()}
    return {key: known[key] for key in known.keys() & _IDENTITY}


# --- what the bytes are wrapped in --------------------------------------------------------------


def _unpacked(
    name: str,
    file: _Readable,
    origin: _Origin | None = None,
    path: Path | None = None,
    *,
    inside: bool = False,
) -> Generator[ByteStream, None, None]:
    """The file, or what is in it."""
    content = _Peekable(name, file)
    kind = _kind(name, content.head)
    if kind == "zip":
        if inside:
            raise CdrError("this is an archive inside an archive: take it out first", name)
        yield from _members(name, content, origin)
        return
    failure: type[Exception] = OSError
    with ExitStack() as stack:
        opened: Any = content
        if kind == "gz":
            # It wants a seek method in the types, and never seeks when it reads forward.
            opened = stack.enter_context(gzip.GzipFile(fileobj=cast("IO[bytes]", content)))
        elif kind is not None:
            make, failure = _decompressor(kind, name)
            opened = _Decompressed(content, make)
        yield ByteStream(
            name,
            _checked(name, opened.read, failure, origin),
            origin=origin,
            path=path if kind is None else None,
        )


def _kind(name: str, head: bytes) -> str | None:
    suffix = name.lower().rpartition(".")[2]
    magic = _MAGIC.get(suffix)
    if magic is not None:
        if not head.startswith(magic) and not (suffix == "zst" and head[1:4] == b"\x2a\x4d\x18"):
            raise CdrError(f"the name ends in .{suffix}, but this is no {suffix} file", name)
        return suffix
    for kind, start in _MAGIC.items():
        if head.startswith(start) and (kind != "bz2" or _BZ2.match(head)):
            return kind
    return None


def _members(
    name: str, content: _Peekable, origin: _Origin | None
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
        if not members:
            raise CdrError("the archive is empty", name)
        for member in members:
            inner = f"{name}!{member.filename}"
            if member.flag_bits & 1:
                raise CdrError("is encrypted: unpack the archive, and give the file", inner)
            with ExitStack() as opened:
                try:
                    stream = opened.enter_context(archive.open(member))
                except _DAMAGED as error:
                    raise _unreadable(inner, error) from error
                yield from _unpacked(inner, stream, origin, inside=True)


class _Peekable:
    """A file whose first bytes have been looked at."""

    def __init__(self, name: str, file: _Readable) -> None:
        self._file = file
        self._start = _position(file)
        self._read = _checked(name, file.read)
        self.head = b""
        while len(self.head) < _HEAD and (part := self._read(_HEAD - len(self.head))):
            self.head += part
        self._left = self.head

    def rewound(self) -> IO[bytes] | None:
        """The file, at its beginning again; None if it has no way back."""
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
    """What is in a compressed file of one part or several.

    The classes of the standard library overlook a second part that is damaged, and its rows.
    """

    def __init__(self, file: _Peekable, make: Callable[[], _Decompressor]) -> None:
        self._file = file
        self._make = make
        self._part = make()
        self._ahead = b""

    def read(self, size: int) -> bytes:
        while True:
            if self._part.eof and not self._begin_part():
                return b""
            if self._part.needs_input and not self._ahead:
                self._ahead = self._file.read(_READ_SIZE)
                if not self._ahead:
                    raise EOFError("it ends in the middle")
            content = self._part.decompress(self._ahead, size)
            self._ahead = b""
            if content:
                return content

    def _begin_part(self) -> bool:
        # Parts may be filled up with zeros, as xz does; none begins with one.
        ahead = self._part.unused_data.lstrip(b"\0")
        while not ahead:
            read = self._file.read(_READ_SIZE)
            if not read:
                return False
            ahead = read.lstrip(b"\0")
        self._ahead = ahead
        self._part = self._make()
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
    """The same, with every failure of a damaged file as a CdrError."""

    def checked(size: int) -> bytes:
        try:
            content = read(size)
        except CdrError:
            raise
        except (failure, *_DAMAGED) as error:
            damaged = _unreadable(name, error)
            raise (damaged if origin is None else origin.explained(damaged)) from error
        if not isinstance(content, bytes):  # None says "not yet", which must not look like the end
            raise CdrError(f"reading gives {type(content).__name__}, not bytes", name)
        return content

    return checked


def _unreadable(name: str, error: Exception) -> CdrError:
    return CdrError(f"cannot be read: {_reason(error)}", name)


def _reason(error: BaseException) -> str:
    reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
    # Libraries quote the URL, signature and all.
    return printable(_QUOTED_URL.sub(lambda url: _without_secrets(url[0]), str(reason)))


def _without_secrets(url: str) -> str:
    """A URL without its user and its query, which may hold a signature."""
    scheme, separator, rest = url.partition("://")
    place, _, _ = rest.partition("?")
    host, slash, path = place.partition("/")
    return f"{scheme}{separator}{host.rpartition('@')[2]}{slash}{path}"
