"""Each no of a call as the whole error: what happened, what to do, whether to try again, what may have been done."""

from __future__ import annotations

import gzip
import json
from datetime import timedelta
from typing import Any

import httpx
import pytest
from plays import NOON, Play
from told import told, whole

from connector_runtime import transport
from connector_runtime.calls.credentials import Credentials, lay_out
from connector_runtime.calls.exchange import EMPTY_PAGES, CallTerms, Retries, exchange, fold
from connector_runtime.errors import Guard, InternalError
from connector_runtime.model import Request, Response
from connector_runtime.steps import AskPermit, Now, Send, Token
from zoom_connector import Connector, Http, InputError, RateLimited, TransportError

LOOK = "The request was accepted, so the change was probably made. Check before you send it again."
BETWEEN = "Something in between responded, such as a proxy or a firewall. Ask whoever runs the network."
SERVER = "Zoom's server failed"
DOUBT = ", but the change may still have been made. Check in Zoom before you run this again."


def run(connector: Connector, key: str, inputs: dict[str, Any], *answers: Any, **terms: Any) -> Any:
    """Play a call against answers; a turn is what the call is told to wait."""
    action, turns, clock = connector.actions[key], terms.pop("turns", 0.0), terms.pop("clock", NOON)
    given: Credentials = lay_out(connector.profile, None, {"access_token": "t"})
    play = Play({Token: given, Send: list(answers), AskPermit: turns, Now: clock})
    return fold(play(exchange(action, action.bind(inputs), CallTerms(**terms))), action.paging)


def say(data: Any, status: int = 200, kind: str = "application/json", **headers: str) -> Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    content = data if isinstance(data, bytes) else json.dumps(data).encode()
    return Response(status=status, headers={"content-type": kind, **named}, content=content)


ME, MEETING = {"user_id": "me"}, {"user_id": "me", "topic": "x"}


@pytest.mark.parametrize(
    ("answer", "what"),
    [
        (say(b"<html>", kind="text/html; charset=x"), "The response (200) is not JSON (text/html)."),
        (say(b"<p>", kind="x" * 70), f"The response (200) is not JSON ({'x' * 60})."),
        (Response(200, {}, b"<"), "The response (200) is not JSON (no content type)."),
        (say(b' {"id": 1'), "The response (200) is cut off."),
        (say(b"[1"), "The response (200) is cut off."),
        (say(b"1 2"), "The response (200) is not JSON (application/json)."),
    ],
)
def test_an_answer_that_cannot_be_read_says_so_and_what_it_leaves_in_doubt(
    connector: Connector, answer: Response, what: str
) -> None:
    read = told(lambda: run(connector, "get-user", ME, answer))
    page = "html" in what
    assert read == whole("transport", what, BETWEEN if page else None, status=200, retriable=True)
    made = told(lambda: run(connector, "create-meeting", MEETING, answer))
    look = f"{BETWEEN} The change was probably not made. Check before you send it again." if page else LOOK
    assert made == whole("transport", what, look, status=200, may_have_been_done=True)


def test_an_answer_without_a_body_is_empty_only_where_one_was_promised(connector: Connector) -> None:
    empty = whole("transport", "The response (200) is empty.", None, status=200, retriable=True)
    assert told(lambda: run(connector, "get-user", ME, say(b" \n"))) == empty
    assert run(connector, "get-user", ME, Response(200, {}, b"")).data == {}
    assert run(connector, "get-user", ME, Response(204, {"content-type": "application/json"}, b"")).data == {}
    assert run(connector, "create-meeting", MEETING, say(b"", 201)).data == {}
    lists = {**empty, "items_read": 0}
    refused = told(lambda: run(connector, "list-users", {}, Response(200, {}, b"")))
    assert refused.pop("cursor") and refused == {name: said for name, said in lists.items() if name != "cursor"}
    assert run(connector, "list-users", {}, Response(204, {}, b"")).data == {"users": []}


def test_a_list_that_is_none_says_so(connector: Connector) -> None:
    wrong = whole("api", "'users' in the response is not a list.", None, status=200, items_read=0)
    assert told(lambda: run(connector, "list-users", {}, say({"users": {}}))) == wrong


def test_a_list_that_does_not_end_says_where_to_go_on(connector: Connector) -> None:
    again = [say({"users": [{"id": "a"}], "next_page_token": token}) for token in ("t", "u", "t")]
    refused = told(lambda: run(connector, "list-users", {}, *again))
    what = "The list does not end: after 3 items, Zoom pointed to the same next page again."
    hint = "The items read so far are complete. Start the list again."
    assert refused == whole("api", what, hint, status=200, items_read=3, retriable=True)
    empty = [say({"users": [], "next_page_token": f"t{number}"}) for number in range(EMPTY_PAGES + 1)]
    refused = told(lambda: run(connector, "list-users", {}, *empty))
    assert refused.pop("cursor")
    what = f"The list does not end: after 0 items, {EMPTY_PAGES + 1} pages in a row were empty."
    hint = "The items read so far are complete. Continue from the cursor later."
    wanted = whole("api", what, hint, status=200, items_read=0, retriable=True)
    wanted.pop("cursor")
    assert refused == wanted


def test_a_call_whose_time_is_over_sends_nothing_more(connector: Connector) -> None:
    late = iter([NOON, NOON + timedelta(seconds=5)])
    over = told(lambda: run(connector, "get-user", ME, deadline=5, clock=[*late, NOON + timedelta(seconds=6)] * 2))
    assert over == whole(
        "transport", "The time allowed for the call has run out.", "Nothing more was sent.", retriable=True
    )
    paced = type("Paced", (), {"pacer": object()})()
    hint = "Nothing was sent. Try again later, or allow the call more time."
    for deadline, seconds, what in (
        (60, 60.0, "Waiting for Zoom's rate limit would take longer than the time allowed."),
        (None, 900.0, "Waiting for Zoom's rate limit would take longer than the time allowed."),
    ):
        terms = {"account": paced, "deadline": deadline, "turns": seconds}
        refused = told(lambda: run(connector, "get-user", ME, **terms))  # noqa: B023
        at = (NOON + timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")
        assert refused == whole("rate_limit", what, hint, retriable=True, retry_at=at)


@pytest.mark.parametrize(
    ("key", "inputs", "status", "hint", "retriable", "done"),
    [
        ("get-user", ME, 500, f"{SERVER}. Try again later.", True, False),
        ("get-user", ME, 503, f"{SERVER}. Try again later.", True, False),
        ("delete-user", {"user_id": "u"}, 500, f"{SERVER}. Try again later.", True, True),
        ("create-meeting", MEETING, 500, f"{SERVER}{DOUBT}", False, True),
        (
            "get-user",
            ME,
            302,
            "Zoom sent a redirect. Redirects are not followed, because they would carry the token.",
            False,
            False,
        ),
        (
            "get-user",
            ME,
            399,
            "Zoom sent a redirect. Redirects are not followed, because they would carry the token.",
            False,
            False,
        ),
        ("get-user", ME, 418, None, False, False),
    ],
)
def test_a_refusal_without_a_word_is_judged_by_its_status(
    connector: Connector, key: str, inputs: dict[str, Any], status: int, hint: str | None, retriable: bool, done: bool
) -> None:
    refused = told(lambda: run(connector, key, inputs, say({}, status, retry_after="30", x_zm_trackingid="v")))
    phrase = {500: " Internal Server Error", 503: " Service Unavailable", 302: " Found", 418: " I'm a Teapot"}
    message = f"Zoom gave no reason. ({status}{phrase.get(status, '')})"
    at = (NOON + timedelta(seconds=30)).isoformat().replace("+00:00", "Z") if status >= 500 else None
    more = {"status": status, "tracking_id": "v", "retriable": retriable, "may_have_been_done": done, "retry_at": at}
    assert refused == whole("api", message, hint, **more)


def test_a_call_asks_for_retries_of_its_own_or_gets_those_that_are_safe() -> None:
    """docs: without `call.retry.*` what the error says counts; a limit for hours is never waited for."""
    assert Retries.of({}, 4) == Retries(most=4)
    assert Retries.of({"retry.max_count": 2}, 4, keyed=True) == Retries(most=2, own=True)
    every = {"retry.delay_ms": 1500, "retry.on_all_errors": True, "retry.exponential": True}
    assert Retries.of(every, 4) == Retries(most=0, own=True, delay=1.5, all_errors=True, exponential=True)
    lost = TransportError("x", may_have_been_done=True)
    assert Retries(most=1).pause(0, lost, NOON) is None and Retries(most=1, keyed=True).pause(0, lost, NOON) == 0.25
    soon = RateLimited("x", retriable=True, retry_at=NOON + timedelta(seconds=60))
    assert Retries(most=1).pause(0, soon, NOON) == 60 and Retries(most=1).pause(1, soon, NOON) is None
    soon.retry_at = NOON + timedelta(seconds=61)
    assert Retries(most=1).pause(0, soon, NOON) is None
    soon.retry_at = NOON - timedelta(seconds=5)
    assert Retries(most=1).pause(0, soon, NOON + timedelta(milliseconds=500)) == 0.25
    soon.retry_at = None
    assert [Retries(most=9).pause(number, soon, NOON) for number in (0, 1, 5, 6, 7)] == [0.5, 1, 16, 30, 30]
    refused = TransportError("x", status=404)
    assert Retries(most=1, own=True, delay=2.0).pause(0, refused, NOON) == 2.0
    assert Retries(most=1, own=True, exponential=True).pause(0, refused, NOON) == 1.0


# -- HTTP settings -----------------------------------------------------------------------------------------------------


def send(effect: str = "read", **call: Any) -> Send:
    url = "https://api.acme.example/v2/x?key=***"
    return Send(Request("GET", "/x", url, url.replace("***", "secret"), (), None, None, call), effect)


@pytest.mark.parametrize(
    ("error", "what", "is_unsent"),
    [
        (httpx.ConnectTimeout("secret"), "Could not connect to api.acme.example in time.", True),
        (httpx.PoolTimeout("secret"), "Could not connect to api.acme.example in time.", True),
        (httpx.ReadTimeout("secret"), "No response in time.", False),
        (httpx.WriteTimeout("secret"), "No response in time.", False),
        (httpx.ConnectError("refused"), "Could not connect to api.acme.example: refused.", True),
        (
            httpx.LocalProtocolError("secret"),
            "The request cannot be sent: a header contains characters that are not allowed.",
            True,
        ),
        (httpx.ProxyError("secret"), "The proxy refused the connection.", True),
        (httpx.DecodingError("secret"), "The response was cut off or is not HTTP.", False),
        (httpx.RemoteProtocolError("secret"), "The response was cut off or is not HTTP.", False),
        (httpx.ReadError("secret"), "The response was cut off or is not HTTP.", False),
        (httpx.WriteError("secret"), "The request failed (WriteError).", False),
        (httpx.UnsupportedProtocol("secret"), "The request failed (UnsupportedProtocol).", True),
    ],
)
def test_a_request_that_fails_on_its_way_says_whether_it_was_sent(
    error: httpx.HTTPError, what: str, is_unsent: bool
) -> None:
    for effect in ("read", "update", "delete", "create"):

        def fail() -> None:
            with transport.transport_errors(send(effect)):  # noqa: B023
                raise error

        done = effect != "read" and not is_unsent
        hint = (
            "The change may have been made. Check in the vendor before you send it again."
            if done
            else "Nothing was changed; try again."
        )
        retriable = is_unsent or effect != "create"
        assert told(fail) == whole("transport", what, hint, retriable=retriable, may_have_been_done=done)


def test_a_url_that_is_too_long_says_what_to_shorten() -> None:
    def fail() -> None:
        with transport.transport_errors(send()):
            raise httpx.InvalidURL("secret")

    hint = "Shorten the inputs that go into it, or correct the URL."
    assert told(fail) == whole("transport", "The URL is too long, or its host name is invalid.", hint)


@pytest.mark.parametrize("coding", ["", "gzip"])
def test_an_answer_is_as_large_as_it_may_be_and_no_larger(coding: str) -> None:
    """Of a file eight times as much; a refusal is told all the same, without its body."""

    def read(size: int, status: int = 200, **given: Any) -> Response:
        answer = httpx.Response(
            status, headers={"content-encoding": coding} if coding else {}, stream=httpx.ByteStream(b"")
        )
        body = transport._ResponseBody(answer, send(**given), Http(largest=1000))
        content = gzip.compress(b"x" * size) if coding else b"x" * size
        for start in range(0, len(content), 100):
            if not body.add(content[start : start + 100]):
                break
        return body.response()

    assert read(1000).content == b"x" * 1000
    assert read(8000, response_type="binary").content == b"x" * 8000
    raise_it = " If you expect responses this large, raise `largest` in `Http`."
    what, less = "The response (200) is larger than {} bytes.", f"Request less data at once.{raise_it}"
    assert told(lambda: read(1001)) == whole("transport", what.format("1,000"), less, status=200)
    large = told(lambda: read(8001, response_type="binary"))
    assert large == whole("transport", what.format("8,000"), less, status=200)
    look = f"The request was accepted, so the change was probably made. Check before you send it again.{raise_it}"
    done = told(lambda: read(1001, effect="create"))
    assert done == whole("transport", what.format("1,000"), look, status=200, may_have_been_done=True)
    assert read(1001, 300).status == 300 and read(5000, 500).content == b""


def test_a_way_out_is_as_the_documentation_says_and_within_bounds(tmp_path: Any) -> None:
    way = Http()
    assert (way.timeout, way.connect_timeout, way.connections, way.largest) == (30, 10, 100, 16 * 1024 * 1024)
    assert (way.proxy, way.ca, way.log_inputs, way.client) == (None, None, False, None)
    number = "must be a number above 0, and at most {}"
    for given, found in (
        ({"timeout": 0}, [("timeout", number.format("1,000,000"))]),
        ({"timeout": 10**6 + 1}, [("timeout", number.format("1,000,000"))]),
        ({"connect_timeout": "5"}, [("connect_timeout", number.format("1,000,000"))]),
        ({"connections": -1}, [("connections", number.format("1,000,000"))]),
        ({"largest": 10**12 + 1}, [("largest", number.format("1,000,000,000,000"))]),
        ({"ca": "/none.pem"}, [("ca", "'/none.pem' is not a file")]),
        ({"proxy": "socks5://a"}, [("proxy", "must be a URL such as http://proxy.example:8080, or https")]),
    ):
        with pytest.raises(InputError) as caught:
            Http(**given)  # type: ignore[arg-type]
        assert [(problem.where, problem.what) for problem in caught.value.problems] == found
        assert caught.value.message == "One problem with the inputs of the HTTP settings:"
    assert Http(timeout=10**6, connections=1, largest=10**12).largest == 10**12
    assert "secret" not in repr(Http(proxy="http://user:secret@a"))


def test_the_bounds_of_a_request_are_the_smallest_of_all() -> None:
    def bounds(wanted: Send) -> Any:
        return transport.to_httpx(wanted, Http()).extensions["timeout"]

    assert bounds(send()) == {"connect": 10, "read": 30, "write": 30, "pool": 30}
    assert bounds(send(timeout=2500)) == {"connect": 2.5, "read": 2.5, "write": 2.5, "pool": 2.5}
    assert bounds(send().replace(seconds=20.0)) == {"connect": 10, "read": 20, "write": 20, "pool": 20}
    assert bounds(send(timeout=10**12))["read"] == 10**6
    assert str(transport.to_httpx(send(), Http()).url).endswith("key=***")


def test_the_outer_guard_says_what_may_have_been_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Guard, "is_open", False)
    for sent, hint in (
        (True, "The change may have been made. Check in the vendor before you send it again."),
        (False, "Nothing was changed."),
    ):
        with pytest.raises(InternalError) as caught, Guard() as guard:
            guard.sent = sent
            raise ValueError("secret")
        said = caught.value.to_dict()
        assert said.pop("message").startswith("The connector failed (ValueError in ")
        wanted = whole("internal", "", hint, may_have_been_done=sent)
        wanted.pop("message")
        assert said == wanted
    for passes, error in ((True, ValueError), (False, KeyboardInterrupt), (False, TransportError)):
        with pytest.raises(error), Guard(passes=passes):
            raise error("x")
