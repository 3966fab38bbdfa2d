"""What people read over HTTP is in the language they ask for: problems, hints, previews, choices and the page."""

from __future__ import annotations

import importlib.util
import re
import shutil
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from connector_runtime.service.gate import preferred
from zoom_connector.sandbox import Sandbox

from .conftest import Start

GERMAN = [{"headers": {"Accept-Language": "de-AT,de;q=0.9,en;q=0.5"}}, {"params": {"locale": "de"}}]
ASKED = pytest.mark.parametrize("asked", GERMAN, ids=["header", "parameter"])


@pytest.fixture
def local(start: Start, zoom: Sandbox) -> Iterator[httpx.Client]:
    with start(tenant="default", token=zoom.token) as served, served.client() as client:
        yield client


@ASKED
def test_a_problem_is_told_in_the_language_of_the_request(local: httpx.Client, asked: dict[str, Any]) -> None:
    answer = local.post("/v1/actions/get-user/run", json={"inputs": {"user": 1}}, **asked)
    said = answer.json()
    assert answer.status_code == 422
    assert said["title"] == "Einige Eingaben sind ungültig"
    assert said["message"] == "2 Probleme mit den Eingaben von get-user:"
    assert said["inputs"]["user"] == ["ist keine Eingabe von get-user. Meinten Sie „user_id“?"]
    (what,) = said["inputs"]["user_id"]
    assert what.startswith("ist erforderlich: Füllen Sie „Benutzer-ID“ aus, etwa ")


@ASKED
def test_the_hint_of_what_the_vendor_refused_is_in_it_too(local: httpx.Client, asked: dict[str, Any]) -> None:
    said = local.post("/v1/actions/get-meeting/run", json={"inputs": {"meeting_id": "99999999999"}}, **asked).json()
    assert (said["kind"], said["title"]) == ("not_found", "Nicht gefunden")
    assert said["hint"].startswith("Das Meeting oder Webinar gibt es nicht")


@ASKED
def test_the_refusals_of_the_service_itself_are_in_it_too(local: httpx.Client, asked: dict[str, Any]) -> None:
    said = local.post("/v1/actions/get-usr/run", json={}, **asked).json()
    assert said["message"] == "„get-usr“ gibt es hier nicht. Meinten Sie „get-user“?"
    kinds = {each["kind"]: each for each in local.get("/v1/problems", **asked).json()["problems"]}
    assert kinds["api"]["title"] == "Zoom hat die Anfrage abgelehnt"


@ASKED
def test_warnings_of_previews_and_runs_are_in_it_too(local: httpx.Client, asked: dict[str, Any]) -> None:
    inputs = {"user_id": "me", "topic": "x", "type": 8, "start_time": "2030-01-06T10:00:00Z", "type_recurrence": 1}
    body = {"inputs": {**inputs, "repeat_interval": 95, "end_times": 2}}
    english = local.post("/v1/actions/create-meeting/preview", json=body).json()["warnings"]
    german = local.post("/v1/actions/create-meeting/preview", json=body, **asked).json()["warnings"]
    run = local.post("/v1/actions/create-meeting/run", json=body, **asked).json()["meta"]["warnings"]
    assert english and [each["where"] for each in english] == [each["where"] for each in german]
    assert all(one["what"] != other["what"] for one, other in zip(english, german, strict=True))
    assert run == german


@ASKED
def test_choices_are_labelled_in_it(local: httpx.Client, asked: dict[str, Any]) -> None:
    path = "/v1/actions/create-meeting/inputs/type/choices"
    assert local.post(path, json={}, **asked).json()["choices"][0]["label"] == "Sofortmeeting"
    assert local.post(path, json={}).json()["choices"][0]["label"] == "Instant meeting"


def test_a_language_that_there_is_none_of_is_refused_by_name_and_passed_over_in_a_header(local: httpx.Client) -> None:
    refused = local.post("/v1/actions/get-user/preview", json={}, params={"locale": "tlh"})
    assert (refused.status_code, refused.json()["problems"][0]["where"]) == (422, "locale")
    passed = local.get("/v1/catalogue", headers={"Accept-Language": "tlh"}).json()
    assert passed["locale"] == "en"


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("de", "de"),
        ("DE-ch", "de"),
        ("fr, de;q=0.5", "de"),
        ("de;q=0.2, en-GB;q=0.8", "en"),
        ("de;q=0", None),
        ("*", None),
        ("", None),
        (";;q=,,de;q=x", "de"),
        ("x," * 1000 + "de", None),
    ],
)
def test_the_language_is_what_the_browser_likes_best_of_those_that_there_are(header: str, language: str | None) -> None:
    assert preferred(header, ("en", "de")) == language


# -- the page ----------------------------------------------------------------------------------------------------------


def test_the_page_gets_its_words_in_the_language_of_the_browser(local: httpx.Client) -> None:
    answer = local.get("/page/words", headers={"Accept-Language": "de-DE"})
    assert answer.json()["locale"] == "de"
    assert answer.json()["words"]["Run"] == "Ausführen"
    assert answer.headers["vary"] == "Accept-Language"
    assert local.get("/page/words", headers={"Accept-Language": "en"}).json() == {"locale": "en", "words": {}}
    assert local.get("/page/words").json() == {"locale": "en", "words": {}}


def test_the_page_is_german_from_top_to_bottom_in_a_german_browser(start: Start, zoom: Sandbox) -> None:
    chromium = shutil.which("chromium")
    if chromium is None or importlib.util.find_spec("playwright") is None:
        pytest.skip("browser: chromium and playwright are not both installed")
    from playwright.sync_api import sync_playwright

    with start(tenant="default", token=zoom.token) as served, sync_playwright() as browsers:
        browser = browsers.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(locale="de-DE")
        page.goto(f"{served.url}/#create-meeting")
        page.get_by_role("button", name="Ausführen").click()
        page.get_by_text("ist erforderlich: Füllen Sie „Benutzer-ID“ aus").first.wait_for()
        assert page.locator("html").get_attribute("lang") == "de"
        shown = page.locator("body").inner_text()
        hidden = " ".join(page.locator("[aria-label]").evaluate_all("all => all.map(one => one.ariaLabel)"))
        browser.close()
    assert not re.search(r"\b(the|Run|required|Request|Add|fields?|Language|Actions|not|set|Find)\b", shown + hidden)
