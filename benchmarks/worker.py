"""Runs contestants in a process: `python -m benchmarks.worker MODULE:FUNCTION [ARGUMENT …]`.

It prints the contestants' names, then runs the one that each line of its input names and prints the result, as JSON.
"""

from __future__ import annotations

import json
import os
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    out = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # some rivals print to stdout
    factory, *arguments = sys.argv[1:]
    module, _, function = factory.partition(":")
    contestants = getattr(import_module(module), function)(*arguments)
    runtime = sys.modules.get("connector_runtime")
    if runtime is not None and ROOT not in Path(str(runtime.__file__)).resolve().parents:
        raise RuntimeError(f"{runtime.__file__} would be measured, which is outside the tree at {ROOT}")

    def say(value: Any) -> None:
        print(json.dumps(value), file=out, flush=True)

    say(list(contestants))
    for line in sys.stdin:
        say(contestants[line.strip()]())
    os._exit(0)  # skip the rivals' exit handlers and threads


if __name__ == "__main__":
    main()
