"""Both performers carry out any generator of steps in the same way."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from typing import Any, get_args

import pytest

from connector_runtime import steps
from connector_runtime.errors import ConnectorError, Guard, InputError, InternalError
from connector_runtime.perform import perform, perform_async
from connector_runtime.steps import Key, Now, Step, Steps
from connector_runtime.structs import Struct

Performer = Callable[[Steps, Mapping[type, Callable[[Any], Any]]], list[Any]]


def with_threads(generator: Steps, handlers: Mapping[type, Callable[[Any], Any]]) -> list[Any]:
    return list(perform(generator, handlers))


def with_asyncio(generator: Steps, handlers: Mapping[type, Callable[[Any], Any]]) -> list[Any]:
    async def outputs() -> list[Any]:
        return [output async for output in perform_async(generator, handlers)]

    return asyncio.run(outputs())


@pytest.fixture(params=[with_threads, with_asyncio])
def performer(request: pytest.FixtureRequest) -> Performer:
    return request.param  # type: ignore[no-any-return]


def test_a_step_is_answered_and_anything_else_is_an_output(performer: Performer) -> None:
    def work() -> Iterator[Any]:
        yield "page 1"
        answer = yield Key()
        yield answer

    assert performer(work(), {Key: lambda step: "abc"}) == ["page 1", "abc"]  # type: ignore[arg-type]


def test_an_error_of_a_handler_is_thrown_at_its_step_and_may_be_answered(performer: Performer) -> None:
    def work() -> Iterator[Any]:
        try:
            yield Key()
        except ConnectorError as error:
            yield str(error)
        yield (yield Now())

    def refused(step: Any) -> Any:
        raise InputError("No.")

    assert performer(work(), {Key: refused, Now: lambda step: "noon"}) == ["No.", "noon"]  # type: ignore[arg-type]


def test_a_fault_of_a_handler_ends_the_generator(performer: Performer) -> None:
    ended = []

    def work() -> Iterator[Any]:
        try:
            yield Key()
        finally:
            ended.append(True)

    with pytest.raises(ZeroDivisionError):
        performer(work(), {Key: lambda step: 1 / 0})  # type: ignore[arg-type]
    assert ended == [True]


def test_only_calls_are_behind_the_outer_guard(monkeypatch: pytest.MonkeyPatch) -> None:
    """What else is performed has a caller of ours, who must see a fault as it is."""
    monkeypatch.setattr(Guard, "is_open", False)

    def work() -> Iterator[Any]:
        yield Key()

    handlers: Any = {Key: lambda step: 1 / 0}
    with pytest.raises(ZeroDivisionError):
        list(perform(work(), handlers))  # type: ignore[arg-type]
    with pytest.raises(InternalError):
        list(perform(work(), handlers, guarded=True))  # type: ignore[arg-type]


def test_a_step_that_nobody_handles_is_no_output(performer: Performer) -> None:
    def work() -> Iterator[Any]:
        yield Key()

    with pytest.raises(TypeError, match="Key"):
        performer(work(), {})  # type: ignore[arg-type]


def test_the_union_of_steps_names_every_class_that_asks_for_something() -> None:
    """All structs of the module are steps but two: what an attempt was, and how a file was filled."""
    ours = {each for each in vars(steps).values() if isinstance(each, type) and issubclass(each, Struct)} - {Struct}
    ours = {each for each in ours if each.__module__ == steps.__name__}
    assert ours - {steps.Attempt, steps.Filled} == set(get_args(Step))
