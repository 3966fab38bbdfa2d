"""What a trigger's file says, as frozen data; it has no behaviour."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..model import Condition, Input, Json


@dataclass(frozen=True, slots=True, kw_only=True)
class FilterRow:
    """One way to narrow a trigger's events: what a flow gives is compared, as text, with what stands at `sources`."""

    key: str
    label: str
    comments: str = ""
    sources: tuple[Any, ...]
    codecs: tuple[Any, ...]


@dataclass(frozen=True, kw_only=True)
class TriggerSpec:
    """What a trigger's file says: how a request is verified, and what its event is."""

    key: str
    label: str
    description: str = ""
    inputs: tuple[Input, ...]
    verify_with: Mapping[str, Json] = field(repr=False)
    challenge_with: Mapping[str, Json] | None = field(repr=False)
    event: Mapping[str, Json] = field(repr=False)
    filters: Mapping[str, FilterRow] = field(repr=False)
    disconnect_when: Condition | None
    reply_status: int
    reply_within: float  # seconds until the vendor gives up
    load_events: Callable[[], Json] | None = field(repr=False)  # the data of the events file, read when first needed
