"""settings.py: accepted and refused settings."""

from __future__ import annotations

import re
import ssl
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sinchvoice import CanonicalResource, ConfigurationError, Credentials, Region, RetryPolicy
from sinchvoice import settings as client_settings
from sinchvoice.settings import REPORTING_URL, Auth, Settings

# The example application of the "Using REST" page.
SECRET = "JViE5vDor0Sw3WllZka15Q=="
CREDENTIALS = Credentials("5F5C418A0F914BBC8234A9BF5EDDAD97", SECRET)


def make(**options: Any) -> Settings:
    return Settings(credentials=CREDENTIALS, calling_url=Region.GLOBAL.calling_url, **options)


# --- Regions -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("region", "url"),
    [
        (Region.GLOBAL, "https://calling.api.sinch.com"),
        (Region.NORTH_AMERICA, "https://calling-use1.api.sinch.com"),
        (Region.EUROPE, "https://calling-euc1.api.sinch.com"),
        (Region.SOUTH_AMERICA, "https://calling-sae1.api.sinch.com"),
        (Region.SOUTH_EAST_ASIA_1, "https://calling-apse1.api.sinch.com"),
        (Region.SOUTH_EAST_ASIA_2, "https://calling-apse2.api.sinch.com"),
    ],
)
def test_every_region_has_its_host(region: Region, url: str):
    assert region.calling_url == url
    assert client_settings.base_url("calling_url", url) == url


def test_there_are_no_other_regions():
    assert len(Region) == 6


def test_reports_have_one_host():
    assert client_settings.base_url("reporting_url", REPORTING_URL) == REPORTING_URL
    assert REPORTING_URL == "https://reportingapi.sinch.com/v1"


@pytest.mark.parametrize(
    ("text", "region"),
    [
        (Region.EUROPE, Region.EUROPE),
        ("europe", Region.EUROPE),
        ("Europe", Region.EUROPE),
        (" EUROPE\n", Region.EUROPE),
        ("euc1", Region.EUROPE),
        ("EUC1", Region.EUROPE),
        ("global", Region.GLOBAL),
        ("north-america", Region.NORTH_AMERICA),
        ("north_america", Region.NORTH_AMERICA),
        ("NORTH_AMERICA", Region.NORTH_AMERICA),
        ("use1", Region.NORTH_AMERICA),
        ("sae1", Region.SOUTH_AMERICA),
        ("south-east-asia-1", Region.SOUTH_EAST_ASIA_1),
        ("apse1", Region.SOUTH_EAST_ASIA_1),
        ("South_East_Asia_2", Region.SOUTH_EAST_ASIA_2),
        ("apse2", Region.SOUTH_EAST_ASIA_2),
    ],
)
def test_a_region_is_known_by_name_and_code_in_any_case(text: str, region: Region):
    assert client_settings.region(text) is region


@pytest.mark.parametrize("value", ["", " ", "eu", "euc2", "us-east-1", "mars", None, 1, ["europe"]])
def test_an_unknown_region_is_refused_with_a_list_of_the_known_ones(value: Any):
    with pytest.raises(ConfigurationError) as raised:
        client_settings.region(value)
    assert str(raised.value) == (
        f"region is {value!r}: give one of global, north-america (use1), europe (euc1), "
        "south-america (sae1), south-east-asia-1 (apse1), south-east-asia-2 (apse2)"
    )


# --- Base URLs -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "url"),
    [
        ("https://calling.api.sinch.com", "https://calling.api.sinch.com"),
        ("https://calling.api.sinch.com/", "https://calling.api.sinch.com"),
        ("https://calling.api.sinch.com//", "https://calling.api.sinch.com"),
        ("https://example.com:8443/voice/", "https://example.com:8443/voice"),
        ("https://127.0.0.1:8443", "https://127.0.0.1:8443"),
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("http://127.0.0.1", "http://127.0.0.1"),
        ("http://127.8.9.10:8000/v1", "http://127.8.9.10:8000/v1"),
        ("http://[::1]:8000", "http://[::1]:8000"),
        ("http://localhost:8000/", "http://localhost:8000"),
        ("http://LOCALHOST:8000", "http://LOCALHOST:8000"),
    ],
)
def test_a_base_url_loses_only_the_slash_at_its_end(value: str, url: str):
    assert client_settings.base_url("calling_url", value) == url


@pytest.mark.parametrize(
    "value",
    [
        "http://calling.api.sinch.com",
        "http://10.0.0.1",
        "http://0.0.0.0:8000",
        "http://128.0.0.1",
        "http://127.0.0.1.example.com",
        "http://localhost.example.com",
        "http://notlocalhost",
        "http://127.1",
        "http://2130706433",
        "http://[::2]",
        "http://[::ffff:10.0.0.1]",
        "http://[::1%25evil]",
        "http://[::1%1]",
        "http://[fe80::1%25lo]",
        "http://0x7f.1",
        "http://0177.0.0.1",
        "http://localhost.",
        "ftp://calling.api.sinch.com",
        "ws://127.0.0.1",
        "file://localhost/etc",
        "//calling.api.sinch.com",
    ],
)
def test_plain_http_is_for_loopback_only(value: str):
    with pytest.raises(ConfigurationError, match=r"calling_url is .*: use https; plain http is"):
        client_settings.base_url("calling_url", value)


@pytest.mark.parametrize(
    "value",
    [
        "https://calling.api.sinch.com?a=1",
        "https://calling.api.sinch.com/v1?a",
        "https://calling.api.sinch.com?",
        "https://calling.api.sinch.com/?",
        "https://calling.api.sinch.com/#top",
        "https://calling.api.sinch.com#",
        "https://calling.api.sinch.com/#",
        "https://",
        "https:///calling",
        "https://:443",
        "calling.api.sinch.com",
        "/calling/v1",
        "",
        " https://calling.api.sinch.com",
        "https://calling.api.sinch.com /v1",
        "https://calling.api.sinch.com\n",
        "https://calling.api.sinch.com/\x00",
        "https://calling\ud800.api.sinch.com",
    ],
    ids=repr,
)
def test_a_base_url_has_only_scheme_host_and_path(value: str):
    with pytest.raises(ConfigurationError, match="calling_url is .*: give scheme, host and path"):
        client_settings.base_url("calling_url", value)


@pytest.mark.parametrize(
    "value", ["https://[::1", "https://example.com:99999", "https://example.com:http"]
)
def test_an_invalid_url_is_refused_with_the_reason(value: str):
    with pytest.raises(ConfigurationError, match=r"reporting_url .* is not a URL \("):
        client_settings.base_url("reporting_url", value)


@pytest.mark.parametrize("value", [None, 5, b"https://example.com", ["https://example.com"]])
def test_a_base_url_must_be_text(value: Any):
    with pytest.raises(ConfigurationError, match="calling_url is .*: give a URL as text"):
        client_settings.base_url("calling_url", value)


@pytest.mark.parametrize(
    "value",
    [
        "https://user:hidden@calling.api.sinch.com",
        "https://user:hidden@calling.api.sinch.com:8443/v1?a=1",
        "https://hidden@calling.api.sinch.com",
        "https://:hidden@calling.api.sinch.com",
        "http://user:hidden@127.0.0.1:8000",
        "http://user:hidden@example.com",
        "https://user:hidden@",
        "https://user:hidden@example.com:99999",
        "https://user:hidden@example.com:port",
        "https://user:hidden@[::1",
        "https://user:hidden@ex\N{ACCOUNT OF}mple.com",
    ],
)
def test_credentials_in_a_base_url_are_refused_and_not_repeated(value: str):
    with pytest.raises(ConfigurationError, match="calling_url") as raised:
        client_settings.base_url("calling_url", value)
    assert "hidden" not in str(raised.value)


@given(st.text() | st.text().map("https://{}".format) | st.text().map("http://{}".format))
def test_a_base_url_is_valid_or_a_configuration_error(value: str):
    try:
        url = client_settings.base_url("calling_url", value)
    except ConfigurationError as error:
        assert str(error).startswith("calling_url ")  # noqa: PT017
        return
    assert re.fullmatch(r"(?i)https?://[^?#@]*[^?#@/]", url)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("localhost", True),
        ("127.0.0.1", True),
        ("127.255.255.254", True),
        ("::1", True),
        ("0:0:0:0:0:0:0:1", True),
        ("0.0.0.0", False),  # noqa: S104
        ("::", False),
        ("10.0.0.1", False),
        ("169.254.169.254", False),
        ("localhost.", False),
        ("localhost.localdomain", False),
        ("127.0.0.1.example.com", False),
        ("LOCALHOST", True),
        ("::ffff:127.0.0.1", True),
        ("::ffff:7f00:1", True),
        ("::ffff:10.0.0.1", False),
        ("::127.0.0.1", False),
        ("64:ff9b::127.0.0.1", False),
        ("::1%lo", False),
        ("::1%25evil", False),
        ("::ffff:127.0.0.1%1", False),
        ("127.0.0.1%lo", False),
        ("127.1", False),
        ("0x7f.1", False),
        ("0x7f000001", False),
        ("0177.0.0.1", False),
        ("2130706433", False),
        ("\uff11\uff12\uff17.0.0.1", False),
        ("[::1]", False),
        ("", False),
    ],
)
def test_loopback_is_known(host: str, expected: bool):
    assert client_settings.is_loopback(host) is expected


# --- The signed form -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "form"),
    [
        ("auto", None),
        ("path", CanonicalResource.PATH),
        ("path-and-query", CanonicalResource.PATH_AND_QUERY),
        ("decoded-path", CanonicalResource.DECODED_PATH),
        ("decoded-path-and-query", CanonicalResource.DECODED_PATH_AND_QUERY),
        (CanonicalResource.DECODED_PATH, CanonicalResource.DECODED_PATH),
    ],
)
def test_the_signed_form_can_be_fixed(value: str, form: CanonicalResource | None):
    assert client_settings.canonical_form(value) is form


@pytest.mark.parametrize("value", ["", "Path", "query", None, 1, ["path"]])
def test_an_unknown_form_is_refused_with_a_list_of_the_known_ones(value: Any):
    with pytest.raises(ConfigurationError) as raised:
        client_settings.canonical_form(value)
    assert str(raised.value) == (
        f"canonical_resource is {value!r}: give 'auto', 'path', 'path-and-query', "
        "'decoded-path', 'decoded-path-and-query'"
    )


# --- Other settings ------------------------------------------------------------------------------


def test_retries_are_a_number_or_a_whole_policy():
    policy = RetryPolicy(retries=5, max_delay=1)
    assert client_settings.retry_policy(5) == RetryPolicy(retries=5)
    assert client_settings.retry_policy(policy) is policy


@pytest.mark.parametrize("value", [-1, "2", True, None])
def test_other_retries_are_refused(value: Any):
    with pytest.raises(ConfigurationError, match=f"retries is {value!r}: give a whole number"):
        client_settings.retry_policy(value)


def test_requests_are_signed_and_retried_by_default():
    settings = make()
    assert (settings.auth, settings.canonical_resource) == (Auth.SIGNED, None)
    assert (settings.timeout, settings.deadline, settings.max_connections) == (10.0, None, 100)
    assert settings.retries == RetryPolicy(retries=2)


@pytest.mark.parametrize(
    "options",
    [
        {"timeout": 0.001},
        {"timeout": 60},
        {"deadline": None},
        {"deadline": 0.5},
        {"deadline": 30},
        {"auth": "basic"},
        {"auth": Auth.SIGNED},
        {"max_connections": 1},
    ],
    ids=str,
)
def test_a_sensible_setting_is_accepted(options: dict[str, Any]):
    ((name, value),) = options.items()
    assert getattr(make(**options), name) == value


@pytest.mark.parametrize(
    ("name", "value", "remedy"),
    [
        *(
            (name, value, "give seconds, more than 0 and at most ten million")
            for name in ("timeout", "deadline")
            for value in (0, 0.0, -1, float("nan"), True, "10")
        ),
        ("timeout", None, "give seconds, more than 0 and at most ten million"),
        *(
            ("auth", value, "give 'signed' or 'basic'")
            for value in ("", "Basic", "oauth", None, 1, ["basic"])
        ),
        *(
            ("max_connections", value, "give a whole number, 1 or more")
            for value in (0, -1, 1.5, True, "5", None)
        ),
    ],
    ids=str,
)
def test_a_wrong_setting_is_refused_with_its_remedy(name: str, value: Any, remedy: str):
    with pytest.raises(ConfigurationError) as raised:
        make(**{name: value})
    assert str(raised.value) == f"{name} is {value!r}: {remedy}"


def test_settings_do_not_show_secrets():
    proxy = "http://user:hidden@proxy.example.com"
    shown = repr(make(proxy=proxy, ssl_context=ssl.create_default_context(), transport=SECRET))
    assert "hidden" not in shown
    assert SECRET[:6] not in shown


def test_settings_cannot_be_changed():
    with pytest.raises(AttributeError):
        make().timeout = 5.0
