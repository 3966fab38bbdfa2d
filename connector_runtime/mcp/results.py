"""What a tool is called with and what it answers: arguments apart, results, errors that a model can act on. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import ConnectorError, InputError, Problem
from ..language.wording import misfits, nearest
from ..model import Json, Result
from .tools import LIMIT, MOST, Offer, Tool, data_schema, withheld

EXACT = 2**53  # what JavaScript can hold; a larger integer is text


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a tool was called with: inputs as they were given, and its own arguments."""

    inputs: Mapping[str, Any]
    limit: int | None = None
    cursor: str | None = None
    clear: tuple[str, ...] = ()


def asked(tool: Tool, arguments: Mapping[str, Any]) -> Asked:
    """The inputs and the tool's own arguments. Raises `InputError` with all problems if one of its own is wrong."""
    inputs = dict(arguments)
    own = {name: inputs.pop(name, None) for name in tool.own}
    problems: list[Problem] = []
    limit, cursor, clear = _limit(own.get("limit")), own.get("cursor"), own.get("clear")
    if limit is None:
        problems.append(Problem("limit", f"must be a whole number from 1 to {MOST}"))
    if not _is_blank(cursor) and not isinstance(cursor, str):
        problems.append(Problem("cursor", "must be the text that an earlier answer gave as its cursor"))
    if isinstance(clear, str):
        clear = clear.split(",")
    if clear is not None and not (isinstance(clear, list) and all(isinstance(name, str) for name in clear)):
        problems.append(Problem("clear", "must be a list of inputs"))
        clear = None
    emptied = tuple(name.strip() for name in clear or () if name.strip())
    if problems:
        try:
            tool.action.bind(inputs, emptied)
        except InputError as error:
            problems += error.problems
        raise InputError.of(tool.action.key, problems)
    return Asked(
        inputs=inputs,
        limit=limit if "limit" in tool.own else None,
        cursor=None if _is_blank(cursor) else cursor,
        clear=emptied,
    )


def _limit(given: Any) -> int | None:
    """The number of items, None for what is no such number. Text and 5.0 are read, as inputs are."""
    if _is_blank(given):
        return LIMIT
    if isinstance(given, bool) or not isinstance(given, int | float | str):
        return None
    text = str(given).strip().removesuffix(".0")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 and 1 <= int(text) <= MOST else None


def _is_blank(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def answer(tool: Tool, result: Result, offer: Offer) -> dict[str, Json]:
    """A result as the tool's output schema has it."""
    data = plain(result.data if offer.secrets else tool.action.hide(result.data))
    said: dict[str, Json] = {}
    warnings = [plain(str(warning)) for warning in result.warnings]
    faults = misfits(data_schema(tool.action, offer.secrets), data)
    if faults:  # a client would refuse it, though it was done
        path, what = faults[0]
        where = ".".join(str(step) for step in ("data", *path))
        warnings.append(f"The answer is not of the documented shape: {where} {what}.")
    said["unexpected" if faults else "data"] = data
    if result.cursor is not None:
        said["cursor"] = result.cursor
    if warnings:
        said["warnings"] = warnings
    return said


def failure(tool: Tool | None, error: ConnectorError, offer: Offer) -> dict[str, Json]:
    """An error, with what was read before it."""
    partial: Result | None = getattr(error, "partial", None)
    told = {name: value for name, value in error.to_dict().items() if value not in (None, [])}
    before = answer(tool, partial, offer) if tool is not None and partial is not None else {}
    return {**before, "error": plain(told)}


def unknown(name: str, tools: Mapping[str, Tool], known: Mapping[str, Any], offer: Offer) -> InputError:
    """There is no such tool: why, or which is nearest."""
    if name in known and (why := withheld(known[name], offer)) is not None:
        return InputError(f"{name} {why}.", hint="Tell the person who runs this server.")
    return InputError(f"'{name[:100]}' is no tool here.{nearest(name, tools)}", hint=f"There are: {', '.join(tools)}.")


def plain(value: Json) -> Json:
    """Data that every client reads as it is: large integers as text, no half characters."""
    if isinstance(value, dict):
        return {plain(name): plain(part) for name, part in value.items()}
    if isinstance(value, list):
        return [plain(part) for part in value]
    if isinstance(value, int) and abs(value) > EXACT:
        return str(value)
    if isinstance(value, str) and not value.isascii():
        return value.encode("utf-8", "replace").decode("utf-8")
    return value
