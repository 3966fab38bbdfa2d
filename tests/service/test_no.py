"""Each no of the service as the whole answer that a caller gets: the document, its status and the headers with it."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from connector_runtime.service.app import PAGE
from connector_runtime.service.problems import MEDIA_TYPE
from connector_runtime.service.records import ApiKeys
from connector_runtime.stores.store import MemoryStore
from zoom_connector import Connector
from zoom_connector.sandbox import Sandbox

from .conftest import APP, CREATE, MEETING, Start, connect, connected, problem, received, until, whole
from .test_webhooks import HOOK, SECRET, event, signed

USER, STREAM = "/v1/actions/get-user/run", "/v1/actions/list-users/stream"
ME: dict[str, Any] = {"inputs": {"user_id": "me"}}
JSON = {"Content-Type": "application/json"}
BRING = "Send a key as `Authorization: Bearer …`."
NO_KEY = ("key", 401, "No valid API key")
FORBIDDEN = ("forbidden", 403, "This key does not have permission")
MEDIA = ("media_type", 415, "This content type is not accepted")
NOT_FOUND = ("not_found", 404, "Not found")
NOT_READY = ("not_ready", 503, "The service is not ready")
INPUT = ("input", 422, "Some inputs are not valid")
BUSY = ("busy", 503, "The service is busy")
LOST = ("may_have_been_done", 409, "It may have been done")
NO_NAME = (
    "Without API keys, the service accepts only requests addressed to this machine.",
    "Call it as http://127.0.0.1 or http://localhost, or create a key with `api-key create`. Then restart the service.",
)
ORIGIN = (
    "Cross-origin requests are refused.",
    "Call it from a program, or through your own proxy.",
)


def wrong(what: str, where: str, of: str = "the request", **more: Any) -> dict[str, Any]:
    """Of one input, or one field of a request."""
    return whole(
        *INPUT, f"One problem with the inputs of {of}:", None, problems=[{"where": where, "what": what}], **more
    )


def unknown(what: str, name: str, meant: str = "") -> dict[str, Any]:
    said = f"'{name}' does not exist here.{meant}"
    return whole(*NOT_FOUND, said, None, problems=[{"where": what, "what": said}])


@pytest.fixture
def keyed(start: Start, connector: Connector) -> Iterator[tuple[httpx.Client, httpx.Client, httpx.Client]]:
    """Somebody with a key, somebody with one for metrics, and somebody without any, where nobody has a connection."""
    store = MemoryStore()
    keys = ApiKeys(store, connector.key)
    with start(store, {"public_url": None}) as served:
        yield served.client(keys.create("acme")[0]), served.client(keys.create(None)[0]), served.client()


def test_each_no_that_needs_no_connection(keyed: Any) -> None:
    acme, metrics, nobody = keyed
    for asked, wanted in (
        (nobody.get("/v1/tenant"), whole(*NO_KEY, "The request has no API key.", BRING)),
        (nobody.get("/metrics"), whole(*NO_KEY, "The request has no API key.", BRING)),
        (
            nobody.get("/v1/tenant", headers={"X-API-Key": "x"}),
            whole(*NO_KEY, "The API key is invalid or has been revoked.", BRING),
        ),
        (metrics.get("/v1/tenant"), whole(*FORBIDDEN, "This key is for /metrics only.", None)),
        (
            acme.get("/metrics"),
            whole(
                *FORBIDDEN,
                "The metrics cover all tenants, so a tenant's key cannot read them.",
                "Create a key for them: api-key create --metrics",
            ),
        ),
        (acme.get("/nowhere"), whole(*NOT_FOUND, "Not Found.", None)),
        (nobody.get("/page/none.js"), whole(*NOT_FOUND, "Not Found.", None)),
        (nobody.get("/page/page.html"), whole(*NOT_FOUND, "Not Found.", None)),
        (
            acme.put("/v1/connections"),
            whole("method", 405, "This method is not allowed", "Method Not Allowed.", None),
        ),
        (acme.get("/v1/actions/get-usr"), unknown("action", "get-usr", " Did you mean 'get-user'?")),
        (acme.post("/v1/actions/xyz/run", json={}), unknown("action", "xyz")),
        (acme.get("/v1/triggers/xyz/events/a"), unknown("trigger", "xyz")),
        (acme.get("/v1/triggers/webhook/events/xyz"), unknown("event", "xyz")),
        (nobody.post("/v1/webhooks/xyz"), unknown("trigger", "xyz")),
        (acme.post("/v1/actions/get-user/inputs/xyz/choices", json={}), unknown("input", "xyz")),
        (acme.post("/v1/connections", json={"kind": "xyz"}), unknown("kind of connection", "xyz")),
        (
            nobody.post("/v1/webhooks/webhook"),
            whole(
                *NOT_READY,
                "The service does not have this trigger's secret, so it cannot verify signatures.",
                "Set the secret in the environment, then restart the service.",
            ),
        ),
        (
            acme.post("/v1/connections", json={"kind": "oauth2", "values": APP}),
            whole(
                *NOT_READY,
                "The service does not know the URL at which browsers reach it.",
                "Start it with --public-url.",
            ),
        ),
        (
            acme.get("/v1/oauth/authorize?kind=oauth2", headers={"Sec-Fetch-Site": "cross-site"}),
            whole(*FORBIDDEN, "Another site sent the browser here.", "Start at the page itself."),
        ),
        (
            acme.get("/v1/oauth/authorize?kind=oauth2", headers={"Sec-Fetch-Site": "same-site"}),
            whole(*FORBIDDEN, "Another site sent the browser here.", "Start at the page itself."),
        ),
        (
            acme.get("/v1/oauth/authorize?kind=server-to-server"),
            wrong("server-to-server needs no sign-in; post the connection to /v1/connections", "kind", "connect"),
        ),
        (
            acme.post("/v1/connections", json={"kind": "oauth2", "values": APP, "oauth_url": "https://evil.example"}),
            wrong("must be one of https://zoomgov.com", "oauth_url", "the connection 'OAuth 2.0'"),
        ),
        (
            acme.post(USER, content=b"{}", headers={"Content-Type": "text/plain"}),
            whole(*MEDIA, "The body is 'text/plain', not JSON.", None),
        ),
        (acme.post(USER), whole(*MEDIA, "The request has no Content-Type.", None)),
        (
            acme.post(USER, content=b"{}", headers={**JSON, "Content-Encoding": "br"}),
            whole(*MEDIA, "Compressed bodies are not accepted.", None),
        ),
        (
            acme.post(STREAM, json={}, headers={"Idempotency-Key": "k"}),
            whole(
                *INPUT,
                "A stream does not take an idempotency key.",
                None,
                problems=[{"where": "Idempotency-Key", "what": "is for runs; the response of a stream is not stored"}],
            ),
        ),
        (acme.post(STREAM, json={"recover": True}), wrong("is for runs, not for streams", "recover")),
        (acme.post(USER, json={**ME, "deadline": 61}), wrong("must be at most 60 seconds here", "deadline")),
        (acme.post(USER, json={"inputs": {}, "imputs": 1}), wrong("is unknown here. Did you mean 'inputs'?", "imputs")),
        (acme.post(USER, json=[]), wrong("must be a JSON object", "body")),
        (
            acme.get("/v1/connections/none"),
            whole(*NOT_FOUND, "There is no connection none.", "Connect an account."),
        ),
    ):
        assert problem(asked) == wanted
        assert asked.status_code == wanted["status"] and asked.headers["content-type"] == MEDIA_TYPE
        assert asked.headers.get("www-authenticate") == ("Bearer" if wanted["status"] == 401 else None)
        assert "retry-after" not in asked.headers
    assert acme.put("/v1/connections").headers["allow"] == "GET, POST"
    assert acme.post(USER).headers["accept"] == "application/json"
    packed = acme.post(USER, content=b"{}", headers={**JSON, "Content-Encoding": "br"})
    assert packed.headers["accept-encoding"] == "identity"


def test_who_is_no_page_of_this_machine_is_told_how_to_come(start: Start) -> None:
    with start(tenant="t", limits={"public_url": None}) as served:
        elsewhere = served.client(Host="evil.example").get("/v1/tenant")
        assert problem(elsewhere) == whole("host", 421, "This host name is not served", *NO_NAME)
        page = served.client(Origin="https://evil.example").post(USER, json=ME)
        assert problem(page) == whole(*FORBIDDEN, *ORIGIN)
        assert problem(served.client(Origin="null").post(USER, json=ME)) == whole(*FORBIDDEN, *ORIGIN)


def test_who_is_one_too_many_is_told_when_to_come_again(
    start: Start, connector: Connector, caplog: pytest.LogCaptureFixture
) -> None:
    store = MemoryStore()
    key = ApiKeys(store, connector.key).create("acme")[0]
    limits = {"concurrency": 5, "tenant_concurrency": 3, "unknown_concurrency": 2}
    with start(store, limits, webhook_secrets={"webhook": {"app": SECRET}}) as served:
        running, client = served.app.state.service.running, served.client(key)
        for others, wanted in (
            ({"other": 4, None: 2}, None),  # one place is left, and those of nobody known do not count
            ({"acme": 2}, None),
            ({"other": 5}, whole(*BUSY, "The limit of 5 concurrent requests has been reached.", None, retriable=True)),
            (
                {"acme": 3},
                whole(
                    "too_many",
                    429,
                    "Too many concurrent requests from this tenant",
                    "The tenant's limit of 3 concurrent requests has been reached.",
                    None,
                    retriable=True,
                ),
            ),
        ):
            running.update(others)
            answer = client.get("/v1/connections")
            assert until(lambda: +running == Counter(others))  # noqa: B023
            running.clear()
            if wanted is None:
                assert answer.status_code == 200
            else:
                assert (problem(answer), answer.headers["retry-after"]) == (wanted, "1")
        for busy, status in ((1, 200), (2, 503)):
            running[None] = busy
            body = event(1)[:-1] + b" " * 65_536 + b"}"  # a smaller one needs no place
            answer = served.client().post(HOOK, content=body, headers=signed(body))
            assert until(lambda: running[None] == busy)  # noqa: B023
            assert answer.status_code == status
        assert answer.json() == {"message": "The event could not be recorded; send it again."}
        assert "vendor is asked to send it again: The limit of 2 concurrent requests has been reached." in caplog.text


def test_a_body_too_large_or_too_slow_is_told_so_and_the_connection_closed(start: Start) -> None:
    with start(tenant="t", limits={"patience": 0.3, "body": 1000}) as served:
        large = served.client().post(USER, content=b'"' + b"x" * 999 + b'"', headers=JSON)
        assert problem(large) == whole(
            "too_large", 413, "The body is too large", "The body is larger than 1000 bytes.", None
        )
        assert large.headers["connection"] == "close"
        fits = served.client().post(USER, content=b'"' + b"x" * 998 + b'"', headers=JSON)
        assert problem(fits) == wrong("must be a JSON object", "body")
        with connected(served) as raw:
            head = f"POST {USER} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            raw.sendall(f"{head}Content-Length: 100\r\n\r\n".encode())
            lines, _, body = received(raw).partition(b"\r\n\r\n")
        assert lines.startswith(b"HTTP/1.1 408 ") and b"\r\nconnection: close" in lines.lower()
        said = json.loads(body)
        said.pop("request_id")
        what = "The body did not arrive within 0.3 seconds."
        assert said == whole("slow", 408, "The request took too long to arrive", what, None, retriable=True)


def test_a_platforms_own_sign_in_may_know_nobody_fail_or_change_its_mind(start: Start) -> None:
    asked: list[str] = []

    def tenant(request: Any) -> str | None:
        asked.append(request.headers.get("x-user", ""))
        if asked[-1] == "faulty":
            raise RuntimeError("secret")
        return {"": None, "moving": f"t{len(asked)}"}.get(asked[-1], asked[-1])

    with start(tenant=tenant) as served:
        client = served.client()
        assert problem(client.get("/v1/tenant")) == whole(*NO_KEY, "Nobody is signed in.", BRING)
        failed = client.get("/v1/tenant", headers={"x-user": "faulty"})
        assert problem(failed) == whole(
            "internal", 500, "The service failed", "The service failed.", "See the service log."
        )
        assert client.get("/v1/tenant", headers={"x-user": "ada"}).json() == {
            "tenant": "ada",
            "local": False,
            "connector": "zoom",
            "version": served.app.version,
            "has_token": False,
        }
        moved = client.get("/v1/events?wait=5", headers={"x-user": "moving"})
        assert problem(moved) == whole(*NO_KEY, "The request no longer belongs to the same tenant.", BRING)
        assert moved.headers["www-authenticate"] == "Bearer"


def test_what_takes_too_long_says_whether_it_may_have_been_done(start: Start, zoom: Sandbox) -> None:
    late = ("timeout", 504, "The request timed out")
    with start(tenant="t", token=zoom.token, limits={"timeout": 0.3, "retries": 0}) as served:
        client = served.client()
        choices = "/v1/actions/get-meeting/inputs/meeting_id/choices"
        zoom.inject(delay=1.0, times=9)
        read = client.post(choices, json={})
        assert problem(read) == whole(*late, "The call took longer than 0.3 seconds.", "Try again.", retriable=True)
        listed = client.post(STREAM, json={})
        assert problem(listed) == whole(*late, "The call took longer than 0.3 seconds.", "Try again.", retriable=True)
        changed = client.post(CREATE.replace("run", "stream"), json=MEETING)
        look = "The change may have been made. Check in Zoom before you send it again."
        wanted = whole(*late, "The call took longer than 0.3 seconds.", look, may_have_been_done=True)
        assert problem(changed) == wanted


def test_an_idempotency_key_is_refused_with_what_to_do(start: Start, connector: Connector, zoom: Sandbox) -> None:
    store = MemoryStore()
    key = ApiKeys(store, connector.key).create("acme")[0]
    connect(connector, store, zoom, "acme")
    own = {"Idempotency-Key": "k"}
    with start(store) as served:
        acme, prefix = served.client(key), f"service/{connector.key}/idempotency/"
        assert acme.post(CREATE, json=MEETING, headers=own).status_code == 200
        other = acme.post(CREATE, json={"inputs": {"user_id": "me"}}, headers=own)
        reused = ("key_reused", 422, "The idempotency key was used for another request")
        assert problem(other) == whole(
            *reused,
            "This idempotency key was used for another request.",
            "Use a new key for each operation; repeat an operation with the same body.",
        )
        ((place, entry),) = store.scan(prefix)
        lease = store.lease(f"lease/{place}", 60)
        store.put(place, None, entry.version)
        flying = acme.post(CREATE, json=MEETING, headers=own)
        assert lease is not None
        lease.release()
        assert problem(flying) == whole(
            "in_flight",
            409,
            "The first request with this idempotency key is still running",
            "The first request with this idempotency key is still running.",
            "Send it again with the same key a little later.",
            retriable=True,
        )
        assert flying.headers["retry-after"] == "2"
        store.put(place, b"odd", None)
        look = "Check whether it was done; if not, send it with a new key."
        assert problem(acme.post(CREATE, json=MEETING, headers=own)) == whole(
            *LOST,
            "The stored record of this idempotency key is damaged.",
            look,
            may_have_been_done=True,
        )


def test_every_answer_says_how_a_browser_may_treat_it(start: Start) -> None:
    policy = (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    kinds = {"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8"}
    with start(tenant="t") as served:
        client = served.client()
        for asked in (client.get("/v1/tenant"), client.get("/v1/nowhere"), client.get("/health")):
            assert {name: asked.headers.get(name) for name in ("x-content-type-options", "referrer-policy")} == {
                "x-content-type-options": "nosniff",
                "referrer-policy": "no-referrer",
            }
            assert asked.headers["cache-control"] == "no-store"
            assert asked.headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
            assert len(asked.headers["x-request-id"]) == 32
        page = client.get("/")
        parts = re.findall(r'(?:src|href)="(page/[^"]+)"', page.text)
        assert page.headers["content-type"] == "text/html; charset=utf-8" and parts
        for name in [*{part.removeprefix("page/") for part in parts}, *PAGE]:
            part = client.get(f"/page/{name}")
            assert (part.status_code, part.headers["content-type"]) == (200, kinds[name.rpartition(".")[2]])
            assert part.headers["content-security-policy"] == page.headers["content-security-policy"] == policy
            assert part.headers["cache-control"] == "no-cache" and part.headers["etag"].startswith('"')
            assert part.headers["x-content-type-options"] == "nosniff"
        told = client.get("/v1/catalogue").headers
        assert (told["cache-control"], told["vary"]) == ("private, no-cache", "Accept-Encoding, Accept-Language")
    with start(tenant="t", page=False) as served:
        assert served.client().get("/").status_code == 404 == served.client().get("/page/page.js").status_code


def test_names_and_numbers_are_taken_up_to_their_bounds(start: Start) -> None:
    with start(tenant="t") as served:
        client = served.client()
        assert client.get(f"/v1/connections/{'x' * 100}").status_code == 404
        long = client.get(f"/v1/connections/{'x' * 101}")
        assert (long.status_code, long.json()["problems"][0]["where"]) == (422, "path.name")
        assert client.post("/v1/connections", json={"kind": "x", "name": "a/b"}).json()["kind"] == "input"
        for query, where in (
            ("limit=0", "query.limit"),
            ("limit=501", "query.limit"),
            ("wait=21", "query.wait"),
            ("wait=-1", "query.wait"),
        ):
            assert [each["where"] for each in client.get(f"/v1/events?{query}").json()["problems"]] == [where]
        assert client.get("/v1/events?limit=500&wait=0").status_code == 200
        assert client.get("/v1/catalogue?locale=d!").json()["problems"][0]["where"] == "query.locale"
