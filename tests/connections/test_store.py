"""Stores keep what they are given, let only one be first, and say clearly what is wrong with them."""

from __future__ import annotations

import os
import signal
import socket
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit

import pytest

from connector_runtime.errors import StoreError
from connector_runtime.stores.databases import STATEMENT_TIMEOUT, ConnectionLost, Postgres, Sqlite, open_store
from connector_runtime.stores.store import Entry, Store

Open = Callable[[str], Store]


def test_what_is_put_is_read_and_a_key_that_is_absent_is_none(store: Store) -> None:
    assert store.read("a/1") is None
    version = store.put("a/1", b"\x00one\xff", None)
    assert version is not None
    assert store.read("a/1") == Entry(b"\x00one\xff", version)


def test_only_who_read_the_last_version_can_write(store: Store) -> None:
    first = store.put("a/1", b"one", None)
    assert store.put("a/1", b"other", None) is None
    second = store.put("a/1", b"two", first)
    assert second is not None
    assert store.put("a/1", b"late", first) is None
    assert store.put("a/1", None, first) is None
    assert store.read("a/1") == Entry(b"two", second)
    assert store.put("a/1", None, second) is not None
    assert store.read("a/1") is None
    assert store.put("a/1", b"three", second) is None


def test_under_a_key_that_no_store_can_have_there_is_nothing(store: Store) -> None:
    assert store.read("a/\ud800") is None and store.read("a/\0") is None


def test_an_update_reads_again_if_another_was_first(store: Store) -> None:
    seen: list[bytes | None] = []

    def change(old: bytes | None) -> bytes:
        seen.append(old)
        if len(seen) == 1:
            assert store.put("n", b"other", None) is not None
        return (old or b"") + b"+"

    entry = store.update("n", change)
    assert (seen, entry and entry.value) == ([None, b"other"], b"other+") and store.read("n") == entry


def test_to_delete_what_is_absent_is_a_change_if_it_still_is(store: Store) -> None:
    assert store.put("a/1", None, None) is not None and store.read("a/1") is None
    version = store.put("a/1", b"one", None)
    assert store.put("a/1", None, None) is None and store.read("a/1") == Entry(b"one", version or 0)


def test_a_key_made_anew_never_has_a_version_it_had_before(store: Store) -> None:
    old = store.put("a/1", b"one", None)
    store.put("a/1", None, old)
    new = store.put("a/1", b"one", None)
    assert new != old
    assert store.put("a/1", b"stale", old) is None


def test_a_scan_gives_a_prefix_in_order_page_by_page(store: Store) -> None:
    for key in ("a/é", "a/10", "a/2", "a", "b/1", "a/Z"):
        store.put(key, key.encode(), None)
    assert [key for key, _ in store.scan("a/")] == ["a/10", "a/2", "a/Z", "a/é"]
    assert [key for key, _ in store.scan("a/", limit=2)] == ["a/10", "a/2"]
    assert [key for key, _ in store.scan("a/", after="a/2", limit=2)] == ["a/Z", "a/é"]
    assert store.scan("c/") == []


def test_an_update_gives_the_entry_as_it_is_then_and_writes_nothing_where_nothing_changes(store: Store) -> None:
    made = store.update("a", lambda old: b"1" if old is None else None)
    assert made is not None
    assert made == store.read("a") == Entry(b"1", made.version)
    assert store.update("a", lambda old: old) == made
    changed = store.update("a", lambda old: (old or b"") + b"2")
    assert changed == store.read("a")
    assert changed is not None
    assert (changed.value, changed.version != made.version) == (b"12", True)
    assert store.update("a", lambda old: None) is None
    assert store.read("a") is None
    assert store.update("a", lambda old: None) is None


def test_a_lease_is_held_by_one_until_it_is_released_or_over(store: Store) -> None:
    lease = store.lease("x", 60)
    assert lease is not None
    assert store.lease("x", 60) is None
    assert store.lease("y", 60) is not None
    lease.release()
    short = store.lease("x", 0.05)
    assert short is not None
    time.sleep(0.1)
    next_one = store.lease("x", 60)
    assert next_one is not None
    short.release()  # too late: it is somebody else's now
    assert store.lease("x", 60) is None
    with next_one:
        pass
    assert store.lease("x", 60) is not None


def test_of_many_threads_that_count_none_is_lost(store: Store) -> None:
    store.put("n", b"0", None)

    def count() -> None:
        for _ in range(25):
            while True:
                entry = store.read("n")
                assert entry is not None
                if store.put("n", str(int(entry.value) + 1).encode(), entry.version) is not None:
                    break

    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(count) for _ in range(4)]:
            done.result()
    entry = store.read("n")
    assert entry is not None
    assert entry.value == b"100"


COUNT = """
import sys
from connector_runtime.stores.databases import open_store
store = open_store(sys.argv[1])
for _ in range(40):
    while True:
        with_lease = store.lease("turn", 30)
        if with_lease is not None:
            break
    with with_lease:
        entry = store.read("n")
        assert store.put("n", str(int(entry.value) + 1).encode(), entry.version) is not None, "the lease was not alone"
store.close()
"""


def test_of_many_processes_one_at_a_time_has_the_lease(shared_store_url: str, opened: Open) -> None:
    store = opened(shared_store_url)
    store.put("n", b"0", None)
    workers = [subprocess.Popen([sys.executable, "-c", COUNT, shared_store_url]) for _ in range(3)]
    assert [worker.wait() for worker in workers] == [0, 0, 0]
    entry = store.read("n")
    assert entry is not None
    assert entry.value == b"120"


FIRST = "import sys; from connector_runtime.stores.databases import open_store; open_store(sys.argv[1]).close()"


def test_processes_that_open_a_new_store_at_once_all_get_it(shared_store_url: str) -> None:
    workers = [subprocess.Popen([sys.executable, "-c", FIRST, shared_store_url]) for _ in range(5)]
    assert [worker.wait() for worker in workers] == [0] * 5


@pytest.mark.skipif(not hasattr(os, "fork"), reason="fork: this system has none")
def test_a_forked_child_opens_the_store_anew_and_leaves_the_parent_its_own(shared_store_url: str, opened: Open) -> None:
    script = f"""
import os
import signal
import socket
from connector_runtime.stores.databases import open_store
store = open_store({shared_store_url!r})
store.put("parent", b"1", None)
connection = store._connection
with store._lock:  # as another thread may hold it
    child = os.fork()
    if child == 0:
        signal.alarm(20)
        assert store.put("child", b"1", None) is not None and store._connection is not connection
        store.close()
        os._exit(0)
assert os.waitpid(child, 0)[1] == 0
assert store.read("child") is not None and store.put("after", b"1", None) is not None
assert store._connection is connection
"""
    assert subprocess.run([sys.executable, "-c", script]).returncode == 0
    assert [key for key, _ in opened(shared_store_url).scan("")] == ["after", "child", "parent"]


def test_a_connection_that_breaks_is_made_anew_without_a_call_being_lost(postgres_url: str, opened: Open) -> None:
    import psycopg

    store = opened(postgres_url)
    version = store.put("a", b"1", None)

    def break_it() -> None:
        with psycopg.connect(postgres_url, autocommit=True) as other:
            other.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )

    break_it()
    assert store.read("a") == Entry(b"1", version or 0)
    break_it()
    assert store.put("a", b"2", version) is not None
    break_it()
    assert store.lease("x", 5) is not None
    assert store.lease("x", 5) is None


class Breaks(Sqlite):
    """A database whose connection breaks once, before or after a statement that begins with `at` was carried out."""

    at, done = "nothing", False

    def run(self, connection: Any, sql: str, values: Sequence[Any]) -> tuple[list[Any], int]:
        breaks, self.at = sql.startswith(self.at), "nothing" if sql.startswith(self.at) else self.at
        if breaks and not self.done:
            raise ConnectionLost("The connection broke.")
        rows = super().run(connection, sql, values)
        if breaks:
            raise ConnectionLost("The connection broke.")
        return rows


@pytest.mark.parametrize("done", [False, True], ids=["before it", "after it"])
@pytest.mark.parametrize("at", ["INSERT", "UPDATE", "DELETE"])
def test_a_write_whose_answer_was_lost_is_done_once_and_its_writer_was_first(
    tmp_path: Path, at: str, done: bool
) -> None:
    store = Breaks(tmp_path / "store.db")
    store.put("there", b"1", None)
    store.at, store.done = at, done
    entry = store.read("there")
    assert entry is not None
    if at == "DELETE":
        assert store.put("there", None, entry.version) is not None and store.read("there") is None
    elif at == "UPDATE":
        second = store.put("there", b"2", entry.version)
        assert second is not None and store.read("there") == Entry(b"2", second)
    else:
        first = store.put("new", b"1", None)
        assert first is not None and store.read("new") == Entry(b"1", first)
    assert store.at == "nothing"
    store.close()


def test_postgresql_gives_up_a_statement_within_the_time_that_a_call_waits(postgres_url: str, opened: Open) -> None:
    store = opened(postgres_url)
    assert isinstance(store, Postgres)
    assert store._run("SELECT 7 FROM pg_sleep(?)", 0.5)[0] == [(7,)]
    assert store._connection.execute("SHOW statement_timeout").fetchone() == (f"{STATEMENT_TIMEOUT}s",)


# -- what can be wrong -----------------------------------------------------------------------------------------------


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "deep" / "store.db"
    store = open_store(f"sqlite:///{path}")
    store.put("a", b"1", None)
    store.close()
    return path


@pytest.mark.skipif(os.name != "posix", reason="file modes: this system has none")
def test_a_new_file_and_its_side_files_are_their_owners_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        store = open_store(f"sqlite:///{tmp_path / 'store.db'}")
        store.put("a", b"1", None)
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    finally:
        os.umask(before)
    store.close()
    assert set(modes.values()) == {0o600}
    assert "store.db-wal" in modes


def test_a_locked_file_says_so_and_that_it_can_be_tried_again(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connector_runtime.stores.databases.BUSY_TIMEOUT", 0.1)
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    store = open_store(f"sqlite:///{file}")
    with pytest.raises(StoreError, match="is locked by another program") as caught:
        store.put("b", b"1", None)
    assert caught.value.retriable
    other.close()
    assert store.put("b", b"1", None) is not None
    store.close()


def test_a_full_disk_says_so_and_keeps_what_was_there(file: Path) -> None:
    store = open_store(f"sqlite:///{file}")
    store._connection.execute("PRAGMA max_page_count = 1")  # type: ignore[attr-defined]  # SQLite's own way to be full
    with pytest.raises(StoreError, match="the disk is full"):
        store.put("b", b"x" * 100_000, None)
    entry = store.read("a")
    assert entry is not None
    assert entry.value == b"1"
    store.close()


READ_ONLY = """
import os, sqlite3, sys
from connector_runtime.stores.databases import open_store
from connector_runtime.errors import StoreError
if os.getuid() == 0:
    os.setuid(65534)  # root may write anything
store = open_store(sys.argv[1])
assert store.read("a").value == b"1"
try:
    store.lease("x", 5)
except StoreError as error:
    print(error)
"""


@pytest.mark.skipif(os.name != "posix", reason="file modes: this system has none")
def test_a_file_that_may_only_be_read_can_be_read_and_says_so_when_written() -> None:
    with TemporaryDirectory() as made:
        folder = Path(made)
        path = folder / "store.db"
        held = open_store(f"sqlite:///{path}")  # its side files are there while it is open
        held.put("a", b"1", None)
        folder.chmod(0o755)
        for file in folder.iterdir():
            file.chmod(0o444)
        done = subprocess.run(
            [sys.executable, "-c", READ_ONLY, f"sqlite:///{path}"], capture_output=True, text=True, cwd=Path.cwd()
        )
        held.close()
    assert "is read-only" in done.stdout, done.stderr


@pytest.mark.parametrize("damage", [b"this is no database at all, whatever its name says" * 50, b""])
def test_a_file_that_is_no_database_says_so_or_is_used_if_it_is_empty(tmp_path: Path, damage: bytes) -> None:
    path = tmp_path / "store.db"
    path.write_bytes(damage)
    if damage:
        with pytest.raises(StoreError, match="is not a SQLite file"):
            open_store(f"sqlite:///{path}")
    else:
        open_store(f"sqlite:///{path}").close()


def test_a_damaged_file_says_so(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    file.write_bytes(content)
    with pytest.raises(StoreError, match="is damaged"):
        open_store(f"sqlite:///{file}").read("a")


def test_a_path_that_cannot_be_is_refused_with_the_reason(file: Path) -> None:
    with pytest.raises(StoreError, match=r"can't be opened \((File exists|Not a directory)"):
        open_store(f"sqlite:///{file}/below/store.db")


@pytest.mark.parametrize("url", ["mysql://secret@host/db", "store.db", "sqlite://", ""])
def test_an_address_of_no_known_kind_is_refused_without_being_quoted(url: str) -> None:
    with pytest.raises(StoreError, match="URL is not supported") as caught:
        open_store(url)
    assert "secret" not in str(caught.value)


def test_a_server_that_is_not_there_is_named_without_its_password(postgres_server: str) -> None:
    with pytest.raises(StoreError, match="PostgreSQL store can't be reached") as caught:
        open_store("postgresql://user:hunter2@127.0.0.1:1/db")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("key", ["", "a\0b", "x" * 501])
def test_a_key_that_no_database_can_keep_is_refused(store: Store, key: str) -> None:
    with pytest.raises(StoreError, match="1 to 500 characters"):
        store.put(key, b"1", None)


def test_waiting_for_a_lease_in_one_thread_does_not_stop_another(store: Store) -> None:
    assert store.lease("x", 60) is not None
    seen = threading.Event()
    thread = threading.Thread(target=lambda: (store.put("b", b"1", None), seen.set()))
    thread.start()
    assert store.lease("x", 60) is None
    thread.join(5)
    assert seen.is_set()


# -- what PostgreSQL says, from a real one ---------------------------------------------------------------------------


@contextmanager
def altered(url: str, *statements: str) -> Iterator[None]:
    """Run statements in another connection, and the last of them when it is over."""
    import psycopg

    with psycopg.connect(url, autocommit=True) as other:
        other.execute("SET default_transaction_read_only = off")
        *first, last = statements
        for statement in first:
            other.execute(statement)
        try:
            yield
        finally:
            other.execute(last)


def refusing(url: str, code: str) -> AbstractContextManager[None]:
    """Have the database refuse every write with an error of its own, by the number that PostgreSQL gives it."""
    body = f"BEGIN RAISE EXCEPTION 'refused' USING ERRCODE = '{code}'; END"
    function = f"CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ {body} $$"
    trigger = "CREATE TRIGGER refuse BEFORE INSERT ON entries FOR EACH ROW EXECUTE FUNCTION refuse()"
    return altered(url, function, trigger, "DROP FUNCTION refuse() CASCADE")


REFUSALS = {
    "53100": ("is full (refused)", False),  # disk full
    "53200": ("is full (refused)", False),  # out of memory
    "42501": ("is read-only (refused)", False),  # no privilege
    "25006": ("is read-only (refused)", False),  # read-only transaction
    "55P03": ("failed (refused)", True),  # lock not available
    "40P01": ("failed (refused)", True),  # deadlock
    "40001": ("failed (refused)", True),  # serialization failure
    "57014": ("failed (refused)", True),  # time-out of the statement
    "22003": ("failed (refused)", False),
}


@pytest.mark.parametrize("code", REFUSALS)
def test_what_postgresql_refuses_says_what_is_wrong_and_whether_to_try_again(
    postgres_url: str, opened: Open, code: str
) -> None:
    store = opened(postgres_url)
    what, retriable = REFUSALS[code]
    with refusing(postgres_url, code), pytest.raises(StoreError) as caught:
        store.put("a", b"1", None)
    assert type(caught.value) is StoreError
    assert caught.value.to_dict() == {
        "kind": "store",
        "message": f"The PostgreSQL store {what}.",
        "hint": "Check the database and its URL, then try again.",
        "problems": [],
        "retriable": retriable,
    }
    assert store.put("a", b"1", None) is not None


def test_a_database_that_may_only_be_read_can_be_read(postgres_url: str, opened: Open) -> None:
    opened(postgres_url).put("a", b"1", None)
    change = f"ALTER DATABASE {urlsplit(postgres_url).path[1:]}"
    with altered(postgres_url, f"{change} SET default_transaction_read_only = on", f"{change} RESET ALL"):
        store = opened(postgres_url)
        assert store.read("a") is not None
        for write in (lambda: store.put("b", b"1", None), lambda: store.lease("x", 5)):
            with pytest.raises(StoreError, match="is read-only") as caught:
                write()
            assert not caught.value.retriable


def test_a_row_that_another_holds_is_waited_for_no_longer_than_a_statement_may_take(
    postgres_url: str, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    import psycopg

    monkeypatch.setattr("connector_runtime.stores.databases.STATEMENT_TIMEOUT", 2)
    store = opened(postgres_url)
    version = store.put("a", b"1", None)
    with psycopg.connect(postgres_url) as other:
        other.execute("SELECT * FROM entries WHERE key = 'a' FOR UPDATE")
        with pytest.raises(StoreError, match="statement timeout") as caught:
            store.put("a", b"2", version)
    assert caught.value.retriable
    assert store.put("a", b"2", version) is not None


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="signals: this system cannot stop a process")
def test_a_database_that_does_not_answer_at_all_is_left_and_asked_anew(
    postgres_url: str, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = opened(postgres_url)
    version = store.put("a", b"1", None)
    silent = store._connection.info.backend_pid  # type: ignore[attr-defined]
    monkeypatch.setattr("connector_runtime.stores.databases.SILENCE_TIMEOUT", 0.5)
    os.kill(silent, signal.SIGSTOP)
    try:
        assert store.read("a") == Entry(b"1", version or 0)
        assert store._connection.info.backend_pid != silent  # type: ignore[attr-defined]
    finally:
        os.kill(silent, signal.SIGCONT)


def test_a_database_that_never_answers_is_a_store_error_that_says_try_again(
    postgres_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connector_runtime.stores.databases.STATEMENT_TIMEOUT", 2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with pytest.raises(StoreError, match="PostgreSQL store can't be reached") as caught:
            open_store(f"postgresql://user:hunter2@127.0.0.1:{port}/db?sslmode=disable")
    assert caught.value.retriable
    assert "hunter2" not in str(caught.value)
