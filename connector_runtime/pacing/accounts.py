"""When a client needs a pacer: the accounts of this process, each with its pacer once there is a limit to keep to.

Where no limit is declared a call asks nobody, until an answer says that the vendor's limit is near or was reached.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Unpack

from ..model import Limits
from .permit import Pacing

if TYPE_CHECKING:
    from .pacer import Declaration

MOST = 1000  # accounts whose limits are remembered


class AccountPacing:
    """An account whose calls this process sends. Ask `pacer` before an attempt, unless it is None.

    `pacer` is there from the start if it is given, or if limits are declared: a plan, or rates that hold without one.
    Else the first answer that is a refusal (rate_limit or quota), or says that little remains
    (`limits.reported.is_scarce`), makes the session call `wake()`; from then on it is there.
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
        """The pacer, made now if there is none."""
        with self._lock:
            if self.pacer is None:
                from .pacer import Pacer  # which most clients never need

                self.pacer = Pacer(self._limits, account=self._account, **self._terms)
            return self.pacer


_lock = threading.Lock()
_accounts: OrderedDict[object, AccountPacing] = OrderedDict()


def account_pacing(limits: Limits, account: str, **terms: Unpack[Declaration]) -> AccountPacing:
    """The one of this process for all who name the same connector, account and terms; those used last are kept."""
    place = (limits.key, account, *sorted(terms.items()))
    with _lock:
        found = _accounts.pop(place, None) or AccountPacing(limits, account, **terms)
        _accounts[place] = found
        if len(_accounts) > MOST:
            _accounts.popitem(last=False)
        return found
