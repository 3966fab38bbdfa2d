"""Stores keep what they are given, let only one be first, and say clearly what is wrong with them."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from connector_runtime.errors import StoreError
from connector_runtime.stores.opening import open_store
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
from connector_runtime.stores.opening import open_store
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


FIRST = "import sys; from connector_runtime.stores.opening import open_store; open_store(sys.argv[1]).close()"


def test_processes_that_open_a_new_store_at_once_all_get_it(shared_store_url: str) -> None:
    workers = [subprocess.Popen([sys.executable, "-c", FIRST, shared_store_url]) for _ in range(5)]
    assert [worker.wait() for worker in workers] == [0] * 5


@pytest.mark.skipif(not hasattr(os, "fork"), reason="fork: this system has none")
def test_a_forked_child_opens_the_store_anew_and_leaves_the_parent_its_own(shared_store_url: str, opened: Open) -> None:
    script = f"""
import os
from connector_runtime.stores.opening import open_store
store = open_store({shared_store_url!r})
store.put("parent", b"1", None)
child = os.fork()
if child == 0:
    assert store.put("child", b"1", None) is not None
    store.close()
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
assert store.read("child") is not None and store.put("after", b"1", None) is not None
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
    monkeypatch.setattr("connector_runtime.stores.opening.BUSY", 0.1)
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
from connector_runtime.stores.opening import open_store
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
    assert "may only be read" in done.stdout, done.stderr


@pytest.mark.parametrize("damage", [b"this is no database at all, whatever its name says" * 50, b""])
def test_a_file_that_is_no_database_says_so_or_is_used_if_it_is_empty(tmp_path: Path, damage: bytes) -> None:
    path = tmp_path / "store.db"
    path.write_bytes(damage)
    if damage:
        with pytest.raises(StoreError, match="is no SQLite file"):
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
    with pytest.raises(StoreError, match="is none that is known") as caught:
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
