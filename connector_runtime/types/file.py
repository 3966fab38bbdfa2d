"""`file`: `{"filename", "content_type", "base64"}`, or a text that becomes one. Pure."""

from __future__ import annotations

import base64
from typing import Any

from ..language import patterns
from ..model import Input
from .base import InputType, Schema, or_blank


class File(InputType):
    """`{"filename", "content_type", "base64"}`, or a text that becomes one."""

    widget = "file"

    def schema(self, row: Input, blank: bool) -> Schema:
        properties = {
            "filename": {"type": "string", "pattern": r"^[^\x00-\x1f\x7f]+" + patterns.END},
            "content_type": {"type": "string", "pattern": r"^[\x21-\x7e]+/[\x20-\x7e]+" + patterns.END},
            "base64": {"type": "string", "pattern": patterns.BASE64},
        }
        shape = {"type": "object", "properties": properties, "required": ["base64"], "additionalProperties": False}
        return or_blank({"anyOf": [shape, {"type": "string", "pattern": r"\S"}]}, blank)

    def convert(self, row: Input, value: Any) -> Any:
        if isinstance(value, str):
            return {"base64": base64.b64encode(value.encode()).decode(), "content_type": "text/plain; charset=utf-8"}
        return value

    def complaint(self, row: Input, value: Any) -> str:
        return 'must be text or a file: {"filename": "a.png", "content_type": "image/png", "base64": "…"}'
