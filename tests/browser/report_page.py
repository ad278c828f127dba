"""The report of call records in Chromium: `nox -s browser` runs this file."""

from __future__ import annotations

import csv
import os
import re
import subprocess
import threading
import time
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import altair as alt
import pytest
from browsing import check_page
from command_line import isolated, runner
from documentation import blocks
from playwright.sync_api import Browser, Page, expect
from sinchvoice import CdrError, InvalidRequest, cdr
from sinchvoice.cdr.page import charts, sections
from sinchvoice.sandbox import cdr_files

HOSTILE = "</title></script><img src=x onerror=alert(1)>&\"'"


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[cdr.Archive]:
    """Twelve days of calls; all files of the fourth and fifth day are missing."""
    folder = tmp_path_factory.mktemp("records")
    cdr_files(folder, records=300, days=12)
    for day in ("2026-11-05", "2026-11-06"):
        for file in folder.glob(f"*{day}.csv"):
            file.unlink()
    with cdr.Archive(folder / "calls.duckdb") as opened:
        opened.load(folder / "*.csv")
        yield opened


@pytest.fixture(scope="module")
def html(archive: cdr.Archive) -> str:
    """The report of the archive."""
    return cdr.report(archive)


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out what takes longest, for tests that do not look at charts."""
    empty = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1 1"/>'
    monkeypatch.setattr(charts.vl_convert, "vegalite_to_svg", lambda _: empty)


def show(
    browser: Browser, folder: Path, html: str, *, scheme: Any = "light", width: int = 1100
) -> tuple[Page, list[str]]:
    """Open a page from disk, and return it with the browser's complaints."""
    path = folder / "report.html"
    path.write_text(html, "utf-8")
    page = browser.new_page(color_scheme=scheme, viewport={"width": width, "height": 900})
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("dialog", lambda dialog: complaints.append(dialog.message))
    page.on("request", lambda request: complaints.append(request.url))
    page.goto(path.as_uri())
    complaints.remove(path.as_uri())
    return page, complaints


def cells(page: Page, caption: str) -> list[list[str]]:
    """Return the cells of the table with a caption."""
    table = page.locator("table", has=page.locator("caption", has_text=re.compile(f"^{caption}$")))
    rows = table.locator("tbody tr")
    return [row.locator("th, td").all_text_contents() for row in rows.all()]


@pytest.mark.parametrize(("scheme", "width"), [("light", 1100), ("dark", 400)])
def test_a_report_has_the_numbers_of_the_archive(
    browser: Browser, archive: cdr.Archive, html: str, tmp_path: Path, scheme: str, width: int
):
    page, complaints = show(browser, tmp_path, html, scheme=scheme, width=width)
    check_page(page, complaints)
    (total,) = archive.kpis()
    text = page.inner_text("body")
    assert f"{total.attempts:,}" in text
    assert f"{total.asr.value:.1%}" in text
    for cost in total.costs:
        assert f"{cost.amount:,f} {cost.currency}" in text
    days = {str(row.by["day"]): row for row in archive.kpis("day")}
    shown = cells(page, "Calls of each day by outcome")
    assert [row[0] for row in shown] == list(days)
    assert all(row[1] == f"{days[row[0]].attempts:,}" for row in shown)
    assert all(
        sum(int(cell.replace(",", "")) for cell in row[2:]) == days[row[0]].attempts
        for row in shown
    )
    assert cells(page, "Days without calls") == [["2026-11-05", "2026-11-06", "2"]]
    by_reason = cells(page, "Calls by reason")
    assert sum(int(row[1].replace(",", "")) for row in by_reason) == total.attempts
    durations = cells(page, "Answered calls by duration, in seconds")
    assert sum(int(row[1].replace(",", "")) for row in durations) == total.timed
    costs = cells(page, "Cost by country; never added across currencies")
    in_eur = sum((Decimal(row[3].replace(",", "")) for row in costs if row[4] == "EUR"), Decimal())
    assert in_eur == total.costs[0].amount


def test_a_series_is_switched_off_by_the_keyboard(browser: Browser, html: str, tmp_path: Path):
    page, complaints = show(browser, tmp_path, html)
    line = page.locator(".series-0 path").first
    expect(line).to_be_visible()
    page.get_by_role("checkbox", name="answered").focus()
    page.keyboard.press("Space")
    expect(line).to_be_hidden()
    page.keyboard.press("Space")
    expect(line).to_be_visible()
    summary = page.locator("summary").first
    summary.focus()
    page.keyboard.press("Enter")
    expect(page.locator("details table").first).to_be_visible()
    assert complaints == []


def test_the_point_of_a_day_has_its_values_as_tooltip(
    browser: Browser, archive: cdr.Archive, html: str, tmp_path: Path
):
    page, _ = show(browser, tmp_path, html)
    (day, *_) = archive.kpis("day")
    titles = page.locator("svg title").all_text_contents()
    # Once: the line between the points has no value of its own.
    assert titles.count(f"{day.by['day']}, answered: {day.answered:,} calls") == 1


def test_texts_of_the_records_never_become_markup(browser: Browser, tmp_path: Path):
    with cdr.Archive(tmp_path / "calls.duckdb") as opened:
        generated = tmp_path / "records"
        cdr_files(generated, records=20, layouts=["phone-terminated"])
        (file,) = generated.glob("*.csv")
        header, *lines = file.read_text("utf-8").splitlines()
        names = header.split(";")
        country = names.index("ToCountryId")
        changed = []
        for line in lines:
            fields = line.split(";") if '"' not in line else None
            if fields is not None:
                quoted = HOSTILE.replace('"', '""')
                fields[country] = f'"{quoted}"'
                changed.append(";".join(fields))
        assert len(changed) > 5
        source = tmp_path / "hostile.csv"
        source.write_text("\n".join([header, *changed, ""]), "utf-8")
        assert opened.load(source).loaded == len(changed)
        html = cdr.report(opened, title=HOSTILE)
    page, complaints = show(browser, tmp_path, html)
    check_page(page, complaints)
    assert page.locator("img, script").count() == 0
    assert page.locator("h1").inner_text() == HOSTILE
    assert cells(page, "Calls by country")[0][0] == HOSTILE


@pytest.mark.usefixtures("undrawn")
def test_signals_and_changes_are_those_of_the_archive(browser: Browser, tmp_path: Path):
    cdr_files(tmp_path, records=60, days=14, layouts=["phone-terminated"])
    rows = [[column.name for column in cdr.LAYOUTS["phone-terminated"].columns]]
    for number in range(45):
        given = {"CallId": f"robot-{number}", "Result": "ANSWERED", "Duration": "4"}
        given |= {"CallTime": f"2026-11-12T03:{number // 5:02}:{number % 5 * 12:02}Z"}
        given |= {"To": f"+8821355501{number:02}", "UserId": HOSTILE}
        rows.append([given.get(name, "") for name in rows[0]])
    with (tmp_path / "robot.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, delimiter=";", lineterminator="\n").writerows(rows)
    period = (date(2026, 11, 9), date(2026, 11, 15))
    with cdr.Archive(tmp_path / "calls.duckdb") as archive:
        archive.load(tmp_path / "*.csv")
        signals = archive.signals(period).signals
        changes = archive.compare(period, kpi="attempts").changes
        html = cdr.report(archive, first=period[0], last=period[1])
        filtered = cdr.report(archive, first=period[0], last=period[1], where={"country": "SE"})
    page, complaints = show(browser, tmp_path, html)
    shown = cells(page, "Signals, highest score first")
    assert [(row[0], row[1], row[2]) for row in shown] == [
        (f"{each.score:.0f}", each.kind.replace("_", " "), each.subject) for each in signals
    ]
    assert {"short calls", "called range"} <= {row[1] for row in shown}
    assert shown[0][6].split(", ") == list(signals[0].call_ids[:5])
    (attempts,) = changes
    words = {True: "more than chance", False: "can be chance", None: "against"}
    tile = page.locator("dl.tiles > div", has=page.locator("dt", has_text="Attempts"))
    expect(tile).to_contain_text(words[attempts.is_more_than_chance])
    check_page(page, complaints)
    assert "Signals need all calls" in filtered


def test_names_with_the_same_beginning_have_separate_bars(tmp_path: Path):
    generated = tmp_path / "records"
    cdr_files(generated, records=40, layouts=["phone-terminated"])
    (file,) = generated.glob("*.csv")
    text = re.sub(r"user-\d*(\d)", lambda found: "x" * 60 + found[1], file.read_text("utf-8"))
    file.write_text(text, "utf-8")
    with cdr.scan(file) as records:
        html = cdr.report(records)
        users = [row for row in records.kpis("user") if row.by["user"] is not None]
    titles = re.findall("<title>(x+….*?): ([0-9]+) calls", html)
    assert len({name for name, _ in titles}) == len(titles) == len(users) > 3
    assert sorted(int(calls) for _, calls in titles) == sorted(row.attempts for row in users)


def test_an_empty_archive_and_a_single_day_have_a_report(
    browser: Browser, archive: cdr.Archive, tmp_path: Path
):
    with cdr.Archive(tmp_path / "empty.duckdb") as empty:
        page, complaints = show(browser, tmp_path, cdr.report(empty))
    check_page(page, complaints)
    assert "The records contain no calls." in page.inner_text("body")
    day = date(2026, 11, 3)
    page, complaints = show(browser, tmp_path, cdr.report(archive, first=day, last=day))
    check_page(page, complaints)
    (row,) = archive.kpis("day", {"day": day})
    assert cells(page, "Calls of each day by outcome")[0][:2] == [str(day), f"{row.attempts:,}"]


def test_a_long_period_is_shown_by_weeks(browser: Browser, tmp_path: Path):
    for number, first in enumerate((date(2025, 9, 3), date(2025, 9, 8), date(2026, 11, 2))):
        cdr_files(tmp_path / str(number), records=40, days=3, first_day=first, seed=number)
    with cdr.scan(tmp_path / "*" / "*.csv") as calls:
        page, complaints = show(browser, tmp_path, cdr.report(calls))
        days = {row.by["day"]: row.attempts for row in calls.kpis("day")}
    check_page(page, complaints)
    weeks = dict.fromkeys((date(2025, 9, 1), date(2025, 9, 8), date(2026, 11, 2)), 0)
    for day, attempts in days.items():
        assert isinstance(day, date)
        weeks[day - timedelta(days=day.weekday())] += attempts
    assert [row[:2] for row in cells(page, "Calls of each week by outcome")] == [
        [str(monday), f"{attempts:,}"] for monday, attempts in weeks.items()
    ]
    assert "A week is named by its Monday." in page.inner_text("body")
    assert page.locator("figure", has_text="ASR of each week").locator("svg").count() == 1
    assert cells(page, "Days without calls") == [
        ["2025-09-06", "2025-09-07", "2"],
        ["2025-09-11", "2026-11-01", "417"],
    ]


def test_a_report_of_a_scan_prints_on_a4(browser: Browser, tmp_path: Path):
    cdr_files(tmp_path / "records", records=50, days=2)
    with cdr.scan(tmp_path / "records" / "*.csv") as calls:
        page, complaints = show(browser, tmp_path, cdr.report(calls, tz="Europe/Stockholm"))
    assert complaints == []
    printed = page.pdf(prefer_css_page_size=True)
    assert printed.startswith(b"%PDF")
    assert re.search(rb"/MediaBox \[0 0 59[45](?:\.\d+)? 84[12]", printed)


def test_charts_use_the_names_of_altair(archive: cdr.Archive, monkeypatch: pytest.MonkeyPatch):
    checked = []
    for kind in (alt.Chart, alt.LayerChart):

        def to_dict(chart: Any, *, of: Any = kind.to_dict, **options: Any) -> Any:
            if options == {"validate": False}:  # the whole chart
                checked.append(type(chart))
                of(chart)
            return of(chart, **options)

        monkeypatch.setattr(kind, "to_dict", to_dict)
    cdr.report(archive)
    assert set(checked) == {alt.Chart, alt.LayerChart}


def test_a_report_that_fails_does_not_draw_the_rest(
    archive: cdr.Archive, monkeypatch: pytest.MonkeyPatch
):
    drawn, may_draw = [], threading.Event()

    def slow(content: Any) -> Any:
        drawn.append(content)
        may_draw.wait(30)

    def failed(*_: Any) -> Any:
        while not drawn:
            time.sleep(0.01)
        threading.Timer(0.2, may_draw.set).start()
        raise CdrError("damaged")

    monkeypatch.setattr(sections, "makers", lambda _: [slow] * 20)
    monkeypatch.setattr("sinchvoice.cdr.page.collect_signals", failed)
    with pytest.raises(CdrError, match="damaged"):
        cdr.report(archive)
    assert len(drawn) == 1


def test_charts_are_drawn_as_images(archive: cdr.Archive):
    images = cdr.report_charts(archive)
    assert next(iter(images)) == "Calls of each day by outcome"
    assert all(image.startswith(b"\x89PNG") for image in images.values())


def test_images_have_the_texts_of_their_charts():
    drawing = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 90 40">{}</svg>'
    text = drawing.format('<text x="5" y="30" font-size="12" fill="currentColor">calls</text>')
    colors = {"--ink": "#000000", "--series-0": "#0000ff"}
    plain = charts.png(drawing.format(""), colors)
    assert len({plain, charts.png(text, colors), charts.png(text, colors, ["answered"])}) == 3


@pytest.mark.usefixtures("undrawn")
def test_figures_of_the_page_have_the_same_base(browser: Browser, tmp_path: Path):
    lines = [
        "CallId;CallTime;Result;Duration;From;To;Amount;Currency;ToCountryId",
        "a;2026-11-02T08:00:00Z;ANSWERED;60;+46700000001;+46700000002;0.123456;EUR;SE",
        "b;2026-11-03T08:00:00Z;ANSWERED;6;+46700000001;+46700000002;1.5;EUR;SE",
        "c;2026-11-03T08:00:00Z;ANSWERED;120;+46700000001;+46700000002;2;SEK;SE",
        "d;2026-11-03T08:00:00Z;ANSWERED;600;+46700000001;+46700000002;;;SE",
    ]
    file = tmp_path / "calls.csv"
    file.write_text("\n".join([*lines, ""]), "utf-8")
    with cdr.scan(file, layout="phone-terminated") as calls:
        first = cdr.report(calls, last=date(2020, 1, 1))
        made = cdr.report(calls, first=date(2026, 11, 3))
        none = cdr.report(calls, where={"country": "FI"})
    page, _ = show(browser, tmp_path, made)
    tiles = page.inner_text(".tiles")
    assert "+1110.0% against 1" in tiles
    assert "against 0.123456" in tiles
    assert "of which 1 has calls." in page.inner_text("body")
    assert cells(page, "Cost by country; never added across currencies") == [
        ["SE", "1", "0.1", "1.5", "EUR"],
        ["SE", "1", "2.0", "2", "SEK"],
    ]
    durations = cells(page, "Answered calls by duration, in seconds")
    assert durations[:2] == [["0 to 5", "0"], ["6 to 14", "1"]]
    assert "2020-01-01 to 2020-01-01" in first
    assert "0 of 1 days have calls" in first
    assert "The records contain no such calls." in none


def test_ten_currencies_are_never_added(browser: Browser, tmp_path: Path):
    names = ["AUD", "BRL", "CHF", "DKK", "EUR", "GBP", "JPY", "NOK", "SEK", "USD"]
    lines = ["CallId;CallTime;Result;Duration;From;To;Amount;Currency;ToCountryId"]
    for number, name in enumerate(names * 3):
        moment = f"2026-11-{2 + number // 10:02}T08:00:00Z"
        ends = "+46700000001;+46700000002"
        lines.append(f"{number};{moment};ANSWERED;60;{ends};{number}.000001;{name};SE")
    file = tmp_path / "calls.csv"
    file.write_text("\n".join([*lines, ""]), "utf-8")
    with cdr.scan(file, layout="phone-terminated") as calls:
        page, complaints = show(browser, tmp_path, cdr.report(calls))
        (total,) = calls.kpis()
    check_page(page, complaints)
    amounts = {name: f"{3 * number + 30}.000003" for number, name in enumerate(names)}
    assert {cost.currency: f"{cost.amount:f}" for cost in total.costs} == amounts
    rows = cells(page, "Cost by country; never added across currencies")
    assert {row[4]: row[3] for row in rows} == amounts
    assert [row[0] for row in rows] == ["SE"] * 10
    tiles = page.inner_text(".tiles")
    assert all(f"{amount} {name}" in tiles for name, amount in amounts.items())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"first": date(2026, 11, 3), "last": date(2026, 11, 2)}, "ends before it begins"),
        ({"first": "2026-11-03"}, "first is '2026-11-03'"),
        ({"first": date.min, "last": date(1, 1, 5)}, "give a day from 2000-01-01 to 2069-12-31"),
        ({"last": date.max}, "give a day from 2000-01-01 to 2069-12-31"),
        ({"by": "planet"}, "by has 'planet'"),
        ({"by": "prefix"}, "by is 'prefix': give 'prefix:4'"),
        ({"tz": "Mars/Olympus"}, "Mars/Olympus"),
        ({"where": {"start": None}}, "give the period with first and last"),
    ],
)
def test_a_wrong_argument_is_named(archive: cdr.Archive, options: Any, message: str):
    with pytest.raises(InvalidRequest, match=message):
        cdr.report(archive, **options)


def shell(code: str) -> None:
    subprocess.run(["/bin/sh", "-eu", "-c", code], check=True, capture_output=True)


def test_the_example_of_the_guide_works(
    browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    first, python, second = blocks("docs/how-to/report-page.md")
    shell(first.code)
    written = Path("week-46.html").read_text("utf-8")
    page, complaints = show(browser, tmp_path, written)
    assert complaints == []
    assert page.title() == "Calls of week 46"
    assert "2026-11-09 to 2026-11-15, days of Europe/Stockholm." in page.inner_text("header")
    exec(compile(python.code, python.page, "exec"), {})  # noqa: S102
    assert "Call report" in Path("week-46.html").read_text("utf-8")
    shell(second.code)
    assert Path("week-46.pdf").read_bytes().startswith(b"%PDF")
    assert len(list(Path("charts").glob("*.png"))) > 8


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize(
    ("options", "written", "note"),
    [
        (["--from", "2026-12-01"], "file\nreport.html\n", "note: report.html has no calls\n"),
        (["--to", "2026-11-01"], "file\nreport.html\n", "note: report.html has no calls\n"),
        (["--country", "US"], "file\nreport.html\n", "note: report.html has no calls\n"),
        (
            ["--country", "US", "--format", "png", "-o", "p"],
            "",
            "note: no calls, so no images in p\n",
        ),
        (["--to", "2026-11-02"], "file\nreport.html\n", ""),
    ],
)
def test_a_report_without_calls_is_written_with_a_note(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    written: str,
    note: str,
):
    monkeypatch.chdir(tmp_path)
    cdr_files(tmp_path, records=10, layouts=["app-to-app"])
    run = runner(isolated({}, tmp_path), monkeypatch, capsys)
    ran = run("cdr", "report", "app-to-app-2026-11-02.csv", *options)
    assert (ran.code, ran.out, ran.err) == (0, written, note)


@pytest.mark.usefixtures("undrawn")
def test_the_layout_of_a_report_is_a_filter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)
    cdr_files("files", records=7, layouts=["app-to-app", "sip-terminated"])
    Path("files/truth.json").unlink()
    headless = Path("files/app-to-app-2026-11-02.csv")
    headless.write_bytes(headless.read_bytes().partition(b"\n")[2])
    run = runner(isolated({}, tmp_path), monkeypatch, capsys)
    assert run("cdr", "load", "files", "--layout", "app-to-app").code == 0
    for source, layout in (
        ("calls.duckdb", "app-to-app"),
        ("calls.duckdb", "sip-terminated"),
        ("files", "app-to-app"),
    ):
        ran = run("cdr", "report", source, "--layout", layout)
        note = "note: 7 calls of other layouts are left out\n" if source == "files" else ""
        assert (ran.code, ran.err) == (0, note)
        page = Path("report.html").read_text("utf-8")
        assert f"Only layout {layout}." in page
        assert re.search(r"<dt>Attempts</dt><dd[^>]*>7</dd>", page)
    ran = run("cdr", "report", "--layout", "phone-terminated")
    assert (ran.code, ran.err) == (0, "note: report.html has no calls\n")


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (
            ["--from", "2026-11-03", "--to", "2026-11-02"],
            2,
            "ends before it begins: give the first",
        ),
        (["--from", "yesterday"], 2, "--from is 'yesterday'"),
        (["--to", "1999-12-31"], 2, "--to is '1999-12-31': give a day from 2000-01-01 to 2069"),
        (["--where", "start=2026-11-01"], 2, "--where has 'start': give the period with --from"),
        (["--format", "gif"], 2, "--format is 'gif': give html, pdf or png"),
        (["-o", "nowhere/report.html"], 2, "'nowhere', which does not exist"),
        (["-o", "."], 2, "'.' cannot be written"),
        (["-o", "pipe"], 2, "'pipe' cannot be written (this is not a regular file)"),
        (["--by", "planet"], 2, "planet"),
        (["--by", "user", "--by", "country"], 2, "--by is 'user' and 'country': give one"),
    ],
)
def test_a_wrong_option_is_named_and_nothing_is_written(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    code: int,
    message: str,
):
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe")
    cdr_files(tmp_path, records=10, layouts=["phone-terminated"])
    run = runner(isolated({}, tmp_path), monkeypatch, capsys)
    before = sorted(tmp_path.iterdir())
    ran = run("cdr", "report", "phone-terminated-2026-11-02.csv", *options)
    assert (ran.code, ran.out) == (code, "")
    assert message in ran.err
    assert sorted(tmp_path.iterdir()) == before
