"""The owners of stored connections, for matching events and for ending connections when consent is withdrawn."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from math import inf
from typing import NamedTuple, Self
from urllib.parse import unquote

from ..definitions.connector import Connector
from ..stores.store import Store, key_part
from ..triggers.webhook import Notification
from . import scopes
from .oauth_requests import App, ConnectionRecord

logger = logging.getLogger("connector_runtime")


class Owner(NamedTuple):
    """The app (a client id), account and users of a connection; `users` is None if it covers the whole account.

    `why` is the reason why it cannot receive events, or None. Email addresses are compared without case, ids exactly.
    """

    tenant: str
    name: str
    app: str | None
    account: str | None
    user: str | None
    users: frozenset[str] | None
    why: str | None

    @classmethod
    def of(cls, connector: Connector, tenant: str, name: str, record: ConnectionRecord) -> Self:
        kind, user = connector.connections[record.kind], record.user
        level = kind.account_wide
        if isinstance(level, str):  # an unknown user could not withdraw consent
            level = bool(user) and scopes.is_of_level(connector, level, record.tokens.scopes)
        users = None if level else comparable(text for text in (user, record.identity) if text)
        client = App(kind, record.values, record.origin).sent("client").get("id")
        needed = {"account": record.account, **({} if kind.account_wide is True else {"user": user})}
        why, unknown = None, [word for word, text in needed.items() if not text]
        if record.dead is not None:
            why = f"has ended ({record.dead.rstrip('.')}); reconnect it"
        elif client is None:
            why = "is of a kind without a client ID, so its app's events cannot be recognised"
        elif unknown:
            tests = [str(kind.test["action"])] if kind.test else []
            missing = scopes.missing(connector, tests, record.tokens.scopes) if tests else {}
            add = " and ".join(scope for names in missing.values() for scope in names)
            remedy = f"add the scope {add} to the app, reconnect, and test it" if add else "test it once"
            why = f"has no known {' or '.join(unknown)}, so its events cannot be recognised; {remedy}"
        return cls(tenant, name, client, record.account, user, users, why)

    def is_meant(self, event: Notification) -> bool:
        """Return whether an event names the app, account and user of this connection."""
        is_user = self.user in event.users if self.user else self.users is None
        return (self.app, self.account) == (event.app, event.account) and is_user


def comparable(texts: Iterable[str]) -> frozenset[str]:
    """Return users' ids and email addresses in comparable form."""
    return frozenset(text.casefold() if "@" in text else text for text in texts)


def owners(
    connector: Connector, store: Store, tenant: str | None = None
) -> Iterator[tuple[str, Owner, ConnectionRecord]]:
    """Yield the store key, owner and record of each connection of a tenant, or of all tenants."""
    prefix = f"connections/{connector.key}/"
    own = "" if tenant is None else f"{key_part('tenant', tenant)}/"
    for key, record, _ in store.rows(prefix + own, ConnectionRecord.read):
        if record.kind in connector.connections:
            part, _, name = key.removeprefix(prefix).partition("/")
            yield key, Owner.of(connector, unquote(part), unquote(name), record), record


def end(connector: Connector, store: Store, event: Notification, *, trusted: bool) -> list[Owner]:
    """End all tenants' connections of the user who, according to an event, has withdrawn consent; return the owners.

    The event must be signed by the app that it names; if its signer is unknown, it must be `trusted`. Connections made
    after the event are unaffected. An ended connection remains in the store, dead and without tokens.
    """
    if event.app is None or event.app != (event.sender or (event.app if trusted else None)):
        logger.warning("An event that ends connections was not signed by the app that it names; no connection is ended")
        return []
    until = inf if event.time is None else event.time.timestamp()
    why = f"The user has removed the app ({event.event})."

    def change(content: bytes | None) -> bytes | None:
        record = None if content is None else ConnectionRecord.read(content)
        if record is None or record.dead is not None or record.connected_at > until:
            return content
        return record.ended(why).write() if Owner.of(connector, "", "", record).is_meant(event) else content

    ended = []
    for key, owner, record in owners(connector, store):
        if owner.is_meant(event) and record.dead is None and record.connected_at <= until:
            store.update(key, change)
            ended.append(owner)
            logger.warning("The connection %s of %s has ended: %s", owner.name, owner.tenant, why)
    return ended
