"""Schemas that name parts of other files, made whole. Pure: it is given a function that reads a file of schemas/."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..language import places


def inline(schema: Any, shared: Callable[[str], Any], file: str = "") -> Any:
    """A schema with every `$ref` replaced by what it names, so that it can stand alone."""
    if isinstance(schema, list):
        return [inline(item, shared, file) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        name, _, pointer = schema["$ref"].partition("#")
        name = name or file
        found = places.dig(shared(name), tuple(pointer.strip("/").split("/"))) if pointer else shared(name)
        there = inline(found, shared, name)
        here = inline({key: value for key, value in schema.items() if key != "$ref"}, shared, file)
        if "properties" in there and "properties" in here:  # what is said beside a $ref adds to it
            here["properties"] = {**there["properties"], **here["properties"]}
        return {**there, **here}
    return {key: inline(value, shared, file) for key, value in schema.items()}
