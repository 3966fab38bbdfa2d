"""The values of a connection, checked like inputs and compiled once into parts of requests. Pure."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import AuthError, InputError, Problem
from ..inputs.bind import CompiledInputs, bind, not_object
from ..language import codecs, hosts, places
from ..language.patterns import HEADER_VALUE
from ..language.secrets import MASK
from ..model import Connection, Input, InputTable, Profile
from ..sentences import Sentence
from . import bodies

Headers = tuple[tuple[str, str], ...]
MAX_HEADS = 16  # merged header sets in a connection's cache


def checked(profile: Profile, values: Any) -> dict[str, str]:
    """Check a connection's values against its kind; return strings by name. Raises `InputError` with every problem."""
    if not isinstance(values, Mapping):
        raise InputError.of(Sentence("the client"), [Problem("connection", not_object(values))])
    values = {name: value.strip() if isinstance(value, str) else value for name, value in values.items()}  # pasted
    names = {name for name, value in values.items() if value is not None}
    kind = connection_of(profile, dict.fromkeys(names, ""))
    if kind is None:  # report problems for the kind with the fewest unknown names
        kinds = profile.connections
        kind = min(kinds, key=lambda kind: len(names - {grant.name for grant in kind.grants}), default=None)
    if kind is None:
        if not values:
            return {}
        what = Sentence("is given, but {label} needs no connection; leave it out", label=profile.label)
        raise InputError.of(Sentence("the client"), [Problem("connection", what)])
    try:
        return filled(kind, _rows(profile, kind), values)
    except InputError as error:
        problems = [p.replace(where=p.where.replace("inputs", "connection", 1)) for p in error.problems]
        raise InputError.of(subject(kind), problems) from None


def subject(kind: Connection) -> str:
    """Return the name for this kind of connection in messages."""
    return Sentence("the connection '{label}'", label=kind.label)


def filled(kind: Connection, rows: Iterable[Input], entered: Mapping[str, Any]) -> dict[str, str]:
    """Check the values that a person entered for a kind of connection; return strings by name. Raises `InputError`."""
    table = InputTable.of(subject(kind), kind.label, rows)
    return {name: places.text_of(value) for name, value in bind(CompiledInputs(table), entered).values.items()}


def _rows(profile: Profile, kind: Connection) -> Iterator[Input]:
    """Yield a row for each value that requests use, whether a person enters it or the token endpoint returns it."""
    entered = {row.key: row for row in kind.inputs}
    for grant in kind.grants:
        label, type_ = grant.name.replace("_", " ").capitalize(), "secret" if grant.secret else "string"
        received = Input(grant.name, label, type_, to=grant.to, required=() if grant.required else None)
        row = entered.get(grant.name, received)
        for place in grant.to:
            allowed = profile.base.get(place.path[0]) if place.kind == "base" else None
            if allowed is not None and allowed.pattern is not None:
                row = row._replace(schema={"pattern": f"^(?:{allowed.pattern})$", **row.schema})
        yield row


def refuse_values(kind: Connection | None, action: str, bound: Mapping[str, Any]) -> None:
    """Raise `InputError` for input values that this kind of connection does not support."""
    problems = []
    for name, remedies in kind.unsupported_values.items() if kind else ():
        if name in bound and str(bound[name]) in remedies:
            problems.append(Problem(f"inputs.{name}", remedies[str(bound[name])]))
    if problems:
        raise InputError.of(action, problems)


@dataclass(slots=True)
class Credentials:
    """The parts that a connection adds to every request: base URL, headers and query parameters."""

    granted: Mapping[str, str] = field(repr=False)
    base: str
    fixed: Headers  # from the connector
    headers: Headers = field(repr=False)
    query: bodies.Pairs = field(repr=False)
    shown: bodies.Pairs  # the query with secrets masked
    secrets: tuple[str, ...] = field(repr=False)
    heads: dict[tuple[str, str | None], Headers] = field(default_factory=dict, repr=False)

    def head(self, own: Iterable[tuple[str, str]], accepts: str, content_type: str | None) -> Headers:
        """Return the headers: standard, the connector's, the request's (`own`), the connection's; the last one wins."""
        headers = [("Accept", accepts), ("Accept-Encoding", "gzip, deflate")]
        for pairs in (self.fixed, [("Content-Type", content_type)] if content_type else [], own, self.headers):
            headers = bodies.merged(headers, [*pairs], folded=True)
        head = tuple(headers)
        if not own and len(self.heads) < MAX_HEADS:  # the content type of an upload has a unique boundary
            self.heads[accepts, content_type] = head
        return head


def lay_out(profile: Profile, base_url: str | None, granted: Mapping[str, str] | None) -> Credentials:
    """Return what a connection adds to each request, with secrets masked for a preview (`granted` is None).

    Raises `AuthError` for values that cannot be sent, or that lead to a host other than the vendor's.
    """
    kind = connection_of(profile, granted)
    if kind is None and granted:
        raise AuthError(Sentence("No kind of connection here has values named {names}.", names=tuple(sorted(granted))))
    headers, query, shown = bodies.Pairs(), bodies.Pairs(), bodies.Pairs()
    basic, secrets = dict[str, str](), list[str]()
    grants = kind.grants if kind else ()
    values = {grant.name: MASK for grant in grants if grant.required} if granted is None else granted
    for grant in (grant for grant in grants if grant.name in values):
        text = values[grant.name]
        if grant.secret and not text.strip():
            raise AuthError(Sentence("The connection's '{name}' is empty.", name=grant.name))
        if grant.secret:
            secrets.append(text)
        written = places.text_of(codecs.encode(grant.codecs, text))
        for place in grant.to:
            if place.kind == "header":
                if not written or not re.search(HEADER_VALUE, written):
                    raise AuthError(Sentence("The connection's '{name}' cannot be sent in a header.", name=grant.name))
                headers = bodies.merged(headers, [(place.path[0], written)], folded=True)
            elif place.kind == "query":
                query.append((place.path[0], written))
                shown.append((place.path[0], MASK if grant.secret else written))
            elif place.kind == "basic":
                basic[place.path[0]] = written
    if basic:
        pair = f"{basic.get('user', '')}:{basic.get('password', '')}"
        token = MASK if granted is None else base64.b64encode(pair.encode()).decode()
        secrets.append(token)
        headers = bodies.merged(headers, [("Authorization", f"Basic {token}")], folded=True)
    base = base_url.rstrip("/") if base_url else _base(profile, granted)
    return Credentials(values, base, tuple(profile.headers.items()), tuple(headers), query, shown, tuple(secrets))


def connection_of(profile: Profile, granted: Mapping[str, str] | None) -> Connection | None:
    """Return the kind that has all these values and lacks the fewest others; for None, the first kind."""
    if granted is None:
        return next(iter(profile.connections), None)
    names = granted.keys()
    kinds = [kind for kind in profile.connections if names <= kind.gives]
    return min(kinds, key=lambda kind: len(kind.needs - names), default=None)


def _base(profile: Profile, granted: Mapping[str, str] | None) -> str:
    """Return the base URL with its braces filled in. If hosts are listed, it must use https and one of them."""
    base = profile.base_url
    for name, rule in profile.base.items():
        value = (granted or {}).get(name) or rule.default
        if value is None:
            if granted is None:
                continue  # previews without a connection show the brace
            raise AuthError(Sentence("The connection lacks '{name}', which the base URL needs.", name=name))
        if rule.pattern is not None and not re.fullmatch(rule.pattern, value):
            raise AuthError(Sentence("The connection's '{name}' is in the wrong format.", name=name))
        base = base.replace(f"{{{name}}}", value.rstrip("/"))
    names = profile.hosts
    if granted is not None and names:
        parts = hosts.parts(base)
        is_allowed = hosts.is_within(parts.hostname, names)
        if parts.scheme != "https" or not is_allowed or parts.username is not None:
            slots = {"host": parts.hostname, "hosts": tuple(names)}
            raise AuthError(Sentence("The connection leads to {host}, which is not one of {hosts}.", **slots))
    return base


def check_base_url(text: str) -> None:
    """Check a platform's base URL, which must use https, or http on this machine. Raises `InputError`."""
    parts = hosts.parts(text)
    if parts.scheme not in ("https", "http") or not parts.hostname or parts.username or parts.query or parts.fragment:
        what = Sentence("must be a URL such as https://api.example.com/v2, without user, query or fragment")
    elif parts.scheme == "http" and not hosts.is_loopback(parts.hostname):
        what = Sentence("must use https: otherwise the token would cross the network unencrypted")
    else:
        return
    raise InputError.of(Sentence("the client"), [Problem("base_url", what)])
