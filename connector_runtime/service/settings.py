"""What one who runs the service may set. Pure: data and its checks."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from ..errors import InputError, Problem
from ..language.hosts import is_loopback


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Times in seconds, sizes in bytes; counts are for one worker."""

    base_url: str | None = None  # where the vendor's API is instead of at its usual place
    oauth_url: str | None = None  # the same for OAuth
    public_url: str | None = None  # where browsers and the vendor reach the service
    timeout: float = 60.0  # for one request; of a stream for one page
    patience: float = 30.0  # for a client to send its body, or to read the next piece of an answer
    retries: int = 4  # of a request to the vendor, if that is safe; 0 where the caller retries by itself
    plan: str | None = None  # of the vendor's account: its limits are kept to, in all workers together
    share: float = 0.5  # which part of them is ours
    body: int = 8 * 1024 * 1024
    webhook_body: int = 8 * 1024 * 1024
    concurrency: int = 512
    tenant_concurrency: int = 256
    clients: int = 256  # connections that are held ready
    credentials: Mapping[str, Any] = field(default_factory=dict, repr=False)  # of the app in which people sign in

    def __post_init__(self) -> None:
        found = [
            Problem(name, "must be more than 0 and finite")
            for name in ("timeout", "patience", "body", "webhook_body", "concurrency", "tenant_concurrency", "clients")
            if not 0 < getattr(self, name) < math.inf
        ]
        if not isinstance(self.retries, int) or self.retries < 0:
            found.append(Problem("retries", "must be a whole number of at least 0"))
        if not 0 < self.share <= 1:
            found.append(Problem("share", "must be more than 0 and at most 1"))
        if self.public_url is not None:
            url = urlsplit(self.public_url)
            if url.scheme not in ("http", "https") or not url.hostname or url.query or url.fragment or url.username:
                found.append(Problem("public_url", f"{self.public_url!r} is no URL such as https://connector.example"))
            elif url.scheme == "http" and not is_loopback(url.hostname):
                found.append(Problem("public_url", "must begin with https://; codes of sign-ins come there"))
        if found:
            raise InputError.of("the service", found)

    @property
    def callback(self) -> str | None:
        """The redirect URL to enter in the vendor's app."""
        return None if self.public_url is None else f"{self.public_url.rstrip('/')}/v1/oauth/callback"
