"""Runs every group of rows and writes the table: `make bench`, or `python -m benchmarks.suite`."""

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

from . import stub_server
from .frame import Row, markdown, summary, table
from .measure import by_group, exit_code, python

GROUPS = (  # modules with `rows(quick)`
    *("stubs", "one_call", "at_once", "lists", "streams", "starts", "growth"),
    *("webhook", "service", "downloads", "pacing", "faults", "trips"),
)
HERE = Path(__file__).parent
VERSIONS = """
import sys
from importlib.metadata import distributions
versions = {each.metadata["Name"].lower().replace("_", "-"): each.version for each in distributions()}
print(*(f"{name} {versions[name]}" for name in sys.argv[1:] if name in versions), sep="\\n")
"""
PACKAGES = "httpx httpx2 httpx-aiohttp requests zoomus dlt airbyte-cdk uvicorn jsonschema fastapi"


def about() -> list[tuple[str, str]]:
    """Return the date, the machine and the versions of a run, as names and values."""
    commands = ([python(rivals), "-c", VERSIONS, *PACKAGES.split()] for rivals in (True, False))
    outputs = [subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout for command in commands]
    versions = ", ".join(dict.fromkeys("".join(outputs).splitlines()))
    return [
        ("date", f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"),
        ("machine", f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"),
        ("load at the start (1, 5, 15 minutes)", ", ".join(f"{load:.1f}" for load in os.getloadavg())),
        ("Python", platform.python_version()),
        ("versions", versions),
        ("stub", f"in {stub_server.kind()}"),
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    quick = "fewer rounds and smaller lists: under two minutes; writes no file"
    parser.add_argument("--quick", action="store_true", help=quick)
    parser.add_argument("--only", choices=GROUPS, action="append", help="only these groups of rows; writes no file")
    options = parser.parse_args()
    facts = about()

    def rows(name: str) -> Iterable[Row]:
        return import_module(f"benchmarks.{name}").rows(options.quick)  # type: ignore[no-any-return]

    measured, broken = by_group(options.only or GROUPS, rows, table)
    print(f"\n{summary(measured)}")
    if not options.only and not options.quick:
        (HERE / "RESULTS.md").write_text(markdown(measured, facts))
        print(f"written: {HERE / 'RESULTS.md'}")
    return exit_code(broken)


if __name__ == "__main__":
    sys.exit(main())
