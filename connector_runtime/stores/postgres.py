"""PostgreSQL as a store, for several machines. Knows only how it connects and fails; `store` says the rest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..errors import StoreError
from .database import TABLES, Lost

PATIENCE = 10  # seconds for a connection or a statement


class Postgres:
    """A database that several machines share; needs psycopg."""

    now = "extract(epoch from clock_timestamp())"

    def __init__(self, url: str) -> None:
        try:
            import psycopg
        except ImportError:
            hint = "Install it: pip install 'psycopg[binary]'."
            raise StoreError("A store in PostgreSQL needs psycopg.", hint=hint) from None
        self._url = url
        self._psycopg = psycopg

    def connect(self) -> Any:
        try:
            connection = self._psycopg.connect(self._url, autocommit=True, connect_timeout=PATIENCE)
        except self._psycopg.Error as error:
            raise self._failed("can't be reached", error, retriable=True) from None
        try:
            connection.execute(f"SET statement_timeout = {PATIENCE * 1000}")
            there = connection.execute("SELECT to_regclass('entries') || '', to_regclass('leases') || ''").fetchone()
            if there is None or None in there:  # several may start at once, which IF NOT EXISTS alone does not survive
                with connection.transaction():
                    connection.execute("SELECT pg_advisory_xact_lock(727175)")
                    for table in TABLES:
                        connection.execute(table.format(text='TEXT COLLATE "C"', bytes="BYTEA"))
        except self._psycopg.Error as error:
            connection.close()
            raise self._failed("can't be used", error) from None
        return connection

    def run(self, connection: Any, sql: str, values: Sequence[Any]) -> tuple[list[Any], int]:
        try:
            cursor = connection.execute(sql.replace("?", "%s"), values)
            return cursor.fetchall() if cursor.description else [], cursor.rowcount
        except self._psycopg.Error as error:
            if connection.closed:
                raise Lost() from None
            code = getattr(error, "sqlstate", None) or ""
            if code in ("25006", "42501"):
                raise self._failed("may only be read", error) from None
            if code.startswith("53"):
                raise self._failed("is full", error) from None
            raise self._failed("failed", error, retriable=code in ("57014", "55P03", "40P01", "40001")) from None

    def _failed(self, what: str, error: Exception, retriable: bool = False) -> StoreError:
        reason = getattr(getattr(error, "diag", None), "message_primary", None)
        return StoreError(
            f"The PostgreSQL store {what} ({reason or type(error).__name__}).",  # its full text can quote the address
            hint="Look after the database and its address, then try again.",
            retriable=retriable,
        )
