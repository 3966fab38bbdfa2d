"""Loads the definitions that come with the package, or those of another folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from connector_runtime.definitions import folders
from connector_runtime.definitions.connector import Connector
from connector_runtime.definitions.sources import Sources

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable


def root() -> Traversable:
    """Return the bundled folder: inside the installed package, around it in a checkout, or in an archive."""
    package = Path(__file__).resolve().parent
    for folder in (package / "definitions", package.parent):
        if (folder / "connector.yaml").is_file():
            return folder
    from importlib.resources import files

    return files("zoom_connector") / "definitions"


def load(path: str | Path | None = None, *, codecs: Mapping[str, Callable[[Any], Any]] | None = None) -> Connector:
    """Return the bundled Zoom connector, or the connector in the definition folder at `path`.

    A definition folder is code, so load only folders that you trust. `codecs` adds codecs by name: pure functions from
    value to value. Each action's file is read on first use. Raises `DefinitionError` if there is no connector.yaml.
    """
    return _bundled() if path is None and not codecs else folders.load(root() if path is None else path, codecs=codecs)


@cache
def _bundled() -> Connector:
    """Load the bundled folder: an installed one was checked before its release, a checkout is checked on first use."""
    folder = root()
    return Connector(Sources(folder, {}, is_checked=folder != Path(__file__).resolve().parents[1]))
