"""Values to the HTTP request that carries them. Pure: the same values always give the same bytes.

`draft` lays the values at their places; `finish` adds what the connection gives and writes URL, headers and body.
Between the two, a list's next page changes one place of the draft.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple
from urllib.parse import quote, unquote_plus, urljoin, urlsplit

from ..errors import ApiError
from ..language import expressions, hosts
from ..language.codecs import writer
from ..language.places import text_of
from ..model import ActionSpec, Json, Place, Request
from ..sentences import Sentence
from . import bodies
from .credentials import Credentials

NOWHERE = (None, None)
Write = Callable[[Any], Any]  # a value as it is sent
READS = ("GET", "HEAD", "OPTIONS")
_IN_URL = "/?%:@!$&'()*+,;=~-._[]"


@dataclass(slots=True, repr=False)
class RequestDraft:
    """A request in the making. `written` are the values as they are sent, by input."""

    method: str
    template: str
    path: str
    query: list[tuple[str, str]] = field(default_factory=list)
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: Json = None
    encode: str = "json"
    parts: list[bodies.FormPart] = field(default_factory=list)
    call: dict[str, Json] = field(default_factory=dict)
    next_query: str | None = None  # in place of the query, as a next page's URL had it
    written: Mapping[str, Json] = field(default_factory=dict)

    def with_value(self, place: Place | None, value: Json) -> RequestDraft:
        """The draft of the next page: one place has another value, or the whole query is the one given."""
        if place is None:
            return replace(self, next_query=text_of(value))
        if place.kind == "query":
            others = [pair for pair in self.query if pair[0] != place.path[0]]
            return replace(self, query=[*others, (place.path[0], text_of(value))])
        turned = replace(self, body=copy.deepcopy(self.body or {}) if place.kind == "body" else self.body)
        _lay(turned, turned.body, place, value)
        return turned


def effect_of(spec: ActionSpec, method: str) -> str:
    """What a run changes: `read`, `create`, `update` or `delete`; from the method where the method is an input."""
    if spec.effect is not None:
        return spec.effect
    return "read" if method in READS else {"POST": "create", "DELETE": "delete"}.get(method, "update")


def key_place(spec: ActionSpec, made: RequestDraft) -> Place | None:
    """Where a create carries its idempotency key; None if it needs none, or the inputs gave one."""
    place = spec.profile.idempotency
    if place is None or effect_of(spec, made.method) != "create":
        return None
    given = place.kind == "header" and any(name.lower() == place.path[0].lower() for name, _ in made.headers)
    return None if given else place


class Layout(NamedTuple):
    """Where the inputs of an action go, gathered once: a call then looks only at those that it is given."""

    places: Mapping[str, tuple[Place | None, Write | None]]
    computed: tuple[tuple[Place, expressions.Expression], ...]
    spreads: bool  # whether any place takes a map apart: named inputs are laid after those, so that they win
    has_body: bool


def layout(spec: ActionSpec) -> Layout:
    """The layout of an action."""
    computed = tuple((place, expressions.expression(source)) for place, source in spec.compute.items())
    rows = [row for row in spec.inputs.values() if row.to]
    taken = [row.to[0] for row in rows]
    lists = {row.key for row in rows if row.collection is not None or row.type in ("json", "any")}
    places = {row.key: (row.to[0], writer(row.codecs, lists=row.key in lists)) for row in rows}
    spreads = any(place.spread for place in (*taken, *(place for place, _ in computed)))
    return Layout(places, computed, spreads, spec.body is not None or any(place.kind == "body" for place in taken))


def draft(spec: ActionSpec, values: Mapping[str, Any], laid: Layout | None = None) -> RequestDraft:
    """Lay bound values at their places."""
    laid = laid or layout(spec)
    written: dict[str, Any] = {}
    placed: list[tuple[Place, Any]] = []
    for key, value in values.items():
        place, write = laid.places.get(key, NOWHERE)
        written[key] = value = value if write is None else write(value)
        if place is not None:
            placed.append((place, value))
    for place, source in laid.computed:
        if all(name in values for name in source.names):
            placed.append((place, source.value(values)))
    if laid.spreads:
        placed.sort(key=lambda entry: not entry[0].spread)
    query = [(name, text_of(value)) for name, value in spec.query.items()]
    made = RequestDraft(spec.method or "GET", spec.path, spec.path, query, [*spec.headers.items()], encode=spec.encode)
    made.written = written
    tree: dict[str, Any] = copy.deepcopy(spec.body) if spec.body else {}
    for place, value in placed:
        _lay(made, tree, place, value)
    if tree or (laid.has_body and made.method not in (*READS, "DELETE")):
        made.body = tree
    if made.call.get("file_names"):
        made.parts = bodies.renamed(made.parts, dict(made.call.pop("file_names")))
    return made


def _lay(made: RequestDraft, tree: dict[str, Any], place: Place, value: Any) -> None:
    kind, path, spread = place
    name = path[-1] if path else ""
    if kind == "body":
        for step in path if spread else path[:-1]:
            tree = tree.setdefault(step, {})
        if spread:
            tree.update(value)
        else:
            tree[name] = value
    elif kind == "path":
        made.path = made.path.replace(f"{{{name}}}", quote(value if type(value) is str else text_of(value), safe=""))
    elif kind == "query":
        made.query = bodies.merged(made.query, bodies.pairs(place, value))
    elif kind == "header":
        made.headers = bodies.merged(made.headers, bodies.pairs(place, value), folded=True)
    elif kind == "part":
        made.parts += [bodies.part(part, item) for part, item in (value if spread else [(name, value)])]
    elif kind == "call":
        made.call[name] = value
    elif name == "body":  # the rest is the request's own: body, method, path
        made.body = value
    elif name == "method":
        made.method = value
    else:
        made.path = quote(value, safe=_IN_URL)
        made.template = "(raw)"


def next_query(made: RequestDraft, credentials: Credentials, url: str) -> str:
    """The query of a next page's URL, without what the connection gives itself.

    Nothing else of the URL counts: a vendor may write another path than was asked, and a cursor that somebody made by
    hand must lead nowhere but on in its list. Raises `ApiError` for a URL on another host, or at another path only.
    """
    asked = f"{credentials.base}{made.path}"
    try:
        here, there = urlsplit(credentials.base), urlsplit(urljoin(asked, url))
        is_there = hosts.origin(here) == hosts.origin(there) and here.username == there.username
    except ValueError:
        raise ApiError(Sentence("The answer names a next page that is not a URL.")) from None
    if not is_there:
        raise ApiError(Sentence("The next page is on another host, where the connection's secrets are not sent."))
    if not there.query and there.path != urlsplit(asked).path:
        raise ApiError(Sentence("The next page is at another path than its list."))
    return _without(there.query, credentials.query)


def _without(query: str, given: bodies.Pairs) -> str:
    names = {name for name, _ in given}
    return "&".join(pair for pair in query.split("&") if unquote_plus(pair.partition("=")[0]) not in names)


def finish(made: RequestDraft, credentials: Credentials) -> Request:
    """The complete request."""
    content, body, content_type = bodies.written(made.body, made.parts, made.encode, made.headers)
    accepts = "application/json" if made.call.get("response_type", "json") == "json" else "*/*"
    headers = None if made.headers else credentials.heads.get((accepts, content_type))
    if headers is None:
        headers = credentials.head(made.headers, accepts, content_type)
    shown = _url(made, credentials.base, credentials.shown)
    url = shown if credentials.query == credentials.shown else _url(made, credentials.base, credentials.query)
    return Request(made.method, made.template, shown, url, headers, content, body, made.call)


def _url(made: RequestDraft, base: str, given: bodies.Pairs) -> str:
    """The URL with what the connection gives to the query: once, even where a path or a cursor repeats it."""
    head, _, query = f"{base}{made.path}".partition("?")
    pairs = bodies.merged(made.query, given) if given else made.query
    if made.next_query is not None:
        query, pairs = quote(made.next_query, safe=_IN_URL), given
    encoded = [f"{quote(name, safe='')}={quote(value, safe='*')}" for name, value in pairs]
    if query:
        encoded.insert(0, _without(query, given) if given else query)
    return f"{head}?{'&'.join(filter(None, encoded))}" if encoded else head
