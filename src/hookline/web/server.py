"""The HTTP process: the webhook ingress in front, the API behind it, and the server that runs both."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any

import structlog
import uvicorn

from hookline.bootstrap import ApiContext
from hookline.web.app import create_api
from hookline.web.direct import direct_protocol
from hookline.web.listener import listen
from hookline.web.reception import Reception
from hookline.web.webhooks import Receive, Scope, Send, WebhookIngress, is_webhook

# How long a stop waits for requests in flight; a webhook is answered within a few milliseconds.
STOP_SECONDS = 10

log = structlog.get_logger(__name__)

AsgiApplication = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]


def create_app(context: ApiContext, reception: Reception) -> AsgiApplication:
    """Put the ingress in front of the API: what it answers never passes the API's middleware."""
    ingress = WebhookIngress(context, reception)
    api = create_api(context)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and is_webhook(scope["path"]):
            await ingress(scope, receive, send)
        else:
            await api(scope, receive, send)

    return app


class _Server(uvicorn.Server):
    """A server that leaves the signals to its caller."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


async def serve(
    context: ApiContext,
    stop: asyncio.Event,
    *,
    listener: socket.socket | None = None,
    listening: Callable[[int], None] | None = None,
) -> None:
    """Serve until `stop` is set; then finish what is in flight. `listening` is told the port.

    listener: a socket that listens already; otherwise one is opened as the settings say.
    Raises: StartupError, if the address cannot be listened on.
    """
    if listener is None:
        listener = listen(context.settings.host, context.settings.port)
    reception = Reception(context)
    config = uvicorn.Config(
        create_app(context, reception),
        loop="none",
        http=direct_protocol(reception),
        ws="none",
        lifespan="off",
        access_log=False,
        log_config=None,
        server_header=False,
        date_header=False,
        timeout_graceful_shutdown=STOP_SECONDS,
        timeout_keep_alive=75,
        proxy_headers=False,
    )
    server = _Server(config)
    serving = asyncio.create_task(server.serve([listener]), name="http")
    try:
        if listening is not None:
            listening(listener.getsockname()[1])
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait([serving, stopping], return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        server.should_exit = True
        await serving
    finally:
        listener.close()
