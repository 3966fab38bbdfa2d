"""Downloads files into a folder, several at a time: with threads, or with the tasks of asyncio.

An answer is read in the pieces in which it arrives, undecoded. What arrives is kept in a `Part`, in `.NAME.part` beside
the target with what it is a part of, until it is renamed.
"""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, aclosing, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Any, NamedTuple

from ..calls.files import File, safe_name
from ..errors import ConnectorError, InputError, Problem, TransportError
from ..model import Response
from ..perform import Handlers, perform, perform_async
from ..steps import Fill, Filled, Open, Peek, Send, Steps, Wait
from ..transport import AsyncPool, Pool, answered, native, reported
from .fetch import Course, Mark, fetch, mark_read

try:
    import fcntl
except ImportError:  # Windows refuses by itself to rename what another program has open
    fcntl = None  # type: ignore[assignment]

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
FLAGS = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)

BATCH = 2**20  # bytes that asyncio collects before it writes them
LONGEST_HELD = 0.25  # seconds for which it does so
HEAD = 64 * 1024  # bytes of an answer that are looked at to see whether it is a refusal
Progress = Callable[[File, int, int | None], object] | None


@dataclass(frozen=True, slots=True)
class Saved:
    """What became of a file: where it is, how many bytes it has, and whether it was there already."""

    file: File
    path: Path
    size: int
    is_new: bool


Outcome = Saved | ConnectorError


class Order:
    """What to download, and how. `course` is asked for each file what its definition lays down.

    Raises `InputError` with all that stands against it, before any request. The folder is made if it is missing.
    """

    def __init__(
        self,
        files: File | Iterable[File],
        to: str | os.PathLike[str],
        course: Callable[[File], Course],
        *,
        parallel: int = 3,
        overwrite: bool = False,
        progress: Progress = None,
    ) -> None:
        self.asked = (files,) if isinstance(files, File) else tuple(files)
        self.folder, self.course = Path(to), course
        self.parallel, self.overwrite, self.progress = parallel, overwrite, progress
        self.there: dict[File, Saved] = {}  # those that need not be downloaded
        problems = [*self._problems()]
        self.files = [file for file in self.asked if file not in self.there]  # those that are to be
        if self.files and not problems:
            problems += self._folder_problems()
        if problems:
            raise InputError.of("the download", problems)

    def job(self, file: File) -> Job:
        return Job(file, self.folder / file.name, self.course(file), self.overwrite, self.progress)

    def _problems(self) -> Iterator[Problem]:
        if isinstance(self.parallel, bool) or not isinstance(self.parallel, int) or self.parallel < 1:
            yield Problem("parallel", "must be a whole number of at least 1")
        names: set[str] = set()
        for file in self.asked:
            path = self.folder / file.name
            if file.name != safe_name(file.name):
                yield Problem("files", f"{file.name!r} is no safe name; {safe_name(file.name)!r} would be")
            elif file.name.casefold() in names:
                yield Problem("files", f"two have the name {file.name!r}; give one another name or folder")
            elif os.path.lexists(path):
                size = path.stat().st_size if path.is_file() else None
                if size is None:
                    yield Problem(str(path), "exists and is no file; take it away, or name another folder")
                elif not self.overwrite and file.size in (None, size):
                    self.there[file] = Saved(file, path, size, False)
                elif not self.overwrite:
                    what = f"exists with {size} bytes, and {file.size} are announced; say overwrite to replace it"
                    yield Problem(str(path), what)
            names.add(file.name.casefold())

    def _folder_problems(self) -> Iterator[Problem]:
        folder = self.folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
            free = shutil.disk_usage(folder).free
        except OSError as error:
            yield Problem("to", f"{folder} can't be used: {error.strerror}")
            return
        parts = {file: folder / f".{file.name}.part" for file in self.files}
        there = {file: part.stat().st_size for file, part in parts.items() if part.is_file()}
        needed = sum(max(0, (file.size or 0) - there.get(file, 0)) for file in self.files)
        if not os.access(folder, os.W_OK | os.X_OK):
            yield Problem("to", f"{folder} can't be written: permission denied")
        elif needed > free:
            yield Problem("to", f"{folder} has room for {free} bytes and {needed} are needed; make room")


def download(wanted: Order, handlers: Handlers, pool: Pool) -> list[Saved]:
    """Download all files of an order; one that fails does not stop the others, and is named in the error at the end."""
    stop = threading.Event()
    if len(wanted.files) <= 1 or wanted.parallel == 1:
        return _gathered(wanted, {file: _tried(wanted, file, handlers, pool, stop) for file in wanted.files})
    waiting, done = deque(wanted.files), SimpleQueue[tuple[File, Outcome | BaseException]]()

    def work() -> None:
        with suppress(IndexError):
            while not stop.is_set():
                file = waiting.popleft()
                try:
                    done.put((file, _tried(wanted, file, handlers, pool, stop)))
                except BaseException as error:  # not the vendor's or the disk's: all is over
                    stop.set()
                    done.put((file, error))

    found: dict[File, Outcome] = {}
    try:
        for _ in range(min(wanted.parallel, len(wanted.files))):
            threading.Thread(target=work, daemon=True, name="download").start()  # none outlives an interrupted program
        while len(found) < len(wanted.files):
            file, outcome = done.get()
            if not isinstance(outcome, Saved | ConnectorError):
                raise outcome
            found[file] = outcome
    finally:
        stop.set()
    return _gathered(wanted, found)


def _tried(wanted: Order, file: File, handlers: Handlers, pool: Pool, stop: threading.Event) -> Outcome:
    job = wanted.job(file)
    try:
        return Saved(file, job.target, save(job, handlers, pool, stop), True)
    except ConnectorError as error:
        return error


async def download_async(wanted: Order, handlers: Handlers, pool: AsyncPool) -> list[Saved]:
    """The same for asyncio."""
    places = asyncio.Semaphore(wanted.parallel)

    async def tried(file: File) -> Outcome:
        job = wanted.job(file)
        async with places:
            try:
                return Saved(file, job.target, await save_async(job, handlers, pool), True)
            except ConnectorError as error:
                return error

    tasks = [asyncio.create_task(tried(file)) for file in wanted.files]
    try:
        return _gathered(wanted, dict(zip(wanted.files, await asyncio.gather(*tasks), strict=True)))
    finally:
        for task in tasks:
            if not task.cancelling():  # a second time would disturb what it still has to put away
                task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _gathered(wanted: Order, found: Mapping[File, Outcome]) -> list[Saved]:
    """What was saved; of several that failed, the error of the first, with all of them as its problems."""
    failed = [(file, found[file]) for file in wanted.files if isinstance(found[file], ConnectorError)]
    if not failed:
        every = {**wanted.there, **found}
        return [saved for saved in (every[file] for file in wanted.asked) if isinstance(saved, Saved)]
    error: Any = failed[0][1]
    if len(wanted.asked) == 1:
        raise error
    said = f"{len(failed)} of {len(wanted.asked)} files were not downloaded:"
    raise error.with_message(said, problems=[Problem(file.name, str(each)) for file, each in failed])


# -- one file to disk ----------------------------------------------------------------------------------------------


class Stopped(BaseException):
    """The caller is gone: leave the part as it is and end."""


class Job(NamedTuple):
    """One file to save, and whom to tell. `progress` is told the file, the bytes that are there, and those of all."""

    file: File
    target: Path
    course: Course
    overwrite: bool
    progress: Progress

    def begun(self, part: Part) -> Steps:
        part.open()
        return fetch(self.file, self.course, part.size, part.mark)

    def told(self, part: Part) -> None:
        if self.progress is not None:
            total = part.mark.total if part.mark else None
            self.progress(self.file, part.size, self.file.size if total is None else total)


def save(job: Job, handlers: Handlers, pool: Pool, stop: threading.Event) -> int:
    """Save one file; its size in bytes. When `stop` is set it ends with `Stopped` at the next piece or pause."""
    part, body = Part(job.target), _Body(pool)

    def fill(step: Fill) -> Filled:
        part.begin(step.at, step.version)
        try:
            while piece := body.piece():
                part.write(piece)
                job.told(part)
                if stop.is_set():
                    raise Stopped
                if step.most is not None and part.size > step.most:
                    break
        except TransportError as error:
            return Filled(part.size, error)
        return Filled(part.size)

    def wait(step: Wait) -> None:
        if stop.wait(step.seconds):
            raise Stopped

    own: Handlers = {**handlers, Open: body.open, Peek: body.peek, Fill: fill, Wait: wait}
    with closing(part), closing(body):
        size: int
        (size,) = perform(job.begun(part), own)
        part.finish(job.overwrite)
        return size


class _Body:
    """The body of one answer after the other; opening the next or closing ends the one before."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._answer: Any = None
        self._head = b""

    def open(self, step: Open) -> Response:
        """Send a request; the response has no `content` yet. Raises `TransportError` where there is none."""
        self.close()
        self._sending = Send(step.request)
        with reported(self._sending):
            self._answer = self._pool.open(self._sending)
        self._pieces: Iterator[bytes] = self._answer.iter_raw()
        return answered(self._answer, step.request, b"")

    def peek(self, step: Peek) -> bytes:
        """The beginning of the body, which is still to come."""
        while len(self._head) < HEAD and (piece := self._next()):
            self._head += piece
        return self._head

    def piece(self) -> bytes:
        """The next piece of the body, empty at its end. Raises `TransportError` where it breaks off."""
        head, self._head = self._head, b""
        return head or self._next()

    def _next(self) -> bytes:
        with reported(self._sending):
            return next(self._pieces, b"")

    def close(self) -> None:
        self._head = b""
        if self._answer is not None:
            self._answer.close()
            self._answer = None


async def save_async(job: Job, handlers: Handlers, pool: AsyncPool) -> int:
    """The same for asyncio; the disk is written by threads, and cancelling stops at once."""
    part, body = Part(job.target), _AsyncBody(pool)

    async def fill(step: Fill) -> Filled:
        part.begin(step.at, step.version)
        held, due, broke = bytearray(), 0.0, None
        try:
            while piece := await body.piece():
                held += piece
                if len(held) >= BATCH or time.monotonic() >= due:  # a thread for each piece would take twice the time
                    ready, held = bytes(held), bytearray()
                    await _in_thread(part.write, ready)
                    job.told(part)
                    due = time.monotonic() + LONGEST_HELD
                if step.most is not None and part.size + len(held) > step.most:
                    break
        except TransportError as error:
            broke = error
        finally:
            part.write(held)
        job.told(part)
        return Filled(part.size, broke)

    own: Handlers = {**handlers, Open: body.open, Peek: body.peek, Fill: fill}
    with closing(part):
        async with aclosing(body):
            size: int
            (size,) = [output async for output in perform_async(job.begun(part), own)]
            await _in_thread(part.finish, job.overwrite)
            return size


class _AsyncBody:
    """`_Body` for asyncio; an open answer holds one of the pool's places."""

    def __init__(self, pool: AsyncPool) -> None:
        self._pool = pool
        self._open = AsyncExitStack()
        self._head = b""

    async def open(self, step: Open) -> Response:
        await self.aclose()
        self._sending = Send(step.request)
        opener = await self._open.enter_async_context(self._pool.lent())
        with reported(self._sending):
            answer = await opener(native(self._sending, self._pool.way))
        self._open.push_async_callback(answer.aclose)
        self._pieces: AsyncIterator[bytes] = answer.aiter_raw()
        return answered(answer, step.request, b"")

    async def peek(self, step: Peek) -> bytes:
        while len(self._head) < HEAD and (piece := await self._next()):
            self._head += piece
        return self._head

    async def piece(self) -> bytes:
        head, self._head = self._head, b""
        return head or await self._next()

    async def _next(self) -> bytes:
        with reported(self._sending):
            return await anext(self._pieces, b"")

    async def aclose(self) -> None:
        self._head = b""
        await self._open.aclose()


_disk = ThreadPoolExecutor(8, "disk")  # asyncio's own threads look up host names


async def _in_thread(act: Callable[[Any], None], given: Any) -> None:
    """Let a thread act; who is cancelled meanwhile waits for it, since the file must not be closed under its hands."""
    job = asyncio.get_running_loop().run_in_executor(_disk, act, given)
    try:
        await asyncio.shield(job)
    except asyncio.CancelledError:
        await asyncio.wait([job])
        raise


class Part:
    """A part that one download has to itself; closing it keeps it for the next one."""

    def __init__(self, target: Path) -> None:
        self.target = target
        self._path = target.with_name(f".{target.name}.part")
        self._beside = target.with_name(f".{target.name}.part.json")
        self._file = -1
        self.size = 0
        self.mark: Mark | None = None

    def open(self) -> None:
        """Open the part, or begin one. Raises `InputError` if that can't be, or another download has it."""
        try:
            self._file = os.open(self._path, FLAGS, 0o666)
            if fcntl is not None:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.close()
            raise self._unusable("is being downloaded by another program; wait for it") from None
        except OSError as error:
            self.close()
            raise self._unusable(f"can't be written: {error.strerror}") from None
        self.size = os.fstat(self._file).st_size
        with suppress(OSError, ValueError):
            self.mark = mark_read(self._beside.read_text(encoding="utf-8"))

    def begin(self, at: int, mark: Mark) -> None:
        """Keep the first `at` bytes, as a part of what `mark` names."""
        with self._writing():
            os.ftruncate(self._file, at)
            os.lseek(self._file, at, os.SEEK_SET)
            self.size = at
            if mark != self.mark:
                self._beside.write_text(mark.text(), encoding="utf-8")
                self.mark = mark

    def write(self, piece: bytes | bytearray) -> None:
        with self._writing():
            rest = memoryview(piece)
            while rest:
                written = os.write(self._file, rest)
                self.size += written
                rest = rest[written:]

    def finish(self, overwrite: bool) -> None:
        """Make the part the file: on disk first, then under its name."""
        with self._writing():
            os.fsync(self._file)
            if not overwrite and os.path.lexists(self.target):
                raise self._unusable("has appeared meanwhile; say overwrite to replace it")
            if os.name == "nt":  # which does not rename what is open
                self.close()
            os.replace(self._path, self.target)
            self._beside.unlink(missing_ok=True)
            self.close()
            if hasattr(os, "O_DIRECTORY"):
                folder = os.open(self.target.parent, os.O_RDONLY | os.O_DIRECTORY)
                try:
                    os.fsync(folder)
                finally:
                    os.close(folder)

    def close(self) -> None:
        """Let go of the part, which stays."""
        if self._file >= 0:
            file, self._file = self._file, -1
            os.close(file)

    def _unusable(self, what: str) -> InputError:
        return InputError.of("the download", [Problem(str(self.target), what)])

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """What the disk refuses, as an error that says what to do."""
        try:
            yield
            return
        except OSError as error:
            is_full = error.errno in FULL
            what = "the disk is full" if is_full else str(error.strerror)
        remedy = "make room" if is_full else "mend that"
        raise self._unusable(f"{what}; what has arrived is kept: {remedy} and download it again")
