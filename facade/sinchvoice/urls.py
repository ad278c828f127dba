"""URLs, as far as this package needs them: an origin, and a target below it."""

from __future__ import annotations

import re
from ipaddress import IPv6Address, ip_address
from typing import NamedTuple
from urllib.parse import SplitResult, quote, urljoin, urlsplit

__all__ = ["Origin", "is_loopback", "join", "parse"]

_PORTS = {"http": 80, "https": 443}


class Origin(NamedTuple):
    """Where a request goes.

    Attributes:
        scheme: `http` or `https`.
        host: in lower case and ASCII; an IPv6 address without its brackets.
        port: the default of the scheme if the URL had none.
    """

    scheme: str
    host: str
    port: int

    @property
    def netloc(self) -> str:
        """What the Host header says: the port only if it is not the default."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS.get(self.scheme) else f"{host}:{self.port}"

    @property
    def is_vendor(self) -> bool:
        """Whether credentials may go there although it is not the configured host."""
        return (
            self.scheme == "https"
            and self.port == 443
            and re.fullmatch(r"([a-z0-9-]+\.)+sinch\.com", self.host) is not None
        )

    @property
    def is_loopback(self) -> bool:
        """Whether it is this machine."""
        return is_loopback(self.host)

    def __str__(self) -> str:
        return f"{self.scheme}://{self.netloc}"


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine's loopback.

    Addresses in other notations than the usual ones are not: resolvers disagree about `127.1`,
    and a zone (`::1%eth0`) belongs to a network.
    """
    if host.lower() == "localhost":
        return True
    try:
        address = ip_address(host)
    except ValueError:
        return False
    if isinstance(address, IPv6Address):
        if address.scope_id is not None:
            return False
        return (address.ipv4_mapped or address).is_loopback
    return address.is_loopback


def parse(url: str) -> tuple[Origin, str]:
    """Split a URL into its origin and its target: path and query, escaped as they travel.

    Args:
        url: with scheme and host, without user name, password and fragment.

    Raises:
        ValueError: it is not such a URL; the message says why, and repeats none of it.
    """
    if "@" in url.partition("//")[2].partition("/")[0]:
        raise ValueError("it has a user name or a password in it")
    if not url.isprintable() or re.search(r"[\s\\]", url):
        raise ValueError("it has a space, a backslash or a control character in it")
    parts = urlsplit(url)
    if parts.scheme not in _PORTS:
        raise ValueError("its scheme is neither http nor https")
    if parts.fragment or url.endswith("#"):
        raise ValueError("it has a fragment in it")
    # What is escaped stays so; what may not travel as it is gets escaped.
    target = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~")
    if parts.query:
        target += "?" + quote(parts.query, safe="/%:@!$&'()*+,;=~?")
    return Origin(parts.scheme, host(parts), parts.port or _PORTS[parts.scheme]), target


def host(parts: SplitResult) -> str:
    """The host of a URL as the resolver and the Host header get it.

    Raises:
        ValueError: no such host can exist: it is empty, a label of it is, or is too long.
    """
    name = parts.hostname or ""
    if not name:
        raise ValueError("it has no host")
    if "[" in parts.netloc:
        ip_address(name)
        return name
    if not name.isascii() or "xn--" in name:
        try:
            name = name.encode("idna").decode("ascii").lower()
            name.encode("ascii").decode("idna")
        except UnicodeError as error:
            raise ValueError(f"its host cannot exist: {error.__cause__ or error}") from None
    if not re.fullmatch(r"[a-z0-9._-]+", name):
        raise ValueError("its host has characters in it that no host has")
    if len(name) > 253 or not all(0 < len(part) < 64 for part in name.removesuffix(".").split(".")):
        raise ValueError("its host cannot exist: a part of it between dots is empty or too long")
    return name


def join(origin: Origin, target: str, location: str) -> tuple[Origin, str]:
    """Follow a Location header from where it was received.

    Raises:
        ValueError: it leads nowhere.
    """
    return parse(urljoin(f"{origin}{target}", location.partition("#")[0]))
