"""Steers a sandbox over HTTP, beside Zoom's paths: what goes wrong, what is limited, who is told; reads what happened.

A body must say that it is JSON, so that no page in a browser can send one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from typing import Any

from .faults import FIELDS
from .kinds import KINDS
from .wire import WireRequest, WireResponse

CONTROL = "/_sandbox"
Sandbox = Any  # `sandbox.Sandbox`, which imports this module


def _say_faults(sandbox: Sandbox, _: Any) -> Any:
    odds = sandbox.faults
    return {
        "plan": odds and {"seed": odds.seed, "rate": odds.rate, "kinds": odds.kinds, "delay": odds.delay},
        "done": sandbox.faults_done,
        "kinds": {name: kind.says for name, kind in KINDS.items()},
    }


def _plan_faults(sandbox: Sandbox, given: Any) -> Any:
    sandbox.faults = given
    return _say_faults(sandbox, None)


def _inject(sandbox: Sandbox, given: Any) -> Any:
    unknown = sorted(given.keys() - {*FIELDS, "times", "skip"})
    if unknown:
        raise ValueError(f"a fault has no {', '.join(unknown)}; it has {', '.join(FIELDS)}, times and skip")
    sandbox.inject(**given)
    return _say_faults(sandbox, None)


def _clear_faults(sandbox: Sandbox, _: Any) -> Any:
    sandbox.clear_faults()
    return _say_faults(sandbox, None)


def _say_limits(sandbox: Sandbox, _: Any) -> Any:
    return sandbox.limits.phases[-1].describe(sandbox.state.clock())


def _change_limits(sandbox: Sandbox, given: Any) -> Any:
    sandbox.limits.change(**given)
    return _say_limits(sandbox, None)


def _say_counters(sandbox: Sandbox, _: Any) -> Any:
    record, now = sandbox.requests, sandbox.state.clock()
    return {
        "requests": record.total,
        "carried_out": record.carried_out,
        "statuses": record.statuses,
        "faults": record.faults,
        "phases": [phase.describe(now) for phase in sandbox.limits.phases],
    }


def _say_requests(sandbox: Sandbox, _: Any) -> Any:
    return {"requests": [each.describe() for each in sandbox.requests]}


def _say_state(sandbox: Sandbox, _: Any) -> Any:
    return {"conditions": sorted(sandbox.conditions), "latency": sandbox.latency}


def _change_state(sandbox: Sandbox, given: Any) -> Any:
    unknown = sorted(given.keys() - {"conditions", "latency"})
    if unknown:
        raise ValueError(f"there is no {', '.join(unknown)}; there are conditions and latency")
    if "latency" in given:
        sandbox.latency = given["latency"]
    if "conditions" in given:
        if not isinstance(given["conditions"], list):
            raise ValueError("conditions is a list of names")
        sandbox.conditions = [str(name) for name in given["conditions"]]
    return _say_state(sandbox, None)


def _say_subscriptions(sandbox: Sandbox, _: Any) -> Any:
    listed = sandbox.hooks.subscriptions
    return {"subscriptions": [{"url": each.url, "events": each.events, "client_id": each.client_id} for each in listed]}


def _subscribe(sandbox: Sandbox, given: Any) -> Any:
    told = _texts(given, ("url", "secret"), "client_id")
    events = given.get("events", ["*"])
    if not isinstance(events, list) or not all(isinstance(name, str) for name in events):
        raise ValueError("events is a list of names, * for any text")
    url, secret = told.pop("url"), told.pop("secret")
    sandbox.hooks.subscribe(url, secret, events, **told)
    return _say_subscriptions(sandbox, None)


def _deauthorize(sandbox: Sandbox, given: Any) -> Any:
    return sandbox.deauthorize_now(**_texts(given, (), "client_id", "user"))


def _texts(given: Mapping[str, Any], needed: Collection[str], *more: str) -> dict[str, str]:
    """The texts of a body by name; raise ValueError for one that is missing, that there is not, or that is none."""
    if set(needed) - given.keys() or given.keys() - {*needed, *more, "events"}:
        raise ValueError(f"give {', '.join([*needed, *(f'{name} if you like' for name in more)])}")
    texts = {name: value for name, value in given.items() if name != "events"}
    if wrong := [name for name, value in texts.items() if not isinstance(value, str)]:
        raise ValueError(f"{wrong[0]} is a text")
    return texts


def _say_paths(sandbox: Sandbox, _: Any) -> Any:
    return {CONTROL + path: list(_ROUTES[path]) for path in _ROUTES}


_ROUTES: dict[str, dict[str, Callable[[Sandbox, Any], Any]]] = {
    "": {"GET": _say_paths},
    "/faults": {"GET": _say_faults, "PUT": _plan_faults, "POST": _inject, "DELETE": _clear_faults},
    "/limits": {"GET": _say_limits, "PUT": _change_limits},
    "/state": {"GET": _say_state, "PUT": _change_state},
    "/counters": {"GET": _say_counters},
    "/requests": {"GET": _say_requests},
    "/subscriptions": {"GET": _say_subscriptions, "POST": _subscribe},
    "/deauthorize": {"POST": _deauthorize},
}


def steer(sandbox: Sandbox, request: WireRequest) -> WireResponse:
    """Answer a request below `/_sandbox`; every refusal says what to do."""
    route = _ROUTES.get(request.target.partition("?")[0].removeprefix(CONTROL))
    if route is None:
        return _json(404, {"error": f"There is {', '.join(CONTROL + path for path in _ROUTES)}."})
    act = route.get(request.method)
    if act is None:
        return _json(405, {"error": f"{request.method} is not possible here; {', '.join(route)} is."})
    given: Any = None
    if request.method in ("PUT", "POST"):
        if (request.header("content-type") or "").partition(";")[0].strip().lower() != "application/json":
            return _json(415, {"error": "Send JSON, and say so: Content-Type: application/json."})
        try:
            given = json.loads(request.body)
        except (ValueError, RecursionError):
            given = None
        if not isinstance(given, dict):
            return _json(400, {"error": "The body must be a JSON object."})
    try:
        return _json(200, act(sandbox, given))
    except ValueError as error:
        text = str(error)
        return _json(400, {"error": f"{text[:1].upper()}{text[1:]}."})


def _json(status: int, body: Any) -> WireResponse:
    return WireResponse(status=status, body=json.dumps(body, ensure_ascii=False).encode())
