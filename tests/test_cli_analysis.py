"""cli: `cdr compare` and `cdr alert`, on an archive and on files."""

from __future__ import annotations

import csv
import json
import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from command_line import Run, isolated, runner
from sinchvoice import cdr
from sinchvoice.sandbox import cdr_files

DOCUMENTATION = (Path(__file__).parent.parent / "docs/reference/cli.md").read_text("utf-8")
WEEK = "2026-11-09..2026-11-15"
ASR = '[[rule]]\nname = "ASR"\nkpi = "asr"\nby = "country"\nbelow = 0.2\n'
QUIET = '[[rule]]\nkpi = "attempts"\nabove = 1000\n'


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two weeks of files, and an archive of them."""
    folder = tmp_path_factory.mktemp("calls")
    cdr_files(folder / "cdr", days=14, records=20, layouts=["phone-terminated"])
    (folder / "cdr" / "truth.json").unlink()
    with cdr.Archive(folder / "calls.duckdb") as archive:
        archive.load(folder / "cdr")
    return folder


@pytest.fixture
def run(
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Run:
    monkeypatch.chdir(folder)
    return runner(isolated({}, tmp_path), monkeypatch, capsys)


def rules(folder: Path, text: str) -> tuple[str, str]:
    (folder / "rules.toml").write_text(text, encoding="utf-8")
    return "--rules", "rules.toml"


def lines(out: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.splitlines()]


def documented(command: str) -> list[str]:
    section = DOCUMENTATION.partition(f"### JSON of `{command}`")[2].partition("\n### ")[0]
    rows = section[section.index("| key |") :].partition("\n\n")[0].splitlines()[2:]
    return [key for row in rows for key in re.findall("`(.*?)`", row.split("|")[1])]


# --- compare -------------------------------------------------------------------------------------


def test_a_comparison_is_that_of_the_archive(run: Run, folder: Path):
    ran = run("cdr", "compare", "--period", WEEK, "--by", "country", "--json")
    with cdr.Archive(folder / "calls.duckdb", read_only=True) as archive:
        found = archive.compare(WEEK, by="country")
    assert ran.code == 0
    assert [(line["country"], line["kpi"], line["p_value"]) for line in lines(ran.out)] == [
        (change.by["country"], change.kpi, change.p_value) for change in found.changes
    ]
    assert ran.err == (
        "note: late records may be missing: no file of a day after 2026-11-15 (UTC) is loaded\n"
    )


def test_json_of_a_comparison_has_the_documented_keys(run: Run):
    ran = run("cdr", "compare", "--period", WEEK, "--json", "--kpi", "cost")
    (line,) = lines(ran.out)
    assert documented("cdr compare") == list(line)
    assert (line["period"], line["reference"]) == (WEEK, "2026-11-02..2026-11-08")
    assert isinstance(line["numerator"], str)


def test_a_comparison_as_csv_has_the_same_columns(run: Run):
    ran = run("cdr", "compare", "--period", WEEK, "--by", "country", "--csv", "--kpi", "asr")
    header, *rows = csv.reader(ran.out.splitlines())
    assert header == ["country", *documented("cdr compare")]
    assert [(row[0], row[1]) for row in rows] == [
        (name, "asr") for name in ("FR", "GB", "SE", "US")
    ]


def test_files_are_compared_without_an_archive(run: Run):
    archived = run("cdr", "compare", "--period", WEEK, "--kpi", "asr", "--json")
    ran = run("cdr", "compare", "cdr", "--period", WEEK, "--kpi", "asr", "--json")
    assert (ran.out, ran.err) == (archived.out, "")


def test_destinations_of_a_table_are_compared(run: Run, folder: Path):
    (folder / "prefixes.csv").write_text("prefix,name\n46,Sweden\n4670,Sweden mobile\n")
    table = {"46": "Sweden", "4670": "Sweden mobile"}
    options = ("--by", "prefix", "--prefixes", str(folder / "prefixes.csv"), "--kpi", "attempts")
    ran = run("cdr", "compare", "--period", WEEK, *options, "--json")
    with cdr.Archive(folder / "calls.duckdb", read_only=True) as archive:
        expected = archive.compare(WEEK, by="prefix", kpi="attempts", prefixes=table)
        first, last = (date.fromisoformat(day) for day in WEEK.split(".."))
        start, until = (datetime(*day.timetuple()[:3], tzinfo=UTC) for day in (first, last))
        until += timedelta(days=1)
        rows = archive.kpis("prefix", {"start": start, "until": until}, prefixes=table)
        counted = {row.by["prefix"]: row.attempts for row in rows}
    shown = {line["prefix"]: line["numerator"] for line in lines(ran.out)}
    assert shown == counted
    assert shown == {each.by["prefix"]: each.value.numerator for each in expected.changes}


def test_only_changes_beyond_chance_are_printed_on_request(run: Run):
    ran = run("cdr", "compare", "cdr", "--period", WEEK, "--changed")
    assert (ran.code, ran.out) == (0, "")
    assert ran.err == "note: no change is more than chance\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Missing option '--period'"),
        (["--period", "last week"], "--period is 'last week': give a day like 2026-11-23"),
        (["--period", WEEK, "--with", WEEK], f"--with is '{WEEK}': give other days"),
        (["--period", WEEK, "--weeks", "0"], "--weeks is 0: give a number from 1 to 52"),
        (["--period", WEEK, "--weeks", "3"], "--weeks has no effect without --with same-weekdays"),
        (
            ["--period", WEEK, "--by", "prefix"],
            "'prefix' without a table: give --prefixes",
        ),
        (["--period", WEEK, "--alpha", "5"], "--alpha is 5.0: give a number between 0 and 1"),
        (["--period", WEEK, "--kpi", "pdd"], "--kpi is 'pdd': give one of attempts"),
        (["--period", WEEK, "--json", "--csv"], "--csv and --json are two formats"),
    ],
)
def test_a_wrong_option_of_compare_is_named(run: Run, arguments: list[str], message: str):
    ran = run("cdr", "compare", *arguments)
    assert (ran.code, ran.out) == (2, "")
    assert message in ran.err or message in ran.error["message"]


# --- alert ---------------------------------------------------------------------------------------


def test_nothing_is_printed_if_all_is_well(run: Run, folder: Path):
    given = rules(folder, QUIET)
    ran = run("cdr", "alert", *given, "--day", "2026-11-15")
    assert (ran.code, ran.out, ran.err) == (0, "", "")
    ran = run("cdr", "alert", *given, "--day", "2026-11-15", "-v")
    assert (ran.code, ran.out) == (0, "")
    assert ran.err.startswith("note: rule 1: attempts: 1 judged, alarms: 0\n")


def test_alarms_have_their_evidence_and_an_exit_code(run: Run, folder: Path):
    given = rules(folder, ASR.replace("0.2", "0.999") + QUIET)
    ran = run("cdr", "alert", *given, "--period", WEEK, "--json")
    assert ran.code == 14
    found = lines(ran.out)
    assert [line["group"]["country"] for line in found] == ["FR", "GB", "SE", "US"]
    assert documented("cdr alert") == list(found[0])
    first = found[0]
    assert (first["state"], first["bound"], first["limit"]) == ("alarm", "below", "0.999")
    assert first["value"] == first["numerator"] / first["denominator"]
    assert ran.error["message"] == f"4 alarms for {WEEK}"
    ran = run("cdr", "alert", *given, "--period", WEEK)
    assert ran.out.splitlines()[1].startswith("alarm\tASR\tcountry=FR\tasr\t\tbelow\t0.999\t")


def test_an_unjudged_rule_has_a_reason_and_an_exit_code(run: Run, folder: Path):
    given = rules(folder, ASR + "min_attempts = 1000\n" + QUIET)
    ran = run("cdr", "alert", *given, "--day", "2026-11-15", "--json")
    (line,) = lines(ran.out)
    assert (ran.code, line["state"], line["rule"]) == (15, "not judged", "ASR")
    assert line["reason"] == "fewer than 1000 attempts (4 groups)"
    assert ran.error["message"] == "1 rule cannot be judged"


def test_days_without_records_are_never_judged_as_well(run: Run, folder: Path):
    given = rules(folder, QUIET)
    ran = run("cdr", "alert", *given, "--period", "2026-11-15..2026-11-16")
    assert (ran.code, ran.out) == (15, "")
    assert ran.err == (
        "warning: no records at all on 2026-11-16\n"
        "error: some days cannot be judged: load their records\n"
    )


def test_yesterday_is_judged_without_an_option(run: Run, folder: Path):
    before = datetime.now(UTC).date() - timedelta(days=1)
    ran = run("cdr", "alert", *rules(folder, QUIET), "--json")
    assert before <= date.fromisoformat(lines(ran.out)[0]["period"]) <= before + timedelta(days=1)


def test_files_are_judged_without_an_archive(run: Run, folder: Path):
    given = rules(folder, ASR.replace("0.2", "0.999"))
    ran = run("cdr", "alert", "cdr", *given, "--day", "2026-11-15", "--json")
    assert (ran.code, len(lines(ran.out))) == (14, 4)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--rules", "none.toml"], "none.toml cannot be read: No such file or directory"),
        (["--day", "2026-11-15", "--period", WEEK], "--period and --day are two periods"),
        (["--day", WEEK], f"--day is '{WEEK}': give one day, or use --period"),
        (["--day", "today"], "--day is 'today': give a day like 2026-11-23"),
        (["--tz", "Mars"], "--tz is 'Mars'"),
    ],
)
def test_a_wrong_option_of_alert_is_named(
    run: Run, folder: Path, arguments: list[str], message: str
):
    ran = run("cdr", "alert", *rules(folder, QUIET), *arguments)
    assert (ran.code, ran.out) == (2, "")
    assert message in ran.err


def test_a_mistake_in_a_rule_is_named_with_its_file(run: Run, folder: Path):
    ran = run("cdr", "alert", *rules(folder, ASR.replace("0.2", "20")))
    assert ran.code == 2
    assert ran.err == (
        "error: rules.toml, rule 1 (ASR): below is 20: give a share from 0 to 1, because asr is a "
        "share\n"
    )
