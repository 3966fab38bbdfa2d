"""Gives the tests a sandbox of their own and a client that checks every success against the documented answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import httpx
import pytest
from jsonschema import Draft202012Validator

from zoom_connector.sandbox import Sandbox
from zoom_connector.sandbox.endpoints import find

Connect = Callable[[Sandbox], httpx.Client]


def check_answer(response: httpx.Response) -> None:
    """Compare a 2xx answer with the fields, types and choices that Zoom documents."""
    if response.status_code >= 300:
        return
    request = response.request
    found = find(request.method, request.url.raw_path.decode().partition("?")[0].removeprefix("/v2"))
    assert found is not None
    endpoint = found[0]
    assert response.status_code == endpoint.success
    response.read()
    if endpoint.answer is None:
        assert response.content == b""
        return
    errors = list(Draft202012Validator(endpoint.answer).iter_errors(response.json()))
    assert not errors, [f"{list(error.absolute_path)}: {error.message[:200]}" for error in errors]


@pytest.fixture
def connect() -> Iterator[Connect]:
    """Give a function that makes a client for a sandbox."""
    clients = []

    def make(sandbox: Sandbox) -> httpx.Client:
        client = httpx.Client(
            base_url=sandbox.base_url,
            headers={"Authorization": f"Bearer {sandbox.token}"},
            event_hooks={"response": [check_answer]},
            timeout=10,
            verify=False,  # nothing is encrypted here, and reading the certificates takes longer than most tests
        )
        clients.append(client)
        return client

    yield make
    for client in clients:
        client.close()


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as running:
        yield running


@pytest.fixture
def zoom(sandbox: Sandbox, connect: Connect) -> httpx.Client:
    """Give a client of the sandbox."""
    return connect(sandbox)
