"""The commands for authors of definitions: `diff`, `new`, `locale`. They read and write files."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from ..authoring import draft, openapi, yaml_text
from ..authoring.diff import bump, differences
from ..definitions import documents, locales
from ..errors import DefinitionError
from .context import Context, print_json, put, say, wrong
from .options import parser, read_file


def diff(context: Context, arguments: list[str]) -> int:
    """Compare two catalogues or definition folders. Print the changes and exit with 1 if any of them breaks flows."""
    command = parser(context, "diff", diff.__doc__, "diff catalogue.json .")
    command.add_argument("old", metavar="OLD", help="a catalogue (JSON, from `catalogue`) or a definition folder")
    command.add_argument("new", metavar="NEW", help="the later catalogue or folder")
    command.add_argument("--json", action="store_true", help="print the changes as JSON")
    chosen = command.parse_args(arguments)
    old, new = _catalogue(context, chosen.old), _catalogue(context, chosen.new)
    if _has_event_schemas(old) != _has_event_schemas(new):
        advice = f"write it with `{context.prog} catalogue --events`"
        which = chosen.new if _has_event_schemas(old) else chosen.old
        say(f"note: {which} lacks the schemas of events, so they are not compared; {advice}")
    changes = differences(old, new)
    breaking = sum(change.breaking for change in changes)
    try:
        version = bump(old["version"], changes)
    except ValueError:
        version = None
    if chosen.json:
        entries = [{"where": change.where, "what": change.what, "level": change.level} for change in changes]
        print_json({"breaking": breaking, "version": version, "changes": entries})
    else:
        for change in changes:
            put(str(change))
    counts = f"{len(changes)} change{'' if len(changes) == 1 else 's'}, {breaking or 'none'} breaking"
    if version is None:
        advice = f"the next version is unknown, because {old['version']!r} is not of the form 1.2.3"
    elif version == old["version"]:
        advice = f"the version stays {version}"
    else:
        advice = f"after {old['version']} the version must be at least {version}; NEW has {new['version']}"
    say(f"{counts}; {advice}")
    return 1 if breaking else 0


def new(context: Context, arguments: list[str]) -> int:
    """Write the first draft of an action to actions/ACTION.yaml and print what is left to do."""
    command = parser(context, "new", new.__doc__, "new delete-meeting --from openapi.json --operation meetingDelete")
    command.add_argument("action", metavar="ACTION", help="the key of the new action, such as delete-meeting")
    command.add_argument("--from", metavar="FILE", dest="source", help="draft it from this OpenAPI document")
    command.add_argument("--operation", metavar="ID", help="the operation's id in the document, or 'GET /users'")
    command.add_argument("--folder", metavar="FOLDER", default=".", help="the definition folder (default: this one)")
    command.add_argument("--force", action="store_true", help="replace an existing file")
    chosen = command.parse_args(arguments)
    folder = Path(chosen.folder)
    file = folder / "actions" / f"{chosen.action}.yaml"
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", chosen.action):
        what = f"is {chosen.action!r}; a key consists of lower-case letters, digits and hyphens, such as delete-meeting"
        raise wrong("new", "ACTION", what)
    if not (folder / "connector.yaml").is_file():
        what = "is not a definition folder: it has no connector.yaml; change to one, or name one with --folder"
        raise wrong("new", str(folder), what)
    if file.exists() and not chosen.force:
        raise wrong("new", str(file), "exists already; --force replaces it")
    folder_context = _folder_context(folder)
    if chosen.source is not None:
        document = read_document(chosen.source)
        try:
            result = draft.draft_action(chosen.action, openapi.operation(document, chosen.operation), folder_context)
            json.dumps([result.data, result.text], ensure_ascii=False).encode()
        except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
            what = f"describes the operation in a way that OpenAPI does not allow ({error}); correct the document"
            raise wrong("new", "--from", what) from None
    elif chosen.operation is not None:
        raise wrong("new", "--operation", "needs the document of the operation; add --from FILE")
    else:
        result = draft.blank(chosen.action, folder_context.common)
    file.parent.mkdir(exist_ok=True)
    has_schema = (folder / "schemas" / "action.schema.json").is_file()
    schema = "# yaml-language-server: $schema=../schemas/action.schema.json\n" if has_schema else ""
    file.write_text(f"{schema}{result.text}", encoding="utf-8")
    problems = context.load(str(folder)).check()
    faults = [problem for problem in problems if problem.where.startswith(f"actions/{file.name}:")]
    put(f"wrote {file}\nleft to do:")
    for line in (*map(str, faults), *result.left):
        put(f"  {line}")
    put(f"then: {context.prog} check {chosen.folder}")
    return 1 if faults else 0


def locale(context: Context, arguments: list[str]) -> None:
    """Write locales/CODE.yaml with every string to translate. Existing translations stay as they are."""
    command = parser(context, "locale", locale.__doc__, "locale fr")
    command.add_argument("code", metavar="CODE", help="the language, such as fr, pt-BR or zh-Hant-TW")
    command.add_argument("--folder", metavar="FOLDER", default=".", help="the definition folder (default: this one)")
    chosen = command.parse_args(arguments)
    if not re.fullmatch(r"[a-z]{2,3}(-[A-Z][a-z]{3})?(-([A-Z]{2}|[0-9]{3}))?", chosen.code):
        raise wrong("locale", "CODE", f"is {chosen.code!r}; must be a code such as fr, pt-BR or zh-Hant-TW")
    folder = Path(chosen.folder)
    connector = context.load(str(folder))
    if chosen.code == connector.locales[0]:
        raise wrong("locale", "CODE", f"is {chosen.code}, the language of the definitions; name another")
    texts = locales.texts(connector.profile, connector.actions, connector.triggers)
    old, spare = connector.translations.get(chosen.code), locales.spare(connector.triggers)
    file = folder / "locales" / f"{chosen.code}.yaml"
    file.parent.mkdir(exist_ok=True)
    schema = "../schemas/locale.schema.json" if (folder / "schemas/locale.schema.json").is_file() else None
    file.write_text(yaml_text.locale(chosen.code, texts, old, spare, schema), encoding="utf-8")
    left = len(locales.untranslated(old.texts, old.actions, texts)) if old else len(texts)
    put(f"wrote {file}: {left:,} of {len(texts):,} strings left to translate")


def _folder_context(folder: Path) -> draft.FolderContext:
    """Return the parts of a folder that a draft follows. Faulty files are treated as empty: `check` reports them."""
    scopes, labels = dict[str, tuple[Any, ...]](), set[str]()
    for file in sorted(folder.glob("actions/*.yaml")):
        data = _plain(file)
        for kind, names in (data.get("scopes") or {}).items():
            scopes[kind] = (*scopes.get(kind, ()), *names)
        labels |= {data["rate_limit"]} if "rate_limit" in data else set()
    return draft.FolderContext(common=_plain(folder / "connector.yaml"), scopes=scopes, labels=tuple(sorted(labels)))


def _plain(file: Path) -> dict[str, Any]:
    try:
        data = documents.read(file.read_text(encoding="utf-8"), file.name).data
    except (DefinitionError, UnicodeDecodeError):
        return {}
    return data if isinstance(data, dict) else {}


def read_document(path: str) -> Any:
    """Read an OpenAPI document in JSON or YAML, which may be larger and less strict than a definition."""
    return read_file("new", path, _json_or_yaml, "neither JSON nor YAML")


def _json_or_yaml(text: str) -> Any:
    if text.lstrip().startswith("{"):
        return json.loads(text)
    import yaml

    class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
        """A loader that reads dates as text."""

    dates, resolvers = "tag:yaml.org,2002:timestamp", Loader.yaml_implicit_resolvers.items()
    Loader.yaml_implicit_resolvers = {first: [rule for rule in rules if rule[0] != dates] for first, rules in resolvers}
    try:
        return yaml.load(text, Loader=Loader)
    except yaml.YAMLError as error:
        raise ValueError(str(error).splitlines()[0]) from None


def _has_event_schemas(catalogue: dict[str, Any]) -> bool:
    return all("schema" in event for trigger in catalogue["triggers"] for event in trigger.get("events", ()))


def _catalogue(context: Context, path: str) -> dict[str, Any]:
    if Path(path).is_dir():
        return context.load(path).catalogue(events=True)
    data = read_file("diff", path)
    words = {"key", "version", "actions", "triggers", "connections", "choices"}
    if not isinstance(data, dict) or not words <= set(data):
        raise wrong("diff", path, f"is not a catalogue; write one with `{context.prog} catalogue > FILE`")
    return data
