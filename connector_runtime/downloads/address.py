"""Where a file may be fetched from, and who is given the token. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import SplitResult, quote, urljoin, urlsplit

from ..errors import ApiError
from ..model import Profile

URL = re.compile(r"https?://([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?([/?][^\s\"<>\\]*)?")
KEPT = "".join(chr(code) for code in range(0x21, 0x7F))
PORTS = {"https": 443, "http": 80}
LOOPBACK = ("localhost", "127.0.0.1", "::1")
Origin = tuple[str, str | None, int | None]


@dataclass(frozen=True, slots=True)
class Address:
    """A URL to fetch from. Its repr and `shown` leave out all that could give access."""

    url: str
    is_ours: bool  # of the definition's hosts or the client's base URL: it may have the token

    def __repr__(self) -> str:
        return f"Address({self.shown!r}, is_ours={self.is_ours})"

    @property
    def host(self) -> str:
        return urlsplit(self.url).netloc

    @property
    def shown(self) -> str:
        return f"{urlsplit(self.url).scheme}://{self.host}/***"


def address(url: str, about: Profile, base_url: str | None, before: Address | None = None) -> Address:
    """The address that a vendor names, in an answer or, after `before`, in a redirect.

    Once a redirect has left the definition's hosts, the token does not come back. Raises `ApiError` for what is no
    URL to fetch from: other schemes than https, users and passwords, http anywhere but on this machine.
    """
    try:
        text = urljoin(before.url, url.strip()) if before else url.strip()
        text = quote(text.partition("#")[0], safe=KEPT)  # blanks and letters beyond ASCII, as browsers do
        parts = urlsplit(text if URL.fullmatch(text) else "")
        here = _origin(parts)
    except ValueError:
        parts, here = urlsplit(""), ("", None, None)
    if not parts.hostname:
        raise ApiError("The vendor names an address that is no https:// URL; nothing was fetched from it.")
    own = _origin(urlsplit(base_url)) if base_url else None
    if parts.scheme == "http" and not (parts.hostname in LOOPBACK and own and own[0] == "http"):
        raise ApiError(f"The file lies at http://{parts.netloc}, where anybody on the way could read it.")
    hosts = [host for allowed in about.base.values() for host in allowed.hosts]
    if not hosts:
        hosts = [urlsplit(about.base_url).hostname or ""]
    host = parts.hostname or ""
    named = any(host == name or host.endswith(f".{name}") for name in hosts if name)
    is_ours = here == own or (named and here[0] == "https" and here[2] == PORTS["https"])
    return Address(text, is_ours and (before is None or before.is_ours))


def _origin(parts: SplitResult) -> Origin:
    return parts.scheme, parts.hostname, parts.port or PORTS.get(parts.scheme)
