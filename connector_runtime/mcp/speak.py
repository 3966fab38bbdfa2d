"""The tools spoken over the Model Context Protocol: a server, and it at standard input and output.

A client is lent for each call, so that whoever serves decides whose connection it goes with. Standard output belongs to
the protocol.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, aclosing
from typing import Any, cast

import mcp_types as protocol
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server

from ..calls.exchange import fold_async
from ..client import AsyncClient
from ..definitions import icon
from ..definitions.connector import Connector
from ..errors import ConnectorError
from ..language import json_text
from ..model import Json, Page, Result
from .tools import LIMIT, Call, Offer, Tool, answer, call, failure, tools, unknown

Lend = Callable[[Any], AbstractAsyncContextManager[AsyncClient]]
Context = ServerRequestContext[Any, Any]
logger = logging.getLogger("connector_runtime.mcp")


def server(connector: Connector, offer: Offer, lend: Lend, deadline: float) -> Server[Any]:
    """The server of a connector's tools.

    `lend` is given the HTTP request that a call came with (None at standard input) and lends the client for it;
    `deadline` bounds each call, in seconds. Raises `InputError` if nothing is offered.
    """
    about = connector.profile
    offered = tools(connector, offer)
    listed = protocol.ListToolsResult(tools=[tool.listed for tool in offered.values()])

    async def on_list(context: Context, asked: protocol.PaginatedRequestParams | None) -> protocol.ListToolsResult:
        return listed

    async def on_call(context: Context, asked: protocol.CallToolRequestParams) -> protocol.CallToolResult:
        tool = offered.get(asked.name)
        try:
            if tool is None:
                raise unknown(asked.name, offered, connector.actions, offer)
            given = call(tool, asked.arguments or {})
            async with lend(context.request) as client:
                result = await _run(client, tool, given, deadline, context)
            return _said(answer(tool, result, offer))
        except ConnectorError as error:
            return _said(failure(tool, error, offer), failed=True)

    return Server(
        f"{about.key}-connector",
        version=about.version,
        title=about.label,
        description=about.description,
        instructions=instructions(connector, offer),
        icons=[protocol.Icon(src=icon.data_url(connector.icon), mime_type="image/svg+xml")] if connector.icon else None,
        on_list_tools=on_list,
        on_call_tool=on_call,
    )


async def speak(made: Server[Any]) -> None:
    """Serve at standard input and output until the input ends."""
    async with stdio_server() as (incoming, outgoing):
        await made.run(incoming, outgoing, made.create_initialization_options())


def instructions(connector: Connector, offer: Offer) -> str:
    """What a model has to know of all tools."""
    said = [
        f"Each tool is one action of {connector.profile.label}; its result is `data`.",
        f"A list gives {LIMIT} items unless `limit` says otherwise; where `cursor` comes back, there is more.",
        "An `error` says what to change (`problems`, `hint`), whether the same call may work later (`retriable`, "
        "`retry_at`), and whether it may have been done all the same (`may_have_been_done`): look before trying again.",
        "" if offer.secrets else "What is secret is shown as ***.",
    ]
    return " ".join(text for text in said if text)


async def _run(client: AsyncClient, tool: Tool, asked: Call, deadline: float, context: Context) -> Result:
    """All pages up to the limit as one result; the client hears of each."""
    called = client.pages(tool.action.key, asked.bound, asked.limit, cursor=asked.cursor, deadline=deadline)

    async def reported(pages: AsyncIterator[Page]) -> AsyncIterator[Page]:
        count = 0
        async for page in pages:
            if page.items is not None:
                count += len(page.items)
                await context.session.report_progress(count, asked.limit, f"{count} items")
            yield page

    async with aclosing(cast(AsyncGenerator[Page, None], called)) as pages:
        return await fold_async(reported(pages), tool.action.paging)


def _said(content: dict[str, Json], *, failed: bool = False) -> protocol.CallToolResult:
    """The same twice: as data, and as text for clients that show only that."""
    text = protocol.TextContent(text=json_text.write(content).decode())
    return protocol.CallToolResult(content=[text], structured_content=content, is_error=failed)
