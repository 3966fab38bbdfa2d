"""A process that calls through a stored connection: told what to do by lines of JSON, answers in the same way.

`{"calls": 20, "seconds": 10}` calls so often, spread over that time. `{"kill": ["Send", "after"]}` asks for a token in
a child that ends by SIGKILL before or after that step of the renewal.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time

from connector_runtime.connections.connections import Connections
from connector_runtime.connections.oauth_requests import Renewal
from connector_runtime.errors import ConnectorError
from connector_runtime.steps import Steps
from connector_runtime.stores.databases import Sealed, open_store
from zoom_connector import Client, load


def call(connections: Connections, base_url: str, calls: int, seconds: float) -> list[str]:
    said = []
    with Client(load(), connection=connections.open("main"), base_url=base_url) as client:
        for number in range(calls):
            began = time.monotonic()
            try:
                said.append(str(client.run("get-user", {"user_id": "me"}).status))
            except ConnectorError as error:
                said.append(str(error))
            if number < calls - 1:
                time.sleep(max(0.0, seconds / calls - (time.monotonic() - began)))
    return said


def killed(connections: Connections, at: str, when: str) -> str:
    """How a child ended that was to be killed at a step; the store's connections do not survive the fork."""
    child = os.fork()
    if child:
        _, status = os.waitpid(child, 0)
        return f"signal {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else f"exit {os.WEXITSTATUS(status)}"
    original = Renewal.steps

    def watched(renewal: Renewal) -> Steps:
        asked, seen = original(renewal), 0
        proceed, value = asked.send, None
        while True:
            try:
                step = proceed(value)
            except StopIteration:
                return
            name = type(step).__name__
            seen += name == at.partition(" ")[0]
            here = name == at.partition(" ")[0] and seen == int(at.partition(" ")[2] or 1)
            if here and when == "before":
                os.kill(os.getpid(), signal.SIGKILL)
            value = yield step
            if here:
                os.kill(os.getpid(), signal.SIGKILL)

    Renewal.steps = watched  # type: ignore[method-assign]
    try:
        connections.open("main")()
    finally:
        os._exit(7)


def main() -> None:
    url, key, base_url, seconds = sys.argv[1:]
    load().action("get-user")
    store = Sealed(open_store(url), [key])
    connections = Connections(load(), store, "acme", seconds=float(seconds))
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        if "kill" in asked:
            print(json.dumps(killed(connections, *asked["kill"])), flush=True)
        else:
            print(json.dumps(call(connections, base_url, **asked)), flush=True)
    store.close()


if __name__ == "__main__":
    main()
