"""The accounts that this process calls, each with a pacer once there is a limit to observe.

Without a declared limit, calls are not paced until a response shows that the vendor's limit is near or was reached.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Unpack

from ..model import Limits
from .permit import Pacing

if TYPE_CHECKING:
    from .pacer import Declaration

MAX_ACCOUNTS = 1000  # whose limits are remembered


class AccountPacing:
    """The pacing of one account in this process. Before each attempt, ask `pacer` unless it is None.

    `pacer` exists from the start if one is passed, or if a plan or rates that hold without a plan are declared.
    Otherwise the session creates it with `wake()` after the first response that is a refusal (rate_limit or quota) or
    reports that little remains (`limits.reported.is_scarce`).
    """

    def __init__(
        self, limits: Limits, account: str = "", *, pacer: Pacing | None = None, **terms: Unpack[Declaration]
    ) -> None:
        self.pacer = pacer
        self._limits, self._account, self._terms = limits, account, terms
        self._lock = threading.Lock()
        if pacer is None and (terms.get("plan") is not None or limits.hold_always):
            self.wake()

    def wake(self) -> Pacing:
        """Return the pacer, creating it if necessary."""
        with self._lock:
            if self.pacer is None:
                from .pacer import Pacer  # imported late: most clients never need it

                self.pacer = Pacer(self._limits, account=self._account, **self._terms)
            return self.pacer


_lock = threading.Lock()
_accounts: OrderedDict[object, AccountPacing] = OrderedDict()


def account_pacing(limits: Limits, account: str, **terms: Unpack[Declaration]) -> AccountPacing:
    """Return this process's pacing for a connector, account and terms, of which the last `MAX_ACCOUNTS` are cached."""
    key = (limits.key, account, *sorted(terms.items()))
    with _lock:
        pacing = _accounts.pop(key, None) or AccountPacing(limits, account, **terms)
        _accounts[key] = pacing
        if len(_accounts) > MAX_ACCOUNTS:
            _accounts.popitem(last=False)
        return pacing
