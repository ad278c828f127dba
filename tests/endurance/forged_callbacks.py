"""A hundred thousand callbacks that differ slightly from the signed one; none is accepted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from sinchvoice import Credentials, signing

# The published callback of the "Using REST" page.
CREDENTIALS = Credentials("669E367E-6BBA-48AB-AF15-266871C28135", "BeIukql3pTKJ8RGL5zo0DA==")
METHOD, PATH = "POST", "/sinch/callback/ace"
BODY = (
    b'{"event":"ace","callid":"822aa4b7-05b4-4d83-87c7-1f835ee0b6f6_257",'
    b'"timestamp":"2014-09-24T10:59:41Z","version":1}'
)
HEADERS = {
    "authorization": "application 669E367E-6BBA-48AB-AF15-266871C28135:"
    "Tg6fMyo8mj9pYfWQ9ssbx3Tc1BNC87IEygAfLbJqZb4=",
    "x-timestamp": "2014-09-24T10:59:41Z",
    "content-type": "application/json",
}
SENT = 1411556381.0


def edited(text: str, length: int, other: str) -> Iterator[str]:
    """Yield the text with `length` characters replaced by others, at each place in turn."""
    for at in range(len(text) + 1):
        yield text[:at] + other + text[at + length :]


def same_meaning(part: str, value: str) -> bool:
    """Tell whether a changed header still means the same, like a scheme in another case."""
    if part != "authorization":
        return value == HEADERS[part]
    scheme, _, claim = value.partition(" ")
    return scheme.lower() == "application" and claim.lstrip(" ") == HEADERS[part].split(" ")[1]


def verified(method: str = METHOD, path: str = PATH, body: bytes = BODY, **headers: Any) -> bool:
    sent = {**HEADERS, **{name.replace("_", "-"): value for name, value in headers.items()}}
    return signing.verify(
        CREDENTIALS, method=method, path=path, headers=sent, body=body, now=SENT, max_age=None
    )


def test_the_callback_itself_is_accepted():
    assert verified()


# At 272 places each: more than a quarter of a million callbacks.
@settings(max_examples=1000)
@given(st.integers(0, 3), st.text(st.characters(max_codepoint=0x17F), max_size=2))
def test_a_callback_edited_anywhere_is_never_accepted(length: int, other: str):
    for name, signed in HEADERS.items():
        for value in edited(signed, length, other):
            forged = {name.replace("-", "_"): value}
            assert same_meaning(name, value) or not verified(**forged), forged
    for path in edited(PATH, length, other):
        assert path == PATH or not verified(path=path), path
    for method in edited(METHOD, length, other):
        assert method.upper() == METHOD or not verified(method=method), method
    for body in edited(BODY.decode("ascii"), length, other):
        raw = body.encode("utf-8")
        assert raw == BODY or not verified(body=raw), body


@settings(max_examples=2000)
@given(st.floats(-1e9, 1e9), st.sampled_from([1.0, 300.0, 3600.0]))
def test_no_replay_outside_the_window(age: float, max_age: float):
    accepted = signing.verify(
        CREDENTIALS,
        method=METHOD,
        path=PATH,
        headers=HEADERS,
        body=BODY,
        now=SENT + age,
        max_age=max_age,
    )
    assert accepted == (abs(age) <= max_age)


@settings(max_examples=2000)
@given(
    st.dictionaries(
        st.text("abcdefghijklmnopqrstuvwxyz-", min_size=1).map("X-Forwarded-{}".format),
        st.text(max_size=20),
    ),
    st.integers(0, 2**40),
    st.sampled_from(["application/json", "application/json; charset=utf-8"]),
)
def test_other_letters_headers_of_proxies_and_a_charset_are_accepted(
    added: dict[str, str], letters: int, content_type: str
):
    signed = signing.signed_headers(
        CREDENTIALS,
        method=METHOD,
        resource=PATH,
        timestamp=HEADERS["x-timestamp"],
        content_type=content_type,
        body=BODY,
    )
    sent = {**signed, "Content-Type": content_type}
    headers = {
        "".join(
            letter.upper() if letters >> place & 1 else letter.lower()
            for place, letter in enumerate(name)
        ): value
        for name, value in sent.items()
    }
    assert signing.verify(
        CREDENTIALS,
        method=METHOD,
        path=PATH,
        headers={**added, **headers},
        body=BODY,
        now=SENT,
    )
