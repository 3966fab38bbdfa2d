"""Gives the tests the example folders, and a client of each for a server of that vendor on this machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import TypeVar

import pytest

from connector_runtime import Client, Connector, load

EXAMPLES = Path(__file__).parents[2] / "examples"
V = TypeVar("V")
Enter = Callable[[V], V]
Connect = Callable[..., Client]


@cache
def example(name: str) -> Connector:
    return load(EXAMPLES / name)


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def start(stack: ExitStack) -> Enter[object]:
    """Give a function that starts a server for the test."""
    return stack.enter_context


@pytest.fixture
def connect(stack: ExitStack) -> Connect:
    """Give a function that makes a client: the example's name, the base URL, the connection."""

    def make(name: str, url: str, **connection: str) -> Client:
        return stack.enter_context(Client(example(name), base_url=url, connection=connection, retries=0))

    return make
