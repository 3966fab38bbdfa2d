"""Where secrets lie in what a run gives, by its output schema, and the same data without them. Pure.

A schema marks a secret with `x-secret: true`. Where several schemas speak of one value, one that marks it is enough.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ..model import Json
from .redact import MASK

MARK = "x-secret"


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


def hide(data: Json, schema: Any) -> Json:
    """The data with `***` in place of each secret that is there; null stays, and so does what the schema leaves out."""
    return _hidden(data, [schema])


def _hidden(data: Json, schemas: list[Any]) -> Json:
    faces = [face for schema in schemas for face in _faces(schema)]
    if data is not None and _marked(faces):
        return MASK
    if isinstance(data, Mapping):
        return {
            name: _hidden(value, [part for face in faces for part in _named(face, name)])
            for name, value in data.items()
        }
    if isinstance(data, list):
        return [_hidden(item, [_numbered(face, index) for face in faces]) for index, item in enumerate(data)]
    return data


def _marked(faces: list[Mapping[str, Any]]) -> bool:
    return any(face.get(MARK) is True for face in faces)


def _faces(schema: Any) -> Iterator[Mapping[str, Any]]:
    """A schema and those inside it that speak of the same value."""
    if isinstance(schema, Mapping):
        yield schema
        sides = (schema.get("then"), schema.get("else"))
        for part in (*sides, *(part for word in ("allOf", "anyOf", "oneOf") for part in schema.get(word, ()))):
            yield from _faces(part)


def _named(face: Mapping[str, Any], name: str) -> list[Any]:
    """What a schema says of one entry of an object."""
    said = [face["properties"][name]] if name in face.get("properties", {}) else []
    said += [part for pattern, part in face.get("patternProperties", {}).items() if re.search(pattern, name)]
    return said or [face.get("additionalProperties")]


def _numbered(face: Mapping[str, Any], index: int) -> Any:
    """What a schema says of one item of a list."""
    first = face.get("prefixItems", ())
    return first[index] if index < len(first) else face.get("items")
