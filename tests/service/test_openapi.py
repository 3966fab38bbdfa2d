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

from .conftest import APP, Served, Start, connect
from .test_connections import SERVER as ABOUT
from .test_webhooks import SECRET

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
        data = operation["responses"]["200"]["content"]["application/json"]["schema"]["properties"]["data"]
        assert set(data.get("properties", ())) == set((action.output or {"schema": {}})["schema"].get("properties", ()))


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


OPERATIONS = {  # summary, documented statuses beside `default`, and what the first is answered with
    "GET /v1/catalogue": ("The whole catalogue", "200 304", None),
    "GET /v1/actions/{key}": ("One action of the catalogue", "200 304", None),
    "GET /v1/triggers/{trigger}/events/{name}": ("One documented event", "200 304", None),
    "POST /v1/actions/list-users/preview": ("List Users: preview", "200", "Preview"),
    "POST /v1/actions/list-users/run": ("List Users", "200", None),
    "POST /v1/actions/list-users/stream": ("List Users: stream", "200", None),
    "POST /v1/actions/{key}/inputs/{input}/choices": ("The choices of an input", "200", "ChoicesAnswer"),
    "GET /v1/connections": ("The tenant's connections", "200", "ConnectionsAnswer"),
    "POST /v1/connections": ("Create a connection", "201 202", "ConnectionAnswer"),
    "GET /v1/connections/{name}": ("One connection", "200", "ConnectionAnswer"),
    "POST /v1/connections/{name}/test": ("Test a connection", "200", "HealthAnswer"),
    "DELETE /v1/connections/{name}": ("Revoke and delete a connection", "200", "DeletedAnswer"),
    "GET /v1/oauth/authorize": ("Begin a sign-in and send this browser to it", "303", None),
    "GET /v1/oauth/callback": ("Receive the browser after a sign-in", "200 400", None),
    "POST /v1/webhooks/{trigger}": ("Receive a webhook from the vendor", "200 401 503", None),
    "GET /v1/events": ("The events that have arrived", "200", "EventsAnswer"),
    "GET /v1/problems": ("The kinds of problem", "200", "KindsAnswer"),
    "GET /v1/tenant": ("The tenant of the key", "200", "TenantAnswer"),
    "GET /health": ("Check that the process responds", "200", "StateAnswer"),
    "GET /ready": ("Check that the store and the definitions work", "200", "StateAnswer"),
    "GET /metrics": ("Prometheus metrics", "200", None),
}
KIND_OF = {  # the content types of answers that are no JSON alone
    "GET /metrics": {"text/plain"},
    "POST /v1/actions/list-users/stream": {"application/x-ndjson"},
    "GET /v1/oauth/callback": {"text/html"},
}
NAME = {"type": "string", "minLength": 1, "maxLength": 100, "pattern": r"^[^\x00-\x1f\x7f/]+$"}
CURSOR = {"type": "string", "minLength": 1, "maxLength": 24576}
MAP = {"type": "object", "additionalProperties": True}
CALLED = {"inputs": MAP, "extra": MAP, "clear": {"type": "array", "items": {"type": "string"}}}
ASKED: dict[str, dict[str, Any]] = {  # the fields of requests: of what may be null its other form
    "PreviewRequest": CALLED,
    "RunRequest": {
        **CALLED,
        "connection": NAME,
        "limit": {"type": "integer", "minimum": 1, "maximum": 10**9},
        "cursor": CURSOR,
        "deadline": {"type": "number", "minimum": 0.1},
        "recover": {"type": "boolean", "default": False},
    },
    "ChoicesRequest": {
        "inputs": MAP,
        "connection": NAME,
        "search": {"type": "string", "maxLength": 500},
        "cursor": CURSOR,
        "parameters": MAP,
    },
    "ConnectionRequest": {
        "kind": {"type": "string"},
        "name": {**NAME, "default": "main"},
        "values": MAP,
        "oauth_url": {"type": "string"},
    },
}
PARAMETERS: dict[str, dict[str, Any]] = {
    "GET /v1/catalogue locale": {"type": "string", "enum": ["en", "de"]},
    "GET /v1/catalogue events": {"type": "boolean", "default": False},
    "GET /v1/oauth/authorize kind": {"type": "string", "maxLength": 100},
    "GET /v1/oauth/authorize name": {**NAME, "default": "main"},
    "DELETE /v1/connections/{name} revoke": {"type": "boolean", "default": True},
    "GET /v1/connections/{name} name": {"type": "string", "minLength": 1, "maxLength": 100},
    "GET /v1/events cursor": {"type": "string"},
    "GET /v1/events limit": {"type": "integer", "minimum": 1, "maximum": 500, "default": 100},
    "GET /v1/events wait": {"type": "number", "minimum": 0, "maximum": 20, "default": 0},
    "GET /v1/events event": {"type": "array", "items": {"type": "string"}, "maxItems": 50, "default": []},
    "GET /v1/events account": {"type": "array", "items": {"type": "string"}, "default": []},
    "GET /v1/events object": {"type": "array", "items": {"type": "string"}, "default": []},
    "POST /v1/actions/list-users/run Idempotency-Key": {
        "type": "string",
        "minLength": 1,
        "maxLength": 255,
        "pattern": r"^[\x21-\x7e]+$",
    },
}
TOLD = {  # what a name alone does not say
    "ProblemDocument": "status hint inputs problems retriable vendor_status code tracking_id",
    "RunMeta": "cursor",
    "TenantAnswer": "has_token",
    "EventsAnswer": "warnings",
}
PLAIN = {"StateAnswer", "KindAnswer", "KindsAnswer", "ConnectionsAnswer", "ChoiceAnswer", "WarningBody"}


def form(schema: dict[str, Any]) -> dict[str, Any]:
    """What a schema accepts: without the words about it, and of null or something the something."""
    found = {name: value for name, value in schema.items() if name not in ("title", "description")}
    if "anyOf" in found:
        (kind,) = (each for each in found.pop("anyOf") if each != {"type": "null"})
        assert found.pop("default", None) is None
        found |= kind
    return found


def operations(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {
        f"{method.upper()} {path}": operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }


def test_every_operation_says_what_it_does_and_what_it_answers_with(document: dict[str, Any]) -> None:
    found = operations(document)
    own = r"/v1/actions/(?!list-users/)[^{/]+/(preview|run|stream)$"
    assert {name for name in found if not re.search(own, name)} == set(OPERATIONS)
    for name, (summary, statuses, model) in OPERATIONS.items():
        operation = found[name]
        assert operation["summary"] == summary, name
        assert set(operation["responses"]) == {*statuses.split(), "default"}, name
        assert all(answer["description"] for answer in operation["responses"].values()), name
        first = operation["responses"][statuses[:3]].get("content", {})
        if model is not None:
            assert first == {"application/json": {"schema": {"$ref": f"#/components/schemas/{model}"}}}, name
        elif name in KIND_OF:
            assert set(first) == KIND_OF[name], name
    created = found["POST /v1/connections"]["responses"]["202"]["content"]["application/json"]["schema"]
    assert created == {"$ref": "#/components/schemas/SignInAnswer"}
    assert found["GET /v1/oauth/callback"]["responses"]["400"]["content"] == {"text/html": {}}
    for name in ("GET /v1/catalogue", "GET /v1/actions/{key}", "GET /v1/triggers/{trigger}/events/{name}"):
        assert found[name]["responses"]["200"]["content"] == {"application/json": {"schema": {"type": "object"}}}
    hook = found["POST /v1/webhooks/{trigger}"]["responses"]
    assert set(hook["401"]["content"]) == {"application/json"}
    assert set(hook["503"]["content"]) == {"application/json", "application/problem+json"}


def test_every_field_of_a_request_says_what_it_is_and_how_far_it_goes(document: dict[str, Any]) -> None:
    for model, fields in ASKED.items():
        schema = document["components"]["schemas"][model]
        assert schema["additionalProperties"] is False and schema["description"]
        assert {name: form(field) for name, field in schema["properties"].items()} == fields
        assert all(field["description"] for field in schema["properties"].values()), model
        assert schema.get("required", []) == (["kind"] if model == "ConnectionRequest" else [])
    for name, operation in operations(document).items():
        body = operation.get("requestBody")
        assert bool(body) == name.startswith(("POST /v1/actions/", "POST /v1/connections")) - name.endswith("/test")
        assert body is None or body["required"] is True
    for model, where in (
        ("ChoicesRequest", "/v1/actions/{key}/inputs/{input}/choices"),
        ("ConnectionRequest", "/v1/connections"),
    ):
        content = document["paths"][where]["post"]["requestBody"]["content"]
        assert content == {"application/json": {"schema": {"$ref": f"#/components/schemas/{model}"}}}


def test_every_parameter_says_how_far_it_goes(document: dict[str, Any]) -> None:
    found = operations(document)
    for name, schema in PARAMETERS.items():
        operation, _, parameter = name.rpartition(" ")
        (each,) = (each for each in found[operation]["parameters"] if each["name"] == parameter)
        assert form(each["schema"]) == schema, name
        assert each["required"] == (each["in"] == "path" or name.endswith(" kind")), name
        if parameter in ("locale", "cursor", "wait", "event", "account", "object", "Idempotency-Key"):
            assert each["description"], name


def test_what_a_name_does_not_say_is_described(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    for name, schema in schemas.items():
        if name.endswith(".inputs") or name in ASKED:
            continue
        assert bool(schema.get("description")) == (name not in PLAIN), name
        told = {key for key, field in schema["properties"].items() if field.get("description")}
        assert told == set(TOLD.get(name, "").split()), name
    for scheme in document["components"]["securitySchemes"].values():
        assert "key" in scheme["description"]


def test_a_run_of_an_action_takes_what_fits_it_and_no_more(document: dict[str, Any], connector: Connector) -> None:
    for word, key, needed in (
        ("run", "create-meeting", True),
        ("stream", "list-users", False),
        ("preview", "list-users", False),
    ):
        schema = document["paths"][f"/v1/actions/{key}/{word}"]["post"]["requestBody"]["content"]["application/json"][
            "schema"
        ]
        action = connector.actions[key]
        assert schema["title"] == action.label + ("" if word == "run" else f": {word}")
        assert schema.get("required", []) == (["inputs"] if needed else [])
        clear = schema["properties"]["clear"]
        clearable = [row.key for row in action.inputs.values() if row.clear]
        assert (clear.get("maxItems"), clear["items"].get("enum", [])) == (None if clearable else 0, clearable)
        if word != "preview":
            assert form(schema["properties"]["deadline"]) == {"type": "number", "minimum": 0.1, "maximum": 60}
        recovers = word == "run" and action.recover is not None
        assert ("const" in schema["properties"].get("recover", {})) == (word != "preview" and not recovers)


def strict(document: dict[str, Any]) -> dict[str, Any]:
    """The document's schemas of answers, which name each field that there is, and each is always there."""

    def closed(value: Any) -> Any:
        if isinstance(value, list):
            return [closed(each) for each in value]
        if not isinstance(value, dict):
            return value
        made = {name: closed(each) for name, each in value.items()}
        if isinstance(value.get("properties"), dict):
            made |= {"additionalProperties": False, "required": list(value["properties"])}
        return made

    schemas = document["components"]["schemas"]
    return {name: schema if name.endswith(".inputs") else closed(schema) for name, schema in schemas.items()}


def test_every_answer_has_the_fields_that_the_document_names_and_no_others(
    start: Start, connector: Connector, zoom: Sandbox
) -> None:
    store = MemoryStore()
    key = ApiKeys(store, connector.key).create("acme")[0]
    connect(connector, store, zoom, "acme")
    zoom.oauth.register("sandbox-client", "sandbox-secret", redirect_uris=["http://127.0.0.1:8765/v1/oauth/callback"])
    with start(store, webhook_secrets={"webhook": {"sandbox-client": SECRET}}) as served:
        client = served.client(key)
        document = client.get("/openapi.json").json()
        schemas = strict(document)
        meeting = {"inputs": {"user_id": "me", "topic": "a"}}
        choices = "/v1/actions/get-meeting/inputs/meeting_id/choices"
        sign_in = {"kind": "oauth2", "name": "new", "values": APP}
        run = client.post("/v1/actions/create-meeting/run", json=meeting)
        assert run.json()["meta"].keys() == schemas["RunMeta"]["properties"].keys()
        for name, asked, status in (
            ("Preview", client.post("/v1/actions/create-meeting/preview", json=meeting), 200),
            ("Preview", client.post("/v1/actions/list-users/preview", json={}), 200),
            ("RunAnswer", run, 200),
            ("RunAnswer", client.post("/v1/actions/list-users/run", json={"limit": 1}), 200),
            ("ChoicesAnswer", client.post(choices, json={"inputs": {"user_id": "me"}}), 200),
            ("ConnectionsAnswer", client.get("/v1/connections"), 200),
            ("ConnectionAnswer", client.get("/v1/connections/main"), 200),
            (
                "ConnectionAnswer",
                client.post("/v1/connections", json={"kind": "server-to-server", "name": "server", "values": ABOUT}),
                201,
            ),
            ("SignInAnswer", client.post("/v1/connections", json=sign_in), 202),
            ("HealthAnswer", client.post("/v1/connections/main/test"), 200),
            ("EventsAnswer", client.get("/v1/events?event=no.such"), 200),
            ("KindsAnswer", client.get("/v1/problems"), 200),
            ("TenantAnswer", client.get("/v1/tenant"), 200),
            ("StateAnswer", client.get("/health"), 200),
            ("StateAnswer", client.get("/ready"), 200),
            ("DeletedAnswer", client.delete("/v1/connections/main"), 200),
            ("ProblemDocument", client.delete("/v1/connections/main"), 404),
        ):
            assert asked.status_code == status, asked.text
            schema = {"$ref": f"#/components/schemas/{name}", "components": {"schemas": schemas}}
            Draft202012Validator(schema).validate(asked.json())
        assert asked.headers["content-type"] == "application/problem+json"


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
        command += ["--workers", "1", "--continue-on-failure"]  # two threads that parse Python at once break 3.11
        command += ["--include-path-regex", SENT, "--exclude-path-regex", UNSENT]
        environment = {**os.environ, "SCHEMATHESIS_HOOKS": "hooks", "PYTHONPATH": str(HERE)}
        done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout[-20000:] + done.stderr[-2000:]
        assert int(re.findall(r"(\d+) generated", done.stdout)[0]) > 300
        assert served.client().get("/health").status_code == 200
