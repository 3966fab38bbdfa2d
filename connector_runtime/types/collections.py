"""Lists and maps of values of one type. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..errors import MOST
from ..language import patterns
from ..language.schema_faults import Fault, fits
from ..model import Input
from ..sentences import Sentence
from .base import BLANK_PAIR, BLANKS, HEADER_LINE, InputType, Schema, holding, is_blank_item, or_blank, read_json
from .text import Text

GUARDED_HEADERS = ("authorization", "host", "content-length", "transfer-encoding", "connection", "proxy-authorization")
ONE_TEXT = Sentence("must be a single string; for several values, use a list of {key, value} pairs and repeat the key")


class Collection(InputType):
    """Several values of the type `one`, each read as a value of `row`."""

    def __init__(self, one: InputType, row: Input) -> None:
        self.one, self.row = one, row._replace(collection=None)
        self.is_header = any(place.kind == "header" for place in row.to)


class ListOf(Collection):
    """`[1, 2]`, `"1, 2"` or a list as a JSON string; blank items are dropped."""

    def tidy(self, row: Input) -> Callable[[str], str] | None:
        return self.one.tidy(self.row)

    def schema(self, row: Input, blank: bool) -> Schema:
        content: Schema = {"type": "array", "items": self._item(row)}
        items = content if blank else {**content, "not": {"minItems": 1, "items": {"anyOf": BLANKS}}}
        spelling = self.one.text_pattern(row)
        several = rf"(?:{spelling})(?:\s*,\s*(?:{spelling}))*"
        text = rf"{several}|\[\s*(?:{several}\s*)?\]" if spelling else r"\[[\s\S]*\]|[^\s\[][\s\S]*"
        single = {"allOf": [{"type": ["integer", "number", "boolean"]}, self.one.schema(self.row, False)]}
        kinds = [items, {"type": "string", **holding(patterns.whole(text, blank=blank), content)}, single]
        return {"anyOf": [*kinds, *([{"type": "null"}] if blank else [])]}

    def _item(self, row: Input) -> Schema:
        item = self.one.schema(self.row, True)
        if isinstance(self.one, Text) and any(step.joins for step in row.codecs):
            return {"allOf": [item, {"pattern": "^[^,]*$"}]}  # a comma would split the item
        return item

    def convert(self, row: Input, value: Any) -> list[Any]:
        if isinstance(value, str):
            content = {"type": "array", "items": self._item(row)}
            parts = value if value.lstrip().startswith("[") else [part.strip() for part in value.split(",")]
            value = read_json(parts, content)
        items = value if isinstance(value, list) else [value]
        return [self.one.convert(self.row, item) for item in items if not is_blank_item(item)]

    def complaints(self, row: Input, value: Any) -> list[Fault]:
        items: list[tuple[tuple[int, ...], Any]] = []
        if isinstance(value, list):
            items = [((index,), item) for index, item in enumerate(value)]
        elif isinstance(value, str) and not value.strip().startswith("["):
            items = [((), part.strip()) for part in value.split(",")]
        most, item_schema = 4 if isinstance(value, str) else MOST, self._item(row)
        faults: list[Fault] = []
        for at, item in items:
            if len(faults) > most:
                break
            if not is_blank_item(item) and not fits(item_schema, item):
                faults += [((*at, *path) if at else (), what) for path, what in self.one.complaints(self.row, item)]
        example = row.example if isinstance(row.example, str) and row.example else "a, b"
        what = Sentence("must be one or more values separated by commas, such as {example}", example=example)
        return faults or [((), what)]


class MapOf(Collection):
    """`{k: v}`, `[{key, value}]`, where keys may repeat, or either as a JSON string; converts to pairs in order."""

    def schema(self, row: Input, blank: bool) -> Schema:
        pairs, rows = shapes = self._shapes()
        if not blank:
            rows = {**rows, "not": {"minItems": 1, "items": {"anyOf": [*BLANKS, BLANK_PAIR]}}}
        inner = patterns.whole(r"\{[\s\S]*\}|\[[\s\S]*\]")
        text = {"type": "string", **holding(inner, {"anyOf": shapes})}
        return or_blank({"anyOf": [pairs, rows, text]}, blank)

    def _shapes(self) -> list[Schema]:
        name, value = self._pair()
        pair = {"type": "object", "properties": {"key": name, "value": value}, "required": ["key"]}
        item = {"anyOf": [{**pair, "additionalProperties": False}, BLANK_PAIR, {"type": "null"}]}
        pairs = {"type": "object", "propertyNames": name, "additionalProperties": value}
        return [pairs, {"type": "array", "items": item}]

    def _pair(self) -> tuple[Schema, Schema]:
        if self.is_header:
            guarded = "|".join(map(patterns.any_case, GUARDED_HEADERS))
            name = {"type": "string", "pattern": patterns.HEADER_NAME, "not": {"pattern": f"^(?:{guarded})$"}}
            return name, {"type": ["string", "number", "null"], "pattern": patterns.HEADER_VALUE}
        text = [{"type": "string"}] if self.one.any_text else []
        value: Schema = {"anyOf": [{"type": "null"}, *text, self.one.schema(self.row, True)]}
        return {"type": "string", "pattern": r"\S"}, value

    def convert(self, row: Input, value: Any) -> list[tuple[str, Any]]:
        data = read_json(value, {"anyOf": self._shapes()}) if isinstance(value, str) else value
        if isinstance(data, dict):
            pairs = list(data.items())
        else:
            pairs = [(pair["key"], pair.get("value")) for pair in data if pair and not fits(BLANK_PAIR, pair)]
        return [(name.strip(), self._value(item)) for name, item in pairs if item is not None]

    def _value(self, item: Any) -> Any:
        is_empty = item == "" or (not self.one.any_text and is_blank_item(item))
        return "" if is_empty else self.one.convert(self.row, item)

    def complaints(self, row: Input, value: Any) -> list[Fault]:
        pairs: list[tuple[Any, Any]] = []
        if isinstance(value, dict):
            pairs = [*value.items()]
        elif isinstance(value, list) and all(isinstance(item, dict) and "key" in item for item in value):
            pairs = [(item["key"], item.get("value")) for item in value]
        name_schema, value_schema = self._pair()
        faults: list[Fault] = []
        for name, item in pairs:
            if len(faults) > MOST:
                break
            if not fits(name_schema, name):
                is_guarded = self.is_header and str(name).strip().lower() in GUARDED_HEADERS
                what: str = Sentence("is set by the connection: leave it out")
                if not is_guarded:
                    what = Sentence("is not a valid name")
            elif fits(value_schema, item):
                continue
            elif row.type == "file" or not self.one.any_text:
                what = self.one.complaints(self.row, item)[0][1]
            else:
                what = HEADER_LINE if self.is_header else ONE_TEXT
            faults.append(((str(name),), what))
        return faults or [((), Sentence('must be name-value pairs, such as {"name": "value"}'))]
