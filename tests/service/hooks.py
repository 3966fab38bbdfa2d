"""What schemathesis cannot know of the service: a key is good for one request, cursors come from answers."""

from __future__ import annotations

import re
from typing import Any
from uuid import uuid4

import schemathesis


@schemathesis.hook  # type: ignore[untyped-decorator]
def before_call(context: Any, case: Any, kwargs: dict[str, Any]) -> None:
    for name, value in list((case.headers or {}).items()):
        if name.lower() == "idempotency-key" and re.fullmatch(r"[\x21-\x7e]{1,255}", str(value)):
            case.headers[name] = uuid4().hex
    if isinstance(case.body, dict) and isinstance(case.body.get("cursor"), str):
        case.body["cursor"] = None
    for field in ("name", "connection"):  # which have to fit into a key of the store, whatever their letters
        if isinstance(case.body, dict) and isinstance(case.body.get(field), str):
            case.body[field] = case.body[field][:16]
    if isinstance(case.query, dict) and isinstance(case.query.get("cursor"), str):
        case.query["cursor"] = "now"
