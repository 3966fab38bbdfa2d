"""What a tool is called with and what it answers: arguments apart, results, errors that a model can act on. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import ConnectorError, InputError, Problem
from ..inputs.wording import misfits, nearest
from ..model import Json, Result
from .tools import LIMIT, MOST, Offer, Tool, data_schema, withheld

EXACT = 2**53  # what JavaScript can hold; a larger integer is text
Arguments = tuple[dict[str, Any], int | None, str | None]


def apart(tool: Tool, arguments: Mapping[str, Any]) -> Arguments:
    """The inputs, the limit and the cursor. Raises `InputError` for a wrong limit or cursor, with all other problems."""
    inputs = dict(arguments)
    if tool.paging is None:
        return inputs, None, None
    problems: list[Problem] = []
    named_limit, named_cursor = tool.paging
    limit, cursor = inputs.pop(named_limit, None), inputs.pop(named_cursor, None)
    if _is_blank(limit):
        limit = LIMIT
    elif isinstance(limit, str) and limit.strip().isascii() and limit.strip().isdigit():
        limit = int(limit.strip()[:9])
    elif isinstance(limit, float) and limit.is_integer():
        limit = int(limit)
    if isinstance(limit, bool) or not isinstance(limit, int) or not 1 <= limit <= MOST:
        problems.append(Problem(named_limit, f"must be a whole number from 1 to {MOST}"))
    if _is_blank(cursor):
        cursor = None
    elif not isinstance(cursor, str):
        problems.append(Problem(named_cursor, "must be the text that an earlier answer gave as its cursor"))
    if problems:
        try:
            tool.action.bind(inputs)
        except InputError as error:
            problems += error.problems
        raise InputError.of(tool.action.key, problems)
    return inputs, limit, cursor


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
