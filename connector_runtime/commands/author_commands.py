"""The commands for people who write definitions: `diff`, `new`, `locale`. Files are read and written here."""

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
    """Compare two catalogues, or two definition folders: what changed, and what of it breaks flows."""
    asked = parser(context, "diff", diff.__doc__, "diff catalogue.json .")
    asked.add_argument("old", metavar="OLD", help="a catalogue (JSON, as `catalogue` prints it) or a definition folder")
    asked.add_argument("new", metavar="NEW", help="what it became")
    asked.add_argument("--json", action="store_true", help="the changes as JSON")
    chosen = asked.parse_args(arguments)
    old, new = _catalogue(context, chosen.old), _catalogue(context, chosen.new)
    if _events(old) != _events(new):
        advice = f"write it with `{context.prog} catalogue --events`"
        which = chosen.new if _events(old) else chosen.old
        say(f"note: {which} is without the schemas of events, so those are not compared; {advice}")
    changes = differences(old, new)
    breaking = sum(change.breaking for change in changes)
    try:
        wanted = bump(old["version"], changes)
    except ValueError:
        wanted = None
    if chosen.json:
        listed = [{"where": change.where, "what": change.what, "level": change.level} for change in changes]
        print_json({"breaking": breaking, "version": wanted, "changes": listed})
    else:
        for change in changes:
            put(str(change))
    counted = f"{len(changes)} change{'' if len(changes) == 1 else 's'}, {breaking or 'none'} breaking"
    if wanted is None:
        advice = f"{old['version']!r} is no version of the form 1.2.3, so the next can't be told"
    elif wanted == old["version"]:
        advice = f"the version stays {wanted}"
    else:
        advice = f"after {old['version']} comes at least {wanted}; NEW says {new['version']}"
    say(f"{counted}; {advice}")
    return 1 if breaking else 0


def new(context: Context, arguments: list[str]) -> int:
    """Write the first draft of an action into actions/, and say what is left to do."""
    example = "new delete-meeting --from openapi.json --operation meetingDelete"
    asked = parser(context, "new", new.__doc__, example)
    asked.add_argument("action", metavar="ACTION", help="its key, as in delete-meeting")
    asked.add_argument("--from", metavar="FILE", dest="source", help="an OpenAPI document, JSON or YAML")
    asked.add_argument("--operation", metavar="ID", help="the operation's id there, or as in 'GET /users'")
    asked.add_argument("--folder", metavar="FOLDER", default=".", help="the definition folder; this one if left out")
    asked.add_argument("--force", action="store_true", help="replace the file if there is one")
    chosen = asked.parse_args(arguments)
    folder = Path(chosen.folder)
    file = folder / "actions" / f"{chosen.action}.yaml"
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", chosen.action):
        what = f"is {chosen.action!r}; a key is made of small letters, digits and -, as in delete-meeting"
        raise wrong("new", "ACTION", what)
    if not (folder / "connector.yaml").is_file():
        what = "is no definition folder: it has no connector.yaml; go to one, or give it with --folder"
        raise wrong("new", str(folder), what)
    if file.exists() and not chosen.force:
        raise wrong("new", str(file), "is there already; --force replaces it")
    folder_context = _folder_context(folder)
    if chosen.source is not None:
        document = read_document(chosen.source)
        try:
            made = draft.draft_action(chosen.action, openapi.operation(document, chosen.operation), folder_context)
            made.text.encode()
        except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
            what = f"says of the operation what OpenAPI does not allow there ({error}); mend the document"
            raise wrong("new", "--from", what) from None
    elif chosen.operation is not None:
        raise wrong("new", "--operation", "is an operation of a document; give the document with --from")
    else:
        made = draft.blank(chosen.action, folder_context.common)
    file.parent.mkdir(exist_ok=True)
    has_schema = (folder / "schemas" / "action.schema.json").is_file()
    schema = "# yaml-language-server: $schema=../schemas/action.schema.json\n" if has_schema else ""
    file.write_text(f"{schema}{made.text}", encoding="utf-8")
    found = context.load(str(folder)).check()
    faults = [problem for problem in found if problem.where.startswith(f"actions/{file.name}:")]
    put(f"wrote {file}\nleft to do:")
    for line in (*map(str, faults), *made.left):
        put(f"  {line}")
    put(f"then: {context.prog} check {chosen.folder}")
    return 1 if faults else 0


def locale(context: Context, arguments: list[str]) -> None:
    """Write locales/CODE.yaml with every text that is to be translated; what is translated already is kept."""
    asked = parser(context, "locale", locale.__doc__, "locale fr")
    asked.add_argument("code", metavar="CODE", help="the language, as in fr, pt-BR or zh-Hant-TW")
    asked.add_argument("--folder", metavar="FOLDER", default=".", help="the definition folder; this one if left out")
    chosen = asked.parse_args(arguments)
    if not re.fullmatch(r"[a-z]{2,3}(-[A-Z][a-z]{3})?(-([A-Z]{2}|[0-9]{3}))?", chosen.code):
        raise wrong("locale", "CODE", f"is {chosen.code!r}; write the language's code as in fr, pt-BR or zh-Hant-TW")
    folder = Path(chosen.folder)
    connector = context.load(str(folder))
    if chosen.code == connector.locales[0]:
        raise wrong("locale", "CODE", f"is {chosen.code}, the language of the definitions; name another")
    known = locales.texts(connector.profile, connector.actions, connector.triggers)
    old, spare = connector.translations.get(chosen.code), locales.spare(connector.triggers)
    file = folder / "locales" / f"{chosen.code}.yaml"
    file.parent.mkdir(exist_ok=True)
    schema = "../schemas/locale.schema.json" if (folder / "schemas/locale.schema.json").is_file() else None
    file.write_text(yaml_text.locale(chosen.code, known, old, spare, schema), encoding="utf-8")
    left = len(locales.untranslated(old.texts, old.actions, known)) if old else len(known)
    put(f"wrote {file}: {left:,} of {len(known):,} texts left to translate")


def _folder_context(folder: Path) -> draft.FolderContext:
    """What the folder says already; its faults are for `check` to tell."""
    scopes: dict[str, tuple[Any, ...]] = {}
    labels: set[str] = set()
    for file in sorted(folder.glob("actions/*.yaml")):
        data = _plain(file)
        for kind, given in (data.get("scopes") or {}).items():
            scopes[kind] = (*scopes.get(kind, ()), *given)
        labels |= {data["rate_limit"]} if "rate_limit" in data else set()
    return draft.FolderContext(common=_plain(folder / "connector.yaml"), scopes=scopes, labels=tuple(sorted(labels)))


def _plain(file: Path) -> dict[str, Any]:
    try:
        data = documents.read(file.read_text(encoding="utf-8"), file.name).data
    except (DefinitionError, UnicodeDecodeError):
        return {}
    return data if isinstance(data, dict) else {}


def read_document(path: str) -> Any:
    """An OpenAPI document, which may be large and need not be as strict as a definition."""
    return read_file("--from", path, _json_or_yaml, "neither JSON nor YAML")


def _json_or_yaml(text: str) -> Any:
    if text.lstrip().startswith("{"):
        return json.loads(text)
    import yaml

    class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
        """Leaves dates as the text they are."""

    dates, resolvers = "tag:yaml.org,2002:timestamp", Loader.yaml_implicit_resolvers.items()
    Loader.yaml_implicit_resolvers = {first: [one for one in found if one[0] != dates] for first, found in resolvers}
    try:
        return yaml.load(text, Loader=Loader)
    except yaml.YAMLError as error:
        raise ValueError(str(error).splitlines()[0]) from None


def _events(catalogue: dict[str, Any]) -> bool:
    """Whether a catalogue's events, if it has any, have their schemas."""
    return all("schema" in event for trigger in catalogue["triggers"] for event in trigger.get("events", ()))


def _catalogue(context: Context, path: str) -> dict[str, Any]:
    if Path(path).is_dir():
        return context.load(path).catalogue(events=True)
    data = read_file("diff", path)
    needed = {"key", "version", "actions", "triggers", "connections", "choices"}
    if not isinstance(data, dict) or not needed <= set(data):
        raise wrong("diff", path, f"is no catalogue; write one with `{context.prog} catalogue > FILE`")
    return data
