"""The pacers of this process: one for each account, for clients that were not given a pacer. Touches nothing else."""

from __future__ import annotations

import threading
from collections import OrderedDict

from ..model import Limits
from ..stores.store import Store
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
