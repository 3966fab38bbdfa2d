"""Writes the HTTP request of a call. Pure, so equal values always produce equal bytes.

`draft` puts the values into their places, and `finish` adds the credentials and writes URL, headers and body. In
between, paging changes one place of the draft for each page.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple
from urllib.parse import quote, unquote_plus, urljoin, urlsplit

from ..errors import ApiError, InputError, Problem
from ..inputs.values import json_problems
from ..language import expressions, hosts
from ..language.codecs import writer
from ..language.places import text_of
from ..model import BODILESS, READS, ActionSpec, Json, Place, Request
from ..sentences import Sentence
from . import bodies
from .credentials import Credentials

NO_PLACE = (None, None)
Write = Callable[[Any], Any]  # converts a value to the form that is sent
_IN_URL = "/?%:@!$&'()*+,;=~-._[]"


@dataclass(slots=True, repr=False)
class RequestDraft:
    """An unfinished request. `written` holds the encoded values by input."""

    method: str
    template: str
    path: str
    query: list[tuple[str, str]] = field(default_factory=list)
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: Json = None
    encode: str = "json"
    parts: list[bodies.FormPart] = field(default_factory=list)
    call: dict[str, Json] = field(default_factory=dict)
    next_query: str | None = None  # the query of the next page's URL, which replaces `query`
    written: Mapping[str, Json] = field(default_factory=dict)

    def with_value(self, place: Place | None, value: Json) -> RequestDraft:
        """Return a copy with a new value at one place or, without a place, with a new query."""
        if place is None:
            return replace(self, next_query=text_of(value))
        if place.kind == "query":
            others = [pair for pair in self.query if pair[0] != place.path[0]]
            return replace(self, query=[*others, (place.path[0], text_of(value))])
        changed = replace(self, body=copy.deepcopy(self.body or {}) if place.kind == "body" else self.body)
        _put(changed, changed.body, place, value)
        return changed


def effect_of(spec: ActionSpec, method: str) -> str:
    """Return a run's effect: `read`, `create`, `update` or `delete`; if none is declared, the method decides."""
    if spec.effect is not None:
        return spec.effect
    return "read" if method in READS else {"POST": "create", "DELETE": "delete"}.get(method, "update")


def key_place(spec: ActionSpec, draft: RequestDraft) -> Place | None:
    """Return the place for a create's idempotency key, or None if it needs no key or an input already sets one."""
    place = spec.profile.idempotency
    if place is None or effect_of(spec, draft.method) != "create":
        return None
    is_set = place.kind == "header" and any(name.lower() == place.path[0].lower() for name, _ in draft.headers)
    return None if is_set else place


class Layout(NamedTuple):
    """The places of an action's inputs, computed once per action."""

    places: Mapping[str, tuple[Place | None, Write | None]]
    computed: tuple[tuple[Place, expressions.Expression], ...]
    spreads: bool  # True if any place spreads a map; spread maps go first, so other inputs override them
    has_body: bool


def layout_of(spec: ActionSpec) -> Layout:
    computed = tuple((place, expressions.expression(source)) for place, source in spec.compute.items())
    rows = [row for row in spec.inputs.values() if row.to]
    targets = [row.to[0] for row in rows]
    lists = {row.key for row in rows if row.collection is not None or row.type in ("json", "any")}
    places = {row.key: (row.to[0], writer(row.codecs, lists=row.key in lists)) for row in rows}
    spreads = any(place.spread for place in (*targets, *(place for place, _ in computed)))
    return Layout(places, computed, spreads, spec.body is not None or any(place.kind == "body" for place in targets))


def draft(
    spec: ActionSpec,
    values: Mapping[str, Any],
    layout: Layout | None = None,
    extra: Sequence[tuple[Place, Any]] = (),
) -> RequestDraft:
    """Return the draft of a request with the bound values, and those of `extra`, in their places."""
    layout = layout or layout_of(spec)
    written: dict[str, Any] = {}
    placed: list[tuple[Place, Any]] = []
    for key, value in values.items():
        place, write = layout.places.get(key, NO_PLACE)
        written[key] = value = value if write is None else write(value)
        if place is not None:
            placed.append((place, value))
    for place, source in layout.computed:
        if all(name in values for name in source.names):
            placed.append((place, _computed(spec, place, source, values)))
    if layout.spreads:
        placed.sort(key=lambda entry: not entry[0].spread)
    query, headers = [(name, text_of(value)) for name, value in spec.query.items()], [*spec.headers.items()]
    method, path, encode = spec.method or "GET", spec.path, spec.encode
    result = RequestDraft(method, path, path, query, headers, encode=encode, written=written)
    tree: dict[str, Any] = copy.deepcopy(spec.body) if spec.body else {}
    for place, value in (*placed, *extra):
        _put(result, tree, place, value)
    if tree or (layout.has_body and result.method not in BODILESS):
        result.body = tree
    if result.call.get("file_names"):
        result.parts = bodies.renamed(result.parts, dict(result.call.pop("file_names")))
    return result


def _computed(spec: ActionSpec, place: Place, source: expressions.Expression, values: Mapping[str, Any]) -> Json:
    """Return a computed value. Raises `InputError` if the definition's expression fails or its result is not JSON."""
    names = ", ".join(sorted(source.names))
    try:
        value = source.value(values)
        problem = next(json_problems(value, str(place), 1), None)
        what = problem and problem.what
    except Exception as error:  # an author's expression can fail in any way on unexpected data
        what = Sentence("cannot be computed from {names}: {error}", names=names, error=str(error))
    if what:
        raise InputError.of(spec.key, [Problem(f"inputs.{min(source.names)}", what)])
    return value


def _put(draft: RequestDraft, tree: dict[str, Any], place: Place, value: Any) -> None:
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
        draft.path = draft.path.replace(f"{{{name}}}", quote(value if type(value) is str else text_of(value), safe=""))
    elif kind == "query":
        draft.query = bodies.merged(draft.query, bodies.pairs(place, value))
    elif kind == "header":
        draft.headers = bodies.merged(draft.headers, bodies.pairs(place, value), folded=True)
    elif kind == "part":
        draft.parts += [bodies.part(part, item) for part, item in (value if spread else [(name, value)])]
    elif kind == "call":
        draft.call[name] = value
    elif name == "body":  # the place is the whole body, the method or the path
        draft.body = value
    elif name == "method":
        draft.method = value
    else:
        draft.path = quote(value, safe=_IN_URL)
        draft.template = "(raw)"


def next_query(draft: RequestDraft, credentials: Credentials, url: str) -> str:
    """Return the query of a next-page URL, without the parameters that the connection adds.

    The path is ignored: vendors may write it differently, and a forged cursor must not redirect the read elsewhere.
    Raises `ApiError` for a URL on another host, or with another path and no query.
    """
    list_url = f"{credentials.base}{draft.path}"
    try:
        base, target = urlsplit(credentials.base), urlsplit(urljoin(list_url, url))
        is_same_host = hosts.origin(base) == hosts.origin(target) and base.username == target.username
    except ValueError:
        raise ApiError(Sentence("The response points to a next page that is not a URL.")) from None
    if not is_same_host:
        raise ApiError(Sentence("The next page is on another host, where the connection's secrets are not sent."))
    if not target.query and target.path != urlsplit(list_url).path:
        raise ApiError(Sentence("The next page's path differs from the path of its list."))
    return _without(target.query, credentials.query)


def _without(query: str, pairs: bodies.Pairs) -> str:
    names = {name for name, _ in pairs}
    return "&".join(pair for pair in query.split("&") if unquote_plus(pair.partition("=")[0]) not in names)


def finish(draft: RequestDraft, credentials: Credentials) -> Request:
    """Return the complete request."""
    content, body, content_type = bodies.written(draft.body, draft.parts, draft.encode, draft.headers)
    accepts = "application/json" if draft.call.get("response_type", "json") == "json" else "*/*"
    headers = None if draft.headers else credentials.heads.get((accepts, content_type))
    if headers is None:
        headers = credentials.head(draft.headers, accepts, content_type)
    shown = _url(draft, credentials.base, credentials.shown)
    url = shown if credentials.query == credentials.shown else _url(draft, credentials.base, credentials.query)
    return Request(draft.method, draft.template, shown, url, headers, content, body, draft.call)


def _url(draft: RequestDraft, base: str, added: bodies.Pairs) -> str:
    """Return the URL. The connection's query parameters occur once, even if a path or a cursor repeats them."""
    head, _, query = f"{base}{draft.path}".partition("?")
    pairs = bodies.merged(draft.query, added) if added else draft.query
    if draft.next_query is not None:
        query, pairs = quote(draft.next_query, safe=_IN_URL), added
    encoded = [f"{quote(name, safe='')}={quote(value, safe='*')}" for name, value in pairs]
    if query:
        encoded.insert(0, _without(query, added) if added else query)
    return f"{head}?{'&'.join(filter(None, encoded))}" if encoded else head
