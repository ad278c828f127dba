"""Masked numbers and users: the same in every output, and never in plain text."""

from __future__ import annotations

import hashlib
import hmac
import json
import random
import re
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import command_line
import duckdb
import openpyxl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sinchvoice import CdrError, InvalidRequest, cdr
from sinchvoice.cdr import LAYOUTS, ColumnType, alerts
from sinchvoice.cdr.alerts import AlertRule
from sinchvoice.cdr.masked_copy import needed_columns
from sinchvoice.cdr.masked_views import masked_views
from sinchvoice.cdr.masking import Masking

KEY = "an example of a key"
METHODS = ("shorten", Masking("hash", key=KEY))


# --- One text ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "mask"),
    [
        ("+46701234567", "4670123****"),
        ("46701234567", "4670123****"),
        ("0046 70-123 45 67", "4670123****"),
        ("(46) 70.123/4567", "4670123****"),
        ("sip:+46701234567", "4670123****"),
        ("tel:+46701234567", "4670123****"),
        ("sip:+46701234567@example.com;user=phone", "4670123****@example.com"),
        ("SIPS:46701234567:secret@example.com:5061", "4670123****@example.com:5061"),
        ("x@4670123456.example.com", "****@****.example.com"),
        ("90510", "9****"),
        ("112", "****"),
        ("alice", "a****"),
        ("bob", "****"),
        ("anna.andersson", "ann****"),
        ("", ""),
    ],
)
def test_a_shortened_text_keeps_country_and_range_or_the_beginning(text: str, mask: str):
    assert Masking().mask(text) == mask
    assert Masking("shorten").mask(text) == mask


def test_a_hash_is_the_hmac_of_the_digits():
    expected = hmac.new(KEY.encode(), b"46701234567", hashlib.sha256).hexdigest()[:16]
    masking = Masking("hash", key=KEY)
    for text in ("+46701234567", "0046 70 123 45 67", "46701234567", "sip:46701234567"):
        assert masking.mask(text) == f"#{expected}"
    assert masking.mask("sip:+46701234567@example.com") == f"#{expected}@example.com"


def test_a_hash_depends_on_the_key_alone():
    assert Masking("hash", key=KEY).mask("alice") == Masking("hash", key=KEY.encode()).mask("alice")
    assert Masking("hash").mask("alice") != Masking("hash").mask("alice")
    assert Masking("hash", key=KEY) == Masking("hash", key=KEY)


def test_a_key_is_not_shown():
    assert KEY not in repr(Masking("hash", key=KEY))
    with pytest.raises(InvalidRequest, match="15 bytes") as caught:
        Masking("hash", key=KEY[:15])
    assert KEY[:15] not in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("md5",), "mask is 'md5': give 'shorten', 'hash' or a Masking"),
        (("shorten", KEY), "key has no effect with method 'shorten'"),
        (("hash", "short"), "key has 5 bytes: give at least 16"),
    ],
)
def test_a_wrong_masking_is_refused(arguments: tuple[Any, ...], message: str):
    with pytest.raises(InvalidRequest, match=message):
        Masking(*arguments)


LONG_KEY = Masking("hash", key="k" * 65)
SQL = {
    masking: masked_views(masking, {"records": ("raw", ("from_", "custom", "layout"))})
    for masking in (Masking(), Masking("hash", key=KEY), LONG_KEY)
}
PART = st.text(st.sampled_from("0123456789+ -()./@;:?.sipteSIPTEL<>%å\n\U0001f600\\'\"ab"))


@settings(max_examples=50)
@given(st.text(st.characters(codec="utf-8", exclude_characters="\0")) | PART)
@example("sip:0046701234567;x=@a@b:1?c")
@example("00")
def test_sql_masks_as_python_does(text: str):
    for masking in SQL:
        column = masking._sql("text")
        query = f"SELECT {column} FROM (SELECT CAST(? AS VARCHAR) AS text)"  # noqa: S608
        assert DUCKDB.execute(query, [text]).fetchall() == [(masking.mask(text),)]


DUCKDB = duckdb.connect()


@settings(max_examples=50)
@given(st.from_regex(r"\A[1-9][0-9]{7,14}\Z"), st.randoms())
def test_no_notation_hides_that_numbers_are_equal(number: str, chance: random.Random):
    def spaced(text: str) -> str:
        return "".join(digit + chance.choice(["", "", " ", "-", "."]) for digit in text)

    for masking in (Masking(), METHODS[1]):
        mask = Masking.mask(masking, number)
        assert number[-5:] not in mask
        assert {
            masking.mask(each)
            for each in (f"+{number}", f"00{number}", spaced(number), f"sip:{number}")
        } == {mask}


# --- All outputs ---------------------------------------------------------------------------------


@attrs.frozen
class Planted:
    """A folder of records and rejects, and the texts that no output may have."""

    folder: Path
    archive: Path
    secrets: frozenset[str]


def _planted(folder: Path) -> Planted:
    chance = random.Random(16)
    secrets: set[str] = set()

    def number() -> str:
        digits = str(chance.randrange(10**10, 10**11))
        secrets.update((digits, digits[-6:]))
        spaced = f"{digits[:2]} {digits[2:5]}-{digits[5:]}"
        return chance.choice([f"+{digits}", digits, f"00{digits}", f"+{spaced}"])

    def user() -> str:
        name = f"{chance.choice(['anna', 'bo', 'Åke'])}{chance.randrange(10**5, 10**6)}"
        secrets.add(name)
        return chance.choice([name, name, number()])

    def address() -> str:
        host = "sip.example.com"
        return chance.choice(
            [f"sip:{number()}@{host}", f"{user()}@{host}", number(), f"sip:{number()}"]
        ).replace(" ", "")

    makes = {
        ColumnType.PHONE: lambda: chance.choice([number(), number(), user()]),
        ColumnType.USER: user,
        ColumnType.ADDRESS: address,
    }

    def cell(name: str, kind: ColumnType, call: int) -> str:
        if kind in makes:
            return makes[kind]()
        constant = {"CallId": f"call-{call}", "CallTime": "2026-11-02T08:15:30Z", "Amount": "0.125"}
        made = {"UserId": user, "Custom": lambda: f'{{"to": "{number()}", "by": "{user()}"}}'}
        if name in made:
            return made[name]()
        return constant.get(name, {"Duration": "61", "Currency": "EUR"}.get(name, ""))

    cdr_folder = folder / "cdr"
    cdr_folder.mkdir()
    call = 0
    for layout in LAYOUTS.values():
        names = [column.name for column in layout.columns]
        rows = []
        for _ in range(12):
            call += 1
            rows.append([cell(column.name, column.type, call) for column in layout.columns])
        wrong = [list(rows[0]) for _ in range(6)]
        wrong[0][names.index("Duration")] = f"x{number()}"
        wrong[1][names.index("CallTime")] = user()
        wrong[2].insert(1, number())
        wrong[3][0] = ""
        wrong[4][names.index("Result")] = f'"{number()}" x'
        wrong[5][names.index("UserSpaceId")] = f'it\'s "{user()}"'
        content = "".join(";".join(row) + "\n" for row in [names, *rows, *wrong])
        content += f";;{number()}\n".rjust(40, "x")
        (cdr_folder / f"{layout.name}.csv").write_text(content, encoding="utf-8")
        extra = [";".join([*names, "Phone"]), ";".join([*rows[0][1:], number()])]
        extra[1] = f"call-{call}-extra;{extra[1]}"
        (cdr_folder / f"{layout.name}-extra.csv").write_text("\n".join(extra) + "\n")
    # An unreadable header row between records.
    damaged = f'CallId;UserSpaceId;CallTime;Result;Reason;Duration;"{number()}" x\n'
    first = (cdr_folder / "app-to-app.csv").read_text("utf-8")
    (cdr_folder / "lost.csv").write_text(first + damaged + first.split("\n", 1)[1])
    archive = folder / "calls.duckdb"
    with cdr.Archive(archive) as opened:
        report = opened.load(cdr_folder)
    assert report.rejected > 24
    assert report.loaded > 48
    return Planted(folder, archive, frozenset(secrets))


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Planted:
    return _planted(tmp_path_factory.mktemp("planted"))


@pytest.fixture
def hides(planted: Planted) -> Callable[[object], None]:
    """A function that fails if a text has a number or user."""

    def check(text: object) -> None:
        shown = text if isinstance(text, str) else repr(text)
        plain = re.sub(r"[ \-.]", "", shown)
        found = [each for each in planted.secrets if each in shown or each in plain]
        assert not found, shown[:2000]

    return check


Run = command_line.Run


@pytest.fixture
def run(
    planted: Planted, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Run:
    monkeypatch.chdir(planted.folder)
    return command_line.runner(
        command_line.isolated({"SINCHVOICE_MASK_KEY": KEY}, planted.folder), monkeypatch, capsys
    )


COMMANDS = [
    ("check", "cdr"),
    ("stats", "--by", "user", "--by", "layout"),
    ("stats", "--by", "user", "--csv"),
    ("stats", "cdr", "--by", "user"),
    ("completeness",),
    ("rejects",),
    ("rejects", "--resolved"),
    ("sql", "FROM records"),
    ("sql", "FROM records", "cdr"),
    ("sql", "FROM rejects"),
    ("sql", "FROM rejects", "cdr"),
    ("sql", "FROM conflicts"),
    ("sql", "FROM files"),
    ("sql", "SELECT CAST(from_ AS INTEGER) FROM records"),
    ("sql", "SUMMARIZE records"),
]


def test_no_command_shows_a_number_or_user(
    planted: Planted, run: Run, hides: Callable[[object], None]
):
    plain = run("cdr", "sql", "FROM records").out + run("cdr", "--json", "rejects").out
    assert sum(secret in plain for secret in planted.secrets) > 50
    for place, command in enumerate(COMMANDS):
        forms = (
            [("shorten",), ("hash", "--json")] if place % 2 else [("shorten", "--json"), ("hash",)]
        )
        for method, *form in forms:
            if "--csv" in command:
                form.clear()
            ran = run("cdr", *command, "--mask-numbers", method, *form)
            hides(ran.out + ran.err)
            assert ran.code in (0, 1)


def test_no_export_has_a_number_or_user(
    planted: Planted, run: Run, hides: Callable[[object], None], tmp_path: Path
):
    for method in ("shorten", "hash"):
        folder = tmp_path / method
        assert run("cdr", "export", str(folder), "--mask-numbers", method).code == 0
        rows = duckdb.sql(f"FROM '{folder}/*/data_0.parquet'").fetchall()
        assert len(rows) > 48
        hides(rows)
        for file in folder.rglob("*.parquet"):
            hides(file.read_bytes().decode("latin-1"))
        book = tmp_path / f"{method}.xlsx"
        mask = ("--mask-numbers", method, "--xlsx", str(book))
        assert run("cdr", "stats", "--by", "user", *mask).code == 0
        hides([[cell.value for cell in row] for row in openpyxl.load_workbook(book).active])


def test_python_shows_no_number_or_user(planted: Planted, hides: Callable[[object], None]):
    folder = planted.folder / "cdr"
    for mask in METHODS:
        with cdr.read(folder, on_reject="collect", mask=mask) as records:
            hides(list(records))
        hides([attrs.asdict(each) for each in records.rejects])
        with pytest.raises(CdrError) as caught, cdr.read(folder, mask=mask) as records:
            list(records)
        hides("".join(traceback.format_exception(caught.value)))
        hides(attrs.asdict(caught.value.reject))
        with cdr.scan(folder, mask=mask) as scan:
            hides(scan.sql("FROM records").rows)
            hides(list(scan.kpis("user")))
        with cdr.Archive(planted.archive, read_only=True, mask=mask) as archive:
            hides([attrs.asdict(each) for each in archive.rejects(resolved=True)])
            hides([attrs.asdict(each) for each in archive.completeness()])


def test_no_error_about_a_file_quotes_it():
    for content in (b"46701234567;anna12345\n", b"CallId;CallTime;46701234567;46701234567\n"):
        for reads in (
            lambda content: list(cdr.read(content, mask="shorten")),
            lambda content: cdr.scan(content, mask="shorten"),
        ):
            with pytest.raises(CdrError) as caught:
                reads(content)
            shown = str(caught.value)
            assert "'…'" in shown
            assert "4670" not in shown
            assert caught.value.__suppress_context__


def test_a_reject_shows_the_shape_of_its_text():
    header = ";".join(column.name for column in LAYOUTS["app-to-app"].columns)
    row = "x1;1;2026-11-02 08:15:30;ANSWERED;;61;anna12345;bo\\é;;"
    with cdr.read(f"{header}\n{row}\n".encode(), on_reject="collect", mask="shorten") as calls:
        assert not list(calls)
    (reject,) = calls.rejects
    assert reject.text == "x0;0;0000-00-00 00:00:00;xxxxxxxx;;00;xxxx00000;xxxxx;;"
    assert reject.value == "0000-00-00 00:00:00"
    assert reject.message.startswith("CallTime '…' has no time zone")


# --- The same everywhere -------------------------------------------------------------------------


def test_reading_scanning_and_archives_agree(planted: Planted):
    folder = planted.folder / "cdr"
    for mask in METHODS:
        with cdr.read(folder, on_reject=lambda _: None, mask=mask) as records:
            read = sorted(
                (call.call_id, _text(call.from_), _text(call.to), getattr(call, "user_id", None))
                for call in records
            )
        query = "SELECT call_id, from_, to_, user_id FROM records"
        with cdr.scan(folder, mask=mask) as scan:
            assert sorted(scan.sql(query).rows, key=repr) == sorted(read, key=repr)
        with cdr.Archive(planted.archive, read_only=True, mask=mask) as archive:
            assert set(archive.sql(query).rows) == set(read)
        with cdr.Archive(planted.archive, read_only=True) as archive:
            masking = mask if isinstance(mask, Masking) else Masking(mask)
            plain = archive.sql(query).rows
            masked = [(row[0], *(each and masking.mask(each) for each in row[1:])) for row in plain]
            assert set(masked) == set(read)


def _text(endpoint: Any) -> str | None:
    return None if endpoint is None else endpoint.to_dict()["endpoint"]


def test_every_question_takes_masked_users_only(planted: Planted):
    rule = alerts.AlertRule(name="busy", kpi="attempts", where={"user": "anna12345"}, above=9)
    masked = attrs.evolve(rule, by=("user",), where=None, above=0)
    for mask in METHODS:
        with cdr.Archive(planted.archive, read_only=True, mask=mask) as archive:
            with pytest.raises(InvalidRequest, match="'anna12345', but users are masked"):
                archive.compare("2026-11-02", where={"user": "anna12345"})
            with pytest.raises(InvalidRequest, match="rule 'busy': where.*but users are masked"):
                archive.alert("2026-11-02", [rule])
            with pytest.raises(InvalidRequest, match="records are masked"):
                archive.reconcile_reports("anna12345", [])
            users = {row.by["user"] for row in archive.kpis("user")}
            report = archive.alert("2026-11-02", [masked])
            assert {alarm.by["user"] for alarm in report.alarms} == users
            changes = archive.compare("2026-11-02", by="user", kpi="asr").changes
            assert {change.by["user"] for change in changes} == users


def test_signals_are_judged_only_where_masks_show_enough(planted: Planted):
    for mask, seen in zip(
        METHODS,
        (("new_destination", "prefix_rate"), ("short_calls", "caller_rate")),
        strict=True,
    ):
        archive = cdr.Archive(planted.archive, read_only=True, mask=mask)
        with archive, cdr.scan(planted.folder / "cdr", mask=mask) as calls:
            for each in (archive, calls):
                (note,) = each.signals("2026-11-02").notes
                assert all(kind not in note for kind in seen)
                assert "called_range, calling_range" in note
                assert each.signals("2026-11-02", kinds=seen).notes == ()
                with pytest.raises(InvalidRequest, match="called_range.*numbers are (short|hash)"):
                    each.signals("2026-11-02", kinds=["called_range"])
    with cdr.Archive(planted.archive, read_only=True) as archive:
        assert archive.signals("2026-11-02").notes == ()


def test_hashed_numbers_have_no_prefixes(planted: Planted):
    with cdr.Archive(planted.archive, read_only=True, mask=METHODS[1]) as archive:
        with pytest.raises(InvalidRequest, match="'prefix:2' needs digits, but numbers are hashed"):
            archive.kpis("prefix:2")
        with pytest.raises(InvalidRequest, match="'prefix' needs digits"):
            archive.kpis(where={"prefix": "SE"}, prefixes={"46": "SE"})


def test_kpis_by_user_count_the_masked_users(planted: Planted):
    for mask in METHODS:
        with cdr.Archive(planted.archive, read_only=True, mask=mask) as archive:
            by_user = {row.by["user"]: row.attempts for row in archive.kpis("user")}
            expected = archive.sql(
                "SELECT CASE WHEN layout = 'app-to-app' THEN from_ ELSE user_id END, count(*) "
                "FROM records GROUP BY ALL"
            ).rows
            assert by_user == dict(expected)
            user = next(user for user in by_user if user is not None)
            (row,) = archive.kpis(where={"user": user})
            assert row.attempts == by_user[user]
            assert archive.kpis(where={"user": [None]})[0].attempts == by_user[None]
            with pytest.raises(InvalidRequest, match="'anna12345', but users are masked"):
                archive.kpis(where={"user": "anna12345"})
            with pytest.raises(InvalidRequest, match="'anna12345', but users are masked"):
                archive.compare("2026-11-02", where={"user": ["anna12345"]})
            with pytest.raises(InvalidRequest, match="has 5: give a string"):
                archive.kpis(where={"user": 5})  # type: ignore[typeddict-item]
            rule = AlertRule(name="r", kpi="attempts", above=1, where={"user": "anna12345"})
            with pytest.raises(InvalidRequest, match="'anna12345', but users are masked"):
                archive.alert("2026-11-02", [rule])
            with pytest.raises(InvalidRequest, match="those of a user cannot be found"):
                archive.reconcile_reports("anna12345", [])
            assert archive.compare("2026-11-02", where={"user": user}).changes
            assert archive.kpis("layout") == cdr_kpis(planted, "layout")


def cdr_kpis(planted: Planted, by: Any) -> list[Any]:
    archive = planted.archive.with_name("copy.duckdb")
    if not archive.exists():
        archive.write_bytes(planted.archive.read_bytes())
    with cdr.Archive(archive, read_only=True) as opened:
        return list(opened.kpis(by))


# --- Attacks -------------------------------------------------------------------------------------

ATTACKS = """
FROM kept.records
FROM archive.kept.records
FROM archive.main.records
FROM memory.main.records
FROM by_user.records
FROM unmasked_records
FROM unmasked_rejects
FROM slow_rows
FROM temp.main.records
FROM query_table('archive.kept.records')
FROM query('FROM archive.kept.records')
SELECT sql FROM duckdb_views()
FROM duckdb_tables()
FROM duckdb_columns()
FROM duckdb_constraints()
FROM duckdb_databases()
FROM duckdb_settings()
FROM duckdb_variables()
FROM duckdb_secrets()
FROM duckdb_logs
FROM duckdb_temporary_files()
FROM information_schema.columns
FROM information_schema.tables
FROM pragma_storage_info('records')
FROM pragma_storage_info('archive.kept.records')
FROM pragma_table_info('records')
SELECT stats(from_) FROM records
SELECT from_ + 1 FROM records
SELECT CAST(to_ AS DATE), CAST(user_id AS DOUBLE) FROM records
SELECT error(from_) FROM records
SELECT strptime(to_, '%Y') FROM records
SELECT json(custom), json(extras), json(from_) FROM records
SELECT r, r.custom FROM records AS r
SELECT COLUMNS('.*') FROM records
SELECT decode(raw), message, value, header FROM rejects
SELECT nothing FROM records
SELECT to_ FROM records NATURAL JOIN files
EXPLAIN SELECT * FROM records WHERE to_ > '4'
EXPLAIN ANALYZE SELECT * FROM records WHERE to_ > '4'
SHOW ALL TABLES
SUMMARIZE records
DESCRIBE records
SELECT getvariable('key'), current_setting('temp_directory')
ATTACH 'calls.duckdb' AS other
COPY records TO 'x.csv'
SET enable_external_access = true
FROM read_csv('{folder}/cdr/*.csv')
SELECT nothing FROM read_csv('{folder}/cdr/app-to-app.csv', skip = 3)
FROM read_text('{folder}/cdr/*.csv')
FROM read_blob('{folder}/calls.duckdb')
FROM glob('{folder}/**')
FROM '{folder}/cdr/app-to-app.csv'
FROM '{folder}/calls.duckdb'
FROM read_blob('{folder}/.calls*/**')
FROM read_text('{workspace}/**')
""".strip().splitlines()


@pytest.mark.parametrize("kind", ["archive", "scan"])
@pytest.mark.parametrize("mask", METHODS, ids=["shorten", "hash"])
def test_no_query_reaches_the_plain_text(
    kind: str, mask: Any, planted: Planted, hides: Callable[[object], None]
):
    database: cdr.Archive | cdr.Scan
    if kind == "archive":
        database = cdr.Archive(planted.archive, read_only=True, mask=mask)
    else:
        database = cdr.scan(planted.folder / "cdr", mask=mask)
    with database:
        workspace = getattr(database, "_workspace", planted.folder)
        answered = 0
        for attack in ATTACKS:
            query = attack.format(folder=planted.folder, workspace=workspace)
            try:
                found = database.sql(query)
            except CdrError as error:
                hides("".join(traceback.format_exception(error)))
                continue
            answered += 1
            hides(found.rows)
            block = METHODS[1]._block() if mask == METHODS[1] else b"no key"
            assert block.hex() not in repr(found.rows).lower()
        assert answered > 15


def test_a_masked_archive_cannot_be_changed_or_copied(planted: Planted, tmp_path: Path):
    with pytest.raises(InvalidRequest, match="add read_only=True"):
        cdr.Archive(tmp_path / "new.duckdb", mask="shorten")
    assert not (tmp_path / "new.duckdb").exists()
    with cdr.Archive(planted.archive, read_only=True, mask="shorten") as archive:
        with pytest.raises(InvalidRequest, match="open it without mask"):
            archive.backup(tmp_path / "copy.duckdb")
        with pytest.raises(InvalidRequest, match="read_only"):
            archive.load(planted.folder / "cdr")


def test_the_copy_is_private_and_removed(planted: Planted):
    with cdr.Archive(planted.archive, read_only=True, mask="shorten") as archive:
        archive.sql("FROM records")
        (copy,) = planted.folder.glob(".calls.duckdb-*/masked-*/0/masked")
        assert copy.stat().st_mode & 0o77 == 0
    assert not copy.exists()


# --- Columns of a query --------------------------------------------------------------------------

TABLES = {"records": ["layout", "to_", "result"], "files": ["file_id", "name"]}


@pytest.mark.parametrize(
    ("query", "needed"),
    [
        ("SELECT count(*) FROM records", {"records": {"layout"}}),
        ("SELECT Result FROM records WHERE \"To_\" LIKE '4%'", {"records": {"to_", "result"}}),
        ("SELECT r.result FROM records r", {"records": {"result"}}),
        ("SELECT name FROM files", {"files": {"name"}}),
        (
            "WITH c AS (SELECT to_ FROM records) SELECT c.to_, f.name FROM c, files f",
            {"records": {"to_"}, "files": {"name"}},
        ),
        ("FROM records", None),
        ("SELECT r FROM records r", None),
        ("SELECT records FROM records", None),
        ("SELECT count(DISTINCT c) FROM (SELECT to_ FROM records) AS c", None),
        ("SELECT COLUMNS('t.*') FROM records", None),
        ("SELECT result FROM records NATURAL JOIN files", None),
        ("PIVOT records ON result IN ('BUSY') USING count(*)", None),
        ("DESCRIBE records", None),
        ("SELECT #1 FROM records", None),
        ("SELECT to_ FROM records ORDER BY ALL", None),
        ("SELECT to_ FROM main.records", None),
        ("SELECT column_name, to_ FROM information_schema.columns, records", None),
        ("SELECT column_name, to_ FROM duckdb_columns, records", None),
        ("SELECT 1", None),
        ("SELECT * FROM range(3)", None),
    ],
)
def test_a_copy_has_the_columns_that_a_query_names(query: str, needed: Any):
    tree = DUCKDB.execute("SELECT CAST(json_serialize_sql(CAST(? AS VARCHAR)) AS VARCHAR)", [query])
    assert needed_columns(json.loads(tree.fetchall()[0][0]), TABLES) == needed


QUERIES = (
    "SELECT result, count(*), sum(amount) FROM records GROUP BY ALL ORDER BY ALL",
    "SELECT count(*) FROM records r",
    "SELECT r.layout, duration FROM records r JOIN files f USING (file_id) ORDER BY ALL",
    "SELECT * EXCLUDE (from_, to_, user_id, custom, extras) FROM records ORDER BY ALL",
    (
        "PIVOT (SELECT layout, currency FROM records) ON currency IN ('EUR') USING count(*) "
        "ORDER BY layout"
    ),
    "SELECT layout FROM records UNION ALL BY NAME SELECT name FROM files ORDER BY ALL",
    "SELECT record, line, call_time FROM records ORDER BY ALL",
    "EXPLAIN SELECT 1",
    "SELECT (SELECT count(*) FROM rejects), (SELECT max(file_id) FROM files)",
)


def test_queries_have_the_same_results_with_masking(planted: Planted):
    with cdr.Archive(planted.archive, read_only=True) as archive:
        expected = [archive.sql(query) for query in QUERIES]
    with cdr.Archive(planted.archive, read_only=True, mask="shorten") as archive:
        assert [archive.sql(query) for query in QUERIES] == expected
        assert [duckdb.sql("FROM rows").fetchall() for rows in map(archive.to_arrow, QUERIES)] == [
            result.rows for result in expected
        ]


# --- The command line ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("stats", "--mask-numbers", "md5"), "--mask-numbers is 'md5': give shorten or hash"),
        (("rejects", "--raw", "--mask-numbers", "hash"), "--raw prints the text to correct"),
        (("stats", "--mask-key-file", "key"), "--mask-key-file has no effect without"),
        (
            ("stats", "--mask-numbers", "shorten", "--mask-key-file", "key"),
            "--mask-key-file has no effect with --mask-numbers shorten",
        ),
        (
            ("stats", "--mask-numbers", "hash", "--mask-key-file", "missing"),
            "--mask-key-file missing cannot be read",
        ),
        (("stats", "--where", "user=anna", "--mask-numbers", "hash"), "'anna', but users are"),
    ],
)
def test_wrong_options_are_explained(arguments: tuple[str, ...], message: str, run: Run):
    ran = run("cdr", *arguments)
    assert ran.code == 2
    assert message in ran.err


def test_keys_come_from_a_file_or_the_environment_or_are_random(
    planted: Planted, run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    query = ("cdr", "sql", "SELECT to_ FROM records", "--mask-numbers", "hash")
    by_variable = run(*query)
    assert by_variable.err == ""
    file = tmp_path / "key"
    file.write_text(f"{KEY}\n")
    by_file = run(*query, "--mask-key-file", str(file))
    assert sorted(by_file.out.splitlines()) == sorted(by_variable.out.splitlines())
    file.write_text("\n")
    assert "has no key" in run(*query, "--mask-key-file", str(file)).err
    monkeypatch.delenv("SINCHVOICE_MASK_KEY")
    by_chance = run(*query)
    assert "note: numbers are hashed with a new key" in by_chance.err
    assert not set(by_chance.out.splitlines()[1:]) & set(by_variable.out.splitlines()[1:])
    monkeypatch.setenv("SINCHVOICE_MASK_KEY", "short")
    assert "SINCHVOICE_MASK_KEY: key has 5 bytes" in run(*query).err


@settings(max_examples=4)
@given(st.lists(st.from_regex(r"\A[1-9][0-9]{5,14}\Z"), min_size=4, max_size=4, unique=True))
def test_planted_numbers_are_in_no_output(numbers: list[str]):
    header = "CallId;UserSpaceId;CallTime;Result;Reason;Duration;FromUserId;ToUserId;Custom;X"
    row = f"c;1;2026-11-02T08:15:30Z;BUSY;;;{numbers[0]};+{numbers[1]};{numbers[2]};{numbers[3]}"
    content = f"{header}\n{row}\n{row.replace('BUSY;;', f'BUSY;;{numbers[3]}x')}\n".encode()
    for mask in METHODS:
        with cdr.read(content, on_reject="collect", mask=mask) as calls:
            shown = [*map(repr, calls), *(repr(attrs.asdict(each)) for each in calls.rejects)]
        with cdr.scan(content, mask=mask) as scan:
            shown += [repr(scan.sql(f"FROM {table}").rows) for table in ("records", "rejects")]
        assert not [number for number in numbers if any(number in text for text in shown)]
