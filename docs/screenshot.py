"""Take docs/page.png, the README's picture of the service's page: the filled-in form of Create Meeting and its request.

Needs the extra `test` (playwright and the service) and a `chromium` on the PATH.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from zoom_connector import load
from zoom_connector.demo_page import serve_page
from zoom_connector.sandbox import Sandbox

PICTURE = Path(__file__).with_name("page.png")
LARGEST = 200_000  # bytes


def main() -> int:
    """Write the picture; return 1 if a program is missing or the picture is too large."""
    chromium = shutil.which("chromium")
    try:
        from playwright.sync_api import sync_playwright
    except ModuleNotFoundError:
        chromium = None
    if chromium is None:
        print("docs/screenshot.py needs chromium, and playwright: pip install -e '.[test]'", file=sys.stderr)
        return 1
    with Sandbox() as zoom, serve_page(load(), zoom) as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 800}, color_scheme="light")
        page.goto(f"{url}/#create-meeting")
        page.locator("[data-key=user_id] input").fill("me")
        page.wait_for_timeout(1000)  # wait for the choices
        page.locator("[data-key=user_id] input").press("Escape")  # close the choices
        page.locator("select:has(option[value=topic])").select_option("topic")  # an optional input
        page.locator("[data-key=topic] input").fill("Weekly sync")
        page.get_by_text('"Weekly sync"').wait_for()  # wait until the request shows the topic
        page.mouse.click(1000, 700)  # leave the field
        page.screenshot(path=PICTURE)
        browser.close()
    size = PICTURE.stat().st_size
    print(f"wrote {PICTURE}: {size:,} bytes")
    return int(size > LARGEST)


if __name__ == "__main__":
    sys.exit(main())
