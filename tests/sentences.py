"""Every sentence of the runtime's own: collected from its source, so that none can be forgotten."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from connector_runtime.language import schema_faults
from connector_runtime.service import problems
from connector_runtime.service.app import page_texts

RUNTIME = Path(__file__).parents[1] / "connector_runtime"
BEYOND = {  # templates that come from elsewhere: what definitions say, a table that is read below, a sentence again
    ("calls/answers.py", "case.do"),
    ("language/schema_faults.py", "_COMPLAINTS[word]"),
    ("pacing/pacer.py", "hint.template"),
    ("service/problems.py", "title"),
    ("service/problems.py", "remedy"),
}


def templates() -> dict[str, str]:
    """Every template, with the file that says it."""
    found = {text: "service/page" for text in page_texts()}
    found |= dict.fromkeys(schema_faults._COMPLAINTS.values(), "language/schema_faults.py")
    for kind in problems.OWN.values():
        found |= {text.template: "service/problems.py" for text in (kind.title, kind.remedy)}
    for path in sorted(RUNTIME.rglob("*.py")):
        name = path.relative_to(RUNTIME).as_posix()
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Sentence":
                for text in said(node.args[0], name):
                    found.setdefault(text, name)
    return found


def said(node: ast.expr, name: str) -> Iterator[str]:
    """The templates that an expression can be."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.IfExp):
        yield from said(node.body, name)
        yield from said(node.orelse, name)
    else:
        assert name == "sentences.py" or (name, ast.unparse(node)) in BEYOND, f"{name}:{node.lineno} is no literal"


def has_words(template: str) -> bool:
    """Whether there is anything to translate besides the values."""
    return re.search(r"[A-Za-z]", re.sub(r"\{\w+\}", "", template)) is not None
