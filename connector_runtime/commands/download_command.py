"""The command `download`: the files that an action's answer offers, into a folder."""

from __future__ import annotations

import argparse
import sys
import threading
import time
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from ..calls.action import Action
from ..calls.files import File
from ..downloads.download import Saved
from ..errors import InputError
from .access import client
from .context import Context, say, wrong
from .options import add_common, parser

UNITS = ("bytes", "kB", "MB", "GB", "TB")
EACH = 0.1  # seconds between two pictures of the bar
WIDTH = 20


def download(context: Context, arguments: list[str]) -> None:
    """Download the files of an answer; what broke off is gone on with when it is run again."""
    offering = [action for action in context.load(None).actions.values() if action.files is not None]
    if not offering:
        raise InputError("No action here offers files.", hint="An action says under `files` what can be downloaded.")
    chosen = _options(context, offering).parse_args(arguments)
    by_key = {action.key: action for action in offering}
    action = by_key.get(chosen.action or offering[0].key)
    if action is None:
        raise wrong("download", "--action", f"{chosen.action!r} offers no files; known: {', '.join(by_key)}")
    inputs = {_subject(action): chosen.of}
    for text in chosen.input:
        name, equals, value = text.partition("=")
        if not equals:
            raise wrong("download", "--input", f"{text!r} is no NAME=VALUE")
        inputs[name.replace("-", "_")] = value
    with client(context, chosen) as caller:
        files = _wanted(caller.files(action.key, inputs), chosen)
        with _Bar(files) as bar:
            how = {"parallel": chosen.parallel, "overwrite": chosen.overwrite, "progress": bar.told}
            for saved in caller.download(files, chosen.to, **how):
                bar.done(saved)


def _options(context: Context, offering: list[Action]) -> argparse.ArgumentParser:
    first = offering[0]
    subject = first.inputs[_subject(first)]
    name = subject.label.upper().replace(" ", "_")
    asked = parser(context, "download", download.__doc__, f"download {subject.example or name} --to recordings")
    asked.add_argument("of", metavar=name, help=f"{first.label} of this; with --action, of that action's")
    asked.add_argument("--action", metavar="ACTION", help=f"{' or '.join(each.key for each in offering)} ({first.key})")
    asked.add_argument(
        "--input", metavar="NAME=VALUE", action="append", default=[], help="another input of the action; repeatable"
    )
    asked.add_argument("--to", metavar="FOLDER", default=".", help="where to; made if it is missing (this folder)")
    asked.add_argument("--types", metavar="TYPE,…", help="only files of these types")
    asked.add_argument("--parallel", metavar="N", type=int, default=3, help="so many at a time (3)")
    asked.add_argument("--overwrite", action="store_true", help="replace files of the same names")
    asked.add_argument("--any-size", action="store_true", help="do not compare with the size that is announced")
    add_common(asked, "--base-url", "--connection")
    return asked


def _subject(action: Action) -> str:
    """The input that says whose files: the first that has to be given."""
    return next(row.key for row in action.inputs.values() if row.type != "connection" and row.required == ())


def _wanted(files: list[File], chosen: argparse.Namespace) -> list[File]:
    if chosen.types is not None:
        types = {word.strip().upper() for word in chosen.types.split(",")}
        there = {(file.type or "").upper() for file in files}
        if missing := sorted(types - there):
            known = ", ".join(sorted(there)) or "no file"
            raise wrong("download", "--types", f"there is no {', '.join(missing)}; there is: {known}")
        files = [file for file in files if (file.type or "").upper() in types]
    return [replace(file, size=None) for file in files] if chosen.any_size else files


# -- what a person sees ----------------------------------------------------------------------------------------------


class _Bar:
    """One line on stderr that shows how far all files are, on a terminal only; and a line for each file at the end."""

    def __init__(self, files: Iterable[File]) -> None:
        self._bytes: dict[str, tuple[int, int | None]] = {file.name: (0, file.size) for file in files}
        self._live = sys.stderr.isatty()
        self._lock = threading.Lock()
        self._next = 0.0
        self._drawn = False

    def __enter__(self) -> _Bar:
        return self

    def __exit__(self, *error: Any) -> None:
        self._clear()

    def told(self, file: File, done: int, total: int | None) -> None:
        with self._lock:
            self._bytes[file.name] = (done, total)
            now = time.monotonic()
            if self._live and (now >= self._next or done == total):
                self._next, self._drawn = now + EACH, True
                print(f"\r\x1b[K{self._line()}", end="", file=sys.stderr, flush=True)

    def done(self, saved: Saved) -> None:
        self._clear()
        said = "" if saved.is_new else ", was there already"
        say(f"{saved.file.name}: {amount(saved.size)}{said}")
        print(saved.path)

    def _line(self) -> str:
        done = sum(have for have, _ in self._bytes.values())
        totals = [total for _, total in self._bytes.values()]
        whole = sum(total or 0 for total in totals)
        complete = sum(have == total for have, total in self._bytes.values())
        share = min(1.0, done / whole) if whole else 0.0
        bar = "█" * int(share * WIDTH) + "░" * (WIDTH - int(share * WIDTH))
        return f"{bar} {share:4.0%}  {amount(done)} of {amount(whole)}  {complete} of {len(totals)} files"

    def _clear(self) -> None:
        if self._drawn:
            self._drawn = False
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def amount(size: float) -> str:
    """A number of bytes for a person: `24.6 MB`."""
    power = 0
    while size >= 1000 and power < len(UNITS) - 1:
        size, power = size / 1000, power + 1
    return f"{size:.{min(power, 1)}f} {UNITS[power]}"
