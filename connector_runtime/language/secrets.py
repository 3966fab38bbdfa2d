"""Masks secrets: known strings, values whose name sounds secret, and values marked `x-secret: true`. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import quote, quote_plus

from ..model import Json, Request

MASK = "***"
SECRET_WORD = "x-secret"
WORDS = re.compile(r"[A-Z]{1,100}(?![a-z])|[A-Z]?[a-z]{1,100}|[0-9]{1,100}")
SECRET = re.compile(  # the last word of a secret's name
    "(pass|kenn)(word|wd|wort|code|phrase|key)?|pwd?|secrets?|credentials?|auth(orization)?|cookies?|sig(nature)?|jwt|otp"
    "|pin|zak|tk"
)
KEYS = re.compile("api|app|auth|access|account|client|host|private|secret|shared|signing|encryption|stream")
PAGES = re.compile("page|next|prev|previous|continuation|sync|cursor|start")  # `page_token` and the like are cursors
PARAMETER = re.compile(r"[?&#;]([\w.\[\]-]{1,99})=([^&#\s\"'<>]+)")
STATED = re.compile(r"\b([A-Za-z]{2,30}) ?: ?([^\s\"]{1,99})")  # in text for people: `Passcode: x7Kp2q`
ESCAPE = re.compile("%[0-9A-F]{2}")
MIN_LENGTH = 6  # characters; a shorter secret is masked only as a whole word, as other words may contain it


def mask(data: Json, secrets: Iterable[str]) -> Json:
    """Replace these strings with `***` in the values and names of data, whether plain, JSON-escaped or URL-encoded."""
    parts: dict[str, str] = {}
    for text in sorted(filter(None, secrets), key=len, reverse=True):
        escaped = json.dumps(text)[1:-1]
        for spelling in (text, escaped, escaped.replace("/", "\\/"), quote(text, safe=""), quote_plus(text)):
            pattern = ESCAPE.sub(r"(?i:\g<0>)", re.escape(spelling))
            parts[spelling] = pattern if len(text) >= MIN_LENGTH else rf"(?<!\w){pattern}(?!\w)"
    return _masked(data, re.compile("|".join(parts.values()))) if parts else data


def _masked(data: Json, pattern: re.Pattern[str]) -> Json:
    if isinstance(data, Mapping):
        return {pattern.sub(MASK, name): _masked(value, pattern) for name, value in data.items()}
    if isinstance(data, list):
        return [_masked(item, pattern) for item in data]
    if data is None or isinstance(data, bool):
        return data
    text = pattern.sub(MASK, str(data))
    return text if isinstance(data, str) or text != str(data) else data


@lru_cache(maxsize=4096)
def sounds_secret(name: str) -> bool:
    """True if a value with this name is probably secret: `hostKey`, `x-auth-token`, but not `password_required`."""
    before, last = ("", "", *(word.lower() for word in WORDS.findall(name[-100:])))[-2:]
    if last in ("token", "key"):
        return KEYS.fullmatch(before) is not None if last == "key" else PAGES.fullmatch(before) is None
    return SECRET.fullmatch(last) is not None or (before, last) == ("start", "url") or last == "apikey"


def request_text(request: Request, *, whole: bool = False) -> str:
    """Return a request as a log line; `whole` includes the URL and the body, with secrets masked."""
    if not whole:
        names = ", ".join(name for name, _ in request.headers)
        return f"{request.method} {request.template}, {len(request.content or b'')} bytes, headers {names}"
    lines = [f"{request.method} {in_text(request.shown)}"]
    lines += [f"{name}: {MASK if sounds_secret(name) else value}" for name, value in request.headers]
    if request.body is not None:
        is_file = isinstance(request.body, Mapping) and "base64" in request.body
        lines.append(json.dumps(hide({**request.body, "base64": MASK} if is_file else request.body)))
    return "\n".join(lines)


def in_text(text: str) -> str:
    """Mask the query parameters of URLs in text if their names sound secret, and words that follow such a name."""
    if "://" in text:
        text = PARAMETER.sub(lambda match: f"{match[0][0]}{match[1]}={MASK}" if _in_query(match[1]) else match[0], text)
    stated = {match[2].rstrip(".,;)") for match in STATED.finditer(text) if sounds_secret(match[1])} - {MASK}
    return str(mask(text, stated)) if stated else text


def _in_query(name: str) -> bool:
    return sounds_secret(name) or name.lower() in ("key", "code")


def fields(schema: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the path, such as `users.*.id`, and the schema of every value that a schema describes, outermost first.

    `*` is any item or name. Values inside a secret are omitted. A value with several schemas is yielded once for each.
    """
    faces = list(_faces(schema))
    yield from ((".".join(path), face) for face in faces)
    for face in faces if not _is_secret(faces) else ():
        for name, part in face.get("properties", {}).items():
            yield from fields(part, (*path, name))
        rest = (face.get("items"), face.get("additionalProperties"))
        for part in (*rest, *face.get("prefixItems", ()), *face.get("patternProperties", {}).values()):
            yield from fields(part, (*path, "*"))


def secrets(schema: Any) -> list[str]:
    """Return the paths of all secrets, such as `start_url` and `recording_files.*.download_url`."""
    return list(dict.fromkeys(path for path, face in fields(schema) if _is_secret([face])))


def hide(data: Json, *schemas: Any) -> Json:
    """Replace each secret in data with `***`.

    Secrets are the values, except null, that at least one schema marks. Unless a schema says `x-secret: false`, they
    are also the non-empty strings and numbers whose name sounds secret, and, in text, what follows such a name.
    """
    return _hidden(data, [face for schema in schemas for face in _faces(schema)], "")


def _hidden(data: Json, faces: list[Mapping[str, Any]], name: str) -> Json:
    if data is not None and _is_secret(faces):
        return MASK
    if isinstance(data, Mapping):  # in a pair, such as a header, the name of the value is in the pair
        pair = str(data.get("name", data.get("key"))) if len(data) == 2 and "value" in data else ""
        names = {key: pair if pair and key == "value" else str(key) for key in data}
        return {key: _hidden(value, _within(faces, key), names[key]) for key, value in data.items()}
    if isinstance(data, list):
        return [_hidden(item, _within(faces, index), name) for index, item in enumerate(data)]
    if not data or isinstance(data, bool) or any(face.get(SECRET_WORD) is False for face in faces):
        return data
    return MASK if sounds_secret(name) else in_text(data) if isinstance(data, str) else data


def _within(faces: list[Mapping[str, Any]], key: str | int) -> list[Mapping[str, Any]]:
    return [inner for face in faces for part in _inside(face, key) for inner in _faces(part)]


def _is_secret(faces: list[Mapping[str, Any]]) -> bool:
    return any(face.get(SECRET_WORD) is True for face in faces)


def _faces(schema: Any) -> Iterator[Mapping[str, Any]]:
    """Yield a schema, and the schemas inside it that describe the same value."""
    if isinstance(schema, Mapping):
        yield schema
        sides = (schema.get("then"), schema.get("else"))
        for part in (*sides, *(part for word in ("allOf", "anyOf", "oneOf") for part in schema.get(word, ()))):
            yield from _faces(part)


def _inside(face: Mapping[str, Any], key: str | int) -> list[Any]:
    """Return the schemas of one entry of an object, or of one item of a list."""
    if isinstance(key, int):
        first = face.get("prefixItems", ())
        return [first[key] if key < len(first) else face.get("items")]
    schemas = [face["properties"][key]] if key in face.get("properties", {}) else []
    schemas += [part for pattern, part in face.get("patternProperties", {}).items() if re.search(pattern, key)]
    return schemas or [face.get("additionalProperties")]
