"""What a call asks of a pacer before each of its attempts, and what any pacer must answer to. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any, Protocol

from ..language import conditions, places
from ..model import ActionSpec
from ..steps import Permit

Head = Mapping[str, str]  # the headers of an answer, by their names in lower case


class Pacing(Protocol):
    """What a client asks when it may send. Both may be called from any thread, and neither sleeps."""

    def ask(self, permit: Permit) -> float:
        """The seconds to wait before asking again with the same permit; 0.0: send now, it is counted.

        Raises `QuotaReached` with `retry_at` where a budget or quota is used up for longer than a call waits, and
        `RateLimited` where the vendor takes nothing for so long.
        """

    def report(
        self,
        permit: Permit,
        status: int | None,
        headers: Head,
        retry_at: datetime | None = None,
        kind: str | None = None,
    ) -> None:
        """Learn from the answer to a permit; status None: none came.

        The permit may be one that never asked, of a call that was sent before anybody paced. `kind` is `rate_limit` or
        `quota` where the answer was that refusal, and `retry_at` when the vendor said to go on.
        """


def permit_of(action: ActionSpec, written: Mapping[str, Any], account: str = "", caller: str = "") -> Permit:
    """The permit of an action's next attempt, given its values by input key, as they are sent.

    Two ways of writing one id are thus counted together. What inputs name is counted for each `caller`, any text that
    stands for a connection: `me` is somebody else by the next one, whose user must not pay for this one's.
    """
    limits = action.profile.limits
    quotas = []
    for name, quota in limits.quotas.items():
        if action.key in quota.on and conditions.holds(quota.when, written.get):
            values = ["" if (value := written.get(key)) is None else places.text_of(value) for key in quota.per]
            whose = caller if quota.per else ""
            quotas.append((name, digest(account, name, whose, *(value.strip().casefold() for value in values))))
    label = limits.counted_as(action.key, action.rate_limit)
    return Permit(action=action.key, label=label, account=account, quotas=tuple(quotas))


@lru_cache(maxsize=4096)  # a flow calls for the same host again and again
def digest(*texts: str) -> str:
    """A short name for what should not be read where it is kept."""
    encoded = [text.encode("utf-8", "surrogatepass") for text in texts]
    content = b"".join(len(data).to_bytes(8) + data for data in encoded)
    return hashlib.blake2b(content, digest_size=16).hexdigest()
