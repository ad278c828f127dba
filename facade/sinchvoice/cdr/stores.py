"""The places of a lake: a local folder, or a folder in an object store.

Each file is replaced as a whole, under a fixed name: by a rename in a folder, by one PUT in a
store, where an upload that is cut leaves nothing. A reader therefore finds the old or the new file,
and never two.

One export at a time writes to a lake. A folder is locked; the lock ends with its process. In a
store, an export creates the claim with the next number, which only one can create, and removes it
at the end. A claim that was not renewed in time is abandoned, and the next number can be claimed.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol, TypeAlias

from ..errors import CdrError, InvalidRequest
from .manifests import Description, describe, stamped
from .sources import NO_DAY, is_url, located, store_errors, without_secrets
from .workspace import Workspace, remove_abandoned

fcntl: Any
try:
    import fcntl
except ImportError:
    fcntl = None

__all__ = ["Folder", "Keep", "Place", "Stamp", "Store", "is_store", "locked", "place"]

Keep: TypeAlias = Callable[[], None]
"""Renews the lock on a lake, to be called before each change.

Raises:
    CdrError: Another export has taken over.
"""
Stamp: TypeAlias = "Callable[[dict[str, Any]], Path]"
"""Writes data to the metadata of a Parquet file without rows, and returns its path."""

LEASE = 600.0
"""Seconds after which a claim that was not renewed is abandoned."""
_PURPOSE = "lake"
_CLAIM = re.compile(rf"{NO_DAY}/_sinchvoice_claim_(\d{{8}})\.parquet")
_KEY = "sinchvoice claim"
_STORES = ("s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "memory")
"""Schemes of stores that replace an object as a whole and can refuse to replace one."""


class Place(Protocol):
    """A folder for a lake. Names are relative paths with `/`."""

    @property
    def shown(self) -> str:
        """Path or URL for messages, without secrets."""
        ...

    def sizes(self) -> dict[str, int]:
        """Return the size of each file; none if the place does not exist.

        Raises:
            CdrError: The place is not a folder, or has something other than files.
        """
        ...

    def read(self, name: str) -> bytes:
        """Return the content of a file."""
        ...

    def describe(self, name: str) -> Description:
        """Return size and SHA-256 of a file."""
        ...

    def put(self, source: Path, name: str) -> None:
        """Move a file to the place, in one step."""
        ...

    def remove(self, name: str) -> None:
        """Remove a file."""
        ...

    def locked(self, stamp: Stamp) -> AbstractContextManager[Keep]:
        """Keep other exports out.

        Args:
            stamp: Writes a claim.

        Raises:
            CdrError: Another export is writing.
        """
        ...


def place(location: str | os.PathLike[str]) -> Place:
    """Return the place at a path or URL.

    Raises:
        InvalidRequest: The store is not supported.
        CdrError: The URL cannot be used.
    """
    if not is_url(location):
        return Folder(Path(os.path.realpath(location)))
    shown = without_secrets(location)
    scheme = location.partition("://")[0].lower()
    if not is_store(scheme) and scheme not in ("file", "local"):
        raise InvalidRequest(
            f"folder is {shown!r}: a lake can be in s3://, gs:// or az://, whose objects are "
            "replaced as a whole; write to a local folder and copy that"
        )
    system, path = located(location)
    if scheme in ("file", "local"):
        return Folder(Path(os.path.realpath(path)))
    return Store(shown.rstrip("/"), system, path.rstrip("/"))


def is_store(scheme: str) -> bool:
    """Tell whether a lake can be in a store with this scheme of URLs."""
    return scheme.lower() in _STORES


# --- Local folder --------------------------------------------------------------------------------


class Folder:
    """A local folder, for its owner alone."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._near: Path | None = None

    @property
    def shown(self) -> str:
        """Path of the folder."""
        return str(self.path)

    def sizes(self) -> dict[str, int]:
        """Return the size of each file; none if the folder does not exist."""
        if not self.path.exists():
            return {}
        if not self.path.is_dir():
            raise CdrError("this is not a folder: give a new one", self.shown)
        return dict(self._files(self.path, ""))

    def _files(self, folder: Path, start: str) -> Iterator[tuple[str, int]]:
        with os.scandir(folder) as entries:
            for entry in sorted(entries, key=lambda entry: entry.name):
                if entry.is_dir(follow_symlinks=False):
                    yield from self._files(folder / entry.name, f"{start}{entry.name}/")
                elif entry.is_file(follow_symlinks=False):
                    yield start + entry.name, entry.stat().st_size
                else:
                    raise CdrError(
                        f"this folder has {start}{entry.name}, a link or not a regular file: "
                        "move it away",
                        self.shown,
                    )

    def read(self, name: str) -> bytes:
        """Return the content of a file."""
        return (self.path / name).read_bytes()

    def describe(self, name: str) -> Description:
        """Return size and SHA-256 of a file."""
        return describe(self.path / name)

    def put(self, source: Path, name: str) -> None:
        """Move a file to the folder by a rename."""
        assert self._near is not None  # noqa: S101 - only while locked
        near, target = self._near / "file", self.path / name
        shutil.move(source, near)  # to the same file system
        near.chmod(0o600)
        with near.open("rb") as file:
            os.fsync(file.fileno())  # before the name leads to it
        target.parent.mkdir(mode=0o700, exist_ok=True)
        near.replace(target)

    def remove(self, name: str) -> None:
        """Remove a file, and its folder if that is empty."""
        target = self.path / name
        target.unlink()
        with suppress(OSError):
            target.parent.rmdir()

    @contextmanager
    def locked(self, stamp: Stamp) -> Iterator[Keep]:
        """Lock the folder, which is created if it does not exist."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.mkdir(mode=0o700, exist_ok=True)
        with locked(self.path):
            remove_abandoned(self.path, _PURPOSE)
            with Workspace(self.path, _PURPOSE) as near:
                self._near = near.path
                try:
                    yield lambda: None
                finally:
                    self._near = None


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Lock an export against other exports, where the file system has locks.

    Raises:
        CdrError: Another export is writing to it.
    """
    descriptor = -1
    try:
        if fcntl is not None:
            descriptor = os.open(folder, os.O_RDONLY)
            with suppress(OSError):
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    raise _in_use(str(folder)) from None
            if not _is_at(descriptor, folder):  # another export has just replaced it
                raise _in_use(str(folder))
        yield
    finally:
        if descriptor >= 0:
            os.close(descriptor)


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _in_use(shown: str, more: str = "") -> CdrError:
    return CdrError(f"another export is writing to it{more}: try again when that has ended", shown)


# --- Object store --------------------------------------------------------------------------------


class Store:
    """A folder in an object store, through fsspec.

    Args:
        shown: URL without secrets.
        system: File system of fsspec.
        path: Path in the file system.
    """

    def __init__(self, shown: str, system: Any, path: str) -> None:
        self._shown = shown
        self._system = system
        self._path = path

    @property
    def shown(self) -> str:
        """URL without secrets."""
        return self._shown

    def sizes(self) -> dict[str, int]:
        """Return the size of each object, without the claims of exports."""
        return {name: size for name, size in self._listed().items() if not _CLAIM.fullmatch(name)}

    def _listed(self) -> dict[str, int]:
        with store_errors(self._shown):
            self._system.invalidate_cache()
            try:
                found = self._system.find(self._path, detail=True)
            except FileNotFoundError as error:
                if _code(error) == "NoSuchBucket":
                    problem = "the bucket does not exist: check the URL, or create it"
                    raise CdrError(problem, self._shown) from None
                return {}
            start = self._path.lstrip("/") + "/"
            return {
                path.lstrip("/").removeprefix(start): int(each["size"])
                for path, each in found.items()
                if each["type"] == "file" and not (path.endswith("/") and not each["size"])
            }

    def read(self, name: str) -> bytes:
        """Return the content of an object."""
        with store_errors(f"{self._shown}/{name}"):
            content: bytes = self._system.cat_file(f"{self._path}/{name}")
            return content

    def describe(self, name: str) -> Description:
        """Return size and SHA-256 of an object, which is fetched for it."""
        size, digest = 0, hashlib.sha256()
        with (
            store_errors(f"{self._shown}/{name}"),
            self._system.open(f"{self._path}/{name}", "rb") as file,
        ):
            while part := file.read(1 << 20):
                size += len(part)
                digest.update(part)
        return {"size": size, "sha256": digest.hexdigest()}

    def fetch(self, names: list[str], folder: Path) -> dict[str, Path]:
        """Copy objects to a local folder, several at once."""
        paths = {name: folder / f"{number}.parquet" for number, name in enumerate(names)}
        with store_errors(self._shown):
            self._system.get(
                [f"{self._path}/{name}" for name in names], [str(path) for path in paths.values()]
            )
        return paths

    def put(self, source: Path, name: str) -> None:
        """Upload a file as one object."""
        with store_errors(f"{self._shown}/{name}", "written"):
            self._system.put_file(str(source), f"{self._path}/{name}")

    def remove(self, name: str) -> None:
        """Remove an object."""
        with store_errors(f"{self._shown}/{name}", "removed"):
            self._system.rm_file(f"{self._path}/{name}")

    @contextmanager
    def locked(self, stamp: Stamp) -> Iterator[Keep]:
        """Create the claim with the next number; remove it and abandoned ones at the end."""
        self._check_abandoned(self._claims())
        claim = _Claim(self, max(self._claims(), default=0) + 1, stamp)
        claim.create()
        others: list[int] = []
        try:
            # Those seen before may have been removed, and their numbers claimed again.
            found = [number for number in self._claims() if number != claim.number]
            self._check_abandoned(found)
            others = found
            yield claim.keep
        finally:
            claim.end(others)

    def _claims(self) -> list[int]:
        matches = map(_CLAIM.fullmatch, self._listed())
        return [int(match[1]) for match in matches if match is not None]

    def _check_abandoned(self, numbers: list[int]) -> None:
        for number in numbers:
            data = self.read_claim(number)
            if data is not None and _now() < data["until"]:
                at = datetime.fromtimestamp(data["until"], UTC)
                raise _in_use(
                    self._shown,
                    f" ({data['by']}), or was killed and keeps it until {at:%H:%M:%S} UTC",
                )

    def read_claim(self, number: int) -> dict[str, Any] | None:
        """Return the data of a claim; None if it has none, or was removed meanwhile."""
        name = _claim_name(number)
        if name not in self._listed():
            return None
        content = self.read(name)
        try:
            data = stamped(content, _KEY)
            if data is None:
                return None
            until = float(data["until"])
            datetime.fromtimestamp(until, UTC)  # a time that can be shown
            return {"token": data["token"], "until": until, "by": str(data["by"])}
        except (ValueError, TypeError, KeyError, OverflowError, OSError):
            return None


class _Claim:
    """The claim of an export on a store."""

    def __init__(self, store: Store, number: int, stamp: Stamp) -> None:
        self.number = number
        self._store = store
        self._stamp = stamp
        self._token = secrets.token_hex(8)
        self._until = 0.0

    def create(self) -> None:
        """Create the claim.

        Raises:
            CdrError: Another export was faster.
        """
        store, name = self._store, _claim_name(self.number)
        content = self._content()
        with store_errors(store.shown, "written"):
            try:
                store._system.pipe_file(f"{store._path}/{name}", content, mode="create")
            except Exception as error:
                if not _is_refusal(error):
                    raise
                raise _in_use(store.shown) from None
        # A store that does not know the condition would have replaced the claim of another.
        own = store.read_claim(self.number)
        if own is None or not self._is(own):
            raise _in_use(store.shown)

    def _is(self, data: dict[str, Any]) -> bool:
        return bool(data["token"] == self._token)

    def keep(self) -> None:
        """Renew the claim if half of its time is over."""
        if _now() < self._until - LEASE / 2:
            return
        store, name = self._store, _claim_name(self.number)
        own = store.read_claim(self.number)
        if max(store._claims(), default=0) != self.number or own is None or not self._is(own):
            raise CdrError(
                "another export has taken over, because this one took too long: export again",
                store.shown,
            )
        with store_errors(store.shown, "written"):
            store._system.pipe_file(f"{store._path}/{name}", self._content())

    def end(self, abandoned: list[int]) -> None:
        """Remove the claim, and abandoned ones with lower numbers.

        After another export has taken over, the numbers may be those of new claims.
        """
        with suppress(CdrError):
            own = self._store.read_claim(self.number)
            if own is not None and self._is(own):
                for number in (*abandoned, self.number):
                    with suppress(CdrError):
                        self._store.remove(_claim_name(number))

    def _content(self) -> bytes:
        self._until = _now() + LEASE
        path = self._stamp(
            {
                _KEY: self.number,
                "token": self._token,
                "until": self._until,
                "by": f"process {os.getpid()} on {socket.gethostname()}",
            }
        )
        try:
            return path.read_bytes()
        finally:
            path.unlink()


def _now() -> float:
    return time.time()


def _claim_name(number: int) -> str:
    return f"{NO_DAY}/_sinchvoice_claim_{number:08}.parquet"


def _is_refusal(error: Exception) -> bool:
    """Tell whether a store refused to create an object because it exists, or is being created."""
    is_refused = _code(error) in ("PreconditionFailed", "ConditionalRequestConflict")
    return isinstance(error, FileExistsError) or is_refused


def _code(error: Exception) -> Any:
    """Return the error code of S3 behind an error of s3fs."""
    return getattr(error.__cause__, "response", {}).get("Error", {}).get("Code")
