"""cli: `report users` and `report counter --watch`, against a sandbox."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest
from command_line import Ran, Run, isolated, runner
from sinchvoice.cli import reports
from sinchvoice.cli.charts import sparkline
from sinchvoice.sandbox import Sandbox, running
from sinchvoice.sandbox.faults import Injection

PERIOD = ("--start", "2026-11-01", "--stop", "2026-11-03", "--by", "day")


@pytest.fixture
def run(
    box: Sandbox,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Run:
    monkeypatch.chdir(tmp_path)
    return runner(isolated(box.environ, tmp_path), monkeypatch, capsys)


@pytest.fixture
def failing() -> Iterator[Sandbox]:
    """A sandbox that has no reports on phone numbers."""
    with running(faults=[Injection.parse("bad-gateway on GET /v1/users/number/*")]) as sandbox:
        yield sandbox


def lines(out: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.splitlines()]


def asked(ran: Ran) -> list[str]:
    return sorted(line["endpoint"]["endpoint"] for line in lines(ran.out))


# --- Users --------------------------------------------------------------------------------------


def test_every_user_and_window_is_a_line(run: Run):
    ran = run("report", "users", "alice", "+46730170101", *PERIOD, "--json")
    assert (ran.code, ran.err) == (0, "")
    found = {(line["endpoint"]["endpoint"], line["start"], line["stop"]) for line in lines(ran.out)}
    assert found == {
        (user, start, stop)
        for user in ("alice", "+46730170101")
        for start, stop in (("2026-11-01", "2026-11-02"), ("2026-11-02", "2026-11-03"))
    }


def test_users_come_from_a_file_or_standard_input(run: Run, tmp_path: Path):
    content = "\ufeff# our users\nalice\n\n  bob  \r\n+46730170101\n".encode()
    (tmp_path / "users.txt").write_bytes(content)
    names = sorted(["alice", "bob", "+46730170101"])
    assert asked(run("report", "users", "--file", "users.txt", "--json")) == names
    assert asked(run("report", "users", "--file", "-", "--json", stdin=content)) == names
    both = run("report", "users", "carol", "--file", "users.txt", "--json")
    assert asked(both) == sorted([*names, "carol"])


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_users_come_from_a_column(run: Run, tmp_path: Path, separator: str):
    rows = [["id", "user name"], ["1", "alice"], ["2", ""], ["3", "bob"]]
    content = "\r\n".join(separator.join(row) for row in rows)
    (tmp_path / "users.csv").write_text(content)
    ran = run("report", "users", "--file", "users.csv", "--column", "user name", "--json")
    assert asked(ran) == ["alice", "bob"]


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        ("alice\n+4673 017\n", (), "users.csv, line 2: "),
        (
            "alice\nsip:a@b.example\n",
            (),
            "line 2: there are no reports on SIP addresses",
        ),
        ("\n# nobody\n", (), "there are no users"),
        ("a,b\n", ("--column", "c"), "users.csv has no column 'c': it has 'a', 'b'"),
        ('a,b\n1,"x\n', ("--column", "a", "--csv", "--json"), "three formats"),
        ("alice", ("--by", "day", "--step", "1d"), "--by and --step"),
        ("alice", ("--step", "31d", *PERIOD[:4]), "at most 30d"),
        ("alice", ("--step", "1y", *PERIOD[:4]), "give a length like 7d, 6h or 30m"),
        ("alice", ("--start", "2026-11-03", "--stop", "2026-11-01"), "is not after"),
        ("alice", ("--start", "2026-11-03"), "give --start and --stop"),
        ("alice", ("--by", "day"), "give --start and --stop"),
        ("alice", ("--start", "2026-11-03", "--stop", "2026-11-04T00:00Z"), "give two days or two"),
        ("alice", ("--resume", "missing/journal"), "--resume 'missing/journal' cannot be opened"),
        ("alice", ("--resume", "."), "--resume '.' cannot be opened (Is a directory)"),
        ("alice", ("--resume", "users.csv"), "--resume 'users.csv' is not a journal of reports"),
        ("alice", ("--parquet", "no/such/folder.parquet"), "there is no folder no/such"),
    ],
)
def test_what_makes_no_sense_is_named_and_nothing_is_requested(
    run: Run, box: Sandbox, tmp_path: Path, content: str, options: tuple[str, ...], message: str
):
    (tmp_path / "users.csv").write_text(content)
    before = len(box.requests)
    ran = run("report", "users", "--file", "users.csv", *options)
    assert (ran.code, ran.out) == (2, "")
    assert message in ran.err
    assert len(box.requests) == before
    assert (tmp_path / "users.csv").read_text() == content


def test_a_file_that_is_missing_or_not_text_is_named(run: Run, tmp_path: Path):
    assert "'none.txt' cannot be read" in run("report", "users", "--file", "none.txt").err
    (tmp_path / "users.bin").write_bytes(b"alice\n\xff\xfe\n")
    assert "users.bin is not UTF-8 (byte 6)" in run("report", "users", "--file", "users.bin").err
    assert "without a file" in run("report", "users", "alice", "--column", "user").err
    assert "there are no users" in run("report", "users").err


# --- What comes of it ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("users", "code", "message"),
    [
        (["alice", "bob"], 0, ""),
        (["alice", "+46730170101"], 12, "error: 1 of 2 reports are missing; the first: "),
        (["+46730170101", "+46730170102"], 13, "error: 2 of 2 reports are missing; the first: "),
    ],
)
def test_the_exit_code_says_all_some_or_none(
    run: Run,
    failing: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
    users: list[str],
    code: int,
    message: str,
):
    for name, value in failing.environ.items():
        monkeypatch.setenv(name, value)
    ran = run("report", "users", *users, "--retries", "0", "--json")
    assert ran.code == code
    assert len(lines(ran.out)) == len(users)
    for line in lines(ran.out):
        assert (line["error"] is None) is (line["success"] is not None)
        assert (line["error"] is None) is (line["endpoint"]["type"] == "username")
    assert message.removeprefix("error: ") in ran.err
    text = run("report", "users", *users, "--retries", "0")
    assert text.err.startswith(message)
    assert text.out.splitlines()[0].split("\t")[-2:] == ["error", "domain"]


def test_csv_is_safe_in_a_spreadsheet(run: Run):
    ran = run("report", "users", "+46730170101", "username:=cmd()", "--csv")
    rows = list(csv.DictReader(io.StringIO(ran.out)))
    assert sorted(row["endpoint"] for row in rows) == ["'+46730170101", "'=cmd()"]
    assert {row["type"] for row in rows} == {"number", "username"}
    assert all(row["success"].isdigit() and row["error"] == "" for row in rows)


def test_parquet_is_written_whole(run: Run, tmp_path: Path):
    path = tmp_path / "reports.parquet"
    ran = run("report", "users", "alice", "+46730170101", *PERIOD, "--parquet", str(path), "--json")
    assert ran.code == 2  # two formats
    ran = run("report", "users", "alice", "+46730170101", *PERIOD, "--parquet", str(path))
    assert (ran.code, ran.out.splitlines()) == (0, [f"file\t{path}", "reports\t4", "failed\t0"])
    rows = sorted(duckdb.read_parquet(str(path)).project("endpoint, start, failed").fetchall())
    assert rows[0][:2] == ("+46730170101", datetime(2026, 11, 1))  # noqa: DTZ001 - as it is stored
    assert len(rows) == 4
    assert [each.name for each in tmp_path.iterdir()] == ["reports.parquet"]


def test_a_run_continues_from_its_journal(run: Run, box: Sandbox, tmp_path: Path):
    first = run("report", "users", "alice", "bob", "--resume", "journal", "--json")
    before = len(box.requests)
    again = run("report", "users", "alice", "bob", "carol", "--resume", "journal", "--json")
    assert (first.code, again.code) == (0, 0)
    assert asked(again) == ["alice", "bob", "carol"]
    assert len(box.requests) == before + 1


def test_a_report_that_a_journal_has_twice_counts_once(run: Run, box: Sandbox):
    run("report", "users", "alice", "bob", "--resume", "journal", "--json")
    journal = Path("journal")
    content = journal.read_bytes()
    journal.write_bytes(content + content.splitlines(keepends=True)[-1])
    before = len(box.requests)
    again = run("report", "users", "alice", "bob", "--resume", "journal", "--json")
    assert (again.code, asked(again)) == (0, ["alice", "bob"])
    assert len(box.requests) == before


@pytest.mark.parametrize("latency", ["0.1", "0"])
def test_control_c_finishes_sent_requests_and_says_how_to_continue(tmp_path: Path, latency: str):
    journal = tmp_path / "journal"
    with running(faults=[f"latency={latency}"]) as box:
        environ = {**os.environ, **box.environ}
        users = [f"user{number}" for number in range(3000)]
        arguments = [sys.executable, "-m", "sinchvoice", "report", "users", "--file", "-", "--json"]
        with subprocess.Popen(
            [*arguments, "--concurrency", "4", "--resume", str(journal)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environ,
            text=True,
        ) as process:
            assert process.stdin is not None
            process.stdin.write("\n".join(users))
            process.stdin.close()
            process.stdin = None
            while not journal.exists() or journal.read_bytes().count(b"\n") < 6:
                time.sleep(0.02)
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=30)
        assert process.returncode == 130
        assert f"interrupted: the same command with --resume {journal} continues" in err
        answered = [
            request.target.partition("?")[0].split("/")[-3]
            for request in box.requests
            if request.status == 200
        ]
        _, *reports = map(json.loads, journal.read_text("utf-8").splitlines())
        kept = [report["endpoint"]["endpoint"] for report in reports]
        assert set(kept) == set(answered)
        # Ctrl-C right after a report was written has it written once more.
        assert len(answered) <= len(kept) <= len(answered) + 1
        assert len(answered) == len(set(answered)) < len(users)


# --- Counter ------------------------------------------------------------------------------------


def test_a_counter_is_watched_until_control_c(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    naps: list[float] = []

    def sleep(seconds: float) -> None:
        naps.append(seconds)
        if len(naps) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(reports.time, "sleep", sleep)
    ran = run("report", "counter", "currentcalls", "--watch", "--json")
    assert ran.code == 130
    assert [line["counter"] for line in lines(ran.out)] == ["currentcalls"] * 3
    assert all(119 < nap <= 120 for nap in naps)


@pytest.mark.parametrize(
    ("values", "picture"), [([1.0], "▁"), ([0, 7, 14], "▁▅█"), ([5, 5, 5], "▁▁▁"), ([-1, 1], "▁█")]
)
def test_a_picture_has_a_level_for_each_reading(values: list[float], picture: str):
    assert sparkline(values) == picture
