"""Serves the demo's page: the HTTP service on loopback, in a thread, with a sandbox as its vendor."""

from __future__ import annotations

import secrets
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from connector_runtime.definitions.connector import Connector
from connector_runtime.service.app import service_app
from connector_runtime.service.settings import ServiceSettings
from connector_runtime.stores.store import MemoryStore

from .sandbox import Sandbox


@contextmanager
def serve_page(connector: Connector, zoom: Sandbox, port: int = 0) -> Iterator[str]:
    """Serve the page on a loopback port (0: any free one) and yield its URL; raise `OSError` if it cannot be opened."""
    secret = secrets.token_urlsafe(16)
    with socket.create_server(("127.0.0.1", port)) as listener:
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # otherwise a reused connection delays each body
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        settings = ServiceSettings(base_url=zoom.base_url, oauth_url=zoom.origin, public_url=url)
        app = service_app(
            connector,
            store=MemoryStore(),
            tenant="demo",
            token=zoom.token,
            settings=settings,
            webhook_secrets={"webhook": secret},
        )
        config = uvicorn.Config(app, log_config=None, access_log=False, ws="none")
        config.timeout_graceful_shutdown = 1  # because the page keeps a long poll open
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="demo-page")
        thread.start()
        try:
            while not server.started and thread.is_alive():
                thread.join(0.02)
            zoom.hooks.subscribe(f"{url}/v1/webhooks/webhook", secret)
            yield url
        finally:
            server.should_exit = True
            thread.join()
