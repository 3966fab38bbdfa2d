"""A runtime for connectors declared in YAML. It knows no vendor.

    from connector_runtime import load
    load("some/folder").actions["create-thing"].preview({"name": "x"})

The names below are public; everything else may change without notice. A connector's package re-exports them.
"""

from __future__ import annotations

from typing import Any

HOMES = {  # the modules that define the public names; `make docs` writes `__init__.pyi` and docs/api.md from it
    "definitions.folders": "load",
    "definitions.connector": "Connector Outline",
    "calls.action": "Action",
    "definitions.forms": "editor_schema",
    "client": "Client AsyncClient",
    "session": "ClientOptions CallOptions ChoicesOptions DownloadOptions",
    "transport": "Http",
    "model": "Result Page Choices Choice",
    "calls.files": "File",
    "downloads.download": "SavedFile",
    "steps": "Attempt Permit",
    "pacing.pacer": "Pacer pacer",
    "pacing.permit": "Pacing",
    "connections.connections": "Connections ConnectionSummary CheckResult",
    "connections.oauth": "StoredConnection AsyncStoredConnection Health Authorization",
    "connections.oauth_requests": "App Tokens",
    "connections": "oauth",
    "stores.databases": "open_store open_vault",
    "stores.store": "Store Entry Lease MemoryStore",
    "triggers.webhook": "Trigger Notification UrlValidation",
    "triggers.receiver": "webhook_app Receiver DeliverySettings Reply",
    "service.app": "service_app",
    "service.settings": "ServiceSettings",
    "errors": (
        "ConnectorError DefinitionError InputError RequestError AuthError MissingScope ApiError ValidationFailed "
        "NotFound Conflict PlanRequired RateLimited QuotaReached TransportError InternalError StoreError "
        "SignatureError PayloadError Problem"
    ),
}
_HOME = {name: home for home, names in HOMES.items() for name in names.split()}
__all__ = [name for name in _HOME if name != "service_app"]  # needs the extra `service`


def public(name: str, package: str) -> Any:
    """Import a public name on first use. Raises `AttributeError` if unknown, `ImportError` if an extra is missing."""
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module {package!r} has no attribute {name!r}")
    try:
        return getattr(__import__(f"{__name__}.{home}", fromlist=[name]), name)
    except ModuleNotFoundError as error:
        if (error.name or "").startswith(__name__):
            raise
        extra = home.partition(".")[0]
        raise ImportError(f"{name} needs {error.name}: install the package with the extra {extra!r}") from None


def __getattr__(name: str) -> Any:
    return public(name, __name__)


def __dir__() -> list[str]:
    return sorted([*_HOME, *(name for name in globals() if name.startswith("__"))])
