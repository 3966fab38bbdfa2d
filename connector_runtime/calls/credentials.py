"""What a connection gives to requests: checked like the inputs of an action, laid out for requests to come. Pure."""

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
MOST_HEADS = 16  # merged headers that one connection remembers


def checked(about: Profile, given: Any) -> dict[str, str]:
    """The values by name, as text, for the kind of connection that takes them.

    Raises `InputError` with every problem at once.
    """
    if not isinstance(given, Mapping):
        raise InputError.of(Sentence("the client"), [Problem("connection", not_object(given))])
    given = {name: value.strip() if isinstance(value, str) else value for name, value in given.items()}  # as pasted
    names = {name for name, value in given.items() if value is not None}
    kind = connection_of(about, dict.fromkeys(names, ""))
    if kind is None:  # the one to which the fewest are strange, for its complaints
        kinds = about.connections
        kind = min(kinds, key=lambda kind: len(names - {grant.name for grant in kind.grants}), default=None)
    if kind is None:
        if not given:
            return {}
        what = Sentence("is given, but {label} needs no connection; leave it out", label=about.label)
        raise InputError.of(Sentence("the client"), [Problem("connection", what)])
    try:
        return filled(kind, _rows(about, kind), given)
    except InputError as error:
        found = [Problem(problem.where.replace("inputs", "connection", 1), problem.what) for problem in error.problems]
        raise InputError.of(subject(kind), found) from None


def subject(kind: Connection) -> str:
    """A connection of a kind, as messages call it."""
    return Sentence("the connection '{label}'", label=kind.label)


def filled(kind: Connection, rows: Iterable[Input], given: Mapping[str, Any]) -> dict[str, str]:
    """What was filled in for rows of a kind of connection, by name, as text. Raises `InputError`."""
    table = InputTable.of(subject(kind), kind.label, rows)
    return {name: places.text_of(value) for name, value in bind(CompiledInputs(table), given).values.items()}


def _rows(about: Profile, kind: Connection) -> Iterator[Input]:
    """The inputs that reach requests, and what the token response gives as if a person had typed it."""
    typed = {row.key: row for row in kind.inputs}
    for grant in kind.grants:
        label, type_ = grant.name.replace("_", " ").capitalize(), "secret" if grant.secret else "string"
        given = Input(grant.name, label, type_, to=grant.to, required=() if grant.required else None)
        row = typed.get(grant.name, given)
        for place in grant.to:
            allowed = about.base.get(place.path[0]) if place.kind == "base" else None
            if allowed is not None and allowed.pattern is not None:
                row = row._replace(schema={"pattern": f"^(?:{allowed.pattern})$", **row.schema})
        yield row


def refuse_values(kind: Connection | None, action: str, bound: Mapping[str, Any]) -> None:
    """Raise `InputError` for values that make no sense under this kind of connection."""
    found = []
    for name, said in kind.unsupported_values.items() if kind else ():
        if name in bound and str(bound[name]) in said:
            found.append(Problem(f"inputs.{name}", said[str(bound[name])]))
    if found:
        raise InputError.of(action, found)


@dataclass(slots=True)
class Credentials:
    """What every request under a connection has: the base of its URL, headers, and a part of its query."""

    granted: Mapping[str, str] = field(repr=False)
    base: str
    fixed: Headers  # the connector's own
    headers: Headers = field(repr=False)
    query: bodies.Pairs = field(repr=False)
    shown: bodies.Pairs  # the query with its secrets masked
    secrets: tuple[str, ...] = field(repr=False)
    heads: dict[tuple[str, str | None], Headers] = field(default_factory=dict, repr=False)

    def head(self, own: Iterable[tuple[str, str]], accepts: str, content_type: str | None) -> Headers:
        """The headers of a request: what HTTP needs, the connector's, the request's own, and the connection's last.

        Those of a request that has none of its own are kept in `heads`, up to a bound.
        """
        headers = [("Accept", accepts), ("Accept-Encoding", "gzip, deflate")]
        for more in (self.fixed, [("Content-Type", content_type)] if content_type else [], own, self.headers):
            headers = bodies.merged(headers, [*more], folded=True)
        head = tuple(headers)
        if not own and len(self.heads) < MOST_HEADS:  # each upload has a boundary of its own
            self.heads[accepts, content_type] = head
        return head


def lay_out(about: Profile, base_url: str | None, granted: Mapping[str, str] | None) -> Credentials:
    """What a connection gives, as requests carry it; for None with its secrets masked, as previews show it.

    Raises `AuthError` if it can't be sent, or would lead to a host that is not the vendor's.
    """
    kind = connection_of(about, granted)
    if kind is None and granted:
        names = tuple(sorted(granted))
        raise AuthError(Sentence("The connection gives {names}, which no kind of connection here gives.", names=names))
    headers: bodies.Pairs = []
    query: bodies.Pairs = []
    shown: bodies.Pairs = []
    basic: dict[str, str] = {}
    secrets: list[str] = []
    grants = kind.grants if kind else ()
    given = {grant.name: MASK for grant in grants if grant.required} if granted is None else granted
    for grant in (grant for grant in grants if grant.name in given):
        text = given[grant.name]
        if grant.secret and not text.strip():
            raise AuthError(Sentence("'{name}' of the connection is empty.", name=grant.name))
        if grant.secret:
            secrets.append(text)
        written = places.text_of(codecs.encode(grant.codecs, text))
        for place in grant.to:
            if place.kind == "header":
                if not written or not re.search(HEADER_VALUE, written):
                    raise AuthError(Sentence("'{name}' of the connection cannot be sent in a header.", name=grant.name))
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
    base = base_url.rstrip("/") if base_url else _base(about, granted)
    return Credentials(given, base, tuple(about.headers.items()), tuple(headers), query, shown, tuple(secrets))


def connection_of(about: Profile, granted: Mapping[str, str] | None) -> Connection | None:
    """The kind of connection that gives these values, with the least missing; the first, if nothing is known of it."""
    if granted is None:
        return next(iter(about.connections), None)
    names = granted.keys()
    able = [kind for kind in about.connections if names <= kind.gives]
    whole = [kind for kind in able if kind.needs <= names]
    return whole[0] if whole else min(able, key=lambda kind: len(kind.needs - names), default=None)


def _base(about: Profile, granted: Mapping[str, str] | None) -> str:
    """The base URL with its braces filled in: https, to one of the hosts or below it, if there are any."""
    base = about.base_url
    for name, allowed in about.base.items():
        value = (granted or {}).get(name) or allowed.default
        if value is None:
            if granted is None:
                continue  # a preview without a connection shows the brace
            raise AuthError(Sentence("The connection lacks '{name}', which the address needs.", name=name))
        if allowed.pattern is not None and not re.fullmatch(allowed.pattern, value):
            raise AuthError(Sentence("'{name}' of the connection has the wrong format.", name=name))
        base = base.replace(f"{{{name}}}", value.rstrip("/"))
    names = about.hosts
    if granted is not None and names:
        parts = hosts.parts(base)
        is_theirs = hosts.is_within(parts.hostname, names)
        if parts.scheme != "https" or not is_theirs or parts.username is not None:
            slots = {"host": parts.hostname, "hosts": tuple(names)}
            raise AuthError(Sentence("The connection leads to {host}, which is not one of {hosts}.", **slots))
    return base


def check_base_url(text: str) -> None:
    """A base URL that the platform sets: https, or http on this machine. Raises `InputError`."""
    parts = hosts.parts(text)
    if parts.scheme not in ("https", "http") or not parts.hostname or parts.username or parts.query or parts.fragment:
        what = Sentence("must be a URL such as https://api.example.com/v2, without user, query or fragment")
    elif parts.scheme == "http" and not hosts.is_loopback(parts.hostname):
        what = Sentence("must be https: the token would cross the network unencrypted")
    else:
        return
    raise InputError.of(Sentence("the client"), [Problem("base_url", what)])
