"""The control endpoint: a running sandbox is steered and read over HTTP, in JSON."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import httpx
import pytest

from zoom_connector.sandbox import Sandbox
from zoom_connector.sandbox.kinds import KINDS


def control(sandbox: Sandbox, method: str, path: str, body: Any = None) -> httpx.Response:
    return httpx.request(method, f"{sandbox.origin}/_sandbox{path}", json=body, verify=False)


def test_it_says_which_paths_there_are(sandbox: Sandbox) -> None:
    paths = control(sandbox, "GET", "").json()
    assert paths["/_sandbox/faults"] == ["GET", "PUT", "POST", "DELETE"]
    for path, methods in paths.items():
        if "GET" in methods:
            assert httpx.get(sandbox.origin + path, verify=False).status_code == 200


def test_a_random_plan_is_put_and_taken_away(zoom: httpx.Client, sandbox: Sandbox) -> None:
    plan = {"seed": 7, "rate": 1, "kinds": ["error_json"], "delay": 0}
    assert control(sandbox, "PUT", "/faults", plan).json()["plan"] == plan
    assert [zoom.get("/users/me").status_code >= 500 for _ in range(3)] == [True] * 3
    said = control(sandbox, "GET", "/faults").json()
    assert said["done"] == {"error_json": 3}
    assert said["kinds"].keys() == KINDS.keys()
    assert control(sandbox, "DELETE", "/faults").json()["plan"] is None
    assert zoom.get("/users/me").status_code == 200


def test_single_faults_are_posted(zoom: httpx.Client, sandbox: Sandbox) -> None:
    fault = {"kind": "error_html", "match": "GET /v2/users", "times": 2, "skip": 1, "headers": {"x-a": "b"}}
    assert control(sandbox, "POST", "/faults", fault).status_code == 200
    assert control(sandbox, "POST", "/faults", {"status": 418, "body": {"code": 1}}).status_code == 200
    answers = [zoom.get(path) for path in ("/users/me", "/users", "/users", "/users", "/users")]
    assert [answer.status_code // 100 for answer in answers] == [4, 2, 5, 5, 2]
    assert (answers[0].json(), answers[2].headers["x-a"]) == ({"code": 1}, "b")


def test_limits_change_while_it_runs_and_are_counted_by_phase(zoom: httpx.Client, sandbox: Sandbox) -> None:
    said = control(sandbox, "PUT", "/limits", {"plan": "free", "scale": 0.5, "others": {"heavy": 0.25}}).json()
    assert (said["plan"], said["scale"], said["others"]) == ("free", 0.5, {"heavy": 0.25})
    assert [zoom.get("/users/me").status_code for _ in range(3)] == [200, 200, 429]
    assert control(sandbox, "GET", "/limits").json()["refused"] == {"light": 1}
    control(sandbox, "PUT", "/limits", {"plan": None})
    assert zoom.get("/users/me").status_code == 200
    counters = control(sandbox, "GET", "/counters").json()
    assert [phase["plan"] for phase in counters["phases"]] == [None, "free", None]
    assert [phase["requests"] for phase in counters["phases"]] == [{}, {"light": 3}, {"light": 1}]
    assert (counters["requests"], counters["carried_out"], counters["statuses"]) == (4, 3, {"200": 3, "429": 1})


def test_state_and_requests_are_read_and_changed(zoom: httpx.Client, sandbox: Sandbox) -> None:
    put = {"conditions": ["no_webinar_plan"], "latency": [0, 0.001]}
    assert control(sandbox, "PUT", "/state", put).json() == put
    assert zoom.get("/users/me/webinars").status_code == 400
    (found,) = control(sandbox, "GET", "/requests").json()["requests"]
    assert (found["method"], found["target"], found["status"]) == ("GET", "/v2/users/me/webinars", 400)
    assert (found["carried_out"], found["fault"], found["number"]) == (False, "", 1)


def test_control_is_not_counted_and_works_under_faults(sandbox: Sandbox) -> None:
    sandbox.inject(drop="before")
    sandbox.faults = "rate=1"
    assert control(sandbox, "GET", "/counters").json()["requests"] == 0


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "says"),
    [
        ("GET", "/nothing", None, 404, "/_sandbox/faults"),
        ("GET", "es", None, 404, "/_sandbox/faults"),
        ("DELETE", "/limits", None, 405, "GET, PUT"),
        ("PUT", "/faults", [], 400, "JSON object"),
        ("PUT", "/faults", {"rate": 5}, 400, "from 0 to 1"),
        ("PUT", "/faults", {"kinds": ["x"]}, 400, "Unknown kind of fault 'x'; choose from reset_before"),
        ("POST", "/faults", {"statsu": 500}, 400, "a fault has kind, match"),
        ("POST", "/faults", {"kind": "late", "delay": "x"}, 400, "Delay cannot be 'x'"),
        ("POST", "/faults", {"headers": 5}, 400, "Headers"),
        ("POST", "/faults", {"times": 1.5}, 400, "Times"),
        ("POST", "/faults", {"kind": ["late"]}, 400, "Unknown kind"),
        ("PUT", "/limits", {"plan": "gold"}, 400, "free, pro, business"),
        ("PUT", "/limits", {"rate": 1}, 400, "plan, scale and others"),
        ("PUT", "/limits", {"plan": []}, 400, "free, pro, business"),
        ("PUT", "/state", {"latency": "x"}, 400, "0.01-0.2"),
        ("PUT", "/state", {"conditions": "x"}, 400, "a list"),
        ("PUT", "/state", {"conditions": [5]}, 400, "choose from"),
        ("PUT", "/state", {"state": 1}, 400, "conditions and latency"),
    ],
)
def test_what_is_wrong_is_refused_with_what_to_do(
    zoom: httpx.Client, sandbox: Sandbox, method: str, path: str, body: Any, status: int, says: str
) -> None:
    answer = control(sandbox, method, path, body)
    assert (answer.status_code, answer.json().keys()) == (status, {"error"})
    assert says in answer.json()["error"]
    assert answer.json()["error"].endswith(".")
    assert zoom.get("/users/me").status_code == 200


def test_a_page_in_a_browser_cannot_send_anything(sandbox: Sandbox) -> None:
    url = f"{sandbox.origin}/_sandbox/faults"
    for kind in ("text/plain", "application/x-www-form-urlencoded", ""):
        headers = {"Content-Type": kind} if kind else {}
        refused = httpx.post(url, content=json.dumps({"status": 500}), headers=headers, verify=False)
        assert (refused.status_code, "application/json" in refused.json()["error"]) == (415, True)
    assert httpx.put(url, content="{", headers={"Content-Type": "application/json"}, verify=False).status_code == 400


# at the command line


def command(*options: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "zoom_connector", "sandbox", "--port", "0", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_the_command_takes_limits_faults_latency_and_a_storage() -> None:
    options = ("--plan", "pro", "--faults", "seed=7,rate=1,kinds=error_json", "--latency", "0.001-0.002", "--storage")
    with command(*options) as process:
        assert process.stdout is not None
        line = next(line for line in process.stdout if "_sandbox" in line)
        url = line.split()[1]
        assert httpx.get(f"{url}/limits", verify=False).json()["plan"] == "pro"
        assert httpx.get(f"{url}/faults", verify=False).json()["plan"] == {
            "seed": 7, "rate": 1.0, "kinds": ["error_json"], "delay": 0.05,
        }  # fmt: skip
        assert httpx.get(f"{url}/state", verify=False).json()["latency"] == [0.001, 0.002]
        base = url.removesuffix("/_sandbox")
        assert httpx.get(f"{base}/v2/users/me", verify=False).status_code >= 500
        assert httpx.delete(f"{url}/faults", verify=False).status_code == 200
        headers = {"Authorization": "Bearer sandbox-token"}
        meetings = httpx.get(f"{base}/v2/users/me/meetings", headers=headers, verify=False).json()["meetings"]
        files = httpx.get(f"{base}/v2/meetings/{meetings[0]['id']}/recordings", headers=headers, verify=False).json()
        sent_on = httpx.get(files["recording_files"][0]["download_url"], headers=headers, verify=False)
        assert (sent_on.status_code, sent_on.headers["location"].startswith("http://127.0.0.1:")) == (302, True)
        process.send_signal(2)
        assert process.wait(5) == 0


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--faults", "rate=often"), "numbers"),
        (("--faults", "kinds=late+soon"), "reset_before"),
        (("--latency", "long"), "0.01-0.2"),
        (("--plan", "gold"), "free"),
    ],
)
def test_a_wrong_option_is_refused_with_what_is_possible(options: tuple[str, str], says: str) -> None:
    with command(*options) as process:
        assert says in process.communicate(timeout=20)[1]
        assert process.returncode == 2


def test_the_commands_help_names_every_kind_of_fault() -> None:
    with command("--help") as process:
        text = process.communicate(timeout=20)[0]
    assert all(f"  {kind} " in text for kind in KINDS)
