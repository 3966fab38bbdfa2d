"""The Zoom connector: actions and triggers declared in YAML, run by `connector_runtime`.

For example:

    from zoom_connector import load
    load().actions["create-meeting"].preview({"user_id": "me", "topic": "Weekly"})
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from connector_runtime.calls.action import Action as Action
    from connector_runtime.calls.files import File as File
    from connector_runtime.client import AsyncClient as AsyncClient, Client as Client
    from connector_runtime.connections.connections import Connections as Connections
    from connector_runtime.definitions.connector import Connector as Connector
    from connector_runtime.downloads.download import Saved as Saved
    from connector_runtime.errors import (
        ApiError as ApiError,
        AuthError as AuthError,
        Conflict as Conflict,
        ConnectorError as ConnectorError,
        DefinitionError as DefinitionError,
        InputError as InputError,
        InternalError as InternalError,
        MissingScope as MissingScope,
        NotFound as NotFound,
        PayloadError as PayloadError,
        PlanRequired as PlanRequired,
        Problem as Problem,
        QuotaReached as QuotaReached,
        RateLimited as RateLimited,
        SignatureError as SignatureError,
        StoreError as StoreError,
        TransportError as TransportError,
        ValidationFailed as ValidationFailed,
    )
    from connector_runtime.model import Choices as Choices, Page as Page, Result as Result
    from connector_runtime.pacing.pacer import Pacer as Pacer
    from connector_runtime.service.app import service as service
    from connector_runtime.steps import Attempt as Attempt
    from connector_runtime.stores.databases import open_store as open_store, open_vault as open_vault
    from connector_runtime.stores.store import Store as Store
    from connector_runtime.transport import Http as Http
    from connector_runtime.triggers.receiver import Pace as Pace, Receiver as Receiver, webhook_app as webhook_app
    from connector_runtime.triggers.webhook import (
        Notification as Notification,
        Trigger as Trigger,
        UrlValidation as UrlValidation,
    )

    from .bundled import load as load

_ERRORS = (
    "ApiError AuthError Conflict ConnectorError DefinitionError InputError InternalError MissingScope NotFound "
    "PayloadError PlanRequired Problem QuotaReached RateLimited SignatureError StoreError TransportError "
    "ValidationFailed"
)
_HOMES = {
    "Action": "connector_runtime.calls.action",
    "AsyncClient": "connector_runtime.client",
    "Attempt": "connector_runtime.steps",
    "Choices": "connector_runtime.model",
    "Client": "connector_runtime.client",
    "File": "connector_runtime.calls.files",
    "Http": "connector_runtime.transport",
    "Connections": "connector_runtime.connections.connections",
    "Connector": "connector_runtime.definitions.connector",
    "Saved": "connector_runtime.downloads.download",
    "Store": "connector_runtime.stores.store",
    "open_store": "connector_runtime.stores.databases",
    "open_vault": "connector_runtime.stores.databases",
    "Notification": "connector_runtime.triggers.webhook",
    "Pace": "connector_runtime.triggers.receiver",
    "Pacer": "connector_runtime.pacing.pacer",
    "Page": "connector_runtime.model",
    "Receiver": "connector_runtime.triggers.receiver",
    "Result": "connector_runtime.model",
    "Trigger": "connector_runtime.triggers.webhook",
    "UrlValidation": "connector_runtime.triggers.webhook",
    "load": "zoom_connector.bundled",
    "service": "connector_runtime.service.app",
    "webhook_app": "connector_runtime.triggers.receiver",
    **dict.fromkeys(_ERRORS.split(), "connector_runtime.errors"),
}
__all__ = ["__version__", *_HOMES]


def __getattr__(name: str) -> Any:
    """Import a public name from its module on first use: a command that lists actions needs no HTTP."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    try:
        return getattr(import_module(_HOMES[name]), name)
    except ModuleNotFoundError as error:
        if name != "service":
            raise
        message = f"{name} needs {error.name}, which is not installed: pip install 'zoom-connector[service]'"
        raise ImportError(message) from None
