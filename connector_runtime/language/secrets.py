"""Secrets and what is shown in their place: known texts, names that sound secret, values that a schema marks. Pure.

A schema marks a secret with `x-secret: true`. Where several schemas speak of one value, one that marks it is enough.
"""

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
SECRET = re.compile(  # what the last word of a name says
    "pass(word|wd|code|phrase|key)?|pwd?|secrets?|credentials?|auth(orization)?|cookies?|sig(nature)?|jwt|otp|pin|zak|tk"
)
KEYS = re.compile("api|app|auth|access|account|client|host|private|secret|shared|signing|encryption|stream")
PAGES = re.compile("page|next|prev|previous|continuation|sync|cursor|start")  # whose token leads through a list
PARAMETER = re.compile(r"[?&#;]([\w.\[\]-]{1,99})=([^&#\s\"'<>]+)")
ESCAPE = re.compile("%[0-9A-F]{2}")
SHORTEST = 6  # characters; a shorter secret is masked as a whole word only, since it could be a part of others


def mask(data: Json, secrets: Iterable[str]) -> Json:
    """Data that was read without these texts, in whatever spelling its texts and names may repeat them."""
    parts: dict[str, str] = {}
    for text in sorted(filter(None, secrets), key=len, reverse=True):
        inside = json.dumps(text)[1:-1]
        for each in (text, inside, inside.replace("/", "\\/"), quote(text, safe=""), quote_plus(text)):
            pattern = ESCAPE.sub(r"(?i:\g<0>)", re.escape(each))
            parts[each] = pattern if len(text) >= SHORTEST else rf"(?<!\w){pattern}(?!\w)"
    return _without(data, re.compile("|".join(parts.values()))) if parts else data


def _without(data: Json, known: re.Pattern[str]) -> Json:
    if isinstance(data, Mapping):
        return {known.sub(MASK, name): _without(value, known) for name, value in data.items()}
    if isinstance(data, list):
        return [_without(item, known) for item in data]
    if data is None or isinstance(data, bool):
        return data
    text = known.sub(MASK, str(data))
    return text if isinstance(data, str) or text != str(data) else data


@lru_cache(maxsize=4096)
def sounds_secret(name: str) -> bool:
    """Whether what goes by that name is a secret: `hostKey` and `x-auth-token` are, `password_required` is none."""
    before, last = ("", "", *(word.lower() for word in WORDS.findall(name[-100:])))[-2:]
    if last in ("token", "key"):
        return KEYS.fullmatch(before) is not None if last == "key" else PAGES.fullmatch(before) is None
    return SECRET.fullmatch(last) is not None or (before, last) == ("start", "url") or last == "apikey"


def request_text(request: Request, *, whole: bool = False) -> str:
    """A request as its log record shows it: what was sent and how large; `whole` shows inputs too, secrets masked."""
    if not whole:
        names = ", ".join(name for name, _ in request.headers)
        return f"{request.method} {request.template}, {len(request.content or b'')} bytes, headers {names}"
    lines = [f"{request.method} {in_url(request.shown)}"]
    lines += [f"{name}: {MASK if sounds_secret(name) else value}" for name, value in request.headers]
    if request.body is not None:
        is_file = isinstance(request.body, Mapping) and "base64" in request.body
        lines.append(json.dumps(hide({**request.body, "base64": MASK} if is_file else request.body)))
    return "\n".join(lines)


def in_url(text: str) -> str:
    """A text in whose URLs the query parameters with secret names are masked."""
    if "://" not in text:
        return text
    return PARAMETER.sub(lambda found: found[0] if not _in_query(found[1]) else f"{found[0][0]}{found[1]}={MASK}", text)


def _in_query(name: str) -> bool:
    return sounds_secret(name) or name.lower() in ("key", "code")


def fields(schema: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every value that a schema speaks of, outermost first: its path, such as `users.*.id`, and what is said of it.

    `*` is any item or name. What lies inside a secret is left out; what several schemas speak of comes several times.
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
    """The paths of all secrets, such as `start_url` and `recording_files.*.download_url`."""
    return list(dict.fromkeys(path for path, said in fields(schema) if _is_secret([said])))


def hide(data: Json, *schemas: Any) -> Json:
    """The data with `***` in place of each secret that is there; null and what is true or false stay.

    A secret is what a schema marks; and unless one says `x-secret: false`, text or a number that goes by a secret name,
    and what stands under such a name in a URL.
    """
    return _hidden(data, [face for schema in schemas for face in _faces(schema)], "")


def _hidden(data: Json, faces: list[Mapping[str, Any]], name: str) -> Json:
    if data is not None and _is_secret(faces):
        return MASK
    if isinstance(data, Mapping):  # the value of a pair, such as a header, goes by the name beside it
        pair = str(data.get("name", data.get("key"))) if len(data) == 2 and "value" in data else ""
        names = {key: pair if pair and key == "value" else str(key) for key in data}
        return {key: _hidden(value, _within(faces, key), names[key]) for key, value in data.items()}
    if isinstance(data, list):
        return [_hidden(item, _within(faces, index), name) for index, item in enumerate(data)]
    if not data or isinstance(data, bool) or any(face.get(SECRET_WORD) is False for face in faces):
        return data
    return MASK if sounds_secret(name) else in_url(data) if isinstance(data, str) else data


def _within(faces: list[Mapping[str, Any]], key: str | int) -> list[Mapping[str, Any]]:
    return [inner for face in faces for part in _inside(face, key) for inner in _faces(part)]


def _is_secret(faces: list[Mapping[str, Any]]) -> bool:
    return any(face.get(SECRET_WORD) is True for face in faces)


def _faces(schema: Any) -> Iterator[Mapping[str, Any]]:
    """A schema and those inside it that speak of the same value."""
    if isinstance(schema, Mapping):
        yield schema
        sides = (schema.get("then"), schema.get("else"))
        for part in (*sides, *(part for word in ("allOf", "anyOf", "oneOf") for part in schema.get(word, ()))):
            yield from _faces(part)


def _inside(face: Mapping[str, Any], key: str | int) -> list[Any]:
    """What a schema says of one entry of an object, or one item of a list."""
    if isinstance(key, int):
        first = face.get("prefixItems", ())
        return [first[key] if key < len(first) else face.get("items")]
    said = [face["properties"][key]] if key in face.get("properties", {}) else []
    said += [part for pattern, part in face.get("patternProperties", {}).items() if re.search(pattern, key)]
    return said or [face.get("additionalProperties")]
