"""Shopify: the host from the connection, next URLs that allow no other parameter, complaints by field."""

from __future__ import annotations

from typing import Any

import pytest

from connector_runtime import Client
from connector_runtime.calls import render
from connector_runtime.calls.credentials import lay_out
from connector_runtime.errors import (
    ApiError,
    AuthError,
    InputError,
    MissingScope,
    NotFound,
    PlanRequired,
    Problem,
    RateLimited,
    ValidationFailed,
)

from .conftest import Connect, Enter, example
from .servers import Answer, Shopify

SHOP = {"shop": "your-development-store", "token": Shopify.token}


@pytest.fixture
def shopify(start: Enter[Shopify]) -> Shopify:
    return start(Shopify(orders=620))


@pytest.fixture
def client(shopify: Shopify, connect: Connect) -> Client:
    return connect("shopify", shopify.url, **SHOP)


def _url(**connection: str) -> str:
    action = example("shopify").actions["list-orders"]
    return render.finish(render.draft(action, {}), lay_out(action.profile, None, connection)).url


def test_the_shop_of_the_connection_is_the_host() -> None:
    assert _url(**SHOP) == "https://your-development-store.myshopify.com/admin/api/2026-10/orders.json"


@pytest.mark.parametrize("shop", ["evil.com/", "a.b", "x@evil.com", "evil.com#", "-a", "A", "a b", "a\nb", "%2e"])
def test_a_shop_that_is_no_name_is_refused_before_anything_is_sent(shop: str) -> None:
    with pytest.raises(InputError, match=r"connection\.shop"):
        Client(example("shopify"), connection={**SHOP, "shop": shop})
    with pytest.raises(AuthError):
        _url(**{**SHOP, "shop": shop})


@pytest.mark.parametrize(
    ("connection", "where"),
    [
        ({"token": "shpat_secret_value"}, ["connection.shop"]),
        ({"shop": "your-development-store", "token": " "}, ["connection.token"]),
        ({**SHOP, "shp": "x"}, ["connection.shp"]),
        ({"shop": ["a"], "token": "shpat_secret_value\nX: y"}, ["connection.shop", "connection.token"]),
        ({"shop": True, "token": {"a": 1}}, ["connection.shop", "connection.token"]),
        ({}, ["connection.shop", "connection.token"]),
    ],
)
def test_all_faults_of_a_connection_are_named_at_once_and_no_secret_is(connection: Any, where: list[str]) -> None:
    with pytest.raises(InputError) as caught:
        Client(example("shopify"), connection=connection, base_url="http://127.0.0.1:9")
    assert [problem.where for problem in caught.value.problems] == where
    assert "shpat_secret_value" not in str(caught.value)


def test_blanks_around_a_pasted_value_are_taken_off(shopify: Shopify, connect: Connect) -> None:
    connect("shopify", shopify.url, shop=" a ", token=f"{shopify.token}\r\n").run("list-orders", {}, limit=1)
    assert shopify.last.header("x-shopify-access-token") == shopify.token


def test_a_token_alone_is_not_enough_where_the_connection_needs_more() -> None:
    with pytest.raises(InputError, match=r"connection\.shop"):
        Client(example("shopify"), token="shpat_1")


def test_a_connection_function_that_gives_strange_things_sends_nothing(shopify: Shopify) -> None:
    client = Client(example("shopify"), connection=lambda rejected: {"password": "x"}, base_url=shopify.url)
    with client, pytest.raises(AuthError, match="password"):
        client.run("list-orders", {})
    assert shopify.requests == []


def test_a_page_is_asked_for_with_nothing_but_what_the_link_says(shopify: Shopify, client: Client) -> None:
    data = client.run("list-orders", {"status": "any"}).data
    assert [order["id"] for order in data["orders"]] == [450789469 + n for n in range(620)]
    assert [asked.query for asked in shopify.requests] == [
        "status=any&limit=250",
        "limit=250&page_info=MDAyNTA=",
        "limit=250&page_info=MDA1MDA=",
    ]
    assert {asked.header("x-shopify-access-token") for asked in shopify.requests} == {shopify.token}


def test_a_product_goes_in_its_envelope(shopify: Shopify, client: Client) -> None:
    result = client.run(
        "create-product", {"title": "Burton Custom Freestyle 151", "tags": "Barnes & Noble, John's Fav"}
    )
    assert result.data["product"]["id"] == 1072481063
    assert shopify.last.json() == {
        "product": {"title": "Burton Custom Freestyle 151", "tags": ["Barnes & Noble", "John's Fav"]}
    }


def test_an_object_of_complaints_is_mapped_back_through_the_envelope(client: Client) -> None:
    with pytest.raises(ValidationFailed) as caught:
        client.run("create-product", {"title": "x" * 256})
    assert caught.value.problems == (Problem("inputs.title", "is too long (maximum is 255 characters)"),)
    assert caught.value.message == "Shopify rejected some values. (422 Unprocessable Entity)"


@pytest.mark.parametrize(
    ("status", "errors", "kind"),
    [
        (401, "[API] Invalid API key or access token (unrecognized login or wrong password)", AuthError),
        (402, "This shop is unavailable", PlanRequired),
        (404, "Not Found", NotFound),
        (423, "This shop is locked", PlanRequired),
        (429, "Exceeded 2 calls per second for api client.", RateLimited),
        (406, "Not Acceptable", ApiError),
    ],
)
def test_a_text_of_complaint_is_the_message(
    shopify: Shopify, client: Client, status: int, errors: str, kind: type[ApiError]
) -> None:
    shopify.refuse = Answer({"errors": errors}, status, {"Retry-After": "2.0"})
    with pytest.raises(kind) as caught:
        client.run("list-orders", {})
    assert type(caught.value) is kind
    assert caught.value.message.startswith(errors)
    assert (caught.value.retry_at is not None) is (status == 429)
    assert caught.value.tracking_id == "0c1e9f52-req"


def test_the_missing_scope_is_named(shopify: Shopify, client: Client) -> None:
    why = "[API] This action requires merchant approval for read_orders scope."
    shopify.refuse = Answer({"errors": why}, 403)
    with pytest.raises(MissingScope, match="Add the scope read_orders to the app"):
        client.run("list-orders", {})
