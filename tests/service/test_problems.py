"""Every error as the whole document that callers decide by, also where it says no, nothing and not."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from connector_runtime.errors import (
    ERRORS,
    ApiError,
    AuthError,
    ConnectorError,
    InputError,
    MissingScope,
    Problem,
    RateLimited,
    StoreError,
    TransportError,
)
from connector_runtime.service import problems
from connector_runtime.service.problems import KINDS, OWN, ServiceRefusal, check_known, document, headers, of_status

NOTHING = {
    "hint": None,
    "inputs": {},
    "problems": [],
    "retriable": False,
    "retry_at": None,
    "may_have_been_done": False,
    "vendor_status": None,
    "code": None,
    "tracking_id": None,
    "request_id": "r",
}
LIST = {"items_read": None, "cursor": None}  # of what came from a request


def expected(kind: str, status: int, message: str, **more: Any) -> dict[str, Any]:
    about = {"type": f"/v1/problems#{kind}", "title": KINDS[kind].title, "status": status, "kind": kind}
    return {**about, "message": message, **NOTHING, **more}


def test_wrong_inputs_stand_beside_their_fields_and_the_rest_does_not() -> None:
    found = [
        Problem("inputs.topic", "is long"),
        Problem("inputs.tracking_fields[0].key", "is blank"),
        Problem("inputs.tracking_fields.1", "is odd"),
        Problem("clear.agenda", "cannot be"),
        Problem("inputs", "is not an object"),
        Problem("deadline", "is late"),
    ]
    said = document(InputError.of("create-meeting", found), "r")
    listed = [{"where": each.where, "what": each.what} for each in found]
    inputs = {"topic": ["is long"], "tracking_fields": ["is blank", "is odd"]}
    message = "6 problems with the inputs of create-meeting:"
    assert said == expected("input", 422, message, inputs=inputs, problems=listed)


def test_what_the_vendor_refused_has_its_status_and_ours() -> None:
    answered: dict[str, Any] = {"status": 404, "code": 1001, "tracking_id": "t"}
    more = {"vendor_status": 404, "code": 1001, "tracking_id": "t", **LIST}
    assert document(ApiError("No.", hint="Look.", **answered), "r") == expected("api", 422, "No.", hint="Look.", **more)
    more["vendor_status"] = 503
    down = ApiError("Down.", **{**answered, "status": 503}, retriable=True)
    assert document(down, "r") == expected("api", 502, "Down.", retriable=True, **more)
    assert document(ApiError("Odd."), "r") == expected("api", 502, "Odd.", **LIST)


def test_what_may_have_been_done_says_so_and_nothing_else_does() -> None:
    lost = TransportError("Lost.", may_have_been_done=True)
    assert document(lost, "r") == expected("transport", 502, "Lost.", may_have_been_done=True, **LIST)
    for error in (AuthError("No."), MissingScope("No."), StoreError("No."), InputError("No.")):
        assert document(error, "r")["may_have_been_done"] is False
    assert document(StoreError("Locked.", retriable=True), "r") == expected("store", 503, "Locked.", retriable=True)


def test_in_the_middle_of_a_list_the_cursor_is_told() -> None:
    error = ApiError("No.", status=400)
    error.items_read, error.cursor = 30, "c"
    said = document(error, "r", "/mounted")
    assert (said["items_read"], said["cursor"], said["type"]) == (30, "c", "/mounted/v1/problems#api")


@pytest.mark.parametrize("kind", OWN)
def test_a_refusal_of_the_services_own_is_what_its_kind_says(kind: str) -> None:
    assert document(ServiceRefusal(kind, "No."), "r") == expected(kind, OWN[kind].http_status, "No.")
    told: dict[str, Any] = {"hint": "Do.", "retriable": True, "may_have_been_done": True}
    listed = [{"where": "a", "what": "b"}]
    said = document(ServiceRefusal(kind, "No.", problems=(Problem("a", "b"),), **told), "r")
    assert said == expected(kind, OWN[kind].http_status, "No.", problems=listed, **told)


def test_an_error_of_no_kind_that_is_told_is_ours() -> None:
    class Odd(ConnectorError):
        kind, http_status = "odd", 418

    assert document(Odd("What?"), "r") == expected("internal", 500, "What?")
    assert {error.kind for error in ERRORS} - set(KINDS) == {"signature", "payload"}


def test_when_to_come_back_is_told_in_whole_seconds_of_at_least_one() -> None:
    soon = RateLimited("Wait.", retry_at=datetime.now(UTC) + timedelta(seconds=30.5))
    assert headers(soon, 429)["Retry-After"] in ("30", "31")
    past = RateLimited("Wait.", retry_at=datetime.now(UTC) - timedelta(seconds=30))
    assert headers(past, 429) == {"Retry-After": "1"}
    assert headers(ServiceRefusal("busy", "No.", retry_after=2, headers={"Connection": "close"}), 503) == {
        "Connection": "close",
        "Retry-After": "2",
    }
    assert headers(ServiceRefusal("key", "No."), 401) == {"WWW-Authenticate": "Bearer"}
    assert headers(InputError("No."), 422) == {} and math.ceil(0.1) == 1


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "body"), (401, "key"), (403, "forbidden"), (404, "not_found"), (405, "method"), (413, "too_large"),
        (415, "media_type"), (418, "body"), (499, "body"), (500, "internal"), (503, "internal"),
    ],
)  # fmt: skip
def test_an_error_of_the_web_framework_is_a_kind_of_ours(status: int, kind: str) -> None:
    said = document(of_status(status, "Odd", {"Allow": "GET"}), "r")
    assert said == expected(kind, status, "Odd.")
    assert of_status(404, "").message == "Not Found." and of_status(404, "Odd.").message == "Odd."
    assert headers(of_status(405, "No", {"Allow": "GET"}), 405) == {"Allow": "GET"}


def test_the_nearest_name_is_told() -> None:
    check_known("action", "get-user", ["get-user"])
    with pytest.raises(ServiceRefusal) as caught:
        check_known("action", "get-usr", ["get-user"])
    what = "'get-usr' does not exist here. Did you mean 'get-user'?"
    listed = [{"where": "action", "what": what}]
    assert document(caught.value, "r") == expected("not_found", 404, what, problems=listed)
    with pytest.raises(ServiceRefusal) as caught:
        check_known("action", "x" * 5000, ["get-user"])
    assert caught.value.message == f"'{'x' * 100}' does not exist here."
    assert problems.MEDIA_TYPE == "application/problem+json"
