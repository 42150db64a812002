"""The bare limit: an ASGI application that checks the signature and stores event and job in micro-batches; no more.

Same server and options, tables, indices, batch size and number of writers as the product's. It reads nothing of the
body, routes nothing, and acts as the tables' owner, whom row-level security does not bind.
"""

import asyncio
import hashlib
import hmac
import os
import socket
import sys
from collections import deque
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg
import uvicorn
import uvloop
from uuid_utils.compat import uuid7

from bench.samples import APP_SECRET, ORGANIZATION
from hookline.services.ingest import FLUSHERS, MAX_ROWS
from hookline.web.protocol import JoinedWritesProtocol

_SECRET = APP_SECRET.encode()
_ANSWER = b'{"status":"received"}'
_HEADERS = [(b"content-type", b"application/json"), (b"content-length", str(len(_ANSWER)).encode())]

_INSERT = f"""
WITH part AS (
    SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::timestamptz[]) AS p(id, job_id, body, received_at)
),
event AS (
    INSERT INTO webhook_events (
        id, organization_id, connected_account_id, provider, event_type, payload_json, ordering, signature, status,
        received_at)
    SELECT id, '{ORGANIZATION}', $5::uuid, 'WHATSAPP', 'messages', body::json, '', 'verified', 'PENDING', received_at
    FROM part
)
INSERT INTO integration_jobs (
    id, organization_id, provider, job_type, payload_json, connected_account_id, ordering_key, lane)
SELECT job_id, '{ORGANIZATION}', 'WHATSAPP', 'PROCESS_WEBHOOK', ('{{"webhookEventId":"' || id || '"}}')::json,
       $5::uuid, 'in:bare', 0
FROM part
"""

_Row = tuple[UUID, UUID, str, datetime]


class _Writer:
    """Everything that arrives while a flush is in flight goes out with the next one."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self._account = uuid7()
        self._waiting: deque[tuple[_Row, asyncio.Future[None]]] = deque()
        self._flushers: set[asyncio.Task[None]] = set()

    async def store(self, row: _Row) -> None:
        stored = asyncio.get_running_loop().create_future()
        self._waiting.append((row, stored))
        if len(self._flushers) < FLUSHERS:
            task = asyncio.create_task(self._flush())
            self._flushers.add(task)
            task.add_done_callback(self._flushers.discard)
        await stored

    async def _flush(self) -> None:
        while self._waiting:
            batch = [self._waiting.popleft() for _ in range(min(MAX_ROWS, len(self._waiting)))]
            columns = [list(column) for column in zip(*(row for row, _ in batch), strict=True)]
            async with self._pool.acquire() as connection:
                await connection.execute(_INSERT, *columns, self._account)
            for _, stored in batch:
                stored.set_result(None)


class _Application:
    """POST anything."""

    def __init__(self, writer: _Writer) -> None:
        self._writer = writer

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        message = await receive()
        body = message["body"]
        while message["more_body"]:
            message = await receive()
            body += message["body"]
        given = next(value for name, value in scope["headers"] if name == b"x-hub-signature-256")
        status = 401
        if hmac.compare_digest(b"sha256=" + hmac.digest(_SECRET, body, hashlib.sha256).hex().encode(), given):
            await self._writer.store((uuid7(), uuid7(), body.decode(), datetime.now(UTC)))
            status = 200
        await send({"type": "http.response.start", "status": status, "headers": _HEADERS})
        await send({"type": "http.response.body", "body": _ANSWER})


async def _serve(ready_fd: int) -> None:
    listener = socket.create_server(("127.0.0.1", 0), backlog=2048)
    pool = await asyncpg.create_pool(os.environ["HOOKLINE_DATABASE_URL"], min_size=FLUSHERS, max_size=FLUSHERS)
    config = uvicorn.Config(
        _Application(_Writer(pool)),
        loop="none",
        http=JoinedWritesProtocol,
        ws="none",
        lifespan="off",
        access_log=False,
        log_config=None,
        server_header=False,
        date_header=False,
        timeout_keep_alive=75,
        proxy_headers=False,
    )
    os.write(ready_fd, f"{listener.getsockname()[1]}\n".encode())
    await uvicorn.Server(config).serve([listener])


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(int(sys.argv[1])))
