"""The consent dialogs in a real browser: by mouse, by keyboard, on a phone; with no error in the console."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import ConsoleMessage, Page, Response, async_playwright
from tests.simulator.login.steps import answer_in, exchange, facebook_dialog, instagram_dialog
from tests.simulator.stage import Stage

from hookline.simulator import default

CHROMIUM = Path("/usr/bin/chromium")
PHONE_WIDTH = 360

pytestmark = pytest.mark.skipif(not CHROMIUM.exists(), reason=f"there is no Chromium at {CHROMIUM}")


@pytest_asyncio.fixture
async def page() -> AsyncIterator[Page]:
    """A page that the test fails for, if its console says an error."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        try:
            page = await browser.new_page(viewport={"width": PHONE_WIDTH, "height": 740})
            complaints: list[str] = []
            page.on("console", lambda said: complaints.append(said.text) if is_complaint(said) else None)
            page.on("pageerror", lambda error: complaints.append(str(error)))
            yield page
            assert complaints == []
        finally:
            await browser.close()


def is_complaint(said: ConsoleMessage) -> bool:
    """Whether the console says an error about a dialog; that the place behind it has no icon is none."""
    return said.type == "error" and not said.location["url"].endswith("/favicon.ico")


def back_to(stage: Stage) -> str:
    """Where the app wants the person back: a page of the simulator's own, which answers."""
    return f"{stage.sim.url}/static/simulator.css?app=1"


async def decide(stage: Stage, page: Page, button: str) -> str:
    """Press a button; where the browser was sent."""
    async with page.expect_response(lambda response: response.request.method == "POST") as waiting:
        await page.get_by_role("button", name=button).click()
    response: Response = await waiting.value
    assert response.status == 302
    location = await response.header_value("location")
    await page.wait_for_url(f"{stage.sim.url}/static/**")
    return str(location)


async def test_pages_are_chosen_and_allowed(stage: Stage, page: Page) -> None:
    """One page and one permission are unticked by their labels; the token has the others."""
    dialog = facebook_dialog(redirect_uri=back_to(stage))
    await page.goto(f"{stage.sim.url}/{dialog}")
    await page.get_by_label("Phone Store Outlet").uncheck()
    await page.get_by_label("pages_read_engagement").uncheck()
    location = await decide(stage, page, "Allow")
    reply = await exchange(stage, answer_in(location)["code"], redirect_uri=back_to(stage))
    granted = stage.sim.world.records.tokens[reply.json["access_token"]]
    assert granted.granular["pages_messaging"] == [default.PAGE]
    assert "pages_read_engagement" not in granted.scopes


async def test_no_is_a_button_like_any_other(stage: Stage, page: Page) -> None:
    """Deny sends the person back with the error, from Facebook and from Instagram."""
    for dialog, button in (
        (facebook_dialog(redirect_uri=back_to(stage)), "Deny"),
        (instagram_dialog(redirect_uri=back_to(stage)), "Cancel"),
    ):
        await page.goto(f"{stage.sim.url}/{dialog}")
        assert answer_in(await decide(stage, page, button))["error"] == "access_denied"


async def test_the_keyboard_is_enough(stage: Stage, page: Page) -> None:
    """Tab leads to the other account, through the boxes, to the button; and one sees where one is."""
    await page.goto(f"{stage.sim.url}/{instagram_dialog(redirect_uri=back_to(stage))}")
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await page.get_by_text("You are @phone.store.page").wait_for()
    for _ in range(3 + 1):  # the link back, two boxes, the button
        await page.keyboard.press("Tab")
    outline = await page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert (await page.evaluate("document.activeElement.textContent"), outline) == ("Allow", "solid")
    async with page.expect_response(lambda response: response.request.method == "POST") as waiting:
        await page.keyboard.press("Enter")
    location = str(await (await waiting.value).header_value("location"))
    code = stage.sim.world.records.codes[answer_in(location)["code"]]
    assert code.subject_id == default.INSTAGRAM_OF_PAGE


async def test_nothing_is_cut_off_on_a_phone(stage: Stage, page: Page) -> None:
    """At 360 points no dialog is wider than the screen."""
    for dialog in (
        facebook_dialog(scope="pages_show_list,instagram_basic,instagram_manage_messages"),
        facebook_dialog(scope="", config_id=default.EMBEDDED_SIGNUP_CONFIG),
        instagram_dialog(),
    ):
        await page.goto(f"{stage.sim.url}/{dialog}")
        assert await page.evaluate("document.documentElement.scrollWidth") <= PHONE_WIDTH
