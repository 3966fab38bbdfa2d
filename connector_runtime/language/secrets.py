"""Secrets and what is shown in their place: known texts, names that sound secret, values that a schema marks. Pure.

A schema marks a secret with `x-secret: true`. Where several schemas speak of one value, one that marks it is enough.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl, quote, quote_plus, urlsplit, urlunsplit

from ..model import Json, Request, Response

MASK = "***"
MARK = "x-secret"
SECRET = re.compile(
    r"pass|secret|token|auth|cookie|credential|signature|(?:^|[-_])(?:key|pin|otp)(?:$|[-_])", re.IGNORECASE
)
SHORTEST = 6  # characters; a shorter secret is masked as a whole word only, since it could be a part of others


def mask(response: Response, secrets: Iterable[str]) -> Response:
    """The response without these texts, in whatever spelling its body may repeat them."""
    content = response.content
    for text in sorted(filter(None, secrets), key=len, reverse=True):
        for spelling in {json.dumps(text)[1:-1], text, quote(text, safe=""), quote_plus(text)}:
            pattern = re.escape(spelling.encode())
            whole = rb"(?<!\w)" + pattern + rb"(?!\w)" if len(text) < SHORTEST else pattern
            content = re.sub(whole, MASK.encode(), content)
    return response._replace(content=content)


def request_text(request: Request) -> str:
    """A request as its log record shows it: line, headers, body."""
    lines = [f"{request.method} {in_url(request.shown)}"]
    lines += [f"{name}: {MASK if SECRET.search(name) else value}" for name, value in request.headers]
    if request.body is not None:
        lines.append(json.dumps(in_data(request.body), ensure_ascii=False))
    return "\n".join(lines)


def in_url(text: str) -> str:
    """A URL whose query parameters with secret names are masked."""
    parts = urlsplit(text)
    pairs = parse_qsl(parts.query, keep_blank_values=True)
    if not any(SECRET.search(name) for name, _ in pairs):
        return text
    query = "&".join(f"{quote(name)}={MASK if SECRET.search(name) else quote(value)}" for name, value in pairs)
    return urlunsplit(parts._replace(query=query))


def in_data(value: Json) -> Any:
    """Data whose entries with secret names are masked, and whose files are named without their content."""
    if isinstance(value, Mapping):
        return {
            name: MASK if name == "base64" or SECRET.search(name) else in_data(item) for name, item in value.items()
        }
    if isinstance(value, list):
        if all(isinstance(item, Mapping) and set(item) == {"name", "value"} for item in value):
            return [{**item, "value": MASK} if SECRET.search(str(item["name"])) else dict(item) for item in value]
        return [in_data(item) for item in value]
    return value


def fields(schema: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every value that a schema speaks of, outermost first: its path, such as `users.*.id`, and what is said of it.

    `*` is any item or name. What lies inside a secret is left out; what several schemas speak of comes several times.
    """
    faces = list(_faces(schema))
    yield from ((".".join(path), face) for face in faces)
    for face in faces if not _marked(faces) else ():
        for name, part in face.get("properties", {}).items():
            yield from fields(part, (*path, name))
        rest = (face.get("items"), face.get("additionalProperties"))
        for part in (*rest, *face.get("prefixItems", ()), *face.get("patternProperties", {}).values()):
            yield from fields(part, (*path, "*"))


def secrets(schema: Any) -> list[str]:
    """The paths of all secrets, such as `start_url` and `recording_files.*.download_url`."""
    return list(dict.fromkeys(path for path, said in fields(schema) if _marked([said])))


def hide(data: Json, *schemas: Any) -> Json:
    """The data with `***` in place of each secret that is there; null stays, and so does what the schemas leave out."""
    faces = [face for schema in schemas for face in _faces(schema)]
    if data is not None and _marked(faces):
        return MASK
    if not isinstance(data, Mapping | list):
        return data
    entries = data.items() if isinstance(data, Mapping) else enumerate(data)
    shown = {key: hide(value, *(part for face in faces for part in _inside(face, key))) for key, value in entries}
    return shown if isinstance(data, Mapping) else list(shown.values())


def _marked(faces: list[Mapping[str, Any]]) -> bool:
    return any(face.get(MARK) is True for face in faces)


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
