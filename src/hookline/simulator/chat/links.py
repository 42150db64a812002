"""Files for the page: it may load nothing from elsewhere, so what was sent to somebody is fetched for it."""

import hashlib
import hmac
import secrets
from urllib.parse import urlencode

import aiohttp
from aiohttp import web

from hookline.simulator.files import read_up_to
from hookline.simulator.http import Reply, text_reply
from hookline.simulator.records import Media
from hookline.simulator.simulator import Simulator

_SHOWN = ("image/", "video/", "audio/")
_LARGEST = 32 * 1024 * 1024
_SECONDS = 10.0
_KEY = secrets.token_bytes(32)


class Files:
    """Makes URLs of files for the page, and answers them. A URL elsewhere is signed: no other is ever fetched."""

    def __init__(self, sim: Simulator) -> None:
        self._sim = sim

    def of(self, media_id: object = None, link: object = None) -> str:
        """The page's URL for an uploaded file, or one that was sent by link."""
        if media_id is not None:
            return f"/chat/file?{urlencode({'media': str(media_id)})}"
        url = str(link or "")
        if url.startswith(f"{self._sim.url}/cdn/"):
            return url.removeprefix(self._sim.url)
        return f"/chat/link?{urlencode({'url': url, 'sign': self._sign(url)})}" if url else ""

    async def answer_file(self, request: web.BaseRequest) -> Reply:
        """Answer an uploaded file."""
        media_id = request.query.get("media", "")
        media, content = self._sim.world.records.media.get(media_id), self._sim.files.get(media_id)
        if not isinstance(media, Media):
            return text_reply("There is no such file.\n", 404)
        if content is None:
            return await self._fetch(media.link) if media.link else text_reply("The file is gone.\n", 404)
        return _shown(content, media.mime_type)

    async def answer_link(self, request: web.BaseRequest) -> Reply:
        """Fetch and answer a file that was sent by link."""
        url, sign = request.query.get("url", ""), request.query.get("sign", "")
        if not hmac.compare_digest(sign.encode(), self._sign(url).encode()):
            return text_reply("This was not sent to anybody here.\n", 403)
        return await self._fetch(url)

    async def _fetch(self, url: str) -> Reply:
        try:
            async with self._sim.session.get(url, timeout=aiohttp.ClientTimeout(total=_SECONDS)) as found:
                content = await read_up_to(found.content, _LARGEST)
                if found.status == 200 and len(content) <= _LARGEST:
                    return _shown(content, found.content_type)
        except (TimeoutError, aiohttp.ClientError, ValueError):
            pass
        return text_reply("The file could not be fetched.\n", 404)

    def _sign(self, url: str) -> str:
        return hmac.new(_KEY, url.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()[:32]


def _shown(content: bytes, mime_type: str) -> Reply:
    """A picture, film or sound to show; anything else to keep. No markup is ever shown."""
    headers = {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "default-src 'none'; sandbox"}
    if not mime_type.startswith(_SHOWN) or "svg" in mime_type:
        headers["Content-Disposition"] = "attachment"
        mime_type = "application/octet-stream"
    return web.Response(body=content, headers={**headers, "Content-Type": mime_type})
