"""The judge of JSON data says what jsonschema says, whatever the schema and whatever it is asked."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

from hypothesis import given, settings, strategies as st
from jsonschema import Draft202012Validator

from connector_runtime.language import patterns, schema_faults

ROOT = Path(__file__).parents[1]
TEXTS = st.text(st.sampled_from('a1 \t\n\x0b\x1c\x1f\x85\xa0\u2028\u3000\ufeffé٣Aſ-_/.,[]{}"\\'), max_size=6)
NUMBERS = st.sampled_from([0, 1, 2, 3, -1, 1.0, 2.0, 0.5, 2.5, 0.07, 2**53 + 1, 2.0**63, 10**30])
DATA = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "1"]), inner, max_size=3),
    max_leaves=6,
)
PATTERNS = st.sampled_from(
    [r"\s", r"\S", patterns.BLANK, r"\d", r"\W", "a$", "^a", "(?i)a", ".", "[^a]", "^a$", patterns.END]
)
KINDS = st.sampled_from(["string", "integer", "number", "boolean", "array", "object", "null"])
COUNTS = st.integers(0, 3)
SCHEMAS: Any = st.recursive(
    st.booleans()
    | st.fixed_dictionaries(
        {},
        optional={
            "type": KINDS | st.lists(KINDS, min_size=1, max_size=3, unique=True),
            "enum": st.lists(DATA, min_size=1, max_size=3),
            "const": DATA,
            "pattern": PATTERNS,
            "minLength": COUNTS,
            "maxLength": COUNTS,
            "minimum": NUMBERS,
            "maximum": NUMBERS,
            "exclusiveMinimum": NUMBERS,
            "exclusiveMaximum": NUMBERS,
            "multipleOf": st.sampled_from([1, 2, 0.01]),
            "minItems": COUNTS,
            "maxItems": COUNTS,
            "uniqueItems": st.booleans(),
            "minProperties": COUNTS,
            "maxProperties": COUNTS,
            "required": st.lists(st.sampled_from(["a", "b"]), unique=True),
            "title": st.just("says nothing"),
            "x-secret": st.just(True),
        },
    ),
    lambda inner: st.fixed_dictionaries(
        {},
        optional={
            "properties": st.dictionaries(st.sampled_from(["a", "b"]), inner, max_size=2),
            "additionalProperties": inner,
            "propertyNames": inner,
            "items": inner,
            "anyOf": st.lists(inner, min_size=1, max_size=3),
            "allOf": st.lists(inner, min_size=1, max_size=2),
            "oneOf": st.lists(inner, min_size=1, max_size=3),
            "not": inner,
            "if": inner,
            "then": inner,
            "contains": inner,
        },
    ),
    max_leaves=6,
)


@settings(max_examples=700, deadline=None)
@given(schema=SCHEMAS, data=DATA)
def test_the_judge_says_what_jsonschema_says(schema: Any, data: Any) -> None:
    assert schema_faults.fits(schema, data) is Draft202012Validator(schema).is_valid(data)


def test_every_word_of_the_standard_is_known_or_left_to_jsonschema() -> None:
    silent = {"format"}  # without a checker of formats, jsonschema says nothing about it either
    assert set(Draft202012Validator.VALIDATORS) == set(schema_faults._WORDS) | silent


def test_a_schema_that_refers_to_its_own_definitions_is_judged_whole() -> None:
    schema = {"$defs": {"a": {"type": "integer"}}, "properties": {"x": {"items": {"$ref": "#/$defs/a"}}}}
    assert schema_faults.fits(schema, {"x": [1]}) and not schema_faults.fits(schema, {"x": ["1"]})


def test_data_that_fits_is_judged_without_loading_jsonschema() -> None:
    script = (
        "import sys; from connector_runtime.language.schema_faults import schema_faults\n"
        "fits = {'properties': {'a': {'maxLength': 3}}, 'anyOf': [{'required': ['a']}]}\n"
        "assert schema_faults(fits, {'a': 'abc'}) == []\n"
        "assert 'jsonschema' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True)
