"""Downloads files into a folder in threads, several at a time and also for asyncio, writing bodies as they arrive."""

from __future__ import annotations

import asyncio
import os
import shutil
import threading
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator
from concurrent.futures import CancelledError, Future, as_completed, wait
from contextlib import AsyncExitStack, closing, suppress
from contextvars import copy_context
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from ..calls.files import MOST_UNANNOUNCED, File, folded, numbered, safe_name
from ..errors import ConnectorError, InputError, Problem, RequestError, TransportError
from ..model import Response
from ..perform import Handlers, perform
from ..sentences import Sentence
from ..steps import Fill, Filled, Open, Peek, Report, Send, Wait
from ..structs import shows
from ..transport import AsyncPool, Pool, from_httpx, to_httpx, transport_errors
from .fetch import HEAD, DownloadSettings, fetch
from .part import PartFile, size_of

BATCH_BYTES = 2**20  # that an event loop collects for a thread
MAX_DELAY = 0.25  # seconds after which a batch may be smaller


@shows("file", "size", "is_new")
@dataclass(frozen=True, slots=True, repr=False)
class SavedFile:
    """A file on disk: its `path`, its `size` in bytes, and `is_new`, which is False if the file already existed."""

    file: File
    path: Path
    size: int
    is_new: bool


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
        progress: Callable[[File, int, int | None], object] | None = None,
        largest: int = MOST_UNANNOUNCED,
    ) -> None:
        self.requested = tuple(files) if isinstance(files, Iterable) else (files,)
        if not all(isinstance(file, File) for file in self.requested) or not isinstance(to, str | os.PathLike):
            what = "must be files from an action's response, and the path of a folder"
            raise InputError.of("the download", [Problem("files, to", what)])
        self.folder, self.settings = Path(to), settings
        self.parallel, self.overwrite, self.progress, self.largest = parallel, overwrite, progress, largest
        self.outcomes: dict[File, SavedFile | ConnectorError] = {}  # at first, only for files that need no download
        problems = [*self._problems()]
        self.files = [file for file in self.requested if file not in self.outcomes]
        self._waiting, self.stop = deque(self.files), threading.Event()
        if self.files and not problems:
            problems += self._folder_problems()
        if problems:
            raise InputError.of("the download", problems)

    def start(self, handlers: Handlers, pool: Pool | _Loop) -> Iterator[Future[None]]:
        """Start threads that `work`, in the caller's context. They are daemons, because they must not block an exit."""

        def worker(ended: Future[None]) -> None:
            try:
                self.work(handlers, pool)
                ended.set_result(None)
            except BaseException as error:  # not merely a failed download
                ended.set_exception(error)

        for _ in range(min(self.parallel, len(self.files))):
            ended: Future[None] = Future()
            threading.Thread(target=copy_context().run, args=(worker, ended), daemon=True, name="download").start()
            yield ended

    def work(self, handlers: Handlers, pool: Pool | _Loop) -> None:
        """Download one file after another until none is waiting or `stop` is set."""
        while not self.stop.is_set():
            try:
                file = self._waiting.popleft()
            except IndexError:
                return
            try:
                self.outcomes[file] = SavedFile(file, self.folder / file.name, save(self, file, handlers, pool), True)
            except ConnectorError as error:
                self.outcomes[file] = error

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
                    self.outcomes[file] = SavedFile(file, path, size, False)
                elif not self.overwrite and size:  # an empty file may be replaced
                    what = f"exists with {size} bytes instead of {file.size}; use overwrite to replace it"
                    yield Problem(str(path), what)
            elif not self.overwrite and alike[file.was, file.size] == 1 and (earlier := self._earlier(file)):
                self.outcomes[file] = earlier
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
            yield Problem("to", f"{folder} has {free} bytes free and needs {needed}; free up some space")


def download(plan: DownloadPlan, handlers: Handlers, pool: Pool) -> list[SavedFile]:
    """Download all files in a plan. A failure does not stop the other files; the final error includes it."""
    try:
        if len(plan.files) <= 1 or plan.parallel == 1:
            plan.work(handlers, pool)
        else:
            for worker in as_completed(plan.start(handlers, pool)):
                worker.result()
    finally:
        plan.stop.set()
    return _gathered(plan)


async def download_async(plan: DownloadPlan, handlers: Handlers, pool: AsyncPool) -> list[SavedFile]:
    """`download` for asyncio. The threads leave HTTP, the handlers and `progress` to the event loop."""
    loop, workers = _Loop(pool, plan.stop), list[asyncio.Future[None]]()
    own: Handlers = {kind: partial(loop.run, handler) for kind, handler in handlers.items()}
    if plan.progress is not None:
        plan.progress = partial(loop.run, plan.progress)
    try:
        workers.extend(map(asyncio.wrap_future, plan.start(own, loop)))
        for worker in asyncio.as_completed(workers):
            await worker
    except BaseException:
        loop.cancel()
        ended = asyncio.gather(*workers, return_exceptions=True)
        while not ended.done():
            with suppress(asyncio.CancelledError):  # the threads need the loop until they have closed their files
                await asyncio.shield(ended)
        raise
    return _gathered(plan)


def _gathered(plan: DownloadPlan) -> list[SavedFile]:
    """Return the saved files. Raises the error of the first failed file, with all failures as its problems."""
    outcomes = [(file, plan.outcomes[file]) for file in plan.requested]
    failed = [(file, outcome) for file, outcome in outcomes if isinstance(outcome, ConnectorError)]
    if not failed:
        return [outcome for _, outcome in outcomes if isinstance(outcome, SavedFile)]
    for file, failure in failed:
        failure.speak(plan.settings(file).action.profile.phrasebook)
    error: Any = failed[0][1]
    if len(plan.requested) == 1:
        if isinstance(error, RequestError):  # other errors name the path
            what = f"{failed[0][0].name}: {error.message}"
            raise error.with_message(what, hint=error.hint, problems=error.problems)
        raise error
    message = Sentence("{count} of {total} files were not downloaded:", count=len(failed), total=len(plan.requested))
    raise error.with_message(message, problems=[Problem(file.name, str(failure)) for file, failure in failed])


def save(plan: DownloadPlan, file: File, handlers: Handlers, pool: Pool | _Loop) -> int:
    """Save one file and return its size. Raises `CancelledError` at the next piece or pause once `stop` is set."""
    part, body = PartFile(plan.folder / file.name), _FileBody(pool)

    def fill(step: Fill) -> Filled:
        part.begin(step.at, step.version)
        try:
            while piece := body.piece():
                part.write(piece)
                if plan.progress is not None:
                    plan.progress(file, part.size, step.version.total or file.size)
                if plan.stop.is_set():
                    raise CancelledError
                if (size := part.size) > step.most:
                    part.begin(0, step.version)
                    return Filled(size)
        except TransportError as error:
            return Filled(part.size, error)
        return Filled(part.size, end_of(body.response))

    def report(step: Report) -> Any:
        body.close()  # no response stays open during a pause or while a token is renewed
        return handlers[Report](step)

    def pause(step: Wait) -> None:
        if plan.stop.wait(step.seconds):
            raise CancelledError

    own: Handlers = {**handlers, Open: body.open, Peek: body.peek, Fill: fill, Wait: pause, Report: report}
    with closing(part), closing(body):
        part.open()
        settings = replace(plan.settings(file), largest=plan.largest)
        size: int
        (size,) = perform(fetch(file, settings, part.size, part.version), own)
        part.finish(plan.overwrite)
        return size


UNKNOWN_LENGTH = Sentence("The connection closed, and neither {vendor} nor the response gives the length of the file.")


def end_of(answer: Any) -> TransportError | None:
    """Return the error to assume at the end of a body without a length, where a dropped connection looks the same."""
    says = "content-length" in answer.headers or "transfer-encoding" in answer.headers
    return None if says or answer.http_version == "HTTP/2" else TransportError(UNKNOWN_LENGTH)


class _FileBody:
    """The bodies of successive responses; `open` closes the previous body."""

    def __init__(self, pool: Pool | _Loop) -> None:
        self._pool = pool
        self.response: Any = None

    def open(self, step: Open) -> Response:
        """Send a request and return its response without `content`. Raises `TransportError` if none arrives."""
        self.close()
        self._sending = Send(step.request)
        with transport_errors(self._sending):
            self.response = self._pool.open(self._sending)
        self._pieces: Iterator[bytes | bytearray] = self.response.iter_raw()
        return from_httpx(self.response, step.request, b"")

    def peek(self, step: Peek) -> bytes:
        """Return the start of the body, which `piece` returns again."""
        head = b""
        while len(head) < step.least and (piece := self.piece()):
            head += piece
        self._pieces = chain([head], self._pieces)
        return head

    def piece(self) -> bytes | bytearray:
        """Return the next piece of the body, which is empty at the end. Raises `TransportError` if it is cut off."""
        with transport_errors(self._sending):
            return next(self._pieces, b"")

    def close(self) -> None:
        if self.response is not None:
            self.response.close()
            self.response = None


class _Loop:
    """The event loop of a download: its threads run functions and open responses in it, and wait for the results."""

    def __init__(self, pool: AsyncPool, stop: threading.Event) -> None:
        self._pool, self._stop, self._loop = pool, stop, asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[Any] | None] = set()

    def cancel(self) -> None:
        """Stop the threads and cancel what they wait for. After that, they can only close responses."""
        self._stop.set()
        for task in self._tasks:
            if task and not task.cancelling():  # cancelling again would interrupt the cleanup
                task.cancel()

    def run(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Return the result of a function, or of the awaitable that it returns."""

        async def called() -> Any:
            if self._stop.is_set():
                raise asyncio.CancelledError
            self._tasks.add(task := asyncio.current_task())
            try:
                value = function(*arguments)
                return await value if hasattr(value, "__await__") else value
            finally:
                self._tasks.discard(task)

        return self._wait(called)

    def _wait(self, act: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        future = None
        while future is None or not wait([future], timeout=1).done:
            if self._loop.is_closed():  # a closed loop would never end the coroutine
                raise CancelledError
            future = future or asyncio.run_coroutine_threadsafe(act(), self._loop)
        return future.result()

    def open(self, step: Send) -> Any:
        """Send a request, and return what a thread uses of the response."""

        async def opened() -> tuple[Any, AsyncExitStack]:
            async with AsyncExitStack() as stack:
                opener = await stack.enter_async_context(self._pool.lend())
                answer = await opener(to_httpx(step, self._pool.http))
                stack.push_async_callback(answer.aclose)
                return answer, stack.pop_all()

        async def closed() -> None:
            async with stack:
                if self._stop.is_set():  # an interrupted connection may never become idle again
                    raise asyncio.CancelledError

        answer, stack = self.run(opened)
        head = {"status_code": answer.status_code, "headers": answer.headers, "http_version": answer.http_version}
        body = {"iter_raw": lambda: self._pieces(answer.aiter_raw()), "close": lambda: self._wait(closed)}
        return SimpleNamespace(**head, **body)

    def _pieces(self, stream: AsyncIterator[bytes]) -> Iterator[bytearray]:
        """Yield a body in batches, because a call for each piece takes twice as long."""

        async def read(batch: bytearray) -> bool:
            async for piece in stream:
                batch += piece
                if len(batch) >= BATCH_BYTES or time.monotonic() >= due:
                    return True
            return False

        is_more, size, due = True, 0, 0.0
        while is_more:
            batch = bytearray()
            try:
                is_more = self.run(read, batch)
            finally:  # pieces that arrived before an error come before it
                if batch:
                    yield batch
            size += len(batch)
            if size >= HEAD:  # the start, which shows whether this is the file, comes piece by piece
                due = time.monotonic() + MAX_DELAY
