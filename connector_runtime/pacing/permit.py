"""The permit that each attempt asks a pacer for, and the protocol of every pacer. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any, Protocol

from ..language import conditions, places
from ..model import ActionSpec
from ..steps import Permit

Head = Mapping[str, str]  # the headers of a response, with lower-case names


class Pacing(Protocol):
    """A pacer as clients use it. Both methods may be called from any thread, and neither sleeps."""

    def ask(self, permit: Permit) -> float:
        """Return the seconds to wait before asking again with this permit, or 0.0 if it was counted and may be sent.

        Raises `QuotaReached` with `retry_at` if a daily budget or quota is used up, and `RateLimited` if the vendor
        refuses requests for longer than a call waits.
        """

    def report(
        self, permit: Permit, status: int | None, head: Head, retry_at: datetime | None = None, kind: str | None = None
    ) -> None:
        """Learn from the response to an attempt; `status` is None if none arrived.

        The attempt may have been sent without asking, before the account had a pacer. `kind` is `rate_limit` or `quota`
        if the response was such a refusal; the vendor accepts requests again at `retry_at`.
        """


def permit_of(action: ActionSpec, written: Mapping[str, Any], caller: str) -> Permit:
    """Return the permit for an action's next attempt. `written` are the values as they are sent, by input key.

    Different spellings of an id therefore count together. Values of inputs are counted separately for each `caller`, a
    string that identifies a connection, because `me` is a different user through each connection.
    """
    limits = action.profile.limits
    quotas = []
    for name, quota in limits.quotas.items():
        if action.key in quota.on and conditions.holds(quota.when, written.get):
            values = ["" if (value := written.get(key)) is None else places.text_of(value) for key in quota.per]
            counted_for = caller if quota.per else ""
            quotas.append((name, digest(name, counted_for, *(value.strip().casefold() for value in values))))
    label = limits.counted_as(action.key, action.rate_limit)
    return Permit(action=action.key, label=label, quotas=tuple(quotas))


@lru_cache(maxsize=4096)  # a flow often names the same host again
def digest(*strings: str) -> str:
    """Return a digest, to store instead of strings that must not be readable in the store."""
    encoded = [string.encode("utf-8", "surrogatepass") for string in strings]
    content = b"".join(len(data).to_bytes(8) + data for data in encoded)
    return hashlib.blake2b(content, digest_size=16).hexdigest()
