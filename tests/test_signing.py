"""signing.py: the published vectors, signing, and the refusal of everything else."""

from __future__ import annotations

import copy
import hashlib
import hmac
import json
import logging
import pickle
import re
from base64 import b64decode, b64encode, urlsafe_b64encode
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sinchvoice import CanonicalResource, ConfigurationError, Credentials, InvalidRequest, signing
from sinchvoice.signing import Refusal, find_refusal, string_to_sign, verify

VECTORS = json.loads((Path(__file__).parent / "data" / "signing_vectors.json").read_text("utf-8"))
PUBLISHED, WRONG = VECTORS["published"], VECTORS["published_wrong"]
APPLICATION, CALLBACK = PUBLISHED["a request of an application"], PUBLISHED["a callback request"]
CREDENTIALS = Credentials(CALLBACK["application_key"], CALLBACK["application_secret"])
NOW = datetime(2014, 9, 24, 10, 59, 41, tzinfo=UTC).timestamp()

Vector = dict[str, str]
each_vector = pytest.mark.parametrize("vector", PUBLISHED.values(), ids=PUBLISHED)


def credentials_of(vector: Vector) -> Credentials:
    return Credentials(vector["application_key"], vector["application_secret"])


def parts(vector: Vector) -> dict[str, Any]:
    """Return the arguments of `string_to_sign` and `sign`."""
    return {
        "method": vector["method"],
        "resource": vector["path"],
        "timestamp": vector["timestamp"],
        "content_type": vector["content_type"],
        "body": vector["body"].encode(),
    }


def received(vector: Vector = CALLBACK, **changes: Any) -> dict[str, Any]:
    """Return the arguments of `verify` for a printed request, with changes."""
    request = {
        "method": vector["method"],
        "path": vector["path"],
        "headers": {
            "Authorization": f"Application {vector['application_key']}:{vector['signature']}",
            "x-timestamp": vector["timestamp"],
            "Content-Type": vector["content_type"],
        },
        "body": vector["body"].encode(),
        "now": NOW,
    }
    return request | changes


def with_header(name: str, value: Any) -> dict[str, Any]:
    """Return the callback request with another header; without it if `value` is None."""
    headers = received()["headers"] | {name: value}
    return received(headers={key: text for key, text in headers.items() if text is not None})


# --- signing -------------------------------------------------------------------------------------


@each_vector
def test_a_published_request_is_signed_as_printed(vector: Vector):
    signature = signing.sign(credentials_of(vector), **parts(vector))
    to_sign = string_to_sign(**parts(vector))
    assert signature == vector["signature"], f"{vector['source']}; this was signed:\n{to_sign}"


@each_vector
def test_the_string_to_sign_has_five_lines_and_no_line_feed_at_its_end(vector: Vector):
    assert string_to_sign(**parts(vector)).split("\n") == [
        vector["method"],
        vector["content_md5"],
        vector["content_type"],
        f"x-timestamp:{vector['timestamp']}",
        vector["path"],
    ]


@pytest.mark.parametrize("vector", WRONG.values(), ids=WRONG)
def test_a_signature_that_was_printed_beside_the_wrong_path_does_not_verify(vector: Vector):
    assert string_to_sign(**parts(vector)).split("\n")[1] == vector["content_md5"]
    assert signing.sign(credentials_of(vector), **parts(vector)) != vector["signature"]
    assert not verify(credentials_of(vector), **received(vector, max_age=None))


@each_vector
def test_a_published_request_verifies(vector: Vector):
    assert verify(credentials_of(vector), **received(vector, max_age=None))


@each_vector
def test_the_path_is_signed_with_its_leading_slash(vector: Vector):
    request = parts(vector) | {"resource": vector["path"].removeprefix("/")}
    assert signing.sign(credentials_of(vector), **request) != vector["signature"]


def test_without_a_body_the_md5_line_is_empty():
    to_sign = string_to_sign(method="GET", resource="/v1/counters/currentcalls", timestamp="T")
    assert to_sign == "GET\n\n\nx-timestamp:T\n/v1/counters/currentcalls"


def test_a_content_type_without_a_body_is_signed_if_it_is_sent():
    to_sign = string_to_sign(method="GET", resource="/", timestamp="T", content_type="text/plain")
    assert to_sign == "GET\n\ntext/plain\nx-timestamp:T\n/"


def test_the_method_is_signed_in_capitals():
    assert string_to_sign(method="patch", resource="/", timestamp="T").startswith("PATCH\n")


def test_the_two_headers_are_ready_to_send():
    headers = signing.signed_headers(credentials_of(APPLICATION), **parts(APPLICATION))
    assert headers == {
        "Authorization": f"Application {APPLICATION['application_key']}:{APPLICATION['signature']}",
        "x-timestamp": APPLICATION["timestamp"],
    }


@given(
    st.binary(min_size=1),
    st.sampled_from(["GET", "PATCH", "POST"]),
    st.text(),
    st.text(),
    st.text(),
    st.binary(),
)
def test_any_request_is_signed_by_the_documented_algorithm(
    key: bytes, method: str, resource: str, timestamp: str, content_type: str, body: bytes
):
    digest = b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode() if body else ""
    lines = [method, digest, content_type, f"x-timestamp:{timestamp}", resource]
    expected = hmac.new(key, "\n".join(lines).encode(), hashlib.sha256).digest()
    signature = signing.sign(
        Credentials("key", b64encode(key).decode()),
        method=method,
        resource=resource,
        timestamp=timestamp,
        content_type=content_type,
        body=body,
    )
    assert signature == b64encode(expected).decode()


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "1970-01-01T00:00:00.000000Z"),
        (1_411_556_381, "2014-09-24T10:59:41.000000Z"),
        (1_411_556_381.25, "2014-09-24T10:59:41.250000Z"),
    ],
)
def test_a_timestamp_is_utc_with_microseconds(seconds: float, text: str):
    assert signing.format_timestamp(seconds) == text


PATH, PATH_AND_QUERY = CanonicalResource.PATH, CanonicalResource.PATH_AND_QUERY
DECODED, DECODED_AND_QUERY = (
    CanonicalResource.DECODED_PATH,
    CanonicalResource.DECODED_PATH_AND_QUERY,
)


@pytest.mark.parametrize(
    ("target", "form", "resource"),
    [
        ("/v1/counters/currentcalls", PATH, "/v1/counters/currentcalls"),
        ("/v1/counters/currentcalls", PATH_AND_QUERY, "/v1/counters/currentcalls"),
        ("/v1/counters/currentcalls", DECODED, "/v1/counters/currentcalls"),
        ("/v1/counters/currentcalls", DECODED_AND_QUERY, "/v1/counters/currentcalls"),
        ("/users/number/+46/calls", DECODED, "/users/number/+46/calls"),
        ("/users/a%20b%2Fc", PATH, "/users/a%20b%2Fc"),
        ("/users/a%20b%2Fc", DECODED, "/users/a b/c"),
        ("/users/C%C3%A9line", DECODED, "/users/Céline"),
        ("/users/%2B46", PATH, "/users/%2B46"),
        ("/users/%2B46", DECODED, "/users/+46"),
        ("/a%20b?_start=2014-04-28&x=%20", PATH, "/a%20b"),
        ("/a%20b?_start=2014-04-28&x=%20", PATH_AND_QUERY, "/a%20b?_start=2014-04-28&x=%20"),
        ("/a%20b?_start=2014-04-28&x=%20", DECODED, "/a b"),
        ("/a%20b?_start=2014-04-28&x=%20", DECODED_AND_QUERY, "/a b?_start=2014-04-28&x= "),
        ("/what%3F?x=1", DECODED, "/what?"),
        ("/a+b?x=c+d", DECODED_AND_QUERY, "/a+b?x=c+d"),
        ("/?", PATH, "/"),
        ("/%", DECODED, "/%"),
    ],
)
def test_the_canonical_resource_has_the_requested_form(
    target: str, form: CanonicalResource, resource: str
):
    assert signing.canonical_resource(target, form) == resource


# --- credentials ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "secret",
    [
        "JViE5vDor0Sw3WllZka15Q==",
        "JViE5vDor0Sw3WllZka15Q=",
        "JViE5vDor0Sw3WllZka15Q",
        "  JViE5vDor0Sw3WllZka15Q==\n",
    ],
)
def test_a_secret_may_lack_its_padding_or_have_space_around_it(secret: str):
    credentials = Credentials(APPLICATION["application_key"], secret)
    assert signing.sign(credentials, **parts(APPLICATION)) == APPLICATION["signature"]


@pytest.mark.parametrize("secret", ["+/+/+w==", "-_-_-w==", "-_-_-w", "+/+/+w", "+_-/+w="])
def test_both_base64_alphabets_are_equivalent(secret: str):
    expected = hmac.new(b"\xfb\xff\xbf\xfb", b"text", hashlib.sha256).digest()
    assert Credentials("key", secret).signature("text") == b64encode(expected).decode()


@given(st.binary(min_size=1))
def test_a_secret_means_the_same_in_every_spelling(key: bytes):
    standard, url_safe = b64encode(key).decode(), urlsafe_b64encode(key).decode()
    spellings = {standard, url_safe, standard.rstrip("="), url_safe.rstrip("=")}
    signatures = {Credentials("key", secret).signature("text") for secret in spellings}
    assert signatures == {
        b64encode(hmac.new(key, b"text", hashlib.sha256).digest()).decode(),
    }


WRONG_SECRETS = {
    "a character of no alphabet": ("JViE5v!or0Sw3WllZka15Q==", r"not base64 \(character 7\)"),
    "the first character": ("*ViE5vDor0Sw3WllZka15Q==", r"not base64 \(character 1\)"),
    "a space inside": ("JViE5vDo r0Sw3WllZka15Q==", r"not base64 \(character 9\)"),
    "a line feed inside": ("JViE5vDo\nr0Sw3WllZka15Q==", r"not base64 \(character 9\)"),
    "padding inside": ("JViE5v=Dor0Sw3WllZka15Q==", r"not base64 \(character 7\)"),
    "a letter that is not ASCII": ("JViE5vDor0Sw3WllZka15é==", r"not base64 \(character 22\)"),
    "a surrogate": ("JViE5vDor0Sw\ud800", r"not base64 \(character 13\)"),
    "one character too many": ("JViE5vDor0Sw3WllZ", r"its 17 characters cannot be whole bytes"),
    "one character alone": ("J===", r"its 1 characters cannot be whole bytes"),
    "nothing": ("", "is empty or not text"),
    "space alone": (" \n", "is empty or not text"),
    "padding alone": ("==", "is empty or not text"),
    "None": (None, "is empty or not text"),
    "bytes": (b"JViE5vDor0Sw3WllZka15Q==", "is empty or not text"),
}


@pytest.mark.parametrize(("secret", "reason"), WRONG_SECRETS.values(), ids=WRONG_SECRETS)
def test_a_secret_that_cannot_be_right_is_refused_with_the_reason(secret: Any, reason: str):
    with pytest.raises(ConfigurationError, match=rf"application_secret.*{reason}.*the dashboard"):
        Credentials("key", secret)


@pytest.mark.parametrize(
    "secret", [secret for secret, _ in WRONG_SECRETS.values() if secret and len(secret) > 4]
)
def test_the_refusal_of_a_secret_does_not_show_it(secret: Any):
    with pytest.raises(ConfigurationError) as raised:
        Credentials("key", secret)
    assert "ViE" not in repr(raised.value)
    assert raised.value.__cause__ is None


@pytest.mark.parametrize(
    "key", ["", " ", "two words", "a:b", "line\nfeed", "clé", "\x00", None, 5, b"key"], ids=repr
)
def test_a_key_that_cannot_be_right_is_refused(key: Any):
    with pytest.raises(ConfigurationError, match=r"application_key is .*: copy"):
        Credentials(key, CALLBACK["application_secret"])


def test_space_around_a_key_is_ignored():
    key = CALLBACK["application_key"]
    assert Credentials(f" {key}\n", CALLBACK["application_secret"]).application_key == key


@pytest.mark.parametrize("show", [repr, str, "{}".format, "%s".__mod__, lambda c: repr([c])])
def test_credentials_show_their_key_and_never_their_secret(
    show: Callable[[Credentials], str],
):
    shown = show(CREDENTIALS)
    assert CALLBACK["application_key"] in shown
    assert CALLBACK["application_secret"][:6] not in shown
    assert repr(b64decode(CALLBACK["application_secret"]))[2:10] not in shown


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_credentials_refuse_to_be_pickled(protocol: int):
    with pytest.raises(TypeError, match="pass key and secret where they are used") as raised:
        pickle.dumps(CREDENTIALS, protocol)
    assert CALLBACK["application_secret"] not in str(raised.value)


@pytest.mark.parametrize("copying", [copy.copy, copy.deepcopy])
def test_credentials_refuse_to_be_copied(copying: Callable[[Any], Any]):
    with pytest.raises(TypeError, match="pass key and secret where they are used"):
        copying({"credentials": CREDENTIALS} if copying is copy.deepcopy else CREDENTIALS)


def test_credentials_cannot_be_changed():
    with pytest.raises(AttributeError):
        CREDENTIALS.application_key = "other"


def test_credentials_are_equal_if_key_and_secret_are():
    assert credentials_of(CALLBACK) == CREDENTIALS
    assert credentials_of(APPLICATION) != CREDENTIALS


def test_basic_authorization_is_key_and_secret():
    scheme, _, encoded = credentials_of(APPLICATION).basic_authorization().partition(" ")
    assert scheme == "Basic"
    assert b64decode(encoded).decode() == (
        f"{APPLICATION['application_key']}:{APPLICATION['application_secret']}"
    )


# --- accepted requests ---------------------------------------------------------------------------


HEADERS = received()["headers"]


@pytest.mark.parametrize(
    "headers",
    [
        HEADERS,
        {name.lower(): value for name, value in HEADERS.items()},
        {name.upper(): value for name, value in HEADERS.items()},
        {name.title(): value for name, value in HEADERS.items()},
        list(HEADERS.items()),
        tuple(reversed(HEADERS.items())),
        [(name.encode(), value.encode()) for name, value in HEADERS.items()],
        [(name.upper().encode(), value.encode()) for name, value in HEADERS.items()],
        HEADERS | {"Host": "example.com", "Content-Length": "125"},
        [("Accept", "a"), ("accept", "b"), *HEADERS.items()],
    ],
    ids=[
        "as sent",
        "lower case",
        "upper case",
        "title case",
        "pairs",
        "another order",
        "pairs of bytes",
        "pairs of bytes in upper case",
        "more headers",
        "other headers twice",
    ],
)
def test_headers_are_understood_in_every_form(headers: Any):
    assert verify(CREDENTIALS, **received(headers=headers))


def test_headers_may_be_an_iterator():
    assert verify(CREDENTIALS, **received(headers=iter(HEADERS.items())))


@pytest.mark.parametrize("scheme", ["Application", "application", "APPLICATION", "Application "])
def test_the_scheme_is_known_in_any_case(scheme: str):
    claim = f"{scheme} {CALLBACK['application_key']}:{CALLBACK['signature']}"
    assert verify(CREDENTIALS, **with_header("Authorization", claim))


@pytest.mark.parametrize(
    "headers",
    [
        {name: [value] for name, value in HEADERS.items()},
        {name: (value,) for name, value in HEADERS.items()},
        {name: [None, value.encode()] for name, value in HEADERS.items()},
        {name.encode(): value.encode() for name, value in HEADERS.items()},
        {name: bytearray(value.encode()) for name, value in HEADERS.items()},
        [[name, memoryview(value.encode())] for name, value in HEADERS.items()],
        HEADERS | {"Accept": ["a", "b"], "Content-Length": 125, "X": object(), "Y": {}, 5: 5},
        [(None, "x"), (5, "x"), *HEADERS.items(), ("Accept", None)],
    ],
    ids=[
        "lists",
        "tuples",
        "lists of bytes",
        "a mapping of bytes",
        "bytearray",
        "memoryview",
        "others of any kind",
        "names of any kind",
    ],
)
def test_headers_are_understood_as_gateways_forward_them(headers: Any):
    assert verify(CREDENTIALS, **received(headers=headers))


@pytest.mark.parametrize("name", HEADERS)
def test_a_header_that_counts_and_is_in_a_list_twice_is_ambiguous(name: str):
    headers = HEADERS | {name: [HEADERS[name]] * 2}
    assert find_refusal(CREDENTIALS, **received(headers=headers)) is Refusal.AMBIGUOUS_HEADERS


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("Authorization", [], Refusal.NO_AUTHORIZATION),
        ("Authorization", None, Refusal.NO_AUTHORIZATION),
        ("Authorization", 5, Refusal.WRONG_SCHEME),
        ("x-timestamp", 1411556381, Refusal.NO_TIMESTAMP),
        ("x-timestamp", 10**5000, Refusal.NO_TIMESTAMP),
        ("Content-Type", [], Refusal.WRONG_SIGNATURE),
        ("Content-Type", 5, Refusal.WRONG_SIGNATURE),
    ],
    ids=lambda value: str(value)[:20] if not isinstance(value, int) else "number",
)
def test_a_header_that_cannot_be_right_is_refused(name: str, value: Any, why: Refusal):
    assert find_refusal(CREDENTIALS, **received(headers=HEADERS | {name: value})) is why


@pytest.mark.parametrize("name", HEADERS)
@pytest.mark.parametrize("value", [1.5, True, {"a": 1}, [["x"]], [5.0], object(), {"x"}])
def test_a_header_of_an_impossible_type_is_named(name: str, value: Any):
    with pytest.raises(InvalidRequest, match=f"the header {name.lower()} is ") as raised:
        verify(CREDENTIALS, **received(headers=HEADERS | {name: value}))
    assert raised.value.parameter == "headers"


@pytest.mark.parametrize(
    "path",
    [str.encode, lambda path: bytearray(path.encode()), lambda path: path],
    ids=["bytes", "bytearray", "str"],
)
def test_path_and_method_may_be_bytes(path: Callable[[str], Any]):
    assert verify(
        CREDENTIALS,
        **received(path=path(CALLBACK["path"]), method=path(CALLBACK["method"])),
    )


def test_a_path_of_any_bytes_is_signed_unchanged_or_refused():
    request = parts(CALLBACK) | {"resource": "/Zürich"}
    headers = signing.signed_headers(CREDENTIALS, **request) | {
        "Content-Type": CALLBACK["content_type"]
    }
    assert verify(CREDENTIALS, **received(headers=headers, path="/Zürich".encode()))
    assert not verify(CREDENTIALS, **received(headers=headers, path="/Zürich".encode("latin-1")))


def test_a_missing_body_equals_an_empty_one():
    request = parts(CALLBACK) | {"body": b"", "content_type": ""}
    headers = signing.signed_headers(CREDENTIALS, **request)
    assert verify(CREDENTIALS, **received(headers=headers, body=None))
    assert find_refusal(CREDENTIALS, **received(body=None)) is Refusal.WRONG_SIGNATURE


@pytest.mark.parametrize(
    "now",
    [
        datetime(2014, 9, 24, 10, 59, 41, tzinfo=UTC),
        datetime(2014, 9, 24, 12, 59, 41, tzinfo=timezone(timedelta(hours=2))),
        int(NOW),
    ],
    ids=str,
)
def test_the_present_may_be_a_datetime(now: Any):
    assert verify(CREDENTIALS, **received(now=now, max_age=1))
    assert not verify(CREDENTIALS, **received(now=now, max_age=1) | {"now": NOW + 3})


@pytest.mark.parametrize(
    ("argument", "value", "message"),
    [
        ("path", None, "path is of type NoneType: pass it as received"),
        ("path", 5, "path is of type int: pass it"),
        ("path", ["/x"], "path is of type list: pass it"),
        ("method", None, "method is of type NoneType: pass it"),
        ("method", 5, "method is of type int: pass it"),
        ("headers", None, "headers is of type NoneType: pass all headers"),
        ("headers", 5, "headers is of type int: pass all headers"),
        ("headers", "Authorization: x", "headers is of type str: pass all headers"),
        ("headers", b"Authorization: x", "headers is of type bytes: pass all headers"),
        ("headers", dict, "headers is of type type: pass all headers"),
        ("headers", ["Authorization"], "headers has a str that is not a pair: pass all"),
        ("headers", [("a", "b", "c")], "headers has a tuple that is not a pair: pass all"),
        ("body", "{}", "body is of type str: pass the bytes"),
        ("body", {"event": "ace"}, "body is of type dict: pass the bytes"),
        ("body", [1, 2], "body is of type list: pass the bytes"),
        ("now", datetime(2014, 9, 24), "now has no time zone: give it one"),  # noqa: DTZ001
        ("now", "2014-09-24", "now is '2014-09-24': give seconds"),
        ("now", 10**400, "now is a number of 401 digits: give seconds"),
        ("now", True, "now is True: give seconds"),
        ("max_age", "300", "max_age is '300': give seconds"),
        ("max_age", 10**400, "max_age is a number of 401 digits: give seconds"),
        ("max_age", timedelta(minutes=5), "max_age is datetime.timedelta"),
    ],
    ids=lambda value: str(value)[:30] if not isinstance(value, int) else "number",
)
def test_an_argument_of_an_impossible_type_is_named(argument: str, value: Any, message: str):
    with pytest.raises(InvalidRequest) as raised:
        verify(CREDENTIALS, **received(**{argument: value}))
    assert str(raised.value).startswith(message)
    assert raised.value.parameter == argument


def test_credentials_of_another_type_are_refused():
    with pytest.raises(InvalidRequest, match="credentials is of type str: pass") as raised:
        verify("secret", **received())  # type: ignore[arg-type]
    assert "'secret'" not in repr(raised.value)


@pytest.mark.parametrize("function", [string_to_sign, lambda **k: signing.sign(CREDENTIALS, **k)])
def test_signing_refuses_a_decoded_body(function: Callable[..., Any]):
    with pytest.raises(InvalidRequest, match="body is of type str: pass the bytes"):
        function(**parts(CALLBACK) | {"body": "{}"})


def test_signing_refuses_a_timestamp_that_is_not_the_header_s_text():
    moment = datetime(2026, 11, 27, tzinfo=UTC)
    with pytest.raises(InvalidRequest, match="timestamp is of type datetime: give") as raised:
        string_to_sign(**parts(CALLBACK) | {"timestamp": moment})
    assert (raised.value.parameter, raised.value.value) == ("timestamp", moment)


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_a_body_may_be_any_kind_of_bytes(kind: Callable[[bytes], Any]):
    assert verify(CREDENTIALS, **received(body=kind(CALLBACK["body"].encode())))


def test_a_decoded_body_is_refused_with_the_remedy():
    with pytest.raises(InvalidRequest, match="body is of type str: pass the bytes as received"):
        verify(CREDENTIALS, **received(body=CALLBACK["body"]))


@pytest.mark.parametrize("content_type", ["application/json; charset=utf-8", "", "text/plain"])
def test_the_content_type_counts_as_it_was_sent(content_type: str):
    request = parts(CALLBACK) | {"content_type": content_type}
    headers = signing.signed_headers(CREDENTIALS, **request) | {"Content-Type": content_type}
    assert verify(CREDENTIALS, **received(headers=headers))
    rewritten = headers | {"Content-Type": "application/json"}
    assert not verify(CREDENTIALS, **received(headers=rewritten))


def test_a_missing_content_type_equals_an_empty_one():
    headers = signing.signed_headers(CREDENTIALS, **parts(CALLBACK) | {"content_type": ""})
    assert verify(CREDENTIALS, **received(headers=headers))


def test_a_callback_without_a_body_verifies():
    request = parts(CALLBACK) | {"body": b"", "content_type": ""}
    headers = signing.signed_headers(CREDENTIALS, **request)
    assert verify(CREDENTIALS, **received(headers=headers, body=b""))


def test_a_callback_verifies_with_an_unpadded_secret():
    unpadded = Credentials(CALLBACK["application_key"], CALLBACK["application_secret"].rstrip("="))
    assert verify(unpadded, **received())


@pytest.mark.parametrize(
    ("sent", "seconds"),
    [
        ("2014-09-24T10:59:41Z", 0),
        ("2014-09-24T10:59:41.2729234Z", 0.272923),
        ("2014-09-24T10:59:41.250000+00:00", 0.25),
        ("2014-09-24T12:59:41+02:00", 0),
        ("2014-09-24T10:59:41", 0),
    ],
)
def test_a_timestamp_is_read_in_the_forms_of_every_sdk(sent: str, seconds: float):
    headers = signing.signed_headers(CREDENTIALS, **parts(CALLBACK) | {"timestamp": sent}) | {
        "Content-Type": CALLBACK["content_type"]
    }
    request = received(headers=headers, now=NOW + seconds)
    assert verify(CREDENTIALS, **request, max_age=0.00001)


@pytest.mark.parametrize("age", [-300, -299.5, 0, 299.5, 300])
def test_a_request_within_five_minutes_of_the_present_is_accepted(age: float):
    assert verify(CREDENTIALS, **received(now=NOW + age))


@pytest.mark.parametrize("age", [-86400, -301, -300.001, 300.001, 301, 86400, float("nan")])
def test_an_older_or_later_request_is_refused(age: float):
    assert not verify(CREDENTIALS, **received(now=NOW + age))


def test_another_age_limit_can_be_set():
    assert verify(CREDENTIALS, **received(now=NOW + 600), max_age=600)
    assert not verify(CREDENTIALS, **received(now=NOW + 2), max_age=1)


@pytest.mark.parametrize("age", [-1e9, 1e9])
def test_without_an_age_limit_every_age_is_accepted(age: float):
    assert verify(CREDENTIALS, **received(now=NOW + age), max_age=None)


def test_without_a_given_present_the_clock_is_read():
    assert not verify(CREDENTIALS, **received(now=None))
    assert verify(CREDENTIALS, **received(now=None), max_age=1e12)


# --- refused requests ----------------------------------------------------------------------------

KEY, SIGNATURE = CALLBACK["application_key"], CALLBACK["signature"]
REFUSED = {
    "no headers": (received(headers={}), Refusal.NO_AUTHORIZATION),
    "no Authorization": (with_header("Authorization", None), Refusal.NO_AUTHORIZATION),
    "an empty Authorization": (with_header("Authorization", ""), Refusal.NO_AUTHORIZATION),
    "no x-timestamp": (with_header("x-timestamp", None), Refusal.NO_TIMESTAMP),
    "an empty x-timestamp": (with_header("x-timestamp", ""), Refusal.NO_TIMESTAMP),
    "no time": (with_header("x-timestamp", "yesterday"), Refusal.NO_TIMESTAMP),
    "a day that does not exist": (
        with_header("x-timestamp", "2014-02-30T10:59:41Z"),
        Refusal.NO_TIMESTAMP,
    ),
    "no Content-Type": (with_header("Content-Type", None), Refusal.WRONG_SIGNATURE),
    "another Content-Type": (
        with_header("Content-Type", "application/json; charset=utf-8"),
        Refusal.WRONG_SIGNATURE,
    ),
    "a Content-Type in another case": (
        with_header("Content-Type", "Application/JSON"),
        Refusal.WRONG_SIGNATURE,
    ),
    "another scheme": (
        with_header("Authorization", f"Instance {KEY}:{SIGNATURE}"),
        Refusal.WRONG_SCHEME,
    ),
    "basic authorization": (
        with_header("Authorization", CREDENTIALS.basic_authorization()),
        Refusal.WRONG_SCHEME,
    ),
    "no scheme": (with_header("Authorization", f"{KEY}:{SIGNATURE}"), Refusal.WRONG_SCHEME),
    "no signature": (with_header("Authorization", f"Application {KEY}"), Refusal.WRONG_SCHEME),
    "an empty signature": (
        with_header("Authorization", f"Application {KEY}:"),
        Refusal.WRONG_SCHEME,
    ),
    "an empty key": (
        with_header("Authorization", f"Application :{SIGNATURE}"),
        Refusal.WRONG_SCHEME,
    ),
    "two claims in one header": (
        with_header("Authorization", ", ".join([HEADERS["Authorization"]] * 2)),
        Refusal.WRONG_SCHEME,
    ),
    "another key": (
        with_header("Authorization", f"Application {APPLICATION['application_key']}:{SIGNATURE}"),
        Refusal.WRONG_KEY,
    ),
    "a key in another case": (
        with_header("Authorization", f"Application {KEY.lower()}:{SIGNATURE}"),
        Refusal.WRONG_KEY,
    ),
    "another signature": (
        with_header("Authorization", f"Application {KEY}:{APPLICATION['signature']}"),
        Refusal.WRONG_SIGNATURE,
    ),
    "a signature without its padding": (
        with_header("Authorization", f"Application {KEY}:{SIGNATURE.rstrip('=')}"),
        Refusal.WRONG_SIGNATURE,
    ),
    "the same time, written differently": (
        with_header("x-timestamp", "2014-09-24T10:59:41.000Z"),
        Refusal.WRONG_SIGNATURE,
    ),
    "too old": (received(now=NOW + 301), Refusal.EXPIRED),
    "from the future": (received(now=NOW - 301), Refusal.EXPIRED),
    "another method": (received(method="PUT"), Refusal.WRONG_SIGNATURE),
    "another path": (received(path="/sinch/callback/ice"), Refusal.WRONG_SIGNATURE),
    "a path with its query": (received(path="/sinch/callback/ace?a=1"), Refusal.WRONG_SIGNATURE),
    "another body": (received(body=b"{}"), Refusal.WRONG_SIGNATURE),
    "no body": (received(body=b""), Refusal.WRONG_SIGNATURE),
    "Authorization twice": (
        received(headers=[*HEADERS.items(), ("authorization", HEADERS["Authorization"])]),
        Refusal.AMBIGUOUS_HEADERS,
    ),
    "x-timestamp twice": (
        received(headers=[("X-Timestamp", "2014-09-24T10:59:42Z"), *HEADERS.items()]),
        Refusal.AMBIGUOUS_HEADERS,
    ),
    "Content-Type twice": (
        received(headers=[*HEADERS.items(), ("Content-Type", "")]),
        Refusal.AMBIGUOUS_HEADERS,
    ),
    "the same name in two cases": (
        received(headers=HEADERS | {"content-type": HEADERS["Content-Type"]}),
        Refusal.AMBIGUOUS_HEADERS,
    ),
}
each_refused = pytest.mark.parametrize(("request_", "why"), REFUSED.values(), ids=REFUSED)


@each_refused
def test_each_defect_is_refused_with_its_reason(request_: dict[str, Any], why: Refusal):
    assert find_refusal(CREDENTIALS, **request_) == why
    assert verify(CREDENTIALS, **request_) is False


@each_refused
def test_the_reason_of_a_refusal_is_only_logged_and_without_secrets(
    request_: dict[str, Any], why: Refusal, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.DEBUG)
    assert verify(CREDENTIALS, **request_) is False
    (record,) = caplog.records
    assert record.name == "sinchvoice"
    assert record.levelname == "INFO"
    assert record.getMessage() == f"a signed request was refused: {why.value}"
    expected = signing.sign(CREDENTIALS, **parts(CALLBACK))
    for hidden in (CALLBACK["application_secret"], SIGNATURE, expected, KEY):
        assert hidden not in caplog.text


def test_an_accepted_request_is_not_logged(caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.DEBUG)
    assert verify(CREDENTIALS, **received())
    assert caplog.records == []


def test_a_request_of_one_application_is_refused_by_another():
    other = Credentials(KEY, APPLICATION["application_secret"])
    assert find_refusal(other, **received()) == Refusal.WRONG_SIGNATURE


# --- properties ----------------------------------------------------------------------------------

header_text = st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFF), max_size=40)
any_text = st.text(st.characters(exclude_categories=()), max_size=40)


@given(
    st.binary(min_size=1),
    st.from_regex(r"[A-Za-z0-9._-]{1,40}", fullmatch=True),
    st.sampled_from(["GET", "PATCH", "POST"]),
    any_text,
    header_text,
    st.binary(),
    st.floats(0, 4e9),
)
def test_any_signed_request_verifies(
    key: bytes,
    application_key: str,
    method: str,
    path: str,
    content_type: str,
    body: bytes,
    now: float,
):
    credentials = Credentials(application_key, b64encode(key).decode())
    headers = signing.signed_headers(
        credentials,
        method=method,
        resource=path,
        timestamp=signing.format_timestamp(now),
        content_type=content_type,
        body=body,
    )
    assert verify(
        credentials,
        method=method,
        path=path,
        headers=headers | {"Content-Type": content_type},
        body=body,
        now=now,
    )


@st.composite
def changed_bodies(draw: st.DrawFn) -> bytes:
    """Return the callback's body with one byte changed, left out or inserted."""
    body = CALLBACK["body"].encode()
    index = draw(st.integers(0, len(body) - 1))
    replacement = draw(st.binary(max_size=2))
    return body[:index] + replacement + body[index + 1 :]


BASE64_CHARACTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="


@st.composite
def changed_signatures(draw: st.DrawFn) -> str:
    """Return the signature with one character changed, left out or inserted, or another one."""
    index = draw(st.integers(0, len(SIGNATURE)))
    replacement = draw(st.text(BASE64_CHARACTERS, max_size=2))
    changed = SIGNATURE[:index] + replacement + SIGNATURE[index + 1 :]
    return draw(st.just(changed) | any_text)


changes = st.one_of(
    st.tuples(st.just("method"), any_text.filter(lambda text: text.upper() != "POST")),
    st.tuples(st.just("path"), any_text.filter(lambda text: text != CALLBACK["path"])),
    st.tuples(st.just("body"), changed_bodies() | st.binary()),
    st.tuples(st.just("x-timestamp"), any_text | st.datetimes().map(datetime.isoformat)),
    st.tuples(st.just("Content-Type"), any_text),
    st.tuples(st.just("signature"), changed_signatures()),
    st.tuples(st.just("key"), any_text),
)


@settings(max_examples=500)
@given(changes)
def test_a_request_changed_anywhere_is_never_accepted(change: tuple[str, Any]):
    part, value = change
    request = received(max_age=None)
    if part in ("method", "path", "body"):
        request[part] = value
    elif part == "signature":
        request["headers"]["Authorization"] = f"Application {KEY}:{value}"
    elif part == "key":
        request["headers"]["Authorization"] = f"Application {value}:{SIGNATURE}"
    else:
        request["headers"][part] = value
    assume(request != received(max_age=None))
    assert verify(CREDENTIALS, **request) is False


@given(st.binary(min_size=1))
def test_a_request_signed_with_another_secret_is_never_accepted(key: bytes):
    # Zero bytes at the end of an HMAC key change nothing.
    assume(key.rstrip(b"\0") != b64decode(CALLBACK["application_secret"]))
    forged = Credentials(KEY, b64encode(key).decode())
    headers = signing.signed_headers(forged, **parts(CALLBACK))
    request = received(headers=headers | {"Content-Type": CALLBACK["content_type"]})
    assert verify(CREDENTIALS, **request) is False


_CLAIM = re.compile(r"application +[^: ]+:[^: ]+", re.IGNORECASE | re.ASCII)


@given(
    st.sampled_from(["Application", "APPLICATION", "application", "Applıcation", "App", ""]),
    st.text(" :\t\nkey=", max_size=8),
    st.text(" :\tsig=", max_size=5),
)
def test_a_claim_has_a_scheme_a_key_and_a_signature(scheme: str, key: str, signature: str):
    claim = f"{scheme} {key}:{signature}"
    refusal = find_refusal(CREDENTIALS, **with_header("Authorization", claim))
    assert (refusal is Refusal.WRONG_SCHEME) == (_CLAIM.fullmatch(claim) is None)


names = st.sampled_from(["Authorization", "x-timestamp", "Content-Type", "X-TIMESTAMP", "Host"])
claims = st.builds("{} {}:{}".format, st.sampled_from(["Application", "x"]), any_text, any_text)
header_values = (
    any_text | claims | st.sampled_from(list(HEADERS.values())) | st.datetimes().map(str)
)
pairs = st.tuples(names | any_text, header_values)
pairs_of_bytes = st.tuples(
    names.map(str.encode) | st.binary(),
    st.binary() | st.sampled_from(list(HEADERS.values())).map(str.encode),
)


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.datetimes()
    | header_values
    | st.binary()
    | st.binary().map(bytearray)
    | st.binary().map(memoryview),
    lambda children: (
        st.lists(children, max_size=3)
        | st.lists(children, max_size=2).map(tuple)
        | st.dictionaries(st.text(max_size=3), children, max_size=2)
    ),
    max_leaves=4,
)
any_headers = (
    st.dictionaries(names | any_text | st.binary(), anything, max_size=5)
    | st.lists(st.tuples(names | anything, anything) | anything, max_size=5)
    | anything
)


@settings(max_examples=500)
@given(any_headers, anything, anything, anything, anything, anything)
def test_any_arguments_are_judged_or_named(
    headers: Any, method: Any, path: Any, body: Any, max_age: Any, now: Any
):
    changes = {"method": method, "path": path, "body": body, "max_age": max_age, "now": now}
    for change in ({}, *({name: value} for name, value in changes.items()), changes):
        request = received(**{"headers": headers} | change)
        named = ""
        try:
            assert verify(CREDENTIALS, **request) is False
        except InvalidRequest as error:
            named = error.parameter or "nothing"
        assert named in {"", "headers", *changes}


@settings(max_examples=300)
@given(
    st.lists(pairs | pairs_of_bytes, max_size=6),
    any_text,
    any_text,
    st.binary(),
    st.none() | st.floats(),
    st.none() | st.floats(),
)
def test_no_request_of_a_sender_raises(
    headers: list[Any],
    method: str,
    path: str,
    body: bytes,
    max_age: float | None,
    now: float | None,
):
    assert not verify(
        CREDENTIALS,
        method=method,
        path=path,
        headers=headers,
        body=body,
        max_age=max_age,
        now=now,
    )
