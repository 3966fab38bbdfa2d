"""The Zoom connector: actions and triggers declared in YAML, run by `connector_runtime`.

from zoom_connector import Client, load
load().actions["create-meeting"].preview({"user_id": "me", "topic": "Weekly"})
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from connector_runtime.calls.action import Action as Action
    from connector_runtime.client import AsyncClient as AsyncClient
    from connector_runtime.client import Client as Client
    from connector_runtime.definitions.connector import Connector as Connector
    from connector_runtime.errors import (
        ApiError as ApiError,
    )
    from connector_runtime.errors import (
        AuthError as AuthError,
    )
    from connector_runtime.errors import (
        Conflict as Conflict,
    )
    from connector_runtime.errors import (
        ConnectorError as ConnectorError,
    )
    from connector_runtime.errors import (
        DefinitionError as DefinitionError,
    )
    from connector_runtime.errors import (
        InputError as InputError,
    )
    from connector_runtime.errors import (
        MissingScope as MissingScope,
    )
    from connector_runtime.errors import (
        NotFound as NotFound,
    )
    from connector_runtime.errors import (
        PayloadError as PayloadError,
    )
    from connector_runtime.errors import (
        PlanRequired as PlanRequired,
    )
    from connector_runtime.errors import (
        Problem as Problem,
    )
    from connector_runtime.errors import (
        QuotaReached as QuotaReached,
    )
    from connector_runtime.errors import (
        RateLimited as RateLimited,
    )
    from connector_runtime.errors import (
        SignatureError as SignatureError,
    )
    from connector_runtime.errors import (
        TransportError as TransportError,
    )
    from connector_runtime.errors import (
        ValidationFailed as ValidationFailed,
    )
    from connector_runtime.model import Page as Page
    from connector_runtime.model import Result as Result
    from connector_runtime.triggers.deliver import Pace as Pace
    from connector_runtime.triggers.receiver import Receiver as Receiver
    from connector_runtime.triggers.receiver import webhook_app as webhook_app
    from connector_runtime.triggers.webhook import Notification as Notification
    from connector_runtime.triggers.webhook import Trigger as Trigger
    from connector_runtime.triggers.webhook import UrlValidation as UrlValidation

    from .bundled import load as load

_ERRORS = (
    "ApiError AuthError Conflict ConnectorError DefinitionError InputError MissingScope NotFound PayloadError "
    "PlanRequired Problem QuotaReached RateLimited SignatureError TransportError ValidationFailed"
)
_HOMES = {
    "Action": "connector_runtime.calls.action",
    "AsyncClient": "connector_runtime.client",
    "Client": "connector_runtime.client",
    "Connector": "connector_runtime.definitions.connector",
    "Notification": "connector_runtime.triggers.webhook",
    "Pace": "connector_runtime.triggers.deliver",
    "Page": "connector_runtime.model",
    "Receiver": "connector_runtime.triggers.receiver",
    "Result": "connector_runtime.model",
    "Trigger": "connector_runtime.triggers.webhook",
    "UrlValidation": "connector_runtime.triggers.webhook",
    "load": "zoom_connector.bundled",
    "webhook_app": "connector_runtime.triggers.receiver",
    **dict.fromkeys(_ERRORS.split(), "connector_runtime.errors"),
}
__all__ = ["__version__", *_HOMES]


def __getattr__(name: str) -> Any:
    """Import a public name from its home when it is first used: a command that lists actions needs no HTTP."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
