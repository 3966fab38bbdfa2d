"""Addresses that no request can go to: refused where they are given, and typed where a vendor names them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from connector_runtime.calls.credentials import lay_out
from connector_runtime.calls.exchange import exchange
from connector_runtime.definitions.folders import load
from connector_runtime.language import hosts
from connector_runtime.steps import Send
from connector_runtime.transport import Pool
from zoom_connector import AuthError, Client, Connector, Http, InputError, TransportError
from zoom_connector.sandbox import Sandbox

from .test_retries import Play, say

NOWHERE = [
    "https://a..b.example/v2",
    f"https://{'a' * 64}.example",
    "https://[::1",
    "https://a.example:99999",
    "https://a.example:x",
    "https://a b.example",
    "https://a\0.example",
    "https://",
    "a.example",
]


@pytest.mark.parametrize("url", NOWHERE)
def test_an_address_that_no_request_can_go_to_is_refused_at_once(connector: Connector, url: str) -> None:
    with pytest.raises(InputError, match="base_url: must be a URL"):
        Client(connector, token="t", base_url=url)
    with pytest.raises(InputError, match="proxy: must be a URL"):
        Http(proxy=url)


@pytest.mark.parametrize("url", ["https://a_b.example:8443/v2", "https://bücher.example", "http://u:p%40s@[::1]:80"])
def test_an_address_that_one_can_go_to_is_taken(url: str) -> None:
    assert hosts.parts(url).hostname


@pytest.mark.parametrize("host", ["xn--a.example", "a..example", f"{'a' * 64}.example"])
def test_a_host_that_is_no_name_was_asked_for_nothing(connector: Connector, host: str) -> None:
    action = connector.actions["create-meeting"]
    play = Play(say({"id": 1}))
    [*play(exchange(action, action.bind({"user_id": "me", "topic": "x"})))]
    request = play.sent[0].replace(url=f"https://{host}/v2", shown=f"https://{host}/v2")
    with pytest.raises(TransportError, match="its host name is invalid") as caught:
        Pool().send(Send(request, "create"))
    assert not caught.value.may_have_been_done


@pytest.mark.parametrize("given", [None, [], "x", {"access_token": 5}, {"access_token": None}, {1: "x"}])
def test_a_connection_function_that_gives_no_texts_is_told_so_and_nothing_is_sent(
    make: Any, connector: Connector, zoom: Sandbox, given: Any
) -> None:
    with make(connector, connection=lambda rejected: given, base_url=zoom.base_url) as client:
        before = len(zoom.requests)
        with pytest.raises(AuthError, match="must return a mapping of names to strings"):
            client.run("get-user", {"user_id": "me"})
    assert len(zoom.requests) == before


@pytest.mark.parametrize(
    "url", ["https://[::1", "https://a..zoom.us", "https://api.zoom.us:x", "https://zoom.us.evil.example"]
)
def test_a_token_that_comes_with_an_address_that_is_none_is_refused_in_words(connector: Connector, url: str) -> None:
    with pytest.raises(AuthError, match="The connection leads to"):
        lay_out(connector.profile, None, {"access_token": "t", "api_url": url})


@pytest.mark.parametrize("url", [5, b"https://a.example", ["https://a.example"]])
def test_what_is_no_text_is_no_address(connector: Connector, url: Any) -> None:
    with pytest.raises(InputError, match="base_url: must be a URL"):
        Client(connector, token="t", base_url=url)


def test_certificates_that_are_none_are_refused_and_nothing_was_sent(make: Any, connector: Connector) -> None:
    way = Http(ca=__file__)
    client = make(connector, token="t", base_url="https://localhost:1", http=way)
    with client as caller, pytest.raises(InputError, match="has no readable certificates"):
        caller.run("create-meeting", {"user_id": "me", "topic": "x"})


def test_arguments_of_another_type_are_refused_in_words(make: Any, connector: Connector) -> None:
    with make(connector, token="t", base_url="https://localhost:1") as client:
        for key in (None, 5, []):
            with pytest.raises(InputError, match="is not an action of"):
                client.run(key, {})
        for files, to in ((None, "."), (["x"], "."), ([], None)):
            with pytest.raises(InputError, match="must be files from an action's response"):
                client.download(files, to)
    stripe = load(Path(__file__).parents[1] / "examples" / "stripe")
    with (
        make(stripe, connection={"api_key": "sk_test_1"}) as client,
        pytest.raises(InputError, match="idempotency_key"),
    ):
        client.run("create-customer", {"email": "a@b.example"}, idempotency_key=5)
