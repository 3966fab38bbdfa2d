"""What one who runs the service may set. Pure: data and its checks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import InputError, Problem
from ..language import hosts
from ..model import ActionSpec
from ..structs import shows

DAY = 86400.0
MOST = 2**40
RETRIES = 100
COUNTS = ("body", "files", "webhook_body", "concurrency", "tenant_concurrency", "unknown_concurrency", "clients")


@shows("public_url", "plan", "timeout", "retries")
@dataclass(frozen=True, slots=True, repr=False, kw_only=True)
class ServiceSettings:
    """The settings of the service: times in seconds, sizes in bytes, counts for one worker. Raises `InputError`."""

    base_url: str | None = None  # where the vendor's API is instead of at its usual place
    oauth_url: str | None = None  # the same for OAuth
    public_url: str | None = None  # where browsers and the vendor reach the service
    timeout: float = 60.0  # for one request; of a stream for one page
    patience: float = 30.0  # for a client to send its body, or to read the next piece of an answer
    retries: int = 4  # of a request to the vendor, if that is safe; 0 where the caller retries by itself
    plan: str | None = None  # of the vendor's account: its limits are kept to, in all workers together
    share: float = 0.5  # which part of them is ours
    body: int = 1024 * 1024  # of a request
    files: int = 8 * 1024 * 1024  # the same for actions that take files, which stand in it as base64
    webhook_body: int = 8 * 1024 * 1024  # the same for webhooks
    concurrency: int = 512  # requests of those who are known
    tenant_concurrency: int = 256
    unknown_concurrency: int = 64  # requests whose bodies, beyond 64 KiB, come from nobody known
    open: bool = False  # needs no key on this machine though the store has keys, or had some
    clients: int = 256  # connections that are held ready
    credentials: Mapping[str, Any] = field(default_factory=dict)  # of the app in which people sign in

    def __post_init__(self) -> None:
        bounds = {"timeout": DAY, "patience": DAY, **dict.fromkeys(COUNTS, MOST)}
        found = [
            Problem(name, f"must be more than 0 and at most {most:,.0f}")
            for name, most in bounds.items()
            if not 0 < getattr(self, name) <= most
        ]
        if not isinstance(self.retries, int) or not 0 <= self.retries <= RETRIES:
            found.append(Problem("retries", f"must be a whole number from 0 to {RETRIES}"))
        if not 0 < self.share <= 1:
            found.append(Problem("share", "must be more than 0 and at most 1"))
        if self.public_url is not None:
            url = hosts.parts(self.public_url)
            if url.scheme not in ("http", "https") or not url.hostname or url.query or url.fragment or url.username:
                found.append(Problem("public_url", f"{self.public_url!r} is no URL such as https://connector.example"))
            elif url.scheme == "http" and not hosts.is_loopback(url.hostname):
                found.append(Problem("public_url", "must begin with https://; codes of sign-ins come there"))
        if found:
            raise InputError.of("the service", found)

    @property
    def callback(self) -> str | None:
        """The redirect URL to enter in the vendor's app."""
        return None if self.public_url is None else f"{self.public_url.rstrip('/')}/v1/oauth/callback"

    def most(self, action: ActionSpec) -> int:
        """How many bytes a request may have that brings an action's inputs."""
        takes_files = any(row.type == "file" for row in action.inputs.values())
        return max(self.body, self.files) if takes_files else self.body
