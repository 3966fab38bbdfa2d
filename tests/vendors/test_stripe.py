"""Stripe: nested form fields, Basic with a key, pages by the last id, an idempotency key, complaints in brackets."""

from __future__ import annotations

from urllib.parse import unquote_plus

import pytest
from plays import Play

from connector_runtime import Client
from connector_runtime.calls.credentials import lay_out
from connector_runtime.calls.exchange import exchange
from connector_runtime.errors import (
    ApiError,
    AuthError,
    Conflict,
    InputError,
    MissingScope,
    NotFound,
    Problem,
    RateLimited,
    ValidationFailed,
)
from connector_runtime.model import Response
from connector_runtime.steps import Key, Send, Token

from .conftest import Connect, Enter, example
from .servers import Answer, Stripe


@pytest.fixture
def stripe(start: Enter[Stripe]) -> Stripe:
    return start(Stripe(customers=230))


@pytest.fixture
def client(stripe: Stripe, connect: Connect) -> Client:
    return connect("stripe", stripe.url, api_key=stripe.key)


def test_objects_lists_and_booleans_are_written_as_stripe_reads_them(stripe: Stripe, client: Client) -> None:
    items = [{"price": "price_1", "quantity": 2}, {"price": "price_2", "adjustable_quantity": {"enabled": True}}]
    inputs = {
        "mode": "payment",
        "success_url": "https://example.com/success?a=1&b=2",
        "line_items": items,
        "allow_promotion_codes": False,
        "metadata": {"cart_id": "cart_6943"},
    }
    given = client.run("create-checkout-session", inputs).data["given"]
    assert given == {
        "mode": "payment",
        "success_url": "https://example.com/success?a=1&b=2",
        "line_items": [
            {"price": "price_1", "quantity": "2"},
            {"price": "price_2", "adjustable_quantity": {"enabled": "true"}},
        ],
        "allow_promotion_codes": "false",
        "metadata": {"cart_id": "cart_6943"},
    }
    fields = [unquote_plus(pair.partition("=")[0]) for pair in stripe.last.body.decode().split("&")]
    assert {"line_items[0][price]", "line_items[1][adjustable_quantity][enabled]", "metadata[cart_id]"} <= set(fields)


def test_a_list_of_texts_is_numbered_and_an_empty_one_is_an_empty_field(stripe: Stripe, client: Client) -> None:
    client.run("create-customer", {"name": "Ä", "preferred_locales": ["de", "en"]})
    assert stripe.last.body == b"name=%C3%84&preferred_locales%5B0%5D=de&preferred_locales%5B1%5D=en"
    client.run("create-customer", {"name": "Ä", "preferred_locales": [], "metadata": {}})
    assert sorted(stripe.last.body.split(b"&")) == [b"metadata=", b"name=%C3%84", b"preferred_locales="]


def test_the_key_is_the_user_of_basic_and_its_password_is_empty(stripe: Stripe, client: Client) -> None:
    client.run("list-customers", {}, limit=1)
    # echo -n sk_test_4eC39HqLyjWDarjtT1zdp7dc: | base64
    assert stripe.last.header("authorization") == "Basic c2tfdGVzdF80ZUMzOUhxTHlqV0Rhcmp0VDF6ZHA3ZGM6"
    assert stripe.last.header("stripe-account") == ""


def test_an_optional_part_of_the_connection_is_a_header_of_its_own(stripe: Stripe, connect: Connect) -> None:
    account = "acct_1032D82eZvKYlo2C"
    connect("stripe", stripe.url, api_key=stripe.key, account=account).run("list-customers", {}, limit=1)
    assert stripe.last.header("stripe-account") == account


def test_the_last_id_leads_on_while_there_is_more(stripe: Stripe, client: Client) -> None:
    data = client.run("list-customers", {}).data
    assert data == {"object": "list", "data": stripe.customers}
    assert [asked.parameters.get("starting_after") for asked in stripe.requests] == [None, "cus_0130", "cus_0030"]


def test_a_create_carries_a_key_of_its_own_and_a_read_none(stripe: Stripe, client: Client) -> None:
    client.run("list-customers", {}, limit=1)
    assert stripe.last.header("idempotency-key") == ""
    keys = []
    for _ in range(2):
        client.run("create-customer", {"name": "Jenny Rosen"})
        keys.append(stripe.last.header("idempotency-key"))
    assert len(set(keys)) == 2
    assert all(len(key) == 36 for key in keys)
    assert len(stripe.customers) == 232  # two calls are two customers


def test_all_attempts_of_a_call_carry_the_same_key(stripe: Stripe) -> None:
    """A token that was refused once is the one reason for a second attempt that needs no setting."""
    action = example("stripe").actions["create-customer"]
    tokens = [lay_out(action.profile, stripe.url, {"api_key": key}) for key in ("sk_old_key", "sk_new_key")]
    refused = Response(status=401, headers={}, content=b'{"error": {"message": "Expired API Key provided"}}')
    plays = Play({Token: tokens, Send: [refused, refused], Key: "KG5LxwFBepaKHyUD"})
    with pytest.raises(AuthError):
        list(plays(exchange(action, action.bind({"name": "Jenny Rosen"}))))
    keys = [value for step in plays.of(Send) for name, value in step.request.headers if name == "Idempotency-Key"]
    assert keys == ["KG5LxwFBepaKHyUD"] * 2


@pytest.mark.parametrize(
    ("inputs", "where", "code"),
    [
        ({"email": "nobody"}, "inputs.email", "email_invalid"),
        ({"country": "XX"}, "inputs.country", "country_code_invalid"),
    ],
)
def test_the_one_complaint_is_mapped_back_also_from_brackets(
    client: Client, inputs: dict[str, str], where: str, code: str
) -> None:
    with pytest.raises(ValidationFailed) as caught:
        client.run("create-customer", inputs)
    assert [problem.where for problem in caught.value.problems] == [where]
    assert (caught.value.code, caught.value.tracking_id) == (code, "req_123")


def test_a_complaint_about_a_part_of_a_list_keeps_its_whole_path(stripe: Stripe, client: Client) -> None:
    error = {"code": "resource_missing", "message": "No such price: 'x'", "param": "line_items[0][price]"}
    stripe.refuse = Answer({"error": error}, 400)
    inputs = {"mode": "payment", "success_url": "https://example.com", "line_items": [{"price": "x"}]}
    with pytest.raises(NotFound) as caught:
        client.run("create-checkout-session", inputs)
    assert caught.value.problems == (Problem("inputs.line_items.0.price", "No such price: 'x'"),)


@pytest.mark.parametrize(
    ("status", "error", "kind"),
    [
        (401, {"message": "Invalid API Key provided: sk_test_****"}, AuthError),
        (402, {"type": "card_error", "code": "card_declined", "message": "Your card was declined."}, ApiError),
        (403, {"message": "The provided key does not have the required permissions"}, MissingScope),
        (404, {"code": "resource_missing", "message": "No such customer: 'cus_x'"}, NotFound),
        (409, {"code": "idempotency_key_in_use", "message": "In use"}, Conflict),
        (400, {"type": "idempotency_error", "message": "Keys for idempotent requests"}, Conflict),
        (429, {"code": "lock_timeout", "message": "This object cannot be accessed right now"}, RateLimited),
    ],
)
def test_a_refusal_is_the_error_that_it_is(
    stripe: Stripe, client: Client, status: int, error: dict[str, str], kind: type[ApiError]
) -> None:
    stripe.refuse = Answer({"error": error}, status)
    with pytest.raises(kind) as caught:
        client.run("create-customer", {"name": "x"})
    assert type(caught.value) is kind
    assert caught.value.problems == ()
    assert caught.value.code == error.get("code")


def test_line_items_are_needed_only_where_they_apply(stripe: Stripe, client: Client) -> None:
    with pytest.raises(InputError, match="is required when 'Mode' is payment or subscription: enter 'Line Items'"):
        client.run("create-checkout-session", {"mode": "payment", "success_url": "https://example.com"})
    client.run("create-checkout-session", {"mode": "setup", "success_url": "https://example.com"})
    assert len(stripe.requests) == 1
