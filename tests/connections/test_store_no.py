"""Each no of a store as the whole error: what cannot be done, what to do, and whether to try again."""

from __future__ import annotations

import logging
import os
import sqlite3
import sys
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet
from told import told

from connector_runtime.errors import StoreError
from connector_runtime.stores import databases
from connector_runtime.stores.databases import Sealed, Sqlite, open_store, open_vault, read_keys
from connector_runtime.stores.store import Lease, MemoryStore, key_part

GONE = "Check the database and its URL, then try again."


def whole(message: str, hint: str | None, retriable: bool = False) -> dict[str, Any]:
    return {"kind": "store", "message": message, "hint": hint, "problems": [], "retriable": retriable}


@pytest.mark.parametrize(
    ("name", "what", "hint", "retriable"),
    [
        (
            "SQLITE_BUSY_SNAPSHOT",
            "is locked by another program",
            "Close other programs that use the file, then try again.",
            True,
        ),
        (
            "SQLITE_LOCKED",
            "is locked by another program",
            "Close other programs that use the file, then try again.",
            True,
        ),
        ("SQLITE_READONLY", "is read-only", "Give this user write access to the file and its folder.", False),
        ("SQLITE_FULL", "can't grow: the disk is full", "Free some disk space; nothing stored is lost.", False),
        ("SQLITE_CORRUPT", "is damaged", "Restore it from a backup, or move it away and connect again.", False),
        ("SQLITE_NOTADB", "is not a SQLite file", "Move it away and connect again, or choose another path.", False),
        ("SQLITE_CANTOPEN", "can't be opened", "Choose a path that you can write to.", False),
        (
            "SQLITE_IOERR_READ",
            "can't be read or written: the disk reports an error",
            "Check the disk, then try again.",
            False,
        ),
        ("SQLITE_MISMATCH", "failed (odd)", None, False),
        ("", "failed (odd)", None, False),
    ],
)
def test_what_sqlite_refuses_says_what_to_do(
    tmp_path: Path, name: str, what: str, hint: str | None, retriable: bool
) -> None:
    store = Sqlite(tmp_path / "s.db")

    class Refusing:
        def execute(self, sql: str, values: Any) -> None:
            error = sqlite3.OperationalError("odd")
            if name:
                error.sqlite_errorname = name
            raise error

    try:
        refused = told(lambda: store.run(Refusing(), "SELECT 1", ()))
    finally:
        store.close()
    assert refused == whole(f"The store {tmp_path / 's.db'} {what}.", hint, retriable)


def test_an_address_that_leads_to_no_store_says_what_to_give(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known = "Use sqlite:///path/to/file, postgresql://user@host/database or memory://."
    assert told(lambda: open_store("mysql://x")) == whole("The store's URL is not supported.", known)
    (tmp_path / "file").touch()
    below = tmp_path / "file" / "store.db"
    refused = told(lambda: open_store(f"sqlite:///{below}"))
    reasons = [f"The store {below} can't be opened ({reason})." for reason in ("File exists", "Not a directory")]
    assert refused["message"] in reasons
    assert refused == whole(refused["message"], "Choose a path that you can write to.")
    refused = told(lambda: open_store("postgresql://user@127.0.0.1:1/db"))
    assert refused == whole("The PostgreSQL store can't be reached (OperationalError).", GONE, True)
    monkeypatch.setitem(sys.modules, "psycopg", None)
    needs = whole("A PostgreSQL store needs psycopg.", "Install it: pip install 'psycopg[binary]'.")
    assert told(lambda: open_store("postgresql://user@127.0.0.1:1/db")) == needs


def test_a_key_that_does_not_fit_says_what_to_give(tmp_path: Path) -> None:
    make = "python -c 'from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())'"
    hint = f"A key is 32 bytes in URL-safe base64. Create one: {make}"
    for keys in ([], ["short"], [Fernet.generate_key().decode(), "short"]):
        assert told(lambda: Sealed(MemoryStore(), keys)) == whole("The store's key is not a Fernet key.", hint)  # noqa: B023
    inner, key = MemoryStore(), Fernet.generate_key().decode()
    Sealed(inner, [key]).put("a", b"1", None)
    other = whole(
        "The store is encrypted with another key.",
        "Use the key that encrypted it. If that is lost, delete the store and connect again.",
    )
    stranger = Sealed(inner, [Fernet.generate_key().decode()])
    assert told(lambda: stranger.read("a")) == told(lambda: stranger.put("b", b"1", None)) == other
    moved = inner.read("a")
    assert moved is not None
    inner.put("b", moved.value, None)
    assert told(lambda: Sealed(inner, [key]).read("b")) == whole(
        "The store's entry b was copied from another entry.", "Restore it from a backup."
    )
    inner.put("c", b"odd", None)
    assert told(lambda: Sealed(inner, [key]).read("c")) == whole(
        "The store's entry c is damaged.", "Restore it from a backup, or create it again."
    )


@pytest.mark.skipif(os.name != "posix", reason="file modes: this system has none")
def test_a_key_file_that_cannot_be_used_says_why(tmp_path: Path) -> None:
    path = tmp_path / "store.key"
    read_keys(path)
    for mode in (0o640, 0o604, 0o610, 0o601):
        path.chmod(mode)
        open_to = whole(f"Other users can read the key file {path}.", f"Restrict it: chmod 600 {path}")
        assert told(lambda: read_keys(path)) == open_to
    path.chmod(0o600)
    one, two = read_keys(path)[0], Fernet.generate_key().decode()
    path.write_text(f"{two},\n{one}\n")
    assert read_keys(path) == [two, one]
    refused = told(lambda: read_keys(path / "deeper"))
    assert refused["message"].startswith(f"The key file {path / 'deeper'} can't be used (")
    hint = "Give this user access to it, or set the key in the environment."
    assert refused == whole(refused["message"], hint)
    vault = open_vault("app", "memory://", f"{one}, {two}")
    vault.put("a", b"1", None)
    assert vault.rekey() == 1 and repr(vault) == "Sealed(MemoryStore)"


def test_an_entry_that_keeps_changing_is_given_up_after_so_many_tries() -> None:
    class Busy(MemoryStore):
        asked = 0

        def put(self, key: str, value: bytes | None, version: int | None) -> int | None:
            self.asked += 1
            return None

    store = Busy()
    contended = whole("The store's entry a keeps changing.", "Try again.", True)
    assert told(lambda: store.update("a", lambda old: b"1", tries=3)) == contended
    assert store.asked == 3


def test_a_name_that_fits_no_key_is_an_input_that_is_wrong() -> None:
    what = "must be 1 to 200 characters when URL-encoded, without control characters"
    problem = {"where": "name", "what": f"{what}; a non-ASCII letter counts as six or more"}
    for name in ("", "a" * 201, "é" * 34, "a\nb", "a\x7f", "\ud800"):
        assert told(lambda: key_part("name", name)) == {  # noqa: B023
            "kind": "input",
            "message": "One problem with the inputs of the store:",
            "hint": None,
            "problems": [problem],
            "retriable": False,
        }
    assert key_part("name", "a" * 200) == "a" * 200 and key_part("name", "a/b é") == "a%2Fb%20%C3%A9"


def test_a_key_is_a_text_that_every_store_can_keep() -> None:
    store = MemoryStore()
    wrong = whole("A store key must be a string of 1 to 500 characters without NUL.", None)
    for key in ("", "x" * 501, "a\0b", "\U0010ffffa"):
        assert told(lambda: store.put(key, b"1", None)) == told(lambda: store.lease(key, 1)) == wrong  # noqa: B023
    assert store.put("x" * 500, b"1", None) is not None


def test_what_cannot_be_read_lies_elsewhere_and_the_log_says_where(caplog: pytest.LogCaptureFixture) -> None:
    store = MemoryStore()
    for number in range(5):
        store.put(f"n/{number}", b"odd" if number == 2 else str(number).encode(), None)
    assert [value for _, value, _ in store.rows("n/", int)] == [0, 1, 3, 4]
    assert [(record.levelno, record.getMessage()) for record in caplog.records] == [
        (logging.ERROR, "The store's entry n/2 is damaged and was moved to damaged/n/2.")
    ]
    damaged = whole("The store's entry n/2 is damaged.", "Restore it from a backup, or create it again.")
    assert told(lambda: store.value("n/2", int)) == damaged
    assert store.value("n/9", int) is None and store.value("n/1", int) == (1, store.read("n/1"))
    assert [value for _, value, _ in store.rows("n/", int, limit=2)] == [0, 1]
    assert [value for _, value, _ in store.rows("n/", int, "n/1")] == [3, 4]
    moved = store.read("damaged/n/2")
    assert moved is not None and moved.value == b"odd"
    store.set_aside("damaged/n/2", moved)
    assert store.read("damaged/n/2") == moved


def test_a_lease_that_cannot_be_given_back_ends_by_itself() -> None:
    def fails() -> None:
        raise StoreError("away")

    with Lease(fails):
        pass
    store = MemoryStore()
    first = store.lease("a", 0.0)
    second = store.lease("a", 60.0)
    assert first is not None and second is not None and store.lease("a", 60.0) is None
    first.release()  # it is not its any more
    assert store.lease("a", 60.0) is None
    second.release()
    assert store.lease("a", 60.0) is not None


def test_how_long_a_database_is_waited_for() -> None:
    """A statement of PostgreSQL ends by itself before it is left."""
    assert (databases.BUSY_TIMEOUT, databases.STATEMENT_TIMEOUT) == (
        5,
        10,
    ) and databases.STATEMENT_TIMEOUT < databases.SILENCE_TIMEOUT


def test_a_file_may_have_the_shortest_name_and_lie_where_one_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for url in ("sqlite:///a", f"sqlite:///{tmp_path}/b"):
        open_store(url).close()
    assert {path.name for path in tmp_path.iterdir()} >= {"a", "b"}
    assert told(lambda: open_store("sqlite:///"))["message"] == "The store's URL is not supported."


def test_a_page_of_a_sealed_store_is_full_though_its_mark_lies_in_between() -> None:
    inner = MemoryStore()
    sealed = Sealed(inner, [Fernet.generate_key().decode()])
    for key in ("a", "b", "t", "u"):
        sealed.put(key, key.encode(), None)
    assert [key for key, _ in inner.scan("")] == ["a", "b", "seal", "t", "u"]
    for limit in range(1, 6):
        assert [key for key, _ in sealed.scan("", limit=limit)] == ["a", "b", "t", "u"][:limit]
    assert [key for key, _ in sealed.scan("", after="b", limit=1)] == ["t"]
    assert [key for key, _ in sealed.walk("")] == ["a", "b", "t", "u"]


def test_a_path_that_no_file_system_has_is_told_with_its_reason() -> None:
    with pytest.raises(StoreError, match=r"can't be opened \(embedded null byte\)"):
        open_store("sqlite:////tmp/a\0b/store.db")
