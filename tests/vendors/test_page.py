"""docs/vendors.md says what the definitions say, and its snippets run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from .conftest import EXAMPLES, Enter
from .servers import Weather

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "vendors.md").read_text()
ROWS = [tuple(cell.strip() for cell in row) for row in re.findall(r"^\| ([a-z]+) \|(.*)\|(.*)\|$", PAGE, re.MULTILINE)]


def texts(vendor: str) -> str:
    if vendor == "zoom":
        folders = [ROOT / "connector.yaml", *(ROOT / "actions").glob("*.yaml")]
    else:
        folders = list((EXAMPLES / vendor).rglob("*.yaml"))
    return "\n".join(file.read_text() for file in folders)


def test_the_table_has_all_six_vendors() -> None:
    assert {vendor for vendor, _, _ in ROWS} == {"zoom", "github", "slack", "stripe", "shopify", "weather"}


@pytest.mark.parametrize(("vendor", "trouble", "words"), ROWS, ids=[f"{row[0]}: {row[1]}" for row in ROWS])
def test_every_word_of_the_table_stands_in_the_vendors_folder(vendor: str, trouble: str, words: str) -> None:
    quoted = re.findall(r"`([^`]+)`", words)
    assert quoted
    for word in quoted:
        assert word in texts(vendor), trouble


def test_the_snippets_print_what_they_say(
    start: Enter[Weather], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    server = start(Weather())
    snippets = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert len(snippets) == 2
    names: dict[str, object] = {}
    for snippet in snippets:
        here = snippet.replace('"…"', repr(server.key)).replace("http://127.0.0.1:8080/data/2.5", server.url)
        exec(here, names)
        said = [line.removeprefix("# ") for line in snippet.splitlines() if line.startswith("# ")]
        assert capsys.readouterr().out.splitlines() == said
