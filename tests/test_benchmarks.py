"""The frame of the benchmarks: what a row says, and that a measurement of it runs. No time is asserted."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks import against, memory, stub_server, suite, trips
from benchmarks.frame import Row, Series, Target, figure, markdown, ratio, summary, table, target
from benchmarks.growth import folder_of
from benchmarks.measure import ROOT, Worker, environment, interleaved
from benchmarks.one_call import timed
from zoom_connector import load

OURS, RIVAL = Series("ours", (3.0, 1.0, 2.0)), Series("theirs", (8.0, 6.0, 4.0))


def row(limit: Target | None = None, rival: Series | None = RIVAL, more: bool = False) -> Row:
    return Row(group="A group", what="a thing", unit="ms", ours=OURS, rival=rival, more=more, target=limit)


def test_a_series_tells_its_least_its_median_and_its_most() -> None:
    assert (OURS.low, OURS.middle, OURS.high) == (1.0, 2.0, 3.0)
    assert Series("even", (1.0, 2.0, 4.0, 9.0)).middle == 3.0


@pytest.mark.parametrize(
    ("aimed", "more", "says", "verdict"),
    [
        (None, False, "0.33x", ""),
        (Target("at most", 0.4), False, "0.33x", "reached"),
        (Target("at most", 0.3), False, "0.33x", "missed"),
        (Target("at least", 3), False, "3.00x as fast", "reached"),
        (Target("at least", 3.1), False, "3.00x as fast", "missed"),
        (Target("at least", 0.3), True, "0.33x as fast", "reached"),
        (Target("at least", 3), True, "0.33x as fast", "missed"),
    ],
)
def test_a_ratio_is_of_the_medians_and_decides(aimed: Target | None, more: bool, says: str, verdict: str) -> None:
    assert ratio(row(aimed, more=more)) == says
    assert row(aimed, more=more).verdict == verdict


@pytest.mark.parametrize("name", suite.GROUPS)
def test_every_group_of_the_suite_is_a_module_with_rows(name: str) -> None:
    assert callable(import_module(f"benchmarks.{name}").rows)


def test_without_a_rival_a_target_is_one_of_the_value() -> None:
    assert row(Target("at most", 2), None).verdict == "reached"
    assert row(Target("at most", 1.9), None).verdict == "missed"
    assert row(Target("at most", 30, 2), None).verdict == "excellent"
    assert target(row(Target("at most", 2), None)) == "≤ 2 ms"


def test_a_number_keeps_the_digits_that_count() -> None:
    numbers = (0.01234, 4.567, 78.94, 123.4, 12345.6, 0)
    assert [figure(number) for number in numbers] == ["0.012", "4.57", "78.9", "123", "12,346", "0.00"]


def test_the_table_shows_both_sides_the_ratio_and_the_verdict() -> None:
    lines = table([row(Target("at least", 2.5))]).splitlines()
    assert lines[0] == "A group"
    assert re.search(r"a thing +ours +1\.00 +2\.00 +3\.00 ms", lines[2])
    assert re.search(r"theirs +4\.00 +6\.00 +8\.00 ms +3\.00x as fast +≥ 2\.5x as fast +reached", lines[3])


def test_the_page_says_what_it_was_measured_on_and_what_is_missed() -> None:
    text = markdown([row(Target("at most", 0.1)), row(Target("at most", 1))], [("machine", "a small one")])
    assert "* machine: a small one" in text
    assert "1 of 2 targets reached. Missed: a thing (A group)." in text
    assert "| a thing | ours: 2.00 ms (1.00 … 3.00) | theirs: 6.00 ms (4.00 … 8.00) | 0.33x | ≤ 0.1x | missed |" in text


def test_the_summary_counts_only_what_has_a_target() -> None:
    assert summary([row(), row(Target("at most", 1))]) == "1 of 1 targets reached."


def test_contestants_take_turns_and_the_warm_up_does_not_count() -> None:
    turns: list[str] = []

    def contestant(name: str) -> object:
        return lambda: turns.append(name) or len(turns)

    found = interleaved({"a": contestant("a"), "b": contestant("b")}, 2, warm=1)  # type: ignore[dict-item]
    assert sorted("".join(turns[:2])) == ["a", "b"] and turns[2:4] == turns[4:6][::-1]
    assert {name: len(values) for name, values in found.items()} == {"a": 2, "b": 2}
    assert min(found["a"] + found["b"]) == 3


def test_no_setting_of_this_shell_reaches_a_contestant(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOOM_ACCESS_TOKEN", "mine")
    monkeypatch.setenv("https_proxy", "http://proxy:1")
    found = environment(ZOOM_BASE_URL="http://127.0.0.1:1")
    assert "ZOOM_ACCESS_TOKEN" not in found and "https_proxy" not in found
    assert found["ZOOM_BASE_URL"] == "http://127.0.0.1:1"


@pytest.fixture(params=["C", "Python"])
def stub(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[stub_server.Stub]:
    if request.param == "C" and stub_server.kind() != "C":
        pytest.skip("there is no C compiler")
    monkeypatch.setattr(stub_server, "kind", lambda: request.param)
    with stub_server.Stub() as running:
        yield running


def test_the_connector_and_the_call_by_hand_get_the_same_from_either_stub(stub: stub_server.Stub) -> None:
    with Worker("benchmarks.one_call:against_httpx", stub.url()) as worker:  # which holds one against the other
        assert all(worker(name) > 0 for name in worker.names) and len(worker.names) == 4
    for module in ("benchmarks.ours", "benchmarks.rivals.by_hand"):
        with Worker("benchmarks.lists:contestant", "listed", module, stub.url(9000)) as worker:  # it counts them
            assert worker("listed") > 0


def test_the_connectors_own_work_is_a_whole_call_that_is_answered_from_memory() -> None:
    assert memory.create()() == stub_server.MEETING
    assert memory.get()()["id"] == stub_server.user(0)["id"]
    assert memory.page()() == stub_server.PAGE
    assert timed(memory.get(), 2)() > 0


def test_a_grown_folder_has_as_many_actions_and_no_fault(tmp_path: Path) -> None:
    grown = load(folder_of(24, tmp_path / "grown"))
    assert len(grown.actions) == 24
    assert grown.check() == []


def test_a_switch_is_a_call_into_another_module_than_the_one_before() -> None:
    road = [trips.Call(*call) for call in (("a", "f", 1), ("a", "g", 5), ("b.c", "f", 1), ("a", "f", 1), ("a", "f", 1))]
    assert trips.count(road) == trips.Count(calls=5, functions=3, modules=2, switches=2)
    assert list(trips.legs(road)) == [("a", ["f", "g"]), ("b.c", ["f"]), ("a", ["f", "f"])]
    assert trips.count([]) == trips.Count(0, 0, 0, 0)


def test_a_recorder_sees_only_its_package_in_every_thread_and_no_comprehension() -> None:
    def inner() -> int:
        return sum(each for each in [number for number in (1, 2)])

    recorder = trips.Recorder(Path(__file__).parent)
    with recorder.installed(), ThreadPoolExecutor(1) as apart:
        inner()  # nothing is written down yet
        calls = recorder.of(lambda: (inner(), apart.submit(inner).result()))
    assert sys.getprofile() is None
    assert [call.function.rpartition(".")[2] for call in calls] == ["<lambda>", "inner", "inner"]
    assert {call.module for call in calls} == {"test_benchmarks"}


def test_every_trip_is_counted_and_a_module_can_be_looked_up() -> None:
    """In a process of its own, since a renewal's vendor stands in for httpx's transport."""
    command = [sys.executable, "-m", "benchmarks.trips"]
    told = subprocess.run([*command, "--json"], cwd=ROOT, env=environment(), check=True, capture_output=True, text=True)
    found = json.loads(told.stdout)
    assert set(found) == {"create-meeting", "create-short", "next-page", "renewal", "accepted", "delivered"}
    for name, count in found.items():
        assert count["calls"] >= count["functions"] >= count["modules"] > 1, (name, count)
        assert count["calls"] > count["switches"] >= count["modules"] - 1, (name, count)
    road = subprocess.run(
        [*command, "--list", "accepted"], cwd=ROOT, env=environment(), check=True, capture_output=True, text=True
    )
    assert len(road.stdout.splitlines()) == found["accepted"]["switches"] + 1


def line(new: list[list[float]], control: list[list[float]], what: str = "a thing") -> against.Line:
    """Two sets of rounds; in most cases of one."""
    old = [[10.0] * len(values) for values in new]
    return against.Line(group="A group", what=what, unit="µs", old=old, new=new, control=control)


@pytest.mark.parametrize(
    ("new", "control", "verdict"),
    [
        ([[11.5], [12.0]], [[10.0], [11.0]], "slower"),
        ([[12.0], [10.5]], [[10.0], [11.0]], ""),  # in one set no slower than the old tree beside itself
        ([[12.0], [12.0]], [[10.0], [13.0]], ""),  # the control alone differs by more
        ([[9.5], [9.7]], [[9.0], [9.2]], ""),  # above the control, yet not above the old tree
        ([[8.0], [8.5]], [[9.0], [11.0]], "faster"),
        ([[8.0], [9.5]], [[9.0], [11.0]], ""),
        ([[10.5], [10.6]], [[11.0], [12.0]], ""),  # below the control, yet not below the old tree
    ],
)
def test_a_row_is_slower_only_where_every_set_lies_beyond_the_control(
    new: list[list[float]], control: list[list[float]], verdict: str
) -> None:
    assert line(new, control).verdict == verdict


def test_the_table_of_two_trees_shows_both_the_ratio_and_the_noise() -> None:
    found = line([[11.0, 11.5, 15.0], [12.0, 12.0, 12.0]], [[10.0, 10.0, 10.0], [11.0, 10.0, 11.0]])
    assert found.ratio == 1.2
    assert found.ratios == [1.15, 1.2] and found.noise == [1.0, 1.1]
    heads, shown = against.table([found]).splitlines()
    assert heads.startswith("A group") and "control" in heads
    figures = r"a thing +10\.0 +10\.0 +10\.0 +11\.0 +12\.0 +15\.0 µs +1\.20  1\.15–1\.20 +1\.00–1\.10 +slower"
    assert re.search(figures, shown)


def test_ratios_are_of_turns_of_one_round_so_that_a_busy_time_slows_both() -> None:
    busy = against.Line(
        group="A group", what="a thing", unit="µs",
        old=[[10.0, 30.0, 31.0]], new=[[11.0, 33.0, 12.0]], control=[[10.0, 30.0, 31.0]],
    )  # fmt: skip
    assert busy.ratio == pytest.approx(1.1)


def test_the_summary_of_two_trees_names_what_is_slower() -> None:
    slow, same = line([[12.0], [12.0]], [[10.0], [10.0]], "a start"), line([[10.0], [10.0]], [[10.0], [10.0]])
    assert against.summary([same]) == "1 rows: 0 slower, 0 faster, the others within the noise."
    assert against.summary([slow, same]).endswith("Slower: a start (1.20x).")


def test_both_trees_and_the_control_take_turns_in_every_set() -> None:
    turns: list[str] = []

    @contextmanager
    def opened(root: Path) -> Iterator[against.Contestants]:
        turns.append(f"open {root.name}")
        yield {"a": lambda: turns.append(root.name) or 2.0}  # type: ignore[func-returns-value]

    rows = {"a": ("a thing", "µs", against.scaled(10))}
    experiment = against.Experiment(group="A group", open=opened, rows=rows, rounds=2, warm=1)
    (found,) = against.measured(experiment, Path("/old"), Path("/new"), sets=2)
    assert found.old == found.new == found.control == [[20.0, 20.0]] * 2
    of_a_set = ["open old", "open new", "open old", *["old", "new", "old"] * 3]
    assert turns == of_a_set * 2


def test_a_worker_of_another_tree_measures_that_tree_or_nothing(tmp_path: Path) -> None:
    """A copy of the benchmarks beside no connector of its own would measure the one that is installed."""
    other = tmp_path / "other"
    shutil.copytree(ROOT / "benchmarks", other / "benchmarks")
    with pytest.raises(SystemExit, match="would import the connector from"):
        against.check_imports(other)
    for part in ("connector_runtime", "zoom_connector", "actions", "connection", "triggers", "locales", "schemas"):
        shutil.copytree(ROOT / part, other / part)
    for part in ("connector.yaml", "icon.svg"):
        shutil.copy(ROOT / part, other / part)
    against.check_imports(other)
    with Worker("benchmarks.against:from_memory", root=other) as worker:
        assert worker.names == ["create", "get", "page", "renewal"]
        assert all(worker(name) > 0 for name in worker.names)
    with Worker("benchmarks.against:events", root=other) as worker:
        assert all(worker(name) > 0 for name in worker.names)
