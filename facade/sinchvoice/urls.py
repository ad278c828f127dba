"""URLs as this package needs them: an origin, and a target below it."""

from __future__ import annotations

import re
from ipaddress import IPv6Address, ip_address
from typing import NamedTuple
from urllib.parse import SplitResult, quote, urljoin, urlsplit

__all__ = ["Origin", "is_loopback", "join", "parse"]

PORTS = {"http": 80, "https": 443}
"""Default ports by scheme."""


class Origin(NamedTuple):
    """Scheme, host and port of a server.

    Attributes:
        scheme: `http` or `https`.
        host: Host in lower case and ASCII; an IPv6 address without brackets.
        port: Port; the default of the scheme if the URL had none.
    """

    scheme: str
    host: str
    port: int

    @property
    def netloc(self) -> str:
        """The value of the Host header: the port only if it is not the default."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS.get(self.scheme) else f"{host}:{self.port}"

    @property
    def is_vendor(self) -> bool:
        """Whether it is a host of the vendor, where credentials may always go."""
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
    """Tell whether a host name or address is this machine's loopback.

    False for unusual notations: resolvers disagree about `127.1`, and a zone (`::1%eth0`) belongs
    to a network.
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
    """Split a URL into its origin and its target: path and query, escaped as sent.

    Args:
        url: URL with scheme and host, without user name, password and fragment.

    Raises:
        ValueError: It is not such a URL; the message says why, and repeats none of it.
    """
    if "@" in url.partition("//")[2].partition("/")[0]:
        raise ValueError("it has a user name or a password")
    if not url.isprintable() or re.search(r"[\s\\]", url):
        raise ValueError("it has a space, a backslash or a control character")
    parts = urlsplit(url)
    if parts.scheme not in PORTS:
        raise ValueError("its scheme is neither http nor https")
    if parts.fragment or url.endswith("#"):
        raise ValueError("it has a fragment")
    # Escapes stay; characters that cannot be sent are escaped.
    target = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~")
    if parts.query:
        target += "?" + quote(parts.query, safe="/%:@!$&'()*+,;=~?")
    return Origin(parts.scheme, host(parts), port(parts)), target


def host(parts: SplitResult) -> str:
    """Return the host of a URL as the resolver and the Host header need it.

    Raises:
        ValueError: No such host can exist: it, or a label of it, is empty or too long, or has
            characters that are not allowed.
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
        raise ValueError("its host has invalid characters")
    if len(name) > 253 or not all(0 < len(part) < 64 for part in name.removesuffix(".").split(".")):
        raise ValueError("its host cannot exist: it, or a part between dots, is empty or too long")
    return name


def port(parts: SplitResult) -> int:
    """Return the port of a URL, or the default of its scheme.

    Raises:
        ValueError: No such port can exist.
    """
    if parts.port == 0:
        raise ValueError("its port is 0")
    return parts.port or PORTS[parts.scheme]


def join(origin: Origin, target: str, location: str) -> tuple[Origin, str]:
    """Resolve a Location header against the URL that sent it.

    Raises:
        ValueError: The result is not a usable URL.
    """
    return parse(urljoin(f"{origin}{target}", location.partition("#")[0]))
