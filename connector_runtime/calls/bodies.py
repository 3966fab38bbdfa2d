"""Encodes bodies, queries and headers: nested JSON, forms and multipart. Pure."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

from ..language.places import text_of
from ..model import Json, Place
from ..structs import shows

Pairs = list[tuple[str, str]]
_QUOTED = str.maketrans({'"': "%22", "\r": "%0D", "\n": "%0A"})


@shows()
class FormPart(NamedTuple):
    """One part of a multipart body: a file or, if it has no file name, a field."""

    name: str
    content: bytes
    filename: str | None = None
    content_type: str | None = None


def pairs(place: Place, value: Any) -> Pairs:
    """Return a value as (name, text) pairs: one pair per key of a spread map or per item of a list."""
    if place.spread:
        return [(name, text_of(item)) for name, item in (value.items() if isinstance(value, Mapping) else value)]
    items = value if isinstance(value, list) else [value]
    return [(place.path[0], text_of(item)) for item in items]


def merged(old: Iterable[tuple[str, str]], new: Pairs, *, folded: bool = False) -> Pairs:
    """Return the old pairs, replacing those whose names occur in `new`; `folded` ignores the case of names."""
    key = str.lower if folded else str
    names = {key(name) for name, _ in new}
    return [*(pair for pair in old if key(pair[0]) not in names), *new]


def part(name: str, value: Any) -> FormPart:
    """Return the part for a value: a file if the value is a file, otherwise a field."""
    if is_file(value):
        kind = value.get("content_type", "application/octet-stream")
        return FormPart(name, base64.b64decode(value["base64"]), value.get("filename", name), kind)
    return FormPart(name, text_of(value).encode())


def is_file(value: Any) -> bool:
    """Return whether a value is a file in JSON: `{"base64"}` with optional `filename` and `content_type`."""
    return isinstance(value, Mapping) and "base64" in value and set(value) <= {"base64", "filename", "content_type"}


def renamed(parts: list[FormPart], names: Mapping[str, str]) -> list[FormPart]:
    """Return the parts with new file names, which `names` maps from part names."""
    return [part._replace(filename=names.get(part.name, part.filename)) for part in parts]


def written(
    body: Json, parts: list[FormPart], encode: str, headers: Iterable[tuple[str, str]]
) -> tuple[bytes | None, Json, str | None]:
    """Return the body as bytes and as data, and its content type (None without a body, or if a header sets it)."""
    has_type = any(name.lower() == "content-type" for name, _ in headers)
    if parts:
        return _multipart(parts)
    if body is None:
        return None, None, None
    if is_file(body):
        kind = body.get("content_type", "application/octet-stream")
        return base64.b64decode(body["base64"]), dict(body), None if has_type else kind
    if isinstance(body, str):
        if not has_type and body.lstrip().startswith(("{", "[")):
            with suppress(ValueError, RecursionError):
                return body.encode(), json.loads(body), "application/json"
        return body.encode(), body, None if has_type else "text/plain; charset=utf-8"
    if encode == "form":
        return urlencode(flat(body), quote_via=quote).encode(), body, "application/x-www-form-urlencoded"
    return dumps(body), body, None if has_type else "application/json"


_compact = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode


def dumps(data: Json) -> bytes:
    return _compact(data).encode()


def flat(data: Any, prefix: str = "") -> Pairs:
    """Return nested data as form fields, such as `items[0][price]`. An empty list or object becomes an empty field."""
    if isinstance(data, Mapping):
        entries = [(f"{prefix}[{key}]" if prefix else str(key), value) for key, value in data.items()]
    elif isinstance(data, list):
        entries = [(f"{prefix}[{index}]", value) for index, value in enumerate(data)]
    else:
        return [(prefix, "" if data is None else text_of(data))]
    if not data and prefix:
        return [(prefix, "")]
    return [pair for name, value in entries for pair in flat(value, name)]


def _multipart(parts: list[FormPart]) -> tuple[bytes, Json, str]:
    digest = hashlib.sha256(b"\0".join(part.name.encode() + b"\0" + part.content for part in parts)).hexdigest()
    boundary = f"part-{digest[:32]}"  # derived from the content, so equal values produce equal bytes
    lines, shown = list[bytes](), list[dict[str, Json]]()
    for part in parts:
        name, content, filename, kind = part
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="{name.translate(_QUOTED)}"'
        if filename is None:
            shown.append({"name": name, "value": content.decode(errors="replace")})
        else:
            head += f'; filename="{filename.translate(_QUOTED)}"'
            shown.append({"name": name, "filename": filename, "content_type": kind, "bytes": len(content)})
        head += "" if kind is None else f"\r\nContent-Type: {kind}"
        lines += [head.encode(), b"", content]
    content = b"\r\n".join([*lines, f"--{boundary}--".encode(), b""])
    return content, {"multipart": shown}, f"multipart/form-data; boundary={boundary}"
