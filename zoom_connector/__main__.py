"""The command `zoom-connector`, also available as `python -m zoom_connector`."""

from __future__ import annotations

import os
import sys

from connector_runtime.commands import cli

from .bundled import load

COMMANDS = {
    "sandbox": cli.Command(
        "sandbox [--port N]",
        "run a simulated Zoom to try things without an account",
        "zoom_connector.commands:sandbox",
    ),
    "demo": cli.Command("demo", "watch actions run against a sandbox or your account", "zoom_connector.commands:demo"),
}


def main(arguments: list[str] | None = None) -> int:
    """Run a command and return its exit code; `arguments` default to those of the process."""
    return cli.main(
        sys.argv[1:] if arguments is None else arguments,
        _program_name(),
        load,
        example='create-meeting --user-id me --topic "Weekly sync" --type 2',
        more=COMMANDS,
    )


def _program_name() -> str:
    """Return the command that started this program, so users can copy commands from messages."""
    if os.path.basename(sys.argv[0]) != "__main__.py":
        return "zoom-connector"
    folder = os.path.join(os.getcwd(), "")
    python = sys.executable.removeprefix(folder) if sys.executable.startswith(folder) else "python"
    return f"{python} -m zoom_connector"


if __name__ == "__main__":
    raise SystemExit(main())
