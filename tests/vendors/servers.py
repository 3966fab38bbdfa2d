"""Five vendors on this machine, as small as they can be: each behaves as its documentation says where ours could trip.

Real HTTP on the loopback interface, from the standard library alone; what was asked stands in `requests`.
"""

from __future__ import annotations

import base64
import json
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl, quote, unquote


@dataclass(frozen=True)
class Asked:
    """A request as it arrived."""

    method: str
    path: str
    query: str  # as on the wire
    headers: list[tuple[str, str]]
    body: bytes

    @property
    def pairs(self) -> list[tuple[str, str]]:
        return parse_qsl(self.query, keep_blank_values=True)

    @property
    def parameters(self) -> dict[str, str]:
        return dict(self.pairs)

    def header(self, name: str) -> str:
        """All headers of the name, as one text; empty if there is none."""
        return ", ".join(value for key, value in self.headers if key.lower() == name.lower())

    def json(self) -> Any:
        return json.loads(self.body or b"null")


@dataclass(frozen=True)
class Answer:
    body: Any = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


class Vendor:
    """A server that a `with` statement starts and ends. `refuse` is an answer that the next request gets instead."""

    prefix = ""

    def __init__(self) -> None:
        self.requests: list[Asked] = []
        self.refuse: Answer | None = None
        vendor = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_GET(self) -> None:
                path, _, query = self.path.partition("?")
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                asked = Asked(self.command, path.removeprefix(vendor.prefix), query, self.headers.items(), body)
                vendor.requests.append(asked)
                answer, vendor.refuse = vendor.refuse or vendor.answer(asked), None
                content = b"" if answer.body is None else json.dumps(answer.body).encode()
                self.send_response(answer.status)
                if content:
                    self.send_header("Content-Type", "application/json; charset=utf-8")
                self.send_header("Content-Length", str(len(content)))
                for name, value in {**vendor.always(), **answer.headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            do_POST = do_PATCH = do_DELETE = do_GET

            def log_message(self, *arguments: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.origin = f"http://127.0.0.1:{self._server.server_port}"
        self.url = self.origin + self.prefix
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    def answer(self, asked: Asked) -> Answer:
        raise NotImplementedError

    def always(self) -> dict[str, str]:
        """Headers of every answer."""
        return {}

    @property
    def last(self) -> Asked:
        return self.requests[-1]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class GitHub(Vendor):
    """Issues of octocat/Hello-World. Docs: /rest/using-the-rest-api (pagination, rate limits, troubleshooting)."""

    token = "github_pat_11ABCDEFG0example"
    reset = 1_893_456_000  # 2030-01-01T00:00:00Z

    def __init__(self, issues: int = 0) -> None:
        super().__init__()
        self.remaining = 4999
        self.issues = [{"number": n + 1, "title": f"Issue {n + 1}", "state": "open"} for n in range(issues)]

    def always(self) -> dict[str, str]:
        return {
            "x-github-request-id": "1D4E:2F:3A:4B:5C",
            "x-ratelimit-limit": "5000",
            "x-ratelimit-remaining": str(self.remaining),
            "x-ratelimit-reset": str(self.reset),
        }

    def answer(self, asked: Asked) -> Answer:
        if not asked.header("user-agent"):
            return Answer({"message": "Request forbidden by administrative rules."}, 403)
        if asked.header("authorization") != f"Bearer {self.token}":
            return Answer({"message": "Bad credentials", "status": "401"}, 401)
        if asked.header("x-github-api-version") != "2022-11-28":
            return Answer({"message": "Not a supported version"}, 400)
        if self.remaining == 0:
            return Answer({"message": "API rate limit exceeded for user ID 583231."}, 403)
        if asked.path == "/search/issues":
            return self._search(asked)
        if asked.path in ("/repos/octocat/Hello-World/issues", "/repositories/1296269/issues"):
            return self._create(asked) if asked.method == "POST" else self._list(asked)
        found = re.fullmatch("/repos/octocat/Hello-World/issues/([0-9]+)", asked.path)
        if found and asked.method == "PATCH" and int(found[1]) <= len(self.issues):
            return Answer({**self.issues[int(found[1]) - 1], **asked.json()})
        return Answer({"message": "Not Found", "status": "404"}, 404)

    def _list(self, asked: Asked) -> Answer:
        size, page = int(asked.parameters.get("per_page", 30)), int(asked.parameters.get("page", 1))
        shown = self.issues[(page - 1) * size : page * size]
        links = []
        if page * size < len(self.issues):
            kept = "".join(f"{name}={quote(value)}&" for name, value in asked.pairs if name != "page")
            here = f"{self.origin}/repositories/1296269/issues?{kept}page="  # not the path that was asked for
            links = [f'<{here}{page + 1}>; rel="next"', f'<{here}{-(-len(self.issues) // size)}>; rel="last"']
        return Answer(shown, headers={"Link": ", ".join(links)} if links else {})

    def _search(self, asked: Asked) -> Answer:
        words = asked.parameters["q"].split(" ")
        if words[0] != "repo:octocat/Hello-World" or "is:issue" not in words:
            why = "The listed users and repositories cannot be searched either because the resources do not exist"
            errors = [{"message": why, "resource": "Search", "field": "q", "code": "invalid"}]
            return Answer({"message": "Validation Failed", "errors": errors}, 422)
        found = [issue for issue in self.issues if words[-1] in str(issue["title"])]
        return Answer({"total_count": len(found), "incomplete_results": False, "items": found})

    def _create(self, asked: Asked) -> Answer:
        given = asked.json()
        if given.get("milestone") == 99:
            errors = [{"value": 99, "resource": "Issue", "field": "milestone", "code": "invalid"}]
            return Answer({"message": "Validation Failed", "errors": errors}, 422)
        return Answer({"number": len(self.issues) + 1, "state": "open", **given}, 201)


class Slack(Vendor):
    """One workspace. Every refusal is a 200, but for the rate limit of a method."""

    prefix = "/api"
    token = "xoxb-17653672481-19874698323-example"

    def __init__(self, channels: int = 0) -> None:
        super().__init__()
        self.channels = [{"id": f"C{n:08}", "name": f"channel-{n}"} for n in range(channels)]

    def answer(self, asked: Asked) -> Answer:
        given = asked.header("authorization")
        if given != f"Bearer {self.token}":
            return self._no("invalid_auth" if given else "not_authed")
        if asked.path == "/conversations.list":
            return self._list(asked)
        if asked.path == "/chat.postMessage":
            return self._post(asked)
        return self._no("unknown_method")

    def _no(self, error: str, **more: Any) -> Answer:
        return Answer({"ok": False, "error": error, **more})

    def _list(self, asked: Asked) -> Answer:
        if "private_channel" in asked.parameters.get("types", "").split(","):
            return self._no("missing_scope", needed="groups:read", provided="channels:read,chat:write")
        start = 0
        if "cursor" in asked.parameters:
            start = int(base64.b64decode(asked.parameters["cursor"]).decode().removeprefix("channel:"))
        end = start + int(asked.parameters["limit"])
        more = base64.b64encode(f"channel:{end}".encode()).decode() if end < len(self.channels) else ""
        return Answer({"ok": True, "channels": self.channels[start:end], "response_metadata": {"next_cursor": more}})

    def _post(self, asked: Asked) -> Answer:
        if asked.header("content-type").partition(";")[0] != "application/x-www-form-urlencoded":
            return self._no("invalid_form_data")
        given = dict(parse_qsl(asked.body.decode(), keep_blank_values=True))
        if given.get("channel") != "C123ABC456":
            return self._no("channel_not_found")
        try:
            blocks = json.loads(given.get("blocks", "[]"))
        except ValueError:
            return self._no("invalid_blocks_format")
        if not all(isinstance(block, dict) and "type" in block for block in blocks):
            note = "[ERROR] missing required field: type [json-pointer:/blocks/0/type]"
            return self._no("invalid_blocks", response_metadata={"messages": [note]})
        if not given.get("text") and not blocks:
            return self._no("no_text")
        return Answer(
            {"ok": True, "channel": given["channel"], "ts": "1503435956.000247", "message": {"blocks": blocks}}
        )


class Stripe(Vendor):
    """Test data of one account. Docs: /api (authentication, errors, idempotent requests, pagination)."""

    prefix = "/v1"
    key = "sk_test_4eC39HqLyjWDarjtT1zdp7dc"

    def __init__(self, customers: int = 0) -> None:
        super().__init__()
        self.customers = [{"id": f"cus_{n:04}", "created": 1_700_000_000 + n} for n in reversed(range(customers))]
        self._done: dict[str, tuple[Any, Answer]] = {}

    def always(self) -> dict[str, str]:
        return {"Request-Id": "req_123"}

    def answer(self, asked: Asked) -> Answer:
        if asked.header("authorization") != "Basic " + base64.b64encode(f"{self.key}:".encode()).decode():
            return self._no(401, message="Invalid API Key provided: sk_test_****")
        if asked.method == "POST":
            return self._once(asked)
        if asked.path == "/customers":
            return self._list(asked)
        return self._no(404, message=f"Unrecognized request URL (GET: {asked.path})")

    def _no(self, status: int, **error: str) -> Answer:
        return Answer({"error": {"type": "invalid_request_error", **error}}, status)

    def _once(self, asked: Asked) -> Answer:
        if not asked.header("content-type").startswith("application/x-www-form-urlencoded"):
            return self._no(400, message="Invalid request")
        given = nested(parse_qsl(asked.body.decode(), keep_blank_values=True))
        key = asked.header("idempotency-key")
        if key in self._done:
            before, answer = self._done[key]
            if before != (asked.path, given):
                message = (
                    "Keys for idempotent requests can only be used with the same parameters they were first used with."
                )
                return Answer({"error": {"type": "idempotency_error", "message": message}}, 400)
            return Answer(answer.body, answer.status, {"Idempotent-Replayed": "true"})
        answer = self._create(asked.path, given)
        if key:
            self._done[key] = ((asked.path, given), answer)
        return answer

    def _create(self, path: str, given: dict[str, Any]) -> Answer:
        if path == "/checkout/sessions":
            return Answer({"id": "cs_test_1", "object": "checkout.session", "given": given})
        if "@" not in given.get("email", "@"):
            message = f"Invalid email address: {given['email']}"
            return self._no(400, code="email_invalid", message=message, param="email")
        if given.get("address", {}).get("country") == "XX":
            return self._no(
                400, code="country_code_invalid", message="Country 'XX' is unknown.", param="address[country]"
            )
        made = {"id": f"cus_{len(self.customers):04}", "object": "customer", **given}
        self.customers.insert(0, made)
        return Answer(made)

    def _list(self, asked: Asked) -> Answer:
        given = asked.parameters
        found = [entry for entry in self.customers if int(entry["created"]) > int(given.get("created[gt]", 0))]
        if "starting_after" in given:
            ids = [entry["id"] for entry in found]
            if given["starting_after"] not in ids:
                message = f"No such customer: '{given['starting_after']}'"
                return self._no(400, code="resource_missing", message=message, param="starting_after")
            found = found[ids.index(given["starting_after"]) + 1 :]
        size = int(given.get("limit", 10))
        return Answer({"object": "list", "url": "/v1/customers", "has_more": size < len(found), "data": found[:size]})


def nested(pairs: list[tuple[str, str]]) -> Any:
    """Form fields as Rack reads them: `a[b]` an object, `a[0]` a list."""
    tree: dict[str, Any] = {}
    for name, value in pairs:
        steps = re.findall(r"[^\[\]]+", name)
        at = tree
        for step in steps[:-1]:
            at = at.setdefault(step, {})
        at[steps[-1]] = value

    def listed(node: Any) -> Any:
        if not isinstance(node, dict):
            return node
        if node and all(key.isdigit() for key in node):
            return [listed(node[key]) for key in sorted(node, key=int)]
        return {key: listed(value) for key, value in node.items()}

    return listed(tree)


class Shopify(Vendor):
    """The shop your-development-store. Docs: /docs/api/usage (pagination-rest, response-codes, rate limits)."""

    prefix = "/admin/api/2026-10"
    token = "shpat_c9a1f7exampleexampleexample"

    def __init__(self, orders: int = 0) -> None:
        super().__init__()
        self.orders = [{"id": 450789469 + n, "name": f"#{1001 + n}"} for n in range(orders)]

    def always(self) -> dict[str, str]:
        return {"X-Request-Id": "0c1e9f52-req", "X-Shopify-Shop-Api-Call-Limit": "1/40"}

    def answer(self, asked: Asked) -> Answer:
        if asked.header("x-shopify-access-token") != self.token:
            why = "[API] Invalid API key or access token (unrecognized login or wrong password)"
            return Answer({"errors": why}, 401)
        if asked.path == "/orders.json":
            return self._list(asked)
        if asked.path == "/products.json" and asked.method == "POST":
            return self._create(asked)
        return Answer({"errors": "Not Found"}, 404)

    def _list(self, asked: Asked) -> Answer:
        given = asked.parameters
        if "page_info" in given and set(given) - {"page_info", "limit", "fields"}:
            return Answer({"errors": {"page_info": ["Invalid value."]}}, 400)
        start = int(base64.b64decode(unquote(given["page_info"]))) if "page_info" in given else 0
        size = int(given.get("limit", 50))
        end = start + size
        headers = {}
        if end < len(self.orders):
            page = base64.b64encode(f"{end:05}".encode()).decode()
            headers["Link"] = f'<{self.url}/orders.json?limit={size}&page_info={page}>; rel="next"'
            if start:
                headers["Link"] = (
                    f'<{self.url}/orders.json?limit={size}&page_info=x>; rel="previous", ' + headers["Link"]
                )
        return Answer({"orders": self.orders[start:end]}, headers=headers)

    def _create(self, asked: Asked) -> Answer:
        given = asked.json().get("product")
        if not isinstance(given, dict):
            return Answer({"errors": {"product": "Required parameter missing or invalid"}}, 400)
        if len(given.get("title", "")) > 255:
            return Answer({"errors": {"title": ["is too long (maximum is 255 characters)"]}}, 422)
        return Answer({"product": {"id": 1072481063, **given}}, 201)


class Weather(Vendor):
    """The key stands in the query of every request."""

    prefix = "/data/2.5"
    key = "b6907d289e10d714a6e88b30761fae22"

    def answer(self, asked: Asked) -> Answer:
        given = asked.parameters
        if given.get("appid") != self.key:
            why = "Invalid API key. Please see https://openweathermap.org/faq#error401 for more info."
            return Answer({"cod": 401, "message": why}, 401)
        if "q" not in given and "lat" not in given:
            return Answer({"cod": "400", "message": "Nothing to geocode"}, 400)
        if given.get("q", "").startswith("Atlantis"):
            return Answer({"cod": "404", "message": "city not found"}, 404)
        if asked.path == "/forecast":
            return Answer({"cod": "200", "list": [{"dt": 1661871600}] * int(given.get("cnt", 40))})
        return Answer({"cod": 200, "name": "London", "main": {"temp": 7.17 if given.get("units") else 280.32}})
