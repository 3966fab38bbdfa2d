"""GitHub: lists by whole next URLs, constant headers, a 403 that is a rate limit, complaints about fields."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from connector_runtime import Client
from connector_runtime.errors import (
    ApiError,
    AuthError,
    InputError,
    MissingScope,
    NotFound,
    Problem,
    RateLimited,
    ValidationFailed,
)

from .conftest import Connect, Enter, example
from .servers import Answer, GitHub

HELLO = {"owner": "octocat", "repo": "Hello-World"}


@pytest.fixture
def github(start: Enter[GitHub]) -> GitHub:
    return start(GitHub(issues=250))


@pytest.fixture
def client(github: GitHub, connect: Connect) -> Client:
    return connect("github", github.url, token=github.token)


def test_a_list_of_three_pages_is_one_bare_array(github: GitHub, client: Client) -> None:
    result = client.run("list-issues", {**HELLO, "state": "all"})
    assert [issue["number"] for issue in result.data] == list(range(1, 251))
    assert [asked.parameters.get("page") for asked in github.requests] == [None, "2", "3"]


def test_the_next_urls_query_is_asked_for_as_it_was_given_at_the_lists_own_path(github: GitHub, client: Client) -> None:
    client.run("list-issues", {**HELLO, "state": "all"})
    assert len(github.requests) == 3
    for asked in github.requests[1:]:
        assert asked.path == "/repos/octocat/Hello-World/issues"
        assert asked.query.startswith("state=all&per_page=100&page=")
        assert asked.header("authorization") == f"Bearer {github.token}"
        assert asked.header("accept") == "application/vnd.github+json"
        assert asked.header("x-github-api-version") == "2022-11-28"


def test_no_page_is_asked_for_beyond_the_limit(github: GitHub, client: Client) -> None:
    assert len(client.run("list-issues", HELLO, limit=3).data) == 3
    assert [asked.parameters["per_page"] for asked in github.requests] == ["100"], (
        "always the largest page, so that a cursor continues in few requests"
    )


def test_a_relative_next_url_is_resolved_against_the_page_that_named_it(github: GitHub, client: Client) -> None:
    github.refuse = Answer(
        [{"number": 0}], headers={"Link": '</repositories/1296269/issues?per_page=100&page=3>; rel="next"'}
    )
    assert [issue["number"] for issue in client.run("list-issues", HELLO).data] == [0, *range(201, 251)]
    github.refuse = Answer([], headers={"Link": '<?page=9>; rel="next"'})
    client.run("list-issues", HELLO)
    assert (github.last.path, github.last.query) == ("/repos/octocat/Hello-World/issues", "page=9")


@pytest.mark.parametrize(
    "url",
    [
        "https://api.github.com/repositories/1/issues?page=2",
        "//evil.example/issues",
        "http://user@127.0.0.1/issues",
        "http://127.0.0.1:1/issues",
        "http://[broken",
    ],
)
def test_a_next_url_on_another_origin_is_never_asked_for(github: GitHub, client: Client, url: str) -> None:
    github.refuse = Answer([], headers={"Link": f'<{url}>; rel="next"'})
    with pytest.raises(ApiError, match=r"another host|not a URL"):
        client.run("list-issues", HELLO)
    assert len(github.requests) == 1


def test_a_list_answered_with_204_is_empty(github: GitHub, client: Client) -> None:
    github.refuse = Answer(status=204)
    assert client.run("list-issues", HELLO).data == []


def test_an_answer_that_is_no_array_is_an_error(github: GitHub, client: Client) -> None:
    github.refuse = Answer({"message": "surprise"})
    with pytest.raises(ApiError, match="The response is not a list"):
        client.run("list-issues", HELLO)


def test_a_search_keeps_the_count_and_finds_by_the_computed_text(github: GitHub, client: Client) -> None:
    data = client.run("search-issues", {**HELLO, "text": "25"}).data
    assert (data["total_count"], len(data["items"])) == (4, 4)
    assert github.last.parameters["q"] == "repo:octocat/Hello-World is:issue 25"


def test_a_fault_in_the_computed_text_names_the_inputs_it_was_made_of(client: Client) -> None:
    with pytest.raises(ValidationFailed) as caught:
        client.run("search-issues", {**HELLO, "repo": "Nowhere", "text": "x"})
    assert [problem.where for problem in caught.value.problems] == ["inputs.owner", "inputs.repo", "inputs.text"]
    assert "cannot be searched" in caught.value.problems[0].what


def test_an_issue_is_created_once_and_without_an_idempotency_key(github: GitHub, client: Client) -> None:
    assert client.run("create-issue", {**HELLO, "title": "Found a bug"}).data["number"] == 251
    assert github.last.json() == {"title": "Found a bug"}
    assert github.last.header("idempotency-key") == ""


def test_a_complaint_is_mapped_back_to_the_input(client: Client) -> None:
    with pytest.raises(ValidationFailed) as caught:
        client.run("create-issue", {**HELLO, "title": "x", "milestone": 99})
    assert caught.value.problems == (Problem("inputs.milestone", "invalid"),)
    assert caught.value.code == "invalid"
    assert caught.value.tracking_id == "1D4E:2F:3A:4B:5C"


def test_a_403_with_nothing_remaining_is_a_rate_limit_until_the_reset(github: GitHub, client: Client) -> None:
    github.remaining = 0
    with pytest.raises(RateLimited) as caught:
        client.run("list-issues", HELLO)
    assert caught.value.status == 403
    assert caught.value.retry_at == datetime(2030, 1, 1, tzinfo=UTC)
    assert caught.value.retriable
    assert "hourly limit" in str(caught.value)


def test_a_secondary_limit_without_a_time_names_none(github: GitHub, client: Client) -> None:
    github.refuse = Answer({"message": "You have exceeded a secondary rate limit."}, 403)
    with pytest.raises(RateLimited) as caught:
        client.run("list-issues", HELLO)
    assert caught.value.retry_at is None
    assert caught.value.hint == "Wait at least a minute."


def test_retry_after_goes_before_the_reset(github: GitHub, client: Client) -> None:
    stamp = "Wed, 01 Jan 2031 00:00:00 GMT"
    github.refuse = Answer({"message": "You have exceeded a secondary rate limit."}, 403, {"Retry-After": stamp})
    with pytest.raises(RateLimited) as caught:
        client.run("list-issues", HELLO)
    assert caught.value.retry_at == datetime(2031, 1, 1, tzinfo=UTC)


def test_another_403_names_the_missing_permission_and_no_time(github: GitHub, client: Client) -> None:
    why = {"message": "Resource not accessible by personal access token"}
    github.refuse = Answer(why, 403, {"X-Accepted-GitHub-Permissions": "issues=write"})
    with pytest.raises(MissingScope) as caught:
        client.run("create-issue", {**HELLO, "title": "x"})
    assert caught.value.hint == "Give the token the permission issues=write."
    assert caught.value.retry_at is None


def test_what_does_not_exist_or_may_not_be_seen_is_not_found(client: Client) -> None:
    with pytest.raises(NotFound, match="the token cannot access it"):
        client.run("update-issue", {**HELLO, "number": 9999, "state": "closed"})


def test_a_wrong_token_is_a_token_error(github: GitHub, connect: Connect) -> None:
    with pytest.raises(AuthError, match="Bad credentials"):
        connect("github", github.url, token="ghp_wrong").run("list-issues", HELLO)


def test_either_kind_of_connection_is_found_by_what_it_gives(github: GitHub, connect: Connect) -> None:
    for given in ({"token": github.token}, {"access_token": github.token}):
        assert len(connect("github", github.url, **given).run("list-issues", HELLO, limit=1).data) == 1
    with Client(example("github"), token=github.token, base_url=github.url) as client:
        assert len(client.run("list-issues", HELLO, limit=1).data) == 1


def test_values_of_two_kinds_are_refused_before_anything_is_sent(github: GitHub, connect: Connect) -> None:
    with pytest.raises(InputError, match=r"connection\.(access_)?token: is not an input of the connection"):
        connect("github", github.url, token="a", access_token="b")
    assert github.requests == []
