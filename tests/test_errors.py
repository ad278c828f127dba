"""errors.py: the tree, the texts of errors, and the reading of any response body."""

from __future__ import annotations

import copy
import json
import pickle
import re
from collections.abc import Callable
from typing import Any

import pytest
import sinchvoice
from hypothesis import given
from hypothesis import strategies as st
from sinchvoice import (
    ApiConnectionError,
    ApiError,
    ApiStatusError,
    ApiTimeoutError,
    AuthenticationError,
    BadRequestError,
    CdrError,
    ConfigurationError,
    ConflictError,
    InsufficientCreditError,
    InvalidRequest,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    ServerError,
    SinchVoiceError,
    UnexpectedResponse,
    UnprocessableError,
    errors,
)
from sinchvoice.errors import (
    ErrorBody,
    Remedy,
    error_class,
    message_of,
    printable,
    read_error_body,
)

REFERENCE = "38188074-abcd-56ab-ab64-daf82fada8e8"
PATH = "/calling/v1/calls/id/4398599d1ba84ef3bde0a82dfb61abed"
FACTS: dict[str, Any] = {
    "operation": "calls.get",
    "method": "GET",
    "path": PATH,
    "attempts": 2,
    "may_have_executed": False,
}


def descendants(kind: type) -> set[type]:
    """Return a class and all its subclasses, except those of the tests."""
    return {kind}.union(*map(descendants, kind.__subclasses__()))


ALL = sorted(descendants(SinchVoiceError), key=lambda kind: kind.__name__)
API_ERRORS = [kind for kind in ALL if issubclass(kind, ApiError)]
STATUS_ERRORS = [kind for kind in ALL if issubclass(kind, ApiStatusError)]

# --- the tree ------------------------------------------------------------------------------------


def drawn_tree() -> dict[str, str | None]:
    """Return each class in the docstring's tree, with its parent."""
    branches: list[str] = []
    tree: dict[str, str | None] = {}
    for line in (errors.__doc__ or "").splitlines():
        if match := re.match(r"    ([│├└─ ]*)([A-Z]\w+)", line):
            depth = len(match[1]) // 4
            branches[depth:] = [match[2]]
            tree[match[2]] = branches[depth - 1] if depth else None
    return tree


def test_the_tree_in_the_docstring_is_the_real_one():
    real = {
        kind.__name__: None if kind is SinchVoiceError else kind.__bases__[0].__name__
        for kind in ALL
    }
    assert drawn_tree() == real


def test_everything_in_the_tree_is_public():
    names = {kind.__name__ for kind in ALL}
    others = {"Reject", "RejectCause", "Remedy", "RequestWarning", "message_of", "printable"}
    assert names == set(errors.__all__) - others
    assert names <= set(sinchvoice.__all__)


@pytest.mark.parametrize("kind", [ConfigurationError, InvalidRequest])
def test_a_refusal_before_sending_is_also_a_value_error(kind: type[Exception]):
    assert issubclass(kind, ValueError)


def test_a_timeout_is_a_connection_error():
    assert issubclass(ApiTimeoutError, ApiConnectionError)


# --- classes by status ---------------------------------------------------------------------------

CLASSES = {
    400: BadRequestError,
    401: AuthenticationError,
    402: InsufficientCreditError,
    403: PermissionDeniedError,
    404: NotFoundError,
    409: ConflictError,
    422: UnprocessableError,
    429: RateLimitError,
}


def test_every_status_that_is_not_a_success_has_its_class():
    failures = [*range(100, 200), *range(300, 600)]
    assert {status: error_class(status) for status in failures} == {
        status: ServerError if status >= 500 else CLASSES.get(status, ApiStatusError)
        for status in failures
    }


@pytest.mark.parametrize("status", [0, 99, 600, 999])
def test_a_status_that_does_not_exist_has_the_general_class(status: int):
    assert error_class(status) is ApiStatusError


# --- bodies --------------------------------------------------------------------------------------

NOT_FOUND = ErrorBody(error_code=40400, message="Call not found", reference=REFERENCE)
BODIES: dict[str, tuple[Any, ErrorBody]] = {
    "Using REST page": (
        {"errorCode": 40102, "message": "Invalid Signature"},
        ErrorBody(40102, "Invalid Signature"),
    ),
    "schema of 1.0.1": (
        {
            "status": "404 Not Found",
            "errorCode": "40400",
            "message": "Call not found",
            "reference": REFERENCE,
        },
        NOT_FOUND,
    ),
    "examples of 1.0.1": (
        {"status": "400 ParameterValidation", "errorCode": 40001, "message": "Illegal"},
        ErrorBody(40001, "Illegal"),
    ),
    "specification of 1.0.0, errorCode": (
        {
            "response": {
                "error": {
                    "status": "404",
                    "errorCode": "40400",
                    "message": "Call not found",
                    "reference": REFERENCE,
                }
            }
        },
        NOT_FOUND,
    ),
    "specification of 1.0.0, code": (
        {"response": {"error": {"code": 40400, "message": "Call not found"}}},
        ErrorBody(40400, "Call not found"),
    ),
    "SDK tests": (
        {"errorCode": 40400, "message": "Call not found", "reference": REFERENCE},
        NOT_FOUND,
    ),
    "half wrapped": ({"error": {"code": "40003", "message": "Bad"}}, ErrorBody(40003, "Bad")),
    "the other half": (
        {"response": {"errorCode": 40003, "message": "Bad"}},
        ErrorBody(40003, "Bad"),
    ),
    "code as text": ({"code": "50000"}, ErrorBody(50000)),
    "code beside a null errorCode": ({"errorCode": None, "code": 40400}, ErrorBody(40400)),
    "code beside an errorCode": ({"errorCode": 40400, "code": 1}, ErrorBody(40400)),
    "code with a fraction of zero": ({"errorCode": 40400.0}, ErrorBody(40400)),
    "code with a fraction": ({"errorCode": 40400.5}, ErrorBody()),
    "code that is true": ({"errorCode": True, "message": "x"}, ErrorBody(None, "x")),
    "code that is no number": ({"errorCode": "NOT_FOUND"}, ErrorBody()),
    "code in other digits": ({"errorCode": "٤٠٤٠٠"}, ErrorBody()),
    "code of superscripts": ({"errorCode": "²"}, ErrorBody()),
    "code that is too long": ({"errorCode": "4" * 5000}, ErrorBody()),
    "code that is larger than any": ({"errorCode": 10**4000, "message": "x"}, ErrorBody(None, "x")),
    "code that is a large fraction": ({"errorCode": 1e300, "message": "x"}, ErrorBody(None, "x")),
    "code that is endless": ({"errorCode": 1e999, "message": "x"}, ErrorBody(None, "x")),
    "code that is a list": ({"errorCode": [40400]}, ErrorBody()),
    "message that is null": ({"errorCode": 40400, "message": None}, ErrorBody(40400)),
    "message that is an object": ({"message": {"text": "x"}}, ErrorBody()),
    "reference that is empty": ({"message": "x", "reference": ""}, ErrorBody(None, "x")),
    "reference that is a number": ({"message": "x", "reference": 5}, ErrorBody(None, "x")),
    "error that is text": ({"error": "Unauthorized", "message": "x"}, ErrorBody(None, "x")),
    "empty object": ({}, ErrorBody()),
    "list": ([{"errorCode": 40400}], ErrorBody()),
    "text": ("Not found", ErrorBody()),
    "null": (None, ErrorBody()),
    "number": (40400, ErrorBody()),
}


@pytest.mark.parametrize(("body", "expected"), BODIES.values(), ids=BODIES)
def test_an_error_is_read_in_every_shape(body: Any, expected: ErrorBody):
    actual = read_error_body(json.dumps(body).encode())
    assert actual == expected
    assert type(actual.error_code) is type(expected.error_code)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b" ",
        b"<html><h1>502 Bad Gateway</h1></html>",
        b'{"errorCode": 40400',
        b'{"errorCode": 40400} trailing',
        b'{"message": "\xff"}',
        b'{"errorCode": ' + b"9" * 5000 + b"}",
        b"\x1f\x8b\x08\x00",
        b"\x00\x00\xfe\xff",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"response":' * 100_000,
    ],
    ids=lambda content: repr(content[:20]),
)
def test_a_body_that_is_not_json_is_ignored(content: bytes):
    assert read_error_body(content) == ErrorBody()


def test_a_body_in_another_encoding_of_unicode_is_read():
    assert read_error_body('{"message": "Céline"}'.encode("utf-16")) == ErrorBody(None, "Céline")
    assert read_error_body(b'\xef\xbb\xbf{"code": 40400}') == ErrorBody(40400)


names = st.sampled_from(["errorCode", "code", "message", "reference", "status", "error"])
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda children: (
        st.lists(children, max_size=3)
        | st.dictionaries(names | st.text(), children, max_size=5)
        | st.fixed_dictionaries({"response": children})
        | st.fixed_dictionaries({"error": children})
    ),
    max_leaves=8,
)


@given(st.binary() | json_values.map(json.dumps).map(str.encode))
def test_no_body_breaks_the_reading(content: bytes):
    body = read_error_body(content)
    assert body.error_code is None or type(body.error_code) is int
    assert isinstance(body.message, str)
    assert body.reference is None or body.reference


# --- texts of errors -----------------------------------------------------------------------------


def not_found(message: str = "Call not found", **facts: Any) -> NotFoundError:
    return NotFoundError(message, **FACTS | {"status_code": 404} | facts)


def test_an_error_says_everything_that_is_known():
    error = not_found(method="PATCH", error_code=40400, reference=REFERENCE, retry_after=30.0)
    assert str(error) == (
        f"PATCH {PATH}: HTTP 404, code 40400, Call not found, reference {REFERENCE}, "
        "retry after 30 s. Hint: check the id; the call may be over: look with calls.get; only "
        "the call's own region knows it: its callResourceUrl names the region. "
        "[2 attempts; the server did not act on it]"
    )


def test_an_error_leaves_out_what_is_not_known():
    assert str(not_found("")) == (f"GET {PATH}: HTTP 404 [2 attempts]")


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_an_error_of_a_get_does_not_mention_acting(method: str):
    error = not_found("", method=method, may_have_executed=True)
    assert str(error) == f"{method} {PATH}: HTTP 404 [2 attempts]"


def test_an_error_says_why_there_was_no_retry():
    error = not_found("")
    error.gave_up = "the deadline of 1 s leaves no time for another"
    assert str(error).endswith("[2 attempts; the deadline of 1 s leaves no time for another]")


@pytest.mark.parametrize(
    ("attempts", "may_have_executed", "end"),
    [
        (0, False, "[0 attempts; the server did not act on it]"),
        (1, False, "[1 attempt; the server did not act on it]"),
        (1, True, "[1 attempt; the server may have acted on it]"),
        (3, True, "[3 attempts; the server may have acted on it]"),
    ],
)
@pytest.mark.parametrize("kind", API_ERRORS)
def test_every_api_error_shows_attempts_and_whether_it_may_have_worked(
    kind: type[ApiError], attempts: int, may_have_executed: bool, end: str
):
    facts = {"method": "PATCH", "attempts": attempts, "may_have_executed": may_have_executed}
    error = kind("why", **FACTS | facts)
    assert str(error).startswith(f"PATCH {PATH}: ")
    assert "why" in str(error)
    assert str(error).endswith(end)
    assert error.may_have_executed is may_have_executed


@pytest.mark.parametrize("kind", API_ERRORS)
def test_an_error_about_which_nothing_is_known_may_have_been_executed(kind: type[ApiError]):
    assert kind("why").may_have_executed is True


def test_a_success_that_cannot_be_understood_says_that_it_is_done():
    error = UnexpectedResponse(
        "its content cannot be understood: not JSON",
        **FACTS | {"may_have_executed": True},
        status_code=200,
        body=b"<html>",
    )
    assert str(error) == (
        f"GET {PATH}: done (HTTP 200), but its content cannot be understood: not JSON [2 attempts]"
    )


def test_only_the_first_bytes_of_content_are_kept():
    error = UnexpectedResponse("why", body=b"x" * 1999 + b"yz")
    assert error.body == b"x" * 1999 + b"y"


@pytest.mark.parametrize(
    ("code", "hint"),
    [
        (40101, "clock"),
        (40102, "canonical_resource"),
        (40105, "clock"),
        (40107, "the server does not know the application key"),
        (40108, "dashboard"),
        (42900, "fewer requests"),
    ],
)
def test_a_code_with_a_known_remedy_has_a_hint(code: int, hint: str):
    error = error_class(code // 100)("why", status_code=code // 100, error_code=code)
    assert hint in (error.hint or "")
    assert f"Hint: {error.hint}" in str(error)


@pytest.mark.parametrize(
    ("method", "path", "hint"),
    [
        ("GET", "/calling/v1/calls/id/x", "check the id; only the call's own region knows it"),
        ("PATCH", "/calling/v1/calls/id/x/leg/both", "the call may be over: look with calls.get"),
        ("GET", "/v1/counters/x", "check the name"),
        ("GET", "/v1/services/x", "check the name"),
    ],
)
def test_the_missing_resource_decides_the_hint(method: str, path: str, hint: str):
    error = NotFoundError("", status_code=404, error_code=40400, method=method, path=path)
    assert hint in (error.hint or "")
    assert NotFoundError("", status_code=404, error_code=40400, path="/v1/users/x").hint is None


@pytest.mark.parametrize(
    ("status", "code", "hint"),
    [
        (401, None, "check key, secret and region."),
        (401, 40199, "check key, secret and region."),
        (429, 42901, "send fewer requests; retry_after has the seconds to wait"),
        (404, None, None),
        (400, 40001, None),
        (500, 50000, None),
    ],
)
def test_a_status_may_have_a_hint_as_well(status: int, code: int | None, hint: str | None):
    error = error_class(status)("why", status_code=status, error_code=code)
    assert (error.hint or "").startswith(hint or "")
    assert (error.hint is None) == (hint is None)
    assert ("Hint" in str(error)) == (hint is not None)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Call not found", "Call not found"),
        ("Céline 利用者", "Céline 利用者"),
        ("two\nlines\r\n", "two\\nlines\\r\\n"),
        ("\x1b[31mred\x07", "\\x1b[31mred\\x07"),
        ("\x00\x7f\x85", "\\x00\\x7f\\x85"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("\u2028", "\\u2028"),
        ("\ud800", "\\ud800"),
        ("", ""),
        ("x" * 500, "x" * 500),
        ("x" * 501, "x" * 500 + "…"),
    ],
    ids=lambda text: ascii(text)[:24],
)
def test_untrusted_text_is_shown_safely(text: str, shown: str):
    assert printable(text) == shown


@given(st.text(st.characters(exclude_categories=())))
def test_whatever_a_server_says_an_error_is_one_printable_line(text: str):
    for error in (
        not_found(text, reference=text or None),
        UnexpectedResponse(text, **FACTS),
        ApiConnectionError(text, **FACTS),
    ):
        assert str(error).isprintable()
        assert str(error).encode()


def test_a_long_message_is_cut_where_it_is_shown_and_nowhere_else():
    error = not_found("x" * 10_000, reference="y" * 10_000)
    assert len(str(error)) < 2000
    assert len(error.message) == 10_000


# --- copies --------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ALL)
@pytest.mark.parametrize(
    "copied",
    [
        *(
            pytest.param(
                lambda error, protocol=protocol: pickle.loads(pickle.dumps(error, protocol)),
                id=f"pickle protocol {protocol}",
            )
            for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1)
        ),
        pytest.param(copy.copy, id="copy"),
        pytest.param(copy.deepcopy, id="deepcopy"),
    ],
)
def test_an_error_survives_pickling_and_copying(
    kind: type[SinchVoiceError], copied: Callable[[Any], Any]
):
    facts: dict[str, Any] = FACTS if issubclass(kind, ApiError) else {}
    if issubclass(kind, ApiStatusError):
        facts = facts | {
            "status_code": 404,
            "error_code": 40400,
            "reference": REFERENCE,
            "retry_after": 1.5,
        }
    elif issubclass(kind, UnexpectedResponse):
        facts = facts | {"status_code": 200, "body": b"<html>" * 1000}
    error = kind("why", **facts)
    error.add_note("a note")
    twin = copied(error)
    assert type(twin) is kind
    assert (str(twin), repr(twin)) == (str(error), repr(error))
    assert vars(twin) == vars(error)


def test_a_message_that_was_changed_later_is_copied_too():
    error = not_found()
    error.message = "redirect not followed"
    assert pickle.loads(pickle.dumps(error)).message == "redirect not followed"


@pytest.mark.parametrize("kind", API_ERRORS)
def test_two_errors_that_say_the_same_are_still_two(kind: type[ApiError]):
    assert kind("why") != kind("why")
    assert len({kind("why"), kind("why")}) == 2


# --- remedies ------------------------------------------------------------------------------------

REFUSALS = [InvalidRequest, ConfigurationError, CdrError]


@pytest.mark.parametrize("kind", REFUSALS)
def test_a_refusal_keeps_parameter_value_and_remedy_apart(kind: type[SinchVoiceError]):
    error = kind("timeout is -1", parameter="timeout", value=-1, remedy="give seconds")
    assert (error.message, error.remedy) == ("timeout is -1", "give seconds")
    assert (error.parameter, error.value) == ("timeout", -1)
    assert str(error) == "timeout is -1: give seconds"
    twin = pickle.loads(pickle.dumps(error))
    assert (str(twin), vars(twin)) == (str(error), vars(error))


@pytest.mark.parametrize("kind", REFUSALS)
def test_a_refusal_with_a_text_alone_has_no_remedy(kind: type[SinchVoiceError]):
    error = kind("it is wrong")
    assert (error.parameter, error.value, error.remedy) == (None, None, None)
    assert str(error) == "it is wrong"


@pytest.mark.parametrize("kind", [InvalidRequest, ConfigurationError])
def test_a_refusal_without_a_text_shows_parameter_and_value(kind: type[SinchVoiceError]):
    error = kind(parameter="timeout", value="x" * 10_000, remedy="give seconds")
    assert str(error).startswith("timeout is 'xxx")
    assert str(error).endswith("xxx': give seconds")
    assert len(str(error)) < 300


@pytest.mark.parametrize(
    "value", [10**5000, -(10**5000), [10**5000], {"a": 10**5000}], ids=["int", "-", "list", "dict"]
)
def test_any_value_can_be_shown(value: object):
    assert "a number of 5001 digits" in str(InvalidRequest(parameter="x", value=value))


@pytest.mark.parametrize("digits", [101, 102, 308, 309, 4300, 5000, 100_000])
def test_the_digits_of_a_long_number_are_counted(digits: int):
    for number in (10 ** (digits - 1), 10**digits - 1):
        assert f"a number of {digits} digits" in str(InvalidRequest(parameter="x", value=number))


def test_a_remedy_uses_the_names_of_the_library_or_of_another_surface():
    remedy = Remedy("give {layout} {unknown} for '{x}'", layout="layout=")
    assert remedy == "give layout= {unknown} for '{x}'"
    assert remedy.worded({"layout": "--layout"}) == "give --layout {unknown} for '{x}'"
    for copied in (pickle.loads(pickle.dumps(remedy)), copy.copy(remedy), copy.deepcopy(remedy)):
        assert copied == remedy
        assert copied.worded({"layout": "-l"}) == remedy.worded({"layout": "-l"})


def test_the_hint_of_an_answer_is_its_remedy():
    error = not_found(error_code=40101)
    assert error.remedy is not None
    assert error.remedy == error.hint
    assert message_of(error) == str(error).replace(f". Hint: {error.hint}", "")
