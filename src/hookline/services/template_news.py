"""What the platform says of an account's templates, by lists and by notices, written down and told.

What changes nothing is not told. Nothing here commits.
"""

from collections.abc import Iterable, Mapping, MutableMapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import msgspec

from hookline.domain.job import IntegrationJobType
from hookline.domain.template import DELETED, Definition, TemplateChange
from hookline.domain.text import to_json
from hookline.services import account_jobs, facts
from hookline.store import accounts, outbox, templates
from hookline.store.accounts import ConnectedAccount
from hookline.store.events import StoredEvent
from hookline.store.jobs import Job
from hookline.store.pool import Connection
from hookline.store.templates import Noted, StoredTemplate, TemplateKey

# In an account's metadata: since when its templates are known. Before that, nothing is said of what it has not.
SYNCED_AT: Final = "templatesSyncedAt"
_ONLY_TEMPLATES: Final = {"only": "templates"}
# Notices bear the platform's clock, in whole seconds: a list yields to those that are hardly older than itself. What
# was made just now yields to fewer: news of another one, deleted under the same name, may be as young.
_CLOCKS_DIFFER: Final = timedelta(minutes=1)
_WHOLE_SECONDS: Final = timedelta(seconds=2)


class TemplateList(msgspec.Struct, frozen=True):
    """All templates that an account had when they were asked for."""

    asked_at: datetime
    found: Sequence[Definition]


async def keep_list(connection: Connection, account: ConnectedAccount, listed: TemplateList) -> None:
    """Take over the platform's list: what is not in it is gone. The account is locked."""
    as_of = listed.asked_at - _CLOCKS_DIFFER
    before = await templates.find(connection, ((account.id, one.name, one.language) for one in listed.found), lock=True)
    kept = await templates.keep(
        connection, account.organization_id, account.id, listed.found, asked_at=listed.asked_at, as_of=as_of
    )
    gone = await templates.miss(connection, account.id, asked_at=listed.asked_at, as_of=as_of)
    news = [row for row in kept if _is_news(before.get(row.key), row)]
    await outbox.add_all(connection, [facts.template_changed(row) for row in (*news, *gone)])
    known: dict[str, Any] = msgspec.json.decode(account.metadata)
    await accounts.set_metadata(connection, account.id, to_json({**known, SYNCED_AT: listed.asked_at}))


async def keep_new(
    connection: Connection, account: ConnectedAccount, made: Definition, asked_at: datetime
) -> StoredTemplate:
    """Take over a template that the platform has just made; its review may be over already, and is not undone."""
    key = (account.id, made.name, made.language)
    before = await templates.find(connection, [key], lock=True)
    kept = await templates.keep(
        connection,
        account.organization_id,
        account.id,
        [made],
        asked_at=asked_at,
        as_of=asked_at - _WHOLE_SECONDS,
        new=True,
    )
    if not kept:  # a list that was asked for later has it already
        return (await templates.find(connection, [key]))[key]
    if _is_news(before.get(key), kept[0]):
        await outbox.add(connection, facts.template_changed(kept[0]))
    return kept[0]


async def note_status(
    connection: Connection, account_id: UUID, name: str, language: str | None, status: str
) -> Sequence[StoredTemplate]:
    """Take over a status that an answer of the platform revealed, of one language or all; those that had another."""
    turned = await templates.turn(connection, account_id, name, language, status)
    for row in turned:
        await outbox.add(connection, facts.template_changed(row))
    return turned


async def begin_anew(connection: Connection, account_id: UUID, metadata: MutableMapping[str, Any]) -> None:
    """Forget what was known of the templates of an account that comes back: no notice came while it was away.

    metadata: the account's, to be written. Until they are read again, the platform decides what can be sent.
    """
    metadata.pop(SYNCED_AT, None)
    await templates.doubt(connection, account_id)


async def note_changes(connection: Connection, said: Iterable[tuple[StoredEvent, TemplateChange, datetime]]) -> None:
    """Write down what notices say. The platform is asked how those read that are new, or read otherwise now."""
    noted: dict[TemplateKey, Noted] = {}
    owners: dict[UUID, StoredEvent] = {}
    for event, change, at in said:
        owners[event.connected_account_id] = event
        key = (event.connected_account_id, change.name, change.language)
        if key not in noted:
            noted[key] = Noted(
                organization_id=event.organization_id,
                connected_account_id=event.connected_account_id,
                name=change.name,
                language=change.language,
            )
        noted[key].add(change, at)
    before = await templates.find(connection, noted, lock=True)
    after = await templates.note(connection, noted) if noted else []
    news = [row for row in after if _is_news(before.get(row.key), row)]
    await outbox.add_all(connection, [facts.template_changed(row) for row in news])
    unread = {row.connected_account_id for row in after if _is_unread(before.get(row.key), row)}
    for account_id in sorted(unread):
        await enqueue_sync(connection, owners[account_id], account_id)


def _is_news(before: StoredTemplate | None, after: StoredTemplate) -> bool:
    """Say whether anything is another than before. That nobody knows any more how it reads is none: it is asked."""
    if before is None:
        return True
    was, now = before.definition, after.definition
    return now != (was if now.components is not None else msgspec.structs.replace(was, components=None))


def _is_unread(before: StoredTemplate | None, after: StoredTemplate) -> bool:
    """Say whether it has just become unknown how it reads. It is asked once, however many notices follow."""
    known_before = before is None or before.components is not None
    return known_before and after.components is None and after.status != DELETED


async def enqueue_sync(connection: Connection, owner: StoredEvent | ConnectedAccount, account_id: UUID) -> Job:
    """Enqueue a job that reads an account's templates, and no more."""
    return await account_jobs.enqueue(
        connection,
        IntegrationJobType.SYNC_ACCOUNT,
        owner.provider,
        owner.organization_id,
        account_id,
        _ONLY_TEMPLATES,
    )


def is_only_templates(job: Job) -> bool:
    """Say whether a job of type SYNC_ACCOUNT is about templates only."""
    payload = msgspec.json.decode(job.payload_json)
    return isinstance(payload, Mapping) and payload.get("only") == _ONLY_TEMPLATES["only"]
