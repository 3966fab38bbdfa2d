"""What docs/webhook.md shows is what happens."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import pytest

from connector_runtime.stores.store import MemoryStore
from zoom_connector import Trigger, webhook_app

from .conftest import SECRET, serving

PAGE = Path(__file__).parents[2] / "docs" / "webhook.md"


def test_the_pages_python_runs_in_one_go_and_prints_what_it_says(
    trigger: Trigger, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(webhook_app(trigger, SECRET, lambda found: None, store=MemoryStore())) as server:
        names: dict[str, object] = {
            "SECRET": SECRET,
            "STORE": f"sqlite:///{tmp_path}/webhooks.sqlite3",
            "NOW": time.time(),
            "URL": server.url,
        }
        blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
        assert blocks
        for block in blocks:
            exec(block, names)
            wanted = [line.removeprefix("# ") for line in block.splitlines() if line.startswith("# ")]
            assert capsys.readouterr().out.splitlines() == wanted
    names["flow"].close()  # type: ignore[attr-defined]


def test_the_page_names_every_word_of_a_triggers_file() -> None:
    schema = json.loads((PAGE.parents[1] / "schemas" / "trigger.schema.json").read_text())
    page = PAGE.read_text()
    words = (*schema["properties"], *schema["properties"]["verify"]["properties"])
    assert {"events", "digest"} & {*words} and len(words) > 10
    for word in words:
        if word not in ("key", "label", "description", "inputs", "verify"):  # as everywhere, and the table itself
            assert re.search(rf"`(verify\.)?{word}`", page), word
