"""Accept a message to send: check it, and put it and its job into one transaction. Nothing is called here.

The order of the checks: the account, what the platform can carry, the Idempotency-Key, policy, the template. A key that
came before is answered by its message, whatever has changed since.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import asyncpg
import msgspec

from hookline.domain.account import ConnectedAccountStatus, IntegrationProvider
from hookline.domain.capability import check
from hookline.domain.errors import InvalidRequest, NotFound
from hookline.domain.event import Origin
from hookline.domain.ids import new_id, parse_id, stored_external_id
from hookline.domain.job import IntegrationJobType
from hookline.domain.message import MessageDirection, MessageStatus
from hookline.domain.outbound import InvalidMessage, OutboundMessage, write_message
from hookline.domain.refusal import AccountNotReady, KeyReused
from hookline.domain.text import to_json
from hookline.providers.base import Provider
from hookline.services import facts, send_policy, template_check, uploads
from hookline.store import accounts, conversations, jobs, messages, outbox, sends
from hookline.store.accounts import ConnectedAccount
from hookline.store.conversations import Conversation, Happened
from hookline.store.jobs import Job
from hookline.store.messages import Message
from hookline.store.pool import Connection, organization_transaction

Providers = Mapping[IntegrationProvider, Provider]
MAX_KEY_CHARACTERS = 255


class _Draft(msgspec.Struct):
    """A message on its way in. `contacts` are the names that the log may know the person by."""

    connection: Connection
    account: ConnectedAccount
    said: OutboundMessage
    contacts: Sequence[str]
    conversation: Conversation | None

    @property
    def contact(self) -> str:
        """The person's name in the log."""
        name = self.contacts[0] if self.conversation is None else self.conversation.contact
        return stored_external_id(name)


async def accept(
    pool: asyncpg.Pool,
    providers: Providers,
    organization_id: str,
    said: OutboundMessage,
    idempotency_key: str | None = None,
    *,
    links_inside: bool,
) -> Message | Job:
    """Take a message: QUEUED, with its job, in one transaction; or the one that the key stands for already.

    What stands in no log, a read mark or a typing indicator, is given by its job. links_inside: whether files may stand
    at addresses that only this machine or network reaches, as in development.

    Raises: NotFound; InvalidMessage, NotSupported, SendRefused, KeyReused.
    """
    if idempotency_key is not None:
        _check_key(idempotency_key)
    if not links_inside:
        uploads.check_links(said)
    async with organization_transaction(pool, organization_id) as connection:
        account = await accounts.get(connection, organization_id, said.account_id)
        if account is None:
            raise NotFound("there is no such account in this organization")
        sender = providers[account.provider].sender
        check(said, sender.capabilities, account.provider)
        sender.check(said)
        contacts = sender.contacts(said.to)
        found = await conversations.find(connection, organization_id, account.id, contacts)
        draft = _Draft(connection, account, said, contacts, found)
        draft.said = await uploads.check(connection, organization_id, sender, await _resolve(draft))
        if idempotency_key is not None and not said.is_action:
            known = await _known(draft, idempotency_key)
            if known is not None:
                return known
        _check_account(account)
        send_policy.check(draft.said, sender.policy, found, datetime.now(UTC))
        await template_check.check(connection, providers[account.provider].templates, account, said.template)
        if said.is_action:
            return await _enqueue(draft, {"action": msgspec.Raw(write_message(draft.said).encode())})
        return await _queue(draft, idempotency_key)


def _check_key(key: str) -> None:
    if not key.isascii() or not key.isprintable() or not 0 < len(key) <= MAX_KEY_CHARACTERS:
        raise InvalidRequest(f"Idempotency-Key must be 1 to {MAX_KEY_CHARACTERS} printable ASCII characters")


def _check_account(account: ConnectedAccount) -> None:
    if account.status is ConnectedAccountStatus.DISCONNECTED:
        raise AccountNotReady("this account is disconnected; connect it again to send", account.status)
    if account.status is ConnectedAccountStatus.ERROR:
        reason = account.last_error or "the platform no longer accepts its authorization"
        raise AccountNotReady(f"this account cannot send: {reason}", account.status)


async def _resolve(draft: _Draft) -> OutboundMessage:
    """Put the platform's ids into the place of ours, and the person's latest message where none is named."""
    said = draft.said
    if said.reply_to is not None:
        said = msgspec.structs.replace(said, reply_to=await _external_id(draft, said.reply_to, "body.replyTo"))
    for name in ("reaction", "read", "typing"):
        part = getattr(said, name)
        if part is None:
            continue
        message_id = part.message_id
        if message_id is not None:
            message_id = await _external_id(draft, message_id, f"body.{name}.messageId")
        elif draft.conversation is not None:
            message_id = draft.conversation.last_inbound_id
        said = msgspec.structs.replace(said, **{name: msgspec.structs.replace(part, message_id=message_id)})
    return said


async def _external_id(draft: _Draft, name: str, location: str) -> str:
    """Give the platform's id of a message that is named by ours; any other name is the platform's own already."""
    message_id = parse_id(name)
    if message_id is None:
        return name
    row = await messages.get(draft.connection, draft.account.organization_id, message_id)
    if row is None or row.connected_account_id != draft.account.id:
        raise InvalidMessage(location, "names no message of this account")
    if row.external_id is None:
        raise InvalidMessage(location, "names a message that the platform has not taken yet")
    return row.external_id


async def _known(draft: _Draft, key: str) -> Message | None:
    """Find the message that a key stands for.

    Raises: KeyReused, if it said something else.
    """
    row = await sends.by_key(draft.connection, draft.account.organization_id, key)
    if row is None:
        return None
    if msgspec.json.decode(row.meta_json or "{}").get("request") != msgspec.json.decode(write_message(draft.said)):
        raise KeyReused("this Idempotency-Key was used for another message")
    return row


async def _queue(draft: _Draft, key: str | None) -> Message:
    row = await sends.queue(draft.connection, _row(draft), key)
    if row is None:
        known = await _known(draft, key or "")
        if known is None:
            raise KeyReused("this Idempotency-Key was used at the same moment; try again")
        return known
    await _enqueue(draft, {"messageId": row.id, "type": draft.said.type})
    await outbox.add(
        draft.connection, facts.message_queued(row, draft.conversation.name if draft.conversation else None)
    )
    await conversations.note(draft.connection, [_happened(row)])
    return row


def _row(draft: _Draft) -> Message:
    said, account = draft.said, draft.account
    now = datetime.now(UTC)
    metadata: dict[str, Any] = msgspec.json.decode(account.metadata)
    return Message(
        id=new_id(),
        organization_id=account.organization_id,
        connected_account_id=account.id,
        provider=account.provider,
        direction=MessageDirection.OUTBOUND,
        type=said.message_type,
        origin=Origin.API,
        external_id=None,
        contact=draft.contact,
        sender=str(metadata.get("displayPhoneNumber") or account.external_account_id),
        recipient=draft.contact,
        text=said.searchable_text,
        status=MessageStatus.QUEUED,
        reply_to=None if said.reply_to is None else stored_external_id(said.reply_to),
        meta_json=to_json({"request": msgspec.Raw(write_message(said).encode())}),
        created_at=now,
        updated_at=now,
    )


async def _enqueue(draft: _Draft, payload: dict[str, Any]) -> Job:
    """Add the job, after everything else that goes to the same person; a read mark waits for nothing."""
    account = draft.account
    return await jobs.enqueue(
        draft.connection,
        organization_id=account.organization_id,
        provider=account.provider,
        job_type=IntegrationJobType.SEND_MESSAGE,
        payload_json=to_json(payload),
        connected_account_id=account.id,
        ordering_key=None if draft.said.read is not None else f"out:{account.id}:{draft.contact}",
    )


def _happened(row: Message) -> Happened:
    return Happened(
        id=new_id(),
        organization_id=row.organization_id,
        connected_account_id=row.connected_account_id,
        provider=row.provider,
        contact=row.contact or "",
        last_message_id=row.id,
        last_message_at=row.created_at,
    )
