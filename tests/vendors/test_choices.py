"""Drop-downs of other vendors: next URLs, cursors, and the last item as the way to the next page."""

from __future__ import annotations

import base64
import json

import pytest

from connector_runtime.errors import InputError

from .conftest import Connect, Enter
from .servers import GitHub, Slack, Stripe

HELLO = {"owner": "octocat", "repo": "Hello-World"}


def test_the_issues_of_the_repository_that_was_filled_in_are_offered_as_numbers(
    start: Enter[GitHub], connect: Connect
) -> None:
    github = start(GitHub(issues=250))
    client = connect("github", github.url, token=github.token)
    first = client.choices("update-issue", "number", HELLO)
    assert (first.choices[0].value, first.choices[0].label) == (1, "#1 Issue 1")
    assert first.choices[0].description == "open"
    rest = client.choices("update-issue", "number", HELLO, cursor=first.cursor, search="issue 200")
    assert [each.value for each in rest.choices] == [200]
    with pytest.raises(InputError) as caught:
        client.choices("update-issue", "number", {"repo": "Hello-World"})
    assert [problem.where for problem in caught.value.problems] == ["inputs.owner"]
    with pytest.raises(InputError) as caught:
        client.choices("update-issue", "number", HELLO, cursor=first.cursor, parameters={"owner": "octocat"})
    assert [problem.where for problem in caught.value.problems] == ["parameters.owner"]


@pytest.mark.parametrize(
    "url", ["https://evil.example/issues", "//evil.example", "http://127.0.0.1:1/", "/../x", "?page=2#/user", "x=\n"]
)
def test_a_cursor_that_was_bent_leads_nowhere_but_on_in_its_list(
    start: Enter[GitHub], connect: Connect, url: str
) -> None:
    github = start(GitHub(issues=250))
    client = connect("github", github.url, token=github.token)
    cursor = client.choices("update-issue", "number", HELLO).cursor
    assert cursor is not None
    said = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    assert [part for part in said if isinstance(part, str) and "=" in part] == ["per_page=100&page=2"]
    bent = base64.urlsafe_b64encode(
        json.dumps([url if isinstance(part, str) and "=" in part else part for part in said]).encode()
    )
    github.requests.clear()
    if url.startswith(("http", "/")):
        with pytest.raises(InputError, match="is not a cursor for this list"):
            client.choices("update-issue", "number", HELLO, cursor=bent.decode().rstrip("="))
        assert github.requests == []
    else:
        client.choices("update-issue", "number", HELLO, cursor=bent.decode().rstrip("="))
        assert {asked.path for asked in github.requests} == {"/repos/octocat/Hello-World/issues"}


def test_channels_are_searched_over_the_pages_of_a_cursor(start: Enter[Slack], connect: Connect) -> None:
    slack = start(Slack(channels=450))
    client = connect("slack", slack.url, bot_token=slack.token)
    found = client.choices("post-message", "channel", search="CHANNEL-449")
    assert [(each.value, each.label) for each in found.choices] == [("C00000449", "channel-449")]
    assert len(slack.requests) == 3
    assert found.cursor is None


def test_customers_without_a_name_are_offered_by_their_id(start: Enter[Stripe], connect: Connect) -> None:
    stripe = start(Stripe(customers=150))
    client = connect("stripe", stripe.url, api_key=stripe.key)
    first = client.choices("create-checkout-session", "customer")
    rest = client.choices("create-checkout-session", "customer", cursor=first.cursor)
    assert (len(first.choices), len(rest.choices), rest.cursor) == (100, 50, None)
    assert first.choices[0].label == first.choices[0].value == "cus_0149"
