"""The proxy of a request: from `proxy=`, or from the environment when the client was made.

HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY have their meaning in `urllib.request.getproxies`;
on macOS and Windows the system settings count as well. NO_PROXY is matched here, because the
standard library supports neither networks (`10.0.0.0/8`, `fd00::/8`) nor patterns
(`*.example.com`).
"""

from __future__ import annotations

import os
import re
import sys
from base64 import b64encode
from collections.abc import Mapping
from ipaddress import ip_address, ip_network
from typing import Any
from urllib.parse import unquote, urlsplit

from .errors import ConfigurationError
from .hidden import Hidden
from .urls import PORTS, Origin
from .urls import host as read_host
from .urls import port as read_port

__all__ = ["Proxies", "Proxy"]


class Proxy:
    """A proxy for requests.

    Attributes:
        origin: Origin of the proxy.
        authorization: Value of the Proxy-Authorization header; None without credentials.
    """

    __slots__ = ("authorization", "origin")

    def __init__(self, origin: Origin, authorization: str | None = None) -> None:
        self.origin = origin
        self.authorization = authorization

    def __str__(self) -> str:
        return str(self.origin)


class Proxies:
    """The proxies of a client.

    Attributes:
        fixed: Proxy given as `proxy=`, for every request.
        variables: Proxy URLs from the environment, by scheme of the request's URL, or `all`. They
            do not apply to loopback.
        exceptions: Items of NO_PROXY.
    """

    def __init__(
        self,
        fixed: Proxy | None = None,
        variables: Mapping[str, str] | None = None,
        exceptions: tuple[str, ...] = (),
    ) -> None:
        self.fixed = fixed
        self.variables = variables or {}
        self.exceptions = exceptions
        self._found: dict[str, Proxy] = {}

    @classmethod
    def of(cls, proxy: Hidden[str] | None) -> Proxies:
        """Read `proxy=`, or else the environment.

        Raises:
            ConfigurationError: `proxy` is not the URL of an HTTP proxy.
        """
        if proxy is not None:
            return cls(fixed=_read("proxy", proxy))
        found = _configured()
        exceptions = tuple(item for item in re.split(r"[,\s]+", found.pop("no", "")) if item)
        return cls(
            variables={name: url for name, url in found.items() if url}, exceptions=exceptions
        )

    def find(self, origin: Origin) -> Proxy | None:
        """Return the proxy for a request; None if it goes directly to its host.

        Raises:
            ConfigurationError: The variable that applies is not the URL of an HTTP proxy.
        """
        if self.fixed is not None or not self.variables:
            return self.fixed
        if origin.is_loopback or any(_matches(item, origin) for item in self.exceptions):
            return None
        for name in (origin.scheme, "all"):
            if name in self.variables and name not in self._found:
                proxy = _read(f"{name.upper()}_PROXY", Hidden(_with_scheme(self.variables[name])))
                self._found[name] = proxy
            if name in self._found:
                return self._found[name]
        return None


def _configured() -> dict[str, str]:
    """Return proxy URLs by scheme, and NO_PROXY under `no`."""
    if sys.platform in ("darwin", "win32"):
        from urllib.request import getproxies

        return dict(getproxies())
    # The same from the environment, without the cost of that import: lower-case names win, even if
    # empty, and a CGI program ignores HTTP_PROXY, which a request header can set.
    found: dict[str, str] = {}
    for only_lower in (False, True):
        for name, value in os.environ.items():
            scheme, mark, rest = name.lower().rpartition("_")
            if mark + rest != "_proxy" or (only_lower and name != name.lower()):
                continue
            if value:
                found[scheme] = value
            elif only_lower:
                found.pop(scheme, None)
        if not only_lower and "REQUEST_METHOD" in os.environ:
            found.pop("http", None)
    return found


def _with_scheme(url: str) -> str:
    return url if "://" in url else f"http://{url}"


def _read(name: str, url: Hidden[Any]) -> Proxy:
    """Return the proxy that a URL names.

    Raises:
        ConfigurationError: It is not the URL of an HTTP proxy. The message repeats none of it,
            because it may contain a password.
    """
    found = _parsed(url)
    if isinstance(found, Proxy):
        return found
    problem, remedy = found
    raise ConfigurationError(f"{name} {problem}", parameter=name, remedy=remedy)


def _parsed(hidden: Hidden[Any]) -> Proxy | tuple[str, str]:
    """Return the proxy, or the problem with its URL and the remedy; raise nothing."""
    url = hidden.reveal()
    remedy = "give one like http://user:password@proxy.example.com:3128"
    if not isinstance(url, str):
        return f"is of type {type(url).__name__}", "give a URL as text"
    userinfo, _, rest = url.partition("//")[2].rpartition("@")
    scheme = url.partition(":")[0].lower()
    if re.fullmatch(r"socks[0-9]?[a-z]?", scheme):
        return (
            "is a SOCKS proxy, which is not supported",
            "use an HTTP proxy, or transport=httpx.HTTPTransport(proxy=…) with httpx[socks]",
        )
    wrong = "is not the URL of a proxy: "
    if scheme not in PORTS or "//" not in url:
        return f"{wrong}its scheme is neither http nor https", remedy
    if re.search(r"[\s\\]", url) or not url.isprintable():
        return f"{wrong}it has a space, a backslash or a control character", remedy
    if re.search(r"[/?#]", userinfo) or re.search("[?#]", rest) or "/" in rest.rstrip("/"):
        return (
            f"{wrong}it has a path, a query or a fragment",
            "leave them out, and write / ? and # in a password as %2F %3F and %23",
        )
    try:
        parts = urlsplit(f"{scheme}://{rest}")
        if parts.port is None and rest.rstrip("/").endswith(":"):
            return f"{wrong}its port is missing", remedy
        origin = Origin(scheme, read_host(parts), read_port(parts))
    except ValueError:
        return f"{wrong}its host or port cannot be read", remedy
    if not userinfo:
        return Proxy(origin)
    user, _, password = userinfo.partition(":")
    pair = f"{unquote(user)}:{unquote(password)}".encode()
    return Proxy(origin, f"Basic {b64encode(pair).decode('ascii')}")


def _matches(item: str, origin: Origin) -> bool:
    """Tell whether an item of NO_PROXY (name, domain, address or network) matches an origin."""
    if item == "*":
        return True
    item = re.sub(r"^[a-z]+://", "", item.lower())
    try:
        address = ip_address(origin.host)
    except ValueError:
        address = None
    if "/" in item or item.count(":") > 1:
        bracketed = re.fullmatch(r"\[(.*)\](?::([0-9]+))?", item)
        if bracketed and bracketed[2] and bracketed[2] != str(origin.port):
            return False
        try:
            network = ip_network(bracketed[1] if bracketed else item, strict=False)
        except ValueError:
            return False
        return address is not None and address in network
    name, _, port = item.partition(":")
    if port and port != str(origin.port):
        return False
    if address is not None:
        return name == origin.host
    domain = name.removeprefix("*").strip(".")
    host = origin.host.rstrip(".")
    return bool(domain) and (host == domain or host.endswith(f".{domain}"))
