"""A weather service: the key stands in the query of every URL, and is seen by nobody but the vendor."""

from __future__ import annotations

import asyncio
import logging
import socket
import traceback
from collections.abc import Iterator

import httpx
import pytest

from connector_runtime import Client
from connector_runtime.client import AsyncClient
from connector_runtime.errors import (
    ApiError,
    AuthError,
    ConnectorError,
    InputError,
    NotFound,
    RateLimited,
    TransportError,
    ValidationFailed,
)
from connector_runtime.transport import Http

from .conftest import Connect, Enter, example
from .servers import Answer, Weather

KEY = Weather.key


@pytest.fixture
def weather(start: Enter[Weather]) -> Weather:
    return start(Weather())


@pytest.fixture
def client(weather: Weather, connect: Connect) -> Client:
    return connect("weather", weather.url, api_key=KEY)


@pytest.fixture
def log() -> Iterator[list[str]]:
    """Give everything that anything in the process logs at any level, arguments and all."""
    lines: list[str] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(f"{record.name} {record.getMessage()} {record.args!r} {record.__dict__!r}")

    handler, root = Keep(0), logging.getLogger()
    levels = {name: logging.getLogger(name).level for name in ("httpx", "httpcore", "connector_runtime", "asyncio")}
    before = root.level
    root.addHandler(handler)
    root.setLevel(1)
    for name in levels:
        logging.getLogger(name).setLevel(1)
    yield lines
    root.removeHandler(handler)
    root.setLevel(before)
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


def test_the_key_is_sent_in_the_query(weather: Weather, client: Client) -> None:
    assert client.run("current", {"city": "London,uk"}).data["name"] == "London"
    assert weather.last.query == f"q=London%2Cuk&appid={KEY}"


def test_the_key_is_in_no_log_line_at_any_level(weather: Weather, client: Client, log: list[str]) -> None:
    weather.refuse = Answer({"cod": 200}, headers={"Link": f'<{weather.url}/weather?appid={KEY}>; rel="self"'})
    client.run("current", {"city": "London,uk"})
    with pytest.raises(NotFound):
        client.run("current", {"city": "Atlantis"})
    with httpx.Client() as own, at(weather.url, Http(client=own)) as other:
        other.run("current", {"city": "London,uk"})
    seen = "\n".join(log)
    assert "httpcore" in seen
    assert "appid=***" in seen  # the line of a client that was passed in is there, with the key masked
    assert KEY not in seen


def at(url: str, http: Http) -> Client:
    return Client(example("weather"), connection={"api_key": KEY}, base_url=url, http=http)


def test_the_key_is_in_no_log_line_of_asyncio_either(weather: Weather, log: list[str]) -> None:
    async def run() -> None:
        async with AsyncClient(example("weather"), connection={"api_key": KEY}, base_url=weather.url) as client:
            weather.refuse = Answer({"cod": 200}, headers={"X-Asked": f"/weather?appid={KEY}"})
            await client.run("current", {"city": "London,uk"})
        keys = {"api_key": KEY}
        async with httpx.AsyncClient() as own:
            way = Http(client=own)
            async with AsyncClient(example("weather"), connection=keys, base_url=weather.url, http=way) as other:
                await other.run("current", {"city": "London,uk"})

    asyncio.run(run())
    assert "appid=***" in "\n".join(log)
    assert KEY not in "\n".join(log)


def test_logs_of_requests_that_are_not_ours_stay_as_they_are(weather: Weather, log: list[str]) -> None:
    with httpx.Client(verify=False) as other:
        other.get(f"{weather.url}/weather?q=London&appid=theirs-not-ours")
    assert "appid=theirs-not-ours" in "\n".join(log)
    assert "receive_response_headers.complete" in "\n".join(log)


def _shown(error: BaseException) -> str:
    """An error as it reaches logs: its text, its data, its causes and the source lines."""
    chain = traceback.TracebackException.from_exception(error, capture_locals=False, compact=False)
    data = error.to_dict() if isinstance(error, ConnectorError) else None
    return f"{error!s} {error!r} {data!r} {''.join(chain.format())}"


@pytest.mark.parametrize(
    ("refusal", "kind"),
    [
        (Answer({"cod": 401, "message": f"Invalid API key {KEY}"}, 401), AuthError),
        (Answer({"cod": "404", "message": f"no route /weather?q=London&appid={KEY}"}, 404), NotFound),
        (Answer({"cod": 429, "message": "Your account is temporary blocked"}, 429), RateLimited),
        (Answer({"cod": "400", "message": "Nothing to geocode"}, 400), ValidationFailed),
        (Answer({"cod": 500, "message": f"Internal error for {KEY}"}, 500), ApiError),
    ],
)
def test_the_key_is_in_no_error_even_where_the_vendor_repeats_it(
    weather: Weather, client: Client, refusal: Answer, kind: type[ApiError]
) -> None:
    weather.refuse = refusal
    with pytest.raises(kind) as caught:
        client.run("current", {"city": "London"})
    assert type(caught.value) is kind
    assert caught.value.code == refusal.body["cod"]
    assert KEY not in _shown(caught.value)


def test_the_key_is_in_no_error_of_the_transport() -> None:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        client = Client(example("weather"), connection={"api_key": KEY}, base_url=url)
        with client, pytest.raises(TransportError) as caught:
            client.run("current", {"city": "London"})
    assert KEY not in _shown(caught.value)


def test_a_url_that_no_client_can_send_is_an_error_of_ours(weather: Weather, client: Client) -> None:
    with pytest.raises(TransportError, match="Shorten the inputs") as caught:
        client.run("current", {"city": "x" * 70_000})
    assert not caught.value.retriable
    assert KEY not in _shown(caught.value)
    assert weather.requests == []


def test_the_key_is_in_no_repr(weather: Weather, client: Client) -> None:
    from connector_runtime.calls import render
    from connector_runtime.calls.credentials import lay_out

    action = example("weather").actions["current"]
    credentials = lay_out(action.profile, weather.url, {"api_key": KEY})
    request = render.finish(render.draft(action, {"city": "London"}), credentials)
    assert KEY in request.url
    result = client.run("current", {"city": "London"})
    assert KEY not in f"{client!r} {request!r} {result!r} {request.shown}"


@pytest.mark.parametrize("key", ["", "  ", None, 7.5, ["a"], {"a": KEY}])
def test_a_key_that_is_none_is_refused_before_anything_is_sent(weather: Weather, key: object) -> None:
    if key == 7.5:  # a number is a text as far as keys go
        Client(example("weather"), connection={"api_key": key}, base_url=weather.url).close()  # type: ignore[dict-item]
        return
    with pytest.raises(InputError) as caught:
        Client(example("weather"), connection={"api_key": key}, base_url=weather.url)  # type: ignore[dict-item]
    assert [problem.where for problem in caught.value.problems] == ["connection.api_key"]
    assert KEY not in str(caught.value)
    assert weather.requests == []


def test_a_key_is_encoded_in_the_url_and_masked_in_either_spelling(weather: Weather, connect: Connect) -> None:
    odd = "a&b=c/d e"
    weather.refuse = Answer({"cod": 401, "message": "no: a%26b%3Dc%2Fd%20e or a&b=c/d e"}, 401)
    with pytest.raises(AuthError, match=r"no: \*\*\* or \*\*\*"):
        connect("weather", weather.url, api_key=odd).run("current", {"city": "x"})
    assert weather.last.parameters == {"q": "x", "appid": odd}


@pytest.mark.parametrize(
    ("inputs", "says"),
    [
        ({}, "enter 'City' or 'Latitude'"),
        ({"latitude": 1}, "is required together with 'Latitude': enter 'Longitude'"),
        ({"city": "x", "latitude": 1, "longitude": 1}, "enter only one of 'City' and 'Latitude'"),
        ({"latitude": 91, "longitude": 1}, "90"),
    ],
)
def test_a_place_is_a_city_or_two_coordinates(client: Client, inputs: dict[str, object], says: str) -> None:
    with pytest.raises(InputError, match=says):
        client.run("current", inputs)
