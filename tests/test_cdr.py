"""Tests of reading: every record is read exactly, or rejected with its position and the reason."""

from __future__ import annotations

import csv
import io
import pickle
import random
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sinchvoice import (
    CallReason,
    CallResult,
    CdrError,
    InvalidRequest,
    MxpEndpoint,
    OtherEndpoint,
    PstnEndpoint,
    SipEndpoint,
    cdr,
    endpoints,
)
from sinchvoice.cdr import LAYOUTS, RejectCause, layouts
from sinchvoice.cdr.layouts import ColumnType
from sinchvoice.cdr.reader import MAX_COLUMNS, MAX_RECORD
from sinchvoice.cdr.records import NO_EXTRAS, RECORD_TYPES
from sinchvoice.sandbox import FileForm, Planted, cdr_generator

ROOT = Path(__file__).parent.parent

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
    "FromUserId": "alice",
    "ToUserId": "bob",
    "Amount": "0.1758",
    "Currency": "EUR",
    "Custom": "campaign 7",
    "ApplicationKey": "5F5C418A0F914BBC8234A9BF5EDDAD97",
    "UserId": "alice",
    "ToCountryId": "SE",
}
NAMES = {name: [column.name for column in layout.columns] for name, layout in LAYOUTS.items()}
PHONE = NAMES["phone-terminated"]


def row(names: list[str] = PHONE, **changes: str) -> str:
    """Return a row of a file, with changes written verbatim."""
    return ";".join({**VALUES, **changes}[name] for name in names)


def file(*rows: str, names: list[str] = PHONE, end: str = "\n") -> bytes:
    """Return a file with a header row."""
    return end.join([";".join(names), *rows, ""]).encode()


def only(content: bytes, **arguments: Any) -> Any:
    (record,) = cdr.read(content, **arguments)
    return record


def read_all(content: Any, layout: Any = None, **sizes: int) -> tuple[list[Any], cdr.Reader]:
    reader = cdr.Reader(content, layout, on_reject="collect", **sizes)
    records = list(reader)
    assert reader.records == reader.yielded + reader.rejected
    assert reader.yielded == len(records)
    assert reader.rejected == len(reader.rejects)
    return records, reader


def only_reject(content: bytes, layout: Any = None, **sizes: int) -> cdr.Reject:
    _, reader = read_all(content, layout, **sizes)
    (reject,) = reader.rejects
    return reject


def ids(records: list[Any]) -> list[str]:
    return [record.call_id for record in records]


# --- Package -------------------------------------------------------------------------------------


def test_importing_sinchvoice_does_not_import_it():
    code = "import sinchvoice, sys; assert 'sinchvoice.cdr' not in sys.modules; sinchvoice.cdr.read"
    subprocess.run([sys.executable, "-c", code], check=True)


# --- Layouts -------------------------------------------------------------------------------------


def test_the_layouts_have_the_documented_numbers_of_columns():
    assert {name: len(layout.columns) for name, layout in LAYOUTS.items()} == {
        "phone-terminated": 15,
        "phone-originated": 12,
        "app-to-app": 10,
        "sip-terminated": 10,
    }
    assert LAYOUTS["phone-terminated"].widths == (15, 14)
    assert LAYOUTS["app-to-app"].widths == (10,)


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=lambda layout: layout.name)
def test_the_record_types_follow_the_table(layout: cdr.Layout):
    kind: Any = RECORD_TYPES[layout.name]
    assert kind.__name__ == layout.record
    assert list(kind._fields) == [column.field for column in layout.columns] + ["extras"]
    record = only(file(row(NAMES[layout.name]), names=NAMES[layout.name]))
    assert record.layout == layout.name
    assert type(record) is kind


def test_a_layout_is_given_by_name_or_as_an_object():
    assert layouts.find("app-to-app") is LAYOUTS["app-to-app"]
    assert layouts.find(LAYOUTS["app-to-app"]) is LAYOUTS["app-to-app"]
    with pytest.raises(InvalidRequest, match="layout is 'sip': give one of 'phone-terminated'"):
        cdr.read(b"", "sip")  # type: ignore[arg-type]


# --- Records -------------------------------------------------------------------------------------


def test_a_phone_terminated_call_is_read_exactly():
    assert only(file(row())) == cdr.PhoneTerminated(
        call_id="4398599d1ba84ef3bde0a82dfb61abed",
        user_space_id=1137,
        call_time=datetime(2026, 11, 2, 8, 15, 30, 123456, tzinfo=UTC),
        result=CallResult.ANSWERED,
        reason=CallReason.CALLEE_HANGUP,
        duration=138,
        answer_time=datetime(2026, 11, 2, 8, 15, 42, tzinfo=UTC),
        from_=PstnEndpoint("+12125550101"),
        to=PstnEndpoint("+46730170101"),
        amount=Decimal("0.1758"),
        currency="EUR",
        custom="campaign 7",
        application_key="5F5C418A0F914BBC8234A9BF5EDDAD97",
        user_id="alice",
        to_country_id="SE",
    )


def test_a_phone_originated_call_is_read():
    names = NAMES["phone-originated"]
    record = only(file(row(names), names=names))
    assert isinstance(record, cdr.PhoneOriginated)
    assert (record.amount, record.currency, record.to) == (
        Decimal("0.1758"),
        "EUR",
        PstnEndpoint("+46730170101"),
    )


def test_an_app_to_app_call_is_between_users():
    names = NAMES["app-to-app"]
    record = only(file(row(names, Reason="HANGUP"), names=names))
    assert isinstance(record, cdr.AppToApp)
    assert (record.from_, record.to) == (MxpEndpoint("alice"), MxpEndpoint("bob"))
    assert record.reason == "HANGUP"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a@b.example", SipEndpoint("a@b.example")),
        ("+12125550101@b.example", SipEndpoint("+12125550101@b.example")),
        ("+12125550101", PstnEndpoint("+12125550101")),
        ("anonymous", OtherEndpoint(None, "anonymous")),
        ("", None),
    ],
)
def test_a_sip_call_has_addresses_or_numbers(text: str, expected: Any):
    names = NAMES["sip-terminated"]
    record = only(file(row(names, From=text), names=names))
    assert isinstance(record, cdr.SipTerminated)
    assert record.from_ == expected


def test_a_sip_address_with_a_scheme_is_kept_as_it_was_written():
    names = NAMES["sip-terminated"]
    record = only(file(row(names, From="sip:a@b.example"), names=names))
    assert record.from_ == endpoints.read({"type": "sip", "endpoint": "sip:a@b.example"})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("46730170101", endpoints.read({"type": "number", "endpoint": "46730170101"})),
        ("+1 212 555-0101", endpoints.read({"type": "number", "endpoint": "+1 212 555-0101"})),
        ("anonymous", OtherEndpoint(None, "anonymous")),
        ("", None),
    ],
)
def test_a_phone_number_is_kept_as_it_was_written(text: str, expected: Any):
    assert only(file(row(From=text))).from_ == expected


@pytest.mark.parametrize(
    ("result", "reason", "expected"),
    [
        ("answered", "callerHangup", (CallResult.ANSWERED, CallReason.CALLER_HANGUP)),
        ("N/A", "N/A", (CallResult.NOT_AVAILABLE, CallReason.NOT_AVAILABLE)),
        ("DIVERTED", "486 Busy here", ("DIVERTED", "486 Busy here")),
        ("", "", (None, None)),
    ],
)
def test_results_and_reasons_are_open(result: str, reason: str, expected: Any):
    record = only(file(row(Result=result, Reason=reason)))
    assert (record.result, record.reason) == expected


def test_an_empty_cell_is_none():
    empty = {name: "" for name in PHONE if name not in ("CallId", "CallTime")}
    record = only(file(row(**empty)))
    assert set(record[3:15]) | {record.user_space_id} == {None}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-02T08:15:30Z", datetime(2026, 11, 2, 8, 15, 30, tzinfo=UTC)),
        ("2026-11-02 08:15:30Z", datetime(2026, 11, 2, 8, 15, 30, tzinfo=UTC)),
        ("2026-11-02T08:15:30.5Z", datetime(2026, 11, 2, 8, 15, 30, 500000, tzinfo=UTC)),
        ("2026-11-02T08:15:30.1234567Z", datetime(2026, 11, 2, 8, 15, 30, 123456, tzinfo=UTC)),
        ("2026-11-02T08:15:30.999999999Z", datetime(2026, 11, 2, 8, 15, 30, 999999, tzinfo=UTC)),
        ("2026-11-02T00:15:30+01:00", datetime(2026, 11, 1, 23, 15, 30, tzinfo=UTC)),
        ("2026-11-02T00:15:30.1234567-0130", datetime(2026, 11, 2, 1, 45, 30, 123456, tzinfo=UTC)),
        ("2026-11-02T00:15:30+01", datetime(2026, 11, 1, 23, 15, 30, tzinfo=UTC)),
        ("2024-02-29T23:59:59-00:00", datetime(2024, 2, 29, 23, 59, 59, tzinfo=UTC)),
    ],
)
def test_a_time_with_a_zone_is_converted_to_utc(text: str, expected: datetime):
    moment = only(file(row(CallTime=text))).call_time
    assert moment == expected
    assert moment.tzinfo is UTC


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("2026-11-02T08:15:30", "has no time zone"),
        ("2026-11-02T08:15Z", "with seconds"),
        ("2026-11-02", "with seconds"),
        ("2026-W45-1T08:15:30Z", "is not a time like"),
        ("20261102T081530Z", "is not a time like"),
        ("2026-11-02T08:15:30,5Z", "is not a time like"),
        ("2026-11-02T08:15:30.Z", "is not a time like"),
        ("2026-11-02T08:15:30.1234567890Z", "is not a time like"),
        ("2026-11-02T24:00:00Z", "is not a time like"),
        ("2026-11-02T08:15:60Z", "is not a time like"),
        ("2026-11-02  08:15:30Z", "is not a time like"),
        (" 2026-11-02T08:15:30Z", "is not a time like"),
        ("2026-11-02T08:15:30+01:75", "is not a time like"),
        ("2026-11-02T08:15:30Z[UTC]", "is not a time like"),
        ("٢٠٢٦-11-02T08:15:30Z", "is not a time like"),
        ("1793607330", "is not a time like"),
        ("2026-02-29T08:15:30Z", "is not a valid time"),
        ("2026-11-02T08:15:30+25:00", "is not a valid time"),
        ("0001-01-01T00:00:00+01:00", "is not a valid time"),
    ],
)
def test_an_ambiguous_or_invalid_time_is_rejected(text: str, part: str):
    for column in ("CallTime", "AnswerTime"):
        reject = only_reject(file(row(**{column: text})))
        assert (reject.cause, reject.column, reject.value) == (RejectCause.TIME, column, text)
        assert reject.message.startswith(column)
        assert part in reject.message


@pytest.mark.parametrize(
    "text", ["0.1", "0.10", "-0.5", "0", "007", "1" * 11 + "." + "1" * 18, "-0"]
)
def test_an_amount_is_never_rounded(text: str):
    amount = only(file(row(Amount=text))).amount
    assert str(amount) == str(Decimal(text))


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("0,53", "decimal comma"),
        ("-1,5", "decimal comma"),
        ("1,000.50", "is not an amount"),
        (".5", "is not an amount"),
        ("5.", "is not an amount"),
        ("+5", "is not an amount"),
        ("1e3", "is not an amount"),
        ("NaN", "is not an amount"),
        ("1_0", "is not an amount"),
        (" 1", "is not an amount"),
        ("٣", "is not an amount"),
        ("EUR 1", "is not an amount"),
        ("1" * 21, "is not an amount"),
        ("0." + "1" * 19, "is not an amount"),
    ],
)
def test_an_ambiguous_or_invalid_amount_is_rejected(text: str, part: str):
    reject = only_reject(file(row(Amount=text)))
    assert (reject.cause, reject.column, reject.value) == (RejectCause.DECIMAL, "Amount", text)
    assert part in reject.message


@pytest.mark.parametrize(
    "text", ["12.6", "1_000", " 12", "12 ", "+12", "0x1", "1e3", "٣", "²", "twelve", "1" * 19]
)
def test_only_a_whole_number_is_an_integer(text: str):
    for column in ("Duration", "UserSpaceId"):
        reject = only_reject(file(row(**{column: text})))
        assert (reject.cause, reject.column, reject.value) == (RejectCause.INTEGER, column, text)


@pytest.mark.parametrize("column", ["CallId", "CallTime"])
def test_a_record_needs_an_id_and_a_time(column: str):
    reject = only_reject(file(row(**{column: ""})))
    assert (reject.cause, reject.column, reject.value) == (RejectCause.EMPTY, column, "")
    assert reject.message == f"{column} is empty, but required"


def test_custom_is_text_and_parsed_as_json_on_request():
    record = only(file(row(Custom='"{""order"": 4711}"')))
    assert record.custom == '{"order": 4711}'
    assert record.custom_json() == {"order": 4711}
    assert only(file(row(Custom=""))).custom_json() is None
    with pytest.raises(ValueError, match="Expecting value"):
        only(file(row(Custom="campaign 7"))).custom_json()
    with pytest.raises(ValueError, match="nested too deeply"):
        only(file(row(Custom="[" * 200_000))).custom_json()


def test_every_record_type_parses_its_custom():
    for names in NAMES.values():
        assert only(file(row(names, Custom="[1]"), names=names)).custom_json() == [1]


def test_records_are_hashable_and_can_be_pickled():
    record = only(file(row() + ";x", names=[*PHONE, "CallTags"]))
    assert record.extras == {"CallTags": "x"}
    assert {record: 1}[pickle.loads(pickle.dumps(record))] == 1
    assert repr(record.extras) == "Extras({'CallTags': 'x'})"
    assert len(record.extras) == 1


# --- Headers -------------------------------------------------------------------------------------


def test_the_header_is_matched_in_any_case_and_order_and_trimmed():
    names = [f" {name.upper()} " for name in reversed(PHONE)]
    assert only(file(row(list(reversed(PHONE))), names=names)) == only(file(row()))


def test_unknown_columns_are_kept_and_missing_ones_are_none():
    record = only(b"CallTags;CallTime;CallId;AnswerTime\nx;2026-11-02T08:15:30Z;a;\n")
    assert isinstance(record, cdr.PhoneTerminated)
    assert record.extras == {"CallTags": "x"}
    assert record.call_id == "a"
    assert record.amount is None


def test_an_older_file_has_no_country():
    record = only(file(row(PHONE[:14]), names=PHONE[:14]))
    assert record.user_id == "alice"
    assert record.to_country_id is None
    assert record.extras is NO_EXTRAS


def test_without_a_header_the_layout_is_needed():
    with pytest.raises(CdrError, match="is not a header row: give .*same ten columns") as caught:
        list(cdr.read(row().encode()))
    assert caught.value.line == 1
    old = row(PHONE[:14])
    for first, country in ((row(), "SE"), (old, None)):
        records, reader = read_all(f"{first}\n{first}".encode(), "phone-terminated")
        assert [record.to_country_id for record in records] == [country, country]
        assert reader.header_rows == 0


def test_ten_columns_are_read_as_the_given_layout():
    content = row(NAMES["app-to-app"]).encode()
    assert isinstance(only(content, layout="app-to-app"), cdr.AppToApp)
    assert isinstance(only(content, layout=LAYOUTS["sip-terminated"]), cdr.SipTerminated)


def test_header_rows_in_the_middle_switch_the_layout():
    parts = [file(row(names), names=names) for names in NAMES.values()]
    records, reader = read_all(b"".join(parts))
    assert [record.layout for record in records] == list(LAYOUTS)
    assert reader.header_rows == 4
    records, reader = read_all(row().encode() + b"\n" + b"".join(parts), "phone-terminated")
    assert [record.layout for record in records] == ["phone-terminated", *LAYOUTS]


def test_a_given_layout_decides_where_the_header_does_not():
    content = b"CallId;CallTime;Custom\na;2026-11-02T08:15:30Z;x\n"
    with pytest.raises(CdrError, match="does not identify the layout: give it as layout="):
        list(cdr.read(content))
    assert isinstance(only(content, layout="sip-terminated"), cdr.SipTerminated)
    content = b"CallId;CallTime;Amount\na;2026-11-02T08:15:30Z;1\n"
    assert isinstance(only(content), cdr.PhoneOriginated)
    assert isinstance(only(content, layout="phone-terminated"), cdr.PhoneTerminated)
    assert isinstance(only(content, layout="sip-terminated"), cdr.PhoneOriginated)
    content = b"CallId;CallTime;FromUserId;Amount\na;2026-11-02T08:15:30Z;alice;1\n"
    assert only(content).extras == {"Amount": "1"}


def test_an_ambiguous_header_in_the_middle_keeps_the_layout():
    content = file(row()) + b"CallTime;CallId;Custom\n2026-11-02T08:15:30Z;a;x\n"
    records, _ = read_all(content)
    assert [type(record) for record in records] == [cdr.PhoneTerminated] * 2


@pytest.mark.parametrize(
    ("header", "part"),
    [
        ("CallId;CallTime;From;callid", "the header has 'callid' twice"),
        ("CallId;From;To;Result", "the header has no CallTime"),
        ("CallTime;From;To;Result", "the header has no CallId"),
        ("CallId;CallTime;;From", "the header has no name for column 3"),
        ("CallId;CallTime;From" + "".join(f";x{n}" for n in range(MAX_COLUMNS)), "more than 100"),
        (",".join(PHONE), "separated by commas: separate them by semicolons"),
        ('"' + '","'.join(PHONE) + '"', "separated by commas"),
        ("\t".join(PHONE), "separated by tabs"),
        ("|".join(PHONE), "separated by bars"),
        (";".join(PHONE) + "\r" + row() + "\r", "lines end in CR alone"),
        (
            "<html><body>not found</body></html>",
            "is not a header row and has 1 column instead of 10, 12, 14 or 15: if they are, give",
        ),
        ('"CallId;CallTime', "the header row cannot be read: the quote that opens in column 1 is"),
    ],
)
def test_an_unusable_header_refuses_the_file(header: str, part: str):
    with pytest.raises(CdrError, match="line 1") as caught:
        list(cdr.read(header.encode() + b"\n", on_reject="collect"))
    assert part in str(caught.value)
    assert caught.value.file == "<bytes>"
    assert caught.value.reject is None


def test_commas_are_noticed_without_a_header():
    with pytest.raises(CdrError, match="separated by commas"):
        list(cdr.read(row().replace(";", ",").encode(), "phone-terminated", on_reject="collect"))


def test_a_broken_header_in_the_middle_refuses_the_rest():
    reader = cdr.read(file(row()) + file(row(), names=[*PHONE[:-1], "CallId"]))
    assert next(reader).call_id == VALUES["CallId"]
    with pytest.raises(CdrError, match="line 3: the header has 'CallId' twice"):
        next(reader)
    assert list(reader) == []


def test_a_semicolon_at_the_end_of_each_line_is_not_a_column():
    records, reader = read_all(file(row() + ";", row() + ";x", names=[*PHONE, ""]))
    assert records[0].extras is NO_EXTRAS
    assert reader.rejects[0].cause is RejectCause.COLUMNS


@pytest.mark.parametrize("names", NAMES.values(), ids=NAMES)
def test_a_record_cannot_pass_for_a_header(names: list[str]):
    """Callers choose the text of Custom, UserId and From; `Duration` makes the record fail."""
    chosen = {"Custom": "CallTime", "UserId": "CallId", "From": "Duration", "FromUserId": "CallId"}
    content = file(row(names), row(names, Duration="x", **chosen), row(names), names=names)
    records, reader = read_all(content)
    assert (len(records), reader.rejected, reader.header_rows) == (2, 1, 1)


# --- Lines and quotes ----------------------------------------------------------------------------


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("last", [True, False])
def test_line_ends_and_byte_order_marks_make_no_difference(end: str, mark: bytes, last: bool):
    content = mark + file(row(), row(Custom='"a""b"'), row(), end=end)
    records, _ = read_all(content if last else content.removesuffix(end.encode()))
    assert [record.custom for record in records] == ["campaign 7", 'a"b', "campaign 7"]


def test_line_ends_may_be_mixed():
    content = file(row(), row(), end="\r\n") + file(row(), row()) + row().encode() + b"\r"
    records, reader = read_all(content)
    assert len(records) == 5
    assert ids(read_all(content + b"\n" + row(CallId="a", ToCountryId='"SE"').encode() + b"\r")[0])[
        5:
    ] == ["a"]
    assert {record.to_country_id for record in records} == {"SE"}
    assert reader.header_rows == 2


@pytest.mark.parametrize("inner", ["\n", "\r\n", "\r", "\n\n", ";", '";"', "\r\r\n", '"'])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_quoted_text_is_kept_to_the_byte(inner: str, end: str):
    text = f"{inner}a{inner}b{inner}"
    quoted = '"' + text.replace('"', '""') + '"'
    records, reader = read_all(file(row(Custom=quoted), row(Custom=quoted), end=end))
    assert [record.custom for record in records] == [text, text]
    assert reader.blank_lines == 0


def test_quotes_inside_unquoted_text_are_text():
    record = only(file(row(Custom='{"order": 4711, "note": ""}')))
    assert record.custom_json() == {"order": 4711, "note": ""}


def test_every_field_may_be_quoted():
    quoted = ";".join(f'"{VALUES[name]}"' for name in PHONE)
    header = ";".join(f'"{name}"' for name in PHONE)
    assert only(f"{header}\n{quoted}\n".encode()) == only(file(row()))


def test_blank_lines_are_counted_and_are_not_records():
    content = b"\n\r\n" + file(row(), "", " \t", row(), "", end="\r\n") + b"\n"
    records, reader = read_all(content)
    assert (len(records), reader.blank_lines, reader.header_rows) == (2, 6, 1)


def test_an_empty_file_has_no_records():
    for content in (b"", b"\n", b"\xef\xbb\xbf", file()):
        records, reader = read_all(content)
        assert records == []
        assert reader.records == 0


def test_an_unclosed_quote_costs_one_record():
    rows = [row(CallId=f"{number}") for number in range(3000)]
    rows[1000] = row(CallId="1000", Custom='"not closed')
    records, reader = read_all(file(*rows))
    assert ids(records) == [str(number) for number in range(3000) if number != 1000]
    (reject,) = reader.rejects
    assert (reject.line, reject.record, reject.cause) == (1002, 1001, RejectCause.QUOTE)
    assert "column 12 is not closed before the file ends" in reject.message
    assert reject.raw == rows[1000].encode()


def test_an_unclosed_quote_does_not_reach_the_next_one():
    rows = [row(CallId="a", Custom='"not closed'), row(CallId="b"), row(CallId="c", Custom='"x"')]
    records, reader = read_all(file(*rows))
    assert ids(records) == ["b", "c"]
    assert "closes on line 4 in the middle of text" in reader.rejects[0].message
    assert "read as separate records" in reader.rejects[0].message


def test_text_after_a_closing_quote_costs_one_record():
    records, reader = read_all(file(row(Custom='"a" b'), row()))
    assert len(records) == 1
    assert reader.rejects[0].message == (
        "the quote that opens in column 12 closes on line 2 in the middle of text"
    )


def test_quoted_text_does_not_forge_records():
    """One CSV parser loaded half a million forged rows from such text."""
    forged = "\n".join(row(CallId=f"forged-{number}", Custom="") for number in range(5000))
    rows = [row(CallId=f"{number}", Custom=f'"{forged}"') for number in range(3)]
    for end in ("\n", "\r\n"):
        records, reader = read_all(file(*rows, end=end))
        assert ids(records) == ["0", "1", "2"]
        assert {record.custom for record in records} == {forged}
    rows[1] = row(CallId="1", Duration="x", Custom=f'"{forged}"')
    records, reader = read_all(file(*rows))
    assert ids(records) == ["0", "2"]
    assert reader.rejects[0].raw == rows[1].encode()
    rows[1] += ";one;two"
    records, reader = read_all(file(*rows))
    assert ids(records) == ["0", "2"]
    assert reader.rejects[0].cause is RejectCause.COLUMNS


def test_a_field_of_three_megabytes_is_read():
    text = "x" * 3_000_000
    lines = "y\n" * 1_500_000
    records, _ = read_all(file(row(Custom=text), row(), row(Custom=f'"{lines}"'), row()))
    assert [record.custom for record in records] == [text, "campaign 7", lines, "campaign 7"]


def test_a_record_of_maximum_size_is_read_and_a_larger_one_is_rejected():
    room = MAX_RECORD - len(row(Custom=""))
    records, reader = read_all(file(row(Custom="x" * room), row(Custom="x" * (room + 1)), row()))
    assert [len(record.custom) for record in records] == [room, 10]
    (reject,) = reader.rejects
    assert (reject.cause, reject.size, len(reject.raw)) == (RejectCause.SIZE, MAX_RECORD + 1, 4096)
    assert (reject.line, reject.record) == (3, 2)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("last", [True, False])
def test_a_line_without_an_end_is_one_reject_and_is_not_kept(end: str, last: bool):
    rows = [row(), row(Custom="x" * 10_000), *([] if last else [row()])]
    content = file(*rows, end=end)
    if last:
        content = content.removesuffix(end.encode())
    for block_size in (64, 999, 1 << 16):
        records, reader = read_all(content, block_size=block_size, max_record=500)
        assert len(records) == len(rows) - 1
        (reject,) = reader.rejects
        assert reject.size == len(rows[1])
        assert content[reject.offset :].startswith(reject.raw)


def test_quoted_text_that_is_too_long_costs_its_first_line():
    rows = [row(CallId="a", Custom='"' + "\n".join("x" * 99 for _ in range(20)) + '"'), row()]
    records, reader = read_all(file(*rows), max_record=500)
    assert len(records) == 1
    assert "is not closed within 500 bytes and 15 columns" in reader.rejects[0].message
    assert reader.rejected == 20
    rows[0] = row(CallId="a", Custom='"\n"' + ";x" * 300)
    records, reader = read_all(file(*rows), max_record=500)
    assert "is not closed within 500 bytes and 15 columns" in reader.rejects[0].message


@pytest.mark.parametrize(
    "lines",
    [
        ['a";"'] * 60_000,
        ['x;"'] * 60_000,
        ['x;"""'] * 60_000,
        ['x;"', *['x;""'] * 60_000],
        ['x;"', *["x;y"] * 60_000],
        ['"', *["x"] * 60_000] * 2,
        [";" * 300_000] * 2,
        ['"";' * 100_000] * 2,
        ['"' * 300_001] * 2,
        [""] * 60_000,
        ["x"] * 60_000,
        ["\0"] * 60_000,
    ],
    ids=lambda lines: repr(lines[-1][:8]),
)
def test_no_text_takes_longer_than_its_size_allows(lines: list[str]):
    """An unlimited search for the end of each quote would take hours here."""
    reader = cdr.read(file(*lines), on_reject="collect")
    try:
        assert not list(reader)
    except CdrError as error:
        assert "lines so far are too short to be a record" in error.message  # noqa: PT017
    assert reader.records == reader.rejected == len(reader.rejects)
    assert reader.records + reader.blank_lines > 0


# --- Invalid bytes -------------------------------------------------------------------------------


def test_invalid_utf_8_costs_one_record():
    rows = [row(CallId=name).encode() for name in "abc"]
    rows[1] = rows[1].replace(b"campaign", b"caf\xe9")
    records, reader = read_all(b"\n".join([file().strip(), *rows]))
    assert ids(records) == ["a", "c"]
    (reject,) = reader.rejects
    assert reject.cause is RejectCause.ENCODING
    assert "0xe9, is not UTF-8" in reject.message
    assert reject.raw == rows[1]
    assert "caf\\xe9" in reject.text


def test_invalid_utf_8_in_quoted_lines_costs_one_record():
    content = file(row(Custom='"a\nb?"'), row(), end="\r\n").replace(b"?", b"\xff")
    records, reader = read_all(content)
    assert len(records) == 1
    assert reader.rejects[0].cause is RejectCause.ENCODING


def test_a_nul_byte_costs_one_record():
    records, reader = read_all(file(row(), row(Custom="\0"), row(Custom='"\n\0"'), row()))
    assert len(records) == 2
    assert [reject.cause for reject in reader.rejects] == [RejectCause.NUL] * 2
    assert [reject.line for reject in reader.rejects] == [3, 4]


def test_a_carriage_return_outside_quotes_costs_one_record():
    content = file(
        row(), row(Custom="a\rb"), row(Custom='"a\rb"'), row(UserId='a\r";', Custom='""')
    )
    records, reader = read_all(content)
    assert [record.custom for record in records] == ["campaign 7", "a\rb"]
    assert {reject.cause for reject in reader.rejects} == {RejectCause.CARRIAGE_RETURN}


def test_a_byte_order_mark_before_a_header_in_the_middle_is_accepted():
    part = b"\xef\xbb\xbf" + file(row(), end="\r\n")
    records, reader = read_all(part + part)
    assert (len(records), reader.header_rows) == (2, 2)


def test_a_byte_order_mark_before_a_record_costs_it():
    records, reader = read_all(file(row(), "\ufeff" + row(), row(Custom="\ufeff")))
    assert [record.custom for record in records] == ["campaign 7", "\ufeff"]
    assert reader.rejects[0].cause is RejectCause.BYTE_ORDER_MARK


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le"])
def test_utf_16_is_refused(encoding: str):
    with pytest.raises(CdrError, match="the file is UTF-16, UTF-32 or not text: convert it"):
        list(cdr.read(file(row()).decode().encode(encoding)))


# --- Rejects and counts --------------------------------------------------------------------------


def test_a_reject_has_its_position_and_bytes():
    bad = row(CallId="ü", Duration="12.6", Custom='"x\ny"')
    content = b"\xef\xbb\xbf" + file(row(CallId="ä"), row(Custom='"a\n\nb"'), "", bad, row())
    reject = only_reject(content)
    assert reject.file == "<bytes>"
    assert (reject.line, reject.record) == (7, 3)
    assert content[reject.offset :][: reject.size] == reject.raw == bad.encode()
    assert reject.layout == "phone-terminated"
    assert reject.header == tuple(PHONE)
    assert str(reject) == (
        "<bytes>, line 7: Duration '12.6' is not a whole number of at most 18 digits"
    )
    assert reject.text == bad


def test_the_value_of_a_reject_is_complete_and_its_message_short():
    text = "9" * 1000 + "\x1b[31m"
    reject = only_reject(file(row(Duration=text)))
    assert reject.value == text
    assert len(reject.message) < 200
    assert "\x1b" not in str(reject)
    assert text not in repr(reject)


def test_a_corrected_file_can_be_made_from_rejects():
    _, reader = read_all(file(row(), row(Amount="0,5"), row(Amount="0,7"), end="\r\n"))
    lines = [";".join(reader.rejects[0].header).encode(), *(r.raw for r in reader.rejects)]
    records, _ = read_all(b"\n".join(lines).replace(b"0,", b"0."))
    assert [record.amount for record in records] == [Decimal("0.5"), Decimal("0.7")]


def test_too_few_and_too_many_columns_cost_one_record():
    records, reader = read_all(file(row() + ";x", row(PHONE[:14]), row(), row() + ";"))
    assert len(records) == 1
    assert [reject.message for reject in reader.rejects] == [
        "the record has 16 columns, not 15",
        "the record has 14 columns, not 15",
        "the record has 16 columns, not 15",
    ]


def test_the_first_reject_is_raised_by_default():
    reader = cdr.read(file(row(CallId="a"), row(CallId="b", Duration="x"), row(CallId="c")))
    assert next(reader).call_id == "a"
    with pytest.raises(CdrError, match="<bytes>, line 3: Duration 'x' is not a whole") as caught:
        next(reader)
    assert caught.value.reject is not None
    assert caught.value.reject.record == 2
    assert (reader.records, reader.yielded, reader.rejected) == (2, 1, 1)
    assert list(reader) == []
    again = pickle.loads(pickle.dumps(caught.value))
    assert str(again) == str(caught.value)
    assert again.reject == caught.value.reject


def test_rejects_go_to_a_function():
    seen: list[cdr.Reject] = []
    reader = cdr.read(file(row(Duration="x"), row()), on_reject=seen.append)
    assert len(list(reader)) == 1
    assert [reject.line for reject in seen] == [2]
    assert (reader.rejected, reader.rejects) == (1, [])


def test_any_other_on_reject_is_refused():
    with pytest.raises(InvalidRequest, match="on_reject is 'ignore': give 'raise', 'collect'"):
        cdr.read(b"", on_reject="ignore")  # type: ignore[arg-type]


def test_the_counts_are_right_at_any_time():
    rows = [row(Duration="x" if number % 7 == 3 else "1") for number in range(2000)]
    reader = cdr.read(file(*rows), on_reject="collect")
    for number, _ in enumerate(reader, 1):
        assert reader.yielded == number
        assert reader.records == number + reader.rejected
        if number == 1500:
            break
    reader.close()
    assert (reader.yielded, list(reader)) == (1500, [])
    assert reader.records == 1500 + reader.rejected


def test_an_error_in_the_middle_follows_the_records_before_it():
    for last in (row(Amount="x"), ";".join([*PHONE[:-1], "CallId"])):
        reader = cdr.read(file(*[row()] * 9, last))
        seen: list[Any] = []
        with pytest.raises(CdrError):
            seen.extend(reader)
        assert (len(seen), reader.yielded) == (9, 9)


# --- Comparison with a simple reader -------------------------------------------------------------

TEXTS = st.text(st.sampled_from('ab;"\n\r\t,{}:é\ufeff\u2028\x85 '), max_size=12)
CUSTOMS = st.lists(TEXTS, max_size=12)


def quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


@settings(max_examples=300)
@given(CUSTOMS, st.sampled_from(["\n", "\r\n"]), st.integers(1, 300), st.booleans())
@example(['";"', "\r\n", '"'], "\r\n", 1, False)
def test_well_formed_files_are_read_as_the_csv_module_does(
    customs: list[str], end: str, block_size: int, last: bool
):
    rows = [row(CallId=f"{n}", Custom=quoted(text)) for n, text in enumerate(customs)]
    content = file(*rows, end=end)
    content = content if last else content.removesuffix(end.encode())
    expected = list(csv.DictReader(io.StringIO(content.decode(), newline=""), delimiter=";"))
    records, reader = read_all(content, block_size=block_size)
    assert reader.rejects == []
    assert [record.custom or "" for record in records] == [each["Custom"] for each in expected]
    assert ids(records) == [each["CallId"] for each in expected]


PIECES = st.sampled_from(
    [
        *(row(names).encode() for names in NAMES.values()),
        *(";".join(names).encode() for names in NAMES.values()),
        *(row(Custom=text).encode() for text in ('"a\nb"', '"', '"a"b', '{"a":";', '";"', '""')),
        row(Duration="x").encode(),
        *[b"\n"] * 8,
        *b'; " \r\n \r \0 \xef\xbb\xbf \xff \xc3 , a'.split(b" "),
    ]
)


def outcome(content: bytes, layout: Any, **sizes: int) -> Any:
    reader = cdr.Reader(content, layout, on_reject="collect", **sizes)
    records: list[Any] = []
    try:
        records.extend(reader)
    except CdrError as error:
        return records, reader.rejects, str(error)
    assert reader.records == reader.yielded + reader.rejected
    return records, reader.rejects, reader.blank_lines, reader.header_rows


@settings(max_examples=1000)
@given(
    st.lists(PIECES, max_size=30).map(b"".join),
    st.sampled_from([None, *LAYOUTS]),
    st.integers(1, 400),
    st.integers(50, 2000),
)
def test_the_block_size_makes_no_difference(
    content: bytes, layout: Any, block_size: int, max_record: int
):
    whole = outcome(content, layout, max_record=max_record)
    assert outcome(content, layout, max_record=max_record, block_size=block_size) == whole
    for reject in whole[1]:
        assert content[reject.offset :].startswith(reject.raw)
        assert content.count(b"\n", 0, reject.offset) == reject.line - 1


@settings(max_examples=300)
@given(st.binary(max_size=300), st.sampled_from([None, *LAYOUTS]), st.booleans())
def test_any_bytes_raise_only_documented_errors(content: bytes, layout: Any, header: bool):
    outcome(file() + content if header else content, layout)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_damaged_files_are_accounted_for(layout: Any):
    made = io.BytesIO()
    planted = Planted(multiline=3, forged=1)
    cdr_generator.write(made, 12, layout=layout, planted=planted, form=FileForm(line_end="mixed"))
    dice = random.Random(layout)
    for number in range(500):
        content = cdr_generator.damaged(made.getvalue(), dice)
        outcome(content, layout if number % 2 else None)


# --- Internals -----------------------------------------------------------------------------------


def test_every_column_type_has_a_conversion():
    from sinchvoice.cdr.values import NEEDED, conversions

    reads: dict[ColumnType, Callable[[str], Any]] = dict(conversions())
    assert set(reads) == set(ColumnType)
    for column in (column for layout in LAYOUTS.values() for column in layout.columns):
        assert reads[column.type]("") is None
        assert not column.required or column.type in NEEDED


def test_memos_have_a_limit():
    from sinchvoice.cdr.values import _MEMO_TEXTS, conversions

    read: Any = conversions()[ColumnType.INTEGER]
    memo = read.__self__
    for number in range(3 * _MEMO_TEXTS):
        assert read(str(number)) == number
    assert len(memo) <= _MEMO_TEXTS
    phone: Any = conversions()[ColumnType.PHONE]
    assert phone("x" * 1000) == OtherEndpoint(None, "x" * 1000)
    assert len(phone.__self__) == 0
