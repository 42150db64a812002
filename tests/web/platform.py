"""Whoever posts webhooks: a platform in front of the whole HTTP process's application, on a free port."""

from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
from tests.web.answer import Answer

from hookline.bootstrap import ApiContext
from hookline.providers.meta.signature import sign

SECRET, PREVIOUS = "the app's secret", "the app's previous secret"
VERIFY_TOKEN = "what the handshake must bring"
INSTAGRAM_SECRET = "the other app's secret"
RECEIVED = {"status": "received"}


class Platform:
    """Whoever posts webhooks to one running API, signed with the first secret unless a test says otherwise."""

    def __init__(self, url: str, session: aiohttp.ClientSession, context: ApiContext, stop: Callable[[], None]) -> None:
        self.url, self.session, self.context, self.stop = url, session, context, stop

    async def request(self, method: str, path: str, **options: Any) -> Answer:
        async with self.session.request(method, self.url + path, **options) as answer:
            return Answer(answer.status, answer.headers, await answer.read())

    async def post(
        self, body: Any, provider: str = "WHATSAPP", *, secret: str | None = SECRET, headers: Any = None
    ) -> Answer:
        """Post a body, signed with `secret` unless that is None."""
        given = {"Content-Type": "application/json"}
        if secret is not None:
            given["X-Hub-Signature-256"] = sign(body, secret)
        return await self.request("POST", f"/api/webhooks/{provider}", data=body, headers=given | (headers or {}))


Open = Callable[..., Awaitable[Platform]]
