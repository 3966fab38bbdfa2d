"""Definition folders on disk or inside a package. The one place that reads definition files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import DefinitionError, Problem
from .cache import Cache
from .connector import Connector

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable


class FilesFolder:
    """A definition folder as files."""

    def __init__(self, root: Traversable) -> None:
        self._root = root
        self._cache = Cache(str(root)) if isinstance(root, Path) else None  # what lies in an archive is read each time
        self.name = root.name

    def stems(self, kind: str) -> list[str]:
        folder = self._root / kind
        if not folder.is_dir():
            return []
        return sorted(file.name.removesuffix(".yaml") for file in folder.iterdir() if file.name.endswith(".yaml"))

    def strays(self, kind: str) -> list[str]:
        folder = self._root / kind
        names = [file.name for file in folder.iterdir()] if folder.is_dir() else []
        return sorted(name for name in names if name.lower().endswith((".yml", ".yaml")) and not name.endswith(".yaml"))

    def text(self, path: str) -> str:
        file = self._root
        for part in path.split("/"):
            file = file / part
        try:
            return file.read_text(encoding="utf-8")
        except (FileNotFoundError, NotADirectoryError):
            raise DefinitionError.of([Problem(f"{path}:1", f"is missing in {self.name}/")]) from None
        except UnicodeDecodeError as error:
            raise DefinitionError.of([Problem(f"{path}:1", f"is no UTF-8 text (byte {error.start})")]) from None
        except OSError as error:
            raise DefinitionError.of([Problem(f"{path}:1", f"cannot be read: {error.strerror}")]) from None

    def kept(self, path: str, make: Callable[[], tuple[Any, Iterable[str]]]) -> Any:
        return make()[0] if self._cache is None else self._cache.get(path.replace("/", "-"), make)

    def language(self, kind: str) -> str:
        return (_language() / f"{kind}.schema.json").read_text(encoding="utf-8")


def _language() -> Traversable:
    """The language's schemas: inside the installed package, beside it in a checkout, or in an archive."""
    here = Path(__file__).resolve()
    found = [folder for folder in (here.parents[1] / "schemas", here.parents[2] / "schemas") if folder.is_dir()]
    if found:
        return found[0]
    from importlib.resources import files

    return files("connector_runtime") / "schemas"


def load(path: str | Path | Traversable, *, codecs: Mapping[str, Callable[[Any], Any]] | None = None) -> Connector:
    """The connector that a definition folder describes. A folder is code: load only folders you would import.

    `codecs` adds words to `as`: pure functions from value to value. Raises `DefinitionError` if there is no
    connector.yaml; an action's faults are raised when it is first asked for, and `Connector.check` finds all.
    """
    root = Path(path) if isinstance(path, str) else path
    if not (root / "connector.yaml").is_file():
        raise DefinitionError.of([Problem(str(path), "is no definition folder: it has no connector.yaml")])
    return Connector(FilesFolder(root), codecs)
