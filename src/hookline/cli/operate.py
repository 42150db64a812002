"""What operators do by hand: migrate, make a token, trace a message, replay events, look at what nobody owns."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

import msgspec

from hookline.bootstrap import WorkerContext, database, read_secrets, worker_context
from hookline.domain.errors import InvalidRequest, NotFound, StartupError
from hookline.domain.event import WebhookEventStatus
from hookline.domain.ids import parse_id
from hookline.domain.principal import Role
from hookline.security.auth import development_token
from hookline.services import shapes
from hookline.services.replay import replay_event
from hookline.services.trace import trace
from hookline.settings import Settings
from hookline.store import events
from hookline.store.migrate import migrate


@asynccontextmanager
async def operating(settings: Settings) -> AsyncIterator[WorkerContext]:
    """Open what an operator's command works with: everybody's data."""
    async with database(settings) as url, worker_context(settings, url) as context:
        yield context


def print_json(value: Any) -> None:
    """Print for machines."""
    print(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


async def migrate_now(settings: Settings) -> int:
    """Bring the schema up to date and say what was done."""
    async with database(settings, log=print) as url:
        applied = await migrate(url, log=print)
    print(f"applied {', '.join(applied)}" if applied else "the schema is up to date")
    return 0


def print_token(settings: Settings, organization_id: str, role: Role, hours: float) -> int:
    """Print a token for one organization and role, and nothing else."""
    if settings.production:
        raise StartupError("in production, tokens come from the CRM")
    auth = read_secrets(settings).auth
    if auth.secret is None:
        raise StartupError("tokens are verified by published keys (HOOKLINE_JWT_JWKS_URL); the CRM makes them")
    print(development_token(auth.secret, organization_id, role, options=auth, valid_for=timedelta(hours=hours)))
    return 0


async def print_trace(settings: Settings, name: str, *, as_json: bool) -> int:
    """Tell the story of a message; exit code 1 if nobody has heard of it."""
    async with operating(settings) as context:
        story = await trace(context.pool, name)
    if as_json:
        print_json(story)
    else:
        print("\n".join(_story(msgspec.json.decode(msgspec.json.encode(story)))))
    return 0 if story["messages"] or story["events"] or story["held"] else 1


def _story(story: dict[str, Any]) -> list[str]:
    lines = [f"{story['externalId']}"]
    for event in story["events"]:
        lines += _event_lines(event)
    for message in story["messages"]:
        lines.append(
            f"  message {message['id']} of {message['organizationId']}: {message['direction']} {message['type']} "
            f"{message['status']} from {message['from']} to {message['to']}"
        )
        lines += [f"    {fact['occurred_at']}  {fact['type']}" for fact in message["facts"]]
    lines += [f"  held since {held['since']}: {held['change'].get('kind')}" for held in story["held"]]
    if len(lines) == 1:
        lines.append("  nobody has heard of it in the last 30 days")
    return lines


def _event_lines(event: dict[str, Any]) -> list[str]:
    owner = event["organizationId"] or f"nobody yet (sent to {event['externalAccountId']})"
    lines = [
        f"  event {event['id']} {event['provider']} {event['eventType']} ({event['signature']})",
        f"    {event['receivedAt']}  received, routed to {owner}, account {event['connectedAccountId']}",
    ]
    for job in event["jobs"]:
        error = f": {job['lastError']}" if job["lastError"] else ""
        lines.append(
            f"    {job['updatedAt']}  job {job['id']} {job['status']}, failed attempts {job['attempts']}{error}"
        )
    lines.append(f"    {event['processedAt'] or 'not yet':27}  {event['status']} {event['error'] or ''}".rstrip())
    for one in event["outcomes"]:
        reason = f" ({one['reason']})" if one.get("reason") else ""
        lines.append(f"      {one['kind']} {one.get('externalId')}: {one['outcome']}{reason}")
    return lines


async def replay_now(settings: Settings, event_ids: Sequence[str], *, as_json: bool) -> int:
    """Put events back into the queue, whoever they belong to."""
    replayed = []
    async with operating(settings) as context:
        for text in event_ids:
            event_id = parse_id(text)
            if event_id is None:
                raise InvalidRequest(f"{text} is not a UUID")
            async with context.pool.acquire() as connection, connection.transaction():
                organization_id = await events.organization_of(connection, event_id)
                if organization_id is None:
                    raise NotFound(f"there is no owned webhook event {event_id}")
                replayed.append(await replay_event(connection, organization_id, event_id))
    if as_json:
        print_json([shapes.webhook_event(event, whole=False) for event in replayed])
    else:
        print("\n".join(f"{event.id} {event.status}" for event in replayed))
    return 0


async def print_unowned(settings: Settings, limit: int, *, failed: bool, as_json: bool) -> int:
    """List nobody's events: those that wait for an account to connect, or those that could not be read."""
    status = WebhookEventStatus.FAILED if failed else WebhookEventStatus.PENDING
    async with operating(settings) as context, context.pool.acquire() as connection:
        waiting = await events.list_unowned(connection, status, limit)
    if as_json:
        print_json([shapes.webhook_event(event, whole=False) for event in waiting])
        return 0
    for event in waiting:
        what = event.error or f"to {event.external_account_id}"
        print(f"{_short(event.received_at)}  {event.id}  {event.provider}  {event.event_type}  {what}")
    print(
        f"{len(waiting)} {'failed' if failed else 'waiting'}"
        if len(waiting) < limit
        else f"the latest {limit}; --limit shows more"
    )
    return 0


def _short(at: datetime) -> str:
    return at.isoformat(timespec="seconds")
