"""The commands about actions: `show`, `preview`, `run`, `choices`, `download`, `check`, `catalogue`."""

from __future__ import annotations

import base64
import json
import shlex
import shutil
import threading
import time
from argparse import Namespace
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from inspect import cleandoc
from pathlib import Path
from typing import Any

from ..calls import bodies
from ..calls.action import Action
from ..calls.choices import browse, reads
from ..calls.files import MOST_UNANNOUNCED, File
from ..definitions.connector import Connector
from ..errors import InputError, Problem, RequestError
from ..language import conditions
from ..language.schema_faults import nearest
from ..model import ChoiceList, Input, InputTable, Page
from . import options
from .context import Context, as_json, draw, fail_output, is_watched, print_json, print_table, put, say, shown, wrong
from .options import parser

UNITS = ("bytes", "kB", "MB", "GB", "TB")
EACH = 0.1  # seconds between two pictures of the bar
WIDTH = 20


def _put(data: Any, path: str | None, *, once: bool) -> None:
    """Print a result, or write it to a file: bytes as they are, all else as JSON."""
    text = as_json(data)
    if path is None:
        put(text, once=once)
        return
    content = base64.b64decode(data["base64"]) if bodies.is_file(data) else f"{shown(text, 'utf-8')}\n".encode()
    try:
        Path(path).write_bytes(content)
    except OSError as error:
        fail_output(error, path, text, once=once)
    say(f"wrote {len(content)} bytes to {path}")


def show(context: Context, arguments: list[str]) -> None:
    """Show an action's inputs: labels, options, types, limits and help.

    What its file leaves unsaid, --yaml writes out: the labels, where each value goes, the rows of connector.yaml.
    """
    asked = parser(context, "show", show.__doc__, f"show {context.example.split()[0]}")
    asked.add_argument("action", metavar="ACTION", help=f"a key from `{context.prog} list`")
    either = asked.add_mutually_exclusive_group()
    either.add_argument("--output", action="store_true", help="what it gives, instead of its inputs")
    either.add_argument("--yaml", action="store_true", help="its definition in full, as a file that could stand alone")
    chosen = asked.parse_args(arguments)
    connector = context.load(None)
    action = connector.action(chosen.action)
    if chosen.yaml:
        from ..authoring import yaml_text

        put(yaml_text.in_full(connector.definition(action.key)).rstrip())
        return
    width = min(shutil.get_terminal_size().columns, 110)
    put("\n".join(options.output_table(action) if chosen.output else options.input_table(action, width)))


def preview(context: Context, arguments: list[str]) -> None:
    """Print the HTTP request that `run` would send, and send nothing."""
    action, inputs, chosen = _action(context, preview, arguments)
    print_json(action.preview(inputs, clear=chosen.clear, base_url=context.base_url(chosen)))


def run(context: Context, arguments: list[str]) -> None:
    """Run an action and print its result as JSON. Of a list that an error or Ctrl-C ended, what was read is printed."""
    action, inputs, chosen = _action(context, run, arguments)
    from ..calls import render
    from ..calls.exchange import result_of

    bound = action.bind(inputs, chosen.clear)
    effect = render.effect_of(action, render.draft(action, bound.values, action.layout).method)
    how: dict[str, Any] = {name: getattr(chosen, name) for name in ("cursor", "deadline", "recover")}
    once, read, count = effect != "read", list[Page](), 0
    ended: RequestError | None = None
    try:
        with context.client(chosen, retries=chosen.retries) as caller:
            for page in _watched(caller.pages(action.key, bound, chosen.limit, **how)):
                if chosen.ndjson:
                    items = [page.data] if page.items is None else page.items
                    if items:
                        put("\n".join(json.dumps(item, ensure_ascii=False) for item in items), once=once)
                    page = page.replace(data=None, items=None)  # a page at a time in memory
                    count += len(items)
                else:
                    count += len(page.items or ())
                read.append(page)
    except RequestError as error:
        ended = error
    except KeyboardInterrupt:
        ended = RequestError("Interrupted.", hint=_looked_for(context, action, bound.values) if once else None)
        ended.exit_code, ended.may_have_been_done = 130, once
        ended.items_read, ended.cursor = count, read[-1].cursor if read else chosen.cursor
    if read and not chosen.ndjson:
        _put(result_of(read, action.paging).data, chosen.output, once=once)
    for page in read:
        for warning in page.warnings:
            say(f"warning: {warning}")
    if ended is not None:
        raise ended


def _looked_for(context: Context, action: Action, values: Mapping[str, Any]) -> str:
    """What somebody is told who interrupted a change: how to look whether it was done, where the definition says."""
    hint, rule = "It may have been done; look before you run it again", action.recover
    if rule is None or not conditions.holds(rule.when, values.get):
        return f"{hint}."
    given = [(name, str(values[ours])) for name, ours in rule.inputs.items() if ours in values]
    words = [word for name, value in given for word in (f"--{name.replace('_', '-')}", value)]
    return f"{hint}: {context.prog} run {shlex.join([rule.action, *words])}"


def _count(number: int, word: str) -> str:
    return f"{number or 'no'} {word}{'' if number == 1 else 's'}"


def check(context: Context, arguments: list[str]) -> int:
    """Check every definition of a folder: file, line, what is wrong and what to do."""
    asked = parser(context, "check", check.__doc__, "check .")
    asked.add_argument("folder", metavar="FOLDER", nargs="?", help="a definition folder; the bundled one if left out")
    connector = context.load(asked.parse_args(arguments).folder)
    problems = connector.check()
    for problem in problems:
        put(str(problem))
    for gap in [] if problems else connector.gaps():
        say(f"note: {gap}")
    parts = {"action": connector.actions, "trigger": connector.triggers, "connection": connector.connections}
    counted = ", ".join(_count(len(found), word) for word, found in parts.items())
    say(f"{counted}: {_count(len(problems), 'fault')}")
    return 1 if problems else 0


def catalogue(context: Context, arguments: list[str]) -> None:
    """Print the catalogue that platforms draw from, as JSON."""
    asked = parser(context, "catalogue", catalogue.__doc__, "catalogue")
    asked.add_argument("--locale", metavar="CODE", help="the language of its texts, if locales/ has it")
    asked.add_argument("--events", action="store_true", help="with the schema and a sample of every event")
    chosen = asked.parse_args(arguments)
    print_json(context.load(None).catalogue(chosen.locale, events=chosen.events))


def _action(context: Context, command: Any, arguments: list[str]) -> tuple[Any, dict[str, Any], Namespace]:
    """The action named first, the inputs that the options make, and the runtime's own options."""
    name = command.__name__
    if not arguments or arguments[0] in ("-h", "--help"):
        put(f"usage: {context.prog} {name} ACTION [--INPUT VALUE …]\n\n{command.__doc__}\n")
        put(f"{context.prog} {name} ACTION --help lists the inputs of an action; {context.prog} list the actions.\n")
        put(f"example: {context.prog} {name} {context.example}")
        raise SystemExit(0 if arguments else 2)
    action = context.load(None).action(arguments[0])
    parser, own = options.parser_of(f"{context.prog} {name} {action.key}", action)
    options.add_common(own, "--inputs")
    own.add_argument("--clear", metavar="INPUT", action="append", default=[], help="empty this field at the vendor")
    options.add_common(own, "--base-url")
    if command is run:
        options.add_common(own, "--connection")
        own.add_argument("--limit", metavar="N", type=int, help="at most so many items of a list")
        own.add_argument("--ndjson", action="store_true", help="one line of JSON for each item, as they come")
        own.add_argument("--output", metavar="FILE", help="write the result there; a binary one as it is")
        own.add_argument("--cursor", metavar="TEXT", help="go on with a list where an error or a limit ended it")
        own.add_argument("--retries", metavar="N", type=int, default=4, help="how often to try again (default: 4)")
        own.add_argument("--deadline", metavar="SECONDS", type=float, help="give up after so long, pauses included")
        own.add_argument("--recover", action="store_true", help="if an answer is lost, look before creating again")
    inputs, chosen = options.parse(parser, action, arguments[1:])
    chosen.clear = [key.replace("-", "_") for key in chosen.clear]
    return action, inputs, chosen


def _watched(pages: Iterator[Page]) -> Iterator[Page]:
    """The pages, with a line on stderr that counts the items of a long list."""
    live = is_watched()
    count = 0
    for number, page in enumerate(pages, 1):
        count += len(page.items or ())
        if page.items is not None and number > 1 and (live or number % 10 == 0):
            draw(f"\r{count} items …" if live else f"{count} items …\n")
        yield page
    if live and count and number > 1:
        draw(f"\r{count} items in {number} pages\n")


def choices(context: Context, arguments: list[str]) -> int:
    """Print what a drop-down offers: the values that an input takes, with labels.

    ACTION INPUT names an input; what its choices depend on is given as for `run`. A LIST is asked for by its own name.
    """
    if not arguments or arguments[0] in ("-h", "--help"):
        _choices_help(context)
        return 0 if arguments else 2
    connector = context.load(None)
    key, name, rest = _named(connector, arguments)
    inputs, parameters = _asked(connector, key, name)
    prog = " ".join([context.prog, "choices", *arguments[: len(arguments) - len(rest)]])
    about = f"the list '{key}'" if name is None else f"what the input '{name}' of {key} takes"
    form = InputTable.of("choices", "Choices", (*inputs, *parameters), about)
    asked, own = options.parser_of(prog, form)
    own.add_argument("--search", metavar="TEXT", help="only entries with these words, whatever their case or accents")
    own.add_argument("--cursor", metavar="TEXT", help="go on where an earlier page ended")
    own.add_argument("--json", action="store_true", help="as JSON: {choices: [{value, label, description}], cursor}")
    options.add_common(own, "--inputs", "--base-url", "--connection")
    values, chosen = options.parse(asked, form, rest)
    said: dict[str, Any] = {
        "inputs": {row.key: values[row.key] for row in inputs if row.key in values},
        "parameters": {row.key: values[row.key] for row in parameters if row.key in values},
        "search": chosen.search,
        "cursor": chosen.cursor,
    }
    begun = browse(connector.profile, connector.action, key, name, **said)
    found = begun.result
    if begun.wants_page:
        with context.client(chosen) as caller:
            found = caller.choices(key, name, **said)
    if chosen.json:
        print_json(found.to_dict())
        return 0
    texts = [(str(each.value), each.label, each.description or "") for each in found.choices]
    print_table(texts)
    if not found.choices:
        say("nothing on these pages" if found.cursor else "there is nothing to choose from")
    if found.cursor is not None:
        say(f"there is more: add --cursor {found.cursor}")
    return 0


def _named(connector: Connector, arguments: list[str]) -> tuple[str, str | None, list[str]]:
    """The action and the input, or the list, and the arguments after them."""
    key, lists = arguments[0], connector.profile.choices
    if key not in connector.actions:
        if key in lists:
            return key, None, arguments[1:]
        what = f"is neither an action of {connector.key} nor a list of choices."
        what += nearest(key, [*connector.actions, *lists])
        raise InputError(f"'{key}' {what}", problems=[Problem("action", f"{key!r} {what}")])
    if len(arguments) > 1 and not arguments[1].startswith("-"):
        return key, arguments[1].replace("-", "_"), arguments[2:]
    able = [row.key for row in connector.action(key).inputs.values() if row.choices or row.choices_from]
    what = f"name one that has choices: {', '.join(able)}" if able else f"none of {key} has choices"
    raise wrong("choices", "INPUT", what)


def _asked(connector: Connector, key: str, name: str | None) -> tuple[list[Input], list[Input]]:
    """The inputs and the parameters that the choices depend on; a parameter's help is its label and default too."""
    lists = connector.profile.choices
    spec = connector.action(key) if name is not None else None
    row = spec.by_name.get(name or "") if spec else None
    source = lists.get(key, ChoiceList(key=key)) if spec is None else lists.get((row and row.choices_from) or "")
    own, parameters = reads(source, spec) if source else ([], [])
    told = []
    for each in parameters:
        words = (each.label, f"{each.default} if left out" if each.has_default else "", each.comments)
        told.append(each._replace(comments=". ".join(word.rstrip(".") for word in words if word)))
    return [spec.inputs[each] for each in own] if spec else [], told


def _choices_help(context: Context) -> None:
    connector, prog = context.load(None), f"{context.prog} choices"
    put(f"usage: {prog} ACTION INPUT [--search TEXT] [--INPUT VALUE …]\n       {prog} LIST [--search TEXT] …\n")
    put(cleandoc(choices.__doc__ or ""))
    put(f"\n{prog} ACTION INPUT --help lists what the choices of an input depend on.")
    if connector.profile.choices:
        put(f"\nlists: {', '.join(connector.profile.choices)}")
    rows = [(key, row) for key, action in connector.actions.items() for row in action.inputs.values()]
    remote = [f"  {prog} {key} {row.key}" for key, row in rows if row.choices_from]
    fixed = [f"  {prog} {key} {row.key} --search TEXT" for key, row in rows if row.choices]
    if remote or fixed:
        put("\n".join(["\nexamples:", *remote[:1], *fixed[:1]]))


def download(context: Context, arguments: list[str]) -> None:
    """Download the files of an answer; what broke off is gone on with when it is run again."""
    offering = [action for action in context.load(None).actions.values() if action.files is not None]
    if not offering:
        raise InputError("No action here offers files.", hint="An action says under `files` what can be downloaded.")
    first, by_key = offering[0], {action.key: action for action in offering}
    subject = first.inputs[_subject(first)]
    name = subject.label.upper().replace(" ", "_")
    asked = parser(context, "download", download.__doc__, f"download {subject.example or name} --to recordings")
    asked.add_argument("of", metavar=name, help=f"{first.label} of this; with --action, of that action's")
    asked.add_argument("--action", metavar="ACTION", help=f"{' or '.join(by_key)} ({first.key})")
    more = "another input of the action; repeatable"
    asked.add_argument("--input", metavar="NAME=VALUE", action="append", default=[], help=more)
    asked.add_argument("--to", metavar="FOLDER", default=".", help="where to; made if it is missing (this folder)")
    asked.add_argument("--types", metavar="TYPE,…", help="only files of these types")
    asked.add_argument("--parallel", metavar="N", type=int, default=3, help="so many at a time (3)")
    asked.add_argument("--overwrite", action="store_true", help="replace files of the same names")
    asked.add_argument("--any-size", action="store_true", help="do not compare with the size that is announced")
    largest = "take so many of a file of no announced size (10 GiB)"
    asked.add_argument("--largest", metavar="BYTES", type=int, default=MOST_UNANNOUNCED, help=largest)
    options.add_common(asked, "--base-url", "--connection")
    chosen = asked.parse_args(arguments)
    action = by_key.get(chosen.action or first.key)
    if action is None:
        raise wrong("download", "--action", f"{chosen.action!r} offers no files; known: {', '.join(by_key)}")
    inputs = {_subject(action): chosen.of}
    for text in chosen.input:
        key, equals, value = text.partition("=")
        if not equals:
            raise wrong("download", "--input", f"{text!r} is no NAME=VALUE")
        inputs[key.replace("-", "_")] = value
    with context.client(chosen) as caller:
        files = _wanted(caller.files(action.key, inputs), chosen)
        bar = _Bar(files)
        how = {name: getattr(chosen, name) for name in ("parallel", "overwrite", "largest")} | {"progress": bar.told}
        try:
            for saved in caller.download(files, chosen.to, **how):
                bar.clear()
                say(f"{saved.file.name}: {amount(saved.size)}{'' if saved.is_new else ', was there already'}")
                put(str(saved.path))
        finally:
            bar.clear()


def _subject(action: Action) -> str:
    """The input that says whose files: the first that has to be given."""
    return next(row.key for row in action.inputs.values() if row.type != "connection" and row.required == ())


def _wanted(files: list[File], chosen: Namespace) -> list[File]:
    if chosen.types is not None:
        types = {word.strip().upper() for word in chosen.types.split(",")}
        there = {(file.type or "").upper() for file in files}
        if missing := sorted(types - there):
            known = ", ".join(sorted(there)) or "no file"
            raise wrong("download", "--types", f"there is no {', '.join(missing)}; there is: {known}")
        files = [file for file in files if (file.type or "").upper() in types]
    return [replace(file, size=None) for file in files] if chosen.any_size else files


class _Bar:
    """One line on stderr that shows how far all files are, on a terminal only."""

    def __init__(self, files: Iterable[File]) -> None:
        self._bytes: dict[str, tuple[int, int | None]] = {file.name: (0, file.size) for file in files}
        self._live = is_watched()
        self._lock = threading.Lock()
        self._next, self._drawn = 0.0, False

    def told(self, file: File, done: int, total: int | None) -> None:
        with self._lock:
            self._bytes[file.name] = (done, total)
            if self._live and (time.monotonic() >= self._next or done == total):
                self._next, self._drawn = time.monotonic() + EACH, True
                here = sum(have for have, _ in self._bytes.values())
                whole = sum(size or 0 for _, size in self._bytes.values())
                complete = sum(have == size for have, size in self._bytes.values())
                share = min(1.0, here / whole) if whole else 0.0
                bar = "█" * int(share * WIDTH) + "░" * (WIDTH - int(share * WIDTH))
                said = f"{bar} {share:4.0%}  {amount(here)} of {amount(whole)}  {complete} of {len(self._bytes)} files"
                draw(f"\r\x1b[K{said}")

    def clear(self) -> None:
        if self._drawn:
            self._drawn = False
            draw("\r\x1b[K")


def amount(size: float) -> str:
    """A number of bytes for a person: `24.6 MB`."""
    power = 0
    while size >= 1000 and power < len(UNITS) - 1:
        size, power = size / 1000, power + 1
    return f"{size:.{min(power, 1)}f} {UNITS[power]}"
