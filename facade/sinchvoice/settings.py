"""The checked settings of a client: hosts, credentials, timeouts, retries, connections."""

from __future__ import annotations

import re
import ssl
from collections.abc import Callable, Mapping
from enum import StrEnum
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

import attrs

from .errors import ConfigurationError, shown
from .hidden import Hidden
from .retry import RetryPolicy
from .routes import Api
from .signing import CanonicalResource, Credentials
from .urls import Origin, is_loopback, parse

if TYPE_CHECKING:
    from .flow import ResponseInfo

__all__ = [
    "CONFIGURATION_URL",
    "REPORTING_URL",
    "Auth",
    "Region",
    "Settings",
    "base_url",
    "canonical_form",
    "is_limit",
    "is_loopback",
    "region",
    "retry_policy",
]


class Region(StrEnum):
    """The region that handles calls.

    The global host forwards each request to the closest region. A call exists in one region.

    Source: servers of the Voice API 1.0.1 specification; names as in the vendor's Java SDK.
    """

    GLOBAL = "global"
    NORTH_AMERICA = "north-america"
    EUROPE = "europe"
    SOUTH_AMERICA = "south-america"
    SOUTH_EAST_ASIA_1 = "south-east-asia-1"
    SOUTH_EAST_ASIA_2 = "south-east-asia-2"

    @property
    def calling_url(self) -> str:
        """Return the base URL of the calling API in this region."""
        code = _REGION_CODES[self]
        return f"https://calling-{code}.api.sinch.com" if code else "https://calling.api.sinch.com"


_REGION_CODES = {
    Region.GLOBAL: "",
    Region.NORTH_AMERICA: "use1",
    Region.EUROPE: "euc1",
    Region.SOUTH_AMERICA: "sae1",
    Region.SOUTH_EAST_ASIA_1: "apse1",
    Region.SOUTH_EAST_ASIA_2: "apse2",
}

#: Reports have one host for all regions. Source: both editions of the Call Report page.
REPORTING_URL = "https://reportingapi.sinch.com/v1"

#: So does the configuration of applications. Source: servers of its operations, Voice API 1.0.1.
CONFIGURATION_URL = "https://callingapi.sinch.com"


class Auth(StrEnum):
    """How requests are authenticated."""

    SIGNED = "signed"
    BASIC = "basic"


def region(value: str) -> Region:
    """Return a region by its name or short code.

    Raises:
        ConfigurationError: No such region; the message lists all.
    """
    folded = value.strip().lower().replace("_", "-") if isinstance(value, str) else value
    for member, code in _REGION_CODES.items():
        if folded == member or (code and folded == code):
            return member
    valid = ", ".join(f"{r.value} ({c})" if c else r.value for r, c in _REGION_CODES.items())
    raise ConfigurationError(parameter="region", value=value, remedy=f"give one of {valid}")


def base_url(name: str, value: object) -> str:
    """Check a base URL and remove its trailing slash.

    Raises:
        ConfigurationError: The URL is not https (plain http is for loopback only), or has more
            than scheme, host, port and path.
    """
    if not isinstance(value, str):
        raise ConfigurationError(parameter=name, value=value, remedy="give a URL as text")
    if "@" in value:
        raise ConfigurationError(
            f"{name} contains a user name or password (an @)",
            parameter=name,
            remedy="remove them: credentials are settings of their own",
        )
    try:
        parts = urlsplit(value)
        host, _ = parts.hostname or "", parts.port
    except ValueError as error:
        raise ConfigurationError(
            f"{name} {shown(value)} is not a URL ({error})",
            parameter=name,
            value=value,
            remedy="give scheme, host and path",
        ) from None
    if not host or re.search(r"[?#\s]", value) or not value.isprintable():
        raise ConfigurationError(
            parameter=name, value=value, remedy="give scheme, host and path only"
        )
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(host)):
        raise ConfigurationError(
            parameter=name,
            value=value,
            remedy="use https; plain http is for this machine (loopback) only",
        )
    try:
        parse(value)
    except ValueError as error:
        raise ConfigurationError(
            f"{name} {shown(value)} is not a URL: {error}",
            parameter=name,
            value=value,
        ) from None
    return value.rstrip("/")


def retry_policy(value: int | RetryPolicy) -> RetryPolicy:
    """Return the policy for a number of retries, or the given policy."""
    return value if isinstance(value, RetryPolicy) else RetryPolicy(retries=value)


def canonical_form(value: str) -> CanonicalResource | None:
    """Return the form of the URL to sign; None for `auto`, which finds the accepted form."""
    if value == "auto":
        return None
    if value in list(CanonicalResource):
        return CanonicalResource(value)
    forms = ", ".join(repr(form.value) for form in CanonicalResource)
    raise ConfigurationError(
        parameter="canonical_resource", value=value, remedy=f"give 'auto', {forms}"
    )


_OWN_HEADERS = frozenset(
    "authorization connection content-length content-type host proxy-authorization te trailer "
    "transfer-encoding upgrade x-timestamp".split()
)


def headers(value: object) -> Mapping[str, str]:
    """Check additional headers.

    Raises:
        ConfigurationError: A name or value is not possible in HTTP, or the client sets the header
            itself.
    """
    if not isinstance(value, Mapping):
        raise _wrong_headers(f"headers is of type {type(value).__name__}", "give a mapping")
    for name, text in value.items():
        if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", name):
            raise _wrong_headers(f"headers has the name {name!r}", "use characters allowed by HTTP")
        if name.lower() in _OWN_HEADERS:
            raise _wrong_headers(f"headers has {name}, which the client sets itself", "remove it")
        if not isinstance(text, str) or not re.fullmatch(r"(?:[!-~](?:[ -~\t]*[!-~])?)?", text):
            raise _wrong_headers(
                f"the value of {name} in headers is not printable ASCII text",
                "use printable ASCII, without a space at either end",
            )
    return dict(value)


def _wrong_headers(message: str, remedy: str) -> ConfigurationError:
    return ConfigurationError(message, parameter="headers", remedy=remedy)


def merged(first: Mapping[str, str], *others: Mapping[str, str]) -> dict[str, str]:
    """Merge headers; later ones replace earlier ones of the same name, in any case."""
    found = {name.lower(): (name, value) for name, value in first.items()}
    for headers in others:
        found |= {name.lower(): (name, value) for name, value in headers.items()}
    return dict(found.values())


def _is_suffix(value: object) -> bool:
    return isinstance(value, str) and re.fullmatch(r"(?:[!-~](?:[ -~]*[!-~])?)?", value) is not None


class Base(NamedTuple):
    """The base URL of an API."""

    origin: Origin
    path: str

    def __str__(self) -> str:
        return f"{self.origin}{self.path}"


def _base(url: str) -> Base:
    try:
        origin, target = parse(url)
    except ValueError as error:
        raise ConfigurationError(f"{url!r} is not a URL ({error})") from None
    return Base(origin, target.rstrip("/"))


def _hidden(value: str | Hidden[str] | None) -> Hidden[str] | None:
    return value if value is None or isinstance(value, Hidden) else Hidden(value)


def _bases(settings: Settings) -> Mapping[Api, Base]:
    return {
        "calling": _base(settings.calling_url),
        "configuration": _base(settings.configuration_url),
        "reporting": _base(settings.reporting_url),
    }


def _checked(
    wanted: str, good: Callable[[Any], bool]
) -> Callable[[object, attrs.Attribute[Any], Any], None]:
    def check(instance: object, attribute: attrs.Attribute[Any], value: Any) -> None:
        if not good(value):
            raise ConfigurationError(parameter=attribute.name, value=value, remedy=f"give {wanted}")

    return check


def is_limit(value: object) -> bool:
    """Return whether a value is a number of seconds, more than 0 and at most ten million."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= 1e7


_seconds = _checked("seconds, more than 0 and at most ten million", is_limit)


@attrs.frozen(kw_only=True)
class Settings:
    """All settings of a client; documented in `VoiceClient`."""

    credentials: Credentials
    calling_url: str
    reporting_url: str = REPORTING_URL
    configuration_url: str = CONFIGURATION_URL
    auth: str = attrs.field(
        default=Auth.SIGNED,
        validator=_checked("'signed' or 'basic'", lambda value: value in list(Auth)),
    )
    canonical_resource: CanonicalResource | None = None
    timeout: float = attrs.field(default=10.0, validator=_seconds)
    deadline: float | None = attrs.field(
        default=None, validator=attrs.validators.optional(_seconds)
    )
    retries: RetryPolicy = attrs.field(factory=RetryPolicy)
    proxy: Hidden[str] | None = attrs.field(default=None, repr=False, converter=_hidden)
    ssl_context: ssl.SSLContext | None = attrs.field(
        default=None,
        repr=False,
        validator=_checked(
            "an ssl.SSLContext", lambda value: value is None or isinstance(value, ssl.SSLContext)
        ),
    )
    max_connections: int = attrs.field(
        default=100,
        validator=_checked(
            "a whole number, 1 or more", lambda value: type(value) is int and value > 0
        ),
    )
    keepalive: float = attrs.field(
        default=30.0,
        validator=_checked(
            "seconds, 0 or more",
            lambda value: (
                isinstance(value, int | float) and not isinstance(value, bool) and value >= 0
            ),
        ),
    )
    headers: Mapping[str, str] = attrs.field(factory=dict, converter=headers, repr=False)
    user_agent_suffix: str = attrs.field(
        default="", validator=_checked("printable ASCII text, such as 'myapp/1.0'", _is_suffix)
    )
    on_response: Callable[[ResponseInfo], object] | None = attrs.field(
        default=None,
        repr=False,
        validator=_checked(
            "a function of one argument, not a coroutine function",
            lambda value: value is None or (callable(value) and not iscoroutinefunction(value)),
        ),
    )
    transport: Any = attrs.field(default=None, repr=False)
    bases: Mapping[Api, Base] = attrs.field(
        init=False, repr=False, eq=False, default=attrs.Factory(_bases, takes_self=True)
    )
