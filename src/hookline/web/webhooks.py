"""The webhook ingress: a plain ASGI application, because FastAPI costs several times what is done here.

GET is the platforms' handshake. POST is received (reception.py) and answered 200 after the commit. Small and ordinary
POSTs do not even come here: they go the direct way (direct.py).
Source: protocol reference 1.1, 1.2, 1.4.
"""

import hmac
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, TypeAlias
from urllib.parse import parse_qs

from hookline.bootstrap import ApiContext
from hookline.domain.errors import BodyTooLarge, NotFound, Unavailable
from hookline.providers.base import Provider
from hookline.services.connect import provider_named
from hookline.web.bodies import hear_out
from hookline.web.problems import problem
from hookline.web.reception import PREFIX, Answer, Reception

Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send: TypeAlias = Callable[[Mapping[str, Any]], Awaitable[None]]


class WebhookIngress:
    """Answers `/api/webhooks/{provider}`."""

    def __init__(self, context: ApiContext, reception: Reception) -> None:
        self._context = context
        self._reception = reception

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        try:
            path = scope["path"]
            provider = self._reception.by_path.get(path) or provider_named(self._context.providers, path[len(PREFIX) :])
            if scope["method"] == "POST":
                await _send(send, await self._receive(provider, scope, receive))
            elif scope["method"] in ("GET", "HEAD"):
                await self._handshake(scope, send)
            else:
                await problem(
                    send, 405, "method-not-allowed", "webhooks are received by POST", {b"allow": b"GET, POST"}
                )
        except NotFound as error:
            await problem(send, 404, error.slug, str(error))

    async def _handshake(self, scope: Scope, send: Send) -> None:
        """Answer the challenge if the verify token is ours. Needs no database."""
        query = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        token = _first(query, "hub.verify_token", "hub_verify_token")
        expected = self._context.secrets.verify_token
        known = bool(expected) and hmac.compare_digest(token.encode(), expected.encode())
        if known and _first(query, "hub.mode", "hub_mode") == "subscribe":
            challenge = _first(query, "hub.challenge", "hub_challenge").encode()
            await _send(send, Answer.of(200, challenge, b"text/plain; charset=utf-8"))
        else:
            await problem(send, 403, "handshake", "the mode or the verify token is not the one expected")

    async def _receive(self, provider: Provider, scope: Scope, receive: Receive) -> Answer:
        try:
            body = await _read(scope, receive, self._reception.limit)
            await self._reception.begin(provider, body, scope["headers"])
        except Exception as error:  # whatever it is, the platform gets an answer
            return self._reception.answer(provider, error)
        return self._reception.answer(provider, None)


async def _read(scope: Scope, receive: Receive, limit: int) -> bytes:
    """Read the whole body. A larger one is refused, and not kept; one cut short is no request at all."""
    declared = next((value for name, value in scope["headers"] if name == b"content-length"), None)
    if declared is not None and declared.isdigit() and int(declared) > limit:
        await hear_out(receive)
        raise BodyTooLarge(f"webhooks may have at most {limit} bytes")
    message = await receive()
    body: bytes = message.get("body", b"")
    if not message.get("more_body", False):
        return _whole(message, body, limit)
    chunks, size = [body], len(body)
    while message.get("more_body", False):
        message = await receive()
        chunk: bytes = message.get("body", b"")
        chunks.append(chunk)
        size += len(chunk)
        if size > limit:
            if message.get("more_body", False):
                await hear_out(receive, size)
            raise BodyTooLarge(f"webhooks may have at most {limit} bytes")
    return _whole(message, b"".join(chunks), limit)


def _whole(message: Mapping[str, Any], body: bytes, limit: int) -> bytes:
    if message["type"] == "http.disconnect":
        raise Unavailable("the connection was closed before the body ended")
    if len(body) > limit:
        raise BodyTooLarge(f"webhooks may have at most {limit} bytes")
    return body


def _first(query: Mapping[str, list[str]], *names: str) -> str:
    """Take a query parameter; some proxies turn the dots of its name into underscores."""
    return next((query[name][0] for name in names if name in query), "")


async def _send(send: Send, answer: Answer) -> None:
    await send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
    await send({"type": "http.response.body", "body": answer.body})


def is_webhook(path: str) -> bool:
    """Whether a path is a provider's webhook, rather than one of the callbacks below it."""
    return path.startswith(PREFIX) and "/" not in path[len(PREFIX) :]
