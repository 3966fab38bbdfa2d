"""The promise as a whole: whatever goes wrong, nothing is lost, nothing doubled, and every failure says what it was."""

from __future__ import annotations

import pytest

from .storm import figures, storm


@pytest.mark.timeout(300)
def test_five_thousand_calls_in_a_storm_of_all_faults_lose_nothing_and_double_nothing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    outcome = storm()
    with capsys.disabled():
        print(f"\n{figures(outcome)}")
    assert (outcome.calls, outcome.actions) == (5_060, 22)
    assert len(outcome.faults) == 14  # every kind of fault that there is happened
    assert outcome.succeeded > 4_500
    assert outcome.recovered
    assert not outcome.lost
    assert not outcome.doubled
    assert not outcome.untyped
    assert not outcome.wrong_kind
    assert not outcome.incomplete
