"""Whose stored connections are, as events are matched with them, and their end when a user takes the consent back."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import inf
from typing import Self
from urllib.parse import quote, unquote

from ..definitions.connector import Connector
from ..stores.store import Store
from ..triggers.webhook import Notification
from . import scopes
from .connect import App, Record

logger = logging.getLogger("connector_runtime")


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """Whose a connection is: of which app (its client id) and account, for which users (None: for all of the account).

    `lacks` names what has to be known and is not, `dead` is why it has ended. Ids are compared as they are, addresses
    without regard to case.
    """

    tenant: str
    name: str
    app: str | None
    account: str | None
    user: str | None
    users: frozenset[str] | None
    lacks: tuple[str, ...]
    scopes: tuple[str, ...]
    tests: tuple[str, ...]  # the action that shows whose it is
    dead: str | None

    @classmethod
    def of(cls, connector: Connector, tenant: str, name: str, record: Record) -> Self:
        kind, have = connector.connections[record.kind], record.tokens.scopes
        level = kind.account_wide
        is_wide = scopes.is_of_level(connector, level, have) if isinstance(level, str) else level
        needed = {"account": record.account} if level is True else {"account": record.account, "user": record.user}
        return cls(
            tenant=tenant,
            name=name,
            app=App(kind, record.values, record.origin).sent("client").get("id"),
            account=record.account,
            user=None if level is True else record.user,
            users=None if is_wide else folded(text for text in (record.user, record.identity) if text),
            lacks=tuple(word for word, said in needed.items() if not said),
            scopes=have,
            tests=(str(kind.test["action"]),) if kind.test else (),
            dead=record.dead,
        )

    def is_meant(self, found: Notification) -> bool:
        """Whether it is the connection of the app, the account and the user that an event names."""
        of_user = self.user in found.users if self.user is not None else not self.lacks
        return (self.app, self.account) == (found.app, found.account) and of_user


def folded(texts: Iterable[str]) -> frozenset[str]:
    """Ids and addresses of users as they are compared."""
    return frozenset(text.casefold() if "@" in text else text for text in texts)


def owners(connector: Connector, store: Store, tenant: str | None = None) -> Iterator[tuple[str, Owner, Record]]:
    """The stored connections of a tenant, or of all: the key of each in the store, whose it is, and its record."""
    prefix = f"connections/{connector.key}/"
    for key, record, _ in store.rows(prefix if tenant is None else f"{prefix}{quote(tenant, safe='')}/", Record.read):
        if record.kind in connector.connections:
            whose, _, name = key.removeprefix(prefix).partition("/")
            yield key, Owner.of(connector, unquote(whose), unquote(name), record), record


def end(connector: Connector, store: Store, found: Notification, *, trusted: bool) -> list[Owner]:
    """End the connections, of all tenants, whose user has taken the consent back, as an event says; returns them.

    The event has to be signed by the app that it names; where it is not known who signed it, it counts if that is
    `trusted`. What was connected after the event is kept. An ended connection stays, dead and without its tokens.
    """
    if found.app is None or found.app != (found.sender or (found.app if trusted else None)):
        logger.warning("An event that ends connections was not signed by the app that it names; nothing is ended")
        return []
    until = inf if found.time is None else found.time.timestamp()
    why = f"The user has removed the app ({found.event})."

    def change(content: bytes | None) -> bytes | None:
        record = None if content is None else Record.read(content)
        if record is None or record.dead is not None or record.connected_at > until:
            return content
        return record.ended(why).write() if Owner.of(connector, "", "", record).is_meant(found) else content

    ended = []
    for key, owner, record in owners(connector, store):
        if owner.is_meant(found) and record.dead is None and record.connected_at <= until:
            store.update(key, change)
            ended.append(owner)
            logger.warning("The connection %s of %s has ended: %s", owner.name, owner.tenant, why)
    return ended
