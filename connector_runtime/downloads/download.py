"""Downloads files into a folder, several at a time, in threads or asyncio tasks, and writes bodies as they arrive."""

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
from ..transport import AsyncPool, Pool, from_httpx, to_httpx, transport_errors
from .fetch import DownloadSettings, fetch
from .part import PartFile, size_of

BATCH_BYTES = 2**20  # bytes to collect before a write in asyncio
MAX_DELAY = 0.25  # seconds after which a smaller batch is written
Progress = Callable[[File, int, int | None], object] | None


@shows("file", "size", "is_new")
@dataclass(frozen=True, slots=True, repr=False)
class SavedFile:
    """A file on disk: its `path`, its `size` in bytes, and `is_new`, which is False if the file existed before."""

    file: File
    path: Path
    size: int
    is_new: bool


Outcome = SavedFile | ConnectorError


class DownloadPlan:
    """The files to download, and the options. Creates the folder. Raises `InputError` with every problem at once."""

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
        self.requested = tuple(files) if isinstance(files, Iterable) else (files,)
        if not all(isinstance(file, File) for file in self.requested) or not isinstance(to, str | os.PathLike):
            what = "must be files from an action's response, and the path of a folder"
            raise InputError.of("the download", [Problem("files, to", what)])
        self.folder, self.settings = Path(to), settings
        self.parallel, self.overwrite, self.progress, self.largest = parallel, overwrite, progress, largest
        self.existing: dict[File, SavedFile] = {}  # files that need no download
        problems = [*self._problems()]
        self.files = [file for file in self.requested if file not in self.existing]
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
        alike = Counter((file.was, file.size) for file in self.requested)
        names: set[str] = set()
        for file in self.requested:
            path = self.folder / file.name
            if file.name != safe_name(file.name):
                yield Problem("files", f"{file.name!r} is not a safe name; use {safe_name(file.name)!r}")
            elif folded(file.name) in names:
                yield Problem("files", f"two files have the name {file.name!r}; rename one, or use two folders")
            elif os.path.lexists(path):
                size = size_of(path)
                if size is None:
                    yield Problem(str(path), "exists and is not a file; remove it, or choose another folder")
                elif not self.overwrite and size and file.size in (None, size):
                    self.existing[file] = SavedFile(file, path, size, False)
                elif not self.overwrite and size:  # an empty file may be replaced
                    what = f"exists with {size} bytes instead of {file.size}; use overwrite to replace it"
                    yield Problem(str(path), what)
            elif not self.overwrite and alike[file.was, file.size] == 1 and (earlier := self._earlier(file)):
                self.existing[file] = earlier
            names.add(folded(file.name))

    def _earlier(self, file: File) -> SavedFile | None:
        """Return the existing file with the name of an earlier version, or with that name and a number."""
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
        except (OSError, ValueError) as error:  # ValueError for an invalid path
            yield Problem("to", f"{folder} cannot be used: {getattr(error, 'strerror', error)}")
            return
        existing = {file: size_of(folder / f".{file.name}.part") or 0 for file in self.files}
        needed = sum(max(0, (file.size or 0) - existing[file]) for file in self.files)
        if not os.access(folder, os.W_OK | os.X_OK):
            yield Problem("to", f"{folder} cannot be written: permission denied")
        elif needed > free:
            yield Problem("to", f"{folder} has {free} bytes free and needs {needed}; free some space")


def download(plan: DownloadPlan, handlers: Handlers, pool: Pool) -> list[SavedFile]:
    """Download all files of a plan. A failure does not stop the other files, but is part of the error at the end."""
    stop = threading.Event()
    if len(plan.files) <= 1 or plan.parallel == 1:
        return _gathered(plan, {file: _outcome_of(plan, file, handlers, pool, stop) for file in plan.files})
    waiting, done = deque(plan.files), SimpleQueue[tuple[File, Outcome | BaseException]]()

    def work() -> None:
        with suppress(IndexError):
            while not stop.is_set():
                file = waiting.popleft()
                try:
                    done.put((file, _outcome_of(plan, file, handlers, pool, stop)))
                except BaseException as error:  # not merely a failed download, so stop them all
                    stop.set()
                    done.put((file, error))

    outcomes: dict[File, Outcome] = {}
    try:
        for _ in range(min(plan.parallel, len(plan.files))):
            threading.Thread(target=work, daemon=True, name="download").start()  # a daemon must not block an exit
        while len(outcomes) < len(plan.files):
            file, outcome = done.get()
            if not isinstance(outcome, SavedFile | ConnectorError):
                raise outcome
            outcomes[file] = outcome
    finally:
        stop.set()
    return _gathered(plan, outcomes)


def _outcome_of(plan: DownloadPlan, file: File, handlers: Handlers, pool: Pool, stop: threading.Event) -> Outcome:
    job = plan.job(file)
    try:
        return SavedFile(file, job.target, save(job, handlers, pool, stop), True)
    except ConnectorError as error:
        return error


async def download_async(plan: DownloadPlan, handlers: Handlers, pool: AsyncPool) -> list[SavedFile]:
    """`download` for asyncio."""
    places = asyncio.Semaphore(plan.parallel)

    async def outcome_of(file: File) -> Outcome:
        job = plan.job(file)
        async with places:
            try:
                return SavedFile(file, job.target, await save_async(job, handlers, pool), True)
            except ConnectorError as error:
                return error

    tasks = [asyncio.create_task(outcome_of(file)) for file in plan.files]
    try:
        return _gathered(plan, dict(zip(plan.files, await asyncio.gather(*tasks), strict=True)))
    finally:
        for task in tasks:
            if not task.cancelling():  # cancelling again would interrupt the cleanup
                task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _gathered(plan: DownloadPlan, outcomes: Mapping[File, Outcome]) -> list[SavedFile]:
    """Return the saved files. Raises the error of the first failed file, with all failures as its problems."""
    failed = [(file, outcomes[file]) for file in plan.files if isinstance(outcomes[file], ConnectorError)]
    if not failed:
        saved_files = {**plan.existing, **outcomes}
        return [saved for saved in (saved_files[file] for file in plan.requested) if isinstance(saved, SavedFile)]
    error: Any = failed[0][1]
    for file, failure in failed:
        if isinstance(failure, ConnectorError):
            failure.speak(plan.settings(file).action.profile.phrasebook)
    if len(plan.requested) == 1:
        if isinstance(error, RequestError):  # other errors name the path
            what = f"{failed[0][0].name}: {error.message}"
            raise error.with_message(what, hint=error.hint, problems=error.problems)
        raise error
    message = Sentence("{count} of {total} files were not downloaded:", count=len(failed), total=len(plan.requested))
    raise error.with_message(message, problems=[Problem(file.name, str(failure)) for file, failure in failed])


# -- one file to disk ----------------------------------------------------------------------------------------------


class DownloadCancelled(BaseException):
    """The download was cancelled; the part stays on disk."""


class Job(NamedTuple):
    """One file to save. `progress` receives the file, the bytes saved so far and the total or None."""

    file: File
    target: Path
    settings: DownloadSettings
    overwrite: bool
    progress: Progress

    def begin(self, part: PartFile) -> Steps:
        part.open()
        return fetch(self.file, self.settings, part.size, part.version)

    def report_progress(self, part: PartFile) -> None:
        if self.progress is not None:
            total = part.version.total if part.version else None
            self.progress(self.file, part.size, self.file.size if total is None else total)


def save(job: Job, handlers: Handlers, pool: Pool, stop: threading.Event) -> int:
    """Save one file and return its size. Raises `DownloadCancelled` at the first piece or pause after `stop` is set."""
    part, body = PartFile(job.target), _FileBody(pool)

    def fill(step: Fill) -> Filled:
        part.begin(step.at, step.version)
        try:
            while piece := body.piece():
                part.write(piece)
                job.report_progress(part)
                if stop.is_set():
                    raise DownloadCancelled
                if part.size > step.most:
                    return Filled(part.forget())
        except TransportError as error:
            return Filled(part.size, error)
        return Filled(part.size, body.end)

    def report(step: Report) -> Any:
        body.close()  # no response stays open during a pause or while a token is renewed
        return handlers[Report](step)

    def wait(step: Wait) -> None:
        if stop.wait(step.seconds):
            raise DownloadCancelled

    own: Handlers = {**handlers, Open: body.open, Peek: body.peek, Fill: fill, Wait: wait, Report: report}
    with closing(part), closing(body):
        size: int
        (size,) = perform(job.begin(part), own)
        part.finish(job.overwrite)
        return size


UNKNOWN_LENGTH = Sentence("The connection closed, and neither {vendor} nor the response gives the length of the file.")


def end_of(answer: Any) -> TransportError | None:
    """Return the error to assume at the end of a body without a length, where a broken connection looks the same."""
    says = "content-length" in answer.headers or "transfer-encoding" in answer.headers
    return None if says or answer.http_version == "HTTP/2" else TransportError(UNKNOWN_LENGTH)


class _FileBody:
    """The bodies of successive responses; `open` closes the previous body."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._response: Any = None
        self._head = b""
        self.end: TransportError | None = None

    def open(self, step: Open) -> Response:
        """Send a request and return its response without `content`. Raises `TransportError` if none arrives."""
        self.close()
        self._sending = Send(step.request)
        with transport_errors(self._sending):
            self._response = self._pool.open(self._sending)
        self.end = end_of(self._response)
        self._pieces: Iterator[bytes] = self._response.iter_raw()
        return from_httpx(self._response, step.request, b"")

    def peek(self, step: Peek) -> bytes:
        """Return the start of the body, which `piece` returns again."""
        while len(self._head) < step.least and (piece := self._next()):
            self._head += piece
        return self._head

    def piece(self) -> bytes:
        """Return the next piece of the body, which is empty at the end. Raises `TransportError` if it breaks off."""
        head, self._head = self._head, b""
        return head or self._next()

    def _next(self) -> bytes:
        with transport_errors(self._sending):
            return next(self._pieces, b"")

    def close(self) -> None:
        self._head = b""
        if self._response is not None:
            self._response.close()
            self._response = None


async def save_async(job: Job, handlers: Handlers, pool: AsyncPool) -> int:
    """`save` for asyncio. Threads write the file, and cancelling stops it immediately."""
    part, body = PartFile(job.target), _AsyncFileBody(pool)

    async def fill(step: Fill) -> Filled:
        part.begin(step.at, step.version)
        buffer, due, broke = bytearray(), 0.0, None
        try:
            while piece := await body.piece():
                buffer += piece
                if len(buffer) >= BATCH_BYTES or time.monotonic() >= due:  # a thread for each piece takes twice as long
                    ready, buffer = bytes(buffer), bytearray()
                    await _in_thread(part.write, ready)
                    job.report_progress(part)
                    due = time.monotonic() + MAX_DELAY
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
        job.report_progress(part)
        return Filled(part.size, broke)

    async def report(step: Report) -> Any:
        await body.aclose()
        value = handlers[Report](step)
        return await value if hasattr(value, "__await__") else value

    own: Handlers = {**handlers, Open: body.open, Peek: body.peek, Fill: fill, Report: report}
    with closing(part):
        async with aclosing(body):
            size: int
            (size,) = [output async for output in perform_async(job.begin(part), own)]
            await _in_thread(part.finish, job.overwrite)
            return size


class _AsyncFileBody:
    """`_FileBody` for asyncio. An open response occupies one of the pool's connections."""

    def __init__(self, pool: AsyncPool) -> None:
        self._pool = pool
        self._open = AsyncExitStack()
        self._head = b""
        self.end: TransportError | None = None

    async def open(self, step: Open) -> Response:
        await self.aclose()
        self._sending = Send(step.request)
        opener = await self._open.enter_async_context(self._pool.lend())
        with transport_errors(self._sending):
            answer = await opener(to_httpx(self._sending, self._pool.http))
        self._open.push_async_callback(answer.aclose)
        self.end = end_of(answer)
        self._pieces: AsyncIterator[bytes] = answer.aiter_raw()
        return from_httpx(answer, step.request, b"")

    async def peek(self, step: Peek) -> bytes:
        while len(self._head) < step.least and (piece := await self._next()):
            self._head += piece
        return self._head

    async def piece(self) -> bytes:
        head, self._head = self._head, b""
        return head or await self._next()

    async def _next(self) -> bytes:
        with transport_errors(self._sending):
            return await anext(self._pieces, b"")

    async def aclose(self) -> None:
        self._head = b""
        await self._open.aclose()


_disk = ThreadPoolExecutor(8, "disk")  # asyncio's own threads look up host names


async def _in_thread(act: Callable[[Any], None], argument: Any) -> None:
    """Run a function in a thread. A cancelled task waits for it, because the file must not be closed meanwhile."""
    job = asyncio.get_running_loop().run_in_executor(_disk, act, argument)
    try:
        await asyncio.shield(job)
    except asyncio.CancelledError:
        await asyncio.wait([job])
        raise
