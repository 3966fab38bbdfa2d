"""Checks a request's path, query and body against Zoom's documentation; reads no account state."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache
from typing import Any
from urllib.parse import parse_qsl

from jsonschema import Draft202012Validator, FormatChecker, ValidationError
from jsonschema.validators import extend

from .endpoints import Call, Endpoint, ZoomRefusal, endpoints
from .times import read_date, read_time
from .wire import WireRequest

_EMAIL = re.compile(r"[^\s@<>()\[\],;:\\\"]+@[^\s@.]+(\.[^\s@.]+)+")
_INTEGER = re.compile(r"-?[0-9]{1,18}")
_FORMATS = FormatChecker(formats=())


@_FORMATS.checks("email")
def is_email(value: object) -> bool:
    return not isinstance(value, str) or _EMAIL.fullmatch(value) is not None


@_FORMATS.checks("date-time")
def is_date_time(value: object) -> bool:
    return not isinstance(value, str) or read_time(value, "UTC") is not None


def _is_integer(_checker: object, value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)  # 45.0 is a number, not an integer


_extend: Any = extend  # `extend` has no type hints
_Validator = _extend(
    Draft202012Validator, type_checker=Draft202012Validator.TYPE_CHECKER.redefine("integer", _is_integer)
)


@cache
def _validators() -> dict[str, Any]:
    """Compile every body schema once."""
    return {
        endpoint.key: _Validator(endpoint.body, format_checker=_FORMATS) for endpoint in endpoints() if endpoint.body
    }


def check(endpoint: Endpoint, request: WireRequest, path: dict[str, str], now: float) -> Call:
    """Turn a request into a `Call`, or raise the refusal that Zoom would send."""
    call = Call(endpoint=endpoint, request=request, path=path, now=now)
    for name, rule in endpoint.path_params.items():
        if rule["type"] == "integer" and not (path[name].isascii() and path[name].isdigit()):
            raise call.refusal(300, "Invalid webinar ID." if name == "webinarId" else "Invalid meeting id.")
    call.query = read_query(call, request.target.partition("?")[2])
    if endpoint.body is not None:
        call.body = read_body(call, request)
    return call


def read_query(call: Call, text: str) -> dict[str, Any]:
    """Read the query: convert parameters to their types, fill in defaults, and ignore unknown parameters."""
    pairs = dict(parse_qsl(text, keep_blank_values=True)) if text else {}
    values: dict[str, Any] = {}
    wrong = []
    for name, rule in call.endpoint.query.items():
        if name in pairs and not (pairs[name] == "" and name == "next_page_token"):
            value = _read_value(pairs[name], rule)
            if value is None:
                wrong.append(name)
            else:
                values[name] = value
        elif "default" in rule:
            values[name] = rule["default"]
    if wrong:
        raise call.invalid(*wrong)
    return values


def _read_value(text: str, rule: Mapping[str, Any]) -> Any:
    """Read one query value by its rule; None if the rule does not allow it."""
    value: Any = text
    if rule["type"] == "integer":
        if not _INTEGER.fullmatch(text):
            return None
        value = int(text)
        if not rule.get("minimum", value) <= value <= rule.get("maximum", value):
            return None
    elif rule["type"] == "boolean":
        value = {"true": True, "false": False}.get(text)
    elif not rule.get("minLength", 0) <= len(text) <= rule.get("maxLength", len(text)):
        return None
    form = rule.get("format", "")
    if form == "date" and read_date(text) is None:
        return None
    if form == "date-time" and not (text.endswith("Z") and is_date_time(text)):
        return None
    if form == "date or date-time" and read_date(text) is None and not (text.endswith("Z") and is_date_time(text)):
        return None
    return None if "enum" in rule and value not in rule["enum"] else value


def read_body(call: Call, request: WireRequest) -> dict[str, Any]:
    """Read the JSON body and check it against Zoom's types, lengths, ranges and choices."""
    kind = (request.header("content-type") or "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise call.refusal(300, "Unsupported Content Type.")
    try:
        body = json.loads(request.body, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise call.refusal(300, "Request Body should be a valid JSON object.") from None
    if not isinstance(body, dict):
        raise call.refusal(300, "Request Body should be a valid JSON object.")
    wrong = [field for error in _validators()[call.endpoint.key].iter_errors(body) for field in _fields(error)]
    if wrong:
        raise _special(call, body) or call.invalid(*dict.fromkeys(wrong))
    return body


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _fields(error: ValidationError) -> list[str]:
    """Name the fields that an error concerns, as Zoom writes them: `settings.resources[0].resource_id`."""
    base = ""
    for step in error.absolute_path:
        base += f"[{step}]" if isinstance(step, int) else f".{step}" if base else str(step)
    if error.validator != "required":
        return [base]
    instance: Any = error.instance
    required: Any = error.validator_value
    missing = [name for name in required if name not in instance]
    return [f"{base}.{name}" if base else name for name in missing]


def _special(call: Call, body: dict[str, Any]) -> ZoomRefusal | None:
    """Return the refusal for a value to which Zoom responds with a special message; None for all others."""
    user = body.get("user_info")
    if call.endpoint.operation == "userCreate" and isinstance(user, dict):
        if user.get("type") == 3:
            return call.refusal(300, "On-prem")
        plans = call.endpoint.body and call.endpoint.body["properties"]["user_info"]["properties"]["plan_united_type"]
        if "plan_united_type" in user and plans and user["plan_united_type"] not in plans["enum"]:
            refusal = call.refusal(300, "plan_united_type")
            refusal.fields = ("user_info.plan_united_type",)
            return refusal
    return None
