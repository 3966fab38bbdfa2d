"""Nothing that a vendor answers hurts who asks: every hostile answer, every action, both clients and the service."""

from __future__ import annotations

import pytest

from zoom_connector.sandbox.hostile import HOSTILE

from .hostile import ACTIONS, KINDS, OF_FILES, figures, hostile


@pytest.mark.timeout(300)
def test_every_hostile_answer_to_every_action_is_a_result_or_a_typed_error_within_bounds(
    capsys: pytest.CaptureFixture[str],
) -> None:
    outcome = hostile()
    with capsys.disabled():
        print(f"\n{figures(outcome)}")
    assert (outcome.calls, outcome.actions) == (ACTIONS * len(KINDS) + len(OF_FILES), ACTIONS)
    assert outcome.hit.keys() == HOSTILE.keys()
    assert outcome.told["ok"] > 200 and outcome.told["transport"] > 100
    assert not outcome.untyped
    assert not outcome.lost
    assert outcome.memory < 1_000_000_000
    assert outcome.longest[0] < 10  # seconds; each call was given one
