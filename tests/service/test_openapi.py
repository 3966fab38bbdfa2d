"""The OpenAPI document: valid, complete, with examples that work, and what it says is what happens (schemathesis)."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from connector_runtime.service.records import ApiKeys
from connector_runtime.stores.store import MemoryStore
from zoom_connector import Connector
from zoom_connector.sandbox import Sandbox

from .conftest import Served, Start, connect

HERE = Path(__file__).parent


@pytest.fixture
def served(start: Start) -> Iterator[Served]:
    with start() as found:
        yield found


@pytest.fixture
def document(served: Served) -> dict[str, Any]:
    return served.client().get("/openapi.json").json()  # type: ignore[no-any-return]


def test_every_action_has_a_run_with_its_own_schema_and_an_example(
    document: dict[str, Any], connector: Connector
) -> None:
    for key, action in connector.actions.items():
        assert {f"/v1/actions/{key}/{word}" for word in ("preview", "run", "stream")} <= set(document["paths"])
        operation = document["paths"][f"/v1/actions/{key}/run"]["post"]
        content = operation["requestBody"]["content"]["application/json"]
        assert content["schema"]["properties"]["inputs"] == {"$ref": f"#/components/schemas/{key}.inputs"}
        schema = document["components"]["schemas"][f"{key}.inputs"]
        assert set(schema["properties"]) == set(action.input_schema["properties"])
        assert operation["summary"] == action.label
        Draft202012Validator(schema).validate(content["example"]["inputs"])
        action.preview(content["example"]["inputs"])


def test_a_service_without_keys_asks_for_none(start: Start) -> None:
    with start(tenant="default") as served:
        document = served.client().get("/openapi.json").json()
    assert not [path for path, found in document["paths"].items() if "security" in json.dumps(found)]


def test_every_operation_says_how_it_fails(document: dict[str, Any]) -> None:
    for path, operations in document["paths"].items():
        for operation in operations.values():
            assert "application/problem+json" in operation["responses"]["default"]["content"], path
            for status in operation["responses"]:
                assert status == "default" or status.isdigit()


def test_all_references_lead_somewhere(document: dict[str, Any]) -> None:
    def references(value: Any) -> Iterator[str]:
        if isinstance(value, dict):
            for name, inner in value.items():
                if name == "$ref" and isinstance(inner, str):
                    yield inner
                else:
                    yield from references(inner)
        elif isinstance(value, list):
            for inner in value:
                yield from references(inner)

    for reference in references(document):
        found: Any = document
        assert reference.startswith("#/"), reference
        for step in reference[2:].split("/"):
            found = found[step.replace("~1", "/").replace("~0", "~")]


def test_keys_are_declared_and_asked_of_what_needs_them(document: dict[str, Any]) -> None:
    schemes = document["components"]["securitySchemes"]
    assert {(scheme["type"], scheme.get("scheme") or scheme.get("name")) for scheme in schemes.values()} == {
        ("http", "bearer"),
        ("apiKey", "X-API-Key"),
    }
    open_ones = {"/health", "/ready", "/v1/problems", "/v1/oauth/callback", "/v1/webhooks/{trigger}"}
    for path, operations in document["paths"].items():
        for operation in operations.values():
            assert bool(operation.get("security")) == (path not in open_ones), path


def test_the_document_has_no_word_that_other_tools_stumble_over(document: dict[str, Any]) -> None:
    text = json.dumps(document)
    assert '"$schema"' not in text and '"$dynamicRef"' not in text
    ids = [operation["operationId"] for operations in document["paths"].values() for operation in operations.values()]
    assert len(ids) == len(set(ids))


SENT = r"^/(health|ready|metrics|v1/(?!actions/(?!(create-user|list-users|\{)[/}])))"
UNSENT = r"create-user/(run|stream)|list-users/preview"  # what the vendor thinks of values is not in our document


@pytest.mark.timeout(240)
def test_what_the_document_says_is_what_happens(
    start: Start, connector: Connector, zoom: Sandbox, tmp_path: Path
) -> None:
    """schemathesis sends what the document allows and what it does not, and compares the answers with it."""
    store = MemoryStore()
    key = ApiKeys(store, connector.key).create("acme")[0]
    connect(connector, store, zoom, "acme")
    with start(store, {"retries": 0, "timeout": 4.0}, webhook_secrets={"webhook": {"app": "secret"}}) as served:
        command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(HERE / "schemathesis.toml")]
        command += ["run", f"{served.url}/openapi.json", "--header", f"Authorization: Bearer {key}", "--no-color"]
        command += ["--phases", "examples,coverage", "--max-examples", "2", "--generation-deterministic"]
        command += ["--workers", "2", "--continue-on-failure"]
        command += ["--include-path-regex", SENT, "--exclude-path-regex", UNSENT]
        environment = {**os.environ, "SCHEMATHESIS_HOOKS": "hooks", "PYTHONPATH": str(HERE)}
        done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout[-20000:] + done.stderr[-2000:]
        assert int(re.findall(r"(\d+) generated", done.stdout)[0]) > 300
        assert served.client().get("/health").status_code == 200
