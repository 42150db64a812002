"""Where media are fetched from: signed URLs that expire; WhatsApp's want the bearer token as well.

Source: protocol reference 0.1 (media CDN), 2.5 (WhatsApp: five minutes, the same bearer; 404 means: ask again).
"""

import hashlib
import hmac
from collections.abc import Awaitable, Callable
from urllib.parse import quote

from aiohttp import web

from hookline.simulator import access
from hookline.simulator.errors import Refusal
from hookline.simulator.http import Reply, text_reply
from hookline.simulator.records import Media
from hookline.simulator.simulator import Simulator
from hookline.simulator.world import Kind

PREFIX = "cdn"
_WITH_BEARER = "whatsapp_business"
_OPEN = "messaging"
# URLs of Messenger's and Instagram's files live so long.
OPEN_SECONDS = 7 * 24 * 3600


def whatsapp_url(sim: Simulator, media: Media) -> str:
    """A URL of a WhatsApp file, for whoever has a token that reaches it."""
    return _url(sim, _WITH_BEARER, media, sim.conduct.media_seconds)


def open_url(sim: Simulator, media: Media) -> str:
    """A URL of a Messenger or Instagram file, for whoever has the URL."""
    return _url(sim, _OPEN, media, OPEN_SECONDS)


def place(sim: Simulator) -> Callable[[web.BaseRequest, str], Awaitable[Reply]]:
    """The place that answers what stands below `/cdn`."""

    async def answer(request: web.BaseRequest, path: str) -> Reply:
        return _answer(sim, request, path)

    return answer


def _url(sim: Simulator, kind: str, media: Media, seconds: float) -> str:
    expires = str(int(sim.world.clock.now() + seconds))
    return f"{sim.url}/{PREFIX}/{kind}/{media.id}?ext={expires}&hash={_signature(sim, kind, media.id, expires)}"


def _signature(sim: Simulator, kind: str, media_id: str, expires: str) -> str:
    key = f"cdn {sim.world.records.seed}".encode()
    return hmac.new(key, f"{kind}/{media_id}/{expires}".encode(), hashlib.sha256).hexdigest()[:32]


def _answer(sim: Simulator, request: web.BaseRequest, path: str) -> Reply:
    sim.counters.calls[f"{request.method} {PREFIX}"] += 1
    kind, _, media_id = path.partition("/")
    if request.method not in ("GET", "HEAD"):
        return text_reply("Files are fetched with GET.\n", 405)
    refused = _refused(sim, request, kind, media_id)
    return refused if refused is not None else _file(sim, request, kind, media_id)


def _refused(sim: Simulator, request: web.BaseRequest, kind: str, media_id: str) -> Reply | None:
    """See that a URL is one that was given, and is not too old."""
    expires, signature = request.query.get("ext", ""), request.query.get("hash", "")
    if kind not in (_WITH_BEARER, _OPEN) or not expires.isdecimal():
        return text_reply("There is no such file.\n", 404)
    if not hmac.compare_digest(signature.encode(), _signature(sim, kind, media_id, expires).encode()):
        return text_reply("URL signature mismatch\n", 403)
    if int(expires) <= sim.world.clock.now():
        return text_reply("URL signature expired\n", 404 if kind == _WITH_BEARER else 403)
    return None


def _file(sim: Simulator, request: web.BaseRequest, kind: str, media_id: str) -> Reply:
    node = sim.world.node(media_id)
    content = sim.files.get(media_id)
    if node is None or node.kind is not Kind.MEDIA or content is None:
        return text_reply("There is no such file.\n", 404)
    if kind == _WITH_BEARER and not _allowed(sim, request, media_id):
        return text_reply("An access token is required.\n", 401)
    media = node.as_(Media)
    headers = {"Content-Type": media.mime_type, "X-Content-Type-Options": "nosniff"}
    if media.filename:
        headers["Content-Disposition"] = f"attachment; filename*=UTF-8''{quote(media.filename)}"
    return web.Response(body=content, headers=headers)


def _allowed(sim: Simulator, request: web.BaseRequest, media_id: str) -> bool:
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    node = sim.world.node(media_id)
    if scheme.lower() != "bearer" or node is None:
        return False
    try:
        return access.reaches(sim.world, access.read_token(sim.world, value.strip()), node)
    except Refusal:
        return False
