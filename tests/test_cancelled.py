"""A call that is cancelled at whatever moment leaves nothing behind on which a later one would hang."""

from __future__ import annotations

import asyncio

from zoom_connector import AsyncClient, load
from zoom_connector.sandbox import Sandbox

TURNS = 60  # of the event loop: more than a call takes until its request is on its way


def test_a_call_cancelled_at_any_turn_of_the_loop_leaves_a_connection_that_works_or_none(zoom: Sandbox) -> None:
    async def run() -> int:
        cancelled = 0
        for turns in range(TURNS):
            async with AsyncClient(load(), token=zoom.token, base_url=zoom.base_url, retries=0) as client:
                call = asyncio.create_task(client.run("get-user", {"user_id": "me"}))
                for _ in range(turns):
                    await asyncio.sleep(0)
                call.cancel()
                (came,) = await asyncio.gather(call, return_exceptions=True)
                cancelled += isinstance(came, asyncio.CancelledError)
                again = await client.run("get-user", {"user_id": "me"}, deadline=10)
                assert again.status == 200, turns
        return cancelled

    assert asyncio.run(run()) > 10
