"""What docs/service.md shows is what happens, and its tables lack nothing."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from connector_runtime.service.problems import KINDS
from zoom_connector.sandbox import Sandbox

from .conftest import Start

PAGE = (Path(__file__).parents[2] / "docs" / "service.md").read_text()


def test_the_pages_python_runs_in_one_go_and_prints_what_it_says(
    start: Start, zoom: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    with start(tenant="default", token=zoom.token) as served:
        names: dict[str, object] = {"SERVICE": served.url, "__name__": "page"}
        blocks = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
        assert blocks
        for block in blocks:
            exec(compile(block, "service.md", "exec", dont_inherit=True), names)
            wanted = [line.removeprefix("# ") for line in block.splitlines() if line.startswith("# ")]
            assert capsys.readouterr().out.splitlines() == wanted
        names["client"].close()  # type: ignore[attr-defined]


def test_the_page_names_every_kind_of_problem_with_its_status() -> None:
    assert {"input", "token", "transport"} < KINDS.keys()
    for name, kind in KINDS.items():
        rows = [row for row in PAGE.splitlines() if row.startswith("| ") and str(kind.http_status) in row]
        assert any(f"`{name}`" in row for row in rows), name


def test_the_page_names_every_route(start: Start) -> None:
    with start(tenant="default") as served:
        paths = served.client().get("/openapi.json").json()["paths"]
    told = [re.sub(r"\?.*", "", word) for word in re.findall(r"(/[^\s`|,]+)", PAGE)]
    assert "/v1/connections" in paths and len(paths) > 10
    for path in paths:
        assert re.sub(r"^/v1/actions/[^/{]+/", "/v1/actions/{key}/", path) in told, path
