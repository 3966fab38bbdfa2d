"""The settings that the service's operator chooses, and their checks. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import InputError, Problem
from ..language import hosts
from ..model import DAY, ActionSpec
from ..structs import shows

MAX_COUNT = 2**40
MAX_RETRIES = 100
COUNTS = ("body", "files", "webhook_body", "concurrency", "tenant_concurrency", "unknown_concurrency", "clients")


@shows("public_url", "plan", "timeout", "retries")
@dataclass(frozen=True, slots=True, repr=False, kw_only=True)
class ServiceSettings:
    """The settings of the service: times in seconds, sizes in bytes, counts for one worker. Raises `InputError`."""

    base_url: str | None = None  # of the vendor's API; None for the default
    oauth_url: str | None = None  # the same for OAuth
    public_url: str | None = None  # where browsers and the vendor reach the service
    timeout: float = 60.0  # for one request; for one page of a stream
    patience: float = 30.0  # for a client to send its body, or to read the next piece of a response
    retries: int = 4  # of a request to the vendor, if a retry is safe; 0 if the caller retries
    plan: str | None = None  # of the vendor's account; all workers together stay within its limits
    share: float = 0.5  # the part of these limits that the service may use
    body: int = 1024 * 1024  # of a request
    files: int = 8 * 1024 * 1024  # of a request for an action that takes files, which it carries as base64
    webhook_body: int = 8 * 1024 * 1024  # of a webhook
    concurrency: int = 512  # requests from all known tenants
    tenant_concurrency: int = 256  # requests from one tenant
    unknown_concurrency: int = 64  # requests with a body over 64 KiB whose tenant is not yet known
    open: bool = False  # callers on this machine need no key, even if the store has or had keys
    clients: int = 256  # clients that stay ready, one for each connection
    credentials: Mapping[str, Any] = field(default_factory=dict)  # of the app that people sign in with

    def __post_init__(self) -> None:
        bounds = {"timeout": DAY, "patience": DAY, **dict.fromkeys(COUNTS, MAX_COUNT)}
        problems = [
            Problem(name, f"must be more than 0 and at most {most:,.0f}")
            for name, most in bounds.items()
            if not 0 < getattr(self, name) <= most
        ]
        if not isinstance(self.retries, int) or not 0 <= self.retries <= MAX_RETRIES:
            problems.append(Problem("retries", f"must be a whole number from 0 to {MAX_RETRIES}"))
        if not 0 < self.share <= 1:
            problems.append(Problem("share", "must be more than 0 and at most 1"))
        if self.public_url is not None:
            url = hosts.parts(self.public_url)
            if url.scheme not in ("http", "https") or not url.hostname or url.query or url.fragment or url.username:
                what = f"{self.public_url!r} is not a URL such as https://connector.example"
                problems.append(Problem("public_url", what))
            elif url.scheme == "http" and not hosts.is_loopback(url.hostname):
                problems.append(Problem("public_url", "must begin with https://, because sign-in codes are sent to it"))
        if problems:
            raise InputError.of("the service", problems)

    @property
    def callback(self) -> str | None:
        """The redirect URL to enter in the vendor's app; None without `public_url`."""
        return None if self.public_url is None else f"{self.public_url.rstrip('/')}/v1/oauth/callback"

    def body_limit(self, action: ActionSpec) -> int:
        """Return the maximum size in bytes of a request with an action's inputs."""
        takes_files = any(row.type == "file" for row in action.inputs.values())
        return max(self.body, self.files) if takes_files else self.body
