"""`serve` and the sandbox, as two that have never met: a person signs in, events arrive, and the app is removed."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

import httpx

from zoom_connector.sandbox import Sandbox

from .conftest import Command, until

SECRET = "hook-secret"
APP = {"client_id": "sandbox-client", "client_secret": "sandbox-secret"}


def test_a_person_signs_in_over_the_sandbox_and_comes_back_to_the_service(
    command: Callable[..., Command], zoom: Sandbox
) -> None:
    served = command(ZOOM_WEBHOOK_SECRET_TOKEN=SECRET)
    with httpx.Client(trust_env=False, timeout=30) as browser:
        asked = {"kind": "oauth2", "name": "grace", "values": APP}
        page = browser.post(f"{served.url}/v1/connections", json=asked).json()["authorize_url"]
        assert page.startswith(f"{zoom.origin}/oauth/authorize?")
        assert 'name="user"' in browser.get(page).text
        form = {name: values[0] for name, values in parse_qs(urlsplit(page).query).items()}
        assert form["redirect_uri"] == f"{served.url}/v1/oauth/callback"
        form |= {"decision": "allow", "user": "user3@sandbox.example"}
        back = browser.post(f"{zoom.origin}/oauth/authorize", data=form).headers["location"]
        came = browser.get(back)
        assert came.status_code == 200 and "Connected as grace." in came.text
        found = browser.get(f"{served.url}/v1/connections/grace").json()
        assert (found["identity"], found["health"]) == ("user3@sandbox.example", "ready")
        run = {"inputs": {"user_id": "me"}, "connection": "grace"}
        made = browser.post(f"{served.url}/v1/actions/create-meeting/run", json=run).json()
        assert made["data"]["host_email"] == "user3@sandbox.example"
        hook = {"url": f"{served.url}/v1/webhooks/webhook", "secret": SECRET}
        subscribed = browser.post(f"{zoom.origin}/_sandbox/subscriptions", json=hook)
        assert subscribed.status_code == 200, subscribed.text
        zoom.deauthorize(user="user3@sandbox.example")
        assert zoom.hooks.wait_until_idle()
        assert [(sent.event, sent.status) for sent in zoom.hooks.sent] == [("app_deauthorized", 200)]
        again = browser.post(f"{served.url}/v1/actions/create-meeting/run", json=run)
        assert again.status_code == 424, again.text  # ended, or refused by the vendor
        assert until(lambda: browser.get(f"{served.url}/health").status_code == 200)
