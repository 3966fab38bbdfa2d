"""What one who runs the service may set, and what is refused before anything starts."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest

from connector_runtime.service.settings import ServiceSettings
from zoom_connector import Connector, InputError

NO_URL = "is no URL such as https://connector.example"
WRONG: list[tuple[str, Any, str]] = [
    ("timeout", 0, "must be more than 0 and at most 86,400"),
    ("timeout", 86_401, "must be more than 0 and at most 86,400"),
    ("patience", float("nan"), "must be more than 0 and at most 86,400"),
    ("body", 2**40 + 1, "must be more than 0 and at most 1,099,511,627,776"),
    ("files", 0, "must be more than 0 and at most 1,099,511,627,776"),
    ("unknown_concurrency", -1, "must be more than 0 and at most 1,099,511,627,776"),
    ("retries", 101, "must be a whole number from 0 to 100"),
    ("retries", -1, "must be a whole number from 0 to 100"),
    ("retries", 1.0, "must be a whole number from 0 to 100"),
    ("share", 0, "must be more than 0 and at most 1"),
    ("share", 1.01, "must be more than 0 and at most 1"),
    ("public_url", "ftp://connector.example", f"'ftp://connector.example' {NO_URL}"),
    ("public_url", "https://", f"'https://' {NO_URL}"),
    ("public_url", "https://[", f"'https://[' {NO_URL}"),
    ("public_url", "https://a.example/?x=1", f"'https://a.example/?x=1' {NO_URL}"),
    ("public_url", "https://a.example/#x", f"'https://a.example/#x' {NO_URL}"),
    ("public_url", "https://me@a.example", f"'https://me@a.example' {NO_URL}"),
    ("public_url", "http://a.example", "must begin with https://; codes of sign-ins come there"),
]


@pytest.mark.parametrize(("name", "value", "what"), WRONG)
def test_a_setting_that_cannot_be_is_refused_alone(name: str, value: Any, what: str) -> None:
    with pytest.raises(InputError) as caught:
        ServiceSettings(**{name: value})
    assert [(problem.where, problem.what) for problem in caught.value.problems] == [(name, what)]


def test_all_that_cannot_be_is_told_at_once() -> None:
    with pytest.raises(InputError) as caught:
        ServiceSettings(timeout=0, body=0, retries=-1, share=0, public_url="x")
    assert [problem.where for problem in caught.value.problems] == ["timeout", "body", "retries", "share", "public_url"]


def test_what_is_not_set_is_as_the_page_says() -> None:
    """docs/service.md, Running it."""
    assert {field.name: getattr(ServiceSettings(), field.name) for field in fields(ServiceSettings)} == {
        "base_url": None,
        "oauth_url": None,
        "public_url": None,
        "timeout": 60,
        "patience": 30,
        "retries": 4,
        "plan": None,
        "share": 0.5,
        "body": 1024 * 1024,
        "files": 8 * 1024 * 1024,
        "webhook_body": 8 * 1024 * 1024,
        "concurrency": 512,
        "tenant_concurrency": 256,
        "unknown_concurrency": 64,
        "open": False,
        "clients": 256,
        "credentials": {},
    }
    assert "secret" not in repr(ServiceSettings(credentials={"client_secret": "secret"}))


def test_the_ends_of_what_may_be_set_may_be_set() -> None:
    assert ServiceSettings(timeout=86_400, patience=0.1, body=1, files=2**40, retries=0, share=1).share == 1
    assert (
        ServiceSettings(retries=100, public_url="http://localhost:8300").callback
        == "http://localhost:8300/v1/oauth/callback"
    )


@pytest.mark.parametrize(
    "url", ["https://connector.example", "https://connector.example/", "https://connector.example//"]
)
def test_the_redirect_url_lies_below_the_public_one(url: str) -> None:
    assert ServiceSettings(public_url=url).callback == "https://connector.example/v1/oauth/callback"
    assert ServiceSettings().callback is None


def test_a_body_is_as_large_as_its_action_needs(connector: Connector) -> None:
    files, others = connector.actions["raw-request"], connector.actions["create-meeting"]
    assert (ServiceSettings().most(files), ServiceSettings().most(others)) == (8 * 1024 * 1024, 1024 * 1024)
    assert (
        ServiceSettings(body=10, files=20).most(files) == 20 and ServiceSettings(body=10, files=20).most(others) == 10
    )
    assert ServiceSettings(body=30, files=20).most(files) == 30
    assert ServiceSettings().open is False
