"""Where webhooks go: the callbacks of the app after the handshake, and overrides before them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from tests.simulator.stage import APP_SECRET, INSTAGRAM_SECRET, WHATSAPP_TOKEN, Reply, Stage

from hookline.simulator import default
from hookline.simulator.control.happenings import happen
from hookline.simulator.control.perform import perform
from hookline.simulator.options import DEFAULT_APP_ID
from hookline.simulator.signing import signatures
from hookline.simulator.subscriptions import INSTAGRAM, WHATSAPP, Notice, destinations

APP_TOKEN = f"{DEFAULT_APP_ID}|{APP_SECRET}"
SUBSCRIPTIONS = f"graph/v25.0/{DEFAULT_APP_ID}/subscriptions"
WABA_APPS = f"graph/v25.0/{default.WABA}/subscribed_apps"


class Callback:
    """A callback that answers the handshake in one way or another."""

    def __init__(self, token: str = "right", status: int = 200, before: str = "", after: str = "") -> None:
        self.token, self.status, self.before, self.after = token, status, before, after
        self.asked: list[dict[str, str]] = []
        self.told = 0
        self.url = ""

    async def answer(self, request: web.BaseRequest) -> web.Response:
        """Answer the handshake, or take a webhook."""
        if request.method == "POST":
            self.told += 1
            return web.Response()
        self.asked.append(dict(request.query))
        if request.query.get("hub.verify_token") != self.token:
            return web.Response(status=403)
        return web.Response(text=self.before + request.query["hub.challenge"] + self.after, status=self.status)


@asynccontextmanager
async def listening(callback: Callback) -> AsyncIterator[Callback]:
    """A callback that listens."""
    runner = web.ServerRunner(web.Server(callback.answer))
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        callback.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hooks"
        yield callback
    finally:
        await runner.cleanup()


async def subscribe(stage: Stage, url: str, *, token: str = APP_TOKEN, **changed: Any) -> Reply:
    """Subscribe the app to WhatsApp's messages."""
    form = {"object": WHATSAPP, "callback_url": url, "verify_token": "right", "fields": "messages"}
    return await stage.call("POST", SUBSCRIPTIONS, token, data=form | changed)


async def test_an_app_is_subscribed_after_the_handshake(stage: Stage) -> None:
    """The callback is asked to repeat a challenge; then the subscription is in force, and is shown."""
    async with listening(Callback()) as callback:
        assert (await subscribe(stage, callback.url, fields="messages,account_update")).json == {"success": True}
        (asked,) = callback.asked
        assert (asked["hub.mode"], asked["hub.verify_token"]) == ("subscribe", "right")
        shown = (await stage.call("GET", SUBSCRIPTIONS, APP_TOKEN)).json["data"]
        ours = next(one for one in shown if one["object"] == WHATSAPP)
        assert (ours["callback_url"], ours["active"]) == (callback.url, True)
        assert [field["name"] for field in ours["fields"]] == ["messages", "account_update"]
        perform(stage.sim, default.PHONE_NUMBER, "ann", "text", {"text": "Hello"})
        await stage.sim.settle()
        assert callback.told == 1


@pytest.mark.parametrize(
    "callback",
    [Callback(token="other"), Callback(status=201), Callback(after="\n"), Callback(before='"', after='"')],
    ids=["forbidden", "another status", "a line's end", "quotes"],
)
async def test_a_callback_that_does_not_repeat_the_challenge_is_refused(stage: Stage, callback: Callback) -> None:
    """Anything but 200 with the challenge as the whole body."""
    async with listening(callback):
        reply = await subscribe(stage, callback.url)
        assert reply.error == (2200, None)
    assert (await subscribe(stage, callback.url)).error == (2200, None), "nobody listens there any more"


async def test_what_cannot_be_subscribed_to(stage: Stage) -> None:
    """Unknown object, unknown field, no field, no URL, a URL that is too long, a token that is not the app's."""
    async with listening(Callback()) as callback:
        url = callback.url
        wrong = [
            await subscribe(stage, url, object="telegram"),
            await subscribe(stage, url, fields="messages,telepathy"),
            await subscribe(stage, url, fields=""),
            await subscribe(stage, "nowhere"),
            await subscribe(stage, url + "?" + "x" * 200),
        ]
        assert {reply.error for reply in wrong} == {(100, None)}
        assert (await subscribe(stage, url, token=WHATSAPP_TOKEN)).error == (15, None)
        assert callback.asked == []


async def test_subscriptions_are_removed_field_by_field_or_whole(stage: Stage) -> None:
    """DELETE with fields, with an object, and with nothing."""
    for query, left in (
        (f"object={WHATSAPP}&fields=messages", {WHATSAPP, "page", INSTAGRAM}),
        (f"object={WHATSAPP}", {"page", INSTAGRAM}),
        ("", set()),
    ):
        assert (await stage.call("DELETE", f"{SUBSCRIPTIONS}?{query}", APP_TOKEN)).json == {"success": True}
        shown = (await stage.call("GET", SUBSCRIPTIONS, APP_TOKEN)).json["data"]
        assert {one["object"] for one in shown} == left


def places(stage: Stage, field: str = "messages") -> list[str]:
    """Where a WhatsApp event of the first number goes."""
    notice = Notice(
        object=WHATSAPP, entry_id=default.WABA, field=field, content={}, phone_number_id=default.PHONE_NUMBER
    )
    return [place.url for place in destinations(stage.sim.world, notice)]


async def test_overrides_come_before_the_apps_callback(stage: Stage) -> None:
    """Phone before WABA before app, for messages alone; each goes away again as documented."""
    (app_url,) = places(stage)
    phone = f"graph/v25.0/{default.PHONE_NUMBER}"
    async with listening(Callback()) as waba, listening(Callback()) as number:
        body = {"override_callback_uri": waba.url, "verify_token": "right"}
        made = (await stage.call("POST", WABA_APPS, WHATSAPP_TOKEN, json=body)).json
        assert made["data"][0]["override_callback_uri"] == waba.url
        assert (places(stage), places(stage, "account_update")) == ([waba.url], [app_url])
        body = {"webhook_configuration": {"override_callback_uri": number.url, "verify_token": "right"}}
        assert (await stage.call("POST", phone, WHATSAPP_TOKEN, json=body)).json == {"success": True}
        assert (places(stage), len(number.asked)) == ([number.url], 1)
        shown = await stage.call("GET", f"{phone}?fields=webhook_configuration", WHATSAPP_TOKEN)
        assert shown.json["webhook_configuration"] == {
            "application": app_url,
            "whatsapp_business_account": waba.url,
            "phone_number": number.url,
        }
    gone = {"webhook_configuration": {"override_callback_uri": "", "verify_token": ""}}
    assert (await stage.call("POST", phone, WHATSAPP_TOKEN, json=gone)).status == 200
    assert places(stage) == [waba.url]
    assert (await stage.call("POST", WABA_APPS, WHATSAPP_TOKEN)).json == {"success": True}
    assert places(stage) == [app_url]


async def test_an_override_must_pass_the_handshake(stage: Stage) -> None:
    """With another token it is refused, and the old callback stays in force."""
    before = places(stage)
    async with listening(Callback()) as callback:
        body = {"override_callback_uri": callback.url, "verify_token": "wrong"}
        assert (await stage.call("POST", WABA_APPS, WHATSAPP_TOKEN, json=body)).error == (2200, None)
    assert places(stage) == before


async def test_both_halves_must_be_subscribed(stage: Stage) -> None:
    """Without the WABA's subscription, or the field at the app, nobody is told; the log says so."""
    assert (await stage.call("GET", WABA_APPS, WHATSAPP_TOKEN)).json["data"] != []
    assert (await stage.call("DELETE", WABA_APPS, WHATSAPP_TOKEN)).json == {"success": True}
    assert (await stage.call("GET", WABA_APPS, WHATSAPP_TOKEN)).json == {"data": []}
    perform(stage.sim, default.PHONE_NUMBER, "ann", "text", {"text": "Hello?"})
    happen(stage.sim, "notice", {"object": "permissions", "entryId": "0", "field": "connected"})
    assert await stage.told("messages") == []
    log = (await stage.call("GET", "control/deliveries?state=unsubscribed")).json
    assert [one["fields"] for one in log] == [["connected"], ["messages"]]


async def test_each_login_of_instagram_signs_with_its_own_secret(stage: Stage) -> None:
    """By Instagram Login the Instagram app's secret, by the linked page the app's; with both, it comes twice."""

    def secrets(account: str) -> list[str]:
        notice = Notice(object=INSTAGRAM, entry_id=account, field="messages", content={})
        return [place.secret for place in destinations(stage.sim.world, notice)]

    assert secrets(default.INSTAGRAM_ACCOUNT) == [INSTAGRAM_SECRET]
    assert secrets(default.INSTAGRAM_OF_PAGE) == [APP_SECRET]
    stage.sim.world.records.instagram_accounts[default.INSTAGRAM_OF_PAGE].subscribed = {DEFAULT_APP_ID: ["messages"]}
    assert secrets(default.INSTAGRAM_OF_PAGE) == [INSTAGRAM_SECRET, APP_SECRET]
    assert len(signatures(b"{}", APP_SECRET)["X-Hub-Signature-256"]) == len("sha256=") + 64
