"""Where a file is written until it is whole: what is not ours is neither written nor waited for."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from connector_runtime.downloads.fetch import FileVersion
from connector_runtime.downloads.part import MAX_NOTE_BYTES, PartFile, size_of
from connector_runtime.errors import InputError

VERSION = FileVersion(of="x", etag='"v1"', modified=None, total=9)
BESIDE = [".talk.mp4.part", ".talk.mp4.part.json"]


def link(path: Path, precious: Path) -> None:
    path.symlink_to(precious)


def dangling(path: Path, precious: Path) -> None:
    path.symlink_to(precious.with_name("nowhere"))


def second_name(path: Path, precious: Path) -> None:
    os.link(precious, path)


def pipe(path: Path, precious: Path) -> None:
    os.mkfifo(path)


def folder(path: Path, precious: Path) -> None:
    path.mkdir()


@pytest.mark.parametrize("name", BESIDE)
@pytest.mark.parametrize("put", [link, dangling, second_name, pipe, folder])
def test_what_is_no_file_of_its_own_is_an_error_that_names_it_and_stays_as_it_is(
    tmp_path: Path, name: str, put: Callable[[Path, Path], None]
) -> None:
    precious = tmp_path / "precious"
    precious.write_bytes(b"mine")
    to = tmp_path / "to"
    to.mkdir()
    put(to / name, precious)
    before = os.lstat(to / name)
    part = PartFile(to / "talk.mp4")
    with pytest.raises(InputError) as caught:
        part.open()
    part.close()
    (problem,) = caught.value.problems
    assert problem.where == str(to / name)
    assert problem.what.startswith("cannot be written: ")
    assert caught.value.to_dict()["retriable"] is False
    assert precious.read_bytes() == b"mine"
    assert not (tmp_path / "nowhere").exists()
    after = os.lstat(to / name)
    assert (stat.S_IFMT(after.st_mode), after.st_ino) == (stat.S_IFMT(before.st_mode), before.st_ino)
    assert [path.name for path in to.iterdir()] == [name]  # nothing else is left behind


def test_what_has_a_second_name_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "precious").write_bytes(b"mine")
    os.link(tmp_path / "precious", tmp_path / BESIDE[1])
    with pytest.raises(InputError, match="it is a hard link, a pipe or a device; remove it"):
        PartFile(tmp_path / "talk.mp4").open()


def test_a_folder_may_be_a_link_since_it_was_named_by_the_caller(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "to").symlink_to(tmp_path / "real")
    written(tmp_path / "to" / "talk.mp4", b"123456789")
    assert (tmp_path / "real" / "talk.mp4").read_bytes() == b"123456789"


def written(target: Path, content: bytes, overwrite: bool = False) -> None:
    part = PartFile(target)
    part.open()
    try:
        part.begin(0, VERSION)
        part.write(content)
        part.finish(overwrite)
    finally:
        part.close()


@pytest.mark.parametrize("put", [link, dangling, second_name, pipe, folder])
def test_what_appears_under_the_files_name_meanwhile_is_not_replaced(
    tmp_path: Path, put: Callable[[Path, Path], None]
) -> None:
    precious = tmp_path / "precious"
    precious.write_bytes(b"mine")
    put(tmp_path / "talk.mp4", precious)
    before = os.lstat(tmp_path / "talk.mp4")
    with pytest.raises(InputError, match="appeared during the download; use overwrite to replace it"):
        written(tmp_path / "talk.mp4", b"123456789")
    assert precious.read_bytes() == b"mine"
    assert os.lstat(tmp_path / "talk.mp4").st_ino == before.st_ino
    assert (tmp_path / BESIDE[0]).read_bytes() == b"123456789"  # what has arrived is kept


@pytest.mark.parametrize("put", [link, dangling, second_name])
def test_what_may_be_replaced_is_not_written_through(tmp_path: Path, put: Callable[[Path, Path], None]) -> None:
    precious = tmp_path / "precious"
    precious.write_bytes(b"mine")
    put(tmp_path / "talk.mp4", precious)
    written(tmp_path / "talk.mp4", b"123456789", overwrite=True)
    assert precious.read_bytes() == b"mine"
    assert (tmp_path / "talk.mp4").read_bytes() == b"123456789"
    assert stat.S_ISREG(os.lstat(tmp_path / "talk.mp4").st_mode)


def test_a_folder_under_the_files_name_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "talk.mp4").mkdir()
    with pytest.raises(InputError, match=r"the part is kept: fix the problem and download the file again") as caught:
        written(tmp_path / "talk.mp4", b"123456789", overwrite=True)
    assert caught.value.problems[0].where == str(tmp_path / "talk.mp4")


def test_a_part_is_on_disk_before_it_has_the_files_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[tuple[str, int]] = []
    sync, rename = os.fsync, os.replace

    def fsync(file: int) -> None:
        sync(file)
        done.append(("on disk", os.fstat(file).st_ino))

    def replace(one: Path, other: Path) -> None:
        rename(one, other)
        done.append(("renamed", os.stat(other).st_ino))

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "replace", replace)
    written(tmp_path / "talk.mp4", b"123456789")
    file = (tmp_path / "talk.mp4").stat().st_ino
    assert done == [("on disk", file), ("renamed", file), ("on disk", tmp_path.stat().st_ino)]


def test_an_empty_file_of_that_name_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "talk.mp4").touch()
    written(tmp_path / "talk.mp4", b"123456789")
    assert (tmp_path / "talk.mp4").read_bytes() == b"123456789"
    assert [path.name for path in tmp_path.iterdir()] == ["talk.mp4"]


@pytest.mark.parametrize("name", BESIDE)
def test_a_part_is_one_downloads_own(tmp_path: Path, name: str) -> None:
    first, second = PartFile(tmp_path / "talk.mp4"), PartFile(tmp_path / "talk.mp4")
    first.open()
    first.begin(0, VERSION)
    first.write(b"1234")
    with pytest.raises(InputError, match="is being downloaded by another program; wait for it to finish") as caught:
        second.open()
    assert caught.value.problems[0].where == str(tmp_path / "talk.mp4")
    second.close()
    assert (tmp_path / name).stat().st_size > 0
    first.close()
    second.open()
    assert (second.size, second.version) == (4, VERSION)
    second.close()


def test_a_part_that_was_finished_between_opening_and_locking_it_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the second download would empty the file that the first has just finished."""
    fcntl: Any = pytest.importorskip("fcntl", reason="no locks on this system")
    (tmp_path / BESIDE[0]).write_bytes(b"123456789")
    lock = fcntl.flock

    def late(file: int, how: int) -> None:
        if (tmp_path / BESIDE[0]).exists():
            (tmp_path / BESIDE[0]).rename(tmp_path / "talk.mp4")
        lock(file, how)

    monkeypatch.setattr(fcntl, "flock", late)
    part = PartFile(tmp_path / "talk.mp4")
    with pytest.raises(InputError, match="is being downloaded by another program"):
        part.open()
    part.close()
    assert (tmp_path / "talk.mp4").read_bytes() == b"123456789"


def test_a_part_is_kept_with_what_it_is_a_part_of(tmp_path: Path) -> None:
    part = PartFile(tmp_path / "talk.mp4")
    part.open()
    part.begin(0, VERSION)
    part.write(b"123456")
    part.begin(4, VERSION)
    part.close()
    part.close()  # a second time does nothing
    later = PartFile(tmp_path / "talk.mp4")
    later.open()
    assert (later.size, later.version) == (4, VERSION)
    later.begin(0, VERSION)
    assert later.size == 0
    later.close()
    assert list(tmp_path.iterdir()) == []  # of nothing, nothing is kept


def test_a_mark_replaces_a_longer_one(tmp_path: Path) -> None:
    (tmp_path / BESIDE[1]).write_text("x" * 3000)
    part = PartFile(tmp_path / "talk.mp4")
    part.open()
    assert part.version is None
    part.begin(0, VERSION)
    part.write(b"1")
    part.close()
    assert (tmp_path / BESIDE[1]).read_text() == VERSION.text()


@pytest.mark.parametrize("huge", [b"[" * 2_000_000, b'{"of": "' + b"x" * 2_000_000, b"\0" * 2_000_000])
def test_no_more_is_read_than_a_mark_has(tmp_path: Path, huge: bytes) -> None:
    assert (
        len(FileVersion(of="x" * 24, etag=f'"{"é" * 200}"', modified="x" * 29, total=2**63 - 1).text()) < MAX_NOTE_BYTES
    )
    (tmp_path / BESIDE[1]).write_bytes(huge)
    part = PartFile(tmp_path / "talk.mp4")
    part.open()
    assert part.version is None
    part.close()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.binary(max_size=200) | st.text(max_size=99).map(lambda text: text.encode(errors="surrogatepass")))
def test_anything_beside_a_part_is_a_mark_or_none(tmp_path: Path, beside: bytes) -> None:
    (tmp_path / BESIDE[0]).write_bytes(b"1234")
    (tmp_path / BESIDE[1]).write_bytes(beside)
    part = PartFile(tmp_path / "talk.mp4")
    part.open()
    assert part.size == 4
    assert part.version is None
    part.close()


def test_a_size_is_that_of_a_file_also_behind_a_link(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"1234")
    (tmp_path / "b").symlink_to("a")
    (tmp_path / "c").symlink_to("c")
    os.mkfifo(tmp_path / "d")
    sizes = {name: size_of(tmp_path / name) for name in ("a", "b", "c", "d", "e", "a\0", "a/b", "x" * 300)}
    assert sizes == {"a": 4, "b": 4, **dict.fromkeys(["c", "d", "e", "a\0", "a/b", "x" * 300])}
    assert size_of(tmp_path) is None
