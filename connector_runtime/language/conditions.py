"""The grammar of conditions on inputs, rules, error cases, pages and challenges. Pure.

`a` (has a value) · `[a, b]` (all have one) · `{a: 2}` · `{a: [1, 3]}` one of · `{a: null}` no value · `{a: {not: 2}}`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from ..model import Condition, Input, Test
from ..sentences import Sentence, both, either

YES, NO = Sentence("Yes"), Sentence("No")


def parse(raw: Any) -> Condition:
    if not isinstance(raw, dict):
        return tuple(Test(name, (None,), negate=True) for name in ([raw] if isinstance(raw, str) else raw))
    tests = []
    for name, value in raw.items():
        negate = isinstance(value, dict) and set(value) == {"not"}
        values = value["not"] if negate else value
        tests.append(Test(name, tuple(values) if isinstance(values, list) else (values,), negate))
    return tuple(tests)


def holds(condition: Condition, value_of: Callable[[str], Any]) -> bool:
    """True if all tests hold; `value_of` returns the value of a name, or None."""
    for name, values, negate in condition:
        actual = value_of(name)
        for value in values:
            if actual is value or (actual == value and same(actual, value)):
                if negate:
                    return False
                break
        else:
            if not negate:
                return False
    return True


def same(one: Any, other: Any) -> bool:
    """True if two values are equal as JSON, at any depth: 1 equals 1.0, but true does not equal 1."""
    if one != other:
        return False
    kind = type(one)
    if kind is str or one is None:
        return True
    if kind is list:
        return all([same(part, counterpart) for part, counterpart in zip(one, other, strict=True)])
    if kind is dict:
        return all([same(part, other[name]) for name, part in one.items()])
    return isinstance(one, bool) is isinstance(other, bool)


def phrase(condition: Condition, inputs: dict[str, Input]) -> str:
    """Return the condition in words, with labels: `'Type Recurrence' is Weekly`."""
    return both(_phrase(test, inputs.get(test.name)) for test in condition)


def _phrase(test: Test, subject: Input | None) -> str:
    label = Sentence("'{label}'", label=subject.label) if subject else test.name
    labels = [(choice.value, choice.label) for choice in subject.choices] if subject else []
    blank, words = None in test.values, []
    for value in test.values:
        if value is not None:
            words.append(next((label for choice, label in labels if same(choice, value)), spelled(value)))
    if not words and test.negate:
        return Sentence("{input} is filled in", input=label)
    if not words:
        return Sentence("{input} is empty", input=label)
    slots = {"input": label, "values": either(words)}
    if test.negate:
        return Sentence("{input} is filled in and not {values}" if blank else "{input} is not {values}", **slots)
    return Sentence("{input} is {values} or empty" if blank else "{input} is {values}", **slots)


def spelled(value: Any) -> str:
    """Return a value as a form shows it: strings unchanged, true and false as Yes and No."""
    if isinstance(value, bool):
        return YES if value else NO
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
