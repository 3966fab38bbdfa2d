"""What the store holds is encrypted, bound to its place, and readable with the right key alone."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from connector_runtime.errors import StoreError
from connector_runtime.stores.databases import Sealed, open_vault, read_keys
from connector_runtime.stores.store import Entry, MemoryStore


def new_key() -> str:
    return Fernet.generate_key().decode()


def test_what_lies_in_the_store_does_not_show_what_was_put() -> None:
    inner = MemoryStore()
    sealed = Sealed(inner, [new_key()])
    assert repr(sealed) == "Sealed(MemoryStore)"
    version = sealed.put("a", b"a very secret token", None)
    raw = inner.read("a")
    assert raw is not None
    assert b"secret" not in raw.value
    assert sealed.read("a") == Entry(b"a very secret token", version or 0)
    assert sealed.scan("") == [("a", Entry(b"a very secret token", version or 0))]


def test_another_key_is_refused_with_what_to_do() -> None:
    inner = MemoryStore()
    Sealed(inner, [new_key()]).put("a", b"1", None)
    with pytest.raises(StoreError, match="The store is encrypted with another key") as caught:
        Sealed(inner, [new_key()]).read("a")
    assert "Use the key that encrypted it" in (caught.value.hint or "")


def test_an_entry_moved_to_another_tenants_place_is_refused() -> None:
    inner = MemoryStore()
    sealed = Sealed(inner, [new_key()])
    sealed.put("connections/acme/main", b"1", None)
    raw = inner.read("connections/acme/main")
    assert raw is not None
    inner.put("connections/evil/main", raw.value, None)
    with pytest.raises(StoreError, match="was copied from another entry"):
        sealed.read("connections/evil/main")


def test_a_key_can_follow_another_without_losing_anything() -> None:
    inner, old, new = MemoryStore(), new_key(), new_key()
    Sealed(inner, [old]).put("a", b"1", None)
    both = Sealed(inner, [new, old])
    both.put("b", b"2", None)
    found = both.read("a")
    assert found is not None
    assert found.value == b"1"
    assert both.rekey() == 2
    alone = Sealed(inner, [new])
    assert [entry.value for _, entry in alone.scan("")] == [b"1", b"2"]
    with pytest.raises(StoreError):
        Sealed(inner, [old]).read("a")


@pytest.mark.parametrize("key", ["", "short", "not base64 !", "A" * 44])
def test_what_is_no_key_is_refused_without_being_quoted(key: str) -> None:
    if key == "A" * 44:
        Sealed(MemoryStore(), ["A" * 43 + "="])
        return
    with pytest.raises(StoreError, match="not a Fernet key") as caught:
        Sealed(MemoryStore(), [key])
    assert key not in str(caught.value) or key == ""


@pytest.mark.skipif(os.name != "posix", reason="file modes: this system has none")
def test_the_key_file_is_made_once_for_its_owner_and_refused_if_others_may_read_it(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "store.key"
    made = read_keys(path)
    assert len(made) == 1
    assert read_keys(path) == made
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in path.parent.iterdir()] == ["store.key"]
    path.chmod(0o640)
    with pytest.raises(StoreError, match="Other users can read the key file") as caught:
        read_keys(path)
    assert "chmod 600" in (caught.value.hint or "")


def test_processes_that_start_at_once_agree_on_one_key(tmp_path: Path) -> None:
    script = "import sys; from connector_runtime.stores.databases import *; print(read_keys(Path(sys.argv[1])))"
    command = [sys.executable, "-c", script, str(tmp_path / "store.key")]
    workers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    (key,) = {worker.communicate()[0] for worker in workers}
    assert key == f"{read_keys(tmp_path / 'store.key')}\n"


def test_the_vault_at_home_lies_in_the_users_data_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    vault = open_vault("acme-connector")
    vault.put("a", b"1", None)
    vault.close()
    assert {"store.db", "store.key"} <= {entry.name for entry in (tmp_path / "acme-connector").iterdir()}
    again = open_vault("acme-connector")
    assert again.read("a") is not None
    again.close()
