"""Values to the HTTP request that carries them. Pure: the same values always give the same bytes.

`draft` lays the values at their places; `finish` adds what the connection gives and writes URL, headers and body.
Between the two, a list's next page changes one place of the draft.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any
from urllib.parse import SplitResult, quote, unquote_plus, urljoin, urlsplit

from ..errors import ApiError, AuthError, InputError, Problem
from ..language import codecs, expressions, places
from ..language.secrets import MASK
from ..model import ActionSpec, Connection, Grant, Json, Place, Profile, Request
from . import bodies

READS = ("GET", "HEAD", "OPTIONS")
_IN_URL = "/?%:@!$&'()*+,;=~-._[]"


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
            return replace(self, next_url=_joined(self.next_url or "", str(value)))
        if place.kind == "header":
            return replace(self, headers=bodies.merged(self.headers, bodies.pairs(place, value), folded=True))
        if place.kind == "query":
            kept = [pair for pair in self.query if pair[0] != place.path[0]]
            return replace(self, query=[*kept, (place.path[0], places.text_of(value))])
        body = json.loads(json.dumps(self.body or {}))
        bodies.put(body, place.path, value)
        return replace(self, body=body)


def effect_of(spec: ActionSpec, method: str) -> str:
    """What a run changes: `read`, `create`, `update` or `delete`; from the method where the method is an input."""
    if spec.effect is not None:
        return spec.effect
    return "read" if method in READS else {"POST": "create", "DELETE": "delete"}.get(method, "update")


def key_place(spec: ActionSpec, made: Draft) -> Place | None:
    """Where a create carries its idempotency key; None if it needs none, or the inputs gave one."""
    place = spec.profile.idempotency
    if place is None or effect_of(spec, made.method) != "create":
        return None
    given = place.kind == "header" and any(name.lower() == place.path[0].lower() for name, _ in made.headers)
    return None if given else place


def draft(spec: ActionSpec, values: Mapping[str, Any]) -> Draft:
    """Lay bound values at their places."""
    made = Draft(spec.method or "GET", spec.path, spec.path, encode=spec.encode)
    made.query = [(name, places.text_of(value)) for name, value in spec.query.items()]
    made.headers = list(spec.headers.items())
    tree: dict[str, Any] = json.loads(json.dumps(spec.body)) if spec.body else {}
    named: list[tuple[Place, Any]] = []
    for place, value in _placed(spec, values):
        if place.spread:
            _lay(made, tree, place, value)
        else:
            named.append((place, value))
    for place, value in named:  # last, so that a named input wins over a spread
        _lay(made, tree, place, value)
    if tree or (made.method not in (*READS, "DELETE") and _has_body(spec)):
        made.body = tree
    if made.call.get("file_names"):
        made.parts = bodies.renamed(made.parts, dict(made.call.pop("file_names")))
    return made


def _placed(spec: ActionSpec, values: Mapping[str, Any]) -> Iterable[tuple[Place, Any]]:
    rows = spec.inputs
    for key, value in values.items():
        row = rows[key]
        if row.to:
            yield row.to[0], codecs.encode(row.codecs, value) if row.codecs else value
    for place, source in spec.compute.items():
        found = expressions.expression(source)
        if all(name in values for name in found.names):
            yield place, found.value(values)


def _has_body(spec: ActionSpec) -> bool:
    return any(row.to and row.to[0].kind == "body" for row in spec.inputs.values()) or spec.body is not None


def _lay(made: Draft, tree: dict[str, Any], place: Place, value: Any) -> None:
    name = place.path[-1] if place.path else ""
    match place.kind:
        case "body" if place.spread:
            bodies.put_all(tree, place.path, value)
        case "body":
            bodies.put(tree, place.path, value)
        case "path":
            made.path = made.path.replace(f"{{{name}}}", quote(places.text_of(value), safe=""))
        case "query":
            made.query = bodies.merged(made.query, bodies.pairs(place, value))
        case "header":
            made.headers = bodies.merged(made.headers, bodies.pairs(place, value), folded=True)
        case "part":
            made.parts += [bodies.part(part, item) for part, item in (value if place.spread else [(name, value)])]
        case "call":
            made.call[name] = value
        case "request" if name == "body":
            made.body = value
        case "request" if name == "method":
            made.method = value
        case "request":
            made.path = quote(value, safe=_IN_URL)
            made.template = "(raw)"


# -- finish ----------------------------------------------------------------------------------------------------------


def finish(
    made: Draft, about: Profile, base_url: str | None = None, granted: Mapping[str, str] | None = None
) -> Request:
    """The complete request. Without `granted` its secrets are masked: a preview.

    Raises `AuthError` if what the connection gives can't be sent, or would lead to a host that is not the vendor's,
    and `ApiError` if the next page lies on another host.
    """
    kind = connection_of(about, granted)
    if kind is None and granted:
        raise AuthError(f"The connection gives {', '.join(sorted(granted))}, which no kind of connection here gives.")
    grants = kind.grants if kind else ()
    given = {grant.name: "" for grant in grants if grant.required} if granted is None else granted
    base = base_url.rstrip("/") if base_url else _base(about, grants, granted)
    content, body, content_type = bodies.written(made.body, made.parts, made.encode, made.headers)
    headers = [*_standing(_accepts(made), content_type, *about.headers.items())]
    if made.headers:
        headers = bodies.merged(headers, made.headers, folded=True)
    query: bodies.Pairs = []
    masked: bodies.Pairs = []
    basic: dict[str, str] = {}
    for grant in grants:
        if grant.name not in given:
            continue
        text = MASK if granted is None else given[grant.name]
        if grant.secret and not text.strip():
            raise AuthError(f"The connection's {grant.name} is empty.")
        written = places.text_of(codecs.encode(grant.codecs, text))
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
    shown = _url(base, made, masked)
    return Request(
        method=made.method,
        template=made.template,
        shown=shown,
        url=shown if query == masked else _url(base, made, query),
        headers=tuple(headers),
        content=content,
        body=body,
        call=made.call,
    )


@lru_cache(maxsize=64)
def _standing(accepts: str, content_type: str | None, *own: tuple[str, str]) -> tuple[tuple[str, str], ...]:
    """The headers that no input and no connection says."""
    headers = bodies.merged([("Accept", accepts), ("Accept-Encoding", "gzip, deflate")], [*own], folded=True)
    return tuple(bodies.merged(headers, [("Content-Type", content_type)] if content_type else [], folded=True))


def connection_of(about: Profile, granted: Mapping[str, str] | None) -> Connection | None:
    """The kind of connection that gives these values, with the least missing; the first, if nothing is known of it."""
    if granted is None:
        return next(iter(about.connections), None)
    names = granted.keys()
    able = [kind for kind in about.connections if names <= kind.gives]
    whole = [kind for kind in able if kind.needs <= names]
    return whole[0] if whole else min(able, key=lambda kind: len(kind.needs - names), default=None)


def secrets_of(about: Profile, granted: Mapping[str, str]) -> Iterator[str]:
    """The secrets among what the connection gives: nothing that is shown or logged may hold one."""
    kind = connection_of(about, granted)
    for grant in kind.grants if kind else ():
        if grant.secret and grant.name in granted:
            yield granted[grant.name]


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
    if granted is not None:
        _check_host(base, *(host for allowed in about.base.values() for host in allowed.hosts))
    return base


@lru_cache(maxsize=64)
def _check_host(base: str, *hosts: str) -> None:
    """A base URL must be https and lead to one of the hosts or below it, if there are any. Raises `AuthError`."""
    parts = urlsplit(base)
    named = any(parts.hostname == host or str(parts.hostname).endswith(f".{host}") for host in hosts)
    if hosts and (parts.scheme != "https" or not named or parts.username is not None):
        raise AuthError(f"The connection leads to {parts.hostname}, which is none of {', '.join(hosts)}.")


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


def _joined(base: str, url: str) -> str:
    try:
        return urljoin(base, url)
    except ValueError:
        raise ApiError("The answer names a next page that is no URL.") from None


def _origin(url: SplitResult) -> tuple[str, str | None, int | None, str | None]:
    try:
        return url.scheme, url.hostname, url.port or {"https": 443, "http": 80}.get(url.scheme), url.username
    except ValueError:
        return url.scheme, None, None, None


def _onward(url: str, base: str) -> str:
    """The next page's URL as the vendor gave it, which must stay on the origin of the base."""
    here, there = urlsplit(base), urlsplit(url)
    if _origin(here) != _origin(there):
        raise ApiError("The answer's next page lies on another host; the connection's secrets are not sent there.")
    rest = f"{there.path}?{there.query}" if there.query else there.path
    return f"{here.scheme}://{here.netloc}{quote(rest, safe=_IN_URL)}"


def _url(base: str, made: Draft, given: bodies.Pairs) -> str:
    """The URL with what the connection gives to the query: once, even where a next page's URL repeats it."""
    url = f"{base}{made.path}"
    if made.next_url is not None:
        url = _onward(_joined(url, made.next_url), base)
    if given:
        head, _, query = url.partition("?")
        names = {name for name, _ in given}
        kept = [pair for pair in query.split("&") if unquote_plus(pair.partition("=")[0]) not in names]
        url = f"{head}?{'&'.join(kept)}" if any(kept) else head
    pairs = given if made.next_url is not None else bodies.merged(made.query, given)
    if not pairs:
        return url
    encoded = "&".join([f"{quote(name, safe='')}={quote(value, safe='*')}" for name, value in pairs])
    joint = "&" if "?" in url else "?"
    return f"{url}{joint}{encoded}"


def _accepts(made: Draft) -> str:
    return "application/json" if made.call.get("response_type", "json") == "json" else "*/*"


def _safe(grant: Grant, text: str) -> str:
    if not text or text[0] == " " or not (text.isascii() and text.isprintable()):
        raise AuthError(f"The connection's {grant.name} holds a character that no header can carry, or is empty.")
    return text
