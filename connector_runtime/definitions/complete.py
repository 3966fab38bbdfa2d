"""Fills in what a definition file may omit, before any other module reads the data. Pure.

A row inherits from its shared row. A label defaults to the key in title case. An input without `to` goes to its obvious
place. A connection inherits the error cases that connector.yaml defines for token endpoints.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ..language import expressions, places
from ..language.schema_faults import nearest
from ..model import BODILESS
from .documents import Path

Raw = Mapping[str, Any]
Fault = tuple[Path, str]  # the path of a row or of one of its keys, and its fault; "" if another file reports it


def title_case(key: str) -> str:
    """Return the default label of a key: `User Id` for `user_id`."""
    return " ".join(word.capitalize() for word in re.split("[_-]", key))


def complete(data: Raw, kind: str, common: Raw) -> tuple[dict[str, Any], list[Fault]]:
    """Return a file's data with omitted parts filled in, and the faults of rows that cannot be completed.

    `kind` is the file's folder, or `connector`. `common` is connector.yaml's data, or empty if that file cannot be
    read. Parts with the wrong shape stay unchanged.
    """
    if kind == "actions":
        return _action(data, common)
    full, rows = dict(data), _map(data, "inputs")
    for word in ("inputs", "filters") if kind in ("connection", "triggers") else ():
        full |= {word: _labelled(data[word])} if word in data else {}
    if kind == "connection" and isinstance(data.get("oauth"), dict):
        full["oauth"] = _with_errors(data["oauth"], _map(common, "oauth"))
    if kind == "connector" and (lists := _map(data, "choices")):
        full["choices"] = {
            name: {**raw, "parameters": _labelled(raw["parameters"])} if _map(raw, "parameters") else raw
            for name, raw in lists.items()
        }
    return full, [(("inputs", key), "") for key, row in rows.items() if isinstance(row, dict) and "row" in row]


def shared_rows(common: Raw) -> Mapping[str, Any]:
    """Return connector.yaml's `rows` by name; the value of a faulty row is None."""
    return _map(common, "rows")


def _map(data: Raw, word: str) -> dict[str, Any]:
    value = data.get(word) if isinstance(data, dict) else None
    return value if isinstance(value, dict) else {}


def _labelled(rows: Any) -> Any:
    if not isinstance(rows, dict):
        return rows
    return {key: {"label": title_case(key), **row} if isinstance(row, dict) else row for key, row in rows.items()}


def _with_errors(oauth: Raw, shared: Raw) -> dict[str, Any]:
    """Merge the shared errors into a connection's `oauth`: its own keys win, and its own cases come first."""
    own, common = _map(oauth, "errors"), _map(shared, "errors")
    if not common:
        return dict(oauth)
    cases = [case for errors in (own, common) for case in errors.get("cases") or ()]
    return {**oauth, "errors": {**common, **own, "cases": cases}}


def _action(data: Raw, common: Raw) -> tuple[dict[str, Any], list[Fault]]:
    faults: list[Fault] = []
    rows = _labelled({key: _inherited(key, row, common, faults) for key, row in _map(data, "inputs").items()})
    broken = {path[1] for path, _ in faults}
    sound = {key: row for key, row in rows.items() if isinstance(row, dict) and key not in broken}
    unplaced = [key for key, row in sound.items() if "to" not in row and row.get("type") != "connection"]
    taken, computed = dict(_taken(data, sound)), _computed_from(data)
    for key in unplaced:
        to, doubt = _obvious_place(key, data, taken) if key not in computed else ("", "")
        if doubt:
            faults.append((("inputs", key), f"has no `to`, and its place is ambiguous: {doubt}; add `to`"))
        elif to:
            rows[key] = {**rows[key], "to": to}
    return {**data, "inputs": rows}, faults


def _inherited(key: str, row: Any, common: Raw, faults: list[Fault]) -> Any:
    """Return a row merged with its shared row; add a fault if there is none or its type differs."""
    if not isinstance(row, dict) or not isinstance(name := row.get("row"), str):
        return row
    known = shared_rows(common)
    if common and name not in known:
        what = nearest(name, known, "Add it there, or write the row out.")
        faults.append((("inputs", key, "row"), f"is {name!r}, which is not in connector.yaml's `rows`.{what}"))
        return row
    shared = known.get(name)
    if not isinstance(shared, dict) or "type" not in shared:
        faults.append((("inputs", key), ""))
        return row
    if row.get("type", shared["type"]) != shared["type"]:
        what = f"is {row['type']}, but the shared row '{name}' is {shared['type']}; remove `row` and write this row out"
        faults.append((("inputs", key, "type"), what))
    return {**shared, **row}


def _computed_from(data: Raw) -> set[str]:
    """Return the inputs that `compute` reads, or all inputs if an expression cannot be parsed."""
    try:
        return {name for text in _map(data, "compute").values() for name in expressions.expression(str(text)).names}
    except ValueError:
        return set(_map(data, "inputs"))


def _obvious_place(key: str, data: Raw, taken: Mapping[str, str]) -> tuple[str, str]:
    """Return the place of an input without `to`, or why it is ambiguous; neither if `request` lacks a method."""
    request = _map(data, "request")
    method, path = request.get("method"), request.get("path")
    constant = next((f"request.{word}" for word in ("query", "body") if key in _map(request, word)), None)
    kind = "query" if method in BODILESS else "body"
    if isinstance(path, str) and f"{{{key}}}" in path:
        kind = "path"
    elif not isinstance(method, str):
        chooser = taken.get("request.method")
        return "", f"'{chooser}' decides whether there is a body" if chooser else ""
    whole = next((to for to in taken if to == "request.body" or to.startswith("part.")), None)
    if other := taken.get(f"{kind}.{key}"):
        return "", f"'{other}' already goes to {kind}.{key}"
    if constant and kind in ("path", constant.removeprefix("request.")):
        return "", f"{constant} already has {key!r}" + (f", and the path has {{{key}}}" if kind == "path" else "")
    if kind == "body" and whole:
        return "", f"'{taken[whole]}' goes to {whole}, so the body has no fields"
    return kind, ""


def _taken(data: Raw, rows: Raw) -> Iterator[tuple[str, str]]:
    """Yield each place that the file names, and the input that goes there, or `compute`."""
    yield from ((to, "compute") for to in _map(data, "compute"))
    for key, row in rows.items():
        if isinstance(row.get("to"), str):
            yield str(places.place(row["to"], key)), key
