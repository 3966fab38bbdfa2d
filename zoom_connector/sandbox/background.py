"""Runs a server on an event loop in a separate thread; knows nothing about the server."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")
Act = Callable[[], Coroutine[Any, Any, None]]


class Background:
    """A thread whose event loop runs `start` first and `stop` last; raises the OSError of a failed `start`."""

    def __init__(self, start: Act, stop: Act) -> None:
        self._start = start
        self._stop = stop
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._failure: OSError | None = None
        self._thread = threading.Thread(target=self._serve, name="zoom-sandbox", daemon=True)
        self._thread.start()
        self._ready.wait()
        if self._failure is not None:
            self.end()
            raise self._failure

    def run(self, act: Callable[[], T]) -> T:
        """Call `act` on the loop between two requests, and return its result."""

        async def call() -> T:
            return act()

        return asyncio.run_coroutine_threadsafe(call(), self._loop).result()

    def end(self) -> None:
        """Stop the server and wait for the thread."""
        if self._thread.is_alive() and self._failure is None:
            self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._start())
        except OSError as error:
            self._failure = error
            return
        finally:
            self._ready.set()
        self._loop.run_forever()
        self._loop.run_until_complete(self._stop())
