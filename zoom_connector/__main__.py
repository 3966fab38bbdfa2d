"""The command `zoom-connector`, also as `python -m zoom_connector`."""

from __future__ import annotations

import sys
from pathlib import Path

from connector_runtime.commands import cli

from .bundled import load

COMMANDS = {
    "sandbox": cli.Command(
        "sandbox [--port N]",
        "run a Zoom on this machine, to try things without an account",
        cli.later("zoom_connector.commands", "sandbox"),
    ),
    "demo": cli.Command(
        "demo", "watch the actions run, against a sandbox or your account", cli.later("zoom_connector.commands", "demo")
    ),
}


def main(arguments: list[str] | None = None) -> int:
    """Run a command; returns the exit code."""
    as_module = Path(sys.argv[0]).name == "__main__.py"
    return cli.main(
        sys.argv[1:] if arguments is None else arguments,
        "python -m zoom_connector" if as_module else "zoom-connector",
        load,
        example='create-meeting --user-id me --topic "Weekly sync" --type 2',
        more=COMMANDS,
    )


if __name__ == "__main__":
    raise SystemExit(main())
