"""A person with a real browser: opens the address given in headless Chromium, allows, and prints the last page."""

from __future__ import annotations

import shutil
import sys

from playwright.sync_api import sync_playwright


def main(url: str) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page()
        page.goto(url)
        page.get_by_role("button", name="Allow").click()
        page.wait_for_selector("p")
        print(page.inner_text("p"), flush=True)
        browser.close()


if __name__ == "__main__":
    main(sys.argv[1])
