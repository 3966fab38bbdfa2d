"""`limits` in connector.yaml: ours are the published numbers, and what is wrong with others' is told."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from connector_runtime.definitions.folders import load as load_folder
from connector_runtime.model import Rate, rates_of
from zoom_connector import load

BAD = Path(__file__).parents[1] / "bad"
PUBLISHED = {  # the vendor's page on rate limits
    "light": ("4/s 6000/day", "30/s", "80/s"),
    "medium": ("2/s 2000/day", "20/s", "60/s"),
    "heavy": ("1/s 1000/day", "10/s", "40/s"),
    "resource-intensive": ("10/min 30000/day", "10/min", "20/min"),
    "phone-medium": ("", "10/s", "20/s"),
}


def test_ours_are_the_published_rates() -> None:
    limits = load().profile.limits
    assert limits.plans == ("free", "pro", "business")
    found = {
        name: tuple(" ".join(str(rate) for rate in rates_of(label.rates, plan)) for plan in limits.plans)
        for name, label in limits.labels.items()
    }
    assert found == PUBLISHED
    (both,) = limits.combined
    assert both.labels == ("heavy", "resource-intensive")
    assert {plan: str(rate) for plan, (rate,) in both.rates.items()} == {"pro": "30000/day", "business": "60000/day"}


def test_every_label_of_an_action_has_a_limit() -> None:
    connector = load()
    labels = {action.rate_limit for action in connector.actions.values()} - {None}
    assert labels <= set(connector.profile.limits.labels)


def test_a_vendor_without_plans_says_a_rate_for_all() -> None:
    labels = load_folder(BAD / "folder").profile.limits.labels
    assert rates_of(labels["letters"].rates, None) == (Rate(5, 1.0),)


def test_a_connector_that_says_nothing_has_no_limits(tmp_path: Path) -> None:
    (tmp_path / "connector.yaml").write_text("key: dove\nlabel: Dove\nbase_url: https://dove.example\n")
    limits = load_folder(tmp_path).profile.limits
    assert (limits.key, limits.per, limits.labels, limits.quotas) == ("dove", "account", {}, {})


@pytest.mark.parametrize(("per", "when"), [("loft", "{}"), ("[text, loft]", "{}"), ("text", "{loft: 1}")])
def test_a_quota_that_goes_by_no_input_of_its_action_is_a_fault_of_that_action(
    tmp_path: Path, per: str, when: str
) -> None:
    folder = tmp_path / "folder"
    shutil.copytree(BAD / "folder", folder)
    common = folder / "connector.yaml"
    quota = f"{{rate: 3/day, per: {per}, on: [send-message]{'' if when == '{}' else f', when: {when}'}}}"
    common.write_text(common.read_text().replace("limits: {", f"limits: {{quotas: {{visits: {quota}}}, "))
    (found,) = load_folder(folder).check()
    assert found.where.startswith("actions/send-message.yaml:")
    assert found.what == ("lack 'loft', by which connector.yaml's quota 'visits' counts; name another input there")
