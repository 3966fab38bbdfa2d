"""The pacer under a client against the sandbox, in real time: threads, asyncio, and four processes with one store."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from connector_runtime.errors import NotFound, QuotaReached, RateLimited, RequestError
from connector_runtime.pacing.pacer import Pacer, pacer
from zoom_connector import AsyncClient, Client, load
from zoom_connector.sandbox import Sandbox

ROOT = Path(__file__).parents[2]


def light(zoom: Sandbox) -> list[int]:
    """The refusals of light calls, by phase."""
    return [phase.refused["light"] for phase in zoom.limits.phases]


def test_64_threads_are_never_refused_when_the_limit_drops_to_a_half_and_rises_again() -> None:
    with Sandbox(plan="business") as zoom:
        paced = pacer(load(), plan="business", share=1.0)
        until = time.monotonic() + 3
        with Client(load(), token=zoom.token, base_url=zoom.base_url, pacing=paced, retries=0) as client:

            def work() -> None:
                while (left := until - time.monotonic()) > 0:
                    try:
                        client.run("get-user", {"user_id": "me"}, deadline=left)
                    except RequestError as error:
                        if error.status is None:
                            return  # no turn, or no answer, before the end

            threads = [threading.Thread(target=work) for _ in range(64)]
            for thread in threads:
                thread.start()
            for scale, others in ((0.5, 10.0), (1.0, 40.0)):
                time.sleep(1)
                zoom.limits.change(scale=scale, others={"light": others})
            for thread in threads:
                thread.join()
        assert max(light(zoom)) <= 1
        assert sum(phase.requests["light"] for phase in zoom.limits.phases) > 90  # 80 + 30 + 40 are left


def test_asyncio_takes_turns_too() -> None:
    async def work() -> int:
        paced = Pacer(load().profile.limits)
        async with AsyncClient(load(), token=zoom.token, base_url=zoom.base_url, pacing=paced, retries=0) as client:
            calls = [client.run("get-user", {"user_id": "me"}) for _ in range(100)]
            return len(await asyncio.gather(*calls))

    with Sandbox(plan="business") as zoom:
        assert asyncio.run(work()) == 100
        assert max(light(zoom)) == 0


def test_four_processes_that_share_a_sqlite_file_are_hardly_ever_refused(tmp_path: Path) -> None:
    """In virtual time it is once a change at most; here the machine may stand still for a moment."""
    store = f"sqlite:///{tmp_path}/pacing.db"
    with Sandbox(plan="business") as zoom:
        command = [sys.executable, str(ROOT / "benchmarks/pacing.py"), "--worker", zoom.base_url, zoom.token]
        running = [subprocess.Popen([*command, "16", store, "3", "ours"]) for _ in range(4)]
        while not zoom.limits.phases[-1].requests["light"]:
            time.sleep(0.01)
        time.sleep(1)
        zoom.limits.change(scale=0.5, others={"light": 10.0})
        assert [each.wait() for each in running] == [0, 0, 0, 0]
        assert max(light(zoom)) <= 3
        assert sum(phase.requests["light"] for phase in zoom.limits.phases) > 80


def test_without_a_plan_calls_are_paced_from_the_moment_the_vendor_says_that_little_remains() -> None:
    async def work() -> int:
        async with AsyncClient(load(), token=zoom.token, base_url=zoom.base_url) as client:
            calls = [client.run("get-user", {"user_id": "me"}) for _ in range(200)]
            return len(await asyncio.gather(*calls))

    with Sandbox(plan="business") as zoom:
        assert asyncio.run(work()) == 200
        assert max(light(zoom)) <= 120  # what was on its way by then


def test_without_a_plan_the_vendors_own_word_on_a_quota_is_heeded() -> None:
    with Sandbox(plan="business") as zoom, Client(load(), token=zoom.token, base_url=zoom.base_url) as client:
        given = {"user_id": "me", "type": 2, "registration_type": 1, "approval_type": 0}
        meeting = client.run("create-meeting", given).data["id"]
        person = {"meeting_id": meeting, "email": "jill@example.com", "first_name": "Jill"}
        for _ in range(3):
            client.run("add-meeting-registrant", person)
        for status in (429, None):
            with pytest.raises(QuotaReached) as caught:
                client.run("add-meeting-registrant", person)
            assert caught.value.status == status


def test_a_used_up_quota_is_refused_without_asking_the_vendor() -> None:
    paced = Pacer(load().profile.limits)
    with (
        Sandbox(plan="business") as zoom,
        Client(load(), token=zoom.token, base_url=zoom.base_url, pacing=paced) as client,
    ):
        given = {"user_id": "me", "type": 2, "registration_type": 1, "approval_type": 0}
        meeting = client.run("create-meeting", given).data["id"]
        person = {"meeting_id": meeting, "email": "jill@example.com", "first_name": "Jill"}
        for _ in range(3):
            client.run("add-meeting-registrant", person)
        before = zoom.limits.phases[-1].requests["light"]
        with pytest.raises(QuotaReached) as caught:
            client.run("add-meeting-registrant", person)
        assert caught.value.status is None
        assert zoom.limits.phases[-1].requests["light"] == before


def test_the_vendors_used_up_day_is_met_once() -> None:
    with Sandbox(plan="free") as zoom, Client(load(), token=zoom.token, base_url=zoom.base_url) as client:
        zoom.limits.use_today("light", 6000)
        for status in (429, None):
            with pytest.raises(QuotaReached) as caught:
                client.run("get-user", {"user_id": "me"})
            assert caught.value.status == status
            assert caught.value.retry_at is not None
        assert zoom.limits.phases[-1].requests["light"] == 1


def test_without_a_plan_a_client_paces_from_the_first_refusal_on_and_with_false_never() -> None:
    with Sandbox() as zoom:
        for pacing, woken in ((None, True), (False, False)):
            with Client(load(), token=zoom.token, base_url=zoom.base_url, pacing=pacing, retries=0) as client:
                account = client._session._account
                client.run("get-user", {"user_id": "me"})
                with pytest.raises(NotFound):
                    client.run("get-user", {"user_id": "nobody@example.com"})
                assert account is None or account.pacer is None
                zoom.inject(match="GET /v2/*", status=429, body={"code": 429, "message": "Too many."})
                with pytest.raises(RateLimited, match="Too many"):
                    client.run("get-user", {"user_id": "me"})
                assert (account is not None and account.pacer is not None) is woken


def test_a_deadline_that_the_turn_would_miss_fails_at_once_and_nothing_is_sent() -> None:
    with Sandbox() as zoom:
        paced = Pacer(load().profile.limits, plan="free")
        with Client(load(), token=zoom.token, base_url=zoom.base_url, pacing=paced) as client:
            client.run("get-user", {"user_id": "me"})
            with pytest.raises(RateLimited, match="time allowed"):
                client.run("get-user", {"user_id": "me"}, deadline=0.2)
        assert zoom.limits.phases[-1].requests["light"] == 1


def test_the_phone_has_limits_of_its_own() -> None:
    limits = load().profile.limits
    assert limits.counted_as("get-phone-recordings", "medium") == "phone-medium"
    assert limits.counted_as("list-users", "medium") == "medium"
