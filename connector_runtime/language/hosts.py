"""Host names and origins: loopback names, and hosts that belong to a vendor. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import SplitResult, urlsplit

LOOPBACK = ("127.0.0.1", "::1", "localhost")
PORTS = {"https": 443, "http": 80}


def is_loopback(host: str | None) -> bool:
    return host in LOOPBACK


def is_within(host: str | None, names: Iterable[str]) -> bool:
    """True if a host is one of these names or a subdomain of one."""
    return any(host == name or str(host).endswith(f".{name}") for name in names if name)


def origin(url: SplitResult) -> tuple[str, str | None, int | None]:
    """Return scheme, host and port of a URL, including the default port. Raises `ValueError` for an invalid port."""
    return url.scheme, url.hostname, url.port or PORTS.get(url.scheme)


def parts(text: str) -> SplitResult:
    """Split a URL; all parts are empty if no request could be sent to its host and port."""
    nowhere = urlsplit("")
    try:
        url = urlsplit(text)
        is_name = url.port != 0 and bool(url.hostname and url.hostname.encode("idna"))
    except (ValueError, TypeError, AttributeError):  # from other types, and from empty or overlong parts of a host name
        return nowhere
    return url if is_name and url.netloc.isprintable() and " " not in url.netloc else nowhere
