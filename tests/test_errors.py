"""What an error kind means is said once, on its class; everything else reads it there."""

from __future__ import annotations

from datetime import UTC, datetime
from http import HTTPStatus

import pytest

import zoom_connector
from connector_runtime import errors
from connector_runtime.commands import cli
from connector_runtime.errors import ERRORS, ApiError, AuthError, ConnectorError, Problem, RateLimited, StoreError
from zoom_connector import load


def test_every_class_with_a_meaning_says_all_of_it_and_no_two_are_one_kind() -> None:
    assert len({error.kind for error in ERRORS}) == len(ERRORS)
    for error in ERRORS:
        assert error.title and error.remedy.endswith(".") and HTTPStatus(error.http_status) >= 400, error


def test_the_connectors_package_exports_every_class() -> None:
    for error in ERRORS:
        assert getattr(zoom_connector, error.__name__, None) is error and error.__name__ in zoom_connector.__all__


def test_the_tree_in_the_docstring_has_every_class() -> None:
    for error in ERRORS:
        assert f"─ {error.__name__}" in (errors.__doc__ or ""), error


@pytest.mark.parametrize("error", ERRORS, ids=[error.kind for error in ERRORS])
def test_a_command_ends_with_the_exit_code_of_its_error(
    error: type[ConnectorError], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(command: cli.Command, context: object, arguments: list[str]) -> int:
        raise error("It broke.")

    monkeypatch.setattr(cli.Command, "run", fail)
    assert cli.main(["list"], "connector", lambda folder: load(), example="") == error.exit_code
    assert capsys.readouterr().err == "error: It broke.\n"


def test_an_error_in_other_words_is_a_copy_that_keeps_what_the_vendor_said() -> None:
    at = datetime(2026, 11, 22, tzinfo=UTC)
    first = RateLimited("Slow down.", hint="Wait.", status=429, code=7, tracking_id="x", retriable=True, retry_at=at)
    first.cursor = "next"
    other = first.with_message("Two files failed:", problems=[Problem("a.mp4", "Slow down.")])
    assert str(other) == "Two files failed:\n  a.mp4: Slow down." and other.args == ("Two files failed:",)
    assert type(other) is RateLimited and (other.retry_at, other.cursor, other.retriable) == (at, "next", True)
    assert other.answered == first.answered == {"status": 429, "code": 7, "tracking_id": "x"}
    assert str(first) == "Slow down. Wait."
    assert StoreError("Locked.", retriable=True).with_message("Full.").retriable


def test_another_error_can_be_about_the_same_answer() -> None:
    refused = ApiError("No.", status=400, code=124, tracking_id="y", retriable=True)
    ended = AuthError("The connection has ended.", **refused.answered)
    assert (ended.status, ended.code, ended.tracking_id, ended.retriable) == (400, 124, "y", False)


def test_each_kind_has_the_status_and_exit_code_that_the_pages_say() -> None:
    """docs/service.md, Errors, and the exit codes of `--help`."""
    assert {error.kind: (error.http_status, error.exit_code) for error in ERRORS} == {
        "definition": (500, 2),
        "input": (422, 2),
        "token": (424, 3),
        "missing_scope": (403, 3),
        "api": (502, 4),
        "validation": (422, 4),
        "not_found": (404, 4),
        "conflict": (409, 4),
        "plan": (403, 4),
        "rate_limit": (429, 5),
        "quota": (429, 5),
        "transport": (502, 6),
        "internal": (500, 7),
        "store": (503, 3),
        "signature": (401, 2),
        "payload": (400, 2),
    }
