"""The chat page in a real browser: writing, answering, tapping, reacting, pictures, ticks, phone width, keyboard.

Any error in the browser's console fails the test: a broken script, or anything that the page's policy has forbidden.
"""

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Page, ViewportSize, async_playwright, expect
from tests.simulator.stage import Stage

from hookline.simulator import default

CHROMIUM = Path("/usr/bin/chromium")
DESKTOP: ViewportSize = {"width": 1200, "height": 900}
PHONE: ViewportSize = {"width": 360, "height": 740}
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de"
    "0000000c49444154789c63606060000000040001f61738550000000049454e44ae426082"
)

pytestmark = pytest.mark.skipif(not CHROMIUM.exists(), reason=f"there is no Chromium at {CHROMIUM}")


class Browser:
    """A browser, and what it complained of."""

    def __init__(self, stage: Stage, page: Page) -> None:
        self.stage = stage
        self.page = page
        self.complaints: list[str] = []
        page.on("console", lambda said: self.complaints.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    async def open(self, contact: str = "ann", account: str = default.PHONE_NUMBER) -> None:
        """Open a conversation, and wait until the page listens."""
        query = f"account={account}" + (f"&contact={contact}" if contact else "")
        await self.page.goto(f"{self.stage.sim.url}/?{query}")
        if contact:
            thread = self.stage.sim.threads.of(account, contact)
            await self.page.wait_for_function("() => news !== null && news.readyState === 1")
            assert thread.open_pages == 1

    async def write(self, text: str) -> None:
        """Write a text and send it."""
        await self.page.get_by_label("Message", exact=True).fill(text)
        await self.page.keyboard.press("Enter")

    async def say(self, text: str) -> None:
        """Write a text, and wait until it is sent: the platform lets nobody be answered before."""
        await self.write(text)
        await expect(self.page.get_by_label("Message", exact=True)).to_have_value("")

    def bubble(self, side: str, text: str) -> Any:
        """A message by one of its words."""
        return self.page.locator(f"li.{side}").filter(has_text=text)

    async def menu(self, bubble: Any) -> None:
        """Open a message's menu; again, if the bubble was drawn anew between pressing and releasing the button."""
        for _ in range(10):
            await bubble.hover()
            await bubble.locator("summary[aria-label^=Answer]").click()
            if await bubble.locator("details.menu[open]").count():
                return
        raise AssertionError("the menu does not open")


@pytest_asyncio.fixture
async def browser(stage: Stage) -> AsyncIterator[Browser]:
    """A page of desktop width."""
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        context = await chromium.new_context(viewport=DESKTOP)
        found = Browser(stage, await context.new_page())
        yield found
        await chromium.close()
    assert found.complaints == []


async def send(stage: Stage, kind: str, content: Any) -> str:
    """Have the business send to Ann."""
    body = {"messaging_product": "whatsapp", "to": "+15550002001", "type": kind, kind: content}
    reply = await stage.whatsapp(body)
    message_id: str = reply.json["messages"][0]["id"]
    return message_id


async def heard(stage: Stage) -> list[dict[str, Any]]:
    """The messages that the business was told of."""
    return [message for value in await stage.told("messages") for message in value.get("messages", ())]


async def test_a_conversation(browser: Browser) -> None:
    """What is written arrives at the business; its answer appears by itself, with ticks that turn to read."""
    stage = browser.stage
    await browser.open()
    await browser.write("Do you have it in blue?")
    await expect(browser.bubble("own", "in blue")).to_be_visible()
    (message,) = await heard(stage)
    assert (message["text"]["body"], message["from"]) == ("Do you have it in blue?", "15550002001")
    message_id = await send(stage, "text", {"body": "Yes, *we* do"})
    answer = browser.bubble("theirs", "Yes, we do")
    await expect(answer.locator("strong")).to_have_text("we")
    await expect(answer).to_have_class(re.compile("read"))
    statuses = [status["status"] for status in await stage.statuses(message_id)]
    assert statuses == ["sent", "delivered", "read"]
    body = {"messaging_product": "whatsapp", "status": "read", "message_id": message["id"]}
    await stage.whatsapp({**body, "typing_indicator": {"type": "text"}})
    await expect(browser.page.get_by_text("typing…")).to_be_visible()
    await expect(browser.bubble("own", "in blue")).to_have_class(re.compile("read"))


async def test_tapping(browser: Browser) -> None:
    """Buttons and lists can be tapped, and the business is told which."""
    stage = browser.stage
    await browser.open()
    await browser.say("Hello")
    button = {"type": "reply", "reply": {"id": "post", "title": "By post"}}
    content = {"type": "button", "body": {"text": "How?"}, "action": {"buttons": [button]}}
    first = await send(stage, "interactive", content)
    await browser.page.get_by_role("button", name="By post").click()
    await expect(browser.bubble("own", "By post")).to_be_visible()
    row = {"id": "muc", "title": "Munich", "description": "Marienplatz"}
    action = {"button": "Shops", "sections": [{"rows": [row]}]}
    second = await send(stage, "interactive", {"type": "list", "body": {"text": "Where?"}, "action": action})
    await browser.page.get_by_text("Shops").click()
    await browser.page.get_by_role("button", name="Munich").click()
    await expect(browser.bubble("own", "Munich")).to_be_visible()
    replies = [(one["interactive"], one["context"]["id"]) for one in await heard(stage) if one["type"] == "interactive"]
    assert replies == [
        ({"type": "button_reply", "button_reply": {"id": "post", "title": "By post"}}, first),
        ({"type": "list_reply", "list_reply": {"id": "muc", "title": "Munich", "description": "Marienplatz"}}, second),
    ]


async def test_reacting_answering_editing(browser: Browser) -> None:
    """A message can be reacted to and answered; one's own can be edited and taken back."""
    stage = browser.stage
    await browser.open()
    await browser.say("Hello")
    message_id = await send(stage, "text", {"body": "Good day"})
    theirs = browser.bubble("theirs", "Good day")
    await browser.menu(theirs)
    await theirs.get_by_role("button", name="React with 👍").click()
    await expect(theirs.locator(".reactions")).to_contain_text("👍")
    await browser.menu(theirs)
    await theirs.get_by_role("button", name="Answer this").click()
    await expect(browser.page.locator("#answering")).to_contain_text("Good day")
    await browser.write("And to you")
    await expect(browser.bubble("own", "And to you").locator("blockquote")).to_have_text("Good day")
    own = browser.bubble("own", "Hello")
    await browser.menu(own)
    await own.get_by_role("button", name="Edit").click()
    await browser.write("Good morning")
    await expect(browser.bubble("own", "Good morning")).to_contain_text("edited")
    own = browser.bubble("own", "Good morning")
    await browser.menu(own)
    await own.get_by_role("button", name="Take back").click()
    await expect(browser.bubble("own", "You took this message back")).to_be_visible()
    said = await heard(stage)
    assert [one["type"] for one in said] == ["text", "reaction", "text", "edit", "revoke"]
    assert said[1]["reaction"] == {"message_id": message_id, "emoji": "👍"}
    assert said[2]["context"]["id"] == message_id


async def test_a_picture(browser: Browser) -> None:
    """A picture is sent from the person's machine, shown, and can be fetched by the business."""
    stage = browser.stage
    await browser.open()
    await browser.page.locator("#file").set_input_files({"name": "a.png", "mimeType": "image/png", "buffer": PNG})
    picture = browser.page.locator("li.own img.image")
    await expect(picture).to_be_visible()
    assert await picture.evaluate("(image) => image.naturalWidth") == 1
    (message,) = await heard(stage)
    reply = await stage.call("GET", message["image"]["url"], "EAA-whatsapp")
    assert (reply.status, reply.body) == (200, PNG)


async def test_others_are_seen_to_write(browser: Browser) -> None:
    """The list of people shows what the one in hand has not read."""
    await browser.open("joao")
    stage = browser.stage
    body = {"name": "hello_world", "language": {"code": "en_US"}}
    await send(stage, "template", body)
    await expect(browser.page.locator("[data-person=ann] .unread")).to_contain_text("1")
    await browser.page.locator("[data-person=ann]").click()
    await expect(browser.bubble("theirs", "Welcome and congratulations!")).to_be_visible()
    await expect(browser.page.locator("[data-person=ann] .unread")).to_have_count(0)


async def test_a_phone_that_is_off(browser: Browser) -> None:
    """With the phone off messages wait; when it goes on they arrive and are read."""
    stage = browser.stage
    await browser.open()
    await browser.say("Hello")
    menu = browser.page.get_by_label("What else you can do")
    await menu.click()
    await browser.page.get_by_role("button", name="Switch the phone off").click()
    await expect(browser.page.get_by_text("Your phone is off")).to_be_visible()
    message_id = await send(stage, "text", {"body": "Are you there?"})
    await expect(browser.bubble("theirs", "Are you there?")).to_have_class(re.compile("sent"))
    await menu.click()
    await browser.page.get_by_role("button", name="Switch the phone on").click()
    await expect(browser.bubble("theirs", "Are you there?")).to_have_class(re.compile("read"))
    statuses = [status["status"] for status in await stage.statuses(message_id)]
    assert statuses == ["sent", "delivered", "read"]


async def test_keyboard_alone(browser: Browser) -> None:
    """Everything can be done without a mouse: the composer has the focus, menus open, close, and give it back."""
    page = browser.page
    await browser.open()
    await page.keyboard.type("One")
    await page.keyboard.press("Shift+Enter")
    await page.keyboard.type("two")
    await page.keyboard.press("Enter")
    await expect(browser.bubble("own", "two")).to_be_visible()
    await page.keyboard.press("Shift+Tab")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("button", name="Location")).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("button", name="Location")).to_be_hidden()
    assert await page.evaluate("document.activeElement.tagName") == "SUMMARY"
    await page.keyboard.press("Enter")
    await page.get_by_role("button", name="Location").focus()
    await page.keyboard.press("Enter")
    await expect(browser.bubble("own", "Marienplatz")).to_be_visible()


async def test_phone_width(browser: Browser) -> None:
    """At a phone's width the list and the conversation are a page each, and nothing is wider than the screen."""
    page = browser.page
    await page.set_viewport_size(PHONE)
    await browser.open("")
    await expect(page.get_by_role("main")).to_be_hidden()
    await page.locator("[data-person=ann]").click()
    await expect(page.locator("[data-person=ann]")).to_be_hidden()
    await browser.say("A" * 300)
    card = {"title": "A phone", "image_url": "https://example.test/none.png"}
    del card["image_url"]
    await send(browser.stage, "text", {"body": "https://example.test/" + "x" * 200})
    await expect(page.locator("li.theirs")).to_be_visible()
    assert await page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
    await page.get_by_label("Back to the list").click()
    await expect(page.locator("[data-person=ann]")).to_be_visible()


@pytest.mark.parametrize("account", [default.PAGE, default.INSTAGRAM_ACCOUNT])
async def test_the_other_platforms(browser: Browser, account: str) -> None:
    """Messenger and Instagram work the same; a quick reply is tapped below the newest message."""
    stage = browser.stage
    await browser.open("ann", account)
    await browser.write("Hello")
    await expect(browser.bubble("own", "Hello")).to_be_visible()
    reply = {"content_type": "text", "title": "Blue", "payload": "B"}
    recipient = {"id": stage.sim.world.scoped_id(stage.contact(), account)}
    body = {"recipient": recipient, "message": {"text": "Which colour?", "quick_replies": [reply]}}
    sent = await (stage.messenger(body) if account == default.PAGE else stage.direct(body))
    assert sent.status == 200
    await expect(browser.bubble("theirs", "Which colour?")).to_have_class(re.compile("read"))
    await browser.page.get_by_role("button", name="Blue").click()
    await expect(browser.bubble("own", "Blue")).to_be_visible()
    await expect(browser.page.locator("#quick button")).to_have_count(0)
    items = [item["message"] for item in await stage.told("messaging") if "quick_reply" in item.get("message", {})]
    assert [item["quick_reply"] for item in items] == [{"payload": "B"}]


async def test_what_cannot_be_done_is_said(browser: Browser) -> None:
    """A refusal is shown in words, and what was written stays."""
    await browser.open()
    await browser.write("Hello")
    await expect(browser.bubble("own", "Hello")).to_be_visible()
    browser.stage.sim.world.clock.advance(16 * 60)
    own = browser.bubble("own", "Hello")
    await browser.menu(own)
    await own.get_by_role("button", name="Edit").click()
    await browser.write("Too late")
    await expect(browser.page.get_by_role("status")).to_contain_text("15 minutes")
    await expect(browser.page.get_by_label("Message", exact=True)).to_have_value("Too late")
    assert browser.complaints.pop().startswith("Failed to load resource")  # the browser logs the refusal
