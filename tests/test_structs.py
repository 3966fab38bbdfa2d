"""Structs are equal, true and unchangeable as they should be, and no repr of the runtime's own tells a secret."""

from __future__ import annotations

import copy
import importlib
import pickle
import pkgutil
import types
import typing
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import connector_runtime
import zoom_connector
from connector_runtime import steps
from connector_runtime.errors import ERRORS
from connector_runtime.model import Choice
from connector_runtime.stores.store import MemoryStore
from connector_runtime.structs import Struct

# -- structs ---------------------------------------------------------------------------------------------------------


def structs() -> list[type[Struct]]:
    for module in pkgutil.walk_packages(connector_runtime.__path__, "connector_runtime."):
        importlib.import_module(module.name)
    return sorted(Struct.__subclasses__(), key=lambda kind: kind.__name__)


def test_results_pages_choices_and_all_steps_are_structs() -> None:
    kinds = {zoom_connector.Result, zoom_connector.Page, zoom_connector.Choices, Choice}
    assert kinds | {zoom_connector.Attempt, zoom_connector.Problem} | {*typing.get_args(steps.Step)} <= {*structs()}


@pytest.mark.parametrize("kind", structs(), ids=lambda kind: kind.__name__)
def test_a_struct_equals_one_of_its_class_with_equal_fields_and_no_tuple(kind: Any) -> None:
    values = [f"{name} of it" for name in kind.__match_args__]
    one, same = kind(*values), kind(*values)
    assert one == same and hash(one) == hash(same) and one
    assert one != tuple(values) and tuple(values) != one
    assert all(one != one.replace(**{name: "other"}) for name in kind.__match_args__)
    assert not [other for other in structs() if other is not kind and other(*map(str, other.__match_args__)) == one]
    assert pickle.loads(pickle.dumps(one)) == copy.deepcopy(one) == copy.copy(one) == one
    with pytest.raises(TypeError):
        iter(one)


@pytest.mark.parametrize("kind", structs(), ids=lambda kind: kind.__name__)
def test_a_struct_cannot_be_changed(kind: Any) -> None:
    one = kind(*kind.__match_args__)
    for name in (*kind.__match_args__, "another"):
        with pytest.raises(AttributeError, match=f"cannot assign to field '{name}'"):
            setattr(one, name, 1)
        with pytest.raises(AttributeError, match=f"cannot delete field '{name}'"):
            delattr(one, name)


def test_a_struct_takes_its_fields_in_order_or_by_name_with_their_defaults() -> None:
    class Pair(Struct):
        first: int
        second: int = 2

    assert (Pair(1).first, Pair(1).second, Pair(second=3, first=4)) == (1, 2, Pair(4, 3))
    match Pair(5):
        case Pair(first, second):
            assert (first, second) == (5, 2)
    for wrong in (Pair, lambda: Pair(1, 2, 3), lambda: Pair(1, third=3), lambda: Pair(1).replace(third=3)):  # type: ignore[call-arg]
        with pytest.raises(TypeError, match=r"Pair\.__init__"):
            wrong()


# -- what reprs show -------------------------------------------------------------------------------------------------

SECRET = "planted-8f3a"
LONG = "long " * 2000
FACTS = {  # text that a repr may show: what a definition says, a caller chose, or a message tells
    "Problem": {"where", "what"},
    "Attempt": {"action", "kind", "code", "tracking_id", "method", "path"},
    "Permit": {"action", "label"},
    "Send": {"effect"},
    "Request": {"method", "template"},
    "Outline": {"key"},
    "Action": {"key"},
    "Trigger": {"key"},
    "File": {"type", "id"},
    "ConnectionSummary": {"name", "kind", "health"},
    "CheckResult": {"step", "state"},
    "App": {"origin"},
    "Notification": {"event"},
    "ServiceSettings": {"public_url", "plan"},
}


def filled(kind: Any, text: Callable[[str, str], str]) -> Any:
    """An instance with a text wherever its annotations leave room for one: `text(class, field)`."""
    made = kind.__new__(kind)
    hints = typing.get_type_hints(kind)
    for name in getattr(kind, "__dataclass_fields__", kind.__match_args__):
        object.__setattr__(made, name, value_of(hints[name], text(kind.__name__, name), text))
    return made


def value_of(hint: Any, said: str, text: Callable[[str, str], str]) -> Any:
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    plain: dict[Any, Any] = {int: 7, float: 1.5, bool: True, datetime: datetime(2026, 11, 28, tzinfo=UTC), bytes: said}
    if hint in plain:
        return plain[hint]
    if origin in (typing.Union, types.UnionType):
        texts = [each for each in inner if each is str]
        return value_of((texts or inner)[0], said, text)
    if isinstance(hint, type) and (issubclass(hint, Struct) or hasattr(hint, "__dataclass_fields__")):
        return filled(hint, text)
    if origin in (list, tuple):
        return origin([value_of(inner[0], said, text)] * 300)
    return {"key": said} if origin and inner and not callable(origin) else said


def shown() -> list[Any]:
    kinds = [getattr(zoom_connector, name) for name in dir(zoom_connector) if name[0] != "_"]
    public = [each for each in kinds if hasattr(each, "__dataclass_fields__") and each not in structs()]
    return [*public, *structs()]


@pytest.mark.parametrize("kind", shown(), ids=lambda kind: kind.__name__)
def test_a_repr_is_short_and_shows_no_secret(kind: Any) -> None:
    told = filled(kind, lambda owner, name: "a fact" if name in FACTS.get(owner, ()) else SECRET)
    assert SECRET not in repr(told) and repr(told).startswith(kind.__name__)
    assert len(repr(filled(kind, lambda owner, name: LONG))) <= 200


@pytest.mark.parametrize("kind", ERRORS, ids=lambda kind: kind.__name__)
def test_the_repr_of_an_error_is_its_message_and_short(kind: Any) -> None:
    error = kind("It failed.", hint=SECRET)
    assert repr(error) == f"{kind.__name__}('It failed.')"
    assert len(repr(kind(LONG, hint=LONG))) <= 210


def test_a_client_a_connection_and_a_store_show_no_secret(tmp_path: Path) -> None:
    connector = zoom_connector.load()
    vault = zoom_connector.open_vault("x", f"sqlite:///{tmp_path}/{SECRET}.db", "A" * 43 + "=")
    with zoom_connector.Client(connector, token=SECRET) as client:
        tenant = zoom_connector.Connections(connector, vault)
        receiver = zoom_connector.Receiver(connector.triggers["webhook"], SECRET, store=MemoryStore())
        told = [client, zoom_connector.AsyncClient(connector, token=SECRET), connector, tenant, vault, receiver]
        assert [each for each in told if SECRET in repr(each) or len(repr(each)) > 200] == []
    vault.close()
