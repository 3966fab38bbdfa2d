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
from .context import Context, as_json, draw, escape, fail_output, is_watched, print_json, print_table, put, say, wrong
from .options import parser

UNITS = ("bytes", "kB", "MB", "GB", "TB")
REDRAW = 0.1  # seconds between updates of the progress bar
WIDTH = 20  # characters of the progress bar


def _put(data: Any, path: str | None, *, once: bool) -> None:
    """Print a result, or write it to a file: binary results as raw bytes, all others as JSON."""
    text = as_json(data)
    if path is None:
        put(text, once=once)
        return
    content = base64.b64decode(data["base64"]) if bodies.is_file(data) else f"{escape(text, 'utf-8')}\n".encode()
    try:
        Path(path).write_bytes(content)
    except OSError as error:
        fail_output(error, path, text, once=once)
    say(f"wrote {len(content)} bytes to {path}")


def show(context: Context, arguments: list[str]) -> None:
    """Show an action's inputs: labels, options, types, limits and help.

    --yaml also shows what the file leaves out: labels, the place of each value, and shared rows of connector.yaml.
    """
    command = parser(context, "show", show.__doc__, f"show {context.example.split()[0]}")
    command.add_argument("action", metavar="ACTION", help=f"the key of an action, from `{context.prog} list`")
    either = command.add_mutually_exclusive_group()
    either.add_argument("--output", action="store_true", help="show the fields of its result instead")
    either.add_argument("--yaml", action="store_true", help="print its complete definition, as one file")
    chosen = command.parse_args(arguments)
    connector = context.load(None)
    action = connector.action(chosen.action)
    if chosen.yaml:
        from ..authoring import yaml_text

        put(yaml_text.in_full(connector.definition(action.key)).rstrip())
        return
    width = min(shutil.get_terminal_size().columns, 110)
    put("\n".join(options.output_table(action) if chosen.output else options.input_table(action, width)))


def preview(context: Context, arguments: list[str]) -> None:
    """Print the HTTP request that `run` would send without sending it."""
    action, inputs, chosen = _action(context, preview, arguments)
    print_json(action.preview(inputs, clear=chosen.clear, extra=chosen.extra, base_url=context.base_url(chosen)))


def run(context: Context, arguments: list[str]) -> None:
    """Run an action and print its result as JSON. If reading a list fails, the items before the error are printed."""
    action, inputs, chosen = _action(context, run, arguments)
    from ..calls import render
    from ..calls.exchange import result_of

    bound = action.bind(inputs, chosen.clear, chosen.extra)
    effect = render.effect_of(action, render.draft(action, bound.values, action.layout, bound.extra).method)
    terms: dict[str, Any] = {name: getattr(chosen, name) for name in ("cursor", "deadline", "recover")}
    once, pages, count = effect != "read", list[Page](), 0
    ended: RequestError | None = None
    try:
        with context.client(chosen, retries=chosen.retries) as client:
            for page in _counted(client.pages(action.key, bound, chosen.limit, **terms)):
                if chosen.ndjson:
                    items = [page.data] if page.items is None else page.items
                    if items:
                        put("\n".join(json.dumps(item, ensure_ascii=False) for item in items), once=once)
                    page = page.replace(data=None, items=None)  # only one page in memory
                    count += len(items)
                else:
                    count += len(page.items or ())
                pages.append(page)
    except RequestError as error:
        ended = error
    except KeyboardInterrupt:
        ended = RequestError("Interrupted.", hint=_how_to_check(context, action, bound.values) if once else None)
        ended.exit_code, ended.may_have_been_done = 130, once
        ended.items_read, ended.cursor = count, pages[-1].cursor if pages else chosen.cursor
    if pages and not chosen.ndjson:
        _put(result_of(pages, action.paging).data, chosen.output, once=once)
    for page in pages:
        for warning in page.warnings:
            say(f"warning: {warning}")
    if ended is not None:
        raise ended


def _how_to_check(context: Context, action: Action, values: Mapping[str, Any]) -> str:
    """Return the hint after an interrupted change, with the command that finds out whether it was made, if any."""
    hint, rule = "The change may have been made; check before you run it again", action.recover
    if rule is None or not conditions.holds(rule.when, values.get):
        return f"{hint}."
    inputs = [(name, str(values[key])) for name, key in rule.inputs.items() if key in values]
    words = [word for name, value in inputs for word in (f"--{name.replace('_', '-')}", value)]
    return f"{hint}: {context.prog} run {shlex.join([rule.action, *words])}"


def _count(number: int, word: str) -> str:
    return f"{number or 'no'} {word}{'' if number == 1 else 's'}"


def check(context: Context, arguments: list[str]) -> int:
    """Check every definition in a folder and print each fault with its file, line and remedy."""
    command = parser(context, "check", check.__doc__, "check .")
    command.add_argument("folder", metavar="FOLDER", nargs="?", help="a definition folder (default: the bundled one)")
    connector = context.load(command.parse_args(arguments).folder)
    problems = connector.check()
    for problem in problems:
        put(str(problem))
    for gap in [] if problems else connector.gaps():
        say(f"note: {gap}")
    parts = {"action": connector.actions, "trigger": connector.triggers, "connection": connector.connections}
    counts = ", ".join(_count(len(definitions), word) for word, definitions in parts.items())
    say(f"{counts}: {_count(len(problems), 'fault')}")
    return 1 if problems else 0


def catalogue(context: Context, arguments: list[str]) -> None:
    """Print the catalogue as JSON, with everything that a platform needs to draw the connector."""
    command = parser(context, "catalogue", catalogue.__doc__, "catalogue --locale de")
    command.add_argument("--locale", metavar="CODE", help="the language of its labels, one of locales/")
    command.add_argument("--events", action="store_true", help="include the schema and a sample of every event")
    chosen = command.parse_args(arguments)
    print_json(context.load(None).catalogue(chosen.locale, events=chosen.events))


def _action(context: Context, command: Any, arguments: list[str]) -> tuple[Any, dict[str, Any], Namespace]:
    """Return the action that the first argument names, its inputs from the options, and the command's own options."""
    name = command.__name__
    if not arguments or arguments[0] in ("-h", "--help"):
        put(f"usage: {context.prog} {name} ACTION [--INPUT VALUE …]\n\n{options.purpose(command.__doc__)}\n")
        put(f"`{context.prog} {name} ACTION --help` lists an action's inputs, `{context.prog} list` the actions.\n")
        put(f"example: {context.prog} {name} {context.example}")
        raise SystemExit(0 if arguments else 2)
    action = context.load(None).action(arguments[0])
    parser, own = options.parser_of(f"{context.prog} {name} {action.key}", action)
    options.add_common(own, "--inputs")
    own.add_argument("--clear", metavar="INPUT", action="append", default=[], help="clear this field; repeatable")
    help_of_extra = "set a field that has no input, such as body.settings.x=true; repeatable"
    own.add_argument("--extra", metavar="PLACE=VALUE", action="append", default=[], help=help_of_extra)
    options.add_common(own, "--base-url")
    if command is run:
        options.add_common(own, "--connection")
        own.add_argument("--limit", metavar="N", type=int, help="read at most N items of a list")
        own.add_argument("--ndjson", action="store_true", help="print each item as one line of JSON")
        own.add_argument("--output", metavar="FILE", help="write the result to a file (binary results as raw bytes)")
        own.add_argument("--cursor", metavar="TEXT", help="continue a list after an error or a limit")
        own.add_argument("--retries", metavar="N", type=int, default=4, help="how many times to retry (default: 4)")
        own.add_argument("--deadline", metavar="SECONDS", type=float, help="give up after this time, including waits")
        own.add_argument("--recover", action="store_true", help="if an answer is lost, check before creating again")
    inputs, chosen = options.parse(parser, action, arguments[1:], action.bind)
    return action, inputs, chosen


def _counted(pages: Iterator[Page]) -> Iterator[Page]:
    """Yield the pages and count the items of a long list in a line on stderr."""
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
    """Print the choices of an input's drop-down: their values and labels.

    Name an input by its action and key, or a list of choices by its name. Inputs that the choices depend on are
    options, as in `run`.
    """
    if not arguments or arguments[0] in ("-h", "--help"):
        _choices_help(context)
        return 0 if arguments else 2
    connector = context.load(None)
    key, name, rest = _list_named(connector, arguments)
    inputs, parameters = _dependencies(connector, key, name)
    prog = " ".join([context.prog, "choices", *arguments[: len(arguments) - len(rest)]])
    subject = f"the list '{key}'" if name is None else f"the input '{name}' of {key}"
    form = InputTable.of("choices", "Choices", (*inputs, *parameters), subject)
    command, own = options.parser_of(prog, form)
    own.add_argument("--search", metavar="TEXT", help="only choices with these words, ignoring case and accents")
    own.add_argument("--cursor", metavar="TEXT", help="continue after an earlier page")
    own.add_argument("--json", action="store_true", help="print {choices: [{value, label, description}], cursor}")
    options.add_common(own, "--inputs", "--base-url", "--connection")
    values, chosen = options.parse(command, form, rest)
    query: dict[str, Any] = {
        "inputs": {row.key: values[row.key] for row in inputs if row.key in values},
        "parameters": {row.key: values[row.key] for row in parameters if row.key in values},
        "search": chosen.search,
        "cursor": chosen.cursor,
    }
    browsing = browse(connector.profile, connector.action, key, name, **query)
    result = browsing.result
    if browsing.wants_page:
        with context.client(chosen) as client:
            result = client.choices(key, name, **query)
    if chosen.json:
        print_json(result.to_dict())
        return 0
    print_table([(str(choice.value), choice.label, choice.description or "") for choice in result.choices])
    if not result.choices:
        say("no choices on these pages" if result.cursor else "no choices")
    if result.cursor is not None:
        say(f"more choices follow: add --cursor {result.cursor}")
    return 0


def _list_named(connector: Connector, arguments: list[str]) -> tuple[str, str | None, list[str]]:
    """Return the key of an action and an input, or of a list and None, and the remaining arguments."""
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
    what = f"must be one that has choices: {', '.join(able)}" if able else f"no input of {key} has choices"
    raise wrong("choices", "INPUT", what)


def _dependencies(connector: Connector, key: str, name: str | None) -> tuple[list[Input], list[Input]]:
    """Return the inputs and parameters that the choices depend on; parameters explain their label and default."""
    lists = connector.profile.choices
    spec = connector.action(key) if name is not None else None
    row = spec.by_name.get(name or "") if spec else None
    source = lists.get(key, ChoiceList(key=key)) if spec is None else lists.get((row and row.choices_from) or "")
    keys, parameters = reads(source, spec) if source else ([], [])
    described = []
    for parameter in parameters:
        texts = (parameter.label, parameter.comments, f"Default: {parameter.default}" if parameter.has_default else "")
        described.append(parameter._replace(comments=". ".join(text.rstrip(".") for text in texts if text)))
    return [spec.inputs[key] for key in keys] if spec else [], described


def _choices_help(context: Context) -> None:
    connector, prog = context.load(None), f"{context.prog} choices"
    put(f"usage: {prog} ACTION INPUT [--search TEXT] [--INPUT VALUE …]\n       {prog} LIST [--search TEXT] …\n")
    put(options.purpose(choices.__doc__))
    put(f"\n`{prog} ACTION INPUT --help` lists the inputs that the choices depend on.")
    if connector.profile.choices:
        put(f"\nlists: {', '.join(connector.profile.choices)}")
    rows = [(key, row) for key, action in connector.actions.items() for row in action.inputs.values()]
    remote = [f"  {prog} {key} {row.key}" for key, row in rows if row.choices_from]
    fixed = [f"  {prog} {key} {row.key} --search TEXT" for key, row in rows if row.choices]
    if remote or fixed:
        put("\n".join(["\nexamples:", *remote[:1], *fixed[:1]]))


def download(context: Context, arguments: list[str]) -> None:
    """Download the files that an action offers. Run the same command again to resume."""
    offering = [action for action in context.load(None).actions.values() if action.files is not None]
    if not offering:
        raise InputError("No action of this connector offers files.", hint="An action names its files under `files`.")
    first, by_key = offering[0], {action.key: action for action in offering}
    subject = first.inputs[_subject(first)]
    name = subject.label.upper().replace(" ", "_")
    command = parser(context, "download", download.__doc__, f"download {subject.example or name} --to recordings")
    command.add_argument("of", metavar=name, help=f"the first input of {first.key}, or of --action")
    command.add_argument("--action", metavar="ACTION", help=f"{' or '.join(by_key)} (default: {first.key})")
    command.add_argument("--input", metavar="NAME=VALUE", action="append", default=[], help="another input; repeatable")
    command.add_argument("--to", metavar="FOLDER", default=".", help="the folder, created if missing (default: .)")
    command.add_argument("--types", metavar="TYPE[,TYPE…]", help="only files of these types, such as MP4,CHAT")
    command.add_argument("--parallel", metavar="N", type=int, default=3, help="concurrent downloads (default: 3)")
    command.add_argument("--overwrite", action="store_true", help="replace existing files")
    command.add_argument("--any-size", action="store_true", help="accept files that differ from their declared size")
    largest = "maximum size of a file without a declared size (default: 10 GiB)"
    command.add_argument("--largest", metavar="BYTES", type=int, default=MOST_UNANNOUNCED, help=largest)
    options.add_common(command, "--base-url", "--connection")
    chosen = command.parse_args(arguments)
    action = by_key.get(chosen.action or first.key)
    if action is None:
        raise wrong("download", "--action", f"{chosen.action!r} offers no files; must be {' or '.join(by_key)}")
    inputs = {_subject(action): chosen.of}
    for text in chosen.input:
        key, equals, value = text.partition("=")
        if not equals:
            raise wrong("download", "--input", f"{text!r} must be NAME=VALUE")
        inputs[key.replace("-", "_")] = value
    with context.client(chosen) as client:
        files = _selected(client.files(action.key, inputs), chosen)
        bar = _Bar(files)
        terms = {name: getattr(chosen, name) for name in ("parallel", "overwrite", "largest")}
        try:
            for saved in client.download(files, chosen.to, **terms, progress=bar.update):
                bar.clear()
                say(f"{saved.file.name}: {amount(saved.size)}{'' if saved.is_new else ', already downloaded'}")
                put(str(saved.path))
        finally:
            bar.clear()


def _subject(action: Action) -> str:
    """Return the key of the input that selects whose files to download: the first that is always required."""
    return next(row.key for row in action.inputs.values() if row.type != "connection" and row.required == ())


def _selected(files: list[File], chosen: Namespace) -> list[File]:
    if chosen.types is not None:
        types = {word.strip().upper() for word in chosen.types.split(",")}
        offered = {(file.type or "").upper() for file in files}
        if missing := sorted(types - offered):
            remedy = f"choose from {', '.join(sorted(offered))}" if offered else "the action found no files"
            raise wrong("download", "--types", f"no file has the type {' or '.join(missing)}; {remedy}")
        files = [file for file in files if (file.type or "").upper() in types]
    return [replace(file, size=None) for file in files] if chosen.any_size else files


class _Bar:
    """A line on stderr with the progress of all files; nothing unless stderr is a terminal."""

    def __init__(self, files: Iterable[File]) -> None:
        self._bytes: dict[str, tuple[int, int | None]] = {file.name: (0, file.size) for file in files}
        self._live = is_watched()
        self._lock = threading.Lock()
        self._next, self._drawn = 0.0, False

    def update(self, file: File, done: int, total: int | None) -> None:
        with self._lock:
            self._bytes[file.name] = (done, total)
            if self._live and (time.monotonic() >= self._next or done == total):
                self._next, self._drawn = time.monotonic() + REDRAW, True
                size = sum(part for part, _ in self._bytes.values())
                sizes = sum(whole or 0 for _, whole in self._bytes.values())
                complete = sum(part == whole for part, whole in self._bytes.values())
                share = min(1.0, size / sizes) if sizes else 0.0
                bar = "█" * int(share * WIDTH) + "░" * (WIDTH - int(share * WIDTH))
                counts = f"{amount(size)} of {amount(sizes)}  {complete} of {len(self._bytes)} files"
                draw(f"\r\x1b[K{bar} {share:4.0%}  {counts}")

    def clear(self) -> None:
        if self._drawn:
            self._drawn = False
            draw("\r\x1b[K")


def amount(size: float) -> str:
    """Return a number of bytes as people read it: `24.6 MB`."""
    power = 0
    while size >= 1000 and power < len(UNITS) - 1:
        size, power = size / 1000, power + 1
    return f"{size:.{min(power, 1)}f} {UNITS[power]}"
