"""The page at /, driven in a browser: form filled, preview compared, action run, event seen."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from connector_runtime.service.page.routes import FILES, POLICY
from zoom_connector import Connector
from zoom_connector.sandbox import Sandbox

from .conftest import Start

if TYPE_CHECKING:
    from playwright.sync_api import Page

SECRET = "page-secret"


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    path = shutil.which("chromium")
    if path is None or importlib.util.find_spec("playwright") is None:
        pytest.skip("browser: chromium and playwright are not both installed")
    from playwright.sync_api import sync_playwright

    quiet = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=[*quiet, "--disable-sync", "--no-first-run"])
        yield browser
        browser.close()


@pytest.fixture
def served(start: Start, zoom: Sandbox) -> Iterator[str]:
    with start(tenant="here", token=zoom.token, webhook_secrets={"webhook": SECRET}) as running:
        yield running.url


@pytest.fixture
def page(chromium: Any, served: str) -> Iterator[Page]:
    """A page whose errors, and whose requests to any other host, fail the test."""
    opened = chromium.new_page(viewport={"width": 1300, "height": 900})
    wrong: list[str] = []
    opened.on("pageerror", lambda error: wrong.append(str(error)))
    ours = (served, "data:")
    opened.on("request", lambda request: None if request.url.startswith(ours) else wrong.append(request.url))
    opened.on("console", lambda said: wrong.append(said.text) if "Content Security" in said.text else None)
    opened.set_default_timeout(15_000)
    yield opened
    opened.close()
    assert not wrong


def field(page: Page, key: str) -> Any:
    return page.locator(f"[data-key={key}]")


def test_a_person_fills_the_form_sees_the_request_change_and_runs_it(
    page: Page, served: str, zoom: Sandbox, connector: Connector
) -> None:
    page.goto(f"{served}/#create-meeting")
    page.get_by_text("Not complete yet").wait_for()
    box = page.get_by_role("combobox", name="User Id")
    box.fill("björk")  # accents and case do not matter; what is offered is found as one types
    page.get_by_role("option", name=re.compile("Björk")).first.click()
    user = box.input_value()
    assert user in {found["id"] for found in people(zoom)}
    page.get_by_label("Add an input").select_option("topic")
    page.keyboard.type("Weekly sync")
    page.get_by_label("Add an input").select_option("type")
    field(page, "type").locator("select").select_option(label="Recurring meeting (Fixed Time)")
    page.get_by_label("Add an input").select_option("type_recurrence")
    field(page, "type_recurrence").locator("select").select_option(label="Weekly")
    field(page, "weekly_day").get_by_role("textbox").fill("1,3")  # it came by itself: it is needed now
    page.get_by_label("Add an input").select_option("host_video_on_start")
    field(page, "host_video_on_start").locator("select").select_option(label="No")
    page.locator("#request").get_by_text('"host_video"').wait_for()
    typed = {"user_id": user, "topic": "Weekly sync", "type": 8, "type_recurrence": 2, "weekly_day": "1,3"}
    inputs = {**typed, "host_video_on_start": False}
    wanted = connector.actions["create-meeting"].preview(inputs, base_url=zoom.base_url)
    assert page.locator("#request .line").inner_text() == f"POST {wanted['url']}"
    page.keyboard.press("Control+Enter")
    page.get_by_text("Result 201").wait_for()
    sent = zoom.requests[-1]
    assert (sent.method, json.loads(sent.body)) == ("POST", wanted["body"])
    assert page.get_by_role("button", name="•••••• show").count() >= 1  # start_url and password are veiled


def people(zoom: Sandbox) -> list[Any]:
    asked = {"Authorization": f"Bearer {zoom.token}"}
    return httpx.get(f"{zoom.base_url}/users?page_size=300", headers=asked, trust_env=False).json()["users"]  # type: ignore[no-any-return]


def test_what_is_wrong_stands_at_its_field_and_nothing_is_sent(page: Page, served: str, zoom: Sandbox) -> None:
    page.goto(f"{served}/#get-meeting")
    zoom.requests.clear()
    page.get_by_role("button", name="Run").click()
    field(page, "meeting_id").get_by_text("is needed").wait_for()
    page.get_by_role("combobox", name="Meeting Id").fill("no number")
    field(page, "meeting_id").get_by_text("must look like").wait_for()
    assert not [request for request in zoom.requests if "/meetings/" in request.target]


def test_a_list_is_read_as_a_table_or_json_and_goes_on(page: Page, served: str) -> None:
    page.goto(f"{served}/#list-users")
    page.get_by_label("At most so many items").fill("10")
    page.get_by_role("button", name="Run").click()
    page.locator("#result tbody tr").nth(9).wait_for()
    first = page.locator("#result tbody tr").first.inner_text()
    page.get_by_role("button", name="Next items").click()
    page.wait_for_function("old => document.querySelector('#result tbody tr')?.innerText !== old", arg=first)
    assert page.locator("#result tbody tr").count() == 10
    page.get_by_role("button", name="JSON").click()
    assert page.locator("#result .json").is_visible()
    assert not page.locator("#result table").is_visible()


def test_a_refusal_says_what_to_do(page: Page, served: str) -> None:
    page.goto(f"{served}/#get-meeting")
    page.get_by_role("combobox", name="Meeting Id").fill("99999999999")
    page.keyboard.press("Escape")
    page.keyboard.press("Control+Enter")
    page.locator("#result .problem").get_by_text("does not exist or has expired").first.wait_for()
    assert "tracking id" in page.locator("#result .facts").inner_text()


def test_whose_meetings_are_offered_can_be_chosen(page: Page, served: str) -> None:
    page.goto(f"{served}/#get-meeting")
    page.get_by_role("combobox", name="Meeting Id").click()
    offered = page.get_by_role("listbox", name="Meeting Id").get_by_role("option")
    offered.nth(1).wait_for()
    mine = offered.first.inner_text()
    page.keyboard.press("Escape")
    host = page.get_by_role("combobox", name="Host")
    host.fill("zoë")
    page.get_by_role("option", name=re.compile("Zoë")).first.click()
    page.get_by_role("combobox", name="Meeting Id").click()
    page.wait_for_function(
        "mine => [...document.querySelectorAll('[role=listbox]:not([hidden]) li')]"
        ".some(li => !/Looking/.test(li.innerText) && li.innerText !== mine)",
        arg=mine,
    )


def test_what_is_destroyed_is_asked_about_first(page: Page, served: str, zoom: Sandbox) -> None:
    asked: list[str] = []

    def refuse(dialog: Any) -> None:
        asked.append(dialog.message)
        dialog.dismiss()

    page.on("dialog", refuse)
    page.goto(f"{served}/#delete-user")
    page.get_by_role("combobox", name="User Id").fill("somebody")
    page.keyboard.press("Escape")
    field(page, "action").locator("select").select_option(label="Delete")
    page.get_by_role("button", name="Run").click()
    page.wait_for_function("true")
    end = time.monotonic() + 10
    while not asked and time.monotonic() < end:
        page.wait_for_timeout(50)
    assert asked == ["Delete User can not be undone. Run it?"]
    assert not [request for request in zoom.requests if request.method == "DELETE"]


def test_events_are_seen_as_they_arrive(page: Page, served: str) -> None:
    from tests.webhook.conftest import event, signed

    page.goto(f"{served}/")
    page.locator("#actions li").first.wait_for()
    body = event(7)
    answer = httpx.post(
        f"{served}/v1/webhooks/webhook", content=body, headers=signed(body, time.time(), SECRET), trust_env=False
    )
    assert answer.status_code == 200
    page.locator("#unseen").get_by_text("1", exact=True).wait_for()
    page.get_by_role("link", name="Events").click()
    page.get_by_text("meeting.started").first.click()
    assert page.locator("#events-view .json").first.is_visible()


def test_the_keyboard_finds_and_opens_an_action(page: Page, served: str) -> None:
    page.goto(f"{served}/")
    page.locator("#actions li").nth(20).wait_for()
    page.locator("body").click(position={"x": 5, "y": 895})
    page.keyboard.press("/")
    page.keyboard.type("invitation")
    page.wait_for_function("document.querySelectorAll('#actions li').length === 1")
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Get Meeting Invitation").wait_for()
    assert page.evaluate("document.activeElement.getAttribute('aria-label')") == "Meeting Id"


def test_the_page_speaks_the_languages_of_the_catalogue(page: Page, served: str, connector: Connector) -> None:
    page.goto(f"{served}/#list-users")
    page.locator("#actions li").first.wait_for()
    page.get_by_label("Language").select_option("de")
    german = next(one for one in connector.catalogue("de")["actions"] if one["key"] == "list-users")["label"]
    page.get_by_role("heading", name=german).wait_for()


@pytest.mark.parametrize("width", [360, 768])
def test_a_phone_needs_no_sideways_scrolling(page: Page, served: str, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    page.goto(f"{served}/#create-meeting")
    page.get_by_text("Not complete yet").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_service_that_wants_a_key_asks_for_it(chromium: Any, start: Start, zoom: Sandbox) -> None:
    from connector_runtime.service.keys import ApiKeys
    from connector_runtime.stores.store import MemoryStore

    store = MemoryStore()
    with start(store=store) as running:
        key, _ = ApiKeys(store, "zoom").create("acme")
        opened = chromium.new_page()
        opened.goto(f"{running.url}/")
        opened.get_by_label("API key").fill(key)
        opened.get_by_role("button", name="Go on").click()
        opened.locator("#actions li").first.wait_for()
        assert key not in opened.content()
        opened.close()


def test_the_page_may_load_nothing_from_elsewhere_and_be_framed_by_nobody(served: str) -> None:
    answer = httpx.get(f"{served}/", trust_env=False)
    assert answer.headers["content-security-policy"] == POLICY
    assert "default-src 'none'" in POLICY
    assert "unsafe" not in POLICY
    assert "frame-ancestors 'none'" in POLICY
    for name in FILES:
        part = httpx.get(f"{served}/page/{name}", trust_env=False)
        assert part.status_code == 200
        assert not re.search(r"https?://(?!www\.w3\.org)", part.text), name
        again = httpx.get(f"{served}/page/{name}", headers={"If-None-Match": part.headers["etag"]}, trust_env=False)
        assert again.status_code == 304
    assert httpx.get(f"{served}/page/routes.py", trust_env=False).status_code == 404


def test_the_demo_shows_a_page_on_which_a_meeting_is_made_and_its_event_arrives(
    chromium: Any, connector: Connector, zoom: Sandbox
) -> None:
    from zoom_connector.showing import shown

    with shown(connector, zoom) as url:
        opened = chromium.new_page()
        opened.goto(f"{url}/#create-meeting")
        opened.get_by_role("combobox", name="User Id").fill("me")
        opened.keyboard.press("Escape")
        opened.keyboard.press("Control+Enter")
        opened.get_by_text("Result 201").wait_for()
        opened.get_by_role("link", name="Events").click()
        opened.get_by_text("meeting.created").first.wait_for()
        opened.close()
