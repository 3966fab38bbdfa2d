"""The promise as a whole: nothing lost, nothing doubled, nothing forged, whatever dies on the way."""

from __future__ import annotations

from pathlib import Path

import pytest

from .storm import figures, storm


@pytest.mark.timeout(180)
def test_ten_thousand_requests_and_five_kills_lose_nothing_and_double_only_what_was_in_flight(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    outcome = storm(tmp_path)
    with capsys.disabled():
        print(f"\n{figures(outcome)}")
    assert (outcome.requests, outcome.kills) == (10_000, 5)
    assert outcome.distinct == 6_900
    assert (outcome.reached, outcome.lost) == (6_900, 0)
    assert outcome.twice == outcome.twice_in_flight
    assert outcome.remembered == 6_900
    assert outcome.forged_reached == 0
    assert outcome.statuses["401"] == outcome.forged
    assert set(outcome.statuses) <= {"200", "401", "503", "none"}
