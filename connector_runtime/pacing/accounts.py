"""The pacers of this process: one for each account that clients were not given a pacer for. Touches nothing else."""

from __future__ import annotations

import threading
from collections import OrderedDict

from ..limits import Limits
from .pacer import Pacer

MOST = 1000  # accounts whose limits are remembered

_lock = threading.Lock()
_pacers: OrderedDict[tuple[str, str], Pacer] = OrderedDict()


def of(limits: Limits, account: str) -> Pacer:
    """This process's pacer of an account, without a declared plan: it goes by what the vendor says.

    Whoever names the same connector and account gets the same pacer; those used last are kept.
    """
    with _lock:
        pacer = _pacers.pop((limits.key, account), None) or Pacer(limits, account=account)
        _pacers[limits.key, account] = pacer
        if len(_pacers) > MOST:
            _pacers.popitem(last=False)
        return pacer
