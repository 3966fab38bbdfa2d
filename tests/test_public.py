"""The public names: both packages export the same, and all are documented and typed."""

from __future__ import annotations

import inspect
import pkgutil
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import connector_runtime
import zoom_connector

ROOT = Path(__file__).parents[1]
NAMES = sorted({*" ".join(connector_runtime.HOMES.values()).split()})
PACKAGES = (connector_runtime, zoom_connector)
FORMER = """
Action ApiError AsyncClient Attempt AuthError Choices Client Conflict Connections Connector ConnectorError
DefinitionError File Http InputError InternalError MissingScope NotFound Notification Pace Pacer Page PayloadError
PlanRequired Problem QuotaReached RateLimited Receiver Result Saved SignatureError Store StoreError TransportError
Trigger UrlValidation ValidationFailed load open_store open_vault service webhook_app
"""  # what version 0.1.0 exported


def run(code: str) -> str:
    """What a fresh interpreter prints."""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT).stdout


# -- which names there are -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_both_packages_export_the_same_name_and_only_load_differs(name: str) -> None:
    ours, theirs = (getattr(package, name) for package in PACKAGES)
    assert (ours is theirs) is (name != "load")
    assert all(name in dir(package) for package in PACKAGES)
    modules = {module.name for package in PACKAGES for module in pkgutil.iter_modules(package.__path__)}
    assert name not in modules, "once the module is imported, it stands in the name's place"


def test_dir_shows_the_public_names_and_nothing_else() -> None:
    for package in PACKAGES:
        assert [name for name in dir(package) if name[0] != "_"] == NAMES
    assert "__version__" in dir(zoom_connector)


def test_a_star_import_needs_no_extra_package() -> None:
    hidden = "import sys; sys.modules['fastapi'] = None\n"
    run(f"{hidden}from zoom_connector import *\nload().actions['get-user'], Result, oauth")
    said = run(f"{hidden}try:\n  from zoom_connector import service_app\nexcept ImportError as error: print(error)")
    assert said == "service_app needs fastapi: install the package with the extra 'service'\n"


def test_what_is_no_public_name_is_an_attribute_error_of_its_package() -> None:
    for package in PACKAGES:
        with pytest.raises(AttributeError, match=f"module '{package.__name__}' has no attribute 'Cleint'"):
            package.Cleint  # noqa: B018


def test_a_package_is_imported_without_what_it_exports() -> None:
    said = run("import sys, zoom_connector; dir(zoom_connector); print(*sys.modules)").split()
    assert [name for name in said if name.startswith("connector_runtime.")] == []


@pytest.mark.parametrize("name", FORMER.split())
def test_every_former_name_still_imports_and_warns_where_it_has_a_new_one(name: str) -> None:
    new = zoom_connector.RENAMED.get(name)
    if new is None:
        assert name in NAMES
        return
    with pytest.warns(DeprecationWarning, match=rf"zoom_connector\.{name} is now called {new}") as caught:
        assert getattr(zoom_connector, name) is getattr(zoom_connector, new)
    assert caught[0].filename == __file__
    assert f"\n{name} = {new}\n" in Path(zoom_connector.__file__).with_suffix(".pyi").read_text()


def test_type_checkers_are_told_each_name() -> None:
    for package in PACKAGES:
        assert package.__file__
        stub = Path(package.__file__).with_suffix(".pyi").read_text()
        assert {*re.findall(r"(\w+) as \1\b", stub)} >= {*NAMES}


# -- what is said of them --------------------------------------------------------------------------------------------


def parts(name: str) -> Iterator[tuple[str, Any]]:
    """A public name and, of a class or a module, what it defines that is public too."""
    found = getattr(zoom_connector, name)
    yield name, found
    if inspect.ismodule(found):
        for part, value in vars(found).items():
            if inspect.isfunction(value) and value.__module__ == found.__name__ and part[0] != "_":
                yield f"{name}.{part}", value
    elif inspect.isclass(found):
        for part, value in vars(found).items():
            value = value.__func__ if isinstance(value, classmethod | staticmethod) else value
            value = getattr(value, "fget", None) or getattr(value, "func", value)
            if inspect.isfunction(value) and part[0] != "_":
                yield f"{name}.{part}", value


def own_doc(path: str, found: Any) -> str:
    """Its docstring, or that of the method which it overrides; none that a decorator wrote."""
    owner, _, method = path.partition(".")
    kind = getattr(zoom_connector, owner)
    docs = [found.__doc__]
    if method and inspect.isclass(kind):
        docs += [getattr(base, method, None).__doc__ for base in kind.__mro__[1:] if method in vars(base)]
    said = next((doc for doc in docs if doc), "")
    return "" if said.startswith(f"{path}(") else said


@pytest.mark.parametrize("name", NAMES)
def test_a_public_name_says_what_it_is(name: str) -> None:
    silent = [path for path, found in parts(name) if len(own_doc(path, found).split()) < 3]
    assert silent == []
    assert f"| `{name}` |" in (ROOT / "docs" / "api.md").read_text()


@pytest.mark.parametrize("name", NAMES)
def test_a_public_name_is_typed(name: str) -> None:
    for path, found in parts(name):
        if inspect.isfunction(found):
            hints = found.__annotations__
            asked = [*inspect.signature(found).parameters]
            bare = [each for each in asked if each not in hints and each not in ("self", "cls")]
            assert not bare and "return" in hints, path


def test_pages_import_from_the_top_of_a_package() -> None:
    deep = re.compile(r"^\s*(?:from|import) ((?:connector_runtime|zoom_connector)\.[\w.]+)", re.MULTILINE)
    for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md"), *(ROOT / "examples").rglob("*.md")]:
        assert {*deep.findall(page.read_text())} <= {"zoom_connector.sandbox"}, page.name
