"""Controls a running sandbox over HTTP, under `/_sandbox`: sets faults, limits and subscriptions, reports counts.

A body must have a JSON content type, which a cross-origin web page cannot send.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from typing import Any

from .faults import FIELDS
from .kinds import KINDS
from .wire import WireRequest, WireResponse

CONTROL = "/_sandbox"
Sandbox = Any  # `sandbox.Sandbox`; importing it would be circular


def _say_faults(sandbox: Sandbox, _: Any) -> Any:
    odds = sandbox.faults
    return {
        "plan": odds and {"seed": odds.seed, "rate": odds.rate, "kinds": odds.kinds, "delay": odds.delay},
        "done": sandbox.faults_done,
        "kinds": {name: kind.description for name, kind in KINDS.items()},
    }


def _plan_faults(sandbox: Sandbox, body: Any) -> Any:
    sandbox.faults = body
    return _say_faults(sandbox, None)


def _inject(sandbox: Sandbox, body: Any) -> Any:
    unknown = sorted(body.keys() - {*FIELDS, "times", "skip"})
    if unknown:
        raise ValueError(f"unknown: {', '.join(unknown)}; a fault has {', '.join(FIELDS)}, times and skip")
    sandbox.inject(**body)
    return _say_faults(sandbox, None)


def _clear_faults(sandbox: Sandbox, _: Any) -> Any:
    sandbox.clear_faults()
    return _say_faults(sandbox, None)


def _say_limits(sandbox: Sandbox, _: Any) -> Any:
    return sandbox.limits.phases[-1].describe(sandbox.state.clock())


def _change_limits(sandbox: Sandbox, body: Any) -> Any:
    sandbox.limits.change(**body)
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


def _change_state(sandbox: Sandbox, body: Any) -> Any:
    unknown = sorted(body.keys() - {"conditions", "latency"})
    if unknown:
        raise ValueError(f"unknown: {', '.join(unknown)}; the state has conditions and latency")
    if "latency" in body:
        sandbox.latency = body["latency"]
    if "conditions" in body:
        if not isinstance(body["conditions"], list):
            raise ValueError("conditions must be a list of names")
        sandbox.conditions = [str(name) for name in body["conditions"]]
    return _say_state(sandbox, None)


def _say_subscriptions(sandbox: Sandbox, _: Any) -> Any:
    rows = sandbox.hooks.subscriptions
    return {"subscriptions": [{"url": each.url, "events": each.events, "client_id": each.client_id} for each in rows]}


def _subscribe(sandbox: Sandbox, body: Any) -> Any:
    texts = _texts(body, ("url", "secret"), "client_id")
    events = body.get("events", ["*"])
    if not isinstance(events, list) or not all(isinstance(name, str) for name in events):
        raise ValueError("events must be a list of names, in which * matches anything")
    url, secret = texts.pop("url"), texts.pop("secret")
    sandbox.hooks.subscribe(url, secret, events, **texts)
    return _say_subscriptions(sandbox, None)


def _deauthorize(sandbox: Sandbox, body: Any) -> Any:
    return sandbox.deauthorize_now(**_texts(body, (), "client_id", "user"))


def _texts(body: Mapping[str, Any], required: Collection[str], *optional: str) -> dict[str, str]:
    """Return the strings in a body by name; raise ValueError if one is missing, unknown or not a string."""
    if set(required) - body.keys() or body.keys() - {*required, *optional, "events"}:
        raise ValueError(f"send {', '.join([*required, *(f'{name} (optional)' for name in optional)])}")
    texts = {name: value for name, value in body.items() if name != "events"}
    if wrong := [name for name, value in texts.items() if not isinstance(value, str)]:
        raise ValueError(f"{wrong[0]} must be a string")
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
    """Respond to a request under `/_sandbox`; every error says what to do."""
    route = _ROUTES.get(request.target.partition("?")[0].removeprefix(CONTROL))
    if route is None:
        return _json(404, {"error": f"Not found. The paths are {', '.join(CONTROL + path for path in _ROUTES)}."})
    act = route.get(request.method)
    if act is None:
        return _json(405, {"error": f"{request.method} is not allowed here; use {', '.join(route)}."})
    body: Any = None
    if request.method in ("PUT", "POST"):
        if (request.header("content-type") or "").partition(";")[0].strip().lower() != "application/json":
            return _json(415, {"error": "Send JSON with Content-Type: application/json."})
        try:
            body = json.loads(request.body)
        except (ValueError, RecursionError):
            body = None
        if not isinstance(body, dict):
            return _json(400, {"error": "The body must be a JSON object."})
    try:
        return _json(200, act(sandbox, body))
    except ValueError as error:
        text = str(error)
        return _json(400, {"error": f"{text[:1].upper()}{text[1:]}."})


def _json(status: int, body: Any) -> WireResponse:
    return WireResponse(status=status, body=json.dumps(body, ensure_ascii=False).encode())
