"""Loads definition folders from disk or from a package."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import DefinitionError, Problem
from .connector import Connector
from .sources import Sources

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable


def load(path: str | Path | Traversable, *, codecs: Mapping[str, Callable[[Any], Any]] | None = None) -> Connector:
    """Load the connector of a definition folder. A folder is code: load only folders that you would import.

    `codecs` adds codecs for `as`: pure functions from value to value, by name. Raises `DefinitionError` if there is no
    connector.yaml. Each file is read and checked when it is first used, and a fault is raised then; `Connector.check`
    finds all faults.
    """
    root = Path(path) if isinstance(path, str) else path
    if not (root / "connector.yaml").is_file():
        raise DefinitionError.of([Problem(str(path), "is not a definition folder: it has no connector.yaml")])
    return Connector(Sources(root, codecs or {}))
