"""Lists and maps of values of one type. Pure."""

from __future__ import annotations

from itertools import islice
from typing import Any

from ..language import patterns
from ..language.schemas import fits
from ..language.wording import MOST, Fault
from ..model import Input
from . import base
from .base import BLANKS, InputType, Schema
from .text import HEADER_LINE, Text

GUARDED_HEADERS = ("authorization", "host", "content-length", "transfer-encoding", "connection", "proxy-authorization")
BLANK_PAIR: Schema = {
    "type": "object",
    "properties": {"key": {"anyOf": BLANKS}, "value": {"anyOf": BLANKS}},
    "additionalProperties": False,
}


class Collection(InputType):
    """Several values of the type `one`."""

    def __init__(self, one: InputType) -> None:
        self.one = one


class ListOf(Collection):
    """`[1, 2]`, `"1, 2"` or that list as JSON text; its blanks are left out."""

    def schema(self, row: Input, blank: bool) -> Schema:
        items: Schema = {"type": "array", "items": self._item(row)}
        if not blank:
            items["not"] = {"minItems": 1, "items": {"anyOf": BLANKS}}
        inner = patterns.whole(self._text(row), blank=blank)
        text = {"type": "string", "pattern": inner, **base.content_words(self.content(row))}
        single = {"allOf": [{"type": ["integer", "number", "boolean"]}, self.one.schema(_one(row), False)]}
        return {"anyOf": [items, text, single, *([{"type": "null"}] if blank else [])]}

    def content(self, row: Input) -> Schema:
        return {"type": "array", "items": self._item(row)}

    def _item(self, row: Input) -> Schema:
        item = self.one.schema(_one(row), True)
        if self._joins(row):
            return {"allOf": [item, {"pattern": "^[^,]*$"}]}  # a comma inside an item would make two of it
        return item

    def _joins(self, row: Input) -> bool:
        return isinstance(self.one, Text) and any(step.joins for step in row.codecs)

    def _text(self, row: Input) -> str:
        """Text for a list: `a, b` or JSON."""
        spelling = self.one.text_pattern(row)
        if spelling is None:
            return r"\[[\s\S]*\]|[^\s\[][\s\S]*"
        several = rf"(?:{spelling})(?:\s*,\s*(?:{spelling}))*"
        return rf"{several}|\[\s*(?:{several})?\s*\]"

    def convert(self, row: Input, value: Any) -> list[Any]:
        one = _one(row)
        return [self.one.convert(one, item) for item in self._items(row, value) if not base.is_blank_item(item)]

    def _items(self, row: Input, value: Any) -> list[Any]:
        if not isinstance(value, str):
            return value if isinstance(value, list) else [value]
        if value.lstrip().startswith("["):
            return base.read_json(value, self.content(row))  # type: ignore[no-any-return]
        return base.must_fit([part.strip() for part in value.split(",")], self.content(row))  # type: ignore[no-any-return]

    def complaints(self, row: Input, value: Any) -> list[Fault]:
        wanted, one = self._item(row), _one(row)
        found: list[Fault] = []
        if isinstance(value, list):
            for index, item in enumerate(value):
                if len(found) > MOST:
                    break
                if not base.is_blank_item(item) and not fits(wanted, item):
                    found += [((index, *path), what) for path, what in self.one.complaints(one, item)]
        elif isinstance(value, str) and not value.strip().startswith("["):
            parts = (part.strip() for part in value.split(","))
            wrong = (part for part in parts if part and not fits(wanted, part))
            found += islice((((), what) for part in wrong for _, what in self.one.complaints(one, part)), 5)
        shape = f'must be a list: [..] or text such as "{row.example if row.example else "a, b"}"'
        return found or [((), shape)]


class MapOf(Collection):
    """`{k: v}`, or `[{key, value}]`, which keeps repeats, or either as JSON text; read as pairs in order."""

    def schema(self, row: Input, blank: bool) -> Schema:
        pairs, rows = self._shapes(row)
        if not blank:
            rows["not"] = {"minItems": 1, "items": {"anyOf": [*BLANKS, BLANK_PAIR]}}
        inner = patterns.whole(r"\{[\s\S]*\}|\[[\s\S]*\]")
        text = {"type": "string", "pattern": inner, **base.content_words(self.content(row))}
        return base.or_blank({"anyOf": [pairs, rows, text]}, blank)

    def content(self, row: Input) -> Schema:
        return {"anyOf": self._shapes(row)}

    def _shapes(self, row: Input) -> list[Schema]:
        name, value = self._pair(row)
        pair = {"type": "object", "properties": {"key": name, "value": value}, "required": ["key"]}
        item = {"anyOf": [{**pair, "additionalProperties": False}, BLANK_PAIR, {"type": "null"}]}
        return [
            {"type": "object", "propertyNames": name, "additionalProperties": value},
            {"type": "array", "items": item},
        ]

    def _pair(self, row: Input) -> tuple[Schema, Schema]:
        """The schemas of a key and of a value."""
        if _is_header(row):
            guarded = "|".join(map(patterns.any_case, GUARDED_HEADERS))
            name = {"type": "string", "pattern": patterns.HEADER_NAME, "not": {"pattern": f"^(?:{guarded})$"}}
            return name, {"type": ["string", "number", "null"], "pattern": patterns.HEADER_VALUE}
        text = [{"type": "string"}] if self.one.any_text else []
        value: Schema = {"anyOf": [{"type": "null"}, *text, self.one.schema(_one(row), True)]}
        return {"type": "string", "pattern": r"\S"}, value

    def convert(self, row: Input, value: Any) -> list[tuple[str, Any]]:
        data = base.read_json(value, self.content(row)) if isinstance(value, str) else value
        if isinstance(data, dict):
            pairs = list(data.items())
        else:
            pairs = [(pair["key"], pair.get("value")) for pair in data if pair and not base.blank_pair(pair)]
        one = _one(row)
        return [(name.strip(), self._value(one, item)) for name, item in pairs if item is not None]

    def _value(self, one: Input, item: Any) -> Any:
        nothing = item == "" or (not self.one.any_text and base.is_blank_item(item))
        return "" if nothing else self.one.convert(one, item)

    def complaints(self, row: Input, value: Any) -> list[Fault]:
        if isinstance(value, dict):
            pairs = list(value.items())
        elif isinstance(value, list) and all(isinstance(item, dict) and "key" in item for item in value):
            pairs = [(item["key"], item.get("value")) for item in value]
        else:
            pairs = []
        wanted_name, wanted_value = self._pair(row)
        found: list[Fault] = []
        for name, item in pairs:
            if len(found) > MOST:
                break
            if not fits(wanted_name, name):
                what = "is set by the connection" if _is_guarded(row, name) else "is no usable name"
                found.append(((str(name),), what))
            elif not fits(wanted_value, item):
                found.append(((str(name),), self._complaint(row, item)))
        return found or [((), 'must be an object {"key": "value"} or a list of {"key": …, "value": …}')]

    def _complaint(self, row: Input, item: Any) -> str:
        if row.type == "file" or not self.one.any_text:
            return self.one.complaints(_one(row), item)[0][1]
        return HEADER_LINE if _is_header(row) else "must be text; repeat the key in a list of pairs"


def _one(row: Input) -> Input:
    return row._replace(collection=None)


def _is_header(row: Input) -> bool:
    return any(place.kind == "header" for place in row.to)


def _is_guarded(row: Input, name: Any) -> bool:
    return _is_header(row) and isinstance(name, str) and name.strip().lower() in GUARDED_HEADERS
