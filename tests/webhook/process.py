"""A receiver as a process of its own, for the tests that kill it: `python process.py OPTIONS-AS-JSON`.

Its handler writes `start ID` and `end ID` to a log, and into a table each event it has not seen: one that remembers.
"""

from __future__ import annotations

import json
import os
import resource
import socket
import sqlite3
import sys
import time

import uvicorn

from zoom_connector import DeliverySettings, Notification, load, webhook_app


def main() -> None:
    options = json.loads(sys.argv[1])
    log = os.open(options["log"], os.O_APPEND | os.O_CREAT | os.O_WRONLY)
    effects = sqlite3.connect(options["effects"], isolation_level=None, check_same_thread=False)
    effects.execute("PRAGMA journal_mode = WAL")
    effects.execute("PRAGMA synchronous = OFF")
    effects.execute("CREATE TABLE IF NOT EXISTS effects (event_id TEXT PRIMARY KEY, count INTEGER NOT NULL)")

    async def handler(found: Notification) -> None:
        os.write(log, f"start {found.event_id} {os.getpid()}\n".encode())
        if options.get("sleep"):
            time.sleep(options["sleep"])
        effects.execute("INSERT INTO effects VALUES (?, 1) ON CONFLICT DO NOTHING", (found.event_id,))
        os.write(log, f"end {found.event_id} {os.getpid()}\n".encode())

    app = webhook_app(
        load().triggers["webhook"],
        options["secret"],
        handler,
        store=f"sqlite:///{options['store']}",
        pace=DeliverySettings(lease=options.get("lease", 2.0), poll=0.2, workers=4),
    )
    if "most" in options:  # a disk that is full
        resource.setrlimit(resource.RLIMIT_FSIZE, (options["most"], options["most"]))
    port = socket.create_server(("127.0.0.1", options["port"]), backlog=1024)
    print(port.getsockname()[1], flush=True)
    uvicorn.Server(uvicorn.Config(app, log_level="error", ws="none")).run(sockets=[port])


if __name__ == "__main__":
    main()
