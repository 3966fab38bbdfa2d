"""The pacers of this process: one for each account, for clients that were not given a pacer. Touches nothing else."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Any

from ..model import Limits
from ..steps import Heard
from ..stores.store import Store
from .claim import Pacing
from .pacer import SHARE, Pacer

MOST = 1000  # accounts whose limits are remembered

_lock = threading.Lock()
_pacers: OrderedDict[tuple[object, ...], Pacer] = OrderedDict()


def of(
    limits: Limits, account: str, *, plan: str | None = None, share: float = SHARE, store: Store | None = None
) -> Pacer:
    """This process's pacer of an account; without a declared plan it goes by what the vendor says.

    Whoever names the same connector, account and terms gets the same pacer; those used last are kept. The arguments
    are those of `Pacer`.
    """
    place = (limits.key, account, plan, share, id(store))  # its pacer keeps the store, so no other one gets its id
    with _lock:
        pacer = _pacers.pop(place, None) or Pacer(limits, account=account, plan=plan, share=share, store=store)
        _pacers[place] = pacer
        if len(_pacers) > MOST:
            _pacers.popitem(last=False)
        return pacer


class Account:
    """Whose limits the calls of some clients count against: paced from the first refusal on, or by a pacer given."""

    def __init__(self, limits: Limits, name: str | None, pacer: Pacing | None) -> None:
        self._limits, self._name = limits, name
        self.pacer = pacer

    def heard(self, step: Heard) -> Any:
        attempt = step.attempt
        kind = attempt.kind if attempt.kind in ("rate_limit", "quota") else None
        if step.claim is None:
            return None
        if self.pacer is None:
            self.pacer = of(self._limits, self._name) if self._name else Pacer(self._limits)
        return self.pacer.heard(step.claim, attempt.status, step.headers, attempt.retry_at, kind)


def account(limits: Limits, name: str | None, pacing: Any) -> Account:
    if pacing is False:
        return Account(limits, name, None)
    return Account(limits, name, pacing)
