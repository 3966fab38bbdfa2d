"""Actions as tools for a language model: their selection, schemas, calls and output, and the server that offers them.

A tool outputs an object with `data`, or `done` and `changed`, and where they apply, `cursor`, `warnings`, `unexpected`
and `error`. The embedding program lends a client for each call and so chooses the connection. Over stdio, stdout is
reserved for the protocol.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Collection, Iterable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, aclosing
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Any, NamedTuple, cast

import mcp_types
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server

from ..calls.action import Action
from ..calls.exchange import fold_async
from ..client import AsyncClient
from ..definitions.catalogue import data_url, safety
from ..definitions.connector import Connector
from ..definitions.forms import asides_of, form_schema
from ..errors import ConnectorError, InputError, Problem
from ..inputs.bind import BoundInputs, CompiledInputs, bind
from ..language import conditions, json_text, patterns, secrets
from ..language.schema_faults import nearest, schema_faults
from ..language.secrets import SECRET_WORD
from ..model import Choice, Condition, Input, InputTable, Json, Page, Result
from ..types.registry import TYPES

Lend = Callable[[Any], AbstractAsyncContextManager[AsyncClient]]
Context = ServerRequestContext[Any, Any]
LIMIT = 50  # items of a list, unless the model asks for a different number
MAX_LIMIT = 1000
MAX_DEPTH = 64  # levels of nesting that every client can read
MAX_INTEGER = 2**53  # JavaScript rounds larger integers, so they are sent as strings
MAX_LABELS = 30  # an input with more choices does not list them in its description
LARGEST, LARGEST_LIST = 23_000, 20_000  # bytes of a result's data and of its items: four are about one token
EXAMPLES = {"date": "2026-11-01", "datetime": "2026-11-01T09:00:00Z"}
FOR_FORMS = re.compile(r"^\w+ an? value f(?:rom|orm) the \w+ list\b|^.*\bdefault content\b")  # sentences
LEAD = re.compile(r"^(Provide|Enter|Input|Specify) (?=an? |the |one |your |\w+ fields )(an? (\w+ )?value for )?")
OPTIONS = {  # arguments that are not inputs of the action
    "limit": f"Maximum number of items; {LIMIT} if left out.",
    "cursor": "Continues after the result that returned this cursor; repeat the other arguments unchanged.",
    "clear": "Fields to clear; blank strings and null leave a field unchanged.",
    "extra": 'Fields without an argument, by place: {"body.settings.x": true, "query.y": 1}.',
}
OPTION_ROWS = {  # they are read like inputs
    "limit": Input("limit", "Limit", "integer", schema={"minimum": 1, "maximum": MAX_LIMIT}),
    "cursor": Input("cursor", "Cursor", "string"),
    "clear": Input("clear", "Clear", "string", collection="list"),
    "extra": Input("extra", "Extra", "json", schema={"type": "object"}),
}
DROPPED_WORDS = ("format", "pattern", SECRET_WORD)  # schema keywords that could make a client reject a result


class ToolFilter(NamedTuple):
    """Selects the actions to offer. `only` holds patterns for keys (empty: all); with `secrets`, results show secrets.

    With `extra`, tools can set fields of a request that no input reaches.
    """

    only: tuple[str, ...] = ()
    read_only: bool = False
    destructive: bool = False
    secrets: bool = False
    extra: bool = False


class Tool(NamedTuple):
    """One tool. `options` are its arguments that are not inputs; `data` is the schema of its output's `data`."""

    action: Action
    options: tuple[str, ...]
    data: dict[str, Json]
    listed: mcp_types.Tool


def tools(connector: Connector, offer: ToolFilter) -> dict[str, Tool]:
    """Return tools by name, in action order. Raises `InputError` if a pattern matches nothing or no tool is left."""
    patterns = offer.only or ("*",)
    unmatched = [pattern for pattern in patterns if not any(fnmatchcase(key, pattern) for key in connector.actions)]
    if unmatched:
        whats = (f"{pattern!r} matches no action.{nearest(pattern, connector.actions)}" for pattern in unmatched)
        raise InputError.of("mcp", [Problem("--only", what) for what in whats])
    keys = [key for key in connector.actions if any(fnmatchcase(key, pattern) for pattern in patterns)]
    matches = [connector.actions[key] for key in keys]
    offered = {action.key: action for action in matches if withheld(action, offer) is None}
    if not offered:
        raise InputError.of("mcp", [Problem("--only", f"{matches[0].key} {withheld(matches[0], offer)}")])
    by_name: dict[str, Tool] = {}
    for key, action in offered.items():
        options = ("limit", "cursor") if action.paging is not None else ()  # inputs must not use these names
        options = (*options, "clear") if any(row.clear for row in action.inputs.values()) else options
        options = (*options, "extra") if offer.extra else options
        hints = {f"{word}_hint": value for word, value in safety(action.effect).items()}
        hints["destructive_hint"] |= action.effect == "update"  # in the protocol's terms, overwriting destroys
        data = data_schema(action, offer.secrets)
        listed = mcp_types.Tool(
            name=key,
            title=action.label,
            description=_sentences((action.description,)),
            input_schema=_input_schema(action, offered, options),
            output_schema=_output_schema(action, data),
            annotations=mcp_types.ToolAnnotations(title=action.label, open_world_hint=True, **hints),
        )
        by_name[key] = Tool(action, options, data, listed)
    return by_name


def withheld(action: Action, offer: ToolFilter) -> str | None:
    """Return the reason why an action is not offered as a tool, or None if it is."""
    effects = safety(action.effect)
    if offer.read_only and not effects["read_only"]:
        return "is not offered here: the option --read-only allows only read actions"
    if effects["destructive"] and not offer.destructive:
        return "is not offered here: it can destroy data, which requires the option --destructive"
    if offer.only and not any(fnmatchcase(action.key, pattern) for pattern in offer.only):
        return "is not offered here: the option --only leaves it out"
    return None


def _sentences(texts: Iterable[str | None]) -> str:
    return " ".join(text if text.endswith((".", "?", "!")) else f"{text}." for text in texts if text)


def _input_schema(action: Action, offered: Collection[str], options: tuple[str, ...]) -> dict[str, Json]:
    fields: dict[str, Json] = form_schema(action)["properties"]
    clearable = [row.key for row in action.inputs.values() if row.clear]
    schemas = {name: TYPES[row.type].field(row) for name, row in OPTION_ROWS.items()}
    schemas["clear"] = {"type": "array", "items": {"type": "string", "enum": clearable}}
    properties: dict[str, Json] = {}
    for key, field in fields.items():
        description = _sentences(_descriptions(action, action.inputs[key], offered))
        schema = {word: value for word, value in field.items() if word not in ("title", "description")}
        properties[key] = {**schema, **({"description": description} if description else {})}
    properties |= {name: {**schemas[name], "description": OPTIONS[name]} for name in options}
    required = [key for key in fields if action.inputs[key].is_always_needed]
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _descriptions(action: Action, row: Input, offered: Collection[str]) -> Iterator[str | None]:
    parts = (part.strip() for part in re.split(r"(?<=[.!?])\s", row.comments))
    said = " ".join(part for part in parts if not FOR_FORMS.match(part) and "http" not in part[part.rfind(" ") + 1 :])
    yield (said := LEAD.sub("", said))[:1].upper() + said[1:]
    zone = next((key for key in action.inputs if key.replace("_", "") == "timezone"), None)
    if row.type == "datetime" and zone and any(codec.pattern == patterns.MOMENT for codec in row.codecs):
        yield f"2026-11-01T09:00:00 is nine o'clock in `{zone}`; with Z or an offset, `{zone}` does not move the time"
    elif example := EXAMPLES.get(row.type) or (not row.choices and _offered(action, row) and row.example):
        yield f"Such as {example}"
    labels = [f"{choice.value} = {choice.label}" for choice in row.choices if str(choice.value) != choice.label]
    if labels and len(row.choices) <= MAX_LABELS:
        yield ", ".join(labels)
    source = action.profile.choices.get(row.choices_from or "")
    if source is not None and source.action in offered and source.action != action.key:
        yield f"{source.action} lists them"
    if row.required and not row.has_default:
        yield f"Required {_when((*(row.only_when or ()), *row.required))}"
    elif row.required is not None and row.only_when and not row.has_default:
        yield f"Required {_when(row.only_when)}, and used only then"
        return
    if row.only_when:
        yield f"Only {_when(row.only_when)}"
    if action.effect != "update" or row.fills_in:  # otherwise, an update sends nothing and changes nothing
        yield from list(asides_of(row))[-1:]


def _when(parsed: Condition) -> str:
    """Return a condition in words, with keys: `when type is 8 and topic is filled in`."""
    return f"when {conditions.phrase(parsed, {})}"


def _offered(action: Action, row: Input) -> tuple[Choice, ...]:
    """The choices of an input that are part of the definition, whether they restrict it or not."""
    source = action.profile.choices.get(row.choices_from or "")
    return row.choices or (source.choices if source else ())


def _coded(action: Action, row: Input, value: Any) -> Any:
    """The value with codes in place of labels, in lists too: 2 for `monday`. A label shared by several codes stays."""
    choices = _offered(action, row)
    if choices and row.collection == "list" and isinstance(value, str) and value.lstrip()[:1] != "[":
        value = value.split(",")
    if isinstance(value, list):
        return [_coded(action, row._replace(collection=None), each) for each in value]
    text = value.strip().casefold() if isinstance(value, str) else None
    codes = [choice.value for choice in choices if choice.label.casefold() == text]
    return codes[0] if len(codes) == 1 and all(str(each.value).casefold() != text for each in choices) else value


def _spelled(name: str, known: Iterable[str]) -> str:
    """The one known name that differs from this name only in `-` and `_`, if at all; otherwise this name."""
    same = [other for other in known if other.replace("-", "_") == name.replace("-", "_")]
    return same[0] if len(same) == 1 else name


def _named(text: str, rows: Mapping[str, Input]) -> str:
    """The text with inputs' keys in place of their labels, unless two share one: `'to_contact'` for `'To Contact'`."""
    keys: dict[str, str] = {}
    for row in rows.values():
        keys[f"'{row.label}'"] = "" if f"'{row.label}'" in keys else f"'{row.key}'"
    return re.sub("|".join(map(re.escape, keys)) or "(?!)", lambda found: keys[found[0]] or found[0], text)


def _about_arguments(problems: Iterable[Problem], rows: Mapping[str, Input]) -> list[Problem]:
    return [Problem(each.where.removeprefix("inputs."), _named(each.what, rows)) for each in problems]


def call(tool: Tool, arguments: Mapping[str, Any]) -> tuple[BoundInputs, int | None, str | None]:
    """Return the bound inputs, limit and cursor of a tool's arguments. Raises `InputError` with all problems."""
    rows, inputs = tool.action.by_name, {}
    for name, value in arguments.items():
        known = _spelled(name, (*rows, *tool.options))
        key = name if known in arguments else known
        inputs[key] = _coded(tool.action, rows[key], value) if key in rows else value
    options = {name: inputs.pop(name) for name in tool.options if name in inputs}
    problems: list[Problem] = []
    chosen: dict[str, Any] = {}
    bound = BoundInputs({}, ())
    try:
        table = InputTable.of(tool.action.key, tool.action.label, map(OPTION_ROWS.__getitem__, tool.options))
        chosen = bind(CompiledInputs(table), options).values
    except InputError as error:
        problems += [Problem(each.where.removeprefix("inputs."), each.what) for each in error.problems]
    try:
        bound = tool.action.bind(inputs, [name.strip() for name in chosen.get("clear", ())], chosen.get("extra"))
    except InputError as error:
        if not problems:
            raise
        problems += error.problems
    if problems:
        raise InputError.of(tool.action.key, problems)
    return bound, chosen.get("limit", LIMIT) if "limit" in tool.options else None, chosen.get("cursor")


def _output_schema(action: Action, data: dict[str, Json]) -> dict[str, Json]:
    """Return the schema of a tool's output: an object without required properties, because errors must match it."""
    properties: dict[str, Json] = {"data": data}
    if action.effect != "read":
        properties["done"] = {"type": "string", "description": "What was done, if the response has no data."}
        properties["changed"] = {"type": "object", "description": "The new values that were sent, if it has none."}
    if action.paging is not None:
        properties["cursor"] = {"type": "string", "description": "The list has more items: call again with this."}
    properties["warnings"] = {"type": "array", "items": {"type": "string"}}
    properties["unexpected"] = {**ANY, "description": "The data, if it does not have the documented shape."}
    properties["error"] = {"type": "object", "description": "Why the call failed, and what to do."}
    return {"type": "object", "properties": properties}


def data_schema(action: Action, secrets: bool) -> dict[str, Json]:
    """Return the schema of a tool's `data`. Without `secrets`, each secret is a string or null."""
    schema = (action.output or {}).get("schema")
    lenient: dict[str, Json] = _lenient(schema, secrets) if isinstance(schema, Mapping) else {}
    return lenient or ANY


def _lenient(schema: Json, secrets: bool) -> Json:
    if isinstance(schema, list):
        return [_lenient(part, secrets) for part in schema]
    if not isinstance(schema, Mapping):
        return schema
    if schema.get(SECRET_WORD) is True and not secrets:
        return {**_of_types(["string", "null"]), "description": "hidden"}
    lenient: dict[str, Json] = {}
    for word, part in schema.items():
        if word in ("properties", "patternProperties"):
            lenient[word] = {name: _lenient(inner, secrets) for name, inner in part.items()}
        elif word in ("enum", "const", "examples", "default"):
            lenient[word] = part
        elif word == "type" and isinstance(part, list) and "anyOf" not in schema:
            lenient |= _of_types(part)
        elif word not in DROPPED_WORDS:
            lenient[word] = _lenient(part, secrets)
    return lenient


def _of_types(types: list[str]) -> dict[str, Json]:
    """Return the schema of one of several types, for clients that do not support a list of types."""
    return {"anyOf": [{"type": name} for name in types]}


ANY = _of_types(["object", "array", "string", "number", "boolean", "null"])


def answer(tool: Tool, result: Result, offer: ToolFilter, values: Mapping[str, Any] | None = None) -> dict[str, Json]:
    """Return a result in the form of the tool's output schema. Without data, it states what the `values` changed."""
    warnings = [plain(str(warning)) for warning in _about_arguments(result.warnings, tool.action.inputs)]
    if values is not None and not result.data and tool.action.effect != "read":
        return _done(tool.action, values, offer) | ({"warnings": warnings} if warnings else {})
    data = fitted(whole := plain(result.data if offer.secrets else tool.action.hide(result.data)))
    warnings += ["The result was too long: its lists and strings were cut. Ask for less."] if data is not whole else []
    faults = schema_faults(tool.data, data)
    if faults:  # a client would reject this as `data`, although the call succeeded
        where, what = ".".join(map(str, ("data", *faults[0][0]))), faults[0][1]
        warnings.append(f"The response does not have the documented shape: {where} {what}.")
    output: dict[str, Json] = {"unexpected" if faults else "data": data}
    if result.cursor is not None:
        output["cursor"] = result.cursor
    return output | ({"warnings": warnings} if warnings else {})


def _done(action: Action, values: Mapping[str, Any], offer: ToolFilter) -> dict[str, Json]:
    """Return what a call did if its response has no data: the action's summary of its inputs and an update's values."""
    rows = action.inputs
    marks = {key: {SECRET_WORD: True} for key in values if rows[key].type == "secret"}
    shown = values if offer.secrets else secrets.hide(dict(values), {"properties": marks})
    words = {key: next((c.label for c in rows[key].choices if c.value == value), value) for key, value in shown.items()}
    told = re.sub(r"\{(\w+)\}", lambda found: str(words.get(found[1], "")), action.summary or action.label)
    changed = {key: value for key, value in shown.items() if rows[key].to and rows[key].to[0].kind != "path"}
    return {"done": plain(told), **({"changed": fitted(plain(changed))} if action.effect == "update" else {})}


def fitted(data: Json, most: int = 3000) -> Json:
    """Return data that has at most `LARGEST` bytes, by shortening its lists and strings if need be."""
    is_large = most > 0 and len(json_text.write(data)) > LARGEST
    return fitted(_cut(data, most // 3), most // 3) if is_large else data


def _cut(data: Json, most: int) -> Json:
    if isinstance(data, dict):
        return {name[:100]: _cut(part, most) for name, part in [*data.items()][: 10 * most + 5]}
    if isinstance(data, list):
        return [_cut(part, most) for part in data[:most]]
    return data[: 40 * most + 20] if isinstance(data, str) else data


def failure(tool: Tool | None, error: ConnectorError, offer: ToolFilter) -> dict[str, Json]:
    """Return an error as the tool's output, without empty or false fields, but with the data read before it."""
    partial: Result | None = getattr(error, "partial", None)
    rows = tool.action.inputs if tool is not None else {}
    hint, problems = error.hint and _named(error.hint, rows), _about_arguments(error.problems, rows)
    told = error.with_message(_named(error.message, rows), hint=hint, problems=problems).to_dict()
    told |= {"status": None, "tracking_id": None}  # the message includes the status, `_meta` the id
    fields = {name: value for name, value in told.items() if value not in (None, [], False)}
    output = answer(tool, partial, offer) if tool is not None and partial is not None else {}
    return {**output, "error": fitted(plain(fields))}


def plain(value: Json, depth: int = 0) -> Json:
    """Return data that every client reads unchanged: strings for large integers and deep nesting, no surrogates."""
    if isinstance(value, dict | list) and depth >= MAX_DEPTH:
        return json_text.write(value).decode()
    if isinstance(value, dict):
        return {plain(name): plain(part, depth + 1) for name, part in value.items()}
    if isinstance(value, list):
        return [plain(part, depth + 1) for part in value]
    if isinstance(value, int) and abs(value) > MAX_INTEGER:
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
    """Return the MCP server of a connector's tools.

    `lend` takes the HTTP request of a call (None over stdio) and lends the client for it. `deadline` bounds each call,
    in seconds. `aside` runs a function in a thread for a request. Raises `InputError` if the filter leaves no tool.
    """
    profile = connector.profile
    offered = tools(connector, offer)
    tool_list = mcp_types.ListToolsResult(tools=[tool.listed for tool in offered.values()])

    async def on_list(context: Context, params: mcp_types.PaginatedRequestParams | None) -> mcp_types.ListToolsResult:
        return tool_list

    async def on_call(context: Context, params: mcp_types.CallToolRequestParams) -> mcp_types.CallToolResult:
        key, actions = _spelled(params.name, connector.actions), connector.actions
        tool = offered.get(key)
        try:
            if tool is None:
                if key in actions and (why := withheld(actions[key], offer)) is not None:
                    raise InputError(f"{key} {why}.", hint="Tell the person who runs this server.")
                verb = key.replace("_", "-").partition("-")[0]  # an attempt to delete must never become another
                meant = nearest(key, [name for name in offered if name.startswith(f"{verb}-")], least=0.8)
                raise InputError(f"'{key[:100]}' is not a tool here.{meant}", hint="Call only tools on the list.")
            work: Any = call, tool, params.arguments or {}
            reading = asyncio.to_thread(*work) if aside is None else aside(context.request, *work)
            bound, limit, cursor = await reading
            async with lend(context.request) as client:
                unread = client.pages(key, bound, limit, cursor=cursor, deadline=deadline, largest=LARGEST_LIST)
                async with aclosing(cast(AsyncGenerator[Page, None], unread)) as pages:
                    result = await fold_async(_with_progress(pages, limit, context), tool.action.paging)
            return await asyncio.to_thread(lambda: _tool_result(answer(tool, result, offer, bound.values)))
        except ConnectorError as error:
            return _tool_result(failure(tool, error, offer), error)

    return _ToolServer(
        f"{profile.key}-connector",
        version=profile.version,
        title=profile.label,
        description=profile.description,
        instructions=instructions(connector, offer),
        icons=[mcp_types.Icon(src=data_url(connector.icon), mime_type="image/svg+xml")] if connector.icon else None,
        on_list_tools=on_list,
        on_call_tool=on_call,
    )


class _ToolServer(Server[Any]):
    """A server whose instructions end with the time at which they are read; the server's start time would go stale."""

    instructions = property(
        lambda self: f"{self.lasting} When this session began, it was {datetime.now(UTC):%A, %Y-%m-%d, %H:%M} UTC.",
        lambda self, lasting: setattr(self, "lasting", lasting),
    )


async def speak(stdio: Server[Any]) -> None:
    """Serve over standard input and output until the input ends."""
    async with stdio_server() as (incoming, outgoing):
        await stdio.run(incoming, outgoing, stdio.create_initialization_options())


def instructions(connector: Connector, offer: ToolFilter) -> str:
    """Return what a model needs to know about all tools."""
    reasons: dict[str, list[str]] = {}
    for key, action in connector.actions.items():
        if (why := withheld(action, offer)) is not None:
            reasons.setdefault(why.partition(": ")[2], []).append(key)
    missing = (f" Not offered here: {', '.join(keys)} ({why})." for why, keys in reasons.items())
    return (
        f"Each tool is one action of {connector.profile.label}; its result is `data`, or what was `done`. A list "
        f"returns {LIMIT} items unless `limit` says otherwise, and at most about 6,000 tokens; a result with `cursor` "
        "has more. A choice may be given by its label. An `error` says what to change (`problems`, `hint`), whether "
        "the same call may succeed later (`retriable`, `retry_at`), and whether it may have been done "
        "(`may_have_been_done`): if so, check before trying again."
    ) + "".join(["" if offer.secrets else " Secrets are shown as ***.", *missing])


async def _with_progress(pages: AsyncIterator[Page], limit: int | None, context: Context) -> AsyncIterator[Page]:
    count = 0
    async for page in pages:
        if page.items is not None:
            count += len(page.items)
            await context.session.report_progress(count, limit, f"{count} items")
        yield page


def _tool_result(content: dict[str, Json], error: ConnectorError | None = None) -> mcp_types.CallToolResult:
    """Return the content as data and again as text, as the specification asks of tools with an output schema."""
    text, id_ = mcp_types.TextContent(text=json_text.write(content).decode()), getattr(error, "tracking_id", None)
    about: Any = {"is_error": error is not None, "_meta": {"tracking_id": id_} if id_ else None}
    return mcp_types.CallToolResult(content=[text], structured_content=content, **about)
