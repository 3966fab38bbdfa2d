"""The Zoom connector: actions and triggers declared in YAML, run by `connector_runtime`.

For example:

    from zoom_connector import load
    load().actions["create-meeting"].preview({"user_id": "me", "topic": "Weekly"})

The package also exports all public names of `connector_runtime`; `load` without a folder loads Zoom.
"""

from __future__ import annotations

from typing import Any

__version__ = "0.1.0"
RENAMED = {"Pace": "DeliverySettings", "Saved": "SavedFile", "service": "service_app"}  # old names, for one version


def __getattr__(name: str) -> Any:
    import connector_runtime  # imported late, because the sandbox does not need it

    if name == "load":
        from .bundled import load

        return load
    if name == "__all__":
        return ["__version__", *connector_runtime.__all__]
    if name in RENAMED:
        from warnings import warn

        warn(f"{__name__}.{name} is now called {RENAMED[name]}", DeprecationWarning, stacklevel=2)
    return connector_runtime.public(RENAMED.get(name, name), __name__)


def __dir__() -> list[str]:
    import connector_runtime

    return sorted({"__version__", *dir(connector_runtime)})
