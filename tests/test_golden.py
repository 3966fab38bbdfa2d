"""Inputs and the requests they become, action by action; the cases are in golden/."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from connector_runtime.definitions import documents
from zoom_connector import Connector

GOLDEN = Path(__file__).parent / "golden"
CASES: list[tuple[str, dict[str, Any]]] = [
    (file.stem, case)
    for file in sorted(GOLDEN.glob("*.yaml"))
    for case in documents.read(file.read_text(), file.name).data
]


@pytest.mark.parametrize(("key", "case"), CASES, ids=[f"{key}: {case['says']}" for key, case in CASES])
def test_inputs_become_the_request(connector: Connector, key: str, case: dict[str, Any]) -> None:
    shown = connector.actions[key].preview(case["inputs"])
    wanted = case["request"]
    assert (shown["method"], shown["url"]) == (wanted["method"], wanted["url"])
    assert shown["body"] == wanted.get("body")
    assert {name: shown["headers"].get(name) for name in wanted.get("headers", {})} == wanted.get("headers", {})


def test_the_cases_name_every_input_of_every_action(connector: Connector) -> None:
    for key, action in connector.actions.items():
        named = {name for stem, case in CASES if stem == key for name in case["inputs"]}
        assert set(action.inputs) - {"connection"} <= named, key
