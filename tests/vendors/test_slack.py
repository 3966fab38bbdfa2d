"""Slack: every refusal a 200, forms with JSON in a field, cursors."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

import pytest

from connector_runtime import Client
from connector_runtime.errors import (
    ApiError,
    AuthError,
    Conflict,
    InputError,
    MissingScope,
    NotFound,
    RateLimited,
    ValidationFailed,
)

from .conftest import Connect, Enter
from .servers import Answer, Slack

MESSAGE = {"channel": "C123ABC456", "text": "Grüße & 100 %"}


@pytest.fixture
def slack(start: Enter[Slack]) -> Slack:
    return start(Slack(channels=450))


@pytest.fixture
def client(slack: Slack, connect: Connect) -> Client:
    return connect("slack", slack.url, bot_token=slack.token)


def test_a_message_is_a_form_whose_blocks_are_json(slack: Slack, client: Client) -> None:
    blocks = [{"type": "section", "text": {"type": "mrkdwn", "text": "*a=b&c*"}}]
    inputs = {**MESSAGE, "blocks": blocks, "unfurl_links": False, "thread_ts": "1503435956.000247"}
    result = client.run("post-message", inputs)
    assert result.data["message"]["blocks"] == blocks
    fields = dict(parse_qsl(slack.last.body.decode(), strict_parsing=True))
    assert json.loads(fields.pop("blocks")) == blocks
    assert fields == {**MESSAGE, "unfurl_links": "false", "thread_ts": "1503435956.000247"}


def test_cursors_lead_through_a_list_until_one_is_empty(slack: Slack, client: Client) -> None:
    data = client.run("list-channels", {}).data
    assert data == {"channels": slack.channels}  # nothing about pages is left
    assert [asked.parameters.get("cursor") for asked in slack.requests] == [
        None,
        "Y2hhbm5lbDoyMDA=",
        "Y2hhbm5lbDo0MDA=",
    ]


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ("channel_not_found", NotFound),
        ("not_in_channel", Conflict),
        ("is_archived", Conflict),
        ("token_revoked", AuthError),
        ("account_inactive", AuthError),
        ("no_text", ValidationFailed),
        ("rate_limited", RateLimited),
        ("fatal_error", ApiError),
    ],
)
def test_a_refusal_inside_a_200_is_the_error_that_it_is(
    slack: Slack, client: Client, error: str, kind: type[ApiError]
) -> None:
    slack.refuse = Answer({"ok": False, "error": error})
    with pytest.raises(kind) as caught:
        client.run("post-message", MESSAGE)
    assert type(caught.value) is kind
    told: dict[str, Any] = caught.value.to_dict()
    assert (told["status"], told["code"]) == (200, error)


def test_the_missing_scope_is_named(client: Client) -> None:
    with pytest.raises(MissingScope) as caught:
        client.run("list-channels", {"types": "private_channel"})
    assert caught.value.hint == "Add the scope groups:read to the Slack app, then install it again."


def test_the_longer_explanation_is_the_message(client: Client) -> None:
    with pytest.raises(
        ValidationFailed, match=r"missing required field: type \[json-pointer:/blocks/0/type\]"
    ) as caught:
        client.run("post-message", {**MESSAGE, "blocks": [{}]})
    assert caught.value.code == "invalid_blocks"


def test_the_rate_limit_of_a_method_says_until_when(slack: Slack, client: Client) -> None:
    stamp = "Tue, 01 Jan 2030 00:00:00 GMT"
    slack.refuse = Answer({"ok": False, "error": "ratelimited"}, 429, {"Retry-After": stamp})
    with pytest.raises(RateLimited) as caught:
        client.run("list-channels", {})
    assert caught.value.retry_at == datetime(2030, 1, 1, tzinfo=UTC)


def test_a_wrong_token_is_a_token_error_though_it_is_a_200(slack: Slack, connect: Connect) -> None:
    with pytest.raises(AuthError, match="Install the app again"):
        connect("slack", slack.url, bot_token="xoxb-wrong").run("list-channels", {})


def test_a_message_of_nothing_is_refused_before_anything_is_sent(slack: Slack, client: Client) -> None:
    with pytest.raises(InputError, match="'Text' or 'Blocks'"):
        client.run("post-message", {"channel": "C123ABC456"})
    assert slack.requests == []
