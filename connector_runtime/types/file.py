"""`file`: `{"filename", "content_type", "base64"}`, or a string, which becomes a text file. Pure."""

from __future__ import annotations

import base64
from typing import Any

from ..language import patterns
from ..model import Input
from ..sentences import Sentence
from .base import InputType, Schema, or_blank

SHAPE: Schema = {
    "type": "object",
    "properties": {
        "filename": {"type": "string", "pattern": r"^[^\x00-\x1f\x7f]+" + patterns.END},
        "content_type": {"type": "string", "pattern": patterns.CONTENT_TYPE},
        "base64": {"type": "string", "pattern": patterns.BASE64},
    },
    "required": ["base64"],
    "additionalProperties": False,
}
FILE_LIKE: Schema = {"type": "object", "propertyNames": {"enum": [*SHAPE["properties"]]}, "required": ["base64"]}
NO_FILE = Sentence('must be a file: {"filename": "a.png", "content_type": "image/png", "base64": "…"}')


def or_file(row: Input, schema: Schema) -> Schema:
    """Return a schema in which data that looks like a file must be a valid file, if the row would send it as one."""
    is_sent = any(place.kind == "part" or (place.kind, place.path) == ("request", ("body",)) for place in row.to)
    return {"allOf": [schema, {"anyOf": [{"not": FILE_LIKE}, SHAPE]}]} if is_sent else schema


class FileData(InputType):
    widget = "file"

    def schema(self, row: Input, blank: bool) -> Schema:
        return or_blank({"anyOf": [SHAPE, {"type": "string", "pattern": r"\S"}]}, blank)

    def convert(self, row: Input, value: Any) -> Any:
        if isinstance(value, str):
            return {"base64": base64.b64encode(value.encode()).decode(), "content_type": "text/plain; charset=utf-8"}
        return value

    def complaint(self, row: Input, value: Any) -> str:
        return Sentence('must be text, or a file: {"filename": "a.png", "content_type": "image/png", "base64": "…"}')
