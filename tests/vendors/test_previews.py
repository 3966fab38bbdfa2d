"""The request of every example action, word for word as the vendor's documentation shows it."""

from __future__ import annotations

from typing import Any

import pytest

from .conftest import example

VENDORS = ("github", "slack", "stripe", "shopify", "weather")


def headers(vendor: str, **more: str) -> dict[str, str]:
    """What every request carries, with what the vendor asks for; `_` stands for a dash in a name."""
    common = {
        "Accept": "application/json",
        "Accept-Encoding": "gzip, deflate",
        "User-Agent": f"{vendor}-connector/0.1.0",
    }
    return {**common, **{name.replace("_", "-"): value for name, value in more.items()}}


GITHUB = headers(
    "github", Accept="application/vnd.github+json", X_GitHub_Api_Version="2022-11-28", Authorization="Bearer ***"
)
FORM = "application/x-www-form-urlencoded"
SLACK = headers("slack", Authorization="Bearer ***")
STRIPE = headers("stripe", Authorization="Basic ***")
SHOPIFY = headers("shopify", X_Shopify_Access_Token="***")
WEATHER = headers("weather")
HELLO = {"owner": "octocat", "repo": "Hello-World"}
ISSUE = {"title": "Found a bug", "body": "I'm having a problem with this.", "milestone": 1, "labels": ["bug"]}
SNOWBOARD = {
    "title": "Burton Custom Freestyle 151",
    "body_html": "<strong>Good snowboard!</strong>",
    "vendor": "Burton",
    "product_type": "Snowboard",
    "status": "draft",
}
BLOCKS = [{"type": "section", "text": {"type": "plain_text", "text": "Hello world"}}]
ITEMS = [{"price": "price_1MotwRLkdIwHu7ixYcPLm5uZ", "quantity": 2}]

CASES: dict[str, tuple[str, str, dict[str, Any], str, dict[str, str], Any]] = {
    "GitHub lists issues, a hundred a page, under constant headers": (
        "github", "list-issues", {**HELLO, "labels": ["bug", "ui"], "since": "2022-11-28T09:00:00+01:00"},
        "GET https://api.github.com/repos/octocat/Hello-World/issues"
        "?labels=bug%2Cui&since=2022-11-28T08%3A00%3A00Z&per_page=100",
        GITHUB, None,
    ),
    "GitHub's search text is one value of three inputs": (
        "github", "search-issues", {**HELLO, "text": "windows", "sort": "created"},
        "GET https://api.github.com/search/issues"
        "?sort=created&q=repo%3Aoctocat%2FHello-World%20is%3Aissue%20windows&per_page=100",
        GITHUB, None,
    ),
    "GitHub opens an issue": (
        "github", "create-issue", {**HELLO, **ISSUE, "assignees": "octocat"},
        "POST https://api.github.com/repos/octocat/Hello-World/issues",
        {**GITHUB, "Content-Type": "application/json"}, {**ISSUE, "assignees": ["octocat"]},
    ),
    "GitHub closes an issue": (
        "github", "update-issue", {**HELLO, "number": 1347, "state": "closed", "state_reason": "not_planned"},
        "PATCH https://api.github.com/repos/octocat/Hello-World/issues/1347",
        {**GITHUB, "Content-Type": "application/json"}, {"state": "closed", "state_reason": "not_planned"},
    ),
    "Slack takes a form with JSON in one of its fields": (
        "slack", "post-message",
        {"channel": "C123ABC456", "text": "Hello world", "blocks": BLOCKS, "unfurl_links": False},
        "POST https://slack.com/api/chat.postMessage",
        {**SLACK, "Content-Type": FORM},
        {
            "channel": "C123ABC456",
            "text": "Hello world",
            "blocks": '[{"type":"section","text":{"type":"plain_text","text":"Hello world"}}]',
            "unfurl_links": False,
        },
    ),
    "Slack takes the types of channels as one text": (
        "slack", "list-channels", {"types": ["public_channel", "private_channel"], "exclude_archived": True},
        "GET https://slack.com/api/conversations.list"
        "?types=public_channel%2Cprivate_channel&exclude_archived=true&limit=200",
        SLACK, None,
    ),
    "Stripe's form has nested fields, and a create has an idempotency key": (
        "stripe", "create-customer",
        {"name": "Jenny Rosen", "email": "jennyrosen@example.com", "city": "Berlin", "metadata": {"order_id": "6735"}},
        "POST https://api.stripe.com/v1/customers",
        {**STRIPE, "Content-Type": FORM, "Idempotency-Key": "***"},
        {
            "name": "Jenny Rosen",
            "email": "jennyrosen@example.com",
            "address": {"city": "Berlin"},
            "metadata": {"order_id": "6735"},
        },
    ),
    "Stripe's lists of objects stay as they are": (
        "stripe", "create-checkout-session",
        {"mode": "payment", "success_url": "https://example.com/success", "line_items": ITEMS},
        "POST https://api.stripe.com/v1/checkout/sessions",
        {**STRIPE, "Content-Type": FORM, "Idempotency-Key": "***"},
        {"mode": "payment", "success_url": "https://example.com/success", "line_items": ITEMS},
    ),
    "Stripe filters by a bracketed parameter": (
        "stripe", "list-customers", {"created_after": 1680893993},
        "GET https://api.stripe.com/v1/customers?created%5Bgt%5D=1680893993&limit=100",
        STRIPE, None,
    ),
    "Shopify's host is the shop's, which a preview does not know": (
        "shopify", "list-orders", {"status": "any"},
        "GET https://{shop}.myshopify.com/admin/api/2026-10/orders.json?status=any&limit=250",
        SHOPIFY, None,
    ),
    "Shopify wants everything in an envelope": (
        "shopify", "create-product", SNOWBOARD,
        "POST https://{shop}.myshopify.com/admin/api/2026-10/products.json",
        {**SHOPIFY, "Content-Type": "application/json"}, {"product": SNOWBOARD},
    ),
    "the weather's key is masked in the URL": (
        "weather", "current", {"city": "London,uk", "units": "metric"},
        "GET https://api.openweathermap.org/data/2.5/weather?q=London%2Cuk&units=metric&appid=***",
        WEATHER, None,
    ),
    "the weather takes coordinates instead of a city": (
        "weather", "current", {"latitude": 44.34, "longitude": 10.99},
        "GET https://api.openweathermap.org/data/2.5/weather?lat=44.34&lon=10.99&appid=***",
        WEATHER, None,
    ),
    "the forecast is asked for by the number of steps": (
        "weather", "forecast", {"city": "London,GB", "steps": 8},
        "GET https://api.openweathermap.org/data/2.5/forecast?q=London%2CGB&cnt=8&appid=***",
        WEATHER, None,
    ),
}  # fmt: skip


@pytest.mark.parametrize("sentence", CASES)
def test_a_preview_is_the_documented_request(sentence: str) -> None:
    vendor, action, inputs, line, expected, body = CASES[sentence]
    method, _, url = line.partition(" ")
    assert example(vendor).actions[action].preview(inputs) == {
        "method": method,
        "url": url,
        "headers": expected,
        "body": body,
        "warnings": [],
    }


@pytest.mark.parametrize("vendor", VENDORS)
def test_an_example_folder_has_no_fault_and_no_python(vendor: str) -> None:
    from .conftest import EXAMPLES

    assert example(vendor).check() == []
    assert {file.suffix for file in (EXAMPLES / vendor).rglob("*") if file.is_file()} == {".yaml"}


@pytest.mark.parametrize("vendor", VENDORS)
def test_every_action_of_an_example_is_previewed_here(vendor: str) -> None:
    assert {action for name, action, *_ in CASES.values() if name == vendor} == set(example(vendor).actions)


def test_clearing_sends_what_the_vendor_takes_for_nothing() -> None:
    update = example("github").actions["update-issue"]
    preview = update.preview({**HELLO, "number": 1347}, clear=["milestone", "labels", "body"])
    assert preview["body"] == {"milestone": None, "labels": [], "body": ""}
