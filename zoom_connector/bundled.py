"""The definitions that come with the package."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from connector_runtime.definitions import folders
from connector_runtime.definitions.connector import Connector

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable


def root() -> Traversable:
    """The bundled folder: inside the installed package, around it in a checkout, or in an archive."""
    here = Path(__file__).resolve().parent
    found = [folder for folder in (here / "definitions", here.parent) if (folder / "connector.yaml").is_file()]
    if found:
        return found[0]
    from importlib.resources import files

    return files("zoom_connector") / "definitions"


def load(path: str | Path | None = None, *, codecs: Mapping[str, Callable[[Any], Any]] | None = None) -> Connector:
    """The bundled Zoom connector, or that of another definition folder. A folder is code: load only what you trust.

    Raises `DefinitionError` if the folder has no connector.yaml. Files are read when their action is first asked for.
    """
    return _bundled() if path is None and not codecs else folders.load(root() if path is None else path, codecs=codecs)


@cache
def _bundled() -> Connector:
    return folders.load(root())
