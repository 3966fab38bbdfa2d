"""The command `zoom-connector`, also as `python -m zoom_connector`."""

from __future__ import annotations

import os
import sys

from connector_runtime.commands import cli

from .bundled import load

COMMANDS = {
    "sandbox": cli.Command(
        "sandbox [--port N]",
        "run a Zoom on this machine, to try things without an account",
        "zoom_connector.commands:sandbox",
    ),
    "demo": cli.Command(
        "demo", "watch the actions run, against a sandbox or your account", "zoom_connector.commands:demo"
    ),
}


def main(arguments: list[str] | None = None) -> int:
    """Run a command; returns the exit code."""
    return cli.main(
        sys.argv[1:] if arguments is None else arguments,
        _called(),
        load,
        example='create-meeting --user-id me --topic "Weekly sync" --type 2',
        more=COMMANDS,
    )


def _called() -> str:
    """How this program was called, so that the commands it names can be copied."""
    if os.path.basename(sys.argv[0]) != "__main__.py":
        return "zoom-connector"
    here = os.path.join(os.getcwd(), "")
    python = sys.executable.removeprefix(here) if sys.executable.startswith(here) else "python"
    return f"{python} -m zoom_connector"


if __name__ == "__main__":
    raise SystemExit(main())
