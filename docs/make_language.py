"""Writes docs/language.md, the reference of the definition language, from the schemas that check every file.

Run it after a change of schemas/: `python docs/make_language.py`. A test fails while the page is not current.
"""

from __future__ import annotations

import json
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
    "source": "A place in an answer",
    "codecs": "A way of writing",
    "schema": "A schema",
    "paging": "Paging",
    "style": "What leads to the next page",
    "errors": "Errors",
    "case": "A case of errors",
}
KINDS = {"string": "text", "integer": "whole number", "boolean": "true or false", "object": "map", "array": "list"}
HEAD = """\
# The definition language

<!-- Written by docs/make_language.py from schemas/*.schema.json: change it there. -->

A definition folder describes one vendor: `connector.yaml` says what all its actions share, and each action, connection,
trigger and translation is a file of its own. This page has a tour of one action, then every word for reference.
[CONTRIBUTING](../CONTRIBUTING.md) tells how an action is drafted, checked, tested and run.

## A tour of one action

This file, saved as `actions/send-chat-message.yaml`, is all that a new action needs.

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

| line | what it says |
|---|---|
| 1 | Editors that know this line complete every word and show what it means. |
| 2 | `key` names the action in commands and in Python, and is the file's name without `.yaml`. |
| 3–6 | What people see. `summary` is a sentence about one run; `{message}` is the value of that input. |
| 7 | What a run changes: `read`, `create`, `update` or `delete`. A create is never sent twice by accident. |
| 8–10 | The permissions, by kind of app. Any one of a kind is enough. |
| 11 | What the vendor counts a call as; `limits` in connector.yaml says how many are allowed. |
| 12 | The request. The input `user_id` fills in the braces; connector.yaml has the base URL, headers and errors. |
| 13 | The inputs, one row for each, in the order of the form. |
| 14 | `row` takes a row from connector.yaml's `rows`, here the choice of a connection. |
| 15 | A shared row with other help. Words beside `row` replace the shared row's own, all but its `type`. |
| 16 | A row of its own. `type` and `schema` decide what is accepted; `example` is shown in an empty field. |
| 17–18 | `choices_from` offers values from a list of connector.yaml's `choices`, and accepts others too. |
| 19 | `to` says where the value goes: `reply_main_message_id` is the vendor's own name, in the body. |
| 20–22 | What groups of inputs must keep. What holds for one input alone is its `required` or `only_when`. |
| 23–25 | What comes back: a JSON Schema, and a sample that fits it. |

**What a row does not say is obvious.** Without a `label`, it is the key in title case: `to_contact` is To Contact.
Without a `to`, the value goes to the path if that has the key in braces, else to the query of a GET, HEAD, OPTIONS or
DELETE, else to the body: `user_id` to the path, `message` to the body. An input that `compute` reads goes nowhere else
unless it says so. Where the place is not obvious, `check` asks for `to`.
`zoom-connector show send-chat-message --yaml` prints the action with all of this written out.

**Then try it.** `zoom-connector check` names every fault with file, line and remedy, and
`zoom-connector preview send-chat-message --user-id me --message Hello --to-channel C123` prints the request and sends
nothing: `POST https://api.zoom.us/v2/chat/users/me/messages` with the body
`{"message": "Hello", "to_channel": "C123"}`.

The rest of this page is the reference. Unknown words are refused, with the nearest known one.
"""


def page() -> str:
    """The whole page."""
    common = read("common")
    lines = [HEAD]
    for kind, files in FILES:
        schema = read(kind)
        lines += [f"## {schema['title']}: `{files}`", "", f"{sentence(schema['description'])}", ""]
        lines += table(schema, common, "")
    lines += ["## What they share", ""]
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
    """A description as a sentence; a word of the language at its start keeps its case."""
    word = text.split()[0]
    capital = text[0].upper() if len(word) > 2 and word.strip(",:").isalpha() else text[0]
    return f"{capital}{text[1:]}{'' if text.endswith('.') else '.'}"


def table(schema: dict[str, Any], common: dict[str, Any], prefix: str) -> list[str]:
    found = words_of(schema, prefix, common["$defs"])
    rows = [f"| `{path}`{' *' if needed else ''} | {kind} | {says} |" for path, needed, kind, says in found]
    note = ["", "\\* must be there."] if any(" * |" in row for row in rows) else []
    return ["| word | takes | means |", "|---|---|---|", *rows, *note, ""]


def words_of(schema: dict[str, Any], prefix: str, shared: dict[str, Any]) -> Iterator[tuple[str, bool, str, str]]:
    """The words of an object and of the objects in it, as (path, needed, kind, meaning)."""
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
    """What a word means: what is said of it, or of the shared thing that it is."""
    whole = shared.get(part.get("$ref", "").rpartition("/")[2], {})
    said: str = part.get("description") or whole.get("description", "")
    return said


def kind_of(part: dict[str, Any]) -> str:
    """What a word takes, in a few words, with links to what is told further down."""
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
    """What code says and no schema: the codecs, and what the runtime itself can be told."""
    if name == "codecs":
        rows = [f"| `{key}` | {cell(about(key))} |" for key in codecs.CODECS]
        rows.append('| `"Bearer {}"` | the value in the place of the braces |')
        return ["| codec | writes |", "|---|---|", *rows, ""]
    if name == "place":
        rows = [f"| `call.{key}` | {says} |" for key, says in places.CALL_KNOBS.items()]
        return ["What a call itself can be told:", "", "| place | means |", "|---|---|", *rows, ""]
    return []


def about(key: str) -> str:
    example = codecs.CODECS[key].like
    samples = {
        "csv": "`[1, 2]` as `1,2`",
        "json": '`{"a": 1}` as the text `{"a":1}`',
        "base64": "text in base64",
        "digits": "`812 7943-2123` as `81279432123`; text with other characters, such as a UUID, as it is",
        "slash_twice": "an id with slashes encoded once more, so that servers don't take it apart",
        "utc": "`2026-11-01T09:00:00+01:00` as `2026-11-01T08:00:00Z`",
        "local_or_utc": "a local time as it is, any other as `utc`",
        "date_or_utc": "a date as it is, a time as `utc`",
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
