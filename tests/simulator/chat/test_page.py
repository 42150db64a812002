"""The chat page over HTTP: what it shows, what it lets nobody else do, and that who looks has read."""

import asyncio
import re
from typing import Any

import pytest
from tests.simulator.stage import Reply, Stage

from hookline.simulator import default
from hookline.simulator.acts import messaging
from hookline.simulator.acts import whatsapp as acts
from hookline.simulator.chat.formatting import formatted
from hookline.simulator.conduct import Reads
from hookline.simulator.records import Reachability

ANN = f"account={default.PHONE_NUMBER}&contact=ann"
HOSTILE = "<script>alert(1)</script> \" onload='x' & https://example.test/?a=1&b=<b>"


async def act(stage: Stage, headers: dict[str, str] | None = None, **what: Any) -> Reply:
    """Do something as Ann."""
    body = {"account": default.PHONE_NUMBER, "contact": "ann", **what}
    async with stage.session.post(f"{stage.sim.url}/chat/act", json=body, headers=headers or {}) as answer:
        return Reply(answer.status, answer.headers, await answer.read())


async def shown(stage: Stage, path: str = f"chat/thread?{ANN}") -> str:
    """The HTML of a page or a piece of it."""
    reply = await stage.call("GET", path)
    assert reply.status == 200, reply.body
    return reply.body.decode()


async def send(stage: Stage, content: Any, kind: str = "text") -> str:
    """Have the business send to Ann; the message's id."""
    body = {"messaging_product": "whatsapp", "to": "+15550002001", "type": kind, kind: content}
    reply = await stage.whatsapp(body)
    await stage.sim.settle()
    message_id: str = reply.json["messages"][0]["id"]
    return message_id


async def test_policy(stage: Stage) -> None:
    """The page runs its own script alone, loads nothing from elsewhere, and sits in nobody's frame."""
    reply = await stage.call("GET", f"?{ANN}")
    policy = dict(piece.strip().partition(" ")[::2] for piece in reply.headers["Content-Security-Policy"].split(";"))
    assert (policy["default-src"], policy["script-src"], policy["connect-src"]) == ("'none'", "'self'", "'self'")
    assert (policy["frame-ancestors"], policy["form-action"]) == ("'none'", "'none'")
    assert re.search(r"<script(?! src=)|\son\w+=|style=|javascript:", reply.body.decode()) is None


@pytest.mark.parametrize("account", [default.PHONE_NUMBER, default.PAGE, default.INSTAGRAM_ACCOUNT])
async def test_accounts_and_people(stage: Stage, account: str) -> None:
    """Every account and everybody who can write to it are there to choose."""
    page = await shown(stage, f"?account={account}")
    assert page.count('aria-current="true"') == 2  # the platform and the account
    assert "Ann Archer" in page
    assert ("Claude Closed" in page) == (account != default.PHONE_NUMBER)  # who is not on WhatsApp


async def test_hostile_texts(stage: Stage) -> None:
    """Whatever is said, named or offered, none of it becomes markup."""
    stage.contact().first_name = HOSTILE
    acts.write(stage.sim, stage.phone, stage.contact(), "text", {"body": HOSTILE})
    await send(stage, {"body": HOSTILE})
    buttons = [{"type": "reply", "reply": {"id": '"><img>', "title": "<b>'\""}}]
    content = {"type": "button", "body": {"text": HOSTILE}, "action": {"buttons": buttons}}
    await send(stage, content, "interactive")
    for path in (f"?{ANN}", f"chat/thread?{ANN}", f"chat/people?{ANN}"):
        page = await shown(stage, path)
        assert "<script>alert" not in page
        assert "<b>'" not in page
        assert "<img>" not in page
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


async def test_acts(stage: Stage) -> None:
    """Writing on the page tells the business; what does not fit is refused with the reason."""
    assert set((await act(stage, do="text", text="Hello")).json) == {"messageId"}
    (value,) = await stage.told("messages")
    assert value["messages"][0]["text"] == {"body": "Hello"}
    for wrong in ({"do": "fly"}, {"do": "text"}, {"do": "text", "text": "Hi", "contact": "nobody"}):
        reply = await act(stage, **wrong)
        assert (reply.status, set(reply.json)) == (422, {"error"})


async def test_nobody_else(stage: Stage) -> None:
    """Another site's page cannot write here: not with a form, and not if its browser says where it comes from."""
    assert (await act(stage, {"Sec-Fetch-Site": "cross-site"}, do="text", text="Hi")).status == 403
    form = {"account": default.PHONE_NUMBER, "contact": "ann", "do": "text", "text": "Hi"}
    assert (await stage.call("POST", "chat/act", data=form)).status == 422
    assert await stage.told("messages") == []


async def test_states(stage: Stage) -> None:
    """A message shows how far it is, and why it went no further."""
    await send(stage, {"body": "Too late"})
    page = await shown(stage)
    assert "131047 Re-engagement message" in page
    assert '<li class="theirs failed"' in page
    heard = acts.write(stage.sim, stage.phone, stage.contact(), "text", {"body": "Hi"})
    await send(stage, {"body": "In time"})
    page = await shown(stage)
    assert '<li class="theirs delivered"' in page
    assert '<li class="own sent"' in page
    heard.status = "read"
    assert '<li class="own read"' in await shown(stage)


async def test_looking_is_reading(stage: Stage) -> None:
    """While the page shows a conversation what arrives is read; afterwards it is not, and counts as unread."""
    acts.write(stage.sim, stage.phone, stage.contact(), "text", {"body": "Hi"})
    first = await send(stage, {"body": "One"})
    assert '<b class="unread">1' in await shown(stage, f"chat/people?{ANN}")
    async with stage.session.get(f"{stage.sim.url}/chat/news?{ANN}") as news:
        assert await news.content.readline() in (b"event: people\n", b"event: thread\n")
        second = await send(stage, {"body": "Two"})
    messages = stage.sim.world.records.messages
    assert [messages[one].status for one in (first, second)] == ["read", "read"]
    await asyncio.sleep(0.8)  # the server looks twice a second whether the page is still there
    third = await send(stage, {"body": "Three"})
    assert messages[third].status == "delivered"


@pytest.mark.parametrize("case", ["never", "offline", "blocked"])
async def test_looking_without_reading(stage: Stage, case: str) -> None:
    """Who never reads, has their phone off, or has blocked the business reads nothing by looking."""
    acts.write(stage.sim, stage.phone, stage.contact(), "text", {"body": "Hi"})
    message_id = await send(stage, {"body": "One"})
    if case == "never":
        stage.sim.conduct.reads = Reads.NEVER
    elif case == "offline":
        stage.contact().reachability = Reachability.OFFLINE
    else:
        stage.contact().blocks.append(default.PHONE_NUMBER)
    async with stage.session.get(f"{stage.sim.url}/chat/news?{ANN}") as news:
        await news.content.readline()
        await stage.sim.settle()
    assert stage.sim.world.records.messages[message_id].status == "delivered"


async def test_typing(stage: Stage) -> None:
    """The page shows that the business types, until it answers."""
    heard = acts.write(stage.sim, stage.phone, stage.contact(), "text", {"body": "Hi"})
    body = {"messaging_product": "whatsapp", "status": "read", "message_id": heard.id}
    await stage.whatsapp({**body, "typing_indicator": {"type": "text"}})
    assert "typing…" in await shown(stage)
    await send(stage, {"body": "Hello"})
    assert "typing…" not in await shown(stage)


async def test_pictures_of_either_side(stage: Stage) -> None:
    """A picture that was uploaded is shown; markup that calls itself a picture is not."""
    async with stage.session.post(
        f"{stage.sim.url}/chat/upload?{ANN}&filename=a.png", data=b"picture", headers={"Content-Type": "image/png"}
    ) as answer:
        kept = await answer.json()
    assert kept["do"] == "image"
    await act(stage, do="image", mediaId=kept["mediaId"])
    found = re.search(r'<img class="image" src="([^"]+)"', await shown(stage))
    assert found is not None
    reply = await stage.call("GET", found[1].lstrip("/").replace("&amp;", "&"))
    assert (reply.status, reply.body, reply.headers["Content-Type"]) == (200, b"picture", "image/png")
    for kind in ("image/svg+xml", "text/html"):
        async with stage.session.post(
            f"{stage.sim.url}/chat/upload?{ANN}", data=b"<script>", headers={"Content-Type": kind}
        ) as answer:
            media_id = (await answer.json())["mediaId"]
        reply = await stage.call("GET", f"chat/file?media={media_id}")
        assert reply.headers["Content-Disposition"] == "attachment"
        assert reply.headers["Content-Type"] == "application/octet-stream"


async def test_links_that_were_sent(stage: Stage) -> None:
    """A picture that was sent by link is fetched for the page; what was not sent is not fetched."""
    acts.write(stage.sim, stage.phone, stage.contact(), "text", {"body": "Hi"})
    await send(stage, {"link": f"{stage.sim.url}/pictures/ann.png"}, "image")
    found = re.search(r'<img class="image" src="([^"]+)"', await shown(stage))
    assert found is not None
    path = found[1].lstrip("/").replace("&amp;", "&")
    reply = await stage.call("GET", path)
    assert (reply.status, reply.headers["Content-Type"]) == (200, "image/png")
    assert (await stage.call("GET", path.replace("ann.png", "joao.png"))).status == 403


async def test_files_are_limited(stage: Stage) -> None:
    """An upload has a size."""
    url = f"{stage.sim.url}/chat/upload?{ANN}"
    for content in (b"", b"x" * (16 * 1024 * 1024 + 1)):
        async with stage.session.post(url, data=content, headers={"Content-Type": "image/png"}) as answer:
            assert answer.status == 422


async def test_a_new_person(stage: Stage) -> None:
    """Somebody new can be anybody with a number that nobody has."""
    url = f"{stage.sim.url}/chat/person"
    async with stage.session.post(url, json={"name": "Bo Ek", "number": "+46 70 123 45 67"}) as answer:
        contact = stage.sim.world.records.contacts[(await answer.json())["contact"]]
    assert (contact.name, contact.wa_id) == ("Bo Ek", "46701234567")
    for wrong in ({"name": ""}, {"name": "Bo", "number": "123"}, {"name": "Bo", "number": "15550002001"}):
        async with stage.session.post(url, json=wrong) as answer:
            assert answer.status == 422


async def test_not_connected(stage: Stage) -> None:
    """An account about which nobody is told says so."""
    stage.sim.world.records.wabas[default.WABA].subscribed = {}
    assert "No program is subscribed" in await shown(stage)
    assert "not connected" in await shown(stage, "")


KINDS: dict[str, tuple[str, Any, list[str]]] = {
    "link": (
        "interactive",
        {
            "type": "cta_url",
            "body": {"text": "Look"},
            "action": {"name": "cta_url", "parameters": {"display_text": "Open", "url": "https://example.test/x"}},
        },
        ['href="https://example.test/x"', "Open"],
    ),
    "location request": (
        "interactive",
        {"type": "location_request_message", "body": {"text": "Where?"}, "action": {"name": "send_location"}},
        ["Send location"],
    ),
    "flow": (
        "interactive",
        {
            "type": "flow",
            "body": {"text": "Book"},
            "action": {
                "name": "flow",
                "parameters": {"flow_message_version": "3", "flow_id": "1", "flow_cta": "Begin"},
            },
        },
        ["Begin", "flow_reply"],
    ),
    "product": (
        "interactive",
        {"type": "product", "action": {"catalog_id": "1", "product_retailer_id": "sku-7"}},
        ["sku-7", "Order"],
    ),
    "document": ("document", {"link": "https://example.test/a.pdf", "filename": "bill.pdf"}, ['download="bill.pdf"']),
    "sound": ("audio", {"link": "https://example.test/a.ogg", "voice": True}, ["<audio"]),
    "film": ("video", {"link": "https://example.test/a.mp4", "caption": "A film"}, ["<video", "A film"]),
    "contacts": (
        "contacts",
        [{"name": {"formatted_name": "Ada L."}, "phones": [{"phone": "+1650"}]}],
        ["Ada L.", "+1650"],
    ),
    "template": (
        "template",
        {
            "name": "order_sent",
            "language": {"code": "en_US"},
            "components": [
                {"type": "body", "parameters": [{"type": "text", "text": "Ann"}, {"type": "text", "text": "4711"}]}
            ],
        },
        ["Hello Ann, your order 4711 is on its way."],
    ),
}


@pytest.mark.parametrize("case", KINDS)
async def test_kinds(stage: Stage, case: str) -> None:
    """Whatever the business can send is drawn."""
    kind, content, words = KINDS[case]
    acts.write(stage.sim, stage.phone, stage.contact(), "text", {"body": "Hi"})
    await send(stage, content, kind)
    page = await shown(stage)
    for word in words:
        assert word in page, word


async def test_cards_of_messenger(stage: Stage) -> None:
    """Cards, buttons and quick replies of Messenger are drawn; a tap is a postback."""
    contact = stage.contact()
    messaging.write(stage.sim, default.PAGE, contact, "text", {"text": "Hi"})
    element = {"title": "Phone", "buttons": [{"type": "postback", "title": "Buy", "payload": "BUY"}]}
    payload = {"template_type": "generic", "elements": [element]}
    recipient = {"id": stage.sim.world.scoped_id(contact, default.PAGE)}
    await stage.messenger({"recipient": recipient, "message": {"attachment": {"type": "template", "payload": payload}}})
    reply = {"content_type": "text", "title": "Blue", "payload": "B"}
    await stage.messenger({"recipient": recipient, "message": {"text": "Which?", "quick_replies": [reply]}})
    page = await shown(stage, f"chat/thread?account={default.PAGE}&contact=ann")
    assert all(word in page for word in ("Phone", "Buy", "postback", "Blue"))
    await act(stage, account=default.PAGE, do="postback", title="Buy", payload="BUY")
    told = [item["postback"] for item in await stage.told("messaging") if "postback" in item]
    assert [(one["title"], one["payload"]) for one in told] == [("Buy", "BUY")]


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("*bold* and _leaning_ and ~gone~", "<strong>bold</strong> and <em>leaning</em> and <s>gone</s>"),
        ("2 * 3 * 4 and snake_case_name", "2 * 3 * 4 and snake_case_name"),
        ("```*code*```", "<code>*code*</code>"),
        ("<i>", "&lt;i&gt;"),
        (
            "see https://example.test/a_b_c?x=1&y=2.",
            'see <a href="https://example.test/a_b_c?x=1&amp;y=2." target="_blank" rel="noopener noreferrer">'
            "https://example.test/a_b_c?x=1&amp;y=2.</a>",
        ),
    ],
)
def test_formatting(text: str, html: str) -> None:
    """Texts are drawn as WhatsApp draws them, links can be followed, and nothing of them is markup."""
    assert str(formatted(text)) == html


def test_no_formatting() -> None:
    """Elsewhere the signs are signs."""
    assert str(formatted("*bold*", marks=False)) == "*bold*"
