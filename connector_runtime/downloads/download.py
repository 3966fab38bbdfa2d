"""Downloads files into a folder, several at a time: with threads, or with the tasks of asyncio.

An answer is read in the pieces in which it arrives, undecoded. What arrives is kept in a `PartFile` until it is whole.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import threading
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, aclosing, closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from queue import SimpleQueue
from typing import Any, NamedTuple

from ..calls.files import MOST_UNANNOUNCED, File, folded, numbered, safe_name
from ..errors import ConnectorError, InputError, Problem, RequestError, TransportError
from ..model import Response
from ..perform import Handlers, perform, perform_async
from ..sentences import Sentence
from ..steps import Fill, Filled, Open, Peek, Report, Send, Steps, Wait
from ..structs import shows
from ..transport import AsyncPool, Pool, answered, native, reported
from .fetch import DownloadSettings, fetch
from .part import PartFile, size_of

BATCH = 2**20  # bytes that asyncio collects before it writes them
LONGEST_HELD = 0.25  # seconds for which it does so
Progress = Callable[[File, int, int | None], object] | None


@shows("file", "size", "is_new")
@dataclass(frozen=True, slots=True, repr=False)
class SavedFile:
    """What became of a file: where it is, how many bytes it has, and whether it was there already."""

    file: File
    path: Path
    size: int
    is_new: bool


Outcome = SavedFile | ConnectorError


class DownloadPlan:
    """What to download, and how. `settings` gives for each file what its definition lays down.

    Raises `InputError` with all that stands against it, before any request. The folder is made if it is missing.
    """

    def __init__(
        self,
        files: File | Iterable[File],
        to: str | os.PathLike[str],
        settings: Callable[[File], DownloadSettings],
        *,
        parallel: int = 3,
        overwrite: bool = False,
        progress: Progress = None,
        largest: int = MOST_UNANNOUNCED,
    ) -> None:
        self.asked = tuple(files) if isinstance(files, Iterable) else (files,)
        if not all(isinstance(file, File) for file in self.asked) or not isinstance(to, str | os.PathLike):
            what = "must be files as an answer offers them, and a folder's path"
            raise InputError.of("the download", [Problem("files, to", what)])
        self.folder, self.settings = Path(to), settings
        self.parallel, self.overwrite, self.progress, self.largest = parallel, overwrite, progress, largest
        self.there: dict[File, SavedFile] = {}  # those that need not be downloaded
        problems = [*self._problems()]
        self.files = [file for file in self.asked if file not in self.there]  # those that are to be
        if self.files and not problems:
            problems += self._folder_problems()
        if problems:
            raise InputError.of("the download", problems)

    def job(self, file: File) -> Job:
        settings = replace(self.settings(file), largest=self.largest)
        return Job(file, self.folder / file.name, settings, self.overwrite, self.progress)

    def _problems(self) -> Iterator[Problem]:
        for name, number in (("parallel", self.parallel), ("largest", self.largest)):
            if isinstance(number, bool) or not isinstance(number, int) or number < 1:
                yield Problem(name, "must be a whole number of at least 1")
        alike = Counter((file.was, file.size) for file in self.asked)
        names: set[str] = set()
        for file in self.asked:
            path = self.folder / file.name
            if file.name != safe_name(file.name):
                yield Problem("files", f"{file.name!r} is no safe name; {safe_name(file.name)!r} would be")
            elif folded(file.name) in names:
                yield Problem("files", f"two have the name {file.name!r}; give one another name or folder")
            elif os.path.lexists(path):
                size = size_of(path)
                if size is None:
                    yield Problem(str(path), "exists and is no file; take it away, or name another folder")
                elif not self.overwrite and size and file.size in (None, size):
                    self.there[file] = SavedFile(file, path, size, False)
                elif not self.overwrite and size:  # an empty one holds nothing
                    what = f"exists with {size} bytes, and {file.size} are announced; say overwrite to replace it"
                    yield Problem(str(path), what)
            elif not self.overwrite and alike[file.was, file.size] == 1 and (earlier := self._earlier(file)):
                self.there[file] = earlier
            names.add(folded(file.name))

    def _earlier(self, file: File) -> SavedFile | None:
        """The file under the name that an earlier version gave it, with a number where several had that name."""
        name, number = file.was, 1
        while name and file.size and (size := size_of(self.folder / name)) is not None:
            if size == file.size:
                return SavedFile(file, self.folder / name, size, False)
            number += 1
            name = numbered(file.was or "", number)
        return None

    def _folder_problems(self) -> Iterator[Problem]:
        folder = self.folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
            free = shutil.disk_usage(folder).free
        except (OSError, ValueError) as error:  # ValueError for a path that no system has
            yield Problem("to", f"{folder} can't be used: {getattr(error, 'strerror', error)}")
            return
        there = {file: size_of(folder / f".{file.name}.part") or 0 for file in self.files}
        needed = sum(max(0, (file.size or 0) - there[file]) for file in self.files)
        if not os.access(folder, os.W_OK | os.X_OK):
            yield Problem("to", f"{folder} can't be written: permission denied")
        elif needed > free:
            yield Problem("to", f"{folder} has room for {free} bytes and {needed} are needed; make room")


def download(wanted: DownloadPlan, handlers: Handlers, pool: Pool) -> list[SavedFile]:
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
            if not isinstance(outcome, SavedFile | ConnectorError):
                raise outcome
            found[file] = outcome
    finally:
        stop.set()
    return _gathered(wanted, found)


def _tried(wanted: DownloadPlan, file: File, handlers: Handlers, pool: Pool, stop: threading.Event) -> Outcome:
    job = wanted.job(file)
    try:
        return SavedFile(file, job.target, save(job, handlers, pool, stop), True)
    except ConnectorError as error:
        return error


async def download_async(wanted: DownloadPlan, handlers: Handlers, pool: AsyncPool) -> list[SavedFile]:
    """The same for asyncio."""
    places = asyncio.Semaphore(wanted.parallel)

    async def tried(file: File) -> Outcome:
        job = wanted.job(file)
        async with places:
            try:
                return SavedFile(file, job.target, await save_async(job, handlers, pool), True)
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


def _gathered(wanted: DownloadPlan, found: Mapping[File, Outcome]) -> list[SavedFile]:
    """What was saved; the error names the file. Of several that failed it is the first's, with all as its problems."""
    failed = [(file, found[file]) for file in wanted.files if isinstance(found[file], ConnectorError)]
    if not failed:
        every = {**wanted.there, **found}
        return [saved for saved in (every[file] for file in wanted.asked) if isinstance(saved, SavedFile)]
    error: Any = failed[0][1]
    for file, each in failed:
        if isinstance(each, ConnectorError):
            each.speak(wanted.settings(file).action.profile.phrasebook)
    if len(wanted.asked) == 1:
        if isinstance(error, RequestError):  # others name the path
            what = f"{failed[0][0].name}: {error.message}"
            raise error.with_message(what, hint=error.hint, problems=error.problems)
        raise error
    said = Sentence("{count} of {total} files were not downloaded:", count=len(failed), total=len(wanted.asked))
    raise error.with_message(said, problems=[Problem(file.name, str(each)) for file, each in failed])


# -- one file to disk ----------------------------------------------------------------------------------------------


class DownloadCancelled(BaseException):
    """The caller is gone: leave the part as it is and end."""


class Job(NamedTuple):
    """One file to save, and whom to tell. `progress` is told the file, the bytes that are there, and those of all."""

    file: File
    target: Path
    settings: DownloadSettings
    overwrite: bool
    progress: Progress

    def begun(self, part: PartFile) -> Steps:
        part.open()
        return fetch(self.file, self.settings, part.size, part.version)

    def told(self, part: PartFile) -> None:
        if self.progress is not None:
            total = part.version.total if part.version else None
            self.progress(self.file, part.size, self.file.size if total is None else total)


def save(job: Job, handlers: Handlers, pool: Pool, stop: threading.Event) -> int:
    """Save one file; its size in bytes. Once `stop` is set, `DownloadCancelled` ends it at the next piece or pause."""
    part, body = PartFile(job.target), _FileBody(pool)

    def fill(step: Fill) -> Filled:
        part.begin(step.at, step.version)
        try:
            while piece := body.piece():
                part.write(piece)
                job.told(part)
                if stop.is_set():
                    raise DownloadCancelled
                if part.size > step.most:
                    return Filled(part.forget())
        except TransportError as error:
            return Filled(part.size, error)
        return Filled(part.size, body.end)

    def report(step: Report) -> Any:
        body.close()  # so that no answer stays open through a pause or while a token is renewed
        return handlers[Report](step)

    def wait(step: Wait) -> None:
        if stop.wait(step.seconds):
            raise DownloadCancelled

    own: Handlers = {**handlers, Open: body.open, Peek: body.peek, Fill: fill, Wait: wait, Report: report}
    with closing(part), closing(body):
        size: int
        (size,) = perform(job.begun(part), own)
        part.finish(job.overwrite)
        return size


UNENDED = Sentence("The connection was closed, and neither {vendor} nor the answer says how long the file is.")


def end_of(answer: Any) -> TransportError | None:
    """What the end of a body leaves open: where its length was not said, a broken connection looks like an end."""
    says = "content-length" in answer.headers or "transfer-encoding" in answer.headers
    return None if says or answer.http_version == "HTTP/2" else TransportError(UNENDED)


class _FileBody:
    """The body of one answer after the other; opening the next or closing ends the one before."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._answer: Any = None
        self._head = b""
        self.end: TransportError | None = None

    def open(self, step: Open) -> Response:
        """Send a request; the response has no `content` yet. Raises `TransportError` where there is none."""
        self.close()
        self._sending = Send(step.request)
        with reported(self._sending):
            self._answer = self._pool.open(self._sending)
        self.end = end_of(self._answer)
        self._pieces: Iterator[bytes] = self._answer.iter_raw()
        return answered(self._answer, step.request, b"")

    def peek(self, step: Peek) -> bytes:
        """The beginning of the body, which is still to come."""
        while len(self._head) < step.least and (piece := self._next()):
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
    part, body = PartFile(job.target), _AsyncFileBody(pool)

    async def fill(step: Fill) -> Filled:
        part.begin(step.at, step.version)
        buffer, due, broke = bytearray(), 0.0, None
        try:
            while piece := await body.piece():
                buffer += piece
                if len(buffer) >= BATCH or time.monotonic() >= due:  # a thread for each piece would take twice the time
                    ready, buffer = bytes(buffer), bytearray()
                    await _in_thread(part.write, ready)
                    job.told(part)
                    due = time.monotonic() + LONGEST_HELD
                if part.size + len(buffer) > step.most:
                    break
            else:
                broke = body.end
        except TransportError as error:
            broke = error
        finally:
            part.write(buffer)
        if part.size > step.most:
            return Filled(part.forget())
        job.told(part)
        return Filled(part.size, broke)

    async def report(step: Report) -> Any:
        await body.aclose()
        value = handlers[Report](step)
        return await value if hasattr(value, "__await__") else value

    own: Handlers = {**handlers, Open: body.open, Peek: body.peek, Fill: fill, Report: report}
    with closing(part):
        async with aclosing(body):
            size: int
            (size,) = [output async for output in perform_async(job.begun(part), own)]
            await _in_thread(part.finish, job.overwrite)
            return size


class _AsyncFileBody:
    """`_FileBody` for asyncio; an open answer holds one of the pool's places."""

    def __init__(self, pool: AsyncPool) -> None:
        self._pool = pool
        self._open = AsyncExitStack()
        self._head = b""
        self.end: TransportError | None = None

    async def open(self, step: Open) -> Response:
        await self.aclose()
        self._sending = Send(step.request)
        opener = await self._open.enter_async_context(self._pool.lent())
        with reported(self._sending):
            answer = await opener(native(self._sending, self._pool.way))
        self._open.push_async_callback(answer.aclose)
        self.end = end_of(answer)
        self._pieces: AsyncIterator[bytes] = answer.aiter_raw()
        return answered(answer, step.request, b"")

    async def peek(self, step: Peek) -> bytes:
        while len(self._head) < step.least and (piece := await self._next()):
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
