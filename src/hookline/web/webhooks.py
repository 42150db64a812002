"""The webhook ingress: a plain ASGI application, because this is the hot path.

GET is the platforms' handshake. POST is verified over the raw bytes, split, stored, and answered 200 after the commit.
Source: protocol reference 1.1, 1.2, 1.4.
"""

import hmac
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, TypeAlias
from urllib.parse import parse_qs

import structlog
from prometheus_client import Counter

from hookline.bootstrap import ApiContext
from hookline.domain.errors import BodyTooLarge, NotFound, RequestError, SignatureMismatch, Unavailable
from hookline.domain.event import Signature
from hookline.providers.base import Provider
from hookline.services.connect import provider_named
from hookline.services.ingest import events_of
from hookline.web.problems import problem

Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send: TypeAlias = Callable[[Mapping[str, Any]], Awaitable[None]]

PREFIX = "/api/webhooks/"
_SIGNATURE_HEADER = b"x-hub-signature-256"
_ORGANIZATION_HEADER = b"x-organization-id"
_RECEIVED = b'{"status":"received"}'
_RECEIVED_START = {
    "type": "http.response.start",
    "status": 200,
    "headers": [(b"content-type", b"application/json"), (b"content-length", str(len(_RECEIVED)).encode())],
}
_RECEIVED_BODY = {"type": "http.response.body", "body": _RECEIVED}
_RETRY_AFTER_SECONDS = 5

WEBHOOKS = Counter("hookline_webhooks_total", "Webhooks by provider and answer", ["provider", "answer"])

log = structlog.get_logger(__name__)


class WebhookIngress:
    """Answers `/api/webhooks/{provider}`."""

    def __init__(self, context: ApiContext) -> None:
        self._context = context
        settings = context.settings
        self._limit = settings.max_webhook_bytes
        self._unsigned_allowed = settings.unsigned_webhooks_allowed
        self._development = not settings.production
        # As people and platforms write them; any other mixture of cases is looked up.
        self._by_path = {
            PREFIX + spelled: provider
            for name, provider in context.providers.items()
            for spelled in (name.value, name.lower())
        }
        self._counted = {
            (name, answer): WEBHOOKS.labels(name, answer)
            for name in context.providers
            for answer in ("received", "refused", "unavailable")
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        try:
            path = scope["path"]
            provider = self._by_path.get(path) or provider_named(self._context.providers, path[len(PREFIX) :])
            if scope["method"] == "POST":
                await self._receive(provider, scope, receive, send)
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
            await _answer(
                send, 200, _first(query, "hub.challenge", "hub_challenge").encode(), b"text/plain; charset=utf-8"
            )
        else:
            await problem(send, 403, "handshake", "the mode or the verify token is not the one expected")

    async def _receive(self, provider: Provider, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            body = await _read(scope, receive, self._limit)
            signature = self._verify(provider, body, _header(scope, _SIGNATURE_HEADER))
            rows = events_of(
                provider,
                body,
                signature,
                organization_hint=_header(scope, _ORGANIZATION_HEADER) if self._development else None,
                latest_if_unnamed=self._development,
            )
            await self._context.ingest.store(rows, len(body))
        except Unavailable as error:
            self._counted[provider.name, "unavailable"].inc()
            headers = {b"retry-after": str(_RETRY_AFTER_SECONDS).encode()}
            await problem(send, 503, "unavailable", f"{error}; deliver it again", headers)
        except RequestError as error:
            self._counted[provider.name, "refused"].inc()
            await problem(send, 413 if isinstance(error, BodyTooLarge) else 401, error.slug, str(error))
        else:
            self._counted[provider.name, "received"].inc()
            await send(_RECEIVED_START)
            await send(_RECEIVED_BODY)

    def _verify(self, provider: Provider, body: bytes, header: str | None) -> Signature:
        """Check the signature before anything is read of the body. Neither it nor the expected one is ever shown."""
        if header is None and self._unsigned_allowed:
            return Signature.UNSIGNED
        if provider.verify(body, header, self._context.secrets.webhook[provider.name]):
            return Signature.VERIFIED
        raise SignatureMismatch("the signature is missing or was not made with a known app secret")


async def _read(scope: Scope, receive: Receive, limit: int) -> bytes:
    """Read the whole body. A larger one is refused as soon as that is known; one cut short is no request at all."""
    declared = _header(scope, b"content-length")
    if declared is not None and declared.isdigit() and int(declared) > limit:
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
            raise BodyTooLarge(f"webhooks may have at most {limit} bytes")
    return _whole(message, b"".join(chunks), limit)


def _whole(message: Mapping[str, Any], body: bytes, limit: int) -> bytes:
    if message["type"] == "http.disconnect":
        raise Unavailable("the connection was closed before the body ended")
    if len(body) > limit:
        raise BodyTooLarge(f"webhooks may have at most {limit} bytes")
    return body


def _header(scope: Scope, name: bytes) -> str | None:
    for key, value in scope["headers"]:
        if key == name:
            return str(value.decode("latin-1"))
    return None


def _first(query: Mapping[str, list[str]], *names: str) -> str:
    """Take a query parameter; some proxies turn the dots of its name into underscores."""
    return next((query[name][0] for name in names if name in query), "")


async def _answer(send: Send, status: int, body: bytes, content_type: bytes) -> None:
    headers = [(b"content-type", content_type), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def is_webhook(path: str) -> bool:
    """Whether a path is a provider's webhook, rather than one of the callbacks below it."""
    return path.startswith(PREFIX) and "/" not in path[len(PREFIX) :]
