"""Downloads files into a folder, several at a time: with threads, or with the tasks of asyncio."""

from __future__ import annotations

import asyncio
import os
import shutil
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from ..calls.files import File, safe_name
from ..errors import ConnectorError, InputError, Problem
from ..perform import Handlers
from ..transport import AsyncPool, Pool
from .fetch import Course
from .save import Job, Progress, save, save_async


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
        if not os.access(folder, os.W_OK | os.X_OK):
            yield Problem("to", f"{folder} can't be written: permission denied")
            return
        needed = 0
        for file in self.files:
            part = folder / f".{file.name}.part"
            needed += max(0, (file.size or 0) - (part.stat().st_size if part.is_file() else 0))
        if needed > free:
            yield Problem("to", f"{folder} has room for {free} bytes and {needed} are needed; make room")


# -- several at a time -----------------------------------------------------------------------------------------------


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
