"""Write docs/language.md, the reference of the definition language, from the schemas that check every file.

Run it after changing schemas/: `python docs/make_language.py`. A test fails if the page is not current.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from connector_runtime.language import codecs, places

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "language.md"
FILES = (
    ("connector", "connector.yaml"),
    ("action", "actions/*.yaml"),
    ("connection", "connection/*.yaml"),
    ("trigger", "triggers/*.yaml"),
    ("locale", "locales/*.yaml"),
)
TITLES = {
    "input": "An input",
    "condition": "A condition",
    "test": "A test in a condition",
    "place": "A place in the request",
    "source": "A place in a response",
    "seen": "A place in a refusal",
    "codecs": "A codec",
    "schema": "A schema",
    "paging": "Paging",
    "style": "A paging style",
    "errors": "Errors",
    "case": "A case of errors",
}
KINDS = {"string": "text", "integer": "whole number", "boolean": "true or false", "object": "map", "array": "list"}
HEAD = """\
# The definition language

<!-- Written by docs/make_language.py from schemas/*.schema.json: change it there. -->

A definition folder describes one vendor: `connector.yaml` contains what all its actions share, and each action,
connection, trigger and translation has its own file. This page begins with a tour of one action and then lists every
key. [CONTRIBUTING](../CONTRIBUTING.md) shows how to draft, check, test and run an action.

## A tour of one action

A new action needs only this file, `actions/send-chat-message.yaml`:

```yaml
# yaml-language-server: $schema=../schemas/action.schema.json
key: send-chat-message
label: Send Chat Message
description: Send a chat message to a contact or a channel
docs: https://developers.zoom.us/docs/api/team-chat/
summary: "Send {message}"
effect: create
scopes:
  granular: ["team_chat:write:user_message", "team_chat:write:user_message:admin"]
  classic: ["chat_message:write", "chat_message:write:admin"]
rate_limit: medium
request: {method: POST, path: "/chat/users/{user_id}/messages"}
inputs:
  connection: {row: connection}
  user_id: {row: user_id, comments: Who sends the message.}
  message: {type: text, required: true, comments: What it says., schema: {maxLength: 4096}, example: Lunch at noon?}
  to_contact: {type: string, comments: The email address of the contact., choices_from: user-emails}
  to_channel: {type: string, comments: The id of the channel., choices_from: channels}
  reply_to: {type: string, comments: The id of the message to reply to., to: body.reply_main_message_id}
rules:
  - {at_least_one: [to_contact, to_channel]}
  - {at_most_one: [to_contact, to_channel]}
output:
  schema: {type: object, properties: {id: {type: string}}}
  example: {id: D9C4A5B2-0F1E}
```

| line | meaning |
|---|---|
| 1 | Editors that understand this line offer completion for every key and show its meaning. |
| 2 | `key` names the action in commands and in Python, and is the file's name without `.yaml`. |
| 3–6 | The wording that people see. `summary` describes one run; `{message}` is the value of that input. |
| 7 | The effect of a run: `read`, `create`, `update` or `delete`. A create is never sent twice by accident. |
| 8–10 | The permissions, by kind of app. Any one of the scopes of a kind is enough. |
| 11 | The rate limit that a call counts against; `limits` in connector.yaml declares it. |
| 12 | The request. The input `user_id` replaces its placeholder; connector.yaml has the base URL, headers and errors. |
| 13 | The inputs, one row each, in the order of the form. |
| 14 | `row` takes a row from connector.yaml's `rows`, here the choice of a connection. |
| 15 | A shared row with different help. Keys next to `row` replace those of the shared row, except its `type`. |
| 16 | A row that is not shared. `type` and `schema` determine what it accepts; `example` is shown in an empty field. |
| 17–18 | `choices_from` suggests values from a list in connector.yaml's `choices`; other values are accepted too. |
| 19 | `to` is the place of the value in the request: the field `reply_main_message_id` of the body. |
| 20–22 | Rules for groups of inputs. A rule for a single input is its `required` or `only_when`. |
| 23–25 | The result: a JSON Schema, and a sample that matches it. |

**Rows leave out whatever can be inferred.** Without a `label`, an input's label is its key in title case: To Contact
for `to_contact`. Without a `to`, its value fills the placeholder of that name in the path; otherwise it goes in the
query (GET, HEAD, OPTIONS, DELETE) or the body. Here `user_id` goes in the path and `message` in the body. An input
that `compute` reads goes nowhere else unless it has a `to`. If the place cannot be inferred, `check` asks for `to`.
`zoom-connector show send-chat-message --yaml` prints the action with everything written out.

**Try it.** `zoom-connector check` lists every fault with its file, its line and how to fix it.
`zoom-connector preview send-chat-message --user-id me --message Hello --to-channel C123` prints the request without
sending it: `POST https://api.zoom.us/v2/chat/users/me/messages` with the body
`{"message": "Hello", "to_channel": "C123"}`.

The rest of this page is the reference. `check` rejects unknown keys and suggests the nearest known one.
"""


def page() -> str:
    """Return the whole page."""
    common = read("common")
    lines = [HEAD]
    for kind, files in FILES:
        schema = read(kind)
        lines += [f"## {schema['title']}: `{files}`", "", f"{sentence(schema['description'])}", ""]
        lines += table(schema, common, "")
    lines += ["## Shared parts", ""]
    for name, schema in sorted(common["$defs"].items(), key=lambda entry: order(entry[0])):
        lines += [f"### {title(name)}", ""]
        if "description" in schema:
            lines += [f"{sentence(schema['description'])}", ""]
        if "properties" in schema:
            lines += table(schema, common, "")
        lines += more(name)
    return "\n".join(lines).rstrip() + "\n"


def title(name: str) -> str:
    return TITLES.get(name, f"A {name.replace('_', ' ')}")


def order(name: str) -> int:
    return list(TITLES).index(name) if name in TITLES else len(TITLES)


def read(kind: str) -> dict[str, Any]:
    return json.loads((ROOT / "schemas" / f"{kind}.schema.json").read_text(encoding="utf-8"))  # type: ignore[no-any-return]


def sentence(text: str) -> str:
    """Return a description as a sentence; a key at its start keeps its case."""
    word = text.split()[0]
    is_article = re.match(r"an? \w", text) is not None
    is_prose = is_article or (len(word) > 2 and word.strip(",:").isalpha())
    capital = text[0].upper() if is_prose else text[0]
    return f"{capital}{text[1:]}{'' if text.endswith('.') else '.'}"


def table(schema: dict[str, Any], common: dict[str, Any], prefix: str) -> list[str]:
    found = words_of(schema, prefix, common["$defs"])
    rows = [f"| `{path}`{' *' if needed else ''} | {kind} | {says} |" for path, needed, kind, says in found]
    note = ["", "\\* required"] if any(" * |" in row for row in rows) else []
    return ["| key | value | meaning |", "|---|---|---|", *rows, *note, ""]


def words_of(schema: dict[str, Any], prefix: str, shared: dict[str, Any]) -> Iterator[tuple[str, bool, str, str]]:
    """Yield the keys of an object and of the objects in it, as (path, needed, kind, meaning)."""
    for name, part in schema.get("properties", {}).items():
        path = f"{prefix}{name}"
        yield path, name in schema.get("required", ()), kind_of(part), cell(meaning(part, shared))
        inner, step, rest = part, f"{path}.", part.get("additionalProperties")
        options = [rest, *rest.get("anyOf", ())] if isinstance(rest, dict) else []
        if entry := next((option for option in options if "properties" in option), None):
            inner, step = entry, f"{path}.‹name›."
        elif "properties" in part.get("items", {}):
            inner, step = part["items"], f"{path}[]."
        if "properties" in inner:
            yield from words_of(inner, step, shared)


def meaning(part: dict[str, Any], shared: dict[str, Any]) -> str:
    """Return the meaning of a key: its own description, or that of the shared schema that it refers to."""
    whole = shared.get(part.get("$ref", "").rpartition("/")[2], {})
    said: str = part.get("description") or whole.get("description", "")
    return said


def kind_of(part: dict[str, Any]) -> str:
    """Describe the value of a key briefly, with links to the sections on shared schemas."""
    if "$ref" in part:
        return link(part["$ref"].rpartition("/")[2])
    if "enum" in part:
        shown = [value if value and isinstance(value, str) else json.dumps(value) for value in part["enum"]]
        return ", ".join(f"`{value}`" for value in shown)
    if "const" in part:
        return f"`{json.dumps(part['const'])}`"
    for word in ("anyOf", "oneOf"):
        if word in part and "type" not in part:
            return " or ".join(dict.fromkeys(kind_of(option) for option in part[word]))
    kind = part.get("type")
    if isinstance(kind, list):
        return " or ".join(KINDS.get(one, one) for one in kind)
    if kind == "array" and part.get("items"):
        inner = kind_of(part["items"])
        return f"list of {inner}"
    if kind == "object" and isinstance(part.get("additionalProperties"), dict) and part["additionalProperties"]:
        return f"map of names to {kind_of(part['additionalProperties'])}"
    return KINDS.get(str(kind), "anything")


def link(name: str) -> str:
    shown = title(name).lower()
    return f"[{shown.removeprefix('a ').removeprefix('an ')}](#{shown.replace(' ', '-')})"


def cell(text: str) -> str:
    return text.replace("|", "\\|")


def more(name: str) -> list[str]:
    """Return the lines that come from code and not from a schema: the codecs, and the options of a call."""
    if name == "codecs":
        rows = [f"| `{key}` | {cell(about(key))} |" for key in codecs.CODECS]
        rows.append('| `"Bearer {}"` | the string with the value in place of the braces |')
        return ["| codec | writes |", "|---|---|", *rows, ""]
    if name == "place":
        rows = [f"| `call.{key}` | {says} |" for key, says in places.CALL_KNOBS.items()]
        return ["Options of the call itself:", "", "| place | meaning |", "|---|---|", *rows, ""]
    return []


def about(key: str) -> str:
    example = codecs.CODECS[key].like
    samples = {
        "csv": "`[1, 2]` as `1,2`",
        "json": '`{"a": 1}` as the string `{"a":1}`',
        "base64": "text in base64",
        "digits": "`812 7943-2123` as `81279432123`; text with other characters, such as a UUID, unchanged",
        "slash_twice": "an id with slashes, encoded twice so that servers do not split it",
        "utc": "`2026-11-01T09:00:00+01:00` as `2026-11-01T08:00:00Z`",
        "local_or_utc": "a local time unchanged, any other as `utc`",
        "date_or_utc": "a date unchanged, a time as `utc`",
    }
    return samples.get(key, f"such as {example}" if example else "see connector_runtime/language/places.py")


def main() -> int:
    """Write the page."""
    new = page()
    if new != PAGE.read_text(encoding="utf-8"):
        PAGE.write_text(new, encoding="utf-8")
        print(f"wrote docs/{PAGE.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
