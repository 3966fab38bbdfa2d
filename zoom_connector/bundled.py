"""The definitions that come with the package."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from connector_runtime.definitions import folders
from connector_runtime.definitions.connector import Connector


def root() -> Traversable:
    """The bundled folder: inside the installed package, or around it in a checkout."""
    installed = files("zoom_connector") / "definitions"
    return installed if installed.is_dir() else Path(__file__).resolve().parents[1]


def load(path: str | Path | None = None, *, codecs: Mapping[str, Callable[[Any], Any]] | None = None) -> Connector:
    """The bundled Zoom connector, or that of another definition folder. A folder is code: load only what you trust.

    Raises `DefinitionError` if the folder has no connector.yaml. Files are read when their action is first asked for.
    """
    return _bundled() if path is None and not codecs else folders.load(root() if path is None else path, codecs=codecs)


@cache
def _bundled() -> Connector:
    return folders.load(root())
