"""The tools over streamable HTTP, with the service's protection: its gate, API keys, tenants' connections and limits.

A session belongs to the API key that opened it; no tenant can open all sessions. Cross-origin requests are refused.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from typing import Any

from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser, AuthorizationContext
from mcp.server.auth.provider import AccessToken
from mcp.server.streamable_http import StreamableHTTPServerTransport
from mcp.server.streamable_http_manager import StreamableHTTPASGIApp, StreamableHTTPSessionManager
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from ..client import AsyncClient
from ..errors import AuthError
from ..service.gate import SCOPE_KEY, Gate, check_origin, identify
from ..service.problems import ServiceRefusal
from ..service.state import Service
from .tools import ToolFilter, server

PATH = "/mcp"
IDLE = 600.0  # seconds after which an unused session ends
SESSIONS = 1000  # open concurrently
TENANT_SESSIONS = 250  # for one tenant


def app(shared: Service, offer: ToolFilter, connection: str | None) -> Starlette:
    """Return an ASGI app with the tools at `/mcp`. Calls use the tenant's `connection` (None: its only one)."""

    @asynccontextmanager
    async def lend(request: Request) -> AsyncIterator[AsyncClient]:
        try:
            async with shared.lend(request.scope[SCOPE_KEY].tenant, connection) as client:
                yield client
        except ServiceRefusal as refusal:
            raise AuthError(refusal.message, hint=refusal.hint) from None

    async def aside(request: Request, function: Callable[..., Any], *arguments: Any) -> Any:
        return await shared.in_work(request.scope[SCOPE_KEY].tenant, function, *arguments)

    tool_server = server(shared.connector, offer, lend, shared.settings.timeout, aside)
    limits: Any = {"session_idle_timeout": IDLE, "max_sessions": SESSIONS}
    sessions = Sessions(tool_server, max_request_body_size=shared.settings.body, **limits)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with sessions.run(), aclosing(shared):
            yield

    health = Route("/health", JSONResponse({"status": "ok"}), methods=["GET"])
    routes = [*(Route(path, ToolsEndpoint(sessions)) for path in (PATH, f"{PATH}/")), health]
    return Starlette(routes=routes, middleware=[Middleware(Gate, shared)], lifespan=lifespan)


class Sessions(StreamableHTTPSessionManager):
    """The open sessions; one tenant gets at most `TENANT_SESSIONS` of them."""

    def _admit_session(self, requestor: AuthorizationContext | None) -> StreamableHTTPServerTransport | None:
        tenant = requestor and requestor["subject"]
        is_full = sum(owner["subject"] == tenant for owner in self._session_owners.values()) >= TENANT_SESSIONS
        return None if is_full else super()._admit_session(requestor)


class ToolsEndpoint(StreamableHTTPASGIApp):
    """Admits requests from identified callers, and records each request's tenant as its owner."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        check_origin(scope)
        context = await identify(Request(scope))
        owner: Any = {"client_id": context.key or context.tenant, "subject": context.tenant}
        scope["user"] = AuthenticatedUser(AccessToken(token="", scopes=[], **owner))
        await super().__call__(scope, receive, send)
