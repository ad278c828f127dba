"""Unusual and damaged files: only the affected records are rejected, and both readers agree."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cdr_oracle as oracle
import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sinchvoice import CdrError, cdr
from sinchvoice.cdr import LAYOUTS, Archive, loading

NAMES = [column.name for column in LAYOUTS["phone-terminated"].columns]
HEADER = ";".join(NAMES)
VALUES = {
    "CallId": "4398599d1ba84ef3bde0a82dfb61abed",
    "UserSpaceId": "1137",
    "CallTime": "2026-11-02T08:15:30.1234567Z",
    "Result": "ANSWERED",
    "Reason": "CALLEEHANGUP",
    "Duration": "138",
    "AnswerTime": "2026-11-02T08:15:42.0000000Z",
    "From": "+12125550101",
    "To": "+46730170101",
    "Amount": "0.1758",
    "Currency": "EUR",
    "Custom": "campaign 7",
    "ApplicationKey": "5F5C418A0F914BBC8234A9BF5EDDAD97",
    "UserId": "alice",
    "ToCountryId": "SE",
}


def row(call_id: str, **changes: str) -> str:
    return ";".join({**VALUES, "CallId": call_id, **changes}[name] for name in NAMES)


def file(*rows: str, end: str = "\n") -> bytes:
    return end.join([HEADER, *rows, ""]).encode()


class Readers:
    """The exact reader, and archives to compare with it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._count = 0

    def agree(self, content: bytes, layout: Any = None) -> tuple[list[str], list[tuple[int, str]]]:
        """Read a file with both, and compare every row and reject.

        Returns:
            The call ids of the records, and line and cause of the rejects.
        """
        self._count += 1
        with Archive(self._folder / f"{self._count}.duckdb") as archive:
            (report,) = oracle.check(archive, content, layout=layout)
            assert report is not None
            assert report.records == (
                report.loaded + report.duplicates + report.conflicts + report.rejected
            )
            rejects = [(reject.line, reject.cause) for reject in archive.rejects(resolved=True)]
        with cdr.read(content, layout, on_reject="collect") as reader:
            ids = [record.call_id for record in reader]
        assert reader.records == len(ids) + len(rejects) == report.records
        return ids, rejects


@pytest.fixture
def readers(tmp_path: Path) -> Readers:
    return Readers(tmp_path)


# --- Quotes --------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("at", [0, 1500, 2999])
def test_an_unterminated_quote_costs_its_line(readers: Readers, end: str, at: int):
    """One engine lost 20,926 good rows to one such quote, and reported a single reject."""
    rows = [row(f"{number}") for number in range(3000)]
    rows[at] = row(f"{at}", Custom='"not closed')
    ids, rejects = readers.agree(file(*rows, end=end))
    assert ids == [str(number) for number in range(3000) if number != at]
    assert rejects == [(at + 2, "quote")]


def test_an_unterminated_quote_at_the_end_of_the_file_does_not_take_the_tail(readers: Readers):
    content = file(row("a"), row("b", ToCountryId='"SE')).removesuffix(b"\n")
    assert readers.agree(content) == (["a"], [(3, "quote")])


@pytest.mark.parametrize("closing", ['"x"', '"x;y"', '"say ""x"""', '"two\nlines"'])
def test_an_unterminated_quote_does_not_reach_a_good_one(readers: Readers, closing: str):
    content = file(row("a", Custom='"open'), row("b"), row("c", Custom=closing), row("d"))
    assert readers.agree(content) == (["b", "c", "d"], [(2, "quote")])


def test_two_broken_quotes_on_one_line_cost_one_record(readers: Readers):
    content = file(row("a", Custom='"x', UserId='y"z'), row("b", Custom='"x"y'), row("c"))
    ids, rejects = readers.agree(content)
    assert ids == ["c"]
    assert rejects == [(2, "quote"), (3, "quote")]


def test_quotes_in_unquoted_text_are_text(readers: Readers):
    content = file(row("a", Custom='{"order": "4711"}'), row("b", Custom='5" pipe'))
    assert readers.agree(content) == (["a", "b"], [])


# --- Forged rows ---------------------------------------------------------------------------------


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("inner", ["\n", "\r\n"])
def test_quoted_text_cannot_forge_rows(readers: Readers, end: str, inner: str):
    """One engine loaded 537,745 forged rows of such a file."""
    forged = inner.join([HEADER, *(row(f"forged {n}", Custom="") for n in range(2000)), HEADER])
    rows = [row("a", Custom=f'"{forged}"'), row("b"), row("c", Custom=f'"{inner}{forged}{inner}"')]
    assert readers.agree(file(*rows, end=end)) == (["a", "b", "c"], [])


@pytest.mark.parametrize(
    ("changes", "cause"), [({"Duration": "x"}, "integer"), ({"ToCountryId": "SE;x"}, "columns")]
)
def test_a_reject_with_quoted_text_cannot_forge_rows(
    readers: Readers, changes: dict[str, str], cause: str
):
    forged = "\n".join(row(f"forged {number}", Custom="") for number in range(50))
    content = file(row("a", Custom=f'"{forged}"', **changes), row("b"))
    assert readers.agree(content) == (["b"], [(2, cause)])


def test_a_header_row_within_text_does_not_change_the_layout(readers: Readers):
    other = ";".join(column.name for column in LAYOUTS["app-to-app"].columns)
    content = file(row("a", Custom=f'"\n{other}\n"'), row("b"))
    assert readers.agree(content) == (["a", "b"], [])


# --- Line ends -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "ends",
    [
        ["\r\n"] * 5,
        ["\r\n", "\n", "\n", "\n", "\n"],
        ["\n", "\r\n", "\r\n", "\r\n", "\r\n"],
        ["\n", "\r\n", "\n", "\r\n", "\n"],
        ["\r\n", "\n", "\r\n", "\n", "\r"],
        ["\n", "\n", "\n", "\n", ""],
        ["\r\n", "\r\n", "\r\n", "\r\n", ""],
    ],
    ids=repr,
)
def test_line_ends_may_be_mixed(readers: Readers, ends: list[str]):
    lines = [HEADER, row("a"), row("b", Custom='"x;y"'), row("c", ToCountryId='"SE"'), row("d")]
    content = "".join(line + end for line, end in zip(lines, ends, strict=True)).encode()
    assert readers.agree(content) == (["a", "b", "c", "d"], [])


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_carriage_return_alone_costs_its_record(readers: Readers, end: str):
    content = file(row("a"), row("b", Custom="x\ry"), row("c", UserId="\r"), row("d"), end=end)
    rejects = [(3, "carriage-return"), (4, "carriage-return")]
    assert readers.agree(content) == (["a", "d"], rejects)


def test_two_carriage_returns_before_a_line_feed_cost_the_record(readers: Readers):
    content = file(row("a")) + row("b").encode() + b"\r\r\n" + row("c").encode() + b"\r\n"
    assert readers.agree(content) == (["a", "c"], [(3, "carriage-return")])


@pytest.mark.parametrize("inner", ["\n", "\r\n", "\r", "\n\n", "\r\r\n", "\n;\n", '\n""\n'])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_newlines_in_quotes_are_text(readers: Readers, inner: str, end: str):
    custom = f'"{inner}a{inner}b{inner}"'
    rows = [row("a", Custom=custom), row("b"), row("c", UserId=custom, Custom=custom)]
    assert readers.agree(file(*rows, end=end)) == (["a", "b", "c"], [])


@pytest.mark.parametrize("column", ["Duration", "CallTime", "Amount"])
def test_a_newline_in_a_number_or_a_time_costs_the_whole_record(readers: Readers, column: str):
    cause = {"Duration": "integer", "CallTime": "time", "Amount": "decimal"}[column]
    content = file(row("a", **{column: f'"{VALUES[column]}\n"'}), row("b"))
    assert readers.agree(content) == (["b"], [(2, cause)])


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_blank_lines_are_not_records(readers: Readers, end: str):
    content = file("", row("a"), "", " ", "\t \t", row("b", Custom='"\n\n"'), "", end=end)
    assert readers.agree(end.encode() * 3 + content + b"\n \n\r\n") == (["a", "b"], [])


@pytest.mark.parametrize("line", [";", ";" * 14, '""', ";" * 13])
def test_lines_of_only_separators_are_rejects(readers: Readers, line: str):
    ids, rejects = readers.agree(file(row("a"), line, row("b")))
    assert ids == ["a", "b"]
    assert [place for place, _ in rejects] == [3]


# --- Bytes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["\0", "a\0b", "\0" * 300])
@pytest.mark.parametrize("quote", ["", '"'])
def test_nul_bytes_cost_the_record(readers: Readers, text: str, quote: str):
    content = file(row("a"), row("b", Custom=f"{quote}{text}{quote}"), row("c"))
    assert readers.agree(content) == (["a", "c"], [(3, "nul")])


def test_nul_bytes_instead_of_a_line_cost_that_line(readers: Readers):
    ids, rejects = readers.agree(file(row("a"), "\0" * 100, row("b")))
    assert (ids, rejects) == (["a", "b"], [(3, "nul")])


def test_nul_bytes_in_quoted_lines_cost_one_record(readers: Readers):
    content = file(row("a"), row("b", Custom='"x\n\0\ny"'), row("c"))
    assert readers.agree(content) == (["a", "c"], [(3, "nul")])


MARK = "\ufeff"


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_byte_order_mark_at_the_beginning_is_ignored(readers: Readers, end: str):
    content = MARK.encode() + file(row("a"), row("b"), end=end)
    assert readers.agree(content) == (["a", "b"], [])
    without = content.partition(b"\n")[2]
    assert readers.agree(MARK.encode() + without, "phone-terminated") == (["a", "b"], [])


def test_a_byte_order_mark_in_the_middle_is_ignored_only_before_a_header(readers: Readers):
    content = file(row("a")) + MARK.encode() + file(row("b"), MARK + row("c"), row("d"))
    assert readers.agree(content) == (["a", "b", "d"], [(5, "byte-order-mark")])


def test_a_byte_order_mark_within_text_is_text(readers: Readers):
    content = file(row("a", Custom=MARK), row("b", Custom=f'"{MARK}\n{MARK}"'), row("c" + MARK))
    assert readers.agree(content) == (["a", "b", f"c{MARK}"], [])


def test_a_second_byte_order_mark_at_the_beginning_is_ignored_before_a_header(readers: Readers):
    assert readers.agree((MARK * 2).encode() + file(row("a"))) == (["a"], [])


@pytest.mark.parametrize(
    "text",
    [
        b"caf\xe9",
        b"\x80",
        b"\xc3",
        b"\xe2\x82",
        b"\xc0\xaf",
        b"\xed\xa0\x80",
        b"\xf5\x80\x80\x80",
        b"\xff\xfe",
    ],
    ids=repr,
)
@pytest.mark.parametrize("quote", [b"", b'"', b'"\n'])
def test_invalid_utf_8_costs_the_record(readers: Readers, text: bytes, quote: bytes):
    content = file(row("a"), row("b", Custom="?"), row("c"))
    content = content.replace(b"?", quote + text + quote[::-1])
    assert readers.agree(content) == (["a", "c"], [(3, "encoding")])


def test_a_block_may_end_in_the_middle_of_a_letter(readers: Readers):
    rows = [row(f"{number}", Custom="é" * (number % 7) + "€𝄞") for number in range(2000)]
    ids, rejects = readers.agree(file(*rows))
    assert (len(ids), rejects) == (2000, [])


# --- Sizes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "custom",
    [
        "x" * 3_000_000,
        '"' + "x;" * 1_500_000 + '"',
        '"' + "x\n" * 1_500_000 + '"',
        '"' + '""' * 1_500_000 + '"',
        "é" * 1_500_000,
    ],
    ids=lambda custom: repr(custom[:4]),
)
def test_fields_of_three_megabytes_are_read(readers: Readers, custom: str):
    assert readers.agree(file(row("a"), row("b", Custom=custom), row("c"))) == (["a", "b", "c"], [])


def test_a_reject_of_three_megabytes_is_stored_whole(readers: Readers):
    content = file(row("a"), row("b", Custom="x" * 3_000_000, Duration="x"), row("c"))
    assert readers.agree(content) == (["a", "c"], [(3, "integer")])


def test_only_the_too_large_record_is_rejected(readers: Readers):
    content = file(row("a"), row("b", Custom="x" * (1 << 24)), row("c"))
    assert readers.agree(content) == (["a", "c"], [(3, "size")])


# --- Combinations --------------------------------------------------------------------------------

PIECES = [
    *(f"{text}\n".encode() for text in (HEADER, row("a"), row("b"), row("c", Custom='"x;\ny"'))),
    *(f"{text}\n".encode() for text in (row("a", Duration="139"), row("d", Duration="x"))),
    *(
        f"{text}\n".encode()
        for text in (row("e", Custom='"open'), row("f", Custom=f'"\n{HEADER}"'))
    ),
    *[b'"', b";", b"\n", b"\r\n", b"\r", b"\0", b"\xff", b"\xef\xbb\xbf", b" ", b'";"', b"\x1f\\n"],
]


@given(st.lists(st.sampled_from(PIECES), max_size=12).map(b"".join))
@settings(max_examples=30)
def test_both_readers_agree_on_any_combination(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
):
    with Archive(tmp_path_factory.mktemp("archive") / "a.duckdb") as archive:
        oracle.check(archive, HEADER.encode() + b"\n" + content, content)


# --- Last lines without a line end ---------------------------------------------------------------


def test_a_record_on_a_last_line_without_a_line_end_may_be_cut(readers: Readers):
    content = file(row("a"), row("b"))[:-1]
    marks = [record.may_be_cut for record in cdr.read(content)]
    assert marks == [False, True]
    assert readers.agree(content) == (["a", "b"], [])


def test_records_that_differ_only_in_may_be_cut_are_equal():
    (whole,) = cdr.read(file(row("a")))
    (cut,) = cdr.read(file(row("a"))[:-1])
    assert (whole.may_be_cut, cut.may_be_cut) == (False, True)
    assert whole == cut
    assert hash(whole) == hash(cut)
    assert repr(whole) == repr(cut)


def found_in(content: bytes, folder: Path, layout: Any = None, *, exactly: bool = False) -> Any:
    path = folder / "copy"
    path.write_bytes(content)
    known = None if layout is None else LAYOUTS[layout]
    if exactly:
        return loading.find_exactly("a.csv", path, known, folder, lambda stage, size: None)
    with duckdb.connect() as connection:
        return loading.find(connection, "a.csv", path, known, folder, lambda stage, size: None)


OLD = ";".join(NAMES[:14])
CUT = {
    "fast": (f"{HEADER}\n{row('a')}\n{row('b', ToCountryId='S')}", None),
    "CRLF, cut between the two": (f"{HEADER}\r\n{row('a')}\r", None),
    "one line only": (row("a"), "phone-terminated"),
    "old": (row("a").rpartition(";")[0], "phone-terminated"),
    "old, with header": (f"{OLD}\n{row('a').rpartition(';')[0]}", None),
    "nothing in the last column": (f"{HEADER}\n{row('a', ToCountryId='')}", None),
    "quoted": (f"{HEADER}\n{row('a', ToCountryId=chr(34) + 'S;' + chr(34))}", None),
    "over two lines": (f"{HEADER}\n{row('a', Custom=chr(34) + 'x' + chr(10) + chr(34))}", None),
    "quoted line ends": (f"{HEADER}\n{row('a', ToCountryId=chr(34) + chr(10) + chr(34))}", None),
    "unreadable line before it": (
        f"{HEADER}\n{row('a')}\n{row('b')}\n{row('c')}\nodd\n{row('d')}",
        None,
    ),
    "own column": (f"{HEADER};Leg\n{row('a')};1", None),
    "another column last": ("CallId;CallTime;Duration\na;2026-11-02T08:15:30Z;13", "app-to-app"),
}
FIELDS = {
    "old": ("user_id", "to_country_id"),
    "old, with header": ("user_id",),
    "own column": ("extras",),
    "another column last": ("duration",),
}
NOT_CUT = {
    "ended": (f"{HEADER}\n{row('a')}\n", None),
    "blank after it": (f"{HEADER}\n{row('a')}\n ", None),
    "rejected": (f"{HEADER}\n{row('a')}\n{row('b', Duration='12.')}", None),
    "header alone": (HEADER, None),
    "semicolon after it": (f"{HEADER};\n{row('a')};", None),
    "header after it": (f"{HEADER}\n{row('a')}\n{HEADER}", None),
}


@pytest.mark.parametrize(("text", "layout"), CUT.values(), ids=CUT)
def test_all_readers_mark_a_record_that_may_be_cut(
    text: str, layout: Any, tmp_path: Path, request: pytest.FixtureRequest
):
    content = text.encode()
    fast, exact = (found_in(content, tmp_path, layout, exactly=exactly) for exactly in (0, 1))
    assert fast.unended == exact.unended
    mark = fast.unended
    with cdr.read(content, layout, on_reject="collect") as reader:
        *others, last = reader
    assert last.may_be_cut
    assert not any(record.may_be_cut for record in others)
    assert mark.record == reader.records
    case = request.node.callspec.id.partition("-")[0]
    assert mark.fields == FIELDS.get(case, ("to_country_id",))
    value = next(iter(last.extras.values())) if "own" in case else getattr(last, mark.fields[0])
    assert mark.text == str(value or "")


@pytest.mark.parametrize(("text", "layout"), NOT_CUT.values(), ids=NOT_CUT)
def test_no_reader_marks_a_record_that_is_not_cut(text: str, layout: Any, tmp_path: Path):
    content = text.encode()
    assert found_in(content, tmp_path, layout).unended is None
    assert found_in(content, tmp_path, layout, exactly=True).unended is None
    assert not any(each.may_be_cut for each in cdr.read(content, layout, on_reject="collect"))


@pytest.mark.parametrize("size", [1, 7, 64, 1 << 16])
def test_the_mark_does_not_depend_on_the_block_size(size: int):
    content = file(*(row(str(number)) for number in range(20)))[:-1]
    records = list(cdr.Reader(content, block_size=size))
    assert [record.may_be_cut for record in records] == [False] * 19 + [True]


# --- Unreadable header rows ----------------------------------------------------------------------

APP = [column.name for column in LAYOUTS["app-to-app"].columns]
SIP = [column.name for column in LAYOUTS["sip-terminated"].columns]
SIP_ROWS = "\n".join(
    f"s{number};77;2026-11-02T08:01:00Z;ANSWERED;CALLEEHANGUP;60;+46730170101;sip:b@x.org;;k"
    for number in (1, 2)
)
APP_HEADER = ";".join(APP)
APP_ROW = "a1;77;2026-11-02T08:01:00Z;ANSWERED;HANGUP;60;alice;bob;;k"
UNREADABLE = {
    "glued to a row": f"k{APP_HEADER}",
    "glued after a quote": f'"{APP_HEADER}',
    "glued after a byte order mark": f"\ufeff{APP_HEADER}",
    "glued after a CR": f"\r{APP_HEADER}",
    "glued before a row": f"\n{APP_HEADER}{APP_ROW}",
    "NUL": f"\n\0{APP_HEADER}",
    "NUL everywhere": "\n" + "\0".join(APP_HEADER),
    "quote": f'\n"{APP_HEADER}',
    "quotes around two names": f'\n"CallId"x;{APP_HEADER.partition(";")[2]}',
    "CR": f"\n{APP_HEADER.replace(';', chr(13) + ';', 1)}",
    "semicolons at its end": f"\n{APP_HEADER};;;;;;;;;;;;",
    "commas": "\n" + APP_HEADER.replace(";", ","),
    "tabs": "\n" + APP_HEADER.replace(";", "\t"),
    "few names": "\n" + ";".join(["x", "CallTime", *map(str, range(20)), "CallId"]),
    "torn": f"k{';'.join(APP[:5])}\nDuration;x",
    "upper case": f"\n\0{APP_HEADER.upper()}",
    "in the text of a record": f'\nx;"\n{APP_HEADER}\n";y',
}


@pytest.mark.parametrize("how", UNREADABLE)
def test_rows_after_an_unreadable_header_row_are_rejects(how: str, readers: Readers):
    text = f"{';'.join(SIP)}\n{SIP_ROWS}{UNREADABLE[how]}\n{APP_ROW}\n{APP_ROW}\n"
    ids, rejects = readers.agree(text.encode())
    assert not [call_id for call_id in ids if not call_id.startswith("s")]
    assert rejects[-2:] == [(line, "header") for line in lines_of_app_rows(text)]


def lines_of_app_rows(text: str) -> list[int]:
    return [line for line, row in enumerate(text.split("\n"), 1) if row == APP_ROW]


@pytest.mark.parametrize("how", UNREADABLE)
def test_a_readable_header_row_ends_the_rejects(how: str, readers: Readers):
    text = f"{';'.join(SIP)}\n{SIP_ROWS}{UNREADABLE[how]}\n{APP_ROW}\n{APP_HEADER}\n{APP_ROW}\n"
    ids, rejects = readers.agree(text.encode())
    assert ids[-1] == "a1"
    assert ids[:-1] in (["s1", "s2"], ["s1"])
    assert rejects[-1] == (lines_of_app_rows(text)[0], "header")


def test_rows_after_an_unreadable_header_row_are_rejects_in_a_file_of_fast_lines(
    readers: Readers,
):
    rows = [row(str(number)) for number in range(2000)]
    rows[500] += HEADER
    rows[1500] = HEADER
    ids, rejects = readers.agree(file(*rows))
    assert ids == [str(number) for number in (*range(500), *range(1501, 2000))]
    assert rejects == [(line, "header") for line in range(502, 1502)]


def test_unknown_columns_cannot_swap_after_an_unreadable_header_row(
    readers: Readers,
):
    header, other = "CallId;CallTime;A;B;C", "CallId;CallTime;C;B;A"
    call = "2026-11-02T08:15:30Z;1;2;3"
    text = (
        f"{header}\na;{call}\nb;{call}{other}\nc;{call}\n\0{header}\nd;{call}\n{header}\ne;{call}"
    )
    assert readers.agree(text.encode(), "app-to-app") == (
        ["a", "e"],
        [(3, "header"), (4, "header"), (5, "header"), (6, "header")],
    )


def test_a_header_row_with_unknown_names_can_be_repeated(readers: Readers):
    header = ";".join(["CallId", "CallTime", *(f"own{number}" for number in range(20))])
    call = ";2026-11-02T08:15:30Z" + ";" * 20
    text = f"{header}\na{call}\n{header}\nb{call}\n"
    assert readers.agree(text.encode(), "app-to-app") == (["a", "b"], [])


def test_a_file_with_only_an_unreadable_header_row_is_refused_or_rejected(readers: Readers):
    content = b"\0" + file(row("a"))
    with pytest.raises(CdrError, match="the header row cannot be read: the record has NUL bytes"):
        list(cdr.read(content))
    assert readers.agree(content, "phone-terminated") == ([], [(1, "header"), (2, "header")])


def test_a_reject_after_an_unreadable_header_row_has_the_text_of_that_row(readers: Readers):
    content = f"{';'.join(SIP)}\n{SIP_ROWS}\n\0{APP_HEADER}\n{APP_ROW}\n".encode()
    with cdr.read(content, on_reject="collect") as reader:
        assert len(list(reader)) == 2
    lost, after = reader.rejects
    assert lost.header == after.header == ("\\x00CallId", *APP[1:])
    assert lost.layout == after.layout == "app-to-app"
    assert after.message == (
        "the header row on line 4 cannot be read: correct it and read the file again"
    )


def test_names_of_columns_in_a_text_are_not_a_header_row(readers: Readers):
    custom = (
        '"{""from"": 1, ""to"": 2, ""result"": 3, ""reason"": 4, ""duration"": 5, ""callId"": 6}"'
    )
    rows = [row("a"), row("b", Custom=custom, Duration="x"), row("c"), row("d")]
    assert readers.agree(file(*rows)) == (["a", "c", "d"], [(3, "integer")])


# --- Numbers of cells ----------------------------------------------------------------------------

OLD_ROW = row("o").rpartition(";")[0]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([row("a"), OLD_ROW, row("b")], (["a", "b"], [(2, "columns")])),
        ([OLD_ROW, row("a"), OLD_ROW], (["o", "o"], [(2, "columns")])),
        ([row("x", Duration="x"), OLD_ROW, row("b")], (["b"], [(1, "integer"), (2, "columns")])),
        (["x;y", OLD_ROW, row("a")], (["o"], [(1, "columns"), (3, "columns")])),
        (['"x', row("a"), OLD_ROW], (["a"], [(1, "quote"), (3, "columns")])),
        (["", row("a"), OLD_ROW], (["a"], [(3, "columns")])),
        ([row("a") + ";", row("b") + ";", row("c")], (["a", "b"], [(3, "columns")])),
        ([row("a"), row("b") + ";"], (["a"], [(2, "columns")])),
    ],
)
def test_the_first_record_of_a_file_without_header_sets_the_number_of_cells(
    rows: list[str], expected: Any, readers: Readers
):
    assert readers.agree("\n".join([*rows, ""]).encode(), "phone-terminated") == expected


def test_a_semicolon_in_a_text_does_not_shift_cells_in_a_file_without_header(readers: Readers):
    rows = [OLD_ROW] * 2000
    rows[1000] = row("x", Custom="a;b").rpartition(";")[0]
    ids, rejects = readers.agree("\n".join([*rows, ""]).encode(), "phone-terminated")
    assert ids == ["o"] * 1999
    assert rejects == [(1001, "columns")]


@pytest.mark.parametrize(
    ("header", "ends", "expected"),
    [
        ("", ("", "", ""), (["0", "1", "2"], [])),
        (";", ("", "", ""), (["0", "1", "2"], [])),
        ("", (";", ";", ";"), (["0", "1", "2"], [])),
        (";", (";", ";", ";"), (["0", "1", "2"], [])),
        ("", (";", "", ";"), (["0", "2"], [(3, "columns")])),
        (";", ("", ";", ""), (["0", "2"], [(3, "columns")])),
        ("", (";x", "", ""), (["1", "2"], [(2, "columns")])),
        (";", (";", ";x", ";"), (["0", "2"], [(3, "columns")])),
        ("", (";;", "", ""), (["1", "2"], [(2, "columns")])),
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_semicolons_at_the_end_of_the_header_row_or_of_the_others_are_ignored(
    header: str, ends: tuple[str, ...], expected: Any, end: str, readers: Readers
):
    rows = [HEADER + header, *(row(str(number)) + last for number, last in enumerate(ends)), ""]
    assert readers.agree(end.join(rows).encode()) == expected


@pytest.mark.parametrize("line", ["sep=;", "SEP=;", '"sep=;"', "\ufeffsep=;"])
def test_the_separator_line_of_a_spreadsheet_is_skipped(
    line: str, readers: Readers, tmp_path: Path
):
    content = f"{line}\n".encode() + file(row("a"), row("b"))
    assert readers.agree(content) == (["a", "b"], [])
    assert readers.agree(content + content.removeprefix(b"\xef\xbb\xbf")) == (["a", "b"] * 2, [])
    with Archive(tmp_path / "lines.duckdb") as archive:
        archive.load(content)
        assert archive.sql("SELECT record, line FROM records").rows == [(1, 3), (2, 4)]
    rows = f"{line}\n{row('a')}\n{row('b')}\n".encode()
    assert readers.agree(rows, "phone-terminated") == (["a", "b"], [])


def test_a_separator_line_with_another_separator_is_refused():
    content = b"sep=,\n" + file(row("a")).replace(b";", b",")
    with pytest.raises(CdrError, match=r"line 1: the columns are separated by ','"):
        list(cdr.read(content))


# --- Lines without records -----------------------------------------------------------------------


def test_blank_lines_are_counted_everywhere(readers: Readers, tmp_path: Path):
    blank = ["", " ", "\t", " \t "]
    lines = [*blank, HEADER, *blank, row("a"), *blank * 300, row("b"), row("c"), *blank]
    for end in ("\n", "\r\n"):
        content = end.join([*lines, ""]).encode()
        assert readers.agree(content) == (["a", "b", "c"], [])
        reader = cdr.read(content)
        assert len(list(reader)) == 3
        assert reader.blank_lines == 4 * 303
        for size in (1, 7, 300):
            again = cdr.Reader(content, block_size=size)
            assert len(list(again)) == 3
            assert again.blank_lines == 4 * 303


@pytest.mark.parametrize("line", ["x", '"x', ";" * 14, "\0", "a;1;x" + ";" * 12, "sep=;"])
def test_a_file_of_mostly_too_short_lines_is_refused(line: str, readers: Readers, tmp_path: Path):
    content = file(row("a"), *[line] * 6000)
    reader = cdr.read(content, on_reject="collect")
    with pytest.raises(
        CdrError, match="500[0-9] lines so far are too short to be a record"
    ) as caught:
        list(reader)
    assert reader.records == reader.yielded + reader.rejected
    with Archive(tmp_path / "a.duckdb") as archive:
        with pytest.raises(CdrError, match="500[0-9] lines so far") as again:
            archive.load(content)
        assert again.value.line == caught.value.line
        assert archive.sql("SELECT count(*) FROM records").rows == [(0,)]


def test_a_file_with_as_many_records_as_too_short_lines_is_read(readers: Readers):
    rows = [each for number in range(5500) for each in (row(str(number)), '"x')]
    ids, rejects = readers.agree(file(*rows))
    assert len(ids) == len(rejects) == 5500


def test_a_file_of_header_rows_alone_is_not_refused():
    reader = cdr.read(file() * 6000)
    assert list(reader) == []
    assert reader.header_rows == 6000


@pytest.mark.parametrize("lines", [1, 999, 1000, 1001, 2500])
def test_blank_lines_take_nothing_of_the_next_record(lines: int, readers: Readers):
    rows = [row("a"), *[" \t"] * lines, row("\t b"), *[""] * lines, row(" c")]
    for end in ("\n", "\r\n"):
        assert readers.agree(file(*rows).replace(b"\n", end.encode())) == (["a", "\t b", " c"], [])


@pytest.mark.parametrize("cell", ['""', '"a"', "x", '"a;b"', '"""a"""'])
@pytest.mark.parametrize("number", [100, 101, 102, 5000])
def test_only_the_record_with_a_wrong_number_of_cells_is_rejected(
    cell: str, number: int, readers: Readers
):
    rows = [row("a"), ";".join([cell] * number), f"x;{';'.join([cell] * number)}", row("b")]
    assert readers.agree(file(*rows)) == (["a", "b"], [(3, "columns"), (4, "columns")])
    rows[1] += ';"not closed'
    assert readers.agree(file(*rows)) == (["a", "b"], [(3, "quote"), (4, "columns")])
