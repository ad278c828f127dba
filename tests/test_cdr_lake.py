"""A lake: the days that an incremental export writes, and the failures that it survives."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import stat
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import fsspec
import pytest
from command_line import Run, isolated, runner
from sinchvoice import CdrError, InvalidRequest, cdr
from sinchvoice.cdr import Archive, LakeReport, fast_path, lake, manifests, sources, stores
from sinchvoice.sandbox import cdr_generator

HEADER = "CallId;CallTime;Duration;From;To;Custom;UserId;ToCountryId"
CALL_TIME = list(fast_path.COLUMNS).index("call_time")
DAYS = [date(2026, 11, day) for day in range(1, 6)]


def row(call_id: str, day: date = DAYS[0], duration: int = 17, user: str = "alice") -> str:
    return f"{call_id};{day}T08:15:30Z;{duration};+46730170101;+12125550101;;{user};SE"


def file(*rows: str, end: str = "\n") -> bytes:
    return ("\n".join([HEADER, *rows]) + end).encode()


def load(archive: Archive, *contents: bytes) -> None:
    for content in contents:
        archive.load(content, layout="phone-terminated")


def a_day(day: date, records: int = 3) -> bytes:
    return file(*(row(f"{day}-{number}", day) for number in range(records)))


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    with Archive(tmp_path / "calls.duckdb") as opened:
        yield opened


@pytest.fixture
def store() -> Iterator[str]:
    """The URL of a lake in a store."""
    yield "memory://bucket/lake"
    fsspec.filesystem("memory").store.clear()


@pytest.fixture(params=["folder", "store"])
def place(request: pytest.FixtureRequest, tmp_path: Path, store: str) -> str:
    """The location of a lake: a path, or a URL."""
    return store if request.param == "store" else str(tmp_path / "lake")


def export(archive: Archive, place: str | Path) -> tuple[list[date], list[date]]:
    report = archive.to_parquet(place, incremental=True)
    assert isinstance(report, LakeReport)
    return list(report.written), list(report.removed)


def files(place: str) -> dict[str, bytes]:
    """The files of a lake, by their paths in it."""
    system, root = fsspec.core.url_to_fs(place)
    return {
        path.removeprefix(root).lstrip("/"): system.cat_file(path) for path in system.find(root)
    }


Days = dict[date, list[Any]]


def by_day(rows: list[Any]) -> Days:
    found = defaultdict(list)
    for each in rows:
        found[each[CALL_TIME].date()].append(each)
    return dict(found)


def archived(archive: Archive) -> Days:
    return by_day(archive.sql("SELECT * FROM records ORDER BY ALL").rows)


def in_lake(place: str, tmp_path: Path) -> Days:
    """The content for any reader of Parquet, without help from this package."""
    copy = tmp_path / "read"
    for name, content in files(place).items():
        target = copy / str(hashlib.sha256(name.encode()).hexdigest()) / name
        target.parent.mkdir(parents=True)
        target.write_bytes(content)
    found = duckdb.sql(f"SELECT * FROM read_parquet('{copy}/*/*/*.parquet') ORDER BY ALL")  # noqa: S608
    rows = found.select("* EXCLUDE (day)").fetchall() if "day" in found.columns else []
    days = found.project("day").fetchall()
    assert [each[CALL_TIME].date() for each in rows] == [day for (day,) in days]
    shutil.rmtree(copy)
    return by_day(rows)


# --- Written days -------------------------------------------------------------------------------


def test_only_new_days_are_written(archive: Archive, place: str, tmp_path: Path):
    load(archive, a_day(DAYS[0]), a_day(DAYS[1]))
    assert export(archive, place) == (DAYS[:2], [])
    before = files(place)
    load(archive, a_day(DAYS[2]))
    report = archive.to_parquet(place, incremental=True)
    assert report.written == (DAYS[2],)
    assert report.removed == ()
    assert report.unchanged == 2
    after = files(place)
    changed = {name for name in after if after[name] != before.get(name)}
    assert changed == {manifests.file_of(DAYS[2]), manifests.MANIFEST}
    assert in_lake(place, tmp_path) == archived(archive)
    assert export(archive, place) == ([], [])
    assert files(place) == after


def test_a_day_without_records_disappears(archive: Archive, place: str, tmp_path: Path):
    load(archive, a_day(DAYS[0]), a_day(DAYS[1]))
    export(archive, place)
    archive.erase(before=DAYS[1])
    assert export(archive, place) == ([], DAYS[:1])
    assert in_lake(place, tmp_path) == archived(archive)
    archive.erase(users=["alice"])
    assert export(archive, place) == ([], DAYS[1:2])
    assert list(files(place)) == [manifests.MANIFEST]
    assert export(archive, place) == ([], [])


def test_a_whole_record_in_place_of_one_cut_short_is_a_change(archive: Archive, place: str):
    load(archive, file(row("a"), row("b")[:-1], end=""), a_day(DAYS[1]))
    export(archive, place)
    load(archive, file(row("b")))
    assert archive.sql("SELECT count(*) FROM conflicts").rows == [(1,)]
    assert export(archive, place) == (DAYS[:1], [])


def test_the_first_and_the_last_day_of_time_are_days(archive: Archive, place: str, tmp_path: Path):
    load(archive, a_day(date.min), a_day(date.max), a_day(DAYS[0]))
    export(archive, place)
    load(archive, file(row("late", date.max), row("early", date.min)))
    assert export(archive, place) == ([date.min, date.max], [])
    assert in_lake(place, tmp_path) == archived(archive)


def test_a_file_of_duplicates_changes_nothing(archive: Archive, place: str):
    load(archive, a_day(DAYS[0]))
    export(archive, place)
    load(archive, file(*(row(f"{DAYS[0]}-{number}") for number in (1, 0))))
    assert export(archive, place) == ([], [])


def test_a_removed_file_gives_records_back_to_others_in_other_days(archive: Archive, place: str):
    load(archive, file(row("a", DAYS[0])), file(row("a", DAYS[1])), a_day(DAYS[2]))
    export(archive, place)
    archive.remove(1)
    assert export(archive, place) == ([DAYS[1]], [DAYS[0]])


def test_the_unchanged_days_are_not_read(
    archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    load(archive, *(a_day(day) for day in DAYS[:4]))
    export(archive, tmp_path / "lake")
    read: list[Any] = []
    held = manifests._held

    def counted(run: Any, known: Any, days: Any = None) -> Any:
        read.append(days)
        return held(run, known, days)

    monkeypatch.setattr(manifests, "_held", counted)
    load(archive, a_day(DAYS[4]))
    assert export(archive, tmp_path / "lake") == ([DAYS[4]], [])
    assert export(archive, tmp_path / "lake") == ([], [])
    assert read == [{DAYS[4]}, set()]


class History:
    """Random files with few calls, so that most are duplicates, conflicts or cut short."""

    def __init__(self, dice: random.Random) -> None:
        self._dice = dice

    def file(self) -> bytes:
        dice = self._dice
        rows = [
            row(
                f"call{dice.randrange(12)}",
                dice.choice(DAYS),
                dice.choice([17, 18]),
                dice.choice(["alice", "alicea", "bob"]),
            )
            for _ in range(dice.randrange(1, 5))
        ]
        if dice.random() < 0.5:
            return file(*rows)
        return file(*rows, row(f"call{dice.randrange(12)}", dice.choice(DAYS))[:-5], end="")

    def step(self, archive: Archive, tmp_path: Path) -> Archive:
        """Change the archive in one way; return it, or a copy restored in its place."""
        dice = self._dice
        loaded = [number for (number,) in archive.sql("SELECT file_id FROM files").rows]
        match dice.choice(["load"] * 5 + ["remove"] * 3 + ["erase", "erase", "compact", "restore"]):
            case "remove" if len(loaded) > 2:
                archive.remove(dice.choice(loaded))
            case "erase":
                archive.erase(users=[dice.choice(["alice", "bob"])])
            case "compact":
                archive.compact()
            case "restore" if (backup := tmp_path / "backup").exists():
                archive.close()
                backup.replace(tmp_path / "calls.duckdb")
                return Archive(tmp_path / "calls.duckdb")
            case _:
                for _ in range(dice.randrange(1, 4)):
                    load(archive, self.file())
                if not (tmp_path / "backup").exists():
                    archive.backup(tmp_path / "backup")
        return archive


@pytest.mark.parametrize("seed", range(3))
def test_exactly_the_changed_days_are_written_after_any_history(tmp_path: Path, seed: int):
    place, history = str(tmp_path / "lake"), History(random.Random(seed))
    archive = Archive(tmp_path / "calls.duckdb")
    load(archive, a_day(DAYS[0]), a_day(DAYS[1]))
    known: Days = {}
    for _ in range(10):
        for _ in range(history._dice.randrange(1, 3)):
            archive = history.step(archive, tmp_path)
        now = archived(archive)
        written, removed = export(archive, place)
        assert in_lake(place, tmp_path) == now
        assert removed == sorted(known.keys() - now.keys())
        differing = {day for day in now if now[day] != known.get(day)}
        assert written == sorted(differing)
        known = now
    archive.close()


# --- Archives of a lake -------------------------------------------------------------------------


def test_a_lake_of_another_archive_is_refused(archive: Archive, place: str, tmp_path: Path):
    load(archive, a_day(DAYS[0]))
    export(archive, place)
    before = files(place)
    with Archive(tmp_path / "other.duckdb") as other:
        load(other, a_day(DAYS[0]), a_day(DAYS[1]))
        with pytest.raises(CdrError, match="has no file of this archive, so it belongs to another"):
            export(other, place)
    assert files(place) == before


def test_a_copy_of_the_archive_continues_its_lake(archive: Archive, place: str, tmp_path: Path):
    load(archive, a_day(DAYS[0]), a_day(DAYS[1]))
    copy = archive.backup(tmp_path / "copy.duckdb")
    load(archive, a_day(DAYS[2]))
    export(archive, place)
    with Archive(copy) as restored:
        load(restored, a_day(DAYS[3]))
        assert export(restored, place) == ([DAYS[3]], [DAYS[2]])
        assert in_lake(place, tmp_path) == archived(restored)


def test_an_export_becomes_a_lake_and_a_lake_can_be_exported_as_a_whole(
    archive: Archive, tmp_path: Path
):
    place = tmp_path / "lake"
    load(archive, a_day(DAYS[0]), a_day(DAYS[1]))
    whole = archive.to_parquet(place)
    inodes = [path.stat().st_ino for path in whole]
    assert export(archive, place) == ([], [])
    assert [path.stat().st_ino for path in whole] == inodes
    load(archive, a_day(DAYS[2]))
    export(archive, place)
    assert len(archive.to_parquet(place)) == 3
    assert export(archive, place) == ([], [])


def test_an_export_of_an_earlier_version_is_continued(archive: Archive, tmp_path: Path):
    place = tmp_path / "lake"
    load(archive, a_day(DAYS[0]), a_day(DAYS[1]))
    paths = archive.to_parquet(place)
    (place / manifests.MANIFEST).unlink()
    (place / sources.NO_DAY).rmdir()
    listed = {f"{path.parent.name}/{path.name}": manifests.describe(path) for path in paths}
    old = paths[0].with_name("_sinchvoice.parquet")
    with duckdb.connect() as run:
        run.execute("CREATE TABLE records (x INTEGER)")
        manifests.stamp(
            lambda query: run.execute(query).fetchall(),
            old,
            {"sinchvoice export": 1, "files": listed},
        )
    with cdr.scan(place) as calls:
        assert calls.records == 6
    assert export(archive, place) == (DAYS[:2], [])
    assert not old.exists()
    assert in_lake(str(place), tmp_path) == archived(archive)
    assert len(archive.to_parquet(place)) == 2


# --- Other content ------------------------------------------------------------------------------


def put(place: str, name: str, content: bytes) -> None:
    system, root = fsspec.core.url_to_fs(place)
    system.makedirs(f"{root}/{name}".rpartition("/")[0], exist_ok=True)
    system.pipe_file(f"{root}/{name}", content)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("notes.csv", b"mine", "has the file notes.csv"),
        ("day=2026-11-02/data_1.parquet", b"mine", "has the file day=2026-11-02/data_1.parquet"),
        ("day=2026-11-02/data_0.parquet", b"mine", "has the changed file day=2026-11-02/data_0"),
        (manifests.MANIFEST, b"mine", "has an unreadable manifest"),
        (manifests.MANIFEST, b'{"sinchvoice export": 3, "x": 1}', "version 3: use a newer"),
        (manifests.MANIFEST, b'{"sinchvoice export": 2, "files": {"../x": {}}}', "'../x' is not"),
    ],
)
def test_a_lake_with_anything_else_is_refused(
    archive: Archive, place: str, name: str, content: bytes, message: str
):
    load(archive, a_day(DAYS[0]), a_day(DAYS[1]))
    export(archive, place)
    put(place, name, content)
    before = files(place)
    load(archive, a_day(DAYS[2]))
    with pytest.raises(CdrError, match="which no export wrote: move it away, or give") as caught:
        export(archive, place)
    assert message in caught.value.message
    assert files(place) == before
    with pytest.raises(CdrError, match="which no export wrote"):
        cdr.scan(place)


def test_a_changed_file_of_the_same_size_is_not_replaced(archive: Archive, place: str):
    load(archive, a_day(DAYS[0]))
    export(archive, place)
    name = manifests.file_of(DAYS[0])
    changed = bytes([*files(place)[name][:-1], 0])
    put(place, name, changed)
    load(archive, file(row("late")))
    with pytest.raises(CdrError, match="has the changed file day=2026-11-01"):
        export(archive, place)
    assert files(place)[name] == changed


def test_a_lost_day_is_written_again(archive: Archive, place: str, tmp_path: Path):
    load(archive, a_day(DAYS[0]), a_day(DAYS[1]))
    export(archive, place)
    system, root = fsspec.core.url_to_fs(place)
    system.rm_file(f"{root}/{manifests.file_of(DAYS[0])}")
    with pytest.raises(CdrError, match="lacks the file day=2026-11-01"):
        cdr.scan(place)
    assert export(archive, place) == (DAYS[:1], [])
    assert in_lake(place, tmp_path) == archived(archive)


@pytest.mark.parametrize(
    ("location", "message"),
    [
        ("sftp://host/lake", "a lake can be in s3://, gs:// or az://"),
        ("https://host/lake", "write to a local folder and copy that"),
    ],
)
def test_a_store_that_cannot_replace_a_file_as_a_whole_is_refused(
    archive: Archive, location: str, message: str
):
    with pytest.raises(InvalidRequest, match=message):
        archive.to_parquet(location, incremental=True)


def test_a_url_is_for_incremental_exports_only(archive: Archive):
    with pytest.raises(InvalidRequest, match="export with incremental=True"):
        archive.to_parquet("s3://bucket/lake")


def test_a_url_can_name_a_local_folder(archive: Archive, tmp_path: Path):
    load(archive, a_day(DAYS[0]))
    url = f"file://{tmp_path}/lake"
    assert export(archive, url) == (DAYS[:1], [])
    assert export(archive, tmp_path / "lake") == ([], [])
    with cdr.scan(url) as calls:
        assert calls.records == 3


def test_a_file_is_not_a_lake(archive: Archive, tmp_path: Path):
    (tmp_path / "file").touch()
    with pytest.raises(CdrError, match="this is not a folder"):
        export(archive, tmp_path / "file")
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked" / "link").symlink_to(tmp_path)
    with pytest.raises(CdrError, match="has link, a link or not a regular file: move it away"):
        export(archive, tmp_path / "linked")


def test_a_lake_is_for_the_owner_alone(archive: Archive, tmp_path: Path):
    load(archive, a_day(DAYS[0]))
    before = os.umask(0)
    try:
        export(archive, tmp_path / "lake")
    finally:
        os.umask(before)
    every = [tmp_path / "lake", *(tmp_path / "lake").rglob("*")]
    assert {stat.S_IMODE(each.stat().st_mode) for each in every} == {0o600, 0o700}
    assert {each.name for each in tmp_path.iterdir()} >= {"lake", "calls.duckdb"}


# --- Interruptions ------------------------------------------------------------------------------

KILLED = """
import os, sys
from sinchvoice import cdr
from sinchvoice.cdr import lake, stores

lake._BATCH = 1  # a day at a time
left = int(sys.argv[3])

def counted(change):
    def change_or_die(self, *arguments):
        global left
        if left == 0:
            os.kill(os.getpid(), 9)
        left -= 1
        change(self, *arguments)
    return change_or_die

stores.Folder.put = counted(stores.Folder.put)
stores.Folder.remove = counted(stores.Folder.remove)
with cdr.Archive(sys.argv[1], read_only=True) as archive:
    archive.to_parquet(sys.argv[2], incremental=True)
"""


def test_an_export_killed_at_any_step_is_completed_by_the_next(tmp_path: Path):
    path = tmp_path / "calls.duckdb"
    with Archive(path) as archive:
        load(archive, a_day(DAYS[0]), a_day(DAYS[1]), a_day(DAYS[2]))
        export(archive, tmp_path / "first")
        old = archived(archive)
        archive.remove(1)
        load(archive, file(row("late", DAYS[1])), a_day(DAYS[3]))
        new = archived(archive)
    place = tmp_path / "lake"
    with Archive(path, read_only=True) as archive:
        for step in range(30):
            shutil.copytree(tmp_path / "first", place)
            command = [sys.executable, "-c", KILLED, path, place, str(step)]
            killed = subprocess.run(command, check=False).returncode
            # Each day is the old or the new one.
            found = in_lake(str(place), tmp_path)
            for day in DAYS[:4]:
                assert found.get(day) in (old.get(day), new.get(day))
            with cdr.scan(place) as calls:
                assert calls.records == sum(map(len, found.values()))
            if step % 2:
                archive.to_parquet(place)
            export(archive, place)
            assert in_lake(str(place), tmp_path) == new
            assert export(archive, place) == ([], [])
            assert not list(tmp_path.glob(".lake-*"))
            shutil.rmtree(place)
            if killed == 0:
                break
    assert killed == 0
    assert step == 7  # manifest, removal, day, manifest; manifest, day, manifest


class Killed(BaseException):
    pass


@pytest.fixture
def killing(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Kill exports to a store at a step, as far as the store can tell."""
    put, remove = stores.Store.put, stores.Store.remove

    def at(step: int) -> None:
        left = step

        def counted(change: Any) -> Any:
            def change_or_die(self: Any, *arguments: Any) -> None:
                nonlocal left
                if "_sinchvoice_claim" in arguments[-1] and left > 0:
                    return change(self, *arguments)
                if left == 0:
                    left = -1
                    raise Killed
                if left < 0:
                    raise CdrError("dead")
                left -= 1
                return change(self, *arguments)

            return change_or_die

        monkeypatch.setattr(stores.Store, "put", counted(put))
        monkeypatch.setattr(stores.Store, "remove", counted(remove))

    return at


def test_an_export_to_a_store_killed_at_any_step_is_completed_after_its_claim_ends(
    archive: Archive,
    store: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    killing: Any,
):
    monkeypatch.setattr(lake, "_BATCH", 1)
    time = [1_800_000_000.0]
    monkeypatch.setattr(stores, "_now", lambda: time[0])
    load(archive, a_day(DAYS[0]), a_day(DAYS[1]), a_day(DAYS[2]))
    export(archive, store)
    first, old = files(store), archived(archive)
    archive.remove(1)
    load(archive, file(row("late", DAYS[1])), a_day(DAYS[3]))
    new = archived(archive)
    for step in range(7):
        fsspec.filesystem("memory").store.clear()
        for name, content in first.items():
            put(store, name, content)
        with monkeypatch.context():
            killing(step)
            with pytest.raises(Killed):
                export(archive, store)
        monkeypatch.undo()
        monkeypatch.setattr(stores, "_now", lambda: time[0])
        monkeypatch.setattr(lake, "_BATCH", 1)
        found = in_lake(store, tmp_path)
        for day in DAYS[:4]:
            assert found.get(day) in (old.get(day), new.get(day))
        with pytest.raises(CdrError, match="or was killed and keeps it until .* UTC: try again"):
            export(archive, store)
        time[0] += stores.LEASE
        export(archive, store)
        assert in_lake(store, tmp_path) == new
        assert not any("claim" in name for name in files(store))


def test_an_export_whose_claim_was_taken_over_stops(
    archive: Archive, store: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    time = [1_800_000_000.0]
    monkeypatch.setattr(stores, "_now", lambda: time[0])
    load(archive, a_day(DAYS[0]), a_day(DAYS[1]))
    copy = archive.backup(tmp_path / "copy.duckdb")
    copy_day = lake.exporting.copy_day

    def slowly(day: date, path: Path) -> str:
        if not time[1:]:
            time[:] = [time[0] + stores.LEASE, 0]
            with Archive(copy) as other:
                assert export(other, store) == (DAYS[:2], [])
        return copy_day(day, path)

    monkeypatch.setattr(lake.exporting, "copy_day", slowly)
    with pytest.raises(CdrError, match="another export has taken over"):
        export(archive, store)
    assert in_lake(store, tmp_path) == archived(archive)
    assert export(archive, store) == ([], [])


def test_an_overtaken_export_leaves_the_claims_of_others(
    archive: Archive, store: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    time = [1_800_000_000.0]
    monkeypatch.setattr(stores, "_now", lambda: time[0])
    place = stores.place(store)
    numbers = iter(range(10))

    def stamp(data: dict[str, Any]) -> Path:
        path = tmp_path / f"{next(numbers)}"
        path.write_text(json.dumps(data))
        return path

    with ExitStack() as late:
        late.enter_context(place.locked(stamp))
        time[0] += stores.LEASE
        with place.locked(stamp):
            pass
        with place.locked(stamp):  # its claim has the number of the first one
            late.close()
            with pytest.raises(CdrError, match="another export is writing"):
                place.locked(stamp).__enter__()
    assert files(store) == {}


@pytest.mark.parametrize("until", [float("inf"), float("nan"), 1e300, None])
def test_a_claim_without_a_valid_time_is_abandoned(store: str, tmp_path: Path, until: Any):
    data = {"sinchvoice claim": 1, "token": "t", "until": until, "by": "another program"}
    put(store, stores._claim_name(1), json.dumps(data).encode())

    def stamp(data: dict[str, Any]) -> Path:
        path = tmp_path / "stamp"
        path.write_text(json.dumps(data))
        return path

    with stores.place(store).locked(stamp):
        pass
    assert files(store) == {}


def test_a_lost_claim_does_not_block_other_claims(
    store: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    time = [1_800_000_000.0]
    monkeypatch.setattr(stores, "_now", lambda: time[0])
    place = stores.place(store)

    def stamp(data: dict[str, Any]) -> Path:
        path = tmp_path / "stamp"
        path.write_text(json.dumps(data))
        return path

    lost = place.locked(stamp)
    lost.__enter__()
    (killed,) = files(store)
    time[0] += stores.LEASE
    with place.locked(stamp):
        fsspec.filesystem("memory").rm_file(f"{store.removeprefix('memory:/')}/{killed}")
    assert files(store) == {}


def test_a_claim_is_renewed(
    archive: Archive, store: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    time = [1_800_000_000.0]
    monkeypatch.setattr(stores, "_now", lambda: time[0])
    monkeypatch.setattr(lake, "_BATCH", 1)
    load(archive, *map(a_day, DAYS))
    copy_day = lake.exporting.copy_day

    def slowly(day: date, path: Path) -> str:
        time[0] += stores.LEASE * 0.6
        return copy_day(day, path)

    monkeypatch.setattr(lake.exporting, "copy_day", slowly)
    assert export(archive, store) == (DAYS, [])
    assert in_lake(store, tmp_path) == archived(archive)


def test_a_second_export_at_the_same_time_is_refused(
    archive: Archive, place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    load(archive, a_day(DAYS[0]))
    copy = archive.backup(tmp_path / "copy.duckdb")
    copy_day = lake.exporting.copy_day
    refused: list[CdrError] = []

    def meanwhile(day: date, path: Path) -> str:
        if not refused:
            with Archive(copy) as other, pytest.raises(CdrError) as caught:
                export(other, place)
            refused.append(caught.value)
            if not place.startswith("memory"):
                with Archive(copy) as other, pytest.raises(CdrError, match="another export"):
                    other.to_parquet(tmp_path / "lake")
        return copy_day(day, path)

    monkeypatch.setattr(lake.exporting, "copy_day", meanwhile)
    assert export(archive, place) == (DAYS[:1], [])
    assert "another export is writing to it" in refused[0].message
    assert in_lake(place, tmp_path) == archived(archive)


# --- Queries ------------------------------------------------------------------------------------


def test_a_lake_is_scanned_as_its_archive(archive: Archive, place: str, tmp_path: Path):
    for seed, day in enumerate(DAYS):
        path = tmp_path / f"{day}.csv"
        with path.open("wb") as target:
            cdr_generator.write(target, 50, seed=seed, day=day)
    archive.load(*(tmp_path / f"{day}.csv" for day in DAYS))
    archive.remove(str(tmp_path / f"{DAYS[0]}.csv"))
    export(archive, place)
    with cdr.scan(place) as calls:
        assert (calls.records, calls.rejected, calls.left_out) == (200, 0, [])
        for dimensions in (["day"], ["country", "result"]):
            assert calls.kpis(by=dimensions) == list(archive.kpis(by=dimensions))
        names = "SELECT DISTINCT name FROM records JOIN files USING (file_id) ORDER BY ALL"
        assert calls.sql(names).rows == archive.sql(names).rows
        every = duckdb.from_arrow(calls.to_arrow())
        assert every.aggregate("count(*), min(file), max(line)").fetchall() == [
            (200, str(tmp_path / f"{DAYS[1]}.csv"), 51)
        ]


def test_a_lake_and_files_are_scanned_together(archive: Archive, place: str, tmp_path: Path):
    load(archive, a_day(DAYS[0]))
    export(archive, place)
    (tmp_path / "today.csv").write_bytes(a_day(DAYS[1]))
    with cdr.scan([place], tmp_path / "today.csv", layout="phone-terminated") as calls:
        assert [(row.by["day"], row.attempts) for row in calls.kpis(by="day")] == [
            (DAYS[0], 3),
            (DAYS[1], 3),
        ]
        assert calls.sql("SELECT count(*) FROM records JOIN files USING (file_id)").rows == [(6,)]


def test_an_empty_lake_has_no_records(archive: Archive, place: str):
    assert export(archive, place) == ([], [])
    with cdr.scan(place) as calls:
        assert calls.records == 0
        assert calls.sql("FROM records").rows == []


def test_a_day_that_changes_during_a_scan_is_an_error(archive: Archive, tmp_path: Path):
    load(archive, a_day(DAYS[0]))
    export(archive, tmp_path / "lake")
    with cdr.scan(tmp_path / "lake") as calls:
        load(archive, file(row("late")))
        export(archive, tmp_path / "lake")
        with pytest.raises(CdrError, match="the file changed while it was read"):
            calls.sql("FROM records")


def test_a_lake_that_changes_while_it_is_opened_is_read_again(
    archive: Archive, place: str, monkeypatch: pytest.MonkeyPatch
):
    load(archive, a_day(DAYS[0]))
    export(archive, place)
    opened, calls = lake._opened, []

    def late(where: Any, sizes: Any, aside: Path) -> Any:
        calls.append(sizes)
        if len(calls) == 1:
            load(archive, file(*(row(f"late{number}") for number in range(500))))
            export(archive, place)
        return opened(where, sizes, aside)

    monkeypatch.setattr(lake, "_opened", late)
    with cdr.scan(place) as scanned:
        assert scanned.records == 503
    assert len(calls) == 2


def test_a_lake_is_not_loaded(archive: Archive, place: str):
    load(archive, a_day(DAYS[0]))
    export(archive, place)
    for recursive in (False, True):
        with pytest.raises(CdrError, match="this is a lake, written by an export: scan it, or"):
            archive.load(place, recursive=recursive)


# --- The command --------------------------------------------------------------------------------


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    monkeypatch.chdir(tmp_path)
    return runner(isolated({}, tmp_path), monkeypatch, capsys)


def test_the_command_prints_the_changed_days(run: Run, tmp_path: Path):
    for day in DAYS[:2]:
        (tmp_path / f"{day}.csv").write_bytes(a_day(day))
    run("cdr", "load", f"{DAYS[0]}.csv", "--layout", "phone-terminated")
    ran = run("cdr", "export", "--incremental", "lake")
    assert (ran.code, ran.out) == (0, "day\tchange\n2026-11-01\twritten\n")
    assert ran.err == f"note: 0 days of {tmp_path}/lake unchanged\n"
    run("cdr", "load", f"{DAYS[1]}.csv", "--layout", "phone-terminated")
    run("cdr", "erase", "--before", "2026-11-02")
    ran = run("cdr", "export", "--incremental", "lake", "--json")
    assert [json.loads(line) for line in ran.out.splitlines()] == [
        {"day": "2026-11-02", "change": "written"},
        {"day": "2026-11-01", "change": "removed"},
    ]
    stats = run("cdr", "stats", "--by", "day", "--json")
    assert run("cdr", "stats", "lake", "--by", "day", "--json") == stats
    assert run("cdr", "sql", "SELECT count(*) AS n FROM records", "lake").out == "n\n3\n"
    ran = run("cdr", "export", "s3://bucket/lake")
    assert ran.code == 2
    assert "give a local folder, or export with --incremental" in ran.err


# --- Masks ---------------------------------------------------------------------------------------


def test_an_export_never_mixes_masked_and_plain_records(tmp_path: Path):
    cdr_generator.cdr_files(tmp_path / "cdr", records=20, layouts=["phone-terminated"])
    with cdr.Archive(tmp_path / "calls.duckdb") as archive:
        archive.load(tmp_path / "cdr")
    key = b"sixteen bytes or more"
    masks = [None, "shorten", cdr.Masking("hash", key=key), cdr.Masking("hash")]

    def export(mask: Any, folder: Path) -> None:
        with cdr.Archive(tmp_path / "calls.duckdb", read_only=True, mask=mask) as opened:
            opened.to_parquet(folder, incremental=True)

    for number, first in enumerate(masks):
        folder = tmp_path / f"lake-{number}"
        export(first, folder)
        export(first, folder)
        for other in masks:
            if other is not first:
                with pytest.raises(CdrError, match="give the same mask, or a new folder"):
                    export(other, folder)
    export(cdr.Masking("hash", key=key), tmp_path / "lake-2")


def test_a_masked_lake_is_not_masked_twice_and_records_its_masking(tmp_path: Path):
    with cdr.Archive(tmp_path / "calls.duckdb") as opened:
        load(opened, a_day(DAYS[0]))
    for method in ("shorten", "hash"):
        folder = tmp_path / method
        with cdr.Archive(tmp_path / "calls.duckdb", read_only=True, mask=method) as opened:
            opened.to_parquet(folder, incremental=True)
            expected = opened.signals(DAYS[0])
        with pytest.raises(InvalidRequest, match="are masked already: read them without mask"):
            cdr.scan(folder, mask="shorten")
        with cdr.scan(folder) as calls:
            assert calls.signals(DAYS[0]) == expected
            assert expected.notes
            with pytest.raises(InvalidRequest, match="the records are masked"):
                calls.reconcile_reports("alice", [])
            if method == "hash":
                with pytest.raises(InvalidRequest, match="'prefix:2' needs digits"):
                    calls.kpis("prefix:2")
