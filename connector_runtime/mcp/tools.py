"""Actions as tools for a language model: which are offered, what they take, what they answer; and a server of them.

Every answer is an object with `data`, and where there is something to say `cursor`, `warnings`, `unexpected`, `error`.
A client is lent for each call, so that whoever serves decides whose connection it goes with. At standard input and
output, the latter belongs to the mcp_types.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Collection, Iterable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, aclosing
from fnmatch import fnmatchcase
from typing import Any, NamedTuple, cast

import mcp_types
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server

from ..calls.action import Action
from ..calls.exchange import fold_async
from ..client import AsyncClient
from ..definitions.catalogue import condition, data_url, safety
from ..definitions.connector import Connector
from ..definitions.forms import asides_of, form_schema
from ..errors import ConnectorError, InputError, Problem
from ..inputs.bind import BoundInputs
from ..language import json_text
from ..language.schema_faults import nearest, schema_faults
from ..language.secrets import SECRET_WORD
from ..model import Condition, Input, Json, Page, Result

Lend = Callable[[Any], AbstractAsyncContextManager[AsyncClient]]
Context = ServerRequestContext[Any, Any]
LIMIT = 50  # items of a list, unless the model asks for another number
MOST = 1000
DEEPEST = 64  # objects and lists in each other that every client reads
EXACT = 2**53  # what JavaScript can hold; a larger integer is text
LABELLED = 30  # choices whose labels are told
SHAPES = {"date": "Such as 2026-11-01", "datetime": "Such as 2026-11-01T09:00:00Z"}
EFFECTS: Mapping[str | None, str] = {
    "read": "Changes nothing.",
    "create": "Makes something new, once more with each call.",
    "update": "Changes what is there.",
    "delete": "Takes away what may not come back.",
    None: "Can do anything, as its inputs say.",
}
OWN = {  # the arguments that are no inputs
    "limit": f"At most so many items; {LIMIT} if left out.",
    "cursor": "Goes on where an answer with this cursor ended; the other arguments as they were.",
    "clear": "Fields to empty; blank text and null only leave a field as it is.",
}
UNKEPT = ("format", "pattern", SECRET_WORD)  # words of an answer's schema by which a client could refuse the answer


class ToolFilter(NamedTuple):
    """Which actions become tools, and whether what is secret in an answer is shown."""

    only: tuple[str, ...] = ()
    read_only: bool = False
    destructive: bool = False
    secrets: bool = False


class Tool(NamedTuple):
    """One tool, as it is listed; `own` are the arguments that are no inputs."""

    action: Action
    own: tuple[str, ...]
    data: dict[str, Json]  # the schema of what it answers with
    listed: mcp_types.Tool


def tools(connector: Connector, offer: ToolFilter) -> dict[str, Tool]:
    """The tools by name, in the order of keys. Raises `InputError` for a pattern that fits none."""
    wanted = offer.only or ("*",)
    lost = [each for each in wanted if not any(fnmatchcase(key, each) for key in connector.actions)]
    if lost:
        raise InputError.of(
            "mcp", [Problem("--only", f"{each!r} fits no action.{nearest(each, connector.actions)}") for each in lost]
        )
    fits = [connector.actions[key] for key in connector.actions if any(fnmatchcase(key, each) for each in wanted)]
    offered = {action.key: action for action in fits if withheld(action, offer) is None}
    if not offered:
        raise InputError.of("mcp", [Problem("--only", f"{fits[0].key} {withheld(fits[0], offer)}")])
    made: dict[str, Tool] = {}
    for key, action in offered.items():
        own = ("limit", "cursor") if action.paging is not None else ()  # no input may bear their names
        own = (*own, "clear") if any(row.clear for row in action.inputs.values()) else own
        hints = {f"{word}_hint": said for word, said in safety(action.effect).items()}
        data = data_schema(action, offer.secrets)
        listed = mcp_types.Tool(
            name=key,
            title=action.label,
            description=_sentences((action.description, action.summary, EFFECTS[action.effect])),
            input_schema=_input_schema(action, offered, own),
            output_schema=_output_schema(action, data),
            annotations=mcp_types.ToolAnnotations(title=action.label, open_world_hint=True, **hints),
        )
        made[key] = Tool(action, own, data, listed)
    return made


def withheld(action: Action, offer: ToolFilter) -> str | None:
    """Why an action is no tool here, None if it is one."""
    about = safety(action.effect)
    if offer.read_only and not about["read_only"]:
        return "is not offered here: only what reads is"
    if about["destructive"] and not offer.destructive:
        return "is not offered here: it can destroy, which takes the option --destructive"
    if offer.only and not any(fnmatchcase(action.key, each) for each in offer.only):
        return "is not offered here: it is none of those that were chosen"
    return None


def _sentences(said: Iterable[str | None]) -> str:
    return " ".join(text if text.endswith((".", "?", "!")) else f"{text}." for text in said if text)


def _input_schema(action: Action, offered: Collection[str], own: tuple[str, ...]) -> dict[str, Json]:
    fields: dict[str, Json] = form_schema(action)["properties"]
    clearable = [row.key for row in action.inputs.values() if row.clear]
    about: dict[str, dict[str, Json]] = {
        "limit": {"type": "integer", "minimum": 1, "maximum": MOST},
        "cursor": {"type": "string"},
        "clear": {"type": "array", "items": {"type": "string", "enum": clearable}},
    }
    properties: dict[str, Json] = {}
    for key, field in fields.items():
        described = _sentences(_about(action, action.inputs[key], offered))
        schema = {word: said for word, said in field.items() if word not in ("title", "description")}
        properties[key] = {**schema, **({"description": described} if described else {})}
    properties |= {name: {**about[name], "description": OWN[name]} for name in own}
    needed = [key for key in fields if action.inputs[key].is_always_needed]
    return {"type": "object", "properties": properties, "required": needed, "additionalProperties": False}


def _about(action: Action, row: Input, offered: Collection[str]) -> Iterator[str | None]:
    yield row.comments
    if row.type in SHAPES:
        yield SHAPES[row.type]
    named = [f"{choice.value} = {choice.label}" for choice in row.choices if str(choice.value) != choice.label]
    if named and len(row.choices) <= LABELLED:
        yield ", ".join(named)
    source = action.profile.choices.get(row.choices_from or "")
    if source is not None and source.action in offered and source.action != action.key:
        yield f"{source.action} lists them"
    if row.required and not row.has_default:
        yield f"Needed {_when((*(row.only_when or ()), *row.required))}"
    elif row.required is not None and row.only_when and not row.has_default:
        yield f"Needed {_when(row.only_when)}, and only then"
        return
    if row.only_when:
        yield f"Only {_when(row.only_when)}"
    yield from list(asides_of(row))[-1:]


def _when(parsed: Condition) -> str:
    """A condition in words: `when type is 8 and topic is given`."""
    said = []
    for test in condition(parsed) or ():
        values, no = test.get("is", test.get("is_not")), "not " if "is_not" in test else ""
        words = " or ".join("not given" if value is None else str(value) for value in values)
        said.append(f"{test['input']} is " + ("given" if no and values == [None] else f"{no}{words}"))
    return "when " + " and ".join(said)


def call(tool: Tool, arguments: Mapping[str, Any]) -> tuple[BoundInputs, int | None, str | None]:
    """What a tool was called with: its inputs, bound, a limit and a cursor. Raises `InputError` with all problems."""
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
    try:
        bound = tool.action.bind(inputs, [name.strip() for name in clear or () if name.strip()])
    except InputError as error:
        if not problems:
            raise
        problems += error.problems
    if problems:
        raise InputError.of(tool.action.key, problems)
    return bound, limit if "limit" in tool.own else None, None if _is_blank(cursor) else cursor


def _limit(given: Any) -> int | None:
    """The number of items, None for what is no such number. Text and 5.0 are read, as inputs are."""
    if _is_blank(given):
        return LIMIT
    text = str(given).strip().removesuffix(".0")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 and 1 <= int(text) <= MOST else None


def _is_blank(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def _output_schema(action: Action, data: dict[str, Json]) -> dict[str, Json]:
    """An object at the top whatever the action answers; nothing in it is required, since an error fits it too."""
    properties: dict[str, Json] = {"data": data}
    if action.paging is not None:
        properties["cursor"] = {"type": "string", "description": "There is more: call again with it."}
    properties["warnings"] = {"type": "array", "items": {"type": "string"}}
    properties["unexpected"] = {**ANY, "description": "The data where it is not of the documented shape."}
    properties["error"] = {"type": "object", "description": "Why it failed, and what to do."}
    return {"type": "object", "properties": properties}


def data_schema(action: Action, secrets: bool) -> dict[str, Json]:
    """The shape of a tool's `data`; what is hidden in it is text."""
    schema = (action.output or {}).get("schema")
    opened: dict[str, Json] = _opened(schema, secrets) if isinstance(schema, Mapping) else {}
    return opened or ANY


def _opened(schema: Json, secrets: bool) -> Json:
    if isinstance(schema, list):
        return [_opened(part, secrets) for part in schema]
    if not isinstance(schema, Mapping):
        return schema
    if schema.get(SECRET_WORD) is True and not secrets:
        return {**_of_types(["string", "null"]), "description": "hidden"}
    schema_left: dict[str, Json] = {}
    for word, part in schema.items():
        if word in ("properties", "patternProperties"):
            schema_left[word] = {name: _opened(inner, secrets) for name, inner in part.items()}
        elif word in ("enum", "const", "examples", "default"):
            schema_left[word] = part
        elif word == "type" and isinstance(part, list) and "anyOf" not in schema:
            schema_left |= _of_types(part)
        elif word not in UNKEPT:
            schema_left[word] = _opened(part, secrets)
    return schema_left


def _of_types(types: list[str]) -> dict[str, Json]:
    """One of several types, as also those clients read it that know no list of types."""
    return {"anyOf": [{"type": each} for each in types]}


ANY = _of_types(["object", "array", "string", "number", "boolean", "null"])


def answer(tool: Tool, result: Result, offer: ToolFilter) -> dict[str, Json]:
    """A result as the tool's output schema has it."""
    data = plain(result.data if offer.secrets else tool.action.hide(result.data))
    warnings = [plain(str(warning)) for warning in result.warnings]
    faults = schema_faults(tool.data, data)
    if faults:  # a client would refuse it, though it was done
        path, what = faults[0]
        where = ".".join(str(step) for step in ("data", *path))
        warnings.append(f"The answer is not of the documented shape: {where} {what}.")
    more = {"cursor": result.cursor, "warnings": warnings or None}
    said: dict[str, Json] = {name: value for name, value in more.items() if value is not None}
    return {"unexpected" if faults else "data": data, **said}


def failure(tool: Tool | None, error: ConnectorError, offer: ToolFilter) -> dict[str, Json]:
    """An error, with what was read before it."""
    partial: Result | None = getattr(error, "partial", None)
    told = {name: value for name, value in error.to_dict().items() if value not in (None, [])}
    before = answer(tool, partial, offer) if tool is not None and partial is not None else {}
    return {**before, "error": plain(told)}


def plain(value: Json, depth: int = 0) -> Json:
    """Data that every client reads as it is: large integers and what lies too deep as text, no half characters."""
    if isinstance(value, dict | list) and depth >= DEEPEST:
        return json_text.write(value).decode()
    if isinstance(value, dict):
        return {plain(name): plain(part, depth + 1) for name, part in value.items()}
    if isinstance(value, list):
        return [plain(part, depth + 1) for part in value]
    if isinstance(value, int) and abs(value) > EXACT:
        return str(value)
    if isinstance(value, str) and not value.isascii():
        return value.encode("utf-8", "replace").decode("utf-8")
    return value


def server(
    connector: Connector,
    offer: ToolFilter,
    lend: Lend,
    deadline: float,
    aside: Callable[..., Awaitable[Any]] | None = None,
) -> Server[Any]:
    """The server of a connector's tools.

    `lend` is given the HTTP request that a call came with (None at standard input) and lends the client for it;
    `deadline` bounds each call, in seconds; `aside` reads the inputs of a request. Raises `InputError` if nothing is
    offered.
    """
    about = connector.profile
    offered = tools(connector, offer)
    listed = mcp_types.ListToolsResult(tools=[tool.listed for tool in offered.values()])

    async def on_list(context: Context, asked: mcp_types.PaginatedRequestParams | None) -> mcp_types.ListToolsResult:
        return listed

    async def on_call(context: Context, asked: mcp_types.CallToolRequestParams) -> mcp_types.CallToolResult:
        tool = offered.get(asked.name)
        try:
            if tool is None:
                key, actions = asked.name, connector.actions
                if key in actions and (why := withheld(actions[key], offer)) is not None:
                    raise InputError(f"{key} {why}.", hint="Tell the person who runs this server.")
                hint = f"There are: {', '.join(offered)}."
                raise InputError(f"'{key[:100]}' is no tool here.{nearest(key, offered)}", hint=hint)
            given: Any = call, tool, asked.arguments or {}
            reading = asyncio.to_thread(*given) if aside is None else aside(context.request, *given)
            bound, limit, cursor = await reading
            async with lend(context.request) as client:
                called = client.pages(tool.action.key, bound, limit, cursor=cursor, deadline=deadline)
                async with aclosing(cast(AsyncGenerator[Page, None], called)) as pages:
                    result = await fold_async(_reported(pages, limit, context), tool.action.paging)
            return await asyncio.to_thread(lambda: _said(answer(tool, result, offer)))
        except ConnectorError as error:
            return _said(failure(tool, error, offer), failed=True)

    return Server(
        f"{about.key}-connector",
        version=about.version,
        title=about.label,
        description=about.description,
        instructions=instructions(connector, offer),
        icons=[mcp_types.Icon(src=data_url(connector.icon), mime_type="image/svg+xml")] if connector.icon else None,
        on_list_tools=on_list,
        on_call_tool=on_call,
    )


async def speak(made: Server[Any]) -> None:
    """Serve at standard input and output until the input ends."""
    async with stdio_server() as (incoming, outgoing):
        await made.run(incoming, outgoing, made.create_initialization_options())


def instructions(connector: Connector, offer: ToolFilter) -> str:
    """What a model has to know of all tools."""
    return (
        f"Each tool is one action of {connector.profile.label}; its result is `data`. "
        f"A list gives {LIMIT} items unless `limit` says otherwise; where `cursor` comes back, there is more. "
        "An `error` says what to change (`problems`, `hint`), whether the same call may work later (`retriable`, "
        "`retry_at`), and whether it may have been done all the same (`may_have_been_done`): look before trying again."
    ) + ("" if offer.secrets else " What is secret is shown as ***.")


async def _reported(pages: AsyncIterator[Page], limit: int | None, context: Context) -> AsyncIterator[Page]:
    count = 0
    async for page in pages:
        if page.items is not None:
            count += len(page.items)
            await context.session.report_progress(count, limit, f"{count} items")
        yield page


def _said(content: dict[str, Json], *, failed: bool = False) -> mcp_types.CallToolResult:
    """The same twice: as data, and as text for clients that show only that."""
    text = mcp_types.TextContent(text=json_text.write(content).decode())
    return mcp_types.CallToolResult(content=[text], structured_content=content, is_error=failed)
