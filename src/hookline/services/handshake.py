"""The platforms' handshake with our own callback, made from outside, as they make it: by the public URL.

Source: protocol reference 1.1.
"""

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable
from typing import Final

from hookline.domain.account import IntegrationProvider
from hookline.domain.health import Finding, ok, problem
from hookline.domain.provider_error import NotReached, OutcomeUnknown
from hookline.providers.health import shown_url
from hookline.providers.http import HttpClient

NAME: Final = "handshake"
_SECONDS: Final = 8.0
_MOST_BYTES: Final = 1024 * 1024  # the page of whatever else may answer there
_FRESH_SECONDS: Final = 15.0


def callback_url(base_url: str | None, provider: IntegrationProvider) -> str | None:
    """Give the address at which we take a platform's webhooks, if it is known."""
    return base_url and f"{base_url}/api/webhooks/{provider.lower()}"


async def shake_hands(http: HttpClient, url: str | None, verify_token: str) -> Finding:
    """Ask our callback to repeat a challenge, with the verify token that the platforms are to bring."""
    if url is None:
        return problem(
            NAME,
            "it is not known under which address the platforms reach this installation",
            "Set HOOKLINE_PUBLIC_URL.",
        )
    challenge = secrets.token_hex(8)
    asked = {"hub.mode": "subscribe", "hub.challenge": challenge, "hub.verify_token": verify_token}
    shown = shown_url(url)
    try:
        reply = await http.request("GET", url, params=asked, timeout_seconds=_SECONDS, max_bytes=_MOST_BYTES)
    except (NotReached, OutcomeUnknown) as failure:
        return problem(
            NAME,
            f"our own callback {shown} does not answer ({failure})",
            "Look at HOOKLINE_PUBLIC_URL, the address's DNS and certificate, the proxy, and whether the API runs.",
        )
    if reply.status == 200 and reply.body == challenge.encode():
        return ok(NAME, f"our callback answers at {shown}, and takes the verify token")
    if reply.status == 403:
        found = f"our callback at {shown} refuses the verify token that is set here"
        return problem(NAME, found, "Give all processes the same HOOKLINE_META_VERIFY_TOKEN, and restart them.")
    found = f"{shown} does not repeat the platforms' challenge (status {reply.status}): something else answers there"
    return problem(NAME, found, "Lead the address to the API, unchanged: without redirects, and with its query.")


class Handshakes:
    """Handshakes by platform: each is made once for all who ask within some seconds."""

    def __init__(self, shake: Callable[[IntegrationProvider], Awaitable[Finding]]) -> None:
        self._shake = shake
        self._made: dict[IntegrationProvider, tuple[float, asyncio.Future[Finding]]] = {}

    async def of(self, provider: IntegrationProvider) -> Finding:
        """Give what a platform's handshake came to."""
        begun, made = self._made.get(provider, (0.0, None))
        if made is None or made.cancelled() or (made.done() and time.monotonic() - begun > _FRESH_SECONDS):
            made = asyncio.ensure_future(self._shake(provider))
            self._made[provider] = time.monotonic(), made
        return await asyncio.shield(made)
