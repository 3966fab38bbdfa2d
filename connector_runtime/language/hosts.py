"""Host names and origins: which names mean this machine, which hosts belong to a vendor. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import SplitResult, urlsplit

LOOPBACK = ("127.0.0.1", "::1", "localhost")
PORTS = {"https": 443, "http": 80}


def is_loopback(host: str | None) -> bool:
    """Whether a host name means this machine."""
    return host in LOOPBACK


def is_within(host: str | None, names: Iterable[str]) -> bool:
    """Whether a host is one of these names, or below one."""
    return any(host == name or str(host).endswith(f".{name}") for name in names if name)


def origin(url: SplitResult) -> tuple[str, str | None, int | None]:
    """Scheme, host and port of a URL, the port written out. Raises `ValueError` for a port that is no number."""
    return url.scheme, url.hostname, url.port or PORTS.get(url.scheme)


def parts(text: str) -> SplitResult:
    """The parts of a URL that somebody gave; all are empty where no request could go to its host or its port."""
    nowhere = urlsplit("")
    try:
        found = urlsplit(text)
        is_name = found.port != 0 and bool(found.hostname and found.hostname.encode("idna"))
    except (ValueError, TypeError, AttributeError):  # also what is no text, or has a part that is empty or too long
        return nowhere
    return found if is_name and found.netloc.isprintable() and " " not in found.netloc else nowhere
