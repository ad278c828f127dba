"""decoding.py: every lenient reader of the server's values; none of them raises."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from email.utils import format_datetime
from enum import StrEnum
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from sinchvoice import CallReason, CallResult, CallStatus, decoding
from sinchvoice.reports import ReportDomain

# --- JSON objects --------------------------------------------------------------------------------


def test_json_numbers_with_a_fraction_are_exact():
    amounts = decoding.json_object(b'{"a": 0.1758, "b": 0.10, "c": 1e3, "d": 138, "e": -0.0}')
    assert {key: str(value) for key, value in amounts.items()} == {
        "a": "0.1758",
        "b": "0.10",
        "c": "1E+3",
        "d": "138",
        "e": "-0.0",
    }


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"{}", {}),
        (b' \r\n{"a": null}\n', {"a": None}),
        ('{"a": "Céline"}'.encode(), {"a": "Céline"}),
        (b'{"a": "C\\u00e9line"}', {"a": "Céline"}),
        (b'\xef\xbb\xbf{"a": 1}', {"a": 1}),
        ('{"a": 1}'.encode("utf-16"), {"a": 1}),
        (b'{"a": 12345678901234567890123}', {"a": 12345678901234567890123}),
    ],
    ids=["empty", "space around", "UTF-8", "escapes", "UTF-8 with BOM", "UTF-16", "a long number"],
)
def test_a_json_object_is_read(content: bytes, expected: Any):
    assert decoding.json_object(content) == expected


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"[]", "it is an array, not a JSON object"),
        (b'"x"', "it is a string, not a JSON object"),
        (b"true", "it is a boolean, not a JSON object"),
        (b"null", "it is null, not a JSON object"),
        (b"1", "it is a number, not a JSON object"),
        (b"1.5", "it is a number, not a JSON object"),
        (b'{"a": NaN}', "NaN is not JSON"),
        (b'{"a": Infinity}', "Infinity is not JSON"),
        (b'{"a": -Infinity}', "-Infinity is not JSON"),
        (b"", "Expecting value"),
        (b"<html>502 Bad Gateway</html>", "Expecting value"),
        (b'{"a": ', "Expecting value"),
        (b'{"a": 1} {', "Extra data"),
        (b'{"a": "\xe9"}', "utf-8"),
        (b'{"a": ' + b"9" * 5000 + b"}", "4300 digits"),
    ],
    ids=lambda value: str(value[:24]),
)
def test_content_that_is_not_a_json_object_is_refused_with_the_reason(content: bytes, reason: str):
    with pytest.raises(ValueError, match=reason):
        decoding.json_object(content)


def test_json_nested_too_deeply_is_refused():
    with pytest.raises((RecursionError, ValueError)):
        decoding.json_object(b'{"a":' * 100_000)


@given(st.binary() | st.text().map(str.encode))
def test_content_is_a_json_object_or_refused_with_a_documented_error(content: bytes):
    try:
        value = decoding.json_object(content)
    except (ValueError, RecursionError):
        return
    assert isinstance(value, dict)


# --- text ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "expected"),
    [("x", "x"), (" ", " "), ("0", "0"), ("", None), (None, None), (0, None), (["x"], None)],
    ids=repr,
)
def test_text_is_a_string_that_is_not_empty(value: Any, expected: str | None):
    assert decoding.text(value) == expected


# --- numbers -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0, 0),
        (138, 138),
        (-1, -1),
        (2**63, 2**63),
        (10**19 - 1, 10**19 - 1),
        (1 - 10**19, 1 - 10**19),
        (10**19, None),
        (10**400, None),
        (-(10**400), None),
        ("138", 138),
        ("0", 0),
        ("-5", -5),
        ("007", 7),
        ("9223372036854775807", 9223372036854775807),
        (138.0, 138),
        (-0.0, 0),
        (Decimal(138), 138),
        (Decimal("138.00"), 138),
        (Decimal("1E+3"), 1000),
        (Decimal(1234567890123456789), 1234567890123456789),
        (Decimal("0E-999999"), 0),
        (2.0**62, 2**62),
        (2.0**63, None),
        (138.5, None),
        (1e300, None),
        (float("inf"), None),
        (float("nan"), None),
        (Decimal("138.5"), None),
        (Decimal("1E+19"), None),
        (Decimal("1E+999999"), None),
        (Decimal("1E-999999"), None),
        (Decimal("NaN"), None),
        (Decimal("sNaN"), None),
        (Decimal("Infinity"), None),
        ("1.0", None),
        ("1e3", None),
        ("+5", None),
        ("", None),
        ("-", None),
        (" 5", None),
        ("5\n", None),
        ("1_000", None),
        ("٣", None),
        ("9" * 20, None),
        ("N/A", None),
        (True, None),
        (False, None),
        (None, None),
        ([1], None),
        ({}, None),
    ],
    ids=lambda value: repr(value)[:24],
)
def test_a_whole_number_is_read_from_every_form_of_it(value: Any, expected: int | None):
    actual = decoding.whole_number(value)
    assert (actual, type(actual)) == (expected, type(expected))


@given(st.integers(-(10**18), 10**18))
def test_a_whole_number_is_the_same_in_every_form(value: int):
    forms = [value, str(value), Decimal(value), Decimal(f"{value}.000"), float(value)]
    exact = [form for form in forms if form == value or isinstance(form, str)]
    assert {decoding.whole_number(form) for form in exact} == {value}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0, "0"),
        (12384955, "12384955"),
        (9223372036854775807, "9223372036854775807"),
        ("12384955", "12384955"),
        (Decimal("5.00"), "5"),
        (Decimal("0.5"), "0.5"),
        (Decimal("0.10"), "0.10"),
        (Decimal("-0.1758"), "-0.1758"),
        ("0.10", "0.10"),
        ("+1.5", "1.5"),
        (10**20, "100000000000000000000"),
        (10**400, "None"),
        (Decimal("1E+999999"), "None"),
        (Decimal("1E-999999"), "None"),
        ("1E+999999", "None"),
        (True, "None"),
        ("1e3", "None"),
        ("", "None"),
        ("x", "None"),
        (None, "None"),
        ([], "None"),
        ({}, "None"),
    ],
    ids=repr,
)
def test_a_number_is_whole_or_exact(value: Any, expected: str):
    actual = decoding.number(value)
    assert str(actual) == expected
    assert isinstance(actual, int) == (expected.lstrip("-").isdigit() and len(expected) <= 20)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Decimal("0.1758"), "0.1758"),
        (Decimal("1E+3"), "1000"),
        (Decimal("-0.00"), "-0.00"),
        (Decimal(10**30 - 1), "9" * 30),
        (Decimal(0.1), str(Decimal(0.1))),  # noqa: RUF032 - some servers write it so
        ("0." + "3" * 100, "0." + "3" * 100),
        (10**29, "1" + "0" * 29),
        (10**30, None),
        (10**4000, None),
        (-(10**30), None),
        ("0." + "3" * 101, None),
        (Decimal("0." + "3" * 101), None),
        ("1" * 31, None),
        (Decimal("1E+30"), None),
        (Decimal("1E+99999999"), None),
        (Decimal("1E-99999999"), None),
        (Decimal("0E+99999999"), None),
        (Decimal("0E-99999999"), None),
        (Decimal("NaN"), None),
        (Decimal("sNaN"), None),
        (Decimal("-Infinity"), None),
        ("1e3", None),
        (1.5, None),
        (True, None),
    ],
    ids=lambda value: str(value)[:24],
)
def test_an_amount_is_exact_and_one_that_no_bill_can_have_is_none(value: Any, expected: str | None):
    actual = decoding.amount(value)
    assert (None if actual is None else f"{actual:f}") == expected


# --- times ---------------------------------------------------------------------------------------


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)


TIMESTAMPS: list[tuple[Any, datetime]] = [
    ("2014-06-02T15:39:31Z", utc(2014, 6, 2, 15, 39, 31)),
    ("2019-08-24t14:15:22z", utc(2019, 8, 24, 14, 15, 22)),
    # seven digits, and other fractions
    ("2014-06-02T15:39:31.2729234Z", utc(2014, 6, 2, 15, 39, 31, 272923)),
    ("2014-06-02T15:39:31.2729239Z", utc(2014, 6, 2, 15, 39, 31, 272923)),
    ("2014-06-02T15:39:31.2Z", utc(2014, 6, 2, 15, 39, 31, 200000)),
    ("2014-06-02T15:39:31.27Z", utc(2014, 6, 2, 15, 39, 31, 270000)),
    ("2014-06-02T15:39:31.273Z", utc(2014, 6, 2, 15, 39, 31, 273000)),
    ("2014-06-02T15:39:31.000001Z", utc(2014, 6, 2, 15, 39, 31, 1)),
    ("2014-06-02T15:39:31.999999999Z", utc(2014, 6, 2, 15, 39, 31, 999999)),
    # no zone means UTC
    ("2024-01-08T09:48:12", utc(2024, 1, 8, 9, 48, 12)),
    ("2024-06-06T17:36:00", utc(2024, 6, 6, 17, 36)),
    ("2024-01-08T09:48:12.2729234", utc(2024, 1, 8, 9, 48, 12, 272923)),
    # offsets
    ("2024-01-08T09:48:12+00:00", utc(2024, 1, 8, 9, 48, 12)),
    ("2024-01-08T09:48:12+02:00", utc(2024, 1, 8, 7, 48, 12)),
    ("2024-01-08T09:48:12-0430", utc(2024, 1, 8, 14, 18, 12)),
    ("2024-01-08T09:48:12.5+08:45", utc(2024, 1, 8, 1, 3, 12, 500000)),
    ("2024-01-08T23:30:00-01:00", utc(2024, 1, 9, 0, 30)),
    # other forms
    ("2014-04-28", utc(2014, 4, 28)),
    ("2024-01-08 09:48:12", utc(2024, 1, 8, 9, 48, 12)),
    ("2024-01-08 09:48:12Z", utc(2024, 1, 8, 9, 48, 12)),
    ("2024-01-08T09:48Z", utc(2024, 1, 8, 9, 48)),
    ("2024-02-29T00:00:00Z", utc(2024, 2, 29)),
    ("0001-01-01T00:00:00Z", utc(1, 1, 1)),
    ("9999-12-31T23:59:59Z", utc(9999, 12, 31, 23, 59, 59)),
    # seconds since 1970
    (0, utc(1970, 1, 1)),
    (1704707292, utc(2024, 1, 8, 9, 48, 12)),
    (1704707292.5, utc(2024, 1, 8, 9, 48, 12, 500000)),
    (Decimal("1704707292.5"), utc(2024, 1, 8, 9, 48, 12, 500000)),
    (-1, utc(1969, 12, 31, 23, 59, 59)),
]


@pytest.mark.parametrize(("value", "expected"), TIMESTAMPS, ids=[str(v) for v, _ in TIMESTAMPS])
def test_a_timestamp_is_read_from_every_known_form_and_is_utc(value: Any, expected: datetime):
    actual = decoding.timestamp(value)
    assert actual == expected
    assert actual is not None
    assert actual.tzinfo is UTC


@pytest.fixture
def far_from_greenwich(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Set a local time zone other than UTC."""
    if not hasattr(time, "tzset"):
        pytest.skip("this system cannot change the time zone of a process")
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "XYZ+7")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("far_from_greenwich")
def test_a_time_without_a_zone_is_utc_wherever_it_is_read():
    assert decoding.timestamp("2024-01-08T09:48:12") == utc(2024, 1, 8, 9, 48, 12)
    assert decoding.timestamp("2014-04-28") == utc(2014, 4, 28)
    assert decoding.timestamp(1704707292) == utc(2024, 1, 8, 9, 48, 12)
    assert decoding.http_date("Sun, 06 Nov 1994 08:49:37") == 784111777.0
    assert decoding.http_date("Sun Nov  6 08:49:37 1994") == 784111777.0


@pytest.mark.parametrize(
    "value",
    [
        # exotic forms of ISO 8601 that Python reads
        "2024-W02-1",
        "2024W021",
        "2024-W02-1T09:48:12Z",
        "20240108",
        "20240108T094812Z",
        "2024-01-08T094812Z",
        "2024-01-08T09Z",
        "2024-01-08T09:48:12,5Z",
        "2024-01-08T09:48:12+02",
        "2024-01-08T09:48:12+02:00:30",
        "2024-01-08x09:48:12",
        "2024-01-08  09:48:12",
        "2024-008",
        "2024-01",
        "2024",
        # broken
        "2024-01-08T",
        "2024-01-08T09:48:12.Z",
        "2024-01-08T09:48:12.0123456789Z",
        "2024-01-08T09:48:12ZZ",
        "2024-01-08T09:48:12Z\n",
        " 2024-01-08T09:48:12Z",
        "2024-1-8",
        "08.01.2024",
        "٢٠٢٤-٠١-٠٨",
        "2024-01-08T09:48:12\N{MINUS SIGN}02:00",
        "Mon, 08 Jan 2024 09:48:12 GMT",
        "1704707292",
        "yesterday",
        "",
        # out of range
        "2024-13-01",
        "2023-02-29",
        "0000-01-01",
        "2024-01-08T25:00:00Z",
        "2024-01-08T09:60:00Z",
        "2024-01-08T09:48:61Z",
        "2024-01-08T09:48:12+24:00",
        "0001-01-01T00:00:00+05:00",
        "9999-12-31T23:59:59-05:00",
        1704707292000,
        10**18,
        -(10**18),
        10**400,
        1e300,
        float("inf"),
        float("nan"),
        Decimal("1E+999999"),
        Decimal("NaN"),
        Decimal("sNaN"),
        # something else
        True,
        None,
        [],
        {},
        ["2024-01-08"],
    ],
    ids=lambda value: repr(value)[:32],
)
def test_an_invalid_timestamp_is_none(value: Any):
    assert decoding.timestamp(value) is None


@given(
    st.datetimes(
        min_value=datetime(2, 1, 1),  # noqa: DTZ001
        max_value=datetime(9998, 1, 1),  # noqa: DTZ001
        timezones=st.just(UTC)
        | st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes))),
    ),
    st.sampled_from(["T", " "]),
)
def test_any_time_is_the_same_moment_after_reading(moment: datetime, separator: str):
    assert decoding.timestamp(moment.isoformat(separator)) == moment


_FORM = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?Z")


@given(
    st.text("0123456789W-:٣", min_size=4, max_size=4),
    *[st.text("0123459W-:.٣", min_size=2, max_size=2)] * 5,
    st.text("0123456789.,:+-Z", max_size=13) | st.from_regex(r"\.[0-9]{1,11}Z", fullmatch=True),
)
@example("2026", "11", "27", "10", "00", "00", "Z")
@example("2026", "11", "27", "10", "00", "00", ".Z")
@example("2026", "11", "27", "10", "00", "00", ".1234567Z")
@example("2026", "11", "27", "10", "00", "00", ".1234567890Z")
@example("2026", "11", "27", "10", "00", "00", ",123Z")
@example("2026", "11", "27", "10", "00", "00", "ZZZ")
@example("2026", "11", "27", "10", "00", "00", ".1+01Z")
@example("2026", "W1", "27", "10", "00", "00", "Z")
def test_a_time_with_the_usual_separators_is_read_only_in_its_exact_form(
    year: str, month: str, day: str, hour: str, minute: str, second: str, end: str
):
    value = f"{year}-{month}-{day}T{hour}:{minute}:{second}{end}"
    if end.endswith("Z") and not _FORM.fullmatch(value):
        assert decoding.timestamp(value) is None
    elif end.endswith("Z"):
        micro = f"{end[1:-1]:0<6}"[:6]
        try:
            parts = map(int, (year, month, day, hour, minute, second, micro))
            expected = datetime(*parts, tzinfo=UTC)
        except ValueError:
            return  # no such time; later versions of Python read 24:00
        assert decoding.timestamp(value) == expected


@given(st.datetimes())
def test_any_time_without_a_zone_is_utc(moment: datetime):
    assert decoding.timestamp(moment.isoformat()) == moment.replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("Sun, 06 Nov 1994 08:49:37 GMT", 784111777.0),
        ("Sunday, 06-Nov-94 08:49:37 GMT", 784111777.0),
        ("Sun Nov  6 08:49:37 1994", 784111777.0),
        ("Sun, 06 Nov 1994 08:49:37", 784111777.0),
        ("Sun, 06 Nov 1994 08:49:37 -0000", 784111777.0),
        ("Sun, 06 Nov 1994 10:49:37 +0200", 784111777.0),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
        ("", None),
        ("120", None),
        ("soon", None),
        ("Sun, 99 Nov 1994 08:49:37 GMT", None),
        ("Sun, 06 Nov 1994 99:49:37 GMT", None),
        ("Sun, 06 Nov 99999 08:49:37 GMT", None),
        ("2024-01-08T09:48:12Z", None),
        (None, None),
    ],
    ids=repr,
)
def test_the_time_in_a_header_is_read_in_every_form_of_http(
    value: str | None, expected: float | None
):
    assert decoding.http_date(value) == expected


@given(st.datetimes(min_value=datetime(1970, 1, 1), max_value=datetime(9999, 1, 1)))  # noqa: DTZ001
def test_any_time_in_a_header_is_read_to_the_second(moment: datetime):
    moment = moment.replace(microsecond=0, tzinfo=UTC)
    assert decoding.http_date(format_datetime(moment, usegmt=True)) == moment.timestamp()


# --- enumerations --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        (CallStatus, "FINAL", CallStatus.FINAL),
        (CallStatus, "final", CallStatus.FINAL),
        (CallStatus, "Ongoing", CallStatus.ONGOING),
        (CallResult, "N/A", CallResult.NOT_AVAILABLE),
        (CallResult, "n/a", CallResult.NOT_AVAILABLE),
        (CallResult, "NOANSWER", CallResult.NO_ANSWER),
        (CallReason, "InvalidSvamlAction", CallReason.INVALID_SVAML_ACTION),
        (CallReason, "HANGUP", "HANGUP"),
        (CallReason, "Congestion", "Congestion"),
        (CallStatus, "FINAL ", "FINAL "),
        (ReportDomain, "PSTN", ReportDomain.PSTN),
        (CallStatus, "", None),
        (CallStatus, None, None),
        (CallStatus, 1, None),
        (CallStatus, True, None),
        (CallStatus, ["FINAL"], None),
        (CallStatus, {"FINAL": 1}, None),
    ],
    ids=repr,
)
def test_a_word_becomes_a_member_in_any_case_or_stays_unchanged(
    kind: type[StrEnum], value: Any, expected: Any
):
    actual = decoding.open_enum(kind, value)
    assert (actual, type(actual)) == (expected, type(expected))


# --- arbitrary values ----------------------------------------------------------------------------

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(10**4000), 10**4000)
    | st.floats()
    | st.decimals()
    | st.builds("{}{}e{}".format, st.sampled_from(["", "-"]), st.integers(0), st.integers()).map(
        lambda text: Decimal(text) if len(text) < 18 else text
    )
    | st.sampled_from([Decimal("1e999999"), Decimal("-1e999999"), Decimal("1e-999999")])
    | st.text(st.characters(exclude_categories=()))
    | st.from_regex(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9:.]+)?([Zz]|[+-][0-9:]+)?", fullmatch=True)
    | st.from_regex(r"[+-]?[0-9]{1,40}(\.[0-9]{1,40})?", fullmatch=True),
    lambda children: (
        st.lists(children, max_size=3)
        | st.dictionaries(st.sampled_from(["amount", "currencyId"]) | st.text(), children)
    ),
    max_leaves=5,
)
READINGS: dict[str, tuple[Callable[[Any], Any], Any]] = {
    "text": (decoding.text, str),
    "whole_number": (decoding.whole_number, int),
    "number": (decoding.number, int | Decimal),
    "timestamp": (decoding.timestamp, datetime),
    "open_enum": (lambda value: decoding.open_enum(CallReason, value), str),
    "amount": (decoding.amount, Decimal),
}


@pytest.mark.parametrize(("reading", "kind"), READINGS.values(), ids=READINGS)
@given(json_values)
def test_no_reading_ever_raises(reading: Callable[[Any], Any], kind: Any, value: Any):
    result = reading(value)
    assert result is None or isinstance(result, kind)


@given(json_values)
def test_json_with_extremes_is_read_without_losing_anything(value: Any):
    content = json.dumps({"a": value}, default=lambda number: {"decimal": str(number)})
    try:
        decoded = decoding.json_object(content.encode())
    except ValueError:
        assert "NaN" in content or "Infinity" in content
        return
    assert decoded.keys() == {"a"}


ENDLESS = [
    "1e999999999999",
    "-1e99999999",
    "1e-99999999",
    "0e99999999",
    "0.0e-99999999",
    "1e9999999999999999999",
    "1." + "0" * 5000,
    "1" * 5000 + ".5",
    "1e1001",
    "1e-1001",
]


@pytest.mark.parametrize("number", ENDLESS, ids=lambda number: number[:24])
def test_a_number_that_would_fill_the_memory_stays_text_and_is_none(number: str):
    value = decoding.json_object(f'{{"a": {number}}}'.encode())["a"]
    assert value == number
    assert decoding.amount(value) is None
    assert decoding.number(value) is None
    assert decoding.whole_number(value) is None
    assert decoding.timestamp(value) is None


@given(st.integers(-(10**19), 10**19), st.integers(-(10**6), 10**6))
def test_whatever_becomes_a_decimal_can_be_written_out(digits: int, exponent: int):
    value = decoding.json_object(f'{{"a": {digits}e{exponent}}}'.encode())["a"]
    if isinstance(value, Decimal):
        assert len(f"{value:f}") <= 2010
        assert value == Decimal(f"{digits}e{exponent}")
    if (amount := decoding.amount(value)) is not None:
        assert len(f"{amount:f}") <= 140
    if (whole := decoding.whole_number(value)) is not None:
        assert len(str(whole)) <= 20


@pytest.mark.parametrize(
    "number", [10**4299, -(10**4000), 1e300, float("inf")], ids=["long", "negative", "float", "inf"]
)
def test_an_extreme_number_is_read_quickly(number: float):
    assert decoding.timestamp(number) is None
    assert decoding.whole_number(number) is None
    assert decoding.number(number) is None
    assert decoding.amount(number) is None


@given(st.text(st.characters(exclude_categories=())) | st.none())
def test_reading_a_header_never_raises(value: str | None):
    assert isinstance(decoding.http_date(value), float | None)


date_words = st.lists(
    st.sampled_from(
        ["Sun", "Sun,", "06", "6", "Nov", "1994", "94", "-1", "08:49:37", "08.49", "8", "GMT"]
        + ["+0200", "-9999", "+99999999999", "06-Nov-94", "Nov-", ":", "::", ",", "²", "0000"]
    ),
    max_size=7,
).map(" ".join)


@given(date_words)
def test_reading_a_header_that_looks_like_a_date_never_raises(value: str):
    assert isinstance(decoding.http_date(value), float | None)
