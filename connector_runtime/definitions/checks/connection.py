"""What is wrong with a connection or a trigger that its shape does not show. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from ...language import places as language
from ...model import Input, Place
from ..documents import Path
from .answer import SLOT
from .faults import PLACES, Faults, Surroundings, near
from .rows import codec


def _taken(own: Faults, rows: Mapping[str, Input]) -> list[tuple[Path, Place]]:
    """What a connection gives to a request: its inputs, then the values of its token."""
    token = [(("token", name, "to"), language.place(raw["to"], name)) for name, raw in own.part("token").items()]
    return [*((("inputs", key, "to"), place) for key, row in rows.items() for place in row.to), *token]


def places(own: Faults, rows: Mapping[str, Input], around: Surroundings) -> None:
    """Values that go nowhere, to no place, or where another goes."""
    braces, kinds = around.common.get("base", {}), PLACES["connection"]
    taken: dict[str, Path] = {}
    for path, place in _taken(own, rows):
        if path[0] == "token" and place.kind not in kinds:
            own.add(path, f"is {place}; say one of {', '.join(kinds)}, where a connection gives to")
        earlier = taken.get(str(place).lower())
        if place.kind == "base" and place.path[0] not in braces:
            what = f"is {place}, but connector.yaml's `base` has no {place.path[0]!r}"
            own.add(path, f"{what}.{near(place.path[0], braces, 'Add it there.')}")
        elif earlier is not None:
            own.add(path, f"is {place}, where '{earlier[1]}' goes already; keep one")
        taken.setdefault(str(place).lower(), path)
    for name, raw in own.part("token").items():
        codec(own, ("token", name, "as"), raw, around)
    for key, row in rows.items():
        if not row.to:
            own.add(("inputs", key), f"goes nowhere: say `to`, one of {', '.join(kinds)}")


def test(own: Faults, rows: Mapping[str, Input], around: Surroundings) -> None:
    """A test of the connection by an action that is none, or by an input that is none."""
    said = own.part("test")
    if (action := said.get("action")) is not None:
        what = f"is {action!r}, which actions/ lacks"
        own.known(("test", "action"), action, around.actions, what, "Write it, or take another.")
    for word in ("identity", "account") if own.sound("inputs") else ():
        place, _, name = said.get(word, "").partition(".")
        if place == "input":
            own.known(("test", word), name, rows, f"names {name!r}, which is no input here", "Name one.")


def oauth(own: Faults, rows: Mapping[str, Input], around: Surroundings) -> None:
    """A sign-in that lacks a part, or has one that its grant does not know."""
    if not own.sound("oauth") or not own.sound("token"):
        return
    said, token = own.data.get("oauth"), own.data.get("token", {})
    if not isinstance(said, dict):
        if token:
            own.add(("token",), "is what `oauth` would get, and there is none; send the inputs where they go with `to`")
        return
    if said["grant"] == "authorization_code" and "authorize_url" not in said:
        own.add(("oauth",), "lacks `authorize_url`, where a person signs in")
    for word in ("authorize_url", "pkce") if said["grant"] != "authorization_code" else ():
        if word in said:
            what = f"is for a person who signs in, and the grant {said['grant']} has none; leave it out"
            own.add(("oauth", word), what)
    if not isinstance(token, dict) or "access_token" not in token:
        own.add(("oauth",), "gets a token that goes nowhere: say `token: {access_token: {to: …}}`")
    taken = {str(place).lower() for _, place in _taken(own, rows)}
    for word in ("client.id",) if said["client"] == "none" else ("client.id", "client.secret"):
        if own.sound("inputs") and word not in taken:
            own.add(("oauth", "client"), f"is {said['client']}, and no input gives {word}: say `to: {word}` on one")


# -- triggers --------------------------------------------------------------------------------------------------------


def secret(own: Faults, rows: Mapping[str, Input], around: Surroundings) -> None:
    """One input gives the secret of the signature."""
    secrets = [key for key, row in rows.items() for place in row.to if str(place) == "verify.secret"]
    if not secrets and own.sound("inputs"):
        own.add(("inputs",), "lacks the secret: one input with `to: verify.secret`")
    for key in secrets[1:]:
        own.add(("inputs", key, "to"), f"is verify.secret, where '{secrets[0]}' goes already; keep one")


def verify(own: Faults, rows: Mapping[str, Input], around: Surroundings) -> None:
    """A signature that leaves out the body, or a time that can't be found."""
    said = own.part("verify")
    if not said:
        return
    time, message = said.get("time", {}), said["message"]
    for word in SLOT.findall(message):
        if word not in ("body", "timestamp"):
            own.add(("verify", "message"), f"uses {{{word}}}; take {{body}} and {{timestamp}}, the only words here")
    if "{body}" not in message:
        own.add(("verify", "message"), "leaves out {body}, so that anybody could change it; sign the body")
    if "{timestamp}" in message and not time:
        own.add(("verify",), "signs the {timestamp} and does not say under `time` where it stands")
    if said.get("format", "{}").count("{}") != 1:
        own.add(("verify", "format"), f"is {said['format']!r}; it needs one {{}}, where the digest stands")
    if time and len({"header", "field"} & set(time)) != 1:
        own.add(("verify", "time"), "needs one of `header` and `field`, which say where the time stands")
    if "field" in time and "fields" not in said:
        own.add(("verify", "time", "field"), "names a part of the header, which has none: say `fields: {signature: …}`")
