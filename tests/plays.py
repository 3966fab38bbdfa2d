"""Performs a generator's steps from prepared answers: no network, no clock, no store, no mocks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from connector_runtime.perform import perform
from connector_runtime.steps import AskPermit, Key, Now, Report, Steps, Wait

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
DEFAULTS: Mapping[type, Any] = {Now: NOON, Wait: None, Key: "key", AskPermit: 0.0, Report: None}


class Play:
    """Answers the steps of one generator; called with it, it hands out the generator's outputs as `perform` does.

    `answers` maps a type of step to its answer: a value, a list of values (one for each such step, in order), or a
    function of the step that gives the value. A value that is an exception is raised at the step. Time stands still at
    `NOON`, and nothing waits, unless `answers` says otherwise. `steps` are the steps so far, in order.
    """

    def __init__(self, answers: Mapping[type, Any]) -> None:
        self.steps: list[Any] = []
        self._answers = {
            kind: list(said) if isinstance(said, list) else said for kind, said in {**DEFAULTS, **answers}.items()
        }

    def __call__(self, generator: Steps) -> Iterator[Any]:
        return perform(generator, dict.fromkeys(self._answers, self._answer))

    def of(self, kind: type) -> list[Any]:
        """The steps of that type, in order."""
        return [step for step in self.steps if type(step) is kind]

    def _answer(self, step: Any) -> Any:
        self.steps.append(step)
        said = self._answers[type(step)]
        if isinstance(said, list):
            assert said, f"there are more steps than answers: {step}"
            said = said.pop(0)
        value = said(step) if callable(said) else said
        if isinstance(value, Exception):
            raise value
        return value


def play(generator: Steps, answers: Mapping[type, Any]) -> tuple[list[Any], list[Any]]:
    """The outputs of a generator and the steps that it took: see `Play`."""
    plays = Play(answers)
    return list(plays(generator)), plays.steps
