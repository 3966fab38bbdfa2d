"""Each vendor's signature as its documentation shows it, and what an event of it is."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from connector_runtime.errors import PayloadError, SignatureError
from connector_runtime.triggers.webhook import Notification, UrlValidation

from .conftest import example

NOW = 1_531_420_618.0


def digest(secret: str, text: str) -> bytes:
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).digest()


def trigger(vendor: str) -> Any:
    triggers = example(vendor).triggers
    return triggers[next(iter(triggers))]


# GitHub: docs.github.com/webhooks/using-webhooks/validating-webhook-deliveries, "Testing the … payload validation"
GITHUB = {
    "X-Hub-Signature-256": "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17",
    "X-GitHub-Event": "issues",
    "X-GitHub-Delivery": "72d3162e-cc78-11e3-81ab-4c9367dc0958",
}
GITHUB_SECRET = "It's a Secret to Everybody"


def test_the_documented_signature_of_github_holds() -> None:
    trigger("github").verify(b"Hello, World!", GITHUB, GITHUB_SECRET, NOW)
    with pytest.raises(SignatureError):
        trigger("github").verify(b"Hello, World?", GITHUB, GITHUB_SECRET, NOW)
    with pytest.raises(PayloadError):  # signed all the same, and no event
        trigger("github").receive(b"Hello, World!", GITHUB, GITHUB_SECRET, NOW)


def test_an_event_of_github_is_named_by_a_header_and_has_no_time() -> None:
    body = {
        "action": "opened",
        "issue": {"id": 73464126, "number": 2},
        "repository": {"full_name": "octocat/Hello-World"},
    }
    raw = json.dumps(body).encode()
    headers = {**GITHUB, "X-Hub-Signature-256": f"sha256={digest(GITHUB_SECRET, raw.decode()).hex()}"}
    event = trigger("github").receive(raw, headers, GITHUB_SECRET, NOW)
    assert isinstance(event, Notification)
    assert trigger("github").window is None
    assert (event.event, event.account, event.time) == ("issues", "octocat/Hello-World", None)
    assert (event.object, event.repeat) == ("73464126", "72d3162e-cc78-11e3-81ab-4c9367dc0958")
    assert event.payload == body


# Slack: docs.slack.dev/authentication/verifying-requests-from-slack, the worked example
SLACK_SECRET = "8f742231b10e8888abcd99yyyzzz85a5"
SLACK_BODY = (
    b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar"
    b"&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com"
    b"%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121"
    b".803a0bc887a14d10d2c447fce8b6703c"
)
SLACK = {
    "X-Slack-Request-Timestamp": "1531420618",
    "X-Slack-Signature": "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503",
}


def test_the_documented_signature_of_slack_holds_for_five_minutes() -> None:
    trigger("slack").verify(SLACK_BODY, SLACK, SLACK_SECRET, NOW)
    trigger("slack").verify(SLACK_BODY, SLACK, SLACK_SECRET, NOW + 300)
    with pytest.raises(SignatureError):
        trigger("slack").verify(SLACK_BODY, SLACK, SLACK_SECRET, NOW + 301)


def _slack(body: dict[str, Any]) -> Any:
    raw = json.dumps(body).encode()
    signature = f"v0={digest(SLACK_SECRET, f'v0:1531420618:{raw.decode()}').hex()}"
    return trigger("slack").receive(raw, {**SLACK, "X-Slack-Signature": signature}, SLACK_SECRET, NOW)


def test_the_challenge_of_slack_is_echoed() -> None:
    text = "3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P"
    found = _slack({"token": "Jhj5dZrVaK7ZwHHjRyZWjbDl", "challenge": text, "type": "url_verification"})
    assert found == UrlValidation(response={"challenge": text})


def test_an_event_of_slack_is_named_by_what_is_inside_the_envelope() -> None:
    inner = {"type": "app_mention", "ts": "1515449522.000016"}
    found = _slack(
        {
            "type": "event_callback",
            "team_id": "T1H9RESGL",
            "event_id": "Ev08MFMKH6",
            "event_time": 1234567890,
            "event": inner,
        }
    )
    assert (found.event, found.account, found.repeat) == ("app_mention", "T1H9RESGL", "Ev08MFMKH6")
    assert found.time == datetime(2009, 2, 13, 23, 31, 30, tzinfo=UTC)


# Stripe: docs.stripe.com/webhooks/signature, "Verify webhook signatures manually"
STRIPE_SECRET = "whsec_test_secret"
STRIPE_BODY = json.dumps(
    {
        "id": "evt_1",
        "object": "event",
        "created": 1531420618,
        "type": "customer.created",
        "data": {"object": {"id": "cus_1"}},
    }
)


def _stripe(*signatures: str) -> dict[str, str]:
    parts = ["t=1531420618", *signatures, "v0=6ffbb59b2300aae63f272406069a9788598b792a944a07aba816edb039989a39"]
    return {"Stripe-Signature": ",".join(parts)}


def test_the_signature_of_stripe_is_one_part_of_a_header() -> None:
    good = f"v1={digest(STRIPE_SECRET, f'1531420618.{STRIPE_BODY}').hex()}"
    event = trigger("stripe").receive(STRIPE_BODY.encode(), _stripe(good), STRIPE_SECRET, NOW)
    assert (event.event, event.object, event.repeat) == ("customer.created", "cus_1", "evt_1")
    trigger("stripe").verify(STRIPE_BODY.encode(), _stripe(f"v1={'0' * 64}", good), STRIPE_SECRET, NOW)  # while rolling
    for bad in (_stripe(f"v1={'0' * 64}"), _stripe(good.replace("v1", "v0")), _stripe()):
        with pytest.raises(SignatureError):
            trigger("stripe").verify(STRIPE_BODY.encode(), bad, STRIPE_SECRET, NOW)
    with pytest.raises(SignatureError):
        trigger("stripe").verify(STRIPE_BODY.encode(), _stripe(good), STRIPE_SECRET, NOW + 301)


# Shopify: shopify.dev/docs/apps/build/webhooks/verify-deliveries, "Manual verification"
SHOPIFY_BODY = '{"id":820982911946154508,"email":"jon@example.com","note":"ü"}'


def test_the_signature_of_shopify_is_base64() -> None:
    headers = {
        "X-Shopify-Topic": "orders/create",
        "X-Shopify-Shop-Domain": "your-development-store.myshopify.com",
        "X-Shopify-Webhook-Id": "b54557e4-bdd9-4b37-8a5f-bf7d70bcd043",
        "X-Shopify-Triggered-At": "2023-03-29T18:00:27.877041743Z",
        "X-Shopify-Hmac-SHA256": base64.b64encode(digest("hush", SHOPIFY_BODY)).decode(),
    }
    event = trigger("shopify").receive(SHOPIFY_BODY.encode(), headers, "hush", NOW)
    assert (event.event, event.account) == ("orders/create", "your-development-store.myshopify.com")
    assert event.repeat == "b54557e4-bdd9-4b37-8a5f-bf7d70bcd043"
    assert event.object == "820982911946154508"  # above 2**53, so it is a text
    hexed = {**headers, "X-Shopify-Hmac-SHA256": digest("hush", SHOPIFY_BODY).hex()}
    with pytest.raises(SignatureError):
        trigger("shopify").verify(SHOPIFY_BODY.encode(), hexed, "hush", NOW)
