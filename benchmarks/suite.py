"""Runs every row beside its rival and writes the table: `make bench`, or `python -m benchmarks.suite`."""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path

from . import stub
from .frame import Row, markdown, summary, table
from .measure import by_group, exit_code, python

GROUPS = (  # each a module with `rows(quick)`
    *("stubs", "one_call", "at_once", "lists", "streams", "starts", "growth"),
    *("webhook", "service", "downloads", "pacing", "faults", "trips"),
)
HERE = Path(__file__).parent
VERSIONS = """
import sys
from importlib.metadata import distributions
found = {each.metadata["Name"].lower().replace("_", "-"): each.version for each in distributions()}
print(*(f"{name} {found[name]}" for name in sys.argv[1:] if name in found), sep="\\n")
"""
PACKAGES = "httpx httpx2 httpx-aiohttp requests orjson zoomus dlt airbyte-cdk uvicorn jsonschema fastapi"


def about() -> list[tuple[str, str]]:
    """What this was measured on, and when."""
    commands = ([python(rivals), "-c", VERSIONS, *PACKAGES.split()] for rivals in (True, False))
    said = [subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout for command in commands]
    versions = ", ".join(dict.fromkeys("".join(said).splitlines()))
    return [
        ("date", f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"),
        ("machine", f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"),
        ("load while it began (1, 5, 15 minutes)", ", ".join(f"{load:.1f}" for load in os.getloadavg())),
        ("Python", platform.python_version()),
        ("versions", versions),
        ("stub", f"in {stub.kind()}"),
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    says = "fewer rounds and smaller lists: under two minutes; nothing is written"
    parser.add_argument("--quick", action="store_true", help=says)
    parser.add_argument("--only", choices=GROUPS, action="append", help="only these groups of rows; nothing is written")
    asked = parser.parse_args()
    known = about()

    def rows(name: str) -> Iterable[Row]:
        return import_module(f"benchmarks.{name}").rows(asked.quick)  # type: ignore[no-any-return]

    found, broken = by_group(asked.only or GROUPS, rows, table)
    print(f"\n{summary(found)}")
    if not asked.only and not asked.quick:
        (HERE / "RESULTS.md").write_text(markdown(found, known))
        print(f"written: {HERE / 'RESULTS.md'}")
    return exit_code(broken)


if __name__ == "__main__":
    sys.exit(main())
