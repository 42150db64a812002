"""The platform's calls when somebody removes the app, or wants their data deleted."""

import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web
from tests.simulator.login.steps import instagram_token, page_token
from tests.simulator.stage import APP_SECRET, INSTAGRAM_SECRET, Stage

from hookline.simulator import default
from hookline.simulator.options import DEFAULT_APP_ID


class Callbacks:
    """Takes signed requests, and keeps what they say."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, str, dict[str, Any]]] = []

    async def answer(self, request: web.BaseRequest) -> web.Response:
        """Take a signed request, whosever secret it is signed with."""
        signature, _, payload = str((await request.post())["signed_request"]).partition(".")
        signed = "nobody"
        for name, secret in (("app", APP_SECRET), ("instagram", INSTAGRAM_SECRET)):
            right = hmac.new(secret.encode(), payload.encode(), hashlib.sha256).digest()
            if hmac.compare_digest(decoded(signature), right):
                signed = name
        self.taken.append((request.path, signed, json.loads(decoded(payload))))
        return web.json_response({"url": "https://crm.example/status?id=1", "confirmation_code": "1"})


def decoded(text: str) -> bytes:
    """Base64 as URLs have it, without padding."""
    assert "=" not in text
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


@pytest_asyncio.fixture
async def callbacks(stage: Stage) -> AsyncIterator[Callbacks]:
    """Callbacks that are set at the app."""
    taking = Callbacks()
    runner = web.ServerRunner(web.Server(taking.answer))
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        base = f"http://127.0.0.1:{runner.addresses[0][1]}"
        subscribed = {"callbackBase": base, "verify": False}
        assert (await stage.call("POST", "control/subscribe", json=subscribed)).status == 200
        yield taking
    finally:
        await runner.cleanup()


async def test_removing_the_app_ends_it_all_and_is_told(stage: Stage, callbacks: Callbacks) -> None:
    """Tokens die, the page's webhooks end, and the deauthorize callback is called with the person's id."""
    token = await page_token(stage, default.PAGE)
    removed = (await stage.call("POST", "control/remove-app", json={"user": default.OWNER})).json
    assert (removed["tokens"] >= 2, removed["status"]) == (True, 200)
    assert (await stage.call("GET", "graph/v25.0/me", token)).error == (190, 458)
    assert DEFAULT_APP_ID not in stage.page.subscribed
    ((path, signed, said),) = callbacks.taken
    assert (path, signed) == ("/facebook/deauthorize", "app")
    assert (said["user_id"], said["algorithm"]) == (default.OWNER, "HMAC-SHA256")
    assert abs(said["issued_at"] - stage.sim.world.clock.now()) < 60


async def test_by_instagram_login_it_is_told_with_that_secret(stage: Stage, callbacks: Callbacks) -> None:
    """To Instagram's own callback, about the app-scoped id."""
    token = await instagram_token(stage)
    await stage.call("POST", "control/remove-app", json={"account": default.INSTAGRAM_ACCOUNT})
    assert (await stage.call("GET", "instagram-graph/v25.0/me", token)).error == (190, 458)
    ((path, signed, said),) = callbacks.taken
    assert (path, signed, said["user_id"]) == ("/instagram/deauthorize", "instagram", "25100000000000001")


async def test_deletion_is_asked_for_and_answered(stage: Stage, callbacks: Callbacks) -> None:
    """The answer of the app is shown as it came."""
    asked = (await stage.call("POST", "control/request-deletion", json={"user": default.OWNER})).json
    assert json.loads(asked["answer"])["confirmation_code"] == "1"
    assert callbacks.taken[0][:2] == ("/facebook/data-deletion", "app")


@pytest.mark.parametrize(("tamper", "algorithm"), [(True, "HMAC-SHA256"), (False, "none")])
async def test_a_forged_request_on_request(stage: Stage, callbacks: Callbacks, tamper: bool, algorithm: str) -> None:
    """With a wrong secret, or another algorithm's name, for whoever must refuse it."""
    body = {"user": default.OWNER, "tamper": tamper, "algorithm": algorithm}
    await stage.call("POST", "control/request-deletion", json=body)
    ((_, signed, said),) = callbacks.taken
    assert (signed, said["algorithm"]) == ("nobody" if tamper else "app", algorithm)


async def test_an_app_without_callbacks_is_not_called(stage: Stage) -> None:
    """Nobody to tell is said so."""
    assert (await stage.call("POST", "control/request-deletion", json={"user": default.OWNER})).json == {"called": None}
    assert (await stage.call("POST", "control/request-deletion", json={})).status == 422
