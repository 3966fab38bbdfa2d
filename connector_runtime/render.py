"""Values to the HTTP request that carries them. Pure: the same values always give the same bytes.

`draft` lays the values at their places; `finish` adds what the connection gives and writes URL, headers and body.
Between the two, a list's next page changes one place of the draft.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote, urlsplit

from . import bodies, words
from .errors import AuthError, InputError, Problem
from .model import ActionSpec, Connection, Grant, Json, Place, Profile, Request

MASK = "***"
READS = ("GET", "HEAD", "OPTIONS")


@dataclass(slots=True)
class Draft:
    """A request in the making."""

    method: str
    template: str
    path: str
    query: list[tuple[str, str]] = field(default_factory=list)
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: Json = None
    encode: str = "json"
    parts: list[bodies.Part] = field(default_factory=list)
    call: dict[str, Json] = field(default_factory=dict)
    next_url: str | None = None

    def turn(self, place: Place | None, value: Json) -> Draft:
        """The draft of the next page: one place has another value, or the whole URL is the one given."""
        if place is None:
            return replace(self, next_url=str(value))
        if place.kind == "query":
            kept = [pair for pair in self.query if pair[0] != place.path[0]]
            return replace(self, query=[*kept, (place.path[0], words.text_of(value))])
        body = json.loads(json.dumps(self.body or {}))
        bodies.put(body, place.path, value)
        return replace(self, body=body)


def effect_of(spec: ActionSpec, method: str) -> str:
    """What a run changes: `read`, `create`, `update` or `delete`; from the method where the method is an input."""
    if spec.effect is not None:
        return spec.effect
    return "read" if method in READS else {"POST": "create", "DELETE": "delete"}.get(method, "update")


def draft(spec: ActionSpec, values: Mapping[str, Any]) -> Draft:
    """Lay bound values at their places."""
    made = Draft(spec.method or "GET", spec.path, spec.path, encode=spec.encode)
    made.query = [(name, words.text_of(value)) for name, value in spec.query.items()]
    rows = spec.inputs
    tree: dict[str, Any] = json.loads(json.dumps(spec.body)) if spec.body else {}
    placed = [(rows[key].to[0], rows[key].key, words.encode(rows[key].codecs, v)) for key, v in values.items() if rows[key].to]
    placed += [(place, str(place), value) for place, value in _computed(spec, values)]
    for place, key, value in sorted(placed, key=lambda entry: not entry[0].spread):  # a named input wins over a spread
        _lay(made, tree, place, key, value)
    if tree or (made.method not in (*READS, "DELETE") and _has_body(spec)):
        made.body = tree
    if made.call.get("file_names"):
        made.parts = bodies.renamed(made.parts, dict(made.call.pop("file_names")))
    return made


def _computed(spec: ActionSpec, values: Mapping[str, Any]) -> Iterable[tuple[Place, Any]]:
    for place, source in spec.compute.items():
        found = words.expression(source)
        if all(name in values for name in found.names):
            yield place, found.value(values)


def _has_body(spec: ActionSpec) -> bool:
    return any(row.to and row.to[0].kind == "body" for row in spec.inputs.values()) or spec.body is not None


def _lay(made: Draft, tree: dict[str, Any], place: Place, key: str, value: Any) -> None:
    name = place.path[-1] if place.path else ""
    match place.kind:
        case "path":
            made.path = made.path.replace(f"{{{name}}}", quote(words.text_of(value), safe=""))
        case "query":
            made.query = bodies.merged(made.query, bodies.pairs(place, value))
        case "header":
            made.headers = bodies.merged(made.headers, bodies.pairs(place, value), folded=True)
        case "body" if place.spread:
            bodies.put_all(tree, place.path, value)
        case "body":
            bodies.put(tree, place.path, value)
        case "part":
            made.parts += [bodies.part(part, item) for part, item in (value if place.spread else [(name, value)])]
        case "call":
            made.call[name] = value
        case "request" if name == "body":
            made.body = value
        case "request" if name == "method":
            made.method = value
        case "request":
            made.path = quote(value, safe="/?%:@!$&'()*+,;=~-._[]")
            made.template = "(raw)"


# -- finish ----------------------------------------------------------------------------------------------------------


def finish(made: Draft, about: Profile, base_url: str | None = None, granted: Mapping[str, str] | None = None) -> Request:
    """The complete request. Without `granted` its secrets are masked: a preview.

    Raises `AuthError` if what the connection gives can't be sent, or would lead to a host that is not the vendor's.
    """
    kind = connection_of(about, granted)
    grants = kind.grants if kind else ()
    given = {grant.name: "" for grant in grants} if granted is None else granted
    base = base_url.rstrip("/") if base_url else _base(about, grants, granted)
    headers = [("Accept", _accepts(made)), ("Accept-Encoding", "gzip, deflate"), *about.headers.items()]
    content, body, content_type = bodies.written(made.body, made.parts, made.encode, made.headers)
    headers = bodies.merged(headers, [("Content-Type", content_type)] if content_type else [], folded=True)
    headers = bodies.merged(headers, made.headers, folded=True)
    query, masked = list(made.query), list(made.query)
    basic: dict[str, str] = {}
    for grant in grants:
        if grant.name not in given:
            continue
        text = MASK if granted is None else given[grant.name]
        written = words.text_of(words.encode(grant.codecs, text))
        for place in grant.to:
            if place.kind == "header":
                headers = bodies.merged(headers, [(place.path[0], _safe(grant, written))], folded=True)
            elif place.kind == "query":
                query.append((place.path[0], written))
                masked.append((place.path[0], MASK if grant.secret else written))
            elif place.kind == "basic":
                basic[place.path[0]] = written
    if basic:
        pair = f"{basic.get('user', '')}:{basic.get('password', '')}"
        token = MASK if granted is None else base64.b64encode(pair.encode()).decode()
        headers = bodies.merged(headers, [("Authorization", f"Basic {token}")], folded=True)
    if made.next_url is not None:
        url = shown = _onward(made.next_url, base)
    else:
        url, shown = _url(base, made.path, query), _url(base, made.path, masked)
    return Request(
        method=made.method,
        template=made.template,
        shown=shown,
        url=url,
        headers=tuple(headers),
        content=content,
        body=body,
        call=made.call,
    )


def connection_of(about: Profile, granted: Mapping[str, str] | None) -> Connection | None:
    """The kind of connection that gives these values; the first, if nothing is known of it."""
    for kind in about.connections:
        if granted is None or set(granted) <= {grant.name for grant in kind.grants}:
            return kind
    return None


def _base(about: Profile, grants: Iterable[Grant], granted: Mapping[str, str] | None) -> str:
    base = about.base_url
    for name, allowed in about.base.items():
        value = (granted or {}).get(name) or allowed.default
        if value is None:
            if granted is None:
                continue  # a preview without a connection shows the brace
            raise AuthError(f"The connection does not say its {name}, which the URL needs.")
        if allowed.pattern is not None and not re.fullmatch(allowed.pattern, value):
            raise AuthError(f"The connection's {name} is not of the form that the URL needs.")
        base = base.replace(f"{{{name}}}", value.rstrip("/"))
    parts = urlsplit(base)
    hosts = [host for allowed in about.base.values() for host in allowed.hosts]
    named = any(parts.hostname == host or str(parts.hostname).endswith(f".{host}") for host in hosts)
    if hosts and granted is not None and (parts.scheme != "https" or not named or parts.username is not None):
        raise AuthError(f"The connection leads to {parts.hostname}, which is none of {', '.join(hosts)}.")
    return base


def check_base_url(text: str) -> None:
    """A base URL that the platform sets: https, or http on this machine. Raises `InputError`."""
    parts = urlsplit(text)
    local = parts.hostname in ("localhost", "127.0.0.1", "::1")
    if parts.scheme not in ("https", "http") or not parts.hostname or parts.username or parts.query or parts.fragment:
        what = "must be a URL such as https://api.example.com/v2, without user, query or fragment"
    elif parts.scheme == "http" and not local:
        what = "must be https: the token would cross the network in the clear"
    else:
        return
    raise InputError.of("the client", [Problem("base_url", what)])


def _onward(url: str, base: str) -> str:
    """The next page's URL, which must stay on the origin of the base."""
    here, there = urlsplit(base), urlsplit(url)
    if (there.scheme, there.netloc) != (here.scheme, here.netloc):
        raise AuthError("The answer's next page lies on another host; the token is not sent there.")
    return url


def _url(base: str, path: str, query: list[tuple[str, str]]) -> str:
    encoded = "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in query)
    joint = "" if not encoded else "&" if "?" in path else "?"
    return f"{base}{path}{joint}{encoded}"


def _accepts(made: Draft) -> str:
    return "application/json" if made.call.get("response_type", "json") == "json" else "*/*"


def _safe(grant: Grant, text: str) -> str:
    if not re.fullmatch(r"[\x21-\x7e][\x20-\x7e]*", text):
        raise AuthError(f"The connection's {grant.name} holds a character that no header can carry, or is empty.")
    return text
