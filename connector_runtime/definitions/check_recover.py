"""What is wrong with an action's `recover`, by which a create is looked for after a lost answer. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from ..language.wording import nearest
from ..model import Input, Place
from .check_rows import condition
from .faults import Faults, Surroundings

CHANGES = ("update", "delete", "read")


def recover(
    own: Faults, rows: Mapping[str, Input], targets: Mapping[str, tuple[Place, str]], around: Surroundings
) -> None:
    """The faults of `recover`."""
    data = own.document.data
    rule = data["recover"]
    if data.get("effect") in CHANGES:
        own.add(("recover",), f"is only for a create; what has the effect {data['effect']} may simply be repeated")
    same = rule["same"]
    sent = [f"body.{name}" for name in same] if isinstance(same, list) else list(same.values())
    for index, (place, name) in enumerate(zip(sent, same, strict=True)):
        if place not in targets:
            what = f"is {place}, where no input goes.{nearest(place, targets) or ' Name a place that one goes to.'}"
            own.add(("recover", "same", index if isinstance(same, list) else name), what)
    if "when" in rule:
        condition(own, ("recover", "when"), rule["when"], rows, data["inputs"])
    key = rule["action"]
    if key not in around.actions:
        what = f"is {key!r}, no action here.{nearest(key, around.actions) or ' Name one that lists or gets it.'}"
        own.add(("recover", "action"), what)
        return
    other = around.action(key)
    if not other:  # its file can't be read now; `check` reads it
        return
    if other.get("effect", "read") != "read":
        own.add(("recover", "action"), f"is {key}, which changes things; looking must be a read")
    theirs = other.get("inputs", {})
    for name, ours in rule.get("with", {}).items():
        if name not in theirs:
            what = f"is no input of {key}.{nearest(name, theirs) or ''}"
            own.add(("recover", "with", name), what)
        if ours not in rows:
            what = f"is {ours!r}, no input here.{nearest(ours, rows) or ' Name one that is.'}"
            own.add(("recover", "with", name), what)
    for name, row in theirs.items():
        needed = row.get("required") is True and row.get("type") != "connection" and "default" not in row
        if needed and name not in rule.get("with", {}):
            own.add(("recover",), f"lacks `with: {{{name}: …}}`, which {key} needs; say which input of ours it is")
