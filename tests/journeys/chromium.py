"""A real browser beside the running program: its pages, and what their consoles complained of."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Page, Response, sync_playwright

CHROMIUM = Path("/usr/bin/chromium")
needs_chromium = pytest.mark.skipif(not CHROMIUM.exists(), reason=f"there is no Chromium at {CHROMIUM}")

# What a browser logs of an answer that is no success, whatever is in it.
_NO_SUCCESS = "Failed to load resource"


@contextmanager
def browser_page() -> Iterator[Page]:
    """A page for the length of a block; a script that breaks, or anything that a policy forbids, fails it."""
    complaints: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        try:
            page = browser.new_context(viewport={"width": 1100, "height": 850}).new_page()
            page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
            page.on("pageerror", lambda error: complaints.append(str(error)))
            yield page
        finally:
            browser.close()
    assert [one for one in complaints if not one.startswith(_NO_SUCCESS)] == []


def press(page: Page, button: str, until: str) -> Response:
    """Press a button that leads on to another place; the answer that the browser gets there."""
    with page.expect_response(lambda response: until in response.url and response.request.method == "GET") as waiting:
        page.get_by_role("button", name=button, exact=True).click()
    answer = waiting.value
    page.wait_for_load_state()
    return answer
