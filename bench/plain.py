"""A plain service, as a competent team would write it in the usual style: FastAPI, and SQLAlchemy's ORM on asyncpg.

It does what the task says and no more: the signature is checked over the raw body, the event and its job are added
through the ORM, committed, and then answered 200. Its tables are the specification's records with the look-ups that it
asks for, in a schema of their own. One process, uvicorn with what it picks by itself (uvloop, httptools). It looks up
no account and splits nothing, so it does less than Hookline.
"""

import hashlib
import hmac
import json
import os
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar
from uuid import UUID

import asyncpg
import uvicorn
from fastapi import Depends, FastAPI, Header, HTTPException, Request
from pydantic import BaseModel
from sqlalchemy import DateTime, ForeignKey, Index, MetaData, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship
from uuid_utils.compat import uuid7

from bench.machine import versions
from bench.samples import APP_SECRET, MESSAGE_ID_PATH, ORGANIZATION

VERSIONS = versions("fastapi", "sqlalchemy", "asyncpg")
SCHEMA = "plain"
POOL = 20
EMPTY = f"TRUNCATE {SCHEMA}.webhook_events, {SCHEMA}.integration_jobs"
STORED = f"SELECT count(DISTINCT payload_json #>> '{MESSAGE_ID_PATH}') FROM {SCHEMA}.webhook_events"
JOBS = f"SELECT count(*) FROM {SCHEMA}.integration_jobs"


class Base(DeclarativeBase):
    """All tables are in one schema."""

    metadata = MetaData(schema=SCHEMA)
    type_annotation_map: ClassVar = {datetime: DateTime(timezone=True), dict[str, Any]: JSONB}


def _now() -> datetime:
    return datetime.now(UTC)


class WebhookEvent(Base):
    """The specification's WebhookEvent."""

    __tablename__ = "webhook_events"
    __table_args__ = (
        Index("webhook_events_provider_status", "provider", "status"),
        Index("webhook_events_status_received", "status", "received_at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    provider: Mapped[str]
    event_type: Mapped[str]
    payload_json: Mapped[dict[str, Any]]
    received_at: Mapped[datetime] = mapped_column(default=_now)
    processed_at: Mapped[datetime | None]
    status: Mapped[str] = mapped_column(default="PENDING")
    retries: Mapped[int] = mapped_column(default=0)


class IntegrationJob(Base):
    """The specification's IntegrationJob."""

    __tablename__ = "integration_jobs"
    __table_args__ = (
        Index("integration_jobs_status_run_at", "status", "run_at"),
        Index("integration_jobs_organization_status", "organization_id", "status"),
        Index("integration_jobs_provider_status", "provider", "status"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    organization_id: Mapped[str]
    provider: Mapped[str]
    job_type: Mapped[str]
    payload_json: Mapped[dict[str, Any]]
    webhook_event_id: Mapped[UUID] = mapped_column(ForeignKey(WebhookEvent.id))
    event: Mapped[WebhookEvent] = relationship()
    status: Mapped[str] = mapped_column(default="PENDING")
    attempts: Mapped[int] = mapped_column(default=0)
    last_error: Mapped[str | None]
    run_at: Mapped[datetime] = mapped_column(default=_now)
    created_at: Mapped[datetime] = mapped_column(default=_now)
    updated_at: Mapped[datetime] = mapped_column(default=_now)


class Received(BaseModel):
    """The answer."""

    status: str


def _connect() -> Any:
    return asyncpg.connect(os.environ["HOOKLINE_DATABASE_URL"])


engine = create_async_engine("postgresql+asyncpg://", async_creator=_connect, pool_size=POOL)
sessions = async_sessionmaker(engine, expire_on_commit=False)


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    """Have the tables there."""
    async with engine.begin() as connection:
        await connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}"))
        await connection.run_sync(Base.metadata.create_all)
    yield
    await engine.dispose()


async def session() -> AsyncIterator[AsyncSession]:
    """One session a request."""
    async with sessions() as opened:
        yield opened


app = FastAPI(lifespan=lifespan)


@app.post("/api/webhooks/{provider}")
async def receive(
    provider: str,
    request: Request,
    x_hub_signature_256: Annotated[str, Header()],
    database: Annotated[AsyncSession, Depends(session)],
) -> Received:
    """Take one webhook."""
    body = await request.body()
    expected = "sha256=" + hmac.new(APP_SECRET.encode(), body, hashlib.sha256).hexdigest()
    if not hmac.compare_digest(expected.encode(), x_hub_signature_256.encode()):
        raise HTTPException(401)
    payload = json.loads(body)
    name = provider.upper()
    event = WebhookEvent(
        id=uuid7(), provider=name, event_type=payload["entry"][0]["changes"][0]["field"], payload_json=payload
    )
    job = IntegrationJob(
        event=event,
        organization_id=ORGANIZATION,
        provider=name,
        job_type="PROCESS_WEBHOOK",
        payload_json={"webhookEventId": str(event.id)},
    )
    database.add_all([event, job])
    await database.commit()
    return Received(status="received")


class _Server(uvicorn.Server):
    """Says its port once it listens."""

    ready_fd = -1

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        assert sockets
        os.write(self.ready_fd, f"{sockets[0].getsockname()[1]}\n".encode())


def main(ready_fd: int) -> None:
    """Serve on a free port."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=2048)
    server = _Server(uvicorn.Config(app, access_log=False, log_level="warning", timeout_keep_alive=75))
    server.ready_fd = ready_fd
    server.run([listener])


if __name__ == "__main__":
    main(int(sys.argv[1]))
