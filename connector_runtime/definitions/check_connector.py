"""What is wrong with connector.yaml, a connection or a trigger that its shape does not show. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from ..language import codecs, places
from ..language.wording import nearest
from ..model import Input, Place
from . import choice_lists, compile as compiler, limits
from .check_action import SLOT, cases, headers, paging
from .documents import Path
from .faults import PLACES, Faults, Surroundings, listed


def connector(own: Faults, rows: Mapping[str, Input], around: Surroundings) -> None:
    """The faults of connector.yaml."""
    data = own.document.data
    if own.sound("base_url") and own.sound("base") and "base_url" in data:
        _base(own, data["base_url"], data.get("base", {}))
    if own.sound("request"):
        headers(own, ("request", "headers"), data.get("request", {}).get("headers", {}))
    if own.sound("paging"):
        paging(own, data.get("paging", {}))
    if own.sound("errors"):
        cases(own, data.get("errors", {}))
    if own.sound("limits"):
        limits.faults(own, data.get("limits", {}), around)
    if own.whole("choices"):
        choice_lists.faults(own, data.get("choices", {}), around)


def _base(own: Faults, url: str, base: Mapping[str, Mapping[str, object]]) -> None:
    braces = set(SLOT.findall(url))
    for name in sorted(braces - set(base)):
        own.add(("base_url",), f"has {{{name}}}; say under `base` what may stand there")
    for name in sorted(set(base) - braces):
        own.add(("base", name), f"stands in no brace of base_url; write {{{name}}} there, or leave it out")
    if url.endswith("/"):
        own.add(("base_url",), "ends with /, and every path begins with one; leave it out")
    if "?" in url or "#" in url:
        own.add(("base_url",), "has a ? or #; what every request says in the query is an input of the connection")
    for name, allowed in base.items():
        hosts = [str(host) for host in allowed.get("hosts", ())]  # type: ignore[attr-defined]
        for index, host in enumerate(hosts):
            if not re.fullmatch(r"[A-Za-z0-9.-]+", host):
                own.add(("base", name, "hosts", index), f"is {host!r}; write the bare name, such as example.com")
        default, pattern = allowed.get("default"), allowed.get("pattern")
        if not isinstance(default, str):
            continue
        if isinstance(pattern, str) and not re.fullmatch(pattern, default):
            own.add(("base", name, "default"), f"is {default!r}, which its own pattern refuses; change one of them")
        at = urlsplit(url.replace(f"{{{name}}}", default)).hostname
        if at is not None and not any(at == host or at.endswith(f".{host}") for host in hosts):
            own.add(("base", name, "default"), f"leads to {at}, which is none of its hosts; add it there")


def connection(own: Faults, rows: Mapping[str, Input], around: Surroundings) -> None:
    """The faults of a connection."""
    data = own.document.data
    braces = around.common.get("base", {})
    token = data.get("token", {}) if own.sound("token") else {}
    taking: list[tuple[Path, Place]] = [(("inputs", key, "to"), place) for key, row in rows.items() for place in row.to]
    given: list[tuple[Path, Place]] = []
    for name, raw in token.items():
        given.append((("token", name, "to"), places.place(raw["to"], name)))
    for path, place in given:
        if place.kind not in PLACES["connection"]:
            own.add(path, f"is {place}; say one of {', '.join(PLACES['connection'])}, where a connection gives to")
    taken: dict[str, Path] = {}
    for path, place in (*taking, *given):
        if place.kind == "base" and place.path[0] not in braces:
            what = f"is {place}, but connector.yaml's `base` has no {place.path[0]!r}"
            own.add(path, f"{what}.{nearest(place.path[0], braces) or ' Add it there.'}")
        elif str(place).lower() in taken:
            own.add(path, f"is {place}, where '{taken[str(place).lower()][1]}' goes already; keep one")
        taken.setdefault(str(place).lower(), path)
    for name, raw in token.items():
        at: Path = ("token", name, "as")
        for word in compiler.several(raw.get("as", ())):
            if codecs.codec(word, around.codecs) is None:
                known = [*codecs.CODECS, *around.codecs]
                own.add(at, f"is {word!r}, which is no codec.{nearest(word, known)} {listed(known)}")
    for key, row in rows.items():
        if not row.to:
            own.add(("inputs", key), f"goes nowhere: say `to`, one of {', '.join(PLACES['connection'])}")
    action = data.get("test", {}).get("action") if own.sound("test") else None
    if action is not None and action not in around.actions:
        remedy = nearest(action, around.actions) or " Write it, or take another."
        own.add(("test", "action"), f"is {action!r}, which actions/ lacks.{remedy}")
    for word in ("identity", "account") if own.sound("test") and own.sound("inputs") else ():
        place, _, name = data.get("test", {}).get(word, "").partition(".")
        if place == "input" and name not in rows:
            own.add(("test", word), f"names {name!r}, which is no input here.{nearest(name, rows) or ' Name one.'}")
    if own.sound("oauth") and own.sound("token"):
        _oauth(own, data, whole=own.sound("inputs"), taken=taken)


def _oauth(own: Faults, data: Mapping[str, object], *, whole: bool, taken: Mapping[str, Path]) -> None:
    oauth, token = data.get("oauth"), data.get("token", {})
    if not isinstance(oauth, dict):
        if token:
            own.add(("token",), "is what `oauth` would get, and there is none; send the inputs where they go with `to`")
        return
    if oauth["grant"] == "authorization_code" and "authorize_url" not in oauth:
        own.add(("oauth",), "lacks `authorize_url`, where a person signs in")
    if oauth["grant"] != "authorization_code":
        for word in ("authorize_url", "pkce"):
            if word in oauth:
                what = f"is for a person who signs in, and the grant {oauth['grant']} has none; leave it out"
                own.add(("oauth", word), what)
    if not isinstance(token, dict) or "access_token" not in token:
        own.add(("oauth",), "gets a token that goes nowhere: say `token: {access_token: {to: …}}`")
    for word in ("client.id",) if oauth["client"] == "none" else ("client.id", "client.secret"):
        if whole and word not in taken:
            own.add(("oauth", "client"), f"is {oauth['client']}, and no input gives {word}: say `to: {word}` on one")


def trigger(own: Faults, rows: Mapping[str, Input], around: Surroundings) -> None:
    """The faults of a trigger."""
    data = own.document.data
    secrets = [key for key, row in rows.items() for place in row.to if str(place) == "verify.secret"]
    if not secrets and own.sound("inputs"):
        own.add(("inputs",), "lacks the secret: one input with `to: verify.secret`")
    for key in secrets[1:]:
        own.add(("inputs", key, "to"), f"is verify.secret, where '{secrets[0]}' goes already; keep one")
    if not own.sound("verify") or "verify" not in data:
        return
    verify = data["verify"]
    time = verify.get("time", {})
    for word in SLOT.findall(verify["message"]):
        if word not in ("body", "timestamp"):
            own.add(("verify", "message"), f"uses {{{word}}}; take {{body}} and {{timestamp}}, the only words here")
    if "{body}" not in verify["message"]:
        own.add(("verify", "message"), "leaves out {body}, so that anybody could change it; sign the body")
    if "{timestamp}" in verify["message"] and not time:
        own.add(("verify",), "signs the {timestamp} and does not say under `time` where it stands")
    if verify.get("format", "{}").count("{}") != 1:
        own.add(("verify", "format"), f"is {verify['format']!r}; it needs one {{}}, where the digest stands")
    if time and len({"header", "field"} & set(time)) != 1:
        own.add(("verify", "time"), "needs one of `header` and `field`, which say where the time stands")
    if "field" in time and "fields" not in verify:
        own.add(("verify", "time", "field"), "names a part of the header, which has none: say `fields: {signature: …}`")
