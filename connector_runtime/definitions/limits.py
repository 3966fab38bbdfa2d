"""The `limits` of connector.yaml: what they compile to, and what is wrong with them that no shape shows. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from ..language import conditions
from ..language.wording import nearest
from ..model import DAY, Combined, Label, Limits, Quota, Rate, Rates, Reported

if TYPE_CHECKING:
    from .documents import Path
    from .faults import Faults, Surroundings

OWN = ("on", "labels", "per", "when", "rate")  # words beside which a plan's name stands


def limits(key: str, raw: Mapping[str, Any]) -> Limits:
    """Compile the block of the connector `key`."""
    reported = raw.get("reported", {})
    return Limits(
        key=key,
        per=raw.get("per", "account"),
        plans=tuple(raw.get("plans", ())),
        labels={
            name: Label(rates=_rates(entry), on=tuple(entry.get("on", ())) if isinstance(entry, dict) else ())
            for name, entry in raw.get("labels", {}).items()
        },
        combined=tuple(
            Combined(labels=tuple(entry["labels"]), rates=_rates(entry)) for entry in raw.get("combined", ())
        ),
        quotas={
            name: Quota(
                rates=_rates(entry["rate"]),
                per=(entry["per"],) if isinstance(entry.get("per"), str) else tuple(entry.get("per", ())),
                on=tuple(entry["on"]),
                when=conditions.parse(entry["when"]) if "when" in entry else (),
            )
            for name, entry in raw.get("quotas", {}).items()
        },
        reported=Reported(
            label=reported.get("label"),
            limit=reported.get("limit"),
            remaining=reported.get("remaining"),
            daily=conditions.parse(reported["daily"]) if "daily" in reported else None,
        ),
    )


def _rates(raw: Any) -> Rates:
    if not isinstance(raw, dict):
        raw = {"": raw}
    return {
        plan: tuple(Rate.of(text) for text in ([rates] if isinstance(rates, str) else rates))
        for plan, rates in raw.items()
        if plan not in OWN
    }


def faults(own: Faults, raw: Mapping[str, Any], around: Surroundings) -> None:
    """What is wrong with the block."""
    plans, labels = raw.get("plans", []), raw.get("labels", {})
    for name, entry in labels.items():
        at: Path = ("limits", "labels", name)
        _plans(own, at, entry, plans)
        for first, second in _twice(_rates(entry)):
            own.add(at, f"says {first} and {second}, two rates of one kind; keep one a day and one for less")
        if isinstance(entry, dict):
            _known(own, (*at, "on"), entry.get("on", ()), around.actions, "actions/ lacks")
    for index, entry in enumerate(raw.get("combined", ())):
        at = ("limits", "combined", index)
        _plans(own, at, entry, plans)
        _known(own, (*at, "labels"), entry["labels"], labels, "`labels` lacks")
        _daily(own, at, _rates(entry))
    for name, entry in raw.get("quotas", {}).items():
        at = ("limits", "quotas", name)
        _plans(own, (*at, "rate"), entry["rate"], plans)
        _known(own, (*at, "on"), entry["on"], around.actions, "actions/ lacks")
        _daily(own, (*at, "rate"), _rates(entry["rate"]))


def action(own: Faults, around: Surroundings) -> None:
    """What is wrong with how an action is counted: its label, and the inputs that a quota goes by."""
    data, common = own.document.data, around.common.get("limits")
    if not isinstance(common, dict):
        return
    label, labels = data.get("rate_limit"), common.get("labels")
    if isinstance(label, str) and isinstance(labels, dict) and label not in labels:
        remedy = nearest(label, labels) or " Add it there."
        own.add(("rate_limit",), f"is {label!r}, which the labels of connector.yaml's `limits` lack.{remedy}")
    quotas = common.get("quotas")
    for name, quota in quotas.items() if isinstance(quotas, dict) and own.whole("inputs") else ():
        if not isinstance(quota, dict) or data.get("key") not in quota.get("on", ()):
            continue
        per, when = quota.get("per", ()), quota.get("when", ())
        wanted = [*([per] if isinstance(per, str) else per), *([when] if isinstance(when, str) else when)]
        for key in wanted:
            if key not in data.get("inputs", {}):
                what = f"lack {key!r}, by which connector.yaml counts the quota '{name}'; name another one there"
                own.add(("inputs",), what)


def _plans(own: Faults, at: Path, entry: Any, plans: list[str]) -> None:
    named = [plan for plan in entry if plan not in OWN] if isinstance(entry, dict) else []
    for plan in named:
        if plan not in plans:
            remedy = nearest(plan, plans) or " Add it there."
            own.add((*at, plan), f"is none of the `plans`.{remedy}")


def _known(own: Faults, at: Path, names: Iterable[str], known: Iterable[str], where: str) -> None:
    known = list(known)
    for index, name in enumerate(names):
        if name not in known:
            remedy = nearest(name, known) or " Write it, or leave it out."
            own.add((*at, index), f"is {name!r}, which {where}.{remedy}")


def _daily(own: Faults, at: Path, rates: Rates) -> None:
    for rate in (rate for several in rates.values() for rate in several):
        if rate.seconds != DAY:
            own.add(at, f"says {rate}, and what is counted here is counted by the day; write {rate.count}/day")


def _twice(rates: Rates) -> Iterable[tuple[Rate, Rate]]:
    """Two rates of one plan that are both by the day, or both not."""
    for several in rates.values():
        for daily in (True, False):
            alike = [rate for rate in several if (rate.seconds == DAY) is daily]
            if len(alike) > 1:
                yield alike[0], alike[1]
