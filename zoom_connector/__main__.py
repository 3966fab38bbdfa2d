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
    return cli.main(
        sys.argv[1:] if arguments is None else arguments,
        _called(),
        load,
        example='create-meeting --user-id me --topic "Weekly sync" --type 2',
        more=COMMANDS,
    )


def _called() -> str:
    """How this program was called, so that the commands it names can be copied."""
    if Path(sys.argv[0]).name != "__main__.py":
        return "zoom-connector"
    python = Path(sys.executable)
    here = Path.cwd()
    return f"{python.relative_to(here) if python.is_relative_to(here) else 'python'} -m zoom_connector"


if __name__ == "__main__":
    raise SystemExit(main())
