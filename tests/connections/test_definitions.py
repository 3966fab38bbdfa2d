"""A connection's definition says how it is got, tested and ended; what is wrong with it is named, line and all."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from connector_runtime.definitions.folders import load

ROOT = Path(__file__).parents[2]
FAULTS = {
    ("connection/oauth2.yaml", "action: get-user", "action: get-usr"): "which is not in actions/",
    ("connection/server-to-server.yaml", "input.account_id", "input.acount_id"): "which is not an input here",
    ("connection/oauth2.yaml", "token_url: https", "token_url: http"): "the https URL where codes",
    ("connection/oauth2.yaml", "https://zoomgov.com: {", "http://zoomgov.com: {"): "zoomgov.com",
    ("connection/oauth2.yaml", "- {body.error: invalid_grant}", "- 5"): "revoked_when",
    ("connection/oauth2.yaml", "  client: basic", "  client: none_at_all"): "client",
    (
        "connector.yaml",
        "admin: {preferred_scope_pattern: ':admin$'}",
        "admin: {preferred_scope_pattern: '('}",
    ): "not a regular expression",
    (
        "connector.yaml",
        "admin: {preferred_scope_pattern: ':admin$'}",
        "admin: {rather: ':admin$'}",
    ): "not a word of the language",
}


@pytest.mark.parametrize(("file", "right", "wrong"), FAULTS)
def test_a_fault_is_named_with_its_line(tmp_path: Path, file: str, right: str, wrong: str) -> None:
    for name in ("actions", "connection", "triggers", "schemas"):
        shutil.copytree(ROOT / name, tmp_path / name)
    shutil.copy(ROOT / "connector.yaml", tmp_path)
    text = (tmp_path / file).read_text()
    assert text.count(right) == 1
    (tmp_path / file).write_text(text.replace(right, wrong))
    line = text[: text.index(right)].count("\n") + 1
    found = [problem for problem in load(tmp_path).check() if problem.where.startswith(file)]
    assert any(f"{file}:{line}" in problem.where for problem in found), found
    assert any(FAULTS[file, right, wrong] in str(problem) for problem in found), found


def test_the_published_table_of_oauth2_is_client_id_and_client_secret_alone() -> None:
    rows = load(ROOT).connections["oauth2"].inputs
    assert [(row.label, row.required) for row in rows] == [("Client ID", ()), ("Client Secret", ())]
