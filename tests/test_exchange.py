"""One call over time, played as a script of effects: no network, no clock, no mocks."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from plays import Play

from connector_runtime.calls.credentials import Credentials, lay_out
from connector_runtime.calls.exchange import CallTerms, exchange, fold
from connector_runtime.model import Request, Response
from connector_runtime.steps import Send, Token, Wait
from zoom_connector import ApiError, AuthError, Connector, MissingScope, Result, TransportError

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


class Script:
    """Answers effects from a list of responses and keeps what was asked."""

    def __init__(self, connector: Connector, *answers: Any, tokens: tuple[str, ...] = ("one",)) -> None:
        self.connector = connector
        self.answers = list(answers)
        self.tokens = list(tokens)
        self.sent: list[Request] = []
        self.rejected: list[Any] = []
        self.waits: list[float] = []

    def play(self, key: str, inputs: dict[str, Any], limit: int | None = None) -> Result:
        action = self.connector.actions[key]
        plays = Play({Token: self._token, Send: self.answers})
        try:
            return fold(plays(exchange(action, action.bind(inputs), CallTerms(limit=limit))), action.paging)
        finally:
            self.sent = [step.request for step in plays.of(Send)]
            self.rejected = [step.rejected for step in plays.of(Token)]
            self.waits = [step.seconds for step in plays.of(Wait)]

    def _token(self, step: Token) -> Credentials:
        if step.rejected is not None and len(self.tokens) > 1:
            self.tokens.pop(0)
        return lay_out(self.connector.profile, None, {"access_token": self.tokens[0]})


def say(data: Any, status: int = 200, **headers: str) -> Response:
    kind = {"content-type": "application/json"}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(status=status, headers={**kind, **named}, content=json.dumps(data).encode())


def test_a_list_follows_the_token_to_the_end_and_loses_the_keys_about_pages(connector: Connector) -> None:
    script = Script(
        connector,
        say({"users": [{"id": "a"}], "next_page_token": "t1", "page_size": 300, "page_count": 2, "total_records": 2}),
        say({"users": [{"id": "b"}], "next_page_token": "", "page_size": 300, "total_records": 2}, x_last="yes"),
    )
    result = script.play("list-users", {})
    assert result.data == {"users": [{"id": "a"}, {"id": "b"}], "total_records": 2}
    assert result.headers["x-last"] == "yes"
    assert [request.url for request in script.sent] == [
        "https://api.zoom.us/v2/users?page_size=300",
        "https://api.zoom.us/v2/users?page_size=300&next_page_token=t1",
    ]


def test_a_repeated_token_is_an_error_and_no_loop(connector: Connector) -> None:
    pages = [say({"users": [], "next_page_token": token}) for token in ("t1", "t2", "t1")]
    with pytest.raises(ApiError, match="does not end"):
        Script(connector, *pages).play("list-users", {})


def test_webinars_go_by_page_number_where_there_is_no_token(connector: Connector) -> None:
    script = Script(
        connector,
        say({"webinars": [1], "page_number": 1, "page_count": 3}),
        say({"webinars": [2], "page_number": 2, "page_count": 3}),
        say({"webinars": [3], "page_number": 3, "page_count": 3}),
    )
    assert script.play("list-webinars", {"user_id": "me"}).data == {"webinars": [1, 2, 3]}
    assert [request.url.rpartition("?")[2] for request in script.sent] == [
        "page_size=300",
        "page_size=300&page_number=2",
        "page_size=300&page_number=3",
    ]


def test_a_list_that_went_by_token_ends_by_token_whatever_the_page_number_says(connector: Connector) -> None:
    script = Script(
        connector,
        say({"webinars": [1], "next_page_token": "t", "page_number": 1, "page_count": 9}),
        say({"webinars": [2], "next_page_token": "", "page_number": 1, "page_count": 9}),
    )
    assert script.play("list-webinars", {"user_id": "me"}).data == {"webinars": [1, 2]}


def test_a_limit_asks_for_no_page_beyond_it_and_always_for_the_largest_page(connector: Connector) -> None:
    script = Script(connector, say({"users": [1, 2, 3], "next_page_token": "t"}))
    assert script.play("list-users", {}, limit=2).data == {"users": [1, 2]}
    assert script.sent[0].url.endswith("?page_size=300")


def test_a_refused_token_is_asked_for_anew_once_and_the_request_goes_again(connector: Connector) -> None:
    refusal = say({"code": 124, "message": "Access token is expired."}, 401)
    script = Script(connector, refusal, say({"id": "u"}), tokens=("old", "new"))
    assert script.play("get-user", {"user_id": "me"}).data == {"id": "u"}
    assert script.rejected == [None, {"access_token": "old"}]
    assert dict(script.sent[1].headers)["Authorization"] == "Bearer new"


def test_a_token_that_stays_the_same_is_not_tried_twice(connector: Connector) -> None:
    script = Script(connector, say({"code": 124, "message": "Invalid access token."}, 401))
    with pytest.raises(AuthError):
        script.play("get-user", {"user_id": "me"})
    assert len(script.sent) == 1


def test_a_missing_scope_is_named_and_no_new_token_is_asked_for(connector: Connector) -> None:
    text = "Invalid access token, does not contain scopes:[user:read:user, user:read:user:admin]."
    script = Script(connector, say({"code": 4711, "message": text}, 400), tokens=("old", "new"))
    with pytest.raises(MissingScope) as caught:
        script.play("get-user", {"user_id": "me"})
    assert caught.value.hint is not None
    assert "user:read:user, user:read:user:admin" in caught.value.hint
    assert script.rejected == [None]


def test_a_204_gives_an_empty_object(connector: Connector) -> None:
    script = Script(connector, Response(status=204, headers={}, content=b""))
    result = script.play("update-meeting", {"meeting_id": "123", "topic": "x"})
    assert (result.status, result.data) == (204, {})


@pytest.mark.parametrize(
    "answer",
    [
        Response(status=200, headers={"content-type": "text/html"}, content=b"<html>maintenance</html>"),
        Response(status=200, headers={"content-type": "application/json"}, content=b'{"id": "u'),
        Response(status=200, headers={"content-type": "application/json"}, content=b""),
        Response(status=200, headers={}, content=b"\xff\xfe"),
    ],
)
def test_an_answer_that_cannot_be_read_is_a_transport_error(connector: Connector, answer: Response) -> None:
    with pytest.raises(TransportError) as caught:
        Script(connector, answer).play("get-user", {"user_id": "me"})
    assert caught.value.retriable
    assert not caught.value.may_have_been_done


def test_an_unreadable_answer_to_a_create_says_that_it_may_have_been_done(connector: Connector) -> None:
    answer = Response(status=201, headers={"content-type": "text/html"}, content=b"<html>")
    with pytest.raises(TransportError) as caught:
        Script(connector, answer).play("create-meeting", {"user_id": "me"})
    assert caught.value.may_have_been_done
    assert not caught.value.retriable


def test_a_list_without_its_array_is_empty_with_a_warning(connector: Connector) -> None:
    result = Script(connector, say({"total_records": 0})).play("list-users", {})
    assert result.data == {"users": [], "total_records": 0}
    assert [problem.where for problem in result.warnings] == ["body.users"]


def test_meeting_recordings_come_in_both_arrays_and_are_no_list(connector: Connector) -> None:
    answer = {"id": 1, "recording_files": [{"id": "a"}], "participant_audio_files": [{"id": "b"}]}
    result = Script(connector, say(answer)).play("get-meeting-recordings", {"meeting_id": "123"})
    assert result.data == answer


# -- the retries that a raw request asks for, as the comments of its inputs say ---------------------------------------

LOST = TransportError("No response in time.")
RAW = {"url": "/users", "method": "POST", "file_data": {"f": "content"}}


def test_a_raw_request_is_not_retried_unless_it_asks_for_it(connector: Connector) -> None:
    script = Script(connector, LOST)
    with pytest.raises(TransportError):
        script.play("raw-request", RAW)
    assert len(script.sent) == 1


def test_retries_repeat_the_same_bytes_on_5xx_and_network_errors_with_the_delay(connector: Connector) -> None:
    script = Script(connector, LOST, say({}, 503), say({"ok": True}))
    result = script.play("raw-request", {**RAW, "max_retry_count": 3, "retry_delay_ms": 250})
    assert result.data == {"ok": True}
    assert script.waits == [0.25, 0.25]
    assert len({request.content for request in script.sent}) == 1


def test_retries_stop_at_their_count(connector: Connector) -> None:
    script = Script(connector, say({}, 500), say({}, 500), say({}, 500))
    with pytest.raises(ApiError):
        script.play("raw-request", {**RAW, "max_retry_count": 2})
    assert (len(script.sent), script.waits) == (3, [0.0, 0.0])


@pytest.mark.parametrize("status", [301, 400, 404, 429])
def test_other_errors_are_retried_only_with_retry_on_all_errors(connector: Connector, status: int) -> None:
    script = Script(connector, say({}, status))
    with pytest.raises(ApiError):
        script.play("raw-request", {**RAW, "max_retry_count": 1})
    again = Script(connector, say({}, status), say({"ok": True}))
    assert again.play("raw-request", {**RAW, "max_retry_count": 1, "retry_on_all_errors": True}).data == {"ok": True}


def test_exponential_backoff_doubles_and_ignores_the_delay(connector: Connector) -> None:
    script = Script(connector, *[say({}, 500)] * 9)
    inputs = {**RAW, "max_retry_count": 8, "retry_delay_ms": 7, "use_exponential_backoff": True}
    with pytest.raises(ApiError):
        script.play("raw-request", inputs)
    assert script.waits == [1, 2, 4, 8, 16, 32, 60, 60]


def test_a_raw_answer_comes_as_json_text_or_binary(connector: Connector) -> None:
    kind = {"content-type": "text/plain; charset=latin-1", "content-disposition": 'attachment; filename="../a b.txt"'}
    answer = Response(status=200, headers=kind, content="é".encode("latin-1"))
    raw = {"url": "/x", "method": "GET"}
    assert Script(connector, answer).play("raw-request", {**raw, "response_type": "text"}).data == "é"
    assert Script(connector, answer).play("raw-request", {**raw, "response_type": "binary"}).data == {
        "filename": "_a b.txt",
        "content_type": "text/plain; charset=latin-1",
        "base64": "6Q==",
    }
    with pytest.raises(TransportError, match="not JSON"):
        Script(connector, answer).play("raw-request", raw)
    assert Script(connector, say([1])).play("raw-request", raw).data == [1]


def test_the_time_out_of_a_raw_request_is_in_milliseconds_for_one_attempt(connector: Connector) -> None:
    script = Script(connector, say({}))
    script.play("raw-request", {"url": "/x", "method": "GET", "timeout": "2000"})
    assert script.sent[0].call["timeout"] == 2000


@pytest.mark.parametrize(
    ("method", "effect"),
    [
        ("GET", "read"),
        ("HEAD", "read"),
        ("OPTIONS", "read"),
        ("POST", "create"),
        ("PUT", "update"),
        ("PATCH", "update"),
        ("DELETE", "delete"),
    ],
)
def test_what_a_raw_request_may_have_done_follows_from_its_method(
    connector: Connector, method: str, effect: str
) -> None:
    from connector_runtime.calls.render import effect_of

    assert effect_of(connector.actions["raw-request"], method) == effect
    answer = Response(status=200, headers={"content-type": "text/html"}, content=b"<html>")
    with pytest.raises(TransportError) as caught:
        Script(connector, answer).play("raw-request", {"url": "/x", "method": method})
    assert caught.value.may_have_been_done is (effect != "read")
    assert caught.value.retriable is (effect == "read")
    assert "is not JSON (text/html)" in caught.value.message


def test_the_warnings_of_all_pages_and_of_the_inputs_are_kept(connector: Connector) -> None:
    script = Script(connector, say({"users": [1], "next_page_token": "t"}), say({"next_page_token": ""}))
    result = script.play("list-users", {})
    assert [problem.where for problem in result.warnings] == ["body.users"]
    sample = connector.actions["create-meeting"].inputs["tracking_fields"].default
    made = Script(connector, say({"id": 1}, 201)).play("create-meeting", {"user_id": "me", "tracking_fields": sample})
    assert [problem.where for problem in made.warnings] == ["inputs.tracking_fields"]


def test_an_answer_that_is_cut_off_says_so(connector: Connector) -> None:
    cut = Response(status=200, headers={"content-type": "application/json"}, content=b' {"id": "u')
    with pytest.raises(TransportError, match="is cut off"):
        Script(connector, cut).play("get-user", {"user_id": "me"})
    bare = Response(status=200, headers={}, content=b"hello")
    with pytest.raises(TransportError, match="no content type"):
        Script(connector, bare).play("get-user", {"user_id": "me"})


def test_every_attempt_and_page_asks_the_connection_anew_so_that_a_long_list_outlives_its_token(
    connector: Connector,
) -> None:
    script = Script(
        connector,
        say({"users": [1], "next_page_token": "t"}),
        say({"code": 124, "message": "Access token is expired."}, 401),
        say({"users": [2], "next_page_token": ""}),
        tokens=("old", "new"),
    )
    assert script.play("list-users", {}).data == {"users": [1, 2]}
    assert [dict(request.headers)["Authorization"] for request in script.sent] == [
        "Bearer old",
        "Bearer old",
        "Bearer new",
    ]
    assert script.sent[1].url == script.sent[2].url


def test_text_without_a_charset_is_utf_8_and_an_endpoint_given_by_hand_is_named_without_its_ids(
    connector: Connector,
) -> None:
    plain = Response(status=200, headers={"content-type": "text/plain"}, content="é".encode())
    script = Script(connector, plain)
    raw = {"url": "/users/secret@id.example", "method": "GET", "response_type": "text"}
    assert script.play("raw-request", raw).data == "é"
    assert script.sent[0].template == "(raw)"
